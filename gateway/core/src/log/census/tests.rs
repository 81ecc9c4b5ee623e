use proptest::prelude::*;

use super::*;
use crate::id::{InstanceId, ServiceKey};
use crate::instance::{Health, Instance, Metadata, Weight};
use crate::log::late::KEPT_BACK_FOR;
use crate::log::record::{Checkpoint, Epoch, RecordHeader};
use crate::seed::Seed;
use crate::time::WallMs;

fn key(number: u64) -> DataKey {
    DataKey::Instance(ServiceKey::new("public", "G", "orders"), InstanceId::new(&format!("10.0.0.{number}"), 80, "D"))
}

fn header((term, seq): (u32, u64)) -> Option<RecordHeader> {
    Some(RecordHeader { schema: 1, epoch: Epoch { term, nonce: 1 }, seq, observed: WallMs(0) })
}

fn present(offset: u64, number: u64, at: (u32, u64)) -> Record {
    let (health, metadata) = (Health::Healthy, Metadata::default());
    let instance = Instance { weight: Weight::DEFAULT, health, enabled: true, ephemeral: true, metadata };
    let body = RecordBody::Instance(Arc::new(instance));
    Record { offset, key: RecordKey::Data(key(number)), header: header(at), body, digest: u128::from(number) + 1 }
}

/// The records of a census of these keys.
fn census(offset: u64, numbers: &[u64], (term, seq): (u32, u64)) -> Vec<Record> {
    let hashes = numbers.iter().map(|number| key_hash(&key(*number))).collect();
    let record = |(at, (bucket, census)): (u64, (u8, Census))| Record {
        offset: offset + at,
        key: RecordKey::Census(bucket),
        header: header((term, seq + at)),
        body: RecordBody::Census(census),
        digest: 0,
    };
    (0..).zip(Census::of_partition(hashes)).map(record).collect()
}

/// At the end of a log with these keys, written in term 2 and stated.
fn partition(numbers: std::ops::Range<u64>) -> Partition {
    let mut partition = Partition::new(Seed(1));
    for number in numbers.clone() {
        partition.apply_at(Mono(0), &present(number, number, (2, number + 1)));
    }
    let body = RecordBody::Checkpoint(Checkpoint { count: 0, digest: 0, beat: 1, partitions: 1 });
    let (offset, seq) = (numbers.end, numbers.end + 1);
    partition.apply(&Record { offset, key: RecordKey::Checkpoint, header: header((2, seq)), body, digest: 0 });
    partition.at_end(offset + 1);
    partition
}

fn keys(fold: &Fold) -> Vec<DataKey> {
    let mut keys = fold.keys();
    keys.sort();
    keys
}

#[test]
fn what_a_census_does_not_list_goes_and_nothing_comes() {
    let mut partition = partition(0..10);
    let records = census(100, &[1, 2, 3, 77], (2, 50));
    assert_eq!(CensusRun::length(&records), BUCKETS);
    let applied = partition.apply_censuses(Mono(5), &records);
    assert_eq!(keys(partition.served()), [1, 2, 3].map(key));
    assert_eq!((partition.served().count(), partition.served().digest()), (3, 2 + 3 + 4));
    assert_eq!(applied.len(), 7);
    assert!(applied.iter().all(|it| matches!(it, AppliedRecord::Changed(_))), "{applied:?}");
    assert_eq!(partition.next_offset(), 100 + 256);
}

#[test]
fn a_late_census_is_folded_and_what_it_takes_is_shown_until_it_is_written_again() {
    let mut partition = partition(0..3);
    let applied = partition.apply_censuses(Mono(5), &census(100, &[0], (1, 50)));
    assert_eq!(keys(partition.served()), [key(0)]);
    assert_eq!(applied, [1, 2].map(|number| AppliedRecord::Late(key(number))));
    let service = ServiceKey::new("public", "G", "orders");
    assert_eq!(partition.shown_instances(&service).len(), 3);
    assert_eq!(partition.apply_at(Mono(9), &present(400, 1, (2, 9_000))), AppliedRecord::Unchanged);
    partition.end_late(Mono(5) + KEPT_BACK_FOR);
    assert_eq!(partition.shown_instances(&service).len(), 2);
}

#[test]
fn the_own_log_is_folded_without_it_and_what_readers_lost_is_told() {
    let mut partition = partition(0..3);
    let unlisted = partition.meet_censuses(&census(100, &[0], (1, 50)));
    assert_eq!(unlisted, [1, 2].map(key));
    assert_eq!(keys(partition.image()), [0, 1, 2].map(key));
}

#[test]
fn a_shadow_is_swept_and_what_serves_only_by_what_is_news_to_it() {
    let mut partition = partition(0..3);
    partition.read_anew();
    partition.apply_at(Mono(0), &present(0, 0, (2, 1)));
    partition.apply_at(Mono(0), &present(1, 1, (2, 2)));
    partition.apply_censuses(Mono(0), &census(2, &[0], (2, 3))[..1]);
    assert_eq!(keys(partition.served()).len(), 3, "it was folded before");
    partition.apply_censuses(Mono(0), &census(1_000, &[0], (2, 500)));
    assert_eq!((keys(partition.served()), keys(partition.image())), (vec![key(0)], vec![key(0)]));
}

#[test]
fn a_run_ends_where_a_bucket_comes_again_or_something_else_does() {
    let mut records = census(0, &[1], (2, 1));
    records.extend(census(300, &[1], (2, 300)));
    assert_eq!(CensusRun::length(&records), BUCKETS);
    records.insert(7, present(7, 7, (2, 7)));
    assert_eq!(CensusRun::length(&records), 7);
}

#[test]
fn hashes_that_no_census_can_have_make_none() {
    assert!(Census::of_bucket(7, vec![0x0700_0000_0000_0001, 0x0700_0000_0000_0002]).is_some());
    for (name, hashes) in [
        ("descending", vec![0x0700_0000_0000_0002, 0x0700_0000_0000_0001]),
        ("twice", vec![0x0700_0000_0000_0001, 0x0700_0000_0000_0001]),
        ("of another bucket", vec![0x0800_0000_0000_0001]),
        ("too many", (0..=MOST_HASHES as u64).map(|low| 0x0700_0000_0000_0000 + low).collect()),
    ] {
        assert_eq!(Census::of_bucket(7, hashes), None, "{name}");
    }
}

proptest! {
    /// Bucket by bucket is the same as all at once, wherever the run is cut.
    #[test]
    fn a_census_takes_the_same_in_however_many_pieces(listed in proptest::collection::vec(0_u64..30, 0..30), cut in 0_usize..256) {
        let records = census(100, &listed, (2, 50));
        let (mut once, mut pieces) = (partition(0..30), partition(0..30));
        once.apply_censuses(Mono(1), &records);
        pieces.apply_censuses(Mono(1), &records[..cut]);
        pieces.apply_censuses(Mono(1), &records[cut..]);
        let mut want: Vec<DataKey> = (0..30).filter(|number| listed.contains(number)).map(key).collect();
        want.sort();
        prop_assert_eq!(keys(once.served()), want.clone());
        prop_assert_eq!(keys(pieces.served()), want);
    }
}
