//! Endpoints of a federated service, as one caller's network sees them: from what registrants, origins and the policy say.
//!
//! Input: the service and the clusters of one view, the caller's network, reachability, and which metadata is a place.
//! Output: an [`InstanceOffer`] for every instance, in the order of origins and ids; none is dropped, what cannot be used says why.
//! Invariants: of the caller, only its network counts, so that offers serve all callers of one network; ids of endpoints are unique, and an address
//! that an origin has in two spellings is offered once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::address::AdvertisedAddress;
use super::endpoint::{Endpoint, EndpointAdmission, EndpointCounting, MilliWeight, OriginName};
use super::reachability::Reachability;
use crate::freshness::Freshness;
use crate::host::{Host, WithPort};
use crate::id::{ClusterId, InstanceId};
use crate::instance::{Health, Instance};
use crate::locality::{Locality, told_name, told_text};
use crate::service::{ClusterStatus, FederatedInstance, FederatedService, HeldRemoval, OriginInstances};

/// What Nacos calls the cluster of an instance whose registrant named none: not a zone.
const DEFAULT_NACOS_CLUSTER: &str = "DEFAULT";

/// Why an instance with port 0 is not planned: Nacos takes it, and a host alone is nothing to call.
const NO_PORT: &str = "port 0 cannot be called";
/// Why an instance without a host is not planned.
const NO_HOST: &str = "a blank address cannot be called";

/// Which words of a registrant are places and addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceRules {
    /// Metadata key of an instance's region.
    pub region_key: Arc<str>,
    /// Metadata key of its zone.
    pub zone_key: Arc<str>,
    /// Metadata key of its sub-zone.
    pub sub_zone_key: Arc<str>,
    /// What else names a zone.
    pub zone_from: ZoneSource,
    /// Metadata key of the address for a network, without the network's name at its end.
    pub advertise_prefix: Arc<str>,
}

impl Default for PlaceRules {
    fn default() -> Self {
        Self {
            region_key: "region".into(),
            zone_key: "zone".into(),
            sub_zone_key: "sub_zone".into(),
            zone_from: ZoneSource::Metadata,
            advertise_prefix: "nacos-fed.advertise.".into(),
        }
    }
}

/// What names the zone of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ZoneSource {
    /// Its metadata alone.
    #[default]
    Metadata,
    /// Its metadata, else its Nacos cluster unless that is `DEFAULT`.
    NacosCluster,
}

/// One instance with what routing takes it for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceOffer {
    /// What is planned; its id is `origin/ip:port@nacosCluster`, the address in its canonical spelling and with brackets where it has them.
    pub endpoint: Endpoint,
    /// The cluster that observed it.
    pub origin: ClusterId,
    /// What the origin says of it.
    pub instance: Arc<Instance>,
    /// Which instance of the service.
    pub instance_id: InstanceId,
    /// The registered address.
    pub host: Host,
    /// Health as the origin says it; the endpoint has the effective one.
    pub raw_health: Health,
    /// Freshness of the origin as it is; the endpoint has the effective one.
    pub raw_freshness: Freshness,
    /// Set while its removal is kept back.
    pub held: Option<HeldRemoval>,
    /// How the caller reaches it.
    pub address: RoutableAddress,
}

/// Where a caller sends requests to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoutableAddress {
    /// IP and port as registered.
    Own,
    /// Another one, because the caller is in another network.
    Advertised {
        /// A name or an IP address.
        host: Host,
        /// 1 to 65535: the instance's own where none was advertised.
        port: u16,
        /// Who said so.
        by: AdvertisedBy,
    },
}

/// Who names an address for other networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdvertisedBy {
    /// The instance's registrant, by metadata.
    Instance,
    /// The origin, for all of its instances: an ingress in front of them.
    Cluster,
}

