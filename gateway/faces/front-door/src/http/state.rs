//! What this door says of itself: whether it lives, whether clients may come, and where it is.
//!
//! It is not the local Nacos that is told of: with that one down, lookups go on here. A door that is drained says that it is not ready, and old
//! tools, which read the metrics, that it is down; then clients and load balancers go elsewhere.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::HOST;
use nacos_protocol::server::RegistryBackend;
use nacos_protocol::web::WrappedAnswer;
use serde_json::{Value, json};

use super::Web;
use super::answer::server_error;

const DRAINED: &str = "the front door of this gateway is drained";

/// It answers, and so it lives.
pub(super) async fn live_v1() -> &'static str {
    "OK"
}

/// The same in versions 2 and 3.
pub(super) async fn live() -> Response {
    Json(WrappedAnswer::success("ok")).into_response()
}

/// Whether clients may come.
pub(super) async fn ready_v1(State(web): State<Web>) -> Response {
    match web.door.is_ready() {
        true => "OK".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, DRAINED).into_response(),
    }
}

/// The same in versions 2 and 3.
pub(super) async fn ready(State(web): State<Web>) -> Response {
    match web.door.is_ready() {
        true => live().await,
        false => (StatusCode::SERVICE_UNAVAILABLE, Json(server_error(DRAINED))).into_response(),
    }
}

/// Figures in version 1: of them only what tools take for the health of a Nacos.
pub(super) async fn metrics_v1(State(web): State<Web>) -> Json<Value> {
    Json(metrics(&web))
}

/// The same in version 2.
pub(super) async fn metrics_v2(State(web): State<Web>) -> Response {
    Json(WrappedAnswer::success(metrics(&web))).into_response()
}

fn metrics(web: &Web) -> Value {
    json!({"status": if web.door.is_ready() { "UP" } else { "DOWN" }})
}

/// Addresses of servers, for clients that ask an endpoint: this one, by the name by which it was reached.
pub(super) async fn servers(State(web): State<Web>, headers: HeaderMap) -> Response {
    let host = headers.get(HOST).and_then(|value| value.to_str().ok());
    match host.filter(|_| web.door.is_ready()) {
        Some(host) => format!("{host}\n").into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, DRAINED).into_response(),
    }
}
