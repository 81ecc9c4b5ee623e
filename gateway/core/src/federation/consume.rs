//! News of the log: members, records, ends, and what they mean for the origin that they are of.

use crate::cause::{ChangeCause, ChangeThrough};
use crate::federation::reconcile::Occasion;
use crate::federation::stated::Described;
use crate::federation::{Federation, Origin};
use crate::id::ClusterId;
use crate::input::{Effect, LogInput, SendId};
use crate::lease::ReplicaRole;
use crate::local::observation::ListDoubt;
use crate::log::census::CensusRun;
use crate::log::control::{ControlKey, ControlValue, Descriptor};
use crate::log::cursor::LogSource;
use crate::log::key::{DataKey, RecordKey};
use crate::log::partition::{AppliedRecord, Partition};
use crate::log::record::{ControlRecord, PartitionId, Record, RecordBody, TopicKind};
use crate::publish::{DeliveryFailure, OwnPartition, ReadBack};
use crate::time::{Mono, Now};

impl Federation {
    pub(super) fn step_log(&mut self, now: Now, input: LogInput, effects: &mut Vec<Effect>) {
        if matches!(input, LogInput::Records { .. } | LogInput::Control { .. } | LogInput::AtEnd { .. }) {
            self.log_trouble = None; // Only what comes shows that the log can be read: another client's answers do not.
        }
        match input {
            LogInput::Members(members) => self.add_members(now, members),
            LogInput::Records { partition, records } => self.fold(now, &partition, records, effects),
            LogInput::Control { origin, records } => self.read_control(now, &origin, records, effects),
            LogInput::AtEnd { partition, next_offset } => self.at_end(now, &partition, next_offset, effects),
            LogInput::EndOffset { partition, end } => self.end_offset(now, &partition, end, now.mono, effects),
            LogInput::EndAnswer { partition, end, asked } => self.end_offset(now, &partition, end, asked, effects),
            LogInput::Restarted(partition) => {
                self.restarted(now, &partition, Partition::restart);
                if partition.origin == *self.cluster() && partition.topic != TopicKind::Control {
                    self.censuses.lost_place((partition.topic, partition.partition));
                }
            }
            LogInput::ReadAnew(partition) => self.restarted(now, &partition, Partition::read_anew),
            LogInput::ReadsOn { partition, next_offset } => self.reads_on(now, &partition, next_offset, effects),
            LogInput::Source { partition, source } => self.note_source(&partition, source),
            LogInput::SendFailed(id) => self.send_failed(now, id, DeliveryFailure::Unsure, effects),
            LogInput::SendRefused(id) => self.send_failed(now, id, DeliveryFailure::Refused, effects),
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
            let seed = self.settings.seed;
            let origin = self.origins.entry(id.clone()).or_insert_with(|| Origin::new(0, seed));
            origin.member.get_or_insert(now.mono);
            origin.topics = partitions.min(self.bounds.partitions);
            self.fit_partitions(&id);
        }
    }

    fn send_failed(&mut self, now: Now, id: SendId, failure: DeliveryFailure, effects: &mut Vec<Effect>) {
        if let Some((topic, partition)) = self.publisher.failed(now.mono, id, failure) {
            effects.push(Effect::AskEnd(self.own_partition(topic, partition)));
        }
    }

    fn fold(&mut self, now: Now, place: &PartitionId, mut records: Vec<Record>, effects: &mut Vec<Effect>) {
        let own = place.origin == *self.cluster();
        let mut rest = records.as_mut_slice();
        while !rest.is_empty() {
            let censuses = CensusRun::length(rest);
            let (here, further) = rest.split_at_mut(censuses.max(1));
            match here {
                [record] if censuses == 0 => self.fold_one(now, place, record, effects),
                run => self.fold_censuses(now, place, run, effects),
            }
            rest = further;
        }
        if own {
            self.settle_sends(now, place, effects);
        }
    }

