//! What has to hold at every step, whatever goes wrong. Each check has a name; the numbers are those of the invariants:
//! 1 convergence, 2 replay-total, 3 no resurrection, 4 single writer, 5 no withdrawal on silence, 6 freshness and local answers,
//! 7 idempotent publish, 8 no echo, 9 poison delays no other, 10 leadership moves, 11 snapshots, 12 protect mode, 15 skew.

use std::collections::{BTreeMap, BTreeSet};

use federation_core::federation::OriginSnapshot;
use federation_core::freshness::Freshness;
use federation_core::id::{ClusterId, ConfigKey, InstanceId, ServiceKey};
use federation_core::input::{Effect, Input, LocalInput, LogInput, OutgoingCheckpoint, OutgoingRecord, SendId};
use federation_core::instance::Health;
use federation_core::lease::ReplicaRole;
use federation_core::log::control::{ControlKey, ControlValue, ReplicaState};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{PartitionId, Record, RecordBody};
use federation_core::service::FactSource;
use federation_core::time::Mono;

use super::broker::{control_of, places_of};
use super::late::Existence;
use super::plan::Kind;
use super::process::{Memory, Process};
use super::rules::IN_FORCE;
use super::world::Storm;
use crate::world::digest;

/// An answer of a registry may say what was true this long ago: a removal that is decided by one is honest.
pub(crate) const RACE: u64 = 6_000;
/// A send that is repeated within this time may be the second try of the first.
const REPEATED: u64 = 15_000;
/// Two replicas may both believe that they may write for as long as a permission lasts, and some turns.
const TWO_WRITERS: u64 = 3_400;
/// Facts that are called live may be older by what a beat takes on its way.
pub(crate) const BEAT_UNDER_WAY: u64 = 5_000;
const STALE_AFTER: u64 = 10_000;
/// Ten seconds, a question without an answer, and what a send takes on its way.
const CHECKPOINT_WITHIN: u64 = 20_000;
/// Three beats: for so long an answer says that a leader is silent (R9).
const SILENCE: u64 = 3_000;
/// Ten seconds, and some beats.
const HANDED_OVER_AFTER: u64 = 16_000;
/// A standby that has been warm for so long has said it in two beats in a row.
const KNOWN_AS_WARM_AFTER: u64 = 5_000;

impl Memory {
    /// What was read up to is to be read once more, beside what is written.
    pub(crate) fn begins_anew(&mut self, place: &PartitionId) {
        self.must_read.remove(place);
        self.must_read_for.retain(|_, (at, ..)| at != place);
        self.late.begins_anew(place);
    }

    /// A tombstone was handed over: from now on the key may be gone.
    pub(crate) fn note_tombstone(&mut self, now: u64, origin: &ClusterId, record: &Record) {
        if let (RecordKey::Data(key), RecordBody::Tombstone) = (&record.key, &record.body) {
            self.tombstones.insert((origin.clone(), key.clone()), now);
        }
    }
}

/// What an input of a registry is about, and what was wanted of it before.
pub(crate) enum Before {
    Service(ServiceBefore),
    Config(ConfigKey, bool),
    Nothing,
}

/// What was wanted of a service before an answer.
pub(crate) struct ServiceBefore {
    service: ServiceKey,
    ids: BTreeSet<InstanceId>,
    /// The answer is a list whose health is not true.
    protected: bool,
    /// What was missing, and since when, if the answer is a read.
    missing: BTreeMap<InstanceId, Mono>,
}

impl Storm {
    // ---- decisions ------------------------------------------------------------------------------------------------

