//! From a configuration to a gateway: each adapter gets its part, and all get the same channel to the engine.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::access::{self, GuardedApi};
use super::front_door::{self, FrontDoorGround};
use super::nacos_settings;
use super::order_keys::OrderKeys;
use anyhow::Context;
use bounded_listener::{ListenerCapacity, ListenerGate, ListenerTls, ServedHosts};
use federation_codec::record::RecordSealer;
use federation_codec::seal::SealKeys;
use federation_core::federation::{
    CensusPace, Federation, FederationSettings, ImportRules, OriginSnapshot, RecordDigest,
};
use federation_core::id::ClusterId;
use federation_core::input::ReplicaIdentity;
use federation_core::local::mark::DoorMark;
use federation_core::local::service::RemovalPatience;
use federation_core::log::bounds::OriginBounds;
use federation_core::log::control::Descriptor;
use federation_core::log::cursor::LogCursor;
use federation_core::log::record::{PartitionId, SCHEMA};
use federation_core::pulse::FreshnessSettings;
use federation_core::routing::Damping;
use federation_core::seed::Seed;
use federation_core::time::Millis;
use tokio::sync::{mpsc, watch};

use super::certificates::Certificates;
use super::data_folders::{self, DataFolders};
use super::reception::Reception;
use super::secrets::{SecretKeeper, SecretsInFiles};
use super::snapshots::SnapshotKeeper;
use super::{FileKeepers, RunningGateway};
use crate::config::{CompactionConfig, GatewayConfig, RegistryChoice};
use crate::unmatched::{UnmatchedFacts, UnmatchedNames};
use federation_api::serve::ApiListeners;
use federation_api::{ApiState, GatewayIdentity};
use federation_engine::engine::{Engine, OrderWaiter, TurnPace};
use federation_engine::recording::{RecordingBeginning, StepRecorder};
use federation_engine::snapshot_file;
use federation_engine::snapshot_stream::SnapshotOutlet;
use federation_kafka::options::{
    ClientProperties, CompactionTimes, KafkaOptions, ReadPace, TopicCreation, TopicSettings,
};
use federation_nacos::{LocalRegistrations, NacosHandle, NacosTasks};
use federation_policy::exclusions::Exclusions;
use federation_policy::{KeeperOptions, PolicyKeeper, PolicyReader};
use federation_ports::clock::ProcessClock;
use federation_ports::commands::{EngineCommands, commands};
use federation_ports::facts::FactSource;
use federation_ports::inbox::{EngineInbox, INBOX_CAPACITY, OwnItem};
use federation_ports::metrics::{Metrics, ResolveMetrics, TroubleKind};
use federation_ports::seal_keys::SealKeyring;
use federation_ports::trouble::TroubleBoard;
use federation_registry::{EmbeddedOptions, EmbeddedRegistry};
use federation_storage::StoragePlace;
use federation_view::resolve::{self, OwnPlace, Resolver};
use federation_view::view::{self, ViewReader, ViewWriter};
use federation_view::watchdog::EngineWatchdog;
use nacos_protocol::cluster::{ClusterOptions, LoginCredentials};

/// Who makes the own topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogTopics {
    /// The gateway itself.
    Managed,
    /// Somebody else, before: the embedded broker has no admin calls.
    Prepared,
}

