//! `make fuzz`: goes on for as long as it is told, over all targets or one.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Parser;
use federation_fuzz::corpus;
use federation_fuzz::driver::{self, Effort, Failure};
use federation_fuzz::measure::Counting;
use federation_fuzz::targets::{ALL, Target, named};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// An input that takes longer than this, in a debug build, is a finding.
const MOST_TIME: Duration = Duration::from_secs(5);

/// Tries decoders with inputs made of the corpus.
#[derive(Parser)]
struct Arguments {
    /// How long, in seconds, all targets together.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// One target alone.
    #[arg(long)]
    target: Option<String>,
    /// Number that decides what is tried; the time of day if there is none.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let targets: Vec<&Target> = match arguments.target.as_deref() {
        None | Some("") => ALL.iter().collect(),
        Some(name) => vec![named(name).with_context(|| format!("no target {name}; there are {}", names()))?],
    };
    let of_the_clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let seed = arguments.seed.unwrap_or_else(of_the_clock);
    let each = Duration::from_secs(arguments.seconds) / u32::try_from(targets.len()).expect("there are some targets");
    let mut failed = 0;
    for target in targets {
        failed += usize::from(!holds(target, seed, each)?);
    }
    if failed > 0 { bail!("{failed} targets failed") } else { Ok(()) }
}

fn names() -> String {
    ALL.iter().map(|target| target.name).collect::<Vec<_>>().join(", ")
}

/// Tries one target; tells what came of it.
fn holds(target: &Target, seed: u64, time: Duration) -> Result<bool> {
    let folder = PathBuf::from("target/fuzz").join(target.name);
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    // Left behind by an input that ends the process, by its stack or its memory.
    let running = folder.join("running");
    let kept = corpus::of(target).with_context(|| format!("the corpus of {}", target.name))?;
    let mut unwritten = None;
    let effort = Effort::Until(Instant::now() + time, MOST_TIME);
    let outcome = driver::run(target, &kept, seed, effort, |input| {
        unwritten = fs::write(&running, input).err();
    });
    if let Some(error) = unwritten {
        bail!("{}: {error}", running.display());
    }
    fs::remove_file(&running).context("it was written")?;
    match outcome {
        Ok(tried) => {
            println!(
                "{:<16} seed {seed}, {} inputs, {} answers, memory {} % of the bound, longest {:.0?}",
                target.name, tried.inputs, tried.answers, tried.memory_percent, tried.longest
            );
            Ok(true)
        }
        Err(Failure { input, why, from }) => {
            let found = folder.join(format!("found-{}", &blake3::hash(&input).to_hex()[..8]));
            fs::write(&found, &input).with_context(|| found.display().to_string())?;
            println!(
                "{:<16} FAILED with {from}: {why}\n  the input, made smaller, is {}",
                target.name,
                found.display()
            );
            Ok(false)
        }
    }
}
