//! What is registered: services of five instances, each with a 15-byte address and five pairs of 20 + 20 bytes of metadata, of which three
//! are the same everywhere. A version, which changes with each change of an instance, stands in one of the other two.

use std::collections::BTreeMap;
use std::sync::Arc;

use federation_core::id::{InstanceId, ServiceKey};
use federation_core::instance::{Health, Instance, Weight};
use federation_core::log::key::DataKey;
use nacos_protocol::message::naming::NacosInstance;

/// Instances of each service.
pub(crate) const INSTANCES: u64 = 5;
/// Where everything is registered.
pub(crate) const NAMESPACE: &str = "public";
/// As [`NAMESPACE`].
pub(crate) const GROUP: &str = "DEFAULT_GROUP";
/// The pair of metadata that has the version.
pub(crate) const VERSION: &str = "bench.version.000000";
const NACOS_CLUSTER: &str = "DEFAULT";
const REPEATED: [(&str, &str); 3] = [
    ("bench.region.0000000", "shanghai-pudong-0001"),
    ("bench.protocol.00000", "grpc+http2-with-mtls"),
    ("bench.owner.00000000", "team-of-the-checkout"),
];

/// Name of a service.
pub(crate) fn service_name(service: u64) -> String {
    format!("shop.orders.service-{service:06}")
}

/// Address of an instance: 15 bytes, another one for each of a hundred million.
fn address(instance: u64) -> String {
    let part = |divisor: u64| 100 + instance / divisor % 100;
    format!("{}.{}.{}.{}", part(1_000_000), part(10_000), part(100), part(1))
}

/// Pairs of metadata of an instance.
fn pairs(instance: u64, version: u64) -> BTreeMap<String, String> {
    let own =
        [("bench.instance.00000", format!("instance-{instance:011}")), (VERSION, format!("version-{version:012}"))];
    let repeated = REPEATED.map(|(key, value)| (key, value.to_owned()));
    repeated.into_iter().chain(own).map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The version that metadata tell.
pub(crate) fn version_of(value: &str) -> Option<u64> {
    value.strip_prefix("version-")?.parse().ok()
}

/// Key of an instance in the log.
pub(crate) fn key(instance: u64) -> DataKey {
    let service = ServiceKey::new(NAMESPACE, GROUP, &service_name(instance / INSTANCES));
    DataKey::Instance(service, InstanceId::new(&address(instance), 8080, NACOS_CLUSTER))
}

/// Value of an instance in the log.
pub(crate) fn value(instance: u64, version: u64) -> Arc<Instance> {
    Arc::new(Instance {
        weight: Weight::DEFAULT,
        health: Health::Healthy,
        enabled: true,
        ephemeral: true,
        metadata: pairs(instance, version).into_iter().collect(),
    })
}

/// An instance as a client registers it.
pub(crate) fn registered(instance: u64, version: u64) -> NacosInstance {
    NacosInstance { ip: address(instance), port: 8080, metadata: pairs(instance, version), ..NacosInstance::default() }
}
