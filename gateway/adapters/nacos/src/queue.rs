//! Subjects that wait to be asked about, each once.
//!
//! Invariant: a subject is never asked about twice at a time; one that is pushed while it is asked about is asked about once more after
//! that, because the answer under way may be older than the wish. Bounded by the number of subjects that exist.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use tokio::sync::Notify;

/// How asking about a subject ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// Nobody wanted anything meanwhile.
    Done,
    /// It was pushed meanwhile and waits again: the answer may be older than that wish.
    WantedAgain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Waiting,
    UnderWay,
    UnderWayAndWantedAgain,
}

struct State<T> {
    waiting: VecDeque<T>,
    places: HashMap<T, Place, RandomState>,
}

/// The queue; any number push, one task takes.
pub(super) struct Queue<T> {
    /// Locked for single steps.
    state: Mutex<State<T>>,
    pushed: Notify,
}

impl<T: Clone + Eq + Hash> Queue<T> {
    pub(super) fn new() -> Self {
        let state = State { waiting: VecDeque::new(), places: HashMap::default() };
        Self { state: Mutex::new(state), pushed: Notify::new() }
    }

    /// Adds a subject, unless it waits already.
    pub(super) fn push(&self, subject: T) {
        let mut state = self.state();
        match state.places.get_mut(&subject) {
            Some(Place::Waiting) => return,
            Some(place) => *place = Place::UnderWayAndWantedAgain,
            None => {
                state.places.insert(subject.clone(), Place::Waiting);
                state.waiting.push_back(subject);
            }
        }
        drop(state);
        self.pushed.notify_one();
    }

    /// Waits for the next subject, which is then under way until [`Queue::finish`]. Cancel-safe: nothing is taken before it returns.
    pub(super) async fn next(&self) -> T {
        loop {
            if let Some(subject) = self.take() {
                return subject;
            }
            self.pushed.notified().await;
        }
    }

    fn take(&self) -> Option<T> {
        let mut state = self.state();
        let subject = state.waiting.pop_front()?;
        state.places.insert(subject.clone(), Place::UnderWay);
        Some(subject)
    }

    /// Says that asking about a subject ended.
    pub(super) fn finish(&self, subject: &T) -> Finish {
        let mut state = self.state();
        if state.places.remove(subject) != Some(Place::UnderWayAndWantedAgain) {
            return Finish::Done;
        }
        state.places.insert(subject.clone(), Place::Waiting);
        state.waiting.push_back(subject.clone());
        drop(state);
        self.pushed.notify_one();
        Finish::WantedAgain
    }

    /// How many wait or are under way.
    pub(super) fn len(&self) -> usize {
        self.state().places.len()
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_subject_waits_once_and_is_asked_again_if_pushed_while_under_way() {
        let queue = Queue::new();
        queue.push("a");
        queue.push("a");
        queue.push("b");
        assert_eq!((queue.next().await, queue.next().await, queue.take()), ("a", "b", None));
        queue.push("a");
        assert_eq!(queue.take(), None, "under way");
        assert_eq!((queue.finish(&"a"), queue.finish(&"b")), (Finish::WantedAgain, Finish::Done));
        assert_eq!((queue.next().await, queue.finish(&"a"), queue.len()), ("a", Finish::Done, 0));
    }
}
