//! Situations in which the core broke a rule of the log or an invariant: each was red when it was found.

use std::collections::BTreeMap;

use federation_core::freshness::Freshness;
use federation_core::input::{ConfigReading, Input, LocalInput, LogInput};
use federation_core::lease::ReplicaRole;
use federation_core::log::control::{ControlKey, ControlValue, Descriptor, ReplicaRecord, ReplicaState};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{ControlRecord, Epoch, PartitionId, Record, RecordBody, RecordHeader, TopicKind};
use federation_core::service::ClusterStatus;
use federation_core::time::{Millis, Mono, WallMs};

use crate::world::{Nacos, PARTITIONS, STEP, World, cluster, core, id, instance, service};
use crate::{freshness, settled_pair, truth};

const S: &str = "shanghai";
const F: &str = "frankfurt";

fn count(world: &mut World, at: &str, of: &str, name: &str) -> usize {
    world.shown(at, of, &service(name)).len()
}

/// Shanghai with a warm standby that sees another node of the same Nacos.
pub(crate) fn with_standby() -> World {
    let mut world = settled_pair();
    let services = world.nacos(S).services.clone();
    let nacos = Nacos { up: true, reads_allowed: true, services, ..Nacos::default() };
    world.start_replica(&cluster("standby"), &cluster(S), nacos);
    world.run(30_000);
    assert_eq!(world.gateways[&cluster(S)].core.role(), ReplicaRole::Leading);
    assert_eq!(world.gateways[&cluster("standby")].core.role(), ReplicaRole::Standby);
    world
}

fn status(world: &mut World, at: &str, of: &str) -> ClusterStatus {
    let clusters = world.clusters(at);
    clusters.into_iter().find(|status| status.id == cluster(of)).unwrap()
}

pub(crate) fn replica(nonce: u32, term: u32, beat: u64) -> ReplicaRecord {
    ReplicaRecord {
        state: ReplicaState::Leader,
        epoch: Epoch { term, nonce },
        beat,
        warm: true,
        nacos_age: Some(Millis(0)),
        unpublished_age: Millis(0),
        descriptor: Descriptor { partitions: PARTITIONS, generation: 1, reads_schema: 2, ..Descriptor::default() },
        name: "x".into(),
        advertised: "".into(),
        complaints: Vec::new(),
        readings: Vec::new(),
    }
}

fn control(world: &mut World, of: &str, key: ControlKey, value: ControlValue) {
    let records = world.log.control.get_mut(&cluster(of)).unwrap();
    let offset = u64::try_from(records.len()).unwrap();
    let header = RecordHeader { schema: 1, epoch: Epoch::default(), seq: 0, observed: WallMs(0) };
    records.push(ControlRecord { offset, key, header: Some(header), value: Some(value), signed: Default::default() });
}

// ---- takeover -------------------------------------------------------------------------------------------------

#[test]
fn a01_a_takeover_holds_what_the_log_has_and_the_new_leaders_nacos_lacks() {
    let mut world = with_standby();
    // Registered at the leader's node; the standby's node has not heard of it yet.
    world.set(S, &service("orders"), &id(25), Some(instance(1.0, true)));
    world.run(1_000);
    assert_eq!(count(&mut world, F, S, "orders"), 4);
    world.kill(S);
    for turn in 0..240 {
        world.run(STEP);
        if turn == 200 {
            world.set("standby", &service("orders"), &id(25), Some(instance(1.0, true)));
        }
        assert_eq!(count(&mut world, F, S, "orders"), 4, "{} ms after the leader died", turn * STEP);
    }
}

// ---- catalogs -------------------------------------------------------------------------------------------------

