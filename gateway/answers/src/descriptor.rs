//! `/v1/descriptor`: what a gateway's own cluster is, who contradicts that, and orders to adopt what the gateway is configured to be.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An order to adopt what the gateway that is asked is configured to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = AdoptOrder)]
pub struct OrderBody {
    /// The gateway's own cluster: to name it is to confirm that the right gateway is asked.
    pub cluster: String,
    /// Adopt nothing, but tell what would be.
    #[serde(default, skip_serializing_if = "crate::is_not_said")]
    pub dry_run: bool,
    /// Why, for the gateway's log; at most 1,024 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who orders it, for the gateway's log; at most 1,024 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// What the own cluster is, and who contradicts it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Membership)]
pub struct MembershipDocument {
    /// The gateway's own cluster.
    pub cluster: String,
    /// What this gateway is configured to be.
    pub own: DescriptorDocument,
    /// What the cluster is; absent while nobody has said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_force: Option<DescriptorDocument>,
    /// Whether this gateway is a stranger: it reads and serves, and never leads.
    pub stranger: bool,
    /// What `own` and `inForce` contradict each other in: `locality`, `nacosServers`.
    pub contradictions: Vec<Cow<'static, str>>,
    /// Other gateways with this cluster's id that contradict `inForce`, heard within the last 25 s.
    pub strangers: Vec<StrangerDocument>,
}

/// What a cluster is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Descriptor)]
pub struct DescriptorDocument {
    /// Region; absent if the cluster names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Zone of the region; absent if the cluster names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Part of the zone; absent if the cluster names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_zone: Option<String>,
    /// Network that its instances are in; absent if the cluster names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Addresses of its Nacos servers, as configured.
    pub nacos_servers: Vec<String>,
    /// Partitions of each data topic.
    pub partitions: u32,
    /// Where its instances are reached from other networks.
    pub advertise: BTreeMap<String, String>,
}

/// Another gateway with the same cluster's id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Stranger)]
pub struct StrangerDocument {
    /// Its name, for people.
    pub replica: String,
    /// Where it is reached, for people; may be empty.
    pub advertised: String,
    /// What it is configured to be.
    pub descriptor: DescriptorDocument,
    /// What that and the descriptor in force contradict each other in.
    pub contradictions: Vec<Cow<'static, str>>,
}

/// What became of an order, or would.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Adopted)]
pub struct AdoptedDocument {
    /// The gateway's own cluster.
    pub cluster: String,
    /// Whether it was only tried.
    pub dry_run: bool,
    /// Whether the descriptor in force is replaced by this order, or would be; false if it is this one already.
    pub changes: bool,
    /// What was in force before; absent if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<DescriptorDocument>,
    /// What is in force after it.
    pub descriptor: DescriptorDocument,
    /// What the two contradict each other in: whoever is as it was becomes a stranger.
    pub contradictions: Vec<Cow<'static, str>>,
}
