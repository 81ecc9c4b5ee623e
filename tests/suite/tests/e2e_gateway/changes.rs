//! What pairwise copying gets wrong: a change is a change of that one instance, and equal addresses are not one instance.

use std::time::Duration;

use anyhow::{Result, ensure};
use federation_harness::{Line, Sdk, SdkInstance, SdkService};
use reqwest::Method;

use crate::sampler::{Expected, Sampler};
use crate::scale;
use crate::seen::{self, eventually, shows};
use crate::world::{Side, World, in_the_world, unique};
use crate::worst::Times;

const CHANGED_WITHIN: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_change_of_an_instance_crosses_as_a_change_and_hides_it_never() {
    in_the_world(async |world| {
        let [east, west] = Side::BOTH.map(|from| changes_cross(world, from));
        tokio::try_join!(east, west)?;
        Ok(())
    });
}

#[test]
fn one_address_in_two_nacos_clusters_and_in_two_regions_is_as_many_instances() {
    in_the_world(async |world| {
        let service = SdkService::public(unique("twins"));
        let east = SdkInstance { cluster: "east".into(), ..SdkInstance::new("10.7.0.1", 80) };
        let west = SdkInstance { cluster: "west".into(), weight: 2.0, ..east.clone() };
        for side in Side::BOTH {
            for twin in [&east, &west] {
                world.driver(side, Sdk::Java).connection(&twin.cluster).register(&service, twin).await?;
            }
        }
        for at in Side::BOTH {
            eventually("four instances are shown", PATIENCE, async || {
                for origin in Side::BOTH {
                    for twin in [&east, &west] {
                        shows(world.gateway(at), &service, origin.cluster(), twin).await?;
                    }
                }
                Ok(())
            })
            .await?;
        }
        world.driver(Side::Shanghai, Sdk::Java).connection("east").deregister(&service, &east).await?;
        let rest = ["frankfurt 10.7.0.1:80/east", "frankfurt 10.7.0.1:80/west", "shanghai 10.7.0.1:80/west"];
        for at in Side::BOTH {
            eventually("one of four is gone", PATIENCE, async || {
                let names = seen::names(world.gateway(at), &service).await?;
                ensure!(names == rest, "{} shows {names:?}", at.cluster());
                Ok(())
            })
            .await?;
        }
        Ok(())
    });
}

async fn changes_cross(world: &World, from: Side) -> Result<()> {
    let (driver, line) = (world.driver(from, Sdk::Java), world.nacos(from).line());
    let service = SdkService::public(unique("changing"));
    let other = SdkInstance::new("10.8.0.2", 80);
    let mut instance = SdkInstance::new("10.8.0.1", 80);
    driver.connection("other").register(&service, &other).await?;
    driver.register(&service, &instance).await?;
    let all_show = async |instance: &SdkInstance| -> Result<()> {
        for at in Side::BOTH {
            shows(world.gateway(at), &service, from.cluster(), instance).await?;
            shows(world.gateway(at), &service, from.cluster(), &other).await?;
        }
        Ok(())
    };
    eventually("both are shown", PATIENCE, async || all_show(&instance).await).await?;

    let mut expected = Expected::default();
    for instance in [&instance, &other] {
        expected.add(&service, from.cluster(), instance);
    }
    let sampler = Sampler::start(Side::BOTH.map(|side| world.gateway(side)), &expected)?;
    let mut times = Times::of(format!("change of an instance on Nacos {}", line.version()), CHANGED_WITHIN);
    let changes: [fn(&mut SdkInstance); 8] = [
        |it| it.weight = 0.01,
        |it| drop(it.metadata.insert("version".into(), "2 \"β\"".into())),
        |it| it.healthy = false,
        |it| it.healthy = true,
        |it| it.enabled = false,
        |it| it.weight = 99.5,
        |it| it.enabled = true,
        |it| it.metadata.clear(),
    ];
    for change in changes {
        change(&mut instance);
        let start = std::time::Instant::now();
        driver.register(&service, &instance).await?;
        eventually("the change crosses", times.patience(), async || all_show(&instance).await).await?;
        times.add(start.elapsed());
    }
    for enabled in [false, true] {
        instance.enabled = enabled;
        let start = std::time::Instant::now();
        update_by_operator(world, from, &service, &instance).await?;
        eventually("an operator's change crosses", times.patience(), async || all_show(&instance).await).await?;
        times.add(start.elapsed());
    }
    tokio::time::sleep(Duration::from_secs(1) * scale::slack()).await; // What a late push would take back shows in the samples.
    sampler.finish(&format!("changes on Nacos {}", line.version())).await?;
    driver.deregister(&service, &instance).await?;
    driver.connection("other").deregister(&service, &other).await?;
    times.judge()
}

/// What the console does.
async fn update_by_operator(world: &World, side: Side, service: &SdkService, instance: &SdkInstance) -> Result<()> {
    let nacos = world.nacos(side);
    let path = match nacos.line() {
        Line::V2 => "/nacos/v1/ns/instance",
        Line::V3 => "/nacos/v3/admin/ns/instance",
    };
    let (port, weight) = (instance.port.to_string(), instance.weight.to_string());
    let query = [
        ("namespaceId", &*service.namespace),
        ("groupName", &service.group),
        ("serviceName", &service.service),
        ("ip", &instance.ip),
        ("port", &port),
        ("clusterName", &instance.cluster),
        ("weight", &weight),
        ("ephemeral", "true"),
        ("enabled", if instance.enabled { "true" } else { "false" }),
    ];
    let (status, body) = nacos.call(Method::PUT, path, &query).await?;
    ensure!(status == 200, "the update of an instance is answered with {status}: {body}");
    Ok(())
}
