//! What every face answers from. One writer, the engine, puts immutable values in place; any number of readers take them.
//!
//! - [`view`] the values: a service, a config item, the clusters, the drains in force, the gateway itself.
//! - [`resolve`] plans for callers: which inputs, how long one is kept. [`what_if`] what would happen if.
//! - [`hub`] tells all who watch of changes: each encoded once.
//! - [`watchdog`] says in all answers when the engine does not turn any more.
//! - [`chronicle`] writes down in the history what the engine knows nothing of.
//! - [`metrics`] what is counted of them when somebody scrapes.

pub mod chronicle;
pub mod hub;
pub mod metrics;
pub mod resolve;
pub mod view;
pub mod watchdog;
pub mod what_if;
