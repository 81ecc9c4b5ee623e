//! A client of one Nacos cluster over gRPC, for 2.x and 3.x.
//!
//! One client is one TCP connection at a time. It remembers what its owner wants (subscriptions, listened config items, fuzzy watches, own
//! registrations) and asks for all of it again on each new connection. What happens is told as [`ClientEvent`]s, in order.
//!
//! Pushes of Nacos name group and service but no namespace. A client that subscribes the same group and service in several namespaces
//! reads them again after each push; where that is common, use one client per namespace.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::cluster::NacosCluster;
use crate::message::naming::{
    GROUP_SEPARATOR, NacosInstance, PersistentInstanceRequest, ServiceInfo, ServiceListRequest, ServiceQueryRequest,
    instance_operation,
};
use crate::message::{Request, Response, ResponseOutcome};
use crate::paging::{self, Page, Turning};

mod attempt;
mod caller;
mod config;
mod connection;
mod context;
mod error;
mod event;
mod fuzzy;
mod link;
mod memory;
mod name;
mod newest;
mod pump;
mod pushes;
mod redo;
mod wire;
mod worklist;

pub use caller::{ActsFor, CallerHeaders};
pub use config::{ConfigContent, ConfigWrite};
pub use connection::ClientConnection;
pub use error::CallError;
pub use event::{
    ClientCall, ClientEvent, ClientEvents, DisconnectCause, ServerAbilities, ServiceSource, SubscriptionRefusal,
};
pub use name::{ConfigName, ServiceName};
pub use newest::{ListSource, NewestList};

use context::{Context, Shared};
use link::Link;

/// When a group is listed. One page of all is still below the 10 MiB of a message, at some 60 bytes a name.
const TURNING: Turning = Turning { page_size: 10_000, one_page_at_most: 100_000 };

/// What a client says of itself, and its bounds.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Shown by the server, label `AppName`.
    pub app_name: String,
    /// Shown by the server; some servers read the part behind `:v` as a version.
    pub client_version: String,
    /// Further labels of the connection.
    pub labels: BTreeMap<String, String>,
    /// For whom the client acts; `None` is for itself, with the cluster's login.
    pub acts_for: Option<ActsFor>,
    /// Events that may wait for the owner. While that many wait, no further push is read: large enough for a burst, small enough that
    /// what waits is not old.
    pub event_capacity: usize,
    /// Calls in flight while everything is asked for again: enough to be quick, few enough not to press a server that just started.
    pub calls_in_flight: usize,
    /// A server that has been silent for this long is asked whether it is there.
    /// Two checks without an answer, of at most 3 s each, end the connection.
    pub idle: Duration,
    /// A server that has pushed nothing for this long is asked to push something, where a service is subscribed to.
    pub push_quiet: Duration,
    /// Time for that push, ten times what a server takes by default. Two that do not come end the connection.
    pub echo_within: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            app_name: "unknown".to_owned(),
            client_version: concat!("Nacos-Rust-Client:v", env!("CARGO_PKG_VERSION")).to_owned(),
            labels: BTreeMap::new(),
            acts_for: None,
            event_capacity: 1024,
            calls_in_flight: 32,
            idle: Duration::from_secs(5),
            push_quiet: Duration::from_secs(10),
            echo_within: Duration::from_secs(5),
        }
    }
}

/// A handle to a client. Cheap to clone.
///
/// Wishes (`subscribe`, `listen_config`, `fuzzy_watch`) return at once, connected or not; their results come as events. Calls wait for an
/// answer, and fail with [`CallError::NotConnected`] where there is no connection.
#[derive(Clone)]
pub struct NacosClient {
    shared: Arc<Shared>,
}

impl NacosClient {
    /// Makes a client: the handle, its events, and the connection, which its owner has to run.
    pub fn new(cluster: Arc<NacosCluster>, options: ClientOptions) -> (Self, ClientEvents, ClientConnection) {
        let (events, receiver) = mpsc::channel(options.event_capacity.max(1));
        let shared = Shared::new(cluster, options);
        let context = Context { shared: Arc::clone(&shared), events };
        (Self { shared }, receiver, ClientConnection { context })
    }

    /// Wants to be told of every change of a service, which need not exist yet.
    pub fn subscribe(&self, service: &ServiceName) {
        self.shared.memory().subscribe(service.clone());
        self.shared.wake.notify_one();
    }

    /// No longer wants to be told. An event that is on its way may still come.
    pub fn unsubscribe(&self, service: &ServiceName) {
        self.shared.memory().unsubscribe(service);
        self.shared.wake.notify_one();
    }

