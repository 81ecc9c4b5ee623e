//! Plans as protobuf messages, and requests for them as what is asked for.
//!
//! A plan is encoded in pieces: the fields of a message may come in any order, so that endpoints can be cut out and ages
//! added behind what was kept.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use federation_core::drains::DrainInForce;
use federation_core::id::ServiceKey;
use federation_core::routing::{
    AdvertisedBy, Caller, DrainVerdict, InstanceOffer, LeftOut, PanicMode, PlannedEndpoint, Priority, RoutableAddress,
};
use federation_core::service::FederatedService;
use federation_core::time::Mono;
use federation_proto::federation::v1 as pb;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::wire::{freshness, health};
use crate::ask::{BadField, CallerParts, Filter, ResolveAsk, ServiceAsk};
use federation_view::hub::plans::PlanTopic;
use federation_view::resolve::{
    CallerAsk, EncodedPlan, NothingUsable, OriginState, PlanDepth, PlanExcerpt, PlanInputs, PlanPieces, PlannedService,
    UnusedInstance, origin_states,
};

/// Field `plan` of `ResolveResponse` and of `WatchResolveResponse`.
const PLAN: u32 = 1;
/// Fields of `Plan` that are written apart from the rest.
const ENDPOINTS: u32 = 9;
const NOT_SHOWN: u32 = 11;
const ORIGINS: u32 = 13;
/// Instances that an answer lists of which nothing can be used; how many there are is in its detail.
const LISTED: usize = 100;

fn key(namespace: Option<&str>, group: &str, name: &str) -> Result<ServiceKey, BadField> {
    ServiceAsk::new(namespace, Some(group), name, Filter::default()).map(|ask| ask.key)
}

/// Missing, and a caller of whom nothing is said, are the same.
fn caller(caller: Option<&pb::Caller>) -> Result<CallerAsk<'_>, BadField> {
    let Some(caller) = caller else { return Ok(CallerAsk::default()) };
    let pb::Caller { region, zone, sub_zone, network, cluster, labels } = caller;
    let [region, zone, sub_zone, network, cluster] =
        [region, zone, sub_zone, network, cluster].map(|part| part.as_deref().map(Cow::Borrowed));
    let labels = labels.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect();
    CallerParts { region, zone, sub_zone, network, cluster, labels }.check()
}

fn excerpt(limit: u32, only_top: bool) -> PlanExcerpt {
    PlanExcerpt { limit: (limit != 0).then_some(limit), depth: if only_top { PlanDepth::Top } else { PlanDepth::All } }
}

pub(super) fn decode_resolve(request: &pb::ResolveRequest) -> Result<ResolveAsk<'_>, BadField> {
    let key = key(request.namespace_id.as_deref(), &request.group_name, &request.service_name)?;
    let caller = caller(request.caller.as_ref())?;
    Ok(ResolveAsk { key, caller, excerpt: excerpt(request.limit, request.only_top) })
}

pub(super) fn decode_explain(request: &pb::ExplainRequest) -> Result<ResolveAsk<'_>, BadField> {
    let key = key(request.namespace_id.as_deref(), &request.group_name, &request.service_name)?;
    let caller = caller(request.caller.as_ref())?;
    Ok(ResolveAsk { key, caller, excerpt: excerpt(request.limit, request.only_top) })
}

pub(super) fn decode_watch(request: &pb::WatchResolveRequest) -> Result<PlanTopic, BadField> {
    let key = key(request.namespace_id.as_deref(), &request.group_name, &request.service_name)?;
    Ok(PlanTopic { key, caller: caller(request.caller.as_ref())?.into_owned() })
}

/// A plan without what requests add, or that nothing can be used.
pub(super) fn encode(planned: &PlannedService, version: u64) -> EncodedPlan {
    if !planned.is_usable() {
        let unused = planned.unused();
        let detail = planned.unusable_sentence(&unused);
        let event = pb::watch_resolve_response::Event::Unusable(unusable(&planned.service.key, &detail, unused));
        let bytes = pb::WatchResolveResponse { event: Some(event) }.encode_to_vec().into();
        return EncodedPlan::Unusable(NothingUsable { detail, bytes });
    }
    let mut bytes = head(planned, version, planned.drains_in_force()).encode_to_vec();
    let mut starts = Vec::with_capacity(planned.plan.endpoints.len() + 1);
    for planned_endpoint in &planned.plan.endpoints {
        starts.push(bytes.len());
        prost::encoding::message::encode(ENDPOINTS, &endpoint(planned, planned_endpoint), &mut bytes);
    }
    starts.push(bytes.len());
    EncodedPlan::Usable(PlanPieces::new(bytes, starts, planned.top(), planned.fingerprint()))
}

/// A message in pieces: its beginning, what was kept, and what this answer adds.
pub(super) type Spliced = Chain<Chain<Bytes, Bytes>, Bytes>;

