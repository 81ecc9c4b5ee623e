//! Services: their own settings, listings for administrators, and the names of one group.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use federation_core::id::ServiceKey;
use nacos_protocol::server::ListingPage;
use nacos_protocol::web::{ParamFailure, shown_instance};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::Api;
use super::answer::{Failure, V1, V2, V3, page, success};
use super::params::Params;
use crate::check::grouped;
use crate::naming::{InstanceLifetime, ListedServices, NamingSettings, NamingStore};
use crate::wire;

/// Services of all groups of a namespace. `groupNameParam` and `serviceNameParam` are parts of the names.
pub(super) async fn list_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    let at = params.page()?;
    let part = |name: &str| params.get(name).unwrap_or_default().trim_matches('*').to_owned();
    let (group, service) = (part("groupNameParam"), part("serviceNameParam"));
    let namespace = params.namespace().to_owned();
    let without_empty = params.flag("ignoreEmptyService", false);
    let with_instances = params.flag("withInstances", false);
    let asked = api.handle.ask(move |store, _| {
        let naming = &store.naming;
        let asked_for = |key: &&ServiceKey| {
            key.group().contains(&group)
                && key.service().contains(&service)
                && (!without_empty || naming.is_published(key))
        };
        let keys: Vec<&ServiceKey> = naming.list(&namespace).filter(asked_for).collect();
        // What is not needed to look at the store is done by whoever asked: the owner has others to answer.
        page(&keys, at, |key| match with_instances {
            true => ListedRow::WithHosts(with_hosts(naming, key)),
            false => ListedRow::Figures(naming.figures(key).expect("it was just listed")),
        })
    });
    Ok(success(asked.await?))
}

/// One service with its settings and clusters, in version 1.
pub(super) async fn read_v1(State(api): State<Api>, params: Params) -> Result<Response, V1> {
    params.given("serviceName").ok_or(ParamFailure::Absent("serviceName"))?;
    let key = params.service()?;
    let Detail { settings, clusters, .. } = detail(&api, &key).await?;
    let cluster = |name: String| json!({"name": name, "healthChecker": {"type": "TCP"}, "metadata": {}});
    let shown = json!({
        "namespaceId": key.namespace(),
        "groupName": key.group(),
        "name": key.service(),
        "protectThreshold": shown_threshold(settings.threshold),
        "metadata": settings.metadata,
        "selector": {"contextType": "NONE", "type": "none"},
        "clusters": clusters.into_iter().map(cluster).collect::<Vec<_>>(),
    });
    Ok(Json(shown).into_response())
}

/// One service with its settings and clusters, in version 2.
pub(super) async fn read_v2(State(api): State<Api>, params: Params) -> Result<Response, V2> {
    let key = params.service()?;
    let mut shown = shown_detail(&key, detail(&api, &key).await?);
    shown["namespace"] = key.namespace().into();
    Ok(success(shown))
}

/// One service with its settings and clusters, for administrators.
pub(super) async fn read_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    let key = params.service()?;
    let mut shown = shown_detail(&key, detail(&api, &key).await?);
    shown["namespaceId"] = key.namespace().into();
    for cluster in shown["clusterMap"].as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
        cluster["healthyCheckPort"] = 80.into();
        cluster["useInstancePortForCheck"] = true.into();
    }
    Ok(success(shown))
}

/// What is known of a service as a whole.
struct Detail {
    lifetime: InstanceLifetime,
    settings: NamingSettings,
    clusters: Vec<String>,
}

async fn detail(api: &Api, key: &ServiceKey) -> Result<Detail, Failure> {
    let asked_for = key.clone();
    let asked = api.handle.ask(move |store, _| {
        let (lifetime, all) = store.naming.instances(&asked_for)?;
        let settings = store.naming.settings(&asked_for)?;
        let mut clusters: Vec<String> = all.iter().map(|one| one.id.nacos_cluster.to_string()).collect();
        clusters.sort();
        clusters.dedup();
        Some(Detail { lifetime, settings, clusters })
    });
    let unknown = || Failure::NoDetail { namespace: key.namespace().to_owned(), grouped: grouped(key) };
    asked.await?.ok_or_else(unknown)
}

fn shown_detail(key: &ServiceKey, detail: Detail) -> Value {
    let cluster = |name: String| {
        let cluster = json!({"clusterName": name, "healthChecker": {"type": "TCP"}, "metadata": {}, "hosts": null});
        (name, cluster)
    };
    let clusters: serde_json::Map<String, Value> = detail.clusters.into_iter().map(cluster).collect();
    json!({
        "groupName": key.group(),
        "serviceName": key.service(),
        "ephemeral": detail.lifetime == InstanceLifetime::Ephemeral,
        "protectThreshold": shown_threshold(detail.settings.threshold),
        "metadata": detail.settings.metadata,
        "selector": {"contextType": "NONE", "type": "none"},
        "clusterMap": clusters,
    })
}

/// Names of one group, as version 1 lists them.
pub(super) async fn names_v1(State(api): State<Api>, params: Params) -> Result<Response, V1> {
    let (count, names) = names(&api, &params, params.names_page_v1()?).await?;
    Ok(Json(json!({"count": count, "doms": names})).into_response())
}

/// Names of one group, as version 2 lists them.
pub(super) async fn names_v2(State(api): State<Api>, params: Params) -> Result<Response, V2> {
    let (count, names) = names(&api, &params, params.names_page_v2()?).await?;
    Ok(success(json!({"count": count, "services": names})))
}

