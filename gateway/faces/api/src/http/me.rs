//! `/v1/me`: all that a page asks before it shows anything: who looks, what may be done here, and who answers.

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use federation_access::judge::AccessSubject;
use federation_access::right::AccessRight;
use federation_answers::access::{MeDocument, RightsDocument};
use federation_answers::problem::ProblemDocument;

use super::problem::Problem;
use super::{params, reply};
use crate::ApiState;
use crate::asker::Asker;

/// Who asks, what that may do, whether pages may act at all, and who answers. Also for whoever shows nothing, or something that does not count any
/// more: then the answer says so, and how one logs in.
#[utoipa::path(
    get,
    path = "/v1/me",
    tag = "operations",
    responses(
        (status = 200, body = MeDocument, description = "also for whoever shows nothing"),
        (status = 304, description = "nothing has changed since the answer that If-None-Match names"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "a parameter was given"),
    ),
)]
pub(super) async fn show(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    asker: Asker,
) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    let (identity, gateway) = (asker.identity(), state.identity());
    let may = |right| identity.may(right, AccessSubject::Something).is_ok();
    let document = MeDocument {
        identity: identity.to_string(),
        roles: identity.grants.iter().map(ToString::to_string).collect(),
        expires_ms: identity.expires.map(|at| at.0),
        refused: asker.refused.map(|refused| refused.to_string()),
        session: state.access().session_of(identity).is_some(),
        read_only: state.pages().read_only,
        accounts: state.access().has_accounts(),
        nacos_login: state.logins().is_some(),
        may: RightsDocument {
            view: may(AccessRight::View),
            read_contents: may(AccessRight::ReadContents),
            operate: may(AccessRight::Operate),
            administer: may(AccessRight::Administer),
        },
        cluster: gateway.cluster.to_string(),
        replica: gateway.replica.clone(),
        federation: gateway.federation.to_string(),
        version: gateway.version.to_owned(),
    };
    Ok(reply::json_tagged_by_content(&headers, &document))
}
