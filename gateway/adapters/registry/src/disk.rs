//! The config items in a folder: one sealed document (see [`sealed`](federation_storage::sealed)) for each item, named by a hash of its key.
//!
//! What cannot be taken for the item that its name stands for (cut off, empty, of another version, somebody else's, a link) is set aside and
//! told as lost: the item is known to have been there. Its copy that was set aside counts as lost after the next start too, until the item is
//! published or removed. All calls block.

use std::collections::BTreeMap;
use std::sync::Arc;

use federation_core::id::ConfigKey;
use serde::{Deserialize, Serialize};

use super::check::CONTENT_MAX_BYTES;
use super::configs::{ConfigItem, file_name, md5_hex};
use federation_storage::sealed::{self, UnsealedReason};
use federation_storage::{AsideReason, FolderId, StorageError, StorageFolder, StoragePlace};

/// JSON makes six bytes of one at worst; labels are short beside contents.
const MOST_BYTES: u64 = 8 * CONTENT_MAX_BYTES as u64;

/// What is in a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    namespace: String,
    group: String,
    data_id: String,
    item: ConfigItem,
}

/// Why a file is not taken for an item.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Unsealed(#[from] UnsealedReason),
    #[error("its content does not fit its md5")]
    Content,
    #[error("it is the item {group}/{data_id} of namespace {namespace}, which belongs into another file")]
    Misnamed { namespace: String, group: String, data_id: String },
    #[error("{}", .0.told())]
    File(StorageError),
}

/// What was found in the folder.
#[derive(Debug)]
pub(super) struct Loaded {
    /// Which folder that was; `None` if there is none and none can be made.
    pub(super) folder: Option<FolderId>,
    /// The items.
    pub(super) items: Vec<(ConfigKey, ConfigItem)>,
    /// Files of items that cannot be read, and why.
    pub(super) lost: BTreeMap<String, Arc<str>>,
    /// Whether some of these may be readable later: the disk did not give them.
    pub(super) may_come: bool,
}

/// An item that is to be in the folder, or not to be.
pub(super) type Wanted = (ConfigKey, Option<ConfigItem>);

/// What became of a write.
#[derive(Debug)]
pub(super) enum Written {
    /// For each item in turn.
    Done(Vec<Result<(), StorageError>>),
    /// Nothing was written: the folder is not the one that the items are in.
    Elsewhere,
    /// Nothing was written: the folder cannot be used.
    Failed(StorageError),
    /// Some files may be the former ones or the new ones after a crash: the folder cannot be synced.
    Unsure(StorageError),
}

/// The folder, wherever it is now.
#[derive(Clone, Debug)]
pub(super) struct ConfigDisk {
    place: StoragePlace,
}

impl ConfigDisk {
    pub(super) fn new(place: StoragePlace) -> Self {
        Self { place }
    }

    /// The folder, to name in troubles.
    pub(super) fn path(&self) -> String {
        self.place.path().display().to_string()
    }

    /// A file of it, to name in troubles.
    pub(super) fn path_of(&self, file: &str) -> String {
        self.place.path().join(file).display().to_string()
    }

    /// Reads what is in the folder, which is made if it does not exist and can be.
    ///
    /// # Errors
    /// The folder cannot be read: nothing is known of what is in it.
    pub(super) fn load(&self) -> Result<Loaded, StorageError> {
        let mut loaded = Loaded { folder: None, items: Vec::new(), lost: BTreeMap::new(), may_come: false };
        let folder = match self.place.to_read()? {
            Some(folder) => folder,
            None => match self.place.to_write() {
                Ok(made) => made,
                Err(StorageError::Claim(refused)) => return Err(refused.into()),
                Err(_) => return Ok(loaded), // There is nothing; that nothing can be written is told by whoever tries.
            },
        };
        loaded.folder = Some(folder.id()?);
        folder.narrow(is_ours);
        let names = folder.names()?;
        let set_aside: Vec<&str> = names.iter().filter_map(|name| AsideReason::Refused.original_of(name)).collect();
        for lost in set_aside.into_iter().filter(|name| is_item(name) && !names.iter().any(|other| other == name)) {
            loaded.lost.insert(lost.to_owned(), "its file was refused and set aside at an earlier start".into());
        }
        for name in &names {
            if is_unfinished(name) {
                // Left by a crash. What cannot be removed is in nobody's way.
                let _ = folder.remove(name);
            } else if is_item(name) {
                loaded.take_in(&folder, name);
            }
        }
        Ok(loaded)
    }

