//! What this process states of its cluster: itself and its cluster in the control topic (rules R7 and R13), and checkpoints of the own
//! partitions (rules R15 and R16).
//!
//! A checkpoint lets readers drop what it does not count. So it is a proof, and none is stated while it would prove the incomplete: while
//! a change is due and not sent, a send is unsure, or the partition is being read anew because its beginning moved.

use std::sync::Arc;

use crate::federation::Federation;
use crate::input::{Effect, OutgoingCheckpoint};
use crate::lease::Fitness;
use crate::local::observation::NacosConnection;
use crate::log::control::{ControlKey, ControlValue, ReplicaRecord};
use crate::log::ends::ANSWER_WITHIN;
use crate::log::record::{Checkpoint, PartitionId, Record, RecordHeader, SCHEMA, TopicKind};
use crate::time::{Millis, Mono, Now};

/// A checkpoint is written this often even if nothing changes.
const CHECKPOINT_ANYWAY: Millis = Millis::from_secs(60);
/// A descriptor that the control topic lacks is written again this often at most.
const DESCRIBE_EVERY: Millis = Millis::from_secs(5);

/// Partitions that a complaint names.
const NAMED: usize = 8;

/// What is known of the descriptor in the own control topic.
#[derive(Debug, Default)]
pub(super) struct Described {
    /// Whether the topic's last descriptor, read since its reader began, is the one that this process would write.
    pub(super) as_configured: bool,
    /// Whether the topic was read to its end since its reader began.
    pub(super) read: bool,
    /// When it was last written.
    written: Option<Mono>,
}

impl Federation {
    pub(super) fn own_control(&self) -> PartitionId {
        self.own_partition(TopicKind::Control, 0)
    }

    /// What to state of an own partition now: count and digest with what is under way (rule R16). `None` while nothing can be stated; it
    /// is asked for again.
    fn checkpoint(&mut self, now: Now, topic: TopicKind, partition: u32) -> Option<OutgoingCheckpoint> {
        let place = (topic, partition);
        let log = &self.origins.get(self.cluster())?.log;
        let read = log.partition(topic, partition).filter(|read| read.reached_end())?;
        let (count, digest) = self.publisher.projected(place, read.image())?;
        let checkpoint = Checkpoint { count, digest, beat: self.lease.beat(), partitions: log.partitions() };
        self.leadership.stated(place, now.mono + CHECKPOINT_ANYWAY);
        let seq = self.publisher.next_seq();
        let header = RecordHeader { schema: SCHEMA, epoch: self.lease.epoch(), seq, observed: now.wall };
        Some(OutgoingCheckpoint { checkpoint, header })
    }

    pub(super) fn state_checkpoints(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for (topic, partition) in self.leadership.checkpoints_due(now.mono, now.mono + ANSWER_WITHIN) {
            if self.publisher.owes((topic, partition)) {
                continue;
            }
            if let Some(stated) = self.checkpoint(now, topic, partition) {
                effects.push(Effect::Checkpoint { topic, partition, stated });
            }
        }
    }

    /// Whoever ends in order leaves nothing unstated that it changed, as far as it may still write.
    pub(super) fn state_last_checkpoints(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.lease.may_write(now.mono) {
            self.leadership.want_all(now.mono);
            self.state_checkpoints(now, effects);
        }
    }

    /// A foreign checkpoint in the own log is overruled by a new one.
    pub(super) fn read_back_checkpoint(&mut self, now: Now, place: &PartitionId, record: &Record) {
        let foreign = record.header.is_none_or(|header| header.epoch != self.lease.epoch());
        if foreign {
            self.leadership.want_checkpoint((place.topic, place.partition), now.mono + ANSWER_WITHIN);
        }
    }

    /// A descriptor that the control topic lacks is written: by the first leader, and by whoever leads when the topic lost it. One that
    /// differs is overwritten unless it contradicts this process (rule R13): then that is a stranger, and leads no more.
    pub(super) fn describe(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let described = &self.described_in_log;
        let lately = described.written.is_some_and(|written| now.mono < written + DESCRIBE_EVERY);
        let is_due = !described.as_configured && described.read && !lately;
        if !is_due || !self.lease.may_write(now.mono) || self.is_stranger() {
            return;
        }
        self.described_in_log.written = Some(now.mono);
        self.write_descriptor(now, effects);
    }

    /// The own replica record (rule R7).
    pub(super) fn own_record(&mut self, now: Now) -> Effect {
        let Fitness { warm, nacos_age } = self.fitness(now);
        let beat = self.lease.sent(now.mono, warm);
        let mut complaints: Vec<Arc<str>> = Vec::new();
        if let NacosConnection::Down(_, reason) = self.local.connection() {
            complaints.push(format!("nacos is not connected: {reason}").into());
        }
        complaints.extend(self.told_diverged());
        let replica = ReplicaRecord {
            state: self.lease.state(),
            epoch: self.lease.epoch(),
            beat,
            warm,
            nacos_age,
            unpublished_age: self.unpublished_age(now.mono),
            descriptor: self.settings.descriptor.clone(),
            name: Arc::clone(&self.settings.identity.name),
            advertised: Arc::clone(&self.settings.identity.advertised),
            complaints,
            readings: self.readings(now.mono),
        };
        let key = ControlKey::Replica(self.settings.identity.nonce);
        Effect::Control { key, value: Some(ControlValue::Replica(replica)), header: self.control_header(now) }
    }

    /// Rule R18: that what is served is not what its origin states, and reading it anew did not help.
    fn told_diverged(&self) -> Option<Arc<str>> {
        let mut all = self.diverged();
        let first: Vec<PartitionId> = all.by_ref().take(NAMED).collect();
        let named = |it: &PartitionId| format!("{} {}-{}", it.origin, it.topic.as_str(), it.partition);
        let names = first.iter().map(named).collect::<Vec<_>>().join(", ");
        let further = match all.count() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!first.is_empty()).then(|| format!("diverged from what is stated of {names}{further}").into())
    }

    pub(super) fn forget_record(&mut self, now: Now, nonce: u32) -> Effect {
        Effect::Control { key: ControlKey::Replica(nonce), value: None, header: self.control_header(now) }
    }

    pub(super) fn control_header(&mut self, now: Now) -> RecordHeader {
        self.control_header_seq += 1;
        RecordHeader { schema: SCHEMA, epoch: self.lease.epoch(), seq: self.control_header_seq, observed: now.wall }
    }
}
