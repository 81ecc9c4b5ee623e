//! A folder whose files are private, written whole, and read without following links.
//!
//! A file is replaced in four steps: a new file beside it that did not exist before (`NAME.new`, mode 0600), synced; renamed over the
//! former one; the folder synced. A crash or a full disk leaves the former file or the new one, never a part. What is left of an
//! unfinished write is overwritten by the next one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{FileAction, StorageError};

/// Mode of every file.
const PRIVATE_FILE: u32 = 0o600;
/// Mode of every folder.
const PRIVATE_FOLDER: u32 = 0o700;
/// Ending of a file that is being written.
const UNFINISHED: &str = ".new";
/// Files of one name that are set aside; beyond, the last one is replaced. Enough to see what happened, too few to fill a disk.
const MOST_ASIDE: u32 = 5;

/// Why a file is given another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsideReason {
    /// It cannot be taken for what its name says.
    Refused,
    /// It is good, and nobody knows of it.
    Stray,
}

/// A folder that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageFolder {
    path: PathBuf,
}

/// Which folder it is, whatever its name: another one in its place has another. It holds the folder open, or one that is made after this
/// one was removed could get its number.
#[derive(Clone, Debug)]
pub struct FolderId {
    device: u64,
    inode: u64,
    _held: Arc<File>,
}

