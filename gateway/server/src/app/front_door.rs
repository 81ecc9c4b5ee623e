//! The front door of a gateway, if its configuration has one.

use std::sync::Arc;

use anyhow::Context;
use bounded_listener::ListenerGate;
use federation_api::ApiState;
use federation_core::id::ServiceKey;
use federation_front_door::{FrontDoor, FrontDoorParts, FrontDoorSettings, ServiceNames};
use federation_nacos::LocalRegistrations;
use nacos_protocol::client::ServiceName;
use nacos_protocol::cluster::{ClusterOptions, NacosCluster};
use nacos_protocol::server::ServerOptions;

use crate::config::GatewayConfig;

/// The adapter of the local Nacos, as the front door meets it.
struct LocalNames(LocalRegistrations);

impl ServiceNames for LocalNames {
    fn federated(&self, local: &ServiceKey) -> Option<ServiceKey> {
        self.0.federated(&ServiceName::new(local.namespace(), local.group(), local.service()))
    }

    fn namespace(&self, local: &str) -> String {
        self.0.namespace(local)
    }
}

/// Binds its addresses. It answers from what `api` answers from, and passes on to the Nacos that `upstream` says.
///
/// # Errors
/// An address in use, or a TLS file of the Nacos that cannot be used.
pub(super) fn bind(
    config: &GatewayConfig,
    gate: ListenerGate,
    upstream: ClusterOptions,
    api: &ApiState,
    local: LocalRegistrations,
) -> anyhow::Result<Option<FrontDoor>> {
    let Some(door) = &config.front_door else { return Ok(None) };
    let settings = FrontDoorSettings {
        http: door.http,
        grpc: door.grpc,
        lookups: door.lookups.clone(),
        protocol: ServerOptions::default(),
    };
    let parts = FrontDoorParts {
        gate,
        view: api.view().clone(),
        resolver: Arc::clone(api.resolver()),
        cluster: config.cluster.clone(),
        names: Arc::new(LocalNames(local)),
        upstream: NacosCluster::new(upstream).context("the front door cannot reach the nacos")?,
    };
    let bound = FrontDoor::bind(settings, parts)?;
    tracing::info!(http = %door.http, grpc = %bound.grpc_address(), "front door listens");
    Ok(Some(bound))
}
