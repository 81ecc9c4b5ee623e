//! Finds what is new: namespaces and services, by listing and by fuzzy watch.
//!
//! Input: lists of Nacos. Output: complete catalogs, names that were found otherwise, and the namespaces for whoever lists config items.
//! Invariant: only a list that is known to be complete becomes a catalog; an error, whatever its form, changes nothing but `status`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use federation_core::id::ServiceKey;
use federation_core::input::LocalInput;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use nacos_protocol::admin::{AdminError, Namespace, ServiceEntry};
use nacos_protocol::client::{CallError, ServiceName};
use tokio_util::sync::CancellationToken;

use super::about::About;
use super::calls::{ApiCall, Trouble};
use super::names::{Meeting, PUBLIC};
use super::pace::{ListingUse, Pace};
use super::shared::{Context, EngineGone};

/// Listings in flight at most: many namespaces must not press a server that just started.
const LISTINGS_IN_FLIGHT: usize = 4;
/// An unchanged catalog is told this many times in a row, and then each tenth time: two catalogs without an empty service end its watch.
const REPEATS: u32 = 2;
const REPEAT_EACH: u32 = 10;
/// So many complete lists in a row without a namespace show that it has no shown name.
const LISTS_WITHOUT: u32 = 3;
/// Groups of the default namespace that are asked for in the nameless one, at most: each is a call.
const FURTHER_GROUPS: usize = 16;
/// A connection takes its first call a moment after it was told of.
const CONNECTING: Duration = Duration::from_millis(50);

/// A namespace whose services are looked for.
struct Watched {
    pace: Pace,
    busy: bool,
    /// The last complete list, and its exported services.
    listed: Option<(Vec<ServiceName>, Vec<ServiceKey>)>,
    unchanged: u32,
    is_for: ListingUse,
    /// Nacos names it, or a rule does.
    named: bool,
}

/// What a listing gave.
enum Listing {
    /// All services.
    Complete(Vec<ServiceName>),
    /// Services of some groups.
    Partial(Vec<ServiceName>),
    /// Nothing is known.
    Nothing,
}

enum Found {
    /// All namespaces.
    All(Vec<Namespace>),
    /// They may not be listed: those that rules name.
    ByRules,
    /// Nothing is known.
    Nothing,
}

enum Outcome {
    Namespaces { found: Found, took: Duration },
    Services { namespace: String, listing: Listing, took: Duration },
}

/// The one that looks for what is new.
pub(super) struct Discovery {
    shared: Context,
    service_poll: Duration,
    namespaces: BTreeMap<String, Watched>,
    namespaces_pace: Pace,
    namespaces_busy: bool,
    /// Namespaces that the configuration names and Nacos does not list, with the number of lists in a row.
    unlisted: BTreeMap<String, u32>,
    /// Namespaces whose first listing has not ended; `None` before namespaces were tried, empty for good after.
    first: Option<BTreeSet<String>>,
    in_flight: FuturesUnordered<BoxFuture<'static, Outcome>>,
}

impl Discovery {
    pub(super) fn new(shared: Context, namespace_poll: Duration, service_poll: Duration) -> Self {
        Self {
            shared,
            service_poll,
            namespaces: BTreeMap::new(),
            namespaces_pace: Pace::new(namespace_poll),
            namespaces_busy: false,
            unlisted: BTreeMap::new(),
            first: None,
            in_flight: FuturesUnordered::new(),
        }
    }

