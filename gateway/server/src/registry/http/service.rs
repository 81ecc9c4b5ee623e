//! Services: listings for administrators, and the names of one group.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use federation_core::id::ServiceKey;
use nacos_protocol::server::DEFAULT_GROUP;
use serde_json::{Value, json};

use super::Api;
use super::answer::{Failure, page, success};
use super::params::Params;
use crate::registry::naming::{Lifetime, NamingStore};
use crate::registry::wire;

/// Services of all groups of a namespace. `groupNameParam` and `serviceNameParam` are parts of the names.
pub(super) async fn list_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
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
        page(&keys, at, |key| if with_instances { with_hosts(naming, key) } else { figures(naming, key) })
    });
    Ok(success(asked.await?))
}

/// One service with the names of its clusters.
pub(super) async fn read_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    let key = params.service()?;
    let shown = key.clone();
    let asked = api.handle.ask(move |store, _| {
        store.naming.instances(&key).map(|(lifetime, _)| {
            let mut detail = with_hosts(&store.naming, &key);
            detail["ephemeral"] = (lifetime == Lifetime::Ephemeral).into();
            detail
        })
    });
    asked.await?.map(success).ok_or_else(|| Failure::NoDetail(shown.to_string()))
}

/// Names of one group, as version 1 lists them.
pub(super) async fn names_v1(State(api): State<Api>, params: Params) -> Response {
    let outcome = async {
        let (number, size) = params.page()?;
        let (namespace, group) =
            (params.namespace().to_owned(), params.get("groupName").unwrap_or(DEFAULT_GROUP).to_owned());
        let asked = api.handle.ask(move |store, _| {
            let of_group = store.naming.list(&namespace).filter(|key| key.group() == group);
            let names: Vec<String> = of_group.map(|key| key.service().to_owned()).collect();
            let shown: Vec<&String> = names.iter().skip((number - 1).saturating_mul(size)).take(size).collect();
            json!({"count": names.len(), "doms": shown})
        });
        Ok::<_, Failure>(asked.await?)
    };
    outcome.await.map_or_else(|failure| failure.plain(), |names| Json(names).into_response())
}

/// Names of all services, by namespace. The only listing over HTTP that tells the namespace `""` from `public`.
pub(super) async fn all_names_v1(State(api): State<Api>) -> Response {
    let asked = api.handle.ask(|store, _| {
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for key in store.naming.all() {
            let grouped = format!("{}@@{}", key.group(), key.service());
            names.entry(key.namespace().to_owned()).or_default().push(grouped);
        }
        json!({"META-INF/services": names})
    });
    asked.await.map_or_else(|stopped| Failure::from(stopped).plain(), |names| Json(names).into_response())
}

/// POST of version 1: a service by itself, with its protection threshold.
pub(super) async fn declare(State(api): State<Api>, params: Params) -> Response {
    create(&api, &params).await.map_or_else(|failure| failure.plain(), |()| "ok".into_response())
}

/// POST and PUT of version 3.
pub(super) async fn declare_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    create(&api, &params).await.map(|()| success("ok"))
}

async fn create(api: &Api, params: &Params) -> Result<(), Failure> {
    let (key, threshold) = (params.service()?, params.number("protectThreshold", 0.0)?);
    // Here Nacos takes persistent where nothing is said, unlike for instances.
    let lifetime = if params.flag("ephemeral", false) { Lifetime::Ephemeral } else { Lifetime::Persistent };
    Ok(api.handle.ask(move |store, now| store.naming.declare(&key, lifetime, threshold, now)).await??)
}

fn figures(naming: &NamingStore, key: &ServiceKey) -> Value {
    let listed = naming.figures(key);
    let (clusters, instances, healthy) =
        listed.map_or((0, 0, 0), |listed| (listed.clusters, listed.instances, listed.healthy));
    json!({
        "name": key.service(),
        "groupName": key.group(),
        "clusterCount": clusters,
        "ipCount": instances,
        "healthyInstanceCount": healthy,
        "triggerFlag": "false",
    })
}

fn with_hosts(naming: &NamingStore, key: &ServiceKey) -> Value {
    let mut clusters: BTreeMap<String, Vec<_>> = BTreeMap::new();
    if let Some((lifetime, all)) = naming.instances(key) {
        for instance in all {
            let cluster = clusters.entry(instance.id.nacos_cluster.to_string()).or_default();
            cluster.push(wire::encode_instance(key, lifetime, instance));
        }
    }
    let cluster_map: serde_json::Map<String, Value> = clusters
        .into_iter()
        .map(|(name, hosts)| {
            let cluster = json!({"clusterName": name, "metadata": {}, "hosts": hosts});
            (name, cluster)
        })
        .collect();
    json!({
        "namespaceId": key.namespace(),
        "serviceName": key.service(),
        "groupName": key.group(),
        "clusterMap": cluster_map,
        "metadata": {},
        "protectThreshold": 0.0,
    })
}
