//! Thousands of clients at one server, each in a task of its own that answers what it is asked and says when it was told something.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::client::{BenchClient, PATIENCE, has_port};

/// Clients that connect or subscribe at the same time: as many as come back together after a restart are another question.
const AT_ONCE: usize = 100;

/// What all of them are to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Order {
    Idle,
    Subscribe(String),
    Leave,
}

/// Something that a client says.
enum Word {
    Connected,
    Subscribed,
    /// It was told of a list that has this port, the highest of the list.
    Told(u16, Instant),
}

/// See the module.
pub(crate) struct Crowd {
    size: usize,
    orders: watch::Sender<Order>,
    words: mpsc::Receiver<Word>,
    tasks: JoinSet<Result<()>>,
}

impl Crowd {
    /// Connects this many clients; returns once the server knows all of them.
    pub(crate) async fn gather(address: SocketAddr, size: usize) -> Result<Self> {
        let (orders, watched) = watch::channel(Order::Idle);
        let (say, words) = mpsc::channel(2 * size + 1);
        let (turns, mut tasks) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
        for _ in 0..size {
            tasks.spawn(live(address, Arc::clone(&turns), watched.clone(), say.clone()));
        }
        let mut crowd = Self { size, orders, words, tasks };
        crowd.until_all(|word| matches!(word, Word::Connected)).await.context("not all clients connect")?;
        Ok(crowd)
    }

    /// How many there are.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// All of them subscribe to a service.
    pub(crate) async fn subscribe(&mut self, service: &str) -> Result<()> {
        self.orders.send_replace(Order::Subscribe(service.to_owned()));
        self.until_all(|word| matches!(word, Word::Subscribed)).await.context("not all clients subscribe")
    }

    /// When each was told of this port.
    pub(crate) async fn all_are_told(&mut self, port: u16) -> Result<Vec<Instant>> {
        let mut told = Vec::with_capacity(self.size);
        let collect = async {
            while told.len() < self.size {
                match self.words.recv().await.context("the clients ended")? {
                    Word::Told(of, at) if of == port => told.push(at),
                    _ => {}
                }
            }
            anyhow::Ok(())
        };
        let collected = tokio::time::timeout(PATIENCE, collect).await;
        collected.with_context(|| format!("{} of {} are told of port {port}", told.len(), self.size))??;
        Ok(told)
    }

    /// All of them hang up.
    pub(crate) async fn dissolve(mut self) -> Result<()> {
        self.orders.send_replace(Order::Leave);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(())
    }

    async fn until_all(&mut self, wanted: impl Fn(&Word) -> bool) -> Result<()> {
        let (mut count, size) = (0, self.size);
        let (words, tasks) = (&mut self.words, &mut self.tasks);
        let mut patience = std::pin::pin!(tokio::time::sleep(PATIENCE * 5));
        while count < size {
            tokio::select! { // All are cancel-safe.
                Some(word) = words.recv() => count += usize::from(wanted(&word)),
                Some(ended) = tasks.join_next() => {
                    ended??;
                    ensure!(false, "a client left");
                }
                () = &mut patience => ensure!(false, "{count} of {size} in {} s", PATIENCE.as_secs() * 5),
            }
        }
        Ok(())
    }
}

async fn live(
    address: SocketAddr,
    turns: Arc<Semaphore>,
    mut orders: watch::Receiver<Order>,
    say: mpsc::Sender<Word>,
) -> Result<()> {
    let turn = turns.acquire().await?;
    let mut client = BenchClient::connect(address).await?;
    drop(turn);
    say.send(Word::Connected).await?;
    let mut told = 0;
    loop {
        tokio::select! { // Both are cancel-safe.
            changed = orders.changed() => {
                let order = if changed.is_ok() { orders.borrow_and_update().clone() } else { Order::Leave };
                match order {
                    Order::Idle => {}
                    Order::Leave => return Ok(()),
                    Order::Subscribe(service) => {
                        let _turn = turns.acquire().await?;
                        client.subscribe(&service).await?;
                        say.send(Word::Subscribed).await?;
                    }
                }
            }
            pushed = client.pushed() => {
                let pushed = pushed?;
                let newest = pushed.info.hosts.iter().map(|host| host.port).max().unwrap_or_default();
                let newest = u16::try_from(newest)?;
                if newest > told && has_port(&pushed.info, newest) {
                    told = newest;
                    say.send(Word::Told(newest, pushed.at)).await?;
                }
            }
        }
    }
}

/// How long after `begun` each of these was, in ms.
pub(crate) fn millis_after(begun: Instant, told: &[Instant]) -> Vec<f64> {
    told.iter().map(|at| at.saturating_duration_since(begun).as_secs_f64() * 1000.0).collect()
}

/// Time for a server to put away what it needed to take connections in.
pub(crate) const SETTLE: Duration = Duration::from_secs(3);
