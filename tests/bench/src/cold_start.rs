//! From the start of A's gateway until B answers with all of A's instances, and whether they are the ones that were registered.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use federation_harness::{Gateway, Line};
use serde_json::Value;

use crate::registrant::{Peer, instance};
use crate::stage::Stage;
use federation_bench::machine;

const INSTANCES: usize = 3;
/// A Nacos connection is served by one thread at a time: a few register side by side.
const REGISTRANTS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(180);
const PAGE: usize = 1000;

/// Registers `services` × 3 in A, starts A's gateway, and times B. Returns whether B has exactly what was registered.
pub(crate) async fn run(mut stage: Stage, line: Line, services: usize) -> Result<bool> {
    let registrants = register(&stage, services).await?;
    let begun = Instant::now();
    stage.gateway_a.spawn().await?;
    until_all_are_at(&stage.gateway_b, services * INSTANCES).await?;
    let took = begun.elapsed();
    let (cpu, memory) = machine::used_by(stage.gateway_a.pid().context("the gateway of A ended")?);
    println!(
        "\ncold start, Nacos {}, {services} × {INSTANCES}, load {}: {:.2} s until B has all; A's gateway: {cpu:.2} CPU s, {memory} MiB",
        line.version(),
        machine::load(),
        took.as_secs_f64(),
    );
    let (wanted, found) = (digest(&generated(services)), digest(&answered(&stage.gateway_b).await?));
    println!(
        "sorted set of the generator {wanted}, of a full paged read at B {found}: {}",
        if wanted == found { "equal" } else { "DIFFERENT" }
    );
    drop(registrants);
    Ok(wanted == found)
}

fn name(number: usize) -> String {
    format!("shop-{number:05}")
}

fn address(number: usize, replica: usize) -> (String, u16) {
    let port = 20_000 + u16::try_from(replica).unwrap_or(0);
    (format!("10.{}.{}.{}", number / 65_536, number / 256 % 256, number % 256), port)
}

async fn register(stage: &Stage, services: usize) -> Result<Vec<Peer>> {
    let mut peers = Vec::new();
    for part in 0..REGISTRANTS {
        let peer = Peer::connect(&stage.nacos_a).await?;
        for number in (part..services).step_by(REGISTRANTS) {
            let instances = (0..INSTANCES).map(|replica| address(number, replica)).map(|(ip, port)| instance(ip, port));
            peer.register(&name(number), instances.collect()).await?;
        }
        peers.push(peer);
    }
    Ok(peers)
}

async fn until_all_are_at(gateway: &Gateway, instances: usize) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let (_, clusters) = gateway.get("/v1/clusters", &[]).await?;
        let a = clusters["clusters"].as_array().into_iter().flatten().find(|cluster| cluster["cluster"] == "a");
        if a.and_then(|cluster| cluster["instances"].as_u64()) == Some(u64::try_from(instances)?) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("B has not got all instances within {} s", PATIENCE.as_secs())
}

fn generated(services: usize) -> BTreeSet<String> {
    let of = |number: usize| (0..INSTANCES).map(move |replica| (number, address(number, replica)));
    let line = |(number, (ip, port)): (usize, (String, u16))| {
        let metadata = serde_json::to_value(instance(ip.clone(), port).metadata).unwrap_or_default();
        format!("public {} {ip} {port} 1.0 {metadata}", name(number))
    };
    (0..services).flat_map(of).map(line).collect()
}

/// Every instance of origin A, by pages of names and then service by service.
async fn answered(gateway: &Gateway) -> Result<BTreeSet<String>> {
    let (mut lines, mut page) = (BTreeSet::new(), 1);
    loop {
        let (page_no, page_size) = (page.to_string(), PAGE.to_string());
        let (_, list) = gateway.get("/v1/services", &[("pageNo", &page_no), ("pageSize", &page_size)]).await?;
        let services = list["services"].as_array().context("no list of services")?;
        for listed in services {
            let text = |field: &str| listed[field].as_str().unwrap_or_default();
            let instances = gateway.instances(text("namespaceId"), text("groupName"), text("serviceName")).await?;
            let of_a = instances.iter().filter(|instance| instance["origin"] == "a");
            lines.extend(of_a.map(|instance| line(text("namespaceId"), text("serviceName"), instance)));
        }
        if services.len() < PAGE {
            return Ok(lines);
        }
        page += 1;
    }
}

fn line(namespace: &str, service: &str, instance: &Value) -> String {
    let ip = instance["ip"].as_str().unwrap_or_default();
    let (port, weight, metadata) =
        (&instance["port"], instance["weight"].as_f64().unwrap_or_default(), &instance["metadata"]);
    format!("{namespace} {service} {ip} {port} {weight:.1} {metadata}")
}

fn digest(lines: &BTreeSet<String>) -> String {
    let mut hasher = blake3::Hasher::new();
    for line in lines {
        hasher.update(line.as_bytes());
        hasher.update(b"\n");
    }
    let hash = hasher.finalize().to_hex();
    format!("{} ({} instances)", &hash[..16], lines.len())
}
