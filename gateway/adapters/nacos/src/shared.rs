//! What the handle and the tasks of the adapter share: who is watched, what waits, and the way to the engine.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use federation_core::id::{ConfigKey, ServiceKey};
use federation_core::input::{Input, LocalInput, ServiceReading};
use foldhash::fast::RandomState;
use nacos_protocol::admin::AdminClient;
use nacos_protocol::client::{ListSource, NacosClient, NewestList, ServiceName};
use nacos_protocol::message::naming::ServiceInfo;
use tokio::sync::{Notify, mpsc, watch};

use super::about::About;
use super::calls::Calls;
use super::gate::Gate;
use super::instance::{self, Skipped};
use super::names::Names;
use super::own_item::OwnItemCell;
use super::queue::Queue;
use super::rules::Rules;
use federation_ports::inbox::{EngineInbox, EngineNews};
use federation_ports::metrics::NacosMetrics;
use federation_ports::trouble::TroubleBoard;

/// Nobody takes in news any more: the process is about to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EngineGone;

/// A question of the engine about one service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// All instances, disabled ones too.
    Read(ServiceKey),
    /// Enabled instances.
    Query(ServiceKey),
}

/// The connection that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Grows with each connection.
    pub(super) generation: u64,
    /// `host:port` of its server.
    pub(super) server: String,
    /// It tells which services appear.
    pub(super) fuzzy_watch: bool,
    /// It takes persistent instances.
    pub(super) persistent_instances: bool,
}

/// What became of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The engine has it.
    Yes,
    /// A newer list of this connection was told, or it is of another connection.
    Outdated,
    /// Nobody watches the service.
    Unwanted,
}

struct Watch {
    key: ServiceKey,
    newest: NewestList,
    skipped: Skipped,
}

#[derive(Default)]
struct Watches {
    services: HashMap<ServiceName, Watch, RandomState>,
    /// Asked for by the engine, their local namespace not known yet.
    unresolved: HashSet<ServiceKey, RandomState>,
    generation: u64,
    gate: Gate,
}

/// What people are told about the adapter beside its calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Notes {
    /// Why there is no connection.
    pub(super) disconnected: Option<String>,
    /// The ids that Nacos lists; `None` until it did, and where they may not be listed.
    pub(super) listed: Option<Arc<BTreeSet<String>>>,
    /// Namespaces that stay outside, with the reason.
    pub(super) outside: BTreeMap<String, String>,
    /// Namespaces whose fuzzy watch is over a limit, with the server's words.
    pub(super) limited: BTreeMap<String, String>,
}

/// Counts of what is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Watched {
    /// Services subscribed to.
    pub(super) services: usize,
    /// Those without an answer on this connection.
    pub(super) unanswered: usize,
    /// Whether the engine was told that all have answered.
    pub(super) answered: bool,
    /// Services whose namespace is not known here.
    pub(super) unresolved: usize,
    /// Over all services.
    pub(super) skipped: Skipped,
}

/// Shared by the handle and the tasks.
pub(super) struct Shared {
    pub(super) client: NacosClient,
    pub(super) admin: AdminClient,
    pub(super) names: Names,
    pub(super) rules: Rules,
    pub(super) troubles: TroubleBoard,
    pub(super) calls: Calls,
    pub(super) metrics: NacosMetrics,
    pub(super) questions: Queue<Question>,
    pub(super) configs: Queue<ConfigKey>,
    pub(super) own_item: OwnItemCell,
    /// Set after the engine was told of the connection, so that news of it come later.
    pub(super) link: watch::Sender<Option<Link>>,
    /// Local namespaces that were met.
    pub(super) namespaces: watch::Sender<BTreeSet<String>>,
    /// Rung when the gate may open without a further answer.
    pub(super) gate_changed: Notify,
    inbox: EngineInbox,
    /// Locked for single steps, and while a list that has its place in the inbox is handed over.
    watches: Mutex<Watches>,
    /// Locked for single steps.
    notes: Mutex<Notes>,
}

