//! Watches on which services exist in any cluster, for clients of Nacos 3.x.
//!
//! ```text
//!   client ──watch──▶ pattern ──what it does not know yet──▶ client
//!                        ▲
//!   names in the view ───┘ compared each LOOK while somebody watches; what began or ceased ──▶ all clients of the pattern
//! ```
//!
//! A service exists for a client if a lookup of it would find an instance: in any cluster, or where a rule names one cluster, there. All clients of a
//! pattern are told the same, so that what was told is kept once for all of them.
//!
//! Bounds, those of a Nacos: so many different patterns, and of each so many services; a pattern that matches more is answered with Nacos's code
//! for it, and further services are left out until some of the others are gone. Nothing runs while nobody watches. Invariant: what is noted as
//! told, is what each client of the pattern knows once it has taken all pushes so far; they are queued under the lock that guards it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use federation_core::id::{ClusterId, ServiceKey};
use federation_view::view::ViewReader;
use nacos_protocol::message::error_code;
use nacos_protocol::server::fuzzy::{FuzzyPattern, WatchDifference, WatchedName, fuzzy_push, fuzzy_state, wire_key};
use nacos_protocol::server::{ClientSessions, ConnectionId, FuzzyWatch, FuzzyWatching, RegistryRefusal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Knowledge;
use super::rules::LookupRules;
use crate::looking::look_while_wanted;
use crate::names::ServiceNames;

/// How often names are compared while somebody watches. Nacos itself gathers for as long.
const LOOK: Duration = Duration::from_millis(500);
/// Different patterns of all clients together, as in Nacos (`nacos.naming.fuzzy.watch.max.pattern.count`).
const MOST_PATTERNS: usize = 20;
/// Services of one pattern, as in Nacos (`nacos.naming.fuzzy.watch.max.pattern.match.service.count`).
const MOST_SERVICES: usize = 500;

/// What existence is read from.
pub(super) struct ExistenceSources {
    pub(super) view: ViewReader,
    pub(super) names: Arc<dyn ServiceNames>,
    pub(super) own: ClusterId,
    pub(super) rules: Arc<LookupRules>,
    pub(super) knowledge: Arc<Knowledge>,
}

/// See the module.
pub(super) struct ServiceWatches(Arc<Shared>);

/// What there is to run.
pub(crate) struct ServiceWatchTask(Arc<Shared>);

struct Shared {
    sources: ExistenceSources,
    sessions: ClientSessions,
    /// Locked for one watch, one look or one removal, never across an await.
    patterns: Mutex<BTreeMap<String, WatchedPattern>>,
    begun: Notify,
}

struct WatchedPattern {
    pattern: FuzzyPattern,
    clients: BTreeSet<ConnectionId>,
    /// What clients were told that exists, by its key on the wire; at most [`MOST_SERVICES`].
    told: BTreeSet<String>,
    is_over: bool,
    candidates: Candidates,
}

/// Services whose names match, from one state of the names.
#[derive(Default)]
struct Candidates {
    /// Compared by where it lies.
    names: Option<Arc<BTreeSet<ServiceKey>>>,
    matching: Vec<Candidate>,
    has_rules: bool,
}

struct Candidate {
    key: ServiceKey,
    on_wire: String,
    /// The one cluster in which it is looked up.
    only: Option<ClusterId>,
}

/// Both ends.
pub(super) fn service_watches(
    sources: ExistenceSources,
    sessions: ClientSessions,
) -> (ServiceWatches, ServiceWatchTask) {
    let shared = Arc::new(Shared { sources, sessions, patterns: Mutex::default(), begun: Notify::new() });
    (ServiceWatches(Arc::clone(&shared)), ServiceWatchTask(shared))
}

impl ServiceWatches {
    /// Begins, renews or ends a client's watch. It is told what it does not know yet.
    ///
    /// # Errors
    /// The pattern cannot be read; there are too many; it matches more than is told (it stands then); it is not known yet what exists.
    pub(super) fn watch(&self, connection: &ConnectionId, watch: &FuzzyWatch) -> Result<(), RegistryRefusal> {
        if watch.cancel {
            self.0.leave(connection, |pattern| *pattern == watch.pattern);
            return Ok(());
        }
        if !self.0.sources.knowledge.is_complete() {
            let words = "the gateway does not know yet which services there are, please try later";
            return Err(RegistryRefusal::new(error_code::NOT_READY, words));
        }
        let is_over = self.0.begin(connection, watch)?;
        self.0.begun.notify_one();
        if !self.0.sessions.contains(connection) {
            self.forget(connection);
            return Err(RegistryRefusal::unregistered());
        }
        if is_over {
            let words = format!("the pattern matches more than {MOST_SERVICES} services, of which no more are told");
            return Err(RegistryRefusal::new(error_code::FUZZY_KEYS_OVER_LIMIT, words));
        }
        Ok(())
    }

    /// A connection is gone.
    pub(super) fn forget(&self, connection: &ConnectionId) {
        self.0.leave(connection, |_| true);
    }
}

impl Shared {
    fn patterns(&self) -> MutexGuard<'_, BTreeMap<String, WatchedPattern>> {
        self.patterns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the pattern matches more than is told.
    fn begin(&self, connection: &ConnectionId, watch: &FuzzyWatch) -> Result<bool, RegistryRefusal> {
        let pattern = FuzzyPattern::parse(&watch.pattern)?;
        let mut patterns = self.patterns();
        if patterns.len() >= MOST_PATTERNS && !patterns.contains_key(&watch.pattern) {
            let words = format!("more than {MOST_PATTERNS} fuzzy watch patterns");
            return Err(RegistryRefusal::new(error_code::FUZZY_PATTERNS_OVER_LIMIT, words));
        }
        let watched = patterns.entry(watch.pattern.clone()).or_insert_with(|| WatchedPattern::new(pattern));
        self.look_at(watched); // What is new to those who watch already, they are told first.
        watched.clients.insert(connection.clone());
        let received: BTreeSet<String> = watch.received.iter().cloned().collect();
        let difference = WatchDifference {
            appeared: watched.told.difference(&received).cloned().collect(),
            // Services beyond the limit may exist, and are not said to have gone.
            vanished: match watched.is_over {
                true => Vec::new(),
                false => received.difference(&watched.told).cloned().collect(),
            },
        };
        for (key, body) in fuzzy_state(FuzzyWatching::Services, &watch.pattern, &difference, watch.initializing) {
            self.sessions.push(connection, key, body);
        }
        Ok(watched.is_over)
    }

    fn leave(&self, connection: &ConnectionId, is_meant: impl Fn(&String) -> bool) {
        self.patterns().retain(|text, watched| {
            let leaves = is_meant(text) && watched.clients.remove(connection);
            !(leaves && watched.clients.is_empty())
        });
    }

    /// Compares all patterns.
    fn look(&self) {
        self.patterns().values_mut().for_each(|watched| self.look_at(watched));
    }

    fn look_at(&self, watched: &mut WatchedPattern) {
        if !watched.candidates.renew(&watched.pattern, &self.sources) && !watched.candidates.has_rules {
            return;
        }
        let exists = |candidate: &&Candidate| self.sources.exists(candidate);
        let existing: BTreeSet<&String> =
            watched.candidates.matching.iter().filter(exists).map(|candidate| &candidate.on_wire).collect();
        let vanished: Vec<String> = watched.told.iter().filter(|key| !existing.contains(key)).cloned().collect();
        let kept = watched.told.len() - vanished.len();
        let new = existing.iter().filter(|key| !watched.told.contains(**key));
        let appeared: Vec<String> = new.take(MOST_SERVICES - kept).map(|key| (*key).clone()).collect();
        watched.is_over = existing.len() > MOST_SERVICES;
        for (key, exists) in
            vanished.into_iter().map(|key| (key, false)).chain(appeared.into_iter().map(|key| (key, true)))
        {
            match exists {
                true => watched.told.insert(key.clone()),
                false => watched.told.remove(&key),
            };
            let (subject, body) = fuzzy_push(FuzzyWatching::Services, key, exists);
            for client in &watched.clients {
                self.sessions.push(client, subject.clone(), body.clone());
            }
        }
    }
}

impl WatchedPattern {
    fn new(pattern: FuzzyPattern) -> Self {
        Self {
            pattern,
            clients: BTreeSet::new(),
            told: BTreeSet::new(),
            is_over: false,
            candidates: Candidates::default(),
        }
    }
}

impl Candidates {
    /// Finds them anew if the names are others; whether they are.
    fn renew(&mut self, pattern: &FuzzyPattern, sources: &ExistenceSources) -> bool {
        let names = sources.view.service_names();
        if self.names.as_ref().is_some_and(|before| Arc::ptr_eq(before, &names)) {
            return false;
        }
        let namespace = sources.names.namespace(pattern.namespace());
        let first = ServiceKey::new(&namespace, "", "");
        let of_namespace = names.range(first..).take_while(|key| key.namespace() == namespace);
        let candidate = |key: &ServiceKey| {
            let name = WatchedName { namespace: pattern.namespace(), group: key.group(), name: key.service() };
            pattern.matches(name).then(|| Candidate {
                key: key.clone(),
                on_wire: wire_key(FuzzyWatching::Services, name),
                only: sources.rules.only(&ServiceKey::new(name.namespace, name.group, name.name), &sources.own),
            })
        };
        self.matching = of_namespace.filter_map(candidate).collect();
        self.has_rules = self.matching.iter().any(|candidate| candidate.only.is_some());
        self.names = Some(names);
        true
    }
}

impl ExistenceSources {
    /// A name is in the view while an instance is; which cluster has it counts only where a rule says so.
    fn exists(&self, candidate: &Candidate) -> bool {
        let Some(only) = &candidate.only else { return true };
        let service = self.view.service(&candidate.key);
        service.is_some_and(|service| {
            service.origins.iter().any(|origin| origin.origin == *only && !origin.instances.is_empty())
        })
    }
}

impl ServiceWatchTask {
    /// Compares while somebody watches, until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Self(shared) = self;
        look_while_wanted(LOOK, &shared.begun, || !shared.patterns().is_empty(), || shared.look(), stop).await;
    }
}

