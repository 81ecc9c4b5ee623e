//! The own cluster's log: what is wanted in it, taking it over, and driving it there (rules R6 and R12).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::federation::input::{Effect, OutgoingCheckpoint};
use crate::federation::{Federation, Now};
use crate::id::InstanceId;
use crate::lease::Role;
use crate::local::observation::{Connection, Subject};
use crate::log::control::{ControlKey, ControlValue, Replica};
use crate::log::key::DataKey;
use crate::log::origin::{Image, topic_of};
use crate::log::record::{Body, Checkpoint, Header, PartitionId, Record, SCHEMA, TopicKind};
use crate::time::{Millis, Mono};

/// A checkpoint follows a change of its partition within this time (rule R16).
const CHECKPOINT_AFTER_CHANGE: Millis = Millis::from_secs(10);
/// A checkpoint is written this often even if nothing changes.
const CHECKPOINT_ANYWAY: Millis = Millis::from_secs(60);
/// A question for the end of a partition that is not answered within this time is asked again.
const ANSWER_WITHIN: Millis = Millis::from_secs(2);

/// How far the own log was taken over since leadership began.
#[derive(Debug, Default)]
pub struct Leadership {
    partitions: BTreeMap<(TopicKind, u32), Takeover>,
    count: u32,
}

#[derive(Clone, Copy, Debug)]
struct Takeover {
    state: TakeoverState,
    checkpoint_due: Mono,
    changed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TakeoverState {
    /// Asked where it ends; read up to there it is taken.
    Reading { asked: Mono, end: Option<u64> },
    /// Driven by this process.
    Taken,
}

/// What the local Nacos says of a key.
enum Wanted {
    /// Nothing is known: the log stays as it is.
    Unknown,
    /// The key is not to be in the log.
    Absent,
    /// The key is to have this value.
    Present(Body),
}

impl Leadership {
    /// Whether the key's partition is driven by this process.
    #[must_use]
    pub fn has_taken(&self, key: &DataKey) -> bool {
        self.count > 0 && self.is_taken(topic_of(key), key.partition(self.count))
    }

    fn is_taken(&self, topic: TopicKind, partition: u32) -> bool {
        self.partitions.get(&(topic, partition)).is_some_and(|takeover| takeover.state == TakeoverState::Taken)
    }

    /// The partition's leader said where it ends.
    pub(super) fn end_offset(&mut self, topic: TopicKind, partition: u32, answer: u64) {
        if let Some(Takeover { state: TakeoverState::Reading { end: end @ None, .. }, .. }) =
            self.partitions.get_mut(&(topic, partition))
        {
            *end = Some(answer);
        }
    }

    fn note_change(&mut self, now: Mono, topic: TopicKind, partition: u32) {
        if let Some(takeover) = self.partitions.get_mut(&(topic, partition)).filter(|takeover| !takeover.changed) {
            takeover.changed = true;
            takeover.checkpoint_due = takeover.checkpoint_due.min(now + CHECKPOINT_AFTER_CHANGE);
        }
    }
}

impl Federation {
    /// Whether everything that was asked at the takeover was read, so that publishing is complete.
    #[must_use]
    pub fn has_taken_over(&self) -> bool {
        let taken = |takeover: &Takeover| takeover.state == TakeoverState::Taken;
        self.lease.role() == Role::Leading && self.leadership.partitions.values().all(taken)
    }

    /// The digest of a record that was encoded, so that checkpoints count it before it is read back.
    pub fn encoded(&mut self, header: Header, digest: u128) {
        self.publisher.encoded(crate::federation::input::SendId(header.seq), digest);
    }

    /// What to state of an own partition now: count and digest with what is under way (rule R16). `None` while that is
    /// not known; it is asked for again.
    pub fn checkpoint(&mut self, now: Now, topic: TopicKind, partition: u32) -> Option<OutgoingCheckpoint> {
        let log = &self.origins.get(self.cluster())?.log;
        let (count, digest) = self.publisher.projected(topic, partition, log.partition(topic, partition)?.image())?;
        let checkpoint = Checkpoint { count, digest, beat: self.lease.beat(), partitions: log.partitions() };
        let takeover = self.leadership.partitions.get_mut(&(topic, partition))?;
        takeover.changed = false;
        takeover.checkpoint_due = now.mono + CHECKPOINT_ANYWAY;
        let seq = self.publisher.next_seq();
        let header = Header { schema: SCHEMA, epoch: self.lease.epoch(), seq, observed: now.wall };
        Some(OutgoingCheckpoint { checkpoint, header })
    }

