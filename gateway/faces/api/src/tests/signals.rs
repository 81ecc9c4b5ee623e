//! `/v1/events`: who is told which topics, and what a client that comes back is told.

use axum::body::BodyDataStream;
use futures::StreamExt;

use super::*;
use federation_ports::metrics::{TroubleKind, WatchFace};

/// What somebody reads who watches; events only, no comments.
struct Signals(BodyDataStream);

impl Signals {
    /// Opens a stream and takes its first event.
    async fn open(gateway: &Gateway, query: &str, last: Option<&str>) -> (Self, u64) {
        let mut request = Request::get(format!("/v1/events?{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = gateway.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let mut signals = Self(response.into_body().into_data_stream());
        let (name, id, data) = signals.next().await;
        assert_eq!((name.as_str(), &data["cluster"], &data["since"]), ("hello", &"shanghai".into(), &id.into()));
        (signals, id)
    }

    /// The event's name, its id, and its data.
    async fn next(&mut self) -> (String, u64, Value) {
        let bytes = self.0.next().await.expect("the stream goes on").unwrap();
        let text = std::str::from_utf8(&bytes).unwrap().strip_suffix("\n\n").expect("an event ends with an empty line");
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let data = serde_json::from_str(field("data: ")).unwrap();
        (field("event: ").to_owned(), field("id: ").parse().unwrap(), data)
    }

    async fn changed(&mut self) -> Value {
        let (name, _, data) = self.next().await;
        assert_eq!(name, "changed");
        data
    }

    async fn is_silent(&mut self) -> bool {
        futures::poll!(self.0.next()).is_pending()
    }
}

/// But for the history, which most changes are written down in.
fn topics(data: &Value) -> Vec<&str> {
    let topics = data["topics"].as_array().unwrap().iter().map(|topic| topic.as_str().unwrap());
    topics.filter(|topic| *topic != "changes").collect()
}

#[tokio::test]
async fn each_topic_is_told_when_it_changed_and_ages_alone_are_no_change() {
    let mut gateway = Gateway::new();
    let (mut signals, _) = Signals::open(&gateway, "", None).await;
    assert!(signals.is_silent().await, "what was before is asked for by whoever begins");

    gateway.put(orders(7));
    assert_eq!(
        signals.changed().await,
        serde_json::json!({"topics": ["services", "changes"], "services": 1, "configs": 0})
    );
    gateway.put_config(config("public", "app.yaml", 3, &["shanghai"]));
    assert_eq!(
        signals.changed().await,
        serde_json::json!({"topics": ["configs", "changes"], "services": 0, "configs": 1})
    );
    gateway.drain("shanghai", 25, 1);
    assert_eq!(topics(&signals.changed().await), ["drains"]);
    gateway.set_verification(verify::one_differs());
    assert_eq!(topics(&signals.changed().await), ["links"]);
    gateway.set_gateway(GatewayStatus { ready: false, ..(*gateway.state.view().gateway()).clone() });
    assert_eq!(topics(&signals.changed().await), ["gateway"]);
    let clusters = |age| {
        let older = |it: ClusterStatus| ClusterStatus { age: Some(Millis(age)), ..it };
        vec![older(cluster("frankfurt", Freshness::Lost, 9)), older(cluster("shanghai", Freshness::Live, 1))]
    };
    gateway.set_clusters(clusters(5));
    assert_eq!(topics(&signals.changed().await), ["clusters"]);
    gateway.troubles.raise(TroubleKind::Storage, "a folder", "cannot be written");
    assert_eq!(topics(&signals.changed().await), ["gateway"], "it wakes nobody, and is seen within a second");

    gateway.set_clusters(clusters(700));
    gateway.set_verification(verify::one_differs());
    gateway.set_gateway((*gateway.state.view().gateway()).clone());
    gateway.put(orders(8));
    assert_eq!(topics(&signals.changed().await), ["services"], "nothing else is another than before");
}

#[tokio::test]
async fn a_burst_is_one_event_and_after_each_a_stream_rests() {
    let mut gateway = Gateway::new();
    let (mut signals, _) = Signals::open(&gateway, "", None).await;
    gateway.put(orders(1));
    signals.changed().await;
    for revision in 2..100 {
        gateway.put(orders(revision));
        gateway.put(service(key("other"), revision, orders(1).origins));
    }
    assert!(signals.is_silent().await, "it rests, although much changed");
    assert_eq!(signals.changed().await["services"], 2, "each once");
    gateway.drain("shanghai", 25, 1);
    assert_eq!(topics(&signals.changed().await), ["drains"], "all of the burst was told");
}

#[tokio::test]
async fn a_client_that_comes_back_is_told_what_changed_and_another_process_is_told_to_begin_anew() {
    let mut gateway = Gateway::new();
    let (signals, id) = Signals::open(&gateway, "", None).await;
    drop(signals);
    gateway.drain("shanghai", 25, 1);
    gateway.put(orders(7));
    let (mut signals, since) = Signals::open(&gateway, "", Some(&id.to_string())).await;
    assert_eq!(since, id);
    let (name, newest, data) = signals.next().await;
    assert_eq!((name.as_str(), topics(&data)), ("changed", vec!["drains", "services"]));
    assert!(data["services"].as_u64() >= Some(1), "nobody listened, so at least one is known");
    drop(signals);
    let (mut signals, _) = Signals::open(&gateway, "", Some(&newest.to_string())).await;
    assert!(signals.is_silent().await);
    for other in [(newest + 1).to_string(), "7".to_owned(), "x".to_owned()] {
        let (mut signals, _) = Signals::open(&gateway, "", Some(&other)).await;
        let (name, id, _) = signals.next().await;
        assert_eq!((name.as_str(), id), ("reset", newest), "{other}");
        assert!(signals.is_silent().await);
    }
}

#[tokio::test]
async fn only_services_under_the_filter_are_counted() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    for (query, of_orders) in [
        ("q=ORD", true),
        ("q=payments", false),
        ("namespaceId=public", true),
        ("namespaceId=prod", false),
        ("origin=frankfurt", true),
        ("origin=virginia", false),
    ] {
        let (mut signals, _) = Signals::open(&gateway, query, None).await;
        gateway.put(orders(8));
        if of_orders {
            assert_eq!(signals.changed().await["services"], 1, "{query}");
        } else {
            assert!(signals.is_silent().await, "{query}");
        }
    }
    let long = format!("/v1/events?q={}", "x".repeat(257));
    assert_eq!(gateway.get(&long).await.status, 400);
}

#[tokio::test]
async fn a_stream_is_counted_while_it_lives_and_ends_when_the_gateway_stops() {
    let gateway = Gateway::new();
    let watchers = || gateway.state.api_metrics().watchers(WatchFace::Sse).get();
    let (mut signals, _) = Signals::open(&gateway, "", None).await;
    assert!(signals.is_silent().await && watchers() == 1);
    gateway.state.draining().cancel();
    assert!(signals.0.next().await.is_none());
    drop(signals);
    assert_eq!(watchers(), 0);
}
