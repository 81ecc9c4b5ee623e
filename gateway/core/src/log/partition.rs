//! One partition of one origin's data topic, folded.
//!
//! Input: records in log order, perhaps repeated. Output: the keys whose shown value changed. It defends against a place that is lost, a
//! topic that is created anew or was truncated, values that cannot be read, checkpoints that are repeated or stand where compaction took
//! something, and a log that lacks what its origin wrote.
//!
//! ```text
//! folding ──end──▶ at the end ──restart──▶ serving the old state, folding a shadow ──end, and the last checkpoint equals it──▶ at the end
//!   └── restart ──────────────────────────▶    ▲ └── restart: the shadow begins anew
//! restored ──the reader reads on from where it was kept──▶ folding
//!   └── the reader begins at the beginning ──▶ serving the old state, folding a shadow
//! ```
//!
//! Invariant (rule R1): a fold is what compaction keeps, the last record per key by offset; no epoch, sequence or clock changes that.
//! What is served changes by records, or by a shadow that is proven (rule R18; of the own log, one that reached the end): never by a log
//! that ended early. While a partition is read anew from its start, the old state goes on being folded from where it was: only what comes
//! after that is news to it.

mod place;
mod seals;
mod sweep;

use std::collections::BTreeSet;

pub use seals::SealCounts;

use crate::config_item::ConfigItem;
use crate::id::{ConfigKey, InstanceId, ServiceKey};
use crate::instance::Instance;
use crate::log::bounds::{config_bytes, instance_bytes};
use crate::log::cursor::Standing;
use crate::log::entries::{FoldEntry, FoldShare, ServiceEntries};
use crate::log::key::{DataKey, RecordKey};
use crate::log::late::LateRecords;
use crate::log::order::Order;
use crate::log::proof::{Agreement, Proof};
use crate::log::record::{Checkpoint, Epoch, Record, RecordBody, RecordHeader};
use crate::seed::{Map, Seed};
use crate::time::{Millis, Mono, Now};

/// Last record per key, and the count and digest that checkpoints state.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    seed: Seed,
    services: Map<ServiceKey, ServiceEntries>,
    configs: Map<ConfigKey, FoldEntry<ConfigItem>>,
    seals: SealCounts,
    count: u64,
    digest: u128,
    /// Of the values that are kept.
    bytes: u64,
}