impl RunningGateway {
    /// Puts a gateway together and binds its addresses. Kafka and Nacos need not be there. Before anything else, its data directory is
    /// claimed.
    ///
    /// # Errors
    /// A [`ClaimRefused`](federation_storage::ClaimRefused) of a data directory, an address in use, or a property that a client refuses.
    pub async fn assemble(config: GatewayConfig, topics: LogTopics) -> anyhow::Result<Self> {
        let (folders, ground) = (data_folders::claim(&config).await?, Ground::lay(config.listen.hosts.clone()));
        let (clock, metrics, troubles) = (ground.clock, Arc::clone(&ground.metrics), ground.troubles.clone());
        let (files, bound) = (ground.read_files(&config).await?, bind_any_port(&ground.gate, &config)?);
        let registry = start_registry(&config, &folders, &troubles, ground.gate.clone()).await?;
        let exclusions = open_exclusions(folders.own.clone(), troubles.clone()).await?;
        let ((inbox_sender, inbox), (commands, command_queue)) = (mpsc::channel(INBOX_CAPACITY), commands());
        let (outlet, snapshots) = snapshot_way(folders.own.clone(), ground.keys.clone(), troubles.clone());
        let keys = GatewayKeys { sealing: &ground.keys, orders: &files.orders };
        let (recorder, core) = begin(&config, keys, bound.as_ref(), &folders, &exclusions).await?;
        let reading = LogReading { topics, cursors: core.cursors().collect(), renewed: files.secrets.kafka };
        let (options, told) = (kafka_options(&config, reading, exclusions.clone(), keys), inbox_sender.clone());
        let (log, kafka) = federation_kafka::connect(options, told, metrics.log.clone(), troubles.clone())?;
        let watched = registry_settings(&config, registry.as_ref(), files.secrets.nacos)?;
        let (nacos_handle, nacos, upstream) = ground.connect_nacos(watched, inbox_sender)?;
        let passed_on = ground.for_front_door(upstream.clone(), nacos_handle.registrations(), core.identity());
        let (policy_keeper, policy) = open_policy(&config, &folders, nacos_handle.own_item(), &ground).await?;
        let elsewhere = UnmatchedNames::new(&config, ground.view_reader.clone(), policy.clone(), troubles.clone());
        let (api, flusher) =
            (api_state(&config, &ground, upstream, commands, &policy, exclusions).await?, log.flusher());
        let mut engine = Engine {
            core,
            clock,
            pace: TurnPace::default(),
            log: Box::new(log),
            facts: fact_sources(nacos_handle.status(), &kafka, policy, elsewhere.facts()),
            nacos: Box::new(nacos_handle),
            view: ground.view_writer,
            metrics: metrics.engine.clone(),
            troubles,
            snapshots: outlet,
            commands: command_queue,
            fault: None,
            signer: files.orders.signer,
            orders: Box::new(api.heard.clone()),
            recorder,
            waiting: OrderWaiter::default(),
            keys: ground.keys,
        };
        // Who connects is answered from all that is known: until then nobody listens, and clients turn to another gateway at once.
        engine.show_restored();
        let front_door = front_door::bind(&config, passed_on, &api.state, files.tls_of_door)?;
        let listeners = bound.map_or_else(|| bind_ports(&ground.gate, &config), Ok)?.secured(files.tls_of_api);
        Ok(Self {
            engine,
            watchdog: ground.watchdog,
            inbox,
            snapshots,
            kafka,
            flusher,
            nacos,
            policy: policy_keeper,
            elsewhere,
            registry,
            front_door,
            listeners,
            api,
            keepers: files.keepers,
        })
    }
}

/// What was read of files that may change, and who goes on reading them.
struct ReadFiles {
    tls_of_api: Option<ListenerTls>,
    tls_of_door: Option<ListenerTls>,
    orders: OrderKeys,
    secrets: SecretsInFiles,
    keepers: FileKeepers,
}

/// Where the engine leaves snapshots, and who writes them.
fn snapshot_way(place: StoragePlace, keys: SealKeyring, troubles: TroubleBoard) -> (SnapshotOutlet, SnapshotKeeper) {
    let (streams, snapshots) = mpsc::channel(1); // One is written while the next waits.
    let outlet = SnapshotOutlet { streams, mark: Arc::default() };
    let mark = Arc::clone(&outlet.mark);
    (outlet, SnapshotKeeper::new(place, keys, troubles, snapshots, mark))
}

/// What the API answers from, and whom it lets in.
async fn api_state(
    config: &GatewayConfig,
    ground: &Ground,
    nacos: ClusterOptions,
    commands: EngineCommands,
    policy: &PolicyReader,
    exclusions: Exclusions,
) -> anyhow::Result<GuardedApi> {
    let state = ApiState::new(
        identity(config),
        ground.view_reader.clone(),
        commands,
        policy.clone(),
        resolver(config, ground.view_reader.clone(), policy, ground.metrics.resolve.clone()),
        Arc::clone(&ground.metrics),
        ground.troubles.clone(),
        exclusions,
        ground.clock.now().wall,
    );
    access::guard(config, state, nacos, &ground.troubles).await
}

/// What all parts stand on.
struct Ground {
    clock: ProcessClock,
    view_writer: ViewWriter,
    view_reader: ViewReader,
    metrics: Arc<Metrics>,
    troubles: TroubleBoard,
    watchdog: EngineWatchdog,
    gate: ListenerGate,
    keys: SealKeyring,
}

