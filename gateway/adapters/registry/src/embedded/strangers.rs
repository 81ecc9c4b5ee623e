//! What peers without manners get of the registry: an answer in order, or the end of their connection.

use std::net::SocketAddr;

use bounded_listener::{ListenerCapacity, PeerPatience};
use nacos_protocol::payload::{Payload, RequestClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::transport::Channel;

use super::*;

struct Running {
    http: SocketAddr,
    grpc: SocketAddr,
    gate: ListenerGate,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), EmbeddedError>>,
}

/// Nobody in particular.
struct Nobody;

impl bounded_listener::ListenerObserver for Nobody {
    fn open(&self, _: &'static str, _: usize) {}
    fn turned_away(&self, _: &'static str, _: bounded_listener::TurnedAway) {}
    fn trouble(&self, _: &'static str, _: Option<String>) {}
}

async fn start(patience: PeerPatience) -> Running {
    let gate = ListenerGate::new(ListenerCapacity::claim(), patience, bounded_listener::ServedHosts::default(), Nobody);
    let registry = loop {
        let any = "127.0.0.1:0".parse().unwrap();
        let options = EmbeddedOptions { gate: gate.clone(), ..EmbeddedOptions::at(any) };
        match EmbeddedRegistry::start(options).await {
            Ok(registry) => break registry,
            Err(EmbeddedError::Bind { .. } | EmbeddedError::NoGrpcPort(_)) => {} // The port 1000 above is another's.
            Err(error) => panic!("{error}"),
        }
    };
    let (http, grpc, stop, mut tasks) =
        (registry.http_addr(), registry.grpc_addr(), CancellationToken::new(), JoinSet::new());
    tasks.spawn(registry.run(stop.clone()));
    Running { http, grpc, gate, stop, tasks }
}

impl Running {
    async fn end(mut self) {
        self.stop.cancel();
        self.tasks.join_next().await.expect("it ran").expect("no panic").expect("no failure");
    }

    async fn post(&self, path: &str, length: usize, body: &[u8]) -> String {
        let mut client = TcpStream::connect(self.http).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\
             content-type: application/x-www-form-urlencoded\r\n\r\n"
        );
        client.write_all(head.as_bytes()).await.unwrap();
        let _ = client.write_all(body).await; // It may be refused before.
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

#[tokio::test]
async fn hostile_requests_are_answered_in_order_or_closed_and_others_are_answered_after_each() {
    let running = start(PeerPatience::default()).await;
    federation_hostile::try_all(running.http, "/nacos/v1/console/health/liveness").await;
    running.end().await;
}

#[tokio::test]
async fn a_config_item_of_ten_mebibytes_is_taken_and_other_requests_end_at_64_kib() {
    let running = start(PeerPatience::default()).await;
    let content = "%41".repeat(10 << 20); // As long as it can become.
    let form = format!("dataId=large&group=g&content={content}");
    let published = running.post("/nacos/v1/cs/configs", form.len(), form.as_bytes()).await;
    assert!(published.starts_with("HTTP/1.1 200"), "{published}");
    let refused = running.post("/nacos/v1/ns/instance", (64 << 10) + 1, b"").await;
    assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
    let refused = running.post("/nacos/v1/cs/configs", (30 << 20) + (64 << 10) + 1, b"").await;
    assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
    running.end().await;
}

#[tokio::test]
async fn a_long_poll_for_three_thousand_items_is_taken_and_one_beyond_two_mebibytes_is_not() {
    let running = start(PeerPatience::default()).await;
    let item = |number: usize| format!("{number}{}%02{}%02{}%01", "d".repeat(200), "g".repeat(64), "0".repeat(32));
    let form = format!("Listening-Configs={}", (0..3000).map(item).collect::<String>());
    assert!(form.len() > 900_000, "{} bytes", form.len());
    let polled = running.post("/nacos/v1/cs/configs/listener", form.len(), form.as_bytes()).await;
    assert!(polled.starts_with("HTTP/1.1 200") && polled.contains("2999dd"), "{polled:.200}");
    let refused = running.post("/nacos/v1/cs/configs/listener", (2 << 20) + 1, b"").await;
    assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
    running.end().await;
}

#[tokio::test]
async fn a_body_that_never_comes_is_refused() {
    let moment = Duration::from_millis(100);
    let running = start(PeerPatience { body_part: moment, look_every: moment, ..PeerPatience::default() }).await;
    for path in ["/nacos/v1/ns/instance", "/nacos/v1/cs/configs"] {
        let refused = running.post(path, 1000, b"dataId=").await;
        assert!(refused.starts_with("HTTP/1.1 408"), "{refused}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hundred_calls_of_four_mebibytes_without_a_login_hold_nothing() {
    let running = start(PeerPatience::default()).await;
    let channel = Channel::from_shared(format!("http://{}", running.grpc)).unwrap().connect().await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..400 {
        let mut client = RequestClient::new(channel.clone());
        let payload = Payload::of_json("ServerCheckRequest", vec![b' '; 4 << 20].into());
        calls.spawn(async move { client.request(payload).await.map(drop).unwrap_err().code() });
    }
    let codes = calls.join_all().await;
    let refused = codes.iter().filter(|code| **code == Code::ResourceExhausted).count();
    assert!(refused >= 200, "{codes:?}");
    assert!(running.gate.request_bytes() <= 1 << 20, "{}", running.gate.request_bytes());
    let mut client = RequestClient::new(channel);
    assert!(client.request(Payload::of_json("ServerCheckRequest", "{}".into())).await.is_ok());
    running.end().await;
}
