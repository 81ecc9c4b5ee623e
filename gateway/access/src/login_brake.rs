//! How fast passwords can be tried from one address.
//!
//! An attempt counts when it begins, so that many at a time are no way around, and is taken back if the password was right or nobody judged it.
//! [`FREE_FAILURES`] fail without delay; after each further one the address waits, twice as long each time, from [`FIRST_WAIT`] to
//! [`LONGEST_WAIT`]. An attempt during a wait is refused unjudged and makes it no longer: who comes back when he is told to gets his turn. Failures are
//! forgotten [`FORGOTTEN_AFTER`] the last one, not by a login that succeeds: whoever has an account could guess another's beside it.
//!
//! Bounds: [`MOST_PEERS`] addresses; the one whose last failure is the oldest makes room. IPv6 counts by networks of 64 bits, which is what one
//! customer has at least. The clock is an argument.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use federation_core::time::{Millis, Mono};

/// Failures in a row that cost nothing: people mistype.
pub const FREE_FAILURES: u32 = 5;
/// The wait after the first failure beyond them.
pub const FIRST_WAIT: Millis = Millis::from_secs(1);
/// The longest wait: 300 guesses a day and address.
pub const LONGEST_WAIT: Millis = Millis::from_secs(300);
/// After how long without a failure an address is like any other again. Longer than the longest wait.
pub const FORGOTTEN_AFTER: Millis = Millis::from_secs(900);
/// Addresses that are remembered; each has some ten bytes.
pub const MOST_PEERS: usize = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub struct LoginBrake {
    peers: HashMap<IpAddr, PeerFailures>,
}

#[derive(Clone, Copy, Debug)]
struct PeerFailures {
    count: u32,
    last: Mono,
    /// Until when nothing is judged.
    until: Mono,
}

impl LoginBrake {
    /// An attempt from this address begins; it counts as a failure unless it is taken back.
    ///
    /// # Errors
    /// It has to wait so long.
    pub fn begin(&mut self, from: IpAddr, now: Mono) -> Result<(), Millis> {
        let network = network(from);
        if self.peers.get(&network).is_some_and(|peer| is_forgotten(peer, now)) {
            self.peers.remove(&network);
        }
        if !self.peers.contains_key(&network) {
            self.make_room(now);
        }
        let peer = self.peers.entry(network).or_insert(PeerFailures { count: 0, last: now, until: now });
        if now < peer.until {
            return Err(peer.until.since(now));
        }
        peer.count = peer.count.saturating_add(1);
        peer.last = now;
        if let Some(beyond) = peer.count.checked_sub(FREE_FAILURES) {
            peer.until = now + Millis(LONGEST_WAIT.0.min(FIRST_WAIT.0.saturating_mul(2_u64.saturating_pow(beyond))));
        }
        Ok(())
    }

    /// An attempt that began was no failure.
    pub fn take_back(&mut self, from: IpAddr) {
        let network = network(from);
        let Some(peer) = self.peers.get_mut(&network) else { return };
        peer.count = peer.count.saturating_sub(1);
        if peer.count == 0 {
            self.peers.remove(&network);
        } else if peer.count < FREE_FAILURES {
            peer.until = peer.last;
        }
    }

    fn make_room(&mut self, now: Mono) {
        if self.peers.len() < MOST_PEERS {
            return;
        }
        self.peers.retain(|_, peer| !is_forgotten(peer, now));
        if self.peers.len() >= MOST_PEERS
            && let Some(oldest) = self.peers.iter().min_by_key(|(_, peer)| peer.last).map(|(network, _)| *network)
        {
            self.peers.remove(&oldest);
        }
    }
}

fn is_forgotten(peer: &PeerFailures, now: Mono) -> bool {
    now.since(peer.last) >= FORGOTTEN_AFTER
}

/// What one customer has: an IPv4 address, also in the form of an IPv6 one, or 64 bits of an IPv6 address.
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "10.0.0.1";

    fn begin(brake: &mut LoginBrake, from: &str, now: u64) -> Result<(), Millis> {
        brake.begin(from.parse().unwrap(), Mono(now))
    }

    #[test]
    fn after_five_failures_each_further_one_takes_twice_as_long() {
        let mut brake = LoginBrake::default();
        for _ in 0..5 {
            assert_eq!(begin(&mut brake, PEER, 0), Ok(()));
        }
        let (mut now, mut waits) = (0, Vec::new());
        for _ in 0..11 {
            let wait = begin(&mut brake, PEER, now).unwrap_err();
            assert_eq!(begin(&mut brake, PEER, now + wait.0 - 1), Err(Millis(1)), "nothing is judged before");
            waits.push(wait.0 / 1000);
            now += wait.0;
            assert_eq!(begin(&mut brake, PEER, now), Ok(()));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(begin(&mut brake, "10.0.0.2", 0), Ok(()), "others are not concerned");
        assert_eq!(begin(&mut brake, PEER, now + FORGOTTEN_AFTER.0), Ok(()));
        assert_eq!(begin(&mut brake, PEER, now + FORGOTTEN_AFTER.0), Ok(()), "it is like any other again");
    }

    #[test]
    fn what_was_no_failure_is_taken_back_and_wipes_nothing_else_off() {
        let mut brake = LoginBrake::default();
        for _ in 0..100 {
            begin(&mut brake, PEER, 0).unwrap();
            brake.take_back(PEER.parse().unwrap());
        }
        assert!(brake.peers.is_empty());
        for _ in 0..4 {
            begin(&mut brake, PEER, 0).unwrap();
        }
        for _ in 0..10 {
            assert_eq!(begin(&mut brake, PEER, 0), Ok(()));
            brake.take_back(PEER.parse().unwrap());
        }
        assert_eq!(begin(&mut brake, PEER, 0), Ok(()));
        assert_eq!(begin(&mut brake, PEER, 0), Err(FIRST_WAIT), "the four failures before still count");
    }

    #[test]
    fn attempts_at_the_same_time_count_before_they_have_failed() {
        let mut brake = LoginBrake::default();
        assert_eq!((0..100).filter(|_| begin(&mut brake, PEER, 0).is_ok()).count(), 5);
    }

    #[test]
    fn a_network_of_one_customer_is_one_address() {
        let mut brake = LoginBrake::default();
        for host in 0..5 {
            begin(&mut brake, &format!("2001:db8:0:1::{host}"), 0).unwrap();
        }
        assert!(begin(&mut brake, "2001:db8:0:1:ffff::", 0).is_err() && begin(&mut brake, "2001:db8:0:2::", 0).is_ok());
        for _ in 0..5 {
            begin(&mut brake, "::ffff:10.0.0.1", 0).unwrap();
        }
        assert!(begin(&mut brake, PEER, 0).is_err(), "the same address in another form");
    }

    #[test]
    fn addresses_are_bounded_and_the_oldest_makes_room() {
        let mut brake = LoginBrake::default();
        for number in 0..u32::try_from(MOST_PEERS).unwrap() + 10 {
            let from = IpAddr::from(number.to_be_bytes());
            brake.begin(from, Mono(u64::from(number))).unwrap();
        }
        assert_eq!(brake.peers.len(), MOST_PEERS);
        assert!(!brake.peers.contains_key(&IpAddr::from([0; 4])));
    }
}
