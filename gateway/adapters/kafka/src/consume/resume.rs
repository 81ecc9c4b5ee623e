//! Beginning where the engine's snapshot stands (rule R19), once the log is found to be the same one.
//!
//! ```text
//! offered a place ──its edges are told──▶ judged ──the same log──▶ told, read on from there
//!                                            └────else────────────▶ read from the beginning
//! ```
//!
//! A partition of which a place was kept is not attached before its leader said where it begins and ends. Who does not answer that answers no
//! fetch either, so nothing is lost by waiting. That a topic was created anew shows by its id as soon as its first partition is attached: the
//! client begins with the ids of the snapshot's topics, and what it tells then is what it tells of a topic that is made anew while it reads.

use std::collections::HashMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use federation_core::input::LogInput;
use federation_core::log::cursor::{CursorRefused, FoundLog, LogCursor, LogSource, believed_for};
use federation_core::log::record::{PartitionId, TopicKind};
use federation_core::time::{Millis, WallMs};

use super::{EngineGone, Reader, Reading};
use crate::slot::Place;
use crate::topics::TopicNames;

impl Reader {
    /// The ids of the topics that the engine's snapshot is of.
    pub(super) fn kept_topic_ids(&self, names: &TopicNames) -> HashMap<String, String> {
        let id_of = |(partition, cursor): (&PartitionId, &LogCursor)| {
            Some((names.of(&partition.origin, partition.topic), cursor.source.topic.as_ref()?.to_string()))
        };
        self.options.cursors.iter().filter_map(id_of).collect()
    }
}

impl Reading<'_> {
    /// The leader said where a partition begins or ends that waits for it: begins to read it if both are known now.
    pub(super) fn settle_offer(&mut self, index: usize) -> Result<(), EngineGone> {
        let slot = &mut self.slots[index];
        let Some((begin, end)) = slot.offer.as_ref().and_then(|offer| offer.begin.zip(offer.end)) else {
            return Ok(());
        };
        let Some(offer) = slot.offer.take() else { return Ok(()) };
        let topic = self.fetcher.context().id_of(&slot.topic);
        let retention = self.retentions.get(&slot.id.origin).copied();
        // The client begins with the snapshot's ids, so its word is not a finding yet.
        let found = FoundLog { kafka: self.kafka.clone(), topic, begin, end, retention };
        match offer.cursor.judge(&found, wall_now()) {
            Ok(()) => self.read_on(index, offer.cursor.next_offset)?,
            Err(refused) => self.refuse(index, &refused),
        }
        self.attach(index);
        Ok(())
    }

    fn read_on(&mut self, index: usize, next_offset: u64) -> Result<(), EngineGone> {
        let slot = &mut self.slots[index];
        slot.place = Place::at(next_offset, Instant::now());
        let partition = slot.id.clone();
        tracing::debug!(
            topic = slot.topic,
            partition = partition.partition,
            next_offset,
            "reading on from the snapshot"
        );
        self.reader.resumption.read_on();
        self.tell(LogInput::ReadsOn { partition, next_offset })
    }

    fn refuse(&mut self, index: usize, refused: &CursorRefused) {
        let slot = &self.slots[index];
        if let CursorRefused::AnotherKafka(_) | CursorRefused::Unidentified = refused {
            self.fetcher.context().forget_id(&slot.topic); // That it is another one there is no news.
        }
        let (topic, partition, reason) = (&slot.topic, slot.id.partition, refused.to_string());
        tracing::warn!(
            topic,
            partition,
            reason,
            "the snapshot's place is refused, reading the partition from its beginning"
        );
        self.reader.metrics.cursors_refused(&slot.id.origin).inc();
        self.reader.resumption.refused(reason);
    }

    /// Tells of which log partitions are, where that is news.
    pub(super) fn tell_sources(&mut self) -> Result<(), EngineGone> {
        let Some(kafka) = self.kafka.clone() else { return Ok(()) };
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            let is_read = slot.queue.is_some() && slot.place.next().is_some();
            let Some(begin) = slot.beginning.begin().filter(|_| is_read && slot.id.topic != TopicKind::Control) else {
                continue;
            };
            let topic = self.fetcher.context().id_of(&slot.topic);
            let source = LogSource { kafka: kafka.clone(), topic, begin };
            if slot.told_source.as_ref() != Some(&source) {
                slot.told_source = Some(source.clone());
                let partition = slot.id.clone();
                self.tell(LogInput::Source { partition, source })?;
            }
        }
        Ok(())
    }

    /// Whether a partition's end was last reached so long ago that removals may be gone from what follows on it: of a reader that ran on and
    /// was cut off.
    pub(super) fn was_away_too_long(&self, index: usize) -> bool {
        let slot = &self.slots[index];
        let most = believed_for(self.retentions.get(&slot.id.origin).copied());
        let away = slot.place.away_for(Instant::now(), SystemTime::now());
        slot.id.topic != TopicKind::Control
            && away.is_some_and(|away| Millis(u64::try_from(away.as_millis()).unwrap_or(u64::MAX)) >= most)
    }
}

fn wall_now() -> WallMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    WallMs(u64::try_from(since).unwrap_or(u64::MAX))
}
