//! The federation log in Kafka.

pub mod intern;
pub mod wire;
