use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint as Target};

use super::*;
use crate::message::config::*;
use crate::message::internal::*;
use crate::message::naming::*;
use crate::message::{Message, Request, error_code};
use crate::payload::{BiRequestStreamClient, Payload, RequestClient};
use crate::reading::OfferedValue;

/// Answers with fixed things, and notes who came and went.
#[derive(Default)]
struct Fake {
    seen: Mutex<Vec<String>>,
    token: Option<&'static str>,
}

impl Fake {
    fn note(&self, what: impl Into<String>) {
        self.seen.lock().unwrap().push(what.into());
    }
    fn has_seen(&self, what: &str) -> bool {
        self.seen.lock().unwrap().iter().any(|seen| seen == what)
    }
}

fn service_info(service: &ServiceName, clusters: String) -> ServiceInfo {
    let hosts = vec![NacosInstance { ip: "10.0.0.1".into(), port: 80, ..NacosInstance::default() }];
    let ServiceName { group, service, .. } = service.clone();
    ServiceInfo { name: service, group_name: group, clusters, hosts, last_ref_time: 7, ..ServiceInfo::default() }
}

impl RegistryBackend for Fake {
    async fn authorize(&self, caller: &CallingClient<'_>, _: &str) -> Result<(), RegistryRefusal> {
        let right = self.token.is_none_or(|token| caller.header("accessToken") == Some(token));
        if right { Ok(()) } else { Err(RegistryRefusal::no_right("token invalid")) }
    }
    async fn connected(&self, peer: &ConnectedClient) {
        self.note(format!("connected {}", peer.client_version));
    }
    async fn disconnected(&self, _: &ConnectionId) {
        self.note("disconnected");
    }
    async fn publish(
        &self,
        _: &CallingClient<'_>,
        service: ServiceName,
        publication: NamingPublication,
    ) -> Result<(), RegistryRefusal> {
        match publication {
            NamingPublication::Ephemeral(set) if set.iter().any(|one| one.ip.is_empty()) => {
                Err(RegistryRefusal::bad_parameter("ip"))
            }
            _ => {
                self.note(format!("published {}@@{}", service.group, service.service));
                Ok(())
            }
        }
    }
    async fn query(
        &self,
        _: &CallingClient<'_>,
        service: ServiceName,
        clusters: String,
        _: bool,
    ) -> Result<ServiceInfo, RegistryRefusal> {
        Ok(service_info(&service, clusters))
    }
    async fn list(
        &self,
        _: &CallingClient<'_>,
        _: String,
        _: String,
        page: ListingPage,
    ) -> Result<(usize, Vec<String>), RegistryRefusal> {
        Ok((3, vec![format!("{}x{}", page.number, page.size)]))
    }
    async fn subscribe(
        &self,
        _: &CallingClient<'_>,
        service: ServiceName,
        clusters: String,
    ) -> Result<ServiceInfo, RegistryRefusal> {
        Ok(service_info(&service, clusters))
    }
    async fn unsubscribe(&self, _: &CallingClient<'_>, _: ServiceName) -> Result<(), RegistryRefusal> {
        Ok(())
    }
    async fn config(
        &self,
        _: &CallingClient<'_>,
        _: ConfigName,
        _: Option<String>,
    ) -> Result<Option<ConfigQueryResponse>, RegistryRefusal> {
        Ok(None)
    }
    async fn change_config(
        &self,
        _: &CallingClient<'_>,
        _: ConfigName,
        _: ConfigChange,
    ) -> Result<(), RegistryRefusal> {
        Err(RegistryRefusal::failed("read only"))
    }
    async fn listen(
        &self,
        _: &CallingClient<'_>,
        contexts: Vec<ListenContext>,
    ) -> Result<Vec<ConfigName>, RegistryRefusal> {
        Ok(contexts.into_iter().map(|context| context.name).collect())
    }
    async fn ignore(&self, _: &CallingClient<'_>, _: Vec<ConfigName>) -> Result<(), RegistryRefusal> {
        Ok(())
    }
}

/// A running server, and the tasks that the test owns.
struct Running {
    backend: Arc<Fake>,
    sessions: ClientSessions,
    address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), ServeError>>,
}

async fn start(backend: Fake, options: ServerOptions) -> Running {
    let server = NacosServer::bind(&ListenerGate::default(), "test", "127.0.0.1:0".parse().unwrap(), options).unwrap();
    let (address, sessions, stop, backend) =
        (server.local_addr(), server.sessions(), CancellationToken::new(), Arc::new(backend));
    let mut tasks = JoinSet::new();
    tasks.spawn(server.run(backend.clone(), stop.clone()));
    Running { backend, sessions, address, stop, tasks }
}

