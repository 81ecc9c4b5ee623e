//! What is known of each key that is not at rest, and the indexes over it.
//!
//! Every change of an entry goes through [`Ledger::change`], which takes the entry out of all indexes, changes it, and puts it back into
//! those that its new state asks for; an entry that is at rest leaves. So an index cannot disagree with its entry, and what is counted is
//! the size of an index.

use std::collections::{BTreeMap, BTreeSet};

use super::{DeliveryFailure, OwnPartition, REFUSED_FROM};
use crate::input::SendId;
use crate::log::key::DataKey;
use crate::log::origin::topic_of;
use crate::log::record::{RecordBody, TopicKind};
use crate::seed::{Map, Seed};
use crate::time::{Mono, WallMs};

/// When a key's wanted value came to differ from the log's, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) since: Mono,
    pub(super) wall: WallMs,
}

/// A record under way.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) id: SendId,
    pub(super) body: RecordBody,
    pub(super) digest: Option<u128>,
    pub(super) change: Change,
    /// Nobody knows whether it landed.
    pub(super) unsure: bool,
    /// This process took it back: that it fails says nothing of the key, or of the log.
    pub(super) purged: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    /// Of this entry alone: orders keys that are due at one time, and names it in indexes.
    number: u64,
    partition: OwnPartition,
    due: Option<Due>,
    pending: Option<Pending>,
    /// Sends in a row that did not land.
    failures: u32,
    /// The number of the last record sent when the last send failed.
    failed_at: u64,
    /// Refused although the log takes others: it says nothing of the log's state.
    exempt: bool,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    change: Change,
    not_before: Mono,
}

/// All keys that are due or under way.
pub(super) struct Ledger {
    entries: Map<DataKey, Entry>,
    /// Due keys in the order in which they may be sent.
    queue: BTreeMap<(Mono, u64), DataKey>,
    /// Ages of changes that are not in the log, but for exempt keys.
    ages: BTreeSet<(Mono, u64)>,
    /// Due keys of each partition that are not exempt.
    owed: BTreeSet<(OwnPartition, u64)>,
    /// Records under way, in the order of sending.
    sends: BTreeMap<SendId, DataKey>,
    sends_by_partition: BTreeSet<(OwnPartition, SendId)>,
    /// Keys that failed and wait for another try, but for exempt ones.
    failing: BTreeMap<(TopicKind, u64), DataKey>,
    /// Keys that failed again and again.
    refused: BTreeSet<u64>,
    /// Highest number of an own record that was read back from each partition.
    took: BTreeMap<OwnPartition, u64>,
    /// Keys that the log had and lost: none of them is exempt before it is there again.
    lost: BTreeSet<DataKey>,
    numbers: u64,
}

impl Entry {
    /// At rest; numbered when it enters the ledger.
    fn new(key: &DataKey, partitions: u32) -> Self {
        Self {
            number: 0,
            partition: (topic_of(key), key.partition(partitions)),
            due: None,
            pending: None,
            failures: 0,
            failed_at: 0,
            exempt: false,
        }
    }

    fn since(&self) -> Option<Mono> {
        let due = self.due.map(|due| due.change.since);
        let pending = self.pending.as_ref().map(|pending| pending.change.since);
        [due, pending].into_iter().flatten().min()
    }

    fn is_at_rest(&self) -> bool {
        self.due.is_none() && self.pending.is_none()
    }
}

