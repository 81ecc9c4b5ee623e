//! What a client tells its owner, in the order in which it happened on the connection.

use tokio::sync::mpsc;

use super::{CallError, ConfigName, ServiceName};
use crate::message::naming::ServiceInfo;

/// Receiving end of a client's events. While it is full the client reads no further pushes; calls, health checks and acks go on.
pub type ClientEvents = mpsc::Receiver<ClientEvent>;

/// One thing that happened. A generation is one TCP connection of this client; it grows by one with each.
#[derive(Clone, Debug)]
pub enum ClientEvent {
    /// Connected and set up. Everything that was wanted is now asked for again.
    Connected {
        /// Of this connection.
        generation: u64,
        /// The server, as `host:port` of its HTTP API.
        server: String,
        /// What it can do.
        abilities: ServerAbilities,
    },
    /// The connection is gone, and with it all that was registered through it. The next attempt follows by itself.
    Disconnected {
        /// Of the connection that is gone.
        generation: u64,
        /// For people.
        reason: String,
        /// What it was given up for.
        cause: DisconnectCause,
    },
    /// An attempt to connect failed; the next follows by itself.
    ConnectFailed {
        /// The server, as `host:port` of its HTTP API.
        server: String,
        /// For people, with all causes.
        reason: String,
    },
    /// User or password are wrong, or the login failed and the server wants one. Tried again slowly.
    LoginFailed {
        /// For people.
        reason: String,
    },
    /// A subscribed service as it is now, whole.
    Service {
        /// Of the connection that it came over.
        generation: u64,
        /// Which.
        service: ServiceName,
        /// What the server says. Disabled instances are missing, and health may be false data: see [`ServiceInfo`].
        info: ServiceInfo,
        /// Why it came.
        source: ServiceSource,
    },
    /// A config item that is listened to is not what the client said it holds. Ask for it.
    ConfigChanged {
        /// Which, as it was listened to.
        config: ConfigName,
    },
    /// A service has a publisher now (fuzzy watch).
    ServiceAppeared {
        /// Which.
        service: ServiceName,
    },
    /// A service has no publisher any more (fuzzy watch).
    ServiceDisappeared {
        /// Which.
        service: ServiceName,
    },
    /// All services that existed in a namespace when its fuzzy watch started have been told.
    FuzzyWatchReady {
        /// Of the connection.
        generation: u64,
        /// Which.
        namespace: String,
    },
    /// The fuzzy watch of a namespace is over a limit of the server: it is incomplete from now on, and only listing shows all.
    FuzzyWatchLimited {
        /// Which.
        namespace: String,
        /// The server's words.
        message: String,
    },
    /// Something that is wanted was refused, failed at the server, or is not answered again and again. Tried again slowly.
    CallRefused {
        /// What was tried.
        call: ClientCall,
        /// On what: a service or a namespace, as text.
        subject: String,
        /// Why.
        refusal: SubscriptionRefusal,
    },
    /// Instances that are wanted were refused while nobody waited for the answer: they were registered before, or their registration was
    /// answered with a failure that was none yet.
    RegistrationLost {
        /// Of which service.
        service: ServiceName,
        /// For people.
        reason: String,
    },
    /// What was told as refused has been answered since, or is not wanted any more.
    CallAnswered {
        /// What was tried.
        call: ClientCall,
        /// On what: a service or a namespace, as text.
        subject: String,
    },
    /// A push could not be read: what it said is lost, and only asking shows it.
    Malformed {
        /// Name of the message.
        message: String,
        /// For people.
        reason: String,
    },
    /// All that was wanted when this connection was made has been answered once.
    Redone {
        /// Of the connection.
        generation: u64,
    },
}

/// Why a connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisconnectCause {
    /// It broke, or the server ended it or forgot it.
    Ended,
    /// The server answered nothing for so long that it was given up.
    NoAnswer,
    /// The server answered, and pushed nothing although it had to: the connection was given up.
    NoPushes,
}

/// Why a [`ClientEvent::Service`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceSource {
    /// The server pushed it.
    Push,
    /// It answers the subscription.
    Subscribed,
    /// It was read because a push did not say which namespace it is about: the same group and service are subscribed in several.
    Read,
}

/// What the client does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCall {
    /// Subscribe to a service.
    Subscribe,
    /// End a subscription.
    Unsubscribe,
    /// Read a service.
    Read,
    /// Register instances.
    Register,
    /// Listen to config items.
    Listen,
    /// Watch the services of a namespace.
    FuzzyWatch,
}

/// Why something that is wanted is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionRefusal {
    /// The account lacks the right.
    NoRight(String),
    /// The server is over a limit.
    Overloaded(String),
    /// No answer came, several times in a row; other calls may be answered.
    Unanswered {
        /// How many times in a row.
        times: u32,
    },
    /// The server failed or calls the request wrong.
    Failed {
        /// One of [`crate::message::error_code`].
        code: i32,
        /// The server's words.
        message: String,
    },
}

impl SubscriptionRefusal {
    /// `None` for errors that say nothing about the server's will: those are tried again without a word.
    pub(super) fn of(error: &CallError) -> Option<Self> {
        match error {
            CallError::Refused { message } => Some(Self::NoRight(message.clone())),
            CallError::Overloaded { message } => Some(Self::Overloaded(message.clone())),
            CallError::Server { code, message, .. } => Some(Self::Failed { code: *code, message: message.clone() }),
            CallError::Malformed(error) => Some(Self::Failed { code: 0, message: error.to_string() }),
            CallError::NotConnected | CallError::Timeout { .. } | CallError::Incomplete { .. } => None,
        }
    }
}

/// What a server can do, as it said at the set-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerAbilities {
    /// Persistent instances over gRPC.
    pub persistent_instances: bool,
    /// Fuzzy watch.
    pub fuzzy_watch: bool,
}
