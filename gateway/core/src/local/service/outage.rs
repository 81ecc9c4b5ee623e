//! What an outage of Nacos means for a service: whose clients are waited for, and until when.
//!
//! While Nacos is away its clients try ever more seldom, and come back one by one. Whoever is missing meanwhile was not deregistered. The same
//! holds when Nacos says nothing for a while and the connection outlives it, because the server stood still, or this process did: the clients
//! of that server may have lost it, and it may take them for gone when it goes on.

use super::{LocalService, RemovalPatience};
use crate::time::{Millis, Mono};

/// How much longer than the hold a client is waited for that was there before an outage of Nacos: this many times the outage, and at most
/// this many holds. One that meets a Nacos while it starts tries again late: a Python client (nacos-sdk-python 3.2.0) was seen to register
/// anew 57 s after a Nacos that had been away for 15 s was back.
const RETURN_OUTAGES: u64 = 4;
const RETURN_HOLDS: u64 = 5;

/// Until when a client is waited for that was there before an outage which ends now.
#[must_use]
pub fn returned_by(now: Mono, outage: Millis, patience: &RemovalPatience) -> Mono {
    let longer = outage.0.saturating_mul(RETURN_OUTAGES).min(patience.removal_hold.0 * RETURN_HOLDS);
    now + Millis(patience.removal_hold.0 + longer)
}

impl LocalService {
    /// A connection was set up after an outage: what is missing, and what will be, is held anew. Clients try ever more slowly
    /// while Nacos is away, so a long outage is followed by a longer hold.
    pub fn connected(&mut self, now: Mono, outage: Millis, patience: &RemovalPatience) {
        self.stalled = false;
        self.acknowledged.clear();
        self.listed_on_this_connection = false;
        self.doubt_all(now, outage, patience);
    }

    /// Nacos said nothing for this long on a connection that stands, and says something again.
    pub fn stalled(&mut self, now: Mono, silence: Millis, patience: &RemovalPatience) {
        self.stalled = true;
        self.doubt_all(now, silence, patience);
    }

    /// Who was there before is waited for at least until then.
    pub fn wait_for_all_until(&mut self, until: Mono) {
        self.returned_by = self.returned_by.max(until);
    }

    fn doubt_all(&mut self, now: Mono, outage: Millis, patience: &RemovalPatience) {
        self.outage = outage;
        if outage > Millis(0) {
            self.wait_for_all_until(returned_by(now, outage, patience));
        }
        for missing in self.missing.values_mut() {
            missing.may_return = true;
        }
        self.asked = None;
        self.proven_gone.clear();
        self.unsettle(now);
    }
}
