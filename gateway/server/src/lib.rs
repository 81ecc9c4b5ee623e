//! The federation gateway: adapters around the pure core, and the one thread that owns its state.

pub mod app;
pub mod cli;
pub mod config;
pub mod scenario;
pub mod telemetry;
pub mod unmatched;
