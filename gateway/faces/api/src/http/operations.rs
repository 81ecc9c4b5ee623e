//! `/v1/status`, `/livez`, `/readyz` and `/metrics`.

use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use federation_access::judge::AccessSubject;
use federation_access::right::AccessRight;
use federation_answers::problem::ProblemDocument;
use federation_answers::status::{ReadyDocument, StatusDocument};

use super::problem::Problem;
use super::{document, params, reply};
use crate::ApiState;
use crate::asker::Asker;
use crate::select::Moment;
use federation_view::watchdog::DEAD_AFTER;

/// What the gateway says of itself and of all clusters.
#[utoipa::path(
    get,
    path = "/v1/status",
    tag = "operations",
    responses((status = 200, body = StatusDocument, description = "also while the gateway is not ready")),
)]
pub(super) async fn status(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    let (identity, gateway, moment) = (state.identity(), state.view().gateway(), Moment::of(state.view()));
    let (ready, reasons) = state.readiness();
    Ok(reply::json(&StatusDocument {
        ready,
        reason_codes: document::codes(&reasons),
        reasons: reasons.iter().map(ToString::to_string).collect(),
        troubles: document::troubles(state.troubles()),
        federation: identity.federation.as_str().into(),
        cluster: identity.cluster.as_str().into(),
        replica: identity.replica.as_str().into(),
        version: identity.version.into(),
        uptime_ms: state.uptime().0,
        facts: document::facts(&gateway.facts),
        clusters: document::clusters(&moment),
    }))
}

/// Whether the process lives and works: not only answers, but takes anything in.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "operations",
    responses(
        (status = 200, body = String, description = "`ok`"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "its engine has not turned for a minute: a restart is better"),
    ),
)]
pub(super) async fn livez(State(state): State<ApiState>) -> Result<&'static str, Problem> {
    match state.view().engine_stuck() {
        Some(silence) if silence >= DEAD_AFTER => Err(Problem::engine_stuck(silence)),
        _ => Ok("ok\n"),
    }
}

/// Whether answers can be relied on: the own Nacos read once, and the log read to the end that was seen at the start, or
/// the deadline for that passed, which the reasons then say; and the engine turns.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operations",
    responses(
        (status = 200, body = ReadyDocument, description = "ready; the reasons say what is limited"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "not ready, or stopping"),
    ),
)]
pub(super) async fn readyz(State(state): State<ApiState>, asker: Asker) -> Result<Response, Problem> {
    let (ready, mut reasons) = state.readiness();
    let mut troubles = document::troubles(state.troubles());
    if asker.identity().may(AccessRight::View, AccessSubject::Whole).is_err() {
        // Probes show nothing, and need no more than the status.
        (reasons, troubles) = (Vec::new(), Vec::new());
    }
    let (reason_codes, reasons) = (document::codes(&reasons), reasons.iter().map(ToString::to_string).collect());
    match ready {
        true => Ok(reply::json(&ReadyDocument { ready, reasons, reason_codes, troubles })),
        false => Err(Problem::not_ready(reasons, reason_codes)),
    }
}

/// All metrics in the OpenMetrics text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    responses((status = 200, body = String, content_type = "application/openmetrics-text", description = "metrics")),
)]
pub(super) async fn metrics(State(state): State<ApiState>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], state.metrics().encode()).into_response()
}
