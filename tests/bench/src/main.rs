//! `make bench-propagation`: how long a change takes from one region to the other, and how long a gateway takes to start, on real
//! Kafka and Nacos. Prints the peer of each figure (a subscriber directly at the first Nacos) from the same run.

mod cold_start;
mod propagation;
mod registrant;
mod stage;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use federation_bench::machine;
use federation_harness::Line;

use crate::stage::Stage;

/// Real Kafka, a Nacos 3.1.0 as region A and a 2.3.2 as region B, a gateway beside each.
#[derive(Parser)]
struct Arguments {
    /// Registrations that are timed with each push delay.
    #[arg(long, default_value_t = 200)]
    samples: usize,
    /// Sizes of cold starts: services with three instances each.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000")]
    services: Vec<usize>,
    /// Leaves the timed registrations out.
    #[arg(long)]
    no_propagation: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    println!("machine: {}", machine::describe());
    if !arguments.no_propagation {
        for push_delay in [None, Some(Duration::ZERO)] {
            let stage = Stage::start(Line::V3, push_delay).await?;
            propagation::run(stage, push_delay, arguments.samples).await?;
        }
    }
    let mut equal = true;
    for services in arguments.services {
        for line in [Line::V3, Line::V2] {
            let stage = Stage::start(line, Some(Duration::ZERO)).await?;
            equal &= cold_start::run(stage, line, services).await?;
        }
    }
    ensure!(equal, "what region B answers is not what was registered in region A");
    Ok(())
}
