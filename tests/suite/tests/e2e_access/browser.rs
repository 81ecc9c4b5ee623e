//! A page of another origin in a real Chromium, before the weakest gateway that there is: on loopback, in plain text, without accounts. And the
//! same page before a server that looks at nothing, which shows that all of it would arrive.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::Html;
use axum::routing::get;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::ask::Shown;
use crate::gateway::{AccessGateway, Cluster};
use crate::stage::{Stage, eventually};

const PAGE: &str = include_str!("page.html");
/// Whose page it is. Its owner has made loopback of the name.
const EVIL: &str = "evil.example";
/// What the page sends that changes something where nobody looks.
const ACTS: [&str; 7] = [
    "order without cors",
    "order with its type",
    "order as a beacon",
    "order as a form",
    "registration as a form",
    "registration without cors",
    "config item without cors",
];

/// Serves something at a port of its own.
struct Served {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Served {
    async fn start(router: Router) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let (address, mut tasks) = (listener.local_addr()?, JoinSet::new());
        tasks.spawn(async move {
            let _ = axum::serve(listener, router).await; // It ends with this value.
        });
        Ok(Self { address, _tasks: tasks })
    }
}

/// What the page says of itself when it has tried everything before these two.
async fn tried(stage: &Stage, api: &str, registry: &str) -> Result<Value> {
    let page = PAGE.replace("API", api).replace("REGISTRY", registry);
    let served = Served::start(Router::new().route("/", get(move || std::future::ready(Html(page))))).await?;
    let browser = stage.browser.clone().taking_for_loopback(EVIL);
    let document = browser.document(&format!("http://{EVIL}:{}/", served.address.port())).await?;
    let told = document.split_once("<pre id=\"told\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let told = told.with_context(|| format!("the page is gone: {document}"))?.0;
    serde_json::from_str(&told.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
        .with_context(|| format!("the page says {told}"))
}

pub(crate) async fn a_page_of_somebody_else_neither_acts_nor_reads(stage: &mut Stage) -> Result<()> {
    before_a_server_that_looks_at_nothing(stage).await?;
    let keys = crate::provider::KeyServer::start(&[&stage.corp]).await?;
    let places = (stage.home.path(), std::net::Ipv4Addr::LOCALHOST.into());
    let mut near = AccessGateway::prepare(Cluster::Near, places, &keys, &stage.kafka.bootstrap()).await?;
    near.secrets.clone_from(&stage.shanghai.secrets);
    near.start().await?;
    let outcome = before_a_gateway(stage, &near).await;
    near.stop().await?;
    outcome
}

/// The page can do what it says: each of its acts arrives.
async fn before_a_server_that_looks_at_nothing(stage: &Stage) -> Result<()> {
    let arrived: Arc<Mutex<Vec<String>>> = Arc::default(); // Locked for adding or reading lines.
    let keep = Arc::clone(&arrived);
    let all = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let line = format!("{method} {uri} {}", String::from_utf8_lossy(&body));
        keep.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        let allowed = headers.get(header::ORIGIN).cloned().unwrap_or_else(|| "*".parse().expect("a header's value"));
        let answer = [
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type".parse().expect("a header's value")),
            (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true".parse().expect("a header's value")),
        ];
        std::future::ready((answer, "open to all"))
    };
    let lax = Served::start(Router::new().fallback(all)).await?;
    let base = format!("http://{}", lax.address);
    let told = tried(stage, &base, &base).await?;
    for name in ["fetch", "fetch with credentials", "order with its type"] {
        ensure!(told[name] == "read: open to all", "{name}: {told}");
    }
    let arrived = arrived.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
    let posts = arrived.lines().filter(|line| line.starts_with("POST ")).count();
    ensure!(posts == ACTS.len(), "{posts} acts arrived of {}: {arrived}", ACTS.len());
    ensure!(arrived.contains("ev=il") && arrived.contains("ip=10.6.6.6"), "{arrived}");
    Ok(())
}

async fn before_a_gateway(stage: &Stage, near: &AccessGateway) -> Result<()> {
    eventually("it has what the others have", async || {
        let told = stage.ask(near, &Shown::default(), "GET", "/v1/configs", "").await?;
        ensure!(told.document()["total"] == 2, "{told:?}");
        Ok(())
    })
    .await?;
    let registry = format!("http://{}", near.registry().context("it has an embedded registry")?);
    for api in [near.http(), near.http().replace("127.0.0.1", "localhost")] {
        let told = tried(stage, &api, &registry).await?;
        stage.memory.said(&told.to_string());
        for (name, outcome) in told.as_object().context("the page tells of attempts")? {
            let outcome = outcome.as_str().unwrap_or_default();
            let blind =
                ["failed", "opaque: 0", "sent", "sealed", "nothing came"].iter().any(|it| outcome.starts_with(it));
            ensure!(blind, "{name} at {api}: {outcome}");
        }
        ensure!(told["image"] == "failed" && told["script"] == "failed" && told["style"] == "failed", "{told}");
    }
    for (what, path) in [("drained", "/v1/drains?effects=false"), ("excluded", "/v1/excluded")] {
        let told = stage.ask(near, &Shown::default(), "GET", path, "").await?;
        ensure!(
            told.status == 200 && !told.text.contains("\"near\"") && !told.text.contains("il\""),
            "{what}: {told:?}"
        );
    }
    for path in ["/v1/services", "/v1/configs"] {
        let told = stage.ask(near, &Shown::default(), "GET", path, "").await?;
        ensure!(told.status == 200 && !told.text.contains("evil"), "{path}: {told:?}");
    }
    rebinding(stage, near, &registry).await
}

/// The page's own name leads to the gateway's port: to the browser the gateway is of the same origin.
async fn rebinding(stage: &Stage, near: &AccessGateway, registry: &str) -> Result<()> {
    let browser = stage.browser.clone().taking_for_loopback(EVIL);
    let right = browser.document(&format!("{}/v1/status", near.http())).await?;
    ensure!(right.contains("\"cluster\""), "by its address it answers: {right}");
    for port in [near.port(), stage.shanghai.port()] {
        for path in ["/v1/status", "/v1/configs", "/v1/drains", "/docs/"] {
            let told = browser.document(&format!("http://{EVIL}:{port}{path}")).await;
            if port == near.port() {
                let told = told?;
                ensure!(told.contains("urn:federation:problem:other-host") && told.contains("421"), "{path}: {told}");
            } else {
                // It listens on another address than the one that the name leads to.
                ensure!(!told.unwrap_or_default().contains("\"cluster\""), "{path}");
            }
        }
    }
    let port = registry.rsplit_once(':').context("an address has a port")?.1;
    let told = browser.document(&format!("http://{EVIL}:{port}/nacos/v1/ns/service/list?pageNo=1&pageSize=10")).await?;
    ensure!(!told.contains("\"doms\""), "the embedded registry answers {told}");
    let told = stage.curl(near, &Shown::default(), &["--header", &format!("host: {EVIL}")], "/v1/configs").await?;
    ensure!(told.status == 421, "{told:?}");
    Ok(())
}