    /// Looks until `stop`. Without a connection nothing is asked: what is listed then could not be subscribed to.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), EngineGone> {
        let mut link = self.shared.link.subscribe();
        let mut generation = None;
        loop {
            let connected = link.borrow_and_update().as_ref().map(|link| link.generation);
            if connected.is_some() && connected != generation {
                generation = connected;
                self.make_all_due();
            }
            if connected.is_some() {
                self.start_due();
            }
            let due = self.next_due().filter(|_| connected.is_some());
            // All arms are cancel-safe: a token, a watch, a stream that keeps its futures, a timer.
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = link.changed() => changed.expect("the sender is shared with this task"),
                Some(outcome) = self.in_flight.next() => self.take(outcome).await?,
                () = until(due), if due.is_some() => {}
            }
        }
    }

    fn make_all_due(&mut self) {
        self.namespaces_pace.now();
        self.namespaces.values_mut().for_each(|watched| watched.pace.now());
    }

    /// When the next listing may start; `None` while that waits for one to end.
    fn next_due(&self) -> Option<Instant> {
        if self.in_flight.len() >= LISTINGS_IN_FLIGHT {
            return None;
        }
        let of_namespaces = (!self.namespaces_busy).then(|| self.namespaces_pace.due());
        let busy = |id: &str, watched: &Watched| watched.busy || self.waits_for_public(id);
        let idle = self.namespaces.iter().filter(|(id, watched)| !busy(id, watched));
        let services = idle.map(|(_, watched)| watched.pace.due());
        services.chain(of_namespaces).min()
    }

    fn start_due(&mut self) {
        let now = Instant::now();
        if !self.namespaces_busy && self.namespaces_pace.due() <= now {
            self.namespaces_busy = true;
            self.in_flight.push(Box::pin(list_namespaces(Context::clone(&self.shared))));
        }
        let room = LISTINGS_IN_FLIGHT.saturating_sub(self.in_flight.len());
        let groups = self.groups_of_public();
        // The longest due comes first, so that many slow namespaces take turns.
        let mut ready: Vec<_> = self.ready(now).collect();
        ready.sort_by_key(|(_, watched)| watched.pace.due());
        let ready: Vec<String> = ready.into_iter().take(room).map(|(namespace, _)| namespace.clone()).collect();
        for namespace in ready {
            if let Some(watched) = self.namespaces.get_mut(&namespace) {
                watched.busy = true;
            }
            let further_groups = if namespace.is_empty() { groups.clone() } else { BTreeSet::new() };
            self.in_flight.push(Box::pin(list_services(Context::clone(&self.shared), namespace, further_groups)));
        }
    }

    fn ready(&self, now: Instant) -> impl Iterator<Item = (&String, &Watched)> {
        let is_ready =
            move |id: &str, watched: &Watched| !watched.busy && watched.pace.due() <= now && !self.waits_for_public(id);
        self.namespaces.iter().filter(move |(id, watched)| is_ready(id, watched))
    }

    /// The groups to ask for in the nameless namespace are known once the default one was listed.
    fn waits_for_public(&self, id: &str) -> bool {
        id.is_empty() && self.first.as_ref().is_some_and(|first| first.contains(PUBLIC))
    }

    /// Some groups of the default namespace: 3.x lists the nameless one by group only, and who registers there by mistake does so in these.
    fn groups_of_public(&self) -> BTreeSet<String> {
        let listed = self.namespaces.get(PUBLIC).and_then(|watched| watched.listed.as_ref());
        let mut groups = BTreeSet::new();
        for name in listed.into_iter().flat_map(|(names, _)| names) {
            if groups.len() >= FURTHER_GROUPS {
                break;
            }
            if !groups.contains(&name.group) {
                groups.insert(name.group.clone());
            }
        }
        groups
    }

    async fn take(&mut self, outcome: Outcome) -> Result<(), EngineGone> {
        match outcome {
            Outcome::Namespaces { found, took } => {
                self.namespaces_busy = false;
                self.namespaces_pace.ended(Instant::now(), took, ListingUse::Discovery);
                self.take_namespaces(found);
            }
            Outcome::Services { namespace, listing, took } => {
                let Some(watched) = self.namespaces.get_mut(&namespace) else { return Ok(()) };
                watched.busy = false;
                self.take_services(&namespace, listing).await?;
                if let Some(watched) = self.namespaces.get_mut(&namespace) {
                    watched.pace.ended(Instant::now(), took, watched.is_for);
                }
                self.tried(&namespace);
                self.conclude_first();
            }
        }
        Ok(())
    }

    fn take_namespaces(&mut self, found: Found) {
        let names = &self.shared.names;
        let unnamed = |id: String| Namespace { id, name: String::new() };
        let (listed, complete) = match found {
            Found::All(listed) => (listed, true),
            Found::ByRules => (names.fallback_namespaces().into_iter().map(unnamed).collect(), false),
            // At the start something is better than nothing: gRPC may answer where HTTP does not.
            Found::Nothing if self.first.is_none() => {
                (names.fallback_namespaces().into_iter().map(unnamed).collect(), false)
            }
            Found::Nothing => return,
        };
        let mut candidates = candidates(listed, complete);
        let ids: BTreeSet<String> = candidates.keys().cloned().collect();
        let named: Vec<String> = names.named_namespaces().into_iter().map(str::to_owned).collect();
        for id in named.into_iter().filter(|id| !ids.contains(id)) {
            let shown_name = if complete { self.unlisted_name(&id) } else { None };
            candidates.insert(id, shown_name);
        }
        for (id, shown_name) in &candidates {
            self.meet(id, shown_name.as_deref());
        }
        if complete {
            self.unlisted.retain(|id, _| !ids.contains(id));
            self.leave_all_but(&candidates);
        }
        self.shared.note(|notes| notes.listed = complete.then(|| ids.into()));
        if self.first.is_none() {
            self.first = Some(self.namespaces.keys().cloned().collect());
            self.conclude_first();
        }
    }

    /// The shown name of a namespace that a whole list lacks: none, so that its id is its name. Where shown names decide on names, that is
    /// believed only of the third list in a row: a name is for the life of the process.
    fn unlisted_name(&mut self, id: &str) -> Option<String> {
        let lists = self.unlisted.entry(id.to_owned()).or_default();
        *lists = lists.saturating_add(1);
        (*lists >= LISTS_WITHOUT || !self.shared.names.needs_shown_name_of(id)).then(String::new)
    }

    /// Begins to look into a namespace, if anything of it may be exported.
    fn meet(&mut self, id: &str, shown_name: Option<&str>) {
        let names = &self.shared.names;
        let (services, configs) = (names.export().may_have_services_in(id), names.may_have_configs_in(id));
        if !services && !configs {
            return;
        }
        let reason = match names.meet(id, shown_name) {
            Meeting::Named => None,
            Meeting::Clash { with } => Some(format!("its name in the federation is that of namespace {with:?}")),
            Meeting::Unnamed => {
                Some("its shown name, on which its name in the federation depends, is not known".into())
            }
        };
        if let Some(reason) = reason {
            let before = self.shared.note(|notes| notes.outside.insert(id.to_owned(), reason.clone()));
            if before.as_ref() != Some(&reason) {
                tracing::warn!(namespace = id, reason, "namespace is not exported");
            }
            return;
        }
        self.shared.note(|notes| notes.outside.remove(id));
        let new = self.shared.namespaces.send_if_modified(|known| known.insert(id.to_owned()));
        if new {
            tracing::debug!(namespace = id, shown_name, "namespace found");
            self.shared.resolve();
        }
        if !services {
            return;
        }
        let service_poll = self.service_poll;
        let watched = self.namespaces.entry(id.to_owned()).or_insert_with(|| Watched {
            pace: Pace::new(service_poll),
            busy: false,
            listed: None,
            unchanged: 0,
            is_for: ListingUse::default(),
            named: true,
        });
        watched.named = true;
        // Remembered over reconnects, and ignored by servers that cannot. 3.1 tells nothing of the nameless namespace, and patterns are few.
        if !id.is_empty() {
            self.shared.client.fuzzy_watch(id);
        }
    }

    /// Namespaces that Nacos no longer names are left once nothing is listed in them.
    fn leave_all_but(&mut self, candidates: &BTreeMap<String, Option<String>>) {
        let shared = &self.shared;
        shared.note(|notes| notes.outside.retain(|id, _| candidates.contains_key(id)));
        self.namespaces.retain(|id, watched| {
            watched.named = candidates.contains_key(id);
            let empty = watched.listed.as_ref().is_none_or(|(names, _)| names.is_empty());
            let keep = watched.named || watched.busy || !empty;
            if !keep {
                tracing::debug!(namespace = id, "namespace is gone");
                shared.client.cancel_fuzzy_watch(id);
                shared.calls.forget(About::Namespace(id));
                forget_groups(shared, id, &BTreeSet::new());
                shared.rules.left(id);
                shared.namespaces.send_if_modified(|known| known.remove(id));
            }
            keep
        });
    }

    async fn take_services(&mut self, namespace: &str, listing: Listing) -> Result<(), EngineGone> {
        match listing {
            Listing::Complete(services) => self.take_complete(namespace, services).await,
            Listing::Partial(services) => {
                let fuzzy_watch = self.shared.link.borrow().as_ref().is_some_and(|link| link.fuzzy_watch);
                if fuzzy_watch && !namespace.is_empty() {
                    self.shared.change_gate(|gate| gate.expect_fuzzy(namespace));
                }
                let exported = services.into_iter().filter_map(|name| Some((name.clone(), self.key_of(&name)?)));
                for key in self.shared.expect(exported) {
                    self.shared.tell(LocalInput::Discovered(key)).await?;
                }
                Ok(())
            }
            Listing::Nothing => Ok(()),
        }
    }

    fn key_of(&self, name: &ServiceName) -> Option<ServiceKey> {
        self.shared.names.service_key(name)
    }

    async fn take_complete(&mut self, namespace: &str, services: Vec<ServiceName>) -> Result<(), EngineGone> {
        let shared = Context::clone(&self.shared);
        let Some(watched) = self.namespaces.get_mut(namespace) else { return Ok(()) };
        let Some(federated) = shared.names.federated(namespace) else { return Ok(()) };
        let same = watched.listed.as_ref().is_some_and(|(listed, _)| *listed == services);
        watched.unchanged = if same { watched.unchanged + 1 } else { 0 };
        // A server that keeps services from the watch, as 3.1 does beyond 500, shows it by a list that has more.
        let told = shared.client.known_by_fuzzy_watch(namespace).is_some_and(|known| known >= services.len());
        watched.is_for =
            if told && watched.unchanged > REPEATS { ListingUse::SafetyNet } else { ListingUse::Discovery };
        if !same {
            shared.rules.services_listed(namespace, &services);
            let keys = services.iter().filter_map(|name| shared.names.service_key(name)).collect();
            watched.listed = Some((services, keys));
        }
        let worth_telling = watched.unchanged <= REPEATS || watched.unchanged.is_multiple_of(REPEAT_EACH);
        // Listed while the connection was lost: the next one lists anew.
        if !worth_telling || shared.generation().is_none() {
            return Ok(());
        }
        let (_, keys) = watched.listed.as_ref().expect("set above");
        let named = keys.iter().filter_map(|key| Some((shared.names.service_name(key)?, key.clone())));
        shared.expect(named);
        shared.tell(LocalInput::Catalog { namespace: federated, services: keys.clone() }).await
    }

    /// A namespace was tried.
    fn tried(&mut self, namespace: &str) {
        if let Some(first) = &mut self.first {
            first.remove(namespace);
        }
    }

    /// When all namespaces have been tried, the first discovery is over.
    fn conclude_first(&mut self) {
        let Some(first) = &mut self.first else { return };
        let namespaces = &self.namespaces;
        first.retain(|waiting| namespaces.contains_key(waiting));
        if first.is_empty() {
            self.shared.change_gate(|gate| gate.discovered(Instant::now()));
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// The namespaces to look into, with their shown names where those are known. Wherever the default namespace is, the nameless one may be:
/// no list names it, and old clients register there.
fn candidates(listed: Vec<Namespace>, complete: bool) -> BTreeMap<String, Option<String>> {
    let mut candidates: BTreeMap<String, Option<String>> =
        listed.into_iter().map(|namespace| (namespace.id, complete.then_some(namespace.name))).collect();
    if candidates.contains_key("") {
        candidates.entry(PUBLIC.to_owned()).or_default();
    }
    if candidates.contains_key(PUBLIC) {
        candidates.entry(String::new()).or_default();
    }
    candidates
}

async fn list_namespaces(shared: Context) -> Outcome {
    let began = Instant::now();
    let call = ApiCall::ListNamespaces;
    let found = if shared.calls.is_barred(call, About::Everything, began) {
        Found::ByRules
    } else {
        match shared.admin.namespaces().await {
            Ok(namespaces) => {
                shared.calls.worked(call, About::Everything);
                Found::All(namespaces)
            }
            Err(error) => {
                let trouble = Trouble::from(&error);
                let is_final = trouble.is_final();
                shared.calls.failed(call, About::Everything, trouble, Instant::now());
                if is_final { Found::ByRules } else { Found::Nothing }
            }
        }
    };
    Outcome::Namespaces { found, took: began.elapsed() }
}

async fn list_services(shared: Context, namespace: String, further_groups: BTreeSet<String>) -> Outcome {
    let began = Instant::now();
    let listing = match list_all_services(&shared, &namespace).await {
        Some(listing) => listing,
        None => list_groups(&shared, &namespace, further_groups).await,
    };
    Outcome::Services { namespace, listing, took: began.elapsed() }
}

/// Lists all services of a namespace; `None` where that may not be done.
async fn list_all_services(shared: &Context, namespace: &str) -> Option<Listing> {
    let (call, about) = (ApiCall::ListServices, About::Namespace(namespace));
    if shared.calls.is_barred(call, about, Instant::now()) {
        return None;
    }
    let result: Result<Vec<ServiceEntry>, AdminError> = shared.admin.services(namespace).await;
    match result {
        Ok(entries) => {
            shared.calls.worked(call, about);
            forget_groups(shared, namespace, &BTreeSet::new());
            Some(Listing::Complete(entries.into_iter().map(|entry| entry.name).collect()))
        }
        Err(error) => {
            let trouble = Trouble::from(&error);
            let is_final = trouble.is_final();
            shared.calls.failed(call, about, trouble, Instant::now());
            (!is_final).then_some(Listing::Nothing)
        }
    }
}

/// Lists the groups that are known by name.
async fn list_groups(shared: &Context, namespace: &str, mut groups: BTreeSet<String>) -> Listing {
    groups.extend(shared.names.groups_in(namespace));
    let mut names = Vec::new();
    forget_groups(shared, namespace, &groups);
    for group in groups {
        let (call, about) = (ApiCall::ListGroup, About::Group(namespace, &group));
        match list_group(shared, namespace, &group).await {
            Ok(services) => {
                shared.calls.worked(call, about);
                names.extend(services.into_iter().map(|service| ServiceName::new(namespace, &*group, service)));
            }
            Err(error) => {
                shared.calls.failed(call, about, Trouble::from(&error), Instant::now());
            }
        }
    }
    Listing::Partial(names)
}

/// Other groups of this namespace are not asked for any more.
fn forget_groups(shared: &Context, namespace: &str, asked: &BTreeSet<String>) {
    let prefix = About::Group(namespace, "").to_string();
    let keep = |concern: &str| concern.strip_prefix(&prefix).is_none_or(|group| asked.contains(group));
    shared.calls.keep_only(ApiCall::ListGroup, keep);
}

async fn list_group(shared: &Context, namespace: &str, group: &str) -> Result<Vec<String>, CallError> {
    match shared.client.list_services(namespace, group).await {
        Err(CallError::NotConnected) => {
            tokio::time::sleep(CONNECTING).await;
            shared.client.list_services(namespace, group).await
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nameless_namespace_goes_with_the_default_one() {
        let namespace = |id: &str| Namespace { id: id.to_owned(), name: "shown".to_owned() };
        let ids = |listed: &[&str]| {
            let found = candidates(listed.iter().map(|id| namespace(id)).collect(), true);
            found.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(ids(&["prod", "public"]), ["", "prod", "public"]);
        assert_eq!(ids(&["prod"]), ["prod"]);
        assert_eq!(ids(&[""]), ["", "public"]);
    }

    #[test]
    fn names_from_rules_say_nothing_of_shown_names() {
        let found = candidates(vec![Namespace { id: "prod".to_owned(), name: String::new() }], false);
        assert_eq!(found, BTreeMap::from([("prod".to_owned(), None)]));
    }
}