impl PartialEq for FolderId {
    fn eq(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// A file that is written and synced, but not in place yet; removed if it is dropped.
#[derive(Debug)]
pub struct StagedFile {
    folder: StorageFolder,
    unfinished: String,
    target: String,
    /// Not in place yet.
    is_loose: bool,
}

impl StorageFolder {
    /// The folder at `path`, made with its parents if it is missing.
    ///
    /// # Errors
    /// It cannot be made, or something else is there.
    pub fn make(path: &Path) -> Result<Self, StorageError> {
        make(path).map_err(StorageError::io(path, FileAction::Made))?;
        Ok(Self { path: path.to_owned() })
    }

    /// The folder at `path`; `None` if there is nothing.
    ///
    /// # Errors
    /// It cannot be looked at, or something else is there.
    pub fn existing(path: &Path) -> Result<Option<Self>, StorageError> {
        match is_folder(path) {
            Ok(true) => Ok(Some(Self { path: path.to_owned() })),
            Ok(false) => Ok(None),
            Err(error) => Err(StorageError::io(path, FileAction::Read)(error)),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file of it is.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Which folder this is now.
    ///
    /// # Errors
    /// It is gone.
    pub fn id(&self) -> Result<FolderId, StorageError> {
        let failed = || StorageError::io(&self.path, FileAction::Read);
        let held = File::open(&self.path).map_err(failed())?;
        let metadata = held.metadata().map_err(failed())?;
        Ok(FolderId { device: metadata.dev(), inode: metadata.ino(), _held: Arc::new(held) })
    }

    /// Names of what is in it, sorted; names that are no UTF-8 are not ours and left out.
    ///
    /// # Errors
    /// It cannot be read to its end.
    pub fn names(&self) -> Result<Vec<String>, StorageError> {
        let failed = || StorageError::io(&self.path, FileAction::Read);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed())? {
            if let Ok(name) = entry.map_err(failed())?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The whole file; `None` if there is none.
    ///
    /// # Errors
    /// It cannot be read, is larger than `most_bytes`, or is no plain file: links are not followed, pipes not waited for.
    pub fn read(&self, name: &str, most_bytes: u64) -> Result<Option<Vec<u8>>, StorageError> {
        let Some((file, length)) = self.open(name)? else { return Ok(None) };
        let path = self.file(name);
        if length > most_bytes {
            return Err(StorageError::TooLarge { path, most_bytes });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        // One byte more than is allowed tells a file that grows while it is read.
        file.take(most_bytes + 1).read_to_end(&mut bytes).map_err(StorageError::io(&path, FileAction::Read))?;
        match bytes.len() as u64 > most_bytes {
            true => Err(StorageError::TooLarge { path, most_bytes }),
            false => Ok(Some(bytes)),
        }
    }

    /// The whole file, to be read by its parts; `None` if there is none. What fails then is [`StorageFolder::unread`].
    ///
    /// # Errors
    /// As [`StorageFolder::read`].
    pub fn reader(&self, name: &str, most_bytes: u64) -> Result<Option<File>, StorageError> {
        let Some((file, length)) = self.open(name)? else { return Ok(None) };
        match length > most_bytes {
            true => Err(StorageError::TooLarge { path: self.file(name), most_bytes }),
            false => Ok(Some(file)),
        }
    }

    /// That a file which [`StorageFolder::reader`] gave could not be read.
    #[must_use]
    pub fn unread(&self, name: &str, error: std::io::Error) -> StorageError {
        StorageError::io(&self.file(name), FileAction::Read)(error)
    }

    /// Opens a plain file for reading; its length beside it.
    pub(super) fn open(&self, name: &str) -> Result<Option<(File, u64)>, StorageError> {
        let path = self.file(name);
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refused(path, FileAction::Read, error)),
        };
        let metadata = file.metadata().map_err(StorageError::io(&path, FileAction::Read))?;
        match metadata.is_file() {
            true => Ok(Some((file, metadata.len()))),
            false if metadata.is_dir() => Err(StorageError::NotAFile { path, what: "a folder, not a file" }),
            false => Err(StorageError::NotAFile { path, what: "no plain file" }),
        }
    }

    /// Opens a file for reading and writing, made empty and private if it is missing.
    pub(super) fn open_or_make(&self, name: &str) -> Result<File, StorageError> {
        let path = self.file(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(PRIVATE_FILE);
        let opened = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&path);
        opened.map_err(|error| refused(path, FileAction::Written, error))
    }

    /// Puts a file in place of the one before, durably.
    ///
    /// # Errors
    /// The former file is untouched, unless only the folder could not be synced: then it may be either after a crash.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        self.stage(name, bytes)?.put_in_place()?;
        self.sync()
    }

    /// Writes and syncs a file without putting it in place.
    ///
    /// # Errors
    /// It cannot be written; nothing of it is left then, so that a full disk does not stay full of it.
    pub fn stage(&self, name: &str, bytes: &[u8]) -> Result<StagedFile, StorageError> {
        self.stage_with(name, |file| file.write_all(bytes))
    }

    /// As [`StorageFolder::stage`], of what `write` writes, as it comes.
    ///
    /// # Errors
    /// Those of `write`, and as above.
    pub fn stage_with(
        &self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<StagedFile, StorageError> {
        let (unfinished, target) = (format!("{name}{UNFINISHED}"), name.to_owned());
        let path = self.file(&unfinished);
        let mut file = self.create_anew(&unfinished)?;
        let staged = StagedFile { folder: self.clone(), unfinished, target, is_loose: true };
        write(&mut file).and_then(|()| file.sync_all()).map_err(StorageError::io(&path, FileAction::Written))?;
        Ok(staged)
    }

    fn create_anew(&self, name: &str) -> Result<File, StorageError> {
        let path = self.file(name);
        let create = || {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(PRIVATE_FILE).custom_flags(libc::O_NOFOLLOW).open(&path)
        };
        let failed = || StorageError::io(&path, FileAction::Written);
        match create() {
            // Left by a crash, or put there: it is nobody's, and a link is not followed by removing it.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if fs::remove_file(&path).is_err() {
                    self.set_aside(name, AsideReason::Stray)?;
                }
                create().map_err(failed())
            }
            created => created.map_err(failed()),
        }
    }

    /// Whether `bytes` more bytes can be written and synced here now.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn probe(&self, bytes: usize) -> Result<(), StorageError> {
        self.stage(".probe", &vec![b'.'; bytes]).map(drop)
    }

    /// Makes what was put in place, renamed or removed outlive a crash.
    ///
    /// # Errors
    /// The disk does not say that it did.
    pub fn sync(&self) -> Result<(), StorageError> {
        match File::open(&self.path).and_then(|folder| folder.sync_all()) {
            // Some file systems have nothing to sync in a folder.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
            synced => synced.map_err(StorageError::io(&self.path, FileAction::Written)),
        }
    }

    /// Gives a file another name in the folder, in place of what has it; not synced. One that does not exist is no error.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), StorageError> {
        absent_is_fine(fs::rename(self.file(from), self.file(to)))
            .map_err(StorageError::io(&self.file(to), FileAction::Written))
    }

