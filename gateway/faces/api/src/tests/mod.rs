//! A gateway of two clusters whose view is written by hand, and its answers.

mod access;
mod changes;
mod compressed;
mod descriptor;
mod drains;
mod encrypted;
mod excluded;
mod front_door;
mod golden;
mod grpc;
mod guard;
mod headers;
mod http;
mod lanes;
mod lists;
mod logins;
mod pages;
mod plan_calls;
mod plans;
mod reasons;
mod serve;
mod signals;
mod strangers;
mod stuck;
mod verify;
mod verify_nacos;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use federation_core::config_item::{ConfigItem, SealKeyId, SealReason, SealedContent};
use federation_core::drains::IntentTable;
use federation_core::freshness::Freshness;
use federation_core::id::{ClusterId, ConfigKey, InstanceId, ServiceKey};
use federation_core::instance::{Health, Instance, Metadata, Weight};
use federation_core::intents::{DrainIntent, DrainTarget, OrderCounter};
use federation_core::locality::Locality;
use federation_core::log::intents::LoggedDrain;
use federation_core::reason::FreshnessCode;
use federation_core::routing::{DrainGuard, Percent, PlaceRules, Policies, Policy};
use federation_core::service::{
    ClusterStatus, FactSource, FederatedConfig, FederatedInstance, FederatedService, HeldRemoval, HoldReason,
    OriginConfig, OriginInstances, Revision,
};
use federation_core::time::{Millis, Mono, WallMs};
use serde_json::Value;
use tower::ServiceExt;

use super::{ApiState, GatewayIdentity};
use federation_policy::exclusions::Exclusions;
use federation_policy::{InForce, PolicyReader, PolicySource};
use federation_ports::commands::EngineCommands;
use federation_ports::trouble::TroubleBoard;
use federation_view::resolve::{OwnPlace, Resolver};
use federation_view::view::{self, ClusterTable, GatewayStatus, ViewChange, ViewWriter};

/// Versions begin at this number: the start of the process in milliseconds, times 1,024.
const FIRST_VERSION: u64 = 1024;

/// Far more than the plans of a test.
const KEPT_BYTES: usize = 256 << 20;

struct Gateway {
    writer: ViewWriter,
    policies: tokio::sync::watch::Sender<Arc<InForce>>,
    clock: Arc<AtomicU64>,
    troubles: TroubleBoard,
    state: ApiState,
    router: Router,
}

impl Gateway {
    /// Whose engine has ended.
    fn new() -> Self {
        Self::with(federation_ports::commands::commands().0)
    }

    fn with(commands: EngineCommands) -> Self {
        let clock = Arc::new(AtomicU64::new(1000));
        let read = Arc::clone(&clock);
        let (mut writer, reader) = view::new(Arc::new(move || Mono(read.load(Ordering::SeqCst))));
        let clusters = [cluster("frankfurt", Freshness::Stale, 2), cluster("shanghai", Freshness::Live, 1)];
        let facts = vec![("nacos", "connected".to_owned())];
        let gateway = GatewayStatus { ready: true, facts, ..GatewayStatus::default() };
        writer.apply(ViewChange {
            clusters: Some(Arc::new(ClusterTable { clusters: clusters.into() })),
            gateway: Some(Arc::new(gateway)),
            ..ViewChange::default()
        });
        let identity = GatewayIdentity {
            federation: "demo".parse().unwrap(),
            cluster: "shanghai".parse().unwrap(),
            replica: "shanghai-0".to_owned(),
            version: "0.1.0",
        };
        let metrics = Arc::new(federation_view::metrics::with_view(reader.clone(), identity.version));
        let (policies, policy) = tokio::sync::watch::channel(Arc::default());
        let shanghai = Locality { network: Some("n1".into()), ..locality("shanghai") };
        let own = OwnPlace { cluster: identity.cluster.clone(), locality: shanghai };
        let rules = PlaceRules::default();
        let resolver = Resolver::new(reader.clone(), policy, rules, own, KEPT_BYTES, metrics.resolve.clone());
        let exclusions = Exclusions::none("/proc/nowhere/at/all".to_owned().into());
        let (board, defaults) = (TroubleBoard::default(), PolicyReader::of_defaults());
        let troubles = board.clone();
        let state =
            ApiState::new(identity, reader, commands, defaults, resolver, metrics, board, exclusions, WallMs(1));
        let router = super::http::router(state.clone());
        Self { writer, policies, clock, troubles, state, router }
    }

    fn pass(&self, millis: u64) {
        self.clock.fetch_add(millis, Ordering::SeqCst);
    }

    fn put(&mut self, service: FederatedService) {
        let services = vec![(service.key.clone(), Some(Arc::new(service)))];
        self.writer.apply(ViewChange { services, ..ViewChange::default() });
    }

    fn remove(&mut self, key: &ServiceKey) {
        self.writer.apply(ViewChange { services: vec![(key.clone(), None)], ..ViewChange::default() });
    }

    fn put_config(&mut self, config: FederatedConfig) {
        let configs = vec![(config.key.clone(), Some(Arc::new(config)))];
        self.writer.apply(ViewChange { configs, ..ViewChange::default() });
    }

