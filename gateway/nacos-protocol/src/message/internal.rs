//! Messages about the connection itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{requests, responses};

requests! { "internal"
    /// First call on a new connection, before the stream: is the server there, and how does it call this connection?
    ServerCheckRequest -> ServerCheckResponse {}

    /// Is this connection still registered?
    HealthCheckRequest -> HealthCheckResponse {}

    /// First message on the stream. It has no answer of its own; a [`SetupAckRequest`] follows if it carries an ability table.
    ConnectionSetupRequest -> SetupAckResponse {
        /// Product and version of the client, for example `Nacos-Java-Client:v2.3.2`.
        client_version: String,
        /// Namespace the client works in, or empty.
        tenant: String,
        /// `source=sdk`, `module=naming|config`, and the client's own.
        labels: BTreeMap<String, String>,
        /// What the client can do; old clients send none.
        #[serde(skip_serializing_if = "Option::is_none")]
        ability_table: Option<BTreeMap<String, bool>>,
    }

    /// Server to client: what the server can do. Needs no answer.
    SetupAckRequest -> SetupAckResponse {
        /// Ability keys, see [`ability`].
        ability_table: BTreeMap<String, bool>,
    }

    /// Server to client: are you alive?
    ClientDetectionRequest -> ClientDetectionResponse {}

    /// Server to client: connect again, to the named server if that is one of yours.
    ConnectResetRequest -> ConnectResetResponse {
        /// Address of the server to go to; may be empty.
        server_ip: String,
        /// Its main port as text; may be empty.
        server_port: String,
        /// The connection that is meant; may be empty.
        connection_id: String,
    }

    /// Server to client: what does the config client hold?
    ClientConfigMetricRequest -> ClientConfigMetricResponse {
        /// The metrics that are asked for.
        metrics_keys: Vec<MetricsKey>,
    }
}

responses! {
    /// Answers [`ServerCheckRequest`].
    ServerCheckResponse {
        /// `<ms>_<remote ip>_<remote port>`, bound to the TCP connection.
        connection_id: String,
        /// A [`SetupAckRequest`] will follow the set-up. Absent up to 2.2.4.
        support_ability_negotiation: bool,
    }

    /// Answers [`HealthCheckRequest`].
    HealthCheckResponse {}

    /// Answers [`SetupAckRequest`]; servers do not wait for it.
    SetupAckResponse {}

    /// Answers [`ClientDetectionRequest`].
    ClientDetectionResponse {}

    /// Answers [`ConnectResetRequest`].
    ConnectResetResponse {}

    /// Answers [`ClientConfigMetricRequest`].
    ClientConfigMetricResponse {
        /// Metric name to value, both free text.
        metrics: BTreeMap<String, String>,
    }

    /// Answers anything that could not be handled; see its `errorCode`.
    ErrorResponse {}
}

/// One metric of a config client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricsKey {
    /// Kind of metric.
    #[serde(rename = "type", deserialize_with = "super::tolerant::read")]
    pub kind: String,
    /// What it is about.
    #[serde(deserialize_with = "super::tolerant::read")]
    pub key: String,
}

/// Keys of ability tables.
pub mod ability {
    /// Server: persistent instances may be registered over gRPC (2.3 on).
    pub const PERSISTENT_INSTANCE: &str = "supportPersistentInstanceByGrpc";
    /// Both sides: fuzzy watch (3.0 on).
    pub const FUZZY_WATCH: &str = "fuzzyWatch";
    /// Both sides: distributed lock (3.0 on).
    pub const LOCK: &str = "lock";
    /// Both sides: MCP registry (3.1 on).
    pub const MCP: &str = "mcp";
}
