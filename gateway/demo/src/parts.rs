//! What the demo makes its federation of. The program gives the real thing; this crate knows only what it does with it.

use std::net::SocketAddr;
use std::path::PathBuf;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

/// A part that runs until it is told to stop, or fails.
pub type RunningPart = BoxFuture<'static, anyhow::Result<()>>;

/// Makes parts.
pub trait DemoParts: Send + Sync {
    /// A broker without topics, on a port of its own choice.
    ///
    /// # Errors
    /// No port or thread is to be had.
    fn broker(&self) -> anyhow::Result<Box<dyn DemoBroker>>;

    /// A registry in the place of a Nacos. It listens on `http` and, for gRPC, 1000 ports above; config items are kept in `config_folder`.
    ///
    /// # Errors
    /// A port is taken.
    fn registry(
        &self,
        http: SocketAddr,
        config_folder: PathBuf,
        stop: CancellationToken,
    ) -> BoxFuture<'_, anyhow::Result<RunningPart>>;

    /// A gateway with this configuration, whose topics exist.
    ///
    /// # Errors
    /// The configuration has mistakes, or a port is taken.
    fn gateway(&self, configuration: String, stop: CancellationToken) -> BoxFuture<'_, anyhow::Result<RunningPart>>;
}

/// A broker in the place of Kafka.
pub trait DemoBroker: Send {
    /// `host:port` for clients.
    fn address(&self) -> &str;

    /// Creates the topics of the gateway with this configuration, once, before any gateway runs.
    ///
    /// # Errors
    /// They exist.
    fn create_topics(&self, configuration: &str) -> anyhow::Result<()>;

    /// Breaks all connections and takes no new ones. Records stay.
    ///
    /// # Errors
    /// The broker has ended.
    fn go_down(&self) -> anyhow::Result<()>;

    /// Takes connections again.
    ///
    /// # Errors
    /// The broker has ended.
    fn come_up(&self) -> anyhow::Result<()>;
}
