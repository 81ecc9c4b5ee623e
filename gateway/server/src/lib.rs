//! The federation gateway: adapters around the pure core, and the one task that owns its state.

pub mod api;
pub mod cli;
pub mod config;
pub mod kafka;
pub mod metrics;
pub mod ports;
pub mod registry;
pub mod telemetry;
pub mod view;
