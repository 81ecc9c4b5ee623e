//! The JSON documents of plans. Names and the order of fields are for ever; shares are millionths, ages milliseconds.

use std::collections::BTreeMap;
use std::sync::Arc;

use federation_core::drains::DrainInForce;
use federation_core::instance::{Health, Metadata};
use federation_core::routing::{
    Address, AdvertisedBy, Caller, LeftOut, Offer, Panic, PlannedEndpoint, Priority, Verdict,
};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::document::{health_word, pairs};
use super::reply;
use federation_view::resolve::{OriginState, Planned, Unused};

/// What a caller is to use of a service.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Plan)]
pub(super) struct PlanDocument<'a> {
    #[serde(flatten)]
    pub(super) head: PlanHead<'a>,
    /// By priority, locality, origin and address. All that were counted, also those without a share, unless fewer were asked
    /// for.
    pub(super) endpoints: Vec<EndpointDocument<'a>>,
    /// How many instances were not counted; `/v1/explain` says why.
    pub(super) left_out: usize,
    /// How many endpoints were counted and are not in `endpoints`, because of `limit` or `onlyTop`.
    pub(super) not_shown: usize,
    /// Drains in force for this service, in byte order of their targets.
    pub(super) drains: Vec<DrainDocument<'a>>,
    /// Freshness and age of each cluster that has an instance.
    pub(super) origins: Vec<OriginDocument<'a>>,
}

impl<'a> PlanDocument<'a> {
    /// All but the origins, whose ages every request adds.
    pub(super) fn of(planned: &'a Planned, version: u64) -> Self {
        let plan = &planned.plan;
        Self {
            head: PlanHead::of(planned, version),
            endpoints: plan.endpoints.iter().map(|endpoint| EndpointDocument::of(planned, endpoint)).collect(),
            left_out: plan.left_out.len(),
            not_shown: 0,
            drains: planned.drains_in_force().map(DrainDocument::of).collect(),
            origins: Vec::new(),
        }
    }

    /// The JSON text up to the origins, and where each endpoint begins (with the comma before it) and the last one ends.
    pub(super) fn encode(&self) -> (Vec<u8>, Vec<usize>) {
        let Self { head, endpoints, left_out, not_shown, drains, origins: _ } = self;
        let mut text = reply::encode(head);
        assert_eq!(text.pop(), Some(b'}'), "a document is an object");
        text.extend_from_slice(b",\"endpoints\":[");
        let mut starts = Vec::with_capacity(endpoints.len() + 1);
        for endpoint in endpoints {
            starts.push(text.len());
            if starts.len() > 1 {
                text.push(b',');
            }
            reply::append(&mut text, endpoint);
        }
        starts.push(text.len());
        text.extend_from_slice(format!("],\"leftOut\":{left_out},\"notShown\":{not_shown},\"drains\":").as_bytes());
        reply::append(&mut text, drains);
        text.extend_from_slice(b",\"origins\":[");
        (text, starts)
    }
}

/// What a plan is about.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlanHead<'a> {
    namespace_id: &'a str,
    group_name: &'a str,
    service_name: &'a str,
    /// As of a service.
    version: u64,
    /// 16 hexadecimal digits; equal for plans that are equal in endpoints, addresses, shares, priorities and drains, on every
    /// gateway.
    fingerprint: String,
    caller: CallerDocument<'a>,
    policy: PolicyInForceDocument,
    /// Best first: counts and loads as they are before drains, shares of localities after them.
    priorities: Vec<PriorityDocument<'a>>,
}

impl<'a> PlanHead<'a> {
    pub(super) fn of(planned: &'a Planned, version: u64) -> Self {
        let key = &planned.service.key;
        Self {
            namespace_id: key.namespace(),
            group_name: key.group(),
            service_name: key.service(),
            version,
            fingerprint: format!("{:016x}", planned.fingerprint()),
            caller: CallerDocument::of(&planned.caller),
            policy: PolicyInForceDocument::of(planned),
            priorities: planned.plan.priorities.iter().enumerate().map(PriorityDocument::of).collect(),
        }
    }
}

/// Who asks, as it was understood; a part that is not known is null.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Caller)]
pub(super) struct CallerDocument<'a> {
    region: Option<&'a str>,
    zone: Option<&'a str>,
    sub_zone: Option<&'a str>,
    network: Option<&'a str>,
    cluster: Option<&'a str>,
    labels: BTreeMap<&'a str, &'a str>,
}

