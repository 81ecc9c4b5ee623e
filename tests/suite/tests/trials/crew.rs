//! Brokers behind a proxy, two gateways with embedded registries, and three loops that keep the processors busy.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use federation_harness::home::Home;
use federation_harness::process::{Conversation, POLL, Process, Program};
use federation_harness::{
    Answer, Emptiness, Gateway, GatewayOptions, Kafka, KafkaOptions, KafkaProxy, Part, Parts, Spoil, Which, announce,
};
use serde_json::Value;

const CLUSTERS: [&str; 2] = ["a", "b"];
const BUSY_LOOPS: usize = 3;
/// How long metadata answers are emptied.
const EMPTIED: Duration = Duration::from_secs(12);
/// How long a round may take to show how late it was.
const PATIENCE: Duration = Duration::from_secs(120);
/// A fault that lasts at least so long has to be told meanwhile.
const TOLD_AFTER: Duration = Duration::from_secs(8);

/// What happens to a broker.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// SIGSTOP, for so long.
    Pause(Duration),
    /// An orderly end, and a start.
    Restart,
    /// `kill -9`, and a start.
    Kill,
    /// Metadata answers lack this for a while, from all brokers, and the broker is paused in the middle of it.
    Empty(Emptiness),
}

/// What a round showed.
pub(crate) struct Seen {
    /// From the broker's return until each gateway showed what was registered at the other after it.
    pub(crate) back: Duration,
    /// From then until neither gateway told of trouble with the log.
    pub(crate) quiet: Duration,
    /// What each gateway said meanwhile; a short fault need not be told.
    pub(crate) said: Vec<String>,
}

pub(crate) struct Crew {
    proxy: KafkaProxy,
    brokers: Vec<Kafka>,
    gateways: Vec<Gateway>,
    http: reqwest::Client,
    registered: usize,
    _loops: Vec<Process>,
    _home: Home,
}

impl Crew {
    pub(crate) async fn start(brokers: usize) -> Result<Self> {
        let parts = Parts::ensure(&[Part::Kafka]).await?;
        let proxy = KafkaProxy::start(brokers).await?;
        let options = (0..brokers)
            .map(|index| KafkaOptions { advertised: Some(proxy.port(index)), ..KafkaOptions::default() })
            .collect();
        let brokers = Kafka::start_cluster(&parts, options).await?;
        brokers.iter().enumerate().for_each(|(index, broker)| proxy.connect(index, broker.port()));
        let mut gateways = Vec::new();
        for cluster in CLUSTERS {
            gateways.push(Gateway::start(&GatewayOptions::new("trials", cluster, &proxy.bootstrap())).await?);
        }
        let home = Home::temporary("trials")?;
        let mut loops = Vec::new();
        for number in 0..BUSY_LOOPS {
            let log = home.path().join(format!("loop-{number}.log"));
            let busy = Program::new("a busy loop", "sh", log).args(["-c", "while :; do :; done"]);
            loops.push(busy.spawn(Conversation::None).await?);
        }
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
        let mut crew = Self { proxy, brokers, gateways, http, registered: 0, _loops: loops, _home: home };
        crew.exchanged().await.context("before the first round")?;
        crew.until_quiet().await.context("before the first round")?;
        Ok(crew)
    }

    /// One fault of one broker, and what follows.
    pub(crate) async fn round(&mut self, fault: Fault, broker: usize) -> Result<Seen> {
        let begun = Instant::now();
        let mut said = BTreeMap::new();
        match fault {
            Fault::Pause(length) => {
                self.brokers[broker].pause()?;
                self.listen(begun + length, &mut said).await;
                self.brokers[broker].resume()?;
            }
            Fault::Empty(what) => {
                self.proxy.spoil("", Answer::Metadata, Spoil::Empty(what), Which::All);
                self.brokers[broker].pause()?;
                self.listen(begun + EMPTIED, &mut said).await;
                self.brokers[broker].resume()?;
                self.listen(begun + EMPTIED + EMPTIED, &mut said).await;
                self.proxy.heal();
            }
            Fault::Restart => {
                self.brokers[broker].stop().await?;
                self.listen(Instant::now() + TOLD_AFTER, &mut said).await;
                self.brokers[broker].restart().await?;
            }
            Fault::Kill => {
                self.brokers[broker].kill().await?;
                self.listen(Instant::now() + TOLD_AFTER, &mut said).await;
                self.brokers[broker].restart().await?;
            }
        }
        let back = self.exchanged().await?;
        let quiet = self.until_quiet().await?;
        let said = said.into_iter().map(|(cluster, text)| format!("{cluster}: {text}")).collect();
        Ok(Seen { back, quiet, said })
    }

