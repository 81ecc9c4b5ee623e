//! The JSON documents. Names and the order of fields are for ever; ages are milliseconds.

use std::collections::BTreeMap;

use federation_core::instance::{Health, Metadata};
use federation_core::locality::Locality;
use federation_core::service::{
    ClusterStatus, FederatedConfig, FederatedInstance, FederatedService, Held, OriginConfig,
};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::ask::{Origins, Page, ServiceAsk};
use crate::select::{Counts, Listed, Moment, Origin};
use federation_ports::trouble::Trouble;

/// Place of a cluster; a part that is not known is null.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Locality)]
pub(super) struct LocalityDocument<'a> {
    region: Option<&'a str>,
    zone: Option<&'a str>,
    sub_zone: Option<&'a str>,
}

impl<'a> LocalityDocument<'a> {
    fn of(locality: Option<&'a Locality>) -> Self {
        Self {
            region: locality.and_then(|locality| locality.region.as_deref()),
            zone: locality.and_then(|locality| locality.zone.as_deref()),
            sub_zone: locality.and_then(|locality| locality.sub_zone.as_deref()),
        }
    }
}

/// A removal that is kept back until it is confirmed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Held)]
pub(super) struct HeldDocument {
    /// For how long it has been kept back, milliseconds.
    age_ms: u64,
    /// Why, for people.
    reason: &'static str,
}

impl HeldDocument {
    fn of(held: Option<&Held>, moment: &Moment) -> Option<Self> {
        held.map(|held| Self { age_ms: moment.held_for(held).0, reason: held.reason.as_str() })
    }
}

/// One cluster of the federation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Cluster)]
pub(super) struct ClusterDocument<'a> {
    /// Its id.
    cluster: &'a str,
    locality: LocalityDocument<'a>,
    /// Whether it is the answering gateway's own cluster.
    local: bool,
    /// `live`, `stale`, `lost` or `isolated`.
    freshness: &'static str,
    /// Why, for people.
    freshness_reason: &'a str,
    /// Age of its facts; null if no word of it has been heard yet.
    age_ms: Option<u64>,
    /// Services with at least one instance.
    services: usize,
    instances: usize,
    configs: usize,
    /// Wall time of its last beat by its own clock, unix milliseconds; null if none was read.
    last_beat_ms: Option<u64>,
}

impl<'a> ClusterDocument<'a> {
    fn of(cluster: &'a ClusterStatus, moment: &Moment) -> Self {
        Self {
            cluster: cluster.id.as_str(),
            locality: LocalityDocument::of(Some(&cluster.locality)),
            local: cluster.local,
            freshness: cluster.freshness.as_str(),
            freshness_reason: &cluster.reason,
            age_ms: moment.age(cluster).map(|age| age.0),
            services: cluster.services,
            instances: cluster.instances,
            configs: cluster.configs,
            last_beat_ms: cluster.last_beat.map(|at| at.0),
        }
    }

    /// All clusters, by id.
    pub(super) fn all(moment: &'a Moment) -> Vec<Self> {
        moment.clusters.clusters.iter().map(|cluster| Self::of(cluster, moment)).collect()
    }
}

/// All clusters.
#[derive(Serialize, ToSchema)]
#[schema(as = Clusters)]
pub(super) struct ClustersDocument<'a> {
    /// Sorted by id.
    pub(super) clusters: Vec<ClusterDocument<'a>>,
}

/// What a cluster looks like to somebody who looked there in vain.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LookedAt {
    /// The cluster's id.
    cluster: String,
    /// `live`, `stale`, `lost` or `isolated`.
    freshness: &'static str,
    /// Why, for people.
    freshness_reason: String,
    /// Age of its facts; null if no word of it has been heard yet.
    age_ms: Option<u64>,
}

impl LookedAt {
    pub(super) fn all(moment: &Moment, origins: &Origins) -> Vec<Self> {
        let seen = |cluster: &ClusterStatus| Self {
            cluster: cluster.id.to_string(),
            freshness: cluster.freshness.as_str(),
            freshness_reason: cluster.reason.to_string(),
            age_ms: moment.age(cluster).map(|age| age.0),
        };
        moment.looked_at(origins).map(seen).collect()
    }
}

/// A page of service names.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Services)]
pub(super) struct ServicesDocument<'a> {
    /// How many there are in all pages.
    total: usize,
    page_no: u32,
    page_size: u32,
    /// Sorted by namespace, group and name.
    services: Vec<ServiceSummary<'a>>,
}

/// One service in a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceSummary<'a> {
    namespace_id: &'a str,
    group_name: &'a str,
    service_name: &'a str,
    /// By cluster id, each cluster that has an instance.
    clusters: BTreeMap<&'a str, CountsDocument>,
}

/// How many instances of a service a cluster has.
#[derive(Serialize, ToSchema)]
#[schema(as = Counts)]
pub(super) struct CountsDocument {
    instances: usize,
    healthy: usize,
    /// Those whose health is not known, because their Nacos declares everybody healthy.
    unknown: usize,
}