impl Fold {
    /// Nothing is folded yet.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        let (services, configs, seals) = (seed.map(), seed.map(), SealCounts::default());
        Self { seed, services, configs, seals, count: 0, digest: 0, bytes: 0 }
    }

    /// Number of `i` and `c` keys.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum modulo 2¹²⁸ of the records' digests.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.digest
    }

    /// The instances of a service; `None` if there are none.
    #[must_use]
    pub fn service(&self, key: &ServiceKey) -> Option<&ServiceEntries> {
        self.services.get(key)
    }

    /// A config item.
    #[must_use]
    pub fn config(&self, key: &ConfigKey) -> Option<&FoldEntry<ConfigItem>> {
        self.configs.get(key)
    }

    /// All services, in no order.
    pub fn services(&self) -> impl Iterator<Item = (&ServiceKey, &ServiceEntries)> {
        self.services.iter()
    }

    /// All config items, in no order.
    pub fn configs(&self) -> impl Iterator<Item = (&ConfigKey, &FoldEntry<ConfigItem>)> {
        self.configs.iter()
    }

    /// All keys, also those whose values cannot be read, in no order.
    pub fn keys(&self) -> Vec<DataKey> {
        let of_service = |(service, entries): (&ServiceKey, &ServiceEntries)| {
            let key = |id: &InstanceId| DataKey::Instance(service.clone(), id.clone());
            entries.keys().map(key).collect::<Vec<_>>()
        };
        let configs = self.configs.keys().map(|key| DataKey::Config(key.clone()));
        self.services.iter().flat_map(of_service).chain(configs).collect()
    }

    /// Digest of the key's last record, if it is present.
    #[must_use]
    pub fn digest_of(&self, key: &DataKey) -> Option<u128> {
        match key {
            DataKey::Instance(service, id) => self.services.get(service)?.get(id).map(FoldEntry::digest),
            DataKey::Config(config) => self.configs.get(config).map(FoldEntry::digest),
        }
    }

    /// Bytes of the value that is kept of a key; `None` if the key is not present.
    #[must_use]
    pub fn bytes_of(&self, key: &DataKey) -> Option<u64> {
        let share = match key {
            DataKey::Instance(service, id) => self.services.get(service)?.get(id)?.share(instance_bytes),
            DataKey::Config(config) => self.configs.get(config)?.share(config_bytes),
        };
        Some(share.bytes)
    }

    /// Applies one record of a fact. Returns whether what a view shows of it, or counts, changed.
    fn apply(&mut self, key: &DataKey, record: &Record) -> bool {
        let (before, after, changed) = match key {
            DataKey::Instance(service, id) => self.apply_instance(service, id, record),
            DataKey::Config(config) => self.apply_config(config, record),
        };
        self.digest = self.digest.wrapping_sub(before.digest).wrapping_add(after.digest);
        self.count = self.count + after.count - before.count;
        self.bytes = self.bytes + after.bytes - before.bytes;
        changed
    }

    fn apply_instance(
        &mut self,
        service: &ServiceKey,
        id: &InstanceId,
        record: &Record,
    ) -> (FoldShare, FoldShare, bool) {
        let share = |entry: Option<&FoldEntry<_>>| entry.map(|entry| entry.share(instance_bytes)).unwrap_or_default();
        if record.body == RecordBody::Tombstone {
            let Some(entries) = self.services.get_mut(service) else { return Default::default() };
            let removed = entries.remove(id);
            if entries.is_empty() {
                self.services.remove(service);
            }
            return (share(removed.as_ref()), FoldShare::default(), removed.is_some());
        }
        let read = if let RecordBody::Instance(instance) = &record.body { Some(instance) } else { None };
        let entries = match self.services.get_mut(service) {
            Some(entries) => entries,
            None => self.services.entry(service.clone()).or_default(),
        };
        let (entry, changed) = FoldEntry::next(entries.get(id), read, record);
        let after = share(Some(&entry));
        let replaced = entries.insert(id, entry);
        (share(replaced.as_ref()), after, changed)
    }

    fn apply_config(&mut self, key: &ConfigKey, record: &Record) -> (FoldShare, FoldShare, bool) {
        let share = |entry: Option<&FoldEntry<_>>| entry.map(|entry| entry.share(config_bytes)).unwrap_or_default();
        if record.body == RecordBody::Tombstone {
            let removed = self.configs.remove(key);
            self.seals.replace(removed.as_ref(), None);
            return (share(removed.as_ref()), FoldShare::default(), removed.is_some());
        }
        let read = if let RecordBody::Config(item) = &record.body { Some(item) } else { None };
        let (entry, changed) = FoldEntry::next(self.configs.get(key), read, record);
        let after = share(Some(&entry));
        self.seals.replace(self.configs.get(key), Some(&entry));
        let replaced = self.configs.insert(key.clone(), entry);
        (share(replaced.as_ref()), after, changed)
    }

    /// All keys whose shown value differs between the two folds, and those that only one of them has.
    fn differences(&self, other: &Self) -> Vec<DataKey> {
        let mut keys = Vec::new();
        for (left, right) in [(self, other), (other, self)] {
            for (service, entries) in &left.services {
                let theirs = right.services.get(service);
                let differs = |id: &InstanceId, entry: &FoldEntry<Instance>| {
                    theirs.and_then(|theirs| theirs.get(id)).map(|found| found.value.as_ref())
                        != Some(entry.value.as_ref())
                };
                let ids = entries.iter().filter(|(id, entry)| differs(id, entry)).map(|(id, _)| id.clone());
                keys.extend(ids.map(|id| DataKey::Instance(service.clone(), id)));
            }
            for (config, entry) in &left.configs {
                if right.configs.get(config).map(|found| found.value.as_ref()) != Some(entry.value.as_ref()) {
                    keys.push(DataKey::Config(config.clone()));
                }
            }
        }
        keys.sort();
        keys.dedup();
        keys
    }
}

/// What a record did.
#[derive(Clone, Debug, PartialEq)]
pub enum AppliedRecord {
    /// What a view shows of this key changed.
    Changed(DataKey),
    /// The record was folded; nothing that a view shows changed.
    Unchanged,
    /// The record was folded into the shadow: what a view shows stays as it is until that takes its place.
    Held,
    /// The record was folded out of order: a view keeps what it had of this key for a moment (rule R14).
    Late(DataKey),
    /// As `Unchanged` or `ViewChanges`, and the value could not be read.
    Undecodable(DataKey),
    /// A checkpoint completed the shadow: it took the place of the old state, which differs in these keys.
    Replaced(Vec<DataKey>),
    /// Not a fact: a checkpoint, a census, a key of a later version or of none.
    NotAFact,
}

