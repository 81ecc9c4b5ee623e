//! `exclude`, `include`, `excluded` and `drains clear` against canned answers.

use super::*;

fn excluded(list: Value, kept: bool) -> Router {
    let listed = json!({"excluded": list});
    let list = move || std::future::ready(axum::Json(listed.clone()));
    let order = move |axum::Json(body): axum::Json<Value>| {
        std::future::ready(axum::Json(json!({"cluster": body["cluster"], "excluded": body["excluded"], "kept": kept})))
    };
    Router::new().route("/v1/excluded", get(list).post(order))
}

#[tokio::test]
async fn who_excludes_a_cluster_is_told_how_to_undo_it_and_whether_it_outlives_a_restart() {
    let zanzibar = json!([{"cluster": "zanzibar", "who": "ann", "reason": "garbage", "sinceMs": 5}]);
    let kept = Canned::start(excluded(zanzibar.clone(), true)).await;
    let want = "Nothing of zanzibar counts at this gateway any more. Undo: nacos-fed include zanzibar\n";
    assert_eq!(
        kept.run(&["exclude", "zanzibar", "--reason", "garbage"]).await,
        (Exit::Ok, want.to_owned(), String::new())
    );
    assert_eq!(kept.run(&["include", "zanzibar"]).await.0, Exit::Ok);
    assert_eq!(kept.run(&["include", "atlantis"]).await.0, Exit::NotFound);
    let (_, out, _) = kept.run(&["excluded"]).await;
    assert!(out.contains("zanzibar") && out.contains("garbage"), "{out}");
    let lost = Canned::start(excluded(json!([]), false)).await;
    let (exit, out, _) = lost.run(&["exclude", "zanzibar"]).await;
    assert!(exit == Exit::Negative && out.contains("NOT kept"), "{out}");
    assert_eq!(lost.run(&["excluded"]).await.1, "no cluster is excluded\n");
}

#[tokio::test]
async fn all_drains_of_one_cluster_are_undone_and_no_others() {
    let of = |target: &str, percent: u8, taken_in: &str| {
        let mut drain = drain(target, percent, percent, None, Value::Null);
        drain["takenIn"] = taken_in.into();
        drain
    };
    let list =
        json!([of("a", 30, "zanzibar"), of("b", 40, "shanghai"), of("c", 0, "zanzibar"), of("d", 5, "zanzibar")]);
    let canned = Canned::start(drains(list)).await;
    let (exit, out, _) = canned.run(&["drains", "clear", "--origin", "zanzibar"]).await;
    assert_eq!((exit, out.as_str()), (Exit::Ok, "a undone\nd undone\n"));
    assert_eq!(canned.run(&["drains", "clear", "--origin", "atlantis"]).await.0, Exit::NotFound);
    assert_eq!(canned.run(&["drains"]).await.0, Exit::Ok);
}
