//! A server in a process of its own: what many connections cost it, and what it does without descriptors.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bounded_listener::{ListenerCapacity, ListenerLimits, TurnedAway};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncReadExt;

use crate::stage::*;

/// Tells the child's test that it is the child: how many descriptors it may have.
const DESCRIPTORS: &str = "LISTENER_TEST_DESCRIPTORS";

static HEARD: OnceLock<Heard> = OnceLock::new();

/// Of this process: refusals by the system, CPU time in ticks of 10 ms, resident KiB.
pub(crate) fn state() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default(); // Without a descriptor it cannot be read.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    let (ticks, pages) = (number(11) + number(12), number(21));
    let refused = HEARD.get().map_or(0, |heard| heard.count(TurnedAway::System));
    format!("{refused} {ticks} {}", pages * 4)
}

#[derive(Debug)]
struct State {
    refused: usize,
    cpu: Duration,
    resident_kib: u64,
}

struct Server {
    process: Child,
    address: std::net::SocketAddr,
}

impl Server {
    fn start(descriptors: u64) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "footprint::serves_in_a_process_of_its_own_when_it_is_told_to", "--nocapture"])
            .env(DESCRIPTORS, descriptors.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut addresses = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("at ")?.parse().ok());
        let address = addresses.next().expect("the server says where it listens");
        Self { process, address }
    }

    async fn connect(&self) -> Raw {
        Raw(tokio::net::TcpStream::connect(self.address).await.unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

async fn ask(raw: &mut Raw, path: &str) -> String {
    raw.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("\r\n\r\n") {
        let mut chunk = [0; 4096];
        let length = raw.0.read(&mut chunk).await.unwrap();
        assert_ne!(length, 0, "the connection lives");
        answer.extend_from_slice(&chunk[..length]);
    }
    let text = String::from_utf8(answer).unwrap();
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}

async fn state_of(raw: &mut Raw) -> State {
    let text = ask(raw, "/state").await;
    let numbers: Vec<u64> = text.split(' ').map(|number| number.parse().unwrap()).collect();
    let [refused, ticks, resident_kib] = numbers[..] else { panic!("{text}") };
    State { refused: usize::try_from(refused).unwrap(), cpu: Duration::from_millis(ticks * 10), resident_kib }
}

/// The child's part; nothing without the variable.
#[tokio::test]
async fn serves_in_a_process_of_its_own_when_it_is_told_to() {
    let Ok(descriptors) = std::env::var(DESCRIPTORS) else { return };
    let heard = HEARD.get_or_init(Heard::default).clone();
    let capacity = ListenerCapacity { connections: 20_000, ..ListenerCapacity::claim() };
    let running = Running::with_heard(capacity, ListenerLimits::small(), calm(), heard).await;
    // Only now: a gate takes no more than there is.
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(descriptors.parse().unwrap()), maximum }).unwrap();
    println!("\nat {}", running.address);
    let mut turn = 0;
    loop {
        tokio::time::sleep(SOON).await; // News for those who watch.
        turn += 1;
        running.newest.send_replace(format!("{turn:08}{}", "x".repeat(4 << 10)).into());
    }
}

#[tokio::test]
async fn without_descriptors_the_accepting_pauses_instead_of_spinning_and_goes_on_when_there_are_some() {
    let server = Server::start(64);
    let mut first = server.connect().await;
    let before = state_of(&mut first).await;
    let began = Instant::now();
    let mut others = Vec::new();
    for _ in 0..200 {
        others.push(server.connect().await); // By the system, into the queue of the socket.
    }
    let mut after = state_of(&mut first).await;
    while after.refused < 8 {
        assert!(began.elapsed() < PATIENCE, "{after:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
        after = state_of(&mut first).await;
    }
    // 10, 20, 40 … 640 ms lie between the first eight.
    assert!(began.elapsed() > Duration::from_secs(1), "8 failures in {:?}", began.elapsed());
    let most = 12 + usize::try_from(began.elapsed().as_secs()).unwrap(); // Then one a second.
    assert!(after.refused < most, "{after:?} in {:?}", began.elapsed());
    others.drain(..150);
    let mut late = server.connect().await;
    let answered = tokio::time::timeout(PATIENCE, state_of(&mut late)).await.expect("it is let in");
    // The asking costs some; spinning would have taken all of the time.
    assert!(
        answered.cpu.saturating_sub(before.cpu) < began.elapsed() / 2,
        "{before:?} {answered:?} {:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn five_thousand_silent_connections_cost_little_and_leave_room_for_others() {
    let (_, server) = (ListenerCapacity::claim(), Server::start(12_000));
    let mut first = server.connect().await;
    for _ in 0..50 {
        state_of(&mut first).await;
    }
    let before = state_of(&mut first).await;
    let mut silent = Vec::new();
    for _ in 0..5000 {
        silent.push(server.connect().await);
    }
    let mut last = server.connect().await; // Accepted after all of them.
    let after = state_of(&mut last).await;
    let cost = after.resident_kib.saturating_sub(before.resident_kib);
    println!("5,000 silent connections: {cost} KiB");
    assert!(cost < 24 << 10, "{cost} KiB in a debug build");
}

#[tokio::test]
async fn two_thousand_watchers_that_do_not_read_cost_little_and_then_get_what_is_newest() {
    let (_, server) = (ListenerCapacity::claim(), Server::start(12_000));
    let mut first = server.connect().await;
    let before = state_of(&mut first).await;
    let mut watchers = Vec::new();
    for _ in 0..2000 {
        let mut watcher = server.connect().await;
        watcher.send("GET /watch HTTP/1.1\r\nhost: x\r\n\r\n").await;
        watchers.push(watcher);
    }
    let turn = |text: &str| text[text.len() - (4 << 10) - 10..][..8].parse::<u64>().unwrap();
    let mut witness = server.connect().await;
    witness.send("GET /watch HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut newest = 0;
    while newest < 10 {
        newest = newest.max(turn(&next_event(&mut witness).await));
    }
    let after = state_of(&mut first).await;
    let cost = after.resident_kib.saturating_sub(before.resident_kib);
    println!("2,000 watchers that do not read: {cost} KiB");
    assert!(cost < 100 << 10, "{cost} KiB in a debug build");
    let mut seen = 0;
    while seen < newest {
        seen = turn(&next_event(&mut watchers[1000]).await);
    }
}

/// The next chunk of a watch that is an event.
async fn next_event(raw: &mut Raw) -> String {
    let reading = async {
        let mut read = Vec::new();
        while !read.ends_with(b"x\r\n") || read.len() < (4 << 10) + 10 {
            read.push(raw.0.read_u8().await.unwrap());
        }
        String::from_utf8(read).unwrap()
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("it is told")
}
