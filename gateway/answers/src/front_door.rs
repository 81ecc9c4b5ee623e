//! `/v1/front-door`: the clients of Nacos at this gateway, and orders to send them to another.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An order to the front door; the path says which.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = FrontDoorOrder)]
pub struct OrderBody {
    /// Why, for people; at most 1,024 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who orders it, for people; at most 1,024 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// The front door as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FrontDoor)]
pub struct FrontDoorDocument {
    /// Clients are asked to connect to another gateway, and none are taken.
    pub drained: bool,
    /// Clients that are connected over gRPC.
    pub connections: u64,
    /// Those that have registered something, each with a connection to the local Nacos.
    pub registering_clients: u64,
    /// Such connections that stand; also, for some seconds, of clients that moved.
    pub upstream_connected: u64,
}
