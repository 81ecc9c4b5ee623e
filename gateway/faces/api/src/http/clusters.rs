//! `/v1/clusters`.

use axum::extract::{RawQuery, State};
use axum::response::Response;

use federation_answers::discovery::ClustersDocument;
use federation_answers::problem::ProblemDocument;

use super::problem::Problem;
use super::{document, params, reply};
use crate::ApiState;
use crate::select::Moment;

/// All clusters of the federation, as this gateway sees them.
#[utoipa::path(
    get,
    path = "/v1/clusters",
    tag = "discovery",
    responses(
        (status = 200, body = ClustersDocument, description = "all clusters, sorted by id"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "an unknown parameter"),
    ),
)]
pub(super) async fn list(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    let moment = Moment::of(state.view());
    Ok(reply::json(&ClustersDocument { clusters: document::clusters(&moment) }))
}
