//! A watch of one service at a gateway, over server-sent events: what it was told, and when.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_harness::{Gateway, SdkService};
use federation_tests::read_service_events;
use serde_json::Value;
use tokio::task::JoinSet;

/// Events kept: a round has some hundred.
const EVENTS_LIMIT: usize = 20_000;

/// The ports of the service's instances, as one event told them.
#[derive(Clone, Debug)]
struct Told {
    at: Instant,
    ports: BTreeSet<u16>,
}

/// A running watch; it ends when dropped.
pub(crate) struct Watch {
    /// Critical section: appending, or a look at all of them.
    told: Arc<Mutex<Vec<Told>>>,
    tasks: JoinSet<Result<()>>,
}

/// What changes that came one after the other, as ports from 1 on, looked like from afar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrivals {
    /// How many have arrived.
    pub(crate) count: u16,
    /// The longest time between one that arrived and the next.
    pub(crate) longest_gap: Duration,
}

impl Watch {
    pub(crate) async fn start(at: &Gateway, service: &SdkService) -> Result<Self> {
        let query =
            [("namespaceId", &service.namespace), ("groupName", &service.group), ("serviceName", &service.service)];
        let http = reqwest::Client::builder().no_proxy().build()?;
        let answer = http.get(format!("{}/v1/watch", at.base())).query(&query).send().await?.error_for_status()?;
        let told = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(read(answer, Arc::clone(&told)));
        Ok(Self { told, tasks })
    }

    /// What has arrived; an error if anything was seen twice, out of order or no more.
    pub(crate) fn arrivals(&mut self) -> Result<Arrivals> {
        if let Some(ended) = self.tasks.try_join_next() {
            ended??;
        }
        let told = self.told.lock().expect("no holder panics").clone();
        let mut arrivals = Arrivals { count: 0, longest_gap: Duration::ZERO };
        let mut last = None;
        for Told { at, ports } in told {
            let gone: Vec<u16> = (1..=arrivals.count).filter(|port| !ports.contains(port)).collect();
            ensure!(gone.is_empty(), "{gone:?} of {} are gone", arrivals.count);
            let count = u16::try_from(ports.len())?;
            ensure!(ports.last().copied().unwrap_or(0) == count, "not in order: {ports:?}");
            if count > arrivals.count {
                let since = last.map_or(Duration::ZERO, |last| at.duration_since(last));
                (arrivals, last) = (Arrivals { count, longest_gap: arrivals.longest_gap.max(since) }, Some(at));
            }
        }
        Ok(arrivals)
    }
}

async fn read(answer: reqwest::Response, told: Arc<Mutex<Vec<Told>>>) -> Result<()> {
    let port = |instance: &Value| instance["port"].as_u64().and_then(|port| u16::try_from(port).ok());
    read_service_events(answer, |instances| {
        let ports = instances.iter().map(|it| port(it).context("an instance without a port"));
        let event = Told { at: Instant::now(), ports: ports.collect::<Result<_>>()? };
        let mut told = told.lock().expect("no holder panics");
        ensure!(told.len() < EVENTS_LIMIT, "more than {EVENTS_LIMIT} events");
        told.push(event);
        Ok(())
    })
    .await
}
