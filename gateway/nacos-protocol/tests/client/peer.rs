//! A registry that answers as a test says, and notes everything it hears.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{Stream, StreamExt};
use nacos_protocol::client::{ClientEvent, ClientEvents, ClientOptions, NacosClient};
use nacos_protocol::cluster::{ClusterOptions, LoginCredentials, NacosCluster};
use nacos_protocol::message::config::{ConfigBatchListenRequest, ConfigChangeBatchListenResponse};
use nacos_protocol::message::internal::{
    ConnectionSetupRequest, ErrorResponse, HealthCheckRequest, HealthCheckResponse, ServerCheckRequest,
    ServerCheckResponse, SetupAckRequest,
};
use nacos_protocol::message::naming::{
    BatchInstanceRequest, BatchInstanceResponse, InstanceRequest, InstanceResponse, NamingFuzzyWatchRequest,
    NamingFuzzyWatchResponse, QueryServiceResponse, ServiceInfo, ServiceQueryRequest, SubscribeServiceRequest,
    SubscribeServiceResponse,
};
use nacos_protocol::message::{Message, Response as _};
use nacos_protocol::payload::{BiRequestStream, BiRequestStreamServer, Payload, RequestServer, RequestService};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// Longest wait for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

type Script = dyn Fn(&Payload) -> Answer + Send + Sync;

/// What the peer does with a unary request.
pub(crate) enum Answer {
    /// Sends this.
    Say(Payload),
    /// Does what a good registry does.
    Usual,
    /// Never answers.
    Silence,
}

/// Something that came in.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) from: Option<SocketAddr>,
    pub(crate) payload: Payload,
}

struct State {
    script: Box<Script>,
    negotiates: bool,
    heard: watch::Sender<Vec<Heard>>,
    stream: Mutex<Option<mpsc::Sender<Result<Payload, Status>>>>,
    /// Note what clients send on their streams.
    readers: Mutex<JoinSet<()>>,
}

/// The registry; it ends with this value.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

#[derive(Clone)]
struct Service(Arc<State>);

impl Peer {
    pub(crate) async fn start(script: impl Fn(&Payload) -> Answer + Send + Sync + 'static) -> Self {
        Self::with(true, script).await
    }

    /// A registry that knows no negotiation, as up to 2.2.
    pub(crate) async fn old(script: impl Fn(&Payload) -> Answer + Send + Sync + 'static) -> Self {
        Self::with(false, script).await
    }

    async fn with(negotiates: bool, script: impl Fn(&Payload) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (script, heard) = (Box::new(script), watch::Sender::new(Vec::new()));
        let state = Arc::new(State { script, negotiates, heard, stream: Mutex::default(), readers: Mutex::default() });
        let service = Service(Arc::clone(&state));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let server = tonic::transport::Server::builder()
                .add_service(RequestServer::new(service.clone()))
                .add_service(BiRequestStreamServer::new(service));
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.expect("a working test server");
        });
        Self { address, state, _tasks: tasks }
    }

    /// A client of this peer, running.
    pub(crate) fn client(&self, change: impl FnOnce(&mut ClientOptions)) -> TestClient {
        let mut options = ClusterOptions::new(vec![self.address.to_string().parse().expect("an address")]);
        options.grpc_offset = 0;
        Self::client_with(options, change)
    }

    /// A client with credentials, whose logins go to `http`, a port of this machine below the peer's.
    pub(crate) fn client_that_logs_in_at(&self, http: u16, change: impl FnOnce(&mut ClientOptions)) -> TestClient {
        let mut options = ClusterOptions::new(vec![format!("127.0.0.1:{http}").parse().expect("an address")]);
        options.grpc_offset = self.address.port() - http;
        options.http_timeout = PATIENCE * 10;
        options.credentials = Some(LoginCredentials { username: "u".to_owned(), password: "p".to_owned() });
        Self::client_with(options, change)
    }

    fn client_with(mut options: ClusterOptions, change: impl FnOnce(&mut ClientOptions)) -> TestClient {
        options.request_timeout = Duration::from_millis(500);
        let mut client_options = ClientOptions::default();
        change(&mut client_options);
        let (client, events, connection) =
            NacosClient::new(NacosCluster::new(options).expect("good options"), client_options);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(connection.run(stop.clone()));
        TestClient { client, events, stop, tasks }
    }

    /// Sends a request on the client's stream.
    pub(crate) async fn push(&self, payload: Payload) {
        let sender = self.state.stream.lock().expect("not poisoned").clone().expect("a stream");
        sender.send(Ok(payload)).await.expect("a client that reads");
    }

    /// Ends the client's stream.
    pub(crate) fn hang_up(&self) {
        self.state.stream.lock().expect("not poisoned").take();
    }

    /// Waits until `count` messages of a type have come in, and returns them.
    pub(crate) async fn heard<M: Message>(&self, count: usize) -> Vec<M> {
        let all = self.heard_payloads(M::TYPE, count).await;
        all.iter().map(|heard| heard.payload.decode().expect("readable")).collect()
    }

    pub(crate) async fn heard_payloads(&self, message_type: &str, count: usize) -> Vec<Heard> {
        let of_type = |heard: &Vec<Heard>| -> Vec<Heard> {
            heard.iter().filter(|heard| heard.payload.message_type() == message_type).cloned().collect()
        };
        let mut receiver = self.state.heard.subscribe();
        let waiting = receiver.wait_for(|heard| of_type(heard).len() >= count);
        let heard =
            tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("no {count} {message_type}"));
        of_type(&heard.expect("the peer lives"))
    }

    /// How many messages of a type have come in.
    pub(crate) fn count(&self, message_type: &str) -> usize {
        self.state.heard.borrow().iter().filter(|heard| heard.payload.message_type() == message_type).count()
    }

    /// Types of all messages so far, in order.
    pub(crate) fn types(&self) -> Vec<String> {
        self.state.heard.borrow().iter().map(|heard| heard.payload.message_type().to_owned()).collect()
    }
}

