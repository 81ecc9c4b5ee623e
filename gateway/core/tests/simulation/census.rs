//! The census (rule R20): when it is written, what it takes, and what happens if one comes that should not.

use federation_core::log::census::{Census, key_hash};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{Epoch, PartitionId, Record, RecordBody, RecordHeader, TopicKind};
use federation_core::time::WallMs;

use crate::settled_pair;
use crate::world::{PARTITIONS, World, cluster, id, instance, push, service};

const S: &str = "shanghai";
const F: &str = "frankfurt";
const DAY: u64 = 86_400_000;

fn place(partition: u32) -> PartitionId {
    PartitionId { origin: cluster(S), topic: TopicKind::Instances, partition }
}

fn key(number: u64) -> DataKey {
    DataKey::Instance(service("orders"), id(number))
}

/// Where the instances of `orders` stand.
fn home() -> PartitionId {
    place(key(20).partition(PARTITIONS))
}

/// Censuses in shanghai's topics of instances, by partition: how many records, and the hashes in the last of each bucket.
fn censuses(world: &World, at: &PartitionId) -> (usize, Vec<u64>) {
    let records = world.log.data.get(at).into_iter().flatten();
    let of = |record: &Record| match &record.body {
        RecordBody::Census(census) => Some(census.hashes().to_vec()),
        _ => None,
    };
    let all: Vec<Vec<u64>> = records.filter_map(of).collect();
    (all.len(), all[all.len().saturating_sub(256)..].concat())
}

fn shown(world: &mut World) -> usize {
    world.shown(F, S, &service("orders")).len()
}

fn digests(world: &World, at: &str) -> Vec<(PartitionId, u64, u128)> {
    world.gateways[&cluster(at)].core.digests().filter(|(place, ..)| place.origin == cluster(S)).collect()
}

/// Somebody writes the census of shanghai's `orders` that has these instances only.
fn write_census(world: &mut World, numbers: &[u64], (term, seq): (u32, u64)) {
    let hashes = numbers.iter().map(|number| key_hash(&key(*number))).collect();
    for (at, (bucket, census)) in (0..).zip(Census::of_partition(hashes)) {
        let epoch = Epoch { term, nonce: 1 };
        let header = RecordHeader { schema: 1, epoch, seq: seq + at, observed: WallMs(0) };
        push(&mut world.log, home(), RecordKey::Census(bucket), RecordBody::Census(census), header);
    }
}

#[test]
fn a_census_lists_all_keys_of_a_partition_and_comes_a_day_after_the_last() {
    let mut world = settled_pair();
    assert_eq!(censuses(&world, &home()).0, 0);
    world.now += DAY;
    world.run(60_000);
    let (records, mut hashes) = censuses(&world, &home());
    assert_eq!(records, 256);
    hashes.sort_unstable();
    let mut want: Vec<u64> = [20, 21, 22].map(|number| key_hash(&key(number))).to_vec();
    want.sort_unstable();
    assert_eq!(hashes, want);
    assert_eq!((0..PARTITIONS).map(|it| censuses(&world, &place(it)).0).sum::<usize>(), 256 * PARTITIONS as usize);
    let before = digests(&world, F);
    world.run(600_000);
    assert_eq!((censuses(&world, &home()).0, digests(&world, F)), (256, before), "once a day");
    assert_eq!(shown(&mut world), 3);
}

#[test]
fn a_reader_that_says_diverged_has_the_origin_read_its_own_log_anew_and_state_its_keys() {
    let mut world = settled_pair();
    world.log.misstates.insert(cluster(S));
    let mut anew = 0;
    for _ in 0..40 {
        world.run(30_000);
        if censuses(&world, &home()).0 > 0 {
            break;
        }
        anew = world.read_anew;
    }
    assert_eq!(censuses(&world, &home()).0, 256, "after it was called diverged");
    assert!(anew > 0, "and not before it had read its own log anew");
    world.run(300_000);
    assert_eq!(censuses(&world, &home()).0, 256, "each ten minutes at most");
    assert_eq!(shown(&mut world), 3);
}

#[test]
fn what_a_late_census_takes_from_readers_is_shown_on_and_written_again() {
    let mut world = settled_pair();
    let end = world.log.data[&home()].len();
    write_census(&mut world, &[21], (0, 9_000));
    for _ in 0..200 {
        world.run(50);
        assert_eq!(shown(&mut world), 3);
    }
    let after = world.log.data[&home()][end + 256..].iter();
    let mut again: Vec<DataKey> = after
        .filter_map(|record| match &record.key {
            RecordKey::Data(key) => Some(key.clone()),
            _ => None,
        })
        .collect();
    again.sort();
    assert_eq!(again, [key(20), key(22)], "what is listed is not written again");
    assert_eq!(digests(&world, F), digests(&world, S));
    world.run(30_000);
    assert_eq!(shown(&mut world), 3);
}

#[test]
fn a_key_that_only_a_reader_has_goes_with_the_next_census() {
    let mut world = settled_pair();
    let ghost = Record {
        offset: u64::try_from(world.log.data[&home()].len()).unwrap(),
        key: RecordKey::Data(key(77)),
        header: Some(RecordHeader { schema: 1, epoch: Epoch { term: 9, nonce: 1 }, seq: 1, observed: WallMs(0) }),
        body: RecordBody::Instance(std::sync::Arc::new(instance(1.0, true))),
        digest: 77,
    };
    let records = vec![ghost];
    let input = federation_core::input::LogInput::Records { partition: home(), records };
    world.tell(&cluster(F), federation_core::input::Input::Log(input));
    assert_eq!(shown(&mut world), 4);
    world.now += DAY;
    world.run(60_000);
    assert_eq!(shown(&mut world), 3);
    assert_eq!(digests(&world, F), digests(&world, S));
}
