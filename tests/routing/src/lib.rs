//! Routing, compared with a second implementation that was written from its specification alone and shares no code with
//! the first: scenarios as plain values, the naive arithmetic, and random scenarios.

pub mod naive;
pub mod random;
pub mod scenario;
