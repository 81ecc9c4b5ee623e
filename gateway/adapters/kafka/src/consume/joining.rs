//! Whose partitions are read: a slot for each, which begins at its beginning, or waits to begin where the engine's snapshot stands.

use std::sync::PoisonError;
use std::time::Instant;

use federation_core::input::LogInput;
use federation_core::log::record::PartitionId;

use super::{EngineGone, Reading};
use crate::chores::Chore;
use crate::membership::Member;
use crate::slot::{OfferedPlace, Slot};

impl Reading<'_> {
    /// Reads the partitions of these too.
    pub(super) fn add_members(&mut self, members: &[Member]) -> Result<(), EngineGone> {
        for member in members {
            self.sources.add(&member.cluster, member.partitions);
            if let Some(retention) = member.retention {
                self.retentions.insert(member.cluster.clone(), retention);
            }
            for id in member.partitions() {
                if !self.by_id.contains_key(&id) {
                    self.add(id)?;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, id: PartitionId) -> Result<(), EngineGone> {
        let begun_before = {
            let mut begun = self.reader.begun.lock().unwrap_or_else(PoisonError::into_inner);
            !begun.insert(id.clone())
        };
        if begun_before {
            self.tell(LogInput::Restarted(id.clone()))?;
        }
        let index = self.slots.len();
        let topic = self.names.of(&id.origin, id.topic);
        self.by_id.insert(id.clone(), index);
        self.turns.add_slot(&id.origin);
        let kept = self.reader.options.cursors.get(&id).filter(|_| !begun_before).cloned();
        let offer = kept.map(|cursor| OfferedPlace { cursor, begin: None, end: None });
        self.chores.add(offer.is_none().then_some(Chore::Attach(index)));
        self.slots.push(Slot { offer, ..Slot::new(id, topic, Instant::now()) });
        Ok(())
    }
}
