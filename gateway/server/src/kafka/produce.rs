//! Writes to the own topics (rule R5): one producer for data and one for control, so that a bulk of data delays no beat.
//! Sending never waits. Invariant: a send that has an id and is not delivered is reported as failed exactly once.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use federation_core::federation::input::SendId;
use federation_core::log::record::{PartitionId, TopicKind};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, NoCustomPartitioner, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer,
};
use rdkafka::{ClientConfig, ClientContext};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use crate::kafka::client::Context;
use crate::kafka::consume::{Signal, Signals};
use crate::kafka::ends::Question;
use crate::kafka::options::KafkaOptions;
use crate::kafka::topics::TopicNames;
use crate::kafka::wire::{HEADER, TRACEPARENT};
use crate::metrics::{Component, LogMetrics, PublishResult, SendFailure};
use crate::ports::{EncodedRecord, Log};

/// Opaque value of a record without an id.
const NO_ID: usize = usize::MAX;
/// Keys remembered as too large at most; beyond, people are told of each refusal anew.
const TOO_LARGE_KNOWN: usize = 1_000;
/// More than a batch adds to the key and value of its only record: 61 bytes, about 20 of the record, and its headers.
const BATCH_OVERHEAD: usize = 256;

/// The engine's way to write to the log.
pub struct KafkaLog {
    producers: Arc<Producers>,
    questions: SyncSender<Question>,
}

/// Waits until what was sent is delivered. Cheap to clone.
#[derive(Clone)]
pub struct Flusher {
    producers: Arc<Producers>,
}

/// Some records were not delivered before the deadline.
#[derive(Debug, thiserror::Error)]
#[error("{unsent} records were not delivered within {limit:?}")]
pub struct FlushError {
    /// How many.
    pub unsent: usize,
    /// How long they were waited for.
    pub limit: Duration,
}

/// Both producers, and what outlives them.
pub(super) struct Producers {
    data: ArcSwap<Producer>,
    control: ArcSwap<Producer>,
    names: TopicNames,
    /// Names of the own topics.
    topics: HashMap<TopicKind, String>,
    options: Arc<KafkaOptions>,
    metrics: LogMetrics,
    limits: Arc<Limits>,
    reports: Arc<Reports>,
}

/// Sizes of the largest batches in bytes that the own topics take. A record above would be refused by the broker together with
/// the whole batch it is in, so it is failed here, alone.
pub(super) struct Limits {
    instances: AtomicU64,
    configs: AtomicU64,
    control: AtomicU64,
}

/// What callbacks found out, until a task reports it.
#[derive(Default)]
pub(super) struct Reports {
    /// Sends that failed. As long as what the engine has sent and not been answered for, which is what bounds it: a callback
    /// must neither wait nor lose one.
    failed: Mutex<Vec<SendId>>,
    broken: AtomicBool,
    bell: Notify,
    /// Topic and key of what was too large when it was last sent: people are told once, though it is tried on.
    too_large: Mutex<HashSet<(String, Vec<u8>)>>,
}

/// What happened since the last report.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) failed: Vec<SendId>,
    /// A producer met an error, perhaps one that it cannot go on after.
    pub(super) broken: bool,
}

type Producer = ThreadedProducer<Delivery>;

/// Callbacks of one producer.
struct Delivery {
    reports: Arc<Reports>,
    metrics: LogMetrics,
    signals: Signals,
    names: TopicNames,
    client: Context,
    /// Last acknowledged offset of each partition.
    acknowledged: Mutex<HashMap<(String, i32), i64>>,
}

impl KafkaLog {
    pub(super) fn new(producers: Arc<Producers>, questions: SyncSender<Question>) -> Self {
        Self { producers, questions }
    }

    /// A handle that waits for deliveries, for an orderly stop.
    #[must_use]
    pub fn flusher(&self) -> Flusher {
        Flusher { producers: Arc::clone(&self.producers) }
    }
}

impl Log for KafkaLog {
    fn send(&mut self, record: EncodedRecord) {
        self.producers.send(&record);
    }

    fn purge(&mut self) {
        self.producers.data.load().purge(PurgeConfig::default().queue());
    }

    fn ask_end(&mut self, partition: PartitionId) {
        // A full queue is a failed question: those are not answered.
        let _ = self.questions.try_send(Question::End(partition));
    }
}

impl Flusher {
    /// Waits until everything sent so far is delivered or has failed, at most for `limit`.
    ///
    /// # Errors
    /// If some records are still on their way then; they may or may not arrive.
    pub async fn flush(&self, limit: Duration) -> Result<(), FlushError> {
        let (data, control) = (self.producers.data.load_full(), self.producers.control.load_full());
        let flush = move || {
            let started = std::time::Instant::now();
            // What is left is counted below: how a single flush ended says less.
            let _ = data.flush(limit);
            let _ = control.flush(limit.saturating_sub(started.elapsed()));
            data.in_flight_count() + control.in_flight_count()
        };
        let unsent = spawn_blocking(flush).await.expect("flushing does not panic");
        match usize::try_from(unsent) {
            Ok(0) | Err(_) => Ok(()),
            Ok(unsent) => Err(FlushError { unsent, limit }),
        }
    }
}

