//! Damping: what is worse counts at once, what is better only after a while, before anything is planned.
//!
//! Input: raw words over time. Output: the effective word, which is the worst that was in force within the last hold. It defends against
//! health that toggles, lines that fail every few seconds, and half a recovery that would be taken for a whole one.
//!
//! ```text
//! effective = raw ──a worse word──▶ effective = raw
//!       ▲           └──a better word──▶ effective = the worst remembered ──a hold without it──▶ effective = raw
//! ```
//!
//! Invariant: between any two words of different severity, the effective word changes at most twice within a hold: once
//! for the better, once for the worse. So what toggles faster than the hold changes nothing after its first fall.

use crate::freshness::Freshness;
use crate::instance::Health;
use crate::time::{Millis, Mono};

/// How long a better word has to last before it counts. Zero = it counts at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Damping {
    /// Of the health of an instance. Longer than the time Nacos takes to declare an instance healthy and unhealthy again.
    pub health: Millis,
    /// Of the freshness of an origin. As long as the time after which it is stale: a line that fails every few seconds
    /// keeps its origin demoted instead of moving its traffic to and fro.
    pub freshness: Millis,
}

impl Damping {
    /// Raw words count at once.
    pub const OFF: Self = Self { health: Millis(0), freshness: Millis(0) };
}

impl Default for Damping {
    fn default() -> Self {
        Self { health: Millis::from_secs(5), freshness: Millis::from_secs(10) }
    }
}

/// How bad a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WordSeverity {
    /// Nothing is worse than it should be.
    Good,
    /// To be used after what is good.
    Doubtful,
    /// To be used last, if at all.
    Bad,
}

/// A word that routing goes by.
pub trait RoutingWord: Copy {
    /// How bad it is. Words of equal severity follow each other at once.
    fn severity(self) -> WordSeverity;
}

impl RoutingWord for Health {
    fn severity(self) -> WordSeverity {
        match self {
            Self::Healthy => WordSeverity::Good,
            Self::Unknown => WordSeverity::Doubtful,
            Self::Unhealthy => WordSeverity::Bad,
        }
    }
}

impl RoutingWord for Freshness {
    fn severity(self) -> WordSeverity {
        match self {
            // Isolated is this gateway's trouble: it says nothing of the origin.
            Self::Live | Self::Isolated => WordSeverity::Good,
            Self::Stale => WordSeverity::Doubtful,
            Self::Lost => WordSeverity::Bad,
        }
    }
}

/// One thing's raw word, and worse ones that are not forgotten yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DampedWord<W> {
    raw: W,
    doubtful: Option<Past<W>>,
    bad: Option<Past<W>>,
}

/// A word that was better at last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Past<W> {
    word: W,
    forgotten_at: Mono,
}

impl<W: RoutingWord> DampedWord<W> {
    /// Something new: its raw word counts at once.
    pub fn new(raw: W) -> Self {
        Self { raw, doubtful: None, bad: None }
    }

    /// The raw word is `raw` from `now` on.
    pub fn hear(&mut self, now: Mono, raw: W, hold: Millis) {
        self.forget(now);
        if raw.severity() < self.raw.severity() && hold > Millis(0) {
            let past = Some(Past { word: self.raw, forgotten_at: now + hold });
            match self.raw.severity() {
                WordSeverity::Bad => self.bad = past,
                WordSeverity::Doubtful => self.doubtful = past,
                WordSeverity::Good => {}
            }
        }
        self.raw = raw;
    }

    /// Drops what has been better for a hold.
    pub fn forget(&mut self, now: Mono) {
        let kept = |past: &Past<W>| past.forgotten_at > now;
        self.bad = self.bad.filter(kept);
        self.doubtful = self.doubtful.filter(kept);
    }

    /// What is acted on, as of the last [`DampedWord::hear`] or [`DampedWord::forget`].
    pub fn effective(&self) -> W {
        let past = self.bad.or(self.doubtful).map(|past| past.word);
        past.filter(|past| past.severity() > self.raw.severity()).unwrap_or(self.raw)
    }

    /// What was heard last.
    pub fn raw(&self) -> W {
        self.raw
    }