    pub(crate) fn before(&mut self, slot: usize, input: &Input) -> Before {
        let (now, of) = (self.now, self.slots[slot].cluster);
        if let Input::Log(LogInput::SendFailed(id)) = input {
            self.note_failed(slot, *id);
        }
        let Input::Local(input) = input else { return Before::Nothing };
        let process = self.slots[slot].process.as_mut().expect("it is told something");
        if !matches!(input, LocalInput::Disconnected { .. } | LocalInput::Discovered(_)) {
            process.memory.heard = now;
            self.record.last_heard[of] = now;
        }
        let local = process.core.local();
        match input {
            LocalInput::Listed { service, .. } | LocalInput::Read { service, .. } => {
                let state = local.service(service).filter(|_| matches!(input, LocalInput::Read { .. }));
                let missing = state.into_iter().flat_map(|state| {
                    state.instances().filter_map(|(id, _, held)| Some((id.clone(), held?.since))).collect::<Vec<_>>()
                });
                Before::Service(ServiceBefore {
                    service: service.clone(),
                    ids: local.service(service).into_iter().flat_map(|state| state.ids().cloned()).collect(),
                    protected: matches!(input, LocalInput::Listed { protected: true, .. }),
                    missing: missing.collect(),
                })
            }
            LocalInput::Config { key, .. } => {
                Before::Config(key.clone(), local.config(key).is_some_and(|state| state.wanted().is_some()))
            }
            _ => Before::Nothing,
        }
    }

    pub(crate) fn after(&mut self, slot: usize, before: Before) {
        match before {
            Before::Service(ServiceBefore { service, ids, protected, missing }) => {
                let process = self.process(slot).expect("it was told something");
                let state = process.core.local().service(&service);
                let gone: Vec<InstanceId> =
                    ids.into_iter().filter(|id| state.is_none_or(|state| state.wanted(id).is_none())).collect();
                for id in gone {
                    self.check_proof(slot, &service, &id, missing.get(&id).copied());
                    self.decided(slot, DataKey::Instance(service.clone(), id));
                }
                if protected {
                    self.check_protected(slot, &service);
                }
            }
            Before::Config(key, true) => {
                let process = self.process(slot).expect("it was told something");
                if process.core.local().config(&key).is_none_or(|state| state.wanted().is_none()) {
                    self.decided(slot, DataKey::Config(key));
                }
            }
            Before::Config(_, false) | Before::Nothing => {}
        }
    }

    /// 5: what was missing before a read goes by one that was asked since, and after the list was believed.
    fn check_proof(&mut self, slot: usize, service: &ServiceKey, id: &InstanceId, missing: Option<Mono>) {
        let asked = self.process(slot).and_then(|process| process.memory.reads_asked.get(service)).copied();
        let (Some(since), Some((asked, settled))) = (missing, asked) else { return };
        if asked < since || !settled {
            self.fail("5 a removal is proven by a read that was asked late enough", || {
                format!("slot {slot}: {id:?} of {service}, missing since {since:?}, asked {asked:?}, settled {settled}")
            });
        }
    }

    /// A replica believes that something is gone from its registry: 5, at its source.
    fn decided(&mut self, slot: usize, key: DataKey) {
        let (now, of) = (self.now, self.slots[slot].cluster);
        let cluster = self.clusters[of].clone();
        self.record.decided.insert((cluster, key.clone()), now);
        let process = self.slots[slot].process.as_mut().expect("it decided");
        process.memory.decided.insert(key.clone(), now);
        // Who was paused is told what was true before: the answer waited with it.
        let slept = self.ends(Kind::Paused, slot) + RACE > now;
        if !slept && self.has_long_been(of, &key) {
            self.fail("5 no removal without proof", || format!("slot {slot} takes {key:?} for gone, and it is there"));
        }
    }

    /// Whether clients have had it registered for longer than any answer takes.
    pub(crate) fn has_long_been(&self, of: usize, key: &DataKey) -> bool {
        let registry = &self.registries[of];
        let since = match key {
            DataKey::Instance(service, id) => {
                let found = registry.of(service, id);
                // Where the account may not read, disabled cannot be told from gone.
                found.filter(|it| it.instance.enabled || registry.may_read).map(|it| it.since)
            }
            DataKey::Config(config) => registry.configs.get(config).map(|(_, since)| *since),
        };
        since.is_some_and(|since| since + RACE < self.now)
    }

