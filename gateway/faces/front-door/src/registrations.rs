//! Registrations: passed on to the local Nacos, on a connection of each client's own.

use std::sync::Arc;

use nacos_protocol::cluster::NacosCluster;
use nacos_protocol::server::{CallingClient, ConnectionId, NamingPublication, RegistryRefusal, ServiceName};
use tokio_util::sync::CancellationToken;

/// See the module.
pub(crate) struct Registrations {
    _upstream: Arc<NacosCluster>,
}

/// What there is to run.
pub(crate) struct RegistrationTasks;

impl Registrations {
    pub(crate) fn new(upstream: Arc<NacosCluster>) -> (Self, RegistrationTasks) {
        (Self { _upstream: upstream }, RegistrationTasks)
    }

    /// Registers or withdraws instances of a client.
    ///
    /// # Errors
    /// What the local Nacos refuses, in its words; that it cannot be reached.
    pub(crate) async fn publish(
        &self,
        _caller: &CallingClient<'_>,
        _service: ServiceName,
        _publication: NamingPublication,
    ) -> Result<(), RegistryRefusal> {
        Err(RegistryRefusal::failed("registrations are not passed on yet"))
    }

    /// A client is gone, and with it what it registered.
    pub(crate) fn forget(&self, _connection: &ConnectionId) {}
}

impl RegistrationTasks {
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), tokio::task::JoinError> {
        stop.cancelled().await;
        Ok(())
    }
}
