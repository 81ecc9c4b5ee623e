//! What each role may do at a running gateway, by its command line and by curl.

use anyhow::{Result, ensure};
use federation_harness::CommandTold;
use serde_json::Value;

use crate::ask::Shown;
use crate::stage::Stage;

fn refused(told: &CommandTold, right: &str) -> Result<()> {
    let said = format!("the right `{right}`");
    ensure!(told.code == Some(5) && told.text.contains(&said), "{told:?}");
    ensure!(told.text.contains(&format!("missing right: {right}")), "{told:?}");
    Ok(())
}

pub(crate) async fn each_does_what_its_role_says_and_nothing_else(stage: &mut Stage) -> Result<()> {
    drains(stage).await?;
    contents(stage).await?;
    lists(stage).await
}

/// A viewer drains nothing, an operator of one cluster no other.
async fn drains(stage: &Stage) -> Result<()> {
    let gateway = &stage.shanghai;
    let drain = |shown: Shown, cluster: &'static str, service: Option<&'static str>| async move {
        let mut words = vec!["drain", cluster, "--percent", "30", "--force", "--reason", "a test of roles"];
        words.extend(service.map(|name| ["-n", "prod", "--group", "*", "--service", name]).into_iter().flatten());
        stage.command(gateway, &shown, &words).await
    };
    for (shown, cluster, service) in [
        (stage.token("viewer"), "shanghai", None),
        (stage.token("config-reader"), "shanghai", None),
        (Shown::certificate("deployer"), "shanghai", None),
        (stage.token("operator-prod"), "frankfurt", None), // Not all services of it are its own.
        (stage.token("operator-prod"), "shanghai", Some("order-*")),
        (stage.token("operator-prod"), "frankfurt", Some("*")),
    ] {
        refused(&drain(shown, cluster, service).await?, "operate")?;
    }
    for (shown, cluster, service) in [
        (stage.token("operator-prod"), "frankfurt", Some("order-*")),
        (stage.token("operator"), "shanghai", None),
        (Shown::certificate("ops"), "frankfurt", None),
    ] {
        let told = drain(shown.clone(), cluster, service).await?;
        ensure!(told.code == Some(0), "{shown:?}: {told:?}");
    }
    let told = stage.ask(gateway, &stage.token("viewer"), "GET", "/v1/drains?effects=false", "").await?;
    let drains = told.document()["drains"].as_array().cloned().unwrap_or_default();
    let mut who: Vec<&str> = drains.iter().filter_map(|drain| drain["who"].as_str()?.split(" (").next()).collect();
    who.sort_unstable();
    ensure!(who == ["certificate:ops", "token:operator", "token:operator-prod"], "who ordered them: {}", told.text);
    Ok(())
}

/// A reader of config items reads those of its pattern; who sees names reads none.
async fn contents(stage: &Stage) -> Result<()> {
    let read = |shown: Shown, data_id: &'static str| async move {
        stage.command(&stage.shanghai, &shown, &["config", data_id, "--group", "g", "--content"]).await
    };
    for (shown, data_id) in [
        (stage.token("config-reader"), "secrets.yaml"),
        (stage.token("viewer"), "app.yaml"),
        (stage.token("operator"), "app.yaml"),
    ] {
        refused(&read(shown, data_id).await?, "read-contents")?;
    }
    let told = read(stage.token("config-reader"), "app.yaml").await?;
    ensure!(told.code == Some(0) && told.text == "open: true", "{told:?}");
    let told = read(stage.token("admin"), "secrets.yaml").await?;
    ensure!(told.code == Some(0) && told.text.starts_with("content-secret-"), "{:?}", told.code);
    let told = read(stage.token("admin"), "hidden.yaml").await?;
    ensure!(told.code == Some(4), "what is not exported is shown to nobody, not here either: {told:?}");
    Ok(())
}

/// Lists leave out what is not to be seen, and say so.
async fn lists(stage: &Stage) -> Result<()> {
    for (token, path, list, name, want, filtered) in [
        ("viewer", "/v1/services", "services", "serviceName", &["order-a", "orders", "pay"][..], Value::Null),
        ("viewer-prod", "/v1/services", "services", "serviceName", &["order-a", "pay"], Value::Bool(true)),
        ("operator-prod", "/v1/services", "services", "serviceName", &["order-a"], Value::Bool(true)),
        ("viewer", "/v1/configs", "configs", "dataId", &["app.yaml", "secrets.yaml"], Value::Null),
        ("config-reader", "/v1/configs", "configs", "dataId", &["app.yaml"], Value::Bool(true)),
    ] {
        let told = stage.ask(&stage.shanghai, &stage.token(token), "GET", path, "").await?;
        let document = told.document();
        let items = document[list].as_array().cloned().unwrap_or_default();
        let mut names: Vec<&str> = items.iter().filter_map(|item| item[name].as_str()).collect();
        names.sort_unstable();
        ensure!(names == want && document["filtered"] == filtered, "{token} {path}: {}", told.text);
    }
    Ok(())
}
