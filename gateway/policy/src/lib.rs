//! The policy of a gateway: what services are planned by, as an operator wrote it.
//!
//! Input: a [`document`], from a file or from a config item of the local Nacos. Output: the policies in force ([`store`]), with their
//! source and version. Invariants: what is in force was accepted whole; a wrong document changes nothing but what is said of it; only
//! Nacos's own word that there is no item takes the item's document out of force.

pub mod block;
pub mod document;
pub mod exclusions;
pub mod fields;
mod file;
mod keeper;
mod kept;
mod ledger;
pub mod sources;
mod store;

pub use self::keeper::{KeeperOptions, KeeperPanicked, PolicyKeeper};
pub use self::store::{InForce, PolicyReader, PolicyRefusal, PolicySource, PolicyStanding, PolicyWord};
