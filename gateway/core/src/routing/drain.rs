//! Drains: an operator takes a part of a cluster's traffic away.
//!
//! Under a drain of f, a plan is (1 − f) · plan(all) + f · plan(without the cluster); drains nest, so that n of them mix
//! 2ⁿ plans. They are judged first, in byte order of their targets: one that would leave nothing healthy is void.
//! Invariant: raising a drain never raises the exact share of its cluster.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::census::{Census, Standing};
use super::endpoint::OriginName;
use super::layout::Layout;
use crate::intents::DrainGuard;
use crate::percent::Percent;

/// How many targets of one service are drained at a time at most: each doubles the plans to mix.
pub const MAX_DRAINS: usize = 4;

/// One drain, as far as one service is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Names the intent; drains are judged in its byte order.
    pub target: Arc<str>,
    /// Whose endpoints lose traffic.
    pub cluster: OriginName,
    /// How much of it.
    pub percent: Percent,
    /// What happens if nothing healthy would be left.
    pub guard: DrainGuard,
}

/// What operators want of one service, one percentage per target. In byte order of the targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intents(Vec<Drain>);

/// Two drains of one target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{target} is drained twice")]
pub struct RepeatedTarget {
    /// The target.
    pub target: Arc<str>,
}

impl Intents {
    /// The drains that concern a service, in any order.
    ///
    /// # Errors
    /// One percentage per target is in force: a second one is refused.
    pub fn new(mut drains: Vec<Drain>) -> Result<Self, RepeatedTarget> {
        drains.sort_by(|a, b| a.target.cmp(&b.target));
        match drains.windows(2).find(|pair| pair[0].target == pair[1].target) {
            Some(pair) => Err(RepeatedTarget { target: Arc::clone(&pair[0].target) }),
            None => Ok(Self(drains)),
        }
    }

    /// The drains in byte order of their targets.
    #[must_use]
    pub fn drains(&self) -> &[Drain] {
        &self.0
    }
}

/// What became of a drain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainVerdict {
    /// The drain that was judged.
    pub drain: Drain,
    /// The outcome.
    pub ruling: DrainRuling,
}

/// Whether a drain counts for this service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainRuling {
    /// 0 %: nothing to do.
    Idle,
    /// In force: something healthy is left without its cluster.
    InForce,
    /// In force although nothing healthy is left.
    Forced,
    /// Not in force: nothing healthy would be left.
    Void,
    /// Not in force: [`MAX_DRAINS`] are already.
    Excess,
}

impl DrainRuling {
    /// For programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::InForce => "in_force",
            Self::Forced => "forced",
            Self::Void => "void",
            Self::Excess => "excess",
        }
    }

    /// Whether the drain moves traffic.
    #[must_use]
    pub fn in_force(self) -> bool {
        matches!(self, Self::InForce | Self::Forced)
    }
}

impl fmt::Display for DrainVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ruling = match self.ruling {
            DrainRuling::Idle => "nothing to do",
            DrainRuling::InForce => "in force",
            DrainRuling::Forced => "forced, although nothing healthy is left",
            DrainRuling::Void => "void, nothing healthy would be left",
            DrainRuling::Excess => "void, four targets are drained already",
        };
        write!(f, "{} by {} {ruling}", self.drain.target, self.drain.percent)
    }
}

/// Judges drains in order, each beside those that are in force before it.
pub(super) fn judge<'a>(census: &Census<'_>, intents: &'a Intents) -> Vec<DrainVerdict> {
    let mut taken: Vec<&'a OriginName> = Vec::new();
    let leaves_healthy = |taken: &[&OriginName]| {
        let left = |origin: usize| !taken.contains(&&census.origins[origin]);
        census.kinds.iter().any(|kind| kind.standing == Standing::Healthy && left(kind.origin))
    };
    let mut judge = |drain: &'a Drain| {
        if drain.percent == Percent::default() {
            return DrainRuling::Idle;
        }
        taken.push(&drain.cluster);
        let ruling = match (leaves_healthy(&taken), drain.guard) {
            (false, DrainGuard::VoidIfNothingIsLeft) => DrainRuling::Void,
            _ if taken.len() > MAX_DRAINS => DrainRuling::Excess,
            (true, _) => DrainRuling::InForce,
            (false, DrainGuard::Force) => DrainRuling::Forced,
        };
        if !ruling.in_force() {
            taken.pop();
        }
        ruling
    };
    intents.drains().iter().map(|drain| DrainVerdict { drain: drain.clone(), ruling: judge(drain) }).collect()
}

/// Several plans of one service, each with its part of the traffic.
pub(super) struct Mixture {
    /// Parts of [`Mixture::whole`], each with the plan that has it.
    pub(super) parts: Vec<(u64, Layout)>,
    /// What all parts sum to: 100 to the power of the drains in force, at most 100,000,000.
    pub(super) whole: u64,
}

impl Mixture {
    /// Mixes the plans that the drains in force ask for. Plans without part in the outcome are not made.
    pub(super) fn new(census: &Census<'_>, verdicts: &[DrainVerdict]) -> Self {
        let mut whole = 1;
        // Which origins are taken away, and how often that is the case. Drains of an origin that has no endpoint
        // change nothing; two drains of one origin take it away only once.
        let mut parts = BTreeMap::from([(Vec::new(), 1_u64)]);
        for verdict in verdicts.iter().filter(|verdict| verdict.ruling.in_force()) {
            let Some(origin) = census.origins.iter().position(|origin| *origin == verdict.drain.cluster) else {
                continue;
            };
            let percent = u64::from(verdict.drain.percent.get());
            whole *= 100;
            parts = nest(parts, origin, percent);
        }
        let layout = |taken: Vec<usize>| Layout::without(census, |origin| taken.contains(&origin));
        let parts =
            parts.into_iter().filter(|(_, part)| *part > 0).map(|(taken, part)| (part, layout(taken))).collect();
        Self { parts, whole }
    }

    /// How many millionths of the traffic find an endpoint, rounded down: all of them unless a forced drain or a service
    /// without usable endpoints leaves some with nothing.
    pub(super) fn served_millionths(&self) -> u64 {
        let served: u64 = self.parts.iter().map(|(part, layout)| part * u64::from(layout.served)).sum();
        served * 1_000_000 / (100 * self.whole) // At most 10^8 · 100 · 10^6 = 10^16.
    }
}

fn nest(parts: BTreeMap<Vec<usize>, u64>, origin: usize, percent: u64) -> BTreeMap<Vec<usize>, u64> {
    let mut nested = BTreeMap::new();
    for (taken, part) in parts {
        let mut more = taken.clone();
        if !more.contains(&origin) {
            more.push(origin);
            more.sort_unstable();
        }
        *nested.entry(taken).or_default() += part * (100 - percent);
        *nested.entry(more).or_default() += part * percent;
    }
    nested
}
