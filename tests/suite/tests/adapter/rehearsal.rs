//! An embedded registry, an SDK that writes into it, and what may stand between it and a gateway.

use std::net::SocketAddr;
use std::time::Duration;

use federation_core::local::service::RemovalPatience;
use federation_core::namespaces::Namespaces;
use federation_core::pattern::NameSelection;
use federation_core::time::Millis;
use federation_harness::{Fault, FaultProxy, Link};
use federation_nacos::NacosSettings;
use federation_registry::{EmbeddedError, EmbeddedOptions, EmbeddedRegistry};
use nacos_protocol::client::{ClientEvent, ClientEvents, ClientOptions, NacosClient};
use nacos_protocol::cluster::{ClusterOptions, NacosCluster};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::observer::{Gateway, PATIENCE, own_item};

/// A registry with an SDK that is connected to it.
pub(crate) struct Rehearsal {
    pub(crate) sdk: NacosClient,
    sdk_events: ClientEvents,
    http: SocketAddr,
    /// Stands between the gateway and the registry, if anything does.
    front: Option<FaultProxy>,
    stop: CancellationToken,
    registry: JoinSet<Result<(), EmbeddedError>>,
    /// Runs the SDK; dropped with this.
    _sdk: JoinSet<()>,
}

fn options(http: SocketAddr) -> EmbeddedOptions {
    EmbeddedOptions { push_delay: Duration::from_millis(5), ..EmbeddedOptions::at(http) }
}

async fn bind() -> EmbeddedRegistry {
    // A free HTTP port says nothing of the port 1000 above it.
    loop {
        match EmbeddedRegistry::start(options(SocketAddr::from(([127, 0, 0, 1], 0)))).await {
            Ok(registry) => return registry,
            Err(EmbeddedError::Bind { .. } | EmbeddedError::NoGrpcPort(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

impl Rehearsal {
    pub(crate) async fn start() -> Self {
        let registry = bind().await;
        let (http, stop) = (registry.http_addr(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(registry.run(stop.clone()));
        let cluster = ClusterOptions::new(vec![http.to_string().parse().expect("an address")]);
        let (sdk, sdk_events, connection) =
            NacosClient::new(NacosCluster::new(cluster).expect("good options"), ClientOptions::default());
        let mut running = JoinSet::new();
        running.spawn(connection.run(CancellationToken::new()));
        let mut rehearsal = Self { sdk, sdk_events, http, front: None, stop, registry: tasks, _sdk: running };
        rehearsal.until_sdk_is_connected().await;
        rehearsal
    }

    /// A proxy stands between the gateway and the registry.
    pub(crate) async fn start_behind_a_proxy() -> Self {
        let mut rehearsal = Self::start().await;
        rehearsal.front = Some(FaultProxy::start(rehearsal.http.port()).await.expect("free ports"));
        rehearsal
    }

    /// Every admin call whose path holds `part` gets this fault from now on.
    pub(crate) fn spoil(&self, part: &str, fault: Fault) {
        self.front.as_ref().expect("a proxy was asked for").inject(&[part], fault, usize::MAX / 2);
    }

    /// Every admin call whose path and query hold all these parts gets this fault from now on.
    pub(crate) fn spoil_all_of(&self, parts: &[&str], fault: Fault) {
        self.front.as_ref().expect("a proxy was asked for").inject(parts, fault, usize::MAX / 2);
    }

    /// Opens, cuts, silences or mutes the line between the gateway and the registry.
    pub(crate) fn set_link(&self, link: Link) {
        self.front.as_ref().expect("a proxy was asked for").set_link(link);
    }

    /// The proxy passes everything on again.
    pub(crate) fn heal(&self) {
        self.front.as_ref().expect("a proxy was asked for").heal();
    }

    async fn until_sdk_is_connected(&mut self) {
        let connected = async { while !matches!(self.sdk_events.recv().await, Some(ClientEvent::Connected { .. })) {} };
        tokio::time::timeout(PATIENCE, connected).await.expect("the sdk connects");
        while self.sdk.connected_to().is_none() {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn stop(&mut self) {
        self.stop.cancel();
        while let Some(ended) = self.registry.join_next().await {
            ended.expect("no panic").expect("no failure");
        }
    }

    /// Starts a registry without memory in the place of this one; the SDK is connected to it in the end.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.stop = CancellationToken::new();
        let registry = EmbeddedRegistry::start(options(self.http)).await.expect("its ports are free again");
        self.registry.spawn(registry.run(self.stop.clone()));
        self.until_sdk_is_connected().await;
    }

    pub(crate) async fn call(&self, method: &str, path: &str) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let answer =
            client.request(method, format!("http://{}/nacos/{path}", self.http)).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}");
    }

    pub(crate) async fn create_namespace(&self, id: &str) {
        self.call("POST", &format!("v3/admin/core/namespace?namespaceId={id}&namespaceName={id}")).await;
    }

    /// Where a gateway reaches the registry, through the proxy if there is one.
    pub(crate) fn address(&self) -> String {
        self.front.as_ref().map_or_else(|| self.http.to_string(), FaultProxy::address)
    }

    pub(crate) fn gateway(&self) -> Gateway {
        self.gateway_exporting(NameSelection::everything())
    }

    pub(crate) fn gateway_exporting(&self, export: NameSelection) -> Gateway {
        let settings = NacosSettings {
            cluster: ClusterOptions::new(vec![self.address().parse().expect("an address")]),
            export,
            namespaces: Namespaces::default(),
            own_item: Some(own_item("public")),
            namespace_poll: Duration::from_millis(300),
            service_poll: Duration::from_millis(200),
            unmatched_after: Duration::from_secs(2),
        };
        let patience = RemovalPatience { removal_hold: Millis(700), sweep_interval: Millis(600_000) };
        Gateway::start(settings, patience)
    }
}
