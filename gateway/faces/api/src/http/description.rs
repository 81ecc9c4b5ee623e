//! `/openapi.json` and the pages under `/docs` that show it. Everything comes from the binary, nothing from the network.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use federation_answers::comparison::ComparisonDocument;
use federation_answers::problem::ProblemDocument;
use utoipa::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{
    audit, changes, clusters, configs, descriptor, drains, events, excluded, front_door, guard, links, login, me,
    operations, plans, policy, services, signals, verify, verify_nacos, what_if, whoami,
};
use crate::ApiState;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Nacos Federation Gateway",
        description = "One registry across Nacos clusters, as one gateway sees it: every fact with its origin, freshness and age.",
    ),
    tags(
        (name = "discovery", description = "services, config items and clusters"),
        (name = "routing", description = "which instances a caller should use, and why; drains, and what would be"),
        (name = "operations", description = "the gateway itself"),
    ),
    paths(
        clusters::list,
        services::list,
        services::one,
        configs::list,
        configs::one,
        policy::show,
        events::watch,
        plans::resolve,
        plans::explain,
        drains::list,
        drains::order,
        what_if::compare,
        guard::list,
        guard::decide,
        excluded::list,
        excluded::order,
        front_door::show,
        front_door::drain,
        front_door::undrain,
        descriptor::show,
        descriptor::adopt,
        signals::watch,
        changes::list,
        changes::plots,
        links::list,
        verify::verify,
        verify_nacos::show,
        verify_nacos::begin,
        operations::status,
        whoami::show,
        me::show,
        login::begin,
        login::end,
        login::show,
        audit::list,
        operations::livez,
        operations::readyz,
        operations::metrics,
    ),
    components(schemas(ProblemDocument, ComparisonDocument)),
)]
struct Description;

static OPENAPI: LazyLock<Bytes> = LazyLock::new(|| {
    let text = Description::openapi().to_pretty_json().expect("the description is made of constants");
    Bytes::from(text)
});

pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI.clone()).into_response()
}

/// The path to the description is relative, so that it is found behind a proxy that adds a prefix, too.
pub(super) fn pages() -> Router<ApiState> {
    let pages: Router<ApiState> = SwaggerUi::new("/docs").config(Config::new(["../openapi.json"])).into();
    pages.layer(axum::middleware::map_response(with_own_parts_only))
}

/// The pages run their own scripts, show their own pictures, and stand in no frame.
async fn with_own_parts_only(mut response: Response) -> Response {
    let policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; \
                  form-action 'none'; frame-ancestors 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}
