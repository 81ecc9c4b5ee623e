//! `/v1/changes`: what changed lately, and what each change came of; `/v1/history`: how clusters were in the last hour.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use federation_access::judge::{AccessSubject, ListSight};
use federation_access::right::AccessRight;
use federation_answers::changes::{
    CauseDocument, ChangeDocument, ChangesDocument, ClusterHistoryDocument, HistoryDocument,
};
use federation_answers::problem::ProblemDocument;
use federation_core::cause::RecordPlace;
use federation_core::id::{ClusterId, ConfigKey, ServiceKey};
use federation_core::pattern::{ConfigPattern, ServicePattern};
use federation_core::time::{Mono, WallMs};
use federation_view::view::history::{ChangeRecord, ChangeSubject};
use federation_view::view::plots::{POINT_EVERY, PlotPoint};

use super::problem::Problem;
use super::{params, reply};
use crate::ApiState;
use crate::asker::Asker;

/// What changed lately, newest first: of one service, one config item, one cluster, or of everything.
///
/// It is remembered in memory, from when the gateway was ready: the newest 64 changes of each service, config item and cluster among the newest 16,384 of all,
/// and the last one of 16,384 further ones. What an answer of this gateway showed is told, with what this gateway learnt it through.
#[utoipa::path(
    get,
    path = "/v1/changes",
    tag = "operations",
    params(
        ("namespaceId" = Option<String>, Query, description = "namespace id; with a name and absent: public"),
        ("groupName" = Option<String>, Query, description = "with a name and absent: DEFAULT_GROUP"),
        ("serviceName" = Option<String>, Query, description = "changes of this service: its name, or GROUP@@SERVICE"),
        ("dataId" = Option<String>, Query, description = "changes of this config item"),
        ("cluster" = Option<String>, Query, description = "changes of facts of this cluster, or that concern it"),
        ("kind" = Option<String>, Query, description = "instance, config, freshness, drain, hold, policy, leader, gateway or excluded; repeated or with commas between"),
        ("since" = Option<String>, Query, description = "not before: a time before now such as 90s, 10m, 2h or 1d, or unix ms"),
        ("limit" = Option<usize>, Query, description = "so many at most, 1 to 1000; absent: 100"),
        ("cursor" = Option<String>, Query, description = "nextCursor of an earlier answer"),
    ),
    responses(
        (status = 200, body = ChangesDocument, description = "newest first; none if nothing is remembered"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "a parameter cannot be used"),
    ),
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    asker: Asker,
) -> Result<Response, Problem> {
    let ask = params::changes(query.as_deref())?;
    match &ask.subject {
        Some(ChangeSubject::Service(key)) => asker.may(&state, AccessRight::View, AccessSubject::Service(key))?,
        Some(ChangeSubject::Config(key)) => asker.may(&state, AccessRight::View, AccessSubject::Config(key))?,
        _ => {}
    }
    let (times, sight) = (Times::of(&state), ChangeSight::of(&asker));
    let remembered = state.view().changes(ask.subject.as_ref(), ask.below);
    let since = ask.since.map(|since| since.before(times.wall));
    let meant = |record: &&Arc<ChangeRecord>| {
        since.is_none_or(|since| times.wall_of(record.at) >= since) && ask.means(record) && sight.shows(record)
    };
    let mut found: Vec<&Arc<ChangeRecord>> = remembered.changes.iter().filter(meant).take(ask.limit + 1).collect();
    let has_more = found.len() > ask.limit;
    found.truncate(ask.limit);
    Ok(reply::json(&ChangesDocument {
        next_cursor: found.last().filter(|_| has_more).map(|record| record.id.to_string()),
        changes: found.into_iter().map(|record| document(record, &times)).collect(),
        oldest_ms: remembered.oldest.map(|at| times.wall_of(at).0),
        forgotten: remembered.forgotten,
        filtered: !sight.is_whole,
    }))
}

/// The view's clock beside the wall's.
struct Times {
    now: Mono,
    wall: WallMs,
}

impl Times {
    fn of(state: &ApiState) -> Self {
        Self { now: state.view().now(), wall: state.wall_now() }
    }

    fn wall_of(&self, at: Mono) -> WallMs {
        WallMs(self.wall.0.saturating_sub(self.now.since(at).0))
    }
}

