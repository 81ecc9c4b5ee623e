//! What a client last complained of about its connections, by broker, and which of these complaints says most. Pure.
//!
//! A client that reaches nobody says so in many ways at once: the cause (a wrong password, a certificate, a name), its consequence
//! ("disconnected"), and a summary ("1/1 brokers are down"). People need the cause. So each broker's last complaint is kept until that
//! broker answers, a consequence does not replace its cause, and the summary is used only where nothing else is known.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;

/// A complaint that was not repeated for so long is over: the library repeats the same one each 30 s.
const LASTS: Duration = Duration::from_secs(45);
/// Brokers whose complaints are kept; there are never so many, but their names come from outside.
const MOST_BROKERS: usize = 64;

/// Why a connection does not work, worst understood last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// The broker does not accept the name and password, or what else was shown.
    Authentication,
    /// No secure connection: certificates, host names, versions.
    Tls,
    /// The host's name is not known.
    Resolve,
    /// The client and the listener speak different protocols.
    Protocol,
    /// Nobody listens there.
    Refused,
    /// Nobody answers.
    TimedOut,
    /// It broke.
    Lost,
    /// All brokers are down: a summary.
    AllDown,
}

impl Cause {
    /// Of an error that the library raised, if it is about a connection.
    pub(super) fn of(code: RDKafkaErrorCode, reason: &str) -> Option<Self> {
        use RDKafkaErrorCode::{
            AllBrokersDown, Authentication, BrokerTransportFailure, OperationTimedOut, Resolve, SSL,
            SaslAuthenticationFailed, UnsupportedSASLMechanism,
        };
        match code {
            Authentication | SaslAuthenticationFailed | UnsupportedSASLMechanism => Some(Self::Authentication),
            SSL => Some(Self::Tls),
            Resolve => Some(Self::Resolve),
            AllBrokersDown => Some(Self::AllDown),
            BrokerTransportFailure | OperationTimedOut => Some(Self::read(reason)),
            _ => None,
        }
    }

    /// Of a line of the library's log: the words are all there is.
    pub(super) fn read(reason: &str) -> Self {
        let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
        // Closed as soon as it spoke: the library suspects the same, and does not say it in all cases.
        let closed_at_once = says(&["isconnected"]) && (says(&["state APIVERSION_QUERY"]) || is_of_a_moment(reason));
        if says(&["SASL", "authenticat"]) && !says(&["might require SASL"]) {
            Self::Authentication
        } else if says(&["SSL handshake", "certificate", "SSL routines"]) {
            Self::Tls
        } else if says(&["Failed to resolve"]) {
            Self::Resolve
        } else if says(&["security.protocol"]) || closed_at_once {
            Self::Protocol
        } else if says(&["refused"]) {
            Self::Refused
        } else if says(&["timed out", "timeout"]) {
            Self::TimedOut
        } else {
            Self::Lost
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Authentication => "authentication failed",
            Self::Tls => "no secure connection (TLS)",
            Self::Resolve => "a host name cannot be resolved",
            Self::Protocol => {
                "connections are closed as soon as they are made (is security.protocol that of the listener?)"
            }
            Self::Refused => "connection refused",
            Self::TimedOut => "no answer in time",
            Self::Lost => "connection lost",
            Self::AllDown => "no broker can be reached",
        }
    }
}

/// Whether a connection was closed within a moment of being up: `(after 12ms in state UP…)`.
fn is_of_a_moment(reason: &str) -> bool {
    const MOMENT_MS: u32 = 1_000;
    let after = reason.rsplit_once("(after ").and_then(|(_, rest)| rest.split_once("ms in state UP"));
    after.and_then(|(millis, _)| millis.parse().ok()).is_some_and(|millis: u32| millis < MOMENT_MS)
}

/// Complaints of one client.
#[derive(Clone, Debug, Default)]
pub(super) struct Complaints {
    /// By the library's name of a broker, such as `host:9092/1` or `sasl_ssl://host:9092/bootstrap`; its summary under no name.
    by_broker: BTreeMap<String, Complaint>,
}

#[derive(Clone, Debug)]
struct Complaint {
    cause: Cause,
    text: Arc<str>,
    at: Instant,
}

impl Complaints {
    /// The library said `reason`, which begins with a broker's name unless it is a summary.
    pub(super) fn note(&mut self, cause: Cause, reason: &str, now: Instant) {
        let broker = match reason.split_once(": ") {
            Some((broker, _)) if cause != Cause::AllDown && !broker.contains(' ') => broker,
            _ => "",
        };
        let is_consequence = |known: &Complaint| known.cause < cause && now.duration_since(known.at) < LASTS;
        let vague = matches!(cause, Cause::Lost | Cause::AllDown);
        if vague && self.by_broker.get(broker).is_some_and(is_consequence) {
            return;
        }
        if self.by_broker.len() >= MOST_BROKERS && !self.by_broker.contains_key(broker) {
            return;
        }
        let text = format!("{}: {reason}", cause.words()).into();
        self.by_broker.insert(broker.to_owned(), Complaint { cause, text, at: now });
    }

    /// What says most of why nobody can be reached.
    pub(super) fn worst(&self, now: Instant) -> Option<Arc<str>> {
        Self::most_telling(self.by_broker.values(), now)
    }

    /// What says most of why the broker with this number cannot be reached.
    pub(super) fn of_broker(&self, number: i32, now: Instant) -> Option<Arc<str>> {
        let ending = format!("/{number}");
        let its = self.by_broker.iter().filter(|(name, _)| name.ends_with(&ending)).map(|(_, complaint)| complaint);
        Self::most_telling(its, now)
    }

