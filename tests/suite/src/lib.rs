//! Tests of the whole: see `tests/`, one target each. Here is what several of them have in common.

mod shared;
mod side;

pub use shared::SharedStage;
pub use side::Side;