impl<'a> CallerDocument<'a> {
    fn of(caller: &'a Caller) -> Self {
        let place = &caller.locality;
        Self {
            region: place.region.as_deref(),
            zone: place.zone.as_deref(),
            sub_zone: place.sub_zone.as_deref(),
            network: place.network.as_deref(),
            cluster: caller.cluster.as_deref(),
            labels: caller.labels.iter().map(|(name, value)| (&**name, &**value)).collect(),
        }
    }
}

/// By what a service is planned.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PolicyInForce)]
pub(super) struct PolicyInForceDocument {
    /// The pattern of the rule, `namespace/group/service`; null: no rule names the service.
    rule: Option<String>,
    /// Where the policy is from: `defaults`, or a file or config item by name.
    source: String,
    /// Grows with every change in the life of the process; 0: the defaults, before anything was read.
    version: u64,
}

impl PolicyInForceDocument {
    fn of(planned: &Planned) -> Self {
        let rule = planned.rule.as_ref().map(ToString::to_string);
        Self { rule, source: planned.policy.source.to_string(), version: planned.policy.version }
    }
}

/// Endpoints that are equally near. Counts are endpoints, or thousandths of weight if the policy says so.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Priority)]
pub(super) struct PriorityDocument<'a> {
    /// From 0, the best.
    priority: usize,
    /// All that are counted.
    total: u64,
    /// Fit to serve.
    healthy: u64,
    /// Of unknown health.
    degraded: u64,
    /// Only in the total.
    excluded: u64,
    /// Percent of the traffic for the healthy ones.
    load: u8,
    /// Percent of the traffic for the degraded ones.
    degraded_load: u8,
    /// Whether all are used, whatever their health.
    panic: bool,
    /// In byte order.
    localities: Vec<LocalityShareDocument<'a>>,
}

/// What the endpoints of one locality and priority get together.
#[derive(Serialize, ToSchema)]
#[schema(as = LocalityShare)]
pub(super) struct LocalityShareDocument<'a> {
    /// `region/zone/sub_zone`, as far as it is known.
    locality: &'a str,
    /// Millionths of the traffic.
    share: u32,
}

impl<'a> PriorityDocument<'a> {
    fn of((index, priority): (usize, &'a Priority)) -> Self {
        let count = |count: u128| u64::try_from(count).unwrap_or(u64::MAX);
        let localities = priority.localities.iter();
        Self {
            priority: index,
            total: count(priority.counts.total),
            healthy: count(priority.counts.healthy),
            degraded: count(priority.counts.degraded),
            excluded: count(priority.counts.excluded),
            load: priority.load.healthy,
            degraded_load: priority.load.degraded,
            panic: priority.load.panic == Panic::Panicking,
            localities: localities
                .map(|it| LocalityShareDocument { locality: &it.locality, share: it.share })
                .collect(),
        }
    }
}

/// One endpoint that was counted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PlannedEndpoint)]
pub(super) struct EndpointDocument<'a> {
    /// The host to call: IPv4, IPv6 without brackets, or a name.
    ip: &'a str,
    /// The port to call.
    port: u16,
    /// Nacos's `clusterName`.
    cluster_name: &'a str,
    /// The cluster that observed it.
    origin: &'a str,
    /// From 0, the best: its priority before drains.
    priority: usize,
    /// `region/zone/sub_zone`, as far as it is known.
    locality: &'a str,
    /// Millionths of the traffic; 0: do not use it.
    share: u32,
    /// As it was registered.
    weight: f64,
    /// For callers that pick by weight alone; missing without a share.
    #[serde(skip_serializing_if = "Option::is_none")]
    flat_weight: Option<f64>,
    /// Effective health: `healthy`, `unhealthy` or `unknown`; better than before only after it held for a while.
    health: &'static str,
    #[serde(serialize_with = "pairs")]
    #[schema(value_type = BTreeMap<String, String>)]
    metadata: &'a Metadata,
    ephemeral: bool,
    /// Set if the address is another one than the registered, because the caller is in another network.
    advertised: Option<AdvertisedDocument>,
    /// Why its removal is kept back; null if it is not.
    held: Option<&'static str>,
}

