//! `/v1/guard`: mass losses that are held, and decisions about them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// All holds that stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Holds)]
pub struct HoldsDocument {
    /// Of all clusters, sorted by id.
    pub holds: Vec<HoldDocument>,
}

/// A mass loss of one namespace of a cluster that is held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Hold)]
pub struct HoldDocument {
    /// Names it in decisions: cluster/namespace.
    pub id: String,
    /// The cluster that lost instances.
    pub cluster: String,
    /// The namespace.
    pub namespace_id: String,
    /// `held`: nobody has decided; `kept`: by order, until somebody says otherwise or all came back; `released`: it goes; `over`.
    pub state: Cow<'static, str>,
    /// When it began, unix milliseconds, by the clock of the leader that began it.
    pub since_ms: u64,
    /// Milliseconds since then.
    pub age_ms: u64,
    /// Removals that are kept back: proven gone in Nacos, and shown on.
    pub kept: u64,
    /// Instances that were lost, those included that went before it was a mass.
    pub lost: u64,
    /// Of how many.
    pub of: u64,
    /// The same in whole percent, rounded down.
    pub percent: u64,
    /// Who decided, or `guard`.
    pub who: String,
    /// Why; null if nobody said.
    pub why: Option<String>,
    /// When that was said, unix milliseconds.
    pub when_ms: u64,
    /// Cluster whose gateway took the last word.
    pub taken_in: String,
    /// What to do, for people.
    pub what_to_do: String,
    /// The same for programs: `decide`, `release_if_gone`, `goes` or `over`.
    #[serde(default)]
    pub what_to_do_code: Cow<'static, str>,
}

/// A decision about a hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = HoldDecision)]
pub struct DecisionBody {
    /// Which hold: cluster/namespace, as listed.
    pub id: String,
    /// `release`: what is kept back goes. `keep`: it is held until somebody says otherwise or all came back.
    pub action: String,
    /// Why, for people; at most 1,024 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who decides, for people; at most 1,024 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Decide nothing, but answer with the hold as it stands.
    #[serde(default, skip_serializing_if = "crate::is_not_said")]
    pub dry_run: bool,
}
