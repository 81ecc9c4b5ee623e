//! The gRPC face: `federation.v1.Discovery` and `federation.v1.Routing`, health and reflection. All gRPC services of the gateway share one port.

mod calls;
mod discovery;
mod encoded_once;
pub(super) mod events;
mod plan_wire;
pub(crate) mod rights;
mod routing;
mod wire;

use std::time::Duration;

use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::post_service;
use bounded_listener::limits::REQUEST_SIZE;
use bounded_listener::{AnswerShape, ExchangeRule, ListenerRefusal, WantedBody};
use federation_access::authority::ListenerPlace;
use federation_proto::federation::v1::discovery_server::DiscoveryServer;
use federation_proto::federation::v1::routing_server::RoutingServer;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use self::calls::{CallRoute, Streamed};
use self::discovery::DiscoveryFace;
pub use self::encoded_once::EncodedOnce;
use self::events::WatchService;
use self::rights::Admission;
use self::routing::{ResolveCall, RoutingFace, WatchResolve};
use super::ApiState;

/// What health is asked about by name; the empty name is the whole server.
const HEALTH_NAMES: [&str; 3] = ["", "federation.v1.Discovery", "federation.v1.Routing"];

/// A message with its prefix, as the body of a call has it.
const CALL_SIZE: usize = REQUEST_SIZE + 5;
/// How long a client that asks for descriptions may be silent between two questions. Tools ask for all they need at once.
const QUESTIONS_WITHIN: Duration = Duration::from_secs(60);

/// What a call may carry: names and a few parameters. Descriptions are asked for by a stream of questions; watches do not end.
pub(super) fn rule(head: &Parts) -> ExchangeRule {
    match head.uri.path() {
        events::PATH | routing::WATCH_RESOLVE | "/grpc.health.v1.Health/Watch" => ExchangeRule::watch(CALL_SIZE),
        path if path.starts_with("/grpc.reflection.") => ExchangeRule {
            request: WantedBody::Messages { largest: REQUEST_SIZE, idle: Some(QUESTIONS_WITHIN) },
            answer: AnswerShape::Endless,
        },
        _ => ExchangeRule::call(CALL_SIZE),
    }
}

/// A call whose message did not come, or whose answer has no room.
pub(super) fn refuse(refusal: ListenerRefusal) -> Response {
    let code = Code::from_i32(refusal.grpc_code().into());
    Status::new(code, refusal.to_string()).into_http::<axum::body::Body>()
}

/// All gRPC services, for those whom their rights let in at such a place, and the handle that [`report_readiness`] needs.
#[must_use]
pub fn routes(state: &ApiState, place: ListenerPlace) -> (Routes, HealthReporter) {
    let (reporter, health) = tonic_health::server::health_reporter();
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(federation_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let reflection = builder().build_v1().expect("descriptors were checked when they were compiled");
    let older_reflection = builder().build_v1alpha().expect("descriptors were checked when they were compiled");
    let mut routes = Routes::new(DiscoveryServer::new(DiscoveryFace(state.clone())))
        .add_service(RoutingServer::new(RoutingFace(state.clone())))
        .add_service(health)
        .add_service(reflection)
        .add_service(older_reflection);
    // The more specific path wins over the generated service's: these pass on bytes that were encoded once.
    let router = std::mem::take(routes.axum_router_mut());
    *routes.axum_router_mut() = router
        .route_service(events::PATH, post_service(CallRoute(Streamed(WatchService::new(state)))))
        .route_service(routing::RESOLVE, post_service(CallRoute(ResolveCall(state.clone()))))
        .route_service(routing::WATCH_RESOLVE, post_service(CallRoute(Streamed(WatchResolve::new(state)))))
        .layer(from_fn_with_state(Admission { state: state.clone(), place }, rights::admit));
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
