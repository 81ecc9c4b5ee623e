//! The registry as its clients see it: our own client over gRPC, and plain HTTP.

use nacos_protocol::admin::AdminClient;
use nacos_protocol::client::{
    CallError, ClientEvent, ClientEvents, ClientOptions, ConfigName, ConfigWrite, NacosClient, ServiceName,
    ServiceSource,
};
use nacos_protocol::cluster::{ClusterOptions, LoginCredentials as ClientCredentials, NacosCluster, ServerAddress};
use nacos_protocol::message::naming::{NacosInstance, ServiceInfo};
use serde_json::{Value, json};

use super::*;

mod http;

const PATIENCE: Duration = Duration::from_secs(10);

/// A running registry and the tasks of a test.
struct Running {
    http: SocketAddr,
    stop: CancellationToken,
    registry: JoinSet<Result<(), EmbeddedError>>,
    clients: JoinSet<()>,
    credentials: Option<ClientCredentials>,
}

fn anywhere() -> EmbeddedOptions {
    EmbeddedOptions { push_delay: Duration::from_millis(5), ..EmbeddedOptions::at("127.0.0.1:0".parse().unwrap()) }
}

async fn start(options: EmbeddedOptions) -> Running {
    // A free HTTP port says nothing of the port 1000 above it.
    let registry = loop {
        match EmbeddedRegistry::start(options.clone()).await {
            Ok(registry) => break registry,
            Err(EmbeddedError::Bind { .. } | EmbeddedError::NoGrpcPort(_)) => {}
            Err(error) => panic!("{error}"),
        }
    };
    let (http, stop) = (registry.http_addr(), CancellationToken::new());
    let mut tasks = JoinSet::new();
    tasks.spawn(registry.run(stop.clone()));
    Running { http, stop, registry: tasks, clients: JoinSet::new(), credentials: None }
}

impl Running {
    /// A connected client.
    async fn client(&mut self) -> Peer {
        let mut peer = self.unconnected();
        peer.wait(|event| matches!(event, ClientEvent::Connected { .. }).then_some(())).await;
        peer
    }

    fn cluster(&self) -> Arc<NacosCluster> {
        let server: ServerAddress = self.http.to_string().parse().unwrap();
        let options = ClusterOptions { credentials: self.credentials.clone(), ..ClusterOptions::new(vec![server]) };
        NacosCluster::new(options).unwrap()
    }

    fn unconnected(&mut self) -> Peer {
        let (client, events, connection) = NacosClient::new(self.cluster(), ClientOptions::default());
        let stop = self.stop.child_token();
        self.clients.spawn(connection.run(stop.clone()));
        Peer { client, events, stop }
    }

    async fn call(&self, method: &str, path: &str) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("http://{}/nacos/{path}", self.http);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.request(method, url).send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn end(mut self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.registry.join_next()).await.expect("it stops in time");
        ended.expect("it ran").expect("no panic").expect("no failure");
    }
}

struct Peer {
    client: NacosClient,
    events: ClientEvents,
    stop: CancellationToken,
}

