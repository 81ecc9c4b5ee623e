//! A whole front door between a view that is written by hand and the embedded registry, with our own client as the SDK.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bounded_listener::ListenerGate;
use federation_core::instance::Health;
use federation_core::local::mark::DoorMark;
use federation_core::service::Revision;
use federation_ports::metrics::FrontDoorMetrics;
use federation_ports::trouble::TroubleBoard;
use federation_registry::{EmbeddedOptions, EmbeddedRegistry};
use federation_view::view::{GatewayStatus, ViewChange, ViewWriter};
use nacos_protocol::client::{CallError, ClientEvent, ClientEvents, ClientOptions, NacosClient, ServiceName};
use nacos_protocol::cluster::{ClusterOptions, NacosCluster};
use nacos_protocol::message::naming::{NacosInstance, ServiceInfo};
use nacos_protocol::server::ServerOptions;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::naming::NamingSources;
use crate::naming::tests::{sources, with_service};
use crate::{AccessRule, FrontDoor, FrontDoorParts, FrontDoorSettings, LookupRules};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A front door and what lies behind it.
pub(crate) struct Rig {
    pub(crate) writer: ViewWriter,
    pub(crate) registry: Arc<NacosCluster>,
    pub(crate) door: Arc<NacosCluster>,
    metrics: FrontDoorMetrics,
    tasks: JoinSet<()>,
}

/// A client and what it hears.
pub(crate) struct Peer {
    pub(crate) client: NacosClient,
    pub(crate) events: ClientEvents,
}

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().expect("an address")
}

/// Where clients connect: they compute the gRPC port from the HTTP port.
fn reached_at(grpc: SocketAddr) -> Arc<NacosCluster> {
    let http = SocketAddr::new(grpc.ip(), grpc.port() - 1);
    let mut options = ClusterOptions::new(vec![http.to_string().parse().expect("an address")]);
    options.grpc_offset = 1;
    NacosCluster::new(options).expect("the options are right")
}

impl Rig {
    pub(crate) async fn start() -> Self {
        let mut tasks = JoinSet::new();
        let options = EmbeddedOptions { grpc: Some(any()), ..EmbeddedOptions::at(any()) };
        let registry = EmbeddedRegistry::start(options).await.expect("ports are free");
        let upstream = reached_at(registry.grpc_addr());
        tasks.spawn(async move { registry.run(CancellationToken::new()).await.expect("the registry runs") });
        let metrics = FrontDoorMetrics::default();
        let (writer, policies, NamingSources { view, resolver, own, names, .. }) = sources(LookupRules::default());
        let settings = FrontDoorSettings {
            http: any(),
            grpc: any(),
            lookups: LookupRules::default(),
            access: AccessRule::Open,
            max_connections: 1_000,
            protocol: ServerOptions::default(),
        };
        let parts = FrontDoorParts {
            gate: ListenerGate::default(),
            view,
            resolver,
            cluster: own,
            mark: DoorMark(0xab01),
            names,
            upstream: Arc::clone(&upstream),
            news: Arc::new(()),
            troubles: TroubleBoard::default(),
            metrics: metrics.clone(),
        };
        let door = FrontDoor::bind(settings, parts).expect("ports are free");
        let reached = reached_at(door.grpc_address());
        tasks.spawn(async move {
            let _policies = policies; // As long as the door runs.
            door.run(CancellationToken::new()).await.expect("the door runs");
        });
        Self { writer, registry: upstream, door: reached, metrics, tasks }
    }

    pub(crate) async fn connect(&mut self, to: Arc<NacosCluster>) -> Peer {
        let (client, events, connection) = NacosClient::new(to, ClientOptions::default());
        self.tasks.spawn(connection.run(CancellationToken::new()));
        assert!(client.connected_within(PATIENCE).await);
        Peer { client, events }
    }

    fn write(&mut self, revision: u64, weight: f64) {
        self.writer.apply(with_service(Revision(revision), &[("10.0.0.1", weight, Health::Healthy)], &[]));
    }
}

impl Peer {
    /// The next list of a service that is as wanted.
    async fn hears(&mut self, of: &ServiceName, wanted: impl Fn(&ServiceInfo) -> bool) -> ServiceInfo {
        let search = async {
            loop {
                match self.events.recv().await.expect("the client runs") {
                    ClientEvent::Service { service, info, .. } if service == *of && wanted(&info) => return info,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("no such list of {of}"))
    }
}

fn orders() -> ServiceName {
    ServiceName::new("public", "G", "orders")
}

#[tokio::test]
async fn a_subscriber_is_told_of_changes_of_the_view_and_never_of_a_list_that_is_empty_for_want_of_knowledge() {
    let mut rig = Rig::start().await;
    let mut peer = rig.connect(Arc::clone(&rig.door)).await;
    let unknown = peer.client.query(&orders()).await.unwrap_err();
    assert!(matches!(unknown, CallError::Server { code: 300, .. }), "{unknown}");
    rig.write(1, 1.0);
    peer.client.subscribe(&orders());
    let first = peer.hears(&orders(), |info| info.hosts.len() == 1).await;
    rig.write(2, 2.0);
    let second = peer.hears(&orders(), |info| info.hosts[0].weight > 1.5).await;
    assert!(second.last_ref_time > first.last_ref_time);
    let gateway = GatewayStatus { ready: true, ..GatewayStatus::default() };
    rig.writer.apply(ViewChange { gateway: Some(Arc::new(gateway)), ..ViewChange::default() });
    rig.writer.apply(with_service(Revision(3), &[], &[]));
    peer.hears(&orders(), |info| info.hosts.is_empty()).await;
}

#[tokio::test]
async fn a_service_that_is_not_exported_is_looked_up_in_the_local_nacos_and_pushed_as_it_pushes() {
    let mut rig = Rig::start().await;
    let own = ServiceName::new("public", "G", "own-ledger");
    let provider = rig.connect(Arc::clone(&rig.registry)).await;
    let instance = |port| NacosInstance { ip: "10.0.0.9".into(), port, weight: 1.0, ..NacosInstance::default() };
    provider.client.register(&own, vec![instance(1)]).await.unwrap();
    let mut peer = rig.connect(Arc::clone(&rig.door)).await;
    peer.client.subscribe(&own);
    peer.hears(&own, |info| info.hosts.len() == 1).await;
    provider.client.register(&own, vec![instance(1), instance(2)]).await.unwrap();
    peer.hears(&own, |info| info.hosts.len() == 2).await;
    assert_eq!(peer.client.query(&own).await.unwrap().hosts.len(), 2);
    rig.write(1, 1.0);
    let names = peer.client.list_services("public", "G").await.unwrap();
    assert_eq!(names, ["orders", "own-ledger"], "what is exported once, and what is not");
}

#[tokio::test]
async fn a_list_is_made_once_for_all_who_subscribed_and_counted() {
    let mut rig = Rig::start().await;
    rig.write(1, 1.0);
    let mut peers = Vec::new();
    for _ in 0..20 {
        let mut peer = rig.connect(Arc::clone(&rig.door)).await;
        peer.client.subscribe(&orders());
        peer.hears(&orders(), |info| info.hosts.len() == 1).await;
        peers.push(peer);
    }
    assert_eq!(rig.metrics.lists.get(), 1, "all are told of the same");
    let before = rig.metrics.list_encodings.get();
    rig.write(2, 2.0);
    for peer in &mut peers {
        peer.hears(&orders(), |info| info.hosts[0].weight > 1.5).await;
    }
    assert_eq!(rig.metrics.list_encodings.get() - before, 1);
}
