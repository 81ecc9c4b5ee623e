//! What the brokers refuse to take, and since when: by topic where everything in it is refused, by record where it is the record's own
//! fault. Pure: times are passed in.
//!
//! A refusal that lasts is tried again and again and fails each time, while everything else goes on; so it has to be told until the very
//! thing that was refused is taken. What is not tried any more is not told any more either: who wanted it has changed its mind, or
//! another replica writes now.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use federation_ports::metrics::SendFailure;

/// Refused records that are remembered of a topic at most; beyond, they are counted only while they are tried.
const MOST_RECORDS: usize = 1_000;
/// A refusal that may pass by itself is told after this long.
const LASTS: Duration = Duration::from_secs(3);
/// What was refused is tried again each minute at least; what was not tried for this long is not wanted any more.
const FORGOTTEN: Duration = Duration::from_secs(180);

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The record's own: others pass.
    Record,
    /// Of the topic or the account: every record fails until somebody acts.
    Topic,
    /// Of the brokers: it may pass by itself.
    Passing,
    /// Nobody refused anything.
    None,
}

/// All that is refused now.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    topics: BTreeMap<String, Topic>,
}

#[derive(Debug, Default)]
struct Topic {
    whole: Option<Whole>,
    /// By key.
    records: BTreeMap<Vec<u8>, Record>,
}

#[derive(Debug)]
struct Whole {
    failure: SendFailure,
    said: String,
    since: Instant,
    last: Instant,
}

#[derive(Debug)]
struct Record {
    failure: SendFailure,
    size_bytes: usize,
    last: Instant,
}

/// Why a record was not delivered.
pub(super) fn failure(error: &KafkaError) -> SendFailure {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        Some(Code::MessageTimedOut | Code::RequestTimedOut | Code::OperationTimedOut | Code::TimedOutQueue) => {
            SendFailure::Timeout
        }
        Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge) => {
            SendFailure::TooLarge
        }
        Some(Code::QueueFull) => SendFailure::QueueFull,
        Some(Code::PurgeQueue | Code::PurgeInflight) => SendFailure::Purged,
        Some(Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend | Code::ISRInsufficient) => {
            SendFailure::NotEnoughReplicas
        }
        Some(Code::InvalidTimestamp) => SendFailure::InvalidTimestamp,
        Some(Code::InvalidRecord | Code::InvalidMessage | Code::UnsupportedForMessageFormat | Code::BadMessage) => {
            SendFailure::InvalidRecord
        }
        Some(Code::PolicyViolation) => SendFailure::PolicyViolation,
        Some(
            Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed,
        ) => SendFailure::NotAuthorized,
        Some(
            Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::UnknownTopicId
            | Code::InvalidTopic,
        ) => SendFailure::UnknownTopic,
        Some(
            Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::ReplicaNotAvailable,
        ) => SendFailure::NoLeader,
        Some(Code::KafkaStorageError | Code::LogDirNotFound) => SendFailure::Storage,
        Some(
            Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::SSL
            | Code::Authentication
            | Code::BrokerNotAvailable
            | Code::NetworkException,
        ) => SendFailure::Connection,
        Some(
            Code::OutOfOrderSequenceNumber
            | Code::InvalidProducerEpoch
            | Code::UnknownProducerId
            | Code::ProducerFenced
            | Code::Fenced
            | Code::Fatal
            | Code::GaplessGuarantee,
        ) => SendFailure::Producer,
        _ => SendFailure::Other,
    }
}

/// Whether a broker said it: the client's own errors have negative numbers.
pub(super) fn is_answer(error: &KafkaError) -> bool {
    error.rdkafka_error_code().is_some_and(|code| code as i32 > 0)
}

fn fault(failure: SendFailure) -> Fault {
    match failure {
        SendFailure::TooLarge | SendFailure::InvalidRecord | SendFailure::PolicyViolation => Fault::Record,
        SendFailure::InvalidTimestamp | SendFailure::NotAuthorized => Fault::Topic,
        SendFailure::NotEnoughReplicas
        | SendFailure::UnknownTopic
        | SendFailure::Storage
        | SendFailure::Producer
        | SendFailure::Other => Fault::Passing,
        // Told by whoever finds that nobody answers.
        SendFailure::Timeout
        | SendFailure::QueueFull
        | SendFailure::Purged
        | SendFailure::NoLeader
        | SendFailure::Connection => Fault::None,
    }
}

