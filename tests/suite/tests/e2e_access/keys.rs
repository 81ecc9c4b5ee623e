//! Keys of an identity provider that change, and a provider that goes away.

use anyhow::{Context, Result, ensure};

use crate::provider::{KeyServer, SigningKey, claims, key_set};
use crate::stage::{Stage, eventually};

pub(crate) async fn new_ones_count_at_once_and_old_ones_while_their_provider_is_away(stage: &mut Stage) -> Result<()> {
    let claims = |name| claims("https://id.example", name, "sre");
    let next = SigningKey::edwards("corp-2")?;
    let before = stage.keep_token("signed-before", &stage.corp.token(&claims("before"))?)?;
    let after = stage.keep_token("signed-after", &next.token(&claims("after"))?)?;
    let gateway = &stage.shanghai;
    let told = stage.ask(gateway, &before, "GET", "/v1/status", "").await?;
    ensure!(told.status == 200, "{told:?}");
    let told = stage.ask(gateway, &after, "GET", "/v1/status", "").await?;
    let word = "names a key that its identity provider does not have";
    ensure!(told.status == 401 && told.text.contains(word), "{told:?}");

    // The set is asked for again when somebody shows a token of a key that is not there, at most every ten seconds.
    let keys: &KeyServer = stage.keys.as_ref().context("the provider was taken away before")?;
    keys.show(&[&stage.corp, &next]);
    eventually("a new key counts", async || {
        let told = stage.ask(gateway, &after, "GET", "/v1/status", "").await?;
        ensure!(told.status == 200, "{told:?}");
        Ok(())
    })
    .await?;
    let told = stage.ask(gateway, &before, "GET", "/v1/whoami", "").await?;
    ensure!(told.status == 200 && told.text.contains("jwt:corp/before"), "the old one is still shown: {told:?}");

    // A file of keys that changes, and one that is wrong.
    let build = SigningKey::ecdsa("build-2")?;
    let of = |key: &SigningKey| key.token(&crate::provider::claims("https://build.example", "robot", "none"));
    let (old, new) = (stage.keep_token("build-old", &of(&stage.build)?)?, stage.keep_token("build-new", &of(&build)?)?);
    std::fs::write(stage.path("build.jwks"), key_set(&[&build]))?;
    eventually("a new key of a file counts, and the old one not any more", async || {
        let [new, old] =
            [stage.ask(gateway, &new, "GET", "/v1/services", ""), stage.ask(gateway, &old, "GET", "/v1/services", "")];
        let (new, old) = tokio::try_join!(new, old)?;
        ensure!((new.status, old.status) == (200, 401), "{new:?} {old:?}");
        Ok(())
    })
    .await?;
    std::fs::write(stage.path("build.jwks"), "{\"keys\": 7}")?;
    until_trouble(stage, "build.jwks").await?;
    let told = stage.ask(gateway, &new, "GET", "/v1/services", "").await?;
    ensure!(told.status == 200, "what was good counts on: {told:?}");
    std::fs::write(stage.path("build.jwks"), key_set(&[&stage.build, &build]))?;

    stage.keys = None;
    until_trouble(stage, "/keys").await?;
    let later = stage.keep_token("signed-later", &next.token(&claims("later"))?)?;
    for (shown, name) in [(before, "before"), (after, "after"), (later, "later")] {
        let told = stage.ask(&stage.shanghai, &shown, "GET", "/v1/whoami", "").await?;
        ensure!(told.status == 200 && told.text.contains(name), "keys that are known count on: {told:?}");
    }
    Ok(())
}

/// Until `status` has a trouble of accounts with this in its text.
async fn until_trouble(stage: &Stage, word: &str) -> Result<()> {
    eventually(&format!("a trouble with {word}"), async || {
        let told = stage.ask(&stage.shanghai, &stage.token("admin"), "GET", "/v1/status", "").await?;
        stage.memory.said(&told.text);
        let troubles = told.document()["troubles"].as_array().cloned().unwrap_or_default();
        let is_told = troubles.iter().any(|it| it["kind"] == "access" && it.to_string().contains(word));
        ensure!(is_told, "{troubles:?}");
        Ok(())
    })
    .await
}
