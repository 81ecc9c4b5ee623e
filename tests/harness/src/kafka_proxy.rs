//! A proxy before one or several Kafka brokers that spoils answers on demand: swallows, delays or empties them, by kind of answer and by
//! client. It reads frames and request headers only, and of metadata answers as much as it takes to empty them; so listeners without TLS.
//!
//! Brokers name their addresses themselves, so a broker behind this proxy is started with `advertised` = [`KafkaProxy::port`], and told to
//! the proxy afterwards ([`KafkaProxy::connect`]).

mod metadata;

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use self::metadata::Emptiness;
use crate::fault_proxy::Link;
use crate::port::PortBlock;

/// The largest frame passed on: more than any broker here takes.
const FRAME_LIMIT_BYTES: usize = 64 << 20;

/// A kind of answer, by what it answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To records.
    Produce = 0,
    /// Records.
    Fetch = 1,
    /// Where partitions begin and end.
    ListOffsets = 2,
    /// Brokers, topics, leaders.
    Metadata = 3,
}

/// What happens to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoil {
    /// It does not arrive. The connection stays.
    Swallow,
    /// It arrives this much later, and what follows on its connection after it.
    Delay(Duration),
    /// A metadata answer arrives without this.
    Empty(Emptiness),
}

/// Which connections are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those that are open at that moment, and none that is opened later.
    OpenNow,
}

#[derive(Debug)]
struct Rule {
    client: String,
    answer: Answer,
    spoil: Spoil,
    /// Number of the last connection concerned.
    last: u64,
}

/// What all connections share.
#[derive(Debug, Default)]
struct Shared {
    /// Critical section: finding, adding or clearing.
    rules: Mutex<Vec<Rule>>,
    connections: AtomicU64,
    spoilt: AtomicUsize,
}

/// A running proxy; it ends when dropped.
#[derive(Debug)]
pub struct KafkaProxy {
    ports: Vec<PortBlock>,
    brokers: Vec<watch::Sender<Option<u16>>>,
    shared: Arc<Shared>,
    link: watch::Sender<Link>,
    _tasks: JoinSet<()>,
}

impl KafkaProxy {
    /// Opens ports for this many brokers.
    ///
    /// # Errors
    /// When no ports can be had.
    pub async fn start(brokers: usize) -> Result<Self> {
        let (link, watched) = watch::channel(Link::Open);
        let shared = Arc::new(Shared::default());
        let mut proxy = Self { ports: Vec::new(), brokers: Vec::new(), shared, link, _tasks: JoinSet::new() };
        for _ in 0..brokers {
            let port = PortBlock::choose(&[])?;
            let listener = TcpListener::bind(("127.0.0.1", port.main())).await?;
            let (broker, back) = watch::channel(None);
            proxy._tasks.spawn(run(listener, back, Arc::clone(&proxy.shared), watched.clone()));
            proxy.ports.push(port);
            proxy.brokers.push(broker);
        }
        Ok(proxy)
    }

    /// The port that broker number `index`, from 0, is to advertise.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn port(&self, index: usize) -> u16 {
        self.ports[index].main()
    }

    /// Where broker number `index` really listens on loopback.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn connect(&self, index: usize, port: u16) {
        self.brokers[index].send_replace(Some(port));
    }

    /// `host:port` of all, with commas between.
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{}", port.main())).collect();
        addresses.join(",")
    }

    /// Spoils answers of this kind to clients whose id contains `client`, until [`KafkaProxy::heal`]. Earlier rules go first.
    pub fn spoil(&self, client: &str, answer: Answer, spoil: Spoil, which: Which) {
        let last = match which {
            Which::All => u64::MAX,
            Which::OpenNow => self.shared.connections.load(Ordering::Acquire),
        };
        let rule = Rule { client: client.to_owned(), answer, spoil, last };
        self.shared.rules.lock().expect("no holder panics").push(rule);
    }

    /// Answers that were spoilt so far.
    pub fn spoilt(&self) -> usize {
        self.shared.spoilt.load(Ordering::Acquire)
    }

    /// Spoils nothing any more.
    pub fn heal(&self) {
        self.shared.rules.lock().expect("no holder panics").clear();
    }

    /// Opens, cuts or silences all connections, those of now and those to come.
    pub fn set_link(&self, link: Link) {
        self.link.send_replace(link);
    }
}

impl Shared {
    fn find(&self, connection: u64, request: &Request) -> Option<Spoil> {
        let rules = self.rules.lock().expect("no holder panics");
        let concerns = |rule: &&Rule| {
            rule.answer as i16 == request.api && connection <= rule.last && request.client.contains(&rule.client)
        };
        rules.iter().find(concerns).map(|rule| rule.spoil)
    }
}

/// A request that is not answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Request {
    api: i16,
    version: i16,
    correlation: i32,
    client: String,
}

