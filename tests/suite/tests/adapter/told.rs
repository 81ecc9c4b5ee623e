//! What a whole gateway tells people of its Nacos, over HTTP: each trouble while it lasts, and not afterwards.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use federation_gateway::app::stand_in::EmbeddedBroker;
use federation_gateway::app::{LogTopics, RunningGateway};
use federation_gateway::config::{self, ConfigSurroundings, GatewayConfig};
use federation_harness::Fault;
use federation_harness::home::Home;
use nacos_protocol::client::ServiceName;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::observer::{instance, name};
use crate::rehearsal::Rehearsal;

/// A removal is doubted after the hold and 45 s, a rule after 30 s.
const PATIENCE: Duration = Duration::from_secs(120);

struct Running {
    http: SocketAddr,
    client: reqwest::Client,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

fn configuration(home: &Home, broker: &str, nacos: &str) -> GatewayConfig {
    let data = Value::from(home.path().join("data").to_string_lossy()).to_string();
    let text = format!(
        "federation: f\ncluster: c\nlocality: {{region: r}}\nkafka: {{brokers: [\"{broker}\"]}}\n\
         nacos: {{servers: [\"{nacos}\"], removal_hold: 1s, service_poll: 1s, namespace_poll: 1s}}\n\
         export: {{services: [{{}}, {{namespace: ghost}}]}}\n\
         listen: {{http: \"127.0.0.1:0\", grpc: \"127.0.0.1:0\"}}\ndata_dir: {data}\n"
    );
    config::from_text("test", &text, &ConfigSurroundings::default()).expect("a good configuration").config
}

impl Running {
    async fn start(config: GatewayConfig) -> Self {
        let gateway = RunningGateway::assemble(config, LogTopics::Prepared).await.expect("a gateway");
        let (http, stop, mut tasks) = (gateway.http(), CancellationToken::new(), JoinSet::new());
        tasks.spawn(gateway.run(stop.clone()));
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { http, client, stop, tasks }
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(format!("http://{}{path}", self.http)).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    async fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) {
        let began = Instant::now();
        let mut asked = tokio::time::interval(Duration::from_millis(100));
        loop {
            asked.tick().await;
            let answer = self.get(path).await;
            if holds(&answer) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{path} is still {answer}");
        }
    }

    /// Waits until this trouble is told, and by whatever asks for readiness, too.
    async fn told(&self, kind: &str, about: &str) {
        let is_told = |answer: &Value| tells(answer, kind, about);
        self.until("/v1/status", is_told).await;
        self.until("/readyz", is_told).await;
        let status = self.get("/v1/status").await;
        let texts = status["troubles"].as_array().into_iter().flatten().filter_map(|it| it["text"].as_str());
        let reasons: Vec<&str> = status["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert!(texts.into_iter().all(|text| reasons.iter().any(|reason| reason.contains(text))), "{status}");
    }

    async fn healed(&self, kind: &str, about: &str) {
        self.until("/v1/status", |answer| !tells(answer, kind, about)).await;
    }
}

fn tells(answer: &Value, kind: &str, about: &str) -> bool {
    let mut troubles = answer["troubles"].as_array().into_iter().flatten();
    troubles.any(|it| it["kind"] == kind && it["about"] == about)
}

/// Health of the service's instances by their address.
fn healths(service: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let instances = service["instances"].as_array().into_iter().flatten();
    instances.map(|it| (text(&it["ip"]), text(&it["health"]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_without_a_match_and_a_removal_without_a_proof_are_told_and_healed() {
    let registry = Rehearsal::start_behind_a_proxy().await;
    let orders = name("public", "orders");
    registry.sdk.register(&orders, vec![instance("10.0.0.1"), instance("10.0.0.2")]).await.expect("registered");
    let (home, broker) = (Home::temporary("told").expect("a folder"), EmbeddedBroker::start().expect("a broker"));
    let config = configuration(&home, broker.address(), &registry.address());
    broker.create_topics(&config).expect("topics");
    let mut gateway = Running::start(config).await;
    gateway.until("/readyz", |answer| answer["ready"] == true).await;
    let path = "/v1/service?namespaceId=public&groupName=G&serviceName=orders";
    gateway.until(path, |answer| healths(answer).len() == 2).await;

    registry.spoil_all_of(&["ns/service?", "orders"], Fault::Status500);
    registry.sdk.register(&orders, vec![instance("10.0.0.1")]).await.expect("registered");
    let (rule, removal, call) =
        ("export.services[1] ghost/*/*", "public/G@@orders", "read_instances of public/G@@orders");
    gateway.told("nacos_call", call).await;
    gateway.told("rule_matches_nothing", rule).await;
    gateway.told("removal_unconfirmed", removal).await;
    let want = [("10.0.0.1", "healthy"), ("10.0.0.2", "unknown")];
    gateway.until(path, |answer| healths(answer) == want.map(|(ip, health)| (ip.to_owned(), health.to_owned()))).await;

    registry.heal();
    gateway.healed("removal_unconfirmed", removal).await;
    gateway.healed("nacos_call", call).await;
    gateway.until(path, |answer| healths(answer).len() == 1).await;
    let late = ServiceName::new("ghost", "G", "s");
    registry.sdk.register(&late, vec![instance("10.0.0.3")]).await.expect("registered");
    gateway.healed("rule_matches_nothing", rule).await;
    gateway.until("/v1/status", |answer| answer["troubles"].as_array().is_some_and(Vec::is_empty)).await;
    gateway.stop.cancel();
    gateway.tasks.join_next().await.expect("it ran").expect("no panic").expect("no failure");
}
