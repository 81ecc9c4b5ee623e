//! What a gateway hears of orders that others took.

use crate::guard::{GuardEntry, GuardTarget, GuardWord};
use crate::id::ClusterId;
use crate::intents::verdict::NotAccepted;
use crate::intents::{DrainIntent, DrainTarget};
use crate::percent::Percent;
use crate::time::WallMs;

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
