//! Config items as clients of the front door see them, with the embedded registry as the local Nacos and our own client as the SDK.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use bounded_listener::ListenerGate;
use federation_ports::metrics::TroubleKind;
use federation_registry::{EmbeddedOptions, EmbeddedRegistry, RegistryCredentials};
use federation_storage::StoragePlace;
use md5::{Digest, Md5};
use nacos_protocol::client::{
    ActsFor, CallerHeaders, ClientEvent, ClientEvents, ClientOptions, ConfigName as Named, ConfigWrite, NacosClient,
};
use nacos_protocol::cluster::{ClusterOptions, LoginCredentials};
use nacos_protocol::message::config::{ConfigFuzzyWatchRequest, addition};
use nacos_protocol::message::naming::ServiceInfo;
use nacos_protocol::server::{
    ConnectedClient, ListingPage, NacosServer, NamingPublication, RegistryBackend, ServerOptions, ServiceName,
};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// The config items of a front door, and nothing else.
struct OnlyConfigs(Arc<Configs>);

impl RegistryBackend for OnlyConfigs {
    async fn connected(&self, _: &ConnectedClient) {}
    async fn disconnected(&self, connection: &ConnectionId) {
        self.0.forget(connection);
    }
    async fn publish(
        &self,
        _: &CallingClient<'_>,
        _: ServiceName,
        _: NamingPublication,
    ) -> Result<(), RegistryRefusal> {
        Err(RegistryRefusal::failed("not here"))
    }
    async fn query(
        &self,
        _: &CallingClient<'_>,
        _: ServiceName,
        _: String,
        _: bool,
    ) -> Result<ServiceInfo, RegistryRefusal> {
        Err(RegistryRefusal::failed("not here"))
    }
    async fn list(
        &self,
        _: &CallingClient<'_>,
        _: String,
        _: String,
        _: ListingPage,
    ) -> Result<(usize, Vec<String>), RegistryRefusal> {
        Err(RegistryRefusal::failed("not here"))
    }
    async fn subscribe(
        &self,
        _: &CallingClient<'_>,
        _: ServiceName,
        _: String,
    ) -> Result<ServiceInfo, RegistryRefusal> {
        Err(RegistryRefusal::failed("not here"))
    }
    async fn unsubscribe(&self, _: &CallingClient<'_>, _: ServiceName) -> Result<(), RegistryRefusal> {
        Err(RegistryRefusal::failed("not here"))
    }
    async fn config(
        &self,
        caller: &CallingClient<'_>,
        name: ConfigName,
        tag: Option<String>,
    ) -> Result<Option<ConfigQueryResponse>, RegistryRefusal> {
        self.0.read(caller, name, tag).await
    }
    async fn change_config(
        &self,
        caller: &CallingClient<'_>,
        name: ConfigName,
        change: ConfigChange,
    ) -> Result<(), RegistryRefusal> {
        self.0.change(caller, name, change).await
    }
    async fn listen(
        &self,
        caller: &CallingClient<'_>,
        contexts: Vec<ListenContext>,
    ) -> Result<Vec<ConfigName>, RegistryRefusal> {
        self.0.listen(caller, contexts).await
    }
    async fn fuzzy_watch(&self, caller: &CallingClient<'_>, watch: FuzzyWatch) -> Result<(), RegistryRefusal> {
        self.0.fuzzy_watch(caller, watch).await
    }
    async fn ignore(&self, caller: &CallingClient<'_>, names: Vec<ConfigName>) -> Result<(), RegistryRefusal> {
        self.0.ignore(caller, names);
        Ok(())
    }
}

/// A registry that can be ended and started again, on the same ports and with the same items.
struct Registry {
    options: EmbeddedOptions,
    running: Option<(CancellationToken, JoinSet<()>, ClientSessions)>,
}

