//! What the adapter needs to know, and the properties of its clients. Every time-out is chosen: librdkafka's own let a
//! client wait for as long as a broker is paused.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use federation_codec::signature::SignatureVerifier;
use federation_core::id::{ClusterId, FederationId};
use federation_core::log::cursor::LogCursor;
use federation_core::log::record::PartitionId;
use federation_ports::seal_keys::SealKeyring;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use tokio::sync::watch;

/// Which clusters are read; the own one always is.
pub type ClusterFilter = Arc<dyn Fn(&ClusterId) -> bool + Send + Sync>;

/// Where the log is and what is ours in it.
#[derive(Clone)]
pub struct KafkaOptions {
    /// `host:port` of brokers to start from, at least one.
    pub brokers: Vec<String>,
    /// Further librdkafka properties of every client, for TLS and SASL above all. What the log's correctness rests on is
    /// set after them.
    pub properties: BTreeMap<String, String>,
    /// More of them, which may change: clients with the new ones then take the place of those before.
    pub renewed: Option<watch::Receiver<ClientProperties>>,
    /// Begins the name of every topic.
    pub topic_prefix: String,
    /// The federation.
    pub federation: FederationId,
    /// The own cluster.
    pub cluster: ClusterId,
    /// Settings of the own topics.
    pub topics: TopicSettings,
    /// How fast each of them is read in the long run.
    pub pace: ReadPace,
    /// Which other clusters are read.
    pub imports: ClusterFilter,
    /// By whose keys orders are verified; `None` if no keys are known.
    pub signatures: Option<Arc<SignatureVerifier>>,
    /// Where the engine's snapshot stands: read on from there if that is found to be the same log.
    pub cursors: BTreeMap<PartitionId, LogCursor>,
    /// For what is sealed.
    pub keys: SealKeyring,
}

/// How much is read of one other cluster. Each record counts with 512 bytes more than it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPace {
    /// Bytes without a delay: a log that is read from its beginning.
    pub at_once: u64,
    /// Bytes in a second, beyond that; at least 1.
    pub per_second: u64,
}

impl ReadPace {
    /// As much as two logs of `bytes` of values at once, and so much each second.
    #[must_use]
    pub fn of(bytes: u64, per_second: u64) -> Self {
        Self { at_once: bytes.saturating_mul(2), per_second: per_second.max(1) }
    }
}

impl Default for ReadPace {
    /// Eight GiB, then 128 MiB a second: more than a reader folds of records that change something.
    fn default() -> Self {
        Self::of(4 << 30, 128 << 20)
    }
}

/// Properties of clients by name. Not printed: they hold passwords.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ClientProperties(Arc<BTreeMap<String, String>>);

impl From<BTreeMap<String, String>> for ClientProperties {
    fn from(properties: BTreeMap<String, String>) -> Self {
        Self(Arc::new(properties))
    }
}

impl fmt::Debug for ClientProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Whether other properties count than when one looked last.
#[derive(Clone, Debug)]
pub(super) struct Renewals(Option<watch::Receiver<ClientProperties>>);

impl Renewals {
    /// Whether there are others since the last call, or since this was made.
    pub(super) fn are_due(&mut self) -> bool {
        let Some(renewed) = &mut self.0 else { return false };
        let due = renewed.has_changed().unwrap_or(false); // What tells of them has ended: nothing changes any more.
        if due {
            renewed.mark_unchanged();
        }
        due
    }
}

impl fmt::Debug for KafkaOptions {
    /// Without the properties: they hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaOptions")
            .field("brokers", &self.brokers)
            .field("topic_prefix", &self.topic_prefix)
            .field("federation", &self.federation)
            .field("cluster", &self.cluster)
            .field("topics", &self.topics)
            .finish_non_exhaustive()
    }
}

/// How the own topics are made (rule R23).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// Who makes them.
    pub creation: TopicCreation,
    /// Of each data topic, at least 1; control has one.
    pub partitions: u32,
    /// `None` for the broker's default.
    pub replication_factor: Option<u16>,
    /// Of the control topic.
    pub control: CompactionTimes,
    /// Of the data topics.
    pub data: CompactionTimes,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag: Duration,
    /// `delete.retention.ms`, at least a day.
    pub delete_retention: Duration,
    /// `max.message.bytes`.
    pub max_message_bytes: u64,
}

/// Who makes the own topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicCreation {
    /// This adapter: created where missing, verified at start and each 20 s.
    Managed,
    /// Somebody else, before; nothing is verified but that they exist. For the embedded broker, which has no admin calls.
    External,
}

/// When a topic is compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactionTimes {
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag: Duration,
    /// `segment.ms`.
    pub segment: Duration,
}

impl Default for TopicSettings {
    /// The settings of rule R23.
    fn default() -> Self {
        let both = |minutes: u64| CompactionTimes {
            max_compaction_lag: Duration::from_secs(60 * minutes),
            segment: Duration::from_secs(60 * minutes),
        };
        Self {
            creation: TopicCreation::Managed,
            partitions: 8,
            replication_factor: None,
            control: both(10),
            data: both(60),
            min_compaction_lag: Duration::from_secs(60),
            delete_retention: Duration::from_secs(7 * 24 * 3600),
            max_message_bytes: 12 << 20,
        }
    }
}

/// How long an admin call may take.
pub(super) const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a question for metadata or offsets may take: one broker failure must not hide behind it.
pub(super) const QUESTION_TIMEOUT: Duration = Duration::from_millis(1500);

type Properties = &'static [(&'static str, &'static str)];

