//! The client against a registry that answers as a test says: set-up, order, acks, and everything anew after a lost connection.

mod peer;
mod registrations;
mod signs;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nacos_protocol::client::{
    CallError, ClientCall, ClientEvent, ConfigName, ServiceName, ServiceSource, SubscriptionRefusal,
};
use nacos_protocol::message::config::{
    ConfigBatchListenRequest, ConfigChangeBatchListenResponse, ConfigChangeNotifyRequest, ConfigChangeNotifyResponse,
    ConfigContext,
};
use nacos_protocol::message::internal::{
    ClientDetectionRequest, ClientDetectionResponse, ConnectResetRequest, ConnectResetResponse, ConnectionSetupRequest,
    ErrorResponse, HealthCheckRequest, ServerCheckRequest,
};
use nacos_protocol::message::naming::{
    BatchInstanceRequest, FuzzyService, InstanceRequest, NacosInstance, NamingFuzzyWatchChangeNotifyRequest,
    NamingFuzzyWatchRequest, NamingFuzzyWatchResponse, NamingFuzzyWatchSyncRequest, NotifySubscriberRequest,
    NotifySubscriberResponse, QueryServiceResponse, ServiceInfo, ServiceListRequest, ServiceListResponse,
    ServiceQueryRequest, SubscribeServiceRequest, SubscribeServiceResponse,
};
use nacos_protocol::message::{Message, Response as _};
use nacos_protocol::payload::Payload;
use peer::{Answer, Peer};

fn service(name: &str) -> ServiceName {
    ServiceName::new("public", "G", name)
}

fn push(id: u32, name: &str, last_ref_time: i64) -> Payload {
    let info = ServiceInfo { name: name.into(), group_name: "G".into(), last_ref_time, ..ServiceInfo::default() };
    Payload::of(&NotifySubscriberRequest {
        request_id: id.to_string(),
        service_info: Some(info),
        ..NotifySubscriberRequest::default()
    })
}

/// The `lastRefTime` of a told service.
fn told(event: &ClientEvent) -> Option<i64> {
    if let ClientEvent::Service { info, .. } = event { Some(info.last_ref_time) } else { None }
}

fn disconnected(event: &ClientEvent) -> Option<String> {
    if let ClientEvent::Disconnected { reason, .. } = event { Some(reason.clone()) } else { None }
}

#[tokio::test]
async fn a_connection_is_checked_set_up_and_one() {
    let peer = Peer::start(|_| Answer::Usual).await;
    let mut client = peer.client(|options| options.app_name = "test".to_owned());
    let ClientEvent::Connected { generation: 1, server, abilities } = client.next().await else {
        panic!("not connected")
    };
    assert_eq!((server, abilities.fuzzy_watch), (peer.address.to_string(), true));
    client.client.subscribe(&service("a"));
    peer.heard::<SubscribeServiceRequest>(1).await;
    assert_eq!(&peer.types()[..2], [ServerCheckRequest::TYPE, ConnectionSetupRequest::TYPE]);
    let setup = peer.heard::<ConnectionSetupRequest>(1).await.remove(0);
    let label = |key: &str| setup.labels.get(key).map(String::as_str);
    assert_eq!((label("source"), label("module"), label("AppName")), (Some("sdk"), Some("naming"), Some("test")));
    assert_eq!(setup.ability_table, Some([("fuzzyWatch".to_owned(), true)].into()));
    let mut addresses = Vec::new();
    for message_type in [ServerCheckRequest::TYPE, ConnectionSetupRequest::TYPE, SubscribeServiceRequest::TYPE] {
        addresses.push(peer.heard_payloads(message_type, 1).await[0].from);
    }
    addresses.dedup();
    assert_eq!(addresses.len(), 1, "calls and stream share one TCP connection");
    client.stop().await;
}

