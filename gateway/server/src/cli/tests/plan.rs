use super::*;

fn head() -> Value {
    json!({
        "namespaceId": "public", "groupName": "G", "serviceName": "order", "version": 7, "fingerprint": "00000000000000ff",
        "caller": {"region": "eu", "zone": "eu-1", "subZone": null, "network": "n1", "cluster": null, "labels": {"app": "web"}},
        "policy": {"rule": "*/*/order", "source": "routing.yaml", "version": 3},
        "priorities": [], "leftOut": 2, "notShown": 1,
        "drains": [{"target": "a", "cluster": "a", "percent": 30, "ruling": "in_force", "who": "ann", "why": "disks", "whenMs": 5, "takenIn": "b"}],
        "origins": [
            {"origin": "a", "freshness": "live", "effectiveFreshness": "stale", "freshnessReason": "beats", "ageMs": 1200},
            {"origin": "b", "freshness": "live", "effectiveFreshness": "live", "freshnessReason": "", "ageMs": null},
        ],
    })
}

fn endpoint(ip: &str, origin: &str, share: u64) -> Value {
    json!({
        "ip": ip, "port": 80, "clusterName": "DEFAULT", "origin": origin, "priority": 0, "locality": "eu/eu-1", "share": share,
        "weight": 0.5, "flatWeight": 0.5, "health": "healthy", "metadata": {}, "ephemeral": true, "advertised": null, "held": null,
    })
}

