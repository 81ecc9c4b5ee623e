//! `/v1/front-door`: what is told of it, and orders to it.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::http::header;
use federation_ports::front_door::{FrontDoorControl, FrontDoorStatus};
use serde_json::json;

use super::*;

#[derive(Default)]
struct Door(AtomicBool);

impl FrontDoorControl for Door {
    fn status(&self) -> FrontDoorStatus {
        let drained = self.0.load(Ordering::Relaxed);
        FrontDoorStatus { drained, connections: 1_204, registering_clients: 817, upstream_connected: 816 }
    }

    fn drain(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn undrain(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A gateway with a front door.
pub(super) fn with_a_door() -> Gateway {
    let gateway = Gateway::new();
    gateway.state.attach_front_door(Arc::new(Door::default()));
    gateway
}

impl Gateway {
    async fn tell_door(&self, order: &str, body: impl ToString) -> Answer {
        let request = Request::post(format!("/v1/front-door/{order}")).header(header::CONTENT_TYPE, "application/json");
        self.ask(request.body(Body::from(body.to_string())).unwrap()).await
    }
}

#[tokio::test]
async fn the_front_door_is_drained_and_undrained_by_order() {
    let gateway = with_a_door();
    assert_eq!(gateway.get("/v1/front-door").await.json()["drained"], json!(false));
    let drained = gateway.tell_door("drain", json!({"who": "ann", "reason": "an upgrade"})).await.json();
    assert_eq!((&drained["drained"], &drained["connections"]), (&json!(true), &json!(1_204)));
    assert_eq!(gateway.get("/v1/front-door").await.json(), drained);
    assert_eq!(gateway.tell_door("undrain", "{}").await.json()["drained"], json!(false));
}

#[tokio::test]
async fn an_order_to_the_front_door_that_is_wrong_changes_nothing() {
    let gateway = with_a_door();
    for body in [json!({"reason": "x".repeat(1_025)}), json!({"percent": 5}), json!([])] {
        assert_eq!(gateway.tell_door("drain", &body).await.status, StatusCode::BAD_REQUEST, "{body}");
    }
    let text = Request::post("/v1/front-door/drain").body(Body::from("{}")).unwrap();
    assert_eq!(gateway.ask(text).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(gateway.get("/v1/front-door").await.json()["drained"], json!(false));
}

#[tokio::test]
async fn a_gateway_without_a_front_door_says_so() {
    let gateway = Gateway::new();
    for answer in [gateway.get("/v1/front-door").await, gateway.tell_door("drain", "{}").await] {
        assert_eq!((answer.status, &answer.json()["title"]), (StatusCode::NOT_FOUND, &json!("There is no front door")));
    }
}
