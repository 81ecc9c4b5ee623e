//! Everything that is known of the local Nacos: which services and config items are watched, and what they say.
//!
//! Input: [`LocalInput`]. Output: effects towards Nacos, and the keys whose wanted value or hold changed. It defends against catalogs that
//! lack a living service, a connection that breaks while a question is under way, and bursts: of names, of what is due, and of doubts
//! after an outage, each of which is worked off in slices.
//!
//! ```text
//! Never ──▶ Up, not warm ──all that is watched has answered──▶ Up, warm
//!             ▲       └──ended──▶ Down ◀──ended──────────────────┘
//!             └────set up anew─────┘      what was known stays; removals are held anew
//! ```
//!
//! Invariant: only a service's own answers change it; a name that is missing from a catalog ends at most the watch of a service that is
//! empty, settled and not in the log. Each service and config item has one valid place on the agenda.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::guard::{Guard, GuardSettings};
use crate::id::{ConfigKey, InstanceId, ObservedSubject, ServiceKey};
use crate::input::{ConfigReading, Effect, LocalInput, ServiceReading};
use crate::instance::Instance;
use crate::local::config::LocalConfig;
use crate::local::held::HeldCounts;
use crate::local::service::{KnownFrom, LocalService, NEVER, RemovalPatience, ServiceAsk, UnconfirmedRemovals};
use crate::log::key::DataKey;
use crate::pattern::NameSelection;
use crate::seed::{Map, Seed};
use crate::time::{Millis, Mono};

mod acknowledged;
mod asked;
mod doors;
mod guarded;
mod guarded_configs;
mod outage;
mod sealed;

/// The first sweep of a service comes within this time after it was found, or within the interval of sweeps if that is shorter, spread by
/// its name: it finds the instances that were disabled before this process started.
const FIRST_SWEEP_WITHIN: Millis = Millis::from_secs(60);
/// Between two sweeps of services, however many there are: each is a call. 100,000 services are swept in half an hour.
const SWEEP_PAUSE: Millis = Millis(20);
/// A watched, empty service is given up when this many complete catalogs in a row lack it.
const CATALOGS_WITHOUT: u8 = 2;
/// Services of which instances become doubtful in one step at most: after an outage all may be due at once, and the rest are due at the next.
const DOUBTS_IN_A_STEP: usize = 256;

/// Questions that one tick puts at most; the rest is due at once in the next.
const ASKED_IN_A_TICK: usize = 500;

/// Whether the whole list of a service is doubted because it lacks what the log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListDoubt {
    /// Yes: the log is met for the first time, or taken over. Nacos may not have everybody yet.
    WholeService,
    /// No: somebody else wrote this one record.
    ThisInstance,
}

/// State of the connection to Nacos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NacosConnection {
    /// None was ever set up in this process.
    Never,
    /// It stands since then.
    Up(Mono),
    /// It ended then.
    Down(Mono, Arc<str>),
}

/// What the local Nacos is known to say.
pub struct LocalObservation {
    patience: RemovalPatience,
    export: NameSelection,
    services: Map<ServiceKey, Watched>,
    configs: Map<ConfigKey, LocalConfig>,
    agenda: BinaryHeap<Reverse<(Mono, ObservedSubject)>>,
    /// When missing instances of which services become doubtful: each service once, as its `doubt_due` says.
    doubts: BTreeSet<(Mono, ServiceKey)>,
    unconfirmed: BTreeMap<ServiceKey, UnconfirmedRemovals>,
    connection: NacosConnection,
    heard: Option<Mono>,
    /// When this process had its first step.
    began: Option<Mono>,
    /// Until when clients are waited for that were there before the last outage.
    returned_by: Mono,
    warm: bool,
    /// Lists are doubted since then, beside the connect: the log was taken over.
    doubted: Mono,
    held: HeldCounts,
    /// Names of catalogs that are to be watched: as long as the longest catalog, and watched slice by slice.
    found: VecDeque<ServiceKey>,
    guard: Guard,
    /// When more of what is kept back goes.
    next_to_go: Option<Mono>,
    doors: doors::WaitingAtDoors,
    seed: Seed,
}

struct Watched {
    state: LocalService,
    due: Mono,
    doubt_due: Option<Mono>,
    catalogs_without: u8,
}

