//! What if: all services of the view beside what they would be under a hypothesis.
//!
//! Input: the view, the policies in force and a [`Hypothesis`]. Output: a [`ServiceSurvey`], the most serious outcomes first, for
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
use federation_core::routing::{Caller, DrainRuling, MAX_DRAINS, PlaceRules};
use federation_core::service::FederatedService;
use federation_core::what_if::{Hypothesis, PlanScene, ServiceImpact, ServiceOutcome, SupposedDrain};

pub use self::effects::{DrainEffect, DrainEffects, effects};
pub use self::lanes::WAITING;
pub use self::lanes::{OrderTurn, QuestionLanes, QuestionTurn, QuestionUnanswered, TooManyOrders};
use self::last_ones::LastOnes;
use self::walk::{Visitor, walk};
use crate::resolve::{PlanInputs, Resolver};
use crate::view::ViewReader;

/// Services that are kept beyond those wanted, before the less serious ones are let go of.
const SLACK: usize = 512;

/// One moment's values, of which all plans of a survey are made.
pub struct SurveyMoment {
    view: ViewReader,
    inputs: PlanInputs,
    places: PlaceRules,
}

impl SurveyMoment {
    /// What `view` shows now, planned as `resolver` does.
    pub fn of(view: &ViewReader, resolver: &Resolver) -> Self {
        Self { view: view.clone(), inputs: resolver.inputs(), places: resolver.rules().clone() }
    }

    /// The drains in force.
    pub fn intents(&self) -> Arc<IntentTable> {
        Arc::clone(&self.inputs.intents)
    }

    fn scene(&self) -> PlanScene<'_> {
        PlanScene {
            clusters: &self.inputs.clusters.clusters,
            policies: &self.inputs.policy.policies,
            intents: &self.inputs.intents,
            places: &self.places,
        }
    }
}

/// What becomes of all services.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ServiceSurvey {
    /// Whose traffic was planned: one caller in the place of each cluster, by the clusters' ids.
    pub callers: Vec<Caller>,
    /// How many services were looked at because the hypothesis may mean them.
    pub examined: usize,
    /// How many services it changes anything for, by how much that matters.
    pub tally: ConcernTally,
    /// Services that it changes anything for, the most serious first, then by name; not all if there are many.
    pub services: Vec<SurveyedService>,
    /// All services for which a drain would be void, by name.
    pub refused: Vec<ServiceKey>,
}

/// How many services are concerned, each counted once by what is worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConcernTally {
    /// See [`ServiceConcern::LeftWithout`].
    pub left_without: usize,
    /// See [`ServiceConcern::Refused`].
    pub refused: usize,
    /// See [`ServiceConcern::PartlyServed`].
    pub partly_served: usize,
    /// See [`ServiceConcern::NothingHealthy`].
    pub nothing_healthy: usize,
    /// See [`ServiceConcern::Moved`].
    pub moved: usize,
}

/// One service for all callers.
#[derive(Debug, PartialEq, Eq)]
pub struct SurveyedService {
    /// Its name.
    pub key: ServiceKey,
    /// The worst that happens to any caller.
    pub concern: ServiceConcern,
    /// For each caller, in the order of [`ServiceSurvey::callers`].
    pub outcomes: Vec<ServiceOutcome>,
}

/// What happens to a service, the most serious first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceConcern {
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

impl ServiceConcern {
    /// The worst of the outcomes; `None` if nothing changes.
    fn of(outcomes: &[ServiceOutcome]) -> Option<Self> {
        outcomes.iter().filter_map(Self::of_one).min()
    }

    /// What one outcome amounts to; `None` if nothing changes.
    pub fn of_one(outcome: &ServiceOutcome) -> Option<Self> {
        match outcome.impact() {
            ServiceImpact::LeftWithout => Some(Self::LeftWithout),
            _ if !outcome.refused.is_empty() => Some(Self::Refused),
            ServiceImpact::PartlyServed => Some(Self::PartlyServed),
            ServiceImpact::NothingHealthy => Some(Self::NothingHealthy),
            ServiceImpact::Moved => Some(Self::Moved),
            ServiceImpact::Nothing => None,
        }
    }
}

impl ConcernTally {
    fn count(&mut self, concern: ServiceConcern) {
        *match concern {
            ServiceConcern::LeftWithout => &mut self.left_without,
            ServiceConcern::Refused => &mut self.refused,
            ServiceConcern::PartlyServed => &mut self.partly_served,
            ServiceConcern::NothingHealthy => &mut self.nothing_healthy,
            ServiceConcern::Moved => &mut self.moved,
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
    moment: &Arc<SurveyMoment>,
    hypothesis: Hypothesis,
    limit: usize,
    turn: QuestionTurn,
) -> Result<ServiceSurvey, QuestionUnanswered> {
    let survey = ServiceSurvey { callers: moment.scene().callers(), ..ServiceSurvey::default() };
    let surveyor = walk(moment, Surveyor { hypothesis, limit, survey }, turn).await?;
    let mut survey = surveyor.survey;
    survey.keep(limit);
    survey.refused.sort();
    Ok(survey)
}

/// The services for which an ordered drain would leave nothing healthy, by name: those that a [`survey`] calls refused.
pub async fn left_without(moment: &Arc<SurveyMoment>, drain: SupposedDrain, turn: OrderTurn) -> Vec<ServiceKey> {
    let Ok(found) = walk(moment, LastOnes::new(moment, drain), turn).await;
    found.refused
}

/// Compares services one after the other.
struct Surveyor {
    hypothesis: Hypothesis,
    limit: usize,
    survey: ServiceSurvey,
}

impl Visitor for Surveyor {
    fn visit(&mut self, moment: &SurveyMoment, service: &FederatedService) {
        let Self { hypothesis, limit, survey } = self;
        survey.look_at(moment, service, hypothesis);
        if survey.services.len() >= SLACK.max(2 * *limit) {
            survey.keep(*limit);
        }
    }
}

impl ServiceSurvey {
    fn look_at(&mut self, moment: &SurveyMoment, service: &FederatedService, hypothesis: &Hypothesis) {
        if !may_mean(moment, hypothesis, service) {
            return;
        }
        self.examined += 1;
        let outcomes = moment.scene().outcomes(service, &self.callers, hypothesis);
        let Some(concern) = ServiceConcern::of(&outcomes) else { return };
        self.tally.count(concern);
        if outcomes.iter().any(|outcome| !outcome.refused.is_empty()) {
            self.refused.push(service.key.clone());
        }
        self.services.push(SurveyedService { key: service.key.clone(), concern, outcomes });
    }

    fn keep(&mut self, limit: usize) {
        self.services.sort_by(|a, b| (a.concern, &a.key).cmp(&(b.concern, &b.key)));
        self.services.truncate(limit);
    }
}

/// False only if plans of the service are the same under the hypothesis, for every caller.
fn may_mean(moment: &SurveyMoment, hypothesis: &Hypothesis, service: &FederatedService) -> bool {
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
pub fn reason(ruling: DrainRuling) -> &'static str {
    match ruling {
        DrainRuling::Void => "nothing healthy would be left",
        DrainRuling::Excess => "four targets are drained already",
        DrainRuling::Idle | DrainRuling::InForce | DrainRuling::Forced => "it is not void",
    }
}
