//! What the reader keeps of each origin beside its places: over how many partitions its keys are hashed, and the texts that repeat in its
//! records. Apart, so that what one writes costs no other anything. Pure: times are passed in.
//!
//! The topics say the number of partitions first, the descriptor in the control topic decides. To follow another number, all data partitions
//! of the origin are read anew, because what was taken for misplaced may not be: so one that is named again and again is followed at
//! once only if that is rare, and else some seconds later, the last one alone.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use federation_core::id::ClusterId;

use federation_codec::interner::TextInterner;
use federation_ports::seal_keys::SealKeyring;

/// A number that changes again and again is followed this often at most; the engine does the same.
const FOLLOW_EVERY: Duration = Duration::from_secs(60);

/// All origins that are read.
#[derive(Debug)]
pub(super) struct Sources {
    by_origin: HashMap<ClusterId, Source>,
    keys: SealKeyring,
}

/// One origin.
#[derive(Debug)]
pub(super) struct Source {
    spread: Spread,
    pub(super) interner: TextInterner,
    /// For what is sealed in its records.
    pub(super) keys: SealKeyring,
}

/// Over how many partitions keys are hashed.
#[derive(Debug)]
struct Spread {
    in_use: u32,
    /// The last that was described, if it is another.
    described: Option<u32>,
    followed: Option<Instant>,
}

impl Sources {
    /// None yet; what is sealed in their records is opened with these keys.
    pub(super) fn new(keys: SealKeyring) -> Self {
        Self { by_origin: HashMap::new(), keys }
    }

    /// An origin whose topics have so many partitions, if it is new.
    pub(super) fn add(&mut self, origin: &ClusterId, partitions: u32) {
        let (spread, interner, keys) = (Spread::over(partitions), TextInterner::default(), self.keys.clone());
        let source = || Source { spread, interner, keys };
        self.by_origin.entry(origin.clone()).or_insert_with(source);
    }

    /// What is kept of an origin.
    ///
    /// # Panics
    /// If it was not added.
    pub(super) fn of(&mut self, origin: &ClusterId) -> &mut Source {
        self.by_origin.get_mut(origin).expect("every origin that is read was added")
    }

    /// The origin's descriptor names this number, which is within bounds. What to read over from now on, if that is another.
    pub(super) fn described(&mut self, origin: &ClusterId, partitions: u32, now: Instant) -> Option<u32> {
        self.of(origin).spread.described(partitions, now)
    }

    /// Origins of which another number waits whose time has come, with what to read over from now on.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(ClusterId, u32)> {
        let due = |(origin, source): (&ClusterId, &mut Source)| Some((origin.clone(), source.spread.due(now)?));
        self.by_origin.iter_mut().filter_map(due).collect()
    }
}

impl Source {
    /// What keys are taken to be hashed over.
    pub(super) fn partitions(&self) -> u32 {
        self.spread.in_use
    }
}

impl Spread {
    fn over(partitions: u32) -> Self {
        Self { in_use: partitions, described: None, followed: None }
    }

    fn described(&mut self, partitions: u32, now: Instant) -> Option<u32> {
        self.described = (partitions != self.in_use).then_some(partitions);
        self.due(now)
    }

    fn due(&mut self, now: Instant) -> Option<u32> {
        if self.followed.is_some_and(|followed| now.duration_since(followed) < FOLLOW_EVERY) {
            return None;
        }
        let partitions = self.described.take()?;
        (self.in_use, self.followed) = (partitions, Some(now));
        Some(partitions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn another_number_is_followed_at_once_if_that_is_rare() {
        let start = Instant::now();
        let mut spread = Spread::over(8);
        assert_eq!(spread.described(8, start), None);
        assert_eq!(spread.described(16, start), Some(16));
        assert_eq!(spread.in_use, 16);
        assert_eq!(spread.described(16, later(start, 120_000)), None);
        assert_eq!(spread.described(8, later(start, 120_000)), Some(8));
    }

    #[test]
    fn a_number_that_changes_all_the_time_costs_one_reading_in_a_minute() {
        let start = Instant::now();
        let mut spread = Spread::over(8);
        let mut followed = Vec::new();
        for millis in (0..200_000).step_by(500) {
            let now = later(start, millis);
            followed.extend(spread.described(1 + u32::try_from(millis % 997).unwrap(), now).map(|_| millis));
            assert_eq!(spread.due(now), None);
        }
        assert_eq!(followed, [0, 60_000, 120_000, 180_000]);
    }

    #[test]
    fn the_last_number_counts_once_its_time_has_come() {
        let start = Instant::now();
        let mut spread = Spread::over(8);
        assert_eq!(spread.described(9, start), Some(9));
        assert_eq!(spread.described(10, later(start, 1)), None);
        assert_eq!(spread.described(11, later(start, 2)), None);
        assert_eq!(spread.due(later(start, 59_999)), None);
        assert_eq!(spread.in_use, 9);
        assert_eq!(spread.due(later(start, 60_000)), Some(11));
        assert_eq!(spread.described(12, later(start, 60_001)), None);
        assert_eq!(spread.described(11, later(start, 60_002)), None, "it came back by itself");
        assert_eq!(spread.due(later(start, 180_000)), None);
    }
}
