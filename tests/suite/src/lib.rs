//! Tests of the whole: see `tests/`, one target each. Here is what several of them have in common.

mod events;
mod shared;
mod side;

pub use events::read_service_events;
pub use shared::SharedStage;
pub use side::Side;
