//! Brings one connection in line with what is wanted: everything anew after a connect, and each later wish.
//!
//! Input: [`Memory`] and its inbox. Output: calls (bounded in flight), and events for their answers. Invariant: per subject one call at a
//! time, so that the last wish is the last call.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use super::attempt::{self, Change, Finished, fuzzy_watch_request, nothing};
use super::context::{Context, OwnerGone};
use super::link::Link;
use super::memory::{Memory, Subject};
use super::worklist::{Attempt, Worklist};
use super::{ClientEvent, ConfigName, ServiceName, SubscriptionRefusal};
use crate::message::config::ConfigBatchListenRequest;
use crate::message::naming::watch_type;

/// Keys in one listen call, the bound of the Java client.
const LISTEN_BATCH: usize = 3000;
/// So many attempts in a row without an answer are told: about 5 s after the first.
const UNANSWERED_TOLD: u32 = 3;
/// How often md5s and fuzzy watches are compared in full: a lost push stays unseen no longer than this.
const RECHECK: Duration = Duration::from_secs(180);

type InFlight = FuturesUnordered<BoxFuture<'static, Result<Finished, OwnerGone>>>;

/// The worker of one connection.
pub(super) struct Redo {
    context: Context,
    link: Arc<Link>,
    list: Worklist<Subject>,
    in_flight: InFlight,
    /// Subjects of the connect that have no answer yet; `None` once that has been told.
    first_round: Option<HashSet<Subject>>,
    subscribed: HashSet<ServiceName>,
    registered: HashMap<ServiceName, u64>,
    listening: HashSet<ConfigName>,
    watching: HashSet<String>,
    /// By namespace.
    configs_waiting: BTreeMap<String, BTreeSet<ConfigName>>,
}

impl Redo {
    pub(super) fn new(context: Context, link: Arc<Link>) -> Self {
        Self {
            context,
            link,
            list: Worklist::new(),
            in_flight: InFlight::new(),
            first_round: None,
            subscribed: HashSet::new(),
            registered: HashMap::new(),
            listening: HashSet::new(),
            watching: HashSet::new(),
            configs_waiting: BTreeMap::new(),
        }
    }

    /// Works until the owner is gone; to be dropped when the connection is.
    pub(super) async fn run(mut self) -> OwnerGone {
        let first = self.context.shared.memory().start_over();
        first.iter().cloned().for_each(|subject| self.list.push(subject));
        self.first_round = Some(first.into_iter().collect());
        let context = self.context.clone();
        let mut recheck = tokio::time::interval_at(tokio::time::Instant::now() + RECHECK, RECHECK);
        loop {
            self.take_wishes();
            self.start_attempts();
            if let Err(gone) = self.tell_when_redone().await {
                return gone;
            }
            let retry = self.list.next_retry().map(tokio::time::Instant::from_std);
            // All arms are cancel-safe: a stored wake-up, a stream that keeps its futures, timers.
            tokio::select! {
                () = context.shared.wake.notified() => {}
                Some(finished) = self.in_flight.next() => {
                    let told = match finished {
                        Ok(finished) => self.finish(finished),
                        Err(gone) => return gone,
                    };
                    if let Some(event) = told && let Err(gone) = context.tell(event).await {
                        return gone;
                    }
                }
                () = tokio::time::sleep_until(retry.unwrap_or_else(tokio::time::Instant::now)), if retry.is_some() => {}
                _ = recheck.tick() => self.recheck(),
            }
        }
    }

    fn take_wishes(&mut self) {
        let (subjects, configs) = {
            let mut memory = self.context.shared.memory();
            (memory.take_inbox(), memory.take_config_inbox())
        };
        self.have_configs_wait(configs);
        subjects.into_iter().for_each(|subject| self.list.push(subject));
    }

    fn have_configs_wait(&mut self, configs: impl IntoIterator<Item = ConfigName>) {
        for config in configs {
            self.configs_waiting.entry(config.namespace.clone()).or_default().insert(config);
        }
    }

    fn start_attempts(&mut self) {
        while self.in_flight.len() < self.context.shared.options.calls_in_flight {
            let Some(subject) = self.list.pop(Instant::now()) else { return };
            let attempt = self.attempt(subject);
            self.in_flight.push(attempt);
        }
    }

