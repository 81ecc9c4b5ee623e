//! A federation on paper: three clusters and any number of services, the same for the same seed.
//!
//! Output: clusters, services as the engine would put them into the view, and the callers that ask.

use std::collections::BTreeMap;
use std::sync::Arc;

use federation_core::freshness::Freshness;
use federation_core::id::{ClusterId, InstanceId, ServiceKey};
use federation_core::instance::{Health, Instance, Metadata, Weight};
use federation_core::locality::Locality;
use federation_core::service::{
    ClusterStatus, FactSource, FederatedInstance, FederatedService, OriginInstances, Revision,
};
use federation_core::time::{Millis, Mono};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Clusters by id, each with its region. The first one is that of the gateway.
pub(crate) const CLUSTERS: [(&str, &str); 3] =
    [("frankfurt", "eu-central"), ("shanghai", "cn-east"), ("virginia", "us-east")];
const ZONES: usize = 3;
/// Instances of a service, fewest and most.
const INSTANCES: (usize, usize) = (3, 20);
/// One instance in so many is unhealthy.
const UNHEALTHY_EVERY: usize = 50;

/// Makes services. Keys and values that repeat in real registries are shared, as the gateway shares them.
pub(crate) struct Maker {
    random: StdRng,
    clusters: Vec<ClusterId>,
    keys: Vec<Arc<str>>,
    repeating: Vec<Arc<str>>,
    zones: Vec<Arc<str>>,
    made: usize,
}

impl Maker {
    /// The same services for the same seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            clusters: CLUSTERS.iter().map(|(id, _)| id.parse().expect("the ids above are legal")).collect(),
            keys: (0..4).map(|key| format!("bench.key.{key:010}").into()).collect(),
            repeating: (0..16).map(|value| format!("repeating-{value:010}").into()).collect(),
            zones: (0..ZONES).map(zone).collect(),
            made: 0,
        }
    }

    /// A service with 3 to 20 instances.
    pub(crate) fn service(&mut self) -> FederatedService {
        let instances = self.random.random_range(INSTANCES.0..=INSTANCES.1);
        self.service_of(instances)
    }

    /// A service with this many instances, spread over the clusters at random.
    pub(crate) fn service_of(&mut self, instances: usize) -> FederatedService {
        let mut of = vec![Vec::new(); self.clusters.len()];
        for number in 0..instances {
            let origin = self.random.random_range(0..of.len());
            of[origin].push(self.instance(origin, number));
        }
        let mut origins = Vec::new();
        for (origin, mut instances) in self.clusters.iter().zip(of).filter(|(_, instances)| !instances.is_empty()) {
            instances.sort_by(|a, b| a.id.cmp(&b.id));
            origins.push(OriginInstances { origin: origin.clone(), source: FactSource::Log, instances });
        }
        self.made += 1;
        FederatedService { key: key(self.made - 1), revision: Revision(1), origins }
    }

    /// Five pairs of metadata: two of this instance alone, two that repeat, and its zone.
    fn instance(&mut self, origin: usize, number: usize) -> FederatedInstance {
        let own = |pair: usize| Arc::from(format!("{:06}-{number:06}-{pair:06}", self.made));
        let mut repeating = || Arc::clone(&self.repeating[self.random.random_range(0..self.repeating.len())]);
        let values = [own(0), own(1), repeating(), repeating()];
        let zone = Arc::clone(&self.zones[self.random.random_range(0..ZONES)]);
        let pairs = self.keys.iter().cloned().zip(values).chain([("zone".into(), zone)]);
        let metadata: Metadata = pairs.collect();
        let unhealthy = self.random.random_range(0..UNHEALTHY_EVERY) == 0;
        let health = if unhealthy { Health::Unhealthy } else { Health::Healthy };
        let ip = format!(
            "10.{}{:02}.1{:02}.1{:02}",
            origin + 1,
            self.made / 10_000 % 100,
            self.made / 100 % 100,
            self.made % 100
        );
        let port = 20_000 + u16::try_from(number).unwrap_or(u16::MAX - 20_000);
        FederatedInstance {
            id: InstanceId::new(&ip, port, "DEFAULT"),
            instance: Arc::new(Instance { weight: Weight::DEFAULT, health, enabled: true, ephemeral: true, metadata }),
            effective: health,
            held: None,
        }
    }
}

/// The name of a service by its number.
pub(crate) fn key(number: usize) -> ServiceKey {
    ServiceKey::new("public", "DEFAULT_GROUP", &name(number))
}

/// The same as a name within the default namespace and group.
pub(crate) fn name(number: usize) -> String {
    format!("shop-orders-{number:06}")
}

/// The name of a zone; each region has zones of these names.
pub(crate) fn zone(number: usize) -> Arc<str> {
    format!("z{}", number % ZONES + 1).into()
}

/// Where a cluster is.
pub(crate) fn locality(cluster: usize) -> Locality {
    Locality { region: Some(CLUSTERS[cluster].1.into()), zone: Some(zone(0)), ..Locality::default() }
}

/// All clusters, live.
pub(crate) fn clusters(services: usize) -> Vec<ClusterStatus> {
    let cluster = |(number, (id, _)): (usize, &(&str, &str))| ClusterStatus {
        id: id.parse().expect("the ids above are legal"),
        locality: locality(number),
        advertise: BTreeMap::new(),
        local: number == 0,
        freshness: Freshness::Live,
        effective: Freshness::Live,
        reason: federation_core::reason::FreshnessCode::Beating.into(),
        freshness_revision: Revision(1),
        age: Some(Millis(30)),
        as_of: Mono(0),
        last_beat: None,
        services,
        instances: services * 4,
        configs: 0,
        signing_key: None,
    };
    CLUSTERS.iter().enumerate().map(cluster).collect()
}
