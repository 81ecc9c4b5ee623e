//! A gateway, looked at from outside: how much it shows, its memory, its processor time, how long its end takes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use federation_bench::machine;
use federation_harness::Gateway;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// What a start leaves behind, buffers above all, is given back within this time.
const SETTLE: Duration = Duration::from_secs(10);

/// Waits until the gateway shows so many instances of clusters other than its own, or, with `own`, of all.
pub(crate) async fn until_shown(gateway: &Gateway, instances: u64, own: Own) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        // Not there yet is an answer, too.
        let (_, clusters) = gateway.get("/v1/clusters", &[]).await.unwrap_or_default();
        let counted = |cluster: &&Value| own == Own::Counts || cluster["local"] == false;
        let clusters = clusters["clusters"].as_array().into_iter().flatten().filter(counted);
        if clusters.filter_map(|cluster| cluster["instances"].as_u64()).sum::<u64>() >= instances {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    bail!("{} does not show {instances} instances within {} s", gateway.cluster(), PATIENCE.as_secs())
}

/// Whether the gateway's own instances count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    Counts,
    IsLeftOut,
}

/// Memory of the gateway in bytes, once it has come to rest.
pub(crate) async fn memory(gateway: &Gateway) -> Result<u64> {
    tokio::time::sleep(SETTLE).await;
    Ok(machine::used_by(pid(gateway)?).1 << 20)
}

/// Processor seconds that the gateway has used.
pub(crate) fn processor(gateway: &Gateway) -> Result<f64> {
    Ok(machine::used_by(pid(gateway)?).0)
}

/// The share of a core that each gateway uses while nothing changes, over `length`.
pub(crate) async fn idle(gateways: &[&Gateway], length: Duration) -> Result<Vec<f64>> {
    let all = || gateways.iter().map(|gateway| processor(gateway)).collect::<Result<Vec<f64>>>();
    let (begun, before) = (Instant::now(), all()?);
    tokio::time::sleep(length).await;
    let (after, took) = (all()?, begun.elapsed().as_secs_f64());
    Ok(after.iter().zip(before).map(|(after, before)| (after - before) / took).collect())
}

/// How long an orderly stop takes.
pub(crate) async fn stop(gateway: &mut Gateway) -> Result<Duration> {
    let begun = Instant::now();
    gateway.stop().await?;
    Ok(begun.elapsed())
}

fn pid(gateway: &Gateway) -> Result<u32> {
    gateway.pid().context("the gateway runs")
}
