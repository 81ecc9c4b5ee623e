//! The connections to the local Nacos over which config items are read, written and listened to: one for each group of callers, made when the
//! group first asks for something, ended a while after its last use.
//!
//! ```text
//!   callers of one group ──▶ line ──▶ one connection to Nacos, which acts for them
//!                             │  ◀── bells ── told to those of them who listen
//! ```
//!
//! Bounds: a group is what a connection of a client, or a client's address over HTTP, said of itself, so there are no more lines than clients, and
//! [`MOST_LINES`] at most. How many connect at a time is bounded for all connections to one Nacos together.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bounded_listener::{ListenerGate, OutwardPlace};
use federation_ports::metrics::FrontDoorMetrics;
use nacos_protocol::client::{CallerHeaders, ClientCall, ClientEvent, NacosClient};
use nacos_protocol::cluster::NacosCluster;
use nacos_protocol::message::config::ConfigFuzzyWatchRequest;
use nacos_protocol::message::error_code;
use nacos_protocol::message::naming::watch_type;
use nacos_protocol::server::{ConfigName, ConnectionId, RegistryRefusal};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::caller::{CallerGroup, ConfigCaller};
use super::fuzzy::{FuzzyPatterns, PatternOrder};
use super::listening::{ListenBudget, Listening, MOST_LISTENS, Ring};
use super::told::ListenersTold;
use crate::upstream::{NO_PLACE, UpstreamCaller, UpstreamConnection, answered, upstream_for};

/// As many as a gateway has clients.
const MOST_LINES: usize = 10_000;
/// Lines that begin and whose task is not running yet; it is taken up at once. Who needs one waits while it is full.
const BEGINNING: usize = 256;
/// Clients that come back within this time find their connection to Nacos as it was.
const UNUSED_FOR: Duration = Duration::from_secs(60);
/// How often it is looked for what is not used any more.
const SWEEP: Duration = Duration::from_secs(10);
/// Time for the first connection of a group, from its first call on. Clients wait for 3 s.
const FIRST_CONNECT: Duration = Duration::from_millis(2500);
/// Time for a connection to be made anew, since it was lost: beyond that, what is known here is answered.
const NEXT_CONNECT: Duration = Duration::from_millis(500);

/// One of the connections.
pub(super) struct ConfigLine {
    pub(super) group: Arc<CallerGroup>,
    pub(super) client: NacosClient,
    /// What callers showed last when Nacos accepted it: the client listens anew with it.
    pub(super) headers: CallerHeaders,
    told: ListenersTold,
    /// Until when a call waits for a connection that is not there: once Nacos is away, calls are answered from what is known at once.
    patient_until: Mutex<Instant>, // Locked for one copy.
    /// Locked for the work on one call's items, never across an await. Within it, the client is told what to compare, so that it compares what is
    /// noted here.
    listening: Mutex<Listening>,
    fuzzy: Mutex<FuzzyPatterns>, // Locked for one operation, never across an await.
    /// Rung when Nacos is to be asked something for the fuzzy watches.
    fuzzy_due: Notify,
}

/// A line in use: it is not ended meanwhile.
pub(super) struct LineUse {
    line: Arc<ConfigLine>,
    register: Arc<Mutex<Register>>,
}

/// All lines. Cheap to clone.
#[derive(Clone)]
pub(super) struct ConfigLines {
    upstream: Arc<NacosCluster>,
    gate: ListenerGate,
    told: ListenersTold,
    budget: ListenBudget,
    metrics: FrontDoorMetrics,
    register: Arc<Mutex<Register>>, // Locked for single steps, never across an await.
    begin: mpsc::Sender<BeginningLine>,
}

/// A line whose task is to be run.
pub(super) struct BeginningLine {
    line: Arc<ConfigLine>,
    connection: UpstreamConnection,
    /// That of its descriptor.
    outward: OutwardPlace,
}

#[derive(Default)]
struct Register {
    lines: HashMap<Arc<CallerGroup>, KnownLine>,
    /// The groups under which a connection listens: one, but for clients that choose variants by call.
    by_connection: HashMap<ConnectionId, HashSet<Arc<CallerGroup>>>,
}

struct KnownLine {
    line: Arc<ConfigLine>,
    uses: usize,
    unused_since: Instant,
}

impl std::ops::Deref for LineUse {
    type Target = ConfigLine;

    fn deref(&self) -> &ConfigLine {
        &self.line
    }
}

