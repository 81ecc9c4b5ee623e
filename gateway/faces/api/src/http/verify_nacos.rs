//! `/v1/verify/nacos`: whether the own log has what the own Nacos answers when it is asked anew.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use federation_answers::nacos_comparison::{
    NacosComparisonBegunDocument, NacosComparisonBody, NacosComparisonDocument, NacosDifferenceDocument,
};
use federation_answers::problem::ProblemDocument;
use federation_core::comparison::{NacosDifference, NacosDifferenceKind};

use super::body::Ordered;
use super::problem::Problem;
use super::{params, reply};
use crate::ApiState;
use crate::asker::Asker;
use federation_access::judge::AccessSubject;
use federation_access::right::AccessRight;
use federation_view::view::stuck_reason;

/// How far the last comparison of the own log with the own Nacos is, and what it found. At most half a second old.
#[utoipa::path(
    get,
    path = "/v1/verify/nacos",
    tag = "operations",
    responses(
        (status = 200, body = NacosComparisonDocument, description = "also if something differs, or it goes on, or none was begun: see `equal`, `ended`, `round`"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "a parameter was given"),
    ),
)]
pub(super) async fn show(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    let found = state.view().nacos_comparison();
    Ok(reply::json(&NacosComparisonDocument {
        cluster: state.identity().cluster.to_string(),
        round: found.round,
        ended: found.ended,
        equal: found.is_equal(),
        of: found.of,
        answered: found.answered,
        facts: found.facts,
        different: found.different,
        differences: found.differences.iter().map(difference_document).collect(),
        silent: found.silent,
        unread: found.unread.clone(),
        partly: found.partly,
    }))
}

/// Asks the own Nacos anew for everything that is watched, and compares what it answers with the own log, as that was read back. One goes on
/// at a time: an order while one does answers its number. What differs is asked for a second time three seconds later.
#[utoipa::path(
    post,
    path = "/v1/verify/nacos",
    tag = "operations",
    request_body = NacosComparisonBody,
    responses(
        (status = 200, body = NacosComparisonBegunDocument, description = "it goes on; look at the same path"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "the order is wrong"),
        (status = 413, body = ProblemDocument, content_type = "application/problem+json", description = "the body is too large"),
        (status = 415, body = ProblemDocument, content_type = "application/problem+json", description = "the body is not said to be application/json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "the own Nacos is not connected, or the own log not read"),
    ),
)]
pub(super) async fn begin(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    asker: Asker,
    body: Ordered,
) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    asker.may(&state, AccessRight::Operate, AccessSubject::Cluster(&state.identity().cluster))?;
    let NacosComparisonBody {} = body.read()?;
    if let Some(silence) = state.view().engine_stuck() {
        return Err(Problem::comparison_impossible(&stuck_reason(silence)));
    }
    let begun = state.commands().compare().await.map_err(|error| Problem::comparison_impossible(&error))?;
    let round = begun.map_err(|refused| Problem::comparison_impossible(&refused))?;
    Ok(reply::json(&NacosComparisonBegunDocument { round }))
}

fn difference_document(difference: &NacosDifference) -> NacosDifferenceDocument {
    let NacosDifference { key, kind } = difference;
    let mut document = NacosDifferenceDocument {
        key: key.encode().replace('\u{1f}', "·"),
        kind: "values".into(),
        reason: None,
        reason_code: None,
        fields: Vec::new(),
    };
    match kind {
        NacosDifferenceKind::NotInLog => document.kind = "notInLog".into(),
        NacosDifferenceKind::NotInNacos => document.kind = "notInNacos".into(),
        NacosDifferenceKind::Held(reason) => {
            (document.kind, document.reason) = ("held".into(), Some(reason.as_str().into()));
            document.reason_code = Some(reason.code().into());
        }
        NacosDifferenceKind::Values(fields) => document.fields = fields.iter().map(|field| (*field).into()).collect(),
        NacosDifferenceKind::Unreadable => document.kind = "unreadable".into(),
    }
    document
}
