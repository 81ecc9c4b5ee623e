//! `make chaos`: two clusters of two gateways on a real Kafka of three brokers and a real Nacos of both lines, while everything is killed,
//! paused, restarted, cut off, filled up and emptied, one after the other and two at a time, and client processes of real SDKs register,
//! change and deregister. Every gateway is looked at five times a second.
//!
//! | module | is |
//! |---|---|
//! | [`plan`] | which faults, in which order, from a seed; pure |
//! | [`history`], [`truth`] | what is registered by one witness; what a gateway owes, by two of them; pure |
//! | [`judge`], [`report`] | what samples say beside it; the verdict; pure |
//! | [`stage`], [`disk`], [`torment`] | the real parts; how they are broken and mended |
//! | [`workload`], [`value`] | the clients and what they register |
//! | [`sampler`], [`lister`], [`record`] | looking at gateways, and at each Nacos; what was seen |
//! | [`run`] | all of it, from the start to the verdict |
//!
//! Whatever it starts ends with it, however that ends. Exit codes: 0 all held, 1 it did not or could not be tried, 130 interrupted.

mod disk;
mod history;
mod judge;
mod lister;
mod plan;
mod record;
mod report;
mod run;
mod sampler;
mod seed;
mod stage;
mod torment;
mod truth;
mod value;
mod workload;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use federation_harness::parts::workspace;
use tokio::signal::unix::{SignalKind, signal};

use crate::run::Order;

const EXAMPLES: &str = "\
Examples:
  make chaos                       twelve minutes, over forty faults, another order each time
  make chaos MINUTES=3 SEED=7      a short one, in the order of seed 7
  chaos --plan --seed 7            what would happen, without starting anything
  chaos --format json > run.json   the report for programs

Progress goes to standard error. Two busy cores and 6 GB are enough: kinds of faults that start a JVM are dealt
half as often as others. Exit codes: 0 all held, 1 it did not, 130 interrupted.";
const INTERRUPTED: u8 = 130;

/// Torments real gateways, brokers and registries, and says whether anybody was missed.
#[derive(Debug, Parser)]
#[command(name = "chaos", after_help = EXAMPLES)]
struct Arguments {
    /// How long faults happen; some minutes more go into the start and the end
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=600))]
    minutes: u64,
    /// The order of faults; by chance if absent
    #[arg(long)]
    seed: Option<u64>,
    /// How the report is written to standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Only print the plan
    #[arg(long)]
    plan: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let chance = now.map_or(1, |now| u64::from(now.subsec_micros()));
    let order = Order { minutes: arguments.minutes, seed: arguments.seed.unwrap_or(chance) };
    if arguments.plan {
        return told(print_plan(order, arguments.format).map(|()| ExitCode::SUCCESS));
    }
    told(tormented(order, arguments.format).await)
}

fn told(outcome: Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        eprintln!("chaos: {error:#}");
        ExitCode::FAILURE
    })
}

fn print_plan(order: Order, format: Format) -> Result<()> {
    let turns = plan::plan(order.seed, order.minutes);
    if format == Format::Json {
        println!("{}", serde_json::to_string_pretty(&turns)?);
        return Ok(());
    }
    println!("seed {}: {} faults in {} turns", order.seed, plan::faults_in(&turns), turns.len());
    for turn in turns {
        let faults: Vec<String> = turn.faults.iter().map(plan::Fault::described).collect();
        println!("  {}", faults.join(" and "));
    }
    Ok(())
}

async fn tormented(order: Order, format: Format) -> Result<ExitCode> {
    let all = workspace().join("target/chaos");
    unmount_what_dead_runs_left(&all);
    let folder = all.join(format!("seed-{}-{}", order.seed, std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let report = tokio::select! {
        report = run::run(order, &folder) => report,
        () = interrupted() => {
            eprintln!("chaos: interrupted; everything it started has ended");
            remove(&folder);
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    let report = report.with_context(|| format!("seed {}; all logs are in {}", order.seed, folder.display()))?;
    match format {
        Format::Text => print!("{}", report.text()),
        Format::Json => println!("{}", report.json()?),
    }
    if report.failures().is_empty() {
        remove(&folder);
        return Ok(ExitCode::SUCCESS);
    }
    std::fs::write(folder.join("report.json"), report.json()?)?;
    eprintln!("chaos: all logs and report.json are in {}; again with SEED={}", folder.display(), order.seed);
    Ok(ExitCode::FAILURE)
}

/// Ends with SIGINT or SIGTERM.
async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    // Cancel-safe both.
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn remove(folder: &Path) {
    let _ = std::fs::remove_dir_all(folder); // What stays is only logs.
}

/// A run that was killed could not unmount its small disks; the folder's name ends with its process.
fn unmount_what_dead_runs_left(all: &Path) {
    let folders = std::fs::read_dir(all).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_dead = |folder: &PathBuf| {
        let process = folder.to_string_lossy().rsplit('-').next().map(|pid| Path::new("/proc").join(pid));
        process.is_some_and(|process| !process.exists())
    };
    folders.filter(is_dead).for_each(|folder| disk::unmount_all_below(&folder));
}
