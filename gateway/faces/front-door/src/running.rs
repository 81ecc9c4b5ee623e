//! The front door as it runs: its sockets, its parts, and what their ends mean.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bounded_listener::ListenerGate;
use federation_core::id::ClusterId;
use federation_view::hub::HubMetrics;
use federation_view::resolve::Resolver;
use federation_view::view::ViewReader;
use nacos_protocol::cluster::NacosCluster;
use nacos_protocol::server::{NacosServer, ServeError, ServerOptions};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::configs::Configs;
use crate::door::Door;
use crate::names::ServiceNames;
use crate::naming::rules::LookupRules;
use crate::naming::{Naming, NamingSources};
use crate::registrations::Registrations;

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct FrontDoorSettings {
    /// Where HTTP is served; port 0 for any free one.
    pub http: SocketAddr,
    /// Where gRPC is served: SDKs compute it as the HTTP port plus an offset, which is 1000 unless they are told otherwise.
    pub grpc: SocketAddr,
    /// Which clusters lookups may answer from.
    pub lookups: LookupRules,
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
    /// How services are called in the federation.
    pub names: Arc<dyn ServiceNames>,
    /// The local Nacos.
    pub upstream: Arc<NacosCluster>,
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
    protocol: NacosServer,
    door: Arc<Door>,
    tasks: Vec<FrontDoorTask>,
    end: CancellationToken,
}

type FrontDoorTask = std::pin::Pin<Box<dyn Future<Output = Result<(), FrontDoorError>> + Send>>;

impl FrontDoor {
    /// Binds the addresses.
    ///
    /// # Errors
    /// One of them is taken or not of this machine.
    pub fn bind(settings: FrontDoorSettings, parts: FrontDoorParts) -> Result<Self, FrontDoorError> {
        let FrontDoorParts { gate, view, resolver, cluster, names, upstream } = parts;
        let failed = |address| move |source| FrontDoorError::Bind { address, source };
        let protocol = NacosServer::bind(&gate, "front_door_grpc", settings.grpc, settings.protocol)
            .map_err(failed(settings.grpc))?;
        let (sessions, end) = (protocol.sessions(), CancellationToken::new());
        let sources = NamingSources {
            view,
            resolver,
            own: cluster,
            names,
            rules: settings.lookups,
            metrics: HubMetrics::default(),
        };
        let (naming, pushes) = Naming::new(sources, sessions.clone(), end.clone());
        let (registrations, keeping) = Registrations::new(Arc::clone(&upstream));
        let (configs, listening) = Configs::new(Arc::clone(&upstream), sessions);
        let access = Access::new(upstream);
        let drained = Arc::new(AtomicBool::new(false));
        let door = Arc::new(Door { naming, registrations, configs, access, drained });
        let (one, two, three) = (end.clone(), end.clone(), end.clone());
        let tasks: Vec<FrontDoorTask> = vec![
            Box::pin(async move { Ok(pushes.run(one).await?) }),
            Box::pin(async move { Ok(keeping.run(two).await?) }),
            Box::pin(async move { Ok(listening.run(three).await?) }),
        ];
        Ok(Self { protocol, door, tasks, end })
    }

    /// Where gRPC is served.
    #[must_use]
    pub fn grpc_address(&self) -> SocketAddr {
        self.protocol.local_addr()
    }

    /// Serves until `stop`: clients are asked to connect elsewhere first, then cut off, and what they registered here goes last.
    ///
    /// # Errors
    /// A server failed or a task panicked; all of it is stopped then.
    pub async fn run(self, stop: CancellationToken) -> Result<(), FrontDoorError> {
        let serving = stop.child_token();
        let mut tasks = JoinSet::new();
        for task in self.tasks {
            tasks.spawn(task);
        }
        let mut servers = JoinSet::new();
        let grpc = self.protocol.run(self.door, serving.clone());
        servers.spawn(async move { grpc.await.map_err(FrontDoorError::from) });
        let mut outcome = Ok(());
        loop {
            // Both arms are cancel-safe: an ended task stays in its set.
            let ended = tokio::select! {
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
