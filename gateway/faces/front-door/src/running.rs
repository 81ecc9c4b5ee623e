//! The front door as it runs: its sockets, its parts, and what their ends mean.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bounded_listener::{Listener, ListenerGate, ListenerLimits, ListenerTls};
use federation_core::id::ClusterId;
use federation_core::local::mark::DoorMark;
use federation_ports::metrics::FrontDoorMetrics;
use federation_ports::trouble::TroubleBoard;
use federation_view::hub::HubMetrics;
use federation_view::resolve::Resolver;
use federation_view::view::ViewReader;
use nacos_protocol::cluster::NacosCluster;
use nacos_protocol::server::{NacosServer, ServeError, ServerOptions};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::access::{Access, AccessRule};
use crate::configs::Configs;
use crate::door::Door;
use crate::http::{LastAnswers, MAX_REQUEST_BYTES, Web, face};
use crate::mappings::{MappingSources, Mappings};
use crate::moving::{FrontDoorHandle, Moving};
use crate::names::ServiceNames;
use crate::naming::rules::LookupRules;
use crate::naming::unshared::UnsharedServices;
use crate::naming::{Naming, NamingSources};
use crate::registrations::marking::Marking;
use crate::registrations::{RegistrationNews, RegistrationSources, Registrations};

/// How long an orderly stop waits for HTTP calls in flight; long polls are answered at once.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct FrontDoorSettings {
    /// Where HTTP is served; port 0 for any free one.
    pub http: SocketAddr,
    /// Where gRPC is served: SDKs compute it as the HTTP port plus an offset, which is 1000 unless they are told otherwise.
    pub grpc: SocketAddr,
    /// Which clusters lookups may answer from.
    pub lookups: LookupRules,
    /// Whether the local Nacos is asked who may read.
    pub access: AccessRule,
    /// Connections at a time at each of the two ports, and clients that may register.
    pub max_connections: usize,
    /// Times of the protocol.
    pub protocol: ServerOptions,
}

/// What it is made of.
pub struct FrontDoorParts {
    /// Where its connections and bytes count.
    pub gate: ListenerGate,
    /// The registry.
    pub view: ViewReader,
    /// Who plans.
    pub resolver: Arc<Resolver>,
    /// The cluster of this gateway.
    pub cluster: ClusterId,
    /// Names this process among the gateways of its cluster: what clients register through it bears that.
    pub mark: DoorMark,
    /// How services are called in the federation.
    pub names: Arc<dyn ServiceNames>,
    /// The local Nacos.
    pub upstream: Arc<NacosCluster>,
    /// Who hears what the local Nacos acknowledged.
    pub news: Arc<dyn RegistrationNews>,
    /// Where it is told that clients are given what is old.
    pub troubles: TroubleBoard,
    /// What is counted.
    pub metrics: FrontDoorMetrics,
}