/// A message whose field `plan` is what was kept, cut, and the ages of now.
pub(super) fn with_origins(
    pieces: &PlanPieces,
    excerpt: PlanExcerpt,
    service: &FederatedService,
    inputs: &PlanInputs,
    now: Mono,
) -> Spliced {
    let shown: Range<usize> = excerpt.of(pieces.endpoints(), &pieces.top);
    let not_shown = pieces.endpoints() - shown.len();
    let kept = match not_shown {
        0 => pieces.bytes.clone(),
        _ => [pieces.head(), pieces.some(&shown), pieces.tail()].concat().into(),
    };
    let rest = rest(not_shown, service, inputs, now);
    let mut begin = Vec::with_capacity(8);
    encode_key(PLAN, WireType::LengthDelimited, &mut begin);
    encode_varint((kept.len() + rest.len()) as u64, &mut begin);
    Bytes::from(begin).chain(kept).chain(rest.into())
}

fn rest(not_shown: usize, service: &FederatedService, inputs: &PlanInputs, now: Mono) -> Vec<u8> {
    let mut rest = Vec::with_capacity(64 * service.origins.len());
    if not_shown > 0 {
        prost::encoding::uint64::encode(NOT_SHOWN, &(not_shown as u64), &mut rest);
    }
    let mut origin = Vec::with_capacity(64);
    for state in origin_states(service, inputs, now) {
        origin.clear();
        encode_origin(&mut origin, &state);
        append(&mut rest, ORIGINS, &origin);
    }
    rest
}

/// As [`origin`] encodes, without copies of its texts: every request does it.
fn encode_origin(message: &mut Vec<u8>, state: &OriginState<'_>) {
    append(message, 1, state.id.as_str().as_bytes());
    prost::encoding::int32::encode(2, &freshness(state.freshness), message);
    prost::encoding::int32::encode(3, &freshness(state.effective), message);
    append(message, 4, state.reason.as_bytes());
    if let Some(age) = state.age {
        prost::encoding::uint64::encode(5, &age.0, message);
    }
}

/// A field that is a text or a message.
fn append(message: &mut Vec<u8>, field: u32, value: &[u8]) {
    encode_key(field, WireType::LengthDelimited, message);
    encode_varint(value.len() as u64, message);
    message.extend_from_slice(value);
}

fn origin(state: &OriginState<'_>) -> pb::OriginState {
    pb::OriginState {
        origin: state.id.to_string(),
        freshness: freshness(state.freshness),
        effective_freshness: freshness(state.effective),
        freshness_reason: state.reason.to_string(),
        age_ms: state.age.map(|age| age.0),
    }
}

/// Everything of a plan but endpoints and origins.
fn head<'a>(
    planned: &PlannedService,
    version: u64,
    drains: impl Iterator<Item = (&'a DrainVerdict, Option<&'a DrainInForce>)>,
) -> pb::Plan {
    let key = &planned.service.key;
    pb::Plan {
        namespace_id: key.namespace().to_owned(),
        group_name: key.group().to_owned(),
        service_name: key.service().to_owned(),
        version,
        fingerprint: format!("{:016x}", planned.fingerprint()),
        caller: Some(encode_caller(&planned.caller)),
        policy: Some(pb::PolicyInForce {
            rule: planned.rule.as_ref().map(ToString::to_string),
            source: planned.policy.source.to_string(),
            version: planned.policy.version,
        }),
        priorities: planned.plan.priorities.iter().enumerate().map(priority).collect(),
        endpoints: Vec::new(),
        left_out: planned.plan.left_out.len() as u64,
        not_shown: 0,
        drains: drains.map(drain).collect(),
        origins: Vec::new(),
    }
}

fn owned(text: &Arc<str>) -> String {
    text.to_string()
}

