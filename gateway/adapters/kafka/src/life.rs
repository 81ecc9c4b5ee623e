//! Signs of life of clients, and when the lack of them is enough to put another client in their place. Pure: times are passed in.
//!
//! The failure that this defends against raises no error. librdkafka can lose what it knows of a partition's leader, or of all
//! brokers, after a broker was away for a moment (confluentinc/librdkafka issues 5430 and 5301, open in every release), and goes on
//! without that partition, or without any, for as long as the process lives. So nothing here waits for an error: a client is believed
//! only while it shows that it works, and what it should have done is known from another client, whose answers are [`Answers`].
//!
//! ```text
//!               sent, or known to be behind          bound passed, brokers answered all the while
//!   content ───────────────────────────────▶ waiting ────────────────────────────────────────────▶ silent: another client
//!      ▲                                        │                                                      │
//!      └──────────────── a sign ────────────────┴───────────────────── a sign ─────────────────────────┘
//! ```
//!
//! Duties of a caller: tell every sign, judge at least once a second, and call only its own clock's times, which never go back.

use std::time::{Duration, Instant};

/// The next question may come this long after the last answer without the run of answers being broken. Questions are asked each two
/// seconds, and one that fails takes 1.5 s for each silent broker.
const ANSWER_GAP: Duration = Duration::from_secs(6);
/// How long a producer may owe an answer: twice as long as a record is kept at all, so that at least two were given up meanwhile.
pub(super) const DELIVERY_BOUND: Duration = Duration::from_secs(5);

/// Since when somebody answers without a break.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    run: Option<Run>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    since: Instant,
    last: Instant,
}

impl Answers {
    /// A question was answered.
    pub(super) fn answered(&mut self, now: Instant) {
        match &mut self.run {
            Some(run) if now.duration_since(run.last) <= ANSWER_GAP => run.last = now,
            run => *run = Some(Run { since: now, last: now }),
        }
    }

    /// A question failed.
    pub(super) fn failed(&mut self) {
        self.run = None;
    }

    /// The first of the answers that came without a break until now; `None` if there is no such run.
    pub(super) fn steady_since(&self, now: Instant) -> Option<Instant> {
        self.run.filter(|run| now.duration_since(run.last) <= ANSWER_GAP).map(|run| run.since)
    }
}

/// Whether records of one partition are acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Vigil {
    /// The earliest send that nothing was heard of since, and the latest.
    owed: Option<(Instant, Instant)>,
}

impl Vigil {
    /// A record was handed to the client.
    pub(super) fn sent(&mut self, now: Instant) {
        self.owed = Some((self.owed.map_or(now, |(first, _)| first), now));
    }

    /// A broker answered: it took a record, or said why not.
    pub(super) fn heard(&mut self) {
        self.owed = None;
    }

    /// What was sent was taken back: nothing is owed.
    pub(super) fn taken_back(&mut self) {
        self.owed = None;
    }

    /// Whether an answer is owed for too long, to a record that was sent while the brokers answered others, as they have
    /// `steady_since`.
    pub(super) fn is_silent(&mut self, now: Instant, steady_since: Option<Instant>) -> bool {
        // What was sent while nobody answered anybody proves nothing.
        self.owed = self.owed.zip(steady_since).and_then(|((first, last), since)| {
            let first = if first >= since { first } else { last };
            (first >= since).then_some((first, last))
        });
        self.owed.is_some_and(|(first, _)| now.duration_since(first) >= DELIVERY_BOUND)
    }
}

/// When another client may be put in the place of one that is silent: at once, then with growing pauses, because a new client that
/// meets the same brokers in the same state helps no more than the old one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replacements {
    first: Duration,
    longest: Duration,
    last: Option<(Instant, Duration)>,
}

impl Replacements {
    /// Pauses from `first` to `longest`, half as long again each time.
    pub(super) fn pausing(first: Duration, longest: Duration) -> Self {
        Self { first, longest, last: None }
    }

    /// Whether it is time; if so, the caller replaces the client now.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        let pause = match self.last {
            Some((last, pause)) if now.duration_since(last) < pause => return false,
            Some((_, pause)) => (pause * 3 / 2).min(self.longest),
            None => self.first,
        };
        self.last = Some((now, pause));
        true
    }

    /// The client that is there works: the next replacement comes at once again.
    pub(super) fn settled(&mut self) {
        self.last = None;
    }
}

