//! Domain and decisions of the federation gateway: pure, so that a test or a simulation drives exactly what production runs.
//!
//! Nothing here waits, locks, logs, reads a clock, draws a random number or opens a socket. Time enters as [`time::Mono`]
//! and leaves as a deadline; adapters turn effects into actions.

pub mod cause;
pub mod comparison;
pub mod config_item;
pub mod drains;
mod escape;
pub mod federation;
pub mod freshness;
pub mod guard;
pub mod host;
pub mod id;
pub mod input;
pub mod instance;
pub mod intents;
pub mod lease;
pub mod local;
pub mod locality;
pub mod log;
pub mod namespaces;
pub mod orders;
pub mod pattern;
pub mod percent;
pub mod publish;
pub mod pulse;
pub mod reason;
pub mod route;
pub mod routing;
pub mod search;
pub mod seed;
#[cfg(feature = "serde")]
mod serial;
pub mod service;
pub mod time;
pub mod what_if;
