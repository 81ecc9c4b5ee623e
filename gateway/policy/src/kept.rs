//! The last good document of each source, in the gateway's data directory: so that a restart while Nacos is away, or while the newest
//! document is wrong, changes nothing.
//!
//! Form: a sealed document (see [`sealed`](federation_storage::sealed)) for each kind of source, in two generations. What was kept of another
//! file or config item is passed over; what is damaged, or of another cluster, is set aside for the generation before.

use std::sync::Arc;

use federation_core::time::WallMs;
use serde::{Deserialize, Serialize};

use super::document;
use super::ledger::Good;
use super::store::PolicySource;
use federation_storage::sealed::{self, UnsealedReason};
use federation_storage::{AsideReason, StorageError, StorageFolder, StoragePlace};

/// A document has at most 1 MiB; JSON makes six bytes of one at worst.
const MOST_BYTES: u64 = 8 << 20;

#[derive(Deserialize, Serialize)]
struct Kept {
    /// `FEDERATION/CLUSTER`; empty where nobody claims the folder.
    owner: String,
    /// Which file or config item.
    source: String,
    since_ms: u64,
    text: String,
}

/// The form from before documents were sealed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unowned {
    source: String,
    since_ms: u64,
    /// BLAKE3 of the text.
    checksum: String,
    text: String,
}

/// Why a generation is not taken.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    /// It is damaged, or of another version.
    #[error(transparent)]
    Unsealed(#[from] UnsealedReason),
    /// It is of another cluster.
    #[error("it is of {0}")]
    OfAnother(String),
    /// It was right once; this version reads other documents.
    #[error("the document is wrong: {0}")]
    Wrong(String),
    /// The file.
    #[error("{}", .0.told())]
    File(StorageError),
}

/// Keeps a good document; the one before stays as the older generation. Blocks.
///
/// # Errors
/// If the directory cannot be made or written; the document before is kept.
pub(super) fn write(place: &StoragePlace, source: &PolicySource, good: &Good) -> Result<(), StorageError> {
    let kept =
        Kept { owner: owner(place), source: source.to_string(), since_ms: good.since.0, text: good.text.to_string() };
    let folder = place.to_write()?;
    let [newest, older] = generations(source);
    let staged = folder.stage(&newest, &sealed::seal(&kept))?;
    folder.rename(&newest, &older)?;
    staged.put_in_place()?;
    folder.sync()
}

/// Forgets what was kept of a source. Blocks.
///
/// # Errors
/// If it cannot be removed. Not if there is nothing.
pub(super) fn remove(place: &StoragePlace, source: &PolicySource) -> Result<(), StorageError> {
    let Some(folder) = place.to_read()? else { return Ok(()) };
    let kept = generations(source);
    if kept.iter().all(|name| !folder.file(name).exists()) {
        return Ok(());
    }
    let folder = place.to_write()?;
    // The older one first: a crash in between must not bring it back.
    kept.iter().rev().try_for_each(|name| folder.remove(name))?;
    folder.sync()
}

/// What was kept of exactly this source; what cannot be used is logged and set aside. Blocks.
pub(super) fn read(place: &StoragePlace, source: &PolicySource) -> Option<Good> {
    let folder = match place.to_read() {
        Ok(folder) => folder?,
        Err(error) => {
            tracing::warn!(error = error.told(), "no kept policy document can be read");
            return None;
        }
    };
    generations(source).iter().find_map(|name| match read_generation(place, &folder, name) {
        Ok(Some(kept)) if kept.source != source.to_string() => {
            tracing::info!(kept = kept.source, configured = %source, "the policy that was kept is of another source");
            None
        }
        Ok(kept) => kept.and_then(|kept| to_good(kept).map_err(|reason| pass_over(&folder, name, &reason)).ok()),
        Err(reason) => {
            pass_over(&folder, name, &reason);
            None
        }
    })
}

/// Where the documents of a source are kept, for the board of troubles.
pub(super) fn path_of(place: &StoragePlace, source: &PolicySource) -> String {
    let [newest, _] = generations(source);
    place.path().join(newest).display().to_string()
}

fn read_generation(place: &StoragePlace, folder: &StorageFolder, name: &str) -> Result<Option<Kept>, Unusable> {
    let Some(bytes) = folder.read(name, MOST_BYTES).map_err(Unusable::File)? else { return Ok(None) };
    let kept = match sealed::unseal::<Kept>(&bytes) {
        Err(UnsealedReason::NoVersion) if place.takes_nameless_files() => unowned(place, &bytes)?,
        kept => kept?,
    };
    match kept.owner == owner(place) {
        true => Ok(Some(kept)),
        false => Err(Unusable::OfAnother(kept.owner)),
    }
}

fn unowned(place: &StoragePlace, bytes: &[u8]) -> Result<Kept, UnsealedReason> {
    let Unowned { source, since_ms, checksum, text } =
        serde_json::from_slice(bytes).map_err(UnsealedReason::NotOurs)?;
    match checksum == blake3::hash(text.as_bytes()).to_string() {
        true => Ok(Kept { owner: owner(place), source, since_ms, text }),
        false => Err(UnsealedReason::Checksum),
    }
}