    fn set_clusters(&mut self, clusters: Vec<ClusterStatus>) {
        let clusters = Some(Arc::new(ClusterTable { clusters }));
        self.writer.apply(ViewChange { clusters, ..ViewChange::default() });
    }

    /// Puts one drain in force, ordered in shanghai.
    fn drain(&mut self, target: &str, percent: u8, version: u64) {
        let (target, cluster): (DrainTarget, ClusterId) = (target.parse().unwrap(), "shanghai".parse().unwrap());
        let intent = DrainIntent {
            counter: OrderCounter::new(version).unwrap(),
            percent: Percent::new(percent).unwrap(),
            guard: DrainGuard::default(),
            who: "ann".into(),
            why: "disks".into(),
            when: WallMs(5),
            replica: 1,
            ramp: None,
            giver: Default::default(),
        };
        let logged = LoggedDrain::read(intent, WallMs(5), Default::default());
        let table = IntentTable::new(Revision(version), [(&cluster, &target, &logged)]);
        self.writer.apply(ViewChange { intents: Some(Arc::new(table)), ..ViewChange::default() });
    }

    fn set_policy(&mut self, policy: Policy, version: u64) {
        let policies = Arc::new(Policies::new(Arc::new(policy), Vec::new()).unwrap());
        self.policies.send_replace(Arc::new(InForce {
            policies,
            version,
            source: PolicySource::File("policy.yaml".into()),
            ..InForce::default()
        }));
    }

    fn set_gateway(&mut self, gateway: GatewayStatus) {
        self.writer.apply(ViewChange { gateway: Some(Arc::new(gateway)), ..ViewChange::default() });
    }

    fn router(&self) -> Router {
        self.router.clone()
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Answer { status, headers, body: String::from_utf8(body.into()).unwrap() }
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

fn locality(id: &str) -> Locality {
    Locality { region: Some(format!("{id}-region").into()), zone: Some("z1".into()), ..Locality::default() }
}

/// At 1,000 ms its facts are 40 ms old.
fn cluster(id: &str, freshness: Freshness, freshness_revision: u64) -> ClusterStatus {
    ClusterStatus {
        id: id.parse().unwrap(),
        locality: locality(id),
        advertise: std::collections::BTreeMap::new(),
        local: id == "shanghai",
        freshness,
        effective: freshness,
        reason: match id {
            "shanghai" => FreshnessCode::Beating.into(),
            _ => FreshnessCode::LeaderSilent(Millis(40_000)).into(),
        },
        freshness_revision: Revision(freshness_revision),
        age: Some(Millis(30)),
        as_of: Mono(990),
        last_beat: Some(WallMs(1_700_000_000_000)),
        services: 2,
        instances: 3,
        configs: 1,
        signing_key: None,
    }
}

fn instance(ip: &str, port: u16, health: Health) -> FederatedInstance {
    let metadata: Metadata = [("quote", "\"ü\n\""), ("a", "1")].into_iter().collect();
    let weight = Weight::try_from(0.5).unwrap();
    let instance = Instance { weight, health, enabled: true, ephemeral: true, metadata };
    let id = InstanceId::new(ip, port, "DEFAULT");
    FederatedInstance { id, instance: Arc::new(instance), effective: health, held: None }
}

fn of(origin: &str, source: FactSource, instances: Vec<FederatedInstance>) -> OriginInstances {
    OriginInstances { origin: origin.parse().unwrap(), source, instances }
}

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("public", "DEFAULT_GROUP", name)
}

fn service(key: ServiceKey, revision: u64, origins: Vec<OriginInstances>) -> FederatedService {
    FederatedService { key, revision: Revision(revision), origins }
}

/// Two instances in frankfurt, one of them held, and one of unknown health in shanghai.
fn orders(revision: u64) -> FederatedService {
    let held = Some(HeldRemoval { since: Mono(400), reason: HoldReason::AfterConnect });
    let held = FederatedInstance { held, ..instance("10.0.0.2", 80, Health::Unhealthy) };
    let frankfurt = vec![instance("10.0.0.1", 80, Health::Healthy), held];
    let shanghai = vec![instance("10.1.0.1", 81, Health::Unknown)];
    let origins = vec![of("frankfurt", FactSource::Log, frankfurt), of("shanghai", FactSource::Nacos, shanghai)];
    service(key("orders"), revision, origins)
}

fn config(namespace: &str, data_id: &str, revision: u64, origins: &[&str]) -> FederatedConfig {
    let item = ConfigItem {
        content: "a: 1\r\n# ü \"q\"\n".into(),
        md5: "0123".into(),
        content_type: "yaml".into(),
        tags: "x,y".into(),
        last_modified_ms: 5,
        ..ConfigItem::default()
    };
    let items = origins.iter().map(|origin| OriginConfig {
        origin: origin.parse().unwrap(),
        source: FactSource::Log,
        item: Arc::new(item.clone()),
        held: None,
    });
    FederatedConfig {
        key: ConfigKey::new(namespace, "g", data_id),
        revision: Revision(revision),
        items: items.collect(),
    }
}
