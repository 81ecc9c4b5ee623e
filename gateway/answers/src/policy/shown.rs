//! Policies as they are shown: in the schema in which they are written, defaults filled in. What is shown can be read again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use federation_core::pattern::ServicePattern;
use federation_core::routing::{
    Distribute, Failover, LevelSize, LoadOrder, LoadSpread, NetworkReach, Policies, Policy, Ranking, StaleRule,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A whole document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyDocument)]
pub struct ShownDocument<'a> {
    /// Of services that no rule names.
    #[serde(flatten)]
    pub default: ShownPolicy<'a>,
    /// The most specific first.
    pub services: Vec<ShownRule<'a>>,
}

/// A rule for services.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyRule)]
pub struct ShownRule<'a> {
    /// Which services.
    #[serde(flatten)]
    pub pattern: ShownPattern<'a>,
    /// Their policy.
    #[serde(flatten)]
    pub policy: ShownPolicy<'a>,
}

/// Which services a rule is for; all three patterns have to match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyPattern)]
pub struct ShownPattern<'a> {
    /// Of the namespace's name in the federation.
    pub namespace: Cow<'a, str>,
    /// Of the group.
    pub group: Cow<'a, str>,
    /// Of the service.
    pub service: Cow<'a, str>,
}

/// One policy; its fields are those of policy documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Policy)]
pub struct ShownPolicy<'a> {
    /// Percent.
    pub overprovisioning: u32,
    /// Percent; 0 is never.
    pub panic_threshold: u8,
    /// Whether levels are compared by weight, not by the number of endpoints.
    pub weighted_health: bool,
    /// `on` or `off`.
    pub locality: Cow<'static, str>,
    /// Regions that others prefer when their own has not enough.
    pub failover: Vec<ShownFailover<'a>>,
    /// What is compared, in this order, to rank endpoints.
    pub failover_priority: Vec<String>,
    /// Fixed parts by locality.
    pub distribute: Vec<ShownDistribute>,
    /// Weights by locality.
    pub locality_weights: BTreeMap<Cow<'a, str>, u32>,
    /// `demote` or `keep`.
    pub stale: Cow<'static, str>,
    /// Whether a near degraded endpoint comes before a far healthy one.
    pub prefer_degraded_local: bool,
    /// Missing unless it was given: each network reaches only itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reachable: Option<Vec<ShownReach<'a>>>,
}

/// Callers of region `from` prefer region `to`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyFailover)]
pub struct ShownFailover<'a> {
    /// Of the caller.
    pub from: Cow<'a, str>,
    /// Preferred.
    pub to: Cow<'a, str>,
}

/// Percentages by locality for callers at `from`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyDistribute)]
pub struct ShownDistribute {
    /// Where the caller is.
    pub from: String,
    /// Percent, a hundred together.
    pub to: BTreeMap<String, u8>,
}

/// Networks that are reached from another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyReach)]
pub struct ShownReach<'a> {
    /// Of the caller.
    pub from: Cow<'a, str>,
    /// Those that are reached.
    pub to: Vec<Cow<'a, str>>,
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
        Self { namespace: namespace.as_str().into(), group: group.as_str().into(), service: service.as_str().into() }
    }
}

impl<'a> From<&'a Policy> for ShownPolicy<'a> {
    fn from(policy: &'a Policy) -> Self {
        let (failover, distribute) = match &policy.spread {
            LoadSpread::Failover(rules) => (rules.as_slice(), &[][..]),
            LoadSpread::Distribute(rules) => (&[][..], rules.as_slice()),
        };
        let locality_weights = policy.locality_weights.iter();
        let reach = |it: &'a NetworkReach| ShownReach {
            from: (&*it.from).into(),
            to: it.to.iter().map(|to| Cow::Borrowed(&**to)).collect(),
        };
        Self {
            overprovisioning: policy.overprovisioning.percent(),
            panic_threshold: policy.panic_threshold.0.get(),
            weighted_health: policy.level_size == LevelSize::Weights,
            locality: if policy.ranking == Ranking::ByLocality { "on" } else { "off" }.into(),
            failover: failover
                .iter()
                .map(|Failover { from, to }| ShownFailover { from: (&**from).into(), to: (&**to).into() })
                .collect(),
            failover_priority: policy.failover_priority.iter().map(ToString::to_string).collect(),
            distribute: distribute.iter().map(ShownDistribute::from).collect(),
            locality_weights: locality_weights.map(|(place, weight)| (Cow::Borrowed(&**place), *weight)).collect(),
            stale: if policy.stale == StaleRule::Demote { "demote" } else { "keep" }.into(),
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
