//! One Nacos cluster as its clients see it: addresses, TLS, and who we are there.
//!
//! A [`NacosCluster`] is shared by any number of clients and admin callers, so that all of them use one login.

use std::sync::Arc;
use std::time::Duration;

mod address;
mod http;
mod login;
mod passing;
mod tls;

pub use address::{InvalidServerAddress, ServerAddress};
pub(crate) use http::HttpRequest;
pub use http::{HttpAnswer, HttpError};
pub(crate) use login::login_pause;
pub use login::{LoginCredentials, LoginError};
pub use passing::{PassedBody, PassedRequest};
pub use tls::{ClientIdentity, TlsError, TlsOptions};

use http::Http;
use login::Login;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

/// How to reach a cluster.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The HTTP address of each server; at least one.
    pub servers: Vec<ServerAddress>,
    /// From the HTTP port to the gRPC port.
    pub grpc_offset: u16,
    /// Path in front of the HTTP API, `/nacos` by default, empty for none.
    pub context_path: String,
    /// User and password; absent where the cluster asks for none.
    pub credentials: Option<LoginCredentials>,
    /// User and password that may change while clients run; in place of `credentials`, if it is there. Each login takes the newest.
    pub renewed_credentials: Option<watch::Receiver<LoginCredentials>>,
    /// TLS on gRPC; absent is plain text.
    pub grpc_tls: Option<TlsOptions>,
    /// HTTPS; absent is plain text. Nacos itself offers none, a proxy in front of it may.
    pub http_tls: Option<TlsOptions>,
    /// Time for one TCP (and TLS) connect to one address.
    pub connect_timeout: Duration,
    /// Time for one gRPC call.
    pub request_timeout: Duration,
    /// Time for one HTTP request to one server, its answer read to the end.
    pub http_timeout: Duration,
    /// How many of its clients may be connecting at a time; the others wait for their turn. At least one.
    pub connecting_at_once: usize,
}

/// Enough that a thousand clients are back within a second or two where a connection takes some milliseconds; few enough that a server which
/// just started, and has all of them come at once, is not pressed.
const CONNECTING_AT_ONCE: usize = 64;

impl ClusterOptions {
    /// Whether clients log in.
    pub fn has_login(&self) -> bool {
        self.credentials.is_some() || self.renewed_credentials.is_some()
    }

    /// The defaults of Nacos for these servers, without credentials and TLS.
    pub fn new(servers: Vec<ServerAddress>) -> Self {
        Self {
            servers,
            grpc_offset: 1000,
            context_path: "/nacos".to_owned(),
            credentials: None,
            renewed_credentials: None,
            grpc_tls: None,
            http_tls: None,
            connect_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(3),
            http_timeout: Duration::from_secs(10),
            connecting_at_once: CONNECTING_AT_ONCE,
        }
    }
}

/// Why a cluster cannot be reached as its options say; a person must change them.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The list of servers is empty.
    #[error("no server address")]
    NoServers,
    /// HTTP port + offset is no port.
    #[error("the gRPC port of {server} with offset {offset} is over 65535")]
    GrpcPort {
        /// The server.
        server: ServerAddress,
        /// The offset.
        offset: u16,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
}

/// One cluster, shared. Cheap to hand out by `Arc`.
pub struct NacosCluster {
    options: ClusterOptions,
    grpc_tls: Option<Arc<rustls::ClientConfig>>,
    http: Http,
    login: Login,
    connecting: Semaphore,
}

impl NacosCluster {
    /// Reads the TLS files and checks the options; connects to nothing.
    ///
    /// # Errors
    ///
    /// A [`ClusterError`] names what is wrong with the options.
    pub fn new(options: ClusterOptions) -> Result<Arc<Self>, ClusterError> {
        if options.servers.is_empty() {
            return Err(ClusterError::NoServers);
        }
        for server in &options.servers {
            if server.port().checked_add(options.grpc_offset).is_none() {
                return Err(ClusterError::GrpcPort { server: server.clone(), offset: options.grpc_offset });
            }
        }
        let grpc_tls = options.grpc_tls.as_ref().map(|tls| tls.configure(&[b"h2"])).transpose()?.map(Arc::new);
        let http = Http::new(&options)?;
        let login = Login::new(options.credentials.clone(), options.renewed_credentials.clone());
        let connecting = Semaphore::new(options.connecting_at_once.max(1));
        Ok(Arc::new(Self { options, grpc_tls, http, login, connecting }))
    }

    /// As it was set up.
    pub fn options(&self) -> &ClusterOptions {
        &self.options
    }

    /// TLS for gRPC, if it is on.
    pub(crate) fn grpc_tls(&self) -> Option<&Arc<rustls::ClientConfig>> {
        self.grpc_tls.as_ref()
    }

    /// Waits for a turn to connect, which lasts as long as what is returned. First come, first served.
    pub(crate) async fn turn_to_connect(&self) -> SemaphorePermit<'_> {
        self.connecting.acquire().await.expect("nobody closes it")
    }

    /// The HTTP side of the cluster.
    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// The token to send, from a login if there is none that still holds. `None` if no credentials are set.
    ///
    /// # Errors
    ///
    /// [`LoginError`] if there is no token and none could be had.
    pub async fn token(&self) -> Result<Option<Arc<str>>, LoginError> {
        self.login.token(&self.http).await
    }

    /// Whether a user with this password may log in there: one login, whose token is forgotten. How many are under way is not bounded here.
    ///
    /// # Errors
    ///
    /// [`LoginError::is_refusal`] if not; all others say that nobody knows.
    pub async fn judge_password(&self, credentials: &LoginCredentials) -> Result<(), LoginError> {
        login::judge(&self.http, credentials).await
    }

    /// Says that a server refused this token; the next [`NacosCluster::token`] logs in again, unless that was done a moment ago.
    pub(crate) fn token_was_refused(&self, token: &str) {
        self.login.was_refused(token);
    }
}
