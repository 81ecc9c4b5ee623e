//! Taking over the own log (rule R12), and comparing it with what Nacos says.
//!
//! Whoever begins to lead reads each own data partition to an end that was asked for after its claim came back, and only then drives it.
//! It defends against a removal that nobody proved: the new leader's Nacos may not show yet what the former leader's did, and what only
//! the former leader saw would stay for ever. So every service is unsettled at a takeover, also one that this process never watched: what
//! the log has and Nacos has not shown is held, watched and read, as after a connect.
//!
//! ```text
//! Reading(question) ──read up to the answer, permitted──▶ Comparing(rest) ──a slice a step──▶ Taken
//!     ▲ no answer, or the reader begins anew: asked anew
//! ```
//!
//! Invariant: nothing is compared, marked or stated of a partition before it is read; a step compares a bounded number of names.

use std::collections::{BTreeMap, BTreeSet};

use crate::federation::input::Effect;
use crate::federation::{Federation, Now};
use crate::id::{InstanceId, ServiceKey};
use crate::lease::Role;
use crate::local::observation::{Doubt, Subject};
use crate::local::service::KnownFrom;
use crate::log::ends::EndQuestion;
use crate::log::key::DataKey;
use crate::log::origin::{Image, topic_of};
use crate::log::partition::Fold;
use crate::log::record::{PartitionId, TopicKind};
use crate::publish::OwnPartition;
use crate::time::{Millis, Mono};

/// A checkpoint follows a change of its partition within this time (rule R16).
const CHECKPOINT_AFTER_CHANGE: Millis = Millis::from_secs(10);
/// Names that one step compares at most: some milliseconds.
const COMPARED_IN_A_STEP: usize = 500;

/// How far the own log was taken over since leadership began.
#[derive(Debug, Default)]
pub struct Leadership {
    partitions: BTreeMap<OwnPartition, Takeover>,
    /// Partitions of each own data topic.
    pub(super) count: u32,
}

#[derive(Debug)]
struct Takeover {
    state: TakeoverState,
    checkpoint_due: Mono,
    changed: bool,
}

#[derive(Debug)]
enum TakeoverState {
    /// Asked where it ends.
    Reading(EndQuestion),
    /// Driven; these names are still to be compared with what Nacos says.
    Comparing(Vec<Subject>),
    /// Driven, and compared.
    Taken,
}

impl Leadership {
    /// Whether the key's partition is driven by this process.
    #[must_use]
    pub fn has_taken(&self, key: &DataKey) -> bool {
        self.count > 0 && self.drives((topic_of(key), key.partition(self.count)))
    }

    fn drives(&self, partition: OwnPartition) -> bool {
        let takeover = self.partitions.get(&partition);
        takeover.is_some_and(|takeover| !matches!(takeover.state, TakeoverState::Reading(_)))
    }

    fn is_complete(&self) -> bool {
        self.partitions.values().all(|takeover| matches!(takeover.state, TakeoverState::Taken))
    }

    /// Whether names wait to be compared.
    pub(super) fn is_comparing(&self) -> bool {
        self.partitions.values().any(|takeover| matches!(takeover.state, TakeoverState::Comparing(_)))
    }

    /// The partition's leader said where it ends, asked at `asked`.
    pub(super) fn end_offset(&mut self, partition: OwnPartition, end: u64, asked: Mono) {
        if let Some(Takeover { state: TakeoverState::Reading(question), .. }) = self.partitions.get_mut(&partition) {
            question.answer(end, asked);
        }
    }

    /// The partition's reader begins anew.
    pub(super) fn restarted(&mut self, now: Mono, partition: OwnPartition) {
        if let Some(Takeover { state: TakeoverState::Reading(question), .. }) = self.partitions.get_mut(&partition) {
            question.begin_anew(now);
        }
    }

    /// A record of the partition is about to be sent.
    pub(super) fn note_change(&mut self, now: Mono, partition: OwnPartition) {
        if let Some(takeover) = self.partitions.get_mut(&partition).filter(|takeover| !takeover.changed) {
            takeover.changed = true;
            takeover.checkpoint_due = takeover.checkpoint_due.min(now + CHECKPOINT_AFTER_CHANGE);
        }
    }

    /// A checkpoint is to be stated by then, if one can be.
    pub(super) fn want_checkpoint(&mut self, partition: OwnPartition, by: Mono) {
        if let Some(takeover) = self.partitions.get_mut(&partition) {
            takeover.checkpoint_due = takeover.checkpoint_due.min(by);
        }
    }

    /// A checkpoint was stated; the next one is due then unless something changes.
    pub(super) fn stated(&mut self, partition: OwnPartition, next: Mono) {
        if let Some(takeover) = self.partitions.get_mut(&partition) {
            (takeover.changed, takeover.checkpoint_due) = (false, next);
        }
    }

