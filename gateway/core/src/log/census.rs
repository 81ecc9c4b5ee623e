//! The census of a partition (rule R20): which keys there are, as their origin says, so that what no tombstone will ever remove goes.
//!
//! A mirror that was away for longer than tombstones are kept, and a topic that was restored from a backup, have keys that the origin removed long
//! ago and nobody will remove again. Nothing a reader sees tells them from living ones; only the origin can say which keys it has. It does so in 256
//! records, one for each bucket of key hashes, each with the hashes of all keys of its bucket. A census is part of the fold: at its place,
//! keys of its bucket that it does not list go.
//!
//! Invariants: a census adds nothing and changes nothing; of keys that it lists nothing is said. What a *late* census of a deposed leader takes from
//! readers is written again by whoever leads (see `federation/census.rs`), so that the plain records of a log are always the whole truth.
//!
//! Bounds: eight bytes for each key, spread over 256 records. A cluster of the largest size that readers take, 2,000,000 keys, all of them in one
//! partition, has 7,800 in a bucket: 62 KiB, where the least `max.message.bytes` is 1 MiB. Readers take [`MOST_HASHES`] in a bucket.

use std::collections::BTreeMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::log::key::{DataKey, RecordKey};
use crate::log::partition::{AppliedRecord, Fold, Partition};
use crate::log::record::{Record, RecordBody};
use crate::time::Mono;

/// Keys of one bucket that are taken at most: 33 million in a partition.
pub const MOST_HASHES: usize = 128 << 10;
/// Buckets of a partition.
const BUCKETS: usize = 256;

/// The hash by which a census lists a key: XXH3-64, seed 0, of its text.
#[must_use]
pub fn key_hash(key: &DataKey) -> u64 {
    xxh3_64(key.encode().as_bytes())
}

/// The bucket of a hash: its highest byte.
#[must_use]
pub fn bucket_of(hash: u64) -> u8 {
    hash.to_be_bytes()[0]
}

/// The hashes of all keys of one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Census(Arc<[u64]>);

impl Census {
    /// Takes ascending hashes, each once, all of the bucket, and no more than are taken at most; `None` for others.
    #[must_use]
    pub fn of_bucket(bucket: u8, hashes: Vec<u64>) -> Option<Self> {
        let ascending = hashes.is_sorted_by(|left, right| left < right);
        let here = hashes.iter().all(|hash| bucket_of(*hash) == bucket);
        (ascending && here && hashes.len() <= MOST_HASHES).then(|| Self(hashes.into()))
    }

    /// All buckets of a partition that has keys of these hashes, in their order.
    #[must_use]
    pub fn of_partition(mut hashes: Vec<u64>) -> Vec<(u8, Self)> {
        hashes.sort_unstable();
        hashes.dedup();
        let mut buckets = Vec::with_capacity(BUCKETS);
        let mut rest = hashes.as_slice();
        for bucket in 0..=u8::MAX {
            let end = rest.partition_point(|hash| bucket_of(*hash) <= bucket);
            let (here, further) = rest.split_at(end);
            buckets.push((bucket, Self(here.into())));
            rest = further;
        }
        buckets
    }

    /// The hashes, ascending.
    #[must_use]
    pub fn hashes(&self) -> &[u64] {
        &self.0
    }

    fn lists(&self, hash: u64) -> bool {
        self.0.binary_search(&hash).is_ok()
    }
}

/// Censuses that follow each other in a partition, each of another bucket.
#[derive(Debug, Default)]
pub struct CensusRun<'a>(BTreeMap<u8, &'a Census>);

impl<'a> CensusRun<'a> {
    /// As many of the first records as are censuses of different buckets. A run is applied at once, because looking for what is not listed
    /// costs as much as the partition is large, whether for one bucket or for all.
    #[must_use]
    pub fn length(records: &[Record]) -> usize {
        let mut buckets = [false; BUCKETS];
        let is_next = |record: &&Record| match record.key {
            RecordKey::Census(bucket) => !std::mem::replace(&mut buckets[usize::from(bucket)], true),
            _ => false,
        };
        records.iter().take_while(is_next).count()
    }

    fn add(&mut self, record: &'a Record) {
        if let (RecordKey::Census(bucket), RecordBody::Census(census)) = (&record.key, &record.body) {
            self.0.insert(*bucket, census);
        }
    }

    /// Keys of the fold that belong to these buckets and are not listed, sorted.
    fn unlisted(&self, fold: &Fold) -> Vec<DataKey> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let is_unlisted = |key: &DataKey| {
            let hash = key_hash(key);
            self.0.get(&bucket_of(hash)).is_some_and(|census| !census.lists(hash))
        };
        let mut keys: Vec<DataKey> = fold.keys().into_iter().filter(is_unlisted).collect();
        keys.sort();
        keys
    }
}

impl Partition {
    /// Applies a run of censuses of another cluster ([`CensusRun::length`]). Returns what became of the keys that are not listed: a census out
    /// of order is folded, and a view keeps what it takes like anything else that is late (rule R14).
    pub fn apply_censuses(&mut self, now: Mono, run: &[Record]) -> Vec<AppliedRecord> {
        let (mut all, mut news_in_order, mut late_news) =
            (CensusRun::default(), CensusRun::default(), CensusRun::default());
        for record in run {
            let in_order = self.is_in_order(record);
            all.add(record);
            if self.is_news(record) {
                if in_order { news_in_order.add(record) } else { late_news.add(record) }
            }
            self.apply(record);
        }
        self.sweep_shadow(|shadow| all.unlisted(shadow));
        let mut applied = Vec::new();
        for (run, in_order) in [(news_in_order, true), (late_news, false)] {
            for key in run.unlisted(self.served()) {
                applied.push(self.sweep_served(now, key, in_order));
            }
        }
        applied
    }

    /// Meets a run of censuses of the own cluster. Whoever reads its own log folds plain records: what it has is what Nacos is compared with.
    /// Returns the keys that readers do not have any more, so that they are to be written again.
    pub fn meet_censuses(&mut self, run: &[Record]) -> Vec<DataKey> {
        let mut all = CensusRun::default();
        for record in run {
            all.add(record);
            self.apply(record);
        }
        all.unlisted(self.image())
    }
}

#[cfg(test)]
mod tests;
