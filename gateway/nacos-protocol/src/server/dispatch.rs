//! The two gRPC calls: one request with its answer, and the opening of a stream.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request as Call, Response as Reply, Status, Streaming};

use super::backend::{
    CallingClient, ConfigChange, ConfigName, ConfigPublication, FuzzyWatch, FuzzyWatching, ListenContext, ListingPage,
    NamingPublication, RefusalComes, RegistryBackend, RegistryRefusal, ServiceName,
};
use super::session::{OUTBOUND_QUEUE, Opened};
use super::sessions::ClientSessions;
use super::{Outbound, identity_of};
use crate::message::config::*;
use crate::message::internal::*;
use crate::message::naming::*;
use crate::message::{Message, RESULT_FAIL, Request, Response, error_code};
use crate::payload::{BiRequestStream, Payload, RequestService};
use crate::reading::OfferedValue;

/// How long clients may keep a service without asking, in ms, as Nacos says it.
const CACHE_MS: i64 = 10_000;

/// Largest page of a listing.
const PAGE_MAX: i32 = 10_000;

/// Serves the calls of all connections.
pub(super) struct Endpoint<B> {
    backend: Arc<B>,
    sessions: ClientSessions,
    opened: mpsc::Sender<Opened>,
}

impl<B> Clone for Endpoint<B> {
    fn clone(&self) -> Self {
        Self { backend: self.backend.clone(), sessions: self.sessions.clone(), opened: self.opened.clone() }
    }
}

#[tonic::async_trait]
impl<B: RegistryBackend> RequestService for Endpoint<B> {
    async fn request(&self, call: Call<Payload>) -> Result<Reply<Payload>, Status> {
        let identity = identity_of(&call)?;
        let payload = call.into_inner();
        if payload.message_type() == ServerCheckRequest::TYPE {
            return Ok(Reply::new(self.check(&payload, identity.id.to_string()).await));
        }
        let Some(session) = self.sessions.get(&identity.id) else {
            return Ok(Reply::new(refused(&payload, &RegistryRefusal::unregistered())));
        };
        session.touch();
        let no_headers = HashMap::new();
        let headers = payload.metadata.as_ref().map_or(&no_headers, |metadata| &metadata.headers);
        let caller = CallingClient { peer: session.peer(), headers };
        Ok(Reply::new(self.answer(&caller, &payload).await))
    }
}

#[tonic::async_trait]
impl<B: RegistryBackend> BiRequestStream for Endpoint<B> {
    type requestBiStreamStream = Outbound;

    async fn request_bi_stream(&self, call: Call<Streaming<Payload>>) -> Result<Reply<Outbound>, Status> {
        let identity = identity_of(&call)?;
        let (outbound, payloads) = mpsc::channel(OUTBOUND_QUEUE);
        let opened = Opened { identity, inbound: call.into_inner(), outbound };
        self.opened.send(opened).await.map_err(|_| Status::unavailable("the server stops"))?;
        Ok(Reply::new(ReceiverStream::new(payloads).flat_map(|batch| stream::iter(batch).map(Ok)).boxed()))
    }
}

impl<B: RegistryBackend> Endpoint<B> {
    pub(super) fn new(backend: Arc<B>, sessions: ClientSessions, opened: mpsc::Sender<Opened>) -> Self {
        Self { backend, sessions, opened }
    }

    async fn check(&self, payload: &Payload, connection_id: String) -> Payload {
        if !self.backend.is_ready() || !self.backend.takes_clients() {
            return refused(
                payload,
                &RegistryRefusal::new(error_code::NOT_READY, "server is starting, please try later"),
            );
        }
        let response =
            ServerCheckResponse { connection_id, support_ability_negotiation: true, ..ServerCheckResponse::default() };
        respond(payload, Ok(()), |_: ServerCheckRequest| async { Ok(response) }).await
    }

