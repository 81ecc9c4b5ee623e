//! Carries out the steps of one script in a world of its own, and tells what followed.

use std::collections::BTreeMap;
use std::sync::Arc;

use federation_core::id::{ClusterId, InstanceId};
use federation_core::input::{Effect, Input, LocalInput, LogInput, OperatorOrder, OrderId, OutgoingRecord};
use federation_core::instance::{Health, Instance};
use federation_core::intents::DrainOrder;
use federation_core::lease::ReplicaRole;
use federation_core::log::census::Census;
use federation_core::log::control::{ControlKey, ControlValue, ReplicaState};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{
    Checkpoint, ControlRecord, Epoch, PartitionId, RecordBody, RecordHeader, TopicKind,
};
use federation_core::routing::{DrainGuard, Percent};
use federation_core::seed::Seed;
use federation_core::time::{Millis, Mono};

use super::script::Step;
use super::words::{Matter, Names};
use crate::found::replica;
use crate::world::{Nacos, PARTITIONS, STEP, World, cluster, instance, push};

/// The longest that a script waits for a role.
const WAIT_MS: u64 = 300_000;

/// Which effects are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Telling {
    /// None.
    Nothing,
    /// Those that matter at least as much.
    UpTo(Matter),
    /// How many of each matter, by gateway.
    Counts,
}

pub(super) struct Player {
    pub(super) world: World,
    pub(super) names: Names,
    telling: Telling,
    orders: u64,
    /// Records of facts that each gateway has sent, taken by the log or not.
    sent: BTreeMap<ClusterId, Vec<OutgoingRecord>>,
}

impl Player {
    pub(super) fn new(hashed_with: Seed) -> Self {
        let mut world = World::hashed(1, &[], hashed_with);
        world.kept = Some(Vec::new());
        let telling = Telling::UpTo(Matter::Fact);
        Self { world, names: Names::default(), telling, orders: 0, sent: BTreeMap::new() }
    }

    /// Carries out the step that stands at `place`, and tells what followed, a line each.
    pub(super) fn carry_out(&mut self, place: &str, line: &str) -> Vec<String> {
        let began = self.world.now;
        let mut step = Step::new(place, line);
        let verb = step.word();
        let shown = match verb {
            "show" => self.show(&mut step),
            "tell" => self.tell(&mut step),
            "clusters" | "replica" | "origin" | "restart" | "kill" | "stop" => self.processes(verb, &mut step),
            "register" | "deregister" | "nacos" => self.nacos(verb, &mut step),
            "record" | "checkpoint" | "census" | "beat" | "late" | "repeat" => self.records(verb, &mut step),
            "run" | "skip" | "pause" | "wake" => self.time(verb, &mut step),
            "drain" => self.drain(&mut step),
            _ => self.log(verb, &mut step),
        };
        step.end();
        let mut told = self.effects(began);
        told.extend(shown);
        told
    }

    /// Effects since the last step; times count from `began`.
    fn effects(&mut self, began: u64) -> Vec<String> {
        let kept = self.world.kept.as_mut().map(std::mem::take).unwrap_or_default();
        let (mut told, mut counts) = (Vec::new(), BTreeMap::<ClusterId, BTreeMap<Matter, usize>>::new());
        for (at, name, effect) in kept {
            if let Effect::Send(outgoing) = &effect {
                self.sent.entry(name.clone()).or_default().push(outgoing.clone());
            }
            let (matter, text) = self.names.effect(&effect);
            match self.telling {
                Telling::UpTo(least) if matter <= least => {
                    let after = at - began;
                    told.push(format!("+{}.{:02} {name}: {text}", after / 1_000, after % 1_000 / 10));
                }
                Telling::Counts => *counts.entry(name).or_default().entry(matter).or_default() += 1,
                Telling::Nothing | Telling::UpTo(_) => {}
            }
        }
        for (name, counts) in counts {
            let counts: Vec<String> = counts.iter().map(|(matter, count)| matter.counted(*count)).collect();
            told.push(format!("{name}: {}", counts.join(", ")));
        }
        told
    }