impl Producers {
    /// Two clients; they reach nobody yet.
    pub(super) fn new(options: &Arc<KafkaOptions>, metrics: &LogMetrics, signals: &Signals) -> KafkaResult<Self> {
        let names = TopicNames::new(&options.topic_prefix, &options.federation);
        let topics = TopicKind::ALL.into_iter().map(|kind| (kind, names.of(&options.cluster, kind))).collect();
        let reports = Arc::new(Reports::default());
        let build = |config: ClientConfig| {
            let delivery = Delivery::new(&reports, metrics, signals, &names);
            config.create_with_context::<_, Producer>(delivery).map(ArcSwap::from_pointee)
        };
        let (data, control) = (build(options.data_producer())?, build(options.control_producer())?);
        let limits = Arc::new(Limits::new(options.topics.max_message_bytes));
        Ok(Self {
            limits,
            data,
            control,
            names,
            topics,
            options: Arc::clone(options),
            metrics: metrics.clone(),
            reports,
        })
    }

    pub(super) fn reports(&self) -> Arc<Reports> {
        Arc::clone(&self.reports)
    }

    pub(super) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits)
    }

    fn send(&self, record: &EncodedRecord) {
        let topic = self.topics[&record.topic].as_str();
        let size = record.key.len() + record.value.as_ref().map_or(0, |value| value.len());
        let producer = if record.topic == TopicKind::Control { &self.control } else { &self.data };
        let id = record.send.map_or(NO_ID, |SendId(id)| usize::try_from(id).unwrap_or(NO_ID));
        let mut outgoing = BaseRecord::with_opaque_to(topic, id)
            .partition(i32::try_from(record.partition).unwrap_or(i32::MAX))
            .key(&record.key[..])
            .headers(headers(record));
        if let Some(value) = &record.value {
            outgoing = outgoing.payload(&value[..]);
        }
        let sent = if self.limits.allow(record.topic, size) {
            producer.load().send(outgoing).map_err(|(error, _)| error)
        } else {
            Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge))
        };
        match sent {
            Ok(()) => drop(self.metrics.published.records(record.topic, PublishResult::Sent).inc()),
            Err(error) => {
                count_failure(&self.metrics, record.topic, reason(&error));
                self.reports.tell_failure(&error, topic, &record.key, size);
                self.reports.fail(id);
            }
        }
    }

    /// Whether a producer met an error that it cannot go on after.
    pub(super) fn is_broken(&self) -> bool {
        [&self.data, &self.control].into_iter().any(|producer| producer.load().client().fatal_error().is_some())
    }

    /// Replaces producers that met a fatal error. What the old ones had queued is reported as failed; what was on its way may
    /// still arrive.
    pub(super) async fn rebuild(&self, signals: &Signals) -> KafkaResult<()> {
        let both = [
            (&self.data, self.options.data_producer(), Component::DataProducer),
            (&self.control, self.options.control_producer(), Component::ControlProducer),
        ];
        for (producer, config, component) in both {
            let Some((code, reason)) = producer.load().client().fatal_error() else { continue };
            tracing::error!(%code, reason, "producer cannot go on, another takes its place");
            let delivery = Delivery::new(&self.reports, &self.metrics, signals, &self.names);
            let old = producer.swap(Arc::new(config.create_with_context(delivery)?));
            self.metrics.restarts(component).inc();
            // Its end waits for its queue to be given back, and for its thread.
            spawn_blocking(move || drop(old)).await.expect("dropping a producer does not panic");
        }
        Ok(())
    }
}

impl Limits {
    fn new(bytes: u64) -> Self {
        let limit = || AtomicU64::new(bytes);
        Self { instances: limit(), configs: limit(), control: limit() }
    }

    /// What a topic was found to take.
    pub(super) fn set(&self, kind: TopicKind, bytes: u64) {
        self.of(kind).store(bytes, Ordering::Relaxed);
    }

    fn allow(&self, kind: TopicKind, size: usize) -> bool {
        size.saturating_add(BATCH_OVERHEAD) as u64 <= self.of(kind).load(Ordering::Relaxed)
    }

    fn of(&self, kind: TopicKind) -> &AtomicU64 {
        match kind {
            TopicKind::Instances => &self.instances,
            TopicKind::Configs => &self.configs,
            TopicKind::Control => &self.control,
        }
    }
}

impl Reports {
    /// What happened since the last report; waits until there is something.
    ///
    /// Cancel-safe: nothing is taken before it is given.
    pub(super) async fn next(&self) -> Report {
        loop {
            let report = Report {
                failed: std::mem::take(&mut *self.failed()),
                broken: self.broken.swap(false, Ordering::AcqRel),
            };
            if report.broken || !report.failed.is_empty() {
                return report;
            }
            self.bell.notified().await;
        }
    }

    fn fail(&self, id: usize) {
        if id != NO_ID {
            self.failed().push(SendId(id as u64));
            self.bell.notify_one();
        }
    }

