//! Config items: reading, writing, and the listings that show what changed.

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use federation_core::id::ConfigKey;
use nacos_protocol::names::DEFAULT_NAMESPACE;
use nacos_protocol::web::ParamFailure;
use serde_json::{Value, json};

use super::Api;
use super::answer::{Failure, ShownPage, V1, V2, V3, json_text, page, success};
use super::params::Params;
use crate::check::check_config;
use crate::configs::{ConfigItem, ConfigLabels, PublishError, known_kind};
use crate::keeping::Order;

/// What version 1 says of an item that is not there.
const ABSENT: &str = "config data not exist";

/// GET of version 1: the content itself; with `show=all` all that is known of the item, with `search` a page of items.
pub(super) async fn read_v1(State(api): State<Api>, params: Params) -> Result<Response, V1> {
    if let Some(search) = params.get("search") {
        let rows = search_rows(&api, &params, search, ("group", "dataId"), row_v1).await?;
        return Ok(axum::Json(rows).into_response());
    }
    let found = read(&api, params.config()?).await?;
    Ok(match found {
        Some((key, item)) if params.get("show") == Some("all") => {
            axum::Json(detail(&key, &item, Names::V1)).into_response()
        }
        Some((_, item)) => {
            let kind = known_kind(&item.labels.kind);
            let headers = [
                (CONTENT_TYPE, content_type(kind).to_owned()),
                (HeaderName::from_static("content-md5"), item.md5.to_string()),
                (HeaderName::from_static("config-type"), kind.to_owned()),
            ];
            (headers, item.content.to_string()).into_response()
        }
        None => (StatusCode::NOT_FOUND, format!("{ABSENT}\n")).into_response(),
    })
}

fn content_type(kind: &str) -> &'static str {
    match kind {
        "json" => "application/json;charset=UTF-8",
        "xml" => "application/xml;charset=UTF-8",
        "html" => "text/html;charset=UTF-8",
        _ => "text/plain;charset=UTF-8",
    }
}

/// GET of version 2: the content itself.
pub(super) async fn read_v2(State(api): State<Api>, params: Params) -> Result<Response, V2> {
    match read(&api, params.config()?).await? {
        Some((_, item)) => {
            let headers = [
                (HeaderName::from_static("content-md5"), item.md5.to_string()),
                (HeaderName::from_static("config-type"), known_kind(&item.labels.kind).to_owned()),
            ];
            Ok((headers, success(&*item.content)).into_response())
        }
        None => Err(Failure::NotFound(ABSENT.into()).into()),
    }
}

/// GET of version 3 for clients. As in Nacos, an absent item is a 200 with a code.
pub(super) async fn read_client_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    Ok(match read(&api, params.config_v3()?).await? {
        Some((_, item)) => success(json!({
            "resultCode": 200, "errorCode": 0, "message": null, "requestId": null, "success": true,
            "content": item.content, "md5": item.md5, "contentType": known_kind(&item.labels.kind),
            "encryptedDataKey": item.labels.encrypted_data_key, "lastModified": item.modified_ms,
            "beta": false, "tag": null,
        })),
        None => axum::Json(json!({"code": 20_004, "message": "resource not found", "data": null})).into_response(),
    })
}

/// GET of version 3 for administrators: the item with all that is known of it.
pub(super) async fn read_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    match read(&api, params.config_v3()?).await? {
        Some((key, item)) => Ok(success(detail(&key, &item, Names::V3))),
        None => Err(Failure::NotFound("Config not exist, please publish Config first.".into()).into()),
    }
}

/// One page of a namespace's items without content. `dataId` and `groupName` are parts of the names, or whole with
/// `search=accurate`.
pub(super) async fn list_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    let search = params.get("search").unwrap_or("blur");
    Ok(success(search_rows(&api, &params, search, ("groupName", "dataId"), basics).await?))
}

async fn search_rows(
    api: &Api,
    params: &Params,
    search: &str,
    (group, data_id): (&str, &str),
    row: fn(&ConfigKey, &ConfigItem) -> Value,
) -> Result<ShownPage<Value>, Failure> {
    let at = params.page()?;
    let accurate = search == "accurate";
    let pattern = |name: &str| params.get(name).unwrap_or_default().trim_matches('*').to_owned();
    let (group, data_id, namespace) = (pattern(group), pattern(data_id), params.namespace().to_owned());
    let asked = api.handle.ask(move |store, _| {
        store.configs.all_readable()?;
        let fits = |pattern: &str, text: &str| match accurate {
            true => pattern.is_empty() || pattern == text,
            false => text.contains(pattern),
        };
        let fitting = |(key, _): &(&ConfigKey, _)| fits(&group, key.group()) && fits(&data_id, key.data_id());
        let items: Vec<_> = store.configs.list(&namespace).filter(fitting).collect();
        Ok::<_, PublishError>(page(&items, at, |(key, item)| row(key, item)))
    });
    Ok(asked.await??)
}

/// All items of a namespace with their times, unpaged.
pub(super) async fn all_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    let namespace = params.namespace().to_owned();
    let asked = api.handle.ask(move |store, _| {
        store.configs.all_readable()?;
        let items: Vec<_> = store.configs.list(&namespace).map(|(key, item)| basics(key, item)).collect();
        Ok::<_, PublishError>(items)
    });
    Ok(success(asked.await??))
}

