//! The protocol of Nacos 2.x and 3.x: its messages, a client, and the admin calls over HTTP.
//!
//! - [`payload`]: the gRPC envelope, the generated service stubs, and typed JSON messages in and out of it.
//! - [`message`]: every message as a struct, for both directions.
//! - [`reading`]: what clients write to a server, by the rules of Nacos, over whichever door.
//! - [`names`], [`web`]: what is refused of names, and the HTTP API in the words of each version.
//! - [`cluster`]: how to reach one Nacos cluster, and the login that all its callers share.
//! - [`client`]: a client over gRPC that keeps itself connected.
//! - [`admin`]: calls over HTTP for what gRPC does not show.
//!
//! Nothing here knows what the registry is used for.

pub mod admin;
pub mod client;
pub mod cluster;
mod codec;
pub mod message;
pub mod names;
mod paging;
pub mod payload;
pub mod reading;
pub mod server;
pub mod web;