/// A partition's fold, and the shadow that may replace it.
#[derive(Clone, Debug)]
pub struct Partition {
    served: Fold,
    shadow: Option<Shadow>,
    next_offset: u64,
    at_end_once: bool,
    highest_term: u32,
    last_checkpoint: Option<(Epoch, u64)>,
    /// Since when it is known to end further on than it was read.
    behind: Option<Mono>,
    proof: Proof,
    order: Order,
    /// Keys whose last record came out of order after the end was reached.
    out_of_order: BTreeSet<DataKey>,
    /// What a view shows instead of what was folded out of order.
    late: LateRecords,
    /// The last checkpoint met, and how many records of facts came after it.
    stated: Option<(Checkpoint, u64)>,
    /// Header of that checkpoint.
    stated_by: Option<RecordHeader>,
    standing: Standing,
}

/// Keys out of order that are remembered.
const MOST_OUT_OF_ORDER: usize = 64;

/// A partition that is known to go on and of which nothing comes for this long is not being read.
const BEHIND_AFTER: Millis = Millis::from_secs(10);

#[derive(Clone, Debug)]
struct Shadow {
    fold: Fold,
    at_end_once: bool,
    /// Whether the last checkpoint met was equal to the fold at its place.
    proven: bool,
    /// The old state was folded from this very partition, up to here: what comes from here on is news to it as well. `None` if it is of
    /// an earlier process, or of a partition that may have been another one.
    old_reads_from: Option<u64>,
    /// Its reader did not begin at the beginning: it is not what the log has, whatever is stated of it.
    partial: bool,
}

impl Shadow {
    fn new(seed: Seed, old_reads_from: Option<u64>) -> Self {
        Self { fold: Fold::new(seed), at_end_once: false, proven: false, old_reads_from, partial: false }
    }
}

