//! One config item, as its origin knows it.

use std::sync::Arc;

/// Content of a config item and what else Nacos keeps of it. Immutable: a change is a new value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ConfigItem {
    /// The content, byte for byte (any UTF-8, line ends untouched).
    pub content: Arc<str>,
    /// Hexadecimal MD5 of the content: Nacos's own way to tell versions apart.
    pub md5: Arc<str>,
    /// Nacos's `type`: `text`, `json`, `yaml`, …; empty if none was given.
    pub content_type: Arc<str>,
    /// Key of the client-side encryption plugin, carried unchanged; empty if unencrypted.
    pub encrypted_data_key: Arc<str>,
    /// Description, empty if none.
    pub description: Arc<str>,
    /// Tags, as Nacos joins them with commas; empty if none.
    pub tags: Arc<str>,
    /// Name of the application, empty if none.
    pub application: Arc<str>,
    /// When the origin's Nacos says it was changed last, unix ms; 0 if it does not say.
    pub last_modified_ms: u64,
}
