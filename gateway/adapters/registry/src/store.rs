//! All that the embedded registry keeps, in one place for its one owner.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use federation_core::id::{ConfigKey, ServiceKey};
use tokio::sync::oneshot;

use super::configs::{ConfigStore, DEFAULT_NAMESPACE};
use super::fuzzy::{FuzzyWatches, Name};
use super::naming::{NamingStore, Now};
use super::polls::{Known, Polls};

/// A namespace as it was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Shown name.
    pub name: String,
    /// Description.
    pub description: String,
}

/// See the module.
#[derive(Debug)]
pub struct Store {
    /// Services and instances.
    pub naming: NamingStore,
    /// Config items.
    pub configs: ConfigStore,
    /// Watches on what exists.
    pub fuzzy: FuzzyWatches,
    /// Who waits over HTTP for a config item to change.
    pub polls: Polls<oneshot::Sender<Vec<Known>>>,
    /// By id. As in Nacos, services and config items may be in namespaces that nobody created.
    pub namespaces: BTreeMap<String, Namespace>,
    connections: HashSet<Arc<str>>,
}

impl Default for Store {
    fn default() -> Self {
        let public = Namespace { name: DEFAULT_NAMESPACE.into(), description: "Default Namespace".into() };
        Self {
            naming: NamingStore::default(),
            configs: ConfigStore::default(),
            fuzzy: FuzzyWatches::default(),
            polls: Polls::default(),
            namespaces: BTreeMap::from([(DEFAULT_NAMESPACE.into(), public)]),
            connections: HashSet::new(),
        }
    }
}

impl Store {
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
    pub fn disconnect(&mut self, connection: &Arc<str>, now: Now) {
        self.connections.remove(connection);
        self.naming.disconnect(connection, now);
        self.configs.disconnect(connection);
        self.fuzzy.disconnect(connection);
    }
}

impl<'a> From<&'a ServiceKey> for Name<'a> {
    fn from(key: &'a ServiceKey) -> Self {
        Self { namespace: key.namespace(), group: key.group(), name: key.service() }
    }
}

impl<'a> From<&'a ConfigKey> for Name<'a> {
    fn from(key: &'a ConfigKey) -> Self {
        Self { namespace: key.namespace(), group: key.group(), name: key.data_id() }
    }
}
