//! What other clusters write into the log, and the snapshot file.
//!
//! An input of a record is `[length of header][header][length of key, two bytes][key][value]`; without a header if its length is 0, a tombstone
//! if the input ends with its key.

use federation_codec::interner::TextInterner;
use federation_codec::record::{self, EncodedRecord, HEADER_LENGTH, RawRecord};
use federation_codec::snapshot::{self, NoSnapshot, SnapshotContent};
use federation_core::federation::OriginSnapshot;
use federation_core::input::{OutgoingCensus, OutgoingCheckpoint, OutgoingRecord};
use federation_core::log::control::{ControlKey, ControlValue};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::origin::topic_of;
use federation_core::log::record::{Epoch, RecordBody, RecordHeader, SCHEMA, TopicKind};
use federation_core::time::WallMs;

use super::{Checked, Memory, Target, kind_of, same};

/// Headers and keys are copied a few times.
const LITTLE: Memory = Memory { base: 4 << 10, each: 64 };
/// Two bytes of protobuf are an empty entry of a list, of up to a hundred bytes; a check holds several copies.
const PROTOBUF: Memory = Memory { base: 16 << 10, each: 1 << 10 };

const KEYS: &[&[u8]] = &[
    b"\x1f",
    b"i\x1f",
    b"c\x1f",
    b"%1F",
    b"%25",
    b"checkpoint",
    b"replica/",
    b"descriptor",
    b"intent/drain/",
    b"guard/",
    b"/",
];

pub(super) const HEADER: Target =
    Target { name: "header", also: &[], words: &[&[0, 1]], memory: LITTLE, check: header };

fn header(bytes: &[u8]) -> Checked {
    let legal = bytes.len() >= HEADER_LENGTH && bytes[2] < 0x80;
    match record::decode_header(bytes) {
        Some(_) if !legal => Err("a header is read that is too short, or of a term that is nobody's".into()),
        None if legal => Err("a whole header is not read".into()),
        Some(header) => {
            same(
                "written again, a header has other bytes",
                &&record::encode_header(&header)[..],
                &&bytes[..HEADER_LENGTH],
            )?;
            Ok(format!("read, more behind it: {}", bytes.len() > HEADER_LENGTH))
        }
        None => Ok(format!("refused, long enough: {}", bytes.len() >= HEADER_LENGTH)),
    }
}

pub(super) const KEY: Target = Target { name: "key", also: &[], words: KEYS, memory: LITTLE, check: key };

fn key(bytes: &[u8]) -> Checked {
    let (data, control) = (RecordKey::parse(bytes), ControlKey::parse(bytes));
    if let Some(text) = data.encode() {
        same("written again, a key of data has other bytes", &text.as_bytes(), &bytes)?;
    }
    if let Some(text) = control.encode() {
        same("written again, a key of control is another", &ControlKey::parse(text.as_bytes()), &control)?;
    }
    if let RecordKey::Data(key) = &data {
        for partitions in [1, 3, 16, u32::MAX] {
            let homes = (key.partition(partitions), record::home_partition(bytes, partitions));
            same("writer and reader look for a key in different partitions", &homes.0, &homes.1)?;
        }
    }
    let data = match data {
        RecordKey::Data(DataKey::Instance(..)) => "instance",
        RecordKey::Data(DataKey::Config(_)) => "config",
        RecordKey::Checkpoint => "checkpoint",
        RecordKey::Census(_) => "census",
        RecordKey::Other => "other",
        RecordKey::Malformed => "malformed",
    };
    let control = match control {
        ControlKey::Replica(_) => "replica",
        ControlKey::Descriptor => "descriptor",
        ControlKey::Drain(_) => "drain",
        ControlKey::Guard(_) => "guard",
        ControlKey::Other => "other",
    };
    Ok(format!("{data} {control} {}", bytes.iter().filter(|byte| **byte == 0x1f).count()))
}

/// The header of a record that had none when it is written again.
const SOME_HEADER: RecordHeader =
    RecordHeader { schema: SCHEMA, epoch: Epoch { term: 1, nonce: 2 }, seq: 3, observed: WallMs(4) };

fn raw(input: &[u8]) -> RawRecord<'_> {
    let (length, rest) = input.split_first().map_or((0, input), |(length, rest)| (usize::from(*length), rest));
    let (header, rest) = rest.split_at(length.min(rest.len()));
    let (length, rest) =
        rest.split_first_chunk().map_or((0, rest), |(length, rest)| (u16::from_be_bytes(*length).into(), rest));
    let (key, value) = rest.split_at(usize::min(length, rest.len()));
    RawRecord {
        offset: 7,
        key,
        value: Some(value).filter(|value| !value.is_empty()),
        header: Some(header).filter(|header| !header.is_empty()),
    }
}

fn again(encoded: &EncodedRecord) -> RawRecord<'_> {
    RawRecord { offset: 7, key: &encoded.key, value: encoded.value.as_deref(), header: Some(&encoded.header) }
}

pub(super) const DATA_RECORD: Target =
    Target { name: "data-record", also: &[], words: KEYS, memory: PROTOBUF, check: data_record };

