//! Puts a gateway together: the one place where adapters meet, and where tasks are begun and their ends are given a meaning.
//!
//! Fatal tasks are the engine and its watchdog, the watch of the local registry, the keepers of the policy and of accounts, the embedded registry and the
//! servers: a gateway without one of them would misroute, so the process ends. The adapter of Kafka restarts by itself and is shown.
//!
//! A stop is orderly and has a deadline, whatever its parts do: what has not ended by then is named, and left behind.

mod access;
mod assembly;
mod certificates;
mod data_folders;
pub mod demo_parts;
mod front_door;
mod group;
mod heard;
mod logins;
mod nacos_settings;
pub(crate) mod order_keys;
mod reception;
mod secrets;
mod snapshots;
pub mod stand_in;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::config::GatewayConfig;
use crate::unmatched::UnmatchedNames;
use federation_api::serve::RoutesBeside;
use federation_engine::engine::{Engine, EngineEnded, EngineThread};
use federation_ports::fault::InjectedFaults;
use federation_ports::inbox::EngineNews;
use federation_view::watchdog::EngineWatchdog;

use self::certificates::CertificateKeepers;
use self::group::Group;
use self::secrets::SecretKeeper;
use self::snapshots::SnapshotKeeper;

pub use assembly::LogTopics;

/// How long an orderly stop waits for the last records to leave.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);
/// How long an orderly stop takes at most. Answers under way may take [`federation_api::serve::DRAIN`] of it and the last records [`FLUSH_WITHIN`];
/// all else ends within milliseconds, or is stuck. Supervisors kill later: Kubernetes after 30 s, systemd after 90 s.
pub const STOP_WITHIN: Duration = Duration::from_secs(10);
/// What is left of it for the log's adapter and the snapshots once the records have left.
const LAST_OF_ALL: Duration = Duration::from_millis(500);

/// How long the end of Kafka's clients is waited for at the very last: none of their threads should run into the end of the process.
const CLIENTS_WITHIN: Duration = Duration::from_secs(1);

/// A gateway that is put together and bound to its addresses, not running yet.
pub struct RunningGateway {
    engine: Engine,
    watchdog: EngineWatchdog,
    inbox: mpsc::Receiver<EngineNews>,
    snapshots: SnapshotKeeper,
    kafka: federation_kafka::KafkaTasks,
    flusher: federation_kafka::produce::ProducerFlusher,
    nacos: federation_nacos::NacosTasks,
    policy: federation_policy::PolicyKeeper,
    elsewhere: UnmatchedNames,
    registry: Option<federation_registry::EmbeddedRegistry>,
    front_door: Option<federation_front_door::FrontDoor>,
    listeners: federation_api::serve::ApiListeners,
    api: access::GuardedApi,
    keepers: FileKeepers,
}

/// Who goes on reading files that may change.
struct FileKeepers {
    certificates: CertificateKeepers,
    secrets: SecretKeeper,
}

/// Runs a gateway from its configuration until `stop`, then stops it in order. Files that may change while it runs are read again at once
/// whenever `reload` changes.
///
/// # Errors
/// What keeps it from starting (an address in use, a property that Kafka's client refuses, a [`ClaimRefused`](federation_storage::ClaimRefused)
/// of its data directory), or what ended a fatal task.
pub async fn serve(
    config: GatewayConfig,
    faults: InjectedFaults,
    reload: watch::Receiver<()>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let encrypted = config.listen.security.tls().is_some();
    let mut gateway = RunningGateway::assemble(config, LogTopics::Managed).await?;
    gateway.engine.fault = faults.engine_stuck;
    gateway.keepers.certificates.reload_on(reload.clone());
    gateway.keepers.secrets.reload_on(reload);
    tracing::info!(http = %gateway.http(), grpc = %gateway.grpc(), tls = encrypted, "gateway listens");
    gateway.run(stop).await
}

impl RunningGateway {
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

    /// Runs until `stop`, then stops in order: unready, answers drained, the local watch, a last word in the log, the log. That takes
    /// [`STOP_WITHIN`] at most; what is stuck then goes on until the process ends.
    ///
    /// # Errors
    /// What ended a fatal task, or what has not ended in time.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let parts = Parts::begin(self, &stop)?;
        parts.run(stop).await
    }
}

/// What is served where the API is.
fn beside_the_api(has_pages: bool) -> RoutesBeside {
    let beside = RoutesBeside::default();
    #[cfg(feature = "dashboard")]
    if has_pages {
        return RoutesBeside { pages: federation_dashboard::page, ..beside };
    }
    let _ = has_pages; // The program may be built without them.
    beside
}

/// The running tasks, in the groups that end one after the other.
struct Parts {
    /// Servers, the local watch and the keeper of the policy: fatal, told to stop first.
    outer: Group,
    /// The engine: fatal, told to stop when the outer ones have ended.
    engine: EngineThread,
    engine_stop: CancellationToken,
    /// The log and the snapshots: told to stop last.
    inner: Group,
    inner_stop: CancellationToken,
    flusher: federation_kafka::produce::ProducerFlusher,
    /// Tell the engine's thread and the log's adapter to end also where nobody waits for it, since the future was dropped.
    _ends: [DropGuard; 2],
}

