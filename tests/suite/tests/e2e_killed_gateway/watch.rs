//! Watches of all services of the crowd at the other cluster's gateway: each change that it shows is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use federation_harness::process::POLL;
use federation_tests::read_service_events;
use tokio::task::JoinSet;

use crate::clients::{Crowd, service};
use crate::stage::{PATIENCE, Stage};

/// What was seen. Locked for one event, or a look.
#[derive(Default)]
struct Seen {
    /// Of each service, the addresses that the last event told.
    now: BTreeMap<usize, BTreeSet<String>>,
    /// Who may not be missing.
    expected: BTreeSet<String>,
    /// When somebody was missing, and who.
    wrong: Vec<String>,
    events: usize,
}

/// The watches. They end with it.
pub(crate) struct Watches {
    seen: Arc<Mutex<Seen>>,
    tasks: Mutex<JoinSet<Result<()>>>,
}

impl Watches {
    pub(crate) async fn start(stage: &Stage, crowd: &Crowd) -> Result<Self> {
        let (seen, mut tasks) = (Arc::<Mutex<Seen>>::default(), JoinSet::new());
        let http = reqwest::Client::builder().no_proxy().build()?;
        for number in 0..=crowd.services() {
            let name = service(number);
            let query =
                [("namespaceId", &*name.namespace), ("groupName", &*name.group), ("serviceName", &*name.service)];
            let asked = http.get(format!("{}/v1/watch", stage.afar.base())).query(&query);
            let answer = asked.send().await?.error_for_status()?;
            tasks.spawn(read(answer, number, Arc::clone(&seen)));
        }
        Ok(Self { seen, tasks: Mutex::new(tasks) })
    }

    pub(crate) fn expect(&self, names: BTreeSet<String>) {
        self.seen.lock().expect("no holder panics").expected = names;
    }

    pub(crate) async fn until_all_are_seen(&self, names: BTreeSet<String>) -> Result<()> {
        let begun = Instant::now();
        while !self.all().is_superset(&names) {
            ensure!(begun.elapsed() < PATIENCE, "{} of {} are seen", self.all().len(), names.len());
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    pub(crate) async fn until_gone(&self, name: &str, within: Duration) -> Result<()> {
        let begun = Instant::now();
        while self.all().contains(name) {
            ensure!(begun.elapsed() < within, "{name} is seen after {within:?}");
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Fails if anybody was ever missing, or a watch ended.
    pub(crate) fn finish_round(&self) -> Result<()> {
        if let Some(ended) = self.tasks.lock().expect("no holder panics").try_join_next() {
            ended??;
            anyhow::bail!("a watch ended");
        }
        let seen = self.seen.lock().expect("no holder panics");
        ensure!(seen.events > 0, "nothing was told");
        ensure!(seen.wrong.is_empty(), "{} events lack somebody, the first: {:?}", seen.wrong.len(), seen.wrong[0]);
        Ok(())
    }

    fn all(&self) -> BTreeSet<String> {
        self.seen.lock().expect("no holder panics").now.values().flatten().cloned().collect()
    }
}

impl Seen {
    fn note(&mut self, number: usize, told: BTreeSet<String>) {
        self.events += 1;
        let before = self.now.insert(number, told.clone()).unwrap_or_default();
        let lost: Vec<&String> = before.difference(&told).filter(|name| self.expected.contains(*name)).collect();
        if !lost.is_empty() {
            self.wrong.push(format!("{lost:?} of {}", service(number)));
        }
    }
}

async fn read(answer: reqwest::Response, number: usize, seen: Arc<Mutex<Seen>>) -> Result<()> {
    read_service_events(answer, |instances| {
        let told = instances.iter().filter_map(|it| it["ip"].as_str().map(str::to_owned)).collect();
        seen.lock().expect("no holder panics").note(number, told);
        Ok(())
    })
    .await
}