async fn names(api: &Api, params: &Params, page: ListingPage) -> Result<(usize, Vec<String>), Failure> {
    let (namespace, group) = (params.namespace().to_owned(), params.group().to_owned());
    let asked = api.handle.ask(move |store, _| {
        let of_group = store.naming.list(&namespace).filter(|key| key.group() == group);
        let names: Vec<&str> = of_group.map(ServiceKey::service).collect();
        let shown = names.iter().skip(page.skip()).take(page.size).map(ToString::to_string).collect();
        (names.len(), shown)
    });
    Ok(asked.await?)
}

/// Names of all services, by namespace. The only listing over HTTP that tells the namespace `""` from `public`.
pub(super) async fn all_names_v1(State(api): State<Api>) -> Result<Response, V1> {
    #[derive(Serialize)]
    struct AllNames<'a> {
        #[serde(rename = "META-INF/services")]
        names: BTreeMap<&'a str, Vec<String>>,
    }
    let all: Vec<ServiceKey> = api.handle.ask(|store, _| store.naming.all().cloned().collect()).await?;
    let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for key in &all {
        names.entry(key.namespace()).or_default().push(grouped(key));
    }
    Ok(Json(AllNames { names }).into_response())
}

/// POST of version 1: a service by itself, with its protection threshold.
pub(super) async fn create_v1(State(api): State<Api>, params: Params) -> Result<Response, V1> {
    create(&api, &params).await?;
    Ok("ok".into_response())
}

/// POST of version 2.
pub(super) async fn create_v2(State(api): State<Api>, params: Params) -> Result<Response, V2> {
    create(&api, &params).await?;
    Ok(success("ok"))
}

/// POST of version 3.
pub(super) async fn create_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    create(&api, &params).await?;
    Ok(success("ok"))
}

/// PUT of version 1.
pub(super) async fn change_v1(State(api): State<Api>, params: Params) -> Result<Response, V1> {
    change(&api, &params).await?;
    Ok("ok".into_response())
}

/// PUT of version 2.
pub(super) async fn change_v2(State(api): State<Api>, params: Params) -> Result<Response, V2> {
    change(&api, &params).await?;
    Ok(success("ok"))
}

/// PUT of version 3.
pub(super) async fn change_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    change(&api, &params).await?;
    Ok(success("ok"))
}

/// DELETE of version 1.
pub(super) async fn remove_v1(State(api): State<Api>, params: Params) -> Result<Response, V1> {
    remove(&api, &params).await?;
    Ok("ok".into_response())
}

/// DELETE of version 2.
pub(super) async fn remove_v2(State(api): State<Api>, params: Params) -> Result<Response, V2> {
    remove(&api, &params).await?;
    Ok(success("ok"))
}

/// DELETE of version 3.
pub(super) async fn remove_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    remove(&api, &params).await?;
    Ok(success("ok"))
}

async fn create(api: &Api, params: &Params) -> Result<(), Failure> {
    let (key, settings) = (params.service()?, settings(params)?);
    // Here Nacos takes persistent where nothing is said, unlike for instances.
    let lifetime =
        if params.flag("ephemeral", false) { InstanceLifetime::Ephemeral } else { InstanceLifetime::Persistent };
    Ok(api.handle.ask(move |store, now| store.naming.create(&key, lifetime, settings, now)).await??)
}

async fn change(api: &Api, params: &Params) -> Result<(), Failure> {
    let (key, settings) = (params.service()?, settings(params)?);
    Ok(api.handle.ask(move |store, now| store.naming.change(&key, settings, now)).await??)
}

async fn remove(api: &Api, params: &Params) -> Result<(), Failure> {
    let key = params.service()?;
    Ok(api.handle.ask(move |store, _| store.naming.remove(&key)).await??)
}

fn settings(params: &Params) -> Result<NamingSettings, Failure> {
    #[allow(clippy::cast_possible_truncation, reason = "Nacos keeps it as a float, too")]
    let threshold = params.double("protectThreshold")?.unwrap_or(0.0) as f32;
    Ok(NamingSettings { threshold, metadata: params.metadata()? })
}

/// The shortest number that is this float: 0.3, not the 0.30000001192092896 that it is as a double.
fn shown_threshold(threshold: f32) -> f64 {
    threshold.to_string().parse().expect("a float prints as a number")
}

/// A service in a listing.
enum ListedRow {
    WithHosts(Value),
    Figures(ListedServices),
}

impl Serialize for ListedRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Figures<'a> {
            name: &'a str,
            group_name: &'a str,
            cluster_count: usize,
            ip_count: usize,
            healthy_instance_count: usize,
            trigger_flag: &'static str,
        }
        match self {
            Self::WithHosts(shown) => shown.serialize(serializer),
            Self::Figures(ListedServices { key, clusters, instances, healthy }) => Figures {
                name: key.service(),
                group_name: key.group(),
                cluster_count: *clusters,
                ip_count: *instances,
                healthy_instance_count: *healthy,
                trigger_flag: "false",
            }
            .serialize(serializer),
        }
    }
}

fn with_hosts(naming: &NamingStore, key: &ServiceKey) -> Value {
    let mut clusters: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    if let Some((lifetime, all)) = naming.instances(key) {
        for instance in all {
            let cluster = clusters.entry(instance.id.nacos_cluster.to_string()).or_default();
            cluster.push(shown_instance(&wire::encode_instance(key, lifetime, instance)));
        }
    }
    let cluster_map: serde_json::Map<String, Value> = clusters
        .into_iter()
        .map(|(name, hosts)| {
            let cluster = json!({"clusterName": name, "metadata": {}, "hosts": hosts});
            (name, cluster)
        })
        .collect();
    let settings = naming.settings(key).unwrap_or_default();
    json!({
        "namespaceId": key.namespace(),
        "serviceName": key.service(),
        "groupName": key.group(),
        "clusterMap": cluster_map,
        "metadata": settings.metadata,
        "protectThreshold": shown_threshold(settings.threshold),
    })
}
