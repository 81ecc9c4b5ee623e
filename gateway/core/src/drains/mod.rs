//! Which drains are in force, and what this process writes and prunes of its own cluster's (rule R24).
//!
//! Of all clusters' orders for a target the highest (counter, cluster) is in force: [`IntentTable`] says which, and what it means for a
//! service. [`writer`] keeps an order until it is read back; [`prune`] says which may leave the log.

pub(crate) mod prune;
mod table;
pub(crate) mod writer;

pub use table::{DrainInForce, IntentTable, OrderSettled, RefusedOrder, TakenOrder};