/// Of every client; `kafka.properties` may say otherwise.
const COMMON: Properties = &[
    // A paused broker keeps its connections open: only these time-outs notice.
    ("socket.timeout.ms", "3000"),
    ("socket.connection.setup.timeout.ms", "3000"),
    ("socket.keepalive.enable", "true"),
    ("socket.nagle.disable", "true"),
    // The default, 10 s, is as long as an origin stays live.
    ("reconnect.backoff.max.ms", "1000"),
    ("retry.backoff.max.ms", "500"),
    ("broker.address.ttl", "5000"),
    // A re-created topic, and a new leader of an idle partition, are seen within this time (the default is five minutes).
    ("topic.metadata.refresh.interval.ms", "5000"),
    // A client that hears nothing of any broker it knows begins with the configured ones again, not only after five minutes.
    ("metadata.recovery.rebootstrap.trigger.ms", "10000"),
    ("log.connection.close", "false"),
];

/// Of the client that asks questions; may be overridden. Why a connection was closed may be all there is to explain why nobody answers.
const INSPECTOR: Properties = &[("log.connection.close", "true")];

/// Of the consumer; may be overridden.
const CONSUMER: Properties = &[
    // The end of a partition is told by an empty answer: this is how long it takes to be told.
    ("fetch.wait.max.ms", "100"),
    ("fetch.error.backoff.ms", "200"),
    // For each partition, because each has a queue of its own: 1 MiB waits here, beside one fetch in flight.
    ("queued.max.messages.kbytes", "1024"),
    ("queued.min.messages", "10000"),
    ("fetch.queue.backoff.ms", "10"),
    // More than any broker takes at once (100 MiB): an answer that is larger breaks the connection, for all partitions of the broker, again
    // and again. Also what a packed batch may unpack to, where the library asks.
    ("receive.message.max.bytes", "134217728"),
    // Tells when a topic's id changes, which the library itself answers with reading on at the old offset.
    ("debug", "topic"),
];

/// Of the consumer, whatever the configuration says: every gateway reads every partition whole.
const CONSUMER_FIXED: Properties = &[
    // Needed for `assign`; the group is never joined and no offset is ever stored in it.
    ("group.id", "nacos-fed"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("enable.partition.eof", "true"),
    ("isolation.level", "read_uncommitted"),
];

/// Of both producers (rule R5); may be overridden.
const PRODUCER: Properties = &[
    ("request.timeout.ms", "2500"),
    // Fewer than fit in a record's life, so that one that is refused until its end, as for too few replicas, fails with the brokers'
    // word and not as if nobody had answered. What nobody answers to is not counted.
    ("retries", "4"),
    // Zstandard is both smaller and quick enough: one gateway writes for one cluster.
    ("compression.codec", "zstd"),
];

/// Of both producers, whatever the configuration says (rule R5).
const PRODUCER_FIXED: Properties = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    // A deposed leader's records expire with its permission to write (rule R10).
    ("message.timeout.ms", "2500"),
];

/// Of the producer of data. The queue holds what leaves it in about half a second.
const DATA_PRODUCER: Properties = &[
    // What one step writes is handed over within this, and goes together; a change that is alone waits no longer. A longer wait gathers
    // little more: a thousand changes a second are one for each of eight partitions in 8 ms.
    ("linger.ms", "0.5"),
    ("queue.buffering.max.messages", "100000"),
    ("queue.buffering.max.kbytes", "65536"),
];

/// Of the producer of control records: a beat waits for nothing.
const CONTROL_PRODUCER: Properties = &[("linger.ms", "0"), ("queue.buffering.max.messages", "1000")];

impl KafkaOptions {
    /// For whoever makes clients, to make others in time.
    pub(super) fn renewals(&self) -> Renewals {
        let mut renewals = Renewals(self.renewed.clone());
        renewals.are_due(); // Those that are there now are known.
        renewals
    }

    /// Properties of the consumer that reads the log.
    #[must_use]
    pub fn consumer(&self) -> ClientConfig {
        let mut config = self.client("reader", &[COMMON, CONSUMER], &[CONSUMER_FIXED]);
        let debug = match self.properties.get("debug") {
            Some(wanted) => format!("{wanted},topic"),
            None => "topic".to_owned(),
        };
        config.set("debug", debug).set_log_level(RDKafkaLogLevel::Debug);
        config
    }

    /// Properties of a client that asks for metadata and offsets.
    pub(super) fn inspector(&self) -> ClientConfig {
        let mut config = self.client("questions", &[COMMON, INSPECTOR], &[]);
        config.set_log_level(RDKafkaLogLevel::Info);
        config
    }

    /// Properties of the producer of data records.
    #[must_use]
    pub fn data_producer(&self) -> ClientConfig {
        self.client("data", &[COMMON, PRODUCER, DATA_PRODUCER], &[PRODUCER_FIXED])
    }

    /// Properties of the producer of control records.
    pub(super) fn control_producer(&self) -> ClientConfig {
        self.client("control", &[COMMON, PRODUCER, CONTROL_PRODUCER], &[PRODUCER_FIXED])
    }

    /// `role` tells the clients of one gateway apart in the brokers' logs and metrics.
    fn client(&self, role: &str, defaults: &[Properties], fixed: &[Properties]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", format!("nacos-fed-{}-{role}", self.cluster));
        for (name, value) in defaults.iter().copied().flatten() {
            config.set(*name, *value);
        }
        let renewed = self.renewed.as_ref().map(|renewed| renewed.borrow().clone()).unwrap_or_default();
        for (name, value) in self.properties.iter().chain(renewed.0.iter()) {
            config.set(name, value);
        }
        for (name, value) in fixed.iter().copied().flatten() {
            config.set(*name, *value);
        }
        config
            .set("bootstrap.servers", self.brokers.join(","))
            .set("allow.auto.create.topics", "false")
            .set("message.max.bytes", self.topics.max_message_bytes.to_string());
        config
    }
}
