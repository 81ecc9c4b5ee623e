//! One client that registers, and its connection to the local Nacos.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bounded_listener::OutwardPlace;
use nacos_protocol::client::{CallerHeaders, ClientEvent, NacosClient};
use nacos_protocol::cluster::NacosCluster;
use nacos_protocol::message::internal::ConnectResetRequest;
use nacos_protocol::server::{CallingClient, ConnectionId, PushBody, PushKey};
use tokio::sync::watch;

use super::Shared;
use super::holdings::Holdings;
use crate::upstream::{UpstreamCaller, UpstreamConnection, upstream_for};

/// How long what a client registered stays once it was asked to connect elsewhere and has gone. SDKs close the old connection first, and
/// register over the new one up to 3 s later (the Java client looks every 3 s); until then, nobody must miss them. Nacos shows an instance that
/// two connections registered once.
pub(super) const LINGER: Duration = Duration::from_secs(4);

/// Where a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Here,
    /// It was asked to connect elsewhere, and has gone.
    Moved,
    Gone,
}

/// See the module.
pub(super) struct Registrant {
    pub(super) client: NacosClient,
    /// What it showed last.
    pub(super) headers: CallerHeaders,
    /// Locked for single operations, never across an await.
    holdings: Mutex<Holdings>,
    presence: watch::Sender<Presence>,
}

/// A connection that was made and has to be run.
pub(super) struct Begun {
    of: ConnectionId,
    connection: UpstreamConnection,
    presence: watch::Receiver<Presence>,
    /// That of its descriptor.
    outward: OutwardPlace,
}

impl Registrant {
    /// Makes it for a caller; it holds its part of `held`.
    pub(super) fn begin(
        cluster: &Arc<NacosCluster>,
        caller: &CallingClient<'_>,
        held: &Arc<AtomicUsize>,
        outward: OutwardPlace,
    ) -> (Arc<Self>, Begun) {
        let headers = CallerHeaders::default();
        headers.show(caller.headers());
        let (client, connection) = upstream_for(cluster, UpstreamCaller::of(caller.peer, &headers));
        let holdings = Mutex::new(Holdings::new(Arc::clone(held)));
        let (presence, watched) = watch::channel(Presence::Here);
        let begun = Begun { of: caller.connection().clone(), connection, presence: watched, outward };
        (Arc::new(Self { client, headers, holdings, presence }), begun)
    }

    pub(super) fn holdings(&self) -> MutexGuard<'_, Holdings> {
        self.holdings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client is gone, perhaps because it was asked to move.
    pub(super) fn leave(&self, asked_to_move: bool) {
        self.presence.send_replace(if asked_to_move { Presence::Moved } else { Presence::Gone });
    }
}

impl Begun {
    /// Keeps the client connected to the local Nacos for as long as it is here, or until all ends.
    pub(super) async fn run(self, shared: Arc<Shared>) {
        let Self { of, connection, mut presence, outward: _outward } = self;
        let stop = shared.end.child_token();
        let mut counted = Counted::begin(&shared);
        let running = connection.run(stop.clone(), |event| match event {
            ClientEvent::Connected { .. } => counted.set_connected(true),
            ClientEvent::Disconnected { reason, .. } => {
                tracing::debug!(connection = %of, reason, "a client's connection to the nacos is lost");
                counted.set_connected(false);
            }
            ClientEvent::RegistrationLost { service, reason } => {
                tracing::info!(connection = %of, %service, reason, "a registration is refused now, its client is asked to connect anew");
                shared.sources.metrics.registrations_lost.inc();
                let reset = PushBody::of(&ConnectResetRequest::default());
                shared.sources.sessions.push(&of, PushKey::Reset, reset);
            }
            _ => {}
        });
        let watching = async {
            // An error means that nobody knows the client any more.
            let left = presence.wait_for(|presence| *presence != Presence::Here).await.map(|presence| *presence);
            if left.is_ok_and(|left| left == Presence::Moved) {
                tokio::select! {
                    () = tokio::time::sleep(LINGER) => {}
                    () = stop.cancelled() => {}
                }
            }
            stop.cancel();
        };
        tokio::join!(running, watching);
    }
}

/// Counts one connection for as long as it runs.
struct Counted<'a> {
    shared: &'a Shared,
    is_connected: bool,
}

impl<'a> Counted<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.running.fetch_add(1, Ordering::Relaxed);
        Self { shared, is_connected: false }
    }

    fn set_connected(&mut self, is_connected: bool) {
        match (self.is_connected, is_connected) {
            (false, true) => self.shared.connected.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.shared.connected.fetch_sub(1, Ordering::Relaxed),
            _ => return,
        };
        self.is_connected = is_connected;
        self.shared.tell_counts();
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.set_connected(false);
        self.shared.running.fetch_sub(1, Ordering::Relaxed);
    }
}