impl Peer {
    async fn wait<T>(&mut self, mut wanted: impl FnMut(&ClientEvent) -> Option<T>) -> T {
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

    /// Why the next list came.
    async fn next_source(&mut self) -> ServiceSource {
        self.wait(|event| match event {
            ClientEvent::Service { source, .. } => Some(*source),
            _ => None,
        })
        .await
    }

    /// Waits for a list of these addresses.
    async fn sees(&mut self, name: &ServiceName, addresses: &[&str]) -> ServiceInfo {
        let mut last = 0;
        self.wait(|event| match event {
            ClientEvent::Service { service, info, .. } if service == name => {
                assert!(info.last_ref_time >= last, "revisions do not go back");
                last = info.last_ref_time;
                let seen: Vec<&str> = info.hosts.iter().map(|host| &*host.ip).collect();
                (seen == addresses).then(|| info.clone())
            }
            _ => None,
        })
        .await
    }
}

fn orders() -> ServiceName {
    ServiceName::new("public", "G", "orders")
}

fn instance(ip: &str) -> NacosInstance {
    let metadata = [("k\"".to_owned(), "väl'ue 值".to_owned())].into();
    NacosInstance { ip: ip.into(), port: 80, weight: 0.5, metadata, ..NacosInstance::default() }
}

#[tokio::test]
async fn a_registration_reaches_subscribers_and_ends_with_its_connection() {
    let mut running = start(anywhere()).await;
    let (mut watcher, publisher) = (running.client().await, running.client().await);
    watcher.client.subscribe(&orders());
    watcher.sees(&orders(), &[]).await;
    publisher.client.register(&orders(), vec![instance("10.0.0.1")]).await.unwrap();
    let info = watcher.sees(&orders(), &["10.0.0.1"]).await;
    assert_eq!((&info.hosts[0].metadata, info.hosts[0].weight), (&instance("").metadata, 0.5));
    assert_eq!(info.hosts[0].instance_id, "10.0.0.1#80#DEFAULT#G@@orders");
    publisher.client.register(&orders(), vec![instance("10.0.0.1"), instance("10.0.0.2")]).await.unwrap();
    watcher.sees(&orders(), &["10.0.0.1", "10.0.0.2"]).await;
    let listed = watcher.client.list_services("public", "G").await.unwrap();
    assert_eq!(listed, ["orders"]);
    publisher.stop.cancel();
    watcher.sees(&orders(), &[]).await;
    running.end().await;
}

#[tokio::test]
async fn a_service_that_was_quiet_is_pushed_at_once_however_long_changes_may_be_gathered() {
    let mut running = start(EmbeddedOptions { push_delay: Duration::from_secs(3600), ..anywhere() }).await;
    let (mut watcher, publisher) = (running.client().await, running.client().await);
    watcher.client.subscribe(&orders());
    watcher.sees(&orders(), &[]).await;
    publisher.client.register(&orders(), vec![instance("10.0.0.1")]).await.unwrap();
    watcher.sees(&orders(), &["10.0.0.1"]).await;
    // Now it rests, and not for an hour: little was sent.
    publisher.client.register(&orders(), vec![instance("10.0.0.1"), instance("10.0.0.2")]).await.unwrap();
    watcher.sees(&orders(), &["10.0.0.1", "10.0.0.2"]).await;
    running.end().await;
}

#[tokio::test]
async fn a_subscription_is_followed_by_one_push_of_the_same() {
    let mut running = start(anywhere()).await;
    let (mut first, mut second) = (running.client().await, running.client().await);
    first.client.subscribe(&orders());
    first.client.register(&orders(), vec![instance("10.0.0.1")]).await.unwrap();
    first.sees(&orders(), &["10.0.0.1"]).await; // From here on nothing changes.
    second.client.subscribe(&orders());
    let sources = [second.next_source().await, second.next_source().await];
    assert_eq!(sources, [ServiceSource::Subscribed, ServiceSource::Push]);
}

#[tokio::test]
async fn persistent_instances_outlive_their_registrant_and_refuse_ephemeral_company() {
    let mut running = start(anywhere()).await;
    let (watcher, publisher) = (running.client().await, running.client().await);
    publisher.client.register_persistent(&orders(), instance("10.0.0.1")).await.unwrap();
    publisher.stop.cancel();
    let refused = watcher.client.register(&orders(), vec![instance("10.0.0.2")]).await;
    assert!(matches!(refused, Err(CallError::Server { code: 400, .. })), "{refused:?}");
    let info = watcher.client.query(&orders()).await.unwrap();
    assert_eq!((info.hosts.len(), info.hosts[0].ephemeral), (1, false));
    watcher.client.deregister_persistent(&orders(), instance("10.0.0.1")).await.unwrap();
    assert!(watcher.client.query(&orders()).await.unwrap().hosts.is_empty());
}

#[tokio::test]
async fn config_items_are_published_heard_of_and_guarded() {
    let mut running = start(anywhere()).await;
    let (mut listener, writer) = (running.client().await, running.client().await);
    let config = ConfigName::new("", "G", "app.yaml");
    listener.client.listen_config(&config, "");
    assert_eq!(writer.client.query_config(&config).await.unwrap(), None);
    let write = |content: &str, cas_md5: Option<String>| ConfigWrite {
        content: content.into(),
        content_type: "yaml".into(),
        cas_md5,
        ..ConfigWrite::default()
    };
    let content = "a: \"ü\"\r\nb: 值\n";
    writer.client.publish_config(&config, write(content, None)).await.unwrap();
    let heard = listener.wait(|event| match event {
        ClientEvent::ConfigChanged { config } => Some(config.clone()),
        _ => None,
    });
    assert_eq!(heard.await, config, "by the name the listener uses");
    let found = listener.client.query_config(&ConfigName::new("public", "G", "app.yaml")).await.unwrap().unwrap();
    assert_eq!((found.content.as_str(), found.content_type.as_str()), (content, "yaml"));
    writer.client.publish_config(&config, write("c", Some("0".repeat(32)))).await.expect_err("another md5");
    writer.client.publish_config(&config, write("c", Some(found.md5))).await.unwrap();
    writer.client.remove_config(&config).await.unwrap();
    assert_eq!(writer.client.query_config(&config).await.unwrap(), None);
}

#[tokio::test]
async fn a_fuzzy_watch_tells_what_exists_and_what_comes_and_goes() {
    let mut running = start(anywhere()).await;
    let (mut watcher, publisher) = (running.client().await, running.client().await);
    publisher.client.register(&orders(), vec![instance("10.0.0.1")]).await.unwrap();
    watcher.client.fuzzy_watch("public");
    let mut appeared = Vec::new();
    watcher
        .wait(|event| match event {
            ClientEvent::ServiceAppeared { service } => {
                appeared.push(service.clone());
                None
            }
            ClientEvent::FuzzyWatchReady { .. } => Some(()),
            _ => None,
        })
        .await;
    assert_eq!(appeared, [orders()]);
    let late = ServiceName { service: "late".into(), ..orders() };
    publisher.client.register(&late, vec![instance("10.0.0.2")]).await.unwrap();
    watcher
        .wait(|event| matches!(event, ClientEvent::ServiceAppeared { service } if *service == late).then_some(()))
        .await;
    publisher.stop.cancel();
    watcher.wait(|event| matches!(event, ClientEvent::ServiceDisappeared { .. }).then_some(())).await;
}

#[tokio::test]
async fn what_operators_change_over_http_is_pushed_and_disabled_is_shown_to_them_alone() {
    let mut running = start(anywhere()).await;
    let mut peer = running.client().await;
    peer.client.register(&orders(), vec![instance("10.0.0.1"), instance("10.0.0.2")]).await.unwrap();
    peer.client.subscribe(&orders());
    while peer.next_source().await != ServiceSource::Push {} // From here on nothing is owed.
    let service = "groupName=G&serviceName=orders";
    let change = format!("v3/admin/ns/instance?{service}&ip=10.0.0.1&port=80&enabled=false&weight=3&metadata=x=y");
    assert_eq!(running.call("PUT", &change).await.0, 200);
    peer.sees(&orders(), &["10.0.0.2"]).await;
    let (_, list) = running.call("GET", &format!("v3/admin/ns/instance/list?{service}")).await;
    let first = &list["data"][0];
    assert_eq!(
        (&first["enabled"], &first["weight"], &first["metadata"]["x"]),
        (&json!(false), &json!(3.0), &json!("y"))
    );
    let (_, all) = running.call("GET", "v3/admin/ns/service/list?withInstances=true").await;
    assert_eq!(all["data"]["pageItems"][0]["clusterMap"]["DEFAULT"]["hosts"].as_array().unwrap().len(), 2);
    let unknown = running.call("PUT", "v3/admin/ns/instance?serviceName=none&ip=1&port=1").await;
    assert_eq!((unknown.0, &unknown.1["code"]), (400, &json!(21004)));
}

#[tokio::test]
async fn http_registers_beats_lists_and_removes() {
    let running = start(anywhere()).await;
    let one = "serviceName=G@@orders&ip=10.0.0.1&port=80&clusterName=X";
    for (method, path, status, want) in [
        ("POST", format!("v1/ns/instance?{one}&metadata={{\"a\":\"b\"}}"), 200, json!("ok")),
        (
            "PUT",
            format!("v1/ns/instance/beat?{one}"),
            200,
            json!({"clientBeatInterval": 5000, "code": 10200, "lightBeatEnabled": true}),
        ),
        (
            "PUT",
            "v1/ns/instance/beat?serviceName=G@@orders&ip=9&port=80".into(),
            200,
            json!({"clientBeatInterval": 5000, "code": 20404, "lightBeatEnabled": true}),
        ),
        (
            "POST",
            "v3/client/ns/instance?serviceName=orders&ip=9&port=80&heartBeat=true".into(),
            200,
            json!({"code": 21003, "message": "instance not found", "data": null}),
        ),
        (
            "GET",
            "v1/ns/service/list?pageNo=1&pageSize=10&groupName=G".into(),
            200,
            json!({"count": 1, "doms": ["orders"]}),
        ),
        ("POST", "v1/ns/instance?serviceName=orders&port=80".into(), 400, json!("Param 'ip' is required.")),
        (
            "GET",
            "v3/admin/ns/instance/list?groupName=G&serviceName=orders".into(),
            404,
            json!({"code": 30000, "message": "server error", "data": "service G@@orders is not found!"}),
        ),
        ("DELETE", format!("v1/ns/instance?{one}"), 200, json!("ok")),
    ] {
        assert_eq!(running.call(method, &path).await, (status, want), "{method} {path}");
    }
    let (_, list) = running.call("GET", "v1/ns/instance/list?serviceName=G@@orders").await;
    assert_eq!((&list["name"], list["hosts"].as_array().unwrap().len()), (&json!("G@@orders"), 0));
}

#[tokio::test]
async fn http_lists_services_namespaces_and_config_items_by_page() {
    let running = start(anywhere()).await;
    for n in 0..3 {
        running.call("POST", &format!("v3/client/ns/instance?groupName=g{n}&serviceName=s&ip=10.0.0.1&port=80")).await;
        running.call("POST", &format!("v3/admin/cs/config?groupName=g&dataId=d{n}&content=c{n}&type=yaml")).await;
    }
    let (_, services) = running.call("GET", "v3/admin/ns/service/list?pageNo=2&pageSize=2&namespaceId=public").await;
    let data = &services["data"];
    assert_eq!(
        (&data["totalCount"], &data["pagesAvailable"], &data["pageItems"][0]["groupName"]),
        (&json!(3), &json!(2), &json!("g2"))
    );
    let (_, configs) = running.call("GET", "v3/admin/cs/config/list?pageNo=1&pageSize=2").await;
    assert_eq!(configs["data"]["pageItems"].as_array().unwrap().len(), 2);
    let (_, all) = running.call("GET", "v3/admin/cs/history/configs?namespaceId=public").await;
    assert_eq!((all["data"].as_array().unwrap().len(), &all["data"][2]["dataId"]), (3, &json!("d2")));
    let (_, one) = running.call("GET", "v3/admin/cs/config?groupName=g&dataId=d1").await;
    assert_eq!((&one["data"]["content"], &one["data"]["type"]), (&json!("c1"), &json!("yaml")));
    assert_eq!(running.call("GET", "v1/cs/configs?group=g&dataId=d1").await, (200, json!("c1")));
    assert_eq!(running.call("GET", "v3/admin/cs/config?groupName=g&dataId=none").await.1["code"], 20004);
    running.call("POST", "v3/admin/core/namespace?namespaceId=dev&namespaceName=Dev").await;
    let (_, namespaces) = running.call("GET", "v3/admin/core/namespace/list").await;
    let ids: Vec<&Value> = namespaces["data"].as_array().unwrap().iter().map(|one| &one["namespace"]).collect();
    assert_eq!(ids, ["dev", "public"]);
    assert_eq!(namespaces["data"][1]["configCount"], 3);
}

#[tokio::test]
async fn our_own_admin_calls_find_what_is_there() {
    let mut running = start(anywhere()).await;
    let peer = running.client().await;
    let admin = AdminClient::new(running.cluster());
    let [east, mut west] = ["10.0.0.1", "10.0.0.2"].map(instance);
    (west.cluster_name, west.enabled, west.healthy) = ("west".into(), false, false);
    peer.client.register(&orders(), vec![east, west]).await.unwrap();
    let nameless = ServiceName { namespace: String::new(), ..orders() };
    peer.client.register(&nameless, vec![instance("10.0.0.3")]).await.unwrap();
    let write = ConfigWrite { content: "a: 1".into(), content_type: "yaml".into(), ..ConfigWrite::default() };
    let config = ConfigName::new("public", "G", "app.yaml");
    peer.client.publish_config(&config, write).await.unwrap();

    admin.readiness().await.unwrap();
    assert_eq!(admin.version().await.unwrap(), env!("CARGO_PKG_VERSION"));
    assert_eq!(admin.namespaces().await.unwrap()[0].id, "public");
    let [listed] = &admin.services("public").await.unwrap()[..] else { panic!("one service") };
    assert_eq!((&listed.name, listed.instances, listed.healthy), (&orders(), Some(2), Some(1)));
    assert_eq!(admin.services("").await.unwrap()[0].name, nameless);
    let found = admin.instances(&orders()).await.unwrap();
    let seen: Vec<_> = found.iter().map(|one| (&*one.ip, &*one.cluster_name, one.enabled, one.healthy)).collect();
    assert_eq!(seen, [("10.0.0.1", "DEFAULT", true, true), ("10.0.0.2", "west", false, false)]);
    assert!(admin.instances(&ServiceName { service: "none".into(), ..orders() }).await.unwrap().is_empty());
    assert_eq!(admin.config_keys("public").await.unwrap()[0].name, config);
    assert_eq!(admin.config_detail(&config).await.unwrap().unwrap().content_type, "yaml");
    assert!(admin.config_detail(&ConfigName { data_id: "none".into(), ..config }).await.unwrap().is_none());
}

#[tokio::test]
async fn with_credentials_only_who_logged_in_may_call() {
    let credentials = RegistryCredentials { username: "nacos".into(), password: "secret".into() };
    let mut running = start(EmbeddedOptions { credentials: Some(credentials), ..anywhere() }).await;
    assert_eq!(running.call("GET", "v3/admin/ns/service/list").await.0, 403);
    assert_eq!(running.call("GET", "v3/admin/core/state/readiness").await.0, 200);
    assert_eq!(running.call("POST", "v3/auth/user/login?username=nacos&password=wrong").await.0, 403);
    let (_, login) = running.call("POST", "v1/auth/users/login?username=nacos&password=secret").await;
    let token = login["accessToken"].as_str().unwrap();
    assert_eq!(running.call("GET", &format!("v3/admin/ns/service/list?accessToken={token}")).await.0, 200);
    let form = format!("serviceName=orders&ip=10.0.0.9&port=80&accessToken={token}");
    let url = format!("http://{}/nacos/v1/ns/instance", running.http);
    let post = reqwest::Client::builder().no_proxy().build().unwrap().post(url).body(form);
    let answer = post.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "ok", "the Go SDK sends its token in the form");