#[cfg(test)]
mod tests {
    use federation_core::id::InstanceId;
    use federation_core::instance::{Health, Instance, Metadata, Weight};
    use federation_core::pattern::ServicePattern;
    use federation_core::service::{FactSource, FederatedInstance, FederatedService, OriginInstances, Revision};
    use federation_core::time::Mono;
    use federation_view::view::{self, GatewayStatus, ViewChange, ViewWriter};

    use super::*;

    /// Local namespaces have another name in the federation.
    struct Prefixed;

    impl ServiceNames for Prefixed {
        fn federated(&self, local: &ServiceKey) -> Option<ServiceKey> {
            Some(ServiceKey::new(&self.namespace(local.namespace()), local.group(), local.service()))
        }

        fn are_all_exported(&self, _namespace: &str, _group: &str) -> bool {
            true
        }

        fn namespace(&self, local: &str) -> String {
            format!("f-{local}")
        }
    }

    struct World {
        writer: ViewWriter,
        shared: Arc<Shared>,
    }

    impl World {
        fn new(rules: LookupRules) -> Self {
            let (mut writer, view) = view::new(Arc::new(|| Mono(0)));
            let gateway = GatewayStatus { ready: true, ..GatewayStatus::default() };
            writer.apply(ViewChange { gateway: Some(Arc::new(gateway)), ..ViewChange::default() });
            let sources = ExistenceSources {
                knowledge: Knowledge::of(view.clone()),
                view,
                names: Arc::new(Prefixed),
                own: "a".parse().expect("a cluster"),
                rules: Arc::new(rules),
            };
            let (ServiceWatches(shared), _) = service_watches(sources, ClientSessions::default());
            Self { writer, shared }
        }

