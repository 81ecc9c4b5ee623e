//! How much of the traffic each priority takes, from the healthy and degraded part of each: the semantics of Envoy's
//! priority load, in truncating integer arithmetic, in the order it is written here.
//!
//! Input: the counts of every level, best first. Output: percent of healthy and degraded load per level, and which
//! levels panic. Invariant: with at least one level, all loads sum to 100.
//!
//! Nothing overflows: a count is at most 2^64 endpoints of 10^7 thousandths, below 2^88, and is multiplied by less
//! than 2^32.

use super::policy::{LoadOrder, OverprovisioningPercent, PanicThreshold, Policy};

/// What one level has. Endpoints, or thousandths of weight where the policy says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LevelCounts {
    /// All of them, those that are excluded too.
    pub total: u128,
    /// Fit to serve.
    pub healthy: u128,
    /// Of unknown health.
    pub degraded: u128,
    /// Counted nowhere but in the total.
    pub excluded: u128,
}

impl LevelCounts {
    /// What can be expected to serve one day.
    #[must_use]
    pub fn counted(&self) -> u128 {
        self.total - self.excluded
    }
}

/// What of a policy decides loads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadRules {
    /// The factor on availability.
    pub overprovisioning: OverprovisioningPercent,
    /// When a level panics.
    pub panic_threshold: PanicThreshold,
    /// Who takes load first.
    pub order: LoadOrder,
}

impl From<&Policy> for LoadRules {
    fn from(policy: &Policy) -> Self {
        Self {
            overprovisioning: policy.overprovisioning,
            panic_threshold: policy.panic_threshold,
            order: policy.load_order,
        }
    }
}

/// What one level takes, in percent of all traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// For its healthy endpoints.
    pub healthy: u8,
    /// For its degraded endpoints.
    pub degraded: u8,
    /// Whether the level uses all its endpoints, whatever their health, for both.
    pub panic: PanicMode,
}

/// Whether a level has so few usable endpoints that it uses all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PanicMode {
    /// It uses what is usable.
    #[default]
    Calm,
    /// It uses all it has.
    Panicking,
}

/// Which rule gave the loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadRule {
    /// There is no level.
    Nothing,
    /// Every level panics: load by size.
    AllPanic,
    /// No level has any availability: the first that has anything takes all.
    FirstUsable,
    /// By availability.
    Availability,
}

/// The loads of all levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loads {
    /// One per level, in their order.
    pub levels: Vec<Load>,
    /// Availability of all levels together in percent, at most 100; below that, levels may panic.
    pub availability: u8,
    /// How the loads came about.
    pub rule: LoadRule,
}

/// Availability of a level in percent, 0 to 100.
#[derive(Clone, Copy)]
struct Availability {
    healthy: u8,
    degraded: u8,
}

impl Availability {
    fn of(level: &LevelCounts, overprovisioning: OverprovisioningPercent) -> Self {
        let factor = u128::from(overprovisioning.percent());
        let percent = |part: u128| (factor * part).checked_div(level.counted()).map_or(0, at_most_hundred);
        Self { healthy: percent(level.healthy), degraded: percent(level.degraded) }
    }
}

/// Distributes 100 percent of traffic over `levels`.
#[must_use]
pub fn loads(levels: &[LevelCounts], rules: LoadRules) -> Loads {
    let available: Vec<Availability> =
        levels.iter().map(|level| Availability::of(level, rules.overprovisioning)).collect();
    let sum: u128 = available.iter().map(|level| u128::from(level.healthy) + u128::from(level.degraded)).sum();
    let availability = at_most_hundred(sum);
    let panics: Vec<PanicMode> = levels.iter().map(|level| panic(level, availability, rules.panic_threshold)).collect();
    let all_panic = panics.iter().all(|panic| *panic == PanicMode::Panicking);
    let (mut loads, rule) = match (levels, availability) {
        ([], _) => (Vec::new(), LoadRule::Nothing),
        _ if all_panic => (by_size(levels), LoadRule::AllPanic),
        (_, 0) => (to_first_usable(levels), LoadRule::FirstUsable),
        _ => (by_availability(&available, availability, rules.order), LoadRule::Availability),
    };
    loads.iter_mut().zip(panics).for_each(|(load, panic)| load.panic = panic);
    Loads { levels: loads, availability, rule }
}

