//! Everything of the federation that is bytes: the records of the log, and the snapshots of what a gateway last knew. Nothing here waits,
//! and nothing here decides what a record means.
//!
//! - [`record`] keys, values, headers and digests of records.
//! - [`snapshot`] a whole origin, many times over, with a checksum.
//! - [`seal`] contents of config items that only who has a key can read.
//! - [`signature`] whether an order's record was made by its cluster.
//! - [`interner`] texts that come again and again, kept once.

mod config;
pub mod interner;
pub mod record;
pub mod seal;
pub mod signature;
pub mod snapshot;
