//! What the owner of the state is told, and what it wants done.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::comparison::ComparisonRefused;
use crate::config_item::{ConfigItem, SealPolicy};
use crate::drains::TakenOrder;
use crate::guard::{GuardOrder, GuardRefused, GuardTaken};
use crate::id::{ClusterId, ConfigKey, InstanceId, ServiceKey};
use crate::instance::Instance;
use crate::intents::{DrainOrder, DrainRefused};
use crate::log::belonging::{AdoptRefused, Adopted};
use crate::log::census::Census;
use crate::log::control::{ControlKey, ControlValue};
use crate::log::cursor::LogSource;
use crate::log::key::DataKey;
use crate::log::record::{Checkpoint, ControlRecord, Epoch, PartitionId, Record, RecordBody, RecordHeader, TopicKind};
use crate::time::Mono;

/// One thing that happened. Each is true at the `now` that it is handed over with.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Input {
    /// The local Nacos said something, or its connection changed.
    Local(LocalInput),
    /// The federation log said something, or its connection changed.
    Log(LogInput),
    /// Somebody of this cluster orders something.
    Order(OperatorOrder),
    /// What is sealed, and what was found in it.
    Seal(SealInput),
    /// Somebody is about to be told how fresh the clusters are: they are judged as of now.
    Look,
    /// Time passed; due at the latest at `next_deadline`.
    Tick,
    /// The process is about to end: say so in the log.
    Stop,
}

/// News of keys and of sealed contents, from whoever has the keys.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SealInput {
    /// Contents of own config items are written so from now on.
    Policy(SealPolicy),
    /// These were tried with their key, which came after their records.
    Opened(Vec<OpenedItem>),
}

/// What was found in a sealed item.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OpenedItem {
    /// Whose it is.
    pub origin: ClusterId,
    /// Its name.
    pub key: ConfigKey,
    /// The item as it was handed out: it counts only while that is what is there.
    pub sealed: Arc<ConfigItem>,
    /// The item behind it, or that it cannot be opened.
    pub opened: Arc<ConfigItem>,
}

/// What people of the own cluster order.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum OperatorOrder {
    /// A drain, or its end. Answered by [`Effect::Answer`], whether this process leads or not: a cluster whose Nacos is dead has no leader.
    Drain {
        /// Names the order in its answer.
        id: OrderId,
        /// What is ordered.
        order: DrainOrder,
    },
    /// The cluster is what this process is configured to be, whatever the log says (rule R13). Answered by [`Effect::Adopted`].
    Adopt {
        /// Names the order in its answer.
        id: OrderId,
    },
    /// A decision about a hold of any cluster. Answered by [`Effect::GuardAnswer`], whether this process leads or not.
    Guard {
        /// Names the order in its answer.
        id: OrderId,
        /// What is decided.
        order: GuardOrder,
    },
    /// The own log is compared with what the own Nacos answers when it is asked anew. Answered by [`Effect::ComparisonBegun`].
    Compare {
        /// Names the order in its answer.
        id: OrderId,
    },
    /// From now on nothing of these clusters counts: no instance is shown, no drain is in force. It overrules whatever they write, and the
    /// configuration. The own cluster cannot be excluded.
    Exclude(BTreeSet<ClusterId>),
}

/// Names one order of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OrderId(pub u64);

/// News from the adapter of the local Nacos.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LocalInput {
    /// A connection was set up. What was read before stays; removals are held anew.
    Connected,
    /// The connection ended. Nothing is known to have changed.
    Disconnected {
        /// For people.
        reason: Arc<str>,
    },
    /// Nacos answered something: its word is as young as this moment.
    Heard,
    /// All that was asked to be watched has been answered once, or refused, since the connection was set up.
    Answered,
    /// A service exists, or may exist: a name from a list, a fuzzy watch, or the like.
    Discovered(ServiceKey),
    /// The complete list of services of one namespace. Not to be sent for an incomplete one.
    Catalog {
        /// The namespace, as in service keys.
        namespace: Arc<str>,
        /// All of its services.
        services: Vec<ServiceKey>,
    },
    /// A push, or the answer to a subscription or query: the enabled instances.
    Listed {
        /// Whose.
        service: ServiceKey,
        /// Enabled instances, each id once. With `protected` their health is not true.
        instances: Vec<(InstanceId, Instance)>,
        /// Nacos declared all instances healthy because too few are.
        protected: bool,
    },
    /// Nacos acknowledged what this gateway wrote for a client: it is so, although lists may say otherwise for a while.
    Acknowledged {
        /// Where.
        service: ServiceKey,
        /// Registered from now on, each id once.
        registered: Vec<(InstanceId, Instance)>,
        /// Not registered by that client any more; by another one perhaps.
        withdrawn: Vec<InstanceId>,
    },
    /// The answer to [`Effect::ReadService`].
    Read {
        /// Whose.
        service: ServiceKey,
        /// What was learnt.
        reading: ServiceReading,
    },
    /// A config item was read, on request or because it changed.
    Config {
        /// Which.
        key: ConfigKey,
        /// What was learnt.
        reading: ConfigReading,
    },
}

