//! A tower service, mostly a router, as a face.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;

use crate::connection::PeerConnection;
use crate::exchange::{ExchangeRule, ListenerFace, Service};
use crate::receive::RequestBody;
use crate::refusal::ListenerRefusal;

/// Answers with `router` what `rule` lets pass.
pub struct RoutedService<R, B> {
    /// Is ready at any time, as routers are.
    pub router: R,
    /// See [`Service::rule`].
    pub rule: fn(&Parts) -> ExchangeRule,
    /// See [`Service::refuse`].
    pub refuse: fn(ListenerRefusal) -> Response<B>,
}

impl<R: Clone, B> Clone for RoutedService<R, B> {
    fn clone(&self) -> Self {
        Self { router: self.router.clone(), rule: self.rule, refuse: self.refuse }
    }
}

impl<R, B> ListenerFace for RoutedService<R, B>
where
    Self: Service,
{
    type Service = Self;

    fn connected(&self, _: &Arc<PeerConnection>) -> Self {
        self.clone()
    }
}

impl<R, B> Service for RoutedService<R, B>
where
    R: tower_service::Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    R: Clone + Send + Sync + 'static,
    R::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send + Unpin,
{
    type Body = B;

    fn rule(&self, head: &Parts) -> ExchangeRule {
        (self.rule)(head)
    }

    async fn answer(&self, request: Request<RequestBody>) -> Response<B> {
        let Ok(response) = self.router.clone().call(request).await;
        response
    }

    fn refuse(&self, refusal: ListenerRefusal) -> Response<B> {
        (self.refuse)(refusal)
    }
}
