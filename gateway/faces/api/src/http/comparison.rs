//! The document of a survey: what services' callers get now and would get, the same for a dry run and for what-if.

use std::collections::BTreeMap;

use federation_core::id::ServiceKey;
use federation_core::routing::{Caller, Verdict};
use federation_core::what_if::{Outcome, Shares};
use serde::Serialize;
use utoipa::ToSchema;

use federation_view::what_if::{self, Concern, Survey, Surveyed};

/// What services' callers get now and would get.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Comparison)]
pub(super) struct ComparisonDocument {
    /// Whose requests were planned: one caller in the place of each cluster.
    callers: Vec<CallerDocument>,
    /// How many services were looked at, because what is supposed may mean them.
    examined: usize,
    /// How many services anything changes for.
    total: usize,
    /// Of these, how many by the worst that happens to a caller; each service is counted once.
    counts: CountsDocument,
    /// Services that anything changes for, the worst first, then by name; at most `limit`.
    services: Vec<ComparedService>,
}

/// The place of a caller.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ComparisonCaller)]
struct CallerDocument {
    /// The cluster in whose place it is.
    cluster: String,
    region: Option<String>,
    zone: Option<String>,
    sub_zone: Option<String>,
}

/// Services by the worst that happens to a caller.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ComparisonCounts)]
struct CountsDocument {
    /// Some caller has nothing to send requests to any more.
    left_without: usize,
    /// A drain would be void, because nothing healthy would be left.
    refused: usize,
    /// Some of the traffic finds no instance any more.
    partly_served: usize,
    /// Only unhealthy instances, or such of unknown health, are left.
    nothing_healthy: usize,
    /// Traffic moves.
    moved: usize,
}

/// One service.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ComparedService {
    namespace_id: String,
    group_name: String,
    service_name: String,
    /// The worst that happens to a caller: `leftWithout`, `refused`, `partlyServed`, `nothingHealthy` or `moved`.
    impact: &'static str,
    /// For each caller.
    callers: Vec<ComparedCaller>,
    /// Drains that would be void for this service.
    refused: Vec<RefusedDrain>,
}

/// One service for one caller.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ComparedCaller {
    /// The cluster in whose place the caller is.
    caller: String,
    /// As for the service, or `nothing`.
    impact: &'static str,
    before: SharesDocument,
    after: SharesDocument,
}

/// Who gets how much of a caller's requests, in millionths.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Shares)]
struct SharesDocument {
    /// By cluster; every cluster with an instance that could be used.
    clusters: BTreeMap<String, u32>,
    /// By region; instances without one are under the empty name.
    regions: BTreeMap<String, u32>,
    /// Together: 1,000,000, less what finds no instance.
    served: u32,
    /// Healthy instances that are not drained wholly.
    healthy: usize,
}

/// A drain that is void for a service.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefusedDrain {
    target: String,
    /// Why, for people.
    reason: &'static str,
}

/// The name of a service.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ServiceName)]
pub(super) struct ServiceNameDocument {
    namespace_id: String,
    group_name: String,
    service_name: String,
}

impl ServiceNameDocument {
    pub(super) fn of(key: &ServiceKey) -> Self {
        Self {
            namespace_id: key.namespace().to_owned(),
            group_name: key.group().to_owned(),
            service_name: key.service().to_owned(),
        }
    }
}

impl ComparisonDocument {
    pub(super) fn of(survey: &Survey) -> Self {
        let tally = survey.tally;
        Self {
            callers: survey.callers.iter().map(CallerDocument::of).collect(),
            examined: survey.examined,
            total: tally.total(),
            counts: CountsDocument {
                left_without: tally.left_without,
                refused: tally.refused,
                partly_served: tally.partly_served,
                nothing_healthy: tally.nothing_healthy,
                moved: tally.moved,
            },
            services: survey.services.iter().map(|service| ComparedService::of(service, &survey.callers)).collect(),
        }
    }
}

impl CallerDocument {
    fn of(caller: &Caller) -> Self {
        let part = |part: &Option<std::sync::Arc<str>>| part.as_deref().map(str::to_owned);
        let place = &caller.locality;
        let (region, zone, sub_zone) = (part(&place.region), part(&place.zone), part(&place.sub_zone));
        Self { cluster: name_of(caller), region, zone, sub_zone }
    }
}

impl ComparedService {
    fn of(surveyed: &Surveyed, callers: &[Caller]) -> Self {
        let mut refused: BTreeMap<&str, RefusedDrain> = BTreeMap::new();
        for verdict in surveyed.outcomes.iter().flat_map(|outcome| &outcome.refused) {
            refused.entry(&verdict.drain.target).or_insert_with(|| RefusedDrain::of(verdict));
        }
        Self {
            namespace_id: surveyed.key.namespace().to_owned(),
            group_name: surveyed.key.group().to_owned(),
            service_name: surveyed.key.service().to_owned(),
            impact: word(Some(surveyed.concern)),
            callers: (callers.iter().zip(&surveyed.outcomes))
                .map(|(it, found)| ComparedCaller::of(it, found))
                .collect(),
            refused: refused.into_values().collect(),
        }
    }
}

impl ComparedCaller {
    fn of(caller: &Caller, outcome: &Outcome) -> Self {
        let (before, after) = (SharesDocument::of(&outcome.before), SharesDocument::of(&outcome.after));
        Self { caller: name_of(caller), impact: word(Concern::of_one(outcome)), before, after }
    }
}

impl SharesDocument {
    fn of(shares: &Shares) -> Self {
        Self {
            clusters: shares.by_cluster.iter().map(|(cluster, share)| (cluster.to_string(), *share)).collect(),
            regions: (shares.by_region.iter())
                .map(|(region, share)| (region.as_deref().unwrap_or("").to_owned(), *share))
                .collect(),
            served: shares.served,
            healthy: shares.healthy,
        }
    }
}

impl RefusedDrain {
    fn of(verdict: &Verdict) -> Self {
        Self { target: verdict.drain.target.to_string(), reason: what_if::reason(verdict.ruling) }
    }
}

fn name_of(caller: &Caller) -> String {
    caller.cluster.as_deref().unwrap_or("").to_owned()
}

fn word(concern: Option<Concern>) -> &'static str {
    match concern {
        Some(Concern::LeftWithout) => "leftWithout",
        Some(Concern::Refused) => "refused",
        Some(Concern::PartlyServed) => "partlyServed",
        Some(Concern::NothingHealthy) => "nothingHealthy",
        Some(Concern::Moved) => "moved",
        None => "nothing",
    }
}
