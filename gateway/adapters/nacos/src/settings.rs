//! What the adapter has to be told.

use std::time::Duration;

use federation_core::namespaces::Namespaces;
use federation_core::pattern::NameSelection;
use nacos_protocol::client::ConfigName;
use nacos_protocol::cluster::ClusterOptions;

/// Settings of the adapter.
#[derive(Clone, Debug)]
pub struct NacosSettings {
    /// How to reach the registry.
    pub cluster: ClusterOptions,
    /// What is exported, over local namespace ids.
    pub export: NameSelection,
    /// Federated names of local namespaces.
    pub namespaces: Namespaces,
    /// The config item that the gateway itself lives by, its namespace a local id; none where it has none.
    pub own_item: Option<ConfigName>,
    /// How often namespaces are listed.
    pub namespace_poll: Duration,
    /// How often services and config items are listed.
    pub service_poll: Duration,
    /// A rule that names something may match nothing for this long before that is a trouble.
    pub unmatched_after: Duration,
}
