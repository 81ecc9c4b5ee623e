//! Whose a data directory is, and that one process at a time uses it.
//!
//! Two files in the folder say so: `identity`, which names the federation and the cluster that the folder was first used for, and `lock`,
//! on which the process that uses it holds a lock of the system (gone with the process, however it ends).
//!
//! States of a claim, for the folder that is there now (another folder in its place begins at the top):
//!
//! ```text
//! unknown ──examined: not locked by another, identity ours, or none and the content is ours──▶ readable
//! readable ──marked: lock and identity are on disk──▶ writable
//! ```
//!
//! The failure that it defends against: a gateway that starts with another cluster's folder takes that one's snapshot for what it knew
//! itself, and that one's config items for its own, which it then publishes. So nothing in a folder is read before it was examined, nothing
//! written before it was marked, also when the folder became usable, or was replaced, while the gateway ran.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use federation_core::id::{ClusterId, FederationId};
use serde::{Deserialize, Serialize};

use super::error::StorageError;
use super::folder::{AsideReason, FolderId, StorageFolder};

const IDENTITY: &str = "identity";
const LOCK: &str = "lock";
/// Version of `identity`. It has no checksum: people may write it.
const FORMAT: u64 = 1;
/// A hundred times what is in it.
const MOST_BYTES: u64 = 64 * 1024;

/// The cluster that a folder belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderOwner {
    /// Its federation.
    pub federation: FederationId,
    /// The cluster.
    pub cluster: ClusterId,
}

impl fmt::Display for FolderOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cluster {} of federation {}", self.cluster, self.federation)
    }
}

/// What the content of a folder without an identity says of its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerEvidence {
    /// Nothing is in it that belongs to a cluster.
    Nothing,
    /// It is this cluster's.
    Agrees,
    /// It is somebody else's, or nobody can tell: why, as a half-sentence.
    Disagrees(String),
}

/// How a folder became ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimStanding {
    /// It was empty.
    New,
    /// It had content from before there were identities, and that is ours.
    Adopted,
    /// Its identity says so.
    Known,
}

/// Why a folder is not used. Never passes by itself, but for [`ClaimRefused::InUse`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimRefused {
    /// Its identity names another cluster.
    #[error(
        "data_dir {} belongs to {found}, but this gateway is configured as {own}; nothing in it was read or changed. \
         Name a folder of its own as data_dir; or, if that cluster is gone and all that it kept may be lost, remove the folder's content",
        path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        found: FolderOwner,
        /// Who this gateway is.
        own: FolderOwner,
    },
    /// It has no identity, and what is in it does not speak for this cluster.
    #[error(
        "data_dir {} has no file `{IDENTITY}` that says whose it is, and {why}; nothing in it was changed. \
         Name a folder of its own as data_dir; or, if it does belong to {own}, write that down: echo '{identity}' > {}/{IDENTITY}",
        path.display(), path.display()
    )]
    Unattributed {
        /// The folder.
        path: PathBuf,
        /// What speaks against it.
        why: String,
        /// Who this gateway is.
        own: FolderOwner,
        /// What to write.
        identity: String,
    },
    /// Its identity cannot be understood.
    #[error(
        "{}/{IDENTITY}, which says whose data_dir this is, cannot be used: {why}; nothing else in it was read. \
         If the folder does belong to {own}: echo '{identity}' > {}/{IDENTITY}",
        path.display(), path.display()
    )]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
        /// Who this gateway is.
        own: FolderOwner,
        /// What to write.
        identity: String,
    },
    /// Another process uses it.
    #[error(
        "data_dir {} is used by another gateway{}: each gateway, also each replica of one cluster, needs a data_dir of its own",
        path.display(), holder.map_or_else(String::new, |pid| format!(", process {pid}"))
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Its process, if it could be told.
        holder: Option<u32>,
    },
}

#[derive(Deserialize, Serialize)]
struct Identity {
    format: u64,
    federation: String,
    cluster: String,
    /// Wall time at which the folder was first used; 0 if a person wrote the file.
    #[serde(default)]
    created_ms: u64,
}

