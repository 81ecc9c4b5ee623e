use std::net::SocketAddr;

use bounded_listener::ListenerGate;
use federation_proto::federation::v1 as pb;
use federation_proto::federation::v1::discovery_client::DiscoveryClient;
use federation_proto::federation::v1::watch_service_response::Event;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_request, server_reflection_response};

use super::*;
use crate::serve::{self, ApiListeners};

/// A served gateway; stops when it is dropped.
pub(super) struct Served {
    pub(super) channel: Channel,
    url: String,
    _tasks: JoinSet<Result<(), serve::ServeError>>,
    pub(super) _stop: DropGuard,
}

pub(super) async fn served(gateway: &Gateway) -> Served {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let listeners = ApiListeners::bind(&ListenerGate::default(), any, any).unwrap();
    let url = format!("http://{}", listeners.grpc_address());
    let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
    tasks.spawn(serve::run(listeners, gateway.state.clone(), stop.clone()));
    let channel = Channel::from_shared(url.clone()).unwrap().connect().await.unwrap();
    Served { channel, url, _tasks: tasks, _stop: stop.drop_guard() }
}

impl Served {
    /// Another connection: one carries a hundred calls at a time.
    pub(super) async fn another_channel(&self) -> Channel {
        Channel::from_shared(self.url.clone()).unwrap().connect().await.unwrap()
    }
}

fn get(name: &str) -> pb::GetServiceRequest {
    pb::GetServiceRequest { service_name: name.to_owned(), ..pb::GetServiceRequest::default() }
}

#[tokio::test]
async fn calls_answer_what_http_answers() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    gateway.put_config(config("public", "app.yaml", 3, &["frankfurt"]));
    let served = served(&gateway).await;
    let mut client = DiscoveryClient::new(served.channel.clone());

    let clusters = client.list_clusters(pb::ListClustersRequest {}).await.unwrap().into_inner().clusters;
    assert_eq!((clusters[0].cluster.as_str(), clusters[0].freshness()), ("frankfurt", pb::Freshness::Stale));
    assert_eq!((clusters[0].age_ms, clusters[1].local), (Some(40), true));

    let services = client.list_services(pb::ListServicesRequest::default()).await.unwrap().into_inner();
    let counts = pb::InstanceCounts { instances: 2, healthy: 1, unknown: 0 };
    assert_eq!((services.total, services.page_no, services.page_size), (1, 1, 100));
    assert_eq!(services.services[0].clusters["frankfurt"], counts);

    let found = client.get_service(get("orders")).await.unwrap().into_inner().service.unwrap();
    assert_eq!((found.version, found.instances.len()), (FIRST_VERSION + 7, 3));
    let held = found.instances[1].held.as_ref().unwrap();
    assert_eq!((held.age_ms, found.instances[1].health()), (600, pb::Health::Unhealthy));
    assert_eq!(found.instances[0].metadata["quote"], "\"ü\n\"");
    assert_eq!(found.instances[2].source(), pb::Source::Nacos);

    let configs = client.list_configs(pb::ListConfigsRequest::default()).await.unwrap().into_inner();
    assert_eq!(configs.configs[0].clusters["frankfurt"].bytes, 15);
    let request = pb::GetConfigRequest {
        namespace_id: Some(String::new()),
        group_name: "g".to_owned(),
        data_id: "app.yaml".to_owned(),
        ..pb::GetConfigRequest::default()
    };
    let config = client.get_config(request).await.unwrap().into_inner().config.unwrap();
    assert_eq!(config.items[0].content, "a: 1\r\n# ü \"q\"\n");
}

#[tokio::test]
async fn what_is_sealed_says_so_and_is_refused_where_nothing_else_is_asked_for() {
    let mut gateway = Gateway::new();
    let (key, reason) = (SealKeyId([0xab; 8]), SealReason::CannotBeOpened);
    let mut partly = config("public", "app.yaml", 3, &["frankfurt", "shanghai"]);
    partly.items[0].item = Arc::new(ConfigItem::sealed(SealedContent { key, bytes: [1; 40].into(), reason }));
    gateway.put_config(partly);
    let served = served(&gateway).await;
    let mut client = DiscoveryClient::new(served.channel.clone());
    let sealed = pb::Sealed { key_id: "abababababababab".to_owned(), reason: "cannot_be_opened".to_owned() };
    let configs = client.list_configs(pb::ListConfigsRequest::default()).await.unwrap().into_inner().configs;
    let of = |origin: &str| (configs[0].clusters[origin].sealed.clone(), configs[0].clusters[origin].bytes);
    assert_eq!((of("frankfurt"), of("shanghai")), ((Some(sealed.clone()), 0), (None, 15)));
    let get = |origins: Vec<String>| pb::GetConfigRequest {
        group_name: "g".to_owned(),
        data_id: "app.yaml".to_owned(),
        origins,
        ..pb::GetConfigRequest::default()
    };
    let items = client.get_config(get(Vec::new())).await.unwrap().into_inner().config.unwrap().items;
    assert_eq!((items[0].content.as_str(), items[0].sealed.clone()), ("", Some(sealed)));
    assert_eq!((items[1].content.len(), items[1].sealed.clone()), (15, None));
    let error = client.get_config(get(vec!["frankfurt".to_owned()])).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(
        error.message().ends_with("in frankfurt it is sealed and cannot be opened by key abababababababab"),
        "{error}"
    );
}

