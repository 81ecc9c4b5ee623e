//! `/v1/services` and `/v1/service`.

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use federation_access::judge::AccessSubject;
use federation_access::right::AccessRight;
use federation_core::id::ServiceKey;

use federation_answers::discovery::{ServiceDocument, ServicesDocument};
use federation_answers::problem::ProblemDocument;

use super::problem::Problem;
use super::{document, list_document, params, reply};
use crate::ApiState;
use crate::ask::ServiceAsk;
use crate::asker::Asker;
use crate::listing::{self, ListMoment};
use crate::select::Moment;

/// Names of services in pages, with counts for each cluster; searched, sorted and counted by what they are, as asked for.
#[utoipa::path(
    get,
    path = "/v1/services",
    tag = "discovery",
    params(
        ("namespaceId" = Option<String>, Query, description = "namespace id, exactly; absent: all; empty: the namespace with the empty id"),
        ("groupName" = Option<String>, Query, description = "pattern of the whole group name with * and ?; absent: all"),
        ("serviceName" = Option<String>, Query, description = "pattern of the whole service name with * and ?, or GROUP@@SERVICE; absent: all"),
        ("origin" = Option<String>, Query, description = "only services with an instance of these clusters, and only their counts; repeated or with commas between"),
        ("healthyOnly" = Option<bool>, Query, description = "only services with a healthy instance (of the clusters in origin)"),
        ("q" = Option<String>, Query, description = "only services with this text in their namespace, group or name, whatever its case; at most 256 bytes"),
        ("state" = Option<String>, Query, description = "only services that are all of these; repeated or with commas between: `unhealthy`: one of its instances is; `stale`: one of its clusters is not live; `held`: the removal of an instance is kept back; `drained`: a drain in force covers it in one of its clusters; `single`: all its instances are in one region; `changed`: within the last ten minutes"),
        ("sort" = Option<String>, Query, description = "`name` if absent; `instances`, `unhealthy` or `changed`: the largest or latest first, equals by name"),
        ("fields" = Option<String>, Query, description = "`summary`: only sums, without `clusters`"),
        ("facets" = Option<bool>, Query, description = "whether to count what the services are that pass the filter"),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before, of the same question; not with pageNo"),
        ("pageNo" = Option<u32>, Query, description = "from 1", minimum = 1),
        ("pageSize" = Option<u32>, Query, description = "100 if absent", minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, body = ServicesDocument, description = "a page, sorted by namespace, group and name, or as asked for"),
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
    let ask = params::services(query.as_deref())?;
    let moment = ListMoment::of(state.view());
    let found = listing::page(&moment, &ask, &asker.sight::<ServiceKey>());
    let document = list_document::services(&state, &moment, &found, &ask);
    Ok(reply::json_tagged_by_content(&headers, &document))
}

/// All instances of one service, of all clusters.
#[utoipa::path(
    get,
    path = "/v1/service",
    tag = "discovery",
    params(
        ("namespaceId" = Option<String>, Query, description = "namespace id; absent: public; empty: the namespace with the empty id"),
        ("groupName" = Option<String>, Query, description = "absent: DEFAULT_GROUP"),
        ("serviceName" = String, Query, description = "service name, or GROUP@@SERVICE"),
        ("origin" = Option<String>, Query, description = "only instances of these clusters; repeated or with commas between"),
        ("healthyOnly" = Option<bool>, Query, description = "only healthy instances"),
    ),
    responses(
        (status = 200, body = ServiceDocument, description = "the service; it exists while any cluster has an instance"),
        (status = 304, description = "the version is the one that If-None-Match names"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "a parameter cannot be used"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "no cluster has an instance; the clusters that were looked at"),
    ),
)]
pub(super) async fn one(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    asker: Asker,
) -> Result<Response, Problem> {
    let ask = params::service(query.as_deref())?;
    asker.may(&state, AccessRight::View, AccessSubject::Service(&ask.key))?;
    let moment = Moment::of(state.view());
    let Some(service) = state.view().service(&ask.key) else {
        return Err(not_found(&ask, &moment));
    };
    let version = state.shown_version(moment.service_version(&service));
    let document = || document::service(&ask, &service, &moment, version);
    Ok(reply::json_tagged_by_version(&headers, version, &ask.filter, document))
}

fn not_found(ask: &ServiceAsk, moment: &Moment) -> Problem {
    let name = format!("an instance of {}", ask.key);
    // The filter has no say in what exists: all clusters were looked at.
    Problem::service_not_found(&name, moment, &crate::ask::Origins::All)
}
