//! Dubbo's mapping of interfaces to applications, of all clusters.
//!
//! A consumer of Dubbo 3 knows an interface, and services are registered by application: which application offers it, it reads in a config item of
//! the group `mapping`, named as the interface, whose content is names of applications with commas between. A provider adds its name: it reads, and
//! writes on condition that nothing was written meanwhile. So that a consumer finds what is offered elsewhere only, a read answers what the local
//! Nacos has, and behind it what else other clusters export under that name. The local Nacos keeps what is its own:
//!
//! ```text
//!   read      local "shop"            ──▶ answered "shop,orders"; noted: MD5 of that ↔ MD5 of "shop"
//!   listen    MD5 of "shop,orders"    ──▶ asked of Nacos as MD5 of "shop"; "differs" if other clusters have others by now
//!   publish   "shop,orders,stock", if MD5 of "shop,orders"   ──▶ "shop,stock", if MD5 of "shop"
//!   a change in another cluster       ──▶ whoever listens is told to look again
//! ```
//!
//! The failures that this defends against: a listener whose MD5 Nacos never finds right, and which asks without end; a name of another cluster that
//! is written back and stays for ever; a list that lacks other clusters because the gateway has not read of them yet. So until it has, reads are
//! refused, on which SDKs keep what they have, and listeners are told nothing. What the local Nacos does not let a caller read, it is not
//! given from elsewhere. What does not look like names of applications is left alone on both sides.