    pub(super) fn own_partition(&self, topic: TopicKind, partition: u32) -> PartitionId {
        PartitionId { origin: self.cluster().clone(), topic, partition }
    }

    pub(super) fn own_control(&self) -> PartitionId {
        self.own_partition(TopicKind::Control, 0)
    }

    /// Rule R12: read each own partition to an end asked for after the claim was read back.
    pub(super) fn leadership_began(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.publisher.reset();
        let Some(origin) = self.origins.get(self.cluster()) else { return };
        self.leadership = Leadership { partitions: BTreeMap::new(), count: origin.log.partitions() };
        for (topic, partition, _) in origin.log.all() {
            let state = TakeoverState::Reading { asked: now.mono, end: None };
            let takeover = Takeover { state, checkpoint_due: now.mono, changed: false };
            self.leadership.partitions.insert((topic, partition), takeover);
            effects.push(Effect::AskEnd(self.own_partition(topic, partition)));
        }
        let described = origin.descriptor.as_ref() == Some(&self.settings.descriptor);
        if !described {
            let value = Some(ControlValue::Descriptor(self.settings.descriptor.clone()));
            effects.push(Effect::Control { key: ControlKey::Descriptor, value, header: self.control_header(now) });
        }
    }

    /// What is due in the own log: partitions to take over, keys to write, checkpoints.
    pub(super) fn publish(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.lease.role() != Role::Leading {
            return;
        }
        self.take_over(now, effects);
        for (topic, partition) in self.publisher.overdue(now.mono) {
            effects.push(Effect::AskEnd(self.own_partition(topic, partition)));
        }
        if !self.lease.may_write(now.mono) {
            return;
        }
        while let Some((key, since, wall)) = self.publisher.next(now.mono) {
            let body = match self.wanted(&key) {
                Wanted::Unknown => continue,
                Wanted::Absent => Body::Tombstone,
                Wanted::Present(body) => body,
            };
            if !self.differs(&key) {
                continue;
            }
            let partitions = self.leadership.count;
            self.leadership.note_change(now.mono, topic_of(&key), key.partition(partitions));
            let outgoing = self.publisher.send(now.mono, self.lease.epoch(), (key, since, wall), body, partitions);
            effects.push(Effect::Send(outgoing));
        }
        let due = |takeover: &Takeover| takeover.state == TakeoverState::Taken && now.mono >= takeover.checkpoint_due;
        for ((topic, partition), takeover) in &mut self.leadership.partitions {
            if due(takeover) {
                takeover.checkpoint_due = now.mono + ANSWER_WITHIN; // Asked again if it cannot be stated yet.
                effects.push(Effect::Checkpoint { topic: *topic, partition: *partition });
            }
        }
    }

    fn take_over(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.has_taken_over() {
            return;
        }
        let places: Vec<(TopicKind, u32)> = self.leadership.partitions.keys().copied().collect();
        for (topic, partition) in places {
            let Some(TakeoverState::Reading { asked, end }) =
                self.leadership.partitions.get(&(topic, partition)).map(|takeover| takeover.state)
            else {
                continue;
            };
            let read = self.origins.get(self.cluster()).and_then(|origin| origin.log.partition(topic, partition));
            let read = read.filter(|read| read.reached_end()).map(|read| read.next_offset());
            if end.is_some_and(|end| read.is_some_and(|read| read >= end)) {
                if !self.lease.may_write(now.mono) {
                    continue;
                }
                self.set_takeover(topic, partition, TakeoverState::Taken);
                effects.push(Effect::Checkpoint { topic, partition });
                self.consider_partition(now, topic, partition);
            } else if end.is_none() && now.mono >= asked + ANSWER_WITHIN {
                self.set_takeover(topic, partition, TakeoverState::Reading { asked: now.mono, end: None });
                effects.push(Effect::AskEnd(self.own_partition(topic, partition)));
            }
        }
    }

