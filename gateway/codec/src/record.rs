//! Records as bytes: keys, values, the header and digests (rules R2 to R4 and R15). Free functions; nothing here fails:
//! what cannot be read becomes [`RecordBody::Unreadable`], because it still is its key's last record.

mod bounds;
mod guard;
mod instance;
mod intents;
mod readings;

use std::sync::Arc;

use bytes::Bytes;
use federation_core::config_item::ConfigItem;
use federation_core::id::ClusterId;
use federation_core::input::{OutgoingCensus, OutgoingCheckpoint, OutgoingRecord, SendId};
use federation_core::instance::{Health, Instance};
use federation_core::intents::verdict::Signed;
use federation_core::locality::Locality;
use federation_core::log::census::Census;
use federation_core::log::control::{ControlKey, ControlValue, Descriptor, ReplicaRecord, ReplicaState};
use federation_core::log::key::{DataKey, RecordKey, partition_of};
use federation_core::log::record::{
    Checkpoint, ControlRecord, Epoch, Record, RecordBody, RecordHeader, SCHEMA, TopicKind,
};
use federation_core::time::{Millis, WallMs};
use federation_proto::federation::log::v1 as proto;
use prost::Message;

use crate::config;
use crate::interner::TextInterner;
use crate::seal::{self, SealKeys};

/// A record, encoded, on its way to an own topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRecord {
    /// Which topic of the own cluster.
    pub topic: TopicKind,
    /// Which partition; 0 in control.
    pub partition: u32,
    /// Key bytes.
    pub key: Bytes,
    /// Value bytes; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Header `f`.
    pub header: [u8; 26],
    /// Header `s`, of orders whose cluster signs them: see [`signature`](crate::signature).
    pub signature: Option<Bytes>,
    /// Header `traceparent`, only when sampled.
    pub traceparent: Option<String>,
    /// Reported back in `LogInput::SendFailed` if it cannot be delivered; `None` for control records and checkpoints.
    pub send: Option<SendId>,
}

/// Name of the header that every record has.
pub const HEADER: &str = "f";
/// Name of the header that carries a sampled trace.
pub const TRACEPARENT: &str = "traceparent";
/// Length of the header `f` in bytes.
pub const HEADER_LENGTH: usize = 26;
/// Parts the fields of a key.
const SEPARATOR_BYTE: u8 = 0x1f;
/// Terms from here on are nobody's: one such record would end all elections.
const TERM_LIMIT: u32 = 1 << 31;

/// A record as it came from the log.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    /// Its place.
    pub offset: u64,
    /// Key bytes; a missing key is an empty one, which no record of the federation has.
    pub key: &'a [u8],
    /// Value bytes; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Bytes of header `f`, if there is one.
    pub header: Option<&'a [u8]>,
}

/// Whose record is encoded, and with which keys: a config item is sealed under the key that it names.
#[derive(Clone, Copy, Debug)]
pub struct RecordSealer<'a> {
    /// The cluster whose topic it is for.
    pub origin: &'a ClusterId,
    /// The keys.
    pub keys: &'a SealKeys,
}

impl RecordSealer<'_> {
    /// Encodes a record of a data topic.
    ///
    /// # Panics
    /// If the body is neither an instance nor a config item nor a tombstone: nothing else is sent under a data key.
    #[must_use]
    pub fn encode(self, outgoing: &OutgoingRecord) -> EncodedRecord {
        let value = match (&outgoing.key, &outgoing.body) {
            (_, RecordBody::Tombstone) => None,
            (_, RecordBody::Instance(instance)) => Some(instance_to_proto(instance).encode_to_vec().into()),
            (DataKey::Config(key), RecordBody::Config(item)) => Some(self.keys.value(self.origin, key, item).into()),
            _ => unreachable!("only instances, config items and tombstones are sent, each under its own kind of key"),
        };
        EncodedRecord {
            topic: outgoing.topic,
            partition: outgoing.partition,
            key: outgoing.key.encode().into(),
            value,
            header: encode_header(&outgoing.header),
            signature: None,
            traceparent: None,
            send: Some(SendId(outgoing.header.seq)),
        }
    }

    /// The [`digest`] of a fact as it is written; of a tombstone, which no digest counts, that of an empty value.
    ///
    /// # Panics
    /// As [`RecordSealer::encode`].
    #[must_use]
    pub fn digest_of(self, outgoing: &OutgoingRecord) -> u128 {
        let record = self.encode(outgoing);
        digest(&record.key, record.value.as_deref().unwrap_or_default())
    }
}

