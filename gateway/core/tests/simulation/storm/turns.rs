//! What a process is told in its turn, by its registry and by the log, and what becomes of what it wants.

use federation_core::id::{ConfigKey, ServiceKey};
use federation_core::input::{ConfigReading, Effect, Input, LocalInput, LogInput, ServiceReading};
use federation_core::instance::Health;
use federation_core::local::service::LocalService;
use federation_core::log::control::ControlValue;
use federation_core::log::cursor::{FoundLog, LogSource};
use federation_core::log::record::{PartitionId, TopicKind};
use federation_core::time::Mono;
use xxhash_rust::xxh3::xxh3_128;

use super::broker::control_of;
use super::plan::Kind;
use super::process::Reader;
use super::registry::{Lie, Listing};
use super::rules::IN_FORCE;
use super::world::{NAMESPACES, Storm, TURN, configs};
use crate::world::PARTITIONS;

/// Catalogs come this often.
const CATALOG_EVERY: u64 = 3_000;
const MEMBERS_EVERY: u64 = 5_000;
const ENDS_EVERY: u64 = 2_000;
/// A reader at an end that does not move says so this often.
const END_EVERY: u64 = 1_000;

impl Storm {
    /// Hands an input to a core and carries out what it wants.
    pub(crate) fn tell(&mut self, slot: usize, input: Input) {
        if self.broken.is_some() {
            return;
        }
        let watched = self.before(slot, &input);
        let process = self.slots[slot].process.as_mut().expect("it runs");
        let role = process.core.role();
        let now = process.clocks(self.now);
        let effects = process.core.step(now, input);
        self.check_roles(slot, role, &effects);
        self.after(slot, watched);
        for effect in effects {
            if self.manner.digested || self.manner.told {
                self.note_effect(slot, &effect);
            }
            if let Some(effect) = self.act_on_log(slot, effect) {
                self.act_on_registry(slot, effect);
            }
        }
    }

    /// What is the same whatever a wall clock says.
    fn note_effect(&mut self, slot: usize, effect: &Effect) {
        let mut masked = effect.clone();
        match &mut masked {
            Effect::Send(outgoing) => outgoing.header.observed.0 = 0,
            Effect::Checkpoint { stated, .. } => stated.header.observed.0 = 0,
            Effect::Census { stated, .. } => stated.header.observed.0 = 0,
            Effect::Control { header, value, .. } => {
                header.observed.0 = 0;
                if let Some(ControlValue::Guard(entry)) = value {
                    (entry.since.0, entry.when.0) = (0, 0);
                }
            }
            Effect::GuardAnswer { outcome: Ok(taken), .. } => (taken.entry.since.0, taken.entry.when.0) = (0, 0),
            _ => {}
        }
        let line = format!("{:>9} {}/{slot}: {masked:?}", self.now, self.clusters[self.slots[slot].cluster]);
        self.effects = xxh3_128(format!("{:x}{line}", self.effects).as_bytes());
        if self.manner.told {
            println!("{line}");
        }
    }

    // ---- the registry ---------------------------------------------------------------------------------------------

    pub(crate) fn turn_registry(&mut self, slot: usize) {
        let of = self.slots[slot].cluster;
        let is_up = self.registries[of].up <= self.now && !self.is_on(Kind::NacosCut, slot);
        let now = self.now;
        let process = self.slots[slot].process.as_mut().expect("it runs");
        if !is_up {
            return;
        }
        if !process.connected && now >= process.connects_at {
            self.connect(slot);
        }
        let process = self.slots[slot].process.as_mut().expect("it runs");
        if process.connected && now >= process.catalog_due {
            process.catalog_due = now + CATALOG_EVERY;
            process.expect(now + 50, Input::Local(LocalInput::Heard));
            self.tell_catalogs(slot);
        }
    }

    fn connect(&mut self, slot: usize) {
        let now = self.now;
        let process = self.slots[slot].process.as_mut().expect("it runs");
        (process.connected, process.connection) = (true, process.connection + 1);
        (process.push_free, process.catalog_due) = (now, now);
        self.tell(slot, Input::Local(LocalInput::Connected));
        let Some(process) = self.process(slot) else { return };
        for key in process.watched.clone() {
            self.push(slot, &key);
        }
        let mut dice = self.dice(0xc0f ^ u64::try_from(slot).unwrap());
        for key in configs() {
            self.answer_config(slot, &key, 100 + dice.roll(700));
        }
        let process = self.slots[slot].process.as_mut().expect("it runs");
        let last = (now + 1_200).max(process.push_free);
        process.push_free = last;
        process.expect(last, Input::Local(LocalInput::Answered));
    }

