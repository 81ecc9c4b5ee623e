//! The embedded registry: what a cluster without a Nacos runs in its place.
//!
//! - [`instance`], [`naming`], [`configs`], [`polls`], [`store`]: what Nacos keeps, with its rules, as plain data;
//! - [`check`]: what Nacos refuses, for both doors;
//! - [`embedded`]: the registry as it runs, over gRPC for SDKs and over HTTP for scripts and admin calls.
//!
//! State is in memory and goes with the process, but for config items if they have a folder: `disk` has its form, `keeping` the way of a
//! change to it.

mod access;
mod backend;
pub mod check;
pub mod configs;
mod disk;
pub mod embedded;
mod http;
pub mod instance;
mod keeping;
pub mod naming;
mod owner;
mod pace;
pub mod polls;
pub mod store;
mod wire;

pub use access::RegistryCredentials;
pub use disk::kept_items;
pub use embedded::{EmbeddedError, EmbeddedOptions, EmbeddedRegistry};
