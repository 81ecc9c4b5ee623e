//! What every face answers from: one immutable value for each service, config item and cluster.
//!
//! One writer, the engine; any number of readers. Readers get `Arc`s, never a guard of the map. An ordered index beside
//! the map serves lists and pages; it changes only when a service appears or vanishes. Numbers of each service for searches, sorted lists and counts are
//! in a [roster]. What readers [derive](derived) from a service
//! hangs on that value of it and goes with it. The writer also stamps its turns: see [`turns`].

mod clusters;
pub mod derived;
pub mod history;
mod noticed;
pub mod plots;
mod roster;
pub mod signals;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use federation_core::cause::ChangeCause;
use federation_core::comparison::NacosComparison;
use federation_core::drains::{IntentTable, OrderSettled, TakenOrder};
use federation_core::federation::{Membership, Verification};
use federation_core::guard::GuardTable;
use federation_core::id::{ClusterId, ConfigKey, ServiceKey};
use federation_core::reason::GatewayReason;
use federation_core::service::{ClusterStatus, FederatedConfig, FederatedService, Revision};
use federation_core::time::Millis;
use tokio::sync::watch;

use self::clusters::ShownClusters;
use self::derived::Forget;
use self::history::{ChangeBook, ChangeRecord, ChangeSubject, HistoryDesk, RememberedChanges};
use self::plots::{PlotHistory, PlotRings};
use self::roster::{FormerService, SharedRoster};
pub use self::roster::{OriginFacts, ServiceFacts, ServiceRoster};
use self::signals::{SignalBoard, SignalNews, SignalTopic, Signalled};
pub use self::turns::EngineMonitor;
use self::turns::Turns;
pub use self::turns::reason as stuck_reason;

/// What the changed services and config items of a change came of, in their order; what is missing came with time.
#[derive(Debug, Default)]
pub struct ChangeCauses {
    /// Of each service.
    pub services: Vec<ChangeCause>,
    /// Of each config item.
    pub configs: Vec<ChangeCause>,
}

/// What changed at one step of the engine.
#[derive(Debug, Default)]
pub struct ViewChange {
    /// Services that changed; `None` if no origin has an instance any more.
    pub services: Vec<(ServiceKey, Option<Arc<FederatedService>>)>,
    /// Config items that changed; `None` if no origin has it any more.
    pub configs: Vec<(ConfigKey, Option<Arc<FederatedConfig>>)>,
    /// What these changes came of.
    pub causes: ChangeCauses,
    /// All clusters, if one of them changed.
    pub clusters: Option<Arc<ClusterTable>>,
    /// The gateway's own state, if it changed.
    pub gateway: Option<Arc<GatewayStatus>>,
    /// How all gateways' readings compare, as of now.
    pub verification: Option<Arc<Verification>>,
    /// How the own log compares with what the own Nacos answers when it is asked anew, if that changed.
    pub comparison: Option<Arc<NacosComparison>>,
    /// The drains in force, if they changed.
    pub intents: Option<Arc<IntentTable>>,
    /// What is in force of holds of the guard, if that changed.
    pub holds: Option<Arc<GuardTable>>,
}

/// All members of the federation, sorted by id.
#[derive(Clone, Debug, Default)]
pub struct ClusterTable {
    /// Sorted by id.
    pub clusters: Vec<ClusterStatus>,
}

impl ClusterTable {
    /// The status of `id`.
    #[must_use]
    pub fn get(&self, id: &ClusterId) -> Option<&ClusterStatus> {
        let at = self.clusters.binary_search_by(|candidate| candidate.id.cmp(id)).ok()?;
        Some(&self.clusters[at])
    }

    /// The last change of any cluster's freshness.
    #[must_use]
    pub fn newest(&self) -> Revision {
        self.clusters.iter().map(|cluster| cluster.freshness_revision).max().unwrap_or_default()
    }

    /// The version of a service: its last change, or that of the freshness of one of its origins.
    #[must_use]
    pub fn version_of(&self, service: &FederatedService) -> Revision {
        self.version(service.revision, service.origins.iter().map(|found| &found.origin))
    }

    /// The version of a config item, as of a service.
    #[must_use]
    pub fn version_of_config(&self, config: &FederatedConfig) -> Revision {
        self.version(config.revision, config.items.iter().map(|found| &found.origin))
    }

