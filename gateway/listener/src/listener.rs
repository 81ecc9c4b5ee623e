//! A socket that strangers connect to: accepts, watches and ends their connections.
//!
//! What is defended against: more connections than there are descriptors, a system that has none left (an accept that fails is ready
//! again at once, and a loop around it spins), peers that let us wait, and a stop that they hold up. The face behind it is asked about
//! requests only.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::connection::{Clock, Order, PeerConnection};
use crate::exchange::{Exchange, ListenerFace, Terms};
use crate::gate::{Door, ListenerGate, Ticket, TurnedAway};
use crate::handshake;
use crate::limits::{
    BACKLOG, CONNECTION_ANSWER_BYTES, FRAME_BYTES, HEAD_BYTES, HEADER_LIST_BYTES, LONGEST_PAUSE, ListenerLimits,
    PeerPatience, RESET_BY_US, RESET_UNSEEN, SEND_BUFFER_BYTES, STREAMS,
};
use crate::purse::{Budget, Ledger, ListenerBudgets};
use crate::socket::{Socket, Transport, Wire};
use crate::tls::ListenerTls;

/// A socket that listens already; peers may connect, and wait until [`Listener::run`].
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    socket: TcpListener,
    address: SocketAddr,
    gate: ListenerGate,
    limits: ListenerLimits,
    tls: Option<ListenerTls>,
}

impl Listener {
    /// Listens; port 0 takes any free port. `name` is what people and metrics call it.
    ///
    /// # Errors
    /// The address is taken, or not one of this machine.
    pub fn bind(
        gate: &ListenerGate,
        name: &'static str,
        limits: ListenerLimits,
        address: SocketAddr,
    ) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?; // Else a restart waits for the last connections of the former process to be forgotten.
        socket.bind(address)?;
        let socket = socket.listen(BACKLOG)?;
        let address = socket.local_addr()?;
        Ok(Self { name, socket, address, gate: gate.clone(), limits, tls: None })
    }

    /// Speaks TLS with all who connect; without one, plain text.
    #[must_use]
    pub fn secured(self, tls: Option<ListenerTls>) -> Self {
        Self { tls, ..self }
    }

    /// Where it listens, with the port that was taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`; then nothing new is accepted, and what is under way may finish until `drain` has passed. Failures of
    /// connections are the peers' matter, and a system that refuses some is waited for.
    pub async fn run<F: ListenerFace>(self, face: F, stop: CancellationToken, drain: Duration) {
        let name = self.name;
        let mut serving = Serving::new(&self, face);
        serving.until(&self.socket, &stop).await;
        drop(self.socket);
        serving.drain(name, drain).await;
    }
}

/// The open connections of a listener.
struct Serving<F> {
    name: &'static str,
    face: Arc<F>,
    tls: Option<ListenerTls>,
    door: Door,
    clock: Clock,
    limits: ListenerLimits,
    terms: Arc<Terms>,
    builder: Arc<Builder<TokioExecutor>>,
    tasks: JoinSet<()>,
    open: HashMap<Id, Arc<PeerConnection>>,
    trouble: Option<String>,
}

impl<F: ListenerFace> Serving<F> {
    fn new(listener: &Listener, face: F) -> Self {
        let (gate, limits, clock) = (&listener.gate, listener.limits, Clock::start());
        let door = gate.door(listener.name, clock, listener.limits.connections);
        let terms = Terms {
            patience: *gate.patience(),
            hosts: gate.hosts().clone(),
            budgets: ListenerBudgets::new(&limits, gate.budgets()),
            answers: Arc::clone(&gate.budgets().answers),
            told: door.told().clone(),
        };
        let builder = Arc::new(builder(&limits, gate.patience()));
        let (name, terms, tasks, open) = (listener.name, Arc::new(terms), JoinSet::new(), HashMap::new());
        let (face, tls) = (Arc::new(face), listener.tls.clone());
        Self { name, face, tls, door, clock, limits, terms, builder, tasks, open, trouble: None }
    }

    async fn until(&mut self, socket: &TcpListener, stop: &CancellationToken) {
        let mut looks = interval(self.terms.patience.look_every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pause = Pause::default();
        loop {
            let paused_until = pause.until();
            tokio::select! { // All are cancel-safe.
                () = stop.cancelled() => return,
                accepted = socket.accept(), if paused_until.is_none() => match accepted {
                    Ok((stream, peer)) => {
                        pause.end();
                        self.admit(stream, peer);
                    }
                    Err(error) if is_of_one_peer(&error) => tracing::debug!(listener = self.name, %error, "a peer left"),
                    Err(error) => {
                        pause.begin(self.name, &error);
                        self.door.told().refused_by_system(&error);
                        self.tell();
                    }
                },
                () = tokio::time::sleep_until(paused_until.unwrap_or_else(Instant::now)), if paused_until.is_some() => {
                    pause.is_over();
                }
                Some(ended) = self.tasks.join_next_with_id() => self.note_end(ended),
                _ = looks.tick() => self.look(),
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let ticket = match self.door.enter(peer.ip(), self.open.len()) {
            Ok(ticket) => ticket,
            Err(reason) => {
                self.door.told().turned_away(reason);
                if self.trouble.is_none() {
                    self.tell();
                }
                return;
            }
        };
        let budget = Budget::new(self.limits.connection_bytes);
        let answers = Ledger::new(CONNECTION_ANSWER_BYTES);
        let connection = Arc::new(PeerConnection::new(peer, self.clock, budget, answers));
        let visit = Visit {
            face: Arc::clone(&self.face),
            tls: self.tls.clone(),
            terms: Arc::clone(&self.terms),
            builder: Arc::clone(&self.builder),
            place: Place { connection: Arc::clone(&connection), _ticket: ticket },
        };
        let task = visit.serve(Wire::new(stream, Arc::clone(&connection)));
        let id = self.tasks.spawn(task).id();
        self.open.insert(id, connection);
    }

    /// A request that panics ends its connection only.
    fn note_end(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(listener = self.name, %error, "a connection's task panicked");
                }
                error.id()
            }
        };
        self.open.remove(&id);
    }

