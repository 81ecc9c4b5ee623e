//! `changes` against canned answers.

use super::*;

fn answer() -> Value {
    let change = json!({
        "id": 7, "atMs": 0, "kind": "instance", "what": "health", "namespaceId": "public", "groupName": "g",
        "serviceName": "orders", "instance": "10.0.0.1:80#DEFAULT", "origin": "shanghai",
        "cause": {"through": "log", "topic": "instances", "partition": 3, "offset": 1204},
        "before": "healthy", "after": "unhealthy",
    });
    let drain = json!({
        "id": 6, "atMs": 0, "kind": "drain", "what": "ordered", "target": "frankfurt", "origin": "frankfurt",
        "cause": {"through": "operator", "who": "ann"}, "before": "0 %", "after": "30 %",
    });
    json!({"changes": [change, drain], "nextCursor": "6", "oldestMs": 0, "forgotten": 3, "filtered": true})
}

#[tokio::test]
async fn a_row_says_what_changed_where_and_through_what() {
    let canned = Canned::start(json_at("/v1/changes", answer())).await;
    let (exit, out, _) = canned.run(&["changes", "orders", "--since", "10m"]).await;
    assert_eq!(exit, Exit::Ok);
    for part in [
        "public/g/orders 10.0.0.1:80#DEFAULT",
        "healthy -> unhealthy",
        "log instances-3@1204",
        "operator by ann",
        "there are older ones: see --limit",
        "some are not shown to you",
    ] {
        assert!(out.contains(part), "{part} is missing in\n{out}");
    }
}
