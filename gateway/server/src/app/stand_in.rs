//! Stand-ins for the software around a gateway, for whoever runs a whole federation in one process: a broker and registries.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::config::GatewayConfig;
use federation_kafka::embedded::EmbeddedKafka;
use federation_kafka::topics::TopicNames;
use federation_registry::{EmbeddedOptions, EmbeddedRegistry};

/// A broker in memory; see [`EmbeddedKafka`] for what it cannot do.
pub struct EmbeddedBroker(EmbeddedKafka);

impl EmbeddedBroker {
    /// Starts one without topics, on a port of its own choice.
    ///
    /// # Errors
    /// If there is no port or thread to be had.
    pub fn start() -> anyhow::Result<Self> {
        EmbeddedKafka::start().map(Self).context("the embedded broker cannot start")
    }

    /// `host:port` for clients.
    #[must_use]
    pub fn address(&self) -> &str {
        self.0.bootstrap()
    }

    /// Creates the topics of the gateway with this configuration, once, before any gateway runs.
    ///
    /// # Errors
    /// If they exist.
    pub fn create_topics(&self, config: &GatewayConfig) -> anyhow::Result<()> {
        let names = TopicNames::new(&config.kafka.topic_prefix, &config.federation);
        let created = self.0.create_topics(&names, &config.cluster, config.kafka.topics.partitions);
        created.with_context(|| format!("the topics of {} cannot be created", config.cluster))
    }

    /// Breaks all connections and takes no new ones. Records stay.
    ///
    /// # Errors
    /// If the broker has ended.
    pub fn go_down(&self) -> anyhow::Result<()> {
        self.0.go_down().context("the embedded broker does not go down")
    }

    /// Takes connections again.
    ///
    /// # Errors
    /// If the broker has ended.
    pub fn come_up(&self) -> anyhow::Result<()> {
        self.0.come_up().context("the embedded broker does not come up")
    }
}

/// A registry in the place of a Nacos: as a gateway and SDKs see it, it is one.
pub struct Registry(EmbeddedRegistry);

impl Registry {
    /// Listens on `http` and, for gRPC, 1000 ports above. Config items are kept in `config_folder`, instances in memory.
    ///
    /// # Errors
    /// A port is taken.
    pub async fn start(http: SocketAddr, config_folder: PathBuf) -> anyhow::Result<Self> {
        let options = EmbeddedOptions { config_folder: Some(config_folder.into()), ..EmbeddedOptions::at(http) };
        EmbeddedRegistry::start(options).await.map(Self).context("the embedded registry cannot start")
    }

    /// Serves until `stop`.
    ///
    /// # Errors
    /// A server failed or a task panicked.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        self.0.run(stop).await.context("the embedded registry ended")
    }
}
