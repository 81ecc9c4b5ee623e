//! When what views keep back of late records (rule R14) is shown after all.
//!
//! Input: partitions in which a record came out of order, and time. Output: keys to be shown anew. A partition waits here once, however many
//! of its keys are kept back, so this is bounded by the partitions that are read.

use std::collections::BTreeMap;

use crate::cause::ChangeThrough;
use crate::federation::Federation;
use crate::log::late::KEPT_BACK_FOR;
use crate::log::record::PartitionId;
use crate::time::{Mono, Now};

/// Partitions in which something is kept back, each with when the first of it may be due.
#[derive(Debug, Default)]
pub(super) struct LateDue(BTreeMap<PartitionId, Mono>);

impl LateDue {
    /// A record of the partition was kept back.
    pub(super) fn note(&mut self, now: Mono, place: &PartitionId) {
        if !self.0.contains_key(place) {
            self.0.insert(place.clone(), now + KEPT_BACK_FOR);
        }
    }

    /// When something is due.
    pub(super) fn next(&self) -> Option<Mono> {
        self.0.values().copied().min()
    }

    fn take_due(&mut self, now: Mono) -> Vec<PartitionId> {
        self.0.extract_if(.., |_, due| *due <= now).map(|(place, _)| place).collect()
    }
}

impl Federation {
    /// How many keys of all clusters a view shows as they were before a late record.
    #[must_use]
    pub fn kept_back(&self) -> usize {
        let partitions = self.late.0.keys().filter_map(|place| {
            let log = &self.origins.get(&place.origin)?.log;
            log.partition(place.topic, place.partition)
        });
        partitions.map(|partition| partition.late().len()).sum()
    }

    /// Shows what was kept back for long enough.
    pub(super) fn end_late(&mut self, now: Now) {
        for place in self.late.take_due(now.mono) {
            let Some(origin) = self.origins.get_mut(&place.origin) else { continue };
            let Some(partition) = origin.log.partition_mut(place.topic, place.partition) else { continue };
            let keys = partition.end_late(now.mono);
            if let Some(next) = partition.late().next_end() {
                self.late.0.insert(place.clone(), next);
            }
            self.changed.because(ChangeThrough::Time);
            keys.iter().for_each(|key| self.note_change(now, &place.origin, key));
        }
    }
}
