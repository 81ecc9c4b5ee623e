//! Sockets for strangers: everything that a peer can make a server hold or wait for has a bound here, for all listeners alike.
//!
//! Input: a [`ListenerFace`] that answers requests, for HTTP/1 and HTTP/2. Output: connections that are accepted, watched, counted and ended;
//! requests that are received whole, within a size and a time; answers that are read or thrown away. It knows nothing of what is served.
//!
//! - [`limits`]: all numbers; [`descriptors`]: how many sockets the process may have;
//! - [`ListenerGate`]: what the listeners of a process share, and whom they tell; [`Listener`]: accept, watch, drain;
//! - [`ListenerTls`] and its [`CertificateKeeper`], `handshake`: TLS, and certificates that change meanwhile;
//! - `connection`, `socket`: what a connection does, and for how long it has not;
//! - `web`: what browsers are made to ask by pages of others;
//! - `purse`: bytes in flight; `receive`: bodies of requests; `answer`: answers that nobody may read; `exchange`: all of it in order.
//!
//! Invariants: what a peer holds is bounded per connection, per listener and in all, whatever it sends and whether or not it reads;
//! nothing waits for a peer without a deadline, but a watch that can still be written to; a failing system is waited for, never spun on.

mod answer;
mod certificate;
mod connection;
pub mod descriptors;
mod exchange;
mod gate;
mod handshake;
pub mod limits;
mod listener;
mod purse;
mod receive;
mod refusal;
mod routed;
mod socket;
mod tls;
mod web;

pub use answer::{AnswerBody, AnswerShape};
pub use certificate::{InvalidCertificate, PeerCertificate};
pub use connection::PeerConnection;
pub use exchange::{ExchangeRule, ListenerFace, Service};
pub use gate::{ListenerCapacity, ListenerGate, ListenerObserver, OutwardPlace, TurnedAway};
pub use limits::{ListenerLimits, PeerPatience};
pub use listener::Listener;
pub use receive::{MessageStream, RequestBody, WantedBody};
pub use refusal::ListenerRefusal;
pub use routed::RoutedService;
pub use tls::{
    CertificateKeeper, CertificateObserver, CertificateState, ClientCertificates, ListenerTls, TlsFiles, TlsProblem,
};
pub use web::{HostPattern, NoHostPattern, ServedHosts};
