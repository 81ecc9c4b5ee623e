//! What the gateway last knew, in a plain file: so that it answers, labelled with its age, when it starts while the log is away.
//!
//! Form: a line with the version, a line with whose it is (`FEDERATION/CLUSTER`), then one `OriginSnapshot` message after another, each
//! behind its length, then BLAKE3 over all of that. Two generations are kept; a file that is cut off, changed, of another version or of
//! another cluster is set aside for the older one, and never believed in part.

use bytes::Bytes;
use federation_core::federation::OriginSnapshot;
use federation_core::federation::input::Outgoing;
use federation_core::intents::{DrainIntent, DrainTarget};
use federation_core::log::control::{ControlKey, ControlValue, Descriptor};
use federation_core::log::key::RecordKey;
use federation_core::log::record::{Epoch, Header, SCHEMA};
use federation_core::time::WallMs;
use federation_proto::federation::log::v1 as proto;
use prost::Message;

use crate::kafka::intern::Interner;
use crate::kafka::wire::{self, RawRecord};
use federation_storage::{Aside, Folder, Owner, Place, StorageError};

/// Before the version, in a line of its own.
const BEGINNING: &[u8] = b"nacos-fed snapshot ";
const VERSION: &str = "2";
/// From before a snapshot named its owner.
const NAMELESS_VERSION: &str = "1";
const CHECKSUM_LENGTH: usize = 32;
/// The newest generation.
pub const NEWEST: &str = "snapshot";
const OLDER: &str = "snapshot.old";
/// Ten times what half a million instances and all their config items need; a larger file is none of ours.
const MOST_BYTES: u64 = 4 << 30;

/// Why a generation is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Nothing is in it.
    #[error("it is empty")]
    Empty,
    /// Something else wrote it.
    #[error("it is no snapshot")]
    Foreign,
    /// Another version of this program wrote it.
    #[error("it is of version {0}, this program reads version {VERSION}")]
    Version(String),
    /// It is cut off, or changed after it was written.
    #[error("it is cut off or damaged: its checksum does not fit")]
    Checksum,
    /// It is whole, and has something in it that is no origin.
    #[error("its content cannot be read")]
    Content,
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

/// One generation as it is on disk.
#[derive(Debug)]
pub struct Generation {
    /// Whose it is, as `FEDERATION/CLUSTER`; `None` if it is from before that was written.
    pub owner: Option<String>,
    /// What was known.
    pub origins: Vec<OriginSnapshot>,
}

/// Writes a new generation: first whole, then in place of the last one, which stays as the older one. Blocks.
///
/// # Errors
/// If the directory cannot be made or written; the generations before are untouched, or the newest of them is the older one now.
pub fn write(place: &Place, origins: &[OriginSnapshot]) -> Result<(), StorageError> {
    let folder = place.to_write()?;
    let staged = folder.stage(NEWEST, &encode(place.owner(), origins))?;
    folder.rename(NEWEST, OLDER)?;
    staged.put_in_place()?;
    folder.sync()
}

/// Reads the newest generation that can be used; `None` if there is none. One that cannot is logged and set aside. Blocks.
#[must_use]
pub fn read(place: &Place) -> Option<Vec<OriginSnapshot>> {
    let folder = match place.to_read() {
        Ok(folder) => folder?,
        Err(error) => {
            tracing::warn!(error = error.told(), "no snapshot can be read");
            return None;
        }
    };
    [NEWEST, OLDER].into_iter().find_map(|name| match read_generation(&folder, name) {
        Ok(generation) => match generation?.judged(place) {
            Ok(origins) => Some(origins),
            Err(reason) => pass_over(&folder, name, &reason),
        },
        Err(reason) => pass_over(&folder, name, &reason),
    })
}

/// The generations of a folder that can be read, the newest first, whosever they are. Blocks.
#[must_use]
pub fn generations(folder: &Folder) -> Vec<Generation> {
    [NEWEST, OLDER].into_iter().filter_map(|name| read_generation(folder, name).ok().flatten()).collect()
}

fn pass_over<T>(folder: &Folder, name: &str, reason: &Unusable) -> Option<T> {
    let path = folder.file(name);
    // What the disk did not give may be good: it stays.
    let aside = match reason {
        Unusable::File(StorageError::Io { .. }) => Ok("where it is".to_owned()),
        _ => folder.set_aside(name, Aside::Refused),
    };
    let aside = aside.unwrap_or_else(|error| error.told());
    tracing::warn!(path = %path.display(), %reason, set_aside = aside, "snapshot refused");
    None
}

