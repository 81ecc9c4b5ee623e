//! What clusters have: services with their instances, config items, and the clusters themselves.

use std::borrow::Cow;
use std::collections::BTreeMap;

use federation_core::instance::Metadata;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::pairs;
use crate::reason::ReasonValue;

/// Place of a cluster; a part that is not known is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Locality)]
pub struct LocalityDocument<'a> {
    /// Geographic region.
    pub region: Option<Cow<'a, str>>,
    /// Within the region.
    pub zone: Option<Cow<'a, str>>,
    /// Within the zone.
    pub sub_zone: Option<Cow<'a, str>>,
}

/// A removal that is kept back until it is confirmed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Held)]
pub struct HeldDocument {
    /// For how long it has been kept back, milliseconds.
    pub age_ms: u64,
    /// Why, for people.
    pub reason: Cow<'static, str>,
    /// The same for programs.
    #[serde(default)]
    pub code: Cow<'static, str>,
}

/// One cluster of the federation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Cluster)]
pub struct ClusterDocument<'a> {
    /// Its id.
    pub cluster: Cow<'a, str>,
    /// Where it runs.
    pub locality: LocalityDocument<'a>,
    /// Whether it is the answering gateway's own cluster.
    pub local: bool,
    /// `live`, `stale`, `lost` or `isolated`.
    pub freshness: Cow<'static, str>,
    /// Why, for people.
    pub freshness_reason: Cow<'a, str>,
    /// The same for programs.
    #[serde(default)]
    pub freshness_code: Cow<'static, str>,
    /// What its words are made of; missing if of nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub freshness_params: BTreeMap<Cow<'static, str>, ReasonValue>,
    /// Age of its facts; null if no word of it has been heard yet.
    pub age_ms: Option<u64>,
    /// Services with at least one instance.
    pub services: usize,
    /// How many instances it has.
    pub instances: usize,
    /// How many config items it has.
    pub configs: usize,
    /// Wall time of its last beat by its own clock, unix milliseconds; null if none was read.
    pub last_beat_ms: Option<u64>,
    /// The public key by which it says that it signs its orders; missing if it says none. Whoever believes it pins it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<Cow<'a, str>>,
}

/// All clusters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Clusters)]
pub struct ClustersDocument<'a> {
    /// Sorted by id.
    pub clusters: Vec<ClusterDocument<'a>>,
}

/// What a cluster looks like to somebody who looked there in vain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LookedAt {
    /// The cluster's id.
    pub cluster: String,
    /// `live`, `stale`, `lost` or `isolated`.
    pub freshness: Cow<'static, str>,
    /// Why, for people.
    pub freshness_reason: String,
    /// The same for programs.
    #[serde(default)]
    pub freshness_code: Cow<'static, str>,
    /// What its words are made of; missing if of nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub freshness_params: BTreeMap<Cow<'static, str>, ReasonValue>,
    /// Age of its facts; null if no word of it has been heard yet.
    pub age_ms: Option<u64>,
}

/// A page of service names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Services)]
pub struct ServicesDocument<'a> {
    /// How many there are in all pages.
    pub total: usize,
    /// From 1.
    pub page_no: u32,
    /// Most items of a page.
    pub page_size: u32,
    /// In the order that was asked for: by namespace, group and name, or the largest first.
    pub services: Vec<ServiceSummary<'a>>,
    /// What `cursor` of the next page's question is; null if this is the last page.
    #[serde(default)]
    pub next_cursor: Option<String>,
    /// What the services are that pass the filter, in all pages; only if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facets: Option<FacetsDocument<'a>>,
    /// True if only some services may be seen by whoever asks: `total` counts those. Missing otherwise.
    #[serde(default, skip_serializing_if = "crate::is_not_said")]
    pub filtered: bool,
}

/// One service in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSummary<'a> {
    /// The namespace's id.
    pub namespace_id: Cow<'a, str>,
    /// The group.
    pub group_name: Cow<'a, str>,
    /// The service's name.
    pub service_name: Cow<'a, str>,
    /// By cluster id, each cluster that has an instance; missing if only sums were asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub clusters: BTreeMap<Cow<'a, str>, CountsDocument>,
    /// How many instances these clusters have together.
    #[serde(default)]
    pub instances: usize,
    /// Those that are healthy.
    #[serde(default)]
    pub healthy: usize,
    /// Those that are not.
    #[serde(default)]
    pub unhealthy: usize,
    /// Those whose health is not known, because their Nacos declares everybody healthy.
    #[serde(default)]
    pub unknown: usize,
    /// How many clusters these are.
    #[serde(default)]
    pub origins: usize,
    /// What it is, of `unhealthy`, `stale`, `held`, `drained`, `single` and `changed`; in this order.
    #[serde(default)]
    pub states: Vec<Cow<'a, str>>,
    /// When its instances last changed, unix milliseconds; null if they have not since the gateway was ready.
    #[serde(default)]
    pub changed_ms: Option<u64>,
}

