//! What the gateway last knew, in a plain file: so that it answers, labelled with its age, when it starts while the log is away.
//!
//! Form: a fixed beginning, then one `OriginSnapshot` message after another, each behind its length, then BLAKE3 over all of that. Two
//! generations are kept; a file that is cut off or changed is passed over for the older one, and never believed in part.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

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

const BEGINNING: &[u8] = b"nacos-fed snapshot 1\n";
const CHECKSUM_LENGTH: usize = 32;
const NEWEST: &str = "snapshot";
const OLDER: &str = "snapshot.old";
const UNFINISHED: &str = "snapshot.new";

/// Why a snapshot could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file or its directory.
    #[error("{path}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is not whole: cut off, changed, or of another version.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
}

/// Writes a new generation: first whole, then in place of the last one, which stays as the older one.
///
/// # Errors
/// If the directory cannot be made or written; the generations before are untouched.
pub fn write(directory: &Path, origins: &[OriginSnapshot]) -> Result<(), SnapshotError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SnapshotError::File { path, source }
    };
    fs::create_dir_all(directory).map_err(failed(directory))?;
    let (newest, older) = (directory.join(NEWEST), directory.join(OLDER));
    let unfinished = directory.join(UNFINISHED);
    let mut file = fs::File::create(&unfinished).map_err(failed(&unfinished))?;
    file.write_all(&encode(origins)).and_then(|()| file.sync_all()).map_err(failed(&unfinished))?;
    if newest.exists() {
        fs::rename(&newest, &older).map_err(failed(&newest))?;
    }
    fs::rename(&unfinished, &newest).map_err(failed(&newest))
}

/// Reads the newest generation that is whole; `None` if there is none. A damaged one is logged and passed over.
#[must_use]
pub fn read(directory: &Path) -> Option<Vec<OriginSnapshot>> {
    for name in [NEWEST, OLDER] {
        match read_file(&directory.join(name)) {
            Ok(origins) => return Some(origins),
            Err(SnapshotError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "snapshot passed over"),
        }
    }
    None
}

fn read_file(path: &Path) -> Result<Vec<OriginSnapshot>, SnapshotError> {
    let bytes = fs::read(path).map_err(|source| SnapshotError::File { path: path.to_owned(), source })?;
    decode(&bytes).map_err(|what| SnapshotError::Damaged { path: path.to_owned(), what })
}

fn encode(origins: &[OriginSnapshot]) -> Vec<u8> {
    let mut bytes = BEGINNING.to_vec();
    for origin in origins {
        to_proto(origin).encode_length_delimited(&mut bytes).expect("a vector grows");
    }
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Result<Vec<OriginSnapshot>, &'static str> {
    let split = bytes.len().checked_sub(CHECKSUM_LENGTH).ok_or("too short")?;
    let (content, checksum) = bytes.split_at(split);
    if blake3::hash(content).as_bytes() != checksum {
        return Err("its checksum does not fit");
    }
    let mut rest = Bytes::copy_from_slice(content.strip_prefix(BEGINNING).ok_or("of another version")?);
    let mut interner = Interner::default();
    let mut origins = Vec::new();
    while !rest.is_empty() {
        let message = proto::OriginSnapshot::decode_length_delimited(&mut rest).map_err(|_| "not a message")?;
        origins.push(from_proto(message, &mut interner).ok_or("not an origin")?);
    }
    Ok(origins)
}

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
    use std::sync::Arc;

    use federation_core::id::{InstanceId, ServiceKey};
    use federation_core::instance::{Health, Instance, Metadata, Weight};
    use federation_core::intents::Counter;
    use federation_core::log::key::DataKey;
    use federation_core::log::record::Body;
    use federation_core::routing::{DrainGuard, Percent};

    use super::*;

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

    fn weight_in(directory: &Path) -> Option<f64> {
        let origins = read(directory)?;
        let (_, Body::Instance(instance), _) = &origins[0].facts[0] else { panic!("not an instance") };
        Some(instance.weight.get())
    }

    #[test]
    fn what_was_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        assert!(read(directory.path()).is_none());
        write(directory.path(), &snapshot(0.5)).unwrap();
        let origins = read(directory.path()).unwrap();
        assert_eq!((origins[0].facts.len(), origins[0].descriptor.as_ref().unwrap().partitions), (1, 8));
        assert_eq!(weight_in(directory.path()), Some(0.5));
        assert_eq!(origins[0].intents, [("frankfurt".parse().unwrap(), drain(), WallMs(6))]);
    }

    #[test]
    fn a_damaged_generation_is_passed_over_for_the_older_one() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), &snapshot(1.0)).unwrap();
        write(directory.path(), &snapshot(2.0)).unwrap();
        let newest = directory.path().join(NEWEST);
        let whole = fs::read(&newest).unwrap();
        let mut changed = whole.clone();
        changed[40] ^= 1;
        for damaged in [&whole[..whole.len() / 2], &changed[..], &[][..]] {
            fs::write(&newest, damaged).unwrap();
            assert_eq!(weight_in(directory.path()), Some(1.0));
        }
    }
}
