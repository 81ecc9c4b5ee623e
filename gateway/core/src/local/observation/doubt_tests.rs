//! Removals that nothing confirms or refutes, on a virtual clock.

use super::*;
use crate::instance::{Health, Metadata, Weight};

const PATIENCE: RemovalPatience =
    RemovalPatience { removal_hold: Millis::from_secs(15), sweep_interval: Millis::from_secs(300) };

fn at(seconds: u64) -> Mono {
    Mono(seconds * 1000)
}

fn instances(ips: &[&str]) -> Vec<(InstanceId, Instance)> {
    let healthy = || Instance {
        weight: Weight::DEFAULT,
        health: Health::Healthy,
        enabled: true,
        ephemeral: true,
        metadata: Metadata::default(),
    };
    ips.iter().map(|ip| (InstanceId::new(ip, 80, "DEFAULT"), healthy())).collect()
}

/// Nacos is heard each second from `from` until `to`. Returns what changed.
fn hear(local: &mut LocalObservation, from: u64, to: u64) -> Vec<DataKey> {
    let hear = |now| local.step(at(now), LocalInput::Heard, &|_| false, &mut Vec::new());
    (from..=to).flat_map(hear).collect()
}

/// A service with two instances on a settled connection, one of which goes missing at 100 s. No read of it is answered.
fn one_missing() -> (LocalObservation, ServiceKey) {
    let mut local = LocalObservation::new(PATIENCE, NameSelection::everything(), Seed(1));
    let service = ServiceKey::new("public", "G", "s");
    let step = |local: &mut LocalObservation, now, input| {
        drop(local.step(at(now), input, &|_| false, &mut Vec::new()));
    };
    step(&mut local, 0, LocalInput::Connected);
    step(&mut local, 0, LocalInput::Discovered(service.clone()));
    let mut heard = 0;
    for (now, ips) in [(0, &["10.0.0.1", "10.0.0.2"][..]), (50, &["10.0.0.1", "10.0.0.2"]), (100, &["10.0.0.1"])] {
        let listed = LocalInput::Listed { service: service.clone(), instances: instances(ips), protected: false };
        drop(hear(&mut local, heard, now));
        heard = now;
        step(&mut local, now, listed);
    }
    (local, service)
}

fn health(local: &LocalObservation, service: &ServiceKey) -> Vec<Health> {
    let found = local.service(service).expect("it was listed");
    found.instances().map(|(_, instance, _)| instance.health).collect()
}

#[test]
fn a_removal_that_nothing_confirms_for_a_minute_is_told_and_lowers_the_health_once() {
    let (mut local, service) = one_missing();
    assert_eq!(hear(&mut local, 101, 159), []);
    assert_eq!(health(&local, &service), [Health::Healthy, Health::Healthy]);
    assert_eq!(local.unconfirmed().len(), 0);
    let id = InstanceId::new("10.0.0.2", 80, "DEFAULT");
    assert_eq!(hear(&mut local, 160, 160), [DataKey::Instance(service.clone(), id)]);
    assert_eq!(health(&local, &service), [Health::Healthy, Health::Unknown]);
    let told: Vec<_> = local.unconfirmed().collect();
    assert_eq!(told, [(&service, &UnconfirmedRemovals { since: at(100), instances: 1 })]);
    assert_eq!(hear(&mut local, 161, 400), [], "once");
}

#[test]
fn a_doubted_instance_is_itself_again_when_it_is_listed_and_gone_when_a_read_says_so() {
    for answer in [
        LocalInput::Listed {
            service: ServiceKey::new("public", "G", "s"),
            instances: instances(&["10.0.0.1", "10.0.0.2"]),
            protected: false,
        },
        LocalInput::Read {
            service: ServiceKey::new("public", "G", "s"),
            reading: ServiceReading::All(instances(&["10.0.0.1"])),
        },
    ] {
        let (mut local, service) = one_missing();
        drop(hear(&mut local, 101, 160));
        local.tick(at(160), &mut Vec::new()); // Asks for a read.
        drop(local.step(at(161), answer, &|_| false, &mut Vec::new()));
        assert!(health(&local, &service).iter().all(|health| *health == Health::Healthy));
        assert_eq!(local.unconfirmed().len(), 0);
    }
}

#[test]
fn what_cannot_be_asked_is_not_doubted_and_a_new_connection_has_its_own_time() {
    let (mut local, service) = one_missing();
    let step = |local: &mut LocalObservation, now, input| local.step(at(now), input, &|_| false, &mut Vec::new());
    drop(step(&mut local, 110, LocalInput::Disconnected { reason: "gone".into() }));
    assert_eq!(step(&mut local, 500, LocalInput::Connected), []);
    assert_eq!(hear(&mut local, 501, 559), []);
    assert_eq!(health(&local, &service), [Health::Healthy, Health::Healthy]);
    assert_eq!(step(&mut local, 560, LocalInput::Heard).len(), 1);
}

#[test]
fn a_sick_instance_is_not_thought_better_of_for_being_missing() {
    let (mut local, service) = one_missing();
    let mut sick = instances(&["10.0.0.1"]);
    sick[0].1.health = Health::Unhealthy;
    let listed = |instances| LocalInput::Listed { service: service.clone(), instances, protected: false };
    drop(local.step(at(101), listed(sick), &|_| false, &mut Vec::new()));
    drop(local.step(at(102), listed(Vec::new()), &|_| false, &mut Vec::new()));
    assert_eq!(hear(&mut local, 103, 162).len(), 1);
    assert_eq!(health(&local, &service), [Health::Unhealthy, Health::Unknown]);
    let told: Vec<_> = local.unconfirmed().map(|(_, found)| found.instances).collect();
    assert_eq!(told, [2]);
}

#[test]
fn many_doubts_at_once_are_spread_over_steps() {
    let mut local = LocalObservation::new(PATIENCE, NameSelection::everything(), Seed(1));
    let service = |number: usize| ServiceKey::new("public", "G", &number.to_string());
    drop(local.step(at(0), LocalInput::Connected, &|_| false, &mut Vec::new()));
    let mut heard = 0;
    for (now, ips) in [(0, &["10.0.0.1"][..]), (50, &["10.0.0.1"]), (100, &[])] {
        drop(hear(&mut local, heard, now));
        heard = now;
        for number in 0..600 {
            drop(local.step(at(now), LocalInput::Discovered(service(number)), &|_| false, &mut Vec::new()));
            let instances = instances(ips);
            let listed = LocalInput::Listed { service: service(number), instances, protected: false };
            drop(local.step(at(now), listed, &|_| false, &mut Vec::new()));
        }
    }
    drop(hear(&mut local, 101, 159));
    let counts: Vec<usize> =
        (0..4).map(|_| local.step(at(160), LocalInput::Heard, &|_| false, &mut Vec::new()).len()).collect();
    assert_eq!(counts, [256, 256, 88, 0]);
    assert_eq!(local.unconfirmed().len(), 600);
}
