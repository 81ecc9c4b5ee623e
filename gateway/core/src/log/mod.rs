//! The federation log as a pure data structure: keys, records, and the fold of a partition.

pub mod belonging;
pub mod bounds;
pub mod census;
pub mod control;
pub mod cursor;
pub mod ends;
pub mod entries;
pub mod intents;
pub mod key;
pub mod late;
pub mod order;
pub mod origin;
pub mod partition;
pub mod proof;
pub mod reading;
pub mod record;
