//! Storms: every fault that is promised to be harmless, several at once, on clusters of several replicas.

use crate::storm::{self, plan::Plan};

/// How many seeds a run of the tests tries; `make simulate SEEDS=10000` tries more.
const SEEDS: u64 = 1_000;
const THREADS: usize = 2;
/// Of so many seeds one is played four times, to compare all effects.
const REPEATED: u64 = 50;

#[test]
fn whatever_goes_wrong_every_invariant_holds_at_every_step_and_at_rest() {
    let sum = storm::seek(0..SEEDS, THREADS, REPEATED);
    if let Some((plan, broken)) = sum.broken {
        panic!("{}", storm::told(&plan, &broken));
    }
    println!("{}", sum.coverage.table());
    assert!(sum.sent > SEEDS * 100 && sum.checkpoints > SEEDS * 50, "{} records, {}", sum.sent, sum.checkpoints);
    assert!(sum.coverage.missing() < 100, "faults have hardly met any state:\n{}", sum.coverage.table());
}

#[test]
fn a_storm_that_is_replayed_prints_the_same_text() {
    let plan = Plan::of(5);
    assert_eq!(storm::replay(&plan).effects, storm::replay(&plan).effects);
}
