//! The real parts: three brokers, a Nacos 3.x and a Nacos 2.x, two gateways beside each, and for each gateway a line of its own to its Nacos
//! and to Kafka, which can be cut.
//!
//! The two gateways of a cluster reach their Nacos at different addresses, those of their lines. So that they are recognised as replicas,
//! both also name one address at which nobody listens; their line stands before it three times, so that few attempts to connect go there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use federation_harness::port::PortBlock;
use federation_harness::process::POLL;
use federation_harness::{
    FaultProxy, Gateway, GatewayOptions, Kafka, KafkaDoor, KafkaOptions, KafkaProxy, Line, Nacos, NacosOptions, Part,
    Parts, Sdk, announce,
};
use federation_registry::embedded::{EmbeddedOptions, EmbeddedRegistry};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::disk::Disk;
use crate::plan::{BROKERS, REGIONS, REPLICAS, Role};

const FEDERATION: &str = "chaos";
/// Longer than the hold after a connect and after a takeover at the start.
const SETTLE_PATIENCE: Duration = Duration::from_secs(120);

/// A cluster, by its number.
pub(crate) fn cluster(region: usize) -> &'static str {
    ["shanghai", "frankfurt"][region]
}

fn line_of(region: usize) -> Line {
    [Line::V3, Line::V2][region]
}

/// Number of a gateway among all.
pub(crate) fn gateway_at(region: usize, replica: usize) -> usize {
    region * REPLICAS + replica
}

/// One gateway and what leads to it. Locks are held by the fault that concerns it.
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) base: String,
    pub(crate) gateway: Mutex<Gateway>,
    pub(crate) nacos_line: FaultProxy,
    pub(crate) kafka_line: KafkaProxy,
    pub(crate) disk: Disk,
}

/// All parts. Dropped, they end.
pub(crate) struct Stage {
    pub(crate) parts: Parts,
    pub(crate) folder: PathBuf,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) nacos: Vec<Mutex<Nacos>>,
    /// HTTP ports of the real Nacos servers, where clients register.
    pub(crate) nacos_ports: Vec<u16>,
    /// HTTP ports of registries in which nothing is registered.
    pub(crate) empty_ports: Vec<u16>,
    pub(crate) brokers: Vec<Mutex<Kafka>>,
    http: reqwest::Client,
    _ports: Vec<PortBlock>,
    _empty: JoinSet<()>,
}

/// What is there before the gateways.
struct Ground {
    brokers: Vec<Kafka>,
    nacos: Vec<Nacos>,
    kafka_lines: Vec<KafkaProxy>,
    ports: Vec<PortBlock>,
}