fn encode_caller(caller: &Caller) -> pb::Caller {
    let place = &caller.locality;
    pb::Caller {
        region: place.region.as_ref().map(owned),
        zone: place.zone.as_ref().map(owned),
        sub_zone: place.sub_zone.as_ref().map(owned),
        network: place.network.as_ref().map(owned),
        cluster: caller.cluster.as_ref().map(owned),
        labels: caller.labels.iter().map(|(name, value)| (owned(name), owned(value))).collect(),
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn priority((index, priority): (usize, &Priority)) -> pb::Priority {
    let count = |count: u128| u64::try_from(count).unwrap_or(u64::MAX);
    let localities = priority.localities.iter();
    pb::Priority {
        priority: number(index),
        total: count(priority.counts.total),
        healthy: count(priority.counts.healthy),
        degraded: count(priority.counts.degraded),
        excluded: count(priority.counts.excluded),
        load: priority.load.healthy.into(),
        degraded_load: priority.load.degraded.into(),
        panic: priority.load.panic == PanicMode::Panicking,
        localities: localities.map(|it| pb::LocalityShare { locality: owned(&it.locality), share: it.share }).collect(),
    }
}

fn endpoint(planned: &PlannedService, endpoint: &PlannedEndpoint) -> pb::PlannedEndpoint {
    let offer = planned.offer(endpoint);
    let (ip, port) = offer.reached_at();
    let metadata: BTreeMap<String, String> =
        offer.instance.metadata.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    pb::PlannedEndpoint {
        ip: owned(ip.text()),
        port: port.into(),
        cluster_name: owned(&offer.instance_id.nacos_cluster),
        origin: offer.origin.to_string(),
        priority: number(endpoint.priority),
        locality: owned(&endpoint.locality),
        share: endpoint.share,
        weight: offer.instance.weight.get(),
        flat_weight: planned.flat_weight(endpoint),
        health: health(offer.endpoint.health),
        metadata,
        ephemeral: offer.instance.ephemeral,
        advertised: advertised(offer),
        held: offer.held.as_ref().map(|held| held.reason.as_str().to_owned()),
    }
}

fn advertised(offer: &InstanceOffer) -> Option<pb::Advertised> {
    let by = match &offer.address {
        RoutableAddress::Own => return None,
        RoutableAddress::Advertised { by: AdvertisedBy::Instance, .. } => "instance",
        RoutableAddress::Advertised { by: AdvertisedBy::Cluster, .. } => "cluster",
    };
    Some(pb::Advertised { instance: offer.registered_address().to_string(), by: by.to_owned() })
}

fn drain((verdict, order): (&DrainVerdict, Option<&DrainInForce>)) -> pb::Drain {
    pb::Drain {
        target: owned(&verdict.drain.target),
        cluster: verdict.drain.cluster.to_string(),
        percent: verdict.drain.percent.get().into(),
        ruling: verdict.ruling.as_str().to_owned(),
        who: order.map_or_else(String::new, |order| owned(&order.intent.who)),
        why: order.map_or_else(String::new, |order| owned(&order.intent.why)),
        when_ms: order.map_or(0, |order| order.intent.when.0),
        taken_in: order.map_or_else(String::new, |order| order.taken_in.to_string()),
    }
}

fn unusable(key: &ServiceKey, detail: &str, unused: Vec<UnusedInstance>) -> pb::Unusable {
    let left_out =
        |it: UnusedInstance| pb::LeftOut { endpoint: it.id.to_string(), origin: it.origin, reason: it.reason };
    pb::Unusable {
        namespace_id: key.namespace().to_owned(),
        group_name: key.group().to_owned(),
        service_name: key.service().to_owned(),
        detail: detail.to_owned(),
        left_out: unused.into_iter().take(LISTED).map(left_out).collect(),
    }
}

pub(super) fn encode_explanation(
    planned: &PlannedService,
    version: u64,
    notes: Vec<String>,
    excerpt: PlanExcerpt,
    inputs: &PlanInputs,
    now: Mono,
) -> pb::ExplainResponse {
    let shown = planned.shown(excerpt);
    let not_shown = planned.plan.endpoints.len() - shown.len();
    let endpoints = &planned.plan.endpoints[shown];
    let plan = pb::Plan {
        endpoints: endpoints.iter().map(|it| endpoint(planned, it)).collect(),
        not_shown: not_shown as u64,
        origins: origin_states(&planned.service, inputs, now).map(|state| origin(&state)).collect(),
        ..head(planned, version, planned.drains())
    };
    pb::ExplainResponse {
        plan: Some(plan),
        usable: planned.is_usable(),
        notes,
        endpoints: endpoints.iter().map(|it| endpoint_trace(planned, it)).collect(),
        left_out: planned.plan.left_out.iter().map(|it| left_out_trace(planned, it)).collect(),
        rounded_to: u32::try_from(planned.sum_of_shares()).unwrap_or(u32::MAX),
        rounded_up: planned.plan.basis.topped_up,
        trace: planned.plan.trace(),
    }
}

fn endpoint_trace(planned: &PlannedService, endpoint: &PlannedEndpoint) -> pb::EndpointTrace {
    let offer = planned.offer(endpoint);
    pb::EndpointTrace {
        endpoint: owned(&endpoint.id),
        raw_health: health(offer.raw_health),
        health: health(offer.endpoint.health),
        freshness: freshness(offer.raw_freshness),
        effective_freshness: freshness(offer.endpoint.freshness),
        rank: planned.plan.priorities[endpoint.priority].rank.map_or_else(String::new, |rank| rank.to_string()),
        distributed_weight: endpoint.distributed,
    }
}

fn left_out_trace(planned: &PlannedService, left_out: &LeftOut) -> pb::LeftOutTrace {
    let offer = &planned.offers[left_out.index];
    pb::LeftOutTrace {
        endpoint: owned(&left_out.id),
        origin: offer.origin.to_string(),
        reason: left_out.reason.to_string(),
        locality: offer.endpoint.locality.to_string(),
        weight: offer.instance.weight.get(),
        raw_health: health(offer.raw_health),
        health: health(offer.endpoint.health),
        freshness: freshness(offer.raw_freshness),
        effective_freshness: freshness(offer.endpoint.freshness),
    }
}
