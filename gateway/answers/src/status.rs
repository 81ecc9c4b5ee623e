//! What a gateway says of itself.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::discovery::ClusterDocument;
use crate::pairs;
use crate::reason::ReasonDocument;

/// One thing that is wrong now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Trouble)]
pub struct TroubleDocument {
    /// What kind of thing, for programs.
    pub kind: Cow<'static, str>,
    /// What it concerns: a topic, a service, a rule, a file; empty where the kind says it all.
    pub about: String,
    /// What is wrong and what to do, for people.
    pub text: String,
    /// Wall time at which it began, milliseconds since 1970.
    pub since_ms: u64,
}

/// What the gateway says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Status)]
pub struct StatusDocument<'a> {
    /// Whether answers can be relied on.
    pub ready: bool,
    /// Why it is not ready, or what is limited although it is ready; for people.
    pub reasons: Vec<String>,
    /// The same for programs, in the same order.
    #[serde(default)]
    pub reason_codes: Vec<ReasonDocument>,
    /// What is wrong now, thing by thing; their texts are among the reasons.
    pub troubles: Vec<TroubleDocument>,
    /// The federation it belongs to.
    pub federation: Cow<'a, str>,
    /// Its own cluster.
    pub cluster: Cow<'a, str>,
    /// Name of the process.
    pub replica: Cow<'a, str>,
    /// Of the program.
    pub version: Cow<'a, str>,
    /// Since its start, milliseconds.
    pub uptime_ms: u64,
    /// Named facts of the gateway's parts, in a fixed order.
    #[serde(serialize_with = "pairs::write_list", deserialize_with = "pairs::read_list")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub facts: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// All clusters, sorted by id.
    pub clusters: Vec<ClusterDocument<'a>>,
}

/// Whether the gateway is ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Ready)]
pub struct ReadyDocument {
    /// Whether answers can be relied on.
    pub ready: bool,
    /// What is limited although it is ready.
    pub reasons: Vec<String>,
    /// The same for programs, in the same order.
    #[serde(default)]
    pub reason_codes: Vec<ReasonDocument>,
    /// What is wrong now, thing by thing; their texts are among the reasons.
    pub troubles: Vec<TroubleDocument>,
}
