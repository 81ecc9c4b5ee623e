//! How faults begin, and what clients do meanwhile.

use std::sync::Arc;

use federation_core::config_item::ConfigItem;
use federation_core::id::{ClusterId, ServiceKey};
use federation_core::input::{ConfigReading, Input, LocalInput, LogInput};
use federation_core::instance::{Health, Instance};
use federation_core::log::census::{Census, key_hash};
use federation_core::log::control::{ControlKey, ControlValue, ReplicaRecord, ReplicaState};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{Checkpoint, Epoch, HIGHEST_TERM, PartitionId, RecordBody, RecordHeader};
use federation_core::time::{Millis, WallMs};

use super::broker::{control_of, places_of};
use super::plan::{Fault, Kind};
use super::process::{HOLD, Process, Reader};
use super::world::{Storm, configs, instance_id, services};
use crate::world::{Dice, PARTITIONS, instance, settings};

/// Ids of a service in one cluster.
const IDS: u64 = 5;

impl Storm {
    /// A fault begins.
    pub(crate) fn strike(&mut self, fault: Fault) {
        let slot = usize::try_from(fault.target).unwrap() % self.slots.len();
        let of = usize::try_from(fault.target).unwrap() % self.registries.len();
        let (until, mut dice) = (self.now + fault.millis, Dice(fault.salt));
        let struck = if matches!(fault.kind, Kind::Killed | Kind::Stopped | Kind::Paused) {
            self.slots[slot].cluster
        } else {
            of
        };
        self.coverage.note(fault.kind, self.state_of(struck));
        if self.manner.told {
            println!("{:>9} {:?} of {of}/{slot} for {} ms", self.now, fault.kind, fault.millis);
        }
        match fault.kind {
            Kind::Killed => self.end_process(slot, until, dice.one_in(2)),
            Kind::Stopped => self.stop(slot, until),
            Kind::OldSnapshot => self.end_process(slot, until, true),
            Kind::NacosCut => {
                self.lasts(Kind::NacosCut, slot, until);
                self.disconnect(slot, until + dice.roll(500));
            }
            Kind::NacosRestarted => self.restart_registry(of, fault.millis, &mut dice),
            Kind::LogDown | Kind::MirrorStopped | Kind::MirrorLosesRemovals => self.lasts(fault.kind, 0, until),
            Kind::LinkDown
            | Kind::Deaf
            | Kind::SlowReader
            | Kind::NoEnds
            | Kind::OldEnds
            | Kind::SendsFail
            | Kind::SendsLate
            | Kind::SendsRefused
            | Kind::SendsUnheard
            | Kind::Paused => self.lasts(fault.kind, slot, until),
            Kind::ProducerReplaced => self.replace_producer(slot),
            Kind::Compacted => self.compact(),
            Kind::DataRecreated => self.recreate_data(of),
            Kind::ControlRecreated => self.recreate_control(of),
            Kind::Truncated => self.truncate(of, &mut dice),
            Kind::PlaceLost => self.lose_place(slot, &mut dice),
            Kind::Poisoned => self.poison(&mut dice),
            Kind::ForeignWrite => self.write_foreign(of, &mut dice),
            Kind::OldLists => {
                self.registries[of].former = self.registries[of].services.clone();
                self.lists_lie(fault.kind, of, until);
            }
            Kind::PartialLists | Kind::EmptyLists | Kind::ProtectedLists => self.lists_lie(fault.kind, of, until),
            Kind::ConfigLie => self.lie_of_config(of, &mut dice),
            Kind::LyingCatalog | Kind::ReadsFail | Kind::ReadsOld | Kind::PushesLost => {
                self.lasts(fault.kind, of, until);
            }
            Kind::WallJumped => self.jump(slot, &mut dice),
        }
    }

    /// From now on every list of the registry is told so, at once for some.
    fn lists_lie(&mut self, kind: Kind, of: usize, until: u64) {
        self.lasts(kind, of, until);
        for key in services().into_iter().step_by(2) {
            self.push_to_all(of, &key);
        }
    }

    fn end_process(&mut self, slot: usize, again_at: u64, with_snapshot: bool) {
        self.kill(slot);
        self.slots[slot].starts_at = again_at;
        if with_snapshot {
            self.slots[slot].kept = self.slots[slot].older.clone();
        }
    }

    fn stop(&mut self, slot: usize, again_at: u64) {
        if self.process(slot).is_none() {
            return;
        }
        self.tell(slot, Input::Stop);
        self.check_stopped(slot);
        let kept = self.process(slot).map(|process| process.core.snapshot());
        self.kill(slot);
        (self.slots[slot].kept, self.slots[slot].starts_at) = (kept, again_at);
    }

