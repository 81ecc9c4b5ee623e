//! How much of an origin is taken at most: a number of instances and config items, and bytes of them.
//!
//! Input: what an origin has, and a record that would add to it. Output: whether there is room, and for each origin which limit something was
//! passed over for. What is beyond a limit is not folded, so that memory stays bounded whatever somebody writes; what is known stays, and
//! is changed and removed like anything else. A fold that lacks something does not agree with checkpoints, so the origin is *incomplete* as well
//! (rule R17) and its partitions are read anew, each ten minutes at most: that is what heals it once the origin has shrunk.
//!
//! Invariant: a partition stands here from the first record of it that was passed over until it is read from its beginning.

use std::collections::BTreeMap;

use crate::federation::{Federation, Origin};
use crate::id::ClusterId;
use crate::log::bounds::{OriginBounds, value_bytes};
use crate::log::key::RecordKey;
use crate::log::partition::Partition;
use crate::log::record::{PartitionId, Record, RecordBody, TopicKind};

/// A limit on what is taken of one origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OriginLimit {
    /// Instances and config items: [`OriginBounds::facts`].
    Items,
    /// Bytes of their values: [`OriginBounds::bytes`].
    Bytes,
}

impl OriginLimit {
    /// The word of its setting.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Bytes => "bytes",
        }
    }
}

/// How much is kept of an origin's facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    keys: u64,
    bytes: u64,
}

impl Load {
    /// The limit that the record would pass, if it would.
    fn limit_for(self, partition: &Partition, record: &Record, bounds: &OriginBounds) -> Option<OriginLimit> {
        let RecordKey::Data(key) = &record.key else { return None };
        // Nearly always there is room whatever is kept of the key: then that need not be looked up.
        if self.keys < bounds.facts && self.bytes.saturating_add(value_bytes(&record.body)) <= bounds.bytes {
            return None;
        }
        let kept = partition.image().bytes_of(key);
        let bytes = self.bytes.saturating_sub(kept.unwrap_or(0)).saturating_add(value_bytes(&record.body));
        let is_new = kept.is_none() && record.body != RecordBody::Tombstone;
        match () {
            () if is_new && self.keys >= bounds.facts => Some(OriginLimit::Items),
            () if bytes > bounds.bytes && bytes > self.bytes => Some(OriginLimit::Bytes),
            () => None,
        }
    }
}

/// Partitions of which something was passed over, with how many records for which limit; as many as the origin has at most.
#[derive(Debug, Default)]
pub(super) struct PassedOver(BTreeMap<(TopicKind, u32), BTreeMap<OriginLimit, u64>>);

impl PassedOver {
    /// The partition is read from its beginning.
    pub(super) fn begins_anew(&mut self, place: &PartitionId) {
        self.0.remove(&(place.topic, place.partition));
    }
}

/// What one record, or one key that a census lists, allows to be looked at: a census that comes in sixteen pieces pays for itself.
const LOOKED_AT_FOR_EACH: u64 = 16;
/// As many are allowed in advance: keys that are looked at in less than a second.
const LOOKED_AT_AT_ONCE: u64 = 1 << 22;

/// How many keys may be looked at for censuses of an origin. To look for what is not listed costs as much as the partition is large, and a census
/// may be thirty bytes: without this, whoever writes one after the other, each alone, would stop all others.
#[derive(Debug)]
pub(super) struct SweepCredit(u64);

impl Default for SweepCredit {
    fn default() -> Self {
        Self(LOOKED_AT_AT_ONCE)
    }
}

impl SweepCredit {
    /// So many records were read, or keys listed.
    pub(super) fn earn(&mut self, items: u64) {
        self.0 = self.0.saturating_add(items.saturating_mul(LOOKED_AT_FOR_EACH)).min(LOOKED_AT_AT_ONCE);
    }

    /// So many keys are to be looked at. False if that is too much by now. What is large in itself is looked at from a full credit.
    pub(super) fn spend(&mut self, keys: u64) -> bool {
        let pays = keys <= self.0 || self.0 == LOOKED_AT_AT_ONCE;
        if pays {
            self.0 = self.0.saturating_sub(keys);
        }
        pays
    }
}

impl Origin {
    /// Whether there is room for the record; if not, that is noted.
    pub(super) fn makes_room(&mut self, place: &PartitionId, record: &Record, bounds: &OriginBounds) -> bool {
        let Some(partition) = self.log.partition(place.topic, place.partition) else { return true };
        let Some(limit) = self.load.limit_for(partition, record, bounds) else { return true };
        *self.passed_over.0.entry((place.topic, place.partition)).or_default().entry(limit).or_default() += 1;
        false
    }

    /// Changes a partition, and keeps count of how much it has.
    pub(super) fn change<R>(&mut self, place: &PartitionId, change: impl FnOnce(&mut Partition) -> R) -> Option<R> {
        let partition = self.log.partition_mut(place.topic, place.partition)?;
        let before = partition.load();
        let result = change(partition);
        let after = partition.load();
        self.load.keys = (self.load.keys + after.0).saturating_sub(before.0);
        self.load.bytes = (self.load.bytes + after.1).saturating_sub(before.1);
        Some(result)
    }

    /// The log of the origin is another one.
    pub(super) fn weigh(&mut self) {
        self.passed_over = PassedOver::default();
        self.load = self
            .log
            .all()
            .map(|(_, _, partition)| partition.load())
            .fold(Load::default(), |sum, it| Load { keys: sum.keys + it.0, bytes: sum.bytes + it.1 });
    }
}

impl Federation {
    /// Clusters that have more than is taken of one: the limit, and how many records were passed over for it since what is missing was last
    /// read. Sorted by cluster and limit.
    #[must_use]
    pub fn over_limits(&self) -> Vec<(ClusterId, OriginLimit, u64)> {
        let mut sums: BTreeMap<(&ClusterId, OriginLimit), u64> = BTreeMap::new();
        for (id, origin) in &self.origins {
            for (limit, records) in origin.passed_over.0.values().flatten() {
                *sums.entry((id, *limit)).or_default() += records;
            }
        }
        sums.into_iter().map(|((id, limit), records)| (id.clone(), limit, records)).collect()
    }

    /// What is taken of one origin at most.
    #[must_use]
    pub fn bounds(&self) -> &OriginBounds {
        &self.bounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_censuses_one_after_the_other_cost_no_more_than_a_few_records_each() {
        let (mut credit, keys) = (SweepCredit::default(), 62_500);
        let (mut records, mut looked_at) = (0, 0);
        for _ in 0..100_000 {
            credit.earn(2); // A record, and a census of one key.
            records += 2;
            looked_at += if credit.spend(keys) { keys } else { 0 };
        }
        assert!(looked_at <= LOOKED_AT_AT_ONCE + records * LOOKED_AT_FOR_EACH, "{looked_at}");
    }

    #[test]
    fn a_whole_census_is_always_looked_at_also_in_sixteen_pieces() {
        let mut credit = SweepCredit::default();
        for keys in [0, 1_000, 62_500, 2_000_000] {
            for _ in 0..100 {
                let piece = keys / 16 + 16;
                credit.earn(piece);
                assert!(credit.spend(keys), "{keys}");
            }
        }
    }

    #[test]
    fn what_is_larger_than_any_credit_is_looked_at_when_it_is_full() {
        let mut credit = SweepCredit::default();
        assert!(credit.spend(LOOKED_AT_AT_ONCE + 1) && !credit.spend(1));
    }
}