impl Refusals {
    /// A record was refused; `said` is the broker's word. Whether it is a record that is refused for a fault of its own, and was not
    /// before.
    pub(super) fn refused(
        &mut self,
        topic: &str,
        key: &[u8],
        size_bytes: usize,
        failure: SendFailure,
        said: &str,
        now: Instant,
    ) -> bool {
        let fault = fault(failure);
        if fault == Fault::None {
            return false;
        }
        let topic = self.topics.entry(topic.to_owned()).or_default();
        if fault == Fault::Record {
            let is_known = topic.records.contains_key(key);
            if is_known || topic.records.len() < MOST_RECORDS {
                topic.records.insert(key.to_vec(), Record { failure, size_bytes, last: now });
            }
            return !is_known;
        }
        let since = topic.whole.as_ref().map_or(now, |whole| whole.since);
        topic.whole = Some(Whole { failure, said: said.to_owned(), since, last: now });
        false
    }

    /// A record was taken.
    pub(super) fn taken(&mut self, topic: &str, key: &[u8]) {
        // Nearly always there is nothing refused, and nothing to look up.
        if let Some(topic) = self.topics.get_mut(topic) {
            topic.whole = None;
            topic.records.remove(key);
        }
    }

    /// What is to be told now, as (topic, text); forgets what is not tried any more.
    pub(super) fn troubles(&mut self, now: Instant) -> Vec<(String, String)> {
        let is_tried = |last: Instant| now.duration_since(last) < FORGOTTEN;
        for topic in self.topics.values_mut() {
            topic.whole = topic.whole.take().filter(|whole| is_tried(whole.last));
            topic.records.retain(|_, record| is_tried(record.last));
        }
        self.topics.retain(|_, topic| topic.whole.is_some() || !topic.records.is_empty());
        let told = |(name, topic): (&String, &Topic)| Some((name.clone(), topic.text(name, now)?));
        self.topics.iter().filter_map(told).collect()
    }
}

impl Topic {
    fn text(&self, name: &str, now: Instant) -> Option<String> {
        if let Some(whole) = &self.whole {
            let lasts = fault(whole.failure) == Fault::Topic || now.duration_since(whole.since) >= LASTS;
            return lasts
                .then(|| format!("kafka refuses records of topic {name}: {} ({})", whole.advice(), whole.said));
        }
        let (key, record) = self.records.iter().next()?;
        let (key, bytes) = (String::from_utf8_lossy(key).replace('\u{1f}', "·"), record.size_bytes);
        let why = match record.failure {
            SendFailure::TooLarge => "larger than the topic takes; make the item smaller, or max_message_bytes larger",
            SendFailure::PolicyViolation => "against a policy of the brokers",
            _ => "refused by the brokers' validation of records",
        };
        let more = match self.records.len() - 1 {
            0 => String::new(),
            more => format!("; {more} more"),
        };
        Some(format!("a record of topic {name} is not published: {key} ({bytes} bytes) is {why}{more}"))
    }
}

impl Whole {
    fn advice(&self) -> &'static str {
        match self.failure {
            SendFailure::InvalidTimestamp => {
                "their time is out of the topic's bounds; set message.timestamp.type=LogAppendTime"
            }
            SendFailure::NotEnoughReplicas => "fewer replicas are in sync than min.insync.replicas asks for",
            SendFailure::NotAuthorized => "this account may not write there; grant it",
            SendFailure::UnknownTopic => "there is no such topic or partition",
            SendFailure::Storage => "the broker cannot write to its disk",
            SendFailure::Producer => "the broker and the client disagree on the order of records",
            _ => "for a reason of their own",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(refusals: &mut Refusals, now: Instant) -> Vec<String> {
        refusals.troubles(now).into_iter().map(|(topic, text)| format!("{topic}: {text}")).collect()
    }

    #[test]
    fn a_topic_that_refuses_everything_is_told_until_the_next_record_of_it_is_taken() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut refusals = Refusals::default();
        refusals.refused("a", b"k", 1, SendFailure::InvalidTimestamp, "InvalidTimestamp", start);
        refusals.refused("b", b"k", 1, SendFailure::NotEnoughReplicas, "NotEnoughReplicas", start);
        assert_eq!(refusals.troubles(start).len(), 1, "too few replicas may pass");
        refusals.refused("b", b"k", 1, SendFailure::NotEnoughReplicas, "NotEnoughReplicas", at(2));
        let told = texts(&mut refusals, at(3));
        assert!(told[0].contains("message.timestamp.type=LogAppendTime (InvalidTimestamp)"), "{told:?}");
        assert!(told[1].contains("b: kafka refuses records of topic b: fewer replicas are in sync"), "{told:?}");
        refusals.taken("a", b"other");
        refusals.taken("c", b"k");
        assert_eq!(refusals.troubles(at(4)).len(), 1);
        refusals.taken("b", b"k");
        assert!(refusals.troubles(at(5)).is_empty());
    }

