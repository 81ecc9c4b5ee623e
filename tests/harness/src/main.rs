//! `harness`: fetches real parts and runs the local stack.

use std::process::ExitCode;

use anyhow::Result;
use clap::builder::PossibleValue;
use clap::{Parser, Subcommand, ValueEnum};
use federation_harness::{Part, Parts, home, stack};

/// Real parts of a federation on one machine.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fetch parts that are not there yet
    Fetch {
        /// Which
        #[arg(required = true)]
        parts: Vec<PartName>,
    },
    /// Print the folder of a part, fetching it if it is not there yet
    Path {
        /// Which
        part: PartName,
    },
    /// Remove what ended processes left behind in the temporary directory
    Sweep,
    /// The local stack
    #[command(subcommand)]
    Stack(StackCommand),
}

#[derive(Debug, Subcommand)]
enum StackCommand {
    /// Start what does not run
    Up,
    /// End what runs
    Down,
    /// Show what runs; the exit code is 1 unless all does
    Status,
}

/// A part by its own name.
#[derive(Clone, Copy, Debug)]
struct PartName(Part);

impl ValueEnum for PartName {
    fn value_variants<'a>() -> &'a [Self] {
        const NAMES: [PartName; Part::ALL.len()] = {
            let mut names = [PartName(Part::Kafka); Part::ALL.len()];
            let mut index = 0;
            while index < names.len() {
                names[index] = PartName(Part::ALL[index]);
                index += 1;
            }
            names
        };
        &NAMES
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(Cli::parse().command).await.unwrap_or_else(|error| {
        let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
        eprintln!("harness: {}", causes.join(": "));
        ExitCode::FAILURE
    })
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Fetch { parts } => {
            let parts: Vec<Part> = parts.into_iter().map(|PartName(part)| part).collect();
            Parts::ensure(&parts).await?;
        }
        Command::Path { part: PartName(part) } => {
            println!("{}", Parts::ensure(&[part]).await?.directory(part)?.display());
        }
        Command::Sweep => home::sweep(),
        Command::Stack(StackCommand::Up) => stack::up().await?,
        Command::Stack(StackCommand::Down) => stack::down().await?,
        Command::Stack(StackCommand::Status) if !stack::status() => return Ok(ExitCode::FAILURE),
        Command::Stack(StackCommand::Status) => {}
    }
    Ok(ExitCode::SUCCESS)
}
