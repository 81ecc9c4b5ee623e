//! A front door of an empty federation before a registry that can be stopped and started again, and clients of both.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bounded_listener::ListenerGate;
use federation_core::local::mark::DoorMark;
use federation_core::locality::Locality;
use federation_ports::metrics::Metrics;
use federation_ports::trouble::TroubleBoard;
use federation_registry::{EmbeddedError, EmbeddedOptions, EmbeddedRegistry, RegistryCredentials};
use federation_view::resolve::{OwnPlace, Resolver};
use federation_view::view::{self, GatewayStatus, ViewChange, ViewWriter};
use nacos_protocol::client::{
    ActsFor, CallerHeaders, ClientEvent, ClientEvents, ClientOptions, NacosClient, ServiceName as LocalName,
};
use nacos_protocol::cluster::{ClusterOptions, LoginCredentials, NacosCluster};
use nacos_protocol::message::naming::NacosInstance;
use nacos_protocol::server::{ServerOptions, ServiceName};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::naming::rules::LookupRules;
use crate::naming::tests::SameNames;
use crate::{AccessRule, FrontDoor, FrontDoorHandle, FrontDoorParts, FrontDoorSettings, RegistrationNews};

/// Of the doors of tests.
pub(crate) const MARK: DoorMark = DoorMark(0xab01);

/// Longest wait for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn service(name: &str) -> LocalName {
    LocalName::new("public", "G", name)
}

pub(crate) fn at(ip: &str) -> Vec<NacosInstance> {
    vec![NacosInstance { ip: ip.to_owned(), port: 80, ..NacosInstance::default() }]
}

/// A local Nacos.
pub(crate) struct Registry {
    pub(crate) http: SocketAddr,
    login: bool,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), EmbeddedError>>,
}

