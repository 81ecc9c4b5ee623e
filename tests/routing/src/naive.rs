//! The routing arithmetic written down naively: endpoint by endpoint, in exact fractions, one whole plan for every
//! subset of the drained clusters. Slow, and simple enough to be compared with the specification line by line.

use std::collections::{BTreeMap, BTreeSet};

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{ToPrimitive as _, Zero as _};

use crate::scenario::{Caller, Drain, Endpoint, Place, Policy, Scenario};

/// What a plan says, in values that compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Best first.
    pub priorities: Vec<Priority>,
    /// By priority, locality, origin and id.
    pub endpoints: Vec<Share>,
    /// Id and reason, by id.
    pub left_out: Vec<(String, String)>,
}

/// One priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priority {
    /// Total, healthy, degraded, excluded.
    pub counts: [u128; 4],
    /// Healthy and degraded load in percent.
    pub loads: [u64; 2],
    /// Whether it panics.
    pub panic: bool,
    /// Locality and millionths.
    pub localities: Vec<(String, u64)>,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its id.
    pub id: String,
    /// Its priority.
    pub priority: usize,
    /// Its locality as it is printed.
    pub locality: String,
    /// Millionths.
    pub share: u64,
    /// Thousandths of weight, after the distribution.
    pub weight: u64,
}

/// One level of a plan.
#[derive(Clone, Debug, Default)]
struct Level<'a> {
    members: Vec<(&'a Endpoint, u64)>,
    counts: [u128; 4],
    loads: [u64; 2],
    panic: bool,
}

/// Exact shares by id.
type Shares = BTreeMap<String, BigRational>;

/// Plans `scenario`.
///
/// # Panics
/// If the scenario is not a legal one.
#[must_use]
pub fn answer(scenario: &Scenario) -> Answer {
    let (counted, left_out) = filter(scenario);
    let levels = levels(scenario, &counted);
    let shares = rounded(&levels, &exact(scenario));
    let mut answer = Answer { priorities: Vec::new(), endpoints: Vec::new(), left_out };
    for (priority, level) in levels.iter().enumerate() {
        let mut localities: BTreeMap<String, u64> = BTreeMap::new();
        for (endpoint, weight) in in_order(level) {
            let share = shares[&endpoint.id];
            *localities.entry(printed(&endpoint.place)).or_default() += share;
            let (id, locality) = (endpoint.id.clone(), printed(&endpoint.place));
            answer.endpoints.push(Share { id, priority, locality, share, weight });
        }
        let localities = localities.into_iter().collect();
        answer.priorities.push(Priority { counts: level.counts, loads: level.loads, panic: level.panic, localities });
    }
    answer
}

/// Exact shares of all counted endpoints, drains applied.
#[must_use]
pub fn exact(scenario: &Scenario) -> Shares {
    let (counted, _) = filter(scenario);
    mixed(scenario, &counted, &in_force(scenario))
}

/// The drains that are in force, in byte order of their targets.
#[must_use]
pub fn in_force(scenario: &Scenario) -> Vec<&Drain> {
    let (counted, _) = filter(scenario);
    let mut drains: Vec<&Drain> = scenario.drains.iter().filter(|drain| drain.percent > 0).collect();
    drains.sort_by_key(|drain| &drain.cluster);
    let mut force: Vec<&Drain> = Vec::new();
    for drain in drains {
        let gone: BTreeSet<&str> = force.iter().chain([&drain]).map(|drain| drain.cluster.as_str()).collect();
        let fit = |endpoint: &&&Endpoint| endpoint.health == "healthy" && !endpoint.excluded;
        let left = counted.iter().filter(fit).any(|endpoint| !gone.contains(endpoint.origin.as_str()));
        if left || drain.force {
            force.push(drain);
        }
    }
    force
}

/// (1 − f) · plan(all) + f · plan(without), for the first drain; the others nest.
fn mixed(scenario: &Scenario, counted: &[&Endpoint], drains: &[&Drain]) -> Shares {
    let Some((last, first)) = drains.split_last() else {
        return plain(scenario, counted);
    };
    let part = fraction(u64::from(last.percent), 100);
    let rest: Vec<&Endpoint> = counted.iter().filter(|endpoint| endpoint.origin != last.cluster).copied().collect();
    let mut shares = mixed(scenario, counted, first);
    for share in shares.values_mut() {
        *share *= fraction(1, 1) - &part;
    }
    for (id, share) in mixed(scenario, &rest, first) {
        *shares.get_mut(&id).expect("a subset") += share * &part;
    }
    shares
}

// Step 1.

