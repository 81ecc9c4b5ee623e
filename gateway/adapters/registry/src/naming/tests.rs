use federation_core::time::WallMs;

use super::*;

fn at(ms: u64) -> NamingNow {
    NamingNow { mono: Mono(ms), wall: WallMs(1_000_000 + ms) }
}

fn key() -> ServiceKey {
    ServiceKey::new("public", "g", "orders")
}

fn instance(ip: &str, cluster: &str) -> RegisteredInstance {
    let metadata = BTreeMap::from([("zone".to_owned(), "a".to_owned())]);
    RegisteredInstance { id: InstanceId::new(ip, 80, cluster), weight: 1.0, healthy: true, enabled: true, metadata }
}

fn connection(name: &str) -> InstancePublisher {
    InstancePublisher::Connection(name.into())
}

fn seen(store: &NamingStore) -> Vec<String> {
    let snapshot = store.query(&key(), "", InstanceSelection::Enabled, at(0));
    snapshot.hosts.iter().map(|host| format!("{}@{}", host.id.ip, host.id.nacos_cluster)).collect()
}

enum Step {
    Register(InstancePublisher, Vec<RegisteredInstance>),
    Withdraw(InstancePublisher),
    Disconnect(&'static str),
}
use Step::{Disconnect, Register, Withdraw};

#[test]
fn a_publisher_has_one_slot_that_lives_as_long_as_it_does() {
    let (a, b) = (|| connection("a"), || connection("b"));
    let one = |ip: &str| vec![instance(ip, "DEFAULT")];
    for (name, steps, want) in [
        (
            "a second registration replaces the first",
            vec![Register(a(), one("1")), Register(a(), one("2"))],
            "2@DEFAULT",
        ),
        ("two connections add up", vec![Register(a(), one("1")), Register(b(), one("2"))], "1@DEFAULT 2@DEFAULT"),
        (
            "a batch replaces the set",
            vec![
                Register(a(), vec![instance("1", "X"), instance("2", "X")]),
                Register(a(), vec![instance("1", "X"), instance("1", "Y")]),
            ],
            "1@X 1@Y",
        ),
        (
            "a withdrawal drops the slot",
            vec![Register(a(), vec![instance("1", "X"), instance("2", "X")]), Withdraw(a())],
            "",
        ),
        (
            "a withdrawal drops no other's",
            vec![Register(a(), one("1")), Register(b(), one("2")), Withdraw(b())],
            "1@DEFAULT",
        ),
        (
            "the same address of two connections is one",
            vec![Register(a(), one("1")), Register(b(), one("1"))],
            "1@DEFAULT",
        ),
        (
            "and outlives one of them",
            vec![Register(a(), one("1")), Register(b(), one("1")), Disconnect("a")],
            "1@DEFAULT",
        ),
        (
            "an ended connection takes all along",
            vec![Register(a(), one("1")), Register(b(), one("2")), Disconnect("a")],
            "2@DEFAULT",
        ),
        (
            "persistent ones stay",
            vec![Register(InstancePublisher::Durable("9".into(), 80), one("9")), Disconnect("a"), Disconnect("9")],
            "9@DEFAULT",
        ),
    ] {
        let mut store = NamingStore::default();
        for step in steps {
            match step {
                Register(publisher, set) => store.register(&key(), publisher, set, at(1)).expect(name),
                Withdraw(publisher) => store.withdraw(&key(), &publisher, at(2)),
                Disconnect(name) => store.disconnect(&name.into(), at(3)),
            }
        }
        assert_eq!(seen(&store).join(" "), want, "{name}");
    }
}

#[test]
fn a_service_is_ephemeral_or_persistent_as_a_whole() {
    let mut store = NamingStore::default();
    store.register(&key(), connection("a"), vec![instance("1", "DEFAULT")], at(0)).unwrap();
    let durable = InstancePublisher::Durable("2".into(), 80);
    let refused = store.register(&key(), durable.clone(), vec![instance("2", "DEFAULT")], at(1));
    assert!(matches!(refused, Err(IllegalName::OtherLifetime { .. })));
    assert_eq!(seen(&store), ["1@DEFAULT"]);
    store.disconnect(&"a".into(), at(2));
    store.expire(at(60_002));
    store
        .register(&key(), durable, vec![instance("2", "DEFAULT")], at(60_003))
        .expect("the empty service was forgotten");
}

#[test]
fn the_empty_and_the_public_namespace_are_two() {
    let mut store = NamingStore::default();
    let unnamed = ServiceKey::new("", "g", "orders");
    store.register(&unnamed, connection("a"), vec![instance("1", "DEFAULT")], at(0)).unwrap();
    assert_eq!(seen(&store), [""; 0]);
    assert_eq!(store.list("").collect::<Vec<_>>(), [&unnamed]);
    assert_eq!(store.list("public").count(), 0);
}

#[test]
fn subscribers_see_no_disabled_instances_and_administrators_do() {
    let mut store = NamingStore::default();
    store.register(&key(), connection("a"), vec![instance("1", "DEFAULT"), instance("2", "DEFAULT")], at(0)).unwrap();
    let overlay = InstanceOverlay { weight: 0.5, enabled: false, metadata: BTreeMap::from([("x".into(), "y".into())]) };
    store.overlay(&key(), &InstanceId::new("1", 80, "DEFAULT"), overlay, at(1)).unwrap();
    assert_eq!(seen(&store), ["2@DEFAULT"]);
    let (_, all) = store.instances(&key()).unwrap();
    assert_eq!((all[0].enabled, all[0].weight, all[0].metadata.len()), (false, 0.5, 2));
    let missing = store.overlay(
        &ServiceKey::new("public", "g", "none"),
        &all[0].id,
        InstanceOverlay { weight: 1.0, enabled: true, metadata: BTreeMap::new() },
        at(2),
    );
    assert!(matches!(missing, Err(IllegalName::NoService(_))));
}

#[test]
fn a_patch_changes_what_it_names_and_nothing_else() {
    let mut store = NamingStore::default();
    let registered = RegisteredInstance { weight: 3.0, ..instance("1", "X") };
    store.register(&key(), connection("a"), vec![registered], at(0)).unwrap();
    let id = InstanceId::new("1", 80, "DEFAULT"); // Found by its address.
    let pair = |key: &str| BTreeMap::from([(key.to_owned(), "1".to_owned())]);
    for patch in [
        InstancePatch { metadata: pair("k"), ..InstancePatch::default() },
        InstancePatch { enabled: Some(false), ..InstancePatch::default() },
        InstancePatch { metadata: pair("l"), ..InstancePatch::default() },
    ] {
        assert_eq!(store.patch(&key(), &id, patch, at(1)), Ok(BeatOutcome::Known));
    }
    let (_, all) = store.instances(&key()).unwrap();
    assert_eq!((all[0].weight, all[0].enabled, all[0].metadata.len()), (3.0, false, 3));
    let unknown = store.patch(&key(), &InstanceId::new("2", 80, "X"), InstancePatch::default(), at(2));
    assert_eq!(unknown, Ok(BeatOutcome::Unknown));
}

#[test]
fn a_service_is_created_once_and_removed_when_it_is_empty() {
    let mut store = NamingStore::default();
    let settings = |threshold| NamingSettings { threshold, ..NamingSettings::default() };
    assert_eq!(store.change(&key(), settings(0.1), at(0)), Err(IllegalName::NoSuchService(key())));
    assert_eq!(store.remove(&key()), Err(IllegalName::NoSuchService(key())));
    store.create(&key(), InstanceLifetime::Ephemeral, settings(0.1), at(0)).unwrap();
    assert_eq!(
        store.create(&key(), InstanceLifetime::Ephemeral, settings(0.2), at(0)),
        Err(IllegalName::ServiceExists(key()))
    );
    store.change(&key(), settings(0.3), at(0)).unwrap();
    assert_eq!(store.settings(&key()), Some(settings(0.3)));
    store.register(&key(), connection("a"), vec![instance("1", "DEFAULT")], at(0)).unwrap();
    assert_eq!(store.remove(&key()), Err(IllegalName::ServiceNotEmpty(key())));
    store.withdraw(&key(), &connection("a"), at(1));
    store.remove(&key()).unwrap();
    assert_eq!(store.settings(&key()), None);
}

#[test]
fn an_operators_change_outlives_a_reconnect_of_the_registrant_for_a_minute() {
    for (name, gone_for, weight) in [("a short while", 59_000, 7.0), ("too long", 61_000, 1.0)] {
        let mut store = NamingStore::default();
        store.register(&key(), connection("other"), vec![instance("2", "DEFAULT")], at(0)).unwrap();
        store.register(&key(), connection("a"), vec![instance("1", "DEFAULT")], at(0)).unwrap();
        let overlay = InstanceOverlay { weight: 7.0, enabled: true, metadata: BTreeMap::new() };
        store.overlay(&key(), &InstanceId::new("1", 80, "DEFAULT"), overlay, at(0)).unwrap();
        store.disconnect(&"a".into(), at(1000));
        store.expire(at(1000));
        store.expire(at(1000 + gone_for));
        store.register(&key(), connection("b"), vec![instance("1", "DEFAULT")], at(1000 + gone_for)).unwrap();
        assert_eq!(store.instances(&key()).unwrap().1[0].weight, weight, "{name}");
    }
}

#[test]
fn too_few_healthy_instances_are_all_shown_as_healthy() {
    for (name, healthy, threshold, shown_healthy, protected) in [
        ("all are", vec![true, true], Some(0.0), 2, false),
        ("half are", vec![true, false], Some(0.0), 1, false),
        ("none is", vec![false, false], Some(0.0), 2, true),
        ("none is, of a service that nobody declared", vec![false, false], None, 0, false),
        ("half are, which is the threshold", vec![true, false], Some(0.5), 2, true),
        ("there are none", vec![], Some(0.5), 0, false),
    ] {
        let mut store = NamingStore::default();
        if let Some(threshold) = threshold {
            let settings = NamingSettings { threshold, ..NamingSettings::default() };
            store.create(&key(), InstanceLifetime::Ephemeral, settings, at(0)).unwrap();
        }
        let with = |(n, healthy): (usize, &bool)| RegisteredInstance {
            healthy: *healthy,
            ..instance(&n.to_string(), "DEFAULT")
        };
        let set: Vec<RegisteredInstance> = healthy.iter().enumerate().map(with).collect();
        let truly = healthy.iter().filter(|is| **is).count();
        if !set.is_empty() {
            store.register(&key(), connection("a"), set, at(0)).unwrap();
        }
        for selection in [InstanceSelection::Enabled, InstanceSelection::Healthy] {
            let snapshot = store.query(&key(), "", selection, at(0));
            let counted = snapshot.hosts.iter().filter(|host| host.healthy).count();
            assert_eq!((counted, snapshot.protected), (shown_healthy, protected), "{name}, {selection:?}");
        }
        assert_eq!(store.figures(&key()).unwrap().healthy, truly, "administrators see true health: {name}");
    }
}

#[test]
fn a_query_is_for_the_clusters_it_names() {
    let mut store = NamingStore::default();
    let set = vec![instance("1", "X"), instance("1", "Y"), instance("2", "Z")];
    store.register(&key(), connection("a"), set, at(0)).unwrap();
    for (clusters, want) in [("", 3), ("X", 1), ("X,Z", 2), ("none", 0)] {
        assert_eq!(store.query(&key(), clusters, InstanceSelection::Enabled, at(0)).hosts.len(), want, "{clusters}");
    }
}

#[test]
fn an_instance_that_stops_beating_gets_unhealthy_and_then_goes() {
    let mut store = NamingStore::default();
    let publisher = InstancePublisher::Beats("1".into(), 80);
    store.register(&key(), publisher, vec![instance("1", "DEFAULT")], at(0)).unwrap();
    store.register(&key(), connection("a"), vec![instance("2", "DEFAULT")], at(0)).unwrap();
    let healthy = |store: &NamingStore| store.figures(&key()).map(|listed| (listed.healthy, listed.instances));
    for (now, want) in [(14_999, (2, 2)), (15_000, (1, 2)), (29_999, (1, 2)), (30_000, (1, 1))] {
        store.expire(at(now));
        assert_eq!(healthy(&store), Some(want), "after {now} ms");
    }
    assert_eq!(store.beat(&key(), "1", 80, at(30_001)), BeatOutcome::Unknown);
}

#[test]
fn a_beat_makes_a_silent_instance_healthy_again_and_own_times_count() {
    let mut store = NamingStore::default();
    let mut quick = instance("1", "DEFAULT");
    quick.metadata.insert("preserved.heart.beat.timeout".into(), "100".into());
    store.register(&key(), InstancePublisher::Beats("1".into(), 80), vec![quick], at(0)).unwrap();
    store.expire(at(100));
    assert_eq!(store.figures(&key()).unwrap().healthy, 0);
    store.take_changed();
    assert_eq!(store.beat(&key(), "1", 80, at(101)), BeatOutcome::Known);
    assert_eq!(store.figures(&key()).unwrap().healthy, 1);
    assert_eq!(store.take_changed().len(), 1);
    store.beat(&key(), "1", 80, at(102));
    assert!(store.take_changed().is_empty(), "a beat alone is no change");
}

#[test]
fn the_revision_strictly_grows_with_every_change_even_if_the_clock_goes_back() {
    let mut store = NamingStore::default();
    let mut last = store.query(&key(), "", InstanceSelection::Enabled, at(5)).revision_ms;
    for (n, ms) in [5, 5, 5, 3, 0, 9, 9].into_iter().enumerate() {
        store.register(&key(), connection("a"), vec![instance(&n.to_string(), "DEFAULT")], at(ms)).unwrap();
        let revision = store.query(&key(), "", InstanceSelection::Enabled, at(ms)).revision_ms;
        assert!(revision > last, "change {n}");
        last = revision;
    }
}

#[test]
fn a_second_subscription_of_a_connection_replaces_the_first() {
    let mut store = NamingStore::default();
    let of =
        |store: &NamingStore| store.subscribers(&key()).map(|(_, clusters)| clusters.to_string()).collect::<Vec<_>>();
    store.subscribe(&key(), &"a".into(), "X");
    store.subscribe(&key(), &"a".into(), "Y");
    assert_eq!(of(&store), ["Y"]);
    assert_eq!(store.list("public").count(), 0, "subscribing creates no service");
    store.subscribe(&key(), &"b".into(), "");
    store.unsubscribe(&key(), &"a".into());
    assert_eq!(of(&store), [""]);
    store.disconnect(&"b".into(), at(0));
    assert!(of(&store).is_empty());
}

#[test]
fn an_empty_service_is_listed_for_a_minute() {
    let mut store = NamingStore::default();
    store.register(&key(), connection("a"), vec![instance("1", "DEFAULT")], at(0)).unwrap();
    store.withdraw(&key(), &connection("a"), at(10));
    assert!(!store.is_published(&key()));
    for (now, listed) in [(60_009, 1), (60_010, 0)] {
        store.expire(at(now));
        assert_eq!(store.list("public").count(), listed, "at {now}");
    }
}
