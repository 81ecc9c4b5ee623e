//! Orders beside questions over a large view: who waits for whom.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::serve::{self, ApiListeners};
use federation_view::what_if::WAITING;

/// Far longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
const MANY: usize = 20_000;
const QUESTION: &str = "/v1/what-if?lost=frankfurt";

fn instances(origin: &str, ip: &str) -> OriginInstances {
    of(origin, FactSource::Log, vec![instance(ip, 80, Health::Healthy)])
}

/// `alone` is in frankfurt only, all others are in both clusters.
fn gateway(services: usize) -> Gateway {
    let mut gateway = Gateway::new();
    gateway.set_clusters(vec![cluster("frankfurt", Freshness::Live, 2), cluster("shanghai", Freshness::Live, 1)]);
    let both = |number: usize| {
        let origins = vec![instances("frankfurt", "10.0.0.1"), instances("shanghai", "10.1.0.1")];
        service(key(&format!("s{number:05}")), 1, origins)
    };
    let alone = service(key("alone"), 1, vec![instances("frankfurt", "10.0.0.9")]);
    let all = (1..services).map(both).chain([alone]);
    let services = all.map(|service| (service.key.clone(), Some(Arc::new(service)))).collect();
    gateway.writer.apply(ViewChange { services, ..ViewChange::default() });
    gateway
}

fn order(body: Value) -> Request<Body> {
    let request = Request::post("/v1/drains").header(header::CONTENT_TYPE, "application/json");
    request.body(Body::from(body.to_string())).unwrap()
}

fn question() -> Request<Body> {
    Request::get(QUESTION).body(Body::empty()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_of_twenty_thousand_services_is_answered_while_all_places_of_what_ifs_are_taken() {
    let gateway = gateway(MANY);
    let running = gateway.state.lanes().question().await.unwrap(); // A question that takes as long as this test likes.
    let mut questions = JoinSet::new();
    for _ in 0..40 {
        questions.spawn(gateway.router().oneshot(question()));
    }
    for _ in 0..40 - WAITING {
        let ended = tokio::time::timeout(PATIENCE, questions.join_next()).await.expect("nobody is turned away");
        let answer = ended.unwrap().unwrap().unwrap();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
    }

    let asked = async |body| {
        let answer = tokio::time::timeout(PATIENCE, gateway.ask(order(body))).await;
        answer.expect("an order stands in line")
    };
    let refused = asked(json!({"cluster": "frankfurt", "percent": 30})).await;
    assert_eq!((refused.status, &refused.json()["total"]), (StatusCode::CONFLICT, &json!(1)), "{}", refused.body);
    let services = json!({"serviceName": "s*"});
    let taken = asked(json!({"cluster": "frankfurt", "services": services, "percent": 30})).await;
    assert!(taken.body.contains("the gateway is stopping"), "it came to the engine, which has ended: {}", taken.body);
    let undone = asked(json!({"cluster": "frankfurt", "percent": 0})).await;
    assert!(undone.body.contains("the gateway is stopping"), "{}", undone.body);
    let dry_run = asked(json!({"cluster": "frankfurt", "percent": 30, "dryRun": true})).await;
    assert_eq!(dry_run.status, StatusCode::TOO_MANY_REQUESTS, "a dry run is a question");
    assert!(questions.try_join_next().is_none(), "the questions wait on");

    drop(running);
    questions.abort_all();
    while questions.join_next().await.is_some() {}
    assert_eq!(gateway.state.lanes().questions(), 0, "whoever gave up has no place any more");
}

#[tokio::test]
async fn drains_are_listed_without_what_they_do_while_too_many_ask_for_that() {
    let mut gateway = gateway(2);
    let without = "/v1/drains?effects=false";
    assert_eq!(gateway.get(without).await.json(), json!({"drains": []}));
    gateway.drain("frankfurt", 10, 3);
    let _running = gateway.state.lanes().question().await.unwrap();
    let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(gateway.router().oneshot(question()))).collect();
    for question in &mut waiting {
        assert!(futures::poll!(question).is_pending());
    }
    assert_eq!(gateway.get("/v1/drains").await.status, StatusCode::TOO_MANY_REQUESTS);
    let listed = gateway.get(without).await.json();
    assert_eq!((&listed["drains"][0]["percent"], &listed["drains"][0]["effect"]), (&json!(10), &Value::Null));
    for (query, text) in
        [("effects=maybe", "true or false"), ("effects=true&effects=true", "twice"), ("x=1", "effects")]
    {
        let answer = gateway.get(&format!("/v1/drains?{query}")).await;
        assert!(answer.status == StatusCode::BAD_REQUEST && answer.body.contains(text), "{query}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_leaves_its_place_when_its_client_hangs_up() {
    let gateway = gateway(2);
    let any = || "127.0.0.1:0".parse().unwrap();
    let listeners = ApiListeners::bind(&bounded_listener::ListenerGate::default(), any(), any()).unwrap();
    let (address, stop, mut tasks) = (listeners.http_address(), CancellationToken::new(), JoinSet::new());
    tasks.spawn(serve::run(listeners, gateway.state.clone(), stop.clone()));
    let running = gateway.state.lanes().question().await.unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(format!("GET {QUESTION} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    until("it waits", || gateway.state.lanes().questions() == 2).await;
    drop(client);
    until("it has gone", || gateway.state.lanes().questions() == 1).await;
    drop(running);
    stop.cancel();
    assert!(tasks.join_next().await.unwrap().unwrap().is_ok());
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        tokio::task::yield_now().await;
    }
}
