//! The adapter of the local Nacos against real servers of both lines, at its default intervals.

#[path = "../adapter/observer.rs"]
#[expect(dead_code, reason = "the tests of the adapter use the rest")]
mod observer;
mod server;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use federation_core::id::{ConfigKey, InstanceId};
use federation_core::input::LocalInput;
use federation_core::instance::Health;
use federation_core::pattern::{ConfigPattern, NameSelection, ServicePattern};
use federation_harness::{Access, Line, Parts};
use federation_ports::facts::FactSource;
use federation_ports::inbox::OwnItem;
use nacos_protocol::client::{ConfigName, ConfigWrite, ServiceName};
use nacos_protocol::message::naming::NacosInstance;

use self::observer::{Gateway, has, instance, key, name, own_item};
use self::server::Server;

/// A new service is seen within this time (a list every 3 s, or a fuzzy watch).
const SERVICE_WITHIN: Duration = Duration::from_secs(5);
/// A new version of the config item that the gateway itself lives by is.
const OWN_ITEM_WITHIN: Duration = Duration::from_secs(2);
/// A new namespace with a service in it is.
const NAMESPACE_WITHIN: Duration = Duration::from_secs(10);

async fn start(line: Line, access: Access) -> Server {
    let parts = Parts::ensure(&[line.part()]).await.expect("parts that can be fetched");
    Server::start(&parts, line, access, &[]).await
}

/// Everything that an account with all rights sees.
async fn everything_is_seen(line: Line, access: Access) {
    let server = start(line, access).await;
    let early = [name("public", "early"), name("", "early-nameless")];
    for service in &early {
        server.sdk.register(service, vec![instance("10.0.0.1")]).await.expect("registered");
    }
    let mut gateway = server.gateway();
    gateway.until("all has answered", |seen| seen.answered() == 1).await;
    let answered = gateway.told.iter().position(|input| *input == LocalInput::Answered).expect("told");
    for service in &early {
        let listed =
            |input: &LocalInput| matches!(input, LocalInput::Listed { service: found, .. } if *found == key(service));
        assert!(gateway.told[..answered].iter().any(listed), "{service} was not listed before: {:?}", gateway.told);
    }
    let age = gateway.local.age(gateway.now()).expect("it was heard");
    assert!(age.0 < 3_000, "an idle server is young");
    new_things_are_found_in_time(&server, &mut gateway).await;
    disabled_is_told_from_gone(&server, &mut gateway).await;
    protected_health_is_read(&server, &mut gateway).await;
    config_items_are_followed(&server, &mut gateway).await;
    the_own_item_is_followed(&server, &mut gateway).await;
    assert_eq!((gateway.fact("nacos_calls_refused"), gateway.fact("nacos_calls_failing")), Default::default());
    gateway.end().await;
}

async fn new_things_are_found_in_time(server: &Server, gateway: &mut Gateway) {
    let mut worst = [Duration::ZERO; 2];
    for round in 0..3 {
        let service = name("public", &format!("late-{round}"));
        server.sdk.register(&service, vec![instance("10.0.0.1")]).await.expect("registered");
        worst[0] = worst[0].max(until_seen(gateway, &service).await);
    }
    let nameless = name("", "late-nameless");
    server.sdk.register(&nameless, vec![instance("10.0.0.1")]).await.expect("registered");
    worst[0] = worst[0].max(until_seen(gateway, &nameless).await);
    let service = name("dev", "late");
    server.nacos.create_namespace("dev").await.expect("a new namespace");
    server.sdk.register(&service, vec![instance("10.0.0.1")]).await.expect("registered");
    worst[1] = until_seen(gateway, &service).await;
    println!("new service seen after at most {:?}, new namespace after {:?}", worst[0], worst[1]);
    assert!(worst[0] <= SERVICE_WITHIN && worst[1] <= NAMESPACE_WITHIN);
}

async fn until_seen(gateway: &mut Gateway, service: &ServiceName) -> Duration {
    let began = Instant::now();
    gateway.until("it is found", |seen| seen.addresses(service) == ["10.0.0.1"]).await;
    began.elapsed()
}

