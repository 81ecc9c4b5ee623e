//! What the server asks of a registry: one call per thing a client can want, in plain words.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use super::connection::ConnectionId;
use crate::message::config::ConfigQueryResponse;
use crate::message::error_code;
use crate::message::naming::{NacosInstance, ServiceInfo};

/// Group that Nacos takes where a client names none.
pub const DEFAULT_GROUP: &str = "DEFAULT_GROUP";

/// A registry behind the protocol. All calls of one connection may run at the same time.
///
/// [`Self::connected`] returns before the first other call for a connection; calls that were in flight when it ended may still arrive after
/// [`Self::disconnected`], and must be refused with [`RegistryRefusal::unregistered`], else what they register is never cleaned up.
pub trait RegistryBackend: Send + Sync + 'static {
    /// Whether clients may call yet; until then they are told to try again.
    fn is_ready(&self) -> bool {
        true
    }

    /// Whether clients may connect that are not connected yet; those that may not are told to try again, and try another server. Those that are
    /// connected are served all the same.
    fn takes_clients(&self) -> bool {
        true
    }

    /// Whether [`Self::fuzzy_watch`] works; it is announced to clients.
    fn has_fuzzy_watch(&self) -> bool {
        false
    }

    /// May the caller make this call? `message_type` is the request's name on the wire.
    fn authorize(
        &self,
        caller: &CallingClient<'_>,
        message_type: &str,
    ) -> impl Future<Output = Result<(), RegistryRefusal>> + Send {
        let _ = (caller, message_type);
        std::future::ready(Ok(()))
    }

    /// A client is there.
    fn connected(&self, peer: &ConnectedClient) -> impl Future<Output = ()> + Send;

    /// A client is gone; what it owned goes with it.
    fn disconnected(&self, connection: &ConnectionId) -> impl Future<Output = ()> + Send;

    /// Registers or withdraws instances.
    fn publish(
        &self,
        caller: &CallingClient<'_>,
        service: ServiceName,
        publication: NamingPublication,
    ) -> impl Future<Output = Result<(), RegistryRefusal>> + Send;

    /// Reads a service; `clusters` is a comma-separated list, empty for all. A service that is not known is empty.
    fn query(
        &self,
        caller: &CallingClient<'_>,
        service: ServiceName,
        clusters: String,
        healthy_only: bool,
    ) -> impl Future<Output = Result<ServiceInfo, RegistryRefusal>> + Send;

    /// Names of the services of one group: how many there are, and one page of them.
    fn list(
        &self,
        caller: &CallingClient<'_>,
        namespace: String,
        group: String,
        page: ListingPage,
    ) -> impl Future<Output = Result<(usize, Vec<String>), RegistryRefusal>> + Send;

    /// Reads a service and pushes it on every change from now on, in place of the connection's subscription before.
    fn subscribe(
        &self,
        caller: &CallingClient<'_>,
        service: ServiceName,
        clusters: String,
    ) -> impl Future<Output = Result<ServiceInfo, RegistryRefusal>> + Send;

    /// Ends a subscription.
    fn unsubscribe(
        &self,
        caller: &CallingClient<'_>,
        service: ServiceName,
    ) -> impl Future<Output = Result<(), RegistryRefusal>> + Send;

    /// Reads a config item; `None` when there is none.
    fn config(
        &self,
        caller: &CallingClient<'_>,
        name: ConfigName,
        tag: Option<String>,
    ) -> impl Future<Output = Result<Option<ConfigQueryResponse>, RegistryRefusal>> + Send;

    /// Writes or removes a config item.
    fn change_config(
        &self,
        caller: &CallingClient<'_>,
        name: ConfigName,
        change: ConfigChange,
    ) -> impl Future<Output = Result<(), RegistryRefusal>> + Send;

    /// Registers listeners; returns the items, as they were named, that differ already from what the client holds.
    fn listen(
        &self,
        caller: &CallingClient<'_>,
        contexts: Vec<ListenContext>,
    ) -> impl Future<Output = Result<Vec<ConfigName>, RegistryRefusal>> + Send;

    /// Ends listeners.
    fn ignore(
        &self,
        caller: &CallingClient<'_>,
        names: Vec<ConfigName>,
    ) -> impl Future<Output = Result<(), RegistryRefusal>> + Send;

    /// Starts or ends a watch on what exists.
    fn fuzzy_watch(
        &self,
        caller: &CallingClient<'_>,
        watch: FuzzyWatch,
    ) -> impl Future<Output = Result<(), RegistryRefusal>> + Send {
        let _ = (caller, watch);
        std::future::ready(Err(RegistryRefusal::new(error_code::NO_HANDLER, "fuzzy watch is not supported")))
    }
}

/// A connected client.
#[derive(Clone, Debug)]
pub struct ConnectedClient {
    /// Its TCP connection.
    pub connection: ConnectionId,
    /// Its address as this server sees it.
    pub remote: SocketAddr,
    /// Its address as it says itself; empty if it says none.
    pub client_ip: String,
    /// Product and version, as it says.
    pub client_version: String,
    /// Namespace it works in, as it says; often empty.
    pub tenant: String,
    /// `source`, `module`, `AppName`, … as it says.
    pub labels: BTreeMap<String, String>,
}