    /// 12: after a list whose health is not true nobody is healthy who is long known to be ill.
    fn check_protected(&mut self, slot: usize, service: &ServiceKey) {
        let of = self.slots[slot].cluster;
        let Some(state) = self.process(slot).and_then(|process| process.core.local().service(service)) else { return };
        let ill = |id: &InstanceId| {
            let found = self.registries[of].of(service, id).and_then(|it| it.ill_since);
            found.is_some_and(|since| since + RACE < self.now)
        };
        let healthy = state.instances().filter(|(id, instance, held)| {
            held.is_none() && instance.enabled && instance.health == Health::Healthy && ill(id)
        });
        let found = healthy.map(|(id, _, _)| id.clone()).next();
        if let Some(id) = found {
            self.fail("12 protect mode is unknown", || format!("slot {slot} calls {id:?} of {service} healthy"));
        }
    }

    /// 6: the own registry's services are answered from what it says.
    pub(crate) fn check_unwatched(&mut self, slot: usize, service: &ServiceKey) {
        let registered = self.registries[self.slots[slot].cluster].services.get(service);
        let living = registered.is_some_and(|it| {
            it.values().any(|it| it.since + 2 * RACE < self.now && it.back + 2 * RACE < self.now && it.instance.enabled)
        });
        let of = self.slots[slot].cluster;
        let lied = [Kind::PartialLists, Kind::EmptyLists, Kind::OldLists, Kind::PushesLost, Kind::ReadsFail];
        let lied = lied.into_iter().any(|kind| self.ends(kind, of) + 20_000 > self.now);
        if living && !lied {
            self.fail("6 local instances are answered", || format!("slot {slot} ends its watch of {service}"));
        }
    }

    // ---- the log --------------------------------------------------------------------------------------------------

    /// What is about to be written is what the rules of writing allow.
    pub(crate) fn check_send(&mut self, slot: usize, place: &PartitionId, outgoing: &OutgoingRecord) {
        let (now, of) = (self.now, self.slots[slot].cluster);
        let shape = self.broker.shape(place);
        let process = self.slots[slot].process.as_mut().expect("it sends");
        let key = &outgoing.key;
        let logged = process.readers.get(place).and_then(|reader| reader.keys.get(key)).copied();
        let wanted =
            (outgoing.body != RecordBody::Tombstone).then(|| digest(&RecordKey::Data(key.clone()), &outgoing.body));
        let unlisted = process.memory.unlisted.contains(key);
        let repeated = process.memory.sent.insert(key.clone(), (now, outgoing.header.seq));
        let repeated = repeated.is_some_and(|(last, _)| last + REPEATED > now);
        process.memory.unlanded.insert(key.clone(), now);
        let may_write = process.core.lease().may_write(process.clocks(now).mono);
        let behind = outgoing.header.epoch.term < process.memory.met_term;
        let taken = process.memory.must_read.get(place).copied();
        let unread = taken.is_some_and(|(end, then)| !process.has_read(place, end, then, shape));
        let retried = process.memory.must_read_for.remove(key);
        let unsure = retried.is_some_and(|(place, end, then)| !process.has_read(&place, end, then, shape));
        // An own record that cannot be read is held by nobody.
        let readable = !self.record.unreadable.contains(key);
        let undecided = outgoing.body == RecordBody::Tombstone && !process.memory.decided.contains_key(key) && readable;
        self.record.sent_total += 1;
        if logged == wanted && !repeated && !unlisted {
            self.fail("7 idempotent publish", || format!("slot {slot} writes what its log has: {outgoing:?}"));
        }
        if behind {
            self.fail("4 whoever writes does so above every term that it read (R8)", || {
                format!("slot {slot} sends {:?}", outgoing.header)
            });
        }
        if !may_write {
            self.fail("4 single writer: permission (R10)", || format!("slot {slot} sends without permission"));
        }
        if unread {
            self.fail("10 a takeover reads to the end (R12)", || format!("slot {slot} writes to {place:?}"));
        }
        if unsure {
            self.fail("7 a retry reads to the end (R6)", || format!("slot {slot} sends {key:?} again"));
        }
        if undecided && self.has_long_been(of, key) {
            self.fail("5 no removal without proof", || format!("slot {slot} removes {key:?} that nobody found gone"));
        }
        if let (DataKey::Instance(_, id), false) = (key, outgoing.body == RecordBody::Tombstone) {
            let own = format!("10.{}.0.", of + 1);
            if !id.ip.starts_with(&own) {
                self.fail("8 no echo", || format!("slot {slot} writes {key:?}"));
            }
        }
    }

