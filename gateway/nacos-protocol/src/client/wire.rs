//! One TCP connection with HTTP/2 on it, made by hand: nothing here connects again by itself, because a registry knows its client by the
//! TCP connection.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response, Uri};

use crate::cluster::{NacosCluster, ServerAddress};

/// HTTP/2 pings, as the Java client sends them: a server may hang up on a client that pings more often than every 5 min. Dead servers are
/// found by health checks.
const PING_EVERY: Duration = Duration::from_secs(360);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Room for 10 MiB pushes without many round trips, and a window of the connection that one unread stream cannot fill.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("{host} cannot be resolved")]
    Resolve {
        host: String,
        #[source]
        source: io::Error,
    },
    #[error("{host} has no address")]
    NoAddress { host: String },
    #[error("cannot connect to {address}")]
    Connect {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("TLS with {address} failed")]
    Tls {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("HTTP/2 with {address} failed")]
    Http2 {
        address: SocketAddr,
        #[source]
        source: hyper::Error,
    },
}

/// Sends requests over the one connection. Cheap to clone; fails for ever once the connection is gone.
#[derive(Clone)]
pub(super) struct Wire {
    sender: http2::SendRequest<Body>,
}

impl Wire {
    /// The connection is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// Moves the connection's bytes; to be polled until it ends, which is the end of the connection.
pub(super) type Driver = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;

impl tower::Service<Request<Body>> for Wire {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.sender.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.sender.send_request(request))
    }
}

/// Connects to the gRPC port of a server: its name is resolved anew, and each of its addresses is tried.
pub(super) async fn connect(
    cluster: &NacosCluster,
    server: &ServerAddress,
) -> Result<(Wire, Driver, Uri), ConnectError> {
    let options = cluster.options();
    let port = server.port() + options.grpc_offset;
    let host = server.host();
    let resolving = tokio::time::timeout(options.connect_timeout, tokio::net::lookup_host((host, port)));
    let addresses: Vec<_> = resolving
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|source| ConnectError::Resolve { host: host.to_owned(), source })?
        .collect();
    let mut last = ConnectError::NoAddress { host: host.to_owned() };
    for address in addresses {
        match tokio::time::timeout(options.connect_timeout, connect_to(cluster, host, address)).await {
            Ok(Ok((wire, driver))) => return Ok((wire, driver, origin(cluster, server, port))),
            Ok(Err(error)) => last = error,
            Err(_) => last = ConnectError::Connect { address, source: io::ErrorKind::TimedOut.into() },
        }
    }
    Err(last)
}

fn origin(cluster: &NacosCluster, server: &ServerAddress, port: u16) -> Uri {
    let scheme = if cluster.grpc_tls().is_some() { "https" } else { "http" };
    let uri = format!("{scheme}://{}", server.authority(port));
    uri.parse().expect("server addresses hold only characters of an authority")
}

async fn connect_to(cluster: &NacosCluster, host: &str, address: SocketAddr) -> Result<(Wire, Driver), ConnectError> {
    let stream = TcpStream::connect(address).await.map_err(|source| ConnectError::Connect { address, source })?;
    stream.set_nodelay(true).map_err(|source| ConnectError::Connect { address, source })?;
    match cluster.grpc_tls() {
        None => handshake(stream, address).await,
        Some(tls) => {
            let failed = |source| ConnectError::Tls { address, source };
            let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(io::Error::other(error)))?;
            let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.map_err(failed)?;
            handshake(stream, address).await
        }
    }
}

async fn handshake<S>(stream: S, address: SocketAddr) -> Result<(Wire, Driver), ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|source| ConnectError::Http2 { address, source })?;
    Ok((Wire { sender }, Box::pin(connection)))
}
