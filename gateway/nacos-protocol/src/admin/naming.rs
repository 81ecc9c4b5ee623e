//! All services of a namespace, and all instances of a service.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::dialect::Dialect;
use super::{AdminClient, AdminError, answer};
use crate::client::ServiceName;
use crate::message::naming::{GROUP_SEPARATOR, NacosInstance};
use crate::paging::{self, Page, Turning};

/// Large pages, because pages are no snapshot, and nearly every listing fits one of this size. One page of all is still well below the
/// largest answer that is taken, at some 200 bytes a service and 400 an instance.
const TURNING: Turning = Turning { page_size: 10_000, one_page_at_most: 200_000 };
/// Group of a service that is listed without one.
const DEFAULT_GROUP: &str = "DEFAULT_GROUP";

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
    names: NamelessNames,
}

/// Of the names of all namespaces, those of the namespace `""`: the others may be a hundred thousand, and are passed over.
struct NamelessNames(Vec<String>);

impl<'de> Deserialize<'de> for NamelessNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Namespaces;
        impl<'de> Visitor<'de> for Namespaces {
            type Value = NamelessNames;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("names of services by namespace")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NamelessNames, A::Error> {
                let mut names = Vec::new();
                while let Some(namespace) = map.next_key::<String>()? {
                    match namespace.is_empty() {
                        true => names = map.next_value()?,
                        false => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(NamelessNames(names))
            }
        }
        deserializer.deserialize_map(Namespaces)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DetailV3 {
    cluster_map: BTreeMap<String, IgnoredAny>,
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
    list: Vec<NacosInstance>,
}

/// Instances are read tolerantly: what is no listing of instances would be read as instances without an address. So an answer has to have
/// that field in each of them, whatever is in it: a client may have registered without one, and that hides no other instance.
#[derive(Deserialize)]
struct Address {
    #[serde(rename = "ip")]
    _ip: IgnoredAny,
}

#[derive(Deserialize)]
struct AddressesV1 {
    #[serde(rename = "list")]
    _list: Vec<Address>,
}

impl AdminClient {
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
        let page = |number, size| self.services_page(dialect, namespace, number, size);
        let name = |service: &RawService| (service.group_name.clone(), service.name.clone());
        let mut services = paging::collect(TURNING, page, name).await?.ok_or(AdminError::NotOffered)?;
        let by_name =
            |one: &RawService, other: &RawService| (&one.group_name, &one.name).cmp(&(&other.group_name, &other.name));
        services.sort_by(by_name);
        // A name is one service, however often it is listed.
        services.dedup_by(|later, first| by_name(later, first).is_eq());
        Ok(services.into_iter().map(|service| service.in_namespace(namespace)).collect())
    }

    async fn services_page(
        &self,
        dialect: Dialect,
        namespace: &str,
        number: u32,
        size: usize,
    ) -> Result<Option<Page<RawService>>, AdminError> {
        let path = match dialect {
            Dialect::V3 => "v3/admin/ns/service/list",
            Dialect::V2 | Dialect::V1 => "v1/ns/catalog/services",
        };
        let (number, size) = (number.to_string(), size.to_string());
        let query = [
            ("namespaceId", namespace),
            ("withInstances", "false"),
            ("ignoreEmptyService", "false"),
            ("pageNo", &number),
            ("pageSize", &size),
        ];
        let answer = self.get(path, &query).await?.ok_or(AdminError::NotOffered)?;
        Ok(Some(match dialect {
            Dialect::V3 => {
                let page: ServicesV3 = answer::wrapped(path, &answer)?;
                Page { announced: page.total_count, items: page.page_items }
            }
            Dialect::V2 | Dialect::V1 => {
                let page: ServicesV1 = answer::bare(path, &answer)?;
                Page { announced: page.count, items: page.service_list }
            }
        }))
    }

    /// The services of the namespace `""`.
    async fn nameless_services(&self) -> Result<Vec<ServiceEntry>, AdminError> {
        let path = "v1/ns/service/names";
        let answer = self.get(path, &[]).await?.ok_or(AdminError::NotOffered)?;
        let AllNames { names: NamelessNames(names) } = answer::bare(path, &answer)?;
        let entry = |name: &String| {
            let (group, service) = name.split_once(GROUP_SEPARATOR).unwrap_or((DEFAULT_GROUP, name));
            ServiceEntry { name: ServiceName::new("", group, service), instances: None, healthy: None }
        };
        Ok(names.into_iter().collect::<BTreeSet<_>>().iter().map(entry).collect())
    }

    /// All instances of a service: of all its Nacos clusters, disabled ones too, with the health that the server really sees, sorted by
    /// Nacos cluster and address. Empty if the server says that there is no such service. An address is here as often as clients have
    /// registered it: which of these counts is the caller's to decide.
    ///
    /// # Errors
    ///
    /// Any [`AdminError`]; never a listing that is not whole. [`AdminError::NotOffered`] for the namespace `""`, which every line takes for
    /// `public` over HTTP: the answer would be about another service.
    pub async fn instances(&self, service: &ServiceName) -> Result<Vec<NacosInstance>, AdminError> {
        if service.namespace.is_empty() {
            return Err(AdminError::NotOffered);
        }
        self.instances.call(&[Dialect::V3, Dialect::V1], |dialect| self.instances_in(dialect, service)).await
    }

    async fn instances_in(&self, dialect: Dialect, service: &ServiceName) -> Result<Vec<NacosInstance>, AdminError> {
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
    ) -> Result<Vec<NacosInstance>, AdminError> {
        match dialect {
            Dialect::V3 => self.cluster_instances_v3(service, cluster).await,
            Dialect::V2 | Dialect::V1 => self.cluster_instances_v1(service, cluster).await,
        }
    }

    /// Not paged, and one cluster at a time: without one, 3.1 answers for `DEFAULT` alone.
    async fn cluster_instances_v3(
        &self,
        service: &ServiceName,
        cluster: &str,
    ) -> Result<Vec<NacosInstance>, AdminError> {
        let path = "v3/admin/ns/instance/list";
        let query = [
            ("namespaceId", &*service.namespace),
            ("groupName", &service.group),
            ("serviceName", &service.service),
            ("clusterName", cluster),
        ];
        let Some(answer) = self.get(path, &query).await? else { return Ok(Vec::new()) };
        let _: Vec<Address> = answer::wrapped(path, &answer)?;
        let mut instances: Vec<NacosInstance> = answer::wrapped(path, &answer)?;
        instances.sort_by(by_address);
        Ok(instances)
    }

    async fn cluster_instances_v1(
        &self,
        service: &ServiceName,
        cluster: &str,
    ) -> Result<Vec<NacosInstance>, AdminError> {
        let page = |number, size| self.cluster_instances_page(service, cluster, number, size);
        // Two clients may have registered one address: only what is the same in all it says is the same entry.
        let all_it_says = |instance: &NacosInstance| format!("{instance:?}");
        let mut instances = paging::collect(TURNING, page, all_it_says).await?.unwrap_or_default();
        instances.sort_by(by_address);
        Ok(instances)
    }

    async fn cluster_instances_page(
        &self,
        service: &ServiceName,
        cluster: &str,
        number: u32,
        size: usize,
    ) -> Result<Option<Page<NacosInstance>>, AdminError> {
        let path = "v1/ns/catalog/instances";
        let grouped = format!("{}{GROUP_SEPARATOR}{}", service.group, service.service);
        let (number, size) = (number.to_string(), size.to_string());
        let query = [
            ("namespaceId", &*service.namespace),
            ("serviceName", &grouped),
            ("clusterName", cluster),
            ("pageNo", &number),
            ("pageSize", &size),
        ];
        let Some(answer) = self.get(path, &query).await? else { return Ok(None) };
        let _: AddressesV1 = answer::bare(path, &answer)?;
        let page: InstancesV1 = answer::bare(path, &answer)?;
        Ok(Some(Page { announced: page.count, items: page.list }))
    }
}

impl RawService {
    fn in_namespace(self, namespace: &str) -> ServiceEntry {
        let name = ServiceName::new(namespace, self.group_name, self.name);
        ServiceEntry { name, instances: self.ip_count, healthy: self.healthy_instance_count }
    }
}

fn by_address(one: &NacosInstance, other: &NacosInstance) -> Ordering {
    (&one.ip, one.port).cmp(&(&other.ip, other.port))
}
