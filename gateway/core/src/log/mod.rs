//! The federation log as a pure data structure: keys, records, and the fold of a partition.

pub mod control;
pub mod key;
pub mod origin;
pub mod partition;
pub mod record;
