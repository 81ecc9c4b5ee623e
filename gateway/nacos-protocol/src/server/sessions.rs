//! The sessions that are alive, and the way to push to them.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use super::connection::ConnectionId;
use super::outbox::{PushBody, PushKey};
use super::session::Session;
use crate::message::internal::ConnectResetRequest;

/// Hands pushes to the sessions of connected clients. Cheap to clone; never waits.
#[derive(Clone, Debug, Default)]
pub struct ClientSessions {
    /// Locked to look up, add or remove one entry, never across an await.
    alive: Arc<RwLock<HashMap<ConnectionId, Arc<Session>>>>,
}

impl ClientSessions {
    /// Queues a push in place of the one before with this key, and repeats it until the client acknowledged it or is gone. A client that is
    /// gone already is no error: it will ask anew.
    pub fn push(&self, connection: &ConnectionId, key: PushKey, body: PushBody) {
        if let Some(session) = self.get(connection) {
            session.push(key, body);
        }
    }

    /// Asks every client to connect elsewhere, before this server goes.
    pub fn reset_all(&self) {
        let body = PushBody::of(&ConnectResetRequest::default());
        let alive: Vec<_> = self.read().values().cloned().collect();
        for session in alive {
            session.push(PushKey::Reset, body.clone());
        }
    }

    /// Whether a client is connected. Once it is not, it never is again. Asked after something was noted for it, it says whether that will be
    /// taken back: a client is gone from here before [`super::RegistryBackend::disconnected`].
    pub fn contains(&self, connection: &ConnectionId) -> bool {
        self.read().contains_key(connection)
    }

    /// How many clients are connected.
    pub fn count(&self) -> usize {
        self.read().len()
    }

    /// The connected clients, in no order.
    pub fn ids(&self) -> Vec<ConnectionId> {
        self.read().keys().cloned().collect()
    }

    pub(super) fn get(&self, connection: &ConnectionId) -> Option<Arc<Session>> {
        self.read().get(connection).cloned()
    }

    /// Adds a session unless its connection has one already.
    pub(super) fn add(&self, session: Arc<Session>) -> bool {
        let mut alive = self.alive.write().expect("no holder of the lock panics");
        match alive.entry(session.peer().connection.clone()) {
            std::collections::hash_map::Entry::Occupied(_) => false,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(session);
                true
            }
        }
    }

    pub(super) fn remove(&self, connection: &ConnectionId) {
        self.alive.write().expect("no holder of the lock panics").remove(connection);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<ConnectionId, Arc<Session>>> {
        self.alive.read().expect("no holder of the lock panics")
    }
}
