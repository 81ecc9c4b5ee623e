//! Storms: clusters of several replicas on the real core, while their registries, their log and their processes fail in every way that is
//! promised to be harmless. Input: a seed. Output: whether every check held, and which fault met which state.
//!
//! Invariants: a storm is a list of faults that follows from its seed, and all chance in it follows from seed, time and place; so a
//! failing storm is repeated bit for bit, and stays a failing one while faults are left out of it, until every one that is left is needed.

mod broker;
mod censuses;
mod checks;
mod coverage;
mod faults;
mod flight;
mod late;
pub(crate) mod plan;
mod process;
mod registry;
mod rest;
mod rules;
mod turns;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use federation_core::seed::Seed;

pub(crate) use coverage::Coverage;
use plan::{Fault, Plan};
use world::{Broken, Manner, Storm};

/// One run of a storm.
pub(crate) struct Run {
    pub(crate) broken: Option<Broken>,
    pub(crate) coverage: Coverage,
    pub(crate) effects: u128,
    pub(crate) sent: u64,
    pub(crate) checkpoints: u64,
}

/// How a storm is played when it is looked for a fault.
const QUICK: Manner = Manner { hashed_with: Seed(1), skewed: true, digested: false, told: false };

/// Plays a storm to its end, or to the first check that fails.
pub(crate) fn play(plan: &Plan, manner: Manner) -> Run {
    let mut storm = Storm::new(plan, manner);
    let played = catch_unwind(AssertUnwindSafe(|| {
        for step in 0..plan.steps {
            storm.step(step);
            if storm.broken.is_some() {
                return;
            }
        }
        storm.settle();
    }));
    if let Err(panic) = played {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
        storm.fail("2 nothing panics", || text);
    }
    Run {
        broken: storm.broken,
        coverage: storm.coverage,
        effects: storm.effects,
        sent: storm.record.sent_total,
        checkpoints: storm.record.checkpoints,
    }
}

/// 15, and that a seed is a whole storm: neither the wall clocks nor the order in hash maps changes an effect.
fn check_repeats(plan: &Plan) -> Option<Broken> {
    let manner = Manner { digested: true, ..QUICK };
    let effects = |manner| play(plan, manner).effects;
    let once = effects(manner);
    let others = [
        ("a storm is repeated bit for bit", manner),
        ("15 no wall clock changes an effect", Manner { skewed: false, ..manner }),
        ("no effect depends on how maps are hashed", Manner { hashed_with: Seed(99), ..manner }),
    ];
    let (check, _) = others.into_iter().find(|(_, manner)| effects(*manner) != once)?;
    Some(Broken { check, text: String::new() })
}

/// Leaves out faults as long as the same check fails.
pub(crate) fn shrink(plan: &Plan, check: &str) -> Plan {
    let fails = |faults: &[Fault]| {
        let run = play(&plan.with(faults.to_vec()), QUICK);
        run.broken.is_some_and(|broken| broken.check == check)
    };
    let mut faults = plan.faults.clone();
    let mut size = faults.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        while start < faults.len() {
            let end = (start + size).min(faults.len());
            let fewer: Vec<Fault> = faults[..start].iter().chain(&faults[end..]).copied().collect();
            if fails(&fewer) {
                faults = fewer;
            } else {
                start = end;
            }
        }
        size /= 2;
    }
    plan.with(faults)
}

/// A failing storm, as it is told to people.
pub(crate) fn told(plan: &Plan, broken: &Broken) -> String {
    let least = shrink(plan, broken.check);
    let last = play(&least, QUICK).broken.unwrap_or_else(|| broken.clone());
    let mut text = format!("seed {} breaks \"{}\"\n{}\n", plan.seed, broken.check, broken.text);
    text += &format!("{} of its {} faults are needed: {}\n", least.faults.len(), plan.faults.len(), last.text);
    for fault in &least.faults {
        text += &format!("  step {:>3}  {:?} {} for {} ms\n", fault.step, fault.kind, fault.target, fault.millis);
    }
    text + &format!("make replay SEED={} prints every effect of it", plan.seed)
}

/// What became of many seeds.
pub(crate) struct Sum {
    pub(crate) coverage: Coverage,
    pub(crate) sent: u64,
    pub(crate) checkpoints: u64,
    pub(crate) broken: Option<(Plan, Broken)>,
}

/// Plays seeds in so many threads, until one fails. Every so many-th of them is played four times, to compare effects.
pub(crate) fn seek(seeds: std::ops::Range<u64>, threads: usize, repeated: u64) -> Sum {
    let (next, found) = (AtomicU64::new(seeds.start), AtomicU64::new(u64::MAX));
    let work = || {
        let mut sum = Sum { coverage: Coverage::default(), sent: 0, checkpoints: 0, broken: None };
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end || found.load(Ordering::Relaxed) != u64::MAX {
                return sum;
            }
            let plan = Plan::of(seed);
            let run = play(&plan, QUICK);
            sum.coverage.add(&run.coverage);
            (sum.sent, sum.checkpoints) = (sum.sent + run.sent, sum.checkpoints + run.checkpoints);
            let compared = || seed.is_multiple_of(repeated).then(|| check_repeats(&plan)).flatten();
            if let Some(broken) = run.broken.or_else(compared) {
                found.store(seed, Ordering::Relaxed);
                sum.broken = Some((plan, broken));
                return sum;
            }
        }
    };
    let sums: Vec<Sum> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a storm hands over its panics")).collect()
    });
    sums.into_iter().reduce(add).expect("there is a thread")
}

fn add(mut one: Sum, other: Sum) -> Sum {
    one.coverage.add(&other.coverage);
    let first = |one: Option<(Plan, Broken)>, other: Option<(Plan, Broken)>| match (one, other) {
        (Some(one), Some(other)) => Some(if one.0.seed < other.0.seed { one } else { other }),
        (one, other) => one.or(other),
    };
    Sum {
        coverage: one.coverage,
        sent: one.sent + other.sent,
        checkpoints: one.checkpoints + other.checkpoints,
        broken: first(one.broken, other.broken),
    }
}

/// Plays a storm and prints every effect.
pub(crate) fn replay(plan: &Plan) -> Run {
    play(plan, Manner { told: true, digested: true, ..QUICK })
}
