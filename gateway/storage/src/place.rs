//! A folder as a part of the program holds it: by its path and the claim that covers it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::claim::{ClaimStanding, FolderClaim, FolderOwner};
use super::error::{FileAction, StorageError};
use super::folder::StorageFolder;

/// Where somebody keeps files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StoragePlace {
    path: PathBuf,
    claim: Option<Arc<FolderClaim>>,
}

impl StoragePlace {
    /// The folder of the claim itself.
    #[must_use]
    pub fn claimed(claim: Arc<FolderClaim>) -> Self {
        Self { path: claim.path().to_owned(), claim: Some(claim) }
    }

    /// A folder in this one, under the same claim.
    #[must_use]
    pub fn under(&self, name: &str) -> Self {
        Self { path: self.path.join(name), claim: self.claim.clone() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose it is; `None` if nobody claims it.
    #[must_use]
    pub fn owner(&self) -> Option<&FolderOwner> {
        self.claim.as_deref().map(FolderClaim::owner)
    }

    /// Whether files from before they named their owner count: only at the start at which the folder was adopted, and where nobody
    /// claims it.
    #[must_use]
    pub fn takes_nameless_files(&self) -> bool {
        self.claim.as_deref().is_none_or(|claim| claim.standing() == Some(ClaimStanding::Adopted))
    }

    /// The folder, for writing: made if it is missing, and the claim on it holds.
    ///
    /// # Errors
    /// It cannot be used now, or it is not this gateway's.
    pub fn to_write(&self) -> Result<StorageFolder, StorageError> {
        if let Some(claim) = &self.claim {
            claim.to_write()?;
            self.refuse_link(claim)?;
        }
        StorageFolder::make(&self.path)
    }

    /// The folder, for reading; `None` if there is none.
    ///
    /// # Errors
    /// It cannot be used now, or it is not this gateway's.
    pub fn to_read(&self) -> Result<Option<StorageFolder>, StorageError> {
        if let Some(claim) = &self.claim {
            if claim.to_read()?.is_none() {
                return Ok(None);
            }
            self.refuse_link(claim)?;
        }
        StorageFolder::existing(&self.path)
    }

    /// A claimed folder may be a link that an operator made; one within it may not.
    fn refuse_link(&self, claim: &FolderClaim) -> Result<(), StorageError> {
        if self.path == claim.path() {
            return Ok(());
        }
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) if metadata.is_symlink() => {
                Err(StorageError::NotAFile { path: self.path.clone(), what: "a symbolic link, which is not followed" })
            }
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(StorageError::io(&self.path, FileAction::Read)(error))
            }
            _ => Ok(()),
        }
    }
}

/// A folder that nobody claims.
impl From<PathBuf> for StoragePlace {
    fn from(path: PathBuf) -> Self {
        Self { path, claim: None }
    }
}

/// A folder that nobody claims.
impl From<&Path> for StoragePlace {
    fn from(path: &Path) -> Self {
        path.to_owned().into()
    }
}

/// A folder that nobody claims.
impl From<String> for StoragePlace {
    fn from(path: String) -> Self {
        PathBuf::from(path).into()
    }
}