    /// Whether nothing worse than the raw word is remembered.
    pub fn is_settled(&self) -> bool {
        self.doubtful.is_none() && self.bad.is_none()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOLD: Millis = Millis(5_000);
    const ALL: [Health; 3] = [Health::Healthy, Health::Unknown, Health::Unhealthy];

    /// Effective words at each moment after `words`, heard at their times.
    fn effective(words: &[(u64, Health)], at: &[u64]) -> Vec<Health> {
        let mut heard = words.iter().peekable();
        let mut damped = DampedWord::new(heard.next().unwrap().1);
        let mut seen = Vec::new();
        for moment in at {
            while let Some((time, word)) = heard.next_if(|(time, _)| time <= moment) {
                damped.hear(Mono(*time), *word, HOLD);
            }
            damped.forget(Mono(*moment));
            seen.push(damped.effective());
        }
        seen
    }

    #[test]
    fn worse_counts_at_once_and_better_after_the_hold() {
        use Health::{Healthy, Unhealthy, Unknown};
        for (name, words, at, want) in [
            ("new", vec![(0, Unhealthy)], vec![0], vec![Unhealthy]),
            ("worse", vec![(0, Healthy), (10, Unhealthy)], vec![9, 10], vec![Healthy, Unhealthy]),
            (
                "better",
                vec![(0, Unhealthy), (10, Healthy)],
                vec![10, 5_009, 5_010],
                vec![Unhealthy, Unhealthy, Healthy],
            ),
            (
                "a break begins the hold anew",
                vec![(0, Unhealthy), (10, Healthy), (4_000, Unhealthy), (4_100, Healthy)],
                vec![5_010, 9_099, 9_100],
                vec![Unhealthy, Unhealthy, Healthy],
            ),
            (
                "better by halves",
                vec![(0, Unhealthy), (1_000, Unknown), (3_000, Healthy)],
                vec![3_000, 6_000, 7_999, 8_000],
                vec![Unhealthy, Unknown, Unknown, Healthy],
            ),
            (
                "a smaller break holds back only what it is worse than",
                vec![(0, Unhealthy), (1_000, Healthy), (4_000, Unknown), (4_500, Healthy)],
                vec![5_999, 6_000, 9_499, 9_500],
                vec![Unhealthy, Unknown, Unknown, Healthy],
            ),
        ] {
            assert_eq!(effective(&words, &at), want, "{name}");
        }
    }

    #[test]
    fn isolated_and_live_follow_each_other_at_once() {
        let mut damped = DampedWord::new(Freshness::Live);
        for (time, raw, want) in [
            (1, Freshness::Isolated, Freshness::Isolated),
            (2, Freshness::Live, Freshness::Live),
            (3, Freshness::Lost, Freshness::Lost),
            (4, Freshness::Isolated, Freshness::Lost),
            (5, Freshness::Stale, Freshness::Lost),
        ] {
            damped.hear(Mono(time), raw, HOLD);
            assert_eq!(damped.effective(), want, "{time}");
        }
    }

    #[test]
    fn without_a_hold_the_raw_word_counts() {
        let mut damped = DampedWord::new(Health::Unhealthy);
        damped.hear(Mono(1), Health::Healthy, Damping::OFF.health);
        assert_eq!((damped.effective(), damped.is_settled()), (Health::Healthy, true));
    }

    #[test]
    fn what_toggles_every_second_falls_once_and_stays_down() {
        let words: Vec<(u64, Health)> =
            (0..3_600).map(|second| (second * 1000, ALL[usize::from(second % 2 == 1) * 2])).collect();
        let at: Vec<u64> = (0..36_000).map(|tenth| tenth * 100).collect();
        let seen = effective(&words, &at);
        assert_eq!(seen.windows(2).filter(|pair| pair[0] != pair[1]).count(), 1);
    }

    /// Times grow by up to 3 s a step, with the words from there on.
    fn walks() -> impl Strategy<Value = Vec<(u64, Health)>> {
        let steps = prop::collection::vec((1..3_000_u64, 0..3_usize), 1..60);
        steps.prop_map(|steps| {
            let mut time = 0;
            steps
                .into_iter()
                .map(|(step, word)| {
                    time += step;
                    (time, ALL[word])
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn the_effective_word_is_the_worst_in_force_within_the_last_hold(words in walks()) {
            let at: Vec<u64> = (words[0].0..words[words.len() - 1].0 + 6_000).step_by(100).collect();
            for (moment, seen) in at.iter().zip(effective(&words, &at)) {
                let until = |index: usize| words.get(index + 1).map_or(u64::MAX, |(time, _)| *time);
                let in_force = words.iter().enumerate().filter(|(index, (from, _))| {
                    from <= moment && until(*index) + HOLD.0.min(u64::MAX - until(*index)) > *moment
                });
                let worst = in_force.map(|(_, (_, word))| word.severity()).max();
                prop_assert_eq!(Some(seen.severity()), worst);
            }
        }

        #[test]
        fn each_threshold_is_crossed_at_most_twice_within_any_hold(words in walks()) {
            let at: Vec<u64> = (words[0].0..words[words.len() - 1].0 + 6_000).collect();
            let seen = effective(&words, &at);
            for threshold in [WordSeverity::Doubtful, WordSeverity::Bad] {
                let crossed = |pair: &[Health]| (pair[0].severity() < threshold) != (pair[1].severity() < threshold);
                let crossings: Vec<usize> = (1..seen.len()).filter(|moment| crossed(&seen[moment - 1..=*moment])).collect();
                for three in crossings.windows(3) {
                    prop_assert!(three[2] - three[0] >= usize::try_from(HOLD.0).unwrap(), "{:?}", three);
                }
            }
        }
    }
}
