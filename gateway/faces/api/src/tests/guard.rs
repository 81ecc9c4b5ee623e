//! `/v1/guard` over a view written by hand, and an engine that takes every decision.

use axum::body::Body;
use axum::http::header;
use federation_core::guard::{GuardEntry, GuardRefused, GuardTable, GuardTaken, GuardTarget, GuardWord};
use federation_core::intents::{DrainRefused, OrderCounter};
use federation_ports::commands::{EngineCommand, commands};
use serde_json::json;

use super::*;

fn entry(counter: u64, word: GuardWord) -> GuardEntry {
    GuardEntry {
        counter: OrderCounter::new(counter).unwrap(),
        word,
        since: WallMs(500),
        kept: 90,
        lost: 100,
        of: 150,
        who: "guard".into(),
        why: "".into(),
        when: WallMs(500),
        giver: Default::default(),
    }
}

fn target() -> GuardTarget {
    "shanghai/public".parse().unwrap()
}

impl Gateway {
    /// Words as they stand in shanghai's log.
    fn set_holds(&mut self, words: &[(&str, GuardEntry)]) {
        let said: Vec<(GuardTarget, &GuardEntry)> =
            words.iter().map(|(target, entry)| (target.parse().unwrap(), entry)).collect();
        let shanghai = "shanghai".parse().unwrap();
        let table = GuardTable::new(said.iter().map(|(target, entry)| (&shanghai, target, *entry)));
        self.writer.apply(ViewChange { holds: Some(Arc::new(table)), ..ViewChange::default() });
    }

    async fn decide(&self, body: impl ToString) -> Answer {
        let request = Request::post("/v1/guard").header(header::CONTENT_TYPE, "application/json");
        self.ask(request.body(Body::from(body.to_string())).unwrap()).await
    }
}

/// One hold in each word that stands, half a second after it began.
pub(super) fn hold_everything(gateway: &mut Gateway) {
    gateway.pass(1_000);
    let kept = GuardEntry { who: "ann@desk".into(), why: "nacos is restored".into(), ..entry(2, GuardWord::Keep) };
    let released = GuardEntry { kept: 3, ..entry(3, GuardWord::Release) };
    let held = entry(1, GuardWord::Held);
    gateway.set_holds(&[("shanghai/public", held), ("shanghai/test", kept), ("shanghai/old", released)]);
}

/// The answer to a release that is carried out.
pub(super) async fn released() -> String {
    let (orders, mut queue) = commands();
    let mut gateway = Gateway::with(orders);
    gateway.set_holds(&[("shanghai/public", entry(1, GuardWord::Held))]);
    let request = Request::post("/v1/guard").header(header::CONTENT_TYPE, "application/json");
    let body = json!({"id": "shanghai/public", "action": "release"}).to_string();
    let asked = gateway.router().oneshot(request.body(Body::from(body)).unwrap());
    let (answered, ()) = tokio::join!(asked, async {
        let Some(EngineCommand::DecideHold { answer, .. }) = queue.next().await else { panic!("a decision was given") };
        let released = entry(2, GuardWord::Release);
        let taken = GuardTaken { target: target(), entry: released.clone(), cluster: "shanghai".parse().unwrap() };
        answer.send(Ok(taken)).unwrap();
        gateway.set_holds(&[("shanghai/public", released)]);
    });
    let body = to_bytes(answered.unwrap().into_body(), usize::MAX).await.unwrap();
    String::from_utf8(body.into()).unwrap()
}

