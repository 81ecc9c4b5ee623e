//! Reading a partition from its beginning once more: because its place is lost, or because the engine wants to compare.

use std::time::Instant;

use federation_core::input::LogInput;
use federation_core::log::record::PartitionId;

use super::{EngineGone, Reading};
use crate::slot::Place;

impl Reading<'_> {
    /// Reads a partition anew that is still the one that was read. Of one of which nothing was read, nothing is said.
    pub(super) fn read_anew(&mut self, partition: &PartitionId) -> Result<(), EngineGone> {
        match self.by_id.get(partition) {
            Some(&index) if self.slots[index].place.next().is_some() => self.begin_again(index, LogInput::ReadAnew),
            _ => Ok(()),
        }
    }

    /// Reads a partition anew from its beginning because its place is lost, and says so.
    pub(super) fn restart(&mut self, index: usize) -> Result<(), EngineGone> {
        self.begin_again(index, LogInput::Restarted)
    }

    fn begin_again(&mut self, index: usize, told: fn(PartitionId) -> LogInput) -> Result<(), EngineGone> {
        let slot = &mut self.slots[index];
        tracing::warn!(topic = slot.topic, partition = slot.id.partition, next = ?slot.place.next(), "reading a partition anew");
        slot.place = Place::start(Instant::now());
        (slot.offer, slot.told_source) = (None, None); // Kept of what is not read on.
        let id = slot.id.clone();
        self.reader.metrics.partition_restarts(&id.origin).inc();
        self.fetcher.detach(slot);
        self.tell(told(id))?;
        self.attach(index);
        Ok(())
    }

    /// Reads a partition anew that is another one under its name.
    pub(super) fn restart_another(&mut self, index: usize) -> Result<(), EngineGone> {
        self.slots[index].beginning.forget();
        self.restart(index)
    }

    pub(super) fn restart_topic(&mut self, topic: &str) -> Result<(), EngineGone> {
        for index in 0..self.slots.len() {
            if self.slots[index].topic == topic {
                self.restart_another(index)?;
            }
        }
        Ok(())
    }
}
