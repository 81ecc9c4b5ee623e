//! Takes rights of others away from what an earlier version, or a careless copy, left readable.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::folder::StorageFolder;

/// Rights of the group and of others.
const OF_OTHERS: u32 = 0o077;
/// On folders that many use, such as a folder for temporary files.
const STICKY: u32 = 0o1000;

impl StorageFolder {
    /// Narrows the files of these names and, if nothing but what `is_ours` names is in the folder, the folder. Somebody who names a folder
    /// that others use too is warned instead of locking them out. What cannot be narrowed is told and used all the same.
    pub fn narrow(&self, is_ours: impl Fn(&str) -> bool) {
        let Ok(names) = self.names() else { return };
        for name in names.iter().filter(|name| is_ours(name)) {
            self.narrow_file(name);
        }
        let Ok(metadata) = fs::metadata(self.path()) else { return };
        let mode = metadata.permissions().mode();
        if mode & OF_OTHERS == 0 {
            return;
        }
        let folder = self.path().display();
        if mode & STICKY != 0 || !names.iter().all(|name| is_ours(name) || name == "lost+found") {
            tracing::warn!(%folder, mode = format!("{mode:o}"), "others may read this folder; it is left so, for it looks shared: its files are narrowed");
            return;
        }
        match fs::set_permissions(self.path(), Permissions::from_mode(mode & 0o7777 & !OF_OTHERS)) {
            Ok(()) => {
                tracing::warn!(%folder, was = format!("{mode:o}"), "others could read this folder; now only its owner can")
            }
            Err(error) => tracing::warn!(%folder, %error, "others may read this folder, which cannot be changed"),
        }
    }

    fn narrow_file(&self, name: &str) {
        let Ok(Some((file, _))) = self.open(name) else { return }; // A link or a folder is not ours to change.
        let Ok(metadata) = file.metadata() else { return };
        let mode = metadata.permissions().mode();
        if mode & OF_OTHERS == 0 {
            return;
        }
        let path = self.file(name);
        match file.set_permissions(Permissions::from_mode(mode & 0o7777 & !OF_OTHERS)) {
            Ok(()) => {
                tracing::warn!(path = %path.display(), was = format!("{mode:o}"), "others could read this file; now only its owner can")
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "others may read this file, which cannot be changed")
            }
        }
    }
}
