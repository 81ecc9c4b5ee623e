//! What becomes of records that were handed to a producer: callbacks of the clients, and what they found out, until it is reported.
//! Invariant: a send that has an id and is not delivered is reported as failed exactly once.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use federation_core::id::ClusterId;
use federation_core::input::SendId;
use federation_core::log::record::{PartitionId, TopicKind};
use federation_core::publish::DeliveryFailure;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{DeliveryResult, NoCustomPartitioner, ProducerContext};
use tokio::sync::Notify;

use crate::client::Context;
use crate::consume::{Signal, Signals};
use crate::life::Vigil;
use crate::lookout::Lookout;
use crate::produce::Line;
use crate::refusals::{self, Refusals};
use crate::topics::TopicNames;
use federation_ports::metrics::{LogMetrics, PublishResult, SendFailure};

/// Opaque value of a record without an id.
pub(super) const NO_ID: usize = usize::MAX;
/// A partition that nothing was sent to for so long owes no sign of life: another replica may be writing there.
const IDLE: Duration = Duration::from_secs(60);

/// What callbacks found out, until a task reports it. Both producers, and those that take their place, share one.
pub(super) struct Outcomes {
    /// Sends that failed. As long as what the engine has sent and not been answered for, which is what bounds it: a callback
    /// must neither wait nor lose one.
    failed: Mutex<Vec<(SendId, DeliveryFailure)>>,
    broken: AtomicBool,
    bell: Notify,
    refusals: Mutex<Refusals>,
    wards: Mutex<Wards>,
    /// Whether the producers have had an answer since they were made: that of data, and that of control.
    work: [AtomicBool; 2],
    own: ClusterId,
    lookout: Arc<Lookout>,
    metrics: LogMetrics,
}

/// One for each own partition that was written to.
type Wards = BTreeMap<(TopicKind, u32), Ward>;

/// A partition as its producer serves it.
#[derive(Debug)]
struct Ward {
    vigil: Vigil,
    sent: Instant,
    /// Its producer owes an answer for too long; until it is answered.
    silent: bool,
}

/// What happened since the last report.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) failed: Vec<(SendId, DeliveryFailure)>,
    /// A producer met an error, perhaps one that it cannot go on after.
    pub(super) broken: bool,
}

/// Callbacks of one producer.
pub(super) struct Delivery {
    outcomes: Arc<Outcomes>,
    signals: Signals,
    names: TopicNames,
    client: Context,
    /// Last acknowledged offset of each partition.
    acknowledged: Mutex<HashMap<(String, i32), i64>>,
}

impl Outcomes {
    pub(super) fn new(own: &ClusterId, lookout: &Arc<Lookout>, metrics: &LogMetrics) -> Self {
        Self {
            failed: Mutex::default(),
            broken: AtomicBool::default(),
            bell: Notify::new(),
            refusals: Mutex::default(),
            wards: Mutex::default(),
            work: Default::default(),
            own: own.clone(),
            lookout: Arc::clone(lookout),
            metrics: metrics.clone(),
        }
    }

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

    /// A record was handed to a producer.
    pub(super) fn sent(&self, topic: TopicKind, partition: u32, now: Instant) {
        let mut wards = self.wards();
        let ward = wards.entry((topic, partition)).or_insert_with(|| Ward {
            vigil: Vigil::default(),
            sent: now,
            silent: false,
        });
        ward.sent = now;
        ward.vigil.sent(now);
    }

    /// What a producer had queued was taken back: nothing is owed for it.
    pub(super) fn taken_back(&self, line: Line) {
        let mut wards = self.wards();
        let concerned = wards.iter_mut().filter(|((topic, _), _)| line.serves(*topic));
        concerned.for_each(|(_, ward)| ward.vigil.taken_back());
    }

    /// Another producer took the place of this one.
    pub(super) fn replaced(&self, line: Line) {
        self.work(line).store(false, Ordering::Release);
        self.taken_back(line);
    }

