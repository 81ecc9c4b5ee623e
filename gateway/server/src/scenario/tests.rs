//! What scenario files are refused for, and where.

use super::*;

/// Line and problem of every mistake.
fn mistakes(text: &str) -> Vec<(usize, String)> {
    match from_text("s.yaml", text) {
        Ok(_) => Vec::new(),
        Err(mistakes) => {
            mistakes.sorted().iter().map(|it| (it.line, format!("{}: {}", it.field, it.problem))).collect()
        }
    }
}

fn endpoint(fields: &str) -> String {
    format!("endpoints:\n  - {{id: e, origin: c1, {fields}}}\n")
}

/// Name, text, and the line and problem of a mistake in it.
type Row = (&'static str, &'static str, usize, &'static str);

fn each_is_refused(rows: &[Row]) {
    for (name, text, line, want) in rows {
        let found = mistakes(text);
        let told = found.iter().any(|(at, problem)| at == line && problem.contains(want));
        assert!(told, "{name}: {found:?}");
    }
}

#[test]
fn a_wrong_form_is_refused_with_line_and_reason() {
    each_is_refused(&[
        ("unknown field", "caller:\n  regoin: r1\n", 2, "caller.regoin: unknown field"),
        ("unknown section", "origin: {}\n", 1, "origin: unknown field"),
        ("duplicate key", "caller: {region: r1,\n  region: r2}\n", 2, "region: written twice"),
        ("number for a text", "caller: {region: 1}\n", 1, "caller.region: wrong type: the number `1`"),
        ("truth value for a text", "caller: {zone: true}\n", 1, "caller.zone: wrong type: the truth value `true`"),
        (
            "text for a number",
            "policy: {overprovisioning: \"140\"}\n",
            1,
            "policy.overprovisioning: wrong type: the text `140`",
        ),
        (
            "decimal for a whole",
            "drains: [{cluster: c, percent: 30.0}]\n",
            1,
            "drains[0].percent: wrong type: the number `30.0`",
        ),
        ("text for a flag", "policy: {weighted_health: on}\n", 1, "policy.weighted_health: wrong type: the text `on`"),
        ("number for on or off", "policy: {locality: 1}\n", 1, "policy.locality: wrong type: the number `1`"),
        ("no list", "endpoints: {}\n", 1, "endpoints: wrong type: a mapping"),
        ("no mapping", "- 1\n", 1, ": wrong type: a list"),
        ("not YAML", "caller: {\n", 1, ": not YAML"),
        ("tag", "caller: !a {}\n", 1, ": YAML tags are not supported"),
        ("two documents", "caller: {}\n---\ncaller: {}\n", 2, ": a second document"),
    ]);
}

#[test]
fn a_wrong_value_is_refused_with_line_and_reason() {
    each_is_refused(&[
        ("slash in a part", "caller: {zone: a/b}\n", 1, "caller.zone: `a/b` does not fit"),
        ("too low", "policy: {overprovisioning: 99}\n", 1, "policy.overprovisioning: `99` is out of range"),
        ("too high", "policy: {panic_threshold: 101}\n", 1, "policy.panic_threshold: `101` is out of range"),
        ("negative", "drains: [{cluster: c, percent: -1}]\n", 1, "drains[0].percent: `-1` is out of range"),
        ("no on or off", "policy: {locality: maybe}\n", 1, "policy.locality: `maybe` is not known"),
        ("stale", "policy: {stale: drop}\n", 1, "policy.stale: `drop` is not known"),
        (
            "pattern",
            "policy:\n  distribute: [{from: a/b/c/d, to: {b: 100}}]\n",
            2,
            "policy.distribute[0].from: `a/b/c/d` is no locality",
        ),
        ("label", "policy: {failover_priority: [=x]}\n", 1, "policy.failover_priority[0]: `=x` names no label"),
        ("freshness", "origins: {c2: {freshness: old}}\n", 1, "origins.c2.freshness: `old` is not known"),
        ("drain of nothing", "drains: [{percent: 1}]\n", 1, "drains[0].cluster: a required field is missing"),
        ("no id", "endpoints:\n  - {origin: c1}\n", 2, "endpoints[0].id: a required field is missing"),
        ("null id", "endpoints:\n  - {id: null, origin: c1}\n", 2, "endpoints[0].id: a required field is missing"),
        ("no endpoint", "endpoints: [null]\n", 1, "endpoints[0].id: a required field is missing"),
    ]);
}

#[test]
fn what_contradicts_itself_is_refused_with_line_and_reason() {
    each_is_refused(&[
        (
            "both spreads",
            "policy:\n  failover: [{from: a, to: b}]\n  distribute: [{from: a, to: {b: 100}}]\n",
            3,
            "policy.distribute: not together with failover",
        ),
        (
            "sum",
            "policy:\n  distribute: [{from: a, to: {b: 99}}]\n",
            2,
            "policy.distribute[0].to: the percentages sum to 99, not to 100",
        ),
        (
            "overlap",
            "policy:\n  distribute: [{from: a, to: {b: 50, b/z: 50}}]\n",
            2,
            "policy.distribute[0].to: b and b/z overlap",
        ),
        (
            "drained twice",
            "drains: [{cluster: a, percent: 1}, {cluster: a, percent: 2}]\n",
            1,
            "drains[1].cluster: `a` is drained twice",
        ),
        (
            "id twice",
            "endpoints:\n  - {id: a, origin: c}\n  - {id: a, origin: d}\n",
            3,
            "endpoints[1].id: `a` is there twice",
        ),
        (
            "id twice by count",
            "endpoints:\n  - {id: a-2, origin: c}\n  - {id: a, origin: c, count: 2}\n",
            3,
            "endpoints[1].id: `a-2` is there twice",
        ),
        (
            "some priorities",
            "endpoints:\n  - {id: a, origin: c, priority: 1}\n  - {id: b, origin: c}\n",
            3,
            "endpoints[1].priority: the endpoints before have one",
        ),
    ]);
}

#[test]
fn an_endpoint_with_a_wrong_value_is_refused() {
    for (fields, want) in [
        ("weight: .nan", "`NaN` is not finite"),
        ("weight: .inf", "`inf` is not finite"),
        ("weight: -.inf", "`-inf` is not finite"),
        ("weight: 1e999", "`inf` is not finite"),
        ("weight: \"1\"", "wrong type: the text `1`"),
        ("weight: true", "wrong type: the truth value `true`"),
        ("health: well", "`well` is not known"),
        ("excluded: 1", "wrong type: the number `1`"),
        ("enabled: no", "wrong type: the text `no`"),
        ("priority: -1", "`-1` is out of range"),
        ("priority: 1001", "`1001` is out of range"),
        ("count: 250001", "`250001` is out of range"),
        ("count: 1.5", "wrong type: the number `1.5`"),
        ("labels: {a: 1}", "wrong type: the number `1`"),
        ("labels: [a]", "wrong type: a list"),
        ("region: \"\"", "`` does not fit"),
        ("colour: red", "unknown field"),
    ] {
        let found = mistakes(&endpoint(fields));
        assert!(found.len() == 1 && found[0].0 == 2 && found[0].1.contains(want), "{fields}: {found:?}");
    }
}

#[test]
fn null_is_the_same_as_not_given() {
    let text = "caller: null\npolicy: {failover: ~, stale: null, locality_weights: {r1: null}}\norigins: {c1: null}\n\
                drains: null\nendpoints:\n  - {id: e, origin: c1, region: ~, labels: {a: null}, weight: null, health: null, count: null, priority: ~}\n";
    let scenario = from_text("s", text).unwrap();
    assert_eq!(scenario.policy, Policy::default());
    assert_eq!(scenario.weights, [1.0]);
    assert_eq!(scenario.endpoints[0].id.as_ref(), "e");
    assert!(scenario.endpoints[0].labels.is_empty());
    for nothing in ["", "endpoints:", "endpoints: []"] {
        assert_eq!(from_text("s", nothing).unwrap().plan().endpoints, []);
    }
}

#[test]
fn three_endpoints_of_a_tiny_weight_share_all_traffic() {
    let text = "endpoints:\n  - {id: e, origin: c1, weight: 0.0004, count: 3}\n";
    let plan = from_text("scenario", text).unwrap().plan();
    let mut shares: Vec<u32> = plan.endpoints.iter().map(|endpoint| endpoint.share).collect();
    shares.sort_unstable();
    assert_eq!((shares, plan.left_out), (vec![333_333, 333_333, 333_334], Vec::new()));
}

#[test]
fn blanks_around_a_place_or_a_label_are_refused_with_line_and_reason() {
    for (text, want) in [
        ("caller: {region: \" r1\"}\n", "caller.region: ` r1` has blanks around it"),
        ("caller: {network: \"n1 \"}\n", "caller.network: `n1 ` has blanks around it"),
        ("caller: {labels: {k: \" v\"}}\n", "caller.labels.k: ` v` has blanks around it"),
        ("policy: {failover: [{from: r1, to: \"r2 \"}]}\n", "policy.failover[0].to: `r2 ` has blanks around it"),
        ("policy: {failover_priority: [\"key= value\"]}\n", "policy.failover_priority[0]: `key= value` names no label"),
        ("policy: {locality_weights: {\"r1/ z1\": 2}}\n", "policy.locality_weights.r1/ z1: `r1/ z1` is no locality"),
    ] {
        let text = format!("{text}{}", endpoint(""));
        let found: Vec<String> = mistakes(&text).into_iter().map(|(_, found)| found).collect();
        assert!(found.iter().any(|found| found.starts_with(want)), "{want}: {found:?}");
    }
}

#[test]
fn networks_are_labels_unless_the_policy_says_which_reach_which() {
    let left_out = |caller: &str, policy: &str| -> Vec<String> {
        let text = format!(
            "caller: {{{caller}}}\npolicy: {{{policy}}}\nendpoints:\n  - {{id: a, origin: c, network: n1}}\n  \
             - {{id: b, origin: c, network: n2}}\n  - {{id: d, origin: c, network: n3, enabled: false}}\n  - {{id: e, origin: c}}\n"
        );
        let plan = from_text("s", &text).unwrap().plan();
        plan.left_out.iter().map(|it| format!("{}: {}", it.id, it.reason)).collect()
    };
    let disabled = "d: disabled";
    let barred = "b: network n2 is not reachable from n1, and no address is advertised for it";
    assert_eq!(left_out("network: n1", ""), [disabled]);
    assert_eq!(left_out("network: n1", "reachable: []"), [barred, disabled]);
    assert_eq!(left_out("network: n1", "reachable: [{from: n2, to: [n1]}]"), [barred, disabled]);
    assert_eq!(left_out("network: n1", "reachable: [{from: n1, to: [n3, n2]}]"), [disabled]);
    assert_eq!(left_out("", "reachable: []"), [disabled], "a caller of no network is not looked at");
}

#[test]
fn a_scenario_has_one_policy_and_no_rules() {
    assert_eq!(mistakes("policy: {services: []}\n"), [(1, "policy.services: unknown field".to_owned())]);
}

#[test]
fn a_count_numbers_the_ids_from_one() {
    let ids = |count: &str| -> Vec<String> {
        from_text("s", &endpoint(count)).unwrap().endpoints.iter().map(|it| it.id.to_string()).collect()
    };
    assert_eq!(ids("count: 3"), ["e-1", "e-2", "e-3"]);
    assert_eq!(ids("count: 1"), ["e-1"]);
    assert!(ids("count: 0").is_empty());
}

#[test]
fn a_fifth_drain_in_force_is_refused_and_a_void_one_is_not() {
    let drains = |sixth: &str| {
        let drains = "drains: [{cluster: a, percent: 1}, {cluster: b, percent: 1}, {cluster: c, percent: 1}, {cluster: d, percent: 1}, \
                      {cluster: e, percent: 1}]\nendpoints: [{id: f, origin: f, health: SIXTH}, {id: e, origin: e}]\n";
        mistakes(&drains.replace("SIXTH", sixth))
    };
    assert_eq!(drains("unhealthy"), []);
    assert_eq!(drains("healthy"), [(1, "drains: too many drains in force".to_owned())]);
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("b{level}: &a{level} [{aliases}]\n"));
    }
    assert!(mistakes(&text).iter().any(|(_, problem)| problem.contains("too many values")));
    let nested = format!("{}x{}", "&a [".repeat(5000), "]".repeat(5000));
    assert_eq!(mistakes(&nested).len(), 1);
    assert_eq!(mistakes(&"[".repeat(1 << 20)).len(), 1);
}

