//! Reads every partition of every member from its beginning, on a thread of its own and without a consumer group. Input:
//! signals (who takes part, where partitions end, what was re-created). Output: decoded records to the engine, in the order
//! of each partition. Invariant: what is handed over after [`LogInput::Restarted`] comes from the partition's beginning.
//!
//! Each partition has a queue of its own, because the library tells errors and ends without naming the topic, and so that
//! partitions take turns: one origin's flood delays no other.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use federation_core::federation::input::{Input, LogInput};
use federation_core::id::ClusterId;
use federation_core::log::control::{ControlKey, ControlValue};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{Body, ControlRecord, PartitionId, Record, TopicKind};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use crate::kafka::client::Context;
use crate::kafka::intern::Interner;
use crate::kafka::membership::Member;
use crate::kafka::options::KafkaOptions;
use crate::kafka::slot::{Place, Slot, Turn, Verdict};
use crate::kafka::topics::TopicNames;
use crate::kafka::wire::{HEADER, RawRecord, TRACEPARENT, decode_control, decode_record, home_partition};
use crate::metrics::LogMetrics;
use crate::ports::{Inbox, News};

/// How long a stop may go unnoticed.
const NOTICE: Duration = Duration::from_millis(100);
/// How often every queue is looked at, signal or not, and what could not be attached is tried again.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// A partition's turn ends after this many records or bytes, so that others have theirs.
const TURN_RECORDS: usize = 500;
const TURN_BYTES: usize = 1 << 20;
/// People are told of trouble at most this often.
const TROUBLE_INTERVAL: Duration = Duration::from_secs(5);
/// Signals that wait at most; each partition has few, and a lost one is made good by the next sweep or survey.
pub(super) const CAPACITY: usize = 8192;

/// What the reader is told.
#[derive(Debug)]
pub(super) enum Signal {
    /// The queue of this slot has something.
    Ready(usize),
    /// Whose topics to read: all of them.
    Members(Vec<Member>),
    /// This topic was deleted and created again.
    Recreated(String),
    /// This partition is not the one that was read.
    Lost(PartitionId),
    /// The leader was asked at `asked` where this partition ends.
    End { partition: PartitionId, end: u64, asked: Instant },
}

/// Where signals go.
pub(super) type Signals = SyncSender<Signal>;

/// Why reading ended.
#[derive(Debug, thiserror::Error)]
#[error("the reader of the log failed")]
pub(super) struct ReadError(#[from] KafkaError);

/// Why a step did not go on.
enum Halt {
    /// Nobody listens any more.
    EngineGone,
    /// A new client is needed.
    Failed(ReadError),
}

/// The thread's work.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) options: Arc<KafkaOptions>,
    pub(super) inbox: Inbox,
    pub(super) metrics: LogMetrics,
    pub(super) signals: Signals,
    /// Locked by the one running thread for as long as it runs.
    pub(super) signalled: Arc<Mutex<Receiver<Signal>>>,
    /// All partitions that were ever read: a thread that follows another starts them anew.
    pub(super) begun: Arc<Mutex<BTreeSet<PartitionId>>>,
}

/// One run of the thread, with one client. Slots come first: their queues must go before the client.
struct Reading<'a> {
    slots: Vec<Slot>,
    consumer: Arc<BaseConsumer<Context>>,
    reader: &'a Reader,
    names: TopicNames,
    by_id: HashMap<PartitionId, usize>,
    /// Partitions that keys are hashed over.
    partitions: HashMap<ClusterId, u32>,
    interner: Interner,
    ready: VecDeque<usize>,
    trouble_told: Option<Instant>,
}

impl Reader {
    /// Reads until stopped, or until nobody listens.
    pub(super) fn run(&self, stop: &CancellationToken) -> Result<(), ReadError> {
        let signalled = self.signalled.lock().unwrap_or_else(PoisonError::into_inner);
        let consumer = self.options.consumer().create_with_context(Context::default())?;
        let mut reading = Reading {
            slots: Vec::new(),
            consumer: Arc::new(consumer),
            reader: self,
            names: TopicNames::new(&self.options.topic_prefix, &self.options.federation),
            by_id: HashMap::new(),
            partitions: HashMap::new(),
            interner: Interner::default(),
            ready: VecDeque::new(),
            trouble_told: None,
        };
        match reading.run(&signalled, stop) {
            Ok(()) | Err(Halt::EngineGone) => Ok(()),
            Err(Halt::Failed(error)) => Err(error),
        }
    }
}