impl Registry {
    pub(crate) async fn start(login: bool) -> Self {
        loop {
            // A free HTTP port says nothing of the port 1000 above it.
            match Self::start_at("127.0.0.1:0".parse().expect("an address"), login).await {
                Ok(registry) => return registry,
                Err(EmbeddedError::Bind { .. } | EmbeddedError::NoGrpcPort(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn start_at(http: SocketAddr, login: bool) -> Result<Self, EmbeddedError> {
        let credentials =
            login.then(|| RegistryCredentials { username: "nacos".to_owned(), password: "secret".to_owned() });
        let push_delay = Duration::from_millis(5);
        let registry =
            EmbeddedRegistry::start(EmbeddedOptions { push_delay, credentials, ..EmbeddedOptions::at(http) }).await?;
        let (http, stop, mut tasks) = (registry.http_addr(), CancellationToken::new(), JoinSet::new());
        tasks.spawn(registry.run(stop.clone()));
        Ok(Self { http, login, stop, tasks })
    }

    /// Stops it; what it knows of services is gone. Returns what starts another in its place.
    pub(crate) async fn stop(mut self) -> StoppedRegistry {
        self.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.tasks.join_next()).await.expect("it stops in time");
        ended.expect("it ran").expect("no panic").expect("no failure");
        StoppedRegistry { http: self.http, login: self.login }
    }

    pub(crate) fn cluster(&self) -> Arc<NacosCluster> {
        let mut options = ClusterOptions::new(vec![self.http.to_string().parse().expect("an address")]);
        options.credentials =
            self.login.then(|| LoginCredentials { username: "nacos".to_owned(), password: "secret".to_owned() });
        NacosCluster::new(options).expect("good options")
    }

    /// A token of its one user.
    pub(crate) async fn token(&self) -> String {
        self.cluster().token().await.expect("a login").expect("a token").to_string()
    }

    /// A client of its own.
    pub(crate) fn client(&self) -> Sdk {
        Sdk::of(self.cluster(), None)
    }

    /// The same, which shows these headers in place of a login.
    pub(crate) fn client_showing(&self, headers: &CallerHeaders) -> Sdk {
        let acts_for = ActsFor { client_ip: String::new(), headers: headers.clone() };
        Sdk::of(self.cluster(), Some(acts_for))
    }

    /// Waits until it lists these addresses for a service.
    pub(crate) async fn lists(&self, name: &str, wanted: &[&str]) {
        self.client().sees(&service(name), wanted).await;
    }
}

pub(crate) struct StoppedRegistry {
    http: SocketAddr,
    login: bool,
}

impl StoppedRegistry {
    pub(crate) async fn start(self) -> Registry {
        Registry::start_at(self.http, self.login).await.expect("its ports are free")
    }
}

/// What was told of registrations.
#[derive(Default)]
pub(crate) struct HeardNews(pub(crate) Mutex<Vec<(ServiceName, Vec<String>)>>);

impl RegistrationNews for HeardNews {
    fn registered(&self, service: &ServiceName, instances: &[NacosInstance]) {
        let ips = instances.iter().map(|instance| instance.ip.clone()).collect();
        self.0.lock().expect("not poisoned").push((service.clone(), ips));
    }

    fn withdrawn(&self, service: &ServiceName, instances: &[NacosInstance]) {
        let ips = instances.iter().map(|instance| format!("no {}", instance.ip));
        let ips: Vec<String> = ips.collect();
        if !ips.is_empty() {
            self.0.lock().expect("not poisoned").push((service.clone(), ips));
        }
    }
}

/// A front door.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) news: Arc<HeardNews>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) handle: FrontDoorHandle,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: JoinSet<Result<(), crate::FrontDoorError>>,
    pub(crate) view: ViewWriter,
}

impl House {
    pub(crate) fn before(upstream: Arc<NacosCluster>, access: AccessRule) -> Self {
        Self::with(
            upstream,
            access,
            ListenerGate::default(),
            ServerOptions { max_connections: 100, ..ServerOptions::default() },
        )
    }

    /// With these limits; at each port there may be as many connections as the protocol's options say.
    pub(crate) fn with(
        upstream: Arc<NacosCluster>,
        access: AccessRule,
        gate: ListenerGate,
        protocol: ServerOptions,
    ) -> Self {
        let (mut writer, reader) = view::new(Arc::new(|| federation_core::time::Mono(0)));
        let gateway = Some(Arc::new(GatewayStatus { ready: true, ..GatewayStatus::default() }));
        writer.apply(ViewChange { gateway, ..ViewChange::default() });
        let metrics = Arc::new(federation_view::metrics::with_view(reader.clone(), "0"));
        let cluster: federation_core::id::ClusterId = "a".parse().expect("an id");
        let (_, policy) = tokio::sync::watch::channel(Arc::default());
        let own = OwnPlace { cluster: cluster.clone(), locality: Locality::default() };
        let resolver = Resolver::new(reader.clone(), policy, Default::default(), own, 1 << 20, metrics.resolve.clone());
        let anywhere: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let settings = FrontDoorSettings {
            http: anywhere,
            grpc: anywhere,
            lookups: LookupRules::default(),
            access,
            max_connections: protocol.max_connections,
            protocol,
        };
        let news = Arc::new(HeardNews::default());
        let parts = FrontDoorParts {
            gate,
            view: reader,
            resolver: Arc::new(resolver),
            cluster,
            mark: MARK,
            names: Arc::new(SameNames),
            upstream,
            news: news.clone(),
            troubles: TroubleBoard::default(),
            metrics: metrics.front_door.clone(),
        };
        let door = FrontDoor::bind(settings, parts).expect("a free port");
        let handle = door.handle();
        let (address, http) = (door.grpc_address(), door.http_address());
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(door.run(stop.clone()));
        Self { address, http, news, metrics, handle, stop, tasks, view: writer }
    }

    /// A client whose only change is the address.
    pub(crate) fn client(&self) -> Sdk {
        self.client_showing(&CallerHeaders::default())
    }

    /// The same, which shows these headers.
    pub(crate) fn client_showing(&self, headers: &CallerHeaders) -> Sdk {
        Self::client_at(&[self.address], headers)
    }

    /// A client that knows all of these.
    pub(crate) fn client_of(houses: &[Self]) -> Sdk {
        let addresses: Vec<_> = houses.iter().map(|house| house.address).collect();
        Self::client_at(&addresses, &CallerHeaders::default())
    }

    fn client_at(addresses: &[SocketAddr], headers: &CallerHeaders) -> Sdk {
        let servers = addresses.iter().map(|address| address.to_string().parse().expect("an address"));
        let mut options = ClusterOptions::new(servers.collect());
        options.grpc_offset = 0;
        let acts_for = ActsFor { client_ip: "10.9.9.9".to_owned(), headers: headers.clone() };
        Sdk::of(NacosCluster::new(options).expect("good options"), Some(acts_for))
    }
}

pub(crate) fn showing(token: &str) -> CallerHeaders {
    let headers = CallerHeaders::default();
    headers.show(&[("accessToken".to_owned(), token.to_owned())].into());
    headers
}

/// A client, running until it is dropped.
pub(crate) struct Sdk {
    pub(crate) client: NacosClient,
    events: ClientEvents,
    _tasks: JoinSet<()>,
}

impl Sdk {
    fn of(cluster: Arc<NacosCluster>, acts_for: Option<ActsFor>) -> Self {
        let options = ClientOptions { app_name: "test".to_owned(), acts_for, ..ClientOptions::default() };
        let (client, events, connection) = NacosClient::new(cluster, options);
        let mut tasks = JoinSet::new();
        tasks.spawn(connection.run(CancellationToken::new()));
        Self { client, events, _tasks: tasks }
    }

    /// Waits until it is connected.
    pub(crate) async fn connected(self) -> Self {
        assert!(self.client.connected_within(PATIENCE).await, "it connects");
        self
    }

    pub(crate) async fn until<T>(&mut self, mut wanted: impl FnMut(&ClientEvent) -> Option<T>) -> T {
        let search = async {
            loop {
                let event = self.events.recv().await.expect("the client runs");
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("the event comes in time")
    }

    /// The lists that came and were not looked at.
    pub(crate) fn lists_so_far(&mut self) -> Vec<Vec<String>> {
        let mut lists = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            if let ClientEvent::Service { info, .. } = event {
                lists.push(info.hosts.iter().map(|host| host.ip.clone()).collect());
            }
        }
        lists
    }

    /// Waits for a list of these addresses.
    pub(crate) async fn sees(&mut self, name: &LocalName, wanted: &[&str]) {
        self.client.subscribe(name);
        let mut last = Vec::new();
        let seen = self.until(|event| {
            let ClientEvent::Service { info, .. } = event else { return None };
            last = info.hosts.iter().map(|host| host.ip.clone()).collect();
            last.sort();
            (last == wanted).then_some(())
        });
        seen.await;
    }
}
