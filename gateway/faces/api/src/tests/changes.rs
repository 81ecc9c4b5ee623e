//! `/v1/changes` and `/v1/history`: what is told of changes, and of which.

use federation_core::cause::{ChangeCause, ChangeThrough, RecordPlace};
use federation_core::log::record::TopicKind;
use federation_view::view::ChangeCauses;

use super::*;

/// A gateway whose service `orders` changed, then a config item, then the freshness of a cluster, each a second later.
pub(super) fn changed() -> Gateway {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    gateway.pass(1_000);
    let mut after = orders(8);
    after.origins[0].instances[0].instance =
        Arc::new(Instance { health: Health::Unhealthy, ..(*after.origins[0].instances[0].instance).clone() });
    let place = RecordPlace { topic: TopicKind::Instances, partition: 3, offset: 1204 };
    let cause = ChangeCause { through: ChangeThrough::Log, place: Some(place) };
    gateway.writer.apply(ViewChange {
        services: vec![(after.key.clone(), Some(Arc::new(after)))],
        causes: ChangeCauses { services: vec![cause], configs: Vec::new() },
        ..ViewChange::default()
    });
    gateway.pass(1_000);
    gateway.put_config(config("public", "app.yaml", 3, &["shanghai"]));
    gateway.pass(1_000);
    gateway.set_clusters(vec![cluster("frankfurt", Freshness::Lost, 9), cluster("shanghai", Freshness::Live, 1)]);
    gateway
}

/// Kind and what of each change, newest first.
async fn told(gateway: &Gateway, query: &str) -> Vec<String> {
    let answer = gateway.get(&format!("/v1/changes?{query}")).await.json();
    let word = |change: &Value, field: &str| change[field].as_str().unwrap().to_owned();
    let changes = answer["changes"].as_array().unwrap_or_else(|| panic!("{query}: {answer}"));
    changes.iter().map(|it| format!("{} {}", word(it, "kind"), word(it, "what"))).collect()
}

#[tokio::test]
async fn a_change_is_told_with_its_subject_its_place_in_the_log_and_before_and_after() {
    let gateway = changed();
    let answer = gateway.get("/v1/changes?serviceName=orders&limit=1").await.json();
    let change = &answer["changes"][0];
    assert_eq!((&change["what"], &change["serviceName"]), (&"health".into(), &"orders".into()));
    let want = serde_json::json!({"through": "log", "topic": "instances", "partition": 3, "offset": 1204});
    assert_eq!(change["cause"], want);
    assert_eq!(change["after"], "unhealthy");
    assert_eq!(change["atMs"], 1_001, "a second after the start, which was at 1");
    let cursor = answer["nextCursor"].as_str().unwrap();
    let rest = gateway.get(&format!("/v1/changes?serviceName=orders&cursor={cursor}")).await.json();
    assert_eq!(rest["nextCursor"], Value::Null);
    assert!(rest["changes"].as_array().unwrap().iter().all(|it| it["what"] == "added"), "{rest}");
}

#[tokio::test]
async fn what_is_wanted_of_changes_is_chosen_by_name_cluster_kind_and_time() {
    let gateway = changed();
    assert_eq!(told(&gateway, "dataId=app.yaml&groupName=g").await, ["config added"]);
    assert_eq!(told(&gateway, "kind=freshness").await, ["freshness changed"]);
    assert_eq!(told(&gateway, "kind=freshness,config&kind=gateway").await.len(), 3);
    assert_eq!(told(&gateway, "since=1500ms").await, ["freshness changed", "config added"]);
    assert_eq!(told(&gateway, "cluster=frankfurt&since=500ms").await, ["freshness changed"]);
    assert_eq!(told(&gateway, "cluster=virginia").await.len(), 0);
    for (query, field) in [
        ("kind=x", "kind"),
        ("since=soon", "since"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=x", "cursor"),
        ("serviceName=a&dataId=b", "dataId"),
        ("cluster=A%20b", "cluster"),
    ] {
        let answer = gateway.get(&format!("/v1/changes?{query}")).await;
        assert_eq!((answer.status, answer.body.contains(field)), (StatusCode::BAD_REQUEST, true), "{query}");
    }
}

#[tokio::test]
async fn a_plot_has_a_point_for_each_ten_seconds_and_lists_of_one_length() {
    let mut gateway = changed();
    gateway.pass(10_000);
    gateway.set_clusters(vec![cluster("frankfurt", Freshness::Lost, 9), cluster("virginia", Freshness::Live, 1)]);
    let history = gateway.get("/v1/history").await.json();
    assert_eq!(history["everyMs"], 10_000);
    for cluster in history["clusters"].as_array().unwrap() {
        for list in ["ageMs", "instances", "services", "changes"] {
            assert_eq!(cluster[list].as_array().unwrap().len(), 2, "{list} of {cluster}");
        }
    }
    assert_eq!(history["clusters"][2]["instances"][0], Value::Null, "virginia was not known then");
}