fn filter(scenario: &Scenario) -> (Vec<&Endpoint>, Vec<(String, String)>) {
    let rule = distribute(&scenario.policy, &scenario.caller);
    let (mut counted, mut left_out) = (Vec::new(), Vec::new());
    for endpoint in &scenario.endpoints {
        let percent = |rule: &&(String, Vec<(String, u8)>)| {
            rule.1.iter().find(|(to, _)| matches(to, &endpoint.place)).map(|(_, percent)| *percent)
        };
        let reason = if !endpoint.enabled {
            Some("disabled")
        } else if thousandths(endpoint) == 0 {
            Some("weight 0")
        } else if scenario.policy.locality_weights.get(&printed(&endpoint.place)) == Some(&0) {
            Some("locality weight 0")
        } else {
            match rule.as_ref().map(percent) {
                Some(None) => Some("not in distribute"),
                Some(Some(0)) => Some("weight 0"),
                _ => None,
            }
        };
        match reason {
            Some(reason) => left_out.push((endpoint.id.clone(), reason.to_owned())),
            None => counted.push(endpoint),
        }
    }
    left_out.sort();
    (counted, left_out)
}

fn distribute<'a>(policy: &'a Policy, caller: &Caller) -> Option<&'a (String, Vec<(String, u8)>)> {
    policy.distribute.iter().find(|(from, _)| matches(from, &caller.place))
}

fn matches(pattern: &str, place: &Place) -> bool {
    pattern.split('/').zip(place).all(|(part, value)| part == "*" || part == value.as_deref().unwrap_or(""))
}

// Steps 2 and 3.

/// Freshness, then tier or labels or both.
fn rank(scenario: &Scenario, endpoint: &Endpoint) -> (usize, usize) {
    let (caller, policy) = (&scenario.caller, &scenario.policy);
    let freshness = match scenario.origins.get(&endpoint.origin).map(String::as_str) {
        _ if policy.keep_stale => 0,
        Some("stale") => 1,
        Some("lost") => 2,
        _ => 0,
    };
    if !policy.locality || distribute(policy, caller).is_some() {
        return (freshness, 0);
    }
    let place = if policy.failover_priority.is_empty() {
        tier(caller, policy, endpoint)
    } else if policy.failover.is_empty() {
        label_priority(caller, policy, endpoint)
    } else {
        label_priority(caller, policy, endpoint) * 5 + tier(caller, policy, endpoint)
    };
    (freshness, place)
}

fn tier(caller: &Caller, policy: &Policy, endpoint: &Endpoint) -> usize {
    let [region, zone, sub_zone] = &caller.place;
    if region.is_none() {
        return 0;
    }
    let rule = policy.failover.iter().find(|(from, _)| Some(from) == region.as_ref());
    if endpoint.place[0] != *region {
        let preferred = rule.is_none_or(|(_, to)| endpoint.place[0].as_ref() == Some(to));
        return if preferred { 3 } else { 4 };
    }
    if endpoint.place[1] != *zone {
        2
    } else if endpoint.place[2] != *sub_zone {
        1
    } else {
        0
    }
}

fn label_priority(caller: &Caller, policy: &Policy, endpoint: &Endpoint) -> usize {
    let labels = &policy.failover_priority;
    let mut added = 0;
    for (index, label) in labels.iter().enumerate() {
        let name = label.split('=').next().unwrap_or("");
        let wanted = match label.split_once('=') {
            Some((_, constant)) => Some(constant.to_owned()),
            None => callers_label(caller, name),
        };
        if endpoints_label(endpoint, name) == wanted {
            continue;
        }
        if index == 0 && name == "network" {
            added = labels.len();
        } else {
            return added + labels.len() - index;
        }
    }
    added
}

fn callers_label(caller: &Caller, name: &str) -> Option<String> {
    match name {
        "region" => caller.place[0].clone(),
        "zone" => caller.place[1].clone(),
        "sub_zone" => caller.place[2].clone(),
        "network" => caller.network.clone(),
        "cluster" => caller.cluster.clone(),
        other => caller.labels.get(other).cloned(),
    }
}

fn endpoints_label(endpoint: &Endpoint, name: &str) -> Option<String> {
    match name {
        "region" => endpoint.place[0].clone(),
        "zone" => endpoint.place[1].clone(),
        "sub_zone" => endpoint.place[2].clone(),
        "network" => endpoint.network.clone(),
        "cluster" => Some(endpoint.origin.clone()),
        other => endpoint.labels.get(other).cloned(),
    }
}

/// Levels with their members, weights after the distribution, counts and loads.
fn levels<'a>(scenario: &Scenario, counted: &[&'a Endpoint]) -> Vec<Level<'a>> {
    let given = scenario.endpoints.iter().any(|endpoint| endpoint.priority.is_some());
    let ranks: BTreeSet<(usize, usize)> = counted.iter().map(|endpoint| rank(scenario, endpoint)).collect();
    let mut levels: Vec<Level<'a>> = Vec::new();
    for endpoint in counted {
        let level = match given {
            true => usize::from(endpoint.priority.expect("all have one")),
            false => ranks.iter().position(|other| *other == rank(scenario, endpoint)).expect("it is one of them"),
        };
        if levels.len() <= level {
            levels.resize(level + 1, Level::default());
        }
        levels[level].members.push((endpoint, weight(scenario, counted, endpoint)));
    }
    count(&mut levels, scenario.policy.weighted_health);
    load(&mut levels, &scenario.policy);
    levels
}

