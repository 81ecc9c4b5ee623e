//! Further situations of the kinds in `found.rs`: takeovers, silent readers, proofs, lost beginnings, and what a step may cost.

use std::collections::BTreeMap;

use federation_core::freshness::Freshness;
use federation_core::input::{Effect, Input, LocalInput, LogInput};
use federation_core::lease::ReplicaRole;
use federation_core::log::key::DataKey;
use federation_core::log::record::{PartitionId, TopicKind};
use federation_core::time::{Millis, Mono, WallMs};

use crate::world::{Nacos, PARTITIONS, STEP, World, cluster, core, foreign, id, instance, service};
use crate::{freshness, settled_pair, truth};

const S: &str = "shanghai";
const F: &str = "frankfurt";

fn count(world: &mut World, at: &str, of: &str) -> usize {
    world.shown(at, of, &service("orders")).len()
}

#[test]
fn what_only_the_former_leader_saw_leaves_after_the_hold_and_not_before() {
    let mut world = settled_pair();
    let services = world.nacos(S).services.clone();
    let nacos = Nacos { up: true, reads_allowed: true, services, ..Nacos::default() };
    world.start_replica(&cluster("standby"), &cluster(S), nacos);
    world.run(30_000);
    world.set(S, &service("ghosts"), &id(9), Some(instance(1.0, true)));
    world.run(1_000);
    let ghosts = |world: &mut World| world.shown(F, S, &service("ghosts")).len();
    assert_eq!(ghosts(&mut world), 1);
    world.kill(S);
    world.run(15_000);
    assert_eq!(ghosts(&mut world), 1, "its nacos may be about to hear of it");
    world.run(60_000);
    assert_eq!(ghosts(&mut world), 0, "and it never did");
}

#[test]
fn a_reader_that_gets_nothing_while_others_are_answered_is_isolated_and_demotes_nobody() {
    let mut world = settled_pair();
    world.log.no_fetch.insert(cluster(F));
    for _ in 0..1_200 {
        world.run(STEP);
        assert_ne!(freshness(&mut world, F, S), Freshness::Lost);
        assert_eq!(count(&mut world, F, S), 3);
    }
    assert_eq!(freshness(&mut world, F, S), Freshness::Isolated);
    world.log.no_fetch.clear();
    world.run(3_000);
    assert_eq!(freshness(&mut world, F, S), Freshness::Live);
}

#[test]
fn a_data_partition_that_does_not_come_makes_its_origin_stale() {
    let mut world = settled_pair();
    let key = DataKey::Instance(service("orders"), id(20));
    let place = PartitionId { origin: cluster(S), topic: TopicKind::Instances, partition: key.partition(PARTITIONS) };
    for round in 0..15 {
        let end = 1_000 + round; // More and more, of which nothing comes.
        world.tell(&cluster(F), Input::Log(LogInput::EndOffset { partition: place.clone(), end }));
        world.now += 1_000;
        // Only the control topic is heard.
        let control = PartitionId { origin: cluster(S), topic: TopicKind::Control, partition: 0 };
        let records = world.log.control[&cluster(S)].clone();
        world.tell(&cluster(F), Input::Log(LogInput::Control { origin: cluster(S), records }));
        let next_offset = u64::try_from(world.log.control[&cluster(S)].len()).unwrap();
        world.tell(&cluster(F), Input::Log(LogInput::AtEnd { partition: control, next_offset }));
    }
    let clusters = world.clusters(F);
    let status = clusters.into_iter().find(|status| status.id == cluster(S)).unwrap();
    assert_ne!(status.freshness, Freshness::Live, "{}", status.reason);
}

#[test]
fn a_newcomer_that_reads_less_than_the_origin_stated_says_so() {
    let mut world = settled_pair();
    world.run(60_000);
    // The log's beginning is gone: retention, or somebody's delete-records. The origin does not know yet.
    world.log.purged = world.log.data.iter().map(|(place, records)| (place.clone(), records.len().min(2))).collect();
    world.restart(F);
    for _ in 0..2_000 {
        world.run(STEP);
    }
    assert!(count(&mut world, F, S) < 3, "there is less in the log");
    let clusters = world.clusters(F);
    let status = clusters.into_iter().find(|status| status.id == cluster(S)).unwrap();
    assert_eq!((status.freshness, status.reason.contains("incomplete")), (Freshness::Stale, true), "{}", status.reason);
    assert!(world.gateways[&cluster(F)].core.incomplete().any(|id| *id == cluster(S)));
    // Its reader notices that the beginning moved, and reads anew.
    for topic in TopicKind::DATA {
        for partition in 0..PARTITIONS {
            let place = PartitionId { origin: cluster(S), topic, partition };
            world.begin_anew(S, &place);
        }
    }
    world.run(90_000);
    assert_eq!(world.shown(F, S, &service("orders")), truth(&mut world, S), "stated again");
    assert_eq!(freshness(&mut world, F, S), Freshness::Live);
}

