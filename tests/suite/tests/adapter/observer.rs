//! The adapter of the local Nacos, with the engine's own observation behind it in the place of an engine.

use std::time::{Duration, Instant};

use federation_core::id::ServiceKey;
use federation_core::input::{Effect, Input, LocalInput};
use federation_core::local::observation::LocalObservation;
use federation_core::local::service::RemovalPatience;
use federation_core::time::Mono;
use federation_nacos::{NacosHandle, NacosSettings, NacosStatus, NacosTasksError, connect};
use federation_ports::facts::FactSource;
use federation_ports::inbox::{EngineNews, LocalNacos, OwnItem};
use federation_ports::metrics::{NacosMetrics, TroubleKind};
use federation_ports::trouble::TroubleBoard;
use nacos_protocol::client::{ConfigName, ServiceName};
use nacos_protocol::message::naming::NacosInstance;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes, on a busy machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A service of group `G`.
pub(crate) fn name(namespace: &str, service: &str) -> ServiceName {
    ServiceName::new(namespace, "G", service)
}

/// Its key, where namespaces are not renamed.
pub(crate) fn key(name: &ServiceName) -> ServiceKey {
    ServiceKey::new(&name.namespace, &name.group, &name.service)
}

/// A healthy instance.
pub(crate) fn instance(ip: &str) -> NacosInstance {
    NacosInstance { ip: ip.to_owned(), port: 80, ..NacosInstance::default() }
}

/// The config item that the gateway itself lives by.
pub(crate) fn own_item(namespace: &str) -> ConfigName {
    ConfigName::new(namespace, "nacos-fed", "routing-policy.yaml")
}

/// It has this content.
pub(crate) fn has(content: &str) -> impl Fn(&Gateway) -> bool {
    move |seen| seen.handle.own_item() == OwnItem::Content(content.into())
}

/// The adapter and the engine's observation behind it.
pub(crate) struct Gateway {
    /// Asks beside the engine.
    pub(crate) handle: Asker,
    /// What the adapter counts.
    pub(crate) metrics: NacosMetrics,
    /// What the adapter says is wrong.
    pub(crate) troubles: TroubleBoard,
    /// What is observed.
    pub(crate) local: LocalObservation,
    /// Everything that the engine was told.
    pub(crate) told: Vec<LocalInput>,
    inbox: mpsc::Receiver<EngineNews>,
    started: Instant,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), NacosTasksError>>,
}

/// The handle, with questions by local name.
pub(crate) struct Asker(NacosHandle);

impl Asker {
    /// Asks for a read that the engine did not want.
    pub(crate) fn read(&mut self, service: &ServiceName) {
        self.0.read_service(key(service));
    }

    /// What is said of [`own_item`].
    pub(crate) fn own_item(&self) -> OwnItem {
        self.0.own_item().borrow().clone()
    }

    /// What the adapter says of itself.
    pub(crate) fn status(&self) -> NacosStatus {
        self.0.status()
    }
}

impl Gateway {
    /// Starts the adapter. Namespaces must not be renamed.
    pub(crate) fn start(settings: NacosSettings, patience: RemovalPatience) -> Self {
        let export = settings.export.clone();
        let (sender, inbox) = mpsc::channel(64);
        let (metrics, troubles) = (NacosMetrics::default(), TroubleBoard::default());
        let (handle, tasks) = connect(settings, sender, metrics.clone(), troubles.clone()).expect("good options");
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(tasks.run(stop.clone()));
        Self {
            handle: Asker(handle),
            metrics,
            troubles,
            local: LocalObservation::new(patience, export, federation_core::seed::Seed(1)),
            told: Vec::new(),
            inbox,
            started: Instant::now(),
            stop,
            tasks: running,
        }
    }

    /// The engine's clock.
    pub(crate) fn now(&self) -> Mono {
        Mono(u64::try_from(self.started.elapsed().as_millis()).expect("tests are short"))
    }

    /// Lets the engine work until `wanted`. Cancel-safe: no news is lost.
    pub(crate) async fn until(&mut self, what: &str, wanted: impl Fn(&Self) -> bool) {
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
            self.local.step(now, input, &|_| false, &mut effects);
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
    pub(crate) fn answered(&self) -> usize {
        self.told.iter().filter(|input| **input == LocalInput::Answered).count()
    }

    /// Addresses of a service's instances, held ones too.
    pub(crate) fn addresses(&self, service: &ServiceName) -> Vec<String> {
        let found = self.local.service(&key(service));
        found.map_or_else(Vec::new, |found| found.instances().map(|(id, _, _)| id.ip.to_string()).collect())
    }

    /// A fact of the status; empty if it is not there.
    pub(crate) fn fact(&self, name: &str) -> String {
        let facts = self.handle.status().facts();
        facts.into_iter().find(|(found, _)| *found == name).map_or_else(String::new, |(_, text)| text)
    }

    /// What the adapter says is wrong with things of this kind.
    pub(crate) fn troubles(&self, kind: TroubleKind) -> Vec<String> {
        self.troubles.all().into_iter().filter(|it| it.kind == kind).map(|it| it.about).collect()
    }

    /// Stops the adapter.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.tasks.join_next()).await.expect("it stops in time");
        ended.expect("it ran").expect("no panic").expect("no failure");
    }
}