fn catalog_loses(world: &mut World) {
    world.run(30_000);
    world.set(S, &service("flash"), &id(1), Some(instance(1.0, true)));
    world.run(1_000);
    assert_eq!(count(world, F, S, "flash"), 1);
    world.log.up = false;
    world.run(3_000);
    world.set(S, &service("flash"), &id(1), None);
    world.run(2_000);
    assert_eq!(count(world, S, S, "flash"), 0, "proven gone");
    world.nacos(S).services.remove(&service("flash"));
    for _ in 0..2 {
        let services = vec![service("orders")];
        world.tell(&cluster(S), Input::Local(LocalInput::Catalog { namespace: "public".into(), services }));
        world.run(3_000);
    }
}

#[test]
fn a03_a_removal_decided_while_the_log_is_away_is_published_afterwards() {
    let mut world = settled_pair();
    catalog_loses(&mut world);
    world.log.up = true;
    world.run(600_000);
    assert_eq!(count(&mut world, F, S, "flash"), 0);
}

#[test]
fn a04_and_does_not_come_back_in_the_own_answers() {
    let mut world = settled_pair();
    catalog_loses(&mut world);
    assert_eq!(count(&mut world, S, S, "flash"), 0);
}

// ---- re-created and truncated topics --------------------------------------------------------------------------

#[test]
fn b01_nothing_is_removed_elsewhere_while_a_recreated_topic_is_filled() {
    let mut world = settled_pair();
    let in_partition = |name: &str| DataKey::Instance(service(name), id(1)).partition(PARTITIONS);
    let big = (0..).map(|n| format!("big{n}")).find(|name| in_partition(name) == 0).unwrap();
    let small = (0..).map(|n| format!("small{n}")).find(|name| in_partition(name) == 1).unwrap();
    for n in 0..10_500u64 {
        let at = federation_core::id::InstanceId::new(&format!("10.1.{}.{}", n / 250, n % 250), 80, "DEFAULT");
        world.set(S, &service(&big), &at, Some(instance(1.0, true)));
    }
    for n in 0..3 {
        world.set(S, &service(&small), &id(n), Some(instance(1.0, true)));
    }
    world.run(90_000);
    assert_eq!((count(&mut world, F, S, &big), count(&mut world, F, S, &small)), (10_500, 3));
    world.restart(S);
    world.recreate_data(S);
    let mut least = (10_500, 3);
    for _ in 0..400 {
        world.run(STEP);
        let now = (count(&mut world, F, S, &big), count(&mut world, F, S, &small));
        least = (least.0.min(now.0), least.1.min(now.1));
    }
    assert_eq!(least, (10_500, 3), "fewest instances shown elsewhere while the topic was filled again");
}

#[test]
fn b03_a_descriptor_is_written_again_into_a_control_topic_that_was_created_anew() {
    let mut world = settled_pair();
    let described = |world: &World| world.log.control[&cluster(S)].iter().any(|it| it.key == ControlKey::Descriptor);
    assert!(described(&world));
    world.recreate_control(S);
    world.run(120_000);
    assert!(described(&world), "under the living leader");
}

#[test]
fn b04_or_at_the_latest_by_the_next_leader() {
    let mut world = settled_pair();
    world.recreate_control(S);
    world.run(5_000);
    world.restart_with_snapshot(S);
    world.run(60_000);
    assert_eq!(world.gateways[&cluster(S)].core.role(), ReplicaRole::Leading);
    assert!(world.log.control[&cluster(S)].iter().any(|it| it.key == ControlKey::Descriptor));
}

#[test]
fn b05_a_cluster_whose_topics_were_all_created_anew_is_live_again() {
    let mut world = settled_pair();
    for _ in 0..3 {
        world.restart(S);
        world.run(20_000);
    }
    assert_eq!(freshness(&mut world, F, S), Freshness::Live);
    world.recreate_control(S);
    world.recreate_data(S);
    world.restart(S);
    world.run(600_000);
    assert_eq!(count(&mut world, F, S, "orders"), 3);
    assert_eq!(freshness(&mut world, F, S), Freshness::Live, "{:?}", status(&mut world, F, S).reason);
}

