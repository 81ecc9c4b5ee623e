//! Writes to the own topics (rule R5): one producer for data and one for control, so that a bulk of data delays no beat.
//! Sending never waits. What becomes of a record is found out in [`super::delivery`], and whether a producer still works is judged in
//! [`super::supervise`].

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use federation_core::input::SendId;
use federation_core::log::record::{PartitionId, TopicKind};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, PurgeConfig, ThreadedProducer};
use tokio::task::spawn_blocking;

use crate::consume::{Signal, Signals};
use crate::delivery::{Delivery, Lost, NO_ID, Outcomes};
use crate::disposal::{Disposable, Disposal};
use crate::ends::Question;
use crate::lookout::Lookout;
use crate::options::KafkaOptions;
use crate::topics::TopicNames;
use federation_codec::record::EncodedRecord;
use federation_codec::record::{HEADER, TRACEPARENT};
use federation_codec::signature::SIGNATURE;
use federation_ports::inbox::LogWriter;
use federation_ports::metrics::{Component, LogMetrics, PublishResult};

/// What Kafka reads as a record without a time of its own.
///
/// Brokers refuse a record whose time is more than an hour ahead of theirs (`message.timestamp.after.max.ms`, Kafka 3.6), and so would
/// refuse all that a gateway with a wrong clock writes. Nothing here reads Kafka's times: header `f` carries when a fact was observed. But
/// Kafka does: it compacts by them. So the topics of a cluster are made with `message.timestamp.type=LogAppendTime`: the broker puts its
/// own time in, whatever is sent. In a topic with `CreateTime`, which somebody else made, a record without a time is taken too, whatever
/// the clock; such a topic is then compacted when enough of it is dirty and not after `max.compaction.lag.ms`, which is advised against.
const NO_TIMESTAMP: i64 = -1;
/// More than a batch adds to the key and value of its only record: 61 bytes, about 20 of the record, and its headers.
const BATCH_OVERHEAD: usize = 256;

/// The engine's way to write to the log.
pub struct KafkaLog {
    producers: Arc<Producers>,
    questions: SyncSender<Question>,
}

/// Waits until what was sent is delivered. Cheap to clone.
#[derive(Clone)]
pub struct ProducerFlusher {
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
    parts: Parts,
    /// Names of the own topics.
    topics: HashMap<TopicKind, String>,
    metrics: LogMetrics,
    limits: Arc<Limits>,
}

/// What a producer is made of.
struct Parts {
    names: TopicNames,
    options: Arc<KafkaOptions>,
    signals: Signals,
    outcomes: Arc<Outcomes>,
    disposal: Disposal,
}

/// Sizes of the largest batches in bytes that the own topics take. A record above would be refused by the broker together with
/// the whole batch it is in, so it is failed here, alone.
pub(super) struct Limits {
    instances: AtomicU64,
    configs: AtomicU64,
    control: AtomicU64,
}

type Producer = Disposable<ThreadedProducer<Delivery>>;

/// Which producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Of instances and config items.
    Data,
    /// Of beats and orders.
    Control,
}

impl KafkaLog {
    pub(super) fn new(producers: Arc<Producers>, questions: SyncSender<Question>) -> Self {
        Self { producers, questions }
    }

    /// A handle that waits for deliveries, for an orderly stop.
    #[must_use]
    pub fn flusher(&self) -> ProducerFlusher {
        ProducerFlusher { producers: Arc::clone(&self.producers) }
    }
}

impl LogWriter for KafkaLog {
    fn send(&mut self, record: EncodedRecord) {
        self.producers.send(&record);
    }

    fn purge(&mut self) {
        self.producers.data.load().purge(PurgeConfig::default().queue());
        self.producers.parts.outcomes.taken_back(Line::Data);
    }

    fn ask_end(&mut self, partition: PartitionId) {
        // A full queue is a failed question: those are not answered.
        let _ = self.questions.try_send(Question::End(partition));
    }

    fn read_anew(&mut self, partition: PartitionId) {
        // As many signals wait as partitions can raise; what is lost is asked for again.
        let _ = self.producers.parts.signals.try_send(Signal::ReadAnew(partition));
    }
}

