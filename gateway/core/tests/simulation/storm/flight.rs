//! Records between a producer and the log: each has a fate, and one producer's records keep their order.

use std::collections::BTreeMap;

use federation_core::input::{Effect, Input, LogInput, OutgoingCensus, OutgoingCheckpoint, OutgoingRecord, SendId};
use federation_core::log::control::{ControlKey, ControlValue};
use federation_core::log::key::RecordKey;
use federation_core::log::record::{PartitionId, Record, RecordBody, RecordHeader};

use super::checks::BEAT_UNDER_WAY;
use super::plan::Kind;
use super::world::Storm;
use crate::world::Dice;

/// What is under way.
#[derive(Clone)]
pub(crate) enum Load {
    Fact(PartitionId, OutgoingRecord),
    Checkpoint(PartitionId, OutgoingCheckpoint),
    Census(PartitionId, OutgoingCensus),
    Control(ControlKey, Option<ControlValue>, RecordHeader),
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Lands,
    /// Its sender hears that it failed; it lands after so long, or never.
    Fails(Option<u64>),
    /// Its sender heard that it failed: it lands all the same.
    LandsAfterAll,
    Refused,
    /// Its sender hears nothing. It lands or not.
    Unheard(bool),
}

#[derive(Clone)]
pub(crate) struct Flight {
    pub(crate) slot: usize,
    pub(crate) process: u64,
    pub(crate) sent: u64,
    pub(crate) load: Load,
    pub(crate) fate: Fate,
}

/// All that is under way, by when it lands.
#[derive(Default)]
pub(crate) struct Flights {
    flying: BTreeMap<(u64, u64), Flight>,
    number: u64,
}

impl Flights {
    fn add(&mut self, due: u64, flight: Flight) {
        self.number += 1;
        self.flying.insert((due, self.number), flight);
    }
}

impl Storm {
    /// A record leaves its process.
    pub(crate) fn send(&mut self, slot: usize, load: Load) {
        let mut dice = self.dice(0x5e4d ^ (self.flights.number << 8));
        let is_control = matches!(load, Load::Control(..));
        let fate = if is_control { Fate::Lands } else { self.fate(slot, &mut dice) };
        let slow = if self.is_on(Kind::SendsLate, slot) { dice.roll(2_400) } else { dice.roll(150) };
        let due = self.now + slow;
        let process = self.slots[slot].process.as_mut().expect("it sends");
        let free = if is_control { &mut process.control_free } else { &mut process.producer_free };
        *free = due.max(*free);
        let (due, process) = (*free, process.number);
        self.flights.add(due, Flight { slot, process, sent: self.now, load, fate });
    }

    fn fate(&self, slot: usize, dice: &mut Dice) -> Fate {
        match () {
            () if self.is_on(Kind::SendsFail, slot) && dice.one_in(2) => {
                let late = if dice.one_in(3) { dice.roll(12_000) } else { dice.roll(800) };
                Fate::Fails((!dice.one_in(3)).then_some(late))
            }
            () if self.is_on(Kind::SendsRefused, slot) && dice.one_in(3) => Fate::Refused,
            () if self.is_on(Kind::SendsUnheard, slot) && dice.one_in(2) => Fate::Unheard(dice.one_in(2)),
            () => Fate::Lands,
        }
    }

    /// What lands by now.
    pub(crate) fn land_due(&mut self) {
        let later = self.flights.flying.split_off(&(self.now + 1, 0));
        for (number, (_, flight)) in std::mem::replace(&mut self.flights.flying, later).into_iter().enumerate() {
            let mut dice = self.dice(0x1a4d ^ (u64::try_from(number).unwrap() << 8));
            self.arrive(flight, &mut dice);
        }
    }

    fn arrive(&mut self, flight: Flight, dice: &mut Dice) {
        let lives = self.slots[flight.slot].process.as_ref().is_some_and(|it| it.number == flight.process);
        if lives && self.is_on(Kind::Paused, flight.slot) {
            let wakes = self.ends(Kind::Paused, flight.slot) + dice.roll(100);
            self.disturb_by(&flight);
            return self.flights.add(wakes, flight); // It was about to be sent.
        }
        if !lives && flight.fate != Fate::LandsAfterAll {
            let lands = dice.one_in(2);
            self.disturb_by(&flight);
            if lands {
                self.note_late_beat(&flight);
                self.land(flight.slot, flight.load);
            }
            return;
        }
        if !self.is_linked(flight.slot) {
            self.disturb_by(&flight);
            let back = self.ends(Kind::LinkDown, flight.slot).max(self.ends(Kind::LogDown, 0)) + dice.roll(2_000);
            self.told_failed(&flight);
            if dice.one_in(4) && !matches!(flight.load, Load::Control(..)) {
                self.flights.add(back, Flight { fate: Fate::LandsAfterAll, ..flight });
            }
            return;
        }
        match flight.fate {
            Fate::Lands => self.land(flight.slot, flight.load),
            Fate::LandsAfterAll => {
                self.disturb_by(&flight);
                self.land(flight.slot, flight.load);
            }
            Fate::Fails(late) => {
                self.disturb_by(&flight);
                self.told_failed(&flight);
                if let Some(late) = late {
                    self.flights.add(self.now + late, Flight { fate: Fate::LandsAfterAll, ..flight });
                }
            }
            Fate::Refused => {
                self.disturb_by(&flight);
                if let Load::Fact(_, outgoing) = &flight.load {
                    self.told(&flight, LogInput::SendRefused(SendId(outgoing.header.seq)));
                }
            }
            Fate::Unheard(lands) => {
                self.disturb_by(&flight);
                if lands {
                    self.land(flight.slot, flight.load);
                }
            }
        }
    }

