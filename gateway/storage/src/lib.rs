//! The gateway's files: one door through which everything in a data directory is written and read.
//!
//! What it defends against: disks that are full, read-only, broken or gone; a crash in the middle of a write; files that somebody else
//! put there; a data directory of another cluster, or of another process.
//!
//! - [`StorageFolder`] writes files whole or not at all (a new file, synced, renamed over the former one, the folder synced), for its owner's eyes
//!   only, and follows no symbolic link within the folder. What it cannot use it sets aside, never deletes.
//! - [`FolderClaim`] says whose the folder is, in a file `identity`, and that one process at a time uses it, by a lock.
//! - [`StoragePlace`] is how the parts of the program hold a folder: each use of it makes sure that the claim still holds.
//! - [`sealed`] is the form of small documents: JSON with a version and a checksum.
//!
//! All calls block: whoever serves others meanwhile calls them on a thread of its own. Duty of every writer: a failure that lasts goes on
//! the board of troubles as `storage`, about the file or folder, and is tried again until it works.

mod claim;
mod error;
mod folder;
mod narrow;
mod place;
pub mod sealed;
#[cfg(test)]
mod tests;

pub use claim::{ClaimRefused, ClaimStanding, FolderClaim, FolderOwner, OwnerEvidence};
pub use error::{FileAction, StorageError};
pub use folder::{AsideReason, FolderId, StorageFolder};
pub use place::StoragePlace;

/// How long a writer waits after a failure before it tries again by itself.
pub const TRY_AGAIN: std::time::Duration = std::time::Duration::from_secs(5);

/// A disk that has not answered one write for this long is told as a trouble. Longer than a busy disk takes to sync a large file.
pub const ANSWERS_WITHIN: std::time::Duration = std::time::Duration::from_secs(15);