    fn version<'a>(&self, changed: Revision, origins: impl Iterator<Item = &'a ClusterId>) -> Revision {
        let known = origins.filter_map(|origin| self.get(origin));
        known.map(|cluster| cluster.freshness_revision).fold(changed, Revision::max)
    }
}

/// What the gateway says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayStatus {
    /// Whether answers can be relied on: own Nacos read once, and the log read to the end that was seen at the start.
    pub ready: bool,
    /// Why it is not ready, or what is limited although it is ready.
    pub reasons: Vec<GatewayReason>,
    /// Named facts of its parts (leadership, connection to Nacos, log, refused calls), in a fixed order.
    pub facts: Vec<(&'static str, String)>,
    /// What it is configured to be, what its cluster is, and who is a stranger there.
    pub membership: Membership,
    /// How far its clock is behind the one of its cluster's replicas that is furthest ahead.
    pub clock_behind: Millis,
}

/// A clock that a test can hold: milliseconds of the process's monotonic clock.
pub type MonotonicNow = Arc<dyn Fn() -> federation_core::time::Mono + Send + Sync>;

/// The names that exist, ordered. Readers take a snapshot; the writer changes the set in place unless a snapshot is being
/// read, and copies it then. So a cold start of many services does not copy the set for each of them.
struct Index<K>(Mutex<Arc<BTreeSet<K>>>); // Locked for taking one `Arc`, or for the names of one change.

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Ord> Index<K> {
    fn snapshot(&self) -> Arc<BTreeSet<K>> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds and removes names: each with whether it exists now.
    fn set<'a>(&self, names: impl Iterator<Item = (&'a K, bool)>)
    where
        K: 'a,
    {
        let mut names = names.peekable();
        if names.peek().is_none() {
            return;
        }
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let set = Arc::make_mut(&mut shared);
        for (name, exists) in names {
            if exists {
                set.insert(name.clone());
            } else {
                set.remove(name);
            }
        }
    }
}

struct Shared {
    services: DashMap<ServiceKey, Arc<FederatedService>, foldhash::fast::RandomState>,
    configs: DashMap<ConfigKey, Arc<FederatedConfig>, foldhash::fast::RandomState>,
    service_index: Index<ServiceKey>,
    roster: SharedRoster,
    config_index: Index<ConfigKey>,
    clusters: ShownClusters,
    gateway: watch::Sender<Arc<GatewayStatus>>,
    verification: watch::Sender<Arc<Verification>>,
    comparison: watch::Sender<Arc<NacosComparison>>,
    watched: DashMap<ServiceKey, watch::Sender<Revision>, foldhash::fast::RandomState>,
    intents: watch::Sender<Arc<IntentTable>>,
    holds: watch::Sender<Arc<GuardTable>>,
    signals: SignalBoard,
    history: ChangeBook,
    plots: PlotRings,
    turns: Turns,
    /// Who keeps what is derived from services. Locked for taking them, or adding one.
    derivations: Mutex<Vec<Arc<dyn Forget>>>,
    now: MonotonicNow,
}

/// The only way to change the view. Deliberately not `Clone`: two writers would overwrite each other.
pub struct ViewWriter {
    shared: Arc<Shared>,
    desk: HistoryDesk,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct ViewReader {
    shared: Arc<Shared>,
}

/// An empty view, to be written by one and read by many. `now` is the clock that cluster ages are told by.
#[must_use]
pub fn new(now: MonotonicNow) -> (ViewWriter, ViewReader) {
    let shared = Arc::new(Shared {
        services: DashMap::default(),
        configs: DashMap::default(),
        service_index: Index::default(),
        roster: SharedRoster::default(),
        config_index: Index::default(),
        clusters: ShownClusters::default(),
        gateway: watch::Sender::default(),
        verification: watch::Sender::default(),
        comparison: watch::Sender::default(),
        watched: DashMap::default(),
        intents: watch::Sender::default(),
        holds: watch::Sender::default(),
        signals: SignalBoard::default(),
        history: ChangeBook::default(),
        plots: PlotRings::default(),
        turns: Turns::default(),
        derivations: Mutex::default(),
        now,
    });
    (ViewWriter { shared: Arc::clone(&shared), desk: HistoryDesk::default() }, ViewReader { shared })
}

impl ViewWriter {
    /// The drains in force, as shown now.
    pub fn intents(&self) -> Arc<IntentTable> {
        Arc::clone(&self.shared.intents.borrow())
    }