    fn look(&mut self) {
        for connection in self.open.values() {
            let order = connection.judge(&self.terms.patience);
            if order > connection.order() {
                tracing::debug!(listener = self.name, peer = %connection.peer(), ?order, "a peer lets us wait too long");
                self.door.told().turned_away(TurnedAway::Impatience);
                connection.give(order);
            }
        }
        self.tell();
    }

    fn tell(&mut self) {
        self.door.told().open(self.open.len());
        let trouble = self.door.told().trouble();
        if trouble != self.trouble {
            self.trouble.clone_from(&trouble);
            self.door.told().tell_trouble(trouble);
        }
    }

    async fn drain(mut self, name: &'static str, within: Duration) {
        self.open.values().for_each(|connection| connection.give(Order::Finish));
        let drained = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.note_end(ended);
            }
        };
        if tokio::time::timeout(within, drained).await.is_err() {
            tracing::warn!(
                listener = name,
                connections = self.tasks.len(),
                "closing connections that did not finish in time"
            );
            self.tasks.shutdown().await;
        }
        self.door.told().open(0);
        if self.trouble.is_some() {
            self.door.told().tell_trouble(None);
        }
    }
}

/// A connection's place among the others, given back when its task is gone, however it ends.
struct Place {
    connection: Arc<PeerConnection>,
    _ticket: Ticket,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connection.close();
    }
}

/// One connection from its first byte to its last.
struct Visit<F> {
    face: Arc<F>,
    tls: Option<ListenerTls>,
    terms: Arc<Terms>,
    builder: Arc<Builder<TokioExecutor>>,
    place: Place,
}

impl<F: ListenerFace> Visit<F> {
    /// The face hears of a peer once TLS is spoken, if it is to be. Errors are the peer's matter, it has left.
    async fn serve(self, wire: Wire) {
        let connection = &self.place.connection;
        let transport = match &self.tls {
            None => Transport::Plain(wire),
            Some(tls) => tokio::select! { // What is dropped is a connection that is to end.
                shaken = handshake::shake(wire, tls, connection) => match shaken {
                    Ok(stream) => Transport::Tls(stream),
                    Err(failed) => {
                        tracing::debug!(peer = %connection.peer(), error = %failed, "no tls with a peer");
                        failed.reason().into_iter().for_each(|reason| self.terms.told.turned_away(reason));
                        return;
                    }
                },
                () = connection.told_to_end() => return,
            },
        };
        let service = self.face.connected(connection);
        let exchange = Exchange { service, connection: Arc::clone(connection), terms: Arc::clone(&self.terms) };
        let socket = TokioIo::new(Socket::new(transport, Arc::clone(connection)));
        let mut serving = std::pin::pin!(self.builder.serve_connection(socket, exchange));
        let ended = loop {
            tokio::select! { // The connection is pinned outside, an order that is not taken is kept.
                ended = serving.as_mut() => break ended,
                order = connection.ordered() => match order {
                    Order::Live => {}
                    Order::Finish => serving.as_mut().graceful_shutdown(),
                    Order::Cut => break Ok(()),
                },
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %connection.peer(), %error, "connection ended");
        }
    }
}

fn builder(limits: &ListenerLimits, patience: &PeerPatience) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // Heads have their deadline in `PeerConnection::judge`, which tells an idle connection from a slow one.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(patience.ping_every)
        .keep_alive_timeout(patience.pong_within)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_frame_size(FRAME_BYTES)
        .max_header_list_size(HEADER_LIST_BYTES)
        .max_pending_accept_reset_streams(RESET_UNSEEN)
        .max_local_error_reset_streams(RESET_BY_US)
        .max_send_buf_size(SEND_BUFFER_BYTES);
    builder
}

/// Errors of accept(2) that are those of the connection that was to be accepted: the next one may be well. All others are the system's
/// (no descriptors, no memory for sockets), and come again at once.
fn is_of_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    let kinds = [
        Kind::ConnectionAborted,
        Kind::ConnectionReset,
        Kind::ConnectionRefused,
        Kind::Interrupted,
        Kind::WouldBlock,
        Kind::HostUnreachable,
        Kind::NetworkUnreachable,
        Kind::NetworkDown,
        Kind::TimedOut,
        Kind::PermissionDenied,
    ];
    kinds.contains(&error.kind())
}

/// The pause after accepts that failed: longer each time, until one succeeds.
#[derive(Debug, Default)]
struct Pause {
    length: Duration,
    until: Option<Instant>,
}

impl Pause {
    fn begin(&mut self, listener: &'static str, error: &io::Error) {
        tracing::debug!(listener, %error, "connections cannot be accepted now"); // The observer says it once.
        self.length = (self.length * 2).clamp(LONGEST_PAUSE / 100, LONGEST_PAUSE);
        self.until = Some(Instant::now() + self.length);
    }

    fn until(&self) -> Option<Instant> {
        self.until
    }

    fn is_over(&mut self) {
        self.until = None;
    }

    fn end(&mut self) {
        *self = Self::default();
    }
}
