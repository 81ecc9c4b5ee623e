//! Instances: registration, beats, changes by operators, and listings.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use federation_core::id::{InstanceId, ServiceKey};
use nacos_protocol::message::naming::NacosInstance as WireInstance;
use nacos_protocol::names::{IllegalPart, NamePart, checked, cluster_or_default};
use nacos_protocol::reading::ClientBeat;
use nacos_protocol::web::{shown_instance, shown_service};
use serde_json::{Value, json};

use super::Api;
use super::answer::{Failure, V1, V2, V3, success};
use super::params::Params;
use crate::check::grouped;
use crate::instance::{RegisteredInstance, check_weight};
use crate::naming::{
    BeatOutcome, InstanceLifetime, InstanceOverlay, InstancePatch, InstancePublisher, InstanceSelection,
};
use crate::wire;

/// Beats that Nacos asks for, in ms.
const BEAT_INTERVAL_MS: u32 = 5_000;

/// POST of version 1.
pub(super) async fn register(State(api): State<Api>, params: Params) -> Result<Response, V1> {
    put_instance(&api, &params).await?;
    Ok("ok".into_response())
}

/// POST of version 2.
pub(super) async fn register_v2(State(api): State<Api>, params: Params) -> Result<Response, V2> {
    put_instance(&api, &params).await?;
    Ok(success("ok"))
}

/// POST of version 3.
pub(super) async fn register_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    put_instance(&api, &params).await?;
    Ok(success("ok"))
}

/// POST of version 3 for clients: with `heartBeat=true` it only beats.
pub(super) async fn register_or_beat_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    if !params.flag("heartBeat", false) {
        return register_v3(State(api), params).await;
    }
    let (key, id) = (params.service()?, params.instance()?);
    Ok(match beat(&api, key, id).await? {
        BeatOutcome::Known => success("ok"),
        BeatOutcome::Unknown => {
            Json(json!({"code": 21_003, "message": "instance not found", "data": null})).into_response()
        }
    })
}

/// DELETE of version 1.
pub(super) async fn deregister(State(api): State<Api>, params: Params) -> Result<Response, V1> {
    drop_instance(&api, &params).await?;
    Ok("ok".into_response())
}

/// DELETE of version 2.
pub(super) async fn deregister_v2(State(api): State<Api>, params: Params) -> Result<Response, V2> {
    drop_instance(&api, &params).await?;
    Ok(success("ok"))
}

/// DELETE of version 3.
pub(super) async fn deregister_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    drop_instance(&api, &params).await?;
    Ok(success("ok"))
}

/// PUT of version 1: lays weight, state and metadata over what the registrant says.
pub(super) async fn update(State(api): State<Api>, params: Params) -> Result<Response, V1> {
    overlay_instance(&api, &params).await?;
    Ok("ok".into_response())
}

/// PUT of version 2.
pub(super) async fn update_v2(State(api): State<Api>, params: Params) -> Result<Response, V2> {
    overlay_instance(&api, &params).await?;
    Ok(success("ok"))
}

/// PUT of version 3.
pub(super) async fn update_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    overlay_instance(&api, &params).await?;
    Ok(success("ok"))
}

/// PATCH of version 1: changes what is named, of an instance that is there.
pub(super) async fn patch(State(api): State<Api>, params: Params) -> Result<Response, V1> {
    patch_instance(&api, &params).await?;
    Ok("ok".into_response())
}

/// PATCH of version 2.
pub(super) async fn patch_v2(State(api): State<Api>, params: Params) -> Result<Response, V2> {
    patch_instance(&api, &params).await?;
    Ok(success("ok"))
}

/// PUT of version 1: the health of a persistent instance.
pub(super) async fn judge(State(api): State<Api>, params: Params) -> Result<Response, V1> {
    judge_instance(&api, &params).await?;
    Ok("ok".into_response())
}

/// PUT of version 3: the health of a persistent instance.
pub(super) async fn judge_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    judge_instance(&api, &params).await?;
    Ok(success("ok"))
}

/// A beat of version 1. With `beat` as JSON it registers an instance that is not known.
pub(super) async fn beat_v1(State(api): State<Api>, params: Params) -> Result<Response, V1> {
    let beaten = match params.get("beat").map(ClientBeat::parse).transpose()? {
        Some(said) => beat_or_register(&api, params.service()?, said).await?,
        // Nacos takes a beat without an address, and knows nobody of that name.
        None if params.get("ip").is_none() || params.get("port").is_none() => {
            params.service()?;
            BeatOutcome::Unknown
        }
        None => beat(&api, params.service()?, params.instance()?).await?,
    };
    let code = match beaten {
        BeatOutcome::Known => 10_200,
        BeatOutcome::Unknown => 20_404,
    };
    let answer = json!({"clientBeatInterval": BEAT_INTERVAL_MS, "code": code, "lightBeatEnabled": true});
    Ok(Json(answer).into_response())
}

