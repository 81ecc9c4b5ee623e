//! Clusters of replicas in a storm: time, what is under way between them and the log, and what each step asks for.

use std::collections::{BTreeMap, BTreeSet};

use federation_core::federation::OriginSnapshot;
use federation_core::id::{ClusterId, ConfigKey, InstanceId, ServiceKey};
use federation_core::input::Input;
use federation_core::lease::ReplicaRole;
use federation_core::log::key::DataKey;
use federation_core::log::record::PartitionId;
use federation_core::seed::Seed;

use super::broker::{Broker, control_of, places_of};
use super::coverage::{Coverage, State};
use super::flight::Flights;
use super::plan::{KINDS, Kind, Plan};
use super::process::{Birth, Process, Reader};
use super::registry::{Lie, Registry};
use crate::world::{Dice, cluster};

/// Time between two turns of all processes.
pub(crate) const TURN: u64 = 200;
const TURNS_IN_A_STEP: u64 = 2;
pub(crate) const CLUSTERS: [&str; 4] = ["frankfurt", "shanghai", "virginia", "ghost"];
/// Replicas and clusters are numbered below this.
const TARGETS: usize = 9;

/// A check that failed.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) check: &'static str,
    pub(crate) text: String,
}

/// A place where a replica runs, whether it runs or not.
pub(crate) struct Slot {
    pub(crate) cluster: usize,
    /// Reads the first cluster through a mirror.
    pub(crate) mirrored: bool,
    pub(crate) process: Option<Process>,
    pub(crate) starts_at: u64,
    /// What the next process starts with.
    pub(crate) kept: Option<Vec<OriginSnapshot>>,
    /// What was kept a while ago.
    pub(crate) older: Option<Vec<OriginSnapshot>>,
}

/// How a storm is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) hashed_with: Seed,
    /// Whether the wall clocks of the replicas differ, by up to ten minutes.
    pub(crate) skewed: bool,
    /// Whether all effects are digested.
    pub(crate) digested: bool,
    /// Whether all effects are printed.
    pub(crate) told: bool,
}

/// What the checks remember of all.
#[derive(Default)]
pub(crate) struct Record {
    /// When any replica of a cluster decided that a key goes.
    pub(crate) decided: BTreeMap<(ClusterId, DataKey), u64>,
    /// Keys of which somebody wrote what cannot be read.
    pub(crate) unreadable: BTreeSet<DataKey>,
    /// Until when a checkpoint of a partition may be wrong: somebody else wrote, or a send failed.
    pub(crate) disturbed: BTreeMap<PartitionId, u64>,
    /// When a fact and a checkpoint of a partition last landed.
    pub(crate) changed: BTreeMap<PartitionId, (u64, u64)>,
    /// When a cluster's data topics last lost their newest records.
    pub(crate) truncated: BTreeMap<ClusterId, u64>,
    /// When a cluster's data topics last lost records.
    pub(crate) lost: BTreeMap<ClusterId, u64>,
    /// Since when two replicas of a cluster may write.
    pub(crate) two_writers: BTreeMap<ClusterId, u64>,
    /// When any replica of each cluster last heard its registry.
    pub(crate) last_heard: Vec<u64>,
    /// When somebody else last claimed to lead each cluster, or a beat of it landed that had been under way for long.
    pub(crate) misleading: Vec<Option<u64>>,
    pub(crate) sent_total: u64,
    pub(crate) checkpoints: u64,
}

pub(crate) struct Storm {
    pub(crate) now: u64,
    pub(crate) plan: Plan,
    pub(crate) manner: Manner,
    pub(crate) broker: Broker,
    /// What each data partition has, folded in the plainest way.
    pub(crate) landed: BTreeMap<PartitionId, Reader>,
    pub(crate) clusters: Vec<ClusterId>,
    pub(crate) registries: Vec<Registry>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) flights: Flights,
    until: [[u64; TARGETS]; KINDS],
    births: u64,
    /// Nothing goes wrong any more.
    pub(crate) calm: bool,
    pub(crate) record: Record,
    pub(crate) broken: Option<Broken>,
    pub(crate) coverage: Coverage,
    pub(crate) effects: u128,
}

