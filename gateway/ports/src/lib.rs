//! Where the parts of the gateway meet: adapters, the engine, and the faces know this crate, and through it never each other.
//!
//! - [`inbox`] news for the engine, and the traits by which it acts: the log, the local Nacos.
//! - [`commands`] what people order, each with its answer.
//! - [`orders`] what people ordered elsewhere.
//! - [`clock`] the clocks of this process. [`trace`] one trace through all of it.
//! - [`metrics`] the catalogue of all that is counted. [`trouble`] the board of all that is wrong. [`facts`] what parts tell of themselves.
//! - [`front_door`] the front door, as other faces meet it.
//! - [`seal_keys`] the keys of sealed contents.
//! - [`fault`] faults on purpose, for tests of a real process.

pub mod clock;
pub mod commands;
pub mod facts;
pub mod fault;
pub mod front_door;
pub mod inbox;
pub mod metrics;
pub mod orders;
pub mod seal_keys;
pub mod trace;
pub mod trouble;