async fn beat_or_register(api: &Api, key: ServiceKey, said: ClientBeat) -> Result<BeatOutcome, Failure> {
    checked(NamePart::Ip, &said.ip)?;
    checked(NamePart::Cluster, &said.cluster)?;
    let port = u16::try_from(said.port).map_err(|_| IllegalPart::Port)?;
    let id = InstanceId::new(&said.ip, port, cluster_or_default(&said.cluster));
    if beat(api, key.clone(), id.clone()).await? == BeatOutcome::Unknown {
        let weight = wire::known_weight(said.weight);
        let instance = RegisteredInstance { id, weight, healthy: true, enabled: true, metadata: said.metadata };
        register_with(api, key, InstanceLifetime::Ephemeral, instance).await?;
    }
    Ok(BeatOutcome::Known)
}

/// The list of version 1, as subscribers see it.
pub(super) async fn list_v1(State(api): State<Api>, params: Params) -> Result<Response, V1> {
    params.int("udpPort")?;
    let clusters = params.get("clusters").unwrap_or_default();
    Ok(Json(subscribed(&api, &params, clusters).await?).into_response())
}

/// The list of version 2, as subscribers see it.
pub(super) async fn list_v2(State(api): State<Api>, params: Params) -> Result<Response, V2> {
    let clusters = params.get("clusterName").unwrap_or_default();
    Ok(success(subscribed(&api, &params, clusters).await?))
}

async fn subscribed(api: &Api, params: &Params, clusters: &str) -> Result<Value, Failure> {
    let (key, clusters, selection) = (params.service()?, clusters.to_owned(), selection(params));
    let asked = api.handle.ask(move |store, now| {
        let snapshot = store.naming.query(&key, &clusters, selection, now);
        let mut info = wire::encode_service(&key, &clusters, snapshot);
        info.name = grouped(&key);
        info
    });
    Ok(shown_service(&asked.await?))
}

/// The list of version 3 for clients, as subscribers see it; like Nacos's, of one cluster unless several are named.
pub(super) async fn list_client_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    let (key, clusters, selection) = (params.service()?, params.cluster().to_owned(), selection(&params));
    let asked = api.handle.ask(move |store, now| {
        let snapshot = store.naming.query(&key, &clusters, selection, now);
        wire::encode_service(&key, &clusters, snapshot).hosts
    });
    Ok(success(asked.await?.iter().map(shown_instance).collect::<Vec<_>>()))
}

/// The list of version 3 for administrators: true health, disabled ones too. Like Nacos's it is the list of one cluster,
/// `DEFAULT` where none is named, and a service without that cluster is not found.
pub(super) async fn list_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    let (key, cluster) = (params.service()?, params.cluster().to_owned());
    let healthy_only = params.is_true("healthyOnly");
    let all = all_instances(&api, key.clone()).await?.unwrap_or_default();
    let of_cluster: Vec<WireInstance> = all.into_iter().filter(|host| host.cluster_name == cluster).collect();
    if of_cluster.is_empty() {
        return Err(Failure::NoInstances(grouped(&key)).into());
    }
    let shown = of_cluster.iter().filter(|host| host.healthy || !healthy_only);
    Ok(success(shown.map(shown_instance).collect::<Vec<_>>()))
}

/// One instance, in version 1.
pub(super) async fn read_v1(State(api): State<Api>, params: Params) -> Result<Response, V1> {
    let (key, host) = find(&api, &params).await?;
    let mut detail = detail(&host);
    detail["service"] = grouped(&key).into();
    Ok(Json(detail).into_response())
}

/// One instance, in version 2.
pub(super) async fn read_v2(State(api): State<Api>, params: Params) -> Result<Response, V2> {
    let (key, host) = find(&api, &params).await?;
    let mut detail = detail(&host);
    detail["serviceName"] = grouped(&key).into();
    Ok(success(detail))
}

fn detail(host: &WireInstance) -> Value {
    json!({
        "ip": host.ip,
        "port": host.port,
        "clusterName": host.cluster_name,
        "weight": host.weight,
        "healthy": host.healthy,
        "instanceId": host.instance_id,
        "metadata": host.metadata,
    })
}

/// One instance, for administrators.
pub(super) async fn read_v3(State(api): State<Api>, params: Params) -> Result<Response, V3> {
    let (_, host) = find(&api, &params).await?;
    Ok(success(shown_instance(&host)))
}