    /// Removes a file, not synced. One that does not exist is no error.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), StorageError> {
        let path = self.file(name);
        absent_is_fine(fs::remove_file(&path)).map_err(StorageError::io(&path, FileAction::Removed))
    }

    /// Removes what was refused under this name and set aside, not synced.
    ///
    /// # Errors
    /// Some of it cannot be removed.
    pub fn remove_refused(&self, name: &str) -> Result<(), StorageError> {
        (1..=MOST_ASIDE).try_for_each(|number| self.remove(&AsideReason::Refused.name(name, number)))
    }

    /// Gives what is not to be used a name under which nobody looks for it (`NAME.refused-N`), and tells that name. A link is renamed
    /// itself.
    ///
    /// # Errors
    /// It cannot be renamed; it stays and is refused again.
    pub fn set_aside(&self, name: &str, aside: AsideReason) -> Result<String, StorageError> {
        let free = |aside: &String| fs::symlink_metadata(self.file(aside)).is_err();
        let mut names = (1..=MOST_ASIDE).map(|number| aside.name(name, number));
        let aside = names.find(free).unwrap_or_else(|| aside.name(name, MOST_ASIDE));
        let path = self.file(name);
        fs::rename(&path, self.file(&aside)).map_err(StorageError::io(&path, FileAction::SetAside))?;
        self.sync()?;
        Ok(aside)
    }
}

impl StagedFile {
    /// Renames the file over the former one; a link of that name is replaced itself. Not synced: see [`StorageFolder::sync`].
    ///
    /// # Errors
    /// The former file is untouched.
    pub fn put_in_place(mut self) -> Result<(), StorageError> {
        let (from, to) = (self.folder.file(&self.unfinished), self.folder.file(&self.target));
        let mut renamed = fs::rename(&from, &to);
        if renamed.as_ref().is_err_and(|error| error.kind() == ErrorKind::IsADirectory) {
            self.folder.set_aside(&self.target, AsideReason::Stray)?; // A folder in the place of a file.
            renamed = fs::rename(&from, &to);
        }
        renamed.map_err(StorageError::io(&to, FileAction::Written))?;
        self.is_loose = false;
        Ok(())
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if self.is_loose {
            // What cannot be removed is overwritten by the next write.
            let _ = fs::remove_file(self.folder.file(&self.unfinished));
        }
    }
}

impl AsideReason {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Refused, Self::Stray];

    fn name(self, original: &str, number: u32) -> String {
        format!("{original}{}{number}", self.mark())
    }

    fn mark(self) -> &'static str {
        match self {
            Self::Refused => ".refused-",
            Self::Stray => ".stray-",
        }
    }

    /// The name that a file had before it was set aside; `None` if it was not, or for another reason.
    #[must_use]
    pub fn original_of(self, aside: &str) -> Option<&str> {
        let (name, number) = aside.rsplit_once(self.mark())?;
        number.parse::<u32>().is_ok().then_some(name)
    }
}

/// The name that an unfinished file would have got; `None` for any other name.
#[must_use]
pub(crate) fn finished_name(unfinished: &str) -> Option<&str> {
    unfinished.strip_suffix(UNFINISHED)
}

fn make(path: &Path) -> io::Result<()> {
    if is_folder(path)? {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or(Ok(()), make)?;
    match DirBuilder::new().mode(PRIVATE_FOLDER).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists || !is_folder(path)? => return Err(error),
        _ => {}
    }
    let above = StorageFolder { path: parent.unwrap_or(Path::new(".")).to_owned() };
    above.sync().map_err(|error| match error {
        StorageError::Io { source, .. } => source,
        other => io::Error::other(other),
    })
}

/// Whether there is a folder, or a link to one. An error if there is something else.
fn is_folder(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(true),
        Ok(_) => Err(io::Error::from(ErrorKind::NotADirectory)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn absent_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn refused(path: PathBuf, doing: FileAction, error: io::Error) -> StorageError {
    if error.raw_os_error() == Some(libc::ELOOP) {
        return StorageError::NotAFile { path, what: "a symbolic link, which is not followed" };
    }
    StorageError::Io { path, doing, source: error }
}
