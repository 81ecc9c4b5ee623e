//! What a plan depends on beside its service and its caller, as of one moment.

use std::sync::Arc;

use federation_core::drains::IntentTable;
use federation_core::freshness::Freshness;
use federation_core::id::ClusterId;
use federation_core::reason::FreshnessReason;
use federation_core::service::{ClusterStatus, FederatedService, Revision};
use federation_core::time::{Millis, Mono};

use crate::view::ClusterTable;
use federation_policy::InForce;

/// One moment's values. Each carries its own version; they need not have changed together.
#[derive(Clone, Debug)]
pub struct PlanInputs {
    /// The policies in force.
    pub policy: Arc<InForce>,
    /// The drains in force.
    pub intents: Arc<IntentTable>,
    /// Where the clusters are, and how fresh.
    pub clusters: Arc<ClusterTable>,
}

/// Versions of all that one plan was made from. Equal stamps of one service: equal plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanStamp {
    /// Of its instances and their effective health.
    service: Revision,
    /// Of the places, addresses and effective freshness of its origins. Apart from the service's: they reach the view one
    /// after the other, and the greater of both could then be that of a newer service beside older origins.
    origins: Revision,
    intents: Revision,
    policy: u64,
}

impl PlanInputs {
    /// The versions that a plan of the service is made from.
    #[must_use]
    pub fn stamp(&self, service: &FederatedService) -> PlanStamp {
        PlanStamp {
            service: service.revision,
            origins: self.revision_of_origins(service),
            intents: self.intents.version(),
            policy: self.policy.version,
        }
    }

    fn revision_of_origins(&self, service: &FederatedService) -> Revision {
        let known = service.origins.iter().filter_map(|origin| self.clusters.get(&origin.origin));
        known.map(|cluster| cluster.freshness_revision).max().unwrap_or_default()
    }
}

impl PlanStamp {
    /// The version that an answer shows: the last change of the service or of its origins.
    pub fn revision(self) -> Revision {
        self.service.max(self.origins)
    }
}

/// How the facts of one origin of a service are to be taken now, and how old they are.
pub struct OriginState<'a> {
    /// Whose.
    pub id: &'a ClusterId,
    /// As the origin's facts are to be taken.
    pub freshness: Freshness,
    /// As routing takes them.
    pub effective: Freshness,
    /// Why.
    pub reason: &'a FreshnessReason,
    /// `None` if no word of it has been heard yet.
    pub age: Option<Millis>,
}

/// The origins of a service, by id.
pub fn origin_states<'a>(
    service: &'a FederatedService,
    inputs: &'a PlanInputs,
    now: Mono,
) -> impl Iterator<Item = OriginState<'a>> {
    service.origins.iter().map(move |origin| {
        let id = &origin.origin;
        match inputs.clusters.get(id) {
            Some(ClusterStatus { freshness, effective, reason, age, as_of, .. }) => {
                let age = age.map(|age| Millis(age.0.saturating_add(now.since(*as_of).0)));
                OriginState { id, freshness: *freshness, effective: *effective, reason, age }
            }
            None => OriginState {
                id,
                freshness: Freshness::Stale,
                effective: Freshness::Stale,
                reason: FreshnessReason::unheard(),
                age: None,
            },
        }
    })
}
