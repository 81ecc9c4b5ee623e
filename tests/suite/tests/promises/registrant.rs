//! A client that registers ephemeral instances at a Nacos over gRPC, as an SDK does. It dies with its value, and its instances with it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use federation_harness::process::POLL;
use federation_harness::{SdkInstance, SdkService};
use nacos_protocol::client::{ClientOptions, NacosClient, ServiceName};
use nacos_protocol::cluster::{ClusterOptions, NacosCluster};
use nacos_protocol::message::naming::NacosInstance;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::scale::PATIENCE;

/// A connected client.
pub(crate) struct Registrant {
    client: NacosClient,
    // Dropping it ends the connection.
    _tasks: JoinSet<()>,
}

impl Registrant {
    /// Connects to the Nacos whose HTTP API is at `address`.
    pub(crate) async fn connect(address: &str) -> Result<Self> {
        let mut options = ClusterOptions::new(vec![address.parse()?]);
        options.request_timeout = Duration::from_secs(10);
        let (client, mut events, connection) = NacosClient::new(NacosCluster::new(options)?, ClientOptions::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(connection.run(CancellationToken::new()));
        tasks.spawn(async move { while events.recv().await.is_some() {} });
        let begun = Instant::now();
        while client.connected_to().is_none() {
            ensure!(begun.elapsed() < PATIENCE, "no connection to {address}");
            tokio::time::sleep(POLL).await;
        }
        Ok(Self { client, _tasks: tasks })
    }

    /// Has exactly these instances of a service registered, and no others of its own; again after a lost connection.
    pub(crate) async fn set(&self, service: &SdkService, instances: &[SdkInstance]) -> Result<()> {
        let name = ServiceName::new(&*service.namespace, &*service.group, &*service.service);
        let wanted: Vec<NacosInstance> = instances.iter().map(of).collect();
        let begun = Instant::now();
        loop {
            match self.client.register(&name, wanted.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) if begun.elapsed() > PATIENCE => return Err(error.into()),
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }
}

fn of(instance: &SdkInstance) -> NacosInstance {
    NacosInstance {
        ip: instance.ip.clone(),
        port: i32::from(instance.port),
        weight: instance.weight,
        healthy: instance.healthy,
        enabled: instance.enabled,
        ephemeral: instance.ephemeral,
        cluster_name: instance.cluster.clone(),
        metadata: instance.metadata.clone(),
        ..NacosInstance::default()
    }
}
