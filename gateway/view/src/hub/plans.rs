//! Plans as what is watched: a topic is a service and a caller.
//!
//! News is another fingerprint: versions and ages alone are none. Besides the service, clusters, drains and policies may change a plan. A caller
//! is understood anew each time: the cluster that it names may become known, or move.

use std::sync::Arc;

use bytes::Bytes;
use federation_core::drains::IntentTable;
use federation_core::id::ServiceKey;
use federation_core::service::{FederatedService, Revision};
use federation_core::time::Mono;
use tokio::sync::watch;
use xxhash_rust::xxh3::xxh3_64;

use super::Watched;
use crate::resolve::{CallerAsk, EncodedPlan, FoundPlan, PlanEncoding, PlanInputs, PlannedService, Resolver};
use crate::view::{ClusterTable, ServiceWatch, ViewReader};
use federation_policy::InForce;

/// A service and the caller it is planned for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlanTopic {
    /// The service.
    pub key: ServiceKey,
    /// The caller, as it describes itself.
    pub caller: CallerAsk<'static>,
}

/// How a face tells of plans. All is called while a topic is locked: nothing of it may wait.
pub trait EncodePlan: Send + Sync + 'static {
    /// Whose plans are kept; has to be the face of [`EncodePlan::encode`] everywhere, as kept plans are shared with the answers of that face.
    const FACE: PlanEncoding;

    /// A plan or that nothing can be used, without what changes with time: this is kept.
    fn encode(&self, planned: &PlannedService) -> EncodedPlan;

    /// The event of a plan at a moment.
    fn plan(&self, encoded: &EncodedPlan, service: &FederatedService, inputs: &PlanInputs, now: Mono) -> Bytes;

    /// The event of a service that does not exist.
    fn absent(&self, key: &ServiceKey, clusters: &Arc<ClusterTable>, now: Mono) -> Bytes;
}

/// What somebody who watches a plan was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanMark {
    /// The plan with this fingerprint.
    Plan(u64),
    /// That nothing can be used, for these reasons.
    Unusable(u64),
    /// That the service does not exist.
    Absent,
}

impl PlanMark {
    fn of(encoded: &EncodedPlan) -> Self {
        match encoded {
            EncodedPlan::Usable(pieces) => Self::Plan(pieces.fingerprint),
            EncodedPlan::Unusable(unusable) => Self::Unusable(xxh3_64(&unusable.bytes)),
        }
    }
}

/// What was planned at one moment, and from what.
pub struct PlanShown {
    found: Option<FoundPlan>,
    inputs: PlanInputs,
    now: Mono,
}

/// Whatever may change a plan.
pub struct PlanChanges {
    service: ServiceWatch,
    clusters: watch::Receiver<Revision>,
    intents: watch::Receiver<Arc<IntentTable>>,
    policies: watch::Receiver<Arc<InForce>>,
}

/// Plans, as `E` encodes them.
pub struct WatchedPlans<E> {
    view: ViewReader,
    resolver: Arc<Resolver>,
    encode: E,
}

impl<E: EncodePlan> WatchedPlans<E> {
    /// The plans of `resolver` for what `view` shows.
    #[must_use]
    pub fn new(view: ViewReader, resolver: Arc<Resolver>, encode: E) -> Self {
        Self { view, resolver, encode }
    }
}

impl<E: EncodePlan> Watched for WatchedPlans<E> {
    type Topic = PlanTopic;
    type Mark = PlanMark;
    type State = PlanShown;
    type Event = Bytes;
    type Changes = PlanChanges;

    fn changes(&self, topic: &PlanTopic) -> PlanChanges {
        PlanChanges {
            service: self.view.watch_service(&topic.key),
            clusters: self.view.watch_clusters(),
            intents: self.view.watch_intents(),
            policies: self.resolver.watch_policies(),
        }
    }

    async fn changed(changes: &mut PlanChanges) {
        tokio::select! { // All are cancel-safe: they only wait for a change.
            () = changes.service.changed() => {}
            () = changed(&mut changes.clusters) => {}
            () = changed(&mut changes.intents) => {}
            () = changed(&mut changes.policies) => {}
        }
    }

    fn look(&self, topic: &PlanTopic) -> PlanShown {
        let (inputs, now) = (self.resolver.inputs(), self.view.now());
        let asking = self.resolver.understand(&topic.caller, &inputs);
        let encode = |planned: &PlannedService| self.encode.encode(planned);
        let found = self.resolver.kept(&topic.key, &asking, &inputs, E::FACE, encode);
        PlanShown { found, inputs, now }
    }

    fn mark(shown: &PlanShown) -> PlanMark {
        shown.found.as_ref().map_or(PlanMark::Absent, |found| PlanMark::of(found.encoded()))
    }

    fn read_at(shown: &PlanShown) -> Mono {
        shown.now
    }

    fn encode(&self, topic: &PlanTopic, shown: &PlanShown) -> Bytes {
        match &shown.found {
            Some(found) => self.encode.plan(found.encoded(), &found.service, &shown.inputs, shown.now),
            None => self.encode.absent(&topic.key, &shown.inputs.clusters, shown.now),
        }
    }
}

/// Waits for a change; for ever once nobody can make one.
async fn changed<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        std::future::pending().await
    }
}
