//! The HTTP face: JSON documents, server-sent events, health, metrics and the description of itself.

mod audit;
mod body;
mod changes;
mod clusters;
mod comparison;
mod compress;
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
mod links;
mod list_document;
mod login;
mod me;
mod observe;
mod operations;
mod params;
mod plan_document;
mod plans;
pub(super) mod policy;
mod problem;
mod reply;
pub(crate) mod rights;
mod services;
mod signals;
mod spliced;
mod verify;
mod verify_nacos;
mod what_if;
mod whoami;

use axum::Router;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use bounded_listener::limits::REQUEST_SIZE;
use bounded_listener::{ExchangeRule, ListenerRefusal};
use bytes::Bytes;

use std::sync::Arc;

use federation_access::authority::ListenerPlace;
use federation_access::right::{AccessRight, DeclaredRight};

use self::problem::Problem;
use self::rights::{Admission, RightedRoutes, get, post};
use super::ApiState;

/// The answer to a request for a page, by its path, if there is one.
pub type PageSource = fn(&str, &HeaderMap) -> Option<http::Response<Bytes>>;

/// All routes of the API.
pub fn router(state: ApiState) -> Router {
    router_beside(state, Router::new(), no_page, ListenerPlace::Loopback)
}

const OPEN: DeclaredRight = DeclaredRight::Open;
/// Of the parts that whoever asks may see.
const VIEW_PART: DeclaredRight = DeclaredRight::Part(AccessRight::View);
const VIEW: DeclaredRight = DeclaredRight::Whole(AccessRight::View);
const READ_PART: DeclaredRight = DeclaredRight::Part(AccessRight::ReadContents);
/// For the target that an order names.
const OPERATE_PART: DeclaredRight = DeclaredRight::Part(AccessRight::Operate);
const ADMINISTER: DeclaredRight = DeclaredRight::Whole(AccessRight::Administer);

/// All paths of the API, each with what it demands.
fn routes(state: &ApiState) -> RightedRoutes<ApiState> {
    RightedRoutes::new()
        .route("/v1/clusters", get(VIEW_PART, clusters::list))
        .route("/v1/services", get(VIEW_PART, services::list))
        .route("/v1/service", get(VIEW_PART, services::one))
        .route("/v1/configs", get(VIEW_PART, configs::list))
        .route("/v1/config", get(READ_PART, configs::one))
        .route("/v1/policy", get(VIEW_PART, policy::show))
        .route("/v1/resolve", get(VIEW_PART, plans::resolve))
        .route("/v1/explain", get(VIEW_PART, plans::explain))
        .route("/v1/drains", get(VIEW_PART, drains::list).post(OPERATE_PART, drains::order))
        .route("/v1/excluded", get(VIEW, excluded::list).post(OPERATE_PART, excluded::order))
        .route("/v1/front-door", get(VIEW, front_door::show))
        .route("/v1/front-door/drain", post(OPERATE_PART, front_door::drain))
        .route("/v1/front-door/undrain", post(OPERATE_PART, front_door::undrain))
        .route("/v1/descriptor", get(VIEW, descriptor::show).post(ADMINISTER, descriptor::adopt))
        .route("/v1/guard", get(VIEW, guard::list).post(OPERATE_PART, guard::decide))
        .route("/v1/what-if", get(VIEW, what_if::compare))
        .route("/v1/changes", get(VIEW_PART, changes::list))
        .route("/v1/history", get(VIEW_PART, changes::plots))
        .route("/v1/events", get(VIEW_PART, signals::watch))
        .route("/v1/links", get(VIEW, links::list))
        .route("/v1/verify", get(VIEW, verify::verify))
        .route("/v1/verify/nacos", get(VIEW, verify_nacos::show).post(OPERATE_PART, verify_nacos::begin))
        .route("/v1/status", get(VIEW, operations::status))
        .route("/v1/whoami", get(OPEN, whoami::show))
        .route("/v1/me", get(OPEN, me::show))
        .route("/v1/login", post(OPEN, login::begin))
        .route("/v1/logout", post(OPEN, login::end))
        .route("/v1/session", get(OPEN, login::show))
        .route("/v1/audit", get(ADMINISTER, audit::list))
        .route("/livez", get(OPEN, operations::livez))
        .route("/readyz", get(OPEN, operations::readyz))
        .route("/metrics", get(VIEW, operations::metrics))
        .route("/openapi.json", get(OPEN, description::openapi))
        .merge(events::routes(state))
}

/// The same with other routes beside, and pages where there is neither, under the same layers.
pub(super) fn router_beside(state: ApiState, beside: Router, pages: PageSource, place: ListenerPlace) -> Router {
    let RightedRoutes { router, table } = routes(&state);
    let admission = Admission { state: state.clone(), place, table: Arc::new(table) };
    router
        .merge(description::pages())
        .merge(beside.with_state(()))
        .fallback(move |method: Method, uri: Uri, headers: HeaderMap| {
            std::future::ready(elsewhere(pages, &method, &uri, &headers))
        })
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(admission, rights::admit))
        .layer(middleware::from_fn(compress::compress))
        .layer(middleware::from_fn_with_state(state.clone(), observe::observe))
        .with_state(state)
}

/// What each path and method demands.
#[cfg(test)]
pub(super) fn rights_table(state: &ApiState) -> rights::RightsTable {
    routes(state).table
}

/// What a request may carry: an order has some texts, all others nothing. Streams of events are the answers that do not end.
pub(super) fn rule(head: &Parts) -> ExchangeRule {
    match head.uri.path() {
        "/v1/watch" | "/v1/events" => ExchangeRule::watch(REQUEST_SIZE),
        _ => ExchangeRule::call(REQUEST_SIZE),
    }
}

/// A request whose body did not come, or whose answer has no room.
pub(super) fn refuse(refusal: ListenerRefusal) -> Response {
    Problem::refused(refusal).into_response()
}

/// A page, or word that nothing is at this path. Pages tell nothing of the federation: whoever asks may have them.
fn elsewhere(pages: PageSource, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    match is_read.then(|| pages(uri.path(), headers)).flatten() {
        Some(page) => page.map(Body::from),
        None => Problem::no_such_path(uri.path()).into_response(),
    }
}

/// No path is a page's.
pub(super) fn no_page(_path: &str, _headers: &HeaderMap) -> Option<http::Response<Bytes>> {
    None
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::no_such_method(&method, uri.path())
}
