//! Real gateways, as processes with embedded registries on a real Kafka, in which something is broken on purpose: what each says of
//! itself, by its API and by `nacos-fed status`, and that it is well again afterwards.

mod orders;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_harness::{Gateway, GatewayOptions, Kafka, KafkaOptions, Part, Parts, announce};
use serde_json::Value;

/// Far longer than anything here takes beside a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> Result<()>) -> Result<()> {
    let began = Instant::now();
    loop {
        match is_so().await {
            Ok(()) => {
                announce(&format!("{what} after {:.1} s", began.elapsed().as_secs_f64()));
                return Ok(());
            }
            Err(error) if began.elapsed() > PATIENCE => return Err(error.context(format!("not {what}"))),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// What `nacos-fed status` ends with and prints.
async fn told_by_command(gateway: &Gateway) -> Result<(Option<i32>, String)> {
    let told = gateway.command(&["status"]).await?;
    Ok((told.code, told.text))
}

async fn is_well(gateway: &Gateway) -> Result<()> {
    let (code, text) = told_by_command(gateway).await?;
    ensure!(code == Some(0), "`nacos-fed status` of {} ends with {code:?}: {text}", gateway.cluster());
    Ok(())
}

fn freshness<'a>(document: &'a Value, cluster: &str) -> Option<&'a str> {
    let clusters = document["clusters"].as_array()?.iter();
    clusters.clone().find(|it| it["cluster"] == cluster)?["freshness"].as_str()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_engine_is_said_by_its_gateway_and_seen_by_the_other_and_healed() -> Result<()> {
    let parts = Parts::ensure(&[Part::Kafka]).await?;
    let kafka = Kafka::start(&parts, KafkaOptions::default()).await?;
    let options = |cluster: &str| GatewayOptions::new("stuck", cluster, &kafka.bootstrap());
    let fault = ("NACOS_FED_FAULT".to_owned(), "engine-stuck:25s@20s".to_owned());
    let mut stuck = Gateway::start(&GatewayOptions { variables: vec![fault], ..options("shanghai") }).await?;
    let mut other = Gateway::start(&options("frankfurt")).await?;
    eventually("both are well", async || {
        is_well(&stuck).await?;
        is_well(&other).await
    })
    .await?;

    let told = "engine has not turned for";
    eventually("it says that it is stuck", async || {
        let (code, document) = stuck.get("/readyz", &[]).await?;
        let detail = document["detail"].as_str().unwrap_or_default();
        ensure!(code == 503 && detail.contains(told), "/readyz: {code} {document}");
        Ok(())
    })
    .await?;
    let (_, status) = stuck.get("/v1/status", &[]).await?;
    for cluster in ["shanghai", "frankfurt"] {
        ensure!(freshness(&status, cluster) == Some("isolated"), "{cluster}: {status}");
    }
    ensure!(status["troubles"].to_string().contains("engine_stuck"), "{status}");
    let (code, text) = told_by_command(&stuck).await?;
    ensure!(code == Some(1) && text.contains(told), "`nacos-fed status` ends with {code:?}: {text}");
    eventually("the other calls it silent", async || {
        let (_, clusters) = other.get("/v1/clusters", &[]).await?;
        let seen = freshness(&clusters, "shanghai").context("it is not shown")?;
        ensure!(seen == "stale", "{clusters}");
        Ok(())
    })
    .await?;

    eventually("both are well again", async || {
        is_well(&stuck).await?;
        is_well(&other).await
    })
    .await?;
    stuck.stop().await?;
    other.stop().await
}
