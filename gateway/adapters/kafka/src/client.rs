//! What every client of Kafka here tells beside its answers: its log, its complaints, and topics that were re-created.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

use crate::complaint::{Cause, Complaints};

/// How the library writes that it knows no id.
const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
/// The library's word for lines about broken connections.
const BROKEN: &str = "FAIL";

/// Callbacks of one client.
#[derive(Debug, Default)]
pub(super) struct Context {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    complaints: Complaints,
    topic_ids: HashMap<String, String>,
    recreated: BTreeSet<String>,
}

impl Context {
    /// For a client that takes the place of another: it knows which topics that one read, and what it complained of.
    pub(super) fn following(other: &Self) -> Self {
        let other = other.state();
        let (topic_ids, complaints) = (other.topic_ids.clone(), other.complaints.clone());
        Self { state: Mutex::new(State { topic_ids, complaints, ..State::default() }) }
    }

    /// For a client that reads topics on which an earlier process has read, under these ids.
    pub(super) fn knowing(topic_ids: HashMap<String, String>) -> Self {
        Self { state: Mutex::new(State { topic_ids, ..State::default() }) }
    }

    /// The topic's id, as the brokers tell it, or as it was known before they did.
    pub(super) fn id_of(&self, topic: &str) -> Option<Arc<str>> {
        self.state().topic_ids.get(topic).map(|id| id.as_str().into())
    }

    /// What was known of the topic's id is of another Kafka.
    pub(super) fn forget_id(&self, topic: &str) {
        self.state().topic_ids.remove(topic);
    }

    /// Why nobody can be reached, for people, if the client said so.
    pub(super) fn trouble(&self) -> Option<Arc<str>> {
        self.state().complaints.worst(Instant::now())
    }

    /// Why this broker cannot be reached, for people, if the client said so.
    pub(super) fn trouble_of(&self, broker: i32) -> Option<Arc<str>> {
        self.state().complaints.of_broker(broker, Instant::now())
    }

    /// Some broker answered this client.
    pub(super) fn reached(&self) {
        self.state().complaints.reached();
    }

    /// This broker answered this client.
    pub(super) fn answered(&self, broker: i32) {
        self.state().complaints.answered(broker);
    }

    /// Topics that turned out to be others under the same name since the last call.
    pub(super) fn take_recreated(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.state().recreated)
    }

    /// Whether the brokers tell this topic's id, so that a change of it is noticed.
    pub(super) fn knows_id(&self, topic: &str) -> bool {
        self.state().topic_ids.contains_key(topic)
    }

    /// The critical sections here set or take single values: a panic cannot leave one half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_topic_id(&self, line: &str) {
        let Some((topic, _, now)) = parse_id_change(line).filter(|(.., now)| *now != NO_ID) else { return };
        let mut state = self.state();
        // The library starts from no id, and so does each client that follows another; what counts is what was read before.
        let known = state.topic_ids.insert(topic.to_owned(), now.to_owned());
        if known.is_some_and(|known| known != now) {
            state.recreated.insert(topic.to_owned());
        }
    }

    fn note_complaint(&self, cause: Cause, reason: &str) {
        self.state().complaints.note(cause, reason, Instant::now());
    }
}

/// Reads librdkafka's debug line `[thrd:…]: Topic NAME changed id from X to Y`: there is no other way to learn it.
fn parse_id_change(line: &str) -> Option<(&str, &str, &str)> {
    let (before, ids) = line.split_once(" changed id from ")?;
    let (_, topic) = before.rsplit_once("Topic ")?;
    let (from, to) = ids.split_once(" to ")?;
    Some((topic, from, to.trim()))
}

/// A line without the library's thread before it.
fn without_thread(line: &str) -> &str {
    line.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")).map_or(line, |(_, said)| said)
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
        if facility == BROKEN && !matches!(level, Debug) {
            // Each is a complaint; what lasts is told once, as trouble.
            let said = without_thread(line);
            self.note_complaint(Cause::read(said), said);
            tracing::debug!(facility, line, "kafka client");
            return;
        }
        match level {
            Emerg | Alert | Critical | Error | Warning => tracing::warn!(facility, line, "kafka client"),
            Notice | Info => tracing::debug!(facility, line, "kafka client"),
            Debug => {
                self.note_topic_id(line);
                tracing::trace!(facility, line, "kafka client");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(cause) = error.rdkafka_error_code().and_then(|code| Cause::of(code, reason)) {
            tracing::debug!(%error, reason, "kafka client reports trouble");
            self.note_complaint(cause, reason);
        }
    }
}

impl ConsumerContext for Context {}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "nacos-fed.demo.a.control";

    fn tell(context: &Context, from: &str, to: &str) {
        let line = format!("[thrd:main]: Topic {TOPIC} changed id from {from} to {to}");
        context.log(RDKafkaLogLevel::Debug, "METADATA", &line);
    }

    #[test]
    fn a_changed_topic_id_is_told_once_and_a_first_one_not() {
        let context = Context::default();
        tell(&context, NO_ID, "first");
        assert!(context.take_recreated().is_empty());
        assert!(context.knows_id(TOPIC));
        tell(&context, "first", "second");
        assert_eq!(context.take_recreated().into_iter().collect::<Vec<_>>(), [TOPIC]);
        assert!(context.take_recreated().is_empty());
    }

    #[test]
    fn a_client_that_follows_another_notices_a_topic_that_was_made_anew_in_between() {
        let first = Context::default();
        tell(&first, NO_ID, "first");
        let same = Context::following(&first);
        tell(&same, NO_ID, "first");
        assert!(same.take_recreated().is_empty());
        let other = Context::following(&first);
        tell(&other, NO_ID, "second");
        assert_eq!(other.take_recreated().len(), 1);
    }

    #[test]
    fn a_broken_connection_in_the_log_is_a_complaint() {
        let context = Context::default();
        let line = "[thrd:127.0.0.1:9092/bootstrap]: 127.0.0.1:9092/bootstrap: Disconnected: requesting ApiVersion: might be \
                    caused by incorrect security.protocol configuration (after 3ms in state APIVERSION_QUERY)";
        context.log(RDKafkaLogLevel::Info, BROKEN, line);
        let trouble = context.trouble().unwrap();
        let want =
            "connections are closed as soon as they are made (is security.protocol that of the listener?): 127.0.0.1";
        assert!(trouble.starts_with(want), "{trouble}");
        context.reached();
        assert!(context.trouble().is_none());
    }
}