    fn tell(&mut self, step: &mut Step<'_>) -> Vec<String> {
        self.telling = match step.word() {
            "nothing" => Telling::Nothing,
            "facts" => Telling::UpTo(Matter::Fact),
            "checkpoints" => Telling::UpTo(Matter::Checkpoint),
            "questions" => Telling::UpTo(Matter::Question),
            "everything" => Telling::UpTo(Matter::Beat),
            "counts" => Telling::Counts,
            _ => step.wrong("nothing, facts, checkpoints, questions, everything or counts"),
        };
        Vec::new()
    }

    fn processes(&mut self, verb: &str, step: &mut Step<'_>) -> Vec<String> {
        match verb {
            "clusters" => {
                for name in step.rest() {
                    let nacos = Nacos { up: true, reads_allowed: true, ..Nacos::default() };
                    self.world.start(&cluster(name), nacos);
                    self.note_start(name);
                }
            }
            "replica" => self.replica(step),
            "origin" => drop(self.world.log.control.entry(cluster(step.word())).or_default()),
            "restart" => {
                let name = step.word();
                match step.takes("with-snapshot") {
                    true => self.world.restart_with_snapshot(name),
                    false => self.world.restart(name),
                }
                self.note_start(name);
            }
            "kill" => self.world.kill(step.word()),
            _ => self.world.tell(&cluster(step.word()), Input::Stop),
        }
        Vec::new()
    }

    /// `replica NAME of CLUSTER`: its Nacos has what that of the gateway with the cluster's name has, or nothing.
    fn replica(&mut self, step: &mut Step<'_>) {
        let name = step.word();
        if !step.takes("of") {
            step.wrong("of");
        }
        let of = step.word();
        let of_cluster = self.world.gateways.get(&cluster(of)).map(|gateway| gateway.nacos.services.clone());
        let services = if step.takes("with-empty-nacos") { None } else { of_cluster };
        let up = !step.takes("without-nacos");
        let nacos = Nacos { up, reads_allowed: true, services: services.unwrap_or_default(), ..Nacos::default() };
        self.world.start_replica(&cluster(name), &cluster(of), nacos);
        self.note_start(name);
    }

    fn note_start(&mut self, name: &str) {
        let name = cluster(name);
        self.names.started(&name, &self.world.gateways[&name].core);
    }

    fn nacos(&mut self, verb: &str, step: &mut Step<'_>) -> Vec<String> {
        let at = step.word();
        if verb == "nacos" {
            match step.word() {
                "cut" => self.world.cut_nacos(at),
                "back" => self.world.nacos(at).up = true,
                "restarts" => self.world.restart_nacos(at),
                "fills" => self.world.clients_register_anew(at),
                "forbids-reads" => self.world.nacos(at).reads_allowed = false,
                _ => step.wrong("cut, back, restarts, fills or forbids-reads"),
            }
            return Vec::new();
        }
        let service = step.service();
        let value = (verb == "register").then(|| value(step));
        for id in ids(step) {
            self.world.set(at, &service, &id, value.clone());
        }
        Vec::new()
    }

    /// What stands in the log by the hand of somebody else, or of a gateway long ago.
    fn records(&mut self, verb: &str, step: &mut Step<'_>) -> Vec<String> {
        match verb {
            "record" => self.record(step),
            "checkpoint" => self.checkpoint(step),
            "census" => self.census(step),
            "beat" => self.beat(step),
            "late" => {
                let of = step.word();
                let back: usize = step.number("back", 1);
                let sent = &self.sent[&cluster(of)];
                let outgoing = sent[sent.len() - back].clone();
                let origin = self.world.gateways.get(&cluster(of)).map_or(cluster(of), |it| it.cluster.clone());
                let origin = step.option("in").map_or(origin, cluster);
                let place = PartitionId { origin, topic: outgoing.topic, partition: outgoing.partition };
                push(&mut self.world.log, place, RecordKey::Data(outgoing.key), outgoing.body, outgoing.header);
            }
            _ => {
                let place = step.place();
                let (from, to): (usize, usize) = (step.number("from", 0), step.number("to", 0));
                let records = self.world.log.data[&place][from..to].to_vec();
                for record in records {
                    let header = record.header.expect("all of them have one");
                    push(&mut self.world.log, place.clone(), record.key, record.body, header);
                }
            }
        }
        Vec::new()
    }

