//! What the owner wants: it outlives connections, and each new connection is brought to it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::{CallError, ClientCall, ConfigName, ListSource, NewestList, ServiceName};
use crate::message::naming::{GROUP_SEPARATOR, NacosInstance, ServiceInfo};

/// Something that may have to be brought in line with what is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// Own registrations of one service.
    Registration(ServiceName),
    /// The listened config items of one namespace that wait. Rights are given by namespace: one that is refused holds up no other.
    Configs(String),
    /// The fuzzy watch of one namespace.
    Pattern(String),
    /// The subscription of one service.
    Subscription(ServiceName),
    /// A service that must be read.
    Read(ServiceName),
}

impl Subject {
    /// What it is in events.
    pub(super) fn told(&self) -> (ClientCall, String) {
        match self {
            Self::Registration(service) => (ClientCall::Register, service.to_string()),
            Self::Configs(namespace) => (ClientCall::Listen, namespace.clone()),
            Self::Pattern(namespace) => (ClientCall::FuzzyWatch, namespace.clone()),
            Self::Subscription(service) => (ClientCall::Subscribe, service.to_string()),
            Self::Read(service) => (ClientCall::Read, service.to_string()),
        }
    }
}

/// Own instances of one service. A change that a server refuses leaves what it took before as it was, there and here: it would come back with
/// the next connection otherwise.
#[derive(Default)]
pub(super) struct Registration {
    /// What is wanted. Empty: to be deregistered.
    pub(super) instances: Arc<Vec<NacosInstance>>,
    /// Of what is wanted; each change has another.
    pub(super) version: u64,
    /// The last one that was given.
    newest: u64,
    /// What a server took last, over whatever connection.
    taken: Option<(u64, Arc<Vec<NacosInstance>>)>,
    waiting: Vec<oneshot::Sender<Result<(), CallError>>>,
}

/// Whether somebody was told the result of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResultHeard {
    Yes,
    No,
}

/// A fuzzy watch.
#[derive(Default)]
pub(super) struct Pattern {
    /// What has been told, as `namespace@@group@@service`.
    pub(super) known: BTreeSet<String>,
    /// The state at the start of this connection has been told whole.
    pub(super) ready: bool,
}

/// What is wanted, and what of it waits to be noticed.
#[derive(Default)]
pub(super) struct Memory {
    subscriptions: HashMap<ServiceName, NewestList>,
    /// Namespaces in which a (group, service) is subscribed: pushes do not say theirs.
    namespaces: HashMap<(String, String), BTreeSet<String>>,
    /// The md5 that the owner holds.
    pub(super) configs: BTreeMap<ConfigName, String>,
    pub(super) registrations: BTreeMap<ServiceName, Registration>,
    pub(super) patterns: BTreeMap<String, Pattern>,
    /// Subscriptions to be ended and made anew on this connection.
    renewals: HashSet<ServiceName>,
    /// What was told as refused or unanswered, and not as answered since. At most what is wanted, and what was until a moment ago.
    refused: HashSet<Subject>,
    inbox: Vec<Subject>,
    /// What is in the inbox: without a connection nobody empties it.
    noticed: HashSet<Subject>,
    config_inbox: Vec<ConfigName>,
}

impl Memory {
    pub(super) fn subscribe(&mut self, service: ServiceName) {
        if self.subscriptions.contains_key(&service) {
            return;
        }
        let key = (service.group.clone(), service.service.clone());
        self.namespaces.entry(key).or_default().insert(service.namespace.clone());
        self.subscriptions.insert(service.clone(), NewestList::default());
        self.notice(Subject::Subscription(service));
    }

    pub(super) fn unsubscribe(&mut self, service: &ServiceName) {
        if self.subscriptions.remove(service).is_none() {
            return;
        }
        let key = (service.group.clone(), service.service.clone());
        if let Some(namespaces) = self.namespaces.get_mut(&key) {
            namespaces.remove(&service.namespace);
            if namespaces.is_empty() {
                self.namespaces.remove(&key);
            }
        }
        self.notice(Subject::Subscription(service.clone()));
    }

    pub(super) fn is_subscribed(&self, service: &ServiceName) -> bool {
        self.subscriptions.contains_key(service)
    }

    /// The subscribed services that a push can be about: more than one if the same group and service are subscribed in several namespaces.
    pub(super) fn pushed(&self, info: &ServiceInfo) -> Vec<ServiceName> {
        let (group, service) = match info.name.split_once(GROUP_SEPARATOR) {
            Some((group, service)) => (group, service),
            None => (&*info.group_name, &*info.name),
        };
        let namespaces = self.namespaces.get(&(group.to_owned(), service.to_owned()));
        namespaces.into_iter().flatten().map(|namespace| ServiceName::new(namespace, group, service)).collect()
    }

