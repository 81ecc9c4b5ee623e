use std::time::Duration;

use bounded_listener::{ListenerCapacity, ListenerGate, ListenerObserver, PeerPatience, ServedHosts, TurnedAway};
use federation_proto::federation::v1 as pb;
use federation_proto::federation::v1::discovery_client::DiscoveryClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Code;
use tonic::transport::Channel;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use super::*;
use crate::serve::{self, ApiListeners};

/// Keeps what went wrong.
#[derive(Clone, Default)]
struct Turned(Arc<std::sync::Mutex<Vec<(&'static str, TurnedAway)>>>);

impl ListenerObserver for Turned {
    fn open(&self, _: &'static str, _: usize) {}
    fn turned_away(&self, listener: &'static str, reason: TurnedAway) {
        self.0.lock().unwrap().push((listener, reason));
    }
    fn trouble(&self, _: &'static str, _: Option<String>) {}
}

struct Served {
    http: std::net::SocketAddr,
    grpc: String,
    gate: ListenerGate,
    turned: Turned,
    _tasks: JoinSet<Result<(), serve::ServeError>>,
    _stop: DropGuard,
}

fn served(gateway: &Gateway, patience: PeerPatience) -> Served {
    let any = "127.0.0.1:0".parse().unwrap();
    let turned = Turned::default();
    let gate = ListenerGate::new(ListenerCapacity::claim(), patience, ServedHosts::default(), turned.clone());
    let listeners = ApiListeners::bind(&gate, any, any).unwrap();
    let (http, grpc) = (listeners.http_address(), format!("http://{}", listeners.grpc_address()));
    let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
    tasks.spawn(serve::run(listeners, gateway.state.clone(), stop.clone()));
    Served { http, grpc, gate, turned, _tasks: tasks, _stop: stop.drop_guard() }
}

#[tokio::test]
async fn hostile_requests_are_answered_in_order_or_closed_and_others_are_answered_after_each() {
    let gateway = Gateway::new();
    let served = served(&gateway, PeerPatience::default());
    federation_hostile::try_all(served.http, "/livez").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hundred_calls_of_four_mebibytes_are_refused_and_hold_nothing() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    let served = served(&gateway, PeerPatience::default());
    let channel = Channel::from_shared(served.grpc.clone()).unwrap().connect().await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..400 {
        let mut client = DiscoveryClient::new(channel.clone());
        let request = pb::GetServiceRequest { service_name: "x".repeat(4 << 20), ..Default::default() };
        calls.spawn(async move { client.get_service(request).await.map(drop).unwrap_err().code() });
    }
    let codes = calls.join_all().await;
    // Those that came before the client knew how many streams there may be are refused as streams: they are to be tried again.
    let refused = codes.iter().filter(|code| **code == Code::ResourceExhausted).count();
    let again =
        codes.iter().filter(|code| matches!(code, Code::Unavailable | Code::Cancelled | Code::Internal)).count();
    assert!(refused >= 200 && refused + again == 400, "{codes:?}");
    assert!(served.gate.request_bytes() <= 1 << 20, "{}", served.gate.request_bytes());
    let mut client = DiscoveryClient::new(channel);
    let request = pb::GetServiceRequest { service_name: "orders".to_owned(), ..Default::default() };
    assert!(client.get_service(request).await.is_ok(), "the same connection goes on");
    assert!(served.turned.0.lock().unwrap().contains(&("grpc", TurnedAway::TooLarge)));
}

#[tokio::test]
async fn an_order_of_more_than_64_kib_and_one_that_never_comes_are_problems() {
    let gateway = Gateway::new();
    let moment = Duration::from_millis(100);
    let served = served(&gateway, PeerPatience { body_part: moment, look_every: moment, ..PeerPatience::default() });
    for (length, status, kind) in [((64 << 10) + 1, 413, "too-large"), (10, 408, "too-slow")] {
        let mut client = TcpStream::connect(served.http).await.unwrap();
        let head = format!("POST /v1/drains HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains(&format!("urn:federation:problem:{kind}")), "{answer}");
    }
}

#[tokio::test]
async fn descriptions_are_answered_and_questions_have_a_size() {
    let gateway = Gateway::new();
    let served = served(&gateway, PeerPatience::default());
    let channel = Channel::from_shared(served.grpc.clone()).unwrap().connect().await.unwrap();
    let mut client = ServerReflectionClient::new(channel);
    let list = tonic_reflection::pb::v1::server_reflection_request::MessageRequest::ListServices(String::new());
    let ask = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let large = ServerReflectionRequest { host: "x".repeat(65 << 10), message_request: None };
    let (questions, asked) = tokio::sync::mpsc::channel(1);
    questions.send(ask).await.unwrap();
    let asked = tokio_stream::wrappers::ReceiverStream::new(asked);
    let mut answers = client.server_reflection_info(asked).await.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());
    questions.send(large).await.unwrap();
    let refused = answers.message().await;
    assert!(refused.is_err() || refused.unwrap().is_none(), "a question of more than 64 KiB ends the stream");
}

#[tokio::test]
async fn watchers_that_do_not_read_get_what_is_newest_once_they_do() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    let served = served(&gateway, PeerPatience::default());
    let mut watchers = Vec::new();
    for _ in 0..200 {
        let mut watcher = TcpStream::connect(served.http).await.unwrap();
        watcher.write_all(b"GET /v1/watch?serviceName=orders HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        watchers.push(watcher);
    }
    let open = || gateway.state.api_metrics().watchers(federation_ports::metrics::WatchFace::Sse).get();
    while open() < 200 {
        tokio::task::yield_now().await;
    }
    for revision in 8..=500 {
        gateway.put(orders(revision));
    }
    let newest = format!("id: {}", FIRST_VERSION + 500);
    for watcher in &mut watchers {
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains(&newest) {
            let length = watcher.read_buf(&mut read).await.unwrap();
            assert_ne!(length, 0, "the watch goes on");
        }
    }
}
