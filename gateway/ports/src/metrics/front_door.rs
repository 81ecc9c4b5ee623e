//! What the front door counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::catalog::Catalog;
use super::label::{MetricLabel, PermissionResult, RegistrationResult};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RegistrationLabels {
    result: MetricLabel<RegistrationResult>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PermissionLabels {
    result: MetricLabel<PermissionResult>,
}

/// Of the front door.
#[derive(Clone, Debug, Default)]
pub struct FrontDoorMetrics {
    /// Connections to the local Nacos over which config items are read and listened to.
    pub config_connections: Gauge,
    /// Reads of config items that were answered from last known copies.
    pub config_copies: Counter,
    /// Clients that have registered something.
    pub registering_clients: Gauge,
    /// Connections to the local Nacos that stand, one for each of them.
    pub upstream_connected: Gauge,
    /// Registrations that were wanted and that the local Nacos refused when they were made anew.
    pub registrations_lost: Counter,
    /// Lists that somebody is told of: one for each service, place and choice of clusters, however many subscribed to it.
    pub lists: Gauge,
    /// Lists that were made, for subscribers and for single lookups; it does not grow with the number of subscribers.
    pub list_encodings: Counter,
    registrations: Family<RegistrationLabels, Counter>,
    permissions: Family<PermissionLabels, Counter>,
}

impl FrontDoorMetrics {
    pub(super) fn register(catalog: &mut Catalog) -> Self {
        let new = Self::default();
        let help = "connections to the local Nacos for config items of clients, one for each kind of client";
        catalog.gauge("federation_front_door_config_connections", "", help, &new.config_connections);
        let help = "reads of config items answered from last known copies, because the local Nacos was not reached";
        catalog.counter("federation_front_door_config_copies_total", "", help, &new.config_copies);
        let help =
            "clients of the front door that have registered something, each with a connection to the local Nacos";
        catalog.gauge("federation_front_door_registering_clients", "", help, &new.registering_clients);
        let help = "connections of registering clients to the local Nacos that stand";
        catalog.gauge("federation_front_door_upstream_connections", "", help, &new.upstream_connected);
        let help = "registrations that the local Nacos refused when they were made anew; their clients are asked to connect again";
        catalog.counter("federation_front_door_registrations_lost_total", "", help, &new.registrations_lost);
        let help = "lists that clients are told of: one for each service, place and choice of clusters, however many subscribed";
        catalog.gauge("federation_front_door_lists", "", help, &new.lists);
        let help = "lists encoded for clients, each once for all who subscribed to the same, and for lookups of what nobody subscribed to";
        catalog.counter("federation_front_door_list_encodings_total", "", help, &new.list_encodings);
        let help = "ephemeral registrations and withdrawals of clients, by what came of them";
        catalog.counter("federation_front_door_registrations_total", "result", help, &new.registrations);
        let help = "questions whether a client may read a service, by what they were answered with";
        catalog.counter("federation_front_door_permissions_total", "result", help, &new.permissions);
        for result in RegistrationResult::ALL.iter().copied() {
            let _ = new.registrations(result); // Shown as 0 from the start.
        }
        for result in PermissionResult::ALL.iter().copied() {
            let _ = new.permissions(result);
        }
        new
    }

    /// Registrations and withdrawals with this result.
    #[must_use]
    pub fn registrations(&self, result: RegistrationResult) -> Counter {
        self.registrations.get_or_create_owned(&RegistrationLabels { result: MetricLabel(result) })
    }

    /// Questions for permissions with this answer.
    #[must_use]
    pub fn permissions(&self, result: PermissionResult) -> Counter {
        self.permissions.get_or_create_owned(&PermissionLabels { result: MetricLabel(result) })
    }
}