    fn set_takeover(&mut self, topic: TopicKind, partition: u32, state: TakeoverState) {
        if let Some(takeover) = self.leadership.partitions.get_mut(&(topic, partition)) {
            takeover.state = state;
        }
    }

    /// All keys of one partition that Nacos or the log has.
    fn consider_partition(&mut self, now: Now, topic: TopicKind, partition: u32) {
        let count = self.leadership.count;
        let mut keys = self.logged_keys(topic, partition);
        match topic {
            TopicKind::Instances => {
                for (service, state) in self.local.services() {
                    let of_service = state.instances().map(|(id, _, _)| DataKey::Instance(service.clone(), id.clone()));
                    let mut of_service = of_service.peekable();
                    if of_service.peek().is_some_and(|key| key.partition(count) == partition) {
                        keys.extend(of_service);
                    }
                }
            }
            TopicKind::Configs => {
                let local = self.local.configs().map(|(key, _)| DataKey::Config(key.clone()));
                keys.extend(local.filter(|key| key.partition(count) == partition));
            }
            TopicKind::Control => {}
        }
        for key in keys {
            self.consider(now, key);
        }
    }

    fn logged_keys(&self, topic: TopicKind, partition: u32) -> Vec<DataKey> {
        let Some(origin) = self.origins.get(self.cluster()) else { return Vec::new() };
        let Some(fold) = origin.log.partition(topic, partition).map(|found| found.image()) else { return Vec::new() };
        let of_service = |(service, entries): (&crate::id::ServiceKey, &crate::log::partition::ServiceEntries)| {
            let key = |id: &InstanceId| DataKey::Instance(service.clone(), id.clone());
            entries.keys().map(key).collect::<Vec<_>>()
        };
        let configs = fold.configs().map(|(key, _)| DataKey::Config(key.clone()));
        fold.services().flat_map(of_service).chain(configs).collect()
    }

    /// The own partition was read to its end for the first time: what it has and Nacos lacks is held, and watched.
    pub(super) fn own_partition_was_read(&mut self, now: Now, place: &PartitionId, effects: &mut Vec<Effect>) {
        for key in self.logged_keys(place.topic, place.partition) {
            self.watch_logged(now, &key, effects);
            self.compare_with_log(now, &key);
        }
        if self.leadership.is_taken(place.topic, place.partition) {
            self.consider_partition(now, place.topic, place.partition);
        }
    }

    /// What the log has is watched in Nacos, whether Nacos names it or not: else nobody would ever find it gone.
    pub(super) fn watch_logged(&mut self, now: Now, key: &DataKey, effects: &mut Vec<Effect>) {
        match key {
            DataKey::Instance(service, _) => self.local.watch(now.mono, service.clone(), effects),
            DataKey::Config(config) => self.local.watch_config(config, effects),
        }
    }

    /// What the own log has of the key and Nacos lacks becomes a removal that waits for proof.
    pub(super) fn compare_with_log(&mut self, now: Now, key: &DataKey) {
        let Some(image) = self.origins.get(self.cluster()).and_then(|origin| origin.log.image(key)) else { return };
        let newly_held = match (key, image) {
            (DataKey::Instance(service, id), Image::Instance(instance)) => {
                !self.local.compare_service(now.mono, service, &[(id.clone(), instance)]).is_empty()
            }
            (DataKey::Config(config), Image::Config(item)) => self.local.compare_config(now.mono, config, &item),
            _ => false,
        };
        if newly_held {
            self.note_own_change(now, key);
        }
    }

    /// The first answer for a service or config item after the start may lack what the log has. Only the first: later, what
    /// Nacos lacks was decided on, and the log is merely behind.
    pub(super) fn compare_first_answer(&mut self, now: Now, subject: &Subject) {
        let key = match subject {
            Subject::Config(config) => DataKey::Config(config.clone()),
            Subject::Service(service) => DataKey::Instance(service.clone(), InstanceId::new("", 0, "")),
        };
        let own = self.origins.get(self.cluster());
        let Some(partition) = own.and_then(|origin| origin.log.holder(&key)).filter(|found| found.reached_end()) else {
            return; // Compared when the partition has been read.
        };
        let keys: Vec<DataKey> = match subject {
            Subject::Config(_) => vec![key],
            Subject::Service(service) => {
                let ids = partition.image().service(service).into_iter().flat_map(|entries| entries.keys());
                ids.map(|id| DataKey::Instance(service.clone(), id.clone())).collect()
            }
        };
        for key in keys {
            self.compare_with_log(now, &key);
        }
    }

