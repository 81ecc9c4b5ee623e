//! Reads every partition of every member from its beginning, or from where the engine's snapshot stands, on a thread of its own and without a consumer group. Input:
//! signals (who takes part, where partitions begin and end, what was re-created). Output: decoded records to the engine, in the order
//! of each partition. Invariant: what is handed over after [`LogInput::Restarted`] or [`LogInput::ReadAnew`] comes from the partition's beginning, after
//! [`LogInput::ReadsOn`] from the place that it names, and without them from where the last record was; whichever client reads it.
//!
//! Each partition has a queue of its own, because the library tells errors and ends without naming the topic, and so that
//! origins take turns ([`Turns`]): one origin's flood delays no other.
//!
//! The client may fall silent for good without an error ([`crate::life`]), so it is believed only while records or ends come where
//! they must ([`Hearing`]); else another one reads on from the same places.

mod anew;
mod joining;
mod resume;
mod told;

use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use federation_core::id::ClusterId;
use federation_core::input::{Input, LogInput};
use federation_core::log::record::{PartitionId, TopicKind};
use federation_core::time::Millis;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use tokio_util::sync::CancellationToken;

use crate::chores::{Chore, Chores};
use crate::client::Context;
use crate::disposal::Disposal;
use crate::fairness::{Next, Turns};
use crate::fetcher::Fetcher;
use crate::hearing::{Hearing, Remedy};
use crate::lookout::Lookout;
use crate::membership::Member;
use crate::options::{KafkaOptions, Renewals};
use crate::resumption::Resumption;
use crate::slot::{Hindrance, Slot, Verdict};
use crate::source::Sources;
use crate::topics::TopicNames;
use crate::turn::{ReadCluster, StoppedBy, Turn, described_partitions};
use federation_ports::inbox::{EngineInbox, EngineNews};
use federation_ports::metrics::{Component, LogMetrics, TroubleKind};
use federation_ports::trouble::TroubleBoard;

/// How long a stop may go unnoticed.
const NOTICE: Duration = Duration::from_millis(100);
/// How often every queue is looked at, signal or not, and what could not be attached is tried again.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// A partition's turn ends after this many records or bytes, or so long, so that others have theirs.
const TURN_RECORDS: usize = 500;
const TURN_BYTES: usize = 1 << 20;
const TURN_LENGTH: Duration = Duration::from_millis(5);
/// How long the thread waits for the engine to take something in.
const BUSY: Duration = Duration::from_millis(1);
/// How long the thread rests while only clusters over their pace have something; a turn of theirs runs off in some milliseconds.
const RESTING: Duration = Duration::from_millis(10);
/// The engine is told of trouble at most this often.
const TROUBLE_INTERVAL: Duration = Duration::from_secs(5);
/// A thread that did not come round for so long was kept by the engine, or by the machine: its client is not to blame for that time.
const STOOD_STILL: Duration = Duration::from_secs(2);
/// From when on the engine is told that a partition holds more than was handed over.
const LAGGING: Duration = Duration::from_millis(1500);
/// Signals that wait at most; each partition has few, and a lost one is made good by the next sweep or survey.
pub(super) const CAPACITY: usize = 8192;
/// What troubles of this thread concern.
const ABOUT: &str = "reader";
/// Partitions that a trouble names.
const NAMED: usize = 3;

/// What the reader is told.
#[derive(Debug)]
pub(super) enum Signal {
    /// The queue of this slot has something.
    Ready(usize),
    /// Whose topics to read: all of them; and the id of their Kafka, if it tells one.
    Members { members: Vec<Member>, kafka: Option<Arc<str>> },
    /// This topic was away, and is there again.
    Reappeared(String),
    /// This partition is not the one that was read.
    Lost(PartitionId),
    /// The engine wants this partition from its beginning once more.
    ReadAnew(PartitionId),
    /// The leader was asked at `asked` where this partition ends.
    End { partition: PartitionId, end: u64, asked: Instant },
    /// The leader said where this partition begins.
    Begin { partition: PartitionId, begin: u64 },
}

