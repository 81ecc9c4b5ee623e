//! Other people's SDKs, unmodified, at the front doors of two real gateways: one beside a Nacos 3.x, one beside a Nacos 2.x.
//!
//! What a program registers through one door has to be in that region's own Nacos and, through the other door, in the other region; and gone
//! from both when it deregisters, and when it is killed.

mod doors;
mod encrypted;
mod failover;
mod frameworks;

use std::time::Duration;

use anyhow::{Context, Result};
use federation_harness::{Sdk, SdkClient, SdkInstance, SdkService, announce};
use federation_tests::Side;

use crate::doors::{Doors, before_the_doors, sdks, unique};

/// From a registration to the other region's callback: Nacos's own push, the log, and the other door.
const SEEN_WITHIN: Duration = Duration::from_secs(20);
/// A killed process's connections close at once, and Nacos drops with them what was registered on them; all of it one second more.
const GONE_WITHIN: Duration = Duration::from_secs(20);
/// Over HTTP there is no connection: Nacos takes away after 30 s what does not beat any more, and looks every 5 s.
const EXPIRED_WITHIN: Duration = Duration::from_secs(50);

#[test]
fn what_an_sdk_registers_through_one_door_is_in_its_nacos_and_behind_the_other_door() {
    before_the_doors(async |doors| {
        for sdk in sdks() {
            for from in Side::BOTH {
                comes_and_goes(doors, sdk, from).await.with_context(|| format!("{sdk:?} at {}", from.cluster()))?;
            }
        }
        Ok(())
    });
}

#[test]
fn what_a_killed_process_registered_through_one_door_is_gone_from_its_nacos_and_behind_the_other_door() {
    before_the_doors(async |doors| {
        for sdk in sdks() {
            let from = Side::Shanghai;
            is_killed(doors, sdk, from).await.with_context(|| format!("{sdk:?} at {}", from.cluster()))?;
        }
        Ok(())
    });
}

/// A program at one door, and those who watch it: at the Nacos behind it, and at the other door.
struct Watched {
    program: SdkClient,
    /// In the same language as the program. Some of them never tell that a service became empty.
    consumer: SdkClient,
    /// Tells that a service became empty.
    java: SdkClient,
    /// Past all gateways.
    at_the_nacos: SdkClient,
    service: SdkService,
    instance: SdkInstance,
}

impl Watched {
    async fn begin(doors: &Doors, sdk: Sdk, from: Side) -> Result<Self> {
        let service = SdkService::public(unique("front-door"));
        let mut instance = SdkInstance { weight: 2.5, ..SdkInstance::new("10.8.0.1", 8080) };
        instance.metadata.insert("version".into(), "1 ü".into());
        let program = doors.client(from, sdk).await?;
        let consumer = doors.client(from.other(), sdk).await?;
        let java = doors.client(from.other(), Sdk::Java).await?;
        let at_the_nacos = doors.client_past_the_door(from).await?;
        for watcher in [&consumer, &java, &at_the_nacos] {
            watcher.subscribe(&service).await?;
        }
        program.register(&service, &instance).await?;
        Ok(Self { program, consumer, java, at_the_nacos, service, instance })
    }

    async fn until_seen(&self) -> Result<()> {
        let Self { service, instance, .. } = self;
        let is_it = |list: &[SdkInstance]| list.iter().any(|it| same(it, instance));
        let own = self.program.list(service).await?;
        anyhow::ensure!(is_it(&own), "the program's next lookup lacks its own registration: {own:?}");
        self.at_the_nacos.until_instances(service, SEEN_WITHIN, is_it).await.context("in the Nacos itself")?;
        self.consumer.until_instances(service, SEEN_WITHIN, is_it).await.context("at the other door")?;
        self.java.until_instances(service, SEEN_WITHIN, is_it).await.context("at the other door, by Java")?;
        Ok(())
    }

    async fn until_gone(
        at_the_nacos: &SdkClient,
        java: &SdkClient,
        service: &SdkService,
        patience: Duration,
    ) -> Result<()> {
        at_the_nacos.until_instances(service, patience, <[_]>::is_empty).await.context("from the Nacos itself")?;
        java.until_instances(service, GONE_WITHIN, <[_]>::is_empty).await.context("from behind the other door")?;
        Ok(())
    }
}

async fn comes_and_goes(doors: &Doors, sdk: Sdk, from: Side) -> Result<()> {
    let watched = Watched::begin(doors, sdk, from).await?;
    watched.until_seen().await?;
    watched.program.deregister(&watched.service, &watched.instance).await?;
    Watched::until_gone(&watched.at_the_nacos, &watched.java, &watched.service, GONE_WITHIN).await
}

async fn is_killed(doors: &Doors, sdk: Sdk, from: Side) -> Result<()> {
    let watched = Watched::begin(doors, sdk, from).await?;
    watched.until_seen().await?;
    let Watched { program, java, at_the_nacos, service, .. } = watched;
    program.kill().await?;
    let start = std::time::Instant::now();
    let patience = if sdk == Sdk::Node { EXPIRED_WITHIN } else { GONE_WITHIN };
    Watched::until_gone(&at_the_nacos, &java, &service, patience).await?;
    announce(&format!("{sdk:?} killed: gone from both after {} ms", start.elapsed().as_millis()));
    Ok(())
}

/// Whether it is that instance, whatever the federation adds to its metadata and makes of its weight.
fn same(seen: &SdkInstance, registered: &SdkInstance) -> bool {
    let kept = registered.metadata.iter().all(|(key, value)| seen.metadata.get(key) == Some(value));
    (&seen.ip, seen.port, seen.healthy) == (&registered.ip, registered.port, registered.healthy) && kept
}
