//! Whether the reader of the log hears anything, and what to do about it. Pure: times are passed in.
//!
//! Input: signs (a record, or the end of a partition: each answers a fetch), partitions that do not move although they grow
//! ([`super::slot::Place::is_deaf`]), and since when the brokers answer other clients. Output: whether to ask for a sign, or to put
//! another client in the reader's place. A quiet log gives no sign by itself, so silence alone is no proof: a sign is asked for first,
//! by reading the end of a partition once more.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::life::Replacements;

/// A quiet reader is asked for a sign this long after the last one.
const PROBE_AFTER: Duration = Duration::from_secs(3);
/// A reader without a sign for this long is deaf, if the brokers answer others.
const DEAF_AFTER: Duration = Duration::from_secs(8);
/// How long the brokers must have answered others before silence is held against the reader.
const STEADY: Duration = Duration::from_secs(4);
/// Longer than between two signs of a reader that is well.
const READABLE_WITHIN: Duration = Duration::from_secs(6);
/// Pauses between replacements. A broker may come back just after one: what is left of the pause, the time until silence shows and the
/// new client's first fetch have to fit in fifteen seconds.
const FIRST_PAUSE: Duration = Duration::from_secs(6);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Nothing.
    Wait,
    /// Read the end of some partition again.
    Probe,
    /// Read on with another client.
    Replace,
}

/// State of the ear.
#[derive(Debug)]
pub(super) struct Hearing {
    /// The last sign, or when it was last known that there could be none.
    sign: Instant,
    /// Whether there was a sign since then.
    heard: bool,
    probed: Instant,
    /// Slots that did not get what there was, until they get something.
    deaf: BTreeSet<usize>,
    /// No slot got anything.
    all_deaf: bool,
    /// The client said that it cannot go on.
    broken: bool,
    replacements: Replacements,
}

impl Hearing {
    pub(super) fn new(now: Instant) -> Self {
        let replacements = Replacements::pausing(FIRST_PAUSE, LONGEST_PAUSE);
        Self {
            sign: now,
            heard: false,
            probed: now,
            deaf: BTreeSet::new(),
            all_deaf: false,
            broken: false,
            replacements,
        }
    }

    /// A fetch of this slot was answered.
    pub(super) fn heard(&mut self, slot: usize, now: Instant) {
        let was_deaf = self.is_deaf();
        (self.sign, self.heard, self.all_deaf) = (now, true, false);
        self.deaf.remove(&slot);
        if was_deaf && !self.is_deaf() {
            self.replacements.settled();
        }
    }

    /// This slot does not get what there is.
    pub(super) fn misses(&mut self, slot: usize) {
        self.deaf.insert(slot);
    }

    /// The client cannot go on.
    pub(super) fn broken(&mut self) {
        self.broken = true;
    }

    /// The reader itself stood still until now: nothing of that time is held against its client.
    pub(super) fn excuse(&mut self, now: Instant) {
        (self.sign, self.probed) = (now, now);
    }

    /// What to do. The brokers have answered others since `steady_since`.
    pub(super) fn judge(&mut self, now: Instant, steady_since: Option<Instant>) -> Remedy {
        let quiet = self.quiet_for(now);
        let steady = steady_since.map_or(Duration::ZERO, |since| now.duration_since(since));
        self.all_deaf |= quiet >= DEAF_AFTER && steady >= STEADY;
        let is_at_fault = self.broken || self.is_deaf() && steady_since.is_some();
        if is_at_fault && self.replacements.begin(now) {
            (self.sign, self.heard, self.probed, self.broken) = (now, false, now, false);
            return Remedy::Replace;
        }
        if quiet >= PROBE_AFTER && now.duration_since(self.probed) >= PROBE_AFTER {
            self.probed = now;
            return Remedy::Probe;
        }
        Remedy::Wait
    }

    /// Whether something is known to be missed; until it is got.
    pub(super) fn is_deaf(&self) -> bool {
        self.all_deaf || !self.deaf.is_empty()
    }

    /// How long there was no sign.
    pub(super) fn quiet_for(&self, now: Instant) -> Duration {
        now.duration_since(self.sign)
    }

    /// Whether nothing at all is heard.
    pub(super) fn is_all_deaf(&self) -> bool {
        self.all_deaf
    }

