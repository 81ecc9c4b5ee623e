use std::net::SocketAddr;
use std::time::Duration;

use bounded_listener::ListenerGate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;
use axum::http::{HeaderMap, Response};
use bytes::Bytes;

use crate::serve::{self, ApiListeners, RoutesBeside};
use federation_ports::metrics::Route;

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let first = ApiListeners::bind(&ListenerGate::default(), any(), any()).unwrap();
    let error = ApiListeners::bind(&ListenerGate::default(), any(), first.http_address()).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {} for gRPC", first.http_address()));
}

#[tokio::test]
async fn both_ports_answer_and_a_stop_ends_idle_connections_and_watches_at_once() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    let listeners = ApiListeners::bind(&ListenerGate::default(), any(), any()).unwrap();
    let (address, stop, mut tasks) = (listeners.http_address(), CancellationToken::new(), JoinSet::new());
    tasks.spawn(serve::run(listeners, gateway.state.clone(), stop.clone()));

    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut idle, "ok\n").await;
    let mut watch = TcpStream::connect(address).await.unwrap();
    watch.write_all(b"GET /v1/watch?serviceName=orders HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut watch, "event: service").await;
    let mut signals = TcpStream::connect(address).await.unwrap();
    signals.write_all(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut signals, "event: hello").await;

    let began = std::time::Instant::now();
    stop.cancel();
    assert!(tasks.join_next().await.unwrap().unwrap().is_ok());
    assert!(began.elapsed() < serve::DRAIN, "nothing had to be forced");
    for stream in [&mut watch, &mut signals] {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(rest.ends_with(b"0\r\n\r\n"), "the stream ended in order: {:?}", String::from_utf8_lossy(&rest));
    }
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn routes_beside_are_served_and_counted_like_the_others() {
    let gateway = Gateway::new();
    let listeners = ApiListeners::bind(&ListenerGate::default(), any(), any()).unwrap();
    let (address, stop, mut tasks) = (listeners.http_address(), CancellationToken::new(), JoinSet::new());
    let beside =
        RoutesBeside { http: Router::new().route("/beside", axum::routing::get("hello")), ..RoutesBeside::default() };
    tasks.spawn(serve::run_beside(listeners, gateway.state.clone(), beside, stop.clone()));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /beside HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut client, "hello").await;
    assert_eq!(gateway.state.api_metrics().http_requests(Route::Other, 200).get(), 1);
    stop.cancel();
    assert!(tasks.join_next().await.unwrap().unwrap().is_ok());
}

#[tokio::test]
async fn pages_are_where_nothing_else_is_and_only_to_be_read() {
    fn page(path: &str, _headers: &HeaderMap) -> Option<Response<Bytes>> {
        matches!(path, "/" | "/livez").then(|| Response::new(Bytes::from_static(b"a page of people")))
    }
    let gateway = Gateway::new();
    let listeners = ApiListeners::bind(&ListenerGate::default(), any(), any()).unwrap();
    let (address, stop, mut tasks) = (listeners.http_address(), CancellationToken::new(), JoinSet::new());
    let beside = RoutesBeside { pages: page, ..RoutesBeside::default() };
    tasks.spawn(serve::run_beside(listeners, gateway.state.clone(), beside, stop.clone()));
    for (asked, answered) in [
        ("GET /", "a page of people"),
        ("GET /livez", "ok\n"),
        ("GET /nothing", "urn:federation:problem:no-such-path"),
        ("POST /", "urn:federation:problem:no-such-path"),
    ] {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(format!("{asked} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").as_bytes()).await.unwrap();
        read_until(&mut client, answered).await;
    }
    stop.cancel();
    assert!(tasks.join_next().await.unwrap().unwrap().is_ok());
}

#[tokio::test]
async fn an_order_is_recorded_with_the_address_that_it_came_from() {
    let gateway = Gateway::new();
    let listeners = ApiListeners::bind(&ListenerGate::default(), any(), any()).unwrap();
    let (address, stop, mut tasks) = (listeners.http_address(), CancellationToken::new(), JoinSet::new());
    tasks.spawn(serve::run(listeners, gateway.state.clone(), stop.clone()));
    let mut client = TcpStream::connect(address).await.unwrap();
    let own = client.local_addr().unwrap().to_string();
    client.write_all(b"POST /v1/guard HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
    read_until(&mut client, "415").await;
    let audit = gateway.get("/v1/audit").await.json();
    assert_eq!(
        (audit["records"][0]["from"].as_str(), audit["records"][0]["who"].as_str()),
        (Some(&*own), Some("local"))
    );
    stop.cancel();
    assert!(tasks.join_next().await.unwrap().unwrap().is_ok());
}

#[tokio::test]
async fn who_does_not_read_the_answer_holds_a_stop_up_for_the_drain_time_only() {
    let mut gateway = Gateway::new();
    let mut large = config("public", "large", 3, &["shanghai"]);
    // More than the socket's buffers hold.
    large.items[0].item = Arc::new(ConfigItem { content: "x".repeat(64 << 20).into(), ..ConfigItem::default() });
    gateway.put_config(large);
    let listeners = ApiListeners::bind(&ListenerGate::default(), any(), any()).unwrap();
    let (address, stop, mut tasks) = (listeners.http_address(), CancellationToken::new(), JoinSet::new());
    let drain = Duration::from_millis(100);
    tasks.spawn(serve::run_and_drain(listeners, gateway.state.clone(), RoutesBeside::default(), stop.clone(), drain));
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /v1/config?dataId=large&groupName=g HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut slow, "200 OK").await;
    let began = std::time::Instant::now();
    stop.cancel();
    assert!(tasks.join_next().await.unwrap().unwrap().is_ok());
    assert!(began.elapsed() >= drain, "it was waited for");
    let mut rest = Vec::new();
    assert!(slow.read_to_end(&mut rest).await.is_err() || rest.len() < 64 << 20, "the connection was closed early");
}

async fn read_until(stream: &mut TcpStream, text: &str) {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        let mut chunk = [0; 4096];
        let length = stream.read(&mut chunk).await.unwrap();
        assert_ne!(length, 0, "the connection ended before {text:?}");
        read.extend_from_slice(&chunk[..length]);
    }
}