impl<'a> ServicesDocument<'a> {
    pub(super) fn of(listed: &'a Listed<std::sync::Arc<FederatedService>>, page: Page, origins: &Origins) -> Self {
        let summary = |service: &'a std::sync::Arc<FederatedService>| {
            let wanted = service.origins.iter().filter(|origin| origins.accepts(&origin.origin));
            let counted = wanted.map(|origin| {
                let Counts { instances, healthy, unknown } = Counts::of(origin);
                (origin.origin.as_str(), CountsDocument { instances, healthy, unknown })
            });
            ServiceSummary {
                namespace_id: service.key.namespace(),
                group_name: service.key.group(),
                service_name: service.key.service(),
                clusters: counted.collect(),
            }
        };
        let services = listed.rows.iter().map(summary).collect();
        Self { total: listed.total, page_no: page.number, page_size: page.size, services }
    }
}

/// One service with the instances of all clusters.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Service)]
pub(super) struct ServiceDocument<'a> {
    namespace_id: &'a str,
    group_name: &'a str,
    service_name: &'a str,
    /// Grows with every change of an instance or of a cluster's freshness, and with every restart of the gateway. Only
    /// versions of one gateway can be compared.
    version: u64,
    /// Sorted by origin, address, port and Nacos cluster.
    instances: Vec<InstanceDocument<'a>>,
}

impl<'a> ServiceDocument<'a> {
    pub(super) fn of(ask: &'a ServiceAsk, service: &'a FederatedService, moment: &'a Moment, version: u64) -> Self {
        let found = moment.instances(service, &ask.filter);
        Self {
            namespace_id: service.key.namespace(),
            group_name: service.key.group(),
            service_name: service.key.service(),
            version,
            instances: found.map(|(origin, instance)| InstanceDocument::of(instance, origin, moment)).collect(),
        }
    }
}

/// One registered instance.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Instance)]
pub(super) struct InstanceDocument<'a> {
    /// IPv4, IPv6 or a host name, as it was registered.
    ip: &'a str,
    port: u16,
    /// Nacos's `clusterName`.
    cluster_name: &'a str,
    /// Relative share of traffic, 0 or more.
    weight: f64,
    /// `healthy`, `unhealthy` or `unknown`.
    health: &'static str,
    /// Whether `health` is `healthy`.
    healthy: bool,
    /// A disabled instance takes no traffic.
    enabled: bool,
    ephemeral: bool,
    #[serde(serialize_with = "pairs")]
    #[schema(value_type = BTreeMap<String, String>)]
    metadata: &'a Metadata,
    /// The cluster that observed it.
    origin: &'a str,
    /// Where its origin runs.
    locality: LocalityDocument<'a>,
    /// `live`, `stale`, `lost` or `isolated`.
    freshness: &'static str,
    /// Why, for people.
    freshness_reason: &'a str,
    /// Age of its origin's facts; null if no word of it has been heard yet.
    age_ms: Option<u64>,
    /// Set while its removal is kept back.
    held: Option<HeldDocument>,
    /// Where the gateway has it from: `nacos`, `log` or `snapshot`.
    source: &'static str,
}

impl<'a> InstanceDocument<'a> {
    fn of(found: &'a FederatedInstance, origin: Origin<'a>, moment: &Moment) -> Self {
        let health = found.instance.health;
        Self {
            ip: &found.id.ip,
            port: found.id.port,
            cluster_name: &found.id.nacos_cluster,
            weight: found.instance.weight.get(),
            health: health_word(health),
            healthy: health == Health::Healthy,
            enabled: found.instance.enabled,
            ephemeral: found.instance.ephemeral,
            metadata: &found.instance.metadata,
            origin: origin.id.as_str(),
            locality: LocalityDocument::of(origin.locality),
            freshness: origin.freshness.as_str(),
            freshness_reason: origin.reason,
            age_ms: origin.age.map(|age| age.0),
            held: HeldDocument::of(found.held.as_ref(), moment),
            source: origin.source.as_str(),
        }
    }
}

pub(super) fn health_word(health: Health) -> &'static str {
    match health {
        Health::Healthy => "healthy",
        Health::Unhealthy => "unhealthy",
        Health::Unknown => "unknown",
    }
}

pub(super) fn pairs<S: Serializer>(metadata: &Metadata, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(metadata.iter())
}

/// A service that no cluster has.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Absent)]
pub(super) struct AbsentDocument<'a> {
    pub(super) namespace_id: &'a str,
    pub(super) group_name: &'a str,
    pub(super) service_name: &'a str,
    /// The clusters that were looked at.
    pub(super) clusters: Vec<LookedAt>,
}

/// A page of config item names.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Configs)]
pub(super) struct ConfigsDocument<'a> {
    /// How many there are in all pages.
    total: usize,
    page_no: u32,
    page_size: u32,
    /// Sorted by namespace, group and data id.
    configs: Vec<ConfigSummary<'a>>,
}

/// One config item in a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigSummary<'a> {
    /// `public` for the public one.
    namespace_id: &'a str,
    group_name: &'a str,
    data_id: &'a str,
    /// By cluster id, each cluster that has it.
    clusters: BTreeMap<&'a str, ContentSummary<'a>>,
}

