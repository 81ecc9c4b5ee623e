//! The gRPC face: `federation.v1.Discovery`, health and reflection. All gRPC services of the gateway share one port.

mod discovery;
mod events;
mod wire;

use axum::routing::post_service;
use federation_proto::federation::v1::discovery_server::DiscoveryServer;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use self::discovery::DiscoveryFace;
use self::events::WatchRoute;
use super::ApiState;

/// What health is asked about by name; the empty name is the whole server.
const HEALTH_NAMES: [&str; 2] = ["", "federation.v1.Discovery"];

/// All gRPC services, and the handle that [`report_readiness`] needs.
#[must_use]
pub fn routes(state: &ApiState) -> (Routes, HealthReporter) {
    let (reporter, health) = tonic_health::server::health_reporter();
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(federation_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let reflection = builder().build_v1().expect("descriptors were checked when they were compiled");
    let older_reflection = builder().build_v1alpha().expect("descriptors were checked when they were compiled");
    let mut routes = Routes::new(DiscoveryServer::new(DiscoveryFace(state.clone())))
        .add_service(health)
        .add_service(reflection)
        .add_service(older_reflection);
    // The more specific path wins over the generated service's: watches pass on bytes that were encoded once.
    let router = std::mem::take(routes.axum_router_mut());
    *routes.axum_router_mut() = router.route_service(events::PATH, post_service(WatchRoute(state.clone())));
    (routes, reporter)
}

/// Tells gRPC's health what `/readyz` tells, until the gateway stops; then that nothing is served any more.
pub async fn report_readiness(state: ApiState, reporter: HealthReporter) {
    let mut gateway = state.view().watch_gateway();
    loop {
        let (ready, _) = state.readiness();
        let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in HEALTH_NAMES {
            reporter.set_service_status(name, status).await;
        }
        if state.draining().is_cancelled() {
            return;
        }
        tokio::select! { // Both are cancel-safe: they only wait.
            () = state.draining().cancelled() => {}
            // Cannot fail: the sender lives as long as the view, which is held here.
            _ = gateway.changed() => {}
        }
    }
}
