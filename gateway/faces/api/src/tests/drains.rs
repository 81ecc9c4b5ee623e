//! `/v1/drains` and `/v1/what-if` over a view written by hand.

use axum::body::Body;
use axum::http::header;
use federation_core::drains::{IntentTable, RefusedOrder};
use federation_core::intents::verdict::NotAccepted;
use federation_core::intents::{DrainIntent, DrainRamp, DrainTarget, OrderCounter};
use federation_core::log::intents::{LoggedDrain, RefusedDrain};
use federation_core::routing::{DrainGuard, Percent};
use serde_json::json;

use super::*;

const HEALTHY: Health = Health::Healthy;

fn percent(percent: u8) -> Percent {
    Percent::new(percent).unwrap()
}

fn intent(value: u8, ramp: Option<DrainRamp>) -> DrainIntent {
    DrainIntent {
        counter: OrderCounter::new(3).unwrap(),
        percent: percent(value),
        guard: DrainGuard::default(),
        who: "ann@desk".into(),
        why: "maintenance".into(),
        when: WallMs(1),
        replica: 7,
        ramp,
        giver: Default::default(),
    }
}

impl Gateway {
    /// Orders as they stand in shanghai's log.
    fn set_drains(&mut self, drains: &[(&str, DrainIntent)]) {
        let logged: Vec<(DrainTarget, LoggedDrain)> = (drains.iter())
            .map(|(target, intent)| {
                let logged = LoggedDrain::read(intent.clone(), WallMs(1), Default::default());
                (target.parse().unwrap(), logged)
            })
            .collect();
        let shanghai = "shanghai".parse().unwrap();
        let table = IntentTable::new(Revision(9), logged.iter().map(|(target, logged)| (&shanghai, target, logged)));
        self.writer.apply(ViewChange { intents: Some(Arc::new(table)), ..ViewChange::default() });
    }

    async fn order(&self, body: impl ToString) -> Answer {
        let request = Request::post("/v1/drains").header(header::CONTENT_TYPE, "application/json");
        self.ask(request.body(Body::from(body.to_string())).unwrap()).await
    }
}

/// `both` in both clusters, `alone` in frankfurt only, `there` in shanghai only; all clusters live.
fn gateway() -> Gateway {
    filled(Gateway::new())
}

fn filled(mut gateway: Gateway) -> Gateway {
    gateway.set_clusters(vec![cluster("frankfurt", Freshness::Live, 2), cluster("shanghai", Freshness::Live, 1)]);
    let here = || of("frankfurt", FactSource::Log, vec![instance("10.0.0.1", 80, HEALTHY)]);
    let there = || of("shanghai", FactSource::Nacos, vec![instance("10.1.0.1", 80, HEALTHY)]);
    gateway.put(service(key("both"), 1, vec![here(), there()]));
    gateway.put(service(key("alone"), 2, vec![here()]));
    gateway.put(service(key("there"), 3, vec![there()]));
    gateway
}

fn shares(frankfurt: u32, shanghai: u32, healthy: usize) -> Value {
    let clusters = json!({"frankfurt": frankfurt, "shanghai": shanghai});
    let regions = json!({"frankfurt-region": frankfurt, "shanghai-region": shanghai});
    json!({"clusters": clusters, "regions": regions, "served": 1_000_000, "healthy": healthy})
}