    fn fold_one(&mut self, now: Now, place: &PartitionId, record: &mut Record, effects: &mut Vec<Effect>) {
        let own = place.origin == *self.cluster();
        self.changed.because(ChangeCause::of_record(ChangeThrough::Log, place, record.offset));
        let Some(origin) = self.origins.get_mut(&place.origin) else { return };
        let Some(applied) = origin.fold(now, place, record, own, &self.bounds) else { return };
        origin.counts.read += 1;
        self.take_in(now, place, applied);
        if own {
            self.read_back(now, place, record, effects);
        }
        if record.key == RecordKey::Checkpoint {
            self.order_repair(now, place, effects);
        }
    }

    fn fold_censuses(&mut self, now: Now, place: &PartitionId, run: &mut [Record], effects: &mut Vec<Effect>) {
        if let Some(origin) = self.origins.get_mut(&place.origin) {
            origin.counts.read += run.len() as u64;
        }
        if let Some(last) = run.last() {
            self.changed.because(ChangeCause::of_record(ChangeThrough::Census, place, last.offset));
        }
        if place.origin == *self.cluster() {
            run.iter().for_each(|record| self.meet_term(now, record, effects));
            return self.read_back_censuses(now, place, run);
        }
        let Some(origin) = self.origins.get_mut(&place.origin) else { return };
        for applied in origin.fold_censuses(now, place, run) {
            self.take_in(now, place, applied);
        }
    }

    /// Shows what a record did, or sees to it that it is shown later.
    fn take_in(&mut self, now: Now, place: &PartitionId, applied: AppliedRecord) {
        if matches!(applied, AppliedRecord::Late(_)) {
            self.late.note(now.mono, place);
        }
        self.note_applied(now, &place.origin, applied);
    }

    /// Rule R17: what is proven not to be everything is read anew.
    fn order_repair(&mut self, now: Now, place: &PartitionId, effects: &mut Vec<Effect>) {
        let partition =
            self.origins.get_mut(&place.origin).and_then(|it| it.log.partition_mut(place.topic, place.partition));
        if partition.is_some_and(|partition| partition.takes_repair(now.mono)) {
            effects.push(Effect::ReadAnew(place.clone()));
        }
    }

    fn note_applied(&mut self, now: Now, origin: &ClusterId, applied: AppliedRecord) {
        match applied {
            AppliedRecord::Changed(key) => self.note_change(now, origin, &key),
            AppliedRecord::Replaced(keys) => {
                self.changed.because(ChangeThrough::Repair);
                self.note_snapshot_change(); // Also where no value differs: now there is a place to read on from.
                keys.iter().for_each(|key| self.note_change(now, origin, key));
            }
            AppliedRecord::Undecodable(key) | AppliedRecord::Late(key) => {
                self.note_snapshot_change();
                self.recount(origin, &key);
            }
            AppliedRecord::Unchanged | AppliedRecord::Held | AppliedRecord::NotAFact => {}
        }
    }

    pub(super) fn note_change(&mut self, now: Now, origin: &ClusterId, key: &DataKey) {
        self.note_snapshot_change();
        if !self.is_shown_from_nacos(origin, key) {
            self.changed.note(key);
        }
        self.hear_health(now, origin, key);
        self.recount(origin, key);
    }

    fn read_back(&mut self, now: Now, place: &PartitionId, record: &Record, effects: &mut Vec<Effect>) {
        self.meet_term(now, record, effects);
        match &record.key {
            RecordKey::Data(key) => {
                self.censuses.written((place.topic, place.partition), key);
                self.read_back_fact(now, (place.topic, place.partition), key, record, effects);
            }
            RecordKey::Checkpoint => {
                if let Some(header) = record.header.filter(|header| header.epoch == self.lease.epoch()) {
                    self.publisher.took((place.topic, place.partition), SendId(header.seq));
                }
                self.read_back_checkpoint(now, place, record);
            }
            RecordKey::Census(_) | RecordKey::Other | RecordKey::Malformed => {}
        }
    }