/// Encodes a record of a data topic by whoever has no keys: an item that is to be sealed has nothing in it.
///
/// # Panics
/// As [`RecordSealer::encode`].
#[must_use]
pub fn encode_outgoing(outgoing: &OutgoingRecord) -> EncodedRecord {
    RecordSealer { origin: &nobody(), keys: &SealKeys::default() }.encode(outgoing)
}

/// The digest of what [`encode_outgoing`] gives.
///
/// # Panics
/// As [`RecordSealer::encode`].
#[must_use]
pub fn digest_of(outgoing: &OutgoingRecord) -> u128 {
    RecordSealer { origin: &nobody(), keys: &SealKeys::default() }.digest_of(outgoing)
}

/// Without keys nothing depends on whose record it is.
fn nobody() -> ClusterId {
    "nobody".parse().expect("a cluster may have this id")
}

/// Encodes a checkpoint of a partition of an own data topic.
#[must_use]
pub fn encode_checkpoint(topic: TopicKind, partition: u32, outgoing: &OutgoingCheckpoint) -> EncodedRecord {
    EncodedRecord {
        topic,
        partition,
        key: Bytes::from_static(b"checkpoint"),
        value: Some(checkpoint_value(&outgoing.checkpoint).into()),
        header: encode_header(&outgoing.header),
        signature: None,
        traceparent: None,
        send: None,
    }
}

/// The value of a checkpoint.
pub(crate) fn checkpoint_value(checkpoint: &Checkpoint) -> Vec<u8> {
    let Checkpoint { count, digest, beat, partitions } = *checkpoint;
    proto::Checkpoint { count, digest: digest.to_be_bytes().to_vec(), beat, partitions }.encode_to_vec()
}

/// Encodes the census of one bucket of a partition of an own data topic.
///
/// # Panics
/// Never: a census key has a text.
#[must_use]
pub fn encode_census(topic: TopicKind, partition: u32, outgoing: &OutgoingCensus) -> EncodedRecord {
    let key = RecordKey::Census(outgoing.bucket).encode().expect("a census key has a text");
    let value = proto::Census { key_hashes: outgoing.census.hashes().to_vec() };
    EncodedRecord {
        topic,
        partition,
        key: key.into(),
        value: Some(value.encode_to_vec().into()),
        header: encode_header(&outgoing.header),
        signature: None,
        traceparent: None,
        send: None,
    }
}

/// Encodes a record of the own control topic; `None` for a key or value that this version does not write.
#[must_use]
pub fn encode_control(key: &ControlKey, value: Option<&ControlValue>, header: &RecordHeader) -> Option<EncodedRecord> {
    let value = match value {
        None => None,
        Some(ControlValue::Replica(replica)) => Some(replica_to_proto(replica).encode_to_vec().into()),
        Some(ControlValue::Descriptor(descriptor)) => Some(descriptor_to_proto(descriptor).encode_to_vec().into()),
        Some(ControlValue::Drain(intent)) => Some(intents::drain_to_proto(intent).encode_to_vec().into()),
        Some(ControlValue::Guard(entry)) => Some(guard::guard_to_proto(entry).encode_to_vec().into()),
        Some(ControlValue::Unreadable) => return None,
    };
    Some(EncodedRecord {
        topic: TopicKind::Control,
        partition: 0,
        key: key.encode()?.into(),
        value,
        header: encode_header(header),
        signature: None,
        traceparent: None,
        send: None,
    })
}

