//! What the gateway last knew, in a plain file: so that it answers, labelled with its age, when it starts while the log is away.
//!
//! Two generations are kept; one that cannot be read, or is of another cluster, is set aside for the older one, and never believed in part.

use std::sync::Arc;

use federation_codec::seal::SealKeys;
use federation_codec::snapshot::{self, NAMELESS_VERSION, NoSnapshot, SnapshotContent, SnapshotWriter};
use federation_core::federation::{FrozenPiece, OriginSnapshot};
use federation_storage::{AsideReason, FolderOwner, StorageError, StorageFolder, StoragePlace};

use crate::snapshot_stream::{SnapshotStream, StreamAbandoned};

/// The newest generation.
pub const NEWEST: &str = "snapshot";
const OLDER: &str = "snapshot.old";
/// Ten times what half a million instances and all their config items need; a larger file is none of ours.
const MOST_BYTES: u64 = 4 << 30;

/// Why a generation is not taken.
#[derive(Debug, thiserror::Error)]
pub enum UnusableGeneration {
    /// It cannot be read.
    #[error(transparent)]
    NoSnapshot(#[from] NoSnapshot),
    /// It is of another cluster.
    #[error("it is of {0}")]
    OfAnother(String),
    /// It does not say of which cluster it is, and the folder is not being adopted.
    #[error("it is of version {NAMELESS_VERSION}, which does not say of which cluster it is")]
    Nameless,
    /// The file.
    #[error("{}", .0.told())]
    File(StorageError),
}

/// Why a generation was not written.
#[derive(Debug, thiserror::Error)]
pub enum UnwrittenGeneration {
    /// The disk.
    #[error("{}", .0.told())]
    Storage(StorageError),
    /// The engine.
    #[error(transparent)]
    Abandoned(#[from] StreamAbandoned),
}

impl From<StorageError> for UnwrittenGeneration {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// Writes a new generation as its pieces come, sealed with these keys: first whole, then in place of the last one, which stays as the older one. Blocks.
///
/// # Errors
/// If the directory cannot be made or written, or the engine gives it up; the generations before are untouched, or the newest of them is the older
/// one now.
pub fn write(
    place: &StoragePlace,
    stream: &mut SnapshotStream,
    keys: Arc<SealKeys>,
) -> Result<(), UnwrittenGeneration> {
    write_pieces(place, keys, || stream.next_piece())
}

fn write_pieces(
    place: &StoragePlace,
    keys: Arc<SealKeys>,
    mut next: impl FnMut() -> Result<Option<FrozenPiece>, StreamAbandoned>,
) -> Result<(), UnwrittenGeneration> {
    let folder = place.to_write()?;
    let owner = place.owner().map(name_of).unwrap_or_default();
    let mut abandoned = None;
    let staged = folder.stage_with(NEWEST, |file| {
        let mut writer = SnapshotWriter::begin(file, &owner)?.sealing(keys);
        loop {
            match next() {
                Ok(Some(piece)) => writer.write(&piece)?,
                Ok(None) => return writer.end().map(drop),
                Err(given_up) => {
                    abandoned = Some(given_up);
                    return Ok(());
                }
            }
        }
    })?;
    if let Some(given_up) = abandoned {
        return Err(given_up.into()); // What is staged goes with it.
    }
    folder.rename(NEWEST, OLDER)?;
    staged.put_in_place()?;
    Ok(folder.sync()?)
}

/// Writes a generation of these pieces, as [`write()`] does, without keys: for tests and tools.
///
/// # Errors
/// Those of the disk.
pub fn write_all(place: &StoragePlace, pieces: &[OriginSnapshot]) -> Result<(), UnwrittenGeneration> {
    let mut pieces = pieces.iter();
    write_pieces(place, Arc::default(), || Ok(pieces.next().cloned().map(FrozenPiece::from)))
}

/// Reads the newest generation that can be used, and opens with these keys what is sealed in it; `None` if there is none. One that cannot be
/// used is logged and set aside. Blocks.
#[must_use]
pub fn read(place: &StoragePlace, keys: &SealKeys) -> Option<Vec<OriginSnapshot>> {
    let folder = match place.to_read() {
        Ok(folder) => folder?,
        Err(error) => {
            tracing::warn!(error = error.told(), "no snapshot can be read");
            return None;
        }
    };
    [NEWEST, OLDER].into_iter().find_map(|name| match read_generation(&folder, name, keys) {
        Ok(generation) => match judged(generation?, place) {
            Ok(origins) => Some(origins),
            Err(reason) => pass_over(&folder, name, &reason),
        },
        Err(reason) => pass_over(&folder, name, &reason),
    })
}

/// The generations of a folder that can be read, the newest first, whosever they are. What is sealed in them stays so. Blocks.
#[must_use]
pub fn generations(folder: &StorageFolder) -> Vec<SnapshotContent> {
    let keys = SealKeys::default();
    [NEWEST, OLDER].into_iter().filter_map(|name| read_generation(folder, name, &keys).ok().flatten()).collect()
}

fn pass_over<T>(folder: &StorageFolder, name: &str, reason: &UnusableGeneration) -> Option<T> {
    let path = folder.file(name);
    // What the disk did not give may be good: it stays.
    let aside = match reason {
        UnusableGeneration::File(StorageError::Io { .. }) => Ok("where it is".to_owned()),
        _ => folder.set_aside(name, AsideReason::Refused),
    };
    let aside = aside.unwrap_or_else(|error| error.told());
    tracing::warn!(path = %path.display(), %reason, set_aside = aside, "snapshot refused");
    None
}

/// What was known, if it is the own cluster's.
fn judged(generation: SnapshotContent, place: &StoragePlace) -> Result<Vec<OriginSnapshot>, UnusableGeneration> {
    match (generation.owner, place.owner()) {
        (Some(found), Some(own)) if found != name_of(own) => Err(UnusableGeneration::OfAnother(found)),
        (None, Some(_)) if !place.takes_nameless_files() => Err(UnusableGeneration::Nameless),
        _ => Ok(generation.origins),
    }
}

fn name_of(owner: &FolderOwner) -> String {
    format!("{}/{}", owner.federation, owner.cluster)
}

fn read_generation(
    folder: &StorageFolder,
    name: &str,
    keys: &SealKeys,
) -> Result<Option<SnapshotContent>, UnusableGeneration> {
    let Some(file) = folder.reader(name, MOST_BYTES).map_err(UnusableGeneration::File)? else { return Ok(None) };
    let content = snapshot::read(file, keys).map_err(|error| UnusableGeneration::File(folder.unread(name, error)))?;
    Ok(Some(content?))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use federation_core::id::{InstanceId, ServiceKey};
    use federation_core::instance::{Health, Instance, Metadata, Weight};
    use federation_core::log::key::DataKey;
    use federation_core::log::record::RecordBody;
    use federation_core::routing::{DrainGuard, Percent};

    use federation_core::federation::KeptFact;

    use super::*;
    use federation_core::intents::verdict::Signed;
    use federation_core::intents::{DrainIntent, OrderCounter, OrderGiver};
    use federation_core::log::control::Descriptor;
    use federation_core::log::intents::KeptDrain;
    use federation_core::time::WallMs;
    use federation_storage::{FolderClaim, OwnerEvidence};

    const BEGINNING: &[u8] = b"nacos-fed snapshot ";

    fn origins(weight: f64) -> Vec<OriginSnapshot> {
        let instance = Instance {
            weight: Weight::try_from(weight).unwrap(),
            health: Health::Healthy,
            enabled: true,
            ephemeral: true,
            metadata: [("k", "v")].into_iter().collect::<Metadata>(),
        };
        let key = DataKey::Instance(ServiceKey::new("public", "g", "s"), InstanceId::new("10.0.0.1", 80, "DEFAULT"));
        let descriptor = Descriptor { partitions: 8, generation: 1, reads_schema: 2, ..Descriptor::default() };
        vec![OriginSnapshot {
            origin: "shanghai".parse().unwrap(),
            descriptor: Some(descriptor),
            last_beat: Some(WallMs(7)),
            partitions: 8,
            facts: vec![KeptFact {
                key,
                body: RecordBody::Instance(Arc::new(instance)),
                header: None,
                digest: 7,
                readable: true,
            }],
            intents: vec![kept()],
            places: Vec::new(),
        }]
    }

    fn kept() -> KeptDrain {
        let target = "frankfurt".parse().unwrap();
        KeptDrain { target, intent: drain(), observed: WallMs(6), signed: Signed::Valid }
    }

    fn drain() -> DrainIntent {
        DrainIntent {
            counter: OrderCounter::FIRST,
            percent: Percent::new(30).unwrap(),
            guard: DrainGuard::Force,
            who: "ann".into(),
            why: "maintenance".into(),
            when: WallMs(5),
            replica: 7,
            ramp: None,
            giver: OrderGiver::new("token:ops", "10.0.0.1:5", "token"),
        }
    }

    fn weight_in(place: &StoragePlace) -> Option<f64> {
        let origins = read(place, &SealKeys::default())?;
        let RecordBody::Instance(instance) = &origins[0].facts[0].body else { panic!("not an instance") };
        Some(instance.weight.get())
    }

    /// A folder claimed for this cluster, whoever's snapshots are in it.
    fn claimed(folder: &Path, cluster: &str, evidence: OwnerEvidence) -> StoragePlace {
        let owner = FolderOwner { federation: "f".parse().unwrap(), cluster: cluster.parse().unwrap() };
        let claim = FolderClaim::new(folder.to_owned(), owner, move |_| Ok(evidence.clone()));
        claim.begin().unwrap();
        StoragePlace::claimed(Arc::new(claim))
    }

    /// As version 1 wrote it: without the line that names the owner.
    fn nameless(origins: &[OriginSnapshot]) -> Vec<u8> {
        let now = snapshot::encode("", origins);
        let messages = &now[b"nacos-fed snapshot 3\n\n".len()..now.len() - blake3::OUT_LEN];
        let bytes = [b"nacos-fed snapshot 1\n", messages].concat();
        let checksum = blake3::hash(&bytes);
        [&bytes, &checksum.as_bytes()[..]].concat()
    }

    #[test]
    fn what_was_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let place = StoragePlace::from(directory.path());
        assert!(read(&place, &SealKeys::default()).is_none());
        write_all(&place, &origins(0.5)).unwrap();
        let origins = read(&place, &SealKeys::default()).unwrap();
        assert_eq!((origins[0].facts.len(), origins[0].descriptor.as_ref().unwrap().partitions), (1, 8));
        assert_eq!(weight_in(&place), Some(0.5));
        assert_eq!(origins[0].intents, [kept()]);
    }

