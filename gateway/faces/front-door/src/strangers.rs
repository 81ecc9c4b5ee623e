//! What peers without manners get of a front door, through real sockets: an answer in the words of a Nacos, or the end of their connection. After
//! each, somebody else is served as before.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bounded_listener::{ListenerCapacity, ListenerGate, ListenerObserver, PeerPatience, TurnedAway};
use federation_core::instance::Health;
use federation_core::service::Revision;
use federation_ports::front_door::FrontDoorControl;
use nacos_protocol::client::{CallError, ServiceName};
use nacos_protocol::message::internal::{ConnectionSetupRequest, HealthCheckRequest, ServerCheckRequest};
use nacos_protocol::message::naming::{
    InstanceRequest, NacosInstance, QueryServiceResponse, ServiceListRequest, ServiceQueryRequest,
    SubscribeServiceRequest, instance_operation,
};
use nacos_protocol::message::{Message, Request, error_code};
use nacos_protocol::payload::{BiRequestStreamClient, Payload, RequestClient};
use nacos_protocol::server::ServerOptions;
use prost::bytes::{Buf, BufMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::AccessRule;
use crate::naming::tests::with_service;
use crate::testing::{House, PATIENCE, Registry, at, service};

const MOMENT: Duration = Duration::from_millis(100);

/// What listeners tell.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<(Vec<TurnedAway>, Option<String>)>>);

impl ListenerObserver for Told {
    fn open(&self, _: &'static str, _: usize) {}
    fn turned_away(&self, _: &'static str, reason: TurnedAway) {
        self.0.lock().unwrap().0.push(reason);
    }
    fn trouble(&self, _: &'static str, trouble: Option<String>) {
        let mut told = self.0.lock().unwrap();
        told.1 = trouble.or(told.1.take());
    }
}

impl Told {
    fn count(&self, reason: TurnedAway) -> usize {
        self.0.lock().unwrap().0.iter().filter(|other| **other == reason).count()
    }

    fn gate(&self, capacity: usize, patience: PeerPatience) -> ListenerGate {
        let claimed = ListenerCapacity::claim();
        let capacity = ListenerCapacity { connections: capacity, ..claimed };
        ListenerGate::new(capacity, patience, bounded_listener::ServedHosts::default(), self.clone())
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

/// A door that knows one service, `orders`, before a registry.
async fn a_door(gate: ListenerGate, protocol: ServerOptions) -> (Registry, House) {
    let registry = Registry::start(false).await;
    let mut house = House::with(registry.cluster(), AccessRule::Open, gate, protocol);
    house.view.apply(with_service(Revision(1), &[("10.0.0.1", 1.0, Health::Healthy)], &[]));
    (registry, house)
}

/// Somebody with manners finds what is there.
async fn somebody_is_served(house: &House) {
    let somebody = house.client().connected().await;
    let found = somebody.client.query(&orders()).await.expect("lookups are answered");
    assert_eq!(found.hosts.len(), 1);
}

fn orders() -> ServiceName {
    service("orders")
}

/// A peer that writes payloads as it likes.
struct Stranger {
    calls: RequestClient<Channel>,
    channel: Channel,
}

impl Stranger {
    async fn connect(house: &House) -> Self {
        let channel = Endpoint::from_shared(format!("http://{}", house.address)).unwrap().connect().await.unwrap();
        Self { calls: RequestClient::new(channel.clone()), channel }
    }

    /// With its set-up done; the stream's answers are not read.
    async fn known(house: &House) -> (Self, tonic::Streaming<Payload>, mpsc::Sender<Payload>) {
        let mut stranger = Self::connect(house).await;
        let (say, said) = mpsc::channel(8);
        say.send(Payload::of(&ConnectionSetupRequest::default())).await.unwrap();
        let mut stream = BiRequestStreamClient::new(stranger.channel.clone());
        let pushes = stream.request_bi_stream(ReceiverStream::new(said)).await.unwrap().into_inner();
        while stranger.told(Payload::of(&HealthCheckRequest::default())).await.0 == "ErrorResponse" {}
        (stranger, pushes, say)
    }

    /// Name and code of the answer.
    async fn told(&mut self, payload: Payload) -> (String, i64) {
        let answer = self.calls.request(payload).await.expect("an answer").into_inner();
        let fields: serde_json::Value = serde_json::from_slice(&answer.json()).expect("it is JSON");
        (answer.message_type().to_owned(), fields["errorCode"].as_i64().unwrap_or_default())
    }

    /// Sends bytes in place of a payload; the status of the call.
    async fn raw(&self, bytes: Vec<u8>) -> Code {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await.unwrap();
        let path = "/Request/request".parse().unwrap();
        client.unary(tonic::Request::new(bytes), path, AnyBytes).await.map_or_else(|status| status.code(), |_| Code::Ok)
    }
}

/// Messages as they are.
#[derive(Clone, Copy)]
struct AnyBytes;

impl tonic::codec::Codec for AnyBytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        *self
    }
    fn decoder(&mut self) -> Self {
        *self
    }
}

impl tonic::codec::Encoder for AnyBytes {
    type Item = Vec<u8>;
    type Error = tonic::Status;
    fn encode(&mut self, item: Vec<u8>, into: &mut tonic::codec::EncodeBuf<'_>) -> Result<(), tonic::Status> {
        into.put_slice(&item);
        Ok(())
    }
}

impl tonic::codec::Decoder for AnyBytes {
    type Item = Vec<u8>;
    type Error = tonic::Status;
    fn decode(&mut self, from: &mut tonic::codec::DecodeBuf<'_>) -> Result<Option<Vec<u8>>, tonic::Status> {
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}

#[tokio::test]
async fn hostile_requests_over_http_are_answered_in_order_or_closed_and_others_are_answered_after_each() {
    let (_registry, house) = a_door(ListenerGate::default(), ServerOptions::default()).await;
    federation_hostile::try_all(house.http, "/nacos/v1/console/health/liveness").await;
    somebody_is_served(&house).await;
}

#[tokio::test]
async fn what_is_no_payload_fails_alone_and_its_connection_goes_on() {
    let (_registry, house) = a_door(ListenerGate::default(), ServerOptions::default()).await;
    let stranger = Stranger::connect(&house).await;
    let field = |tag: u8, length: usize| [&[tag][..], &[0xff, 0xff, 0xff, 0xff, 0x0f], &vec![b'x'; length]].concat();
    for (name, bytes) in [
        ("noise", vec![0xff; 1000]),
        ("a field that is longer than the message", field(0x12, 10)),
        ("a group that never ends", vec![0x0b; 5000]),
        ("a type of no UTF-8", vec![0x12, 4, 0x1a, 2, 0xff, 0xfe]),
    ] {
        assert_eq!(stranger.raw(bytes).await, Code::Internal, "{name}");
    }
    assert_eq!(stranger.raw(Vec::new()).await, Code::Ok, "an empty payload is a request of no name");
    let mut same = Stranger { calls: RequestClient::new(stranger.channel.clone()), channel: stranger.channel };
    assert_eq!(same.told(Payload::of(&ServerCheckRequest::default())).await, ("ServerCheckResponse".to_owned(), 0));
    somebody_is_served(&house).await;
}

#[tokio::test]
async fn before_the_set_up_there_is_the_check_alone_and_no_request_is_large() {
    let (_registry, house) = a_door(ListenerGate::default(), ServerOptions::default()).await;
    let mut stranger = Stranger::connect(&house).await;
    for payload in [
        Payload::of(&ServiceQueryRequest::default()),
        Payload::of(&InstanceRequest::default()),
        Payload::of(&SubscribeServiceRequest::default()),
        Payload::of_json("ServerReloadRequest", "{}".into()),
        Payload::of_json("", "{}".into()),
    ] {
        let unregistered = ("ErrorResponse".to_owned(), i64::from(error_code::UNREGISTERED));
        assert_eq!(stranger.told(payload).await, unregistered);
    }
    let large = Payload::of_json(ServiceListRequest::TYPE, vec![b' '; 100 << 10].into());
    assert_eq!(stranger.calls.request(large).await.unwrap_err().code(), Code::ResourceExhausted);
    assert!(house.handle.status().registering_clients == 0, "nobody has registered anything");
    somebody_is_served(&house).await;
}

#[tokio::test]
async fn json_of_another_shape_and_requests_of_no_known_name_are_refused_by_their_codes() {
    let (_registry, house) = a_door(ListenerGate::default(), ServerOptions::default()).await;
    let (mut stranger, _pushes, _say) = Stranger::known(&house).await;
    let deep = format!("{{\"serviceName\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    for (name, of, json, code) in [
        ("an unknown name", "ServerReloadRequest", "{}".to_owned(), error_code::NO_HANDLER),
        ("no name", "", "{}".to_owned(), error_code::NO_HANDLER),
        ("a name of 10,000 letters", &*"R".repeat(10_000), "{}".to_owned(), error_code::NO_HANDLER),
        ("no JSON", ServiceQueryRequest::TYPE, "\u{1}".to_owned(), error_code::UNREADABLE),
        ("a list", ServiceQueryRequest::TYPE, "[]".to_owned(), error_code::UNREADABLE),
        ("half of it", ServiceQueryRequest::TYPE, "{\"serviceName\":".to_owned(), error_code::UNREADABLE),
        ("20,000 lists in each other", ServiceQueryRequest::TYPE, deep, error_code::UNREADABLE),
        ("a port of truth", InstanceRequest::TYPE, "{\"instance\":{\"port\":true}}".to_owned(), error_code::UNREADABLE),
    ] {
        let told = stranger.told(Payload::of_json(of, json.into())).await;
        assert_eq!(told, ("ErrorResponse".to_owned(), i64::from(code)), "{name}");
    }
    somebody_is_served(&house).await;
}

#[tokio::test]
async fn a_hundred_megabytes_of_json_are_refused_before_they_have_come_and_nothing_of_them_is_held() {
    let gate = ListenerGate::default();
    let (_registry, house) = a_door(gate.clone(), ServerOptions::default()).await;
    let (mut stranger, _pushes, _say) = Stranger::known(&house).await;
    for megabytes in [11, 100] {
        let payload = Payload::of_json(ServiceQueryRequest::TYPE, vec![b' '; megabytes << 20].into());
        let refused = stranger.calls.request(payload).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{megabytes} MiB: {refused}");
    }
    until("the bytes are given back", || gate.request_bytes() == 0).await;
    let health = stranger.told(Payload::of(&HealthCheckRequest::default())).await;
    assert_eq!(health, ("HealthCheckResponse".to_owned(), 0), "the connection goes on");
    somebody_is_served(&house).await;
}

#[tokio::test]
async fn metadata_bombs_are_refused_by_the_local_nacos_and_not_kept() {
    let (registry, house) = a_door(ListenerGate::default(), ServerOptions::default()).await;
    let bomber = house.client().connected().await;
    let with = |metadata| vec![NacosInstance { metadata, ..at("10.0.0.9").remove(0) }];
    let many = (0..10_000).map(|key| (format!("key-{key}"), "v".to_owned())).collect();
    let large = [("key".to_owned(), "v".repeat(9 << 20))].into();
    for (name, metadata) in [("10,000 keys", many), ("a value of 9 MiB", large)] {
        let refused = bomber.client.register(&service("bombed"), with(metadata)).await.unwrap_err();
        assert!(matches!(refused, CallError::Server { .. }), "{name}: {refused}");
    }
    let too_large = [("key".to_owned(), "v".repeat(11 << 20))].into();
    assert!(bomber.client.register(&service("bombed"), with(too_large)).await.is_err(), "no request is so large");
    let bomber = house.client().connected().await;
    bomber.client.register(&service("bombed"), at("10.0.0.8")).await.expect("who behaves registers");
    registry.lists("bombed", &["10.0.0.8"]).await;
    somebody_is_served(&house).await;
}

#[tokio::test]
async fn names_that_nacos_refuses_are_refused_in_its_words_and_namespaces_that_are_not_there_are_empty() {
    let (registry, house) = a_door(ListenerGate::default(), ServerOptions::default()).await;
    let (direct, through) = (registry.client().connected().await, house.client().connected().await);
    let named = |namespace: &str, group: &str, service: &str| ServiceName::new(namespace, group, service);
    for name in [
        named("public", "G", "a b"),
        named("public", "G", "@a"),
        named("public", "G", "a@@b"),
        named("public", "G", &"s".repeat(513)),
        named("public", "G\u{7}", "s"),
        named("public", &"g".repeat(129), "s"),
        named("a/b", "G", "s"),
        named(&"n".repeat(65), "G", "s"),
        named("public", "G", ""),
        named("public", "G", "\u{670d}\u{52a1}"),
    ] {
        let [wanted, told] =
            [direct.client.query(&name).await, through.client.query(&name).await].map(|it| it.unwrap_err().to_string());
        assert_eq!(told, wanted, "{name:?}");
        let [wanted, told] = [&direct, &through].map(|it| it.client.register(&name, at("10.0.0.7")));
        let (wanted, told) = (wanted.await.unwrap_err().to_string(), told.await.unwrap_err().to_string());
        assert_eq!(told, wanted, "{name:?}");
    }
    let nowhere = named("no-such-namespace", "G", "s");
    let [wanted, told] = [direct.client.query(&nowhere).await, through.client.query(&nowhere).await]
        .map(|it| it.expect("an answer").hosts.len());
    assert_eq!((wanted, told), (0, 0));
    somebody_is_served(&house).await;
}

#[tokio::test]
async fn a_subscriber_that_reads_nothing_is_ended_and_others_are_told_of_every_change() {
    let protocol = ServerOptions { blocked_after: MOMENT * 3, ack_timeout: MOMENT, ..ServerOptions::default() };
    let (_registry, mut house) = a_door(ListenerGate::default(), protocol).await;
    let (mut stranger, unread, _say) = Stranger::known(&house).await;
    let subscribe = SubscribeServiceRequest {
        namespace: "public".to_owned(),
        service_name: "orders".to_owned(),
        group_name: "G".to_owned(),
        subscribe: true,
        ..SubscribeServiceRequest::default()
    };
    assert_eq!(stranger.told(Payload::of(&subscribe)).await.1, 0);
    let mut reader = house.client().connected().await;
    // Lists of some 300 KB: a few fill all that lies between the door and somebody who does not read.
    let hosts: Vec<String> = (0..1500).map(|host| format!("10.1.{}.{}", host / 250, host % 250)).collect();
    let mut revision = 1;
    while house.handle.status().connections > 1 || revision == 1 {
        revision += 1;
        assert!(revision < 3000, "it is never ended");
        let few = hosts.iter().take(1499 + usize::try_from(revision % 2).unwrap());
        let listed: Vec<_> = few.map(|host| (host.as_str(), 1.0, Health::Healthy)).collect();
        house.view.apply(with_service(Revision(revision), &listed, &[]));
        let wanted = listed.len();
        reader.client.subscribe(&orders());
        reader.until(|event| told_of(event, wanted)).await;
    }
    drop(unread);
}

fn told_of(event: &nacos_protocol::client::ClientEvent, hosts: usize) -> Option<()> {
    let nacos_protocol::client::ClientEvent::Service { info, .. } = event else { return None };
    (info.hosts.len() == hosts).then_some(())
}

#[tokio::test]
async fn half_open_connections_and_streams_without_a_set_up_are_ended() {
    let told = Told::default();
    let patience = PeerPatience { greeting: MOMENT * 3, look_every: MOMENT / 4, ..PeerPatience::default() };
    let protocol = ServerOptions { setup_within: MOMENT, ..ServerOptions::default() };
    let (_registry, house) = a_door(told.gate(1000, patience), protocol).await;
    for (address, greeting) in [(house.address, &b""[..]), (house.address, b"PRI * HTTP/2.0\r\n"), (house.http, b"")] {
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(greeting).await.unwrap();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, half.read_to_end(&mut rest)).await;
        ended.expect("it is ended").ok();
    }
    assert_eq!(told.count(TurnedAway::Impatience), 3);
    let stranger = Stranger::connect(&house).await;
    let (_silent, said) = mpsc::channel::<Payload>(1);
    let stream =
        BiRequestStreamClient::new(stranger.channel.clone()).request_bi_stream(ReceiverStream::new(said)).await;
    let ended = tokio::time::timeout(PATIENCE, stream.unwrap().into_inner().message()).await;
    assert!(!matches!(ended.expect("it is ended"), Ok(Some(_))));
    let (wrong, said) = mpsc::channel(1);
    wrong.send(Payload::of(&HealthCheckRequest::default())).await.unwrap();
    let stream = BiRequestStreamClient::new(stranger.channel).request_bi_stream(ReceiverStream::new(said)).await;
    let ended = tokio::time::timeout(PATIENCE, stream.unwrap().into_inner().message()).await;
    assert!(!matches!(ended.expect("it is ended"), Ok(Some(_))), "something else than a set-up came first");
    somebody_is_served(&house).await;
}

#[tokio::test]
async fn one_address_has_its_part_of_the_connections_and_both_ports_have_their_limit() {
    let told = Told::default();
    let patience = PeerPatience { look_every: MOMENT / 4, ..PeerPatience::default() };
    let protocol = ServerOptions { max_connections: 40, ..ServerOptions::default() };
    let (_registry, house) = a_door(told.gate(1000, patience), protocol).await;
    for address in [house.address, house.http] {
        let before = told.count(TurnedAway::Peer);
        let mut open = Vec::new();
        for _ in 0..100 {
            open.push(TcpStream::connect(address).await.unwrap());
        }
        until("all but 35 are turned away", || told.count(TurnedAway::Peer) - before == 65).await;
        until("it is said", || told.0.lock().unwrap().1.as_ref().is_some_and(|it| it.contains("one address has 35")))
            .await;
        drop(open);
    }
    until_served(&house).await;
}

/// Connections that were dropped a moment ago may still count.
async fn until_served(house: &House) {
    tokio::time::timeout(PATIENCE, somebody_is_served(house)).await.expect("others are served afterwards");
}

#[tokio::test]
async fn who_registers_while_there_is_no_descriptor_for_it_is_told_to_try_another_server_and_lookups_go_on() {
    let told = Told::default();
    let gate = told.gate(120, PeerPatience::default());
    let (_registry, house) = a_door(gate.clone(), ServerOptions::default()).await;
    let client = house.client().connected().await;
    let taken: Vec<_> = std::iter::from_fn(|| gate.outward()).collect();
    let refused = client.client.register(&service("s"), at("10.0.0.9")).await.unwrap_err();
    assert!(matches!(refused, CallError::Overloaded { .. }), "{refused}");
    somebody_is_served(&house).await;
    drop(taken);
    client.client.register(&service("s"), at("10.0.0.9")).await.expect("there is room again");
}

#[tokio::test]
async fn an_answer_to_a_lookup_of_another_namespace_is_never_that_of_this_one() {
    let (_registry, house) = a_door(ListenerGate::default(), ServerOptions::default()).await;
    let (mut stranger, _pushes, _say) = Stranger::known(&house).await;
    let lookup = |namespace: &str| ServiceQueryRequest {
        namespace: namespace.to_owned(),
        service_name: "orders".to_owned(),
        group_name: "G".to_owned(),
        ..ServiceQueryRequest::default()
    };
    for (namespace, hosts) in [("public", 1), ("", 0), ("other", 0), ("PUBLIC", 0), ("public ", 0)] {
        let answer = stranger.calls.request(Payload::of(&lookup(namespace))).await.unwrap().into_inner();
        let answer: QueryServiceResponse = answer.decode().unwrap();
        let found = answer.service_info.map_or(0, |info| info.hosts.len());
        assert_eq!(found, hosts, "{namespace:?}");
    }
    let operation = InstanceRequest {
        operation: "explode".to_owned(),
        service_name: "s".to_owned(),
        group_name: "G".to_owned(),
        ..InstanceRequest::default()
    };
    assert_eq!(stranger.told(Payload::of(&operation)).await.1, i64::from(error_code::BAD_PARAMETER));
    let nothing = InstanceRequest { operation: instance_operation::REGISTER.to_owned(), ..operation };
    assert_eq!(stranger.told(Payload::of(&nothing)).await.1, i64::from(error_code::BAD_PARAMETER));
    assert!(nothing.request_id().is_empty());
}
