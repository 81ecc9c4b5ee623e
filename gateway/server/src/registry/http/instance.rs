//! Instances: registration, beats, changes by operators, and listings.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use federation_core::id::{InstanceId, ServiceKey};
use nacos_protocol::message::naming::Instance as WireInstance;
use serde::Deserialize;
use serde_json::json;

use super::Api;
use super::answer::{Failure, success};
use super::params::Params;
use crate::registry::instance::Instance;
use crate::registry::naming::{Beaten, Lifetime, Overlay, Publisher, Selection};
use crate::registry::wire;

/// Beats that Nacos asks for, in ms.
const BEAT_INTERVAL_MS: u32 = 5_000;

/// POST of version 1.
pub(super) async fn register(State(api): State<Api>, params: Params) -> Response {
    plain_ok(put_instance(&api, &params).await)
}

/// POST of version 3.
pub(super) async fn register_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    put_instance(&api, &params).await.map(|()| success("ok"))
}

/// POST of version 3 for clients: with `heartBeat=true` it only beats.
pub(super) async fn register_or_beat_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    if !params.flag("heartBeat", false) {
        return register_v3(State(api), params).await;
    }
    let (key, id) = (params.service()?, params.instance()?);
    Ok(match beat(&api, key, id).await? {
        Beaten::Known => success("ok"),
        Beaten::Unknown => Json(json!({"code": 21_003, "message": "instance not found", "data": null})).into_response(),
    })
}

/// DELETE of version 1.
pub(super) async fn deregister(State(api): State<Api>, params: Params) -> Response {
    plain_ok(drop_instance(&api, &params).await)
}

/// DELETE of version 3.
pub(super) async fn deregister_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    drop_instance(&api, &params).await.map(|()| success("ok"))
}

/// PUT of version 1: lays weight, state and metadata over what the registrant says.
pub(super) async fn update(State(api): State<Api>, params: Params) -> Response {
    plain_ok(overlay_instance(&api, &params).await)
}

/// PUT of version 3.
pub(super) async fn update_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    overlay_instance(&api, &params).await.map(|()| success("ok"))
}

/// PUT of version 1: the health of a persistent instance.
pub(super) async fn judge(State(api): State<Api>, params: Params) -> Response {
    plain_ok(judge_instance(&api, &params).await)
}

/// PUT of version 3: the health of a persistent instance.
pub(super) async fn judge_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    judge_instance(&api, &params).await.map(|()| success("ok"))
}

/// A beat of version 1. With `beat` as JSON it registers an instance that is not known.
pub(super) async fn beat_v1(State(api): State<Api>, params: Params) -> Response {
    #[derive(Deserialize)]
    struct Said {
        ip: String,
        port: u16,
        #[serde(default)]
        cluster: String,
        #[serde(default = "one")]
        weight: f64,
        #[serde(default)]
        metadata: std::collections::BTreeMap<String, String>,
    }
    fn one() -> f64 {
        1.0
    }
    let outcome = async {
        let key = params.service()?;
        let said: Option<Said> = params
            .get("beat")
            .map(|text| serde_json::from_str(text).map_err(|_| Failure::Malformed("beat")))
            .transpose()?;
        let Some(Said { ip, port, cluster, weight, metadata }) = said else {
            return beat(&api, key, params.instance()?).await;
        };
        let cluster = if cluster.is_empty() { wire::DEFAULT_CLUSTER } else { &cluster };
        let id = InstanceId::new(&ip, port, cluster);
        if beat(&api, key.clone(), id.clone()).await? == Beaten::Unknown {
            let instance = Instance { id, weight, healthy: true, enabled: true, metadata };
            register_with(&api, key, Lifetime::Ephemeral, instance).await?;
        }
        Ok(Beaten::Known)
    };
    let code = match outcome.await {
        Ok(Beaten::Known) => 10_200,
        Ok(Beaten::Unknown) => 20_404,
        Err(failure) => return failure.plain(),
    };
    let answer = json!({"clientBeatInterval": BEAT_INTERVAL_MS, "code": code, "lightBeatEnabled": true});
    Json(answer).into_response()
}

/// The list of version 1, as subscribers see it.
pub(super) async fn list_v1(State(api): State<Api>, params: Params) -> Response {
    let outcome = async {
        let key = params.service()?;
        let clusters = params.get("clusters").unwrap_or_default().to_owned();
        let selection = if params.flag("healthyOnly", false) { Selection::Healthy } else { Selection::Enabled };
        let asked = api.handle.ask(move |store, now| {
            let snapshot = store.naming.query(&key, &clusters, selection, now);
            let mut info = wire::encode_service(&key, &clusters, snapshot);
            info.name = format!("{}@@{}", key.group(), key.service());
            info
        });
        Ok::<_, Failure>(asked.await?)
    };
    outcome.await.map_or_else(|failure| failure.plain(), |info| Json(info).into_response())
}

