use std::borrow::Cow;
use std::collections::BTreeMap;

use federation_core::drains::IntentTable;
use federation_core::freshness::Freshness;
use federation_core::id::{ClusterId, InstanceId};
use federation_core::instance::{Health, Instance, Metadata, Weight};
use federation_core::intents::{DrainIntent, DrainTarget, OrderCounter};
use federation_core::locality::Locality;
use federation_core::log::intents::LoggedDrain;
use federation_core::routing::{DrainGuard, Percent, Policies, Policy, StaleRule};
use federation_core::service::{ClusterStatus, FactSource, FederatedInstance, OriginInstances, Revision};
use federation_core::time::{Mono, WallMs};

use super::cache::MOST_CLASSES;
use super::*;
use crate::view::{self, ClusterTable, ViewChange, ViewWriter};

/// Two clusters in regions of their names, and a resolver beside the first.
struct World {
    writer: ViewWriter,
    policies: watch::Sender<Arc<InForce>>,
    resolver: Resolver,
    metrics: ResolveMetrics,
    revision: u64,
}

impl World {
    fn new(kept_bytes: usize) -> Self {
        let (writer, reader) = view::new(Arc::new(|| Mono(0)));
        let (policies, policy) = watch::channel(Arc::default());
        let metrics = crate::metrics::with_view(reader.clone(), "0").resolve;
        let own = OwnPlace { cluster: "a".parse().unwrap(), locality: locality("ra/z1", "na") };
        let rules = PlaceRules::default();
        let resolver = Resolver::new(reader, policy, rules, own, kept_bytes, metrics.clone());
        let mut world = Self { writer, policies, resolver, metrics, revision: 0 };
        world.origins(Freshness::Live);
        world
    }

    fn next(&mut self) -> Revision {
        self.revision += 1;
        Revision(self.revision)
    }

    /// Writes both clusters, `a` with this effective freshness.
    fn origins(&mut self, effective: Freshness) {
        let revision = self.next();
        let clusters =
            vec![cluster("a", "ra/z1", effective, revision), cluster("b", "rb/z1", Freshness::Live, Revision(0))];
        self.apply(ViewChange { clusters: Some(Arc::new(ClusterTable { clusters })), ..ViewChange::default() });
    }

    /// Writes a service with an instance in each cluster, of `a` with this health.
    fn service(&mut self, name: &str, health: Health) {
        let revision = self.next();
        let of = |origin: &str, health| OriginInstances {
            origin: origin.parse().unwrap(),
            source: FactSource::Log,
            instances: vec![instance(health)],
        };
        let origins = vec![of("a", health), of("b", Health::Healthy)];
        let service = FederatedService { key: key(name), revision, origins };
        self.apply(ViewChange { services: vec![(key(name), Some(Arc::new(service)))], ..ViewChange::default() });
    }

    fn vanish(&mut self, name: &str) {
        self.apply(ViewChange { services: vec![(key(name), None)], ..ViewChange::default() });
    }

    fn drain(&mut self, target: &str, percent: u8) {
        let (target, cluster): (DrainTarget, ClusterId) = (target.parse().unwrap(), "b".parse().unwrap());
        let revision = self.next();
        let intent = DrainIntent {
            counter: OrderCounter::new(revision.0).unwrap(),
            percent: Percent::new(percent).unwrap(),
            guard: DrainGuard::default(),
            who: "ann".into(),
            why: "".into(),
            when: WallMs(1),
            replica: 1,
            ramp: None,
            giver: Default::default(),
        };
        let logged = LoggedDrain::read(intent, WallMs(1), Default::default());
        let table = IntentTable::new(revision, [(&cluster, &target, &logged)]);
        self.apply(ViewChange { intents: Some(Arc::new(table)), ..ViewChange::default() });
    }

    fn policy(&mut self, policy: Policy) {
        let policies = Policies::new(Arc::new(policy), Vec::new()).unwrap();
        let version = self.next().0;
        self.policies.send_replace(Arc::new(InForce { policies: Arc::new(policies), version, ..InForce::default() }));
    }

    fn apply(&mut self, change: ViewChange) {
        self.writer.apply(change);
    }

    /// The shares of `a` and `b` in percent.
    fn shares(&self, name: &str, said: &CallerAsk<'_>) -> Option<(u32, u32)> {
        let inputs = self.resolver.inputs();
        let asking = self.resolver.understand(said, &inputs);
        let found = self.resolver.kept(&key(name), &asking, &inputs, PlanEncoding::Json, encode)?;
        let EncodedPlan::Usable(pieces) = found.encoded() else { panic!("unusable") };
        let shares: Vec<u32> =
            pieces.bytes.chunks(4).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap())).collect();
        Some((shares[0] / 10_000, shares[1] / 10_000))
    }

    fn looked_up(&self) -> (u64, u64) {
        (self.metrics.hits.get(), self.metrics.misses.get())
    }
}