    #[test]
    fn a_record_that_is_refused_for_its_own_fault_is_told_until_it_is_taken_itself() {
        let start = Instant::now();
        let mut refusals = Refusals::default();
        assert!(refusals.refused("a", b"c\x1flarge", 7, SendFailure::TooLarge, "", start));
        assert!(!refusals.refused("a", b"c\x1flarge", 7, SendFailure::TooLarge, "", start), "known");
        assert!(refusals.refused("a", b"c\x1fmore", 7, SendFailure::TooLarge, "", start));
        refusals.taken("a", b"small");
        let told = texts(&mut refusals, start);
        assert!(
            told[0].contains("c·large (7 bytes) is larger than the topic takes") && told[0].ends_with("; 1 more"),
            "{told:?}"
        );
        refusals.taken("a", b"c\x1flarge");
        refusals.taken("a", b"c\x1fmore");
        assert!(refusals.troubles(start).is_empty());
        assert!(refusals.refused("a", b"c\x1flarge", 7, SendFailure::TooLarge, "", start), "it begins again");
    }

    #[test]
    fn what_is_not_tried_any_more_is_not_told_any_more() {
        let start = Instant::now();
        let mut refusals = Refusals::default();
        refusals.refused("a", b"k", 1, SendFailure::TooLarge, "", start);
        refusals.refused("b", b"k", 1, SendFailure::NotAuthorized, "", start);
        assert_eq!(refusals.troubles(start + FORGOTTEN - Duration::from_secs(1)).len(), 2);
        assert!(refusals.troubles(start + FORGOTTEN).is_empty());
    }

    #[test]
    fn silence_is_no_refusal() {
        let start = Instant::now();
        let mut refusals = Refusals::default();
        for failure in [SendFailure::Timeout, SendFailure::Purged, SendFailure::QueueFull, SendFailure::Connection] {
            refusals.refused("a", b"k", 1, failure, "", start);
        }
        assert!(refusals.troubles(start + LASTS).is_empty());
    }

    #[test]
    fn refused_records_cannot_fill_the_memory() {
        let start = Instant::now();
        let mut refusals = Refusals::default();
        for number in 0..3 * MOST_RECORDS {
            refusals.refused("a", number.to_string().as_bytes(), 1, SendFailure::TooLarge, "", start);
        }
        assert_eq!(refusals.topics["a"].records.len(), MOST_RECORDS);
    }

    #[test]
    fn each_lasting_refusal_has_a_name_of_its_own_and_a_broker_behind_it() {
        use RDKafkaErrorCode as Code;
        for (code, want, answer) in [
            (Code::InvalidTimestamp, SendFailure::InvalidTimestamp, true),
            (Code::NotEnoughReplicas, SendFailure::NotEnoughReplicas, true),
            (Code::NotEnoughReplicasAfterAppend, SendFailure::NotEnoughReplicas, true),
            (Code::InvalidRecord, SendFailure::InvalidRecord, true),
            (Code::PolicyViolation, SendFailure::PolicyViolation, true),
            (Code::TopicAuthorizationFailed, SendFailure::NotAuthorized, true),
            (Code::ClusterAuthorizationFailed, SendFailure::NotAuthorized, true),
            (Code::UnknownTopicOrPartition, SendFailure::UnknownTopic, true),
            (Code::UnknownTopic, SendFailure::UnknownTopic, false),
            (Code::MessageSizeTooLarge, SendFailure::TooLarge, true),
            (Code::KafkaStorageError, SendFailure::Storage, true),
            (Code::MessageTimedOut, SendFailure::Timeout, false),
            (Code::BrokerTransportFailure, SendFailure::Connection, false),
            (Code::PurgeQueue, SendFailure::Purged, false),
        ] {
            let error = KafkaError::MessageProduction(code);
            assert_eq!((failure(&error), is_answer(&error)), (want, answer), "{code:?}");
        }
    }
}
