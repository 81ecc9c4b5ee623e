//! The embedded registry: what a cluster without a Nacos runs in its place.
//!
//! - [`instance`], [`naming`], [`configs`]: what Nacos keeps, with its rules, as plain data.

pub mod configs;
pub mod instance;
pub mod naming;