    /// The broker with this number answered.
    pub(super) fn answered(&mut self, number: i32) {
        let ending = format!("/{number}");
        self.by_broker.retain(|name, _| !name.ends_with(&ending));
    }

    /// Some broker answered: those that are known by their address only are of no concern any more, and not all are down.
    pub(super) fn reached(&mut self) {
        self.by_broker.retain(|name, _| !name.is_empty() && !name.ends_with("/bootstrap"));
    }

    fn most_telling<'a>(complaints: impl Iterator<Item = &'a Complaint>, now: Instant) -> Option<Arc<str>> {
        let standing = complaints.filter(|complaint| now.duration_since(complaint.at) < LASTS);
        let telling = standing.min_by_key(|complaint| (complaint.cause, std::cmp::Reverse(complaint.at)))?;
        Some(Arc::clone(&telling.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "sasl_plaintext://127.0.0.1:9092/bootstrap: SASL SCRAM-SHA-512 mechanism handshake failed: \
                            Broker: SASL Authentication failed: invalid credentials (after 12ms in state AUTH_REQ)";

    #[test]
    fn the_cause_is_told_and_neither_its_consequence_nor_the_summary() {
        let now = Instant::now();
        let mut complaints = Complaints::default();
        complaints.note(Cause::AllDown, "1/1 brokers are down", now);
        assert_eq!(complaints.worst(now).as_deref(), Some("no broker can be reached: 1/1 brokers are down"));
        complaints.note(Cause::Authentication, PASSWORD, now);
        complaints.note(Cause::Lost, "sasl_plaintext://127.0.0.1:9092/bootstrap: Disconnected", now);
        complaints.note(Cause::AllDown, "1/1 brokers are down", now);
        let worst = complaints.worst(now).unwrap();
        assert!(worst.starts_with("authentication failed: sasl_plaintext://127.0.0.1:9092/bootstrap: SASL"), "{worst}");
    }

    #[test]
    fn another_cause_of_the_same_broker_takes_the_place_of_the_former() {
        let now = Instant::now();
        let mut complaints = Complaints::default();
        complaints.note(Cause::Resolve, "kafka:9092/bootstrap: Failed to resolve 'kafka:9092'", now);
        complaints.note(Cause::Refused, "kafka:9092/bootstrap: Connect failed: Connection refused", now);
        assert!(complaints.worst(now).unwrap().starts_with("connection refused"));
    }

    #[test]
    fn a_complaint_ends_when_its_broker_answers_or_when_it_is_not_repeated() {
        let now = Instant::now();
        let mut complaints = Complaints::default();
        complaints.note(Cause::Refused, "a:9092/1: Connection refused", now);
        complaints.note(Cause::TimedOut, "b:9092/12: timed out", now);
        complaints.note(Cause::Refused, "a:9092/bootstrap: Connection refused", now);
        complaints.reached();
        assert!(complaints.of_broker(2, now).is_none());
        assert!(complaints.of_broker(12, now).unwrap().contains("b:9092/12"));
        complaints.answered(1);
        assert!(complaints.worst(now).unwrap().contains("b:9092/12"));
        assert!(complaints.worst(now + LASTS).is_none());
    }

    #[test]
    fn causes_are_read_from_codes_and_where_these_say_little_from_words() {
        use RDKafkaErrorCode as Code;
        for (code, reason, want) in [
            (Code::Authentication, PASSWORD, Some(Cause::Authentication)),
            (Code::SSL, "ssl://a:1/bootstrap: SSL handshake failed: certificate verify failed", Some(Cause::Tls)),
            (Code::Resolve, "a:1/bootstrap: Failed to resolve 'a:1': Name or service not known", Some(Cause::Resolve)),
            (
                Code::BrokerTransportFailure,
                "a:1/1: Connect to ipv4#1.2.3.4:1 failed: Connection refused",
                Some(Cause::Refused),
            ),
            (Code::BrokerTransportFailure, "a:1/1: Connection setup timed out in state CONNECT", Some(Cause::TimedOut)),
            (
                Code::BrokerTransportFailure,
                "a:1/1: Disconnected: verify that security.protocol is correctly configured, broker might require SASL \
                 authentication",
                Some(Cause::Protocol),
            ),
            (Code::BrokerTransportFailure, "a:1/1: Disconnected", Some(Cause::Lost)),
            (Code::BrokerTransportFailure, "a:1/1: Disconnected (after 61000ms in state UP)", Some(Cause::Lost)),
            (
                Code::BrokerTransportFailure,
                "a:1/1: Disconnected (after 0ms in state UP, 1 more)",
                Some(Cause::Protocol),
            ),
            (Code::OperationTimedOut, "a:1/1: 1 request(s) timed out: disconnect", Some(Cause::TimedOut)),
            (Code::AllBrokersDown, "1/1 brokers are down", Some(Cause::AllDown)),
            (Code::PartitionEOF, "", None),
            (Code::TopicAuthorizationFailed, "Fetch from broker 1 failed", None),
        ] {
            assert_eq!(Cause::of(code, reason), want, "{reason}");
        }
    }

    #[test]
    fn names_from_outside_cannot_fill_the_memory() {
        let now = Instant::now();
        let mut complaints = Complaints::default();
        for number in 0..10 * MOST_BROKERS {
            complaints.note(Cause::Refused, &format!("a:9092/{number}: refused"), now);
        }
        assert_eq!(complaints.by_broker.len(), MOST_BROKERS);
    }
}