/// Reads the content of a folder without an identity, and says whose it is. May block.
type Judge = Box<dyn Fn(&StorageFolder) -> Result<OwnerEvidence, StorageError> + Send + Sync>;

/// A claim on a folder for one cluster and this process; it ends when the last clone of its `Arc` goes.
pub struct FolderClaim {
    path: PathBuf,
    owner: FolderOwner,
    judge: Judge,
    /// Locked while the folder is examined or marked: two parts of the process must not do that at once.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    examined: Option<(FolderId, ClaimStanding)>,
    lock: Lock,
    is_marked: bool,
}

#[derive(Default)]
enum Lock {
    #[default]
    None,
    Held(File),
    /// The file system has no locks.
    Unsupported,
}

impl FolderClaim {
    /// A claim that was not tried yet. `judge` is asked about a folder that has content and no identity.
    pub fn new(
        path: PathBuf,
        owner: FolderOwner,
        judge: impl Fn(&StorageFolder) -> Result<OwnerEvidence, StorageError> + Send + Sync + 'static,
    ) -> Self {
        Self { path, owner, judge: Box::new(judge), state: Mutex::default() }
    }

    /// Tries it, before anything else is done. A folder that cannot be used now is told and no error: it is tried again at each use.
    ///
    /// # Errors
    /// The folder is not this gateway's.
    pub fn begin(&self) -> Result<(), ClaimRefused> {
        let Err(unusable) = self.to_write() else { return Ok(()) };
        match (unusable, self.to_read()) {
            (StorageError::Claim(refused), _) | (_, Err(StorageError::Claim(refused))) => Err(refused),
            (error, _) => {
                tracing::warn!(error = error.told(), "data directory cannot be written, the gateway goes on without");
                Ok(())
            }
        }
    }

    /// Where the folder is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose claim it is.
    #[must_use]
    pub fn owner(&self) -> &FolderOwner {
        &self.owner
    }

    /// How the folder that is there became ours; `None` while it was not examined.
    #[must_use]
    pub fn standing(&self) -> Option<ClaimStanding> {
        self.state().examined.as_ref().map(|(_, standing)| *standing)
    }

    pub(super) fn to_write(&self) -> Result<StorageFolder, StorageError> {
        let folder = StorageFolder::make(&self.path)?;
        let mut state = self.state();
        self.examine(&folder, &mut state)?;
        self.mark(&folder, &mut state)?;
        Ok(folder)
    }

    pub(super) fn to_read(&self) -> Result<Option<StorageFolder>, StorageError> {
        let Some(folder) = StorageFolder::existing(&self.path)? else { return Ok(None) };
        self.examine(&folder, &mut self.state())?;
        Ok(Some(folder))
    }

    fn examine(&self, folder: &StorageFolder, state: &mut State) -> Result<(), StorageError> {
        let id = folder.id()?;
        if state.examined.as_ref().is_some_and(|(known, _)| *known == id) && state.lock.is_in(folder) {
            return Ok(());
        }
        *state = State::default();
        if let Some((file, _)) = folder.open(LOCK)? {
            state.lock = self.take_lock(file)?;
        }
        let standing = self.look_whose(folder)?;
        state.examined = Some((id, standing));
        Ok(())
    }

    fn mark(&self, folder: &StorageFolder, state: &mut State) -> Result<(), StorageError> {
        if state.is_marked {
            return Ok(());
        }
        if matches!(state.lock, Lock::None) {
            state.lock = self.take_lock(folder.open_or_make(LOCK)?)?;
            // Another process may have been quicker, and gone again.
            self.look_whose(folder)?;
        }
        if folder.open(IDENTITY)?.is_none() {
            folder.replace(IDENTITY, format!("{}\n", self.identity(now_ms())).as_bytes())?;
            tracing::info!(folder = %self.path.display(), owner = %self.owner, "data directory is marked as this cluster's");
        }
        if let Ok(file) = folder.open_or_make(LOCK) {
            note_holder(file);
        }
        state.is_marked = true;
        folder.narrow(is_known);
        Ok(())
    }

