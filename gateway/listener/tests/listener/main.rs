//! A listener on loopback, and peers that do to it what strangers do. Times are short; what is awaited is a condition, never a time.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod authority;
mod bodies;
mod connections;
mod deadlines;
mod floods;
mod footprint;
mod stage;
mod tls;
mod web;
