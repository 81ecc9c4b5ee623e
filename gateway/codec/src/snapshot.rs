//! What a gateway last knew, as bytes.
//!
//! Form: a line with the version, a line with whose it is (`FEDERATION/CLUSTER`), then one `OriginSnapshot` message after another, each
//! behind its length, then BLAKE3 over all of that. What is cut off, changed, or of another version is never believed in part. It is written
//! as it comes, a slice of facts at a time: nowhere is there a second copy of all of it.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use federation_core::federation::{FrozenPiece, KeptFact, OriginSnapshot};
use federation_core::input::OutgoingRecord;
use federation_core::intents::verdict::Signed;
use federation_core::log::control::{ControlKey, ControlValue, Descriptor};
use federation_core::log::cursor::{KeptPlace, LogCursor, LogSource, MetCheckpoint};
use federation_core::log::intents::KeptDrain;
use federation_core::log::key::RecordKey;
use federation_core::log::record::{Epoch, RecordBody, RecordHeader, SCHEMA, TopicKind};
use federation_core::time::WallMs;
use federation_proto::federation::log::v1 as proto;
use prost::Message;

use crate::interner::TextInterner;
use crate::record::{self, RawRecord, RecordSealer};
use crate::seal::SealKeys;

/// Before the version, in a line of its own.
const BEGINNING: &[u8] = b"nacos-fed snapshot ";
const VERSION: &str = "3";
/// From before a snapshot had places: it serves, and the log is read from its beginning.
const PLACELESS_VERSION: &str = "2";
/// From before a snapshot named its owner.
pub const NAMELESS_VERSION: &str = "1";
const CHECKSUM_LENGTH: u64 = blake3::OUT_LEN as u64;
/// Facts that are encoded at once: some hundred kilobytes.
const SLICE: usize = 1_000;

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

/// The bytes of a snapshot of these origins, or pieces of them. `owner` says whose it is, as `FEDERATION/CLUSTER`; empty if nobody's.
#[must_use]
pub fn encode(owner: &str, pieces: &[OriginSnapshot]) -> Vec<u8> {
    let written = SnapshotWriter::begin(Vec::new(), owner).and_then(|mut writer| {
        pieces.iter().try_for_each(|piece| writer.write(&piece.clone().into()))?;
        writer.end()
    });
    written.expect("a vector grows")
}

/// Writes a snapshot piece by piece.
pub struct SnapshotWriter<W> {
    to: W,
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
    keys: Arc<SealKeys>,
}

impl<W: Write> SnapshotWriter<W> {
    /// Begins one. `owner` as in [`encode`].
    ///
    /// # Errors
    /// Those of `to`.
    pub fn begin(to: W, owner: &str) -> io::Result<Self> {
        let keys = Arc::default();
        let mut writer = Self { to, hasher: blake3::Hasher::new(), buffer: BEGINNING.to_vec(), keys };
        writer.buffer.extend_from_slice(format!("{VERSION}\n{owner}\n").as_bytes());
        writer.pass_on()?;
        Ok(writer)
    }

    /// Contents of config items are sealed with these keys: what stands sealed on the log under its own, all else under the one that own items
    /// are sealed with.
    #[must_use]
    pub fn sealing(self, keys: Arc<SealKeys>) -> Self {
        Self { keys, ..self }
    }

