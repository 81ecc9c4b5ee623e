//! What is wrong and lasts: told by what it concerns, until that very thing is healed.

use std::time::Instant;

use federation_core::id::{ConfigKey, InstanceId};
use federation_core::input::{LocalInput, ServiceReading};
use federation_core::pattern::{ConfigPattern, NameSelection, ServicePattern};
use federation_harness::{Fault, Link};
use federation_ports::metrics::TroubleKind;
use nacos_protocol::client::{ConfigName, ConfigWrite};

use crate::observer::{Gateway, PATIENCE, instance, key, name};
use crate::rehearsal::Rehearsal;

fn of_namespace(namespace: &str) -> ServicePattern {
    ServicePattern { namespace: namespace.parse().expect("a pattern"), ..ServicePattern::any() }
}

#[tokio::test]
async fn a_namespace_that_a_rule_names_is_looked_into_although_nobody_created_it() {
    let registry = Rehearsal::start().await;
    let export = NameSelection {
        services: vec![of_namespace("ghost"), of_namespace("*")],
        configs: vec![ConfigPattern { namespace: "ghost".parse().unwrap(), ..ConfigPattern::any() }],
        ..NameSelection::default()
    };
    let early = name("ghost", "early");
    registry.sdk.register(&early, vec![instance("10.0.0.1")]).await.unwrap();
    let mut gateway = registry.gateway_exporting(export);
    gateway.until("all has answered", |seen| seen.answered() == 1).await;
    assert_eq!(gateway.addresses(&early), ["10.0.0.1"], "listed before the word");
    let late = name("ghost", "late");
    registry.sdk.register(&late, vec![instance("10.0.0.2")]).await.unwrap();
    gateway.until("it is found", |seen| seen.addresses(&late) == ["10.0.0.2"]).await;
    let item = ConfigName::new("ghost", "G", "d");
    let write = ConfigWrite { content: "1".to_owned(), ..ConfigWrite::default() };
    registry.sdk.publish_config(&item, write).await.unwrap();
    let read =
        |seen: &Gateway| seen.local.config(&ConfigKey::new("ghost", "G", "d")).is_some_and(|it| it.wanted().is_some());
    gateway.until("the item is read", read).await;
    let rules = gateway.fact("nacos_export_rules");
    for line in ["export.services[0] ghost/*/*: 2 services", "export.configs[0] ghost/*/*: 1 config item"] {
        assert!(rules.contains(line), "{rules}");
    }
    assert!(gateway.fact("nacos_namespaces_unlisted").contains("ghost"));
}

#[tokio::test]
async fn a_rule_that_matches_nothing_is_a_trouble_until_something_matches() {
    let registry = Rehearsal::start().await;
    let export = NameSelection { services: vec![of_namespace("*"), of_namespace("ghost")], ..NameSelection::default() };
    let mut gateway = registry.gateway_exporting(export);
    let title = "export.services[1] ghost/*/*";
    let told = |seen: &Gateway| seen.troubles(TroubleKind::RuleMatchesNothing);
    gateway.until("it is told", |seen| told(seen) == [title]).await;
    let text = gateway.troubles.all()[0].text.clone();
    assert!(text.contains("nacos's list has no namespace \"ghost\""), "{text}");
    registry.sdk.register(&name("ghost", "s"), vec![instance("10.0.0.1")]).await.unwrap();
    gateway.until("something matches", |seen| told(seen).is_empty()).await;
}

#[tokio::test]
async fn a_read_that_fails_for_one_service_is_told_until_that_one_is_read() {
    let registry = Rehearsal::start_behind_a_proxy().await;
    let (broken, fine) = (name("public", "orders"), name("public", "payments"));
    for service in [&broken, &fine] {
        registry.sdk.register(service, vec![instance("10.0.0.1"), instance("10.0.0.2")]).await.unwrap();
    }
    let mut gateway = registry.gateway();
    gateway.until("all has answered", |seen| seen.answered() == 1).await;
    registry.spoil_all_of(&["ns/service?", "orders"], Fault::Status500);
    // From now on each list is a question that only a read answers.
    registry.sdk.register(&broken, vec![instance("10.0.0.1")]).await.unwrap();
    let concern = "read_instances of public/G@@orders";
    let told = |seen: &Gateway| seen.troubles(TroubleKind::NacosCall);
    let read = |input: &LocalInput| matches!(input, LocalInput::Read { service, reading: ServiceReading::All(_) } if *service == key(&fine));
    let began = Instant::now();
    while told(&gateway) != [concern] {
        assert!(began.elapsed() < PATIENCE, "it was never told");
        let before = gateway.told.len();
        gateway.handle.read(&fine);
        gateway.until("another service is read", |seen| seen.told[before..].iter().any(read)).await;
        assert!(
            gateway.fact("nacos_calls_failing").is_empty() || gateway.fact("nacos_calls_failing").contains(concern)
        );
    }
    assert_eq!(gateway.addresses(&broken).len(), 2, "what is missing is held");
    registry.heal();
    gateway.until("it is read", |seen| told(seen).is_empty() && seen.addresses(&broken) == ["10.0.0.1"]).await;
}

#[tokio::test]
async fn a_registry_that_accepts_and_never_answers_is_given_up_and_said_to_be_silent() {
    let registry = Rehearsal::start_behind_a_proxy().await;
    let service = name("public", "orders");
    registry.sdk.register(&service, vec![instance("10.0.0.1")]).await.unwrap();
    let mut gateway = registry.gateway();
    gateway.until("all has answered", |seen| seen.answered() == 1).await;
    registry.set_link(Link::Silent);
    let silent = |seen: &Gateway| seen.troubles(TroubleKind::NacosSilent) == ["connection"];
    gateway.until("it is said", silent).await;
    assert_eq!(gateway.metrics.given_up("no_answer").get(), 1);
    assert_eq!(gateway.addresses(&service), ["10.0.0.1"], "silence removes nothing");
    registry.set_link(Link::Open);
    gateway.until("all has answered again", |seen| seen.answered() == 2).await;
    gateway.until("it is healed", |seen| !silent(seen)).await;
    let found = gateway.local.service(&key(&service)).unwrap();
    assert!(found.wanted(&InstanceId::new("10.0.0.1", 80, "DEFAULT")).is_some());
}

#[tokio::test]
async fn a_stream_that_is_open_and_pushes_nothing_is_given_up_and_said() {
    let registry = Rehearsal::start_behind_a_proxy().await;
    let service = name("public", "orders");
    registry.sdk.register(&service, vec![instance("10.0.0.1")]).await.unwrap();
    let mut gateway = registry.gateway();
    gateway.until("all has answered", |seen| seen.answered() == 1).await;
    gateway.until("the subscription was answered by a push", |seen| seen.metrics.pushes.get() > 0).await;
    registry.set_link(Link::Mute);
    registry.sdk.register(&service, vec![instance("10.0.0.1"), instance("10.0.0.2")]).await.unwrap();
    let mute = |seen: &Gateway| seen.troubles(TroubleKind::NacosSilent) == ["pushes"];
    gateway.until("the stream is given up", |seen| seen.metrics.given_up("no_pushes").get() == 1).await;
    gateway.until("it is said", mute).await;
    gateway.until("the next connection has told what was missed", |seen| seen.addresses(&service).len() == 2).await;
    assert!(mute(&gateway), "nothing was pushed on it either");
    registry.set_link(Link::Open);
    registry.sdk.register(&service, vec![instance("10.0.0.1")]).await.unwrap();
    gateway.until("a push heals it", |seen| !mute(seen)).await;
}
