//! The HTTP side as its clients see it: a whole front door in front of an embedded registry, and a view that is written by hand.

mod upstream;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use bounded_listener::ListenerGate;
use federation_core::freshness::Freshness;
use federation_core::id::{ClusterId, InstanceId, ServiceKey};
use federation_core::instance::{Health, Instance, Metadata, Weight};
use federation_core::local::mark::DoorMark;
use federation_core::locality::Locality;
use federation_core::routing::PlaceRules;
use federation_core::service::{
    ClusterStatus, FactSource, FederatedInstance, FederatedService, OriginInstances, Revision,
};
use federation_core::time::Mono;
use federation_policy::InForce;
use federation_ports::metrics::{FrontDoorMetrics, TroubleKind};
use federation_ports::trouble::TroubleBoard;
use federation_registry::RegistryCredentials;
use federation_view::metrics::with_view;
use federation_view::resolve::{OwnPlace, Resolver};
use federation_view::view::{self, ClusterTable, GatewayStatus, ViewChange, ViewWriter};
use nacos_protocol::client::{ClientEvent, ClientOptions, NacosClient};
use nacos_protocol::cluster::{ClusterOptions, ServerAddress};
use nacos_protocol::message::naming::NacosInstance;
use nacos_protocol::server::{ServerOptions, ServiceName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::upstream::Upstream;
use super::*;
use crate::AccessRule;
use crate::naming::tests::SameNames;
use crate::running::{FrontDoor, FrontDoorParts, FrontDoorSettings};

const PATIENCE: Duration = Duration::from_secs(20);

/// What was said to be registered, and to be taken back.
#[derive(Default)]
struct Heard(Mutex<Vec<(String, f64)>>);

impl RegistrationNews for Heard {
    fn registered(&self, service: &ServiceName, instances: &[NacosInstance]) {
        let said = instances.iter().map(|one| (format!("{} {}", service.service, one.ip), one.weight));
        self.0.lock().unwrap().extend(said);
    }

    fn withdrawn(&self, service: &ServiceName, instances: &[NacosInstance]) {
        let said = instances.iter().map(|one| (format!("no more {} {}", service.service, one.ip), one.weight));
        self.0.lock().unwrap().extend(said);
    }
}

fn cluster(id: &str) -> ClusterId {
    id.parse().unwrap()
}

fn status(id: &str) -> ClusterStatus {
    ClusterStatus {
        id: cluster(id),
        locality: Locality::told(Some(id), None, None, None),
        advertise: BTreeMap::new(),
        local: id == "a",
        freshness: Freshness::Live,
        effective: Freshness::Live,
        reason: federation_core::reason::FreshnessCode::Beating.into(),
        freshness_revision: Revision(1),
        age: None,
        as_of: Mono(0),
        last_beat: None,
        services: 0,
        instances: 0,
        configs: 0,
        signing_key: None,
    }
}

/// A front door of cluster `a`, beside which there is a cluster `b`.
struct Running {
    writer: ViewWriter,
    http: SocketAddr,
    grpc: SocketAddr,
    heard: Arc<Heard>,
    troubles: TroubleBoard,
    metrics: FrontDoorMetrics,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    _policies: watch::Sender<Arc<InForce>>,
}

impl Running {
    fn start(upstream: SocketAddr) -> Self {
        let (mut writer, reader) = view::new(Arc::new(|| Mono(0)));
        let (policies, policy) = watch::channel(Arc::default());
        let own = OwnPlace { cluster: cluster("a"), locality: Locality::told(Some("a"), None, None, None) };
        let metrics = with_view(reader.clone(), "0").resolve;
        let resolver = Arc::new(Resolver::new(reader.clone(), policy, PlaceRules::default(), own, 1 << 20, metrics));
        let clusters = ClusterTable { clusters: vec![status("a"), status("b")] };
        let gateway = GatewayStatus { ready: true, ..GatewayStatus::default() };
        let (clusters, gateway) = (Some(Arc::new(clusters)), Some(Arc::new(gateway)));
        writer.apply(ViewChange { clusters, gateway, ..ViewChange::default() });
        let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let protocol = ServerOptions::default();
        let settings = FrontDoorSettings {
            http: anywhere,
            grpc: anywhere,
            lookups: Default::default(),
            access: AccessRule::Open,
            max_connections: 1_000,
            protocol,
        };
        let server: ServerAddress = upstream.to_string().parse().unwrap();
        let heard = Arc::new(Heard::default());
        let (troubles, counted) = (TroubleBoard::default(), FrontDoorMetrics::default());
        let parts = || FrontDoorParts {
            gate: ListenerGate::default(),
            view: reader.clone(),
            resolver: Arc::clone(&resolver),
            cluster: cluster("a"),
            mark: DoorMark(0xab01),
            names: Arc::new(SameNames),
            upstream: NacosCluster::new(ClusterOptions::new(vec![server.clone()])).unwrap(),
            news: heard.clone(),
            troubles: troubles.clone(),
            metrics: counted.clone(),
        };
        // Clients find the gRPC port above the HTTP port.
        let door = loop {
            let door = FrontDoor::bind(settings.clone(), parts()).unwrap();
            if door.grpc_address().port() > door.http_address().port() {
                break door;
            }
        };
        let grpc = door.grpc_address();
        let (http, stop, mut tasks) = (door.http_address(), CancellationToken::new(), JoinSet::new());
        let stopped = stop.clone();
        tasks.spawn(async move { door.run(stopped).await.unwrap() });
        Self { writer, http, grpc, heard, troubles, metrics: counted, stop, tasks, _policies: policies }
    }

    /// Writes a service with an instance of each of these origins: address and health.
    fn service(&mut self, name: &str, instances: &[(&str, &str, Health)]) {
        let key = ServiceKey::new("public", "DEFAULT_GROUP", name);
        let origins = instances.iter().map(|(origin, ip, health)| OriginInstances {
            origin: cluster(origin),
            source: FactSource::Log,
            instances: vec![instance(ip, *health)],
        });
        let service = FederatedService { key: key.clone(), revision: Revision(2), origins: origins.collect() };
        let services = vec![(key, Some(Arc::new(service)))];
        self.writer.apply(ViewChange { services, ..ViewChange::default() });
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        ask(self.http, method, path, headers).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, &[]).await
    }
}

