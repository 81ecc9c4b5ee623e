//! `make bench-fold`: what half a million instances cost a gateway: the time to fold them, memory, processor time at rest and for each
//! change, how old changes are when they are seen, bytes on the log, and how long its end takes. Real Kafka; beside each figure its peer,
//! librdkafka alone with the same properties, in the same run. Ends with 1 if a goal is missed and `--strict` is given.
//!
//! Two stages: a gateway that reads origins which this bench writes through the codec, and a gateway with a registry of its own, in which
//! clients of the Nacos protocol register everything, with another that reads it.

mod answers;
mod changes;
mod figures;
mod origin;
mod reader;
mod registry;
mod shape;
mod stages;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use federation_bench::machine;
use federation_harness::{Kafka, KafkaOptions, Part, Parts};

use crate::figures::Table;

/// Folds, holds and changes many instances.
#[derive(Parser)]
struct Arguments {
    /// How many, in services of five.
    #[arg(long, default_value_t = 500_000)]
    instances: u64,
    /// Clusters that they are of, an equal part each, where the bench writes them.
    #[arg(long, default_value_t = 1)]
    origins: u64,
    /// Measures these parts only.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Measured>,
    /// Fails if a goal is missed.
    #[arg(long)]
    strict: bool,
    /// How long each stretch is, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measured {
    /// A fresh gateway folds everything: time, memory.
    Fold,
    /// A gateway at rest.
    Idle,
    /// Changes that the bench writes.
    Reader,
    /// Answers while a snapshot is written.
    Answers,
    /// The orderly stop.
    Stop,
    /// A registry with everything in it.
    Registry,
}

impl Arguments {
    fn wants(&self, part: Measured) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    ensure!(arguments.origins > 0, "--origins is at least 1");
    ensure!(arguments.instances >= 10 * shape::INSTANCES * arguments.origins, "ten services an origin are needed");
    println!("machine: {}", machine::describe());
    let parts = Parts::ensure(&[Part::Kafka]).await?;
    let kafka = Kafka::start(&parts, KafkaOptions::default()).await?;
    let mut table = Table::default();
    if Measured::value_variants().iter().any(|part| *part != Measured::Registry && arguments.wants(*part)) {
        stages::written(&arguments, &kafka, &mut table).await?;
    }
    if arguments.wants(Measured::Registry) {
        stages::registered(&arguments, &kafka, &mut table).await?;
    }
    println!("\n{} instances, {} origins", arguments.instances, arguments.origins);
    table.print();
    let missed = table.missed();
    ensure!(!arguments.strict || missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}
