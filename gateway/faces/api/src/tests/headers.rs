//! What browsers are told with every answer, of every path, as it leaves the port.

use std::net::SocketAddr;

use bounded_listener::ListenerGate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::access::REQUESTS;
use super::*;
use crate::serve::{self, ApiListeners};

/// The head of the answer, in small letters.
async fn head(address: SocketAddr, method: &str, path: &str, more: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{more}\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "{method} {path}: no answer");
    }
    String::from_utf8_lossy(&answer).split("\r\n\r\n").next().unwrap().to_ascii_lowercase()
}

#[tokio::test]
async fn every_answer_is_framed_by_nobody_loads_nothing_and_is_for_no_other_origin() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    let any = "127.0.0.1:0".parse().unwrap();
    let listeners = ApiListeners::bind(&ListenerGate::default(), any, any).unwrap();
    let (address, stop, mut tasks) = (listeners.http_address(), CancellationToken::new(), JoinSet::new());
    tasks.spawn(serve::run(listeners, gateway.state.clone(), stop.clone()));
    let refused = [
        ("GET", "/v1/clusters", "origin: https://evil.example\r\n", ""),
        ("GET", "/docs/swagger-ui.css", "", ""),
        ("GET", "/docs/index.html", "", ""),
        ("OPTIONS", "/v1/drains", "", ""),
    ];
    let all = REQUESTS.iter().map(|(method, path, body)| (*method, *path, "", *body));
    for (method, path, more, body) in all.chain(refused) {
        let head = head(address, method, path, more, body).await;
        for wanted in [
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "frame-ancestors 'none'",
            "x-frame-options: deny",
        ] {
            assert!(head.contains(wanted), "{method} {path}: {wanted} is missing in {head}");
        }
        assert_eq!(head.matches("content-security-policy:").count(), 1, "{method} {path}: {head}");
        assert!(!head.contains("access-control-"), "{method} {path}: {head}");
    }
    stop.cancel();
    assert!(tasks.join_next().await.unwrap().unwrap().is_ok());
}
