//! A client of Nacos as SDKs are: a check, a stream with its set-up, calls, pushes that are acknowledged. The same for every server.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nacos_protocol::message::internal::{
    ClientDetectionRequest, ClientDetectionResponse, ConnectionSetupRequest, HealthCheckRequest, ServerCheckRequest,
    ability,
};
use nacos_protocol::message::naming::{
    BatchInstanceRequest, InstanceRequest, NacosInstance, NotifySubscriberRequest, NotifySubscriberResponse,
    ServiceInfo, ServiceQueryRequest, SubscribeServiceRequest, instance_operation,
};
use nacos_protocol::message::{Message, Request, Response, ResponseOutcome};
use nacos_protocol::payload::Payload;
use prost::Message as _;

use crate::wire::{CallId, Heard, Method, Wire};

/// Longest wait for a server.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Between two questions whether the set-up was heard.
const SETUP_LOOKS: Duration = Duration::from_millis(5);

pub(crate) const NAMESPACE: &str = "public";
pub(crate) const GROUP: &str = "DEFAULT_GROUP";

/// A list that was pushed, and when.
pub(crate) struct Pushed {
    pub(crate) at: Instant,
    pub(crate) info: ServiceInfo,
}

/// See the module.
pub(crate) struct BenchClient {
    wire: Wire,
    stream: CallId,
    pushes: VecDeque<Pushed>,
}

