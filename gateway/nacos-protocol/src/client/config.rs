//! Config items: listen, read, write, remove.

use std::collections::BTreeMap;

use super::{CallError, ConfigName, NacosClient, succeeded};
use crate::message::config::{ConfigPublishRequest, ConfigQueryRequest, ConfigRemoveRequest, addition};
use crate::message::{RESULT_OK, error_code};

/// A config item as the server keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigContent {
    /// Content, as it was published.
    pub content: String,
    /// Format, for example `yaml`; empty where none was said.
    pub content_type: String,
    /// Of the content, lower-case hex.
    pub md5: String,
    /// Wall clock of the server, in ms.
    pub last_modified: i64,
    /// Belongs to the client-side encryption plugin; empty for plain content. Carried along unchanged.
    pub encrypted_data_key: String,
}

/// What to write into a config item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigWrite {
    /// Content.
    pub content: String,
    /// Format, for example `yaml`; empty says none.
    pub content_type: String,
    /// Write only if the item has this md5 now; absent writes always.
    pub cas_md5: Option<String>,
    /// Further fields: [`addition`].
    pub additions: BTreeMap<String, String>,
}

impl NacosClient {
    /// Wants to be told when a config item is not (any more) what it holds: `md5` is that of the content in hand, empty if there is none.
    /// Said again with another md5, it replaces the first; the server compares it at the next check.
    pub fn listen_config(&self, config: &ConfigName, md5: &str) {
        self.shared.memory().listen(config.clone(), md5.to_owned());
        self.shared.wake.notify_one();
    }

    /// No longer wants to be told.
    pub fn unlisten_config(&self, config: &ConfigName) {
        self.shared.memory().unlisten(config);
        self.shared.wake.notify_one();
    }

    /// Reads a config item; `None` if there is none. A server may answer "none" for some 100 ms after a publish.
    ///
    /// # Errors
    ///
    /// [`CallError::Server`] with code 400 while the item is being modified: try again. Else any [`CallError`] but `Incomplete`.
    pub async fn query_config(&self, config: &ConfigName) -> Result<Option<ConfigContent>, CallError> {
        let request = ConfigQueryRequest {
            data_id: config.data_id.clone(),
            group: config.group.clone(),
            tenant: config.namespace.clone(),
            ..ConfigQueryRequest::default()
        };
        let after = self.shared.cluster.options().request_timeout;
        let response = self.link()?.answer(request, after).await?;
        if response.result_code != RESULT_OK && response.error_code == error_code::NOT_READY {
            return Ok(None); // In this message the code says that there is no such item.
        }
        let response = succeeded(response)?;
        Ok(Some(ConfigContent {
            content: response.content.unwrap_or_default(),
            content_type: response.content_type.unwrap_or_default(),
            md5: response.md5.unwrap_or_default(),
            last_modified: response.last_modified,
            encrypted_data_key: response.encrypted_data_key.unwrap_or_default(),
        }))
    }

    /// Writes a config item.
    ///
    /// # Errors
    ///
    /// [`CallError::Server`] if `cas_md5` did not match, with a code that depends on the server. After [`CallError::Timeout`] and
    /// [`CallError::NotConnected`] the write may still be done later. Else any [`CallError`] but `Incomplete`.
    pub async fn publish_config(&self, config: &ConfigName, write: ConfigWrite) -> Result<(), CallError> {
        let mut addition_map = write.additions;
        if !write.content_type.is_empty() {
            addition_map.insert(addition::TYPE.to_owned(), write.content_type);
        }
        let request = ConfigPublishRequest {
            data_id: config.data_id.clone(),
            group: config.group.clone(),
            tenant: config.namespace.clone(),
            content: write.content,
            cas_md5: write.cas_md5,
            addition_map,
            ..ConfigPublishRequest::default()
        };
        self.call(request).await.map(drop)
    }

    /// Removes a config item; it is no error if there is none.
    ///
    /// # Errors
    ///
    /// Any [`CallError`] but `Incomplete`.
    pub async fn remove_config(&self, config: &ConfigName) -> Result<(), CallError> {
        let request = ConfigRemoveRequest {
            data_id: config.data_id.clone(),
            group: config.group.clone(),
            tenant: config.namespace.clone(),
            ..ConfigRemoveRequest::default()
        };
        self.call(request).await.map(drop)
    }
}
