//! A drain is ordered in one cluster, in the plans of all as its dry run said, and undone from another.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_harness::{Gateway, SdkService, announce, gateway::binary};
use federation_routing_tests::naive;
use federation_routing_tests::scenario::{Drain, Scenario};
use serde_json::Value;

use super::plans::{ask, by_cluster, planned, scenario, shares, trace_line};
use super::trio::{CLUSTERS, Member, Trio};
use crate::scale;
use crate::seen::eventually;
use crate::world::{World, in_the_world};

const DRAINED_WITHIN: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(30);
/// What `nacos-fed` ends with when an order is refused.
const REFUSED: i32 = 5;

/// Millionths by cluster, by the cluster in whose place the caller is.
type Split = BTreeMap<String, BTreeMap<String, u64>>;

#[test]
fn a_drain_is_in_all_plans_as_its_dry_run_said_and_is_undone_from_elsewhere() {
    in_the_world(async |world| {
        let mut trio = Trio::start(world).await?;
        let outcome = drained_and_undone(world, &mut trio).await;
        trio.end(outcome).await
    });
}

async fn drained_and_undone(world: &World, trio: &mut Trio) -> Result<()> {
    let service = trio.service("orders");
    let members = [
        Member::new("frankfurt", 8001, 1),
        Member::new("frankfurt", 8002, 2),
        Member::new("shanghai", 8001, 1),
        Member::new("shanghai", 8002, 3),
        Member::new("singapore", 8001, 3),
    ];
    trio.register(world, &service, &members).await?;
    all_plan(trio, &service, &members, 0).await?;
    all_see_all(trio).await?;

    let order = ["drain", "frankfurt", "--percent", "30", "--reason", "a test"];
    let dry = command(trio.gateway("shanghai"), &[&order[..], &["--dry-run", "--format", "json"]].concat()).await?;
    ensure!(dry.code == Some(0), "the dry run ends with {dry:?}");
    let announced = announced(&serde_json::from_str(&dry.output)?, &service)?;
    ensure!(naive_split(&members, 30) == announced, "the dry run says {announced:?}");
    all_plan(trio, &service, &members, 0).await.context("a dry run ordered something")?;

    let given = Instant::now();
    let told = command(trio.gateway("shanghai"), &order).await?;
    ensure!(told.code == Some(0), "the drain ends with {told:?}");
    let answered = given.elapsed();
    for gateway in trio.running() {
        let probe = async || {
            let found = split(gateway, &service).await?;
            ensure!(found == announced, "{} plans {found:?}, the dry run said {announced:?}", gateway.cluster());
            Ok(())
        };
        let limit = DRAINED_WITHIN * scale::slack();
        eventually("the drain is in the plans", limit.saturating_sub(given.elapsed()), probe).await?;
    }
    announce(&format!(
        "a drain was answered after {} ms and in the plans of all gateways after {} ms, limit {} ms",
        answered.as_millis(),
        given.elapsed().as_millis(),
        DRAINED_WITHIN.as_millis()
    ));
    all_plan(trio, &service, &members, 30).await?;
    for gateway in trio.running() {
        let explained = ask(gateway, "/v1/explain", &service, "frankfurt").await?;
        let (line, drain) = (trace_line(&explained, "drain: ")?, &explained["drains"][0]);
        ensure!(line.contains("frankfurt") && line.contains("30"), "{line}");
        ensure!(drain["takenIn"] == "shanghai" && drain["why"] == "a test", "{drain}");
    }

    last_healthy_is_kept(world, trio).await?;

    trio.stop("shanghai").await?;
    let undone = Instant::now();
    let told = command(trio.gateway("singapore"), &["undrain", "frankfurt"]).await?;
    ensure!(told.code == Some(0), "it is undone with {told:?}");
    let before = naive_split(&members, 0);
    for gateway in trio.running() {
        let probe = async || {
            let found = split(gateway, &service).await?;
            // What callers at shanghai get depends on how long it is silent.
            for caller in ["frankfurt", "singapore"] {
                let found = &found[caller];
                ensure!(*found == before[caller], "{} plans {found:?} for {caller}", gateway.cluster());
            }
            Ok(())
        };
        let limit = DRAINED_WITHIN * scale::slack();
        eventually("the drain is out of the plans", limit.saturating_sub(undone.elapsed()), probe).await?;
    }
    announce(&format!("undone in all plans that are left after {} ms", undone.elapsed().as_millis()));
    trio.deregister(world, &service, &members).await
}

