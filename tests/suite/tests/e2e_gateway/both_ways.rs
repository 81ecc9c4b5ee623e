//! An instance and a config item of either region in the other, by each SDK: all fields, every byte, how soon.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use federation_harness::{Sdk, SdkConfig, SdkInstance, SdkService, announce};

use crate::scale;
use crate::seen::{self, eventually, lacks, lacks_config, shows, shows_config};
use crate::world::{Side, World, in_the_world, sdks, unique};
use crate::worst::Times;

const KNOWN_WITHIN: Duration = Duration::from_secs(2);
const NEW_WITHIN: Duration = Duration::from_secs(6);
const GONE_WITHIN: Duration = Duration::from_secs(2);
const CONFIG_CHANGED_WITHIN: Duration = Duration::from_secs(2);
/// A new item is found by listing, and a removal is confirmed by a second read.
const CONFIG_FOUND_OR_GONE_WITHIN: Duration = Duration::from_secs(6);
const SERVICE_FOUND_WITHIN: Duration = Duration::from_secs(5);
const NAMESPACE_FOUND_WITHIN: Duration = Duration::from_secs(10);
/// Config items that come and go, for each way and SDK.
const ITEMS: usize = 3;
/// Not measured.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn an_instance_of_either_region_is_soon_and_exactly_in_the_other() {
    in_the_world(async |world| {
        for sdk in sdks() {
            let [east, west] = Side::BOTH.map(|from| instances_cross(world, from, sdk));
            tokio::try_join!(east, west)?;
        }
        Ok(())
    });
}

#[test]
fn a_config_item_of_either_region_is_byte_for_byte_the_same_in_the_other() {
    in_the_world(async |world| {
        for sdk in sdks() {
            let [east, west] = Side::BOTH.map(|from| configs_cross(world, from, sdk));
            tokio::try_join!(east, west)?;
        }
        Ok(())
    });
}

#[test]
fn a_service_and_a_namespace_made_after_the_start_are_found() {
    in_the_world(async |world| {
        let [east, west] = Side::BOTH.map(|from| new_things_are_found(world, from));
        tokio::try_join!(east, west)?;
        Ok(())
    });
}

fn way(from: Side, sdk: Sdk) -> String {
    format!("{} to {} by {sdk:?}", from.cluster(), from.other().cluster())
}

/// Everything that Nacos lets through and that somebody could quote, encode or round wrongly.
fn instance(from: Side, round: usize) -> SdkInstance {
    let metadata = [
        ("größe", "\"quoted\", 'single' and \\ back"),
        ("值", "данные 🦀 {\"json\": [1, 2]}"),
        ("empty", ""),
        ("round", &round.to_string()),
    ];
    let metadata: BTreeMap<String, String> =
        metadata.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let ip = if from == Side::Shanghai { "10.1.0.1" } else { "10.2.0.1" };
    let port = 9000 + u16::try_from(round).expect("a round is small");
    SdkInstance { weight: 0.5, metadata, ..SdkInstance::new(ip, port) }
}

async fn instances_cross(world: &World, from: Side, sdk: Sdk) -> Result<()> {
    let (driver, there, way) = (world.driver(from, sdk), world.gateway(from.other()), way(from, sdk));
    let known = SdkService::public(unique("known"));
    let anchor = SdkInstance::new("10.0.0.1", 80);
    for side in Side::BOTH {
        world.driver(side, Sdk::Java).connection(&way).register(&known, &anchor).await?;
    }
    for side in Side::BOTH {
        for origin in Side::BOTH {
            let probe = async || shows(world.gateway(side), &known, origin.cluster(), &anchor).await;
            eventually("both know the service", PATIENCE, probe).await?;
        }
    }
    let mut seen_known = Times::of(format!("instance of a known service, {way}"), KNOWN_WITHIN);
    let mut seen_new = Times::of(format!("instance of a new service, {way}"), NEW_WITHIN);
    let mut gone = Times::of(format!("deregistration, {way}"), GONE_WITHIN);
    for round in 0..scale::rounds() {
        let instance = instance(from, round);
        let new = SdkService { group: "Gruppe-1".into(), ..SdkService::public(unique("new")) };
        for (service, seen) in [(&known, &mut seen_known), (&new, &mut seen_new)] {
            let start = Instant::now();
            driver.register(service, &instance).await?;
            let probe = async || shows(there, service, from.cluster(), &instance).await;
            eventually(&way, seen.patience(), probe).await?;
            seen.add(start.elapsed());
            shows(world.gateway(from), service, from.cluster(), &instance).await?;

            let start = Instant::now();
            driver.deregister(service, &instance).await?;
            let probe = async || lacks(there, service, from.cluster(), &instance).await;
            eventually(&way, gone.patience(), probe).await?;
            gone.add(start.elapsed());
        }
        let names = seen::names(there, &known).await?;
        ensure!(names.len() == 2, "{way}: deregistering one of three left {names:?}");
    }
    for side in Side::BOTH {
        world.driver(side, Sdk::Java).connection(&way).deregister(&known, &anchor).await?;
    }
    seen_known.judge()?;
    seen_new.judge()?;
    gone.judge()
}

