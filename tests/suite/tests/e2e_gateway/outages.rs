//! Kafka or a Nacos goes away and comes back: nobody is missed meanwhile, and what changed meanwhile arrives after.

use std::time::Duration;

use anyhow::{Result, ensure};
use federation_harness::{Sdk, SdkConfig, SdkInstance, SdkService, announce};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use crate::crew::Crew;
use crate::sampler::Sampler;
use crate::scale;
use crate::seen::{self, eventually, freshness, lacks, shows, shows_config};
use crate::world::{Side, World, in_the_world, unique};

/// Long enough for everything that has to come back after a fault.
const PATIENCE: Duration = Duration::from_secs(120);
/// A region's own instances do not depend on Kafka.
const LOCAL_WITHIN: Duration = Duration::from_secs(4);

#[test]
fn kafka_killed_hides_no_instance_and_loses_no_change() {
    in_the_world(async |world| {
        let crew = Crew::muster(world, [Side::Shanghai, Side::Frankfurt, Side::Shanghai]).await?;
        let leaver = Leaver::join(world, Side::Shanghai, &crew.service).await?;
        let sampler = Sampler::start(Side::BOTH.map(|side| world.gateway(side)), &crew.expected())?;
        world.kafka.kill().await?;
        world.kafka.restart().await?;
        Changes::make(world, &Side::BOTH).await?.arrive(world).await?;
        sampler.finish("Kafka killed and restarted").await?;
        world.until_settled(PATIENCE).await?;

        let sampler = Sampler::start(Side::BOTH.map(|side| world.gateway(side)), &crew.expected())?;
        world.kafka.kill().await?;
        let gone = Instant::now();
        let changes = Changes::make(world, &Side::BOTH).await?;
        leaver.leave().await?;
        for side in Side::BOTH {
            says_that_the_log_is_away(world, side).await?;
        }
        sleep_until(gone + scale::outage()).await;
        world.kafka.restart().await?;
        changes.arrive(world).await?;
        leaver.is_missed_by_all(world).await?;
        tokio::time::sleep(scale::aftermath()).await;
        sampler.finish("Kafka killed for a while").await?;
        world.until_settled(PATIENCE).await
    });
}

#[test]
fn a_nacos_killed_for_a_while_hides_no_instance_and_loses_no_change() {
    in_the_world(async |world| {
        let down = Side::Shanghai;
        let crew = Crew::muster(world, [down, down, down]).await?;
        let leaver = Leaver::join(world, down, &crew.service).await?;
        let hermit = Leaver::join(world, down, &SdkService::public(unique("hermit"))).await?;
        let sampler = Sampler::start(Side::BOTH.map(|side| world.gateway(side)), &crew.expected())?;
        world.region(down).nacos.kill().await?;
        let gone = Instant::now();

        leaver.leave().await?;
        hermit.leave().await?;
        Changes::make(world, &[down.other()]).await?.arrive(world).await?;
        says_that_its_nacos_is_away(world, down).await?;
        sleep_until(gone + scale::outage()).await;
        leaver.is_shown_by_all(world).await?;
        world.region(down).nacos.restart().await?;
        Changes::make(world, &[down]).await?.arrive(world).await?;
        comes_back(world, down, &crew, &[&leaver, &hermit]).await?;
        sampler.finish("Nacos 3.x killed for a while").await?;
        world.until_settled(PATIENCE).await
    });
}

#[test]
fn a_nacos_killed_and_one_restarted_in_order_both_back_at_once_hide_no_instance() {
    in_the_world(async |world| {
        let mut crews = Vec::new();
        let mut samplers = Vec::new();
        for side in Side::BOTH {
            let crew = Crew::muster(world, [side, side, side]).await?;
            let leaver = Leaver::join(world, side, &crew.service).await?;
            samplers.push(Sampler::start(Side::BOTH.map(|at| world.gateway(at)), &crew.expected())?);
            crews.push((side, crew, leaver));
        }
        for (_, _, leaver) in &crews {
            leaver.leave().await?; // Its Nacos is ended before it notices.
        }
        let (shanghai, frankfurt) = world.both();
        let killed = async {
            frankfurt.nacos.kill().await?;
            frankfurt.nacos.restart().await
        };
        tokio::try_join!(killed, shanghai.nacos.restart())?;
        for (side, crew, leaver) in &crews {
            comes_back(world, *side, crew, &[leaver]).await?;
        }
        for sampler in samplers {
            sampler.finish("both Nacos restarted").await?;
        }
        world.until_settled(PATIENCE).await
    });
}

/// Waits until all of the crew is registered anew, and until nobody holds on any longer to those who left: then every removal that this
/// fault could have caused has been decided.
async fn comes_back(world: &World, side: Side, crew: &Crew, left: &[&Leaver]) -> Result<()> {
    let back = Instant::now();
    crew.until_all_seen(world, PATIENCE).await?;
    announce(&format!(
        "{}: the last instance is registered anew after {} ms",
        side.cluster(),
        back.elapsed().as_millis()
    ));
    for leaver in left {
        leaver.is_missed_by_all(world).await?;
    }
    announce(&format!("{}: those who left are gone after {} ms", side.cluster(), back.elapsed().as_millis()));
    tokio::time::sleep(scale::aftermath()).await;
    Ok(())
}

