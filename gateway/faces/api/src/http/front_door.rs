//! `/v1/front-door`: the clients of Nacos at this gateway, and orders to send them to another.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use federation_access::judge::AccessSubject;
use federation_access::right::AccessRight;
use federation_answers::front_door::{FrontDoorDocument, OrderBody};
use federation_answers::problem::ProblemDocument;
use federation_ports::front_door::FrontDoorControl;
use serde_json::json;

use super::audit::ActChange;
use super::body::Ordered;
use super::excluded::text;
use super::problem::Problem;
use super::{params, reply};
use crate::ApiState;
use crate::asker::Asker;

/// How many clients of Nacos are connected to this gateway, how many of them have registered something, and whether they are sent elsewhere.
#[utoipa::path(
    get,
    path = "/v1/front-door",
    tag = "operations",
    responses(
        (status = 200, body = FrontDoorDocument, description = "as it is now"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "this gateway has no front door"),
    ),
)]
pub(super) async fn show(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    Ok(shown(door(&state)?))
}

/// Asks the clients of Nacos that are connected to connect to another gateway, some after the other, and takes no more until it is undone or the
/// gateway restarts. Clients find another gateway in their own list of servers; those that have none stay connected, and are served.
#[utoipa::path(
    post,
    path = "/v1/front-door/drain",
    tag = "operations",
    request_body = OrderBody,
    responses(
        (status = 200, body = FrontDoorDocument, description = "it is drained; clients go within some seconds"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "the order is wrong"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "this gateway has no front door"),
        (status = 413, body = ProblemDocument, content_type = "application/problem+json", description = "the body is too large"),
        (status = 415, body = ProblemDocument, content_type = "application/problem+json", description = "the body is not said to be application/json"),
    ),
)]
pub(super) async fn drain(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    asker: Asker,
    body: Ordered,
) -> Result<Response, Problem> {
    order(&state, query.as_deref(), &asker, body, "drain")
}

/// Takes clients of Nacos again. Those that went do not come back by themselves before they connect anew.
#[utoipa::path(
    post,
    path = "/v1/front-door/undrain",
    tag = "operations",
    request_body = OrderBody,
    responses(
        (status = 200, body = FrontDoorDocument, description = "clients are taken"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "the order is wrong"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "this gateway has no front door"),
        (status = 413, body = ProblemDocument, content_type = "application/problem+json", description = "the body is too large"),
        (status = 415, body = ProblemDocument, content_type = "application/problem+json", description = "the body is not said to be application/json"),
    ),
)]
pub(super) async fn undrain(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    asker: Asker,
    body: Ordered,
) -> Result<Response, Problem> {
    order(&state, query.as_deref(), &asker, body, "undrain")
}

fn order(
    state: &ApiState,
    query: Option<&str>,
    asker: &Asker,
    body: Ordered,
    order: &'static str,
) -> Result<Response, Problem> {
    params::none(query)?;
    asker.may(state, AccessRight::Operate, AccessSubject::Cluster(&state.identity().cluster))?;
    let OrderBody { reason, who } = body.read()?;
    let (who, reason) = (text("who", asker.identity().signs(who))?, text("reason", reason)?);
    let door = door(state)?;
    tracing::warn!(order, who, reason, "an operator says whether clients of nacos are taken here");
    let was_drained = door.status().drained;
    match order {
        "drain" => door.drain(),
        _ => door.undrain(),
    }
    let [before, after] = [was_drained, door.status().drained].map(|drained| json!({"drained": drained}));
    Ok(ActChange::on(shown(door), before, after))
}

fn door(state: &ApiState) -> Result<&dyn FrontDoorControl, Problem> {
    state.front_door().ok_or_else(Problem::no_front_door)
}

fn shown(door: &dyn FrontDoorControl) -> Response {
    let status = door.status();
    let count = |many: usize| u64::try_from(many).unwrap_or(u64::MAX);
    reply::json(&FrontDoorDocument {
        drained: status.drained,
        connections: count(status.connections),
        registering_clients: count(status.registering_clients),
        upstream_connected: count(status.upstream_connected),
    })
}
