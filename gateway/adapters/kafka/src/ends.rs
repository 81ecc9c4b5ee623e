//! Asks where partitions begin and end: of a partition's end when the engine wants it, of all by itself. A thread
//! of its own, because a silent broker makes it wait. A question that fails is not answered.
//!
//! That leaders answer here is what the silence of the reader and of the producers is measured by ([`Lookout`]), so all partitions that
//! are read are asked about all the time: two requests' worth of numbers to each broker, next to ten fetches a second.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use federation_core::id::ClusterId;
use federation_core::input::{Input, LogInput};
use federation_core::log::record::{PartitionId, TopicKind};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio_util::sync::CancellationToken;

use crate::consume::{Signal, Signals};
use crate::inspector::{Edge, Inspector, Places};
use crate::lookout::Lookout;
use crate::membership::Member;
use federation_ports::inbox::{EngineInbox, EngineNews};
use federation_ports::metrics::TroubleKind;
use federation_ports::trouble::TroubleBoard;

/// How often every partition's end is asked for.
const INTERVAL: Duration = Duration::from_secs(2);
/// How often every partition's beginning is asked for: a loss there is told within 15 s.
const BEGIN_INTERVAL: Duration = Duration::from_secs(8);
/// How long a broker may owe answers before that is trouble.
const SILENT_AFTER: Duration = Duration::from_secs(4);
/// How long a stop may go unnoticed.
const NOTICE: Duration = Duration::from_millis(100);
/// Questions that wait at most. More than all partitions of a large federation; what does not fit is not answered.
pub(super) const CAPACITY: usize = 4096;
/// Partitions that a trouble names.
const NAMED: usize = 3;

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Question {
    /// Where does this partition end?
    End(PartitionId),
    /// Whose partitions to ask about.
    Members(Vec<Member>),
}

/// Partitions whose beginnings were told once: who reads on from a snapshot waits for them.
type KnownBeginnings = BTreeSet<PartitionId>;

/// The thread's work.
#[derive(Clone)]
pub(super) struct EndReader {
    pub(super) own: ClusterId,
    pub(super) inspector: Arc<Inspector>,
    pub(super) lookout: Arc<Lookout>,
    pub(super) inbox: EngineInbox,
    pub(super) signals: Signals,
    pub(super) troubles: TroubleBoard,
    /// Locked by the one running thread for as long as it runs; a thread that follows it goes on with the same questions.
    pub(super) questions: Arc<Mutex<Receiver<Question>>>,
}

/// Since when brokers owe answers, and what is told of that.
#[derive(Debug, Default)]
struct Debts {
    /// By number; `None` for partitions without a leader.
    since: BTreeMap<Option<i32>, Instant>,
    told: BTreeSet<String>,
}

impl EndReader {
    /// Answers questions until stopped, or until nobody listens.
    pub(super) fn run(&self, stop: &CancellationToken) {
        let questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut members, mut debts, mut begun): (Vec<Member>, Debts, KnownBeginnings) = Default::default();
        let (mut next_round, mut next_begin) = (Instant::now(), Instant::now());
        while !stop.is_cancelled() && !self.inbox.is_closed() {
            let mut wanted = BTreeSet::new();
            let mut note = |question, members: &mut Vec<Member>| match question {
                Question::End(partition) => drop(wanted.insert(partition)),
                Question::Members(now) => *members = now,
            };
            match questions.recv_timeout(NOTICE) {
                Ok(question) => note(question, &mut members),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            questions.try_iter().for_each(|question| note(question, &mut members));
            if !wanted.is_empty() {
                self.answer(&wanted);
            }
            if Instant::now() >= next_round && !members.is_empty() {
                next_round = Instant::now() + INTERVAL;
                self.ask_beginnings(&members, &mut begun, |known, partition| !known.contains(partition));
                self.round(&members, &mut debts);
            }
            if Instant::now() >= next_begin && !members.is_empty() && debts.since.is_empty() {
                next_begin = Instant::now() + BEGIN_INTERVAL;
                self.ask_beginnings(&members, &mut begun, |_, _| true);
            }
        }
    }

    /// What the engine asked for.
    fn answer(&self, wanted: &BTreeSet<PartitionId>) {
        let asked = Instant::now();
        let partitions: Vec<_> = wanted.iter().cloned().collect();
        for (partition, end) in self.inspector.places(Edge::End, &partitions).answered {
            self.signal(Signal::End { partition: partition.clone(), end, asked });
            // Fails only when the engine is gone, which the loop sees.
            let _ =
                self.inbox.blocking_send(EngineNews::answer(Input::Log(LogInput::EndOffset { partition, end }), asked));
        }
    }

    /// Asks where all partitions end. The engine is told of control partitions; what the reader lacks of the others, it tells itself: the
    /// engine may have asked about one at another moment, and would take this for the answer.
    fn round(&self, members: &[Member], debts: &mut Debts) {
        let asked = Instant::now();
        let partitions: Vec<_> = members.iter().flat_map(Member::partitions).collect();
        let places = self.inspector.places(Edge::End, &partitions);
        let now = Instant::now();
        self.lookout.asked(now, places.all_answered());
        self.inspector.all_were_asked(places.all_answered());
        let answered: BTreeSet<_> = places.answered.iter().map(|(partition, _)| partition).collect();
        for partition in partitions.iter().filter(|partition| partition.origin == self.own) {
            self.lookout.asked_own(partition, now, answered.contains(partition));
        }
        self.tell(debts, now, &places);
        for (partition, end) in places.answered {
            let is_control = partition.topic == TopicKind::Control;
            self.signal(Signal::End { partition: partition.clone(), end, asked });
            if is_control {
                let _ = self
                    .inbox
                    .blocking_send(EngineNews::answer(Input::Log(LogInput::EndOffset { partition, end }), asked));
            }
        }
    }