        /// Writes services with an instance in this cluster each; none removes them.
        fn write(&mut self, names: &[&str], cluster: Option<&str>) {
            let services = names.iter().map(|name| {
                let key = ServiceKey::new("f-public", "g", name);
                let service = cluster.map(|cluster| Arc::new(service(&key, cluster)));
                (key, service)
            });
            self.writer.apply(ViewChange { services: services.collect(), ..ViewChange::default() });
        }

        fn begin(&self, pattern: &str, received: &[&str]) -> Result<bool, RegistryRefusal> {
            let watch = FuzzyWatch {
                watching: FuzzyWatching::Services,
                pattern: pattern.to_owned(),
                received: received.iter().map(ToString::to_string).collect(),
                initializing: true,
                cancel: false,
            };
            self.shared.begin(&connection(), &watch)
        }

        fn told(&self, pattern: &str) -> Vec<String> {
            self.shared.look();
            self.shared.patterns()[pattern].told.iter().cloned().collect()
        }
    }

    fn connection() -> ConnectionId {
        ConnectionId::from(Arc::<str>::from("c"))
    }

    fn service(key: &ServiceKey, cluster: &str) -> FederatedService {
        let instance = Instance {
            weight: Weight::try_from(1.0).expect("a weight"),
            health: Health::Healthy,
            enabled: true,
            ephemeral: true,
            metadata: Metadata::default(),
        };
        let instance = FederatedInstance {
            id: InstanceId::new("10.0.0.1", 80, "DEFAULT"),
            instance: Arc::new(instance),
            effective: Health::Healthy,
            held: None,
        };
        let origin = cluster.parse().expect("a cluster");
        let origins = vec![OriginInstances { origin, source: FactSource::Log, instances: vec![instance] }];
        FederatedService { key: key.clone(), revision: Revision(1), origins }
    }