impl Generation {
    /// What was known, if it is the own cluster's.
    fn judged(self, place: &Place) -> Result<Vec<OriginSnapshot>, Unusable> {
        match (self.owner, place.owner()) {
            (Some(found), Some(own)) if found != name_of(own) => Err(Unusable::OfAnother(found)),
            (None, Some(_)) if !place.takes_nameless_files() => Err(Unusable::Nameless),
            _ => Ok(self.origins),
        }
    }
}

fn name_of(owner: &Owner) -> String {
    format!("{}/{}", owner.federation, owner.cluster)
}

fn read_generation(folder: &Folder, name: &str) -> Result<Option<Generation>, Unusable> {
    folder.read(name, MOST_BYTES).map_err(Unusable::File)?.map(decode).transpose()
}

fn encode(owner: Option<&Owner>, origins: &[OriginSnapshot]) -> Vec<u8> {
    let mut bytes = BEGINNING.to_vec();
    bytes.extend_from_slice(format!("{VERSION}\n{}\n", owner.map(name_of).unwrap_or_default()).as_bytes());
    for origin in origins {
        to_proto(origin).encode_length_delimited(&mut bytes).expect("a vector grows");
    }
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    bytes
}

fn decode(mut bytes: Vec<u8>) -> Result<Generation, Unusable> {
    if bytes.is_empty() {
        return Err(Unusable::Empty);
    }
    let (version, after) = line(&bytes, bytes.strip_prefix(BEGINNING).ok_or(Unusable::Foreign)?)?;
    let (owner, start) = match &*version {
        NAMELESS_VERSION => (None, after),
        VERSION => {
            let (owner, after) = line(&bytes, &bytes[after..])?;
            (Some(owner).filter(|owner| !owner.is_empty()), after)
        }
        _ => return Err(Unusable::Version(version)),
    };
    let split = bytes.len().checked_sub(CHECKSUM_LENGTH).filter(|split| *split >= start).ok_or(Unusable::Checksum)?;
    if blake3::hash(&bytes[..split]).as_bytes() != &bytes[split..] {
        return Err(Unusable::Checksum);
    }
    bytes.truncate(split);
    let mut rest = Bytes::from(bytes).slice(start..);
    let mut interner = Interner::default();
    let mut origins = Vec::new();
    while !rest.is_empty() {
        let message = proto::OriginSnapshot::decode_length_delimited(&mut rest).map_err(|_| Unusable::Content)?;
        origins.push(from_proto(message, &mut interner).ok_or(Unusable::Content)?);
    }
    Ok(Generation { owner, origins })
}

/// The text up to the end of the line with which `rest` begins, and where in `all` the next line does.
fn line(all: &[u8], rest: &[u8]) -> Result<(String, usize), Unusable> {
    let length = rest.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n').ok_or(Unusable::Checksum)?;
    let text = String::from_utf8_lossy(&rest[..length]).into_owned();
    Ok((text, all.len() - rest.len() + length + 1))
}

/// Two ids of 63 bytes and what is between them.
const LONGEST_LINE: usize = 128;

fn to_proto(snapshot: &OriginSnapshot) -> proto::OriginSnapshot {
    let records = snapshot.facts.iter().map(|(key, body, header)| {
        let known = header.unwrap_or(NO_HEADER);
        let topic = federation_core::log::origin::topic_of(key);
        let outgoing = Outgoing { topic, partition: 0, key: key.clone(), body: body.clone(), header: known };
        let record = wire::encode_outgoing(&outgoing);
        let value = record.value.unwrap_or_default().to_vec();
        proto::SnapshotRecord { key: record.key.to_vec(), value, header: record.header.to_vec() }
    });
    proto::OriginSnapshot {
        origin: snapshot.origin.to_string(),
        last_beat_ms: snapshot.last_beat.map_or(0, |beat| beat.0),
        partitions: snapshot.partitions,
        descriptor: snapshot.descriptor.as_ref().map_or_else(Vec::new, encode_descriptor),
        records: records.collect(),
        intents: snapshot.intents.iter().filter_map(encode_drain).collect(),
    }
}

fn from_proto(message: proto::OriginSnapshot, interner: &mut Interner) -> Option<OriginSnapshot> {
    let mut facts = Vec::with_capacity(message.records.len());
    for stored in &message.records {
        let raw = RawRecord { offset: 0, key: &stored.key, value: Some(&stored.value), header: Some(&stored.header) };
        let record = wire::decode_record(&raw, interner);
        if let RecordKey::Data(key) = record.key {
            facts.push((key, record.body, record.header));
        }
    }
    Some(OriginSnapshot {
        origin: message.origin.parse().ok()?,
        descriptor: decode_descriptor(&message.descriptor, interner),
        last_beat: Some(message.last_beat_ms).filter(|beat| *beat > 0).map(WallMs),
        partitions: message.partitions,
        facts,
        intents: message.intents.iter().filter_map(|stored| decode_drain(stored, interner)).collect(),
    })
}

