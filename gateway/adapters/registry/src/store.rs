//! All that the embedded registry keeps, in one place for its one owner.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use federation_core::id::{ConfigKey, ServiceKey};
use nacos_protocol::names::DEFAULT_NAMESPACE;
use nacos_protocol::server::fuzzy::{FuzzyWatches, WatchedName};
use tokio::sync::oneshot;

use super::configs::ConfigStore;
use super::naming::{NamingNow, NamingStore};
use super::polls::{KnownItem, LongPolls};

/// A namespace as it was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredNamespace {
    /// Shown name.
    pub name: String,
    /// Description.
    pub description: String,
}

/// See the module.
#[derive(Debug)]
pub struct RegistryStore {
    /// Services and instances.
    pub naming: NamingStore,
    /// Config items.
    pub configs: ConfigStore,
    /// Watches on what exists.
    pub fuzzy: FuzzyWatches,
    /// Who waits over HTTP for a config item to change.
    pub polls: LongPolls<oneshot::Sender<Vec<KnownItem>>>,
    /// By id. As in Nacos, services and config items may be in namespaces that nobody created.
    pub namespaces: BTreeMap<String, StoredNamespace>,
    connections: HashSet<Arc<str>>,
}

impl Default for RegistryStore {
    fn default() -> Self {
        let public = StoredNamespace { name: DEFAULT_NAMESPACE.into(), description: "Default Namespace".into() };
        Self {
            naming: NamingStore::default(),
            configs: ConfigStore::default(),
            fuzzy: FuzzyWatches::default(),
            polls: LongPolls::default(),
            namespaces: BTreeMap::from([(DEFAULT_NAMESPACE.into(), public)]),
            connections: HashSet::new(),
        }
    }
}

impl RegistryStore {
    /// A client is there.
    pub fn connect(&mut self, connection: Arc<str>) {
        self.connections.insert(connection);
    }

    /// Whether the client is still there: what comes later from it must leave nothing behind.
    #[must_use]
    pub fn is_connected(&self, connection: &Arc<str>) -> bool {
        self.connections.contains(connection)
    }

    /// How many clients are connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// A client is gone, with all that it owned.
    pub fn disconnect(&mut self, connection: &Arc<str>, now: NamingNow) {
        self.connections.remove(connection);
        self.naming.disconnect(connection, now);
        self.configs.disconnect(connection);
        self.fuzzy.disconnect(connection);
    }
}

/// A service as watches name it.
pub(super) fn watched_service(key: &ServiceKey) -> WatchedName<'_> {
    WatchedName { namespace: key.namespace(), group: key.group(), name: key.service() }
}

/// A config item as watches name it.
pub(super) fn watched_config(key: &ConfigKey) -> WatchedName<'_> {
    WatchedName { namespace: key.namespace(), group: key.group(), name: key.data_id() }
}
