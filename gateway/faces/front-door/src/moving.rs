//! Clients that are asked to connect elsewhere: by order of an operator, and before the gateway stops.
//!
//! An SDK that is asked closes its connection, takes another server of its list, and registers and subscribes there anew; one that has no other
//! stays where it is. Asking all at once would have them all arrive at the other gateways at once, so they are asked some after the other.
//! What those that go have registered stays for a while: see [`crate::registrations`].

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use federation_ports::front_door::{FrontDoorControl, FrontDoorStatus};
use nacos_protocol::message::internal::ConnectResetRequest;
use nacos_protocol::server::{ClientSessions, PushBody, PushKey};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::registrations::Registrations;

/// How often some are asked.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How many each time by an operator's order: a thousand a second, which another gateway takes without effort.
const ASK_AT_ONCE: usize = 50;
/// In how many times all are asked before a stop: within a second.
const TIMES_BEFORE_STOP: usize = 20;
/// When those that are still here are asked again: they had no other server, or came without asking whether they may.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// How long a stop waits for clients to go, and for what they registered to be registered elsewhere. The gateway's stop leaves its outer
/// parts 6.5 s, and cutting those that stayed takes one.
const MOVE_WITHIN: Duration = Duration::from_millis(4_500);
/// How often a stop looks whether all have gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A handle to a front door that runs. Cheap to clone.
#[derive(Clone)]
pub struct FrontDoorHandle(Arc<Moving>);

impl FrontDoorControl for FrontDoorHandle {
    fn status(&self) -> FrontDoorStatus {
        let (_, upstream_connected) = self.0.registrations.connections();
        FrontDoorStatus {
            drained: self.0.drained.load(Ordering::Relaxed),
            connections: self.0.sessions.count(),
            registering_clients: self.0.registrations.clients(),
            upstream_connected,
        }
    }

    fn drain(&self) {
        self.0.drained.store(true, Ordering::Relaxed);
        self.0.ordered.notify_one();
    }

    fn undrain(&self) {
        self.0.drained.store(false, Ordering::Relaxed);
        self.0.ordered.notify_one();
    }
}

/// See the module.
pub(crate) struct Moving {
    drained: Arc<AtomicBool>,
    ordered: Notify,
    sessions: ClientSessions,
    registrations: Registrations,
}

impl Moving {
    pub(crate) fn new(
        drained: Arc<AtomicBool>,
        sessions: ClientSessions,
        registrations: Registrations,
    ) -> (FrontDoorHandle, Arc<Self>) {
        let moving = Arc::new(Self { drained, ordered: Notify::new(), sessions, registrations });
        (FrontDoorHandle(Arc::clone(&moving)), moving)
    }

    /// Asks clients to go for as long as it is drained, until `stop`.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let asking = async {
            loop {
                if self.drained.load(Ordering::Relaxed) {
                    self.ask_all(ASK_AT_ONCE).await;
                    let _ = tokio::time::timeout(ASK_AGAIN, self.ordered.notified()).await;
                } else {
                    self.ordered.notified().await;
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = asking => {}
        }
    }

    /// Asks all clients to go, and waits until they have and what they registered is elsewhere, or time is up.
    pub(crate) async fn before_the_end(&self) {
        self.drained.store(true, Ordering::Relaxed);
        let connected = self.sessions.count();
        let gone = async {
            self.ask_all(connected.div_ceil(TIMES_BEFORE_STOP).max(ASK_AT_ONCE)).await;
            while self.sessions.count() > 0 || self.registrations.connections().0 > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if tokio::time::timeout(MOVE_WITHIN, gone).await.is_err() {
            let left = self.sessions.count();
            tracing::info!(connected, left, "the front door stops before all clients have gone elsewhere");
        }
    }

    async fn ask_all(&self, at_once: usize) {
        let reset = PushBody::of(&ConnectResetRequest::default());
        for some in self.sessions.ids().chunks(at_once) {
            if !self.drained.load(Ordering::Relaxed) {
                return;
            }
            for client in some {
                self.sessions.push(client, PushKey::Reset, reset.clone());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}
