//! The fields of one policy: the same in scenario files and in the documents of a gateway.

use std::collections::BTreeMap;
use std::sync::Arc;

use federation_core::routing::{
    Distribute, Failover, InvalidDistribute, LevelSize, LoadOrder, LoadSpread, LocalityPattern, NetworkReach,
    OverprovisioningPercent, PanicThreshold, Percent, Policy, RankLabel, Ranking, Reachability, StaleRule,
};

use super::fields::{PlacedItem, PolicySection, shortened};
use federation_document::mistakes::Mistakes;

/// The fields of a policy.
pub(super) const FIELDS: [&str; 11] = [
    "overprovisioning",
    "panic_threshold",
    "weighted_health",
    "locality",
    "failover",
    "failover_priority",
    "distribute",
    "locality_weights",
    "stale",
    "prefer_degraded_local",
    "reachable",
];

/// Most labels, and most rules of one sort: each is tried for each endpoint.
const MOST_RULES: usize = 100;

/// Most patterns of one distribution: there are no more percentages above zero, and each pattern is compared with each.
const MOST_PATTERNS: usize = 200;

/// Reads a policy; every field may be left out. Only if there are no new mistakes is it what was written.
pub fn read(item: PlacedItem<'_>, mistakes: &mut Mistakes) -> Policy {
    read_fields(&PolicySection::open(item, &FIELDS, mistakes), mistakes)
}

/// Reads a policy from a section that has, and has checked, further fields of its own.
pub(super) fn read_fields(section: &PolicySection<'_>, mistakes: &mut Mistakes) -> Policy {
    let mut policy = Policy::default();
    if let Some(percent) = section.get("overprovisioning").and_then(|it| it.whole(100..=u32::MAX.into(), mistakes)) {
        policy.overprovisioning =
            u32::try_from(percent).ok().and_then(OverprovisioningPercent::new).expect("within bounds");
    }
    if let Some(threshold) = section.get("panic_threshold").and_then(|it| percent(it, mistakes)) {
        policy.panic_threshold = PanicThreshold(threshold);
    }
    if section.get("weighted_health").and_then(|it| it.flag(mistakes)) == Some(true) {
        policy.level_size = LevelSize::Weights;
    }
    if let Some(ranking) = section.get("locality").and_then(|it| ranking(it, mistakes)) {
        policy.ranking = ranking;
    }
    if let Some(labels) = section.get("failover_priority") {
        policy.failover_priority =
            labels.items(MOST_RULES, mistakes).filter_map(|it| rank_label(it, mistakes)).collect();
    }
    if let Some(weights) = section.get("locality_weights") {
        policy.locality_weights = locality_weights(weights, mistakes);
    }
    let stale = [("demote", StaleRule::Demote), ("keep", StaleRule::Keep)];
    if let Some(stale) = section.get("stale").and_then(|it| it.word(&stale, mistakes)) {
        policy.stale = stale;
    }
    if section.get("prefer_degraded_local").and_then(|it| it.flag(mistakes)) == Some(true) {
        policy.load_order = LoadOrder::LevelByLevel;
    }
    policy.spread = spread(section, mistakes);
    policy.reachable = section.get("reachable").map(|it| reachable(it, mistakes));
    policy
}

fn percent(item: PlacedItem<'_>, mistakes: &mut Mistakes) -> Option<Percent> {
    u8::try_from(item.whole(0..=100, mistakes)?).ok().and_then(Percent::new)
}

/// `on` and `off` are texts in YAML 1.2 and truth values in older readers: both are accepted.
fn ranking(item: PlacedItem<'_>, mistakes: &mut Mistakes) -> Option<Ranking> {
    if item.is_truth() {
        return item.flag(mistakes).map(|on| if on { Ranking::ByLocality } else { Ranking::Off });
    }
    item.word(&[("on", Ranking::ByLocality), ("off", Ranking::Off)], mistakes)
}

fn rank_label(item: PlacedItem<'_>, mistakes: &mut Mistakes) -> Option<RankLabel> {
    let text = item.text(mistakes)?;
    match text.parse() {
        Ok(label) => Some(label),
        Err(_) => {
            let expected = "region, zone, sub_zone, network, cluster, a label of the instance, or key=value";
            item.refuse(&format!("`{}` names no label", shortened(text)), expected, mistakes);
            None
        }
    }
}

