//! The one task that owns the store: it answers questions in order, lets time pass, and tells clients what changed.
//!
//! What changes is told at once; services of which much changes as [`super::pace`] has it, so that many changes become one push.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use federation_core::id::{ConfigKey, ServiceKey};
use federation_core::time::{Mono, WallMs};
use nacos_protocol::server::fuzzy::{WatchedName, fuzzy_push, wire_key};
use nacos_protocol::server::{ClientSessions, ConnectionId, FuzzyWatching, PushBody, PushKey};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::configs::PublishError;
use super::keeping::{Change, Keeping, Order, Reply};
use super::naming::{InstanceSelection, NamingNow};
use super::pace::PushPace;
use super::store::{RegistryStore, watched_config, watched_service};
use super::wire;
use federation_storage::ANSWERS_WITHIN;

/// Questions that wait for the owner; askers wait when it is full.
const QUESTIONS: usize = 256;

/// How often time passes: the precision of beats and of what is forgotten.
const TICK: Duration = Duration::from_millis(500);

type Answer = Box<dyn FnOnce() + Send>;
type Question = Box<dyn FnOnce(&mut RegistryStore, NamingNow) -> Answer + Send>;

/// What is asked of the owner.
enum Asked {
    /// Answered at once.
    Question(Question),
    /// Answered once it is on disk, while other questions are.
    Change(Change),
}

/// The registry has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the registry has stopped")]
pub struct RegistryStopped;

/// Asks the owner of the store. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    questions: mpsc::Sender<Asked>,
}

