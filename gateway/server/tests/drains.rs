//! Drains over the HTTP APIs of two gateways in one process: ordered at one, in the plans of the other.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use federation_gateway::app::stand_in::{EmbeddedBroker, Registry};
use federation_gateway::app::{LogTopics, RunningGateway};
use federation_gateway::config::{self, ConfigSurroundings, GatewayConfig};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Far longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
const CLUSTERS: [&str; 2] = ["frankfurt", "shanghai"];

struct Region {
    registry: SocketAddr,
    api: String,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

/// A port whose companion a thousand above is free, too.
fn registry_address() -> SocketAddr {
    let free = (20_000 + u16::try_from(std::process::id() % 10_000).unwrap()..31_700).find(|port| {
        let bind = |port: u16| TcpListener::bind(("127.0.0.1", port));
        bind(*port).is_ok() && bind(port + 1000).is_ok()
    });
    SocketAddr::from(([127, 0, 0, 1], free.unwrap()))
}

fn config(cluster: &str, registry: SocketAddr, broker: &EmbeddedBroker, folder: &Path) -> GatewayConfig {
    let text = format!(
        "federation: f\ncluster: {cluster}\nlocality: {{region: {cluster}-region}}\n\
         nacos: {{servers: [\"{registry}\"], service_poll: 1s, removal_hold: 2s}}\n\
         kafka: {{brokers: [\"{}\"], topics: {{partitions: 2}}}}\n\
         listen: {{http: \"127.0.0.1:0\", grpc: \"127.0.0.1:0\"}}\n\
         freshness: {{stale_after: 60s, lost_after: 600s}}\ndata_dir: {}\n",
        broker.address(),
        folder.join(cluster).display(),
    );
    config::from_text("test", &text, &ConfigSurroundings::default()).unwrap().config
}

impl Region {
    async fn start(cluster: &str, broker: &EmbeddedBroker, folder: &Path) -> Self {
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let address = registry_address();
        let registry = Registry::start(address, folder.join(format!("{cluster}-registry"))).await.unwrap();
        let forever = CancellationToken::new(); // The registry outlives its gateway.
        tasks.spawn(registry.run(forever));
        let config = config(cluster, address, broker, folder);
        broker.create_topics(&config).unwrap();
        let gateway = RunningGateway::assemble(config, LogTopics::Prepared).await.unwrap();
        let api = format!("http://{}", gateway.http());
        tasks.spawn(gateway.run(stop.clone()));
        Self { registry: address, api, stop, tasks }
    }

    async fn stop(&mut self) {
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap().unwrap();
    }

