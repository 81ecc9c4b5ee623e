//! Damping through two gateways and a log: what routing goes by when an instance, or an origin, toggles.

use std::collections::BTreeSet;

use federation_core::freshness::Freshness;
use federation_core::id::InstanceId;
use federation_core::instance::{Health, Instance};
use federation_core::service::Revision;

use crate::random::NAMES;
use crate::world::{World, cluster, id, instance, service};
use crate::{freshness, settled_pair};

fn toggle(world: &mut World, health: Health) {
    let value = Instance { health, ..instance(1.0, true) };
    world.set("shanghai", &service("orders"), &id(20), Some(value));
}

fn health(world: &mut World, at: &str, of: &InstanceId) -> (Health, Health) {
    world.health(at, "shanghai", &service("orders"), of)
}

fn changed(world: &mut World, at: &str) -> bool {
    let core = &mut world.gateways.get_mut(&cluster(at)).unwrap().core;
    core.take_changed().services.contains_key(&service("orders"))
}

fn effective_freshness(world: &mut World, at: &str, of: &str) -> (Freshness, Revision) {
    let clusters = world.clusters(at);
    let status = clusters.into_iter().find(|status| status.id == cluster(of)).unwrap();
    (status.effective, status.freshness_revision)
}

#[test]
fn an_instance_that_toggles_every_second_falls_once_everywhere_and_rises_once_it_rests() {
    let mut world = settled_pair();
    let mut seen = [const { Vec::new() }; 2];
    for second in 0..30 {
        toggle(&mut world, if second % 2 == 0 { Health::Unhealthy } else { Health::Healthy });
        for _ in 0..20 {
            world.run(50);
            for (at, seen) in NAMES.iter().zip(&mut seen) {
                seen.push(health(&mut world, at, &id(20)).0);
            }
        }
    }
    for seen in &mut seen {
        seen.dedup();
        assert!(matches!(seen[..], [Health::Unhealthy] | [Health::Healthy, Health::Unhealthy]), "{seen:?}");
    }
    world.run(3_000);
    for at in NAMES {
        assert_eq!(health(&mut world, at, &id(20)), (Health::Unhealthy, Health::Healthy), "{at}");
        assert_eq!(health(&mut world, at, &id(21)), (Health::Healthy, Health::Healthy), "{at}");
        changed(&mut world, at);
    }
    world.run(3_000);
    for at in NAMES {
        assert!(changed(&mut world, at), "the end of a hold has to be shown by {at}");
        assert_eq!(health(&mut world, at, &id(20)), (Health::Healthy, Health::Healthy), "{at}");
    }
}

#[test]
fn a_removal_ends_what_was_remembered() {
    let mut world = settled_pair();
    toggle(&mut world, Health::Unhealthy);
    world.run(1_000);
    world.set("shanghai", &service("orders"), &id(20), None);
    world.run(1_000);
    toggle(&mut world, Health::Healthy);
    world.run(500);
    for at in NAMES {
        assert_eq!(health(&mut world, at, &id(20)), (Health::Healthy, Health::Healthy), "{at}");
    }
}

#[test]
fn history_in_the_log_is_not_taken_for_a_recovery_by_a_gateway_that_starts() {
    let mut world = settled_pair();
    toggle(&mut world, Health::Unhealthy);
    world.run(1_000);
    toggle(&mut world, Health::Healthy);
    world.run(20_000);
    world.restart("frankfurt");
    world.run(500);
    assert_eq!(health(&mut world, "frankfurt", &id(20)), (Health::Healthy, Health::Healthy));
}

#[test]
fn a_gateway_that_starts_remembers_from_then_on() {
    let mut world = settled_pair();
    toggle(&mut world, Health::Unhealthy);
    world.run(1_000);
    world.restart("frankfurt");
    world.run(1_000);
    toggle(&mut world, Health::Healthy);
    world.run(1_000);
    assert_eq!(health(&mut world, "frankfurt", &id(20)), (Health::Unhealthy, Health::Healthy));
    world.run(6_000);
    assert_eq!(health(&mut world, "frankfurt", &id(20)), (Health::Healthy, Health::Healthy));
}

#[test]
fn an_origin_first_heard_counts_at_once_and_one_that_recovers_after_its_hold() {
    let mut world = World::new(1, &NAMES);
    world.run(3_000);
    let (effective, first) = effective_freshness(&mut world, "frankfurt", "shanghai");
    assert_eq!(effective, Freshness::Live);

    world.cut_nacos("shanghai");
    let mut revisions = BTreeSet::from([first]);
    for _ in 0..30 {
        world.run(500);
        revisions.insert(effective_freshness(&mut world, "frankfurt", "shanghai").1);
    }
    assert_eq!(freshness(&mut world, "frankfurt", "shanghai"), Freshness::Stale);
    world.nacos("shanghai").up = true;
    let mut rise = Vec::new();
    for half_second in 0..40 {
        world.run(500);
        let (effective, revision) = effective_freshness(&mut world, "frankfurt", "shanghai");
        revisions.insert(revision);
        if freshness(&mut world, "frankfurt", "shanghai") == Freshness::Live && effective == Freshness::Stale {
            rise.push(half_second);
        }
    }
    assert!((19..=21).contains(&rise.len()), "live and still held back for 10 s: {rise:?}");
    assert_eq!(effective_freshness(&mut world, "frankfurt", "shanghai").0, Freshness::Live);
    assert_eq!(revisions.len(), 4, "stale, then live, then effectively live");
}
