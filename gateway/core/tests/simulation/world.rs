//! A federation in memory: Nacos deployments, a log, and real cores between them, under a virtual clock and one seed.
//!
//! The log fails sends (landed or not), is late, and compacts. A Nacos is cut off, and comes back with lists that fill up slowly.

#[path = "world/parts.rs"] // Named, because the examples name this file by its path as well.
mod parts;
#[path = "world/places.rs"]
mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use federation_core::comparison::ComparisonRefused;
use federation_core::drains::TakenOrder;
use federation_core::federation::{Federation, FederationSettings, ImportRules, RecordDigest};
use federation_core::guard::{GuardRefused, GuardSettings, GuardTaken};
use federation_core::id::{ClusterId, InstanceId, ServiceKey};
use federation_core::input::{
    ConfigReading, Effect, Input, LocalInput, LogInput, OutgoingRecord, ReplicaIdentity, SendId, ServiceReading,
};
use federation_core::instance::{Health, Instance, Metadata, Weight};
use federation_core::intents::DrainRefused;
use federation_core::local::service::RemovalPatience;
use federation_core::log::belonging::{AdoptRefused, Adopted};
use federation_core::log::control::Descriptor;
use federation_core::log::cursor::{CursorRefused, LogCursor, LogSource};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{
    Checkpoint, ControlRecord, Epoch, PartitionId, Record, RecordBody, RecordHeader, TopicKind,
};
use federation_core::pattern::NameSelection;
use federation_core::pulse::FreshnessSettings;
use federation_core::routing::Damping;
use federation_core::seed::Seed;
use federation_core::service::ClusterStatus;
use federation_core::time::{Millis, Mono, Now, WallMs};
use xxhash_rust::xxh3::xxh3_128;

pub(crate) use parts::{Dice, Log, Nacos};

pub(crate) const PARTITIONS: u32 = 2;
pub(crate) const STEP: u64 = 50;

pub(crate) struct Gateway {
    pub(crate) cluster: ClusterId,
    pub(crate) core: Federation,
    pub(crate) nacos: Nacos,
    watched: BTreeSet<ServiceKey>,
    dirty: BTreeSet<ServiceKey>,
    cursors: BTreeMap<PartitionId, usize>,
    connected: bool,
    answers: Vec<Input>,
    /// Partitions whose reader was asked to begin anew.
    anew: Vec<PartitionId>,
    /// Places of the snapshot, until the log is there.
    cursors_kept: Vec<(PartitionId, LogCursor)>,
    /// Why some of them were not read on from.
    pub(crate) refused: Vec<CursorRefused>,
    /// Places of the snapshot that were found to be in the same log, and are not told yet.
    read_on: Vec<(PartitionId, u64)>,
    /// Of which topic each partition was last told to be.
    told_sources: BTreeMap<PartitionId, LogSource>,
    /// Sends that were reported as failed and land when the log is up again.
    limbo: Vec<OutgoingRecord>,
    pub(crate) data_sends: usize,
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) dice: Dice,
    pub(crate) log: Log,
    pub(crate) gateways: BTreeMap<ClusterId, Gateway>,
    pub(crate) faults: bool,
    /// What became of the last order.
    pub(crate) answer: Option<Result<TakenOrder, DrainRefused>>,
    /// What became of the last order to adopt.
    pub(crate) adopted: Option<Result<Adopted, AdoptRefused>>,
    /// What became of the last decision about a hold.
    pub(crate) guard_answer: Option<Result<GuardTaken, GuardRefused>>,
    pub(crate) compared: Option<Result<u64, ComparisonRefused>>,
    /// What gateways that start from now on take for a mass loss.
    pub(crate) guard: GuardSettings,
    /// What the hash maps of all gateways are seeded with.
    hashed_with: Seed,
    /// Digest of all effects so far, each with when and whose it was.
    pub(crate) effects: u128,
    /// How often a partition was read anew because the core asked for it.
    pub(crate) read_anew: usize,
    /// How far the wall clocks were set, ms.
    pub(crate) wall_step: i64,
    /// Whether each effect is printed as well.
    pub(crate) told: bool,
    /// Effects with when and whose they were, if somebody wants them; emptied by whoever reads them.
    pub(crate) kept: Option<Vec<(u64, ClusterId, Effect)>>,
}

pub(crate) fn cluster(name: &str) -> ClusterId {
    name.parse().unwrap()
}

