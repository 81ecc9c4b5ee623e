//! Namespaces: the list, and making and removing them.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::Api;
use super::answer::{Failure, success};
use super::params::Params;
use crate::registry::configs::DEFAULT_NAMESPACE;
use crate::registry::store::{Namespace, Store};

/// All namespaces that were created.
pub(super) async fn list_v3(State(api): State<Api>) -> Result<Response, Failure> {
    let asked = api
        .handle
        .ask(|store, _| store.namespaces.iter().map(|(id, namespace)| show(store, id, namespace)).collect::<Vec<_>>());
    Ok(success(asked.await?))
}

/// One namespace.
pub(super) async fn read_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    let id = params.namespace().to_owned();
    let asked = api.handle.ask(move |store, _| store.namespaces.get(&id).map(|namespace| show(store, &id, namespace)));
    asked.await?.map(success).ok_or(Failure::NotFound("namespace not exist"))
}

/// Creates a namespace, or changes its name and description.
pub(super) async fn create_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    let name = params.get("namespaceName").ok_or(Failure::Missing("namespaceName"))?.to_owned();
    let id = params.get("customNamespaceId").or_else(|| params.get("namespaceId")).unwrap_or(&name).to_owned();
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if id.len() > 128 || !id.chars().all(legal) {
        return Err(Failure::Malformed("namespaceId"));
    }
    let description = params.get("namespaceDesc").unwrap_or_default().to_owned();
    api.handle.ask(move |store, _| store.namespaces.insert(id, Namespace { name, description })).await?;
    Ok(success(true))
}

/// Removes a namespace from the list; what is in it stays, as in Nacos.
pub(super) async fn delete_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    let id = params.namespace().to_owned();
    if id == DEFAULT_NAMESPACE {
        return Err(Failure::Malformed("namespaceId"));
    }
    api.handle.ask(move |store, _| store.namespaces.remove(&id)).await?;
    Ok(success(true))
}

fn show(store: &Store, id: &str, namespace: &Namespace) -> Value {
    json!({
        "namespace": id,
        "namespaceShowName": namespace.name,
        "namespaceDesc": namespace.description,
        "quota": 200,
        "configCount": store.configs.list(id).count(),
        "type": if id == DEFAULT_NAMESPACE { 0 } else { 1 },
    })
}