fn to_good(kept: Kept) -> Result<Good, Unusable> {
    match document::from_text(&kept.source, &kept.text) {
        Ok(policies) => Ok(Good { text: kept.text.into(), policies: Arc::new(policies), since: WallMs(kept.since_ms) }),
        Err(mistakes) => Err(Unusable::Wrong(mistakes.to_string())),
    }
}

fn pass_over(folder: &StorageFolder, name: &str, reason: &Unusable) {
    let path = folder.file(name);
    // What the disk did not give may be good, and another version may read what this one does not: these stay.
    let aside = match reason {
        Unusable::File(StorageError::Io { .. }) | Unusable::Wrong(_) => Ok("where it is".to_owned()),
        _ => folder.set_aside(name, AsideReason::Refused),
    };
    let aside = aside.unwrap_or_else(|error| error.told());
    tracing::warn!(path = %path.display(), %reason, set_aside = aside, "kept policy document refused");
}

fn owner(place: &StoragePlace) -> String {
    place.owner().map_or_else(String::new, |owner| format!("{}/{}", owner.federation, owner.cluster))
}

/// Names of the files of a kind of source: the newest, and the one before.
fn generations(source: &PolicySource) -> [String; 2] {
    ["", ".old"].map(|generation| format!("policy-{}{generation}.json", source.kind()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use federation_storage::{FolderClaim, FolderOwner, OwnerEvidence};

    fn good(text: &str) -> Good {
        let policies = Arc::new(document::from_text("p", text).unwrap());
        Good { text: text.into(), policies, since: WallMs(7) }
    }

    fn file() -> PolicySource {
        PolicySource::File("p.yaml".into())
    }

    fn text_in(place: &StoragePlace) -> Option<String> {
        read(place, &file()).map(|good| good.text.to_string())
    }

    #[test]
    fn what_was_kept_is_read_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let place = StoragePlace::from(folder.path().join("new"));
        assert!(read(&place, &file()).is_none());
        remove(&place, &file()).unwrap();
        write(&place, &file(), &good("stale: keep\n")).unwrap();
        write(&place, &file(), &good("locality: off\n")).unwrap();
        let kept = read(&place, &file()).unwrap();
        assert_eq!((&*kept.text, kept.since), ("locality: off\n", WallMs(7)));
        assert!(read(&place, &PolicySource::File("q.yaml".into())).is_none(), "another file");
        remove(&place, &file()).unwrap();
        assert!(read(&place, &file()).is_none());
    }

    #[test]
    fn what_is_damaged_or_foreign_is_set_aside_for_the_one_before() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        let place = StoragePlace::from(folder.path());
        let [newest, older] = generations(&file()).map(|name| folder.path().join(name));
        write(&place, &file(), &good("stale: keep\n")).unwrap();
        write(&place, &file(), &good("locality: off\n")).unwrap();
        let whole = fs::read_to_string(&newest).unwrap();
        for damaged in ["", "{}", &whole[..whole.len() / 2], &whole.replace("off", "on")] {
            fs::write(&newest, damaged).unwrap();
            assert_eq!(text_in(&place).as_deref(), Some("stale: keep\n"), "{damaged}");
            assert!(!newest.exists(), "{damaged}");
        }
        fs::write(elsewhere.path(), &whole).unwrap();
        symlink(elsewhere.path(), &newest).unwrap();
        assert_eq!(text_in(&place).as_deref(), Some("stale: keep\n"), "a link is not followed");
        fs::remove_file(&older).unwrap();
        let wrong = Good { text: "stale: drop\n".into(), ..good("") };
        write(&place, &file(), &wrong).unwrap();
        assert_eq!((text_in(&place), newest.exists()), (None, true), "another version may read it");
    }

    #[test]
    fn what_was_kept_for_another_cluster_is_never_taken() {
        let folder = tempfile::tempdir().unwrap();
        let claimed = |cluster: &str, evidence: OwnerEvidence| {
            let owner = FolderOwner { federation: "f".parse().unwrap(), cluster: cluster.parse().unwrap() };
            let claim = FolderClaim::new(folder.path().join(cluster), owner, move |_| Ok(evidence.clone()));
            claim.begin().unwrap();
            StoragePlace::claimed(Arc::new(claim))
        };
        let (place, other) = (claimed("a", OwnerEvidence::Nothing), claimed("b", OwnerEvidence::Nothing));
        write(&other, &file(), &good("stale: keep\n")).unwrap();
        assert!(text_in(&other).is_some());
        let [newest, _] = generations(&file());
        fs::copy(other.path().join(&newest), place.path().join(&newest)).unwrap();
        assert_eq!(text_in(&place), None);

        let text = "stale: keep\n";
        let checksum = blake3::hash(text.as_bytes()).to_string();
        let source = file().to_string();
        let nameless = serde_json::json!({"source": source, "since_ms": 7, "checksum": checksum, "text": text});
        fs::write(place.path().join(&newest), nameless.to_string()).unwrap();
        assert_eq!(text_in(&place), None, "nobody knows whose it is");
        fs::create_dir(folder.path().join("c")).unwrap();
        fs::write(folder.path().join("c").join(&newest), nameless.to_string()).unwrap();
        assert_eq!(text_in(&claimed("c", OwnerEvidence::Agrees)).as_deref(), Some(text), "while its folder is adopted");
    }
}