    /// Decides what a subject needs now, and how to do it.
    fn attempt(&mut self, subject: Subject) -> BoxFuture<'static, Result<Finished, OwnerGone>> {
        let (context, link) = (self.context.clone(), Arc::clone(&self.link));
        let shared = Arc::clone(&self.context.shared);
        let mut memory = shared.memory();
        match subject.clone() {
            Subject::Subscription(service) => {
                let renewal = memory.take_renewal(&service);
                match (memory.is_subscribed(&service), self.subscribed.contains(&service)) {
                    (true, true) if renewal => Box::pin(attempt::renew(context, link, service)),
                    (true, false) => Box::pin(attempt::subscribe(context, link, service)),
                    (false, true) => Box::pin(attempt::unsubscribe(context, link, service)),
                    _ => nothing(subject),
                }
            }
            Subject::Read(service) => match memory.is_subscribed(&service) {
                true => Box::pin(attempt::read(context, link, service)),
                false => nothing(subject),
            },
            Subject::Registration(service) => match memory.registrations.get(&service) {
                None => nothing(subject),
                Some(wanted) if self.registered.get(&service) == Some(&wanted.version) => nothing(subject),
                Some(wanted) => {
                    let (instances, version) = (Arc::clone(&wanted.instances), wanted.version);
                    Box::pin(attempt::register(context, link, service, instances, version))
                }
            },
            Subject::Pattern(namespace) => match memory.patterns.get(&namespace) {
                Some(wanted) if link.abilities().fuzzy_watch && !self.watching.contains(&namespace) => {
                    let known = wanted.known.iter().cloned().collect();
                    let request = fuzzy_watch_request(&namespace, known, watch_type::WATCH, !wanted.ready);
                    Box::pin(attempt::watch(context, link, namespace, request))
                }
                None if self.watching.contains(&namespace) => {
                    let request = fuzzy_watch_request(&namespace, Vec::new(), watch_type::CANCEL, false);
                    Box::pin(attempt::watch(context, link, namespace, request))
                }
                _ => nothing(subject),
            },
            Subject::Configs(namespace) => self.attempt_configs(namespace, &memory, context, link),
        }
    }

    fn attempt_configs(
        &mut self,
        namespace: String,
        memory: &Memory,
        context: Context,
        link: Arc<Link>,
    ) -> BoxFuture<'static, Result<Finished, OwnerGone>> {
        let Some(waiting) = self.configs_waiting.get_mut(&namespace) else {
            return nothing(Subject::Configs(namespace));
        };
        let listening = &self.listening;
        let wanted = |config: &ConfigName| memory.configs.contains_key(config);
        waiting.retain(|config| wanted(config) != listening.contains(config));
        let Some(listen) = waiting.first().map(wanted) else {
            self.configs_waiting.remove(&namespace);
            return nothing(Subject::Configs(namespace));
        };
        let batch: Vec<_> =
            waiting.iter().filter(|config| wanted(config) == listen).take(LISTEN_BATCH).cloned().collect();
        let md5_of = |config: &ConfigName| memory.configs.get(config).map_or("", String::as_str).to_owned();
        let contexts = batch.iter().map(|config| config.listen_context(&md5_of(config))).collect();
        for config in &batch {
            waiting.remove(config);
        }
        let request = ConfigBatchListenRequest {
            listen,
            config_listen_contexts: contexts,
            ..ConfigBatchListenRequest::default()
        };
        Box::pin(attempt::listen_configs(context, link, batch, request))
    }

    /// Notes what an attempt came to. Returns what is to be told of it beside its own events.
    fn finish(&mut self, finished: Finished) -> Option<ClientEvent> {
        let Finished { subject, attempt, change } = finished;
        self.note(change);
        let more_configs = match &subject {
            Subject::Configs(namespace) if attempt == Attempt::Done => {
                self.configs_waiting.get(namespace).is_some_and(|waiting| !waiting.is_empty())
            }
            _ => false,
        };
        if more_configs {
            self.list.push(subject.clone()); // Under way until below, so this means: once more.
        } else if attempt != Attempt::Unanswered
            && let Some(round) = &mut self.first_round
        {
            round.remove(&subject);
        }
        let unanswered = self.list.finish(subject.clone(), attempt, Instant::now(), rand::random());
        let (call, about) = subject.told();
        let mut memory = self.context.shared.memory();
        match attempt {
            Attempt::Done => {
                memory.note_answered(&subject).then_some(ClientEvent::CallAnswered { call, subject: about })
            }
            Attempt::Refused => {
                memory.note_refused(subject);
                None
            }
            Attempt::Unanswered if unanswered >= UNANSWERED_TOLD => {
                memory.note_refused(subject);
                let refusal = SubscriptionRefusal::Unanswered { times: unanswered };
                Some(ClientEvent::CallRefused { call, subject: about, refusal })
            }
            Attempt::Unanswered => None,
        }
    }

    fn note(&mut self, change: Change) {
        match change {
            Change::Nothing => {}
            Change::Subscribed(service) => {
                self.subscribed.insert(service);
            }
            Change::Unsubscribed(service) => {
                self.subscribed.remove(&service);
            }
            Change::Registered(service, version) => {
                self.registered.insert(service, version);
            }
            Change::Deregistered(service) => {
                self.registered.remove(&service);
            }
            Change::Listening(configs) => self.listening.extend(configs),
            Change::NotListening(configs) => self.listening.retain(|config| !configs.contains(config)),
            Change::NotListened(configs) => self.have_configs_wait(configs),
            Change::Watching(namespace) => {
                self.watching.insert(namespace);
            }
            Change::NotWatching(namespace) => {
                self.watching.remove(&namespace);
            }
        }
    }

    async fn tell_when_redone(&mut self) -> Result<(), OwnerGone> {
        if self.first_round.as_ref().is_some_and(HashSet::is_empty) {
            self.first_round = None;
            return self.context.tell(ClientEvent::Redone { generation: self.link.generation }).await;
        }
        Ok(())
    }

    /// Asks for everything that is compared rather than pushed.
    fn recheck(&mut self) {
        let listening = std::mem::take(&mut self.listening);
        let namespaces: BTreeSet<String> = listening.iter().map(|config| config.namespace.clone()).collect();
        self.have_configs_wait(listening);
        namespaces.into_iter().for_each(|namespace| self.list.push(Subject::Configs(namespace)));
        for namespace in std::mem::take(&mut self.watching) {
            self.list.push(Subject::Pattern(namespace));
        }
    }
}
