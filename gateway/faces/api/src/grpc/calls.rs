//! Calls that are answered beside the generated services, on paths of their own, because their answers are bytes already: one answer that is
//! spliced, or a stream of what a hub tells.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use futures::future::BoxFuture;
use prost::Message;
use tonic::server::{Grpc, ServerStreamingService};
use tonic::{Request, Response, Status};
use tower::Service;

use super::discovery::counted;
use super::encoded_once::EncodedOnce;
use super::rights::asker;
use crate::ApiState;
use crate::asker::Asker;
use federation_view::hub::{HubEnded, Watched, Watcher};

/// What the server is answered with.
pub(super) type Answer = axum::http::Response<tonic::body::Body>;

/// A call that is answered here.
pub(super) trait Call: Clone + Send + 'static {
    fn answer(self, request: axum::extract::Request) -> impl Future<Output = Answer> + Send;
}

/// Serves one call.
#[derive(Clone)]
pub(super) struct CallRoute<C>(pub(super) C);

impl<C: Call> Service<axum::extract::Request> for CallRoute<C> {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: axum::extract::Request) -> Self::Future {
        let call = self.0.clone();
        Box::pin(async move { Ok(call.answer(request).await) })
    }
}

/// A call that begins to watch.
pub(super) trait WatchCall: Clone + Send + 'static {
    type Request: Message + Default + 'static;
    type Watched: Watched<Event = Bytes>;
    /// As it is counted.
    const METHOD: &'static str;

    fn state(&self) -> &ApiState;

    fn watch(&self, asker: &Asker, request: &Self::Request) -> Result<Watcher<Self::Watched>, Status>;
}

/// Answers a call that begins to watch: the events until the client leaves, or that the gateway is unavailable once the hub has ended.
#[derive(Clone)]
pub(super) struct Streamed<C>(pub(super) C);

impl<C: WatchCall> Call for Streamed<C> {
    async fn answer(self, request: axum::extract::Request) -> Answer {
        Grpc::new(EncodedOnce::new()).server_streaming(self, request).await
    }
}

type Events = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

impl<C: WatchCall> ServerStreamingService<C::Request> for Streamed<C> {
    type Response = Bytes;
    type ResponseStream = Events;
    type Future = std::future::Ready<Result<Response<Events>, Status>>;

    fn call(&mut self, request: Request<C::Request>) -> Self::Future {
        let asker = asker(&request);
        let watcher = self.0.watch(asker, request.get_ref());
        let answer = watcher.map(|watcher| Box::pin(events(watcher, asker.clone())) as Events);
        std::future::ready(counted(self.0.state(), C::METHOD, answer))
    }
}

fn events<W: Watched<Event = Bytes>>(
    mut watcher: Watcher<W>,
    asker: Asker,
) -> impl Stream<Item = Result<Bytes, Status>> {
    async_stream::stream! {
        let over = asker.ended();
        tokio::pin!(over);
        loop {
            let next = tokio::select! { // Both are cancel-safe.
                next = watcher.next() => next,
                () = &mut over => {
                    yield Err(Status::unauthenticated("what was shown does not count any more, or not for this"));
                    break;
                }
            };
            match next {
                Ok(bytes) => yield Ok(bytes),
                Err(ended) => {
                    yield Err(unavailable(ended));
                    break;
                }
            }
        }
    }
}

fn unavailable(ended: HubEnded) -> Status {
    Status::unavailable(ended.to_string())
}
