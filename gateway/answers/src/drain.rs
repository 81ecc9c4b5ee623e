//! `/v1/drains`: what is drained, and orders to drain and undo.
//!
//! An order is refused if it has a field that the gateway does not know: what is not wanted is not written, so that an older one takes it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// All drains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Drains)]
pub struct DrainsDocument {
    /// By target.
    pub drains: Vec<DrainDocument>,
    /// Records of drains that are not accepted at this gateway, by where they stand: they have no effect here. Missing if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_accepted: Vec<RefusedDrainDocument>,
    /// True if only drains that concern some services may be seen by whoever asks. Missing otherwise.
    #[serde(default, skip_serializing_if = "crate::is_not_said")]
    pub filtered: bool,
}

/// One drain, the last order for its target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DrainInForce)]
pub struct DrainDocument {
    /// Names it: the cluster, or cluster/namespace/group/service of patterns.
    pub target: String,
    /// Whose instances lose traffic.
    pub cluster: String,
    /// Which services; null: all.
    pub services: Option<PatternDocument>,
    /// How much of the traffic is taken away now, 0 to 100; 0: it was undone, or a ramp begins.
    pub percent: u8,
    /// The percentage at the end of a ramp; without one, the same.
    pub goal_percent: u8,
    /// Milliseconds until then, if nobody pauses; null without a ramp.
    pub ends_in_ms: Option<u64>,
    /// Whether it is in force also where nothing healthy is left.
    pub force: bool,
    /// Who ordered it; null if that was not said.
    pub who: Option<String>,
    /// Why; null if that was not said.
    pub why: Option<String>,
    /// When it was ordered, unix milliseconds, by the clock of the gateway that took it.
    pub when_ms: u64,
    /// Since then, by the clock of the answering gateway.
    pub age_ms: u64,
    /// The cluster in whose log the order stands.
    pub taken_in: String,
    /// Orders for this target are counted; the highest counts.
    pub counter: u64,
    /// What it does, for callers in the place of the answering gateway's cluster. Not in the answer to an order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectDocument>,
}

/// A record of a drain that has no effect at the gateway that answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DrainNotAccepted)]
pub struct RefusedDrainDocument {
    /// What it would drain.
    pub target: String,
    /// The cluster in whose log it stands.
    pub taken_in: String,
    /// The percentage at its end; null of a record that would take another one away, or cannot be read.
    pub percent: Option<u8>,
    /// Who is said to have ordered it; null if nobody is.
    pub who: Option<String>,
    /// Its number among the orders for this target; null as `percent`.
    pub counter: Option<u64>,
    /// Why it is not accepted here.
    pub because: String,
}

/// Patterns of names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ServicePattern)]
pub struct PatternDocument {
    /// Of the namespace.
    pub namespace_id: String,
    /// Of the group.
    pub group_name: String,
    /// Of the name.
    pub service_name: String,
}

/// How many services that have instances in its cluster a drain counts for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DrainEffect)]
pub struct EffectDocument {
    /// Traffic moves.
    pub in_force: usize,
    /// Traffic moves although nothing healthy is left.
    pub forced: usize,
    /// Nothing moves, because nothing healthy would be left.
    pub void: usize,
    /// Nothing moves, because four targets are drained already.
    pub too_many: usize,
}

/// An order to drain, or with 0 % to undo.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = DrainOrder)]
pub struct OrderBody {
    /// Whose instances lose traffic.
    pub cluster: String,
    /// Which services; absent: all. One percentage is in force for each cluster and pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<PatternBody>,
    /// How much of the traffic is taken away in the end, 0 to 100; 0 undoes.
    #[schema(minimum = 0, maximum = 100)]
    pub percent: i64,
    /// Milliseconds in which the percentage goes there, in steps of 1; absent or 0: at once. At most 24 hours.
    #[schema(maximum = 86_400_000)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_ms: Option<u64>,
    /// Why, for people; at most 1,024 bytes. `why` means the same.
    #[serde(alias = "why", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who orders it, for people; at most 1,024 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Drain also services that would be left without a healthy instance.
    #[serde(default, skip_serializing_if = "crate::is_not_said")]
    pub force: bool,
    /// Drain the others although such services exist: they keep their traffic. Not together with `force`.
    #[serde(default, skip_serializing_if = "crate::is_not_said")]
    pub leave_last: bool,
    /// Order nothing, but tell what would change.
    #[serde(default, skip_serializing_if = "crate::is_not_said")]
    pub dry_run: bool,
}

/// Patterns of names with * and ?; an absent one is *.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = DrainedServices)]
pub struct PatternBody {
    /// Pattern of the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_id: Option<String>,
    /// Pattern of the group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_name: Option<String>,
    /// Pattern of the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
}
