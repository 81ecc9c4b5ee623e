//! Gateways that take registrations: whether one lived when something went missing that had been registered through it.

use crate::federation::Federation;
use crate::local::mark::DoorMark;
use crate::log::control::{ReplicaRecord, ReplicaState};
use crate::time::{Millis, Now};

/// A gateway whose Nacos was not heard for this long cannot say whose clients live: they may all be cut off with it.
const HEARD_NACOS_WITHIN: Millis = Millis::from_secs(5);

impl Federation {
    /// A record of another replica of the own cluster was read, behind all own ones that were read back. One that stops says nothing for the
    /// clients that it leaves.
    pub(super) fn replica_spoke(&mut self, now: Now, nonce: u32, replica: &ReplicaRecord) {
        let is_witness =
            replica.state != ReplicaState::Stopped && replica.nacos_age.is_some_and(|age| age < HEARD_NACOS_WITHIN);
        let Some(lived_at) = self.lease.heard_since().filter(|_| is_witness) else { return };
        for key in self.local.door_lived(now.mono, DoorMark(nonce), lived_at) {
            self.note_own_change(now, &key);
        }
    }

    /// Something went missing behind a front door: whoever misses it and whoever is meant say that they live.
    pub(super) fn speak_of_doors(&mut self, now: Now) {
        if self.local.take_word_wanted() {
            self.lease.speak(now.mono);
        }
    }
}
