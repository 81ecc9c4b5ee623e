//! Messages about config items.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{requests, responses, tolerant};

/// Keys of [`ConfigPublishRequest::addition_map`].
pub mod addition {
    /// Format, for example `yaml`.
    pub const TYPE: &str = "type";
    /// Application that owns the item.
    pub const APP_NAME: &str = "appName";
    /// Comma-separated labels.
    pub const CONFIG_TAGS: &str = "config_tags";
    /// Description.
    pub const DESC: &str = "desc";
    /// Belongs to the client-side encryption plugin; carried along unchanged.
    pub const ENCRYPTED_DATA_KEY: &str = "encryptedDataKey";
    /// Who wrote it.
    pub const SRC_USER: &str = "src_user";
    /// Gray variant by tag.
    pub const TAG: &str = "tag";
    /// Gray variant by client address.
    pub const BETA_IPS: &str = "betaIps";
}

requests! { "config"
    /// Compares md5s and registers (or removes) the listener for each key.
    ConfigBatchListenRequest -> ConfigChangeBatchListenResponse {
        /// True to listen, false to end it.
        listen: bool,
        /// The keys.
        config_listen_contexts: Vec<ConfigListenContext>,
    }

    /// Reads one item.
    ConfigQueryRequest -> ConfigQueryResponse {
        /// Data id.
        data_id: String,
        /// Group.
        group: String,
        /// Namespace id; `""` and `public` are the same.
        tenant: String,
        /// Gray variant by tag; normally absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        tag: Option<String>,
    }

    /// Writes one item.
    ConfigPublishRequest -> ConfigPublishResponse {
        /// Data id.
        data_id: String,
        /// Group.
        group: String,
        /// Namespace id.
        tenant: String,
        /// Content.
        content: String,
        /// Write only if the item still has this md5; absent writes always.
        #[serde(skip_serializing_if = "Option::is_none")]
        cas_md5: Option<String>,
        /// Keys: [`addition`].
        addition_map: BTreeMap<String, String>,
    }

    /// Removes one item.
    ConfigRemoveRequest -> ConfigRemoveResponse {
        /// Data id.
        data_id: String,
        /// Group.
        group: String,
        /// Namespace id.
        tenant: String,
        /// Gray variant by tag; normally absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        tag: Option<String>,
    }

    /// Server to client: this item changed; ask for it.
    ConfigChangeNotifyRequest -> ConfigChangeNotifyResponse {
        /// Data id.
        data_id: String,
        /// Group.
        group: String,
        /// Namespace id as the client wrote it.
        tenant: String,
    }

    /// Watches which items exist, by pattern (3.0 on).
    ConfigFuzzyWatchRequest -> ConfigFuzzyWatchResponse {
        /// `namespace>>group pattern>>data id pattern`.
        group_key_pattern: String,
        /// What the client already knows.
        received_group_keys: Vec<String>,
        /// One of [`super::naming::watch_type`].
        watch_type: String,
        /// The client has not seen the end of the initial state yet.
        initializing: bool,
    }

    /// Server to client: a batch of the state of a fuzzy watch.
    ConfigFuzzyWatchSyncRequest -> ConfigFuzzyWatchSyncResponse {
        /// One of [`super::naming::sync_type`].
        sync_type: String,
        /// The pattern this belongs to.
        group_key_pattern: String,
        /// The items; absent in a "finished" notice.
        contexts: Vec<FuzzyConfig>,
        /// Number of batches.
        total_batch: i32,
        /// Number of this batch, from 1.
        current_batch: i32,
    }

    /// Server to client: an item appeared, changed or went.
    ConfigFuzzyWatchChangeNotifyRequest -> ConfigFuzzyWatchChangeNotifyResponse {
        /// Data id, group and namespace joined with `+`, escaped.
        group_key: String,
        /// `ADD_CONFIG`, `CONFIG_CHANGED` or `DELETE_CONFIG`.
        change_type: String,
    }
}

responses! {
    /// Answers [`ConfigBatchListenRequest`].
    ConfigChangeBatchListenResponse {
        /// The keys whose md5 is another one.
        changed_configs: Vec<ConfigContext>,
    }

    /// Answers [`ConfigQueryRequest`]. `errorCode` 300: no such item; 400: being modified, ask again.
    ConfigQueryResponse {
        /// Content; absent where there is no item.
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<String>,
        /// Belongs to the client-side encryption plugin.
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_data_key: Option<String>,
        /// Format, for example `yaml`.
        #[serde(skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
        /// Of the content, lower-case hex.
        #[serde(skip_serializing_if = "Option::is_none")]
        md5: Option<String>,
        /// Wall clock of the server, in ms.
        last_modified: i64,
        /// This is a gray variant by address.
        beta: bool,
        /// The tag of a gray variant.
        #[serde(skip_serializing_if = "Option::is_none")]
        tag: Option<String>,
    }

    /// Answers [`ConfigPublishRequest`].
    ConfigPublishResponse {}

    /// Answers [`ConfigRemoveRequest`].
    ConfigRemoveResponse {}

    /// Answers [`ConfigChangeNotifyRequest`].
    ConfigChangeNotifyResponse {}

    /// Answers [`ConfigFuzzyWatchRequest`]; may fail with 50310 or 50311.
    ConfigFuzzyWatchResponse {}

    /// Answers [`ConfigFuzzyWatchSyncRequest`].
    ConfigFuzzyWatchSyncResponse {}

    /// Answers [`ConfigFuzzyWatchChangeNotifyRequest`].
    ConfigFuzzyWatchChangeNotifyResponse {}
}

/// One key to listen to, with the md5 that the client holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigListenContext {
    /// Group.
    #[serde(deserialize_with = "tolerant::read")]
    pub group: String,
    /// Of the content that the client holds; empty if it holds none.
    #[serde(deserialize_with = "tolerant::read")]
    pub md5: String,
    /// Data id.
    #[serde(deserialize_with = "tolerant::read")]
    pub data_id: String,
    /// Namespace id; notices repeat it as written here.
    #[serde(deserialize_with = "tolerant::read")]
    pub tenant: String,
}

/// One key that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigContext {
    /// Group.
    #[serde(deserialize_with = "tolerant::read")]
    pub group: String,
    /// Data id.
    #[serde(deserialize_with = "tolerant::read")]
    pub data_id: String,
    /// Namespace id.
    #[serde(deserialize_with = "tolerant::read")]
    pub tenant: String,
}

/// One item in a batch of a fuzzy watch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FuzzyConfig {
    /// Data id, group and namespace joined with `+`, escaped.
    #[serde(deserialize_with = "tolerant::read")]
    pub group_key: String,
    /// `ADD_CONFIG` or `DELETE_CONFIG`.
    #[serde(deserialize_with = "tolerant::read")]
    pub changed_type: String,
}
