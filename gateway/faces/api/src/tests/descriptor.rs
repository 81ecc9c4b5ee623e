//! `/v1/descriptor`: what the own cluster is, and orders to adopt.

use axum::body::Body;
use axum::http::header;
use federation_core::federation::{Membership, Stranger};
use federation_core::log::belonging::{AdoptRefused, Adopted, Contradiction};
use federation_core::log::control::Descriptor;
use federation_ports::commands::{CommandQueue, EngineCommand, commands};
use serde_json::json;

use super::*;

fn descriptor(servers: &[&str]) -> Descriptor {
    Descriptor {
        locality: locality("shanghai"),
        nacos_servers: servers.iter().map(|server| (*server).into()).collect(),
        partitions: 8,
        advertise: [("n2".into(), "1.2.3.4:80".into())].into(),
        ..Descriptor::default()
    }
}

fn document(server: &str) -> Value {
    json!({"region": "shanghai-region", "zone": "z1", "nacosServers": [server], "partitions": 8, "advertise": {"n2": "1.2.3.4:80"}})
}

/// A gateway that is a stranger in shanghai, and knows of another one.
pub(super) fn stranger() -> (Gateway, CommandQueue) {
    let (commands, queue) = commands();
    let mut gateway = Gateway::with(commands);
    let contradictions = vec![Contradiction::NacosServers];
    let other = Stranger {
        nonce: 7,
        name: "c-0".into(),
        advertised: "http://c".into(),
        descriptor: descriptor(&["k:8848"]),
        contradictions: contradictions.clone(),
    };
    let membership = Membership {
        own: descriptor(&["m:8848"]),
        in_force: Some(descriptor(&["n:8848"])),
        contradictions,
        strangers: vec![other],
    };
    gateway.set_gateway(GatewayStatus { ready: true, membership, ..GatewayStatus::default() });
    (gateway, queue)
}

impl Gateway {
    async fn adopt(&self, body: impl ToString) -> Answer {
        let request = Request::post("/v1/descriptor").header(header::CONTENT_TYPE, "application/json");
        self.ask(request.body(Body::from(body.to_string())).unwrap()).await
    }
}

/// The answer to an order that is carried out.
pub(super) async fn adopted() -> String {
    let (gateway, mut queue) = stranger();
    let adopted = Adopted { descriptor: descriptor(&["m:8848"]), was: Some(descriptor(&["n:8848"])) };
    let ((), told) = tokio::join!(answer(&mut queue, Ok(adopted)), gateway.adopt(json!({"cluster": "shanghai"})));
    told.body
}

/// Answers the next command.
async fn answer(queue: &mut CommandQueue, outcome: Result<Adopted, AdoptRefused>) {
    let Some(EngineCommand::Adopt { answer }) = queue.next().await else { panic!("no order to adopt") };
    answer.send(outcome).unwrap();
}

#[tokio::test]
async fn a_stranger_says_so_with_both_descriptors() {
    let (gateway, _queue) = stranger();
    let other = json!({"replica": "c-0", "advertised": "http://c", "descriptor": document("k:8848"), "contradictions": ["nacosServers"]});
    assert_eq!(
        gateway.get("/v1/descriptor").await.json(),
        json!({
            "cluster": "shanghai", "own": document("m:8848"), "inForce": document("n:8848"), "stranger": true,
            "contradictions": ["nacosServers"], "strangers": [other],
        })
    );
}

#[tokio::test]
async fn a_dry_run_tells_what_would_be_and_orders_nothing() {
    let (gateway, mut queue) = stranger();
    let told = gateway.adopt(json!({"cluster": "shanghai", "dryRun": true})).await;
    let want = json!({
        "cluster": "shanghai", "dryRun": true, "changes": true, "was": document("n:8848"), "descriptor": document("m:8848"),
        "contradictions": ["nacosServers"],
    });
    assert_eq!((told.status, told.json()), (StatusCode::OK, want));
    assert!(futures::poll!(Box::pin(queue.next())).is_pending());
}

#[tokio::test]
async fn an_order_to_adopt_is_answered_once_it_is_in_force_or_will_not_be() {
    let (gateway, mut queue) = stranger();
    let adopted = Adopted { descriptor: descriptor(&["m:8848"]), was: Some(descriptor(&["n:8848"])) };
    for (outcome, status, kind) in [
        (Ok(adopted), StatusCode::OK, None),
        (Err(AdoptRefused::Busy), StatusCode::CONFLICT, Some("not-adopted")),
        (Err(AdoptRefused::NotRead), StatusCode::SERVICE_UNAVAILABLE, Some("adoption-impossible")),
        (
            Err(AdoptRefused::NotReadBack { within: Millis(10_000) }),
            StatusCode::GATEWAY_TIMEOUT,
            Some("adoption-unsure"),
        ),
    ] {
        let ((), told) = tokio::join!(answer(&mut queue, outcome), gateway.adopt(json!({"cluster": "shanghai"})));
        let kind = kind.map(|kind| json!(format!("urn:federation:problem:{kind}")));
        assert_eq!((told.status, told.json().get("type").cloned()), (status, kind));
    }
}

#[tokio::test]
async fn an_order_that_names_another_cluster_or_is_wrong_adopts_nothing() {
    let (gateway, mut queue) = stranger();
    for (order, status) in [
        (json!({"cluster": "frankfurt"}), StatusCode::CONFLICT),
        (json!({"cluster": "Not An Id"}), StatusCode::BAD_REQUEST),
        (json!({"cluster": "shanghai", "why": "x"}), StatusCode::BAD_REQUEST),
        (json!({"cluster": "shanghai", "reason": "x".repeat(1_025)}), StatusCode::BAD_REQUEST),
        (json!({}), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(gateway.adopt(&order).await.status, status, "{order}");
    }
    assert!(futures::poll!(Box::pin(queue.next())).is_pending());
    drop(queue);
    assert_eq!(gateway.adopt(json!({"cluster": "shanghai"})).await.status, StatusCode::SERVICE_UNAVAILABLE);
}
