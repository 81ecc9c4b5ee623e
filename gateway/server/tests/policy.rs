//! The policy of a running gateway, published as a config item of its embedded registry: from the item to the answers.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod ports;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use federation_gateway::app::stand_in::EmbeddedBroker;
use federation_gateway::app::{LogTopics, RunningGateway};
use federation_gateway::config::{self, ConfigSurroundings, GatewayConfig};
use nacos_protocol::client::{ClientEvent, ClientOptions, ConfigName, ConfigWrite, NacosClient, ServiceName};
use nacos_protocol::cluster::{ClusterOptions, NacosCluster};
use nacos_protocol::message::naming::NacosInstance;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use ports::free_port;

const PATIENCE: Duration = Duration::from_secs(20);
/// What is promised of a policy that was published.
const PROMISED: Duration = Duration::from_secs(2);
const FILE: &str = "stale: keep\n";
const GOOD: &str = "panic_threshold: 30\nservices:\n  - {service: order-*, panic_threshold: 10, locality: off}\n";
const WRONG: &str = "panic_threshold: 30\nservices:\n  - {service: order-*, panic_threshold: 101}\n";

struct Running {
    http: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

fn configuration(folder: &Path, broker: &str, registry: SocketAddr) -> GatewayConfig {
    let [data, file] = ["data", "policy.yaml"].map(|name| Value::from(folder.join(name).to_str().unwrap()).to_string());
    let grpc = registry.port() + 1000;
    let text = format!(
        "federation: f\ncluster: c\nlocality: {{region: r, zone: z1}}\nnacos: {{embedded: true, listen: {{http: \"{registry}\", grpc: \"127.0.0.1:{grpc}\"}}}}\n\
         kafka: {{brokers: [\"{broker}\"]}}\nexport: {{configs: []}}\nrouting: {{policy: {{file: {file}}}}}\n\
         listen: {{http: \"127.0.0.1:0\", grpc: \"127.0.0.1:0\"}}\ndata_dir: {data}\n"
    );
    config::from_text("test", &text, &ConfigSurroundings::default()).unwrap().config
}

impl Running {
    async fn start(config: GatewayConfig) -> Self {
        let gateway = RunningGateway::assemble(config, LogTopics::Prepared).await.unwrap();
        let (http, stop, mut tasks) = (gateway.http(), CancellationToken::new(), JoinSet::new());
        tasks.spawn(gateway.run(stop.clone()));
        Self { http, stop, tasks }
    }

    async fn get(&self, path: &str) -> Value {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(format!("http://{}{path}", self.http)).send().await.unwrap().json().await.unwrap()
    }

    /// Asks until the answer is as it should be; returns it and how long that took.
    async fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> (Value, Duration) {
        let began = Instant::now();
        let mut asked = tokio::time::interval(Duration::from_millis(20));
        loop {
            asked.tick().await;
            let answer = self.get(path).await;
            if holds(&answer) {
                return (answer, began.elapsed());
            }
            assert!(began.elapsed() < PATIENCE, "{path} is still {answer}");
        }
    }