/// Whether the client that asks questions is to be replaced: it is when it fails, whatever others hear. When all clients forgot all
/// brokers, only a fresh one can find out whether they are there.
#[derive(Debug)]
pub(super) struct Questions {
    failing: Option<Instant>,
    renewals: Replacements,
}

impl Questions {
    /// The longest that a client that never was answered is kept before the next one; a fresh one on a slow line needs some of it
    /// for its connection.
    const PATIENCE: Duration = Duration::from_secs(4);

    pub(super) fn new() -> Self {
        Self { failing: None, renewals: Replacements::pausing(Self::PATIENCE, Self::PATIENCE * 3 / 2) }
    }

    /// A question was answered.
    pub(super) fn answered(&mut self) {
        self.failing = None;
        self.renewals.settled();
    }

    /// A question failed: since when they do, and whether the client is to be replaced now.
    pub(super) fn failed(&mut self, now: Instant) -> (Instant, bool) {
        let since = *self.failing.get_or_insert(now);
        let renew = now.duration_since(since) >= Self::PATIENCE && self.renewals.begin(now);
        (since, renew)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn answers_are_steady_until_one_fails_or_is_long_in_coming() {
        let start = Instant::now();
        let mut answers = Answers::default();
        assert_eq!(answers.steady_since(start), None);
        answers.answered(start);
        answers.answered(at(start, 3_500));
        assert_eq!(answers.steady_since(at(start, 9_500)), Some(start));
        assert_eq!(answers.steady_since(at(start, 9_501)), None, "the last one is too old");
        answers.answered(at(start, 12_000));
        assert_eq!(answers.steady_since(at(start, 12_000)), Some(at(start, 12_000)), "a new run");
        answers.failed();
        assert_eq!(answers.steady_since(at(start, 12_000)), None);
    }

    #[test]
    fn a_producer_is_silent_only_if_it_owes_an_answer_while_brokers_answer_others() {
        let start = Instant::now();
        let steady = Some(start);
        let mut vigil = Vigil::default();
        assert!(!vigil.is_silent(at(start, 60_000), steady), "nothing was sent");
        vigil.sent(at(start, 60_000));
        vigil.sent(at(start, 64_000));
        assert!(!vigil.is_silent(at(start, 64_999), steady));
        assert!(vigil.is_silent(at(start, 65_000), steady));
        vigil.heard();
        assert!(!vigil.is_silent(at(start, 99_000), steady));
    }

    #[test]
    fn what_was_sent_while_nobody_answered_is_not_held_against_a_producer() {
        let start = Instant::now();
        let mut vigil = Vigil::default();
        vigil.sent(start);
        assert!(!vigil.is_silent(at(start, 20_000), None));
        vigil.sent(at(start, 20_100)); // Still nobody answers.
        vigil.sent(at(start, 21_000));
        let back = Some(at(start, 20_500));
        assert!(!vigil.is_silent(at(start, 25_900), back), "counted from the first send after the brokers' return");
        assert!(vigil.is_silent(at(start, 26_000), back));
        vigil.taken_back();
        assert!(!vigil.is_silent(at(start, 60_000), back));
    }

    #[test]
    fn replacements_pause_longer_and_longer_until_one_works() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut replacements = Replacements::pausing(4 * second, 8 * second);
        let mut begun = Vec::new();
        for tenth in 0..400 {
            if replacements.begin(at(start, tenth * 100)) {
                begun.push(tenth / 10);
            }
        }
        assert_eq!(begun, [0, 4, 10, 18, 26, 34]);
        replacements.settled();
        assert!(replacements.begin(at(start, 40_000)));
    }

    #[test]
    fn a_client_whose_questions_fail_is_replaced_again_and_again_until_one_is_answered() {
        let start = Instant::now();
        let mut questions = Questions::new();
        let mut renewed = Vec::new();
        for second in 0..20 {
            if questions.failed(at(start, second * 1000)).1 {
                renewed.push(second);
            }
        }
        assert_eq!(renewed, [4, 8, 14]);
        questions.answered();
        assert_eq!(questions.failed(at(start, 20_000)), (at(start, 20_000), false));
        assert!(questions.failed(at(start, 24_000)).1);
    }
}