fn data_record(input: &[u8]) -> Checked {
    let raw = raw(input);
    let mut interner = TextInterner::default();
    let read = record::decode_record(&raw, &mut interner);
    same("a reader that has seen it reads a record differently", &record::decode_record(&raw, &mut interner), &read)?;
    same("a record has another place", &read.offset, &raw.offset)?;
    let header = read.header.unwrap_or(SOME_HEADER);
    let encoded = match (&read.key, &read.body) {
        (RecordKey::Data(key), RecordBody::Instance(_) | RecordBody::Config(_) | RecordBody::Tombstone) => {
            let (key, body, topic) = (key.clone(), read.body.clone(), topic_of(key));
            Some(record::encode_outgoing(&OutgoingRecord { topic, partition: 0, key, body, header }))
        }
        (RecordKey::Checkpoint, RecordBody::Checkpoint(checkpoint)) => {
            let outgoing = OutgoingCheckpoint { checkpoint: *checkpoint, header };
            Some(record::encode_checkpoint(TopicKind::Instances, 0, &outgoing))
        }
        (RecordKey::Census(bucket), RecordBody::Census(census)) => {
            let outgoing = OutgoingCensus { bucket: *bucket, census: census.clone(), header };
            Some(record::encode_census(TopicKind::Instances, 0, &outgoing))
        }
        _ => None,
    };
    if let Some(encoded) = encoded {
        let written = record::decode_record(&again(&encoded), &mut TextInterner::default());
        same("written again, a record has another key", &written.key, &read.key)?;
        same("written again, a record has another value", &written.body, &read.body)?;
        same("written again, a record has another header", &written.header, &Some(header))?;
        if encoded.value.as_deref() == raw.value {
            same("the same bytes have another digest", &written.digest, &read.digest)?;
        }
    }
    let body = match read.body {
        RecordBody::Tombstone => "tombstone".into(),
        RecordBody::Unreadable => format!("unreadable, of a version that is read: {}", read.header.is_some()),
        RecordBody::Instance(instance) => {
            format!(
                "instance {:?} {} {} {}",
                instance.health,
                instance.enabled,
                instance.ephemeral,
                !instance.metadata.is_empty()
            )
        }
        RecordBody::Config(item) => {
            format!("config {:?} {}", item.content.text().map(str::is_empty).ok(), item.tags.is_empty())
        }
        RecordBody::Checkpoint(_) => "checkpoint".into(),
        RecordBody::Census(census) => format!("census {}", census.hashes().is_empty()),
    };
    Ok(format!("{body} {}", matches!(read.key, RecordKey::Data(_))))
}

pub(super) const CONTROL_RECORD: Target =
    Target { name: "control-record", also: &[], words: KEYS, memory: PROTOBUF, check: control_record };

fn control_record(input: &[u8]) -> Checked {
    let raw = raw(input);
    let read = record::decode_control(&raw, &mut TextInterner::default());
    let header = read.header.unwrap_or(SOME_HEADER);
    if let Some(encoded) = record::encode_control(&read.key, read.value.as_ref(), &header) {
        let written = record::decode_control(&again(&encoded), &mut TextInterner::default());
        same("written again, a record of control has another key", &written.key, &read.key)?;
        same("written again, a record of control has another value", &written.value, &read.value)?;
        same("written again, a record of control has another header", &written.header, &Some(header))?;
    }
    Ok(match read.value {
        None => "tombstone".into(),
        Some(ControlValue::Unreadable) => format!("unreadable {}", matches!(read.key, ControlKey::Other)),
        Some(ControlValue::Replica(replica)) => {
            format!("replica {:?} {} {}", replica.state, replica.warm, replica.complaints.len().min(3))
        }
        Some(ControlValue::Descriptor(descriptor)) => {
            format!("descriptor {} {}", descriptor.advertise.len().min(3), descriptor.nacos_servers.len().min(3))
        }
        Some(ControlValue::Drain(intent)) => format!("drain {:?} ramp: {}", intent.guard, intent.ramp.is_some()),
        Some(ControlValue::Guard(entry)) => format!("guard {}", entry.word.as_str()),
    })
}

pub(super) const SNAPSHOT: Target = Target {
    name: "snapshot",
    also: &[],
    words: &[
        b"nacos-fed snapshot 3\n",
        b"nacos-fed snapshot 2\n",
        b"nacos-fed snapshot 1\n",
        b"\n",
        b"i\x1f",
        b"c\x1f",
        b"intent/drain/",
        b"guard/",
    ],
    memory: PROTOBUF,
    check: snapshot_file,
};

/// An input is a file without its checksum, which hardly any change would leave right.
fn snapshot_file(input: &[u8]) -> Checked {
    let sealed = [input, blake3_of(input).as_slice()].concat();
    let mut damaged = sealed.clone();
    damaged[input.len()] ^= 1;
    if let Ok(snapshot) = snapshot::decode(damaged) {
        return Err(format!("a snapshot whose checksum does not fit is believed: {snapshot:?}"));
    }
    match snapshot::decode(sealed) {
        Ok(SnapshotContent { owner, origins }) => {
            let kept: Vec<_> = origins.iter().map(only_facts).collect();
            let written = snapshot::encode("", &kept);
            let read =
                snapshot::decode(written.clone()).map_err(|error| format!("what was written is refused: {error}"))?;
            same("written again, a snapshot has other bytes", &snapshot::encode("", &read.origins), &written)?;
            let facts: usize = origins.iter().map(|origin| origin.facts.len()).sum();
            let intents: usize = origins.iter().map(|origin| origin.intents.len()).sum();
            Ok(format!("{} {} {} {}", owner.is_some(), origins.len().min(4), facts.min(4), intents.min(4)))
        }
        Err(NoSnapshot::Version(_)) => Ok("another version".into()),
        Err(refused) => Ok(kind_of(&refused.to_string())),
    }
}

/// What a gateway takes into a snapshot: facts, whether their values could be read or not.
fn only_facts(origin: &OriginSnapshot) -> OriginSnapshot {
    let mut kept = origin.clone();
    kept.facts.retain(|it| !matches!(it.body, RecordBody::Tombstone | RecordBody::Checkpoint(_)));
    kept
}

fn blake3_of(bytes: &[u8]) -> [u8; 32] {
    blake3::hash(bytes).into()
}