    /// Adds a piece.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn write(&mut self, piece: &FrozenPiece) -> io::Result<()> {
        let (mut facts, mut message) = (piece.facts().peekable(), head_to_proto(piece.head()));
        let sealer = RecordSealer { origin: &piece.head().origin, keys: &Arc::clone(&self.keys) };
        loop {
            message.records = facts.by_ref().take(SLICE).map(|fact| fact_to_proto(fact, sealer)).collect();
            message.encode_length_delimited(&mut self.buffer).expect("a vector grows");
            self.pass_on()?;
            if facts.peek().is_none() {
                return Ok(());
            }
            let (origin, partitions) = (message.origin, message.partitions);
            message = proto::OriginSnapshot { origin, partitions, ..Default::default() };
        }
    }

    /// Ends it: without that, what was written is nothing.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn end(mut self) -> io::Result<W> {
        let checksum = self.hasher.finalize();
        self.to.write_all(checksum.as_bytes())?;
        Ok(self.to)
    }

    fn pass_on(&mut self) -> io::Result<()> {
        self.hasher.update(&self.buffer);
        self.to.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Reads a snapshot, whole or not at all. What is sealed in it stays so.
///
/// # Errors
/// See [`NoSnapshot`].
pub fn decode(bytes: Vec<u8>) -> Result<SnapshotContent, NoSnapshot> {
    read(Cursor::new(bytes), &SealKeys::default()).expect("memory can be read")
}

/// Reads a snapshot, whole or not at all, a slice of facts at a time: first all of it for its checksum, then again for what is in it.
/// What these keys open is opened.
///
/// # Errors
/// Those of `from`; inside, see [`NoSnapshot`].
pub fn read(mut from: impl Read + Seek, keys: &SealKeys) -> io::Result<Result<SnapshotContent, NoSnapshot>> {
    let mut beginning = Vec::new();
    from.by_ref().take(LONGEST_BEGINNING).read_to_end(&mut beginning)?;
    let (owner, start) = match begun(&beginning) {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    let length = from.seek(SeekFrom::End(0))?;
    let split = length.checked_sub(CHECKSUM_LENGTH).filter(|split| *split >= start);
    let Some(split) = split else { return Ok(Err(NoSnapshot::Checksum)) };
    let buffer = READ_AT_ONCE.min(usize::try_from(length).unwrap_or(READ_AT_ONCE));
    from.rewind()?;
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut BufReader::with_capacity(buffer, from.by_ref().take(split)), &mut hasher)?;
    let mut checksum = Vec::new();
    from.by_ref().take(CHECKSUM_LENGTH).read_to_end(&mut checksum)?;
    if hasher.finalize().as_bytes() != &*checksum {
        return Ok(Err(NoSnapshot::Checksum));
    }
    from.seek(SeekFrom::Start(start))?;
    let origins = read_origins(BufReader::with_capacity(buffer, from.take(split - start)), keys)?;
    Ok(origins.map(|origins| SnapshotContent { owner, origins }).ok_or(NoSnapshot::Content))
}

/// `None` if something in it is no origin.
fn read_origins<R: Read>(mut rest: BufReader<io::Take<R>>, keys: &SealKeys) -> io::Result<Option<Vec<OriginSnapshot>>> {
    let (mut interner, mut origins, mut message) = (TextInterner::default(), Vec::new(), Vec::new());
    let mut lacking = BTreeSet::new();
    while rest.get_ref().limit() > 0 || !rest.buffer().is_empty() {
        let Some(()) = next_message(&mut rest, &mut message)? else { return Ok(None) };
        let stored = proto::OriginSnapshot::decode(&*message).ok();
        let Some((origin, whole)) = stored.and_then(|it| from_proto(it, keys, &mut interner)) else { return Ok(None) };
        if !whole {
            lacking.insert(origin.origin.clone());
        }
        origins.push(origin);
    }
    for piece in origins.iter_mut().filter(|piece| lacking.contains(&piece.origin)) {
        // What the log has for all to read is read from there.
        piece.places.retain(|place| place.topic != TopicKind::Configs);
    }
    Ok(Some(origins))
}

/// Whose it is, and where its messages begin.
fn begun(bytes: &[u8]) -> Result<(Option<String>, u64), NoSnapshot> {
    if bytes.is_empty() {
        return Err(NoSnapshot::Empty);
    }
    let (version, after) = line(bytes, bytes.strip_prefix(BEGINNING).ok_or(NoSnapshot::Foreign)?)?;
    let (owner, start) = match &*version {
        NAMELESS_VERSION => (None, after),
        PLACELESS_VERSION | VERSION => {
            let (owner, after) = line(bytes, &bytes[after..])?;
            (Some(owner).filter(|owner| !owner.is_empty()), after)
        }
        _ => return Err(NoSnapshot::Version(version)),
    };
    Ok((owner, start as u64))
}

/// Puts the next message, without its length, into `message`. `None` if there is no whole one.
fn next_message(rest: &mut impl Read, message: &mut Vec<u8>) -> io::Result<Option<()>> {
    let (mut length, mut shift) = (0_u64, 0);
    loop {
        let mut byte = [0];
        if rest.read(&mut byte)? == 0 || shift > 56 {
            return Ok(None);
        }
        length |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            break;
        }
        shift += 7;
    }
    message.clear();
    let read = rest.by_ref().take(length).read_to_end(message)?;
    Ok((read as u64 == length).then_some(()))
}

