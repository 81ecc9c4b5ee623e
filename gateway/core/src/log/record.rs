//! One record of the log as a decoder hands it over: key, header, value and the digest of its raw bytes.

use std::sync::Arc;

use crate::config_item::ConfigItem;
use crate::id::ClusterId;
use crate::instance::Instance;
use crate::intents::verdict::Signed;
use crate::log::census::Census;
use crate::log::control::{ControlKey, ControlValue};
use crate::log::key::RecordKey;
use crate::time::WallMs;

/// The schema of records that this version writes; readers accept the next one, too.
pub const SCHEMA: u16 = 1;

/// Terms above are set aside: at one leadership a second it takes 34 years to get there, so whoever states one has not led. A single
/// absurd term would else be the highest for good, and nobody could ever claim above it.
pub const HIGHEST_TERM: u32 = 1 << 30;

/// One leadership of one cluster: the higher (term, nonce) leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Epoch {
    /// 1 + the highest term seen when it was claimed, at most [`HIGHEST_TERM`].
    pub term: u32,
    /// Random number of the process that leads.
    pub nonce: u32,
}

/// Header `f` of a record (rule R4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RecordHeader {
    /// Version of the record's format.
    pub schema: u16,
    /// Leadership that wrote it.
    pub epoch: Epoch,
    /// One counter for each epoch, growing within each partition.
    pub seq: u64,
    /// When the origin observed the fact.
    pub observed: WallMs,
}

/// The topics of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TopicKind {
    /// Instances.
    Instances,
    /// Config items.
    Configs,
    /// Replicas, descriptor, intents, guard decisions: one partition.
    Control,
}

impl TopicKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Instances, Self::Configs, Self::Control];
    /// The kinds that hold facts from Nacos.
    pub const DATA: [Self; 2] = [Self::Instances, Self::Configs];

    /// The last part of the topic's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instances => "instances",
            Self::Configs => "configs",
            Self::Control => "control",
        }
    }
}

/// One partition of one cluster's topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PartitionId {
    /// Whose topic.
    pub origin: ClusterId,
    /// Which topic.
    pub topic: TopicKind,
    /// Which partition, from 0.
    pub partition: u32,
}

/// A record of a data topic.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Record {
    /// Its place.
    pub offset: u64,
    /// Its key.
    pub key: RecordKey,
    /// `None` if it is missing or not readable: then the value counts as unreadable.
    pub header: Option<RecordHeader>,
    /// Its value.
    pub body: RecordBody,
    /// BLAKE3 (first 128 bits) over length of key (u32 LE) · key · value; meaningless for a tombstone.
    pub digest: u128,
}

/// The value of a data topic's record.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RecordBody {
    /// Null: the key is absent from here on.
    Tombstone,
    /// Bytes that this version cannot read: still the key's last record (rule R3).
    Unreadable,
    /// Value of an `i` key.
    Instance(Arc<Instance>),
    /// Value of a `c` key.
    Config(Arc<ConfigItem>),
    /// Value of the key `checkpoint`.
    Checkpoint(Checkpoint),
    /// Value of a key `census·NN`.
    Census(Census),
}

/// An origin's statement about one of its partitions (rules R15 and R16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Checkpoint {
    /// Number of `i` and `c` keys.
    pub count: u64,
    /// Sum modulo 2¹²⁸ of their records' digests.
    pub digest: u128,
    /// Number of the origin's beat at that time.
    pub beat: u64,
    /// Number of partitions of the topic.
    pub partitions: u32,
}

/// A record of a control topic.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ControlRecord {
    /// Its place.
    pub offset: u64,
    /// Its key.
    pub key: ControlKey,
    /// As in [`Record`].
    pub header: Option<RecordHeader>,
    /// `None` is a tombstone.
    pub value: Option<ControlValue>,
    /// Whether it bears its cluster's signature. Looked for where it is an order.
    #[cfg_attr(feature = "serde", serde(default))]
    pub signed: Signed,
}