    fn ask_beginnings(
        &self,
        members: &[Member],
        known: &mut KnownBeginnings,
        is_wanted: fn(&KnownBeginnings, &PartitionId) -> bool,
    ) {
        let partitions = members.iter().flat_map(Member::partitions).filter(|partition| is_wanted(known, partition));
        let partitions: Vec<_> = partitions.collect();
        if partitions.is_empty() {
            return;
        }
        for (partition, begin) in self.inspector.places(Edge::Begin, &partitions).answered {
            known.insert(partition.clone());
            self.signal(Signal::Begin { partition, begin });
        }
    }

    fn signal(&self, signal: Signal) {
        // A full queue is made good by the next round; a reader that is gone is seen by the loop.
        if let Err(TrySendError::Full(_)) = self.signals.try_send(signal) {
            tracing::debug!("the reader does not take signals");
        }
    }

    fn tell(&self, debts: &mut Debts, now: Instant, places: &Places) {
        // A client that was made since knows brokers by their addresses only.
        let explain = |broker| self.inspector.trouble_of(broker).or_else(|| self.inspector.trouble());
        let troubles = debts.troubles(now, places, explain);
        let told: BTreeSet<String> = troubles.iter().map(|(about, _)| about.clone()).collect();
        debts.told.difference(&told).for_each(|about| self.troubles.heal(TroubleKind::LogUnreachable, about));
        for (about, text) in troubles {
            self.troubles.raise(TroubleKind::LogUnreachable, &about, text);
        }
        debts.told = told;
    }
}

impl Debts {
    /// What is wrong for long enough to be told, as (about, text). `explain` knows why a broker cannot be reached.
    fn troubles(
        &mut self,
        now: Instant,
        places: &Places,
        explain: impl Fn(i32) -> Option<Arc<str>>,
    ) -> Vec<(String, String)> {
        let unanswered = &places.unanswered;
        self.since.retain(|leader, _| unanswered.iter().any(|debt| debt.leader == *leader));
        let mut troubles = Vec::new();
        for debt in unanswered {
            let since = *self.since.entry(debt.leader).or_insert(now);
            if now.duration_since(since) < SILENT_AFTER {
                continue;
            }
            let named: Vec<String> = debt.partitions.iter().take(NAMED).map(name).collect();
            let more = if debt.partitions.len() > NAMED { ", …" } else { "" };
            let (count, named) = (debt.partitions.len(), format!("{}{more}", named.join(", ")));
            troubles.push(match debt.leader {
                Some(broker) => {
                    let why = explain(broker).unwrap_or_else(|| told(&debt.error));
                    let text = format!("kafka broker {broker} does not answer ({count} partitions: {named}): {why}");
                    (format!("broker {broker}"), text)
                }
                None => ("leaders".to_owned(), format!("{count} partitions of the log have no leader: {named}")),
            });
        }
        troubles
    }
}

/// What the client says of a question that failed, where nothing more is known.
fn told(error: &KafkaError) -> Arc<str> {
    use RDKafkaErrorCode::{AllBrokersDown, OperationTimedOut, RequestTimedOut, TimedOutQueue};
    match error.rdkafka_error_code() {
        Some(AllBrokersDown | OperationTimedOut | RequestTimedOut | TimedOutQueue) => "no answer in time".into(),
        Some(code) => code.to_string().into(),
        None => error.to_string().into(),
    }
}

fn name(partition: &PartitionId) -> String {
    format!("{}.{}-{}", partition.origin, partition.topic.as_str(), partition.partition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspector::Unanswered;

    fn places(silent: &[Option<i32>]) -> Places {
        let partition =
            |number| PartitionId { origin: "a".parse().unwrap(), topic: TopicKind::Control, partition: number };
        let error = KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut);
        let unanswered = silent.iter().map(|&leader| Unanswered {
            leader,
            partitions: (0..5).map(partition).collect(),
            error: error.clone(),
        });
        Places { answered: Vec::new(), unanswered: unanswered.collect() }
    }

    #[test]
    fn a_broker_that_owes_answers_for_a_while_is_told_with_what_the_client_knows_of_it() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut debts = Debts::default();
        let explain = |broker| (broker == 2).then(|| "connection refused: b:9092/2".into());
        assert_eq!(debts.troubles(start, &places(&[Some(2), None]), explain), []);
        assert_eq!(debts.troubles(at(2), &places(&[Some(2)]), explain), []);
        let told = debts.troubles(at(4), &places(&[Some(2), None]), explain);
        let text = "kafka broker 2 does not answer (5 partitions: a.control-0, a.control-1, a.control-2, …): connection refused: \
                    b:9092/2";
        assert_eq!(told, [("broker 2".to_owned(), text.to_owned())], "the missing leader came in between");
        assert_eq!(debts.troubles(at(6), &places(&[]), explain), []);
        assert_eq!(debts.troubles(at(8), &places(&[Some(2)]), explain), [], "counted anew");
        let told = debts.troubles(at(60), &places(&[Some(2), None]), explain);
        assert_eq!(told.len(), 1);
        let told = debts.troubles(at(64), &places(&[None]), explain);
        assert!(told[0].1.starts_with("5 partitions of the log have no leader"), "{told:?}");
    }
}
