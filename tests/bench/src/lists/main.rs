//! `make bench-lists`: what a page of services costs where there are many: searched, sorted, counted, followed by cursor; beside fixed bytes of the
//! same length from the same server.
//!
//! One process: the gateway's server over a view that is written by hand, on a thread of its own, another that goes on writing changes, and one
//! client over loopback, which asks one question after the other. The bound is that of the issue: P99 of a page at most 20 ms.

mod client;
mod shop;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use federation_bench::figures::{grouped, median, percentile};
use federation_bench::machine;
use federation_view::view::{OriginFacts, ServiceFacts, ViewWriter};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use self::client::Client;
use self::shop::Shop;

/// As `nacos-fed` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The bound on a page, in milliseconds.
const BOUND_MS: f64 = 20.0;

/// Questions, each with what it shows.
const QUESTIONS: [(&str, &str); 12] = [
    ("first page by name", "pageSize=100"),
    ("page 500 by number", "pageSize=100&pageNo=500"),
    ("1,000 rows with clusters", "pageSize=1000"),
    ("sums only", "pageSize=100&fields=summary"),
    ("search that finds few", "pageSize=100&fields=summary&q=0777"),
    ("search that finds nothing", "pageSize=100&fields=summary&q=zzz"),
    ("search and facets, all found", "pageSize=100&fields=summary&q=ORDERS&facets=true"),
    ("facets of everything", "pageSize=100&fields=summary&facets=true"),
    ("unhealthy, counted", "pageSize=100&fields=summary&state=unhealthy&facets=true"),
    ("most unhealthy first, counted", "pageSize=100&fields=summary&sort=unhealthy&facets=true"),
    ("latest change first", "pageSize=100&fields=summary&sort=changed"),
    ("search, state, sort and facets", "pageSize=100&fields=summary&q=a&state=drained&sort=instances&facets=true"),
];

/// Pages of services beside fixed bytes of the same length.
#[derive(Parser)]
struct Arguments {
    /// Services in the view, each with 1 to 9 instances in one to three of three clusters.
    #[arg(long, default_value_t = 100_000)]
    services: usize,
    /// How often each question is asked.
    #[arg(long, default_value_t = 400)]
    times: usize,
    /// Services that change each second meanwhile.
    #[arg(long, default_value_t = 500)]
    changes: usize,
    /// Ends with 1 where a P99 is beyond the bound.
    #[arg(long)]
    strict: bool,
    /// Asks nothing itself: prints where it listens, pages for people included, and serves until standard input ends.
    #[arg(long)]
    serve: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    ensure!(arguments.services > 0 && arguments.times > 0, "there have to be services, and questions");
    println!("machine: {}, load {}", machine::describe(), machine::load());
    let (writer, state) = Shop::open(arguments.services)?;
    let row = size_of::<ServiceFacts>();
    println!(
        "view: {} services over {} clusters, {} MiB; a row of the roster: {row} bytes, and 16 with {} for each cluster of the service",
        grouped(as_f64(arguments.services)),
        shop::CLUSTERS.len(),
        machine::used_by(std::process::id()).1,
        size_of::<OriginFacts>(),
    );
    let server = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let stop = CancellationToken::new();
    let length = Arc::new(AtomicUsize::new(0));
    let (address, serving) = server.block_on(client::serve(state, Arc::clone(&length), stop.clone()))?;
    let task = server.spawn(serving);
    let over = Arc::new(AtomicBool::new(false));
    let changing = std::thread::spawn({
        let (over, arguments) = (Arc::clone(&over), (arguments.services, arguments.changes));
        move || change(writer, arguments, &over)
    });
    let worst = if arguments.serve { wait(address) } else { ask_all(&arguments, address, &length) };
    over.store(true, Ordering::Relaxed);
    let changed = changing.join().ok().context("the writer of changes panicked")?;
    stop.cancel();
    server.block_on(task)??;
    println!("\n{} changes were written meanwhile", grouped(as_f64(changed)));
    let Some(worst) = worst? else { return Ok(()) };
    println!("worst P99: {worst:.2} ms; bound: {BOUND_MS} ms");
    ensure!(!arguments.strict || worst <= BOUND_MS, "a page takes longer than {BOUND_MS} ms");
    Ok(())
}

/// Says where to ask, and leaves that to others until standard input ends.
fn wait(address: SocketAddr) -> Result<Option<f64>> {
    println!("listening at http://{address}/");
    std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()).context("standard input cannot be read")?;
    Ok(None)
}

/// Prints a line for each question; returns the worst P99 in milliseconds.
fn ask_all(arguments: &Arguments, address: SocketAddr, length: &AtomicUsize) -> Result<Option<f64>> {
    let mut client = Client::connect(address)?;
    println!(
        "\n{:<34}{:>9}{:>9}{:>9}{:>11}{:>11}{:>10}",
        "ms", "P50", "P99", "most", "fixed P50", "fixed P99", "bytes"
    );
    let mut worst = 0.0_f64;
    let cursor = client.ask("/v1/services?pageSize=100&pageNo=500&fields=summary")?;
    let cursor = serde_json::from_slice::<serde_json::Value>(&cursor)?["nextCursor"].as_str().map(str::to_owned);
    let followed = format!("pageSize=100&fields=summary&cursor={}", cursor.unwrap_or_default());
    let questions = QUESTIONS.iter().map(|(name, question)| (*name, (*question).to_owned()));
    let questions = questions.chain((arguments.services > 50_100).then_some(("page after a cursor", followed)));
    for (name, question) in questions {
        let path = format!("/v1/services?{question}");
        let bytes = client.ask(&path)?.len();
        length.store(bytes, Ordering::Relaxed);
        let (mut took, mut fixed) = (Vec::new(), Vec::new());
        for _ in 0..arguments.times {
            took.push(timed(&mut client, &path)?);
            fixed.push(timed(&mut client, client::FIXED)?);
        }
        let (p99, most) = (percentile(&mut took, 99), percentile(&mut took, 100));
        let (middle, floor) = (median(&mut took), median(&mut fixed));
        let floor_p99 = percentile(&mut fixed, 99);
        println!(
            "{name:<34}{middle:>9.2}{p99:>9.2}{most:>9.2}{floor:>11.2}{floor_p99:>11.2}{:>10}",
            grouped(as_f64(bytes))
        );
        worst = worst.max(p99);
    }
    Ok(Some(worst))
}

fn timed(client: &mut Client, path: &str) -> Result<f64> {
    let begun = Instant::now();
    client.ask(path)?;
    Ok(begun.elapsed().as_secs_f64() * 1_000.0)
}

/// Changes so many of the services each second, one after the other, until it is over; returns how many.
fn change(mut writer: ViewWriter, (services, each_second): (usize, usize), over: &AtomicBool) -> usize {
    let (begun, mut changed) = (Instant::now(), 0);
    while !over.load(Ordering::Relaxed) {
        let due = (begun.elapsed().as_secs_f64() * as_f64(each_second)).floor();
        while as_f64(changed) < due {
            writer.apply(shop::changed(changed * 7_919 % services, changed));
            changed += 1;
        }
        std::thread::park_timeout(Duration::from_millis(2)); // The pace of a writer, not a wait for anything.
    }
    changed
}

#[allow(clippy::cast_precision_loss, reason = "fewer than 2^52")]
fn as_f64(number: usize) -> f64 {
    number as f64
}
