//! `federation.v1.Routing`: `Resolve` and `WatchResolve` pass on plans that were encoded once, on paths of their own;
//! `Explain` is answered by the generated server.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use federation_core::id::ServiceKey;
use federation_core::service::FederatedService;
use federation_core::time::Mono;
use federation_proto::federation::v1 as pb;
use federation_proto::federation::v1::routing_server::Routing;
use futures::Stream;
use futures::future::BoxFuture;
use prost::Message;
use tonic::server::{Grpc, ServerStreamingService, UnaryService};
use tonic::{Request, Response, Status};
use tower::Service;

use super::encoded_once::EncodedOnce;
use super::plan_wire::Spliced;
use super::{discovery, plan_wire, wire};
use crate::ApiState;
use crate::ask::Origins;
use crate::plan_hub::{EncodePlan, PlanWatcher, Told};
use crate::select::Moment;
use federation_view::resolve::{Encoded, Excerpt, Face, Inputs, Planned};

/// The paths of the calls that are answered here.
pub(super) const RESOLVE: &str = "/federation.v1.Routing/Resolve";
pub(super) const WATCH_RESOLVE: &str = "/federation.v1.Routing/WatchResolve";

/// The calls of the service that are not [`ResolveRoute`]'s or [`WatchResolveRoute`]'s.
pub(super) struct RoutingFace(pub(super) ApiState);

impl RoutingFace {
    fn explain(&self, request: &pb::ExplainRequest) -> Result<pb::ExplainResponse, Status> {
        let ask = plan_wire::decode_explain(request)?;
        let inputs = self.0.resolver().inputs();
        let asking = self.0.resolver().understand(&ask.caller, &inputs);
        let planned = self.0.resolver().planned(&ask.key, &asking, &inputs);
        let planned = planned.ok_or_else(|| not_found(&self.0, &ask.key))?;
        let version = self.0.shown_version(planned.stamp.revision());
        let notes = planned.notes(asking.place_from, &inputs);
        Ok(plan_wire::encode_explanation(&planned, version, notes, ask.excerpt, &inputs, self.0.view().now()))
    }
}

#[tonic::async_trait]
impl Routing for RoutingFace {
    async fn explain(&self, request: Request<pb::ExplainRequest>) -> Result<Response<pb::ExplainResponse>, Status> {
        discovery::counted(&self.0, "Explain", self.explain(request.get_ref()))
    }
}

fn not_found(state: &ApiState, key: &ServiceKey) -> Status {
    let what = format!("an instance of {key}");
    Status::not_found(Moment::of(state.view()).looked_at_sentence(&what, &Origins::All))
}

/// Answers `Resolve`.
#[derive(Clone)]
pub(super) struct ResolveRoute(pub(super) ApiState);

impl Service<axum::extract::Request> for ResolveRoute {
    type Response = axum::http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: axum::extract::Request) -> Self::Future {
        let method = ResolveMethod(self.0.clone());
        Box::pin(async move { Ok(Grpc::new(EncodedOnce::new()).unary(method, request).await) })
    }
}

struct ResolveMethod(ApiState);

impl UnaryService<pb::ResolveRequest> for ResolveMethod {
    type Response = Spliced;
    type Future = std::future::Ready<Result<Response<Spliced>, Status>>;

    fn call(&mut self, request: Request<pb::ResolveRequest>) -> Self::Future {
        let answer = resolve(&self.0, request.get_ref());
        std::future::ready(discovery::counted(&self.0, "Resolve", answer))
    }
}

fn resolve(state: &ApiState, request: &pb::ResolveRequest) -> Result<Spliced, Status> {
    let ask = plan_wire::decode_resolve(request)?;
    let inputs = state.resolver().inputs();
    let asking = state.resolver().understand(&ask.caller, &inputs);
    let encode = |planned: &Planned| Wire.encode(state, planned);
    let found = state.resolver().kept(&ask.key, &asking, &inputs, Face::Proto, encode);
    let found = found.ok_or_else(|| not_found(state, &ask.key))?;
    match found.encoded() {
        Encoded::Usable(pieces) => {
            let now = state.view().now();
            Ok(plan_wire::with_origins(pieces, ask.excerpt, &found.service, &inputs, now))
        }
        Encoded::Unusable(unusable) => Err(Status::unavailable(unusable.detail.clone())),
    }
}

/// Plans as messages.
struct Wire;

impl EncodePlan for Wire {
    fn encode(&self, state: &ApiState, planned: &Planned) -> Encoded {
        plan_wire::encode(planned, state.shown_version(planned.stamp.revision()))
    }

    fn plan(&self, encoded: &Encoded, service: &FederatedService, inputs: &Inputs, now: Mono) -> Bytes {
        match encoded {
            Encoded::Usable(pieces) => {
                let mut message = plan_wire::with_origins(pieces, Excerpt::default(), service, inputs, now);
                message.copy_to_bytes(message.remaining())
            }
            Encoded::Unusable(unusable) => unusable.bytes.clone(),
        }
    }

    fn absent(&self, state: &ApiState, key: &ServiceKey) -> Bytes {
        let absent = wire::encode_absent(key, &Moment::of(state.view()));
        let event = pb::watch_resolve_response::Event::Absent(absent);
        pb::WatchResolveResponse { event: Some(event) }.encode_to_vec().into()
    }
}

/// Answers `WatchResolve`.
#[derive(Clone)]
pub(super) struct WatchResolveRoute(pub(super) ApiState);

impl Service<axum::extract::Request> for WatchResolveRoute {
    type Response = axum::http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: axum::extract::Request) -> Self::Future {
        let method = WatchResolveMethod(self.0.clone());
        Box::pin(async move { Ok(Grpc::new(EncodedOnce::<_>::new()).server_streaming(method, request).await) })
    }
}

struct WatchResolveMethod(ApiState);

type Events = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

impl ServerStreamingService<pb::WatchResolveRequest> for WatchResolveMethod {
    type Response = Bytes;
    type ResponseStream = Events;
    type Future = std::future::Ready<Result<Response<Events>, Status>>;

    fn call(&mut self, request: Request<pb::WatchResolveRequest>) -> Self::Future {
        let answer = watch(&self.0, request.get_ref());
        std::future::ready(discovery::counted(&self.0, "WatchResolve", answer))
    }
}

fn watch(state: &ApiState, request: &pb::WatchResolveRequest) -> Result<Events, Status> {
    let topic = plan_wire::decode_watch(request)?;
    // A text that is no fingerprint is as good as none.
    let told = u64::from_str_radix(&request.last_fingerprint, 16).ok().map(Told::Plan);
    let watcher = state.plan_hub().watch(state, topic, told, Wire);
    Ok(Box::pin(events(watcher, state.clone())))
}

fn events(mut watcher: PlanWatcher<Wire>, state: ApiState) -> impl Stream<Item = Result<Bytes, Status>> {
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
