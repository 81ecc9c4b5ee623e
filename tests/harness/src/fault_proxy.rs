//! A proxy before a Nacos that answers wrongly on demand: HTTP requests are looked at and may get a fault, gRPC is passed through.
//!
//! It listens on a pair of ports as a Nacos does (HTTP, and gRPC 1000 above), so a client is given its [`address`](FaultProxy::address) only.

mod frames;
mod padding;
mod tunnel;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::padding::{Padding, Page, padded};
pub use self::tunnel::Link;
use self::tunnel::{Back, Carried};
use crate::port::PortBlock;

/// The largest request body passed on: far over Nacos's own limits.
const BODY_LIMIT_BYTES: usize = 64 << 20;

/// What a matching request gets instead of, or with, its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Status 500, not asked upstream.
    Status500,
    /// Status 403, as to an account that lacks the right; not asked upstream.
    Status403,
    /// The true answer, this much later.
    Delay(Duration),
    /// The true answer with every list in its JSON emptied; counts stay as they are.
    EmptyPage,
    /// The first half of the true answer, with status 200.
    TruncatedJson,
    /// A page of HTML with status 200, as a captive portal or a gateway's error page.
    Html200,
}

#[derive(Debug)]
struct Rule {
    parts: Vec<String>,
    fault: Fault,
    remaining: usize,
}

#[derive(Debug)]
struct Upstream {
    /// The HTTP port of the server; changed by [`FaultProxy::redirect`].
    port: watch::Receiver<u16>,
    http: reqwest::Client,
    /// Critical section: finding a rule and counting it down.
    rules: Mutex<Vec<Rule>>,
    /// Critical section: finding one.
    paddings: Mutex<Vec<Padding>>,
}

/// A running proxy; it ends when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    ports: PortBlock,
    upstream: Arc<Upstream>,
    port: watch::Sender<u16>,
    link: watch::Sender<Link>,
    _tasks: JoinSet<()>,
}

impl FaultProxy {
    /// Starts a proxy before the Nacos whose HTTP API is on loopback at `port`.
    ///
    /// # Errors
    /// When no pair of ports can be had.
    pub async fn start(port: u16) -> Result<Self> {
        let ports = PortBlock::choose(&[1000])?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let (port, behind) = watch::channel(port);
        let upstream =
            Arc::new(Upstream { port: behind.clone(), http, rules: Mutex::default(), paddings: Mutex::default() });
        let (link, watched) = watch::channel(Link::Open);
        let mut tasks = JoinSet::new();

        let inner = TcpListener::bind("127.0.0.1:0").await?;
        let inner_port = inner.local_addr()?.port();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&upstream));
        tasks.spawn(async move {
            // Serving ends only when this task is aborted.
            let _ = axum::serve(inner, router).await;
        });
        let http_side = TcpListener::bind(("127.0.0.1", ports.main())).await?;
        tasks.spawn(tunnel::run(http_side, Back::Fixed(inner_port), Carried::Http, watched.clone()));
        let grpc_side = TcpListener::bind(("127.0.0.1", ports.main() + 1000)).await?;
        tasks.spawn(tunnel::run(grpc_side, Back::GrpcOf(behind), Carried::Grpc, watched));
        Ok(Self { ports, upstream, port, link, _tasks: tasks })
    }

    /// `host:port` of its HTTP side; gRPC is 1000 above.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.main())
    }

    /// Puts the Nacos whose HTTP API is on loopback at `port` behind the proxy, in place of the former one, and closes the
    /// connections of gRPC; the next request over HTTP goes to the new one.
    pub fn redirect(&self, port: u16) {
        self.port.send_replace(port);
    }

    /// Gives `fault` to the next `times` requests whose path and query contain every one of `parts`. Earlier rules go first.
    pub fn inject(&self, parts: &[&str], fault: Fault, times: usize) {
        let rule = Rule { parts: parts.iter().map(ToString::to_string).collect(), fault, remaining: times };
        self.upstream.rules.lock().expect("no holder panics").push(rule);
    }

    /// Makes every listing whose path and query contain all of `parts` `pages` pages long, with invented items after the true ones. Faults
    /// are applied to that.
    pub fn pad(&self, parts: &[&str], pages: usize) {
        let padding = Padding { parts: parts.iter().map(ToString::to_string).collect(), pages };
        self.upstream.paddings.lock().expect("no holder panics").push(padding);
    }

    /// How many injected faults no request has taken yet.
    pub fn pending(&self) -> usize {
        self.upstream.rules.lock().expect("no holder panics").iter().map(|rule| rule.remaining).sum()
    }

    /// How many faults injected with exactly these `parts` no request has taken yet.
    pub fn pending_for(&self, parts: &[&str]) -> usize {
        let rules = self.upstream.rules.lock().expect("no holder panics");
        rules.iter().filter(|rule| rule.parts == parts).map(|rule| rule.remaining).sum()
    }

    /// The injected faults that no request has taken yet, for people.
    pub fn left(&self) -> Vec<String> {
        let rules = self.upstream.rules.lock().expect("no holder panics");
        let left = rules.iter().filter(|rule| rule.remaining > 0);
        left.map(|rule| format!("{} times {:?} for {:?}", rule.remaining, rule.fault, rule.parts)).collect()
    }

    /// Forgets faults that no request has taken yet, and all padding.
    pub fn heal(&self) {
        self.upstream.rules.lock().expect("no holder panics").clear();
        self.upstream.paddings.lock().expect("no holder panics").clear();
    }

    /// Opens, cuts, silences or mutes all connections, HTTP and gRPC, those of now and those to come.
    pub fn set_link(&self, link: Link) {
        self.link.send_replace(link);
    }
}

