//! The last good document of each source, in the gateway's data directory: so that a restart while Nacos is away, or while the newest
//! document is wrong, changes nothing.
//!
//! Form: one JSON file for each kind of source, put in place whole. What was kept of another file or config item, and what does not fit
//! its checksum, is passed over.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use federation_core::time::WallMs;
use serde::{Deserialize, Serialize};

use super::document;
use super::ledger::Good;
use super::store::PolicySource;

/// Why a document could not be kept or forgotten.
#[derive(Debug, thiserror::Error)]
#[error("{path}")]
pub(super) struct KeepError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

#[derive(Deserialize, Serialize)]
struct Kept {
    /// Which file or config item.
    source: String,
    since_ms: u64,
    /// BLAKE3 of the text.
    checksum: String,
    text: String,
}

/// Keeps a good document in place of the one before.
///
/// # Errors
/// If the directory cannot be made or written; the document before is untouched.
pub(super) fn write(directory: &Path, source: &PolicySource, good: &Good) -> Result<(), KeepError> {
    let path = path_of(directory, source);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| KeepError { path, source }
    };
    let kept = Kept {
        source: source.to_string(),
        since_ms: good.since.0,
        checksum: checksum(&good.text),
        text: good.text.to_string(),
    };
    let bytes = serde_json::to_vec(&kept).expect("a struct of texts and a number");
    fs::create_dir_all(directory).map_err(failed(directory))?;
    let unfinished = path.with_extension("new");
    let mut file = fs::File::create(&unfinished).map_err(failed(&unfinished))?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed(&unfinished))?;
    fs::rename(&unfinished, &path).map_err(failed(&path))
}

/// Forgets what was kept of a source.
///
/// # Errors
/// If it cannot be removed. Not if there is nothing.
pub(super) fn remove(directory: &Path, source: &PolicySource) -> Result<(), KeepError> {
    let path = path_of(directory, source);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(KeepError { path, source: error }),
        _ => Ok(()),
    }
}

/// What was kept of exactly this source; what cannot be used is logged and passed over.
pub(super) fn read(directory: &Path, source: &PolicySource) -> Option<Good> {
    let path = path_of(directory, source);
    let passed_over = |reason: &str| tracing::warn!(path = %path.display(), reason, "kept policy document passed over");
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            passed_over(&error.to_string());
            return None;
        }
    };
    let kept = serde_json::from_slice::<Kept>(&bytes).ok().filter(|kept| kept.checksum == checksum(&kept.text));
    let Some(kept) = kept else {
        passed_over("damaged");
        return None;
    };
    if kept.source != source.to_string() {
        tracing::info!(kept = kept.source, configured = %source, "the policy that was kept is of another source");
        return None;
    }
    match document::from_text(&kept.source, &kept.text) {
        Ok(policies) => {
            Some(Good { text: kept.text.into(), policies: Arc::new(policies), since: WallMs(kept.since_ms) })
        }
        Err(mistakes) => {
            passed_over(&mistakes.to_string()); // Of a version that reads other documents.
            None
        }
    }
}

fn path_of(directory: &Path, source: &PolicySource) -> PathBuf {
    directory.join(format!("policy-{}.json", source.kind()))
}

fn checksum(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(text: &str) -> Good {
        let policies = Arc::new(document::from_text("p", text).unwrap());
        Good { text: text.into(), policies, since: WallMs(7) }
    }

    #[test]
    fn what_was_kept_is_read_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("new");
        let source = PolicySource::File("p.yaml".into());
        assert!(read(&directory, &source).is_none());
        remove(&directory, &source).unwrap();
        write(&directory, &source, &good("stale: keep\n")).unwrap();
        write(&directory, &source, &good("locality: off\n")).unwrap();
        let kept = read(&directory, &source).unwrap();
        assert_eq!((&*kept.text, kept.since), ("locality: off\n", WallMs(7)));
        assert!(read(&directory, &PolicySource::File("q.yaml".into())).is_none(), "another file");
        remove(&directory, &source).unwrap();
        assert!(read(&directory, &source).is_none());
    }

    #[test]
    fn what_is_damaged_or_wrong_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let source = PolicySource::File("p.yaml".into());
        let path = path_of(directory.path(), &source);
        write(directory.path(), &source, &good("stale: keep\n")).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        for damaged in ["", "{}", &whole[..whole.len() / 2], &whole.replace("keep", "drop")] {
            fs::write(&path, damaged).unwrap();
            assert!(read(directory.path(), &source).is_none(), "{damaged}");
        }
        let wrong = Good { text: "stale: drop\n".into(), ..good("") };
        write(directory.path(), &source, &wrong).unwrap();
        assert!(read(directory.path(), &source).is_none());
    }
}