    /// Whether this producer has had an answer since it was made.
    pub(super) fn works(&self, line: Line) -> bool {
        self.work(line).load(Ordering::Acquire)
    }

    fn work(&self, line: Line) -> &AtomicBool {
        &self.work[usize::from(line == Line::Control)]
    }

    /// A record was not delivered; `id` is [`NO_ID`] where nobody waits for it.
    pub(super) fn failed_to_send(&self, error: &KafkaError, record: Lost<'_>, id: usize) {
        let failure = refusals::failure(error);
        self.metrics.sends_failed(failure).inc();
        let result = if failure == SendFailure::TooLarge { PublishResult::TooLarge } else { PublishResult::Failed };
        if let Some(kind) = record.kind {
            self.metrics.published.records(kind, result).inc();
        }
        let Lost { topic, key, size_bytes, .. } = record;
        let said = error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string());
        let is_new = self.refusals().refused(topic, key, size_bytes, failure, &said, Instant::now());
        let key = String::from_utf8_lossy(key).replace('\u{1f}', "·");
        if is_new {
            tracing::error!(
                topic,
                key,
                size_bytes,
                reason = said,
                "kafka does not take this record, it is not published"
            );
        } else {
            tracing::debug!(%error, topic, key, size_bytes, "record was not delivered");
        }
        if id != NO_ID {
            // A record that is too large stays so; of any other it is not known whether it landed.
            let outcome =
                if failure == SendFailure::TooLarge { DeliveryFailure::Refused } else { DeliveryFailure::Unsure };
            self.failed().push((SendId(id as u64), outcome));
            self.bell.notify_one();
        }
    }

    /// A producer may need another in its place.
    pub(super) fn break_down(&self) {
        self.broken.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    /// What is refused and to be told, as (topic, text).
    pub(super) fn refused(&self, now: Instant) -> Vec<(String, String)> {
        self.refusals().troubles(now)
    }

    /// Partitions for which this producer is silent while their leaders answer others: whether it is so now, and all of which it is not
    /// known yet that they work again.
    pub(super) fn silent(&self, line: Line, now: Instant) -> (bool, Vec<(TopicKind, u32)>) {
        let mut begins = false;
        let mut all = Vec::new();
        for (&(topic, partition), ward) in self.wards().iter_mut().filter(|((topic, _), _)| line.serves(*topic)) {
            let place = PartitionId { origin: self.own.clone(), topic, partition };
            let silent = ward.vigil.is_silent(now, self.lookout.own_steady_since(&place, now));
            begins |= silent;
            ward.silent = (ward.silent || silent) && now.duration_since(ward.sent) < IDLE;
            if ward.silent {
                all.push((topic, partition));
            }
        }
        (begins, all)
    }

    /// A broker answered to a record of an own partition.
    fn answered(&self, topic: TopicKind, partition: u32) {
        self.lookout.heard(Instant::now());
        let line = if Line::Control.serves(topic) { Line::Control } else { Line::Data };
        self.work(line).store(true, Ordering::Release);
        if let Some(ward) = self.wards().get_mut(&(topic, partition)) {
            ward.vigil.heard();
            ward.silent = false;
        }
    }

    /// The critical sections push one id or take all.
    fn failed(&self) -> MutexGuard<'_, Vec<(SendId, DeliveryFailure)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The critical sections look one up, add or remove one, or list all.
    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The critical sections change one, or look at each: there are as many as own partitions.
    fn wards(&self) -> MutexGuard<'_, Wards> {
        self.wards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A record that was not delivered.
pub(super) struct Lost<'a> {
    pub(super) topic: &'a str,
    /// `None` if it is no topic of the federation.
    pub(super) kind: Option<TopicKind>,
    pub(super) key: &'a [u8],
    /// Of key and value.
    pub(super) size_bytes: usize,
}

impl Delivery {
    pub(super) fn new(outcomes: &Arc<Outcomes>, signals: &Signals, names: &TopicNames) -> Self {
        Self {
            outcomes: Arc::clone(outcomes),
            signals: signals.clone(),
            names: names.clone(),
            client: Context::default(),
            acknowledged: Mutex::default(),
        }
    }

