//! Lists of instances and of services, from the view.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use nacos_protocol::message::naming::{GROUP_SEPARATOR, ServiceInfo};
use nacos_protocol::server::{ListingPage, RegistryBackend as _};
use nacos_protocol::web::{ParamFailure, WebVersion, WrappedAnswer, shown_instance, shown_service};
use serde_json::{Value, json};

use super::Web;
use super::answer::WebFailure;
use super::asked::Asked;
use super::passing::passed_on;

/// The list of version 1, as subscribers see it.
pub(super) async fn list_v1(State(web): State<Web>, asked: Asked) -> Response {
    if is_of_nacos(&web, &asked) {
        return passed_on(&web, asked.request).await;
    }
    let clusters = asked.params.get("clusters").unwrap_or_default();
    // Nacos reads it, and pushes over UDP; this door does not, and clients ask every few seconds anyway.
    let listed = match asked.params.int("udpPort") {
        Ok(_) => subscribed(&web, &asked, clusters).await,
        Err(failure) => Err(failure.into()),
    };
    told(WebVersion::V1, listed.map(|info| shown_service(&info)))
}

/// The list of version 2, as subscribers see it.
pub(super) async fn list_v2(State(web): State<Web>, asked: Asked) -> Response {
    if is_of_nacos(&web, &asked) {
        return passed_on(&web, asked.request).await;
    }
    let clusters = asked.params.get("clusterName").unwrap_or_default();
    let listed = subscribed(&web, &asked, clusters).await;
    told(WebVersion::V2, listed.map(|info| shown_service(&info)))
}

/// The list of version 3, as subscribers see it; like Nacos's, of one Nacos cluster unless several are named.
pub(super) async fn list_v3(State(web): State<Web>, asked: Asked) -> Response {
    if is_of_nacos(&web, &asked) {
        return passed_on(&web, asked.request).await;
    }
    let listed = list(&web, &asked, asked.params.cluster()).await;
    told(WebVersion::V3, listed.map(|info| info.hosts.iter().map(shown_instance).collect::<Value>()))
}

/// Names of one group, as version 1 lists them.
pub(super) async fn names_v1(State(web): State<Web>, asked: Asked) -> Response {
    let listed = names(&web, &asked, asked.params.names_page_v1()).await;
    told(WebVersion::V1, listed.map(|(count, names)| json!({"count": count, "doms": names})))
}

/// Names of one group, as version 2 lists them.
pub(super) async fn names_v2(State(web): State<Web>, asked: Asked) -> Response {
    let listed = names(&web, &asked, asked.params.names_page_v2()).await;
    told(WebVersion::V2, listed.map(|(count, names)| json!({"count": count, "services": names})))
}

/// Whether the view has no such service, should any cluster have it: its list is the local Nacos's.
fn is_of_nacos(web: &Web, asked: &Asked) -> bool {
    asked.params.service().is_ok_and(|service| !web.door.naming.is_shared(&service))
}

/// A service as the first two versions name it: with its group.
async fn subscribed(web: &Web, asked: &Asked, clusters: &str) -> Result<ServiceInfo, WebFailure> {
    let mut info = list(web, asked, clusters).await?;
    info.name = format!("{}{GROUP_SEPARATOR}{}", info.group_name, info.name);
    Ok(info)
}

async fn list(web: &Web, asked: &Asked, clusters: &str) -> Result<ServiceInfo, WebFailure> {
    let service = asked.params.service()?;
    let healthy_only = asked.params.is_true("healthyOnly");
    Ok(web.door.query(&asked.caller(), service, clusters.to_owned(), healthy_only).await?)
}

async fn names(
    web: &Web,
    asked: &Asked,
    page: Result<ListingPage, ParamFailure>,
) -> Result<(usize, Vec<String>), WebFailure> {
    let (page, namespace, group) = (page?, asked.params.namespace(), asked.params.group());
    Ok(web.door.service_names(&asked.caller(), namespace, group, page).await?)
}

fn told(version: WebVersion, listed: Result<Value, WebFailure>) -> Response {
    match (listed, version) {
        (Ok(listed), WebVersion::V1) => Json(listed).into_response(),
        (Ok(listed), _) => Json(WrappedAnswer::success(listed)).into_response(),
        (Err(failure), _) => failure.told(version),
    }
}
