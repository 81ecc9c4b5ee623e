//! What was ordered, by whom, and what came of it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The newest orders at a gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Audit)]
pub struct AuditDocument {
    /// The oldest first.
    pub records: Vec<AuditEntry>,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditRecord)]
pub struct AuditEntry {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The identity of whoever gave it: `token:ops`; `anonymous` if nothing was shown, `unknown` if what was shown did not count.
    pub who: String,
    /// The other side's address; null if it is not known.
    pub from: Option<String>,
    /// By what he is known: `token`, `jwt`, `certificate`, `local`; missing if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub means: Option<String>,
    /// The cluster in whose log the order was read; missing if it was given to the gateway that is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_in: Option<String>,
    /// Method and path; of what was read in the log, what it does to which target.
    pub act: String,
    /// The order as it came, without what is secret; a text if it is no JSON, or long.
    pub order: Value,
    /// What was in force for the target before: a percentage, or a word about a hold. Missing where nothing changed.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// What is in force after it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub after: Value,
    /// Why; missing if that was not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `done`, `refused` (who gave it may not, or it is not accepted at the gateway that is asked), or `failed`.
    pub outcome: Cow<'static, str>,
    /// The HTTP status of the answer; 0 of what was read in the log.
    pub status: u16,
    /// The answer: what is in force, or the problem; null if it is long or secret. Of what is not accepted, why.
    pub answer: Value,
}