impl InstanceOffer {
    /// The host and port to use.
    #[must_use]
    pub fn reached_at(&self) -> (&Host, u16) {
        match &self.address {
            RoutableAddress::Own => (&self.host, self.instance_id.port),
            RoutableAddress::Advertised { host, port, .. } => (host, *port),
        }
    }

    /// The registered address with its port.
    #[must_use]
    pub fn registered_address(&self) -> WithPort<'_> {
        self.host.with_port(self.instance_id.port)
    }
}

impl AsRef<Endpoint> for InstanceOffer {
    fn as_ref(&self) -> &Endpoint {
        &self.endpoint
    }
}

/// Offers of all instances of `service` to callers of `network`. `clusters` are sorted by id, as views have them; an origin
/// that is not among them is stale and has no place.
#[must_use]
pub fn gather(
    service: &FederatedService,
    clusters: &[ClusterStatus],
    network: Option<&str>,
    reach: &Reachability,
    rules: &PlaceRules,
) -> Vec<InstanceOffer> {
    let instances = service.origins.iter().map(|of| of.instances.len()).sum();
    let mut offers = Vec::with_capacity(instances);
    for of in &service.origins {
        let found = clusters.binary_search_by(|cluster| cluster.id.cmp(&of.origin)).ok();
        let origin = Gathered::new(of, found.map(|at| &clusters[at]), network, reach, rules);
        let first = offers.len();
        offers.extend(of.instances.iter().map(|instance| origin.offer(instance)));
        bar_other_spellings(&mut offers[first..]);
    }
    offers
}

/// Of the instances of one origin that have one address in several spellings, as after a registrant began to write it otherwise, one is offered:
/// the one that can be used best, by what the origin says of it. The others would get traffic twice for one process.
fn bar_other_spellings(offers: &mut [InstanceOffer]) {
    if offers.iter().all(|offer| *offer.instance_id.ip == **offer.host.text()) {
        return; // One spelling each, and that is a part of their keys: no two are alike.
    }
    let mut alike: BTreeMap<(Host, u16, Arc<str>), Vec<usize>> = BTreeMap::new();
    for (index, offer) in offers.iter().enumerate() {
        let InstanceId { port, nacos_cluster, .. } = &offer.instance_id;
        alike.entry((offer.host.clone(), *port, Arc::clone(nacos_cluster))).or_default().push(index);
    }
    for spellings in alike.into_values().filter(|spellings| spellings.len() > 1) {
        let best = spellings.iter().copied().min_by_key(|index| worth(&offers[*index])).expect("there are several");
        for index in spellings.into_iter().filter(|index| *index != best) {
            let offer = &mut offers[index];
            let spelt = &offer.instance_id.ip;
            offer.endpoint.id = [&*offer.endpoint.id, " as ", spelt].concat().into();
            if offer.endpoint.admission == EndpointAdmission::Admitted {
                let reason = format!("another spelling of {}, which is registered too", offer.registered_address());
                offer.endpoint.admission = EndpointAdmission::Barred(reason.into());
            }
        }
    }
}

/// Lower is better. The order of ids, which is that of the offers, decides between equals, so that all gateways decide alike.
fn worth(offer: &InstanceOffer) -> (bool, bool, u8) {
    let health = match offer.raw_health {
        Health::Healthy => 0,
        Health::Unknown => 1,
        Health::Unhealthy => 2,
    };
    (!offer.instance.enabled, offer.held.is_some(), health)
}

/// What the offers of one origin have in common.
struct Gathered<'a> {
    id: &'a ClusterId,
    name: OriginName,
    locality: Locality,
    raw_freshness: Freshness,
    freshness: Freshness,
    rules: &'a PlaceRules,
    route: Route,
}

/// How the caller's network reaches an origin's instances.
enum Route {
    Direct,
    /// By the address for the caller's network that an instance or else the cluster advertises.
    Advertised {
        key: String,
        by_cluster: Option<Arc<str>>,
        barrier: Arc<str>,
    },
}

