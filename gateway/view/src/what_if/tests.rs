//! Walks over views that are written by hand, and the check before an order beside the survey that it stands for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use federation_core::freshness::Freshness;
use federation_core::id::InstanceId;
use federation_core::instance::{Health, Instance, Metadata, Weight};
use federation_core::intents::{DrainIntent, DrainTarget, OrderCounter};
use federation_core::locality::Locality;
use federation_core::log::intents::LoggedDrain;
use federation_core::routing::{DrainGuard, NetworkReach, Percent, Policies, Policy, Reachability};
use federation_core::service::{ClusterStatus, FactSource, FederatedInstance, OriginInstances, Revision};
use federation_core::time::{Millis, Mono, WallMs};
use proptest::prelude::*;

use super::walk::{SLICE_SERVICES, Turn};
use super::*;
use crate::resolve::{KEPT_BYTES, OwnPlace};
use crate::view::{self, ClusterTable, ViewChange};
use federation_policy::InForce;

const CLUSTERS: [&str; 4] = ["a", "b", "c", "d"];

fn cluster(id: &str, network: Option<&str>) -> ClusterStatus {
    ClusterStatus {
        signing_key: None,
        id: id.parse().unwrap(),
        locality: Locality {
            region: Some(format!("r{id}").into()),
            network: network.map(Into::into),
            ..Locality::default()
        },
        advertise: BTreeMap::new(),
        local: id == "a",
        freshness: Freshness::Live,
        effective: Freshness::Live,
        reason: federation_core::reason::FreshnessCode::Beating.into(),
        freshness_revision: Revision(1),
        age: Some(Millis(0)),
        as_of: Mono(0),
        last_beat: None,
        services: 1,
        instances: 1,
        configs: 0,
    }
}

/// A moment of these services, drains and clusters.
fn moment(
    services: Vec<FederatedService>,
    drains: &[(DrainTarget, Percent, DrainGuard)],
    clusters: Vec<ClusterStatus>,
    policy: Policy,
) -> Arc<SurveyMoment> {
    let (mut writer, reader) = view::new(Arc::new(|| Mono(0)));
    let logged: Vec<_> = drains.iter().map(|(target, percent, guard)| (target, logged(*percent, *guard))).collect();
    let taken_in = "a".parse().unwrap();
    let table = IntentTable::new(Revision(1), logged.iter().map(|(target, logged)| (&taken_in, *target, logged)));
    writer.apply(ViewChange {
        services: services.into_iter().map(|service| (service.key.clone(), Some(Arc::new(service)))).collect(),
        clusters: Some(Arc::new(ClusterTable { clusters })),
        intents: Some(Arc::new(table)),
        ..ViewChange::default()
    });
    let policies = Arc::new(Policies::new(Arc::new(policy), Vec::new()).unwrap());
    let in_force = tokio::sync::watch::channel(Arc::new(InForce { policies, ..InForce::default() })).1;
    let metrics = crate::metrics::with_view(reader.clone(), "0.0.0");
    let own = OwnPlace { cluster: "a".parse().unwrap(), locality: Locality::default() };
    let resolver =
        Resolver::new(reader.clone(), in_force, PlaceRules::default(), own, KEPT_BYTES, metrics.resolve.clone());
    Arc::new(SurveyMoment::of(&reader, &resolver))
}

fn logged(percent: Percent, guard: DrainGuard) -> LoggedDrain {
    let intent = DrainIntent {
        counter: OrderCounter::FIRST,
        percent,
        guard,
        who: "ann".into(),
        why: "".into(),
        when: WallMs(1),
        replica: 7,
        ramp: None,
        giver: Default::default(),
    };
    LoggedDrain::read(intent, WallMs(1), Default::default())
}

/// What one instance is: its health, weight, port, and whether it is enabled.
type Of = (Health, f64, u16, bool);

