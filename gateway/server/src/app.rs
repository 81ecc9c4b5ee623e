//! Puts a gateway together: the one place where adapters meet, and where tasks are begun and their ends are given a meaning.
//!
//! Fatal tasks are the engine, the watch of the local registry, the keeper of the policy, the embedded registry and the servers: a
//! gateway without one of them would misroute, so the process ends. The adapter of Kafka restarts by itself and is shown.

mod assembly;
pub mod stand_in;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use federation_core::federation::OriginSnapshot;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api;
use crate::config::Config;
use crate::engine::Engine;
use crate::kafka;
use crate::nacos;
use crate::policy;
use crate::ports::News;
use crate::registry;
use crate::snapshot_file;
use crate::unmatched::UnmatchedNames;

pub use crate::demo; // For the command line.
pub use assembly::LogTopics;

/// How long an orderly stop waits for the last records to leave.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);

/// A gateway that is put together and bound to its addresses, not running yet.
pub struct Gateway {
    engine: Engine,
    inbox: mpsc::Receiver<News>,
    snapshots: mpsc::Receiver<Vec<OriginSnapshot>>,
    data_dir: std::path::PathBuf,
    kafka: kafka::KafkaTasks,
    flusher: kafka::produce::Flusher,
    nacos: nacos::NacosTasks,
    policy: policy::PolicyKeeper,
    elsewhere: UnmatchedNames,
    registry: Option<registry::EmbeddedRegistry>,
    listeners: api::serve::Listeners,
    api: api::ApiState,
}

/// Runs a gateway from its configuration until `stop`, then stops it in order.
///
/// # Errors
/// What keeps it from starting (an address in use, a property that Kafka's client refuses), or what ended a fatal task.
pub async fn serve(config: Config, stop: CancellationToken) -> anyhow::Result<()> {
    let gateway = Gateway::assemble(config, LogTopics::Managed).await?;
    tracing::info!(http = %gateway.http(), grpc = %gateway.grpc(), "gateway listens");
    gateway.run(stop).await
}

impl Gateway {
    /// Where its HTTP API listens.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.listeners.http_address()
    }

    /// Where its gRPC API listens.
    #[must_use]
    pub fn grpc(&self) -> SocketAddr {
        self.listeners.grpc_address()
    }

    /// Runs until `stop`, then stops in order: unready, answers drained, the local watch, a last word in the log, the log.
    ///
    /// # Errors
    /// What ended a fatal task.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let parts = Parts::begin(self, &stop);
        parts.run(stop).await
    }
}

/// The running tasks, in the groups that end one after the other.
struct Parts {
    /// Servers, the local watch and the keeper of the policy: fatal, told to stop first.
    outer: JoinSet<anyhow::Result<()>>,
    /// The engine: fatal, told to stop when the outer ones have ended.
    engine: JoinSet<()>,
    engine_stop: CancellationToken,
    /// The log and the snapshots: told to stop last.
    inner: JoinSet<()>,
    inner_stop: CancellationToken,
    flusher: kafka::produce::Flusher,
}

impl Parts {
    fn begin(gateway: Gateway, stop: &CancellationToken) -> Self {
        let (engine_stop, inner_stop) = (CancellationToken::new(), CancellationToken::new());
        let mut outer = JoinSet::new();
        let (listeners, api, token) = (gateway.listeners, gateway.api, stop.clone());
        outer.spawn(async move { api::serve::run(listeners, api, token).await.context("the servers ended") });
        let (nacos, token) = (gateway.nacos, stop.clone());
        outer.spawn(async move { nacos.run(token).await.context("the watch of the local registry ended") });
        let (policy, token) = (gateway.policy, stop.clone());
        outer.spawn(async move { policy.run(token).await.context("the keeper of the policy ended") });
        let (elsewhere, token) = (gateway.elsewhere, stop.clone());
        outer.spawn(async move {
            elsewhere.run(token).await;
            Ok(())
        });
        if let Some(registry) = gateway.registry {
            let token = engine_stop.clone(); // Until the last record has left: its clients are those of the gateway.
            outer.spawn(async move { registry.run(token).await.context("the embedded registry ended") });
        }
        let mut engine = JoinSet::new();
        engine.spawn(gateway.engine.run(gateway.inbox, engine_stop.clone()));
        let mut inner = JoinSet::new();
        inner.spawn(keep_snapshots(gateway.data_dir, gateway.snapshots));
        let (kafka, token) = (gateway.kafka, inner_stop.clone());
        inner.spawn(async move {
            if let Err(error) = kafka.run(token).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the log is neither read nor written any more"
                );
            }
        });
        Self { outer, engine, engine_stop, inner, inner_stop, flusher: gateway.flusher }
    }

    async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let outcome = tokio::select! {
            biased; // A part that ends because it was told to has not ended by itself.
            () = stop.cancelled() => Ok(()),
            ended = self.outer.join_next() => fatal(ended),
            _ = self.engine.join_next() => Err(anyhow::anyhow!("the engine ended")),
        };
        stop.cancel();
        self.engine_stop.cancel();
        while let Some(ended) = self.outer.join_next().await {
            if let Err(error) = ended.unwrap_or_else(|panicked| Err(panicked.into())) {
                tracing::warn!(%error, "a part ended badly while stopping");
            }
        }
        while self.engine.join_next().await.is_some() {}
        if let Err(error) = self.flusher.flush(FLUSH_WITHIN).await {
            tracing::warn!(%error, "not every record left before the end");
        }
        self.inner_stop.cancel();
        while self.inner.join_next().await.is_some() {}
        outcome
    }
}

fn fatal(ended: Option<Result<anyhow::Result<()>, tokio::task::JoinError>>) -> anyhow::Result<()> {
    match ended {
        Some(Ok(Ok(()))) | None => anyhow::bail!("a part of the gateway ended by itself"),
        Some(Ok(Err(error))) => Err(error),
        Some(Err(panicked)) => Err(panicked.into()),
    }
}

/// Writes each snapshot that the engine hands over. Ends when the engine has.
async fn keep_snapshots(data_dir: std::path::PathBuf, mut snapshots: mpsc::Receiver<Vec<OriginSnapshot>>) {
    let data_dir = Arc::new(data_dir);
    while let Some(origins) = snapshots.recv().await {
        let directory = Arc::clone(&data_dir);
        let written = tokio::task::spawn_blocking(move || snapshot_file::write(&directory, &origins)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = &error as &dyn std::error::Error, "snapshot not written"),
            Err(error) => tracing::error!(%error, "writing the snapshot panicked"),
        }
    }
}