#[test]
fn what_a_snapshot_had_and_the_log_lost_is_not_written_again() {
    let mut world = settled_pair();
    let services = world.nacos(S).services.clone();
    let nacos = Nacos { up: true, reads_allowed: true, services, ..Nacos::default() };
    world.start_replica(&cluster("standby"), &cluster(S), nacos);
    world.run(30_000);
    let snapshot = world.gateways[&cluster(S)].core.snapshot();
    let nacos = std::mem::take(world.nacos(S));
    world.kill(S);
    world.run(60_000); // The standby leads.
    world.set("standby", &service("orders"), &id(20), None);
    world.run(5_000);
    assert_eq!(count(&mut world, F, S), 2, "removed while the other process was away");
    world.start_replica(&cluster(S), &cluster(S), Nacos { services: BTreeMap::new(), ..nacos });
    world.take_up(S, snapshot);
    let services = world.nacos("standby").services.clone();
    world.nacos(S).services = services;
    for _ in 0..1_200 {
        world.run(STEP);
        assert_eq!(count(&mut world, F, S), 2);
    }
    assert_eq!(count(&mut world, S, S), 2);
}

#[test]
fn a_foreign_record_is_overruled_without_doubting_the_whole_service() {
    let mut world = settled_pair();
    let ghost = DataKey::Instance(service("orders"), id(66));
    foreign(&mut world, S, ghost, instance(9.0, true), 0);
    world.run(3_000);
    assert_eq!(world.shown(F, S, &service("orders")), truth(&mut world, S), "read at once: the list is settled");
}

#[test]
fn a_deposed_leader_wants_no_tick_at_once_and_has_nothing_to_write() {
    let mut world = settled_pair();
    world.log.refuses.insert(cluster(S));
    world.set(S, &service("orders"), &id(20), Some(instance(7.0, true)));
    world.run(5_000);
    let rival = federation_core::log::record::Epoch { term: 99, nonce: 5 };
    let header = federation_core::log::record::RecordHeader { schema: 1, epoch: rival, seq: 1, observed: WallMs(0) };
    let replica = crate::found::replica(5, 99, 1);
    let offset = u64::try_from(world.log.control[&cluster(S)].len()).unwrap();
    world.log.control.get_mut(&cluster(S)).unwrap().push(federation_core::log::record::ControlRecord {
        offset,
        key: federation_core::log::control::ControlKey::Replica(5),
        header: Some(header),
        value: Some(federation_core::log::control::ControlValue::Replica(replica)),
        signed: Default::default(),
    });
    world.run(1_000);
    let core = &world.gateways[&cluster(S)].core;
    assert_eq!(core.role(), ReplicaRole::Standby);
    assert!(core.next_deadline(Mono(world.now)) > Mono(world.now));
    world.set(S, &service("orders"), &id(21), Some(instance(7.0, true)));
    world.run(2_000);
    let core = &world.gateways[&cluster(S)].core;
    let waits = (core.publisher().in_flight(), core.publisher().waiting(), core.unpublished_age(Mono(world.now)));
    assert_eq!((core.role(), waits), (ReplicaRole::Standby, (0, 0, Millis(0))), "what is new is its successor's");
}

#[test]
fn a_start_with_many_services_takes_a_bounded_number_of_steps_and_each_asks_for_little() {
    const SERVICES: usize = 20_000;
    let mut core = core(&cluster(S), 1);
    let mut now = 0;
    let at = |now: u64| federation_core::time::Now { mono: Mono(now), wall: WallMs(now) };
    let names: Vec<_> = (0..SERVICES).map(|number| service(&format!("s{number}"))).collect();
    let told = [LocalInput::Connected, LocalInput::Catalog { namespace: "public".into(), services: names.clone() }];
    for input in told {
        drop(core.step(at(now), Input::Local(input)));
    }
    // Nobody lists them for two minutes: a busy nacos.
    let mut ticks = 0;
    while now < 120_000 {
        now = core.next_deadline(Mono(now)).0.max(now);
        let effects = core.step(at(now), Input::Tick);
        assert!(effects.len() <= 600, "{} at once", effects.len());
        ticks += 1;
    }
    assert!(ticks < 1_000, "{ticks} ticks while nothing is due");
    let mut reads = 0;
    for name in names {
        let input = LocalInput::Listed { service: name, instances: Vec::new(), protected: false };
        drop(core.step(at(now), Input::Local(input)));
    }
    while now < 600_000 {
        now = core.next_deadline(Mono(now)).0.max(now);
        let effects = core.step(at(now), Input::Tick);
        assert!(effects.len() <= 600, "{} at once", effects.len());
        reads += effects.iter().filter(|effect| matches!(effect, Effect::ReadService(_))).count();
    }
    assert!(reads >= SERVICES, "{reads} of {SERVICES} were swept");
}

#[test]
fn a_takeover_of_many_services_is_made_in_slices_and_loses_none() {
    let mut world = World::new(5, &[S, F]);
    for number in 0..3_000u64 {
        let name = service(&format!("s{number}"));
        world.set(S, &name, &id(number % 200), Some(instance(1.0, true)));
    }
    world.run(60_000);
    let shown = |world: &World| world.gateways[&cluster(F)].core.size(&cluster(S)).instances;
    assert_eq!(shown(&world), 3_000);
    world.restart(S);
    let sends = world.gateways[&cluster(S)].data_sends;
    world.run(60_000);
    assert!(world.gateways[&cluster(S)].core.has_taken_over());
    assert_eq!((shown(&world), world.gateways[&cluster(S)].data_sends - sends), (3_000, 0));
}