    fn meet_term(&mut self, now: Now, record: &Record, effects: &mut Vec<Effect>) {
        if let Some(header) = record.header {
            let mut wishes = Vec::new();
            self.lease.met_term(now.mono, header.epoch.term, &mut wishes);
            self.fulfil(now, wishes, effects);
        }
    }

    fn read_back_fact(
        &mut self,
        now: Now,
        place: OwnPartition,
        key: &DataKey,
        record: &Record,
        effects: &mut Vec<Effect>,
    ) {
        let ours = self.publisher.read_back(place, key, record.header, self.lease.epoch());
        match (key, &record.body) {
            (_, RecordBody::Tombstone) => {
                if let DataKey::Instance(service, id) = key {
                    self.local.forget_proof(service, id);
                }
                self.leader_let_go(now, key);
            }
            (DataKey::Instance(service, id), RecordBody::Instance(_)) => self.leader_has(now, service, id),
            _ => {}
        }
        if self.publisher.pending(key).is_some() || !self.own_partition_is_read(key) {
            return;
        }
        match ours {
            ReadBack::Latest => self.consider(now, key.clone()),
            ReadBack::Other => {
                // Somebody else's word: what it adds and Nacos lacks is a removal like any other. So is a late word of this process about a
                // service that it has given up since.
                let foreign = record.header.is_none_or(|header| header.epoch != self.lease.epoch());
                if foreign || self.is_unknown(key) {
                    self.compare(now, &key.subject(), ListDoubt::ThisInstance, effects);
                }
                self.consider_overwritten(now, key.clone());
            }
        }
    }

    pub(super) fn own_partition_is_read(&self, key: &DataKey) -> bool {
        let own = self.origins.get(self.cluster());
        own.and_then(|origin| origin.log.holder(key)).is_some_and(|partition| partition.reached_end())
    }

    fn read_control(&mut self, now: Now, id: &ClusterId, records: Vec<ControlRecord>, effects: &mut Vec<Effect>) {
        let own = *id == *self.cluster();
        let (mut wishes, mut described, mut drains_changed, mut guard_changed) = (Vec::new(), None, false, false);
        for mut record in records {
            let Some(origin) = self.origins.get_mut(id) else { return };
            origin.judge_control(&mut record, &self.bounds);
            origin.pulse.read_up_to(now.mono, record.offset.saturating_add(1));
            match (record.key, record.value) {
                (ControlKey::Replica(nonce), Some(ControlValue::Replica(replica))) => {
                    origin.replicas.read(now.mono, nonce, Some(&replica));
                    origin.pulse.read(now.mono, nonce, &replica, record.header.map(|header| header.observed));
                    if own {
                        self.lease.read(now.mono, record.offset, nonce, Some(&replica), &mut wishes);
                        self.heard_replica(now.mono, nonce, Some(&replica));
                        if let Some(header) = record.header {
                            self.clock.heard(now.mono, nonce, header.observed);
                        }
                        self.replica_spoke(now, nonce, &replica);
                    }
                }
                (ControlKey::Replica(nonce), None) => {
                    origin.replicas.read(now.mono, nonce, None);
                    if own {
                        self.lease.read(now.mono, record.offset, nonce, None, &mut wishes);
                        self.heard_replica(now.mono, nonce, None);
                    }
                }
                (ControlKey::Descriptor, Some(ControlValue::Descriptor(descriptor))) => described = Some(descriptor),
                (ControlKey::Guard(target), value) => {
                    guard_changed |= self.read_guard(now, id, &target, value.as_ref(), record.signed);
                }
                (ControlKey::Drain(target), value) => {
                    drains_changed |= self.read_drain(now, id, &target, value.as_ref(), (record.header, record.signed));
                }
                _ => {}
            }
        }
        if let Some(descriptor) = described {
            self.described(now, id, descriptor); // Of many in one batch the last counts: each may move all that is known.
        }
        if drains_changed {
            self.note_snapshot_change();
            self.choose_intents();
        }
        if guard_changed {
            self.choose_guard();
        }
        self.fulfil(now, wishes, effects);
    }