    fn header(&self, step: &mut Step<'_>) -> RecordHeader {
        let by = step.option("by").unwrap_or("1");
        let Some(nonce) = self.names.nonce(by) else { step.wrong(&format!("nobody is called {by}")) };
        let epoch = Epoch { term: step.number("term", 0), nonce };
        RecordHeader { schema: 1, epoch, seq: step.number("seq", 1), observed: self.world.clocks().wall }
    }

    fn record(&mut self, step: &mut Step<'_>) {
        let of = step.word();
        let service = step.service();
        let id = {
            let word = step.word();
            step.instance_of(word)
        };
        let header = self.header(step);
        let body = match () {
            () if step.takes("gone") => RecordBody::Tombstone,
            () if step.takes("unreadable") => RecordBody::Unreadable,
            () => RecordBody::Instance(Arc::new(value(step))),
        };
        let key = DataKey::Instance(service, id);
        let hashed =
            PartitionId { origin: cluster(of), topic: TopicKind::Instances, partition: key.partition(PARTITIONS) };
        let place = step.option("in").map_or(hashed, |place| step.partition_of(of, place));
        push(&mut self.world.log, place, RecordKey::Data(key), body, header);
    }

    /// States what stands in the partition, or in its first `up-to` records, or `more` keys than that.
    fn checkpoint(&mut self, step: &mut Step<'_>) {
        let place = step.place();
        let header = self.header(step);
        let mut last = BTreeMap::new();
        let up_to: usize = step.number("up-to", usize::MAX);
        for record in self.world.log.data.get(&place).into_iter().flatten().take(up_to) {
            if let RecordKey::Data(key) = &record.key {
                last.insert(key.clone(), (record.body != RecordBody::Tombstone).then_some(record.digest));
            }
        }
        let digests: Vec<u128> = last.into_values().flatten().collect();
        let count = u64::try_from(digests.len()).unwrap().saturating_add_signed(step.number("more", 0));
        let digest = digests.into_iter().fold(0, u128::wrapping_add);
        let stated = Checkpoint { count, digest, beat: step.number("beat", 1), partitions: PARTITIONS };
        push(&mut self.world.log, place, RecordKey::Checkpoint, RecordBody::Checkpoint(stated), header);
    }

    /// Lists what stands in the partition, or in its first `up-to` records.
    fn census(&mut self, step: &mut Step<'_>) {
        let place = step.place();
        let header = self.header(step);
        let mut last = BTreeMap::new();
        let up_to: usize = step.number("up-to", usize::MAX);
        for record in self.world.log.data.get(&place).into_iter().flatten().take(up_to) {
            if let RecordKey::Data(key) = &record.key {
                last.insert(key.clone(), record.body != RecordBody::Tombstone);
            }
        }
        let present = last.into_iter().filter(|(_, present)| *present);
        let hashes = present.map(|(key, _)| federation_core::log::census::key_hash(&key)).collect();
        for (at, (bucket, census)) in (0..).zip(Census::of_partition(hashes)) {
            let header = RecordHeader { seq: header.seq + at, ..header };
            push(&mut self.world.log, place.clone(), RecordKey::Census(bucket), RecordBody::Census(census), header);
        }
    }

