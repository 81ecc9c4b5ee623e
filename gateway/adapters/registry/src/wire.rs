//! Between the registry's values and the messages of the Nacos protocol.

use federation_core::id::{ConfigKey, InstanceId, ServiceKey};
use nacos_protocol::message::config::{
    ConfigChangeNotifyRequest, ConfigFuzzyWatchChangeNotifyRequest, ConfigFuzzyWatchSyncRequest, ConfigQueryResponse,
    FuzzyConfig, addition,
};
use nacos_protocol::message::naming::{
    FuzzyService, NacosInstance as WireInstance, NamingFuzzyWatchChangeNotifyRequest, NamingFuzzyWatchSyncRequest,
    NotifySubscriberRequest, ServiceInfo, changed_type, sync_type,
};
use nacos_protocol::server::{ConfigName, FuzzyWatching, PushBody, PushKey, ServiceName};

use super::check::{IllegalName, grouped};
use super::configs::{ConfigItem, ConfigLabels, known_kind};
use super::fuzzy::WatchDifference;
use super::instance::RegisteredInstance;
use super::naming::{InstanceLifetime, NamingSnapshot};

/// Nacos cluster of an instance that names none.
pub(super) const DEFAULT_CLUSTER: &str = "DEFAULT";

/// How long clients may keep a service without asking, in ms, as Nacos says it.
const CACHE_MS: i64 = 10_000;

/// Keys in one batch of a fuzzy watch's state, as Nacos has it.
fn batch_size(watching: FuzzyWatching) -> usize {
    match watching {
        FuzzyWatching::Services => 10,
        FuzzyWatching::Configs => 20,
    }
}

/// Reads a registration.
pub(super) fn decode_instance(wire: WireInstance) -> Result<RegisteredInstance, IllegalName> {
    let port = u16::try_from(wire.port).map_err(|_| IllegalName::Port)?;
    Ok(RegisteredInstance {
        id: InstanceId::new(&wire.ip, port, cluster_or_default(&wire.cluster_name)),
        weight: known_weight(wire.weight),
        healthy: wire.healthy,
        enabled: wire.enabled,
        metadata: wire.metadata,
    })
}

/// The Nacos cluster that is meant by a name that may be blank.
pub(super) fn cluster_or_default(said: &str) -> &str {
    if said.trim().is_empty() { DEFAULT_CLUSTER } else { said }
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

/// The push that a watched thing began or ceased to exist.
pub(super) fn fuzzy_push(watching: FuzzyWatching, key: String, exists: bool) -> (PushKey, PushBody) {
    let body = match watching {
        FuzzyWatching::Services => PushBody::of(&NamingFuzzyWatchChangeNotifyRequest {
            service_key: key.clone(),
            changed_type: if exists { changed_type::ADDED } else { changed_type::DELETED }.to_owned(),
            sync_type: sync_type::CHANGED.to_owned(),
            ..NamingFuzzyWatchChangeNotifyRequest::default()
        }),
        FuzzyWatching::Configs => PushBody::of(&ConfigFuzzyWatchChangeNotifyRequest {
            group_key: key.clone(),
            change_type: if exists { "CONFIG_CHANGED" } else { "DELETE_CONFIG" }.to_owned(),
            ..ConfigFuzzyWatchChangeNotifyRequest::default()
        }),
    };
    (PushKey::Fuzzy(key.into()), body)
}

/// The pushes that answer a fuzzy watch: batches of what the client does not know, and for a new watch the end of them.
pub(super) fn fuzzy_state(
    watching: FuzzyWatching,
    pattern: &str,
    difference: &WatchDifference,
    initializing: bool,
) -> Vec<(PushKey, PushBody)> {
    let appeared = difference.appeared.iter().map(|key| (key, true));
    let all: Vec<(&String, bool)> = appeared.chain(difference.vanished.iter().map(|key| (key, false))).collect();
    let kind = if initializing { sync_type::INIT } else { sync_type::DIFF };
    let chunks = all.chunks(batch_size(watching));
    let total = chunks.len();
    let batches = chunks.zip(1u32..).map(|(chunk, number)| {
        let body = encode_batch(watching, pattern, kind, chunk, (number, total));
        (PushKey::FuzzyBatch(pattern.into(), number), body)
    });
    let end = initializing.then(|| {
        let body = encode_batch(watching, pattern, sync_type::INIT_FINISHED, &[], (0, 0));
        (PushKey::FuzzyBatch(pattern.into(), 0), body)
    });
    batches.chain(end).collect()
}

fn encode_batch(
    watching: FuzzyWatching,
    pattern: &str,
    kind: &str,
    keys: &[(&String, bool)],
    (number, total): (u32, usize),
) -> PushBody {
    let (current_batch, total_batch) =
        (i32::try_from(number).unwrap_or(i32::MAX), i32::try_from(total).unwrap_or(i32::MAX));
    let keys = keys.iter().map(|(key, exists)| ((*key).clone(), *exists));
    match watching {
        FuzzyWatching::Services => {
            let context = |(service_key, exists)| FuzzyService {
                service_key,
                changed_type: if exists { changed_type::ADDED } else { changed_type::DELETED }.to_owned(),
            };
            PushBody::of(&NamingFuzzyWatchSyncRequest {
                sync_type: kind.to_owned(),
                group_key_pattern: pattern.to_owned(),
                contexts: keys.map(context).collect(),
                total_batch,
                current_batch,
                ..NamingFuzzyWatchSyncRequest::default()
            })
        }
        FuzzyWatching::Configs => {
            let context = |(group_key, exists): (String, bool)| FuzzyConfig {
                group_key,
                changed_type: if exists { "ADD_CONFIG" } else { "DELETE_CONFIG" }.to_owned(),
            };
            PushBody::of(&ConfigFuzzyWatchSyncRequest {
                sync_type: kind.to_owned(),
                group_key_pattern: pattern.to_owned(),
                contexts: keys.map(context).collect(),
                total_batch,
                current_batch,
                ..ConfigFuzzyWatchSyncRequest::default()
            })
        }
    }
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
