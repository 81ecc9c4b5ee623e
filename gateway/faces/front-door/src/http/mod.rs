//! The HTTP side: what SDKs without gRPC, scripts and consoles call of Nacos's API, versions 1, 2 and 3.
//!
//! ```text
//!   instance/list, service/list    from the view, in each version's form (`lookups`)
//!   register, beat, config, login  to the local Nacos and back, as they came (`passing`)
//!   health, metrics, serverlist    of this door (`state`)
//!   admin, console, cluster        403, whoever asks
//!   anything else                  404, or 501 below /v1/ns, as a Nacos answers what it does not know
//! ```
//!
//! Invariants: only what is listed here by its whole path reaches the local Nacos, with the caller's own credentials and never with those of the
//! gateway. An HTTP instance lives by the beats that Nacos itself hears, with Nacos's times.

mod answer;
mod asked;
mod copies;
mod lookups;
mod passing;
mod registering;
mod state;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post, put};
use bounded_listener::limits::REQUEST_SIZE;
use bounded_listener::{
    ExchangeRule, ListenerFace, ListenerGate, ListenerRefusal, PeerConnection, RequestBody, Service,
};
use http::request::Parts;
use http::{Method, StatusCode};
use nacos_protocol::cluster::NacosCluster;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::door::Door;
use crate::registrations::RegistrationNews;
pub(crate) use copies::LastAnswers;

use answer::{bare, explain, server_error};

/// Longest content of a config item, in bytes.
const CONTENT_MAX_BYTES: usize = 10 << 20;

/// Largest request: a config item, whose content percent-encoding triples at worst, and the rest of its form.
pub(crate) const MAX_REQUEST_BYTES: usize = 3 * CONTENT_MAX_BYTES + REQUEST_SIZE;

/// Largest long poll: 3,000 items of some 300 bytes, encoded; and what Nacos's web server takes of a form.
const MAX_POLL_BYTES: usize = 2 << 20;

/// The long poll of version 1.
const LONG_POLL: &str = "/v1/cs/configs/listener";

/// What the routes need.
#[derive(Clone)]
pub(crate) struct Web {
    /// Who answers lookups, and may say no.
    pub(crate) door: Arc<Door>,
    /// Where the rest goes.
    pub(crate) upstream: Arc<NacosCluster>,
    /// Where the descriptors of calls that are passed on count.
    pub(crate) gate: ListenerGate,
    /// Who hears what the local Nacos acknowledged.
    pub(crate) news: Arc<dyn RegistrationNews>,
    /// Config items as they were read last.
    pub(crate) answers: Arc<LastAnswers>,
    /// Long polls are answered then.
    pub(crate) stopping: CancellationToken,
}

/// All routes, for the listener.
pub(crate) fn face(web: Web) -> WebFace {
    WebFace { router: router(web) }
}

fn router(web: Web) -> Router {
    let nacos = looked_up().merge(passed()).merge(own()).merge(never());
    Router::new()
        .nest("/nacos", nacos)
        .fallback(|| async { bare(StatusCode::NOT_FOUND) })
        .layer(DefaultBodyLimit::disable()) // The listener has received the body within the limit of `rule`.
        .layer(from_fn(explain))
        .with_state(web)
}

fn looked_up() -> Router<Web> {
    Router::new()
        .route("/v1/ns/instance/list", get(lookups::list_v1))
        .route("/v2/ns/instance/list", get(lookups::list_v2))
        .route("/v3/client/ns/instance/list", get(lookups::list_v3))
        .route("/v1/ns/service/list", get(lookups::names_v1))
        .route("/v2/ns/service/list", get(lookups::names_v2))
}

