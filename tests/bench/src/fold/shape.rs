//! What is registered, and how a client does it.

pub(crate) use federation_memory_bench::shape::*;
use nacos_protocol::message::naming::NacosInstance;

/// An instance as a client registers it.
pub(crate) fn registered(instance: u64, version: u64) -> NacosInstance {
    NacosInstance { ip: address(instance), port: 8080, metadata: pairs(instance, version), ..NacosInstance::default() }
}
