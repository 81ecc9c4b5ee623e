//! The trace of a plan: one line a step, in the order of the steps, told by the values that decided.

use std::fmt::Display;

use super::endpoint::MilliWeight;
use super::flatten::flatten;
use super::load::{LoadRule, PanicMode};
use super::plan::{LocalityWeights, Plan, Priority};
use super::policy::{LevelSize, LoadOrder, StaleRule};
use super::tier::RankRule;

/// How many items a line lists at most: a trace is read by people.
const LISTED: usize = 20;

impl Plan {
    /// One line a step: filter, rank, compact, load, localities, drain, flatten.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        vec![
            format!("filter: {}", self.filter_line()),
            format!("rank: {}", self.rank_line()),
            format!("compact: {}", self.compact_line()),
            format!("load: {}", self.load_line()),
            format!("localities: {}", self.localities_line()),
            format!("drain: {}", self.drain_line()),
            format!("flatten: {}", self.flatten_line()),
        ]
    }

    fn filter_line(&self) -> String {
        let counted = self.endpoints.len();
        let all = counted + self.left_out.len();
        let distribute =
            self.basis.distribute.as_ref().map_or(String::new(), |from| format!(", distribute from {from}"));
        let reasons = self.left_out.iter();
        format!("{counted} of {all} endpoints counted{distribute}; left out: {}", listed(reasons))
    }

    fn rank_line(&self) -> String {
        let stale = match self.basis.stale {
            StaleRule::Demote => "stale behind live, lost behind stale",
            StaleRule::Keep => "stale and lost kept among live",
        };
        let failover = |rule: &Option<String>| rule.as_ref().map_or(String::new(), |rule| format!(", {rule}"));
        let rule = match &self.basis.ranking {
            RankRule::Given => return "skipped, every endpoint has a priority of its own".to_owned(),
            RankRule::Off => "locality is off".to_owned(),
            RankRule::Distribute(from) => format!("one tier, distribute from {from}"),
            RankRule::Tiers(rule) => format!("by tier{}", failover(rule)),
            RankRule::Labels(labels) => format!("by labels {labels}"),
            RankRule::LabelsAndTiers(labels, rule) => format!("by labels {labels}, then by tier{}", failover(rule)),
        };
        let ranks = self.priorities.iter().filter_map(|priority| priority.rank).map(|rank| format!("rank {rank}"));
        format!("caller at {}, {rule}; {stale}; found {}", name(&self.basis.caller), listed(ranks))
    }

    fn compact_line(&self) -> String {
        if self.basis.ranking == RankRule::Given {
            return "skipped, priorities are kept as they are".to_owned();
        }
        let line = |(index, priority): (usize, &Priority)| priority.rank.map(|rank| format!("rank {rank} is P{index}"));
        listed(self.priorities.iter().enumerate().filter_map(line))
    }

    fn load_line(&self) -> String {
        let rules = &self.basis.load_rules;
        let rule = match self.basis.load {
            LoadRule::Nothing => return "there is no priority".to_owned(),
            LoadRule::AllPanic => "all panic, by size",
            LoadRule::FirstUsable => "no availability, all to the first that has anything",
            LoadRule::Availability => "by availability",
        };
        let unit = match self.basis.level_size {
            LevelSize::Endpoints => "",
            LevelSize::Weights => ", counted in thousandths of weight",
        };
        let order = match rules.order {
            LoadOrder::HealthyFirst => "",
            LoadOrder::LevelByLevel => ", degraded nearby before healthy far away",
        };
        let (factor, threshold) = (rules.overprovisioning.percent(), rules.panic_threshold.0);
        let availability = self.basis.availability;
        let levels = listed(self.priorities.iter().enumerate().map(level));
        format!(
            "{rule}, overprovisioning {factor} %, available {availability} %, panic below {threshold}{unit}{order}; {levels}"
        )
    }

    fn localities_line(&self) -> String {
        let rule = match self.basis.locality_weights {
            LocalityWeights::None => "by weights of endpoints",
            LocalityWeights::Given => "by weights of localities, then of endpoints",
        };
        let shares = self.priorities.iter().enumerate().flat_map(|(index, priority)| {
            priority.localities.iter().map(move |place| format!("P{index} {} {}", name(&place.locality), place.share))
        });
        format!("{rule}; millionths after drains: {}", listed(shares))
    }

    fn drain_line(&self) -> String {
        let sum: u64 = self.endpoints.iter().map(|endpoint| u64::from(endpoint.share)).sum();
        let rounding = format!("rounded to {sum} millionths, {} endpoints up", self.basis.topped_up);
        format!("{}; {rounding}", listed(self.drains.iter()))
    }

    fn flatten_line(&self) -> String {
        let weights = flatten(self);
        let used = weights.len();
        let unused = self.endpoints.len() - used;
        let of = |hundredths: Option<u64>| decimal(hundredths.unwrap_or(0), 100);
        let lightest = of(weights.iter().map(|weight| weight.hundredths).min());
        let heaviest = of(weights.iter().map(|weight| weight.hundredths).max());
        match used {
            0 => format!("nothing to pick, {unused} endpoints without a share"),
            _ => format!("{used} endpoints with weights {lightest} to {heaviest}, {unused} without a share left out"),
        }
    }
}

fn level((index, priority): (usize, &Priority)) -> String {
    let counts = &priority.counts;
    let panic = if priority.load.panic == PanicMode::Panicking { " panics," } else { "" };
    format!(
        "P{index}{panic} {} healthy {} degraded {} excluded of {}: {} % healthy load {} % degraded load",
        counts.healthy, counts.degraded, counts.excluded, counts.total, priority.load.healthy, priority.load.degraded
    )
}

fn name(locality: &str) -> &str {
    if locality.is_empty() { "(no locality)" } else { locality }
}

/// The first items, how many more there are, or `none`.
fn listed<T: Display>(mut items: impl Iterator<Item = T>) -> String {
    let shown: Vec<String> = items.by_ref().take(LISTED).map(|item| item.to_string()).collect();
    match (shown.is_empty(), items.count()) {
        (true, _) => "none".to_owned(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `parts` over `whole`, a power of ten, without trailing zeros.
fn decimal(parts: u64, whole: u64) -> String {
    let digits = whole.ilog10() as usize;
    let text = format!("{}.{:0digits$}", parts / whole, parts % whole);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Display for MilliWeight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&decimal(self.thousandths(), 1000))
    }
}
