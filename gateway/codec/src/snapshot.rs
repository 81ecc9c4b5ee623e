//! What a gateway last knew, as bytes.
//!
//! Form: a line with the version, a line with whose it is (`FEDERATION/CLUSTER`), then one `OriginSnapshot` message after another, each
//! behind its length, then BLAKE3 over all of that. What is cut off, changed, or of another version is never believed in part.

use bytes::Bytes;
use federation_core::federation::OriginSnapshot;
use federation_core::input::OutgoingRecord;
use federation_core::intents::{DrainIntent, DrainTarget};
use federation_core::log::control::{ControlKey, ControlValue, Descriptor};
use federation_core::log::key::RecordKey;
use federation_core::log::record::{Epoch, RecordHeader, SCHEMA};
use federation_core::time::WallMs;
use federation_proto::federation::log::v1 as proto;
use prost::Message;

use crate::interner::TextInterner;
use crate::record::{self, RawRecord};

/// Before the version, in a line of its own.
const BEGINNING: &[u8] = b"nacos-fed snapshot ";
const VERSION: &str = "2";
/// From before a snapshot named its owner.
pub const NAMELESS_VERSION: &str = "1";
const CHECKSUM_LENGTH: usize = 32;

/// A snapshot that was read.
#[derive(Debug)]
pub struct SnapshotContent {
    /// Whose it is, as `FEDERATION/CLUSTER`; `None` if it is from before that was written.
    pub owner: Option<String>,
    /// What was known.
    pub origins: Vec<OriginSnapshot>,
}

/// Why bytes are no snapshot that this program reads.
#[derive(Debug, thiserror::Error)]
pub enum NoSnapshot {
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
}

/// The bytes of a snapshot of these origins. `owner` says whose it is, as `FEDERATION/CLUSTER`; empty if nobody's.
#[must_use]
pub fn encode(owner: &str, origins: &[OriginSnapshot]) -> Vec<u8> {
    let mut bytes = BEGINNING.to_vec();
    bytes.extend_from_slice(format!("{VERSION}\n{owner}\n").as_bytes());
    for origin in origins {
        to_proto(origin).encode_length_delimited(&mut bytes).expect("a vector grows");
    }
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    bytes
}

/// Reads a snapshot, whole or not at all.
///
/// # Errors
/// See [`NoSnapshot`].
pub fn decode(mut bytes: Vec<u8>) -> Result<SnapshotContent, NoSnapshot> {
    if bytes.is_empty() {
        return Err(NoSnapshot::Empty);
    }
    let (version, after) = line(&bytes, bytes.strip_prefix(BEGINNING).ok_or(NoSnapshot::Foreign)?)?;
    let (owner, start) = match &*version {
        NAMELESS_VERSION => (None, after),
        VERSION => {
            let (owner, after) = line(&bytes, &bytes[after..])?;
            (Some(owner).filter(|owner| !owner.is_empty()), after)
        }
        _ => return Err(NoSnapshot::Version(version)),
    };
    let split = bytes.len().checked_sub(CHECKSUM_LENGTH).filter(|split| *split >= start).ok_or(NoSnapshot::Checksum)?;
    if blake3::hash(&bytes[..split]).as_bytes() != &bytes[split..] {
        return Err(NoSnapshot::Checksum);
    }
    bytes.truncate(split);
    let mut rest = Bytes::from(bytes).slice(start..);
    let mut interner = TextInterner::default();
    let mut origins = Vec::new();
    while !rest.is_empty() {
        let message = proto::OriginSnapshot::decode_length_delimited(&mut rest).map_err(|_| NoSnapshot::Content)?;
        origins.push(from_proto(message, &mut interner).ok_or(NoSnapshot::Content)?);
    }
    Ok(SnapshotContent { owner, origins })
}

/// The text up to the end of the line with which `rest` begins, and where in `all` the next line does.
fn line(all: &[u8], rest: &[u8]) -> Result<(String, usize), NoSnapshot> {
    let length = rest.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n').ok_or(NoSnapshot::Checksum)?;
    let text = String::from_utf8_lossy(&rest[..length]).into_owned();
    Ok((text, all.len() - rest.len() + length + 1))
}

/// Two ids of 63 bytes and what is between them.
const LONGEST_LINE: usize = 128;

fn to_proto(snapshot: &OriginSnapshot) -> proto::OriginSnapshot {
    let records = snapshot.facts.iter().map(|(key, body, header)| {
        let known = header.unwrap_or(NO_HEADER);
        let topic = federation_core::log::origin::topic_of(key);
        let outgoing = OutgoingRecord { topic, partition: 0, key: key.clone(), body: body.clone(), header: known };
        let record = record::encode_outgoing(&outgoing);
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

fn from_proto(message: proto::OriginSnapshot, interner: &mut TextInterner) -> Option<OriginSnapshot> {
    let mut facts = Vec::with_capacity(message.records.len());
    for stored in &message.records {
        let raw = RawRecord { offset: 0, key: &stored.key, value: Some(&stored.value), header: Some(&stored.header) };
        let record = record::decode_record(&raw, interner);
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

const NO_HEADER: RecordHeader =
    RecordHeader { schema: SCHEMA, epoch: Epoch { term: 0, nonce: 0 }, seq: 0, observed: WallMs(0) };

fn encode_descriptor(descriptor: &Descriptor) -> Vec<u8> {
    let value = ControlValue::Descriptor(descriptor.clone());
    let record = record::encode_control(&ControlKey::Descriptor, Some(&value), &NO_HEADER);
    record.and_then(|record| record.value).map_or_else(Vec::new, |value| value.to_vec())
}

fn decode_descriptor(bytes: &[u8], interner: &mut TextInterner) -> Option<Descriptor> {
    let header = record::encode_header(&NO_HEADER);
    let raw = RawRecord { offset: 0, key: b"descriptor", value: Some(bytes), header: Some(&header) };
    match record::decode_control(&raw, interner).value {
        Some(ControlValue::Descriptor(descriptor)) if !bytes.is_empty() => Some(descriptor),
        _ => None,
    }
}

fn encode_drain((target, intent, observed): &(DrainTarget, DrainIntent, WallMs)) -> Option<proto::SnapshotRecord> {
    let (key, value) = (ControlKey::Drain(target.clone()), ControlValue::Drain(intent.clone()));
    let record = record::encode_control(&key, Some(&value), &RecordHeader { observed: *observed, ..NO_HEADER })?;
    let value = record.value.unwrap_or_default().to_vec();
    Some(proto::SnapshotRecord { key: record.key.to_vec(), value, header: record.header.to_vec() })
}

fn decode_drain(
    stored: &proto::SnapshotRecord,
    interner: &mut TextInterner,
) -> Option<(DrainTarget, DrainIntent, WallMs)> {
    let raw = RawRecord { offset: 0, key: &stored.key, value: Some(&stored.value), header: Some(&stored.header) };
    let record = record::decode_control(&raw, interner);
    match (record.key, record.value, record.header) {
        (ControlKey::Drain(target), Some(ControlValue::Drain(intent)), Some(header)) => {
            Some((target, intent, header.observed))
        }
        _ => None,
    }
}
