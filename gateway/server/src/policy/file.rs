//! A policy document on disk, looked at again and again by its content: notifications of file systems do not work on all of them, and
//! not through the links by which Kubernetes mounts config maps.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::document::LARGEST_DOCUMENT_BYTES;
use super::ledger::Said;
use crate::config::text_file;

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
    match text_file::read(path, LARGEST_DOCUMENT_BYTES) {
        Ok(text) => Said::Text(text.into()),
        Err(reason) => Said::Unreadable(Arc::from(reason)),
    }
}

#[cfg(test)]
mod tests {
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
    fn a_file_that_is_not_there_cannot_be_read() {
        assert!(matches!(look(std::path::Path::new("/nowhere")), Said::Unreadable(_)));
    }
}