    /// The answer to a request of a connected client.
    async fn answer(&self, caller: &CallingClient<'_>, payload: &Payload) -> Payload {
        if !self.backend.is_ready() {
            return refused(
                payload,
                &RegistryRefusal::new(error_code::NOT_READY, "server is starting, please try later"),
            );
        }
        let name = payload.message_type();
        if name == HealthCheckRequest::TYPE {
            return respond(payload, Ok(()), |_: HealthCheckRequest| async { Ok(HealthCheckResponse::default()) })
                .await;
        }
        let may = self.backend.authorize(caller, name).await;
        match name {
            InstanceRequest::TYPE => respond(payload, may, |r| self.instance(caller, r)).await,
            PersistentInstanceRequest::TYPE => respond(payload, may, |r| self.persistent(caller, r)).await,
            BatchInstanceRequest::TYPE => respond(payload, may, |r| self.batch(caller, r)).await,
            ServiceQueryRequest::TYPE => respond(payload, may, |r| self.query(caller, r)).await,
            ServiceListRequest::TYPE => respond(payload, may, |r| self.list(caller, r)).await,
            SubscribeServiceRequest::TYPE => respond(payload, may, |r| self.subscribe(caller, r)).await,
            NamingFuzzyWatchRequest::TYPE => respond(payload, may, |r| self.watch_services(caller, r)).await,
            ConfigQueryRequest::TYPE => respond(payload, may, |r| self.config(caller, r)).await,
            ConfigPublishRequest::TYPE => respond(payload, may, |r| self.publish_config(caller, r)).await,
            ConfigRemoveRequest::TYPE => respond(payload, may, |r| self.remove_config(caller, r)).await,
            ConfigBatchListenRequest::TYPE => respond(payload, may, |r| self.listen(caller, r)).await,
            ConfigFuzzyWatchRequest::TYPE => respond(payload, may, |r| self.watch_configs(caller, r)).await,
            _ => refused(payload, &RegistryRefusal::new(error_code::NO_HANDLER, "RequestHandler Not Found")),
        }
    }

    async fn instance(
        &self,
        caller: &CallingClient<'_>,
        request: InstanceRequest,
    ) -> Result<InstanceResponse, RegistryRefusal> {
        let service = service_name(request.namespace, request.group_name, request.service_name)?;
        let publication = match request.operation.as_str() {
            instance_operation::REGISTER => NamingPublication::Ephemeral(vec![offered(request.instance)?]),
            instance_operation::DEREGISTER => NamingPublication::Withdraw,
            other => return Err(unknown_operation(other)),
        };
        self.backend.publish(caller, service, publication).await?;
        Ok(InstanceResponse { operation: request.operation, ..InstanceResponse::default() })
    }

    async fn persistent(
        &self,
        caller: &CallingClient<'_>,
        request: PersistentInstanceRequest,
    ) -> Result<InstanceResponse, RegistryRefusal> {
        let service = service_name(request.namespace, request.group_name, request.service_name)?;
        let publication = match request.operation.as_str() {
            instance_operation::REGISTER => NamingPublication::Persistent(offered(request.instance)?),
            instance_operation::DEREGISTER => NamingPublication::WithdrawPersistent(offered(request.instance)?),
            other => return Err(unknown_operation(other)),
        };
        self.backend.publish(caller, service, publication).await?;
        Ok(InstanceResponse { operation: request.operation, ..InstanceResponse::default() })
    }

    async fn batch(
        &self,
        caller: &CallingClient<'_>,
        request: BatchInstanceRequest,
    ) -> Result<BatchInstanceResponse, RegistryRefusal> {
        let service = service_name(request.namespace, request.group_name, request.service_name)?;
        let publication = match request.operation.as_str() {
            instance_operation::BATCH_REGISTER => NamingPublication::Ephemeral(offered(request.instances)?),
            other => return Err(unknown_operation(other)),
        };
        self.backend.publish(caller, service, publication).await?;
        Ok(BatchInstanceResponse { operation: request.operation, ..BatchInstanceResponse::default() })
    }

    async fn query(
        &self,
        caller: &CallingClient<'_>,
        request: ServiceQueryRequest,
    ) -> Result<QueryServiceResponse, RegistryRefusal> {
        let service = read_service(request.namespace, request.group_name, request.service_name)?;
        let found = self.backend.query(caller, service, request.cluster, request.healthy_only).await?;
        Ok(QueryServiceResponse { service_info: Some(found), ..QueryServiceResponse::default() })
    }

