//! Own registrations: what a refusal, a silence and a lost connection leave wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nacos_protocol::client::{CallError, ClientEvent, ClientOptions, NacosClient};
use nacos_protocol::cluster::{ClusterOptions, NacosCluster};
use nacos_protocol::message::naming::{InstanceRequest, InstanceResponse, NacosInstance};
use nacos_protocol::message::{Message as _, Response as _};
use nacos_protocol::payload::Payload;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::peer::{Answer, Peer};
use super::{disconnected, service};

fn at(ip: &str) -> Vec<NacosInstance> {
    vec![NacosInstance { ip: ip.to_owned(), ..NacosInstance::default() }]
}

/// What was asked for, in order: the address, and whether to register it.
fn asked(requests: Vec<InstanceRequest>) -> Vec<String> {
    requests.into_iter().map(|request| request.instance.0.map(|instance| instance.ip).unwrap_or_default()).collect()
}

fn is_of(payload: &Payload, ip: &str) -> bool {
    payload
        .decode::<InstanceRequest>()
        .is_ok_and(|request| request.instance.0.is_some_and(|instance| instance.ip == ip))
}

#[tokio::test]
async fn a_refused_registration_does_not_come_back_with_the_next_connection() {
    let peer = Peer::start(|payload| match is_of(payload, "10.0.0.2") {
        true => Answer::Say(Payload::of(&InstanceResponse::failed(400, "not like this"))),
        false => Answer::Usual,
    })
    .await;
    let mut client = peer.client(|_| {});
    client.redone().await;
    client.client.register(&service("a"), at("10.0.0.1")).await.unwrap();
    let refused = client.client.register(&service("a"), at("10.0.0.2")).await;
    assert!(
        matches!(&refused, Err(CallError::Server { code: 400, message, as_error: None }) if message == "not like this"),
        "{refused:?}"
    );
    peer.hang_up();
    client.until(disconnected).await;
    assert_eq!(client.redone().await, 2);
    assert_eq!(asked(peer.heard::<InstanceRequest>(3).await), ["10.0.0.1", "10.0.0.2", "10.0.0.1"]);
}

#[tokio::test]
async fn what_was_registered_before_and_is_refused_now_is_told() {
    let refuses = Arc::new(AtomicBool::new(false));
    let script = Arc::clone(&refuses);
    let peer = Peer::start(move |payload| match payload.message_type() {
        InstanceRequest::TYPE if script.load(Ordering::Relaxed) => {
            Answer::Say(Payload::of(&InstanceResponse::failed(403, "token expired!")))
        }
        _ => Answer::Usual,
    })
    .await;
    let mut client = peer.client(|_| {});
    client.redone().await;
    client.client.register(&service("a"), at("10.0.0.1")).await.unwrap();
    refuses.store(true, Ordering::Relaxed);
    peer.hang_up();
    let lost = client.until(|event| match event {
        ClientEvent::RegistrationLost { service, reason } => Some((service.clone(), reason.clone())),
        _ => None,
    });
    assert_eq!(lost.await, (service("a"), "refused: token expired!".to_owned()));
}

#[tokio::test]
async fn a_registration_waits_for_a_connection_and_stays_wanted_without_one() {
    let peer = Peer::start(|_| Answer::Usual).await;
    let mut options = ClusterOptions::new(vec![peer.address.to_string().parse().unwrap()]);
    options.grpc_offset = 0;
    let cluster = NacosCluster::new(options).unwrap();
    let (client, mut events, connection) = NacosClient::new(cluster, ClientOptions::default());
    let failed = client.register_within(&service("a"), at("10.0.0.1"), Duration::ZERO).await;
    assert!(matches!(failed, Err(CallError::NotConnected)), "{failed:?}");
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(connection.run(stop.clone()));
    tasks.spawn(async move { while events.recv().await.is_some() {} });
    client.register_within(&service("b"), at("10.0.0.2"), super::peer::PATIENCE).await.unwrap();
    let mut registered = asked(peer.heard::<InstanceRequest>(2).await);
    registered.sort();
    assert_eq!(registered, ["10.0.0.1", "10.0.0.2"], "both, the first too although it was answered with a failure");
    client.deregister(&service("a")).await.unwrap();
}