#[tokio::test]
async fn a_server_without_negotiation_is_enough() {
    let unregistered = AtomicUsize::new(0);
    let peer = Peer::old(move |payload| match payload.message_type() {
        // Registered a moment after the set-up.
        HealthCheckRequest::TYPE if unregistered.fetch_add(1, Ordering::Relaxed) < 3 => {
            Answer::Say(Payload::of(&ErrorResponse::failed(301, "Connection is unregistered.")))
        }
        _ => Answer::Usual,
    })
    .await;
    let mut client = peer.client(|_| {});
    client.client.subscribe(&service("a"));
    assert_eq!(client.redone().await, 1);
    peer.push(push(1, "a", 7)).await;
    assert_eq!(client.until(told).await, 7);
}

#[tokio::test]
async fn pushes_are_acked_first_and_told_in_order() {
    let peer = Peer::start(|_| Answer::Usual).await;
    let mut client = peer.client(|options| options.event_capacity = 1);
    client.client.subscribe(&service("a"));
    client.redone().await;
    for id in 1..=4 {
        peer.push(push(id, "a", i64::from(100 - id))).await;
    }
    // Room for one event: the second is acked and waits, the third is not read before the first is taken.
    let acks = peer.heard::<NotifySubscriberResponse>(2).await;
    assert_eq!(acks.iter().map(|ack| &*ack.request_id).collect::<Vec<_>>(), ["1", "2"]);
    for want in [99, 98, 97, 96] {
        assert_eq!(client.until(told).await, want, "pushes are told in order, whatever their clock says");
    }
    assert_eq!(peer.heard::<NotifySubscriberResponse>(4).await.len(), 4);
}

#[tokio::test]
async fn calls_and_probes_go_on_while_events_wait() {
    let peer = Peer::start(|_| Answer::Usual).await;
    let mut client = peer.client(|options| {
        options.event_capacity = 1;
        options.idle = Duration::from_millis(20);
    });
    client.client.subscribe(&service("a"));
    client.redone().await;
    for id in 1..=3 {
        peer.push(push(id, "a", 1)).await;
    }
    peer.heard::<NotifySubscriberResponse>(2).await;
    client.client.query(&service("b")).await.unwrap();
    let checks = peer.count(HealthCheckRequest::TYPE);
    peer.heard::<HealthCheckRequest>(checks + 2).await;
}

