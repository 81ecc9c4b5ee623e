//! A log in memory that compacts, truncates, is created anew, and is mirrored with repeats.
//!
//! Offsets stay when records go, as in Kafka. What is younger than `LAG` is not compacted, and a tombstone goes only when every reader
//! has passed it: both are promised by the topics' settings (rule R23).

use std::collections::{BTreeMap, BTreeSet};

use federation_core::id::ClusterId;
use federation_core::log::control::{ControlKey, ControlValue};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{ControlRecord, PartitionId, Record, RecordBody, RecordHeader, TopicKind};

use crate::world::{Dice, PARTITIONS, digest};

/// `min.compaction.lag.ms`.
const LAG: u64 = 60_000;

/// What compaction has to know of a record.
pub(crate) trait Stored: Clone {
    type Key: Ord;
    /// `None` if each such record stays.
    fn key(&self) -> Option<Self::Key>;
    fn is_tombstone(&self) -> bool;
    fn offset(&self) -> u64;
    fn place(&mut self, offset: u64);
}

impl Stored for Record {
    type Key = Result<DataKey, Option<u8>>;
    fn key(&self) -> Option<Self::Key> {
        match &self.key {
            RecordKey::Data(key) => Some(Ok(key.clone())),
            RecordKey::Census(bucket) => Some(Err(Some(*bucket))),
            RecordKey::Checkpoint => Some(Err(None)),
            RecordKey::Other | RecordKey::Malformed => None,
        }
    }
    fn is_tombstone(&self) -> bool {
        self.body == RecordBody::Tombstone
    }
    fn offset(&self) -> u64 {
        self.offset
    }
    fn place(&mut self, offset: u64) {
        self.offset = offset;
    }
}

impl Stored for ControlRecord {
    type Key = ControlKey;
    fn key(&self) -> Option<Self::Key> {
        Some(self.key.clone())
    }
    fn is_tombstone(&self) -> bool {
        self.value.is_none()
    }
    fn offset(&self) -> u64 {
        self.offset
    }
    fn place(&mut self, offset: u64) {
        self.offset = offset;
    }
}

/// One partition.
#[derive(Clone)]
pub(crate) struct Part<R> {
    /// Each with when it landed.
    kept: Vec<(u64, R)>,
    next: u64,
    /// Created anew so many times.
    pub(crate) life: u64,
    /// Where it was truncated, each time.
    cuts: Vec<u64>,
    /// The mirror: how far it copied, in which life.
    copied: (u64, u64, usize),
}

impl<R> Default for Part<R> {
    fn default() -> Self {
        Self { kept: Vec::new(), next: 0, life: 0, cuts: Vec::new(), copied: (0, 0, 0) }
    }
}

impl<R: Stored> Part<R> {
    pub(crate) fn end(&self) -> u64 {
        self.next
    }

    pub(crate) fn push(&mut self, now: u64, mut record: R) {
        record.place(self.next);
        self.next += 1;
        self.kept.push((now, record));
    }

    /// At most so many records from the offset on.
    pub(crate) fn from(&self, offset: u64, most: usize) -> Vec<R> {
        let start = self.kept.partition_point(|(_, record)| record.offset() < offset);
        self.kept[start..].iter().take(most).map(|(_, record)| record.clone()).collect()
    }

    pub(crate) fn records(&self) -> impl DoubleEndedIterator<Item = &R> {
        self.kept.iter().map(|(_, record)| record)
    }

    pub(crate) fn cuts(&self) -> usize {
        self.cuts.len()
    }

    /// Whether a reader that has been told of so many truncations stands behind a later one.
    pub(crate) fn was_cut_below(&self, cursor: u64, known: usize) -> bool {
        self.cuts[known..].iter().any(|cut| *cut < cursor)
    }

    pub(crate) fn truncate(&mut self, records: u64) {
        let end = self.next.saturating_sub(records);
        self.kept.retain(|(_, record)| record.offset() < end);
        self.next = end;
        self.cuts.push(end);
    }

    pub(crate) fn recreate(&mut self) {
        *self = Self { life: self.life + 1, ..Self::default() };
    }

