//! Looks at gateways ten times a second and writes down which of the expected instances and config items an answer lacks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_harness::{Gateway, SdkConfig, SdkInstance, SdkService, announce};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::seen::{name_at, name_of};

const EVERY: Duration = Duration::from_millis(100);
/// An answer that takes longer is none.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// With fewer looks than this share of those due, the machine was too busy for the samples to mean anything.
const LEAST_SHARE: f64 = 0.4;
/// Findings that an error quotes.
const QUOTED: usize = 5;

/// What every sample has to show: instances by service, config items with their origin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    services: BTreeMap<SdkService, BTreeSet<String>>,
    configs: Vec<(SdkConfig, String)>,
}

impl Expected {
    pub(crate) fn add(&mut self, service: &SdkService, origin: &str, instance: &SdkInstance) {
        self.services.entry(service.clone()).or_default().insert(name_at(origin, instance));
    }

    pub(crate) fn add_config(&mut self, config: &SdkConfig, origin: &str) {
        self.configs.push((config.clone(), origin.to_owned()));
    }
}

/// Samples of one gateway.
#[derive(Debug, Default)]
struct Samples {
    cluster: String,
    count: usize,
    longest_gap: Duration,
    held: usize,
    findings: Vec<String>,
}

/// A running look at gateways.
pub(crate) struct Sampler {
    start: Instant,
    tasks: JoinSet<Samples>,
    stop: CancellationToken,
}

impl Sampler {
    /// Begins to look at each of `gateways`.
    pub(crate) fn start<'a>(gateways: impl IntoIterator<Item = &'a Gateway>, expected: &Expected) -> Result<Self> {
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        let start = Instant::now();
        for gateway in gateways {
            let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?;
            let look = Look { http, base: gateway.base(), start, expected: expected.clone() };
            tasks.spawn(look.run(gateway.cluster().to_owned(), stop.clone()));
        }
        Ok(Self { start, tasks, stop })
    }

    /// Ends it, prints how much was seen, and fails if anything was missing from any sample of the time when `what` happened.
    pub(crate) async fn finish(mut self, what: &str) -> Result<()> {
        let due = self.start.elapsed().as_secs_f64() / EVERY.as_secs_f64();
        self.stop.cancel();
        while let Some(samples) = self.tasks.join_next().await {
            let Samples { cluster, count, longest_gap, held, findings } = samples.context("a sampler panicked")?;
            announce(&format!(
                "{what}: {count} samples of {cluster}, longest gap {} ms, {held} with a held instance, {} with a \
                 missing one",
                longest_gap.as_millis(),
                findings.len()
            ));
            let quoted = findings.iter().take(QUOTED).cloned().collect::<Vec<_>>().join("\n");
            ensure!(findings.is_empty(), "{what}: {} bad samples of {cluster}:\n{quoted}", findings.len());
            #[expect(clippy::cast_precision_loss, reason = "there are some hundreds")]
            let share = count as f64 / due;
            ensure!(share > LEAST_SHARE, "{what}: only {count} samples of {cluster} where {due:.0} were due");
        }
        Ok(())
    }
}

struct Look {
    http: reqwest::Client,
    base: String,
    start: Instant,
    expected: Expected,
}

impl Look {
    async fn run(self, cluster: String, stop: CancellationToken) -> Samples {
        let mut samples = Samples { cluster, ..Samples::default() };
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last = Instant::now();
        while !stop.is_cancelled() {
            ticks.tick().await;
            match self.sample().await {
                Ok(held) => samples.held += usize::from(held),
                Err(error) => {
                    let at = self.start.elapsed().as_secs_f64();
                    samples.findings.push(format!("at {at:.1} s: {error:#}"));
                }
            }
            samples.longest_gap = samples.longest_gap.max(last.elapsed());
            last = Instant::now();
            samples.count += 1;
        }
        samples
    }

    /// Whether an instance is held; an error if something is missing.
    async fn sample(&self) -> Result<bool> {
        let mut held = false;
        for (service, wanted) in &self.expected.services {
            held |= self.sample_service(service, wanted).await?;
        }
        for (config, origin) in &self.expected.configs {
            self.sample_config(config, origin).await?;
        }
        Ok(held)
    }

    async fn sample_service(&self, service: &SdkService, wanted: &BTreeSet<String>) -> Result<bool> {
        let SdkService { namespace, group, service } = service;
        let query = [("namespaceId", &**namespace), ("groupName", group), ("serviceName", service)];
        let document = self.get("/v1/service", &query).await?;
        let instances = document["instances"].as_array().context("a service without instances")?;
        let names: BTreeSet<String> = instances.iter().map(name_of).collect();
        let missing: Vec<&String> = wanted.difference(&names).collect();
        ensure!(missing.is_empty(), "{service} lacks {missing:?}, it has {names:?}");
        Ok(instances.iter().any(|instance| wanted.contains(&name_of(instance)) && !instance["held"].is_null()))
    }

    async fn sample_config(&self, config: &SdkConfig, origin: &str) -> Result<()> {
        let SdkConfig { namespace, group, data_id } = config;
        let query = [("namespaceId", &**namespace), ("groupName", group), ("dataId", data_id)];
        let document = self.get("/v1/config", &query).await?;
        let items = document["items"].as_array().context("a config item without items")?;
        ensure!(items.iter().any(|item| item["origin"] == origin), "{data_id} lacks {origin}");
        Ok(())
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let answer = self.http.get(format!("{}{path}", self.base)).query(query).send().await?;
        let status = answer.status().as_u16();
        ensure!(status == 200, "{query:?} is answered with {status}");
        Ok(serde_json::from_str(&answer.text().await?)?)
    }
}
