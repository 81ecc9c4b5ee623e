//! When services that changed are pushed to those who subscribed to them. Pure: times are passed in.
//!
//! Where little changes, a change is pushed at once: nobody waits for others that may not come. But each push is a whole list, and wakes whoever
//! gets it: thousands that register in one service would cost the square of their number, and a thousand changes a second a thousand
//! wake-ups all along their way, each a batch of its own in the log. So after each round of pushes the registry *rests*, the longer the
//! more was sent, and what changes meanwhile is the next round.
//!
//! ```text
//! rested ──something changed──▶ a round, rests ──more changed──▶ rests, has news ──rest over──▶ a round, rests
//!   ▲                               │ rest over
//!   └───────────────────────────────┘
//! ```
//!
//! Invariant: a change waits for the longest rest at most.

use std::time::Duration;

use tokio::time::Instant;

/// The rest after little was sent: the log and its readers pay for each round, so a hundred changes a second share some. Whoever registers at
/// the same moment as others is in one round with them.
const SHORTEST_REST: Duration = Duration::from_millis(20);
/// Bytes, over all subscribers, that are worth a millisecond of rest: some six hundred changes a second of services of five instances, for
/// one subscriber, make it the longest.
const BYTES_PER_MILLISECOND: usize = 2048;

/// See the module.
#[derive(Debug)]
pub(super) struct PushPace {
    longest: Duration,
    rests_until: Option<Instant>,
}

impl PushPace {
    /// No rest is longer than `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, rests_until: None }
    }

    /// When what changed may be pushed: `now`, or when the rest is over.
    pub(super) fn next_round(&self, now: Instant) -> Instant {
        self.rests_until.map_or(now, |until| until.max(now))
    }

    /// A round was pushed, of so many bytes to all who got one. Nothing sent needs no rest.
    pub(super) fn pushed(&mut self, bytes: usize, now: Instant) {
        let by_size = Duration::from_millis((bytes / BYTES_PER_MILLISECOND) as u64);
        self.rests_until = (bytes > 0).then(|| now + by_size.max(SHORTEST_REST).min(self.longest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn what_changes_after_a_rest_is_pushed_at_once_and_the_rest_grows_with_what_was_sent() {
        let start = Instant::now();
        for (bytes, rest) in [(0, 0), (1, 20), (3_000, 20), (30 * 2048, 30), (1 << 30, 50)] {
            let mut pace = PushPace::new(ms(50));
            assert_eq!(pace.next_round(start), start, "nothing was pushed yet");
            pace.pushed(bytes, start);
            assert_eq!(pace.next_round(start + ms(1)), start + ms(rest.max(1)), "{bytes} bytes");
            assert_eq!(pace.next_round(start + ms(rest + 1)), start + ms(rest + 1), "{bytes} bytes, rested");
        }
    }
}
