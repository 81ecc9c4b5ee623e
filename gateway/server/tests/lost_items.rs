//! A config item of the embedded registry whose file is damaged between two runs: the federation goes on showing it, for nobody removed it.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use federation_gateway::app::stand_in::EmbeddedBroker;
use federation_gateway::app::{LogTopics, RunningGateway};
use federation_gateway::config::{self, ConfigSurroundings, GatewayConfig};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Far longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
const SHOWN: &str = "/v1/config?groupName=g&dataId=app.yaml";

struct Running {
    registry: SocketAddr,
    api: String,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

fn config(folder: &Path, broker: &EmbeddedBroker, registry: SocketAddr) -> GatewayConfig {
    let text = format!(
        "federation: f\ncluster: c\nnacos: {{embedded: true, removal_hold: 1s, listen: {{http: \"{registry}\", grpc: \"127.0.0.1:{}\"}}}}\n\
         kafka: {{brokers: [\"{}\"], topics: {{partitions: 1}}}}\nexport: {{configs: [{{data_id: \"*\"}}]}}\n\
         listen: {{http: \"127.0.0.1:0\", grpc: \"127.0.0.1:0\"}}\ndata_dir: {}\n",
        registry.port() + 1000,
        broker.address(),
        folder.join("data").display(),
    );
    config::from_text("test", &text, &ConfigSurroundings::default()).unwrap().config
}

/// A free port whose companion a thousand above is free, too.
fn registry_address() -> SocketAddr {
    let bind = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let mut ports = std::iter::repeat_with(|| rand::random_range(20_000..31_000));
    SocketAddr::from(([127, 0, 0, 1], ports.find(|port| bind(*port) && bind(port + 1000)).unwrap()))
}

impl Running {
    async fn start(config: GatewayConfig, registry: SocketAddr) -> Self {
        let gateway = RunningGateway::assemble(config, LogTopics::Prepared).await.unwrap();
        let (api, stop, mut tasks) = (format!("http://{}", gateway.http()), CancellationToken::new(), JoinSet::new());
        tasks.spawn(gateway.run(stop.clone()));
        Self { registry, api, stop, tasks }
    }

    async fn change(&self, method: reqwest::Method, content: &str) {
        let url = format!("http://{}/nacos/v1/cs/configs?group=g&dataId=app.yaml{content}", self.registry);
        let answer = reqwest::Client::builder().no_proxy().build().unwrap().request(method, url).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    async fn get(&self, path: &str) -> Value {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(format!("{}{path}", self.api)).send().await.unwrap().json().await.unwrap()
    }

    async fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) {
        let (began, mut asked) = (Instant::now(), tokio::time::interval(Duration::from_millis(50)));
        loop {
            asked.tick().await;
            let answer = self.get(path).await;
            if holds(&answer) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{path} is still {answer}");
        }
    }

    async fn shows(&self, content: &str) {
        self.until(SHOWN, |it| it["items"][0]["content"] == content).await;
        let written = |it: &Value| it["facts"]["changesWaiting"] == "0" && it["facts"]["recordsInFlight"] == "0";
        self.until("/v1/status", |it| it["facts"]["role"] == "leader" && written(it)).await;
    }

    async fn end(mut self) {
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_whose_file_is_damaged_is_not_withdrawn_until_somebody_removes_it() {
    let (broker, folder, registry) =
        (EmbeddedBroker::start().unwrap(), tempfile::tempdir().unwrap(), registry_address());
    let config = || config(folder.path(), &broker, registry);
    broker.create_topics(&config()).unwrap();
    let gateway = Running::start(config(), registry).await;
    gateway.change(reqwest::Method::POST, "&content=1").await;
    gateway.shows("1").await;
    gateway.end().await;

    let kept = fs::read_dir(folder.path().join("data/registry")).unwrap();
    let file = kept.map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some_and(|it| it == "json"));
    fs::write(file.unwrap(), "half of it").unwrap();
    let gateway = Running::start(config(), registry).await;
    gateway.until("/v1/status", |it| it["troubles"].to_string().contains("a config item is lost")).await;
    // Once its read was refused, and this gateway leads, it would be withdrawn if that were taken for "absent".
    gateway.until("/v1/status", |it| it.to_string().contains("the config item cannot be read")).await;
    gateway.shows("1").await;
    gateway.change(reqwest::Method::DELETE, "").await;
    gateway.until(SHOWN, |it| it["status"] == 404).await;
    gateway.until("/v1/status", |it| !it["troubles"].to_string().contains("storage")).await;
    gateway.end().await;
}
