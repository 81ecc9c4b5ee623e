//! Brings one connection in line with what is wanted: everything anew after a connect, and each later wish.
//!
//! Input: [`Memory`] and its inbox. Output: calls (bounded in flight), and events for their answers. Invariant: per subject one call at a
//! time, so that the last wish is the last call.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use super::context::{Context, OwnerGone};
use super::link::Link;
use super::memory::{Memory, Subject};
use super::worklist::{Attempt, Worklist};
use super::{Call, CallError, ConfigName, Event, Refusal, ServiceName, ServiceSource};
use crate::message::config::ConfigBatchListenRequest;
use crate::message::error_code;
use crate::message::naming::{
    BatchInstanceRequest, Instance, InstanceRequest, NamingFuzzyWatchRequest, ServiceQueryRequest,
    SubscribeServiceRequest, instance_operation, watch_type,
};

/// Keys in one listen call, the bound of the Java client.
const LISTEN_BATCH: usize = 3000;
/// Time for one listen call: a server compares every md5 before it answers.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);
/// How often md5s and fuzzy watches are compared in full: a lost push stays unseen no longer than this.
const RECHECK: Duration = Duration::from_secs(180);

/// What one attempt changed on this connection.
enum Change {
    Nothing,
    Subscribed(ServiceName),
    Unsubscribed(ServiceName),
    Registered(ServiceName, u64),
    Deregistered(ServiceName),
    Listening(Vec<ConfigName>),
    NotListening(Vec<ConfigName>),
    NotListened(Vec<ConfigName>),
    Watching(String),
    NotWatching(String),
}

struct Finished {
    subject: Subject,
    attempt: Attempt,
    change: Change,
}

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
    configs_waiting: BTreeSet<ConfigName>,
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
            configs_waiting: BTreeSet::new(),
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
                Some(finished) = self.in_flight.next() => match finished {
                    Ok(finished) => self.finish(finished),
                    Err(gone) => return gone,
                },
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
        self.configs_waiting.extend(configs);
        subjects.into_iter().for_each(|subject| self.list.push(subject));
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
        let memory = shared.memory();
        match subject.clone() {
            Subject::Subscription(service) => {
                match (memory.is_subscribed(&service), self.subscribed.contains(&service)) {
                    (true, false) => Box::pin(subscribe(context, link, service)),
                    (false, true) => Box::pin(unsubscribe(context, link, service)),
                    _ => nothing(subject),
                }
            }
            Subject::Read(service) => match memory.is_subscribed(&service) {
                true => Box::pin(read(context, link, service)),
                false => nothing(subject),
            },
            Subject::Registration(service) => match memory.registrations.get(&service) {
                None => nothing(subject),
                Some(wanted) if self.registered.get(&service) == Some(&wanted.version) => nothing(subject),
                Some(wanted) => {
                    let (instances, version) = (wanted.instances.clone(), wanted.version);
                    Box::pin(register(context, link, service, instances, version))
                }
            },
            Subject::Pattern(namespace) => match memory.patterns.get(&namespace) {
                Some(wanted) if link.abilities().fuzzy_watch && !self.watching.contains(&namespace) => {
                    let known = wanted.known.iter().cloned().collect();
                    let request = fuzzy_watch_request(&namespace, known, watch_type::WATCH, !wanted.ready);
                    Box::pin(watch(context, link, namespace, request))
                }
                None if self.watching.contains(&namespace) => {
                    let request = fuzzy_watch_request(&namespace, Vec::new(), watch_type::CANCEL, false);
                    Box::pin(watch(context, link, namespace, request))
                }
                _ => nothing(subject),
            },
            Subject::Configs => self.attempt_configs(&memory, context, link),
        }
    }

    fn attempt_configs(
        &mut self,
        memory: &Memory,
        context: Context,
        link: Arc<Link>,
    ) -> BoxFuture<'static, Result<Finished, OwnerGone>> {
        let listening = &self.listening;
        let wanted = |config: &ConfigName| memory.configs.contains_key(config);
        self.configs_waiting.retain(|config| wanted(config) != listening.contains(config));
        let Some(listen) = self.configs_waiting.first().map(wanted) else { return nothing(Subject::Configs) };
        let batch: Vec<_> =
            self.configs_waiting.iter().filter(|config| wanted(config) == listen).take(LISTEN_BATCH).cloned().collect();
        let md5_of = |config: &ConfigName| memory.configs.get(config).map_or("", String::as_str).to_owned();
        let contexts = batch.iter().map(|config| config.listen_context(&md5_of(config))).collect();
        for config in &batch {
            self.configs_waiting.remove(config);
        }
        let request = ConfigBatchListenRequest {
            listen,
            config_listen_contexts: contexts,
            ..ConfigBatchListenRequest::default()
        };
        Box::pin(listen_configs(context, link, batch, request))
    }

    fn finish(&mut self, finished: Finished) {
        self.note(finished.change);
        let more_configs = finished.subject == Subject::Configs
            && finished.attempt == Attempt::Done
            && !self.configs_waiting.is_empty();
        if more_configs {
            self.list.push(Subject::Configs); // Under way until the next line, so this means: once more.
        } else if finished.attempt != Attempt::Unanswered
            && let Some(round) = &mut self.first_round
        {
            round.remove(&finished.subject);
        }
        self.list.finish(finished.subject, finished.attempt, Instant::now(), rand::random());
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
            Change::NotListened(configs) => self.configs_waiting.extend(configs),
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
            return self.context.tell(Event::Redone { generation: self.link.generation }).await;
        }
        Ok(())
    }

    /// Asks for everything that is compared rather than pushed.
    fn recheck(&mut self) {
        self.configs_waiting.extend(std::mem::take(&mut self.listening));
        self.list.push(Subject::Configs);
        for namespace in std::mem::take(&mut self.watching) {
            self.list.push(Subject::Pattern(namespace));
        }
    }
}