/// Why it could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum FrontDoorError {
    /// An address is taken or not of this machine.
    #[error("the front door cannot listen on {address}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// The server of the protocol failed.
    #[error(transparent)]
    Protocol(#[from] ServeError),
    /// One of its tasks panicked.
    #[error("a task of the front door panicked")]
    Panicked(#[from] JoinError),
}

/// A front door that is bound and does not serve yet.
pub struct FrontDoor {
    http: Listener,
    protocol: NacosServer,
    door: Arc<Door>,
    upstream: Arc<NacosCluster>,
    tasks: Vec<FrontDoorTask>,
    end: CancellationToken,
    handle: FrontDoorHandle,
    moving: Arc<Moving>,
    news: Arc<dyn RegistrationNews>,
    gate: ListenerGate,
}

type FrontDoorTask = std::pin::Pin<Box<dyn Future<Output = Result<(), FrontDoorError>> + Send>>;

/// A task that ends when it is told to, and no otherwise.
fn unfailing(task: impl Future<Output = ()> + Send + 'static) -> FrontDoorTask {
    Box::pin(async move {
        task.await;
        Ok(())
    })
}

impl FrontDoor {
    /// Binds the addresses.
    ///
    /// # Errors
    /// One of them is taken or not of this machine.
    pub fn bind(settings: FrontDoorSettings, parts: FrontDoorParts) -> Result<Self, FrontDoorError> {
        let FrontDoorParts { gate, view, resolver, cluster, mark, names, upstream, news, troubles, metrics } = parts;
        let marking = Marking { mark, names: Arc::clone(&names) };
        let failed = |address| move |source| FrontDoorError::Bind { address, source };
        let protocol = NacosServer::bind(&gate, "front_door_grpc", settings.grpc, settings.protocol)
            .map_err(failed(settings.grpc))?;
        let connections = settings.max_connections;
        let limits = ListenerLimits { connections, ..ListenerLimits::with_large(MAX_REQUEST_BYTES) };
        let http = Listener::bind(&gate, "front_door_http", limits, settings.http).map_err(failed(settings.http))?;
        let (sessions, end) = (protocol.sessions(), CancellationToken::new());
        let (mappings, comparing) = Mappings::new(MappingSources {
            view: view.clone(),
            names: Arc::clone(&names),
            own: cluster.clone(),
            sessions: sessions.clone(),
        });
        let sources = NamingSources {
            view,
            resolver,
            own: cluster,
            names,
            rules: settings.lookups,
            metrics: HubMetrics { watchers: metrics.lists.clone(), encodings: metrics.list_encodings.clone() },
        };
        let (naming, pushes, watching) = Naming::new(sources, sessions.clone(), end.clone());
        let (unshared, passing) = UnsharedServices::new(&upstream, sessions.clone());
        let drained = Arc::new(AtomicBool::new(false));
        let (access, asking) = Access::new(settings.access, &upstream, metrics.clone());
        let (registrations, keeping) = Registrations::new(RegistrationSources {
            cluster: Arc::clone(&upstream),
            sessions: sessions.clone(),
            news: Arc::clone(&news),
            drained: Arc::clone(&drained),
            gate: gate.clone(),
            most_clients: settings.max_connections,
            metrics: metrics.clone(),
            marking,
        });
        let (handle, moving) = Moving::new(Arc::clone(&drained), sessions.clone(), registrations.clone());
        let (configs, listening) = Configs::new(Arc::clone(&upstream), gate.clone(), sessions, troubles, metrics);
        let door = Arc::new(Door { naming, unshared, registrations, configs, mappings, access, drained });
        let asked_to_move = Arc::clone(&moving);
        let ends = || end.clone();
        let (one, two, three, four, five) = (ends(), ends(), ends(), ends(), ends());
        let (six, seven, eight) = (ends(), ends(), ends());
        let tasks: Vec<FrontDoorTask> = vec![
            Box::pin(async move { Ok(pushes.run(one).await?) }),
            Box::pin(async move { Ok(keeping.run(two).await?) }),
            Box::pin(async move { Ok(listening.run(three).await?) }),
            unfailing(passing.run(four)),
            unfailing(watching.run(five)),
            unfailing(asking.run(six)),
            unfailing(async move { asked_to_move.run(seven).await }),
            unfailing(comparing.run(eight)),
        ];
        Ok(Self { http, protocol, door, upstream, tasks, end, handle, moving, news, gate })
    }

    /// Speaks TLS on both ports; without one, plain text.
    #[must_use]
    pub fn secured(self, tls: Option<ListenerTls>) -> Self {
        Self { http: self.http.secured(tls.clone()), protocol: self.protocol.secured(tls), ..self }
    }

    /// Where HTTP is served.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http.address()
    }

    /// Where gRPC is served.
    #[must_use]
    pub fn grpc_address(&self) -> SocketAddr {
        self.protocol.local_addr()
    }

    /// What it is told and asked by.
    #[must_use]
    pub fn handle(&self) -> FrontDoorHandle {
        self.handle.clone()
    }

    /// Serves until `stop`: clients are asked to connect elsewhere first, then cut off, and what they registered here goes last.
    ///
    /// # Errors
    /// A server failed or a task panicked; all of it is stopped then.
    pub async fn run(self, stop: CancellationToken) -> Result<(), FrontDoorError> {
        let serving = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for task in self.tasks {
            tasks.spawn(task);
        }
        let mut servers = JoinSet::new();
        let web = Web {
            door: Arc::clone(&self.door),
            upstream: self.upstream,
            gate: self.gate,
            news: self.news,
            answers: Arc::new(LastAnswers::default()),
            stopping: serving.clone(),
        };
        let http = self.http.run(face(web), serving.clone(), STOP_GRACE);
        servers.spawn(async move {
            http.await;
            Ok(())
        });
        let grpc = self.protocol.run(self.door, serving.clone());
        servers.spawn(async move { grpc.await.map_err(FrontDoorError::from) });
        let mut outcome = Ok(());
        let mut stopping = std::pin::pin!(async {
            stop.cancelled().await;
            self.moving.before_the_end().await;
        });
        loop {
            // All arms are cancel-safe: an ended task stays in its set, and the stop goes on where it was.
            let ended = tokio::select! {
                () = &mut stopping, if !serving.is_cancelled() => {
                    serving.cancel();
                    continue;
                }
                Some(ended) = servers.join_next() => ended,
                Some(ended) = tasks.join_next() => ended,
                else => return outcome,
            };
            // Half a door misleads its clients.
            serving.cancel();
            if servers.is_empty() {
                self.end.cancel();
            }
            outcome = outcome.and(ended.map_err(FrontDoorError::from).and_then(|ended| ended));
        }
    }
}
