//! What is true of every plan, on random scenarios.

use std::collections::BTreeMap;
use std::time::Instant;

use federation_core::routing::{PanicMode, Plan, PlannedEndpoint, flatten};
use federation_routing_tests::scenario::{Drain, Endpoint, Scenario};
use federation_routing_tests::{naive, random};
use rand::prelude::*;
use rand::rngs::StdRng;

/// Calls `check` with random scenarios and a source of randomness of its own.
fn for_random_scenarios(count: usize, mut check: impl FnMut(Scenario, &mut StdRng)) {
    let mut random = StdRng::seed_from_u64(random::seed());
    for _ in 0..count {
        let scenario = random::scenario(&mut random);
        check(scenario, &mut random);
    }
}

fn sum(plan: &Plan) -> u64 {
    plan.endpoints.iter().map(|it| u64::from(it.share)).sum()
}

fn share_of(plan: &Plan, fits: impl Fn(&PlannedEndpoint) -> bool) -> u64 {
    plan.endpoints.iter().filter(|it| fits(it)).map(|it| u64::from(it.share)).sum()
}

#[test]
fn shares_sum_to_a_million_unless_nothing_can_be_picked_or_a_drain_is_forced() {
    let (mut whole, mut nothing) = (0, 0);
    for_random_scenarios(3000, |mut scenario, _| {
        scenario.drains.iter_mut().for_each(|drain| drain.force = false);
        let plan = scenario.plan();
        match sum(&plan) {
            1_000_000 => whole += 1,
            0 => nothing += 1,
            other => panic!("{other}:\n{}", scenario.yaml()),
        }
        let by_locality: u64 = plan.priorities.iter().flat_map(|it| &it.localities).map(|it| u64::from(it.share)).sum();
        assert_eq!(by_locality, sum(&plan));
        let loads = plan.priorities.iter().map(|it| u32::from(it.load.healthy) + u32::from(it.load.degraded));
        assert_eq!(loads.sum::<u32>(), if plan.priorities.is_empty() { 0 } else { 100 });
    });
    assert!(whole > 2000 && nothing > 50, "{whole} whole, {nothing} without anything");
}

#[test]
fn the_order_of_the_input_does_not_matter() {
    let without_index = |mut plan: Plan| {
        plan.endpoints.iter_mut().for_each(|it| it.index = 0);
        plan.left_out.iter_mut().for_each(|it| it.index = 0);
        plan
    };
    for_random_scenarios(2000, |scenario, random| {
        let mut shuffled = scenario.clone();
        shuffled.endpoints.shuffle(random);
        shuffled.drains.shuffle(random);
        let (one, other) = (scenario.plan(), shuffled.plan());
        assert_eq!(one.trace(), other.trace(), "{}", scenario.yaml());
        assert_eq!(without_index(one), without_index(other), "{}", scenario.yaml());
    });
}

#[test]
fn only_what_is_usable_gets_a_share_outside_a_panic() {
    for_random_scenarios(3000, |mut scenario, _| {
        scenario.drains.clear();
        let plan = scenario.plan();
        for it in plan.endpoints.iter().filter(|it| it.share > 0) {
            let endpoint = &scenario.endpoints[it.index];
            let usable = endpoint.health != "unhealthy" && !endpoint.excluded;
            let panics = plan.priorities[it.priority].load.panic == PanicMode::Panicking;
            assert!(usable || panics, "{}:\n{}", it.id, scenario.yaml());
        }
        for it in &plan.endpoints {
            let endpoint = &scenario.endpoints[it.index];
            assert!(endpoint.enabled && endpoint.weight > 0, "{}:\n{}", it.id, scenario.yaml());
        }
    });
}

/// With equal weights. In a panic endpoints share by weight whatever their health, outside of it levels share by counts
/// and localities by weights of their own, so that the end of a panic takes from an endpoint that outweighs the others.
#[test]
fn an_unhealthy_endpoint_that_becomes_healthy_gets_no_less_within_one_load_percent() {
    let mut changed = 0;
    for_random_scenarios(6000, |mut scenario, random| {
        scenario.drains.clear();
        scenario.policy.locality_weights.clear();
        scenario.policy.panic_threshold = scenario.policy.panic_threshold.min(50);
        scenario.policy.distribute.clear();
        scenario.endpoints.iter_mut().for_each(|endpoint| endpoint.weight = 1_000_000);
        let unhealthy = |endpoint: &&mut Endpoint| endpoint.health == "unhealthy" && !endpoint.excluded;
        let before = scenario.plan();
        let text = scenario.yaml();
        let Some(endpoint) = scenario.endpoints.iter_mut().filter(unhealthy).choose(random) else { return };
        endpoint.health = "healthy";
        let id = endpoint.id.clone();
        let after = scenario.plan();
        let (before, after) = (share_of(&before, |it| *it.id == *id), share_of(&after, |it| *it.id == *id));
        changed += usize::from(after != before);
        assert!(after + 10_000 >= before, "{id} from {before} to {after}:\n{text}");
    });
    assert!(changed > 500, "{changed}");
}

