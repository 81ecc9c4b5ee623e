//! The HTTP face: JSON documents, server-sent events, health, metrics and the description of itself.

mod body;
mod clusters;
mod comparison;
mod configs;
mod description;
mod descriptor;
mod document;
mod drain_document;
mod drains;
pub(super) mod events;
mod excluded;
mod front_door;
mod guard;
mod observe;
mod operations;
mod params;
mod plan_document;
mod plans;
pub(super) mod policy;
mod problem;
mod reply;
mod services;
mod spliced;
mod verify;
mod verify_nacos;
mod what_if;

use axum::Router;
use axum::http::request::Parts;
use axum::http::{Method, Uri};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bounded_listener::limits::REQUEST_SIZE;
use bounded_listener::{ExchangeRule, ListenerRefusal};

use self::problem::Problem;
use super::ApiState;

/// All routes of the API.
pub fn router(state: ApiState) -> Router {
    router_beside(state, Router::new())
}

/// The same with other routes beside, under the same layers.
pub(super) fn router_beside(state: ApiState, beside: Router) -> Router {
    Router::new()
        .route("/v1/clusters", get(clusters::list))
        .route("/v1/services", get(services::list))
        .route("/v1/service", get(services::one))
        .route("/v1/configs", get(configs::list))
        .route("/v1/config", get(configs::one))
        .route("/v1/policy", get(policy::show))
        .route("/v1/resolve", get(plans::resolve))
        .route("/v1/explain", get(plans::explain))
        .route("/v1/drains", get(drains::list).post(drains::order))
        .route("/v1/excluded", get(excluded::list).post(excluded::order))
        .route("/v1/front-door", get(front_door::show))
        .route("/v1/front-door/drain", post(front_door::drain))
        .route("/v1/front-door/undrain", post(front_door::undrain))
        .route("/v1/descriptor", get(descriptor::show).post(descriptor::adopt))
        .route("/v1/guard", get(guard::list).post(guard::decide))
        .route("/v1/what-if", get(what_if::compare))
        .route("/v1/verify", get(verify::verify))
        .route("/v1/verify/nacos", get(verify_nacos::show).post(verify_nacos::begin))
        .route("/v1/status", get(operations::status))
        .route("/livez", get(operations::livez))
        .route("/readyz", get(operations::readyz))
        .route("/metrics", get(operations::metrics))
        .route("/openapi.json", get(description::openapi))
        .merge(description::pages())
        .merge(events::routes(&state).with_state(()))
        .merge(beside.with_state(()))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(state.clone(), observe::observe))
        .with_state(state)
}

/// What a request may carry: an order has some texts, all others nothing. A watch is the one answer that does not end.
pub(super) fn rule(head: &Parts) -> ExchangeRule {
    match head.uri.path() {
        "/v1/watch" => ExchangeRule::watch(REQUEST_SIZE),
        _ => ExchangeRule::call(REQUEST_SIZE),
    }
}

/// A request whose body did not come, or whose answer has no room.
pub(super) fn refuse(refusal: ListenerRefusal) -> Response {
    Problem::refused(refusal).into_response()
}

async fn no_such_path(uri: Uri) -> Problem {
    Problem::no_such_path(uri.path())
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::no_such_method(&method, uri.path())
}