/// A content without the content.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContentSummary<'a> {
    md5: &'a str,
    /// Nacos's `type`, empty if none was given.
    r#type: &'a str,
    /// Length of the content.
    bytes: usize,
}

impl<'a> ConfigsDocument<'a> {
    pub(super) fn of(listed: &'a Listed<std::sync::Arc<FederatedConfig>>, page: Page, origins: &Origins) -> Self {
        let content = |item: &'a OriginConfig| {
            let (md5, r#type, bytes) = (&*item.item.md5, &*item.item.content_type, item.item.content.len());
            (item.origin.as_str(), ContentSummary { md5, r#type, bytes })
        };
        let summary = |config: &'a std::sync::Arc<FederatedConfig>| ConfigSummary {
            namespace_id: config.key.namespace(),
            group_name: config.key.group(),
            data_id: config.key.data_id(),
            clusters: config.items.iter().filter(|item| origins.accepts(&item.origin)).map(content).collect(),
        };
        let configs = listed.rows.iter().map(summary).collect();
        Self { total: listed.total, page_no: page.number, page_size: page.size, configs }
    }
}

/// One config item as each cluster has it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Config)]
pub(super) struct ConfigDocument<'a> {
    /// `public` for the public one.
    namespace_id: &'a str,
    group_name: &'a str,
    data_id: &'a str,
    /// As of a service.
    version: u64,
    /// Sorted by origin.
    items: Vec<ItemDocument<'a>>,
}

/// A config item as one cluster has it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConfigItem)]
pub(super) struct ItemDocument<'a> {
    /// The cluster that observed it.
    origin: &'a str,
    /// The content, byte for byte.
    content: &'a str,
    /// Hexadecimal MD5 of the content.
    md5: &'a str,
    /// Nacos's `type`, empty if none was given.
    r#type: &'a str,
    /// `live`, `stale`, `lost` or `isolated`.
    freshness: &'static str,
    /// Why, for people.
    freshness_reason: &'a str,
    /// Age of its origin's facts; null if no word of it has been heard yet.
    age_ms: Option<u64>,
    /// Set while its removal is kept back.
    held: Option<HeldDocument>,
    /// Where the gateway has it from: `nacos`, `log` or `snapshot`.
    source: &'static str,
    /// Key of the client-side encryption plugin, empty if unencrypted.
    encrypted_data_key: &'a str,
    description: &'a str,
    /// Joined with commas.
    tags: &'a str,
    /// Name of the application.
    app_name: &'a str,
    /// When the origin's Nacos says it was changed last, unix milliseconds; 0 if it does not say.
    last_modified_ms: u64,
}

impl<'a> ConfigDocument<'a> {
    pub(super) fn of(config: &'a FederatedConfig, origins: &'a Origins, moment: &'a Moment, version: u64) -> Self {
        Self {
            namespace_id: config.key.namespace(),
            group_name: config.key.group(),
            data_id: config.key.data_id(),
            version,
            items: moment.items(config, origins).map(|(origin, item)| ItemDocument::of(item, origin, moment)).collect(),
        }
    }
}

impl<'a> ItemDocument<'a> {
    fn of(found: &'a OriginConfig, origin: Origin<'a>, moment: &Moment) -> Self {
        let item = &found.item;
        Self {
            origin: origin.id.as_str(),
            content: &item.content,
            md5: &item.md5,
            r#type: &item.content_type,
            freshness: origin.freshness.as_str(),
            freshness_reason: origin.reason,
            age_ms: origin.age.map(|age| age.0),
            held: HeldDocument::of(found.held.as_ref(), moment),
            source: origin.source.as_str(),
            encrypted_data_key: &item.encrypted_data_key,
            description: &item.description,
            tags: &item.tags,
            app_name: &item.application,
            last_modified_ms: item.last_modified_ms,
        }
    }
}

/// What the gateway says of itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Status)]
pub(super) struct StatusDocument<'a> {
    /// Whether answers can be relied on.
    pub(super) ready: bool,
    /// Why it is not ready, or what is limited although it is ready; for people.
    pub(super) reasons: Vec<String>,
    /// What is wrong now, thing by thing; their texts are among the reasons.
    pub(super) troubles: Vec<Trouble>,
    pub(super) federation: &'a str,
    pub(super) cluster: &'a str,
    pub(super) replica: &'a str,
    /// Of the program.
    pub(super) version: &'a str,
    pub(super) uptime_ms: u64,
    /// Named facts of the gateway's parts, in a fixed order.
    #[serde(serialize_with = "facts")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub(super) facts: &'a [(&'static str, String)],
    pub(super) clusters: Vec<ClusterDocument<'a>>,
}

fn facts<S: Serializer>(facts: &[(&'static str, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(facts.iter().map(|(name, value)| (name, value)))
}

/// Whether the gateway is ready.
#[derive(Serialize, ToSchema)]
#[schema(as = Ready)]
pub(super) struct ReadyDocument {
    pub(super) ready: bool,
    /// What is limited although it is ready.
    pub(super) reasons: Vec<String>,
    /// What is wrong now, thing by thing; their texts are among the reasons.
    pub(super) troubles: Vec<Trouble>,
}