impl<'a> Gathered<'a> {
    fn new(
        of: &'a OriginInstances,
        status: Option<&ClusterStatus>,
        network: Option<&str>,
        reach: &Reachability,
        rules: &'a PlaceRules,
    ) -> Self {
        let locality = status.map(|status| status.locality.clone()).unwrap_or_default();
        let route = match (network, reach.barrier(network, locality.network.as_deref())) {
            (Some(network), Some(barrier)) => Route::Advertised {
                key: format!("{}{network}", rules.advertise_prefix),
                by_cluster: status.and_then(|status| status.advertise.get(network)).cloned(),
                barrier,
            },
            _ => Route::Direct,
        };
        Self {
            id: &of.origin,
            name: OriginName::from(&of.origin),
            locality,
            raw_freshness: status.map_or(Freshness::Stale, |status| status.freshness),
            freshness: status.map_or(Freshness::Stale, |status| status.effective),
            rules,
            route,
        }
    }

    fn offer(&self, of: &FederatedInstance) -> InstanceOffer {
        let instance = &of.instance;
        let host = of.id.host();
        let routed = self.address(of).and_then(|address| callable(address, &host, of.id.port));
        let admission = match &routed {
            _ if !instance.enabled => EndpointAdmission::Disabled,
            Ok(_) => EndpointAdmission::Admitted,
            Err(reason) => EndpointAdmission::Barred(Arc::clone(reason)),
        };
        let endpoint = Endpoint {
            id: self.endpoint_id(&host, &of.id),
            origin: self.name.clone(),
            locality: self.place(of),
            labels: instance.metadata.clone(),
            weight: MilliWeight::from_registered(instance.weight.get()).expect("a registered weight is finite"),
            health: of.effective,
            counting: EndpointCounting::Counted,
            admission,
            freshness: self.freshness,
            priority: None,
        };
        InstanceOffer {
            endpoint,
            origin: self.id.clone(),
            instance: Arc::clone(instance),
            instance_id: of.id.clone(),
            host,
            raw_health: instance.health,
            raw_freshness: self.raw_freshness,
            held: of.held.clone(),
            address: routed.unwrap_or(RoutableAddress::Own),
        }
    }

    /// `origin/ip:port@nacosCluster`, as it is printed; put together without the detour of a formatter, which was a third of
    /// the time of gathering.
    fn endpoint_id(&self, host: &Host, id: &InstanceId) -> Arc<str> {
        let (origin, port) = (self.id.as_str(), id.port.to_string());
        let (before, behind) = if host.takes_brackets() { ("/[", "]:") } else { ("/", ":") };
        [origin, before, host.text(), behind, &port, "@", &id.nacos_cluster].concat().into()
    }

    /// What the registrant says; a part it does not name is the origin's as long as the parts above it are the origin's.
    fn place(&self, of: &FederatedInstance) -> Locality {
        let said = |key: &str| of.instance.metadata.get(key).and_then(told_text);
        let nacos_cluster = || match self.rules.zone_from {
            ZoneSource::Metadata => None,
            ZoneSource::NacosCluster if &*of.id.nacos_cluster == DEFAULT_NACOS_CLUSTER => None,
            ZoneSource::NacosCluster => told_name(&of.id.nacos_cluster),
        };
        let origin = &self.locality;
        let region = said(&self.rules.region_key).or_else(|| origin.region.clone());
        let same_region = region == origin.region;
        let inherited = |part: &Option<Arc<str>>, alike: bool| part.clone().filter(|_| alike);
        let zone = said(&self.rules.zone_key).or_else(nacos_cluster).or_else(|| inherited(&origin.zone, same_region));
        let same_zone = same_region && zone == origin.zone;
        let sub_zone = said(&self.rules.sub_zone_key).or_else(|| inherited(&origin.sub_zone, same_zone));
        Locality { region, zone, sub_zone, network: origin.network.clone() }
    }

