//! The adapter of the local Nacos against the embedded registry over loopback.

mod observer;
mod rehearsal;
mod told;
mod troubles;

use std::time::{Duration, Instant};

use federation_core::id::{ConfigKey, InstanceId, ServiceKey};
use federation_core::input::{ConfigReading, LocalInput, ServiceReading};
use federation_core::instance::Health;
use federation_core::pattern::{NameSelection, ServicePattern};
use federation_ports::facts::FactSource;
use federation_ports::inbox::OwnItem;
use nacos_protocol::client::{ConfigName, ConfigWrite, ServiceName};

use federation_harness::Fault;

use self::observer::{Gateway, has, instance, key, name, own_item};
use self::rehearsal::Rehearsal;

#[tokio::test]
async fn all_is_listed_before_the_adapter_says_that_all_has_answered() {
    let registry = Rehearsal::start().await;
    registry.create_namespace("dev").await;
    let services = [name("public", "a"), name("public", "b"), name("dev", "a"), name("", "old")];
    for service in &services {
        registry.sdk.register(service, vec![instance("10.0.0.1")]).await.unwrap();
    }
    let mut gateway = registry.gateway();
    gateway.until("all has answered", |seen| seen.answered() == 1).await;
    let answered = gateway.told.iter().position(|input| *input == LocalInput::Answered).unwrap();
    for service in &services {
        let listed = |input: &LocalInput| {
            matches!(input, LocalInput::Listed { service: found, instances, .. }
            if *found == key(service) && instances.len() == 1)
        };
        assert!(gateway.told[..answered].iter().any(listed), "{service} was not listed before");
    }
    assert_eq!(gateway.told[0], LocalInput::Connected);
    assert!(gateway.fact("nacos").starts_with("connected to 127.0.0.1"));
    assert_eq!(gateway.fact("nacos_watched"), "4 services");
}

#[tokio::test]
async fn an_empty_registry_has_answered_too() {
    let registry = Rehearsal::start().await;
    let mut gateway = registry.gateway();
    gateway.until("all has answered", |seen| seen.answered() == 1).await;
}

#[tokio::test]
async fn new_services_and_namespaces_are_found_and_changes_are_pushed() {
    let registry = Rehearsal::start().await;
    let mut gateway = registry.gateway();
    gateway.until("all has answered", |seen| seen.answered() == 1).await;
    registry.create_namespace("dev").await;
    for service in [name("public", "late"), name("dev", "late")] {
        registry.sdk.register(&service, vec![instance("10.0.0.1")]).await.unwrap();
        gateway.until("it is found", |seen| seen.addresses(&service) == ["10.0.0.1"]).await;
    }
    let service = name("dev", "late");
    let mut changed = instance("10.0.0.1");
    (changed.weight, changed.healthy) = (2.5, false);
    registry.sdk.register(&service, vec![changed, instance("10.0.0.2")]).await.unwrap();
    gateway.until("the change came", |seen| seen.addresses(&service) == ["10.0.0.1", "10.0.0.2"]).await;
    let id = InstanceId::new("10.0.0.1", 80, "DEFAULT");
    let found = gateway.local.service(&key(&service)).unwrap().wanted(&id).unwrap().clone();
    assert_eq!((found.weight.get(), found.health), (2.5, Health::Unhealthy));
}

#[tokio::test]
async fn a_disabled_instance_is_kept_and_a_gone_one_is_removed() {
    let registry = Rehearsal::start().await;
    let service = name("public", "orders");
    registry.sdk.register(&service, vec![instance("10.0.0.1"), instance("10.0.0.2")]).await.unwrap();
    let mut gateway = registry.gateway();
    gateway.until("both are listed", |seen| seen.addresses(&service).len() == 2).await;
    let change = "v3/admin/ns/instance?groupName=G&serviceName=orders&ip=10.0.0.1&port=80&enabled=false";
    registry.call("PUT", change).await;
    let id = InstanceId::new("10.0.0.1", 80, "DEFAULT");
    let enabled = |seen: &Gateway| seen.local.service(&key(&service))?.wanted(&id).map(|found| found.enabled);
    gateway.until("a read has told that it is disabled", |seen| enabled(seen) == Some(false)).await;
    registry.sdk.register(&service, vec![instance("10.0.0.2")]).await.unwrap();
    gateway.until("it is gone", |seen| seen.addresses(&service) == ["10.0.0.2"] && enabled(seen).is_none()).await;
}

