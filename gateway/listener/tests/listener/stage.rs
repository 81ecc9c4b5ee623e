//! A listener with a face that does as it is asked, and raw connections to it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bounded_listener::{
    ExchangeRule, Listener, ListenerCapacity, ListenerFace, ListenerGate, ListenerLimits, ListenerObserver,
    ListenerRefusal, ListenerTls, PeerConnection, PeerPatience, RequestBody, ServedHosts, Service, TurnedAway,
    WantedBody,
};
use bytes::Bytes;
use futures::StreamExt;
use http::request::Parts;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Far longer than anything here takes on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The largest body of `/large`.
pub(crate) const LARGE: usize = 10 << 20;

/// Answers by the path: `/echo` and `/large` with the length of what came, `/answer/N` with N bytes, `/watch` with what is newest,
/// `/messages` with the number of bytes of a stream, `/who` with whose certificate was shown.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) newest: Arc<watch::Sender<Bytes>>,
    peer: Option<Arc<PeerConnection>>,
}

impl ListenerFace for Stage {
    type Service = Self;
    fn connected(&self, peer: &Arc<PeerConnection>) -> Self {
        Self { peer: Some(Arc::clone(peer)), ..self.clone() }
    }
}

impl Stage {
    fn who(&self) -> String {
        let certificate = self.peer.as_ref().and_then(|peer| peer.certificate());
        certificate.map_or("nobody".to_owned(), |it| format!("{} {}", it.subject(), it.uris().join(" ")))
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

fn full(bytes: impl Into<Bytes>) -> Response<Body> {
    Response::new(Full::new(bytes.into()).boxed_unsync())
}

impl Service for Stage {
    type Body = Body;

    fn rule(&self, head: &Parts) -> ExchangeRule {
        match head.uri.path() {
            "/large" => ExchangeRule::call(LARGE),
            "/watch" => ExchangeRule::watch(0),
            "/messages" => {
                ExchangeRule { request: WantedBody::Messages { largest: 1 << 10, idle: None }, ..ExchangeRule::call(0) }
            }
            _ => ExchangeRule::call(64 << 10),
        }
    }

    async fn answer(&self, request: Request<RequestBody>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        if path == "/watch" {
            let told = tokio_stream_of(self.newest.subscribe());
            return Response::new(StreamBody::new(told).boxed_unsync());
        }
        if let Some(length) = path.strip_prefix("/answer/") {
            return full(vec![b'x'; length.parse().unwrap()]);
        }
        if path == "/who" {
            return full(self.who());
        }
        if path == "/state" {
            return full(crate::footprint::state());
        }
        match request.into_body().collect().await {
            Ok(body) => full(body.to_bytes().len().to_string()),
            Err(refusal) => self.refuse(refusal),
        }
    }

    fn refuse(&self, refusal: ListenerRefusal) -> Response<Body> {
        let mut response = full(refusal.to_string());
        *response.status_mut() = refusal.status();
        response
    }
}

fn tokio_stream_of(
    newest: watch::Receiver<Bytes>,
) -> Pin<Box<dyn futures::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>> {
    let next = |(mut newest, first): (watch::Receiver<Bytes>, bool)| async move {
        if !first {
            newest.changed().await.ok()?;
        }
        let bytes = newest.borrow_and_update().clone();
        Some((Ok(Frame::data(bytes)), (newest, false)))
    };
    futures::stream::unfold((newest, true), next).boxed()
}

/// What the listener said.
#[derive(Clone, Default)]
pub(crate) struct Heard(pub(crate) Arc<Mutex<Said>>);

#[derive(Default)]
pub(crate) struct Said {
    pub(crate) open: usize,
    pub(crate) turned_away: Vec<TurnedAway>,
    pub(crate) troubles: Vec<Option<String>>,
}

impl ListenerObserver for Heard {
    fn open(&self, _: &'static str, connections: usize) {
        self.0.lock().unwrap().open = connections;
    }
    fn turned_away(&self, _: &'static str, reason: TurnedAway) {
        self.0.lock().unwrap().turned_away.push(reason);
    }
    fn trouble(&self, _: &'static str, trouble: Option<String>) {
        self.0.lock().unwrap().troubles.push(trouble);
    }
}

impl Heard {
    pub(crate) fn count(&self, reason: TurnedAway) -> usize {
        self.0.lock().unwrap().turned_away.iter().filter(|it| **it == reason).count()
    }

    /// The newest word about trouble.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.0.lock().unwrap().troubles.last().cloned().flatten()
    }

    /// The first word about trouble; it may be over.
    pub(crate) fn first_trouble(&self) -> Option<String> {
        self.0.lock().unwrap().troubles.iter().flatten().next().cloned()
    }
}

/// A running listener.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) gate: ListenerGate,
    pub(crate) heard: Heard,
    pub(crate) newest: Arc<watch::Sender<Bytes>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// A time that is over soon, and long enough for a loaded machine to do something in it.
pub(crate) const SOON: Duration = Duration::from_millis(300);

/// Long enough for nothing to happen by itself in a test.
pub(crate) fn calm() -> PeerPatience {
    PeerPatience { look_every: Duration::from_millis(20), calm: SOON, ..PeerPatience::default() }
}

pub(crate) fn capacity(connections: usize) -> ListenerCapacity {
    ListenerCapacity { connections, ..ListenerCapacity::claim() }
}

impl Running {
    pub(crate) async fn start(patience: PeerPatience) -> Self {
        Self::with(capacity(1000), ListenerLimits::with_large(LARGE), patience).await
    }

