//! The kept inputs: `corpus/TARGET/NAME`, each named for what is in it, and files of other tests that are as good.

use std::io;
use std::path::{Path, PathBuf};

use crate::targets::Target;

/// A file and its bytes.
pub struct Kept {
    /// Its name in the repository.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The folder of all corpora.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// All kept inputs of a target, by name.
///
/// # Errors
/// A folder or file cannot be read.
pub fn of(target: &Target) -> io::Result<Vec<Kept>> {
    let own = folder().join(target.name);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut kept = Vec::new();
    for folder in std::iter::once(own).chain(target.also.iter().map(|folder| workspace.join(folder))) {
        let entries = std::fs::read_dir(&folder)?.collect::<io::Result<Vec<_>>>()?;
        let mut files: Vec<PathBuf> = entries.iter().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
        files.sort();
        for file in files {
            kept.push(Kept { name: file.display().to_string(), bytes: std::fs::read(&file)? });
        }
    }
    Ok(kept)
}
