//! Plans as documents, and the bytes of those that are kept.
//!
//! What is kept is the text of a plan up to its origins, whose ages every request adds: [`plan`] and [`encode`] make it, `plans` splices it.

use std::borrow::Cow;

use federation_answers::plan::{
    AdvertisedDocument, CallerDocument, DrainDocument, EndpointDocument, ExplainedEndpoint, LeftOutDocument,
    LocalityShareDocument, OriginDocument, PlanDocument, PlanHead, PolicyInForceDocument, PriorityDocument,
    RoundingDocument, UnusedDocument,
};
use federation_core::drains::DrainInForce;
use federation_core::routing::{
    AdvertisedBy, Caller, DrainVerdict, InstanceOffer, LeftOut, PanicMode, PlannedEndpoint, Priority, RoutableAddress,
};

use super::document::{health_word, params};
use super::reply;
use federation_view::resolve::{OriginState, PlannedService, UnusedInstance};

/// All but the origins, whose ages every request adds.
pub(super) fn plan(planned: &PlannedService, version: u64) -> PlanDocument<'_> {
    let plan = &planned.plan;
    PlanDocument {
        head: head(planned, version),
        endpoints: plan.endpoints.iter().map(|found| endpoint(planned, found)).collect(),
        left_out: plan.left_out.len(),
        not_shown: 0,
        drains: planned.drains_in_force().map(drain).collect(),
        origins: Vec::new(),
    }
}

/// The JSON text up to the origins, and where each endpoint begins (with the comma before it) and the last one ends.
pub(super) fn encode(plan: &PlanDocument<'_>) -> (Vec<u8>, Vec<usize>) {
    let PlanDocument { head, endpoints, left_out, not_shown, drains, origins: _ } = plan;
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

/// What a plan is about.
pub(super) fn head(planned: &PlannedService, version: u64) -> PlanHead<'_> {
    let key = &planned.service.key;
    PlanHead {
        namespace_id: key.namespace().into(),
        group_name: key.group().into(),
        service_name: key.service().into(),
        version,
        fingerprint: format!("{:016x}", planned.fingerprint()),
        caller: caller(&planned.caller),
        policy: policy_in_force(planned),
        priorities: planned.plan.priorities.iter().enumerate().map(priority).collect(),
    }
}

fn caller(caller: &Caller) -> CallerDocument<'_> {
    let place = &caller.locality;
    CallerDocument {
        region: place.region.as_deref().map(Cow::Borrowed),
        zone: place.zone.as_deref().map(Cow::Borrowed),
        sub_zone: place.sub_zone.as_deref().map(Cow::Borrowed),
        network: place.network.as_deref().map(Cow::Borrowed),
        cluster: caller.cluster.as_deref().map(Cow::Borrowed),
        labels: caller.labels.iter().map(|(name, value)| ((&**name).into(), (&**value).into())).collect(),
    }
}

fn policy_in_force(planned: &PlannedService) -> PolicyInForceDocument {
    let rule = planned.rule.as_ref().map(ToString::to_string);
    PolicyInForceDocument { rule, source: planned.policy.source.to_string(), version: planned.policy.version }
}

fn priority((index, priority): (usize, &Priority)) -> PriorityDocument<'_> {
    let count = |count: u128| u64::try_from(count).unwrap_or(u64::MAX);
    let localities = priority.localities.iter();
    PriorityDocument {
        priority: index,
        total: count(priority.counts.total),
        healthy: count(priority.counts.healthy),
        degraded: count(priority.counts.degraded),
        excluded: count(priority.counts.excluded),
        load: priority.load.healthy,
        degraded_load: priority.load.degraded,
        panic: priority.load.panic == PanicMode::Panicking,
        localities: localities
            .map(|it| LocalityShareDocument { locality: (&*it.locality).into(), share: it.share })
            .collect(),
    }
}

