//! The server's side of the protocol, for unmodified SDKs of Nacos 2.x and 3.x: connections, sessions, pushes.
//!
//! Input: TCP connections, and a [`RegistryBackend`] that knows the answers. Output: the calls of the backend, and through [`ClientSessions`] pushes that are
//! repeated until the client acknowledged them. Nothing is stored here but what belongs to a connection.
//!
//! Invariants: a connection is known to the backend exactly as long as its session lives; per connection and key only the newest push is kept,
//! so that a slow client costs bounded memory; a client that hangs is ended, not waited for.

mod backend;
mod connection;
mod dispatch;
pub mod fuzzy;
mod outbox;
mod session;
mod sessions;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bounded_listener::limits::REQUEST_SIZE;
use bounded_listener::{Listener, ListenerGate, ListenerLimits, ListenerTls};
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use backend::{
    CallingClient, ConfigChange, ConfigName, ConfigPublication, ConnectedClient, DEFAULT_GROUP, FuzzyWatch,
    FuzzyWatching, ListenContext, ListingPage, NamingPublication, RefusalComes, RegistryBackend, RegistryRefusal,
    ServiceName,
};
pub use connection::ConnectionId;
pub use outbox::{PushBody, PushKey};
pub use sessions::ClientSessions;

use crate::payload::{BiRequestStreamServer, RequestServer};
use connection::{Calls, Identity};
use dispatch::Endpoint;
use session::{Opened, Session};

/// Largest request taken, in bytes; Nacos's own default.
const MAX_REQUEST_BYTES: usize = 10 * 1024 * 1024;

/// Streams that were opened and not yet taken up by the task that owns the sessions; it takes them up at once.
const OPENED_QUEUE: usize = 64;

/// How long an orderly stop waits for calls in flight before it cuts the connections.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Times and bounds of a server. The defaults are Nacos's, or stricter where a hung client would cost memory.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// How long a stream may stay without its set-up.
    pub setup_within: Duration,
    /// Silence of a client after which it is probed. Clients check every 5 s.
    pub probe_after: Duration,
    /// Silence after a probe that ends the connection.
    pub probe_timeout: Duration,
    /// How long the first push waits for its acknowledgement before it is repeated; doubled each time up to 30 s.
    pub ack_timeout: Duration,
    /// How long a client may read nothing of what is queued for it before its connection is ended.
    pub blocked_after: Duration,
    /// Connections at a time, where the process may have as many.
    pub max_connections: usize,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            setup_within: Duration::from_secs(10),
            probe_after: Duration::from_secs(20),
            probe_timeout: Duration::from_secs(5),
            ack_timeout: Duration::from_secs(3),
            blocked_after: Duration::from_secs(30),
            max_connections: usize::MAX,
        }
    }
}

/// Why a server ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A session panicked: what it owned in the backend may be left over.
    #[error("session of the nacos protocol server panicked")]
    Panicked(#[from] tokio::task::JoinError),
}

/// A bound, not yet serving server of the Nacos protocol.
#[derive(Debug)]
pub struct NacosServer {
    listener: Listener,
    sessions: ClientSessions,
    options: ServerOptions,
}

impl NacosServer {
    /// Binds the gRPC port, at this gate and by this name. Clients compute it as their HTTP port plus 1000.
    ///
    /// # Errors
    ///
    /// The address is in use or not of this machine.
    pub fn bind(
        gate: &ListenerGate,
        name: &'static str,
        address: SocketAddr,
        options: ServerOptions,
    ) -> std::io::Result<Self> {
        let mut limits = ListenerLimits::with_large(MAX_REQUEST_BYTES);
        limits.connections = options.max_connections;
        let listener = Listener::bind(gate, name, limits, address)?;
        Ok(Self { listener, sessions: ClientSessions::default(), options })
    }

    /// Speaks TLS with all clients; without one, plain text.
    #[must_use]
    pub fn secured(self, tls: Option<ListenerTls>) -> Self {
        Self { listener: self.listener.secured(tls), ..self }
    }

    /// The address that was bound, with its real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The way to push to connected clients.
    pub fn sessions(&self) -> ClientSessions {
        self.sessions.clone()
    }

    /// Serves until `stop`; then ends all sessions, tells the backend, and cuts what is left after a second.
    ///
    /// # Errors
    ///
    /// The transport or a session panicked; the server is stopped then.
    pub async fn run<B: RegistryBackend>(self, backend: Arc<B>, stop: CancellationToken) -> Result<(), ServeError> {
        let stop = stop.child_token();
        let (opened, incoming_streams) = mpsc::channel(OPENED_QUEUE);
        let endpoint = Endpoint::new(backend.clone(), self.sessions.clone(), opened);
        let routes = Routes::new(RequestServer::new(endpoint.clone()).max_decoding_message_size(MAX_REQUEST_BYTES))
            .add_service(BiRequestStreamServer::new(endpoint).max_decoding_message_size(REQUEST_SIZE))
            .prepare();
        let calls = Calls { routes, sessions: self.sessions.clone() };
        let transport = async {
            self.listener.run(calls, stop.clone(), STOP_GRACE).await;
            stop.cancel(); // Without a transport sessions are over.
        };
        let mut owner = SessionOwner { backend, sessions: self.sessions, options: self.options, stop: stop.clone() };
        let sessions = async {
            let ended = owner.run(incoming_streams).await;
            stop.cancel(); // Without sessions calls are useless.
            ended
        };
        let ((), ended) = tokio::join!(transport, sessions);
        ended
    }
}

/// The task that owns the tasks of all sessions.
struct SessionOwner<B> {
    backend: Arc<B>,
    sessions: ClientSessions,
    options: ServerOptions,
    stop: CancellationToken,
}

impl<B: RegistryBackend> SessionOwner<B> {
    /// Runs a task for each opened stream, until `stop` and all of them ended.
    async fn run(&mut self, mut opened: mpsc::Receiver<Opened>) -> Result<(), ServeError> {
        let mut tasks = JoinSet::new();
        loop {
            // Both arms are cancel-safe: a message stays in the channel, an ended task in the set.
            tokio::select! {
                () = self.stop.cancelled() => break,
                Some(stream) = opened.recv() => { tasks.spawn(self.session(stream)); }
                Some(ended) = tasks.join_next() => ended?,
            }
        }
        while let Some(ended) = tasks.join_next().await {
            ended?;
        }
        Ok(())
    }

    fn session(&self, opened: Opened) -> impl Future<Output = ()> + Send + use<B> {
        let (backend, sessions, stop) = (self.backend.clone(), self.sessions.clone(), self.stop.clone());
        let options = self.options.clone();
        async move { Session::run(opened, &*backend, &sessions, &options, &stop).await }
    }
}

/// What a client is sent on its stream.
pub(crate) type Outbound = BoxStream<'static, Result<crate::payload::Payload, tonic::Status>>;

/// The identity that the transport attached to a call.
fn identity_of<T>(request: &tonic::Request<T>) -> Result<Arc<Identity>, tonic::Status> {
    let identity = request.extensions().get::<Arc<Identity>>();
    identity.cloned().ok_or_else(|| tonic::Status::internal("the transport names no connection"))
}
