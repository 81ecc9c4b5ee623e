//! Who is told of which lookup, and the tasks that tell them: one for each topic that somebody subscribed to.
//!
//! Bounds: a connection has one subscription for each service, as in Nacos, [`MOST_OF_ONE`] in all; there are [`MOST_TOPICS`] topics. A topic, its
//! task and its newest list go with its last subscriber.
//! Nothing is queued here: a push replaces the one before in its client's outbox.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use federation_view::hub::Hub;
use nacos_protocol::message::error_code;
use nacos_protocol::server::{ClientSessions, ConnectionId, PushKey, RegistryRefusal, ServiceName};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Knowledge;
use super::lookups::{LookupAnswer, LookupTopic, Lookups};

/// Services that one client may subscribe to; who watches all services of a registry has some thousands on a connection.
pub(super) const MOST_OF_ONE: usize = 20_000;
/// Topics of all clients together, each of which has a task and the newest list: twice the services of a large federation.
pub(super) const MOST_TOPICS: usize = 200_000;

/// Topics that begin and whose task is not running yet; it is taken up at once. Who subscribes waits while it is full.
const BEGINNING: usize = 256;

/// See the module.
pub(crate) struct Subscriptions {
    shared: Arc<Shared>,
    begin: mpsc::Sender<Arc<Topic>>,
}

/// What there is to run.
pub(crate) struct SubscriptionTasks {
    shared: Arc<Shared>,
    beginning: mpsc::Receiver<Arc<Topic>>,
}

struct Shared {
    hub: Hub<Lookups>,
    sessions: ClientSessions,
    knowledge: Arc<Knowledge>,
    register: Mutex<Register>, // Locked for single steps, never across an await.
}

#[derive(Default)]
struct Register {
    topics: HashMap<LookupTopic, Arc<Topic>>,
    by_connection: HashMap<ConnectionId, HashMap<ServiceName, Arc<Topic>>>,
}

struct Topic {
    of: LookupTopic,
    push_key: PushKey,
    /// Locked for one addition or removal, or for a copy.
    subscribers: Mutex<BTreeSet<ConnectionId>>,
    ended: CancellationToken,
}

impl Topic {
    fn new(of: LookupTopic, service: ServiceName) -> Arc<Self> {
        let (push_key, ended) = (PushKey::Service(service), CancellationToken::new());
        Arc::new(Self { of, push_key, subscribers: Mutex::default(), ended })
    }

    fn subscribers(&self) -> MutexGuard<'_, BTreeSet<ConnectionId>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes both ends.
pub(crate) fn subscriptions(
    hub: Hub<Lookups>,
    sessions: ClientSessions,
    knowledge: Arc<Knowledge>,
) -> (Subscriptions, SubscriptionTasks) {
    let shared = Arc::new(Shared { hub, sessions, knowledge, register: Mutex::default() });
    let (begin, beginning) = mpsc::channel(BEGINNING);
    (Subscriptions { shared: Arc::clone(&shared), begin }, SubscriptionTasks { shared, beginning })
}

impl Subscriptions {
    /// Tells a connection of the topic from now on, in place of what it was told of this service before.
    ///
    /// # Errors
    /// The client, or all together, have too many; what it was told of this service before goes on.
    pub(crate) async fn subscribe(
        &self,
        connection: &ConnectionId,
        service: ServiceName,
        of: LookupTopic,
    ) -> Result<(), RegistryRefusal> {
        let begun = self.shared.register().subscribe(connection, service, of)?;
        if let Some(topic) = begun {
            // Fails only once the tasks ended: then nobody is told anything any more, and the client's connection ends.
            let _ = self.begin.send(topic).await;
        }
        if !self.shared.sessions.contains(connection) {
            self.forget(connection); // It went while it asked: nobody else would take this back.
        }
        Ok(())
    }

    /// Tells a connection no more of a service.
    pub(crate) fn unsubscribe(&self, connection: &ConnectionId, service: &ServiceName) {
        self.shared.register().unsubscribe(connection, service);
    }