    /// A beat that was under way for long, as one is that waited in a process which stood still and ended, is young to whoever reads it: a
    /// beat is worth the end of the topic seen before it (R21), and no clock says more.
    fn note_late_beat(&mut self, flight: &Flight) {
        if matches!(flight.load, Load::Control(..)) && flight.sent + BEAT_UNDER_WAY < self.now {
            self.record.misleading[self.slots[flight.slot].cluster] = Some(self.now);
        }
    }

    fn told_failed(&mut self, flight: &Flight) {
        if let Load::Fact(place, outgoing) = &flight.load {
            let process = self.slots[flight.slot].process.as_mut().filter(|it| it.number == flight.process);
            if let Some(process) = process {
                let failed = (place.clone(), outgoing.key.clone(), outgoing.header.epoch);
                process.memory.failing.insert(outgoing.header.seq, failed);
            }
            self.told(flight, LogInput::SendFailed(SendId(outgoing.header.seq)));
        }
    }

    fn told(&mut self, flight: &Flight, input: LogInput) {
        let now = self.now;
        let process = self.slots[flight.slot].process.as_mut().filter(|it| it.number == flight.process);
        if let Some(process) = process {
            process.expect_anyway(now, Input::Log(input));
        }
    }

    fn disturb_by(&mut self, flight: &Flight) {
        if let Load::Fact(place, _) | Load::Checkpoint(place, _) | Load::Census(place, _) = &flight.load {
            self.disturb(place);
        }
        if let Load::Checkpoint(place, _) = &flight.load {
            // It was stated; one that gets lost is followed by the next only after a minute.
            self.record.changed.entry(place.clone()).or_default().1 = self.now + 60_000;
        }
    }

    /// A record stands in the log.
    fn land(&mut self, slot: usize, load: Load) {
        match load {
            Load::Fact(place, outgoing) => {
                self.append(&place, RecordKey::Data(outgoing.key), outgoing.body, Some(outgoing.header));
            }
            Load::Checkpoint(place, stated) => {
                self.check_checkpoint(slot, &place, stated);
                let body = RecordBody::Checkpoint(stated.checkpoint);
                self.append(&place, RecordKey::Checkpoint, body, Some(stated.header));
            }
            Load::Census(place, stated) => {
                self.check_census(slot, &place, &stated);
                let body = RecordBody::Census(stated.census);
                self.append(&place, RecordKey::Census(stated.bucket), body, Some(stated.header));
            }
            Load::Control(key, value, header) => {
                let cluster = self.clusters[self.slots[slot].cluster].clone();
                self.broker.push_control(self.now, &cluster, key, value, Some(header));
            }
        }
    }

    pub(crate) fn append(
        &mut self,
        place: &PartitionId,
        key: RecordKey,
        body: RecordBody,
        header: Option<RecordHeader>,
    ) {
        let (is_checkpoint, is_fact) = (key == RecordKey::Checkpoint, matches!(key, RecordKey::Data(_)));
        self.broker.push(self.now, place, key, body, header);
        let last: Option<Record> = self.broker.data[place].records().next_back().cloned();
        let fold = self.landed.get_mut(place).expect("every partition has one");
        let before = fold.sum;
        last.iter().for_each(|record| fold.fold(record));
        let (changed, stated) = self.record.changed.entry(place.clone()).or_default();
        if is_checkpoint {
            *stated = self.now.max(*stated);
        } else if is_fact && fold.sum != before {
            *changed = self.now;
        }
    }

    /// A producer takes back what it has not sent: some of it is in the log all the same.
    pub(crate) fn purge(&mut self, slot: usize, process: u64) {
        let mine = |flight: &Flight| {
            flight.process == process && !matches!(flight.load, Load::Control(..)) && flight.fate != Fate::LandsAfterAll
        };
        let keys: Vec<_> = self.flights.flying.iter().filter(|(_, it)| mine(it)).map(|(key, _)| *key).collect();
        let mut dice = self.dice(0x9046 ^ u64::try_from(slot).unwrap());
        for key in keys {
            let flight = self.flights.flying.remove(&key).expect("it was just found");
            self.disturb_by(&flight);
            self.told_failed(&flight);
            if dice.one_in(4) {
                let late = self.now + dice.roll(3_000);
                self.flights.add(late, Flight { fate: Fate::LandsAfterAll, ..flight });
            }
        }
    }

    /// Carries out what concerns the log; hands back everything else.
    pub(crate) fn act_on_log(&mut self, slot: usize, effect: Effect) -> Option<Effect> {
        let cluster = self.clusters[self.slots[slot].cluster].clone();
        let place = |topic, partition| PartitionId { origin: cluster.clone(), topic, partition };
        match effect {
            Effect::Send(outgoing) => {
                let place = place(outgoing.topic, outgoing.partition);
                self.check_send(slot, &place, &outgoing);
                self.send(slot, Load::Fact(place, outgoing));
            }
            Effect::Checkpoint { topic, partition, stated } => {
                self.send(slot, Load::Checkpoint(place(topic, partition), stated));
            }
            Effect::Census { topic, partition, stated } => {
                self.send(slot, Load::Census(place(topic, partition), stated));
            }
            Effect::Control { key, value, header } => {
                self.check_control(slot, &key, value.as_ref());
                self.send(slot, Load::Control(key, value, header));
            }
            Effect::Purge => {
                let process = self.slots[slot].process.as_ref().map_or(0, |it| it.number);
                self.purge(slot, process);
            }
            Effect::AskEnd(place) => self.ask_end(slot, &place),
            Effect::ReadAnew(place) => self.read_anew(slot, &place),
            other => return Some(other),
        }
        None
    }
}
