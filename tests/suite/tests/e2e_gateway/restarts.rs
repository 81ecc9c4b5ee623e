//! A gateway restarts: nothing is written that did not change, and it answers whatever is down.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use federation_harness::{Sdk, SdkConfig, SdkInstance, SdkService, announce};
use serde_json::Value;

use crate::crew::Crew;
use crate::records::{self, Fact};
use crate::scale;
use crate::seen::{self, eventually, shows, shows_config, start_is_over};
use crate::world::{Side, World, in_the_world, unique};

const PATIENCE: Duration = Duration::from_secs(40);

#[test]
fn a_restart_with_nothing_changed_writes_no_instance_and_no_config_item() {
    in_the_world(async |world| {
        let crew = Crew::muster(world, [Side::Shanghai, Side::Frankfurt, Side::Shanghai]).await?;
        let item = SdkConfig::public(unique("kept.yaml"));
        for side in Side::BOTH {
            world.driver(side, Sdk::Java).publish_config(&item, "kept: \"é\"\r\n").await?;
            let probe =
                async || shows_config(world.gateway(side.other()), &item, side.cluster(), "kept: \"é\"\r\n").await;
            eventually("the config item is shown", PATIENCE, probe).await?;
        }
        world.until_settled(PATIENCE).await?;
        let before = records::facts(&world.kafka).await?;
        ensure!(before.len() >= 7, "five instances and two config items are not in the log: {before:?}");

        world.region(Side::Shanghai).gateway.restart().await?;
        world.region(Side::Frankfurt).gateway.kill().await?;
        world.region(Side::Frankfurt).gateway.restart().await?;
        for side in Side::BOTH {
            let probe = async || start_is_over(world.gateway(side)).await;
            eventually("the start is over", PATIENCE, probe).await?;
        }
        world.until_settled(PATIENCE).await?;
        crew.until_all_seen(world, PATIENCE).await?;
        let probe_service = one_change_each(world).await?;

        let after = records::facts(&world.kafka).await?;
        let new = after.iter().filter(|fact| !before.contains(fact));
        let (probes, others): (Vec<&Fact>, Vec<&Fact>) = new.partition(|fact| fact.key.contains(&probe_service));
        ensure!(probes.len() == 2, "one change in each region made these records: {probes:?}");
        ensure!(others.is_empty(), "a restart with nothing changed wrote {others:?}");
        for side in Side::BOTH {
            world.driver(side, Sdk::Java).remove_config(&item).await?;
        }
        Ok(())
    });
}

#[test]
fn a_gateway_restarted_while_kafka_is_down_shows_all_it_knew_and_says_how_old_that_is() {
    in_the_world(async |world| {
        let crew = Crew::muster(world, [Side::Shanghai, Side::Frankfurt, Side::Frankfurt]).await?;
        world.kafka.kill().await?;
        let gateway = &mut world.region(Side::Frankfurt).gateway;
        gateway.stop().await?;
        gateway.spawn().await?;
        let (instances, _) = eventually("it shows all it knew", PATIENCE, async || {
            let shown = seen::instances(world.gateway(Side::Frankfurt), &crew.service).await?;
            ensure!(shown.len() == 5, "it shows {} of 5", shown.len());
            ensure!(shown.iter().all(|it| it["origin"] != "frankfurt" || it["source"] == "nacos"), "{shown:?}");
            Ok(shown)
        })
        .await?;
        for instance in instances.iter().filter(|it| it["origin"] == "shanghai") {
            ensure!(instance["source"] == "snapshot" && instance["freshness"] != "live", "{instance}");
        }
        let own = SdkService::public(unique("local"));
        let instance = SdkInstance::new("10.6.0.1", 80);
        world.driver(Side::Frankfurt, Sdk::Java).register(&own, &instance).await?;
        let probe = async || shows(world.gateway(Side::Frankfurt), &own, "frankfurt", &instance).await;
        eventually("it shows what is new in its own region", PATIENCE, probe).await?;
        eventually("it says so", PATIENCE, async || says_two_reasons(world, Side::Frankfurt).await).await?;

        world.kafka.restart().await?;
        let probe = async || shows(world.gateway(Side::Shanghai), &own, "frankfurt", &instance).await;
        eventually("what is new arrives", PATIENCE, probe).await?;
        world.driver(Side::Frankfurt, Sdk::Java).deregister(&own, &instance).await?;
        crew.until_all_seen(world, PATIENCE).await?;
        world.until_settled(PATIENCE).await
    });
}