    /// Older records of a key go, and tombstones below `passed`.
    pub(crate) fn compact(&mut self, now: u64, passed: u64) {
        let mut later = BTreeSet::new();
        let mut kept = Vec::new();
        for (landed, record) in std::mem::take(&mut self.kept).into_iter().rev() {
            let superseded = record.key().is_some_and(|key| !later.insert(key));
            let stays = now < landed + LAG || !(superseded || (record.is_tombstone() && record.offset() < passed));
            if stays {
                kept.push((landed, record));
            }
        }
        kept.reverse();
        self.kept = kept;
    }

    /// Copies what is new of `from`; at times it begins some records before. One that `loses` removals meets none of those that are new.
    fn mirror(&mut self, now: u64, from: &Self, loses: bool, dice: &mut Dice) {
        let (cursor, life, cuts) = self.copied;
        if life != from.life || from.was_cut_below(cursor, cuts) {
            let lives = self.life + 1;
            *self = Self { life: lives, copied: (0, from.life, from.cuts()), ..Self::default() };
        }
        let back = if dice.one_in(20) { dice.roll(6) } else { 0 };
        let start = self.copied.0.saturating_sub(back);
        if start == from.next {
            return;
        }
        for record in from.from(start, usize::MAX) {
            if !(loses && record.is_tombstone()) {
                self.push(now, record);
            }
        }
        self.copied = (from.next, from.life, from.cuts());
    }
}

/// All topics, and the mirror of those of the first cluster.
#[derive(Default)]
pub(crate) struct Broker {
    pub(crate) data: BTreeMap<PartitionId, Part<Record>>,
    pub(crate) control: BTreeMap<ClusterId, Part<ControlRecord>>,
    pub(crate) mirrored: Option<Box<Broker>>,
}

impl Broker {
    /// Creates the topics of a cluster.
    pub(crate) fn create(&mut self, cluster: &ClusterId) {
        self.control.insert(cluster.clone(), Part::default());
        for place in places_of(cluster) {
            self.data.insert(place, Part::default());
        }
    }

    pub(crate) fn push(
        &mut self,
        now: u64,
        place: &PartitionId,
        key: RecordKey,
        body: RecordBody,
        header: Option<RecordHeader>,
    ) {
        let digest = digest(&key, &body);
        let record = Record { offset: 0, key, header, body, digest };
        self.data.get_mut(place).unwrap().push(now, record);
    }

    pub(crate) fn push_control(
        &mut self,
        now: u64,
        of: &ClusterId,
        key: ControlKey,
        value: Option<ControlValue>,
        header: Option<RecordHeader>,
    ) {
        self.control
            .get_mut(of)
            .unwrap()
            .push(now, ControlRecord { offset: 0, key, header, value, signed: Default::default() });
    }

    /// Where a partition ends.
    pub(crate) fn end(&self, place: &PartitionId) -> u64 {
        if place.topic == TopicKind::Control { self.control[&place.origin].end() } else { self.data[place].end() }
    }

    /// Its life and its truncations: while both are the same, offsets mean the same.
    pub(crate) fn shape(&self, place: &PartitionId) -> (u64, usize) {
        if place.topic == TopicKind::Control {
            let part = &self.control[&place.origin];
            (part.life, part.cuts())
        } else {
            let part = &self.data[place];
            (part.life, part.cuts())
        }
    }

    pub(crate) fn copy_to_mirror(&mut self, now: u64, loses: bool, dice: &mut Dice) {
        let Some(mut mirror) = self.mirrored.take() else { return };
        for (origin, copy) in &mut mirror.control {
            copy.mirror(now, &self.control[origin], false, dice);
        }
        for (place, copy) in &mut mirror.data {
            copy.mirror(now, &self.data[place], loses, dice);
        }
        self.mirrored = Some(mirror);
    }
}

/// The data partitions of a cluster.
pub(crate) fn places_of(cluster: &ClusterId) -> Vec<PartitionId> {
    let place = |topic, partition| PartitionId { origin: cluster.clone(), topic, partition };
    TopicKind::DATA.into_iter().flat_map(|topic| (0..PARTITIONS).map(move |number| place(topic, number))).collect()
}

/// The control partition of a cluster.
pub(crate) fn control_of(cluster: &ClusterId) -> PartitionId {
    PartitionId { origin: cluster.clone(), topic: TopicKind::Control, partition: 0 }
}