#[tokio::test]
async fn resolve_shows_whom_to_call_and_how_much() {
    let mut document = head();
    let mut other = endpoint("::1", "b", 0);
    other["advertised"] = json!({"instance": "10.0.0.9:81", "by": "cluster"});
    other["held"] = json!("asked");
    document["endpoints"] = json!([endpoint("10.0.0.1", "a", 1_000_000), other]);
    let canned = Canned::start(json_at("/v1/resolve", document)).await;
    let want = "\
G@@order in namespace public, version 7, for a caller at eu/eu-1 in network n1 with labels app=web
policy: routing.yaml, version 3, rule */*/order
ENDPOINT                    ORIGIN  PRIORITY  LOCALITY       SHARE  FLAT WEIGHT  HEALTH
10.0.0.1:80                 a              0  eu/eu-1   100.0000 %          0.5  healthy
[::1]:80 (for 10.0.0.9:81)  b              0  eu/eu-1            -          0.5  healthy, held (asked)
2 left out, `nacos-fed explain` says why
1 not shown
DRAIN  PERCENT  RULING    WHO  WHY    ORDERED IN
a           30  in force  ann  disks  b
ORIGIN  FRESHNESS           AGE  REASON
a       stale (raw: live)  1.2s  beats
b       live                  -  -
";
    assert_eq!(canned.run(&["resolve", "order"]).await, (Exit::Ok, want.to_owned(), String::new()));
}

#[tokio::test]
async fn explain_tells_the_steps_then_the_endpoints_then_what_is_left_out() {
    let mut document = head();
    let mut first = endpoint("10.0.0.1", "a", 1_000_000);
    for (name, value) in [
        ("endpoint", "a/10.0.0.1:80@DEFAULT"),
        ("rank", "stale 1"),
        ("rawHealth", "unhealthy"),
        ("freshness", "live"),
        ("effectiveFreshness", "stale"),
    ] {
        first[name] = json!(value);
    }
    first["distributedWeight"] = json!(40);
    document["endpoints"] = json!([first]);
    document["leftOut"] = json!([{
        "endpoint": "b/10.0.0.2:80@DEFAULT", "origin": "b", "reason": "disabled", "locality": "us", "weight": 1.0,
        "rawHealth": "healthy", "health": "healthy", "freshness": "live", "effectiveFreshness": "live",
    }]);
    document["notes"] = json!(["the caller is at eu/eu-1: as it was given", "no cluster or instance is in region eu"]);
    document["trace"] = json!(["filter: one\u{1b}[2J", "rank: two"]);
    document["usable"] = json!(true);
    document["rounding"] = json!({"sum": 1_000_000, "up": 0});
    let canned = Canned::start(json_at("/v1/explain", document.clone())).await;
    let want = "\
G@@order in namespace public, version 7, for a caller at eu/eu-1 in network n1 with labels app=web
policy: routing.yaml, version 3, rule */*/order
the caller is at eu/eu-1: as it was given
no cluster or instance is in region eu

filter: one\\u{1b}[2J
rank: two

ENDPOINT     ORIGIN  PRIORITY     RANK  LOCALITY     WEIGHT       SHARE  HEALTH                    FRESHNESS
10.0.0.1:80  a              0  stale 1  eu/eu-1   0.5 -> 40  100.0000 %  healthy (raw: unhealthy)  stale (raw: live)
1 not shown

LEFT OUT               REASON    LOCALITY  WEIGHT  HEALTH   FRESHNESS
b/10.0.0.2:80@DEFAULT  disabled  us           1.0  healthy  live

DRAIN  PERCENT  RULING    WHO  WHY    ORDERED IN
a           30  in force  ann  disks  b

ORIGIN  FRESHNESS           AGE  REASON
a       stale (raw: live)  1.2s  beats
b       live                  -  -
";
    assert_eq!(canned.run(&["explain", "order"]).await, (Exit::Ok, want.to_owned(), String::new()));
    document["usable"] = json!(false);
    let canned = Canned::start(json_at("/v1/explain", document)).await;
    let (exit, out, _) = canned.run(&["explain", "order"]).await;
    assert!(exit == Exit::Negative && out.contains("\nNONE of the instances can be used\n"), "{out}");
}

#[tokio::test]
async fn who_asks_becomes_query_parameters() {
    let mut plan = head();
    plan["endpoints"] = json!([]);
    let mut explanation = plan.clone();
    for (name, value) in [
        ("usable", json!(true)),
        ("notes", json!([])),
        ("trace", json!([])),
        ("leftOut", json!([])),
        ("rounding", json!({"sum": 0, "up": 0})),
    ] {
        explanation[name] = value;
    }
    let canned = Canned::start(echo("/v1/resolve", plan).merge(echo("/v1/explain", explanation))).await;
    for command in ["resolve", "explain"] {
        for (arguments, want) in [
            (vec!["order"], "serviceName=order"),
            (vec!["G@@order", "-n", "", "--region", ""], "namespaceId=&groupName=G&serviceName=order&region="),
            (
                vec!["order", "--region", "r", "--zone", "z", "--sub-zone", "s", "--network", "n", "--cluster", "c"],
                "serviceName=order&region=r&zone=z&subZone=s&network=n&cluster=c",
            ),
            (
                vec!["order", "--label", "a=b=c", "--label", "d=", "--limit", "3", "--only-top"],
                "serviceName=order&label.a=b%3Dc&label.d=&limit=3&onlyTop=true",
            ),
        ] {
            let (_, out, _) = canned.run(&[&[command], &arguments[..], &["--format", "json"]].concat()).await;
            assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["query"], want);
        }
        for wrong in [&["--zone", "z"][..], &["--label", "x"], &["--label", "=x"], &["--limit", "0"]] {
            let arguments = [&["nacos-fed", command, "order"], wrong].concat();
            assert_eq!(Cli::try_parse_from(arguments).unwrap_err().exit_code(), 2, "{wrong:?}");
        }
    }
}

#[tokio::test]
async fn that_nothing_can_be_used_is_a_negative_finding_and_not_a_gateway_that_is_away() {
    let document = json!({
        "type": "urn:federation:problem:nothing-usable", "title": "No instance can be used", "status": 503, "detail": "2 disabled",
        "leftOut": [{"endpoint": "a/10.0.0.1:80@DEFAULT", "origin": "a", "reason": "disabled"}, {"endpoint": "b/10.0.0.2:80@DEFAULT", "origin": "b", "reason": "disabled"}],
    });
    let route = get(move || std::future::ready(problem(StatusCode::SERVICE_UNAVAILABLE, &document)));
    let canned = Canned::start(Router::new().route("/v1/resolve", route)).await;
    let want = "error: No instance can be used: 2 disabled\n  left out: a/10.0.0.1:80@DEFAULT (disabled), b/10.0.0.2:80@DEFAULT (disabled)\n";
    assert_eq!(canned.run(&["resolve", "order"]).await, (Exit::Negative, String::new(), want.to_owned()));
}
