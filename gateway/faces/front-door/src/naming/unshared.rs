//! Services that are not exported: the view does not have them, so the local Nacos answers for them, and pushes what it pushes.
//!
//! One connection to Nacos serves all clients, and subscribes to each service once, with what whoever asked for it first showed: whether
//! others may read it was asked before. Bounds: a client has one subscription for each service, [`MOST_OF_ONE`] in all, and there are
//! [`MOST_TOPICS`] services; of each nothing is kept. Of names, lists of [`MOST_LISTINGS`] groups are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nacos_protocol::client::{ClientEvent, NacosClient, ServiceName as UpstreamName};
use nacos_protocol::cluster::NacosCluster;
use nacos_protocol::message::naming::{NotifySubscriberRequest, ServiceInfo, ServiceQueryRequest};
use nacos_protocol::server::{
    CallingClient, ClientSessions, ConnectionId, PushBody, PushKey, RegistryRefusal, ServiceName,
};
use tokio_util::sync::CancellationToken;

use super::subscriptions::{MOST_OF_ONE, MOST_TOPICS, too_many};
use crate::registrations::marking::unmark;
use crate::upstream::{ANSWER_WITHIN, UpstreamConnection, answered, upstream_of_gateway};

/// For how long a list of names is answered again.
const LISTED_FOR: Duration = Duration::from_secs(2);
/// Groups whose names are kept; of more, those that were listed last.
const MOST_LISTINGS: usize = 256;

/// See the module.
pub(crate) struct UnsharedServices {
    client: NacosClient,
    shared: Arc<Shared>,
    /// By namespace and group. Locked for single steps, never across an await.
    listings: Mutex<HashMap<(String, String), Listing>>,
}

/// What the local Nacos listed.
#[derive(Clone)]
struct Listing {
    at: Instant,
    names: Arc<Vec<String>>,
}

/// What there is to run.
pub(crate) struct UnsharedConnection {
    connection: UpstreamConnection,
    shared: Arc<Shared>,
}

struct Shared {
    sessions: ClientSessions,
    register: Mutex<Register>, // Locked for single steps, never across an await.
}

/// Who subscribed to what, with the clusters that each asked for.
#[derive(Default)]
struct Register {
    subscribers: HashMap<UpstreamName, BTreeMap<ConnectionId, String>>,
    by_connection: HashMap<ConnectionId, BTreeSet<UpstreamName>>,
}

impl UnsharedServices {
    pub(crate) fn new(upstream: &Arc<NacosCluster>, sessions: ClientSessions) -> (Self, UnsharedConnection) {
        let (client, connection) = upstream_of_gateway(upstream);
        let shared = Arc::new(Shared { sessions, register: Mutex::default() });
        (
            Self { client, shared: Arc::clone(&shared), listings: Mutex::default() },
            UnsharedConnection { connection, shared },
        )
    }

    /// Reads a service.
    ///
    /// # Errors
    /// Nacos refuses it, or is not reached.
    pub(crate) async fn query(
        &self,
        caller: &CallingClient<'_>,
        service: &ServiceName,
        clusters: &str,
        healthy_only: bool,
    ) -> Result<ServiceInfo, RegistryRefusal> {
        let request = ServiceQueryRequest {
            namespace: service.namespace.clone(),
            service_name: service.service.clone(),
            group_name: service.group.clone(),
            cluster: clusters.to_owned(),
            healthy_only,
            ..ServiceQueryRequest::default()
        };
        let answer = answered(self.client.relay(request, caller.headers().clone()).await)?;
        let mut info = answer.service_info.unwrap_or_default();
        unmark(&mut info.hosts); // It may have been exported when it was registered.
        Ok(info)
    }

    /// Reads a service and pushes it whenever Nacos does.
    ///
    /// # Errors
    /// As [`UnsharedServices::query`], and where there are too many subscriptions; then there is none.
    pub(crate) async fn subscribe(
        &self,
        caller: &CallingClient<'_>,
        service: &ServiceName,
        clusters: &str,
    ) -> Result<ServiceInfo, RegistryRefusal> {
        // Before the read: what changes after it is pushed.
        self.shared.register().add(name(service), caller.connection(), clusters)?;
        self.client.subscribe(&name(service));
        let read = self.query(caller, service, clusters, false).await;
        if read.is_err() || !self.shared.sessions.contains(caller.connection()) {
            self.unsubscribe(caller.connection(), service);
        }
        read
    }

    /// Names of all services of a group as the local Nacos lists them, exported or not. Where it does not answer, as it listed them last; none
    /// if it never did.
    pub(crate) async fn names(&self, namespace: &str, group: &str) -> Arc<Vec<String>> {
        let of = (namespace.to_owned(), group.to_owned());
        let last = self.listings().get(&of).cloned();
        if let Some(listing) = last.as_ref().filter(|listing| listing.at.elapsed() < LISTED_FOR) {
            return Arc::clone(&listing.names);
        }
        match tokio::time::timeout(ANSWER_WITHIN, self.client.list_services(namespace, group)).await {
            Ok(Ok(names)) => {
                let names = Arc::new(names);
                self.keep(of, &names);
                names
            }
            _ => last.map(|listing| listing.names).unwrap_or_default(),
        }
    }

    fn keep(&self, of: (String, String), names: &Arc<Vec<String>>) {
        let mut listings = self.listings();
        if listings.len() >= MOST_LISTINGS && !listings.contains_key(&of) {
            let oldest = listings.iter().min_by_key(|(_, listing)| listing.at).map(|(of, _)| of.clone());
            oldest.map(|oldest| listings.remove(&oldest));
        }
        listings.insert(of, Listing { at: Instant::now(), names: Arc::clone(names) });
    }

