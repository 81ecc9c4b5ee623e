//! What a start from a snapshot costs (rule R19): a real Kafka is filled, a real gateway reads it and is stopped, some instances change, Kafka
//! goes down; then the gateway starts with nothing but its snapshot, and Kafka comes back.
//!
//! Printed: seconds until it answers for a service, until it knows all, what else it says meanwhile, size of the file, memory, and how many
//! records it reads of how many there are. Exit code 1 if it reads more than the tail, or lacks something.

mod fill;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use federation_bench::machine;
use federation_harness::{Gateway, GatewayOptions, Kafka, KafkaOptions, Part, Parts};
use serde_json::Value;

use crate::fill::{Filled, Filler};

const FEDERATION: &str = "started";
const READER: &str = "frankfurt";
/// Nobody listens there: the own Nacos is down.
const NO_NACOS: &str = "127.0.0.1:9";
const PATIENCE: Duration = Duration::from_secs(300);
/// How often a starting gateway is asked.
const POLL: Duration = Duration::from_millis(5);

/// What is measured.
#[derive(Parser)]
#[command(about = "a start from a snapshot, with nothing else up; then with Kafka")]
struct Arguments {
    /// Services of five instances each.
    #[arg(long, default_value_t = 100_000)]
    services: u32,
    /// Instances that change while the gateway is stopped.
    #[arg(long, default_value_t = 1_000)]
    changed: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    println!("{}", machine::describe());
    let parts = Parts::ensure(&[Part::Kafka]).await?;
    let mut kafka = Kafka::start(&parts, KafkaOptions::default()).await?;
    let filler = Filler::new(&kafka.bootstrap(), FEDERATION, arguments.services).await?;
    let filled = filler.fill()?;
    println!("log: {} records of {} instances", filled.records, filled.instances);

    let options = GatewayOptions::new(FEDERATION, READER, &kafka.bootstrap()).beside(NO_NACOS.into(), None);
    let mut gateway = Gateway::prepare(&options).await?;
    let first = start(&mut gateway, &filled).await?;
    println!("without a snapshot, Kafka up: {first}");
    let (_, memory) = machine::used_by(gateway.pid().context("it runs")?);
    println!("memory once read: {memory} MiB");
    let begun = Instant::now();
    gateway.stop().await?;
    println!("orderly stop, with the snapshot: {:.2} s", begun.elapsed().as_secs_f64());
    let size = std::fs::metadata(gateway.log().with_file_name("data").join("snapshot"))?.len();
    println!("snapshot: {:.1} MB", size as f64 / 1e6);

    let tail = filler.change(arguments.changed)?;
    kafka.stop().await?;
    let second = start(&mut gateway, &filled).await?;
    let (cpu, memory) = machine::used_by(gateway.pid().context("it runs")?);
    println!("from the snapshot, nothing else up: {second}; {cpu:.2} CPU s, {memory} MiB");
    println!("says of the origin: {}", told_of_origin(&gateway).await?);

    kafka.restart().await?;
    let read = until_read(&gateway, tail).await?;
    println!("Kafka back: read {read} records of {}, {} since the snapshot", filled.records + tail, tail);
    println!("read on: {}", fact(&gateway, "logReadOn").await?);
    let equals = filler.is_shown_by(&gateway, arguments.changed).await?;
    println!("what changed meanwhile is shown: {}", if equals { "all" } else { "NOT ALL" });
    gateway.stop().await?;
    ensure!(equals, "the gateway lacks what changed while it was stopped");
    ensure!(read <= tail + fill::BESIDE, "it read {read} records, and {tail} came since its snapshot");
    Ok(())
}

/// Starts it, and says how long it took until it answered, knew all, and called itself ready.
async fn start(gateway: &mut Gateway, filled: &Filled) -> Result<String> {
    let begun = Instant::now();
    gateway.spawn().await?;
    let seconds = || format!("{:.2} s", begun.elapsed().as_secs_f64());
    let answers = until(async || {
        gateway.instances("public", "DEFAULT_GROUP", &filled.service).await.is_ok_and(|found| found.len() == 5)
    });
    answers.await.context("it does not answer for a service")?;
    let answered = seconds();
    until(async || origin(gateway).await["instances"].as_u64() == Some(u64::from(filled.instances)))
        .await
        .context("it does not know all instances")?;
    let knows = seconds();
    until(async || gateway.get("/readyz", &[]).await.is_ok_and(|(status, _)| status == 200))
        .await
        .context("it is not ready")?;
    Ok(format!("answers after {answered}, knows all after {knows}, ready after {}", seconds()))
}

async fn until(mut holds: impl AsyncFnMut() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !holds().await {
        ensure!(begun.elapsed() < PATIENCE, "not within {} s", PATIENCE.as_secs());
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// The origin as the gateway shows it; null while it does not.
async fn origin(gateway: &Gateway) -> Value {
    let Ok((_, document)) = gateway.get("/v1/clusters", &[]).await else { return Value::Null };
    let clusters = document["clusters"].as_array().cloned().unwrap_or_default();
    clusters.into_iter().find(|cluster| cluster["cluster"] == fill::ORIGIN).unwrap_or_default()
}

async fn told_of_origin(gateway: &Gateway) -> Result<String> {
    let told = origin(gateway).await;
    ensure!(told["freshness"] != "live", "it calls an origin live that nobody has heard: {told}");
    Ok(format!("{}, age {} ms: {}", told["freshness"], told["ageMs"], told["freshnessReason"]))
}

async fn fact(gateway: &Gateway, name: &str) -> Result<String> {
    let (_, status) = gateway.get("/v1/status", &[]).await?;
    let value = status["facts"][name].as_str().or_else(|| status[name].as_str());
    value.map(str::to_owned).with_context(|| format!("no {name} in {status}"))
}

/// Waits until so many records of the origin were read, and gives how many were a moment later.
async fn until_read(gateway: &Gateway, tail: u64) -> Result<u64> {
    let of_origin = async || {
        let told = fact(gateway, "recordsRead").await.unwrap_or_default();
        let mut each = told.split(", ").filter_map(|each| each.split_once(' '));
        each.find(|(origin, _)| *origin == fill::ORIGIN).and_then(|(_, count)| count.parse::<u64>().ok()).unwrap_or(0)
    };
    until(async || of_origin().await >= tail).await.context("it does not read the tail")?;
    tokio::time::sleep(Duration::from_secs(2)).await; // Whatever else it would read, it is at it by now.
    Ok(of_origin().await)
}