    /// Writes items and removes those that are not to be, if the folder is the one that is known. One sync of the folder is for all.
    pub(super) fn write(&self, known: Option<FolderId>, wanted: &[Wanted]) -> Written {
        let folder = match self.place.to_write().and_then(|folder| Ok((folder.id()?, folder))) {
            Ok((id, folder)) if known.as_ref() == Some(&id) => folder,
            Ok(_) => return Written::Elsewhere,
            Err(error) => return Written::Failed(error),
        };
        let done: Vec<_> = wanted.iter().map(|(key, item)| write_one(&folder, key, item.as_ref())).collect();
        if done.iter().all(Result::is_err) {
            return Written::Done(done);
        }
        match folder.sync() {
            Ok(()) => Written::Done(done),
            Err(error) => Written::Unsure(error),
        }
    }

    /// Makes the folder hold exactly these items, whatever is in it; what else is there is set aside.
    ///
    /// # Errors
    /// The folder holds some of them, or none.
    pub(super) fn restate(&self, items: &[(ConfigKey, ConfigItem)]) -> Result<FolderId, StorageError> {
        let folder = self.place.to_write()?;
        let names: Vec<String> = items.iter().map(|(key, _)| file_name(key)).collect();
        for name in folder.names()?.iter().filter(|name| is_item(name) && !names.contains(name)) {
            let aside = folder.set_aside(name, AsideReason::Stray)?;
            tracing::warn!(path = %folder.file(name).display(), aside, "a config item that nobody published here is set aside");
        }
        items.iter().try_for_each(|(key, item)| write_one(&folder, key, Some(item)))?;
        folder.sync()?;
        folder.id()
    }

    /// Which folder is there now.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub(super) fn look(&self) -> Result<Option<FolderId>, StorageError> {
        self.place.to_read()?.map(|folder| folder.id()).transpose()
    }

    /// Whether an item of so many bytes can be written now.
    ///
    /// # Errors
    /// What stands in the way.
    pub(super) fn probe(&self, bytes: usize) -> Result<(), StorageError> {
        self.place.to_write()?.probe(bytes)
    }
}

impl Loaded {
    fn take_in(&mut self, folder: &StorageFolder, name: &str) {
        let reason = match read_one(folder, name) {
            Ok(saved) => {
                let key = ConfigKey::new(&saved.namespace, &saved.group, &saved.data_id);
                return self.items.push((key, saved.item));
            }
            Err(reason) => reason,
        };
        let path = folder.file(name);
        let aside = match &reason {
            Unusable::File(StorageError::Io { .. }) => {
                self.may_come = true;
                Ok("where it is".to_owned())
            }
            _ => folder.set_aside(name, AsideReason::Refused),
        };
        let aside = aside.unwrap_or_else(|error| error.told());
        tracing::warn!(path = %path.display(), %reason, set_aside = aside, "file of a config item refused");
        self.lost.insert(name.to_owned(), reason.to_string().into());
    }
}

/// The items in a folder that can be read, whosever it is; nothing in it is changed. Blocks.
///
/// # Errors
/// The folder cannot be read.
pub fn kept_items(folder: &StorageFolder) -> Result<Vec<(ConfigKey, ConfigItem)>, StorageError> {
    let names = folder.names()?;
    let read = names.iter().filter(|name| is_item(name)).filter_map(|name| read_one(folder, name).ok());
    Ok(read.map(|saved| (ConfigKey::new(&saved.namespace, &saved.group, &saved.data_id), saved.item)).collect())
}

fn read_one(folder: &StorageFolder, name: &str) -> Result<Saved, Unusable> {
    let bytes = folder.read(name, MOST_BYTES).map_err(Unusable::File)?.unwrap_or_default();
    let saved = match sealed::unseal::<Saved>(&bytes) {
        // From before documents were sealed: a file of the same name, whose content has an MD5.
        Err(UnsealedReason::NoVersion) => serde_json::from_slice(&bytes).map_err(UnsealedReason::Content)?,
        saved => saved?,
    };
    if md5_hex(&saved.item.content) != *saved.item.md5 {
        return Err(Unusable::Content);
    }
    if file_name(&ConfigKey::new(&saved.namespace, &saved.group, &saved.data_id)) != name {
        let Saved { namespace, group, data_id, .. } = saved;
        return Err(Unusable::Misnamed { namespace, group, data_id });
    }
    Ok(saved)
}