/// The shares of the two offers.
fn encode(planned: &PlannedService) -> EncodedPlan {
    let mut shares = [0_u32; 2];
    planned.plan.endpoints.iter().for_each(|endpoint| shares[endpoint.index] = endpoint.share);
    let bytes: Vec<u8> = shares.iter().flat_map(|share| share.to_le_bytes()).collect();
    EncodedPlan::Usable(PlanPieces::new(bytes, vec![0, 4, 8], planned.top(), planned.fingerprint()))
}

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("public", "G", name)
}

fn locality(text: &str, network: &str) -> Locality {
    let mut parts = text.split('/').map(Into::into);
    let (region, zone, sub_zone) = (parts.next(), parts.next(), parts.next());
    Locality { region, zone, sub_zone, network: Some(network.into()) }
}

fn cluster(id: &str, place: &str, effective: Freshness, revision: Revision) -> ClusterStatus {
    ClusterStatus {
        id: id.parse().unwrap(),
        locality: locality(place, "na"),
        advertise: BTreeMap::new(),
        local: id == "a",
        freshness: Freshness::Live,
        effective,
        reason: federation_core::reason::FreshnessCode::Beating.into(),
        freshness_revision: revision,
        age: None,
        as_of: Mono(0),
        last_beat: None,
        services: 1,
        instances: 1,
        configs: 0,
        signing_key: None,
    }
}

fn instance(health: Health) -> FederatedInstance {
    let weight = Weight::try_from(1.0).unwrap();
    let instance = Instance { weight, health, enabled: true, ephemeral: true, metadata: Metadata::default() };
    FederatedInstance {
        id: InstanceId::new("10.0.0.1", 80, "DEFAULT"),
        instance: Arc::new(instance),
        effective: health,
        held: None,
    }
}

fn region(name: &str) -> CallerAsk<'_> {
    let place = PlaceAsk { region: Some(Cow::Borrowed(name)), ..PlaceAsk::default() };
    CallerAsk { place: Some(place), ..CallerAsk::default() }
}

#[test]
fn a_plan_is_made_once_for_callers_that_are_alike() {
    let mut world = World::new(KEPT_BYTES);
    world.service("s", Health::Healthy);
    for _ in 0..3 {
        assert_eq!(world.shares("s", &CallerAsk::default()), Some((100, 0)));
        assert_eq!(world.shares("s", &region("rb")), Some((0, 100)));
    }
    assert_eq!((world.looked_up(), world.metrics.plans.get()), ((4, 2), 2));
    assert_eq!(world.shares("t", &CallerAsk::default()), None);
}

#[test]
fn a_kept_plan_does_not_survive_what_it_was_made_from() {
    let mut world = World::new(KEPT_BYTES);
    world.service("s", Health::Healthy);
    let shares = |world: &World| {
        let first = world.shares("s", &CallerAsk::default());
        assert_eq!(world.shares("s", &CallerAsk::default()), first);
        first
    };
    assert_eq!(shares(&world), Some((100, 0)));
    world.drain("a", 30);
    assert_eq!(shares(&world), Some((70, 30)), "a drain");
    world.drain("a", 31);
    assert_eq!(shares(&world), Some((69, 31)), "a step of its ramp");
    world.drain("a", 0);
    assert_eq!(shares(&world), Some((100, 0)), "its end");
    world.origins(Freshness::Stale);
    assert_eq!(shares(&world), Some((0, 100)), "the effective freshness of an origin");
    world.policy(Policy { stale: StaleRule::Keep, ..Policy::default() });
    assert_eq!(shares(&world), Some((100, 0)), "a policy");
    world.service("s", Health::Unhealthy);
    assert_eq!(shares(&world), Some((0, 100)), "the effective health of an instance");
    assert_eq!(world.looked_up(), (7, 7), "each change is planned once");
}

#[test]
fn a_change_of_an_origin_that_reaches_the_view_behind_the_service_counts() {
    let mut world = World::new(KEPT_BYTES);
    world.revision += 1; // Told by the origins below: the service, though made later, is shown first.
    world.service("s", Health::Healthy);
    assert_eq!(world.shares("s", &CallerAsk::default()), Some((100, 0)));
    let clusters =
        vec![cluster("a", "ra", Freshness::Stale, Revision(2)), cluster("b", "rb", Freshness::Live, Revision(0))];
    world.apply(ViewChange { clusters: Some(Arc::new(ClusterTable { clusters })), ..ViewChange::default() });
    assert_eq!(world.shares("s", &CallerAsk::default()), Some((0, 100)));
}

#[test]
fn an_unrelated_change_is_not_planned_anew() {
    let mut world = World::new(KEPT_BYTES);
    world.service("s", Health::Healthy);
    world.shares("s", &CallerAsk::default());
    world.service("t", Health::Healthy);
    world.vanish("t");
    world.shares("s", &CallerAsk::default());
    assert_eq!(world.looked_up(), (1, 1));
}

