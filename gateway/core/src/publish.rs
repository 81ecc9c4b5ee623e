//! The one write path (rule R6): drives the own log, as it is read back, to what the local Nacos says.
//!
//! pending = sent, neither read back nor failed. For each key: if (pending, else image) is not what is wanted, write. What
//! is due is kept as a set of keys, not of values: the value is looked up when it is sent, so that ten changes of one
//! instance while the log is away become one record.

use std::collections::{BTreeMap, HashMap, VecDeque};

use foldhash::fast::RandomState;

use crate::federation::input::{Outgoing, SendId};
use crate::log::key::DataKey;
use crate::log::origin::topic_of;
use crate::log::record::{Body, Epoch, Header, SCHEMA, TopicKind};
use crate::time::{Millis, Mono, WallMs};

/// How many records may be under way: about half a second of a healthy log; more wait as keys.
const MOST_PENDING: usize = 10_000;
/// A key that another writer overwrote is restated at most this often: a duel is a metric, not a meltdown.
const RESTATE_AFTER: Millis = Millis::from_secs(1);
/// A key whose send failed waits this long, doubled each time.
const RETRY_AFTER: Millis = Millis(500);
/// The longest wait after failed sends.
const RETRY_AT_MOST: Millis = Millis::from_secs(60);
/// From so many failed sends in a row on, the trouble is with the key and not with the log: a leader that cannot reach the
/// log loses its permission to send after the first.
const REFUSED_FROM: u32 = 3;
/// A send of which nothing is heard for this long may have landed or not; longer than the producer's own time-out.
const UNHEARD_AFTER: Millis = Millis::from_secs(10);
/// Sends of which nothing is heard are looked for this often.
const LOOK_AGAIN_AFTER: Millis = Millis(250);

/// What is under way and what is due.
#[derive(Default)]
pub struct Publisher {
    pending: HashMap<DataKey, Pending, RandomState>,
    sends: HashMap<SendId, DataKey, RandomState>,
    due: HashMap<DataKey, (Mono, WallMs), RandomState>,
    order: VecDeque<DataKey>,
    delayed: BTreeMap<(Mono, DataKey), ()>,
    failures: HashMap<DataKey, u32, RandomState>,
    restated: HashMap<DataKey, Mono, RandomState>,
    unsure: usize,
    looked: Mono,
    seq: u64,
    sent_total: u64,
}

#[derive(Clone, Debug)]
struct Pending {
    id: SendId,
    body: Body,
    partition: u32,
    digest: Option<u128>,
    sent: Mono,
    since: Mono,
    /// Set when nobody knows whether it landed: the question, and the end offset that answers it.
    unsure: Option<Unsure>,
}

#[derive(Clone, Copy, Debug)]
struct Unsure {
    since: Mono,
    end: Option<u64>,
}

/// What a record that was read back means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBack {
    /// It is the latest that was sent for its key.
    Latest,
    /// It is another one: the key has to be looked at again.
    Other,
}

impl Publisher {
    /// The value under way for a key, if one is.
    #[must_use]
    pub fn pending(&self, key: &DataKey) -> Option<&Body> {
        self.pending.get(key).map(|pending| &pending.body)
    }