    let said = |password: &str| Some(ClientCredentials { username: "nacos".into(), password: password.into() });
    running.credentials = said("wrong");
    let mut wrong = running.unconnected();
    wrong.wait(|event| matches!(event, ClientEvent::LoginFailed { .. }).then_some(())).await;
    running.credentials = said("secret");
    let right = running.client().await;
    right.client.register(&orders(), vec![instance("10.0.0.1")]).await.unwrap();
}

#[tokio::test]
async fn a_change_that_the_disk_does_not_take_is_refused_at_every_door_and_the_former_value_stays() {
    let root = tempfile::tempdir().unwrap();
    let (folder, away) = (root.path().join("registry"), root.path().join("away"));
    let options = EmbeddedOptions { config_folder: Some(folder.clone().into()), ..anywhere() };
    let mut running = start(options).await;
    let mut peer = running.client().await;
    let config = ConfigName::new("public", "G", "app.yaml");
    let write = |content: &str| ConfigWrite { content: content.into(), ..ConfigWrite::default() };
    peer.client.publish_config(&config, write("1")).await.unwrap();
    peer.client.register(&orders(), vec![instance("10.0.0.1")]).await.unwrap();
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "a file where the folder should be").unwrap();

    let item = "groupName=G&group=G&dataId=app.yaml";
    for (method, path) in [("POST", "v1/cs/configs"), ("DELETE", "v1/cs/configs")] {
        let (status, said) = running.call(method, &format!("{path}?{item}&content=2")).await;
        assert!(status == 500 && said.as_str().unwrap().contains("cannot be kept"), "{method} {path}: {status} {said}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        let (status, said) = running.call(method, &format!("v3/admin/cs/config?{item}&content=2")).await;
        let reason = said["data"].as_str().unwrap_or_default();
        assert_eq!((status, &said["code"], reason.contains("cannot be kept")), (500, &json!(30000), true), "{method}");
    }
    let refused = [peer.client.publish_config(&config, write("2")).await, peer.client.remove_config(&config).await];
    for refused in refused {
        assert!(matches!(&refused, Err(CallError::Server { code: 500, .. })), "{refused:?}");
    }
    assert_eq!(peer.client.query_config(&config).await.unwrap().unwrap().content, "1");
    peer.client.subscribe(&orders());
    peer.sees(&orders(), &["10.0.0.1"]).await; // Instances need no disk.

    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    peer.client.publish_config(&config, write("3")).await.unwrap();
    assert_eq!(running.call("GET", &format!("v1/cs/configs?{item}")).await, (200, json!(3)));
    running.end().await;
}

