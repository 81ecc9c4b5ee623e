//! The owner of the state machine, on a thread of its own, and the file that it keeps what it knows in.

pub mod engine;
pub mod recording;
pub mod snapshot_file;
pub mod snapshot_stream;

pub use self::engine::{Engine, EngineEnded, EngineThread, TurnPace};
