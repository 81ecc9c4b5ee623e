//! The gateway's own servers over a view that is written here, on threads of their own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use bounded_listener::ListenerGate;
use federation_api::serve::{self, ApiListeners, ServeError};
use federation_api::{ApiState, GatewayIdentity};
use federation_core::routing::PlaceRules;
use federation_core::service::FederatedService;
use federation_core::time::{Mono, WallMs};
use federation_policy::PolicyReader;
use federation_policy::exclusions::Exclusions;
use federation_ports::trouble::TroubleBoard;
use federation_view::resolve::{OwnPlace, Resolver, kept_bytes};
use federation_view::view::{self, ClusterTable, GatewayStatus, ViewChange, ViewReader, ViewWriter};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::bare::Bare;
use super::fixture;
use super::processor::SERVER_THREADS;
use super::secured::Secured;
use federation_bench::figures::grouped;

/// A gateway without its engine.
pub(crate) struct Server {
    runtime: Runtime,
    tasks: JoinSet<Result<(), ServeError>>,
    stop: CancellationToken,
    writer: Arc<Mutex<ViewWriter>>, // Locked for one change of the view.
    pub(crate) state: ApiState,
    pub(crate) bare: Arc<Bare>,
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) secured: Secured,
}

impl Server {
    /// Serves these services on `threads` threads.
    pub(crate) fn start(services: Vec<FederatedService>, threads: usize) -> Result<Self> {
        let runtime =
            Builder::new_multi_thread().worker_threads(threads).thread_name(SERVER_THREADS).enable_all().build()?;
        let (writer, [state, with_accounts]) = gateway(services);
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listeners = runtime.block_on(async { ApiListeners::bind(&ListenerGate::default(), any, any) })?;
        let (http, grpc) = (listeners.http_address(), listeners.grpc_address());
        let (bare, stop, mut tasks) = (Arc::new(Bare::default()), CancellationToken::new(), JoinSet::new());
        let serving = serve::run_beside(listeners, state.clone(), Bare::routes(&bare), stop.clone());
        tasks.spawn_on(serving, runtime.handle());
        let secured = runtime.block_on(async { Secured::bind([&state, &with_accounts]) })?;
        let (secured, listeners) = secured;
        for (listeners, state) in listeners.into_iter().zip([&state, &with_accounts]) {
            tasks.spawn_on(serve::run(listeners, state.clone(), stop.clone()), runtime.handle());
        }
        Ok(Self { runtime, tasks, stop, writer: Arc::new(Mutex::new(writer)), state, bare, http, grpc, secured })
    }

    /// Runs this on a thread of the server and waits for its end.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let mut task = JoinSet::new();
        task.spawn_on(async move { work() }, self.runtime.handle());
        Ok(task.join_next().await.context("a task was begun")??)
    }

    /// Writes a service to the view, as the engine does; returns when that began.
    pub(crate) async fn put(&self, service: FederatedService) -> Result<Instant> {
        let writer = Arc::clone(&self.writer);
        let services = vec![(service.key.clone(), Some(Arc::new(service)))];
        let change = ViewChange { services, ..ViewChange::default() };
        self.run(move || {
            let begun = Instant::now();
            writer.lock().unwrap_or_else(PoisonError::into_inner).apply(change);
            begun
        })
        .await
    }

    /// Hands fixed bytes to those who watch them; returns when that began.
    pub(crate) async fn tell(&self, length: usize) -> Result<Instant> {
        let bare = Arc::clone(&self.bare);
        self.run(move || {
            let begun = Instant::now();
            bare.tell(length);
            begun
        })
        .await
    }

    /// Documents encoded for watchers so far.
    pub(crate) fn encodings(&self) -> u64 {
        self.state.metrics().api.watch_encodings.get()
    }

    /// Lookups in the plan cache so far.
    pub(crate) fn lookups(&self) -> Lookups {
        let metrics = &self.state.metrics().resolve;
        Lookups { hits: metrics.hits.get(), misses: metrics.misses.get() }
    }

    /// Stops serving.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.stop.cancel();
        while let Some(ended) = self.runtime.block_on(self.tasks.join_next()) {
            ended??;
        }
        Ok(())
    }
}

/// What the gateway says of its plan cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookups {
    hits: u64,
    misses: u64,
}

impl Lookups {
    /// What was looked up after `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { hits: self.hits - earlier.hits, misses: self.misses - earlier.misses }
    }

    /// The share that was found.
    #[allow(clippy::cast_precision_loss, reason = "fewer than 2^52")]
    pub(crate) fn print(self) {
        let (hits, all) = (self.hits as f64, (self.hits + self.misses) as f64);
        println!("  plan cache: {:.1} % of {} lookups hit", hits / all * 100.0, grouped(all));
    }
}

/// A view of all clusters and services, and what answers from it, twice.
fn gateway(services: Vec<FederatedService>) -> (ViewWriter, [ApiState; 2]) {
    let epoch = Instant::now();
    let now = move || Mono(u64::try_from(epoch.elapsed().as_millis()).unwrap_or(u64::MAX));
    let (mut writer, reader) = view::new(Arc::new(now));
    let clusters = Some(Arc::new(ClusterTable { clusters: fixture::clusters(services.len()) }));
    let gateway = Some(Arc::new(GatewayStatus { ready: true, ..GatewayStatus::default() }));
    let services = services.into_iter().map(|service| (service.key.clone(), Some(Arc::new(service)))).collect();
    writer.apply(ViewChange { services, clusters, gateway, ..ViewChange::default() });
    let states = [(); 2].map(|()| answering(&reader));
    (writer, states)
}

/// What answers from a view.
fn answering(reader: &ViewReader) -> ApiState {
    let identity = GatewayIdentity {
        federation: "bench".parse().expect("the id is legal"),
        cluster: fixture::CLUSTERS[0].0.parse().expect("the id is legal"),
        replica: "bench-0".to_owned(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let metrics = Arc::new(federation_view::metrics::with_view(reader.clone(), identity.version));
    let own = OwnPlace { cluster: identity.cluster.clone(), locality: fixture::locality(0) };
    let policy = PolicyReader::of_defaults();
    let resolver = Resolver::new(
        reader.clone(),
        policy.watch(),
        PlaceRules::default(),
        own,
        kept_bytes(),
        metrics.resolve.clone(),
    );
    let (commands, _) = federation_ports::commands::commands();
    let exclusions = Exclusions::none(std::env::temp_dir().as_path().into());
    let (reader, troubles) = (reader.clone(), TroubleBoard::default());
    ApiState::new(identity, reader, commands, policy, resolver, metrics, troubles, exclusions, WallMs(1))
}