impl Shared {
    pub(super) fn new(
        client: NacosClient,
        admin: AdminClient,
        names: Names,
        own_item: OwnItemCell,
        inbox: EngineInbox,
        metrics: NacosMetrics,
        troubles: TroubleBoard,
    ) -> Self {
        Self {
            client,
            admin,
            rules: Rules::new(names.export()),
            names,
            calls: Calls::new(metrics.clone(), troubles.clone()),
            troubles,
            metrics,
            questions: Queue::new(),
            configs: Queue::new(),
            own_item,
            link: watch::Sender::new(None),
            namespaces: watch::Sender::new(BTreeSet::new()),
            gate_changed: Notify::new(),
            inbox,
            watches: Mutex::default(),
            notes: Mutex::default(),
        }
    }

    /// Tells the engine; waits while it is behind.
    pub(super) async fn tell(&self, input: LocalInput) -> Result<(), EngineGone> {
        self.inbox.send(Input::Local(input).into()).await.map_err(|_| EngineGone)
    }

    /// Tells the engine, unless it is behind.
    pub(super) fn try_tell(&self, input: LocalInput) {
        if self.inbox.try_send(Input::Local(input).into()).is_err() {
            tracing::debug!("no room in the engine's inbox for what nacos acknowledged");
        }
    }

    /// Says that Nacos was heard. An engine that is behind needs no such word: what it has not read yet says the same.
    pub(super) fn tell_heard(&self) -> Result<(), EngineGone> {
        match self.inbox.try_send(Input::Local(LocalInput::Heard).into()) {
            Err(mpsc::error::TrySendError::Closed(_)) => Err(EngineGone),
            Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => Ok(()),
        }
    }

    /// Tells a list of a watched service, unless it is outdated. The place in the inbox is taken first, so that no newer list can slip in
    /// between the check and the telling.
    pub(super) async fn tell_list(
        &self,
        generation: u64,
        name: &ServiceName,
        info: ServiceInfo,
        source: ListSource,
    ) -> Result<Told, EngineGone> {
        let listed = |service, instances, protected| LocalInput::Listed { service, instances, protected };
        self.hand_over(generation, name, info, source, listed).await
    }

    /// As [`Shared::tell_list`], in answer to a read that may not see disabled instances.
    pub(super) async fn tell_enabled_only(
        &self,
        generation: u64,
        name: &ServiceName,
        info: ServiceInfo,
    ) -> Result<Told, EngineGone> {
        let read = |service, instances, protected| LocalInput::Read {
            service,
            reading: ServiceReading::EnabledOnly { instances, protected },
        };
        self.hand_over(generation, name, info, ListSource::Answer, read).await
    }

    async fn hand_over(
        &self,
        generation: u64,
        name: &ServiceName,
        info: ServiceInfo,
        source: ListSource,
        news: impl FnOnce(ServiceKey, Vec<Listed>, bool) -> LocalInput,
    ) -> Result<Told, EngineGone> {
        let (protected, built) = (info.reach_protection_threshold, info.last_ref_time);
        let list = instance::read(info.hosts);
        let permit = self.inbox.reserve().await.map_err(|_| EngineGone)?;
        let mut watches = self.watches();
        if watches.generation != generation {
            return Ok(Told::Outdated);
        }
        let Some(watch) = watches.services.get_mut(name) else { return Ok(Told::Unwanted) };
        if !watch.newest.admits(generation, built, source) {
            return Ok(Told::Outdated);
        }
        watch.note_skipped(list.skipped);
        permit.send(EngineNews::from(Input::Local(news(watch.key.clone(), list.instances, protected))));
        Ok(Told::Yes)
    }

    /// Subscribes to a service, now or when its namespace is met.
    pub(super) fn watch(&self, key: ServiceKey) {
        let Some(name) = self.names.service_name(&key) else {
            tracing::debug!(%key, "asked for a service of a namespace that is not known here");
            self.watches().unresolved.insert(key);
            return;
        };
        let count = {
            let mut watches = self.watches();
            watches.gate.asked_for(name.clone(), &key);
            let watch = Watch { key, newest: NewestList::default(), skipped: Skipped::default() };
            if watches.services.insert(name.clone(), watch).is_none() {
                self.rules.service_came(&name);
            }
            watches.services.len()
        };
        self.client.subscribe(&name);
        self.count_subscriptions(count);
    }

    /// Ends a subscription.
    pub(super) fn unwatch(&self, key: &ServiceKey) {
        let Some(name) = self.names.service_name(key) else {
            self.watches().unresolved.remove(key);
            return;
        };
        let count = {
            let mut watches = self.watches();
            if watches.services.remove(&name).is_some() {
                self.rules.service_went(&name);
            }
            watches.gate.given_up(&name);
            watches.services.len()
        };
        self.client.unsubscribe(&name);
        self.calls.forget(About::Service(&name));
        self.count_subscriptions(count);
        self.gate_changed.notify_one();
    }