/// Where signals go.
pub(super) type Signals = SyncSender<Signal>;

/// The first client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the client that reads the log cannot be made")]
pub(super) struct ReadError(#[from] KafkaError);

/// Nobody listens any more.
struct EngineGone;

/// The thread's work.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) options: Arc<KafkaOptions>,
    pub(super) inbox: EngineInbox,
    pub(super) metrics: LogMetrics,
    pub(super) troubles: TroubleBoard,
    pub(super) lookout: Arc<Lookout>,
    pub(super) disposal: Disposal,
    pub(super) signals: Signals,
    /// Locked by the one running thread for as long as it runs.
    pub(super) signalled: Arc<Mutex<Receiver<Signal>>>,
    /// All partitions that were ever read: a thread that follows one that panicked starts them anew.
    pub(super) begun: Arc<Mutex<BTreeSet<PartitionId>>>,
    pub(super) resumption: Arc<Resumption>,
}

/// One run of the thread. Slots come first: their queues must go before the client.
struct Reading<'a> {
    slots: Vec<Slot>,
    fetcher: Fetcher,
    reader: &'a Reader,
    names: TopicNames,
    by_id: HashMap<PartitionId, usize>,
    sources: Sources,
    kafka: Option<Arc<str>>,
    /// How long tombstones stay readable, where that is known.
    retentions: HashMap<ClusterId, Millis>,
    turns: Turns,
    chores: Chores,
    hearing: Hearing,
    renewals: Renewals,
    /// When the loop last came round.
    turned: Instant,
    trouble_told: Option<Instant>,
}

impl Reader {
    /// Reads until stopped, or until nobody listens.
    pub(super) fn run(&self, stop: &CancellationToken) -> Result<(), ReadError> {
        let signalled = self.signalled.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let names = TopicNames::new(&self.options.topic_prefix, &self.options.federation);
        let renewals = self.options.renewals();
        let mut reading = Reading {
            slots: Vec::new(),
            fetcher: Fetcher::new(&self.options, self.kept_topic_ids(&names), &self.signals, &self.disposal)?,
            reader: self,
            names,
            by_id: HashMap::new(),
            sources: Sources::new(self.options.keys.clone()),
            kafka: None,
            retentions: HashMap::new(),
            turns: Turns::new(self.options.pace, self.options.cluster.clone()),
            chores: Chores::default(),
            hearing: Hearing::new(now),
            renewals,
            turned: now,
            trouble_told: None,
        };
        // That nobody listens any more is an end like another.
        let _ = reading.run(&signalled, stop);
        Ok(())
    }
}

