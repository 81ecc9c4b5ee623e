//! Kafka, a Nacos 3.x with two gateways as `shanghai`, and a gateway with an embedded registry as `frankfurt`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use federation_harness::port::PortBlock;
use federation_harness::process::POLL;
use federation_harness::{Gateway, GatewayOptions, Kafka, KafkaOptions, Line, Nacos, NacosOptions, Part, Parts};
use nacos_protocol::client::{ClientOptions, NacosClient};
use nacos_protocol::cluster::{ClusterOptions, NacosCluster};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clients::{Crowd, service};

/// gRPC is that far above HTTP, in every client.
const GRPC_OFFSET: i32 = 1000;
/// Longest wait for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// A Nacos drops what was registered over a connection that ended at once, and tells of it half a second later.
const DROPPED_WITHIN: Duration = Duration::from_secs(5);

/// Which of the two doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    One,
    Other,
}

/// Everything.
pub(crate) struct Stage {
    _kafka: Kafka,
    nacos: Nacos,
    at_the_nacos: NacosClient,
    one: Gateway,
    other: Gateway,
    doors: [PortBlock; 2],
    pub(crate) afar: Gateway,
    // Dropping it ends the connection past the doors.
    _tasks: JoinSet<()>,
}

impl Stage {
    pub(crate) async fn begin() -> Result<Self> {
        let parts = Parts::ensure(&[Part::Kafka, Part::Nacos3]).await?;
        let (kafka, nacos) = tokio::try_join!(
            Kafka::start(&parts, KafkaOptions::default()),
            Nacos::start(&parts, Line::V3, NacosOptions::default())
        )?;
        let doors = [PortBlock::choose(&[GRPC_OFFSET])?, PortBlock::choose(&[GRPC_OFFSET])?];
        let options = |replica: &str, door: &PortBlock| {
            let listen = format!("front_door: {{listen: \"127.0.0.1:{}\"}}", door.main());
            let further = format!("replica: {{name: {replica}}}\n{listen}");
            let options = GatewayOptions { further, ..GatewayOptions::new("killed", "shanghai", &kafka.bootstrap()) };
            options.beside(nacos.address(), None)
        };
        let one = Gateway::start(&options("one", &doors[0])).await?;
        let (options, elsewhere) =
            (options("other", &doors[1]), GatewayOptions::new("killed", "frankfurt", &kafka.bootstrap()));
        let (other, afar) = tokio::try_join!(Gateway::start(&options), Gateway::start(&elsewhere))?;
        let (at_the_nacos, mut events, connection) = NacosClient::new(
            NacosCluster::new(ClusterOptions::new(vec![nacos.address().parse()?]))?,
            ClientOptions::default(),
        );
        let mut tasks = JoinSet::new();
        tasks.spawn(connection.run(CancellationToken::new()));
        tasks.spawn(async move { while events.recv().await.is_some() {} });
        ensure!(at_the_nacos.connected_within(PATIENCE).await, "no connection to the nacos");
        Ok(Self { _kafka: kafka, nacos, at_the_nacos, one, other, doors, afar, _tasks: tasks })
    }

    /// Where clients of a door connect.
    pub(crate) fn address(&self, door: Door) -> String {
        let [one, other] = &self.doors;
        format!("127.0.0.1:{}", if door == Door::One { one.main() } else { other.main() })
    }

    /// The door whose gateway leads, or the one whose gateway waits.
    pub(crate) async fn door_of(&self, leads: bool) -> Result<Door> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let roles = (role(&self.one).await?, role(&self.other).await?);
            match (&*roles.0, &*roles.1) {
                ("leader", "standby") => return Ok(if leads { Door::One } else { Door::Other }),
                ("standby", "leader") => return Ok(if leads { Door::Other } else { Door::One }),
                _ => tokio::time::sleep(POLL).await,
            }
        }
        bail!("no leader with a standby after {PATIENCE:?}")
    }

    fn gateway(&mut self, door: Door) -> &mut Gateway {
        if door == Door::One { &mut self.one } else { &mut self.other }
    }

    pub(crate) async fn kill(&mut self, door: Door) -> Result<()> {
        self.gateway(door).kill().await
    }

    pub(crate) async fn start_again(&mut self, door: Door) -> Result<()> {
        let gateway = self.gateway(door);
        gateway.spawn().await?;
        gateway.until_ready().await
    }

    /// What the Nacos itself lists of the crowd.
    async fn in_nacos(&self, crowd: &Crowd) -> Result<BTreeSet<String>> {
        let mut there = BTreeSet::new();
        for number in 0..crowd.services() {
            let listed = self.at_the_nacos.query(&service(number)).await?;
            there.extend(listed.hosts.into_iter().map(|host| host.ip));
        }
        Ok(there)
    }

    /// Waits until the Nacos lacks somebody: without that, nothing was at stake. How long that took.
    pub(crate) async fn until_nacos_lacks(&self, crowd: &Crowd, since: Instant) -> Result<Duration> {
        while self.in_nacos(crowd).await?.is_superset(&crowd.names()) {
            ensure!(since.elapsed() < DROPPED_WITHIN, "the nacos at {} dropped nobody", self.nacos.address());
        }
        Ok(since.elapsed())
    }

    pub(crate) async fn until_nacos_has(&self, crowd: &Crowd, within: Duration) -> Result<()> {
        let (begun, all) = (Instant::now(), crowd.names());
        loop {
            let there = self.in_nacos(crowd).await?;
            if there.is_superset(&all) {
                return Ok(());
            }
            ensure!(begun.elapsed() < within, "the nacos lacks {} of {}", all.difference(&there).count(), all.len());
            tokio::time::sleep(POLL).await;
        }
    }

    pub(crate) async fn end(mut self) -> Result<()> {
        self.one.stop().await?;
        self.other.stop().await?;
        self.afar.stop().await
    }
}

async fn role(gateway: &Gateway) -> Result<String> {
    let (_, status) = gateway.get("/v1/status", &[]).await?;
    status["facts"]["role"].as_str().map(str::to_owned).with_context(|| format!("no role in {status}"))
}
