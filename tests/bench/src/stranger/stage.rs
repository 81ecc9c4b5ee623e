//! The real parts: one Kafka, two gateways with embedded registries.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_harness::process::POLL;
use federation_harness::{Gateway, GatewayOptions, Kafka, KafkaOptions, Part, Parts};
use federation_kafka::topics::TopicNames;
use serde_json::Value;

/// The federation of the bench.
pub(crate) const FEDERATION: &str = "flooded";
/// The cluster that writes whatever it likes.
pub(crate) const STRANGER: &str = "zanzibar";
/// Partitions of each data topic of everybody.
pub(crate) const PARTITIONS: u32 = 8;
const PREFIX: &str = "nacos-fed.";
const CALL_PATIENCE: Duration = Duration::from_secs(10);

/// Everything but the stranger.
pub(crate) struct Stage {
    kafka: Kafka,
    pub(crate) a: Gateway,
    pub(crate) b: Gateway,
    http: reqwest::Client,
}

impl Stage {
    /// Starts everything.
    pub(crate) async fn start() -> Result<Self> {
        let parts = Parts::ensure(&[Part::Kafka]).await?;
        let kafka = Kafka::start(&parts, KafkaOptions::default()).await?;
        let gateway = |cluster: &str| GatewayOptions::new(FEDERATION, cluster, &kafka.bootstrap());
        let a = Gateway::start(&gateway("a")).await?;
        let b = Gateway::start(&gateway("b")).await?;
        let http = reqwest::Client::builder().no_proxy().timeout(CALL_PATIENCE).build()?;
        Ok(Self { kafka, a, b, http })
    }

    /// Registers an instance with A's registry.
    pub(crate) async fn register_at_a(&self, form: &[(&str, &str)]) -> Result<()> {
        let registry = self.a.registry().context("A has a registry")?;
        let answer = self.http.post(format!("http://{registry}/nacos/v1/ns/instance")).form(form).send().await?;
        ensure!(answer.status().is_success(), "A's registry answers {}", answer.status());
        Ok(())
    }

    /// Waits until B shows A's instance of the service with a pair of metadata of this number or a later one. Whether it does.
    pub(crate) async fn until_shown(&self, service: &str, pair: &str, number: u64, patience: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            let instances = self.b.instances("public", "DEFAULT_GROUP", service).await.unwrap_or_default();
            let own = instances.iter().find(|instance| instance["origin"] == "a");
            let shown = own.and_then(|own| own["metadata"][pair].as_str()?.parse::<u64>().ok());
            if shown.is_some_and(|shown| shown >= number) {
                return true;
            }
            tokio::time::sleep(POLL).await;
        }
        false
    }

    /// `host:port` of the broker.
    pub(crate) fn bootstrap(&self) -> String {
        self.kafka.bootstrap()
    }

    /// What B's gateway says of the stranger, and of itself.
    pub(crate) async fn told_of_the_stranger(&self) -> String {
        let mut told = String::new();
        for path in ["/v1/status", "/v1/clusters"] {
            match self.b.get(path, &[]).await {
                Ok((status, document)) => told.push_str(&format!("{path} {status}: {}\n", of_interest(document))),
                Err(error) => told.push_str(&format!("{path}: {error:#}\n")),
            }
        }
        told.push_str(&self.records_read().await.unwrap_or_else(|error| format!("/metrics: {error:#}")));
        told
    }

    /// What B's gateway counts of the records that it read.
    async fn records_read(&self) -> Result<String> {
        let text = self.http.get(format!("{}/metrics", self.b.base())).send().await?.text().await?;
        let is_wanted = |line: &&str| line.starts_with("federation_log_") && line.contains(STRANGER);
        Ok(text.lines().filter(is_wanted).collect::<Vec<_>>().join("\n"))
    }
}

/// Reasons and troubles of a status; the stranger's entry of a list of clusters.
fn of_interest(document: Value) -> Value {
    match document {
        Value::Object(mut members) => match members.remove("clusters") {
            Some(Value::Array(clusters)) => {
                clusters.into_iter().find(|cluster| cluster["cluster"] == STRANGER).unwrap_or_default()
            }
            _ => ["ready", "reasons", "troubles"]
                .into_iter()
                .filter_map(|name| Some((name.to_owned(), members.remove(name)?)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        },
        other => other,
    }
}

/// Names of the topics of the bench.
pub(crate) fn topics() -> Result<TopicNames> {
    Ok(TopicNames::new(PREFIX, &FEDERATION.parse().context("the federation has a name")?))
}
