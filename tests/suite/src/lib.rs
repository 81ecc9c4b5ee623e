//! Tests of the whole: see `tests/`, one target each. Here is what several of them have in common.

mod events;
mod listed;
mod network;
mod shared;
mod side;

pub use events::read_service_events;
pub use listed::{ListedTest, TestOutcome, run_listed};
pub use network::TestNetwork;
pub use shared::SharedStage;
pub use side::Side;
