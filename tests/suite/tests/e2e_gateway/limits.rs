//! The large, the odd and the refused: it arrives whole, or is told to be too large while the rest flows.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use federation_harness::{Gateway, GatewayOptions, Sdk, SdkConfig, SdkInstance, SdkService, announce};

use crate::apart;
use crate::seen::{self, eventually, shows, shows_config, status};
use crate::world::{Side, World, in_the_world, unique};

const PATIENCE: Duration = Duration::from_secs(40);
const CROWD: u16 = 5000;

#[test]
fn a_service_of_five_thousand_instances_crosses_whole() {
    in_the_world(async |world| {
        let (from, there) = (Side::Shanghai, world.gateway(Side::Frankfurt));
        let service = SdkService::public(unique("crowd"));
        let crowd: Vec<SdkInstance> = (1..=CROWD).map(|port| SdkInstance::new("10.14.0.1", port)).collect();
        let driver = world.new_driver(from, Sdk::Java).await?;
        let start = Instant::now();
        driver.batch(&service, &crowd).await?;
        let names: Vec<String> = sorted(crowd.iter().map(|instance| seen::name_at(from.cluster(), instance)));
        let all = async || {
            let shown = seen::names(there, &service).await?;
            ensure!(shown == names, "{} of {CROWD} are shown", shown.len());
            Ok(())
        };
        eventually("all arrive", PATIENCE, all).await?;
        announce(&format!(
            "a service of {CROWD} instances is in the other region after {} ms",
            start.elapsed().as_millis()
        ));
        driver.kill().await?;
        eventually("all go with their process", PATIENCE, async || {
            let shown = seen::names(there, &service).await?;
            ensure!(shown.is_empty(), "{} are left", shown.len());
            Ok(())
        })
        .await?;
        Ok(())
    });
}

#[test]
fn names_with_every_character_that_nacos_lets_through_cross() {
    in_the_world(async |world| {
        let [east, west] = Side::BOTH.map(|from| odd_names_cross(world, from));
        tokio::try_join!(east, west)?;
        Ok(())
    });
}

#[test]
fn a_config_item_over_the_limit_of_the_log_is_named_and_the_rest_flows() {
    in_the_world(async |world| {
        let (from, federation) = (Side::Shanghai, unique("narrow"));
        let nacos = world.nacos(from);
        let options = GatewayOptions::new(&federation, from.cluster(), &world.kafka.bootstrap());
        let options = options.beside(nacos.address(), nacos.credentials());
        let brokers = format!("kafka: {{brokers: [\"{}\"]}}", world.kafka.bootstrap());
        let narrow =
            format!("kafka: {{brokers: [\"{}\"], topics: {{max_message_bytes: 1MiB}}}}", world.kafka.bootstrap());
        let mut writer = apart::prepare(&options, &[(&brokers, &narrow)]).await?;
        writer.spawn().await?;
        writer.until_ready().await?;
        let reader = Gateway::start(&GatewayOptions::new(&federation, "reader", &world.kafka.bootstrap())).await?;

        let driver = world.driver(from, Sdk::Java);
        let (large, small) = (SdkConfig::public(unique("large")), SdkConfig::public(unique("small")));
        // Of random text, or it would be small enough once compressed.
        let content: String = (0..1_500_000).map(|_| char::from(rand::random_range(b' '..=b'~'))).collect();
        driver.publish_config(&large, &content).await?;
        let told = async || {
            shows_config(&writer, &large, from.cluster(), &content).await?;
            let status = status(&writer).await?;
            ensure!(status["facts"]["changesRefused"] == "1", "the status counts no refusal: {status}");
            let log = std::fs::read_to_string(writer.log())?;
            let named = log.lines().filter(|line| line.contains("ERROR") && line.contains(&large.data_id)).count();
            ensure!(named == 1, "its log names {} {named} times: {log}", large.data_id);
            Ok(())
        };
        eventually("the region itself shows it, and says what is wrong", PATIENCE, told).await?;
        driver.publish_config(&small, "small").await?;
        let flows = async || shows_config(&reader, &small, from.cluster(), "small").await;
        eventually("the rest flows", PATIENCE, flows).await?;
        ensure!(seen::config(&reader, &large, from.cluster()).await?.is_none(), "what is too large arrived");

        driver.publish_config(&large, "small now").await?;
        let heals = async || shows_config(&reader, &large, from.cluster(), "small now").await;
        eventually("it arrives once it is small", PATIENCE, heals).await?;
        let forgiven = async || {
            let status = status(&writer).await?;
            ensure!(status["reasons"].as_array().is_some_and(Vec::is_empty), "it still complains: {status}");
            Ok(())
        };
        eventually("the complaint is withdrawn", PATIENCE, forgiven).await?;
        for item in [&large, &small] {
            driver.remove_config(item).await?;
        }
        Ok(())
    });
}

/// What the rules of Nacos let through, and what somebody could take for a separator, a pattern, or an escape.
const ODD: [&str; 12] = [
    "a.b_c-d:e",
    "%41%",
    "a+b&c=d?e#f",
    "a/b\\c",
    "\"q\"'",
    "<x>",
    "{}[]()|^`~!$;,",
    "é",
    "\u{1f}",
    "\u{1}",
    "a@b",
    "*",
];

async fn odd_names_cross(world: &World, from: Side) -> Result<()> {
    let (driver, there) = (world.driver(from, Sdk::Java), world.gateway(from.other()));
    let (line, instance) = (world.nacos(from).line().version(), SdkInstance::new("10.15.0.1", 80));
    let mut taken = Vec::new();
    for odd in ODD {
        let service = SdkService::public(format!("{}{odd}", unique("odd")));
        match driver.register(&service, &instance).await {
            Ok(_) => taken.push(service),
            Err(refusal) => announce(&format!("Nacos {line} refuses {odd:?}: {refusal:#}")),
        }
    }
    announce(&format!("Nacos {line} lets {} of {} odd names through", taken.len(), ODD.len()));
    ensure!(taken.len() >= 6, "Nacos {line} lets only {taken:?} through");
    for service in &taken {
        let probe = async || shows(there, service, from.cluster(), &instance).await;
        eventually(&format!("{:?} crosses", service.service), PATIENCE, probe).await?;
        let names = seen::names(there, service).await?;
        ensure!(names.len() == 1, "{:?} has {names:?}", service.service);
    }
    for service in &taken {
        driver.deregister(service, &instance).await?;
    }
    Ok(())
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
