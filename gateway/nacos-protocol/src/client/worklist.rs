//! What remains to be done, each subject once: a queue with retries that come later.
//!
//! Invariants: a subject is never under way twice at a time; one that is pushed while it is under way is done once more after that.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Nothing more to do.
    Done,
    /// No answer: again soon, then less and less often.
    Unanswered,
    /// The server said no: again, but slowly.
    Refused,
}

/// Delays of retries without an answer, doubled each time.
const SOON: Duration = Duration::from_millis(500);
const AT_MOST: Duration = Duration::from_secs(15);
/// Delay of retries that were refused: a right may be granted, a limit raised.
const SLOWLY: Duration = Duration::from_secs(30);

/// The list.
pub(super) struct Worklist<T> {
    queue: VecDeque<T>,
    queued: HashSet<T>,
    under_way: HashSet<T>,
    again: HashSet<T>,
    later: BTreeMap<(Instant, u64), T>,
    later_number: u64,
    unanswered: HashMap<T, u32>,
}

impl<T: Clone + Eq + Hash> Worklist<T> {
    pub(super) fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            queued: HashSet::new(),
            under_way: HashSet::new(),
            again: HashSet::new(),
            later: BTreeMap::new(),
            later_number: 0,
            unanswered: HashMap::new(),
        }
    }

    /// Adds a subject, unless it waits already.
    pub(super) fn push(&mut self, subject: T) {
        if self.under_way.contains(&subject) {
            self.again.insert(subject);
        } else if self.queued.insert(subject.clone()) {
            self.queue.push_back(subject);
        }
    }

    /// Takes the next subject, which is then under way until [`Worklist::finish`].
    pub(super) fn pop(&mut self, now: Instant) -> Option<T> {
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
            let subject = entry.remove();
            self.push(subject);
        }
        let subject = self.queue.pop_front()?;
        self.queued.remove(&subject);
        self.under_way.insert(subject.clone());
        Some(subject)
    }

    /// Says how a subject ended, and tells how many attempts in a row were not answered. `jitter` is 0 to 1 and spreads the retries of many
    /// clients.
    pub(super) fn finish(&mut self, subject: T, attempt: Attempt, now: Instant, jitter: f64) -> u32 {
        self.under_way.remove(&subject);
        let unanswered = match attempt {
            Attempt::Unanswered => {
                let count = self.unanswered.entry(subject.clone()).or_default();
                *count = count.saturating_add(1);
                *count
            }
            Attempt::Done | Attempt::Refused => {
                self.unanswered.remove(&subject);
                0
            }
        };
        let delay = match attempt {
            Attempt::Done => None,
            Attempt::Unanswered => Some(AT_MOST.min(SOON * 2u32.saturating_pow((unanswered - 1).min(16)))),
            Attempt::Refused => Some(SLOWLY),
        };
        if self.again.remove(&subject) {
            self.push(subject);
        } else if let Some(delay) = delay {
            let number = self.later_number;
            self.later_number += 1;
            self.later.insert((now + delay.mul_f64(0.75 + jitter / 2.0), number), subject);
        }
        unanswered
    }

    /// When the next retry is due.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        self.later.first_key_value().map(|((at, _), _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_waits_once_and_is_done_again_if_pushed_while_under_way() {
        let now = Instant::now();
        let mut list = Worklist::new();
        list.push("a");
        list.push("a");
        list.push("b");
        assert_eq!((list.pop(now), list.pop(now), list.pop(now)), (Some("a"), Some("b"), None));
        list.push("a");
        assert_eq!(list.pop(now), None);
        list.finish("a", Attempt::Done, now, 0.5);
        list.finish("b", Attempt::Done, now, 0.5);
        assert_eq!((list.pop(now), list.pop(now)), (Some("a"), None));
    }

    #[test]
    fn retries_come_later_and_less_and_less_often() {
        let mut now = Instant::now();
        let mut list = Worklist::new();
        list.push("a");
        for want in [500, 1000, 2000, 4000, 8000, 15_000, 15_000] {
            let subject = list.pop(now).unwrap();
            list.finish(subject, Attempt::Unanswered, now, 0.5);
            assert_eq!(list.pop(now), None);
            assert_eq!(list.next_retry(), Some(now + Duration::from_millis(want)));
            now += Duration::from_millis(want);
        }
        let subject = list.pop(now).unwrap();
        list.finish(subject, Attempt::Refused, now, 0.5);
        assert_eq!(list.next_retry(), Some(now + SLOWLY));
    }
}
