//! `WatchService`: messages that were encoded once for all watchers, passed on as bytes.

use bytes::Bytes;
use federation_access::judge::AccessSubject;
use federation_access::right::AccessRight;
use federation_proto::federation::v1 as pb;
use prost::Message;
use tonic::Status;

use super::calls::WatchCall;
use super::wire;
use crate::ApiState;
use crate::ask::ServiceAsk;
use crate::asker::Asker;
use crate::select::Moment;
use crate::versions::ShownVersions;
use federation_ports::metrics::WatchFace;
use federation_view::hub::services::{EncodeService, ServiceMark, ServiceShown, WatchedServices};
use federation_view::hub::{Hub, Watcher};

/// The path of the call.
pub(super) const PATH: &str = "/federation.v1.Discovery/WatchService";

/// Begins to watch services.
#[derive(Clone)]
pub(super) struct WatchService {
    state: ApiState,
    hub: Hub<WatchedMessages>,
}

impl WatchService {
    pub(super) fn new(state: &ApiState) -> Self {
        Self { state: state.clone(), hub: hub(state) }
    }
}

impl WatchCall for WatchService {
    type Request = pb::WatchServiceRequest;
    type Watched = WatchedMessages;
    const METHOD: &'static str = "WatchService";

    fn state(&self) -> &ApiState {
        &self.state
    }

    fn watch(&self, asker: &Asker, request: &pb::WatchServiceRequest) -> Result<Watcher<WatchedMessages>, Status> {
        let ask = wire::decode_watch(request)?;
        asker.may(&self.state, AccessRight::View, AccessSubject::Service(&ask.key))?;
        let known = self.state.versions().revision(request.last_version).map(ServiceMark::Service);
        Ok(self.hub.watch(ask, known))
    }
}

/// Services as messages.
pub(crate) type WatchedMessages = WatchedServices<ServiceMessages>;

pub(crate) fn hub(state: &ApiState) -> Hub<WatchedMessages> {
    let encode = ServiceMessages { versions: state.versions() };
    state.hub(WatchedServices::new(state.view().clone(), encode), WatchFace::Grpc)
}

/// Services as messages of `WatchService`.
pub(crate) struct ServiceMessages {
    versions: ShownVersions,
}

impl EncodeService for ServiceMessages {
    type Topic = ServiceAsk;

    fn encode(&self, ask: &ServiceAsk, shown: &ServiceShown) -> Bytes {
        let moment = Moment::of_shown(shown);
        let event = match &shown.service {
            Some(service) => {
                let version = self.versions.shown(moment.service_version(service));
                pb::watch_service_response::Event::Service(wire::encode_service(ask, service, &moment, version))
            }
            None => pb::watch_service_response::Event::Absent(wire::encode_absent(&ask.key, &moment)),
        };
        pb::WatchServiceResponse { event: Some(event) }.encode_to_vec().into()
    }
}