#[tokio::test]
async fn everything_wanted_is_asked_for_again_on_a_new_connection() {
    let peer = Peer::start(|_| Answer::Usual).await;
    let mut client = peer.client(|_| {});
    let handle = client.client.clone();
    for name in ["a", "b", "gone"] {
        handle.subscribe(&service(name));
    }
    handle.fuzzy_watch("public");
    handle.listen_config(&ConfigName::new("dev", "G", "x"), "00");
    client.redone().await;
    handle
        .register(&service("own"), vec![NacosInstance { ip: "10.0.0.1".into(), ..NacosInstance::default() }])
        .await
        .unwrap();
    handle.register(&service("two"), vec![NacosInstance::default(), NacosInstance::default()]).await.unwrap();
    handle.register(&service("left"), vec![NacosInstance::default()]).await.unwrap();
    handle.deregister(&service("left")).await.unwrap();
    handle.unsubscribe(&service("gone"));
    let before = peer.heard::<SubscribeServiceRequest>(4).await.len();
    peer.hang_up();
    client.until(disconnected).await;
    assert!(matches!(client.next().await, ClientEvent::Connected { generation: 2, .. }));
    assert_eq!(client.redone().await, 2);
    let mut again: Vec<_> = peer.heard::<SubscribeServiceRequest>(before + 2).await[before..]
        .iter()
        .map(|r| r.service_name.clone())
        .collect();
    again.sort();
    assert_eq!(again, ["a", "b"]);
    assert_eq!(peer.heard::<NamingFuzzyWatchRequest>(2).await[1].group_key_pattern, "public>>*>>*");
    let listens = peer.heard::<ConfigBatchListenRequest>(2).await;
    assert_eq!((&*listens[1].config_listen_contexts[0].md5, listens[1].listen), ("00", true));
    let own: Vec<_> =
        peer.heard::<InstanceRequest>(4).await.into_iter().map(|r| (r.service_name, r.operation)).collect();
    assert_eq!(own.last(), Some(&("own".to_owned(), "registerInstance".to_owned())));
    assert_eq!(own.len(), 4, "own, left, left out again, own again: {own:?}");
    assert_eq!(peer.heard::<BatchInstanceRequest>(2).await[1].instances.0.as_ref().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_connection_that_the_server_forgot_is_made_anew() {
    let forgotten = AtomicUsize::new(0);
    let peer = Peer::start(move |payload| match payload.message_type() {
        ServiceQueryRequest::TYPE if forgotten.fetch_add(1, Ordering::Relaxed) == 0 => {
            Answer::Say(Payload::of(&ErrorResponse::failed(301, "Connection is unregistered.")))
        }
        _ => Answer::Usual,
    })
    .await;
    let mut client = peer.client(|_| {});
    client.redone().await;
    assert!(matches!(client.client.query(&service("a")).await, Err(CallError::NotConnected)));
    client.until(disconnected).await;
    assert_eq!(client.redone().await, 2);
    client.client.query(&service("a")).await.unwrap();
}

#[tokio::test]
async fn a_server_that_answers_no_check_is_left_but_one_unanswered_call_is_forgiven() {
    let checks = AtomicUsize::new(0);
    let peer = Peer::start(move |payload| match payload.message_type() {
        ServiceQueryRequest::TYPE => Answer::Silence,
        // The first belongs to the set-up.
        HealthCheckRequest::TYPE if checks.fetch_add(1, Ordering::Relaxed) > 0 => Answer::Silence,
        _ => Answer::Usual,
    })
    .await;
    let mut client = peer.client(|options| options.idle = Duration::from_secs(2));
    client.redone().await;
    let result = client.client.query(&service("a")).await;
    assert!(matches!(result, Err(CallError::Timeout { .. })), "{result:?}");
    assert!(client.client.connected_to().is_some());
    assert_eq!(client.until(disconnected).await, "the server does not answer");
    assert_eq!(peer.count(HealthCheckRequest::TYPE), 3, "two checks in a row");
}

#[tokio::test]
async fn the_server_may_ask_to_connect_again_and_probe() {
    let peer = Peer::start(|_| Answer::Usual).await;
    let mut client = peer.client(|_| {});
    client.redone().await;
    peer.push(Payload::of(&ClientDetectionRequest { request_id: "8".into() })).await;
    assert_eq!(peer.heard::<ClientDetectionResponse>(1).await[0].request_id, "8");
    peer.push(Payload::of(&ConnectResetRequest { request_id: "9".into(), ..ConnectResetRequest::default() })).await;
    client.until(disconnected).await;
    assert_eq!(client.redone().await, 2);
    assert_eq!(peer.count(ConnectResetResponse::TYPE) + peer.count(ConnectionSetupRequest::TYPE), 3);
}

#[tokio::test]
async fn a_push_without_namespace_is_read_for_each_that_it_may_be_about() {
    let peer = Peer::start(|payload| match payload.message_type() {
        ServiceQueryRequest::TYPE => {
            let asked: ServiceQueryRequest = payload.decode().unwrap();
            let info = ServiceInfo { checksum: asked.namespace, last_ref_time: 9, ..ServiceInfo::default() };
            Answer::Say(Payload::of(&QueryServiceResponse {
                service_info: Some(info),
                ..QueryServiceResponse::default()
            }))
        }
        _ => Answer::Usual,
    })
    .await;
    let mut client = peer.client(|_| {});
    for namespace in ["", "public"] {
        client.client.subscribe(&ServiceName::new(namespace, "G", "a"));
    }
    client.redone().await;
    peer.push(push(1, "a", 5)).await;
    let mut read = Vec::new();
    for _ in 0..2 {
        read.push(
            client
                .until(|event| match event {
                    ClientEvent::Service { service, info, source: ServiceSource::Read, .. } => {
                        Some((service.namespace.clone(), info.checksum.clone()))
                    }
                    ClientEvent::Service { source: ServiceSource::Push, .. } => panic!("told for a namespace by guess"),
                    _ => None,
                })
                .await,
        );
    }
    read.sort();
    assert_eq!(read, [(String::new(), String::new()), ("public".to_owned(), "public".to_owned())]);
}

#[tokio::test]
async fn refusals_are_told_and_do_not_hold_up_the_rest() {
    let peer = Peer::start(|payload| match payload.message_type() {
        SubscribeServiceRequest::TYPE => match &*payload.decode::<SubscribeServiceRequest>().unwrap().service_name {
            "secret" => Answer::Say(Payload::of(&SubscribeServiceResponse::failed(403, "no right"))),
            "busy" => Answer::Say(Payload::of(&ErrorResponse::failed(503, "over limit"))),
            "odd" => Answer::Say(Payload::of_json("SubscribeServiceResponse", "{".into())),
            _ => Answer::Usual,
        },
        NamingFuzzyWatchRequest::TYPE => {
            Answer::Say(Payload::of(&NamingFuzzyWatchResponse::failed(50310, "too many patterns")))
        }
        _ => Answer::Usual,
    })
    .await;
    let mut client = peer.client(|_| {});
    for name in ["secret", "busy", "odd", "open"] {
        client.client.subscribe(&service(name));
    }
    client.client.fuzzy_watch("public");
    let (mut refused, mut limited, mut seen) = (Vec::new(), 0, 0);
    loop {
        match client.next().await {
            ClientEvent::CallRefused { call: ClientCall::Subscribe, subject, refusal } => {
                refused.push((subject, refusal))
            }
            ClientEvent::FuzzyWatchLimited { .. } => limited += 1,
            ClientEvent::Service { .. } => seen += 1,
            ClientEvent::Redone { .. } => break,
            _ => {}
        }
    }
    refused.sort_by(|one, other| one.0.cmp(&other.0));
    let subjects: Vec<_> = refused.iter().map(|(subject, _)| &**subject).collect();
    assert_eq!(subjects, ["public/G@@busy", "public/G@@odd", "public/G@@secret"]);
    assert_eq!(refused[0].1, SubscriptionRefusal::Overloaded("over limit".to_owned()));
    assert_eq!(refused[2].1, SubscriptionRefusal::NoRight("no right".to_owned()));
    assert_eq!((limited, seen), (1, 1));
}

#[tokio::test]
async fn an_unanswered_subscription_is_asked_for_again() {
    let asked = AtomicUsize::new(0);
    let peer = Peer::start(move |payload| match payload.message_type() {
        SubscribeServiceRequest::TYPE if asked.fetch_add(1, Ordering::Relaxed) == 0 => Answer::Silence,
        _ => Answer::Usual,
    })
    .await;
    let mut client = peer.client(|_| {});
    client.client.subscribe(&service("a"));
    client.redone().await;
    assert_eq!(peer.count(SubscribeServiceRequest::TYPE), 2);
}

#[tokio::test]
async fn a_broken_push_is_acked_and_told() {
    let peer = Peer::start(|_| Answer::Usual).await;
    let mut client = peer.client(|_| {});
    client.client.subscribe(&service("a"));
    client.redone().await;
    peer.push(Payload::of_json(NotifySubscriberRequest::TYPE, r#"{"requestId":"5","serviceInfo":3}"#.into())).await;
    let message = client
        .until(|event| if let ClientEvent::Malformed { message, .. } = event { Some(message.clone()) } else { None });
    assert_eq!(message.await, NotifySubscriberRequest::TYPE);
    assert_eq!(peer.heard::<NotifySubscriberResponse>(1).await[0].request_id, "5");
    peer.push(Payload::of_json("NoSuchRequest", r#"{"requestId":"6"}"#.into())).await;
    let answer = peer.heard::<ErrorResponse>(1).await.remove(0);
    assert_eq!((&*answer.request_id, answer.error_code), ("6", 302));
    peer.push(push(7, "a", 1)).await;
    assert_eq!(client.until(told).await, 1, "the stream goes on");
}

#[tokio::test]
async fn config_items_are_listened_to_in_batches_and_bells_are_told() {
    let peer = Peer::start(|payload| match payload.decode::<ConfigBatchListenRequest>() {
        Ok(request) => {
            let changed = request.config_listen_contexts.iter().filter(|context| context.data_id == "7");
            let changed_configs = changed
                .map(|c| ConfigContext { group: c.group.clone(), data_id: c.data_id.clone(), tenant: c.tenant.clone() })
                .collect();
            let response = ConfigChangeBatchListenResponse { changed_configs, ..Default::default() };
            Answer::Say(Payload::of(&response))
        }
        Err(_) => Answer::Usual,
    })
    .await;
    let mut client = peer.client(|_| {});
    for number in 0..3001 {
        client.client.listen_config(&ConfigName::new("", "G", number.to_string()), "");
    }
    let changed = |event: &ClientEvent| {
        if let ClientEvent::ConfigChanged { config } = event { Some(config.clone()) } else { None }
    };
    assert_eq!(client.until(changed).await, ConfigName::new("", "G", "7"));
    client.redone().await;
    let sizes: Vec<_> = peer
        .heard::<ConfigBatchListenRequest>(2)
        .await
        .iter()
        .map(|request| request.config_listen_contexts.len())
        .collect();
    assert_eq!(sizes, [3000, 1]);
    let bell = ConfigChangeNotifyRequest {
        tenant: "public".into(),
        group: "G".into(),
        data_id: "9".into(),
        ..Default::default()
    };
    peer.push(Payload::of(&bell)).await;
    assert_eq!(client.until(changed).await, ConfigName::new("", "G", "9"), "told under the name it was listened to");
    peer.heard::<ConfigChangeNotifyResponse>(1).await;
    client.client.unlisten_config(&ConfigName::new("", "G", "9"));
    let ended = peer.heard::<ConfigBatchListenRequest>(3).await.remove(2);
    assert_eq!((ended.listen, ended.config_listen_contexts.len()), (false, 1));
}

#[tokio::test]
async fn fuzzy_watch_tells_each_service_once() {
    let peer = Peer::start(|_| Answer::Usual).await;
    let mut client = peer.client(|_| {});
    client.client.fuzzy_watch("public");
    client.redone().await;
    let batch = |sync_type: &str, names: &[&str]| {
        let context = |name: &&str| FuzzyService {
            service_key: format!("public@@G@@{name}"),
            changed_type: "ADD_SERVICE".to_owned(),
        };
        Payload::of(&NamingFuzzyWatchSyncRequest {
            sync_type: sync_type.to_owned(),
            group_key_pattern: "public>>*>>*".to_owned(),
            contexts: names.iter().map(context).collect(),
            ..NamingFuzzyWatchSyncRequest::default()
        })
    };
    let change = |changed_type: &str| {
        Payload::of(&NamingFuzzyWatchChangeNotifyRequest {
            service_key: "public@@G@@a".to_owned(),
            changed_type: changed_type.to_owned(),
            ..NamingFuzzyWatchChangeNotifyRequest::default()
        })
    };
    for payload in [
        batch("FUZZY_WATCH_INIT_NOTIFY", &["a", "b"]),
        batch("FUZZY_WATCH_INIT_NOTIFY", &["b", "c"]),
        batch("FINISH_FUZZY_WATCH_INIT_NOTIFY", &[]),
        change("ADD_SERVICE"),
        change("DELETE_SERVICE"),
        change("DELETE_SERVICE"),
        change("ADD_SERVICE"),
        batch("FINISH_FUZZY_WATCH_INIT_NOTIFY", &[]),
    ] {
        peer.push(payload).await;
    }
    let mut seen = Vec::new();
    while seen.len() < 6 {
        match client.next().await {
            ClientEvent::ServiceAppeared { service } => seen.push(format!("+{}", service.service)),
            ClientEvent::ServiceDisappeared { service } => seen.push(format!("-{}", service.service)),
            ClientEvent::FuzzyWatchReady { namespace, .. } => seen.push(namespace),
            _ => {}
        }
    }
    assert_eq!(seen, ["+a", "+b", "+c", "public", "-a", "+a"]);
    peer.hang_up();
    let renewed = peer.heard::<NamingFuzzyWatchRequest>(2).await.remove(1);
    assert_eq!(renewed.received_group_keys, ["public@@G@@a", "public@@G@@b", "public@@G@@c"]);
    assert!(renewed.initializing);
}

#[tokio::test]
async fn a_listing_over_grpc_adds_up_or_is_an_error() {
    let all = |count: i32, names: &[&str]| ServiceListResponse {
        count,
        service_names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..ServiceListResponse::default()
    };
    for (pages, want) in [
        (vec![all(2, &["b", "G@@a"])], Some(vec!["a", "b"])),
        (vec![all(0, &[])], Some(vec![])),
        (vec![all(3, &["a", "b"]), all(3, &["c"])], Some(vec!["a", "b", "c"])),
        (vec![all(3, &["a", "b"]), all(3, &[])], None),
        (vec![all(3, &["a", "b"]), all(3, &["a"])], None),
        (vec![all(1, &["a", "b"])], None),
    ] {
        let peer = Peer::start(move |payload| match payload.decode::<ServiceListRequest>() {
            Ok(request) => Answer::Say(Payload::of(&pages[usize::try_from(request.page_no).unwrap() - 1])),
            Err(_) => Answer::Usual,
        })
        .await;
        let mut client = peer.client(|_| {});
        client.redone().await;
        let listed = client.client.list_services("public", "G").await;
        match want {
            Some(names) => assert_eq!(listed.unwrap(), names),
            None => assert!(matches!(listed, Err(CallError::Incomplete { .. })), "{listed:?}"),
        }
    }
}

#[tokio::test]
async fn without_a_connection_wishes_are_kept_and_calls_say_so() {
    let peer = Peer::start(|_| Answer::Usual).await;
    let address = peer.address;
    drop(peer);
    let unused = Peer::start(|_| Answer::Usual).await;
    assert_ne!(unused.address, address);
    let mut options = nacos_protocol::cluster::ClusterOptions::new(vec![
        address.to_string().parse().unwrap(),
        "localhost:1".parse().unwrap(),
        unused.address.to_string().parse().unwrap(),
    ]);
    options.grpc_offset = 0;
    let cluster = nacos_protocol::cluster::NacosCluster::new(options).unwrap();
    let (client, mut events, connection) = nacos_protocol::client::NacosClient::new(cluster, Default::default());
    client.subscribe(&service("a"));
    assert!(matches!(client.query(&service("a")).await, Err(CallError::NotConnected)));
    assert!(matches!(
        client.register(&service("b"), vec![NacosInstance::default()]).await,
        Err(CallError::NotConnected)
    ));
    let stop = tokio_util::sync::CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection.run(stop.clone()));
    // Servers that do not answer are passed over.
    unused.heard::<SubscribeServiceRequest>(1).await;
    unused.heard::<InstanceRequest>(1).await;
    loop {
        match tokio::time::timeout(peer::PATIENCE, events.recv()).await.unwrap().unwrap() {
            ClientEvent::ConnectFailed { reason, .. } => assert!(reason.contains("cannot connect"), "{reason}"),
            ClientEvent::Redone { .. } => break,
            _ => {}
        }
    }
    drop(events);
    unused.push(push(1, "a", 1)).await;
    tokio::time::timeout(peer::PATIENCE, tasks.join_next()).await.expect("it ends with its owner");
}