    /// R15 and R16: in a partition that nobody disturbs a checkpoint is the fold at its place.
    pub(crate) fn check_checkpoint(&mut self, slot: usize, place: &PartitionId, stated: OutgoingCheckpoint) {
        self.record.checkpoints += 1;
        let fold = &self.landed[place];
        let count = u64::try_from(fold.keys.len()).unwrap();
        let is_equal = (stated.checkpoint.count, stated.checkpoint.digest) == (count, fold.sum);
        let disturbed = self.record.disturbed.get(place).is_some_and(|until| *until > self.now);
        let moved = self
            .process(slot)
            .is_none_or(|process| process.memory.leads_since.is_none_or(|since| since + 20_000 > self.now));
        if !is_equal && !disturbed && !moved && !self.is_deposed(place, stated.header.epoch) {
            let (stated, sum) = (stated.checkpoint, fold.sum);
            self.fail("1 a checkpoint is what the log has (R16)", || {
                format!("{place:?}: {stated:?}, not {count} {sum}")
            });
        }
    }

    /// R16: a checkpoint follows a change within ten seconds, where nothing is in its way.
    fn check_stated(&mut self) {
        let now = self.now;
        let waits = |at: &PartitionId| {
            let (changed, stated) = self.record.changed.get(at).copied().unwrap_or_default();
            let calm = self.record.disturbed.get(at).is_none_or(|until| *until + CHECKPOINT_WITHIN < now);
            calm && stated < changed && changed + CHECKPOINT_WITHIN < now
        };
        let leads = |process: &Process| {
            let since = process.memory.leads_since.is_some_and(|since| since + CHECKPOINT_WITHIN < now);
            since && process.memory.permitted.is_some_and(|since| since + CHECKPOINT_WITHIN < now)
        };
        let led = self.running().filter(|(_, process)| leads(process)).map(|(_, process)| process.cluster.clone());
        let found = led.flat_map(|id| places_of(&id)).find(waits);
        if let Some(place) = found {
            self.fail("1 a checkpoint follows a change (R16)", || format!("{place:?}"));
        }
    }

    /// R11: a leader that has been without its registry for long has handed over, if somebody could take over.
    fn check_hand_over(&mut self) {
        let now = self.now;
        for of in 0..self.registries.len() {
            let here = self.running_of(of);
            let idle = |process: &Process| {
                let long = process.memory.leads_since.is_some_and(|since| since + HANDED_OVER_AFTER < now);
                long && process.memory.heard + HANDED_OVER_AFTER < now && process.memory.permitted.is_some()
            };
            let fit = |slot: usize, process: &Process| {
                let trouble = [Kind::Deaf, Kind::NoEnds, Kind::OldEnds, Kind::Paused, Kind::LinkDown, Kind::SlowReader];
                let free = trouble.iter().all(|kind| self.ends(*kind, slot) + HANDED_OVER_AFTER < now);
                let known = process.memory.warm_since.is_some_and(|since| since + KNOWN_AS_WARM_AFTER < now);
                free && known && process.memory.leads_since.is_none()
            };
            let kept = here.iter().any(|(_, it)| idle(it)) && here.iter().any(|(slot, it)| fit(*slot, it));
            if kept && self.ends(Kind::LogDown, 0) + HANDED_OVER_AFTER < now {
                return self.fail("10 a leader without its registry hands over (R11)", || format!("cluster {of}"));
            }
        }
    }