/// An order that would leave a service without a healthy instance changes nothing, and the service is named.
async fn last_healthy_is_kept(world: &World, trio: &Trio) -> Result<()> {
    let service = trio.service("only-here");
    let mut members = [Member::new("singapore", 8101, 1), Member::new("shanghai", 8101, 1)];
    trio.register(world, &service, &members).await?;
    members[1].health = "unhealthy";
    trio.judge(world, &service, &members[1]).await?;
    all_plan(trio, &service, &members, 0).await?;
    for gateway in trio.running() {
        let told = command(gateway, &["drain", "singapore", "--percent", "30"]).await?;
        ensure!(told.code == Some(REFUSED), "{} ends with {told:?}", gateway.cluster());
        ensure!(told.output.contains("only-here"), "{} does not name it: {told:?}", gateway.cluster());
        ensure!(!told.output.contains("orders"), "{} names one that is none: {told:?}", gateway.cluster());
    }
    all_plan(trio, &service, &members, 0).await?;
    trio.deregister(world, &service, &members).await
}

/// Waits until every gateway plans for callers in each region as the naive arithmetic does, with frankfurt drained so far.
async fn all_plan(trio: &Trio, service: &SdkService, members: &[Member], percent: u8) -> Result<()> {
    for gateway in trio.running() {
        for region in CLUSTERS {
            let scenario = drained(region, members, percent);
            eventually("it is planned", PATIENCE, async || planned(gateway, service, &scenario).await).await?;
        }
    }
    Ok(())
}

/// Waits until every gateway takes every cluster for live.
async fn all_see_all(trio: &Trio) -> Result<()> {
    for gateway in trio.running() {
        eventually("all are live", PATIENCE, async || crate::seen::settled(gateway).await).await?;
    }
    Ok(())
}

fn drained(region: &str, members: &[Member], percent: u8) -> Scenario {
    let drain = Drain { cluster: "frankfurt".into(), percent, force: false };
    Scenario { drains: vec![drain], ..scenario(region, members) }
}

fn naive_split(members: &[Member], percent: u8) -> Split {
    let of = |region: &str| {
        let answer = naive::answer(&drained(region, members, percent));
        by_cluster(&super::plans::shares_of(&answer))
    };
    CLUSTERS.into_iter().map(|region| (region.to_owned(), of(region))).collect()
}

/// What callers in each region are told to use.
async fn split(gateway: &Gateway, service: &SdkService) -> Result<Split> {
    let mut split = Split::new();
    for region in CLUSTERS {
        let document = ask(gateway, "/v1/resolve", service, region).await?;
        split.insert(region.to_owned(), by_cluster(&shares(&document)?));
    }
    Ok(split)
}

/// What a dry run says that callers will get.
fn announced(document: &Value, service: &SdkService) -> Result<Split> {
    let services = document["services"].as_array().context("no services")?;
    let of = services.iter().find(|it| it["serviceName"] == *service.service).context("the service is not in it")?;
    let callers = of["callers"].as_array().context("no callers")?;
    let one = |caller: &Value| {
        let name = caller["caller"].as_str().context("a caller without a name")?.to_owned();
        Ok((name, serde_json::from_value(caller["after"]["clusters"].clone())?))
    };
    callers.iter().map(one).collect()
}

/// How a command ended.
#[derive(Debug)]
struct Told {
    code: Option<i32>,
    output: String,
}

/// `nacos-fed` with these arguments at this gateway.
async fn command(gateway: &Gateway, arguments: &[&str]) -> Result<Told> {
    let mut command = tokio::process::Command::new(binary().await?);
    let output = command.args(arguments).args(["--server", &gateway.base()]).kill_on_drop(true).output().await?;
    let text = [output.stdout, output.stderr].concat();
    Ok(Told { code: output.status.code(), output: String::from_utf8_lossy(&text).into_owned() })
}
