//! A plan as clients of Nacos read it: a list of instances whose weights are the plan's shares.
//!
//! Who has no share is not in the list: many frameworks look neither at weights nor at health. Where nothing can be used, all that is known is
//! listed as unhealthy, so that a list is empty only where nothing is registered.

use std::collections::BTreeMap;

use federation_core::freshness::Freshness;
use federation_core::id::{ClusterId, ServiceKey};
use federation_core::routing::{InstanceOffer, PanicMode, RoutableAddress};
use federation_view::resolve::PlannedService;
use nacos_protocol::message::naming::{GROUP_SEPARATOR, NacosInstance, ServiceInfo};

/// How long clients may keep a service without asking, in ms, as Nacos says it.
const CACHE_MS: i64 = 10_000;

/// Metadata that instances of other clusters carry: who observed them, where they are, and, where their cluster is not live, how its word is to
/// be taken. What carries the first is never exported again.
const ORIGIN: &str = "nacos-fed.origin";
const REGION: &str = "nacos-fed.region";
const ZONE: &str = "nacos-fed.zone";
const SUB_ZONE: &str = "nacos-fed.sub_zone";
const FRESHNESS: &str = "nacos-fed.freshness";

/// A service as it is answered under the names that the client used.
pub(super) struct AskedService<'a> {
    /// Namespace, group and service as the client wrote them.
    pub(super) name: &'a ServiceKey,
    /// The clusters that it asked for, to be echoed.
    pub(super) clusters: &'a str,
    /// The cluster of this gateway.
    pub(super) own: &'a ClusterId,
}

impl AskedService<'_> {
    /// The answer where nothing is registered.
    pub(super) fn empty(&self) -> ServiceInfo {
        ServiceInfo {
            name: self.name.service().to_owned(),
            group_name: self.name.group().to_owned(),
            clusters: self.clusters.to_owned(),
            cache_millis: CACHE_MS,
            ..ServiceInfo::default()
        }
    }

    /// The plan as a list.
    pub(super) fn planned(&self, planned: &PlannedService) -> ServiceInfo {
        let usable = planned.is_usable();
        let hosts = planned.plan.endpoints.iter().filter_map(|endpoint| {
            let offer = planned.offer(endpoint);
            match planned.flat_weight(endpoint) {
                Some(weight) if usable => Some(self.host(offer, weight, true)),
                None if !usable => Some(self.host(offer, offer.instance.weight.get(), false)),
                _ => None,
            }
        });
        let protects = |level: &federation_core::routing::Priority| {
            level.load.panic == PanicMode::Panicking && (level.load.healthy > 0 || level.load.degraded > 0)
        };
        ServiceInfo {
            hosts: hosts.collect(),
            reach_protection_threshold: usable && planned.plan.priorities.iter().any(protects),
            ..self.empty()
        }
    }

    /// An instance; that it is to be used says the plan, whatever its health: in a panic all of a level take part, and an instance of unknown
    /// health does where nothing better is left.
    fn host(&self, offer: &InstanceOffer, weight: f64, usable: bool) -> NacosInstance {
        let id = &offer.instance_id;
        let (ip, port) = match &offer.address {
            RoutableAddress::Own => (id.ip.to_string(), id.port),
            RoutableAddress::Advertised { host, port, .. } => (host.to_string(), *port),
        };
        let grouped = format!("{}{GROUP_SEPARATOR}{}", self.name.group(), self.name.service());
        NacosInstance {
            instance_id: format!("{ip}#{port}#{}#{grouped}", id.nacos_cluster),
            ip,
            port: i32::from(port),
            weight,
            healthy: usable,
            enabled: offer.instance.enabled,
            ephemeral: offer.instance.ephemeral,
            cluster_name: id.nacos_cluster.to_string(),
            service_name: grouped,
            metadata: self.metadata(offer),
        }
    }

    fn metadata(&self, offer: &InstanceOffer) -> BTreeMap<String, String> {
        let own = offer.instance.metadata.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut metadata: BTreeMap<String, String> = own.collect();
        if offer.origin == *self.own {
            return metadata;
        }
        let place = &offer.endpoint.locality;
        let parts = [(REGION, &place.region), (ZONE, &place.zone), (SUB_ZONE, &place.sub_zone)];
        let known = parts.into_iter().filter_map(|(name, part)| Some((name.to_owned(), part.as_ref()?.to_string())));
        metadata.extend(known);
        metadata.insert(ORIGIN.to_owned(), offer.origin.to_string());
        if offer.raw_freshness != Freshness::Live {
            metadata.insert(FRESHNESS.to_owned(), offer.raw_freshness.as_str().to_owned());
        }
        metadata
    }
}
