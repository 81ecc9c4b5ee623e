//! Config items and who listens to them, with the rules of Nacos, as plain data.
//!
//! Input: publications, removals and listen requests. Output: items, and the items that changed since that was last asked. An item that
//! is known to have been published and cannot be read is neither there nor absent: whoever asks for it is told so.
//!
//! A change is made in two steps, so that whoever keeps items on disk can do so in between: [`ConfigStore::prepare`] says what the item would
//! be, [`ConfigStore::put`] makes it so.
//!
//! The namespaces `""` and `public` are one here; a listener is told of a change by the name it used itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use federation_core::id::ConfigKey;
use federation_core::time::WallMs;
use md5::{Digest, Md5};
use nacos_protocol::names::DEFAULT_NAMESPACE;

use super::check::{IllegalName, check_config, check_content};

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
pub enum ExpectedContent<'a> {
    /// Nothing.
    Anything,
    /// Its MD5, if it exists: of an item that does not, Nacos requires nothing.
    Md5(&'a str),
}

/// An item, or all of them, cannot be read; which is not the same as that there is none.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the config item cannot be read: {0}")]
pub struct UnreadableItem(pub Arc<str>);

/// Why a publication or a removal was refused. The former value stays.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PublishError {
    /// The name or the content is not legal.
    #[error(transparent)]
    Illegal(#[from] IllegalName),
    /// Somebody published in between.
    #[error("Cas publish fail, server md5 may have changed.")]
    Conflict,
    /// What it would replace is not known.
    #[error(transparent)]
    Unreadable(#[from] UnreadableItem),
    /// The disk does not take it.
    #[error("the change is not made, for it cannot be kept: {0}")]
    NotKept(String),
    /// Nobody knows: the disk takes too long.
    #[error("the disk has not answered in time; whether the change was made is not known")]
    Unanswered,
    /// The disk is slower than changes come.
    #[error("the change is not made: too many wait for the disk")]
    TooManyWait,
}

/// All config items of one registry.
#[derive(Debug, Default)]
pub struct ConfigStore {
    items: BTreeMap<ConfigKey, ConfigItem>,
    /// Per item, the listening connections, each with the namespace's name that it used.
    listeners: HashMap<ConfigKey, BTreeMap<Arc<str>, Arc<str>>>,
    listened_by: HashMap<Arc<str>, BTreeSet<ConfigKey>>,
    changed: BTreeSet<ConfigKey>,
    unreadable: Unread,
}

/// What cannot be read.
#[derive(Debug, Default)]
struct Unread {
    /// Why nothing can.
    all: Option<Arc<str>>,
    /// Why single items cannot, by the names of their files: a damaged file does not tell its item.
    files: BTreeMap<String, Arc<str>>,
}

/// A key with the default namespace by its id.
#[must_use]
pub fn config_key(namespace: &str, group: &str, data_id: &str) -> ConfigKey {
    ConfigKey::new(if namespace.is_empty() { DEFAULT_NAMESPACE } else { namespace }, group, data_id)
}

impl ConfigStore {
    /// What the item would be once this publication counts; nothing changes yet.
    ///
    /// # Errors
    /// Refuses what Nacos refuses, and an item that is not as expected.
    pub fn prepare(
        &self,
        key: &ConfigKey,
        content: &str,
        labels: ConfigLabels,
        expect: ExpectedContent<'_>,
        now: WallMs,
    ) -> Result<ConfigItem, PublishError> {
        check_config(key)?;
        check_content(content)?;
        self.all_readable()?;
        let before = self.items.get(key);
        if let ExpectedContent::Md5(md5) = expect
            && self.look(key)?.is_some_and(|item| &*item.md5 != md5)
        {
            return Err(PublishError::Conflict);
        }
        Ok(ConfigItem {
            content: content.into(),
            md5: md5_hex(content).into(),
            created_ms: before.map_or(now.0, |item| item.created_ms),
            modified_ms: now.0,
            labels,
        })
    }

    /// Puts an item in place of what was there, or `None` for none.
    pub fn put(&mut self, key: &ConfigKey, item: Option<ConfigItem>) {
        if !self.unreadable.files.is_empty() {
            self.unreadable.files.remove(&file_name(key));
        }
        let md5 = item.as_ref().map(|item| Arc::clone(&item.md5));
        let before = match item {
            Some(item) => self.items.insert(key.clone(), item),
            None => self.items.remove(key),
        };
        if before.map(|item| item.md5) != md5 {
            self.changed.insert(key.clone());
        }
    }

    /// Puts an item back as it was stored, unless there is a newer one.
    pub fn restore(&mut self, key: &ConfigKey, item: ConfigItem) {
        if !self.items.contains_key(key) && self.look(key).is_err() {
            self.put(key, Some(item));
        }
    }

    /// Nothing can be read, for this reason; `None`: all can, but for single items.
    pub fn set_all_unreadable(&mut self, reason: Option<Arc<str>>) {
        self.unreadable.all = reason;
    }

    /// The items in these files, by name, cannot be read, and no others; items that are there are not affected.
    pub fn set_unreadable(&mut self, files: BTreeMap<String, Arc<str>>) {
        self.unreadable.files = files;
    }

    /// Whether something is known to be there that cannot be read.
    #[must_use]
    pub fn has_unreadable(&self, key: &ConfigKey) -> bool {
        self.look(key).is_err()
    }

    /// Whether listings are whole, but for single items.
    ///
    /// # Errors
    /// Why they are not.
    pub fn all_readable(&self) -> Result<(), UnreadableItem> {
        self.unreadable.all.clone().map_or(Ok(()), |reason| Err(UnreadableItem(reason)))
    }

    /// The item, if it exists.
    ///
    /// # Errors
    /// It may exist, and cannot be read.
    pub fn look(&self, key: &ConfigKey) -> Result<Option<&ConfigItem>, UnreadableItem> {
        if let Some(item) = self.items.get(key) {
            return Ok(Some(item));
        }
        self.all_readable()?;
        if self.unreadable.files.is_empty() {
            return Ok(None);
        }
        match self.unreadable.files.get(&file_name(key)) {
            Some(reason) => Err(UnreadableItem(Arc::clone(reason))),
            None => Ok(None),
        }
    }

    /// All items.
    pub fn all(&self) -> impl Iterator<Item = (&ConfigKey, &ConfigItem)> {
        self.items.iter()
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
        // Of an item that cannot be read there is nothing to hear.
        self.look(key).is_ok_and(|item| item.map_or("", |item| &*item.md5) != md5)
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

/// The name of the file of an item: a hash of its key.
#[must_use]
pub fn file_name(key: &ConfigKey) -> String {
    let mut hash = blake3::Hasher::new();
    for part in [key.namespace(), key.group(), key.data_id()] {
        hash.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    format!("{}.json", &hash.finalize().to_hex()[..32])
}

#[cfg(test)]
mod tests;