    /// How many records are under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// How many keys are due and not sent.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.due.len()
    }

    /// Records sent in this process, failed ones included.
    #[must_use]
    pub fn sent_total(&self) -> u64 {
        self.sent_total
    }

    /// How many keys the log refuses again and again; each is tried on, ever more slowly.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.failures.values().filter(|failures| **failures >= REFUSED_FROM).count()
    }

    /// Age of the oldest change that is not in the log yet; zero if there is none. A key that the log refuses again and
    /// again does not count: one item that is too large must not make a whole cluster look old.
    #[must_use]
    pub fn unpublished_age(&self, now: Mono) -> Millis {
        let taken = |key: &DataKey| self.failures.get(key).is_none_or(|failures| *failures < REFUSED_FROM);
        let due = self.due.iter().filter(|(key, _)| taken(key)).map(|(_, (since, _))| *since);
        let pending = self.pending.iter().filter(|(key, _)| taken(key)).map(|(_, pending)| pending.since);
        let oldest = due.chain(pending).min();
        oldest.map_or(Millis(0), |since| now.since(since))
    }

    /// The key's wanted value differs from the log's.
    pub fn mark(&mut self, now: Mono, wall: WallMs, key: DataKey) {
        if !self.due.contains_key(&key) {
            self.due.insert(key.clone(), (now, wall));
            self.order.push_back(key);
        }
    }

    /// As [`Publisher::mark`], after somebody else's record was read back.
    pub fn mark_overwritten(&mut self, now: Mono, wall: WallMs, key: DataKey) {
        let last = self.restated.insert(key.clone(), now);
        match last.filter(|last| now < *last + RESTATE_AFTER) {
            Some(last) => self.delay(now, wall, key, last + RESTATE_AFTER),
            None => self.mark(now, wall, key),
        }
    }

    fn delay(&mut self, now: Mono, wall: WallMs, key: DataKey, until: Mono) {
        self.due.entry(key.clone()).or_insert((now, wall));
        self.delayed.insert((until, key), ());
    }

    /// The key's wanted value is the log's.
    pub fn clear(&mut self, key: &DataKey) {
        self.due.remove(key);
    }

    /// Leadership ended or began: nothing is under way or due any more that this process would answer for.
    pub fn reset(&mut self) {
        let (seq, sent_total) = (self.seq, self.sent_total);
        *self = Self { seq, sent_total, ..Self::default() };
    }

    /// The next key to be sent at `now`, with the time its change was observed; `None` if none is due or enough is under way.
    pub fn next(&mut self, now: Mono) -> Option<(DataKey, Mono, WallMs)> {
        while let Some(((until, _), ())) = self.delayed.first_key_value() {
            if *until > now {
                break;
            }
            if let Some(((_, key), ())) = self.delayed.pop_first() {
                self.order.push_back(key);
            }
        }
        while self.pending.len() < MOST_PENDING {
            let key = self.order.pop_front()?;
            // A send of unknown outcome is waited for: it may land after the next one.
            if self.pending.get(&key).is_some_and(|pending| pending.unsure.is_some()) {
                self.delayed.insert((now + RESTATE_AFTER, key), ());
                continue;
            }
            if let Some((since, wall)) = self.due.remove(&key) {
                return Some((key, since, wall));
            }
        }
        None
    }

    /// Numbers and remembers a record that is about to be sent.
    pub fn send(
        &mut self,
        now: Mono,
        epoch: Epoch,
        due: (DataKey, Mono, WallMs),
        body: Body,
        partitions: u32,
    ) -> Outgoing {
        let (key, since, observed) = due;
        self.seq += 1;
        self.sent_total += 1;
        let id = SendId(self.seq);
        let partition = key.partition(partitions);
        let pending = Pending { id, body: body.clone(), partition, digest: None, sent: now, since, unsure: None };
        if let Some(earlier) = self.pending.insert(key.clone(), pending) {
            self.sends.remove(&earlier.id);
            self.unsure -= usize::from(earlier.unsure.is_some());
        }
        self.sends.insert(id, key.clone());
        let header = Header { schema: SCHEMA, epoch, seq: self.seq, observed };
        Outgoing { topic: topic_of(&key), partition, key, body, header }
    }

    /// The digest of a record that was encoded; checkpoints count it before it is read back.
    pub fn encoded(&mut self, id: SendId, digest: u128) {
        let Some(key) = self.sends.get(&id) else { return };
        if let Some(pending) = self.pending.get_mut(key) {
            pending.digest = Some(digest);
        }
    }

    /// A number for a record that is not remembered: a checkpoint.
    pub fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// A record of the key was read back.
    pub fn read_back(&mut self, key: &DataKey, header: Option<Header>, epoch: Epoch) -> ReadBack {
        let id = header.filter(|header| header.epoch == epoch).map(|header| SendId(header.seq));
        match self.pending.get(key) {
            Some(pending) if Some(pending.id) == id => {
                self.sends.remove(&pending.id);
                self.unsure -= usize::from(pending.unsure.is_some());
                self.pending.remove(key);
                self.failures.remove(key);
                ReadBack::Latest
            }
            _ => ReadBack::Other,
        }
    }

    /// A send failed, or nothing was heard of it: it may have landed all the same. Returns the partition whose end tells.
    pub fn failed(&mut self, now: Mono, id: SendId) -> Option<(TopicKind, u32)> {
        let key = self.sends.get(&id)?;
        let pending = self.pending.get_mut(key)?;
        self.unsure += usize::from(pending.unsure.is_none());
        pending.unsure = Some(Unsure { since: now, end: None });
        Some((topic_of(key), pending.partition))
    }

    /// Sends of which nothing is heard, and questions without an answer: the partitions to ask, anew.
    pub fn overdue(&mut self, now: Mono) -> Vec<(TopicKind, u32)> {
        let mut ask = Vec::new();
        if now < self.looked + LOOK_AGAIN_AFTER {
            return ask;
        }
        self.looked = now;
        for (key, pending) in &mut self.pending {
            let unheard = pending.unsure.is_none() && now >= pending.sent + UNHEARD_AFTER;
            let unanswered =
                pending.unsure.is_some_and(|unsure| unsure.end.is_none() && now >= unsure.since + RESTATE_AFTER);
            if unheard || unanswered {
                self.unsure += usize::from(unheard);
                pending.unsure = Some(Unsure { since: now, end: None });
                ask.push((topic_of(key), pending.partition));
            }
        }
        ask.sort_unstable();
        ask.dedup();
        ask
    }

    /// The partition's leader said where it ends.
    pub fn end_offset(&mut self, topic: TopicKind, partition: u32, end: u64) {
        if self.unsure == 0 {
            return;
        }
        for (key, pending) in &mut self.pending {
            if let Some(unsure) = &mut pending.unsure
                && (topic_of(key), pending.partition) == (topic, partition)
            {
                unsure.end = unsure.end.or(Some(end));
            }
        }
    }

    /// The partition was read up to `next_offset`: sends that would have been met by now did not land. Returns their keys,
    /// which are to be looked at again.
    pub fn settle(&mut self, now: Mono, topic: TopicKind, partition: u32, next_offset: u64) -> Vec<(DataKey, Mono)> {
        if self.unsure == 0 {
            return Vec::new();
        }
        let decided = |key: &DataKey, pending: &Pending| {
            let answered = pending.unsure.and_then(|unsure| unsure.end).is_some_and(|end| next_offset >= end);
            answered && (topic_of(key), pending.partition) == (topic, partition)
        };
        let decided: Vec<DataKey> =
            self.pending.iter().filter(|(key, pending)| decided(key, pending)).map(|(key, _)| key.clone()).collect();
        let mut again = Vec::new();
        for key in decided {
            if let Some(pending) = self.pending.remove(&key) {
                self.sends.remove(&pending.id);
                self.unsure -= usize::from(pending.unsure.is_some());
                let failures = self.failures.entry(key.clone()).or_insert(0);
                let wait = RETRY_AFTER.0.saturating_mul(1 << (*failures).min(10)).min(RETRY_AT_MOST.0);
                *failures += 1;
                again.push((key, now + Millis(wait)));
            }
        }
        again
    }

    /// The key's send did not land and it is still wanted: due again, not before `until`.
    pub fn retry(&mut self, now: Mono, wall: WallMs, key: DataKey, until: Mono) {
        self.delay(now, wall, key, until);
    }

    /// Count and digest of the partition with what is under way, in the order of sending; `None` while a send is unsure.
    #[must_use]
    pub fn projected(
        &self,
        topic: TopicKind,
        partition: u32,
        image: &crate::log::partition::Fold,
    ) -> Option<(u64, u128)> {
        let (mut count, mut digest) = (image.count(), image.digest());
        let here = |(key, pending): &(&DataKey, &Pending)| (topic_of(key), pending.partition) == (topic, partition);
        for (key, pending) in self.pending.iter().filter(here) {
            if pending.unsure.is_some() {
                return None;
            }
            let before = image.digest_of(key);
            let after = if pending.body == Body::Tombstone { None } else { Some(pending.digest?) };
            count = count + u64::from(after.is_some()) - u64::from(before.is_some());
            digest = digest.wrapping_sub(before.unwrap_or(0)).wrapping_add(after.unwrap_or(0));
        }
        Some((count, digest))
    }

    /// When a delayed key is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        self.delayed.first_key_value().map(|((until, _), ())| *until)
    }
}
