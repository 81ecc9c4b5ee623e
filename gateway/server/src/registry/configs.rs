//! Config items and who listens to them, with the rules of Nacos, as plain data.
//!
//! Input: publications, removals and listen requests. Output: items, and the items that changed since that was last asked.
//! The namespaces `""` and `public` are one here; a listener is told of a change by the name it used itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use federation_core::id::ConfigKey;
use federation_core::time::WallMs;
use md5::{Digest, Md5};

use super::check::{Illegal, check_config, check_content};

/// The default namespace: its id and its older name, the empty text, mean the same for config items.
pub const DEFAULT_NAMESPACE: &str = "public";

/// One config item.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ConfigItem {
    /// Any text but an empty one.
    pub content: Arc<str>,
    /// Of the content's bytes, 32 hexadecimal digits.
    pub md5: Arc<str>,
    /// When it was first published.
    pub created_ms: u64,
    /// When it was last published.
    pub modified_ms: u64,
    /// What else the publisher said.
    pub labels: ConfigLabels,
}

/// What a publisher says about an item beside its content; each may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ConfigLabels {
    /// `yaml`, `json`, `properties`, …; empty is `text`.
    pub kind: String,
    /// Key of content that the client encrypted; carried along unread.
    pub encrypted_data_key: String,
    /// Application.
    pub app_name: String,
    /// Description.
    pub description: String,
    /// Tags, separated by commas.
    pub tags: String,
}

/// What a publisher requires of the item before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect<'a> {
    /// Nothing.
    Anything,
    /// Its MD5, if it exists: of an item that does not, Nacos requires nothing.
    Md5(&'a str),
}

/// Why a publication was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PublishError {
    /// The name or the content is not legal.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// Somebody published in between.
    #[error("Cas publish fail, server md5 may have changed.")]
    Conflict,
}

/// All config items of one registry.
#[derive(Debug, Default)]
pub struct ConfigStore {
    items: BTreeMap<ConfigKey, ConfigItem>,
    /// Per item, the listening connections, each with the namespace's name that it used.
    listeners: HashMap<ConfigKey, BTreeMap<Arc<str>, Arc<str>>>,
    listened_by: HashMap<Arc<str>, BTreeSet<ConfigKey>>,
    changed: BTreeSet<ConfigKey>,
    written: BTreeSet<ConfigKey>,
}

/// A key with the default namespace by its id.
#[must_use]
pub fn config_key(namespace: &str, group: &str, data_id: &str) -> ConfigKey {
    ConfigKey::new(if namespace.is_empty() { DEFAULT_NAMESPACE } else { namespace }, group, data_id)
}

impl ConfigStore {
    /// Puts an item in place of what was there.
    ///
    /// # Errors
    /// Refuses what Nacos refuses, and an item that is not as expected; then nothing changed.
    pub fn publish(
        &mut self,
        key: &ConfigKey,
        content: &str,
        labels: ConfigLabels,
        expect: Expect<'_>,
        now: WallMs,
    ) -> Result<(), PublishError> {
        check_config(key)?;
        check_content(content)?;
        let before = self.items.get(key);
        if let Expect::Md5(md5) = expect
            && before.is_some_and(|item| &*item.md5 != md5)
        {
            return Err(PublishError::Conflict);
        }
        let created_ms = before.map_or(now.0, |item| item.created_ms);
        let item = ConfigItem {
            content: content.into(),
            md5: md5_hex(content).into(),
            created_ms,
            modified_ms: now.0,
            labels,
        };
        if before.is_none_or(|before| before.md5 != item.md5) {
            self.changed.insert(key.clone());
        }
        self.items.insert(key.clone(), item);
        self.written.insert(key.clone());
        Ok(())
    }

    /// Puts an item back as it was stored; nobody is told.
    pub fn restore(&mut self, key: ConfigKey, item: ConfigItem) {
        self.items.insert(key, item);
    }

    /// Removes an item; one that does not exist is no error.
    pub fn remove(&mut self, key: &ConfigKey) {
        if self.items.remove(key).is_some() {
            self.changed.insert(key.clone());
            self.written.insert(key.clone());
        }
    }

    /// The item, if it exists.
    #[must_use]
    pub fn get(&self, key: &ConfigKey) -> Option<&ConfigItem> {
        self.items.get(key)
    }

    /// Items of a namespace by group and data id.
    pub fn list(&self, namespace: &str) -> impl Iterator<Item = (&ConfigKey, &ConfigItem)> {
        let first = config_key(namespace, "", "");
        let namespace = first.namespace().to_owned();
        self.items.range(first..).take_while(move |(key, _)| key.namespace() == namespace)
    }

    /// Registers a listener that knows the item by `md5` (empty: it knows none), under the namespace's name it used. The
    /// answer says whether the item differs already.
    pub fn listen(&mut self, key: &ConfigKey, connection: &Arc<str>, namespace: &str, md5: &str) -> bool {
        self.listeners.entry(key.clone()).or_default().insert(connection.clone(), namespace.into());
        self.listened_by.entry(connection.clone()).or_default().insert(key.clone());
        self.items.get(key).map_or("", |item| &*item.md5) != md5
    }

    /// Ends a listener.
    pub fn ignore(&mut self, key: &ConfigKey, connection: &Arc<str>) {
        self.forget_listener(key, connection);
        if let Some(keys) = self.listened_by.get_mut(connection) {
            keys.remove(key);
        }
    }

    /// Ends a connection: all its listeners go.
    pub fn disconnect(&mut self, connection: &Arc<str>) {
        for key in self.listened_by.remove(connection).unwrap_or_default() {
            self.forget_listener(&key, connection);
        }
    }

    /// Listening connections of an item with the namespace's name that each used.
    pub fn listeners(&self, key: &ConfigKey) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.listeners.get(key).into_iter().flatten()
    }

    /// Items whose listeners have something to hear, since this was last asked.
    pub fn take_changed(&mut self) -> BTreeSet<ConfigKey> {
        std::mem::take(&mut self.changed)
    }

    /// Items that a copy on disk has to follow, since this was last asked; more than those that listeners hear of.
    pub fn take_written(&mut self) -> BTreeSet<ConfigKey> {
        std::mem::take(&mut self.written)
    }

    fn forget_listener(&mut self, key: &ConfigKey, connection: &Arc<str>) {
        if let Some(listeners) = self.listeners.get_mut(key) {
            listeners.remove(connection);
            if listeners.is_empty() {
                self.listeners.remove(key);
            }
        }
    }
}

/// Formats that Nacos knows; an item of another is a text.
const KINDS: [&str; 8] = ["properties", "xml", "json", "text", "html", "yaml", "toml", "unset"];

/// The format that Nacos keeps for what a publisher says.
#[must_use]
pub fn known_kind(said: &str) -> &str {
    if KINDS.contains(&said) { said } else { "text" }
}

/// The MD5 by which Nacos and its clients compare contents.
#[must_use]
pub fn md5_hex(content: &str) -> String {
    Md5::digest(content.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