impl LocalObservation {
    /// Nothing is known yet; what `export` names is watched.
    #[must_use]
    pub fn new(patience: RemovalPatience, export: NameSelection, seed: Seed) -> Self {
        Self {
            patience,
            export,
            services: seed.map(),
            configs: seed.map(),
            agenda: BinaryHeap::new(),
            doubts: BTreeSet::new(),
            unconfirmed: BTreeMap::new(),
            connection: NacosConnection::Never,
            heard: None,
            began: None,
            returned_by: Mono(0),
            warm: false,
            doubted: Mono(0),
            held: HeldCounts::new(seed),
            found: VecDeque::new(),
            guard: Guard::new(GuardSettings::default(), seed),
            next_to_go: None,
            doors: doors::WaitingAtDoors::default(),
            seed,
        }
    }

    /// How many removals are held, by reason.
    #[must_use]
    pub fn held(&self) -> &HeldCounts {
        &self.held
    }

    /// State of the connection.
    #[must_use]
    pub fn connection(&self) -> &NacosConnection {
        &self.connection
    }

    /// Time since Nacos last said anything; `None` if it never did.
    #[must_use]
    pub fn age(&self, now: Mono) -> Option<Millis> {
        self.heard.map(|heard| now.since(heard))
    }

    /// Whether everything watched has answered since the connection was set up.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        self.warm && matches!(self.connection, NacosConnection::Up(_))
    }

    /// What is exported.
    #[must_use]
    pub fn export(&self) -> &NameSelection {
        &self.export
    }

    /// The service, if Nacos has listed it in this process.
    #[must_use]
    pub fn service(&self, key: &ServiceKey) -> Option<&LocalService> {
        self.services.get(key).map(|watched| &watched.state).filter(|state| state.is_listed())
    }

    /// The config item, if Nacos has answered for it in this process.
    #[must_use]
    pub fn config(&self, key: &ConfigKey) -> Option<&LocalConfig> {
        self.configs.get(key).filter(|config| config.is_known())
    }

    /// All services that Nacos has listed in this process, in no order.
    pub fn services(&self) -> impl Iterator<Item = (&ServiceKey, &LocalService)> {
        self.services.iter().map(|(key, watched)| (key, &watched.state)).filter(|(_, state)| state.is_listed())
    }

    /// All config items that Nacos has answered for in this process, in no order.
    pub fn configs(&self) -> impl Iterator<Item = (&ConfigKey, &LocalConfig)> {
        self.configs.iter().filter(|(_, config)| config.is_known())
    }

    /// How many services are watched.
    #[must_use]
    pub fn watched(&self) -> usize {
        self.services.len()
    }

    /// Services with instances that have been missing for too long without a proof, sorted, with since when. Kept as it changes.
    pub fn unconfirmed(&self) -> impl ExactSizeIterator<Item = (&ServiceKey, &UnconfirmedRemovals)> {
        self.unconfirmed.iter()
    }

    /// Takes in one piece of news. Returns the keys whose wanted value or hold changed. A service of which `is_logged` says that the own
    /// log has, or may have, something is not given up: its removals are still to be written.
    pub fn step(
        &mut self,
        now: Mono,
        input: LocalInput,
        is_logged: &dyn Fn(&ServiceKey) -> bool,
        effects: &mut Vec<Effect>,
    ) -> Vec<DataKey> {
        let mut changed = self.doubt(now);
        changed.extend(self.take_in(now, input, is_logged, effects));
        changed
    }

    fn take_in(
        &mut self,
        now: Mono,
        input: LocalInput,
        is_logged: &dyn Fn(&ServiceKey) -> bool,
        effects: &mut Vec<Effect>,
    ) -> Vec<DataKey> {
        let silent_since = self.heard.or(self.began).unwrap_or(now);
        self.began.get_or_insert(now);
        if input.is_word() {
            self.heard = Some(now);
            self.speaks_again(now, &input, now.since(silent_since));
        }
        match input {
            LocalInput::Connected => self.connected(now, now.since(silent_since)),
            LocalInput::Disconnected { reason } => {
                self.connection = NacosConnection::Down(now, reason);
                self.warm = false;
            }
            LocalInput::Heard => {}
            LocalInput::Answered => self.warm = true,
            LocalInput::Discovered(key) => self.watch(now, key, effects),
            LocalInput::Catalog { namespace, services } => self.catalog(now, &namespace, services, is_logged, effects),
            LocalInput::Listed { service, instances, protected } => {
                return self.list(now, &service, instances, protected);
            }
            LocalInput::Acknowledged { service, registered, withdrawn } => {
                return self.acknowledged(now, service, registered, &withdrawn, effects);
            }
            LocalInput::Read { service, reading } => return self.read(now, &service, reading, effects),
            LocalInput::Config { key, reading } => return self.read_config(now, key, reading),
        }
        Vec::new()
    }

    /// Carries out what is due.
    pub fn tick(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        self.began.get_or_insert(now);
        self.watch_found(now, effects);
        for _ in 0..ASKED_IN_A_TICK {
            if self.agenda.peek().is_none_or(|Reverse((due, _))| *due > now) {
                return;
            }
            let Some(Reverse((due, subject))) = self.agenda.pop() else { return };
            match subject {
                ObservedSubject::Service(key) => self.service_due(now, due, &key, effects),
                ObservedSubject::Config(key) => self.config_due(now, key, effects),
            }
        }
    }

    /// When [`LocalObservation::tick`] is to be called at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        if !self.found.is_empty() {
            return Some(Mono(0));
        }
        let agenda = self.agenda.peek().map(|Reverse((due, _))| *due);
        [agenda, self.next_to_go].into_iter().flatten().min()
    }

    /// The log has these instances of the service, all of them if it was read: what Nacos does not list is held. Returns whose hold changed.
    pub fn compare_service(
        &mut self,
        now: Mono,
        key: &ServiceKey,
        logged: &[(InstanceId, Arc<Instance>)],
        from: KnownFrom,
        doubt: ListDoubt,
    ) -> Vec<InstanceId> {
        let Some(watched) = self.services.get_mut(key) else { return Vec::new() };
        let mut changed = Vec::new();
        if from == KnownFrom::Log && doubt == ListDoubt::WholeService {
            let ids = logged.iter().map(|(id, _)| id).collect();
            changed = watched.state.drop_what_only_the_snapshot_had(&ids);
        }
        self.note_unlogged(now, key, logged);
        let Some(watched) = self.services.get_mut(key) else { return changed };
        let before = changed.len();
        for (id, instance) in logged {
            if watched.state.compare_with_log(now, id, instance, from) {
                changed.push(id.clone());
            }
        }
        if changed.len() > before && doubt == ListDoubt::WholeService {
            watched.state.unsettle(now);
        }
        self.reschedule(key);
        changed
    }

    /// The log has this config item, or, if it was read, has none. Returns whether its hold changed.
    pub fn compare_config(
        &mut self,
        now: Mono,
        key: &ConfigKey,
        logged: Option<&Arc<crate::config_item::ConfigItem>>,
        from: KnownFrom,
    ) -> bool {
        let settled_at = self.settled_at();
        let Some(config) = self.configs.get_mut(key) else { return false };
        let changed = match logged {
            Some(item) => config.compare_with_log(now, item, settled_at, from),
            None => from == KnownFrom::Log && config.is_not_logged(),
        };
        self.keep_config(now, key);
        self.reschedule_config(key);
        changed
    }

    /// The log is taken over: every list is doubted from now on. Each service is to be unsettled by [`LocalObservation::unsettle`].
    pub fn doubt_lists(&mut self, now: Mono) {
        self.doubted = now;
    }

    /// The service's list is doubted since the last [`LocalObservation::doubt_lists`].
    pub fn unsettle(&mut self, now: Mono, subject: &ObservedSubject) {
        match subject {
            ObservedSubject::Service(key) => {
                if let Some(watched) = self.services.get_mut(key) {
                    watched.state.unsettle(now);
                }
                self.reschedule(key);
            }
            ObservedSubject::Config(key) => {
                let settled_at = self.settled_at();
                if let Some(config) = self.configs.get_mut(key) {
                    config.unsettle(settled_at);
                }
                self.reschedule_config(key);
            }
        }
    }

    /// The own log does not have the instance: whether it was proven gone need not be remembered.
    pub fn forget_proof(&mut self, service: &ServiceKey, id: &InstanceId) {
        if let Some(watched) = self.services.get_mut(service) {
            watched.state.forget_proof(id);
        }
    }

    /// Watches the service if it is exported and not watched yet.
    pub fn watch(&mut self, now: Mono, key: ServiceKey, effects: &mut Vec<Effect>) {
        let since = if let NacosConnection::Up(since) = self.connection { since.max(self.doubted) } else { now };
        self.watch_since(now, key, since, effects);
    }

    /// As [`LocalObservation::watch`], a service that the log has and Nacos has not shown yet: its first list is doubted as after a connect.
    pub fn watch_doubtful(&mut self, now: Mono, key: ServiceKey, effects: &mut Vec<Effect>) {
        self.watch_since(now, key, now, effects);
    }

    fn watch_since(&mut self, now: Mono, key: ServiceKey, since: Mono, effects: &mut Vec<Effect>) {
        if self.services.contains_key(&key) || !self.export.has_service(&key) {
            return;
        }
        let within = FIRST_SWEEP_WITHIN.min(self.patience.sweep_interval).max(self.shortest_sweep()).0.max(1);
        let spread = Millis(xxh3_64(key.to_string().as_bytes()) % within);
        let mut state = LocalService::new(since, now + Millis::from_secs(5) + spread);
        state.wait_for_all_until(self.returned_by);
        self.services.insert(key.clone(), Watched { state, due: NEVER, doubt_due: None, catalogs_without: 0 });
        effects.push(Effect::WatchService(key));
    }

    /// In less time not all services are swept.
    fn shortest_sweep(&self) -> Millis {
        Millis(self.services.len() as u64 * SWEEP_PAUSE.0)
    }

    /// Has the config item read if it is exported and was not asked for yet.
    pub fn watch_config(&mut self, key: &ConfigKey, effects: &mut Vec<Effect>) {
        if !self.configs.contains_key(key) && self.export.has_config(key) {
            self.configs.insert(key.clone(), LocalConfig::default());
            effects.push(Effect::ReadConfig(key.clone()));
        }
    }

    fn settled_at(&self) -> Mono {
        match self.connection {
            NacosConnection::Up(since) => since.max(self.doubted) + self.patience.removal_hold,
            NacosConnection::Never | NacosConnection::Down(..) => Mono(u64::MAX),
        }
    }

    fn catalog(
        &mut self,
        now: Mono,
        namespace: &str,
        names: Vec<ServiceKey>,
        is_logged: &dyn Fn(&ServiceKey) -> bool,
        effects: &mut Vec<Effect>,
    ) {
        let named: BTreeSet<&ServiceKey> = names.iter().collect();
        let mut given_up = Vec::new();
        for (key, watched) in self.services.iter_mut().filter(|(key, _)| key.namespace() == namespace) {
            let unneeded = watched.state.is_empty() && watched.state.is_settled() && !named.contains(key);
            watched.catalogs_without = if unneeded { watched.catalogs_without.saturating_add(1) } else { 0 };
            if watched.catalogs_without >= CATALOGS_WITHOUT && !is_logged(key) {
                given_up.push(key.clone());
            }
        }
        given_up.sort_unstable(); // The map has no order, effects have one.
        for key in given_up {
            self.services.remove(&key);
            self.guard.losses_mut().count(&key, 0, 0);
            effects.push(Effect::UnwatchService(key));
        }
        self.found.retain(|key| key.namespace() != namespace); // This catalog has them too, or they are gone.
        self.found.extend(names.into_iter().filter(|key| !self.services.contains_key(key)));
        self.watch_found(now, effects);
    }

    /// Watches a slice of what catalogs named.
    fn watch_found(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        for _ in 0..ASKED_IN_A_TICK {
            let Some(key) = self.found.pop_front() else { return };
            self.watch(now, key, effects);
        }
    }

    fn list(
        &mut self,
        now: Mono,
        key: &ServiceKey,
        instances: Vec<(InstanceId, Instance)>,
        protected: bool,
    ) -> Vec<DataKey> {
        let Some(watched) = self.services.get_mut(key) else { return Vec::new() };
        let changed = watched.state.list(now, instances, protected, &self.patience);
        self.note_moves(now, key);
        self.reschedule(key);
        data_keys(key, changed)
    }

    fn read(
        &mut self,
        now: Mono,
        key: &ServiceKey,
        reading: ServiceReading,
        effects: &mut Vec<Effect>,
    ) -> Vec<DataKey> {
        let sweep_interval = self.patience.sweep_interval.max(self.shortest_sweep());
        let patience = RemovalPatience { sweep_interval, ..self.patience };
        let Some(watched) = self.services.get_mut(key) else { return Vec::new() };
        let (changed, ask) = watched.state.read(now, reading, &patience);
        self.note_moves(now, key);
        if ask == ServiceAsk::Query {
            effects.push(Effect::QueryService(key.clone()));
        }
        self.reschedule(key);
        let mut changed = data_keys(key, changed);
        changed.extend(self.judge_proven(now, key));
        changed
    }

    fn read_config(&mut self, now: Mono, key: ConfigKey, reading: ConfigReading) -> Vec<DataKey> {
        if !self.export.has_config(&key) {
            return Vec::new();
        }
        let settled_at = self.settled_at();
        let config = self.configs.entry(key.clone()).or_default();
        let (was_known, was_present) = (config.is_known(), config.is_present());
        let mut changed = config.read(now, reading, settled_at);
        self.note_config(now, &key, was_known, was_present);
        changed |= self.judge_config(now, &key);
        self.reschedule_config(&key);
        if changed { vec![DataKey::Config(key)] } else { Vec::new() }
    }

    fn service_due(&mut self, now: Mono, due: Mono, key: &ServiceKey, effects: &mut Vec<Effect>) {
        let up = matches!(self.connection, NacosConnection::Up(_));
        let Some(watched) = self.services.get_mut(key) else { return };
        if watched.due != due {
            return; // An older entry of the agenda.
        }
        watched.due = NEVER; // It is not on the agenda now.
        if !up {
            return; // Nothing can be asked: the next connect schedules everything anew.
        }
        match watched.state.due(now, &self.patience) {
            ServiceAsk::Nothing => {}
            ServiceAsk::Read => effects.push(Effect::ReadService(key.clone())),
            ServiceAsk::Query => effects.push(Effect::QueryService(key.clone())),
        }
        self.reschedule_after(key, now);
    }

    fn config_due(&mut self, now: Mono, key: ConfigKey, effects: &mut Vec<Effect>) {
        let Some(config) = self.configs.get_mut(&key) else { return };
        config.scheduled = Mono(0); // It is not on the agenda now.
        if config.due(now) {
            effects.push(Effect::ReadConfig(key.clone()));
        }
        self.reschedule_config(&key);
    }

    fn reschedule(&mut self, key: &ServiceKey) {
        self.reschedule_after(key, Mono(0));
    }

    /// Missing instances become doubtful. Only while connected: what cannot be asked is no older for it. Whoever is connected hears something
    /// twice a second.
    fn doubt(&mut self, now: Mono) -> Vec<DataKey> {
        let mut changed = Vec::new();
        if !matches!(self.connection, NacosConnection::Up(_)) {
            return changed;
        }
        for _ in 0..DOUBTS_IN_A_STEP {
            if self.doubts.first().is_none_or(|(due, _)| *due > now) {
                break;
            }
            let Some((_, key)) = self.doubts.pop_first() else { break };
            if let Some(watched) = self.services.get_mut(&key) {
                watched.doubt_due = None;
                changed.extend(data_keys(&key, watched.state.doubt(now, &self.patience)));
            }
            self.note_missing(&key);
        }
        changed
    }

    /// Notes what of the service is doubtful, and when more will be.
    fn note_missing(&mut self, key: &ServiceKey) {
        let Some(watched) = self.services.get_mut(key) else { return };
        let due = watched.state.doubt_due(&self.patience);
        if watched.doubt_due != due {
            if let Some(before) = watched.doubt_due {
                self.doubts.remove(&(before, key.clone()));
            }
            watched.doubt_due = due;
            self.doubts.extend(due.map(|due| (due, key.clone())));
        }
        match watched.state.unconfirmed() {
            Some(found) => drop(self.unconfirmed.insert(key.clone(), found)),
            None if self.unconfirmed.is_empty() => {}
            None => drop(self.unconfirmed.remove(key)),
        }
    }

    /// Puts the service on the agenda; later than `now`, so that what is due now cannot become due again at once. To be called after
    /// every change of the service.
    fn reschedule_after(&mut self, key: &ServiceKey, now: Mono) {
        self.note_missing(key);
        let Some(watched) = self.services.get_mut(key) else { return };
        self.guard.losses_mut().count(key, watched.state.present(), watched.state.missing());
        self.held.count_service(key, watched.state.held());
        let next = watched.state.next_deadline(&self.patience).max(now + Millis(1));
        if watched.due != next {
            watched.due = next;
            if next != NEVER {
                self.agenda.push(Reverse((next, ObservedSubject::Service(key.clone()))));
            }
        }
    }

    fn reschedule_config(&mut self, key: &ConfigKey) {
        let Some(config) = self.configs.get_mut(key) else { return };
        self.held.count_config(key, config.held());
        self.guard.count_config(key, config.is_present(), config.held().is_some());
        let next = config.next_deadline().filter(|next| *next != NEVER && *next != config.scheduled);
        if let Some(next) = next {
            config.scheduled = next;
            self.agenda.push(Reverse((next, ObservedSubject::Config(key.clone()))));
        }
    }
}

fn data_keys(service: &ServiceKey, ids: Vec<InstanceId>) -> Vec<DataKey> {
    ids.into_iter().map(|id| DataKey::Instance(service.clone(), id)).collect()
}

#[cfg(test)]
mod config_guard_tests;
#[cfg(test)]
mod doubt_tests;
#[cfg(test)]
mod tests;
