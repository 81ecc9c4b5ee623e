//! `/v1/services` and `/v1/service`.

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use federation_access::judge::AccessSubject;
use federation_access::right::AccessRight;
use federation_core::id::ServiceKey;
use federation_core::service::FederatedService;

use federation_answers::discovery::{ServiceDocument, ServicesDocument};
use federation_answers::problem::ProblemDocument;

use super::problem::Problem;
use super::{document, params, reply};
use crate::ApiState;
use crate::ask::ServiceAsk;
use crate::asker::Asker;
use crate::select::{self, Moment};

/// Names of services in pages, with counts for each cluster.
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
        ("pageNo" = Option<u32>, Query, description = "from 1", minimum = 1),
        ("pageSize" = Option<u32>, Query, description = "100 if absent", minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, body = ServicesDocument, description = "a page, sorted by namespace, group and name"),
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
    let ask = params::page::<FederatedService>(query.as_deref())?;
    let listed = select::page(state.view(), &ask, &asker.sight::<ServiceKey>());
    let document = document::services(&listed, ask.page, &ask.filter.origins);
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