/// The text up to the end of the line with which `rest` begins, and where in `all` the next line does.
fn line(all: &[u8], rest: &[u8]) -> Result<(String, usize), NoSnapshot> {
    let length = rest.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n').ok_or(NoSnapshot::Checksum)?;
    let text = String::from_utf8_lossy(&rest[..length]).into_owned();
    Ok((text, all.len() - rest.len() + length + 1))
}

/// Two ids of 63 bytes and what is between them.
const LONGEST_LINE: usize = 128;
/// The line with the version, and that with the owner.
const LONGEST_BEGINNING: u64 = 3 * LONGEST_LINE as u64;
/// So many bytes are asked of the disk at once, at most.
const READ_AT_ONCE: usize = 256 << 10;

/// A piece without its facts.
fn head_to_proto(snapshot: &OriginSnapshot) -> proto::OriginSnapshot {
    proto::OriginSnapshot {
        origin: snapshot.origin.to_string(),
        last_beat_ms: snapshot.last_beat.map_or(0, |beat| beat.0),
        partitions: snapshot.partitions,
        descriptor: snapshot.descriptor.as_ref().map_or_else(Vec::new, encode_descriptor),
        records: Vec::new(),
        intents: snapshot.intents.iter().filter_map(encode_drain).collect(),
        places: snapshot.places.iter().map(place_to_proto).collect(),
    }
}

fn fact_to_proto(fact: KeptFact, sealer: RecordSealer<'_>) -> proto::SnapshotRecord {
    let KeptFact { key, body, header, digest, readable } = fact;
    let (topic, header) = (federation_core::log::origin::topic_of(&key), header.unwrap_or(NO_HEADER));
    let (body, clear_on_log) = match body {
        RecordBody::Unreadable => (RecordBody::Tombstone, false),
        RecordBody::Config(item) => {
            let (kept, clear_on_log) = sealer.keys.kept(&item);
            (RecordBody::Config(kept), clear_on_log)
        }
        body => (body, false),
    };
    let record = sealer.encode(&OutgoingRecord { topic, partition: 0, key, body, header });
    proto::SnapshotRecord {
        key: record.key.to_vec(),
        value: record.value.map(|value| value.to_vec()),
        header: record.header.to_vec(),
        digest: if digest == 0 { Vec::new() } else { digest.to_be_bytes().to_vec() },
        unreadable: !readable,
        signed: false,
        clear_on_log,
    }
}

fn fact_from_proto(stored: &proto::SnapshotRecord, interner: &mut TextInterner) -> Option<KeptFact> {
    // A value without bytes is not on the wire, like none.
    let value = stored.value.as_deref().unwrap_or_default();
    let raw = RawRecord { offset: 0, key: &stored.key, value: Some(value), header: Some(&stored.header) };
    let record = record::decode_undigested(&raw, interner);
    let RecordKey::Data(key) = record.key else { return None };
    let was_never_read = stored.unreadable && stored.value.is_none();
    let digest = <[u8; 16]>::try_from(&*stored.digest).map_or(0, u128::from_be_bytes);
    let body = if was_never_read { RecordBody::Unreadable } else { record.body };
    // What this version cannot read although it was written as readable is not what the log has.
    let readable = !stored.unreadable && body != RecordBody::Unreadable;
    Some(KeptFact { key, body, header: record.header.filter(|header| *header != NO_HEADER), digest, readable })
}

