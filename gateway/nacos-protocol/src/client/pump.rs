//! Reads what a server sends on the stream: acks first, then tells, in order.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{mpsc, oneshot};
use tonic::{Status, Streaming};

use super::context::{Context, OwnerGone};
use super::link::Link;
use super::{ClientEvent, ConfigName, DisconnectCause, ServiceSource, fuzzy};
use crate::cluster::ServerAddress;
use crate::message::config::{
    ConfigChangeNotifyRequest, ConfigFuzzyWatchChangeNotifyRequest, ConfigFuzzyWatchSyncRequest,
};
use crate::message::internal::{
    ClientConfigMetricRequest, ClientDetectionRequest, ConnectResetRequest, ErrorResponse, SetupAckRequest,
};
use crate::message::naming::{
    NamingFuzzyWatchChangeNotifyRequest, NamingFuzzyWatchSyncRequest, NotifySubscriberRequest, changed_type, sync_type,
};
use crate::message::{Message, Request, Response, error_code};
use crate::payload::{DecodeError, Payload};

/// Between the answer to a reset and the end of the connection, so that the answer is sent.
const RESET_GRACE: Duration = Duration::from_millis(50);

/// Time for the server to read what waits for it on the stream: a server that never does would never be answered, and never heard, again.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// It is gone, or of no use.
    Lost {
        /// For people.
        reason: String,
        /// Why.
        cause: DisconnectCause,
    },
    /// The server wants us to connect again, perhaps to another one.
    Reset(Option<ServerAddress>),
    /// Nobody receives events any more.
    OwnerGone,
}

impl End {
    /// It broke, or the server ended it.
    pub(super) fn ended(reason: impl Into<String>) -> Self {
        Self::Lost { reason: reason.into(), cause: DisconnectCause::Ended }
    }
}

impl From<OwnerGone> for End {
    fn from(_: OwnerGone) -> Self {
        Self::OwnerGone
    }
}

/// The stream while it opens: its first answer comes with the server's first message.
pub(super) type Opening = BoxFuture<'static, Result<Streaming<Payload>, Status>>;

/// The reader of one connection.
pub(super) struct Pump {
    pub(super) context: Context,
    pub(super) link: Arc<Link>,
    /// To the server. Bounded: a server that does not read stops us reading.
    pub(super) outbound: mpsc::Sender<Payload>,
    /// Rung when the server has said what it can do.
    pub(super) set_up: Option<oneshot::Sender<()>>,
}

impl Pump {
    /// Reads until the connection ends.
    pub(super) async fn run(mut self, opening: Opening) -> End {
        let mut stream = match opening.await {
            Ok(stream) => stream,
            Err(status) => return End::ended(format!("stream refused: {}", super::with_causes(&status))),
        };
        loop {
            match stream.message().await {
                Ok(Some(payload)) => {
                    self.link.touch();
                    self.link.pushes().set_busy(true);
                    if let Err(end) = self.take(&payload).await {
                        return end;
                    }
                    self.link.pushes().set_busy(false);
                }
                Ok(None) => return End::ended("the server ended the stream"),
                Err(status) => return End::ended(format!("stream failed: {}", super::with_causes(&status))),
            }
        }
    }

    async fn take(&mut self, payload: &Payload) -> Result<(), End> {
        match payload.message_type() {
            NotifySubscriberRequest::TYPE => self.service_pushed(payload).await,
            ConfigChangeNotifyRequest::TYPE => self.config_changed(payload).await,
            NamingFuzzyWatchSyncRequest::TYPE => self.fuzzy_watch_batch(payload).await,
            NamingFuzzyWatchChangeNotifyRequest::TYPE => self.fuzzy_watch_change(payload).await,
            ConfigFuzzyWatchSyncRequest::TYPE => self.config_watch(payload, ClientEvent::ConfigWatchState).await,
            ConfigFuzzyWatchChangeNotifyRequest::TYPE => {
                self.config_watch(payload, ClientEvent::ConfigWatchChange).await
            }
            ClientDetectionRequest::TYPE => self.acked::<ClientDetectionRequest>(payload).await.map(drop),
            ClientConfigMetricRequest::TYPE => self.acked::<ClientConfigMetricRequest>(payload).await.map(drop),
            SetupAckRequest::TYPE => {
                if let Ok(request) = payload.decode::<SetupAckRequest>() {
                    self.link.learn_abilities(&request.ability_table);
                }
                // Nobody waits for it if the negotiation was not announced.
                self.set_up.take().map(|set_up| set_up.send(()));
                Ok(())
            }
            ConnectResetRequest::TYPE => {
                let request = self.acked::<ConnectResetRequest>(payload).await?;
                let to = request.and_then(|request| self.server_named(&request));
                tokio::time::sleep(RESET_GRACE).await;
                Err(End::Reset(to))
            }
            unknown => {
                tracing::debug!(message = unknown, "the server sent a message that this client does not know");
                self.send(&ErrorResponse::failed(error_code::NO_HANDLER, "no handler"), &request_id(payload)).await
            }
        }
    }

    /// Decodes and acks a request. `None` if it cannot be read, which is acked too (it would come again, as it is) and told.
    async fn acked<R: Request>(&self, payload: &Payload) -> Result<Option<R>, End> {
        match payload.decode::<R>() {
            Ok(request) => {
                self.send(&R::Response::default(), request.request_id()).await?;
                Ok(Some(request))
            }
            Err(error) => {
                self.send(&R::Response::default(), &request_id(payload)).await?;
                self.tell_malformed(&error).await?;
                Ok(None)
            }
        }
    }