    /// The engine turns: says so to whoever asks whether it does.
    pub fn turned(&self) {
        self.shared.turns.turned((self.shared.now)());
    }

    /// For whoever looks after the engine from outside.
    #[must_use]
    pub fn monitor(&self) -> EngineMonitor {
        EngineMonitor::new(&self.shared)
    }

    /// Puts the change in place, then wakes whoever watches what changed. Whoever writes is not stuck.
    pub fn apply(&mut self, mut change: ViewChange) {
        self.shared.clusters.number(&mut change);
        let mut topics = noticed::topics(&change, &self.shared);
        self.index_services(&change);
        self.index_configs(&change);
        self.put_services(&change);
        self.forget_derived(&change);
        self.put_configs(&change);
        self.put_states(&mut change);
        if self.shared.turns.set_stuck(false) {
            topics.push(SignalTopic::Gateway);
        }
        self.put_orders(&mut change);
        for (key, _) in &change.services {
            self.wake(key);
        }
        if self.remember() {
            topics.push(SignalTopic::Changes);
        }
        let services: Vec<ServiceKey> = change.services.into_iter().map(|(key, _)| key).collect();
        let configs: Vec<ConfigKey> = change.configs.into_iter().map(|(key, _)| key).collect();
        self.shared.signals.signal(&Signalled { topics, services: &services, configs: &configs });
    }

    fn put_services(&mut self, change: &ViewChange) {
        let mut causes = change.causes.services.iter().copied();
        let mut changed = Vec::with_capacity(change.services.len());
        for (key, now) in &change.services {
            let former = match now {
                Some(service) => self.shared.services.insert(key.clone(), Arc::clone(service)),
                None => self.shared.services.remove(key).map(|(_, former)| former),
            };
            self.desk.service(former.as_deref(), now.as_deref(), causes.next().unwrap_or_default());
            changed.push(FormerService { key, now: now.as_ref(), former });
        }
        let is_ready = self.shared.gateway.borrow().ready;
        self.shared.roster.set(&changed, is_ready.then(|| (self.shared.now)()));
    }

    fn put_configs(&mut self, change: &ViewChange) {
        let mut causes = change.causes.configs.iter().copied();
        for (key, config) in &change.configs {
            let before = match config {
                Some(config) => self.shared.configs.insert(key.clone(), Arc::clone(config)),
                None => self.shared.configs.remove(key).map(|(_, before)| before),
            };
            self.desk.config(before.as_deref(), config.as_deref(), causes.next().unwrap_or_default());
        }
    }

    fn put_states(&mut self, change: &mut ViewChange) {
        if let Some(gateway) = change.gateway.take() {
            let before = self.shared.gateway.send_replace(Arc::clone(&gateway));
            self.desk.gateway(&before, &gateway);
        }
        if let Some(verification) = change.verification.take() {
            self.desk.leaders(&verification);
            self.shared.verification.send_replace(verification);
        }
        if let Some(comparison) = change.comparison.take() {
            self.shared.comparison.send_replace(comparison);
        }
        if let Some(clusters) = change.clusters.take() {
            self.desk.clusters(&clusters);
            self.shared.plots.sample((self.shared.now)(), &clusters.clusters);
            self.shared.clusters.replace(clusters);
        }
    }

    fn put_orders(&mut self, change: &mut ViewChange) {
        if let Some(intents) = change.intents.take() {
            let before = self.shared.intents.send_replace(Arc::clone(&intents));
            self.desk.drains(&before, &intents);
        }
        if let Some(holds) = change.holds.take() {
            let before = self.shared.holds.send_replace(Arc::clone(&holds));
            self.desk.holds(&before, &holds);
        }
    }

    /// Whether something happened that is remembered.
    fn remember(&mut self) -> bool {
        let (records, uncounted) = self.desk.take();
        if records.is_empty() && uncounted == 0 {
            return false;
        }
        self.shared.plots.count(records.iter().filter_map(|record| record.origin.as_ref()));
        self.shared.history.add((self.shared.now)(), records, uncounted);
        true
    }

