//! Registrations through the door, and what the registry behind it lists.

mod silent;

use nacos_protocol::client::{CallError, ClientEvent};
use nacos_protocol::message::naming::NacosInstance;

use crate::AccessRule;
use crate::testing::{House, Registry, at, service, showing};

async fn open_house(registry: &Registry) -> House {
    House::before(registry.cluster(), AccessRule::Open)
}

#[tokio::test]
async fn what_a_client_registers_is_listed_for_as_long_as_it_is_there() {
    let registry = Registry::start(false).await;
    let house = open_house(&registry).await;
    let client = house.client().connected().await;
    client.client.register(&service("s"), at("10.0.0.1")).await.unwrap();
    registry.lists("s", &["10.0.0.1"]).await;
    let both = [at("10.0.0.2"), at("10.0.0.3")].concat();
    client.client.register(&service("s"), both).await.unwrap();
    registry.lists("s", &["10.0.0.2", "10.0.0.3"]).await;
    client.client.register(&service("s"), at("10.0.0.4")).await.unwrap();
    registry.lists("s", &["10.0.0.4"]).await;
    client.client.register(&service("t"), at("10.0.0.5")).await.unwrap();
    client.client.deregister(&service("s")).await.unwrap();
    registry.lists("s", &[]).await;
    registry.lists("t", &["10.0.0.5"]).await;
    drop(client);
    registry.lists("t", &[]).await;
    let news = house.news.0.lock().unwrap().clone();
    let told: Vec<String> = news.iter().map(|(of, what)| format!("{} {}", of.service, what.join(", "))).collect();
    let want = [
        "s 10.0.0.1",
        "s no 10.0.0.1",
        "s 10.0.0.2, 10.0.0.3",
        "s no 10.0.0.2, no 10.0.0.3",
        "s 10.0.0.4",
        "t 10.0.0.5",
        "s no 10.0.0.4",
        "t no 10.0.0.5",
    ];
    assert_eq!(told, want);
}

#[tokio::test]
async fn two_clients_with_the_same_service_do_not_overwrite_each_other() {
    let registry = Registry::start(false).await;
    let house = open_house(&registry).await;
    let (one, two) = (house.client().connected().await, house.client().connected().await);
    one.client.register(&service("s"), at("10.0.0.1")).await.unwrap();
    two.client.register(&service("s"), at("10.0.0.2")).await.unwrap();
    registry.lists("s", &["10.0.0.1", "10.0.0.2"]).await;
    two.client.deregister(&service("s")).await.unwrap();
    registry.lists("s", &["10.0.0.1"]).await;
}

#[tokio::test]
async fn a_registry_that_was_restarted_gets_all_of_it_again() {
    let registry = Registry::start(false).await;
    let house = open_house(&registry).await;
    let client = house.client().connected().await;
    client.client.register(&service("s"), at("10.0.0.1")).await.unwrap();
    let registry = registry.stop().await.start().await;
    registry.lists("s", &["10.0.0.1"]).await;
}

#[tokio::test]
async fn a_refusal_is_told_as_it_came_and_changes_nothing() {
    let registry = Registry::start(false).await;
    let house = open_house(&registry).await;
    let (direct, client) = (registry.client().connected().await, house.client().connected().await);
    client.client.register(&service("s"), at("10.0.0.1")).await.unwrap();
    let keeper = house.client().connected().await;
    let persistent = NacosInstance { ephemeral: false, ..at("10.0.0.9").remove(0) };
    keeper.client.register_persistent(&service("p"), persistent).await.unwrap();
    let odd = vec![NacosInstance { port: 70_000, ..at("10.0.0.2").remove(0) }];
    for (name, instances) in [("s", odd), ("p", at("10.0.0.3"))] {
        let wanted = direct.client.register(&service(name), instances.clone()).await.unwrap_err();
        let refused = client.client.register(&service(name), instances).await.unwrap_err();
        assert!(matches!(wanted, CallError::Server { code: 400, .. }), "{wanted:?}");
        assert_eq!(format!("{refused:?}"), format!("{wanted:?}"), "{name}");
    }
    registry.lists("s", &["10.0.0.1"]).await;
    let registry = registry.stop().await.start().await;
    registry.lists("s", &["10.0.0.1"]).await;
    drop(keeper);
}

