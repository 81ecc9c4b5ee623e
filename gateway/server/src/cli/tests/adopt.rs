//! `adopt` against canned answers.

use super::*;

/// A gateway of shanghai that adopts, and refuses what names another cluster.
fn gateway(changes: bool, contradictions: Value) -> Router {
    let adopt = move |axum::Json(body): axum::Json<Value>| {
        let document = json!({
            "cluster": body["cluster"], "dryRun": body["dryRun"] == true, "changes": changes, "contradictions": contradictions,
            "was": {"region": "cn", "nacosServers": ["n1:8848", "n2:8848"], "partitions": 8, "advertise": {}},
            "descriptor": {"region": "cn", "nacosServers": ["m1:8848"], "partitions": 8, "advertise": {}},
        });
        let problem = json!({"type": "urn:federation:problem:not-adopted", "title": "Not adopted", "status": 409,
            "detail": "this is a gateway of shanghai, not of frankfurt"});
        let right = body["cluster"] == "shanghai" && body["who"].as_str().is_some_and(|who| !who.is_empty());
        let (status, kind, answer) = match right {
            true => (StatusCode::OK, "application/json", document),
            false => (StatusCode::CONFLICT, "application/problem+json", problem),
        };
        std::future::ready((status, [(header::CONTENT_TYPE, kind)], answer.to_string()))
    };
    Router::new().route("/v1/descriptor", axum::routing::post(adopt))
}

#[tokio::test]
async fn who_adopts_sees_what_was_and_what_is_and_what_follows() {
    let canned = Canned::start(gateway(true, json!(["nacosServers"]))).await;
    let (exit, out, _) = canned.run(&["adopt", "shanghai", "--dry-run"]).await;
    assert_eq!(exit, Exit::Ok);
    for part in ["n1:8848, n2:8848", "m1:8848", "It would be adopted", "become strangers", "are removed"] {
        assert!(out.contains(part), "{part} in {out}");
    }
    let (exit, out, _) = canned.run(&["adopt", "shanghai", "--reason", "moved"]).await;
    assert!(exit == Exit::Ok && out.contains("It is adopted"), "{out}");
    let (exit, out, _) = canned.run(&["adopt", "shanghai", "--format", "json"]).await;
    assert_eq!((exit, serde_json::from_str::<Value>(&out).unwrap()["changes"].clone()), (Exit::Ok, json!(true)));
}

#[tokio::test]
async fn to_name_another_cluster_is_refused_and_to_adopt_what_is_in_force_is_fine() {
    let canned = Canned::start(gateway(false, json!([]))).await;
    let (exit, out, err) = canned.run(&["adopt", "frankfurt"]).await;
    assert!(exit == Exit::Refused && out.is_empty() && err.contains("not of frankfurt"), "{out}{err}");
    let (exit, out, _) = canned.run(&["adopt", "shanghai"]).await;
    assert!(exit == Exit::Ok && out.contains("already"), "{out}");
}
