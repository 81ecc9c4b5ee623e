//! `/v1/links`: how every gateway of the federation takes every cluster.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A matrix of gateways and the clusters that they read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Links)]
pub struct LinksDocument {
    /// Sorted by cluster and replica. Gateways that ended in order are left out.
    pub observers: Vec<LinkObserverDocument>,
}

/// A gateway, and how it takes each cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LinkObserver)]
pub struct LinkObserverDocument {
    /// The cluster that it belongs to.
    pub cluster: String,
    /// The random number of its start, eight hexadecimal digits.
    pub replica: String,
    /// The name of its process.
    pub name: String,
    /// Whether it leads its cluster, as far as is known.
    pub leads: bool,
    /// Whether it is the one that answers: its row is of now.
    pub own: bool,
    /// Whether it was heard in the last 25 seconds.
    pub alive: bool,
    /// Since it said what its row says, milliseconds; 0 for the one that answers. A gateway that is cut off says nothing new, so its row
    /// grows old.
    pub said_age_ms: u64,
    /// Sorted by origin; empty if it does not say what it reads.
    pub links: Vec<LinkDocument>,
}

/// How a gateway takes one cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Link)]
pub struct LinkDocument {
    /// The cluster whose facts are meant.
    pub origin: String,
    /// `live`, `stale`, `lost` or `isolated`, as that gateway calls them; null if it does not say.
    pub freshness: Option<Cow<'static, str>>,
    /// How old they were when it said so, milliseconds; null if it does not say or know.
    pub age_ms: Option<u64>,
    /// `equal`; `behind` or `ahead` of what the origin said last, by `records`; `diverged`; `unread`: not read to the end yet; `unknown`:
    /// one of the two does not say.
    pub verdict: Cow<'static, str>,
    /// How many records it is behind or ahead; absent with other verdicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
}