#[tokio::test]
async fn what_is_held_is_listed_with_how_much_of_what_and_what_to_do() {
    let mut gateway = Gateway::new();
    assert_eq!(gateway.get("/v1/guard").await.json(), json!({"holds": []}));
    gateway.pass(1_000);
    gateway.set_holds(&[("shanghai/public", entry(1, GuardWord::Held)), ("shanghai/old", entry(4, GuardWord::Over))]);
    let want = json!({"holds": [{
        "id": "shanghai/public", "cluster": "shanghai", "namespaceId": "public", "state": "held",
        "sinceMs": 500, "ageMs": 501, "kept": 90, "lost": 100, "of": 150, "percent": 66,
        "who": "guard", "why": null, "whenMs": 500, "takenIn": "shanghai",
        "whatToDoCode": "decide",
        "whatToDo": "look whether nacos tells the truth; if they are gone for good, release shanghai/public; \
                     if not, repair it, or keep shanghai/public",
    }]});
    assert_eq!(gateway.get("/v1/guard").await.json(), want);
    assert_eq!(gateway.get("/v1/guard?x=1").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_decision_that_is_wrong_names_the_field_and_what_would_be_right() {
    let mut gateway = Gateway::new();
    gateway.set_holds(&[("shanghai/public", entry(1, GuardWord::Held))]);
    for (body, field, says) in [
        (json!({"id": "shanghai", "action": "keep"}), "id", "cluster/namespace"),
        (json!({"id": "Shanghai/x", "action": "keep"}), "id", "begins with a cluster's id"),
        (json!({"id": "shanghai/public", "action": "drop"}), "action", "release or keep is needed"),
    ] {
        let refused = gateway.decide(&body).await;
        let document = refused.json();
        assert_eq!((refused.status, &document["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{body}");
        assert!(document["detail"].as_str().unwrap().contains(says), "{document}");
    }
    let unknown = gateway.decide(json!({"id": "frankfurt/public", "action": "release"})).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(unknown.json()["detail"].as_str().unwrap().contains("held: shanghai/public"), "{}", unknown.body);
    let gone = gateway.decide(json!({"id": "shanghai/public", "action": "release"})).await;
    assert_eq!(gone.status, StatusCode::SERVICE_UNAVAILABLE, "its engine has ended");
    let dry = gateway.decide(json!({"id": "shanghai/public", "action": "release", "dryRun": true})).await;
    assert_eq!((dry.status, &dry.json()["state"]), (StatusCode::OK, &json!("held")));
}

#[tokio::test]
async fn a_decision_is_answered_once_it_is_in_force() {
    let (orders, mut queue) = commands();
    let mut gateway = Gateway::with(orders);
    gateway.set_holds(&[("shanghai/public", entry(1, GuardWord::Held))]);
    let body = json!({"id": "shanghai/public", "action": "release", "who": "ann", "reason": "shut down"});
    let request = Request::post("/v1/guard").header(header::CONTENT_TYPE, "application/json");
    let asked = gateway.router().oneshot(request.body(Body::from(body.to_string())).unwrap());
    let (answered, ()) = tokio::join!(asked, async {
        let Some(EngineCommand::DecideHold { order, answer }) = queue.next().await else {
            panic!("a decision was given")
        };
        assert_eq!((order.word, &*order.who, &*order.why), (GuardWord::Release, "ann", "shut down"));
        let released = entry(2, GuardWord::Release);
        let taken = GuardTaken { target: target(), entry: released.clone(), cluster: "shanghai".parse().unwrap() };
        answer.send(Ok(taken)).unwrap();
        gateway.set_holds(&[("shanghai/public", released)]);
    });
    assert_eq!(answered.unwrap().status(), StatusCode::OK);
    assert_eq!(gateway.get("/v1/guard").await.json()["holds"][0]["state"], "released");
}

#[tokio::test]
async fn a_text_that_is_too_long_is_told_by_the_name_that_the_caller_gave_it() {
    let (orders, mut queue) = commands();
    let mut gateway = Gateway::with(orders);
    gateway.set_holds(&[("shanghai/public", entry(1, GuardWord::Held))]);
    let body = json!({"id": "shanghai/public", "action": "keep", "reason": "x".repeat(2_000)});
    let (refused, ()) = tokio::join!(gateway.decide(&body), async {
        let Some(EngineCommand::DecideHold { answer, .. }) = queue.next().await else { panic!("a decision was given") };
        let refused = GuardRefused::NotTaken(DrainRefused::TooLong { field: "why", bytes: 2_000 });
        answer.send(Err(refused)).unwrap();
    });
    assert_eq!((refused.status, &refused.json()["field"]), (StatusCode::BAD_REQUEST, &json!("reason")));
}
