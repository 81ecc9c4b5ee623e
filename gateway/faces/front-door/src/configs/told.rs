//! How listeners are told to look at an item again: clients by a push that is repeated until they acknowledge it, requests that wait by waking
//! them.
//!
//! Bounds: of each item, a client's outbox keeps one bell; a request that waits keeps that it was rung.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nacos_protocol::message::config::ConfigChangeNotifyRequest;
use nacos_protocol::server::{ClientSessions, ConfigName, ConnectionId, PushBody, PushKey};
use tokio::sync::Notify;

use super::fuzzy::FuzzyNotice;
use super::listening::{ConfigListener, Ring};

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(super) struct ListenersTold {
    sessions: ClientSessions,
    polls: Arc<Mutex<HashMap<u64, Arc<Notify>>>>, // Locked for one entry.
    numbers: Arc<AtomicU64>,
}

/// A request that waits for a bell; it listens no more when it is dropped.
pub(super) struct WaitingPoll {
    number: u64,
    own: Arc<Notify>,
    told: ListenersTold,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ListenersTold {
    pub(super) fn new(sessions: ClientSessions) -> Self {
        Self { sessions, polls: Arc::default(), numbers: Arc::default() }
    }

    /// Tells each of them. A bell repeats the name as the listener wrote it, and is encoded once for all who wrote it alike.
    pub(super) fn ring(&self, ring: Vec<Ring>) {
        let mut bodies: HashMap<Arc<ConfigName>, PushBody> = HashMap::new();
        for (listener, name) in ring {
            match listener {
                ConfigListener::Connection(connection) => {
                    let body = bodies.entry(Arc::clone(&name)).or_insert_with(|| bell(&name)).clone();
                    self.sessions.push(&connection, PushKey::Config((*name).clone()), body);
                }
                ConfigListener::Poll(number) => {
                    let found = lock(&self.polls).get(&number).cloned();
                    found.inspect(|poll| poll.notify_one()); // Else it is over.
                }
            }
        }
    }

    /// Gives a notice of a fuzzy watch to those who watch.
    pub(super) fn notify(&self, notice: Option<FuzzyNotice>) {
        let Some((watchers, key, body)) = notice else { return };
        for watcher in watchers {
            self.sessions.push(&watcher, key.clone(), body.clone());
        }
    }

    /// Whether the client is there still.
    pub(super) fn is_there(&self, connection: &ConnectionId) -> bool {
        self.sessions.contains(connection)
    }

    /// A request that is going to wait.
    pub(super) fn poll(&self) -> WaitingPoll {
        let (number, own) = (self.numbers.fetch_add(1, Ordering::Relaxed), Arc::new(Notify::new()));
        lock(&self.polls).insert(number, Arc::clone(&own));
        WaitingPoll { number, own, told: self.clone() }
    }
}

impl WaitingPoll {
    pub(super) fn listener(&self) -> ConfigListener {
        ConfigListener::Poll(self.number)
    }

    /// Waits for a bell since the last one. Cancel-safe.
    pub(super) async fn rung(&self) {
        self.own.notified().await;
    }
}

impl Drop for WaitingPoll {
    fn drop(&mut self) {
        lock(&self.told.polls).remove(&self.number);
    }
}

fn bell(name: &ConfigName) -> PushBody {
    PushBody::of(&ConfigChangeNotifyRequest {
        data_id: name.data_id.clone(),
        group: name.group.clone(),
        tenant: name.namespace.clone(),
        ..ConfigChangeNotifyRequest::default()
    })
}
