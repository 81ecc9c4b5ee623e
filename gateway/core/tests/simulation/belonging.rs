//! Two gateways with one cluster's id: replicas of it, or strangers (rule R13).

use federation_core::freshness::Freshness;
use federation_core::input::{Input, LogInput, OperatorOrder, OrderId};
use federation_core::lease::ReplicaRole;
use federation_core::locality::Locality;
use federation_core::log::belonging::{AdoptRefused, Contradiction};
use federation_core::log::control::{ControlKey, ControlValue, Descriptor, ReplicaState};

use crate::world::{Nacos, PARTITIONS, STEP, World, cluster, id, instance, service};
use crate::{freshness, truth};

const S: &str = "shanghai";
const OTHER: &str = "other";
const F: &str = "frankfurt";

fn descriptor(region: &str, servers: &[&str]) -> Descriptor {
    Descriptor {
        locality: Locality { region: Some(region.into()), ..Locality::default() },
        nacos_servers: servers.iter().map(|server| (*server).into()).collect(),
        partitions: PARTITIONS,
        generation: 1,
        reads_schema: 2,
        ..Descriptor::default()
    }
}

fn with_instances(numbers: impl Iterator<Item = u64>) -> Nacos {
    let instances = numbers.map(|number| (id(number), instance(1.0, true))).collect();
    Nacos { up: true, reads_allowed: true, services: [(service("orders"), instances)].into(), ..Nacos::default() }
}

/// Frankfurt watches; shanghai leads beside its Nacos of three instances.
fn settled() -> World {
    let mut world = World::new(1, &[F]);
    world.set(F, &service("orders"), &id(10), Some(instance(1.0, true)));
    world.start_described(&cluster(S), &cluster(S), with_instances(20..23), descriptor("cn", &["n1:8848", "n2:8848"]));
    world.run(30_000);
    assert_eq!(role(&world, S), ReplicaRole::Leading);
    world
}

/// The same, and a second gateway with the same id beside another Nacos of one instance.
fn with_stranger() -> World {
    let mut world = settled();
    world.start_described(&cluster(OTHER), &cluster(S), with_instances(66..67), descriptor("cn", &["m1:8848"]));
    world.run(30_000);
    world
}

fn role(world: &World, name: &str) -> ReplicaRole {
    world.gateways[&cluster(name)].core.role()
}

fn state(world: &World, name: &str) -> ReplicaState {
    world.gateways[&cluster(name)].core.lease().state()
}

/// The last descriptor in shanghai's control topic.
fn described(world: &World) -> Option<Descriptor> {
    world.log.control[&cluster(S)].iter().rev().find(|it| it.key == ControlKey::Descriptor).and_then(|it| {
        match &it.value {
            Some(ControlValue::Descriptor(descriptor)) => Some(descriptor.clone()),
            _ => None,
        }
    })
}

fn adopt(world: &mut World, name: &str) {
    world.adopted = None;
    world.tell(&cluster(name), Input::Order(OperatorOrder::Adopt { id: OrderId(1) }));
}

// ---- who is a stranger ----------------------------------------------------------------------------------------

#[test]
fn a_second_gateway_with_the_same_id_beside_another_nacos_is_a_stranger_and_both_say_so() {
    let mut world = with_stranger();
    assert_eq!((state(&world, S), state(&world, OTHER)), (ReplicaState::Leader, ReplicaState::Stranger));
    let (first, second) = (descriptor("cn", &["n1:8848", "n2:8848"]), descriptor("cn", &["m1:8848"]));
    let now = world.clocks().mono;
    let says = |world: &World, name: &str| world.gateways[&cluster(name)].core.membership(now);
    let there = says(&world, OTHER);
    assert_eq!((there.own, there.in_force), (second.clone(), Some(first.clone())));
    assert_eq!((there.contradictions, there.strangers), (vec![Contradiction::NacosServers], vec![]));
    let here = says(&world, S);
    assert_eq!((here.in_force, here.contradictions), (Some(first), vec![]));
    assert_eq!(here.strangers.len(), 1);
    assert_eq!(
        (&here.strangers[0].descriptor, &here.strangers[0].contradictions[..]),
        (&second, &[Contradiction::NacosServers][..])
    );
    for at in [F, S] {
        assert_eq!(world.shown(at, S, &service("orders")), truth(&mut world, S), "nobody's instances change, at {at}");
    }
    world.run(600_000);
    assert_eq!(world.gateways[&cluster(OTHER)].data_sends, 0);
    assert_eq!(world.shown(F, S, &service("orders")), truth(&mut world, S));
}

