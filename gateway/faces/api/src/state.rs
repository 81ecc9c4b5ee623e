//! What every answer needs: the view, who answers, and whether the gateway is stopping.

use std::sync::{Arc, OnceLock};

use federation_access::audit::AuditLog;
use federation_access::authority::AccessAuthority;
use federation_access::logins::LoginDesk;
use federation_core::drains::IntentTable;
use federation_core::id::{ClusterId, FederationId, ServiceKey};
use federation_core::reason::GatewayReason;
use federation_core::routing::Percent;
use federation_core::service::Revision;
use federation_core::time::{Millis, Mono, WallMs};
use federation_core::what_if::{Hypothesis, SupposedDrain};
use tokio_util::sync::CancellationToken;

use super::versions::ShownVersions;
use federation_policy::PolicyReader;
use federation_policy::exclusions::Exclusions;
use federation_ports::commands::EngineCommands;
use federation_ports::front_door::FrontDoorControl;
use federation_ports::metrics::{ApiMetrics, Metrics, WatchFace};
use federation_ports::trouble::{Trouble, TroubleBoard};
use federation_view::chronicle::OutsideChronicle;
use federation_view::hub::{Hub, HubMetrics, Watched};
use federation_view::resolve::Resolver;
use federation_view::view::ViewReader;
use federation_view::what_if::{self, DrainEffects, QuestionLanes, QuestionUnanswered, ServiceSurvey, TooManyOrders};

/// Who answers.
#[derive(Clone, Debug)]
pub struct GatewayIdentity {
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
    identity: GatewayIdentity,
    view: ViewReader,
    commands: EngineCommands,
    policy: PolicyReader,
    metrics: Arc<Metrics>,
    troubles: TroubleBoard,
    exclusions: Exclusions,
    resolver: Arc<Resolver>,
    versions: ShownVersions,
    started: Mono,
    draining: CancellationToken,
    started_wall: WallMs,
    lanes: QuestionLanes,
    front_door: OnceLock<Arc<dyn FrontDoorControl>>,
    access: OnceLock<AccessAuthority>,
    audit: OnceLock<AuditLog>,
    logins: OnceLock<LoginDesk>,
    pages: OnceLock<PageRules>,
}

/// What web pages may do here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageRules {
    /// They may only look: what acts is refused to them, whoever asks. Programs are not concerned.
    pub read_only: bool,
}

