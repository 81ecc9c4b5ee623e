//! Lookups, subscriptions and listings of services, from the view.

mod answer;
mod fuzzy;
mod lookups;
pub(crate) mod rules;
mod subscriptions;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod unshared;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use federation_core::id::{ClusterId, ServiceKey};
use federation_view::hub::{Hub, HubMetrics};
use federation_view::resolve::Resolver;
use federation_view::view::ViewReader;
use nacos_protocol::message::error_code;
use nacos_protocol::message::naming::{NacosInstance, ServiceInfo};
use nacos_protocol::server::{ClientSessions, ConnectionId, FuzzyWatch, ListingPage, RegistryRefusal, ServiceName};
use tokio_util::sync::CancellationToken;

use crate::names::ServiceNames;
use crate::place::caller_of;
use fuzzy::{ExistenceSources, ServiceWatchTask, ServiceWatches, service_watches};
use lookups::{LookupAnswer, LookupTopic, Lookups};
use rules::{ClusterFilter, LookupRules};
use subscriptions::{SubscriptionTasks, Subscriptions, subscriptions};

/// How long a registration is looked for in the view before it is answered: the own Nacos is asked for a service that is new, and the engine
/// takes its turn. SDKs wait for 3 s.
const SHOWN_WITHIN: Duration = Duration::from_millis(500);

/// What lookups are answered from.
pub(crate) struct NamingSources {
    /// The registry.
    pub(crate) view: ViewReader,
    /// Who plans.
    pub(crate) resolver: Arc<Resolver>,
    /// The cluster of this gateway.
    pub(crate) own: ClusterId,
    /// How services are called in the federation.
    pub(crate) names: Arc<dyn ServiceNames>,
    /// Which clusters may answer.
    pub(crate) rules: LookupRules,
    /// What is counted of those who watch.
    pub(crate) metrics: HubMetrics,
}

/// Whether an empty list says that nothing is there: once the own Nacos and the log were read, it does.
pub(crate) struct Knowledge {
    view: ViewReader,
    was_ready: AtomicBool,
}

impl Knowledge {
    pub(crate) fn of(view: ViewReader) -> Arc<Self> {
        Arc::new(Self { view, was_ready: AtomicBool::new(false) })
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.was_ready.load(Ordering::Relaxed) || {
            let ready = self.view.is_ready();
            self.was_ready.fetch_or(ready, Ordering::Relaxed);
            ready
        }
    }
}

/// See the module.
pub(crate) struct Naming {
    view: ViewReader,
    knowledge: Arc<Knowledge>,
    own: ClusterId,
    names: Arc<dyn ServiceNames>,
    rules: Arc<LookupRules>,
    hub: Hub<Lookups>,
    subscriptions: Subscriptions,
    watches: ServiceWatches,
}

/// Who looks something up: the labels of its connection say where it is.
pub(crate) type ClientLabels = BTreeMap<String, String>;

impl Naming {
    /// Lookups, and the tasks that push to `sessions`, until `end`.
    pub(crate) fn new(
        sources: NamingSources,
        sessions: ClientSessions,
        end: CancellationToken,
    ) -> (Self, SubscriptionTasks, ServiceWatchTask) {
        let NamingSources { view, resolver, own, names, rules, metrics } = sources;
        let hub = Hub::new(Lookups::new(view.clone(), resolver, own.clone()), metrics, end);
        let knowledge = Knowledge::of(view.clone());
        let rules = Arc::new(rules);
        let existence = ExistenceSources {
            view: view.clone(),
            names: Arc::clone(&names),
            own: own.clone(),
            rules: Arc::clone(&rules),
            knowledge: Arc::clone(&knowledge),
        };
        let (watches, watching) = service_watches(existence, sessions.clone());
        let (subscriptions, telling) = subscriptions(hub.clone(), sessions, Arc::clone(&knowledge));
        (Self { view, knowledge, own, names, rules, hub, subscriptions, watches }, telling, watching)
    }

    /// Whether the view has the service, should any cluster have it: services that are not exported it has not.
    pub(crate) fn is_shared(&self, service: &ServiceName) -> bool {
        self.names.federated(&ServiceKey::new(&service.namespace, &service.group, &service.service)).is_some()
    }

    /// Reads a service once.
    ///
    /// # Errors
    /// Nothing is known of it, and it is not known either that there is nothing; clients keep what they have and ask again.
    pub(crate) fn query(
        &self,
        labels: &ClientLabels,
        service: &ServiceName,
        clusters: &str,
        healthy_only: bool,
    ) -> Result<ServiceInfo, RegistryRefusal> {
        let mut info = LookupAnswer::into_info(self.look(&self.topic(labels, service, clusters))?);
        if healthy_only {
            info.hosts.retain(|host| host.healthy);
        }
        Ok(info)
    }

