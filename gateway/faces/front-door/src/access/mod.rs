//! Who may do what: the local Nacos says so, for reads that are answered here as well.
//!
//! Registrations and config items reach the local Nacos with their caller's own headers, which judges them itself. Lookups are answered from
//! the view: whether a caller may read a service is asked with a small call of the same kind and the caller's headers, and the answer counts
//! for a while.
//!
//! ```text
//!            asked ──yes──▶ allowed ──the token's life ends──▶ asked again ──no answer──▶ stale, for an hour at most
//!              └────no────▶ refused, half a minute             (yes, no: as the first time)
//! ```
//!
//! Invariants: what is not known to be allowed is not read. Nobody is answered with an empty list in place of a refusal. Each question is under
//! way once, however many wait for it. What a caller shows is kept as a digest only, and is in no log line.

mod credential;
mod permissions;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use federation_ports::metrics::{FrontDoorMetrics, PermissionResult};
use nacos_protocol::client::{CallError, NacosClient};
use nacos_protocol::cluster::NacosCluster;
use nacos_protocol::message::naming::{ServiceListRequest, ServiceQueryRequest};
use nacos_protocol::message::{Request, Response as _, ResponseOutcome, error_code};
use nacos_protocol::server::{CallingClient, RegistryRefusal, ServiceName};
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;

use self::credential::Credential;
use self::permissions::{Known, PermissionKey, Permissions};
use crate::upstream::{ANSWER_WITHIN, UpstreamCaller, UpstreamConnection, refusal_of, upstream_for};

/// Questions under way at a time. All clients ask at once after a restart, and Nacos answers each within a millisecond or so.
const ASKING: usize = 64;
/// How long a Nacos that gave no answer is not waited for by those who may go on without.
const HOPELESS: Duration = Duration::from_secs(5);

/// Whether the local Nacos is asked who may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessRule {
    /// It judges each caller.
    PassThrough,
    /// Everybody may read: it has no accounts.
    Open,
}

/// See the module.
pub(crate) struct Access {
    asked: Option<Arc<Asked>>,
    metrics: FrontDoorMetrics,
}

/// What there is to run.
pub(crate) struct AccessTasks(Option<UpstreamConnection>);

struct Asked {
    nacos: NacosClient,
    asking: Semaphore,
    /// Locked for single operations, never across an await.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    permissions: Permissions,
    /// Questions under way.
    under_way: HashMap<PermissionKey, Arc<OnceCell<Verdict>>>,
    /// When a question last found no answer.
    unanswered: Option<Instant>,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    Allowed,
    /// It may not, or the question is wrong: as the local Nacos says.
    Refused(RegistryRefusal),
    /// Nobody could say.
    Unanswered,
}

impl Access {
    pub(crate) fn new(rule: AccessRule, cluster: &Arc<NacosCluster>, metrics: FrontDoorMetrics) -> (Self, AccessTasks) {
        if rule == AccessRule::Open {
            return (Self { asked: None, metrics }, AccessTasks(None));
        }
        let (nacos, connection) = upstream_for(cluster, UpstreamCaller::nobody());
        let asked = Asked { nacos, asking: Semaphore::new(ASKING), state: Mutex::default() };
        (Self { asked: Some(Arc::new(asked)), metrics }, AccessTasks(Some(connection)))
    }

    /// May the caller read the service? Answers within [`ANSWER_WITHIN`].
    ///
    /// # Errors
    /// The local Nacos refuses it, or cannot be asked and has not said before.
    pub(crate) async fn may_read(
        &self,
        caller: &CallingClient<'_>,
        service: &ServiceName,
    ) -> Result<(), RegistryRefusal> {
        let request = || ServiceQueryRequest {
            namespace: service.namespace.clone(),
            service_name: service.service.clone(),
            group_name: service.group.clone(),
            ..ServiceQueryRequest::default()
        };
        let names = [&*service.namespace, &*service.group, &*service.service];
        self.may(caller.headers(), "read", names, request).await
    }

    /// May the caller list the services of a group?
    ///
    /// # Errors
    /// As [`Access::may_read`].
    pub(crate) async fn may_list(
        &self,
        caller: &CallingClient<'_>,
        namespace: &str,
        group: &str,
    ) -> Result<(), RegistryRefusal> {
        let request = || ServiceListRequest {
            namespace: namespace.to_owned(),
            group_name: group.to_owned(),
            page_no: 1,
            page_size: 1,
            ..ServiceListRequest::default()
        };
        self.may(caller.headers(), "list", [namespace, group, ""], request).await
    }

    async fn may<R: Request>(
        &self,
        headers: &HashMap<String, String>,
        what: &'static str,
        names: [&str; 3],
        request: impl FnOnce() -> R,
    ) -> Result<(), RegistryRefusal> {
        let Some(asked) = &self.asked else { return Ok(()) };
        let (result, answer) = asked.judge(headers, what, names, request).await;
        self.metrics.permissions(result).inc();
        answer
    }
}

impl AccessTasks {
    /// Keeps connected to the local Nacos until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        match self.0 {
            Some(connection) => connection.run(stop, |_| {}).await,
            None => stop.cancelled().await,
        }
    }
}

