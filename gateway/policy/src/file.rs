//! A policy document on disk, looked at again and again by its content: notifications of file systems do not work on all of them, and
//! not through the links by which Kubernetes mounts config maps.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::document::LARGEST_DOCUMENT_BYTES;
use super::ledger::Said;
use federation_document::text_file;

/// How often the file is looked at. Twice this and the time to read it pass until a new version counts.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Decides when what a file holds is worth a word.
pub(super) struct FileWatch {
    path: PathBuf,
    last: Option<Said>,
}

impl FileWatch {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, last: None }
    }

    pub(super) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// What the file holds, once it has held it for two looks: somebody may be writing it.
    pub(super) fn settle(&mut self, said: Said) -> Option<Said> {
        let settled = self.last.as_ref() == Some(&said);
        self.last = Some(said.clone());
        settled.then_some(said)
    }
}

/// Reads the file; blocks. One that is missing cannot be read: whoever wants the defaults back empties it.
pub(super) fn look(path: &std::path::Path) -> Said {
    // A pipe would be waited for, and with it every other source.
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Said::Unreadable("no plain file".into());
    }
    match text_file::read(path, LARGEST_DOCUMENT_BYTES) {
        Ok(text) => Said::Text(text.into()),
        Err(reason) => Said::Unreadable(Arc::from(reason)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_file_counts_once_it_stays_the_same() {
        let mut watch = FileWatch::new("p".into());
        let text = |text: &str| Said::Text(text.into());
        assert_eq!(watch.settle(text("a")), None);
        assert_eq!(watch.settle(text("ab")), None, "it is being written");
        assert_eq!(watch.settle(text("ab")), Some(text("ab")));
        assert_eq!(watch.settle(Said::Unreadable("gone".into())), None, "perhaps it is being replaced");
        assert_eq!(watch.settle(text("ab")), None);
        assert_eq!(watch.settle(text("ab")), Some(text("ab")));
    }

    #[test]
    fn what_is_not_there_or_no_file_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [Path::new("/nowhere"), folder.path(), &pipe] {
            assert!(matches!(look(path), Said::Unreadable(_)), "{path:?}");
        }
    }
}
