//! The policy of a gateway: what services are planned by, as an operator wrote it.
//!
//! Input: a document, from a file or from a config item of the local Nacos. Output: the policies in force, with their source and version.
//! Invariant: what is in force was accepted whole; a wrong document changes nothing but what is said of it.

pub(crate) mod block;
pub mod document;
pub(crate) mod fields;
pub mod shown;
