//! Censuses in storms (rule R20): what one takes, from readers and by the plainest way of folding, and what its writer has to list.

use federation_core::id::ClusterId;
use federation_core::input::OutgoingCensus;
use federation_core::log::census::{bucket_of, key_hash};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{Epoch, HIGHEST_TERM, PartitionId, Record, RecordBody};

use super::process::{Memory, Reader};
use super::world::Storm;

impl Reader {
    /// Keys of the bucket that are not listed.
    pub(crate) fn unlisted(&self, bucket: u8, listed: &[u64]) -> Vec<DataKey> {
        let here = self.buckets.get(&bucket).into_iter().flatten();
        here.filter(|(_, hash)| !listed.contains(hash)).map(|(key, _)| key.clone()).collect()
    }

    /// A key came or went: what is kept by bucket follows.
    pub(crate) fn note_key(&mut self, key: &DataKey, is_there: bool) {
        let hash = key_hash(key);
        let here = self.buckets.entry(bucket_of(hash)).or_default();
        if is_there {
            here.insert(key.clone(), hash)
        } else {
            here.remove(key)
        };
    }

    /// R20: what is not listed goes.
    pub(crate) fn sweep(&mut self, bucket: u8, listed: &[u64]) {
        for key in self.unlisted(bucket, listed) {
            self.sum = self.sum.wrapping_sub(self.keys.remove(&key).unwrap_or(0));
            self.note_key(&key, false);
        }
    }
}

impl Memory {
    /// A process folds the plain records of its own log: what a census takes from readers it writes again.
    pub(crate) fn meet_own(&mut self, record: &Record, reader: &mut Reader) {
        match (&record.key, &record.body) {
            (RecordKey::Census(bucket), RecordBody::Census(census)) => {
                self.unlisted.extend(reader.unlisted(*bucket, census.hashes()));
            }
            (RecordKey::Data(key), _) => {
                self.unlisted.remove(key);
                reader.fold(record);
            }
            _ => {}
        }
    }

    /// A census is handed over: what it does not list goes, as by a tombstone.
    pub(crate) fn note_census(&mut self, now: u64, origin: &ClusterId, record: &Record, reader: &Reader) {
        if let (RecordKey::Census(bucket), RecordBody::Census(census)) = (&record.key, &record.body) {
            for key in reader.unlisted(*bucket, census.hashes()) {
                self.tombstones.insert((origin.clone(), key), now);
            }
        }
    }
}

impl Storm {
    /// Whether a later leadership has written to the partition: what a leader that stood still between its permission and the log says of the
    /// partition after that is out of order (R14), and nobody goes by it.
    pub(crate) fn is_deposed(&self, place: &PartitionId, epoch: Epoch) -> bool {
        let later = |found: Epoch| found > epoch && found.term <= HIGHEST_TERM;
        let later = |record: &Record| record.header.is_some_and(|header| later(header.epoch));
        self.broker.data[place].records().any(later)
    }

    /// R20: in a partition that nobody disturbs a census lists what the log has at its place.
    pub(crate) fn check_census(&mut self, slot: usize, place: &PartitionId, stated: &OutgoingCensus) {
        let unlisted = self.landed[place].unlisted(stated.bucket, stated.census.hashes());
        let disturbed = self.record.disturbed.get(place).is_some_and(|until| *until > self.now);
        let moved = self
            .process(slot)
            .is_none_or(|process| process.memory.leads_since.is_none_or(|since| since + 20_000 > self.now));
        if !unlisted.is_empty() && !disturbed && !moved && !self.is_deposed(place, stated.header.epoch) {
            self.fail("1 a census is what the log has (R20)", || format!("{place:?} lacks {unlisted:?}"));
        }
    }
}