impl Drop for LineUse {
    fn drop(&mut self) {
        if let Some(known) = lock(&self.register).lines.get_mut(&self.line.group) {
            known.uses -= 1;
            known.unused_since = Instant::now();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ConfigLine {
    /// Waits for a connection that is being made, not for long; whether there is one.
    pub(super) async fn is_connected(&self) -> bool {
        let until = *lock(&self.patient_until);
        self.client.connected_within(until.saturating_duration_since(Instant::now())).await
    }

    pub(super) fn listening(&self) -> MutexGuard<'_, Listening> {
        lock(&self.listening)
    }

    pub(super) fn fuzzy(&self) -> MutexGuard<'_, FuzzyPatterns> {
        lock(&self.fuzzy)
    }

    /// Passes on what is asked for a fuzzy watch.
    pub(super) async fn watch_pattern(
        &self,
        pattern: &str,
        watch_type: &str,
        (received, initializing): (Vec<String>, bool),
        headers: HashMap<String, String>,
    ) -> Result<(), RegistryRefusal> {
        let request = ConfigFuzzyWatchRequest {
            group_key_pattern: pattern.to_owned(),
            received_group_keys: received,
            watch_type: watch_type.to_owned(),
            initializing,
            ..ConfigFuzzyWatchRequest::default()
        };
        answered(self.client.relay(request, headers).await).map(drop)
    }

    /// Asks what is due. What fails is asked for again with the next connection, and by the clients themselves every few minutes.
    async fn order_patterns(&self) {
        let orders = self.fuzzy().take_orders();
        for order in orders {
            let headers = self.headers.shown();
            let asked = match order {
                PatternOrder::End(pattern) => {
                    self.watch_pattern(&pattern, watch_type::CANCEL, (Vec::new(), false), headers).await
                }
                PatternOrder::Restate(pattern, known) => {
                    self.watch_pattern(&pattern, watch_type::WATCH, (known, false), headers).await
                }
            };
            if let Err(error) = asked {
                tracing::debug!(%error, "a fuzzy watch on config items was not begun anew, or not ended");
            }
        }
    }

    /// Does something with who listens, and what follows from it: the client compares what is noted, and listeners are told.
    pub(super) fn settle(&self, change: impl FnOnce(&mut Listening) -> super::listening::Settled) {
        let ring = {
            let mut listening = self.listening();
            let settled = change(&mut listening);
            for (name, md5) in settled.compare {
                self.client.listen_config(&as_client_name(&name), &md5);
            }
            settled.ring
        };
        self.ring(ring);
    }

    fn ring(&self, ring: Vec<Ring>) {
        self.told.ring(ring);
    }

    fn hear(&self, event: ClientEvent) {
        match event {
            ClientEvent::ConfigChanged { config } => {
                let name = ConfigName { namespace: config.namespace, group: config.group, data_id: config.data_id };
                let ring = self.listening().rang(&name);
                self.ring(ring);
            }
            ClientEvent::Connected { .. } => {
                let ring = self.listening().connected();
                self.ring(ring);
                if self.fuzzy().connected() {
                    self.fuzzy_due.notify_one();
                }
            }
            ClientEvent::ConfigWatchState(batch) => {
                let notice = self.fuzzy().state(&batch);
                self.told.notify(notice);
            }
            ClientEvent::ConfigWatchChange(change) => {
                let notice = self.fuzzy().change(&change);
                self.told.notify(Some(notice));
            }
            ClientEvent::Disconnected { .. } => {
                *lock(&self.patient_until) = Instant::now() + NEXT_CONNECT;
                self.listening().disconnected();
            }
            ClientEvent::CallRefused { call: ClientCall::Listen, subject: namespace, .. } => {
                let ring = self.listening().refused(&namespace);
                self.ring(ring);
            }
            _ => {}
        }
    }

    fn sweep(&self) {
        let mut listening = self.listening();
        for name in listening.take_unheard(Instant::now()) {
            self.client.unlisten_config(&as_client_name(&name));
        }
    }
}

impl ConfigLines {
    pub(super) fn new(
        upstream: Arc<NacosCluster>,
        gate: ListenerGate,
        told: ListenersTold,
        metrics: FrontDoorMetrics,
    ) -> (Self, mpsc::Receiver<BeginningLine>) {
        let (begin, beginning) = mpsc::channel(BEGINNING);
        let budget = ListenBudget::new(MOST_LISTENS);
        (Self { upstream, gate, told, budget, metrics, register: Arc::default(), begin }, beginning)
    }

