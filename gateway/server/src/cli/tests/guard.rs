//! `guard list`, `release` and `keep` against canned answers.

use super::*;

fn hold(state: &str) -> Value {
    json!({
        "id": "shanghai/public", "cluster": "shanghai", "namespaceId": "public", "state": state, "sinceMs": 500, "ageMs": 63_000,
        "kept": 90, "lost": 100, "of": 150, "percent": 66, "who": "guard", "why": null, "whenMs": 500,
        "takenIn": "shanghai", "whatToDo": "release shanghai/public, or repair it",
    })
}

fn guard(holds: Value) -> Router {
    let listed = json!({"holds": holds});
    let list = move || std::future::ready(axum::Json(listed.clone()));
    let decide = |axum::Json(body): axum::Json<Value>| {
        let missing = json!({"type": "urn:federation:problem:hold-not-found", "status": 404, "title": "Nothing is held there", "id": body["id"]});
        std::future::ready(match (body["id"].as_str(), body["action"].as_str()) {
            (Some("shanghai/public"), Some("release")) => axum::Json(hold("released")).into_response(),
            (Some("shanghai/public"), Some("keep")) => axum::Json(hold("kept")).into_response(),
            _ => problem(StatusCode::NOT_FOUND, &missing),
        })
    };
    Router::new().route("/v1/guard", get(list).post(decide))
}

#[tokio::test]
async fn what_is_held_is_listed_with_what_to_do_and_the_exit_code_says_whether_somebody_has_to_decide() {
    let canned = Canned::start(guard(json!([hold("held")]))).await;
    let (exit, out, _) = canned.run(&["guard", "list"]).await;
    let want = "\
ID               CLUSTER   NAMESPACE  STATE   SINCE  HELD              LOST  WHO    WHY
shanghai/public  shanghai  public     held   1m 3s    90  100 of 150, 66 %  guard  -

shanghai/public: release shanghai/public, or repair it
";
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((exit, words(&out)), (Exit::Negative, words(want)), "{out}");
    let (exit, out, _) = canned.run(&["guard", "list", "--format", "json"]).await;
    assert!(exit == Exit::Negative && out.contains("\"kept\": 90"), "{out}");
    let kept = Canned::start(guard(json!([hold("kept")]))).await;
    assert_eq!(kept.run(&["guard", "list"]).await.0, Exit::Ok, "somebody has decided");
    let none = Canned::start(guard(json!([]))).await;
    assert_eq!(none.run(&["guard", "list"]).await, (Exit::Ok, "nothing is held\n".to_owned(), String::new()));
}

#[tokio::test]
async fn a_decision_says_what_happens_next_and_one_about_nothing_is_not_found() {
    let canned = Canned::start(guard(json!([hold("held")]))).await;
    let (exit, out, _) = canned.run(&["guard", "release", "shanghai/public", "--reason", "shut down"]).await;
    assert!(
        exit == Exit::Ok && out.starts_with("shanghai/public: 90 removals go, at all gateways within about 2 s."),
        "{out}"
    );
    let (exit, out, _) = canned.run(&["guard", "keep", "shanghai/public"]).await;
    assert!(exit == Exit::Ok && out.contains("Undo: nacos-fed guard release shanghai/public"), "{out}");
    let (exit, out, _) = canned.run(&["guard", "release", "shanghai/public", "--dry-run"]).await;
    assert!(exit == Exit::Ok && out.ends_with("Nothing was decided.\n"), "{out}");
    let (exit, _, err) = canned.run(&["guard", "release", "shanghai/other"]).await;
    assert!(exit == Exit::NotFound && err.contains("Nothing is held there"), "{err}");
}
