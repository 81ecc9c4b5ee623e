//! `/v1/verify/nacos`: whether the own log has what the own Nacos answers when it is asked anew.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An order to compare; it has no fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NacosComparisonOrder)]
pub struct NacosComparisonBody {}

/// A comparison that was begun, or is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NacosComparisonBegun)]
pub struct NacosComparisonBegunDocument {
    /// Its number in this process.
    pub round: u64,
}

/// How far the last comparison is, and what it found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NacosComparison)]
pub struct NacosComparisonDocument {
    /// The gateway's own cluster.
    pub cluster: String,
    /// Its number in this process; 0 if there was none.
    pub round: u64,
    /// Whether it has ended: before, `differences` may still go.
    pub ended: bool,
    /// Whether it has ended, everything has answered, and nothing differs.
    pub equal: bool,
    /// Services and config items that are watched.
    pub of: u64,
    /// Those of them that have answered.
    pub answered: u64,
    /// Instances and config items that were compared.
    pub facts: u64,
    /// How many differ.
    pub different: u64,
    /// The first thousand of what differs, by key.
    pub differences: Vec<NacosDifferenceDocument>,
    /// How many services and config items have not answered.
    pub silent: u64,
    /// The names of the first thousand of these; none before it has ended.
    pub unread: Vec<String>,
    /// Services of which this account may not read the disabled instances.
    pub partly: u64,
}

/// A fact that the log and Nacos do not agree about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NacosDifference)]
pub struct NacosDifferenceDocument {
    /// Its key, parts separated by `·`.
    pub key: String,
    /// `notInLog`; `notInNacos`; `held`: the log has it, because its removal is held back; `values`: both have it, with different `fields`;
    /// `unreadable`: the log's value cannot be read.
    pub kind: Cow<'static, str>,
    /// Why it is held, for people; absent with other kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
    /// The same for programs; missing if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<Cow<'static, str>>,
    /// The fields that differ; absent with other kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Cow<'static, str>>,
}