/// Encodes header `f`: schema u16, term u32, nonce u32, seq u64, observed u64, all big-endian.
#[must_use]
pub fn encode_header(header: &RecordHeader) -> [u8; HEADER_LENGTH] {
    let mut bytes = [0; HEADER_LENGTH];
    bytes[0..2].copy_from_slice(&header.schema.to_be_bytes());
    bytes[2..6].copy_from_slice(&header.epoch.term.to_be_bytes());
    bytes[6..10].copy_from_slice(&header.epoch.nonce.to_be_bytes());
    bytes[10..18].copy_from_slice(&header.seq.to_be_bytes());
    bytes[18..26].copy_from_slice(&header.observed.0.to_be_bytes());
    bytes
}

/// Reads header `f`; `None` if it is too short or its term is 2³¹ or more. A later schema may append to it.
#[must_use]
pub fn decode_header(bytes: &[u8]) -> Option<RecordHeader> {
    let (schema, rest) = bytes.split_first_chunk()?;
    let (term, rest) = rest.split_first_chunk()?;
    let (nonce, rest) = rest.split_first_chunk()?;
    let (seq, rest) = rest.split_first_chunk()?;
    let (observed, _) = rest.split_first_chunk()?;
    let epoch = Epoch { term: u32::from_be_bytes(*term), nonce: u32::from_be_bytes(*nonce) };
    (epoch.term < TERM_LIMIT).then(|| RecordHeader {
        schema: u16::from_be_bytes(*schema),
        epoch,
        seq: u64::from_be_bytes(*seq),
        observed: WallMs(u64::from_be_bytes(*observed)),
    })
}

/// Digest of a record that is no tombstone: the first 16 bytes of BLAKE3 over length of key (u32, little-endian) · key ·
/// value, read as a big-endian number.
#[must_use]
pub fn digest(key: &[u8], value: &[u8]) -> u128 {
    // Kafka's own limits keep a key far below 4 GiB; a longer one could only be hand-made, and then any number will do.
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&length.to_le_bytes()).update(key).update(value);
    let hash = hasher.finalize();
    let first = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
    u128::from_be_bytes(*first)
}

/// The partition where a well-formed data key belongs among `partitions`: its bytes from the second field to the fourth
/// are hashed as they stand.
#[must_use]
pub fn home_partition(key: &[u8], partitions: u32) -> u32 {
    let name = key.get(2..).unwrap_or_default();
    let separators = name.iter().enumerate().filter(|&(_, byte)| *byte == SEPARATOR_BYTE);
    let end = separators.map(|(at, _)| at).nth(2).unwrap_or(name.len());
    partition_of(&name[..end], partitions.max(1))
}

/// Reads a record of a data topic.
#[must_use]
pub fn decode_record(raw: &RawRecord<'_>, interner: &mut TextInterner) -> Record {
    let record = decode_undigested(raw, interner);
    let digest = match (&record.key, raw.value) {
        (RecordKey::Data(_), Some(value)) => digest(raw.key, value),
        _ => 0,
    };
    Record { digest, ..record }
}

/// As [`decode_record`], for whoever knows the digest: making it costs a third of all. It is 0.
pub(crate) fn decode_undigested(raw: &RawRecord<'_>, interner: &mut TextInterner) -> Record {
    let key = if bounds::is_key(raw.key) { instance::parse_key(raw.key, interner) } else { RecordKey::Malformed };
    let header = raw.header.and_then(decode_header);
    let body = match raw.value {
        None => RecordBody::Tombstone,
        Some(value) if is_readable(header) && bounds::is_value(&key, value) => {
            decode_body(&key, value, interner).unwrap_or(RecordBody::Unreadable)
        }
        Some(_) => RecordBody::Unreadable,
    };
    Record { offset: raw.offset, key, header, body, digest: 0 }
}

