//! A listener on loopback, and peers that do to it what strangers do. Times are short; what is awaited is a condition, never a time.

mod bodies;
mod connections;
mod deadlines;
mod floods;
mod footprint;
mod stage;