#[test]
fn a_stranger_never_leads_whatever_becomes_of_the_leader() {
    for how in ["killed", "stopped", "without nacos", "paused"] {
        let mut world = with_stranger();
        match how {
            "killed" => world.kill(S),
            "stopped" => {
                world.tell(&cluster(S), Input::Stop);
                world.kill(S);
            }
            "paused" => drop(world.log.paused.insert(cluster(S))),
            _ => world.cut_nacos(S),
        }
        for turn in 0..2_400 {
            world.run(STEP);
            assert_eq!(state(&world, OTHER), ReplicaState::Stranger, "{how}");
            assert_eq!(world.shown(F, S, &service("orders")).len(), 3, "{how}, {} ms later", turn * STEP);
        }
        assert_eq!(world.gateways[&cluster(OTHER)].data_sends, 0, "{how}");
        assert_ne!(freshness(&mut world, F, S), Freshness::Live, "{how}: nobody leads");
    }
}

#[test]
fn a_stranger_reads_and_serves() {
    let mut world = with_stranger();
    assert_eq!(world.shown(OTHER, F, &service("orders")), truth(&mut world, F));
    assert_eq!(world.shown(OTHER, S, &service("orders")), truth(&mut world, OTHER), "its own nacos, as it sees it");
}

#[test]
fn replicas_that_name_a_server_in_common_follow_each_other() {
    let mut world = settled();
    let standby = descriptor("cn", &["n2:8848", "n3:8848"]);
    world.start_described(&cluster(OTHER), &cluster(S), with_instances(20..23), standby.clone());
    world.run(30_000);
    assert_eq!(state(&world, OTHER), ReplicaState::Standby);
    world.kill(S);
    world.run(10_000);
    assert_eq!((role(&world, OTHER), described(&world)), (ReplicaRole::Leading, Some(standby)), "it describes itself");
    assert_eq!(world.shown(F, S, &service("orders")).len(), 3);
}

#[test]
fn a_gateway_that_comes_back_elsewhere_waits_to_be_adopted() {
    let mut world = settled();
    world.kill(S);
    world.start_described(&cluster(S), &cluster(S), with_instances(20..23), descriptor("eu", &["n1:8848"]));
    world.run(60_000);
    assert_eq!(state(&world, S), ReplicaState::Stranger);
    assert_eq!(world.shown(F, S, &service("orders")).len(), 3, "nobody publishes, and nothing goes");
    adopt(&mut world, S);
    world.run(10_000);
    assert_eq!((role(&world, S), described(&world)), (ReplicaRole::Leading, Some(descriptor("eu", &["n1:8848"]))));
    assert_eq!(freshness(&mut world, F, S), Freshness::Live);
}

#[test]
fn of_two_that_begin_at_once_beside_two_nacos_one_leads_and_one_is_a_stranger() {
    for seed in 0..12 {
        let mut world = World::new(seed, &[F]);
        world.start_described(&cluster(S), &cluster(S), with_instances(20..23), descriptor("cn", &["n1:8848"]));
        world.start_described(&cluster(OTHER), &cluster(S), with_instances(66..67), descriptor("cn", &["m1:8848"]));
        world.faults = true; // Each may hear of the other late.
        world.run(10_000);
        world.faults = false;
        world.run(60_000);
        let mut states = [state(&world, S), state(&world, OTHER)];
        states.sort_by_key(|state| *state != ReplicaState::Leader);
        assert_eq!(states, [ReplicaState::Leader, ReplicaState::Stranger], "seed {seed}");
    }
}

