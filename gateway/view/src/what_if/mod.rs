//! What if: all services of the view beside what they would be under a hypothesis.
//!
//! Input: the view, the policies in force and a [`Hypothesis`]. Output: a [`Survey`], the most serious outcomes first, for
//! one caller in the place of each cluster. A drain's dry run is a survey, too, so what was shown is what comes; the check before it is
//! ordered asks for the refused services of one only, which is cheap.
//!
//! All of it looks at all services, in slices (`walk`) and in one of two [`lanes`]: orders never wait for questions.

mod effects;
mod lanes;
mod last_ones;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use federation_core::drains::IntentTable;
use federation_core::id::ServiceKey;
use federation_core::routing::{Caller, MAX_DRAINS, PlaceRules, Ruling};
use federation_core::service::FederatedService;
use federation_core::what_if::{Hypothesis, Impact, Outcome, Scene, SupposedDrain};

pub use self::effects::{Effect, Effects, effects};
pub use self::lanes::WAITING;
pub use self::lanes::{Lanes, OrderTurn, Question, TooManyOrders, Unanswered};
use self::last_ones::LastOnes;
use self::walk::{Visitor, walk};
use crate::resolve::{Inputs, Resolver};
use crate::view::ViewReader;

/// Services that are kept beyond those wanted, before the less serious ones are let go of.
const SLACK: usize = 512;

/// One moment's values, of which all plans of a survey are made.
pub struct Moment {
    view: ViewReader,
    inputs: Inputs,
    places: PlaceRules,
}

impl Moment {
    /// What `view` shows now, planned as `resolver` does.
    pub fn of(view: &ViewReader, resolver: &Resolver) -> Self {
        Self { view: view.clone(), inputs: resolver.inputs(), places: resolver.rules().clone() }
    }

    /// The drains in force.
    pub fn intents(&self) -> Arc<IntentTable> {
        Arc::clone(&self.inputs.intents)
    }

    fn scene(&self) -> Scene<'_> {
        Scene {
            clusters: &self.inputs.clusters.clusters,
            policies: &self.inputs.policy.policies,
            intents: &self.inputs.intents,
            places: &self.places,
        }
    }
}

/// What becomes of all services.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Whose traffic was planned: one caller in the place of each cluster, by the clusters' ids.
    pub callers: Vec<Caller>,
    /// How many services were looked at because the hypothesis may mean them.
    pub examined: usize,
    /// How many services it changes anything for, by how much that matters.
    pub tally: Tally,
    /// Services that it changes anything for, the most serious first, then by name; not all if there are many.
    pub services: Vec<Surveyed>,
    /// All services for which a drain would be void, by name.
    pub refused: Vec<ServiceKey>,
}

/// How many services are concerned, each counted once by what is worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// See [`Concern::LeftWithout`].
    pub left_without: usize,
    /// See [`Concern::Refused`].
    pub refused: usize,
    /// See [`Concern::PartlyServed`].
    pub partly_served: usize,
    /// See [`Concern::NothingHealthy`].
    pub nothing_healthy: usize,
    /// See [`Concern::Moved`].
    pub moved: usize,
}

/// One service for all callers.
#[derive(Debug, PartialEq, Eq)]
pub struct Surveyed {
    /// Its name.
    pub key: ServiceKey,
    /// The worst that happens to any caller.
    pub concern: Concern,
    /// For each caller, in the order of [`Survey::callers`].
    pub outcomes: Vec<Outcome>,
}

/// What happens to a service, the most serious first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// Some caller has nothing to send requests to any more.
    LeftWithout,
    /// A drain would be void, because nothing healthy would be left, or because too many are in force.
    Refused,
    /// Some of a caller's traffic finds nothing any more.
    PartlyServed,
    /// Some caller has nothing healthy left.
    NothingHealthy,
    /// Traffic moves.
    Moved,
}

impl Concern {
    /// The worst of the outcomes; `None` if nothing changes.
    fn of(outcomes: &[Outcome]) -> Option<Self> {
        outcomes.iter().filter_map(Self::of_one).min()
    }