impl Asked {
    async fn judge<R: Request>(
        &self,
        headers: &HashMap<String, String>,
        what: &'static str,
        names: [&str; 3],
        request: impl FnOnce() -> R,
    ) -> (PermissionResult, Result<(), RegistryRefusal>) {
        let credential = Credential::of(headers);
        let Credential::Lasting { digest, expires } = credential else {
            return told(self.ask(request(), headers, Patience::Full).await, None);
        };
        let (key, now) = (PermissionKey::new(&digest, what, names), Instant::now());
        let known = self.state().permissions.look(&key, now);
        let patience = match &known {
            Known::Allowed => return (PermissionResult::Allowed, Ok(())),
            Known::Refused(refusal) => return (PermissionResult::Refused, Err(refusal.clone())),
            Known::Stale if self.is_hopeless(now) => return (PermissionResult::Stale, Ok(())),
            Known::Stale => Patience::ForAnswer,
            Known::Nothing => Patience::Full,
        };
        let flight = Flight::join(self, key);
        let life = expires.map(|expires| expires.saturating_sub(unix_time()));
        let judging = async {
            let verdict = self.ask(request(), headers, patience).await;
            self.state().note(key, &verdict, life);
            verdict
        };
        let verdict = flight.cell.get_or_init(|| judging).await.clone();
        told(verdict, Some(known))
    }

    /// Whether waiting for Nacos makes no sense now.
    fn is_hopeless(&self, now: Instant) -> bool {
        let unanswered = self.state().unanswered;
        self.nacos.connected_to().is_none() || unanswered.is_some_and(|at| now.duration_since(at) < HOPELESS)
    }

    async fn ask<R: Request>(&self, request: R, headers: &HashMap<String, String>, patience: Patience) -> Verdict {
        let asking = async {
            if patience == Patience::Full && !self.nacos.connected_within(ANSWER_WITHIN).await {
                return Err(CallError::NotConnected);
            }
            let _turn = self.asking.acquire().await.expect("nobody closes it");
            self.nacos.relay(request, headers.clone()).await
        };
        let answer = tokio::time::timeout(ANSWER_WITHIN, asking).await;
        let answer = answer.unwrap_or(Err(CallError::Timeout { after: ANSWER_WITHIN }));
        match answer.as_ref().map(|answer| answer.outcome()) {
            Ok(ResponseOutcome::Ok) => Verdict::Allowed,
            Ok(ResponseOutcome::Failed { error_code: error_code::NOT_READY | error_code::OVER_THRESHOLD, .. }) => {
                Verdict::Unanswered
            }
            Ok(ResponseOutcome::Failed { error_code, message }) => {
                Verdict::Refused(RegistryRefusal::new(error_code, message))
            }
            Err(error @ (CallError::Refused { .. } | CallError::Server { .. })) if error.is_refusal() => {
                Verdict::Refused(refusal_of(error.clone()))
            }
            Err(error) => {
                tracing::debug!(%error, "the nacos does not say whether a client may read");
                Verdict::Unanswered
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a question waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// For a connection too.
    Full,
    /// For an answer over a connection that stands.
    ForAnswer,
}

impl State {
    fn note(&mut self, key: PermissionKey, verdict: &Verdict, life: Option<Duration>) {
        let now = Instant::now();
        match verdict {
            Verdict::Allowed => self.permissions.allow(key, now, life),
            // What is wrong with a question is not worth keeping; what a caller may not do is.
            Verdict::Refused(refusal) if refusal.code == error_code::NO_RIGHT => {
                self.permissions.refuse(key, now, refusal.clone());
            }
            Verdict::Refused(_) => {}
            Verdict::Unanswered => self.unanswered = Some(now),
        }
        if *verdict != Verdict::Unanswered {
            self.unanswered = None;
        }
    }
}

/// What is said to a caller, given what was known before.
fn told(verdict: Verdict, known: Option<Known>) -> (PermissionResult, Result<(), RegistryRefusal>) {
    match verdict {
        Verdict::Allowed => (PermissionResult::Allowed, Ok(())),
        Verdict::Refused(refusal) => (PermissionResult::Refused, Err(refusal)),
        Verdict::Unanswered if known == Some(Known::Stale) => (PermissionResult::Stale, Ok(())),
        Verdict::Unanswered => {
            let words = "the local nacos cannot be asked whether this may be read, please try later";
            (PermissionResult::Unanswered, Err(RegistryRefusal::failed(words)))
        }
    }
}

fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

/// A question under way, and one of those who wait for it. The last of them that goes takes it off the list: whoever comes then asks anew.
struct Flight<'a> {
    asked: &'a Asked,
    key: PermissionKey,
    cell: Arc<OnceCell<Verdict>>,
}

impl<'a> Flight<'a> {
    fn join(asked: &'a Asked, key: PermissionKey) -> Self {
        let cell = Arc::clone(asked.state().under_way.entry(key).or_default());
        Self { asked, key, cell }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut state = self.asked.state();
        let is_this = state.under_way.get(&self.key).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        // One is the list's own, one is ours. A question that has its answer takes nobody in any more.
        if is_this && (self.cell.initialized() || Arc::strong_count(&self.cell) <= 2) {
            state.under_way.remove(&self.key);
        }
    }
}
