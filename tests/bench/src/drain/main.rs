//! `make bench-drain`: how long somebody waits who drains a cluster while many ask what would happen if.
//!
//! One process: two regions, each a gateway with its engine and an embedded registry, with a broker in memory between them. Every service
//! is registered in both. Askers ask `/v1/what-if` without a pause, and again at once when they are turned away, for as long as the orders
//! go on. The orders go to the same gateway, over connections of their own.

mod region;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use federation_bench::machine;
use federation_gateway::app::stand_in::EmbeddedBroker;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use self::region::Region;

/// As `nacos-fed` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An order has to be answered within this time, whoever asks what meanwhile.
const GOAL: Duration = Duration::from_secs(1);
/// Until both gateways have all services; with a debug build some minutes.
const PATIENCE: Duration = Duration::from_secs(900);

/// Orders beside what-ifs.
#[derive(Parser)]
struct Arguments {
    /// Services, each with an instance in both regions.
    #[arg(long, default_value_t = 20_000)]
    services: usize,
    /// Clients that ask what if, again and again.
    #[arg(long, default_value_t = 40)]
    askers: usize,
    /// Orders, one after the other: half drain the cluster, half are refused because of one service.
    #[arg(long, default_value_t = 20)]
    orders: usize,
    /// Ends with 1 where an order took longer than a second.
    #[arg(long)]
    strict: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    ensure!(arguments.services > 0 && arguments.orders > 0, "something has to be drained");
    println!("machine: {}", machine::describe());
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(run(&arguments));
    runtime.shutdown_background(); // Gateways that a failed run has left behind do not end by themselves.
    outcome
}

async fn run(arguments: &Arguments) -> Result<()> {
    let (broker, folder) = (EmbeddedBroker::start()?, Folder::new()?);
    let [mut drained, mut other] = [
        Region::start("frankfurt", 0, &broker, &folder.0).await?,
        Region::start("shanghai", 1, &broker, &folder.0).await?,
    ];
    let begun = Instant::now();
    let registered = [drained.register(arguments.services).await?, other.register(arguments.services).await?];
    for region in [&drained, &other] {
        until_all_are_at(region, arguments.services).await?;
    }
    println!("view: {} services in two regions, {:.1} s to make", arguments.services, begun.elapsed().as_secs_f64());

    println!("\n| orders at shanghai, {} services | median ms | longest ms |", arguments.services);
    println!("|---|---|---|");
    let alone = orders(&other, arguments.orders).await?;
    print("nobody asks", &alone);
    let counts = Arc::new(Counts::default());
    let mut askers = JoinSet::new();
    for _ in 0..arguments.askers {
        askers.spawn(ask(other.api().to_owned(), Arc::clone(&counts)));
    }
    while counts.answered.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let beside = orders(&other, arguments.orders).await?;
    print(&format!("{} ask what if without a pause", arguments.askers), &beside);
    askers.shutdown().await;
    let [answered, turned_away] = [&counts.answered, &counts.turned_away].map(|it| it.load(Ordering::Relaxed));
    println!("\nmeanwhile {answered} what-ifs were answered and {turned_away} turned away (429)");
    drop(registered);
    drained.stop().await?;
    other.stop().await?;
    let longest = beside.iter().max().copied().unwrap_or_default();
    ensure!(!arguments.strict || longest <= GOAL, "an order took {longest:?}, more than {GOAL:?}");
    Ok(())
}

#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    turned_away: AtomicU64,
}

/// Asks for ever.
async fn ask(api: String, counts: Arc<Counts>) {
    let http = reqwest::Client::new();
    loop {
        let Ok(answer) = http.get(format!("{api}/v1/what-if?lost=frankfurt&limit=1")).send().await else { return };
        match answer.status() {
            StatusCode::OK => &counts.answered,
            _ => &counts.turned_away,
        }
        .fetch_add(1, Ordering::Relaxed);
        if answer.bytes().await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await; // Askers and servers share one runtime here.
    }
}

/// Orders one after the other, with how long each took until it was answered.
async fn orders(region: &Region, number: usize) -> Result<Vec<Duration>> {
    let http = reqwest::Client::new();
    let mut took = Vec::new();
    for order in 0..number {
        // All services but one have an instance elsewhere: a drain of all is refused for its sake, once every service was looked at.
        let all = order % 2 == 0;
        let services = if all { Value::Null } else { json!({"serviceName": "shop-*"}) };
        let body = json!({"cluster": "frankfurt", "services": services, "percent": order % 100 + 1});
        let begun = Instant::now();
        let answer = http.post(format!("{}/v1/drains", region.api())).json(&body).send().await?;
        took.push(begun.elapsed());
        let want = if all { StatusCode::CONFLICT } else { StatusCode::OK };
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status == want, "{body} is answered {status}: {text}");
    }
    Ok(took)
}

fn print(what: &str, took: &[Duration]) {
    let mut sorted = took.to_vec();
    sorted.sort();
    let ms = |took: Duration| took.as_secs_f64() * 1000.0;
    println!("| {what} | {:.0} | {:.0} |", ms(sorted[sorted.len() / 2]), ms(sorted[sorted.len() - 1]));
}

async fn until_all_are_at(region: &Region, services: usize) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let status = region.get("/v1/clusters").await.context("the gateway does not answer")?;
        let counted: Vec<Option<u64>> =
            status["clusters"].as_array().into_iter().flatten().map(|it| it["services"].as_u64()).collect();
        let most = u64::try_from(services)?;
        if counted == [Some(most + 1), Some(most)] {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    bail!("not all services are shown within {} s", PATIENCE.as_secs())
}

/// A folder that goes with this value.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("bench-drain-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // What is left there is in nobody's way.
    }
}