const NO_HEADER: Header = Header { schema: SCHEMA, epoch: Epoch { term: 0, nonce: 0 }, seq: 0, observed: WallMs(0) };

fn encode_descriptor(descriptor: &Descriptor) -> Vec<u8> {
    let value = ControlValue::Descriptor(descriptor.clone());
    let record = wire::encode_control(&ControlKey::Descriptor, Some(&value), &NO_HEADER);
    record.and_then(|record| record.value).map_or_else(Vec::new, |value| value.to_vec())
}

fn decode_descriptor(bytes: &[u8], interner: &mut Interner) -> Option<Descriptor> {
    let header = wire::encode_header(&NO_HEADER);
    let raw = RawRecord { offset: 0, key: b"descriptor", value: Some(bytes), header: Some(&header) };
    match wire::decode_control(&raw, interner).value {
        Some(ControlValue::Descriptor(descriptor)) if !bytes.is_empty() => Some(descriptor),
        _ => None,
    }
}

fn encode_drain((target, intent, observed): &(DrainTarget, DrainIntent, WallMs)) -> Option<proto::SnapshotRecord> {
    let (key, value) = (ControlKey::Drain(target.clone()), ControlValue::Drain(intent.clone()));
    let record = wire::encode_control(&key, Some(&value), &Header { observed: *observed, ..NO_HEADER })?;
    let value = record.value.unwrap_or_default().to_vec();
    Some(proto::SnapshotRecord { key: record.key.to_vec(), value, header: record.header.to_vec() })
}