    /// R7 and R21: what a leader says of itself is true.
    pub(crate) fn check_control(&mut self, slot: usize, key: &ControlKey, value: Option<&ControlValue>) {
        let (ControlKey::Replica(_), Some(ControlValue::Replica(replica))) = (key, value) else { return };
        let now = self.now;
        let refused = self.ends(Kind::SendsRefused, slot) + 70_000 > now;
        let process = self.slots[slot].process.as_mut().expect("it writes");
        let silent = now - process.memory.heard;
        let stated = replica.nacos_age.map_or(u64::MAX, |age| age.0);
        let core = &process.core;
        process.memory.unlanded.retain(|key, _| core.publisher().pending(key).is_some());
        let oldest = process.memory.unlanded.values().min().map_or(0, |since| now - since);
        let unpublished = replica.unpublished_age.0;
        let counts = !refused && core.publisher().refused() == 0;
        let heard = process.memory.heard > 0;
        if heard && stated.saturating_add(1_000) < silent {
            self.fail("6 a beat tells the age of its facts (R21)", || format!("{stated} ms, silent for {silent}"));
        }
        // What is refused while others are taken does not make a cluster old.
        if counts && replica.state == ReplicaState::Leader && unpublished + 4_000 < oldest {
            self.fail("6 a beat tells the age of its facts (R21)", || format!("{unpublished} ms, waits for {oldest}"));
        }
    }

    /// R10: a process that ends in order says so.
    pub(crate) fn check_stopped(&mut self, slot: usize) {
        let stopped = self.process(slot).is_none_or(|process| process.core.role() == ReplicaRole::Stopped);
        if !stopped {
            self.fail("10 an orderly end is said (R10)", || format!("slot {slot} goes on"));
        }
    }

    // ---- leadership -----------------------------------------------------------------------------------------------

    /// How a process began to claim, and to lead.
    pub(crate) fn check_roles(&mut self, slot: usize, before: ReplicaRole, effects: &[Effect]) {
        let (now, of) = (self.now, self.slots[slot].cluster);
        let (control_end, shape) = self.control_end(of);
        let process = self.slots[slot].process.as_mut().expect("it was told something");
        let after = process.core.role();
        let claims = matches!(after, ReplicaRole::Claiming { .. });
        if claims && matches!(before, ReplicaRole::Asking(_)) {
            let place = control_of(&process.cluster);
            let asked = process.memory.control_asked;
            let read = asked.is_some_and(|(end, then, _)| process.has_read(&place, end, then, shape));
            let is_old = asked.is_some_and(|(_, _, at)| at + SILENCE <= now);
            if !read {
                self.fail("4 who claims has read to the end (R9)", || {
                    format!("slot {slot}, {asked:?} of {control_end}")
                });
            } else if is_old {
                self.fail("4 who claims has asked within three beats (R9)", || {
                    format!("slot {slot}, {asked:?}, {now}")
                });
            }
        } else if after == ReplicaRole::Stopped && before != ReplicaRole::Stopped {
            let says = |effect: &Effect| {
                matches!(effect, Effect::Control { value: Some(ControlValue::Replica(it)), .. }
                    if it.state == ReplicaState::Stopped)
            };
            if !effects.iter().any(says) {
                self.fail("10 an orderly end is said (R10)", || format!("slot {slot} ends without a word"));
            }
        }
        let process = self.slots[slot].process.as_mut().expect("it was told something");
        let warm = process.core.local().is_warm();
        process.memory.warm_since = warm.then(|| process.memory.warm_since.unwrap_or(now));
        if after == ReplicaRole::Leading && before != ReplicaRole::Leading {
            process.memory.leads_since = Some(now);
            process.memory.unlanded.clear(); // A leadership counts from its own beginning.
            self.began(slot, of, effects);
        } else if after != ReplicaRole::Leading {
            process.memory.leads_since = None;
        }
    }

    fn began(&mut self, slot: usize, of: usize, effects: &[Effect]) {
        let cluster = self.clusters[of].clone();
        for place in places_of(&cluster) {
            let end = (self.broker.end(&place), self.broker.shape(&place));
            let process = self.slots[slot].process.as_mut().expect("it leads");
            process.memory.must_read.insert(place.clone(), end);
            let knows = process.core.digests().any(|(known, _, _)| known == place);
            let asks = effects.iter().any(|effect| *effect == Effect::AskEnd(place.clone()));
            if knows && !asks {
                self.fail("10 a takeover asks for the end (R12)", || format!("slot {slot}, {place:?}"));
            }
        }
    }

