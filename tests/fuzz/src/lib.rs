//! Bytes that nobody chose, for everything that reads bytes of others.
//!
//! Input: a kept [`corpus`], and [mutations](mutate) of it from a seed. Each of the [`targets`] is one decoder with what has to hold of it,
//! which is more than that it does not panic: what was read and written is read the same again, a refusal names what is wrong, and memory is
//! bounded by the input's length. The [`driver`] keeps what was answered in a new way, as food for further mutations, and makes what fails
//! small. Invariant: the same seed, number of inputs and corpus try the same inputs.
//!
//! `make test` tries a fixed number of inputs of a fixed seed; `make fuzz` goes on for as long as it is told, from another seed each time.

pub mod corpus;
pub mod driver;
pub mod measure;
pub mod mutate;
pub mod targets;