impl Partition {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self {
            served: Fold::new(seed),
            shadow: None,
            next_offset: 0,
            at_end_once: false,
            highest_term: 0,
            last_checkpoint: None,
            behind: None,
            proof: Proof::default(),
            order: Order::default(),
            out_of_order: BTreeSet::new(),
            late: LateRecords::default(),
            stated: None,
            stated_by: None,
            standing: Standing::default(),
        }
    }

    /// Goes on serving what was folded, until the log itself has been read from its beginning.
    #[must_use]
    pub fn into_snapshot(self) -> Self {
        let seed = self.served.seed;
        Self { shadow: Some(Shadow::new(seed, None)), served: self.served, ..Self::new(seed) }
    }

    /// What answers are made of.
    #[must_use]
    pub fn served(&self) -> &Fold {
        &self.served
    }

    /// What the log says as far as it was read: the shadow while there is one.
    #[must_use]
    pub fn image(&self) -> &Fold {
        self.shadow.as_ref().map_or(&self.served, |shadow| &shadow.fold)
    }

    /// Whether the log is being folded anew while an older state serves.
    #[must_use]
    pub fn is_shadowed(&self) -> bool {
        self.shadow.is_some()
    }

    /// Whether what is served was folded by an earlier process.
    #[must_use]
    pub fn serves_snapshot(&self) -> bool {
        (self.is_shadowed() || self.standing.resumed) && !self.at_end_once
    }

    /// Whether the end of the log was reached since the fold of the log began.
    #[must_use]
    pub fn reached_end(&self) -> bool {
        self.shadow.as_ref().map_or(self.at_end_once, |shadow| shadow.at_end_once)
    }

    /// Whether what is served was read to the end of the log once, by this process or in the shadow that is about to take its place.
    #[must_use]
    pub fn is_read(&self) -> bool {
        let goes_on = self.shadow.as_ref().is_some_and(|shadow| shadow.old_reads_from.is_some());
        if goes_on { self.at_end_once } else { self.reached_end() }
    }

    /// Offset after the last record that was folded.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// The highest term in any header so far.
    #[must_use]
    pub fn highest_term(&self) -> u32 {
        self.highest_term
    }

    /// Epoch and beat of the last checkpoint read.
    #[must_use]
    pub fn last_checkpoint(&self) -> Option<(Epoch, u64)> {
        self.last_checkpoint
    }

    /// Where it ends, as its leader told somebody.
    pub fn end_told(&mut self, now: Mono, end: u64) {
        self.behind = (end > self.next_offset).then(|| self.behind.unwrap_or(now));
    }

    /// Whether it goes on and nothing of that has come for long.
    #[must_use]
    pub fn is_behind(&self, now: Mono) -> bool {
        self.behind.is_some_and(|since| now >= since + BEHIND_AFTER)
    }

    /// What checkpoints prove of it.
    #[must_use]
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// Whether to read it anew because of what checkpoints prove. It counts as ordered: whoever asks has to give the order.
    pub fn takes_repair(&mut self, now: Mono) -> bool {
        self.proof.takes_repair(now)
    }

    /// Compares a checkpoint that is about to be applied with the fold, where that is exact. `newest` is the origin's newest beat. Returns
    /// whether it was compared and does not agree.
    pub fn compare(&mut self, now: Mono, record: &Record, newest: Option<(Epoch, u64)>) -> bool {
        let (RecordBody::Checkpoint(stated), Some(header)) = (&record.body, record.header) else { return false };
        let image = self.image();
        let equal = (stated.count, stated.digest) == (image.count(), image.digest());
        let agreement = if equal { Agreement::Equal } else { Agreement::Different };
        let reached_end = self.reached_end();
        let differs = self.proof.compare(now, (&header, stated.beat), agreement, reached_end, newest);
        self.drop_what_diverged();
        differs
    }

    /// It was read to its end. `newest` is the origin's newest beat.
    pub fn was_at_end(&mut self, now: Now, newest: Option<(Epoch, u64)>) {
        self.behind = None;
        (self.standing.at_end, self.standing.resumed) = (Some(now.wall), false);
        self.proof.at_end(now.mono, newest);
        self.drop_what_diverged();
    }

    /// A shadow that does not help is of no use where the old state goes on by itself.
    fn drop_what_diverged(&mut self) {
        if self.proof.is_refuted() && self.shadow.as_ref().is_some_and(|shadow| shadow.old_reads_from.is_some()) {
            self.shadow = None;
        }
    }

    /// How much the log has, as far as it was read: keys, and bytes of values. While it is read anew, the older state is kept beside it.
    #[must_use]
    pub fn load(&self) -> (u64, u64) {
        (self.image().count, self.image().bytes)
    }

    /// A record that nothing is made of.
    pub fn pass_over(&mut self, record: &Record) -> AppliedRecord {
        self.next_offset = record.offset.saturating_add(1);
        self.behind = None;
        AppliedRecord::NotAFact
    }

    /// Whether what is served was folded from this very log, however far.
    #[must_use]
    pub fn serves_the_log(&self) -> bool {
        self.shadow.as_ref().is_none_or(|shadow| shadow.old_reads_from.is_some())
    }

    /// The highest epoch met, and its last number.
    #[must_use]
    pub fn latest(&self) -> Option<(Epoch, u64)> {
        self.order.latest()
    }

    /// Whether what is served is what the last checkpoint states; so is a partition of which nothing was ever stated or written.
    #[must_use]
    pub fn is_as_stated(&self) -> bool {
        let (count, digest) = self.stated.map_or((0, 0), |(stated, _)| (stated.count, stated.digest));
        (self.served.count, self.served.digest) == (count, digest)
    }

    /// Records of facts met since the last checkpoint.
    #[must_use]
    pub fn facts_since_stated(&self) -> u64 {
        self.stated.map_or(0, |(_, since)| since)
    }

    /// Keys whose last record came out of order after the end was reached (rule R14), a bounded number.
    pub fn out_of_order(&self) -> impl Iterator<Item = &DataKey> {
        self.out_of_order.iter()
    }

    /// What a view shows instead of what was folded out of order.
    #[must_use]
    pub fn late(&self) -> &LateRecords {
        &self.late
    }

    pub(super) fn late_mut(&mut self) -> &mut LateRecords {
        &mut self.late
    }

    fn note_order(&mut self, record: &Record) {
        let is_checkpoint = record.key == RecordKey::Checkpoint;
        let in_order = self.order.meet(record.header.as_ref(), is_checkpoint);
        match (&record.key, &record.body) {
            (RecordKey::Checkpoint, RecordBody::Checkpoint(stated)) => {
                (self.stated, self.stated_by) = (Some((*stated, 0)), record.header);
            }
            (RecordKey::Data(key), _) => {
                self.stated = self.stated.map(|(stated, since)| (stated, since.saturating_add(1)));
                if in_order {
                    self.out_of_order.remove(key);
                } else if self.reached_end() && self.out_of_order.len() < MOST_OUT_OF_ORDER {
                    self.out_of_order.insert(key.clone());
                }
            }
            _ => {}
        }
    }

    /// Folds one record.
    pub fn apply(&mut self, record: &Record) -> AppliedRecord {
        self.next_offset = record.offset.saturating_add(1);
        self.behind = None; // It moves: whether it gets there is the next answer's to say.
        self.note_order(record);
        if let (RecordBody::Checkpoint(stated), Some(header)) = (&record.body, record.header) {
            self.last_checkpoint = Some((header.epoch, stated.beat));
        }
        self.highest_term = self.highest_term.max(record.header.map_or(0, |header| header.epoch.term));
        match (&record.key, &mut self.shadow) {
            (RecordKey::Data(key), Some(shadow)) => {
                shadow.fold.apply(key, record);
                let is_news = shadow.old_reads_from.is_some_and(|from| record.offset >= from);
                if is_news { self.serve(key, record) } else { AppliedRecord::Held }
            }
            (RecordKey::Data(key), None) => self.serve(key, record),
            (RecordKey::Checkpoint, Some(shadow)) => {
                if let RecordBody::Checkpoint(stated) = record.body {
                    shadow.proven = (stated.count, stated.digest) == (shadow.fold.count, shadow.fold.digest);
                }
                self.replace_if_proven()
            }
            _ => AppliedRecord::NotAFact,
        }
    }

    /// As [`Partition::apply`], for a view: once the end was reached, it keeps what it had of a key whose record is out of order (rule R14).
    pub fn apply_at(&mut self, now: Mono, record: &Record) -> AppliedRecord {
        let RecordKey::Data(key) = &record.key else { return self.apply(record) };
        let in_order = self.order.is_in_order(record.header.as_ref());
        if !self.at_end_once || (in_order && self.late.is_empty()) {
            return self.apply(record);
        }
        let before = self.served.value_of(key);
        let applied = self.apply(record);
        let after = self.served.value_of(key);
        match applied {
            AppliedRecord::Held => applied,
            _ if in_order => self.late.overrule(key, after.as_ref(), applied),
            _ => self.late.keep_back(now, key, (before, after.as_ref()), applied),
        }
    }

    fn serve(&mut self, key: &DataKey, record: &Record) -> AppliedRecord {
        let changed = self.served.apply(key, record);
        match record.body {
            RecordBody::Unreadable => AppliedRecord::Undecodable(key.clone()),
            _ if changed => AppliedRecord::Changed(key.clone()),
            _ => AppliedRecord::Unchanged,
        }
    }

    /// All records below `next_offset` were folded, and there were no more.
    pub fn at_end(&mut self, next_offset: u64) -> AppliedRecord {
        self.next_offset = self.next_offset.max(next_offset);
        match &mut self.shadow {
            Some(shadow) => shadow.at_end_once = !shadow.partial,
            None => self.at_end_once = true,
        }
        self.replace_if_proven()
    }

    /// The reader begins anew at the beginning of what may be another partition: what was folded goes on serving as it is.
    pub fn restart(&mut self) {
        self.begin_anew(None);
    }

    /// The reader begins anew at the beginning of the same partition: what was folded goes on serving, and being folded.
    pub fn read_anew(&mut self) {
        let from = match &self.shadow {
            None => Some(self.next_offset),
            Some(shadow) => shadow.old_reads_from.map(|from| from.max(self.next_offset)),
        };
        self.begin_anew(from);
    }

    fn begin_anew(&mut self, old_reads_from: Option<u64>) {
        (self.next_offset, self.behind, self.stated) = (0, None, None);
        self.order = Order::default();
        self.out_of_order.clear();
        (self.stated_by, self.standing) = (None, Standing::default());
        self.proof.begins_anew();
        self.shadow = Some(Shadow::new(self.served.seed, old_reads_from));
    }

    /// Takes the shadow as it is: for the leader, which drives its own log to what its Nacos says. Gives the keys that are to be shown
    /// anew: those that differ, or, where a snapshot served, all, because what is said of their source does.
    pub fn replace(&mut self) -> Vec<DataKey> {
        let served_snapshot = self.serves_snapshot();
        let Some(shadow) = self.shadow.take() else { return Vec::new() };
        self.at_end_once = shadow.at_end_once;
        self.standing.kept = None; // It was kept of what was served until now.
        let mut shown_anew = self.served.differences(&shadow.fold);
        self.late.forget_all(&shown_anew);
        self.served = shadow.fold;
        if served_snapshot {
            shown_anew.extend(self.served.keys());
            shown_anew.sort();
            shown_anew.dedup();
        }
        shown_anew
    }

    fn replace_if_proven(&mut self) -> AppliedRecord {
        let proven = self.shadow.as_ref().is_some_and(|shadow| shadow.proven && shadow.at_end_once);
        if !proven {
            return AppliedRecord::NotAFact;
        }
        self.proof.equal();
        AppliedRecord::Replaced(self.replace())
    }
}