/// Reads a record of a control topic. Whether it is signed is left open: see [`SignatureVerifier`](crate::signature::SignatureVerifier).
#[must_use]
pub fn decode_control(raw: &RawRecord<'_>, interner: &mut TextInterner) -> ControlRecord {
    let key = if bounds::is_key(raw.key) { ControlKey::parse(raw.key) } else { ControlKey::Other };
    let header = raw.header.and_then(decode_header);
    let value = raw.value.map(|value| {
        let is_readable = is_readable(header) && bounds::is_control_value(&key, value);
        let readable = is_readable.then(|| decode_control_value(&key, value, interner)).flatten();
        readable.unwrap_or(ControlValue::Unreadable)
    });
    ControlRecord { offset: raw.offset, key, header, value, signed: Signed::Absent }
}

fn is_readable(header: Option<RecordHeader>) -> bool {
    header.is_some_and(|header| (1..=SCHEMA + 1).contains(&header.schema))
}

fn decode_body(key: &RecordKey, value: &[u8], interner: &mut TextInterner) -> Option<RecordBody> {
    match key {
        RecordKey::Data(DataKey::Instance(..)) => instance::decode(value, interner).map(RecordBody::Instance),
        RecordKey::Data(DataKey::Config(_)) => {
            decode_config(value, interner).map(|item| RecordBody::Config(Arc::new(item)))
        }
        RecordKey::Checkpoint => {
            checkpoint_from_proto(&proto::Checkpoint::decode(value).ok()?).map(RecordBody::Checkpoint)
        }
        RecordKey::Census(bucket) => {
            let hashes = proto::Census::decode(value).ok()?.key_hashes;
            Census::of_bucket(*bucket, hashes).map(RecordBody::Census)
        }
        RecordKey::Other | RecordKey::Malformed => None,
    }
}

/// Sealed or not.
fn decode_config(value: &[u8], interner: &mut TextInterner) -> Option<ConfigItem> {
    if seal::is_sealed(value) { seal::decode(value).map(ConfigItem::sealed) } else { config::decode(value, interner) }
}

fn decode_control_value(key: &ControlKey, value: &[u8], interner: &mut TextInterner) -> Option<ControlValue> {
    match key {
        ControlKey::Replica(_) => {
            replica_from_proto(proto::Replica::decode(value).ok()?, interner).map(ControlValue::Replica)
        }
        ControlKey::Descriptor => {
            descriptor_from_proto(proto::Descriptor::decode(value).ok()?, interner).map(ControlValue::Descriptor)
        }
        ControlKey::Drain(_) => {
            intents::drain_from_proto(&proto::DrainIntent::decode(value).ok()?, interner).map(ControlValue::Drain)
        }
        ControlKey::Guard(_) => {
            guard::guard_from_proto(&proto::GuardEntry::decode(value).ok()?, interner).map(ControlValue::Guard)
        }
        ControlKey::Other => None,
    }
}

fn instance_to_proto(instance: &Instance) -> proto::InstanceRecord {
    let health = match instance.health {
        Health::Healthy => proto::Health::Healthy,
        Health::Unhealthy => proto::Health::Unhealthy,
        Health::Unknown => proto::Health::Unknown,
    };
    proto::InstanceRecord {
        weight: instance.weight.get(),
        health: health.into(),
        disabled: !instance.enabled,
        persistent: !instance.ephemeral,
        metadata: instance.metadata.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    }
}

fn checkpoint_from_proto(record: &proto::Checkpoint) -> Option<Checkpoint> {
    let digest = u128::from_be_bytes(record.digest.as_slice().try_into().ok()?);
    Some(Checkpoint { count: record.count, digest, beat: record.beat, partitions: record.partitions })
}

fn replica_to_proto(replica: &ReplicaRecord) -> proto::Replica {
    let state = match replica.state {
        ReplicaState::Standby => proto::ReplicaState::Standby,
        ReplicaState::Leader => proto::ReplicaState::Leader,
        ReplicaState::Stopped => proto::ReplicaState::Stopped,
        ReplicaState::Stranger => proto::ReplicaState::Stranger,
    };
    proto::Replica {
        state: state.into(),
        epoch: Some(proto::Epoch { term: replica.epoch.term, nonce: replica.epoch.nonce }),
        beat: replica.beat,
        warm: replica.warm,
        nacos_age_ms: replica.nacos_age.map(|age| age.0),
        unpublished_age_ms: replica.unpublished_age.0,
        descriptor: Some(descriptor_to_proto(&replica.descriptor)),
        name: replica.name.to_string(),
        advertised: replica.advertised.to_string(),
        complaints: replica.complaints.iter().map(ToString::to_string).collect(),
        readings: replica.readings.iter().map(readings::to_proto).collect(),
    }
}