    fn restart_registry(&mut self, of: usize, millis: u64, dice: &mut Dice) {
        let outage = if dice.one_in(2) { 0 } else { millis };
        let up = self.now + outage;
        // A process that starts meanwhile knows of no outage: it waits for no client longer than the hold.
        let spread = HOLD / 2;
        self.registries[of].restart(up, spread, dice);
        for slot in self.slots_of(of) {
            self.disconnect(slot, up + dice.roll(600));
        }
    }

    fn replace_producer(&mut self, slot: usize) {
        let Some(process) = self.process(slot) else { return };
        let number = process.number;
        self.purge(slot, number);
        self.tell(slot, Input::Log(LogInput::ProducerReplaced));
    }

    pub(crate) fn compact(&mut self) {
        let now = self.now;
        for place in self.clusters.clone().iter().flat_map(places_of) {
            let reads = |mirrored: bool| {
                let readers = self.running().filter(|(slot, _)| self.is_mirrored(*slot, &place.origin) == mirrored);
                let cursor = |process: &Process| process.readers.get(&place).map_or(0, |it| it.cursor);
                // Tombstones stay for longer than a storm lasts, also for who is away and will read on.
                let away =
                    self.slots.iter().filter(|slot| (slot.mirrored && place.origin == self.clusters[0]) == mirrored);
                let kept = away.flat_map(|slot| slot.kept.iter().chain(&slot.older).flatten());
                let kept = kept.filter(|piece| piece.origin == place.origin).flat_map(|piece| &piece.places);
                let kept = kept.filter(|kept| kept.of(&place.origin) == place).map(|kept| kept.cursor.next_offset);
                readers.map(|(_, process)| cursor(process)).chain(kept).min().unwrap_or(0)
            };
            let (passed, passed_mirrored) = (reads(false), reads(true));
            self.broker.data.get_mut(&place).expect("every partition is there").compact(now, passed);
            if let Some(copy) = self.broker.mirrored.as_mut().and_then(|mirror| mirror.data.get_mut(&place)) {
                copy.compact(now, passed_mirrored);
            }
        }
        self.broker.control.values_mut().for_each(|part| part.compact(now, 0));
    }

    fn recreate_data(&mut self, of: usize) {
        let cluster = self.clusters[of].clone();
        for place in places_of(&cluster) {
            self.broker.data.get_mut(&place).expect("every partition is there").recreate();
            self.landed.insert(place.clone(), Reader::default());
            self.disturb(&place);
            self.record.changed.insert(place, (self.now, self.now));
        }
        self.record.lost.insert(cluster, self.now);
    }

    fn recreate_control(&mut self, of: usize) {
        let cluster = self.clusters[of].clone();
        self.broker.control.get_mut(&cluster).expect("every cluster has one").recreate();
        self.record.two_writers.remove(&cluster);
    }

    fn truncate(&mut self, of: usize, dice: &mut Dice) {
        let cluster = self.clusters[of].clone();
        let records = 1 + dice.roll(4);
        if dice.one_in(4) {
            self.broker.control.get_mut(&cluster).expect("every cluster has one").truncate(records);
            return;
        }
        let places = places_of(&cluster);
        let place = places[usize::try_from(dice.roll(4)).unwrap()].clone();
        self.broker.data.get_mut(&place).expect("every partition is there").truncate(records);
        self.refold(&place);
        self.disturb(&place);
        self.record.changed.insert(place, (self.now, self.now));
        self.record.truncated.insert(cluster.clone(), self.now);
        self.record.lost.insert(cluster, self.now);
    }

    fn lose_place(&mut self, slot: usize, dice: &mut Dice) {
        let places = self.all_places();
        let place = places[usize::try_from(dice.roll(u64::try_from(places.len()).unwrap())).unwrap()].clone();
        let Some(process) = self.slots[slot].process.as_mut() else { return };
        if let Some(reader) = process.readers.get_mut(&place).filter(|reader| reader.began) {
            *reader = Reader { life: reader.life, cuts: reader.cuts, began: true, ..Reader::default() };
            process.memory.begins_anew(&place);
            self.tell(slot, Input::Log(LogInput::Restarted(place)));
        }
    }

    fn lie_of_config(&mut self, of: usize, dice: &mut Dice) {
        let names = configs();
        let key = names[usize::try_from(dice.roll(4)).unwrap()].clone();
        if self.now < self.registries[of].last_lie + 3 * HOLD {
            return; // Two such answers in a row are believed, and should be.
        }
        self.registries[of].last_lie = self.now;
        let now = self.now;
        for slot in self.slots_of(of) {
            if let Some(process) = self.slots[slot].process.as_mut().filter(|it| it.connected) {
                let reading = ConfigReading::Absent;
                process.expect(now + 20, Input::Local(LocalInput::Config { key: key.clone(), reading }));
            }
        }
    }

