//! Lookups as clients read them, from a view that is written by hand.

use std::collections::BTreeMap;

use federation_core::freshness::Freshness;
use federation_core::id::InstanceId;
use federation_core::instance::{Health, Instance, Metadata, Weight};
use federation_core::locality::Locality;
use federation_core::pattern::{Glob, ServicePattern};
use federation_core::routing::PlaceRules;
use federation_core::service::{
    ClusterStatus, FactSource, FederatedInstance, FederatedService, OriginInstances, Revision,
};
use federation_core::time::Mono;
use federation_policy::InForce;
use federation_view::metrics::with_view;
use federation_view::resolve::OwnPlace;
use federation_view::view::{self, ClusterTable, GatewayStatus, ViewChange, ViewWriter};
use nacos_protocol::message::naming::NacosInstance;
use tokio::sync::watch;

use super::rules::OnlyFrom;
use super::*;

/// Enough for a plan or two.
const KEPT_BYTES: usize = 1 << 20;

/// Nothing is called otherwise in the federation, and what begins with `own-` is not exported.
pub(crate) struct SameNames;

impl ServiceNames for SameNames {
    fn federated(&self, local: &ServiceKey) -> Option<ServiceKey> {
        (!local.service().starts_with("own-")).then(|| local.clone())
    }

    fn are_all_exported(&self, _namespace: &str, _group: &str) -> bool {
        false
    }

    fn namespace(&self, local: &str) -> String {
        local.to_owned()
    }
}

/// An empty view, who writes it, the policies that it is planned by, and what lookups are answered from.
pub(crate) fn sources(rules: LookupRules) -> (ViewWriter, watch::Sender<Arc<InForce>>, NamingSources) {
    let (writer, reader) = view::new(Arc::new(|| Mono(0)));
    let (policies, policy) = watch::channel(Arc::default());
    let own = OwnPlace { cluster: cluster("a"), locality: locality("a") };
    let metrics = with_view(reader.clone(), "0").resolve;
    let resolver = Resolver::new(reader.clone(), policy, PlaceRules::default(), own, KEPT_BYTES, metrics);
    let sources = NamingSources {
        view: reader,
        resolver: Arc::new(resolver),
        own: cluster("a"),
        names: Arc::new(SameNames),
        rules,
        metrics: HubMetrics::default(),
    };
    (writer, policies, sources)
}

/// Clusters `a`, the own one, and `b`, each in a region of its name.
struct World {
    writer: ViewWriter,
    naming: Naming,
    _policies: watch::Sender<Arc<InForce>>,
    revision: u64,
}

impl World {
    fn new(rules: LookupRules) -> Self {
        let (writer, policies, sources) = sources(rules);
        let (naming, ..) = Naming::new(sources, ClientSessions::default(), CancellationToken::new());
        let mut world = Self { writer, naming, _policies: policies, revision: 0 };
        world.clusters(Freshness::Live);
        world
    }

    fn next(&mut self) -> Revision {
        self.revision += 1;
        Revision(self.revision)
    }

    /// Writes both clusters, `b` with this freshness.
    fn clusters(&mut self, of_b: Freshness) {
        let revision = self.next();
        let clusters = vec![status("a", Freshness::Live, revision), status("b", of_b, revision)];
        self.writer.apply(ViewChange { clusters: Some(Arc::new(ClusterTable { clusters })), ..ViewChange::default() });
    }

    fn ready(&mut self) {
        let gateway = GatewayStatus { ready: true, ..GatewayStatus::default() };
        self.writer.apply(ViewChange { gateway: Some(Arc::new(gateway)), ..ViewChange::default() });
    }

    /// Writes the service with these instances of both clusters.
    fn service(&mut self, of_a: &[Written<'_>], of_b: &[Written<'_>]) {
        let revision = self.next();
        self.writer.apply(with_service(revision, of_a, of_b));
    }

    async fn ask(&self, labels: &[(&str, &str)], clusters: &str) -> Result<ServiceInfo, RegistryRefusal> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.naming.query(&labels, &name(), clusters, false)
    }

    /// What is listed for a client at the gateway's place: address, weight, health.
    async fn listed(&self, labels: &[(&str, &str)], clusters: &str) -> Vec<(String, f64, bool)> {
        let info = self.ask(labels, clusters).await.unwrap();
        info.hosts.into_iter().map(|NacosInstance { ip, weight, healthy, .. }| (ip, weight, healthy)).collect()
    }
}

