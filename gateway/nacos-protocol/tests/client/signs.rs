//! Signs of life: streams that fall silent while calls are answered, calls that are never answered, and what is told of them.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nacos_protocol::client::{
    ClientCall, ClientEvent, ConfigName, DisconnectCause, ServiceSource, SubscriptionRefusal,
};
use nacos_protocol::message::config::{ConfigBatchListenRequest, ConfigChangeBatchListenResponse};
use nacos_protocol::message::naming::{SubscribeServiceRequest, SubscribeServiceResponse};
use nacos_protocol::message::{Message, Response as _};
use nacos_protocol::payload::Payload;

use crate::peer::{Answer, Peer};
use crate::{push, service};

const QUIET: Duration = Duration::from_millis(100);
const ECHO: Duration = Duration::from_millis(200);

fn cause(event: &ClientEvent) -> Option<DisconnectCause> {
    if let ClientEvent::Disconnected { cause, .. } = event { Some(*cause) } else { None }
}

fn pushed(event: &ClientEvent) -> Option<()> {
    matches!(event, ClientEvent::Service { source: ServiceSource::Push, .. }).then_some(())
}

#[tokio::test]
async fn a_stream_that_pushes_nothing_any_more_is_left_although_calls_are_answered() {
    let peer = Peer::start(|_| Answer::Usual).await;
    let mut client = peer.client(|options| (options.push_quiet, options.echo_within) = (QUIET, ECHO));
    client.client.subscribe(&service("a"));
    peer.heard::<SubscribeServiceRequest>(1).await;
    peer.push(push(1, "a", 1)).await; // As every Nacos does, once more after a subscription.
    client.until(pushed).await;
    let asked = client.client.clone();
    let answered = async {
        loop {
            let _ = asked.query(&service("a")).await;
        }
    };
    tokio::select! {
        cause = client.until(cause) => assert_eq!(cause, DisconnectCause::NoPushes),
        () = answered => {}
    }
    assert!(client.client.pushes_missing_for().is_some());
    let subscriptions = peer.count(SubscribeServiceRequest::TYPE);
    assert_eq!(subscriptions, 5, "two signs of life were asked for, each by an end and a beginning");
    client.redone().await;
    peer.push(push(2, "a", 2)).await;
    client.until(pushed).await;
    assert!(client.client.pushes_missing_for().is_none());
}

#[tokio::test]
async fn a_registry_that_pushes_only_changes_is_kept() {
    let peer = Peer::start(|_| Answer::Usual).await;
    let mut client = peer.client(|options| (options.push_quiet, options.echo_within) = (QUIET, ECHO / 4));
    client.client.subscribe(&service("a"));
    peer.heard::<SubscribeServiceRequest>(13).await; // Six signs of life that did not come.
    peer.push(push(1, "a", 1)).await;
    client.until(|event| cause(event).map(|cause| panic!("{cause:?}")).or(pushed(event))).await;
}

#[tokio::test]
async fn a_stream_whose_signs_of_life_come_is_kept() {
    let peer = Arc::new(Peer::start(|_| Answer::Usual).await);
    let mut client = peer.client(|options| (options.push_quiet, options.echo_within) = (QUIET, ECHO));
    client.client.subscribe(&service("a"));
    for round in 0..4 {
        peer.heard::<SubscribeServiceRequest>(1 + 2 * round).await;
        peer.push(push(1, "a", 1)).await;
        client.until(|event| cause(event).map(|cause| panic!("{cause:?}")).or(pushed(event))).await;
    }
}

