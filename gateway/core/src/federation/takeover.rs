//! Taking over the own log (rule R12).
//!
//! Whoever begins to lead reads each own data partition to an end that was asked for after its claim came back, and only then drives it.
//! It defends against a removal that nobody proved: the new leader's Nacos may not show yet what the former leader's did, and what only
//! the former leader saw would stay for ever. So every service is unsettled at a takeover, also one that this process never watched: what
//! the log has and Nacos has not shown is held, watched and read, as after a connect.
//!
//! ```text
//! Reading(question) ──read up to the answer, permitted──▶ Comparing ──every name compared──▶ Taken
//!     ▲ no answer, or the reader begins anew: asked anew
//! ```
//!
//! Invariant: nothing is marked or stated of a partition before it is read.

use std::collections::BTreeMap;

use crate::federation::Federation;
use crate::federation::reconcile::Occasion;
use crate::input::Effect;
use crate::lease::ReplicaRole;
use crate::log::ends::EndQuestion;
use crate::log::key::DataKey;
use crate::log::origin::topic_of;
use crate::log::partition::Partition;
use crate::log::record::PartitionId;
use crate::publish::OwnPartition;
use crate::time::{Millis, Mono, Now};

/// A checkpoint follows a change of its partition within this time (rule R16).
const CHECKPOINT_AFTER_CHANGE: Millis = Millis::from_secs(10);
/// What is to be read anew and was not begun is asked for again after this.
const READ_ANEW_AGAIN_AFTER: Millis = Millis::from_secs(5);
/// How far the own log was taken over since leadership began.
#[derive(Debug, Default)]
pub struct Leadership {
    partitions: BTreeMap<OwnPartition, Takeover>,
    began: Mono,
    /// Partitions of each own data topic.
    pub(super) count: u32,
}

#[derive(Debug)]
struct Takeover {
    state: TakeoverState,
    checkpoint_due: Mono,
    changed: bool,
    /// While nothing has proven what an earlier process kept: when to ask for it to be read anew.
    read_anew_at: Mono,
}

#[derive(Debug)]
enum TakeoverState {
    /// Asked where it ends.
    Reading(EndQuestion),
    /// Driven; its names are being compared with what Nacos says.
    Comparing,
    /// Driven, and compared.
    Taken,
}

impl Leadership {
    /// Whether the key's partition is driven by this process.
    #[must_use]
    pub fn has_taken(&self, key: &DataKey) -> bool {
        self.count > 0 && self.drives((topic_of(key), key.partition(self.count)))
    }

    pub(super) fn drives(&self, partition: OwnPartition) -> bool {
        let takeover = self.partitions.get(&partition);
        takeover.is_some_and(|takeover| !matches!(takeover.state, TakeoverState::Reading(_)))
    }

