//! Lookups of services that nobody subscribed to, on a few connections with a few calls under way on each, in rounds that take turns.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use federation_bench::figures::{median, percentile};
use federation_bench::machine;
use tokio::task::JoinSet;

use crate::client::{BenchClient, PATIENCE, encoded, instance, lookup};
use crate::figures::{Figure, Figures, Goal, number};
use crate::stage::{Server, Stage};

/// As many lookups a second as a Nacos makes, and an rnacos.
const GOALS: [(&str, f64); 2] = [("Nacos", 5.0), ("rnacos", 2.0)];
/// Instances of each service.
const INSTANCES: u16 = 3;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LookupLoad {
    /// Services, asked for uniformly.
    pub(crate) services: usize,
    /// Connections.
    pub(crate) connections: usize,
    /// Calls under way on each.
    pub(crate) calls: usize,
    /// Rounds of each server.
    pub(crate) rounds: usize,
    /// Length of a round.
    pub(crate) lasts: Duration,
}

/// Rounds of one server.
struct Side {
    server: Server,
    clients: Vec<BenchClient>,
    rates: Vec<f64>,
    millis: Vec<f64>,
    processor_micros: Vec<f64>,
    _registrant: BenchClient,
}

/// Registers the services everywhere, and asks for them.
pub(crate) async fn run(stage: &Stage, load: LookupLoad, figures: &mut Figures) -> Result<()> {
    let requests: Vec<_> = (0..load.services).map(|of| encoded(&lookup(&name(of)))).collect();
    let requests = Arc::new(requests);
    let mut sides = Vec::new();
    for server in stage.servers() {
        sides.push(Side::prepare(server, load).await?);
    }
    for round in 0..=load.rounds {
        let count = sides.len();
        for turn in 0..count {
            // Who comes first changes, so that a drift of the machine counts for nobody.
            sides[(turn + round) % count].round(&requests, load, round > 0).await?;
        }
    }
    let mut rates = HashMap::new();
    for side in &mut sides {
        let name = side.server.name;
        let rate = median(&mut side.rates);
        rates.insert(name, (rate, median(&mut side.processor_micros)));
        figures.add(Figure::new("lookups", name, rate, "1/s"));
        figures.add(Figure::new("lookups, P99", name, percentile(&mut side.millis, 99), "ms"));
        figures.add(Figure::new("lookups, processor time of one", name, median(&mut side.processor_micros), "µs"));
    }
    let (own_rate, own_micros) = rates[stage.door_a.name];
    for (peer, goal) in GOALS {
        let Some((name, (rate, micros))) = rates.iter().find(|(name, _)| name.starts_with(peer)) else { continue };
        let goal = Some(Goal::AtLeast(goal));
        let ratio = Figure::new(format!("lookups, front door beside {name}"), "ratio", own_rate / rate, "×");
        figures.add(Figure { goal, ..ratio });
        let ratio = format!("lookups, {name} beside front door, processor time of one");
        figures.add(Figure::new(ratio, "ratio", micros / own_micros, "×"));
    }
    Ok(())
}

fn name(of: usize) -> String {
    format!("looked-up-{of}")
}

impl Side {
    async fn prepare(server: Server, load: LookupLoad) -> Result<Self> {
        let mut registrant = BenchClient::connect(server.grpc).await?;
        for service in 0..load.services {
            let ip = format!("10.8.{}.{}", service / 250 % 250, service % 250);
            let instances = (1..=INSTANCES).map(|port| instance(&ip, port)).collect();
            registrant.register_all(&name(service), instances).await.context("a service to be looked up")?;
        }
        let (begun, wanted) = (Instant::now(), usize::from(INSTANCES));
        while registrant.count(&name(load.services - 1)).await? < wanted && begun.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut clients = Vec::new();
        for _ in 0..load.connections {
            clients.push(BenchClient::connect(server.grpc).await?);
        }
        let (rates, millis, processor_micros) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { server, clients, rates, millis, processor_micros, _registrant: registrant })
    }

    async fn round(&mut self, requests: &Arc<Vec<Vec<u8>>>, load: LookupLoad, counts: bool) -> Result<()> {
        let pid = self.server.processes[0];
        let (used, begun, over) = (machine::used_by(pid).0, Instant::now(), Arc::new(AtomicBool::new(false)));
        let mut tasks = JoinSet::new();
        for client in self.clients.drain(..) {
            tasks.spawn(ask(client, Arc::clone(requests), load.calls, Arc::clone(&over)));
        }
        tokio::time::sleep(load.lasts).await;
        over.store(true, Ordering::Relaxed);
        let mut millis = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            let (client, took) = ended??;
            self.clients.push(client);
            millis.extend(took);
        }
        if counts {
            let (took, asked) = (begun.elapsed().as_secs_f64(), number(millis.len()));
            self.rates.push(asked / took);
            self.processor_micros.push((machine::used_by(pid).0 - used) * 1e6 / asked);
            self.millis.extend(millis);
        }
        Ok(())
    }
}

/// Keeps so many calls under way until it is over; returns how long each took, in ms.
async fn ask(
    mut client: BenchClient,
    requests: Arc<Vec<Vec<u8>>>,
    calls: usize,
    over: Arc<AtomicBool>,
) -> Result<(BenchClient, Vec<f64>)> {
    let (mut under_way, mut millis) = (HashMap::new(), Vec::new());
    loop {
        while under_way.len() < calls && !over.load(Ordering::Relaxed) {
            let request = &requests[rand::random_range(0..requests.len())];
            under_way.insert(client.begin(request), Instant::now());
        }
        if under_way.is_empty() {
            return Ok((client, millis));
        }
        let ended = client.ends().await?;
        let begun = ended.iter().filter_map(|call| under_way.remove(call));
        millis.extend(begun.map(|begun| begun.elapsed().as_secs_f64() * 1000.0));
    }
}
