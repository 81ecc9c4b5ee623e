//! Registrations: passed on to the local Nacos, on a connection of each client's own.
//!
//! To a Nacos the TCP connection is the client: what was registered over it is replaced by what is registered over it later, and goes when it
//! goes. So each client that registers has one of its own there, made with its first publication, under its name and with its headers; a
//! client that only reads has none. Two clients with the same service never meet, and what a client registered is gone when it is gone.
//!
//! ```text
//!   client's connection        its connection to Nacos            what Nacos has
//!   connected, reads           none                               nothing
//!   registers                  made; kept, made again when lost   what was acknowledged last; all of it again after a loss
//!   gone                       closed                             nothing
//!   asked to move, then gone   closed LINGER later                what it had, until it is registered over another gateway
//! ```
//!
//! Invariants: "ok" is said only of what Nacos acknowledged. What it refused changes nothing, neither there nor here. What it did not answer is
//! answered with a failure and stays wanted, as SDKs themselves keep it: it is registered once Nacos answers, unless the client withdraws it,
//! registers something else or goes first. If it is refused then, or if what was registered before is, the client is asked to connect
//! again: it registers anew, with its present credentials, and hears why.

mod holdings;
pub(crate) mod marking;
mod registrant;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bounded_listener::ListenerGate;
use federation_ports::metrics::{FrontDoorMetrics, RegistrationResult};
use nacos_protocol::client::{CallError, ServiceName as LocalName};
use nacos_protocol::cluster::NacosCluster;
use nacos_protocol::message::error_code;
use nacos_protocol::message::naming::{NacosInstance, PersistentInstanceRequest, instance_operation};
use nacos_protocol::server::{
    CallingClient, ClientSessions, ConnectionId, NamingPublication, RegistryRefusal, ServiceName,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::marking::Marking;
use self::registrant::{Begun, Registrant};
use crate::upstream::{ANSWER_WITHIN, NO_PLACE, answered, refusal_of};

/// Connections that were made and are not run yet; they are taken up at once. Who registers waits while it is full.
const BEGINNING: usize = 64;

/// Hears what the local Nacos acknowledged, before Nacos itself pushes it.
pub trait RegistrationNews: Send + Sync {
    /// These instances, by local names, are registered now. Called on the path of an answer: must not wait.
    fn registered(&self, service: &ServiceName, instances: &[NacosInstance]);

    /// The client that had registered these has them registered no more; another one may. As [`RegistrationNews::registered`].
    fn withdrawn(&self, service: &ServiceName, instances: &[NacosInstance]);
}

/// Nobody hears it.
impl RegistrationNews for () {
    fn registered(&self, _service: &ServiceName, _instances: &[NacosInstance]) {}
    fn withdrawn(&self, _service: &ServiceName, _instances: &[NacosInstance]) {}
}

/// What registrations need to know of the rest.
pub(crate) struct RegistrationSources {
    /// The local Nacos.
    pub(crate) cluster: Arc<NacosCluster>,
    /// The connected clients.
    pub(crate) sessions: ClientSessions,
    /// Who hears what was acknowledged.
    pub(crate) news: Arc<dyn RegistrationNews>,
    /// Whether clients are asked to move to another gateway.
    pub(crate) drained: Arc<AtomicBool>,
    /// Where the descriptors of their connections count.
    pub(crate) gate: ListenerGate,
    /// Clients that may register at a time, each with a connection to the local Nacos.
    pub(crate) most_clients: usize,
    /// Where they are counted.
    pub(crate) metrics: FrontDoorMetrics,
    /// What is registered bears a mark of this gateway.
    pub(crate) marking: Marking,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Registrations {
    shared: Arc<Shared>,
    begin: mpsc::Sender<Begun>,
}

/// What there is to run.
pub(crate) struct RegistrationTasks {
    shared: Arc<Shared>,
    beginning: mpsc::Receiver<Begun>,
}

struct Shared {
    sources: RegistrationSources,
    /// Bytes of instances that are held for all clients.
    held: Arc<AtomicUsize>,
    /// Locked to look up, add or remove one entry, never across an await.
    registrants: Mutex<HashMap<ConnectionId, Arc<Registrant>>>,
    /// Connections that run, also of clients that moved.
    running: AtomicUsize,
    connected: AtomicUsize,
    end: CancellationToken,
}

impl Registrations {
    pub(crate) fn new(sources: RegistrationSources) -> (Self, RegistrationTasks) {
        let shared = Arc::new(Shared {
            sources,
            held: Arc::default(),
            registrants: Mutex::default(),
            running: AtomicUsize::new(0),
            connected: AtomicUsize::new(0),
            end: CancellationToken::new(),
        });
        let (begin, beginning) = mpsc::channel(BEGINNING);
        (Self { shared: Arc::clone(&shared), begin }, RegistrationTasks { shared, beginning })
    }

    /// Registers or withdraws instances of a client. Answers within [`ANSWER_WITHIN`].
    ///
    /// # Errors
    /// What the local Nacos refuses, in its words; that it is not reached or does not answer; that the client holds too much.
    pub(crate) async fn publish(
        &self,
        caller: &CallingClient<'_>,
        service: ServiceName,
        publication: NamingPublication,
    ) -> Result<(), RegistryRefusal> {
        match publication {
            NamingPublication::Ephemeral(instances) if instances.is_empty() => self.withdraw(caller, &service).await,
            NamingPublication::Ephemeral(instances) => self.register(caller, &service, instances).await,
            NamingPublication::Withdraw => self.withdraw(caller, &service).await,
            NamingPublication::Persistent(instance) => {
                let registered = [instance.clone()];
                self.change_persistent(caller, &service, instance, instance_operation::REGISTER).await?;
                self.shared.sources.news.registered(&service, &registered);
                Ok(())
            }
            NamingPublication::WithdrawPersistent(instance) => {
                self.change_persistent(caller, &service, instance, instance_operation::DEREGISTER).await
            }
        }
    }

    /// Notes what a client shows now: what it registered is registered anew with that.
    pub(crate) fn hear(&self, caller: &CallingClient<'_>) {
        if let Some(registrant) = self.shared.registrant(caller.connection()) {
            registrant.headers.show(caller.headers());
        }
    }

    /// A client is gone, and with it what it registered.
    pub(crate) fn forget(&self, connection: &ConnectionId) {
        let gone = self.shared.registrants().remove(connection);
        if let Some(registrant) = gone {
            let moved = self.shared.sources.drained.load(Ordering::Relaxed);
            registrant.leave(moved);
            if !moved {
                for (service, instances) in registrant.client.wanted_registrations() {
                    self.shared.sources.news.withdrawn(&asked(service), &instances);
                }
            }
        }
        self.shared.tell_counts();
    }

    /// How many clients have registered something.
    pub(crate) fn clients(&self) -> usize {
        self.shared.registrants().len()
    }

    /// How many connections to the local Nacos there are or are to be, also for clients that moved a moment ago; and how many stand.
    pub(crate) fn connections(&self) -> (usize, usize) {
        (self.shared.running.load(Ordering::Relaxed), self.shared.connected.load(Ordering::Relaxed))
    }

    async fn register(
        &self,
        caller: &CallingClient<'_>,
        service: &ServiceName,
        instances: Vec<NacosInstance>,
    ) -> Result<(), RegistryRefusal> {
        let registrant = self.registrant(caller).await?;
        let instances = self.shared.sources.marking.marked(service, instances);
        let before = registrant.holdings().hold(service, &instances)?;
        let replaced = registrant.client.wanted_registration(&local(service));
        let registered = registrant.client.register_within(&local(service), instances.clone(), ANSWER_WITHIN).await;
        let metrics = &self.shared.sources.metrics;
        match registered {
            Ok(()) => {
                metrics.registrations(RegistrationResult::Registered).inc();
                let news = &self.shared.sources.news;
                news.withdrawn(service, &without(&replaced, &instances));
                news.registered(service, &instances);
                Ok(())
            }
            Err(error) if error.is_refusal() => {
                registrant.holdings().restore(service, before);
                metrics.registrations(RegistrationResult::Refused).inc();
                Err(refusal_of(error))
            }
            Err(error) => {
                metrics.registrations(RegistrationResult::Unanswered).inc();
                Err(but_kept(refusal_of(error)))
            }
        }
    }

    /// Of a client that registered nothing there is nothing to withdraw, and without a connection Nacos has nothing of it either.
    async fn withdraw(&self, caller: &CallingClient<'_>, service: &ServiceName) -> Result<(), RegistryRefusal> {
        let Some(registrant) = self.shared.registrant(caller.connection()) else { return Ok(()) };
        registrant.headers.show(caller.headers());
        let name = local(service);
        let had = registrant.client.wanted_registration(&name);
        let withdrawn = tokio::time::timeout(ANSWER_WITHIN, registrant.client.deregister(&name)).await;
        let metrics = &self.shared.sources.metrics;
        match withdrawn.unwrap_or(Err(CallError::Timeout { after: ANSWER_WITHIN })) {
            Ok(()) | Err(CallError::NotConnected) => {
                registrant.holdings().restore(service, None);
                self.shared.sources.news.withdrawn(service, &had);
                metrics.registrations(RegistrationResult::Withdrawn).inc();
                Ok(())
            }
            Err(error) if error.is_refusal() => {
                metrics.registrations(RegistrationResult::Refused).inc();
                Err(refusal_of(error))
            }
            Err(error) => {
                metrics.registrations(RegistrationResult::Unanswered).inc();
                Err(refusal_of(error))
            }
        }
    }

    /// Persistent instances outlive connections: each change is one call, and what is not answered is not tried again.
    async fn change_persistent(
        &self,
        caller: &CallingClient<'_>,
        service: &ServiceName,
        instance: NacosInstance,
        operation: &str,
    ) -> Result<(), RegistryRefusal> {
        let registrant = self.registrant(caller).await?;
        let request = PersistentInstanceRequest {
            namespace: service.namespace.clone(),
            service_name: service.service.clone(),
            group_name: service.group.clone(),
            operation: operation.to_owned(),
            instance: instance.into(),
            ..PersistentInstanceRequest::default()
        };
        let call = async {
            if !registrant.client.connected_within(ANSWER_WITHIN).await {
                return Err(CallError::NotConnected);
            }
            registrant.client.relay(request, caller.headers().clone()).await
        };
        let answer = tokio::time::timeout(ANSWER_WITHIN, call).await;
        answered(answer.unwrap_or(Err(CallError::Timeout { after: ANSWER_WITHIN }))).map(drop)
    }

    /// The caller's own connection to the local Nacos, made if it has none.
    async fn registrant(&self, caller: &CallingClient<'_>) -> Result<Arc<Registrant>, RegistryRefusal> {
        if let Some(registrant) = self.shared.registrant(caller.connection()) {
            registrant.headers.show(caller.headers());
            return Ok(registrant);
        }
        let stopping = |_| RegistryRefusal::new(error_code::NOT_READY, "the gateway is stopping");
        // Its place in the queue comes first: a call may end at each await, and a connection that nobody runs would stay for ever.
        let place = self.begin.reserve().await.map_err(stopping)?;
        let mut registrants = self.shared.registrants();
        if let Some(registrant) = registrants.get(caller.connection()) {
            return Ok(Arc::clone(registrant));
        }
        // A call may arrive after the end of its connection. The session goes first then, and [`Self::forget`] comes after this lock.
        if !self.shared.sources.sessions.contains(caller.connection()) {
            return Err(RegistryRefusal::unregistered());
        }
        let most = self.shared.sources.most_clients;
        if registrants.len() >= most {
            let words = format!("{most} clients have registered through this gateway, which is the most");
            return Err(RegistryRefusal::new(error_code::OVER_THRESHOLD, words));
        }
        let Some(outward) = self.shared.sources.gate.outward() else {
            return Err(RegistryRefusal::new(error_code::OVER_THRESHOLD, NO_PLACE));
        };
        let (registrant, begun) = Registrant::begin(&self.shared.sources.cluster, caller, &self.shared.held, outward);
        registrants.insert(caller.connection().clone(), Arc::clone(&registrant));
        drop(registrants);
        place.send(begun);
        self.shared.tell_counts();
        Ok(registrant)
    }
}

impl Shared {
    fn registrants(&self) -> MutexGuard<'_, HashMap<ConnectionId, Arc<Registrant>>> {
        self.registrants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn registrant(&self, connection: &ConnectionId) -> Option<Arc<Registrant>> {
        self.registrants().get(connection).cloned()
    }

    fn tell_counts(&self) {
        let count = |many: usize| i64::try_from(many).unwrap_or(i64::MAX);
        let metrics = &self.sources.metrics;
        metrics.registering_clients.set(count(self.registrants().len()));
        metrics.upstream_connected.set(count(self.connected.load(Ordering::Relaxed)));
    }
}

impl RegistrationTasks {
    /// Runs the connections to the local Nacos until `stop`; then all of them are closed.
    ///
    /// # Errors
    /// One of them panicked: its client would believe for ever that it is registered.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), tokio::task::JoinError> {
        let mut tasks = JoinSet::new();
        let outcome = loop {
            // All arms are cancel-safe: what begins stays in the channel, an ended task in the set.
            tokio::select! {
                () = stop.cancelled() => break Ok(()),
                Some(begun) = self.beginning.recv() => { tasks.spawn(begun.run(Arc::clone(&self.shared))); }
                Some(ended) = tasks.join_next() => if let Err(panicked) = ended { break Err(panicked) },
            }
        };
        self.shared.end.cancel();
        while let Some(ended) = tasks.join_next().await {
            ended?;
        }
        outcome
    }
}

/// The same name where it is asked for.
fn local(service: &ServiceName) -> LocalName {
    LocalName::new(&*service.namespace, &*service.group, &*service.service)
}

/// The same name as it is asked for.
fn asked(service: LocalName) -> ServiceName {
    ServiceName { namespace: service.namespace, group: service.group, service: service.service }
}

/// Those of `before` whose addresses are not among `now`.
fn without(before: &[NacosInstance], now: &[NacosInstance]) -> Vec<NacosInstance> {
    let address = |instance: &NacosInstance| (instance.ip.clone(), instance.port, instance.cluster_name.clone());
    let there: HashSet<_> = now.iter().map(address).collect();
    before.iter().filter(|instance| !there.contains(&address(instance))).cloned().collect()
}

/// The refusal of something that stays wanted.
fn but_kept(mut refusal: RegistryRefusal) -> RegistryRefusal {
    refusal.message.push_str("; the registration is kept and made as soon as it does");
    refusal
}