#[tokio::test]
async fn a_dry_run_says_what_callers_in_every_cluster_would_get_and_orders_nothing() {
    let gateway = gateway();
    let body = json!({"cluster": "frankfurt", "percent": 30, "dryRun": true});
    let answer = gateway.order(&body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let document = answer.json();
    let alone = json!({"clusters": {"frankfurt": 1_000_000}, "regions": {"frankfurt-region": 1_000_000}, "served": 1_000_000, "healthy": 1});
    let refused = |caller: &str| json!({"caller": caller, "impact": "refused", "before": alone, "after": alone});
    let want = json!({
        "callers": [
            {"cluster": "frankfurt", "region": "frankfurt-region", "zone": "z1", "subZone": null},
            {"cluster": "shanghai", "region": "shanghai-region", "zone": "z1", "subZone": null},
        ],
        "examined": 2,
        "total": 2,
        "counts": {"leftWithout": 0, "refused": 1, "partlyServed": 0, "nothingHealthy": 0, "moved": 1},
        "services": [
            {
                "namespaceId": "public", "groupName": "DEFAULT_GROUP", "serviceName": "alone", "impact": "refused",
                "callers": [refused("frankfurt"), refused("shanghai")],
                "refused": [{"target": "frankfurt", "reason": "nothing healthy would be left", "code": "void"}],
            },
            {
                "namespaceId": "public", "groupName": "DEFAULT_GROUP", "serviceName": "both", "impact": "moved",
                "callers": [
                    {"caller": "frankfurt", "impact": "moved", "before": shares(1_000_000, 0, 2), "after": shares(700_000, 300_000, 2)},
                    {"caller": "shanghai", "impact": "nothing", "before": shares(0, 1_000_000, 2), "after": shares(0, 1_000_000, 2)},
                ],
                "refused": [],
            },
        ],
    });
    assert_eq!(document, want);
    assert_eq!(gateway.get("/v1/drains").await.json(), json!({"drains": []}));
}

#[tokio::test]
async fn a_dry_runs_answer_is_bounded_and_tells_the_total() {
    let mut gateway = gateway();
    for number in 0..20 {
        let here = of("frankfurt", FactSource::Log, vec![instance("10.0.0.1", 80, HEALTHY)]);
        gateway.put(service(key(&format!("more-{number:02}")), 9, vec![here]));
    }
    let body = json!({"cluster": "frankfurt", "percent": 100, "dryRun": true}).to_string();
    let request = Request::post("/v1/drains?limit=3").header(header::CONTENT_TYPE, "application/json; charset=utf-8");
    let document = gateway.ask(request.body(Body::from(body)).unwrap()).await.json();
    let names: Vec<&str> =
        document["services"].as_array().unwrap().iter().map(|it| it["serviceName"].as_str().unwrap()).collect();
    assert_eq!((&document["total"], names), (&json!(22), vec!["alone", "more-00", "more-01"]));
    assert_eq!(document["counts"]["refused"], 21);
}

#[tokio::test]
async fn an_order_that_would_leave_a_service_without_is_refused_by_name() {
    let gateway = gateway();
    let answer = gateway.order(json!({"cluster": "frankfurt", "percent": 30})).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    let problem = answer.json();
    assert_eq!(problem["type"], "urn:federation:problem:drain-refused");
    let alone = json!([{"namespaceId": "public", "groupName": "DEFAULT_GROUP", "serviceName": "alone"}]);
    assert_eq!((&problem["services"], &problem["total"]), (&alone, &json!(1)));
}

#[tokio::test]
async fn what_takes_nobody_anything_or_is_forced_is_never_refused() {
    let mut gateway = gateway();
    gateway.set_drains(&[("frankfurt", intent(50, None))]);
    for (name, body) in [
        ("undone", json!({"cluster": "frankfurt", "percent": 0})),
        ("lowered", json!({"cluster": "frankfurt", "percent": 49})),
        ("forced", json!({"cluster": "frankfurt", "percent": 100, "force": true})),
        ("the last ones left alone", json!({"cluster": "frankfurt", "percent": 100, "leaveLast": true})),
        ("given again", json!({"cluster": "frankfurt", "percent": 50})),
        ("another service", json!({"cluster": "frankfurt", "percent": 100, "services": {"serviceName": "bo*"}})),
    ] {
        // The engine of this gateway has ended: the order got as far as it.
        let answer = gateway.order(&body).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{name}: {}", answer.body);
        assert_eq!(answer.json()["type"], "urn:federation:problem:drain-not-ordered");
    }
    let raised = gateway.order(json!({"cluster": "frankfurt", "percent": 51})).await;
    assert_eq!(raised.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_wrong_order_is_refused_with_the_field() {
    let gateway = gateway();
    for (body, status, text) in [
        (json!({"cluster": "frankfort", "percent": 30}), 400, "but frankfurt, shanghai"),
        (json!({"cluster": "frankfurt", "percent": 101}), 400, "0 to 100"),
        (json!({"cluster": "frankfurt", "percent": -1}), 400, "0 to 100"),
        (json!({"cluster": "frankfurt", "percent": 30.5}), 400, "invalid type: floating point"),
        (json!({"cluster": "frankfurt", "percent": "30"}), 400, "invalid type: string"),
        (
            json!({"cluster": "frankfurt", "percent": 1, "force": true, "leaveLast": true}),
            400,
            "one of force and leaveLast",
        ),
        (json!({"cluster": "frankfurt"}), 400, "missing field `percent`"),
        (json!({"cluster": "frankfurt", "percent": 1, "overMs": 86_400_001}), 400, "24 hours"),
        (json!({"cluster": "frankfurt", "percent": 1, "over": "10m"}), 400, "unknown field `over`"),
        (json!({"cluster": "frankfurt", "percent": 1, "services": {"name": "a"}}), 400, "unknown field `name`"),
        (
            json!({"cluster": "frankfurt", "percent": 1, "services": {"serviceName": "a".repeat(1025)}}),
            400,
            "serviceName",
        ),
        (json!("x".repeat(70_000)), 413, "65536 bytes"),
        (json!([]), 400, "invalid"),
    ] {
        let answer = gateway.order(&body).await;
        assert!(answer.status.as_u16() == status && answer.body.contains(text), "{body}: {}", answer.body);
    }
    let plain = Request::post("/v1/drains").body(Body::from("{}")).unwrap();
    assert_eq!(gateway.ask(plain).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let twice = r#"{"cluster": "frankfurt", "percent": 1, "percent": 2}"#;
    assert!(gateway.order(twice).await.body.contains("duplicate field"));
    let put = gateway.ask(Request::put("/v1/drains").body(Body::empty()).unwrap()).await;
    assert!(put.status == StatusCode::METHOD_NOT_ALLOWED && put.body.contains("POST"));
}

#[tokio::test]
async fn an_order_that_is_not_read_back_in_time_may_still_come() {
    let (commands, _queue) = federation_ports::commands::commands();
    let gateway = filled(Gateway::with(commands));
    let answer = gateway.order(json!({"cluster": "frankfurt", "percent": 0})).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(answer.body.contains("may still come into force"), "{}", answer.body);
}

/// Five seconds after one drain began to ramp and another was undone.
pub(super) fn ramping() -> Gateway {
    let mut gateway = gateway();
    let ramp = DrainRamp::new(percent(0), percent(30), WallMs(1), Millis(600_000));
    gateway.set_drains(&[("frankfurt", intent(10, ramp)), ("shanghai/*/*/there", intent(0, None))]);
    gateway.pass(5_000);
    gateway
}

/// A drain in force, one that somebody else wrote, and a removal of the first.
pub(super) fn refusing() -> Gateway {
    let mut gateway = gateway();
    gateway.set_drains(&[("frankfurt", intent(10, None))]);
    let refused = |target: &str, intent, why| RefusedOrder {
        target: target.parse().unwrap(),
        taken_in: "shanghai".parse().unwrap(),
        record: RefusedDrain { intent, why },
    };
    let forged = DrainIntent { who: "mallory".into(), ..intent(100, None) };
    let refused =
        vec![refused("shanghai", Some(forged), NotAccepted::NoRule), refused("frankfurt", None, NotAccepted::Unsigned)];
    let table = IntentTable::clone(&gateway.writer.intents()).refusing(refused);
    gateway.writer.apply(ViewChange { intents: Some(Arc::new(table)), ..ViewChange::default() });
    gateway.pass(5_000);
    gateway
}

#[tokio::test]
async fn drains_are_listed_with_what_they_do() {
    let gateway = ramping();
    let want = json!({"drains": [
        {
            "target": "frankfurt", "cluster": "frankfurt", "services": null, "percent": 10, "goalPercent": 30,
            "endsInMs": 20 * 20_000 - 5_000, "force": false, "who": "ann@desk", "why": "maintenance", "whenMs": 1, "ageMs": 5_000,
            "takenIn": "shanghai", "counter": 3, "effect": {"inForce": 1, "forced": 0, "void": 1, "tooMany": 0},
        },
        {
            "target": "shanghai/*/*/there", "cluster": "shanghai",
            "services": {"namespaceId": "*", "groupName": "*", "serviceName": "there"}, "percent": 0, "goalPercent": 0,
            "endsInMs": null, "force": false, "who": "ann@desk", "why": "maintenance", "whenMs": 1, "ageMs": 5_000,
            "takenIn": "shanghai", "counter": 3, "effect": {"inForce": 0, "forced": 0, "void": 0, "tooMany": 0},
        },
    ]});
    assert_eq!(gateway.get("/v1/drains").await.json(), want);
}

#[tokio::test]
async fn what_if_tells_services_left_without_anything_first() {
    let gateway = gateway();
    let found = |document: &Value| -> Vec<(String, String)> {
        let of = |it: &Value| (it["serviceName"].as_str().unwrap().into(), it["impact"].as_str().unwrap().into());
        document["services"].as_array().unwrap().iter().map(of).collect()
    };
    for (query, want) in [
        ("lost=frankfurt", vec![("alone", "leftWithout"), ("both", "moved")]),
        (
            "lost=shanghai&lost=frankfurt",
            vec![("alone", "leftWithout"), ("both", "leftWithout"), ("there", "leftWithout")],
        ),
        ("drain=frankfurt:50", vec![("alone", "refused"), ("both", "moved")]),
        ("drain=frankfurt/*/*/bo%2A:50", vec![("both", "moved")]),
        ("unhealthy=frankfurt-region/z1", vec![("alone", "nothingHealthy"), ("both", "moved")]),
        ("unhealthy=nowhere", vec![]),
        ("lost=frankfurt&drain=frankfurt:50&limit=1", vec![("alone", "leftWithout")]),
    ] {
        let answer = gateway.get(&format!("/v1/what-if?{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.body);
        let want: Vec<_> = want.iter().map(|(name, impact)| ((*name).to_owned(), (*impact).to_owned())).collect();
        assert_eq!(found(&answer.json()), want, "{query}");
    }
}

#[tokio::test]
async fn a_wrong_supposition_is_refused_with_the_parameter() {
    let gateway = gateway();
    for (query, field, text) in [
        ("", "lost", "nothing is supposed"),
        ("lost=mars", "lost", "but frankfurt, shanghai"),
        ("drain=frankfurt", "drain", "TARGET:PERCENT"),
        ("drain=frankfurt:101", "drain", "0 to 100"),
        ("drain=mars:1", "drain", "but frankfurt, shanghai"),
        ("drain=frankfurt/a:1", "drain", "parts"),
        ("lost=frankfurt&limit=0", "limit", "1 to 10000"),
        ("lost=frankfurt&limit=1&limit=2", "limit", "twice"),
        ("lose=frankfurt", "lose", "lost, drain, unhealthy, limit"),
    ] {
        let answer = gateway.get(&format!("/v1/what-if?{query}")).await;
        assert_eq!((answer.status, answer.json()["field"].as_str()), (StatusCode::BAD_REQUEST, Some(field)), "{query}");
        assert!(answer.body.contains(text), "{query}: {}", answer.body);
    }
}