    /// The line of the caller's group.
    ///
    /// # Errors
    /// There are too many, or the gateway stops.
    pub(super) async fn of(&self, caller: &ConfigCaller) -> Result<LineUse, RegistryRefusal> {
        let group = caller.group();
        if let Some(found) = self.used(&mut lock(&self.register), &group) {
            return Ok(found);
        }
        let stopping = |_| RegistryRefusal::new(error_code::NOT_READY, "the gateway is stopping");
        let place = self.begin.reserve().await.map_err(stopping)?;
        let mut register = lock(&self.register);
        if let Some(found) = self.used(&mut register, &group) {
            return Ok(found); // Another call of the group was faster.
        }
        if register.lines.len() >= MOST_LINES {
            let words = "too many different clients ask for config items at this gateway, please try later";
            return Err(RegistryRefusal::new(error_code::OVER_THRESHOLD, words));
        }
        let Some(outward) = self.gate.outward() else {
            return Err(RegistryRefusal::new(error_code::OVER_THRESHOLD, NO_PLACE));
        };
        let headers = CallerHeaders::default();
        let (client, connection) = upstream_for(&self.upstream, UpstreamCaller::of(caller.peer(), &headers));
        let group = Arc::new(group);
        let line = Arc::new(ConfigLine {
            group: Arc::clone(&group),
            client,
            headers,
            told: self.told.clone(),
            patient_until: Mutex::new(Instant::now() + FIRST_CONNECT),
            listening: Mutex::new(Listening::new(self.budget.clone())),
            fuzzy: Mutex::default(),
            fuzzy_due: Notify::new(),
        });
        let known = KnownLine { line: Arc::clone(&line), uses: 1, unused_since: Instant::now() };
        register.lines.insert(group, known);
        self.metrics.config_connections.inc();
        place.send(BeginningLine { line: Arc::clone(&line), connection, outward });
        Ok(LineUse { line, register: Arc::clone(&self.register) })
    }

    fn used(&self, register: &mut Register, group: &CallerGroup) -> Option<LineUse> {
        let known = register.lines.get_mut(group)?;
        known.uses += 1;
        Some(LineUse { line: Arc::clone(&known.line), register: Arc::clone(&self.register) })
    }

    /// Notes that the connection listens over this line, for [`ConfigLines::of_connection`].
    pub(super) fn note(&self, connection: &ConnectionId, line: &LineUse) {
        lock(&self.register).by_connection.entry(connection.clone()).or_default().insert(Arc::clone(&line.group));
    }

    /// The lines over which the connection listens.
    pub(super) fn of_connection(&self, connection: &ConnectionId) -> Vec<Arc<ConfigLine>> {
        let register = lock(&self.register);
        let groups = register.by_connection.get(connection).into_iter().flatten();
        groups.filter_map(|group| Some(Arc::clone(&register.lines.get(group)?.line))).collect()
    }

    /// The connection is gone.
    pub(super) fn forget(&self, connection: &ConnectionId) {
        for line in self.of_connection(connection) {
            line.listening().forget(connection, Instant::now());
            if line.fuzzy().forget(connection) {
                line.fuzzy_due.notify_one();
            }
        }
        lock(&self.register).by_connection.remove(connection);
    }

    /// Ends the line if nobody uses it, and has not for a while.
    fn retire(&self, line: &ConfigLine) -> bool {
        let mut register = lock(&self.register);
        let Some(known) = register.lines.get(&line.group) else { return true };
        let is_old = known.uses == 0 && known.unused_since.elapsed() >= UNUSED_FOR;
        let unused = is_old && line.listening().is_unheard() && line.fuzzy().is_empty();
        if unused {
            register.lines.remove(&line.group);
            self.metrics.config_connections.dec();
        }
        unused
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        lock(&self.register).lines.len()
    }
}

impl BeginningLine {
    /// Keeps it connected until `stop`, or until it is not used any more.
    pub(super) async fn run(self, lines: ConfigLines, stop: CancellationToken) {
        let Self { line, connection, outward: _outward } = self;
        let stop = stop.child_token();
        let sweeping = async {
            let mut sweep = tokio::time::interval(SWEEP);
            loop {
                // All arms are cancel-safe: they only wait.
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = line.fuzzy_due.notified() => {
                        line.order_patterns().await;
                        continue;
                    }
                    _ = sweep.tick() => {}
                }
                line.sweep();
                if lines.retire(&line) {
                    return stop.cancel();
                }
            }
        };
        tokio::join!(connection.run(stop.clone(), |event| line.hear(event)), sweeping);
    }
}

pub(super) fn as_client_name(name: &ConfigName) -> nacos_protocol::client::ConfigName {
    nacos_protocol::client::ConfigName::new(&*name.namespace, &*name.group, &*name.data_id)
}