impl BenchClient {
    /// Connects, and returns once the server knows the connection.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        tokio::time::timeout(PATIENCE, Self::set_up(address)).await.context("no connection in time")?
    }

    async fn set_up(address: SocketAddr) -> Result<Self> {
        let mut wire = Wire::connect(address).await?;
        let check = wire.begin(Method::Request, &encoded(&ServerCheckRequest::default()));
        wire.flush().await?;
        let mut is_checked = false;
        while !is_checked {
            wire.hear(|heard| is_checked |= matches!(heard, Heard::End(call) if call == check)).await?;
        }
        let labels = [("source", "sdk"), ("module", "naming"), ("AppName", "bench")];
        let setup = ConnectionSetupRequest {
            client_version: "Nacos-Java-Client:v3.1.1".to_owned(),
            labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ability_table: Some(BTreeMap::from([(ability::FUZZY_WATCH.to_owned(), true)])),
            ..ConnectionSetupRequest::default()
        };
        let stream = wire.begin(Method::Stream, &encoded(&setup));
        let mut client = Self { wire, stream, pushes: VecDeque::new() };
        while client.ask(&HealthCheckRequest::default()).await.is_err() {
            tokio::time::sleep(SETUP_LOOKS).await;
        }
        Ok(client)
    }

    /// Calls, and reads the answer.
    pub(crate) async fn ask<M: Request>(&mut self, request: &M) -> Result<M::Response> {
        let asked = self.wire.begin(Method::Request, &encoded(request));
        let (mut answer, mut ended) = (None, false);
        while !ended {
            self.wire.flush().await?;
            let mut pushed = Vec::new();
            self.wire
                .hear(|heard| match heard {
                    Heard::Message(call, message) if call == asked => answer = Some(message),
                    Heard::Message(_, message) => pushed.push(message),
                    Heard::End(call) => ended |= call == asked,
                })
                .await?;
            for message in pushed {
                self.take_push(&message)?;
            }
        }
        let answer = <Payload as prost::Message>::decode(answer.context("no answer")?)?;
        let answer: M::Response =
            answer.decode().with_context(|| String::from_utf8_lossy(&answer.json()).into_owned())?;
        match answer.outcome() {
            ResponseOutcome::Ok => Ok(answer),
            ResponseOutcome::Failed { error_code, message } => bail!("{}: {error_code} {message}", M::TYPE),
        }
    }

    /// Registers one instance.
    pub(crate) async fn register(&mut self, service: &str, instance: NacosInstance) -> Result<()> {
        let request = InstanceRequest {
            namespace: NAMESPACE.to_owned(),
            service_name: service.to_owned(),
            group_name: GROUP.to_owned(),
            operation: instance_operation::REGISTER.to_owned(),
            instance: instance.into(),
            ..InstanceRequest::default()
        };
        self.ask(&request).await.map(drop)
    }

    /// Registers these, in place of what this client had there.
    pub(crate) async fn register_all(&mut self, service: &str, instances: Vec<NacosInstance>) -> Result<()> {
        let request = BatchInstanceRequest {
            namespace: NAMESPACE.to_owned(),
            service_name: service.to_owned(),
            group_name: GROUP.to_owned(),
            operation: instance_operation::BATCH_REGISTER.to_owned(),
            instances: instances.into(),
            ..BatchInstanceRequest::default()
        };
        self.ask(&request).await.map(drop)
    }

    /// Subscribes; what the service is now comes as the answer, and is none of the pushes.
    pub(crate) async fn subscribe(&mut self, service: &str) -> Result<ServiceInfo> {
        let request = SubscribeServiceRequest {
            namespace: NAMESPACE.to_owned(),
            service_name: service.to_owned(),
            group_name: GROUP.to_owned(),
            subscribe: true,
            ..SubscribeServiceRequest::default()
        };
        Ok(self.ask(&request).await?.service_info.unwrap_or_default())
    }

    /// How many instances a lookup finds.
    pub(crate) async fn count(&mut self, service: &str) -> Result<usize> {
        let answer = self.ask(&lookup(service)).await?;
        Ok(answer.service_info.unwrap_or_default().hosts.len())
    }

    /// Makes a few calls at once, and returns when what is under way ended; the answers are not looked at.
    pub(crate) fn begin(&mut self, request: &[u8]) -> CallId {
        self.wire.begin(Method::Request, request)
    }

    /// Waits for the next ends of calls that [`BenchClient::begin`] began; perhaps for none.
    pub(crate) async fn ends(&mut self) -> Result<Vec<CallId>> {
        self.wire.flush().await?;
        let (mut ended, mut pushed, stream) = (Vec::new(), Vec::new(), self.stream);
        self.wire
            .hear(|heard| match heard {
                Heard::Message(call, message) if call == stream => pushed.push(message),
                Heard::Message(..) => {}
                Heard::End(call) => ended.push(call),
            })
            .await?;
        for message in pushed {
            self.take_push(&message)?;
        }
        Ok(ended)
    }

    /// The next list that is pushed. Cancel-safe.
    pub(crate) async fn pushed(&mut self) -> Result<Pushed> {
        loop {
            if let Some(pushed) = self.pushes.pop_front() {
                return Ok(pushed);
            }
            self.wire.flush().await?; // A few bytes, which the socket takes at once.
            let mut messages = Vec::new();
            self.wire
                .hear(|heard| {
                    if let Heard::Message(_, message) = heard {
                        messages.push(message);
                    }
                })
                .await?;
            for message in messages {
                self.take_push(&message)?;
            }
        }
    }

    /// When a list with this port is pushed.
    pub(crate) async fn sees(&mut self, port: u16) -> Result<Instant> {
        let seen = async {
            loop {
                let pushed = self.pushed().await?;
                if has_port(&pushed.info, port) {
                    return anyhow::Ok(pushed.at);
                }
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.with_context(|| format!("port {port} is never pushed"))?
    }

    fn take_push(&mut self, message: &[u8]) -> Result<()> {
        let at = Instant::now();
        let payload = <Payload as prost::Message>::decode(message)?;
        match payload.message_type() {
            NotifySubscriberRequest::TYPE => {
                let push: NotifySubscriberRequest = payload.decode()?;
                self.acknowledge(NotifySubscriberResponse::default(), push.request_id());
                if let Some(info) = push.service_info {
                    self.pushes.push_back(Pushed { at, info });
                }
            }
            ClientDetectionRequest::TYPE => {
                let probe: ClientDetectionRequest = payload.decode()?;
                self.acknowledge(ClientDetectionResponse::default(), probe.request_id());
            }
            _ => {} // The answer to the set-up.
        }
        Ok(())
    }

    fn acknowledge<A: Response>(&mut self, answer: A, id: &str) {
        let answer = Payload::of(&answer.answering(id)).from_client("127.0.0.1");
        self.wire.send(self.stream, &answer.encode_to_vec());
    }
}

/// A message in its envelope.
pub(crate) fn encoded<M: Request>(request: &M) -> Vec<u8> {
    Payload::of(request).from_client("127.0.0.1").encode_to_vec()
}

pub(crate) fn lookup(service: &str) -> ServiceQueryRequest {
    ServiceQueryRequest {
        namespace: NAMESPACE.to_owned(),
        service_name: service.to_owned(),
        group_name: GROUP.to_owned(),
        ..ServiceQueryRequest::default()
    }
}

pub(crate) fn has_port(info: &ServiceInfo, port: u16) -> bool {
    info.hosts.iter().any(|host| host.port == i32::from(port))
}

/// An instance with five pairs of metadata.
pub(crate) fn instance(ip: &str, port: u16) -> NacosInstance {
    let metadata = (0..5).map(|number| (format!("bench.key.{number:010}"), format!("value-{number:014}")));
    NacosInstance { ip: ip.to_owned(), port: i32::from(port), metadata: metadata.collect(), ..NacosInstance::default() }
}