impl Parts {
    fn begin(gateway: RunningGateway, stop: &CancellationToken) -> anyhow::Result<Self> {
        let (engine_stop, inner_stop) = (CancellationToken::new(), CancellationToken::new());
        let engine =
            gateway.engine.start(gateway.inbox, engine_stop.clone()).context("the engine cannot be started")?;
        let mut outer = Group::default();
        let (chronicle, token) = (gateway.api.state.chronicle(), stop.clone());
        outer.spawn("the chronicle", async move {
            chronicle.run(token).await;
            Ok(())
        });
        let (listeners, api, token) = (gateway.listeners, gateway.api.state, stop.clone());
        let beside = beside_the_api(gateway.api.has_pages);
        outer.spawn("the servers", async move {
            federation_api::serve::run_beside(listeners, api, beside, token).await.context("the servers ended")
        });
        let (nacos, token) = (gateway.nacos, stop.clone());
        outer.spawn("the watch of the local registry", async move {
            nacos.run(token).await.context("the watch of the local registry ended")
        });
        let (policy, token) = (gateway.policy, stop.clone());
        outer.spawn("the keeper of the policy", async move {
            policy.run(token).await.context("the keeper of the policy ended")
        });
        let (elsewhere, token) = (gateway.elsewhere, stop.clone());
        outer.spawn("the look for names that match nothing", async move {
            elsewhere.run(token).await;
            Ok(())
        });
        let (certificates, token) = (gateway.keepers.certificates, stop.clone());
        outer.spawn("the keeper of certificates", async move { certificates.run(token).await });
        let (secrets, token) = (gateway.keepers.secrets, stop.clone());
        outer.spawn("the keeper of passwords", async move { secrets.run(token).await });
        if let Some(door) = gateway.front_door {
            let token = stop.clone();
            outer.spawn("the front door", async move { door.run(token).await.context("the front door ended") });
        }
        let (access, token) = (gateway.api.tasks, stop.clone());
        outer.spawn("the keeper of accounts", async move { access.run(token).await });
        if let Some(registry) = gateway.registry {
            let token = engine_stop.clone(); // Until the last record has left: its clients are those of the gateway.
            outer.spawn("the embedded registry", async move {
                registry.run(token).await.context("the embedded registry ended")
            });
        }
        let (watchdog, token) = (gateway.watchdog, stop.clone());
        outer.spawn("the engine's watchdog", async move {
            watchdog.run(token).await;
            Ok(())
        });
        let inner = begin_inner(gateway.snapshots, gateway.kafka, inner_stop.clone());
        let ends = [engine_stop.clone().drop_guard(), inner_stop.clone().drop_guard()];
        Ok(Self { outer, engine, engine_stop, inner, inner_stop, flusher: gateway.flusher, _ends: ends })
    }

    async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut engine_runs = true;
        let outcome = tokio::select! {
            biased; // A part that ends because it was told to has not ended by itself.
            () = stop.cancelled() => Ok(()),
            (_, ended) = self.outer.ended() => ended.and_then(|()| anyhow::bail!("a part of the gateway ended by itself")),
            ended = self.engine.ended() => {
                engine_runs = false;
                Err(anyhow::anyhow!(if ended == EngineEnded::Panicked { "the engine panicked" } else { "the engine ended" }))
            }
        };
        stop.cancel();
        let left = self.stop_in_order(engine_runs).await;
        self.flusher.end(CLIENTS_WITHIN).await;
        if left.is_empty() {
            return outcome;
        }
        let (left, within) = (left.join(", "), STOP_WITHIN.as_secs());
        tracing::error!(left, within_s = within, "the gateway did not stop in time");
        outcome.and(Err(anyhow::anyhow!("not everything ended within {within} s of the stop: {left}")))
    }

    /// Returns what has not ended in time. Each phase leaves those after it their time: records that were handed over before the
    /// engine got stuck leave all the same.
    async fn stop_in_order(&mut self, engine_runs: bool) -> Vec<&'static str> {
        let deadline = Instant::now() + STOP_WITHIN;
        let engine_deadline = deadline - FLUSH_WITHIN - LAST_OF_ALL;
        self.engine_stop.cancel();
        let mut left = self.outer.end_before(engine_deadline).await;
        if engine_runs && tokio::time::timeout_at(engine_deadline, self.engine.ended()).await.is_err() {
            left.push("the engine");
        }
        match tokio::time::timeout_at(deadline - LAST_OF_ALL, self.flusher.flush(FLUSH_WITHIN)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "not every record left before the end"),
            Err(_) => left.push("the last records"),
        }
        self.inner_stop.cancel();
        left.extend(self.inner.end_before(deadline).await);
        left
    }
}

/// The log and the snapshots.
fn begin_inner(snapshots: SnapshotKeeper, kafka: federation_kafka::KafkaTasks, token: CancellationToken) -> Group {
    let mut inner = Group::default();
    inner.spawn("the snapshots", async move {
        snapshots.run().await;
        Ok(())
    });
    inner.spawn("the log's adapter", async move {
        if let Err(error) = kafka.run(token).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the log is neither read nor written any more");
        }
        Ok(())
    });
    inner
}
