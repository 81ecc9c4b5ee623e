//! The one write path (rule R6): drives the own log, as it is read back, to what the local Nacos says.
//!
//! pending = sent, neither read back nor failed. For each key: if (pending, else image) is not what is wanted, write. What is due is kept
//! as a set of keys, not of values: the value is looked up when it is sent, so that ten changes of one instance while the log is away
//! become one record.
//!
//! ```text
//! at rest ──mark──▶ due ──next, send──▶ pending ──read back──▶ at rest
//!                    ▲                     │ failed, or nothing heard
//!                    └──retry──── did not land ◀── read up to an end asked for after ── unsure
//! ```
//!
//! Invariants: a key that is not at rest has exactly one entry here, with all that is known of it; every index points to such an entry and
//! every entry is in the indexes that its state asks for, so that nothing is counted by hand. Costs: logarithmic in what is under way and
//! due, never in the registry.

mod doubt;
mod ledger;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::input::{OutgoingRecord, SendId};
use crate::log::census::key_hash;
use crate::log::key::DataKey;
use crate::log::origin::topic_of;
use crate::log::partition::Fold;
use crate::log::record::{Epoch, RecordBody, RecordHeader, SCHEMA, TopicKind};
use crate::seed::Seed;
use crate::time::{Millis, Mono, WallMs};

use self::doubt::Doubts;
use self::ledger::{Change, Ledger, Pending};

/// How many records may be under way: about half a second of a healthy log; more wait as keys.
const MOST_PENDING: usize = 10_000;
/// A key that another writer overwrote is restated at most this often: a duel is a metric, not a meltdown.
const RESTATE_AFTER: Millis = Millis::from_secs(1);
/// A key whose send failed waits this long, doubled each time.
const RETRY_AFTER: Millis = Millis(500);
/// The longest wait after failed sends.
const RETRY_AT_MOST: Millis = Millis::from_secs(60);
/// From so many failed sends in a row on, while the log takes others, the trouble is with the key and not with the log.
const REFUSED_FROM: u32 = 3;
/// A send of which nothing is heard for this long may have landed or not; longer than the producer's own time-out.
const UNHEARD_AFTER: Millis = Millis::from_secs(10);

/// A partition of an own data topic.
pub type OwnPartition = (TopicKind, u32);

/// What is under way and what is due.
pub struct Publisher {
    seed: Seed,
    ledger: Ledger,
    doubts: Doubts,
    /// Sends in their order; those that were heard of are passed over.
    unheard: VecDeque<(Mono, SendId)>,
    restated: Restated,
    seq: u64,
    sent_total: u64,
}

/// When keys that another writer overwrote were, or will be, restated; those of more than a second ago are forgotten.
#[derive(Default)]
struct Restated {
    last: BTreeMap<DataKey, Mono>,
    order: VecDeque<(Mono, DataKey)>,
}

impl Restated {
    /// The key is to be restated: not before the time that is returned.
    fn next(&mut self, now: Mono, key: &DataKey) -> Mono {
        while let Some((at, key)) = self.order.pop_front_if(|(at, _)| now >= *at + RESTATE_AFTER) {
            if self.last.get(&key) == Some(&at) {
                self.last.remove(&key);
            }
        }
        match self.last.get(key) {
            Some(planned) if *planned > now => *planned, // It is on its way already.
            last => {
                let next = last.map_or(now, |last| *last + RESTATE_AFTER);
                self.last.insert(key.clone(), next);
                self.order.push_back((next, key.clone()));
                next
            }
        }
    }
}

/// What a record that was read back means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBack {
    /// It is the latest that was sent for its key.
    Latest,
    /// It is another one: the key has to be looked at again.
    Other,
}

/// How much a send that failed says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryFailure {
    /// The log did not take it, or nobody heard that it did: it may have landed.
    Unsure,
    /// This record cannot be taken, whatever the state of the log (too large); it did not land.
    Refused,
}

