//! A registry, an SDK that writes into it, and a gateway's observation of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use federation_core::federation::input::{Effect, Input, LocalInput};
use federation_core::id::ServiceKey;
use federation_core::local::observation::Local;
use federation_core::local::service::Patience;
use federation_core::pattern::Selection;
use federation_core::time::{Millis, Mono};
use nacos_protocol::client::{Client, ClientOptions, Event, Events, ServiceName};
use nacos_protocol::cluster::{Cluster, ClusterOptions};
use nacos_protocol::message::naming::Instance;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Namespaces;
use crate::metrics::NacosMetrics;
use crate::nacos::{NacosHandle, NacosTasksError, Settings, connect};
use crate::ports::{LocalNacos, News};
use crate::registry::embedded::{EmbeddedError, EmbeddedOptions, EmbeddedRegistry};

const PATIENCE: Duration = Duration::from_secs(30);

/// A service of group `G`.
pub(super) fn name(namespace: &str, service: &str) -> ServiceName {
    ServiceName::new(namespace, "G", service)
}

pub(super) fn key(name: &ServiceName) -> ServiceKey {
    ServiceKey::new(&name.namespace, &name.group, &name.service)
}

pub(super) fn instance(ip: &str) -> Instance {
    Instance { ip: ip.to_owned(), port: 80, ..Instance::default() }
}

/// How the HTTP port answers admin calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Answers {
    /// As the registry does.
    Pass,
    /// 403.
    Refuse,
    /// 500.
    Fail,
    /// 200 with a page for people.
    Html,
    /// The first half of the registry's answer.
    BreakOff,
    /// Lists announce what they do not hold.
    EmptyPage,
}

const ALL: [Answers; 6] =
    [Answers::Pass, Answers::Refuse, Answers::Fail, Answers::Html, Answers::BreakOff, Answers::EmptyPage];

/// Stands in front of the registry's HTTP port.
#[derive(Clone)]
struct Front {
    registry: SocketAddr,
    answers: Arc<AtomicU8>,
    client: reqwest::Client,
}

/// A registry with an SDK that is connected to it.
pub(super) struct Rehearsal {
    pub(super) sdk: Client,
    sdk_events: Events,
    http: SocketAddr,
    /// Where the gateway asks: the registry, or what stands in front of it.
    address: SocketAddr,
    answers: Arc<AtomicU8>,
    stop: CancellationToken,
    registry: JoinSet<Result<(), EmbeddedError>>,
    /// Drain, run and answer; dropped with this.
    helpers: JoinSet<()>,
}

fn options(http: SocketAddr) -> EmbeddedOptions {
    EmbeddedOptions { push_delay: Duration::from_millis(5), ..EmbeddedOptions::at(http) }
}