#[tokio::test]
async fn errors_have_codes_and_say_what_is_wrong() {
    let gateway = Gateway::new();
    let served = served(&gateway).await;
    let mut client = DiscoveryClient::new(served.channel.clone());
    let error = client.get_service(get("orders")).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert!(error.message().contains("looked at: frankfurt (stale, 40 ms old), shanghai"), "{error}");
    let error = client.get_service(get("")).await.unwrap_err();
    assert_eq!((error.code(), error.message().split(' ').next()), (Code::InvalidArgument, Some("service_name")));
    let request = pb::ListServicesRequest { page_size: 1001, ..pb::ListServicesRequest::default() };
    let error = client.list_services(request).await.unwrap_err();
    assert_eq!((error.code(), error.message().split(' ').next()), (Code::InvalidArgument, Some("page_size")));
    let request =
        pb::WatchServiceRequest { origins: vec!["A".to_owned()], service_name: "s".to_owned(), ..Default::default() };
    let error = client.watch_service(request).await.unwrap_err();
    assert_eq!((error.code(), error.message().split(' ').next()), (Code::InvalidArgument, Some("origins")));
    let error =
        client.get_config(pb::GetConfigRequest { data_id: "d".to_owned(), ..Default::default() }).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert_eq!(gateway.state.api_metrics().grpc_requests("GetConfig", "not_found").get(), 1);
}

#[tokio::test]
async fn watchers_of_one_service_are_told_every_change_in_bytes_encoded_once() {
    let mut gateway = Gateway::new();
    let served = served(&gateway).await;
    let mut client = DiscoveryClient::new(served.channel.clone());
    let request = pb::WatchServiceRequest { service_name: "orders".to_owned(), ..Default::default() };
    let mut watches = Vec::new();
    for number in 0..300 {
        if number % 90 == 0 {
            client = DiscoveryClient::new(served.another_channel().await);
        }
        let mut watch = client.watch_service(request.clone()).await.unwrap().into_inner();
        let Some(Event::Absent(absent)) = watch.message().await.unwrap().unwrap().event else { panic!("not absent") };
        assert_eq!((absent.service_name.as_str(), absent.clusters.len()), ("orders", 2));
        watches.push(watch);
    }
    gateway.put(orders(7));
    let want = client.get_service(get("orders")).await.unwrap().into_inner().service.unwrap();
    for watch in &mut watches {
        let event = watch.message().await.unwrap().unwrap().event.unwrap();
        assert_eq!(event, Event::Service(want.clone()));
    }
    assert_eq!(gateway.state.api_metrics().watch_encodings.get(), 2);

    let request = pb::WatchServiceRequest { last_version: FIRST_VERSION + 7, ..request };
    let mut later = client.watch_service(request).await.unwrap().into_inner();
    gateway.put(orders(8));
    let Some(Event::Service(told)) = later.message().await.unwrap().unwrap().event else { panic!("no service") };
    assert_eq!(told.version, FIRST_VERSION + 8);
}

#[tokio::test]
async fn watches_end_as_unavailable_when_the_gateway_stops() {
    let gateway = Gateway::new();
    let served = served(&gateway).await;
    let mut client = DiscoveryClient::new(served.channel.clone());
    let request = pb::WatchServiceRequest { service_name: "orders".to_owned(), ..Default::default() };
    let mut watch = client.watch_service(request).await.unwrap().into_inner();
    watch.message().await.unwrap();
    drop(served._stop);
    assert_eq!(watch.message().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn health_follows_readiness() {
    let mut gateway = Gateway::new();
    let served = served(&gateway).await;
    let mut health = HealthClient::new(served.channel.clone());
    let request = HealthCheckRequest { service: "federation.v1.Routing".to_owned() };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    let mut wait_for = async |status: ServingStatus| {
        while watch.message().await.unwrap().unwrap().status() != status {}
    };
    wait_for(ServingStatus::Serving).await;
    gateway.set_gateway(GatewayStatus::default());
    wait_for(ServingStatus::NotServing).await;
    gateway.set_gateway(GatewayStatus { ready: true, ..GatewayStatus::default() });
    wait_for(ServingStatus::Serving).await;
    gateway.writer.turned();
    gateway.writer.monitor().show_stuck(Millis(6_000));
    wait_for(ServingStatus::NotServing).await;
    gateway.set_gateway(GatewayStatus { ready: true, ..GatewayStatus::default() });
    wait_for(ServingStatus::Serving).await;
}

#[tokio::test]
async fn reflection_describes_the_api() {
    let gateway = Gateway::new();
    let served = served(&gateway).await;
    let mut reflection = ServerReflectionClient::new(served.channel.clone());
    let message_request = Some(server_reflection_request::MessageRequest::ListServices(String::new()));
    let request = ServerReflectionRequest { host: String::new(), message_request };
    let mut answers = reflection.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let server_reflection_response::MessageResponse::ListServicesResponse(list) = answer else { panic!("no list") };
    let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    for name in ["federation.v1.Discovery", "federation.v1.Routing", "grpc.health.v1.Health"] {
        assert!(names.iter().any(|found| found == name), "{name} is missing in {names:?}");
    }
}