impl LocalInput {
    /// Whether Nacos said this to whom watches it: what was asked in vain, and what it said to a client, is no word of it.
    #[must_use]
    pub fn is_word(&self) -> bool {
        match self {
            Self::Disconnected { .. } | Self::Discovered(_) | Self::Acknowledged { .. } => false,
            Self::Read { reading, .. } => *reading != ServiceReading::Failed,
            Self::Config { reading, .. } => *reading != ConfigReading::Failed,
            _ => true,
        }
    }
}

/// What a fresh read of a service told.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ServiceReading {
    /// All instances, disabled ones too, with their true health.
    All(Vec<(InstanceId, Instance)>),
    /// The account may not read disabled instances; these are the enabled ones, their health not true if `protected`.
    EnabledOnly {
        /// Enabled instances.
        instances: Vec<(InstanceId, Instance)>,
        /// As in [`LocalInput::Listed`].
        protected: bool,
    },
    /// No answer that could be trusted. Nothing is known to have changed.
    Failed,
}

/// What reading a config item told.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ConfigReading {
    /// It exists.
    Item(Arc<ConfigItem>),
    /// Nacos answered that there is none.
    Absent,
    /// No answer that could be trusted. Nothing is known to have changed.
    Failed,
}

/// News from the adapter of the federation log.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LogInput {
    /// The topics of these clusters exist, with their number of partitions. The set only ever grows.
    Members(Vec<(ClusterId, u32)>),
    /// Records of a data partition, in their order.
    Records {
        /// Where they stand.
        partition: PartitionId,
        /// At least one, offsets growing.
        records: Vec<Record>,
    },
    /// Records of a control topic, in their order.
    Control {
        /// Whose topic.
        origin: ClusterId,
        /// At least one, offsets growing.
        records: Vec<ControlRecord>,
    },
    /// All records below `next_offset` have been handed over, and at that moment the partition held no more.
    AtEnd {
        /// Which partition.
        partition: PartitionId,
        /// Offset after the last record.
        next_offset: u64,
    },
    /// The leader of a partition says where it ends, now: of a log in memory, whose answers take no time.
    EndOffset {
        /// Which partition.
        partition: PartitionId,
        /// Offset after the last record.
        end: u64,
    },
    /// The leader of a partition answered a question for its end offset.
    EndAnswer {
        /// Which partition.
        partition: PartitionId,
        /// Offset after the last record when it answered.
        end: u64,
        /// When the question was put: an answer to an earlier question is not one to a later.
        asked: Mono,
    },
    /// The reader lost its place (out of range, truncated, re-created): it starts anew from the partition's beginning.
    Restarted(PartitionId),
    /// As [`Effect::ReadAnew`] asked: the reader starts anew from the beginning of the same partition, whose records keep their offsets.
    ReadAnew(PartitionId),
    /// The reader begins where this process's snapshot stands ([`crate::federation::Federation::cursors`]), found to be the same log: what
    /// comes is what follows on the snapshot. Comes before the first record of the partition, or not at all.
    ReadsOn {
        /// Which partition.
        partition: PartitionId,
        /// Offset of the first record that may come.
        next_offset: u64,
    },
    /// Which log a data partition is read from. Holds for what was handed over since the reader last began it, and from now on.
    Source {
        /// Which partition.
        partition: PartitionId,
        /// Which log.
        source: LogSource,
    },
    /// A record that was to be sent was not: it may or may not have landed.
    SendFailed(SendId),
    /// A record cannot be taken whatever the state of the log (it is too large): it did not land.
    SendRefused(SendId),
    /// The producer of the data topics was replaced: sends of the old one may still land, so a new epoch is needed (rule R8).
    ProducerReplaced,
    /// The log cannot be reached, for people; cleared by any later answer.
    Unreachable {
        /// For people.
        reason: Arc<str>,
    },
}