    async fn list(
        &self,
        caller: &CallingClient<'_>,
        request: ServiceListRequest,
    ) -> Result<ServiceListResponse, RegistryRefusal> {
        let from = |least: i32, n: i32| usize::try_from(n.max(least)).expect("not negative");
        let page = ListingPage { number: from(1, request.page_no), size: from(0, request.page_size.min(PAGE_MAX)) };
        let (count, service_names) = self.backend.list(caller, request.namespace, request.group_name, page).await?;
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        Ok(ServiceListResponse { count, service_names, ..ServiceListResponse::default() })
    }

    async fn subscribe(
        &self,
        caller: &CallingClient<'_>,
        request: SubscribeServiceRequest,
    ) -> Result<SubscribeServiceResponse, RegistryRefusal> {
        let service = read_service(request.namespace, request.group_name, request.service_name)?;
        let found = if request.subscribe {
            self.backend.subscribe(caller, service, request.clusters).await?
        } else {
            self.backend.unsubscribe(caller, service.clone()).await?;
            // The end of a subscription tells nothing, but some clients read the field.
            ServiceInfo {
                name: service.service,
                group_name: service.group,
                clusters: request.clusters,
                cache_millis: CACHE_MS,
                ..ServiceInfo::default()
            }
        };
        let message = Some("success".to_owned());
        Ok(SubscribeServiceResponse { message, service_info: Some(found), ..SubscribeServiceResponse::default() })
    }

    async fn watch_services(
        &self,
        caller: &CallingClient<'_>,
        request: NamingFuzzyWatchRequest,
    ) -> Result<NamingFuzzyWatchResponse, RegistryRefusal> {
        let watch = FuzzyWatch {
            watching: FuzzyWatching::Services,
            pattern: request.group_key_pattern,
            received: request.received_group_keys,
            initializing: request.initializing,
            cancel: request.watch_type == watch_type::CANCEL,
        };
        self.backend.fuzzy_watch(caller, watch).await?;
        Ok(NamingFuzzyWatchResponse::default())
    }

    async fn watch_configs(
        &self,
        caller: &CallingClient<'_>,
        request: ConfigFuzzyWatchRequest,
    ) -> Result<ConfigFuzzyWatchResponse, RegistryRefusal> {
        let watch = FuzzyWatch {
            watching: FuzzyWatching::Configs,
            pattern: request.group_key_pattern,
            received: request.received_group_keys,
            initializing: request.initializing,
            cancel: request.watch_type == watch_type::CANCEL,
        };
        self.backend.fuzzy_watch(caller, watch).await?;
        Ok(ConfigFuzzyWatchResponse::default())
    }

    async fn config(
        &self,
        caller: &CallingClient<'_>,
        request: ConfigQueryRequest,
    ) -> Result<ConfigQueryResponse, RegistryRefusal> {
        let name = ConfigName { namespace: request.tenant, group: request.group, data_id: request.data_id };
        let found = self.backend.config(caller, name, request.tag.filter(|tag| !tag.is_empty())).await?;
        // In this answer the code of "not ready" means "no such item".
        Ok(found.unwrap_or_else(|| ConfigQueryResponse::failed(error_code::NOT_READY, "config data not exist")))
    }

    async fn publish_config(
        &self,
        caller: &CallingClient<'_>,
        request: ConfigPublishRequest,
    ) -> Result<ConfigPublishResponse, RegistryRefusal> {
        let name = ConfigName { namespace: request.tenant, group: request.group, data_id: request.data_id };
        let publication = ConfigPublication {
            content: request.content,
            cas_md5: request.cas_md5.filter(|md5| !md5.is_empty()),
            additions: request.addition_map,
        };
        self.backend.change_config(caller, name, ConfigChange::Publish(publication)).await?;
        Ok(ConfigPublishResponse::default())
    }

    async fn remove_config(
        &self,
        caller: &CallingClient<'_>,
        request: ConfigRemoveRequest,
    ) -> Result<ConfigRemoveResponse, RegistryRefusal> {
        let name = ConfigName { namespace: request.tenant, group: request.group, data_id: request.data_id };
        let change = ConfigChange::Remove { tag: request.tag.filter(|tag| !tag.is_empty()) };
        self.backend.change_config(caller, name, change).await?;
        Ok(ConfigRemoveResponse::default())
    }

