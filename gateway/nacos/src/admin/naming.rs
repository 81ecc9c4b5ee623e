//! All services of a namespace, and all instances of a service.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::Error as _;

use super::dialect::Dialect;
use super::page::{Listing, Page};
use super::{Admin, AdminError, answer};
use crate::client::ServiceName;
use crate::message::naming::{GROUP_SEPARATOR, Instance};

/// Items per page: large, because pages are no snapshot, and nearly every listing fits one of this size.
const PAGE_SIZE: usize = 10_000;
const PAGE_SIZE_TEXT: &str = "10000";

/// A service in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEntry {
    /// Which.
    pub name: ServiceName,
    /// Registered instances, disabled ones too; `None` where the dialect does not say.
    pub instances: Option<u64>,
    /// Healthy instances; `None` where the dialect does not say.
    pub healthy: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawService {
    name: String,
    group_name: String,
    ip_count: Option<u64>,
    healthy_instance_count: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServicesV3 {
    total_count: usize,
    page_items: Vec<RawService>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServicesV1 {
    count: usize,
    service_list: Vec<RawService>,
}

#[derive(Deserialize)]
struct AllNames {
    #[serde(rename = "META-INF/services")]
    names: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DetailV3 {
    cluster_map: BTreeMap<String, serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct DetailV1 {
    clusters: Vec<ClusterV1>,
}

#[derive(Deserialize)]
struct ClusterV1 {
    name: String,
}

#[derive(Deserialize)]
struct InstancesV1 {
    count: usize,
    list: Vec<Instance>,
}

impl Admin {
    /// All services of a namespace, in all groups, sorted by name; services without instances too.
    ///
    /// The namespace `""` is the one that only gRPC shows; of it 2.x lists names alone, and 3.x lists nothing
    /// ([`AdminError::NotOffered`]).
    ///
    /// # Errors
    ///
    /// Any [`AdminError`]; never a listing that is not whole.
    pub async fn services(&self, namespace: &str) -> Result<Vec<ServiceEntry>, AdminError> {
        if namespace.is_empty() {
            return self.nameless_services().await;
        }
        self.services.call(&[Dialect::V3, Dialect::V1], |dialect| self.services_in(dialect, namespace)).await
    }

    async fn services_in(&self, dialect: Dialect, namespace: &str) -> Result<Vec<ServiceEntry>, AdminError> {
        let path = match dialect {
            Dialect::V3 => "v3/admin/ns/service/list",
            Dialect::V2 | Dialect::V1 => "v1/ns/catalog/services",
        };
        let mut listing = Listing::new(path, PAGE_SIZE);
        for page_no in 1u32.. {
            let page_no = page_no.to_string();
            let query = [
                ("namespaceId", namespace),
                ("withInstances", "false"),
                ("ignoreEmptyService", "false"),
                ("pageNo", &page_no),
                ("pageSize", PAGE_SIZE_TEXT),
            ];
            let answer = self.get(path, &query).await?.ok_or(AdminError::NotOffered)?;
            let page = match dialect {
                Dialect::V3 => {
                    let page: ServicesV3 = answer::wrapped(path, &answer)?;
                    Page { announced: page.total_count, items: page.page_items }
                }
                Dialect::V2 | Dialect::V1 => {
                    let page: ServicesV1 = answer::bare(path, &answer)?;
                    Page { announced: page.count, items: page.service_list }
                }
            };
            if listing.add(page, |service| (service.group_name.clone(), service.name.clone()))? {
                break;
            }
        }
        Ok(listing.into_items().into_iter().map(|service| service.in_namespace(namespace)).collect())
    }

    /// The services of the namespace `""`.
    async fn nameless_services(&self) -> Result<Vec<ServiceEntry>, AdminError> {
        let path = "v1/ns/service/names";
        let answer = self.get(path, &[]).await?.ok_or(AdminError::NotOffered)?;
        let mut all: AllNames = answer::bare(path, &answer)?;
        let names = all.names.remove("").unwrap_or_default();
        let entry = |name: String| {
            let malformed =
                || AdminError::Malformed { path, source: serde_json::Error::custom("a name without group") };
            let (group, service) = name.split_once(GROUP_SEPARATOR).ok_or_else(malformed)?;
            Ok(ServiceEntry { name: ServiceName::new("", group, service), instances: None, healthy: None })
        };
        names.into_iter().collect::<BTreeSet<_>>().into_iter().map(entry).collect()
    }

    /// All instances of a service: of all its Nacos clusters, disabled ones too, with the health that the server really sees, sorted by
    /// Nacos cluster and address. Empty if the server says that there is no such service.
    ///
    /// # Errors
    ///
    /// Any [`AdminError`]; never a listing that is not whole. [`AdminError::NotOffered`] for the namespace `""`, which every line takes for
    /// `public` over HTTP: the answer would be about another service.
    pub async fn instances(&self, service: &ServiceName) -> Result<Vec<Instance>, AdminError> {
        if service.namespace.is_empty() {
            return Err(AdminError::NotOffered);
        }
        self.instances.call(&[Dialect::V3, Dialect::V1], |dialect| self.instances_in(dialect, service)).await
    }

    async fn instances_in(&self, dialect: Dialect, service: &ServiceName) -> Result<Vec<Instance>, AdminError> {
        let mut instances = Vec::new();
        for cluster in self.clusters_in(dialect, service).await? {
            instances.extend(self.cluster_instances_in(dialect, service, &cluster).await?);
        }
        Ok(instances)
    }

    /// The Nacos clusters of a service, sorted.
    async fn clusters_in(&self, dialect: Dialect, service: &ServiceName) -> Result<BTreeSet<String>, AdminError> {
        let grouped = format!("{}{GROUP_SEPARATOR}{}", service.group, service.service);
        let namespace = &*service.namespace;
        match dialect {
            Dialect::V3 => {
                let path = "v3/admin/ns/service";
                let query =
                    [("namespaceId", namespace), ("groupName", &service.group), ("serviceName", &service.service)];
                let Some(answer) = self.get(path, &query).await? else { return Ok(BTreeSet::new()) };
                let detail: DetailV3 = answer::wrapped(path, &answer)?;
                Ok(detail.cluster_map.into_keys().collect())
            }
            Dialect::V2 | Dialect::V1 => {
                let path = "v1/ns/catalog/service";
                let query = [("namespaceId", namespace), ("serviceName", &*grouped)];
                let Some(answer) = self.get(path, &query).await? else { return Ok(BTreeSet::new()) };
                let detail: DetailV1 = answer::bare(path, &answer)?;
                Ok(detail.clusters.into_iter().map(|cluster| cluster.name).collect())
            }
        }
    }

    async fn cluster_instances_in(
        &self,
        dialect: Dialect,
        service: &ServiceName,
        cluster: &str,
    ) -> Result<Vec<Instance>, AdminError> {
        match dialect {
            Dialect::V3 => self.cluster_instances_v3(service, cluster).await,
            Dialect::V2 | Dialect::V1 => self.cluster_instances_v1(service, cluster).await,
        }
    }

    /// Not paged, and one cluster at a time: without one, 3.1 answers for `DEFAULT` alone.
    async fn cluster_instances_v3(&self, service: &ServiceName, cluster: &str) -> Result<Vec<Instance>, AdminError> {
        let path = "v3/admin/ns/instance/list";
        let query = [
            ("namespaceId", &*service.namespace),
            ("groupName", &service.group),
            ("serviceName", &service.service),
            ("clusterName", cluster),
        ];
        let Some(answer) = self.get(path, &query).await? else { return Ok(Vec::new()) };
        let mut instances: Vec<Instance> = answer::wrapped(path, &answer)?;
        instances.iter().try_for_each(|instance| plausible(path, instance))?;
        instances.sort_by(|one, other| (&one.ip, one.port).cmp(&(&other.ip, other.port)));
        Ok(instances)
    }

    async fn cluster_instances_v1(&self, service: &ServiceName, cluster: &str) -> Result<Vec<Instance>, AdminError> {
        let path = "v1/ns/catalog/instances";
        let grouped = format!("{}{GROUP_SEPARATOR}{}", service.group, service.service);
        let mut listing = Listing::new(path, PAGE_SIZE);
        for page_no in 1u32.. {
            let page_no = page_no.to_string();
            let query = [
                ("namespaceId", &*service.namespace),
                ("serviceName", &grouped),
                ("clusterName", cluster),
                ("pageNo", &page_no),
                ("pageSize", PAGE_SIZE_TEXT),
            ];
            let Some(answer) = self.get(path, &query).await? else { return Ok(Vec::new()) };
            let page: InstancesV1 = answer::bare(path, &answer)?;
            page.list.iter().try_for_each(|instance| plausible(path, instance))?;
            let page = Page { announced: page.count, items: page.list };
            if listing.add(page, |instance| (instance.ip.clone(), instance.port))? {
                break;
            }
        }
        Ok(listing.into_items())
    }
}

impl RawService {
    fn in_namespace(self, namespace: &str) -> ServiceEntry {
        let name = ServiceName::new(namespace, self.group_name, self.name);
        ServiceEntry { name, instances: self.ip_count, healthy: self.healthy_instance_count }
    }
}

/// The messages are read tolerantly; here an instance without an address would hide that the answer is no listing of instances.
fn plausible(path: &'static str, instance: &Instance) -> Result<(), AdminError> {
    match instance.ip.is_empty() {
        false => Ok(()),
        true => Err(AdminError::Malformed { path, source: serde_json::Error::missing_field("ip") }),
    }
}