    /// A connection is gone.
    pub(crate) fn forget(&self, connection: &ConnectionId) {
        self.shared.register().forget(connection);
    }
}

impl Register {
    /// The topic, if it has to begin.
    fn subscribe(
        &mut self,
        connection: &ConnectionId,
        service: ServiceName,
        of: LookupTopic,
    ) -> Result<Option<Arc<Topic>>, RegistryRefusal> {
        self.has_room(connection, &service, &of)?;
        let (topic, begun) = match self.topics.entry(of) {
            Entry::Occupied(found) => (Arc::clone(found.get()), false),
            Entry::Vacant(place) => {
                let topic = Topic::new(place.key().clone(), service.clone());
                (Arc::clone(place.insert(topic)), true)
            }
        };
        topic.subscribers().insert(connection.clone());
        let mine = self.by_connection.entry(connection.clone()).or_default();
        let before = mine.insert(service, Arc::clone(&topic));
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, &topic)) {
            self.leave(connection, &before);
        }
        Ok(begun.then_some(topic))
    }

    fn has_room(
        &self,
        connection: &ConnectionId,
        service: &ServiceName,
        of: &LookupTopic,
    ) -> Result<(), RegistryRefusal> {
        let mine = self.by_connection.get(connection);
        if mine.is_some_and(|mine| mine.len() >= MOST_OF_ONE && !mine.contains_key(service)) {
            return too_many(format!("a client may subscribe to {MOST_OF_ONE} services"));
        }
        if self.topics.len() >= MOST_TOPICS && !self.topics.contains_key(of) {
            return too_many(format!("clients of this gateway subscribe to {MOST_TOPICS} lists, which is the most"));
        }
        Ok(())
    }

    fn unsubscribe(&mut self, connection: &ConnectionId, service: &ServiceName) {
        let Some(mine) = self.by_connection.get_mut(connection) else { return };
        let left = mine.remove(service);
        if mine.is_empty() {
            self.by_connection.remove(connection);
        }
        if let Some(topic) = left {
            self.leave(connection, &topic);
        }
    }

    fn forget(&mut self, connection: &ConnectionId) {
        for topic in self.by_connection.remove(connection).unwrap_or_default().into_values() {
            self.leave(connection, &topic);
        }
    }

    fn leave(&mut self, connection: &ConnectionId, topic: &Arc<Topic>) {
        let mut subscribers = topic.subscribers();
        subscribers.remove(connection);
        if subscribers.is_empty() {
            topic.ended.cancel();
            self.topics.remove(&topic.of);
        }
    }
}

impl Shared {
    fn register(&self) -> MutexGuard<'_, Register> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the subscribers of a topic of each change, until nobody is left. What the list was when the task began, subscribers had as answers:
    /// it is told all the same, since one of them may have been asked for before.
    async fn tell(self: Arc<Self>, topic: Arc<Topic>) {
        let mut watcher = self.hub.watch(topic.of.clone(), None);
        let mut told = None;
        loop {
            // Both arms are cancel-safe: what is not returned is told by the next call.
            let answer: Arc<LookupAnswer> = tokio::select! {
                () = topic.ended.cancelled() => return,
                next = watcher.next() => match next {
                    Ok(answer) => answer,
                    Err(_) => return, // The gateway stops.
                },
            };
            if answer.info.hosts.is_empty() && !self.knowledge.is_complete() {
                continue; // Whoever subscribed was told that nothing is known, and asks again.
            }
            if told.replace(answer.fingerprint()) != Some(answer.fingerprint()) {
                let (body, told) = (answer.push(), topic.subscribers().clone());
                for connection in &told {
                    self.sessions.push(connection, topic.push_key.clone(), body.clone());
                }
            }
        }
    }
}

impl SubscriptionTasks {
    /// Runs a task for each topic until `stop`.
    ///
    /// # Errors
    /// One of them panicked: its subscribers would keep an old list for ever.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), tokio::task::JoinError> {
        let mut tasks = JoinSet::new();
        loop {
            // All arms are cancel-safe: a topic stays in the channel, an ended task in the set.
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(topic) = self.beginning.recv() => { tasks.spawn(Arc::clone(&self.shared).tell(topic)); }
                Some(ended) = tasks.join_next() => ended?,
            }
        }
    }
}

/// Refuses a subscription as Nacos refuses what is too much.
pub(super) fn too_many<T>(words: String) -> Result<T, RegistryRefusal> {
    Err(RegistryRefusal::new(error_code::OVER_THRESHOLD, words))
}

#[cfg(test)]
mod tests {
    use nacos_protocol::server::RegistryRefusal;

    use super::super::rules::ClusterFilter;
    use super::*;
    use crate::place::caller_of;

    fn subscribe(register: &mut Register, client: &str, service: usize) -> Result<bool, RegistryRefusal> {
        let (group, service) = ("G".to_owned(), service.to_string());
        let key = federation_core::id::ServiceKey::new("public", &group, &service);
        let of = LookupTopic {
            name: key.clone(),
            key,
            caller: caller_of(&Default::default()),
            clusters: String::new(),
            filter: ClusterFilter::read(""),
        };
        let service = ServiceName { namespace: "public".to_owned(), group, service };
        let connection = ConnectionId::from(Arc::from(client));
        register.subscribe(&connection, service, of).map(|begun| begun.is_some())
    }

    #[test]
    fn a_client_and_all_together_may_subscribe_to_so_much() {
        let mut register = Register::default();
        for service in 0..MOST_OF_ONE {
            assert_eq!(subscribe(&mut register, "one", service), Ok(true));
        }
        assert!(subscribe(&mut register, "one", MOST_OF_ONE).is_err());
        assert_eq!(subscribe(&mut register, "one", 0), Ok(false), "what it has it may have again");
        for service in MOST_OF_ONE..MOST_TOPICS {
            let client = format!("client {}", service / MOST_OF_ONE);
            assert_eq!(subscribe(&mut register, &client, service), Ok(true));
        }
        assert!(subscribe(&mut register, "another", MOST_TOPICS).is_err());
        assert_eq!(subscribe(&mut register, "another", 7), Ok(false), "what others are told of costs nothing");
        register.forget(&ConnectionId::from(Arc::from("one")));
        assert_eq!(subscribe(&mut register, "another", MOST_TOPICS), Ok(true), "others went");
    }
}
