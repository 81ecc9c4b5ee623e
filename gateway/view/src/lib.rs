//! What every face answers from. One writer, the engine, puts immutable values in place; any number of readers take them.
//!
//! - [`view`] the values: a service, a config item, the clusters, the drains in force, the gateway itself.
//! - [`watchdog`] says in all answers when the engine does not turn any more.
//! - [`metrics`] what is counted of them when somebody scrapes.

pub mod metrics;
pub mod view;
pub mod watchdog;