    #[test]
    fn what_cannot_be_used_is_set_aside_for_the_older_one_with_its_reason() {
        let directory = tempfile::tempdir().unwrap();
        let place = StoragePlace::from(directory.path());
        let folder = place.to_write().unwrap();
        write_all(&place, &origins(1.0)).unwrap();
        write_all(&place, &origins(2.0)).unwrap();
        let whole = fs::read(folder.file(NEWEST)).unwrap();
        let mut changed = whole.clone();
        changed[60] ^= 1;
        let newer = [b"nacos-fed snapshot 4\n", &whole[BEGINNING.len() + 2..]].concat();
        for (bytes, want) in [
            (&whole[..whole.len() / 2], "it is cut off or damaged: its checksum does not fit"),
            (&changed[..], "it is cut off or damaged: its checksum does not fit"),
            (&whole[..BEGINNING.len()], "it is cut off or damaged: its checksum does not fit"),
            (&[][..], "it is empty"),
            (b"#!/bin/sh\n", "it is no snapshot"),
            (&newer, "it is of version 4, this program reads version 3"),
        ] {
            fs::write(folder.file(NEWEST), bytes).unwrap();
            assert_eq!(read_generation(&folder, NEWEST, &SealKeys::default()).unwrap_err().to_string(), want);
            assert_eq!(weight_in(&place), Some(1.0), "{want}");
            assert!(!folder.file(NEWEST).exists(), "{want}: it is not read again");
        }
        let aside = folder.names().unwrap().into_iter().filter(|name| name.starts_with("snapshot.refused-")).count();
        assert_eq!(aside, 5, "so many are kept to be looked at");
        assert_eq!(weight_in(&place), Some(1.0), "the older one stays until there is a newer one");
        write_all(&place, &origins(3.0)).unwrap();
        assert_eq!(weight_in(&place), Some(3.0));
    }