    fn take_lock(&self, file: File) -> Result<Lock, StorageError> {
        match file.try_lock() {
            Ok(()) => Ok(Lock::Held(file)),
            Err(TryLockError::WouldBlock) => {
                Err(ClaimRefused::InUse { path: self.path.clone(), holder: holder(file) }.into())
            }
            Err(TryLockError::Error(error)) => {
                let folder = self.path.display();
                tracing::warn!(%folder, %error, "no lock can be had here: a second gateway in this folder would not be noticed");
                Ok(Lock::Unsupported)
            }
        }
    }

    /// Says how the folder is ours, or refuses it.
    fn look_whose(&self, folder: &StorageFolder) -> Result<ClaimStanding, StorageError> {
        let refused = |why: String| {
            let (path, own, identity) = (self.path.clone(), self.owner.clone(), self.identity(0));
            StorageError::from(ClaimRefused::Damaged { path, why, own, identity })
        };
        let bytes = match folder.read(IDENTITY, MOST_BYTES) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return self.look_for_evidence(folder),
            Err(error @ (StorageError::NotAFile { .. } | StorageError::TooLarge { .. })) => {
                return Err(refused(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        let identity: Identity = serde_json::from_slice(&bytes).map_err(|error| refused(error.to_string()))?;
        if identity.format != FORMAT {
            return Err(refused(format!("it is of version {}, this program reads version {FORMAT}", identity.format)));
        }
        let found = match (identity.federation.parse(), identity.cluster.parse()) {
            (Ok(federation), Ok(cluster)) => FolderOwner { federation, cluster },
            (Err(error), _) | (_, Err(error)) => return Err(refused(error.to_string())),
        };
        if found != self.owner {
            return Err(ClaimRefused::Foreign { path: self.path.clone(), found, own: self.owner.clone() }.into());
        }
        Ok(ClaimStanding::Known)
    }

    fn look_for_evidence(&self, folder: &StorageFolder) -> Result<ClaimStanding, StorageError> {
        match (self.judge)(folder)? {
            OwnerEvidence::Nothing => Ok(ClaimStanding::New),
            OwnerEvidence::Agrees => {
                let (folder, owner) = (self.path.display(), &self.owner);
                tracing::info!(%folder, %owner, "data directory from before it named its owner is adopted: its content is this cluster's");
                Ok(ClaimStanding::Adopted)
            }
            OwnerEvidence::Disagrees(why) => {
                let (path, own, identity) = (self.path.clone(), self.owner.clone(), self.identity(0));
                Err(ClaimRefused::Unattributed { path, why, own, identity }.into())
            }
        }
    }

    fn identity(&self, created_ms: u64) -> String {
        let (federation, cluster) = (self.owner.federation.to_string(), self.owner.cluster.to_string());
        let identity = Identity { format: FORMAT, federation, cluster, created_ms };
        serde_json::to_string(&identity).expect("a struct of numbers and texts")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FolderClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("path", &self.path).field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl Lock {
    /// Whether the locked file is still the one that others would lock.
    fn is_in(&self, folder: &StorageFolder) -> bool {
        let Self::Held(file) = self else { return true };
        let same = |held: fs::Metadata, named: fs::Metadata| (held.dev(), held.ino()) == (named.dev(), named.ino());
        file.metadata().is_ok_and(|held| fs::symlink_metadata(folder.file(LOCK)).is_ok_and(|named| same(held, named)))
    }
}

/// Whether a gateway gives this name to a file or folder in its data directory.
fn is_known(name: &str) -> bool {
    let name = super::folder::finished_name(name).unwrap_or(name);
    let name = AsideReason::ALL.iter().find_map(|aside| aside.original_of(name)).unwrap_or(name);
    let begins = ["snapshot", "policy-"].iter().any(|beginning| name.starts_with(beginning));
    let is_item = |stem: &str| stem.len() == 32 && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
    begins || [IDENTITY, LOCK, "registry", ".probe"].contains(&name) || name.strip_suffix(".json").is_some_and(is_item)
}

/// Writes this process's number for whoever meets the lock. On a full disk it is not told.
fn note_holder(mut file: File) {
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    if let Err(error) = written {
        tracing::debug!(%error, "the number of this process is not in the lock file");
    }
}

fn holder(mut file: File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(MOST_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
