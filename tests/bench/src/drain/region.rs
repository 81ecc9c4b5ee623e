//! A gateway with an embedded registry in this process, and the clients that register there.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use federation_gateway::app::stand_in::EmbeddedBroker;
use federation_gateway::app::{LogTopics, RunningGateway};
use federation_gateway::config::{self, ConfigSurroundings};
use nacos_protocol::client::{ClientEvent, ClientOptions, NacosClient, ServiceName};
use nacos_protocol::cluster::{ClusterOptions, NacosCluster};
use nacos_protocol::message::naming::NacosInstance;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);
/// Connections that register side by side.
const REGISTRANTS: usize = 4;

/// A gateway that runs.
pub(crate) struct Region {
    number: usize,
    registry: u16,
    api: String,
    stop: CancellationToken,
    tasks: JoinSet<Result<()>>,
}

/// Clients; what they registered goes with them.
pub(crate) struct Registrants {
    _clients: Vec<NacosClient>,
    _connections: JoinSet<()>,
}

impl Region {
    /// Starts the gateway of `cluster`.
    pub(crate) async fn start(cluster: &str, number: usize, broker: &EmbeddedBroker, folder: &Path) -> Result<Self> {
        let registry = free_port(21_000 + 3_000 * u16::try_from(number)?)?;
        let text = format!(
            "federation: bench\ncluster: {cluster}\nlocality: {{region: {cluster}-region}}\n\
             nacos: {{embedded: true, listen: {{http: \"127.0.0.1:{registry}\"}}}}\nkafka: {{brokers: [\"{}\"]}}\n\
             listen: {{http: \"127.0.0.1:0\", grpc: \"127.0.0.1:0\"}}\ndata_dir: {}\n",
            broker.address(),
            folder.join(cluster).display(),
        );
        let config = config::from_text("bench", &text, &ConfigSurroundings::default())
            .map_err(|mistakes| anyhow::anyhow!("{mistakes}"))?
            .config;
        broker.create_topics(&config)?;
        let gateway = RunningGateway::assemble(config, LogTopics::Prepared).await?;
        let (api, stop, mut tasks) = (format!("http://{}", gateway.http()), CancellationToken::new(), JoinSet::new());
        tasks.spawn(gateway.run(stop.clone()));
        Ok(Self { number, registry, api, stop, tasks })
    }

    /// The base of its HTTP API.
    pub(crate) fn api(&self) -> &str {
        &self.api
    }

    /// A document of its HTTP API.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        Ok(reqwest::get(format!("{}{path}", self.api)).await?.json().await?)
    }

    /// Registers an instance of each service; the first region has a service more, that is nowhere else.
    pub(crate) async fn register(&self, services: usize) -> Result<Registrants> {
        let mut registrants = Registrants { _clients: Vec::new(), _connections: JoinSet::new() };
        let mut under_way = JoinSet::new();
        for part in 0..REGISTRANTS {
            let client = self.connect(&mut registrants._connections).await?;
            registrants._clients.push(client.clone());
            let (region, alone) = (self.number, self.number == 0 && part == 0);
            under_way.spawn(async move {
                for number in (part..services).step_by(REGISTRANTS) {
                    register(&client, &format!("shop-{number:05}"), region, number).await?;
                }
                if alone { register(&client, "alone", region, services).await } else { Ok(()) }
            });
        }
        while let Some(ended) = under_way.join_next().await {
            ended??;
        }
        Ok(registrants)
    }

    async fn connect(&self, connections: &mut JoinSet<()>) -> Result<NacosClient> {
        let mut options = ClusterOptions::new(vec![format!("127.0.0.1:{}", self.registry).parse()?]);
        options.request_timeout = PATIENCE;
        let (client, mut events, connection) = NacosClient::new(NacosCluster::new(options)?, ClientOptions::default());
        connections.spawn(connection.run(CancellationToken::new()));
        let connected = async {
            while let Some(event) = events.recv().await {
                if matches!(event, ClientEvent::Connected { .. }) {
                    return Ok(events);
                }
            }
            bail!("the client ended")
        };
        let mut events = tokio::time::timeout(PATIENCE, connected).await.context("no connection")??;
        connections.spawn(async move { while events.recv().await.is_some() {} });
        Ok(client)
    }

    /// Ends it in order.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.stop.cancel();
        self.tasks.join_next().await.context("it ran once")??
    }
}

/// Again after a lost connection, which a registry that starts up beside others may cost.
async fn register(client: &NacosClient, name: &str, region: usize, number: usize) -> Result<()> {
    let (service, begun) = (ServiceName::new("public", "DEFAULT_GROUP", name), Instant::now());
    let ip = format!("10.{region}.{}.{}", number / 256 % 256, number % 256);
    let instance = NacosInstance { ip, port: 20_000, ..NacosInstance::default() };
    loop {
        match client.register(&service, vec![instance.clone()]).await {
            Ok(()) => return Ok(()),
            Err(error) if begun.elapsed() > PATIENCE => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// A port whose companion a thousand above is free, too.
fn free_port(first: u16) -> Result<u16> {
    let bind = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (first..first + 900).find(|port| bind(*port) && bind(port + 1000)).context("no port is free")
}