impl Ground {
    /// Asked for by `hosts` besides addresses and local names.
    fn lay(hosts: ServedHosts) -> Self {
        let clock = ProcessClock::start();
        let (view_writer, view_reader) = view::new(Arc::new(move || clock.mono()));
        let metrics = Arc::new(federation_view::metrics::with_view(view_reader.clone(), env!("CARGO_PKG_VERSION")));
        let troubles = TroubleBoard::new(metrics.troubles.clone());
        let watchdog = EngineWatchdog::new(view_writer.monitor(), troubles.clone());
        let reception = Reception { troubles: troubles.clone(), metrics: metrics.connections.clone() };
        let (capacity, patience) = (ListenerCapacity::claim(), bounded_listener::PeerPatience::default());
        let gate = ListenerGate::new(capacity, patience, hosts, reception);
        let keys = SealKeyring::default();
        Self { clock, view_writer, view_reader, metrics, troubles, watchdog, gate, keys }
    }

    /// The certificates of all ports. What is open to others because the configuration says so is told: at each start, and as long as
    /// it is.
    async fn certificates(&self, config: &GatewayConfig) -> anyhow::Result<Certificates> {
        for weakness in config.weaknesses() {
            self.troubles.raise(TroubleKind::Insecure, weakness.field, weakness.text);
        }
        Certificates::open(config, &self.troubles, &self.metrics.connections).await
    }

    /// Reads certificates, keys and passwords.
    async fn read_files(&self, config: &GatewayConfig) -> anyhow::Result<ReadFiles> {
        let Certificates { api: tls_of_api, front_door: tls_of_door, keepers: certificates } =
            self.certificates(config).await?;
        let orders = OrderKeys::open(config).await?;
        let (secret_keeper, secrets) = SecretKeeper::open(config, &self.keys, &self.troubles).await?;
        let keepers = FileKeepers { certificates, secrets: secret_keeper };
        Ok(ReadFiles { tls_of_api, tls_of_door, orders, secrets, keepers })
    }

    /// Watches the local Nacos, once what is returned second is run; the third is how to reach it.
    fn connect_nacos(
        &self,
        watched: federation_nacos::NacosSettings,
        told: EngineInbox,
    ) -> anyhow::Result<(NacosHandle, NacosTasks, ClusterOptions)> {
        let (upstream, counted) = (watched.cluster.clone(), self.metrics.nacos.clone());
        let (handle, tasks) = federation_nacos::connect(watched, told, counted, self.troubles.clone())?;
        Ok((handle, tasks, upstream))
    }

    /// What a front door stands on before this Nacos.
    fn for_front_door(
        &self,
        upstream: ClusterOptions,
        registrations: LocalRegistrations,
        identity: &ReplicaIdentity,
    ) -> FrontDoorGround {
        FrontDoorGround {
            gate: self.gate.clone(),
            upstream,
            registrations,
            mark: DoorMark(identity.nonce),
            troubles: self.troubles.clone(),
            metrics: self.metrics.front_door.clone(),
        }
    }
}

/// Listens at once where the system is to choose a port: others are told which.
fn bind_any_port(gate: &ListenerGate, config: &GatewayConfig) -> anyhow::Result<Option<ApiListeners>> {
    let (http, grpc) = (config.listen.http, config.listen.grpc);
    let any = http.port() == 0 || grpc.port() == 0;
    any.then(|| bind_ports(gate, config)).transpose()
}

fn bind_ports(gate: &ListenerGate, config: &GatewayConfig) -> anyhow::Result<ApiListeners> {
    Ok(ApiListeners::bind(gate, config.listen.http, config.listen.grpc)?)
}

/// The keys of the own cluster, and those that are known of others.
#[derive(Clone, Copy)]
struct GatewayKeys<'a> {
    sealing: &'a SealKeyring,
    orders: &'a OrderKeys,
}

/// The decisions, and what records what they are told, if anything is to.
async fn begin(
    config: &GatewayConfig,
    keys: GatewayKeys<'_>,
    bound: Option<&ApiListeners>,
    folders: &DataFolders,
    exclusions: &Exclusions,
) -> anyhow::Result<(Option<StepRecorder>, Federation)> {
    let beginning = beginning(config, keys, bound, folders, exclusions).await?;
    let (recorder, digest) = (recorder(config, &beginning)?, beginning.settings.digest.clone());
    Ok((recorder, beginning.begin(digest)))
}

/// What the decisions begin with: what was known when the gateway last ran.
async fn beginning(
    config: &GatewayConfig,
    keys: GatewayKeys<'_>,
    bound: Option<&ApiListeners>,
    folders: &DataFolders,
    exclusions: &Exclusions,
) -> anyhow::Result<RecordingBeginning> {
    let advertised = bound.map_or(config.listen.http, ApiListeners::http_address);
    Ok(RecordingBeginning {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        settings: settings(config, keys, advertised.to_string()),
        snapshot: read_snapshot(folders.own.clone(), keys.sealing.load()).await?.unwrap_or_default(),
        excluded: exclusions.clusters(),
    })
}