impl Handle {
    /// Runs `question` on the store, between those of others; it must be quick, and must not change config items.
    ///
    /// # Errors
    /// [`RegistryStopped`] when there is no owner any more.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut RegistryStore, NamingNow) -> T + Send + 'static,
    ) -> Result<T, RegistryStopped> {
        let (tell, told) = oneshot::channel();
        let question: Question = Box::new(move |store, now| {
            let answer = question(store, now);
            // An asker that has gone away needs no answer.
            Box::new(move || drop(tell.send(answer)))
        });
        self.questions.send(Asked::Question(question)).await.map_err(|_| RegistryStopped)?;
        told.await.map_err(|_| RegistryStopped)
    }

    /// Publishes or removes a config item. When the answer is given, the change is on disk and whoever must hear of it has it queued.
    ///
    /// # Errors
    /// [`RegistryStopped`] when there is no owner any more. Within: why the change was not made; only where the disk did not answer in time may
    /// it have been.
    pub(super) async fn change(
        &self,
        key: ConfigKey,
        order: Order,
    ) -> Result<Result<(), PublishError>, RegistryStopped> {
        let (reply, told) = oneshot::channel();
        self.questions.send(Asked::Change(Change { key, order, reply })).await.map_err(|_| RegistryStopped)?;
        match tokio::time::timeout(ANSWERS_WITHIN, told).await {
            Ok(told) => told.map_err(|_| RegistryStopped),
            Err(_) => Ok(Err(PublishError::Unanswered)),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Owner {
    store: RegistryStore,
    sessions: ClientSessions,
    questions: mpsc::Receiver<Asked>,
    push_delay: Duration,
    pace: PushPace,
    keeping: Keeping,
    started: Instant,
    /// When services that changed are pushed; `None` while none did.
    push_at: Option<Instant>,
    /// When those who are owed a push get it; `None` while nobody is.
    owed_at: Option<Instant>,
}

impl Owner {
    /// An owner of `store`, and the way to ask it.
    pub(super) fn new(
        store: RegistryStore,
        sessions: ClientSessions,
        push_delay: Duration,
        keeping: Keeping,
    ) -> (Self, Handle) {
        let (asked, questions) = mpsc::channel(QUESTIONS);
        let (pace, started) = (PushPace::new(push_delay), Instant::now());
        let owner =
            Self { store, sessions, questions, push_delay, pace, keeping, started, push_at: None, owed_at: None };
        (owner, Handle { questions: asked })
    }

    /// Runs until `stop`, or until nobody can ask any more; what is being written then is waited for.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        self.serve(stop).await;
        let replies = self.keeping.finish(&mut self.store.configs).await;
        self.tell(replies);
    }

    async fn serve(&mut self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let push_at = [self.owed_at, self.push_at].into_iter().flatten().min();
            // Every arm is cancel-safe: a question stays in the channel, a tick in the interval, a job's outcome in its set.
            tokio::select! {
                () = stop.cancelled() => return,
                question = self.questions.recv() => match question {
                    Some(Asked::Question(question)) => self.answer(question),
                    Some(Asked::Change(change)) => {
                        let now = self.now().wall;
                        let replies = self.keeping.take(change, &mut self.store.configs, now);
                        self.tell(replies);
                    }
                    None => return,
                },
                woken = self.keeping.woken() => {
                    let now = self.now().wall;
                    let replies = self.keeping.advance(woken, &mut self.store.configs, now);
                    self.tell(replies);
                }
                () = async { tokio::time::sleep_until(push_at.unwrap_or(self.started)).await }, if push_at.is_some() => {
                    self.push_due();
                }
                _ = tick.tick() => {
                    let now = self.now();
                    self.store.naming.expire(now);
                    self.store.polls.retain(|waiting| !waiting.is_closed());
                    self.push_changed();
                }
            }
        }
    }

    fn answer(&mut self, question: Question) {
        let now = self.now();
        let answer = question(&mut self.store, now);
        self.push_changed();
        answer();
    }

    /// Tells listeners of config items that changed, then those who asked for the changes.
    fn tell(&mut self, replies: Vec<Reply>) {
        self.push_configs();
        replies.into_iter().for_each(Reply::send);
    }

    /// Tells those who are concerned of services that changed: at once, or when the rest is over.
    fn push_changed(&mut self) {
        let now = Instant::now();
        if self.owed_at.is_none() && self.store.naming.owes_pushes() {
            self.owed_at = Some(now + self.push_delay);
        }
        if self.push_at.is_none() && self.store.naming.has_changed() {
            let at = self.pace.next_round(now);
            self.push_at = Some(at);
            if at <= now {
                self.push_due();
            }
        }
    }

    /// Services that changed, if the rest is over, and subscribers that are owed a first push.
    fn push_due(&mut self) {
        let now = Instant::now();
        if self.push_at.take_if(|at| now >= *at).is_some() {
            let changed = self.store.naming.take_changed();
            let bytes = changed.iter().map(|key| self.push_service(key)).sum();
            self.pace.pushed(bytes, Instant::now());
        }
        if self.owed_at.take_if(|at| now >= *at).is_some() {
            self.push_owed();
        }
    }

    /// Returns how many bytes were sent to all who subscribed.
    fn push_service(&mut self, key: &ServiceKey) -> usize {
        let exists = self.store.naming.is_published(key);
        self.push_existence(FuzzyWatching::Services, watched_service(key), exists);
        let (now, mut bytes) = (self.now(), 0);
        let mut encoded: Vec<(&Arc<str>, (PushKey, PushBody))> = Vec::new(); // Once for all who want the same clusters.
        for (connection, clusters) in self.store.naming.subscribers(key) {
            let known = encoded.iter().position(|(known, _)| *known == clusters);
            let place = known.unwrap_or_else(|| {
                encoded.push((clusters, service_body(&self.store, key, clusters, now)));
                encoded.len() - 1
            });
            let (push, body) = encoded[place].1.clone();
            bytes += body.size_bytes();
            self.sessions.push(&connection.clone().into(), push, body);
        }
        bytes
    }

    fn push_owed(&mut self) {
        let now = self.now();
        for (key, connection) in self.store.naming.take_owed() {
            if let Some(clusters) = self.store.naming.subscription(&key, &connection) {
                let (push, body) = service_body(&self.store, &key, clusters, now);
                self.sessions.push(&connection.into(), push, body);
            }
        }
    }

    fn push_configs(&mut self) {
        for key in self.store.configs.take_changed() {
            let exists = self.store.configs.look(&key).is_ok_and(|item| item.is_some());
            self.push_existence(FuzzyWatching::Configs, watched_config(&key), exists);
            for (connection, namespace) in self.store.configs.listeners(&key) {
                let (push, body) = wire::config_push(&key, namespace);
                self.sessions.push(&connection.clone().into(), push, body);
            }
            let Ok(found) = self.store.configs.look(&key) else { continue }; // Neither there nor absent: nobody is told.
            let md5 = found.map_or("", |item| &*item.md5);
            for (waiting, changed) in self.store.polls.changed(&key, md5) {
                // Who has gone meanwhile needs no answer.
                let _ = waiting.send(changed);
            }
        }
    }

    fn push_existence(&mut self, watching: FuzzyWatching, name: WatchedName<'_>, exists: bool) {
        for connection in self.store.fuzzy.note(watching, name, exists) {
            let (push, body) = fuzzy_push(watching, wire_key(watching, name), exists);
            self.sessions.push(&ConnectionId::from(connection), push, body);
        }
    }

    fn now(&self) -> NamingNow {
        let mono = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        NamingNow { mono: Mono(mono), wall: WallMs(u64::try_from(wall).unwrap_or(u64::MAX)) }
    }
}

/// A service's push for subscribers of these clusters.
fn service_body(store: &RegistryStore, key: &ServiceKey, clusters: &Arc<str>, now: NamingNow) -> (PushKey, PushBody) {
    let snapshot = store.naming.query(key, clusters, InstanceSelection::Enabled, now);
    wire::service_push(key, wire::encode_service(key, clusters, snapshot))
}