fn place_to_proto(place: &KeptPlace) -> proto::SnapshotPlace {
    let LogCursor { source: LogSource { kafka, topic, begin }, next_offset, at_end } = &place.cursor;
    proto::SnapshotPlace {
        topic: place.topic.as_str().to_owned(),
        partition: place.partition,
        kafka: kafka.to_string(),
        topic_id: topic.as_ref().map_or_else(String::new, ToString::to_string),
        begin: *begin,
        next_offset: *next_offset,
        at_end_ms: at_end.0,
        count: place.count,
        digest: place.digest.to_be_bytes().to_vec(),
        checkpoint: place.checkpoint.map(|met| proto::MetCheckpoint {
            header: record::encode_header(&met.header).to_vec(),
            value: record::checkpoint_value(&met.stated),
            facts_since: met.facts_since,
        }),
    }
}

/// `None` for one that cannot be read: then the partition is read from its beginning.
fn place_from_proto(stored: &proto::SnapshotPlace, interner: &mut TextInterner) -> Option<KeptPlace> {
    let topic = TopicKind::DATA.into_iter().find(|kind| kind.as_str() == stored.topic)?;
    let source = LogSource {
        kafka: stored.kafka.as_str().into(),
        topic: Some(&*stored.topic_id).filter(|id| !id.is_empty()).map(Into::into),
        begin: stored.begin,
    };
    let checkpoint = stored.checkpoint.as_ref().and_then(|met| {
        let (value, header) = (Some(&*met.value), Some(&*met.header));
        let record = record::decode_record(&RawRecord { offset: 0, key: b"checkpoint", value, header }, interner);
        match (record.body, record.header) {
            (RecordBody::Checkpoint(stated), Some(header)) => {
                Some(MetCheckpoint { header, stated, facts_since: met.facts_since })
            }
            _ => None,
        }
    });
    Some(KeptPlace {
        topic,
        partition: stored.partition,
        cursor: LogCursor { source, next_offset: stored.next_offset, at_end: WallMs(stored.at_end_ms) },
        count: stored.count,
        digest: u128::from_be_bytes(<[u8; 16]>::try_from(&*stored.digest).ok()?),
        checkpoint,
    })
}

/// A piece, and whether it has all that anybody could read on the log.
fn from_proto(
    message: proto::OriginSnapshot,
    keys: &SealKeys,
    interner: &mut TextInterner,
) -> Option<(OriginSnapshot, bool)> {
    let origin = message.origin.parse().ok()?;
    let (mut facts, mut whole) = (Vec::with_capacity(message.records.len()), true);
    for stored in &message.records {
        let Some(mut fact) = fact_from_proto(stored, interner) else { continue };
        whole &= keys.open_fact(&origin, &mut fact, stored.clear_on_log, interner);
        facts.push(fact);
    }
    let piece = OriginSnapshot {
        origin,
        descriptor: decode_descriptor(&message.descriptor, interner),
        last_beat: Some(message.last_beat_ms).filter(|beat| *beat > 0).map(WallMs),
        partitions: message.partitions,
        facts,
        intents: message.intents.iter().filter_map(|stored| decode_drain(stored, interner)).collect(),
        places: message.places.iter().filter_map(|stored| place_from_proto(stored, interner)).collect(),
    };
    Some((piece, whole))
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

fn encode_drain(kept: &KeptDrain) -> Option<proto::SnapshotRecord> {
    let (key, value) = (ControlKey::Drain(kept.target.clone()), ControlValue::Drain(kept.intent.clone()));
    let header = RecordHeader { observed: kept.observed, ..NO_HEADER };
    let record = record::encode_control(&key, Some(&value), &header)?;
    Some(proto::SnapshotRecord {
        key: record.key.to_vec(),
        value: Some(record.value.unwrap_or_default().to_vec()),
        header: record.header.to_vec(),
        signed: kept.signed == Signed::Valid,
        ..Default::default()
    })
}

fn decode_drain(stored: &proto::SnapshotRecord, interner: &mut TextInterner) -> Option<KeptDrain> {
    let raw = RawRecord {
        offset: 0,
        key: &stored.key,
        value: Some(stored.value.as_deref().unwrap_or_default()),
        header: Some(&stored.header),
    };
    let record = record::decode_control(&raw, interner);
    match (record.key, record.value, record.header) {
        (ControlKey::Drain(target), Some(ControlValue::Drain(intent)), Some(header)) => {
            let signed = if stored.signed { Signed::Valid } else { Signed::Absent };
            Some(KeptDrain { target, intent, observed: header.observed, signed })
        }
        _ => None,
    }
}