    /// Notes a snapshot that is about to be told. False if it must not be: nobody wants it any more, or a newer one has been told.
    pub(super) fn note_snapshot(
        &mut self,
        service: &ServiceName,
        generation: u64,
        last_ref_time: i64,
        from: ListSource,
    ) -> bool {
        let newest = self.subscriptions.get_mut(service);
        newest.is_some_and(|newest| newest.admits(generation, last_ref_time, from))
    }

    /// Has the subscription of some service ended and made anew, if there is one: `pick` chooses among them.
    pub(super) fn renew_one(&mut self, pick: usize) -> Option<ServiceName> {
        let count = self.subscriptions.len();
        let service = self.subscriptions.keys().nth(pick.checked_rem(count)?)?.clone();
        self.renewals.insert(service.clone());
        self.notice(Subject::Subscription(service.clone()));
        Some(service)
    }

    /// Whether the subscription is to be made anew; asked once.
    pub(super) fn take_renewal(&mut self, service: &ServiceName) -> bool {
        self.renewals.remove(service)
    }

    /// An attempt was refused, or not answered again and again.
    pub(super) fn note_refused(&mut self, subject: Subject) {
        self.refused.insert(subject);
    }

    /// An attempt succeeded. Whether it was refused before.
    pub(super) fn note_answered(&mut self, subject: &Subject) -> bool {
        !self.refused.is_empty() && self.refused.remove(subject)
    }

    /// Asks for services to be read.
    pub(super) fn read(&mut self, services: Vec<ServiceName>) {
        services.into_iter().for_each(|service| self.notice(Subject::Read(service)));
    }

    pub(super) fn listen(&mut self, config: ConfigName, md5: String) {
        if self.configs.insert(config.clone(), md5).is_none() {
            self.notice(Subject::Configs(config.namespace.clone()));
            self.config_inbox.push(config);
        }
    }

    pub(super) fn unlisten(&mut self, config: &ConfigName) {
        if self.configs.remove(config).is_some() {
            self.config_inbox.push(config.clone());
            self.notice(Subject::Configs(config.namespace.clone()));
        }
    }

    /// The listened item that a notice is about, as it was listened to.
    pub(super) fn listened(&self, noticed: ConfigName) -> Option<ConfigName> {
        if self.configs.contains_key(&noticed) {
            return Some(noticed);
        }
        noticed.alias().filter(|alias| self.configs.contains_key(alias))
    }

    pub(super) fn watch(&mut self, namespace: String) {
        if !self.patterns.contains_key(&namespace) {
            self.patterns.insert(namespace.clone(), Pattern::default());
            self.notice(Subject::Pattern(namespace));
        }
    }

    pub(super) fn unwatch(&mut self, namespace: &str) {
        if self.patterns.remove(namespace).is_some() {
            self.notice(Subject::Pattern(namespace.to_owned()));
        }
    }

    /// Wants exactly these instances; the receiver gets the result of the first attempt.
    pub(super) fn register(
        &mut self,
        service: ServiceName,
        instances: Vec<NacosInstance>,
    ) -> oneshot::Receiver<Result<(), CallError>> {
        let (sender, receiver) = oneshot::channel();
        let registration = self.registrations.entry(service.clone()).or_default();
        registration.instances = instances.into();
        registration.newest += 1;
        registration.version = registration.newest;
        registration.waiting.retain(|waiting| !waiting.is_closed());
        registration.waiting.push(sender);
        self.notice(Subject::Registration(service));
        receiver
    }

    /// An attempt at this version of a registration, of these instances, ended.
    pub(super) fn registration_ended(
        &mut self,
        service: &ServiceName,
        (version, instances): (u64, &Arc<Vec<NacosInstance>>),
        result: &Result<(), CallError>,
    ) -> ResultHeard {
        let Some(registration) = self.registrations.get_mut(service) else { return ResultHeard::Yes };
        if result.is_ok() {
            registration.taken = (!instances.is_empty()).then(|| (version, Arc::clone(instances)));
        }
        if registration.version != version {
            return ResultHeard::Yes; // A newer wish is in the inbox; its attempt answers all who wait.
        }
        let mut heard = ResultHeard::No;
        for waiting in registration.waiting.drain(..) {
            // Whoever waited may have given up.
            if waiting.send(result.clone()).is_ok() {
                heard = ResultHeard::Yes;
            }
        }
        if matches!(result, Err(error) if error.is_refusal()) {
            self.fall_back(service);
        } else if result.is_ok() && instances.is_empty() {
            self.registrations.remove(service);
        }
        heard
    }