/// How many of the services that pass a filter are what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = Facets)]
pub struct FacetsDocument<'a> {
    /// One of its instances is unhealthy.
    pub unhealthy: usize,
    /// One of its clusters is not live.
    pub stale: usize,
    /// The removal of one of its instances is kept back.
    pub held: usize,
    /// A drain in force covers it in one of its clusters.
    pub drained: usize,
    /// All its instances are in one region, as far as regions are known.
    pub single: usize,
    /// Its instances changed within the last ten minutes.
    pub changed: usize,
    /// By namespace id; of more than 1,000 those with the most services.
    pub namespaces: BTreeMap<Cow<'a, str>, usize>,
    /// By cluster id, how many have an instance there.
    pub origins: BTreeMap<Cow<'a, str>, usize>,
}

/// How many instances of a service a cluster has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Counts)]
pub struct CountsDocument {
    /// How many instances it has.
    pub instances: usize,
    /// Those that are healthy.
    pub healthy: usize,
    /// Those whose health is not known, because their Nacos declares everybody healthy.
    pub unknown: usize,
}

/// One service with the instances of all clusters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Service)]
pub struct ServiceDocument<'a> {
    /// The namespace's id.
    pub namespace_id: Cow<'a, str>,
    /// The group.
    pub group_name: Cow<'a, str>,
    /// The service's name.
    pub service_name: Cow<'a, str>,
    /// Grows with every change of an instance or of a cluster's freshness, and with every restart of the gateway. Only
    /// versions of one gateway can be compared.
    pub version: u64,
    /// Sorted by origin, address, port and Nacos cluster.
    pub instances: Vec<InstanceDocument<'a>>,
}

/// One registered instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Instance)]
pub struct InstanceDocument<'a> {
    /// IPv4, IPv6 or a host name, as it was registered.
    pub ip: Cow<'a, str>,
    /// Its port.
    pub port: u16,
    /// Nacos's `clusterName`.
    pub cluster_name: Cow<'a, str>,
    /// Relative share of traffic, 0 or more.
    pub weight: f64,
    /// `healthy`, `unhealthy` or `unknown`.
    pub health: Cow<'static, str>,
    /// Whether `health` is `healthy`.
    pub healthy: bool,
    /// A disabled instance takes no traffic.
    pub enabled: bool,
    /// Whether it goes with the connection that registered it.
    pub ephemeral: bool,
    /// As it was registered.
    #[serde(serialize_with = "pairs::write", deserialize_with = "pairs::read")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub metadata: Cow<'a, Metadata>,
    /// The cluster that observed it.
    pub origin: Cow<'a, str>,
    /// Where its origin runs.
    pub locality: LocalityDocument<'a>,
    /// `live`, `stale`, `lost` or `isolated`.
    pub freshness: Cow<'static, str>,
    /// Why, for people.
    pub freshness_reason: Cow<'a, str>,
    /// The same for programs.
    #[serde(default)]
    pub freshness_code: Cow<'static, str>,
    /// What its words are made of; missing if of nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub freshness_params: BTreeMap<Cow<'static, str>, ReasonValue>,
    /// Age of its origin's facts; null if no word of it has been heard yet.
    pub age_ms: Option<u64>,
    /// Set while its removal is kept back.
    pub held: Option<HeldDocument>,
    /// Where the gateway has it from: `nacos`, `log` or `snapshot`.
    pub source: Cow<'static, str>,
}

/// A service that no cluster has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Absent)]
pub struct AbsentDocument<'a> {
    /// The namespace's id.
    pub namespace_id: Cow<'a, str>,
    /// The group.
    pub group_name: Cow<'a, str>,
    /// The service's name.
    pub service_name: Cow<'a, str>,
    /// The clusters that were looked at.
    pub clusters: Vec<LookedAt>,
}