    /// Partitions of which a checkpoint is due; they are due again at `again` if none can be stated.
    pub(super) fn checkpoints_due(&mut self, now: Mono, again: Mono) -> Vec<OwnPartition> {
        let mut due = Vec::new();
        for (partition, takeover) in &mut self.partitions {
            if matches!(takeover.state, TakeoverState::Taken) && now >= takeover.checkpoint_due {
                takeover.checkpoint_due = again;
                due.push(*partition);
            }
        }
        due
    }
}

impl Federation {
    /// Whether everything that was asked at the takeover was read and compared, so that publishing is complete.
    #[must_use]
    pub fn has_taken_over(&self) -> bool {
        self.lease.role() == Role::Leading && self.leadership.is_complete()
    }

    /// Rule R12: read each own partition to an end asked for after the claim was read back.
    pub(super) fn leadership_began(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.publisher.reset();
        self.local.doubt(now.mono);
        let Some(origin) = self.origins.get(self.cluster()) else { return };
        self.leadership = Leadership { partitions: BTreeMap::new(), count: origin.log.partitions() };
        for (topic, partition, _) in origin.log.all() {
            let state = TakeoverState::Reading(EndQuestion::put(now.mono));
            let takeover = Takeover { state, checkpoint_due: now.mono, changed: false };
            self.leadership.partitions.insert((topic, partition), takeover);
            effects.push(Effect::AskEnd(self.own_partition(topic, partition)));
        }
    }

    /// What is due of the takeover.
    pub(super) fn take_over(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let unfinished = |takeover: &Takeover| !matches!(takeover.state, TakeoverState::Taken);
        let places: Vec<OwnPartition> =
            self.leadership.partitions.iter().filter(|(_, it)| unfinished(it)).map(|(place, _)| *place).collect();
        let mut room = COMPARED_IN_A_STEP;
        for place in places {
            self.take_over_read(now, place, effects);
            room = self.take_over_compared(now, place, room, effects);
        }
    }

    fn take_over_read(&mut self, now: Now, place: OwnPartition, effects: &mut Vec<Effect>) {
        let read = self.own_log(place).filter(|read| read.reached_end()).map(|read| read.next_offset());
        let may_write = self.lease.may_write(now.mono);
        let Some(takeover) = self.leadership.partitions.get_mut(&place) else { return };
        let TakeoverState::Reading(question) = &mut takeover.state else { return };
        if read.is_some_and(|read| question.is_reached(read)) && may_write {
            let names = self.names_of(place);
            if let Some(takeover) = self.leadership.partitions.get_mut(&place) {
                takeover.state = TakeoverState::Comparing(names);
            }
        } else if question.is_overdue(now.mono) {
            question.put_anew(now.mono);
            effects.push(Effect::AskEnd(self.own_partition(place.0, place.1)));
        }
    }

    /// Compares up to `room` names; returns how many may still be compared.
    fn take_over_compared(&mut self, now: Now, place: OwnPartition, room: usize, effects: &mut Vec<Effect>) -> usize {
        let Some(takeover) = self.leadership.partitions.get_mut(&place) else { return room };
        let TakeoverState::Comparing(rest) = &mut takeover.state else { return room };
        let slice = rest.split_off(rest.len().saturating_sub(room));
        if rest.is_empty() {
            takeover.state = TakeoverState::Taken;
            takeover.checkpoint_due = now.mono;
        }
        let room = room - slice.len();
        for subject in slice {
            self.local.unsettle(now.mono, &subject);
            self.compare(now, &subject, Doubt::WholeService, effects);
            self.consider_subject(now, &subject);
        }
        room
    }

    /// All names that the log or Nacos has in the partition.
    fn names_of(&self, (topic, partition): OwnPartition) -> Vec<Subject> {
        let mut names: BTreeSet<Subject> = self.logged_names((topic, partition)).into_iter().collect();
        let count = self.origins.get(self.cluster()).map_or(0, |own| own.log.partitions());
        let here = |subject: &Subject| any_key(subject).partition(count) == partition;
        match topic {
            TopicKind::Instances => {
                names.extend(self.local.services().map(|(key, _)| Subject::Service(key.clone())).filter(here));
            }
            TopicKind::Configs => {
                names.extend(self.local.configs().map(|(key, _)| Subject::Config(key.clone())).filter(here));
            }
            TopicKind::Control => {}
        }
        names.into_iter().collect()
    }

    fn logged_names(&self, place: OwnPartition) -> Vec<Subject> {
        let Some(fold) = self.own_log(place).map(|found| found.image()) else { return Vec::new() };
        let services = fold.services().map(|(key, _)| Subject::Service(key.clone()));
        services.chain(fold.configs().map(|(key, _)| Subject::Config(key.clone()))).collect()
    }

