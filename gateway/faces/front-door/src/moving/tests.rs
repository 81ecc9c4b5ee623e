//! Clients that move from one front door to another, before one registry.

use std::time::Duration;

use federation_ports::front_door::{FrontDoorControl, FrontDoorStatus};

use crate::AccessRule;
use crate::testing::{House, PATIENCE, Registry, at, service};

/// Waits until a front door is as wanted.
async fn until(house: &House, wanted: impl Fn(&FrontDoorStatus) -> bool) {
    let looking = async {
        while !wanted(&house.handle.status()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("{:?}", house.handle.status()));
}

#[tokio::test]
async fn a_drained_door_sends_its_clients_to_another_and_nobody_misses_them() {
    let registry = Registry::start(false).await;
    let houses = [(); 2].map(|()| House::before(registry.cluster(), AccessRule::Open));
    let client = House::client_of(&houses).connected().await;
    client.client.register(&service("s"), at("10.0.0.1")).await.unwrap();
    let mut watcher = registry.client();
    watcher.sees(&service("s"), &["10.0.0.1"]).await;
    let (server, _) = client.client.connected_to().expect("it is connected");
    let here = houses.iter().position(|house| house.address.to_string() == server).expect("one of both");
    let (drained, other) = (&houses[here], &houses[1 - here]);
    drained.handle.drain();
    until(drained, |status| status.drained && status.connections == 0 && status.registering_clients == 0).await;
    until(other, |status| status.registering_clients == 1 && status.upstream_connected == 1).await;
    until(drained, |status| status.upstream_connected == 0).await;
    for list in watcher.lists_so_far() {
        assert_eq!(list, ["10.0.0.1"], "it was never missing, and never there twice");
    }
    registry.lists("s", &["10.0.0.1"]).await;
    drained.handle.undrain();
    drained.client().connected().await.client.register(&service("t"), at("10.0.0.2")).await.unwrap();
}

#[tokio::test]
async fn a_client_that_has_nowhere_else_to_go_comes_back_when_clients_are_taken_again() {
    let registry = Registry::start(false).await;
    let house = House::before(registry.cluster(), AccessRule::Open);
    let client = house.client().connected().await;
    client.client.register(&service("s"), at("10.0.0.1")).await.unwrap();
    house.handle.drain();
    until(&house, |status| status.connections == 0).await;
    house.handle.undrain();
    until(&house, |status| status.registering_clients == 1).await;
    registry.lists("s", &["10.0.0.1"]).await;
}

#[tokio::test]
async fn a_door_that_stops_asks_its_clients_to_go_and_ends_in_time() {
    let registry = Registry::start(false).await;
    let mut house = House::before(registry.cluster(), AccessRule::Open);
    let client = house.client().connected().await;
    client.client.register(&service("s"), at("10.0.0.1")).await.unwrap();
    house.stop.cancel();
    until(&house, |status| status.drained && status.connections == 0).await;
    assert_eq!(house.handle.status().upstream_connected, 1, "what it registered stays while it moves");
    let ended = tokio::time::timeout(Duration::from_millis(6_500), house.tasks.join_next()).await;
    ended.expect("it stops in time").expect("it ran").expect("no panic").expect("no failure");
    registry.lists("s", &[]).await;
}

#[tokio::test]
async fn a_door_without_clients_stops_at_once() {
    let registry = Registry::start(false).await;
    let mut house = House::before(registry.cluster(), AccessRule::PassThrough);
    house.stop.cancel();
    let ended = tokio::time::timeout(super::MOVE_WITHIN, house.tasks.join_next()).await;
    ended.expect("at once").expect("it ran").expect("no panic").expect("no failure");
}
