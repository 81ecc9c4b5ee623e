//! Config items: reading, writing, and the listings that show what changed.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use federation_core::id::ConfigKey;
use serde_json::{Value, json};

use super::Api;
use super::answer::{Failure, page, success};
use super::params::Params;
use crate::registry::configs::{ConfigItem, ConfigLabels, PublishError};
use crate::registry::keeping::Order;

/// GET of version 1: the content itself.
pub(super) async fn read_v1(State(api): State<Api>, params: Params) -> Response {
    match read(&api, &params).await {
        Ok(Some((_, item))) => {
            let kind = if item.labels.kind.is_empty() { "text".to_owned() } else { item.labels.kind };
            let headers = [
                (CONTENT_TYPE, "text/plain;charset=UTF-8".to_owned()),
                (HeaderName::from_static("content-md5"), item.md5.to_string()),
                (HeaderName::from_static("config-type"), kind),
            ];
            (headers, item.content.to_string()).into_response()
        }
        Ok(None) => (StatusCode::NOT_FOUND, "config data not exist\n").into_response(),
        Err(failure) => failure.plain(),
    }
}

/// GET of version 3 for clients. As in Nacos, an absent item is a 200 with a code.
pub(super) async fn read_client_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    Ok(match read(&api, &params).await? {
        Some((_, item)) => success(json!({
            "content": item.content, "md5": item.md5, "contentType": item.labels.kind,
            "encryptedDataKey": item.labels.encrypted_data_key, "lastModified": item.modified_ms, "beta": false,
        })),
        None => axum::Json(json!({"code": 20_004, "message": "resource not found", "data": null})).into_response(),
    })
}

/// GET of version 3 for administrators: the item with all that is known of it.
pub(super) async fn read_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    let Some((key, item)) = read(&api, &params).await? else {
        return Err(Failure::NotFound("Config not exist, please publish Config first."));
    };
    let mut shown = basics(&key, &item);
    let labels = &item.labels;
    for (field, value) in [
        ("content", &*item.content),
        ("desc", &labels.description),
        ("encryptedDataKey", &labels.encrypted_data_key),
        ("configTags", &labels.tags),
    ] {
        shown[field] = value.into();
    }
    Ok(success(shown))
}

/// One page of a namespace's items without content. `dataId` and `groupName` are parts of the names, or whole with
/// `search=accurate`.
pub(super) async fn list_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    let at = params.page()?;
    let accurate = params.get("search") == Some("accurate");
    let pattern = |name: &str| params.get(name).unwrap_or_default().trim_matches('*').to_owned();
    let (group, data_id, namespace) = (pattern("groupName"), pattern("dataId"), params.namespace().to_owned());
    let asked = api.handle.ask(move |store, _| {
        store.configs.all_readable()?;
        let fits = |pattern: &str, text: &str| match accurate {
            true => pattern.is_empty() || pattern == text,
            false => text.contains(pattern),
        };
        let fitting = |(key, _): &(&ConfigKey, _)| fits(&group, key.group()) && fits(&data_id, key.data_id());
        let items: Vec<_> = store.configs.list(&namespace).filter(fitting).collect();
        Ok::<_, PublishError>(page(&items, at, |(key, item)| basics(key, item)))
    });
    Ok(success(asked.await??))
}

/// All items of a namespace with their times, unpaged.
pub(super) async fn all_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    let namespace = params.namespace().to_owned();
    let asked = api.handle.ask(move |store, _| {
        store.configs.all_readable()?;
        let items: Vec<_> = store.configs.list(&namespace).map(|(key, item)| basics(key, item)).collect();
        Ok::<_, PublishError>(items)
    });
    Ok(success(asked.await??))
}

/// POST of version 1.
pub(super) async fn publish_v1(State(api): State<Api>, params: Params) -> Response {
    publish(&api, &params).await.map_or_else(|failure| failure.plain(), |()| "true".into_response())
}

/// POST and PUT of version 3.
pub(super) async fn publish_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    publish(&api, &params).await.map(|()| success(true))
}

/// DELETE of version 1.
pub(super) async fn remove_v1(State(api): State<Api>, params: Params) -> Response {
    remove(&api, &params).await.map_or_else(|failure| failure.plain(), |()| "true".into_response())
}

/// DELETE of version 3.
pub(super) async fn remove_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    remove(&api, &params).await.map(|()| success(true))
}

async fn read(api: &Api, params: &Params) -> Result<Option<(ConfigKey, ConfigItem)>, Failure> {
    let key = params.config()?;
    let asked = api.handle.ask(move |store, _| {
        let item = store.configs.look(&key)?.cloned();
        Ok::<_, PublishError>(item.map(|item| (key, item)))
    });
    Ok(asked.await??)
}

async fn publish(api: &Api, params: &Params) -> Result<(), Failure> {
    let key = params.config()?;
    let content = params.required("content")?.to_owned();
    let said = |name: &str| params.get(name).unwrap_or_default().to_owned();
    let labels = ConfigLabels {
        kind: said("type"),
        encrypted_data_key: said("encryptedDataKey"),
        app_name: said("appName"),
        description: said("desc"),
        tags: params.get("configTags").or_else(|| params.get("config_tags")).unwrap_or_default().to_owned(),
    };
    let cas_md5 = params.get("casMd5").map(str::to_owned);
    Ok(api.handle.change(key, Order::Publish { content, labels, cas_md5 }).await??)
}

async fn remove(api: &Api, params: &Params) -> Result<(), Failure> {
    let key = params.config()?;
    Ok(api.handle.change(key, Order::Remove).await??)
}

fn basics(key: &ConfigKey, item: &ConfigItem) -> Value {
    json!({
        "id": "0",
        "namespaceId": key.namespace(),
        "groupName": key.group(),
        "dataId": key.data_id(),
        "md5": item.md5,
        "type": if item.labels.kind.is_empty() { "text" } else { &item.labels.kind },
        "appName": item.labels.app_name,
        "createTime": item.created_ms,
        "modifyTime": item.modified_ms,
    })
}