mod answered;
mod heard;
mod names;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use federation_core::id::{ClusterId, ConfigKey};
use federation_view::view::ViewReader;
use nacos_protocol::message::config::{ConfigChangeNotifyRequest, ConfigQueryResponse};
use nacos_protocol::message::{Response, ResponseOutcome, error_code};
use nacos_protocol::server::{
    ClientSessions, ConfigChange, ConfigName, ConfigPublication, ConnectionId, ListenContext, PushBody, PushKey,
    RegistryRefusal,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::answered::{MappingAnswer, MappingAnswers};
use self::heard::HeardMappings;
use self::names::{OtherApplications, md5_of, with, without};
use crate::looking::look_while_wanted;
use crate::names::ServiceNames;
use crate::naming::Knowledge;

/// Dubbo's group of mappings.
const GROUP: &str = "mapping";
/// What Dubbo says that an item must have that is not there. Any will do, but not none: that would be no condition.
const OF_NOTHING: &str = "0";
/// Nacos's default namespace, which for config items has `""` as another name.
const PUBLIC: &str = "public";
/// How often other clusters' mappings are compared while somebody listens: Nacos itself takes as long to push a change of a service.
const LOOK: Duration = Duration::from_millis(500);

/// What mappings are read from.
pub(crate) struct MappingSources {
    pub(crate) view: ViewReader,
    pub(crate) names: Arc<dyn ServiceNames>,
    pub(crate) own: ClusterId,
    pub(crate) sessions: ClientSessions,
}

/// See the module.
pub(crate) struct Mappings(Arc<Shared>);

/// What there is to run.
pub(crate) struct MappingTask(Arc<Shared>);

/// What a client listens to, as the local Nacos is to be asked.
pub(crate) struct AskedOfNacos {
    /// What to ask.
    pub(crate) contexts: Vec<ListenContext>,
    /// What differs already, whatever Nacos says.
    pub(crate) differing: Vec<ConfigName>,
}

struct Shared {
    view: ViewReader,
    names: Arc<dyn ServiceNames>,
    own: ClusterId,
    sessions: ClientSessions,
    knowledge: Arc<Knowledge>,
    answers: Mutex<MappingAnswers>, // Locked for one answer.
    heard: Mutex<HeardMappings>,    // Locked for one item of a client, or one look at all.
    begun: Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_mapping(name: &ConfigName) -> bool {
    name.group == GROUP
}

/// What is answered where the local Nacos has this and other clusters have those, if it is something else; and what is to be noted of it.
fn join(
    there: Option<&ConfigQueryResponse>,
    others: &OtherApplications,
) -> (Option<ConfigQueryResponse>, MappingAnswer) {
    let content = there.and_then(|item| item.content.as_deref()).unwrap_or_default();
    let is_encrypted = there.and_then(|item| item.encrypted_data_key.as_ref()).is_some_and(|key| !key.is_empty());
    let added = if is_encrypted { Vec::new() } else { others.beyond(content) };
    let answered = with(content, &added);
    let local_md5 = match there {
        Some(item) => item.md5.clone().unwrap_or_else(|| md5_of(content)),
        None => String::new(),
    };
    let md5 = if added.is_empty() { local_md5.clone() } else { md5_of(&answered) };
    let noted = MappingAnswer { md5: md5.clone(), local_md5, added, mark: others.mark() };
    if noted.added.is_empty() {
        return (None, noted);
    }
    let of_nothing = || ConfigQueryResponse { content_type: Some("text".to_owned()), ..ConfigQueryResponse::default() };
    let item = there.cloned().unwrap_or_else(of_nothing);
    (Some(ConfigQueryResponse { content: Some(answered), md5: Some(md5), ..item }), noted)
}

impl Mappings {
    pub(crate) fn new(sources: MappingSources) -> (Self, MappingTask) {
        let MappingSources { view, names, own, sessions } = sources;
        let shared = Arc::new(Shared {
            knowledge: Knowledge::of(view.clone()),
            view,
            names,
            own,
            sessions,
            answers: Mutex::default(),
            heard: Mutex::default(),
            begun: Notify::new(),
        });
        (Self(Arc::clone(&shared)), MappingTask(shared))
    }

    /// The answer to a read, of what the local Nacos answered.
    ///
    /// # Errors
    /// It is a mapping, and it is not known yet what other clusters have.
    pub(crate) fn answer(
        &self,
        name: &ConfigName,
        local: Option<ConfigQueryResponse>,
    ) -> Result<Option<ConfigQueryResponse>, RegistryRefusal> {
        if !is_mapping(name) {
            return Ok(local);
        }
        // In this answer the code of "not ready" says that there is no such item.
        let there = match local.as_ref().map(Response::outcome) {
            Some(ResponseOutcome::Ok) => local.as_ref(),
            None | Some(ResponseOutcome::Failed { error_code: error_code::NOT_READY, .. }) => None,
            Some(ResponseOutcome::Failed { .. }) => return Ok(local),
        };
        if !self.0.knowledge.is_complete() {
            let words = "the gateway does not know yet what other clusters map this interface to, please try later";
            return Err(RegistryRefusal::failed(words));
        }
        let others = self.0.others(name);
        if others.is_empty() {
            return Ok(local);
        }
        let (joined, noted) = join(there, &others);
        lock(&self.0.answers).note(name, noted);
        Ok(joined.or(local))
    }

    /// What is to be asked of the local Nacos for a client that listens. Whoever listens is told of changes in other clusters from now on.
    pub(crate) fn ask(&self, client: &ConnectionId, contexts: Vec<ListenContext>) -> AskedOfNacos {
        let mut asked = AskedOfNacos { contexts: Vec::with_capacity(contexts.len()), differing: Vec::new() };
        for context in contexts {
            if !is_mapping(&context.name) {
                asked.contexts.push(context);
                continue;
            }
            let is_known = self.0.knowledge.is_complete();
            let before = self.0.others(&context.name);
            lock(&self.0.heard).hear(client, &context.name, is_known.then(|| before.mark()));
            self.0.begun.notify_one();
            if !is_known {
                continue; // It is told to look again once it is known.
            }
            // After it was noted: what changes from here on is told.
            let mark = self.0.others(&context.name).mark();
            let answers = lock(&self.0.answers);
            let held = answers.find(&context.name, &context.md5);
            let differs = held.map_or(mark != 0, |held| held.mark != mark);
            let md5 = held.map_or_else(|| context.md5.clone(), |held| held.local_md5.clone());
            drop(answers);
            if differs {
                asked.differing.push(context.name.clone());
            }
            asked.contexts.push(ListenContext { md5, ..context });
        }
        asked
    }

    /// Nacos was asked: a client that went meanwhile is forgotten.
    pub(crate) fn asked(&self, client: &ConnectionId) {
        if !self.0.sessions.contains(client) {
            self.forget(client);
        }
    }

    /// What is to be written into the local Nacos: what other clusters have stays theirs.
    pub(crate) fn written(&self, name: &ConfigName, change: ConfigChange) -> ConfigChange {
        match change {
            ConfigChange::Publish(publication) if is_mapping(name) => {
                ConfigChange::Publish(self.own_part(name, &publication).unwrap_or(publication))
            }
            change => change,
        }
    }

    fn own_part(&self, name: &ConfigName, publication: &ConfigPublication) -> Option<ConfigPublication> {
        let held = publication.cas_md5.as_deref()?;
        let answers = lock(&self.0.answers);
        // What others have by now does not matter to what is written here.
        let read = answers.find(name, held).filter(|read| !read.added.is_empty())?;
        let content = without(&publication.content, &read.added)?;
        let cas_md5 = Some(read.local_md5.clone()).filter(|md5| !md5.is_empty()).or(Some(OF_NOTHING.to_owned()));
        Some(ConfigPublication { content, cas_md5, additions: publication.additions.clone() })
    }

    /// A client listens to these no more.
    pub(crate) fn ignore(&self, client: &ConnectionId, names: &[ConfigName]) {
        let mut heard = lock(&self.0.heard);
        names.iter().filter(|name| is_mapping(name)).for_each(|name| heard.ignore(client, name));
    }

    /// A client is gone.
    pub(crate) fn forget(&self, client: &ConnectionId) {
        lock(&self.0.heard).forget(client);
    }
}

impl Shared {
    /// What other clusters have under that name.
    fn others(&self, name: &ConfigName) -> OtherApplications {
        let local = if name.namespace.is_empty() { PUBLIC } else { &name.namespace };
        let key = ConfigKey::new(&self.names.namespace(local), &name.group, &name.data_id);
        let Some(config) = self.view.config(&key) else { return OtherApplications::default() };
        let is_theirs = |it: &&federation_core::service::OriginConfig| {
            it.origin != self.own && it.item.encrypted_data_key.is_empty()
        };
        OtherApplications::of(config.items.iter().filter(is_theirs).filter_map(|it| it.item.content.text().ok()))
    }

    /// Tells whoever listens to what changed.
    fn look(&self) {
        if !self.knowledge.is_complete() {
            return;
        }
        let changed = lock(&self.heard).changed(|name| self.others(name).mark());
        for (name, clients) in changed {
            let bell = PushBody::of(&ConfigChangeNotifyRequest {
                data_id: name.data_id.clone(),
                group: name.group.clone(),
                tenant: name.namespace.clone(),
                ..ConfigChangeNotifyRequest::default()
            });
            for client in clients {
                self.sessions.push(&client, PushKey::Config((*name).clone()), bell.clone());
            }
        }
    }
}

impl MappingTask {
    /// Compares while somebody listens, until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Self(shared) = self;
        look_while_wanted(LOOK, &shared.begun, || !lock(&shared.heard).is_empty(), || shared.look(), stop).await;
    }
}