fn panic(level: &LevelCounts, availability: u8, threshold: PanicThreshold) -> PanicMode {
    let threshold = u128::from(threshold.0.get());
    let too_few = match level.counted() {
        0 => threshold > 0,
        counted => 100 * (level.healthy + level.degraded) < threshold * counted,
    };
    if availability < 100 && too_few { PanicMode::Panicking } else { PanicMode::Calm }
}

/// Load by total size, the remainder to the first level that is not empty.
fn by_size(levels: &[LevelCounts]) -> Vec<Load> {
    let total: u128 = levels.iter().map(|level| level.total).sum();
    let part = |level: &LevelCounts| (100 * level.total).checked_div(total).map_or(0, at_most_hundred);
    let mut loads: Vec<Load> = levels.iter().map(|level| Load { healthy: part(level), ..Load::default() }).collect();
    let left = 100 - loads.iter().map(|load| load.healthy).sum::<u8>();
    let first = levels.iter().position(|level| level.total > 0).unwrap_or(0);
    loads[first].healthy += left;
    loads
}

/// Everything to the first level with a healthy endpoint, else with a degraded one, else to the first.
fn to_first_usable(levels: &[LevelCounts]) -> Vec<Load> {
    let mut loads = vec![Load::default(); levels.len()];
    let healthy = levels.iter().position(|level| level.healthy > 0);
    match (healthy, levels.iter().position(|level| level.degraded > 0)) {
        (None, Some(degraded)) => loads[degraded].degraded = 100,
        (healthy, _) => loads[healthy.unwrap_or(0)].healthy = 100, // With nothing usable, nothing will be found there.
    }
    loads
}

/// Each level takes its availability's part of the whole as long as something is left; what truncation leaves goes to
/// the first that has availability. `whole` is not zero.
fn by_availability(available: &[Availability], whole: u8, order: LoadOrder) -> Vec<Load> {
    let mut loads = vec![Load::default(); available.len()];
    let mut left = 100;
    let mut take = |availability: u8| {
        let part = left.min(at_most_hundred(u128::from(availability) * 100 / u128::from(whole)));
        left -= part;
        part
    };
    match order {
        LoadOrder::HealthyFirst => {
            loads.iter_mut().zip(available).for_each(|(load, level)| load.healthy = take(level.healthy));
            loads.iter_mut().zip(available).for_each(|(load, level)| load.degraded = take(level.degraded));
        }
        LoadOrder::LevelByLevel => loads.iter_mut().zip(available).for_each(|(load, level)| {
            load.healthy = take(level.healthy);
            load.degraded = take(level.degraded);
        }),
    }
    match available.iter().position(|level| level.healthy > 0) {
        Some(first) => loads[first].healthy += left,
        None => available
            .iter()
            .position(|level| level.degraded > 0)
            .into_iter()
            .for_each(|first| loads[first].degraded += left),
    }
    loads
}

