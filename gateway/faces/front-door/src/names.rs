//! How what a client names is called in the federation.

use federation_core::id::ServiceKey;
use nacos_protocol::names::{NamePart, checked};
use nacos_protocol::server::{RegistryRefusal, ServiceName};

/// Longest list of Nacos clusters that may be asked for, in bytes: some 250 of the longest names.
const CLUSTERS_MAX_BYTES: usize = 16 << 10;

/// Names of local services and namespaces. Implemented by whoever watches the local Nacos: what a namespace is called may depend on what
/// Nacos shows. Never waits.
pub trait ServiceNames: Send + Sync {
    /// The federated key of a service by its local name; `None` if it is not exported, and so not in the view.
    fn federated(&self, local: &ServiceKey) -> Option<ServiceKey>;

    /// Whether all services of a local group are exported, whatever they are called.
    fn are_all_exported(&self, namespace: &str, group: &str) -> bool;

    /// The federated name of a local namespace.
    fn namespace(&self, local: &str) -> String;
}

/// Checks what is looked up, as Nacos does before it looks; names of what is passed on are checked by the local Nacos.
///
/// # Errors
/// A part is too long or has characters that Nacos does not take there, in its words.
pub(crate) fn check_lookup(service: &ServiceName, clusters: &str) -> Result<(), RegistryRefusal> {
    if clusters.len() > CLUSTERS_MAX_BYTES {
        return Err(RegistryRefusal::bad_parameter(format!("clusters may have {CLUSTERS_MAX_BYTES} bytes")));
    }
    let parts = [
        (NamePart::Namespace, &service.namespace),
        (NamePart::Service, &service.service),
        (NamePart::Group, &service.group),
    ];
    let illegal = parts.into_iter().find_map(|(part, text)| checked(part, text).err());
    illegal.map_or(Ok(()), |illegal| Err(RegistryRefusal::bad_parameter(format!("Param check invalid:{illegal}"))))
}