#[tokio::test]
async fn a_registration_without_a_registry_fails_and_heals() {
    let registry = Registry::start(false).await;
    let house = open_house(&registry).await;
    let client = house.client().connected().await;
    let stopped = registry.stop().await;
    for (name, ip) in [("s", "10.0.0.1"), ("s", "10.0.0.2"), ("t", "10.0.0.3")] {
        let failed = client.client.register(&service(name), at(ip)).await.unwrap_err();
        let CallError::Server { code: 500, message, .. } = &failed else { panic!("{failed:?}") };
        assert!(message.contains("not reached") && message.contains("is kept"), "{message}");
    }
    client.client.deregister(&service("t")).await.unwrap();
    let registry = stopped.start().await;
    registry.lists("s", &["10.0.0.2"]).await;
    client.client.register(&service("u"), at("10.0.0.4")).await.unwrap();
    registry.lists("t", &[]).await;
    assert_eq!(house.metrics.front_door.registering_clients.get(), 1);
}

#[tokio::test]
async fn what_was_deregistered_while_the_registry_was_away_does_not_come_back() {
    let registry = Registry::start(false).await;
    let house = open_house(&registry).await;
    let client = house.client().connected().await;
    client.client.register(&service("s"), at("10.0.0.1")).await.unwrap();
    client.client.register(&service("t"), at("10.0.0.2")).await.unwrap();
    let stopped = registry.stop().await;
    client.client.deregister(&service("s")).await.unwrap();
    let registry = stopped.start().await;
    registry.lists("t", &["10.0.0.2"]).await;
    client.client.register(&service("t"), at("10.0.0.3")).await.unwrap();
    let left = registry.client().connected().await.client.query(&service("s")).await.unwrap();
    assert_eq!(left.hosts.len(), 0);
}

#[tokio::test]
async fn persistent_instances_outlive_their_client() {
    let registry = Registry::start(false).await;
    let house = open_house(&registry).await;
    let instance = NacosInstance { ephemeral: false, ..at("10.0.0.1").remove(0) };
    let (first, second) = (house.client().connected().await, house.client().connected().await);
    first.client.register_persistent(&service("p"), instance.clone()).await.unwrap();
    first.client.register(&service("s"), at("10.0.0.2")).await.unwrap();
    drop(first);
    registry.lists("s", &[]).await;
    registry.lists("p", &["10.0.0.1"]).await;
    second.client.deregister_persistent(&service("p"), instance).await.unwrap();
    registry.lists("p", &[]).await;
}

#[tokio::test]
async fn a_registration_that_is_refused_when_it_is_made_anew_has_its_client_connect_again() {
    let registry = Registry::start(true).await;
    let house = open_house(&registry).await;
    let headers = showing(&registry.token().await);
    let mut client = house.client_showing(&headers).connected().await;
    client.client.register(&service("s"), at("10.0.0.1")).await.unwrap();
    // The new one knows no token of the old one.
    let registry = registry.stop().await.start().await;
    headers.show(&[("accessToken".to_owned(), registry.token().await)].into());
    client.until(|event| matches!(event, ClientEvent::Disconnected { .. }).then_some(())).await;
    registry.lists("s", &["10.0.0.1"]).await;
    assert!(house.metrics.front_door.registrations_lost.get() >= 1);
}

#[tokio::test]
async fn who_shows_nothing_registers_nothing() {
    let registry = Registry::start(true).await;
    let house = open_house(&registry).await;
    for headers in [showing("wrong"), Default::default()] {
        let client = house.client_showing(&headers).connected().await;
        let refused = client.client.register(&service("s"), at("10.0.0.1")).await;
        assert!(matches!(&refused, Err(CallError::Refused { .. })), "{refused:?}");
    }
    let client = house.client_showing(&showing(&registry.token().await)).connected().await;
    client.client.register(&service("s"), at("10.0.0.2")).await.unwrap();
    registry.lists("s", &["10.0.0.2"]).await;
}

#[tokio::test]
async fn what_is_registered_bears_the_mark_of_the_gateway_in_the_registry_and_only_what_is_exported_does() {
    let registry = Registry::start(false).await;
    let house = open_house(&registry).await;
    let (client, direct) = (house.client().connected().await, registry.client().connected().await);
    let own = || NacosInstance { metadata: [("k".to_owned(), "v".to_owned())].into(), ..at("10.0.0.1").remove(0) };
    let mark = ("nacos-fed.via".to_owned(), crate::testing::MARK.to_string());
    let marked: std::collections::BTreeMap<_, _> = own().metadata.into_iter().chain([mark]).collect();
    for (name, want) in [("s", marked), ("own-s", own().metadata)] {
        client.client.register(&service(name), vec![own()]).await.unwrap();
        registry.lists(name, &["10.0.0.1"]).await;
        assert_eq!(direct.client.query(&service(name)).await.unwrap().hosts[0].metadata, want, "{name}");
    }
    assert_eq!(client.client.query(&service("own-s")).await.unwrap().hosts[0].metadata, own().metadata);
}
