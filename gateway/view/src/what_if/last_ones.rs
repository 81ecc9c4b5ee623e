//! Which services a drain would leave without a healthy instance: the check before it is ordered.
//!
//! A survey answers that, too, by plans of every service for every caller, which takes seconds; but somebody waits for the order. The
//! question needs no plan: what decides is which clusters have a healthy instance, and which of them are drained already. Where that is
//! the same for all callers, it is read from the instances; where it is not (a distribution, weights of localities, networks that do
//! not reach each other, an instance that is odd), the plans are asked, so that the answer is always the survey's.

use std::collections::BTreeSet;
use std::sync::Arc;

use federation_core::id::ServiceKey;
use federation_core::instance::Health;
use federation_core::routing::{Caller, Drain, DrainGuard, DrainRuling, LoadSpread, MAX_DRAINS, Percent, Policy};
use federation_core::service::{FederatedService, OriginInstances};
use federation_core::what_if::{Hypothesis, SupposedDrain};

use super::walk::Visitor;
use super::{SurveyMoment, may_mean};

/// What of a service would be void, found service by service.
pub(super) struct LastOnes {
    hypothesis: Hypothesis,
    target: Arc<str>,
    callers: Vec<Caller>,
    /// Of all clusters.
    networks: BTreeSet<Arc<str>>,
    /// Services for which a drain would be void, by name.
    pub(super) refused: Vec<ServiceKey>,
}

/// What a cluster has of a service, in the eyes of every caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Has {
    /// Nothing that is counted.
    Nothing,
    /// Something, and nothing healthy.
    Counted,
    Healthy,
}

/// The clusters of a service with what they have.
type Standings<'a> = [(&'a str, Has)];

impl LastOnes {
    pub(super) fn new(moment: &SurveyMoment, drain: SupposedDrain) -> Self {
        let clusters = &moment.inputs.clusters.clusters;
        Self {
            target: drain.target.to_string().into(),
            hypothesis: Hypothesis { drains: vec![drain], ..Hypothesis::default() },
            callers: moment.scene().callers(),
            networks: clusters.iter().filter_map(|cluster| cluster.locality.network.clone()).collect(),
            refused: Vec::new(),
        }
    }

    /// Whether all callers count the same instances.
    fn is_alike_for_all(&self, policy: &Policy) -> bool {
        let reach = policy.reachability();
        let reaches = |from: &Arc<str>| self.networks.iter().all(|to| reach.allows(Some(from), Some(to)));
        matches!(policy.spread, LoadSpread::Failover(_))
            && policy.locality_weights.is_empty()
            && self.networks.iter().all(reaches)
    }

    /// `None`: it is not the same for all callers, or not certain.
    pub(super) fn is_refused_for_all(&self, moment: &SurveyMoment, service: &FederatedService) -> Option<bool> {
        if !self.is_alike_for_all(moment.inputs.policy.policies.effective(&service.key).policy) {
            return None;
        }
        let standing = |origin: &'_ OriginInstances| Some((origin.origin.clone(), standing(origin)?));
        let standings = service.origins.iter().map(standing).collect::<Option<Vec<_>>>()?;
        let standings: Vec<(&str, Has)> = standings.iter().map(|(id, has)| (id.as_str(), *has)).collect();
        let now = moment.inputs.intents.for_service(&service.key);
        let then = self.with_supposed(now.drains());
        if then == now.drains() {
            return Some(false);
        }
        let was_in_force = |target: &str| {
            let judged = now.drains().iter().zip(rulings(now.drains(), &standings));
            judged.into_iter().any(|(drain, ruling)| *drain.target == *target && ruling.in_force())
        };
        let mut judged = then.iter().zip(rulings(&then, &standings));
        Some(
            !self.callers.is_empty()
                && judged.any(|(drain, ruling)| {
                    matters(drain, ruling, &standings) && (drain.target == self.target || was_in_force(&drain.target))
                }),
        )
    }

    /// The drains as they would be, in byte order of their targets.
    fn with_supposed(&self, now: &[Drain]) -> Vec<Drain> {
        let mut then: Vec<Drain> = now.iter().filter(|drain| drain.target != self.target).cloned().collect();
        let supposed = &self.hypothesis.drains[0];
        if supposed.percent > Percent::default() {
            let (target, cluster) = (Arc::clone(&self.target), supposed.target.cluster().into());
            then.push(Drain { target, cluster, percent: supposed.percent, guard: supposed.guard });
        }
        then.sort_by(|a, b| a.target.cmp(&b.target));
        then
    }
}

impl Visitor for LastOnes {
    fn visit(&mut self, moment: &SurveyMoment, service: &FederatedService) {
        if !may_mean(moment, &self.hypothesis, service) {
            return;
        }
        let planned = || {
            let outcomes = moment.scene().outcomes(service, &self.callers, &self.hypothesis);
            outcomes.iter().any(|outcome| !outcome.refused.is_empty())
        };
        if self.is_refused_for_all(moment, service).unwrap_or_else(planned) {
            self.refused.push(service.key.clone());
        }
    }
}

/// `None` if an odd instance decides: plans know what becomes of it.
fn standing(origin: &OriginInstances) -> Option<Has> {
    let mut best = Has::Nothing;
    let mut odd = false;
    for found in &origin.instances {
        let weight = found.instance.weight.get();
        if !found.instance.enabled || weight == 0.0 {
            continue;
        }
        // Less than a thousandth, or no port: whether that is counted is not for this place to know.
        if weight < 0.001 || found.id.port == 0 {
            odd = true;
            continue;
        }
        best = best.max(if found.effective == Health::Healthy { Has::Healthy } else { Has::Counted });
    }
    (best == Has::Healthy || !odd).then_some(best)
}

/// As plans judge drains: in byte order of their targets, each beside those that are in force before it.
fn rulings(drains: &[Drain], standings: &Standings<'_>) -> Vec<DrainRuling> {
    let mut taken: Vec<&str> = Vec::new();
    let mut rulings = Vec::with_capacity(drains.len());
    for drain in drains {
        taken.push(drain.cluster.as_str());
        let is_left = standings.iter().any(|(id, has)| *has == Has::Healthy && !taken.contains(id));
        let ruling = match (is_left, drain.guard) {
            (false, DrainGuard::VoidIfNothingIsLeft) => DrainRuling::Void,
            _ if taken.len() > MAX_DRAINS => DrainRuling::Excess,
            (true, _) => DrainRuling::InForce,
            (false, DrainGuard::Force) => DrainRuling::Forced,
        };
        if !ruling.in_force() {
            taken.pop();
        }
        rulings.push(ruling);
    }
    rulings
}

/// Whether that the drain is void means anything to anybody.
fn matters(drain: &Drain, ruling: DrainRuling, standings: &Standings<'_>) -> bool {
    let has = standings.iter().find(|(id, _)| *id == drain.cluster.as_str()).map_or(Has::Nothing, |(_, has)| *has);
    match ruling {
        DrainRuling::Idle | DrainRuling::InForce | DrainRuling::Forced => false,
        DrainRuling::Void => has == Has::Healthy,
        DrainRuling::Excess => has >= Has::Counted,
    }
}
