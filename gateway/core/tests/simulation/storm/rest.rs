//! What has to hold once nothing goes wrong any more and time has passed.

use std::collections::BTreeMap;
use std::sync::Arc;

use federation_core::config_item::ConfigItem;
use federation_core::federation::Federation;
use federation_core::freshness::Freshness;
use federation_core::guard::{GuardOrder, GuardWord};
use federation_core::id::{ClusterId, ConfigKey, InstanceId, ServiceKey};
use federation_core::input::{Input, LogInput, OperatorOrder, OrderId};
use federation_core::instance::Instance;
use federation_core::lease::ReplicaRole;
use federation_core::log::record::{HIGHEST_TERM, PartitionId};

use super::broker::{Broker, control_of, places_of};
use super::process::{Birth, Process, Reader};
use super::world::{Storm, configs, services};
use crate::world::{Dice, PARTITIONS};

/// Longer than every wait that is left: a client that is waited for, a list that settles, a sweep, the longest back-off.
const CALM: u64 = 90_000;
/// From then on nothing may change any more.
const STEADY: u64 = 12_000;

/// A hold that was released is over after this.
const OVER: u64 = 75_000;

type Instances = BTreeMap<InstanceId, Instance>;

impl Storm {
    /// Faults end, everybody starts who is down, time passes; then all is as it should be and stays so.
    pub(crate) fn settle(&mut self) {
        self.end_all();
        self.calm = true;
        for slot in &mut self.slots {
            slot.starts_at = slot.starts_at.min(self.now);
        }
        self.run(CALM);
        self.release_what_is_held();
        self.compact();
        self.check_rest();
        let sent = self.record.sent_total;
        let until = self.now + STEADY;
        while self.now < until && self.broken.is_none() {
            self.turns();
            if self.now % 4_000 < 400 {
                self.check_rest();
            }
        }
        let more = self.record.sent_total - sent;
        if more > 0 {
            self.fail("7 idempotent publish: at rest nothing is written", || format!("{more} records"));
        }
        self.check_late_readers();
    }

    pub(crate) fn run(&mut self, millis: u64) {
        let until = self.now + millis;
        while self.now < until && self.broken.is_none() {
            self.turns();
        }
    }

    /// What the guard holds is really gone, or came back: an operator has a look, and says so.
    fn release_what_is_held(&mut self) {
        let names: Vec<ClusterId> = self.clusters.clone();
        for (of, name) in names.iter().enumerate() {
            let held = |process: &Process| {
                let table = process.core.guard();
                let standing = table.standing().filter(|(target, _)| target.cluster() == name);
                standing.map(|(target, _)| target.clone()).collect::<Vec<_>>()
            };
            let leading = |process: &Process| process.core.role() == ReplicaRole::Leading;
            let leader = self.running_of(of).iter().find(|(_, it)| leading(it)).map(|(slot, it)| (*slot, held(it)));
            let Some((slot, targets)) = leader.filter(|(_, targets)| !targets.is_empty()) else { continue };
            for (number, target) in targets.into_iter().enumerate() {
                let order = GuardOrder {
                    target,
                    word: GuardWord::Release,
                    who: "ann".into(),
                    why: "looked".into(),
                    giver: Default::default(),
                };
                let id = OrderId(1_000 + number as u64);
                self.tell(slot, Input::Order(OperatorOrder::Guard { id, order }));
            }
            self.run(OVER);
        }
    }

    fn check_rest(&mut self) {
        for of in 0..self.registries.len() {
            self.check_leader(of);
            for slot in 0..self.slots.len() {
                self.check_view(slot, of);
            }
        }
        for slot in 0..self.slots.len() {
            self.check_told(slot);
            self.check_trouble(slot);
        }
    }

    /// 6: whoever watches has been told of what would be answered now.
    fn check_told(&mut self, slot: usize) {
        let Some(process) = self.process(slot) else { return };
        for service in services() {
            let (told, found) = (process.memory.told.get(&service), process.core.service(&service));
            let found = found.map(|found| found.origins).unwrap_or_default();
            if told.map_or(&[][..], Vec::as_slice) != found {
                let text = format!("{service} at slot {slot}: {found:?}, told {told:?}");
                return self.fail("6 watchers were told of the last change", || text);
            }
        }
    }

