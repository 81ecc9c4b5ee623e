//! The listening sockets and their connections, from bind to drain.
//!
//! Order of a stop: not ready any more, watches end, nothing new is accepted, what is under way may finish until
//! [`DRAIN`] has passed, then connections are closed.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{ApiState, grpc, http};

/// How long requests that are under way may take once the gateway stops. Answers take milliseconds; this is for slow clients.
pub const DRAIN: Duration = Duration::from_secs(5);
/// How long a client may take to send the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// How often an HTTP/2 peer is asked whether it is still there, and how long it may take to answer.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(20);
/// Streams that one HTTP/2 connection may have open: one for each watch that a client multiplexes.
const MOST_STREAMS: u32 = 16_384;
/// Pause after a failed accept: there are too few file descriptors, and only others can free some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

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
pub struct Listeners {
    http: TcpListener,
    grpc: TcpListener,
    http_address: SocketAddr,
    grpc_address: SocketAddr,
}

impl Listeners {
    /// Listens on both addresses; port 0 takes any free port.
    ///
    /// # Errors
    /// When one of them is taken, or not an address of this machine.
    pub async fn bind(http: SocketAddr, grpc: SocketAddr) -> Result<Self, BindError> {
        let (http, http_address) = bind("HTTP", http).await?;
        let (grpc, grpc_address) = bind("gRPC", grpc).await?;
        Ok(Self { http, grpc, http_address, grpc_address })
    }

    /// Where HTTP is answered, with the port that was taken.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// Where gRPC is answered, with the port that was taken.
    #[must_use]
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc_address
    }
}

async fn bind(face: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), BindError> {
    let failed = |source| BindError { face, address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Routes beside the API's own, on paths that it does not have: the same sockets, connections and layers serve them. For
/// measuring what an answer costs against a handler that does nothing.
#[derive(Debug, Default)]
pub struct Beside {
    /// Served where HTTP is answered; counted and timed like every request.
    pub http: Router,
    /// Served where gRPC is answered.
    pub grpc: Router,
}

/// Answers until `stop`, then drains; returns within [`DRAIN`] of that.
///
/// # Errors
/// When a task panicked; the others are stopped then.
pub async fn run(listeners: Listeners, state: ApiState, stop: CancellationToken) -> Result<(), ServeError> {
    run_beside(listeners, state, Beside::default(), stop).await
}

/// As [`run`], with other routes beside.
///
/// # Errors
/// When a task panicked; the others are stopped then.
///
/// # Panics
/// When a route beside has a path of the API.
pub async fn run_beside(
    listeners: Listeners,
    state: ApiState,
    beside: Beside,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    run_and_drain(listeners, state, beside, stop, DRAIN).await
}

/// As [`run_beside`], with another time to drain.
pub(super) async fn run_and_drain(
    listeners: Listeners,
    state: ApiState,
    beside: Beside,
    stop: CancellationToken,
    drain: Duration,
) -> Result<(), ServeError> {
    let (grpc, reporter) = grpc::routes(&state);
    let draining = state.draining().clone();
    let mut tasks = JoinSet::new();
    let http = http::router_beside(state.clone(), beside.http);
    let grpc = grpc.prepare().into_axum_router().merge(beside.grpc);
    tasks.spawn(serve("HTTP", listeners.http, http, draining.clone(), drain));
    tasks.spawn(serve("gRPC", listeners.grpc, grpc, draining.clone(), drain));
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

async fn serve(
    face: &'static str,
    listener: TcpListener,
    router: Router,
    draining: CancellationToken,
    drain: Duration,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! { // All are cancel-safe.
            () = draining.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), draining.clone()));
                }
                Err(error) => {
                    tracing::warn!(face, %error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => report(face, ended),
        }
    }
    drop(listener);
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            report(face, ended);
        }
    };
    if tokio::time::timeout(drain, drained).await.is_err() {
        tracing::warn!(face, connections = connections.len(), "closing connections that did not finish in time");
        connections.shutdown().await;
    }
}

/// A request that panics closes its connection only.
fn report(face: &'static str, ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(face, %error, "a connection's task panicked");
    }
}

/// HTTP/1 and HTTP/2 alike; errors are the client's matter, it has left.
async fn connection(stream: TcpStream, router: Router, draining: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN)
        .max_concurrent_streams(MOST_STREAMS);
    let service = TowerToHyperService::new(router.map_request(|request: Request<_>| request.map(Body::new)));
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! { // The connection is pinned outside: nothing of it is lost.
        ended = serving.as_mut() => ended,
        () = draining.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
