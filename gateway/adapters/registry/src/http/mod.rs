//! The HTTP side of the registry: what SDKs, scripts and our own admin calls need of Nacos's API, versions 1, 2 and 3.
//!
//! Everything is below `/nacos`. A path that is not here answers 404, or 501 below `/v1/ns`, from which clients conclude that this Nacos is older or newer.
//! Versions 1 and 2 answer as Nacos 2.3.2 does, version 3 as 3.1.0; where that differs, `tests/suite/tests/contract/comparison` says why.

mod answer;
mod config;
mod instance;
mod listener;
mod namespace;
mod params;
mod service;
mod state;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use bounded_listener::limits::REQUEST_SIZE;
use bounded_listener::{ExchangeRule, ListenerRefusal};
use serde_json::json;

use super::access::Access;
use super::check::CONTENT_MAX_BYTES;
use super::owner::Handle;
use answer::{bare, explain};
use nacos_protocol::web::token_of;
use params::token_in_form;

/// Largest request: a config item, whose content percent-encoding triples at worst, and the rest of its form.
pub(super) const MAX_REQUEST_BYTES: usize = 3 * CONTENT_MAX_BYTES + REQUEST_SIZE;

/// Largest long poll: 3,000 items of some 300 bytes, encoded; and what Nacos's web server takes of a form.
const MAX_POLL_BYTES: usize = 2 << 20;

/// What a request may carry: publications of config items are large, long polls name many, all others are names and some metadata.
pub(super) fn rule(head: &Parts) -> ExchangeRule {
    let path = head.uri.path();
    let of_config = ["/cs/config", "/cs/configs"].iter().any(|end| path.ends_with(end));
    let publishes = of_config && matches!(head.method, Method::POST | Method::PUT);
    ExchangeRule::call(match path {
        _ if publishes => MAX_REQUEST_BYTES,
        "/nacos/v1/cs/configs/listener" => MAX_POLL_BYTES,
        _ => REQUEST_SIZE,
    })
}

/// A request whose body did not come, or whose answer has no room.
pub(super) fn refuse(refusal: ListenerRefusal) -> Response {
    let body = json!({"code": 30_000, "message": "server error", "data": refusal.to_string()});
    (refusal.status(), axum::Json(body)).into_response()
}

/// What the routes need.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) handle: Handle,
    pub(super) access: Arc<Access>,
}

/// All routes.
pub(super) fn router(api: Api) -> Router {
    let guarded = version_1().merge(version_2()).merge(version_3()).layer(from_fn_with_state(api.clone(), admit));
    Router::new()
        .nest("/nacos", guarded.merge(open()))
        .fallback(|| async { bare(StatusCode::NOT_FOUND) })
        .layer(DefaultBodyLimit::disable()) // The listener has received the body within the limit of `rule`.
        .layer(from_fn(explain))
        .with_state(api)
}

fn version_1() -> Router<Api> {
    Router::new()
        .route(
            "/v1/ns/instance",
            get(instance::read_v1)
                .post(instance::register)
                .put(instance::update)
                .patch(instance::patch)
                .delete(instance::deregister),
        )
        .route("/v1/ns/instance/list", get(instance::list_v1))
        .route("/v1/ns/instance/beat", put(instance::beat_v1))
        .route("/v1/ns/health/instance", put(instance::judge))
        .route(
            "/v1/ns/service",
            get(service::read_v1).post(service::create_v1).put(service::change_v1).delete(service::remove_v1),
        )
        .route("/v1/ns/service/list", get(service::names_v1))
        .route("/v1/ns/service/names", get(service::all_names_v1))
        .route("/v1/cs/configs", get(config::read_v1).post(config::publish_v1).delete(config::remove_v1))
        .route("/v1/cs/configs/listener", post(listener::listen))
        .route("/v1/console/namespaces", get(namespace::list_v1))
}

fn version_2() -> Router<Api> {
    Router::new()
        .route(
            "/v2/ns/instance",
            get(instance::read_v2)
                .post(instance::register_v2)
                .put(instance::update_v2)
                .patch(instance::patch_v2)
                .delete(instance::deregister_v2),
        )
        .route("/v2/ns/instance/list", get(instance::list_v2))
        .route(
            "/v2/ns/service",
            get(service::read_v2).post(service::create_v2).put(service::change_v2).delete(service::remove_v2),
        )
        .route("/v2/ns/service/list", get(service::names_v2))
        .route("/v2/cs/config", get(config::read_v2).post(config::publish_v2).delete(config::remove_v2))
        .route("/v2/console/namespace/list", get(namespace::list_v2))
}

fn version_3() -> Router<Api> {
    Router::new()
        .route("/v3/client/ns/instance", post(instance::register_or_beat_v3).delete(instance::deregister_v3))
        .route("/v3/client/ns/instance/list", get(instance::list_client_v3))
        .route("/v3/client/cs/config", get(config::read_client_v3))
        .route(
            "/v3/admin/ns/instance",
            get(instance::read_v3).post(instance::register_v3).put(instance::update_v3).delete(instance::deregister_v3),
        )
        .route("/v3/admin/ns/instance/list", get(instance::list_v3))
        .route("/v3/admin/ns/health/instance", put(instance::judge_v3))
        .route(
            "/v3/admin/ns/service",
            get(service::read_v3).post(service::create_v3).put(service::change_v3).delete(service::remove_v3),
        )
        .route("/v3/admin/ns/service/list", get(service::list_v3))
        .route(
            "/v3/admin/cs/config",
            get(config::read_v3).post(config::publish_v3).put(config::publish_v3).delete(config::remove_v3),
        )
        .route("/v3/admin/cs/config/list", get(config::list_v3))
        .route("/v3/admin/cs/history/configs", get(config::all_v3))
        .route("/v3/admin/core/namespace/list", get(namespace::list_v3))
        .route(
            "/v3/admin/core/namespace",
            get(namespace::read_v3).post(namespace::create_v3).put(namespace::create_v3).delete(namespace::delete_v3),
        )
}

/// What takes no token.
fn open() -> Router<Api> {
    Router::new()
        .route("/v3/auth/user/login", post(state::login))
        .route("/v1/auth/users/login", post(state::login))
        .route("/v1/auth/login", post(state::login))
        .route("/v1/console/health/readiness", get(state::health_v1))
        .route("/v1/console/health/liveness", get(state::health_v1))
        .route("/v2/console/health/readiness", get(state::health))
        .route("/v2/console/health/liveness", get(state::health))
        .route("/v3/admin/core/state/readiness", get(state::health))
        .route("/v3/admin/core/state/liveness", get(state::health))
        .route("/v1/ns/operator/metrics", get(state::metrics_v1))
        .route("/v2/ns/operator/metrics", get(state::metrics_v2))
        .route("/v1/console/server/state", get(state::state_v1))
        .route("/v3/admin/core/state", get(state::state_v3))
}

async fn admit(State(api): State<Api>, request: Request, next: Next) -> Response {
    let shown = token_of(request.headers(), request.uri().query().unwrap_or_default());
    if api.access.admits(shown.as_deref()) {
        return next.run(request).await;
    }
    match token_in_form(request).await {
        Ok((token, request)) if api.access.admits(token.as_deref()) => next.run(request).await,
        Ok(_) => bare(StatusCode::FORBIDDEN),
        Err(failure) => failure,
    }
}
