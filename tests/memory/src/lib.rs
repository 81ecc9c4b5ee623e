//! What the benches of many instances have in common.

pub mod shape;