    /// What is wanted of a service was refused: wanted is again what a server took before. Where that is the same, it is tried again later.
    fn fall_back(&mut self, service: &ServiceName) {
        let Some(registration) = self.registrations.get_mut(service) else { return };
        let Some((version, instances)) = registration.taken.clone() else {
            self.registrations.remove(service);
            return;
        };
        if registration.version != version {
            (registration.version, registration.instances) = (version, instances);
            self.notice(Subject::Registration(service.clone())); // This connection may have been made since.
        }
    }

    fn notice(&mut self, subject: Subject) {
        if self.noticed.insert(subject.clone()) {
            self.inbox.push(subject);
        }
    }

    fn clear_inbox(&mut self) {
        self.inbox.clear();
        self.noticed.clear();
    }

    /// There is no connection: nobody waits for a result, and what was to be deregistered is gone already.
    pub(super) fn disconnected(&mut self) {
        self.clear_inbox();
        self.config_inbox.clear();
        self.renewals.clear();
        self.registrations.retain(|_, registration| {
            for waiting in registration.waiting.drain(..) {
                let _ = waiting.send(Err(CallError::NotConnected));
            }
            !registration.instances.is_empty()
        });
    }

    /// On a new connection there is nothing to deregister.
    fn forget_deregistered(&mut self) {
        self.registrations.retain(|_, registration| {
            if registration.instances.is_empty() {
                for waiting in registration.waiting.drain(..) {
                    let _ = waiting.send(Ok(()));
                }
                return false;
            }
            true
        });
    }

    /// A new connection: everything that is wanted has to be asked for, in this order. What others need from us comes first.
    pub(super) fn start_over(&mut self) -> Vec<Subject> {
        self.clear_inbox();
        self.forget_deregistered();
        self.config_inbox = self.configs.keys().cloned().collect();
        self.patterns.values_mut().for_each(|pattern| pattern.ready = false);
        let registrations = self.registrations.keys().cloned().map(Subject::Registration);
        let configs: BTreeSet<String> = self.configs.keys().map(|config| config.namespace.clone()).collect();
        let configs = configs.into_iter().map(Subject::Configs);
        let patterns = self.patterns.keys().cloned().map(Subject::Pattern);
        let subscriptions = self.subscriptions.keys().cloned().map(Subject::Subscription);
        registrations.chain(configs).chain(patterns).chain(subscriptions).collect()
    }

    pub(super) fn take_inbox(&mut self) -> Vec<Subject> {
        self.noticed.clear();
        std::mem::take(&mut self.inbox)
    }

    pub(super) fn take_config_inbox(&mut self) -> Vec<ConfigName> {
        std::mem::take(&mut self.config_inbox)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, group: &str) -> ServiceInfo {
        ServiceInfo { name: name.to_owned(), group_name: group.to_owned(), ..ServiceInfo::default() }
    }

    #[test]
    fn a_snapshot_is_told_while_somebody_wants_it_and_if_no_newer_one_was() {
        let service = ServiceName::new("public", "G", "s");
        let mut memory = Memory::default();
        assert!(!memory.note_snapshot(&service, 1, 1, ListSource::Stream), "nobody wants it");
        memory.subscribe(service.clone());
        assert!(memory.note_snapshot(&service, 1, 6, ListSource::Stream));
        assert!(!memory.note_snapshot(&service, 1, 5, ListSource::Answer), "overtaken by the push");
        memory.start_over();
        assert!(memory.note_snapshot(&service, 2, 1, ListSource::Answer), "another server has another clock");
        memory.unsubscribe(&service);
        assert!(!memory.note_snapshot(&service, 2, 2, ListSource::Stream), "nobody wants it any more");
    }

    #[test]
    fn a_push_is_about_every_namespace_in_which_its_service_is_subscribed() {
        let mut memory = Memory::default();
        for namespace in ["public", "dev"] {
            memory.subscribe(ServiceName::new(namespace, "G", "s"));
        }
        memory.subscribe(ServiceName::new("public", "G", "t"));
        let namespaces = |pushed: Vec<ServiceName>| pushed.into_iter().map(|name| name.namespace).collect::<Vec<_>>();
        assert_eq!(namespaces(memory.pushed(&info("s", "G"))), ["dev", "public"]);
        assert_eq!(namespaces(memory.pushed(&info("G@@t", "G"))), ["public"]);
        memory.unsubscribe(&ServiceName::new("dev", "G", "s"));
        assert_eq!(namespaces(memory.pushed(&info("s", "G"))), ["public"]);
        memory.unsubscribe(&ServiceName::new("public", "G", "s"));
        assert_eq!(memory.pushed(&info("s", "G")), []);
    }

