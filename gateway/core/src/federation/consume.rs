//! News of the log: members, records, ends, and what they mean for the origin that they are of.

use crate::federation::input::{Effect, LogInput};
use crate::federation::{Counts, Federation, Now, Origin};
use crate::id::ClusterId;
use crate::log::control::{ControlKey, ControlValue, Descriptor};
use crate::log::key::{DataKey, RecordKey};
use crate::log::partition::Applied;
use crate::log::record::{ControlRecord, PartitionId, Record, TopicKind};
use crate::publish::ReadBack;

impl Federation {
    pub(super) fn step_log(&mut self, now: Now, input: LogInput, effects: &mut Vec<Effect>) {
        if !matches!(
            input,
            LogInput::Unreachable { .. } | LogInput::SendFailed(_) | LogInput::Members(_) | LogInput::ProducerReplaced
        ) {
            self.log_trouble = None;
        }
        match input {
            LogInput::Members(members) => self.add_members(now, members),
            LogInput::Records { partition, records } => self.fold(now, &partition, &records, effects),
            LogInput::Control { origin, records } => self.read_control(now, &origin, &records, effects),
            LogInput::AtEnd { partition, next_offset } => self.at_end(now, &partition, next_offset, effects),
            LogInput::EndOffset { partition, end } => self.end_offset(now, &partition, end),
            LogInput::Restarted(partition) => self.restarted(&partition),
            LogInput::SendFailed(id) => {
                if let Some((topic, partition)) = self.publisher.failed(now.mono, id) {
                    effects.push(Effect::AskEnd(self.own_partition(topic, partition)));
                }
            }
            LogInput::ProducerReplaced => {
                let mut wishes = Vec::new();
                self.lease.claim_anew(now.mono, &mut wishes);
                self.fulfil(now, wishes, effects);
            }
            LogInput::Unreachable { reason } => self.log_trouble = Some(reason),
        }
    }

    fn add_members(&mut self, now: Now, members: Vec<(ClusterId, u32)>) {
        for (id, partitions) in members {
            if id != *self.cluster() && !self.settings.import.has_cluster(&id) {
                continue;
            }
            let origin = self.origins.entry(id.clone()).or_insert_with(|| Origin::new(0));
            origin.member.get_or_insert(now.mono);
            origin.topics = partitions;
            self.fit_partitions(&id);
        }
    }

    fn fold(&mut self, now: Now, place: &PartitionId, records: &[Record], effects: &mut Vec<Effect>) {
        let own = place.origin == *self.cluster();
        for record in records {
            let Some(origin) = self.origins.get_mut(&place.origin) else { return };
            let Some(partition) = origin.log.partition_mut(place.topic, place.partition) else { return };
            let applied = partition.apply(record);
            origin.counts.note(&applied);
            origin.size.outdated |= matches!(applied, Applied::Changed(_) | Applied::Replaced(_));
            self.note_applied(now, &place.origin, applied);
            if own {
                self.read_back(now, place, record, effects);
            }
        }
        if own {
            self.settle_sends(now, place);
        }
    }

    fn note_applied(&mut self, now: Now, origin: &ClusterId, applied: Applied) {
        match applied {
            Applied::Changed(key) => self.note_change(now, origin, &key),
            Applied::Replaced(keys) => keys.iter().for_each(|key| self.note_change(now, origin, key)),
            Applied::Unchanged | Applied::Held | Applied::Undecodable(_) | Applied::NotAFact => {}
        }
    }

    fn note_change(&mut self, now: Now, origin: &ClusterId, key: &DataKey) {
        self.changed.note(key);
        self.hear_health(now, origin, key);
    }

    fn read_back(&mut self, now: Now, place: &PartitionId, record: &Record, effects: &mut Vec<Effect>) {
        if let Some(header) = record.header {
            let mut wishes = Vec::new();
            self.lease.met_term(header.epoch.term, &mut wishes);
            self.fulfil(now, wishes, effects);
        }
        match &record.key {
            RecordKey::Data(key) => self.read_back_fact(now, key, record, effects),
            RecordKey::Checkpoint => self.read_back_checkpoint(now, place, record),
            RecordKey::Other | RecordKey::Malformed => {}
        }
    }

    fn read_back_fact(&mut self, now: Now, key: &DataKey, record: &Record, effects: &mut Vec<Effect>) {
        let ours = self.publisher.read_back(key, record.header, self.lease.epoch());
        if self.publisher.pending(key).is_some() || !self.own_partition_is_read(key) {
            return;
        }
        match ours {
            ReadBack::Latest => self.consider(now, key.clone()),
            ReadBack::Other => {
                // Somebody else's word: what it adds and Nacos lacks is a removal like any other.
                if record.header.is_none_or(|header| header.epoch != self.lease.epoch()) {
                    self.watch_logged(now, key, effects);
                    self.compare_with_log(now, key);
                }
                self.consider_overwritten(now, key.clone());
            }
        }
    }