    /// Wants to be told which services appear and disappear in a namespace. Nothing comes from servers without
    /// [`ServerAbilities::fuzzy_watch`].
    pub fn fuzzy_watch(&self, namespace: &str) {
        self.shared.memory().watch(namespace.to_owned());
        self.shared.wake.notify_one();
    }

    /// How many services of the namespace this connection's fuzzy watch knows of; `None` until it has told of all that existed when it began.
    /// A server may keep some of them from it without a word: only a listing shows whether it does.
    pub fn known_by_fuzzy_watch(&self, namespace: &str) -> Option<usize> {
        self.shared.memory().patterns.get(namespace).filter(|pattern| pattern.ready).map(|pattern| pattern.known.len())
    }

    /// No longer wants to be told.
    pub fn cancel_fuzzy_watch(&self, namespace: &str) {
        self.shared.memory().unwatch(namespace);
        self.shared.wake.notify_one();
    }

    /// Reads a service once: enabled instances, healthy or not.
    ///
    /// # Errors
    ///
    /// Any [`CallError`] but `Incomplete`. 2.x answers an unknown service with an empty one, 3.x too.
    pub async fn query(&self, service: &ServiceName) -> Result<ServiceInfo, CallError> {
        let request = ServiceQueryRequest {
            namespace: service.namespace.clone(),
            service_name: service.service.clone(),
            group_name: service.group.clone(),
            ..ServiceQueryRequest::default()
        };
        Ok(self.call(request).await?.service_info.unwrap_or_default())
    }

    /// Lists the services of one exact group, sorted.
    ///
    /// # Errors
    ///
    /// [`CallError::Incomplete`] if the pages do not add up, because services came or went meanwhile: try again. Else any [`CallError`].
    pub async fn list_services(&self, namespace: &str, group: &str) -> Result<Vec<String>, CallError> {
        let page = |number, size| self.list_page(namespace, group, number, size);
        let names = paging::collect(TURNING, page, String::clone).await?.unwrap_or_default();
        let prefix = format!("{group}{GROUP_SEPARATOR}");
        let plain = |name: String| name.strip_prefix(&prefix).map(str::to_owned).unwrap_or(name);
        Ok(names.into_iter().map(plain).collect::<BTreeSet<_>>().into_iter().collect())
    }

    async fn list_page(
        &self,
        namespace: &str,
        group: &str,
        number: u32,
        size: usize,
    ) -> Result<Option<Page<String>>, CallError> {
        let request = ServiceListRequest {
            namespace: namespace.to_owned(),
            group_name: group.to_owned(),
            page_no: i32::try_from(number).unwrap_or(i32::MAX),
            page_size: i32::try_from(size).unwrap_or(i32::MAX),
            ..ServiceListRequest::default()
        };
        let page = self.call(request).await?;
        Ok(Some(Page { announced: usize::try_from(page.count).unwrap_or(0), items: page.service_names }))
    }

    /// Registers exactly these ephemeral instances of a service, in place of those that this client had registered for it. They stay wanted
    /// until [`NacosClient::deregister`]: registered anew on each connection, tried again where no answer came. Only a change that the server
    /// [refuses](CallError::is_refusal) is none: what it took before stays wanted.
    ///
    /// # Errors
    ///
    /// Any [`CallError`] of the first attempt.
    pub async fn register(&self, service: &ServiceName, instances: Vec<NacosInstance>) -> Result<(), CallError> {
        let attempt = self.shared.memory().register(service.clone(), instances);
        self.shared.wake.notify_one();
        if self.shared.link.borrow().is_none() {
            return Err(CallError::NotConnected);
        }
        // Twice: an attempt for an older wish may be under way.
        let after = self.shared.cluster.options().request_timeout * 2;
        match tokio::time::timeout(after, attempt).await {
            Ok(result) => result.unwrap_or(Err(CallError::NotConnected)),
            Err(_) => Err(CallError::Timeout { after }),
        }
    }

    /// As [`NacosClient::register`], but waits for a connection too, for so long in all.
    ///
    /// # Errors
    ///
    /// Any [`CallError`] of the first attempt; [`CallError::NotConnected`] or [`CallError::Timeout`] where none ended in time. Then they are
    /// wanted all the same.
    pub async fn register_within(
        &self,
        service: &ServiceName,
        instances: Vec<NacosInstance>,
        within: Duration,
    ) -> Result<(), CallError> {
        let attempt = self.shared.memory().register(service.clone(), instances);
        self.shared.wake.notify_one();
        match tokio::time::timeout(within, attempt).await {
            Ok(result) => result.unwrap_or(Err(CallError::NotConnected)),
            Err(_) if self.shared.link.borrow().is_none() => Err(CallError::NotConnected),
            Err(_) => Err(CallError::Timeout { after: within }),
        }
    }

