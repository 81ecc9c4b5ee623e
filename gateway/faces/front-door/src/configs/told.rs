//! How listeners are told to look at an item again: by a push that is repeated until they acknowledge it.
//!
//! Bounds: of each item, a client's outbox keeps one bell.

use std::collections::HashMap;
use std::sync::Arc;

use nacos_protocol::message::config::ConfigChangeNotifyRequest;
use nacos_protocol::server::{ClientSessions, ConfigName, ConnectionId, PushBody, PushKey};

use super::fuzzy::FuzzyNotice;
use super::listening::Ring;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(super) struct ListenersTold {
    sessions: ClientSessions,
}

impl ListenersTold {
    pub(super) fn new(sessions: ClientSessions) -> Self {
        Self { sessions }
    }

    /// Tells each of them. A bell repeats the name as the listener wrote it, and is encoded once for all who wrote it alike.
    pub(super) fn ring(&self, ring: Vec<Ring>) {
        let mut bodies: HashMap<Arc<ConfigName>, PushBody> = HashMap::new();
        for (listener, name) in ring {
            let body = bodies.entry(Arc::clone(&name)).or_insert_with(|| bell(&name)).clone();
            self.sessions.push(&listener, PushKey::Config((*name).clone()), body);
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
}

fn bell(name: &ConfigName) -> PushBody {
    PushBody::of(&ConfigChangeNotifyRequest {
        data_id: name.data_id.clone(),
        group: name.group.clone(),
        tenant: name.namespace.clone(),
        ..ConfigChangeNotifyRequest::default()
    })
}
