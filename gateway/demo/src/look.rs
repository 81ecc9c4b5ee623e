//! What can be seen from outside: what each registry says it holds, and what each gateway says the regions hold. Asked over
//! their HTTP APIs as any user would, so that the demo shows nothing but what they answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use federation_answers::discovery::{
    ClusterDocument, ClustersDocument, ConfigDocument, ServiceDocument, ServicesDocument,
};
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ports::DemoPorts;
use super::region::DemoRegion;
use super::shop::{CONFIG_GROUP, Sign};

/// A registry or gateway that needs longer counts as not answering: everything is on this machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Names on one page; the most that a gateway gives.
const PAGE: usize = 1000;
const DEFAULT_GROUP: &str = "DEFAULT_GROUP";
const PUBLIC: &str = "public";

/// Instances as `service ip:port`.
pub(super) type Instances = BTreeSet<String>;

/// Everything at one moment; `None` for what does not answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Look {
    /// What each region's registry holds.
    pub(super) registered: BTreeMap<DemoRegion, Option<Instances>>,
    /// What each region's gateway shows, by origin.
    pub(super) seen: BTreeMap<DemoRegion, Option<BTreeMap<String, Origin>>>,
}

/// What one gateway shows of one cluster.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Origin {
    /// Its instances in the public namespace.
    pub(super) instances: Instances,
    /// `live`, `stale`, `lost` or `isolated`.
    pub(super) freshness: String,
    /// Why.
    pub(super) reason: String,
    /// Age of its facts, ms.
    pub(super) age_ms: Option<u64>,
}

/// Asks.
#[derive(Clone)]
pub(super) struct Looker {
    http: reqwest::Client,
    ports: DemoPorts,
}

