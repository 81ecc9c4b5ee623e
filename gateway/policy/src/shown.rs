//! Policies as they are shown: in the schema in which they are written, defaults filled in. What is shown can be read again.

use std::collections::BTreeMap;

use federation_core::pattern::ServicePattern;
use federation_core::routing::{
    Distribute, Failover, LevelSize, LoadOrder, Policies, Policy, Ranking, Reach, Spread, StaleRule,
};
use serde::Serialize;
use utoipa::ToSchema;

/// A whole document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyDocument)]
pub struct ShownDocument<'a> {
    /// Of services that no rule names.
    #[serde(flatten)]
    default: ShownPolicy<'a>,
    /// The most specific first.
    services: Vec<ShownRule<'a>>,
}

/// A rule for services.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyRule)]
pub struct ShownRule<'a> {
    #[serde(flatten)]
    pattern: ShownPattern<'a>,
    #[serde(flatten)]
    policy: ShownPolicy<'a>,
}

/// Which services a rule is for; all three patterns have to match.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyPattern)]
pub struct ShownPattern<'a> {
    /// Of the namespace's name in the federation.
    namespace: &'a str,
    /// Of the group.
    group: &'a str,
    /// Of the service.
    service: &'a str,
}

/// One policy; its fields are those of policy documents.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Policy)]
pub struct ShownPolicy<'a> {
    /// Percent.
    overprovisioning: u32,
    /// Percent; 0 is never.
    panic_threshold: u8,
    weighted_health: bool,
    /// `on` or `off`.
    locality: &'static str,
    failover: Vec<ShownFailover<'a>>,
    failover_priority: Vec<String>,
    distribute: Vec<ShownDistribute>,
    locality_weights: BTreeMap<&'a str, u32>,
    /// `demote` or `keep`.
    stale: &'static str,
    prefer_degraded_local: bool,
    /// Missing unless it was given: each network reaches only itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    reachable: Option<Vec<ShownReach<'a>>>,
}

/// Callers of region `from` prefer region `to`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyFailover)]
pub struct ShownFailover<'a> {
    from: &'a str,
    to: &'a str,
}

/// Percentages by locality for callers at `from`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyDistribute)]
pub struct ShownDistribute {
    from: String,
    to: BTreeMap<String, u8>,
}

/// Networks that are reached from another.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyReach)]
pub struct ShownReach<'a> {
    from: &'a str,
    to: Vec<&'a str>,
}

impl<'a> From<&'a Policies> for ShownDocument<'a> {
    fn from(policies: &'a Policies) -> Self {
        let rule = |(pattern, policy): &'a (ServicePattern, std::sync::Arc<Policy>)| ShownRule {
            pattern: pattern.into(),
            policy: (&**policy).into(),
        };
        Self { default: (&**policies.default_policy()).into(), services: policies.rules().iter().map(rule).collect() }
    }
}

impl<'a> From<&'a ServicePattern> for ShownPattern<'a> {
    fn from(pattern: &'a ServicePattern) -> Self {
        let ServicePattern { namespace, group, service } = pattern;
        Self { namespace: namespace.as_str(), group: group.as_str(), service: service.as_str() }
    }
}

impl<'a> From<&'a Policy> for ShownPolicy<'a> {
    fn from(policy: &'a Policy) -> Self {
        let (failover, distribute) = match &policy.spread {
            Spread::Failover(rules) => (rules.as_slice(), &[][..]),
            Spread::Distribute(rules) => (&[][..], rules.as_slice()),
        };
        let locality_weights = policy.locality_weights.iter();
        let reach = |it: &'a Reach| ShownReach { from: &it.from, to: it.to.iter().map(|to| &**to).collect() };
        Self {
            overprovisioning: policy.overprovisioning.percent(),
            panic_threshold: policy.panic_threshold.0.get(),
            weighted_health: policy.level_size == LevelSize::Weights,
            locality: if policy.ranking == Ranking::ByLocality { "on" } else { "off" },
            failover: failover.iter().map(|Failover { from, to }| ShownFailover { from, to }).collect(),
            failover_priority: policy.failover_priority.iter().map(ToString::to_string).collect(),
            distribute: distribute.iter().map(ShownDistribute::from).collect(),
            locality_weights: locality_weights.map(|(place, weight)| (&**place, *weight)).collect(),
            stale: if policy.stale == StaleRule::Demote { "demote" } else { "keep" },
            prefer_degraded_local: policy.load_order == LoadOrder::LevelByLevel,
            reachable: policy.reachable.as_ref().map(|it| it.reaches().iter().map(reach).collect()),
        }
    }
}

impl From<&Distribute> for ShownDistribute {
    fn from(rule: &Distribute) -> Self {
        let to = rule.to().iter().map(|(place, percent)| (place.to_string(), percent.get()));
        Self { from: rule.from().to_string(), to: to.collect() }
    }
}