/// A client and what it tells.
pub(crate) struct TestClient {
    pub(crate) client: NacosClient,
    pub(crate) events: ClientEvents,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl TestClient {
    /// The next event.
    pub(crate) async fn next(&mut self) -> ClientEvent {
        let next = tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("an event");
        next.expect("a running client")
    }

    /// The first event from here on that `wanted` takes; those before it are dropped.
    pub(crate) async fn until<T>(&mut self, wanted: impl Fn(&ClientEvent) -> Option<T>) -> T {
        loop {
            let event = self.next().await;
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    /// Waits until everything that is wanted has been asked for.
    pub(crate) async fn redone(&mut self) -> u64 {
        self.until(|event| if let ClientEvent::Redone { generation } = event { Some(*generation) } else { None }).await
    }

    /// Stops it, and waits for the end.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.tasks.join_next()).await.expect("a client that stops");
        ended.expect("a task").expect("no panic");
    }
}

impl State {
    fn note(&self, from: Option<SocketAddr>, payload: &Payload) {
        self.heard.send_modify(|heard| heard.push(Heard { from, payload: payload.clone() }));
    }

    fn usual(&self, payload: &Payload) -> Payload {
        let service = ServiceInfo::default;
        match payload.message_type() {
            ServerCheckRequest::TYPE => Payload::of(&ServerCheckResponse {
                connection_id: "1".to_owned(),
                support_ability_negotiation: self.negotiates,
                ..ServerCheckResponse::default()
            }),
            HealthCheckRequest::TYPE => Payload::of(&HealthCheckResponse::default()),
            SubscribeServiceRequest::TYPE => Payload::of(&SubscribeServiceResponse {
                service_info: Some(service()),
                ..SubscribeServiceResponse::default()
            }),
            ServiceQueryRequest::TYPE => {
                Payload::of(&QueryServiceResponse { service_info: Some(service()), ..QueryServiceResponse::default() })
            }
            InstanceRequest::TYPE => Payload::of(&InstanceResponse::default()),
            BatchInstanceRequest::TYPE => Payload::of(&BatchInstanceResponse::default()),
            ConfigBatchListenRequest::TYPE => Payload::of(&ConfigChangeBatchListenResponse::default()),
            NamingFuzzyWatchRequest::TYPE => Payload::of(&NamingFuzzyWatchResponse::default()),
            _ => Payload::of(&ErrorResponse::failed(302, "no handler")),
        }
    }
}

#[tonic::async_trait]
impl RequestService for Service {
    async fn request(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        let from = request.remote_addr();
        let payload = request.into_inner();
        self.0.note(from, &payload);
        match (self.0.script)(&payload) {
            Answer::Say(answer) => Ok(Response::new(answer)),
            Answer::Usual => Ok(Response::new(self.0.usual(&payload))),
            Answer::Silence => std::future::pending().await,
        }
    }
}

#[tonic::async_trait]
impl BiRequestStream for Service {
    type requestBiStreamStream = Pin<Box<dyn Stream<Item = Result<Payload, Status>> + Send>>;

    async fn request_bi_stream(
        &self,
        request: Request<Streaming<Payload>>,
    ) -> Result<Response<Self::requestBiStreamStream>, Status> {
        let from = request.remote_addr();
        let mut inbound = request.into_inner();
        let setup = inbound.message().await?.ok_or_else(|| Status::aborted("no set-up"))?;
        assert_eq!(setup.message_type(), ConnectionSetupRequest::TYPE);
        self.0.note(from, &setup);
        let (sender, mut outbound) = mpsc::channel(256);
        if self.0.negotiates {
            let ability_table = [("fuzzyWatch".to_owned(), true)].into();
            let ack = SetupAckRequest { ability_table, ..SetupAckRequest::default() };
            sender.try_send(Ok(Payload::of(&ack))).expect("a new channel has room");
        }
        *self.0.stream.lock().expect("not poisoned") = Some(sender);
        let state = Arc::clone(&self.0);
        self.0.readers.lock().expect("not poisoned").spawn(async move {
            while let Ok(Some(payload)) = inbound.message().await {
                state.note(from, &payload);
            }
        });
        // As the Java server does: the answer begins with the first message.
        let first = outbound.recv().await;
        let rest = ReceiverStream::new(outbound);
        Ok(Response::new(Box::pin(futures::stream::iter(first).chain(rest))))
    }
}
