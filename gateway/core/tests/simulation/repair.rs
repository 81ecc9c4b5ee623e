//! Comparison and repair (rules R17 and R18): what a reader does that does not have what the origin states.

use federation_core::federation::Counts;
use federation_core::freshness::Freshness;
use federation_core::id::ClusterId;
use federation_core::log::control::{ControlKey, ControlValue};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{PartitionId, RecordBody, TopicKind};

use crate::world::{PARTITIONS, STEP, World, cluster, foreign, id, instance, service};
use crate::{freshness, settled_pair, truth};

const S: &str = "shanghai";
const F: &str = "frankfurt";

/// Where the instances of `orders` stand.
fn place() -> PartitionId {
    let key = DataKey::Instance(service("orders"), id(20));
    PartitionId { origin: cluster(S), topic: TopicKind::Instances, partition: key.partition(PARTITIONS) }
}

fn counts(world: &World, at: &str, of: &str) -> Counts {
    let of: ClusterId = cluster(of);
    world.gateways[&cluster(at)].core.counts().find(|(id, _)| **id == of).unwrap().1
}

/// A pair of which frankfurt never got the removal of one of shanghai's instances.
fn with_a_ghost() -> World {
    let mut world = settled_pair();
    world.log.deaf.insert(cluster(F));
    world.set(S, &service("orders"), &id(20), None);
    world.run(500);
    assert_eq!(world.log.data[&place()].last().unwrap().body, RecordBody::Tombstone);
    world.skip(F, &place());
    world.log.deaf.clear();
    world
}

fn shown(world: &mut World) -> usize {
    world.shown(F, S, &service("orders")).len()
}