#[tokio::test]
async fn config_items_are_found_listened_to_and_seen_to_go() {
    let registry = Rehearsal::start().await;
    let write = |content: &str| ConfigWrite { content: content.to_owned(), ..ConfigWrite::default() };
    let (early, late) = (ConfigName::new("", "G", "early"), ConfigName::new("", "G", "late"));
    registry.sdk.publish_config(&early, write("ü\r\n")).await.unwrap();
    let mut gateway = registry.gateway();
    let key = |config: &ConfigName| ConfigKey::new("public", "G", &config.data_id);
    let content = |seen: &Gateway, config: &ConfigName| {
        seen.local
            .config(&key(config))
            .and_then(|found| found.wanted())
            .map(|item| item.content.text().unwrap_or_default().to_owned())
    };
    gateway.until("the early one is read", |seen| content(seen, &early).as_deref() == Some("ü\r\n")).await;
    registry.sdk.publish_config(&late, write("1")).await.unwrap();
    gateway.until("the late one is found", |seen| content(seen, &late).as_deref() == Some("1")).await;
    let query = "v3/admin/cs/config?groupName=G&dataId=late&content=2&type=yaml&desc=words&configTags=a,b&appName=shop";
    registry.call("POST", query).await;
    gateway.until("its change is read", |seen| content(seen, &late).as_deref() == Some("2")).await;
    let item = gateway.local.config(&key(&late)).unwrap().wanted().unwrap().clone();
    let beside = (&*item.content_type, &*item.description, &*item.tags, &*item.application, &*item.md5);
    assert_eq!(beside, ("yaml", "words", "a,b", "shop", "c81e728d9d4c2f636f067f89cc14862c"));
    registry.sdk.remove_config(&late).await.unwrap();
    gateway.until("it is gone", |seen| content(seen, &late).is_none()).await;
    assert!(content(&gateway, &early).is_some());
}

#[tokio::test]
async fn the_own_item_is_followed_whether_or_not_it_is_exported() {
    for export in [NameSelection::default(), NameSelection::everything()] {
        let mut registry = Rehearsal::start().await;
        let write = |content: &str| ConfigWrite { content: content.to_owned(), ..ConfigWrite::default() };
        let mut gateway = registry.gateway_exporting(export);
        gateway.until("there is none", |seen| seen.handle.own_item() == OwnItem::Absent).await;
        for content in ["1", "2"] {
            registry.sdk.publish_config(&own_item(""), write(content)).await.unwrap();
            gateway.until("it is read", has(content)).await;
        }
        registry.sdk.remove_config(&own_item("public")).await.unwrap();
        gateway.until("it is gone", |seen| seen.handle.own_item() == OwnItem::Absent).await;
        // Who exports it gives up listening when it is gone; the gateway itself goes on.
        registry.sdk.publish_config(&own_item("public"), write("3")).await.unwrap();
        let began = Instant::now();
        gateway.until("it is read again", has("3")).await;
        assert!(began.elapsed() < Duration::from_secs(5), "a bell rang, nobody had to look by himself");
        registry.stop().await;
        gateway.until("it says so", |seen| seen.fact("nacos").starts_with("not connected")).await;
        assert!(has("3")(&gateway), "silence is no word");
        gateway.end().await;
    }
}

#[tokio::test]
async fn after_a_restart_of_the_registry_everything_answers_anew() {
    let mut registry = Rehearsal::start().await;
    let service = name("public", "orders");
    registry.sdk.register(&service, vec![instance("10.0.0.1")]).await.unwrap();
    let mut gateway = registry.gateway();
    gateway.until("it is listed", |seen| seen.answered() == 1 && seen.addresses(&service).len() == 1).await;
    registry.restart().await;
    gateway.until("all has answered again", |seen| seen.answered() == 2).await;
    assert_eq!(gateway.addresses(&service), ["10.0.0.1"], "what a restarted registry lacks is held");
    let disconnected = |input: &LocalInput| matches!(input, LocalInput::Disconnected { .. });
    assert_eq!(gateway.told.iter().filter(|input| disconnected(input)).count(), 1);
    let (second, third) = (instance("10.0.0.2"), instance("10.0.0.3"));
    registry.sdk.register(&service, vec![instance("10.0.0.1"), second, third]).await.unwrap();
    gateway.until("changes come", |seen| seen.addresses(&service).len() == 3).await;
}

