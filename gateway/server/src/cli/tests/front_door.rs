//! `front-door status`, `drain` and `undrain` against canned answers.

use super::*;

fn door() -> Router {
    let of =
        |drained: bool| json!({"drained": drained, "connections": 3, "registeringClients": 2, "upstreamConnected": 2});
    let told = move |drained| {
        move |axum::Json(body): axum::Json<Value>| {
            assert_eq!(body["reason"], "an upgrade");
            std::future::ready(axum::Json(of(drained)))
        }
    };
    Router::new()
        .route("/v1/front-door", get(move || std::future::ready(axum::Json(of(false)))))
        .route("/v1/front-door/drain", axum::routing::post(told(true)))
        .route("/v1/front-door/undrain", axum::routing::post(told(false)))
}

#[tokio::test]
async fn who_drains_the_front_door_is_told_how_many_are_there_and_how_to_undo_it() {
    let canned = Canned::start(door()).await;
    let (exit, out, _) = canned.run(&["front-door", "drain", "--reason", "an upgrade"]).await;
    assert_eq!(exit, Exit::Ok);
    assert!(out.contains("drained") && out.contains("Undo: nacos-fed front-door undrain"), "{out}");
    let (exit, out, _) = canned.run(&["front-door", "undrain", "--reason", "an upgrade"]).await;
    assert!(exit == Exit::Ok && out.contains("takes clients") && !out.contains("Undo"), "{out}");
    let (exit, out, _) = canned.run(&["front-door", "status", "--format", "json"]).await;
    assert!(exit == Exit::Ok && out.contains("\"registeringClients\": 2"), "{out}");
}