#[test]
fn b06_a_takeover_outlives_a_truncation() {
    let mut world = settled_pair();
    world.restart(S);
    world.log.no_ends.insert(cluster(S));
    // The control topic's end is needed for the claim.
    for _ in 0..200 {
        world.run(STEP);
        let end = u64::try_from(world.log.control[&cluster(S)].len()).unwrap();
        let partition = PartitionId { origin: cluster(S), topic: TopicKind::Control, partition: 0 };
        world.tell(&cluster(S), Input::Log(LogInput::EndOffset { partition, end }));
    }
    let core = &world.gateways[&cluster(S)].core;
    assert!(core.role() == ReplicaRole::Leading && !core.has_taken_over());
    for topic in TopicKind::DATA {
        for number in 0..PARTITIONS {
            let partition = PartitionId { origin: cluster(S), topic, partition: number };
            let end = u64::try_from(world.log.data.get(&partition).map_or(0, Vec::len)).unwrap() + 3;
            world.tell(&cluster(S), Input::Log(LogInput::EndOffset { partition, end })); // True when it was said.
        }
    }
    world.recreate_data(S); // An unclean election took the last records; the reader begins anew.
    world.log.no_ends.clear();
    world.run(600_000);
    let core = &world.gateways[&cluster(S)].core;
    assert_eq!((core.role(), core.has_taken_over()), (ReplicaRole::Leading, true));
}

#[test]
fn b07_a_send_of_unknown_outcome_outlives_a_truncation() {
    let mut world = settled_pair();
    world.log.no_ends.insert(cluster(S));
    world.log.refuses.insert(cluster(S));
    world.set(S, &service("orders"), &id(20), Some(instance(7.0, true)));
    world.run(200);
    assert_eq!(world.gateways[&cluster(S)].core.publisher().in_flight(), 1);
    let number = DataKey::Instance(service("orders"), id(20)).partition(PARTITIONS);
    let partition = PartitionId { origin: cluster(S), topic: TopicKind::Instances, partition: number };
    let end = u64::try_from(world.log.data[&partition].len()).unwrap() + 3;
    world.tell(&cluster(S), Input::Log(LogInput::EndOffset { partition, end })); // True when it was said.
    world.log.refuses.clear();
    world.recreate_data(S);
    world.log.no_ends.clear();
    world.run(600_000);
    assert_eq!(world.shown(F, S, &service("orders")), truth(&mut world, S));
}

#[test]
fn b08_nothing_is_removed_elsewhere_because_the_log_that_lost_it_refuses_it() {
    let mut world = settled_pair();
    for number in 1..=3 {
        world.set(S, &service("kept"), &id(number), Some(instance(1.0, true)));
    }
    world.run(30_000);
    world.log.refused_keys.insert(DataKey::Instance(service("kept"), id(1)));
    world.recreate_data(S);
    for turn in 0..60 {
        // What the log takes of the same partition shows that it takes records.
        world.set(S, &service("kept"), &id(2), Some(instance(f64::from(turn % 7), true)));
        world.run(1_000);
        assert_eq!(count(&mut world, F, S, "kept"), 3, "after {turn} s");
    }
    world.log.refused_keys.clear();
    world.run(70_000);
    assert_eq!((count(&mut world, F, S, "kept"), freshness(&mut world, F, S)), (3, Freshness::Live));
}

#[test]
fn b09_a_cluster_that_is_silent_is_not_live_because_its_beats_are_read_once_more() {
    let mut world = settled_pair();
    world.kill(S);
    world.run(30_000);
    assert_eq!(freshness(&mut world, F, S), Freshness::Stale);
    let control = world.control_of(S);
    world.begin_anew(F, &control);
    for turn in 0..20 {
        world.run(STEP);
        assert_eq!(freshness(&mut world, F, S), Freshness::Stale, "{turn}");
    }
}

// ---- leadership -----------------------------------------------------------------------------------------------

#[test]
fn c01_a_leader_that_can_write_and_not_read_is_succeeded() {
    let mut world = with_standby();
    world.log.deaf.insert(cluster(S));
    world.run(10_000);
    for name in [S, "standby"] {
        world.set(name, &service("orders"), &id(20), Some(instance(7.0, true)));
    }
    world.run(600_000);
    assert_eq!(world.shown(F, S, &service("orders")), truth(&mut world, "standby"), "ten minutes later");
}