    pub(crate) async fn with(capacity: ListenerCapacity, limits: ListenerLimits, patience: PeerPatience) -> Self {
        Self::with_heard(capacity, limits, patience, Heard::default()).await
    }

    pub(crate) async fn with_heard(
        capacity: ListenerCapacity,
        limits: ListenerLimits,
        patience: PeerPatience,
        heard: Heard,
    ) -> Self {
        let gate = ListenerGate::new(capacity, patience, ServedHosts::default(), heard.clone());
        Self::at(gate, heard, limits).await
    }

    /// Another listener at the same gate.
    pub(crate) async fn at(gate: ListenerGate, heard: Heard, limits: ListenerLimits) -> Self {
        Self::secured(gate, heard, limits, None).await
    }

    /// One that speaks TLS, or plain text.
    pub(crate) async fn secured(
        gate: ListenerGate,
        heard: Heard,
        limits: ListenerLimits,
        tls: Option<ListenerTls>,
    ) -> Self {
        let listener = Listener::bind(&gate, "test", limits, "127.0.0.1:0".parse().unwrap()).unwrap().secured(tls);
        let (address, stop, mut tasks) = (listener.address(), CancellationToken::new(), JoinSet::new());
        let newest = Arc::new(watch::Sender::new(Bytes::from_static(b"first")));
        let stage = Stage { newest: Arc::clone(&newest), peer: None };
        tasks.spawn(listener.run(stage, stop.clone(), SOON));
        Self { address, gate, heard, newest, stop, tasks }
    }

    pub(crate) async fn connect(&self) -> Raw {
        Raw(TcpStream::connect(self.address).await.unwrap())
    }

    /// A request over HTTP/1 on a connection of its own is answered with this.
    pub(crate) async fn ask(&self, path: &str) -> String {
        let mut raw = self.connect().await;
        raw.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
        String::from_utf8(raw.rest().await).unwrap()
    }

    /// It serves still.
    pub(crate) async fn answers(&self) {
        let answer = tokio::time::timeout(PATIENCE, self.ask("/answer/3")).await.expect("an answer in time");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("xxx"), "{answer}");
    }

    pub(crate) async fn http2(&self) -> h2::client::SendRequest<Bytes> {
        self.http2_with(&mut h2::client::Builder::new()).await
    }

    pub(crate) async fn http2_with(&self, builder: &mut h2::client::Builder) -> h2::client::SendRequest<Bytes> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (client, connection) = builder.handshake(stream).await.unwrap();
        in_background(async move { drop(connection.await) });
        client.ready().await.unwrap()
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.tasks.join_next()).await.expect("it stops").unwrap().unwrap();
    }
}

/// Ends with the test's runtime.
#[allow(clippy::disallowed_methods, reason = "the test's runtime owns it")]
pub(crate) fn in_background(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// A connection without manners.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// All that comes until the other side ends it; a reset is an end.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let reading = async {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = self.0.read(&mut chunk).await {
                rest.extend_from_slice(&chunk[..length]);
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("the connection ends");
        rest
    }

    /// Sends this again and again until the connection ends or takes no more; whether it has ended.
    pub(crate) async fn flood(&mut self, bytes: &[u8], times: usize) -> io::Result<()> {
        for _ in 0..times {
            match tokio::time::timeout(SOON, self.0.write_all(bytes)).await {
                Ok(sent) => sent?,
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Waits for it.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}