    /// 10: one leads, and has finished.
    fn check_leader(&mut self, of: usize) {
        let (id, here) = (self.clusters[of].clone(), self.running_of(of));
        let roles: Vec<ReplicaRole> = here.iter().map(|(_, process)| process.core.role()).collect();
        let leading = roles.iter().filter(|role| **role == ReplicaRole::Leading).count();
        let done = here.iter().any(|(_, process)| process.core.has_taken_over());
        let term = |process: &Process| {
            (process.core.role() == ReplicaRole::Leading).then(|| process.core.lease().epoch().term)
        };
        let leader = here.iter().find_map(|(_, process)| term(process));
        if leading != 1 || !done {
            return self.fail("10 one leads and has taken over", || format!("{id}: {roles:?}, done: {done}"));
        }
        let records = places_of(&id)
            .into_iter()
            .flat_map(|place| self.broker.data[&place].records().cloned().collect::<Vec<_>>());
        let terms = records.filter_map(|record| record.header).map(|header| header.epoch.term);
        let highest = terms.filter(|term| *term <= HIGHEST_TERM).max();
        if leader < highest {
            self.fail("4 whoever leads has the highest term (R8)", || format!("{id}: {leader:?} below {highest:?}"));
        }
    }

    /// 1, 3, 4, 10: every reader shows what the registry has, no more and no less.
    fn check_view(&mut self, slot: usize, of: usize) {
        let Some(process) = self.process(slot) else { return };
        let (id, may_read) = (&self.clusters[of], self.registries[of].may_read);
        // Where the account may not read, a disabled instance is gone.
        let visible = |instance: &Instance| may_read || instance.enabled;
        for service in services() {
            let truth = self.registries[of].services.get(&service).into_iter().flatten();
            let truth = truth.map(|(id, it)| (id.clone(), it.instance.clone()));
            let want: Instances = truth.filter(|(_, instance)| visible(instance)).collect();
            let found = shown(&process.core, id, &service);
            if found != want {
                let text = format!("{service} of {id} at slot {slot}: {}", difference(&found, &want));
                return self.fail("1 convergence: views are the truth", || text);
            }
        }
        for config in configs() {
            let want = self.registries[of].configs.get(&config).map(|(item, _)| item.clone());
            let found = shown_config(&process.core, id, &config);
            if found != want {
                let text = format!("{config:?} of {id} at slot {slot}: {found:?}, not {want:?}");
                return self.fail("1 convergence: views are the truth", || text);
            }
        }
        let (size, counted) = (process.core.size(id), process.core.size_counted_anew(id));
        if size != counted {
            let text = format!("{id} at slot {slot}: {size:?}, not {counted:?}");
            self.fail("1 convergence: what is counted is there", || text);
        }
    }

    /// 6, 9: nothing is held, under way, incomplete or stale.
    fn check_trouble(&mut self, slot: usize) {
        let may_read = self.registries[self.slots[slot].cluster].may_read;
        // A mirror repeats records whenever it likes.
        let mirrored = self.slots[slot].mirrored;
        let Some(process) = self.slots[slot].process.as_mut() else { return };
        let now = process.clocks(self.now);
        drop(process.core.step(now, Input::Look));
        let core = &process.core;
        let under_way = (core.publisher().in_flight(), core.publisher().waiting(), core.publisher().refused());
        let held: usize = core.removals_held().values().sum();
        let ghost = &self.clusters[self.clusters.len() - 1];
        let incomplete: Vec<ClusterId> = core.incomplete().filter(|id| *id != ghost).cloned().collect();
        let old: Vec<_> = core
            .clusters()
            .into_iter()
            .filter(|it| it.id != *ghost && it.freshness != Freshness::Live)
            .map(|it| (it.id, it.freshness, it.reason))
            .collect();
        if under_way != (0, 0, 0) {
            self.fail("7 nothing is under way at rest", || format!("slot {slot}: {under_way:?}"));
        } else if held > 0 && may_read {
            self.fail("5 nothing is held at rest", || format!("slot {slot}: {held}"));
        } else if core.kept_back() > 0 && !mirrored {
            let kept = core.kept_back();
            self.fail("3 nothing is kept back at rest (R14)", || format!("slot {slot}: {kept}"));
        } else if !incomplete.is_empty() {
            self.fail("1 nothing is incomplete at rest (R17)", || format!("slot {slot}: {incomplete:?}"));
        } else if !old.is_empty() {
            self.fail("6 everybody is live at rest (R21)", || format!("slot {slot}: {old:?}"));
        }
    }

