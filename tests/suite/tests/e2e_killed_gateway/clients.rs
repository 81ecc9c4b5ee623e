//! Clients that speak Nacos's protocol at the front doors, and come back at the other door when theirs is gone, as SDKs do.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_harness::process::POLL;
use nacos_protocol::client::{ClientEvent, ClientEvents, ClientOptions, NacosClient, ServiceName};
use nacos_protocol::cluster::{ClusterOptions, NacosCluster};
use nacos_protocol::message::naming::NacosInstance;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::stage::{Door, PATIENCE, Stage};

/// Clients of one service.
const OF_ONE_SERVICE: usize = 10;
/// SDKs register anew up to so long after they lost their server: that of Java looks each 3 s what to do again, and connects before.
const REDO_WITHIN_MS: usize = 4_000;

/// One of the services of the crowd.
pub(crate) fn service(number: usize) -> ServiceName {
    ServiceName::new("public", "DEFAULT_GROUP", format!("killed-{number}"))
}

fn ip(client: usize) -> String {
    format!("10.40.{}.{}", client / 250, client % 250 + 1)
}

/// What all clients see.
#[derive(Default)]
struct Seen {
    /// From then on no list may lack anybody.
    is_full: AtomicBool,
    /// What was seen that may not be. Locked for one entry.
    wrong: Mutex<Vec<String>>,
}

/// All clients. They end with it.
pub(crate) struct Crowd {
    all: usize,
    /// At which door each is, and the one more that there may be. Locked for one word.
    doors: Arc<Vec<Mutex<Door>>>,
    addresses: [String; 2],
    seen: Arc<Seen>,
    last: Option<AbortHandle>,
    tasks: JoinSet<()>,
}

impl Crowd {
    /// Half of them behind each door; each registers in one service, and subscribes to the next.
    pub(crate) async fn register(stage: &Stage) -> Result<Self> {
        let all = match std::env::var("NACOS_FED_CLIENTS") {
            Ok(text) => text.parse().context("NACOS_FED_CLIENTS is not a number")?,
            Err(_) => 200,
        };
        ensure!(all >= OF_ONE_SERVICE && all % OF_ONE_SERVICE == 0, "tens of clients, not {all}");
        let door = |client: usize| if client.is_multiple_of(2) { Door::One } else { Door::Other };
        let mut crowd = Self {
            all,
            doors: Arc::new((0..=all).map(|client| Mutex::new(door(client))).collect()),
            addresses: [Door::One, Door::Other].map(|door| stage.address(door)),
            seen: Arc::default(),
            last: None,
            tasks: JoinSet::new(),
        };
        for number in 0..all {
            let client = crowd.client(number);
            crowd.tasks.spawn(client.live());
        }
        stage.until_nacos_has(&crowd, PATIENCE).await?;
        Ok(crowd)
    }

    pub(crate) fn len(&self) -> usize {
        self.all
    }

    pub(crate) fn services(&self) -> usize {
        self.all / OF_ONE_SERVICE
    }

    /// The addresses of all.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        (0..self.all).map(ip).collect()
    }

    /// How many are behind this door.
    pub(crate) fn behind(&self, door: Door) -> usize {
        self.doors.iter().take(self.all).filter(|at| *at.lock().expect("no holder panics") == door).count()
    }

    pub(crate) fn expect_full_lists(&self) {
        self.seen.is_full.store(true, Ordering::SeqCst);
    }

    /// One more, in a service of its own, behind this door. Its address.
    pub(crate) fn one_more(&mut self, door: Door) -> String {
        *self.doors[self.all].lock().expect("no holder panics") = door;
        let client = self.client(self.all);
        self.last = Some(self.tasks.spawn(client.live()));
        ip(self.all)
    }

    /// Its process dies.
    pub(crate) fn kill_that_one(&self) {
        self.last.iter().for_each(AbortHandle::abort);
    }

    fn client(&self, number: usize) -> Client {
        let (services, addresses) = (self.services(), self.addresses.clone());
        Client { number, services, addresses, doors: Arc::clone(&self.doors), seen: Arc::clone(&self.seen) }
    }

    /// Fails if a client saw what it may not.
    pub(crate) fn finish_round(&self) -> Result<()> {
        let wrong = self.seen.wrong.lock().expect("no holder panics");
        ensure!(wrong.is_empty(), "{} lists, of which the first: {:?}", wrong.len(), wrong.first());
        Ok(())
    }
}

/// One of them.
struct Client {
    number: usize,
    services: usize,
    addresses: [String; 2],
    doors: Arc<Vec<Mutex<Door>>>,
    seen: Arc<Seen>,
}

impl Client {
    /// Is at its door until that is gone, and then at the other one.
    async fn live(self) {
        loop {
            let door = *self.doors[self.number].lock().expect("no holder panics");
            let address = &self.addresses[usize::from(door == Door::Other)];
            if let Err(error) = self.visit(address).await {
                self.note(format!("client {} at {address}: {error:#}", self.number));
            }
            // As long as this SDK takes to see that its server is gone, to connect to another, and to register anew.
            tokio::time::sleep(Duration::from_millis((self.number * 37 % REDO_WITHIN_MS) as u64)).await;
            let other = if door == Door::One { Door::Other } else { Door::One };
            *self.doors[self.number].lock().expect("no holder panics") = other;
        }
    }

    /// Registers and subscribes; ends with the connection.
    async fn visit(&self, address: &str) -> Result<()> {
        let cluster = NacosCluster::new(ClusterOptions::new(vec![address.parse()?]))?;
        // SDKs never ask a server to push something.
        let options = ClientOptions { push_quiet: Duration::from_secs(3_600), ..ClientOptions::default() };
        let (client, events, connection) = NacosClient::new(cluster, options);
        let mut tasks = JoinSet::new(); // Dropping it ends the connection.
        tasks.spawn(connection.run(CancellationToken::new()));
        ensure!(client.connected_within(PATIENCE).await, "no connection");
        let instance = NacosInstance { ip: ip(self.number), port: 8080, ..NacosInstance::default() };
        client.subscribe(&service((self.number / OF_ONE_SERVICE + 1) % self.services));
        let (own, begun) = (service(self.number / OF_ONE_SERVICE), Instant::now());
        while let Err(error) = client.register(&own, vec![instance.clone()]).await {
            ensure!(begun.elapsed() < PATIENCE, "not registered: {error}"); // SDKs try again as well.
            tokio::time::sleep(POLL).await;
        }
        self.watch(events).await;
        Ok(())
    }

    async fn watch(&self, mut events: ClientEvents) {
        while let Some(event) = events.recv().await {
            match event {
                ClientEvent::Service { service, info, .. } => {
                    let is_full = self.seen.is_full.load(Ordering::SeqCst);
                    if is_full && info.hosts.len() < OF_ONE_SERVICE {
                        self.note(format!("client {} was told {} of {service}", self.number, info.hosts.len()));
                    }
                    if info.hosts.iter().any(|host| host.metadata.contains_key("nacos-fed.via")) {
                        self.note(format!("client {} was told of a mark", self.number));
                    }
                }
                ClientEvent::Disconnected { .. } => return,
                _ => {}
            }
        }
    }

    fn note(&self, wrong: String) {
        self.seen.wrong.lock().expect("no holder panics").push(wrong);
    }
}