/// Who calls: the client, and the headers of this call.
#[derive(Clone, Copy, Debug)]
pub struct CallingClient<'a> {
    /// The client.
    pub peer: &'a ConnectedClient,
    pub(super) headers: &'a HashMap<String, String>,
}

impl<'a> CallingClient<'a> {
    /// Somebody who calls otherwise than over this protocol, with the headers that stand for those of a call.
    #[must_use]
    pub fn of(peer: &'a ConnectedClient, headers: &'a HashMap<String, String>) -> Self {
        Self { peer, headers }
    }

    /// The client's TCP connection.
    pub fn connection(&self) -> &ConnectionId {
        &self.peer.connection
    }

    /// All headers of this call.
    pub fn headers(&self) -> &HashMap<String, String> {
        self.headers
    }

    /// A header of this call, for example `accessToken`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// A service as a client names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceName {
    /// Namespace id; `""` and `public` are two.
    pub namespace: String,
    /// Group as it is named; one without a name is none, not the default one. A publisher names one.
    pub group: String,
    /// Service without its group.
    pub service: String,
}

impl ServiceName {
    pub(super) fn new(namespace: String, group: String, service: String) -> Self {
        Self { namespace, group, service }
    }
}

/// A config item as a client names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfigName {
    /// Namespace id; `""` and `public` are one, and each client hears the name it used.
    pub namespace: String,
    /// Group.
    pub group: String,
    /// Data id.
    pub data_id: String,
}

/// What a client wants to publish in a service.
#[derive(Clone, Debug, PartialEq)]
pub enum NamingPublication {
    /// These ephemeral instances, in place of all that the connection published there.
    Ephemeral(Vec<NacosInstance>),
    /// Nothing more of this connection.
    Withdraw,
    /// This instance, which outlives the connection.
    Persistent(NacosInstance),
    /// This persistent instance no more.
    WithdrawPersistent(NacosInstance),
}

/// What a client wants of a config item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// New content.
    Publish(ConfigPublication),
    /// Remove it, or its variant for a tag.
    Remove {
        /// The variant's tag.
        tag: Option<String>,
    },
}

/// A new content of a config item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigPublication {
    /// The content.
    pub content: String,
    /// Only if the item has this MD5 now.
    pub cas_md5: Option<String>,
    /// What else was said, by the keys of [`crate::message::config::addition`].
    pub additions: BTreeMap<String, String>,
}

/// A config item that a client listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenContext {
    /// The item.
    pub name: ConfigName,
    /// MD5 of what the client holds; empty if it holds nothing.
    pub md5: String,
}

/// A page of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListingPage {
    /// From 1.
    pub number: usize,
    /// 0 or more.
    pub size: usize,
}

impl ListingPage {
    /// Items to skip before this page.
    pub fn skip(self) -> usize {
        (self.number - 1).saturating_mul(self.size)
    }
}

/// A watch on the existence of services or config items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuzzyWatch {
    /// What is watched.
    pub watching: FuzzyWatching,
    /// `namespace>>group pattern>>name pattern`.
    pub pattern: String,
    /// Keys the client knows already.
    pub received: Vec<String>,
    /// The client has not seen the end of the state yet.
    pub initializing: bool,
    /// The client wants no more of it.
    pub cancel: bool,
}

/// What a fuzzy watch is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FuzzyWatching {
    /// Services.
    Services,
    /// Config items.
    Configs,
}

/// A call that the registry does not carry out, as the client is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct RegistryRefusal {
    /// One of [`error_code`].
    pub code: i32,
    /// For people.
    pub message: String,
    /// In which message it comes.
    pub comes: RefusalComes,
}

/// In which message a client is told of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalComes {
    /// In the answer's own type.
    InKind,
    /// As an `ErrorResponse`, as from a Nacos whose handler threw something.
    AsError {
        /// Its `resultCode`.
        result_code: i32,
    },
}

impl RegistryRefusal {
    /// A refusal with one of [`error_code`].
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), comes: RefusalComes::InKind }
    }

    /// A refusal that comes as an `ErrorResponse`.
    pub fn as_error(code: i32, result_code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), comes: RefusalComes::AsError { result_code } }
    }

    /// A part of the request is wrong: the client must not try again.
    pub fn bad_parameter(message: impl Into<String>) -> Self {
        Self::new(error_code::BAD_PARAMETER, message)
    }

    /// The caller may not do this; clients log in again.
    pub fn no_right(message: impl Into<String>) -> Self {
        Self::new(error_code::NO_RIGHT, message)
    }

    /// The registry failed; the client may try again.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(error_code::SERVER_ERROR, message)
    }

    /// The connection is not known (any more); clients connect again.
    pub fn unregistered() -> Self {
        Self::new(error_code::UNREGISTERED, "Connection is unregistered.")
    }
}
