//! What services' callers get now and would get, the same for a dry run and for what-if.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What services' callers get now and would get.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Comparison)]
pub struct ComparisonDocument {
    /// Whose requests were planned: one caller in the place of each cluster.
    pub callers: Vec<CallerDocument>,
    /// How many services were looked at, because what is supposed may mean them.
    pub examined: usize,
    /// How many services anything changes for.
    pub total: usize,
    /// Of these, how many by the worst that happens to a caller; each service is counted once.
    pub counts: CountsDocument,
    /// Services that anything changes for, the worst first, then by name; at most `limit`.
    pub services: Vec<ComparedService>,
}

/// The place of a caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ComparisonCaller)]
pub struct CallerDocument {
    /// The cluster in whose place it is.
    pub cluster: String,
    /// Geographic region; null if it is not known.
    pub region: Option<String>,
    /// Within the region.
    pub zone: Option<String>,
    /// Within the zone.
    pub sub_zone: Option<String>,
}

/// Services by the worst that happens to a caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ComparisonCounts)]
pub struct CountsDocument {
    /// Some caller has nothing to send requests to any more.
    pub left_without: usize,
    /// A drain would be void, because nothing healthy would be left.
    pub refused: usize,
    /// Some of the traffic finds no instance any more.
    pub partly_served: usize,
    /// Only unhealthy instances, or such of unknown health, are left.
    pub nothing_healthy: usize,
    /// Traffic moves.
    pub moved: usize,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComparedService {
    /// The namespace's id.
    pub namespace_id: String,
    /// The group.
    pub group_name: String,
    /// The service's name.
    pub service_name: String,
    /// The worst that happens to a caller: `leftWithout`, `refused`, `partlyServed`, `nothingHealthy` or `moved`.
    pub impact: Cow<'static, str>,
    /// For each caller.
    pub callers: Vec<ComparedCaller>,
    /// Drains that would be void for this service.
    pub refused: Vec<RefusedDrain>,
}

/// One service for one caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComparedCaller {
    /// The cluster in whose place the caller is.
    pub caller: String,
    /// As for the service, or `nothing`.
    pub impact: Cow<'static, str>,
    /// What it gets now.
    pub before: SharesDocument,
    /// What it would get.
    pub after: SharesDocument,
}

/// Who gets how much of a caller's requests, in millionths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Shares)]
pub struct SharesDocument {
    /// By cluster; every cluster with an instance that could be used.
    pub clusters: BTreeMap<String, u32>,
    /// By region; instances without one are under the empty name.
    pub regions: BTreeMap<String, u32>,
    /// Together: 1,000,000, less what finds no instance.
    pub served: u32,
    /// Healthy instances that are not drained wholly.
    pub healthy: usize,
}

/// A drain that is void for a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusedDrain {
    /// What is drained.
    pub target: String,
    /// Why, for people.
    pub reason: Cow<'static, str>,
    /// The same for programs: `void` or `excess`.
    #[serde(default)]
    pub code: Cow<'static, str>,
}

/// The name of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ServiceName)]
pub struct ServiceNameDocument {
    /// The namespace's id.
    pub namespace_id: String,
    /// The group.
    pub group_name: String,
    /// The service's name.
    pub service_name: String,
}
