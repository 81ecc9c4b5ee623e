//! The commands about policies.

use super::*;

/// Outcome and standard output of a command that asks no gateway.
fn offline(arguments: &[&str]) -> (Result<Exit, Failure>, String) {
    let cli = Cli::try_parse_from([&["nacos-fed"], arguments].concat()).unwrap();
    let mut out = Vec::new();
    let outcome = crate::cli::run(&cli, &mut out);
    (outcome, String::from_utf8(out).unwrap())
}

#[test]
fn a_policy_is_checked_without_a_gateway() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    std::fs::write(path, "stale: keep\nservices:\n  - {service: order-*, panic_threshold: 30}\n").unwrap();
    let (outcome, out) = offline(&["policy", "check", path]);
    assert_eq!(outcome.unwrap(), Exit::Ok);
    assert!(out.starts_with(&format!("# {path}: ok; this is what it means:\noverprovisioning: 140\n")), "{out}");
    let (_, json) = offline(&["policy", "check", path, "--format", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["ok"], &json["policy"]["services"][0]["panic_threshold"]), (&json!(true), &json!(30)));

    std::fs::write(path, "stale: drop\nservices:\n  - {servce: order}\n").unwrap();
    let (outcome, _) = offline(&["policy", "check", path]);
    let failure = outcome.unwrap_err();
    assert_eq!(failure.exit(), Exit::WrongInput);
    let told = failure.to_string();
    assert!(told.contains(&format!("{path}:1:8")) && told.contains(&format!("{path}:3:6")), "{told}");
    let (outcome, json) = offline(&["policy", "check", path, "--format", "json"]);
    assert_eq!(outcome.unwrap(), Exit::WrongInput);
    let json: Value = serde_json::from_str(&json).unwrap();
    let lines: Vec<_> = json["mistakes"].as_array().unwrap().iter().map(|it| it["line"].clone()).collect();
    assert_eq!((&json["ok"], lines), (&json!(false), vec![json!(1), json!(3)]));

    assert_eq!(offline(&["policy", "check", "/nowhere.yaml"]).0.unwrap_err().exit(), Exit::WrongInput);
}

#[tokio::test]
async fn the_policy_in_force_is_shown_with_its_source_and_what_is_refused() {
    let mistake = json!({"line": 3, "column": 8, "field": "stale", "problem": "`drop` is not known", "expected": "one of demote, keep"});
    let sources = |refused: Value| {
        json!([{"kind": "config_item", "name": "public/g/d", "state": "present", "refused": refused},
               {"kind": "file", "name": "/p.yaml", "state": "not_heard", "refused": null}])
    };
    let answer = |refused| {
        json!({"version": 2, "source": {"kind": "config_item", "name": "public/g/d"}, "md5": "abc", "sinceMs": 1, "sources": sources(refused),
               "namespaceId": "public", "groupName": "G", "serviceName": "s", "rule": {"namespace": "*", "group": "*", "service": "s*"},
               "policy": {"overprovisioning": 140, "panic_threshold": 50, "weighted_health": false, "locality": "on", "failover": [],
                "failover_priority": [], "distribute": [], "locality_weights": {}, "stale": "keep", "prefer_degraded_local": false, "fieldOfTheFuture": 1}})
    };
    let refused = json!({"atMs": 1, "mistakes": [mistake]});
    let show = ["policy", "show", "G@@s"];
    let (exit, out, _) = Canned::start(json_at("/v1/policy", answer(refused))).await.run(&show).await;
    assert_eq!(exit, Exit::Negative);
    for line in [
        "# version 2, from config item public/g/d for ",
        "# md5 abc",
        "# file /p.yaml: not heard yet",
        "#   line 3: stale: `drop` is not known (expected: one of demote, keep)",
        "# of public/G@@s by: namespace \"*\", group \"*\", service \"s*\"",
        "stale: keep",
        "fieldOfTheFuture: 1", // Whoever publishes it again must not lose it.
    ] {
        assert!(out.lines().any(|found| found.starts_with(line)), "{line} is missing in\n{out}");
    }
    let (exit, _, _) = Canned::start(json_at("/v1/policy", answer(Value::Null))).await.run(&show).await;
    assert_eq!(exit, Exit::Ok);
    let (exit, _, err) = run(&["nacos-fed", "policy", "show", "-g", "G"]).await;
    assert_eq!(exit, Exit::WrongInput, "{err}");
}
