//! The listening sockets of the API, from bind to drain.
//!
//! Order of a stop: not ready any more, watches end, nothing new is accepted, what is under way may finish until
//! [`DRAIN`] has passed, then connections are closed.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use bounded_listener::{Listener, ListenerGate, ListenerLimits, ListenerTls, RoutedService};
use federation_access::authority::ListenerPlace;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

pub use super::http::PageSource;
use super::known_peer::KnownPeer;
use super::{ApiState, grpc, http};

/// How long requests that are under way may take once the gateway stops. Answers take milliseconds; this is for slow clients.
pub const DRAIN: Duration = Duration::from_secs(5);

/// A socket that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {face}")]
pub struct BindError {
    /// `HTTP` or `gRPC`.
    pub face: &'static str,
    /// As configured.
    pub address: SocketAddr,
    /// What the system says.
    #[source]
    pub source: io::Error,
}

/// Why serving ended other than by being asked to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A bug; the process should end.
    #[error("a task of the server panicked")]
    Panicked(#[source] JoinError),
}

/// Two sockets that listen already; clients may connect, and wait until [`run`].
#[derive(Debug)]
pub struct ApiListeners {
    http: Listener,
    grpc: Listener,
}

impl ApiListeners {
    /// Listens on both addresses; port 0 takes any free port. Connections and bytes count at `gate`.
    ///
    /// # Errors
    /// When one of them is taken, or not an address of this machine.
    pub fn bind(gate: &ListenerGate, http: SocketAddr, grpc: SocketAddr) -> Result<Self, BindError> {
        let bind = |name, face, address| {
            Listener::bind(gate, name, ListenerLimits::small(), address).map_err(|source| BindError {
                face,
                address,
                source,
            })
        };
        Ok(Self { http: bind("http", "HTTP", http)?, grpc: bind("grpc", "gRPC", grpc)? })
    }

    /// Speaks TLS on both; without one, plain text.
    #[must_use]
    pub fn secured(self, tls: Option<ListenerTls>) -> Self {
        Self { http: self.http.secured(tls.clone()), grpc: self.grpc.secured(tls) }
    }

    /// Where HTTP is answered, with the port that was taken.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http.address()
    }

    /// Where gRPC is answered, with the port that was taken.
    #[must_use]
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc.address()
    }
}

/// What is served beside the API, on paths that it does not have: the same sockets, connections and layers serve it. Pages for people, and
/// routes for measuring what an answer costs against a handler that does nothing.
#[derive(Debug)]
pub struct RoutesBeside {
    /// Served where HTTP is answered; counted and timed like every request. For those who may do everything.
    pub http: Router,
    /// Served where gRPC is answered.
    pub grpc: Router,
    /// Served where HTTP is answered, at paths that nothing else has, to whoever asks.
    pub pages: PageSource,
}

impl Default for RoutesBeside {
    fn default() -> Self {
        Self { http: Router::new(), grpc: Router::new(), pages: http::no_page }
    }
}

/// Answers until `stop`, then drains; returns within [`DRAIN`] of that.
///
/// # Errors
/// When a task panicked; the others are stopped then.
pub async fn run(listeners: ApiListeners, state: ApiState, stop: CancellationToken) -> Result<(), ServeError> {
    run_beside(listeners, state, RoutesBeside::default(), stop).await
}

/// As [`run`], with other routes beside.
///
/// # Errors
/// When a task panicked; the others are stopped then.
///
/// # Panics
/// When a route beside has a path of the API.
pub async fn run_beside(
    listeners: ApiListeners,
    state: ApiState,
    beside: RoutesBeside,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    run_and_drain(listeners, state, beside, stop, DRAIN).await
}

/// As [`run_beside`], with another time to drain.
pub(super) async fn run_and_drain(
    listeners: ApiListeners,
    state: ApiState,
    beside: RoutesBeside,
    stop: CancellationToken,
    drain: Duration,
) -> Result<(), ServeError> {
    let (grpc, reporter) = grpc::routes(&state, ListenerPlace::of(listeners.grpc_address()));
    let draining = state.draining().clone();
    let mut tasks = JoinSet::new();
    let http =
        http::router_beside(state.clone(), beside.http, beside.pages, ListenerPlace::of(listeners.http_address()));
    let http = RoutedService { router: http, rule: http::rule, refuse: http::refuse };
    let grpc = grpc.prepare().into_axum_router().merge(beside.grpc);
    let grpc = RoutedService { router: grpc, rule: grpc::rule, refuse: grpc::refuse };
    tasks.spawn(listeners.http.run(KnownPeer(http), draining.clone(), drain));
    tasks.spawn(listeners.grpc.run(KnownPeer(grpc), draining.clone(), drain));
    tasks.spawn(grpc::report_readiness(state, reporter));
    let mut outcome = Ok(());
    loop {
        let ended = tokio::select! { // Both are cancel-safe.
            () = stop.cancelled(), if !draining.is_cancelled() => {
                draining.cancel();
                continue;
            }
            ended = tasks.join_next() => ended,
        };
        let Some(ended) = ended else { return outcome };
        draining.cancel(); // A server that answers on one of two ports only would look alive to half of its clients.
        outcome = outcome.and(ended.map_err(ServeError::Panicked));
    }
}
