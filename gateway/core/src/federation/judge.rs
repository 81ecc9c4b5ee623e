//! What of an origin's records counts: each is judged before anything is made of it, and what the origin has in all is bounded.
//!
//! Input: records as they were decoded. Output: what they do to the origin, and what of them is set aside, by key, until the next record of
//! that key is in bounds. Invariant: whatever one origin writes, in any number, memory and the work for one record stay within
//! [`OriginBounds`], and nothing of any other origin changes.

use std::collections::BTreeMap;

use crate::federation::Origin;
use crate::intents::DrainTarget;
use crate::log::bounds::{OriginBounds, OutOfBounds, judge_control, judge_record};
use crate::log::control::ControlKey;
use crate::log::intents::DrainRecord;
use crate::log::key::RecordKey;
use crate::log::partition::AppliedRecord;
use crate::log::record::{ControlRecord, PartitionId, Record, RecordBody};
use crate::time::Now;

/// Keys that are remembered one by one; of more it is only known that there are.
const MOST_REMEMBERED: usize = 64;

/// What of an origin is set aside now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetAside {
    keys: BTreeMap<String, OutOfBounds>,
    /// More than are remembered, or not of one key.
    others: BTreeMap<OutOfBounds, u64>,
    /// Records in all, since this process started.
    records: u64,
}

impl SetAside {
    /// Whether everything counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.others.is_empty()
    }

    /// Records in all since this process started; a record that is read again counts again.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Why anything is set aside, each reason once.
    #[must_use]
    pub fn reasons(&self) -> Vec<OutOfBounds> {
        let mut reasons: Vec<OutOfBounds> = self.keys.values().chain(self.others.keys()).copied().collect();
        reasons.sort();
        reasons.dedup();
        reasons
    }

    fn note(&mut self, key: impl FnOnce() -> String, found: Option<OutOfBounds>) {
        let Some(why) = found else {
            if !self.keys.is_empty() {
                self.keys.remove(&key());
            }
            return;
        };
        self.records += 1;
        let key = key();
        if self.keys.len() < MOST_REMEMBERED || self.keys.contains_key(&key) {
            self.keys.insert(key, why);
        } else {
            *self.others.entry(why).or_default() += 1;
        }
    }

    fn note_other(&mut self, why: OutOfBounds) {
        self.records += 1;
        *self.others.entry(why).or_default() += 1;
    }
}

impl Origin {
    /// What of the origin is set aside.
    pub(super) fn set_aside(&self) -> &SetAside {
        &self.aside
    }

    pub(super) fn judge_control(&mut self, record: &mut ControlRecord, bounds: &OriginBounds) {
        let found = judge_control(record, bounds);
        if found.is_some() || !self.aside.keys.is_empty() {
            let key = control_key_text(&record.key);
            self.aside.note(|| key, found);
        }
    }

    /// Judges and folds one record of a data topic. `None` if the origin has no such partition.
    pub(super) fn fold(
        &mut self,
        now: Now,
        place: &PartitionId,
        record: &mut Record,
        own: bool,
        bounds: &OriginBounds,
    ) -> Option<AppliedRecord> {
        let found = if own { None } else { judge_record(record) };
        if found.is_some() || !self.aside.keys.is_empty() {
            self.aside.note(|| data_key_text(record), found);
        }
        if !own && !self.makes_room(place, record, bounds) {
            return self.change(place, |partition| partition.pass_over(record));
        }
        self.sweeps.earn(1);
        let newest = self.pulse.newest_beat();
        let (differs, applied) = self.change(place, |partition| {
            let differs = partition.compare(now.mono, record, newest);
            (differs, partition.apply_at(now.mono, record))
        })?;
        self.counts.mismatched += u64::from(differs);
        self.counts.note(&applied);
        Some(applied)
    }

    /// Judges and folds censuses of another cluster (rule R20). A run that would cost too much is passed over: it takes nothing.
    pub(super) fn fold_censuses(&mut self, now: Now, place: &PartitionId, run: &mut [Record]) -> Vec<AppliedRecord> {
        for record in run.iter_mut() {
            let found = judge_record(record);
            if found.is_some() || !self.aside.keys.is_empty() {
                self.aside.note(|| data_key_text(record), found);
            }
        }
        let Some(partition) = self.log.partition(place.topic, place.partition) else { return Vec::new() };
        let keys = partition.served().count() + if partition.is_shadowed() { partition.image().count() } else { 0 };
        let listed: usize = run.iter().map(|record| 1 + listed_by(record)).sum();
        self.sweeps.earn(listed as u64);
        if !self.sweeps.spend(keys) {
            self.aside.note_other(OutOfBounds::Censuses);
            self.change(place, |partition| run.iter().for_each(|record| drop(partition.pass_over(record))));
            return Vec::new();
        }
        let applied = self.change(place, |partition| partition.apply_censuses(now.mono, run)).unwrap_or_default();
        applied.iter().for_each(|applied| self.counts.note(applied));
        applied
    }

    /// Folds one record of a drain. Returns whether what is served changed.
    pub(super) fn fold_drain(&mut self, target: &DrainTarget, record: DrainRecord<'_>, most: usize) -> bool {
        let changed = self.intents.fold(target, record);
        let dropped = self.intents.keep_at_most(most);
        if dropped > 0 {
            self.aside.note_other(OutOfBounds::Drains);
        }
        changed || dropped > 0
    }
}

fn listed_by(record: &Record) -> usize {
    if let RecordBody::Census(census) = &record.body { census.hashes().len() } else { 0 }
}

fn control_key_text(key: &ControlKey) -> String {
    match key.encode() {
        Some(text) => text.chars().take(200).collect(),
        None => "a key of another version".to_owned(),
    }
}

fn data_key_text(record: &Record) -> String {
    match &record.key {
        RecordKey::Data(key) => key.encode().chars().take(200).collect(),
        RecordKey::Checkpoint => "checkpoint".to_owned(),
        RecordKey::Census(_) => "census".to_owned(),
        RecordKey::Other | RecordKey::Malformed => "a key of another kind".to_owned(),
    }
}