    fn own_partition_is_read(&self, key: &DataKey) -> bool {
        let own = self.origins.get(self.cluster());
        own.and_then(|origin| origin.log.holder(key)).is_some_and(|partition| partition.reached_end())
    }

    fn read_control(&mut self, now: Now, id: &ClusterId, records: &[ControlRecord], effects: &mut Vec<Effect>) {
        let own = *id == *self.cluster();
        let mut wishes = Vec::new();
        for record in records {
            let Some(origin) = self.origins.get_mut(id) else { return };
            match (&record.key, &record.value) {
                (ControlKey::Replica(nonce), Some(ControlValue::Replica(replica))) => {
                    origin.pulse.read(now.mono, *nonce, replica, record.header.map(|header| header.observed));
                    if own {
                        self.lease.read(now.mono, record.offset, *nonce, Some(replica), &mut wishes);
                    }
                }
                (ControlKey::Replica(nonce), None) if own => {
                    self.lease.read(now.mono, record.offset, *nonce, None, &mut wishes);
                }
                (ControlKey::Descriptor, Some(ControlValue::Descriptor(descriptor))) => {
                    self.described(id, descriptor);
                }
                (ControlKey::Drain(target), value) => self.read_drain(now, id, target, value.as_ref(), record.header),
                _ => {}
            }
        }
        self.fulfil(now, wishes, effects);
    }

    /// A cluster that moved is shown anew wherever it is shown.
    fn described(&mut self, id: &ClusterId, descriptor: &Descriptor) {
        let revision = self.next_revision();
        let Some(origin) = self.origins.get_mut(id) else { return };
        if origin.descriptor.as_ref() != Some(descriptor) {
            origin.descriptor = Some(descriptor.clone());
            origin.freshness_revision = revision;
            self.fit_partitions(id);
        }
    }

    fn at_end(&mut self, now: Now, place: &PartitionId, next_offset: u64, effects: &mut Vec<Effect>) {
        let own = place.origin == *self.cluster();
        let Some(origin) = self.origins.get_mut(&place.origin) else { return };
        if place.topic == TopicKind::Control {
            origin.pulse.at_end(now.mono);
            if origin.intents.at_end() {
                self.choose_intents();
            }
            if own {
                self.descriptor_read = true;
                self.lease.at_end(now.mono, next_offset);
            }
            return;
        }
        let Some(partition) = origin.log.partition_mut(place.topic, place.partition) else { return };
        let was_read = partition.reached_end();
        let applied = partition.at_end(next_offset);
        if own && partition.is_shadowed() {
            let keys = partition.replace();
            self.note_applied(now, &place.origin, Applied::Replaced(keys));
        } else {
            self.note_applied(now, &place.origin, applied);
        }
        if own {
            self.settle_sends(now, place);
            if !was_read {
                self.own_partition_was_read(now, place, effects);
            }
        }
    }

    fn end_offset(&mut self, now: Now, place: &PartitionId, end: u64) {
        let own = place.origin == *self.cluster();
        let Some(origin) = self.origins.get_mut(&place.origin) else { return };
        if place.topic == TopicKind::Control {
            origin.pulse.answered(now.mono);
            if own {
                self.lease.end_offset(end);
            }
        } else if own {
            self.leadership.end_offset(place.topic, place.partition, end);
            self.publisher.end_offset(place.topic, place.partition, end);
            self.settle_sends(now, place);
        }
    }

    fn restarted(&mut self, place: &PartitionId) {
        if *place == self.own_control() {
            self.lease.restarted();
        }
        let Some(origin) = self.origins.get_mut(&place.origin) else { return };
        if place.topic == TopicKind::Control {
            origin.intents.restart();
        }
        if let Some(partition) = origin.log.partition_mut(place.topic, place.partition) {
            partition.restart();
            origin.counts.restarted += 1;
        }
    }

    /// How far an own partition was read decides about sends of unknown outcome, and about the takeover.
    fn settle_sends(&mut self, now: Now, place: &PartitionId) {
        let Some(next_offset) = self.own_next_offset(place.topic, place.partition) else { return };
        for (key, until) in self.publisher.settle(now.mono, place.topic, place.partition, next_offset) {
            if self.differs(&key) {
                self.publisher.retry(now.mono, now.wall, key, until);
            }
        }
    }

    fn own_next_offset(&self, topic: TopicKind, partition: u32) -> Option<u64> {
        Some(self.origins.get(self.cluster())?.log.partition(topic, partition)?.next_offset())
    }
}

impl Counts {
    fn note(&mut self, applied: &Applied) {
        match applied {
            Applied::Changed(_) | Applied::Replaced(_) => self.changed += 1,
            Applied::Unchanged => self.unchanged += 1,
            Applied::Held => self.held += 1,
            Applied::Undecodable(_) => self.undecodable += 1,
            Applied::NotAFact => {}
        }
    }
}
