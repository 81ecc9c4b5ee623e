//! When a service that changed is pushed to those who subscribed to it. Pure: times are passed in.
//!
//! A service that was quiet is pushed at once: nobody waits for changes that may not come. But a push is the whole list, so thousands that
//! register in one service would cost the square of their number. So after each push a service *rests*, the longer the more was sent, and
//! what changes meanwhile is pushed together when the rest is over.
//!
//! ```text
//! quiet ──changed──▶ pushed, rests ──changed──▶ rests, has news ──rest over──▶ pushed, rests
//!   ▲                     │ rest over
//!   └─────────────────────┘
//! ```
//!
//! Invariants: a change waits for the longest rest at most; no more services are remembered than were pushed within about that time.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use federation_core::id::ServiceKey;
use tokio::time::Instant;

/// The rest after a small push. Whoever registers with every other instance of a service at the same moment is in one push with them.
const SHORTEST_REST: Duration = Duration::from_millis(5);
/// Bytes of one service, over all its subscribers, in a millisecond: its pushes cost a small part of a core.
const BYTES_PER_MILLISECOND: usize = 2048;

/// See the module.
#[derive(Debug)]
pub(super) struct PushPace {
    longest: Duration,
    /// Until when each rests that was pushed lately.
    resting: HashMap<ServiceKey, Instant>,
    /// Ends of all rests.
    ends: BTreeSet<(Instant, ServiceKey)>,
    /// Ends of the rests of services that have news.
    waiting: BTreeSet<(Instant, ServiceKey)>,
}

/// Whether a service that changed is to be pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PushWhen {
    /// At once.
    Now,
    /// When [`PushPace::take_due`] names it.
    Later,
}

impl PushPace {
    /// No rest is longer than `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, resting: HashMap::new(), ends: BTreeSet::new(), waiting: BTreeSet::new() }
    }

    /// The service changed.
    pub(super) fn changed(&mut self, key: &ServiceKey, now: Instant) -> PushWhen {
        match self.resting.get(key) {
            Some(until) if now < *until => {
                self.waiting.insert((*until, key.clone()));
                PushWhen::Later
            }
            _ => PushWhen::Now,
        }
    }

    /// The service was pushed; so many bytes were sent to all who subscribed. Nothing sent needs no rest.
    pub(super) fn pushed(&mut self, key: &ServiceKey, bytes: usize, now: Instant) {
        self.forget(key);
        self.forget_ended(now);
        if bytes == 0 {
            return;
        }
        let by_size = Duration::from_millis((bytes / BYTES_PER_MILLISECOND) as u64);
        let until = now + by_size.max(SHORTEST_REST).min(self.longest);
        self.resting.insert(key.clone(), until);
        self.ends.insert((until, key.clone()));
    }

    /// Services that have news and whose rest is over: to be pushed now.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<ServiceKey> {
        let mut due = Vec::new();
        while let Some((_, key)) = self.ends.first().filter(|(until, _)| *until <= now).cloned() {
            if self.forget(&key) {
                due.push(key);
            }
        }
        due
    }

    /// When [`PushPace::take_due`] has something.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.first().map(|(until, _)| *until)
    }

    /// Forgets rests that are over; those of services that have news are to be taken.
    fn forget_ended(&mut self, now: Instant) {
        while let Some(end) = self.ends.first().filter(|end| end.0 <= now && !self.waiting.contains(end)).cloned() {
            self.forget(&end.1);
        }
    }

    /// Ends the rest of a service, if it rests. Whether it has news.
    fn forget(&mut self, key: &ServiceKey) -> bool {
        let Some(until) = self.resting.remove(key) else { return false };
        let end = (until, key.clone());
        self.ends.remove(&end);
        self.waiting.remove(&end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(50);

    fn key(service: &str) -> ServiceKey {
        ServiceKey::new("public", "G", service)
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_quiet_service_is_pushed_at_once_and_one_that_was_pushed_rests() {
        let (mut pace, start) = (PushPace::new(LONGEST), Instant::now());
        assert_eq!(pace.changed(&key("a"), start), PushWhen::Now);
        pace.pushed(&key("a"), 3_000, start);
        assert_eq!(pace.changed(&key("b"), start), PushWhen::Now, "another one does not wait for it");
        assert_eq!(pace.changed(&key("a"), start + ms(2)), PushWhen::Later);
        assert_eq!(pace.changed(&key("a"), start + ms(3)), PushWhen::Later, "both changes are one push");
        assert_eq!((pace.next_due(), pace.take_due(start + ms(4))), (Some(start + ms(5)), vec![]));
        assert_eq!(pace.take_due(start + ms(5)), [key("a")]);
        assert_eq!(pace.next_due(), None);
    }

    #[test]
    fn the_rest_grows_with_what_was_sent_up_to_the_longest() {
        for (bytes, rest) in [(0, 0), (1, 5), (20 * 2048, 20), (1 << 30, 50)] {
            let (mut pace, start) = (PushPace::new(LONGEST), Instant::now());
            pace.pushed(&key("a"), bytes, start);
            if rest > 0 {
                assert_eq!(pace.changed(&key("a"), start + ms(rest - 1)), PushWhen::Later, "{bytes}");
            }
            assert_eq!(pace.changed(&key("a"), start + ms(rest)), PushWhen::Now, "{bytes}");
        }
    }

    #[test]
    fn nothing_is_remembered_of_a_service_whose_rest_is_over() {
        let (mut pace, start) = (PushPace::new(LONGEST), Instant::now());
        for number in 0..100 {
            pace.pushed(&key(&number.to_string()), 1, start);
        }
        pace.changed(&key("7"), start);
        pace.pushed(&key("7"), 1, start + ms(1)); // Somebody else had it pushed meanwhile: the news went with that.
        pace.pushed(&key("other"), 0, start + ms(10));
        assert!(pace.resting.is_empty() && pace.ends.is_empty() && pace.waiting.is_empty());
    }
}