    async fn register(&self, service: &str, ip: &str) {
        let url = format!("http://{}/nacos/v1/ns/instance", self.registry);
        let instance = [("serviceName", service), ("ip", ip), ("port", "80"), ("ephemeral", "false")];
        let answer = reqwest::Client::new().post(url).form(&instance).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    async fn get(&self, path: &str) -> Value {
        reqwest::get(format!("{}{path}", self.api)).await.unwrap().json().await.unwrap()
    }

    async fn order(&self, order: Value) -> (StatusCode, Value) {
        let answer = reqwest::Client::new().post(format!("{}/v1/drains", self.api)).json(&order).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// Orders once the gateway has read the log.
    async fn order_soon(&self, order: Value) -> Value {
        let began = Instant::now();
        loop {
            match self.order(order.clone()).await {
                (StatusCode::OK, document) => return document,
                (StatusCode::SERVICE_UNAVAILABLE, _) if began.elapsed() < PATIENCE => pause().await,
                (status, problem) => panic!("{status}: {problem}"),
            }
        }
    }

    async fn healthy(&self, service: &str) -> usize {
        let document = self.get(&format!("/v1/service?healthyOnly=true&serviceName={service}")).await;
        document["instances"].as_array().map_or(0, Vec::len)
    }

    /// Millionths by cluster of what a caller in `cluster` gets; clusters that get nothing left out.
    async fn shares(&self, service: &str, cluster: &str) -> BTreeMap<String, u64> {
        let plan = self.get(&format!("/v1/resolve?serviceName={service}&cluster={cluster}")).await;
        let mut shares = BTreeMap::new();
        for endpoint in plan["endpoints"].as_array().into_iter().flatten() {
            let share = endpoint["share"].as_u64().unwrap();
            *shares.entry(endpoint["origin"].as_str().unwrap().to_owned()).or_default() += share;
        }
        shares.retain(|_, share| *share > 0);
        shares
    }
}

/// Each caller gets the instances of its own cluster: the other one has been heard, where it is and that it lives among it.
async fn is_ordinary(region: &Region) -> bool {
    let mut ordinary = (region.healthy("orders").await, region.healthy("alone").await) == (4, 1);
    for caller in CLUSTERS {
        ordinary &= region.shares("orders", caller).await == BTreeMap::from([(caller.to_owned(), 1_000_000)]);
    }
    ordinary
}

/// Between two looks at another process's state, which tells nobody when it changes.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// By caller, the shares of a comparison's only service.
fn compared(document: &Value, when: &str) -> BTreeMap<String, BTreeMap<String, u64>> {
    let [service] = document["services"].as_array().unwrap().as_slice() else { panic!("{document}") };
    let shares = |caller: &Value| {
        let all = caller[when]["clusters"].as_object().unwrap().iter();
        all.map(|(cluster, share)| (cluster.clone(), share.as_u64().unwrap())).filter(|(_, share)| *share > 0).collect()
    };
    let callers = service["callers"].as_array().unwrap().iter();
    callers.map(|caller| (caller["caller"].as_str().unwrap().to_owned(), shares(caller))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_is_what_its_dry_run_showed_at_every_gateway_and_undone_from_any() {
    let (broker, folder) = (EmbeddedBroker::start().unwrap(), tempfile::tempdir().unwrap());
    let mut frankfurt = Region::start(CLUSTERS[0], &broker, folder.path()).await;
    let shanghai = Region::start(CLUSTERS[1], &broker, folder.path()).await;
    for ip in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
        frankfurt.register("orders", ip).await;
    }
    shanghai.register("orders", "10.1.0.1").await;
    frankfurt.register("alone", "10.0.0.9").await;
    let began = Instant::now();
    for region in [&frankfurt, &shanghai] {
        while !is_ordinary(region).await {
            assert!(began.elapsed() < PATIENCE, "{}", region.get("/v1/service?serviceName=orders").await);
            pause().await;
        }
    }

    let (status, problem) = shanghai.order(json!({"cluster": "frankfurt", "percent": 1})).await;
    assert_eq!((status, &problem["total"]), (StatusCode::CONFLICT, &json!(1)), "{problem}");
    assert_eq!(problem["services"][0]["serviceName"], "alone");

    let mut order = json!({"cluster": "frankfurt", "services": {"serviceName": "orders"}, "percent": 37, "who": "ann", "reason": "test"});
    let ordered = order.clone();
    order["dryRun"] = true.into();
    let (status, told) = frankfurt.order(order).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let want = compared(&told, "after");
    assert_eq!(
        want["frankfurt"],
        BTreeMap::from([("frankfurt".to_owned(), 630_000), ("shanghai".to_owned(), 370_000)])
    );
    for caller in CLUSTERS {
        assert_eq!(shanghai.shares("orders", caller).await, compared(&told, "before")[caller], "nothing was ordered");
    }

    let drain = frankfurt.order_soon(ordered).await;
    assert_eq!((&drain["percent"], &drain["takenIn"], &drain["who"]), (&json!(37), &json!("frankfurt"), &json!("ann")));
    for caller in CLUSTERS {
        assert_eq!(frankfurt.shares("orders", caller).await, want[caller], "in the plans once the order is answered");
        let began = Instant::now();
        while shanghai.shares("orders", caller).await != want[caller] {
            assert!(began.elapsed() < PATIENCE, "{}", shanghai.get("/v1/drains").await);
            pause().await;
        }
    }
    assert_eq!(shanghai.get("/v1/drains").await["drains"][0]["effect"]["inForce"], 1);

    frankfurt.stop().await;
    let undone = json!({"cluster": "frankfurt", "services": {"serviceName": "orders"}, "percent": 0});
    let undone = shanghai.order_soon(undone).await;
    assert_eq!(
        (&undone["percent"], &undone["takenIn"], &undone["counter"]),
        (&json!(0), &json!("shanghai"), &json!(2))
    );
    for caller in CLUSTERS {
        assert_eq!(shanghai.shares("orders", caller).await, compared(&told, "before")[caller]);
    }
}
