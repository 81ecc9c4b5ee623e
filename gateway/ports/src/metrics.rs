//! What the gateway counts and measures, in the Prometheus sense. Names are for ever; `docs/metrics.md` lists them.
//!
//! One struct of handles for each component, cheap to clone and to write to. What the view says anyway (ages, freshness,
//! counts) is read from it when somebody scrapes. Label values come from enums and from cluster ids, never from users.

mod catalog;
mod connections;
mod front_door;
mod label;
mod nacos;
mod troubles;

use federation_core::config_item::SealReason;
use federation_core::id::ClusterId;
use federation_core::log::record::TopicKind;
use federation_core::service::HoldReason;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use self::catalog::{Catalog, ListedMetric, MetricKind};
pub use self::connections::ConnectionMetrics;
pub use self::front_door::FrontDoorMetrics;
pub use self::label::{
    AccessRefusalKind, CacheResult, Component, DeltaResult, PermissionResult, PolicyLoad, PolicyOrigin, PublishResult,
    RegistrationResult, Route, SendFailure, TroubleKind, WatchFace,
};
pub use self::label::{LabelWord, MetricLabel};
pub use self::nacos::NacosMetrics;
pub use self::troubles::TroubleMetrics;

/// Bounds of durations in seconds: from what a lookup takes to what a client would no longer wait for.
const SECONDS: [f64; 10] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Everything that is measured in this process.
pub struct Metrics {
    registry: Registry,
    listed: Vec<ListedMetric>,
    /// Written by the engine.
    pub engine: EngineMetrics,
    /// Written by the adapter of the log.
    pub log: LogMetrics,
    /// Written by the adapter of the local Nacos.
    pub nacos: NacosMetrics,
    /// Written by whoever keeps the policies up to date.
    pub policy: PolicyMetrics,
    /// Written where services are planned for callers.
    pub resolve: ResolveMetrics,
    /// Written by the HTTP and gRPC faces.
    pub api: ApiMetrics,
    /// Written by the sockets of the HTTP and gRPC faces, and of the embedded registry.
    pub connections: ConnectionMetrics,
    /// Written by the front door.
    pub front_door: FrontDoorMetrics,
    /// Written by the board of troubles.
    pub troubles: TroubleMetrics,
}

impl Metrics {
    /// All metrics, at zero. First come those that `of_the_view` adds: they are read from the view when somebody scrapes.
    #[must_use]
    pub fn new(of_the_view: impl FnOnce(&mut Catalog)) -> Self {
        let mut catalog = Catalog::default();
        of_the_view(&mut catalog);
        let engine = EngineMetrics::register(&mut catalog);
        let log = LogMetrics::register(&mut catalog, engine.published.clone());
        let nacos = NacosMetrics::register(&mut catalog);
        let policy = PolicyMetrics::register(&mut catalog);
        let resolve = ResolveMetrics::register(&mut catalog);
        let api = ApiMetrics::register(&mut catalog);
        let connections = ConnectionMetrics::register(&mut catalog);
        let front_door = FrontDoorMetrics::register(&mut catalog);
        let troubles = TroubleMetrics::register(&mut catalog);
        let (registry, listed) = catalog.finish();
        Self { registry, listed, engine, log, nacos, policy, resolve, api, connections, front_door, troubles }
    }

    /// All values in the OpenMetrics text format, version 1.0.0.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }

    /// All names, in the order in which they are shown, also of families that have no value yet.
    #[must_use]
    pub fn listed(&self) -> &[ListedMetric] {
        &self.listed
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeltaLabels {
    origin: MetricLabel<ClusterId>,
    result: MetricLabel<DeltaResult>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PublishLabels {
    topic: MetricLabel<TopicKind>,
    result: MetricLabel<PublishResult>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HoldLabels {
    cluster: MetricLabel<ClusterId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: MetricLabel<HoldReason>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SealLabels {
    origin: MetricLabel<ClusterId>,
    reason: MetricLabel<SealReason>,
}

/// What becomes of records for the own topics: written by the adapter of the log, and by the engine when they come back.
#[derive(Clone, Debug, Default)]
pub struct PublishMetrics {
    records: Family<PublishLabels, Counter>,
}

impl PublishMetrics {
    /// Records for an own topic with this outcome.
    #[must_use]
    pub fn records(&self, topic: TopicKind, result: PublishResult) -> Counter {
        let labels = PublishLabels { topic: MetricLabel(topic), result: MetricLabel(result) };
        self.records.get_or_create_owned(&labels)
    }
}

/// Of the owner of all state.
#[derive(Clone, Debug, Default)]
pub struct EngineMetrics {
    /// Inputs that were taken, one step each.
    pub steps: Counter,
    /// Turns: after each, what changed is shown.
    pub turns: Counter,
    /// Inputs that wait.
    pub queue_depth: Gauge,
    /// 1 while this replica leads its cluster.
    pub leader: Gauge,
    /// Writes to the view that changed something.
    pub view_changes: Counter,
    /// What becomes of what it publishes.
    pub published: PublishMetrics,
    deltas_applied: Family<DeltaLabels, Counter>,
    checkpoint_mismatches: Family<OriginLabels, Counter>,
    partitions_replaced: Family<OriginLabels, Counter>,
    records_read: Family<OriginLabels, Counter>,
    partitions_read_on: Family<OriginLabels, Counter>,
    orders_not_accepted: Family<OriginLabels, Counter>,
    /// Records that another writer put over own keys, and that this leader overruled.
    pub overruled: Counter,
    removals_held: Family<ReasonLabels, Gauge>,
    /// Mass losses that began to be held.
    pub guard_trips: Counter,
    guard_holds: Family<HoldLabels, Gauge>,
    sealed_config_items: Family<SealLabels, Gauge>,
    /// Own config items that stand on the log otherwise than they are to be sealed.
    pub config_items_to_reseal: Gauge,
}

impl EngineMetrics {
    fn register(catalog: &mut Catalog) -> Self {
        let new = Self::default();
        catalog.counter("federation_engine_steps_total", "", "inputs that the engine took", &new.steps);
        let help = "turns of the engine: what waits is taken in, what changed is shown";
        catalog.counter("federation_engine_turns_total", "", help, &new.turns);
        catalog.gauge("federation_engine_queue_depth", "", "inputs that wait for the engine", &new.queue_depth);
        catalog.gauge("federation_leader", "", "1 while this replica leads its cluster, else 0", &new.leader);
        catalog.counter("federation_view_changes_total", "", "changes written to the view", &new.view_changes);
        let help = "records of other clusters and own ones read back, by what they did to the view";
        catalog.counter("federation_deltas_applied_total", "origin, result", help, &new.deltas_applied);
        let help = "checkpoints that were compared with what was read, and differ from it";
        catalog.counter("federation_checkpoint_mismatches_total", "origin", help, &new.checkpoint_mismatches);
        let help = "times that a partition read anew took the place of what was served";
        catalog.counter("federation_partitions_replaced_total", "origin", help, &new.partitions_replaced);
        let help = "records of data topics that were read since the start";
        catalog.counter("federation_data_records_read_total", "origin", help, &new.records_read);
        let help = "partitions read on from where the snapshot stands, instead of from their beginning";
        catalog.counter("federation_partitions_read_on_total", "origin", help, &new.partitions_read_on);
        let help = "records of drains and of decisions about holds that are not accepted here";
        catalog.counter("federation_orders_not_accepted_total", "origin", help, &new.orders_not_accepted);
        let help = "records that another writer put over own keys, and that this leader overruled";
        catalog.counter("federation_records_overruled_total", "", help, &new.overruled);
        let help = "records handed to the log of the own cluster, by outcome";
        catalog.counter("federation_records_published_total", "topic, result", help, &new.published.records);
        let help = "removals of the own cluster that are kept back now";
        catalog.gauge("federation_removals_held", "reason", help, &new.removals_held);
        for reason in HoldReason::ALL {
            new.removals_held(reason).set(0);
        }
        let help = "mass losses of the own cluster that the guard began to hold";
        catalog.counter("federation_guard_trips_total", "", help, &new.guard_trips);
        let help = "holds of the guard that stand in the federation, by cluster";
        catalog.gauge("federation_guard_holds", "cluster", help, &new.guard_holds);
        let help = "config items whose contents this gateway cannot read, by why";
        catalog.gauge("federation_sealed_config_items", "origin, reason", help, &new.sealed_config_items);
        let help = "own config items that stand on the log otherwise than they are to be sealed";
        catalog.gauge("federation_config_items_to_reseal", "", help, &new.config_items_to_reseal);
        new
    }

    /// Records of `origin` that were folded with this result.
    #[must_use]
    pub fn deltas_applied(&self, origin: &ClusterId, result: DeltaResult) -> Counter {
        let labels = DeltaLabels { origin: MetricLabel(origin.clone()), result: MetricLabel(result) };
        self.deltas_applied.get_or_create_owned(&labels)
    }

    /// Checkpoints of `origin` that were compared and differ.
    #[must_use]
    pub fn checkpoint_mismatches(&self, origin: &ClusterId) -> Counter {
        self.checkpoint_mismatches.get_or_create_owned(&OriginLabels { origin: MetricLabel(origin.clone()) })
    }

    /// Partitions of `origin` that were read anew and took the place of what was served.
    #[must_use]
    pub fn partitions_replaced(&self, origin: &ClusterId) -> Counter {
        self.partitions_replaced.get_or_create_owned(&OriginLabels { origin: MetricLabel(origin.clone()) })
    }

    /// Records of `origin`'s data topics that were read.
    #[must_use]
    pub fn records_read(&self, origin: &ClusterId) -> Counter {
        self.records_read.get_or_create_owned(&OriginLabels { origin: MetricLabel(origin.clone()) })
    }

    /// Partitions of `origin` that were read on from where the snapshot stands.
    #[must_use]
    pub fn partitions_read_on(&self, origin: &ClusterId) -> Counter {
        self.partitions_read_on.get_or_create_owned(&OriginLabels { origin: MetricLabel(origin.clone()) })
    }

    /// Records of orders in the log of `origin` that are not accepted here.
    #[must_use]
    pub fn orders_not_accepted(&self, origin: &ClusterId) -> Counter {
        self.orders_not_accepted.get_or_create_owned(&OriginLabels { origin: MetricLabel(origin.clone()) })
    }

    /// How many namespaces of the cluster the guard holds.
    #[must_use]
    pub fn guard_holds(&self, cluster: &ClusterId) -> Gauge {
        self.guard_holds.get_or_create_owned(&HoldLabels { cluster: MetricLabel(cluster.clone()) })
    }

    /// How many config items of `origin` this gateway cannot read for this reason.
    #[must_use]
    pub fn sealed_config_items(&self, origin: &ClusterId, reason: SealReason) -> Gauge {
        let labels = SealLabels { origin: MetricLabel(origin.clone()), reason: MetricLabel(reason) };
        self.sealed_config_items.get_or_create_owned(&labels)
    }

    /// How many removals are kept back for this reason.
    #[must_use]
    pub fn removals_held(&self, reason: HoldReason) -> Gauge {
        self.removals_held.get_or_create_owned(&ReasonLabels { reason: MetricLabel(reason) })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OriginLabels {
    origin: MetricLabel<ClusterId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ComponentLabels {
    component: MetricLabel<Component>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SendFailureLabels {
    reason: MetricLabel<SendFailure>,
}

/// Of the adapter of the log.
#[derive(Clone, Debug, Default)]
pub struct LogMetrics {
    /// 1 while fetches are answered.
    pub readable: Gauge,
    /// Bytes of keys and values read.
    pub consumed_bytes: Counter,
    /// Settings of the own topics that are not as wanted.
    pub topic_findings: Gauge,
    /// What becomes of what is published.
    pub published: PublishMetrics,
    consumed: Family<OriginLabels, Counter>,
    undecodable: Family<OriginLabels, Counter>,
    misplaced: Family<OriginLabels, Counter>,
    partition_restarts: Family<OriginLabels, Counter>,
    cursors_refused: Family<OriginLabels, Counter>,
    sends_failed: Family<SendFailureLabels, Counter>,
    restarts: Family<ComponentLabels, Counter>,
}

impl LogMetrics {
    fn register(catalog: &mut Catalog, published: PublishMetrics) -> Self {
        let new = Self { published, ..Self::default() };
        catalog.gauge("federation_log_readable", "", "1 while the brokers answer fetches, else 0", &new.readable);
        let help = "bytes of keys and values read from the log";
        catalog.counter("federation_log_consumed_bytes_total", "", help, &new.consumed_bytes);
        catalog.counter("federation_log_records_consumed_total", "origin", "records read", &new.consumed);
        let help = "records whose key or value this version cannot read";
        catalog.counter("federation_log_records_undecodable_total", "origin", help, &new.undecodable);
        let help = "records ignored because their key belongs into another partition or topic";
        catalog.counter("federation_log_records_misplaced_total", "origin", help, &new.misplaced);
        let help = "partitions read anew because their reader lost its place";
        catalog.counter("federation_log_partition_restarts_total", "origin", help, &new.partition_restarts);
        let help = "partitions read from their beginning because the place in the snapshot is not believed: another kafka, \
                    a topic created anew, or too old";
        catalog.counter("federation_log_cursors_refused_total", "origin", help, &new.cursors_refused);
        let help = "records that were not delivered";
        catalog.counter("federation_log_sends_failed_total", "reason", help, &new.sends_failed);
        let help = "settings of the own topics that are not as wanted";
        catalog.gauge("federation_log_topic_findings", "", help, &new.topic_findings);
        let help = "restarts of a part of the log's adapter after a failure";
        catalog.counter("federation_log_restarts_total", "component", help, &new.restarts);
        new
    }

    /// Records read from the topics of `origin`.
    #[must_use]
    pub fn records_consumed(&self, origin: &ClusterId) -> Counter {
        self.consumed.get_or_create_owned(&OriginLabels { origin: MetricLabel(origin.clone()) })
    }

    /// Records of `origin` that could not be read.
    #[must_use]
    pub fn records_undecodable(&self, origin: &ClusterId) -> Counter {
        self.undecodable.get_or_create_owned(&OriginLabels { origin: MetricLabel(origin.clone()) })
    }

    /// Records of `origin` that do not stand where their key belongs.
    #[must_use]
    pub fn records_misplaced(&self, origin: &ClusterId) -> Counter {
        self.misplaced.get_or_create_owned(&OriginLabels { origin: MetricLabel(origin.clone()) })
    }

    /// Partitions of `origin` whose place in the snapshot was not believed.
    #[must_use]
    pub fn cursors_refused(&self, origin: &ClusterId) -> Counter {
        self.cursors_refused.get_or_create_owned(&OriginLabels { origin: MetricLabel(origin.clone()) })
    }

    /// Partitions of `origin` that were read anew.
    #[must_use]
    pub fn partition_restarts(&self, origin: &ClusterId) -> Counter {
        self.partition_restarts.get_or_create_owned(&OriginLabels { origin: MetricLabel(origin.clone()) })
    }

    /// Records that were not delivered.
    #[must_use]
    pub fn sends_failed(&self, reason: SendFailure) -> Counter {
        self.sends_failed.get_or_create_owned(&SendFailureLabels { reason: MetricLabel(reason) })
    }

    /// Restarts of one part of the adapter.
    #[must_use]
    pub fn restarts(&self, component: Component) -> Counter {
        self.restarts.get_or_create_owned(&ComponentLabels { component: MetricLabel(component) })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookupLabels {
    result: MetricLabel<CacheResult>,
}

/// Of the plans.
#[derive(Clone, Debug)]
pub struct ResolveMetrics {
    /// Plans made.
    pub plans: Counter,
    /// Bytes of plans that are kept for the next request.
    pub kept_bytes: Gauge,
    /// Requests whose plan was kept.
    pub hits: Counter,
    /// Requests whose plan had to be made.
    pub misses: Counter,
}

impl ResolveMetrics {
    fn register(catalog: &mut Catalog) -> Self {
        let lookups: Family<LookupLabels, Counter> = Family::default();
        let of = |result| lookups.get_or_create_owned(&LookupLabels { result: MetricLabel(result) });
        let (hits, misses) = (of(CacheResult::Hit), of(CacheResult::Miss));
        let new = Self { plans: Counter::default(), kept_bytes: Gauge::default(), hits, misses };
        catalog.counter("federation_plans_total", "", "services planned for a caller", &new.plans);
        let help = "plans asked for, by whether one was kept that still holds";
        catalog.counter("federation_plan_cache_lookups_total", "result", help, &lookups);
        catalog.gauge("federation_plan_cache_bytes", "", "bytes of plans that are kept", &new.kept_bytes);
        new
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicySourceLabels {
    source: MetricLabel<PolicyOrigin>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyLoadLabels {
    source: MetricLabel<PolicyOrigin>,
    result: MetricLabel<PolicyLoad>,
}

/// Of the policies.
#[derive(Clone, Debug, Default)]
pub struct PolicyMetrics {
    /// Of what is in force; grows with each change.
    pub version: Gauge,
    refused: Family<PolicySourceLabels, Gauge>,
    loads: Family<PolicyLoadLabels, Counter>,
}

impl PolicyMetrics {
    fn register(catalog: &mut Catalog) -> Self {
        let new = Self::default();
        let help = "version of the policy in force, counted by this process from 0";
        catalog.gauge("federation_policy_version", "", help, &new.version);
        let help = "1 while the newest document of a source is refused, else 0";
        catalog.gauge("federation_policy_refused", "source", help, &new.refused);
        let help = "policy documents met, by what became of them";
        catalog.counter("federation_policy_loads_total", "source, result", help, &new.loads);
        for source in PolicyOrigin::ALL {
            new.refused(*source).set(0);
        }
        new
    }

    /// Whether the newest document of `source` is refused.
    #[must_use]
    pub fn refused(&self, source: PolicyOrigin) -> Gauge {
        self.refused.get_or_create_owned(&PolicySourceLabels { source: MetricLabel(source) })
    }

    /// Documents of `source` of which this became.
    #[must_use]
    pub fn loads(&self, source: PolicyOrigin, result: PolicyLoad) -> Counter {
        self.loads.get_or_create_owned(&PolicyLoadLabels { source: MetricLabel(source), result: MetricLabel(result) })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: MetricLabel<Route>,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: MetricLabel<Route>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    method: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AccessRefusalLabels {
    reason: MetricLabel<AccessRefusalKind>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaceLabels {
    face: MetricLabel<WatchFace>,
}

/// Of the HTTP and gRPC faces.
#[derive(Clone, Debug)]
pub struct ApiMetrics {
    /// Documents that were encoded for watchers; it does not grow with their number.
    pub watch_encodings: Counter,
    http_requests: Family<RequestLabels, Counter>,
    http_seconds: Family<RouteLabels, Histogram>,
    grpc_requests: Family<MethodLabels, Counter>,
    access_refused: Family<AccessRefusalLabels, Counter>,
    watchers: Family<FaceLabels, Gauge>,
}

impl ApiMetrics {
    fn register(catalog: &mut Catalog) -> Self {
        let new = Self {
            watch_encodings: Counter::default(),
            http_requests: Family::default(),
            http_seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            grpc_requests: Family::default(),
            access_refused: Family::default(),
            watchers: Family::default(),
        };
        let help = "HTTP requests answered, by route and status";
        catalog.counter("federation_http_requests_total", "route, code", help, &new.http_requests);
        let help = "time from a request's head to its answer's head";
        catalog.histogram("federation_http_request_duration_seconds", "route", help, &new.http_seconds);
        let help = "gRPC calls answered, by method and status; a watch counts when it begins";
        catalog.counter("federation_grpc_requests_total", "method, code", help, &new.grpc_requests);
        let help = "requests and calls refused for who asks: it is not known, or may not";
        catalog.counter("federation_access_refused_total", "reason", help, &new.access_refused);
        for reason in AccessRefusalKind::ALL.iter().copied() {
            let _ = new.access_refused(reason); // Shown as 0 from the start.
        }
        catalog.gauge("federation_watchers", "face", "open watches", &new.watchers);
        for face in WatchFace::ALL.iter().copied() {
            new.watchers(face).set(0);
        }
        let help = "documents encoded for watchers, each once for all who watch the same";
        catalog.counter("federation_watch_encodings_total", "", help, &new.watch_encodings);
        new
    }

    /// HTTP requests to `route` that were answered with the status `code`.
    #[must_use]
    pub fn http_requests(&self, route: Route, code: u16) -> Counter {
        self.http_requests.get_or_create_owned(&RequestLabels { route: MetricLabel(route), code })
    }

    /// Durations of HTTP requests to `route`, in seconds.
    #[must_use]
    pub fn http_seconds(&self, route: Route) -> Histogram {
        self.http_seconds.get_or_create_owned(&RouteLabels { route: MetricLabel(route) })
    }

    /// gRPC calls of `method` that ended with the status `code`, both from fixed lists.
    #[must_use]
    pub fn grpc_requests(&self, method: &'static str, code: &'static str) -> Counter {
        self.grpc_requests.get_or_create_owned(&MethodLabels { method, code })
    }

    /// Requests and calls that were refused for who asks.
    #[must_use]
    pub fn access_refused(&self, reason: AccessRefusalKind) -> Counter {
        self.access_refused.get_or_create_owned(&AccessRefusalLabels { reason: MetricLabel(reason) })
    }

    /// Open watches.
    #[must_use]
    pub fn watchers(&self, face: WatchFace) -> Gauge {
        self.watchers.get_or_create_owned(&FaceLabels { face: MetricLabel(face) })
    }
}