    /// What one outcome amounts to; `None` if nothing changes.
    pub fn of_one(outcome: &Outcome) -> Option<Self> {
        match outcome.impact() {
            Impact::LeftWithout => Some(Self::LeftWithout),
            _ if !outcome.refused.is_empty() => Some(Self::Refused),
            Impact::PartlyServed => Some(Self::PartlyServed),
            Impact::NothingHealthy => Some(Self::NothingHealthy),
            Impact::Moved => Some(Self::Moved),
            Impact::Nothing => None,
        }
    }
}

impl Tally {
    fn count(&mut self, concern: Concern) {
        *match concern {
            Concern::LeftWithout => &mut self.left_without,
            Concern::Refused => &mut self.refused,
            Concern::PartlyServed => &mut self.partly_served,
            Concern::NothingHealthy => &mut self.nothing_healthy,
            Concern::Moved => &mut self.moved,
        } += 1;
    }

    /// All services that anything changes for.
    pub fn total(self) -> usize {
        self.left_without + self.refused + self.partly_served + self.nothing_healthy + self.moved
    }
}

/// Compares all services that the hypothesis may mean; keeps the `limit` most serious.
///
/// # Errors
/// It takes too long.
pub async fn survey(
    moment: &Arc<Moment>,
    hypothesis: Hypothesis,
    limit: usize,
    turn: Question,
) -> Result<Survey, Unanswered> {
    let survey = Survey { callers: moment.scene().callers(), ..Survey::default() };
    let surveyor = walk(moment, Surveyor { hypothesis, limit, survey }, turn).await?;
    let mut survey = surveyor.survey;
    survey.keep(limit);
    survey.refused.sort();
    Ok(survey)
}

/// The services for which an ordered drain would leave nothing healthy, by name: those that a [`survey`] calls refused.
pub async fn left_without(moment: &Arc<Moment>, drain: SupposedDrain, turn: OrderTurn) -> Vec<ServiceKey> {
    let Ok(found) = walk(moment, LastOnes::new(moment, drain), turn).await;
    found.refused
}

/// Compares services one after the other.
struct Surveyor {
    hypothesis: Hypothesis,
    limit: usize,
    survey: Survey,
}

impl Visitor for Surveyor {
    fn visit(&mut self, moment: &Moment, service: &FederatedService) {
        let Self { hypothesis, limit, survey } = self;
        survey.look_at(moment, service, hypothesis);
        if survey.services.len() >= SLACK.max(2 * *limit) {
            survey.keep(*limit);
        }
    }
}

impl Survey {
    fn look_at(&mut self, moment: &Moment, service: &FederatedService, hypothesis: &Hypothesis) {
        if !may_mean(moment, hypothesis, service) {
            return;
        }
        self.examined += 1;
        let outcomes = moment.scene().outcomes(service, &self.callers, hypothesis);
        let Some(concern) = Concern::of(&outcomes) else { return };
        self.tally.count(concern);
        if outcomes.iter().any(|outcome| !outcome.refused.is_empty()) {
            self.refused.push(service.key.clone());
        }
        self.services.push(Surveyed { key: service.key.clone(), concern, outcomes });
    }

    fn keep(&mut self, limit: usize) {
        self.services.sort_by(|a, b| (a.concern, &a.key).cmp(&(b.concern, &b.key)));
        self.services.truncate(limit);
    }
}

/// False only if plans of the service are the same under the hypothesis, for every caller.
fn may_mean(moment: &Moment, hypothesis: &Hypothesis, service: &FederatedService) -> bool {
    let has = |cluster: &_| service.origins.iter().any(|origin| origin.origin == *cluster);
    // A drain counts towards the most that are in force, also where its cluster has nothing.
    let are_many =
        || moment.inputs.intents.for_service(&service.key).drains().len() + hypothesis.drains.len() > MAX_DRAINS;
    !hypothesis.unhealthy.is_empty()
        || hypothesis.lost.iter().any(has)
        || hypothesis
            .drains
            .iter()
            .any(|drain| drain.target.covers(&service.key) && (has(drain.target.cluster()) || are_many()))
}

/// Why a drain would be void for a service, for people.
pub fn reason(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Void => "nothing healthy would be left",
        Ruling::Excess => "four targets are drained already",
        Ruling::Idle | Ruling::InForce | Ruling::Forced => "it is not void",
    }
}
