//! The guard: a mass loss is held until an operator says what it is.
//!
//! A Nacos that answers "empty" for everything, settled and confirmed, looks exactly like a shutdown of everything. No read can tell the two
//! apart, only people can. So what the own Nacos lost is counted by namespace ([`Losses`]); while that is a mass ([`GuardSettings`]), proven
//! removals of the namespace are kept back, and what is kept back stays in what is wanted of the log. A new leader therefore needs no memory of
//! the former one: it compares what the log has with what Nacos says, and comes to the same.
//!
//! ```text
//! ordinary ──proof, and the loss is a mass──▶ held ──all came back──────────────────────────▶ ordinary
//!                                             │ ▲ └─no mass any more, for a whole window ──▶ the rest goes
//!                                       keep  ▼ │
//!                                       kept by order ──all came back──▶ ordinary
//! held, kept ──release, by an operator or guard.mass_confirm_after──▶ what is held goes, and what is proven after it
//! ```
//!
//! What holds this defends against: an empty or partial Nacos that is sure of itself, losses in several portions, leaders that change between
//! two portions. What it does not: a loss below the thresholds, or what of a slow mass went before it was one.

mod entry;
mod keeper;
mod log;
mod losses;
mod table;

pub use entry::{GuardEntry, GuardOrder, GuardRefused, GuardTarget, GuardWord, InvalidGuardTarget};
pub use keeper::{Guard, Hold, Judgement, OwnWord};
pub use log::{GuardLog, GuardRecord, RefusedWord};
pub use losses::{Loss, Losses};
pub use table::{GuardInForce, GuardTable, GuardTaken, RefusedDecision};

use crate::percent::Percent;
use crate::time::Millis;

/// What a mass loss is, and how long it is held. All of it applies to instances of one namespace of the own cluster, and apart from them to its
/// config items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GuardSettings {
    /// More than this part of a namespace is a mass; of 100 % there is no more, so 100 turns the guard off.
    pub percent: Percent,
    /// Fewer instances than this are never a mass; at least 1.
    pub instances: usize,
    /// What was lost within this time counts together.
    pub window: Millis,
    /// A hold that nobody has decided about is released after this; `None` = never.
    pub confirm_after: Option<Millis>,
    /// What is held is taken for as healthy as it was for this long, then its health is unknown.
    pub trust_for: Millis,
}

impl Default for GuardSettings {
    /// More than 30 % and at least 10 instances within a minute, held until somebody says otherwise, trusted for a minute.
    fn default() -> Self {
        Self {
            percent: Percent::new(30).expect("30 is at most 100"),
            instances: 10,
            window: Millis::from_secs(60),
            confirm_after: None,
            trust_for: Millis::from_secs(60),
        }
    }
}
