//! Plays storms of the simulation.
//!
//! `storm seek FIRST COUNT`: plays so many seeds on all cores, prints which fault met which state, or the first seed that fails, with the
//! fewest faults that make it fail. `storm hunt FIRST COUNT`: as that, and says in one line what failed first, for whoever broke the core on
//! purpose. `storm replay SEED`: prints every effect of one seed, with its time in milliseconds and its replica;
//! the same text each time. `storm least SEED`: the same with the fewest faults that make the seed fail.

#![expect(clippy::unwrap_used, reason = "it is a test that somebody looks at")]

#[path = "../tests/simulation/storm/mod.rs"]
mod storm;
#[path = "../tests/simulation/world.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod world;

use std::process::exit;
use std::time::Instant;

use storm::plan::Plan;

const USAGE: &str = "storm seek FIRST COUNT, storm hunt FIRST COUNT, storm replay SEED, or storm least SEED";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<u64> = arguments.iter().skip(1).map_while(|argument| argument.parse().ok()).collect();
    match (arguments.first().map(String::as_str), &numbers[..]) {
        (Some("seek"), [first, count]) => seek(*first, *count),
        (Some("hunt"), [first, count]) => hunt(*first, *count),
        (Some("replay"), [seed]) => replay(&Plan::of(*seed)),
        (Some("least"), [seed]) => replay(&least(*seed)),
        _ => {
            eprintln!("{USAGE}");
            exit(2);
        }
    }
}

/// More would keep a small machine from anything else.
const THREADS: usize = 2;
/// Of so many seeds one is played four times.
const REPEATED: u64 = 50;

fn seek(first: u64, count: u64) {
    let began = Instant::now();
    let sum = storm::seek(first..first + count, THREADS, REPEATED);
    let seconds = began.elapsed().as_secs_f64();
    if let Some((plan, broken)) = sum.broken {
        println!("found after {seconds:.1} s: {}", storm::told(&plan, &broken));
        exit(1);
    }
    println!("{}", sum.coverage.table());
    let (sent, stated) = (sum.sent, sum.checkpoints);
    println!("{count} seeds, {sent} records and {stated} checkpoints, in {seconds:.1} s: every check held");
}

fn hunt(first: u64, count: u64) {
    std::panic::set_hook(Box::new(|_| {})); // A panic is a finding like any other.
    let began = Instant::now();
    let sum = storm::seek(first..first + count, THREADS, u64::MAX);
    let seconds = began.elapsed().as_secs_f64();
    if let Some((plan, broken)) = sum.broken {
        println!("seed {:<5} {seconds:>6.1} s  {}", plan.seed, broken.check);
        exit(1);
    }
    println!("{count} seeds, {seconds:.1} s");
}

/// The seed's storm with the fewest faults that make it fail; with all of them if it does not fail.
fn least(seed: u64) -> Plan {
    let found = storm::seek(seed..seed + 1, 1, u64::MAX).broken;
    found.map_or_else(|| Plan::of(seed), |(plan, broken)| storm::shrink(&plan, broken.check))
}

fn replay(plan: &Plan) {
    let (seed, run) = (plan.seed, storm::replay(plan));
    println!("digest of all effects {:032x}", run.effects);
    if let Some(broken) = run.broken {
        println!("seed {seed} breaks \"{}\"\n{}", broken.check, broken.text);
        exit(1);
    }
    println!("seed {seed}: every check held");
}