/// A page of config item names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Configs)]
pub struct ConfigsDocument<'a> {
    /// How many there are in all pages.
    pub total: usize,
    /// From 1.
    pub page_no: u32,
    /// Most items of a page.
    pub page_size: u32,
    /// Sorted by namespace, group and data id.
    pub configs: Vec<ConfigSummary<'a>>,
    /// True if only some config items may be seen by whoever asks: `total` counts those. Missing otherwise.
    #[serde(default, skip_serializing_if = "crate::is_not_said")]
    pub filtered: bool,
}

/// One config item in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigSummary<'a> {
    /// `public` for the public one.
    pub namespace_id: Cow<'a, str>,
    /// The group.
    pub group_name: Cow<'a, str>,
    /// The data id.
    pub data_id: Cow<'a, str>,
    /// By cluster id, each cluster that has it.
    pub clusters: BTreeMap<Cow<'a, str>, ContentSummary<'a>>,
    /// Whether the content differs between these clusters, as far as this gateway can read it.
    #[serde(default)]
    pub drift: bool,
}

/// A content without the content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContentSummary<'a> {
    /// Hexadecimal MD5 of the content.
    pub md5: Cow<'a, str>,
    /// Nacos's `type`, empty if none was given.
    pub r#type: Cow<'a, str>,
    /// Length of the content.
    pub bytes: usize,
    /// Set if this gateway cannot read it: then nothing else here says anything. Missing otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedDocument>,
    /// When the cluster's Nacos says it was changed last, unix milliseconds; 0 if it does not say.
    #[serde(default)]
    pub last_modified_ms: u64,
    /// Of the cluster: `live`, `stale`, `lost` or `isolated`.
    #[serde(default)]
    pub freshness: Cow<'static, str>,
    /// Age of the cluster's facts; null if no word of it has been heard yet.
    #[serde(default)]
    pub age_ms: Option<u64>,
    /// Whether its removal is kept back.
    #[serde(default)]
    pub held: bool,
}

/// Why a content cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
#[schema(as = Sealed)]
pub struct SealedDocument {
    /// The key that it is sealed under: sixteen hexadecimal digits that tell nothing of the key.
    #[schema(required = true)]
    pub key_id: Cow<'static, str>,
    /// `no_key`: this gateway does not have the key. `cannot_be_opened`: it has, and the key does not open it.
    #[schema(required = true)]
    pub reason: Cow<'static, str>,
}

/// One config item as each cluster has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Config)]
pub struct ConfigDocument<'a> {
    /// `public` for the public one.
    pub namespace_id: Cow<'a, str>,
    /// The group.
    pub group_name: Cow<'a, str>,
    /// The data id.
    pub data_id: Cow<'a, str>,
    /// As of a service.
    pub version: u64,
    /// Sorted by origin.
    pub items: Vec<ItemDocument<'a>>,
}

/// A config item as one cluster has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConfigItem)]
pub struct ItemDocument<'a> {
    /// The cluster that observed it.
    pub origin: Cow<'a, str>,
    /// The content, byte for byte; null if it is sealed.
    pub content: Option<Cow<'a, str>>,
    /// Set if this gateway cannot read the content: then nothing is known of its MD5, type, description, tags and application either.
    /// Missing otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedDocument>,
    /// Hexadecimal MD5 of the content.
    pub md5: Cow<'a, str>,
    /// Nacos's `type`, empty if none was given.
    pub r#type: Cow<'a, str>,
    /// `live`, `stale`, `lost` or `isolated`.
    pub freshness: Cow<'static, str>,
    /// Why, for people.
    pub freshness_reason: Cow<'a, str>,
    /// The same for programs.
    #[serde(default)]
    pub freshness_code: Cow<'static, str>,
    /// What its words are made of; missing if of nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub freshness_params: BTreeMap<Cow<'static, str>, ReasonValue>,
    /// Age of its origin's facts; null if no word of it has been heard yet.
    pub age_ms: Option<u64>,
    /// Set while its removal is kept back.
    pub held: Option<HeldDocument>,
    /// Where the gateway has it from: `nacos`, `log` or `snapshot`.
    pub source: Cow<'static, str>,
    /// Key of the client-side encryption plugin, empty if unencrypted.
    pub encrypted_data_key: Cow<'a, str>,
    /// As it was written.
    pub description: Cow<'a, str>,
    /// Joined with commas.
    pub tags: Cow<'a, str>,
    /// Name of the application.
    pub app_name: Cow<'a, str>,
    /// When the origin's Nacos says it was changed last, unix milliseconds; 0 if it does not say.
    pub last_modified_ms: u64,
}