async fn disabled_is_told_from_gone(server: &Server, gateway: &mut Gateway) {
    let service = name("public", "switched");
    server.sdk.register(&service, vec![instance("10.0.0.1"), instance("10.0.0.2")]).await.expect("registered");
    gateway.until("both are listed", |seen| seen.addresses(&service).len() == 2).await;
    server.disable(&service, "10.0.0.1").await;
    let id = InstanceId::new("10.0.0.1", 80, "DEFAULT");
    let enabled = |seen: &Gateway| seen.local.service(&key(&service))?.wanted(&id).map(|found| found.enabled);
    gateway.until("a read has told that it is disabled", |seen| enabled(seen) == Some(false)).await;
    server.sdk.register(&service, vec![instance("10.0.0.2")]).await.expect("registered");
    gateway.until("it is gone", |seen| seen.addresses(&service) == ["10.0.0.2"]).await;
}

/// When too few are healthy, Nacos pushes all as healthy.
async fn protected_health_is_read(server: &Server, gateway: &mut Gateway) {
    let service = name("public", "sick");
    let sick = NacosInstance { healthy: false, ..instance("10.0.0.1") };
    server.protect(&service).await;
    server.sdk.register(&service, vec![sick]).await.expect("registered");
    let id = InstanceId::new("10.0.0.1", 80, "DEFAULT");
    let health = |seen: &Gateway| seen.local.service(&key(&service))?.wanted(&id).map(|found| found.health);
    gateway.until("a read has told its health", |seen| health(seen) == Some(Health::Unhealthy)).await;
    let protected = |input: &LocalInput| matches!(input, LocalInput::Listed { protected: true, .. });
    assert!(gateway.told.iter().any(protected), "the list itself said healthy");
}

async fn config_items_are_followed(server: &Server, gateway: &mut Gateway) {
    for namespace in ["", "dev"] {
        let config = ConfigName::new(namespace, "G", "app.yaml");
        let key = ConfigKey::new(if namespace.is_empty() { "public" } else { namespace }, "G", "app.yaml");
        let content = |seen: &Gateway| {
            seen.local
                .config(&key)
                .and_then(|found| found.wanted())
                .map(|item| item.content.text().unwrap_or_default().to_owned())
        };
        for text in ["ü: \"值\"\r\n", "changed"] {
            let additions = [("desc", "words"), ("config_tags", "a,b"), ("appName", "shop")];
            let additions = additions.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
            let write = ConfigWrite {
                content: text.to_owned(),
                content_type: "yaml".to_owned(),
                additions,
                ..ConfigWrite::default()
            };
            server.sdk.publish_config(&config, write).await.expect("published");
            let began = Instant::now();
            gateway.until("it is read", |seen| content(seen).as_deref() == Some(text)).await;
            println!("config item {config} was read after {:?}", began.elapsed());
        }
        let item = gateway.local.config(&key).and_then(|found| found.wanted()).expect("just read").clone();
        let beside = (&*item.content_type, &*item.description, &*item.tags, &*item.application);
        assert_eq!(beside, ("yaml", "words", "a,b", "shop"));
        server.sdk.remove_config(&config).await.expect("removed");
        gateway.until("it is gone", |seen| content(seen).is_none()).await;
    }
}

/// Published as SDKs of both lines do: 2.x keeps the two names apart, and the empty one counts first.
async fn the_own_item_is_followed(server: &Server, gateway: &mut Gateway) {
    let write = |content: &str| ConfigWrite { content: content.to_owned(), ..ConfigWrite::default() };
    gateway.until("there is none", |seen| seen.handle.own_item() == OwnItem::Absent).await;
    for (namespace, content) in [("public", "1"), ("public", "2"), ("", "3"), ("", "4")] {
        server.sdk.publish_config(&own_item(namespace), write(content)).await.expect("published");
        let began = Instant::now();
        gateway.until("it is read", has(content)).await;
        println!("own item under {namespace:?} was read after {:?}", began.elapsed());
        assert!(began.elapsed() < OWN_ITEM_WITHIN);
    }
    for namespace in ["", "public"] {
        server.sdk.remove_config(&own_item(namespace)).await.expect("removed");
    }
    gateway.until("it is gone", |seen| seen.handle.own_item() == OwnItem::Absent).await;
}

