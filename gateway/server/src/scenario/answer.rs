//! The answer to a scenario, as a document.

use federation_core::routing::{PanicMode, Plan, PlannedEndpoint, Priority};
use serde::Serialize;
use serde_json::Number;

use super::Scenario;

/// A plan as it is told to programs. Shares are millionths.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScenarioAnswer {
    /// Best first; counts and loads as they are before drains.
    pub priorities: Vec<PriorityAnswer>,
    /// By priority, locality, origin and id.
    pub endpoints: Vec<EndpointAnswer>,
    /// By id.
    pub left_out: Vec<LeftOutAnswer>,
    /// One line a step.
    pub trace: Vec<String>,
}

/// One priority. Counts are endpoints, or thousandths of weight under `weighted_health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PriorityAnswer {
    /// From 0, the best.
    pub priority: usize,
    /// All that are counted.
    pub total: u64,
    /// Fit to serve.
    pub healthy: u64,
    /// Of unknown health.
    pub degraded: u64,
    /// Only in the total.
    pub excluded: u64,
    /// Percent for the healthy ones.
    pub load: u8,
    /// Percent for the degraded ones.
    pub degraded_load: u8,
    /// Whether all are used, whatever their health.
    pub panic: bool,
    /// In byte order.
    pub localities: Vec<LocalityAnswer>,
}

/// What the endpoints of one locality and priority get together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocalityAnswer {
    /// `region/zone/sub_zone`, as far as it is known.
    pub locality: String,
    /// Millionths.
    pub share: u64,
}

/// One endpoint that is counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EndpointAnswer {
    /// Its id.
    pub id: String,
    /// The cluster that observed it first.
    pub origin: String,
    /// Its priority before drains.
    pub priority: usize,
    /// `region/zone/sub_zone`, as far as it is known.
    pub locality: String,
    /// Millionths.
    pub share: u64,
    /// As it was given, or its part of the distribution.
    pub weight: Number,
}

/// One endpoint that is not counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOutAnswer {
    /// Its id.
    pub id: String,
    /// Why.
    pub reason: String,
}

impl ScenarioAnswer {
    /// The answer to `scenario`.
    #[must_use]
    pub fn new(scenario: &Scenario, plan: &Plan) -> Self {
        let left_out = plan.left_out.iter();
        Self {
            priorities: plan.priorities.iter().enumerate().map(priority).collect(),
            endpoints: plan.endpoints.iter().map(|it| endpoint(it, scenario.weights[it.index])).collect(),
            left_out: left_out
                .map(|it| LeftOutAnswer { id: it.id.to_string(), reason: it.reason.to_string() })
                .collect(),
            trace: plan.trace(),
        }
    }
}

fn priority((index, priority): (usize, &Priority)) -> PriorityAnswer {
    let count = |count: u128| u64::try_from(count).expect("at most 250,000 endpoints of 10,000,000 thousandths");
    let localities = priority.localities.iter();
    PriorityAnswer {
        priority: index,
        total: count(priority.counts.total),
        healthy: count(priority.counts.healthy),
        degraded: count(priority.counts.degraded),
        excluded: count(priority.counts.excluded),
        load: priority.load.healthy,
        degraded_load: priority.load.degraded,
        panic: priority.load.panic == PanicMode::Panicking,
        localities: localities
            .map(|it| LocalityAnswer { locality: it.locality.to_string(), share: it.share.into() })
            .collect(),
    }
}

fn endpoint(endpoint: &PlannedEndpoint, given: f64) -> EndpointAnswer {
    EndpointAnswer {
        id: endpoint.id.to_string(),
        origin: endpoint.origin.to_string(),
        priority: endpoint.priority,
        locality: endpoint.locality.to_string(),
        share: endpoint.share.into(),
        weight: endpoint.distributed.map_or_else(|| shown(given), Number::from),
    }
}

/// A number without decimals where it has none.
fn shown(weight: f64) -> Number {
    #[allow(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
    let whole = (weight.fract() == 0.0 && weight.abs() < 9e15).then_some(weight as i64);
    whole.map_or_else(|| Number::from_f64(weight).expect("weights are finite"), Number::from)
}