    fn forget_derived(&self, change: &ViewChange) {
        let derivations = self.shared.derivations.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (key, _) in &change.services {
            derivations.iter().for_each(|derivation| derivation.forget(key));
        }
    }

    fn wake(&self, key: &ServiceKey) {
        // The guard of the map lives for this statement only.
        let unwatched = self.shared.watched.remove_if(key, |_, sender| sender.receiver_count() == 0).is_some();
        if !unwatched {
            let bump = |_: &ServiceKey, sender: &watch::Sender<Revision>| sender.send_modify(|seen| seen.0 += 1);
            self.shared.watched.view(key, bump);
        }
    }

    fn index_services(&self, change: &ViewChange) {
        let known = |key: &ServiceKey| self.shared.services.contains_key(key);
        let now = change.services.iter().map(|(key, service)| (key, service.is_some()));
        self.shared.service_index.set(now.filter(|(key, exists)| known(key) != *exists));
    }

    fn index_configs(&self, change: &ViewChange) {
        let known = |key: &ConfigKey| self.shared.configs.contains_key(key);
        let now = change.configs.iter().map(|(key, config)| (key, config.is_some()));
        self.shared.config_index.set(now.filter(|(key, exists)| known(key) != *exists));
    }
}

impl ViewReader {
    /// The service, if any origin has an instance of it.
    #[must_use]
    pub fn service(&self, key: &ServiceKey) -> Option<Arc<FederatedService>> {
        self.shared.services.view(key, |_, service| Arc::clone(service))
    }

