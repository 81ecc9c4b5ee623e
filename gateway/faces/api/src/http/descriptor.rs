//! `/v1/descriptor`: what the own cluster is, who contradicts it, and an operator's order to adopt what this gateway is configured to be.

use std::borrow::Cow;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use federation_answers::descriptor::{
    AdoptedDocument, DescriptorDocument, MembershipDocument, OrderBody, StrangerDocument,
};
use federation_answers::problem::ProblemDocument;
use federation_core::federation::{Membership, Stranger};
use federation_core::id::ClusterId;
use federation_core::intents::LONGEST_TEXT_BYTES;
use federation_core::log::belonging::{AdoptRefused, Contradiction};
use federation_core::log::control::Descriptor;
use serde_json::json;

use super::audit::ActChange;
use super::body::Ordered;
use super::problem::Problem;
use super::{params, reply};
use crate::ApiState;
use crate::asker::Asker;
use federation_view::view::stuck_reason;

fn described(descriptor: &Descriptor) -> DescriptorDocument {
    let text = |part: &Option<std::sync::Arc<str>>| part.as_deref().map(str::to_owned);
    let place = &descriptor.locality;
    let advertise = descriptor.advertise.iter();
    DescriptorDocument {
        region: text(&place.region),
        zone: text(&place.zone),
        sub_zone: text(&place.sub_zone),
        network: text(&place.network),
        nacos_servers: descriptor.nacos_servers.iter().map(ToString::to_string).collect(),
        partitions: descriptor.partitions,
        advertise: advertise.map(|(network, address)| (network.to_string(), address.to_string())).collect(),
    }
}

fn stranger(stranger: &Stranger) -> StrangerDocument {
    StrangerDocument {
        replica: stranger.name.to_string(),
        advertised: stranger.advertised.to_string(),
        descriptor: described(&stranger.descriptor),
        contradictions: names(&stranger.contradictions),
    }
}

fn membership_of(cluster: &ClusterId, membership: &Membership) -> MembershipDocument {
    MembershipDocument {
        cluster: cluster.to_string(),
        own: described(&membership.own),
        in_force: membership.in_force.as_ref().map(described),
        stranger: !membership.contradictions.is_empty(),
        contradictions: names(&membership.contradictions),
        strangers: membership.strangers.iter().map(stranger).collect(),
    }
}

fn adopted_by(
    cluster: &ClusterId,
    was: Option<&Descriptor>,
    descriptor: &Descriptor,
    dry_run: bool,
) -> AdoptedDocument {
    AdoptedDocument {
        cluster: cluster.to_string(),
        dry_run,
        changes: was != Some(descriptor),
        was: was.map(described),
        descriptor: described(descriptor),
        contradictions: names(&was.map(|was| was.contradictions(descriptor)).unwrap_or_default()),
    }
}

fn names(contradictions: &[Contradiction]) -> Vec<Cow<'static, str>> {
    contradictions.iter().map(|it| it.as_str().into()).collect()
}

/// What the own cluster is, as its control topic says, what this gateway is configured to be, and which other gateways with its id
/// contradict that. At most half a second old.
#[utoipa::path(
    get,
    path = "/v1/descriptor",
    tag = "operations",
    responses(
        (status = 200, body = MembershipDocument, description = "also while the log has not been read: then without `inForce`"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "an unknown parameter"),
    ),
)]
pub(super) async fn show(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    let gateway = state.view().gateway();
    Ok(reply::json(&membership_of(&state.identity().cluster, &gateway.membership)))
}

/// From now on the cluster is what the gateway that is asked is configured to be: a stranger becomes a member, and members that contradict it
/// become strangers, whoever leads included. Its own Nacos is then what the cluster's instances follow. The answer comes once that was read
/// back from the log.
#[utoipa::path(
    post,
    path = "/v1/descriptor",
    tag = "operations",
    request_body = OrderBody,
    responses(
        (status = 200, body = AdoptedDocument, description = "it is in force; of a dry run, what would be"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "the order is wrong"),
        (status = 409, body = ProblemDocument, content_type = "application/problem+json", description = "the gateway's cluster is another one than the order names, or another such order is under way"),
        (status = 413, body = ProblemDocument, content_type = "application/problem+json", description = "the body is too large"),
        (status = 415, body = ProblemDocument, content_type = "application/problem+json", description = "the body is not said to be application/json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "the log cannot be reached, or is not read yet; nothing was ordered"),
        (status = 504, body = ProblemDocument, content_type = "application/problem+json", description = "it was not read back within 10 s; it may still come into force"),
    ),
)]
pub(super) async fn adopt(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    asker: Asker,
    body: Ordered,
) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    let order: OrderBody = body.read()?;
    let own = &state.identity().cluster;
    let named: ClusterId =
        order.cluster.parse().map_err(|error| Problem::bad_parameter("cluster", Some(&order.cluster), &error))?;
    let (who, reason) = (text("who", asker.identity().signs(order.who))?, text("reason", order.reason)?);
    if named != *own {
        return Err(Problem::not_adopted(&format!("this is a gateway of {own}, not of {named}")));
    }
    if let Some(silence) = state.view().engine_stuck() {
        return Err(Problem::adoption_impossible(&stuck_reason(silence)));
    }
    let membership = state.view().gateway().membership.clone();
    if order.dry_run {
        let document = adopted_by(own, membership.in_force.as_ref(), &membership.own, true);
        return Ok(reply::json(&document));
    }
    tracing::warn!(cluster = %own, who, reason, "an operator says that the cluster is what this gateway is configured to be");
    let outcome = state.commands().adopt().await.map_err(|error| Problem::adoption_impossible(&error))?;
    let adopted = outcome.map_err(|refused| match refused {
        AdoptRefused::Busy => Problem::not_adopted(&refused),
        AdoptRefused::NotReadBack { .. } => Problem::adoption_unsure(&refused),
        AdoptRefused::Stopping | AdoptRefused::NotRead | AdoptRefused::Unreachable { .. } => {
            Problem::adoption_impossible(&refused)
        }
    })?;
    let (before, after) = (json!(adopted.was.as_ref().map(described)), json!(described(&adopted.descriptor)));
    let taken = reply::json(&adopted_by(own, adopted.was.as_ref(), &adopted.descriptor, false));
    Ok(ActChange::on(taken, before, after))
}

fn text(field: &str, text: Option<String>) -> Result<String, Problem> {
    let text = text.unwrap_or_default();
    if text.len() > LONGEST_TEXT_BYTES {
        let detail = format!("it is {} bytes, at most {LONGEST_TEXT_BYTES} are possible", text.len());
        return Err(Problem::bad_parameter(field, None, &detail));
    }
    Ok(text)
}