fn quick() -> ServerOptions {
    ServerOptions {
        probe_after: Duration::from_millis(100),
        probe_timeout: Duration::from_millis(100),
        ack_timeout: Duration::from_millis(50),
        blocked_after: Duration::from_millis(300),
        max_connections: 1_000,
    }
}

/// A client as thin as the protocol: one channel, one stream.
struct Client {
    calls: RequestClient<Channel>,
    channel: Channel,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let channel = Target::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        Self { calls: RequestClient::new(channel.clone()), channel }
    }

    async fn raw(&mut self, payload: Payload) -> Payload {
        self.calls.request(payload).await.unwrap().into_inner()
    }

    async fn ask<M: Request>(&mut self, request: M) -> M::Response {
        self.raw(Payload::of(&request)).await.decode().unwrap()
    }

    async fn open(&mut self, setup: ConnectionSetupRequest) -> Stream {
        let (answers, outbound) = mpsc::channel(8);
        answers.send(Payload::of(&setup)).await.unwrap();
        let pushes = BiRequestStreamClient::new(self.channel.clone())
            .request_bi_stream(ReceiverStream::new(outbound))
            .await
            .unwrap()
            .into_inner();
        let stream = Stream { answers, pushes };
        // The set-up has no answer of its own: clients repeat the check until it is heard.
        while self.raw(Payload::of(&HealthCheckRequest::default())).await.message_type() == ErrorResponse::TYPE {}
        stream
    }
}

struct Stream {
    answers: mpsc::Sender<Payload>,
    pushes: tonic::Streaming<Payload>,
}

impl Stream {
    async fn next<M: Request>(&mut self) -> M {
        self.pushes.message().await.unwrap().expect("the stream is open").decode().unwrap()
    }
    async fn answer<M: Request>(&mut self, request: &M) {
        let answer = crate::message::Response::answering(M::Response::default(), request.request_id());
        self.answers.send(Payload::of::<M::Response>(&answer)).await.unwrap();
    }
}

fn setup(version: &str, abilities: Option<&str>) -> ConnectionSetupRequest {
    let ability_table = abilities.map(|key| BTreeMap::from([(key.to_owned(), true)]));
    ConnectionSetupRequest { client_version: version.into(), ability_table, ..Default::default() }
}

async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("the condition holds in time");
}

fn a_push(service: &str, n: i64) -> (PushKey, PushBody) {
    let name = ServiceName::new("public".into(), "g".into(), service.into());
    let info = ServiceInfo { last_ref_time: n, ..service_info(&name, String::new()) };
    let message = NotifySubscriberRequest { service_info: Some(info), ..Default::default() };
    (PushKey::Service(name), PushBody::of(&message))
}

fn the_only_session(running: &Running) -> ConnectionId {
    running.sessions.ids().into_iter().next().expect("one client is connected")
}

#[tokio::test]
async fn the_handshake_names_the_connection_and_acknowledges_ability_tables_only() {
    for (name, abilities) in [("old client", None), ("new client", Some("mcp"))] {
        let running = start(Fake::default(), ServerOptions::default()).await;
        let mut client = Client::connect(running.address).await;
        let check = client.ask(ServerCheckRequest { request_id: "5".into() }).await;
        assert!(check.connection_id.contains("_127.0.0.1_") && check.support_ability_negotiation, "{name}");
        assert_eq!(check.request_id, "5");
        let refused: ErrorResponse = client.raw(Payload::of(&ServiceListRequest::default())).await.decode().unwrap();
        assert_eq!(refused.error_code, error_code::UNREGISTERED, "{name}: before the set-up");
        let mut stream = client.open(setup(name, abilities)).await;
        assert!(running.backend.has_seen(&format!("connected {name}")));
        assert_eq!(the_only_session(&running).text().as_ref(), check.connection_id);
        if abilities.is_some() {
            let table = stream.next::<SetupAckRequest>().await.ability_table;
            assert_eq!(table.get(ability::PERSISTENT_INSTANCE), Some(&true));
            assert_eq!(table.get(ability::FUZZY_WATCH), None);
        }
        let (key, body) = a_push("orders", 1);
        running.sessions.push(&the_only_session(&running), key, body);
        stream.next::<NotifySubscriberRequest>().await;
    }
}

