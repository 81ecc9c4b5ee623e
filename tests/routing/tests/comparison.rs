//! The plan against the naive arithmetic, on random scenarios.

use federation_core::routing::{LeftOut, PanicMode, Plan, PlannedEndpoint, Priority};
use federation_gateway::scenario;
use federation_routing_tests::{naive, random};
use rand::prelude::*;
use rand::rngs::StdRng;

fn answer(plan: &Plan) -> naive::Answer {
    naive::Answer {
        priorities: plan.priorities.iter().map(priority).collect(),
        endpoints: plan.endpoints.iter().map(share).collect(),
        left_out: plan.left_out.iter().map(|LeftOut { id, reason, .. }| (id.to_string(), reason.to_string())).collect(),
    }
}

fn priority(priority: &Priority) -> naive::Priority {
    let (counts, load) = (priority.counts, priority.load);
    naive::Priority {
        counts: [counts.total, counts.healthy, counts.degraded, counts.excluded],
        loads: [load.healthy.into(), load.degraded.into()],
        panic: load.panic == PanicMode::Panicking,
        localities: priority.localities.iter().map(|place| (place.locality.to_string(), place.share.into())).collect(),
    }
}

fn share(endpoint: &PlannedEndpoint) -> naive::Share {
    naive::Share {
        id: endpoint.id.to_string(),
        priority: endpoint.priority,
        locality: endpoint.locality.to_string(),
        share: endpoint.share.into(),
        weight: endpoint.distributed.map_or(endpoint.weight.thousandths(), |weight| weight * 1000),
    }
}

#[test]
fn ten_thousand_random_scenarios_have_the_same_answer_as_the_naive_arithmetic() {
    let mut random = StdRng::seed_from_u64(random::seed());
    for round in 0..10_000 {
        let scenario = random::scenario(&mut random);
        let (got, want) = (answer(&scenario.plan()), naive::answer(&scenario));
        assert_eq!(got, want, "round {round}:\n{}", scenario.yaml());
    }
}

#[test]
fn random_scenario_files_have_the_same_answer_as_the_naive_arithmetic() {
    let mut random = StdRng::seed_from_u64(random::seed());
    for round in 0..2000 {
        let scenario = random::scenario(&mut random);
        let text = scenario.yaml();
        let read = scenario::from_text("scenario", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(answer(&read.plan()), naive::answer(&scenario), "round {round}:\n{text}");
    }
}
