//! No secret of the test is in anything that gateways wrote or said: logs at level trace, metrics, status, tables, refusals, files, arguments of
//! processes, and snapshots, in which contents are sealed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use federation_harness::announce;

use crate::gateway::{AccessGateway, Cluster};
use crate::provider::KeyServer;
use crate::stage::{Stage, eventually, marker};

/// What every command that shows something is asked, by somebody who may see all.
const QUESTIONS: [&[&str]; 12] = [
    &["status"],
    &["status", "--format", "json"],
    &["clusters", "--format", "json"],
    &["services", "--format", "json"],
    &["configs", "--format", "json"],
    &["drains", "--format", "json"],
    &["drains", "--all"],
    &["audit", "--format", "json"],
    &["whoami", "--format", "json"],
    &["verify", "--format", "json"],
    &["policy", "show", "--format", "json"],
    &["guard", "list", "--format", "json"],
];

pub(crate) async fn none_is_in_anything_that_was_said_or_written(stage: &mut Stage) -> Result<()> {
    // That of Nacos, with which it answers a login, is known to nobody here but by how all of them begin.
    stage.memory.hide("the beginning of a JWT", "eyJhbGciOi");
    let mut astray = start_astray(stage).await?;
    let admin = stage.token("admin");
    let content =
        stage.command(&stage.shanghai, &admin, &["config", "secrets.yaml", "--group", "g", "--content"]).await?;
    ensure!(stage.memory.secrets().iter().any(|(_, secret)| *secret == content.text), "its content is the secret");
    for gateway in [&stage.shanghai, &stage.frankfurt, &astray] {
        listen(stage, gateway).await?;
    }
    arguments_of_processes(stage, &astray)?;
    astray.stop().await?;
    stage.frankfurt.stop().await?;
    stage.shanghai.stop().await?; // Now the last snapshots are written.

    let mut places = vec![("what was said".to_owned(), stage.memory.all_said())];
    for gateway in [&stage.shanghai, &stage.frankfurt, &astray] {
        let log = read(&gateway.log())?;
        ensure!(!log.is_empty(), "there is no log to look into");
        places.push((gateway.log().display().to_string(), log));
        for file in files(&gateway.folder())? {
            places.push((file.display().to_string(), read(&file)?));
        }
    }
    let traced = places.iter().find(|(place, _)| place.ends_with("logs/shanghai.log")).context("it has a log")?;
    ensure!(traced.1.contains("TRACE"), "that log is at level trace");
    ensure!(
        places.iter().any(|(place, _)| place.contains("shanghai/data/snapshot")),
        "there is no snapshot to look into"
    );
    let bytes: usize = places.iter().map(|(_, text)| text.len()).sum();
    let secrets = stage.memory.secrets();
    announce(&format!("{} secrets in {} places, {} MiB", secrets.len(), places.len(), bytes >> 20));
    let mut found = Vec::new();
    for (what, secret) in &secrets {
        let has = places.iter().filter(|(_, text)| text.contains(secret.as_str()));
        found.extend(has.map(|(place, text)| format!("{what} is in {place}: {}", around(text, secret))));
    }
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

/// A gateway with wrong passwords, until it has said that they are wrong.
async fn start_astray(stage: &Stage) -> Result<AccessGateway> {
    let keys = KeyServer::start(&[&stage.corp]).await?;
    let cluster = Cluster::Astray(stage.nacos.address());
    let places = (stage.home.path(), stage.network.address());
    let mut astray = AccessGateway::prepare(cluster, places, &keys, &stage.kafka.bootstrap()).await?;
    for (name, of) in [("NACOS_PASSWORD", "Nacos"), ("KAFKA_PASSWORD", "Kafka")] {
        let wrong = marker("wrong-password-");
        stage.memory.hide(&format!("a wrong password for {of}"), &wrong);
        astray.secrets.push((name.to_owned(), wrong));
    }
    astray.spawn().await?;
    eventually("a gateway with wrong passwords says so", async || {
        let told = stage.ask(&astray, &stage.token("admin"), "GET", "/v1/status", "").await?;
        let troubles = told.document()["troubles"].to_string();
        ensure!(troubles.contains("log_unreachable") && troubles.contains("nacos_call"), "{told:?}");
        Ok(())
    })
    .await?;
    Ok(astray)
}

/// Has it say all that it can say of itself.
async fn listen(stage: &Stage, gateway: &AccessGateway) -> Result<()> {
    let admin = stage.token("admin").with("ops");
    for path in ["/metrics", "/v1/status", "/readyz", "/v1/audit", "/v1/configs", "/v1/descriptor"] {
        let told = stage.ask(gateway, &admin, "GET", path, "").await?;
        stage.memory.said(&told.text);
    }
    for words in QUESTIONS {
        let told = stage.command(gateway, &admin, words).await?;
        stage.memory.said(&told.text);
    }
    let file = gateway.folder().join("gateway.yaml");
    let told =
        gateway.run_with_secrets(&["check-config", file.to_str().context("the path of the test is not text")?]).await?;
    ensure!(told.text.contains("***"), "secrets are masked: {}", told.code.unwrap_or(-1));
    stage.memory.said(&told.text);
    Ok(())
}

/// Arguments of all processes, and the environment of those that gateways began.
fn arguments_of_processes(stage: &Stage, astray: &AccessGateway) -> Result<()> {
    let gateways: Vec<u32> = [&stage.shanghai, &stage.frankfurt, astray].iter().filter_map(|it| it.pid()).collect();
    ensure!(gateways.len() == 3, "three gateways run");
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let of = |name: &str| read(&entry.path().join(name)).unwrap_or_default(); // It may have ended.
        let parent = of("status").lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse::<u32>().ok());
        let mut told = of("cmdline");
        if parent.is_some_and(|parent| gateways.contains(&parent)) {
            told.push_str(&of("environ"));
        }
        for (what, secret) in stage.memory.secrets() {
            ensure!(!told.contains(&secret), "{what} is in the arguments or the environment of process {pid}");
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// All files below.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut pending) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(&folder)?.flatten() {
            let path = entry.path();
            if path.is_dir() { pending.push(path) } else { found.push(path) }
        }
    }
    Ok(found)
}

/// What stands before and after the first one, which itself is not told.
fn around(text: &str, secret: &str) -> String {
    let at = text.find(secret).unwrap_or(0);
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let before: String = text[line..at].chars().rev().take(400).collect::<Vec<_>>().into_iter().rev().collect();
    let after: String = text[at + secret.len()..].chars().take_while(|it| *it != '\n').take(100).collect();
    format!("{before}<here>{after}")
}