    fn listings(&self) -> MutexGuard<'_, HashMap<(String, String), Listing>> {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a subscription, if there is one.
    pub(crate) fn unsubscribe(&self, connection: &ConnectionId, service: &ServiceName) {
        if self.shared.register().remove(&name(service), connection) {
            self.client.unsubscribe(&name(service));
        }
    }

    /// A client is gone.
    pub(crate) fn forget(&self, connection: &ConnectionId) {
        let given_up = self.shared.register().forget(connection);
        given_up.iter().for_each(|service| self.client.unsubscribe(service));
    }
}

impl Register {
    fn add(&mut self, service: UpstreamName, connection: &ConnectionId, clusters: &str) -> Result<(), RegistryRefusal> {
        let mine = self.by_connection.get(connection);
        let is_new = mine.is_none_or(|mine| !mine.contains(&service));
        if is_new && mine.is_some_and(|mine| mine.len() >= MOST_OF_ONE) {
            return too_many(format!("a client may subscribe to {MOST_OF_ONE} services"));
        }
        if !self.subscribers.contains_key(&service) && self.subscribers.len() >= MOST_TOPICS {
            return too_many(format!("{MOST_TOPICS} services that are not exported are subscribed to"));
        }
        self.by_connection.entry(connection.clone()).or_default().insert(service.clone());
        self.subscribers.entry(service).or_default().insert(connection.clone(), clusters.to_owned());
        Ok(())
    }

    /// Whether nobody is left.
    fn remove(&mut self, service: &UpstreamName, connection: &ConnectionId) -> bool {
        if let Some(mine) = self.by_connection.get_mut(connection) {
            mine.remove(service);
            if mine.is_empty() {
                self.by_connection.remove(connection);
            }
        }
        let Some(subscribers) = self.subscribers.get_mut(service) else { return false };
        subscribers.remove(connection);
        let empty = subscribers.is_empty();
        if empty {
            self.subscribers.remove(service);
        }
        empty
    }

    /// Services of which nobody is left.
    fn forget(&mut self, connection: &ConnectionId) -> Vec<UpstreamName> {
        let mine = self.by_connection.remove(connection).unwrap_or_default();
        mine.into_iter().filter(|service| self.remove(service, connection)).collect()
    }

    /// Whom to tell of a service, by the clusters that they asked for.
    fn told(&self, service: &UpstreamName) -> BTreeMap<String, Vec<ConnectionId>> {
        let mut told: BTreeMap<String, Vec<ConnectionId>> = BTreeMap::new();
        for (connection, clusters) in self.subscribers.get(service).into_iter().flatten() {
            told.entry(clusters.clone()).or_default().push(connection.clone());
        }
        told
    }
}

impl UnsharedConnection {
    /// Stays connected, and passes pushes on, until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Self { connection, shared } = self;
        connection.run(stop, |event| shared.tell(event)).await;
    }
}

impl Shared {
    fn register(&self) -> MutexGuard<'_, Register> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: ClientEvent) {
        let ClientEvent::Service { service, info, .. } = event else { return };
        let key = PushKey::Service(ServiceName {
            namespace: service.namespace.clone(),
            group: service.group.clone(),
            service: service.service.clone(),
        });
        for (clusters, connections) in self.register().told(&service) {
            let body = push(&info, clusters);
            for connection in connections {
                self.sessions.push(&connection, key.clone(), body.clone());
            }
        }
    }
}

/// What Nacos pushed for all clusters, for somebody who asked for these.
fn push(info: &ServiceInfo, clusters: String) -> PushBody {
    let mut info = info.clone();
    let asked: Vec<&str> = clusters.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    info.hosts.retain(|host| asked.is_empty() || asked.contains(&&*host.cluster_name));
    info.clusters = clusters;
    unmark(&mut info.hosts);
    PushBody::of(&NotifySubscriberRequest { service_info: Some(info), ..NotifySubscriberRequest::default() })
}

fn name(service: &ServiceName) -> UpstreamName {
    UpstreamName::new(&service.namespace, &service.group, &service.service)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(number: usize) -> UpstreamName {
        UpstreamName::new("dev", "DEFAULT_GROUP", format!("s{number}"))
    }

    #[test]
    fn a_client_subscribes_to_so_many_services_that_are_not_exported_and_all_clients_to_so_many() {
        let (mut register, client) =
            (Register::default(), |number: usize| ConnectionId::from(Arc::<str>::from(format!("c{number}"))));
        for number in 0..MOST_TOPICS {
            register.add(service(number), &client(number / MOST_OF_ONE), "").unwrap();
        }
        assert!(register.add(service(MOST_OF_ONE), &client(0), "").is_err(), "one more of the first client");
        assert!(register.add(service(0), &client(0), "a").is_ok(), "said again with other clusters");
        assert!(register.add(service(MOST_TOPICS), &client(99), "").is_err(), "one more service");
        assert!(register.add(service(1), &client(99), "").is_ok(), "one that is known");
        let given_up = register.forget(&client(0));
        assert_eq!(given_up.len(), MOST_OF_ONE - 1, "somebody is left for one");
        assert!(register.add(service(MOST_TOPICS), &client(0), "").is_ok());
        assert_eq!(register.by_connection.len(), MOST_TOPICS / MOST_OF_ONE + 1);
    }
}