async fn ask(at: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.request(method, format!("http://{at}/nacos/{path}")).timeout(PATIENCE);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = request.send().await.unwrap();
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn instance(ip: &str, health: Health) -> FederatedInstance {
    let metadata: Metadata = [("version", "1")].into_iter().collect();
    let weight = Weight::try_from(1.0).unwrap();
    let instance = Instance { weight, health, enabled: true, ephemeral: true, metadata };
    FederatedInstance {
        id: InstanceId::new(ip, 80, "DEFAULT"),
        instance: Arc::new(instance),
        effective: health,
        held: None,
    }
}

/// An instance as lists show it.
fn shown(ip: &str, metadata: &Value) -> Value {
    json!({
        "instanceId": format!("{ip}#80#DEFAULT#DEFAULT_GROUP@@orders"),
        "ip": ip,
        "port": 80,
        "weight": 1.0,
        "healthy": true,
        "enabled": true,
        "ephemeral": true,
        "clusterName": "DEFAULT",
        "serviceName": "DEFAULT_GROUP@@orders",
        "metadata": metadata,
        "instanceHeartBeatInterval": 5000,
        "instanceHeartBeatTimeOut": 15000,
        "ipDeleteTimeout": 30000,
    })
}

fn ips(listed: &Value) -> Vec<&str> {
    listed.as_array().unwrap().iter().map(|host| host["ip"].as_str().unwrap()).collect()
}

const WELL: Health = Health::Healthy;
/// Where nobody listens.
const NOWHERE: &str = "127.0.0.1:1";

#[tokio::test]
async fn lists_have_the_form_of_each_version() {
    let mut door = Running::start(NOWHERE.parse().unwrap());
    door.service("orders", &[("a", "10.0.0.1", WELL), ("b", "10.1.0.1", WELL)]);
    let host = shown("10.0.0.1", &json!({"version": "1"}));
    let (status, mut listed) = door.get("v1/ns/instance/list?serviceName=orders&clusters=DEFAULT").await;
    assert!(listed["lastRefTime"].as_u64().unwrap() > 0);
    listed["lastRefTime"] = 0.into();
    let whole = json!({
        "name": "DEFAULT_GROUP@@orders",
        "groupName": "DEFAULT_GROUP",
        "clusters": "DEFAULT",
        "cacheMillis": 10000,
        "hosts": [host],
        "lastRefTime": 0,
        "checksum": "",
        "allIPs": false,
        "allIps": false,
        "reachProtectionThreshold": false,
        "valid": true,
    });
    assert_eq!((status, &listed), (200, &whole));
    let (_, mut wrapped) = door.get("v2/ns/instance/list?serviceName=orders&clusterName=DEFAULT").await;
    wrapped["data"]["lastRefTime"] = 0.into();
    assert_eq!(wrapped, json!({"code": 0, "message": "success", "data": whole}));
    let (_, of_client) = door.get("v3/client/ns/instance/list?serviceName=orders").await;
    assert_eq!(of_client, json!({"code": 0, "message": "success", "data": [host]}));
    let (_, names) = door.get("v1/ns/service/list?pageNo=1&pageSize=10").await;
    assert_eq!(names, json!({"count": 1, "doms": ["orders"]}));
    let (_, names) = door.get("v2/ns/service/list?pageNo=1&pageSize=10").await;
    assert_eq!(names["data"], json!({"count": 1, "services": ["orders"]}));
    let (_, nothing) = door.get("v1/ns/instance/list?serviceName=none").await;
    assert_eq!((&nothing["name"], &nothing["hosts"]), (&json!("DEFAULT_GROUP@@none"), &json!([])));
}

#[tokio::test]
async fn a_list_is_for_the_place_and_the_clusters_that_are_asked_for() {
    let mut door = Running::start(NOWHERE.parse().unwrap());
    door.service("orders", &[("a", "10.0.0.1", WELL), ("b", "10.1.0.1", WELL)]);
    for (query, headers, want) in [
        ("serviceName=orders", &[][..], vec!["10.0.0.1"]),
        ("serviceName=orders&clusters=@b", &[], vec!["10.1.0.1"]),
        ("serviceName=orders&clusters=DEFAULT,@b", &[], vec!["10.1.0.1"]),
        ("serviceName=orders&clusters=OTHER", &[], vec![]),
        ("serviceName=orders&app_region=b", &[], vec!["10.1.0.1"]),
        ("serviceName=orders", &[("nacos-fed-region", "b")], vec!["10.1.0.1"]),
        ("serviceName=DEFAULT_GROUP@@orders", &[], vec!["10.0.0.1"]),
        ("serviceName=orders&healthyOnly=true", &[], vec!["10.0.0.1"]),
        ("serviceName=orders&groupName=other", &[], vec![]),
    ] {
        let (_, listed) = door.ask("GET", &format!("v1/ns/instance/list?{query}"), headers).await;
        assert_eq!(ips(&listed["hosts"]), want, "{query}");
    }
    let (_, listed) = door.get("v3/client/ns/instance/list?serviceName=orders&clusterName=@b").await;
    assert_eq!(ips(&listed["data"]), ["10.1.0.1"]);
}

#[tokio::test]
async fn what_nacos_refuses_of_a_lookup_is_refused_in_its_words() {
    let door = Running::start(NOWHERE.parse().unwrap());
    let missing = "Required request parameter 'serviceName' for method parameter type String is not present";
    for (path, status, body) in [
        ("v1/ns/instance/list", 400, json!("Param 'serviceName' is required.")),
        ("v2/ns/instance/list", 400, json!({"code": 10000, "message": "parameter missing", "data": missing})),
        (
            "v3/client/ns/instance/list?serviceName=a&clusterName=a@b",
            400,
            json!("Param 'cluster' is illegal, illegal characters should not appear in the param.\r\n"),
        ),
        ("v1/ns/service/list?pageNo=1&pageSize=x", 400, json!("For input string: \"x\"")),
    ] {
        assert_eq!(door.get(path).await, (status, body), "{path}");
    }
}

#[tokio::test]
async fn a_lookup_of_what_is_not_known_yet_is_no_empty_list() {
    let mut door = Running::start(NOWHERE.parse().unwrap());
    door.writer.apply(ViewChange { gateway: Some(Arc::default()), ..ViewChange::default() });
    for (path, code) in
        [("v1/ns/instance/list?serviceName=s", None), ("v2/ns/instance/list?serviceName=s", Some(30_000))]
    {
        let (status, told) = door.get(path).await;
        assert_eq!((status, told["code"].as_i64()), (503, code), "{told}");
    }
}

#[tokio::test]
async fn registrations_beats_and_config_items_reach_the_local_nacos_and_its_answers_come_back() {
    let upstream = Upstream::start(None).await;
    let door = Running::start(upstream.address);
    let one = "serviceName=s&ip=10.0.0.1&port=80";
    assert_eq!(door.ask("POST", &format!("v1/ns/instance?{one}&weight=3"), &[]).await, (200, json!("ok")));
    let listed = ask(upstream.address, "GET", "v1/ns/instance/list?serviceName=s", &[]).await.1;
    assert_eq!(listed["hosts"][0]["weight"], 3.0);
    let (_, beaten) = door.ask("PUT", &format!("v1/ns/instance/beat?{one}"), &[]).await;
    assert_eq!((&beaten["code"], &beaten["clientBeatInterval"]), (&json!(10_200), &json!(5000)));
    assert_eq!(door.ask("PATCH", &format!("v1/ns/instance?{one}&weight=4"), &[]).await.0, 200);
    assert_eq!(door.get(&format!("v1/ns/instance?{one}")).await.1["weight"], 4.0);
    ask(upstream.address, "POST", "v1/ns/instance?serviceName=own-books&ip=10.0.0.7&port=80", &[]).await;
    for path in ["v1/ns/instance/list?serviceName=own-books", "v3/client/ns/instance/list?serviceName=own-books"] {
        let mut listed = door.get(path).await.1;
        let hosts = if path.starts_with("v1") { listed["hosts"].take() } else { listed["data"].take() };
        assert_eq!(ips(&hosts), ["10.0.0.7"], "{path}: the view has no such service");
    }
    let refused = "v1/ns/instance?serviceName=s&ip=10.0.0.1&port=99999";
    for path in [refused, "v2/ns/instance?serviceName=s", "v3/client/ns/instance?ip=1"] {
        let own = ask(upstream.address, "POST", path, &[]).await;
        assert_eq!(door.ask("POST", path, &[]).await, own, "{path}");
    }
    assert_eq!(*door.heard.0.lock().unwrap(), [("s 10.0.0.1".to_owned(), 3.0)], "what was acknowledged, and no more");
    assert_eq!(door.ask("DELETE", "v1/ns/instance?serviceName=s&ip=10.0.0.1&port=x", &[]).await.0, 400);
    assert_eq!(door.ask("DELETE", &format!("v1/ns/instance?{one}"), &[]).await.0, 200);
    let said = ["s 10.0.0.1", "no more s 10.0.0.1"].map(str::to_owned);
    assert_eq!(door.heard.0.lock().unwrap().iter().map(|(said, _)| said.clone()).collect::<Vec<_>>(), said);
    assert_eq!(ask(upstream.address, "GET", "v1/ns/instance/list?serviceName=s", &[]).await.1["hosts"], json!([]));
    let item = "dataId=d&group=g";
    assert_eq!(door.ask("POST", &format!("v1/cs/configs?{item}&content=%7B%7D"), &[]).await, (200, json!(true)));
    assert_eq!(door.get(&format!("v1/cs/configs?{item}")).await, (200, json!({})));
    assert_eq!(door.get("v3/client/cs/config?dataId=d&groupName=g").await.1["data"]["content"], "{}");
    assert_eq!(door.ask("DELETE", &format!("v1/cs/configs?{item}"), &[]).await.0, 200);
    assert_eq!(door.get(&format!("v1/cs/configs?{item}")).await.0, 404);
    upstream.end().await;
}

#[tokio::test]
async fn a_login_is_the_local_nacos_s_and_so_is_what_its_token_may() {
    let credentials = RegistryCredentials { username: "nacos".into(), password: "secret".into() };
    let upstream = Upstream::start(Some(credentials)).await;
    let door = Running::start(upstream.address);
    let login = "v1/auth/users/login?username=nacos&password=";
    assert_eq!(door.ask("POST", &format!("{login}wrong"), &[]).await.0, 403);
    let (status, token) = door.ask("POST", &format!("{login}secret"), &[]).await;
    assert_eq!((status, &token["tokenTtl"]), (200, &json!(18_000)));
    let register = "v1/ns/instance?serviceName=s&ip=10.0.0.1&port=80";
    assert_eq!(door.ask("POST", register, &[]).await.0, 403);
    let bearer = format!("Bearer {}", token["accessToken"].as_str().unwrap());
    assert_eq!(door.ask("POST", register, &[("authorization", &bearer)]).await.0, 200);
    upstream.end().await;
}

#[tokio::test]
async fn what_is_not_a_clients_never_reaches_the_local_nacos() {
    let upstream = Upstream::start(None).await;
    let door = Running::start(upstream.address);
    for (method, path, status, error) in [
        ("GET", "v3/admin/ns/service/list", 403, "Forbidden"),
        ("GET", "v1/console/namespaces", 403, "Forbidden"),
        ("POST", "v3/console/core/namespace", 403, "Forbidden"),
        ("POST", "v1/auth/users", 403, "Forbidden"),
        ("GET", "v1/ns/catalog/services", 403, "Forbidden"),
        ("GET", "v1/cs/configs?export=true", 403, "Forbidden"),
        ("DELETE", "v1/cs/configs?delType=ids&ids=1", 403, "Forbidden"),
        ("GET", "v1/ns/nope", 501, "Not Implemented"),
        ("POST", "v1/ns/instance/list", 501, "Not Implemented"),
        ("GET", "v3/client/nope", 404, "Not Found"),
    ] {
        let (got, told) = door.ask(method, path, &[]).await;
        let path = format!("/nacos/{}", path.split('?').next().unwrap());
        let want = (status, Some(error), Some(path.as_str()));
        assert_eq!((got, told["error"].as_str(), told["path"].as_str()), want, "{told}");
    }
    let files = [("content-type", "multipart/form-data; boundary=x")];
    assert_eq!(door.ask("POST", "v1/cs/configs?dataId=d&group=g&content=1", &files).await.0, 403);
    upstream.end().await;
}

#[tokio::test]
async fn without_the_local_nacos_lookups_go_on_and_the_rest_is_refused_with_words() {
    let mut door = Running::start(NOWHERE.parse().unwrap());
    door.service("orders", &[("a", "10.0.0.1", WELL)]);
    let words = "the local nacos is not reached, please try later";
    let wrapped = json!({"code": 30_000, "message": "server error", "data": words});
    let one = "serviceName=s&ip=10.0.0.1&port=80";
    for (method, path, told) in [
        ("POST", format!("v1/ns/instance?{one}"), json!(words)),
        ("POST", format!("v2/ns/instance?{one}"), wrapped.clone()),
        ("POST", format!("v3/client/ns/instance?{one}"), wrapped.clone()),
        ("GET", "v1/cs/configs?dataId=d&group=g".into(), json!(words)),
        ("POST", "v1/auth/login?username=n&password=p".into(), json!(words)),
    ] {
        assert_eq!(door.ask(method, &path, &[]).await, (503, told), "{path}");
    }
    assert_eq!(ips(&door.get("v1/ns/instance/list?serviceName=orders").await.1["hosts"]), ["10.0.0.1"]);
    for (path, want) in [
        ("v1/console/health/readiness", json!("OK")),
        ("v3/admin/core/state/liveness", json!({"code": 0, "message": "success", "data": "ok"})),
        ("v1/ns/operator/metrics", json!({"status": "UP"})),
        ("serverlist", json!(format!("{}\n", door.http))),
    ] {
        assert_eq!(door.get(path).await, (200, want), "{path}");
    }
}

#[tokio::test]
async fn a_config_item_is_read_from_its_last_copy_by_who_read_it_while_the_local_nacos_is_away() {
    let upstream = Upstream::start(None).await;
    let door = Running::start(upstream.address);
    ask(upstream.address, "POST", "v1/cs/configs?dataId=d&group=g&content=1&type=text", &[]).await;
    let reads =
        ["v1/cs/configs?dataId=d&group=g", "v2/cs/config?dataId=d&group=g", "v3/client/cs/config?dataId=d&groupName=g"];
    let token = [("accessToken", "t")];
    let absent = door.ask("GET", "v1/cs/configs?dataId=none&group=g", &token).await;
    let mut read = Vec::new();
    for path in reads {
        read.push(door.ask("GET", path, &token).await);
    }
    assert_eq!((absent.0, &read[0]), (404, &(200, json!(1))));
    upstream.end().await;
    for (path, before) in reads.iter().zip(&read) {
        assert_eq!(door.ask("GET", path, &token).await, *before, "{path}");
        assert_eq!(door.get(path).await.0, 503, "{path}: to somebody else nothing was given");
    }
    assert_eq!(
        door.ask("GET", "v1/cs/configs?dataId=none&group=g", &token).await.0,
        503,
        "that there is none, Nacos says"
    );
    assert_eq!(door.ask("POST", "v1/cs/configs?dataId=d&group=g&content=2", &token).await.0, 503);
    assert_eq!(door.metrics.config_copies.get(), 3);
    assert!(door.troubles.has(TroubleKind::ConfigCopies));
}

#[tokio::test]
async fn a_client_that_watches_is_told_which_services_exist_in_any_cluster() {
    let mut door = Running::start(NOWHERE.parse().unwrap());
    door.service("orders", &[("b", "10.1.0.1", WELL)]);
    let offset = door.grpc.port() - door.http.port();
    let options = ClusterOptions::new(vec![door.http.to_string().parse().unwrap()]);
    let cluster = NacosCluster::new(ClusterOptions { grpc_offset: offset, ..options }).unwrap();
    let (client, mut events, connection) = NacosClient::new(cluster, ClientOptions::default());
    let mut tasks = JoinSet::new();
    tasks.spawn(connection.run(door.stop.child_token()));
    let mut appeared = async || {
        let search = async {
            loop {
                if let ClientEvent::ServiceAppeared { service, .. } = events.recv().await.unwrap() {
                    return service.service.to_string();
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("it is told")
    };
    client.fuzzy_watch("public");
    assert_eq!(appeared().await, "orders");
    door.service("billing", &[("a", "10.0.0.1", WELL)]);
    assert_eq!(appeared().await, "billing");
    assert_eq!(client.known_by_fuzzy_watch("public"), Some(2));
    let key = ServiceKey::new("public", "DEFAULT_GROUP", "orders");
    door.writer.apply(ViewChange { services: vec![(key, None)], ..ViewChange::default() });
    let gone = async {
        while client.known_by_fuzzy_watch("public") != Some(1) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it is told that it is gone");
}

#[tokio::test]
async fn a_long_poll_waits_at_the_local_nacos_and_a_stop_answers_it() {
    let upstream = Upstream::start(None).await;
    let mut door = Running::start(upstream.address);
    let poll = [("Long-Pulling-Timeout", "30000")];
    let listen = |known: &str| format!("v1/cs/configs/listener?Listening-Configs=d%02g%02{known}%01");
    let polls = async || {
        ask(upstream.address, "GET", "v1/ns/operator/metrics?onlyStatus=false", &[]).await.1["longPolls"].clone()
    };
    ask(upstream.address, "POST", "v1/cs/configs?dataId=d&group=g&content=1", &[]).await;
    assert_eq!(door.ask("POST", &listen(""), &poll).await, (200, json!("d%02g%01\n")), "it differs already");
    let one = "c4ca4238a0b923820dcc509a6f75849b";
    let path = listen(one);
    let waiting = door.ask("POST", &path, &poll);
    let (told, ()) = tokio::join!(waiting, async {
        while polls().await != 1 {
            tokio::task::yield_now().await;
        }
        ask(upstream.address, "POST", "v1/cs/configs?dataId=d&group=g&content=2", &[]).await;
    });
    assert_eq!(told, (200, json!("d%02g%01\n")));
    let two = "c81e728d9d4c2f636f067f89cc14862c";
    let (http, path) = (door.http, listen(two));
    let (told, ()) = tokio::join!(ask(http, "POST", &path, &poll), async {
        while polls().await != 1 {
            tokio::task::yield_now().await;
        }
        door.stop.cancel();
        tokio::time::timeout(PATIENCE, door.tasks.join_next()).await.unwrap().unwrap().unwrap();
    });
    assert_eq!(told, (200, json!("")));
    upstream.end().await;
}

/// An upstream that takes one request and answers nothing: what it read, and the connection.
async fn silent(listener: &TcpListener) -> (String, TcpStream) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut read = Vec::new();
    while !read.windows(4).any(|end| end == b"\r\n\r\n") {
        assert!(stream.read_buf(&mut read).await.unwrap() > 0, "it broke off");
    }
    (String::from_utf8(read).unwrap(), stream)
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_its_call_and_nacos_is_told_whose_it_was() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = Running::start(listener.local_addr().unwrap());
    let mut client = TcpStream::connect(door.http).await.unwrap();
    let head = "PUT /nacos/v1/ns/instance/beat?serviceName=a%2Fb&x=%20 HTTP/1.1\r\nhost: x\r\nconnection: x-mine\r\nx-mine: 1\r\n\
                accessToken: t\r\nx-forwarded-for: 1.2.3.4\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let (request, mut stream) = tokio::time::timeout(PATIENCE, silent(&listener)).await.unwrap();
    assert!(request.starts_with("PUT /nacos/v1/ns/instance/beat?serviceName=a%2Fb&x=%20 HTTP/1.1\r\n"), "{request}");
    let lower = request.to_ascii_lowercase();
    assert!(lower.contains("\r\naccesstoken: t\r\n") && lower.contains("\r\nx-forwarded-for: 1.2.3.4, 127.0.0.1\r\n"));
    assert!(!lower.contains("x-mine"), "{request}");
    drop(client);
    let ended = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 16])).await.expect("the call ends");
    assert!(matches!(ended, Ok(0) | Err(_)));
}

#[tokio::test]
async fn the_next_server_is_tried_only_where_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let second = Upstream::start(None).await;
    let cluster = |first: SocketAddr| {
        let servers = [first, second.address].map(|server| server.to_string().parse().unwrap());
        NacosCluster::new(ClusterOptions::new(servers.to_vec())).unwrap()
    };
    let request = nacos_protocol::cluster::PassedRequest {
        method: Method::POST,
        path: "v1/ns/instance".into(),
        query: "serviceName=s&ip=10.0.0.1&port=80".into(),
        headers: Default::default(),
        body: Default::default(),
        within: PATIENCE,
    };
    let silent_cluster = cluster(listener.local_addr().unwrap());
    let (answer, ()) = tokio::join!(silent_cluster.pass(request.clone()), async { drop(silent(&listener).await) });
    assert!(answer.is_err(), "it may have registered");
    assert_eq!(cluster(NOWHERE.parse().unwrap()).pass(request).await.unwrap().status(), 200);
    second.end().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_nobody_else_notices() {
    let door = Running::start(NOWHERE.parse().unwrap());
    let sent = async |head: String| {
        let mut client = TcpStream::connect(door.http).await.unwrap();
        client.write_all(head.as_bytes()).await.unwrap();
        let mut answer = vec![0; 12];
        tokio::time::timeout(PATIENCE, client.read_exact(&mut answer)).await.unwrap().unwrap();
        String::from_utf8(answer).unwrap()
    };
    let large = |path: &str, bytes: usize| {
        format!(
            "POST /nacos/{path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {bytes}\r\n\r\n"
        )
    };
    for (head, status) in [
        (large("v1/ns/instance", (64 << 10) + 1), "HTTP/1.1 413"),
        (large("v1/cs/configs/listener", (2 << 20) + 1), "HTTP/1.1 413"),
        (large("v1/cs/configs", MAX_REQUEST_BYTES + 1), "HTTP/1.1 413"),
        (format!("GET /nacos/serverlist HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(65 << 10)), "HTTP/1.1 431"),
    ] {
        assert_eq!(sent(head).await, status);
    }
    assert_eq!(door.get("v1/console/health/liveness").await, (200, json!("OK")));
}
