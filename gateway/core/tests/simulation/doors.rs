//! Gateways that are killed with clients behind their front doors: a Nacos drops at once what was registered through them, and the clients come back
//! through another one. Nobody misses them meanwhile; and who dies behind a gateway that lives goes as soon as ever.

use std::collections::BTreeMap;

use federation_core::id::InstanceId;
use federation_core::instance::Instance;
use federation_core::local::mark::DoorMark;
use federation_core::service::HoldReason;

use crate::found::with_standby;
use crate::world::{STEP, World, cluster, id, instance, service};

const S: &str = "shanghai";
const STANDBY: &str = "standby";
const F: &str = "frankfurt";

/// A Nacos gathers changes for so long before it pushes them.
const PUSH_DELAY: u64 = 500;

/// So few that losing all of them is no mass loss.
const CLIENTS: std::ops::Range<u64> = 100..109;

/// What a client registers through the door of this gateway.
fn through(world: &World, gateway: &str) -> Instance {
    let mark = DoorMark(world.gateways[&cluster(gateway)].core.identity().nonce).to_string();
    Instance { metadata: [("k", "v"), (DoorMark::KEY, &*mark)].into_iter().collect(), ..instance(1.0, true) }
}

/// The same as the federation tells it.
fn told() -> Instance {
    Instance { metadata: [("k", "v")].into_iter().collect(), ..instance(1.0, true) }
}

/// Both gateways of shanghai see one Nacos.
fn set(world: &mut World, ids: impl Iterator<Item = u64>, value: Option<&Instance>) {
    for last in ids {
        for name in
            [S, STANDBY].into_iter().filter(|name| world.gateways.contains_key(&cluster(name))).collect::<Vec<_>>()
        {
            world.set(name, &service("orders"), &id(last), value.cloned());
        }
    }
}

/// Clients behind the door of this gateway, seen everywhere.
fn with_clients_behind(gateway: &str) -> World {
    let mut world = with_standby();
    let registered = through(&world, gateway);
    set(&mut world, CLIENTS, Some(&registered));
    world.run(3_000);
    assert_eq!(clients(&mut world, F).len(), CLIENTS.count());
    world
}

fn clients(world: &mut World, at: &str) -> BTreeMap<InstanceId, Instance> {
    let mut shown = world.shown(at, S, &service("orders"));
    shown.retain(|of, _| CLIENTS.map(id).any(|client| client == *of));
    shown
}

/// Runs for so long; nobody of these misses a client meanwhile.
fn nobody_is_missed(world: &mut World, at: &[&str], millis: u64, what: &str) {
    let began = world.now;
    while world.now < began + millis {
        world.run(STEP);
        for name in at {
            let shown = clients(world, name);
            assert_eq!(shown.len(), CLIENTS.count(), "{what}: {name} misses some {} ms later", world.now - began);
            assert!(shown.values().all(|shown| *shown == told()), "{what}: {name} tells {shown:?}");
        }
    }
}

/// Runs until nobody of `clients` is shown there any more; how long that took.
fn gone_after(world: &mut World, at: &str, gone: &[u64], within: u64) -> u64 {
    let began = world.now;
    loop {
        let shown = clients(world, at);
        if gone.iter().all(|last| !shown.contains_key(&id(*last))) {
            return world.now - began;
        }
        assert!(world.now < began + within, "{at} shows {} clients after {within} ms", shown.len());
        world.run(STEP);
    }
}

#[test]
fn nobody_misses_what_was_registered_through_a_killed_gateway_until_its_clients_are_back() {
    for (killed, left) in [(STANDBY, S), (S, STANDBY)] {
        for phase in [0, 300, 650, 4_950] {
            for back_after in [50, 1_000, 5_000, 13_000] {
                let what = format!("{killed} killed, {phase} ms, back after {back_after} ms");
                let mut world = with_clients_behind(killed);
                world.run(phase); // Beats come at any time of that.
                world.kill(killed);
                nobody_is_missed(&mut world, &[left, F], PUSH_DELAY, &what);
                set(&mut world, CLIENTS, None);
                nobody_is_missed(&mut world, &[left, F], back_after, &what);
                let registered = through(&world, left);
                for client in CLIENTS {
                    set(&mut world, client..=client, Some(&registered)); // One by one.
                    nobody_is_missed(&mut world, &[left, F], 150, &what);
                }
                nobody_is_missed(&mut world, &[left, F], 40_000, &what);
                let held = world.gateways[&cluster(left)].core.removals_held();
                assert_eq!(held.get(&HoldReason::ThroughGateway), None, "{what}");
            }
        }
    }
}

