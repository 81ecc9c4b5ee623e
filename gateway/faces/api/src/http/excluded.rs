//! `/v1/excluded`: clusters of which nothing counts at this gateway, by order of an operator.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use federation_access::judge::AccessSubject;
use federation_access::right::AccessRight;
use federation_answers::exclusion::{ExcludedDocument, ExclusionDocument, OrderBody, TakenDocument};
use federation_answers::problem::ProblemDocument;
use federation_core::id::ClusterId;
use federation_core::intents::LONGEST_TEXT_BYTES;
use serde_json::{Value, json};

use super::audit::ActChange;
use super::body::Ordered;
use super::problem::Problem;
use super::{params, reply};
use crate::ApiState;
use crate::asker::Asker;
use federation_policy::exclusions::{Exclusion, Exclusions, MOST};

/// Clusters of which nothing counts at this gateway, by an order given while it runs. Those of the configuration are not among them.
#[utoipa::path(
    get,
    path = "/v1/excluded",
    tag = "operations",
    responses((status = 200, body = ExcludedDocument, description = "sorted by id")),
)]
pub(super) async fn list(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    let all = state.exclusions().all();
    let excluded = all.iter().map(|(cluster, exclusion)| document(cluster, exclusion)).collect();
    Ok(reply::json(&ExcludedDocument { excluded }))
}

fn document(cluster: &ClusterId, exclusion: &Exclusion) -> ExclusionDocument {
    ExclusionDocument {
        cluster: cluster.to_string(),
        who: exclusion.who.clone(),
        reason: exclusion.reason.clone(),
        since_ms: exclusion.since_ms,
    }
}

/// Excludes a cluster at this gateway: none of its instances is shown or routed to, none of its drains is in force, whatever it writes.
/// Counts at once, and after a restart. Every other gateway has to be told by itself: it needs no log for it.
#[utoipa::path(
    post,
    path = "/v1/excluded",
    tag = "operations",
    request_body = OrderBody,
    responses(
        (status = 200, body = TakenDocument, description = "it counts"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "the order is wrong"),
        (status = 413, body = ProblemDocument, content_type = "application/problem+json", description = "the body is too large"),
        (status = 415, body = ProblemDocument, content_type = "application/problem+json", description = "the body is not said to be application/json"),
    ),
)]
pub(super) async fn order(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    asker: Asker,
    body: Ordered,
) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    let order: OrderBody = body.read()?;
    let cluster: ClusterId =
        order.cluster.parse().map_err(|error| Problem::bad_parameter("cluster", Some(&order.cluster), &error))?;
    asker.may(&state, AccessRight::Operate, AccessSubject::Cluster(&cluster))?;
    if cluster == state.identity().cluster {
        let detail = "it is this gateway's own cluster, which cannot be excluded";
        return Err(Problem::bad_parameter("cluster", Some(&order.cluster), &detail));
    }
    let exclusions = state.exclusions();
    if order.excluded && !exclusions.has(&cluster) && exclusions.all().len() >= MOST {
        let detail =
            format!("{MOST} clusters are excluded already: name what counts in the configuration, under import");
        return Err(Problem::bad_parameter("cluster", Some(&order.cluster), &detail));
    }
    let (who, reason) = (text("who", asker.identity().signs(order.who))?, text("reason", order.reason)?);
    tracing::warn!(%cluster, excluded = order.excluded, who, reason, "an operator says whether a cluster counts here");
    let before = in_force(exclusions, &cluster);
    let exclusion = order.excluded.then(|| Exclusion { who, reason, since_ms: state.wall_now().0 });
    let commands = state.commands();
    let tell = |excluded| async move {
        // An engine that is gone takes in nothing any more; a busy one takes this in its turn.
        let _ = commands.exclude(excluded).await;
    };
    let kept = exclusions.change(&cluster, exclusion, tell).await;
    let taken = reply::json(&TakenDocument { cluster: cluster.to_string(), excluded: order.excluded, kept });
    Ok(ActChange::on(taken, before, in_force(exclusions, &cluster)))
}

/// What counts of the cluster here, for the record of an order.
fn in_force(exclusions: &Exclusions, cluster: &ClusterId) -> Value {
    exclusions.all().get(cluster).map_or_else(
        || json!({"cluster": cluster.to_string(), "excluded": false}),
        |exclusion| json!(document(cluster, exclusion)),
    )
}

pub(super) fn text(field: &str, text: Option<String>) -> Result<String, Problem> {
    let text = text.unwrap_or_default();
    if text.len() > LONGEST_TEXT_BYTES {
        let detail = format!("it is {} bytes, at most {LONGEST_TEXT_BYTES} are possible", text.len());
        return Err(Problem::bad_parameter(field, None, &detail));
    }
    Ok(text)
}
