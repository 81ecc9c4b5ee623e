//! The federation gateway: adapters around the pure core, and the one thread that owns its state.

pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod demo;
pub mod engine;
pub mod exclusions;
#[cfg(test)]
mod hostile;
pub mod kafka;
pub mod nacos;
pub mod policy;
pub mod registry;
pub mod resolve;
pub mod scenario;
pub mod snapshot_file;
pub mod telemetry;
pub mod unmatched;
mod what_if;
