//! `WatchService`: messages that were encoded once for all watchers, passed on as bytes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use federation_proto::federation::v1 as pb;
use futures::Stream;
use futures::future::BoxFuture;
use prost::Message;
use tonic::server::{Grpc, ServerStreamingService};
use tonic::{Request, Response, Status};
use tower::Service;

use super::encoded_once::EncodedOnce;
use super::{discovery, wire};
use crate::ApiState;
use crate::hub::{Encode, Shown, Watcher};
use federation_ports::metrics::WatchFace;

/// The path of the call.
pub(super) const PATH: &str = "/federation.v1.Discovery/WatchService";

/// Answers the call.
#[derive(Clone)]
pub(super) struct WatchRoute(pub(super) ApiState);

impl Service<axum::extract::Request> for WatchRoute {
    type Response = axum::http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: axum::extract::Request) -> Self::Future {
        let method = WatchMethod(self.0.clone());
        Box::pin(async move { Ok(Grpc::new(EncodedOnce::new()).server_streaming(method, request).await) })
    }
}

struct WatchMethod(ApiState);

impl ServerStreamingService<pb::WatchServiceRequest> for WatchMethod {
    type Response = Bytes;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;
    type Future = std::future::Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<pb::WatchServiceRequest>) -> Self::Future {
        let answer = watch(&self.0, request.get_ref());
        std::future::ready(discovery::counted(&self.0, "WatchService", answer))
    }
}

type Events = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

fn watch(state: &ApiState, request: &pb::WatchServiceRequest) -> Result<Events, Status> {
    let ask = wire::decode_watch(request)?;
    let told = state.revision_shown_as(request.last_version).map(Shown::Service);
    let watcher = state.hub().watch(ask, WatchFace::Grpc, told, encoder(state));
    Ok(Box::pin(events(watcher, state.clone())))
}

fn events(mut watcher: Watcher, state: ApiState) -> impl Stream<Item = Result<Bytes, Status>> {
    async_stream::stream! {
        loop {
            let bytes = tokio::select! { // Both are cancel-safe.
                () = state.draining().cancelled() => {
                    yield Err(Status::unavailable("the gateway is stopping"));
                    break;
                }
                news = watcher.next() => news,
            };
            yield Ok(bytes);
        }
    }
}

fn encoder(state: &ApiState) -> Encode {
    let state = state.clone();
    Arc::new(move |ask, service, moment| {
        let event = match service {
            Some(service) => {
                let version = state.shown_version(moment.service_version(service));
                pb::watch_service_response::Event::Service(wire::encode_service(ask, service, moment, version))
            }
            None => pb::watch_service_response::Event::Absent(wire::encode_absent(&ask.key, moment)),
        };
        pb::WatchServiceResponse { event: Some(event) }.encode_to_vec().into()
    })
}
