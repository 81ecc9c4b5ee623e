//! Plays one seed of the simulation and prints every effect, with its time in milliseconds and its gateway.
//!
//! `simulate SEED STEPS`: the same numbers print the same text. It ends with everything well again and all views compared; a difference
//! ends it with a panic that names it.

#![expect(clippy::unwrap_used, reason = "it is a test that somebody looks at")]

#[path = "../tests/simulation/random.rs"]
mod random;
#[path = "../tests/simulation/world.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod world;

use federation_core::seed::Seed;

const USAGE: &str = "simulate SEED STEPS, both whole numbers, as in: simulate 7 100";

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).map_while(|argument| argument.parse().ok()).collect();
    let [seed, steps] = numbers[..] else {
        eprintln!("{USAGE}");
        std::process::exit(2);
    };
    let mut world = random::play(seed, steps, Seed(1), true);
    random::heal(&mut world);
    random::check(&mut world, seed);
    println!("seed {seed}: {steps} events, all views equal; digest of all effects {:032x}", world.effects);
}
