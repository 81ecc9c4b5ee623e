//! Who may ask a running gateway: tokens of a file, JWTs of a provider that is asked over HTTP, and the record of what was ordered.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod ports;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use federation_access::document::TokenEntry;
use federation_access::role::{AccessRole, RoleGrant};
use federation_access::token_file::{self, TokenFileError};
use federation_access::tokens::TokenDigest;
use federation_core::time::WallMs;
use federation_gateway::app::stand_in::EmbeddedBroker;
use federation_gateway::app::{LogTopics, RunningGateway};
use federation_gateway::config::{self, ConfigSurroundings, GatewayConfig};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use ports::free_port;

const PATIENCE: Duration = Duration::from_secs(20);

fn configuration(folder: &Path, broker: &str, registry: SocketAddr, keys: SocketAddr) -> GatewayConfig {
    let path = |name: &str| Value::from(folder.join(name).to_str().unwrap()).to_string();
    let (data, tokens, audit, grpc) = (path("data"), path("tokens.yaml"), path("audit.jsonl"), registry.port() + 1000);
    let text = format!(
        "federation: f\ncluster: c\nnacos: {{embedded: true, listen: {{http: \"{registry}\", grpc: \"127.0.0.1:{grpc}\"}}}}\n\
         kafka: {{brokers: [\"{broker}\"]}}\nlisten: {{http: \"127.0.0.1:0\", grpc: \"127.0.0.1:0\"}}\ndata_dir: {data}\n\
         access:\n  tokens_file: {tokens}\n  audit_file: {audit}\n  bindings: [{{role: operator, to: [\"jwt-group:corp/sre\"]}}]\n  \
         jwt: [{{name: corp, issuer: id, audience: nacos-fed, algorithms: [EdDSA], jwks_url: \"http://{keys}/keys\"}}]\n"
    );
    config::from_text("test", &text, &ConfigSurroundings::default()).unwrap().config
}

/// An identity provider with one key, which it shows until it is dropped.
struct Provider {
    key: Ed25519KeyPair,
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Provider {
    async fn start() -> Self {
        let key = Ed25519KeyPair::generate().unwrap();
        let x = URL_SAFE_NO_PAD.encode(key.public_key());
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": x}]}).to_string();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, mut tasks) = (listener.local_addr().unwrap(), JoinSet::new());
        let router = Router::new().route("/keys", get(move || std::future::ready(keys.clone())));
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { key, address, _tasks: tasks }
    }

    fn token(&self, name: &str, audience: &str) -> String {
        let expires = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 600;
        let claims = json!({"iss": "id", "aud": audience, "exp": expires, "sub": name, "groups": ["sre"]});
        let header = json!({"alg": "EdDSA", "kid": "k"});
        let message = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(self.key.sign(message.as_bytes())))
    }
}

async fn ask(http: SocketAddr, method: Method, path: &str, token: &str, body: &Value) -> (StatusCode, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.request(method.clone(), format!("http://{http}{path}"));
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    let request = if method == Method::POST { request.json(body) } else { request };
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap_or_default())
}

fn keep_tokens(path: &Path, tokens: Vec<TokenEntry>) {
    token_file::change::<TokenFileError>(path, |_| Ok(tokens)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_gateway_knows_tokens_and_jwts_refuses_others_and_records_orders() {
    let (folder, registry, broker) = (tempfile::tempdir().unwrap(), free_port(), EmbeddedBroker::start().unwrap());
    let provider = Provider::start().await;
    let config = || configuration(folder.path(), broker.address(), registry, provider.address);
    broker.create_topics(&config()).unwrap();
    let viewer = TokenEntry {
        name: "ci".into(),
        digest: TokenDigest::of("nfed_ci"),
        created: WallMs(0),
        expires: None,
        grants: vec![RoleGrant::whole(AccessRole::Viewer)],
    };
    let tokens = folder.path().join("tokens.yaml");
    keep_tokens(&tokens, vec![viewer]);
    let gateway = RunningGateway::assemble(config(), LogTopics::Prepared).await.unwrap();
    let (http, stop, mut tasks) = (gateway.http(), CancellationToken::new(), JoinSet::new());
    tasks.spawn(gateway.run(stop.clone()));
    let read =
        |path: &'static str, token: String| async move { ask(http, Method::GET, path, &token, &Value::Null).await };

    assert_eq!(read("/v1/status", String::new()).await.0, StatusCode::UNAUTHORIZED, "also on loopback, with accounts");
    assert_eq!(read("/livez", String::new()).await.0, StatusCode::OK);
    assert_eq!(read("/v1/status", "nfed_ci".to_owned()).await.0, StatusCode::OK);
    let (alice, astray) = (provider.token("alice", "nacos-fed"), provider.token("alice", "something-else"));
    let (status, who) = read("/v1/whoami", alice.clone()).await;
    assert_eq!(
        (status, &who["identity"], &who["roles"]),
        (StatusCode::OK, &json!("jwt:corp/alice"), &json!(["operator"]))
    );
    let (status, problem) = read("/v1/status", astray).await;
    assert!(
        status == StatusCode::UNAUTHORIZED && problem["detail"].as_str().unwrap().contains("audience"),
        "{problem}"
    );

    let order = json!({"cluster": "zanzibar", "excluded": true, "reason": "garbage", "who": "root"});
    assert_eq!(ask(http, Method::POST, "/v1/excluded", "nfed_ci", &order).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(http, Method::POST, "/v1/excluded", &alice, &order).await.0, StatusCode::OK);
    let (_, excluded) = read("/v1/excluded", "nfed_ci".to_owned()).await;
    assert_eq!(excluded["excluded"][0]["who"], "jwt:corp/alice (says root)");

    let (later, of_another_key) =
        (provider.token("bob", "nacos-fed"), Provider::start().await.token("bob", "nacos-fed"));
    drop(provider);
    assert_eq!(read("/v1/status", later).await.0, StatusCode::OK, "the keys that are known count on");
    assert_eq!(read("/v1/status", of_another_key).await.0, StatusCode::UNAUTHORIZED);

    keep_tokens(&tokens, Vec::new());
    let (began, mut asked) = (Instant::now(), tokio::time::interval(Duration::from_millis(50)));
    while read("/v1/status", "nfed_ci".to_owned()).await.0 != StatusCode::UNAUTHORIZED {
        assert!(began.elapsed() < PATIENCE, "a token that was revoked still counts");
        asked.tick().await;
    }
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap().unwrap();

    let text = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told =
        |record: &Value| (record["who"].as_str().unwrap().to_owned(), record["outcome"].as_str().unwrap().to_owned());
    let want =
        [("token:ci", "refused"), ("jwt:corp/alice", "done")].map(|(who, what)| (who.to_owned(), what.to_owned()));
    assert_eq!(records.iter().map(told).collect::<Vec<_>>(), want);
    assert!(records[1]["from"].as_str().unwrap().starts_with("127.0.0.1:"), "{text}");
    assert!(!text.contains("nfed_ci") && !text.contains(&alice), "what was shown is recorded nowhere");
}
