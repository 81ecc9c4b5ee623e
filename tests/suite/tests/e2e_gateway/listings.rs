//! A proxy before Nacos spoils listings in every way that was ever seen: nothing is removed by that.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use federation_harness::{
    Fault, FaultProxy, Gateway, GatewayOptions, Line, Sdk, SdkConfig, SdkInstance, SdkService, announce,
};

use crate::apart;
use crate::sampler::{Expected, Sampler};
use crate::seen::{eventually, lacks, shows, shows_config, status};
use crate::world::{Side, World, in_the_world, unique};

/// A delayed answer comes after the gateway has given up.
const FAULTS: [Fault; 5] = [
    Fault::Status500,
    Fault::Delay(Duration::from_millis(2500)),
    Fault::EmptyPage,
    Fault::TruncatedJson,
    Fault::Html200,
];
/// Short times make every listing and every sweep come soon, and no hold covers up for a mistake.
const IMPATIENT: [&str; 5] =
    ["removal_hold: 1s", "sweep_interval: 10s", "service_poll: 1s", "namespace_poll: 1s", "http_timeout: 1s"];
const PATIENCE: Duration = Duration::from_secs(40);

/// Calls, as metrics name them, and a part of their paths.
fn calls(line: Line) -> [(&'static str, &'static str); 4] {
    match line {
        Line::V2 => [
            ("list_namespaces", "console/namespace"),
            ("list_services", "ns/catalog/services"),
            ("list_configs", "cs/history/configs"),
            ("read_instances", "ns/catalog/instances"),
        ],
        Line::V3 => [
            ("list_namespaces", "core/namespace/list"),
            ("list_services", "ns/service/list"),
            ("list_configs", "cs/history/configs"),
            ("read_instances", "ns/instance/list"),
        ],
    }
}

#[test]
fn one_spoilt_listing_removes_nothing() {
    in_the_world(async |world| {
        tokio::try_join!(spoil(world, Side::Shanghai), spoil(world, Side::Frankfurt))?;
        Ok(())
    });
}

/// A service for each fault, with an instance in each of two Nacos clusters; a config item.
struct Listed {
    side: Side,
    services: Vec<SdkService>,
    instances: [SdkInstance; 2],
    config: SdkConfig,
}

impl Listed {
    async fn register(world: &World, side: Side) -> Result<Self> {
        let driver = world.driver(side, Sdk::Java);
        let services: Vec<SdkService> = FAULTS.iter().map(|_| SdkService::public(unique("listed"))).collect();
        let east = SdkInstance { cluster: "east".into(), ..SdkInstance::new("10.11.0.1", 80) };
        let west = SdkInstance { cluster: "west".into(), ..SdkInstance::new("10.11.0.2", 80) };
        for service in &services {
            for instance in [&east, &west] {
                driver.connection(&instance.cluster).register(service, instance).await?;
            }
        }
        // Named as a new namespace: there, all lines and clients agree on one spelling.
        let namespace = unique("listed");
        world.nacos(side).create_namespace(&namespace).await?;
        let config = SdkConfig { namespace, group: "G".into(), data_id: "listed.yaml".into() };
        driver.publish_config(&config, "a: 1").await?;
        Ok(Self { side, services, instances: [east, west], config })
    }

    async fn all_shown(&self, gateway: &Gateway) -> Result<()> {
        for service in &self.services {
            for instance in &self.instances {
                shows(gateway, service, self.side.cluster(), instance).await?;
            }
        }
        shows_config(gateway, &self.config, self.side.cluster(), "a: 1").await
    }

    fn expected(&self) -> Expected {
        let mut expected = Expected::default();
        for service in &self.services {
            for instance in &self.instances {
                expected.add(service, self.side.cluster(), instance);
            }
        }
        expected.add_config(&self.config, self.side.cluster());
        expected
    }
}

async fn spoil(world: &World, side: Side) -> Result<()> {
    let nacos = world.nacos(side);
    let proxy = FaultProxy::start(nacos.port()).await?;
    let options = GatewayOptions::new(&unique("spoilt"), side.cluster(), &world.kafka.bootstrap());
    let mut options = options.beside(proxy.address(), nacos.credentials());
    options.nacos_further = IMPATIENT.map(String::from).into();
    let listed = Listed::register(world, side).await?;
    let only = "export: {services: [{service: \"listed-*\"}], configs: [{data_id: \"listed*\"}]}";
    let mut gateway = apart::prepare(&options, &[("export: {configs: [{data_id: \"*\"}]}", only)]).await?;
    gateway.spawn().await?;
    gateway.until_ready().await?;
    let outcome = spoil_all(world, &listed, &gateway, &proxy).await;
    apart::with_log(&gateway, outcome)
}

