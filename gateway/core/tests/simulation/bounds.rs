//! What a cluster may cost those who read it, and what a storm of restarts may cost the log.

use federation_core::federation::OriginLimit;
use federation_core::log::bounds::OriginBounds;
use federation_core::log::key::RecordKey;

use crate::settled_pair;
use crate::world::{World, cluster, core, id, instance, service};

const S: &str = "shanghai";
const F: &str = "frankfurt";

/// Services and instances of each that restart at once.
const SERVICES: u64 = 500;
const EACH: u64 = 10;

/// Frankfurt takes three instances of a cluster, shanghai has as many.
fn bounded_pair() -> World {
    let mut world = World::new(1, &[F, S]);
    let bounds = OriginBounds { facts: 3, ..OriginBounds::default() };
    world.gateways.get_mut(&cluster(F)).unwrap().core = core(&cluster(F), 7).bounded(bounds);
    for number in 20..23 {
        world.set(S, &service("orders"), &id(number), Some(instance(1.0, true)));
    }
    world.run(30_000);
    world
}

fn shown(world: &mut World) -> Vec<f64> {
    world.shown(F, S, &service("orders")).values().map(|instance| instance.weight.get()).collect()
}

#[test]
fn over_a_limit_what_is_new_is_not_shown_what_is_known_stays_and_the_limit_is_named_until_there_is_room() {
    let mut world = bounded_pair();
    let over = |world: &World| world.gateways[&cluster(F)].core.over_limits();
    assert_eq!((shown(&mut world), over(&world)), (vec![1.0; 3], Vec::new()));
    world.set(S, &service("orders"), &id(23), Some(instance(1.0, true)));
    world.run(1_000);
    assert_eq!(shown(&mut world), [1.0; 3], "a fourth one has no room");
    assert_eq!(over(&world), [(cluster(S), OriginLimit::Items, 1)]);
    world.set(S, &service("orders"), &id(20), Some(instance(2.0, true)));
    world.run(1_000);
    assert_eq!(shown(&mut world), [2.0, 1.0, 1.0], "what is known goes on");
    assert_eq!(world.shown(F, F, &service("orders")).len(), 0);
    world.set(S, &service("orders"), &id(20), None);
    world.run(5_000);
    assert_eq!(shown(&mut world), [1.0; 2]);
    // Two checkpoints do not agree, so it is read anew; compaction took what was removed, so now there is room.
    world.log.compacted = world.log.data.iter().map(|(place, records)| (place.clone(), records.len())).collect();
    world.run(300_000);
    assert_eq!((shown(&mut world), over(&world)), (vec![1.0; 3], Vec::new()));
}

/// Records of facts in shanghai's topics.
fn records(world: &World) -> usize {
    let of = world.log.data.iter().filter(|(place, _)| place.origin == cluster(S));
    of.flat_map(|(_, records)| records).filter(|record| matches!(record.key, RecordKey::Data(_))).count()
}

fn register_all(world: &mut World, weight: f64) {
    for number in 0..SERVICES {
        for each in 0..EACH {
            world.set(S, &service(&format!("s{number}")), &id(each), Some(instance(weight, true)));
        }
    }
}

fn pair_with_a_large_registry() -> World {
    let mut world = settled_pair();
    register_all(&mut world, 1.0);
    world.run(30_000);
    world
}

#[test]
fn five_thousand_instances_that_go_and_come_back_within_the_hold_cost_no_record() {
    let mut world = pair_with_a_large_registry();
    let before = records(&world);
    assert!(before >= usize::try_from(SERVICES * EACH).unwrap());
    world.restart_nacos(S);
    world.run(5_000);
    world.clients_register_anew(S);
    world.run(40_000);
    assert_eq!(records(&world), before);
    assert_eq!(world.shown(F, S, &service("s7")).len(), usize::try_from(EACH).unwrap());
}

#[test]
fn five_thousand_instances_that_change_five_times_while_the_log_is_away_cost_one_record_each() {
    let mut world = pair_with_a_large_registry();
    let before = records(&world);
    world.log.up = false;
    world.run(4_000); // Without permission nothing is sent.
    for weight in [2.0, 3.0, 4.0, 5.0, 6.0] {
        register_all(&mut world, weight);
        world.run(1_000);
    }
    assert_eq!(records(&world), before);
    world.log.up = true;
    world.run(60_000);
    assert_eq!(records(&world) - before, usize::try_from(SERVICES * EACH).unwrap());
    let shown = world.shown(F, S, &service("s7"));
    assert!(shown.values().all(|instance| instance.weight.get() > 5.5), "{shown:?}");
}