#[test]
fn a_raised_drain_never_raises_the_share_of_its_cluster() {
    let mut lowered = 0;
    for_random_scenarios(1500, |mut scenario, random| {
        let first =
            Drain { cluster: "c1".into(), percent: random.random_range(1..100), force: random.random_bool(0.2) };
        scenario.drains.retain(|drain| drain.cluster != first.cluster);
        scenario.drains.push(first);
        let of_cluster = |scenario: &Scenario| {
            let (plan, exact) = (scenario.plan(), naive::exact(scenario));
            let own = |id: &String| scenario.endpoints.iter().any(|it| it.id == *id && it.origin == "c1");
            let exact: num_rational::BigRational = exact.into_iter().filter(|(id, _)| own(id)).map(|(_, it)| it).sum();
            (share_of(&plan, |it| it.origin.as_str() == "c1"), exact)
        };
        let members = scenario.endpoints.iter().filter(|it| it.origin == "c1").count() as u64;
        let (before, exact_before) = of_cluster(&scenario);
        let drain = scenario.drains.last_mut().expect("just pushed");
        drain.percent = random.random_range(drain.percent..=100);
        let (after, exact_after) = of_cluster(&scenario);
        lowered += usize::from(after < before);
        assert!(exact_after <= exact_before, "{}", scenario.yaml());
        // Rounding may give each endpoint a millionth that it did not have.
        assert!(after <= before + members, "from {before} to {after}:\n{}", scenario.yaml());
    });
    assert!(lowered > 200, "{lowered}");
}

#[test]
fn the_trace_has_one_line_a_step_in_their_order() {
    let steps = ["filter", "rank", "compact", "load", "localities", "drain", "flatten"];
    for_random_scenarios(500, |scenario, _| {
        let trace = scenario.plan().trace();
        let told: Vec<&str> = trace.iter().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(told, steps);
        assert!(trace.iter().all(|line| !line.contains('\n')), "{trace:#?}");
    });
}

#[test]
fn priorities_have_no_gaps() {
    for_random_scenarios(2000, |mut scenario, _| {
        scenario.endpoints.iter_mut().for_each(|endpoint| endpoint.priority = None);
        let plan = scenario.plan();
        let mut met: BTreeMap<usize, u32> = BTreeMap::new();
        plan.endpoints.iter().for_each(|it| *met.entry(it.priority).or_default() += 1);
        assert_eq!(met.len(), plan.priorities.len(), "{}", scenario.yaml());
        assert!(met.keys().copied().eq(0..plan.priorities.len()), "{}", scenario.yaml());
    });
}

#[test]
fn flat_weights_follow_the_shares_and_leave_out_what_has_none() {
    for_random_scenarios(2000, |scenario, _| {
        let plan = scenario.plan();
        let weights = flatten(&plan);
        let used: Vec<&PlannedEndpoint> = plan.endpoints.iter().filter(|it| it.share > 0).collect();
        assert!(weights.iter().map(|it| it.index).eq(used.iter().map(|it| it.index)));
        let Some(largest) = used.iter().rev().max_by_key(|it| it.share) else { return };
        for (weight, endpoint) in weights.iter().zip(&used) {
            let whole = f64::from(largest.share);
            let exact = largest.weight.thousandths() as f64 / 10.0 * f64::from(endpoint.share) / whole;
            assert!((weight.hundredths as f64 - exact).abs() <= 0.500_001 || weight.hundredths == 1, "{exact}");
        }
    });
}

/// 100,000 endpoints of the greatest weights, all different, in many localities of different sizes, under four drains.
#[test]
fn the_largest_service_neither_overflows_nor_takes_long() {
    let endpoint = |index: u64| Endpoint {
        place: [Some(format!("r{}", index % 7)), Some(format!("z{}", (index * index) % 61)), None],
        weight: (10_000_000 - index % 1000) * 1000,
        health: ["healthy", "unhealthy", "unknown", "healthy"][(index % 4) as usize],
        ..Endpoint::new(&format!("e{index}"), &format!("c{}", index % 6))
    };
    let mut scenario = Scenario { endpoints: (0..100_000).map(endpoint).collect(), ..Scenario::default() };
    scenario.caller.place[0] = Some("r1".into());
    scenario.policy.weighted_health = true;
    scenario.policy.overprovisioning = u32::MAX;
    scenario.policy.panic_threshold = 0;
    let drain = |index| Drain { cluster: format!("c{index}"), percent: 33, force: false };
    for weights in [BTreeMap::new(), (0..61).map(|zone| (format!("r1/z{zone}"), u32::MAX - zone)).collect()] {
        for drains in [0, 4] {
            scenario.policy.locality_weights = weights.clone();
            scenario.drains = (0..drains).map(drain).collect();
            let inputs = scenario.inputs();
            let start = Instant::now();
            let plan =
                federation_core::routing::plan(&inputs.endpoints, &inputs.caller, &inputs.policy, &inputs.intents);
            println!("{drains} drains, {} locality weights: {:?}", weights.len(), start.elapsed());
            assert_eq!(sum(&plan), 1_000_000);
        }
    }
}
