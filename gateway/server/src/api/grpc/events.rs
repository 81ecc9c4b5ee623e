//! `WatchService`: messages that were encoded once for all watchers, passed on as bytes.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes};
use federation_proto::federation::v1 as pb;
use futures::Stream;
use futures::future::BoxFuture;
use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, ServerStreamingService};
use tonic::{Request, Response, Status};
use tower::Service;

use super::{discovery, wire};
use crate::api::ApiState;
use crate::api::hub::{Encode, Shown, Watcher};
use crate::metrics::WatchFace;

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
            None => pb::watch_service_response::Event::Absent(wire::encode_absent(ask, moment)),
        };
        pb::WatchServiceResponse { event: Some(event) }.encode_to_vec().into()
    })
}

/// Reads requests of one type, and writes answers that are encoded already.
struct EncodedOnce<T>(PhantomData<T>);

impl<T> EncodedOnce<T> {
    fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Message + Default + 'static> Codec for EncodedOnce<T> {
    type Encode = Bytes;
    type Decode = T;
    type Encoder = PassOn;
    type Decoder = Read<T>;

    fn encoder(&mut self) -> PassOn {
        PassOn
    }

    fn decoder(&mut self) -> Read<T> {
        Read(PhantomData)
    }
}

struct PassOn;

impl Encoder for PassOn {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

struct Read<T>(PhantomData<T>);

impl<T: Message + Default> Decoder for Read<T> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        T::decode(buffer).map(Some).map_err(|error| Status::invalid_argument(error.to_string()))
    }
}