/// Address, weight and health of an instance.
pub(crate) type Written<'a> = (&'a str, f64, Health);

/// The service with these instances of both clusters.
pub(crate) fn with_service(revision: Revision, of_a: &[Written<'_>], of_b: &[Written<'_>]) -> ViewChange {
    let origins = [("a", of_a), ("b", of_b)].into_iter().filter(|(_, all)| !all.is_empty());
    let origins = origins.map(|(origin, all)| OriginInstances {
        origin: cluster(origin),
        source: FactSource::Log,
        instances: all.iter().map(|(ip, weight, health)| instance(ip, *weight, *health)).collect(),
    });
    let service = FederatedService { key: key(), revision, origins: origins.collect() };
    ViewChange { services: vec![(key(), Some(Arc::new(service)))], ..ViewChange::default() }
}

fn cluster(id: &str) -> ClusterId {
    id.parse().unwrap()
}

fn locality(region: &str) -> Locality {
    Locality::told(Some(region), None, None, None)
}

fn key() -> ServiceKey {
    ServiceKey::new("public", "G", "orders")
}

fn name() -> ServiceName {
    ServiceName { namespace: "public".into(), group: "G".into(), service: "orders".into() }
}

fn status(id: &str, freshness: Freshness, freshness_revision: Revision) -> ClusterStatus {
    ClusterStatus {
        id: cluster(id),
        locality: locality(id),
        advertise: BTreeMap::new(),
        local: id == "a",
        freshness,
        effective: freshness,
        reason: federation_core::reason::FreshnessCode::Beating.into(),
        freshness_revision,
        age: None,
        as_of: Mono(0),
        last_beat: None,
        services: 0,
        instances: 0,
        configs: 0,
        signing_key: None,
    }
}

fn instance(ip: &str, weight: f64, health: Health) -> FederatedInstance {
    let weight = Weight::try_from(weight).unwrap();
    let metadata: Metadata = [("version", "1")].into_iter().collect();
    let instance = Instance { weight, health, enabled: true, ephemeral: true, metadata };
    FederatedInstance {
        id: InstanceId::new(ip, 80, "DEFAULT"),
        instance: Arc::new(instance),
        effective: health,
        held: None,
    }
}

fn listed(all: &[(&str, f64, bool)]) -> Vec<(String, f64, bool)> {
    all.iter().map(|(ip, weight, healthy)| ((*ip).to_owned(), *weight, *healthy)).collect()
}

const HEALTHY: Health = Health::Healthy;
const ILL: Health = Health::Unhealthy;

#[tokio::test]
async fn near_instances_are_listed_with_their_own_weights_and_far_ones_where_none_of_them_is_well() {
    let mut world = World::new(LookupRules::default());
    world.service(&[("10.0.0.1", 1.0, HEALTHY), ("10.0.0.2", 2.0, HEALTHY)], &[("10.1.0.1", 1.0, HEALTHY)]);
    let near = listed(&[("10.0.0.1", 1.0, true), ("10.0.0.2", 2.0, true)]);
    assert_eq!(world.listed(&[], "").await, near);
    assert_eq!(world.listed(&[("app_region", "b")], "").await, listed(&[("10.1.0.1", 1.0, true)]));
    world.service(&[("10.0.0.1", 1.0, ILL), ("10.0.0.2", 2.0, ILL)], &[("10.1.0.1", 1.0, HEALTHY)]);
    assert_eq!(world.listed(&[], "").await, listed(&[("10.1.0.1", 1.0, true)]));
}

#[tokio::test]
async fn an_instance_of_another_cluster_says_where_it_is_from_and_how_its_word_is_to_be_taken() {
    let mut world = World::new(LookupRules::default());
    world.service(&[], &[("10.1.0.1", 1.0, HEALTHY)]);
    let metadata = |info: ServiceInfo| info.hosts[0].metadata.clone();
    let pairs = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let live = pairs(&[("nacos-fed.origin", "b"), ("nacos-fed.region", "b"), ("version", "1")]);
    assert_eq!(metadata(world.ask(&[], "").await.unwrap()), live);
    world.clusters(Freshness::Stale);
    let mut stale = live;
    stale.insert("nacos-fed.freshness".into(), "stale".into());
    assert_eq!(metadata(world.ask(&[], "").await.unwrap()), stale);
    world.service(&[("10.0.0.1", 1.0, HEALTHY)], &[]);
    let own = world.ask(&[], "").await.unwrap();
    assert_eq!(metadata(own.clone()), pairs(&[("version", "1")]), "an own one is as it was registered");
    assert_eq!(own.hosts[0].instance_id, "10.0.0.1#80#DEFAULT#G@@orders");
    assert_eq!((own.name.as_str(), own.group_name.as_str(), own.cache_millis), ("orders", "G", 10_000));
}

