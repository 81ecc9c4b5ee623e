//! `/v1/excluded`: clusters of which nothing counts at this gateway, and orders to change that.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An order to exclude a cluster at this gateway, or to let it count again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = ExclusionOrder)]
pub struct OrderBody {
    /// Which cluster; it need not be known here.
    pub cluster: String,
    /// Whether nothing of it counts; false lets it count again.
    pub excluded: bool,
    /// Why, for people; at most 1,024 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who orders it, for people; at most 1,024 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// Clusters of which nothing counts here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Excluded)]
pub struct ExcludedDocument {
    /// Sorted by id.
    pub excluded: Vec<ExclusionDocument>,
}

/// A cluster of which nothing counts here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Exclusion)]
pub struct ExclusionDocument {
    /// Its id.
    pub cluster: String,
    /// Who ordered it; empty if that was not said.
    pub who: String,
    /// Why; empty if that was not said.
    pub reason: String,
    /// Since when, unix milliseconds.
    pub since_ms: u64,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExclusionTaken)]
pub struct TakenDocument {
    /// Its id.
    pub cluster: String,
    /// Whether nothing of it counts now.
    pub excluded: bool,
    /// Whether it outlives a restart of this gateway.
    pub kept: bool,
}