#[test]
fn a_service_keeps_plans_for_a_few_callers_only_and_the_oldest_goes() {
    let mut world = World::new(KEPT_BYTES);
    world.service("s", Health::Healthy);
    for number in 0..=MOST_CLASSES {
        world.shares("s", &region(&number.to_string()));
    }
    let plans = world.resolver.budget.kept().0;
    world.shares("s", &region("1"));
    let second = world.looked_up();
    world.shares("s", &region("0"));
    assert_eq!((plans, second.0, world.looked_up().0), (MOST_CLASSES, 1, 1));
}

#[test]
fn services_that_change_or_vanish_leave_nothing_behind() {
    let mut world = World::new(KEPT_BYTES);
    for number in 0..1000 {
        let name = number.to_string();
        world.service(&name, Health::Healthy);
        world.shares(&name, &CallerAsk::default());
        if number % 2 == 0 {
            world.service(&name, Health::Healthy);
        } else {
            world.vanish(&name);
        }
    }
    let (plans, bytes, listed) = world.resolver.budget.kept();
    assert_eq!((plans, bytes, world.metrics.kept_bytes.get()), (0, 0, 0));
    assert!(listed < 100, "{listed}");
}

#[test]
fn however_many_callers_there_are_their_number_is_bounded() {
    let mut world = World::new(KEPT_BYTES);
    for number in 0..100 {
        world.service(&number.to_string(), Health::Healthy);
    }
    for number in 0..3000 {
        let name = (number % 100).to_string();
        assert_eq!(world.shares(&name, &region(&format!("r{number}"))), Some((50, 50)));
    }
    assert!(world.resolver.budget.kept().0 <= 3000);
    assert_eq!(world.resolver.budget.callers(), 1024);
    assert_eq!(world.shares("99", &region("r2999")), Some((50, 50)));
    assert_eq!(world.looked_up(), (1, 3000));
}

#[test]
fn all_services_together_keep_no_more_bytes_than_they_may() {
    let mut world = World::new(20_000);
    for number in 0..1000 {
        let name = number.to_string();
        world.service(&name, Health::Healthy);
        assert_eq!(world.shares(&name, &CallerAsk::default()), Some((100, 0)));
        let (_, bytes, listed) = world.resolver.budget.kept();
        assert!(bytes <= 20_000 && listed < 200, "{bytes} bytes, {listed} listed");
    }
    let before = world.looked_up();
    world.shares("999", &CallerAsk::default());
    world.shares("0", &CallerAsk::default());
    assert_eq!(world.looked_up(), (before.0 + 1, before.1 + 1), "the oldest went, the newest stayed");
}

#[test]
fn what_is_not_said_of_a_caller_is_filled_in() {
    let world = World::new(KEPT_BYTES);
    let inputs = world.resolver.inputs();
    let text = |text: &'static str| Some(Cow::Borrowed(text));
    let place = |region, zone: Option<Cow<'static, str>>| Some(PlaceAsk { region, zone, sub_zone: None });
    for (name, place, network, cluster, want) in [
        ("nothing", None, None, None, ("ra/z1", Some("na"), Some("a"), PlaceFrom::Gateway)),
        ("a cluster", None, None, text("b"), ("rb/z1", Some("na"), Some("b"), PlaceFrom::Cluster)),
        ("an unknown one", None, None, text("x"), ("ra/z1", Some("na"), Some("x"), PlaceFrom::UnknownCluster)),
        ("no cluster", None, None, text(""), ("ra/z1", Some("na"), None, PlaceFrom::Gateway)),
        ("a region", place(text("rx"), None), None, None, ("rx", None, None, PlaceFrom::Given)),
        ("a zone", place(text("rx"), text("z")), text("n"), None, ("rx/z", Some("n"), None, PlaceFrom::Given)),
        ("no region", place(None, None), None, None, ("", None, None, PlaceFrom::Given)),
        (
            "a region and a cluster",
            place(text("rx"), None),
            None,
            text("b"),
            ("rx", Some("na"), Some("b"), PlaceFrom::Given),
        ),
        ("no network", None, text(""), None, ("ra/z1", None, Some("a"), PlaceFrom::Gateway)),
        ("a network", None, text("n"), None, ("ra/z1", Some("n"), Some("a"), PlaceFrom::Gateway)),
    ] {
        let said = CallerAsk { place, network, cluster, labels: vec![("k".into(), "v".into())] };
        let asking = world.resolver.understand(&said, &inputs);
        let caller = asking.to_caller();
        let Locality { network, .. } = &caller.locality;
        let got = (caller.locality.to_string(), network.as_deref(), caller.cluster.as_deref(), asking.place_from);
        assert_eq!(got, (want.0.to_owned(), want.1, want.2, want.3), "{name}");
        assert_eq!(caller.labels["k"], "v".into());
        assert!(asking.is(&caller), "{name}");
        for other in [region("other"), CallerAsk { labels: vec![("k".into(), "w".into())], ..said.clone() }] {
            assert!(!world.resolver.understand(&other, &inputs).is(&caller), "{name}");
        }
    }
}