#[tokio::test]
async fn a_call_that_is_never_answered_is_told_and_so_is_its_answer_in_the_end() {
    let mute = Arc::new(AtomicBool::new(true));
    let heard = Arc::clone(&mute);
    let peer = Peer::start(move |payload| match payload.message_type() {
        SubscribeServiceRequest::TYPE if heard.load(Ordering::Relaxed) => Answer::Silence,
        _ => Answer::Usual,
    })
    .await;
    let mut client = peer.client(|_| {});
    client.client.subscribe(&service("a"));
    let refused = |event: &ClientEvent| match event {
        ClientEvent::CallRefused { call: ClientCall::Subscribe, subject, refusal } => {
            Some((subject.clone(), refusal.clone()))
        }
        _ => None,
    };
    assert_eq!(client.until(refused).await, ("public/G@@a".to_owned(), SubscriptionRefusal::Unanswered { times: 3 }));
    mute.store(false, Ordering::Relaxed);
    let answered = |event: &ClientEvent| match event {
        ClientEvent::CallAnswered { call: ClientCall::Subscribe, subject } => Some(subject.clone()),
        _ => None,
    };
    assert_eq!(client.until(answered).await, "public/G@@a");
}

#[tokio::test]
async fn config_items_of_one_refused_namespace_hold_up_no_others() {
    let listened = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&listened);
    let peer = Peer::start(move |payload| match payload.decode::<ConfigBatchListenRequest>() {
        Ok(request) => {
            let tenants: Vec<String> = request.config_listen_contexts.iter().map(|item| item.tenant.clone()).collect();
            let answer = match tenants.iter().any(|tenant| tenant == "a") {
                true => ConfigChangeBatchListenResponse::failed(403, "no right"),
                false => ConfigChangeBatchListenResponse::default(),
            };
            noted.lock().unwrap().push(tenants);
            Answer::Say(Payload::of(&answer))
        }
        Err(_) => Answer::Usual,
    })
    .await;
    let mut client = peer.client(|_| {});
    for namespace in ["a", "b"] {
        client.client.listen_config(&ConfigName::new(namespace, "G", "item"), "");
    }
    let refused = |event: &ClientEvent| match event {
        ClientEvent::CallRefused { call: ClientCall::Listen, subject, .. } => Some(subject.clone()),
        _ => None,
    };
    assert_eq!(client.until(refused).await, "a");
    peer.heard::<ConfigBatchListenRequest>(2).await;
    client.redone().await;
    assert_eq!(*listened.lock().unwrap(), [["a".to_owned()], ["b".to_owned()]]);
}

#[tokio::test]
async fn a_refused_subscription_that_is_allowed_on_the_next_connection_is_told_as_answered() {
    let asked = AtomicUsize::new(0);
    let peer = Peer::start(move |payload| match payload.message_type() {
        SubscribeServiceRequest::TYPE if asked.fetch_add(1, Ordering::Relaxed) == 0 => {
            Answer::Say(Payload::of(&SubscribeServiceResponse::failed(403, "no right")))
        }
        _ => Answer::Usual,
    })
    .await;
    let mut client = peer.client(|_| {});
    client.client.subscribe(&service("a"));
    client.redone().await;
    peer.hang_up();
    assert_eq!(client.until(cause).await, DisconnectCause::Ended);
    let answered = |event: &ClientEvent| {
        matches!(event, ClientEvent::CallAnswered { call: ClientCall::Subscribe, .. }).then_some(())
    };
    client.until(answered).await;
}

/// A server that takes connections and says nothing, on a port below `below`.
fn mute_server(below: u16) -> (std::net::TcpListener, u16) {
    let ports = (1024..below).rev();
    let mut free = ports.filter_map(|port| Some((std::net::TcpListener::bind(("127.0.0.1", port)).ok()?, port)));
    free.next().expect("a free port")
}

#[tokio::test]
async fn a_login_that_hangs_hides_no_silent_server() {
    let mute = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&mute);
    let peer = Peer::start(move |_| if heard.load(Ordering::Relaxed) { Answer::Silence } else { Answer::Usual }).await;
    let (_login, port) = mute_server(peer.address.port());
    let mut client = peer.client_that_logs_in_at(port, |options| options.idle = Duration::from_millis(20));
    client.until(|event| matches!(event, ClientEvent::Connected { .. }).then_some(())).await;
    mute.store(true, Ordering::Relaxed);
    let began = Instant::now();
    assert_eq!(client.until(cause).await, DisconnectCause::NoAnswer);
    assert!(began.elapsed() < Duration::from_secs(4), "two checks of 500 ms, and no login of 5 s");
}