impl ProducerFlusher {
    /// Waits until everything sent so far is delivered or has failed, at most for `limit`.
    ///
    /// # Errors
    /// If some records are still on their way then; they may or may not arrive.
    pub async fn flush(&self, limit: Duration) -> Result<(), FlushError> {
        let (data, control) = (self.producers.data.load_full(), self.producers.control.load_full());
        let flush = move || {
            let started = Instant::now();
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

impl Line {
    pub(super) const BOTH: [Self; 2] = [Self::Data, Self::Control];

    /// For people.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data producer",
            Self::Control => "control producer",
        }
    }

    /// Whether it writes to topics of this kind.
    pub(super) fn serves(self, topic: TopicKind) -> bool {
        (topic == TopicKind::Control) == (self == Self::Control)
    }

    fn component(self) -> Component {
        match self {
            Self::Data => Component::DataProducer,
            Self::Control => Component::ControlProducer,
        }
    }
}

impl ProducerFlusher {
    /// Lets go of the clients and waits for the end of all of this adapter's, at most for `limit`. For the very end of a process, after
    /// everybody else has let go of them.
    pub async fn end(self, limit: Duration) {
        let disposal = self.producers.parts.disposal.clone();
        drop(self.producers);
        disposal.ended(limit).await;
    }
}

impl Producers {
    /// Two clients; they reach nobody yet.
    pub(super) fn new(
        options: &Arc<KafkaOptions>,
        metrics: &LogMetrics,
        signals: &Signals,
        lookout: &Arc<Lookout>,
        disposal: &Disposal,
    ) -> KafkaResult<Self> {
        let names = TopicNames::new(&options.topic_prefix, &options.federation);
        let topics = TopicKind::ALL.into_iter().map(|kind| (kind, names.of(&options.cluster, kind))).collect();
        let outcomes = Arc::new(Outcomes::new(&options.cluster, lookout, metrics));
        let parts = Parts {
            names,
            options: Arc::clone(options),
            signals: signals.clone(),
            outcomes,
            disposal: disposal.clone(),
        };
        let (data, control) = (parts.build(Line::Data)?, parts.build(Line::Control)?);
        let limits = Arc::new(Limits::new(options.topics.max_message_bytes));
        let (data, control) = (ArcSwap::from_pointee(data), ArcSwap::from_pointee(control));
        Ok(Self { data, control, parts, topics, limits, metrics: metrics.clone() })
    }

    pub(super) fn outcomes(&self) -> Arc<Outcomes> {
        Arc::clone(&self.parts.outcomes)
    }

    pub(super) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits)
    }

    fn send(&self, record: &EncodedRecord) {
        let topic = self.topics[&record.topic].as_str();
        let size_bytes = record.key.len() + record.value.as_ref().map_or(0, |value| value.len());
        let line = if record.topic == TopicKind::Control { Line::Control } else { Line::Data };
        let id = record.send.map_or(NO_ID, |SendId(id)| usize::try_from(id).unwrap_or(NO_ID));
        let mut outgoing = BaseRecord::with_opaque_to(topic, id)
            .partition(i32::try_from(record.partition).unwrap_or(i32::MAX))
            .key(&record.key[..])
            .timestamp(NO_TIMESTAMP)
            .headers(headers(record));
        if let Some(value) = &record.value {
            outgoing = outgoing.payload(&value[..]);
        }
        let outcomes = &self.parts.outcomes;
        let sent = if self.limits.allow(record.topic, size_bytes) {
            outcomes.sent(record.topic, record.partition, Instant::now());
            self.producer(line).load().send(outgoing).map_err(|(error, _)| error)
        } else {
            Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge))
        };
        match sent {
            Ok(()) => drop(self.metrics.published.records(record.topic, PublishResult::Sent).inc()),
            Err(error) => {
                let lost = Lost { topic, kind: Some(record.topic), key: &record.key, size_bytes };
                outcomes.failed_to_send(&error, lost, id);
            }
        }
    }

    /// Why this producer cannot go on, if so.
    pub(super) fn fatal_error(&self, line: Line) -> Option<String> {
        self.producer(line).load().client().fatal_error().map(|(code, reason)| format!("{reason} ({code})"))
    }

    /// What this producer knows of why nobody can be reached.
    pub(super) fn trouble(&self, line: Line) -> Option<Arc<str>> {
        self.producer(line).load().client().context().trouble()
    }

    /// Whether a producer may be replaced: there is room for the end of one.
    pub(super) fn can_be_replaced(&self) -> bool {
        self.parts.disposal.has_room()
    }

    /// Puts another producer in the place of this one. What the old one had queued is reported as failed; what was on its way may
    /// still arrive.
    ///
    /// # Errors
    /// If there is none to be had; the old one stays.
    pub(super) fn replace(&self, line: Line) -> KafkaResult<()> {
        let another = self.parts.build(line)?;
        self.producer(line).store(Arc::new(another));
        self.parts.outcomes.replaced(line);
        self.metrics.restarts(line.component()).inc();
        Ok(())
    }

    fn producer(&self, line: Line) -> &ArcSwap<Producer> {
        match line {
            Line::Data => &self.data,
            Line::Control => &self.control,
        }
    }
}

impl Parts {
    fn build(&self, line: Line) -> KafkaResult<Producer> {
        let config = match line {
            Line::Data => self.options.data_producer(),
            Line::Control => self.options.control_producer(),
        };
        let delivery = Delivery::new(&self.outcomes, &self.signals, &self.names);
        Ok(Disposable::new(config.create_with_context(delivery)?, &self.disposal))
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

fn headers(record: &EncodedRecord) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(2).insert(Header { key: HEADER, value: Some(&record.header) });
    let headers = match &record.signature {
        Some(signature) => headers.insert(Header { key: SIGNATURE, value: Some(&signature[..]) }),
        None => headers,
    };
    match &record.traceparent {
        Some(trace) => headers.insert(Header { key: TRACEPARENT, value: Some(trace) }),
        None => headers,
    }
}
