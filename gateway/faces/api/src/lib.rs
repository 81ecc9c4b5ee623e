//! Answers about the federated registry, over HTTP and gRPC.
//!
//! Input: requests and the view. Output: services, config items and clusters, each fact with its origin, freshness, reason
//! and age. Faces parse into [`ask`], read through [`select`] and only then encode; watchers of the same share bytes
//! through a [`Hub`](federation_view::hub::Hub) for each encoding. Invariant: nothing here changes the view, and nothing waits for the engine.

mod ask;
mod asker;
mod cookie;
pub mod grpc;
pub mod http;
mod known_peer;
mod listing;
mod select;
pub mod serve;
mod state;
mod versions;

pub use self::state::{ApiState, GatewayIdentity, PageRules};

#[cfg(test)]
mod tests;
