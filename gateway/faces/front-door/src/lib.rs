//! The Nacos-protocol front door: an unmodified SDK whose server address is this gateway discovers across all clusters.
//!
//! Input: clients of Nacos 2.x and 3.x over gRPC ([`nacos_protocol::server`]) and of older lines over HTTP. Output: lookups and pushes from the
//! view, planned for each client's place; registrations, config items and logins passed on to the local Nacos.
//!
//! ```text
//!   SDK ──gRPC──▶ door ──lookups, subscriptions──▶ naming ──▶ view, plan()
//!                  │  ───registrations───────────▶ registrations ──▶ local Nacos, a connection for each client that registers
//!                  │  ───config items────────────▶ configs ────────▶ local Nacos, listened to once for all
//!                  │     ──of Dubbo's mapping────▶ mappings ───────▶ the same, and what other clusters export
//!                  └  ───may it?─────────────────▶ access ─────────▶ local Nacos's word, kept for a while
//!   SDK ──HTTP──▶ http ── the same parts; what is not looked up here is passed on as it came
//! ```
//!
//! Invariants: it keeps no registry of its own. What the local Nacos has not acknowledged is never answered with "ok". An empty list is only
//! given where it is known that nothing is there. The local Nacos decides who may do what.

mod access;
mod configs;
mod door;
mod http;
mod looking;
mod mappings;
mod moving;
mod names;
mod naming;
mod place;
mod registrations;
mod running;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod upstream;

pub use access::AccessRule;
pub use moving::FrontDoorHandle;
pub use names::ServiceNames;
pub use naming::rules::{LookupRules, OnlyFrom};
pub use registrations::RegistrationNews;
pub use running::{FrontDoor, FrontDoorError, FrontDoorParts, FrontDoorSettings};