impl Publisher {
    /// Nothing is due or under way.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self {
            seed,
            ledger: Ledger::new(seed),
            doubts: Doubts::default(),
            unheard: VecDeque::new(),
            restated: Restated::default(),
            seq: 0,
            sent_total: 0,
        }
    }

    /// The value under way for a key, if one is.
    #[must_use]
    pub fn pending(&self, key: &DataKey) -> Option<&RecordBody> {
        self.ledger.pending(key).map(|pending| &pending.body)
    }

    /// How many records are under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.ledger.in_flight()
    }

    /// Entries of the queues, for a test of memory.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.ledger.waiting() + self.restated.order.len() + self.doubts.len()
    }

    /// How many keys are due and not sent.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.ledger.waiting()
    }

    /// Records sent in this process, failed ones included.
    #[must_use]
    pub fn sent_total(&self) -> u64 {
        self.sent_total
    }

    /// How many keys the log refuses again and again although it takes others; each is tried on, ever more slowly.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.ledger.refused()
    }

    /// The number of the last record or checkpoint of this leadership; 0 before the first.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.seq
    }

    /// Age of the oldest change that is not in the log yet; zero if there is none. A key that the log refuses while it takes
    /// others does not count: one item that is too large must not make a whole cluster look old.
    #[must_use]
    pub fn unpublished_age(&self, now: Mono) -> Millis {
        self.ledger.oldest().map_or(Millis(0), |since| now.since(since))
    }

    /// Whether a change of the partition is due and neither sent nor refused: then nothing may be stated of it (rule R16).
    #[must_use]
    pub fn owes(&self, partition: OwnPartition) -> bool {
        self.ledger.owes(partition)
    }

    /// The key's wanted value differs from the log's; its partition is one of `partitions`.
    pub fn mark(&mut self, now: Mono, wall: WallMs, key: DataKey, partitions: u32) {
        self.ledger.mark(Change { since: now, wall }, key, partitions, now);
    }

    /// As [`Publisher::mark`], after somebody else's record was read back.
    pub fn mark_overwritten(&mut self, now: Mono, wall: WallMs, key: DataKey, partitions: u32) {
        let not_before = self.restated.next(now, &key);
        self.ledger.mark(Change { since: now, wall }, key, partitions, not_before);
    }

    /// The key's wanted value is the log's: it is not due any more, and whatever was refused of it is nobody's wish any more.
    pub fn clear(&mut self, key: &DataKey) {
        self.ledger.clear(key);
    }

    /// Leadership ended or began: nothing is under way or due any more that this process would answer for.
    pub fn reset(&mut self) {
        let (seq, sent_total) = (self.seq, self.sent_total);
        *self = Self { seq, sent_total, ..Self::new(self.seed) };
    }

    /// The next key to be sent at `now`, with the change that makes it due; `None` if none is due or enough is under way. It stays due
    /// until it is sent or cleared: the caller has to do either before asking again.
    pub fn next(&mut self, now: Mono) -> Option<(DataKey, Mono, WallMs)> {
        while self.ledger.in_flight() < MOST_PENDING {
            let key = self.ledger.first_due(now)?;
            // A send of unknown outcome is waited for: it may land after the next one.
            if self.ledger.pending(&key).is_some_and(|pending| pending.unsure) {
                self.ledger.delay(&key, now + RESTATE_AFTER);
                continue;
            }
            let change = self.ledger.change_of(&key)?;
            return Some((key, change.since, change.wall));
        }
        None
    }

    /// Numbers and remembers a record that is about to be sent.
    pub fn send(
        &mut self,
        now: Mono,
        epoch: Epoch,
        due: (DataKey, Mono, WallMs),
        body: RecordBody,
        partitions: u32,
    ) -> OutgoingRecord {
        let (key, since, observed) = due;
        self.seq += 1;
        self.sent_total += 1;
        let id = SendId(self.seq);
        let change = Change { since, wall: observed };
        let partition = key.partition(partitions);
        self.ledger.send(
            &key,
            partitions,
            Pending { id, body: body.clone(), digest: None, change, unsure: false, purged: false },
        );
        self.unheard.push_back((now, id));
        let header = RecordHeader { schema: SCHEMA, epoch, seq: self.seq, observed };
        OutgoingRecord { topic: topic_of(&key), partition, key, body, header }
    }

    /// The digest of a record that was encoded; checkpoints count it before it is read back.
    pub fn encoded(&mut self, id: SendId, digest: u128) {
        self.ledger.encoded(id, digest);
    }

    /// A number for a record that is not remembered: a checkpoint.
    pub fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// A record of the key was read back.
    pub fn read_back(
        &mut self,
        partition: OwnPartition,
        key: &DataKey,
        header: Option<RecordHeader>,
        epoch: Epoch,
    ) -> ReadBack {
        let id = header.filter(|header| header.epoch == epoch).map(|header| SendId(header.seq));
        if let Some(id) = id {
            self.took(partition, id);
        }
        match self.ledger.pending(key) {
            Some(pending) if Some(pending.id) == id => {
                self.ledger.landed(key);
                ReadBack::Latest
            }
            _ => ReadBack::Other,
        }
    }

    /// A record of this epoch was read back from the partition, a checkpoint for example: whatever failed before it did not fail for
    /// want of a log that takes records.
    pub fn took(&mut self, partition: OwnPartition, id: SendId) {
        self.ledger.took(partition, id);
    }

    /// The log had these keys and lost them. Until they are in it again nothing is stated without them, however often the log refuses them
    /// (rule R16): readers that have them would take that for a proof that they are gone.
    pub fn lost(&mut self, keys: impl Iterator<Item = DataKey>) {
        self.ledger.lost(keys);
    }

    /// This process takes back what is under way: that it fails, if it did not land, says nothing of the log or of a key.
    pub fn purged(&mut self) {
        self.ledger.purged();
    }

    /// A send failed. Returns the partition whose end is to be asked for, if one is; a refused one is due again, ever more slowly.
    pub fn failed(&mut self, now: Mono, id: SendId, failure: DeliveryFailure) -> Option<OwnPartition> {
        let key = self.ledger.key_of(id)?.clone();
        match failure {
            DeliveryFailure::Unsure => self.doubt(now, id, &key),
            DeliveryFailure::Refused => {
                let failures = self.ledger.did_not_land(&key, self.seq, DeliveryFailure::Refused)?;
                self.ledger.delay(&key, now + backoff(failures));
                None
            }
        }
    }

    fn doubt(&mut self, now: Mono, id: SendId, key: &DataKey) -> Option<OwnPartition> {
        let partition = self.ledger.mark_unsure(key)?;
        self.doubts.add(now, partition, id).then_some(partition)
    }

    /// Sends of which nothing is heard, and questions without an answer: the partitions to ask, now.
    pub fn overdue(&mut self, now: Mono) -> Vec<OwnPartition> {
        let mut ask = self.doubts.overdue(now);
        while let Some((_, id)) = self.unheard.pop_front_if(|(sent, _)| now >= *sent + UNHEARD_AFTER) {
            if let Some(key) = self.ledger.key_of(id).cloned() {
                ask.extend(self.doubt(now, id, &key));
            }
        }
        ask.sort_unstable();
        ask.dedup();
        ask
    }

    /// The partition's leader said where it ends, asked at `asked`.
    pub fn end_offset(&mut self, partition: OwnPartition, end: u64, asked: Mono) {
        self.doubts.answer(partition, end, asked);
    }

    /// The partition's reader begins anew: what was said of its end is void.
    pub fn restarted(&mut self, now: Mono, partition: OwnPartition) {
        self.doubts.begin_anew(now, partition);
    }

    /// The partition was read up to `next_offset`: sends that would have been met by now did not land. Returns their keys, which are to
    /// be looked at again, and when they may be sent; and whether the partition is to be asked once more, for sends that failed since.
    pub fn settle(&mut self, now: Mono, partition: OwnPartition, next_offset: u64) -> (Vec<(DataKey, Mono)>, bool) {
        let (decided, ask) = self.doubts.settle(now, partition, next_offset);
        let mut again = Vec::new();
        for id in decided {
            let Some(key) = self.ledger.key_of(id).cloned() else { continue };
            if let Some(failures) = self.ledger.did_not_land(&key, self.seq, DeliveryFailure::Unsure) {
                again.push((key, now + backoff(failures)));
            }
        }
        (again, ask)
    }

    /// The key's send did not land and it is still wanted: due again, not before `until`.
    pub fn retry(&mut self, key: &DataKey, until: Mono) {
        self.ledger.delay(key, until);
    }

    /// Count and digest of the partition with what is under way, in the order of sending; `None` while a send is unsure or a change is
    /// due and not sent (rule R16): to state less than what is wanted would prove the incomplete.
    #[must_use]
    pub fn projected(&self, partition: OwnPartition, image: &Fold) -> Option<(u64, u128)> {
        if self.owes(partition) {
            return None;
        }
        let (mut count, mut digest) = (image.count(), image.digest());
        for (key, pending) in self.ledger.pending_in(partition) {
            if pending.unsure {
                return None;
            }
            let before = image.digest_of(key);
            let after = if pending.body == RecordBody::Tombstone { None } else { Some(pending.digest?) };
            count = count + u64::from(after.is_some()) - u64::from(before.is_some());
            digest = digest.wrapping_sub(before.unwrap_or(0)).wrapping_add(after.unwrap_or(0));
        }
        Some((count, digest))
    }

    /// Hashes of the keys that the partition has with what is under way, in the order of sending; `None` as in [`Publisher::projected`].
    #[must_use]
    pub fn projected_hashes(&self, partition: OwnPartition, image: &Fold) -> Option<Vec<u64>> {
        if self.owes(partition) {
            return None;
        }
        let (mut added, mut gone) = (Vec::new(), BTreeSet::new());
        for (key, pending) in self.ledger.pending_in(partition) {
            match pending.body {
                _ if pending.unsure => return None,
                RecordBody::Tombstone => drop(gone.insert(key_hash(key))),
                _ => added.push(key_hash(key)),
            }
        }
        let kept = image.keys().iter().map(key_hash).filter(|hash| !gone.contains(hash)).collect::<Vec<_>>();
        Some(kept.into_iter().chain(added).collect())
    }

    /// When a key is due, a question is to be put anew, or a send has not been heard of for too long.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        let due = if self.ledger.in_flight() < MOST_PENDING { self.ledger.next_due() } else { None };
        let unheard = self.unheard.front().map(|(sent, _)| *sent + UNHEARD_AFTER);
        [due, unheard, self.doubts.next_deadline()].into_iter().flatten().min()
    }
}

/// How long a key waits after so many failures in a row, at least one.
fn backoff(failures: u32) -> Millis {
    let doubled = failures.saturating_sub(1).min(10);
    Millis(RETRY_AFTER.0.saturating_mul(1 << doubled).min(RETRY_AT_MOST.0))
}

#[cfg(test)]
mod tests;