fn complaints(world: &World, of: &str) -> Vec<String> {
    let records = world.log.control[&cluster(of)].iter().rev();
    let replica = |value: &Option<ControlValue>| match value {
        Some(ControlValue::Replica(replica)) => Some(replica.complaints.clone()),
        _ => None,
    };
    let last = records.filter(|record| matches!(record.key, ControlKey::Replica(_))).find_map(|it| replica(&it.value));
    last.unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn a_reader_that_missed_a_removal_reads_anew_at_the_second_mismatch_and_drops_only_that() {
    let mut world = with_a_ghost();
    let mut mismatches_when_read_anew = None;
    for _ in 0..2_000 {
        world.run(STEP);
        assert!((2..=3).contains(&shown(&mut world)), "what is served while it is read anew is what it was");
        if world.read_anew > 0 {
            mismatches_when_read_anew.get_or_insert(counts(&world, F, S).mismatched);
        }
    }
    assert_eq!(mismatches_when_read_anew, Some(2), "a single one may be a late write");
    assert_eq!(world.shown(F, S, &service("orders")), truth(&mut world, S));
    assert_eq!((world.read_anew, counts(&world, F, S).replaced), (1, 1));
    assert_eq!(freshness(&mut world, F, S), Freshness::Live);
    assert_eq!(world.gateways[&cluster(F)].core.incomplete().count(), 0);
}

#[test]
fn a_single_mismatch_is_not_acted_on() {
    let mut world = settled_pair();
    world.log.misstates.insert(cluster(S));
    world.set(S, &service("orders"), &id(20), Some(instance(2.0, true)));
    while counts(&world, F, S).mismatched == 0 {
        world.run(STEP);
    }
    world.log.misstates.clear();
    world.run(180_000);
    assert_eq!((world.read_anew, counts(&world, F, S).mismatched), (0, 1));
    assert_eq!(freshness(&mut world, F, S), Freshness::Live);
}

#[test]
fn a_checkpoint_met_after_a_long_silence_of_the_reader_is_not_compared() {
    let mut world = settled_pair();
    world.log.deaf.insert(cluster(F));
    world.run(40_000);
    world.log.misstates.insert(cluster(S));
    world.set(S, &service("orders"), &id(20), Some(instance(2.0, true)));
    world.run(12_000);
    world.log.misstates.clear();
    world.log.deaf.clear();
    world.run(2_000);
    assert_eq!(counts(&world, F, S).mismatched, 0, "compaction may have taken what stood before it");
}

#[test]
fn a_checkpoint_that_is_repeated_is_compared_once() {
    let mut world = settled_pair();
    let stated = world.log.data[&place()].iter().rev().find(|it| it.key == RecordKey::Checkpoint).unwrap().clone();
    world.set(S, &service("orders"), &id(20), Some(instance(2.0, true)));
    world.run(1_000);
    for _ in 0..3 {
        let records = world.log.data.get_mut(&place()).unwrap();
        let offset = u64::try_from(records.len()).unwrap();
        records.push(federation_core::log::record::Record { offset, ..stated.clone() });
        world.run(STEP);
    }
    assert_eq!(counts(&world, F, S).mismatched, 0, "a mirror repeats what was true once");
}

#[test]
fn what_is_unequal_again_after_it_was_read_anew_is_diverged_and_the_old_state_goes_on() {
    let mut world = settled_pair();
    world.log.misstates.insert(cluster(S));
    for round in 0..100u32 {
        world.set(S, &service("orders"), &id(20), Some(instance(f64::from(round % 7), true)));
        world.run(5_000);
        assert_eq!(world.shown(F, S, &service("orders")), truth(&mut world, S), "changes still come, round {round}");
    }
    let diverged: Vec<PartitionId> = world.gateways[&cluster(F)].core.diverged().collect();
    assert!(diverged.contains(&place()), "{diverged:?}");
    assert_eq!(freshness(&mut world, F, S), Freshness::Stale);
    let complaints = complaints(&world, F).join("\n");
    assert!(complaints.contains("diverged") && complaints.contains("shanghai instances-"), "{complaints}");
    let of_this = |world: &World| counts(world, F, S).restarted;
    let restarted = of_this(&world);
    assert!(restarted <= 4, "each of four partitions once in ten minutes at most, not {restarted}");
    world.log.misstates.clear();
    world.run(130_000);
    assert_eq!(world.gateways[&cluster(F)].core.diverged().count(), 0);
    assert_eq!(freshness(&mut world, F, S), Freshness::Live);
    assert_eq!(of_this(&world), restarted, "a later checkpoint that is equal is enough");
}

#[test]
fn a_leader_compares_its_own_checkpoints_and_reads_its_own_log_anew() {
    let mut world = settled_pair();
    let sends = world.gateways[&cluster(S)].data_sends;
    world.log.misstates.insert(cluster(S)); // What it sent is not what arrived.
    world.run(150_000);
    assert!(counts(&world, S, S).mismatched >= 2 && counts(&world, S, S).restarted >= 1);
    world.log.misstates.clear();
    world.run(130_000);
    assert_eq!(world.gateways[&cluster(S)].core.incomplete().count(), 0);
    assert_eq!(world.gateways[&cluster(S)].data_sends, sends, "nothing was missing, so nothing is written");
    assert_eq!(world.shown(F, S, &service("orders")), truth(&mut world, S));
}

/// A pair of which shanghai's own reader never got what somebody wrote over one of its instances: what it states is not what its log has.
fn with_a_blind_spot() -> World {
    let mut world = settled_pair();
    foreign(&mut world, S, DataKey::Instance(service("orders"), id(20)), instance(9.0, true), 0);
    world.skip(S, &place());
    world
}

#[test]
fn what_the_leader_itself_missed_is_mended_once_its_readers_say_diverged() {
    let mut world = with_a_blind_spot();
    let sends = world.gateways[&cluster(S)].data_sends;
    let mut complained = false;
    for _ in 0..40 {
        world.run(10_000);
        complained |= world.gateways[&cluster(F)].core.diverged().any(|it| it == place());
    }
    assert!(complained, "its checkpoints prove readers wrong");
    assert_eq!(world.shown(F, S, &service("orders")), truth(&mut world, S));
    assert_eq!(world.gateways[&cluster(S)].data_sends, sends + 1, "what differs is written, and nothing else");
    let restarted = counts(&world, S, S).restarted;
    assert_eq!(restarted, u64::from(2 * PARTITIONS), "each own partition was read anew once");
    world.run(130_000);
    assert_eq!(world.gateways[&cluster(F)].core.diverged().count(), 0);
    assert_eq!(freshness(&mut world, F, S), Freshness::Live);
    world.run(1_200_000);
    assert_eq!(counts(&world, S, S).restarted, restarted, "a complaint that ended is not followed again");
}

#[test]
fn what_diverged_is_mended_by_the_next_reading_once_it_is_right() {
    let mut world = settled_pair();
    for weight in [5.0, 6.0] {
        world.set(S, &service("orders"), &id(21), Some(instance(weight, true)));
        world.run(15_000); // With a checkpoint after each.
    }
    world.log.deaf.insert(cluster(F));
    world.set(S, &service("orders"), &id(20), Some(instance(2.0, true)));
    world.run(500);
    world.skip(F, &place());
    world.log.deaf.clear();
    world.log.misstates.insert(cluster(S)); // What is read anew is called wrong, too.
    while world.gateways[&cluster(F)].core.diverged().all(|it| it != place()) {
        world.run(1_000);
    }
    world.log.misstates.clear();
    assert_ne!(world.shown(F, S, &service("orders")), truth(&mut world, S));
    world.log.turn = Some(1);
    for _ in 0..14_000 {
        world.run(STEP);
        let shown = world.shown(F, S, &service("orders"));
        assert_eq!(shown[&id(21)], instance(6.0, true), "what is read anew does not pass through what is served");
    }
    assert_eq!(world.shown(F, S, &service("orders")), truth(&mut world, S), "it was read anew ten minutes later");
    assert_eq!(world.gateways[&cluster(F)].core.diverged().count(), 0);
}
