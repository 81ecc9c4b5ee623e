//! Driving the own log to what the local Nacos says (rule R6): what is wanted of each key, what differs, and what is sent.
//!
//! Publishing is an effect of the one owner. A step sends a bounded number of records; what is left is due in the next one.

use std::sync::Arc;

use crate::federation::Federation;
use crate::input::{Effect, SendId};
use crate::lease::ReplicaRole;
use crate::log::key::DataKey;
use crate::log::origin::{ImageValue, topic_of};
use crate::log::partition::Partition;
use crate::log::record::{PartitionId, RecordBody, TopicKind};
use crate::publish::OwnPartition;
use crate::time::Now;

/// Records that one step sends at most: some milliseconds.
const SENT_IN_A_STEP: usize = 500;

/// What the local Nacos says of a key.
pub(super) enum Wanted {
    /// Nothing is known: the log stays as it is.
    Unknown,
    /// The key is not to be in the log.
    Absent,
    /// The key is to have this value.
    Present(RecordBody),
}

impl Federation {
    pub(super) fn own_partition(&self, topic: TopicKind, partition: u32) -> PartitionId {
        PartitionId { origin: self.cluster().clone(), topic, partition }
    }

    /// The own partition as read.
    pub(super) fn own_log(&self, (topic, partition): OwnPartition) -> Option<&Partition> {
        self.origins.get(self.cluster())?.log.partition(topic, partition)
    }

    /// What is due in the own log: partitions to take over, keys to write, checkpoints.
    pub(super) fn publish(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.lease.role() != ReplicaRole::Leading {
            return;
        }
        self.take_over(now, effects);
        for (topic, partition) in self.publisher.overdue(now.mono) {
            effects.push(Effect::AskEnd(self.own_partition(topic, partition)));
        }
        if self.lease.may_write(now.mono) {
            self.send_due(now, effects);
            self.state_checkpoints(now, effects);
            self.state_censuses(now, effects);
        }
    }

    fn send_due(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for _ in 0..SENT_IN_A_STEP {
            let Some((key, since, wall)) = self.publisher.next(now.mono) else { return };
            let wanted = self.wanted(&key);
            if !self.differs_from(&key, &wanted) {
                self.publisher.clear(&key); // Where nothing is known, it is marked anew when something is.
                continue;
            }
            let body = if let Wanted::Present(body) = wanted { body } else { RecordBody::Tombstone };
            let partitions = self.leadership.count;
            self.leadership.note_change(now.mono, (topic_of(&key), key.partition(partitions)));
            let outgoing = self.publisher.send(now.mono, self.lease.epoch(), (key, since, wall), body, partitions);
            if outgoing.body != RecordBody::Tombstone {
                // Checkpoints count it before it is read back.
                self.publisher.encoded(SendId(outgoing.header.seq), self.settings.digest.of(&outgoing));
            }
            effects.push(Effect::Send(outgoing));
        }
    }

    fn wanted(&self, key: &DataKey) -> Wanted {
        let present = |body: Option<RecordBody>| body.map_or(Wanted::Absent, Wanted::Present);
        match key {
            DataKey::Instance(service, _) if !self.settings.export.has_service(service) => Wanted::Absent,
            DataKey::Config(config) if !self.settings.export.has_config(config) => Wanted::Absent,
            DataKey::Instance(service, id) => match self.local.service(service) {
                Some(state) => present(state.wanted(id).map(|instance| RecordBody::Instance(Arc::clone(instance)))),
                None => Wanted::Unknown,
            },
            DataKey::Config(config) => self.wanted_item(config),
        }
    }

    /// Whether nothing is known of the key, so that the log stays as it is.
    pub(super) fn is_unknown(&self, key: &DataKey) -> bool {
        matches!(self.wanted(key), Wanted::Unknown)
    }

    /// Whether what is under way, or else in the log, is not what is wanted.
    pub(super) fn differs(&self, key: &DataKey) -> bool {
        self.differs_from(key, &self.wanted(key))
    }

    fn differs_from(&self, key: &DataKey, wanted: &Wanted) -> bool {
        let wanted = match wanted {
            Wanted::Unknown => return false,
            Wanted::Absent => None,
            Wanted::Present(body) => Some(body),
        };
        match self.publisher.pending(key) {
            Some(RecordBody::Tombstone) => wanted.is_some(),
            Some(pending) => wanted != Some(pending),
            None => {
                let image = self.origins.get(self.cluster()).and_then(|origin| origin.log.image(key));
                let differs = match (image, wanted) {
                    (None, None) => false,
                    (Some(ImageValue::Instance(logged)), Some(RecordBody::Instance(instance))) => logged != *instance,
                    (Some(ImageValue::Config(logged)), Some(RecordBody::Config(item))) => {
                        self.item_differs(key, &logged, item)
                    }
                    _ => true,
                };
                differs || self.is_unlisted(key)
            }
        }
    }

    /// Whether readers lack the key's last record, because a census took it from them.
    fn is_unlisted(&self, key: &DataKey) -> bool {
        let partitions = self.leadership.count;
        !self.censuses.is_quiet()
            && partitions > 0
            && self.censuses.is_unlisted((topic_of(key), key.partition(partitions)), key)
    }

    /// Marks the key as due if its partition is driven by this process and it differs.
    pub(super) fn consider(&mut self, now: Now, key: DataKey) {
        if !self.leadership.has_taken(&key) {
            return;
        }
        if self.differs(&key) {
            self.publisher.mark(now.mono, now.wall, key, self.leadership.count);
        } else {
            self.publisher.clear(&key);
        }
    }

    /// As [`Federation::consider`], after a record that is not the latest one sent for its key was read back.
    pub(super) fn consider_overwritten(&mut self, now: Now, key: DataKey) {
        if self.leadership.has_taken(&key) && self.differs(&key) {
            if let Some(origin) = self.origins.get_mut(&self.settings.identity.cluster) {
                origin.counts.overwritten += 1;
            }
            self.publisher.mark_overwritten(now.mono, now.wall, key, self.leadership.count);
        }
    }
}