fn nothing(subject: Subject) -> BoxFuture<'static, Result<Finished, OwnerGone>> {
    Box::pin(std::future::ready(Ok(Finished { subject, attempt: Attempt::Done, change: Change::Nothing })))
}

/// Tells a refusal, and says when to try again.
async fn failed(context: &Context, call: Call, subject: String, error: &CallError) -> Result<Attempt, OwnerGone> {
    let Some(refusal) = Refusal::of(error) else { return Ok(Attempt::Unanswered) };
    context.tell(Event::CallRefused { call, subject, refusal }).await?;
    Ok(Attempt::Refused)
}

fn subscription(service: &ServiceName, subscribe: bool) -> SubscribeServiceRequest {
    SubscribeServiceRequest {
        namespace: service.namespace.clone(),
        service_name: service.service.clone(),
        group_name: service.group.clone(),
        subscribe,
        ..SubscribeServiceRequest::default()
    }
}

async fn subscribe(context: Context, link: Arc<Link>, service: ServiceName) -> Result<Finished, OwnerGone> {
    let subject = Subject::Subscription(service.clone());
    match link.call(subscription(&service, true)).await {
        Ok(response) => {
            if let Some(info) = response.service_info {
                context.tell_service(link.generation, service.clone(), info, ServiceSource::Subscribed).await?;
            }
            Ok(Finished { subject, attempt: Attempt::Done, change: Change::Subscribed(service) })
        }
        Err(error) => {
            let attempt = failed(&context, Call::Subscribe, service.to_string(), &error).await?;
            Ok(Finished { subject, attempt, change: Change::Nothing })
        }
    }
}

async fn unsubscribe(context: Context, link: Arc<Link>, service: ServiceName) -> Result<Finished, OwnerGone> {
    let subject = Subject::Subscription(service.clone());
    match link.call(subscription(&service, false)).await {
        Ok(_) => Ok(Finished { subject, attempt: Attempt::Done, change: Change::Unsubscribed(service) }),
        Err(error) => {
            let attempt = failed(&context, Call::Unsubscribe, service.to_string(), &error).await?;
            Ok(Finished { subject, attempt, change: Change::Nothing })
        }
    }
}

async fn read(context: Context, link: Arc<Link>, service: ServiceName) -> Result<Finished, OwnerGone> {
    let request = ServiceQueryRequest {
        namespace: service.namespace.clone(),
        service_name: service.service.clone(),
        group_name: service.group.clone(),
        ..ServiceQueryRequest::default()
    };
    let subject = Subject::Read(service.clone());
    let attempt = match link.call(request).await {
        Ok(response) => {
            if let Some(info) = response.service_info {
                context.tell_service(link.generation, service, info, ServiceSource::Read).await?;
            }
            Attempt::Done
        }
        Err(error) => failed(&context, Call::Read, service.to_string(), &error).await?,
    };
    Ok(Finished { subject, attempt, change: Change::Nothing })
}