#[tokio::test]
async fn requests_reach_the_backend_and_answers_have_the_names_clients_expect() {
    let running = start(Fake::default(), ServerOptions::default()).await;
    let mut client = Client::connect(running.address).await;
    let _stream = client.open(setup("c", None)).await;

    let good = NacosInstance { ip: "10.0.0.1".into(), port: 80, ..NacosInstance::default() };
    let mut register = InstanceRequest {
        service_name: "orders".into(),
        group_name: "G".into(),
        operation: "registerInstance".into(),
        instance: good.into(),
        ..Default::default()
    };
    assert_eq!(client.ask(register.clone()).await.operation, "registerInstance");
    assert!(running.backend.has_seen("published G@@orders"));
    let anonymous = InstanceRequest { instance: NacosInstance::default().into(), ..register.clone() };
    assert_eq!(client.ask(anonymous).await.error_code, error_code::BAD_PARAMETER, "refused in the answer's own type");
    for (name, wrong, code, result_code) in [
        ("an operation", InstanceRequest { operation: "explode".into(), ..register.clone() }, 400, 400),
        ("no instance", InstanceRequest { instance: OfferedValue(None), ..register.clone() }, 400, 400),
        ("no group", InstanceRequest { group_name: String::new(), ..register.clone() }, 500, 500),
    ] {
        let refused = client.raw(Payload::of(&wrong)).await.decode::<ErrorResponse>().unwrap();
        assert_eq!((refused.error_code, refused.result_code), (code, result_code), "{name}");
    }
    register.operation = "deregisterInstance".into();
    assert_eq!(client.ask(register).await.operation, "deregisterInstance");

    let query = ServiceQueryRequest {
        service_name: "orders".into(),
        group_name: "g".into(),
        cluster: "X".into(),
        ..Default::default()
    };
    let found = client.ask(query).await.service_info.unwrap();
    assert_eq!((found.name.as_str(), found.clusters.as_str(), found.hosts.len()), ("orders", "X", 1));
    let page = client.ask(ServiceListRequest { page_no: 0, page_size: -5, ..Default::default() }).await;
    assert_eq!(
        (page.count, page.service_names),
        (3, vec!["1x0".to_owned()]),
        "odd pages are the first, odd sizes nothing"
    );
    let absent = client.ask(ConfigQueryRequest::default()).await;
    assert_eq!((absent.result_code, absent.error_code), (500, 300));
    assert_eq!(client.ask(ConfigPublishRequest::default()).await.error_code, error_code::SERVER_ERROR);
    let context = ConfigListenContext { data_id: "d".into(), tenant: String::new(), ..Default::default() };
    let listen = ConfigBatchListenRequest { listen: true, config_listen_contexts: vec![context], ..Default::default() };
    assert_eq!(client.ask(listen).await.changed_configs[0].data_id, "d");
}

#[tokio::test]
async fn what_cannot_be_handled_is_told_by_its_code() {
    let running = start(Fake { token: Some("t"), ..Fake::default() }, ServerOptions::default()).await;
    let mut client = Client::connect(running.address).await;
    let _stream = client.open(setup("c", None)).await;
    let json = |text: &'static str| text.as_bytes().into();
    for (name, payload, answer, code) in [
        ("unknown", Payload::of_json("ServerReloadRequest", json("{}")), ErrorResponse::TYPE, error_code::NO_HANDLER),
        (
            "unreadable",
            Payload::of_json(InstanceRequest::TYPE, json("{\"instance\":{\"port\":true}}")),
            ErrorResponse::TYPE,
            error_code::UNREADABLE,
        ),
        (
            "not json",
            Payload::of_json(InstanceRequest::TYPE, json("\u{1}")),
            ErrorResponse::TYPE,
            error_code::UNREADABLE,
        ),
        ("no token", Payload::of(&ServiceListRequest::default()), ServiceListResponse::TYPE, error_code::NO_RIGHT),
    ] {
        let received = client.raw(payload).await;
        let fields: serde_json::Value = serde_json::from_slice(&received.json()).unwrap();
        assert_eq!(
            (received.message_type(), &fields["errorCode"], &fields["resultCode"]),
            (answer, &code.into(), &500.into()),
            "{name}"
        );
    }
    let with_token = Payload::of(&ServiceListRequest::default()).with_header("accessToken", "t");
    assert_eq!(client.raw(with_token).await.decode::<ServiceListResponse>().unwrap().count, 3);
}

#[tokio::test]
async fn large_requests_are_those_of_clients_that_have_set_up_and_have_an_end_too() {
    let running = start(Fake::default(), ServerOptions::default()).await;
    let mut client = Client::connect(running.address).await;
    let publish = |bytes: usize| ConfigPublishRequest { content: "x".repeat(bytes), ..Default::default() };
    let strange = client.calls.request(Payload::of(&publish(100_000))).await.unwrap_err();
    assert_eq!(strange.code(), tonic::Code::ResourceExhausted, "{strange}");
    let _stream = client.open(setup("c", None)).await;
    assert_eq!(client.ask(publish(9 << 20)).await.message.as_deref(), Some("read only"), "the backend was asked");
    let too_large = client.calls.request(Payload::of(&publish(11 << 20))).await.unwrap_err();
    assert_eq!(too_large.code(), tonic::Code::ResourceExhausted, "{too_large}");
    assert_eq!(client.ask(ServiceListRequest::default()).await.count, 3, "the connection goes on");
}

