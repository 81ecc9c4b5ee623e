//! Words out of turn: that a replica lives, for those who miss what was registered through it.
//!
//! A record of another replica that stands in the topic behind one of ours was written after ours was sent: its writer lived then. So whoever
//! misses something writes, and so does everybody who may be meant, a few times within seconds. No clocks are compared.

use super::Lease;
use crate::time::{Millis, Mono};

/// In a hurry a replica restates itself this often at most.
const WORD_EVERY: Millis = Millis(250);
/// For so long it is in a hurry.
const IN_A_HURRY_FOR: Millis = Millis(1_000);
/// And then each beat for so long: a Nacos of several servers tells some of them a second or two later than others, and who heard it late
/// waits for a word that is later still.
const SPEAKS_FOR: Millis = Millis(3_500);

/// What was said out of turn, and how far it was heard.
#[derive(Debug, Default)]
pub(super) struct Words {
    asked: Option<Mono>,
    /// When the last own record was sent that has been read back since the topic was begun.
    pub(super) heard: Option<Mono>,
}

impl Lease {
    /// Somebody may want to know that this process lives, or it has to know of others: it restates itself some times soon. With no other replica
    /// there is nobody to ask and to tell.
    pub fn speak(&mut self, now: Mono) {
        if self.replicas.keys().any(|nonce| *nonce != self.nonce) {
            self.words.asked = Some(now);
        }
    }

    /// When the last own record was sent that has been read back: whatever is read of others now was written later than that. `None` while none
    /// was, or while the topic is read anew.
    #[must_use]
    pub fn heard_since(&self) -> Option<Mono> {
        self.words.heard
    }

    /// How long after its last record this process restates itself out of turn; `None` if it has no reason to.
    pub(super) fn word_interval(&self, now: Mono) -> Option<Millis> {
        let asked = self.words.asked.filter(|asked| now < *asked + SPEAKS_FOR)?;
        Some(if now < asked + IN_A_HURRY_FOR { WORD_EVERY.min(self.beat_every) } else { self.beat_every })
    }
}