pub(crate) fn service(name: &str) -> ServiceKey {
    ServiceKey::new("public", "DEFAULT_GROUP", name)
}

pub(crate) fn instance(weight: f64, enabled: bool) -> Instance {
    Instance {
        weight: Weight::try_from(weight).unwrap(),
        health: Health::Healthy,
        enabled,
        ephemeral: true,
        metadata: Metadata::default(),
    }
}

pub(crate) fn id(last: u64) -> InstanceId {
    InstanceId::new(&format!("10.0.0.{last}"), 80, "DEFAULT")
}

pub(crate) fn core(name: &ClusterId, nonce: u32) -> Federation {
    core_of(name, nonce, Seed(1), GuardSettings::default(), plain_descriptor())
}

fn plain_descriptor() -> Descriptor {
    Descriptor { partitions: PARTITIONS, generation: 1, reads_schema: 2, ..Descriptor::default() }
}

fn core_of(name: &ClusterId, nonce: u32, seed: Seed, guard: GuardSettings, descriptor: Descriptor) -> Federation {
    Federation::new(FederationSettings { guard, descriptor, ..settings(name, nonce, seed) })
}

pub(crate) fn settings(name: &ClusterId, nonce: u32, seed: Seed) -> FederationSettings {
    let (guard, descriptor) = (GuardSettings::default(), plain_descriptor());
    FederationSettings {
        identity: ReplicaIdentity { cluster: name.clone(), nonce, name: "r".into(), advertised: "".into() },
        descriptor,
        patience: RemovalPatience { removal_hold: Millis::from_secs(15), sweep_interval: Millis::from_secs(600) },
        beat: Millis::from_secs(1),
        freshness: FreshnessSettings { stale_after: Millis::from_secs(10), lost_after: Millis::from_secs(60) },
        damping: Damping::default(),
        guard,
        export: NameSelection::everything(),
        import: ImportRules::everything(),
        intents: federation_core::orders::rules::IntentRules::default(),
        bounds: federation_core::log::bounds::OriginBounds::default(),
        census: federation_core::federation::CensusPace::default(),
        digest: RecordDigest::new(|outgoing| digest(&RecordKey::Data(outgoing.key.clone()), &outgoing.body)),
        seed,
    }
}

impl World {
    pub(crate) fn new(seed: u64, names: &[&str]) -> Self {
        Self::hashed(seed, names, Seed(1))
    }

    pub(crate) fn hashed(seed: u64, names: &[&str], hashed_with: Seed) -> Self {
        let mut world = Self {
            now: 0,
            dice: Dice(seed),
            log: Log { up: true, ..Log::default() },
            gateways: BTreeMap::new(),
            faults: false,
            answer: None,
            adopted: None,
            guard_answer: None,
            compared: None,
            guard: GuardSettings::default(),
            hashed_with,
            effects: 0,
            read_anew: 0,
            wall_step: 0,
            told: false,
            kept: None,
        };
        for name in names {
            let nacos = Nacos { up: true, reads_allowed: true, ..Nacos::default() };
            world.start(&cluster(name), nacos);
        }
        world
    }

    /// Starts a gateway, or starts it anew with nothing but its Nacos and the log.
    pub(crate) fn start(&mut self, name: &ClusterId, nacos: Nacos) {
        self.start_replica(name, name, nacos);
    }

    /// Starts one of several gateways of a cluster, under a name of its own.
    pub(crate) fn start_replica(&mut self, name: &ClusterId, of: &ClusterId, nacos: Nacos) {
        self.start_described(name, of, nacos, plain_descriptor());
    }

    /// As [`World::start_replica`], configured to be this.
    pub(crate) fn start_described(&mut self, name: &ClusterId, of: &ClusterId, nacos: Nacos, descriptor: Descriptor) {
        let nonce = u32::try_from(self.dice.roll(1 << 31)).unwrap();
        let gateway = Gateway {
            cluster: of.clone(),
            core: core_of(of, nonce, self.hashed_with, self.guard, descriptor),
            nacos,
            watched: BTreeSet::new(),
            dirty: BTreeSet::new(),
            cursors: BTreeMap::new(),
            connected: false,
            answers: Vec::new(),
            anew: Vec::new(),
            cursors_kept: Vec::new(),
            refused: Vec::new(),
            read_on: Vec::new(),
            told_sources: BTreeMap::new(),
            limbo: Vec::new(),
            data_sends: 0,
        };
        self.gateways.insert(name.clone(), gateway);
        self.log.control.entry(of.clone()).or_default();
    }