    fn jump(&mut self, slot: usize, dice: &mut Dice) {
        let skewed = self.manner.skewed;
        if let Some(process) = self.slots[slot].process.as_mut().filter(|_| skewed) {
            process.skew = i64::try_from(dice.roll(1_200_000)).unwrap() - 600_000;
        }
    }

    // ---- what strangers write -------------------------------------------------------------------------------------

    fn header(&self, term: u32) -> RecordHeader {
        RecordHeader { schema: 1, epoch: Epoch { term, nonce: 1 }, seq: self.now, observed: WallMs(self.now) }
    }

    fn any_instance(&self, of: usize, dice: &mut Dice) -> (PartitionId, DataKey) {
        let names = services();
        let service = names[usize::try_from(dice.roll(12)).unwrap()].clone();
        let key = DataKey::Instance(service, instance_id(of, dice.roll(IDS)));
        (self.place_of(of, &key), key)
    }

    pub(crate) fn place_of(&self, of: usize, key: &DataKey) -> PartitionId {
        let topic = federation_core::log::origin::topic_of(key);
        PartitionId { origin: self.clusters[of].clone(), topic, partition: key.partition(PARTITIONS) }
    }

    /// What cannot be read, or should not count, in any cluster's topics; most of it in those of a cluster that has nothing else.
    fn poison(&mut self, dice: &mut Dice) {
        let ghost = self.clusters.len() - 1;
        let of =
            if dice.one_in(2) { ghost } else { usize::try_from(dice.roll(u64::try_from(ghost).unwrap())).unwrap() };
        for _ in 0..=dice.roll(30) {
            let (place, key) = self.any_instance(of, dice);
            self.disturb(&place);
            let value = RecordBody::Instance(Arc::new(instance(1.0, true)));
            match dice.roll(5) {
                0 => {
                    self.record.unreadable.insert(key.clone());
                    self.append(&place, RecordKey::Data(key), RecordBody::Unreadable, None);
                }
                1 => self.append(&place, RecordKey::Malformed, RecordBody::Unreadable, Some(self.header(0))),
                2 => self.append(&place, RecordKey::Other, value, Some(self.header(0))),
                3 => {
                    self.record.unreadable.insert(key.clone());
                    self.append(&place, RecordKey::Data(key), value, Some(self.header(HIGHEST_TERM + 7)));
                }
                _ => self.poison_control(of, dice),
            }
        }
    }

    fn poison_control(&mut self, of: usize, dice: &mut Dice) {
        let (cluster, header) = (self.clusters[of].clone(), self.header(0));
        let nonce = u32::try_from(dice.roll(9)).unwrap();
        let absurd = self.claim(HIGHEST_TERM + 1 + nonce, nonce, &cluster);
        let value = if dice.one_in(2) { ControlValue::Unreadable } else { ControlValue::Replica(absurd) };
        self.broker.push_control(self.now, &cluster, ControlKey::Replica(nonce), Some(value), Some(header));
        self.broker.push_control(self.now, &cluster, ControlKey::Other, Some(ControlValue::Unreadable), None);
    }

    fn claim(&self, term: u32, nonce: u32, cluster: &ClusterId) -> ReplicaRecord {
        let descriptor = settings(cluster, 0, self.manner.hashed_with).descriptor;
        ReplicaRecord {
            state: ReplicaState::Leader,
            epoch: Epoch { term, nonce },
            beat: 1,
            warm: true,
            nacos_age: Some(Millis(0)),
            unpublished_age: Millis(0),
            descriptor,
            name: "x".into(),
            advertised: "".into(),
            complaints: Vec::new(),
            readings: Vec::new(),
        }
    }

    /// What a leader that is long gone, or nobody's, may still write.
    fn write_foreign(&mut self, of: usize, dice: &mut Dice) {
        let (place, key) = self.any_instance(of, dice);
        let highest = self.running().filter(|(slot, _)| self.slots[*slot].cluster == of);
        let highest = highest.map(|(_, process)| process.core.lease().epoch().term).max().unwrap_or(0);
        let value = RecordBody::Instance(Arc::new(instance(9.0, true)));
        self.disturb(&place);
        match dice.roll(7) {
            6 => self.write_old_census(&place, &key, highest.saturating_sub(1)),
            0 => self.append(&place, RecordKey::Data(key), value, Some(self.header(highest.saturating_sub(1)))),
            1 => self.append(
                &place,
                RecordKey::Data(key),
                RecordBody::Tombstone,
                Some(self.header(highest.saturating_sub(1))),
            ),
            2 => self.append(&place, RecordKey::Data(key), value, Some(self.header(highest + 3))),
            3 => {
                let ghost = DataKey::Instance(services()[0].clone(), instance_id(of, 66));
                let place = self.place_of(of, &ghost);
                self.append(&place, RecordKey::Data(ghost), value, Some(self.header(highest)));
                self.disturb(&place);
            }
            4 => {
                let stated = Checkpoint { count: 3, digest: 3, beat: 3, partitions: PARTITIONS };
                self.append(&place, RecordKey::Checkpoint, RecordBody::Checkpoint(stated), Some(self.header(highest)));
            }
            _ => {
                let cluster = self.clusters[of].clone();
                let nonce = u32::try_from(dice.roll(1 << 31)).unwrap();
                let (claim, header) = (self.claim(highest + 2, nonce, &cluster), self.header(highest + 2));
                let value = Some(ControlValue::Replica(claim));
                self.record.misleading[of] = Some(self.now);
                self.broker.push_control(self.now, &cluster, ControlKey::Replica(nonce), value, Some(header));
            }
        }
    }