/// The weight as it is counted: to the nearest thousandth, and something positive never as nothing.
fn thousandths(endpoint: &Endpoint) -> u64 {
    match endpoint.weight {
        0 => 0,
        weight => ((weight + 500) / 1000).max(1),
    }
}

/// ceil(percent · weight / sum over the pattern), in thousandths; or the weight as it is.
fn weight(scenario: &Scenario, counted: &[&Endpoint], endpoint: &Endpoint) -> u64 {
    let Some((_, to)) = distribute(&scenario.policy, &scenario.caller) else { return thousandths(endpoint) };
    let (pattern, percent) = to.iter().find(|(to, _)| matches(to, &endpoint.place)).expect("it is counted");
    let alike = counted.iter().filter(|other| matches(pattern, &other.place));
    let sum: u64 = alike.map(|other| thousandths(other)).sum();
    let exact = fraction(u64::from(*percent) * thousandths(endpoint), sum);
    exact.ceil().to_integer().to_u64().expect("at most 100") * 1000
}

// Step 4.

fn count(levels: &mut [Level<'_>], weighted: bool) {
    for level in levels {
        for (endpoint, weight) in &level.members {
            let size = if weighted { u128::from(*weight) } else { 1 };
            level.counts[0] += size;
            match (endpoint.excluded, endpoint.health) {
                (true, _) => level.counts[3] += size,
                (false, "healthy") => level.counts[1] += size,
                (false, "unknown") => level.counts[2] += size,
                _ => {}
            }
        }
    }
}

fn load(levels: &mut [Level<'_>], policy: &Policy) {
    let available = |level: &Level<'_>, part: usize| {
        let count = level.counts[0] - level.counts[3];
        let factor = u128::from(policy.overprovisioning);
        (factor * level.counts[part]).checked_div(count).map_or(0, |percent| percent.min(100))
    };
    let h: Vec<u128> = levels.iter().map(|level| available(level, 1)).collect();
    let d: Vec<u128> = levels.iter().map(|level| available(level, 2)).collect();
    let norm = (h.iter().sum::<u128>() + d.iter().sum::<u128>()).min(100);
    let threshold = u128::from(policy.panic_threshold);
    for level in levels.iter_mut() {
        let [total, healthy, degraded, excluded] = level.counts;
        let count = total - excluded;
        let few = if count == 0 { threshold > 0 } else { 100 * (healthy + degraded) < threshold * count };
        level.panic = norm < 100 && few;
    }
    if levels.is_empty() {
    } else if levels.iter().all(|level| level.panic) {
        load_by_size(levels);
    } else if norm == 0 {
        load_first(levels);
    } else {
        load_by_availability(levels, &h, &d, norm, policy.prefer_degraded_local);
    }
}

fn load_by_size(levels: &mut [Level<'_>]) {
    let sum: u128 = levels.iter().map(|level| level.counts[0]).sum();
    for level in levels.iter_mut() {
        level.loads = [small(100 * level.counts[0] / sum), 0];
    }
    let given: u64 = levels.iter().map(|level| level.loads[0]).sum();
    let first = levels.iter_mut().find(|level| level.counts[0] > 0).expect("the sum is not zero");
    first.loads[0] += 100 - given;
}

fn load_first(levels: &mut [Level<'_>]) {
    if let Some(level) = levels.iter_mut().find(|level| level.counts[1] > 0) {
        level.loads[0] = 100;
    } else if let Some(level) = levels.iter_mut().find(|level| level.counts[2] > 0) {
        level.loads[1] = 100;
    } else {
        levels[0].loads[0] = 100;
    }
}

fn load_by_availability(levels: &mut [Level<'_>], h: &[u128], d: &[u128], norm: u128, level_by_level: bool) {
    let count = levels.len();
    let order: Vec<(usize, usize)> = match level_by_level {
        true => (0..count).flat_map(|level| [(level, 0), (level, 1)]).collect(),
        false => [0, 1].into_iter().flat_map(|part| (0..count).map(move |level| (level, part))).collect(),
    };
    let mut left = 100;
    for (level, part) in order {
        let available = [h, d][part][level];
        let taken = left.min(small(available * 100 / norm));
        levels[level].loads[part] = taken;
        left -= taken;
    }
    if let Some(first) = h.iter().position(|h| *h > 0) {
        levels[first].loads[0] += left;
    } else if let Some(first) = d.iter().position(|d| *d > 0) {
        levels[first].loads[1] += left;
    }
}

// Step 5.

/// Exact shares without any drain.
fn plain(scenario: &Scenario, counted: &[&Endpoint]) -> Shares {
    let mut shares: Shares = counted.iter().map(|endpoint| (endpoint.id.clone(), fraction(0, 1))).collect();
    for level in levels(scenario, counted) {
        let [healthy, degraded] = level.loads;
        if level.panic {
            spread(&mut shares, &level.members, fraction(healthy + degraded, 100));
            continue;
        }
        for (health, load) in [("healthy", healthy), ("unknown", degraded)] {
            spread_over_localities(scenario, &mut shares, &level, health, &fraction(load, 100));
        }
    }
    shares
}

fn spread_over_localities(
    scenario: &Scenario,
    shares: &mut Shares,
    level: &Level<'_>,
    health: &str,
    load: &BigRational,
) {
    let fit = |(endpoint, _): &&(&Endpoint, u64)| endpoint.health == health && !endpoint.excluded;
    let given = &scenario.policy.locality_weights;
    if given.is_empty() {
        let members: Vec<(&Endpoint, u64)> = level.members.iter().filter(fit).copied().collect();
        return spread(shares, &members, load.clone());
    }
    let mut effective: BTreeMap<String, BigRational> = BTreeMap::new();
    for locality in level.members.iter().map(|(endpoint, _)| printed(&endpoint.place)) {
        let here = || level.members.iter().filter(|(endpoint, _)| printed(&endpoint.place) == locality);
        let eligible = here().filter(fit).count() as u64;
        let count = here().filter(|(endpoint, _)| !endpoint.excluded).count() as u64;
        if eligible == 0 {
            continue;
        }
        let available = fraction(u64::from(scenario.policy.overprovisioning) * eligible, 100 * count);
        let weight = fraction(u64::from(given.get(&locality).copied().unwrap_or(1)), 1);
        effective.insert(locality, weight * available.min(fraction(1, 1)));
    }
    let sum: BigRational = effective.values().sum();
    for (locality, weight) in &effective {
        let here = |(endpoint, _): &&(&Endpoint, u64)| printed(&endpoint.place) == *locality;
        let members: Vec<(&Endpoint, u64)> = level.members.iter().filter(fit).filter(here).copied().collect();
        spread(shares, &members, load * weight / &sum);
    }
}

/// Splits `load` over `members` by weight.
fn spread(shares: &mut Shares, members: &[(&Endpoint, u64)], load: BigRational) {
    let sum: u64 = members.iter().map(|(_, weight)| weight).sum();
    for (endpoint, weight) in members {
        *shares.get_mut(&endpoint.id).expect("it is counted") += &load * fraction(*weight, sum);
    }
}

// Rounding.

/// Millionths by largest remainder.
fn rounded(levels: &[Level<'_>], exact: &Shares) -> BTreeMap<String, u64> {
    let million = fraction(1_000_000, 1);
    let sum: BigRational = exact.values().sum();
    let whole = |share: &BigRational| share.floor().to_integer().to_u64().expect("at most a million");
    let mut left = whole(&(sum * &million));
    let mut shares = BTreeMap::new();
    let mut remainders = Vec::new();
    for (endpoint, _) in levels.iter().flat_map(in_order) {
        let share = &exact[&endpoint.id] * &million;
        left -= whole(&share);
        shares.insert(endpoint.id.clone(), whole(&share));
        remainders.push((share.fract(), endpoint.id.clone()));
    }
    remainders.sort_by(|a, b| b.0.cmp(&a.0)); // Stable: ties stay in the order of the endpoints.
    for (remainder, id) in remainders {
        if left > 0 && !remainder.is_zero() {
            *shares.get_mut(&id).expect("just inserted") += 1;
            left -= 1;
        }
    }
    assert_eq!(left, 0, "remainders sum to what is left");
    shares
}

/// Members by locality, origin and id.
fn in_order<'a>(level: &Level<'a>) -> Vec<(&'a Endpoint, u64)> {
    let mut members = level.members.clone();
    members.sort_by_key(|(endpoint, _)| (printed(&endpoint.place), &endpoint.origin, &endpoint.id));
    members
}

/// `region/zone/sub_zone` down to the last part that is there.
fn printed(place: &Place) -> String {
    let parts: Vec<&str> = place.iter().map(|part| part.as_deref().unwrap_or("")).collect();
    parts.join("/").trim_end_matches('/').to_owned()
}

fn fraction(numerator: u64, denominator: u64) -> BigRational {
    BigRational::new(BigInt::from(numerator), BigInt::from(denominator))
}

fn small(value: u128) -> u64 {
    u64::try_from(value).expect("a small number")
}
