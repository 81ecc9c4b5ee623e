//! Namespaces: the list, and making and removing them.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use nacos_protocol::names::DEFAULT_NAMESPACE;
use nacos_protocol::web::ParamFailure;
use serde_json::{Value, json};

use super::Api;
use super::answer::{Failure, V1, V2, V3, success};
use super::params::Params;
use crate::store::{RegistryStore, StoredNamespace};

/// All namespaces that were created.
pub(super) async fn list_v3(State(api): State<Api>) -> Result<Response, V3> {
    Ok(success(list(&api).await?))
}

/// The same in version 2, where the default one has no id.
pub(super) async fn list_v2(State(api): State<Api>) -> Result<Response, V2> {
    Ok(success(with_nameless_default(list(&api).await?)))
}

/// The same in version 1, where the default one has no id.
pub(super) async fn list_v1(State(api): State<Api>) -> Result<Response, V1> {
    let data = with_nameless_default(list(&api).await?);
    Ok(Json(json!({"code": 200, "message": null, "data": data})).into_response())
}

async fn list(api: &Api) -> Result<Vec<Value>, Failure> {
    let asked =
        api.handle.ask(|store, _| store.namespaces.iter().map(|(id, namespace)| show(store, id, namespace)).collect());
    Ok(asked.await?)
}

fn with_nameless_default(mut list: Vec<Value>) -> Vec<Value> {
    for namespace in list.iter_mut().filter(|namespace| namespace["namespace"] == DEFAULT_NAMESPACE) {
        namespace["namespace"] = "".into();
        namespace["namespaceDesc"] = Value::Null;
    }
    list
}

/// One namespace.
pub(super) async fn read_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    let id = params.namespace().to_owned();
    let asked = api.handle.ask(move |store, _| store.namespaces.get(&id).map(|namespace| show(store, &id, namespace)));
    Ok(success(asked.await?.ok_or_else(|| Failure::NotFound("namespace not exist".into()))?))
}

/// Creates a namespace, or changes its name and description.
pub(super) async fn create_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    let name = params.required("namespaceName")?.to_owned();
    let id = params.get("customNamespaceId").or_else(|| params.get("namespaceId")).unwrap_or(&name).to_owned();
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if id.len() > 128 || !id.chars().all(legal) {
        return Err(ParamFailure::Invalid("namespaceId is illegal".into()).into());
    }
    let description = params.get("namespaceDesc").unwrap_or_default().to_owned();
    api.handle.ask(move |store, _| store.namespaces.insert(id, StoredNamespace { name, description })).await?;
    Ok(success(true))
}

/// Removes a namespace from the list; what is in it stays, as in Nacos.
pub(super) async fn delete_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    let id = params.namespace().to_owned();
    if id == DEFAULT_NAMESPACE {
        return Err(ParamFailure::Invalid("the default namespace is not to be removed".into()).into());
    }
    api.handle.ask(move |store, _| store.namespaces.remove(&id)).await?;
    Ok(success(true))
}

fn show(store: &RegistryStore, id: &str, namespace: &StoredNamespace) -> Value {
    json!({
        "namespace": id,
        "namespaceShowName": namespace.name,
        "namespaceDesc": namespace.description,
        "quota": 200,
        "configCount": store.configs.list(id).count(),
        "type": if id == DEFAULT_NAMESPACE { 0 } else { 1 },
    })
}
