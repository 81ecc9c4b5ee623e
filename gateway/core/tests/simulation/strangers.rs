//! What another cluster writes is input from strangers: whatever it is, in any number, nothing of any other cluster changes, and memory and
//! the work of a step stay bounded.

use std::sync::Arc;

use federation_core::config_item::ConfigItem;
use federation_core::freshness::Freshness;
use federation_core::id::{ConfigKey, InstanceId};
use federation_core::input::{Input, LogInput, OperatorOrder};
use federation_core::intents::{DrainIntent, OrderCounter};
use federation_core::log::bounds::OriginBounds;
use federation_core::log::control::{ControlKey, ControlValue, Descriptor, ReplicaRecord, ReplicaState};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::reading::{LinkWord, Reading, ReadingState};
use federation_core::log::record::{
    Checkpoint, ControlRecord, Epoch, PartitionId, Record, RecordBody, RecordHeader, TopicKind,
};
use federation_core::routing::{DrainGuard, Percent};
use federation_core::time::{Millis, WallMs};

use crate::world::{Dice, PARTITIONS, World, cluster, core, id, instance, service};
use crate::{freshness, truth};

const VICTIMS: [&str; 2] = ["frankfurt", "shanghai"];
const STRANGER: &str = "zanzibar";
const BOUNDS: OriginBounds = OriginBounds { partitions: 16, drains: 50, facts: 500, bytes: 100_000 };

/// Two clusters that are well, and a third whose topics somebody else writes.
fn world_with_a_stranger(seed: u64) -> World {
    let mut world = World::new(seed, &VICTIMS);
    for name in VICTIMS {
        let bounded = core(&cluster(name), u32::try_from(seed).unwrap() + 1).bounded(BOUNDS);
        world.gateways.get_mut(&cluster(name)).unwrap().core = bounded;
        for number in 0..3 {
            world.set(name, &service("orders"), &id(number), Some(instance(1.0, true)));
        }
    }
    world.log.control.insert(cluster(STRANGER), Vec::new());
    world.run(30_000);
    world
}

/// Numbers that somebody chooses who means no good, and ordinary ones.
fn number(dice: &mut Dice) -> u64 {
    match dice.roll(8) {
        0 => u64::MAX - dice.roll(3),
        1 => (1 << 63) - dice.roll(3),
        2 => (1 << 40) + dice.roll(3),
        3 => (1 << 31) - 1 - dice.roll(2),
        4 => (1 << 32) - 1 - dice.roll(2),
        5 => 0,
        _ => dice.roll(1_000),
    }
}

fn small(dice: &mut Dice) -> u32 {
    u32::try_from(number(dice) & u64::from(u32::MAX)).unwrap()
}

fn text(dice: &mut Dice) -> Arc<str> {
    let long = usize::try_from(dice.roll(3)).unwrap();
    "x".repeat([3, 200, 5_000][long]).into()
}

fn header(dice: &mut Dice) -> Option<RecordHeader> {
    let epoch = Epoch { term: small(dice), nonce: small(dice) };
    (!dice.one_in(5)).then(|| RecordHeader { schema: 1, epoch, seq: number(dice), observed: WallMs(number(dice)) })
}

fn reading(dice: &mut Dice) -> Reading {
    let states = [ReadingState::Sound, ReadingState::Diverged, ReadingState::Unread];
    Reading {
        origin: cluster([STRANGER, VICTIMS[0], VICTIMS[1]][usize::try_from(dice.roll(3)).unwrap()]),
        state: states[usize::try_from(dice.roll(3)).unwrap()],
        place: (Epoch { term: small(dice), nonce: small(dice) }, number(dice)),
        count: number(dice),
        digest: u128::from(number(dice)),
        link: dice.one_in(2).then(|| LinkWord { freshness: Freshness::Live, age: Some(Millis(number(dice))) }),
    }
}

fn descriptor(dice: &mut Dice) -> Descriptor {
    let servers = usize::try_from(dice.roll(600)).unwrap();
    Descriptor {
        partitions: small(dice),
        generation: small(dice),
        reads_schema: 2,
        nacos_servers: vec![text(dice); servers],
        ..Descriptor::default()
    }
}