    /// A process hears that a send failed: it may try again once it has read to the end as of now.
    pub(crate) fn note_failed(&mut self, slot: usize, id: SendId) {
        let process = self.slots[slot].process.as_mut().expect("it is told something");
        let Some((place, key, epoch)) = process.memory.failing.remove(&id.0) else { return };
        let is_last = process.memory.sent.get(&key).is_some_and(|(_, seq)| *seq == id.0);
        let pends = process.core.publisher().pending(&key).is_some();
        if is_last && pends && epoch == process.core.lease().epoch() {
            let end = (self.broker.end(&place), self.broker.shape(&place));
            process.memory.must_read_for.insert(key, (place, end.0, end.1));
        }
    }

    /// 4: two replicas of a cluster may write for no longer than a permission lasts.
    pub(crate) fn check_writers(&mut self) {
        let mut writers: BTreeMap<usize, u32> = BTreeMap::new();
        for slot in 0..self.slots.len() {
            let (now, awake) = (self.now, !self.is_on(Kind::Paused, slot));
            let Some(process) = self.slots[slot].process.as_mut() else { continue };
            let writes = awake && process.core.lease().may_write(process.clocks(now).mono);
            process.memory.permitted = writes.then(|| process.memory.permitted.unwrap_or(now));
            if writes {
                *writers.entry(self.slots[slot].cluster).or_default() += 1;
            }
        }
        for of in 0..self.registries.len() {
            let id = self.clusters[of].clone();
            if writers.get(&of).copied().unwrap_or(0) < 2 {
                self.record.two_writers.remove(&id);
                continue;
            }
            let since = *self.record.two_writers.entry(id.clone()).or_insert(self.now);
            if self.now > since + TWO_WRITERS {
                self.fail("4 single writer", || format!("two of {id} may write since {since} ms"));
            }
        }
    }

    // ---- views ----------------------------------------------------------------------------------------------------

    pub(crate) fn check_step(&mut self) {
        for slot in 0..self.slots.len() {
            if self.broken.is_none() && self.process(slot).is_some() && !self.is_on(Kind::Paused, slot) {
                self.check_folds(slot);
                self.check_shown(slot);
                self.check_freshness(slot);
            }
        }
        if IN_FORCE.checkpoint_follows {
            self.check_stated();
        }
        if IN_FORCE.hand_over {
            self.check_hand_over();
        }
        if self.now % 8_000 < 400 {
            for slot in &mut self.slots {
                slot.older = slot.process.as_ref().map(|process| process.core.snapshot()).or(slot.older.take());
            }
        }
    }

    /// 1: what a core has folded is what its reader was given, the last record of each key.
    fn check_folds(&mut self, slot: usize) {
        let ghost = self.clusters.last().expect("the ghost is always there");
        let Some(process) = self.process(slot) else { return };
        let differing = process.core.digests().find(|(place, count, sum)| {
            let reader = process.readers.get(place);
            let (keys, want) = reader.map_or((0, 0), |reader| (reader.keys.len(), reader.sum));
            place.origin != *ghost && (*count, *sum) != (u64::try_from(keys).unwrap(), want)
        });
        if let Some((place, count, _)) = differing {
            self.fail("1 convergence: the fold (R1)", || format!("slot {slot} has {count} of {place:?}"));
        }
    }

