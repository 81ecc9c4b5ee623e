//! A copy of the config items in a folder: one JSON file per item, named by a hash of its key.

use std::io;
use std::path::{Path, PathBuf};

use federation_core::id::ConfigKey;
use serde::{Deserialize, Serialize};

use super::configs::ConfigItem;

/// What is in a file.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    namespace: String,
    group: String,
    data_id: String,
    item: ConfigItem,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// A file or the folder cannot be read or written.
    #[error("config folder of the embedded registry: {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// A file holds something else. It is not overwritten: a person must look.
    #[error("config folder of the embedded registry: {path} is no saved config item")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Where reading stopped.
        #[source]
        source: serde_json::Error,
    },
}

/// The folder.
#[derive(Debug)]
pub(super) struct ConfigDisk {
    folder: PathBuf,
}

impl ConfigDisk {
    /// Opens the folder, creating it if it is absent, and reads what is in it.
    ///
    /// # Errors
    /// The folder cannot be read, or holds a file that is no saved item.
    pub(super) async fn open(folder: &Path) -> Result<(Self, Vec<(ConfigKey, ConfigItem)>), DiskError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| DiskError::Io { path, source }
        };
        tokio::fs::create_dir_all(folder).await.map_err(failed(folder))?;
        let mut items = Vec::new();
        let mut files = tokio::fs::read_dir(folder).await.map_err(failed(folder))?;
        while let Some(file) = files.next_entry().await.map_err(failed(folder))? {
            let path = file.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let bytes = tokio::fs::read(&path).await.map_err(failed(&path))?;
                let malformed = |source| DiskError::Malformed { path, source };
                let saved: Saved = serde_json::from_slice(&bytes).map_err(malformed)?;
                items.push((ConfigKey::new(&saved.namespace, &saved.group, &saved.data_id), saved.item));
            }
        }
        Ok((Self { folder: folder.to_owned() }, items))
    }

    /// Writes an item, or removes its file when there is none any more. A crash leaves the file before or the file after.
    pub(super) async fn save(&self, key: &ConfigKey, item: Option<&ConfigItem>) -> Result<(), DiskError> {
        let path = self.folder.join(file_name(key));
        let failed = |source| DiskError::Io { path: path.clone(), source };
        let Some(item) = item else {
            return match tokio::fs::remove_file(&path).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
                _ => Ok(()),
            };
        };
        let saved = Saved {
            namespace: key.namespace().to_owned(),
            group: key.group().to_owned(),
            data_id: key.data_id().to_owned(),
            item: item.clone(),
        };
        let bytes = serde_json::to_vec(&saved).expect("a saved item has string keys only");
        let unfinished = path.with_extension("unfinished");
        tokio::fs::write(&unfinished, bytes).await.map_err(failed)?;
        tokio::fs::rename(&unfinished, &path).await.map_err(failed)
    }
}

fn file_name(key: &ConfigKey) -> String {
    let mut hash = blake3::Hasher::new();
    for part in [key.namespace(), key.group(), key.data_id()] {
        hash.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    format!("{}.json", &hash.finalize().to_hex()[..32])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::configs::{ConfigLabels, config_key, md5_hex};

    fn item(content: &str) -> ConfigItem {
        ConfigItem {
            content: content.into(),
            md5: md5_hex(content).into(),
            created_ms: 1,
            modified_ms: 2,
            labels: ConfigLabels { kind: "yaml".into(), ..ConfigLabels::default() },
        }
    }

    #[tokio::test]
    async fn items_come_back_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, found) = ConfigDisk::open(folder.path()).await.unwrap();
        assert!(found.is_empty());
        let (a, b) = (config_key("", "g", "a"), config_key("", "g", "b"));
        for (key, content) in [(&a, "1\r\n"), (&b, "2"), (&a, "ä")] {
            disk.save(key, Some(&item(content))).await.unwrap();
        }
        disk.save(&b, None).await.unwrap();
        disk.save(&b, None).await.expect("removing twice is no error");
        let (_, found) = ConfigDisk::open(folder.path()).await.unwrap();
        assert_eq!(found, [(a, item("ä"))]);
    }

    #[tokio::test]
    async fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        std::fs::write(&path, "{").unwrap();
        let refused = ConfigDisk::open(folder.path()).await;
        assert!(matches!(refused, Err(DiskError::Malformed { path: named, .. }) if named == path));
    }
}
