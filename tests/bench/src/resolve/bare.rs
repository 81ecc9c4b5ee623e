//! Handlers that do nothing but answer fixed bytes, on the gateway's own servers: what is compared with.

use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post_service};
use bytes::Bytes;
use federation_api::grpc::EncodedOnce;
use federation_api::serve::RoutesBeside;
use federation_proto::federation::v1 as pb;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tonic::server::{Grpc, ServerStreamingService, UnaryService};
use tonic::{Request, Status};
use tower::Service;

use super::requests::Handler;

/// What is answered now.
#[derive(Default)]
pub(crate) struct Bare {
    http: RwLock<Bytes>, // Locked for taking, or replacing, one `Bytes`.
    grpc: RwLock<Bytes>, // The same.
    watch: watch::Sender<Bytes>,
}

impl Bare {
    /// Answers over HTTP and gRPC have these lengths from now on.
    pub(crate) fn answer_with(&self, http: usize, grpc: usize) {
        *self.http.write().unwrap_or_else(PoisonError::into_inner) = vec![b'x'; http].into();
        *self.grpc.write().unwrap_or_else(PoisonError::into_inner) = vec![b'x'; grpc].into();
    }

    /// Hands a message of this length to everybody who watches.
    pub(crate) fn tell(&self, length: usize) {
        self.watch.send_replace(vec![b'x'; length].into());
    }

    /// The routes.
    pub(crate) fn routes(bare: &Arc<Self>) -> RoutesBeside {
        let http = Router::new().route(Handler::Bare.http_path(), get(answer)).with_state(Arc::clone(bare));
        let grpc = Router::new()
            .route_service(Handler::Bare.grpc_path(), post_service(Call(Arc::clone(bare))))
            .route_service(Handler::Bare.watch_path(), post_service(Watch(Arc::clone(bare))));
        RoutesBeside { http, grpc, ..RoutesBeside::default() }
    }
}

fn now(bytes: &RwLock<Bytes>) -> Bytes {
    bytes.read().unwrap_or_else(PoisonError::into_inner).clone()
}

async fn answer(State(bare): State<Arc<Bare>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], now(&bare.http)).into_response()
}

type Answer = axum::http::Response<tonic::body::Body>;
type Answering = BoxFuture<'static, Result<Answer, Infallible>>;

/// One answer to one message.
#[derive(Clone)]
struct Call(Arc<Bare>);

impl Service<axum::extract::Request> for Call {
    type Response = Answer;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: axum::extract::Request) -> Self::Future {
        let method = self.clone();
        Box::pin(async move { Ok(Grpc::new(EncodedOnce::new()).unary(method, request).await) })
    }
}

impl UnaryService<pb::ResolveRequest> for Call {
    type Response = Bytes;
    type Future = std::future::Ready<Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, _: Request<pb::ResolveRequest>) -> Self::Future {
        std::future::ready(Ok(tonic::Response::new(now(&self.0.grpc))))
    }
}

/// Whatever is told, newest first.
#[derive(Clone)]
struct Watch(Arc<Bare>);

impl Service<axum::extract::Request> for Watch {
    type Response = Answer;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: axum::extract::Request) -> Self::Future {
        let method = self.clone();
        Box::pin(async move { Ok(Grpc::new(EncodedOnce::new()).server_streaming(method, request).await) })
    }
}

impl ServerStreamingService<pb::WatchResolveRequest> for Watch {
    type Response = Bytes;
    type ResponseStream = BoxStream<'static, Result<Bytes, Status>>;
    type Future = std::future::Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: Request<pb::WatchResolveRequest>) -> Self::Future {
        let told = WatchStream::new(self.0.watch.subscribe()).map(Ok);
        std::future::ready(Ok(tonic::Response::new(told.boxed())))
    }
}