fn decode_drain(stored: &proto::SnapshotRecord, interner: &mut Interner) -> Option<(DrainTarget, DrainIntent, WallMs)> {
    let raw = RawRecord { offset: 0, key: &stored.key, value: Some(&stored.value), header: Some(&stored.header) };
    let record = wire::decode_control(&raw, interner);
    match (record.key, record.value, record.header) {
        (ControlKey::Drain(target), Some(ControlValue::Drain(intent)), Some(header)) => {
            Some((target, intent, header.observed))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::sync::Arc;

    use federation_core::id::{InstanceId, ServiceKey};
    use federation_core::instance::{Health, Instance, Metadata, Weight};
    use federation_core::intents::Counter;
    use federation_core::log::key::DataKey;
    use federation_core::log::record::Body;
    use federation_core::routing::{DrainGuard, Percent};

    use super::*;
    use federation_storage::{Claim, Evidence};

    fn snapshot(weight: f64) -> Vec<OriginSnapshot> {
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
            facts: vec![(key, Body::Instance(Arc::new(instance)), None)],
            intents: vec![("frankfurt".parse().unwrap(), drain(), WallMs(6))],
        }]
    }

    fn drain() -> DrainIntent {
        DrainIntent {
            counter: Counter::FIRST,
            percent: Percent::new(30).unwrap(),
            guard: DrainGuard::Force,
            who: "ann".into(),
            why: "maintenance".into(),
            when: WallMs(5),
            replica: 7,
            ramp: None,
        }
    }

    fn weight_in(place: &Place) -> Option<f64> {
        let origins = read(place)?;
        let (_, Body::Instance(instance), _) = &origins[0].facts[0] else { panic!("not an instance") };
        Some(instance.weight.get())
    }

    /// A folder claimed for this cluster, whoever's snapshots are in it.
    fn claimed(folder: &Path, cluster: &str, evidence: Evidence) -> Place {
        let owner = Owner { federation: "f".parse().unwrap(), cluster: cluster.parse().unwrap() };
        let claim = Claim::new(folder.to_owned(), owner, move |_| Ok(evidence.clone()));
        claim.begin().unwrap();
        Place::claimed(Arc::new(claim))
    }

    fn nameless(origins: &[OriginSnapshot]) -> Vec<u8> {
        let mut bytes = b"nacos-fed snapshot 1\n".to_vec();
        origins.iter().for_each(|origin| to_proto(origin).encode_length_delimited(&mut bytes).unwrap());
        let checksum = blake3::hash(&bytes);
        [&bytes, &checksum.as_bytes()[..]].concat()
    }

    #[test]
    fn what_was_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::from(directory.path());
        assert!(read(&place).is_none());
        write(&place, &snapshot(0.5)).unwrap();
        let origins = read(&place).unwrap();
        assert_eq!((origins[0].facts.len(), origins[0].descriptor.as_ref().unwrap().partitions), (1, 8));
        assert_eq!(weight_in(&place), Some(0.5));
        assert_eq!(origins[0].intents, [("frankfurt".parse().unwrap(), drain(), WallMs(6))]);
    }

    #[test]
    fn what_cannot_be_used_is_set_aside_for_the_older_one_with_its_reason() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::from(directory.path());
        let folder = place.to_write().unwrap();
        write(&place, &snapshot(1.0)).unwrap();
        write(&place, &snapshot(2.0)).unwrap();
        let whole = fs::read(folder.file(NEWEST)).unwrap();
        let mut changed = whole.clone();
        changed[60] ^= 1;
        let newer = [b"nacos-fed snapshot 3\n", &whole[BEGINNING.len() + 2..]].concat();
        for (bytes, want) in [
            (&whole[..whole.len() / 2], "it is cut off or damaged: its checksum does not fit"),
            (&changed[..], "it is cut off or damaged: its checksum does not fit"),
            (&whole[..BEGINNING.len()], "it is cut off or damaged: its checksum does not fit"),
            (&[][..], "it is empty"),
            (b"#!/bin/sh\n", "it is no snapshot"),
            (&newer, "it is of version 3, this program reads version 2"),
        ] {
            fs::write(folder.file(NEWEST), bytes).unwrap();
            assert_eq!(read_generation(&folder, NEWEST).unwrap_err().to_string(), want);
            assert_eq!(weight_in(&place), Some(1.0), "{want}");
            assert!(!folder.file(NEWEST).exists(), "{want}: it is not read again");
        }
        let aside = folder.names().unwrap().into_iter().filter(|name| name.starts_with("snapshot.refused-")).count();
        assert_eq!(aside, 5, "so many are kept to be looked at");
        assert_eq!(weight_in(&place), Some(1.0), "the older one stays until there is a newer one");
        write(&place, &snapshot(3.0)).unwrap();
        assert_eq!(weight_in(&place), Some(3.0));
    }

    #[test]
    fn a_link_in_the_place_of_a_snapshot_is_neither_read_nor_written_through() {
        let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (place, there) = (Place::from(directory.path()), Place::from(elsewhere.path()));
        write(&there, &snapshot(9.0)).unwrap();
        let (of_others, before) = (elsewhere.path().join(NEWEST), fs::read(elsewhere.path().join(NEWEST)).unwrap());
        symlink(&of_others, directory.path().join(NEWEST)).unwrap();
        assert_eq!(weight_in(&place), None);
        for link in [NEWEST, OLDER, "snapshot.new"] {
            let _ = fs::remove_file(directory.path().join(link));
            symlink(&of_others, directory.path().join(link)).unwrap();
        }
        write(&place, &snapshot(1.0)).unwrap();
        assert_eq!((weight_in(&place), fs::read(&of_others).unwrap()), (Some(1.0), before));
    }

    #[test]
    fn a_snapshot_of_another_cluster_is_never_taken() {
        let directory = tempfile::tempdir().unwrap();
        let [ours, theirs] = ["a", "b"].map(|name| directory.path().join(name));
        let (place, other) = (claimed(&ours, "a", Evidence::Nothing), claimed(&theirs, "b", Evidence::Nothing));
        write(&place, &snapshot(1.0)).unwrap();
        write(&other, &snapshot(9.0)).unwrap();
        assert_eq!((weight_in(&place), weight_in(&other)), (Some(1.0), Some(9.0)));
        fs::copy(theirs.join(NEWEST), ours.join(NEWEST)).unwrap();
        assert_eq!(weight_in(&place), None);
        assert!(ours.join("snapshot.refused-1").exists());
        fs::write(ours.join(NEWEST), nameless(&snapshot(9.0))).unwrap();
        assert_eq!(weight_in(&place), None, "nobody knows whose it is");
    }

    #[test]
    fn a_snapshot_that_names_nobody_counts_while_its_folder_is_adopted() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(NEWEST), nameless(&snapshot(1.0))).unwrap();
        let place = claimed(directory.path(), "a", Evidence::Agrees);
        assert_eq!(weight_in(&place), Some(1.0));
        write(&place, &snapshot(2.0)).unwrap();
        drop(place);
        assert_eq!(weight_in(&claimed(directory.path(), "a", Evidence::Agrees)), Some(2.0));
    }
}
