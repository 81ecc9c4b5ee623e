//! What the gateway counts and measures, in the Prometheus sense. Names are for ever; `docs/metrics.md` lists them.
//!
//! One struct of handles for each component, cheap to clone and to write to. What the view says anyway (ages, freshness,
//! counts) is read from it when somebody scrapes. Label values come from enums and from cluster ids, never from users.

mod catalog;
mod label;
mod view;

use federation_core::id::ClusterId;
use federation_core::log::record::TopicKind;
use federation_core::service::HoldReason;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use self::catalog::Catalog;
pub use self::catalog::{Kind, Listed};
use self::label::Label;
pub use self::label::{
    CacheResult, Component, DeltaResult, PolicyLoad, PolicyOrigin, PublishResult, Route, SendFailure, TroubleKind,
    WatchFace,
};
use crate::view::ViewReader;

/// Bounds of durations in seconds: from what a lookup takes to what a client would no longer wait for.
const SECONDS: [f64; 10] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Everything that is measured in this process.
pub struct Metrics {
    registry: Registry,
    listed: Vec<Listed>,
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
    /// Written by the board of troubles.
    pub troubles: TroubleMetrics,
}

impl Metrics {
    /// All metrics, at zero. `version` is the program's.
    #[must_use]
    pub fn new(view: ViewReader, version: &'static str) -> Self {
        let mut catalog = Catalog::default();
        view::register(&mut catalog, view, version);
        let engine = EngineMetrics::register(&mut catalog);
        let log = LogMetrics::register(&mut catalog, engine.published.clone());
        let nacos = NacosMetrics::register(&mut catalog);
        let policy = PolicyMetrics::register(&mut catalog);
        let resolve = ResolveMetrics::register(&mut catalog);
        let api = ApiMetrics::register(&mut catalog);
        let troubles = TroubleMetrics::register(&mut catalog);
        let (registry, listed) = catalog.finish();
        Self { registry, listed, engine, log, nacos, policy, resolve, api, troubles }
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
    pub fn listed(&self) -> &[Listed] {
        &self.listed
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TroubleLabels {
    kind: Label<TroubleKind>,
}

/// Of what is wrong now.
#[derive(Clone, Debug, Default)]
pub struct TroubleMetrics {
    standing: Family<TroubleLabels, Gauge>,
}

impl TroubleMetrics {
    fn register(catalog: &mut Catalog) -> Self {
        let new = Self::default();
        let help = "things that are wrong with this gateway now, as its status lists them";
        catalog.gauge("federation_troubles", "kind", help, &new.standing);
        for kind in TroubleKind::ALL {
            new.standing(*kind).set(0);
        }
        new
    }

    /// How many troubles of this kind stand.
    #[must_use]
    pub fn standing(&self, kind: TroubleKind) -> Gauge {
        self.standing.get_or_create_owned(&TroubleLabels { kind: Label(kind) })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeltaLabels {
    origin: Label<ClusterId>,
    result: Label<DeltaResult>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PublishLabels {
    topic: Label<TopicKind>,
    result: Label<PublishResult>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: Label<HoldReason>,
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
        let labels = PublishLabels { topic: Label(topic), result: Label(result) };
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
    removals_held: Family<ReasonLabels, Gauge>,
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
        let help = "records handed to the log of the own cluster, by outcome";
        catalog.counter("federation_records_published_total", "topic, result", help, &new.published.records);
        let help = "removals of the own cluster that are kept back now";
        catalog.gauge("federation_removals_held", "reason", help, &new.removals_held);
        for reason in [HoldReason::AfterConnect, HoldReason::Asked, HoldReason::MayNotRead] {
            new.removals_held(reason).set(0);
        }
        new
    }

    /// Records of `origin` that were folded with this result.
    #[must_use]
    pub fn deltas_applied(&self, origin: &ClusterId, result: DeltaResult) -> Counter {
        let labels = DeltaLabels { origin: Label(origin.clone()), result: Label(result) };
        self.deltas_applied.get_or_create_owned(&labels)
    }

    /// How many removals are kept back for this reason.
    #[must_use]
    pub fn removals_held(&self, reason: HoldReason) -> Gauge {
        self.removals_held.get_or_create_owned(&ReasonLabels { reason: Label(reason) })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OriginLabels {
    origin: Label<ClusterId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ComponentLabels {
    component: Label<Component>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SendFailureLabels {
    reason: Label<SendFailure>,
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
        self.consumed.get_or_create_owned(&OriginLabels { origin: Label(origin.clone()) })
    }

    /// Records of `origin` that could not be read.
    #[must_use]
    pub fn records_undecodable(&self, origin: &ClusterId) -> Counter {
        self.undecodable.get_or_create_owned(&OriginLabels { origin: Label(origin.clone()) })
    }

    /// Records of `origin` that do not stand where their key belongs.
    #[must_use]
    pub fn records_misplaced(&self, origin: &ClusterId) -> Counter {
        self.misplaced.get_or_create_owned(&OriginLabels { origin: Label(origin.clone()) })
    }

    /// Partitions of `origin` that were read anew.
    #[must_use]
    pub fn partition_restarts(&self, origin: &ClusterId) -> Counter {
        self.partition_restarts.get_or_create_owned(&OriginLabels { origin: Label(origin.clone()) })
    }

    /// Records that were not delivered.
    #[must_use]
    pub fn sends_failed(&self, reason: SendFailure) -> Counter {
        self.sends_failed.get_or_create_owned(&SendFailureLabels { reason: Label(reason) })
    }

    /// Restarts of one part of the adapter.
    #[must_use]
    pub fn restarts(&self, component: Component) -> Counter {
        self.restarts.get_or_create_owned(&ComponentLabels { component: Label(component) })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    call: &'static str,
}

/// Of the adapter of the local Nacos.
#[derive(Clone, Debug, Default)]
pub struct NacosMetrics {
    /// 1 while connected and logged in.
    pub connected: Gauge,
    /// Connections that were set up.
    pub connects: Counter,
    /// Services subscribed to now.
    pub subscriptions: Gauge,
    /// Pushes received.
    pub pushes: Counter,
    refused: Family<CallLabels, Counter>,
    failed: Family<CallLabels, Counter>,
}

impl NacosMetrics {
    fn register(catalog: &mut Catalog) -> Self {
        let new = Self::default();
        catalog.gauge("federation_nacos_connected", "", "1 while connected to the local Nacos, else 0", &new.connected);
        catalog.counter("federation_nacos_connects_total", "", "connections set up", &new.connects);
        catalog.gauge("federation_nacos_subscriptions", "", "services subscribed to", &new.subscriptions);
        catalog.counter("federation_nacos_pushes_total", "", "pushes received", &new.pushes);
        let help = "calls that the local Nacos refused to this account";
        catalog.counter("federation_nacos_calls_refused_total", "call", help, &new.refused);
        let help = "calls that failed otherwise: no answer in time, an error, or nonsense";
        catalog.counter("federation_nacos_calls_failed_total", "call", help, &new.failed);
        new
    }

    /// Refusals of `call`, a name from a fixed list such as `list_services`.
    #[must_use]
    pub fn calls_refused(&self, call: &'static str) -> Counter {
        self.refused.get_or_create_owned(&CallLabels { call })
    }

    /// Failures of `call` other than refusals.
    #[must_use]
    pub fn calls_failed(&self, call: &'static str) -> Counter {
        self.failed.get_or_create_owned(&CallLabels { call })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookupLabels {
    result: Label<CacheResult>,
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
        let of = |result| lookups.get_or_create_owned(&LookupLabels { result: Label(result) });
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
    source: Label<PolicyOrigin>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyLoadLabels {
    source: Label<PolicyOrigin>,
    result: Label<PolicyLoad>,
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
        self.refused.get_or_create_owned(&PolicySourceLabels { source: Label(source) })
    }

    /// Documents of `source` of which this became.
    #[must_use]
    pub fn loads(&self, source: PolicyOrigin, result: PolicyLoad) -> Counter {
        self.loads.get_or_create_owned(&PolicyLoadLabels { source: Label(source), result: Label(result) })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: Label<Route>,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: Label<Route>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    method: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaceLabels {
    face: Label<WatchFace>,
}

/// Of the HTTP and gRPC faces.
#[derive(Clone, Debug)]
pub struct ApiMetrics {
    /// Documents that were encoded for watchers; it does not grow with their number.
    pub watch_encodings: Counter,
    http_requests: Family<RequestLabels, Counter>,
    http_seconds: Family<RouteLabels, Histogram>,
    grpc_requests: Family<MethodLabels, Counter>,
    watchers: Family<FaceLabels, Gauge>,
}

impl ApiMetrics {
    fn register(catalog: &mut Catalog) -> Self {
        let new = Self {
            watch_encodings: Counter::default(),
            http_requests: Family::default(),
            http_seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            grpc_requests: Family::default(),
            watchers: Family::default(),
        };
        let help = "HTTP requests answered, by route and status";
        catalog.counter("federation_http_requests_total", "route, code", help, &new.http_requests);
        let help = "time from a request's head to its answer's head";
        catalog.histogram("federation_http_request_duration_seconds", "route", help, &new.http_seconds);
        let help = "gRPC calls answered, by method and status; a watch counts when it begins";
        catalog.counter("federation_grpc_requests_total", "method, code", help, &new.grpc_requests);
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
        self.http_requests.get_or_create_owned(&RequestLabels { route: Label(route), code })
    }

    /// Durations of HTTP requests to `route`, in seconds.
    #[must_use]
    pub fn http_seconds(&self, route: Route) -> Histogram {
        self.http_seconds.get_or_create_owned(&RouteLabels { route: Label(route) })
    }

    /// gRPC calls of `method` that ended with the status `code`, both from fixed lists.
    #[must_use]
    pub fn grpc_requests(&self, method: &'static str, code: &'static str) -> Counter {
        self.grpc_requests.get_or_create_owned(&MethodLabels { method, code })
    }

    /// Open watches.
    #[must_use]
    pub fn watchers(&self, face: WatchFace) -> Gauge {
        self.watchers.get_or_create_owned(&FaceLabels { face: Label(face) })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use federation_core::intents::{Counter, DrainIntent, DrainTarget, IntentTable};
    use federation_core::log::intents::LoggedDrain;
    use federation_core::routing::{DrainGuard, Percent};
    use federation_core::service::Revision;
    use federation_core::time::{Mono, WallMs};

    use super::*;
    use crate::view::ViewChange;

    fn metrics() -> Metrics {
        Metrics::new(crate::view::new(Arc::new(|| Mono(0))).1, "0.0.0")
    }

    #[test]
    fn drains_above_zero_are_counted() {
        let (mut writer, reader) = crate::view::new(Arc::new(|| Mono(0)));
        let drain = |percent: u8| LoggedDrain {
            intent: Some(DrainIntent {
                counter: Counter::new(1).unwrap(),
                percent: Percent::new(percent).unwrap(),
                guard: DrainGuard::default(),
                who: "o".into(),
                why: "".into(),
                when: WallMs(0),
                replica: 7,
                ramp: None,
            }),
            observed: WallMs(0),
            readable: true,
        };
        let cluster: ClusterId = "a".parse().unwrap();
        let targets = ["a", "b", "c"].map(|name| DrainTarget::new(name.parse().unwrap(), None));
        let drains = [drain(0), drain(1), drain(100)];
        let logged = targets.iter().zip(&drains).map(|(target, drain)| (&cluster, target, drain));
        let table = IntentTable::new(Revision::default(), logged);
        writer.apply(ViewChange { intents: Some(Arc::new(table)), ..ViewChange::default() });
        let text = Metrics::new(reader, "0.0.0").encode();
        assert!(text.lines().any(|line| line == "federation_drains 2"), "{text}");
    }

    #[test]
    fn the_documentation_lists_exactly_the_metrics_that_exist() {
        let document = include_str!("../../../docs/metrics.md");
        let row = |line: &str| {
            let mut cells = line.strip_prefix("| `federation_")?.split('|').map(str::trim);
            let name = cells.next()?.trim_end_matches('`').to_owned();
            Some((format!("federation_{name}"), cells.next()?.to_owned(), cells.next()?.replace('`', "")))
        };
        let documented: BTreeSet<_> = document.lines().filter_map(row).collect();
        let entry = |listed: &Listed| {
            let labels = if listed.labels.is_empty() { "–" } else { listed.labels };
            (listed.name.to_owned(), listed.kind.as_str().to_owned(), labels.to_owned())
        };
        assert_eq!(documented, metrics().listed().iter().map(entry).collect());
    }

    #[test]
    fn what_is_shown_has_the_names_that_are_listed() {
        let metrics = metrics();
        let origin = "a".parse().unwrap();
        metrics.engine.deltas_applied(&origin, DeltaResult::Changed).inc();
        metrics.log.published.records(TopicKind::Configs, PublishResult::Sent).inc();
        metrics.api.http_requests(Route::Service, 200).inc();
        metrics.nacos.calls_refused("list_services").inc();
        let text = metrics.encode();
        for line in [
            r#"federation_deltas_applied_total{origin="a",result="changed"} 1"#,
            r#"federation_records_published_total{topic="configs",result="sent"} 1"#,
            r#"federation_http_requests_total{route="/v1/service",code="200"} 1"#,
            r#"federation_nacos_calls_refused_total{call="list_services"} 1"#,
            r#"federation_removals_held{reason="after_connect"} 0"#,
            "federation_engine_steps_total 0",
            "federation_services 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        let listed: BTreeSet<&str> = metrics.listed().iter().map(|listed| listed.name).collect();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            let stem = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            assert!(listed.contains(name) || stem.is_some_and(|stem| listed.contains(stem)), "{name} is not listed");
        }
    }
}