fn locality_weights(item: PlacedItem<'_>, mistakes: &mut Mistakes) -> BTreeMap<Arc<str>, u32> {
    let mut weights = BTreeMap::new();
    for (place, item) in item.pairs(mistakes) {
        if place.split('/').count() > 3 || place.split('/').any(|part| part.trim() != part) {
            item.refuse(
                &format!("`{}` is no locality", shortened(place)),
                "region, region/zone or region/zone/sub_zone, no part with blanks around it",
                mistakes,
            );
        }
        if let Some(weight) = item.whole(0..=u32::MAX.into(), mistakes) {
            weights.insert(place.into(), u32::try_from(weight).expect("within bounds"));
        }
    }
    weights
}

/// Rules between regions, or percentages by locality; not both.
fn spread(section: &PolicySection<'_>, mistakes: &mut Mistakes) -> LoadSpread {
    let failover: Vec<Failover> = section.get("failover").map_or_else(Vec::new, |list| {
        list.items(MOST_RULES, mistakes).filter_map(|item| failover(item, mistakes)).collect()
    });
    let distribute: Vec<Distribute> = section.get("distribute").map_or_else(Vec::new, |list| {
        list.items(MOST_RULES, mistakes).filter_map(|item| distribute(item, mistakes)).collect()
    });
    if !failover.is_empty() && !distribute.is_empty() {
        section.mistake("distribute", "not together with failover", "one of the two", mistakes);
    }
    if distribute.is_empty() { LoadSpread::Failover(failover) } else { LoadSpread::Distribute(distribute) }
}

fn failover(item: PlacedItem<'_>, mistakes: &mut Mistakes) -> Option<Failover> {
    let section = PolicySection::open(item, &["from", "to"], mistakes);
    let mut region = |name| section.required(name, "a region", mistakes)?.part(mistakes);
    let (from, to) = (region("from"), region("to"));
    Some(Failover { from: from?, to: to? })
}

fn reachable(item: PlacedItem<'_>, mistakes: &mut Mistakes) -> Reachability {
    Reachability::new(item.items(MOST_RULES, mistakes).filter_map(|item| reach(item, mistakes)).collect())
}

fn reach(item: PlacedItem<'_>, mistakes: &mut Mistakes) -> Option<NetworkReach> {
    let section = PolicySection::open(item, &["from", "to"], mistakes);
    let from = section.required("from", "a network", mistakes).and_then(|it| it.name(mistakes));
    let to = section.required("to", "a list of networks", mistakes)?;
    let to = to.items(MOST_RULES, mistakes).filter_map(|it| it.name(mistakes)).collect();
    Some(NetworkReach { from: from?, to })
}

fn distribute(item: PlacedItem<'_>, mistakes: &mut Mistakes) -> Option<Distribute> {
    let section = PolicySection::open(item, &["from", "to"], mistakes);
    let from = section.required("from", "a locality or a pattern of localities", mistakes);
    let from = from.and_then(|item| pattern(item, item.text(mistakes)?, mistakes));
    let list = section.required("to", "localities with percentages", mistakes)?;
    let before = mistakes.count();
    let mut to = Vec::new();
    if list.entries(mistakes).len() > MOST_PATTERNS {
        list.refuse("too many localities", &format!("at most {MOST_PATTERNS}"), mistakes);
        return None;
    }
    for (name, item) in list.pairs(mistakes) {
        let pattern = pattern(item, name, mistakes);
        to.extend(pattern.zip(percent(item, mistakes)));
    }
    if mistakes.count() > before {
        return None;
    }
    match Distribute::new(from?, to) {
        Ok(distribute) => Some(distribute),
        Err(error) => {
            let expected = match error {
                InvalidDistribute::Sum { .. } => "percentages that sum to 100",
                InvalidDistribute::Overlap { .. } => "patterns of which no two match one locality",
            };
            list.refuse(&error.to_string(), expected, mistakes);
            None
        }
    }
}

fn pattern(item: PlacedItem<'_>, text: &str, mistakes: &mut Mistakes) -> Option<LocalityPattern> {
    let pattern = text.parse().ok();
    if pattern.is_none() {
        let expected = "region, region/zone or region/zone/sub_zone, each part * or a name without blanks around it";
        item.refuse(&format!("`{}` is no locality", shortened(text)), expected, mistakes);
    }
    pattern
}
