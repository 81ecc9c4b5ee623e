use std::time::Duration;

use axum::body::BodyDataStream;
use futures::StreamExt;

use super::*;
use crate::ask::{Filter, ServiceAsk};
use crate::http::events;
use federation_ports::metrics::WatchFace;

/// What somebody reads who watches; events only, no comments.
struct Events(BodyDataStream);

impl Events {
    async fn open(gateway: &Gateway, query: &str, last: Option<u64>) -> Self {
        let mut request = Request::get(format!("/v1/watch?{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let response = gateway.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(
            (response.status(), &response.headers()["content-type"]),
            (StatusCode::OK, &"text/event-stream".parse().unwrap())
        );
        Self(response.into_body().into_data_stream())
    }

    /// The event's name, its id, and its data.
    async fn next(&mut self) -> (String, Option<u64>, Value) {
        let bytes = self.0.next().await.expect("the stream goes on").unwrap();
        let text = std::str::from_utf8(&bytes).unwrap().strip_suffix("\n\n").expect("an event ends with an empty line");
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let data = serde_json::from_str(field("data: ").unwrap()).unwrap();
        (field("event: ").unwrap().to_owned(), field("id: ").map(|id| id.parse().unwrap()), data)
    }

    async fn is_silent(&mut self) -> bool {
        futures::poll!(self.0.next()).is_pending()
    }
}

fn encodings(gateway: &Gateway) -> u64 {
    gateway.state.api_metrics().watch_encodings.get()
}

#[tokio::test]
async fn a_watch_tells_what_there_is_and_then_every_change() {
    let mut gateway = Gateway::new();
    let mut events = Events::open(&gateway, "serviceName=orders", None).await;
    let (name, id, data) = events.next().await;
    assert_eq!((name.as_str(), id, &data["serviceName"]), ("absent", None, &"orders".into()));
    assert_eq!(data["clusters"][0]["cluster"], "frankfurt");

    gateway.put(orders(7));
    let (name, id, data) = events.next().await;
    assert_eq!((name.as_str(), id), ("service", Some(FIRST_VERSION + 7)));
    assert_eq!(data, gateway.get("/v1/service?serviceName=orders").await.json());

    gateway.put(service(key("other"), 8, vec![]));
    assert!(events.is_silent().await);

    gateway.set_clusters(vec![cluster("frankfurt", Freshness::Lost, 9), cluster("shanghai", Freshness::Live, 1)]);
    let (_, id, data) = events.next().await;
    assert_eq!((id, &data["instances"][0]["freshness"]), (Some(FIRST_VERSION + 9), &"lost".into()));

    gateway.remove(&key("orders"));
    assert_eq!(events.next().await.0, "absent");
    gateway.set_clusters(vec![cluster("frankfurt", Freshness::Live, 10)]);
    assert!(events.is_silent().await, "absent is told once");
}

#[tokio::test]
async fn who_watches_is_told_that_the_engine_is_stuck_and_that_it_turns_again() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    let mut events = Events::open(&gateway, "serviceName=orders", None).await;
    let (_, first, data) = events.next().await;
    assert_eq!(data["instances"][2]["freshness"], "live");
    gateway.writer.monitor().show_stuck(Millis(6_000));
    let (_, stuck, data) = events.next().await;
    for instance in data["instances"].as_array().unwrap() {
        assert_eq!(instance["freshness"], "isolated", "{instance}");
    }
    gateway.writer.monitor().show_stuck(Millis(7_000));
    assert!(events.is_silent().await, "that it is stuck still is no news");
    let mut back = Events::open(&gateway, "serviceName=orders", first).await;
    assert_eq!(back.next().await.1, stuck, "news for one who knows what was before");
    gateway.writer.apply(ViewChange::default());
    let (_, well, data) = events.next().await;
    assert_eq!(data["instances"][2]["freshness"], "live");
    assert!(first < stuck && stuck < well, "{first:?} {stuck:?} {well:?}");
}

#[tokio::test]
async fn a_client_that_comes_back_is_told_only_what_it_does_not_know() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    let mut events = Events::open(&gateway, "serviceName=orders", Some(FIRST_VERSION + 7)).await;
    assert!(events.is_silent().await);
    gateway.put(orders(8));
    assert_eq!(events.next().await.1, Some(FIRST_VERSION + 8));
    for other in [FIRST_VERSION + 6, FIRST_VERSION + 9, 7, 0] {
        let mut events = Events::open(&gateway, "serviceName=orders", Some(other)).await;
        assert_eq!(events.next().await.1, Some(FIRST_VERSION + 8), "{other}");
    }
}