    /// Ends a gateway without a last word.
    pub(crate) fn kill(&mut self, name: &str) {
        self.gateways.remove(&cluster(name)).unwrap();
    }

    pub(crate) fn restart(&mut self, name: &str) {
        let name = cluster(name);
        let old = self.gateways.remove(&name).unwrap();
        self.start_replica(&name, &old.cluster, old.nacos);
    }

    pub(crate) fn control_of(&self, of: &str) -> PartitionId {
        PartitionId { origin: cluster(of), topic: TopicKind::Control, partition: 0 }
    }

    /// A control topic was deleted and created again, empty.
    pub(crate) fn recreate_control(&mut self, of: &str) {
        self.log.control.insert(cluster(of), Vec::new());
        let place = self.control_of(of);
        for name in self.gateways.keys().cloned().collect::<Vec<_>>() {
            self.gateways.get_mut(&name).unwrap().cursors.remove(&place);
            self.tell(&name, Input::Log(LogInput::Restarted(place.clone())));
        }
    }

    /// The data topics of a cluster were deleted and created again, empty.
    pub(crate) fn recreate_data(&mut self, of: &str) {
        for topic in TopicKind::DATA {
            for partition in 0..PARTITIONS {
                let place = PartitionId { origin: cluster(of), topic, partition };
                self.log.data.remove(&place);
                *self.log.lives.entry(place.clone()).or_default() += 1;
                for name in self.gateways.keys().cloned().collect::<Vec<_>>() {
                    let gateway = self.gateways.get_mut(&name).unwrap();
                    gateway.cursors.remove(&place);
                    gateway.told_sources.remove(&place);
                    self.tell(&name, Input::Log(LogInput::Restarted(place.clone())));
                }
            }
        }
    }

    /// A gateway's reader begins a partition anew.
    pub(crate) fn begin_anew(&mut self, at: &str, place: &PartitionId) {
        let gateway = self.gateways.get_mut(&cluster(at)).unwrap();
        gateway.cursors.remove(place);
        gateway.told_sources.remove(place);
        self.tell(&cluster(at), Input::Log(LogInput::Restarted(place.clone())));
    }

    pub(crate) fn nacos(&mut self, name: &str) -> &mut Nacos {
        &mut self.gateways.get_mut(&cluster(name)).unwrap().nacos
    }

    /// Changes an instance in a Nacos; `None` deregisters it. Nacos pushes at once.
    pub(crate) fn set(&mut self, name: &str, key: &ServiceKey, id: &InstanceId, value: Option<Instance>) {
        let gateway = self.gateways.get_mut(&cluster(name)).unwrap();
        let instances = gateway.nacos.services.entry(key.clone()).or_default();
        match value {
            Some(value) => drop(instances.insert(id.clone(), value)),
            None => drop(instances.remove(id)),
        }
        gateway.dirty.insert(key.clone());
    }

    /// Nacos restarts: every client has to register anew before it is listed again.
    pub(crate) fn restart_nacos(&mut self, name: &str) {
        let gateway = self.gateways.get_mut(&cluster(name)).unwrap();
        let services = &gateway.nacos.services;
        let all = services.iter().flat_map(|(key, instances)| instances.keys().map(|id| (key.clone(), id.clone())));
        gateway.nacos.away = all.collect();
        gateway.connected = false;
        self.tell(&cluster(name), Input::Local(LocalInput::Disconnected { reason: "restart".into() }));
    }

    pub(crate) fn clients_register_anew(&mut self, name: &str) {
        let gateway = self.gateways.get_mut(&cluster(name)).unwrap();
        gateway.nacos.away.clear();
        gateway.dirty.extend(gateway.watched.iter().cloned());
    }

    pub(crate) fn cut_nacos(&mut self, name: &str) {
        let gateway = self.gateways.get_mut(&cluster(name)).unwrap();
        gateway.nacos.up = false;
        gateway.connected = false;
        self.tell(&cluster(name), Input::Local(LocalInput::Disconnected { reason: "cut".into() }));
    }

    pub(crate) fn run(&mut self, millis: u64) {
        let until = self.now + millis;
        while self.now < until {
            self.now += STEP;
            for name in self.gateways.keys().cloned().collect::<Vec<_>>() {
                if !self.log.paused.contains(&name) {
                    self.turn(&name);
                }
            }
        }
    }