fn service(name: &str, origins: &[(&str, Vec<Of>)]) -> FederatedService {
    let instance = |(last, (health, weight, port, enabled)): (usize, &Of)| {
        let weight = Weight::try_from(*weight).unwrap();
        let (health, metadata) = (*health, Metadata::default());
        let instance = Arc::new(Instance { weight, health, enabled: *enabled, ephemeral: true, metadata });
        let id = InstanceId::new(&format!("10.0.0.{last}"), *port, "DEFAULT");
        FederatedInstance { id, instance, effective: health, held: None }
    };
    let of = |(origin, instances): &(&str, Vec<Of>)| OriginInstances {
        origin: origin.parse().unwrap(),
        source: FactSource::Log,
        instances: instances.iter().enumerate().map(instance).collect(),
    };
    let key = ServiceKey::new("public", "g", name);
    FederatedService { key, revision: Revision(1), origins: origins.iter().map(of).collect() }
}

/// Counts services, and checks that they come in order.
struct Counts {
    seen: Arc<AtomicUsize>,
    last: Option<ServiceKey>,
}

impl Visitor for Counts {
    fn visit(&mut self, _: &SurveyMoment, service: &FederatedService) {
        assert!(self.last.as_ref() < Some(&service.key));
        self.last = Some(service.key.clone());
        self.seen.fetch_add(1, Ordering::SeqCst);
    }
}

/// Goes on so many times, then for ever waits.
struct Pauses(usize);

impl Turn for Pauses {
    type Error = std::convert::Infallible;

    async fn pause(&mut self) -> Result<(), Self::Error> {
        match self.0.checked_sub(1) {
            Some(rest) => self.0 = rest,
            None => std::future::pending().await,
        }
        Ok(())
    }
}

fn many(number: usize) -> Arc<SurveyMoment> {
    let services = (0..number).map(|number| service(&format!("s{number:06}"), &[])).collect();
    moment(services, &[], Vec::new(), Policy::default())
}

#[tokio::test]
async fn a_walk_shows_every_service_once_and_in_order() {
    for number in [0, 1, SLICE_SERVICES, SLICE_SERVICES + 1, 3 * SLICE_SERVICES + 7] {
        let seen = Arc::new(AtomicUsize::new(0));
        let counts = Counts { seen: Arc::clone(&seen), last: None };
        let walked = walk(&many(number), counts, Pauses(usize::MAX)).await;
        assert!(walked.is_ok());
        assert_eq!(seen.load(Ordering::SeqCst), number);
    }
}

#[tokio::test]
async fn a_walk_that_is_dropped_ends_with_its_slice() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counts = Counts { seen: Arc::clone(&seen), last: None };
    let moment = many(4 * SLICE_SERVICES);
    let mut walking = Box::pin(walk(&moment, counts, Pauses(0)));
    let mut looks = 0;
    while Arc::strong_count(&moment) == 1 || seen.load(Ordering::SeqCst) == 0 {
        assert!(futures::poll!(&mut walking).is_pending());
        tokio::task::yield_now().await;
        looks += 1;
        assert!(looks < 100_000_000, "the walk does not begin");
    }
    drop(walking);
    while Arc::strong_count(&moment) > 1 {
        tokio::task::yield_now().await; // The thread of the slice holds the moment until it has ended.
    }
    assert!(seen.load(Ordering::SeqCst) <= SLICE_SERVICES);
}

fn of() -> impl Strategy<Value = Of> {
    let health = prop_oneof![3 => Just(Health::Healthy), 2 => Just(Health::Unhealthy), 1 => Just(Health::Unknown)];
    let weight = prop_oneof![6 => Just(1.0), 1 => Just(0.0), 1 => Just(0.0004), 1 => Just(0.001)];
    let port = prop_oneof![8 => Just(80), 1 => Just(0)];
    (health, weight, port, prop::bool::weighted(0.8))
}

fn origins() -> impl Strategy<Value = Vec<(&'static str, Vec<Of>)>> {
    let some = prop::sample::subsequence(CLUSTERS.to_vec(), 0..=4);
    some.prop_flat_map(|ids| {
        let instances = prop::collection::vec(prop::collection::vec(of(), 0..3), ids.len());
        instances.prop_map(move |all| ids.iter().copied().zip(all).collect())
    })
}

