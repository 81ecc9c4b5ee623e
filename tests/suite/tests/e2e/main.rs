//! Real gateways between real parts.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod registry;