/// What an account without any right over HTTP sees of namespace public.
async fn without_rights_public_is_seen(line: Line) {
    let parts = Parts::ensure(&[line.part()]).await.expect("parts that can be fetched");
    // As 3.x is shipped: who lists has to log in, who discovers need not. 2.x has one switch for both, so listing is open there.
    let server = Server::start(&parts, line, Access::Open, &[("nacos.core.auth.admin.enabled", "true")]).await;
    let service = ServiceName::new("public", "DEFAULT_GROUP", "early");
    server.sdk.register(&service, vec![instance("10.0.0.1"), instance("10.0.0.2")]).await.expect("registered");
    let mut gateway = server.gateway();
    gateway.until("all has answered", |seen| seen.answered() == 1).await;
    assert_eq!(gateway.addresses(&service).len(), 2);
    gateway.handle.read(&service);
    gateway.until("a read came", |seen| seen.told.iter().any(|input| matches!(input, LocalInput::Read { .. }))).await;
    let late = name("public", "late");
    server.sdk.register(&late, vec![instance("10.0.0.1")]).await.expect("registered");
    let found = until_seen(&mut gateway, &late).await;
    println!("without rights a new service was seen after {found:?}; {:?}", gateway.handle.status().facts());
    assert!(found <= SERVICE_WITHIN);
    server.sdk.register(&service, vec![instance("10.0.0.2")]).await.expect("registered");
    gateway.until("it is gone", |seen| seen.addresses(&service) == ["10.0.0.2"]).await;
    gateway.end().await;
}

async fn a_restart_removes_nothing(line: Line) {
    let mut server = start(line, Access::Open).await;
    let service = name("public", "steady");
    server.sdk.register(&service, vec![instance("10.0.0.1"), instance("10.0.0.2")]).await.expect("registered");
    let mut gateway = server.gateway();
    let policy = ConfigWrite { content: "stale: keep".to_owned(), ..ConfigWrite::default() };
    server.sdk.publish_config(&own_item(""), policy).await.expect("published");
    gateway.until("both are listed", |seen| seen.answered() == 1 && seen.addresses(&service).len() == 2).await;
    gateway.until("the own item is read", has("stale: keep")).await;
    server.nacos.kill().await.expect("killed");
    gateway.until("it says so", |seen| seen.fact("nacos").starts_with("not connected")).await;
    let both = |seen: &Gateway| {
        assert_eq!(seen.addresses(&service).len(), 2, "an instance went missing");
        assert!(has("stale: keep")(seen), "the own item went missing");
        false
    };
    tokio::select! {
        restarted = server.nacos.restart() => restarted.expect("restarted"),
        () = gateway.until("it is back", both) => {}
    }
    gateway.until("all has answered again", |seen| seen.answered() == 2).await;
    let settled = |seen: &Gateway| {
        seen.local.service(&key(&service)).is_some_and(|found| found.held().count() == 0 && found.is_settled())
    };
    gateway.until("it has settled", |seen| both(seen) || settled(seen)).await;
    gateway.end().await;
}

async fn a_wrong_password_is_said(line: Line) {
    let server = start(line, Access::Password).await;
    let mut gateway = server.gateway_with_password("wrong");
    gateway.until("it says so", |seen| seen.fact("nacos_calls_refused").contains("login")).await;
    println!("{:?}", gateway.handle.status().facts());
    gateway.end().await;
}

/// One address that two clients have registered, each in its own words, beside an instance that goes.
async fn a_double_keeps_no_other_instance_from_going(line: Line) {
    let server = start(line, Access::Open).await;
    let service = name("public", "doubled");
    let (other_sdk, _running) = server.another_sdk().await;
    let (third_sdk, third) = server.another_sdk().await;
    let in_words = |words: &str| {
        let metadata = BTreeMap::from([("by".to_owned(), words.to_owned())]);
        NacosInstance { metadata, ..instance("10.0.0.1") }
    };
    server.sdk.register(&service, vec![in_words("one")]).await.expect("registered");
    other_sdk.register(&service, vec![in_words("two")]).await.expect("registered");
    third_sdk.register(&service, vec![instance("10.0.0.2")]).await.expect("registered");
    let mut gateway = server.gateway();
    gateway.until("both are listed", |seen| seen.answered() == 1 && seen.addresses(&service).len() == 2).await;
    let settled = |seen: &Gateway| seen.local.service(&key(&service)).is_some_and(|found| found.is_settled());
    gateway.until("it has settled", settled).await;
    drop((third_sdk, third)); // Its connection ends, and with it what it has registered.
    let began = Instant::now();
    gateway.until("it is gone", |seen| seen.addresses(&service) == ["10.0.0.1"]).await;
    println!(
        "beside a double, an instance was gone after {:?}; {:?}",
        began.elapsed(),
        gateway.fact("nacos_instances_left_out")
    );
    assert!(began.elapsed() < Duration::from_secs(10));
    let by = |seen: &Gateway| {
        let found = seen.local.service(&key(&service))?.wanted(&InstanceId::new("10.0.0.1", 80, "DEFAULT"))?.clone();
        found.metadata.get("by").map(str::to_owned)
    };
    assert_eq!(by(&gateway).as_deref(), Some("two"), "the greater metadata is shown");
    gateway.handle.read(&service);
    let before = gateway.told.len();
    gateway
        .until("a read came", |seen| seen.told[before..].iter().any(|input| matches!(input, LocalInput::Read { .. })))
        .await;
    assert_eq!(by(&gateway).as_deref(), Some("two"), "a read comes to the same");
    assert_eq!(gateway.fact("nacos_calls_failing"), "");
    gateway.end().await;
}

