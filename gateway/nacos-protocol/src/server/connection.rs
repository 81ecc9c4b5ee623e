//! A TCP connection with an identity: in this protocol the connection is the client.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bounded_listener::limits::REQUEST_SIZE;
use bounded_listener::{
    AnswerShape, ExchangeRule, ListenerFace, ListenerRefusal, PeerConnection, RequestBody, Service, WantedBody,
};
use http::request::Parts;
use http::{Request, Response};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::Service as _;

use super::MAX_REQUEST_BYTES;
use super::sessions::ClientSessions;

/// The path of the call that opens a stream.
const STREAM: &str = "/BiRequestStream/requestBiStream";
/// What a message has before it.
const PREFIX: usize = 5;

/// Name of a TCP connection: `<wall ms>_<remote ip>_<remote port>`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(Arc<str>);

impl ConnectionId {
    pub(super) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The name, shared.
    pub fn text(&self) -> &Arc<str> {
        &self.0
    }
}

impl From<Arc<str>> for ConnectionId {
    fn from(text: Arc<str>) -> Self {
        Self(text)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What all calls on one TCP connection share.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) id: ConnectionId,
    pub(super) remote: SocketAddr,
    connection: Arc<PeerConnection>,
}

impl Identity {
    fn new(connection: &Arc<PeerConnection>) -> Self {
        let remote = connection.peer();
        // A wall clock before 1970 still gives unique names: address and port tell open connections apart.
        let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
        let id = ConnectionId::new(&format!("{ms}_{}_{}", remote.ip(), remote.port()));
        Self { id, remote, connection: Arc::clone(connection) }
    }

    /// Waits until the TCP connection is gone.
    pub(super) async fn closed(&self) {
        self.connection.closed().await;
    }

    /// Cuts the TCP connection.
    pub(super) fn cut(&self) {
        self.connection.cut();
    }
}

/// The protocol behind its socket.
pub(super) struct Calls {
    pub(super) routes: Routes,
    pub(super) sessions: ClientSessions,
}

impl ListenerFace for Calls {
    type Service = CallsOfOne;

    fn connected(&self, connection: &Arc<PeerConnection>) -> CallsOfOne {
        let identity = Arc::new(Identity::new(connection));
        CallsOfOne { routes: self.routes.clone(), sessions: self.sessions.clone(), identity }
    }
}

/// The calls of one connection.
#[derive(Clone)]
pub(super) struct CallsOfOne {
    routes: Routes,
    sessions: ClientSessions,
    identity: Arc<Identity>,
}

impl Service for CallsOfOne {
    type Body = Body;

    fn rule(&self, head: &Parts) -> ExchangeRule {
        if head.uri.path() == STREAM {
            // A set-up, then acknowledgements; the session probes a client that is silent.
            let request = WantedBody::Messages { largest: REQUEST_SIZE, idle: None };
            return ExchangeRule { request, answer: AnswerShape::Endless };
        }
        // Before the set-up there is only the check; large requests are those of known clients.
        let is_known = self.sessions.get(&self.identity.id).is_some();
        ExchangeRule::call(PREFIX + if is_known { MAX_REQUEST_BYTES } else { REQUEST_SIZE })
    }

    async fn answer(&self, mut request: Request<RequestBody>) -> Response<Body> {
        request.extensions_mut().insert(Arc::clone(&self.identity));
        let answered: Result<_, Infallible> = self.routes.clone().call(request).await;
        let Ok(response) = answered;
        response
    }

    fn refuse(&self, refusal: ListenerRefusal) -> Response<Body> {
        Status::new(Code::from_i32(refusal.grpc_code().into()), refusal.to_string()).into_http()
    }
}