#[tokio::test]
async fn only_what_is_exported_is_watched() {
    let registry = Rehearsal::start().await;
    registry.create_namespace("dev").await;
    for service in [name("public", "a"), name("public", "internal"), name("dev", "a")] {
        registry.sdk.register(&service, vec![instance("10.0.0.1")]).await.unwrap();
    }
    let pattern = |namespace: &str, service: &str| ServicePattern {
        namespace: namespace.parse().unwrap(),
        service: service.parse().unwrap(),
        ..ServicePattern::any()
    };
    let export = NameSelection {
        services: vec![pattern("public", "*")],
        excluded_services: vec![pattern("*", "internal")],
        ..NameSelection::default()
    };
    let mut gateway = registry.gateway_exporting(export);
    gateway.until("all has answered", |seen| seen.answered() == 1).await;
    let watched: Vec<&ServiceKey> = gateway.local.services().map(|(key, _)| key).collect();
    assert_eq!(watched, [&key(&name("public", "a"))]);
    let named = |input: &LocalInput| match input {
        LocalInput::Discovered(found) => vec![found.clone()],
        LocalInput::Catalog { services, .. } => services.clone(),
        _ => Vec::new(),
    };
    let all: Vec<ServiceKey> = gateway.told.iter().flat_map(named).collect();
    assert!(all.iter().all(|found| *found == key(&name("public", "a"))), "{all:?}");
}

#[tokio::test]
async fn what_federating_tools_wrote_is_not_passed_on() {
    let registry = Rehearsal::start().await;
    let service = name("public", "orders");
    let mut written = instance("10.0.0.9");
    written.metadata.insert("nacos-fed.origin".to_owned(), "frankfurt".to_owned());
    registry.sdk.register(&service, vec![instance("10.0.0.1"), written]).await.unwrap();
    let mut gateway = registry.gateway();
    gateway.until("the other is listed", |seen| seen.addresses(&service) == ["10.0.0.1"]).await;
    gateway.handle.read(&service);
    gateway.until("a read came", |seen| seen.told.iter().any(|input| matches!(input, LocalInput::Read { .. }))).await;
    assert_eq!(gateway.addresses(&service), ["10.0.0.1"]);
    assert_eq!(gateway.fact("nacos_instances_left_out"), "1 written by a federating tool");
}

#[tokio::test]
async fn an_account_that_may_not_list_still_sees_what_grpc_tells() {
    let registry = Rehearsal::start_behind_a_proxy().await;
    registry.spoil("/nacos/", Fault::Status403);
    let service = ServiceName::new("public", "DEFAULT_GROUP", "orders");
    registry.sdk.register(&service, vec![instance("10.0.0.1"), instance("10.0.0.2")]).await.unwrap();
    registry.sdk.register(&name("public", "elsewhere"), vec![instance("10.0.0.3")]).await.unwrap();
    let mut gateway = registry.gateway();
    gateway.until("all has answered", |seen| seen.answered() == 1).await;
    assert_eq!(gateway.addresses(&service).len(), 2, "a service of a group that is asked for");
    assert_eq!(gateway.addresses(&name("public", "elsewhere")).len(), 1, "a service that the fuzzy watch tells of");
    registry.sdk.register(&service, vec![instance("10.0.0.1")]).await.unwrap();
    gateway.until("the removal is believed after the hold", |seen| seen.addresses(&service) == ["10.0.0.1"]).await;
    assert!(gateway.fact("nacos_calls_refused").contains("list_namespaces: refused with status 403"));
    let limits = gateway.handle.status().limits();
    assert!(limits.iter().any(|limit| limit.to_string().contains("cannot tell disabled")), "{limits:?}");
}