/// An address for callers of another network.
#[derive(Serialize, ToSchema)]
#[schema(as = Advertised)]
pub(super) struct AdvertisedDocument {
    /// The registered address, `ip:port`.
    instance: String,
    /// Who named the other one: `instance` (its registrant) or `cluster`.
    by: &'static str,
}

impl<'a> EndpointDocument<'a> {
    pub(super) fn of(planned: &'a Planned, endpoint: &'a PlannedEndpoint) -> Self {
        let offer = planned.offer(endpoint);
        let (ip, port) = offer.reached_at();
        Self {
            ip: ip.text(),
            port,
            cluster_name: &offer.instance_id.nacos_cluster,
            origin: offer.origin.as_str(),
            priority: endpoint.priority,
            locality: &endpoint.locality,
            share: endpoint.share,
            weight: offer.instance.weight.get(),
            flat_weight: planned.flat_weight(endpoint),
            health: health_word(offer.endpoint.health),
            metadata: &offer.instance.metadata,
            ephemeral: offer.instance.ephemeral,
            advertised: AdvertisedDocument::of(offer),
            held: offer.held.as_ref().map(|held| held.reason.as_str()),
        }
    }
}

impl AdvertisedDocument {
    fn of(offer: &Offer) -> Option<Self> {
        let by = match &offer.address {
            Address::Own => return None,
            Address::Advertised { by: AdvertisedBy::Instance, .. } => "instance",
            Address::Advertised { by: AdvertisedBy::Cluster, .. } => "cluster",
        };
        Some(Self { instance: offer.registered_address().to_string(), by })
    }
}

/// An operator's wish that concerns the service.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Drain)]
pub(super) struct DrainDocument<'a> {
    /// What is drained: `cluster`, or `cluster/namespace/group/service`.
    target: &'a str,
    /// The cluster that loses traffic.
    cluster: &'a str,
    /// How much of it.
    percent: u8,
    /// `in_force`; `forced`: although nothing healthy is left; `void`: nothing healthy would be left; `excess`: too many are in
    /// force already; `idle`: 0 percent.
    ruling: &'static str,
    /// Who ordered it; empty if that was not said.
    who: &'a str,
    /// Why; empty if that was not said.
    why: &'a str,
    /// When, by the clock of the gateway that took the order, unix milliseconds.
    when_ms: u64,
    /// The cluster where it was ordered.
    taken_in: &'a str,
}

impl<'a> DrainDocument<'a> {
    pub(super) fn of((verdict, order): (&'a Verdict, Option<&'a DrainInForce>)) -> Self {
        Self {
            target: &verdict.drain.target,
            cluster: verdict.drain.cluster.as_str(),
            percent: verdict.drain.percent.get(),
            ruling: verdict.ruling.as_str(),
            who: order.map_or("", |order| &order.intent.who),
            why: order.map_or("", |order| &order.intent.why),
            when_ms: order.map_or(0, |order| order.intent.when.0),
            taken_in: order.map_or("", |order| order.taken_in.as_str()),
        }
    }
}

/// How the facts of a cluster are to be taken, and how old they are.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OriginState)]
pub(super) struct OriginDocument<'a> {
    origin: &'a str,
    /// As it is: `live`, `stale`, `lost` or `isolated`.
    freshness: &'static str,
    /// What plans take it for: better than before only after it held for a while.
    effective_freshness: &'static str,
    /// Why, for people.
    freshness_reason: &'a str,
    /// Age of its facts; null if no word of it has been heard yet.
    age_ms: Option<u64>,
}

impl<'a> OriginDocument<'a> {
    pub(super) fn of(state: OriginState<'a>) -> Self {
        Self {
            origin: state.id.as_str(),
            freshness: state.freshness.as_str(),
            effective_freshness: state.effective.as_str(),
            freshness_reason: state.reason,
            age_ms: state.age.map(|age| age.0),
        }
    }
}

/// An instance that is not used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LeftOut)]
pub(super) struct UnusedDocument {
    /// `origin/ip:port@clusterName`.
    #[schema(value_type = String)]
    endpoint: Arc<str>,
    /// The cluster that observed it.
    origin: String,
    /// Why.
    reason: String,
}

impl From<Unused> for UnusedDocument {
    fn from(unused: Unused) -> Self {
        Self { endpoint: unused.id, origin: unused.origin, reason: unused.reason }
    }
}

