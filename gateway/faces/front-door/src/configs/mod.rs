//! Config items: read, written and listened to in the local Nacos.
//!
//! Nacos decides which variant of an item (beta by address, tag, rules over labels) a client gets, and what it may read and write. So callers
//! are served over connections that say of themselves what the callers say ([`lines`]), and each call is passed on with the headers that it came
//! with. What is kept here is who listens ([`listening`]), so that Nacos is asked once for all callers that it does not tell apart, and the
//! last known copies ([`copies`]), from which reads are answered while Nacos cannot be reached.
//!
//! Invariants: a listener that was told "as you hold it" is told of every change after that, whatever breaks in between. A change that Nacos has
//! not acknowledged is never answered with "ok". A copy is given to nobody to whom Nacos did not give it, and "there is none" is said by Nacos
//! alone.

mod caller;
mod copies;
mod fuzzy;
mod lines;
mod listening;
mod served;
#[cfg(test)]
mod tests;
mod told;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bounded_listener::ListenerGate;
use federation_ports::metrics::FrontDoorMetrics;
use federation_ports::trouble::TroubleBoard;
use nacos_protocol::client::CallError;
use nacos_protocol::cluster::NacosCluster;
use nacos_protocol::message::config::{
    ConfigBatchListenRequest, ConfigListenContext, ConfigPublishRequest, ConfigQueryRequest, ConfigQueryResponse,
    ConfigRemoveRequest,
};
use nacos_protocol::message::naming::watch_type;
use nacos_protocol::message::{Response, ResponseOutcome, error_code};
use nacos_protocol::server::{
    CallingClient, ClientSessions, ConfigChange, ConfigName, ConnectionId, FuzzyWatch, ListenContext, RegistryRefusal,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use caller::ConfigCaller;
use copies::{CopyKey, LastCopies, MOST_BYTES, MOST_COPIES};
use lines::{BeginningLine, ConfigLines, LineUse};
use listening::{Begun, Settled};
use served::CopiesServed;
use told::ListenersTold;

use crate::upstream::{answered, refusal_of};

/// How long Nacos may take to answer a read of which there is a copy: clients wait for 3 s, and a Nacos that hangs is found out later than that.
const COPY_AFTER: Duration = Duration::from_secs(2);
/// How often it is looked whether copies are served still.
const LOOK: Duration = Duration::from_secs(5);
/// Longest parts of a name and of an MD5 that are noted: twice what Nacos takes. What is longer is Nacos's to refuse.
const LONGEST_PART: usize = 512;

/// See the module.
pub(crate) struct Configs {
    lines: ConfigLines,
    told: ListenersTold,
    copies: Mutex<LastCopies>, // Locked for one operation, never across an await.
    served: Arc<CopiesServed>,
}

/// What there is to run.
pub(crate) struct ConfigTasks {
    lines: ConfigLines,
    beginning: mpsc::Receiver<BeginningLine>,
    served: Arc<CopiesServed>,
}

impl Configs {
    pub(crate) fn new(
        upstream: Arc<NacosCluster>,
        gate: ListenerGate,
        sessions: ClientSessions,
        troubles: TroubleBoard,
        metrics: FrontDoorMetrics,
    ) -> (Self, ConfigTasks) {
        let told = ListenersTold::new(sessions);
        let served = Arc::new(CopiesServed::new(troubles, metrics.clone()));
        let (lines, beginning) = ConfigLines::new(upstream, gate, told.clone(), metrics);
        let copies = Mutex::new(LastCopies::new(MOST_COPIES, MOST_BYTES));
        let tasks = ConfigTasks { lines: lines.clone(), beginning, served: Arc::clone(&served) };
        (Self { lines, told, copies, served }, tasks)
    }

    /// Reads an item; that there is none is an answer of Nacos too, with its code 300. While Nacos cannot be reached, what it answered to this caller
    /// last is answered.
    ///
    /// # Errors
    /// Nacos refuses it, or cannot be reached and no copy is known.
    pub(crate) async fn read(
        &self,
        caller: impl Into<ConfigCaller>,
        name: ConfigName,
        tag: Option<String>,
    ) -> Result<Option<ConfigQueryResponse>, RegistryRefusal> {
        let caller = caller.into();
        let line = self.lines.of(&caller).await?;
        let key = CopyKey { group: Arc::clone(&line.group), shown: caller.shown(), name, tag };
        let look = line.listening().look(&key.name);
        match self.ask(&line, &caller, &key).await {
            Ok(answer) => {
                let md5 = self.keep(&key, &answer);
                if let (Some(look), Some(md5), None) = (look, md5, &key.tag) {
                    line.settle(|listening| listening.read(&key.name, look, &md5, (key.shown, Instant::now())));
                }
                line.headers.show(caller.headers());
                self.served.nacos_answered();
                Ok(Some(answer))
            }
            Err(error) if is_unreached(&error) => {
                let copy = self.copies().get(&key).ok_or_else(|| refusal_of(error.clone()))?;
                self.served.served(&error);
                Ok(Some((*copy).clone()))
            }
            Err(error) => {
                if matches!(error, CallError::Refused { .. }) {
                    self.copies().forget(&key);
                }
                Err(refusal_of(error))
            }
        }
    }

    async fn ask(
        &self,
        line: &LineUse,
        caller: &ConfigCaller,
        key: &CopyKey,
    ) -> Result<ConfigQueryResponse, CallError> {
        if !line.is_connected().await {
            return Err(CallError::NotConnected);
        }
        let CopyKey { name, tag, .. } = key;
        let request = ConfigQueryRequest {
            data_id: name.data_id.clone(),
            group: name.group.clone(),
            tenant: name.namespace.clone(),
            tag: tag.clone(),
            ..ConfigQueryRequest::default()
        };
        let asking = line.client.relay(request, caller.headers().clone());
        if !self.copies().has(key) {
            return asking.await;
        }
        tokio::time::timeout(COPY_AFTER, asking).await.unwrap_or(Err(CallError::Timeout { after: COPY_AFTER }))
    }

    /// Keeps an answer as the last known copy; the item's MD5, if the answer says what the item is.
    fn keep(&self, key: &CopyKey, answer: &ConfigQueryResponse) -> Option<String> {
        match answer.outcome() {
            ResponseOutcome::Ok => {
                self.copies().keep(key.clone(), answer);
                answer.md5.clone()
            }
            // In this answer the code of "not ready" says that there is no such item.
            ResponseOutcome::Failed { error_code: error_code::NOT_READY, .. } => {
                self.copies().forget(key);
                Some(String::new())
            }
            ResponseOutcome::Failed { .. } => None,
        }
    }

    /// Writes or removes an item.
    ///
    /// # Errors
    /// What Nacos refuses, in its words. Where it did not answer, the change may be made still, and the words say so; where it was not reached, it
    /// is not made.
    pub(crate) async fn change(
        &self,
        caller: impl Into<ConfigCaller>,
        name: ConfigName,
        change: ConfigChange,
    ) -> Result<(), RegistryRefusal> {
        let caller = caller.into();
        let line = self.lines.of(&caller).await?;
        if !line.is_connected().await {
            let words = "the local nacos is not reached: the config item is not changed, please try later";
            return Err(RegistryRefusal::failed(words));
        }
        let headers = caller.headers().clone();
        // Whatever comes of it, what was read before is not known to be there any more.
        let key = CopyKey { group: Arc::clone(&line.group), shown: caller.shown(), name: name.clone(), tag: None };
        self.copies().forget(&key);
        let ConfigName { namespace: tenant, group, data_id } = name;
        match change {
            ConfigChange::Publish(publication) => {
                let request = ConfigPublishRequest {
                    data_id,
                    group,
                    tenant,
                    content: publication.content,
                    cas_md5: publication.cas_md5,
                    addition_map: publication.additions,
                    ..ConfigPublishRequest::default()
                };
                made(line.client.relay(request, headers).await)
            }
            ConfigChange::Remove { tag } => {
                let request = ConfigRemoveRequest { data_id, group, tenant, tag, ..ConfigRemoveRequest::default() };
                made(line.client.relay(request, headers).await)
            }
        }
    }

    /// Listens; returns what differs already from what the client holds, as it named it. While Nacos cannot be reached nothing does: the client is
    /// told of what differs once Nacos is back.
    ///
    /// # Errors
    /// Nacos refuses it, or does not answer; a limit is reached.
    pub(crate) async fn listen(
        &self,
        caller: &CallingClient<'_>,
        contexts: Vec<ListenContext>,
    ) -> Result<Vec<ConfigName>, RegistryRefusal> {
        let connection = caller.connection();
        let caller = ConfigCaller::from(caller);
        let line = self.lines.of(&caller).await?;
        self.lines.note(connection, &line);
        let differing = self.listen_as(&line, connection, &caller, &contexts).await;
        if !self.told.is_there(connection) {
            self.lines.forget(connection); // It went meanwhile, and nobody else would take it back.
            return Err(RegistryRefusal::unregistered());
        }
        differing
    }

    async fn listen_as(
        &self,
        line: &LineUse,
        listener: &ConnectionId,
        caller: &ConfigCaller,
        contexts: &[ListenContext],
    ) -> Result<Vec<ConfigName>, RegistryRefusal> {
        let is_connected = line.is_connected().await;
        if !contexts.iter().all(is_plausible) {
            return Ok(self.compare(line, caller, contexts).await.map_err(refusal_of)?.into_iter().collect());
        }
        let begun = line.listening().begin(listener, contexts, caller.shown(), Instant::now());
        let ticket = match begun {
            Begun::Answered(differing) => return Ok(differing),
            Begun::Ask(ticket) => ticket,
            Begun::TooMany => {
                let words = "too many config items are listened to at this gateway";
                return Err(RegistryRefusal::new(error_code::OVER_THRESHOLD, words));
            }
        };
        let asked =
            if is_connected { self.compare(line, caller, contexts).await } else { Err(CallError::NotConnected) };
        match asked {
            Ok(differing) => {
                line.headers.show(caller.headers());
                self.served.nacos_answered();
                let now = Instant::now();
                line.settle(|it| it.settle(listener, contexts, &ticket, &differing, (caller.shown(), now)));
                let named = contexts.iter().map(|context| &context.name).filter(|name| differing.contains(name));
                Ok(named.cloned().collect())
            }
            Err(CallError::NotConnected) => {
                line.settle(|it| it.settle_unreached(listener, contexts, &ticket));
                Ok(Vec::new())
            }
            Err(error) => {
                line.settle(|it| {
                    it.withdraw(listener, contexts, &ticket, Instant::now());
                    Settled::default()
                });
                Err(refusal_of(error))
            }
        }
    }

    /// Has Nacos compare, and listens there on the line's connection; what differs.
    async fn compare(
        &self,
        line: &LineUse,
        caller: &ConfigCaller,
        contexts: &[ListenContext],
    ) -> Result<HashSet<ConfigName>, CallError> {
        let context = |ListenContext { name, md5 }: &ListenContext| ConfigListenContext {
            group: name.group.clone(),
            md5: md5.clone(),
            data_id: name.data_id.clone(),
            tenant: name.namespace.clone(),
        };
        let request = ConfigBatchListenRequest {
            listen: true,
            config_listen_contexts: contexts.iter().map(context).collect(),
            ..ConfigBatchListenRequest::default()
        };
        let answer = line.client.relay(request, caller.headers().clone()).await?;
        if let ResponseOutcome::Failed { error_code, message } = answer.outcome() {
            return Err(CallError::Server { code: error_code, message: message.to_owned(), as_error: None });
        }
        let named = answer.changed_configs.into_iter();
        Ok(named.map(|it| ConfigName { namespace: it.tenant, group: it.group, data_id: it.data_id }).collect())
    }

    /// Listens no more.
    pub(crate) fn ignore(&self, caller: &CallingClient<'_>, names: Vec<ConfigName>) {
        let listener = caller.connection();
        for line in self.lines.of_connection(caller.connection()) {
            let (mut listening, now) = (line.listening(), Instant::now());
            names.iter().for_each(|name| listening.ignore(listener, name, now));
        }
    }

    /// Begins or ends a watch on which items exist; what Nacos tells of it is pushed.
    ///
    /// # Errors
    /// Nacos refuses it, or cannot do it, as 2.x cannot; it is not reached; a limit is reached.
    pub(crate) async fn fuzzy_watch(
        &self,
        caller: &CallingClient<'_>,
        watch: FuzzyWatch,
    ) -> Result<(), RegistryRefusal> {
        let connection = caller.connection();
        let caller = ConfigCaller::from(caller);
        let line = self.lines.of(&caller).await?;
        let FuzzyWatch { pattern, received, initializing, cancel, .. } = watch;
        let headers = caller.headers().clone();
        if cancel {
            // Without a connection there is no watch to end.
            let is_to_end = line.fuzzy().remove(&pattern, connection) && line.is_connected().await;
            return match is_to_end {
                true => line.watch_pattern(&pattern, watch_type::CANCEL, (received, false), headers).await,
                false => Ok(()),
            };
        }
        if !line.is_connected().await {
            return Err(refusal_of(CallError::NotConnected));
        }
        self.lines.note(connection, &line);
        // Before Nacos is asked: it tells at once.
        let added = line.fuzzy().add(&pattern, connection, &received);
        let Some(is_new) = added else {
            let words = "too many patterns are watched at this gateway";
            return Err(RegistryRefusal::new(error_code::FUZZY_PATTERNS_OVER_LIMIT, words));
        };
        let asked = line.watch_pattern(&pattern, watch_type::WATCH, (received, initializing), headers).await;
        match &asked {
            Ok(()) => line.headers.show(caller.headers()),
            Err(refusal) if refusal.code == error_code::FUZZY_KEYS_OVER_LIMIT => {} // The watch stands, cut off.
            Err(_) if is_new => {
                line.fuzzy().remove(&pattern, connection);
            }
            Err(_) => {}
        }
        if !self.told.is_there(connection) {
            self.lines.forget(connection);
            return Err(RegistryRefusal::unregistered());
        }
        asked
    }

    /// Nacos answered a read over HTTP, which is passed on as it came.
    pub(crate) fn answered_over_http(&self) {
        self.served.nacos_answered();
    }

    /// A read over HTTP was answered from the last known copy, because of this.
    pub(crate) fn copied_over_http(&self, error: &dyn std::fmt::Display) {
        self.served.served(error);
    }

    /// A client is gone.
    pub(crate) fn forget(&self, connection: &ConnectionId) {
        self.lines.forget(connection);
    }

    fn copies(&self) -> MutexGuard<'_, LastCopies> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConfigTasks {
    /// Runs the connections to Nacos until `stop`.
    ///
    /// # Errors
    /// One of them panicked: those who listen over it would hear nothing for ever.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), tokio::task::JoinError> {
        let mut tasks = JoinSet::new();
        let mut look = tokio::time::interval(LOOK);
        loop {
            // All arms are cancel-safe: a line stays in the channel, an ended task in the set, a tick in the interval.
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(line) = self.beginning.recv() => { tasks.spawn(line.run(self.lines.clone(), stop.clone())); }
                Some(ended) = tasks.join_next() => ended?,
                _ = look.tick() => self.served.look_after(Instant::now()),
            }
        }
    }
}

/// Whether the local Nacos was not reached, or starts only.
fn is_unreached(error: &CallError) -> bool {
    match error {
        CallError::NotConnected | CallError::Timeout { .. } => true,
        CallError::Server { code, as_error, .. } => *code == error_code::NOT_READY && as_error.is_some(),
        _ => false,
    }
}

fn is_plausible(context: &ListenContext) -> bool {
    let ListenContext { name, md5 } = context;
    [&name.namespace, &name.group, &name.data_id, md5].into_iter().all(|part| part.len() <= LONGEST_PART)
}

/// Whether a change was made.
fn made<A: Response>(answer: Result<A, CallError>) -> Result<(), RegistryRefusal> {
    match answer {
        Err(CallError::NotConnected | CallError::Timeout { .. }) => {
            let words =
                "the local nacos has not answered: whether the config item was changed, or will be, is not known";
            Err(RegistryRefusal::failed(words))
        }
        answer => answered(answer).map(drop),
    }
}