/// Names one send of this process; equal to the `seq` of its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SendId(pub u64);

/// What the owner of the state wants done. To be carried out in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Write a record of an own data topic.
    Send(OutgoingRecord),
    /// Write a checkpoint of an own data topic. Comes after the sends that it covers.
    Checkpoint {
        /// Which topic.
        topic: TopicKind,
        /// Which partition.
        partition: u32,
        /// What to write.
        stated: OutgoingCheckpoint,
    },
    /// Write the census of one bucket of an own data partition. Comes after the sends that it covers.
    Census {
        /// Which topic.
        topic: TopicKind,
        /// Which partition.
        partition: u32,
        /// What to write.
        stated: OutgoingCensus,
    },
    /// What became of an order. A drain that was taken is on its way to the log, not in force yet: see
    /// [`crate::drains::IntentTable::settled`].
    Answer {
        /// Which order.
        id: OrderId,
        /// The drain as it was written, or why nothing was.
        outcome: Result<TakenOrder, DrainRefused>,
    },
    /// What became of an order to adopt. Comes once the descriptor was read back, or after ten seconds.
    Adopted {
        /// Which order.
        id: OrderId,
        /// What is in force now, or why that is not this process's descriptor.
        outcome: Result<Adopted, AdoptRefused>,
    },
    /// What became of a decision about a hold. One that was taken is on its way to the log, not in force yet: see
    /// [`crate::guard::GuardTable::has_heard`].
    GuardAnswer {
        /// Which order.
        id: OrderId,
        /// The decision as it was written, or why nothing was.
        outcome: Result<GuardTaken, GuardRefused>,
    },
    /// What became of an order to compare: the number of the comparison under way, whose outcome is
    /// [`crate::federation::Federation::nacos_comparison`].
    ComparisonBegun {
        /// Which order.
        id: OrderId,
        /// The number, or why there is no comparison.
        outcome: Result<u64, ComparisonRefused>,
    },
    /// Write a record of the own control topic.
    Control {
        /// Its key.
        key: ControlKey,
        /// Its value; `None` is a tombstone.
        value: Option<ControlValue>,
        /// Its header.
        header: RecordHeader,
    },
    /// Take back what is queued for the data topics and not sent.
    Purge,
    /// Ask the leader of the partition for its end offset: answered by [`LogInput::EndAnswer`], or not at all.
    AskEnd(PartitionId),
    /// Read a data partition anew from its beginning: answered by [`LogInput::ReadAnew`] before the first record. Not to be answered if
    /// the reader has nothing of the partition: it is asked for again.
    ReadAnew(PartitionId),
    /// Subscribe to a service: every list of it comes as [`LocalInput::Listed`].
    WatchService(ServiceKey),
    /// End the subscription.
    UnwatchService(ServiceKey),
    /// Read all instances of a service, disabled ones too: answered by [`LocalInput::Read`].
    ReadService(ServiceKey),
    /// Query the enabled instances of a service: answered by [`LocalInput::Listed`].
    QueryService(ServiceKey),
    /// Read a config item: answered by [`LocalInput::Config`].
    ReadConfig(ConfigKey),
}

/// A record of an own data topic, to be encoded and sent.
#[derive(Clone, Debug, PartialEq)]
pub struct OutgoingRecord {
    /// Which topic.
    pub topic: TopicKind,
    /// Which partition.
    pub partition: u32,
    /// Its key.
    pub key: DataKey,
    /// Its value: an instance, a config item, or a tombstone.
    pub body: RecordBody,
    /// Its header.
    pub header: RecordHeader,
}

/// A checkpoint to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutgoingCheckpoint {
    /// What it states.
    pub checkpoint: Checkpoint,
    /// Its header.
    pub header: RecordHeader,
}

/// A census of one bucket to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingCensus {
    /// Which bucket.
    pub bucket: u8,
    /// What it states.
    pub census: Census,
    /// Its header.
    pub header: RecordHeader,
}

/// Who this process is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReplicaIdentity {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Random number of this start.
    pub nonce: u32,
    /// Name for people.
    pub name: Arc<str>,
    /// Where its HTTP API is reached, for people.
    pub advertised: Arc<str>,
}

/// An epoch below every other.
pub const NO_EPOCH: Epoch = Epoch { term: 0, nonce: 0 };
