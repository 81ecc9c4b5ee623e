//! Adapters around the federation core, and the gateway they make up.

pub mod config;
pub mod registry;