fn at_most_hundred(percent: u128) -> u8 {
    u8::try_from(percent.min(100)).expect("at most 100")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::percent::Percent;

    /// total, healthy, degraded.
    fn level((total, healthy, degraded): (u128, u128, u128)) -> LevelCounts {
        LevelCounts { total, healthy, degraded, excluded: 0 }
    }

    fn rules(overprovisioning: u32, panic_threshold: u8) -> LoadRules {
        LoadRules {
            overprovisioning: OverprovisioningPercent::new(overprovisioning).unwrap(),
            panic_threshold: PanicThreshold(Percent::new(panic_threshold).unwrap()),
            order: LoadOrder::HealthyFirst,
        }
    }

    /// Healthy loads, degraded loads, and T or F for panic.
    fn shown(loads: &Loads) -> (Vec<u8>, Vec<u8>, String) {
        let letter = |load: &Load| if load.panic == PanicMode::Panicking { 'T' } else { 'F' };
        let column = |part: fn(&Load) -> u8| loads.levels.iter().map(part).collect();
        (column(|load| load.healthy), column(|load| load.degraded), loads.levels.iter().map(letter).collect())
    }

    #[test]
    fn loads_follow_the_availability_of_the_levels() {
        type Row<'a> = (&'a [(u128, u128, u128)], u32, u8, &'a [u8], &'a [u8], &'a str);
        let rows: &[Row<'_>] = &[
            (&[(4, 2, 0), (4, 2, 0)], 140, 50, &[70, 30], &[0, 0], "FF"),
            (&[(4, 2, 0), (4, 2, 0)], 100, 50, &[50, 50], &[0, 0], "FF"),
            (&[(10, 6, 0), (1, 1, 0)], 100, 50, &[60, 40], &[0, 0], "FF"),
            (&[(10, 4, 3), (10, 1, 9)], 100, 50, &[40, 10], &[30, 20], "FF"),
            (&[(2, 1, 0), (2, 1, 0)], 140, 50, &[70, 30], &[0, 0], "FF"),
            (&[(4, 1, 0), (2, 2, 0)], 140, 50, &[35, 65], &[0, 0], "FF"),
            (&[(1, 0, 0), (1, 0, 0)], 140, 50, &[50, 50], &[0, 0], "TT"),
            (&[(1, 0, 0), (2, 0, 0)], 140, 50, &[34, 66], &[0, 0], "TT"),
            (&[(1, 0, 0), (2, 0, 0), (1, 1, 0)], 140, 50, &[0, 0, 100], &[0, 0, 0], "FFF"),
            (&[(5, 0, 0), (5, 0, 2), (5, 0, 1)], 140, 0, &[0, 0, 0], &[0, 67, 33], "FFF"),
            (&[(5, 0, 0), (5, 0, 2), (5, 0, 1)], 140, 50, &[34, 33, 33], &[0, 0, 0], "TTT"),
            (&[(100, 10, 20), (100, 20, 10), (100, 10, 0)], 100, 0, &[16, 28, 14], &[28, 14, 0], "FFF"),
            (&[(100, 71, 29)], 140, 50, &[99], &[1], "F"),
            (&[(100, 25, 65)], 140, 50, &[35], &[65], "F"),
            (&[(100, 5, 0)], 140, 50, &[100], &[0], "T"),
            (&[(0, 0, 0), (3, 3, 0)], 140, 50, &[0, 100], &[0, 0], "FF"),
            (&[(4, 1, 0), (4, 1, 0)], 140, 50, &[50, 50], &[0, 0], "TT"),
            (&[(4, 0, 0), (4, 0, 0)], 140, 0, &[100, 0], &[0, 0], "FF"), // Nothing will be found.
            (&[(1000, 0, 0), (1000, 0, 1)], 140, 0, &[0, 0], &[0, 100], "FF"),
            (&[(1000, 0, 1), (1000, 1, 1)], 140, 0, &[0, 100], &[0, 0], "FF"),
            (&[], 140, 50, &[], &[], ""),
        ];
        for (levels, overprovisioning, threshold, healthy, degraded, panic) in rows {
            let counts: Vec<LevelCounts> = levels.iter().copied().map(level).collect();
            let got = shown(&loads(&counts, rules(*overprovisioning, *threshold)));
            assert_eq!(got, (healthy.to_vec(), degraded.to_vec(), (*panic).to_owned()), "{levels:?}");
        }
    }

    #[test]
    fn a_level_where_all_are_excluded_panics_but_takes_load_only_if_all_panic() {
        let warming = LevelCounts { total: 2, healthy: 0, degraded: 0, excluded: 2 };
        let sick = level((2, 0, 0));
        assert_eq!(shown(&loads(&[warming, sick], rules(140, 50))), (vec![50, 50], vec![0, 0], "TT".to_owned()));
        assert_eq!(shown(&loads(&[warming, level((2, 1, 0))], rules(140, 50))).0, [0, 100]);
        assert_eq!(shown(&loads(&[warming, level((2, 1, 0))], rules(140, 50))).2, "TF");
        assert_eq!(shown(&loads(&[warming], rules(140, 0))).2, "F");
    }

    #[test]
    fn level_by_level_a_degraded_level_nearby_goes_before_a_healthy_one_far_away() {
        let levels = [level((2, 0, 2)), level((2, 2, 0))];
        assert_eq!(shown(&loads(&levels, rules(140, 50))).0, [0, 100]);
        let nearby = LoadRules { order: LoadOrder::LevelByLevel, ..rules(140, 50) };
        assert_eq!(shown(&loads(&levels, nearby)), (vec![0, 0], vec![100, 0], "FF".to_owned()));
    }

    #[test]
    fn the_greatest_counts_do_not_overflow() {
        let most = u128::from(u64::MAX) * 10_000_000;
        let levels = [LevelCounts { total: most, healthy: most / 2, degraded: most / 2, excluded: 0 }; 3];
        assert_eq!(shown(&loads(&levels, rules(u32::MAX, 100))).0, [100, 0, 0]);
    }
}
