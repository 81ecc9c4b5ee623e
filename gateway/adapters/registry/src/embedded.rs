//! The embedded registry as a running thing: one task that owns the store, a gRPC port and an HTTP port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bounded_listener::{Listener, ListenerGate, ListenerLimits, RoutedService};
use nacos_protocol::server::{ClientSessions, NacosServer, ServeError, ServerOptions};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::access::Access;
pub use super::access::RegistryCredentials;
use super::backend::Protocol;
use super::http::{Api, MAX_REQUEST_BYTES, refuse, router, rule};
use super::keeping::Keeping;
use super::owner::{Handle, Owner};
use super::store::RegistryStore;
use federation_ports::trouble::TroubleBoard;
use federation_storage::StoragePlace;

/// Clients compute the gRPC port as the HTTP port plus this.
pub const GRPC_OFFSET: u16 = 1000;

/// How long an orderly stop waits for HTTP calls in flight.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// What an embedded registry is started with.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// HTTP address; port 0 takes any free port.
    pub http: SocketAddr,
    /// gRPC address; `None` is the HTTP address with the port plus [`GRPC_OFFSET`], which SDKs expect.
    pub grpc: Option<SocketAddr>,
    /// How long changes of services are gathered at most, where much changes, and when a subscription is followed by its first push. Where
    /// little changes, a change is pushed at once. Nacos gathers for 500 ms by default, 50 ms at least.
    pub push_delay: Duration,
    /// Who may use it; `None` is everybody.
    pub credentials: Option<RegistryCredentials>,
    /// Where config items are kept over a restart; `None` is nowhere.
    pub config_folder: Option<StoragePlace>,
    /// Where a folder that cannot be read or written is told.
    pub troubles: TroubleBoard,
    /// Times of the protocol.
    pub protocol: ServerOptions,
    /// Where its connections and bytes count.
    pub gate: ListenerGate,
}

impl EmbeddedOptions {
    /// Everything by default on this HTTP address.
    #[must_use]
    pub fn at(http: SocketAddr) -> Self {
        Self {
            http,
            grpc: None,
            push_delay: Duration::from_millis(50),
            credentials: None,
            config_folder: None,
            troubles: TroubleBoard::default(),
            protocol: ServerOptions::default(),
            gate: ListenerGate::default(),
        }
    }
}

/// Why a registry could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// An address is taken or not of this machine.
    #[error("embedded registry cannot listen on {address}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// The HTTP port leaves no room for the gRPC port.
    #[error("http port {0} of the embedded registry leaves no port 1000 above it for grpc")]
    NoGrpcPort(u16),
    /// The gRPC server failed.
    #[error(transparent)]
    Protocol(#[from] ServeError),
    /// One of its tasks panicked.
    #[error("embedded registry panicked")]
    Panicked(#[from] tokio::task::JoinError),
}

/// A registry that is bound and not yet served.
#[derive(Debug)]
pub struct EmbeddedRegistry {
    http: Listener,
    protocol: NacosServer,
    owner: Owner,
    handle: Handle,
    access: Arc<Access>,
}

impl EmbeddedRegistry {
    /// Binds both ports and reads the kept config items. A folder that cannot be used is a trouble, no error: until it can, changes of config
    /// items are refused, and items that cannot be read are neither there nor absent.
    ///
    /// # Errors
    /// A port is taken.
    pub async fn start(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let failed = |address| move |source| EmbeddedError::Bind { address, source };
        let limits = ListenerLimits::with_large(MAX_REQUEST_BYTES);
        let http =
            Listener::bind(&options.gate, "registry_http", limits, options.http).map_err(failed(options.http))?;
        let grpc = match options.grpc {
            Some(address) => address,
            None => above(http.address())?,
        };
        let protocol =
            NacosServer::bind(&options.gate, "registry_grpc", grpc, options.protocol).map_err(failed(grpc))?;
        let mut store = RegistryStore::default();
        let keeping = match options.config_folder {
            Some(folder) => Keeping::open(folder, options.troubles, &mut store.configs).await,
            None => Keeping::nowhere(),
        };
        let (owner, handle) = Owner::new(store, protocol.sessions(), options.push_delay, keeping);
        let access = Arc::new(Access::new(options.credentials, rand::random()));
        Ok(Self { http, protocol, owner, handle, access })
    }

    /// Where HTTP is served.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        self.http.address()
    }

    /// Where gRPC is served.
    #[must_use]
    pub fn grpc_addr(&self) -> SocketAddr {
        self.protocol.local_addr()
    }

    /// The connected clients, for figures.
    #[must_use]
    pub fn sessions(&self) -> ClientSessions {
        self.protocol.sessions()
    }

    /// Serves until `stop`, then ends in order: clients first, what they own last.
    ///
    /// # Errors
    /// A server failed or a task panicked; all of it is stopped then.
    pub async fn run(self, stop: CancellationToken) -> Result<(), EmbeddedError> {
        let stop = stop.child_token();
        let mut servers = JoinSet::new();
        let backend = Arc::new(Protocol::new(self.handle.clone(), self.access.clone(), self.protocol.sessions()));
        let grpc = self.protocol.run(backend, stop.clone());
        servers.spawn(async move { grpc.await.map_err(EmbeddedError::from) });
        let router = router(Api { handle: self.handle, access: self.access });
        let http = self.http.run(RoutedService { router, rule, refuse }, stop.clone(), STOP_GRACE);
        servers.spawn(async move {
            http.await;
            Ok(())
        });
        let servers_ended = CancellationToken::new();
        let mut owners = JoinSet::new();
        owners.spawn(self.owner.run(servers_ended.clone()));

        let mut outcome = Ok(());
        loop {
            let ended = tokio::select! {
                Some(ended) = servers.join_next() => ended.map_err(EmbeddedError::from).and_then(|ended| ended),
                Some(ended) = owners.join_next() => ended.map_err(EmbeddedError::from),
                else => return outcome,
            };
            // Half a registry misleads its clients: all of it ends, and the owner after those who ask it.
            stop.cancel();
            if servers.is_empty() {
                servers_ended.cancel();
            }
            outcome = outcome.and(ended);
        }
    }
}

/// The gRPC address that SDKs compute.
fn above(http: SocketAddr) -> Result<SocketAddr, EmbeddedError> {
    let port = http.port().checked_add(GRPC_OFFSET).ok_or(EmbeddedError::NoGrpcPort(http.port()))?;
    Ok(SocketAddr::new(http.ip(), port))
}

#[cfg(test)]
mod strangers;
#[cfg(test)]
mod tests;
