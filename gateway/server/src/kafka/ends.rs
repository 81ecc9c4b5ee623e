//! Asks for end offsets: of a partition when the engine wants it, of every member's control partition by itself. A thread
//! of its own, because a silent broker makes it wait. A question that fails is not answered.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use federation_core::federation::input::{Input, LogInput};
use federation_core::log::record::{PartitionId, TopicKind};
use tokio_util::sync::CancellationToken;

use crate::kafka::consume::{Signal, Signals};
use crate::kafka::inspector::Inspector;
use crate::kafka::membership::Member;
use crate::ports::Inbox;

/// How often every member's control partition is asked about.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long a stop may go unnoticed.
const NOTICE: Duration = Duration::from_millis(100);
/// Questions that wait at most. More than all partitions of a large federation; what does not fit is not answered.
pub(super) const CAPACITY: usize = 4096;

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Question {
    /// Where does this partition end?
    End(PartitionId),
    /// Whose control partitions to ask about.
    Members(Vec<Member>),
}

/// The thread's work.
#[derive(Clone)]
pub(super) struct EndReader {
    pub(super) inspector: Arc<Inspector>,
    pub(super) inbox: Inbox,
    pub(super) signals: Signals,
    /// Locked by the one running thread for as long as it runs; a thread that follows it goes on with the same questions.
    pub(super) questions: Arc<Mutex<Receiver<Question>>>,
}

impl EndReader {
    /// Answers questions until stopped, or until nobody listens.
    pub(super) fn run(&self, stop: &CancellationToken) {
        let questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut members: Vec<Member> = Vec::new();
        let mut next_round = Instant::now();
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
            if Instant::now() >= next_round {
                next_round = Instant::now() + INTERVAL;
                wanted.extend(members.iter().map(control_partition));
            }
            if !wanted.is_empty() {
                self.ask(&wanted.into_iter().collect::<Vec<_>>());
            }
        }
    }

    fn ask(&self, partitions: &[PartitionId]) {
        let asked = Instant::now();
        let ends = self.inspector.ends(partitions);
        if let Some(error) = ends.failure {
            tracing::debug!(%error, "a broker did not tell where partitions end");
        }
        for (partition, end) in ends.answered {
            let signal = Signal::End { partition: partition.clone(), end, asked };
            if let Err(TrySendError::Disconnected(_)) = self.signals.try_send(signal) {
                return;
            }
            // Fails only when the engine is gone, which the loop sees.
            let _ = self.inbox.blocking_send(Input::Log(LogInput::EndOffset { partition, end }).into());
        }
    }
}

fn control_partition(member: &Member) -> PartitionId {
    PartitionId { origin: member.cluster.clone(), topic: TopicKind::Control, partition: 0 }
}