/// Contents that are easily spoilt; the first is of exactly 1 MiB.
fn contents() -> Vec<(&'static str, String)> {
    let line = "größe: \"值\" # 🦀\n";
    let mut mebibyte = line.repeat((1 << 20) / line.len());
    mebibyte.extend(std::iter::repeat_n('.', (1 << 20) - mebibyte.len()));
    vec![
        ("1 MiB", mebibyte),
        ("CRLF", "a: 1\r\nb: 2\r\n\r\n".to_owned()),
        ("UTF-8 and quotes", "ключ: \"значение\" 'q' \\ \\n \u{7f} é e\u{301} 值 🦀\t\n".to_owned()),
        ("blanks around", " \n\t x \n\n ".to_owned()),
        ("JSON", "{\"a\": \"\\u0000 \\\"quoted\\\"\", \"b\": null}".to_owned()),
    ]
}

async fn configs_cross(world: &World, from: Side, sdk: Sdk) -> Result<()> {
    let (driver, way) = (world.driver(from, sdk), way(from, sdk));
    // Not measured: it connects the SDK.
    let first = SdkConfig::public(unique("first.yaml"));
    driver.publish_config(&first, "a: 1").await?;
    driver.remove_config(&first).await?;
    config_items_come_and_go(world, from, sdk, &way).await?;
    contents_cross(world, from, sdk, &way).await
}

async fn config_items_come_and_go(world: &World, from: Side, sdk: Sdk, way: &str) -> Result<()> {
    let (driver, there) = (world.driver(from, sdk), world.gateway(from.other()));
    let mut found = Times::of(format!("new config item, {way}"), CONFIG_FOUND_OR_GONE_WITHIN);
    let mut gone = Times::of(format!("removal of a config item, {way}"), CONFIG_FOUND_OR_GONE_WITHIN);
    for _ in 0..ITEMS {
        let item = SdkConfig::public(unique("new.yaml"));
        let start = Instant::now();
        driver.publish_config(&item, "a: 1").await?;
        let probe = async || shows_config(there, &item, from.cluster(), "a: 1").await;
        eventually(way, found.patience(), probe).await?;
        found.add(start.elapsed());

        let start = Instant::now();
        driver.remove_config(&item).await?;
        let probe = async || lacks_config(there, &item, from.cluster()).await;
        eventually(way, gone.patience(), probe).await?;
        gone.add(start.elapsed());
    }
    found.judge()?;
    gone.judge()
}

async fn contents_cross(world: &World, from: Side, sdk: Sdk, way: &str) -> Result<()> {
    let (driver, there) = (world.driver(from, sdk), world.gateway(from.other()));
    let mut changed = Times::of(format!("change of a config item, {way}"), CONFIG_CHANGED_WITHIN);
    let item = SdkConfig::public(unique("app.yaml"));
    driver.publish_config(&item, "a: 1").await?;
    let found = async || shows_config(there, &item, from.cluster(), "a: 1").await;
    eventually(&format!("the item is known, {way}"), PATIENCE, found).await?;
    let contents = contents();
    ensure!(contents[0].1.len() == 1 << 20, "1 MiB is {} bytes", contents[0].1.len());
    for round in 0..scale::rounds().max(contents.len()) {
        let (what, content) = &contents[round % contents.len()];
        let start = Instant::now();
        driver.publish_config(&item, content).await?;
        let probe = async || shows_config(there, &item, from.cluster(), content).await;
        eventually(&format!("{what}, {way}"), changed.patience(), probe).await?;
        changed.add(start.elapsed());
    }
    driver.remove_config(&item).await?;
    changed.judge()
}

async fn new_things_are_found(world: &World, from: Side) -> Result<()> {
    let (driver, there) = (world.driver(from, Sdk::Java), world.gateway(from.other()));
    let (namespace, line) = (unique("made"), world.nacos(from).line().version());
    let mut in_new_namespace = Times::of(format!("new namespace on Nacos {line}"), NAMESPACE_FOUND_WITHIN);
    let mut in_known_namespace = Times::of(format!("new service on Nacos {line}"), SERVICE_FOUND_WITHIN);
    let instance = SdkInstance::new("10.3.0.1", 80);
    let service = SdkService { namespace: namespace.clone(), group: "G".into(), service: "first".into() };

    let start = Instant::now();
    world.nacos(from).create_namespace(&namespace).await?;
    driver.register(&service, &instance).await?;
    let probe = async || shows(there, &service, from.cluster(), &instance).await;
    eventually("the service of a new namespace is found", in_new_namespace.patience(), probe).await?;
    in_new_namespace.add(start.elapsed());

    for service in [SdkService { service: "second".into(), ..service }, SdkService::public(unique("second"))] {
        let start = Instant::now();
        driver.register(&service, &instance).await?;
        let probe = async || shows(there, &service, from.cluster(), &instance).await;
        eventually("the new service is found", in_known_namespace.patience(), probe).await?;
        in_known_namespace.add(start.elapsed());
    }

    let item = SdkConfig { namespace, group: "G".into(), data_id: "app.yaml".into() };
    driver.publish_config(&item, "a: 1").await?;
    let probe = async || shows_config(there, &item, from.cluster(), "a: 1").await;
    let ((), took) = eventually("the config item of a new namespace is found", PATIENCE, probe).await?;
    announce(&format!("config item of a new namespace on Nacos {line}: {} ms", took.as_millis()));
    in_new_namespace.judge()?;
    in_known_namespace.judge()
}