/// Changes made at one or both sides: an instance of a service nobody knew, and a config item.
struct Changes {
    service: SdkService,
    config: SdkConfig,
    instance: SdkInstance,
    sides: Vec<Side>,
}

impl Changes {
    /// Makes them, and waits until the region itself shows its instance.
    async fn make(world: &World, sides: &[Side]) -> Result<Self> {
        let service = SdkService::public(unique("meanwhile"));
        let config = SdkConfig::public(unique("meanwhile.yaml"));
        let instance = SdkInstance::new("10.4.0.1", 80);
        for side in sides {
            let driver = world.driver(*side, Sdk::Java);
            driver.register(&service, &instance).await?;
            driver.publish_config(&config, side.cluster()).await?;
            let probe = async || shows(world.gateway(*side), &service, side.cluster(), &instance).await;
            eventually("a region shows its own", LOCAL_WITHIN * scale::slack(), probe).await?;
        }
        Ok(Self { service, config, instance, sides: sides.to_vec() })
    }

    /// Waits until all gateways show them.
    async fn arrive(self, world: &World) -> Result<()> {
        let ((), took) = eventually("what changed meanwhile arrives", PATIENCE, async || {
            for at in Side::BOTH {
                for from in &self.sides {
                    shows(world.gateway(at), &self.service, from.cluster(), &self.instance).await?;
                    shows_config(world.gateway(at), &self.config, from.cluster(), from.cluster()).await?;
                }
            }
            Ok(())
        })
        .await?;
        announce(&format!("what changed meanwhile is in both regions {} ms after", took.as_millis()));
        for side in &self.sides {
            let driver = world.driver(*side, Sdk::Java);
            driver.deregister(&self.service, &self.instance).await?;
            driver.remove_config(&self.config).await?;
        }
        Ok(())
    }
}

/// An instance whose process ends during the fault.
struct Leaver {
    side: Side,
    service: SdkService,
    instance: SdkInstance,
    process: tokio::sync::Mutex<Option<federation_harness::SdkClient>>,
}

impl Leaver {
    async fn join(world: &World, side: Side, service: &SdkService) -> Result<Self> {
        let process = world.new_driver(side, Sdk::Python).await?;
        let instance = SdkInstance::new("10.5.0.1", 80);
        process.register(service, &instance).await?;
        let process = tokio::sync::Mutex::new(Some(process));
        let leaver = Self { side, service: service.clone(), instance, process };
        eventually("the leaver is shown", PATIENCE, async || leaver.is_shown_by_all(world).await).await?;
        Ok(leaver)
    }

    async fn leave(&self) -> Result<()> {
        let process = self.process.lock().await.take();
        match process {
            Some(process) => process.kill().await,
            None => Ok(()),
        }
    }

    async fn is_shown_by_all(&self, world: &World) -> Result<()> {
        for side in Side::BOTH {
            let names = seen::names(world.gateway(side), &self.service).await?;
            let name = seen::name_at(self.side.cluster(), &self.instance);
            ensure!(names.contains(&name), "{} shows {names:?} without {name}", side.cluster());
        }
        Ok(())
    }

    async fn is_missed_by_all(&self, world: &World) -> Result<()> {
        for side in Side::BOTH {
            let probe = async || lacks(world.gateway(side), &self.service, self.side.cluster(), &self.instance).await;
            eventually("who left during the fault is gone", PATIENCE, probe).await?;
        }
        Ok(())
    }
}

async fn says(world: &World, side: Side, words: &str) -> Result<()> {
    let status = seen::status(world.gateway(side)).await?;
    let reasons = status["reasons"].as_array().map(Vec::as_slice).unwrap_or_default();
    let said = reasons.iter().filter_map(Value::as_str).any(|reason| reason.contains(words));
    ensure!(said, "{} does not say that {words:?}: {reasons:?}", side.cluster());
    Ok(())
}

async fn says_that_the_log_is_away(world: &World, side: Side) -> Result<()> {
    eventually("it says so", scale::outage(), async || {
        says(world, side, "the log cannot be reached").await?;
        let other = side.other().cluster();
        let taken = freshness(world.gateway(side), other).await?;
        ensure!(taken != "live", "{} takes {other} for live while Kafka is away", side.cluster());
        Ok(())
    })
    .await?;
    Ok(())
}

async fn says_that_its_nacos_is_away(world: &World, side: Side) -> Result<()> {
    eventually("it says so", scale::outage(), async || {
        says(world, side, "the own nacos is not connected").await?;
        for at in Side::BOTH {
            let taken = freshness(world.gateway(at), side.cluster()).await?;
            ensure!(taken == "stale", "{} takes {} for {taken}", at.cluster(), side.cluster());
        }
        Ok(())
    })
    .await?;
    Ok(())
}
