//! What does not count: refused by all three ways to ask, with the same word.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use federation_proto::federation::v1 as pb;
use serde_json::{Value, json};
use tonic::Code;

use crate::ask::Shown;
use crate::gateway::client;
use crate::provider::{SigningKey, claims, seconds, token_signed_with_public_key, token_without_signature};
use crate::stage::{PATIENCE, Stage, eventually, marker};

/// With a claim that is another.
fn but(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

/// What is shown, by a name of its own, and what is said to it.
async fn wrong(stage: &Stage) -> Result<Vec<(Shown, &'static str)>> {
    let good = || claims("https://id.example", "alice", "sre");
    let (corp, forged) = (&stage.corp, SigningKey::edwards(stage.corp.id)?);
    let old = but(good(), "exp", json!(seconds() - 120));
    let early = but(good(), "nbf", json!(seconds() + 120));
    let mut endless = good();
    endless.as_object_mut().context("claims are an object")?.remove("exp");
    let corp_as_build = stage.corp.token(&claims("https://build.example", "robot", "none"))?;
    let changed = {
        let [mine, admins] =
            ["build-none", "sre"].map(|group| corp.token(&claims("https://id.example", "mallory", group)));
        let (mine, admins) = (mine?, admins?);
        let claimed = admins.split('.').nth(1).context("a token has three parts")?;
        let parts: Vec<&str> = mine.split('.').collect();
        format!("{}.{claimed}.{}", parts[0], parts[2])
    };
    let tokens = [
        ("expired", corp.token(&old)?, "the token has expired"),
        ("early", corp.token(&early)?, "does not count yet"),
        ("endless", corp.token(&endless)?, "no JWT that can be read here"),
        ("forged", forged.token(&good())?, "the token's signature is wrong"),
        ("changed", changed, "the token's signature is wrong"),
        ("astray", corp.token(&but(good(), "aud", json!("something-else")))?, "for another audience"),
        ("for-nobody", corp.token(&but(good(), "aud", Value::Null))?, "for another audience"),
        ("foreign", corp.token(&but(good(), "iss", json!("https://evil.example")))?, "of another issuer"),
        ("unsigned", token_without_signature(&good()), "signed with an algorithm that is not accepted"),
        ("public", token_signed_with_public_key(corp, &good()), "signed with an algorithm that is not accepted"),
        ("of-another", corp_as_build, "signed with an algorithm that is not accepted"),
        ("made-up", format!("nfed_{}", marker("wrong-token-")), "never made for this gateway, or it was revoked"),
    ];
    let mut shown = vec![(Shown::default(), "nothing was shown that says who asks")];
    for (name, token, word) in tokens {
        shown.push((stage.keep_token(name, &token)?, word));
    }
    let gateway = &stage.shanghai;
    gateway.make_token(&stage.memory, "revoked", &["--role", "admin"]).await?;
    until_status(stage, "revoked", 200).await?;
    gateway.revoke("revoked").await?;
    until_status(stage, "revoked", 401).await?;
    shown.push((stage.token("revoked"), "never made for this gateway, or it was revoked"));
    gateway.make_token(&stage.memory, "brief", &["--role", "admin", "--expires", "1s"]).await?;
    eventually("a brief token is over", async || {
        let told = stage.ask(gateway, &stage.token("brief"), "GET", "/v1/status", "").await?;
        ensure!(told.status == 401 && told.text.contains("the token has expired"), "{told:?}");
        Ok(())
    })
    .await?;
    shown.push((stage.token("brief"), "the token has expired"));
    Ok(shown)
}

async fn until_status(stage: &Stage, token: &str, status: u16) -> Result<()> {
    eventually(&format!("{status} for {token}"), async || {
        let told = stage.ask(&stage.shanghai, &stage.token(token), "GET", "/v1/status", "").await?;
        ensure!(told.status == status, "{told:?}");
        Ok(())
    })
    .await
}

pub(crate) async fn what_is_wrong_is_refused_everywhere_in_words_that_say_why(stage: &mut Stage) -> Result<()> {
    for (shown, word) in wrong(stage).await? {
        let gateway = &stage.shanghai;
        for (method, path, body) in [
            ("GET", "/v1/status", ""),
            ("GET", "/v1/config?dataId=secrets.yaml&groupName=g", ""),
            ("POST", "/v1/drains", r#"{"cluster": "shanghai", "percent": 100}"#),
        ] {
            let told = stage.ask(gateway, &shown, method, path, body).await?;
            let problem = told.document();
            let detail = problem["detail"].as_str().unwrap_or_default();
            ensure!(
                told.status == 401 && problem["type"] == "urn:federation:problem:not-known" && detail.contains(word),
                "{shown:?} {method} {path}: {told:?}"
            );
        }
        let channel = stage.channel(gateway, &shown)?;
        let request =
            pb::GetConfigRequest { group_name: "g".into(), data_id: "secrets.yaml".into(), ..Default::default() };
        let (code, text) = stage.call(channel, &shown, "/federation.v1.Discovery/GetConfig", request).await?;
        ensure!(code == Code::Unauthenticated && text.contains(word), "{shown:?}: {code:?} {text}");
        for command in [&["status"][..], &["drain", "shanghai", "--percent", "100"], &["whoami"]] {
            if command == ["whoami"] && shown.token.is_none() {
                continue; // Who shows nothing is told that he is nobody.
            }
            let told = stage.command(gateway, &shown, command).await?;
            ensure!(told.code == Some(5) && told.text.contains(word), "{shown:?} {command:?}: {told:?}");
        }
    }
    let other = stage.curl(&stage.shanghai, &Shown::default(), &["--user", "admin:admin"], "/v1/status").await?;
    ensure!(other.status == 401 && other.text.contains("Bearer TOKEN"), "another scheme: {other:?}");
    Ok(())
}

pub(crate) async fn a_token_that_is_revoked_ends_its_watch_and_counts_no_more(stage: &mut Stage) -> Result<()> {
    stage.shanghai.make_token(&stage.memory, "watcher", &["--role", "viewer"]).await?;
    until_status(stage, "watcher", 200).await?;
    let token = std::fs::read_to_string(stage.path("watcher.token"))?;
    let url = format!("{}/v1/watch?serviceName=order-a&namespaceId=prod", stage.shanghai.http());
    let mut watch = client(stage.home.path(), None)?.get(url).bearer_auth(token).send().await?;
    ensure!(watch.status().as_u16() == 200, "{}", watch.status());
    ensure!(watch.chunk().await?.is_some(), "a watch begins with what is there");
    stage.shanghai.revoke("watcher").await?;
    let ended = async {
        while watch.chunk().await?.is_some() {}
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE.min(Duration::from_secs(30)), ended).await.context("the watch goes on")??;
    until_status(stage, "watcher", 401).await
}
