//! A gateway with an embedded registry, in which clients of the Nacos protocol register everything: an origin as users have it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use federation_harness::Gateway;
use nacos_protocol::client::{CallError, ClientEvent, ClientEvents, ClientOptions, NacosClient, ServiceName};
use nacos_protocol::cluster::{ClusterOptions, NacosCluster};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::changes::Changer;
use crate::shape;

/// A connection is served by one thread at a time: a few register side by side.
const CONNECTIONS: usize = 4;
/// Registrations that are under way at most: more than the slowest pace needs, few enough that none waits for long.
const UNDER_WAY: u32 = 512;
const PATIENCE: Duration = Duration::from_secs(30);

/// Clients that keep everything registered for as long as they live.
pub(crate) struct Registrants {
    peers: Vec<Peer>,
    /// Of each instance. Locked for one change.
    versions: Mutex<Vec<u64>>,
    permits: Arc<Semaphore>,
    /// Registrations that are under way. Locked for adding one, or for what has ended.
    calls: Mutex<JoinSet<Result<()>>>,
}

struct Peer {
    client: NacosClient,
    _events: ClientEvents,
    _connection: JoinSet<()>,
    stop: CancellationToken,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Peer {
    async fn connect(address: &str) -> Result<Self> {
        let mut options = ClusterOptions::new(vec![address.parse()?]);
        options.request_timeout = Duration::from_secs(10);
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
        tokio::time::timeout(PATIENCE, connected).await.context("no connection to the registry")??;
        // A connection takes its first call a moment after it was told of.
        while let Err(CallError::NotConnected) = client.list_services(shape::NAMESPACE, shape::GROUP).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { client, _events: events, _connection: tasks, stop })
    }
}

impl Registrants {
    /// Registers so many instances in the gateway's registry.
    pub(crate) async fn register(gateway: &Gateway, instances: u64) -> Result<Self> {
        let address = gateway.registry().context("the gateway has a registry")?;
        let mut peers = Vec::new();
        for _ in 0..CONNECTIONS {
            peers.push(Peer::connect(&address).await?);
        }
        let registrants = Self {
            peers,
            versions: Mutex::new(vec![0; usize::try_from(instances)?]),
            permits: Arc::new(Semaphore::new(usize::try_from(UNDER_WAY)?)),
            calls: Mutex::default(),
        };
        for service in 0..instances / shape::INSTANCES {
            registrants.call(service).await?;
        }
        registrants.settle().await?;
        Ok(registrants)
    }

    /// Registers the service as it is now to be.
    async fn call(&self, service: u64) -> Result<()> {
        let first = service * shape::INSTANCES;
        let instances = {
            let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
            let of = |instance| anyhow::Ok(shape::registered(instance, versions[usize::try_from(instance)?]));
            (first..first + shape::INSTANCES).map(of).collect::<Result<Vec<_>>>()?
        };
        let client = self.peers[usize::try_from(service)? % CONNECTIONS].client.clone();
        let permit = Arc::clone(&self.permits).acquire_owned().await?;
        let name = ServiceName::new(shape::NAMESPACE, shape::GROUP, shape::service_name(service));
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = calls.try_join_next() {
            ended??;
        }
        calls.spawn(async move {
            client.register(&name, instances).await?;
            drop(permit);
            Ok(())
        });
        Ok(())
    }
}

impl Changer for Registrants {
    async fn change(&self, instance: u64, version: u64) -> Result<()> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)[usize::try_from(instance)?] = version;
        self.call(instance / shape::INSTANCES).await
    }

    async fn settle(&self) -> Result<()> {
        let all = self.permits.acquire_many(UNDER_WAY).await?;
        drop(all);
        let mut calls = std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        while let Some(ended) = calls.join_next().await {
            ended??;
        }
        Ok(())
    }
}
