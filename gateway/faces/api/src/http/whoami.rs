//! `/v1/whoami`: who the gateway takes its caller for.

use axum::extract::RawQuery;
use axum::response::Response;
use federation_answers::access::WhoamiDocument;
use federation_answers::problem::ProblemDocument;

use super::problem::Problem;
use super::{params, reply};
use crate::asker::{AccessRefusal, Asker};

/// Who asks, and what he may do.
#[utoipa::path(
    get,
    path = "/v1/whoami",
    tag = "operations",
    responses(
        (status = 200, body = WhoamiDocument, description = "also for whoever shows nothing"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json", description = "what is shown does not count"),
    ),
)]
pub(super) async fn show(RawQuery(query): RawQuery, asker: Asker) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    if let Some(refused) = asker.refused {
        return Err(AccessRefusal::Credential(refused).into());
    }
    let identity = asker.identity();
    Ok(reply::json(&WhoamiDocument {
        identity: identity.to_string(),
        roles: identity.grants.iter().map(ToString::to_string).collect(),
        expires_ms: identity.expires.map(|at| at.0),
    }))
}
