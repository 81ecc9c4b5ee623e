//! The shop as a registry knows it: one client of one region's registry, which registers what should be there.
//!
//! Input: what is wanted, whole, whenever it changes. A registry that was started again is empty: its tenant begins anew.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use nacos_protocol::client::{ClientEvents, ClientOptions, ConfigName, ConfigWrite, NacosClient, ServiceName};
use nacos_protocol::cluster::{ClusterOptions, NacosCluster};
use nacos_protocol::message::naming::NacosInstance;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::shop::{CONFIG_GROUP, Wanted};

/// How soon what the registry did not take is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(500);
const NAMESPACE: &str = "public";
const GROUP: &str = "DEFAULT_GROUP";

/// Keeps the registry at `address` at what is wanted, until `stop` or until nobody can want anything any more.
///
/// # Errors
/// If no client can be made; a registry that does not answer is none.
pub(super) async fn run(
    address: SocketAddr,
    mut wanted: watch::Receiver<Wanted>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let server = address.to_string().parse().context("an address is a server address")?;
    let cluster = NacosCluster::new(ClusterOptions::new(vec![server]))?;
    let options = ClientOptions { app_name: "demo-shop".to_owned(), ..ClientOptions::default() };
    let (client, mut events, connection) = NacosClient::new(cluster, options);
    let ended = stop.child_token();
    let _ends = ended.clone().drop_guard();
    let registering = async {
        let mut tenant = Tenant { client, registered: BTreeMap::new(), published: BTreeMap::new() };
        first_event(&mut events).await;
        loop {
            let now = wanted.borrow_and_update().clone();
            let all = tenant.reach(&now).await;
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(TRY_AGAIN), if !all => {}
                Some(_) = events.recv() => {} // Nothing is subscribed: these are connects, after which the client registers anew by itself.
            }
        }
    };
    tokio::select! {
        () = connection.run(ended.clone()) => {}
        () = registering => {}
        () = ended.cancelled() => {}
    }
    Ok(())
}

/// Connected, or failed to: from then on attempts to register have a meaning.
async fn first_event(events: &mut ClientEvents) {
    let _ = events.recv().await;
}

struct Tenant {
    client: NacosClient,
    registered: BTreeMap<&'static str, Vec<NacosInstance>>,
    published: BTreeMap<&'static str, String>,
}

impl Tenant {
    /// Registers and publishes what differs. Returns whether nothing is left to do.
    async fn reach(&mut self, wanted: &Wanted) -> bool {
        for (service, instances) in &wanted.services {
            if self.registered.get(service).unwrap_or(&Vec::new()) != instances {
                let name = ServiceName::new(NAMESPACE, GROUP, *service);
                if let Err(error) = self.client.register(&name, instances.clone()).await {
                    tracing::debug!(%service, %error, "the client will register it once it is connected");
                }
                self.registered.insert(service, instances.clone());
            }
        }
        let mut all = true;
        for (data_id, content) in &wanted.configs {
            if self.published.get(data_id) != Some(content) {
                let name = ConfigName::new(NAMESPACE, CONFIG_GROUP, *data_id);
                let write = ConfigWrite { content: content.clone(), ..ConfigWrite::default() };
                match self.client.publish_config(&name, write).await {
                    Ok(()) => drop(self.published.insert(data_id, content.clone())),
                    Err(_) => all = false,
                }
            }
        }
        all
    }
}