    /// Slots that miss something.
    pub(super) fn deaf_slots(&self) -> impl Iterator<Item = usize> {
        self.deaf.iter().copied()
    }

    /// Whether fetches are answered, as far as can be known.
    pub(super) fn is_well(&self, now: Instant) -> bool {
        self.heard && !self.is_deaf() && now.duration_since(self.sign) < READABLE_WITHIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judges each second from `from` to `to`; gives when what was to be done.
    fn judge(
        hearing: &mut Hearing,
        start: Instant,
        seconds: std::ops::Range<u64>,
        steady: Option<u64>,
    ) -> Vec<(u64, Remedy)> {
        let at = |second| start + Duration::from_secs(second);
        let steady = |now| steady.map(at).filter(|since| *since <= now);
        let judged = seconds.map(|second| (second, hearing.judge(at(second), steady(at(second)))));
        judged.filter(|(_, remedy)| *remedy != Remedy::Wait).collect()
    }

    #[test]
    fn a_quiet_reader_is_asked_for_a_sign_and_replaced_if_it_gives_none() {
        let start = Instant::now();
        let mut hearing = Hearing::new(start);
        assert!(!hearing.is_well(start), "nothing was heard yet");
        hearing.heard(0, start);
        let first = judge(&mut hearing, start, 0..7, Some(0));
        assert_eq!(first, [(3, Remedy::Probe), (6, Remedy::Probe)]);
        assert!(!hearing.is_well(start + Duration::from_secs(6)));
        hearing.heard(0, start + Duration::from_secs(7));
        assert!(hearing.is_well(start + Duration::from_secs(7)));
        let later = judge(&mut hearing, start, 7..17, Some(0));
        assert_eq!(later, [(10, Remedy::Probe), (13, Remedy::Probe), (15, Remedy::Replace)]);
        assert!(hearing.is_deaf());
        hearing.heard(3, start + Duration::from_secs(17));
        assert!(!hearing.is_deaf());
    }

    #[test]
    fn a_reader_is_not_replaced_while_nobody_is_answered() {
        let start = Instant::now();
        let mut hearing = Hearing::new(start);
        let replaced = |judged: Vec<(u64, Remedy)>| judged.iter().any(|(_, remedy)| *remedy == Remedy::Replace);
        assert!(!replaced(judge(&mut hearing, start, 0..60, None)));
        assert!(!replaced(judge(&mut hearing, start, 60..64, Some(60))), "they answer since a moment ago");
        assert!(replaced(judge(&mut hearing, start, 64..65, Some(60))));
    }

    #[test]
    fn a_slot_that_misses_something_is_not_made_good_by_what_others_get() {
        let start = Instant::now();
        let mut hearing = Hearing::new(start);
        hearing.heard(1, start);
        hearing.misses(7);
        assert_eq!(judge(&mut hearing, start, 0..1, Some(0)), [(0, Remedy::Replace)]);
        let mut replaced = vec![0];
        for second in 1..30 {
            hearing.heard(1, start + Duration::from_secs(second));
            assert!(!hearing.is_well(start + Duration::from_secs(second)));
            let judged = judge(&mut hearing, start, second..second + 1, Some(0));
            replaced.extend(judged.into_iter().filter(|(_, remedy)| *remedy == Remedy::Replace).map(|(at, _)| at));
        }
        assert_eq!(replaced, [0, 6, 14, 22]);
        hearing.heard(7, start + Duration::from_secs(30));
        assert!(hearing.is_well(start + Duration::from_secs(30)));
    }

    #[test]
    fn a_client_that_cannot_go_on_is_replaced_whoever_answers() {
        let start = Instant::now();
        let mut hearing = Hearing::new(start);
        hearing.broken();
        assert_eq!(judge(&mut hearing, start, 0..2, None), [(0, Remedy::Replace)]);
    }

    #[test]
    fn what_a_reader_could_not_do_because_it_stood_still_is_not_held_against_its_client() {
        let start = Instant::now();
        let mut hearing = Hearing::new(start);
        hearing.excuse(start + Duration::from_secs(100));
        assert_eq!(judge(&mut hearing, start, 100..103, Some(0)), []);
    }
}
