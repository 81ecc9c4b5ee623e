//! Counters of the adapter.

use federation_core::log::record::TopicKind;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What the adapter counts. Cheap to clone; clones count together.
#[derive(Clone, Debug, Default)]
pub struct KafkaMetrics {
    pub(super) records_read: Family<ByTopic, Counter>,
    pub(super) records_unreadable: Family<ByTopic, Counter>,
    pub(super) records_misplaced: Family<ByTopic, Counter>,
    pub(super) records_sent: Family<ByTopic, Counter>,
    pub(super) sent_bytes: Family<ByTopic, Counter>,
    pub(super) sends_failed: Family<ByFailure, Counter>,
    pub(super) partitions_restarted: Counter,
    pub(super) producers_rebuilt: Counter,
    pub(super) topic_findings: Gauge,
}

/// A topic of a cluster, as a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByTopic {
    topic: &'static str,
}

/// Why a record was not sent, as a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ByFailure {
    reason: &'static str,
}

/// Why a record was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureReason {
    /// Nobody acknowledged it in time.
    Timeout,
    /// It is larger than the topic takes.
    TooLarge,
    /// The producer's queue was full.
    QueueFull,
    /// It was taken back.
    Purged,
    /// Anything else.
    Other,
}

impl From<TopicKind> for ByTopic {
    fn from(kind: TopicKind) -> Self {
        Self { topic: kind.as_str() }
    }
}

impl From<FailureReason> for ByFailure {
    fn from(reason: FailureReason) -> Self {
        let reason = match reason {
            FailureReason::Timeout => "timeout",
            FailureReason::TooLarge => "too_large",
            FailureReason::QueueFull => "queue_full",
            FailureReason::Purged => "purged",
            FailureReason::Other => "other",
        };
        Self { reason }
    }
}

impl KafkaMetrics {
    /// Counters that `registry` shows.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let log = registry.sub_registry_with_prefix("federation_log");
        log.register("records_read", "Records read from the log", metrics.records_read.clone());
        log.register(
            "records_unreadable",
            "Records read whose value this version cannot read",
            metrics.records_unreadable.clone(),
        );
        log.register(
            "records_misplaced",
            "Records ignored because their key does not belong to their partition or topic",
            metrics.records_misplaced.clone(),
        );
        log.register("records_sent", "Records handed to the producer", metrics.records_sent.clone());
        log.register("sent_bytes", "Bytes of keys and values handed to the producer", metrics.sent_bytes.clone());
        log.register("sends_failed", "Records that were not delivered", metrics.sends_failed.clone());
        log.register(
            "partitions_restarted",
            "Times that a partition is read anew because its reader lost its place",
            metrics.partitions_restarted.clone(),
        );
        log.register("producers_rebuilt", "Producers replaced after a fatal error", metrics.producers_rebuilt.clone());
        log.register("topic_findings", "Settings of own topics that are not as wanted", metrics.topic_findings.clone());
        metrics
    }
}
