//! What is read on from a snapshot ends up as what is read from the beginning (invariant 11), wherever the snapshot was taken and whatever compaction
//! left of what follows; and what is no longer the same log is not read on.

use std::collections::BTreeMap;

use federation_core::federation::Federation;
use federation_core::id::InstanceId;
use federation_core::input::{Effect, Input, LogInput};
use federation_core::log::cursor::LogSource;
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{Checkpoint, Epoch, PartitionId, Record, RecordBody, RecordHeader, TopicKind};
use federation_core::service::{FactSource, FederatedInstance};
use federation_core::time::{Mono, Now, WallMs};
use proptest::prelude::*;

use crate::world::{Log, PARTITIONS, World, cluster, core, digest, id, instance, push, service};

const ORIGIN: &str = "shanghai";
const NAMES: [&str; 3] = ["a", "b", "c"];

/// A record of a key (or, from 12 on, a checkpoint), its value, and whether compaction leaves it although a later one of its key follows.
type Write = (u64, Option<u64>, bool);

fn log_of(writes: &[Write]) -> Log {
    let mut log = Log { up: true, ..Log::default() };
    for (seq, (number, value, _)) in (1..).zip(writes) {
        let header = RecordHeader { schema: 1, epoch: Epoch { term: 1, nonce: 7 }, seq, observed: WallMs(0) };
        let key = key(*number % 12);
        let place = place_of(&key);
        if *number >= 12 {
            let stated = stated(log.data.get(&place).map_or(&[][..], |records| &records[..]));
            push(&mut log, place, RecordKey::Checkpoint, RecordBody::Checkpoint(stated), header);
            continue;
        }
        let body = match value {
            None => RecordBody::Tombstone,
            Some(3) => RecordBody::Unreadable,
            Some(weight) => RecordBody::Instance(std::sync::Arc::new(instance(f64::from(*weight as u32), true))),
        };
        push(&mut log, place, RecordKey::Data(key), body, header);
    }
    log
}

fn stated(records: &[Record]) -> Checkpoint {
    let mut last = BTreeMap::new();
    for record in records {
        if let RecordKey::Data(key) = &record.key {
            last.insert(key.clone(), (record.body != RecordBody::Tombstone).then_some(record.digest));
        }
    }
    let digests: Vec<u128> = last.into_values().flatten().collect();
    let sum = digests.iter().fold(0, |sum: u128, digest| sum.wrapping_add(*digest));
    Checkpoint { count: u64::try_from(digests.len()).unwrap(), digest: sum, beat: 1, partitions: PARTITIONS }
}

fn key(number: u64) -> DataKey {
    DataKey::Instance(service(NAMES[usize::try_from(number % 3).unwrap()]), id(number))
}

fn place_of(key: &DataKey) -> PartitionId {
    PartitionId { origin: cluster(ORIGIN), topic: TopicKind::Instances, partition: key.partition(PARTITIONS) }
}

fn places() -> impl Iterator<Item = PartitionId> {
    let place = |topic, partition| PartitionId { origin: cluster(ORIGIN), topic, partition };
    TopicKind::DATA.into_iter().flat_map(move |topic| (0..PARTITIONS).map(move |number| place(topic, number)))
}

fn source() -> LogSource {
    LogSource { kafka: "k".into(), topic: None, begin: 0 }
}

/// A gateway that has read these stretches of each partition, `(from, to)` and which records of them are there.
struct Reader(Federation);

impl Reader {
    fn new() -> Self {
        let mut reader = Self(core(&cluster("frankfurt"), 9));
        reader.tell(LogInput::Members(vec![(cluster("frankfurt"), PARTITIONS), (cluster(ORIGIN), PARTITIONS)]));
        reader
    }

    fn tell(&mut self, input: LogInput) -> Vec<Effect> {
        self.0.step(Now { mono: Mono(1_000), wall: WallMs(1_000_000) }, Input::Log(input))
    }

    /// Hands over a stretch of a partition.
    fn read(&mut self, place: &PartitionId, records: &[Record]) {
        for record in records {
            let records = vec![record.clone()];
            self.tell(LogInput::Records { partition: place.clone(), records });
        }
    }

    fn at_end(&mut self, place: &PartitionId, next_offset: u64) {
        self.tell(LogInput::AtEnd { partition: place.clone(), next_offset });
        self.tell(LogInput::Source { partition: place.clone(), source: source() });
    }

    fn shown(&self) -> BTreeMap<&'static str, Vec<(InstanceId, FederatedInstance)>> {
        let mut shown = BTreeMap::new();
        for name in NAMES {
            let origins = self.0.service(&service(name)).map(|found| found.origins).unwrap_or_default();
            assert!(origins.iter().all(|it| it.source == FactSource::Log), "it is read");
            let instances = origins.into_iter().flat_map(|it| it.instances);
            shown.insert(name, instances.map(|it| (it.id.clone(), it)).collect());
        }
        shown
    }
}

/// What compaction may leave of records of which the reader has none yet: of each key at least the last.
fn compacted(records: &[Record], keep: &BTreeMap<u64, bool>) -> Vec<Record> {
    let is_last =
        |record: &Record| !records.iter().any(|later| later.offset > record.offset && later.key == record.key);
    let seq = |record: &Record| record.header.unwrap().seq;
    records.iter().filter(|it| is_last(it) || keep[&seq(it)]).cloned().collect()
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    proptest::collection::vec((0..14u64, proptest::option::of(0..4u64), any::<bool>()), 0..60)
}