    /// Why nobody can be reached, for people, if the client said so.
    pub(super) fn trouble(&self) -> Option<Arc<str>> {
        self.client.trouble()
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

    /// A broker answered to this record.
    fn answered(&self, message: &impl Message) {
        self.client.reached();
        if let Some((_, kind)) = self.names.parse(message.topic())
            && let Ok(partition) = u32::try_from(message.partition())
        {
            self.outcomes.answered(kind, partition);
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
        self.outcomes.break_down();
    }
}

impl ProducerContext<NoCustomPartitioner> for Delivery {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, id: usize) {
        match result {
            Ok(message) => {
                self.answered(message);
                self.outcomes.refusals().taken(message.topic(), message.key().unwrap_or_default());
                self.check_offset(message.topic(), message.partition(), message.offset());
            }
            Err((error, message)) => {
                if refusals::is_answer(error) {
                    self.answered(message);
                }
                let key = message.key().unwrap_or_default();
                let lost = Lost {
                    topic: message.topic(),
                    kind: self.names.parse(message.topic()).map(|(_, kind)| kind),
                    key,
                    size_bytes: key.len() + message.payload_len(),
                };
                self.outcomes.failed_to_send(error, lost, id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode;

    use super::*;

    fn outcomes(lookout: &Arc<Lookout>) -> Outcomes {
        Outcomes::new(&"a".parse().unwrap(), lookout, &LogMetrics::default())
    }

    fn control(outcomes: &Outcomes, now: Instant) -> (bool, usize) {
        let (begins, all) = outcomes.silent(Line::Control, now);
        (begins, all.len())
    }

    #[test]
    fn a_producer_that_owes_an_answer_is_silent_until_it_is_answered_or_not_used_any_more() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let lookout = Arc::new(Lookout::default());
        let place = PartitionId { origin: "a".parse().unwrap(), topic: TopicKind::Control, partition: 0 };
        let ask = |second| {
            lookout.asked(at(second), true);
            lookout.asked_own(&place, at(second), true);
        };
        let outcomes = outcomes(&lookout);
        ask(0);
        outcomes.sent(TopicKind::Control, 0, at(1));
        outcomes.sent(TopicKind::Instances, 0, at(1));
        ask(5);
        assert_eq!(control(&outcomes, at(5)), (false, 0));
        assert_eq!(control(&outcomes, at(6)), (true, 1));
        outcomes.replaced(Line::Control);
        assert_eq!(control(&outcomes, at(7)), (false, 1), "told until the next one works");
        outcomes.sent(TopicKind::Control, 0, at(8));
        assert!(!outcomes.works(Line::Control));
        outcomes.answered(TopicKind::Control, 0);
        assert!(outcomes.works(Line::Control) && !outcomes.works(Line::Data));
        assert_eq!(control(&outcomes, at(9)), (false, 0));
        outcomes.sent(TopicKind::Control, 0, at(10));
        ask(10);
        ask(15);
        assert_eq!(control(&outcomes, at(15)), (true, 1));
        assert_eq!(control(&outcomes, at(70)), (false, 0), "nothing was sent for a minute");
    }

    #[test]
    fn a_failed_send_is_reported_once_and_its_refusal_told() {
        let outcomes = outcomes(&Arc::default());
        let lost = || Lost { topic: "t", kind: Some(TopicKind::Control), key: b"k", size_bytes: 3 };
        let refused = KafkaError::MessageProduction(RDKafkaErrorCode::InvalidTimestamp);
        outcomes.failed_to_send(&refused, lost(), 7);
        outcomes.failed_to_send(&refused, lost(), NO_ID);
        assert_eq!(std::mem::take(&mut *outcomes.failed()), [(SendId(7), DeliveryFailure::Unsure)]);
        assert_eq!(outcomes.metrics.sends_failed(SendFailure::InvalidTimestamp).get(), 2);
        assert_eq!(outcomes.refused(Instant::now()).len(), 1);
    }
}
