//! Users of the Nacos beside a running gateway log in to it, and its own password changes while it runs.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod ports;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use federation_gateway::app::stand_in::EmbeddedBroker;
use federation_gateway::app::{LogTopics, RunningGateway};
use federation_gateway::config::{self, ConfigSurroundings, GatewayConfig};
use federation_registry::{EmbeddedOptions, EmbeddedRegistry, RegistryCredentials};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use ports::free_port;

const PATIENCE: Duration = Duration::from_secs(30);

fn configuration(folder: &Path, broker: &str, nacos: SocketAddr) -> GatewayConfig {
    let path = |name: &str| Value::from(folder.join(name).to_str().unwrap()).to_string();
    let (data, audit, password) = (path("data"), path("audit.jsonl"), path("password"));
    let text = format!(
        "federation: f\ncluster: c\nnacos: {{servers: [\"{nacos}\"], username: nacos, password_file: {password}}}\n\
         kafka: {{brokers: [\"{broker}\"]}}\nlisten: {{http: \"127.0.0.1:0\", grpc: \"127.0.0.1:0\"}}\ndata_dir: {data}\n\
         access: {{nacos_login: true, audit_file: {audit}, bindings: [{{role: viewer, to: [\"nacos:na*\"]}}]}}\n"
    );
    config::from_text("test", &text, &ConfigSurroundings::default()).unwrap().config
}

/// A Nacos of one user, which ends with this value.
struct Nacos {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Nacos {
    async fn start(at: SocketAddr, password: &str) -> Self {
        let credentials = RegistryCredentials { username: "nacos".to_owned(), password: password.to_owned() };
        let options = EmbeddedOptions { credentials: Some(credentials), ..EmbeddedOptions::at(at) };
        let (registry, stop) = (EmbeddedRegistry::start(options).await.unwrap(), CancellationToken::new());
        let (mut tasks, token) = (JoinSet::new(), stop.clone());
        tasks.spawn(async move { registry.run(token).await.unwrap() });
        Self { stop, tasks }
    }

    async fn stop(mut self) {
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap();
    }
}

struct Asked {
    http: SocketAddr,
    client: Client,
}

impl Asked {
    async fn log_in(&self, password: &str) -> (StatusCode, Value) {
        let body = json!({"username": "nacos", "password": password});
        let answer = self.client.post(format!("http://{}/v1/login", self.http)).json(&body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn get(&self, path: &str, token: &str) -> (StatusCode, Value) {
        let answer = self.client.get(format!("http://{}{path}", self.http)).bearer_auth(token).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    /// Waits until `status` says this of the local Nacos, or of what is wrong.
    async fn until(&self, token: &str, what: &str, is: impl Fn(&Value) -> bool) {
        let (began, mut asked) = (Instant::now(), tokio::time::interval(Duration::from_millis(50)));
        loop {
            let status = self.get("/v1/status", token).await.1;
            if is(&status) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{what}: {status:#}");
            asked.tick().await;
        }
    }
}

/// What `status` says of the connection to the local Nacos.
fn nacos_of(status: &Value) -> &str {
    status["facts"]["nacos"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_nacos_log_in_and_the_gateways_own_password_changes_while_it_runs() {
    let (folder, at, broker) = (tempfile::tempdir().unwrap(), free_port(), EmbeddedBroker::start().unwrap());
    std::fs::write(folder.path().join("password"), "first secret\n").unwrap();
    let config = || configuration(folder.path(), broker.address(), at);
    broker.create_topics(&config()).unwrap();
    let nacos = Nacos::start(at, "second secret").await;
    let gateway = RunningGateway::assemble(config(), LogTopics::Prepared).await.unwrap();
    let (http, stop, mut tasks) = (gateway.http(), CancellationToken::new(), JoinSet::new());
    tasks.spawn(gateway.run(stop.clone()));
    let asked = Asked { http, client: Client::builder().no_proxy().build().unwrap() };

    let (status, problem) = asked.log_in("another").await;
    assert_eq!((status, &problem["type"]), (StatusCode::UNAUTHORIZED, &json!("urn:federation:problem:login-refused")));
    let (status, session) = asked.log_in("second secret").await;
    assert_eq!((status, &session["identity"]), (StatusCode::OK, &json!("nacos:nacos")));
    let token = session["token"].as_str().unwrap();
    assert_eq!(asked.get("/v1/clusters", token).await.0, StatusCode::OK);
    assert_eq!(asked.get("/v1/audit", token).await.0, StatusCode::FORBIDDEN, "by bindings as anybody");

    asked.until(token, "the gateway's own password is wrong", |status| nacos_of(status).contains("login")).await;
    std::fs::write(folder.path().join("password"), "second secret\n").unwrap();
    asked.until(token, "the new one counts", |status| nacos_of(status).starts_with("connected")).await;

    nacos.stop().await;
    let (status, problem) = asked.log_in("second secret").await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("urn:federation:problem:login-unjudged"))
    );
    assert_eq!(asked.get("/v1/session", token).await.0, StatusCode::OK, "sessions go on");
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap().unwrap();

    let text = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    let statuses = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["status"].as_u64().unwrap());
    assert_eq!(statuses.collect::<Vec<_>>(), [401, 200, 503]);
    assert!(!text.contains("secret") && !text.contains(token), "{text}");
}
