//! Requests over HTTP/1 that strangers send, and what an orderly server does with each.
//!
//! Used by the tests of the API and of the embedded registry: both have to answer in order or close, and to answer others afterwards.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Far longer than any of it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A name, and what is sent.
type Case = (&'static str, Vec<u8>);

fn request(line: &str, headers: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n").into_bytes()
}

fn get(target: &str) -> Vec<u8> {
    request(&format!("GET {target}"), "")
}

fn post(headers: &str, body: &str) -> Vec<u8> {
    let mut sent = request("POST /v1/drains", headers);
    sent.extend_from_slice(body.as_bytes());
    sent
}

/// Lines that are none.
fn lines() -> Vec<Case> {
    vec![
        ("no request", b"\0\x01\x02\x03\r\n\r\n".to_vec()),
        ("a greeting of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        ("no method", request(" /livez", "")),
        ("a method of letters and a bracket", request("GE(T /livez", "")),
        ("a method of 10,000 letters", request(&format!("{} /livez", "G".repeat(10_000)), "")),
        ("a method that nothing has", request("BREW /livez", "")),
        ("TRACE", request("TRACE /livez", "")),
        ("CONNECT", request("CONNECT 127.0.0.1:22", "")),
        ("CONNECT to a path", request("CONNECT /livez", "")),
        ("all of a server", request("OPTIONS *", "")),
        ("no target", b"GET HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("a blank in the target", get("/v1/serv ice")),
        ("a version of the future", b"GET /livez HTTP/9.9\r\nhost: x\r\n\r\n".to_vec()),
        ("a version of the past", b"GET /v1/nothing HTTP/0.9\r\n\r\n".to_vec()),
        ("no version", b"GET /v1/nothing\r\n\r\n".to_vec()),
        ("a tab for a blank", b"GET\t/livez\tHTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("a NUL in the target", get("/v1/service?serviceName=a\0b")),
        ("line feeds alone, and no such path", b"GET /v1/nothing HTTP/1.1\nhost: x\nconnection: close\n\n".to_vec()),
        ("carriage returns alone", b"GET /livez HTTP/1.1\rhost: x\r\r".repeat(2000)),
    ]
}

/// Headers that contradict each other or have no end.
fn headers() -> Vec<Case> {
    let many: String = (0..2000).map(|n| format!("x-{n}: y\r\n")).collect();
    vec![
        ("two lengths", post("content-type: application/json\r\ncontent-length: 2\r\ncontent-length: 3\r\n", "{}")),
        ("a list of lengths", post("content-type: application/json\r\ncontent-length: 2, 3\r\n", "{}")),
        ("a length and chunks", post("content-length: 2\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n")),
        ("chunks twice", post("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n")),
        ("chunks that are not last", post("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n")),
        ("an encoding that nothing has", post("transfer-encoding: cow\r\n", "x")),
        ("a negative length", post("content-length: -1\r\n", "")),
        ("a length with a sign", post("content-length: +2\r\n", "{}")),
        ("a length beyond numbers", post("content-length: 99999999999999999999999\r\n", "")),
        ("a length in words", post("content-length: two\r\n", "{}")),
        ("a chunk of no size", post("transfer-encoding: chunked\r\n", "\r\n\r\n")),
        ("a chunk of a negative size", post("transfer-encoding: chunked\r\n", "-1\r\n\r\n")),
        ("a chunk beyond numbers", post("transfer-encoding: chunked\r\n", "fffffffffffffffff\r\nx\r\n")),
        (
            "a chunk with 100 KB of extension",
            post("transfer-encoding: chunked\r\n", &format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(100_000))),
        ),
        (
            "trailers without an end",
            post("transfer-encoding: chunked\r\n", &format!("0\r\n{}", "t: u\r\n".repeat(50_000))),
        ),
        ("2,000 headers", request("GET /livez", &many)),
        ("a header of 200 KB", request("GET /livez", &format!("x: {}\r\n", "y".repeat(200_000)))),
        ("a name of 100 KB", request("GET /livez", &format!("{}: y\r\n", "x".repeat(100_000)))),
        ("a header without a colon", request("GET /livez", "nothing\r\n")),
        ("a header without a name", request("GET /livez", ": nothing\r\n")),
        ("a blank before the colon", request("GET /livez", "x : y\r\n")),
        ("a NUL in a header", request("GET /livez", "x: a\0b\r\n")),
        ("a folded header", request("GET /livez", "x: a\r\n b\r\n")),
        ("a line feed in a header", request("GET /v1/nothing", "x: a\nb\r\n")),
        (
            "another expectation",
            post("expect: the-unexpected\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n", "{}"),
        ),
        ("an upgrade to HTTP/2", request("GET /v1/nothing", "upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n")),
        ("an upgrade to anything", request("GET /v1/nothing", "upgrade: websocket\r\nsec-websocket-key: x\r\n")),
    ]
}

/// Targets that lead elsewhere, or nowhere.
fn targets() -> Vec<Case> {
    let mut cases = vec![
        ("a target of 100 KB", get(&format!("/{}", "a".repeat(100_000)))),
        ("a query of 60 KB", get(&format!("/v1/service?serviceName={}", "a".repeat(60_000)))),
        ("a thousand parameters", get(&format!("/v1/service?{}", "a=b&".repeat(1000)))),
        ("a thousand of one parameter", get(&format!("/v1/service?{}", "serviceName=b&".repeat(1000)))),
        ("parameters without names", get("/v1/service?=&=&&=x&")),
        ("bytes that are no UTF-8", get("/v1/service?serviceName=%ff%fe")),
        ("half an escape", get("/v1/service?serviceName=%&groupName=%2")),
        ("an escape of nothing", get("/v1/service?serviceName=%00")),
        ("an escape of line ends", get("/v1/service?serviceName=a%0d%0ax:y")),
        ("a surrogate", get("/v1/service?serviceName=%ed%a0%80")),
        ("an escaped path", get("/v1%2fservice")),
        ("an escape in the path", get("/v1/nothing%")),
        ("a fragment", get("/v1/nothing#livez")),
        ("another scheme", get("file:///etc/passwd")),
        ("another host", get("http://169.254.169.254/latest/meta-data")),
        ("a host that is none", get("http://[::1/")),
        ("a page of another size", get("/v1/services?pageNo=-1&pageSize=99999999999999999999")),
    ];
    for (name, path) in [
        ("up from the pages", "/docs/../../../../etc/passwd"),
        ("up, escaped", "/docs/%2e%2e/%2e%2e/%2e%2e/etc/passwd"),
        ("up, escaped twice", "/docs/%252e%252e/%252e%252e/etc/passwd"),
        ("up, with the slash escaped", "/docs/..%2f..%2f..%2fetc%2fpasswd"),
        ("up, by backslashes", "/docs/..\\..\\..\\etc\\passwd"),
        ("up, overlong", "/docs/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd"),
        ("from the root", "//etc/passwd"),
        ("from the pages' root", "/docs//etc/passwd"),
        ("with a NUL", "/docs/index.html%00.png"),
        ("up from the registry", "/nacos/../../../etc/passwd"),
        ("up from a config", "/nacos/v1/cs/configs/../../../../../etc/passwd"),
    ] {
        cases.push((name, get(path)));
    }
    cases
}

/// What came until the connection ended, at most its first 100 KB.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let (mut reading, mut writing) = stream.split();
    let mut read = Vec::new();
    let read_all = async {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = reading.read(&mut chunk).await {
            if read.len() < 100_000 {
                read.extend_from_slice(&chunk[..length]);
            }
        }
    };
    let write_all = async {
        let _ = writing.write_all(bytes).await; // It may be closed before.
        let _ = writing.shutdown().await;
    };
    tokio::time::timeout(PATIENCE, async { tokio::join!(read_all, write_all) }).await.expect("the connection ends");
    read
}

/// Sends all of it to `address`, and asks for `healthy` in between, which has to be answered with 200.
pub async fn try_all(address: SocketAddr, healthy: &str) {
    let cases: Vec<Case> = [lines(), headers(), targets()].concat();
    assert!(cases.len() >= 57, "{} cases", cases.len());
    for (name, bytes) in cases {
        let answer = exchange(address, &bytes).await;
        let text = String::from_utf8_lossy(&answer);
        let head = text.lines().next().unwrap_or_default();
        let is_orderly = head.starts_with("HTTP/1.1 4") || head.starts_with("HTTP/1.0 4");
        // A redirection to the pages' own directory is in order, too; a closed connection always.
        let is_allowed = is_orderly || head.starts_with("HTTP/1.1 3") || answer.is_empty();
        assert!(is_allowed, "{name}: {head}");
        assert!(!text.contains("root:"), "{name}: a file of the system came");
        let alive = exchange(address, &get(healthy)).await;
        assert!(alive.starts_with(b"HTTP/1.1 200"), "after {name}: {:?}", String::from_utf8_lossy(&alive));
    }
}
