//! `federation.v1.Routing`: `Resolve` and `WatchResolve` pass on plans that were encoded once, on paths of their own;
//! `Explain` is answered by the generated server.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use federation_access::judge::AccessSubject;
use federation_access::right::AccessRight;
use federation_core::id::ServiceKey;
use federation_core::service::FederatedService;
use federation_core::time::Mono;
use federation_proto::federation::v1 as pb;
use federation_proto::federation::v1::routing_server::Routing;
use prost::Message;
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};

use super::calls::{Answer, Call, WatchCall};
use super::encoded_once::EncodedOnce;
use super::plan_wire::Spliced;
use super::rights::asker;
use super::{discovery, plan_wire, wire};
use crate::ApiState;
use crate::ask::Origins;
use crate::asker::Asker;
use crate::select::Moment;
use crate::versions::ShownVersions;
use federation_ports::metrics::WatchFace;
use federation_view::hub::plans::{EncodePlan, PlanMark, WatchedPlans};
use federation_view::hub::{Hub, Watcher};
use federation_view::resolve::{EncodedPlan, PlanEncoding, PlanExcerpt, PlanInputs, PlannedService};
use federation_view::view::ClusterTable;

/// The paths of the calls that are answered here.
pub(super) const RESOLVE: &str = "/federation.v1.Routing/Resolve";
pub(super) const WATCH_RESOLVE: &str = "/federation.v1.Routing/WatchResolve";

/// The calls of the service that are not [`ResolveCall`]'s or [`WatchResolve`]'s.
pub(super) struct RoutingFace(pub(super) ApiState);

impl RoutingFace {
    fn explain(&self, asker: &Asker, request: &pb::ExplainRequest) -> Result<pb::ExplainResponse, Status> {
        let ask = plan_wire::decode_explain(request)?;
        asker.may(&self.0, AccessRight::View, AccessSubject::Service(&ask.key))?;
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
        discovery::counted(&self.0, "Explain", self.explain(asker(&request), request.get_ref()))
    }
}

fn not_found(state: &ApiState, key: &ServiceKey) -> Status {
    let what = format!("an instance of {key}");
    Status::not_found(Moment::of(state.view()).looked_at_sentence(&what, &Origins::All))
}

/// Plans for one caller each, as they are kept.
#[derive(Clone)]
pub(super) struct ResolveCall(pub(super) ApiState);

impl Call for ResolveCall {
    async fn answer(self, request: axum::extract::Request) -> Answer {
        Grpc::new(EncodedOnce::new()).unary(self, request).await
    }
}

impl UnaryService<pb::ResolveRequest> for ResolveCall {
    type Response = Spliced;
    type Future = std::future::Ready<Result<Response<Spliced>, Status>>;

    fn call(&mut self, request: Request<pb::ResolveRequest>) -> Self::Future {
        let answer = resolve(&self.0, asker(&request), request.get_ref());
        std::future::ready(discovery::counted(&self.0, "Resolve", answer))
    }
}

fn resolve(state: &ApiState, asker: &Asker, request: &pb::ResolveRequest) -> Result<Spliced, Status> {
    let ask = plan_wire::decode_resolve(request)?;
    asker.may(state, AccessRight::View, AccessSubject::Service(&ask.key))?;
    let inputs = state.resolver().inputs();
    let asking = state.resolver().understand(&ask.caller, &inputs);
    let encode = |planned: &PlannedService| PlanMessages::of(state).encode(planned);
    let found = state.resolver().kept(&ask.key, &asking, &inputs, PlanMessages::FACE, encode);
    let found = found.ok_or_else(|| not_found(state, &ask.key))?;
    match found.encoded() {
        EncodedPlan::Usable(pieces) => {
            let now = state.view().now();
            Ok(plan_wire::with_origins(pieces, ask.excerpt, &found.service, &inputs, now))
        }
        EncodedPlan::Unusable(unusable) => Err(Status::unavailable(unusable.detail.clone())),
    }
}

/// Begins to watch plans.
#[derive(Clone)]
pub(super) struct WatchResolve {
    state: ApiState,
    hub: Hub<WatchedPlans<PlanMessages>>,
}

impl WatchResolve {
    pub(super) fn new(state: &ApiState) -> Self {
        let watched = WatchedPlans::new(state.view().clone(), Arc::clone(state.resolver()), PlanMessages::of(state));
        Self { state: state.clone(), hub: state.hub(watched, WatchFace::Resolve) }
    }
}

impl WatchCall for WatchResolve {
    type Request = pb::WatchResolveRequest;
    type Watched = WatchedPlans<PlanMessages>;
    const METHOD: &'static str = "WatchResolve";

    fn state(&self) -> &ApiState {
        &self.state
    }

    fn watch(
        &self,
        asker: &Asker,
        request: &pb::WatchResolveRequest,
    ) -> Result<Watcher<WatchedPlans<PlanMessages>>, Status> {
        let topic = plan_wire::decode_watch(request)?;
        asker.may(&self.state, AccessRight::View, AccessSubject::Service(&topic.key))?;
        // A text that is no fingerprint is as good as none.
        let known = u64::from_str_radix(&request.last_fingerprint, 16).ok().map(PlanMark::Plan);
        Ok(self.hub.watch(topic, known))
    }
}

/// Plans as messages.
pub(super) struct PlanMessages {
    versions: ShownVersions,
}

impl PlanMessages {
    fn of(state: &ApiState) -> Self {
        Self { versions: state.versions() }
    }
}

impl EncodePlan for PlanMessages {
    const FACE: PlanEncoding = PlanEncoding::Proto;

    fn encode(&self, planned: &PlannedService) -> EncodedPlan {
        plan_wire::encode(planned, self.versions.shown(planned.stamp.revision()))
    }

    fn plan(&self, encoded: &EncodedPlan, service: &FederatedService, inputs: &PlanInputs, now: Mono) -> Bytes {
        match encoded {
            EncodedPlan::Usable(pieces) => {
                let mut message = plan_wire::with_origins(pieces, PlanExcerpt::default(), service, inputs, now);
                message.copy_to_bytes(message.remaining())
            }
            EncodedPlan::Unusable(unusable) => unusable.bytes.clone(),
        }
    }

    fn absent(&self, key: &ServiceKey, clusters: &Arc<ClusterTable>, now: Mono) -> Bytes {
        let absent = wire::encode_absent(key, &Moment { clusters: Arc::clone(clusters), now });
        let event = pb::watch_resolve_response::Event::Absent(absent);
        pb::WatchResolveResponse { event: Some(event) }.encode_to_vec().into()
    }
}
