//! What the local Nacos is known to say, and the removals that wait for proof.
//!
//! Listed, empty, failed and refused are different things from the first line: nothing here removes on silence.

pub mod config;
pub mod held;
pub mod mark;
pub mod observation;
pub mod service;
