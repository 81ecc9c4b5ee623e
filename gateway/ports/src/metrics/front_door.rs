//! What the front door counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::catalog::Catalog;

/// Of the front door.
#[derive(Clone, Debug, Default)]
pub struct FrontDoorMetrics {
    /// Connections to the local Nacos over which config items are read and listened to.
    pub config_connections: Gauge,
    /// Reads of config items that were answered from last known copies.
    pub config_copies: Counter,
}

impl FrontDoorMetrics {
    pub(super) fn register(catalog: &mut Catalog) -> Self {
        let new = Self::default();
        let help = "connections to the local Nacos for config items of clients, one for each kind of client";
        catalog.gauge("federation_front_door_config_connections", "", help, &new.config_connections);
        let help = "reads of config items answered from last known copies, because the local Nacos was not reached";
        catalog.counter("federation_front_door_config_copies_total", "", help, &new.config_copies);
        new
    }
}
