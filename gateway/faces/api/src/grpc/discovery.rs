//! The calls of `federation.v1.Discovery` that have one answer.

use federation_access::judge::AccessSubject;
use federation_access::right::AccessRight;
use federation_core::id::{ConfigKey, ServiceKey};
use federation_core::service::{FederatedConfig, FederatedService};
use federation_proto::federation::v1 as pb;
use federation_proto::federation::v1::discovery_server::Discovery;
use tonic::{Code, Request, Response, Status};

use super::rights::asker;
use super::wire;
use crate::ApiState;
use crate::ask::Origins;
use crate::asker::Asker;
use crate::select::{self, Moment};

/// Answers from the view. `WatchService` is answered by [`super::events`], on a path of its own.
pub(super) struct DiscoveryFace(pub(super) ApiState);

impl DiscoveryFace {
    fn list_clusters(&self) -> pb::ListClustersResponse {
        let moment = Moment::of(self.0.view());
        let clusters = moment.clusters.clusters.iter().map(|cluster| wire::encode_cluster(cluster, &moment));
        pb::ListClustersResponse { clusters: clusters.collect() }
    }

    fn list_services(
        &self,
        asker: &Asker,
        request: &pb::ListServicesRequest,
    ) -> Result<pb::ListServicesResponse, Status> {
        let ask = wire::decode_services(request)?;
        let listed = select::page::<FederatedService>(self.0.view(), &ask, &asker.sight::<ServiceKey>());
        let services = listed.rows.iter().map(|service| wire::encode_summary(service, &ask.filter.origins)).collect();
        let (page_no, page_size) = (ask.page.number, ask.page.size);
        Ok(pb::ListServicesResponse {
            total: listed.total as u64,
            page_no,
            page_size,
            services,
            filtered: listed.filtered,
        })
    }

    fn get_service(&self, asker: &Asker, request: &pb::GetServiceRequest) -> Result<pb::GetServiceResponse, Status> {
        let ask = wire::decode_service(request)?;
        asker.may(&self.0, AccessRight::View, AccessSubject::Service(&ask.key))?;
        let moment = Moment::of(self.0.view());
        let Some(service) = self.0.view().service(&ask.key) else {
            let what = format!("an instance of {}", ask.key);
            return Err(Status::not_found(moment.looked_at_sentence(&what, &Origins::All)));
        };
        let version = self.0.shown_version(moment.service_version(&service));
        Ok(pb::GetServiceResponse { service: Some(wire::encode_service(&ask, &service, &moment, version)) })
    }

    fn list_configs(&self, asker: &Asker, request: &pb::ListConfigsRequest) -> Result<pb::ListConfigsResponse, Status> {
        let ask = wire::decode_configs(request)?;
        let listed = select::page::<FederatedConfig>(self.0.view(), &ask, &asker.sight::<ConfigKey>());
        let origins = &ask.filter.origins;
        let configs = listed.rows.iter().map(|config| wire::encode_config_summary(config, origins)).collect();
        let (page_no, page_size) = (ask.page.number, ask.page.size);
        Ok(pb::ListConfigsResponse {
            total: listed.total as u64,
            page_no,
            page_size,
            configs,
            filtered: listed.filtered,
        })
    }

    fn get_config(&self, asker: &Asker, request: &pb::GetConfigRequest) -> Result<pb::GetConfigResponse, Status> {
        let ask = wire::decode_config(request)?;
        asker.may(&self.0, AccessRight::ReadContents, AccessSubject::Config(&ask.key))?;
        let moment = Moment::of(self.0.view());
        let Some(config) = self.0.view().config(&ask.key) else {
            return Err(Status::not_found(moment.looked_at_sentence(&ask.key, &Origins::All)));
        };
        if let Some(told) = moment.sealed_sentence(&config, &ask.origins) {
            return Err(Status::failed_precondition(told));
        }
        let version = self.0.shown_version(moment.config_version(&config));
        Ok(pb::GetConfigResponse { config: Some(wire::encode_config(&ask, &config, &moment, version)) })
    }
}

/// Counts a call by its outcome.
pub(super) fn counted<T>(
    state: &ApiState,
    method: &'static str,
    answer: Result<T, Status>,
) -> Result<Response<T>, Status> {
    let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
    state.api_metrics().grpc_requests(method, code_word(code)).inc();
    answer.map(Response::new)
}

/// Only those that are answered here.
fn code_word(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::InvalidArgument => "invalid_argument",
        Code::NotFound => "not_found",
        Code::FailedPrecondition => "failed_precondition",
        Code::Unavailable => "unavailable",
        Code::Unauthenticated => "unauthenticated",
        Code::PermissionDenied => "permission_denied",
        _ => "other",
    }
}

#[tonic::async_trait]
impl Discovery for DiscoveryFace {
    async fn list_clusters(
        &self,
        _: Request<pb::ListClustersRequest>,
    ) -> Result<Response<pb::ListClustersResponse>, Status> {
        counted(&self.0, "ListClusters", Ok(self.list_clusters()))
    }

    async fn list_services(
        &self,
        request: Request<pb::ListServicesRequest>,
    ) -> Result<Response<pb::ListServicesResponse>, Status> {
        counted(&self.0, "ListServices", self.list_services(asker(&request), request.get_ref()))
    }

    async fn get_service(
        &self,
        request: Request<pb::GetServiceRequest>,
    ) -> Result<Response<pb::GetServiceResponse>, Status> {
        counted(&self.0, "GetService", self.get_service(asker(&request), request.get_ref()))
    }

    async fn list_configs(
        &self,
        request: Request<pb::ListConfigsRequest>,
    ) -> Result<Response<pb::ListConfigsResponse>, Status> {
        counted(&self.0, "ListConfigs", self.list_configs(asker(&request), request.get_ref()))
    }

    async fn get_config(
        &self,
        request: Request<pb::GetConfigRequest>,
    ) -> Result<Response<pb::GetConfigResponse>, Status> {
        counted(&self.0, "GetConfig", self.get_config(asker(&request), request.get_ref()))
    }
}