#[tokio::test]
async fn clusters_of_nacos_and_of_the_federation_can_be_asked_for() {
    let mut world = World::new(LookupRules::default());
    world.service(&[("10.0.0.1", 1.0, HEALTHY)], &[("10.1.0.1", 1.0, HEALTHY)]);
    assert_eq!(world.listed(&[], "@b").await, listed(&[("10.1.0.1", 1.0, true)]));
    assert_eq!(world.listed(&[], "DEFAULT,@b").await, listed(&[("10.1.0.1", 1.0, true)]));
    assert_eq!(world.listed(&[], "DEFAULT").await, listed(&[("10.0.0.1", 1.0, true)]));
    world.ready();
    assert_eq!(world.listed(&[], "other").await, []);
    assert_eq!(world.ask(&[], "DEFAULT,@b").await.unwrap().clusters, "DEFAULT,@b", "as it was asked for");
}

#[tokio::test]
async fn a_rule_may_keep_a_service_to_one_cluster_and_the_most_specific_one_counts() {
    let pattern = |service: &str| {
        let glob = |text: &str| text.parse::<Glob>().unwrap();
        ServicePattern { namespace: glob("*"), group: glob("*"), service: glob(service) }
    };
    let only_from = |service: &str, id: &str| OnlyFrom { services: pattern(service), cluster: cluster(id) };
    for (rules, want) in [
        (LookupRules { local_only: vec![pattern("ord*")], only_from: vec![] }, "10.0.0.1"),
        (LookupRules { local_only: vec![pattern("ord*")], only_from: vec![only_from("orders", "b")] }, "10.1.0.1"),
        (LookupRules { local_only: vec![pattern("orders")], only_from: vec![only_from("*", "b")] }, "10.0.0.1"),
        (LookupRules { local_only: vec![], only_from: vec![only_from("stock", "b")] }, "10.0.0.1"),
    ] {
        let mut world = World::new(rules.clone());
        world.service(&[("10.0.0.1", 1.0, HEALTHY)], &[("10.1.0.1", 1.0, HEALTHY)]);
        assert_eq!(world.listed(&[], "").await, listed(&[(want, 1.0, true)]), "{rules:?}");
    }
}

#[tokio::test]
async fn a_list_is_empty_only_where_it_is_known_that_nothing_is_there() {
    let mut world = World::new(LookupRules::default());
    let refused = world.ask(&[], "").await.unwrap_err();
    assert_eq!(refused.code, error_code::NOT_READY, "nothing was read yet");
    world.service(&[("10.0.0.1", 1.0, HEALTHY)], &[]);
    assert_eq!(world.listed(&[], "").await.len(), 1, "what is known is told before all is known");
    world.writer.apply(ViewChange { services: vec![(key(), None)], ..ViewChange::default() });
    assert!(world.ask(&[], "").await.is_err());
    world.ready();
    assert_eq!(world.listed(&[], "").await, []);
}

#[tokio::test]
async fn in_a_panic_all_take_part_and_the_list_says_so() {
    let mut world = World::new(LookupRules::default());
    world.service(&[("10.0.0.1", 1.0, ILL), ("10.0.0.2", 1.0, Health::Unknown)], &[]);
    assert_eq!(
        world.listed(&[], "").await,
        listed(&[("10.0.0.2", 1.0, true)]),
        "what may be well is used before what is not"
    );
    assert!(!world.ask(&[], "").await.unwrap().reach_protection_threshold);
    world.service(&[("10.0.0.1", 1.0, ILL), ("10.0.0.2", 1.0, ILL)], &[]);
    let info = world.ask(&[], "").await.unwrap();
    assert!(info.reach_protection_threshold);
    assert!(info.hosts.len() == 2 && info.hosts.iter().all(|host| host.healthy), "{info:?}");
}

#[tokio::test]
async fn times_of_answers_grow_with_each_change() {
    let mut world = World::new(LookupRules::default());
    let mut times = Vec::new();
    for weight in 1..5 {
        world.service(&[("10.0.0.1", f64::from(weight), HEALTHY)], &[]);
        times.push(world.ask(&[], "").await.unwrap().last_ref_time);
    }
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
}
