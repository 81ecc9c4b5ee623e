//! Messages about services and instances.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use super::{requests, responses, tolerant};
use crate::reading::OfferedValue;

/// Text between group and service in a grouped name; not allowed inside either.
pub const GROUP_SEPARATOR: &str = "@@";

/// `type` of requests about instances.
pub mod instance_operation {
    /// Register one; it replaces what this connection had registered for the service.
    pub const REGISTER: &str = "registerInstance";
    /// Deregister all that this connection has for the service.
    pub const DEREGISTER: &str = "deregisterInstance";
    /// Register a whole set; it replaces what this connection had registered for the service.
    pub const BATCH_REGISTER: &str = "batchRegisterInstance";
}

requests! { "naming"
    /// Registers or deregisters one ephemeral instance. One slot per connection and service: a second registration replaces the first.
    InstanceRequest -> InstanceResponse {
        /// Namespace id; `""` and `public` are two namespaces here.
        namespace: String,
        /// Service, without its group.
        service_name: String,
        /// Group.
        group_name: String,
        /// One of [`instance_operation`].
        #[serde(rename = "type")]
        operation: String,
        /// The instance.
        #[serde(skip_serializing_if = "OfferedValue::is_none")]
        instance: OfferedValue<NacosInstance>,
    }

    /// As [`InstanceRequest`], for instances that outlive the connection (2.3 on).
    PersistentInstanceRequest -> InstanceResponse {
        /// Namespace id.
        namespace: String,
        /// Service, without its group.
        service_name: String,
        /// Group.
        group_name: String,
        /// One of [`instance_operation`].
        #[serde(rename = "type")]
        operation: String,
        /// The instance.
        #[serde(skip_serializing_if = "OfferedValue::is_none")]
        instance: OfferedValue<NacosInstance>,
    }

    /// Registers the whole set of this connection for one service.
    BatchInstanceRequest -> BatchInstanceResponse {
        /// Namespace id.
        namespace: String,
        /// Service, without its group.
        service_name: String,
        /// Group.
        group_name: String,
        /// [`instance_operation::BATCH_REGISTER`].
        #[serde(rename = "type")]
        operation: String,
        /// The set.
        #[serde(skip_serializing_if = "OfferedValue::is_none")]
        instances: OfferedValue<Vec<NacosInstance>>,
    }

    /// Reads a service once.
    ServiceQueryRequest -> QueryServiceResponse {
        /// Namespace id.
        namespace: String,
        /// Service, without its group.
        service_name: String,
        /// Group.
        group_name: String,
        /// Comma-separated Nacos clusters; empty is all.
        cluster: String,
        /// Leave out unhealthy instances.
        healthy_only: bool,
        /// 0 over gRPC.
        udp_port: i32,
    }

    /// Lists service names of one exact group.
    ServiceListRequest -> ServiceListResponse {
        /// Namespace id.
        namespace: String,
        /// Unused.
        service_name: String,
        /// Group.
        group_name: String,
        /// From 1.
        page_no: i32,
        /// At least 1.
        page_size: i32,
    }

    /// Subscribes to a service, or ends that. One subscription per connection and service: another `clusters` replaces the first.
    SubscribeServiceRequest -> SubscribeServiceResponse {
        /// Namespace id.
        namespace: String,
        /// Service, without its group.
        service_name: String,
        /// Group.
        group_name: String,
        /// True to subscribe, false to end it.
        subscribe: bool,
        /// Comma-separated Nacos clusters; empty is all.
        clusters: String,
    }

    /// Server to client: a service as it is now, whole.
    NotifySubscriberRequest -> NotifySubscriberResponse {
        /// Mostly empty.
        namespace: String,
        /// Mostly empty; see the service itself.
        service_name: String,
        /// Mostly empty; see the service itself.
        group_name: String,
        /// The service.
        #[serde(skip_serializing_if = "Option::is_none")]
        service_info: Option<ServiceInfo>,
    }

    /// Watches which services exist, by pattern (3.0 on).
    NamingFuzzyWatchRequest -> NamingFuzzyWatchResponse {
        /// Namespace id, exact.
        namespace: String,
        /// `namespace>>group pattern>>service pattern`.
        group_key_pattern: String,
        /// What the client already knows, as `namespace@@group@@service`.
        received_group_keys: Vec<String>,
        /// One of [`super::naming::watch_type`].
        watch_type: String,
        /// The client has not seen the end of the initial state yet.
        initializing: bool,
    }

    /// Server to client: a batch of the state of a fuzzy watch.
    NamingFuzzyWatchSyncRequest -> NamingFuzzyWatchSyncResponse {
        /// One of [`super::naming::sync_type`].
        sync_type: String,
        /// The pattern this belongs to.
        group_key_pattern: String,
        /// The services; absent in a "finished" notice.
        contexts: Vec<FuzzyService>,
        /// Number of batches.
        total_batch: i32,
        /// Number of this batch, from 1.
        current_batch: i32,
    }

    /// Server to client: a service began or ceased to exist.
    NamingFuzzyWatchChangeNotifyRequest -> NamingFuzzyWatchChangeNotifyResponse {
        /// `namespace@@group@@service`.
        service_key: String,
        /// One of [`super::naming::changed_type`].
        changed_type: String,
        /// One of [`super::naming::sync_type`].
        sync_type: String,
    }
}