async fn find(api: &Api, params: &Params) -> Result<(ServiceKey, WireInstance), Failure> {
    let (key, id) = (params.service()?, params.instance()?);
    let cluster = id.nacos_cluster.to_string();
    let asked_for = key.clone();
    let asked = api.handle.ask(move |store, _| {
        let (lifetime, all) = store.naming.instances(&key)?;
        let found = store.naming.find(&key, &id);
        (!all.is_empty()).then(|| found.map(|one| wire::encode_instance(&key, lifetime, one)))
    });
    match asked.await? {
        None => {
            let service = grouped(&asked_for);
            Err(Failure::NotFound(format!("no ips found for cluster {cluster} in service {service}")))
        }
        Some(None) => Err(Failure::NotFound("no matched ip found!".into())),
        Some(Some(host)) => Ok((asked_for, host)),
    }
}

async fn all_instances(api: &Api, key: ServiceKey) -> Result<Option<Vec<WireInstance>>, Failure> {
    let asked = api.handle.ask(move |store, _| {
        let (lifetime, all) = store.naming.instances(&key)?;
        Some(all.into_iter().map(|one| wire::encode_instance(&key, lifetime, one)).collect())
    });
    Ok(asked.await?)
}

async fn put_instance(api: &Api, params: &Params) -> Result<(), Failure> {
    let key = params.service()?;
    let instance = RegisteredInstance {
        id: params.instance()?,
        weight: weight(params)?.unwrap_or(1.0),
        healthy: params.flag("healthy", true),
        enabled: enabled(params).unwrap_or(true),
        metadata: params.metadata()?,
    };
    register_with(api, key, lifetime(params), instance).await
}

async fn register_with(
    api: &Api,
    key: ServiceKey,
    lifetime: InstanceLifetime,
    instance: RegisteredInstance,
) -> Result<(), Failure> {
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
    let overlay = InstanceOverlay {
        weight: weight(params)?.unwrap_or(1.0),
        enabled: enabled(params).unwrap_or(true),
        metadata: params.metadata()?,
    };
    Ok(api.handle.ask(move |store, now| store.naming.overlay(&key, &id, overlay, now)).await??)
}

async fn patch_instance(api: &Api, params: &Params) -> Result<(), Failure> {
    let (key, host) = find(api, params).await?;
    let id = InstanceId::new(&host.ip, u16::try_from(host.port).map_err(|_| IllegalPart::Port)?, &host.cluster_name);
    let patch = InstancePatch { weight: weight(params)?, enabled: enabled(params), metadata: params.metadata()? };
    // What went meanwhile is not there to be changed; the caller hears so the next time.
    api.handle.ask(move |store, now| store.naming.patch(&key, &id, patch, now)).await??;
    Ok(())
}

async fn judge_instance(api: &Api, params: &Params) -> Result<(), Failure> {
    let healthy = params.required("healthy")?.eq_ignore_ascii_case("true");
    let (key, id) = (params.service()?, params.instance()?);
    let checked = Failure::HealthIsChecked { grouped: grouped(&key), cluster: id.nacos_cluster.to_string() };
    let asked = api.handle.ask(move |store, now| store.naming.judge(&key, &id.ip, id.port, healthy, now));
    match asked.await? {
        BeatOutcome::Known => Ok(()),
        BeatOutcome::Unknown => Err(checked),
    }
}

async fn beat(api: &Api, key: ServiceKey, id: InstanceId) -> Result<BeatOutcome, Failure> {
    Ok(api.handle.ask(move |store, now| store.naming.beat(&key, &id.ip, id.port, now)).await?)
}

fn selection(params: &Params) -> InstanceSelection {
    if params.is_true("healthyOnly") { InstanceSelection::Healthy } else { InstanceSelection::Enabled }
}

fn weight(params: &Params) -> Result<Option<f64>, Failure> {
    let Some(weight) = params.double("weight")? else { return Ok(None) };
    check_weight(weight)?;
    Ok(Some(wire::known_weight(weight)))
}

/// The Go SDK says `enable`.
fn enabled(params: &Params) -> Option<bool> {
    let said = params.get("enabled").or_else(|| params.get("enable"));
    said.map(nacos_protocol::reading::flag)
}

fn lifetime(params: &Params) -> InstanceLifetime {
    if params.flag("ephemeral", true) { InstanceLifetime::Ephemeral } else { InstanceLifetime::Persistent }
}

fn publisher(lifetime: InstanceLifetime, id: &InstanceId) -> InstancePublisher {
    match lifetime {
        InstanceLifetime::Ephemeral => InstancePublisher::Beats(id.ip.clone(), id.port),
        InstanceLifetime::Persistent => InstancePublisher::Durable(id.ip.clone(), id.port),
    }
}
