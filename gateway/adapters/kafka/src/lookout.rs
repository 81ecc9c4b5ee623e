//! What the parts of the adapter know together of the brokers: since when they answer, and whom. Written by whoever asks or is
//! answered, read where silence is judged.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use federation_core::log::record::PartitionId;

use crate::life::Answers;

/// Shared by all parts of one adapter.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether all brokers that lead a partition answer questions.
    brokers: Answers,
    /// Whether the leaders of own partitions answer questions about these.
    own: BTreeMap<PartitionId, Answers>,
    /// When the reader or a producer last had an answer.
    heard: Option<Instant>,
}

impl Lookout {
    /// The leaders of all partitions were asked, and all that lead one answered, or not.
    pub(super) fn asked(&self, now: Instant, all_answered: bool) {
        let mut state = self.state();
        if all_answered { state.brokers.answered(now) } else { state.brokers.failed() }
    }

    /// The leader of an own partition was asked about it, and answered or not.
    pub(super) fn asked_own(&self, partition: &PartitionId, now: Instant, answered: bool) {
        let mut state = self.state();
        match state.own.get_mut(partition) {
            Some(answers) if answered => answers.answered(now),
            Some(answers) => answers.failed(),
            None => {
                let mut answers = Answers::default();
                if answered {
                    answers.answered(now);
                }
                state.own.insert(partition.clone(), answers);
            }
        }
    }

    /// The reader or a producer had an answer.
    pub(super) fn heard(&self, now: Instant) {
        self.state().heard = Some(now);
    }

    /// When the reader or a producer last had an answer.
    pub(super) fn last_heard(&self) -> Option<Instant> {
        self.state().heard
    }

    /// Since when all brokers answer questions without a break.
    pub(super) fn steady_since(&self, now: Instant) -> Option<Instant> {
        self.state().brokers.steady_since(now)
    }

    /// Since when all brokers answer, and this own partition's leader answers about it. A broker that is about to be declared dead still
    /// counts as a replica, and whoever leads waits for it before it acknowledges a record: no producer's fault.
    pub(super) fn own_steady_since(&self, partition: &PartitionId, now: Instant) -> Option<Instant> {
        let state = self.state();
        let brokers = state.brokers.steady_since(now)?;
        let own = state.own.get(partition)?.steady_since(now)?;
        Some(brokers.max(own))
    }

    /// The critical sections set or read single values: a panic cannot leave one half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use federation_core::log::record::TopicKind;

    use super::*;

    #[test]
    fn an_own_partition_is_steady_while_its_leader_and_all_other_brokers_are() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let partition = PartitionId { origin: "a".parse().unwrap(), topic: TopicKind::Control, partition: 0 };
        let lookout = Lookout::default();
        lookout.asked(start, true);
        assert_eq!(lookout.own_steady_since(&partition, start), None, "not asked about yet");
        lookout.asked_own(&partition, at(2), true);
        assert_eq!(lookout.own_steady_since(&partition, at(2)), Some(at(2)));
        lookout.asked(at(4), false);
        assert_eq!(lookout.own_steady_since(&partition, at(4)), None, "some broker is silent");
        lookout.asked(at(6), true);
        assert_eq!(lookout.own_steady_since(&partition, at(6)), Some(at(6)));
        lookout.asked_own(&partition, at(6), false);
        assert_eq!(lookout.own_steady_since(&partition, at(6)), None);
    }
}