impl Ledger {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            entries: seed.map(),
            queue: BTreeMap::new(),
            ages: BTreeSet::new(),
            owed: BTreeSet::new(),
            sends: BTreeMap::new(),
            sends_by_partition: BTreeSet::new(),
            failing: BTreeMap::new(),
            refused: BTreeSet::new(),
            took: BTreeMap::new(),
            lost: BTreeSet::new(),
            numbers: 0,
        }
    }

    pub(super) fn pending(&self, key: &DataKey) -> Option<&Pending> {
        self.entries.get(key)?.pending.as_ref()
    }

    pub(super) fn key_of(&self, id: SendId) -> Option<&DataKey> {
        self.sends.get(&id)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.sends.len()
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn refused(&self) -> usize {
        self.refused.len()
    }

    /// When the oldest change came that is not in the log.
    pub(super) fn oldest(&self) -> Option<Mono> {
        self.ages.first().map(|(since, _)| *since)
    }

    pub(super) fn owes(&self, partition: OwnPartition) -> bool {
        self.owed.range((partition, 0)..=(partition, u64::MAX)).next().is_some()
    }

    /// Records under way to the partition, in the order of sending.
    pub(super) fn pending_in(&self, partition: OwnPartition) -> impl Iterator<Item = (&DataKey, &Pending)> {
        let sends = self.sends_by_partition.range((partition, SendId(0))..=(partition, SendId(u64::MAX)));
        sends.filter_map(|(_, id)| {
            let key = self.sends.get(id)?;
            Some((key, self.entries.get(key)?.pending.as_ref()?))
        })
    }

    pub(super) fn next_due(&self) -> Option<Mono> {
        self.queue.first_key_value().map(|((not_before, _), _)| *not_before)
    }

    pub(super) fn first_due(&self, now: Mono) -> Option<DataKey> {
        self.queue.first_key_value().filter(|((not_before, _), _)| *not_before <= now).map(|(_, key)| key.clone())
    }

    /// The key is due; one that was due already keeps its age, and the sooner of both times. Something new is worth another try.
    pub(super) fn mark(&mut self, change: Change, key: DataKey, partitions: u32, not_before: Mono) {
        let new = Entry::new(&key, partitions);
        self.change(&key, Some(new), |entry| {
            let known = entry.due.take();
            let not_before = known.map_or(not_before, |due| due.not_before.min(not_before));
            entry.due = Some(Due { change: known.map_or(change, |due| due.change), not_before });
        });
    }

    /// A due key may not be sent before `until`.
    pub(super) fn delay(&mut self, key: &DataKey, until: Mono) {
        self.change(key, None, |entry| {
            if let Some(due) = &mut entry.due {
                due.not_before = until;
            }
        });
    }

    /// What makes the key due.
    pub(super) fn change_of(&self, key: &DataKey) -> Option<Change> {
        Some(self.entries.get(key)?.due?.change)
    }

    pub(super) fn clear(&mut self, key: &DataKey) {
        self.lost.remove(key);
        self.change(key, None, |entry| {
            (entry.due, entry.failures, entry.failed_at, entry.exempt) = (None, 0, 0, false);
        });
    }

    pub(super) fn send(&mut self, key: &DataKey, partitions: u32, pending: Pending) {
        let new = Entry::new(key, partitions);
        self.change(key, Some(new), |entry| (entry.due, entry.pending) = (None, Some(pending)));
    }

    pub(super) fn encoded(&mut self, id: SendId, digest: u128) {
        // No index depends on it.
        let pending = self.sends.get(&id).and_then(|key| self.entries.get_mut(key)?.pending.as_mut());
        if let Some(pending) = pending {
            pending.digest = Some(digest);
        }
    }

    /// The record under way is in the log.
    pub(super) fn landed(&mut self, key: &DataKey) {
        self.lost.remove(key);
        self.change(key, None, |entry| {
            (entry.pending, entry.failures, entry.failed_at, entry.exempt) = (None, 0, 0, false);
        });
    }

    /// The log had these keys and lost them.
    pub(super) fn lost(&mut self, keys: impl Iterator<Item = DataKey>) {
        for key in keys {
            self.lost.insert(key.clone());
            self.change(&key, None, |_| {}); // Its place in the indexes depends on it.
        }
    }

    /// Everything under way was taken back.
    pub(super) fn purged(&mut self) {
        // No index depends on it.
        for entry in self.entries.values_mut() {
            entry.pending.iter_mut().for_each(|pending| pending.purged = true);
        }
    }

    /// An own record came back from the partition: its topic takes records, so what failed before is worth another try now.
    pub(super) fn took(&mut self, partition: OwnPartition, id: SendId) {
        let (topic, _) = partition;
        let took = self.took.entry(partition).or_default();
        *took = id.0.max(*took);
        let failing: Vec<DataKey> =
            self.failing.range((topic, 0)..=(topic, u64::MAX)).map(|(_, key)| key.clone()).collect();
        for key in failing {
            self.change(&key, None, |entry| {
                if let Some(due) = entry.due.as_mut().filter(|_| entry.failed_at < id.0) {
                    due.not_before = Mono(0);
                }
            });
        }
    }

    /// Returns the partition if its outcome was thought to be known.
    pub(super) fn mark_unsure(&mut self, key: &DataKey) -> Option<OwnPartition> {
        let marked = self.change_for(key, None, |entry| {
            let pending = entry.pending.as_mut().filter(|pending| !pending.unsure)?;
            pending.unsure = true;
            Some(entry.partition)
        });
        marked.flatten()
    }

    /// The record under way is not in the log: the key is due as it was. Returns how often in a row that happened. `last_seq` is the
    /// number of the last record sent.
    pub(super) fn did_not_land(&mut self, key: &DataKey, last_seq: u64, failure: DeliveryFailure) -> Option<u32> {
        let partition = self.entries.get(key)?.partition;
        let took = self.took.get(&partition).copied().unwrap_or(0);
        let failures = self.change_for(key, None, |entry| {
            let pending = entry.pending.take()?;
            let (change, not_before) = (pending.change, pending.change.since);
            entry.due.get_or_insert(Due { change, not_before }).change = change;
            if pending.purged {
                return Some(entry.failures.max(1));
            }
            let log_takes_others = entry.failures > 0 && took > entry.failed_at;
            entry.failures += 1;
            entry.failed_at = last_seq;
            entry.exempt = failure == DeliveryFailure::Refused || (log_takes_others && entry.failures >= REFUSED_FROM);
            Some(entry.failures)
        });
        failures.flatten()
    }

    fn change(&mut self, key: &DataKey, new: Option<Entry>, change: impl FnOnce(&mut Entry)) {
        let _ = self.change_for(key, new, change);
    }

    /// Changes the key's entry, or `new` if it has none; nothing without either.
    fn change_for<R>(&mut self, key: &DataKey, new: Option<Entry>, change: impl FnOnce(&mut Entry) -> R) -> Option<R> {
        let mut entry = match self.entries.remove(key) {
            Some(known) => {
                self.leave_indexes(&known);
                known
            }
            None => {
                self.numbers += 1;
                Entry { number: self.numbers, ..new? }
            }
        };
        let result = change(&mut entry);
        if !entry.is_at_rest() {
            self.enter_indexes(key, &entry);
            self.entries.insert(key.clone(), entry);
        }
        Some(result)
    }

    fn leave_indexes(&mut self, entry: &Entry) {
        let number = entry.number;
        if let Some(due) = entry.due {
            self.queue.remove(&(due.not_before, number));
        }
        if let Some(since) = entry.since() {
            self.ages.remove(&(since, number));
        }
        self.owed.remove(&(entry.partition, number));
        self.failing.remove(&(entry.partition.0, number));
        self.refused.remove(&number);
        if let Some(pending) = &entry.pending {
            self.sends.remove(&pending.id);
            self.sends_by_partition.remove(&(entry.partition, pending.id));
        }
    }

    fn enter_indexes(&mut self, key: &DataKey, entry: &Entry) {
        let number = entry.number;
        let exempt = entry.exempt && !self.lost.contains(key);
        if let Some(due) = entry.due {
            self.queue.insert((due.not_before, number), key.clone());
        }
        if let Some(since) = entry.since().filter(|_| !exempt) {
            self.ages.insert((since, number));
        }
        if entry.due.is_some() && !exempt {
            self.owed.insert((entry.partition, number));
        }
        if entry.due.is_some() && entry.failures > 0 && !exempt {
            self.failing.insert((entry.partition.0, number), key.clone());
        }
        if entry.failures >= REFUSED_FROM {
            self.refused.insert(number);
        }
        if let Some(pending) = &entry.pending {
            self.sends.insert(pending.id, key.clone());
            self.sends_by_partition.insert((entry.partition, pending.id));
        }
    }
}