responses! {
    /// Answers [`InstanceRequest`] and [`PersistentInstanceRequest`].
    InstanceResponse {
        /// The operation that was asked for; left out of a failure.
        #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
        operation: String,
    }

    /// Answers [`BatchInstanceRequest`].
    BatchInstanceResponse {
        /// The operation that was asked for; left out of a failure.
        #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
        operation: String,
    }

    /// Answers [`ServiceQueryRequest`].
    QueryServiceResponse {
        /// The service; absent on failure.
        #[serde(skip_serializing_if = "Option::is_none")]
        service_info: Option<ServiceInfo>,
    }

    /// Answers [`ServiceListRequest`].
    ServiceListResponse {
        /// Services of the group, over all pages.
        count: i32,
        /// This page.
        service_names: Vec<String>,
    }

    /// Answers [`SubscribeServiceRequest`].
    SubscribeServiceResponse {
        /// The service; absent on failure and on the end of a subscription.
        #[serde(skip_serializing_if = "Option::is_none")]
        service_info: Option<ServiceInfo>,
    }

    /// Answers [`NotifySubscriberRequest`].
    NotifySubscriberResponse {}

    /// Answers [`NamingFuzzyWatchRequest`]; may fail with 50310 or 50311.
    NamingFuzzyWatchResponse {}

    /// Answers [`NamingFuzzyWatchSyncRequest`].
    NamingFuzzyWatchSyncResponse {}

    /// Answers [`NamingFuzzyWatchChangeNotifyRequest`].
    NamingFuzzyWatchChangeNotifyResponse {}
}

/// Values of `watchType`.
pub mod watch_type {
    /// Start or renew.
    pub const WATCH: &str = "WATCH";
    /// End.
    pub const CANCEL: &str = "CANCEL_WATCH";
}

/// Values of `syncType`.
pub mod sync_type {
    /// A batch of the initial state.
    pub const INIT: &str = "FUZZY_WATCH_INIT_NOTIFY";
    /// The initial state is complete.
    pub const INIT_FINISHED: &str = "FINISH_FUZZY_WATCH_INIT_NOTIFY";
    /// A batch of what the client's `receivedGroupKeys` got wrong.
    pub const DIFF: &str = "FUZZY_WATCH_DIFF_SYNC_NOTIFY";
    /// One change.
    pub const CHANGED: &str = "FUZZY_WATCH_RESOURCE_CHANGED";
}

/// Values of `changedType`.
pub mod changed_type {
    /// The service has its first publisher.
    pub const ADDED: &str = "ADD_SERVICE";
    /// The service has no publisher any more.
    pub const DELETED: &str = "DELETE_SERVICE";
}