impl Stage {
    /// Starts everything, with all data and logs in `folder`.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let parts = [Part::Kafka, Part::Nacos2, Part::Nacos3, Sdk::Java.part(), Sdk::Python.part()];
        let parts = Parts::ensure(&parts).await?;
        let Ground { brokers, nacos, kafka_lines, mut ports } = Ground::lay(&parts, folder).await?;
        let nacos_ports: Vec<u16> = nacos.iter().map(Nacos::port).collect();
        let (mut empty, mut empty_ports) = (JoinSet::new(), Vec::new());
        let mut witnesses = Vec::new();
        for _ in 0..REGIONS {
            empty_ports.push(nobody(&mut empty).await?);
            let witness = PortBlock::choose(&[1000])?;
            witnesses.push(witness.main());
            ports.push(witness);
        }
        let mut replicas = Vec::new();
        for (index, kafka_line) in kafka_lines.into_iter().enumerate() {
            let region = index / REPLICAS;
            let nacos_line = FaultProxy::start(nacos_ports[region]).await?;
            let line = nacos_line.address();
            let address = format!("{line},{line},{line},127.0.0.1:{}", witnesses[region]);
            replicas.push(replica(folder, index, address, nacos_line, kafka_line).await?);
        }
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
        let (nacos, brokers) =
            (nacos.into_iter().map(Mutex::new).collect(), brokers.into_iter().map(Mutex::new).collect());
        let folder = folder.to_owned();
        let stage = Self {
            parts,
            folder,
            replicas,
            nacos,
            nacos_ports,
            empty_ports,
            brokers,
            http,
            _ports: ports,
            _empty: empty,
        };
        for replica in &stage.replicas {
            replica.gateway.lock().await.until_ready().await?;
        }
        Ok(stage)
    }

    /// `host:port` of a cluster's real Nacos.
    pub(crate) fn nacos_address(&self, region: usize) -> String {
        format!("127.0.0.1:{}", self.nacos_ports[region])
    }

    /// The gateway that has this role in its cluster now: of those that answer, who says so; without a leader, the first is taken for it.
    pub(crate) async fn with_role(&self, region: usize, role: Role) -> usize {
        let mut leader = 0;
        for replica in 0..REPLICAS {
            if self.fact(gateway_at(region, replica), "role").await.is_ok_and(|role| role == "leader") {
                leader = replica;
            }
        }
        let replica = match role {
            Role::Leader => leader,
            Role::Standby => (leader + 1) % REPLICAS,
        };
        gateway_at(region, replica)
    }

    /// Waits until each cluster has a leader and a standby, all clusters are live everywhere, nothing is held or waits, and everything
    /// that is known has been written into a snapshot.
    pub(crate) async fn until_settled(&self) -> Result<()> {
        let deadline = Instant::now() + SETTLE_PATIENCE;
        for index in 0..self.replicas.len() {
            loop {
                let unsettled = match self.settled(index).await {
                    Ok(()) => break,
                    Err(error) => error,
                };
                ensure!(Instant::now() < deadline, "not settled within {} s: {unsettled:#}", SETTLE_PATIENCE.as_secs());
                tokio::time::sleep(POLL * 4).await;
            }
        }
        let roles = self.roles().await?;
        ensure!(roles == BTreeMap::from([("leader".into(), REGIONS), ("standby".into(), REGIONS)]), "{roles:?}");
        Ok(())
    }

    /// Waits until every gateway has written a snapshot after this moment.
    pub(crate) async fn until_kept(&self) -> Result<()> {
        let (begun, deadline) = (std::time::SystemTime::now(), Instant::now() + SETTLE_PATIENCE);
        for replica in &self.replicas {
            let snapshot = self.folder.join(&replica.name).join("data/snapshot");
            while !std::fs::metadata(&snapshot).and_then(|it| it.modified()).is_ok_and(|written| written > begun) {
                ensure!(Instant::now() < deadline, "{} wrote no snapshot", replica.name);
                tokio::time::sleep(POLL * 4).await;
            }
        }
        Ok(())
    }

    async fn roles(&self) -> Result<BTreeMap<String, usize>> {
        let mut roles = BTreeMap::new();
        for index in 0..self.replicas.len() {
            *roles.entry(self.fact(index, "role").await?).or_default() += 1;
        }
        Ok(roles)
    }

    async fn settled(&self, index: usize) -> Result<()> {
        let status = self.status(index).await?;
        let clusters = status["clusters"].as_array().map(Vec::as_slice).unwrap_or_default();
        let live = clusters.iter().filter(|cluster| cluster["freshness"] == "live").count();
        let idle = ["changesWaiting", "recordsInFlight", "removalsHeld"].iter().all(|it| status["facts"][it] == "0");
        let whole = status["ready"] == true && live == REGIONS && clusters.len() == REGIONS && idle;
        ensure!(whole, "{} says {status}", self.replicas[index].name);
        Ok(())
    }

    async fn fact(&self, index: usize, fact: &str) -> Result<String> {
        let status = self.status(index).await?;
        let value = status["facts"][fact].as_str().with_context(|| format!("a status without {fact}"))?;
        Ok(value.to_owned())
    }

    /// What a gateway says of itself.
    pub(crate) async fn status(&self, index: usize) -> Result<serde_json::Value> {
        self.get(&format!("{}/v1/status", self.replicas[index].base)).await
    }

    /// Asks for a JSON document.
    pub(crate) async fn get(&self, url: &str) -> Result<serde_json::Value> {
        let answer = self.http.get(url).send().await?.error_for_status()?;
        Ok(serde_json::from_str(&answer.text().await?)?)
    }
}