    /// A producer may need another in its place.
    pub(super) fn break_down(&self) {
        self.broken.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    /// A record that is too large is an item's own fault and said by name, once; everything else is many records' fate.
    fn tell_failure(&self, error: &KafkaError, topic: &str, key: &[u8], size_bytes: usize) {
        let begins = reason(error) == SendFailure::TooLarge && self.becomes_too_large(topic, key);
        let key = String::from_utf8_lossy(key).replace('\u{1f}', "·");
        if begins {
            tracing::error!(topic, key, size_bytes, "record is larger than kafka takes, it is not published");
        } else {
            tracing::debug!(%error, topic, key, size_bytes, "record was not delivered");
        }
    }

    /// Whether this is new.
    fn becomes_too_large(&self, topic: &str, key: &[u8]) -> bool {
        let mut known = self.too_large();
        let name = (topic.to_owned(), key.to_vec());
        if known.len() < TOO_LARGE_KNOWN { known.insert(name) } else { !known.contains(&name) }
    }

    /// A record of the key was taken.
    fn taken(&self, topic: &str, key: &[u8]) {
        let mut known = self.too_large();
        // Nearly always there is nothing to remove, and nothing to allocate for finding that out.
        if !known.is_empty() {
            known.remove(&(topic.to_owned(), key.to_vec()));
        }
    }

    /// The critical sections look one up, add or remove one.
    fn too_large(&self) -> MutexGuard<'_, HashSet<(String, Vec<u8>)>> {
        self.too_large.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The critical sections push one id or take all.
    fn failed(&self) -> MutexGuard<'_, Vec<SendId>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Delivery {
    fn new(reports: &Arc<Reports>, metrics: &LogMetrics, signals: &Signals, names: &TopicNames) -> Self {
        Self {
            reports: Arc::clone(reports),
            metrics: metrics.clone(),
            signals: signals.clone(),
            names: names.clone(),
            client: Context::default(),
            acknowledged: Mutex::default(),
        }
    }

    /// An acknowledged offset that is not above the last one: this is not the partition that was written before (rule R19).
    fn check_offset(&self, topic: &str, partition: i32, offset: i64) {
        if offset < 0 {
            return; // A repeated batch is acknowledged without its place.
        }
        let mut acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        let last = acknowledged.entry((topic.to_owned(), partition)).or_insert(-1);
        let lost = offset <= *last;
        *last = offset;
        drop(acknowledged);
        if lost
            && let Some((origin, kind)) = self.names.parse(topic)
            && let Ok(partition) = u32::try_from(partition)
        {
            let _ = self.signals.try_send(Signal::Lost(PartitionId { origin, topic: kind, partition }));
        }
    }
}

impl ClientContext for Delivery {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.client.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
        // Whether it is one that ends the producer, only the client tells.
        self.reports.break_down();
    }
}

impl ProducerContext<NoCustomPartitioner> for Delivery {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, id: usize) {
        match result {
            Ok(message) => {
                self.reports.taken(message.topic(), message.key().unwrap_or_default());
                self.check_offset(message.topic(), message.partition(), message.offset());
            }
            Err((error, message)) => {
                if let Some((_, kind)) = self.names.parse(message.topic()) {
                    count_failure(&self.metrics, kind, reason(error));
                }
                let key = message.key().unwrap_or_default();
                self.reports.tell_failure(error, message.topic(), key, key.len() + message.payload_len());
                self.reports.fail(id);
            }
        }
    }
}

fn headers(record: &EncodedRecord) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(2).insert(Header { key: HEADER, value: Some(&record.header) });
    match &record.traceparent {
        Some(trace) => headers.insert(Header { key: TRACEPARENT, value: Some(trace) }),
        None => headers,
    }
}

fn count_failure(metrics: &LogMetrics, topic: TopicKind, reason: SendFailure) {
    metrics.sends_failed(reason).inc();
    let result = if reason == SendFailure::TooLarge { PublishResult::TooLarge } else { PublishResult::Failed };
    metrics.published.records(topic, result).inc();
}

fn reason(error: &KafkaError) -> SendFailure {
    use RDKafkaErrorCode::{
        InvalidMessageSize, MessageSizeTooLarge, MessageTimedOut, PurgeInflight, PurgeQueue, QueueFull, RequestTimedOut,
    };
    match error.rdkafka_error_code() {
        Some(MessageTimedOut | RequestTimedOut) => SendFailure::Timeout,
        Some(MessageSizeTooLarge | InvalidMessageSize) => SendFailure::TooLarge,
        Some(QueueFull) => SendFailure::QueueFull,
        Some(PurgeQueue | PurgeInflight) => SendFailure::Purged,
        _ => SendFailure::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_becomes_too_large_once_until_it_is_taken() {
        let reports = Reports::default();
        assert!(reports.becomes_too_large("configs", b"a"));
        assert!(!reports.becomes_too_large("configs", b"a"));
        assert!(reports.becomes_too_large("configs", b"b"), "another key");
        reports.taken("configs", b"a");
        assert!(reports.becomes_too_large("configs", b"a"));
        assert!(!reports.becomes_too_large("configs", b"b"));
    }
}
