//! Who gave an order, and what a gateway hears of orders that others took.

use std::sync::Arc;

use crate::guard::{GuardEntry, GuardTarget, GuardWord};
use crate::id::ClusterId;
use crate::intents::rules::NotAccepted;
use crate::intents::{DrainIntent, DrainTarget};
use crate::percent::Percent;
use crate::time::WallMs;

/// Longest part of [`OrderGiver`], in bytes.
const LONGEST_PART: usize = 512;

/// Who gave an order, as the gateway that took it found out, not as the order says of itself. All of it is empty where that is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OrderGiver {
    /// Who it is, for example `token:ops`.
    pub identity: Arc<str>,
    /// The address from which the order came.
    pub from: Arc<str>,
    /// By what he is known, for example `token`.
    pub means: Arc<str>,
}

impl OrderGiver {
    /// Of texts that may be long: each is cut after 512 bytes.
    #[must_use]
    pub fn new(identity: &str, from: &str, means: &str) -> Self {
        let part = |text: &str| text[..text.floor_char_boundary(LONGEST_PART)].into();
        Self { identity: part(identity), from: part(from), means: part(means) }
    }

    /// Its parts.
    pub fn parts(&self) -> impl Iterator<Item = &Arc<str>> {
        [&self.identity, &self.from, &self.means].into_iter()
    }
}

/// What this process read in the log that people ordered elsewhere, and what became of that here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeardOrder {
    /// The cluster in whose log it stands.
    pub origin: ClusterId,
    /// When it was given, by the clock of the gateway that took it, never later than now; of what is not accepted, when it was read.
    pub when: WallMs,
    /// What is ordered.
    pub what: HeardWhat,
    /// Why it has no effect here; `None` if it is accepted.
    pub refused: Option<NotAccepted>,
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeardWhat {
    /// A drain, another percentage of one, or its end.
    Drain {
        /// What is drained.
        target: DrainTarget,
        /// The order.
        intent: DrainIntent,
        /// The percentage that was in force for the target before.
        before: Percent,
        /// That which is in force now, at the end of its ramp.
        after: Percent,
    },
    /// The record of a drain was taken out of the log.
    Forgotten {
        /// What was drained.
        target: DrainTarget,
        /// The percentage that was in force before.
        before: Percent,
        /// That which is in force now.
        after: Percent,
    },
    /// A decision about a hold.
    Hold {
        /// Which hold.
        target: GuardTarget,
        /// The decision.
        entry: GuardEntry,
        /// What was in force before; `None` if nothing was said.
        before: Option<GuardWord>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_part_is_cut_between_characters() {
        let giver = OrderGiver::new(&"é".repeat(400), "10.0.0.1:5", &"x".repeat(513));
        assert_eq!((giver.identity.len(), &*giver.from, giver.means.len()), (512, "10.0.0.1:5", 512));
        assert_eq!(OrderGiver::new(&"x€".repeat(200), "", "").identity.len(), 512);
        assert_eq!(OrderGiver::new(&"€".repeat(200), "", "").identity.len(), 510);
    }
}