    fn beat(&mut self, step: &mut Step<'_>) {
        let of = step.word();
        let header = self.header(step);
        let state = match step.option("state").unwrap_or("leader") {
            "leader" => ReplicaState::Leader,
            "standby" => ReplicaState::Standby,
            "stopped" => ReplicaState::Stopped,
            other => step.wrong(&format!("{other} is not a state")),
        };
        let nonce = header.epoch.nonce;
        let beat = replica(nonce, header.epoch.term, step.number("beat", 1));
        let value = Some(ControlValue::Replica(federation_core::log::control::ReplicaRecord { state, ..beat }));
        let records = self.world.log.control.entry(cluster(of)).or_default();
        let offset = u64::try_from(records.len()).unwrap();
        records.push(ControlRecord {
            offset,
            key: ControlKey::Replica(nonce),
            header: Some(header),
            value,
            signed: Default::default(),
        });
    }

    fn time(&mut self, verb: &str, step: &mut Step<'_>) -> Vec<String> {
        match verb {
            "pause" => drop(self.world.log.paused.insert(cluster(step.word()))),
            "wake" => drop(self.world.log.paused.remove(&cluster(step.word()))),
            "skip" => self.world.now += step.time(),
            _ if step.takes("until") => return self.run_until(step),
            _ => self.world.run(step.time()),
        }
        Vec::new()
    }

    fn run_until(&mut self, step: &mut Step<'_>) -> Vec<String> {
        let (name, began) = (cluster(step.word()), self.world.now);
        let word = step.word();
        while !is(self.world.gateways[&name].core.role(), word) {
            if self.world.now >= began + WAIT_MS {
                step.wrong(&format!("it never comes to that: {name} {word}"));
            }
            self.world.run(STEP);
        }
        Vec::new()
    }

    fn drain(&mut self, step: &mut Step<'_>) -> Vec<String> {
        let at = cluster(step.word());
        let target = step.value();
        let percent: u8 = step.value();
        let Some(percent) = Percent::new(percent) else { step.wrong("0 to 100 percent") };
        let over = step.option("over").map_or(0, |over| step.time_of(over));
        let (guard, who, why) = (DrainGuard::default(), "ann".into(), "maintenance".into());
        self.orders += 1;
        let order = DrainOrder { target, percent, over: Millis(over), guard, who, why, giver: Default::default() };
        self.world.tell(&at, Input::Order(OperatorOrder::Drain { id: OrderId(self.orders), order }));
        Vec::new()
    }

    /// What befalls the log, or how a gateway meets it.
    fn log(&mut self, verb: &str, step: &mut Step<'_>) -> Vec<String> {
        match verb {
            "log" => self.world.log.up = step.takes("up") || !step.takes("down"),
            "deaf" => drop(self.world.log.deaf.insert(cluster(step.word()))),
            "hears" => drop(self.world.log.deaf.remove(&cluster(step.word()))),
            "unfetched" => drop(self.world.log.no_fetch.insert(cluster(step.word()))),
            "fetched" => drop(self.world.log.no_fetch.remove(&cluster(step.word()))),
            "unanswered" => drop(self.world.log.no_ends.insert(cluster(step.word()))),
            "answered" => drop(self.world.log.no_ends.remove(&cluster(step.word()))),
            "refuses" => drop(self.world.log.refuses.insert(cluster(step.word()))),
            "takes" => drop(self.world.log.refuses.remove(&cluster(step.word()))),
            "swallows-control" => self.world.log.swallows_control = true,
            "takes-control" => self.world.log.swallows_control = false,
            "fail" => self.world.log.refuse_next = step.value(),
            "mute" => drop(self.world.log.mute.insert(step.place())),
            "speaks" => drop(self.world.log.mute.remove(&step.place())),
            "compact" => self.compact(&cluster(step.word())),
            "recreate" => match step.word() {
                "control" => self.world.recreate_control(step.word()),
                _ => self.world.recreate_data(step.word()),
            },
            "truncate" => self.truncate(step),
            "another-kafka" => self.world.log.kafka += 1,
            "hide-ids" => self.world.log.hides_ids = true,
            "clock" => {
                let forward = step.takes("forward");
                if !forward && !step.takes("back") {
                    step.wrong("forward or back");
                }
                let length = i64::try_from(step.time()).unwrap();
                self.world.wall_step += if forward { length } else { -length };
            }
            "anew" => {
                let at = step.word();
                let place = step.place();
                self.world.begin_anew(at, &place);
            }
            "end" => self.end(step),
            "producer-replaced" => self.world.tell(&cluster(step.word()), Input::Log(LogInput::ProducerReplaced)),
            "catalog" => {
                let at = cluster(step.word());
                let services = step.rest().into_iter().map(|name| step.service_of(name)).collect();
                let input = LocalInput::Catalog { namespace: "public".into(), services };
                self.world.tell(&at, Input::Local(input));
            }
            _ => step.wrong(&format!("nobody knows what {verb} means")),
        }
        Vec::new()
    }