impl Storm {
    pub(crate) fn new(plan: &Plan, manner: Manner) -> Self {
        let mut clusters: Vec<ClusterId> = CLUSTERS[..plan.replicas.len()].iter().map(|name| cluster(name)).collect();
        let mut slots = Vec::new();
        for (number, replicas) in plan.replicas.iter().enumerate() {
            let last = number + 1 == plan.replicas.len();
            let slot = |replica: usize| {
                let (starts_at, mirrored) = (u64::try_from(replica).unwrap() * 400, last && replica == 0);
                Slot { cluster: number, mirrored, process: None, starts_at, kept: None, older: None }
            };
            slots.extend((0..*replicas).map(slot));
        }
        let mut dice = Dice(plan.seed ^ 0x0dd0_5eed);
        let registry = |_: &usize| Registry { may_read: !dice.one_in(6), ..Registry::default() };
        let registries = plan.replicas.iter().map(registry).collect();
        clusters.push(cluster(CLUSTERS[3]));
        let mut broker = Broker { mirrored: Some(Box::default()), ..Broker::default() };
        for id in &clusters {
            broker.create(id);
        }
        if let Some(mirror) = &mut broker.mirrored {
            mirror.create(&clusters[0]);
        }
        let landed = clusters.iter().flat_map(places_of).map(|place| (place, Reader::default())).collect();
        let mut storm = Self {
            now: 1_000,
            plan: plan.clone(),
            manner,
            broker,
            landed,
            clusters,
            registries,
            slots,
            flights: Flights::default(),
            until: [[0; TARGETS]; KINDS],
            births: 0,
            calm: false,
            record: Record {
                last_heard: vec![0; plan.replicas.len()],
                misleading: vec![None; plan.replicas.len()],
                ..Record::default()
            },
            broken: None,
            coverage: Coverage::default(),
            effects: 0,
        };
        storm.populate();
        storm
    }

    /// All chance at one place and time: a fault that is left out does not move what others meet.
    pub(crate) fn dice(&self, what: u64) -> Dice {
        let mut mixed = Dice(self.plan.seed.wrapping_mul(0x9e37_79b9) ^ (self.now << 20) ^ what);
        let seed = mixed.roll(u64::MAX);
        Dice(seed)
    }

    pub(crate) fn fail(&mut self, check: &'static str, text: impl FnOnce() -> String) {
        if self.broken.is_none() {
            self.broken = Some(Broken { check, text: format!("at {} ms: {}", self.now, text()) });
        }
    }

    /// A fault lasts until then, for a replica or a cluster.
    pub(crate) fn lasts(&mut self, kind: Kind, target: usize, until: u64) {
        let known = &mut self.until[kind.number()][target];
        *known = (*known).max(until);
    }

    pub(crate) fn is_on(&self, kind: Kind, target: usize) -> bool {
        self.until[kind.number()][target] > self.now
    }

    pub(crate) fn end_all(&mut self) {
        self.until = [[0; TARGETS]; KINDS];
    }

    /// Until when it lasts.
    pub(crate) fn ends(&self, kind: Kind, target: usize) -> u64 {
        self.until[kind.number()][target]
    }

    pub(crate) fn lie(&self, of: usize) -> Lie {
        match () {
            () if self.is_on(Kind::EmptyLists, of) => Lie::Empty,
            () if self.is_on(Kind::OldLists, of) => Lie::Old,
            () if self.is_on(Kind::PartialLists, of) => Lie::Partial,
            () => Lie::None,
        }
    }

    /// Whether a replica reaches the log.
    pub(crate) fn is_linked(&self, slot: usize) -> bool {
        !self.is_on(Kind::LogDown, 0) && !self.is_on(Kind::LinkDown, slot)
    }

    /// One step: what the plan has for it, what clients do, and some turns.
    pub(crate) fn step(&mut self, step: u64) {
        let faults: Vec<_> = self.plan.faults.iter().filter(|fault| fault.step == step).copied().collect();
        for fault in faults {
            self.strike(fault);
        }
        self.churn(step);
        self.turns();
    }

    pub(crate) fn turns(&mut self) {
        for _ in 0..TURNS_IN_A_STEP {
            self.now += TURN;
            self.turn();
        }
        self.check_step();
    }

    fn turn(&mut self) {
        self.land_due();
        if !self.is_on(Kind::MirrorStopped, 0) {
            let mut dice = self.dice(1);
            let loses = self.is_on(Kind::MirrorLosesRemovals, 0);
            self.broker.copy_to_mirror(self.now, loses, &mut dice);
        }
        self.tell_of_returns();
        let first = usize::try_from(self.now / TURN).unwrap() % self.slots.len();
        for offset in 0..self.slots.len() {
            let slot = (first + offset) % self.slots.len();
            if !self.is_on(Kind::Paused, slot) && self.broken.is_none() {
                self.turn_slot(slot);
            }
        }
        self.check_writers();
    }

    fn turn_slot(&mut self, slot: usize) {
        if self.slots[slot].process.is_none() {
            if self.now < self.slots[slot].starts_at {
                return;
            }
            self.start(slot);
        }
        self.turn_registry(slot);
        let process = self.slots[slot].process.as_mut().expect("it was just started");
        for input in process.arrived(self.now) {
            self.tell(slot, input);
        }
        self.turn_log(slot);
        self.tell(slot, Input::Tick);
    }