    /// The connection of a replica breaks.
    pub(crate) fn disconnect(&mut self, slot: usize, again_at: u64) {
        let Some(process) = self.slots[slot].process.as_mut() else { return };
        process.connects_at = again_at;
        if std::mem::replace(&mut process.connected, false) {
            self.tell(slot, Input::Local(LocalInput::Disconnected { reason: "cut".into() }));
        }
    }

    fn tell_catalogs(&mut self, slot: usize) {
        let of = self.slots[slot].cluster;
        let mut dice = self.dice(0xca7 ^ u64::try_from(slot).unwrap());
        let lies = self.is_on(Kind::LyingCatalog, of);
        for namespace in NAMESPACES {
            let mut services = self.registries[of].names(self.now, namespace);
            if lies {
                services.retain(|_| dice.one_in(3));
            }
            let due = self.now + 50 + dice.roll(200);
            let process = self.slots[slot].process.as_mut().expect("it runs");
            process.expect(due, Input::Local(LocalInput::Catalog { namespace: namespace.into(), services }));
        }
    }

    /// The list of a service is on its way to a replica.
    pub(crate) fn push(&mut self, slot: usize, key: &ServiceKey) {
        let of = self.slots[slot].cluster;
        let Some(process) = self.process(slot).filter(|it| it.connected && it.watched.contains(key)) else { return };
        let mut dice = self.dice(0x9054 ^ (process.push_free << 4) ^ u64::try_from(slot).unwrap());
        let mut instances = self.registries[of].list(self.now, key, self.lie(of), &mut dice);
        let protected = self.is_on(Kind::ProtectedLists, of);
        if protected {
            instances.iter_mut().for_each(|(_, instance)| instance.health = Health::Healthy);
        }
        let due = self.now + 20 + dice.roll(180);
        let process = self.slots[slot].process.as_mut().expect("it was just found");
        process.push_free = due.max(process.push_free);
        let due = process.push_free;
        process.expect(due, Input::Local(LocalInput::Listed { service: key.clone(), instances, protected }));
    }

    /// Something of a service changed: whoever watches it is told, unless the push gets lost.
    pub(crate) fn push_to_all(&mut self, of: usize, key: &ServiceKey) {
        let mut dice = self.dice(0x1057);
        for slot in self.slots_of(of) {
            if !(self.is_on(Kind::PushesLost, of) && dice.one_in(2)) {
                self.push(slot, key);
            }
        }
    }

    pub(crate) fn slots_of(&self, of: usize) -> Vec<usize> {
        (0..self.slots.len()).filter(|slot| self.slots[*slot].cluster == of).collect()
    }

