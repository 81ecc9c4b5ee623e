//! `/v1/descriptor`: what the own cluster is, who contradicts it, and an operator's order to adopt what this gateway is configured to be.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use federation_core::federation::{Membership, Stranger};
use federation_core::id::ClusterId;
use federation_core::intents::LONGEST_TEXT_BYTES;
use federation_core::log::belonging::{AdoptRefused, Contradiction};
use federation_core::log::control::Descriptor;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use federation_answers::problem::ProblemDocument;

use super::body::Ordered;
use super::problem::Problem;
use super::{params, reply};
use crate::ApiState;
use federation_view::view::stuck_reason;

/// An order to adopt what the gateway that is asked is configured to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = AdoptOrder)]
pub(super) struct OrderBody {
    /// The gateway's own cluster: to name it is to confirm that the right gateway is asked.
    cluster: String,
    /// Adopt nothing, but tell what would be.
    #[serde(default)]
    dry_run: bool,
    /// Why, for the gateway's log; at most 1,024 bytes.
    reason: Option<String>,
    /// Who orders it, for the gateway's log; at most 1,024 bytes.
    who: Option<String>,
}

/// What the own cluster is, and who contradicts it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Membership)]
pub(super) struct MembershipDocument {
    /// The gateway's own cluster.
    cluster: String,
    /// What this gateway is configured to be.
    own: DescriptorDocument,
    /// What the cluster is; absent while nobody has said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_force: Option<DescriptorDocument>,
    /// Whether this gateway is a stranger: it reads and serves, and never leads.
    stranger: bool,
    /// What `own` and `inForce` contradict each other in: `locality`, `nacosServers`.
    contradictions: Vec<&'static str>,
    /// Other gateways with this cluster's id that contradict `inForce`, heard within the last 25 s.
    strangers: Vec<StrangerDocument>,
}

/// What a cluster is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Descriptor)]
pub(super) struct DescriptorDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    /// Addresses of its Nacos servers, as configured.
    nacos_servers: Vec<String>,
    /// Partitions of each data topic.
    partitions: u32,
    /// Where its instances are reached from other networks.
    advertise: BTreeMap<String, String>,
}

/// Another gateway with the same cluster's id.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Stranger)]
pub(super) struct StrangerDocument {
    /// Its name, for people.
    replica: String,
    /// Where it is reached, for people; may be empty.
    advertised: String,
    /// What it is configured to be.
    descriptor: DescriptorDocument,
    /// What that and the descriptor in force contradict each other in.
    contradictions: Vec<&'static str>,
}

/// What became of an order, or would.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Adopted)]
pub(super) struct AdoptedDocument {
    cluster: String,
    /// Whether it was only tried.
    dry_run: bool,
    /// Whether the descriptor in force is replaced by this order, or would be; false if it is this one already.
    changes: bool,
    /// What was in force before; absent if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<DescriptorDocument>,
    /// What is in force after it.
    descriptor: DescriptorDocument,
    /// What the two contradict each other in: whoever is as it was becomes a stranger.
    contradictions: Vec<&'static str>,
}

impl DescriptorDocument {
    fn of(descriptor: &Descriptor) -> Self {
        let text = |part: &Option<std::sync::Arc<str>>| part.as_deref().map(str::to_owned);
        let place = &descriptor.locality;
        let advertise = descriptor.advertise.iter();
        Self {
            region: text(&place.region),
            zone: text(&place.zone),
            sub_zone: text(&place.sub_zone),
            network: text(&place.network),
            nacos_servers: descriptor.nacos_servers.iter().map(ToString::to_string).collect(),
            partitions: descriptor.partitions,
            advertise: advertise.map(|(network, address)| (network.to_string(), address.to_string())).collect(),
        }
    }
}

impl StrangerDocument {
    fn of(stranger: &Stranger) -> Self {
        Self {
            replica: stranger.name.to_string(),
            advertised: stranger.advertised.to_string(),
            descriptor: DescriptorDocument::of(&stranger.descriptor),
            contradictions: names(&stranger.contradictions),
        }
    }
}

impl MembershipDocument {
    fn of(cluster: &ClusterId, membership: &Membership) -> Self {
        Self {
            cluster: cluster.to_string(),
            own: DescriptorDocument::of(&membership.own),
            in_force: membership.in_force.as_ref().map(DescriptorDocument::of),
            stranger: !membership.contradictions.is_empty(),
            contradictions: names(&membership.contradictions),
            strangers: membership.strangers.iter().map(StrangerDocument::of).collect(),
        }
    }
}

impl AdoptedDocument {
    fn of(cluster: &ClusterId, was: Option<&Descriptor>, descriptor: &Descriptor, dry_run: bool) -> Self {
        Self {
            cluster: cluster.to_string(),
            dry_run,
            changes: was != Some(descriptor),
            was: was.map(DescriptorDocument::of),
            descriptor: DescriptorDocument::of(descriptor),
            contradictions: names(&was.map(|was| was.contradictions(descriptor)).unwrap_or_default()),
        }
    }
}

fn names(contradictions: &[Contradiction]) -> Vec<&'static str> {
    contradictions.iter().map(|it| it.as_str()).collect()
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
    Ok(reply::json(&MembershipDocument::of(&state.identity().cluster, &gateway.membership)))
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
    body: Ordered,
) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    let order: OrderBody = body.read()?;
    let own = &state.identity().cluster;
    let named: ClusterId =
        order.cluster.parse().map_err(|error| Problem::bad_parameter("cluster", Some(&order.cluster), &error))?;
    let (who, reason) = (text("who", order.who)?, text("reason", order.reason)?);
    if named != *own {
        return Err(Problem::not_adopted(&format!("this is a gateway of {own}, not of {named}")));
    }
    if let Some(silence) = state.view().engine_stuck() {
        return Err(Problem::adoption_impossible(&stuck_reason(silence)));
    }
    let membership = state.view().gateway().membership.clone();
    if order.dry_run {
        let document = AdoptedDocument::of(own, membership.in_force.as_ref(), &membership.own, true);
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
    Ok(reply::json(&AdoptedDocument::of(own, adopted.was.as_ref(), &adopted.descriptor, false)))
}

fn text(field: &str, text: Option<String>) -> Result<String, Problem> {
    let text = text.unwrap_or_default();
    if text.len() > LONGEST_TEXT_BYTES {
        let detail = format!("it is {} bytes, at most {LONGEST_TEXT_BYTES} are possible", text.len());
        return Err(Problem::bad_parameter(field, None, &detail));
    }
    Ok(text)
}