#[test]
fn c03_a_leader_rests_while_the_log_is_away() {
    let mut world = settled_pair();
    world.log.refuses.insert(cluster(S));
    world.set(S, &service("orders"), &id(20), Some(instance(7.0, true)));
    world.run(20_000);
    world.log.up = false;
    world.run(120_000);
    let core = &world.gateways[&cluster(S)].core;
    assert!(core.next_deadline(Mono(world.now)) > Mono(world.now), "it wants a tick at once, after every tick");
}

#[test]
fn c04_memory_does_not_grow_with_changes_while_the_log_is_away() {
    let mut world = settled_pair();
    world.log.up = false;
    world.run(5_000);
    for round in 0..600u32 {
        world.set(S, &service("orders"), &id(20), Some(instance(f64::from(1 + round % 2), true)));
        world.run(100);
    }
    let queued = world.gateways[&cluster(S)].core.publisher().queued();
    assert!(queued <= 6, "{queued} entries wait for one key");
}

#[test]
fn c05_a_key_that_nobody_wants_any_more_is_not_refused_any_more() {
    let mut world = settled_pair();
    world.log.refuses.insert(cluster(S));
    world.set(S, &service("orders"), &id(25), Some(instance(7.0, true)));
    world.run(30_000);
    assert_eq!(world.gateways[&cluster(S)].core.publisher().refused(), 1);
    world.set(S, &service("orders"), &id(25), None);
    world.run(2_000);
    world.log.refuses.clear();
    world.run(300_000);
    assert_eq!(world.gateways[&cluster(S)].core.publisher().refused(), 0);
}

// ---- freshness ------------------------------------------------------------------------------------------------

#[test]
fn d01_a_cluster_that_cannot_publish_is_as_old_as_its_oldest_change() {
    let mut world = settled_pair();
    world.log.refuses.insert(cluster(S));
    world.set(S, &service("orders"), &id(20), None);
    world.run(60_000);
    let status = status(&mut world, F, S);
    assert!(
        status.age.unwrap() >= Millis(55_000) && status.freshness != Freshness::Live,
        "its removal waits for 60 s, and it is {:?} with an age of {:?}",
        status.freshness,
        status.age
    );
}

#[test]
fn d03_an_absurd_age_makes_nobody_young_and_kills_nobody() {
    let mut world = settled_pair();
    world.kill(S);
    let absurd = ReplicaRecord { nacos_age: Some(Millis(u64::MAX)), ..replica(7, 9, 1) };
    control(&mut world, S, ControlKey::Replica(7), ControlValue::Replica(absurd));
    world.run(1_000);
    assert_ne!(freshness(&mut world, F, S), Freshness::Live);
}

#[test]
fn d04_an_absurd_beat_in_a_checkpoint_kills_nobody() {
    let mut world = settled_pair();
    world.kill(S);
    for topic in TopicKind::DATA {
        for partition in 0..PARTITIONS {
            let place = PartitionId { origin: cluster(S), topic, partition };
            let records = world.log.data.entry(place).or_default();
            let offset = u64::try_from(records.len()).unwrap();
            let header = RecordHeader { schema: 1, epoch: Epoch { term: 9, nonce: 7 }, seq: 1, observed: WallMs(0) };
            let stated =
                federation_core::log::record::Checkpoint { count: 0, digest: 0, beat: u64::MAX, partitions: 2 };
            let (key, body) = (RecordKey::Checkpoint, RecordBody::Checkpoint(stated));
            records.push(Record { offset, key, header: Some(header), body, digest: 0 });
        }
    }
    control(&mut world, S, ControlKey::Replica(7), ControlValue::Replica(replica(7, 9, 1)));
    world.run(1_000);
    freshness(&mut world, F, S);
}