impl Upstream {
    fn take_fault(&self, target: &str) -> Option<Fault> {
        let mut rules = self.rules.lock().expect("no holder panics");
        let matches = |rule: &&mut Rule| rule.remaining > 0 && rule.parts.iter().all(|part| target.contains(part));
        let rule = rules.iter_mut().find(matches)?;
        rule.remaining -= 1;
        Some(rule.fault)
    }

    fn padding(&self, target: &str) -> Option<usize> {
        let paddings = self.paddings.lock().expect("no holder panics");
        let matches = |padding: &&Padding| padding.parts.iter().all(|part| target.contains(part));
        paddings.iter().find(matches).map(|padding| padding.pages)
    }

    async fn forward_padded(&self, target: &str, request: Request) -> Result<(StatusCode, HeaderMap, Bytes)> {
        let (Some(pages), Some(page)) = (self.padding(target), Page::of(target)) else {
            return self.forward(target, request).await;
        };
        let (status, headers, body) = self.forward(&page.first(target), request).await?;
        let body = padded(&body, page, pages).unwrap_or(body);
        Ok((status, headers, body))
    }

    async fn forward(&self, target: &str, request: Request) -> Result<(StatusCode, HeaderMap, Bytes)> {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, BODY_LIMIT_BYTES).await?;
        let mut headers = head.headers;
        headers.remove(header::HOST);
        let url = format!("http://127.0.0.1:{}{target}", *self.port.borrow());
        let sent = self.http.request(head.method, url).headers(headers).body(body);
        let answer = sent.send().await.context("the server behind the proxy does not answer")?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        for hop in [header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::CONNECTION] {
            headers.remove(hop);
        }
        Ok((status, headers, answer.bytes().await?))
    }
}

async fn answer(State(upstream): State<Arc<Upstream>>, request: Request) -> Response {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let fault = upstream.take_fault(&target);
    match fault {
        Some(Fault::Status500) => return (StatusCode::INTERNAL_SERVER_ERROR, "injected").into_response(),
        Some(Fault::Status403) => return (StatusCode::FORBIDDEN, "injected").into_response(),
        Some(Fault::Html200) => return axum::response::Html("<html><body>please log in</body></html>").into_response(),
        Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::EmptyPage | Fault::TruncatedJson) | None => {}
    }
    match upstream.forward_padded(&target, request).await {
        Ok((status, headers, body)) => (status, headers, Body::from(spoilt(body, fault))).into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
    }
}