    /// From now on tells `listener` of each service that changes or vanishes.
    fn tell_of_changes(&self, listener: Arc<dyn Forget>) {
        self.shared.derivations.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// The config item, if any origin has it.
    #[must_use]
    pub fn config(&self, key: &ConfigKey) -> Option<Arc<FederatedConfig>> {
        self.shared.configs.view(key, |_, config| Arc::clone(config))
    }

    /// All service names, ordered, as of one moment.
    #[must_use]
    pub fn service_names(&self) -> Arc<BTreeSet<ServiceKey>> {
        self.shared.service_index.snapshot()
    }

    /// All services in numbers, ordered by name, as of one moment.
    #[must_use]
    pub fn roster(&self) -> ServiceRoster {
        self.shared.roster.snapshot()
    }

    /// All config item names, ordered, as of one moment.
    #[must_use]
    pub fn config_names(&self) -> Arc<BTreeSet<ConfigKey>> {
        self.shared.config_index.snapshot()
    }

    /// All clusters; all of them isolated while the engine is stuck.
    #[must_use]
    pub fn clusters(&self) -> Arc<ClusterTable> {
        self.shared.clusters.table()
    }

    /// The drains in force.
    #[must_use]
    pub fn intents(&self) -> Arc<IntentTable> {
        Arc::clone(&self.shared.intents.borrow())
    }

    /// Changes whenever the drains in force do.
    #[must_use]
    pub fn watch_intents(&self) -> watch::Receiver<Arc<IntentTable>> {
        self.shared.intents.subscribe()
    }

    /// What is in force of holds of the guard, of all clusters.
    #[must_use]
    pub fn holds(&self) -> Arc<GuardTable> {
        Arc::clone(&self.shared.holds.borrow())
    }

    /// Changes whenever that does.
    #[must_use]
    pub fn watch_holds(&self) -> watch::Receiver<Arc<GuardTable>> {
        self.shared.holds.subscribe()
    }

    /// Waits until an order is in force or overruled; for ever if it never is read in the log. Cancel-safe.
    pub async fn settled(&self, taken: &TakenOrder) -> OrderSettled {
        let mut intents = self.watch_intents();
        loop {
            let settled = intents.borrow_and_update().settled(taken);
            if let Some(settled) = settled {
                return settled;
            }
            if intents.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// What the gateway says of itself.
    #[must_use]
    pub fn gateway(&self) -> Arc<GatewayStatus> {
        Arc::clone(&self.shared.gateway.borrow())
    }

    /// How all gateways' readings compare with what the origins say, as of when the gateway's own state was last written.
    #[must_use]
    pub fn verification(&self) -> Arc<Verification> {
        Arc::clone(&self.shared.verification.borrow())
    }

    /// How far the last comparison of the own log with the own Nacos is, as of when the gateway's own state was last written.
    #[must_use]
    pub fn nacos_comparison(&self) -> Arc<NacosComparison> {
        Arc::clone(&self.shared.comparison.borrow())
    }

    /// Changes whenever the gateway's own state is written.
    #[must_use]
    pub fn watch_gateway(&self) -> watch::Receiver<Arc<GatewayStatus>> {
        self.shared.gateway.subscribe()
    }

    /// What changed since the change of this number.
    #[must_use]
    pub fn signals_since(&self, number: u64) -> SignalNews {
        self.shared.signals.since(number)
    }

    /// The number of the newest change.
    #[must_use]
    pub fn newest_signal(&self) -> u64 {
        self.shared.signals.newest()
    }

    /// Changes with every change of any topic. Names of what changed are remembered only while somebody has one of these.
    #[must_use]
    pub fn watch_signals(&self) -> watch::Receiver<u64> {
        self.shared.signals.watch()
    }

    /// A topic that the view knows nothing of (policy, exclusions, troubles) is as `mark` says: it changed if another mark was noted before.
    /// Whoever tells of changes notes what he sees; the first of many counts.
    pub fn note_signal(&self, topic: SignalTopic, mark: u64) {
        self.shared.signals.note(topic, mark);
    }

    /// What is remembered of changes of one subject, or of everything, with ids below `below`.
    #[must_use]
    pub fn changes(&self, subject: Option<&ChangeSubject>, below: u64) -> RememberedChanges {
        self.shared.history.remembered(subject, below)
    }

    /// Remembers what the engine knows nothing of, and signals it.
    pub(crate) fn remember(&self, records: Vec<ChangeRecord>) {
        if !records.is_empty() && self.gateway().ready {
            self.shared.history.add(self.now(), records, 0);
            let topics = vec![SignalTopic::Changes];
            self.shared.signals.signal(&Signalled { topics, ..Signalled::default() });
        }
    }

    /// Clusters as they were in the last hour.
    #[must_use]
    pub fn plots(&self) -> PlotHistory {
        self.shared.plots.history()
    }

    /// The clock that [`ClusterStatus::as_of`] is told by.
    #[must_use]
    pub fn now(&self) -> federation_core::time::Mono {
        (self.shared.now)()
    }

    /// For how long the engine has not turned, while that is too long.
    #[must_use]
    pub fn engine_stuck(&self) -> Option<Millis> {
        self.shared.turns.stuck_for(self.now())
    }

    /// Since the engine last turned; `None` before it began.
    #[must_use]
    pub fn engine_silence(&self) -> Option<Millis> {
        self.shared.turns.silence(self.now())
    }

    /// Whether answers can be relied on: the engine said so, and still turns.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.gateway().ready && self.engine_stuck().is_none()
    }

    /// How far the clock of this process is behind the one of its cluster's gateways that is furthest ahead.
    #[must_use]
    pub fn clock_behind(&self) -> Millis {
        self.shared.gateway.borrow().clock_behind
    }

    /// Tells whenever the service changes, appears or vanishes.
    #[must_use]
    pub fn watch_service(&self, key: &ServiceKey) -> ServiceWatch {
        let changes = self.shared.watched.entry(key.clone()).or_default().subscribe();
        ServiceWatch { changes: Some(changes), key: key.clone(), shared: Arc::clone(&self.shared) }
    }

    /// Changes whenever the freshness of a cluster changes.
    #[must_use]
    pub fn watch_clusters(&self) -> watch::Receiver<Revision> {
        self.shared.clusters.watch()
    }
}

/// Somebody's interest in one service; nothing is kept of it once the last one is dropped.
pub struct ServiceWatch {
    changes: Option<watch::Receiver<Revision>>,
    key: ServiceKey,
    shared: Arc<Shared>,
}

impl ServiceWatch {
    /// Waits for a change since the watch began or since the last call; changes in between count as one. Never returns
    /// once the view is gone. Cancel-safe.
    pub async fn changed(&mut self) {
        let told = match &mut self.changes {
            Some(changes) => changes.changed().await.is_ok(),
            None => false,
        };
        if !told {
            std::future::pending().await
        }
    }
}

impl Drop for ServiceWatch {
    fn drop(&mut self) {
        drop(self.changes.take());
        self.shared.watched.remove_if(&self.key, |_, sender| sender.receiver_count() == 0);
    }
}
