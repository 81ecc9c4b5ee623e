//! Config items: read, written and listened to in the local Nacos.

use std::sync::Arc;

use nacos_protocol::cluster::NacosCluster;
use nacos_protocol::message::config::ConfigQueryResponse;
use nacos_protocol::server::{
    CallingClient, ClientSessions, ConfigChange, ConfigName, ConnectionId, FuzzyWatch, ListenContext, RegistryRefusal,
};
use tokio_util::sync::CancellationToken;

/// See the module.
pub(crate) struct Configs {
    _upstream: Arc<NacosCluster>,
    _sessions: ClientSessions,
}

/// What there is to run.
pub(crate) struct ConfigTasks;

impl Configs {
    pub(crate) fn new(upstream: Arc<NacosCluster>, sessions: ClientSessions) -> (Self, ConfigTasks) {
        (Self { _upstream: upstream, _sessions: sessions }, ConfigTasks)
    }

    /// Reads an item; `None` if there is none.
    ///
    /// # Errors
    /// The local Nacos refuses it, or is not there and no copy is known.
    pub(crate) async fn read(
        &self,
        _caller: &CallingClient<'_>,
        _name: ConfigName,
        _tag: Option<String>,
    ) -> Result<Option<ConfigQueryResponse>, RegistryRefusal> {
        Err(not_yet())
    }

    /// Writes or removes an item.
    ///
    /// # Errors
    /// What the local Nacos refuses, in its words; that it cannot be reached.
    pub(crate) async fn change(
        &self,
        _caller: &CallingClient<'_>,
        _name: ConfigName,
        _change: ConfigChange,
    ) -> Result<(), RegistryRefusal> {
        Err(not_yet())
    }

    /// Listens; returns what differs already from what the client holds, as it named it.
    ///
    /// # Errors
    /// The local Nacos refuses it.
    pub(crate) async fn listen(
        &self,
        _caller: &CallingClient<'_>,
        _contexts: Vec<ListenContext>,
    ) -> Result<Vec<ConfigName>, RegistryRefusal> {
        Err(not_yet())
    }

    /// Listens no more.
    pub(crate) fn ignore(&self, _caller: &CallingClient<'_>, _names: Vec<ConfigName>) {}

    /// Begins or ends a watch on which items exist.
    ///
    /// # Errors
    /// The local Nacos refuses it, or cannot do it.
    pub(crate) async fn fuzzy_watch(
        &self,
        _caller: &CallingClient<'_>,
        _watch: FuzzyWatch,
    ) -> Result<(), RegistryRefusal> {
        Err(not_yet())
    }

    /// A client is gone.
    pub(crate) fn forget(&self, _connection: &ConnectionId) {}
}

impl ConfigTasks {
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), tokio::task::JoinError> {
        stop.cancelled().await;
        Ok(())
    }
}

fn not_yet() -> RegistryRefusal {
    RegistryRefusal::failed("config items are not passed on yet")
}
