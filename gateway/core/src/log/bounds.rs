//! What a record may contain: the one place where a record of the log is judged, own or foreign, read or from a snapshot.
//!
//! A record of another cluster is input from strangers. No number in it may allocate, loop, wrap or reign, so each has a bound here; what
//! is beyond it is *set aside*: it counts as a value that cannot be read (rule R3: it still is its key's last record), and it is shown. The
//! bounds on what an origin has in all are kept by whoever folds, by [`OriginBounds`].
//!
//! Invariant: whether a single record is set aside depends on nothing but the record and the bounds, so that all gateways agree.

use std::sync::Arc;

use crate::config_item::ConfigItem;
use crate::guard::GuardEntry;
use crate::instance::Instance;
use crate::intents::{DrainIntent, HIGHEST_COUNTER, LONGEST_TEXT_BYTES};
use crate::log::control::{ControlKey, ControlValue, Descriptor, ReplicaRecord};
use crate::log::key::{DataKey, RecordKey};
use crate::log::record::{ControlRecord, HIGHEST_TERM, Record, RecordBody};
use crate::time::Millis;

/// Texts for people, names of servers, parts of a locality.
const TEXT_BYTES: usize = LONGEST_TEXT_BYTES;
/// Servers, advertised addresses, complaints.
const LIST_ITEMS: usize = 256;
/// Parts of a key: Nacos allows 512 characters at most.
const NAME_BYTES: usize = 4 << 10;
/// Metadata of one instance: Nacos allows 1,024 characters unless it is set otherwise.
const INSTANCE_BYTES: usize = 1 << 20;
/// Content and attributes of a config item: Nacos allows 10 MiB of content.
const CONFIG_BYTES: usize = 12 << 20;
/// Ages are at most this: ten years.
const LONGEST_AGE: Millis = Millis::from_secs(10 * 366 * 86_400);

/// What one origin may put upon those who read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OriginBounds {
    /// Partitions of each data topic.
    pub partitions: u32,
    /// Drains, those of 0 % too.
    pub drains: usize,
    /// Instances and config items.
    pub facts: u64,
    /// Bytes of their values, as kept.
    pub bytes: u64,
}

impl Default for OriginBounds {
    /// Ten times what the largest known deployments have, and some GiB at the worst.
    fn default() -> Self {
        Self { partitions: 1_024, drains: 1_000, facts: 2_000_000, bytes: 4 << 30 }
    }
}

/// Why a record, or a part of one, is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutOfBounds {
    /// A term that nobody can have reached.
    Term,
    /// A counter that nobody can have reached.
    Counter,
    /// No partitions, or more than are read.
    Partitions,
    /// A text or list that is longer than any true one.
    Length,
    /// A value larger than Nacos can have.
    Size,
    /// More drains than are kept of one origin.
    Drains,
    /// Censuses that cost more than what else is read of their origin allows.
    Censuses,
}

impl OutOfBounds {
    /// For people, after "records of … are set aside: ".
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Term => "a term that nobody can have reached",
            Self::Counter => "a drain's counter that nobody can have reached",
            Self::Partitions => "a number of partitions that is not read",
            Self::Length => "a text or list that is too long",
            Self::Size => "a value that is larger than nacos can have",
            Self::Drains => "more drains than are kept of one cluster",
            Self::Censuses => "censuses that come too fast",
        }
    }
}

/// Judges a record of a control topic; what is out of bounds becomes unreadable. Ages saturate.
pub fn judge_control(record: &mut ControlRecord, bounds: &OriginBounds) -> Option<OutOfBounds> {
    if record.header.is_some_and(|header| header.epoch.term > HIGHEST_TERM) {
        record.header = None;
    }
    let found = match record.value.as_mut()? {
        ControlValue::Replica(replica) => judge_replica(replica, bounds),
        ControlValue::Descriptor(descriptor) => judge_descriptor(descriptor, bounds),
        ControlValue::Drain(intent) => judge_drain(&record.key, intent),
        ControlValue::Guard(entry) => judge_guard(&record.key, entry),
        ControlValue::Unreadable => None,
    };
    if found.is_some() {
        record.value = Some(ControlValue::Unreadable);
    }
    found
}

/// Judges a record of a data topic; a value that is out of bounds becomes unreadable, a key malformed.
pub fn judge_record(record: &mut Record) -> Option<OutOfBounds> {
    let key = match &record.key {
        RecordKey::Data(key) => key,
        RecordKey::Checkpoint | RecordKey::Census(_) | RecordKey::Other | RecordKey::Malformed => {
            return judge_header(record);
        }
    };
    if !is_key_in_bounds(key) {
        record.key = RecordKey::Malformed;
        return Some(OutOfBounds::Length);
    }
    let limit = if matches!(key, DataKey::Instance(..)) { INSTANCE_BYTES } else { CONFIG_BYTES };
    if value_bytes(&record.body) > limit as u64 {
        record.body = RecordBody::Unreadable;
        return Some(OutOfBounds::Size);
    }
    judge_header(record)
}