    const ALL: &str = "public>>*>>*";

    #[test]
    fn services_of_the_clients_namespace_that_match_are_told_by_its_own_name() {
        let mut world = World::new(LookupRules::default());
        world.write(&["orders", "billing"], Some("b"));
        assert_eq!(world.begin("public>>*>>ord*", &[]), Ok(false));
        assert_eq!(world.begin("other>>*>>*", &[]), Ok(false));
        assert_eq!(world.told("public>>*>>ord*"), ["public@@g@@orders"]);
        assert!(world.told("other>>*>>*").is_empty());
        world.write(&["orders"], None);
        assert!(world.told("public>>*>>ord*").is_empty());
        world.shared.leave(&connection(), |_| true);
        assert!(world.shared.patterns().is_empty(), "nobody watches any more");
    }

    #[test]
    fn where_a_rule_names_one_cluster_only_that_one_counts_also_when_the_names_stay() {
        let local_only = vec![ServicePattern::any()];
        let mut world = World::new(LookupRules { local_only, ..LookupRules::default() });
        world.write(&["orders"], Some("b"));
        assert_eq!(world.begin(ALL, &[]), Ok(false));
        assert!(world.told(ALL).is_empty());
        world.write(&["orders"], Some("a"));
        assert_eq!(world.told(ALL), ["public@@g@@orders"]);
        world.write(&["orders"], Some("b"));
        assert!(world.told(ALL).is_empty());
    }

    #[test]
    fn of_a_pattern_that_matches_too_much_some_are_told_and_others_when_there_is_room() {
        let mut world = World::new(LookupRules::default());
        let names: Vec<String> = (0..=MOST_SERVICES).map(|number| format!("s{number:03}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        world.write(&names, Some("a"));
        assert_eq!(world.begin(ALL, &[]), Ok(true));
        assert_eq!(world.told(ALL).len(), MOST_SERVICES);
        assert!(!world.told(ALL).contains(&"public@@g@@s500".to_owned()));
        world.write(&names[..1], None);
        assert!(world.told(ALL).contains(&"public@@g@@s500".to_owned()));
        assert_eq!(world.begin(ALL, &[]), Ok(false));
    }

    #[test]
    fn patterns_beyond_the_bound_and_malformed_ones_are_refused() {
        let world = World::new(LookupRules::default());
        for number in 0..MOST_PATTERNS {
            assert_eq!(world.begin(&format!("public>>*>>s{number}"), &[]), Ok(false));
        }
        let code = |pattern: &str| world.begin(pattern, &[]).map_err(|refusal| refusal.code);
        assert_eq!(code("public>>*>>one"), Err(error_code::FUZZY_PATTERNS_OVER_LIMIT));
        assert_eq!(code("public>>*>>s1"), Ok(false));
        assert_eq!(code("public>>*"), Err(error_code::BAD_PARAMETER));
    }
}
