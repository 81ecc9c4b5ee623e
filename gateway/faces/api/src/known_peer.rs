//! Who is at the other side of a connection: each request says so in its extensions.

use std::sync::Arc;

use axum::http::Request;
use axum::http::request::Parts;
use axum::response::Response;
use bounded_listener::{ExchangeRule, ListenerFace, ListenerRefusal, PeerConnection, RequestBody, Service};

/// A face whose requests carry their connection.
pub(crate) struct KnownPeer<S>(pub(crate) S);

/// The same on one connection.
#[derive(Clone)]
pub(crate) struct PeerRequests<S> {
    service: S,
    connection: Arc<PeerConnection>,
}

impl<S: Service> ListenerFace for KnownPeer<S> {
    type Service = PeerRequests<S>;

    fn connected(&self, connection: &Arc<PeerConnection>) -> PeerRequests<S> {
        PeerRequests { service: self.0.clone(), connection: Arc::clone(connection) }
    }
}

impl<S: Service> Service for PeerRequests<S> {
    type Body = S::Body;

    fn rule(&self, head: &Parts) -> ExchangeRule {
        self.service.rule(head)
    }

    async fn answer(&self, mut request: Request<RequestBody>) -> Response<S::Body> {
        request.extensions_mut().insert(Arc::clone(&self.connection));
        self.service.answer(request).await
    }

    fn refuse(&self, refusal: ListenerRefusal) -> Response<S::Body> {
        self.service.refuse(refusal)
    }
}