    /// 1 and 2: who reads the compacted log from its beginning, directly or by way of the mirror, or any rest of it, folds the same.
    fn check_late_readers(&mut self) {
        if self.broken.is_some() {
            return;
        }
        self.run(1_000);
        let clusters = self.clusters.clone();
        let late = self.late_reader(&self.broker, &clusters, 0);
        for slot in 0..self.slots.len() {
            let Some(process) = self.process(slot) else { continue };
            let ghost = &clusters[clusters.len() - 1];
            let differing = process.core.digests().find(|(place, count, sum)| {
                place.origin != *ghost && late.get(place).is_some_and(|it| *it != (*count, *sum))
            });
            if let Some((place, ..)) = differing {
                return self.fail("1 convergence: live and late", || format!("slot {slot}, {place:?}"));
            }
        }
        let mirror = self.broker.mirrored.as_deref().expect("the mirror is always there");
        let copied = self.late_reader(mirror, &clusters[..1], 0);
        if let Some(place) = places_of(&clusters[0]).into_iter().find(|place| copied.get(place) != late.get(place)) {
            return self.fail("1 convergence: by way of a mirror", || format!("{place:?}"));
        }
        let mut dice = Dice(self.plan.seed ^ 0x5aff);
        for _ in 0..3 {
            let from = dice.roll(400);
            let suffix = self.late_reader(&self.broker, &clusters, from);
            for place in clusters[..clusters.len() - 1].iter().flat_map(places_of) {
                let mut want = Reader::default();
                self.broker.data[&place].from(from, usize::MAX).iter().for_each(|record| want.fold(record));
                let count = u64::try_from(want.keys.len()).unwrap();
                if suffix.get(&place).is_some_and(|found| *found != (count, want.sum)) {
                    return self.fail("2 any suffix folds", || format!("{place:?} from {from}"));
                }
            }
        }
    }

    /// What somebody has folded who begins now.
    fn late_reader(&self, broker: &Broker, clusters: &[ClusterId], from: u64) -> BTreeMap<PartitionId, (u64, u128)> {
        let birth = Birth { number: 0, nonce: 7, skew: 0, hashed_with: self.manner.hashed_with };
        let mut process = Process::start(self.now, &crate::world::cluster("late"), &birth, None);
        let now = process.clocks(self.now);
        let members = clusters.iter().map(|id| (id.clone(), PARTITIONS)).collect();
        let mut inputs = vec![LogInput::Members(members)];
        for id in clusters {
            let records = broker.control[id].from(0, usize::MAX);
            if !records.is_empty() {
                inputs.push(LogInput::Control { origin: id.clone(), records });
            }
            let at_end = |place: PartitionId, next_offset| LogInput::AtEnd { partition: place, next_offset };
            inputs.push(at_end(control_of(id), broker.control[id].end()));
            for place in places_of(id) {
                let records = broker.data[&place].from(from, usize::MAX);
                if !records.is_empty() {
                    inputs.push(LogInput::Records { partition: place.clone(), records });
                }
                inputs.push(at_end(place.clone(), broker.data[&place].end()));
            }
        }
        for input in inputs {
            drop(process.core.step(now, Input::Log(input)));
        }
        process.core.digests().map(|(place, count, digest)| (place, (count, digest))).collect()
    }
}

fn shown(core: &Federation, origin: &ClusterId, service: &ServiceKey) -> Instances {
    let found = core.service(service).into_iter().flat_map(|found| found.origins);
    let found = found.filter(|it| it.origin == *origin).flat_map(|it| it.instances);
    found.map(|it| (it.id, Instance::clone(&it.instance))).collect()
}

fn shown_config(core: &Federation, origin: &ClusterId, key: &ConfigKey) -> Option<Arc<ConfigItem>> {
    let items = core.config(key).into_iter().flat_map(|found| found.items);
    items.filter(|it| it.origin == *origin).map(|it| it.item).next()
}

fn difference(found: &Instances, want: &Instances) -> String {
    let mut text = String::new();
    for (id, instance) in found.iter().filter(|(id, instance)| want.get(id) != Some(instance)) {
        text += &format!("\n  shows {}: {instance:?}, true is {:?}", id.ip, want.get(id));
    }
    for (id, instance) in want.iter().filter(|(id, _)| !found.contains_key(id)) {
        text += &format!("\n  lacks {}: {instance:?}", id.ip);
    }
    text
}