    /// Clients that come back to a restarted registry are in its lists from then on.
    pub(crate) fn tell_of_returns(&mut self) {
        let now = self.now;
        let came = |back: u64| back + TURN > now && back <= now;
        for of in 0..self.registries.len() {
            let services = &self.registries[of].services;
            let back = services.iter().filter(|(_, it)| it.values().any(|it| came(it.back)));
            for key in back.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
                self.push_to_all(of, &key);
            }
            if came(self.registries[of].loaded) {
                for slot in self.slots_of(of) {
                    configs().iter().for_each(|key| self.answer_config(slot, key, 100));
                }
            }
        }
    }

    /// What a registry says of a config item is on its way.
    pub(crate) fn answer_config(&mut self, slot: usize, key: &ConfigKey, after: u64) {
        let registry = &self.registries[self.slots[slot].cluster];
        let found = registry.configs.get(key).filter(|_| registry.loaded <= self.now);
        let reading = found.map_or(ConfigReading::Absent, |(item, _)| ConfigReading::Item(item.clone()));
        let due = self.now + after;
        if let Some(process) = self.slots[slot].process.as_mut().filter(|it| it.connected) {
            process.push_free = due.max(process.push_free); // An older answer does not come after a newer one.
            let due = process.push_free;
            process.expect(due, Input::Local(LocalInput::Config { key: key.clone(), reading }));
        }
    }

    fn answer_read(&mut self, slot: usize, service: ServiceKey) {
        let of = self.slots[slot].cluster;
        let mut dice = self.dice(0x4ead ^ u64::try_from(slot).unwrap());
        let fails = self.is_on(Kind::ReadsFail, of);
        if fails && dice.one_in(2) {
            return; // No answer at all.
        }
        let registry = &self.registries[of];
        let protected = self.is_on(Kind::ProtectedLists, of);
        let reading = match () {
            () if fails => ServiceReading::Failed,
            () if IN_FORCE.guard && self.is_on(Kind::EmptyLists, of) => ServiceReading::All(Vec::new()),
            () if registry.may_read => ServiceReading::All(registry.all(self.now, &service)),
            () => {
                let mut instances: Listing = registry.list(self.now, &service, Lie::None, &mut dice);
                if protected {
                    instances.iter_mut().for_each(|(_, instance)| instance.health = Health::Healthy);
                }
                ServiceReading::EnabledOnly { instances, protected }
            }
        };
        let slow = if self.is_on(Kind::ReadsOld, of) { 1_000 + dice.roll(2_000) } else { 30 + dice.roll(300) };
        let due = self.now + slow;
        let process = self.slots[slot].process.as_mut().expect("it asked");
        process.expect(due, Input::Local(LocalInput::Read { service, reading }));
    }

    fn act_on_registry(&mut self, slot: usize, effect: Effect) {
        let process = self.slots[slot].process.as_mut().expect("it wants it");
        let connected = process.connected;
        match effect {
            Effect::WatchService(key) => {
                process.watched.insert(key.clone());
                self.push(slot, &key);
            }
            Effect::UnwatchService(key) => {
                process.watched.remove(&key);
                self.check_unwatched(slot, &key);
            }
            Effect::QueryService(key) => self.push(slot, &key),
            Effect::ReadService(key) => {
                let settled = process.core.local().service(&key).is_some_and(LocalService::is_settled);
                process.memory.reads_asked.insert(key.clone(), (process.clocks(self.now).mono, settled));
                if connected {
                    self.answer_read(slot, key);
                }
            }
            Effect::ReadConfig(key) if connected => {
                let of = self.slots[slot].cluster;
                let mut dice = self.dice(0xcf9 ^ u64::try_from(slot).unwrap());
                if !self.is_on(Kind::ReadsFail, of) {
                    self.answer_config(slot, &key, 30 + dice.roll(300));
                } else if dice.one_in(2) {
                    let reading = ConfigReading::Failed;
                    let due = self.now + 100;
                    let process = self.slots[slot].process.as_mut().expect("it asked");
                    process.expect(due, Input::Local(LocalInput::Config { key, reading }));
                }
            }
            _ => {}
        }
    }

    // ---- the log --------------------------------------------------------------------------------------------------

    pub(crate) fn turn_log(&mut self, slot: usize) {
        let now = self.now;
        let linked = self.is_linked(slot);
        let members = self.clusters.iter().map(|id| (id.clone(), PARTITIONS)).collect();
        let process = self.slots[slot].process.as_mut().expect("it runs");
        if !linked {
            if now >= process.unreachable_due {
                process.unreachable_due = now + MEMBERS_EVERY;
                self.tell(slot, Input::Log(LogInput::Unreachable { reason: "away".into() }));
            }
            return;
        }
        if now >= process.members_due {
            process.members_due = now + MEMBERS_EVERY;
            self.tell(slot, Input::Log(LogInput::Members(members)));
        }
        let mut dice = self.dice(0x4ead_0106 ^ u64::try_from(slot).unwrap());
        let one_in = if self.is_on(Kind::SlowReader, slot) { 2 } else { 6 };
        for place in self.all_places() {
            let late = !self.calm && dice.one_in(one_in);
            if !late && !self.is_on(Kind::Deaf, slot) && self.broken.is_none() {
                let most = if self.is_on(Kind::SlowReader, slot) { 1 + dice.roll(8) } else { u64::MAX };
                self.hand_over(slot, &place, usize::try_from(most).unwrap());
            }
        }
        let process = self.slots[slot].process.as_mut().expect("it runs");
        if now >= process.ends_due {
            process.ends_due = now + ENDS_EVERY;
            for id in self.clusters.clone() {
                self.answer_end(slot, &control_of(&id));
            }
        }
    }

    /// Gives a reader what is new of a partition.
    fn hand_over(&mut self, slot: usize, place: &PartitionId, most: usize) {
        let mirrored = self.is_mirrored(slot, &place.origin);
        let broker =
            if mirrored { self.broker.mirrored.as_deref().expect("the mirror is always there") } else { &self.broker };
        let ((life, cuts), end) = (broker.shape(place), broker.end(place));
        let is_control = place.topic == TopicKind::Control;
        let now = self.now;
        let process = self.slots[slot].process.as_mut().expect("it runs");
        let kafka = if mirrored { "mirror" } else { "direct" };
        let source = LogSource { kafka: kafka.into(), topic: Some(life.to_string().into()), begin: 0 };
        if !process.readers.contains_key(place) {
            // That it was truncated and has grown again, nobody tells: the next checkpoint does.
            let LogSource { kafka, topic, begin } = source.clone();
            let found = FoundLog { kafka: Some(kafka), topic, begin, end, retention: None };
            if let Some(next_offset) = process.resume(place, &found, (life, cuts)) {
                return self.tell(slot, Input::Log(LogInput::ReadsOn { partition: place.clone(), next_offset }));
            }
        }
        let reader = process.readers.entry(place.clone()).or_default();
        let was_cut = |reader: &Reader| {
            if is_control {
                broker.control[&place.origin].was_cut_below(reader.cursor, reader.cuts)
            } else {
                broker.data[place].was_cut_below(reader.cursor, reader.cuts)
            }
        };
        if !reader.began {
            *reader = Reader { life, cuts, began: true, ..Reader::default() };
        } else if reader.life != life || was_cut(reader) {
            *reader = Reader { life, cuts, began: true, ..Reader::default() };
            process.memory.begins_anew(place);
            return self.tell(slot, Input::Log(LogInput::Restarted(place.clone())));
        }
        if std::mem::take(&mut reader.anew) {
            *reader = Reader { life, cuts, began: true, ..Reader::default() };
            process.memory.begins_anew(place);
            return self.tell(slot, Input::Log(LogInput::ReadAnew(place.clone())));
        }
        reader.cuts = cuts;
        if reader.cursor == end && now < reader.said_end + END_EVERY {
            return;
        }
        let (input, given, last) = if is_control {
            let records = broker.control[&place.origin].from(reader.cursor, most);
            let (given, last) = (records.len(), records.last().map(|record| record.offset + 1));
            (LogInput::Control { origin: place.origin.clone(), records }, given, last)
        } else {
            let records = broker.data[place].from(reader.cursor, most);
            for record in &records {
                if place.origin == process.cluster {
                    process.memory.note_term(record);
                }
                process.memory.late.meet(now, place, record, reader);
                if place.origin == process.cluster {
                    process.memory.meet_own(record, reader);
                } else {
                    process.memory.note_census(now, &place.origin, record, reader);
                    reader.fold(record);
                }
                process.memory.note_tombstone(now, &place.origin, record);
            }
            let (given, last) = (records.len(), records.last().map(|record| record.offset + 1));
            (LogInput::Records { partition: place.clone(), records }, given, last)
        };
        reader.cursor = last.filter(|_| given == most).unwrap_or(end);
        let tells_source = !is_control && !std::mem::replace(&mut reader.told_source, true);
        let at_end = reader.cursor == end;
        if at_end {
            reader.said_end = now;
            process.memory.late.at_end(place);
        }
        if given > 0 {
            self.tell(slot, Input::Log(input));
        }
        if tells_source && self.broken.is_none() {
            self.tell(slot, Input::Log(LogInput::Source { partition: place.clone(), source }));
        }
        if at_end && self.broken.is_none() {
            self.tell(slot, Input::Log(LogInput::AtEnd { partition: place.clone(), next_offset: end }));
        }
    }

    /// A partition is to be read from its beginning: at the reader's next turn.
    pub(crate) fn read_anew(&mut self, slot: usize, place: &PartitionId) {
        let process = self.slots[slot].process.as_mut().expect("it asks");
        if let Some(reader) = process.readers.get_mut(place) {
            reader.anew = true;
        }
    }

    /// A question for an end was put, now.
    pub(crate) fn ask_end(&mut self, slot: usize, place: &PartitionId) {
        let asked = (self.broker.end(place), self.broker.shape(place));
        let process = self.slots[slot].process.as_mut().expect("it asks");
        if place.topic == TopicKind::Control {
            process.memory.control_asked = Some((asked.0, asked.1, self.now));
        }
        self.answer_end(slot, place);
    }

    fn answer_end(&mut self, slot: usize, place: &PartitionId) {
        let mut dice = self.dice(0xe4d ^ u64::try_from(slot).unwrap() ^ (u64::from(place.partition) << 8));
        if self.is_on(Kind::NoEnds, slot) || !self.is_linked(slot) {
            return;
        }
        let mirrored = self.is_mirrored(slot, &place.origin);
        let broker = if mirrored { self.broker.mirrored.as_deref().unwrap() } else { &self.broker };
        let slow = if self.is_on(Kind::OldEnds, slot) { 1_000 + dice.roll(3_000) } else { dice.roll(300) };
        let (end, due) = (broker.end(place), self.now + slow);
        let process = self.slots[slot].process.as_mut().expect("it asks");
        let asked = Mono(process.mono(self.now));
        process.expect_anyway(due, Input::Log(LogInput::EndAnswer { partition: place.clone(), end, asked }));
    }
}