    /// What this client wants registered now, by service.
    pub fn wanted_registrations(&self) -> Vec<(ServiceName, Arc<Vec<NacosInstance>>)> {
        self.shared.memory().registrations.iter().map(|(service, it)| (service.clone(), it.instances.clone())).collect()
    }

    /// What of a service this client wants registered now.
    pub fn wanted_registration(&self, service: &ServiceName) -> Arc<Vec<NacosInstance>> {
        self.shared.memory().registrations.get(service).map(|it| it.instances.clone()).unwrap_or_default()
    }

    /// Takes back all instances that this client has registered for a service.
    ///
    /// # Errors
    ///
    /// As [`NacosClient::register`]; without a connection there is nothing to take back, and [`CallError::NotConnected`] says so.
    pub async fn deregister(&self, service: &ServiceName) -> Result<(), CallError> {
        self.register(service, Vec::new()).await
    }

    /// Registers a persistent instance, which outlives this client: it is not registered again by itself.
    ///
    /// # Errors
    ///
    /// Any [`CallError`]; servers before 2.3 answer with [`CallError::Server`].
    pub async fn register_persistent(&self, service: &ServiceName, instance: NacosInstance) -> Result<(), CallError> {
        self.change_persistent(service, instance, instance_operation::REGISTER).await
    }

    /// Removes a persistent instance.
    ///
    /// # Errors
    ///
    /// As [`NacosClient::register_persistent`].
    pub async fn deregister_persistent(&self, service: &ServiceName, instance: NacosInstance) -> Result<(), CallError> {
        self.change_persistent(service, instance, instance_operation::DEREGISTER).await
    }

    async fn change_persistent(
        &self,
        service: &ServiceName,
        mut instance: NacosInstance,
        operation: &str,
    ) -> Result<(), CallError> {
        instance.ephemeral = false;
        let request = PersistentInstanceRequest {
            namespace: service.namespace.clone(),
            service_name: service.service.clone(),
            group_name: service.group.clone(),
            operation: operation.to_owned(),
            instance: instance.into(),
            ..PersistentInstanceRequest::default()
        };
        self.call(request).await.map(drop)
    }

    /// Passes a caller's request on with the headers that came with it. An answer of the expected type is returned whether it says success or
    /// failure.
    ///
    /// # Errors
    ///
    /// [`CallError::NotConnected`], [`CallError::Timeout`], [`CallError::Refused`], [`CallError::Malformed`]; [`CallError::Server`] where the
    /// answer is of no type that belongs to the request.
    pub async fn relay<R: Request>(
        &self,
        request: R,
        headers: HashMap<String, String>,
    ) -> Result<R::Response, CallError> {
        let after = self.shared.cluster.options().request_timeout;
        self.link()?.relay(request, headers, after).await
    }

    /// Waits for a connection, for so long at most; whether there is one.
    pub async fn connected_within(&self, patience: Duration) -> bool {
        let mut link = self.shared.link.subscribe();
        // An error means that the connection's task is gone; cancel-safe, as it only waits.
        matches!(tokio::time::timeout(patience, link.wait_for(Option::is_some)).await, Ok(Ok(_)))
    }

    /// The server that this client is connected to, as `host:port`, and what it can do.
    pub fn connected_to(&self) -> Option<(String, ServerAbilities)> {
        let link = self.shared.link.borrow();
        link.as_ref().map(|link| (link.server.to_string(), link.abilities()))
    }

    /// How long the connected server has been silent; `None` without a connection.
    pub fn silence(&self) -> Option<Duration> {
        self.shared.link.borrow().as_ref().map(|link| link.silence())
    }

    /// How long pushes that are due have not come, over connections, although calls are answered; `None` if none is missing.
    pub fn pushes_missing_for(&self) -> Option<Duration> {
        self.shared.echoes.missing_since().map(|since| since.elapsed())
    }

    async fn call<R: Request>(&self, request: R) -> Result<R::Response, CallError> {
        self.link()?.call(request).await
    }

    fn link(&self) -> Result<Arc<Link>, CallError> {
        self.shared.link.borrow().clone().ok_or(CallError::NotConnected)
    }
}

/// The response, if it says success.
fn succeeded<R: Response>(response: R) -> Result<R, CallError> {
    match response.outcome() {
        ResponseOutcome::Ok => Ok(response),
        ResponseOutcome::Failed { error_code, message } => Err(link::failure(error_code, message)),
    }
}

/// An error with all its causes on one line, for people.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
