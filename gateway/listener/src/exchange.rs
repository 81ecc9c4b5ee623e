//! One request and its answer, between the connection and the face that answers.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;

use crate::answer::{AnswerBody, AnswerShape};
use crate::connection::{PeerConnection, Turn};
use crate::gate::Told;
use crate::limits::PeerPatience;
use crate::purse::{Charge, Ledger, ListenerBudgets};
use crate::receive::{self, MessageStream, RequestBody, WantedBody};
use crate::refusal::ListenerRefusal;
use crate::web::{self, ServedHosts};

/// What is behind a listener.
pub trait ListenerFace: Send + Sync + 'static {
    /// What answers the requests of one connection.
    type Service: Service;

    /// A peer has connected. The connection tells when it is gone.
    fn connected(&self, connection: &Arc<PeerConnection>) -> Self::Service;
}

/// Answers requests. Cloned for each.
pub trait Service: Clone + Send + Sync + 'static {
    /// Body of an answer.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send + Unpin>
        + Send
        + Unpin
        + 'static;

    /// What this request may carry, and what its answer is like. Asked before the body is received.
    fn rule(&self, head: &Parts) -> ExchangeRule;

    /// The answer. Dropped when the peer does not want it any more.
    fn answer(&self, request: Request<RequestBody>) -> impl Future<Output = Response<Self::Body>> + Send;

    /// A request that is not carried out, in the words of this face.
    fn refuse(&self, refusal: ListenerRefusal) -> Response<Self::Body>;
}

/// What a request may carry, and what its answer is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeRule {
    /// The request's body.
    pub request: WantedBody,
    /// The answer.
    pub answer: AnswerShape,
}

impl ExchangeRule {
    /// A request of at most `largest` bytes with one answer.
    #[must_use]
    pub const fn call(largest: usize) -> Self {
        Self { request: WantedBody::Whole(largest), answer: AnswerShape::Whole }
    }

    /// A request of at most `largest` bytes whose answer does not end.
    #[must_use]
    pub const fn watch(largest: usize) -> Self {
        Self { request: WantedBody::Whole(largest), answer: AnswerShape::Endless }
    }
}

/// What all exchanges of a listener share.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) patience: PeerPatience,
    pub(crate) hosts: ServedHosts,
    pub(crate) budgets: ListenerBudgets,
    pub(crate) answers: Arc<Ledger>,
    pub(crate) told: Told,
}

/// The service of one connection, as hyper calls it.
pub(crate) struct Exchange<S> {
    pub(crate) service: S,
    pub(crate) connection: Arc<PeerConnection>,
    pub(crate) terms: Arc<Terms>,
}

impl<S: Service> hyper::service::Service<Request<Incoming>> for Exchange<S> {
    type Response = Response<AnswerBody<S::Body>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let turn = self.connection.begin();
        let (service, terms) = (self.service.clone(), Arc::clone(&self.terms));
        Box::pin(async move { Ok(exchange(&service, &terms, turn, request).await) })
    }
}

async fn exchange<S: Service>(
    service: &S,
    terms: &Terms,
    turn: Turn,
    request: Request<Incoming>,
) -> Response<AnswerBody<S::Body>> {
    let (head, body) = request.into_parts();
    let version = head.version;
    if let Err(refusal) = web::judge(&head, &terms.hosts) {
        return refused(service, terms, turn, version, refusal);
    }
    let rule = service.rule(&head);
    let charge = || Charge::new(turn.connection().budget(), &terms.budgets);
    let mut held = None; // Until the answer is there.
    let body = match rule.request {
        WantedBody::Whole(_) if body.is_end_stream() => Ok(RequestBody::Whole(Bytes::new())),
        WantedBody::Whole(largest) => {
            let received = receive::whole(body, largest, held.insert(charge()), &terms.patience).await;
            received.map(RequestBody::Whole)
        }
        WantedBody::Messages { largest, idle } => {
            let messages = MessageStream::new(body, largest, idle, charge(), &terms.patience);
            Ok(RequestBody::Messages(Box::new(messages)))
        }
    };
    let body = match body {
        Ok(body) => body,
        Err(refusal) => return refused(service, terms, turn, version, refusal),
    };
    let mut response = service.answer(Request::from_parts(head, body)).await;
    web::guard_answer(response.headers_mut());
    drop(held);
    if rule.answer == AnswerShape::Endless {
        return AnswerBody::plain(response, turn);
    }
    match AnswerBody::whole(response, turn, &terms.answers, &terms.patience).await {
        Ok(response) => response,
        Err((refusal, turn)) => refused(service, terms, turn, version, refusal),
    }
}

fn refused<S: Service>(
    service: &S,
    terms: &Terms,
    turn: Turn,
    version: Version,
    refusal: ListenerRefusal,
) -> Response<AnswerBody<S::Body>> {
    tracing::debug!(peer = %turn.connection().peer(), %refusal, "request refused");
    terms.told.refused(refusal);
    let mut response = service.refuse(refusal);
    let headers = response.headers_mut();
    web::guard_answer(headers);
    if refusal.is_for_others() {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    } else if version < Version::HTTP_2 {
        headers.insert(CONNECTION, HeaderValue::from_static("close")); // The rest of the body is not read.
    }
    AnswerBody::plain(response, turn)
}
