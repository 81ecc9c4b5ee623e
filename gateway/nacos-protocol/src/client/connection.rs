//! The life of a client: connect, set up, work until the connection is lost, connect again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::context::{Context, OwnerGone};
use super::link::Link;
use super::pump::{End, Pump};
use super::pushes::watch_pushes;
use super::redo::Redo;
use super::wire::{self, ConnectError};
use super::{CallError, ClientEvent, DisconnectCause, with_causes};
use crate::cluster::{LoginError, ServerAddress, login_pause};
use crate::message::internal::{ConnectionSetupRequest, ServerCheckRequest, ability};
use crate::message::naming::ServiceListRequest;
use crate::payload::Payload;

/// Pause before the next attempt, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Once a Nacos is back, whoever waited for it is told within 3 s, in other clusters too; and an attempt in vain costs next to nothing.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A connection that lived this long was a good one: the pauses start over.
const GOOD_LIFE: Duration = Duration::from_secs(10);
/// Checks that may fail in a row: a long pause of a server's collector must not cost its clients all they have registered.
const FAILED_CHECKS: u32 = 2;
/// After connections that pushed nothing, the next one is trusted twice as long each time, but this often doubled at most: a connect costs
/// Nacos and us more than late news, where it does not help.
const MOST_DOUBLINGS: u32 = 5;
/// Time for a server to say what it can do, once it has announced that it will.
const SET_UP_TIMEOUT: Duration = Duration::from_secs(5);
/// Messages to the server that may wait: acks, mostly.
const OUTBOUND_MESSAGES: usize = 64;