impl Reading<'_> {
    fn run(&mut self, signalled: &Receiver<Signal>, stop: &CancellationToken) -> Result<(), Halt> {
        let mut next_sweep = Instant::now() + SWEEP_INTERVAL;
        while !stop.is_cancelled() && !self.reader.inbox.is_closed() {
            let patience = if self.ready.is_empty() { NOTICE } else { Duration::ZERO };
            match signalled.recv_timeout(patience) {
                Ok(signal) => self.obey(signal)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            for signal in signalled.try_iter().take(CAPACITY) {
                self.obey(signal)?;
            }
            self.serve_client()?;
            if Instant::now() >= next_sweep {
                next_sweep = Instant::now() + SWEEP_INTERVAL;
                self.sweep()?;
            }
            for _ in 0..self.ready.len() {
                let Some(index) = self.ready.pop_front() else { break };
                self.take_turn(index)?;
            }
        }
        Ok(())
    }

    fn obey(&mut self, signal: Signal) -> Result<(), Halt> {
        match signal {
            Signal::Ready(index) => self.mark_ready(index),
            Signal::Members(members) => self.add_members(&members)?,
            Signal::Recreated(topic) => self.restart_topic(&topic)?,
            Signal::Lost(partition) => {
                if let Some(&index) = self.by_id.get(&partition) {
                    self.restart(index)?;
                }
            }
            Signal::End { partition, end, asked } => self.compare_end(&partition, end, asked)?,
        }
        Ok(())
    }

    fn mark_ready(&mut self, index: usize) {
        if index < self.slots.len() && !self.ready.contains(&index) {
            self.ready.push_back(index);
        }
    }

    fn add_members(&mut self, members: &[Member]) -> Result<(), Halt> {
        for member in members {
            self.partitions.entry(member.cluster.clone()).or_insert(member.partitions);
            let control = std::iter::once((TopicKind::Control, 0));
            let data = TopicKind::DATA.into_iter().flat_map(|kind| (0..member.partitions).map(move |n| (kind, n)));
            for (topic, partition) in control.chain(data) {
                let id = PartitionId { origin: member.cluster.clone(), topic, partition };
                if !self.by_id.contains_key(&id) {
                    self.add(id)?;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, id: PartitionId) -> Result<(), Halt> {
        let begun_before = {
            let mut begun = self.reader.begun.lock().unwrap_or_else(PoisonError::into_inner);
            !begun.insert(id.clone())
        };
        if begun_before {
            self.tell(LogInput::Restarted(id.clone()))?;
        }
        let index = self.slots.len();
        let topic = self.names.of(&id.origin, id.topic);
        self.by_id.insert(id.clone(), index);
        self.slots.push(Slot { id, topic, queue: None, place: Place::start(Instant::now()) });
        self.attach(index);
        Ok(())
    }

    /// Starts to read a slot's partition from its beginning; a failure is made good by the next sweep.
    fn attach(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        // Split before the partition is assigned: afterwards its first records could go to the common queue.
        let queue = self.consumer.split_partition_queue(&slot.topic, partition_number(&slot.id));
        let Some(mut queue) = queue else { return };
        let signals = self.reader.signals.clone();
        queue.set_nonempty_callback(move || {
            let _ = signals.try_send(Signal::Ready(index));
        });
        let assigned = place_list(slot, Offset::Beginning).and_then(|list| self.consumer.incremental_assign(&list));
        match assigned {
            Ok(()) => slot.queue = Some(queue),
            Err(error) => tracing::debug!(%error, topic = slot.topic, "partition could not be assigned"),
        }
        self.mark_ready(index);
    }

    fn detach(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.queue = None;
        let gone = place_list(slot, Offset::Invalid).and_then(|list| self.consumer.incremental_unassign(&list));
        if let Err(error) = gone {
            tracing::debug!(%error, topic = slot.topic, "partition was not assigned");
        }
    }

    /// Reads a partition anew from its beginning, and says so.
    fn restart(&mut self, index: usize) -> Result<(), Halt> {
        let Slot { id, topic, place, .. } = &mut self.slots[index];
        tracing::warn!(topic, partition = id.partition, next = ?place.next(), "lost its place, reading anew");
        *place = Place::start(Instant::now());
        let restarted = LogInput::Restarted(id.clone());
        self.reader.metrics.partition_restarts(&id.origin).inc();
        self.detach(index);
        self.tell(restarted)?;
        self.attach(index);
        Ok(())
    }

    fn restart_topic(&mut self, topic: &str) -> Result<(), Halt> {
        for index in 0..self.slots.len() {
            if self.slots[index].topic == topic {
                self.restart(index)?;
            }
        }
        Ok(())
    }

    fn sweep(&mut self) -> Result<(), Halt> {
        let now = Instant::now();
        for index in 0..self.slots.len() {
            if self.slots[index].queue.is_none() {
                self.attach(index);
            } else if self.slots[index].place.start_verifying(now) {
                self.read_on_from(index)?;
            }
            self.mark_ready(index);
        }
        Ok(())
    }

    /// Moves to where the slot is already, so that the end of the partition is told once more.
    fn read_on_from(&mut self, index: usize) -> Result<(), Halt> {
        let slot = &self.slots[index];
        let number = partition_number(&slot.id);
        let place = match slot.place.next() {
            Some(next) => Offset::Offset(i64::try_from(next).unwrap_or(i64::MAX)),
            None => Offset::Beginning,
        };
        if let Err(error) = self.consumer.seek(&slot.topic, number, place, Duration::ZERO) {
            tracing::debug!(%error, topic = slot.topic, "could not seek");
            return self.restart(index);
        }
        Ok(())
    }

    fn compare_end(&mut self, partition: &PartitionId, end: u64, asked: Instant) -> Result<(), Halt> {
        let Some(&index) = self.by_id.get(partition) else { return Ok(()) };
        match self.slots[index].place.end_told(end, asked, Instant::now()) {
            Verdict::Plausible => Ok(()),
            Verdict::Lost => self.restart(index),
        }
    }

    /// Reads what waits in one slot's queue, up to a turn's worth, and hands it over.
    fn take_turn(&mut self, index: usize) -> Result<(), Halt> {
        let Some(queue) = self.slots[index].queue.take() else { return Ok(()) };
        let (turn, stopped_by) = self.read_turn(index, &queue);
        self.slots[index].queue = Some(queue);
        // Whether the topic was re-created was logged before its first new record was queued.
        if self.serve_client()?.contains(&self.slots[index].topic) {
            return Ok(()); // Restarted already; what this turn read is void.
        }
        self.count(index, &turn);
        if !turn.news.is_empty() {
            self.reader.metrics.readable.set(1); // A record or an end: both answer a fetch.
        }
        let descriptor = turn.news.iter().rev().find_map(|news| described_partitions(&news.input));
        for news in turn.news {
            self.hand_over(news)?;
        }
        if let Some(partitions) = descriptor {
            self.learn_partitions(index, partitions)?;
        }
        match stopped_by {
            StoppedBy::Empty => {}
            StoppedBy::Limit => self.ready.push_back(index),
            StoppedBy::Error(error) => self.face(index, error)?,
        }
        Ok(())
    }

    fn read_turn(
        &mut self,
        index: usize,
        queue: &rdkafka::consumer::base_consumer::PartitionQueue<Context>,
    ) -> (Turn, StoppedBy) {
        let slot = &mut self.slots[index];
        let partitions = self.partitions.get(&slot.id.origin).copied().unwrap_or(1);
        let mut turn = Turn::default();
        while turn.records < TURN_RECORDS && turn.bytes < TURN_BYTES {
            match queue.poll(Duration::ZERO) {
                None => return (turn, StoppedBy::Empty),
                Some(Ok(message)) => {
                    let offset = u64::try_from(message.offset()).unwrap_or(0);
                    slot.place.advance(offset + 1, Instant::now());
                    take_message(&mut turn, slot, &message, partitions, &mut self.interner);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    let next = slot.place.reached_end();
                    turn.at_end(&slot.id, next);
                }
                Some(Err(error)) => return (turn, StoppedBy::Error(error)),
            }
        }
        (turn, StoppedBy::Limit)
    }

    fn count(&self, index: usize, turn: &Turn) {
        if turn.records == 0 {
            return;
        }
        let (metrics, origin) = (&self.reader.metrics, &self.slots[index].id.origin);
        metrics.records_consumed(origin).inc_by(turn.records as u64);
        metrics.consumed_bytes.inc_by(turn.bytes as u64);
        if turn.unreadable > 0 {
            metrics.records_undecodable(origin).inc_by(turn.unreadable as u64);
        }
        if turn.misplaced > 0 {
            metrics.records_misplaced(origin).inc_by(turn.misplaced as u64);
        }
    }

    /// Other partitions than the topic was thought to have: what was taken for misplaced may not be.
    fn learn_partitions(&mut self, index: usize, partitions: u32) -> Result<(), Halt> {
        let origin = self.slots[index].id.origin.clone();
        let known = self.partitions.insert(origin.clone(), partitions);
        if known == Some(partitions) {
            return Ok(());
        }
        tracing::error!(%origin, partitions, topics = ?known, "descriptor names another number of partitions than the topics have");
        for other in 0..self.slots.len() {
            let id = &self.slots[other].id;
            if id.origin == origin && id.topic != TopicKind::Control {
                self.restart(other)?;
            }
        }
        Ok(())
    }

    /// An error that one partition's reading met.
    fn face(&mut self, index: usize, error: KafkaError) -> Result<(), Halt> {
        use RDKafkaErrorCode::{AutoOffsetReset, LogTruncation, OffsetOutOfRange, TopicAuthorizationFailed};
        self.mark_ready(index);
        if let KafkaError::MessageConsumptionFatal(_) = error {
            return Err(Halt::Failed(error.into()));
        }
        let topic = &self.slots[index].topic;
        match error.rdkafka_error_code() {
            Some(AutoOffsetReset | OffsetOutOfRange | LogTruncation) => self.restart(index),
            Some(TopicAuthorizationFailed) => {
                let reason = format!("kafka does not let this account read topic {topic}");
                self.tell_trouble(reason.into())
            }
            _ => {
                tracing::debug!(%error, topic, "a partition cannot be read for now");
                Ok(())
            }
        }
    }

    /// Serves the client's log and errors; restarts topics that turn out to be re-created, and gives their names.
    fn serve_client(&mut self) -> Result<BTreeSet<String>, Halt> {
        let consumer = Arc::clone(&self.consumer);
        while let Some(event) = consumer.poll(Duration::ZERO) {
            match event {
                Ok(message) => self.face_stray(&message)?,
                Err(error @ KafkaError::MessageConsumptionFatal(_)) => return Err(Halt::Failed(error.into())),
                Err(error) => self.face_client_error(&error)?,
            }
        }
        let recreated = consumer.context().take_recreated();
        for topic in &recreated {
            self.restart_topic(topic)?;
        }
        Ok(recreated)
    }

    /// A record outside of its partition's queue has lost its order.
    fn face_stray(&mut self, message: &BorrowedMessage<'_>) -> Result<(), Halt> {
        let Some((origin, topic)) = self.names.parse(message.topic()) else { return Ok(()) };
        let Ok(partition) = u32::try_from(message.partition()) else { return Ok(()) };
        match self.by_id.get(&PartitionId { origin, topic, partition }) {
            Some(&index) => self.restart(index),
            None => Ok(()),
        }
    }

    fn face_client_error(&mut self, error: &KafkaError) -> Result<(), Halt> {
        use RDKafkaErrorCode::{AllBrokersDown, Authentication, SSL};
        match error.rdkafka_error_code() {
            Some(AllBrokersDown | Authentication | SSL) => {
                let reason = self.consumer.context().take_trouble();
                self.tell_trouble(reason.unwrap_or_else(|| error.to_string().into()))
            }
            _ => Ok(()),
        }
    }

    fn tell_trouble(&mut self, reason: Arc<str>) -> Result<(), Halt> {
        if self.trouble_told.is_some_and(|told| told.elapsed() < TROUBLE_INTERVAL) {
            return Ok(());
        }
        self.trouble_told = Some(Instant::now());
        self.reader.metrics.readable.set(0);
        self.tell(LogInput::Unreachable { reason })
    }

    fn tell(&self, news: LogInput) -> Result<(), Halt> {
        self.hand_over(Input::Log(news).into())
    }

    fn hand_over(&self, news: News) -> Result<(), Halt> {
        self.reader.inbox.blocking_send(news).map_err(|_| Halt::EngineGone)
    }
}

/// Why a turn ended.
enum StoppedBy {
    Empty,
    Limit,
    Error(KafkaError),
}

fn take_message(turn: &mut Turn, slot: &Slot, message: &BorrowedMessage<'_>, partitions: u32, interner: &mut Interner) {
    let (header, traceparent) = headers(message);
    let raw = RawRecord {
        offset: u64::try_from(message.offset()).unwrap_or(0),
        key: message.key().unwrap_or_default(),
        value: message.payload(),
        header,
    };
    turn.records += 1;
    turn.bytes += raw.key.len() + raw.value.map_or(0, <[u8]>::len);
    let unreadable = if slot.id.topic == TopicKind::Control {
        let record = decode_control(&raw, interner);
        let unreadable = is_unreadable_control(&record);
        turn.control(&slot.id, record);
        unreadable
    } else {
        let record = decode_record(&raw, interner);
        if !belongs(&record.key, raw.key, &slot.id, partitions) {
            turn.misplaced += 1;
            return;
        }
        let unreadable = is_unreadable(&record);
        turn.data(&slot.id, record, traceparent);
        unreadable
    };
    turn.unreadable += usize::from(unreadable);
}

/// Header `f` and, if it can be one, the trace.
fn headers<'m>(message: &'m BorrowedMessage<'_>) -> (Option<&'m [u8]>, Option<String>) {
    let Some(headers) = message.headers() else { return (None, None) };
    let find = |name| headers.iter().find(|header| header.key == name).and_then(|header| header.value);
    let traceparent = find(TRACEPARENT)
        .filter(|value| value.len() <= 128)
        .and_then(|value| std::str::from_utf8(value).ok())
        .map(str::to_owned);
    (find(HEADER), traceparent)
}

/// Whether a record stands in the topic and partition where its key belongs (rule R23).
fn belongs(key: &RecordKey, bytes: &[u8], partition: &PartitionId, partitions: u32) -> bool {
    let topic = match key {
        RecordKey::Data(DataKey::Instance(..)) => TopicKind::Instances,
        RecordKey::Data(DataKey::Config(_)) => TopicKind::Configs,
        RecordKey::Checkpoint | RecordKey::Other | RecordKey::Malformed => return true,
    };
    topic == partition.topic && home_partition(bytes, partitions) == partition.partition
}

fn is_unreadable(record: &Record) -> bool {
    let known = matches!(record.key, RecordKey::Data(_) | RecordKey::Checkpoint);
    (known && record.body == Body::Unreadable) || record.key == RecordKey::Malformed
}

fn is_unreadable_control(record: &ControlRecord) -> bool {
    record.key != ControlKey::Other && record.value == Some(ControlValue::Unreadable)
}

/// The number of partitions that a batch of control records describes last.
fn described_partitions(input: &Input) -> Option<u32> {
    let Input::Log(LogInput::Control { records, .. }) = input else { return None };
    records.iter().rev().find_map(|record| match (&record.key, &record.value) {
        (ControlKey::Descriptor, Some(ControlValue::Descriptor(descriptor))) => {
            (descriptor.partitions > 0).then_some(descriptor.partitions)
        }
        _ => None,
    })
}

fn partition_number(id: &PartitionId) -> i32 {
    i32::try_from(id.partition).unwrap_or(i32::MAX)
}

fn place_list(slot: &Slot, offset: Offset) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(&slot.topic, partition_number(&slot.id), offset)?;
    Ok(list)
}
