//! `make bench-stranger`: what a cluster that writes whatever it likes into its own topics, as fast as one broker takes it, does to the
//! others. Real Kafka, two gateways with embedded registries, and a stranger in a process of its own.
//!
//! An instance of region A is changed at its own pace, whatever comes of it; each change is timed until a plain consumer beside the
//! gateways has its record and until a watcher of region B's gateway is shown it. The same for some seconds without the stranger is the
//! floor. Ends with 1 if a goal is missed.

mod absurd;
mod changes;
mod deck;
mod figures;
mod pulse;
mod stage;
mod writer;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use federation_bench::machine;
use federation_harness::announce;

use self::figures::{Goals, Phase};
use self::stage::Stage;

/// A stranger floods its own topics; another origin's changes are timed meanwhile.
#[derive(Parser)]
struct Arguments {
    /// How long the stranger writes, in seconds.
    #[arg(long, env = "STRANGER_SECONDS", default_value_t = 60)]
    seconds: u64,
    /// How long is measured without it, in seconds.
    #[arg(long, env = "STRANGER_FLOOR_SECONDS", default_value_t = 20)]
    floor_seconds: u64,
    /// One record of some 10 MB in so many; 0 for none.
    #[arg(long, env = "STRANGER_LARGE_EVERY", default_value_t = 10_000)]
    large_every: u32,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What the bench starts of itself.
#[derive(Subcommand)]
enum Part {
    /// The stranger.
    #[command(hide = true)]
    Write(writer::Order),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(Part::Write(order)) = &arguments.part {
        return writer::run(order);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(&arguments))
}

async fn run(arguments: &Arguments) -> Result<()> {
    println!("machine: {}", machine::describe());
    let stage = Stage::start().await?;
    announce("the floor: nobody floods");
    let floor = measure(&stage, Duration::from_secs(arguments.floor_seconds)).await?;
    announce("the stranger begins");
    let order =
        writer::Order { bootstrap: stage.bootstrap(), seconds: arguments.seconds, large_every: arguments.large_every };
    let mut stranger = writer::Stranger::start(&order).await?;
    let flood = measure(&stage, Duration::from_secs(arguments.seconds)).await?;
    let written = stranger.ended().await?;
    announce("the stranger has ended");
    let after = stage.told_of_the_stranger().await;
    let goals = Goals { floor, flood, written, allowance_mib: figures::allowance_mib(written) };
    goals.print();
    println!("\nwhat B says of the stranger afterwards:\n{after}");
    let missed = goals.missed();
    ensure!(missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

/// Changes, and looks at the health of B's gateway, for so long.
async fn measure(stage: &Stage, length: Duration) -> Result<Phase> {
    let (changes, pulse) = tokio::try_join!(changes::run(stage, length), pulse::run(stage, length))?;
    Ok(Phase { changes, pulse })
}
