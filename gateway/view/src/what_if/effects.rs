//! What the drains in force do: for how many services each moves traffic, and for how many it is void.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use federation_core::id::ClusterId;
use federation_core::routing::{Caller, DrainRuling};
use federation_core::service::FederatedService;
use federation_core::what_if::Hypothesis;

use super::walk::{Visitor, walk};
use super::{QuestionTurn, QuestionUnanswered, SurveyMoment};

/// How many services of its cluster a drain counts for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainEffect {
    /// Traffic moves.
    pub in_force: usize,
    /// Traffic moves although nothing healthy is left.
    pub forced: usize,
    /// Nothing moves, because nothing healthy would be left.
    pub void: usize,
    /// Nothing moves, because as many targets as can be are drained already.
    pub excess: usize,
}

/// What drains do, by their targets.
pub type DrainEffects = BTreeMap<Arc<str>, DrainEffect>;

/// The effect of every drain above 0 %, by its target, for callers in the place of cluster `own`.
///
/// # Errors
/// It takes too long.
pub async fn effects(
    moment: &Arc<SurveyMoment>,
    own: &ClusterId,
    turn: QuestionTurn,
) -> Result<DrainEffects, QuestionUnanswered> {
    let drains = moment.inputs.intents.iter().filter(|drain| drain.intent.percent.get() > 0);
    let drained = drains.map(|drain| drain.target.cluster().clone()).collect();
    let judge = Judge { drained, caller: caller_in(moment, own), effects: DrainEffects::new() };
    Ok(walk(moment, judge, turn).await?.effects)
}

/// Counts what becomes of drains, service by service.
struct Judge {
    drained: BTreeSet<ClusterId>,
    caller: [Caller; 1],
    effects: DrainEffects,
}

impl Visitor for Judge {
    fn visit(&mut self, moment: &SurveyMoment, service: &FederatedService) {
        if !service.origins.iter().any(|origin| self.drained.contains(&origin.origin)) {
            return;
        }
        let outcomes = moment.scene().outcomes(service, &self.caller, &Hypothesis::default());
        for verdict in outcomes.iter().flat_map(|outcome| &outcome.drains) {
            let is_there = service.origins.iter().any(|it| it.origin.as_str() == verdict.drain.cluster.as_str());
            if is_there {
                self.effects.entry(Arc::clone(&verdict.drain.target)).or_default().count(verdict.ruling);
            }
        }
    }
}

fn caller_in(moment: &SurveyMoment, own: &ClusterId) -> [Caller; 1] {
    let locality = moment.inputs.clusters.get(own).map(|cluster| cluster.locality.clone()).unwrap_or_default();
    [Caller { locality, cluster: Some(own.as_str().into()), ..Caller::default() }]
}

impl DrainEffect {
    fn count(&mut self, ruling: DrainRuling) {
        match ruling {
            DrainRuling::InForce => self.in_force += 1,
            DrainRuling::Forced => self.forced += 1,
            DrainRuling::Void => self.void += 1,
            DrainRuling::Excess => self.excess += 1,
            DrainRuling::Idle => {}
        }
    }
}