fn control(dice: &mut Dice, offset: u64) -> ControlRecord {
    let (key, value) = match dice.roll(4) {
        0 => {
            let nonce = small(dice);
            let replica = ReplicaRecord {
                state: [ReplicaState::Leader, ReplicaState::Stopped, ReplicaState::Standby]
                    [usize::try_from(dice.roll(3)).unwrap()],
                epoch: Epoch { term: small(dice), nonce },
                beat: number(dice),
                warm: true,
                nacos_age: Some(Millis(number(dice))),
                unpublished_age: Millis(number(dice)),
                descriptor: descriptor(dice),
                name: text(dice),
                advertised: text(dice),
                complaints: vec![text(dice); usize::try_from(dice.roll(600)).unwrap()],
                readings: vec![reading(dice); usize::try_from(dice.roll(600)).unwrap()],
            };
            (ControlKey::Replica(nonce), ControlValue::Replica(replica))
        }
        1 => (ControlKey::Descriptor, ControlValue::Descriptor(descriptor(dice))),
        2 => (ControlKey::Other, ControlValue::Unreadable),
        _ => {
            let target = format!("{STRANGER}/public/g{}/*", dice.roll(100_000)).parse().unwrap();
            let intent = DrainIntent {
                counter: OrderCounter::new(number(dice)).unwrap_or(OrderCounter::FIRST),
                percent: Percent::new(u8::try_from(dice.roll(101)).unwrap()).unwrap(),
                guard: DrainGuard::default(),
                who: text(dice),
                why: text(dice),
                when: WallMs(number(dice)),
                replica: small(dice),
                ramp: None,
                giver: Default::default(),
            };
            (ControlKey::Drain(target), ControlValue::Drain(intent))
        }
    };
    ControlRecord {
        offset,
        key,
        header: header(dice),
        value: (!dice.one_in(10)).then_some(value),
        signed: Default::default(),
    }
}

fn fact(dice: &mut Dice, offset: u64) -> Record {
    let name = if dice.one_in(3) { "orders".to_owned() } else { text(dice).to_string() };
    let place = InstanceId::new(&format!("10.{}.0.{}", dice.roll(200), dice.roll(250)), 80, "DEFAULT");
    let (key, body) = match dice.roll(5) {
        0 => {
            let stated = Checkpoint {
                count: number(dice),
                digest: u128::from(number(dice)),
                beat: number(dice),
                partitions: small(dice),
            };
            (RecordKey::Checkpoint, RecordBody::Checkpoint(stated))
        }
        1 => {
            let content = "c".repeat(usize::try_from(dice.roll(30_000)).unwrap());
            let item = ConfigItem { content: content.into(), ..ConfigItem::default() };
            let key = ConfigKey::new("public", "g", &dice.roll(1_000).to_string());
            (RecordKey::Data(DataKey::Config(key)), RecordBody::Config(Arc::new(item)))
        }
        2 => (RecordKey::Data(DataKey::Instance(service(&name), place)), RecordBody::Tombstone),
        3 => (RecordKey::Data(DataKey::Instance(service(&name), place)), RecordBody::Unreadable),
        _ => {
            let value = RecordBody::Instance(Arc::new(instance(1.0, true)));
            (RecordKey::Data(DataKey::Instance(service(&name), place)), value)
        }
    };
    Record { offset, key, header: header(dice), body, digest: u128::from(dice.roll(u64::MAX)) }
}

/// So many records of the stranger are handed to the gateway, in batches as a reader makes them.
fn flood(world: &mut World, at: &str, dice: &mut Dice, batches: u64) {
    let at = cluster(at);
    world.tell(&at, Input::Log(LogInput::Members(vec![(cluster(STRANGER), small(dice))])));
    for batch in 0..batches {
        let offset = batch * 1_000;
        let input = if dice.one_in(2) {
            let records = (0..100).map(|at| control(dice, offset + at)).collect();
            LogInput::Control { origin: cluster(STRANGER), records }
        } else {
            let topic = if dice.one_in(2) { TopicKind::Instances } else { TopicKind::Configs };
            let partition =
                PartitionId { origin: cluster(STRANGER), topic, partition: u32::try_from(dice.roll(4)).unwrap() };
            match dice.roll(8) {
                0 => LogInput::Restarted(partition),
                1 => LogInput::AtEnd { partition, next_offset: number(dice) },
                2 => LogInput::EndOffset { partition, end: number(dice) },
                _ => LogInput::Records { partition, records: (0..100).map(|at| fact(dice, offset + at)).collect() },
            }
        };
        world.tell(&at, Input::Log(input));
        if dice.one_in(50) {
            world.run(50);
        }
    }
}

#[test]
fn whatever_a_stranger_writes_every_other_answer_stays_and_its_own_stay_within_their_bounds() {
    for seed in 0..8 {
        let mut world = world_with_a_stranger(seed);
        let mut dice = Dice(seed);
        flood(&mut world, "frankfurt", &mut dice, 400);
        let core = &world.gateways[&cluster("frankfurt")].core;
        let kept = core.digests().filter(|(place, _, _)| place.origin == cluster(STRANGER)).map(|(_, count, _)| count);
        assert!(kept.sum::<u64>() <= BOUNDS.facts, "seed {seed}");
        assert!(core.intents().iter().count() <= BOUNDS.drains, "seed {seed}");
        assert!(core.set_aside().any(|(id, aside)| *id == cluster(STRANGER) && aside.records() > 0), "it is told");
        assert_eq!(core.size(&cluster(STRANGER)), core.size_counted_anew(&cluster(STRANGER)), "seed {seed}");
        world.set("shanghai", &service("orders"), &id(7), Some(instance(3.0, true)));
        world.run(2_000);
        for origin in VICTIMS {
            let want = truth(&mut world, origin);
            assert_eq!(world.shown("frankfurt", origin, &service("orders")), want, "seed {seed}: {origin}");
            assert_eq!(freshness(&mut world, "frankfurt", origin), Freshness::Live, "seed {seed}: {origin}");
        }
    }
}

