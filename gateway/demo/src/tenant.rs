//! The shop as its region knows it: one client of the region's front door, as a service with a Nacos SDK is. It registers what should be there,
//! writes config items, and is told where the services are that it calls.
//!
//! Input: what is wanted, whole, whenever it changes. Output: what it was told last of each service. A client that has lost its front door keeps
//! what it was told, as SDKs do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use nacos_protocol::client::{
    ClientConnection, ClientEvent, ClientEvents, ClientOptions, ConfigName, ConfigWrite, NacosClient, ServiceName,
};
use nacos_protocol::cluster::{ClusterOptions, NacosCluster};
use nacos_protocol::message::naming::NacosInstance;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::region::DemoRegion;
use super::shop::{CONFIG_GROUP, Shop, Wanted};

/// How soon what was not taken is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// How long a shop that closes waits for its registrations to be taken back.
const CLOSES_WITHIN: Duration = Duration::from_secs(1);
const NAMESPACE: &str = "public";
const GROUP: &str = "DEFAULT_GROUP";
/// By which metadata a front door says of which cluster an instance is, if it is not of its own.
const ORIGIN: &str = "nacos-fed.origin";

/// What a region's front door told the shop last: by service, how many instances of which region.
pub(super) type Found = BTreeMap<&'static str, BTreeMap<String, usize>>;

/// What a tenant is given.
pub(super) struct TenantTerms {
    /// Where it lives.
    pub(super) region: DemoRegion,
    /// The front door there.
    pub(super) door: SocketAddr,
    /// What it has to register and write.
    pub(super) wanted: watch::Receiver<Wanted>,
    /// Where it says what it was told.
    pub(super) found: watch::Sender<Found>,
}

/// One region's client, which does not run yet.
pub(super) struct Tenant {
    terms: TenantTerms,
    client: NacosClient,
    events: ClientEvents,
    connection: ClientConnection,
    registered: BTreeMap<&'static str, Vec<NacosInstance>>,
    published: BTreeMap<&'static str, String>,
}

impl Tenant {
    /// Moves in.
    ///
    /// # Errors
    /// If no client can be made; a front door that does not answer is none.
    pub(super) fn new(terms: TenantTerms) -> anyhow::Result<Self> {
        let server = terms.door.to_string().parse().context("an address is a server address")?;
        let cluster = NacosCluster::new(ClusterOptions::new(vec![server]))?;
        let options = ClientOptions { app_name: "demo-shop".to_owned(), ..ClientOptions::default() };
        let (client, events, connection) = NacosClient::new(cluster, options);
        for service in Shop::services() {
            client.subscribe(&name_of(service));
        }
        Ok(Self { terms, client, events, connection, registered: BTreeMap::new(), published: BTreeMap::new() })
    }

    /// Keeps its region at what is wanted, until `ended`; once the shop `closes`, takes back what it registered, and ends.
    pub(super) async fn run(self, closes: CancellationToken, ended: CancellationToken) {
        let Self { mut terms, client, mut events, connection, registered, published } = self;
        let (region, found) = (terms.region, terms.found.clone());
        let mut ledger = Ledger { client: client.clone(), registered, published };
        let registering = async {
            client.connected_within(TRY_AGAIN).await; // From then on attempts have a meaning.
            loop {
                let wanted = terms.wanted.borrow_and_update().clone();
                let all = ledger.reach(&wanted).await;
                tokio::select! {
                    changed = terms.wanted.changed() => if changed.is_err() { return },
                    () = tokio::time::sleep(TRY_AGAIN), if !all => {}
                }
            }
        };
        let hearing = async {
            while let Some(event) = events.recv().await {
                hear(&found, region, event);
            }
        };
        let connected = CancellationToken::new();
        let living = async {
            tokio::select! {
                () = registering => {}
                () = closes.cancelled() => {}
            }
            let _ = tokio::time::timeout(CLOSES_WITHIN, leave(&client)).await;
            connected.cancel();
        };
        // All are dropped together: nothing is left to lose.
        tokio::select! {
            ((), ()) = async { tokio::join!(connection.run(connected.clone()), living) } => {}
            () = hearing => {}
            () = ended.cancelled() => {}
        }
    }
}

/// What the client has got through so far.
struct Ledger {
    client: NacosClient,
    registered: BTreeMap<&'static str, Vec<NacosInstance>>,
    published: BTreeMap<&'static str, String>,
}

impl Ledger {
    /// Registers and publishes what differs. Returns whether nothing is left to do.
    async fn reach(&mut self, wanted: &Wanted) -> bool {
        let mut all = true;
        for (service, instances) in &wanted.services {
            if self.registered.get(service).unwrap_or(&Vec::new()) != instances {
                match self.client.register(&name_of(service), instances.clone()).await {
                    Ok(()) => drop(self.registered.insert(service, instances.clone())),
                    Err(error) => {
                        tracing::debug!(%service, %error, "not registered yet");
                        all = false;
                    }
                }
            }
        }
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

async fn leave(client: &NacosClient) {
    for (service, _) in client.wanted_registrations() {
        // A front door that does not take it back has nobody to keep it for once the connection is gone.
        let _ = client.deregister(&service).await;
    }
}

fn hear(found: &watch::Sender<Found>, region: DemoRegion, event: ClientEvent) {
    let ClientEvent::Service { service, info, .. } = event else { return };
    let Some(name) = Shop::services().find(|name| *name == &*service.service) else { return };
    found.send_modify(|found| drop(found.insert(name, origins(region, &info.hosts))));
}

fn origins(region: DemoRegion, instances: &[NacosInstance]) -> BTreeMap<String, usize> {
    let mut origins = BTreeMap::new();
    for instance in instances {
        let origin = instance.metadata.get(ORIGIN).map_or(region.name(), String::as_str);
        *origins.entry(origin.to_owned()).or_default() += 1;
    }
    origins
}

fn name_of(service: &str) -> ServiceName {
    ServiceName::new(NAMESPACE, GROUP, service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_without_an_origin_is_of_the_own_region() {
        let far = NacosInstance { metadata: [(ORIGIN.into(), "virginia".into())].into(), ..NacosInstance::default() };
        let near = NacosInstance::default();
        let counted = origins(DemoRegion::Shanghai, &[near.clone(), far, near]);
        assert_eq!(counted, BTreeMap::from([("shanghai".to_owned(), 2), ("virginia".to_owned(), 1)]));
    }
}
