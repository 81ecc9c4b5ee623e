//! Errors, as RFC 9457 has them. Every member may be missing in what is read: others write such documents, too.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::comparison::ServiceNameDocument;
use crate::discovery::LookedAt;
use crate::plan::UnusedDocument;
use crate::reason::ReasonDocument;

/// The type of the answer that nothing of an existing service can be used: a finding, not a failure.
pub const NOTHING_USABLE: &str = "urn:federation:problem:nothing-usable";

/// The type of the answer that a config item is there, and cannot be read by the gateway that was asked.
pub const CONFIG_SEALED: &str = "urn:federation:problem:config-sealed";

/// An error as a document of type `application/problem+json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// Names the kind of problem; for programs.
    #[schema(required = true)]
    pub r#type: Cow<'static, str>,
    /// The kind of problem; for people.
    #[schema(required = true)]
    pub title: Cow<'static, str>,
    /// The HTTP status.
    #[schema(required = true)]
    pub status: u16,
    /// What happened this time; for people.
    #[schema(required = true)]
    pub detail: String,
    /// The parameter that cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The clusters that were looked at, in vain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Vec<LookedAt>>,
    /// Why the gateway is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasons: Option<Vec<String>>,
    /// The same for programs, in the same order.
    #[serde(rename = "reasonCodes", skip_serializing_if = "Option::is_none")]
    pub reason_codes: Option<Vec<ReasonDocument>>,
    /// Instances that were left out, or counted and given nothing, by id; at most 100.
    #[serde(rename = "leftOut", skip_serializing_if = "Option::is_none")]
    pub left_out: Option<Vec<UnusedDocument>>,
    /// Services for which a drain would be void; the first of `total`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<ServiceNameDocument>>,
    /// How many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<usize>,
    /// The right that whoever asks lacks: `view`, `read-contents`, `operate` or `administer`.
    #[serde(rename = "missingRight", skip_serializing_if = "Option::is_none")]
    pub missing_right: Option<Cow<'static, str>>,
}
