//! Between the registry's values and the messages of the Nacos protocol.

use federation_core::id::{ConfigKey, InstanceId, ServiceKey};
use nacos_protocol::message::config::{ConfigChangeNotifyRequest, ConfigQueryResponse, addition};
use nacos_protocol::message::naming::{NacosInstance as WireInstance, NotifySubscriberRequest, ServiceInfo};
use nacos_protocol::names::{IllegalPart, cluster_or_default};
use nacos_protocol::server::{ConfigName, PushBody, PushKey, ServiceName};

use super::check::grouped;
use super::configs::{ConfigItem, ConfigLabels, known_kind};
use super::instance::RegisteredInstance;
use super::naming::{InstanceLifetime, NamingSnapshot};

/// How long clients may keep a service without asking, in ms, as Nacos says it.
const CACHE_MS: i64 = 10_000;

/// Reads a registration.
pub(super) fn decode_instance(wire: WireInstance) -> Result<RegisteredInstance, IllegalPart> {
    let port = u16::try_from(wire.port).map_err(|_| IllegalPart::Port)?;
    Ok(RegisteredInstance {
        id: InstanceId::new(&wire.ip, port, cluster_or_default(&wire.cluster_name)),
        weight: known_weight(wire.weight),
        healthy: wire.healthy,
        enabled: wire.enabled,
        metadata: wire.metadata,
    })
}

/// What is no number is the weight of who names none, as in Nacos 3.x; 2.x keeps it, and its clients cannot read it.
pub(super) fn known_weight(said: f64) -> f64 {
    if said.is_nan() { 1.0 } else { said }
}

/// Writes an instance as clients read it.
pub(super) fn encode_instance(
    key: &ServiceKey,
    lifetime: InstanceLifetime,
    instance: RegisteredInstance,
) -> WireInstance {
    let InstanceId { ip, port, nacos_cluster } = &instance.id;
    let grouped = grouped(key);
    WireInstance {
        instance_id: format!("{ip}#{port}#{nacos_cluster}#{grouped}"),
        ip: ip.to_string(),
        port: i32::from(*port),
        weight: instance.weight,
        healthy: instance.healthy,
        enabled: instance.enabled,
        ephemeral: lifetime == InstanceLifetime::Ephemeral,
        cluster_name: nacos_cluster.to_string(),
        service_name: grouped,
        metadata: instance.metadata,
    }
}

/// Writes a service as a subscriber reads it; `clusters` is what it asked for.
pub(super) fn encode_service(key: &ServiceKey, clusters: &str, snapshot: NamingSnapshot) -> ServiceInfo {
    let NamingSnapshot { hosts, revision_ms, protected, lifetime } = snapshot;
    ServiceInfo {
        name: key.service().to_owned(),
        group_name: key.group().to_owned(),
        clusters: clusters.to_owned(),
        cache_millis: CACHE_MS,
        hosts: hosts.into_iter().map(|host| encode_instance(key, lifetime, host)).collect(),
        last_ref_time: i64::try_from(revision_ms).unwrap_or(i64::MAX),
        reach_protection_threshold: protected,
        ..ServiceInfo::default()
    }
}

/// The push of a service to its subscribers.
pub(super) fn service_push(key: &ServiceKey, info: ServiceInfo) -> (PushKey, PushBody) {
    let name = service_name(key);
    let message = NotifySubscriberRequest {
        namespace: name.namespace.clone(),
        service_name: name.service.clone(),
        group_name: name.group.clone(),
        service_info: Some(info),
        ..NotifySubscriberRequest::default()
    };
    (PushKey::Service(name), PushBody::of(&message))
}

/// The push that a config item changed, to a listener that calls its namespace `namespace`.
pub(super) fn config_push(key: &ConfigKey, namespace: &str) -> (PushKey, PushBody) {
    let name = ConfigName {
        namespace: namespace.to_owned(),
        group: key.group().to_owned(),
        data_id: key.data_id().to_owned(),
    };
    let message = ConfigChangeNotifyRequest {
        data_id: name.data_id.clone(),
        group: name.group.clone(),
        tenant: name.namespace.clone(),
        ..ConfigChangeNotifyRequest::default()
    };
    (PushKey::Config(name), PushBody::of(&message))
}

/// Writes a config item as clients read it.
pub(super) fn encode_config(item: &ConfigItem) -> ConfigQueryResponse {
    let labels = &item.labels;
    ConfigQueryResponse {
        content: Some(item.content.to_string()),
        encrypted_data_key: Some(labels.encrypted_data_key.clone()),
        content_type: Some(known_kind(&labels.kind).to_owned()),
        md5: Some(item.md5.to_string()),
        last_modified: i64::try_from(item.modified_ms).unwrap_or(i64::MAX),
        ..ConfigQueryResponse::default()
    }
}

/// Reads what a publisher says beside the content.
pub(super) fn decode_labels(additions: &std::collections::BTreeMap<String, String>) -> ConfigLabels {
    let said = |key: &str| additions.get(key).cloned().unwrap_or_default();
    ConfigLabels {
        kind: known_kind(&said(addition::TYPE)).to_owned(),
        encrypted_data_key: said(addition::ENCRYPTED_DATA_KEY),
        app_name: said(addition::APP_NAME),
        description: said(addition::DESC),
        tags: said(addition::CONFIG_TAGS),
    }
}

/// The registry's key of a service.
pub(super) fn service_key(name: &ServiceName) -> ServiceKey {
    ServiceKey::new(&name.namespace, &name.group, &name.service)
}

fn service_name(key: &ServiceKey) -> ServiceName {
    ServiceName {
        namespace: key.namespace().to_owned(),
        group: key.group().to_owned(),
        service: key.service().to_owned(),
    }
}