    async fn listen(
        &self,
        caller: &CallingClient<'_>,
        request: ConfigBatchListenRequest,
    ) -> Result<ConfigChangeBatchListenResponse, RegistryRefusal> {
        let contexts = request.config_listen_contexts.into_iter().map(|context| {
            let name = ConfigName { namespace: context.tenant, group: context.group, data_id: context.data_id };
            ListenContext { name, md5: context.md5 }
        });
        let changed = if request.listen {
            self.backend.listen(caller, contexts.collect()).await?
        } else {
            self.backend.ignore(caller, contexts.map(|context| context.name).collect()).await?;
            Vec::new()
        };
        let context =
            |name: ConfigName| ConfigContext { group: name.group, data_id: name.data_id, tenant: name.namespace };
        let changed_configs = changed.into_iter().map(context).collect();
        Ok(ConfigChangeBatchListenResponse { changed_configs, ..ConfigChangeBatchListenResponse::default() })
    }
}

/// Decodes a request, has it carried out, and encodes the answer; a refusal comes in the answer's own type, as clients expect.
async fn respond<M: Request, F: Future<Output = Result<M::Response, RegistryRefusal>>>(
    payload: &Payload,
    may: Result<(), RegistryRefusal>,
    carry_out: impl FnOnce(M) -> F,
) -> Payload {
    let request: M = match payload.decode() {
        Ok(request) => request,
        Err(error) => {
            tracing::debug!(%error, "nacos request cannot be read");
            // Nacos's words, to the blanks at their end; where reading stopped is in the log.
            let words = "errCode: 101, errMsg: Nacos deserialize failed.  ";
            return refused(payload, &RegistryRefusal::as_error(error_code::UNREADABLE, RESULT_FAIL, words));
        }
    };
    let id = request.request_id().to_owned();
    let outcome = match may {
        Ok(()) => carry_out(request).await,
        Err(refusal) => Err(refusal),
    };
    match outcome {
        Ok(response) => Payload::of(&response.answering(id)),
        Err(refusal @ RegistryRefusal { comes: RefusalComes::AsError { .. }, .. }) => refused(payload, &refusal),
        Err(refusal) => Payload::of(&M::Response::failed(refusal.code, refusal.message).answering(id)),
    }
}

/// A refusal that comes before the request was understood.
fn refused(payload: &Payload, refusal: &RegistryRefusal) -> Payload {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Id {
        request_id: Option<String>,
    }
    let id = serde_json::from_slice(&payload.json()).ok().and_then(|Id { request_id }| request_id).unwrap_or_default();
    let mut response = ErrorResponse::failed(refusal.code, refusal.message.clone()).answering(id);
    if let RefusalComes::AsError { result_code } = refusal.comes {
        response.result_code = result_code;
    }
    Payload::of(&response)
}

/// The service in which something is to be registered.
fn service_name(namespace: String, group: String, service: String) -> Result<ServiceName, RegistryRefusal> {
    not_blank("serviceName", &service)?;
    not_blank("groupName", &group)?;
    Ok(ServiceName::new(namespace, group, service))
}

/// The service that is asked for; in a group without a name there is none.
fn read_service(namespace: String, group: String, service: String) -> Result<ServiceName, RegistryRefusal> {
    not_blank("serviceName", &service)?;
    Ok(ServiceName::new(namespace, group, service))
}

fn not_blank(part: &str, text: &str) -> Result<(), RegistryRefusal> {
    if !text.trim().is_empty() {
        return Ok(());
    }
    let words = format!("Param '{part}' is illegal, {part} is blank");
    Err(RegistryRefusal::as_error(error_code::SERVER_ERROR, RESULT_FAIL, words))
}

fn offered<T>(OfferedValue(offered): OfferedValue<T>) -> Result<T, RegistryRefusal> {
    let nothing =
        || RegistryRefusal::as_error(error_code::BAD_PARAMETER, error_code::BAD_PARAMETER, "Instance can not be null.");
    offered.ok_or_else(nothing)
}

fn unknown_operation(operation: &str) -> RegistryRefusal {
    let shown: String = operation.chars().take(64).collect();
    let words = format!("Unsupported request type {shown}");
    RegistryRefusal::as_error(error_code::BAD_PARAMETER, error_code::BAD_PARAMETER, words)
}