#[test]
fn of_two_that_claim_before_they_hear_of_each_other_one_gives_way() {
    for seed in 0..6 {
        let mut world = World::new(seed, &[F]);
        let names = [(S, "n1:8848", 20), (OTHER, "m1:8848", 66)];
        for (name, server, number) in names {
            let nacos = with_instances(number..number + 1);
            world.start_described(&cluster(name), &cluster(S), nacos, descriptor("cn", &[server]));
            world.log.no_ends.insert(cluster(name));
        }
        world.run(1_000);
        let (partition, end) = (world.control_of(S), u64::try_from(world.log.control[&cluster(S)].len()).unwrap());
        for (name, ..) in names {
            assert!(matches!(role(&world, name), ReplicaRole::Asking(_)), "{name}: {:?}", role(&world, name));
            world.tell(&cluster(name), Input::Log(LogInput::EndOffset { partition: partition.clone(), end }));
            assert!(matches!(role(&world, name), ReplicaRole::Claiming { .. }));
        }
        world.log.no_ends.clear();
        world.run(30_000);
        let mut states = [state(&world, S), state(&world, OTHER)];
        states.sort_by_key(|state| *state != ReplicaState::Leader);
        assert_eq!(states, [ReplicaState::Leader, ReplicaState::Stranger], "seed {seed}");
    }
}

// ---- adopting -------------------------------------------------------------------------------------------------

#[test]
fn an_adopted_descriptor_makes_the_former_leader_the_stranger() {
    let mut world = with_stranger();
    adopt(&mut world, OTHER);
    world.run(5_000);
    let adopted = world.adopted.clone().unwrap().unwrap();
    assert_eq!(adopted.descriptor, descriptor("cn", &["m1:8848"]));
    assert_eq!(adopted.was, Some(descriptor("cn", &["n1:8848", "n2:8848"])));
    assert_eq!((state(&world, S), state(&world, OTHER)), (ReplicaState::Stranger, ReplicaState::Leader));
    world.run(60_000);
    assert_eq!(world.shown(F, S, &service("orders")), truth(&mut world, OTHER));
    assert_eq!(described(&world), Some(descriptor("cn", &["m1:8848"])));
    adopt(&mut world, S);
    world.run(60_000);
    assert_eq!((state(&world, S), state(&world, OTHER)), (ReplicaState::Leader, ReplicaState::Stranger), "and back");
    assert_eq!(world.shown(F, S, &service("orders")), truth(&mut world, S));
}

#[test]
fn to_adopt_what_is_in_force_is_answered_and_writes_nothing() {
    let mut world = settled();
    let records = world.log.control[&cluster(S)].len();
    adopt(&mut world, S);
    assert!(world.adopted.clone().is_some_and(|outcome| outcome.is_ok()));
    assert_eq!(world.log.control[&cluster(S)].len(), records);
}

#[test]
fn an_adoption_that_does_not_come_back_is_answered_too() {
    let mut world = with_stranger();
    world.log.swallows_control = true;
    adopt(&mut world, OTHER);
    world.run(9_000);
    assert_eq!(world.adopted, None);
    world.run(2_000);
    assert!(matches!(world.adopted, Some(Err(AdoptRefused::NotReadBack { .. }))), "{:?}", world.adopted);
    world.log.swallows_control = false;
    world.run(10_000);
    assert_eq!(state(&world, OTHER), ReplicaState::Stranger);
    world.log.up = false;
    world.run(10_000);
    adopt(&mut world, OTHER);
    assert!(matches!(world.adopted, Some(Err(AdoptRefused::Unreachable { .. }))), "{:?}", world.adopted);
}

#[test]
fn an_old_descriptor_on_the_way_makes_no_leader_a_stranger() {
    let mut world = with_stranger();
    adopt(&mut world, OTHER);
    world.run(30_000);
    assert_eq!(role(&world, OTHER), ReplicaRole::Leading);
    let place = world.control_of(S);
    let records = world.log.control[&cluster(S)].clone();
    let first = records.iter().position(|it| it.key == ControlKey::Descriptor).unwrap();
    world.tell(&cluster(OTHER), Input::Log(LogInput::Restarted(place)));
    let records = records[..=first].to_vec(); // Up to the descriptor of the former leader: the rest comes later.
    world.tell(&cluster(OTHER), Input::Log(LogInput::Control { origin: cluster(S), records }));
    assert_eq!(state(&world, OTHER), ReplicaState::Leader);
}

#[test]
fn a_stranger_stays_one_though_the_control_topic_is_created_anew() {
    let mut world = with_stranger();
    world.recreate_control(S);
    world.run(60_000);
    assert_eq!((state(&world, S), state(&world, OTHER)), (ReplicaState::Leader, ReplicaState::Stranger));
    assert_eq!(described(&world), Some(descriptor("cn", &["n1:8848", "n2:8848"])));
}