#[test]
fn d05_an_absurd_number_of_partitions_kills_nobody_else() {
    let mut core = core(&cluster(F), 1);
    let partitions = 200_000_000;
    let value = ControlValue::Descriptor(Descriptor { partitions, generation: 1, ..Descriptor::default() });
    let record = ControlRecord {
        offset: 0,
        key: ControlKey::Descriptor,
        header: None,
        value: Some(value),
        signed: Default::default(),
    };
    let now = federation_core::time::Now { mono: Mono(1), wall: WallMs(1) };
    drop(core.step(now, Input::Log(LogInput::Members(vec![(cluster(S), 8)]))));
    drop(core.step(now, Input::Log(LogInput::Control { origin: cluster(S), records: vec![record] })));
}

// ---- the local Nacos ------------------------------------------------------------------------------------------

#[test]
fn e01_a_restart_of_gateway_and_nacos_together_removes_nothing_here() {
    let mut world = settled_pair();
    assert_eq!(count(&mut world, S, S, "orders"), 3);
    world.log.up = false;
    world.restart_nacos(S);
    world.restart_with_snapshot(S);
    for turn in 0..100 {
        world.run(STEP);
        assert_eq!(count(&mut world, S, S, "orders"), 3, "{} ms after the start", turn * STEP);
    }
}

#[test]
fn e03_a_service_that_is_watched_and_never_listed_costs_no_tick_each_millisecond() {
    let mut core = core(&cluster(S), 1);
    let mut now = 0;
    let at = |now: u64| federation_core::time::Now { mono: Mono(now), wall: WallMs(now) };
    drop(core.step(at(0), Input::Local(LocalInput::Connected)));
    drop(core.step(at(0), Input::Local(LocalInput::Discovered(service("refused")))));
    let mut ticks = 0;
    while now < 130_000 {
        now = core.next_deadline(Mono(now)).0.max(now);
        drop(core.step(at(now), Input::Tick));
        ticks += 1;
    }
    assert!(ticks < 3_000, "{ticks} ticks in 130 s for one service whose subscription is refused");
}

#[test]
fn e04_the_first_reconcile_waits_for_the_hold_also_if_the_log_comes_late() {
    let mut world = settled_pair();
    world.log.up = false;
    world.nacos(S).services.remove(&service("orders"));
    world.restart(S);
    world.run(60_000);
    world.log.up = true;
    for turn in 0..200 {
        world.run(STEP);
        assert_eq!(count(&mut world, F, S, "orders"), 3, "{} ms after the log was there", turn * STEP);
    }
}

#[test]
fn e05_a_takeover_holds_config_items_too() {
    use federation_core::config_item::ConfigItem;
    use federation_core::id::ConfigKey;
    let mut world = with_standby();
    let key = ConfigKey::new("public", "g", "a.yaml");
    let item = std::sync::Arc::new(ConfigItem { content: "a: 1".into(), ..ConfigItem::default() });
    let read = |reading| Input::Local(LocalInput::Config { key: key.clone(), reading });
    world.tell(&cluster("standby"), read(ConfigReading::Absent));
    world.tell(&cluster(S), read(ConfigReading::Item(item)));
    world.run(2_000);
    let shown = |world: &mut World| world.gateways.get_mut(&cluster(F)).unwrap().core.config(&key).is_some();
    assert!(shown(&mut world));
    world.kill(S);
    for turn in 0..200 {
        world.run(STEP);
        assert!(shown(&mut world), "{} ms after the leader died", turn * STEP);
    }
}

// ---- checkpoints ----------------------------------------------------------------------------------------------

/// Checkpoints that do not state the fold at their place.
fn false_checkpoints(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    for (place, records) in &world.log.data {
        let mut fold: BTreeMap<String, u128> = BTreeMap::new();
        for record in records {
            match (&record.key, &record.body) {
                (RecordKey::Data(key), RecordBody::Tombstone) => drop(fold.remove(&key.encode())),
                (RecordKey::Data(key), _) => drop(fold.insert(key.encode(), record.digest)),
                (RecordKey::Checkpoint, RecordBody::Checkpoint(stated)) => {
                    let digest = fold.values().fold(0u128, |sum, digest| sum.wrapping_add(*digest));
                    let count = u64::try_from(fold.len()).unwrap();
                    if (count, digest) != (stated.count, stated.digest) {
                        wrong.push(format!("{place:?} at {}: states {}, has {count}", record.offset, stated.count));
                    }
                }
                _ => {}
            }
        }
    }
    wrong
}

