//! `/v1/configs` and `/v1/config`.

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use federation_access::judge::AccessSubject;
use federation_access::right::AccessRight;
use federation_core::id::ConfigKey;

use federation_answers::discovery::{ConfigDocument, ConfigsDocument};
use federation_answers::problem::ProblemDocument;

use super::problem::Problem;
use super::{document, list_document, params, reply};
use crate::ApiState;
use crate::ask::Origins;
use crate::asker::Asker;
use crate::select::{self, Moment};

/// Names of config items in pages, without their contents.
#[utoipa::path(
    get,
    path = "/v1/configs",
    tag = "discovery",
    params(
        ("namespaceId" = Option<String>, Query, description = "namespace id, exactly; absent: all; empty: public"),
        ("groupName" = Option<String>, Query, description = "pattern of the whole group name with * and ?; absent: all"),
        ("dataId" = Option<String>, Query, description = "pattern of the whole data id with * and ?; absent: all"),
        ("origin" = Option<String>, Query, description = "only items of these clusters; repeated or with commas between"),
        ("drift" = Option<bool>, Query, description = "only items whose content differs between the clusters that have it (of those in origin)"),
        ("pageNo" = Option<u32>, Query, description = "from 1", minimum = 1),
        ("pageSize" = Option<u32>, Query, description = "100 if absent", minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, body = ConfigsDocument, description = "a page, sorted by namespace, group and data id"),
        (status = 304, description = "the page is the one that If-None-Match names"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "a parameter cannot be used"),
    ),
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    asker: Asker,
) -> Result<Response, Problem> {
    let (ask, drift) = params::configs(query.as_deref())?;
    let listed = select::config_page(state.view(), &ask, drift, &asker.sight::<ConfigKey>());
    let moment = Moment::of(state.view());
    let document = || list_document::configs(&listed, ask.page, &ask.filter.origins, &moment);
    let versions: Vec<(&ConfigKey, u64)> =
        listed.rows.iter().map(|it| (&it.key, state.shown_version(moment.config_version(it)))).collect();
    let shown = (query.as_deref(), listed.total, listed.filtered, versions);
    Ok(reply::json_tagged_by_versions(&headers, &shown, document))
}

/// One config item as each cluster has it.
#[utoipa::path(
    get,
    path = "/v1/config",
    tag = "discovery",
    params(
        ("namespaceId" = Option<String>, Query, description = "namespace id; absent or empty: public"),
        ("groupName" = Option<String>, Query, description = "absent: DEFAULT_GROUP"),
        ("dataId" = String, Query, description = "data id"),
        ("origin" = Option<String>, Query, description = "only items of these clusters; repeated or with commas between"),
    ),
    responses(
        (status = 200, body = ConfigDocument, description = "the config item; it exists while any cluster has it"),
        (status = 304, description = "the version is the one that If-None-Match names"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "a parameter cannot be used"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "no cluster has it; the clusters that were looked at"),
        (status = 423, body = ProblemDocument, content_type = "application/problem+json", description = "it is there, and sealed for this gateway wherever it was asked for; where one cluster's can be read, that is answered, beside `sealed` of the others"),
    ),
)]
pub(super) async fn one(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    asker: Asker,
) -> Result<Response, Problem> {
    let ask = params::config(query.as_deref())?;
    asker.may(&state, AccessRight::ReadContents, AccessSubject::Config(&ask.key))?;
    let moment = Moment::of(state.view());
    let Some(config) = state.view().config(&ask.key) else {
        return Err(Problem::config_not_found(&ask.key.to_string(), &moment, &Origins::All));
    };
    if let Some(told) = moment.sealed_sentence(&config, &ask.origins) {
        return Err(Problem::config_sealed(told));
    }
    let version = state.shown_version(moment.config_version(&config));
    let document = || document::config(&config, &ask.origins, &moment, version);
    Ok(reply::json_tagged_by_version(&headers, version, &ask.origins, document))
}