#[tokio::test]
async fn who_reads_slowly_gets_the_newest_state_only() {
    let mut gateway = Gateway::new();
    gateway.put(orders(1));
    let mut events = Events::open(&gateway, "serviceName=orders", None).await;
    events.next().await;
    let before = encodings(&gateway);
    for revision in 2..1000 {
        gateway.put(orders(revision));
    }
    assert_eq!(events.next().await.1, Some(FIRST_VERSION + 999));
    assert!(events.is_silent().await);
    assert_eq!(encodings(&gateway) - before, 1);
}

#[tokio::test]
async fn a_change_is_encoded_once_for_all_who_watch_the_same() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    let mut watchers = Vec::new();
    for number in 0..500 {
        let query = if number % 2 == 0 { "serviceName=orders" } else { "serviceName=orders&healthyOnly=true" };
        watchers.push(Events::open(&gateway, query, None).await);
    }
    for revision in 7..12 {
        gateway.put(orders(revision));
        for watcher in &mut watchers {
            assert_eq!(watcher.next().await.1, Some(FIRST_VERSION + revision));
        }
        assert_eq!(encodings(&gateway), 2 * (revision - 6), "once for each of the two filters");
    }
}

/// Threads race for the encoding; the bytes of all are the same allocation.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn watchers_on_many_threads_share_the_same_bytes() {
    let mut gateway = Gateway::new();
    gateway.put(orders(5));
    let ask = ServiceAsk { key: key("orders"), filter: Filter::default() };
    let hub = crate::grpc::events::hub(&gateway.state);
    let mut tasks = tokio::task::JoinSet::new();
    let told = Arc::new(tokio::sync::Barrier::new(201));
    for _ in 0..200 {
        let mut watcher = hub.watch(ask.clone(), None);
        let told = Arc::clone(&told);
        tasks.spawn(async move {
            let first = watcher.next().await.unwrap().as_ptr() as usize;
            told.wait().await;
            (first, watcher.next().await.unwrap().as_ptr() as usize)
        });
    }
    told.wait().await;
    gateway.put(orders(6));
    let seen: std::collections::HashSet<_> = tasks.join_all().await.into_iter().collect();
    assert_eq!((seen.len(), encodings(&gateway)), (1, 2));
}

#[tokio::test]
async fn who_begins_to_watch_is_not_told_ages_of_long_ago() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    let mut first = Events::open(&gateway, "serviceName=orders", None).await;
    assert_eq!(first.next().await.2["instances"][0]["ageMs"], 40);
    gateway.pass(500);
    let mut second = Events::open(&gateway, "serviceName=orders", None).await;
    assert_eq!(second.next().await.2["instances"][0]["ageMs"], 40, "shared for a second");
    gateway.pass(60_000);
    let mut third = Events::open(&gateway, "serviceName=orders", None).await;
    assert_eq!(third.next().await.2["instances"][0]["ageMs"], 60_540);
    assert!(first.is_silent().await);
}

#[tokio::test]
async fn open_watches_are_counted_and_leave_nothing_behind() {
    let gateway = Gateway::new();
    let open = || gateway.state.api_metrics().watchers(WatchFace::Sse).get();
    let watchers =
        [Events::open(&gateway, "serviceName=a", None).await, Events::open(&gateway, "serviceName=a", None).await];
    assert_eq!(open(), 2);
    drop(watchers);
    assert_eq!(open(), 0);
}

#[tokio::test]
async fn an_idle_watch_is_kept_open_by_comments() {
    let gateway = Gateway::new();
    let ask = ServiceAsk { key: key("orders"), filter: Filter::default() };
    let watcher = events::hub(&gateway.state).watch(ask, None);
    let every = Duration::from_millis(20);
    let began = std::time::Instant::now();
    let told: Vec<_> = events::events(watcher, every).take(4).collect().await;
    assert!(told[0].as_ref().unwrap().starts_with(b"event: absent"));
    assert!(told[1..].iter().all(|comment| comment.as_ref().unwrap() == ":\n\n"));
    assert!(began.elapsed() >= 3 * every);
}

#[tokio::test]
async fn watches_end_when_the_gateway_stops() {
    let gateway = Gateway::new();
    let mut events = Events::open(&gateway, "serviceName=orders", None).await;
    events.next().await;
    gateway.state.draining().cancel();
    assert!(events.0.next().await.is_none());
    assert_eq!(gateway.get("/readyz").await.json()["reasons"], serde_json::json!(["the gateway is stopping"]));
}
