//! What every client of Kafka here tells beside its answers: its log, its last trouble, and topics that were re-created.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Callbacks of one client.
#[derive(Debug, Default)]
pub(super) struct Context {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    trouble: Option<Arc<str>>,
    topic_ids: HashMap<String, String>,
    recreated: BTreeSet<String>,
}

impl Context {
    /// What was last found wrong with the connection, for people; forgets it.
    pub(super) fn take_trouble(&self) -> Option<Arc<str>> {
        self.state().trouble.take()
    }

    /// Topics that turned out to be others under the same name since the last call.
    pub(super) fn take_recreated(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.state().recreated)
    }

    /// The critical sections here set or take single values: a panic cannot leave one half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_topic_id(&self, line: &str) {
        let Some((topic, before, after)) = parse_id_change(line) else { return };
        let mut state = self.state();
        let known = state.topic_ids.insert(topic.to_owned(), after.to_owned());
        // The library starts from an id of zeros; only a change of a true id means another topic.
        if known.is_some_and(|known| known == before) && before != after {
            state.recreated.insert(topic.to_owned());
        }
    }
}

/// Reads librdkafka's debug line `[thrd:…]: Topic NAME changed id from X to Y`: there is no other way to learn it.
fn parse_id_change(line: &str) -> Option<(&str, &str, &str)> {
    let (before, ids) = line.split_once(" changed id from ")?;
    let (_, topic) = before.rsplit_once("Topic ")?;
    let (from, to) = ids.split_once(" to ")?;
    Some((topic, from, to.trim()))
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
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
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            return; // The end of a partition comes as an error, too.
        }
        tracing::debug!(%error, reason, "kafka client reports trouble");
        self.state().trouble = Some(reason.into());
    }
}

impl ConsumerContext for Context {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_topic_id_is_told_once_and_a_first_one_not() {
        let context = Context::default();
        let tell = |from: &str, to: &str| {
            let line = format!("[thrd:main]: Topic nacos-fed.demo.a.control changed id from {from} to {to}");
            context.log(RDKafkaLogLevel::Debug, "METADATA", &line);
        };
        tell("AAAAAAAAAAAAAAAAAAAAAA", "first");
        assert!(context.take_recreated().is_empty());
        tell("first", "second");
        assert_eq!(context.take_recreated().into_iter().collect::<Vec<_>>(), ["nacos-fed.demo.a.control"]);
        assert!(context.take_recreated().is_empty());
    }
}