fn replica_from_proto(record: proto::Replica, interner: &mut TextInterner) -> Option<ReplicaRecord> {
    let state = match record.state() {
        proto::ReplicaState::Unspecified => return None,
        proto::ReplicaState::Standby => ReplicaState::Standby,
        proto::ReplicaState::Leader => ReplicaState::Leader,
        proto::ReplicaState::Stopped => ReplicaState::Stopped,
        proto::ReplicaState::Stranger => ReplicaState::Stranger,
    };
    let epoch = record.epoch.map_or(Epoch::default(), |epoch| Epoch { term: epoch.term, nonce: epoch.nonce });
    if epoch.term >= TERM_LIMIT {
        return None;
    }
    Some(ReplicaRecord {
        state,
        epoch,
        beat: record.beat,
        warm: record.warm,
        nacos_age: record.nacos_age_ms.map(Millis),
        unpublished_age: Millis(record.unpublished_age_ms),
        descriptor: descriptor_from_proto(record.descriptor?, interner)?,
        name: interner.text(&record.name),
        advertised: interner.text(&record.advertised),
        complaints: record.complaints.iter().map(|complaint| interner.text(complaint)).collect(),
        readings: record.readings.into_iter().filter_map(readings::from_proto).collect(),
    })
}

fn descriptor_to_proto(descriptor: &Descriptor) -> proto::Descriptor {
    let part = |part: &Option<Arc<str>>| part.as_ref().map(ToString::to_string);
    let Locality { region, zone, sub_zone, network } = &descriptor.locality;
    proto::Descriptor {
        locality: Some(proto::Locality {
            region: part(region),
            zone: part(zone),
            sub_zone: part(sub_zone),
            network: part(network),
        }),
        nacos_servers: descriptor.nacos_servers.iter().map(ToString::to_string).collect(),
        partitions: descriptor.partitions,
        partition_hash: proto::PartitionHash::Xxh364.into(),
        generation: descriptor.generation,
        reads_schema: descriptor.reads_schema.into(),
        advertise: descriptor.advertise.iter().map(|(network, host)| (network.to_string(), host.to_string())).collect(),
        signing_key: descriptor.signing_key.as_ref().map_or_else(String::new, ToString::to_string),
    }
}

fn descriptor_from_proto(record: proto::Descriptor, interner: &mut TextInterner) -> Option<Descriptor> {
    // With another hash this reader could not tell which records stand where they belong.
    if record.partition_hash() != proto::PartitionHash::Xxh364 {
        return None;
    }
    let locality = record.locality.unwrap_or_default();
    // Somebody else's configuration, perhaps by a version that did not refuse blanks around names.
    let mut part = |part: Option<String>| part.map(|text| interner.text(text.trim())).filter(|text| !text.is_empty());
    let locality = Locality {
        region: part(locality.region),
        zone: part(locality.zone),
        sub_zone: part(locality.sub_zone),
        network: part(locality.network),
    };
    Some(Descriptor {
        locality,
        nacos_servers: record.nacos_servers.iter().map(|server| interner.text(server)).collect(),
        partitions: record.partitions,
        generation: record.generation,
        reads_schema: u16::try_from(record.reads_schema).ok()?,
        advertise: record
            .advertise
            .iter()
            .map(|(network, host)| (interner.text(network), interner.text(host)))
            .collect(),
        signing_key: Some(&*record.signing_key).filter(|key| !key.is_empty()).map(|key| interner.text(key)),
    })
}

#[cfg(test)]
mod tests;
