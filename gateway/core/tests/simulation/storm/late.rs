//! Records that a process was handed out of order (rule R14), found in the plainest way: a view may go by such a record only when two seconds
//! are over, or a record of the same key came that is in order.
//!
//! Judged are readers that never began anew, of processes that started without a snapshot: of others it depends on proofs what is shown.

use std::collections::{BTreeMap, BTreeSet};

use federation_core::id::{ClusterId, InstanceId, ServiceKey};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{Epoch, HIGHEST_TERM, PartitionId, Record, RecordBody};

use super::process::Reader;
use super::world::{Storm, TURN};

/// How long a view keeps what it had.
const KEPT: u64 = 2_000;
/// Leaderships whose numbers are remembered.
const EPOCHS: usize = 8;

/// Whether a view showed a key before a record came out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existence {
    Present,
    Absent,
}

/// What was met of one partition.
#[derive(Default)]
struct Met {
    stated: Option<Epoch>,
    seqs: BTreeMap<Epoch, u64>,
    at_end_once: bool,
}

impl Met {
    /// Whether the record is in order.
    fn meet(&mut self, record: &Record) -> bool {
        let Some(header) = record.header.filter(|header| header.epoch.term <= HIGHEST_TERM) else { return false };
        let last = self.seqs.get(&header.epoch).copied();
        let in_order = self.stated <= Some(header.epoch) && last < Some(header.seq);
        self.seqs.insert(header.epoch, last.unwrap_or(0).max(header.seq));
        if self.seqs.len() > EPOCHS {
            self.seqs.pop_first();
        }
        if record.key == RecordKey::Checkpoint {
            self.stated = self.stated.max(Some(header.epoch));
        }
        in_order
    }
}

/// What a process was handed out of order.
#[derive(Default)]
pub(crate) struct LateMemory {
    judged: bool,
    met: BTreeMap<PartitionId, Met>,
    unjudged: BTreeSet<PartitionId>,
    /// Since when a key is to be shown as it was, and whether it was.
    late: BTreeMap<(ClusterId, DataKey), (u64, Existence)>,
}

impl LateMemory {
    pub(crate) fn of_process(judged: bool) -> Self {
        Self { judged, ..Self::default() }
    }

    pub(crate) fn begins_anew(&mut self, place: &PartitionId) {
        self.unjudged.insert(place.clone());
        self.late.retain(|(origin, _), _| *origin != place.origin);
    }

    pub(crate) fn at_end(&mut self, place: &PartitionId) {
        if let Some(met) = self.met.get_mut(place) {
            met.at_end_once = true;
        }
    }

    /// A record is handed over; `reader` has what came before it.
    pub(crate) fn meet(&mut self, now: u64, place: &PartitionId, record: &Record, reader: &Reader) {
        let met = self.met.entry(place.clone()).or_default();
        let in_order = met.meet(record);
        let is_judged = met.at_end_once && self.judged && !self.unjudged.contains(place);
        let keys = match (&record.key, &record.body) {
            (RecordKey::Data(key), _) => vec![key.clone()],
            (RecordKey::Census(bucket), RecordBody::Census(census)) => reader.unlisted(*bucket, census.hashes()),
            _ => Vec::new(),
        };
        for key in keys {
            let before = reader.keys.get(&key).copied();
            let named = (place.origin.clone(), key);
            if in_order || !is_judged {
                self.late.remove(&named);
            } else {
                let is_fact = matches!(record.key, RecordKey::Data(_)) && record.body != RecordBody::Tombstone;
                self.note(now, named, before, is_fact.then_some(record.digest));
            }
        }
    }

    fn note(&mut self, now: u64, named: (ClusterId, DataKey), before: Option<u128>, after: Option<u128>) {
        let stands = self.late.get(&named).is_some_and(|(since, _)| now <= since + KEPT + TURN);
        if !stands && before != after {
            let existence = if before.is_some() { Existence::Present } else { Existence::Absent };
            self.late.insert(named, (now, existence));
        }
    }
}

impl Storm {
    /// 3: these came into a view, or went; `before` says what each of them was there.
    pub(crate) fn check_late(
        &mut self,
        slot: usize,
        of: usize,
        service: &ServiceKey,
        (ids, before): (&[InstanceId], Existence),
    ) {
        let is_own = self.slots[slot].cluster == of;
        let Some(process) = self.process(slot).filter(|_| !is_own) else { return };
        let is_seen = |id: &&InstanceId| {
            let key = DataKey::Instance(service.clone(), (*id).clone());
            let readable = !self.record.unreadable.contains(&key);
            let late = process.memory.late.late.get(&(self.clusters[of].clone(), key));
            readable && late.is_some_and(|(since, was)| *was == before && self.now < since + KEPT)
        };
        if let Some(id) = ids.iter().find(is_seen).cloned() {
            self.fail("3 a late write is not seen (R14)", || format!("slot {slot} goes by one of {service} {id}"));
        }
    }
}