    /// Whether the service is subscribed to, or is to be.
    pub(super) fn is_watched(&self, name: &ServiceName) -> bool {
        self.watches().services.contains_key(name)
    }

    /// A namespace was met: services that waited for it can be subscribed to.
    pub(super) fn resolve(&self) {
        let waiting = std::mem::take(&mut self.watches().unresolved);
        waiting.into_iter().for_each(|key| self.watch(key));
    }

    fn count_subscriptions(&self, count: usize) {
        self.metrics.subscriptions.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// The engine is about to hear of these services. Returns those that it does not watch yet.
    pub(super) fn expect(&self, keys: impl Iterator<Item = (ServiceName, ServiceKey)>) -> Vec<ServiceKey> {
        let mut watches = self.watches();
        let mut unwatched = Vec::new();
        for (_, key) in keys.filter(|(name, _)| !watches.services.contains_key(name)).collect::<Vec<_>>() {
            watches.gate.expect(&key);
            unwatched.push(key);
        }
        unwatched
    }

    /// A connection was set up.
    pub(super) fn connected(&self, generation: u64) {
        let mut watches = self.watches();
        watches.generation = generation;
        let Watches { services, gate, .. } = &mut *watches;
        gate.connected(services.keys().cloned());
        drop(watches);
        self.note(|notes| {
            notes.disconnected = None;
            notes.limited.clear();
        });
    }

    /// The connection ended, or none came about.
    pub(super) fn disconnected(&self, reason: &str) {
        self.link.send_replace(None);
        self.watches().gate.disconnected();
        self.note(|notes| notes.disconnected = Some(reason.to_owned()));
    }

    /// Changes what the gate knows, and tells whether it opens.
    pub(super) fn gate_opens(&self, change: impl FnOnce(&mut Gate)) -> bool {
        let gate = &mut self.watches().gate;
        change(gate);
        gate.opens(Instant::now())
    }

    /// Changes what the gate knows; whoever tells the engine looks at it again.
    pub(super) fn change_gate(&self, change: impl FnOnce(&mut Gate)) {
        change(&mut self.watches().gate);
        self.gate_changed.notify_one();
    }

    /// Namespaces that are looked into although Nacos does not list them, with the reason.
    pub(super) fn unlisted_namespaces(&self) -> Vec<String> {
        let Some(listed) = self.note(|notes| notes.listed.clone()) else { return Vec::new() };
        let known = self.namespaces.borrow();
        let unlisted = known.iter().filter(|id| !id.is_empty() && !listed.contains(*id));
        unlisted.map(|id| format!("{id:?}: named by the configuration, or not empty yet")).collect()
    }

    /// Whether each namespace was tried once.
    pub(super) fn has_looked_at_everything(&self) -> bool {
        self.watches().gate.is_discovered()
    }

    /// What is watched, in numbers.
    pub(super) fn watched(&self) -> Watched {
        let watches = self.watches();
        Watched {
            services: watches.services.len(),
            unanswered: watches.gate.unanswered(),
            answered: watches.gate.is_open(),
            unresolved: watches.unresolved.len(),
            skipped: watches.services.values().map(|watch| watch.skipped).fold(Skipped::default(), Skipped::plus),
        }
    }

    /// Changes what people are told.
    pub(super) fn note<R>(&self, change: impl FnOnce(&mut Notes) -> R) -> R {
        change(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The generation of the connection that stands.
    pub(super) fn generation(&self) -> Option<u64> {
        self.link.borrow().as_ref().map(|link| link.generation)
    }

    fn watches(&self) -> MutexGuard<'_, Watches> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Listed = (federation_core::id::InstanceId, federation_core::instance::Instance);

impl Watch {
    fn note_skipped(&mut self, skipped: Skipped) {
        if skipped != self.skipped {
            let Skipped { marked, unusable, weightless, doubled } = skipped;
            tracing::info!(service = %self.key, marked, unusable, weightless, doubled, "instances left out or changed");
            self.skipped = skipped;
        }
    }
}

/// For tasks that share.
pub(super) type Context = Arc<Shared>;