    /// Reads a service and pushes it whenever it changes, in place of the connection's subscription before.
    ///
    /// # Errors
    /// As [`Naming::query`]; the subscription stands all the same, and is told once something is known. Or there are too many.
    pub(crate) async fn subscribe(
        &self,
        labels: &ClientLabels,
        connection: &ConnectionId,
        service: ServiceName,
        clusters: &str,
    ) -> Result<ServiceInfo, RegistryRefusal> {
        let topic = self.topic(labels, &service, clusters);
        self.subscriptions.subscribe(connection, service, topic.clone()).await?;
        Ok(LookupAnswer::into_info(self.look(&topic)?))
    }

    /// Waits until the view has what a client just registered, so that its next lookup shows it; for [`SHOWN_WITHIN`] at most, since what is
    /// registered is so whether it is shown or not. Of what is not exported, nothing is waited for.
    pub(crate) async fn until_shown(&self, service: &ServiceName, registered: &[NacosInstance]) {
        let name = ServiceKey::new(&service.namespace, &service.group, &service.service);
        let Some(key) = self.names.federated(&name) else { return };
        let mut changes = self.view.watch_service(&key);
        let shown = async {
            while !self.shows(&key, registered) {
                changes.changed().await;
            }
        };
        if tokio::time::timeout(SHOWN_WITHIN, shown).await.is_err() {
            tracing::debug!(%key, "what was registered is not in the view yet");
        }
    }

    fn shows(&self, key: &ServiceKey, registered: &[NacosInstance]) -> bool {
        let service = self.view.service(key);
        let own = service.iter().flat_map(|service| &service.origins).find(|origin| origin.origin == self.own);
        let is_shown = |instance: &NacosInstance| {
            own.into_iter().flat_map(|origin| &origin.instances).any(|shown| {
                let address = (&*shown.id.ip, i32::from(shown.id.port)) == (&*instance.ip, instance.port);
                let said = instance.metadata.iter().map(|(name, value)| (&**name, &**value));
                address && shown.instance.metadata.iter().eq(said)
            })
        };
        registered.iter().all(is_shown)
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&self, connection: &ConnectionId, service: &ServiceName) {
        self.subscriptions.unsubscribe(connection, service);
    }

    /// A connection is gone.
    pub(crate) fn forget(&self, connection: &ConnectionId) {
        self.subscriptions.forget(connection);
        self.watches.forget(connection);
    }

    /// Begins, renews or ends a watch on which services exist.
    ///
    /// # Errors
    /// The pattern cannot be read, there are too many, or it matches too much; it is not known yet what exists.
    pub(crate) fn fuzzy_watch(&self, connection: &ConnectionId, watch: &FuzzyWatch) -> Result<(), RegistryRefusal> {
        self.watches.watch(connection, watch)
    }

    /// Whether there are services of this group that the view has not, because they are not exported.
    pub(crate) fn may_have_unshared(&self, namespace: &str, group: &str) -> bool {
        !self.names.are_all_exported(namespace, group)
    }

    /// Names of the services of one group in all clusters, and of those of `local` that are not exported: how many there are, and one page of
    /// them.
    pub(crate) fn list(
        &self,
        namespace: &str,
        group: &str,
        page: ListingPage,
        local: &[String],
    ) -> (usize, Vec<String>) {
        let first = ServiceKey::new(&self.names.namespace(namespace), group, "");
        let names = self.view.service_names();
        let of_group = |key: &&ServiceKey| key.namespace() == first.namespace() && key.group() == first.group();
        let shared = names.range(first.clone()..).take_while(of_group).map(ServiceKey::service);
        if local.is_empty() {
            let shown = shared.clone().skip(page.skip()).take(page.size).map(str::to_owned).collect();
            return (shared.count(), shown);
        }
        let is_unshared = |name: &&str| self.names.federated(&ServiceKey::new(namespace, group, name)).is_none();
        let all: BTreeSet<&str> = shared.chain(local.iter().map(String::as_str).filter(is_unshared)).collect();
        (all.len(), all.into_iter().skip(page.skip()).take(page.size).map(str::to_owned).collect())
    }

    fn topic(&self, labels: &ClientLabels, service: &ServiceName, clusters: &str) -> LookupTopic {
        let name = ServiceKey::new(&service.namespace, &service.group, &service.service);
        let key = self
            .names
            .federated(&name)
            .unwrap_or_else(|| ServiceKey::new(&self.names.namespace(name.namespace()), name.group(), name.service()));
        let filter = ClusterFilter::read(clusters).only_from(self.rules.only(&name, &self.own));
        LookupTopic { name, key, caller: caller_of(labels), clusters: clusters.to_owned(), filter }
    }

    fn look(&self, topic: &LookupTopic) -> Result<Arc<LookupAnswer>, RegistryRefusal> {
        let stopping = |_| RegistryRefusal::new(error_code::NOT_READY, "the gateway is stopping");
        let answer = self.hub.once(topic).map_err(stopping)?;
        if answer.info.hosts.is_empty() && !self.knowledge.is_complete() {
            let words = "the gateway does not know yet whether there are instances, please try later";
            return Err(RegistryRefusal::new(error_code::NOT_READY, words));
        }
        Ok(answer)
    }
}