#[tokio::test]
async fn items_that_cannot_be_read_are_an_error_at_every_door_and_never_absent() {
    let root = tempfile::tempdir().unwrap();
    let (folder, away) = (root.path().join("registry"), root.path().join("away"));
    let options = || EmbeddedOptions { config_folder: Some(folder.clone().into()), ..anywhere() };
    let running = start(options()).await;
    let item = "groupName=G&group=G&dataId=app.yaml";
    assert_eq!(running.call("POST", &format!("v1/cs/configs?{item}&content=1")).await.0, 200);
    running.end().await;
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "a file where the folder should be").unwrap();
    let mut running = start(options()).await;
    for path in ["v1/cs/configs", "v3/client/cs/config", "v3/admin/cs/config", "v3/admin/cs/config/list"] {
        assert_eq!(running.call("GET", &format!("{path}?{item}")).await.0, 500, "{path}");
    }
    let peer = running.client().await;
    let refused = peer.client.query_config(&ConfigName::new("public", "G", "app.yaml")).await;
    assert!(matches!(refused, Err(CallError::Server { code: 500, .. })), "{refused:?}");
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    assert_eq!(running.call("POST", "v1/cs/configs?group=G&dataId=other&content=2").await.0, 200);
    assert_eq!(running.call("GET", &format!("v1/cs/configs?{item}")).await, (200, json!(1)));
    running.end().await;
}