fn endpoint<'a>(planned: &'a PlannedService, endpoint: &'a PlannedEndpoint) -> EndpointDocument<'a> {
    let offer = planned.offer(endpoint);
    let (ip, port) = offer.reached_at();
    EndpointDocument {
        ip: (&**ip.text()).into(),
        port,
        cluster_name: (&*offer.instance_id.nacos_cluster).into(),
        origin: offer.origin.as_str().into(),
        priority: endpoint.priority,
        locality: (&*endpoint.locality).into(),
        share: endpoint.share,
        weight: offer.instance.weight.get(),
        flat_weight: planned.flat_weight(endpoint),
        health: health_word(offer.endpoint.health).into(),
        metadata: Cow::Borrowed(&offer.instance.metadata),
        ephemeral: offer.instance.ephemeral,
        advertised: advertised(offer),
        held: offer.held.as_ref().map(|held| held.reason.as_str().into()),
        held_code: offer.held.as_ref().map(|held| held.reason.code().into()),
    }
}

fn advertised(offer: &InstanceOffer) -> Option<AdvertisedDocument> {
    let by = match &offer.address {
        RoutableAddress::Own => return None,
        RoutableAddress::Advertised { by: AdvertisedBy::Instance, .. } => "instance",
        RoutableAddress::Advertised { by: AdvertisedBy::Cluster, .. } => "cluster",
    };
    Some(AdvertisedDocument { instance: offer.registered_address().to_string(), by: by.into() })
}

/// A drain as a plan has it.
pub(super) fn drain<'a>((verdict, order): (&'a DrainVerdict, Option<&'a DrainInForce>)) -> DrainDocument<'a> {
    DrainDocument {
        target: (&*verdict.drain.target).into(),
        cluster: verdict.drain.cluster.as_str().into(),
        percent: verdict.drain.percent.get(),
        ruling: verdict.ruling.as_str().into(),
        who: order.map_or("", |order| &order.intent.who).into(),
        why: order.map_or("", |order| &order.intent.why).into(),
        when_ms: order.map_or(0, |order| order.intent.when.0),
        taken_in: order.map_or("", |order| order.taken_in.as_str()).into(),
    }
}

/// A cluster at the moment of an answer.
pub(super) fn origin(state: OriginState<'_>) -> OriginDocument<'_> {
    OriginDocument {
        origin: state.id.as_str().into(),
        freshness: state.freshness.as_str().into(),
        effective_freshness: state.effective.as_str().into(),
        freshness_reason: (&**state.reason.text()).into(),
        freshness_code: state.reason.code().as_str().into(),
        freshness_params: params(state.reason.code().params()),
        age_ms: state.age.map(|age| age.0),
    }
}

/// An instance that is not used.
pub(super) fn unused(unused: UnusedInstance) -> UnusedDocument {
    UnusedDocument { endpoint: unused.id, origin: unused.origin, reason: unused.reason, code: unused.code.into() }
}

/// How exact shares became millionths.
pub(super) fn rounding(planned: &PlannedService) -> RoundingDocument {
    RoundingDocument { sum: planned.sum_of_shares(), up: planned.plan.basis.topped_up }
}

/// An endpoint, and why it is where it is.
pub(super) fn explained<'a>(planned: &'a PlannedService, found: &'a PlannedEndpoint) -> ExplainedEndpoint<'a> {
    let offer = planned.offer(found);
    ExplainedEndpoint {
        endpoint: (&*found.id).into(),
        planned: endpoint(planned, found),
        raw_health: health_word(offer.raw_health).into(),
        freshness: offer.raw_freshness.as_str().into(),
        effective_freshness: offer.endpoint.freshness.as_str().into(),
        rank: planned.plan.priorities[found.priority].rank.map(|rank| rank.to_string()),
        distributed_weight: found.distributed,
    }
}

/// An instance that was not counted, and why.
pub(super) fn left_out<'a>(planned: &'a PlannedService, left_out: &'a LeftOut) -> LeftOutDocument<'a> {
    let offer = &planned.offers[left_out.index];
    LeftOutDocument {
        endpoint: (&*left_out.id).into(),
        origin: offer.origin.as_str().into(),
        reason: left_out.reason.to_string(),
        code: left_out.reason.code().into(),
        locality: offer.endpoint.locality.to_string(),
        weight: offer.instance.weight.get(),
        raw_health: health_word(offer.raw_health).into(),
        health: health_word(offer.endpoint.health).into(),
        freshness: offer.raw_freshness.as_str().into(),
        effective_freshness: offer.endpoint.freshness.as_str().into(),
    }
}