    #[test]
    fn a_link_in_the_place_of_a_snapshot_is_neither_read_nor_written_through() {
        let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (place, there) = (StoragePlace::from(directory.path()), StoragePlace::from(elsewhere.path()));
        write_all(&there, &origins(9.0)).unwrap();
        let (of_others, before) = (elsewhere.path().join(NEWEST), fs::read(elsewhere.path().join(NEWEST)).unwrap());
        symlink(&of_others, directory.path().join(NEWEST)).unwrap();
        assert_eq!(weight_in(&place), None);
        for link in [NEWEST, OLDER, "snapshot.new"] {
            let _ = fs::remove_file(directory.path().join(link));
            symlink(&of_others, directory.path().join(link)).unwrap();
        }
        write_all(&place, &origins(1.0)).unwrap();
        assert_eq!((weight_in(&place), fs::read(&of_others).unwrap()), (Some(1.0), before));
    }

    #[test]
    fn a_snapshot_of_another_cluster_is_never_taken() {
        let directory = tempfile::tempdir().unwrap();
        let [ours, theirs] = ["a", "b"].map(|name| directory.path().join(name));
        let (place, other) =
            (claimed(&ours, "a", OwnerEvidence::Nothing), claimed(&theirs, "b", OwnerEvidence::Nothing));
        write_all(&place, &origins(1.0)).unwrap();
        write_all(&other, &origins(9.0)).unwrap();
        assert_eq!((weight_in(&place), weight_in(&other)), (Some(1.0), Some(9.0)));
        fs::copy(theirs.join(NEWEST), ours.join(NEWEST)).unwrap();
        assert_eq!(weight_in(&place), None);
        assert!(ours.join("snapshot.refused-1").exists());
        fs::write(ours.join(NEWEST), nameless(&origins(9.0))).unwrap();
        assert_eq!(weight_in(&place), None, "nobody knows whose it is");
    }

    #[test]
    fn a_snapshot_that_names_nobody_counts_while_its_folder_is_adopted() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(NEWEST), nameless(&origins(1.0))).unwrap();
        let place = claimed(directory.path(), "a", OwnerEvidence::Agrees);
        assert_eq!(weight_in(&place), Some(1.0));
        write_all(&place, &origins(2.0)).unwrap();
        drop(place);
        assert_eq!(weight_in(&claimed(directory.path(), "a", OwnerEvidence::Agrees)), Some(2.0));
    }
}
