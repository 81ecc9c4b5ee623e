//! The owner of all state of a gateway: `step(now, Input) -> Effects`.

pub mod input;
