//! What every answer needs: the view, who answers, and whether the gateway is stopping.

use std::sync::Arc;

use federation_core::id::{ClusterId, FederationId};
use federation_core::service::Revision;
use federation_core::time::{Millis, Mono, WallMs};
use tokio_util::sync::CancellationToken;

use super::hub::Hub;
use super::plan_hub::PlanHub;
use crate::engine::EngineCommands;
use crate::metrics::{ApiMetrics, Metrics};
use crate::resolve::Resolver;
use crate::view::ViewReader;

/// The reason that a stopping gateway gives for not being ready.
const STOPPING: &str = "the gateway is stopping";

/// Who answers.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The federation it belongs to.
    pub federation: FederationId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// Name of this process.
    pub replica: String,
    /// Version of the program.
    pub version: &'static str,
}

/// Shared by all faces; cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<Inner>);

struct Inner {
    identity: Identity,
    view: ViewReader,
    commands: EngineCommands,
    metrics: Arc<Metrics>,
    hub: Hub,
    plan_hub: PlanHub,
    resolver: Resolver,
    first_version: u64,
    started: Mono,
    draining: CancellationToken,
}

impl ApiState {
    /// Answers from `view` and from the plans of `resolver`, and passes on `commands`. `started` is the wall time of the
    /// process's start: versions that are shown begin there, so that a client that comes back after a restart is never
    /// told that nothing has changed.
    #[must_use]
    pub fn new(
        identity: Identity,
        view: ViewReader,
        commands: EngineCommands,
        resolver: Resolver,
        metrics: Arc<Metrics>,
        started: WallMs,
    ) -> Self {
        let (hub, plan_hub) = (Hub::new(view.clone(), metrics.api.clone()), PlanHub::default());
        // 1,024 versions for each millisecond of life: more than an engine makes, and below 2^53 (JSON) until 2248.
        let first_version = started.0 << 10;
        let (started, draining) = (view.now(), CancellationToken::new());
        Self(Arc::new(Inner {
            identity,
            view,
            commands,
            metrics,
            hub,
            plan_hub,
            resolver,
            first_version,
            started,
            draining,
        }))
    }

    /// Who answers.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// What answers are made from.
    #[must_use]
    pub fn view(&self) -> &ViewReader {
        &self.0.view
    }

    /// What can be ordered.
    #[must_use]
    pub fn commands(&self) -> &EngineCommands {
        &self.0.commands
    }

    /// All metrics of the process.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn api_metrics(&self) -> &ApiMetrics {
        &self.0.metrics.api
    }

    pub(crate) fn resolver(&self) -> &Resolver {
        &self.0.resolver
    }

    pub(crate) fn plan_hub(&self) -> &PlanHub {
        &self.0.plan_hub
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// The version that answers show for a revision of the view.
    pub(crate) fn shown_version(&self, revision: Revision) -> u64 {
        self.0.first_version.saturating_add(revision.0)
    }

    /// The revision that was shown as `version`, if this process showed it.
    pub(crate) fn revision_shown_as(&self, version: u64) -> Option<Revision> {
        version.checked_sub(self.0.first_version).map(Revision)
    }

    /// Since this state was made.
    pub(crate) fn uptime(&self) -> Millis {
        self.0.view.now().since(self.0.started)
    }

    /// Whether answers can be relied on, and why not or in which way only.
    pub(crate) fn readiness(&self) -> (bool, Vec<String>) {
        let gateway = self.0.view.gateway();
        let mut reasons = gateway.reasons.clone();
        if self.0.draining.is_cancelled() {
            reasons.push(STOPPING.to_owned());
        }
        (gateway.ready && !self.0.draining.is_cancelled(), reasons)
    }

    /// Cancelled once the gateway stops: it is not ready any more, watches end.
    pub(crate) fn draining(&self) -> &CancellationToken {
        &self.0.draining
    }
}
