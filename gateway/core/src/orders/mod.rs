//! Orders of all kinds, drains and decisions about holds: whose count here, and what is heard of those that others took.

mod heard;
pub mod rules;

pub use heard::{HeardOrder, HeardWhat};