    pub(crate) async fn end(mut self) -> Result<()> {
        for gateway in &mut self.gateways {
            gateway.stop().await?;
        }
        Ok(())
    }

    /// Notes what each gateway says is wrong, until then.
    async fn listen(&self, until: Instant, said: &mut BTreeMap<String, String>) {
        while Instant::now() < until {
            for gateway in &self.gateways {
                if let Ok(troubles) = log_troubles(gateway).await
                    && let Some(text) = troubles.into_iter().next()
                {
                    said.insert(gateway.cluster().to_owned(), text);
                }
            }
            tokio::time::sleep(POLL * 4).await;
        }
    }

    /// Registers an instance of a new service at each gateway; how long until the other shows it.
    async fn exchanged(&mut self) -> Result<Duration> {
        let start = Instant::now();
        self.registered += 1;
        let service = |cluster: &str| format!("s{}-of-{cluster}", self.registered);
        for gateway in &self.gateways {
            self.register(gateway, &service(gateway.cluster())).await?;
        }
        for (reader, writer) in [(0, 1), (1, 0)] {
            let (reader, wanted) = (&self.gateways[reader], service(self.gateways[writer].cluster()));
            loop {
                if !reader.instances("public", "DEFAULT_GROUP", &wanted).await.unwrap_or_default().is_empty() {
                    break;
                }
                if start.elapsed() > PATIENCE {
                    let (mine, theirs) = (told(reader).await, told(&self.gateways[writer]).await);
                    bail!(
                        "{} does not show {wanted} after {PATIENCE:?}; it says {mine}; the writer {theirs}",
                        reader.cluster()
                    );
                }
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(start.elapsed())
    }

    async fn register(&self, gateway: &Gateway, service: &str) -> Result<()> {
        let registry = gateway.registry().context("its registry is embedded")?;
        let form =
            [("serviceName", service), ("ip", "10.1.0.1"), ("port", "80"), ("ephemeral", "false"), ("healthy", "true")];
        let answer = self.http.post(format!("http://{registry}/nacos/v1/ns/instance")).form(&form).send().await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// Waits until no gateway tells of trouble with the log.
    async fn until_quiet(&self) -> Result<Duration> {
        let start = Instant::now();
        loop {
            let mut standing = Vec::new();
            for gateway in &self.gateways {
                standing.extend(log_troubles(gateway).await?);
            }
            if standing.is_empty() {
                return Ok(start.elapsed());
            }
            if start.elapsed() > PATIENCE {
                announce(&format!("still told: {standing:?}"));
                bail!("trouble is told after {PATIENCE:?}: {standing:?}");
            }
            tokio::time::sleep(POLL * 4).await;
        }
    }
}

async fn log_troubles(gateway: &Gateway) -> Result<Vec<String>> {
    let (_, status) = gateway.get("/v1/status", &[]).await?;
    let troubles = status["troubles"].as_array().cloned().unwrap_or_default();
    let is_of_log = |trouble: &&Value| trouble["kind"].as_str().is_some_and(|kind| kind.starts_with("log_"));
    Ok(troubles.iter().filter(is_of_log).map(|trouble| trouble["text"].as_str().unwrap_or("?").to_owned()).collect())
}

async fn told(gateway: &Gateway) -> String {
    let status = gateway.get("/v1/status", &[]).await.map(|(_, status)| status).unwrap_or_default();
    format!("{} {}", status["reasons"], status["facts"])
}