/// How a plan came about.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Explanation)]
pub(super) struct ExplainDocument<'a> {
    #[serde(flatten)]
    pub(super) head: PlanHead<'a>,
    /// Whether anything can be used.
    pub(super) usable: bool,
    /// How the caller was understood, and what is odd about the question; for people.
    pub(super) notes: Vec<String>,
    /// As in a plan.
    pub(super) endpoints: Vec<ExplainedEndpoint<'a>>,
    /// Every instance that was not counted, by id.
    pub(super) left_out: Vec<LeftOutDocument<'a>>,
    /// As in a plan.
    pub(super) not_shown: usize,
    /// Every drain that concerns the service, in force or not, in byte order of their targets.
    pub(super) drains: Vec<DrainDocument<'a>>,
    pub(super) rounding: RoundingDocument,
    /// One line a step: filter, rank, compact, load, localities, drain, flatten.
    pub(super) trace: Vec<String>,
    /// As in a plan.
    pub(super) origins: Vec<OriginDocument<'a>>,
}

/// From exact shares to millionths.
#[derive(Serialize, ToSchema)]
#[schema(as = Rounding)]
pub(super) struct RoundingDocument {
    /// Sum of all shares: a million, unless nothing is left to take a part.
    sum: u64,
    /// How many endpoints got a millionth more.
    up: u64,
}

impl RoundingDocument {
    pub(super) fn of(planned: &Planned) -> Self {
        Self { sum: planned.sum_of_shares(), up: planned.plan.basis.topped_up }
    }
}

/// One endpoint that was counted, and why it is where it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExplainedEndpoint<'a> {
    /// `origin/ip:port@clusterName`.
    endpoint: &'a str,
    #[serde(flatten)]
    planned: EndpointDocument<'a>,
    /// Health as its origin says it.
    raw_health: &'static str,
    /// Freshness of its origin as it is.
    freshness: &'static str,
    /// What plans take it for.
    effective_freshness: &'static str,
    /// What ranked it, as in the trace: its place in the order of preference, behind `stale` or `lost` if its origin is; null
    /// if it has none.
    #[serde(serialize_with = "text")]
    #[schema(value_type = Option<String>)]
    rank: Option<federation_core::routing::Rank>,
    /// Its weight after `distribute`, 1 to 100; missing without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    distributed_weight: Option<u64>,
}

fn text<S: Serializer>(rank: &Option<federation_core::routing::Rank>, serializer: S) -> Result<S::Ok, S::Error> {
    match rank {
        Some(rank) => serializer.collect_str(rank),
        None => serializer.serialize_none(),
    }
}

impl<'a> ExplainedEndpoint<'a> {
    pub(super) fn of(planned: &'a Planned, endpoint: &'a PlannedEndpoint) -> Self {
        let offer = planned.offer(endpoint);
        Self {
            endpoint: &endpoint.id,
            planned: EndpointDocument::of(planned, endpoint),
            raw_health: health_word(offer.raw_health),
            freshness: offer.raw_freshness.as_str(),
            effective_freshness: offer.endpoint.freshness.as_str(),
            rank: planned.plan.priorities[endpoint.priority].rank,
            distributed_weight: endpoint.distributed,
        }
    }
}

/// An instance that was not counted, and why.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LeftOutTrace)]
pub(super) struct LeftOutDocument<'a> {
    /// `origin/ip:port@clusterName`.
    endpoint: &'a str,
    /// The cluster that observed it.
    origin: &'a str,
    reason: String,
    /// `region/zone/sub_zone`, as far as it is known.
    locality: String,
    /// As it was registered.
    weight: f64,
    /// Health as its origin says it.
    raw_health: &'static str,
    /// Effective health.
    health: &'static str,
    /// Freshness of its origin as it is.
    freshness: &'static str,
    /// What plans take it for.
    effective_freshness: &'static str,
}

impl<'a> LeftOutDocument<'a> {
    pub(super) fn of(planned: &'a Planned, left_out: &'a LeftOut) -> Self {
        let offer = &planned.offers[left_out.index];
        let health: Health = offer.endpoint.health;
        Self {
            endpoint: &left_out.id,
            origin: offer.origin.as_str(),
            reason: left_out.reason.to_string(),
            locality: offer.endpoint.locality.to_string(),
            weight: offer.instance.weight.get(),
            raw_health: health_word(offer.raw_health),
            health: health_word(health),
            freshness: offer.raw_freshness.as_str(),
            effective_freshness: offer.endpoint.freshness.as_str(),
        }
    }
}
