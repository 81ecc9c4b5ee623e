//! Plans, and how they came about. Shares are millionths, ages milliseconds.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use federation_core::instance::Metadata;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::pairs;
use crate::reason::ReasonValue;

/// What a caller is to use of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Plan)]
pub struct PlanDocument<'a> {
    /// What it is about.
    #[serde(flatten)]
    pub head: PlanHead<'a>,
    /// By priority, locality, origin and address. All that were counted, also those without a share, unless fewer were asked
    /// for.
    pub endpoints: Vec<EndpointDocument<'a>>,
    /// How many instances were not counted; `/v1/explain` says why.
    pub left_out: usize,
    /// How many endpoints were counted and are not in `endpoints`, because of `limit` or `onlyTop`.
    pub not_shown: usize,
    /// Drains in force for this service, in byte order of their targets.
    pub drains: Vec<DrainDocument<'a>>,
    /// Freshness and age of each cluster that has an instance.
    pub origins: Vec<OriginDocument<'a>>,
}

/// What a plan is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanHead<'a> {
    /// The namespace's id.
    pub namespace_id: Cow<'a, str>,
    /// The group.
    pub group_name: Cow<'a, str>,
    /// The service's name.
    pub service_name: Cow<'a, str>,
    /// As of a service.
    pub version: u64,
    /// 16 hexadecimal digits; equal for plans that are equal in endpoints, addresses, shares, priorities and drains, on every
    /// gateway.
    pub fingerprint: String,
    /// For whom.
    pub caller: CallerDocument<'a>,
    /// By what.
    pub policy: PolicyInForceDocument,
    /// Best first: counts and loads as they are before drains, shares of localities after them.
    pub priorities: Vec<PriorityDocument<'a>>,
}

/// Who asks, as it was understood; a part that is not known is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Caller)]
pub struct CallerDocument<'a> {
    /// Geographic region.
    pub region: Option<Cow<'a, str>>,
    /// Within the region.
    pub zone: Option<Cow<'a, str>>,
    /// Within the zone.
    pub sub_zone: Option<Cow<'a, str>>,
    /// The network it is in.
    pub network: Option<Cow<'a, str>>,
    /// The cluster it belongs to.
    pub cluster: Option<Cow<'a, str>>,
    /// What policies may compare.
    pub labels: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

/// By what a service is planned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PolicyInForce)]
pub struct PolicyInForceDocument {
    /// The pattern of the rule, `namespace/group/service`; null: no rule names the service.
    pub rule: Option<String>,
    /// Where the policy is from: `defaults`, or a file or config item by name.
    pub source: String,
    /// Grows with every change in the life of the process; 0: the defaults, before anything was read.
    pub version: u64,
}

/// Endpoints that are equally near. Counts are endpoints, or thousandths of weight if the policy says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Priority)]
pub struct PriorityDocument<'a> {
    /// From 0, the best.
    pub priority: usize,
    /// All that are counted.
    pub total: u64,
    /// Fit to serve.
    pub healthy: u64,
    /// Of unknown health.
    pub degraded: u64,
    /// Only in the total.
    pub excluded: u64,
    /// Percent of the traffic for the healthy ones.
    pub load: u8,
    /// Percent of the traffic for the degraded ones.
    pub degraded_load: u8,
    /// Whether all are used, whatever their health.
    pub panic: bool,
    /// In byte order.
    pub localities: Vec<LocalityShareDocument<'a>>,
}

/// What the endpoints of one locality and priority get together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = LocalityShare)]
pub struct LocalityShareDocument<'a> {
    /// `region/zone/sub_zone`, as far as it is known.
    pub locality: Cow<'a, str>,
    /// Millionths of the traffic.
    pub share: u32,
}

/// One endpoint that was counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PlannedEndpoint)]
pub struct EndpointDocument<'a> {
    /// The host to call: IPv4, IPv6 without brackets, or a name.
    pub ip: Cow<'a, str>,
    /// The port to call.
    pub port: u16,
    /// Nacos's `clusterName`.
    pub cluster_name: Cow<'a, str>,
    /// The cluster that observed it.
    pub origin: Cow<'a, str>,
    /// From 0, the best: its priority before drains.
    pub priority: usize,
    /// `region/zone/sub_zone`, as far as it is known.
    pub locality: Cow<'a, str>,
    /// Millionths of the traffic; 0: do not use it.
    pub share: u32,
    /// As it was registered.
    pub weight: f64,
    /// For callers that pick by weight alone; missing without a share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flat_weight: Option<f64>,
    /// Effective health: `healthy`, `unhealthy` or `unknown`; better than before only after it held for a while.
    pub health: Cow<'static, str>,
    /// As it was registered.
    #[serde(serialize_with = "pairs::write", deserialize_with = "pairs::read")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub metadata: Cow<'a, Metadata>,
    /// Whether it goes with the connection that registered it.
    pub ephemeral: bool,
    /// Set if the address is another one than the registered, because the caller is in another network.
    pub advertised: Option<AdvertisedDocument>,
    /// Why its removal is kept back; null if it is not.
    pub held: Option<Cow<'static, str>>,
    /// The same for programs; missing if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_code: Option<Cow<'static, str>>,
}