impl Reading<'_> {
    fn run(&mut self, signalled: &Receiver<Signal>, stop: &CancellationToken) -> Result<(), EngineGone> {
        let mut next_sweep = Instant::now() + SWEEP_INTERVAL;
        while !stop.is_cancelled() && !self.reader.inbox.is_closed() {
            self.excuse_standing_still();
            match signalled.recv_timeout(self.patience()) {
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
            self.do_chores()?;
            // One at a time: what is quiet may have got something meanwhile.
            if let Next::Read(index) = self.turns.next(Instant::now(), self.news_waiting()) {
                self.take_turn(index)?;
            }
        }
        Ok(())
    }

    /// How long signals may be waited for.
    fn patience(&self) -> Duration {
        if !self.chores.is_empty() {
            return Duration::ZERO;
        }
        match self.turns.outlook(Instant::now(), self.news_waiting()) {
            Next::Read(_) => Duration::ZERO,
            Next::Wait => BUSY,
            Next::Rest => RESTING,
            Next::Nothing => NOTICE,
        }
    }

    /// How many news the engine has not taken in yet, whoever they are of.
    fn news_waiting(&self) -> usize {
        self.reader.inbox.max_capacity() - self.reader.inbox.capacity()
    }

    fn excuse_standing_still(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.turned) > STOOD_STILL {
            self.hearing.excuse(now);
            self.slots.iter_mut().for_each(|slot| slot.place.excuse(now));
        }
        self.turned = now;
    }

    fn obey(&mut self, signal: Signal) -> Result<(), EngineGone> {
        match signal {
            Signal::Ready(index) => self.turns.ready(index),
            Signal::Members { members, kafka } => {
                self.kafka = kafka;
                self.add_members(&members)?;
            }
            // Where the brokers tell ids, these show whether it is the same topic: an answer that left it out made nothing anew.
            Signal::Reappeared(topic) if self.fetcher.context().knows_id(&topic) => {}
            Signal::Reappeared(topic) => self.restart_topic(&topic)?,
            Signal::Lost(partition) => {
                if let Some(&index) = self.by_id.get(&partition) {
                    self.restart_another(index)?;
                }
            }
            Signal::ReadAnew(partition) => self.read_anew(&partition)?,
            Signal::End { partition, end, asked } => self.compare_end(partition, end, asked)?,
            Signal::Begin { partition, begin } => self.compare_begin(&partition, begin)?,
        }
        Ok(())
    }

    fn do_chores(&mut self) -> Result<(), EngineGone> {
        for chore in self.chores.take() {
            match chore {
                Chore::Attach(index) if self.slots[index].queue.is_none() => self.attach(index),
                Chore::Attach(_) => {}
                Chore::Restart(index) => self.restart(index)?,
            }
        }
        Ok(())
    }

    /// Starts to read a slot's partition from where it is; a failure is made good by the next sweep.
    fn attach(&mut self, index: usize) {
        self.fetcher.attach(index, &mut self.slots[index]);
        self.turns.ready(index);
    }

    fn sweep(&mut self) -> Result<(), EngineGone> {
        let (now, all_done) = (Instant::now(), self.chores.is_empty());
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            if slot.offer.is_some() {
                continue;
            }
            if slot.queue.is_none() {
                self.chores.add(all_done.then_some(Chore::Attach(index)));
            } else if slot.place.start_verifying(now) {
                self.fetcher.read_on(slot);
            }
            if slot.beginning.heals(now) {
                self.reader.troubles.heal(TroubleKind::LogBeginningLost, &slot.name());
            }
            self.turns.ready(index);
        }
        for (origin, partitions) in self.sources.due(now) {
            self.spread_anew(&origin, partitions);
        }
        self.tell_sources()?;
        self.tell_rested(now);
        self.supervise(now)
    }

    /// Says of which clusters less is read than they write.
    fn tell_rested(&self, now: Instant) {
        let per_second = self.reader.options.pace.per_second;
        let told = self.turns.rested(now).map(|origin| {
            let text = format!(
                "{origin} writes more than {per_second} bytes a second: it is read no faster, so what is new of it is shown late; what is known \
                 stays. import.limits.bytes_per_second says how much is read"
            );
            (origin.to_string(), text)
        });
        let told: Vec<(String, String)> = told.collect();
        if !told.is_empty() || self.reader.troubles.has(TroubleKind::OriginTooFast) {
            self.reader.troubles.replace(TroubleKind::OriginTooFast, told);
        }
    }

    /// Judges the client by what it should have brought.
    fn supervise(&mut self, now: Instant) -> Result<(), EngineGone> {
        // Where the account may read nothing, silence is no wonder.
        if self.slots.iter().any(|slot| slot.hindrance.is_none()) {
            match self.hearing.judge(now, self.reader.lookout.steady_since(now)) {
                Remedy::Wait => {}
                Remedy::Probe => self.probe(),
                Remedy::Replace => {
                    let reason = self.told_deaf(now);
                    tracing::warn!(reason, "the client that reads the log is silent, another takes its place");
                    self.replace_client(now);
                }
            }
        }
        if self.fetcher.can_be_replaced() && self.renewals.are_due() {
            tracing::info!("properties of kafka clients changed, another reads the log");
            self.replace_client(now);
        }
        self.reader.metrics.readable.set(i64::from(self.hearing.is_well(now)));
        let deaf = self.hearing.is_deaf().then(|| self.told_deaf(now));
        self.reader.troubles.set(TroubleKind::LogSilent, ABOUT, deaf.clone());
        match deaf {
            Some(reason) if self.is_cut_off() => self.tell_trouble(reason.into()),
            _ => Ok(()),
        }
    }

    /// Whether so little is heard that the engine cannot rely on the log: not where one of many partitions is silent.
    fn is_cut_off(&self) -> bool {
        let own_control = |index: usize| {
            self.slots.get(index).is_some_and(|slot| {
                slot.id.topic == TopicKind::Control && slot.id.origin == self.reader.options.cluster
            })
        };
        self.hearing.is_all_deaf() || self.hearing.deaf_slots().any(own_control)
    }

    /// Asks for a sign of life.
    fn probe(&mut self) {
        if let Some(slot) =
            self.slots.iter().find(|slot| slot.queue.is_some() && slot.place.is_at_end() && slot.hindrance.is_none())
        {
            self.fetcher.read_on(slot);
        }
    }

    /// Puts another client in the place of the one that is there. It reads on from the same places.
    fn replace_client(&mut self, now: Instant) {
        if !self.fetcher.can_be_replaced() {
            tracing::error!("too many kafka clients never end, the reader's is not replaced");
            return;
        }
        let another = match self.fetcher.another(&self.reader.options) {
            Ok(another) => another,
            Err(error) => return tracing::error!(%error, "the reader's client could not be replaced"),
        };
        self.reader.metrics.restarts(Component::Consumer).inc();
        let queues = self.slots.iter_mut().filter_map(|slot| slot.queue.take()).collect();
        std::mem::replace(&mut self.fetcher, another).end(queues);
        for index in 0..self.slots.len() {
            self.slots[index].place.excuse(now);
            if self.slots[index].offer.is_none() {
                self.attach(index);
            }
        }
    }

    fn compare_end(&mut self, partition: PartitionId, end: u64, asked: Instant) -> Result<(), EngineGone> {
        let Some(&index) = self.by_id.get(&partition) else { return Ok(()) };
        let now = Instant::now();
        if let Some(offer) = &mut self.slots[index].offer {
            offer.end = Some(end);
            return self.settle_offer(index);
        }
        match self.slots[index].place.end_told(end, asked, now) {
            Verdict::Plausible => {}
            Verdict::Lost => return self.restart_another(index),
        }
        let is_told = partition.topic == TopicKind::Control || partition.origin == self.reader.options.cluster;
        if !is_told && self.slots[index].place.behind_for(LAGGING, now).is_some() {
            self.hand_over(EngineNews::answer(Input::Log(LogInput::EndOffset { partition, end }), asked))?;
        }
        Ok(())
    }

    fn compare_begin(&mut self, partition: &PartitionId, begin: u64) -> Result<(), EngineGone> {
        let Some(&index) = self.by_id.get(partition) else { return Ok(()) };
        let slot = &mut self.slots[index];
        let has_moved = slot.beginning.told(begin);
        if let Some(offer) = &mut slot.offer {
            offer.begin = Some(begin);
            return self.settle_offer(index);
        }
        if !has_moved {
            return Ok(());
        }
        let name = slot.name();
        if partition.origin != self.reader.options.cluster {
            tracing::warn!(partition = name, begin, "records at the beginning of another cluster's log are gone");
            return Ok(());
        }
        slot.beginning.lost();
        let text = format!(
            "records of the own log before offset {begin} of {name} are gone: deleted by somebody, or by a retention time; \
             what is missing is stated again"
        );
        self.reader.troubles.raise(TroubleKind::LogBeginningLost, &name, text);
        self.restart(index)
    }

    /// Reads what waits in one slot's queue, up to a turn's worth, and hands it over.
    fn take_turn(&mut self, index: usize) -> Result<(), EngineGone> {
        let Some(queue) = self.slots[index].queue.take() else { return Ok(()) };
        let was_away_too_long = self.was_away_too_long(index);
        let (turn, stopped_by) = self.read_turn(index, &queue);
        self.slots[index].queue = Some(queue);
        // Whether the topic was re-created was logged before its first new record was queued.
        if self.serve_client()?.contains(&self.slots[index].topic) {
            return Ok(()); // Restarted already; what this turn read is void.
        }
        self.turns.done(index, turn.work(), Instant::now());
        self.note_signs(index, &turn, &stopped_by);
        self.count(index, &turn);
        if was_away_too_long && !turn.news.is_empty() {
            return self.restart(index); // Removals may be gone from what follows on what was read (rule R19).
        }
        let descriptor = turn.news.iter().rev().find_map(|news| described_partitions(&news.input));
        for news in turn.news {
            self.hand_over(news)?;
        }
        if let Some(partitions) = descriptor {
            self.learn_partitions(index, partitions);
        }
        match stopped_by {
            StoppedBy::Empty => {}
            StoppedBy::Limit => self.turns.ready(index),
            StoppedBy::Error(error) => self.face(index, &error)?,
        }
        Ok(())
    }

    fn read_turn(&mut self, index: usize, queue: &PartitionQueue<Context>) -> (Turn, StoppedBy) {
        let (slot, mut turn) = (&mut self.slots[index], Turn::default());
        let source = self.sources.of(&slot.id.origin);
        let (signatures, begun) = (self.reader.options.signatures.as_deref(), Instant::now());
        let read = ReadCluster { partitions: source.partitions(), signatures };
        while turn.records < TURN_RECORDS && turn.bytes < TURN_BYTES && begun.elapsed() < TURN_LENGTH {
            match queue.poll(Duration::ZERO) {
                None => return (turn, StoppedBy::Empty),
                Some(Ok(message)) => {
                    let offset = u64::try_from(message.offset()).unwrap_or(0);
                    slot.place.advance(offset + 1, Instant::now());
                    slot.beginning.read(offset);
                    turn.take(&slot.id, &message, &read, source);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    let next = slot.place.reached_end();
                    slot.beginning.reached_end(Instant::now());
                    turn.at_end(&slot.id, next);
                }
                Some(Err(error)) => return (turn, StoppedBy::Error(error)),
            }
        }
        (turn, StoppedBy::Limit)
    }

    /// A record or an end answers a fetch; an empty queue is judged by what the leader said that there is.
    fn note_signs(&mut self, index: usize, turn: &Turn, stopped_by: &StoppedBy) {
        let (now, slot) = (Instant::now(), &mut self.slots[index]);
        if turn.records > 0 || !turn.news.is_empty() {
            self.hearing.heard(index, now);
            self.reader.lookout.heard(now);
            if let Some(Hindrance { kind, about }) = slot.hindrance.take() {
                self.reader.troubles.heal(kind, &about);
            }
        } else if matches!(stopped_by, StoppedBy::Empty)
            && slot.hindrance.is_none()
            && slot.place.is_deaf(now).is_some()
        {
            self.hearing.misses(index);
        }
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

    /// A descriptor was read.
    fn learn_partitions(&mut self, index: usize, partitions: u32) {
        let origin = self.slots[index].id.origin.clone();
        if let Some(partitions) = self.sources.described(&origin, partitions, Instant::now()) {
            self.spread_anew(&origin, partitions);
        }
    }

    /// Other partitions than the topic was thought to have: what was taken for misplaced may not be.
    fn spread_anew(&mut self, origin: &ClusterId, partitions: u32) {
        tracing::error!(%origin, partitions, "descriptor names another number of partitions than the topics have");
        let is_data = |slot: &Slot| slot.id.origin == *origin && slot.id.topic != TopicKind::Control;
        let data = self.slots.iter().enumerate().filter(|(_, slot)| is_data(slot));
        self.chores.add(data.map(|(index, _)| Chore::Restart(index)));
    }

    /// An error that one partition's reading met.
    fn face(&mut self, index: usize, error: &KafkaError) -> Result<(), EngineGone> {
        use RDKafkaErrorCode::{
            AutoOffsetReset, BadCompression, BadMessage, LogTruncation, NotImplemented, OffsetOutOfRange,
            TopicAuthorizationFailed,
        };
        self.turns.ready(index);
        if let KafkaError::MessageConsumptionFatal(_) = error {
            self.hearing.broken();
            return Ok(());
        }
        let slot = &mut self.slots[index];
        match error.rdkafka_error_code() {
            Some(AutoOffsetReset | OffsetOutOfRange | LogTruncation) => self.restart(index),
            Some(TopicAuthorizationFailed) => {
                let reason = format!("kafka does not let this account read topic {}", slot.topic);
                let about = slot.topic.clone();
                self.hinder(index, TroubleKind::LogUnreachable, about, &reason);
                self.tell_trouble(reason.into())
            }
            // The client is well, and so are all other partitions.
            Some(BadCompression | BadMessage | NotImplemented) => {
                let (name, next) = (slot.name(), slot.place.next().unwrap_or(0));
                let reason = format!(
                    "a batch of {name} from offset {next} on cannot be unpacked, nothing after it is read: {error}"
                );
                self.hinder(index, TroubleKind::LogUnreadable, name, &reason);
                Ok(())
            }
            _ => {
                tracing::debug!(%error, topic = slot.topic, "a partition cannot be read for now");
                Ok(())
            }
        }
    }

    fn hinder(&mut self, index: usize, kind: TroubleKind, about: String, reason: &str) {
        self.reader.troubles.raise(kind, &about, reason);
        self.slots[index].hindrance = Some(Hindrance { kind, about });
    }

    /// Serves the client's log and errors; restarts topics that turn out to be re-created, and gives their names.
    fn serve_client(&mut self) -> Result<BTreeSet<String>, EngineGone> {
        let findings = self.fetcher.serve();
        if let Some(error) = findings.broken {
            tracing::error!(%error, "the client that reads the log cannot go on");
            self.hearing.broken();
        }
        for (topic, partition) in findings.strayed {
            self.face_stray(&topic, partition)?;
        }
        for topic in &findings.recreated {
            self.restart_topic(topic)?;
        }
        Ok(findings.recreated)
    }

    /// A record outside of its partition's queue has lost its order.
    fn face_stray(&mut self, topic: &str, partition: i32) -> Result<(), EngineGone> {
        let Some((origin, topic)) = self.names.parse(topic) else { return Ok(()) };
        let Ok(partition) = u32::try_from(partition) else { return Ok(()) };
        match self.by_id.get(&PartitionId { origin, topic, partition }) {
            Some(&index) => self.restart(index),
            None => Ok(()),
        }
    }

    fn tell_trouble(&mut self, reason: Arc<str>) -> Result<(), EngineGone> {
        if self.trouble_told.is_some_and(|told| told.elapsed() < TROUBLE_INTERVAL) {
            return Ok(());
        }
        self.trouble_told = Some(Instant::now());
        self.tell(LogInput::Unreachable { reason })
    }

    fn tell(&self, news: LogInput) -> Result<(), EngineGone> {
        self.hand_over(Input::Log(news).into())
    }

    fn hand_over(&self, news: EngineNews) -> Result<(), EngineGone> {
        self.reader.inbox.blocking_send(news).map_err(|_| EngineGone)
    }
}