/// What of the changes somebody may see: what he may see of their subjects.
struct ChangeSight {
    services: ListSight<ServicePattern>,
    configs: ListSight<ConfigPattern>,
    is_whole: bool,
}

impl ChangeSight {
    fn of(asker: &Asker) -> Self {
        Self {
            services: asker.sight::<ServiceKey>(),
            configs: asker.sight::<ConfigKey>(),
            is_whole: asker.identity().may(AccessRight::View, AccessSubject::Whole).is_ok(),
        }
    }

    fn shows(&self, record: &ChangeRecord) -> bool {
        use federation_view::view::history::ChangeKind::{Excluded, Leader};
        match &record.subject {
            ChangeSubject::Service(key) => self.services.shows(key),
            ChangeSubject::Config(key) => self.configs.shows(key),
            ChangeSubject::Cluster(_) => self.is_whole || !matches!(record.kind, Leader | Excluded),
            ChangeSubject::Drain(target) => {
                target.services().is_none_or(|services| self.is_whole || self.services.touches(services))
            }
            ChangeSubject::Hold(_) | ChangeSubject::Gateway => self.is_whole,
        }
    }
}

fn document(record: &ChangeRecord, times: &Times) -> ChangeDocument {
    let (namespace_id, group_name, service_name, data_id) = match &record.subject {
        ChangeSubject::Service(key) => (Some(key.namespace()), Some(key.group()), Some(key.service()), None),
        ChangeSubject::Config(key) => (Some(key.namespace()), Some(key.group()), None, Some(key.data_id())),
        _ => (None, None, None, None),
    };
    let target = match &record.subject {
        ChangeSubject::Drain(target) => Some(target.to_string()),
        ChangeSubject::Hold(target) => Some(target.to_string()),
        _ => None,
    };
    ChangeDocument {
        id: record.id,
        at_ms: times.wall_of(record.at).0,
        kind: record.kind.as_str().into(),
        what: record.what.into(),
        namespace_id: namespace_id.map(str::to_owned),
        group_name: group_name.map(str::to_owned),
        service_name: service_name.map(str::to_owned),
        data_id: data_id.map(str::to_owned),
        instance: record.instance.as_ref().map(|id| format!("{}:{}#{}", bracketed(&id.ip), id.port, id.nacos_cluster)),
        target,
        origin: record.origin.as_ref().map(ClusterId::to_string),
        cause: cause(record),
        before: record.before.as_deref().map(str::to_owned),
        after: record.after.as_deref().map(str::to_owned),
    }
}

/// IPv6 in brackets.
fn bracketed(ip: &str) -> String {
    if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() }
}

fn cause(record: &ChangeRecord) -> CauseDocument {
    let place: Option<RecordPlace> = record.cause.place;
    CauseDocument {
        through: record.cause.through.as_str().into(),
        topic: place.map(|place| place.topic.as_str().into()),
        partition: place.map(|place| place.partition),
        offset: place.map(|place| place.offset),
        who: record.who.as_deref().map(str::to_owned),
    }
}

/// Clusters as this gateway saw them every ten seconds of the last hour.
#[utoipa::path(
    get,
    path = "/v1/history",
    tag = "operations",
    responses(
        (status = 200, body = HistoryDocument, description = "at most 360 points of each cluster"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "an unknown parameter"),
    ),
)]
pub(super) async fn plots(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    let (times, history) = (Times::of(&state), state.view().plots());
    let clusters = history.clusters.iter().map(|(id, points)| cluster_document(id, points)).collect();
    let to_ms = history.newest.map(|at| times.wall_of(at).0);
    Ok(reply::json(&HistoryDocument { every_ms: POINT_EVERY.0, to_ms, clusters }))
}

fn cluster_document(id: &ClusterId, points: &[Option<PlotPoint>]) -> ClusterHistoryDocument {
    fn each<T>(points: &[Option<PlotPoint>], of: impl Fn(&PlotPoint) -> T) -> Vec<Option<T>> {
        points.iter().map(|point| point.as_ref().map(&of)).collect()
    }
    ClusterHistoryDocument {
        cluster: id.to_string(),
        age_ms: points.iter().map(|point| point.and_then(|point| point.age).map(|age| age.0)).collect(),
        instances: each(points, |point| point.instances),
        services: each(points, |point| point.services),
        changes: points.iter().map(|point| point.map_or(0, |point| point.changes)).collect(),
    }
}
