//! What every face answers from: one immutable value for each service, config item and cluster.
//!
//! One writer, the engine; any number of readers. Readers get `Arc`s, never a guard of the map. An ordered index beside
//! the map serves lists and pages; it changes only when a service appears or vanishes.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use dashmap::DashMap;
use federation_core::id::{ClusterId, ConfigKey, ServiceKey};
use federation_core::service::{ClusterStatus, FederatedConfig, FederatedService, Revision};
use tokio::sync::watch;

/// What changed at one step of the engine.
#[derive(Debug, Default)]
pub struct ViewChange {
    /// Services that changed; `None` if no origin has an instance any more.
    pub services: Vec<(ServiceKey, Option<Arc<FederatedService>>)>,
    /// Config items that changed; `None` if no origin has it any more.
    pub configs: Vec<(ConfigKey, Option<Arc<FederatedConfig>>)>,
    /// All clusters, if one of them changed.
    pub clusters: Option<Arc<ClusterTable>>,
    /// The gateway's own state, if it changed.
    pub gateway: Option<Arc<GatewayStatus>>,
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
}

/// What the gateway says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayStatus {
    /// Whether answers can be relied on: own Nacos read once, and the log read to the end that was seen at the start.
    pub ready: bool,
    /// Why it is not ready, or what is limited although it is ready; for people.
    pub reasons: Vec<String>,
    /// Named facts of its parts (leadership, connection to Nacos, log, refused calls), in a fixed order.
    pub facts: Vec<(&'static str, String)>,
}

/// A clock that a test can hold: milliseconds of the process's monotonic clock.
pub type Now = Arc<dyn Fn() -> federation_core::time::Mono + Send + Sync>;

struct Shared {
    services: DashMap<ServiceKey, Arc<FederatedService>, foldhash::fast::RandomState>,
    configs: DashMap<ConfigKey, Arc<FederatedConfig>, foldhash::fast::RandomState>,
    service_index: ArcSwap<BTreeSet<ServiceKey>>,
    config_index: ArcSwap<BTreeSet<ConfigKey>>,
    clusters: ArcSwap<ClusterTable>,
    gateway: ArcSwap<GatewayStatus>,
    watched: DashMap<ServiceKey, watch::Sender<Revision>, foldhash::fast::RandomState>,
    clusters_changed: watch::Sender<Revision>,
}

/// The only way to change the view. Deliberately not `Clone`: two writers would overwrite each other.
pub struct ViewWriter {
    shared: Arc<Shared>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct ViewReader {
    shared: Arc<Shared>,
    now: Now,
}

/// An empty view, to be written by one and read by many. `now` is the clock that cluster ages are told by.
#[must_use]
pub fn new(now: Now) -> (ViewWriter, ViewReader) {
    let shared = Arc::new(Shared {
        services: DashMap::default(),
        configs: DashMap::default(),
        service_index: ArcSwap::default(),
        config_index: ArcSwap::default(),
        clusters: ArcSwap::default(),
        gateway: ArcSwap::default(),
        watched: DashMap::default(),
        clusters_changed: watch::Sender::default(),
    });
    (ViewWriter { shared: Arc::clone(&shared) }, ViewReader { shared, now })
}

impl ViewWriter {
    /// Puts the change in place, then wakes whoever watches what changed.
    pub fn apply(&mut self, change: ViewChange) {
        self.index_services(&change);
        self.index_configs(&change);
        for (key, service) in &change.services {
            match service {
                Some(service) => drop(self.shared.services.insert(key.clone(), Arc::clone(service))),
                None => drop(self.shared.services.remove(key)),
            }
        }
        for (key, config) in &change.configs {
            match config {
                Some(config) => drop(self.shared.configs.insert(key.clone(), Arc::clone(config))),
                None => drop(self.shared.configs.remove(key)),
            }
        }
        if let Some(gateway) = change.gateway {
            self.shared.gateway.store(gateway);
        }
        if let Some(clusters) = change.clusters {
            self.replace_clusters(clusters);
        }
        for (key, _) in &change.services {
            self.wake(key);
        }
    }

    fn replace_clusters(&self, clusters: Arc<ClusterTable>) {
        let newest = clusters.clusters.iter().map(|cluster| cluster.freshness_revision).max().unwrap_or_default();
        self.shared.clusters.store(clusters);
        self.shared.clusters_changed.send_if_modified(|seen| std::mem::replace(seen, newest) != newest);
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
        if change.services.iter().all(|(key, service)| known(key) == service.is_some()) {
            return;
        }
        let mut index = BTreeSet::clone(&self.shared.service_index.load());
        for (key, service) in &change.services {
            if service.is_some() {
                index.insert(key.clone())
            } else {
                index.remove(key)
            };
        }
        self.shared.service_index.store(Arc::new(index));
    }

    fn index_configs(&self, change: &ViewChange) {
        let known = |key: &ConfigKey| self.shared.configs.contains_key(key);
        if change.configs.iter().all(|(key, config)| known(key) == config.is_some()) {
            return;
        }
        let mut index = BTreeSet::clone(&self.shared.config_index.load());
        for (key, config) in &change.configs {
            if config.is_some() {
                index.insert(key.clone())
            } else {
                index.remove(key)
            };
        }
        self.shared.config_index.store(Arc::new(index));
    }
}

impl ViewReader {
    /// The service, if any origin has an instance of it.
    #[must_use]
    pub fn service(&self, key: &ServiceKey) -> Option<Arc<FederatedService>> {
        self.shared.services.view(key, |_, service| Arc::clone(service))
    }

    /// The config item, if any origin has it.
    #[must_use]
    pub fn config(&self, key: &ConfigKey) -> Option<Arc<FederatedConfig>> {
        self.shared.configs.view(key, |_, config| Arc::clone(config))
    }

    /// All service names, ordered, as of one moment.
    #[must_use]
    pub fn service_names(&self) -> Arc<BTreeSet<ServiceKey>> {
        self.shared.service_index.load_full()
    }

    /// All config item names, ordered, as of one moment.
    #[must_use]
    pub fn config_names(&self) -> Arc<BTreeSet<ConfigKey>> {
        self.shared.config_index.load_full()
    }

    /// All clusters.
    #[must_use]
    pub fn clusters(&self) -> Arc<ClusterTable> {
        self.shared.clusters.load_full()
    }

    /// What the gateway says of itself.
    #[must_use]
    pub fn gateway(&self) -> Arc<GatewayStatus> {
        self.shared.gateway.load_full()
    }

    /// The clock that [`ClusterStatus::as_of`] is told by.
    #[must_use]
    pub fn now(&self) -> federation_core::time::Mono {
        (self.now)()
    }

    /// Changes whenever the service changes, appears or vanishes. The value counts changes and means nothing else.
    #[must_use]
    pub fn watch_service(&self, key: &ServiceKey) -> watch::Receiver<Revision> {
        self.shared.watched.entry(key.clone()).or_default().subscribe()
    }

    /// Changes whenever the freshness of a cluster changes.
    #[must_use]
    pub fn watch_clusters(&self) -> watch::Receiver<Revision> {
        self.shared.clusters_changed.subscribe()
    }
}
