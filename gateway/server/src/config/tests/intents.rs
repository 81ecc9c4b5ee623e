//! Section `intents`.

use super::*;

const KEY: &str = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

fn with(intents: &str) -> Result<LoadedConfig, Mistakes> {
    read(&format!(
        "federation: f\ncluster: c\nnacos: {{servers: [\"n:1\"]}}\nkafka: {{brokers: [\"k:1\"]}}\nintents: {intents}\n"
    ))
}

#[test]
fn without_the_section_everything_is_accepted_and_nothing_is_signed() {
    let intents = with("{}").unwrap().config.intents;
    assert_eq!(intents.rules(), federation_core::orders::rules::IntentRules::default());
    assert_eq!(intents.key_file, None);
    assert_eq!(with("{accept: []}").unwrap().config.intents.accept, Some(Vec::new()));
}

#[test]
fn rules_and_keys_are_read_with_their_defaults() {
    let text = format!(
        "{{accept: [{{from: [hq], orders: [drain], clusters: [a, b-*], services: [{{service: order-*}}]}}, {{itself: true}}], \
         signing: {{key_file: /k}}, keys: [{{cluster: hq, public_keys: ['{KEY}']}}], require_signatures: true}}"
    );
    let intents = with(&text).unwrap().config.intents;
    let rules = intents.accept.clone().unwrap();
    assert_eq!((rules[0].from[0].as_str(), rules[0].orders.len(), rules[0].itself), ("hq", 1, false));
    assert_eq!((rules[1].from[0].as_str(), rules[1].orders.len(), rules[1].itself), ("*", 2, true));
    assert_eq!(rules[1].services, [federation_core::pattern::ServicePattern::any()]);
    assert_eq!(intents.keys[&"hq".parse().unwrap()][0].to_string(), KEY);
    assert!(intents.rules().all_signed && intents.rules().pinned.len() == 1);
}

#[test]
fn mistakes_name_the_field_and_what_would_be_right() {
    for (text, want) in [
        ("{accept: [{from: hq}]}", "intents.accept[0].from"),
        ("{accept: [{orders: [undo]}]}", "intents.accept[0].orders[0]"),
        ("{accept: [{orders: []}]}", "intents.accept[0].orders"),
        ("{accept: [{to: [a]}]}", "intents.accept[0].to"),
        ("{keys: [{cluster: hq, public_keys: [abc]}]}", "intents.keys[0].public_keys[0]"),
        ("{keys: [{cluster: hq, public_keys: []}]}", "intents.keys[0].public_keys"),
        ("{signing: {}}", "intents.signing.key_file"),
        ("{require_signatures: true}", "the own cluster's key in `signing`"),
    ] {
        let told = with(text).unwrap_err().to_string();
        assert!(told.contains(want), "{text}: {told}");
    }
    let twice = format!("{{cluster: a, public_keys: ['{KEY}']}}");
    let told = with(&format!("{{keys: [{twice}, {twice}]}}")).unwrap_err().to_string();
    assert!(told.contains("a is named twice"), "{told}");
}