    /// A census of a leader that is long gone, of a time when there was no such key.
    fn write_old_census(&mut self, place: &PartitionId, key: &DataKey, term: u32) {
        let keys = self.landed[place].keys.keys().filter(|known| *known != key);
        let buckets = Census::of_partition(keys.map(key_hash).collect());
        let header = self.header(term);
        for (at, (bucket, census)) in (0..).zip(buckets) {
            let header = RecordHeader { seq: header.seq + at, ..header };
            self.append(place, RecordKey::Census(bucket), RecordBody::Census(census), Some(header));
        }
    }

    // ---- clients --------------------------------------------------------------------------------------------------

    /// What is there before anything starts.
    pub(crate) fn populate(&mut self) {
        let mut dice = Dice(self.plan.seed ^ 0x9090_1a7e);
        for of in 0..self.registries.len() {
            for key in services() {
                for number in 0..dice.roll(IDS) {
                    let value = any_value(&mut dice);
                    self.registries[of].register(0, &key, &instance_id(of, number), value);
                }
            }
            for key in configs().into_iter().skip(1) {
                self.registries[of].configs.insert(key, (item(dice.roll(9)), 0));
            }
        }
    }

    /// What clients do in one step.
    pub(crate) fn churn(&mut self, step: u64) {
        let mut dice = Dice(self.plan.seed ^ (step << 24) ^ 0xc112);
        if dice.one_in(2) {
            return;
        }
        let of = usize::try_from(dice.roll(u64::try_from(self.registries.len()).unwrap())).unwrap();
        if dice.one_in(12) {
            return self.change_config(of, &mut dice);
        }
        let names = services();
        let key = names[usize::try_from(dice.roll(12)).unwrap()].clone();
        let id = instance_id(of, dice.roll(IDS));
        match dice.roll(8) {
            0 | 1 => self.registries[of].deregister(&key, &id),
            2 if dice.one_in(4) => {
                (0..IDS).for_each(|number| self.registries[of].deregister(&key, &instance_id(of, number)));
            }
            _ => {
                let (now, value) = (self.now, any_value(&mut dice));
                self.registries[of].register(now, &key, &id, value);
                self.tell_of_service(of, &key, &mut dice);
            }
        }
        self.push_to_all(of, &key);
    }

    fn tell_of_service(&mut self, of: usize, key: &ServiceKey, dice: &mut Dice) {
        let now = self.now;
        for slot in self.slots_of(of) {
            if let Some(process) = self.slots[slot].process.as_mut().filter(|it| it.connected) {
                process.expect(now + 50 + dice.roll(600), Input::Local(LocalInput::Discovered(key.clone())));
            }
        }
    }

    fn change_config(&mut self, of: usize, dice: &mut Dice) {
        let names = configs();
        let key = names[usize::try_from(dice.roll(4)).unwrap()].clone();
        if dice.one_in(4) {
            self.registries[of].configs.remove(&key);
        } else {
            let since = self.registries[of].configs.get(&key).map_or(self.now, |(_, since)| *since);
            self.registries[of].configs.insert(key.clone(), (item(dice.roll(1_000)), since));
        }
        for slot in self.slots_of(of) {
            self.answer_config(slot, &key, 60);
        }
    }

    /// Where the control topic of a cluster ends, and in which shape it is.
    pub(crate) fn control_end(&self, of: usize) -> (u64, (u64, usize)) {
        let place = control_of(&self.clusters[of]);
        (self.broker.end(&place), self.broker.shape(&place))
    }
}

fn any_value(dice: &mut Dice) -> Instance {
    let weight = f64::from(u32::try_from(dice.roll(4)).unwrap());
    let health = if dice.one_in(4) { Health::Unhealthy } else { Health::Healthy };
    Instance { health, ..instance(weight, !dice.one_in(6)) }
}

fn item(number: u64) -> Arc<ConfigItem> {
    let content: Arc<str> = format!("value {number}").into();
    Arc::new(ConfigItem { md5: content.clone(), content: content.into(), ..ConfigItem::default() })
}