/// The list of version 3 for clients, as subscribers see it; like Nacos's, of one cluster unless several are named.
pub(super) async fn list_client_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    let (key, clusters) = (params.service()?, params.cluster().to_owned());
    let selection = if params.flag("healthyOnly", false) { Selection::Healthy } else { Selection::Enabled };
    let asked = api.handle.ask(move |store, now| {
        let snapshot = store.naming.query(&key, &clusters, selection, now);
        wire::encode_service(&key, &clusters, snapshot).hosts
    });
    Ok(success(asked.await?))
}

/// The list of version 3 for administrators: true health, disabled ones too. Like Nacos's it is the list of one cluster,
/// `DEFAULT` where none is named, and a service without that cluster is not found.
pub(super) async fn list_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    let (key, cluster) = (params.service()?, params.cluster().to_owned());
    let healthy_only = params.flag("healthyOnly", false);
    let all = all_instances(&api, key.clone()).await?.unwrap_or_default();
    let of_cluster: Vec<WireInstance> = all.into_iter().filter(|host| host.cluster_name == cluster).collect();
    if of_cluster.is_empty() {
        return Err(Failure::NoService(format!("{}@@{}", key.group(), key.service())));
    }
    let shown: Vec<_> = of_cluster.into_iter().filter(|host| host.healthy || !healthy_only).collect();
    Ok(success(shown))
}

/// One instance, for administrators.
pub(super) async fn read_v3(State(api): State<Api>, params: Params) -> Result<Response, Failure> {
    let (key, id) = (params.service()?, params.instance()?);
    let all = all_instances(&api, key).await?.unwrap_or_default();
    let same = |host: &WireInstance| {
        *host.ip == *id.ip && host.port == i32::from(id.port) && *host.cluster_name == *id.nacos_cluster
    };
    all.into_iter().find(same).map(success).ok_or(Failure::NotFound("no matched ip found!"))
}

async fn all_instances(api: &Api, key: ServiceKey) -> Result<Option<Vec<WireInstance>>, Failure> {
    let asked = api.handle.ask(move |store, _| {
        let (lifetime, all) = store.naming.instances(&key)?;
        Some(all.into_iter().map(|one| wire::encode_instance(&key, lifetime, one)).collect())
    });
    Ok(asked.await?)
}

async fn put_instance(api: &Api, params: &Params) -> Result<(), Failure> {
    let instance = Instance {
        id: params.instance()?,
        weight: params.number("weight", 1.0)?,
        healthy: params.flag("healthy", true),
        enabled: enabled(params),
        metadata: params.metadata()?,
    };
    register_with(api, params.service()?, lifetime(params), instance).await
}

async fn register_with(api: &Api, key: ServiceKey, lifetime: Lifetime, instance: Instance) -> Result<(), Failure> {
    let publisher = publisher(lifetime, &instance.id);
    let asked = api.handle.ask(move |store, now| store.naming.register(&key, publisher, vec![instance], now));
    Ok(asked.await??)
}

async fn drop_instance(api: &Api, params: &Params) -> Result<(), Failure> {
    let (key, publisher) = (params.service()?, publisher(lifetime(params), &params.instance()?));
    Ok(api.handle.ask(move |store, now| store.naming.withdraw(&key, &publisher, now)).await?)
}

async fn overlay_instance(api: &Api, params: &Params) -> Result<(), Failure> {
    let (key, id) = (params.service()?, params.instance()?);
    let overlay =
        Overlay { weight: params.number("weight", 1.0)?, enabled: enabled(params), metadata: params.metadata()? };
    Ok(api.handle.ask(move |store, now| store.naming.overlay(&key, &id, overlay, now)).await??)
}

async fn judge_instance(api: &Api, params: &Params) -> Result<(), Failure> {
    let (key, id) = (params.service()?, params.instance()?);
    let healthy = params.required("healthy")?.eq_ignore_ascii_case("true");
    let asked = api.handle.ask(move |store, now| store.naming.judge(&key, &id.ip, id.port, healthy, now));
    match asked.await? {
        Beaten::Known => Ok(()),
        Beaten::Unknown => Err(Failure::NotFound("no matched ip found!")),
    }
}

async fn beat(api: &Api, key: ServiceKey, id: InstanceId) -> Result<Beaten, Failure> {
    Ok(api.handle.ask(move |store, now| store.naming.beat(&key, &id.ip, id.port, now)).await?)
}

/// The Go SDK says `enable`.
fn enabled(params: &Params) -> bool {
    params.flag("enabled", params.flag("enable", true))
}

fn lifetime(params: &Params) -> Lifetime {
    if params.flag("ephemeral", true) { Lifetime::Ephemeral } else { Lifetime::Persistent }
}

fn publisher(lifetime: Lifetime, id: &InstanceId) -> Publisher {
    match lifetime {
        Lifetime::Ephemeral => Publisher::Beats(id.ip.clone(), id.port),
        Lifetime::Persistent => Publisher::Durable(id.ip.clone(), id.port),
    }
}

fn plain_ok(outcome: Result<(), Failure>) -> Response {
    outcome.map_or_else(|failure| failure.plain(), |()| "ok".into_response())
}