proptest! {
    #[test]
    fn a_snapshot_and_what_follows_on_it_are_the_whole_log(writes in writes(), cut in 0..60usize, compacts in any::<bool>()) {
        let log = log_of(&writes);
        let keep: BTreeMap<u64, bool> = (1..).zip(&writes).map(|(seq, (_, _, keep))| (seq, *keep || !compacts)).collect();
        let (mut whole, mut before, mut resumed) = (Reader::new(), Reader::new(), Reader::new());
        let before_cut = |record: &Record| record.header.unwrap().seq <= cut as u64;
        for place in places() {
            let records = log.data.get(&place).map_or(&[][..], |records| &records[..]);
            whole.read(&place, records);
            whole.at_end(&place, u64::try_from(records.len()).unwrap());
            let read: Vec<Record> = records.iter().filter(|it| before_cut(it)).cloned().collect();
            before.read(&place, &read);
            before.at_end(&place, u64::try_from(read.len()).unwrap());
        }
        resumed.0 = core(&cluster("frankfurt"), 10);
        resumed.0.restore(before.0.snapshot());
        resumed.tell(LogInput::Members(vec![(cluster("frankfurt"), PARTITIONS), (cluster(ORIGIN), PARTITIONS)]));
        let cursors: BTreeMap<PartitionId, u64> = resumed.0.cursors().map(|(place, it)| (place, it.next_offset)).collect();
        prop_assert_eq!(cursors.len(), places().count());
        for place in places() {
            let records = log.data.get(&place).map_or(&[][..], |records| &records[..]);
            let next_offset = cursors[&place];
            let effects = resumed.tell(LogInput::ReadsOn { partition: place.clone(), next_offset });
            prop_assert!(!effects.contains(&Effect::ReadAnew(place.clone())));
            let tail: Vec<Record> = records.iter().filter(|it| it.offset >= next_offset).cloned().collect();
            resumed.read(&place, &compacted(&tail, &keep));
            resumed.at_end(&place, u64::try_from(records.len()).unwrap());
        }
        prop_assert_eq!(resumed.0.digests().collect::<Vec<_>>(), whole.0.digests().collect::<Vec<_>>());
        // What was readable before the last record of a key that is not, only who met it knows.
        if writes.iter().all(|(_, value, _)| *value != Some(3)) {
            prop_assert_eq!(resumed.shown(), whole.shown());
        }
        prop_assert_eq!(resumed.0.incomplete().count(), 0);
    }
}

#[test]
fn a_reader_that_begins_elsewhere_than_the_snapshot_stands_is_sent_back_to_the_beginning_and_nothing_it_brings_counts()
{
    let log = log_of(&[(0, Some(1), true), (3, Some(1), true), (6, Some(2), true), (12, None, true)]);
    let place = place_of(&key(0));
    let mut before = Reader::new();
    before.read(&place, &log.data[&place][..2]);
    before.at_end(&place, 2);
    let mut resumed = Reader(core(&cluster("frankfurt"), 10));
    resumed.0.restore(before.0.snapshot());
    let tell = |resumed: &mut Reader, input| resumed.tell(input);
    let effects = tell(&mut resumed, LogInput::ReadsOn { partition: place.clone(), next_offset: 3 });
    assert_eq!(effects, [Effect::ReadAnew(place.clone())]);
    let shown = |resumed: &Reader| resumed.0.service(&service("a")).unwrap().origins[0].instances.len();
    resumed.read(&place, &log.data[&place][3..]);
    resumed.at_end(&place, 4);
    assert_eq!(shown(&resumed), 2, "what was kept serves on");
    tell(&mut resumed, LogInput::ReadAnew(place.clone()));
    resumed.read(&place, &log.data[&place]);
    resumed.at_end(&place, 4);
    assert_eq!(shown(&resumed), 3);
}

#[test]
fn a_snapshot_of_which_a_part_does_not_count_is_not_read_on() {
    let mut log = log_of(&[(0, Some(1), true)]);
    let place = place_of(&key(0));
    let mut before = Reader::new();
    before.read(&place, &log.data.remove(&place).unwrap());
    before.at_end(&place, 1);
    let mut snapshot = before.0.snapshot();
    let with_facts = snapshot.iter_mut().find(|piece| !piece.facts.is_empty()).unwrap();
    with_facts.facts[0].digest = digest(&RecordKey::Checkpoint, &RecordBody::Tombstone); // Another version of the program made something else of it.
    let mut resumed = core(&cluster("frankfurt"), 10);
    resumed.restore(snapshot);
    assert!(resumed.cursors().all(|(kept, _)| kept != place));
    assert_eq!(resumed.service(&service("a")).unwrap().origins[0].source, FactSource::Snapshot);
}

#[test]
fn nothing_is_kept_anew_while_only_ages_and_places_change() {
    let mut world = World::new(1, &["frankfurt", ORIGIN]);
    world.set(ORIGIN, &service("orders"), &id(20), Some(instance(1.0, true)));
    world.run(70_000);
    let revision = |world: &World| world.gateways[&cluster("frankfurt")].core.snapshot_revision();
    let settled = revision(&world);
    world.run(200_000);
    assert_eq!(revision(&world), settled, "beats and checkpoints change nothing that has to be written");
    world.set(ORIGIN, &service("orders"), &id(20), Some(instance(2.0, true)));
    world.run(5_000);
    assert!(revision(&world) > settled);
    let settled = revision(&world);
    world.restart_with_snapshot("frankfurt");
    let begun = revision(&world);
    world.run(70_000);
    assert_eq!(revision(&world), begun, "what was read on is on disk already, {settled}");
}
