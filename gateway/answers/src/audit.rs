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
    /// Method and path.
    pub act: String,
    /// The order as it came, without what is secret; a text if it is no JSON, or long.
    pub order: Value,
    /// What was in force for the target before. Missing where nothing changed.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// What is in force after it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub after: Value,
    /// `done`, `refused` (who gave it may not), or `failed`.
    pub outcome: Cow<'static, str>,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The answer: what is in force, or the problem; null if it is long or secret.
    pub answer: Value,
}