fn spoilt(body: Bytes, fault: Option<Fault>) -> Bytes {
    match fault {
        Some(Fault::TruncatedJson) => body.slice(..body.len() / 2),
        Some(Fault::EmptyPage) => emptied(&body).unwrap_or(body),
        _ => body,
    }
}

/// `None` when the body is no JSON.
fn emptied(body: &[u8]) -> Option<Bytes> {
    let mut document: Value = serde_json::from_slice(body).ok()?;
    empty_lists(&mut document);
    Some(document.to_string().into())
}

fn empty_lists(value: &mut Value) {
    match value {
        Value::Array(list) => list.clear(),
        Value::Object(fields) => fields.values_mut().for_each(empty_lists),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"{"count":2,"data":{"pageItems":["a","b"]}}"#;

    /// A server that answers every request with [`PAGE`], on a pair of ports; the second echoes.
    async fn server() -> (u16, JoinSet<()>) {
        let ports = PortBlock::choose(&[1000]).unwrap();
        let http = TcpListener::bind(("127.0.0.1", ports.main())).await.unwrap();
        let echo = TcpListener::bind(("127.0.0.1", ports.main() + 1000)).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(http, Router::new().fallback(async || PAGE)).await.unwrap() });
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = echo.accept().await {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            }
        });
        (ports.main(), tasks)
    }

    async fn get(proxy: &FaultProxy, target: &str) -> (u16, String) {
        let answer = reqwest::get(format!("http://{}{target}", proxy.address())).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    #[tokio::test]
    async fn a_fault_hits_the_next_matching_requests_and_no_other() {
        let (port, _server) = server().await;
        let proxy = FaultProxy::start(port).await.unwrap();
        for (fault, status, body) in [
            (Fault::Status500, 500, "injected"),
            (Fault::Status403, 403, "injected"),
            (Fault::Html200, 200, "<html><body>please log in</body></html>"),
            (Fault::TruncatedJson, 200, &PAGE[..PAGE.len() / 2]),
            (Fault::EmptyPage, 200, r#"{"count":2,"data":{"pageItems":[]}}"#),
            (Fault::Delay(Duration::from_millis(20)), 200, PAGE),
        ] {
            proxy.inject(&["/list", "pageNo=2"], fault, 1);
            assert_eq!(get(&proxy, "/list?pageNo=1").await, (200, PAGE.into()), "{fault:?}, other page");
            assert_eq!(proxy.pending(), 1);
            assert_eq!(get(&proxy, "/list?pageNo=2").await, (status, body.into()), "{fault:?}");
            assert_eq!(get(&proxy, "/list?pageNo=2").await, (200, PAGE.into()), "{fault:?}, once only");
        }
    }

    #[tokio::test]
    async fn another_server_behind_the_proxy_answers_the_next_request_and_ends_what_was_open() {
        use tokio::io::AsyncReadExt;
        let ((former, _former), (other, _other)) = (server().await, server().await);
        let proxy = FaultProxy::start(former).await.unwrap();
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", proxy.ports.main() + 1000)).await.unwrap();
        assert_eq!(get(&proxy, "/").await.0, 200);
        drop(_former);
        assert_eq!(get(&proxy, "/").await.0, 502);
        proxy.redirect(other);
        assert_eq!(get(&proxy, "/").await.0, 200);
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    }

    #[tokio::test]
    async fn a_cut_link_closes_both_ports_and_comes_back() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (port, _server) = server().await;
        let proxy = FaultProxy::start(port).await.unwrap();
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", proxy.ports.main() + 1000)).await.unwrap();
        let mut byte = [0];
        stream.write_all(b"x").await.unwrap();
        stream.read_exact(&mut byte).await.unwrap();

        proxy.set_link(Link::Cut);
        assert_eq!(stream.read(&mut byte).await.unwrap_or(0), 0);
        assert!(reqwest::get(format!("http://{}/", proxy.address())).await.is_err());

        proxy.set_link(Link::Open);
        assert_eq!(get(&proxy, "/").await.0, 200);
    }
}
