//! The clock of a cluster: the one of its replicas that is furthest ahead. Clients of a front door drop a list that is older than the one they have,
//! and they move from gateway to gateway, so all of these give their lists times that go on where those of the others are.
//!
//! Input: when each replica's records were written, by its own clock. Output: how far the own clock is behind. Nothing is decided by it.

use std::collections::BTreeMap;

use crate::federation::Federation;
use crate::time::{Millis, Mono, Now, WallMs};

/// Replicas of one cluster that are remembered, as many as elsewhere.
const MOST: usize = 64;
/// The clock of a replica goes on for so long after it was last heard: two and a half beats of a standby.
const GOES_ON_FOR: Millis = Millis::from_secs(25);
/// A clock that is further ahead is wrong and nobody follows it: the times would stay wrong until all gateways were started anew.
const MOST_AHEAD: Millis = Millis::from_secs(600);

/// The clocks of the own cluster's replicas, this one's among them.
#[derive(Debug, Default)]
pub(super) struct ClusterClock(BTreeMap<u32, (WallMs, Mono)>);

impl ClusterClock {
    /// A record was read that its replica wrote when its clock said `written`. It is on its way for a while: the earliest there is says most.
    pub(super) fn heard(&mut self, now: Mono, nonce: u32, written: WallMs) {
        let known = self.0.get(&nonce).map_or(WallMs(0), |(wall, at)| WallMs(wall.0.saturating_add(now.since(*at).0)));
        self.0.insert(nonce, (known.max(written), now));
        if self.0.len() > MOST {
            let oldest = self.0.iter().min_by_key(|(_, (_, at))| *at).map(|(nonce, _)| *nonce);
            oldest.map(|oldest| self.0.remove(&oldest));
        }
    }

    /// How much later it is by the clock that is furthest ahead.
    pub(super) fn ahead(&self, now: Now) -> Millis {
        let goes_on = |(wall, at): &(WallMs, Mono)| wall.0.saturating_add(now.mono.since(*at).min(GOES_ON_FOR).0);
        let ahead = self.0.values().map(|clock| goes_on(clock).saturating_sub(now.wall.0));
        Millis(ahead.filter(|ahead| *ahead <= MOST_AHEAD.0).max().unwrap_or(0))
    }
}

impl Federation {
    /// How far the clock of this process is behind the one of its cluster's replicas that is furthest ahead.
    #[must_use]
    pub fn clock_behind(&self, now: Now) -> Millis {
        self.clock.ahead(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u32 = 1;
    const B: u32 = 2;

    fn at(mono: u64, wall: u64) -> Now {
        Now { mono: Mono(mono), wall: WallMs(wall) }
    }

    #[test]
    fn whose_clock_is_behind_follows_the_one_that_is_furthest_ahead() {
        let mut clock = ClusterClock::default();
        assert_eq!(clock.ahead(at(1_000, 500_000)), Millis(0));
        clock.heard(Mono(1_000), A, WallMs(500_000)); // The own one.
        clock.heard(Mono(1_040), B, WallMs(505_000)); // Written 40 ms ago: B's clock is 5 s ahead.
        assert_eq!(clock.ahead(at(1_040, 500_040)), Millis(4_960));
        clock.heard(Mono(2_005), B, WallMs(506_000)); // Only 5 ms ago.
        clock.heard(Mono(3_300), B, WallMs(507_000)); // 300 ms ago: the one before says more.
        assert_eq!(clock.ahead(at(3_300, 502_300)), Millis(4_995));
    }

    #[test]
    fn a_clock_that_stopped_being_heard_goes_on_for_a_while_and_is_never_taken_back() {
        let mut clock = ClusterClock::default();
        clock.heard(Mono(0), B, WallMs(505_000));
        assert_eq!(clock.ahead(at(25_000, 525_000)), Millis(5_000));
        assert_eq!(clock.ahead(at(27_000, 527_000)), Millis(3_000), "what it gave out last is passed soon");
        assert_eq!(clock.ahead(at(60_000, 560_000)), Millis(0));
    }

    #[test]
    fn a_clock_that_is_set_back_goes_on_where_it_was() {
        let mut clock = ClusterClock::default();
        clock.heard(Mono(0), B, WallMs(505_000));
        clock.heard(Mono(1_000), B, WallMs(501_000));
        assert_eq!(clock.ahead(at(1_000, 501_000)), Millis(5_000));
    }

    #[test]
    fn nobody_follows_a_clock_that_is_absurd() {
        let mut clock = ClusterClock::default();
        clock.heard(Mono(0), B, WallMs(u64::MAX));
        clock.heard(Mono(0), A, WallMs(507_000));
        assert_eq!(clock.ahead(at(1_000, 501_000)), Millis(7_000));
    }

    #[test]
    fn replicas_that_are_remembered_are_few() {
        let mut clock = ClusterClock::default();
        (0..1_000).for_each(|nonce| clock.heard(Mono(u64::from(nonce)), nonce, WallMs(0)));
        assert_eq!(clock.0.len(), MOST);
        assert!(clock.0.contains_key(&999));
    }
}