    fn wanted(&self, key: &DataKey) -> Wanted {
        let present = |body: Option<Body>| body.map_or(Wanted::Absent, Wanted::Present);
        match key {
            DataKey::Instance(service, _) if !self.settings.export.has_service(service) => Wanted::Absent,
            DataKey::Config(config) if !self.settings.export.has_config(config) => Wanted::Absent,
            DataKey::Instance(service, id) => match self.local.service(service) {
                Some(state) => present(state.wanted(id).map(|instance| Body::Instance(Arc::clone(instance)))),
                None => Wanted::Unknown,
            },
            DataKey::Config(config) => match self.local.config(config) {
                Some(state) => present(state.wanted().map(|item| Body::Config(Arc::clone(item)))),
                None => Wanted::Unknown,
            },
        }
    }

    /// Whether what is under way, or else in the log, is not what is wanted.
    pub(super) fn differs(&self, key: &DataKey) -> bool {
        let wanted = match self.wanted(key) {
            Wanted::Unknown => return false,
            Wanted::Absent => None,
            Wanted::Present(body) => Some(body),
        };
        match self.publisher.pending(key) {
            Some(Body::Tombstone) => wanted.is_some(),
            Some(pending) => wanted.as_ref() != Some(pending),
            None => {
                let image = self.origins.get(self.cluster()).and_then(|origin| origin.log.image(key));
                match (image, wanted) {
                    (None, None) => false,
                    (Some(Image::Instance(logged)), Some(Body::Instance(instance))) => logged != instance,
                    (Some(Image::Config(logged)), Some(Body::Config(item))) => logged != item,
                    _ => true,
                }
            }
        }
    }

    /// Marks the key as due if its partition is driven by this process and it differs.
    pub(super) fn consider(&mut self, now: Now, key: DataKey) {
        if !self.leadership.has_taken(&key) {
            return;
        }
        if self.differs(&key) {
            self.publisher.mark(now.mono, now.wall, key);
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
            self.publisher.mark_overwritten(now.mono, now.wall, key);
        }
    }

    /// A foreign checkpoint in the own log is overruled by a new one.
    pub(super) fn read_back_checkpoint(&mut self, now: Now, place: &PartitionId, record: &Record) {
        let foreign = record.header.is_none_or(|header| header.epoch != self.lease.epoch());
        if foreign && let Some(takeover) = self.leadership.partitions.get_mut(&(place.topic, place.partition)) {
            takeover.checkpoint_due = takeover.checkpoint_due.min(now.mono + ANSWER_WITHIN);
        }
    }

    /// The own replica record (rule R7).
    pub(super) fn own_record(&mut self, now: Now) -> Effect {
        let beat = self.lease.sent(now.mono);
        let mut complaints: Vec<Arc<str>> = Vec::new();
        if let Connection::Down(_, reason) = self.local.connection() {
            complaints.push(format!("nacos is not connected: {reason}").into());
        }
        let replica = Replica {
            state: self.lease.state(),
            epoch: self.lease.epoch(),
            beat,
            warm: self.local.is_warm(),
            nacos_age: self.local.age(now.mono),
            unpublished_age: self.publisher.unpublished_age(now.mono),
            descriptor: self.settings.descriptor.clone(),
            name: Arc::clone(&self.settings.identity.name),
            advertised: Arc::clone(&self.settings.identity.advertised),
            complaints,
        };
        let key = ControlKey::Replica(self.settings.identity.nonce);
        Effect::Control { key, value: Some(ControlValue::Replica(replica)), header: self.control_header(now) }
    }

    pub(super) fn forget_record(&mut self, now: Now, nonce: u32) -> Effect {
        Effect::Control { key: ControlKey::Replica(nonce), value: None, header: self.control_header(now) }
    }

    pub(super) fn control_header(&mut self, now: Now) -> Header {
        self.control_header_seq += 1;
        Header { schema: SCHEMA, epoch: self.lease.epoch(), seq: self.control_header_seq, observed: now.wall }
    }
}