/// Gives every fault to every kind of call, one after the other, while the gateway's answers are sampled.
async fn spoil_all(world: &World, listed: &Listed, gateway: &Gateway, proxy: &FaultProxy) -> Result<()> {
    let line = world.nacos(listed.side).line();
    eventually("all is shown", PATIENCE, async || listed.all_shown(gateway).await).await?;
    let sampler = Sampler::start([gateway], &listed.expected())?;
    let [.., (_, reads)] = calls(line);
    for (fault, service) in FAULTS.into_iter().zip(&listed.services) {
        // The sweep reads each service once: the second fault is for the read of its other Nacos cluster.
        proxy.inject(&[reads, &service.service], fault, 2);
    }
    for fault in FAULTS {
        spoil_lists(gateway, proxy, line, fault).await?;
    }
    let all_taken = async || {
        ensure!(proxy.pending() == 0, "left are {:?}", proxy.left());
        Ok(())
    };
    eventually("every read has met its fault", PATIENCE, all_taken).await?;
    let [_, (_, services), ..] = calls(line);
    proxy.pad(&[services], 3);
    proxy.inject(&[services, "pageNo=2"], Fault::EmptyPage, 2);
    eventually("page 2 of 3 was empty twice", PATIENCE, all_taken).await?;
    proxy.heal();
    eventually("every call works again", PATIENCE, async || nothing_fails(gateway).await).await?;
    sampler.finish(&format!("spoilt listings of Nacos {}", line.version())).await?;
    for (call, _) in calls(line) {
        announce(&format!("{call} of Nacos {}: {} counted as failed", line.version(), failures(gateway, call).await?));
    }
    ensure!(failures(gateway, "read_instances").await? > 0, "no spoilt read was noticed");
    removals_still_work(world, listed, gateway).await
}

/// Gives the fault to one listing of each kind, and waits until each has met it and the gateway has noticed.
async fn spoil_lists(gateway: &Gateway, proxy: &FaultProxy, line: Line, fault: Fault) -> Result<()> {
    let [lists @ .., _] = calls(line);
    for (call, path) in lists {
        let before = failures(gateway, call).await?;
        proxy.inject(&[path], fault, 1);
        eventually(&format!("{fault:?} is met by {call}"), PATIENCE, async || {
            ensure!(proxy.pending_for(&[path]) == 0, "left are {:?}", proxy.left());
            let noticed = failures(gateway, call).await? - before;
            // An empty page that fits its count may be true; all others are failures.
            ensure!(noticed > 0 || fault == Fault::EmptyPage, "{call} did not notice {fault:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn removals_still_work(world: &World, listed: &Listed, gateway: &Gateway) -> Result<()> {
    let driver = world.driver(listed.side, Sdk::Java);
    let [east, west] = &listed.instances;
    driver.connection("east").deregister(&listed.services[0], east).await?;
    let gone = async || {
        lacks(gateway, &listed.services[0], listed.side.cluster(), east).await?;
        shows(gateway, &listed.services[0], listed.side.cluster(), west).await
    };
    eventually("what really goes is gone", PATIENCE, gone).await?;
    driver.remove_config(&listed.config).await?;
    Ok(())
}

async fn nothing_fails(gateway: &Gateway) -> Result<()> {
    let status = status(gateway).await?;
    ensure!(status["facts"]["nacos_calls_failing"].is_null(), "{status}");
    Ok(())
}

/// How often the call has failed.
async fn failures(gateway: &Gateway, call: &str) -> Result<u64> {
    let text = reqwest::get(format!("{}/metrics", gateway.base())).await?.text().await?;
    let name = format!("federation_nacos_calls_failed_total{{call=\"{call}\"}} ");
    let value = text.lines().find_map(|metric| metric.strip_prefix(&name));
    value.map_or(Ok(0), str::parse).with_context(|| format!("{name} is no count"))
}
