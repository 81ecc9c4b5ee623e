//! The front door of a gateway, if its configuration has one.

use std::sync::Arc;

use anyhow::Context;
use bounded_listener::{ListenerGate, ListenerTls};
use federation_api::ApiState;
use federation_core::id::ServiceKey;
use federation_core::local::mark::DoorMark;
use federation_front_door::{FrontDoor, FrontDoorParts, FrontDoorSettings, RegistrationNews, ServiceNames};
use federation_nacos::LocalRegistrations;
use federation_ports::metrics::FrontDoorMetrics;
use federation_ports::trouble::TroubleBoard;
use nacos_protocol::client::ServiceName;
use nacos_protocol::cluster::{ClusterOptions, NacosCluster};
use nacos_protocol::message::naming::NacosInstance;
use nacos_protocol::server::ServerOptions;

use crate::config::GatewayConfig;

/// The adapter of the local Nacos, as the front door meets it.
struct LocalNames(LocalRegistrations);

impl ServiceNames for LocalNames {
    fn federated(&self, local: &ServiceKey) -> Option<ServiceKey> {
        self.0.federated(&ServiceName::new(local.namespace(), local.group(), local.service()))
    }

    fn are_all_exported(&self, namespace: &str, group: &str) -> bool {
        self.0.are_all_exported(namespace, group)
    }

    fn namespace(&self, local: &str) -> String {
        self.0.namespace(local)
    }
}

impl RegistrationNews for LocalNames {
    fn registered(&self, service: &nacos_protocol::server::ServiceName, instances: &[NacosInstance]) {
        let name = ServiceName::new(&*service.namespace, &*service.group, &*service.service);
        self.0.acknowledged(&name, instances, &[]);
    }

    fn withdrawn(&self, service: &nacos_protocol::server::ServiceName, instances: &[NacosInstance]) {
        let name = ServiceName::new(&*service.namespace, &*service.group, &*service.service);
        self.0.acknowledged(&name, &[], instances);
    }
}

/// What it stands on.
pub(super) struct FrontDoorGround {
    /// Where its connections count.
    pub(super) gate: ListenerGate,
    /// The local Nacos.
    pub(super) upstream: ClusterOptions,
    /// Who watches it.
    pub(super) registrations: LocalRegistrations,
    /// Names this process among the gateways of its cluster.
    pub(super) mark: DoorMark,
    /// Where troubles are told.
    pub(super) troubles: TroubleBoard,
    /// What is counted.
    pub(super) metrics: FrontDoorMetrics,
}

/// Binds its addresses. It answers from what `api` answers from.
///
/// # Errors
/// An address in use, or a TLS file of the Nacos that cannot be used.
pub(super) fn bind(
    config: &GatewayConfig,
    ground: FrontDoorGround,
    api: &ApiState,
    tls: Option<ListenerTls>,
) -> anyhow::Result<Option<FrontDoor>> {
    let Some(door) = &config.front_door else { return Ok(None) };
    let settings = FrontDoorSettings {
        http: door.http,
        grpc: door.grpc,
        lookups: door.lookups.clone(),
        access: door.auth.rule(ground.upstream.has_login()),
        max_connections: door.max_connections,
        protocol: ServerOptions { max_connections: door.max_connections, ..ServerOptions::default() },
    };
    let parts = FrontDoorParts {
        gate: ground.gate,
        view: api.view().clone(),
        resolver: Arc::clone(api.resolver()),
        cluster: config.cluster.clone(),
        mark: ground.mark,
        names: Arc::new(LocalNames(ground.registrations.clone())),
        news: Arc::new(LocalNames(ground.registrations)),
        upstream: NacosCluster::new(ground.upstream).context("the front door cannot reach the nacos")?,
        troubles: ground.troubles,
        metrics: ground.metrics,
    };
    let encrypted = tls.is_some();
    let bound = FrontDoor::bind(settings, parts)?.secured(tls);
    api.attach_front_door(Arc::new(bound.handle()));
    tracing::info!(http = %door.http, grpc = %bound.grpc_address(), tls = encrypted, "front door listens");
    Ok(Some(bound))
}