impl Request {
    /// Of a frame without its length.
    fn read(frame: &[u8]) -> Option<Self> {
        let (api, rest) = frame.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (correlation, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(i16::from_be_bytes(*length)).unwrap_or(0);
        Some(Self {
            api: i16::from_be_bytes(*api),
            version: i16::from_be_bytes(*version),
            correlation: i32::from_be_bytes(*correlation),
            client: String::from_utf8_lossy(rest.get(..length)?).into_owned(),
        })
    }
}

/// Requests of one connection that are not answered yet, by correlation id; as many as a client has in flight.
type Pending = Mutex<HashMap<i32, Request>>;

async fn run(
    listener: TcpListener,
    back: watch::Receiver<Option<u16>>,
    shared: Arc<Shared>,
    link: watch::Receiver<Link>,
) {
    let mut connections = JoinSet::new();
    loop {
        // Both arms are cancel-safe.
        tokio::select! {
            accepted = listener.accept() => {
                let (Ok((front, _)), Some(port)) = (accepted, *back.borrow()) else { continue };
                let number = shared.connections.fetch_add(1, Ordering::AcqRel) + 1;
                connections.spawn(carry(front, port, number, Arc::clone(&shared), link.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(mut front: TcpStream, port: u16, number: u64, shared: Arc<Shared>, link: watch::Receiver<Link>) {
    let (mut cut, pending) = (link.clone(), Pending::default());
    let both_ways = async {
        let mut back = TcpStream::connect(("127.0.0.1", port)).await?;
        front.set_nodelay(true)?;
        back.set_nodelay(true)?;
        let (front_read, front_write) = front.split();
        let (back_read, back_write) = back.split();
        let requests = pass_requests(front_read, back_write, &pending, link.clone());
        let answers = pass_answers(back_read, front_write, &pending, number, &shared, link.clone());
        // Whichever ends first ends the connection.
        tokio::select! {
            ended = requests => ended,
            ended = answers => ended,
        }
    };
    // Cancelling closes both sockets, which is the point.
    tokio::select! {
        _ = both_ways => {}
        _ = cut.wait_for(|link| *link == Link::Cut) => {}
    }
}

async fn pass_requests(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    pending: &Pending,
    mut link: watch::Receiver<Link>,
) -> io::Result<()> {
    loop {
        let frame = read_frame(&mut from).await?;
        if let Some(request) = Request::read(&frame) {
            pending.lock().expect("no holder panics").insert(request.correlation, request);
        }
        until_open(&mut link).await?;
        write_frame(&mut to, &frame).await?;
    }
}

async fn pass_answers(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    pending: &Pending,
    connection: u64,
    shared: &Shared,
    mut link: watch::Receiver<Link>,
) -> io::Result<()> {
    loop {
        let mut frame = read_frame(&mut from).await?;
        let correlation = frame.first_chunk().map(|bytes| i32::from_be_bytes(*bytes));
        let request = correlation.and_then(|id| pending.lock().expect("no holder panics").remove(&id));
        let spoil = request.as_ref().and_then(|request| shared.find(connection, request));
        if spoil.is_some() {
            shared.spoilt.fetch_add(1, Ordering::AcqRel);
        }
        match (spoil, request) {
            (Some(Spoil::Swallow), _) => continue,
            (Some(Spoil::Delay(length)), _) => tokio::time::sleep(length).await,
            (Some(Spoil::Empty(what)), Some(request)) => {
                if let Some(emptied) = metadata::emptied(&frame, request.version, what) {
                    frame = emptied;
                }
            }
            _ => {}
        }
        until_open(&mut link).await?;
        write_frame(&mut to, &frame).await?;
    }
}

async fn until_open(link: &mut watch::Receiver<Link>) -> io::Result<()> {
    let open = link.wait_for(|link| *link == Link::Open).await;
    open.map(|_| ()).map_err(|_| io::Error::from(io::ErrorKind::ConnectionAborted))
}

async fn read_frame(from: &mut ReadHalf<'_>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(from.read_i32().await?).unwrap_or(usize::MAX);
    if length > FRAME_LIMIT_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; length];
    from.read_exact(&mut frame).await?;
    Ok(frame)
}

async fn write_frame(to: &mut WriteHalf<'_>, frame: &[u8]) -> io::Result<()> {
    let length = i32::try_from(frame.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    to.write_i32(length).await?;
    to.write_all(frame).await?;
    to.flush().await
}

/// The number in an address such as `127.0.0.1:9092`.
///
/// # Errors
/// When there is none.
pub fn port_of(address: &str) -> Result<u16> {
    let (_, port) = address.rsplit_once(':').context("an address has a port")?;
    port.parse().context("a port is a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(api: i16, client: &str) -> Vec<u8> {
        let mut frame = api.to_be_bytes().to_vec();
        frame.extend(12_i16.to_be_bytes());
        frame.extend(7_i32.to_be_bytes());
        frame.extend(i16::try_from(client.len()).unwrap().to_be_bytes());
        frame.extend(client.as_bytes());
        frame
    }

    #[test]
    fn a_request_is_read_as_far_as_its_client() {
        let read = Request::read(&request(3, "nacos-fed-a")).unwrap();
        assert_eq!(read, Request { api: 3, version: 12, correlation: 7, client: "nacos-fed-a".into() });
        assert_eq!(Request::read(&request(3, "nacos-fed-a")[..9]), None);
    }

    #[test]
    fn a_rule_hits_its_client_and_kind_of_answer_and_the_connections_that_were_open() {
        let shared = Shared::default();
        let rule = Rule { client: "-a-reader".into(), answer: Answer::Fetch, spoil: Spoil::Swallow, last: 3 };
        shared.rules.lock().unwrap().push(rule);
        let find =
            |connection, api, client: &str| shared.find(connection, &Request::read(&request(api, client)).unwrap());
        assert_eq!(find(3, 1, "nacos-fed-a-reader"), Some(Spoil::Swallow));
        assert_eq!(find(4, 1, "nacos-fed-a-reader"), None);
        assert_eq!(find(3, 3, "nacos-fed-a-reader"), None);
        assert_eq!(find(3, 1, "nacos-fed-b-reader"), None);
    }
}