    /// A cluster that moved is shown anew wherever it is shown.
    fn described(&mut self, now: Now, id: &ClusterId, descriptor: Descriptor) {
        if id == self.cluster() {
            self.described_in_log.as_configured = descriptor == self.settings.descriptor;
            self.own_described(&descriptor);
        }
        let revision = self.next_revision();
        let Some(origin) = self.origins.get_mut(id) else { return };
        if origin.descriptor.as_ref() != Some(&descriptor) {
            origin.descriptor = Some(descriptor);
            origin.freshness_revision = revision;
            self.note_snapshot_change();
            self.refit_partitions(now, id);
        }
    }

    fn at_end(&mut self, now: Now, place: &PartitionId, next_offset: u64, effects: &mut Vec<Effect>) {
        let own = place.origin == *self.cluster();
        let known = (place.topic == TopicKind::Control).then(|| self.known_before(&place.origin)).flatten();
        let Some(origin) = self.origins.get_mut(&place.origin) else { return };
        if place.topic == TopicKind::Control {
            origin.pulse.at_end(now.mono, next_offset);
            let (intents, guard) = (origin.intents.at_end(), origin.guard.at_end());
            if intents {
                self.note_snapshot_change();
                self.choose_intents();
            }
            if guard {
                self.choose_guard();
            }
            if let Some(known) = known {
                self.hear_difference(now, &place.origin, &known);
            }
            if own {
                self.described_in_log.read = true;
                self.own_control_is_read();
                self.lease.at_end(now.mono, next_offset);
            }
            return;
        }
        let newest = origin.pulse.newest_beat();
        let reached = origin.change(place, |partition| {
            let (was_read, resumed) =
                (partition.reached_end(), !partition.is_shadowed() && partition.serves_snapshot());
            let had_place = partition.place(place.topic, place.partition).is_some();
            let applied = partition.at_end(next_offset);
            // The own log is driven to what the own Nacos says: it needs no proof by itself, and none speaks against it.
            let replaced = own && partition.is_shadowed() && partition.reached_end();
            let applied = if replaced { AppliedRecord::Replaced(partition.replace()) } else { applied };
            partition.was_at_end(now, newest);
            let has_place = partition.place(place.topic, place.partition).is_some();
            (was_read, resumed.then(|| partition.served().keys()), has_place && !had_place, applied)
        });
        let Some((was_read, resumed, gained_place, applied)) = reached else { return };
        let replaced = if let AppliedRecord::Replaced(keys) = &applied { keys.clone() } else { Vec::new() };
        origin.counts.replaced += u64::from(matches!(applied, AppliedRecord::Replaced(_)));
        if gained_place {
            self.note_snapshot_change();
        }
        self.note_applied(now, &place.origin, applied);
        for key in resumed.iter().flatten() {
            self.changed.note(key); // It is of the log from here on, and is shown so.
        }
        self.order_repair(now, place, effects);
        if own {
            self.settle_sends(now, place, effects);
            if !was_read {
                self.censuses.was_read(now.mono, (place.topic, place.partition), &self.settings.census);
                self.note_lost(&replaced);
                self.reconcile((place.topic, place.partition), Occasion::Read, &replaced);
            }
        }
    }

    /// The own log was read anew, and shows something else of these keys: what a leader finds gone is restated before anything is proven.
    fn note_lost(&mut self, replaced: &[DataKey]) {
        let own = self.origins.get(self.cluster());
        let Some(own) = own.filter(|_| self.lease.role() == ReplicaRole::Leading) else { return };
        self.publisher.lost(replaced.iter().filter(|key| own.log.image(key).is_none()).cloned());
    }