/// An absurd term in a header makes nobody a leader: the header counts as missing.
fn judge_header(record: &mut Record) -> Option<OutOfBounds> {
    let absurd = record.header.is_some_and(|header| header.epoch.term > HIGHEST_TERM);
    if absurd {
        record.header = None;
    }
    absurd.then_some(OutOfBounds::Term)
}

fn is_key_in_bounds(key: &DataKey) -> bool {
    let parts = match key {
        DataKey::Instance(service, id) => {
            [service.namespace(), service.group(), service.service(), &id.ip, &id.nacos_cluster]
        }
        DataKey::Config(config) => [config.namespace(), config.group(), config.data_id(), "", ""],
    };
    parts.into_iter().all(|part| part.len() <= NAME_BYTES)
}

/// Bytes of a value, as they are kept.
#[must_use]
pub fn value_bytes(body: &RecordBody) -> u64 {
    match body {
        RecordBody::Instance(instance) => instance_bytes(instance),
        RecordBody::Config(item) => config_bytes(item),
        RecordBody::Tombstone | RecordBody::Unreadable | RecordBody::Checkpoint(_) | RecordBody::Census(_) => 0,
    }
}

/// As [`value_bytes`], of an instance.
#[must_use]
pub fn instance_bytes(instance: &Instance) -> u64 {
    instance.metadata.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum()
}

/// As [`value_bytes`], of a config item.
#[must_use]
pub fn config_bytes(item: &ConfigItem) -> u64 {
    let content = item.content.text().map_or_else(|sealed| sealed.bytes.len(), str::len) as u64;
    let texts = [&item.encrypted_data_key, &item.description, &item.tags, &item.application];
    content + texts.into_iter().map(|text| text.len() as u64).sum::<u64>()
}

fn judge_replica(replica: &mut ReplicaRecord, bounds: &OriginBounds) -> Option<OutOfBounds> {
    replica.nacos_age = replica.nacos_age.map(|age| age.min(LONGEST_AGE));
    replica.unpublished_age = replica.unpublished_age.min(LONGEST_AGE);
    for link in replica.readings.iter_mut().filter_map(|reading| reading.link.as_mut()) {
        link.age = link.age.map(|age| age.min(LONGEST_AGE));
    }
    if replica.epoch.term > HIGHEST_TERM {
        return Some(OutOfBounds::Term);
    }
    let texts = [&replica.name, &replica.advertised].into_iter().chain(&replica.complaints);
    let too_many = replica.complaints.len() > LIST_ITEMS || replica.readings.len() > LIST_ITEMS;
    if too_many || texts.into_iter().any(is_too_long) {
        return Some(OutOfBounds::Length);
    }
    // A standby that knows nothing yet may describe nothing.
    let described = replica.descriptor != Descriptor::default();
    described.then(|| judge_descriptor(&replica.descriptor, bounds)).flatten()
}

/// Judges what a cluster says that it is.
#[must_use]
pub fn judge_descriptor(descriptor: &Descriptor, bounds: &OriginBounds) -> Option<OutOfBounds> {
    if !(1..=bounds.partitions).contains(&descriptor.partitions) {
        return Some(OutOfBounds::Partitions);
    }
    let place = &descriptor.locality;
    let places = [&place.region, &place.zone, &place.sub_zone, &place.network].into_iter().flatten();
    let addresses = descriptor.advertise.iter().flat_map(|(network, address)| [network, address]);
    let mut texts = places.chain(&descriptor.nacos_servers).chain(addresses).chain(&descriptor.signing_key);
    let too_long = texts.any(is_too_long);
    let too_many = descriptor.nacos_servers.len() > LIST_ITEMS || descriptor.advertise.len() > LIST_ITEMS;
    (too_long || too_many).then_some(OutOfBounds::Length)
}

fn judge_drain(key: &ControlKey, intent: &DrainIntent) -> Option<OutOfBounds> {
    if intent.counter.get() > HIGHEST_COUNTER {
        return Some(OutOfBounds::Counter);
    }
    let target = if let ControlKey::Drain(target) = key { target.to_string().len() } else { 0 };
    let mut texts = [&intent.who, &intent.why].into_iter().chain(intent.giver.parts());
    (target > 2 * NAME_BYTES || texts.any(is_too_long)).then_some(OutOfBounds::Length)
}

fn judge_guard(key: &ControlKey, entry: &GuardEntry) -> Option<OutOfBounds> {
    if entry.counter.get() > HIGHEST_COUNTER {
        return Some(OutOfBounds::Counter);
    }
    let target = if let ControlKey::Guard(target) = key { target.to_string().len() } else { 0 };
    let mut texts = [&entry.who, &entry.why].into_iter().chain(entry.giver.parts());
    (target > NAME_BYTES || texts.any(is_too_long)).then_some(OutOfBounds::Length)
}

fn is_too_long(text: &Arc<str>) -> bool {
    text.len() > TEXT_BYTES
}
