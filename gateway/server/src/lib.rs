//! The federation gateway: adapters around the pure core, and the one thread that owns its state.

pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod demo;
pub mod engine;
pub mod exclusions;
pub mod fault;
#[cfg(test)]
mod hostile;
pub mod kafka;
pub mod metrics;
pub mod nacos;
pub mod policy;
pub mod ports;
pub mod registry;
pub mod resolve;
pub mod scenario;
pub mod snapshot_file;
pub mod telemetry;
pub mod trouble;
pub mod unmatched;
pub mod view;
mod what_if;