/// A page of a registry's services, as Nacos 3 lists them.
#[derive(Deserialize)]
struct Registered {
    data: RegisteredPage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegisteredPage {
    page_items: Vec<RegisteredService>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegisteredService {
    group_name: String,
    service_name: String,
    cluster_map: BTreeMap<String, Hosts>,
}

#[derive(Deserialize)]
struct Hosts {
    hosts: Vec<Host>,
}

#[derive(Deserialize)]
struct Host {
    ip: String,
    port: u16,
}

impl Looker {
    /// Asks at these addresses.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub(super) fn new(ports: DemoPorts) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder().timeout(ANSWER_WITHIN).no_proxy().build()?;
        Ok(Self { http, ports })
    }

    /// Asks everybody at once.
    pub(super) async fn look(&self) -> Look {
        let registered = DemoRegion::ALL.map(|region| async move { (region, self.registered(region).await.ok()) });
        let seen = DemoRegion::ALL.map(|region| async move { (region, self.seen(region).await.ok()) });
        let (registered, seen) = tokio::join!(futures::future::join_all(registered), futures::future::join_all(seen));
        Look { registered: registered.into_iter().collect(), seen: seen.into_iter().collect() }
    }

    /// Whether a region's gateway shows a change of `origin`. One that does not answer does not.
    pub(super) async fn shows(&self, gateway: DemoRegion, origin: DemoRegion, sign: &Sign) -> bool {
        let shown = match sign {
            Sign::Instance { service, ip, shown } => self.shows_instance(gateway, origin, service, ip, shown).await,
            Sign::Config { data_id, content } => self.shows_config(gateway, origin, data_id, content).await,
        };
        shown.unwrap_or(false)
    }

    async fn shows_instance(
        &self,
        gateway: DemoRegion,
        origin: DemoRegion,
        service: &str,
        ip: &str,
        want: &Option<(f64, String)>,
    ) -> Result<bool, reqwest::Error> {
        let parameters = [("serviceName", service), ("origin", origin.name())];
        let found = self.gateway::<ServiceDocument<'static>>(gateway, "/v1/service", &parameters).await?;
        let mut instances = found.into_iter().flat_map(|service| service.instances);
        let instance = instances.find(|instance| instance.ip == ip);
        let shown = instance.map(|one| (one.weight, one.metadata.get("release").unwrap_or_default().to_owned()));
        Ok(shown == *want)
    }

    async fn shows_config(
        &self,
        gateway: DemoRegion,
        origin: DemoRegion,
        data_id: &str,
        content: &str,
    ) -> Result<bool, reqwest::Error> {
        let parameters = [("dataId", data_id), ("groupName", CONFIG_GROUP)];
        let found = self.gateway::<ConfigDocument<'static>>(gateway, "/v1/config", &parameters).await?;
        Ok(found
            .iter()
            .flat_map(|config| &config.items)
            .any(|item| item.origin == origin.name() && item.content.as_deref() == Some(content)))
    }

    async fn registered(&self, region: DemoRegion) -> Result<Instances, reqwest::Error> {
        let url = format!("http://{}/nacos/v3/admin/ns/service/list", self.ports.of(region).registry);
        let page = PAGE.to_string();
        let parameters = [("namespaceId", PUBLIC), ("pageNo", "1"), ("pageSize", &page), ("withInstances", "true")];
        let answer = self.http.get(url).query(&parameters).send().await?;
        let listed: Registered = answer.error_for_status()?.json().await?;
        let mut instances = Instances::new();
        for service in listed.data.page_items {
            let name = name(&service.group_name, &service.service_name);
            let hosts = service.cluster_map.into_values().flat_map(|cluster| cluster.hosts);
            instances.extend(hosts.map(|host| shown(&name, &host.ip, host.port)));
        }
        Ok(instances)
    }

    async fn seen(&self, gateway: DemoRegion) -> Result<BTreeMap<String, Origin>, reqwest::Error> {
        let clusters = self.gateway::<ClustersDocument<'static>>(gateway, "/v1/clusters", &[]).await?;
        let clusters = clusters.into_iter().flat_map(|document| document.clusters);
        let mut origins: BTreeMap<String, Origin> = clusters.map(Origin::named).collect();
        let page = PAGE.to_string();
        let listed = [("namespaceId", PUBLIC), ("pageSize", page.as_str())];
        let services = self.gateway::<ServicesDocument<'static>>(gateway, "/v1/services", &listed).await?;
        for summary in services.into_iter().flat_map(|document| document.services) {
            let (group, service) = (&*summary.group_name, &*summary.service_name);
            let name = name(group, service);
            let parameters = [("serviceName", service), ("groupName", group)];
            let found = self.gateway::<ServiceDocument<'static>>(gateway, "/v1/service", &parameters).await;
            for instance in found.ok().flatten().into_iter().flat_map(|service| service.instances) {
                if let Some(origin) = origins.get_mut(&*instance.origin) {
                    origin.instances.insert(shown(&name, &instance.ip, instance.port));
                }
            }
        }
        Ok(origins)
    }

    /// The document at a path of a gateway; none of a service or config item that no cluster has.
    async fn gateway<T: DeserializeOwned>(
        &self,
        region: DemoRegion,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Option<T>, reqwest::Error> {
        let url = format!("http://{}{path}", self.ports.of(region).http);
        let answer = self.http.get(url).query(parameters).send().await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        answer.error_for_status()?.json().await.map(Some)
    }
}

impl Origin {
    fn named(cluster: ClusterDocument<'static>) -> (String, Self) {
        let ClusterDocument { cluster, freshness, freshness_reason, age_ms, .. } = cluster;
        let (freshness, reason) = (freshness.into_owned(), freshness_reason.into_owned());
        (cluster.into_owned(), Self { instances: Instances::new(), freshness, reason, age_ms })
    }
}

fn name(group: &str, service: &str) -> String {
    if group == DEFAULT_GROUP { service.to_owned() } else { format!("{group}@@{service}") }
}

/// A service with the address of one of its instances.
fn shown(name: &str, ip: &str, port: u16) -> String {
    format!("{name} {}", federation_core::host::Host::from(ip).with_port(port))
}
