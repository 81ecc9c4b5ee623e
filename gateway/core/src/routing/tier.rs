//! How near an endpoint is to a caller: the semantics of Istio's locality failover and failover priority.
//!
//! Input: an endpoint, the caller, the policy. Output: a [`Rank`]; lower is nearer. Ranks may have gaps: compaction
//! makes priorities of them.

use std::fmt;

use super::endpoint::{Caller, Endpoint};
use super::policy::{LabelName, LoadSpread, Policy, RankLabel, Ranking, StaleRule};
use crate::freshness::Freshness;
use crate::locality::Locality;

/// The base tier of what is elsewhere.
const ELSEWHERE: u32 = 3;
/// The tier of what lies outside the caller's region and outside the region that its failover rule prefers.
const NOT_PREFERRED: u32 = 4;
/// How many tiers there are: what one step of label priority outweighs.
const TIERS: u32 = 5;

/// Place of an endpoint in the order of preference, lower first. Freshness goes before all else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rank {
    /// 0 live or isolated, 1 stale, 2 lost.
    pub freshness: u8,
    /// Tier, label priority, both combined, or the priority that was given.
    pub place: u32,
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let freshness = ["", "stale ", "lost "][usize::from(self.freshness.min(2))];
        write!(f, "{freshness}{}", self.place)
    }
}

/// By which rule endpoints were ranked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RankRule {
    /// Every endpoint has a priority of its own.
    Given,
    /// The policy ranks by freshness only.
    Off,
    /// A distribution is in force: one tier.
    Distribute(String),
    /// By locality alone; with the failover rule of the caller's region, if it has one.
    Tiers(Option<String>),
    /// By labels alone.
    Labels(String),
    /// By labels, then by tier.
    LabelsAndTiers(String, Option<String>),
}

/// Ranks endpoints for one caller.
pub(super) struct Ranker<'a> {
    caller: &'a Caller,
    policy: &'a Policy,
    pub(super) rule: RankRule,
}

impl<'a> Ranker<'a> {
    /// `given` says that all endpoints have priorities of their own.
    pub(super) fn new(caller: &'a Caller, policy: &'a Policy, given: bool) -> Self {
        Self { caller, policy, rule: if given { RankRule::Given } else { rule(caller, policy) } }
    }

    pub(super) fn rank(&self, endpoint: &Endpoint) -> Rank {
        let labels = || label_priority(&self.policy.failover_priority, self.caller, endpoint);
        let tier = || tier(self.caller, self.policy, &endpoint.locality);
        let place = match &self.rule {
            RankRule::Given => return Rank { freshness: 0, place: endpoint.priority.map_or(0, u32::from) },
            RankRule::Off | RankRule::Distribute(_) => 0,
            RankRule::Tiers(_) => tier(),
            RankRule::Labels(_) => labels(),
            RankRule::LabelsAndTiers(..) => labels() * TIERS + tier(),
        };
        Rank { freshness: freshness(endpoint.freshness, self.policy.stale), place }
    }
}

fn rule(caller: &Caller, policy: &Policy) -> RankRule {
    let labels = || policy.failover_priority.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let failover = || {
        let rule = policy.failover_from(caller.locality.region.as_deref());
        rule.map(|rule| format!("failover {} to {}", rule.from, rule.to))
    };
    // A list of failover rules counts even if none of them matches: it says that tiers matter beside labels.
    let failover_given = matches!(&policy.spread, LoadSpread::Failover(rules) if !rules.is_empty());
    match (policy.ranking, policy.distribute_from(&caller.locality)) {
        (Ranking::Off, _) => RankRule::Off,
        (Ranking::ByLocality, Some(distribute)) => RankRule::Distribute(distribute.from().to_string()),
        (Ranking::ByLocality, None) if policy.failover_priority.is_empty() => RankRule::Tiers(failover()),
        (Ranking::ByLocality, None) if failover_given => RankRule::LabelsAndTiers(labels(), failover()),
        (Ranking::ByLocality, None) => RankRule::Labels(labels()),
    }
}

fn freshness(freshness: Freshness, rule: StaleRule) -> u8 {
    match (rule, freshness) {
        (StaleRule::Keep, _) | (_, Freshness::Live | Freshness::Isolated) => 0,
        (StaleRule::Demote, Freshness::Stale) => 1,
        (StaleRule::Demote, Freshness::Lost) => 2,
    }
}

fn tier(caller: &Caller, policy: &Policy, place: &Locality) -> u32 {
    let Some(region) = &caller.locality.region else { return 0 }; // Equally near to all.
    let base = base_tier(&caller.locality, place);
    match policy.failover_from(Some(region)) {
        Some(rule) if base == ELSEWHERE && place.region.as_ref() != Some(&rule.to) => NOT_PREFERRED,
        _ => base,
    }
}

/// How near `place` is to a caller that has a region: 0 same sub-zone, 1 same zone, 2 same region, 3 elsewhere or
/// nowhere. A part that is missing on both sides is the same.
fn base_tier(caller: &Locality, place: &Locality) -> u32 {
    let same = [caller.region == place.region, caller.zone == place.zone, caller.sub_zone == place.sub_zone];
    match same {
        [false, _, _] => ELSEWHERE,
        [true, false, _] => 2, // Zone names are unique only within a region, sub-zones only within a zone.
        [true, true, false] => 1,
        [true, true, true] => 0,
    }
}

/// 0 if all labels agree, else the higher the earlier the first that differs. A network that differs in first place
/// puts the endpoint behind all of the caller's network, and the rest of the labels still ranks it there.
fn label_priority(labels: &[RankLabel], caller: &Caller, endpoint: &Endpoint) -> u32 {
    let count = labels.len();
    let differs = |label: &RankLabel| endpoint_value(&label.name, endpoint) != wanted_value(label, caller);
    let foreign = labels.first().is_some_and(|first| first.name == LabelName::Network && differs(first));
    let scanned_from = usize::from(foreign);
    let first_difference = labels.iter().skip(scanned_from).position(differs).map(|position| position + scanned_from);
    let priority = first_difference.map_or(0, |index| count - index) + if foreign { count } else { 0 };
    u32::try_from(priority).expect("a policy has few labels")
}

fn wanted_value<'a>(label: &'a RankLabel, caller: &'a Caller) -> Option<&'a str> {
    if let Some(constant) = &label.constant {
        return Some(constant);
    }
    match &label.name {
        LabelName::Cluster => caller.cluster.as_deref(),
        LabelName::Other(name) => caller.labels.get(name).map(|value| &**value),
        of_locality => part(of_locality, &caller.locality),
    }
}

fn endpoint_value<'a>(name: &LabelName, endpoint: &'a Endpoint) -> Option<&'a str> {
    match name {
        LabelName::Cluster => Some(endpoint.origin.as_str()),
        LabelName::Other(name) => endpoint.labels.get(name).map(str::trim), // As registrants write it, blanks around it included.
        of_locality => part(of_locality, &endpoint.locality),
    }
}

fn part<'a>(name: &LabelName, place: &'a Locality) -> Option<&'a str> {
    match name {
        LabelName::Region => place.region.as_deref(),
        LabelName::Zone => place.zone.as_deref(),
        LabelName::SubZone => place.sub_zone.as_deref(),
        LabelName::Network => place.network.as_deref(),
        LabelName::Cluster | LabelName::Other(_) => None,
    }
}
