//! Random scenarios: small worlds with few names, so that endpoints meet in localities, ranks tie and rules match.

use rand::prelude::*;
use rand::rngs::StdRng;

use crate::scenario::{Caller, Drain, Endpoint, Place, Policy, Scenario};

const LABELS: [&str; 9] =
    ["region", "zone", "sub_zone", "network", "cluster", "key", "network=n1", "key=blue", "cluster=c2"];
/// Patterns of which no two overlap, per set.
const TARGETS: [&[&str]; 5] = [
    &["*"],
    &["r1/z1", "r1/z2", "r2/*"],
    &["r1", "r2", "r3"],
    &["r1/z1/s1", "r1/z1/s2", "*/z2"],
    &["r2/*/s1", "r1/*/s2"],
];
const FROM: [&str; 5] = ["*", "r1", "r1/z1", "r1/*/s1", "r2/*"];
/// In millionths; some are less than the thousandth that is counted.
const WEIGHTS: [u64; 11] = [0, 1, 400, 1600, 3000, 500_000, 1_000_000, 1_000_000, 1_000_000, 2_500_000, 10_000_000_000];

/// The seed of this run: `ROUTING_SEED` if it is set, else a new one. Printed, so that a failure can be repeated.
///
/// # Panics
/// If `ROUTING_SEED` is no number.
#[must_use]
pub fn seed() -> u64 {
    let seed = std::env::var("ROUTING_SEED").map_or_else(|_| rand::random(), |text| text.parse().expect("a number"));
    println!("ROUTING_SEED={seed}");
    seed
}

/// A random scenario.
#[must_use]
pub fn scenario(random: &mut StdRng) -> Scenario {
    let given = random.random_bool(0.15);
    let endpoints = random.random_range(0..12);
    let origins = ["c1", "c2", "c3", "c4"].into_iter().filter(|_| random.random_bool(0.3));
    let origins = origins.collect::<Vec<_>>();
    let freshness = |random: &mut StdRng| *["stale", "lost", "isolated", "live"].choose(random).unwrap_or(&"live");
    Scenario {
        caller: caller(random),
        policy: policy(random),
        origins: origins.into_iter().map(|origin| (origin.to_owned(), freshness(random).to_owned())).collect(),
        drains: drains(random),
        endpoints: (0..endpoints).map(|index| endpoint(random, index, given)).collect(),
    }
}

fn some<const N: usize>(random: &mut StdRng, probability: f64, names: [&str; N]) -> Option<String> {
    random.random_bool(probability).then(|| (*names.choose(random).expect("names")).to_owned())
}

fn place(random: &mut StdRng) -> Place {
    [some(random, 0.9, ["r1", "r1", "r2", "r3"]), some(random, 0.8, ["z1", "z2"]), some(random, 0.6, ["s1", "s2"])]
}

fn caller(random: &mut StdRng) -> Caller {
    let label = some(random, 0.5, ["blue", "green"]);
    Caller {
        place: place(random),
        network: some(random, 0.7, ["n1", "n2"]),
        cluster: some(random, 0.7, ["c1", "c2", "c3"]),
        labels: label.map(|value| ("key".to_owned(), value)).into_iter().collect(),
    }
}

fn policy(random: &mut StdRng) -> Policy {
    let mut policy = Policy {
        overprovisioning: *[100, 140, 140, 200, 133].choose(random).unwrap_or(&140),
        panic_threshold: *[50, 50, 0, 1, 30, 70, 100].choose(random).unwrap_or(&50),
        weighted_health: random.random_bool(0.3),
        locality: random.random_bool(0.9),
        keep_stale: random.random_bool(0.2),
        prefer_degraded_local: random.random_bool(0.2),
        ..Policy::default()
    };
    if random.random_bool(0.4) {
        let count = random.random_range(1..5);
        policy.failover_priority = LABELS.sample(random, count).map(|label| (*label).to_owned()).collect();
    }
    if random.random_bool(0.4) {
        let regions = ["r1", "r2", "r3"].map(str::to_owned);
        let rule = |random: &mut StdRng| (regions.choose(random).cloned(), regions.choose(random).cloned());
        let rules = (0..random.random_range(1..3)).map(|_| rule(random));
        policy.failover = rules.filter_map(|(from, to)| from.zip(to)).collect();
    } else if random.random_bool(0.5) {
        policy.distribute = (0..random.random_range(1..3)).map(|_| distribute(random)).collect();
    }
    if random.random_bool(0.35) {
        let places = ["", "r1", "r1/z1", "r1/z1/s1", "r1/z2", "r1/z2/s2", "r2/z1", "r2/z1/s1", "r3", "r1//s1"];
        let count = random.random_range(1..6);
        let chosen = places.sample(random, count).copied().collect::<Vec<_>>();
        let weight = |random: &mut StdRng| *[0, 1, 1, 2, 3, 7, 100].choose(random).unwrap_or(&1);
        policy.locality_weights = chosen.into_iter().map(|place| (place.to_owned(), weight(random))).collect();
    }
    policy
}

fn distribute(random: &mut StdRng) -> (String, Vec<(String, u8)>) {
    let targets = TARGETS.choose(random).expect("targets");
    let mut left = 100;
    let mut to: Vec<(String, u8)> = Vec::new();
    for target in &targets[1..] {
        let percent = if random.random_bool(0.2) { 0 } else { random.random_range(0..=left) };
        left -= percent;
        to.push(((*target).to_owned(), percent));
    }
    to.push((targets[0].to_owned(), left));
    ((*FROM.choose(random).expect("patterns")).to_owned(), to)
}

fn drains(random: &mut StdRng) -> Vec<Drain> {
    if random.random_bool(0.4) {
        return Vec::new();
    }
    let clusters = ["c1", "c2", "c3", "c4", "c5"];
    let count = random.random_range(1..=4);
    let chosen = clusters.sample(random, count).copied().collect::<Vec<_>>();
    let drain = |random: &mut StdRng, cluster: &str| Drain {
        cluster: cluster.to_owned(),
        percent: *[0, 1, 30, 33, 50, 99, 100].choose(random).unwrap_or(&0),
        force: random.random_bool(0.2),
    };
    chosen.into_iter().map(|cluster| drain(random, cluster)).collect()
}

fn endpoint(random: &mut StdRng, index: usize, given: bool) -> Endpoint {
    let label = some(random, 0.6, ["blue", "green"]);
    let odd = random.random_range(1..10_000) * 1000;
    let weight = *WEIGHTS.choose(random).unwrap_or(&1_000_000);
    Endpoint {
        id: format!("e{index}"),
        origin: some(random, 1.0, ["c1", "c2", "c3", "c4"]).unwrap_or_default(),
        place: place(random),
        network: some(random, 0.7, ["n1", "n2"]),
        labels: label.map(|value| ("key".to_owned(), value)).into_iter().collect(),
        weight: if random.random_bool(0.2) { odd } else { weight },
        health: ["healthy", "healthy", "unhealthy", "unknown"].choose(random).unwrap_or(&"healthy"),
        excluded: random.random_bool(0.1),
        enabled: random.random_bool(0.93),
        priority: given.then(|| random.random_range(0..5)),
    }
}