#[test]
fn a_snapshot_is_judged_like_the_log() {
    let mut world = world_with_a_stranger(1);
    let mut dice = Dice(1);
    flood(&mut world, "frankfurt", &mut dice, 100);
    let mut snapshot = world.gateways[&cluster("frankfurt")].core.snapshot();
    for origin in snapshot.iter_mut().filter(|origin| origin.origin == cluster(STRANGER)) {
        origin.partitions = u32::MAX;
        origin.descriptor = Some(Descriptor { partitions: u32::MAX, ..Descriptor::default() });
    }
    let mut fresh = core(&cluster("frankfurt"), 9).bounded(BOUNDS);
    fresh.restore(snapshot);
    assert_eq!(fresh.size(&cluster("shanghai")).instances, 3);
    assert_eq!(fresh.size(&cluster(STRANGER)).instances, 0, "of no cluster with so many partitions anything is kept");
}

#[test]
fn an_excluded_cluster_counts_for_nothing_whatever_it_writes_and_all_else_stays() {
    let mut world = world_with_a_stranger(3);
    let shown = |world: &mut World| world.shown("frankfurt", "shanghai", &service("orders")).len();
    let drains = |world: &World| world.gateways[&cluster("frankfurt")].core.intents().iter().count();
    let intent = DrainIntent {
        counter: OrderCounter::new(1 << 40).unwrap(),
        percent: Percent::new(100).unwrap(),
        guard: DrainGuard::default(),
        who: "".into(),
        why: "".into(),
        when: WallMs(0),
        replica: 1,
        ramp: None,
        giver: Default::default(),
    };
    let key = ControlKey::Drain("frankfurt".parse().unwrap());
    let header = RecordHeader { schema: 1, epoch: Epoch::default(), seq: 1, observed: WallMs(0) };
    let offset = u64::try_from(world.log.control[&cluster("shanghai")].len()).unwrap();
    let record = ControlRecord {
        offset,
        key,
        header: Some(header),
        value: Some(ControlValue::Drain(intent)),
        signed: Default::default(),
    };
    world.log.control.get_mut(&cluster("shanghai")).unwrap().push(record);
    world.run(1_000);
    assert_eq!((shown(&mut world), drains(&world)), (3, 1));
    let exclude = |world: &mut World, names: &[&str]| {
        let names = names.iter().map(|name| cluster(name)).collect();
        world.tell(&cluster("frankfurt"), Input::Order(OperatorOrder::Exclude(names)));
    };
    exclude(&mut world, &["shanghai"]);
    assert_eq!((shown(&mut world), drains(&world)), (0, 0), "at once, whatever its counter");
    assert_eq!(world.shown("frankfurt", "frankfurt", &service("orders")).len(), 3);
    exclude(&mut world, &[]);
    assert_eq!((shown(&mut world), drains(&world)), (3, 1));
}

#[test]
fn a_cluster_that_is_described_anew_all_the_time_is_read_anew_seldom() {
    let mut world = world_with_a_stranger(2);
    let at = cluster("frankfurt");
    world.tell(&at, Input::Log(LogInput::Members(vec![(cluster(STRANGER), PARTITIONS)])));
    let spread = |world: &World| {
        world.gateways[&cluster("frankfurt")]
            .core
            .digests()
            .filter(|(place, ..)| place.origin == cluster(STRANGER))
            .count()
    };
    let mut changes = 0;
    let mut last = spread(&world);
    for offset in 0..1_000u64 {
        let value = Descriptor { partitions: u32::try_from(1 + offset % 7).unwrap(), ..Descriptor::default() };
        let record = ControlRecord {
            offset,
            key: ControlKey::Descriptor,
            header: None,
            value: Some(ControlValue::Descriptor(value)),
            signed: Default::default(),
        };
        world.tell(&at, Input::Log(LogInput::Control { origin: cluster(STRANGER), records: vec![record] }));
        changes += usize::from(spread(&world) != last);
        last = spread(&world);
    }
    assert!(changes <= 1, "{changes} times at one moment");
    world.run(61_000);
    assert_eq!(spread(&world), 2 * (1 + 999 % 7), "the last word counts in the end");
}
