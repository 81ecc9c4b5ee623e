//! What the registry says of itself: health, figures, state; and logins.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use nacos_protocol::web::ParamFailure;
use serde_json::{Value, json};

use super::Api;
use super::answer::{Failure, V1, V2, success};
use super::params::Params;

/// How long clients may use a token, in seconds, as Nacos says it.
const TOKEN_TTL_SECONDS: u32 = 18_000;

/// Health in version 1: it answers, and so it lives.
pub(super) async fn health_v1() -> &'static str {
    "OK"
}

/// Health in versions 2 and 3.
pub(super) async fn health() -> Response {
    success("ok")
}

/// The state of version 1.
pub(super) async fn state_v1() -> Json<Value> {
    Json(state())
}

/// The state of version 3.
pub(super) async fn state_v3() -> Response {
    success(state())
}

fn state() -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "startup_mode": "embedded",
        "function_mode": null,
    })
}

/// Figures in version 1, which old tools take for the health of a Nacos; all of them with `onlyStatus=false`.
pub(super) async fn metrics_v1(State(api): State<Api>, params: Params) -> Result<Response, V1> {
    Ok(Json(metrics(&api, &params).await?).into_response())
}

/// Figures in version 2.
pub(super) async fn metrics_v2(State(api): State<Api>, params: Params) -> Result<Response, V2> {
    Ok(success(metrics(&api, &params).await?))
}

async fn metrics(api: &Api, params: &Params) -> Result<Value, Failure> {
    if params.get("onlyStatus").is_none_or(|text| text.eq_ignore_ascii_case("true")) {
        return Ok(json!({"status": "UP"}));
    }
    let asked = api.handle.ask(|store, _| {
        let (services, instances, subscriptions) = store.naming.totals();
        json!({
            "status": "UP",
            "serviceCount": services,
            "instanceCount": instances,
            "responsibleInstanceCount": instances,
            "subscribeCount": subscriptions,
            "connectionBasedClientCount": store.connections(),
            "longPolls": store.polls.len(),
        })
    });
    Ok(asked.await?)
}

/// A login of any version.
pub(super) async fn login(State(api): State<Api>, params: Params) -> Result<Response, V1> {
    let username = params.given("username").ok_or(ParamFailure::Absent("username"))?;
    Ok(match api.access.login(username, params.get("password").unwrap_or_default()) {
        Some(token) => Json(json!({
            "accessToken": token, "tokenTtl": TOKEN_TTL_SECONDS, "globalAdmin": true, "username": username,
        }))
        .into_response(),
        None => (StatusCode::FORBIDDEN, "unknown user!").into_response(),
    })
}