fn target() -> impl Strategy<Value = DrainTarget> {
    let pattern = prop_oneof![4 => Just(""), 1 => Just("/*/*/s"), 1 => Just("/*/*/other")];
    (prop::sample::select(&CLUSTERS[..]), pattern).prop_map(|(id, pattern)| format!("{id}{pattern}").parse().unwrap())
}

fn drain() -> impl Strategy<Value = (DrainTarget, Percent, DrainGuard)> {
    let guard = prop_oneof![4 => Just(DrainGuard::VoidIfNothingIsLeft), 1 => Just(DrainGuard::Force)];
    (target(), prop::sample::select(vec![0_u8, 1, 50, 100]), guard)
        .prop_map(|(target, percent, guard)| (target, Percent::new(percent).unwrap(), guard))
}

fn policy() -> impl Strategy<Value = Policy> {
    let reaching = |to: &[&str]| {
        let to = to.iter().map(|to| (*to).into()).collect();
        Policy { reachable: Some(Reachability::new(vec![NetworkReach { from: "n1".into(), to }])), ..Policy::default() }
    };
    let weightless = Policy { locality_weights: [("rb".into(), 0)].into(), ..Policy::default() };
    prop_oneof![6 => Just(Policy::default()), 1 => Just(reaching(&["n2"])), 1 => Just(reaching(&[])), 1 => Just(weightless)]
}

fn networks() -> impl Strategy<Value = [Option<&'static str>; 4]> {
    let network = || prop_oneof![4 => Just(None), 2 => Just(Some("n1")), 1 => Just(Some("n2"))];
    [network(), network(), network(), network()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn the_check_before_an_order_finds_what_a_survey_calls_refused(
        origins in origins(),
        drains in prop::collection::vec(drain(), 0..7),
        (target, percent, guard) in drain(),
        policy in policy(),
        networks in networks(),
    ) {
        let clusters = CLUSTERS.iter().zip(networks).map(|(id, network)| cluster(id, network)).collect();
        let service = service("s", &origins);
        let moment = moment(vec![service.clone()], &drains, clusters, policy);
        let supposed = SupposedDrain { target, percent, guard };
        let hypothesis = Hypothesis { drains: vec![supposed.clone()], ..Hypothesis::default() };
        let mut surveyor =
            Surveyor { hypothesis, limit: 1, survey: ServiceSurvey { callers: moment.scene().callers(), ..ServiceSurvey::default() } };
        surveyor.visit(&moment, &service);
        let mut found = LastOnes::new(&moment, supposed);
        found.visit(&moment, &service);
        prop_assert_eq!(found.refused, surveyor.survey.refused);
    }
}

/// The check is meant to be cheap where it matters: for most services no plan is made at all.
#[test]
fn what_is_alike_for_all_callers_is_decided_without_a_plan() {
    const WELL: Of = (Health::Healthy, 1.0, 80, true);
    let odd = (Health::Healthy, 0.0004, 80, true);
    for (origins, want) in [
        (vec![("a", vec![WELL]), ("b", vec![WELL])], Some(false)),
        (vec![("a", vec![WELL])], Some(true)),
        (vec![("a", vec![WELL]), ("b", vec![odd, WELL])], Some(false)),
        (vec![("a", vec![WELL]), ("b", vec![odd])], None),
    ] {
        let service = service("s", &origins);
        let clusters = CLUSTERS.iter().map(|id| cluster(id, Some("n1"))).collect();
        let moment = moment(Vec::new(), &[], clusters, Policy::default());
        let (target, percent) = ("a".parse().unwrap(), Percent::new(50).unwrap());
        let check = LastOnes::new(&moment, SupposedDrain { target, percent, guard: DrainGuard::default() });
        assert_eq!(check.is_refused_for_all(&moment, &service), want, "{origins:?}");
    }
}
