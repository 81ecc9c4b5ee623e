//! What operators want, kept in the log (rule R24): drains, each of one target.
//!
//! A [`DrainIntent`] stands in the control topic of the cluster where it was ordered, one for each [`DrainTarget`]. Of all
//! clusters' the highest (counter, cluster) is in force: see [`drains`](crate::drains).

mod giver;
mod ramp;
mod target;
pub mod verdict;

use std::sync::Arc;

pub use giver::OrderGiver;
pub use ramp::DrainRamp;
pub use target::{DrainTarget, InvalidTarget};

use crate::id::ClusterId;
use crate::percent::Percent;
use crate::time::{Millis, WallMs};

/// Counters from here on are nobody's: one absurd record must not make every later order a lower one.
const COUNTER_LIMIT: u64 = 1 << 63;

/// Counters above are set aside: nobody gives 2⁴⁰ orders for one target, and one absurd record must not make every later order a lower
/// one.
pub const HIGHEST_COUNTER: u64 = 1 << 40;

/// How far an order that is not accepted may lie above all that are and still be counted on: more orders than people ever give for one target,
/// and so little of [`HIGHEST_COUNTER`] that it can be done a million times.
const REACH: u64 = 1 << 20;

/// Which order for a target is the last: 1 + the highest that was known anywhere when it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderCounter(u64);

impl OrderCounter {
    /// The counter of a target's first order.
    pub const FIRST: Self = Self(1);

    /// 1 to 2⁶³ − 1; `None` for anything else.
    #[must_use]
    pub fn new(counter: u64) -> Option<Self> {
        (1..COUNTER_LIMIT).contains(&counter).then_some(Self(counter))
    }

    /// 1 to 2⁶³ − 1.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// What an order has to be counted after, where `accepted` is the highest that counts here and `others` are true orders that do not. Those are
    /// heeded, because others may go by them, and only within [`REACH`]: a number that nobody accepted must not use up the numbers.
    #[must_use]
    pub fn above(accepted: Option<Self>, others: impl Iterator<Item = Self>) -> Option<Self> {
        let within = accepted.map_or(0, Self::get).saturating_add(REACH);
        accepted.max(others.filter(|other| other.0 <= within).max())
    }

    /// The counter of the next order; of [`HIGHEST_COUNTER`] itself, after which only the cluster decides.
    #[must_use]
    pub fn next(self) -> Self {
        if self.0 < HIGHEST_COUNTER { Self(self.0 + 1) } else { self }
    }
}

/// What happens to a drain that would leave a service nothing healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DrainGuard {
    /// It is void for that service.
    #[default]
    VoidIfNothingIsLeft,
    /// It is in force all the same.
    Force,
}

/// One drain as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DrainIntent {
    /// Which order for its target this is.
    pub counter: OrderCounter,
    /// How much traffic is taken away now. 0 is none, and still an order: it overrules lower ones.
    pub percent: Percent,
    /// What happens where nothing healthy would be left.
    pub guard: DrainGuard,
    /// Who ordered it, for people.
    pub who: Arc<str>,
    /// Why, for people; may be empty.
    pub why: Arc<str>,
    /// When it was ordered, by the clock of the gateway that took the order.
    pub when: WallMs,
    /// Nonce of the process that wrote this record and goes on with the ramp.
    pub replica: u32,
    /// How the percentage came about and where it goes; `None` if it was ordered at once.
    pub ramp: Option<DrainRamp>,
    /// Who gave the order, as the gateway that took it found out.
    #[cfg_attr(feature = "serde", serde(default))]
    pub giver: OrderGiver,
}

impl DrainIntent {
    /// The percentage at the end of the ramp.
    #[must_use]
    pub fn goal(&self) -> Percent {
        self.ramp.map_or(self.percent, |ramp| ramp.to())
    }

    /// Whether both are records of one order, whatever step its ramp has reached and whoever wrote it.
    #[must_use]
    pub fn is_same_order(&self, other: &Self) -> bool {
        let order = |intent: &Self| (intent.counter, intent.goal(), intent.guard, intent.when);
        order(self) == order(other) && (&self.who, &self.why) == (&other.who, &other.why)
    }

    /// Whether the percentage is still on its way.
    #[must_use]
    pub fn is_ramping(&self) -> bool {
        self.goal() != self.percent
    }
}

/// Longest text that an order may carry for people, in bytes.
pub const LONGEST_TEXT_BYTES: usize = 1024;

/// What an operator orders.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DrainOrder {
    /// What is drained.
    pub target: DrainTarget,
    /// How much in the end; 0 undoes.
    pub percent: Percent,
    /// Time in which the percentage goes there from what is in force, in steps of 1; zero = at once.
    pub over: Millis,
    /// What happens where nothing healthy would be left.
    pub guard: DrainGuard,
    /// Who orders it, for people.
    pub who: Arc<str>,
    /// Why, for people; may be empty.
    pub why: Arc<str>,
    /// Who gives it, as was found out.
    #[cfg_attr(feature = "serde", serde(default))]
    pub giver: OrderGiver,
}

/// Why an order is not taken. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrainRefused {
    /// The order's number would be a guess. Passes by itself, soon after a start.
    #[error("the log of {whose} has not been read to its end yet, so an order could be overruled by an older one")]
    NotRead {
        /// Whose log.
        whose: ClusterId,
    },
    /// The log cannot be read now.
    #[error("the log cannot be reached: {reason}")]
    Unreachable {
        /// For people.
        reason: Arc<str>,
    },
    /// What this process writes does not come back.
    #[error("the log takes nothing from this gateway: nothing it wrote was read back for {} s", silence.0 / 1000)]
    NotWritten {
        /// How long; since the start if nothing ever was.
        silence: Millis,
    },
    /// The process is about to end.
    #[error("the gateway is stopping")]
    Stopping,
    /// A text for people is too long.
    #[error("{field} is {bytes} bytes long, at most {LONGEST_TEXT_BYTES} are allowed")]
    TooLong {
        /// `who` or `why`.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// The target's orders are counted to the end, by a record that no gateway wrote.
    #[error("the highest possible counter is taken by a record in the log of {holder}: order it there")]
    CountedOut {
        /// Whose log has that record.
        holder: ClusterId,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absurd_counter_is_none_and_the_last_one_has_no_next() {
        assert_eq!((OrderCounter::new(0), OrderCounter::new(1 << 63), OrderCounter::new(u64::MAX)), (None, None, None));
        let last = OrderCounter::new((1 << 63) - 1).unwrap();
        assert_eq!(last.next(), last);
        assert_eq!(OrderCounter::FIRST.next().get(), 2);
    }

    #[test]
    fn a_counter_that_is_not_accepted_is_passed_and_does_not_use_up_the_numbers() {
        let counter = |number| OrderCounter::new(number).unwrap();
        let above = |accepted: Option<u64>, others: &[u64]| {
            OrderCounter::above(accepted.map(counter), others.iter().copied().map(counter)).map(OrderCounter::get)
        };
        assert_eq!(above(None, &[]), None);
        assert_eq!(above(Some(4), &[7, 2]), Some(7));
        assert_eq!(above(Some(9), &[7]), Some(9));
        assert_eq!(above(Some(4), &[HIGHEST_COUNTER, 6]), Some(6));
        assert_eq!(above(None, &[HIGHEST_COUNTER]), None);
    }
}
