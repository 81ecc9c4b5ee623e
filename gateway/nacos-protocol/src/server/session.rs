//! One client's session: from the set-up on its stream until the stream, the connection or the client's patience ends.
//!
//! Input: the client's messages, pushes, time. Output: payloads on the stream. A session that ends takes its registration in the backend along.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::ServerOptions;
use super::backend::{ConnectedClient, RegistryBackend};
use super::connection::Identity;
use super::outbox::{Outbox, PushBody, PushKey};
use super::sessions::ClientSessions;
use crate::message::RESULT_OK;
use crate::message::internal::{ClientDetectionRequest, ConnectionSetupRequest, SetupAckRequest, ability};
use crate::payload::Payload;

/// Batches of payloads handed to the transport and not yet written; more wait in the outbox, where newer ones replace them and all clients
/// share the bytes. Each payload here is a copy, of megabytes for a large service, and a client that does not read holds all of them.
pub(super) const OUTBOUND_QUEUE: usize = 2;
/// A batch is full from so many bytes, or payloads, on: what waits at once is handed over at once, and not with a wake-up for each.
const BATCH_BYTES: usize = 32 * 1024;
const BATCH_PAYLOADS: usize = 64;

/// What the transport takes at once.
pub(super) type Batch = Vec<Payload>;

/// A stream that a client opened.
pub(super) struct Opened {
    pub(super) identity: Arc<Identity>,
    pub(super) inbound: Streaming<Payload>,
    pub(super) outbound: mpsc::Sender<Batch>,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The client closed its stream or its connection.
    ByClient,
    /// The server stops.
    Stopping,
    /// No set-up came, the connection has a session already, or no clients are taken.
    NoSetup,
    /// The client did not answer a probe.
    Silent,
    /// The client reads nothing of what is sent.
    Blocked,
}

/// The part of a session that others reach.
#[derive(Debug)]
pub(super) struct Session {
    peer: ConnectedClient,
    /// Locked for one operation on it, never across an await.
    outbox: Mutex<Outbox>,
    queued: Notify,
    started: Instant,
    /// Nanoseconds from `started` to the last sign of life. An answer may come within a microsecond of its probe.
    active_ns: AtomicU64,
}

impl Session {
    pub(super) fn peer(&self) -> &ConnectedClient {
        &self.peer
    }

    /// Notes a sign of life.
    pub(super) fn touch(&self) {
        let ns = u64::try_from(self.started.elapsed().as_nanos()).expect("a process runs less than 500 years");
        self.active_ns.fetch_max(ns, Ordering::Relaxed);
    }

    pub(super) fn push(&self, key: PushKey, body: PushBody) {
        self.with_outbox(|outbox| outbox.put(key, body));
        self.queued.notify_one();
    }

    /// Runs a session from the opening of its stream to its end.
    pub(super) async fn run<B: RegistryBackend>(
        mut opened: Opened,
        backend: &B,
        sessions: &ClientSessions,
        options: &ServerOptions,
        stop: &CancellationToken,
    ) {
        let identity = opened.identity.clone();
        let setup = tokio::select! {
            () = stop.cancelled() => None,
            () = identity.closed() => None,
            setup = tokio::time::timeout(options.setup_within, opened.inbound.message()) => decode_setup(setup.ok()),
        };
        let may_begin = backend.takes_clients() && sessions.get(&identity.id).is_none();
        let Some((setup, client_ip)) = setup.filter(|_| may_begin) else {
            tracing::debug!(connection = %identity.id, ended = ?Ended::NoSetup, "nacos session refused");
            return;
        };
        let session = Arc::new(Self::new(&identity, &setup, client_ip));
        backend.connected(&session.peer).await;
        if !sessions.add(session.clone()) {
            return; // Two streams of one connection were set up at the same time; the other one has it.
        }
        tracing::debug!(connection = %identity.id, client = %setup.client_version, "nacos session began");
        if setup.ability_table.is_some() {
            session.push(PushKey::SetupAck, PushBody::of(&abilities(backend)));
        }
        let ended = session.live(&mut opened, options, stop).await;
        sessions.remove(&identity.id);
        if matches!(ended, Ended::Silent | Ended::Blocked) {
            identity.cut();
        }
        backend.disconnected(&identity.id).await;
        tracing::debug!(connection = %identity.id, ?ended, "nacos session ended");
    }

    fn new(identity: &Identity, setup: &ConnectionSetupRequest, client_ip: String) -> Self {
        let peer = ConnectedClient {
            connection: identity.id.clone(),
            remote: identity.remote,
            client_ip,
            client_version: setup.client_version.clone(),
            tenant: setup.tenant.clone(),
            labels: setup.labels.clone(),
        };
        Self {
            peer,
            outbox: Mutex::default(),
            queued: Notify::new(),
            started: Instant::now(),
            active_ns: AtomicU64::new(0),
        }
    }

    async fn live(&self, opened: &mut Opened, options: &ServerOptions, stop: &CancellationToken) -> Ended {
        let Opened { identity, inbound, outbound } = opened;
        let mut patience = Patience::new(Instant::now());
        loop {
            let has_queued = self.with_outbox(|outbox| outbox.has_queued());
            patience.note_queue(has_queued, Instant::now());
            let deadline = self.deadline(&patience, options);
            // Every arm is cancel-safe: a message stays in the stream, a permit in the channel, a notification in its cell.
            tokio::select! {
                () = stop.cancelled() => return Ended::Stopping,
                () = identity.closed() => return Ended::ByClient,
                message = inbound.message() => match message {
                    Ok(Some(payload)) => self.hear(&payload),
                    Ok(None) | Err(_) => return Ended::ByClient,
                },
                permit = outbound.reserve(), if has_queued => match permit {
                    Ok(permit) => {
                        patience.note_written();
                        permit.send(self.next_batch(options));
                    }
                    Err(_) => return Ended::ByClient,
                },
                () = self.queued.notified() => {}
                () = tokio::time::sleep_until(deadline) => {
                    if let Some(ended) = self.pass_time(&mut patience, options) {
                        return ended;
                    }
                }
            }
        }
    }