fn passed() -> Router<Web> {
    let login = || post(passing::pass);
    let service = || get(passing::pass).post(passing::pass).put(passing::pass).delete(passing::pass);
    let registering = || post(registering::pass_instance).delete(registering::pass_instance);
    let instance = || registering().get(passing::pass).put(passing::pass).patch(passing::pass);
    let config = || get(passing::pass).post(passing::pass).delete(passing::pass);
    Router::new()
        .route("/v1/ns/instance", instance())
        .route("/v2/ns/instance", instance())
        .route("/v3/client/ns/instance", registering())
        .route("/v1/ns/instance/beat", put(passing::pass))
        .route("/v2/ns/instance/beat", put(passing::pass))
        .route("/v1/ns/service", service())
        .route("/v2/ns/service", service())
        .route("/v1/cs/configs", config())
        .route("/v2/cs/config", config())
        .route("/v3/client/cs/config", get(passing::pass))
        .route(LONG_POLL, post(passing::pass_poll))
        .route("/v1/auth/login", login())
        .route("/v1/auth/users/login", login())
        .route("/v3/auth/user/login", login())
}

fn own() -> Router<Web> {
    Router::new()
        .route("/v1/console/health/liveness", get(state::live_v1))
        .route("/v1/console/health/readiness", get(state::ready_v1))
        .route("/v2/console/health/liveness", get(state::live))
        .route("/v2/console/health/readiness", get(state::ready))
        .route("/v3/console/health/liveness", get(state::live))
        .route("/v3/console/health/readiness", get(state::ready))
        .route("/v3/admin/core/state/liveness", get(state::live))
        .route("/v3/admin/core/state/readiness", get(state::ready))
        .route("/v1/ns/operator/metrics", get(state::metrics_v1))
        .route("/v2/ns/operator/metrics", get(state::metrics_v2))
        .route("/serverlist", get(state::servers))
}

/// What a Nacos has for operators, its console and its other servers.
fn never() -> Router<Web> {
    const AREAS: [&str; 20] = [
        "/v1/auth",
        "/v3/auth",
        "/v1/console",
        "/v2/console",
        "/v3/console",
        "/v3/admin",
        "/v1/core",
        "/v2/core",
        "/v1/ns/catalog",
        "/v1/ns/cluster",
        "/v1/ns/distro",
        "/v1/ns/operator",
        "/v2/ns/operator",
        "/v1/ns/raft",
        "/v2/ns/client",
        "/v1/cs/capacity",
        "/v1/cs/history",
        "/v2/cs/history",
        "/v1/cs/ops",
        "/actuator",
    ];
    let refused = || any(|| async { bare(StatusCode::FORBIDDEN) });
    AREAS.iter().fold(Router::new(), |router, area| router.route(&format!("{area}/{{*rest}}"), refused()))
}

/// What a request may carry: publications of config items are large, long polls name many, all others are names and some metadata.
fn rule(head: &Parts) -> ExchangeRule {
    let path = head.uri.path().strip_prefix("/nacos").unwrap_or_default();
    let publishes = matches!(path, "/v1/cs/configs" | "/v2/cs/config") && head.method == Method::POST;
    ExchangeRule::call(match path {
        _ if publishes => MAX_REQUEST_BYTES,
        LONG_POLL => MAX_POLL_BYTES,
        _ => REQUEST_SIZE,
    })
}

/// The routes, for each connection with the address of who is there.
#[derive(Clone)]
pub(crate) struct WebFace {
    router: Router,
}

/// See [`WebFace`].
#[derive(Clone)]
pub(crate) struct WebService {
    router: Router,
    peer: SocketAddr,
}

/// Who asks, as this door sees it.
#[derive(Clone, Copy, Debug)]
struct PeerAddress(SocketAddr);

impl ListenerFace for WebFace {
    type Service = WebService;

    fn connected(&self, connection: &Arc<PeerConnection>) -> WebService {
        WebService { router: self.router.clone(), peer: connection.peer() }
    }
}

impl Service for WebService {
    type Body = Body;

    fn rule(&self, head: &Parts) -> ExchangeRule {
        rule(head)
    }

    async fn answer(&self, request: http::Request<RequestBody>) -> Response {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(PeerAddress(self.peer));
        let Ok(response) = self.router.clone().oneshot(request).await;
        response
    }

    fn refuse(&self, refusal: ListenerRefusal) -> Response {
        (refusal.status(), axum::Json(server_error(&refusal.to_string()))).into_response()
    }
}
