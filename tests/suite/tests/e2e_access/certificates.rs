//! Certificates that do not count, and clients that come with the wrong idea of TLS.

use anyhow::{Result, ensure};
use federation_proto::federation::v1 as pb;
use tonic::Code;

use crate::ask::Shown;
use crate::gateway::AccessGateway;
use crate::stage::Stage;

/// How many connections were turned away for this reason, at both ports.
async fn turned_away(stage: &Stage, gateway: &AccessGateway, reason: &str) -> Result<u64> {
    let told = stage.ask(gateway, &stage.token("viewer"), "GET", "/metrics", "").await?;
    let lines = told.text.lines().filter(|line| {
        line.starts_with("federation_turned_away_total{") && line.contains(&format!("reason=\"{reason}\""))
    });
    Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}

pub(crate) async fn those_of_others_and_old_ones_end_in_the_handshake(stage: &mut Stage) -> Result<()> {
    for (gateway, shown, alert) in [
        (&stage.shanghai, Shown::certificate("stranger"), "unknown ca"),
        (&stage.shanghai, Shown::certificate("expired"), "certificate expired"),
        (&stage.frankfurt, Shown::certificate("stranger"), "unknown ca"),
        (&stage.frankfurt, Shown::certificate("expired"), "certificate expired"),
        (&stage.frankfurt, Shown::default(), "certificate required"),
        // A token is no way round: there is nobody yet to show it to.
        (&stage.frankfurt, stage.token("admin"), "certificate required"),
    ] {
        let before = turned_away(stage, gateway, "certificate").await?;
        let told = stage.curl(gateway, &shown, &[], "/v1/whoami").await?;
        ensure!(told.exit != Some(0) && told.status == 0 && told.text.contains(alert), "{shown:?}: {told:?}");

        let told = stage.command(gateway, &shown, &["whoami"]).await?;
        ensure!(told.code == Some(3) && said(&told.text, alert), "{shown:?}: {told:?}");

        let channel = stage.channel(gateway, &shown)?;
        let list = pb::ListClustersRequest::default();
        let (code, text) = stage.call(channel, &shown, "/federation.v1.Discovery/ListClusters", list).await?;
        // Where the handshake has ended for the client before it is refused, its call is cut short, and its library may not say why.
        let ended = matches!(code, Code::Unavailable | Code::Unknown | Code::Cancelled);
        ensure!(ended && said(&text, alert), "{shown:?}: {code:?} {text}");
        let after = turned_away(stage, gateway, "certificate").await?;
        ensure!(after >= before + 3, "{shown:?}: {after} were counted, {before} before");
    }
    Ok(())
}

/// Whether a client of rustls says which alert it was sent, or that it was cut off behind its handshake.
fn said(text: &str, alert: &str) -> bool {
    let name: String = alert.split(' ').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
    [&name.replace("UnknownCa", "UnknownCA"), "connection closed"].iter().any(|word| text.contains(*word))
}

pub(crate) async fn who_speaks_plain_text_or_trusts_somebody_else_gets_nothing(stage: &mut Stage) -> Result<()> {
    let gateway = &stage.shanghai;
    let plain = gateway.http().replace("https", "http");
    let told = gateway.run(&["status", "--server", &plain, "--token-file", "admin.token"]).await?;
    ensure!(told.code == Some(2) && told.text.contains("in clear"), "a token is not sent in clear: {told:?}");
    let told = gateway.run(&["status", "--server", &plain, "--token-file", "admin.token", "--plain-token"]).await?;
    ensure!(told.code == Some(3) && told.text.contains("400"), "{told:?}");
    let told = gateway.run(&["status", "--server", &gateway.http(), "--ca", "stranger-ca.crt"]).await?;
    ensure!(told.code == Some(3) && told.text.contains("UnknownIssuer"), "another authority: {told:?}");
    let told = gateway.run(&["status", "--server", &gateway.http()]).await?;
    ensure!(told.code == Some(3) && told.text.contains("UnknownIssuer"), "the system's authorities: {told:?}");
    ensure!(turned_away(stage, gateway, "plain_text").await? == 1, "plain text is counted");
    let told =
        stage.curl(gateway, &Shown::default(), &["--http1.1", "--header", "host: evil.example"], "/v1/whoami").await?;
    ensure!(told.status == 421 && told.text.contains("urn:federation:problem:other-host"), "{told:?}");
    let admin = stage.token("admin");
    let told = stage.curl(gateway, &admin, &["--header", "origin: https://evil.example"], "/v1/whoami").await?;
    ensure!(told.status == 403 && told.text.contains("urn:federation:problem:foreign-page"), "{told:?}");
    Ok(())
}
