//! How what a client names is called in the federation.

use federation_core::id::ServiceKey;

/// Names of local services and namespaces. Implemented by whoever watches the local Nacos: what a namespace is called may depend on what
/// Nacos shows. Never waits.
pub trait ServiceNames: Send + Sync {
    /// The federated key of a service by its local name; `None` if it is not exported, and so not in the view.
    fn federated(&self, local: &ServiceKey) -> Option<ServiceKey>;

    /// The federated name of a local namespace.
    fn namespace(&self, local: &str) -> String;
}