#[tokio::test]
async fn answers_that_make_no_sense_remove_nothing_and_are_shown() {
    for (part, fault) in [
        ("/nacos/", Fault::Status500),
        ("/nacos/", Fault::Html200),
        ("/nacos/", Fault::TruncatedJson),
        ("service/list", Fault::EmptyPage),
        ("history/configs", Fault::EmptyPage),
    ] {
        let registry = Rehearsal::start_behind_a_proxy().await;
        let (service, late) = (name("public", "orders"), name("public", "late"));
        registry.sdk.register(&service, vec![instance("10.0.0.1")]).await.unwrap();
        let write = ConfigWrite { content: "1".to_owned(), ..ConfigWrite::default() };
        registry.sdk.publish_config(&ConfigName::new("", "G", "d"), write).await.unwrap();
        let mut gateway = registry.gateway();
        let item = ConfigKey::new("public", "G", "d");
        gateway.until("it is listed", |seen| seen.answered() == 1 && seen.local.config(&item).is_some()).await;
        let before = gateway.told.len();
        registry.spoil(part, fault);
        // Read because a list lacks it, or shown because the list cannot be right.
        let noticed = |seen: &Gateway| match part {
            "history/configs" => seen.told[before..].iter().any(|input| matches!(input, LocalInput::Config { .. })),
            _ => seen.fact("nacos_calls_failing").contains("list_services"),
        };
        gateway.until("the fault shows", noticed).await;
        gateway.handle.read(&service);
        let read = |input: &LocalInput| matches!(input, LocalInput::Read { .. });
        gateway.until("a read came", |seen| seen.told[before..].iter().any(read)).await;
        assert_eq!(gateway.addresses(&service), ["10.0.0.1"], "{fault:?} of {part}");
        let told_gone = |input: &LocalInput| match input {
            LocalInput::Config { reading, .. } => *reading == ConfigReading::Absent,
            LocalInput::Catalog { namespace, services } => &**namespace == "public" && services.is_empty(),
            LocalInput::Listed { service: found, instances, .. } => *found == key(&service) && instances.is_empty(),
            LocalInput::Read { reading, .. } => *reading == ServiceReading::All(Vec::new()),
            _ => false,
        };
        assert!(!gateway.told[before..].iter().any(told_gone), "{fault:?} of {part}");
        registry.heal();
        gateway.handle.read(&service);
        gateway.until("all works again", |seen| seen.fact("nacos_calls_failing").is_empty()).await;
        registry.sdk.register(&late, vec![instance("10.0.0.2")]).await.unwrap();
        gateway.until("a new service is found", |seen| seen.addresses(&late).len() == 1).await;
    }
}

#[tokio::test]
async fn an_idle_registry_is_heard_again_and_again() {
    let registry = Rehearsal::start().await;
    let mut gateway = registry.gateway_exporting(NameSelection::default());
    gateway.until("all has answered", |seen| seen.answered() == 1).await;
    let age = |seen: &Gateway| seen.local.age(seen.now()).unwrap();
    for _ in 0..3 {
        let before = gateway.told.len();
        gateway.until("it is heard", |seen| seen.told[before..].contains(&LocalInput::Heard)).await;
        assert!(Duration::from_millis(age(&gateway).0) < Duration::from_secs(3));
    }
}

#[tokio::test]
async fn a_registry_that_cannot_be_reached_is_said_so_and_found_later() {
    let mut registry = Rehearsal::start().await;
    registry.stop().await;
    let mut gateway = registry.gateway();
    gateway.until("it says so", |seen| seen.fact("nacos").starts_with("not connected")).await;
    gateway.handle.read(&name("public", "orders"));
    let failed = |input: &LocalInput| matches!(input, LocalInput::Read { .. });
    gateway.until("a read fails at once", |seen| seen.told.iter().any(failed)).await;
    registry.restart().await;
    gateway.until("all has answered", |seen| seen.answered() == 1).await;
}

#[tokio::test]
async fn the_tasks_end_when_they_are_stopped() {
    let registry = Rehearsal::start().await;
    let mut gateway = registry.gateway();
    gateway.until("all has answered", |seen| seen.answered() == 1).await;
    gateway.end().await;
}