/// Clients register in a namespace that nobody has created.
async fn an_uncreated_namespace_that_a_rule_names_is_seen(line: Line) {
    let server = start(line, Access::Open).await;
    let (early, late) = (name("ghost", "early"), name("ghost", "late"));
    server.sdk.register(&early, vec![instance("10.0.0.1")]).await.expect("registered");
    let export = NameSelection {
        services: vec![ServicePattern { namespace: "ghost".parse().expect("a pattern"), ..ServicePattern::any() }],
        configs: vec![ConfigPattern { namespace: "ghost".parse().expect("a pattern"), ..ConfigPattern::any() }],
        ..NameSelection::default()
    };
    let mut gateway = server.gateway_exporting(export);
    gateway.until("all has answered", |seen| seen.answered() == 1).await;
    assert_eq!(gateway.addresses(&early), ["10.0.0.1"]);
    server.sdk.register(&late, vec![instance("10.0.0.1")]).await.expect("registered");
    let found = until_seen(&mut gateway, &late).await;
    let write = ConfigWrite { content: "1".to_owned(), ..ConfigWrite::default() };
    server.sdk.publish_config(&ConfigName::new("ghost", "G", "d"), write).await.expect("published");
    let key = ConfigKey::new("ghost", "G", "d");
    gateway.until("it is read", |seen| seen.local.config(&key).is_some_and(|found| found.wanted().is_some())).await;
    println!(
        "in a namespace that nobody created a service was seen after {found:?}; {}",
        gateway.fact("nacos_export_rules")
    );
    assert!(found <= SERVICE_WITHIN);
    gateway.end().await;
}

/// Every Nacos answers a subscription that is made anew with a push.
async fn an_idle_stream_shows_signs_of_life(line: Line) {
    let server = start(line, Access::Open).await;
    server.sdk.register(&name("public", "steady"), vec![instance("10.0.0.1")]).await.expect("registered");
    let mut gateway = server.gateway();
    gateway.until("all has answered", |seen| seen.answered() == 1).await;
    let began = Instant::now();
    gateway.until("pushes came though nothing changed", |seen| seen.metrics.pushes.get() >= 4).await;
    println!("four pushes of an idle server came within {:?}", began.elapsed());
    assert_eq!((gateway.metrics.connects.get(), gateway.metrics.given_up("no_pushes").get()), (1, 0));
    gateway.end().await;
}

macro_rules! on_both_lines {
    ($($(#[$meta:meta])* $test:ident($($argument:expr),*);)*) => {
        mod nacos_2 {
            use super::*;
            $($(#[$meta])* #[tokio::test] async fn $test() { super::$test(Line::V2 $(, $argument)*).await; })*
        }
        mod nacos_3 {
            use super::*;
            $($(#[$meta])* #[tokio::test] async fn $test() { super::$test(Line::V3 $(, $argument)*).await; })*
        }
    };
}

async fn everything_is_seen_with_a_password(line: Line) {
    everything_is_seen(line, Access::Password).await;
}

on_both_lines! {
    everything_is_seen(Access::Open);
    everything_is_seen_with_a_password();
    without_rights_public_is_seen();
    a_restart_removes_nothing();
    a_wrong_password_is_said();
    a_double_keeps_no_other_instance_from_going();
    an_uncreated_namespace_that_a_rule_names_is_seen();
    an_idle_stream_shows_signs_of_life();
}
