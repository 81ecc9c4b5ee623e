//! The HTTP side of the registry: what SDKs, scripts and our own admin calls need of Nacos's API, versions 1 and 3.
//!
//! Everything is below `/nacos`. A path that is not here answers 404, from which clients conclude that this Nacos is older or newer.

mod answer;
mod config;
mod instance;
mod namespace;
mod params;
mod service;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use bounded_listener::limits::REQUEST_SIZE;
use bounded_listener::{Refusal, Rule};
use serde_json::json;

use super::access::Access;
use super::configs::CONTENT_MAX_BYTES;
use super::owner::Handle;
use answer::{Failure, forbidden, success};
use params::{Params, token_in_form, token_of};

/// How long clients may use a token, in seconds, as Nacos says it.
const TOKEN_TTL_SECONDS: u32 = 18_000;

/// Largest request: a config item, whose content percent-encoding triples at worst, and the rest of its form.
pub(super) const MAX_REQUEST_BYTES: usize = 3 * CONTENT_MAX_BYTES + REQUEST_SIZE;

/// What a request may carry: publications of config items are large, all others are names and some metadata.
pub(super) fn rule(head: &Parts) -> Rule {
    let of_config = ["/cs/config", "/cs/configs"].iter().any(|end| head.uri.path().ends_with(end));
    let publishes = of_config && matches!(head.method, Method::POST | Method::PUT);
    Rule::call(if publishes { MAX_REQUEST_BYTES } else { REQUEST_SIZE })
}

/// A request whose body did not come, or whose answer has no room.
pub(super) fn refuse(refusal: Refusal) -> Response {
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
    let guarded = Router::new()
        .route("/v1/ns/instance", post(instance::register).put(instance::update).delete(instance::deregister))
        .route("/v1/ns/instance/list", get(instance::list_v1))
        .route("/v1/ns/instance/beat", put(instance::beat_v1))
        .route("/v1/ns/health/instance", put(instance::judge))
        .route("/v1/ns/service", post(service::declare))
        .route("/v1/ns/service/list", get(service::names_v1))
        .route("/v1/ns/service/names", get(service::all_names_v1))
        .route("/v1/cs/configs", get(config::read_v1).post(config::publish_v1).delete(config::remove_v1))
        .route("/v3/client/ns/instance", post(instance::register_or_beat_v3).delete(instance::deregister_v3))
        .route("/v3/client/ns/instance/list", get(instance::list_client_v3))
        .route("/v3/client/cs/config", get(config::read_client_v3))
        .route(
            "/v3/admin/ns/instance",
            get(instance::read_v3).post(instance::register_v3).put(instance::update_v3).delete(instance::deregister_v3),
        )
        .route("/v3/admin/ns/instance/list", get(instance::list_v3))
        .route("/v3/admin/ns/health/instance", put(instance::judge_v3))
        .route("/v3/admin/ns/service", post(service::declare_v3).put(service::declare_v3).get(service::read_v3))
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
        .layer(axum::middleware::from_fn_with_state(api.clone(), admit));
    let open = Router::new()
        .route("/v3/auth/user/login", post(login))
        .route("/v1/auth/users/login", post(login))
        .route("/v1/auth/login", post(login))
        .route("/v1/console/health/readiness", get(|| async { "OK" }))
        .route("/v1/console/health/liveness", get(|| async { "OK" }))
        .route("/v1/ns/operator/metrics", get(|| async { axum::Json(json!({"status": "UP"})) }))
        .route("/v3/admin/core/state/readiness", get(|| async { success("ok") }))
        .route("/v3/admin/core/state/liveness", get(|| async { success("ok") }))
        .route("/v3/admin/core/state", get(|| async { success(state()) }));
    Router::new()
        .nest("/nacos", guarded.merge(open))
        .fallback(|| async { (StatusCode::NOT_FOUND, axum::Json(json!({"status": 404, "error": "Not Found"}))) })
        .layer(DefaultBodyLimit::disable()) // The listener has received the body within the limit of `rule`.
        .with_state(api)
}

fn state() -> serde_json::Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "startup_mode": "embedded",
        "function_mode": null,
    })
}

async fn login(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    let username = params.get("username").unwrap_or_default();
    match api.access.login(username, params.get("password").unwrap_or_default()) {
        Some(token) => Ok(axum::Json(json!({
            "accessToken": token, "tokenTtl": TOKEN_TTL_SECONDS, "globalAdmin": true, "username": username,
        }))
        .into_response()),
        None => Ok((StatusCode::FORBIDDEN, "unknown user!").into_response()),
    }
}

async fn admit(State(api): State<Api>, request: Request, next: Next) -> Response {
    if api.access.admits(token_of(&request).as_deref()) {
        return next.run(request).await;
    }
    match token_in_form(request).await {
        Ok((token, request)) if api.access.admits(token.as_deref()) => next.run(request).await,
        Ok(_) => forbidden(),
        Err(failure) => failure,
    }
}