    #[test]
    fn a_bell_finds_the_item_under_the_name_it_was_listened_to() {
        let mut memory = Memory::default();
        memory.listen(ConfigName::new("", "G", "a"), String::new());
        memory.listen(ConfigName::new("dev", "G", "a"), String::new());
        for (rung, found) in [("", Some("")), ("public", Some("")), ("dev", Some("dev")), ("other", None)] {
            let listened = memory.listened(ConfigName::new(rung, "G", "a"));
            assert_eq!(listened.map(|config| config.namespace).as_deref(), found, "{rung}");
        }
    }

    #[test]
    fn a_newer_registration_answers_for_an_older_one() {
        let service = ServiceName::new("public", "G", "s");
        let mut memory = Memory::default();
        let mut first = memory.register(service.clone(), vec![NacosInstance::default()]);
        let mut second = memory.register(service.clone(), Vec::new());
        memory.registration_ended(&service, (1, &Arc::new(vec![NacosInstance::default()])), &Ok(()));
        assert!(first.try_recv().is_err() && second.try_recv().is_err());
        memory.registration_ended(&service, (2, &Arc::default()), &Ok(()));
        assert!(matches!((first.try_recv(), second.try_recv()), (Ok(Ok(())), Ok(Ok(())))));
        assert!(memory.registrations.is_empty());
    }

    fn at(ip: &str) -> Vec<NacosInstance> {
        vec![NacosInstance { ip: ip.to_owned(), ..NacosInstance::default() }]
    }

    fn refused() -> Result<(), CallError> {
        Err(CallError::Refused { message: "no".to_owned() })
    }

    /// Which instance is wanted of the service.
    fn wanted(memory: &Memory, service: &ServiceName) -> Option<String> {
        memory.registrations.get(service).map(|wanted| wanted.instances.first().map_or("", |one| &one.ip).to_owned())
    }

    /// Wants these instances and gets this result at once.
    fn change(memory: &mut Memory, service: &ServiceName, to: Vec<NacosInstance>, result: &Result<(), CallError>) {
        let _waits = memory.register(service.clone(), to);
        let registration = &memory.registrations[service];
        let (version, instances) = (registration.version, Arc::clone(&registration.instances));
        assert_eq!(memory.registration_ended(service, (version, &instances), result), ResultHeard::Yes);
    }

    #[test]
    fn a_refused_change_leaves_wanted_what_was_taken_before() {
        let service = ServiceName::new("public", "G", "s");
        let mut memory = Memory::default();
        change(&mut memory, &service, at("1"), &refused());
        assert_eq!(wanted(&memory, &service), None, "nothing was there before");
        change(&mut memory, &service, at("1"), &Ok(()));
        let taken = memory.registrations[&service].version;
        change(&mut memory, &service, at("2"), &refused());
        assert_eq!(wanted(&memory, &service).as_deref(), Some("1"));
        assert_eq!(memory.registrations[&service].version, taken, "the connection that has it needs no call");
        change(&mut memory, &service, Vec::new(), &refused());
        assert_eq!(wanted(&memory, &service).as_deref(), Some("1"), "a refused deregistration is none");
        change(&mut memory, &service, at("3"), &Err(CallError::Timeout { after: std::time::Duration::ZERO }));
        assert_eq!(wanted(&memory, &service).as_deref(), Some("3"), "silence is no refusal");
        assert!(memory.registrations[&service].version > taken + 2, "no version is given twice");
    }

    #[test]
    fn a_refusal_that_nobody_waited_for_is_told_apart() {
        let service = ServiceName::new("public", "G", "s");
        let mut memory = Memory::default();
        change(&mut memory, &service, at("1"), &Ok(()));
        let (version, instances) = (1, Arc::new(at("1")));
        assert_eq!(memory.registration_ended(&service, (version, &instances), &refused()), ResultHeard::No);
        assert_eq!(wanted(&memory, &service).as_deref(), Some("1"), "what was taken once stays wanted");
        drop(memory.register(service.clone(), at("2")));
        assert_eq!(memory.registration_ended(&service, (2, &Arc::new(at("2"))), &refused()), ResultHeard::No);
    }

    #[test]
    fn without_a_connection_the_inbox_holds_each_registration_once() {
        let service = ServiceName::new("public", "G", "s");
        let mut memory = Memory::default();
        for ip in ["1", "2", "3"] {
            drop(memory.register(service.clone(), at(ip)));
        }
        assert_eq!(memory.take_inbox(), [Subject::Registration(service.clone())]);
        let mut gone = memory.register(service.clone(), Vec::new());
        assert_eq!(memory.start_over(), [], "on a new connection there is nothing to deregister");
        assert!(matches!(gone.try_recv(), Ok(Ok(()))));
    }
}