    /// Whoever reads a data topic of the cluster from its beginning meets only the last record of each key, and no tombstone.
    fn compact(&mut self, of: &ClusterId) {
        let lengths = self.world.log.data.iter().filter(|(place, _)| place.origin == *of);
        let lengths: Vec<_> = lengths.map(|(place, records)| (place.clone(), records.len())).collect();
        self.world.log.compacted.extend(lengths);
    }

    /// So many records at the end of a partition are lost, and all readers begin it anew.
    fn truncate(&mut self, step: &mut Step<'_>) {
        let place = step.place();
        let lost: usize = step.number("lost", 0);
        match place.topic {
            TopicKind::Control => {
                let records = self.world.log.control.get_mut(&place.origin).unwrap();
                records.truncate(records.len() - lost);
            }
            TopicKind::Instances | TopicKind::Configs => {
                let records = self.world.log.data.get_mut(&place).unwrap();
                records.truncate(records.len() - lost);
            }
        }
        for name in self.world.gateways.keys().cloned().collect::<Vec<_>>() {
            self.world.begin_anew(name.as_str(), &place);
        }
    }

    /// A gateway is told where a partition ends, in answer to a question that it put so long `ago`: where it ends now, or so many records
    /// further on, or so many before.
    fn end(&mut self, step: &mut Step<'_>) {
        let at = cluster(step.word());
        let partition = step.place();
        let has = match partition.topic {
            TopicKind::Control => self.world.log.control[&partition.origin].len(),
            TopicKind::Instances | TopicKind::Configs => self.world.log.data.get(&partition).map_or(0, Vec::len),
        };
        let end = u64::try_from(has).unwrap().saturating_add_signed(step.number("more", 0));
        let ago = step.option("ago").map_or(0, |ago| step.time_of(ago));
        let asked = Mono(self.world.now - ago);
        self.world.tell(&at, Input::Log(LogInput::EndAnswer { partition, end, asked }));
    }
}

fn ids(step: &mut Step<'_>) -> Vec<InstanceId> {
    let many: u64 = step.number("many", 0);
    let counted = (0..many).map(|n| InstanceId::new(&format!("10.1.{}.{}", n / 250, n % 250), 80, "DEFAULT"));
    step.rest().into_iter().map(|text| step.instance_of(text)).chain(counted).collect()
}

/// `weight=2 health=unhealthy enabled=false`, each with its usual value where it is left out.
fn value(step: &mut Step<'_>) -> Instance {
    let usual = instance(step.number("weight", 1.0), step.number("enabled", true));
    let health = match step.option("health").unwrap_or("healthy") {
        "healthy" => Health::Healthy,
        "unhealthy" => Health::Unhealthy,
        _ => Health::Unknown,
    };
    Instance { health, ..usual }
}

fn is(role: ReplicaRole, word: &str) -> bool {
    match role {
        ReplicaRole::Standby => word == "waits",
        ReplicaRole::Asking(_) => word == "asks",
        ReplicaRole::Claiming { .. } => word == "claims",
        ReplicaRole::Leading => word == "leads",
        ReplicaRole::HandedOver { .. } => word == "handed-over",
        ReplicaRole::Stopped => word == "stopped",
    }
}
