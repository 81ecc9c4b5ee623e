//! Why a file or folder cannot be used, with what a person can do about it.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::claim::ClaimRefused;

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAction {
    /// Reading.
    Read,
    /// Writing, or putting in place.
    Written,
    /// Making a folder.
    Made,
    /// Removing.
    Removed,
    /// Renaming to another name, for a person to look at.
    SetAside,
    /// Taking for this process alone.
    Locked,
}

impl fmt::Display for FileAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Written => "written",
            Self::Made => "made",
            Self::Removed => "removed",
            Self::SetAside => "set aside",
            Self::Locked => "locked",
        })
    }
}

/// Why a file or folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The system says no. Tried again: disks get room again.
    #[error("{} cannot be {doing}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What was tried.
        doing: FileAction,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Something else has that name; it was neither read nor followed.
    #[error("{} is {what}", path.display())]
    NotAFile {
        /// Which.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// More than any such file that this program writes.
    #[error("{} is larger than {most_bytes} bytes", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// The limit.
        most_bytes: u64,
    },
    /// The folder is not this gateway's to use.
    #[error(transparent)]
    Claim(#[from] ClaimRefused),
}

impl StorageError {
    pub(super) fn io(path: &Path, doing: FileAction) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, doing, source }
    }

    /// The error, its cause and what to do, in one line for people.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Self::Io { source, .. } => match advice(source.kind()) {
                Some(advice) => format!("{self}: {source}; {advice}"),
                None => format!("{self}: {source}"),
            },
            other => other.to_string(),
        }
    }
}

/// What helps, where that is known.
fn advice(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::StorageFull => "make room on that disk",
        ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => "raise the limit of this user or process, or make room",
        ErrorKind::ReadOnlyFilesystem => "mount it so that it can be written",
        ErrorKind::PermissionDenied => "give the user of this process the right",
        ErrorKind::NotADirectory => "a file is where a folder should be: move it away",
        ErrorKind::NotFound => "make the folder, or mount its disk",
        _ => return None,
    })
}