/// One service in a batch of a fuzzy watch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FuzzyService {
    /// `namespace@@group@@service`.
    #[serde(deserialize_with = "tolerant::read")]
    pub service_key: String,
    /// One of [`changed_type`].
    #[serde(deserialize_with = "tolerant::read")]
    pub changed_type: String,
}

/// A service with all instances that a subscriber may see: enabled ones, healthy or not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceInfo {
    /// Service; with its group in front (`group@@service`) from older servers over HTTP.
    #[serde(deserialize_with = "tolerant::read")]
    pub name: String,
    /// Group.
    #[serde(deserialize_with = "tolerant::read")]
    pub group_name: String,
    /// The clusters that were asked for, comma-separated.
    #[serde(deserialize_with = "tolerant::read")]
    pub clusters: String,
    /// How long a client may keep this without asking, in ms.
    #[serde(deserialize_with = "tolerant::read")]
    pub cache_millis: i64,
    /// The instances.
    #[serde(deserialize_with = "tolerant::read")]
    pub hosts: Vec<NacosInstance>,
    /// Wall clock of the server when this was built, in ms.
    #[serde(deserialize_with = "tolerant::read")]
    pub last_ref_time: i64,
    /// Empty in practice.
    #[serde(deserialize_with = "tolerant::read")]
    pub checksum: String,
    /// As 2.x names it.
    #[serde(rename = "allIPs", deserialize_with = "tolerant::read")]
    pub all_ips: bool,
    /// As 3.x names it.
    #[serde(rename = "allIps", deserialize_with = "tolerant::read")]
    pub all_ips_v3: bool,
    /// So few instances are healthy that the server calls all of them healthy: `healthy` is false data here.
    #[serde(deserialize_with = "tolerant::read")]
    pub reach_protection_threshold: bool,
}

impl tolerant::Tolerant for ServiceInfo {
    fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<Self>::deserialize(deserializer)?.unwrap_or_default())
    }
}

/// One registered address. The default is what Java's is: weight 1, healthy, enabled, ephemeral.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NacosInstance {
    /// `ip#port#cluster#group@@service` by default; left out where it is not known.
    #[serde(deserialize_with = "tolerant::read", skip_serializing_if = "String::is_empty")]
    pub instance_id: String,
    /// IP address or host name.
    #[serde(deserialize_with = "tolerant::read")]
    pub ip: String,
    /// 0 to 65535 from a server that checks.
    #[serde(deserialize_with = "tolerant::read")]
    pub port: i32,
    /// 0 to 10000 from a server that checks; always finite.
    #[serde(deserialize_with = "tolerant::weight", serialize_with = "write_weight")]
    pub weight: f64,
    /// As the server judges; see [`ServiceInfo::reach_protection_threshold`].
    #[serde(deserialize_with = "tolerant::true_unless_said")]
    pub healthy: bool,
    /// Subscribers see enabled instances only.
    #[serde(deserialize_with = "tolerant::true_unless_said")]
    pub enabled: bool,
    /// Gone with its connection.
    #[serde(deserialize_with = "tolerant::true_unless_said")]
    pub ephemeral: bool,
    /// Nacos cluster; `DEFAULT` where none was said.
    #[serde(deserialize_with = "tolerant::read")]
    pub cluster_name: String,
    /// `group@@service`.
    #[serde(deserialize_with = "tolerant::read")]
    pub service_name: String,
    /// Free text by key, at most 1,024 characters in all by default.
    #[serde(deserialize_with = "tolerant::read")]
    pub metadata: BTreeMap<String, String>,
}

impl Default for NacosInstance {
    fn default() -> Self {
        Self {
            instance_id: String::new(),
            ip: String::new(),
            port: 0,
            weight: 1.0,
            healthy: true,
            enabled: true,
            ephemeral: true,
            cluster_name: String::new(),
            service_name: String::new(),
            metadata: BTreeMap::new(),
        }
    }
}

impl tolerant::Tolerant for NacosInstance {
    fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<Self>::deserialize(deserializer)?.unwrap_or_default())
    }
}

/// JSON has no word for what is not finite, and null breaks readers.
fn write_weight<S: Serializer>(weight: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(if weight.is_finite() { *weight } else { 0.0 })
}