async fn register(
    context: Context,
    link: Arc<Link>,
    service: ServiceName,
    instances: Vec<Instance>,
    version: u64,
) -> Result<Finished, OwnerGone> {
    let deregister = instances.is_empty();
    let result = send_registration(&link, &service, instances).await;
    context.shared.memory().registration_ended(&service, version, &result);
    let subject = Subject::Registration(service.clone());
    match result {
        Ok(()) if deregister => Ok(Finished { subject, attempt: Attempt::Done, change: Change::Deregistered(service) }),
        Ok(()) => Ok(Finished { subject, attempt: Attempt::Done, change: Change::Registered(service, version) }),
        Err(error) => {
            let attempt = failed(&context, Call::Register, service.to_string(), &error).await?;
            Ok(Finished { subject, attempt, change: Change::Nothing })
        }
    }
}

async fn send_registration(link: &Link, service: &ServiceName, mut instances: Vec<Instance>) -> Result<(), CallError> {
    let ServiceName { namespace, group, service } = service.clone();
    if instances.len() > 1 {
        let request = BatchInstanceRequest {
            namespace,
            service_name: service,
            group_name: group,
            operation: instance_operation::BATCH_REGISTER.to_owned(),
            instances: instances.into(),
            ..BatchInstanceRequest::default()
        };
        return link.call(request).await.map(drop);
    }
    let instance = instances.pop();
    let operation = if instance.is_some() { instance_operation::REGISTER } else { instance_operation::DEREGISTER };
    // A deregistration drops all that this connection has for the service; the servers only want some address to be there.
    let nobody = || Instance { ip: "0.0.0.0".to_owned(), port: 1, ..Instance::default() };
    let request = InstanceRequest {
        namespace,
        service_name: service,
        group_name: group,
        operation: operation.to_owned(),
        instance: instance.unwrap_or_else(nobody).into(),
        ..InstanceRequest::default()
    };
    link.call(request).await.map(drop)
}

async fn listen_configs(
    context: Context,
    link: Arc<Link>,
    batch: Vec<ConfigName>,
    request: ConfigBatchListenRequest,
) -> Result<Finished, OwnerGone> {
    let (subject, listen) = (Subject::Configs, request.listen);
    let response = link.answer(request, LISTEN_TIMEOUT).await.and_then(super::succeeded);
    match response {
        Ok(response) if listen => {
            for changed in response.changed_configs {
                let listened = context.shared.memory().listened(changed.into());
                if let Some(config) = listened {
                    context.tell(Event::ConfigChanged { config }).await?;
                }
            }
            Ok(Finished { subject, attempt: Attempt::Done, change: Change::Listening(batch) })
        }
        Ok(_) => Ok(Finished { subject, attempt: Attempt::Done, change: Change::NotListening(batch) }),
        Err(error) => {
            let about = format!("{} config items", batch.len());
            let attempt = failed(&context, Call::Listen, about, &error).await?;
            Ok(Finished { subject, attempt, change: Change::NotListened(batch) })
        }
    }
}

fn fuzzy_watch_request(
    namespace: &str,
    received_group_keys: Vec<String>,
    watch_type: &str,
    initializing: bool,
) -> NamingFuzzyWatchRequest {
    NamingFuzzyWatchRequest {
        namespace: namespace.to_owned(),
        group_key_pattern: super::fuzzy::pattern_of(namespace),
        received_group_keys,
        watch_type: watch_type.to_owned(),
        initializing,
        ..NamingFuzzyWatchRequest::default()
    }
}

async fn watch(
    context: Context,
    link: Arc<Link>,
    namespace: String,
    request: NamingFuzzyWatchRequest,
) -> Result<Finished, OwnerGone> {
    let subject = Subject::Pattern(namespace.clone());
    let cancel = request.watch_type == watch_type::CANCEL;
    match link.call(request).await {
        Ok(_) if cancel => Ok(Finished { subject, attempt: Attempt::Done, change: Change::NotWatching(namespace) }),
        Ok(_) => Ok(Finished { subject, attempt: Attempt::Done, change: Change::Watching(namespace) }),
        Err(CallError::Server { code, message })
            if [error_code::FUZZY_PATTERNS_OVER_LIMIT, error_code::FUZZY_KEYS_OVER_LIMIT].contains(&code) =>
        {
            context.tell(Event::FuzzyWatchLimited { namespace: namespace.clone(), message }).await?;
            // With too many keys the watch stands, cut off; with too many patterns it does not.
            let (attempt, change) = match code {
                error_code::FUZZY_KEYS_OVER_LIMIT => (Attempt::Done, Change::Watching(namespace)),
                _ => (Attempt::Refused, Change::Nothing),
            };
            Ok(Finished { subject, attempt, change })
        }
        Err(error) => {
            let attempt = failed(&context, Call::FuzzyWatch, namespace, &error).await?;
            Ok(Finished { subject, attempt, change: Change::Nothing })
        }
    }
}
