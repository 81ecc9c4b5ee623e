//! How often something is listed: at its interval, and more rarely where a listing takes long.

use std::time::{Duration, Instant};

/// A listing takes at most this part of the time, so that none ever loads Nacos much.
const SHARE: u32 = 10;

/// When a listing is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    every: Duration,
    due: Instant,
}

impl Pace {
    /// Due at once, then at this interval.
    pub(super) fn new(every: Duration) -> Self {
        Self { every, due: Instant::now() }
    }

    /// When it is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// It is due at once.
    pub(super) fn now(&mut self) {
        self.due = Instant::now();
    }

    /// A listing ended at `now` that took so long.
    pub(super) fn ended(&mut self, now: Instant, took: Duration) {
        // The interval counts from a listing's start, as long as it is much shorter than the interval.
        let pause = self.every.saturating_sub(took).max(took * SHARE);
        self.due = now + pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_listing_is_asked_for_more_rarely() {
        let now = Instant::now();
        for (took_ms, pause_ms) in [(0, 3000), (100, 2900), (300, 3000), (2000, 20_000)] {
            let mut pace = Pace::new(Duration::from_secs(3));
            pace.ended(now, Duration::from_millis(took_ms));
            assert_eq!(pace.due(), now + Duration::from_millis(pause_ms), "took {took_ms} ms");
        }
    }
}