    /// The own partition was read to its end for the first time since its reader began: what it has and Nacos lacks is held, and
    /// watched.
    pub(super) fn own_partition_was_read(&mut self, now: Now, place: &PartitionId, effects: &mut Vec<Effect>) {
        let place = (place.topic, place.partition);
        let driven = self.leadership.drives(place);
        for subject in self.names_of(place) {
            self.compare(now, &subject, Doubt::WholeService, effects);
            if driven {
                self.consider_subject(now, &subject);
            }
        }
    }

    /// What the log has is watched in Nacos, whether Nacos names it or not: else nobody would ever find it gone. What it has and Nacos
    /// lacks becomes a removal that waits for proof, on a list that has to settle first if `doubt` says so.
    pub(super) fn compare(&mut self, now: Now, subject: &Subject, doubt: Doubt, effects: &mut Vec<Effect>) {
        let (from, logged) = self.logged_of(subject);
        let changed = match subject {
            Subject::Service(service) => {
                if !logged.is_empty() {
                    self.local.watch_doubtful(now.mono, service.clone(), effects);
                }
                let instances = logged.into_iter().filter_map(|(key, image)| match (key, image) {
                    (DataKey::Instance(_, id), Image::Instance(instance)) => Some((id, instance)),
                    _ => None,
                });
                let instances: Vec<_> = instances.collect();
                let changed = self.local.compare_service(now.mono, service, &instances, from, doubt);
                changed.into_iter().map(|id| DataKey::Instance(service.clone(), id)).collect()
            }
            Subject::Config(config) => {
                if !logged.is_empty() {
                    self.local.watch_config(config, effects);
                }
                let item = logged
                    .iter()
                    .find_map(|(_, image)| if let Image::Config(item) = image { Some(item) } else { None });
                let unreadable = item.is_none() && !logged.is_empty();
                let changed = !unreadable && self.local.compare_config(now.mono, config, item, from);
                if changed { vec![DataKey::Config(config.clone())] } else { Vec::new() }
            }
        };
        for key in changed {
            self.note_own_change(now, &key);
        }
    }

    /// The first answer for a service or config item after the start may lack what the log has, or, before that could be read, what the
    /// snapshot has. Only the first: later, what Nacos lacks was decided on, and the log is merely behind.
    pub(super) fn compare_first_answer(&mut self, now: Now, subject: &Subject, effects: &mut Vec<Effect>) {
        self.compare(now, subject, Doubt::WholeService, effects);
    }

    /// What the own log has under a name; before it was read to its end, what was known before it is read anew. A fold on its way says
    /// nothing: what it has so far may have been removed further on.
    fn logged_of(&self, subject: &Subject) -> (KnownFrom, Vec<(DataKey, Image)>) {
        let own = self.origins.get(self.cluster());
        let Some(partition) = own.and_then(|origin| origin.log.holder(&any_key(subject))) else {
            return (KnownFrom::Snapshot, Vec::new());
        };
        let (from, fold) = match () {
            () if partition.reached_end() => (KnownFrom::Log, partition.image()),
            () if partition.is_shadowed() => (KnownFrom::Snapshot, partition.served()),
            () => return (KnownFrom::Snapshot, Vec::new()),
        };
        (from, entries_of(fold, subject))
    }
}

fn entries_of(fold: &Fold, subject: &Subject) -> Vec<(DataKey, Image)> {
    match subject {
        Subject::Service(service) => {
            let entries = fold.service(service).into_iter().flatten();
            entries
                .map(|(id, entry)| (DataKey::Instance(service.clone(), id.clone()), Image::of_instance(entry)))
                .collect()
        }
        Subject::Config(config) => fold
            .config(config)
            .into_iter()
            .map(|entry| (DataKey::Config(config.clone()), Image::of_config(entry)))
            .collect(),
    }
}

impl Federation {
    /// Marks what differs under a name that the log or Nacos has.
    fn consider_subject(&mut self, now: Now, subject: &Subject) {
        let mut keys: BTreeSet<DataKey> = self.logged_of(subject).1.into_iter().map(|(key, _)| key).collect();
        match subject {
            Subject::Service(service) => {
                let ids = self.local.service(service).into_iter().flat_map(|state| state.ids());
                keys.extend(ids.map(|id| DataKey::Instance(service.clone(), id.clone())));
            }
            Subject::Config(config) => drop(keys.insert(DataKey::Config(config.clone()))),
        }
        for key in keys {
            self.consider(now, key);
        }
    }
}

/// A key that stands in the partition of the name.
fn any_key(subject: &Subject) -> DataKey {
    match subject {
        Subject::Config(config) => DataKey::Config(config.clone()),
        Subject::Service(service) => any_instance(service),
    }
}

/// All instances of a service share one partition, whatever their ids.
fn any_instance(service: &ServiceKey) -> DataKey {
    DataKey::Instance(service.clone(), InstanceId::new("", 0, ""))
}