fn write_one(folder: &StorageFolder, key: &ConfigKey, item: Option<&ConfigItem>) -> Result<(), StorageError> {
    let name = file_name(key);
    let Some(item) = item else {
        // What was set aside of it would tell of an item that is lost.
        folder.remove_refused(&name)?;
        return folder.remove(&name);
    };
    let saved = Saved {
        namespace: key.namespace().to_owned(),
        group: key.group().to_owned(),
        data_id: key.data_id().to_owned(),
        item: item.clone(),
    };
    folder.stage(&name, &sealed::seal(&saved))?.put_in_place()
}

fn is_item(name: &str) -> bool {
    let is_hash = |stem: &str| stem.len() == 32 && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.strip_suffix(".json").is_some_and(is_hash)
}

/// Whether a crash left it: a file that was being written, as this version or the one before names them.
fn is_unfinished(name: &str) -> bool {
    let stem = name.strip_suffix(".new").or_else(|| name.strip_suffix(".unfinished"));
    stem.is_some_and(|stem| is_item(stem) || is_item(&format!("{stem}.json")) || stem == ".probe")
}

fn is_ours(name: &str) -> bool {
    let is_aside = AsideReason::ALL.iter().any(|aside| aside.original_of(name).is_some());
    is_item(name) || is_unfinished(name) || is_aside || ["identity", "lock"].contains(&name)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::*;
    use crate::configs::{ConfigLabels, config_key};

    fn item(content: &str) -> ConfigItem {
        ConfigItem {
            content: content.into(),
            md5: md5_hex(content).into(),
            created_ms: 1,
            modified_ms: 2,
            labels: ConfigLabels { kind: "yaml".into(), ..ConfigLabels::default() },
        }
    }

    fn key(data_id: &str) -> ConfigKey {
        config_key("", "g", data_id)
    }

    fn disk(folder: &Path) -> ConfigDisk {
        ConfigDisk::new(folder.into())
    }

    fn write(disk: &ConfigDisk, wanted: &[Wanted]) {
        let known = disk.look().unwrap();
        let Written::Done(done) = disk.write(known, wanted) else { panic!("not written") };
        assert!(done.iter().all(Result::is_ok), "{done:?}");
    }

    /// The form of the version before.
    fn unsealed(key: &ConfigKey, item: &ConfigItem) -> String {
        let (namespace, group, data_id) = (key.namespace(), key.group(), key.data_id());
        serde_json::json!({"namespace": namespace, "group": group, "data_id": data_id, "item": item}).to_string()
    }

    #[test]
    fn items_come_back_after_a_restart_and_only_their_owner_can_read_them() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(folder.path());
        assert!(disk.load().unwrap().items.is_empty());
        let (a, b) = (key("a"), key("b"));
        write(&disk, &[(a.clone(), Some(item("1\r\n"))), (b.clone(), Some(item("2")))]);
        write(&disk, &[(a.clone(), Some(item("ä"))), (b.clone(), None)]);
        write(&disk, &[(b, None)]); // Removing twice is no error.
        assert_eq!(disk.load().unwrap().items, [(a.clone(), item("ä"))]);
        let mode = fs::metadata(folder.path().join(file_name(&a))).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_of_the_version_before_is_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(file_name(&key("a"))), unsealed(&key("a"), &item("1"))).unwrap();
        let loaded = disk(folder.path()).load().unwrap();
        assert_eq!((loaded.items, loaded.lost.len()), (vec![(key("a"), item("1"))], 0));
    }

    #[test]
    fn what_cannot_be_the_item_is_set_aside_and_known_to_be_lost_until_it_is_published_or_removed() {
        let (folder, name) = (tempfile::tempdir().unwrap(), file_name(&key("a")));
        let (disk, path) = (disk(folder.path()), folder.path().join(&name));
        write(&disk, &[(key("a"), Some(item("1"))), (key("b"), Some(item("2")))]);
        let whole = fs::read_to_string(&path).unwrap();
        let of_another = fs::read_to_string(folder.path().join(file_name(&key("b")))).unwrap();
        let unfitting = unsealed(&key("a"), &ConfigItem { content: "3".into(), ..item("1") });
        for (name, text, want) in [
            ("torn", &whole[..whole.len() / 2], "it is cut off"),
            ("empty", "", "it is empty"),
            ("changed", &whole.replace("yaml", "yamm"), "its checksum does not fit"),
            ("foreign", "a: 1\n", "it is cut off, or no document of this program"),
            ("another program's JSON", "{\"a\": 1}", "it is not what belongs here"),
            ("newer", &whole.replace("\"format\":2", "\"format\":9"), "it is of version 9"),
            ("another item's", &of_another, "it is the item g/b of namespace public"),
            ("torn in the version before", &unfitting, "its content does not fit its md5"),
        ] {
            fs::write(&path, text).unwrap();
            let loaded = disk.load().unwrap();
            assert_eq!(loaded.items, [(key("b"), item("2"))], "{name}");
            let reason = &loaded.lost[&file_name(&key("a"))];
            assert!(reason.starts_with(want), "{name}: {reason}");
            assert!(!path.exists(), "{name}");
            assert!(!disk.load().unwrap().lost.is_empty(), "{name}: it is lost after the next start too");
        }
        write(&disk, &[(key("a"), Some(item("4")))]);
        assert!(disk.load().unwrap().lost.is_empty(), "it was published");
        fs::write(&path, "").unwrap();
        assert!(!disk.load().unwrap().lost.is_empty());
        write(&disk, &[(key("a"), None)]);
        assert!(disk.load().unwrap().lost.is_empty(), "it was removed");
    }

    #[test]
    fn links_and_folders_in_the_place_of_items_are_not_followed() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (disk, name) = (disk(folder.path()), file_name(&key("a")));
        let of_others = elsewhere.path().join("secret");
        fs::write(&of_others, unsealed(&key("a"), &item("secret"))).unwrap();
        let before = fs::read(&of_others).unwrap();
        symlink(&of_others, folder.path().join(&name)).unwrap();
        let loaded = disk.load().unwrap();
        assert!(loaded.items.is_empty() && loaded.lost[&name].contains("symbolic link"), "{loaded:?}");
        for in_the_way in [name.clone(), format!("{name}.new")] {
            let path = folder.path().join(&in_the_way);
            symlink(&of_others, &path).unwrap();
            write(&disk, &[(key("a"), Some(item("1")))]);
            assert_eq!((disk.load().unwrap().items.len(), fs::read(&of_others).unwrap()), (1, before.clone()));
            let _ = fs::remove_file(&path);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("x"), "").unwrap();
            write(&disk, &[(key("a"), Some(item("1")))]);
            assert_eq!(disk.load().unwrap().items.len(), 1, "{in_the_way}");
            fs::remove_file(folder.path().join(&name)).unwrap();
        }
    }

    #[test]
    fn what_a_crash_left_of_a_write_is_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let hash = file_name(&key("a"));
        for left in [format!("{hash}.new"), hash.replace(".json", ".unfinished"), ".probe.new".to_owned()] {
            fs::write(folder.path().join(left), "half").unwrap();
        }
        fs::write(folder.path().join("notes.txt"), "of a person").unwrap();
        assert!(disk(folder.path()).load().unwrap().lost.is_empty());
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(left, ["notes.txt"]);
    }

    #[test]
    fn nothing_is_written_into_another_folder_than_the_known_one_until_all_is_stated_there() {
        let root = tempfile::tempdir().unwrap();
        let disk = disk(&root.path().join("registry"));
        assert!(matches!(disk.write(None, &[(key("a"), Some(item("1")))]), Written::Elsewhere));
        write(&disk, &[(key("a"), Some(item("1")))]);
        let known = disk.look().unwrap();
        fs::rename(root.path().join("registry"), root.path().join("moved")).unwrap();
        fs::create_dir(root.path().join("registry")).unwrap();
        write(&disk, &[(key("stray"), Some(item("9")))]);
        assert!(matches!(disk.write(known.clone(), &[(key("b"), Some(item("2")))]), Written::Elsewhere));
        disk.restate(&[(key("a"), item("1")), (key("b"), item("2"))]).unwrap();
        let loaded = disk.load().unwrap();
        assert_eq!((loaded.items.len(), loaded.lost.len()), (2, 0), "what nobody knew of is set aside, and not lost");
        assert!(root.path().join("registry").join(format!("{}.stray-1", file_name(&key("stray")))).exists());
    }
}