    fn start(&mut self, slot: usize) {
        self.births += 1;
        let mut dice = Dice(self.plan.seed ^ (self.births << 32) ^ 0xb127);
        let nonce = u32::try_from(dice.roll(1 << 31)).unwrap();
        let minutes = i64::try_from(dice.roll(1_200_000)).unwrap() - 600_000;
        let skew = if self.manner.skewed { minutes } else { 0 };
        let birth = Birth { number: self.births, nonce, skew, hashed_with: self.manner.hashed_with };
        let kept = self.slots[slot].kept.take();
        let cluster = self.clusters[self.slots[slot].cluster].clone();
        let process = Process::start(self.now, &cluster, &birth, kept.clone());
        self.slots[slot].process = Some(process);
        if let Some(kept) = kept {
            self.check_restored(slot, &kept);
        }
    }

    /// Ends a process at once.
    pub(crate) fn kill(&mut self, slot: usize) {
        self.slots[slot].process = None;
        self.slots[slot].kept = None;
    }

    pub(crate) fn state_of(&self, of: usize) -> State {
        let living: Vec<&Process> =
            self.slots.iter().filter(|slot| slot.cluster == of).filter_map(|slot| slot.process.as_ref()).collect();
        let is = |role: fn(&ReplicaRole) -> bool| living.iter().find(|process| role(&process.core.role()));
        if living.is_empty() {
            return State::Dead;
        }
        match is(|role| *role == ReplicaRole::Leading) {
            Some(leader) if !leader.core.lease().may_write(leader.clocks(self.now).mono) => State::Unpermitted,
            Some(leader) if !leader.core.has_taken_over() => State::TakingOver,
            Some(leader) if leader.core.publisher().in_flight() > 0 => State::Writing,
            Some(_) => State::Quiet,
            None if is(|role| matches!(role, ReplicaRole::Claiming { .. })).is_some() => State::Claiming,
            None => State::Leaderless,
        }
    }

    /// Processes that run, with their slots.
    pub(crate) fn running(&self) -> impl Iterator<Item = (usize, &Process)> {
        self.slots.iter().enumerate().filter_map(|(number, slot)| Some((number, slot.process.as_ref()?)))
    }

    /// Those of one cluster.
    pub(crate) fn running_of(&self, of: usize) -> Vec<(usize, &Process)> {
        self.running().filter(|(slot, _)| self.slots[*slot].cluster == of).collect()
    }

    pub(crate) fn process(&self, slot: usize) -> Option<&Process> {
        self.slots[slot].process.as_ref()
    }

    /// Something of the partition is not the leader's own doing.
    pub(crate) fn disturb(&mut self, place: &PartitionId) {
        self.record.disturbed.insert(place.clone(), self.now + 20_000);
    }

    pub(crate) fn refold(&mut self, place: &PartitionId) {
        let mut fold = Reader::default();
        self.broker.data[place].records().for_each(|record| fold.fold(record));
        self.landed.insert(place.clone(), fold);
    }

    /// Reads the log as slot does: the partition, and whether by way of the mirror.
    pub(crate) fn is_mirrored(&self, slot: usize, origin: &ClusterId) -> bool {
        self.slots[slot].mirrored && *origin == self.clusters[0]
    }

    /// Partitions that a reader reads.
    pub(crate) fn all_places(&self) -> Vec<PartitionId> {
        let of = |id: &ClusterId| std::iter::once(control_of(id)).chain(places_of(id)).collect::<Vec<_>>();
        self.clusters.iter().flat_map(of).collect()
    }
}

/// Services of all clusters: several namespaces, names that repeat.
pub(crate) fn services() -> Vec<ServiceKey> {
    let named = |namespace: &'static str| {
        ["orders", "users", "stock", "mail"].map(|name| ServiceKey::new(namespace, "DEFAULT_GROUP", name))
    };
    ["public", "prod", "test"].into_iter().flat_map(named).collect()
}

pub(crate) const NAMESPACES: [&str; 3] = ["public", "prod", "test"];

pub(crate) fn configs() -> Vec<ConfigKey> {
    ["routes", "limits", "flags", "texts"].map(|name| ConfigKey::new("public", "DEFAULT_GROUP", name)).to_vec()
}

/// Instances of a cluster have addresses of their own.
pub(crate) fn instance_id(of: usize, number: u64) -> InstanceId {
    InstanceId::new(&format!("10.{}.0.{number}", of + 1), 80, "DEFAULT")
}
