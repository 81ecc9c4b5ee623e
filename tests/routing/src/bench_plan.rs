//! `make bench-plan`: what one plan costs, for services of 5 to 10,000 endpoints, and what a hypothesis costs for a view of
//! 100,000 services. One thread.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use federation_core::drains::IntentTable;
use federation_core::freshness::Freshness;
use federation_core::id::{InstanceId, ServiceKey};
use federation_core::instance::{Health, Instance, Metadata, Weight};
use federation_core::locality::Locality;
use federation_core::routing::{
    Caller, Drain, DrainGuard, Intents, OriginName, Percent, PlaceRules, Policies, Policy, Reachability, gather, plan,
};
use federation_core::service::{
    ClusterStatus, FactSource, FederatedInstance, FederatedService, OriginInstances, Revision,
};
use federation_core::time::Mono;
use federation_core::what_if::{Hypothesis, PlanScene, ServiceImpact};

const SIZES: [u16; 5] = [5, 50, 500, 5_000, 10_000];
const CLUSTERS: [&str; 3] = ["a", "b", "c"];
const ROUNDS: usize = 200;
const ROUND: Duration = Duration::from_millis(2);
const SERVICES: usize = 100_000;

fn main() {
    let clusters: Vec<ClusterStatus> = CLUSTERS.into_iter().map(cluster).collect();
    let (policies, places) = (Policies::default(), PlaceRules::default());
    let scene =
        PlanScene { clusters: &clusters, policies: &policies, intents: &IntentTable::default(), places: &places };
    let caller = &scene.callers()[0];
    println!("endpoints    gather    plan, no drain          one drain              four drains");
    for size in SIZES {
        let service = service("orders", size);
        let offers = gather(&service, &clusters, None, Reachability::ONLY_ITSELF, &places);
        let gathered = time(|| drop(black_box(gather(&service, &clusters, None, Reachability::ONLY_ITSELF, &places))));
        print!("{size:>9} {gathered:>9}");
        for drains in [0, 1, 4] {
            let intents = intents(drains);
            let nanoseconds = time(|| drop(black_box(plan(&offers, caller, &Policy::default(), &intents))));
            print!("   {nanoseconds:>9} ns {:>5} each", nanoseconds / u64::from(size));
        }
        println!();
    }
    suppose(&scene);
}

fn suppose(scene: &PlanScene<'_>) {
    let services: Vec<FederatedService> = (0..SERVICES).map(|number| service(&format!("s{number}"), 5)).collect();
    let callers: Vec<Caller> = scene.callers();
    let hypothesis = Hypothesis { lost: vec!["a".parse().expect("an id")], ..Hypothesis::default() };
    let begun = Instant::now();
    let outcomes = services.iter().flat_map(|service| scene.outcomes(service, &callers, &hypothesis));
    let moved = outcomes.filter(|outcome| outcome.impact() == ServiceImpact::Moved).count();
    let (callers, took) = (callers.len(), begun.elapsed().as_secs_f64());
    println!(
        "what if one of three clusters is lost: {SERVICES} services of 5 endpoints, {callers} callers: {took:.2} s, {moved} outcomes move"
    );
}

/// Nanoseconds of one call. Rounds are shorter than a time slice, and the fastest tenth of them says what an undisturbed
/// call takes, whatever else the machine does.
fn time(mut call: impl FnMut()) -> u64 {
    let mut rounds: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let (begun, mut calls) = (Instant::now(), 0);
            while begun.elapsed() < ROUND {
                call();
                calls += 1;
            }
            begun.elapsed().as_nanos() / calls
        })
        .collect();
    rounds.sort_unstable();
    u64::try_from(rounds[ROUNDS / 10]).unwrap_or(u64::MAX)
}

fn cluster(id: &str) -> ClusterStatus {
    let part = |kind: &str| Some(Arc::from(format!("{kind}-{id}")));
    ClusterStatus {
        id: id.parse().expect("an id"),
        locality: Locality { region: part("region"), zone: part("zone"), ..Locality::default() },
        advertise: BTreeMap::new(),
        signing_key: None,
        local: id == "a",
        freshness: Freshness::Live,
        effective: Freshness::Live,
        reason: federation_core::reason::FreshnessCode::Beating.into(),
        freshness_revision: Revision(1),
        age: None,
        as_of: Mono(0),
        last_beat: None,
        services: 1,
        instances: 1,
        configs: 0,
    }
}

/// Spread over all clusters, one in ten unhealthy, with the metadata that a Spring application has.
fn service(name: &str, endpoints: u16) -> FederatedService {
    let metadata: Metadata =
        [("preserved.register.source", "SPRING_CLOUD"), ("version", "1.4.2")].into_iter().collect();
    let instance = |number: u16| {
        let health = if number % 10 == 9 { Health::Unhealthy } else { Health::Healthy };
        let (weight, metadata) = (Weight::DEFAULT, metadata.clone());
        let instance = Instance { weight, health, enabled: true, ephemeral: true, metadata };
        let id = InstanceId::new(&format!("10.0.{}.{}", number / 250, number % 250), 8080, "DEFAULT");
        FederatedInstance { id, instance: Arc::new(instance), effective: health, held: None }
    };
    let count = u16::try_from(CLUSTERS.len()).expect("few clusters");
    let origin = |(at, origin): (u16, &str)| OriginInstances {
        origin: origin.parse().expect("an id"),
        source: FactSource::Log,
        instances: (0..endpoints).filter(|number| number % count == at).map(instance).collect(),
    };
    let origins = (0..).zip(CLUSTERS).map(origin).collect();
    FederatedService { key: ServiceKey::new("public", "DEFAULT_GROUP", name), revision: Revision(1), origins }
}

/// Of the caller's cluster first.
fn intents(drains: usize) -> Intents {
    let drain = |number: usize| Drain {
        target: format!("{number}").into(),
        cluster: OriginName::new(CLUSTERS[number % CLUSTERS.len()]),
        percent: Percent::new(30).expect("a percentage"),
        guard: DrainGuard::Force,
    };
    Intents::new((0..drains).map(drain).collect()).expect("targets differ")
}