#[tokio::test]
async fn a_restart_keeps_config_items_and_clients_come_back_with_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions { config_folder: Some(folder.path().into()), ..anywhere() };
    let mut running = start(options.clone()).await;
    let (mut peer, config) = (running.client().await, ConfigName::new("public", "G", "app.yaml"));
    let write = ConfigWrite { content: "a: 1".into(), ..ConfigWrite::default() };
    peer.client.publish_config(&config, write).await.unwrap();
    peer.client.register(&orders(), vec![instance("10.0.0.1")]).await.unwrap();
    peer.client.subscribe(&orders());
    peer.sees(&orders(), &["10.0.0.1"]).await;

    let (http, clients) = (running.http, std::mem::take(&mut running.clients));
    let stop = std::mem::replace(&mut running.stop, CancellationToken::new());
    drop(std::mem::take(&mut running.registry)); // Aborted, as by a crash: nothing is saved at the end.
    peer.wait(|event| matches!(event, ClientEvent::Disconnected { .. }).then_some(())).await;
    let mut again = start(EmbeddedOptions { http, ..options }).await;
    again.clients = clients;
    peer.sees(&orders(), &["10.0.0.1"]).await;
    assert_eq!(peer.client.query_config(&config).await.unwrap().unwrap().content, "a: 1");
    stop.cancel();
    again.end().await;
}