#[tokio::test]
async fn a_push_is_repeated_until_the_client_takes_it_and_the_newest_wins() {
    let running =
        start(Fake::default(), ServerOptions { ack_timeout: Duration::from_millis(30), ..ServerOptions::default() })
            .await;
    let mut client = Client::connect(running.address).await;
    let mut stream = client.open(setup("c", None)).await;
    let id = the_only_session(&running);
    let push = |n| {
        let (key, body) = a_push("orders", n);
        running.sessions.push(&id, key, body);
    };
    push(1);
    let first: NotifySubscriberRequest = stream.next().await;
    let repeated: NotifySubscriberRequest = stream.next().await;
    assert_eq!(first.service_info, repeated.service_info);
    assert_ne!(first.request_id, repeated.request_id);
    push(2);
    let newest: NotifySubscriberRequest = stream.next().await;
    assert_eq!(newest.service_info.clone().unwrap().last_ref_time, 2);
    stream.answer(&repeated).await;
    let again: NotifySubscriberRequest = stream.next().await;
    assert_eq!(
        again.service_info.clone().unwrap().last_ref_time,
        2,
        "an acknowledgement of the older one does not count"
    );
    stream.answer(&again).await;
    push(3);
    loop {
        let next: NotifySubscriberRequest = stream.next().await;
        stream.answer(&next).await;
        if next.service_info.unwrap().last_ref_time == 3 {
            break;
        }
    }
}

#[tokio::test]
async fn a_silent_client_is_probed_and_then_dropped_and_an_answering_one_is_kept() {
    let running = start(Fake::default(), quick()).await;
    let mut client = Client::connect(running.address).await;
    let mut stream = client.open(setup("c", None)).await;
    for _ in 0..3 {
        let probe: ClientDetectionRequest = stream.next().await;
        stream.answer(&probe).await;
    }
    assert!(!running.backend.has_seen("disconnected"));
    stream.next::<ClientDetectionRequest>().await;
    until(|| running.backend.has_seen("disconnected")).await;
    assert_eq!(running.sessions.count(), 0);
    let end = async { while let Ok(Some(_)) = stream.pushes.message().await {} };
    tokio::time::timeout(Duration::from_secs(10), end).await.expect("the connection is cut");
}

#[tokio::test]
async fn what_waits_for_a_client_comes_once_each_and_in_its_order() {
    let running = start(Fake::default(), ServerOptions::default()).await;
    let mut client = Client::connect(running.address).await;
    let mut stream = client.open(setup("c", None)).await;
    let id = the_only_session(&running);
    for n in 0..300 {
        let (key, body) = a_push(&n.to_string(), n);
        running.sessions.push(&id, key, body);
    }
    for n in 0..300 {
        let push = stream.next::<NotifySubscriberRequest>().await;
        assert_eq!(push.service_info.map(|info| info.last_ref_time), Some(n));
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_ended() {
    let running =
        start(Fake::default(), ServerOptions { blocked_after: Duration::from_millis(300), ..ServerOptions::default() })
            .await;
    let mut client = Client::connect(running.address).await;
    let _unread = client.open(setup("c", None)).await;
    let id = the_only_session(&running);
    let body = PushBody::of(&NotifySubscriberRequest { namespace: "x".repeat(100_000), ..Default::default() });
    for n in 0..200 {
        running.sessions.push(&id, PushKey::Fuzzy(n.to_string().into()), body.clone());
    }
    until(|| running.backend.has_seen("disconnected")).await;
}

#[tokio::test]
async fn a_connection_that_ends_takes_its_session_along() {
    let running = start(Fake::default(), ServerOptions::default()).await;
    let mut client = Client::connect(running.address).await;
    let stream = client.open(setup("c", None)).await;
    let mut other = Client::connect(running.address).await;
    let _other_stream = other.open(setup("d", None)).await;
    assert_eq!(running.sessions.count(), 2);
    drop((client, stream));
    until(|| running.backend.has_seen("disconnected")).await;
    assert_eq!(running.sessions.count(), 1);
}

#[tokio::test]
async fn a_stop_ends_sessions_and_connections() {
    let mut running = start(Fake::default(), ServerOptions::default()).await;
    let mut client = Client::connect(running.address).await;
    let mut stream = client.open(setup("c", None)).await;
    running.sessions.reset_all();
    stream.next::<ConnectResetRequest>().await;
    running.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), running.tasks.join_next()).await;
    ended.expect("in time").expect("it ran").expect("no panic").expect("no failure");
    assert!(running.backend.has_seen("disconnected"));
    assert!(client.calls.request(Payload::of(&HealthCheckRequest::default())).await.is_err());
}
