//! A real server with an SDK that writes into it.

use std::time::Duration;

use federation_core::local::service::RemovalPatience;
use federation_core::namespaces::Namespaces;
use federation_core::pattern::NameSelection;
use federation_core::time::Millis;
use federation_harness::{Access, Line, Nacos, NacosOptions, Parts};
use federation_nacos::NacosSettings;
use nacos_protocol::client::{ClientEvent, ClientEvents, ClientOptions, NacosClient, ServiceName};
use nacos_protocol::cluster::{ClusterOptions, LoginCredentials, NacosCluster};
use reqwest::Method;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::observer::{Gateway, PATIENCE, own_item};

/// The server and the SDK.
pub(crate) struct Server {
    pub(crate) nacos: Nacos,
    pub(crate) sdk: NacosClient,
    /// Runs the SDK; dropped with this.
    _sdk: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(parts: &Parts, line: Line, access: Access, properties: &[(&str, &str)]) -> Self {
        let properties = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let options = NacosOptions { access, properties, ..NacosOptions::default() };
        let nacos = Nacos::start(parts, line, options).await.expect("a server that starts");
        let cluster = NacosCluster::new(cluster(&nacos, None)).expect("good options");
        let (sdk, mut events, connection) = NacosClient::new(cluster, ClientOptions::default());
        let mut running = JoinSet::new();
        running.spawn(connection.run(CancellationToken::new()));
        tokio::time::timeout(PATIENCE, until_connected(&mut events)).await.expect("the sdk connects");
        while sdk.connected_to().is_none() {
            tokio::task::yield_now().await;
        }
        running.spawn(async move { while events.recv().await.is_some() {} });
        Self { nacos, sdk, _sdk: running }
    }

    /// A further SDK, connected, with what runs it; it ends when that is dropped.
    pub(crate) async fn another_sdk(&self) -> (NacosClient, JoinSet<()>) {
        let cluster = NacosCluster::new(cluster(&self.nacos, None)).expect("good options");
        let (sdk, mut events, connection) = NacosClient::new(cluster, ClientOptions::default());
        let mut running = JoinSet::new();
        running.spawn(connection.run(CancellationToken::new()));
        tokio::time::timeout(PATIENCE, until_connected(&mut events)).await.expect("the sdk connects");
        while sdk.connected_to().is_none() {
            tokio::task::yield_now().await;
        }
        running.spawn(async move { while events.recv().await.is_some() {} });
        (sdk, running)
    }

    /// A gateway at the default intervals, but for the hold.
    pub(crate) fn gateway(&self) -> Gateway {
        self.gateway_exporting(NameSelection::everything())
    }

    pub(crate) fn gateway_with_password(&self, password: &str) -> Gateway {
        self.gateway_at(cluster(&self.nacos, Some(password)), NameSelection::everything())
    }

    pub(crate) fn gateway_exporting(&self, export: NameSelection) -> Gateway {
        self.gateway_at(cluster(&self.nacos, None), export)
    }

    fn gateway_at(&self, cluster: ClusterOptions, export: NameSelection) -> Gateway {
        let settings = NacosSettings {
            cluster,
            export,
            namespaces: Namespaces::default(),
            own_item: Some(own_item("public")),
            namespace_poll: Duration::from_secs(5),
            service_poll: Duration::from_secs(3),
            unmatched_after: Duration::from_secs(30),
        };
        // Longer than the SDK takes to register anew.
        let patience = RemovalPatience { removal_hold: Millis(6_000), sweep_interval: Millis(300_000) };
        Gateway::start(settings, patience)
    }

    /// Has an operator make a service whose health is protected.
    pub(crate) async fn protect(&self, service: &ServiceName) {
        let path = match self.nacos.line() {
            Line::V2 => "/nacos/v2/ns/service", // v1 makes persistent ones.
            Line::V3 => "/nacos/v3/admin/ns/service",
        };
        let query = [
            ("namespaceId", &*service.namespace),
            ("groupName", &service.group),
            ("serviceName", &service.service),
            ("ephemeral", "true"),
            ("protectThreshold", "0.8"),
        ];
        let (status, body) = self.nacos.call(Method::POST, path, &query).await.expect("an answer");
        assert_eq!(status, 200, "{body}");
    }

    /// Has an operator disable an instance.
    pub(crate) async fn disable(&self, service: &ServiceName, ip: &str) {
        let path = match self.nacos.line() {
            Line::V2 => "/nacos/v1/ns/instance",
            Line::V3 => "/nacos/v3/admin/ns/instance",
        };
        let query = [
            ("namespaceId", &*service.namespace),
            ("groupName", &service.group),
            ("serviceName", &service.service),
            ("ip", ip),
            ("port", "80"),
            ("ephemeral", "true"),
            ("enabled", "false"),
        ];
        let (status, body) = self.nacos.call(Method::PUT, path, &query).await.expect("an answer");
        assert_eq!(status, 200, "{body}");
    }
}

async fn until_connected(events: &mut ClientEvents) {
    while !matches!(events.recv().await, Some(ClientEvent::Connected { .. })) {}
}

fn cluster(nacos: &Nacos, password: Option<&str>) -> ClusterOptions {
    let credentials = nacos.credentials().map(|user| LoginCredentials {
        username: user.username,
        password: password.map_or(user.password, str::to_owned),
    });
    ClusterOptions { credentials, ..ClusterOptions::new(vec![nacos.address().parse().expect("an address")]) }
}
