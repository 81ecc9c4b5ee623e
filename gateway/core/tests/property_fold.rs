//! The fold of a partition, for any history, repetition and compaction, read live or late: always the same state.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::sync::Arc;

use federation_core::config_item::ConfigItem;
use federation_core::id::{ConfigKey, InstanceId, ServiceKey};
use federation_core::instance::{Health, Instance, Metadata, Weight};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::partition::{Fold, Partition};
use federation_core::log::record::{Checkpoint, Epoch, Record, RecordBody, RecordHeader};
use federation_core::seed::Seed;
use federation_core::time::WallMs;
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Write {
    key: u8,
    value: Option<u8>,
    term: u32,
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let write =
        (0..6u8, proptest::option::of(0..4u8), 1..4u32).prop_map(|(key, value, term)| Write { key, value, term });
    proptest::collection::vec(write, 0..60)
}

fn key(number: u8) -> DataKey {
    if number < 4 {
        let service = ServiceKey::new("public", "g", if number < 2 { "a" } else { "b" });
        DataKey::Instance(service, InstanceId::new("10.0.0.1", u16::from(number), "DEFAULT"))
    } else {
        DataKey::Config(ConfigKey::new("public", "g", &number.to_string()))
    }
}

/// Value 3 stands for bytes that cannot be read.
fn body(key: u8, value: Option<u8>) -> RecordBody {
    match value {
        None => RecordBody::Tombstone,
        Some(3) => RecordBody::Unreadable,
        Some(value) if key < 4 => RecordBody::Instance(Arc::new(Instance {
            weight: Weight::try_from(f64::from(value)).unwrap(),
            health: Health::Healthy,
            enabled: true,
            ephemeral: true,
            metadata: Metadata::default(),
        })),
        Some(value) => {
            RecordBody::Config(Arc::new(ConfigItem { content: value.to_string().into(), ..ConfigItem::default() }))
        }
    }
}

fn log(writes: &[Write]) -> Vec<Record> {
    let record = |(offset, write): (u64, &Write)| {
        let digest = u128::from(write.key) * 1_000 + u128::from(write.value.unwrap_or(99)) + 1;
        let header =
            RecordHeader { schema: 1, epoch: Epoch { term: write.term, nonce: 1 }, seq: offset, observed: WallMs(0) };
        Record {
            offset,
            key: RecordKey::Data(key(write.key)),
            header: Some(header),
            body: body(write.key, write.value),
            digest,
        }
    };
    (0..).zip(writes).map(record).collect()
}

/// What compaction may leave of the records below `before`: of each key at least its last record.
fn compacted(records: &[Record], before: u64, keep: &[bool]) -> Vec<Record> {
    let is_last =
        |record: &Record| !records.iter().any(|later| later.offset > record.offset && later.key == record.key);
    let stays = |record: &&Record| {
        let kept_by_chance = keep.get(usize::try_from(record.offset).unwrap()).copied().unwrap_or(true);
        record.offset >= before || is_last(record) || kept_by_chance
    };
    records.iter().filter(stays).cloned().collect()
}

fn folded(records: &[Record]) -> Partition {
    let mut partition = Partition::new(Seed(1));
    for record in records {
        partition.apply(record);
    }
    partition
}

/// Last record per key, the slow and obvious way.
fn expected(records: &[Record]) -> (u64, u128) {
    let mut last: std::collections::BTreeMap<String, &Record> = std::collections::BTreeMap::new();
    for record in records {
        last.insert(format!("{:?}", record.key), record);
    }
    let present: Vec<&&Record> = last.values().filter(|record| record.body != RecordBody::Tombstone).collect();
    let digest = present.iter().fold(0u128, |sum, record| sum.wrapping_add(record.digest));
    (u64::try_from(present.len()).unwrap(), digest)
}

/// What a view shows, without digests of unreadable values: a late reader never saw the value before them.
fn shown(fold: &Fold) -> Vec<String> {
    let services = fold.services().flat_map(|(service, entries)| {
        let readable = entries.iter().filter(|(_, entry)| entry.is_readable());
        readable.map(move |(id, entry)| format!("{service} {id} {:?}", entry.value))
    });
    let configs =
        fold.configs().filter(|(_, entry)| entry.is_readable()).map(|(key, entry)| format!("{key} {:?}", entry.value));
    let mut lines: Vec<String> = services.chain(configs).collect();
    lines.sort();
    lines
}

proptest! {
    #[test]
    fn count_and_digest_are_those_of_the_last_record_per_key(writes in writes()) {
        let records = log(&writes);
        let fold = folded(&records);
        prop_assert_eq!((fold.served().count(), fold.served().digest()), expected(&records));
    }

    #[test]
    fn a_late_reader_of_any_compaction_holds_the_same(writes in writes(), cut in 0..60u64, keep in proptest::collection::vec(any::<bool>(), 60)) {
        let records = log(&writes);
        let late = compacted(&records, cut, &keep);
        let (live, late) = (folded(&records), folded(&late));
        prop_assert_eq!(live.served().digest(), late.served().digest());
        prop_assert_eq!(live.served().count(), late.served().count());
        prop_assert_eq!(shown(live.served()), shown(late.served()));
    }

    #[test]
    fn repeating_a_stretch_and_then_the_rest_changes_nothing(writes in writes(), from in 0..60usize) {
        let records = log(&writes);
        let from = from.min(records.len());
        let mut repeated = records.clone();
        repeated.extend_from_slice(&records[from..]);
        prop_assert_eq!(folded(&records).served().digest(), folded(&repeated).served().digest());
        prop_assert_eq!(shown(folded(&records).served()), shown(folded(&repeated).served()));
    }

    #[test]
    fn a_fold_begun_anew_serves_the_old_state_until_a_checkpoint_proves_it(writes in writes()) {
        let records = log(&writes);
        let mut partition = folded(&records);
        let before = shown(partition.served());
        partition.restart();
        for record in &records {
            partition.apply(record);
            prop_assert_eq!(shown(partition.served()), before.clone());
        }
        partition.at_end(60);
        prop_assert!(partition.is_shadowed());
        let (count, digest) = expected(&records);
        let stated = |count| RecordBody::Checkpoint(Checkpoint { count, digest, beat: 1, partitions: 1 });
        let checkpoint = |count| Record { offset: 60, key: RecordKey::Checkpoint, header: None, body: stated(count), digest: 0 };
        partition.apply(&checkpoint(count + 1));
        prop_assert!(partition.is_shadowed(), "a checkpoint that differs proves nothing");
        partition.apply(&checkpoint(count));
        prop_assert!(!partition.is_shadowed());
        prop_assert_eq!(shown(partition.served()), shown(folded(&records).served()));
    }
}
