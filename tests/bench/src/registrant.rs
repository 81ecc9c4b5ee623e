//! A client that registers, and one that subscribes, directly at a Nacos.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use federation_harness::Nacos;
use nacos_protocol::client::{ClientEvent, ClientEvents, ClientOptions, NacosClient, ServiceName};
use nacos_protocol::cluster::{ClusterOptions, LoginCredentials, NacosCluster};
use nacos_protocol::message::naming::NacosInstance;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);

/// A connected client; its connection ends with it.
pub(crate) struct Peer {
    pub(crate) client: NacosClient,
    pub(crate) events: ClientEvents,
    _connection: JoinSet<()>,
    stop: CancellationToken,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Peer {
    /// Connects to the Nacos with its user.
    pub(crate) async fn connect(nacos: &Nacos) -> Result<Self> {
        let mut options = ClusterOptions::new(vec![nacos.address().parse()?]);
        options.request_timeout = Duration::from_secs(10);
        let user = nacos.credentials();
        options.credentials = user.map(|user| LoginCredentials { username: user.username, password: user.password });
        let (client, mut events, connection) = NacosClient::new(NacosCluster::new(options)?, ClientOptions::default());
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(connection.run(stop.clone()));
        let connected = async {
            while let Some(event) = events.recv().await {
                if matches!(event, ClientEvent::Connected { .. }) {
                    return Ok(());
                }
            }
            bail!("the client ended")
        };
        tokio::time::timeout(PATIENCE, connected).await.context("no connection to nacos")??;
        Ok(Self { client, events, _connection: tasks, stop })
    }

    /// Registers these instances; again after a lost connection, which a Nacos that starts up beside others may cost.
    pub(crate) async fn register(&self, name: &str, instances: Vec<NacosInstance>) -> Result<()> {
        let begun = Instant::now();
        loop {
            match self.client.register(&service(name), instances.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) if begun.elapsed() > PATIENCE => return Err(error.into()),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// When a list of a service first has this port.
    pub(crate) async fn sees(&mut self, port: u16) -> Result<Instant> {
        while let Some(event) = self.events.recv().await {
            if let ClientEvent::Service { info, .. } = event
                && info.hosts.iter().any(|instance| instance.port == i32::from(port))
            {
                return Ok(Instant::now());
            }
        }
        bail!("the subscriber ended")
    }
}

/// An instance with five pairs of metadata.
pub(crate) fn instance(ip: String, port: u16) -> NacosInstance {
    let metadata: BTreeMap<String, String> =
        (0..5).map(|number| (format!("bench.key.{number:010}"), format!("value-{number:014}"))).collect();
    NacosInstance { ip, port: i32::from(port), metadata, ..NacosInstance::default() }
}

/// A service of the bench.
pub(crate) fn service(name: &str) -> ServiceName {
    ServiceName::new("public", "DEFAULT_GROUP", name)
}