/// An address for callers of another network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Advertised)]
pub struct AdvertisedDocument {
    /// The registered address, `ip:port`.
    pub instance: String,
    /// Who named the other one: `instance` (its registrant) or `cluster`.
    pub by: Cow<'static, str>,
}

/// An operator's wish that concerns the service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Drain)]
pub struct DrainDocument<'a> {
    /// What is drained: `cluster`, or `cluster/namespace/group/service`.
    pub target: Cow<'a, str>,
    /// The cluster that loses traffic.
    pub cluster: Cow<'a, str>,
    /// How much of it.
    pub percent: u8,
    /// `in_force`; `forced`: although nothing healthy is left; `void`: nothing healthy would be left; `excess`: too many are in
    /// force already; `idle`: 0 percent.
    pub ruling: Cow<'static, str>,
    /// Who ordered it; empty if that was not said.
    pub who: Cow<'a, str>,
    /// Why; empty if that was not said.
    pub why: Cow<'a, str>,
    /// When, by the clock of the gateway that took the order, unix milliseconds.
    pub when_ms: u64,
    /// The cluster where it was ordered.
    pub taken_in: Cow<'a, str>,
}

/// How the facts of a cluster are to be taken, and how old they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OriginState)]
pub struct OriginDocument<'a> {
    /// The cluster.
    pub origin: Cow<'a, str>,
    /// As it is: `live`, `stale`, `lost` or `isolated`.
    pub freshness: Cow<'static, str>,
    /// What plans take it for: better than before only after it held for a while.
    pub effective_freshness: Cow<'static, str>,
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
}

/// An instance that is not used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = LeftOut)]
pub struct UnusedDocument {
    /// `origin/ip:port@clusterName`.
    #[schema(value_type = String)]
    pub endpoint: Arc<str>,
    /// The cluster that observed it.
    pub origin: String,
    /// Why.
    pub reason: String,
    /// The same for programs.
    #[serde(default)]
    pub code: Cow<'static, str>,
}

/// How a plan came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Explanation)]
pub struct ExplainDocument<'a> {
    /// What it is about.
    #[serde(flatten)]
    pub head: PlanHead<'a>,
    /// Whether anything can be used.
    pub usable: bool,
    /// How the caller was understood, and what is odd about the question; for people.
    pub notes: Vec<String>,
    /// As in a plan.
    pub endpoints: Vec<ExplainedEndpoint<'a>>,
    /// Every instance that was not counted, by id.
    pub left_out: Vec<LeftOutDocument<'a>>,
    /// As in a plan.
    pub not_shown: usize,
    /// Every drain that concerns the service, in force or not, in byte order of their targets.
    pub drains: Vec<DrainDocument<'a>>,
    /// From exact shares to millionths.
    pub rounding: RoundingDocument,
    /// One line a step: filter, rank, compact, load, localities, drain, flatten.
    pub trace: Vec<String>,
    /// As in a plan.
    pub origins: Vec<OriginDocument<'a>>,
}

/// From exact shares to millionths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Rounding)]
pub struct RoundingDocument {
    /// Sum of all shares: a million, unless nothing is left to take a part.
    pub sum: u64,
    /// How many endpoints got a millionth more.
    pub up: u64,
}

/// One endpoint that was counted, and why it is where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedEndpoint<'a> {
    /// `origin/ip:port@clusterName`.
    pub endpoint: Cow<'a, str>,
    /// As in a plan.
    #[serde(flatten)]
    pub planned: EndpointDocument<'a>,
    /// Health as its origin says it.
    pub raw_health: Cow<'static, str>,
    /// Freshness of its origin as it is.
    pub freshness: Cow<'static, str>,
    /// What plans take it for.
    pub effective_freshness: Cow<'static, str>,
    /// What ranked it, as in the trace: its place in the order of preference, behind `stale` or `lost` if its origin is; null
    /// if it has none.
    pub rank: Option<String>,
    /// Its weight after `distribute`, 1 to 100; missing without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distributed_weight: Option<u64>,
}

/// An instance that was not counted, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LeftOutTrace)]
pub struct LeftOutDocument<'a> {
    /// `origin/ip:port@clusterName`.
    pub endpoint: Cow<'a, str>,
    /// The cluster that observed it.
    pub origin: Cow<'a, str>,
    /// Why.
    pub reason: String,
    /// The same for programs.
    #[serde(default)]
    pub code: Cow<'static, str>,
    /// `region/zone/sub_zone`, as far as it is known.
    pub locality: String,
    /// As it was registered.
    pub weight: f64,
    /// Health as its origin says it.
    pub raw_health: Cow<'static, str>,
    /// Effective health.
    pub health: Cow<'static, str>,
    /// Freshness of its origin as it is.
    pub freshness: Cow<'static, str>,
    /// What plans take it for.
    pub effective_freshness: Cow<'static, str>,
}