impl Registry {
    async fn start(folder: &Path, credentials: Option<RegistryCredentials>) -> Self {
        let mut options = EmbeddedOptions::at("127.0.0.1:0".parse().expect("an address"));
        options.config_folder = Some(StoragePlace::from(folder));
        options.credentials = credentials;
        let mut registry = Self { options, running: None };
        registry.start_again().await;
        registry
    }

    /// On the ports of before, or for the first time on any for which the port 1000 above is free, too.
    async fn start_again(&mut self) {
        let trying = async {
            loop {
                match EmbeddedRegistry::start(self.options.clone()).await {
                    Ok(registry) => return registry,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        let registry = tokio::time::timeout(PATIENCE, trying).await.expect("its ports are free");
        (self.options.http, self.options.grpc) = (registry.http_addr(), Some(registry.grpc_addr()));
        let (stop, sessions, mut tasks) = (CancellationToken::new(), registry.sessions(), JoinSet::new());
        let running = registry.run(stop.clone());
        tasks.spawn(async move { running.await.expect("the registry runs") });
        self.running = Some((stop, tasks, sessions));
    }

    async fn end(&mut self) {
        let (stop, mut tasks, _) = self.running.take().expect("it runs");
        stop.cancel();
        tasks.join_next().await.expect("it was spawned").expect("it ends");
    }

    fn sessions(&self) -> &ClientSessions {
        &self.running.as_ref().expect("it runs").2
    }
}

/// A front door before a registry.
struct Rig {
    folder: tempfile::TempDir,
    registry: Registry,
    configs: Arc<Configs>,
    board: TroubleBoard,
    metrics: FrontDoorMetrics,
    door: SocketAddr,
    tasks: JoinSet<()>,
}

/// A client and what it hears.
struct Peer {
    client: NacosClient,
    events: ClientEvents,
}

fn cluster_at(http: SocketAddr, grpc: SocketAddr, credentials: Option<LoginCredentials>) -> Arc<NacosCluster> {
    let mut options = ClusterOptions::new(vec![http.to_string().parse().expect("an address")]);
    options.grpc_offset = grpc.port() - http.port();
    options.credentials = credentials;
    NacosCluster::new(options).expect("the options are right")
}

fn headers(token: &str) -> HashMap<String, String> {
    HashMap::from([("accessToken".to_owned(), token.to_owned())])
}

fn write(content: &str) -> ConfigWrite {
    ConfigWrite { content: content.to_owned(), ..ConfigWrite::default() }
}

fn md5_of(content: &str) -> String {
    Md5::digest(content.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn item(data_id: &str) -> Named {
    Named::new("", "G", data_id)
}

impl Rig {
    async fn start(credentials: Option<RegistryCredentials>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let registry = Registry::start(folder.path(), credentials).await;
        let grpc = registry.options.grpc.expect("it was bound");
        let upstream = cluster_at(registry.options.http, grpc, None);
        let any = "127.0.0.1:0".parse().expect("an address");
        let server = NacosServer::bind(&ListenerGate::default(), "door", any, ServerOptions::default());
        let server = server.expect("a port is free");
        let (board, metrics) = (TroubleBoard::default(), FrontDoorMetrics::default());
        let (configs, running) =
            Configs::new(upstream, ListenerGate::default(), server.sessions(), board.clone(), metrics.clone());
        let (configs, door, mut tasks) = (Arc::new(configs), server.local_addr(), JoinSet::new());
        let serving = server.run(Arc::new(OnlyConfigs(Arc::clone(&configs))), CancellationToken::new());
        tasks.spawn(async move { serving.await.expect("the door serves") });
        tasks.spawn(async move { running.run(CancellationToken::new()).await.expect("no task panics") });
        Self { folder, registry, configs, board, metrics, door, tasks }
    }

    /// A connected client of the front door that says it has this address and shows this token.
    async fn peer(&mut self, client_ip: &str, token: Option<&str>) -> Peer {
        let shown = CallerHeaders::default();
        shown.show(&token.map(headers).unwrap_or_default());
        let acts_for = Some(ActsFor { client_ip: client_ip.to_owned(), headers: shown });
        // The client computes the gRPC port from the other one; there is none.
        let cluster = cluster_at(SocketAddr::new(self.door.ip(), self.door.port() - 1), self.door, None);
        self.connect(cluster, acts_for).await
    }

    /// A connected client of the registry itself.
    async fn direct(&mut self) -> Peer {
        let grpc = self.registry.options.grpc.expect("it was bound");
        let cluster = cluster_at(self.registry.options.http, grpc, login());
        self.connect(cluster, None).await
    }

    async fn connect(&mut self, cluster: Arc<NacosCluster>, acts_for: Option<ActsFor>) -> Peer {
        let options = ClientOptions { acts_for, ..ClientOptions::default() };
        let (client, events, connection) = NacosClient::new(cluster, options);
        self.tasks.spawn(connection.run(CancellationToken::new()));
        assert!(client.connected_within(PATIENCE).await);
        Peer { client, events }
    }
}

fn login() -> Option<LoginCredentials> {
    Some(LoginCredentials { username: "nacos".to_owned(), password: "secret".to_owned() })
}

fn credentials() -> Option<RegistryCredentials> {
    Some(RegistryCredentials { username: "nacos".to_owned(), password: "secret".to_owned() })
}

impl Peer {
    /// Waits until it is told that this item changed.
    async fn hears_of(&mut self, name: &Named) {
        let search = async {
            loop {
                let event = self.events.recv().await.expect("the client runs");
                if matches!(&event, ClientEvent::ConfigChanged { config } if config == name) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("it is not told of {name}"));
    }

    /// Asks Nacos's way: whether what it holds differs.
    async fn differs(&self, name: &Named, md5: &str, shown: HashMap<String, String>) -> Result<bool, CallError> {
        let context = ConfigListenContext {
            group: name.group.clone(),
            md5: md5.to_owned(),
            data_id: name.data_id.clone(),
            tenant: name.namespace.clone(),
        };
        let request = ConfigBatchListenRequest {
            listen: true,
            config_listen_contexts: vec![context],
            ..ConfigBatchListenRequest::default()
        };
        Ok(!self.client.relay(request, shown).await?.changed_configs.is_empty())
    }

    /// Watches a pattern, knowing nothing of it, or no more.
    async fn watches(&self, pattern: &str, kind: &str) -> Result<(), RegistryRefusal> {
        let request = ConfigFuzzyWatchRequest {
            group_key_pattern: pattern.to_owned(),
            watch_type: kind.to_owned(),
            initializing: true,
            ..ConfigFuzzyWatchRequest::default()
        };
        answered(self.client.relay(request, HashMap::new()).await).map(drop)
    }

    /// Waits until a watch says this of an item.
    async fn is_told(&mut self, key: &str, exists: bool) {
        let says = |of: &str, change: &str| of == key && (change != "DELETE_CONFIG") == exists;
        let search = async {
            loop {
                let found = match self.events.recv().await.expect("the client runs") {
                    ClientEvent::ConfigWatchState(batch) => {
                        batch.contexts.iter().any(|it| says(&it.group_key, &it.changed_type))
                    }
                    ClientEvent::ConfigWatchChange(change) => says(&change.group_key, &change.change_type),
                    _ => false,
                };
                if found {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("it is not told of {key}"));
    }

    async fn reads(&self, name: &Named) -> Option<String> {
        self.client.query_config(name).await.expect("it is answered").map(|item| item.content)
    }
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

#[tokio::test]
async fn an_item_is_written_read_and_removed_as_at_the_registry_itself() {
    let mut rig = Rig::start(None).await;
    let (peer, direct) = (rig.peer("", None).await, rig.direct().await);
    let name = item("app.yaml");
    assert_eq!(peer.reads(&name).await, None);
    let additions = HashMap::from([(addition::ENCRYPTED_DATA_KEY.to_owned(), "key".to_owned())]);
    let written = ConfigWrite {
        content_type: "yaml".to_owned(),
        additions: additions.into_iter().collect(),
        ..write("a: \"ü\"\r\n")
    };
    peer.client.publish_config(&name, written).await.expect("it is taken");
    let read = peer.client.query_config(&name).await.expect("it is answered").expect("it is there");
    assert_eq!((read.content_type.as_str(), read.encrypted_data_key.as_str()), ("yaml", "key"));
    assert_eq!(Some(read), direct.client.query_config(&name).await.expect("it is answered"));

    let on = |md5: &str, content: &str| ConfigWrite { cas_md5: Some(md5.to_owned()), ..write(content) };
    let refused = peer.client.publish_config(&name, on("another", "2")).await.expect_err("somebody else wrote");
    let own = direct.client.publish_config(&name, on("another", "2")).await.expect_err("somebody else wrote");
    assert_eq!(refused.to_string(), own.to_string(), "in the words of the registry");
    peer.client.publish_config(&name, on(&md5_of("a: \"ü\"\r\n"), "2")).await.expect("nobody else wrote");
    assert_eq!(direct.reads(&name).await.as_deref(), Some("2"));
    let illegal = peer.client.publish_config(&item("a b"), write("1")).await.expect_err("an illegal name");
    let own = direct.client.publish_config(&item("a b"), write("1")).await.expect_err("an illegal name");
    assert_eq!(illegal.to_string(), own.to_string());
    peer.client.remove_config(&name).await.expect("it is removed");
    assert_eq!((peer.reads(&name).await, direct.reads(&name).await), (None, None));

    let large = "0123456789abcdé\n".repeat((1 << 20) / 17 + 1);
    peer.client.publish_config(&name, write(&large)).await.expect("it is taken");
    assert!(peer.reads(&name).await == Some(large), "all of a mebibyte comes back");
}

#[tokio::test]
async fn a_listener_is_told_of_each_change_by_the_name_that_it_used() {
    let mut rig = Rig::start(None).await;
    let direct = rig.direct().await;
    direct.client.publish_config(&item("a"), write("1")).await.expect("it is taken");
    for namespace in ["", "public"] {
        let name = Named::new(namespace, "G", "a");
        let mut peer = rig.peer("", None).await;
        peer.client.listen_config(&name, "");
        peer.hears_of(&name).await;
        let mut content = peer.reads(&name).await.expect("it is there");
        for next in ["2", "3"] {
            peer.client.listen_config(&name, &md5_of(&content));
            let held = md5_of(&content);
            until("the listener is known by what it holds", async || {
                !peer.differs(&name, &held, HashMap::new()).await.expect("it is answered")
            })
            .await;
            while peer.events.try_recv().is_ok() {} // Bells of before.
            content = format!("{namespace}{next}");
            direct.client.publish_config(&item("a"), write(&content)).await.expect("it is taken");
            peer.hears_of(&name).await;
            assert_eq!(peer.reads(&name).await.as_deref(), Some(&*content));
        }
        peer.client.unlisten_config(&name);
    }
}

#[tokio::test]
async fn who_is_told_that_nothing_differs_is_told_of_the_change_a_moment_later() {
    let mut rig = Rig::start(None).await;
    let (mut peers, direct) = (vec![rig.peer("", None).await, rig.peer("", None).await], rig.direct().await);
    for round in 0..40 {
        let name = item(&format!("race-{round}"));
        direct.client.publish_config(&name, write("old")).await.expect("it is taken");
        for peer in &peers {
            peer.client.listen_config(&name, &md5_of("old"));
        }
        if round % 2 == 0 {
            // So that the change comes now before, now within, now after the comparison.
            tokio::time::sleep(Duration::from_micros(250 * round)).await;
        }
        direct.client.publish_config(&name, write("new")).await.expect("it is taken");
        for peer in &mut peers {
            peer.hears_of(&name).await;
        }
    }
    assert_eq!(rig.registry.sessions().count(), 2, "the direct one, and one for both");
}

#[tokio::test]
async fn clients_that_say_the_same_share_a_connection_and_others_have_their_own() {
    let mut rig = Rig::start(None).await;
    let name = item("shared");
    let (one, two) = (rig.peer("10.0.0.1", None).await, rig.peer("10.0.0.1", None).await);
    for peer in [&one, &two] {
        assert!(peer.differs(&name, "x", HashMap::new()).await.expect("it is answered"));
    }
    assert_eq!((rig.configs.lines.count(), rig.registry.sessions().count()), (1, 1));
    let other = rig.peer("10.0.0.2", None).await;
    assert_eq!(other.reads(&name).await, None);
    assert_eq!((rig.configs.lines.count(), rig.registry.sessions().count()), (2, 2));
    assert_eq!(rig.metrics.config_connections.get(), 2);
}

#[tokio::test]
async fn while_the_registry_is_away_reads_are_answered_from_copies_and_nothing_is_written() {
    let mut rig = Rig::start(None).await;
    let (peer, direct) = (rig.peer("", None).await, rig.direct().await);
    let (known, removed, unknown) = (item("known"), item("removed"), item("unknown"));
    for name in [&known, &removed] {
        peer.client.publish_config(name, write("1")).await.expect("it is taken");
        assert_eq!(peer.reads(name).await.as_deref(), Some("1"));
    }
    direct.client.remove_config(&removed).await.expect("it is removed");
    assert_eq!(peer.reads(&removed).await, None);
    rig.registry.end().await;
    assert_eq!(peer.reads(&known).await.as_deref(), Some("1"));
    assert!(rig.board.has(TroubleKind::ConfigCopies));
    assert_eq!(rig.metrics.config_copies.get(), 1);
    for name in [&removed, &unknown] {
        let error = peer.client.query_config(name).await.expect_err("that there is none says the registry alone");
        assert!(error.to_string().contains("not reached"), "{error}");
    }
    let error = peer.client.publish_config(&known, write("2")).await.expect_err("it is not written");
    assert!(error.to_string().contains("is not changed"), "{error}");
    peer.client.remove_config(&known).await.expect_err("it is not removed");
    let stranger = rig.peer("10.0.0.9", None).await;
    stranger.client.query_config(&known).await.expect_err("another address may be given another variant");
}

#[tokio::test]
async fn what_changed_while_the_registry_was_away_is_told_once_it_is_back() {
    let mut rig = Rig::start(None).await;
    let (mut peer, direct) = (rig.peer("", None).await, rig.direct().await);
    let (before, during) = (item("before"), item("during"));
    for name in [&before, &during] {
        direct.client.publish_config(name, write("1")).await.expect("it is taken");
    }
    assert!(!peer.differs(&before, &md5_of("1"), HashMap::new()).await.expect("it is answered"));
    peer.client.listen_config(&before, &md5_of("1"));
    rig.registry.end().await;
    // Somebody begins to listen meanwhile, and is answered.
    assert!(!peer.differs(&during, &md5_of("1"), HashMap::new()).await.expect("it is answered"));
    peer.client.listen_config(&during, &md5_of("1"));

    // Its items change where the front door cannot see it.
    let mut elsewhere = Registry::start(rig.folder.path(), None).await;
    let cluster = cluster_at(elsewhere.options.http, elsewhere.options.grpc.expect("it was bound"), None);
    let writer = rig.connect(cluster, None).await;
    for name in [&before, &during] {
        writer.client.publish_config(name, write("2")).await.expect("it is taken");
    }
    elsewhere.end().await;
    while peer.events.try_recv().is_ok() {} // Nothing of before counts.
    rig.registry.start_again().await;
    let mut wanted = vec![before.clone(), during.clone()];
    let search = async {
        while !wanted.is_empty() {
            if let ClientEvent::ConfigChanged { config } = peer.events.recv().await.expect("the client runs") {
                wanted.retain(|name| *name != config);
            }
        }
    };
    tokio::time::timeout(PATIENCE, search).await.expect("both are told");
    for name in [&before, &during] {
        assert_eq!(peer.reads(name).await.as_deref(), Some("2"));
    }
    rig.configs.served.look_after(Instant::now() + PATIENCE);
    assert!(!rig.board.has(TroubleKind::ConfigCopies));
}

#[tokio::test]
async fn the_registry_judges_each_caller_and_copies_are_for_whom_it_let_in() {
    let mut rig = Rig::start(credentials()).await;
    let (http, grpc) = (rig.registry.options.http, rig.registry.options.grpc.expect("it was bound"));
    let token = cluster_at(http, grpc, login()).token().await.expect("the login is right").expect("a token");
    let (name, md5) = (item("secret"), md5_of("1"));
    let peer = rig.peer("", Some(&token)).await;
    peer.client.publish_config(&name, write("1")).await.expect("it may");
    assert_eq!(peer.reads(&name).await.as_deref(), Some("1"));
    assert!(!peer.differs(&name, &md5, headers(&token)).await.expect("it may"));
    for wrong in [None, Some("forged")] {
        let stranger = rig.peer("", wrong).await;
        let shown = wrong.map(headers).unwrap_or_default();
        let refused = stranger.client.query_config(&name).await.expect_err("it may not read");
        assert!(matches!(refused, CallError::Refused { .. }), "{refused}");
        let refused = stranger.differs(&name, &md5, shown).await.expect_err("it may not listen");
        assert!(matches!(refused, CallError::Refused { .. }), "{refused}");
        let refused = stranger.client.publish_config(&name, write("2")).await.expect_err("it may not write");
        assert!(matches!(refused, CallError::Refused { .. }), "{refused}");
    }
    let stranger = rig.peer("", Some("forged")).await;
    rig.registry.end().await;
    assert_eq!(peer.reads(&name).await.as_deref(), Some("1"));
    stranger.client.query_config(&name).await.expect_err("no copy for whom the registry did not let in");
}

#[tokio::test]
async fn who_watches_a_pattern_is_told_which_items_exist_also_after_a_break() {
    let mut rig = Rig::start(None).await;
    let direct = rig.direct().await;
    let (mut first, mut second) = (rig.peer("", None).await, rig.peer("", None).await);
    direct.client.publish_config(&item("a"), write("1")).await.expect("it is taken");
    direct.client.publish_config(&item("b"), write("1")).await.expect("it is taken");
    for peer in [&mut first, &mut second] {
        peer.watches("public>>G>>*", watch_type::WATCH).await.expect("it is watched");
        peer.is_told("a+G+public", true).await;
    }
    direct.client.publish_config(&item("c"), write("1")).await.expect("it is taken");
    for peer in [&mut first, &mut second] {
        peer.is_told("c+G+public", true).await;
    }
    rig.registry.end().await;
    first.watches("public>>G>>other*", watch_type::WATCH).await.expect_err("the registry is away");
    let mut elsewhere = Registry::start(rig.folder.path(), None).await;
    let cluster = cluster_at(elsewhere.options.http, elsewhere.options.grpc.expect("it was bound"), None);
    let writer = rig.connect(cluster, None).await;
    writer.client.remove_config(&item("b")).await.expect("it is removed");
    writer.client.publish_config(&item("d"), write("1")).await.expect("it is taken");
    elsewhere.end().await;
    rig.registry.start_again().await;
    for peer in [&mut first, &mut second] {
        peer.is_told("d+G+public", true).await;
    }
    first.watches("public>>G>>*", watch_type::CANCEL).await.expect("it is ended");
    assert!(direct.client.connected_within(PATIENCE).await);
    direct.client.publish_config(&item("e"), write("1")).await.expect("it is taken");
    second.is_told("e+G+public", true).await;
    while let Ok(event) = first.events.try_recv() {
        let is_late = matches!(&event, ClientEvent::ConfigWatchChange(change) if change.group_key.starts_with("e+"));
        assert!(!is_late, "it watches no more: {event:?}");
    }
}