    /// What waits, as much as goes together; at least one payload if there is one.
    fn next_batch(&self, options: &ServerOptions) -> Batch {
        let (now, mut batch, mut bytes) = (Instant::now(), Batch::new(), 0);
        self.with_outbox(|outbox| {
            while batch.len() < BATCH_PAYLOADS && bytes < BATCH_BYTES {
                let Some(payload) = outbox.next(now, options.ack_timeout) else { return };
                bytes += payload.json().len();
                batch.push(payload);
            }
        });
        batch
    }

    fn hear(&self, payload: &Payload) {
        self.touch();
        if let Some(answer) = Answer::of(payload) {
            self.with_outbox(|outbox| outbox.acknowledge(&answer));
        }
    }

    /// What is due now: repeats, a probe, or the end.
    fn pass_time(&self, patience: &mut Patience, options: &ServerOptions) -> Option<Ended> {
        let now = Instant::now();
        let repeated = self.with_outbox(|outbox| outbox.repeat_overdue(now));
        if repeated > 0 {
            tracing::debug!(connection = %self.peer.connection, repeated, "nacos pushes were not acknowledged in time");
        }
        match patience.judge(self.active_at(), now, options) {
            Verdict::Wait => None,
            Verdict::Probe => {
                self.push(PushKey::Probe, PushBody::of(&ClientDetectionRequest::default()));
                None
            }
            Verdict::End(ended) => Some(ended),
        }
    }

    fn deadline(&self, patience: &Patience, options: &ServerOptions) -> Instant {
        let judged = patience.deadline(self.active_at(), options);
        self.with_outbox(|outbox| outbox.deadline()).map_or(judged, |repeat| repeat.min(judged))
    }

    fn active_at(&self) -> Instant {
        self.started + Duration::from_nanos(self.active_ns.load(Ordering::Relaxed))
    }

    fn with_outbox<T>(&self, operation: impl FnOnce(&mut Outbox) -> T) -> T {
        operation(&mut self.outbox.lock().expect("no holder of the lock panics"))
    }
}

/// How long a session waits for its client: probes after silence, and the end of one that hangs.
#[derive(Debug)]
struct Patience {
    probed: Option<Instant>,
    /// Since when something is queued that the transport does not take.
    blocked: Option<Instant>,
    started: Instant,
}

enum Verdict {
    Wait,
    Probe,
    End(Ended),
}

impl Patience {
    fn new(started: Instant) -> Self {
        Self { probed: None, blocked: None, started }
    }

    fn note_queue(&mut self, has_queued: bool, now: Instant) {
        self.blocked = has_queued.then(|| self.blocked.unwrap_or(now));
    }

    fn note_written(&mut self) {
        self.blocked = None;
    }

    fn judge(&mut self, active: Instant, now: Instant, options: &ServerOptions) -> Verdict {
        if self.blocked.is_some_and(|since| now >= since + options.blocked_after) {
            return Verdict::End(Ended::Blocked);
        }
        self.probed = self.probed.filter(|probed| active < *probed);
        match self.probed {
            Some(probed) if now >= probed + options.probe_timeout => Verdict::End(Ended::Silent),
            None if now >= active.max(self.started) + options.probe_after => {
                self.probed = Some(now);
                Verdict::Probe
            }
            _ => Verdict::Wait,
        }
    }

    /// When [`Self::judge`] has to be asked next at the latest.
    fn deadline(&self, active: Instant, options: &ServerOptions) -> Instant {
        let silence = match self.probed.filter(|probed| active < *probed) {
            Some(probed) => probed + options.probe_timeout,
            None => active.max(self.started) + options.probe_after,
        };
        self.blocked.map_or(silence, |since| silence.min(since + options.blocked_after))
    }
}

/// The two fields of any answer that say which push it takes. `module` and the rest are not needed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    request_id: Option<String>,
    result_code: Option<i32>,
}

impl Default for Answer {
    fn default() -> Self {
        Self { request_id: None, result_code: Some(RESULT_OK) }
    }
}

impl Answer {
    /// The id of the push that this payload takes; `None` when it takes none, or refuses one: then the push is repeated.
    fn of(payload: &Payload) -> Option<String> {
        let answer: Self = serde_json::from_slice(&payload.json()).ok()?;
        answer.request_id.filter(|_| answer.result_code.unwrap_or(RESULT_OK) == RESULT_OK)
    }
}

/// A set-up, and the address that the client says it has.
fn decode_setup(received: Option<Result<Option<Payload>, Status>>) -> Option<(ConnectionSetupRequest, String)> {
    let payload = received?.ok()??;
    let setup = payload.decode();
    let setup = setup.inspect_err(|error| tracing::debug!(%error, "nacos stream does not begin with a set-up")).ok()?;
    Some((setup, payload.client_ip().to_owned()))
}

fn abilities<B: RegistryBackend>(backend: &B) -> SetupAckRequest {
    let mut table = BTreeMap::from([(ability::PERSISTENT_INSTANCE.to_owned(), true)]);
    if backend.has_fuzzy_watch() {
        table.insert(ability::FUZZY_WATCH.to_owned(), true);
    }
    SetupAckRequest { ability_table: table, ..SetupAckRequest::default() }
}
