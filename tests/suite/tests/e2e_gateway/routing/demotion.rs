//! Instances fall sick one by one, and a cluster's gateway goes away: shares move exactly as the arithmetic says.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use federation_harness::{Fault, SdkService, announce};
use federation_routing_tests::naive;
use federation_routing_tests::scenario::Scenario;

use super::plans::{ask, by_cluster, endpoints, load_explained, planned, scenario, shares_of, trace_line};
use super::trio::{Member, Trio};
use crate::seen::{eventually, instances};
use crate::world::{World, in_the_world};

/// A push of a Nacos, or what the gateway holds back until better news are believed, or a cluster's silence; each takes seconds.
const PATIENCE: Duration = Duration::from_secs(40);
/// The part of the path of a read that tells true health on 3.x.
const READS: &str = "ns/instance/list";

#[test]
fn shares_move_to_the_next_region_exactly_as_instances_fall_sick() {
    in_the_world(async |world| {
        let mut trio = Trio::start(world).await?;
        let outcome = fall_sick_and_silent(world, &mut trio).await;
        trio.end(outcome).await
    });
}

async fn fall_sick_and_silent(world: &World, trio: &mut Trio) -> Result<()> {
    let service = trio.service("orders");
    let shanghai = [(8001, 1), (8002, 2), (8003, 1), (8004, 4)].map(|(port, weight)| ("shanghai", port, weight));
    let others = [("frankfurt", 8001, 1), ("frankfurt", 8002, 2), ("singapore", 8001, 4)];
    let all = shanghai.into_iter().chain(others);
    let mut members: Vec<Member> = all.map(|(cluster, port, weight)| Member::new(cluster, port, weight)).collect();
    trio.register(world, &service, &members).await?;
    let healthy = scenario("shanghai", &members);
    step(trio, &service, &healthy, "by availability").await?;
    let all_at_home = by_cluster(&shares_of(&naive::answer(&healthy)));
    ensure!(all_at_home["shanghai"] == 1_000_000, "the naive arithmetic gives {all_at_home:?}");

    for sick in 0..3 {
        turn(world, trio, &service, &mut members, sick, "unhealthy").await?;
        step(trio, &service, &scenario("shanghai", &members), "by availability").await?;
    }
    for at in [4, 5] {
        turn(world, trio, &service, &mut members, at, "unhealthy").await?;
    }
    step(trio, &service, &scenario("shanghai", &members), "all panic, by size").await?;
    for at in [4, 5] {
        turn(world, trio, &service, &mut members, at, "healthy").await?;
    }
    step(trio, &service, &scenario("shanghai", &members), "by availability").await?;

    // Nacos says of all four that they are healthy now, and that this need not be so. What is true is read, as soon as it can be read.
    trio.proxy.inject(&[READS, &service.service], Fault::Status500, usize::MAX);
    turn(world, trio, &service, &mut members, 3, "unhealthy").await?;
    let mut unknown = members.clone();
    unknown[..4].iter_mut().for_each(|member| member.health = "unknown");
    step(trio, &service, &scenario("shanghai", &unknown), "by availability").await?;
    trio.proxy.heal();
    step(trio, &service, &scenario("shanghai", &members), "by availability").await?;

    for at in 0..4 {
        turn(world, trio, &service, &mut members, at, "healthy").await?;
    }
    step(trio, &service, &healthy, "by availability").await?;
    trio.stop("shanghai").await?;
    for freshness in ["stale", "lost"] {
        goes_behind(trio, &service, &healthy, freshness).await?;
    }
    trio.deregister(world, &service, &members).await
}

/// Makes one instance sick or well, and tells its Nacos.
async fn turn(
    world: &World,
    trio: &Trio,
    service: &SdkService,
    members: &mut [Member],
    at: usize,
    health: &'static str,
) -> Result<()> {
    members[at].health = health;
    trio.judge(world, service, &members[at]).await
}

/// Waits until every gateway plans the scenario, and explains the load by `rule`.
async fn step(trio: &Trio, service: &SdkService, scenario: &Scenario, rule: &str) -> Result<()> {
    let mut told = String::new();
    for gateway in trio.running() {
        let probe = async || {
            planned(gateway, service, scenario).await?;
            load_explained(gateway, service, scenario, rule).await
        };
        (told, _) = eventually("the shares are as the arithmetic says", PATIENCE, probe).await?;
    }
    announce(&format!("{:?}: {told}", by_cluster(&shares_of(&naive::answer(scenario)))));
    Ok(())
}

/// Waits until the others take shanghai for `freshness`: its instances are the last choice, and still there.
async fn goes_behind(trio: &Trio, service: &SdkService, healthy: &Scenario, freshness: &str) -> Result<()> {
    let mut scenario = healthy.clone();
    scenario.origins.insert("shanghai".into(), freshness.into());
    for gateway in trio.running() {
        let probe = async || {
            planned(gateway, service, &scenario).await?;
            let explained = ask(gateway, "/v1/explain", service, "shanghai").await?;
            for endpoint in endpoints(&explained)?.iter().filter(|it| it["origin"] == "shanghai") {
                ensure!(endpoint["effectiveFreshness"] == freshness, "{endpoint}");
                let rank = endpoint["rank"].as_str().context("no rank")?;
                ensure!(rank.starts_with(freshness), "{endpoint}");
            }
            ensure!(explained["leftOut"].as_array().is_some_and(Vec::is_empty), "{}", explained["leftOut"]);
            trace_line(&explained, "rank: ")
        };
        let (told, took) = eventually(&format!("shanghai is {freshness}"), PATIENCE, probe).await?;
        ensure!(told.contains(&format!("rank {freshness}")), "{told}");
        announce(&format!("{} after {} ms: {told}", gateway.cluster(), took.as_millis()));
        let shown = instances(gateway, service).await?;
        ensure!(shown.len() == healthy.endpoints.len(), "{} shows {shown:?}", gateway.cluster());
    }
    Ok(())
}