    /// Of what was never begun, nothing is complete.
    pub(super) fn is_complete(&self) -> bool {
        self.count > 0 && self.partitions.values().all(|takeover| matches!(takeover.state, TakeoverState::Taken))
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

    /// Each partition is to be stated now, also what did not change: at the next start that proves what was kept of it (rule R19).
    pub(super) fn want_all(&mut self, now: Mono) {
        self.partitions.values_mut().for_each(|takeover| takeover.checkpoint_due = now);
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
        self.lease.role() == ReplicaRole::Leading && self.leadership.is_complete()
    }

    /// Age of the oldest change that is not in the own log yet; zero if there is none. While the log is being taken over nobody knows what
    /// it lacks: whatever that is, nothing is published since leadership began, or was claimed.
    #[must_use]
    pub fn unpublished_age(&self, now: Mono) -> Millis {
        let queued = self.publisher.unpublished_age(now);
        match self.lease.role() {
            ReplicaRole::Claiming { since } => queued.max(now.since(since)),
            ReplicaRole::Leading if !self.leadership.is_complete() => queued.max(now.since(self.leadership.began)),
            _ => queued,
        }
    }

    /// Rule R12: read each own partition to an end asked for after the claim was read back.
    pub(super) fn leadership_began(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.publisher.reset();
        self.local.doubt_lists(now.mono);
        self.local.outlast(self.former_nacos_age());
        let Some(origin) = self.origins.get(self.cluster()) else { return };
        self.leadership = Leadership { partitions: BTreeMap::new(), began: now.mono, count: origin.log.partitions() };
        for (topic, partition, _) in origin.log.all() {
            let state = TakeoverState::Reading(EndQuestion::put(now.mono));
            let takeover = Takeover { state, checkpoint_due: now.mono, changed: false, read_anew_at: now.mono };
            self.leadership.partitions.insert((topic, partition), takeover);
            effects.push(Effect::AskEnd(self.own_partition(topic, partition)));
        }
    }

    /// What waits to be written is the successor's to write, who reads the log for itself. A leader that only lost its permission for a while
    /// keeps it, and whoever stops states its last reading by it.
    pub(super) fn leadership_ended(&mut self, effects: &mut Vec<Effect>) {
        effects.push(Effect::Purge);
        if !matches!(self.lease.role(), ReplicaRole::Leading | ReplicaRole::Stopped) {
            self.publisher.reset();
            self.leadership = Leadership::default();
        } else {
            self.publisher.purged();
        }
    }

    /// For how long the own Nacos had been silent, by the last word of whoever led before; zero if nobody says so.
    fn former_nacos_age(&self) -> Millis {
        let origin = self.origins.get(self.cluster());
        origin.and_then(|it| it.replicas.former_nacos_age(self.settings.identity.nonce)).unwrap_or(Millis(0))
    }

    /// What is due of the takeover.
    pub(super) fn take_over(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let unfinished = |takeover: &Takeover| !matches!(takeover.state, TakeoverState::Taken);
        let places: Vec<OwnPartition> =
            self.leadership.partitions.iter().filter(|(_, it)| unfinished(it)).map(|(place, _)| *place).collect();
        for place in places {
            self.take_over_read(now, place, effects);
            let compared = self.reconciling.is_done(place);
            let takeover = self.leadership.partitions.get_mut(&place);
            if let Some(takeover) = takeover.filter(|it| compared && matches!(it.state, TakeoverState::Comparing)) {
                (takeover.state, takeover.checkpoint_due) = (TakeoverState::Taken, now.mono);
            }
        }
    }

    fn take_over_read(&mut self, now: Now, place: OwnPartition, effects: &mut Vec<Effect>) {
        // A leader's checkpoints state what it has folded: they would prove nothing of what an earlier process kept. So that is read anew,
        // and asked for again as long as the reader has not begun.
        let is_unproven = |read: &Partition| read.proof().is_unproven() && !read.is_shadowed();
        let read_anew = self.own_log(place).is_some_and(is_unproven);
        let is_read = |read: &&Partition| read.reached_end() && !read.proof().is_unproven();
        let read = self.own_log(place).filter(is_read).map(|read| read.next_offset());
        let may_write = self.lease.may_write(now.mono);
        let Some(takeover) = self.leadership.partitions.get_mut(&place) else { return };
        let TakeoverState::Reading(question) = &mut takeover.state else { return };
        if read_anew && now.mono >= takeover.read_anew_at {
            takeover.read_anew_at = now.mono + READ_ANEW_AGAIN_AFTER;
            let (topic, partition) = place;
            let place = PartitionId { origin: self.settings.identity.cluster.clone(), topic, partition };
            effects.push(Effect::ReadAnew(place));
        }
        if read.is_some_and(|read| question.is_reached(read)) && may_write {
            takeover.state = TakeoverState::Comparing;
            self.reconcile(place, Occasion::TakenOver, &[]);
        } else if question.is_overdue(now.mono) {
            question.put_anew(now.mono);
            effects.push(Effect::AskEnd(self.own_partition(place.0, place.1)));
        }
    }
}