/// Names the folder in which all inputs are recorded, for a bug report; read at the start.
const RECORD: &str = "NACOS_FED_RECORD";

fn recorder(config: &GatewayConfig, beginning: &RecordingBeginning) -> anyhow::Result<Option<StepRecorder>> {
    let Some(folder) = std::env::var_os(RECORD) else { return Ok(None) };
    if config.kafka.sealing.is_some() {
        anyhow::bail!(
            "{RECORD}: a recording would have the contents that kafka.encrypt_configs keeps from others in the clear"
        );
    }
    let begun = StepRecorder::begin(Path::new(&folder), beginning);
    begun.map(Some).with_context(|| format!("{RECORD}: inputs cannot be recorded in {}", folder.display()))
}

/// In the order in which `status` shows them.
fn fact_sources(
    nacos: federation_nacos::NacosStatus,
    kafka: &federation_kafka::KafkaTasks,
    policy: PolicyReader,
    elsewhere: UnmatchedFacts,
) -> Vec<Box<dyn FactSource>> {
    let topics = federation_kafka::TopicFacts(kafka.topics_health());
    vec![Box::new(nacos), Box::new(topics), Box::new(kafka.resumption()), Box::new(policy), Box::new(elsewhere)]
}

fn identity(config: &GatewayConfig) -> GatewayIdentity {
    GatewayIdentity {
        federation: config.federation.clone(),
        cluster: config.cluster.clone(),
        replica: config.replica.clone(),
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// Reads what was last known, away from the tasks that serve.
async fn read_snapshot(place: StoragePlace, keys: Arc<SealKeys>) -> anyhow::Result<Option<Vec<OriginSnapshot>>> {
    let read = tokio::task::spawn_blocking(move || snapshot_file::read(&place, &keys));
    read.await.context("reading the snapshot panicked")
}

/// Reads what was kept and what the file says, away from the tasks that serve.
async fn open_policy(
    config: &GatewayConfig,
    folders: &DataFolders,
    item: watch::Receiver<OwnItem>,
    ground: &Ground,
) -> anyhow::Result<(PolicyKeeper, PolicyReader)> {
    let (sources, kept_in, clock) = (config.routing.policy.clone(), folders.own.clone(), ground.clock);
    let (troubles, metrics) = (ground.troubles.clone(), ground.metrics.policy.clone());
    let options = KeeperOptions { sources, item, kept_in, troubles, metrics, clock };
    let opened = tokio::task::spawn_blocking(move || PolicyKeeper::open(options)).await;
    opened.context("reading the policy panicked")
}

fn resolver(config: &GatewayConfig, view: ViewReader, policy: &PolicyReader, metrics: ResolveMetrics) -> Resolver {
    let own = OwnPlace { cluster: config.cluster.clone(), locality: config.locality.clone() };
    let configured = config.routing.plan_cache.map(|bytes| usize::try_from(bytes.0).unwrap_or(usize::MAX));
    let kept_bytes = configured.unwrap_or_else(resolve::kept_bytes);
    Resolver::new(view, policy.watch(), config.routing.places.clone(), own, kept_bytes, metrics)
}

/// Starts the embedded registry if the cluster has no Nacos.
async fn start_registry(
    config: &GatewayConfig,
    folders: &DataFolders,
    troubles: &TroubleBoard,
    gate: ListenerGate,
) -> anyhow::Result<Option<EmbeddedRegistry>> {
    let RegistryChoice::Embedded(embedded) = &config.nacos.registry else { return Ok(None) };
    let options = EmbeddedOptions {
        grpc: Some(embedded.grpc),
        config_folder: Some(folders.registry.clone()),
        troubles: troubles.clone(),
        gate,
        ..EmbeddedOptions::at(embedded.http)
    };
    EmbeddedRegistry::start(options).await.context("the embedded registry cannot start").map(Some)
}

fn registry_settings(
    config: &GatewayConfig,
    embedded: Option<&EmbeddedRegistry>,
    renewed: Option<watch::Receiver<LoginCredentials>>,
) -> anyhow::Result<federation_nacos::NacosSettings> {
    let settings = match embedded {
        Some(registry) => nacos_settings::for_embedded(config, registry.http_addr(), registry.grpc_addr()),
        None => nacos_settings::for_remote(config),
    };
    let mut settings = settings.context("the embedded registry's gRPC port must lie above its HTTP port")?;
    settings.cluster.renewed_credentials = renewed;
    Ok(settings)
}

/// Reads which clusters an operator excluded, away from the tasks that serve.
async fn open_exclusions(place: StoragePlace, troubles: TroubleBoard) -> anyhow::Result<Exclusions> {
    let opened = tokio::task::spawn_blocking(move || Exclusions::open(place, troubles)).await;
    opened.context("reading what is excluded panicked")
}

/// What the log is read with, beside the configuration.
struct LogReading {
    topics: LogTopics,
    /// Where the snapshot stands.
    cursors: BTreeMap<PartitionId, LogCursor>,
    /// Passwords in files, as they change.
    renewed: Option<watch::Receiver<ClientProperties>>,
}

fn kafka_options(
    config: &GatewayConfig,
    reading: LogReading,
    exclusions: Exclusions,
    keys: GatewayKeys<'_>,
) -> KafkaOptions {
    let imports = config.import.clone();
    let kafka = &config.kafka;
    let times = |compaction: &CompactionConfig| CompactionTimes {
        max_compaction_lag: compaction.max_compaction_lag,
        segment: compaction.segment,
    };
    KafkaOptions {
        brokers: kafka.brokers.iter().map(ToString::to_string).collect(),
        properties: kafka.properties.0.clone(),
        topic_prefix: kafka.topic_prefix.clone(),
        federation: config.federation.clone(),
        cluster: config.cluster.clone(),
        topics: TopicSettings {
            creation: match reading.topics {
                LogTopics::Managed => TopicCreation::Managed,
                LogTopics::Prepared => TopicCreation::External,
            },
            partitions: kafka.topics.partitions,
            replication_factor: kafka.topics.replication_factor,
            control: times(&kafka.topics.control),
            data: times(&kafka.topics.data),
            min_compaction_lag: kafka.topics.min_compaction_lag,
            delete_retention: kafka.topics.delete_retention,
            max_message_bytes: kafka.topics.max_message_bytes.0,
        },
        renewed: reading.renewed,
        pace: ReadPace::of(config.import.limits.bytes, config.import.limits.bytes_per_second),
        imports: Arc::new(move |id: &ClusterId| imports.has_cluster(id) && !exclusions.has(id)),
        cursors: reading.cursors,
        signatures: keys.orders.verifier.clone(),
        keys: keys.sealing.clone(),
    }
}

fn settings(config: &GatewayConfig, keys: GatewayKeys<'_>, advertised: String) -> FederationSettings {
    let (cluster, sealing) = (config.cluster.clone(), keys.sealing.clone());
    let digest =
        RecordDigest::new(move |record| RecordSealer { origin: &cluster, keys: &sealing.load() }.digest_of(record));
    let millis = |duration: std::time::Duration| Millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    let nacos_servers = match &config.nacos.registry {
        RegistryChoice::Remote(remote) => remote.servers.iter().map(|server| server.to_string().into()).collect(),
        RegistryChoice::Embedded(_) => vec!["embedded".into()],
    };
    let addresses = config.advertise.0.iter();
    let advertise = addresses.map(|(network, to)| (network.as_str().into(), to.to_string().into())).collect();
    FederationSettings {
        identity: ReplicaIdentity {
            cluster: config.cluster.clone(),
            nonce: rand::random(),
            name: config.replica.as_str().into(),
            advertised: advertised.into(),
        },
        descriptor: Descriptor {
            locality: config.locality.clone(),
            nacos_servers,
            partitions: config.kafka.topics.partitions,
            generation: 1,
            reads_schema: SCHEMA + 1,
            advertise,
            signing_key: keys.orders.public.map(|key| key.to_string().into()),
        },
        patience: RemovalPatience {
            removal_hold: millis(config.nacos.removal_hold),
            sweep_interval: millis(config.nacos.sweep_interval),
        },
        guard: config.guard.0,
        intents: config.intents.rules(),
        beat: millis(config.freshness.beat),
        freshness: FreshnessSettings {
            stale_after: millis(config.freshness.stale_after),
            lost_after: millis(config.freshness.lost_after),
        },
        damping: Damping {
            health: millis(config.routing.damping.health),
            freshness: millis(config.routing.damping.freshness),
        },
        export: nacos_settings::federated_selection(&config.export.0, &config.namespaces),
        import: ImportRules {
            clusters: config.import.clusters.clone(),
            excluded_clusters: config.import.excluded_clusters.clone(),
            items: config.import.selection.clone(),
        },
        bounds: OriginBounds {
            facts: config.import.limits.items,
            bytes: config.import.limits.bytes,
            ..OriginBounds::default()
        },
        census: CensusPace::default(),
        digest,
        seed: Seed(rand::random()),
    }
}
