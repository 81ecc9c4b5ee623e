//! `make bench-frontdoor`: the front door beside a real Nacos 3.x and an `rnacos`, by the same client program in one run: from a
//! registration to a push, lookups, idle connections, one change for many, and a storm of registrations.
//!
//! Each client is a connection of its own that does what SDKs do; see `client`. Prints each figure with its peers, and with its goal where it has one.

mod client;
mod crowd;
mod figures;
mod gathering;
mod lookups;
mod propagation;
mod rnacos;
mod stage;
mod storm;
mod wire;

use std::time::Duration;

use anyhow::{Result, ensure};
use bounded_listener::descriptors;
use clap::{Parser, ValueEnum};
use federation_bench::machine;

use crate::figures::Figures;
use crate::lookups::LookupLoad;
use crate::stage::Stage;

/// As `nacos-fed` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Descriptors beside those of the clients.
const OTHER_DESCRIPTORS: usize = 512;

/// Front doors of two regions on real Kafka and Nacos, a Nacos 3.1.0 alone, and an rnacos where one can be built.
#[derive(Parser)]
struct Arguments {
    /// Idle connections at one server.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Subscribers of one service.
    #[arg(long, default_value_t = 10_000)]
    subscribers: usize,
    /// Registrations that are timed until they are pushed, for each pair of servers.
    #[arg(long, default_value_t = 100)]
    samples: usize,
    /// Services that are looked up.
    #[arg(long, default_value_t = 1_000)]
    services: usize,
    /// Connections that look up, with four calls under way on each.
    #[arg(long, default_value_t = 16)]
    lookers: usize,
    /// Rounds of lookups at each server, of three seconds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Clients that register at the same time.
    #[arg(long, default_value_t = 1_000)]
    clients: usize,
    /// What each of them registers.
    #[arg(long, default_value_t = 10)]
    registrations: usize,
    /// Parts that are measured.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "gathering,propagation,lookups,storm")]
    parts: Vec<BenchPart>,
    /// How the figures are printed.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Ends with 1 if a goal is missed.
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BenchPart {
    /// Idle connections, and one change for many subscribers.
    Gathering,
    /// From a registration to a push.
    Propagation,
    /// Lookups.
    Lookups,
    /// Many registrations.
    Storm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (most, may_have) = (arguments.connections.max(arguments.subscribers), descriptors::raise());
    ensure!(most + OTHER_DESCRIPTORS <= may_have, "{most} clients, and {may_have} descriptors (`ulimit -n`)");
    let stage = Stage::start().await?;
    let machine = machine::describe();
    if arguments.format == Format::Table {
        println!("machine: {machine}\n");
    }
    let mut figures = Figures::new(arguments.format == Format::Table);
    for part in &arguments.parts {
        measure(*part, &stage, &arguments, &mut figures).await?;
    }
    match arguments.format {
        Format::Table => println!("\nload {}, {} missed", machine::load(), figures.missed()),
        Format::Json => println!("{:#}", figures.document(&machine)),
    }
    ensure!(!arguments.strict || figures.missed() == 0, "{} goals are missed", figures.missed());
    Ok(())
}

async fn measure(part: BenchPart, stage: &Stage, arguments: &Arguments, figures: &mut Figures) -> Result<()> {
    match part {
        BenchPart::Gathering => gathering::run(stage, arguments.connections, arguments.subscribers, figures).await,
        BenchPart::Propagation => propagation::run(stage, arguments.samples, figures).await,
        BenchPart::Lookups => {
            let load = LookupLoad {
                services: arguments.services,
                connections: arguments.lookers,
                calls: 4,
                rounds: arguments.rounds,
                lasts: Duration::from_secs(3),
            };
            lookups::run(stage, load, figures).await
        }
        BenchPart::Storm => storm::run(stage, arguments.clients, arguments.registrations, figures).await,
    }
}
