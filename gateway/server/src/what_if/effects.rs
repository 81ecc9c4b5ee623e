//! What the drains in force do: for how many services each moves traffic, and for how many it is void.

use std::collections::BTreeMap;
use std::sync::Arc;

use federation_core::id::ClusterId;
use federation_core::routing::{Caller, Hypothesis, Ruling};

use super::{Moment, in_parallel};

/// How many services of its cluster a drain counts for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effect {
    /// Traffic moves.
    pub(crate) in_force: usize,
    /// Traffic moves although nothing healthy is left.
    pub(crate) forced: usize,
    /// Nothing moves, because nothing healthy would be left.
    pub(crate) void: usize,
    /// Nothing moves, because as many targets as can be are drained already.
    pub(crate) excess: usize,
}

/// The effect of every drain above 0 %, by its target, for callers in the place of cluster `own`. Blocks its thread.
pub(crate) fn effects(moment: &Moment, own: &ClusterId) -> BTreeMap<Arc<str>, Effect> {
    let drained: Vec<&ClusterId> = (moment.inputs.intents.iter())
        .filter(|drain| drain.intent.percent.get() > 0)
        .map(|drain| drain.target.cluster())
        .collect();
    if drained.is_empty() {
        return BTreeMap::new();
    }
    let caller = caller_in(moment, own);
    let parts = in_parallel(moment, |services| {
        let mut effects: BTreeMap<Arc<str>, Effect> = BTreeMap::new();
        for service in services.filter(|it| it.origins.iter().any(|origin| drained.contains(&&origin.origin))) {
            let outcomes = moment.scene().outcomes(&service, &caller, &Hypothesis::default());
            for verdict in outcomes.iter().flat_map(|outcome| &outcome.drains) {
                let is_there = service.origins.iter().any(|it| it.origin.as_str() == verdict.drain.cluster.as_str());
                if is_there {
                    effects.entry(Arc::clone(&verdict.drain.target)).or_default().count(verdict.ruling);
                }
            }
        }
        effects
    });
    let mut all: BTreeMap<Arc<str>, Effect> = BTreeMap::new();
    for (target, effect) in parts.into_iter().flatten() {
        all.entry(target).or_default().add(effect);
    }
    all
}

fn caller_in(moment: &Moment, own: &ClusterId) -> [Caller; 1] {
    let locality = moment.inputs.clusters.get(own).map(|cluster| cluster.locality.clone()).unwrap_or_default();
    [Caller { locality, cluster: Some(own.as_str().into()), ..Caller::default() }]
}

impl Effect {
    fn count(&mut self, ruling: Ruling) {
        match ruling {
            Ruling::InForce => self.in_force += 1,
            Ruling::Forced => self.forced += 1,
            Ruling::Void => self.void += 1,
            Ruling::Excess => self.excess += 1,
            Ruling::Idle => {}
        }
    }

    fn add(&mut self, other: Self) {
        self.in_force += other.in_force;
        self.forced += other.forced;
        self.void += other.void;
        self.excess += other.excess;
    }
}