#[test]
fn who_does_not_come_back_from_a_killed_gateway_is_gone_after_the_hold() {
    for (killed, left, latest) in [(STANDBY, S, 17_000), (S, STANDBY, 25_000)] {
        let mut world = with_clients_behind(killed);
        world.kill(killed);
        world.run(PUSH_DELAY);
        set(&mut world, CLIENTS, None);
        world.run(2_000);
        let held = world.gateways[&cluster(left)].core.removals_held();
        let taken_over = held.get(&HoldReason::AfterConnect).copied().unwrap_or(0); // Then all lists are doubted.
        let waiting = held.get(&HoldReason::ThroughGateway).copied().unwrap_or(0);
        assert_eq!(waiting + taken_over, CLIENTS.count(), "{killed}");
        let registered = through(&world, left);
        set(&mut world, 100..104, Some(&registered));
        let took = gone_after(&mut world, F, &[104, 105, 106, 107, 108], latest) + 2_000;
        assert!(took >= 15_000, "{killed}: gone after {took} ms");
        assert_eq!(clients(&mut world, F).len(), 4, "those who came back stay");
    }
}

#[test]
fn who_dies_behind_a_gateway_that_lives_is_gone_at_once() {
    for door in [S, STANDBY] {
        for phase in (0..10_000).step_by(650) {
            let mut world = with_clients_behind(door);
            world.run(phase); // Standbys restate themselves each ten seconds: at any time of that.
            set(&mut world, 100..102, None);
            let took = gone_after(&mut world, F, &[100, 101], 10_000);
            assert!(took <= 800, "behind {door}, {phase} ms: gone after {took} ms");
            world.run(60_000);
            assert_eq!(clients(&mut world, F).len(), CLIENTS.count() - 2);
        }
    }
}

#[test]
fn a_server_of_nacos_that_tells_a_gateway_later_delays_a_removal_by_no_more_than_that_and_a_beat() {
    for (first, second) in [(S, STANDBY), (STANDBY, S)] {
        for apart in [100, 400, 1_000, 2_000] {
            let mut world = with_clients_behind(STANDBY);
            world.set(first, &service("orders"), &id(100), None);
            world.run(apart);
            world.set(second, &service("orders"), &id(100), None);
            let took = gone_after(&mut world, F, &[100], 10_000);
            assert!(took <= 1_800, "{first} was told {apart} ms before {second}: gone {took} ms after that");
        }
    }
}

#[test]
fn a_gateway_that_is_paused_or_cut_off_from_its_nacos_is_no_witness() {
    for paused in [true, false] {
        let mut world = with_clients_behind(STANDBY);
        if paused {
            world.log.paused.insert(cluster(STANDBY));
        } else {
            world.cut_nacos(STANDBY);
        }
        world.run(20_000); // A Nacos takes clients for gone that were silent for so long.
        world.set(S, &service("orders"), &id(100), None);
        let took = gone_after(&mut world, F, &[100], 20_000);
        assert!(took >= 15_000, "paused: {paused}, gone after {took} ms");
    }
}

#[test]
fn an_old_record_that_is_read_again_is_no_word_of_a_gateway_that_is_dead() {
    let mut world = with_clients_behind(STANDBY);
    world.kill(STANDBY);
    world.run(PUSH_DELAY);
    set(&mut world, CLIENTS, None);
    for _ in 0..3 {
        nobody_is_missed(&mut world, &[S, F], 2_000, "before the topic is read anew");
        let control = world.control_of(S);
        world.begin_anew(S, &control);
    }
    nobody_is_missed(&mut world, &[S, F], 6_000, "after");
}

#[test]
fn a_gateway_that_was_killed_and_started_again_finds_its_clients_missing_nowhere() {
    let mut world = with_clients_behind(STANDBY);
    world.restart(STANDBY); // Another process by its nonce, whatever its name.
    world.run(PUSH_DELAY);
    set(&mut world, CLIENTS, None);
    nobody_is_missed(&mut world, &[S, F], 5_000, "before they are back");
    let registered = through(&world, STANDBY);
    set(&mut world, CLIENTS, Some(&registered));
    nobody_is_missed(&mut world, &[S, F, STANDBY], 40_000, "after");
}

#[test]
fn a_client_that_moves_from_door_to_door_changes_nothing_that_others_see() {
    let mut world = with_clients_behind(STANDBY);
    let sends = world.gateways[&cluster(S)].data_sends;
    let registered = through(&world, S);
    set(&mut world, CLIENTS, Some(&registered));
    world.run(5_000);
    assert_eq!(world.gateways[&cluster(S)].data_sends, sends, "the mark is in no record");
    world.kill(STANDBY);
    world.run(1_000);
    set(&mut world, 100..101, None);
    let took = gone_after(&mut world, F, &[100], 10_000);
    assert!(took <= 500, "it came through the door that lives: gone after {took} ms");
}

#[test]
fn replicas_say_nothing_out_of_turn_while_nothing_goes_missing_behind_a_door() {
    let mut world = with_clients_behind(STANDBY);
    let records = |world: &World| world.log.control[&cluster(S)].len();
    let before = records(&world);
    world.run(60_000);
    let at_rest = records(&world) - before;
    world.set(S, &service("orders"), &id(21), None); // Registered with Nacos itself.
    world.set(STANDBY, &service("orders"), &id(21), None);
    let before = records(&world);
    world.run(60_000);
    assert!(records(&world) - before <= at_rest + 2, "{at_rest} at rest");
}
