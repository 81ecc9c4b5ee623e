//! Gateways that start where something is missing or wrong: they say so, serve what they can, and go on trying.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_harness::{
    Credentials, FaultProxy, Gateway, GatewayOptions, Link, Sdk, SdkInstance, SdkService, announce,
};
use serde_json::Value;

use crate::apart;
use crate::sampler::{Expected, Sampler};
use crate::seen::{self, eventually, lacks, shows, status};
use crate::world::{Side, World, in_the_world, unique};

/// The gateway answers after 20 s even if it knows nothing; then it has to catch up.
const PATIENCE: Duration = Duration::from_secs(40);
/// Nacos was away for more than 19 s for whoever started beside it: who was there before is waited for as long as there is, 15 and 75 s.
const GONE_WITHIN: Duration = Duration::from_secs(110);

#[test]
fn a_gateway_restarted_while_its_nacos_is_down_serves_what_the_log_says_and_removes_nothing_after() {
    in_the_world(async |world| {
        tokio::try_join!(
            restarted_beside_nothing(world, Memory::Snapshot),
            restarted_beside_nothing(world, Memory::Log)
        )?;
        Ok(())
    });
}

#[test]
fn a_wrong_password_is_named_and_the_right_one_heals() {
    in_the_world(async |world| {
        let nacos = world.nacos(Side::Shanghai);
        let wrong = Credentials { password: "not this one".into(), ..Credentials::default() };
        let options = GatewayOptions::new(&unique("password"), "shanghai", &world.kafka.bootstrap());
        let options = options.beside(nacos.address(), Some(wrong));
        let mut gateway = Gateway::prepare(&options).await?;
        gateway.spawn().await?;
        eventually("it says so", PATIENCE, async || {
            let status = status(&gateway).await?;
            let said = status["facts"]["nacos"].as_str().context("nothing is said of nacos")?;
            ensure!(said.contains("password") || said.contains("login"), "it says {said:?}");
            ensure!(!status.to_string().contains("not this one"), "it shows the password");
            Ok(())
        })
        .await?;
        let (code, text) = told_by_command(&gateway).await?;
        ensure!(code == Some(1), "`nacos-fed status` ends with {code:?}: {text}");
        ensure!(text.contains("login") || text.contains("password"), "`nacos-fed status` prints {text}");
        ensure!(!std::fs::read_to_string(gateway.log())?.contains("not this one"), "its log has the password");

        gateway.kill().await?;
        apart::edit(&gateway, &[("not this one", &Credentials::default().password)])?;
        gateway.spawn().await?;
        gateway.until_ready().await?;
        eventually("all is well", PATIENCE, async || {
            let (code, text) = told_by_command(&gateway).await?;
            ensure!(code == Some(0), "`nacos-fed status` ends with {code:?}: {text}");
            Ok(())
        })
        .await?;
        gateway.stop().await
    });
}

/// From what a gateway knows what was there before it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    /// Its own file.
    Snapshot,
    /// The log alone: the file is lost.
    Log,
}

async fn restarted_beside_nothing(world: &World, memory: Memory) -> Result<()> {
    let (side, driver) = (Side::Shanghai, world.driver(Side::Shanghai, Sdk::Java));
    let (service, cluster) = (SdkService::public(unique("remembered")), side.cluster());
    let [kept, gone, new] = ["10.13.0.1", "10.13.0.2", "10.13.0.3"].map(|ip| SdkInstance::new(ip, 80));
    driver.connection(&format!("{memory:?} kept")).register(&service, &kept).await?;
    driver.connection(&format!("{memory:?} gone")).register(&service, &gone).await?;
    let proxy = FaultProxy::start(world.nacos(side).port()).await?;
    let options = GatewayOptions::new(&unique("beside-nothing"), cluster, &world.kafka.bootstrap());
    let options = options.beside(proxy.address(), world.nacos(side).credentials());
    let mut gateway = Gateway::start(&options).await?;
    let both = async || {
        shows(&gateway, &service, cluster, &kept).await?;
        shows(&gateway, &service, cluster, &gone).await
    };
    eventually("both are shown", PATIENCE, both).await?;
    eventually("both are in the log", PATIENCE, async || nothing_waits(&gateway).await).await?;

    gateway.stop().await?;
    if memory == Memory::Log {
        std::fs::remove_dir_all(gateway.log().with_file_name("data"))?;
    }
    proxy.set_link(Link::Cut);
    driver.connection(&format!("{memory:?} gone")).deregister(&service, &gone).await?;
    driver.connection(&format!("{memory:?} new")).register(&service, &new).await?;
    gateway.spawn().await?;
    eventually("it serves what it remembers", PATIENCE, async || {
        for instance in [&kept, &gone] {
            let shown = seen::instances(&gateway, &service).await?;
            let name = seen::name_at(cluster, instance);
            let found = shown.iter().find(|it| seen::name_of(it) == name).with_context(|| format!("no {name}"))?;
            ensure!(found["source"] != "nacos" && found["freshness"] != "live", "{memory:?}: {found}");
        }
        Ok(())
    })
    .await?;
    let mut expected = Expected::default();
    expected.add(&service, cluster, &kept);
    let sampler = Sampler::start([&gateway], &expected)?;
    eventually("it says so", PATIENCE, async || says(&gateway, "the own nacos has not been read").await).await?;
    let (code, text) = told_by_command(&gateway).await?;
    ensure!(code == Some(1), "`nacos-fed status` ends with {code:?}: {text}");
    gateway.until_ready().await?;

    proxy.set_link(Link::Open);
    let caught_up = async || {
        shows(&gateway, &service, cluster, &new).await?;
        lacks(&gateway, &service, cluster, &gone).await
    };
    let opened = Instant::now();
    apart::with_log(&gateway, eventually("it has caught up", GONE_WITHIN, caught_up).await)?;
    announce(&format!("it has caught up {} ms after its Nacos is back", opened.elapsed().as_millis()));
    sampler.finish(&format!("restarted while its Nacos is down, knowing the {memory:?}")).await?;
    driver.connection(&format!("{memory:?} kept")).deregister(&service, &kept).await?;
    driver.connection(&format!("{memory:?} new")).deregister(&service, &new).await?;
    gateway.stop().await
}

async fn nothing_waits(gateway: &Gateway) -> Result<()> {
    let status = status(gateway).await?;
    let written = status["facts"]["role"] == "leader" && status["facts"]["changesWaiting"] == "0";
    ensure!(written && status["facts"]["recordsInFlight"] == "0", "{status}");
    Ok(())
}

async fn says(gateway: &Gateway, words: &str) -> Result<()> {
    let status = status(gateway).await?;
    let reasons = status["reasons"].as_array().map(Vec::as_slice).unwrap_or_default();
    let said = reasons.iter().filter_map(Value::as_str).any(|reason| reason.contains(words));
    ensure!(said, "{} does not say that {words:?}: {reasons:?}", gateway.cluster());
    Ok(())
}

/// What `nacos-fed status` ends with and prints.
pub(crate) async fn told_by_command(gateway: &Gateway) -> Result<(Option<i32>, String)> {
    let told = gateway.command(&["status"]).await?;
    Ok((told.code, told.text))
}
