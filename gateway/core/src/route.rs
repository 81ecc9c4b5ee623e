//! Whether origins are silent, or the way to them is (rule R22): a finding about the route, one Kafka as this gateway reads it.
//!
//! Input: since when which origins have been silent, and whether the route answers, at each look. Output: which of them fell silent together, so
//! that their silence is not yet held against them. It defends against one cause that silences several clusters at once, a line, a broker or
//! a mirror between them and this gateway: called dead one by one, they would all lose their traffic, to those who are nearer to this gateway.
//!
//! Two clusters that really die together look the same, and a suspicion without an end would send traffic to the dead for ever. Two things
//! end it. *A word*: an origin that is heard again is not silent, and whoever is silent alone is judged alone, since the route carries what
//! others write. *Proof over time*: the route has answered without a break, own beats read back and questions for ends that agree with what
//! was read, for as long as it takes to call an origin lost. A beat and an answer alone do not end it: they come from brokers that are well
//! while others, or what feeds them, are not, which takes them seconds to find out, not a minute.

use std::collections::BTreeSet;

use crate::id::ClusterId;
use crate::time::{Millis, Mono};

/// What is known of the route.
#[derive(Debug, Default)]
pub struct Route {
    /// Since when it has answered without a break, as far as was looked; `None` while it does not.
    answers_since: Option<Mono>,
}

/// How silence is judged.
#[derive(Clone, Copy, Debug)]
pub struct RouteSettings {
    /// Two origins whose last words lie within this time of each other fell silent together: three beats.
    pub together: Millis,
    /// A route that has answered for this long since is believed.
    pub believed_after: Millis,
}

impl Route {
    /// Somebody looked, and the route answers or does not.
    pub fn look(&mut self, now: Mono, answers: bool) {
        self.answers_since = if answers { self.answers_since.or(Some(now)) } else { None };
    }

    /// Which of the silent origins, each with the time of its last word, fell silent together while the route may be the cause.
    #[must_use]
    pub fn suspected(&self, now: Mono, silent: &[(&ClusterId, Mono)], settings: RouteSettings) -> BTreeSet<ClusterId> {
        let is_proven =
            |last: Mono| self.answers_since.is_some_and(|since| now >= since.max(last) + settings.believed_after);
        let mut silent: Vec<_> = silent.iter().filter(|(_, last)| !is_proven(*last)).copied().collect();
        silent.sort_by_key(|(_, last)| *last);
        let neighbours = silent.windows(2).filter(|pair| pair[1].1 <= pair[0].1 + settings.together);
        neighbours.flatten().map(|(origin, _)| (*origin).clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: RouteSettings = RouteSettings { together: Millis(3_000), believed_after: Millis(60_000) };

    fn suspected(route: &Route, now: u64, silent: &[(&str, u64)]) -> Vec<String> {
        let ids: Vec<(ClusterId, Mono)> = silent.iter().map(|(id, last)| (id.parse().unwrap(), Mono(*last))).collect();
        let silent: Vec<(&ClusterId, Mono)> = ids.iter().map(|(id, last)| (id, *last)).collect();
        route.suspected(Mono(now), &silent, SETTINGS).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn origins_that_fell_silent_within_three_beats_of_each_other_are_suspected_and_no_others() {
        let route = Route::default();
        for (silent, want) in [
            (&[("a", 10_000)][..], &[][..]),
            (&[("a", 10_000), ("b", 13_000)], &["a", "b"]),
            (&[("a", 10_000), ("b", 13_001)], &[]),
            (&[("c", 90_000), ("a", 10_000), ("b", 12_000)], &["a", "b"]),
            (&[("a", 10_000), ("b", 12_000), ("c", 15_000)], &["a", "b", "c"]),
        ] {
            assert_eq!(suspected(&route, 100_000, silent), want, "{silent:?}");
        }
    }

    #[test]
    fn a_route_that_has_answered_for_long_without_a_break_is_believed() {
        let mut route = Route::default();
        let silent = [("a", 10_000), ("b", 11_000)];
        route.look(Mono(5_000), true);
        assert_eq!(suspected(&route, 69_999, &silent), ["a", "b"]);
        assert_eq!(suspected(&route, 71_000, &silent), [""; 0]);
        route.look(Mono(60_000), false); // A break: it is proven anew.
        route.look(Mono(61_000), true);
        assert_eq!(suspected(&route, 120_999, &silent), ["a", "b"]);
        assert_eq!(suspected(&route, 121_000, &silent), [""; 0]);
    }
}