async fn bind() -> EmbeddedRegistry {
    // A free HTTP port says nothing of the port 1000 above it.
    loop {
        match EmbeddedRegistry::start(options("127.0.0.1:0".parse().unwrap())).await {
            Ok(registry) => return registry,
            Err(EmbeddedError::Bind { .. } | EmbeddedError::NoGrpcPort(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

impl Rehearsal {
    pub(super) async fn start() -> Self {
        let registry = bind().await;
        let (http, stop) = (registry.http_addr(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(registry.run(stop.clone()));
        let cluster = ClusterOptions::new(vec![http.to_string().parse().unwrap()]);
        let (sdk, sdk_events, connection) = Client::new(Cluster::new(cluster).unwrap(), ClientOptions::default());
        let mut helpers = JoinSet::new();
        helpers.spawn(connection.run(CancellationToken::new()));
        let answers = Arc::default();
        let mut rehearsal = Self { sdk, sdk_events, http, address: http, answers, stop, registry: tasks, helpers };
        rehearsal.until_sdk_is_connected().await;
        rehearsal
    }

    /// The gateway's HTTP calls go to a front that answers so.
    pub(super) async fn start_behind(answers: Answers) -> Self {
        let mut rehearsal = Self::start().await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let front = Front { registry: rehearsal.http, answers: Arc::clone(&rehearsal.answers), client };
        // The gRPC port has to be above: clients compute it.
        let listener = loop {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            if listener.local_addr().unwrap().port() < rehearsal.http.port() + 1000 {
                break listener;
            }
        };
        rehearsal.address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(front);
        rehearsal.helpers.spawn(async move { axum::serve(listener, router).await.unwrap() });
        rehearsal.answer(answers);
        rehearsal
    }

    pub(super) fn answer(&self, answers: Answers) {
        self.answers.store(answers as u8, Ordering::Relaxed);
    }

    async fn until_sdk_is_connected(&mut self) {
        let connected = async { while !matches!(self.sdk_events.recv().await, Some(Event::Connected { .. })) {} };
        tokio::time::timeout(PATIENCE, connected).await.expect("the sdk connects");
        while self.sdk.connected_to().is_none() {
            tokio::task::yield_now().await;
        }
    }

    pub(super) async fn stop(&mut self) {
        self.stop.cancel();
        while let Some(ended) = self.registry.join_next().await {
            ended.unwrap().unwrap();
        }
    }

    /// Starts a registry without memory in the place of this one; the SDK is connected to it in the end.
    pub(super) async fn restart(&mut self) {
        self.stop().await;
        self.stop = CancellationToken::new();
        let registry = EmbeddedRegistry::start(options(self.http)).await.unwrap();
        self.registry.spawn(registry.run(self.stop.clone()));
        self.until_sdk_is_connected().await;
    }

    pub(super) async fn call(&self, method: &str, path: &str) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.request(method, format!("http://{}/nacos/{path}", self.http)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }

    pub(super) async fn create_namespace(&mut self, id: &str) {
        self.call("POST", &format!("v3/admin/core/namespace?namespaceId={id}&namespaceName={id}")).await;
    }

    pub(super) fn gateway(&self) -> Gateway {
        self.gateway_exporting(Selection::everything())
    }

    pub(super) fn gateway_exporting(&self, export: Selection) -> Gateway {
        let mut cluster = ClusterOptions::new(vec![self.address.to_string().parse().unwrap()]);
        cluster.grpc_offset = self.http.port() + 1000 - self.address.port();
        let settings = Settings {
            cluster,
            export: export.clone(),
            namespaces: Namespaces::default(),
            namespace_poll: Duration::from_millis(300),
            service_poll: Duration::from_millis(200),
        };
        Gateway::start(settings, export)
    }
}

async fn answer(State(front): State<Front>, request: Request) -> Response {
    let answers = ALL[front.answers.load(Ordering::Relaxed) as usize];
    let url = format!("http://{}{}", front.registry, request.uri());
    let passed = front.client.request(request.method().clone(), url).send().await;
    let Ok(passed) = passed else { return StatusCode::BAD_GATEWAY.into_response() };
    let status = passed.status();
    let Ok(body) = passed.bytes().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let json = |body: Body| (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    match answers {
        Answers::Pass => json(Body::from(body)),
        Answers::Refuse => (StatusCode::FORBIDDEN, "no right").into_response(),
        Answers::Fail => (StatusCode::INTERNAL_SERVER_ERROR, "failed").into_response(),
        Answers::Html => (StatusCode::OK, "<html>maintenance</html>").into_response(),
        Answers::BreakOff => json(Body::from(body.slice(..body.len() / 2))),
        Answers::EmptyPage if request.uri().path().contains("namespace") => json(Body::from(body)),
        Answers::EmptyPage => {
            json(Body::from(r#"{"code":0,"data":{"totalCount":3,"pageItems":[],"count":3,"list":[]}}"#))
        }
    }
}

/// The adapter and the engine's observation behind it.
pub(super) struct Gateway {
    pub(super) handle: Asker,
    pub(super) local: Local,
    /// Everything that the engine was told.
    pub(super) told: Vec<LocalInput>,
    inbox: mpsc::Receiver<News>,
    started: Instant,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), NacosTasksError>>,
}

/// The handle, with questions by local name.
pub(super) struct Asker(NacosHandle);

impl Asker {
    pub(super) fn read(&mut self, service: &ServiceName) {
        self.0.read_service(key(service));
    }

    pub(super) fn status(&self) -> crate::nacos::NacosStatus {
        self.0.status()
    }
}

impl Gateway {
    fn start(settings: Settings, export: Selection) -> Self {
        let (sender, inbox) = mpsc::channel(64);
        let (handle, tasks) = connect(settings, sender, NacosMetrics::default()).unwrap();
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(tasks.run(stop.clone()));
        let patience = Patience { removal_hold: Millis(700), sweep_interval: Millis(600_000) };
        Self {
            handle: Asker(handle),
            local: Local::new(patience, export),
            told: Vec::new(),
            inbox,
            started: Instant::now(),
            stop,
            tasks: running,
        }
    }

    pub(super) fn now(&self) -> Mono {
        Mono(u64::try_from(self.started.elapsed().as_millis()).unwrap())
    }

    /// Lets the engine work until `wanted`.
    pub(super) async fn until(&mut self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !wanted(self) {
            assert!(Instant::now() < deadline, "{what}: not in time; told {:#?}", self.told);
            self.work().await;
        }
    }

    async fn work(&mut self) {
        let news = tokio::time::timeout(Duration::from_millis(20), self.inbox.recv()).await;
        let now = self.now();
        let mut effects = Vec::new();
        if let Ok(news) = news {
            let Input::Local(input) = news.expect("the adapter runs").input else { panic!("news of the log") };
            self.told.push(input.clone());
            self.local.step(now, input, &mut effects);
        }
        self.local.tick(now, &mut effects);
        for effect in effects {
            match effect {
                Effect::WatchService(key) => self.handle.0.watch_service(key),
                Effect::UnwatchService(key) => self.handle.0.unwatch_service(key),
                Effect::ReadService(key) => self.handle.0.read_service(key),
                Effect::QueryService(key) => self.handle.0.query_service(key),
                Effect::ReadConfig(key) => self.handle.0.read_config(key),
                other => panic!("{other:?}"),
            }
        }
    }

    /// How often the engine was told that all has answered.
    pub(super) fn answered(&self) -> usize {
        self.told.iter().filter(|input| **input == LocalInput::Answered).count()
    }

    /// Addresses of a service's instances, held ones too.
    pub(super) fn addresses(&self, service: &ServiceName) -> Vec<String> {
        let found = self.local.service(&key(service));
        found.map_or_else(Vec::new, |found| found.instances().map(|(id, _, _)| id.ip.to_string()).collect())
    }

    /// A fact of the status; empty if it is not there.
    pub(super) fn fact(&self, name: &str) -> String {
        let facts = self.handle.status().facts();
        facts.into_iter().find(|(found, _)| *found == name).map_or_else(String::new, |(_, text)| text)
    }

    pub(super) async fn end(mut self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.tasks.join_next()).await.expect("it stops in time");
        ended.expect("it ran").expect("no panic").expect("no failure");
    }
}