#[test]
fn a_gateway_restarted_with_its_snapshot_reads_only_what_came_since() {
    in_the_world(async |world| {
        let services: Vec<SdkService> = (0..20).map(|n| SdkService::public(unique(&format!("tail-{n}")))).collect();
        let instance = SdkInstance::new("10.6.0.3", 80);
        for service in &services {
            world.driver(Side::Shanghai, Sdk::Java).register(service, &instance).await?;
        }
        for service in &services {
            frankfurt_shows(world, service, &instance).await?;
        }
        world.until_settled(PATIENCE).await?;
        world.region(Side::Frankfurt).gateway.stop().await?;
        let since = SdkService::public(unique("since"));
        world.driver(Side::Shanghai, Sdk::Java).register(&since, &instance).await?;
        world.region(Side::Frankfurt).gateway.spawn().await?;
        frankfurt_shows(world, &since, &instance).await?;
        eventually("the start is over", PATIENCE, async || start_is_over(world.gateway(Side::Frankfurt)).await).await?;
        let facts = seen::status(world.gateway(Side::Frankfurt)).await?["facts"].clone();
        let (read_on, read) = (text(&facts, "logReadOn")?, text(&facts, "recordsRead")?);
        let of_shanghai = read.split(", ").find_map(|of| of.strip_prefix("shanghai ")).unwrap_or_default();
        let of_shanghai: usize = of_shanghai.parse()?;
        announce(&format!("read on: {read_on}; records read: {read}"));
        ensure!(!read_on.starts_with("no") && !read_on.contains("not:"), "it was not read on: {read_on}");
        // Of each of 16 partitions some checkpoints; of 20 services none.
        ensure!((1..=60).contains(&of_shanghai), "{of_shanghai} records of shanghai were read");
        for service in services.iter().chain([&since]) {
            frankfurt_shows(world, service, &instance).await?;
            world.driver(Side::Shanghai, Sdk::Java).deregister(service, &instance).await?;
        }
        world.until_settled(PATIENCE).await
    });
}

async fn frankfurt_shows(world: &World, service: &SdkService, instance: &SdkInstance) -> Result<()> {
    let probe = async || shows(world.gateway(Side::Frankfurt), service, "shanghai", instance).await;
    eventually("it is shown", PATIENCE, probe).await.map(drop)
}

fn text<'a>(facts: &'a Value, name: &str) -> Result<&'a str> {
    facts[name].as_str().with_context(|| format!("no {name} in {facts}"))
}

/// Registers an instance in each region and waits until the other shows it: what was written before it is in the log then.
async fn one_change_each(world: &World) -> Result<String> {
    let service = SdkService::public(unique("probe"));
    let instance = SdkInstance::new("10.6.0.2", 80);
    for side in Side::BOTH {
        world.driver(side, Sdk::Java).register(&service, &instance).await?;
        let probe = async || shows(world.gateway(side.other()), &service, side.cluster(), &instance).await;
        eventually("the change arrives", PATIENCE * scale::slack(), probe).await?;
    }
    Ok(service.service)
}

async fn says_two_reasons(world: &World, side: Side) -> Result<()> {
    let status = seen::status(world.gateway(side)).await?;
    let reasons = status["reasons"].as_array().map(Vec::as_slice).unwrap_or_default();
    let reasons: Vec<&str> = reasons.iter().filter_map(Value::as_str).collect();
    for words in ["the log cannot be reached", "other clusters may be missing"] {
        ensure!(reasons.iter().any(|reason| reason.contains(words)), "{words:?} is not among {reasons:?}");
    }
    Ok(())
}
