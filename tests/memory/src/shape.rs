//! What is registered: services of five instances, each with a 15-byte address and five pairs of 20 + 20 bytes of metadata, of which three
//! are the same everywhere. A version, which changes with each change of an instance, stands in one of the other two.

use std::collections::BTreeMap;
use std::sync::Arc;

use federation_core::id::{InstanceId, ServiceKey};
use federation_core::instance::{Health, Instance, Weight};
use federation_core::log::key::DataKey;

/// Instances of each service.
pub const INSTANCES: u64 = 5;
/// Where everything is registered.
pub const NAMESPACE: &str = "public";
/// As [`NAMESPACE`].
pub const GROUP: &str = "DEFAULT_GROUP";
/// The pair of metadata that has the version.
pub const VERSION: &str = "bench.version.000000";
const NACOS_CLUSTER: &str = "DEFAULT";
const REPEATED: [(&str, &str); 3] = [
    ("bench.region.0000000", "shanghai-pudong-0001"),
    ("bench.protocol.00000", "grpc+http2-with-mtls"),
    ("bench.owner.00000000", "team-of-the-checkout"),
];

/// Name of a service.
pub fn service_name(service: u64) -> String {
    format!("shop.orders.service-{service:06}")
}

/// Address of an instance: 15 bytes, another one for each of a hundred million.
pub fn address(instance: u64) -> String {
    let part = |divisor: u64| 100 + instance / divisor % 100;
    format!("{}.{}.{}.{}", part(1_000_000), part(10_000), part(100), part(1))
}

/// Pairs of metadata of an instance.
pub fn pairs(instance: u64, version: u64) -> BTreeMap<String, String> {
    let own =
        [("bench.instance.00000", format!("instance-{instance:011}")), (VERSION, format!("version-{version:012}"))];
    let repeated = REPEATED.map(|(key, value)| (key, value.to_owned()));
    repeated.into_iter().chain(own).map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The version that metadata tell.
pub fn version_of(value: &str) -> Option<u64> {
    value.strip_prefix("version-")?.parse().ok()
}

/// Key of an instance in the log.
pub fn key(instance: u64) -> DataKey {
    let service = ServiceKey::new(NAMESPACE, GROUP, &service_name(instance / INSTANCES));
    DataKey::Instance(service, InstanceId::new(&address(instance), 8080, NACOS_CLUSTER))
}

/// Value of an instance in the log.
pub fn value(instance: u64, version: u64) -> Arc<Instance> {
    Arc::new(Instance {
        weight: Weight::DEFAULT,
        health: Health::Healthy,
        enabled: true,
        ephemeral: true,
        metadata: pairs(instance, version).into_iter().collect(),
    })
}