#[test]
fn f01_every_checkpoint_states_what_is_at_its_place() {
    let mut world = with_standby();
    world.set(S, &service("orders"), &id(25), Some(instance(1.0, true)));
    world.run(20_000);
    assert_eq!(false_checkpoints(&world), Vec::<String>::new());
    world.kill(S);
    world.run(60_000);
    assert_eq!(false_checkpoints(&world), Vec::<String>::new());
}

// ---- records that cannot be read ------------------------------------------------------------------------------

fn unreadable(world: &mut World, key: &DataKey) {
    let place = PartitionId { origin: cluster(S), topic: TopicKind::Instances, partition: key.partition(PARTITIONS) };
    let records = world.log.data.entry(place).or_default();
    let offset = u64::try_from(records.len()).unwrap();
    let key = RecordKey::Data(key.clone());
    records.push(Record { offset, key, header: None, body: RecordBody::Unreadable, digest: 1 });
}

#[test]
fn g01_a_record_that_cannot_be_read_under_a_name_that_nobody_knows_is_overruled() {
    let mut world = settled_pair();
    let key = DataKey::Instance(service("ghosts"), id(66));
    unreadable(&mut world, &key);
    world.run(60_000);
    let records = world.log.data.values().flatten();
    let last = records.filter(|it| it.key == RecordKey::Data(key.clone())).max_by_key(|it| it.offset).unwrap();
    assert_eq!(last.body, RecordBody::Tombstone);
}

#[test]
fn g02_what_comes_and_goes_unread_leaves_the_counts_right() {
    let mut world = settled_pair();
    unreadable(&mut world, &DataKey::Instance(service("orders"), id(66)));
    world.set(S, &service("orders"), &id(20), Some(instance(7.0, true)));
    for _ in 0..60 {
        world.run(1_000);
        let core = &world.gateways[&cluster(F)].core;
        assert_eq!(core.size(&cluster(S)), core.size_counted_anew(&cluster(S)));
    }
}

// ---- late sends -----------------------------------------------------------------------------------------------

#[test]
fn h01_a_late_send_about_a_service_that_was_given_up_since_does_not_stay() {
    let mut world = settled_pair();
    world.run(30_000);
    world.set(S, &service("flash"), &id(1), Some(instance(1.0, true)));
    world.run(1_000);
    world.set(S, &service("flash"), &id(1), None);
    world.run(2_000);
    world.nacos(S).services.remove(&service("flash"));
    for _ in 0..2 {
        let services = vec![service("orders")];
        world.tell(&cluster(S), Input::Local(LocalInput::Catalog { namespace: "public".into(), services }));
        world.run(3_000);
    }
    assert_eq!(count(&mut world, F, S, "flash"), 0);
    let key = DataKey::Instance(service("flash"), id(1));
    let place = PartitionId { origin: cluster(S), topic: TopicKind::Instances, partition: key.partition(PARTITIONS) };
    let epoch = world.gateways[&cluster(S)].core.lease().epoch();
    let records = world.log.data.get_mut(&place).unwrap();
    let (offset, header) =
        (u64::try_from(records.len()).unwrap(), RecordHeader { schema: 1, epoch, seq: 1, observed: WallMs(0) });
    let body = RecordBody::Instance(std::sync::Arc::new(instance(1.0, true)));
    records.push(Record { offset, key: RecordKey::Data(key), header: Some(header), body, digest: 9 });
    world.run(120_000);
    assert_eq!(count(&mut world, F, S, "flash"), 0, "it had failed, was removed, and landed after all");
}