    /// Instances of a service that a gateway shows of an origin.
    pub(crate) fn shown(&mut self, at: &str, origin: &str, key: &ServiceKey) -> BTreeMap<InstanceId, Instance> {
        let core = &mut self.gateways.get_mut(&cluster(at)).unwrap().core;
        let Some(service) = core.service(key) else { return BTreeMap::new() };
        let of_origin = service.origins.into_iter().filter(|found| found.origin.as_str() == origin);
        let instances = of_origin.flat_map(|found| found.instances);
        instances.map(|found| (found.id, Instance::clone(&found.instance))).collect()
    }

    /// What routing takes an instance for, and what its origin says.
    pub(crate) fn health(&mut self, at: &str, origin: &str, key: &ServiceKey, id: &InstanceId) -> (Health, Health) {
        let core = &mut self.gateways.get_mut(&cluster(at)).unwrap().core;
        let origins = core.service(key).unwrap().origins;
        let instances = origins.into_iter().find(|found| found.origin.as_str() == origin).unwrap().instances;
        let found = instances.into_iter().find(|found| found.id == *id).unwrap();
        (found.effective, found.instance.health)
    }

    fn turn(&mut self, name: &ClusterId) {
        self.turn_nacos(name);
        self.turn_log(name);
        self.tell(name, Input::Tick);
    }

    fn turn_nacos(&mut self, name: &ClusterId) {
        let gateway = self.gateways.get_mut(name).unwrap();
        if !gateway.nacos.up {
            return;
        }
        let mut inputs = std::mem::take(&mut gateway.answers);
        if !gateway.connected {
            gateway.connected = true;
            gateway.dirty.extend(gateway.watched.iter().cloned());
            inputs.insert(0, Input::Local(LocalInput::Connected));
        }
        for key in gateway.nacos.services.keys() {
            inputs.push(Input::Local(LocalInput::Discovered(key.clone())));
        }
        for key in std::mem::take(&mut gateway.dirty) {
            if gateway.watched.contains(&key) {
                let instances = gateway.nacos.enabled(&key);
                inputs.push(Input::Local(LocalInput::Listed { service: key, instances, protected: false }));
            }
        }
        inputs.push(Input::Local(LocalInput::Answered));
        for input in inputs {
            self.tell(name, input);
        }
    }

    fn turn_log(&mut self, name: &ClusterId) {
        if !self.log.up {
            return;
        }
        for outgoing in std::mem::take(&mut self.gateways.get_mut(name).unwrap().limbo) {
            self.append(name, outgoing);
        }
        if self.log.deaf.contains(name) {
            return;
        }
        for place in std::mem::take(&mut self.gateways.get_mut(name).unwrap().anew) {
            let gateway = self.gateways.get_mut(name).unwrap();
            gateway.cursors.remove(&place);
            gateway.told_sources.remove(&place);
            self.tell(name, Input::Log(LogInput::ReadAnew(place)));
        }
        let members = self.log.control.keys().map(|id| (id.clone(), PARTITIONS)).collect();
        self.tell(name, Input::Log(LogInput::Members(members)));
        self.judge_cursors(name);
        for (partition, next_offset) in std::mem::take(&mut self.gateways.get_mut(name).unwrap().read_on) {
            let cursor = usize::try_from(next_offset).unwrap();
            self.gateways.get_mut(name).unwrap().cursors.insert(partition.clone(), cursor);
            self.tell(name, Input::Log(LogInput::ReadsOn { partition, next_offset }));
        }
        for origin in self.log.control.keys().cloned().collect::<Vec<_>>() {
            for topic in TopicKind::ALL {
                let count = if topic == TopicKind::Control { 1 } else { PARTITIONS };
                for partition in 0..count {
                    if !(self.faults && self.dice.one_in(3)) {
                        self.hand_over(name, PartitionId { origin: origin.clone(), topic, partition });
                    }
                }
            }
        }
    }