    fn end_offset(&mut self, now: Now, place: &PartitionId, end: u64, asked: Mono, effects: &mut Vec<Effect>) {
        let own = place.origin == *self.cluster();
        let Some(origin) = self.origins.get_mut(&place.origin) else { return };
        if place.topic == TopicKind::Control {
            origin.pulse.end_told(now.mono, end);
            if own {
                self.lease.end_offset(end, asked);
            }
            return;
        }
        if let Some(partition) = origin.log.partition_mut(place.topic, place.partition) {
            partition.end_told(now.mono, end);
        }
        if own {
            let at = (place.topic, place.partition);
            self.leadership.end_offset(at, end, asked);
            self.publisher.end_offset(at, end, asked);
            self.settle_sends(now, place, effects);
        }
    }

    fn restarted(&mut self, now: Now, place: &PartitionId, begin: impl FnOnce(&mut Partition)) {
        if *place == self.own_control() {
            self.lease.restarted(now.mono);
            self.described_in_log = Described::default();
            self.own_control_restarted();
        } else if place.origin == *self.cluster() {
            self.leadership.restarted(now.mono, (place.topic, place.partition));
            self.publisher.restarted(now.mono, (place.topic, place.partition));
            self.censuses.restarted((place.topic, place.partition));
        }
        let Some(origin) = self.origins.get_mut(&place.origin) else { return };
        if place.topic == TopicKind::Control {
            origin.intents.restart();
            origin.guard.restart();
            origin.pulse.restart();
        }
        if origin.change(place, begin).is_some() {
            origin.passed_over.begins_anew(place);
            origin.counts.restarted += 1;
        }
    }

    /// Rule R19: what was kept is the log up to here, and what follows on it comes next.
    fn reads_on(&mut self, now: Now, place: &PartitionId, next_offset: u64, effects: &mut Vec<Effect>) {
        let own = place.origin == *self.cluster();
        let Some(origin) = self.origins.get_mut(&place.origin) else { return };
        let read_on = origin.change(place, |partition| (partition.read_on(next_offset), partition.highest_term()));
        let Some((read_on, term)) = read_on else { return };
        if !read_on {
            // It was kept over other partitions, or never: what is handed over from there on is not all.
            effects.push(Effect::ReadAnew(place.clone()));
            return;
        }
        origin.counts.read_on += 1;
        if own {
            let mut wishes = Vec::new();
            self.lease.met_term(now.mono, term, &mut wishes);
            self.fulfil(now, wishes, effects);
        }
    }

    fn note_source(&mut self, place: &PartitionId, source: LogSource) {
        let Some(origin) = self.origins.get_mut(&place.origin) else { return };
        let gained = origin.change(place, |partition| {
            let had_place = partition.place(place.topic, place.partition).is_some();
            partition.note_source(source);
            !had_place && partition.place(place.topic, place.partition).is_some()
        });
        if gained == Some(true) {
            self.note_snapshot_change();
        }
    }

    /// How far an own partition was read decides about sends of unknown outcome.
    fn settle_sends(&mut self, now: Now, place: &PartitionId, effects: &mut Vec<Effect>) {
        let Some(next_offset) = self.own_next_offset(place.topic, place.partition) else { return };
        let (again, ask) = self.publisher.settle(now.mono, (place.topic, place.partition), next_offset);
        for (key, until) in again {
            if self.differs(&key) {
                self.publisher.retry(&key, until);
            } else {
                self.publisher.clear(&key);
            }
        }
        if ask {
            effects.push(Effect::AskEnd(place.clone()));
        }
    }

    fn own_next_offset(&self, topic: TopicKind, partition: u32) -> Option<u64> {
        Some(self.origins.get(self.cluster())?.log.partition(topic, partition)?.next_offset())
    }
}