impl Ground {
    async fn lay(parts: &Parts, folder: &Path) -> Result<Self> {
        let (mut ports, mut kafka_lines) = (Vec::new(), Vec::new());
        for _ in 0..REGIONS * REPLICAS {
            kafka_lines.push(KafkaProxy::start(BROKERS).await?);
        }
        let mut options = Vec::new();
        for broker in 0..BROKERS {
            let mut doors = Vec::new();
            for line in &kafka_lines {
                let port = PortBlock::choose(&[])?;
                doors.push(KafkaDoor { listens: port.main(), advertised: line.port(broker) });
                line.connect(broker, port.main());
                ports.push(port);
            }
            options.push(broker_options(folder.join(format!("broker-{broker}")), doors));
        }
        let nacos = async |region: usize| {
            let home = Some(folder.join(format!("nacos-{}", cluster(region))));
            let options = NacosOptions { push_delay: None, home, ..NacosOptions::default() };
            Nacos::start(parts, line_of(region), options).await
        };
        let (brokers, first, second) = tokio::try_join!(Kafka::start_cluster(parts, options), nacos(0), nacos(1))?;
        Ok(Self { brokers, nacos: vec![first, second], kafka_lines, ports })
    }
}

/// Brokers that notice each other's end in 3 s, as `docs/operations.md` would have it, and few threads for the many listeners.
fn broker_options(data_dir: PathBuf, doors: Vec<KafkaDoor>) -> KafkaOptions {
    let properties = [
        ("broker.session.timeout.ms", "3000"),
        ("broker.heartbeat.interval.ms", "500"),
        ("num.network.threads", "1"),
        ("num.io.threads", "2"),
    ];
    let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    KafkaOptions { data_dir: Some(data_dir), doors, properties, ..KafkaOptions::default() }
}

async fn replica(
    folder: &Path,
    index: usize,
    nacos: String,
    nacos_line: FaultProxy,
    kafka_line: KafkaProxy,
) -> Result<Replica> {
    let (region, name) = (index / REPLICAS, format!("{}-{}", cluster(index / REPLICAS), index % REPLICAS));
    let home = folder.join(&name);
    let further = format!("replica: {{name: {name}}}");
    let options = GatewayOptions {
        further,
        home: Some(home.clone()),
        ..GatewayOptions::new(FEDERATION, cluster(region), &kafka_line.bootstrap())
    };
    let mut gateway = Gateway::prepare(&options.beside(nacos, None)).await?;
    let disk = Disk::at(&home.join("data"))?;
    gateway.spawn().await?;
    announce(&format!("{name}: {}", gateway.base()));
    let base = gateway.base();
    Ok(Replica { name, base, gateway: Mutex::new(gateway), nacos_line, kafka_line, disk })
}

/// A registry in which nobody registers; its HTTP port.
async fn nobody(tasks: &mut JoinSet<()>) -> Result<u16> {
    let port = PortBlock::choose(&[1000])?;
    let address = SocketAddr::from(([127, 0, 0, 1], port.main()));
    let registry = EmbeddedRegistry::start(EmbeddedOptions::at(address)).await?;
    tasks.spawn(async move {
        let _reserved = &port;
        // It ends when it is aborted, with the stage.
        if let Err(error) = registry.run(CancellationToken::new()).await {
            announce(&format!("the empty registry ended: {error}"));
        }
    });
    Ok(address.port())
}