    async fn tell_malformed(&self, error: &DecodeError) -> Result<(), End> {
        let (message, reason) = match error {
            DecodeError::Malformed { message, source } => ((*message).to_owned(), source.to_string()),
            DecodeError::OtherType { received, .. } => (received.clone(), error.to_string()),
        };
        Ok(self.context.tell(ClientEvent::Malformed { message, reason }).await?)
    }

    async fn send<A: Response>(&self, response: &A, request_id: &str) -> Result<(), End> {
        let payload = Payload::of(&response.clone().answering(request_id));
        match self.outbound.send_timeout(payload, READ_WITHIN).await {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Closed(_)) => Err(End::ended("the stream to the server is closed")),
            Err(SendTimeoutError::Timeout(_)) => Err(End::Lost {
                reason: "the server does not read what it is sent on the stream".to_owned(),
                cause: DisconnectCause::NoAnswer,
            }),
        }
    }

    async fn service_pushed(&self, payload: &Payload) -> Result<(), End> {
        let shared = &self.context.shared;
        self.link.pushes().pushed();
        shared.echoes.heard();
        let Some(info) = self.acked::<NotifySubscriberRequest>(payload).await?.and_then(|push| push.service_info)
        else {
            return Ok(());
        };
        let mut services = shared.memory().pushed(&info);
        if self.link.pushes().is_echo(&services, shared.options.echo_within) {
            shared.echoes.learn();
        }
        match services.len() {
            0 => {} // Unsubscribed a moment ago.
            1 => {
                let service = services.remove(0);
                self.context.tell_service(self.link.generation, service, info, ServiceSource::Push).await?;
            }
            _ => {
                shared.memory().read(services);
                shared.wake.notify_one();
            }
        }
        Ok(())
    }

    async fn config_changed(&self, payload: &Payload) -> Result<(), End> {
        let Some(bell) = self.acked::<ConfigChangeNotifyRequest>(payload).await? else { return Ok(()) };
        let noticed = ConfigName::new(bell.tenant, bell.group, bell.data_id);
        let listened = self.context.shared.memory().listened(noticed);
        if let Some(config) = listened {
            self.context.tell(ClientEvent::ConfigChanged { config }).await?;
        }
        Ok(())
    }

    async fn fuzzy_watch_batch(&self, payload: &Payload) -> Result<(), End> {
        let Some(batch) = self.acked::<NamingFuzzyWatchSyncRequest>(payload).await? else { return Ok(()) };
        for change in &batch.contexts {
            self.service_existence(&change.service_key, &change.changed_type).await?;
        }
        let Some(namespace) = fuzzy::namespace_of(&batch.group_key_pattern).map(str::to_owned) else { return Ok(()) };
        if batch.sync_type == sync_type::INIT_FINISHED {
            let watched = match self.context.shared.memory().patterns.get_mut(&namespace) {
                Some(pattern) => !std::mem::replace(&mut pattern.ready, true),
                None => false,
            };
            if watched {
                let generation = self.link.generation;
                self.context.tell(ClientEvent::FuzzyWatchReady { generation, namespace }).await?;
            }
        }
        Ok(())
    }

    async fn fuzzy_watch_change(&self, payload: &Payload) -> Result<(), End> {
        let Some(change) = self.acked::<NamingFuzzyWatchChangeNotifyRequest>(payload).await? else { return Ok(()) };
        self.service_existence(&change.service_key, &change.changed_type).await
    }

    /// Of a fuzzy watch on config items, which the owner began by a call of its own.
    async fn config_watch<R: Request>(&self, payload: &Payload, event: fn(R) -> ClientEvent) -> Result<(), End> {
        match self.acked::<R>(payload).await? {
            Some(notice) => Ok(self.context.tell(event(notice)).await?),
            None => Ok(()),
        }
    }

    /// Tells it if it is news.
    async fn service_existence(&self, key: &str, changed: &str) -> Result<(), End> {
        let Some(service) = fuzzy::service_of(key) else { return Ok(()) };
        let news = match self.context.shared.memory().patterns.get_mut(&service.namespace) {
            None => false,
            Some(pattern) if changed == changed_type::DELETED => pattern.known.remove(key),
            Some(pattern) => pattern.known.insert(key.to_owned()),
        };
        if news {
            let event = match changed {
                changed_type::DELETED => ClientEvent::ServiceDisappeared { service },
                _ => ClientEvent::ServiceAppeared { service },
            };
            self.context.tell(event).await?;
        }
        Ok(())
    }

    /// The server of ours that a reset names, if it does.
    fn server_named(&self, request: &ConnectResetRequest) -> Option<ServerAddress> {
        let port: u16 = request.server_port.parse().ok()?;
        let servers = &self.context.shared.cluster.options().servers;
        servers.iter().find(|server| server.host() == request.server_ip && server.port() == port).cloned()
    }
}

/// The request id of a message whose type is not known or whose fields cannot be read.
fn request_id(payload: &Payload) -> String {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Id {
        request_id: String,
    }
    serde_json::from_slice::<Id>(&payload.json()).map(|id| id.request_id).unwrap_or_default()
}
