//! What policy documents mean, and what they are refused for, and where.

use federation_core::id::ServiceKey;
use federation_core::routing::{PanicThreshold, Percent, Reachability, StaleRule};

use super::*;
use federation_answers::policy::ShownDocument;

/// Line, field and problem of every mistake.
fn mistakes(text: &str) -> Vec<(usize, String)> {
    let Err(mistakes) = from_text("p.yaml", text) else { return Vec::new() };
    mistakes.sorted().iter().map(|it| (it.line, format!("{}: {}", it.field, it.problem))).collect()
}

const EVERYTHING: &str = r#"
overprovisioning: 120
panic_threshold: 0
weighted_health: true
locality: off
failover: [{from: r1, to: r2}, {from: r2, to: r1}]
failover_priority: [network, tier=gold, "on"]
locality_weights: {r1/z1: 1, r1/z2: 0, "*": 3}
stale: keep
prefer_degraded_local: true
reachable: [{from: n1, to: [n2, n3]}, {from: n2, to: []}]
services:
  - {service: "order-*", distribute: [{from: "r1/*", to: {r1/z1: 80, r2: 20, "r9/": 0}}]}
  - {namespace: "", group: G, service: s, panic_threshold: 70}
  - {namespace: prod, reachable: []}
"#;

#[test]
fn a_rule_is_whole_and_the_most_specific_counts() {
    let policies = from_text("p", EVERYTHING).unwrap();
    let of = |namespace, service| policies.effective(&ServiceKey::new(namespace, "G", service));
    assert_eq!(of("public", "cart").policy.stale, StaleRule::Keep);
    assert_eq!(of("public", "cart").rule, None);
    let orders = of("public", "order-eu");
    assert_eq!((orders.policy.stale, orders.policy.overprovisioning.percent()), (StaleRule::Demote, 140));
    assert_eq!(orders.rule.map(ToString::to_string).as_deref(), Some("*/*/order-*"));
    assert_eq!(of("", "s").policy.panic_threshold, PanicThreshold(Percent::new(70).unwrap()));
    let of_prod = of("prod", "order-eu");
    assert_eq!(of_prod.policy.reachable, Some(Reachability::default()), "the namespace counts before the service");
}

#[test]
fn what_is_shown_reads_back_as_the_same_policies() {
    for text in ["", "{}", EVERYTHING] {
        let policies = from_text("p", text).unwrap();
        let shown = ShownDocument::from(&policies);
        let (yaml, json) = (serde_saphyr::to_string(&shown).unwrap(), serde_json::to_string(&shown).unwrap());
        for again in [yaml, json] {
            assert_eq!(from_text("p", &again).unwrap(), policies, "{again}");
        }
    }
}

#[test]
fn nothing_written_is_the_defaults() {
    for text in ["", "# a comment", "~", "services:", "services: []", "failover: ~"] {
        assert_eq!(from_text("p", text).unwrap(), Policies::default(), "{text}");
    }
}

#[test]
fn every_mistake_is_told_at_once_with_its_line() {
    let text = "stale: drop\noverprovisionig: 140\nservices:\n  - {service: a, panic_threshold: 101}\n  - service: \"\"\n  \
                - {servce: b}\n  - {service: c, services: []}\n  - {service: 7}\n  - 7\n";
    let want = [
        (1, "stale: `drop` is not known"),
        (2, "overprovisionig: unknown field"),
        (4, "services[0].panic_threshold: `101` is out of range"),
        (5, "services[1].service: an empty pattern would match nothing"),
        (6, "services[2].servce: unknown field"),
        (7, "services[3].services: unknown field"),
        (8, "services[4].service: wrong type: the number `7`"),
        (9, "services[5]: wrong type: the number `7`"),
    ];
    assert_eq!(mistakes(text), want.map(|(line, text)| (line, text.to_owned())));
}

#[test]
fn ties_are_refused_at_the_later_rule_and_name_the_line_of_the_earlier() {
    let text =
        "services:\n  - {service: order-*}\n  - {service: pay}\n  - {service: \"*-order\"}\n  - {service: pay}\n";
    let found = from_text("p", text).unwrap_err();
    let found: Vec<_> =
        found.sorted().into_iter().map(|it| (it.line, it.problem.clone(), it.expected.clone())).collect();
    let tie = |line, first: &str, second: &str, other| {
        let problem = format!("`*/*/{first}` and `*/*/{second}` are equally specific, and a service may match both");
        (line, problem, format!("rules of which one is more specific; the other is on line {other}"))
    };
    assert_eq!(found, [tie(4, "order-*", "*-order", 2), tie(5, "pay", "pay", 3)]);
}

#[test]
fn a_wrong_network_is_refused() {
    for (text, want) in [
        ("reachable: {n1: n2}", "reachable: wrong type: a mapping"),
        ("reachable: [{from: n1}]", "reachable[0].to: a required field is missing"),
        ("reachable: [{to: []}]", "reachable[0].from: a required field is missing"),
        ("reachable: [{from: n1, to: n2}]", "reachable[0].to: wrong type: the text `n2`"),
        ("reachable: [{from: \"\", to: []}]", "reachable[0].from: an empty text"),
        ("reachable: [{from: n1, to: [2]}]", "reachable[0].to[0]: wrong type: the number `2`"),
    ] {
        assert_eq!(mistakes(text), [(1, want.to_owned())], "{text}");
    }
}

#[test]
fn what_is_too_large_is_refused_in_few_words() {
    let large = "x".repeat(1 << 20);
    let mut bomb = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        bomb.push_str(&format!("b{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(", ")));
    }
    let rules = |count| format!("services:\n{}", "  - {service: a}\n".repeat(count));
    for (name, text) in [
        ("a megabyte and a byte", format!("{large}y")),
        ("a megabyte of text", large.clone()),
        ("a megabyte of brackets", "[".repeat(1 << 20)),
        ("a bomb of aliases", bomb),
        ("too many rules", rules(MAX_RULES + 1)),
        ("a pattern that is too long", format!("services: [{{service: {}}}]", "a".repeat(2000))),
        ("rules that all tie", rules(MAX_RULES)),
        ("patterns made to be compared for long", {
            let line = |index: usize| format!("  - {{service: \"{}*{index:03}\"}}\n", "*a".repeat(480));
            format!("services:\n{}", (0..MAX_RULES).map(line).collect::<String>())
        }),
        ("mistakes without end", format!("services:\n{}", "  - {service: 1}\n".repeat(MAX_RULES))),
    ] {
        let found = from_text("p", &text).expect_err(name);
        assert!((1..=MOST_MISTAKES).contains(&found.count()), "{name}: {} mistakes", found.count());
        assert!(found.to_string().len() < 500 * found.count(), "{name}");
    }
}

#[test]
fn the_examples_of_the_documentation_are_valid() {
    let text = include_str!("../../../../docs/operations.md");
    let examples = text.split("```yaml\n").skip(1).map(|block| block.split_once("```").unwrap().0);
    let of_policies: Vec<&str> = examples.filter(|example| example.contains("failover:")).collect();
    for example in &of_policies {
        if let Err(mistakes) = from_text("docs/operations.md", example) {
            panic!("{mistakes}");
        }
    }
    assert_eq!(of_policies.len(), 1);
}
