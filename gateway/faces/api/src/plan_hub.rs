//! Watches of plans: one encoding for all who watch the same, and only when the plan changed.
//!
//! As the hub of services, with two differences: what is told is compared by its fingerprint, so that versions and ages alone
//! are no news; and besides the service, clusters, drains and policies may change it. A caller is understood anew each time:
//! the cluster that it names may become known, or move.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use dashmap::DashMap;
use federation_core::drains::IntentTable;
use federation_core::id::ServiceKey;
use federation_core::service::{FederatedService, Revision};
use federation_core::time::{Millis, Mono};
use tokio::sync::watch;
use xxhash_rust::xxh3::xxh3_64;

use super::ApiState;
use federation_policy::InForce;
use federation_ports::metrics::WatchFace;
use federation_view::resolve::{CallerAsk, Encoded, Face, Inputs, Planned};
use federation_view::view::ServiceWatch;

/// As in the hub of services.
const OLD_FOR_A_NEWCOMER: Millis = Millis::from_secs(1);

/// A service and the caller it is planned for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PlanTopic {
    pub(crate) key: ServiceKey,
    pub(crate) caller: CallerAsk<'static>,
}

/// How a face encodes what is told.
pub(crate) trait EncodePlan: Send + Sync {
    /// A plan or that nothing can be used, without what changes with time.
    fn encode(&self, state: &ApiState, planned: &Planned) -> Encoded;
    /// The event of a plan at a moment.
    fn plan(&self, encoded: &Encoded, service: &FederatedService, inputs: &Inputs, now: Mono) -> Bytes;
    /// The event of a service that does not exist.
    fn absent(&self, state: &ApiState, key: &ServiceKey) -> Bytes;
}

/// What a watcher knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The plan with this fingerprint.
    Plan(u64),
    /// That nothing can be used, for these reasons.
    Unusable(u64),
    /// That the service does not exist.
    Absent,
}

impl Told {
    fn of(encoded: &Encoded) -> Self {
        match encoded {
            Encoded::Usable(pieces) => Self::Plan(pieces.fingerprint),
            Encoded::Unusable(unusable) => Self::Unusable(xxh3_64(&unusable.bytes)),
        }
    }
}

#[derive(Clone)]
struct Event {
    told: Told,
    at: Mono,
    bytes: Bytes,
}

#[derive(Default)]
struct Topic {
    newest: Mutex<Option<Event>>, // Locked while the state is read from the view and, if it is news, planned and encoded.
}

type Topics = DashMap<PlanTopic, Arc<Topic>, foldhash::fast::RandomState>;

/// All topics of one face.
#[derive(Clone, Default)]
pub(crate) struct PlanHub(Arc<Topics>);

impl PlanHub {
    /// Begins to watch. `told` is what the watcher knows already.
    pub(crate) fn watch<E: EncodePlan>(
        &self,
        state: &ApiState,
        topic: PlanTopic,
        told: Option<Told>,
        encode: E,
    ) -> PlanWatcher<E> {
        let changes = Changes {
            service: state.view().watch_service(&topic.key),
            clusters: state.view().watch_clusters(),
            intents: state.view().watch_intents(),
            policies: state.resolver().watch_policies(),
        };
        let shared = Arc::clone(self.0.entry(topic.clone()).or_default().value());
        state.api_metrics().watchers(WatchFace::Resolve).inc();
        let (topics, state) = (Arc::clone(&self.0), state.clone());
        PlanWatcher { topics, shared: Some(shared), topic, state, encode, changes, told, newcomer: true }
    }

    #[cfg(test)]
    pub(crate) fn topics(&self) -> usize {
        self.0.len()
    }
}

/// Whatever may change a plan.
struct Changes {
    service: ServiceWatch,
    clusters: watch::Receiver<Revision>,
    intents: watch::Receiver<Arc<IntentTable>>,
    policies: watch::Receiver<Arc<InForce>>,
}

impl Changes {
    async fn any(&mut self) {
        tokio::select! { // All are cancel-safe: they only wait for a change.
            () = self.service.changed() => {}
            () = changed(&mut self.clusters) => {}
            () = changed(&mut self.intents) => {}
            () = changed(&mut self.policies) => {}
        }
    }
}

/// Waits for a change; for ever once nobody can make one.
async fn changed<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        std::future::pending().await
    }
}

/// One watch.
pub(crate) struct PlanWatcher<E> {
    topics: Arc<Topics>,
    shared: Option<Arc<Topic>>,
    topic: PlanTopic,
    state: ApiState,
    encode: E,
    changes: Changes,
    told: Option<Told>,
    newcomer: bool,
}

impl<E: EncodePlan> PlanWatcher<E> {
    /// The newest plan, once it differs from what this watcher was told last. Cancel-safe: what is not returned is told by
    /// the next call.
    pub(crate) async fn next(&mut self) -> Bytes {
        loop {
            if let Some(news) = self.news() {
                self.told = Some(news.told);
                self.newcomer = false;
                return news.bytes;
            }
            self.changes.any().await;
        }
    }

    /// Reading the view under the topic's lock keeps the topic from going back in time.
    fn news(&self) -> Option<Event> {
        let shared = self.shared.as_ref().expect("a watcher leaves its topic only when it is dropped");
        let mut newest = shared.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let (resolver, now) = (self.state.resolver(), self.state.view().now());
        let inputs = resolver.inputs();
        let asking = resolver.understand(&self.topic.caller, &inputs);
        let encode = |planned: &Planned| self.encode.encode(&self.state, planned);
        let found = resolver.kept(&self.topic.key, &asking, &inputs, Face::Proto, encode);
        let told = found.as_ref().map_or(Told::Absent, |found| Told::of(found.encoded()));
        if self.told == Some(told) {
            return None;
        }
        let too_old = |event: &Event| self.newcomer && now.since(event.at) > OLD_FOR_A_NEWCOMER;
        match &*newest {
            Some(event) if event.told == told && !too_old(event) => Some(event.clone()),
            _ => {
                let bytes = match &found {
                    Some(found) => self.encode.plan(found.encoded(), &found.service, &inputs, now),
                    None => self.encode.absent(&self.state, &self.topic.key),
                };
                self.state.api_metrics().watch_encodings.inc();
                Some(newest.insert(Event { told, at: now, bytes }).clone())
            }
        }
    }
}

impl<E> Drop for PlanWatcher<E> {
    fn drop(&mut self) {
        drop(self.shared.take());
        // Who is about to watch holds a second count, or waits for this part of the map and makes the topic anew.
        self.topics.remove_if(&self.topic, |_, topic| Arc::strong_count(topic) == 1);
        self.state.api_metrics().watchers(WatchFace::Resolve).dec();
    }
}