    fn hand_over(&mut self, name: &ClusterId, place: PartitionId) {
        if self.log.no_fetch.contains(name) || self.log.mute.contains(&place) {
            let end = if place.topic == TopicKind::Control {
                self.log.control[&place.origin].len()
            } else {
                self.log.data.get(&place).map_or(0, Vec::len)
            };
            let end = u64::try_from(end).unwrap();
            return self.tell(name, Input::Log(LogInput::EndOffset { partition: place, end }));
        }
        let turn = self.log.turn;
        let purged = self.log.purged.get(&place).copied().unwrap_or(0);
        let gateway = self.gateways.get_mut(name).unwrap();
        let cursor = gateway.cursors.entry(place.clone()).or_default();
        if place.topic != TopicKind::Control {
            *cursor = purged.max(*cursor);
        }
        let from = *cursor;
        let mut inputs = Vec::new();
        let end = if place.topic == TopicKind::Control {
            let records = &self.log.control[&place.origin];
            *cursor = records.len();
            let records = records[from..].to_vec();
            if !records.is_empty() {
                inputs.push(LogInput::Control { origin: place.origin.clone(), records });
            }
            *cursor
        } else {
            let records = self.log.data.get(&place).map_or(&[][..], |records| &records[from..]);
            let records = &records[..records.len().min(turn.unwrap_or(usize::MAX))];
            *cursor += records.len();
            let below = if from == 0 { self.log.compacted.get(&place).copied().unwrap_or(0) } else { 0 };
            let all = self.log.data.get(&place).map_or(&[][..], |records| &records[..]);
            let last: BTreeMap<String, u64> = if below > 0 {
                all.iter().map(|it| (format!("{:?}", it.key), it.offset)).collect()
            } else {
                BTreeMap::new()
            };
            let stays = |it: &&Record| {
                let low = usize::try_from(it.offset).unwrap() < below;
                !low || (last[&format!("{:?}", it.key)] == it.offset && it.body != RecordBody::Tombstone)
            };
            let records: Vec<Record> = records.iter().filter(stays).cloned().collect();
            if !records.is_empty() {
                inputs.push(LogInput::Records { partition: place.clone(), records });
            }
            *cursor
        };
        let end = u64::try_from(end).unwrap();
        let total = self.log.data.get(&place).map_or(0, Vec::len);
        let source = self.log.source_of(&place);
        if place.topic != TopicKind::Control && gateway.told_sources.get(&place) != Some(&source) {
            gateway.told_sources.insert(place.clone(), source.clone());
            inputs.push(LogInput::Source { partition: place.clone(), source });
        }
        if place.topic == TopicKind::Control || usize::try_from(end).unwrap() == total {
            inputs.push(LogInput::AtEnd { partition: place.clone(), next_offset: end });
        }
        let of_data = place.topic != TopicKind::Control;
        if !(self.log.no_ends.contains(name) || of_data && self.log.no_ends_of_data.contains(name)) {
            let end = if place.topic == TopicKind::Control { end } else { u64::try_from(total).unwrap() };
            inputs.push(LogInput::EndOffset { partition: place, end });
        }
        for input in inputs {
            self.tell(name, Input::Log(input));
        }
    }

    pub(crate) fn clocks(&self) -> Now {
        let wall = (1_000_000 + self.now).saturating_add_signed(self.wall_step);
        Now { mono: Mono(self.now), wall: WallMs(wall) }
    }

    pub(crate) fn tell(&mut self, name: &ClusterId, input: Input) {
        let now = self.clocks();
        let gateway = self.gateways.get_mut(name).unwrap();
        let effects = gateway.core.step(now, input);
        for effect in effects {
            let line = format!("{:>9} {name}: {effect:?}", now.mono.0);
            self.effects = xxh3_128(format!("{:x}{line}", self.effects).as_bytes());
            if self.told {
                println!("{line}");
            }
            if let Some(kept) = &mut self.kept {
                kept.push((self.now, name.clone(), effect.clone()));
            }
            self.act(name, effect);
        }
    }

    /// All clusters as a gateway judges them now.
    pub(crate) fn clusters(&mut self, at: &str) -> Vec<ClusterStatus> {
        self.tell(&cluster(at), Input::Look);
        self.gateways[&cluster(at)].core.clusters()
    }