/// POST of version 1.
pub(super) async fn publish_v1(State(api): State<Api>, headers: HeaderMap, params: Params) -> Result<Response, V1> {
    let content = params.given("content").ok_or(ParamFailure::Absent("content"))?;
    publish(&api, params.config()?, content, &params, &headers).await?;
    Ok(json_text("true"))
}

/// POST of version 2.
pub(super) async fn publish_v2(State(api): State<Api>, headers: HeaderMap, params: Params) -> Result<Response, V2> {
    let content = content_of(&params)?;
    publish(&api, params.config()?, content, &params, &headers).await?;
    Ok(success(true))
}

/// POST and PUT of version 3.
pub(super) async fn publish_v3(State(api): State<Api>, headers: HeaderMap, params: Params) -> Result<Response, V3> {
    let key = params.config_v3()?;
    publish(&api, key, content_of(&params)?, &params, &headers).await?;
    Ok(success(true))
}

/// DELETE of version 1.
pub(super) async fn remove_v1(State(api): State<Api>, params: Params) -> Result<Response, V1> {
    remove(&api, params.config()?).await?;
    Ok(json_text("true"))
}

/// DELETE of version 2.
pub(super) async fn remove_v2(State(api): State<Api>, params: Params) -> Result<Response, V2> {
    remove(&api, params.config()?).await?;
    Ok(success(true))
}

/// DELETE of version 3.
pub(super) async fn remove_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    remove(&api, params.config_v3()?).await?;
    Ok(success(true))
}

/// The content as it was given: no blank around it is lost.
fn content_of(params: &Params) -> Result<&str, Failure> {
    params.given("content").filter(|content| !content.is_empty()).ok_or(ParamFailure::Missing("content").into())
}

async fn read(api: &Api, key: ConfigKey) -> Result<Option<(ConfigKey, ConfigItem)>, Failure> {
    check_config(&key)?;
    let asked = api.handle.ask(move |store, _| {
        let item = store.configs.look(&key)?.cloned();
        Ok::<_, PublishError>(item.map(|item| (key, item)))
    });
    Ok(asked.await??)
}

/// As in Nacos, the expected MD5 and the addresses of a variant are headers.
async fn publish(
    api: &Api,
    key: ConfigKey,
    content: &str,
    params: &Params,
    headers: &HeaderMap,
) -> Result<(), Failure> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty());
    if header("betaIps").is_some() || params.get("tag").is_some() {
        return Err(Failure::Variant); // Taken for the item itself, it would reach everybody.
    }
    let said = |name: &str| params.given(name).unwrap_or_default().to_owned();
    let labels = ConfigLabels {
        kind: known_kind(&said("type")).to_owned(),
        encrypted_data_key: said("encryptedDataKey"),
        app_name: said("appName"),
        description: said("desc"),
        tags: params.get("configTags").or_else(|| params.get("config_tags")).unwrap_or_default().to_owned(),
    };
    let (content, cas_md5) = (content.to_owned(), header("casMd5").map(str::to_owned));
    Ok(api.handle.change(key, Order::Publish { content, labels, cas_md5 }).await??)
}

async fn remove(api: &Api, key: ConfigKey) -> Result<(), Failure> {
    check_config(&key)?;
    Ok(api.handle.change(key, Order::Remove).await??)
}

/// By which names an item's parts are shown.
#[derive(Clone, Copy)]
enum Names {
    V1,
    V3,
}

fn detail(key: &ConfigKey, item: &ConfigItem, names: Names) -> Value {
    let mut shown = basics(key, item);
    let labels = &item.labels;
    let said = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    for (field, value) in [
        ("content", (*item.content).into()),
        ("desc", said(&labels.description)),
        ("encryptedDataKey", labels.encrypted_data_key.as_str().into()),
        ("configTags", said(&labels.tags)),
        ("createUser", Value::Null),
        ("createIp", Value::Null),
    ] {
        shown[field] = value;
    }
    if matches!(names, Names::V1) {
        rename_v1(&mut shown, key);
        for field in ["use", "effect", "schema"] {
            shown[field] = Value::Null;
        }
    }
    shown
}

/// In version 1 the default namespace has no name.
fn rename_v1(shown: &mut Value, key: &ConfigKey) {
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("namespaceId");
        fields.remove("groupName");
    }
    shown["tenant"] = if key.namespace() == DEFAULT_NAMESPACE { "" } else { key.namespace() }.into();
    shown["group"] = key.group().into();
}

fn row_v1(key: &ConfigKey, item: &ConfigItem) -> Value {
    let mut row = json!({
        "id": "0",
        "dataId": key.data_id(),
        "content": item.content,
        "md5": null,
        "encryptedDataKey": item.labels.encrypted_data_key,
        "appName": item.labels.app_name,
        "type": known_kind(&item.labels.kind),
    });
    rename_v1(&mut row, key);
    row
}

fn basics(key: &ConfigKey, item: &ConfigItem) -> Value {
    json!({
        "id": "0",
        "namespaceId": key.namespace(),
        "groupName": key.group(),
        "dataId": key.data_id(),
        "md5": item.md5,
        "type": known_kind(&item.labels.kind),
        "appName": item.labels.app_name,
        "createTime": item.created_ms,
        "modifyTime": item.modified_ms,
    })
}
