//! How often something is listed: at its interval, and more rarely where a listing takes long, or where it is not what shows what is new.

use std::time::{Duration, Instant};

/// A listing takes at most this part of the time, so that none ever loads Nacos much.
const SHARE: u32 = 10;
/// The same for one that is a safety net, and how much rarer than at its interval that is.
const NET_SHARE: u32 = 50;
const NET_RARER: u32 = 10;

/// What a listing is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ListingUse {
    /// It shows what is new.
    #[default]
    Discovery,
    /// What is new is told by other means, which so far have told all that listings had.
    SafetyNet,
}

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
    pub(super) fn ended(&mut self, now: Instant, took: Duration, is_for: ListingUse) {
        let (every, share) = match is_for {
            ListingUse::Discovery => (self.every, SHARE),
            ListingUse::SafetyNet => (self.every * NET_RARER, NET_SHARE),
        };
        // The interval counts from a listing's start, as long as it is much shorter than the interval.
        let pause = every.saturating_sub(took).max(took * share);
        self.due = now + pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_listing_is_asked_for_more_rarely() {
        use ListingUse::{Discovery, SafetyNet};
        let now = Instant::now();
        for (is_for, took_ms, pause_ms) in [
            (Discovery, 0, 3000),
            (Discovery, 100, 2900),
            (Discovery, 300, 3000),
            (Discovery, 2000, 20_000),
            (SafetyNet, 100, 29_900),
            (SafetyNet, 2000, 100_000),
        ] {
            let mut pace = Pace::new(Duration::from_secs(3));
            pace.ended(now, Duration::from_millis(took_ms), is_for);
            assert_eq!(pace.due(), now + Duration::from_millis(pause_ms), "{is_for:?} took {took_ms} ms");
        }
    }
}