    /// 5: what was shown goes by a tombstone, by a proof, or not at all.
    fn check_shown(&mut self, slot: usize) {
        let now = self.now;
        let process = self.slots[slot].process.as_mut().expect("it runs");
        let changed = process.core.take_changed();
        for service in changed.services.into_keys() {
            let process = self.slots[slot].process.as_mut().expect("it runs");
            let mut shown: BTreeMap<ClusterId, BTreeSet<InstanceId>> = BTreeMap::new();
            let found = process.core.service(&service).map(|found| found.origins).unwrap_or_default();
            process.memory.told.insert(service.clone(), found.clone());
            for found in found {
                shown.insert(found.origin, found.instances.into_iter().map(|it| it.id).collect());
            }
            for of in 0..self.registries.len() {
                let origin = self.clusters[of].clone();
                let ids = shown.remove(&origin).unwrap_or_default();
                let process = self.slots[slot].process.as_mut().expect("it runs");
                let known = process.memory.shown.entry((origin.clone(), service.clone())).or_default();
                let gone: Vec<(InstanceId, u64)> =
                    known.iter().filter(|(id, _)| !ids.contains(id)).map(|(id, since)| (id.clone(), *since)).collect();
                let came: Vec<InstanceId> = ids.iter().filter(|id| !known.contains_key(*id)).cloned().collect();
                known.retain(|id, _| ids.contains(id));
                for id in ids {
                    known.entry(id).or_insert(now);
                }
                if IN_FORCE.late_writes_unseen {
                    self.check_late(slot, of, &service, (&came, Existence::Absent));
                    let gone: Vec<InstanceId> = gone.iter().map(|(id, _)| id.clone()).collect();
                    self.check_late(slot, of, &service, (&gone, Existence::Present));
                }
                for (id, since) in gone {
                    self.check_gone(slot, of, DataKey::Instance(service.clone(), id), since);
                }
            }
        }
    }

    /// 6: every cluster has a reason, and what is called live is young.
    fn check_freshness(&mut self, slot: usize) {
        let process = self.slots[slot].process.as_mut().expect("it runs");
        let now = process.clocks(self.now);
        drop(process.core.step(now, Input::Look));
        let clusters = process.core.clusters();
        if let Some(found) = clusters.iter().find(|found| found.reason.is_empty()) {
            let id = found.id.clone();
            self.fail("6 every answer has a reason", || format!("{id} at slot {slot}"));
        }
        for found in clusters.into_iter().filter(|found| found.freshness == Freshness::Live) {
            let of = self.clusters.iter().position(|id| *id == found.id).expect("all clusters are known");
            let Some(heard) = self.record.last_heard.get(of).copied() else { continue };
            let misled = self.record.misleading[of].is_some_and(|at| at + STALE_AFTER + BEAT_UNDER_WAY > self.now);
            if heard + STALE_AFTER + BEAT_UNDER_WAY < self.now && !misled && !self.is_mirrored(slot, &found.id) {
                let (id, silent) = (found.id, self.now - heard);
                self.fail("6 what is live is young (R21)", || format!("{id} at slot {slot}, silent for {silent} ms"));
            }
        }
    }

    /// 11: what was kept is shown at once.
    pub(crate) fn check_restored(&mut self, slot: usize, kept: &[OriginSnapshot]) {
        let core = &self.process(slot).expect("it was just started").core;
        let lacks = |origin: &ClusterId, key: &DataKey, body: &RecordBody| match (key, body) {
            (DataKey::Instance(service, id), RecordBody::Instance(instance)) => {
                let found = core.service(service).into_iter().flat_map(|found| found.origins);
                let mut found = found.filter(|it| it.origin == *origin && it.source == FactSource::Snapshot);
                !found.any(|it| it.instances.iter().any(|it| it.id == *id && it.instance == *instance))
            }
            (DataKey::Config(config), RecordBody::Config(item)) => {
                let found = core.config(config).into_iter().flat_map(|found| found.items);
                !found.filter(|it| it.origin == *origin).any(|it| it.item == *item)
            }
            _ => false,
        };
        let mut facts = kept.iter().flat_map(|origin| origin.facts.iter().map(|fact| (&origin.origin, fact)));
        let missing = facts.find(|(origin, fact)| lacks(origin, &fact.key, &fact.body));
        if let Some((origin, fact)) = missing {
            let key = &fact.key;
            let text = format!("slot {slot} does not show {key:?} of {origin}");
            self.fail("11 a snapshot is shown at once", || text);
        }
    }
}
