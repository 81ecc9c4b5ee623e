//! What is answered while the engine does not turn.

use federation_core::time::Millis;
use serde_json::json;

use super::*;
use federation_ports::metrics::TroubleKind;
use federation_view::watchdog::{EngineWatchdog, STUCK_AFTER};

/// A gateway whose engine turned last at this time, and now has not for `silence`.
fn stuck(silence: Millis) -> Gateway {
    let mut gateway = Gateway::new();
    gateway.set_clusters(vec![cluster("frankfurt", Freshness::Stale, 2), cluster("shanghai", Freshness::Live, 1)]);
    gateway.put(orders(7));
    gateway.writer.turned();
    gateway.pass(silence.0);
    gateway.writer.monitor().show_stuck(silence);
    gateway
}

#[tokio::test]
async fn every_answer_calls_all_clusters_isolated_while_the_engine_is_stuck_and_plans_stay_as_they_are() {
    let mut well = Gateway::new();
    well.set_clusters(vec![cluster("frankfurt", Freshness::Stale, 2), cluster("shanghai", Freshness::Live, 1)]);
    well.put(orders(7));
    let gateway = stuck(Millis(7_000));
    let reason = json!("this gateway's engine has not turned for 7 s");

    let service = gateway.get("/v1/service?serviceName=orders").await.json();
    for instance in service["instances"].as_array().unwrap() {
        assert_eq!(instance["freshness"], "isolated", "{instance}");
        assert!(instance["ageMs"].as_u64().unwrap() >= 7_000, "{instance}");
    }
    for path in ["/v1/clusters", "/v1/status"] {
        let clusters = gateway.get(path).await.json()["clusters"].clone();
        for cluster in clusters.as_array().unwrap() {
            assert_eq!((&cluster["freshness"], &cluster["freshnessReason"]), (&json!("isolated"), &reason), "{path}");
        }
    }
    let plan = "/v1/resolve?serviceName=orders&cluster=shanghai";
    let (before, then) = (well.get(plan).await.json(), gateway.get(plan).await.json());
    let shares = |plan: &Value| -> Vec<Value> {
        let endpoints = plan["endpoints"].as_array().unwrap().iter();
        endpoints.map(|it| json!([it["endpoint"], it["share"], it["priority"]])).collect()
    };
    assert_eq!(shares(&before), shares(&then));
    assert!(!then.to_string().contains(r#""freshness":"live""#), "{then}");
    assert!(then["version"].as_u64() > before["version"].as_u64(), "{then}");

    let metrics = gateway.state.metrics().encode();
    for line in [
        r#"federation_origin_freshness{origin="shanghai",freshness="live"} 0"#,
        r#"federation_origin_freshness{origin="shanghai",freshness="isolated"} 1"#,
        "federation_ready 0",
        "federation_engine_silence_seconds 7.0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is missing in\n{metrics}");
    }
}

#[tokio::test]
async fn a_stuck_engine_is_unready_at_once_and_dead_after_a_minute_and_well_when_it_turns_again() {
    for (silence, live) in [(Millis(7_000), true), (Millis(59_999), true), (Millis(60_000), false)] {
        let mut gateway = stuck(silence);
        let board = gateway.troubles.clone();
        EngineWatchdog::new(gateway.writer.monitor(), board.clone()).look_now();
        let want = if live { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let livez = gateway.get("/livez").await;
        assert_eq!(livez.status, want, "{silence:?}: {}", livez.body);
        assert!(live || livez.json()["type"] == "urn:federation:problem:engine-stuck", "{}", livez.body);
        let readyz = gateway.get("/readyz").await;
        assert_eq!(readyz.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(readyz.body.contains("engine has not turned for"), "{}", readyz.body);
        let status = gateway.get("/v1/status").await.json();
        assert_eq!((&status["ready"], &status["troubles"][0]["kind"]), (&json!(false), &json!("engine_stuck")));

        gateway.writer.turned();
        gateway.writer.apply(ViewChange::default());
        EngineWatchdog::new(gateway.writer.monitor(), board.clone()).look_now();
        assert!(!board.has(TroubleKind::EngineStuck));
        assert_eq!(gateway.get("/readyz").await.status, StatusCode::OK);
        assert_eq!(gateway.get("/livez").await.body, "ok\n");
        let clusters = gateway.get("/v1/clusters").await.json();
        assert_eq!((&clusters["clusters"][1]["freshness"], STUCK_AFTER), (&json!("live"), Millis(5_000)));
    }
}

#[tokio::test]
async fn a_stuck_engine_is_given_no_orders_that_it_would_take_when_nobody_expects_them() {
    let (commands, _queue) = federation_ports::commands::commands();
    let mut gateway = Gateway::with(commands);
    gateway.set_clusters(vec![cluster("frankfurt", Freshness::Live, 2), cluster("shanghai", Freshness::Live, 1)]);
    gateway.writer.turned();
    gateway.pass(9_000);
    gateway.writer.monitor().show_stuck(Millis(9_000));
    let request = Request::post("/v1/drains").header(axum::http::header::CONTENT_TYPE, "application/json");
    let body = json!({"cluster": "frankfurt", "percent": 0}).to_string();
    let answer = gateway.ask(request.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let kind = &answer.json()["type"];
    assert!(kind == "urn:federation:problem:drain-not-ordered" && answer.body.contains("9 s"), "{}", answer.body);
}