    async fn end(mut self) {
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap().unwrap();
    }
}

/// A client of the registry, connected.
async fn publisher(registry: SocketAddr, tasks: &mut JoinSet<()>, stop: &CancellationToken) -> NacosClient {
    let cluster = NacosCluster::new(ClusterOptions::new(vec![registry.to_string().parse().unwrap()])).unwrap();
    let (client, mut events, connection) = NacosClient::new(cluster, ClientOptions::default());
    tasks.spawn(connection.run(stop.clone()));
    while !matches!(events.recv().await.unwrap(), ClientEvent::Connected { .. }) {}
    tasks.spawn(async move { while events.recv().await.is_some() {} });
    client
}

fn comes_from(kind: &str) -> impl Fn(&Value) -> bool {
    move |answer| answer["source"]["kind"] == kind
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_published_policy_is_in_force_a_wrong_one_is_reported_and_a_deleted_one_gives_way_to_the_file() {
    let (folder, registry, broker) = (tempfile::tempdir().unwrap(), free_port(), EmbeddedBroker::start().unwrap());
    let config = || configuration(folder.path(), broker.address(), registry);
    std::fs::write(folder.path().join("policy.yaml"), FILE).unwrap();
    broker.create_topics(&config()).unwrap();
    let gateway = Running::start(config()).await;
    assert!(comes_from("file")(&gateway.get("/v1/policy").await), "from the first answer on");

    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    let client = publisher(registry, &mut tasks, &stop).await;
    let item = ConfigName::new("public", "nacos-fed", "routing-policy.yaml");
    let publish =
        |content: &str| client.publish_config(&item, ConfigWrite { content: content.into(), ..ConfigWrite::default() });
    gateway.until("/v1/policy", |it| it["sources"][0]["state"] == "absent").await;

    let service = ServiceName::new("public", "DEFAULT_GROUP", "order-eu");
    let instance = |ip: &str, zone: &str| {
        let metadata = [("zone".to_owned(), zone.to_owned())].into();
        NacosInstance { ip: ip.into(), port: 80, metadata, ..NacosInstance::default() }
    };
    client.register(&service, vec![instance("10.0.0.1", "z1"), instance("10.0.0.2", "z2")]).await.unwrap();
    let shares = |plan: &Value| -> Vec<u64> {
        plan["endpoints"].as_array().into_iter().flatten().filter_map(|it| it["share"].as_u64()).collect()
    };
    let resolve = "/v1/resolve?serviceName=order-eu";
    gateway.until(resolve, |plan| shares(plan) == [1_000_000, 0]).await;

    publish(GOOD).await.unwrap();
    let (plan, took) = gateway.until(resolve, |plan| shares(plan) == [500_000, 500_000]).await;
    assert!(took < PROMISED, "{took:?}");
    assert_eq!(plan["policy"]["rule"], "*/*/order-*");
    let (whole, took) = gateway.until("/v1/policy", comes_from("config_item")).await;
    assert!(took < PROMISED, "{took:?}");
    assert_eq!(
        (&whole["version"], &whole["source"]["name"]),
        (&json!(2), &json!("public/nacos-fed/routing-policy.yaml"))
    );
    for (service, threshold, rule) in [("order-eu", 10, json!("order-*")), ("cart", 30, Value::Null)] {
        let answer = gateway.get(&format!("/v1/policy?serviceName={service}")).await;
        assert_eq!(
            (&answer["policy"]["panic_threshold"], &answer["rule"]["service"]),
            (&json!(threshold), &rule),
            "{service}"
        );
    }

    publish(WRONG).await.unwrap();
    let (refused, took) = gateway.until("/v1/policy", |it| it["sources"][0]["refused"].is_object()).await;
    assert!(took < PROMISED, "{took:?}");
    let mistake = &refused["sources"][0]["refused"]["mistakes"][0];
    assert_eq!((&mistake["line"], &mistake["field"]), (&json!(3), &json!("services[0].panic_threshold")));
    assert_eq!((&refused["version"], &refused["document"]), (&json!(2), &whole["document"]));
    let reason = "the policy in config item public/nacos-fed/routing-policy.yaml is refused, version 2 from config item \
                  public/nacos-fed/routing-policy.yaml stays in force: line 3: services[0].panic_threshold: `101` is out of range";
    let says = |status: &Value| {
        status["reasons"].as_array().unwrap().iter().any(|it| it.as_str().unwrap().starts_with(reason))
    };
    gateway.until("/v1/status", says).await;

    gateway.end().await;
    let gateway = Running::start(config()).await;
    let kept = gateway.get("/v1/policy").await;
    assert_eq!((&kept["md5"], &kept["sinceMs"]), (&whole["md5"], &whole["sinceMs"]), "though the item is wrong");
    gateway.until("/v1/policy", |it| it["sources"][0]["refused"].is_object()).await;
    assert_eq!(gateway.get("/v1/policy").await["document"], whole["document"]);

    let removed = async {
        while client.remove_config(&item).await.is_err() {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(PATIENCE, removed).await.unwrap();
    gateway.until("/v1/policy", comes_from("file")).await;
    let (_, took) = {
        std::fs::write(folder.path().join("policy.yaml"), "stale: demote\n").unwrap();
        gateway.until("/v1/policy", |it| it["document"]["stale"] == "demote").await
    };
    assert!(took < PROMISED, "{took:?}");
    stop.cancel();
    gateway.end().await;
}