impl ApiState {
    /// Answers from `view` and from the plans of `resolver`, tells what stands on `troubles`, and passes on `commands`. `started` is the wall time of the
    /// process's start: versions that are shown begin there, so that a client that comes back after a restart is never
    /// told that nothing has changed.
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "each is one part that the assembly has, named once")]
    pub fn new(
        identity: GatewayIdentity,
        view: ViewReader,
        commands: EngineCommands,
        policy: PolicyReader,
        resolver: Resolver,
        metrics: Arc<Metrics>,
        troubles: TroubleBoard,
        exclusions: Exclusions,
        started: WallMs,
    ) -> Self {
        let (resolver, versions) = (Arc::new(resolver), ShownVersions::since(started));
        let (now, draining) = (view.now(), CancellationToken::new());
        let (started_wall, lanes) = (started, QuestionLanes::default());
        Self(Arc::new(Inner {
            identity,
            view,
            policy,
            commands,
            metrics,
            troubles,
            exclusions,
            resolver,
            versions,
            started: now,
            draining,
            started_wall,
            lanes,
            front_door: OnceLock::new(),
            access: OnceLock::new(),
            audit: OnceLock::new(),
            logins: OnceLock::new(),
            pages: OnceLock::new(),
        }))
    }

    /// Has the gateway's front door told of, and ordered about; the first one counts.
    pub fn attach_front_door(&self, door: Arc<dyn FrontDoorControl>) {
        let _ = self.0.front_door.set(door);
    }

    /// Has callers known by these accounts; without, nobody has one. The first ones count, before anything is served.
    pub fn attach_access(&self, authority: AccessAuthority) {
        let _ = self.0.access.set(authority);
    }

    /// Has orders recorded there; without, in memory alone. The first one counts, before anything is served.
    pub fn attach_audit(&self, audit: AuditLog) {
        let _ = self.0.audit.set(audit);
    }

    /// Lets users log in; without, nobody does. The first one counts, before anything is served.
    pub fn attach_logins(&self, desk: LoginDesk) {
        let _ = self.0.logins.set(desk);
    }

    /// Has pages bound by these rules; without, they may do what whoever looks at them may. The first ones count, before anything is served.
    pub fn attach_pages(&self, rules: PageRules) {
        let _ = self.0.pages.set(rules);
    }

    pub(crate) fn pages(&self) -> PageRules {
        self.0.pages.get().copied().unwrap_or_default()
    }

    pub(crate) fn logins(&self) -> Option<&LoginDesk> {
        self.0.logins.get()
    }

    pub(crate) fn audit(&self) -> &AuditLog {
        self.0.audit.get_or_init(|| AuditLog::new(None, self.0.troubles.clone()).0)
    }

    pub(crate) fn access(&self) -> &AccessAuthority {
        self.0.access.get_or_init(AccessAuthority::default)
    }

    pub(crate) fn front_door(&self) -> Option<&dyn FrontDoorControl> {
        self.0.front_door.get().map(|door| &**door)
    }

    /// Who answers.
    #[must_use]
    pub fn identity(&self) -> &GatewayIdentity {
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

    /// What services are planned by.
    #[must_use]
    pub fn policy(&self) -> &PolicyReader {
        &self.0.policy
    }

    /// All metrics of the process.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn api_metrics(&self) -> &ApiMetrics {
        &self.0.metrics.api
    }

    /// Who plans.
    #[must_use]
    pub fn resolver(&self) -> &Arc<Resolver> {
        &self.0.resolver
    }

    /// A hub that is counted as `face`'s, and ends when the gateway stops.
    pub(crate) fn hub<W: Watched>(&self, watched: W, face: WatchFace) -> Hub<W> {
        let metrics = self.api_metrics();
        let metrics = HubMetrics { watchers: metrics.watchers(face), encodings: metrics.watch_encodings.clone() };
        Hub::new(watched, metrics, self.0.draining.clone())
    }

    /// Which versions answers show.
    pub(crate) fn versions(&self) -> ShownVersions {
        self.0.versions
    }

    /// The version that answers show for a revision of the view.
    pub(crate) fn shown_version(&self, revision: Revision) -> u64 {
        self.0.versions.shown(revision)
    }

    /// Since this state was made.
    pub(crate) fn uptime(&self) -> Millis {
        self.0.view.now().since(self.0.started)
    }

    /// Time by the wall clock at the process's start and the monotonic clock since: it never jumps.
    pub(crate) fn wall_now(&self) -> WallMs {
        WallMs(self.0.started_wall.0.saturating_add(self.uptime().0))
    }

    /// The wall time of a moment of this process, by the same clock.
    pub(crate) fn wall_at(&self, at: Mono) -> WallMs {
        let (since, before) = (at.since(self.0.started).0, self.0.started.since(at).0);
        WallMs(self.0.started_wall.0.saturating_add(since).saturating_sub(before))
    }

    /// What becomes of all services under a hypothesis; the `limit` most serious. Takes up to seconds.
    ///
    /// # Errors
    /// Too many such questions wait, or it takes too long.
    pub(crate) async fn survey(
        &self,
        hypothesis: Hypothesis,
        limit: usize,
    ) -> Result<ServiceSurvey, QuestionUnanswered> {
        let turn = self.0.lanes.question().await?;
        what_if::survey(&self.moment(), hypothesis, limit, turn).await
    }

    /// The drains in force, and what each does to services, in the eyes of this cluster. Takes up to seconds if there are any.
    ///
    /// # Errors
    /// As [`ApiState::survey`].
    pub(crate) async fn drain_effects(&self) -> Result<(Arc<IntentTable>, DrainEffects), QuestionUnanswered> {
        let none = |table: &IntentTable| table.iter().all(|drain| drain.intent.percent == Percent::default());
        let table = self.0.view.intents();
        if none(&table) {
            return Ok((table, DrainEffects::new()));
        }
        let turn = self.0.lanes.question().await?;
        let moment = self.moment();
        let effects = what_if::effects(&moment, &self.0.identity.cluster, turn).await?;
        Ok((moment.intents(), effects))
    }

    /// The services that a drain would leave without a healthy instance, for somebody who orders it: never behind questions.
    ///
    /// # Errors
    /// Too many orders at once.
    pub(crate) async fn left_without(&self, drain: SupposedDrain) -> Result<Vec<ServiceKey>, TooManyOrders> {
        let turn = self.0.lanes.order().await?;
        Ok(what_if::left_without(&self.moment(), drain, turn).await)
    }

    fn moment(&self) -> Arc<what_if::SurveyMoment> {
        Arc::new(what_if::SurveyMoment::of(&self.0.view, &self.0.resolver))
    }

    #[cfg(test)]
    pub(crate) fn lanes(&self) -> &QuestionLanes {
        &self.0.lanes
    }

    /// Whether answers can be relied on, and why not or in which way only.
    pub(crate) fn readiness(&self) -> (bool, Vec<GatewayReason>) {
        let gateway = self.0.view.gateway();
        let mut reasons = gateway.reasons.clone();
        reasons.extend(self.troubles().into_iter().map(|it| GatewayReason::Trouble {
            kind: it.kind.as_str(),
            about: it.about.into(),
            text: it.text.into(),
        }));
        if self.0.draining.is_cancelled() {
            reasons.push(GatewayReason::Stopping);
        }
        (self.0.view.is_ready() && !self.0.draining.is_cancelled(), reasons)
    }

    /// What is wrong with the gateway now; read from the board itself, so that it is true also while the engine is stuck.
    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        self.0.troubles.all()
    }

    /// Clusters of which nothing counts, by an operator's order.
    pub(crate) fn exclusions(&self) -> &Exclusions {
        &self.0.exclusions
    }

    /// What writes down in the view's history what happens beside the engine; run once.
    #[must_use]
    pub fn chronicle(&self) -> OutsideChronicle {
        OutsideChronicle::new(self.0.view.clone(), self.0.policy.clone(), self.0.exclusions.clone())
    }

    /// Cancelled once the gateway stops: it is not ready any more, watches end.
    pub(crate) fn draining(&self) -> &CancellationToken {
        &self.0.draining
    }
}