    fn act(&mut self, name: &ClusterId, effect: Effect) {
        let gateway = self.gateways.get_mut(name).unwrap();
        match effect {
            Effect::Send(outgoing) => self.send(name, outgoing),
            Effect::Checkpoint { topic, partition, stated } => {
                let place = PartitionId { origin: gateway.cluster.clone(), topic, partition };
                if self.log.refuses.contains(&gateway.cluster) {
                    return;
                }
                let lie = u64::from(self.log.misstates.contains(&gateway.cluster));
                let checkpoint = Checkpoint { count: stated.checkpoint.count + lie, ..stated.checkpoint };
                let body = RecordBody::Checkpoint(checkpoint);
                push(&mut self.log, place, RecordKey::Checkpoint, body, stated.header);
            }
            Effect::Census { topic, partition, stated } => {
                let place = PartitionId { origin: gateway.cluster.clone(), topic, partition };
                let (key, body) = (RecordKey::Census(stated.bucket), RecordBody::Census(stated.census));
                push(&mut self.log, place, key, body, stated.header);
            }
            Effect::Control { key, value, header } if self.log.up && !self.log.swallows_control => {
                let records = self.log.control.get_mut(&gateway.cluster).unwrap();
                let offset = u64::try_from(records.len()).unwrap();
                let signed = self.log.signed;
                records.push(ControlRecord { offset, key, header: Some(header), value, signed });
            }
            Effect::Answer { outcome, .. } => self.answer = Some(outcome),
            Effect::Adopted { outcome, .. } => self.adopted = Some(outcome),
            Effect::GuardAnswer { outcome, .. } => self.guard_answer = Some(outcome),
            Effect::ComparisonBegun { outcome, .. } => self.compared = Some(outcome),
            Effect::WatchService(key) => {
                gateway.watched.insert(key.clone());
                gateway.dirty.insert(key);
            }
            Effect::UnwatchService(key) => drop(gateway.watched.remove(&key)),
            Effect::ReadService(key) if gateway.nacos.up => {
                let reading = if gateway.nacos.reads_allowed {
                    ServiceReading::All(gateway.nacos.all(&key))
                } else {
                    ServiceReading::EnabledOnly { instances: gateway.nacos.enabled(&key), protected: false }
                };
                gateway.answers.push(Input::Local(LocalInput::Read { service: key, reading }));
            }
            Effect::QueryService(key) => drop(gateway.dirty.insert(key)),
            Effect::ReadConfig(key) => {
                gateway.answers.push(Input::Local(LocalInput::Config { key, reading: ConfigReading::Failed }));
            }
            Effect::ReadAnew(place) => {
                gateway.anew.push(place);
                self.read_anew += 1;
            }
            Effect::Control { .. } | Effect::ReadService(_) | Effect::Purge | Effect::AskEnd(_) => {}
        }
    }

    fn send(&mut self, name: &ClusterId, outgoing: OutgoingRecord) {
        let (fails, lands) = if self.faults || !self.log.up {
            (!self.log.up || self.dice.one_in(4), self.dice.one_in(2))
        } else {
            (false, true)
        };
        let refused = self.log.refuses.contains(&self.gateways[name].cluster);
        let refused = refused || self.log.refused_keys.contains(&outgoing.key);
        let once = self.log.refuse_next > 0;
        self.log.refuse_next -= usize::from(once);
        let (fails, lands) = if refused || once { (true, false) } else { (fails, lands) };
        let gateway = self.gateways.get_mut(name).unwrap();
        gateway.data_sends += 1;
        if fails {
            gateway.answers.push(Input::Log(LogInput::SendFailed(SendId(outgoing.header.seq))));
            if lands {
                gateway.limbo.push(outgoing);
            }
        } else {
            self.append(name, outgoing);
        }
    }

    fn append(&mut self, name: &ClusterId, outgoing: OutgoingRecord) {
        let origin = self.gateways[name].cluster.clone();
        let place = PartitionId { origin, topic: outgoing.topic, partition: outgoing.partition };
        push(&mut self.log, place, RecordKey::Data(outgoing.key), outgoing.body, outgoing.header);
    }
}

/// Appends a record to a data partition, whoever wrote it.
pub(crate) fn push(log: &mut Log, place: PartitionId, key: RecordKey, body: RecordBody, header: RecordHeader) {
    let records = log.data.entry(place).or_default();
    let offset = u64::try_from(records.len()).unwrap();
    let digest = digest(&key, &body);
    records.push(Record { offset, key, header: Some(header), body, digest });
}

pub(crate) fn digest(key: &RecordKey, body: &RecordBody) -> u128 {
    xxh3_128(format!("{key:?}{body:?}").as_bytes())
}

/// A record that some other writer puts into a cluster's log.
pub(crate) fn foreign(world: &mut World, name: &str, key: DataKey, instance: Instance, term: u32) {
    let place =
        PartitionId { origin: cluster(name), topic: TopicKind::Instances, partition: key.partition(PARTITIONS) };
    let header = RecordHeader { schema: 1, epoch: Epoch { term, nonce: 1 }, seq: 1, observed: WallMs(0) };
    push(&mut world.log, place, RecordKey::Data(key), RecordBody::Instance(Arc::new(instance)), header);
}