/// Why an attempt to connect failed.
#[derive(Debug, thiserror::Error)]
enum EstablishError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the server check failed")]
    Check(#[source] CallError),
    #[error("the set-up was not answered within {SET_UP_TIMEOUT:?}")]
    SetUp,
    #[error("connection lost during the set-up: {0}")]
    Lost(String),
    #[error("the login failed, and the server wants one")]
    Login(#[source] LoginError),
}

impl EstablishError {
    /// Whether the same attempt again will hardly end otherwise: the account is wrong, or the server not able to judge it.
    fn is_refused_login(&self) -> bool {
        matches!(self, Self::Login(error) if error.is_answered())
    }
}

/// A set-up connection and the tasks that keep it.
struct Established {
    link: Arc<Link>,
    tasks: JoinSet<End>,
}

/// The connection of one client. It does nothing until it is run.
pub struct ClientConnection {
    pub(super) context: Context,
}

impl ClientConnection {
    /// Keeps the client connected until `stop` is cancelled or the receiver of its events is dropped.
    pub async fn run(self, stop: CancellationToken) {
        // Not cancel-safe inside, but nothing is left to lose when it stops: the tasks go with the future.
        tokio::select! {
            () = stop.cancelled() => {}
            OwnerGone = self.keep_connected() => {}
        }
        self.context.shared.link.send_replace(None);
        self.context.shared.memory().disconnected();
    }

    async fn keep_connected(&self) -> OwnerGone {
        let servers = &self.context.shared.cluster.options().servers;
        // Clients of one cluster spread over its servers.
        let mut turn: usize = rand::random_range(0..servers.len());
        let mut named: Option<ServerAddress> = None;
        let (mut generation, mut failures, mut refused_logins, mut mute) = (0, 0, 0, 0u32);
        loop {
            let server = named.take().unwrap_or_else(|| servers[turn % servers.len()].clone());
            turn += 1;
            let connecting = self.context.shared.cluster.turn_to_connect().await;
            let established = self.establish(generation + 1, server.clone()).await;
            drop(connecting);
            let pause = match established {
                Err(error) => {
                    failures += 1;
                    refused_logins = if error.is_refused_login() { refused_logins + 1 } else { 0 };
                    let pause = if refused_logins > 0 { login_pause(refused_logins) } else { pause(failures) };
                    if let Err(gone) = self.tell_failure(&server, &error).await {
                        return gone;
                    }
                    pause
                }
                Ok(established) => {
                    (generation, refused_logins) = (generation + 1, 0);
                    let since = Instant::now();
                    let link = Arc::clone(&established.link);
                    let end = self.live(established, mute).await;
                    mute = match end {
                        End::Lost { cause: DisconnectCause::NoPushes, .. } if !link.pushes().has_any() => mute + 1,
                        _ => 0,
                    };
                    failures = if since.elapsed() < GOOD_LIFE { failures + 1 } else { 1 };
                    match end {
                        End::OwnerGone => return OwnerGone,
                        End::Lost { .. } => pause(failures),
                        End::Reset(to) => {
                            named = to;
                            pause(failures)
                        }
                    }
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn tell_failure(&self, server: &ServerAddress, error: &EstablishError) -> Result<(), OwnerGone> {
        let reason = with_causes(error);
        let event = match error {
            EstablishError::Login(_) => ClientEvent::LoginFailed { reason },
            _ => ClientEvent::ConnectFailed { server: server.to_string(), reason },
        };
        self.context.tell(event).await
    }

    /// Makes a connection that is ready for calls.
    async fn establish(&self, generation: u64, server: ServerAddress) -> Result<Established, EstablishError> {
        let cluster = &self.context.shared.cluster;
        let acts_for = self.context.shared.options.acts_for.as_ref();
        let login_error = if acts_for.is_none() { cluster.token().await.err() } else { None };
        let caller = acts_for.map(|acts_for| acts_for.headers.clone());
        let (wire, driver, origin) = wire::connect(cluster, &server).await?;
        let link = Link::new(generation, server, Arc::clone(cluster), caller, wire, origin);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            match driver.await {
                Ok(()) => End::ended("the server closed the connection"),
                Err(error) => End::ended(with_causes(&error)),
            }
        });
        let check = link.open_call(ServerCheckRequest::default()).await.map_err(|error| check_failed(&link, error))?;
        let set_up = self.open_stream(&link, &mut tasks);
        let ready = async {
            if check.support_ability_negotiation {
                // Dropped without a word if the stream ends; that is seen below.
                let _ = set_up.await;
            }
            wait_until_registered(&link).await
        };
        // The tasks stay as they are if `ready` wins: `join_next` is cancel-safe.
        tokio::select! {
            ready = tokio::time::timeout(SET_UP_TIMEOUT, ready) => ready.map_err(|_| EstablishError::SetUp)??,
            Some(ended) = tasks.join_next() => return Err(EstablishError::Lost(reason(&ended))),
        }
        if let Some(error) = login_error {
            self.check_login_is_needless(&link, error).await?;
        }
        Ok(Established { link, tasks })
    }

    fn open_stream(&self, link: &Arc<Link>, tasks: &mut JoinSet<End>) -> oneshot::Receiver<()> {
        let options = &self.context.shared.options;
        let (outbound, to_server) = mpsc::channel(OUTBOUND_MESSAGES);
        let mut labels = options.labels.clone();
        for (key, value) in [("source", "sdk"), ("module", "naming"), ("AppName", &options.app_name)] {
            labels.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        }
        let setup = ConnectionSetupRequest {
            client_version: options.client_version.clone(),
            labels,
            ability_table: Some(BTreeMap::from([(ability::FUZZY_WATCH.to_owned(), true)])),
            ..ConnectionSetupRequest::default()
        };
        let client_ip = options.acts_for.as_ref().map_or("", |acts_for| &acts_for.client_ip);
        outbound.try_send(Payload::of(&setup).from_client(client_ip)).expect("a new channel has room");
        let (ring, set_up) = oneshot::channel();
        let mut client = link.stream_client();
        let opening = async move {
            let opened = client.request_bi_stream(ReceiverStream::new(to_server)).await;
            opened.map(tonic::Response::into_inner)
        };
        let pump = Pump { context: self.context.clone(), link: Arc::clone(link), outbound, set_up: Some(ring) };
        tasks.spawn(pump.run(Box::pin(opening)));
        set_up
    }

    /// There is no token. Servers whose auth is off refuse logins in odd ways, so a call decides whether one is needed.
    async fn check_login_is_needless(&self, link: &Link, error: LoginError) -> Result<(), EstablishError> {
        let probe = ServiceListRequest {
            namespace: "public".to_owned(),
            group_name: "DEFAULT_GROUP".to_owned(),
            page_no: 1,
            page_size: 1,
            ..ServiceListRequest::default()
        };
        match link.open_call(probe).await {
            Err(CallError::Refused { .. }) => Err(EstablishError::Login(error)),
            Err(CallError::NotConnected) => Err(EstablishError::Lost("lost while checking the login".to_owned())),
            _ => {
                tracing::debug!(%error, "the login failed, but the server needs none");
                Ok(())
            }
        }
    }

    /// Works on a connection until it ends; `mute` connections before it pushed nothing.
    async fn live(&self, Established { link, mut tasks }: Established, mute: u32) -> End {
        let (generation, server) = (link.generation, link.server.to_string());
        let connected = ClientEvent::Connected { generation, server, abilities: link.abilities() };
        if let Err(gone) = self.context.tell(connected).await {
            return gone.into();
        }
        self.context.shared.link.send_replace(Some(Arc::clone(&link)));
        let redo = Redo::new(self.context.clone(), Arc::clone(&link));
        tasks.spawn(async move { redo.run().await.into() });
        let options = &self.context.shared.options;
        let (watched, idle) = (Arc::clone(&link), options.idle);
        tasks.spawn(async move { watch_health(&watched, idle).await });
        let (context, watched) = (self.context.clone(), Arc::clone(&link));
        let quiet_for = options.push_quiet * 2u32.pow(mute.min(MOST_DOUBLINGS));
        tasks.spawn(async move { watch_pushes(&context, &watched, quiet_for).await });
        tasks.spawn(async move { End::ended(link.lost().await) });
        let end = match tasks.join_next().await.expect("tasks were spawned above") {
            Ok(end) => end,
            Err(error) => End::ended(format!("a task failed: {error}")),
        };
        self.context.shared.link.send_replace(None);
        tasks.shutdown().await;
        self.context.shared.memory().disconnected();
        let (reason, cause) = match &end {
            End::Lost { reason, cause } => (reason.clone(), *cause),
            End::Reset(_) => ("the server asked to connect again".to_owned(), DisconnectCause::Ended),
            End::OwnerGone => return end,
        };
        match self.context.tell(ClientEvent::Disconnected { generation, reason, cause }).await {
            Ok(()) => end,
            Err(gone) => gone.into(),
        }
    }
}

/// Where the connection was lost, the reason says more than the error.
fn check_failed(link: &Link, error: CallError) -> EstablishError {
    match (link.lost_because(), error) {
        (Some(reason), CallError::NotConnected) => EstablishError::Lost(reason.to_owned()),
        (_, error) => EstablishError::Check(error),
    }
}

/// A server registers a connection a moment after its set-up; calls before that are refused.
async fn wait_until_registered(link: &Link) -> Result<(), EstablishError> {
    const PAUSE: Duration = Duration::from_millis(20);
    loop {
        match link.check().await {
            Ok(()) => return Ok(()),
            Err(CallError::NotConnected) if !link.is_closed() => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(check_failed(link, error)),
        }
    }
}

/// Asks a silent server whether it is there; returns when it is not.
async fn watch_health(link: &Link, idle: Duration) -> End {
    let mut failed = 0;
    while failed < FAILED_CHECKS {
        let silence = link.silence();
        if failed == 0 && silence < idle {
            tokio::time::sleep(idle - silence).await;
            continue;
        }
        match link.check().await {
            Ok(()) => failed = 0,
            Err(CallError::NotConnected) => {
                link.lose("the server does not know this connection any more");
                return End::ended(link.lost().await);
            }
            Err(error) => {
                tracing::debug!(%error, "health check failed");
                failed += 1;
            }
        }
    }
    End::Lost { reason: "the server does not answer".to_owned(), cause: DisconnectCause::NoAnswer }
}

fn pause(failures: u32) -> Duration {
    let full = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1))).min(LONGEST_PAUSE);
    full.mul_f64(rand::random_range(0.5..1.0))
}

fn reason(ended: &Result<End, tokio::task::JoinError>) -> String {
    match ended {
        Ok(End::Lost { reason, .. }) => reason.clone(),
        Ok(End::Reset(_)) => "the server asked to connect again".to_owned(),
        Ok(End::OwnerGone) => "stopped".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_often_it_failed_a_server_that_is_back_is_tried_within_two_seconds() {
        for failures in (1..100).chain([u32::MAX]) {
            assert!(pause(failures) <= Duration::from_secs(2), "after {failures} failures");
        }
    }
}