#[test]
fn more_endpoints_than_allowed_are_refused_before_they_are_made() {
    let line = "  - {id: E, origin: c, count: 200000}\n";
    let text = format!("endpoints:\n{}{}", line.replace('E', "a"), line.replace('E', "b"));
    assert_eq!(mistakes(&text), [(3, "endpoints[1].count: too many endpoints".to_owned())]);
}

#[test]
fn reading_stops_after_a_hundred_mistakes() {
    let text = format!("endpoints:\n{}", "  - {id: 1, origin: c}\n".repeat(10_000));
    assert_eq!(mistakes(&text).len(), 100);
}

#[test]
fn a_megabyte_of_endpoints_is_read() {
    let line = |index| format!("  - {{id: e{index}, origin: c1, region: r1, zone: z1, weight: 2.5}}\n");
    let text = format!("endpoints:\n{}", (0..20_000).map(line).collect::<String>());
    assert!(text.len() > 1 << 20);
    let scenario = from_text("s", &text).unwrap();
    assert_eq!(scenario.plan().endpoints.iter().map(|it| u64::from(it.share)).sum::<u64>(), 1_000_000);
}

#[test]
fn a_mistake_does_not_repeat_a_megabyte() {
    let long = "x".repeat(1 << 20);
    for text in [long.clone(), format!("policy: {{stale: {long}}}"), format!("caller: {{region: {long}/}}")] {
        let report = from_text("s", &text).unwrap_err().to_string();
        assert!(report.len() < 1000, "{} bytes", report.len());
    }
}