    /// How the caller reaches the instance, or why it does not.
    fn address(&self, of: &FederatedInstance) -> Result<RoutableAddress, Arc<str>> {
        let Route::Advertised { key, by_cluster, barrier } = &self.route else { return Ok(RoutableAddress::Own) };
        let by_instance = of.instance.metadata.get(key).and_then(told_text);
        let (text, by) = match (by_instance, by_cluster) {
            (Some(text), _) => (text, AdvertisedBy::Instance),
            (None, Some(text)) => (Arc::clone(text), AdvertisedBy::Cluster),
            (None, None) => return Err(Arc::clone(barrier)),
        };
        match text.parse::<AdvertisedAddress>() {
            Ok(AdvertisedAddress { host, port }) => {
                Ok(RoutableAddress::Advertised { host, port: port.unwrap_or(of.id.port), by })
            }
            Err(error) => Err(format!("the address advertised for the caller's network is wrong: {error}").into()),
        }
    }
}

/// The address if it can be called, or why not.
fn callable(address: RoutableAddress, own: &Host, own_port: u16) -> Result<RoutableAddress, Arc<str>> {
    let (host, port) = match &address {
        RoutableAddress::Own => (own, own_port),
        RoutableAddress::Advertised { host, port, .. } => (host, *port),
    };
    match (host.is_empty(), port) {
        (true, _) => Err(NO_HOST.into()),
        (false, 0) => Err(NO_PORT.into()),
        (false, _) => Ok(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ServiceKey;
    use crate::instance::{Metadata, Weight};
    use crate::routing::NetworkReach;
    use crate::service::{FactSource, Revision};
    use crate::time::Mono;

    fn locality(text: &str, network: &str) -> Locality {
        let mut parts = text.split('/').map(|part| Some(part.into()).filter(|part: &Arc<str>| !part.is_empty()));
        let mut part = || parts.next().flatten();
        let (region, zone, sub_zone) = (part(), part(), part());
        Locality { region, zone, sub_zone, network: Some(network.into()).filter(|_| !network.is_empty()) }
    }

    fn cluster(id: &str, locality: Locality, advertise: &[(&str, &str)]) -> ClusterStatus {
        ClusterStatus {
            id: id.parse().unwrap(),
            locality,
            advertise: advertise.iter().map(|(network, text)| ((*network).into(), (*text).into())).collect(),
            local: false,
            freshness: Freshness::Live,
            effective: Freshness::Stale,
            reason: crate::reason::FreshnessCode::Beating.into(),
            freshness_revision: Revision(1),
            age: None,
            as_of: Mono(0),
            last_beat: None,
            services: 1,
            instances: 1,
            configs: 0,
            signing_key: None,
        }
    }

    fn instance(id: InstanceId, metadata: &[(&str, &str)]) -> FederatedInstance {
        let metadata: Metadata = metadata.iter().copied().collect();
        let weight = Weight::try_from(0.5).unwrap();
        let instance = Instance { weight, health: Health::Healthy, enabled: true, ephemeral: true, metadata };
        FederatedInstance { id, instance: Arc::new(instance), effective: Health::Unhealthy, held: None }
    }

    fn service(instances: Vec<FederatedInstance>) -> FederatedService {
        let of = OriginInstances { origin: "a".parse().unwrap(), source: FactSource::Log, instances };
        FederatedService { key: ServiceKey::new("public", "G", "s"), revision: Revision(1), origins: vec![of] }
    }

    fn one(metadata: &[(&str, &str)], origin: ClusterStatus, network: Option<&str>) -> InstanceOffer {
        let service = service(vec![instance(InstanceId::new("10.0.0.1", 80, "DEFAULT"), metadata)]);
        gather(&service, &[origin], network, Reachability::ONLY_ITSELF, &PlaceRules::default()).remove(0)
    }

    fn barrier(offer: &InstanceOffer) -> &str {
        match &offer.endpoint.admission {
            EndpointAdmission::Barred(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_offer_has_the_effective_words_and_keeps_the_raw_ones() {
        let offer = one(&[("k", "v")], cluster("a", locality("r1/z1", "n1"), &[]), Some("n1"));
        assert_eq!(&*offer.endpoint.id, "a/10.0.0.1:80@DEFAULT");
        assert_eq!((offer.raw_health, offer.endpoint.health), (Health::Healthy, Health::Unhealthy));
        assert_eq!((offer.raw_freshness, offer.endpoint.freshness), (Freshness::Live, Freshness::Stale));
        assert_eq!((offer.endpoint.weight.thousandths(), offer.endpoint.labels.get("k")), (500, Some("v")));
        assert_eq!(
            (offer.endpoint.admission.clone(), offer.address.clone()),
            (EndpointAdmission::Admitted, RoutableAddress::Own)
        );
        assert_eq!(offer.reached_at(), (&Host::from("10.0.0.1"), 80));
    }

    #[test]
    fn an_unnamed_part_is_the_origins_as_long_as_the_parts_above_are() {
        let origin = || cluster("a", locality("r1/z1/s1", "n1"), &[]);
        for (metadata, want) in [
            (&[][..], "r1/z1/s1"),
            (&[("region", "")], "r1/z1/s1"),
            (&[("region", "r1")], "r1/z1/s1"),
            (&[("region", "r2")], "r2"),
            (&[("zone", "z1")], "r1/z1/s1"),
            (&[("region", " r1 "), ("zone", "z1\n")], "r1/z1/s1"),
            (&[("region", "  "), ("zone", " z2")], "r1/z2"),
            (&[("zone", "z2")], "r1/z2"),
            (&[("sub_zone", "s2")], "r1/z1/s2"),
            (&[("region", "r2"), ("zone", "z1")], "r2/z1"),
            (&[("region", "r2"), ("sub_zone", "s1")], "r2//s1"),
        ] {
            let offer = one(metadata, origin(), None);
            assert_eq!(offer.endpoint.locality, locality(want, "n1"), "{metadata:?}");
        }
    }

    #[test]
    fn the_nacos_cluster_is_the_zone_if_rules_say_so_and_metadata_does_not() {
        let rules = PlaceRules { zone_from: ZoneSource::NacosCluster, region_key: "r".into(), ..PlaceRules::default() };
        let named = |name: &str, metadata: &[(&str, &str)]| instance(InstanceId::new("10.0.0.1", 80, name), metadata);
        for (instance, want) in [
            (named("DEFAULT", &[]), "r1/z1/s1"),
            (named("z7", &[]), "r1/z7"),
            (named("z1", &[]), "r1/z1/s1"),
            (named(" z1 ", &[]), "r1/z1/s1"),
            (named(" ", &[]), "r1/z1/s1"),
            (named("z7", &[("zone", "z2")]), "r1/z2"),
            (named("z7", &[("r", "r2")]), "r2/z7"),
        ] {
            let clusters = [cluster("a", locality("r1/z1/s1", ""), &[])];
            let offers = gather(&service(vec![instance]), &clusters, None, Reachability::ONLY_ITSELF, &rules);
            assert_eq!(offers[0].endpoint.locality.to_string(), want);
        }
    }

    #[test]
    fn an_instance_of_another_network_is_offered_by_the_address_that_is_advertised_for_the_callers() {
        let key = "nacos-fed.advertise.n2";
        let advertised = |host: &str, port, by| RoutableAddress::Advertised { host: host.into(), port, by };
        for (metadata, cluster_says, want) in [
            (&[][..], &[("n2", "edge.example:443")][..], advertised("edge.example", 443, AdvertisedBy::Cluster)),
            (&[], &[("n2", "192.0.2.1")], advertised("192.0.2.1", 80, AdvertisedBy::Cluster)),
            (&[(key, "192.0.2.9:81")], &[], advertised("192.0.2.9", 81, AdvertisedBy::Instance)),
            (&[(key, " 192.0.2.9:81 ")], &[], advertised("192.0.2.9", 81, AdvertisedBy::Instance)),
            (&[(key, "[::1]:81")], &[("n2", "192.0.2.1")], advertised("::1", 81, AdvertisedBy::Instance)),
            (&[(key, "")], &[("n2", "192.0.2.1")], advertised("192.0.2.1", 80, AdvertisedBy::Cluster)),
        ] {
            let offer = one(metadata, cluster("a", locality("r1", "n1"), cluster_says), Some("n2"));
            assert_eq!((offer.address, offer.endpoint.admission), (want, EndpointAdmission::Admitted), "{metadata:?}");
        }
    }

    fn offers_of(ids: &[(&str, u16)], health: impl Fn(&str) -> Health) -> Vec<InstanceOffer> {
        let one = |(ip, port): &(&str, u16)| {
            let mut of = instance(InstanceId::new(ip, *port, "DEFAULT"), &[]);
            of.instance = Arc::new(Instance { health: health(ip), ..(*of.instance).clone() });
            of
        };
        let mut instances: Vec<_> = ids.iter().map(one).collect();
        instances.sort_by(|a, b| a.id.cmp(&b.id));
        let clusters = [cluster("a", locality("r1", "n1"), &[("n2", "192.0.2.1:443")])];
        gather(&service(instances), &clusters, None, Reachability::ONLY_ITSELF, &PlaceRules::default())
    }

    #[test]
    fn an_ipv6_address_is_offered_in_one_spelling_and_with_brackets_only_in_its_id() {
        for spelt in ["2001:db8::1", "[2001:db8::1]", "2001:0DB8:0:0:0:0:0:1"] {
            let offers = offers_of(&[(spelt, 8080)], |_| Health::Healthy);
            assert_eq!(&*offers[0].endpoint.id, "a/[2001:db8::1]:8080@DEFAULT", "{spelt}");
            assert_eq!(offers[0].reached_at(), (&Host::from("2001:db8::1"), 8080), "{spelt}");
            assert_eq!(offers[0].registered_address().to_string(), "[2001:db8::1]:8080", "{spelt}");
            assert_eq!(&*offers[0].instance_id.ip, spelt, "the key is what was registered");
        }
    }

    #[test]
    fn one_address_in_several_spellings_is_planned_once_by_the_best_of_them() {
        let spellings = [("2001:db8::1", 80), ("[2001:db8::1]", 80), ("2001:DB8::1", 80), ("2001:db8::1", 81)];
        let offers = offers_of(&spellings, |ip| if ip.starts_with('[') { Health::Healthy } else { Health::Unhealthy });
        let ids: std::collections::BTreeSet<_> = offers.iter().map(|offer| &offer.endpoint.id).collect();
        assert_eq!(ids.len(), 4, "{ids:?}");
        let admitted = |offer: &&InstanceOffer| offer.endpoint.admission == EndpointAdmission::Admitted;
        let planned: Vec<_> =
            offers.iter().filter(admitted).map(|of| (&*of.instance_id.ip, of.instance_id.port)).collect();
        assert_eq!(planned, [("2001:db8::1", 81), ("[2001:db8::1]", 80)]);
        let barred = offers.iter().find(|offer| *offer.instance_id.ip == *"2001:DB8::1").unwrap();
        assert_eq!(&*barred.endpoint.id, "a/[2001:db8::1]:80@DEFAULT as 2001:DB8::1");
        assert_eq!(barrier(barred), "another spelling of [2001:db8::1]:80, which is registered too");
        let alike = offers_of(&spellings, |_| Health::Healthy);
        assert_eq!(alike.iter().filter(admitted).count(), 2, "equals are decided, too");
    }

    #[test]
    fn port_0_and_a_blank_address_are_not_planned_unless_another_address_is_advertised() {
        let offers = offers_of(&[("10.0.0.1", 0), (" ", 80), ("10.0.0.1", 80)], |_| Health::Healthy);
        assert_eq!(barrier(&offers[0]), NO_HOST);
        assert_eq!((&*offers[1].endpoint.id, barrier(&offers[1])), ("a/10.0.0.1:0@DEFAULT", NO_PORT));
        assert_eq!(offers[2].endpoint.admission, EndpointAdmission::Admitted);

        let advertised = |text| {
            let service = service(vec![instance(InstanceId::new("10.0.0.1", 0, "DEFAULT"), &[])]);
            let clusters = [cluster("a", locality("r1", "n1"), &[("n2", text)])];
            let rules = PlaceRules::default();
            gather(&service, &clusters, Some("n2"), Reachability::ONLY_ITSELF, &rules).remove(0).endpoint.admission
        };
        assert_eq!(advertised("192.0.2.1:443"), EndpointAdmission::Admitted);
        assert_eq!(advertised("192.0.2.1"), EndpointAdmission::Barred(NO_PORT.into()));
    }

    #[test]
    fn an_instance_that_cannot_be_reached_says_why() {
        let origin = |advertise: &[(&str, &str)]| cluster("a", locality("r1", "n1"), advertise);
        let offer = one(&[], origin(&[("n3", "192.0.2.1")]), Some("n2"));
        assert_eq!(barrier(&offer), "network n1 is not reachable from n2, and no address is advertised for it");
        let offer = one(&[("nacos-fed.advertise.n2", "a:b")], origin(&[("n2", "192.0.2.1")]), Some("n2"));
        assert!(barrier(&offer).contains("\"a:b\" is not an address"), "{}", barrier(&offer));
    }

    #[test]
    fn a_network_that_is_reached_or_unknown_needs_no_other_address() {
        let service = service(vec![instance(InstanceId::new("10.0.0.1", 80, "DEFAULT"), &[])]);
        let reach = Reachability::new(vec![NetworkReach { from: "n2".into(), to: vec!["n1".into()] }]);
        for (own, caller, reach) in
            [("n1", Some("n2"), &reach), ("", Some("n2"), Reachability::ONLY_ITSELF), ("n1", None, &reach)]
        {
            let clusters = [cluster("a", locality("r1", own), &[("n2", "192.0.2.1")])];
            let offers = gather(&service, &clusters, caller, reach, &PlaceRules::default());
            assert_eq!(
                (&offers[0].address, &offers[0].endpoint.admission),
                (&RoutableAddress::Own, &EndpointAdmission::Admitted)
            );
        }
    }

    #[test]
    fn an_origin_without_a_status_is_stale_and_nowhere() {
        let service = service(vec![instance(InstanceId::new("10.0.0.1", 80, "DEFAULT"), &[("zone", "z1")])]);
        let offers = gather(&service, &[], Some("n1"), Reachability::ONLY_ITSELF, &PlaceRules::default());
        assert_eq!((offers[0].raw_freshness, offers[0].endpoint.freshness), (Freshness::Stale, Freshness::Stale));
        assert_eq!((offers.len(), offers[0].endpoint.locality.to_string().as_str()), (1, "/z1"));
    }

    #[test]
    fn a_disabled_instance_is_disabled_wherever_it_is() {
        let mut disabled = instance(InstanceId::new("10.0.0.1", 80, "DEFAULT"), &[]);
        disabled.instance = Arc::new(Instance { enabled: false, ..(*disabled.instance).clone() });
        let clusters = [cluster("a", locality("r1", "n1"), &[])];
        let rules = PlaceRules::default();
        let offers = gather(&service(vec![disabled]), &clusters, Some("n2"), Reachability::ONLY_ITSELF, &rules);
        assert_eq!(offers[0].endpoint.admission, EndpointAdmission::Disabled);
    }
}
