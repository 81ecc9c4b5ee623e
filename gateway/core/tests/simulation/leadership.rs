//! Who leads when Nacos nodes, leaders and clocks fail: handing over (rule R11), and what a watcher elsewhere sees of a takeover.

use std::collections::{BTreeMap, BTreeSet};

use federation_core::freshness::Freshness;
use federation_core::id::InstanceId;
use federation_core::lease::ReplicaRole;
use federation_core::log::control::{ControlKey, ControlValue, ReplicaState};

use crate::found::with_standby;
use crate::world::{STEP, World, cluster, id, instance, service};
use crate::{freshness, truth};

const S: &str = "shanghai";
const STANDBY: &str = "standby";
const F: &str = "frankfurt";

fn role(world: &World, name: &str) -> ReplicaRole {
    world.gateways[&cluster(name)].core.role()
}

/// Runs until the gateway leads; how long that took.
fn leads_after(world: &mut World, name: &str, within: u64) -> u64 {
    let from = world.now;
    while role(world, name) != ReplicaRole::Leading {
        assert!(world.now < from + within, "{name} does not lead after {within} ms: {:?}", role(world, name));
        world.run(STEP);
    }
    world.now - from
}

/// Every term that the control topic of shanghai has seen.
fn terms(world: &World) -> BTreeSet<u32> {
    let records = world.log.control[&cluster(S)].iter();
    records.filter_map(|it| it.header).map(|header| header.epoch.term).collect()
}

/// How often somebody of shanghai said that it stopped.
fn stops(world: &World) -> usize {
    let says = |value: &Option<ControlValue>| matches!(value, Some(ControlValue::Replica(it)) if it.state == ReplicaState::Stopped);
    world.log.control[&cluster(S)]
        .iter()
        .filter(|it| matches!(it.key, ControlKey::Replica(_)) && says(&it.value))
        .count()
}

// ---- handing over (rule R11) ----------------------------------------------------------------------------------

#[test]
fn a_leader_whose_nacos_node_is_cut_off_hands_over_to_a_standby_whose_node_is_well() {
    for silent in [false, true] {
        for phase in [0, 1_300, 4_700, 9_900] {
            let mut world = with_standby();
            world.run(phase); // Standbys restate themselves each ten seconds: at any time of that.
            if silent {
                world.nacos(S).up = false; // The connection stands, and nothing comes.
            } else {
                world.cut_nacos(S);
            }
            let took = leads_after(&mut world, STANDBY, 15_000);
            assert!(took >= 10_000, "handed over after {took} ms");
            assert_eq!(stops(&world), 1);
            world.set(STANDBY, &service("orders"), &id(26), Some(instance(1.0, true)));
            world.run(2_000);
            assert_eq!(world.shown(F, S, &service("orders")), truth(&mut world, STANDBY), "silent: {silent}, {phase}");
            assert_eq!(freshness(&mut world, F, S), Freshness::Live);
            world.run(30_000);
            assert_eq!((role(&world, S), role(&world, STANDBY)), (ReplicaRole::Standby, ReplicaRole::Leading));
        }
    }
}

#[test]
fn nothing_is_removed_by_a_leader_that_hands_over() {
    let mut world = with_standby();
    world.cut_nacos(S);
    for turn in 0..1_200 {
        world.run(STEP);
        assert_eq!(world.shown(F, S, &service("orders")).len(), 3, "{} ms after the cut", turn * STEP);
    }
    assert_eq!(role(&world, STANDBY), ReplicaRole::Leading);
}

#[test]
fn replicas_that_are_all_without_nacos_never_hand_over_to_and_fro() {
    for silent in [false, true] {
        for apart in [0, 1_000, 3_000, 4_900] {
            let mut world = with_standby();
            let before = terms(&world);
            for name in [S, STANDBY] {
                if silent {
                    world.nacos(name).up = false;
                } else {
                    world.cut_nacos(name);
                }
                world.run(apart);
            }
            world.run(600_000);
            assert_eq!(terms(&world), before, "silent: {silent}, {apart} ms apart");
            assert_eq!((role(&world, S), stops(&world)), (ReplicaRole::Leading, 0));
        }
    }
}

#[test]
fn a_leadership_that_was_handed_to_one_who_then_lost_its_nacos_too_stays_there() {
    let mut world = with_standby();
    world.nacos(S).up = false;
    world.run(7_000);
    world.nacos(STANDBY).up = false; // Three seconds ago when the leader decides.
    world.run(600_000);
    assert_eq!(
        (role(&world, S), role(&world, STANDBY), stops(&world)),
        (ReplicaRole::Standby, ReplicaRole::Leading, 1)
    );
}

#[test]
fn a_nacos_that_comes_and_goes_at_both_moves_the_leadership_rarely() {
    let mut world = with_standby();
    let before = terms(&world).len();
    for _ in 0..20 {
        for name in [S, STANDBY] {
            world.cut_nacos(name);
            world.run(7_000);
            world.nacos(name).up = true;
            world.run(7_000);
        }
    }
    assert_eq!(terms(&world).len(), before, "no node was ever away for ten seconds");
}

#[test]
fn a_leader_without_nacos_leads_on_while_nobody_else_could() {
    let mut world = with_standby();
    world.log.deaf.insert(cluster(STANDBY)); // Warm, well with Nacos, and reads nothing.
    world.cut_nacos(S);
    world.run(60_000);
    assert_eq!((role(&world, S), stops(&world)), (ReplicaRole::Leading, 0));
    world.log.deaf.clear();
    leads_after(&mut world, STANDBY, 5_000);
}

#[test]
fn who_handed_over_may_lead_again_once_its_nacos_is_back() {
    let mut world = with_standby();
    world.cut_nacos(S);
    leads_after(&mut world, STANDBY, 15_000);
    world.nacos(S).up = true;
    world.run(30_000);
    assert_eq!(role(&world, STANDBY), ReplicaRole::Leading, "nobody takes it back");
    world.kill(STANDBY);
    leads_after(&mut world, S, 6_000);
}

// ---- true ages (rule R11) -------------------------------------------------------------------------------------

#[test]
fn a_leader_that_cannot_take_its_log_over_is_as_old_as_its_leadership() {
    let mut world = with_standby();
    world.log.no_ends_of_data.insert(cluster(STANDBY));
    world.kill(S);
    leads_after(&mut world, STANDBY, 6_000);
    world.set(STANDBY, &service("orders"), &id(26), Some(instance(1.0, true)));
    world.run(20_000);
    assert!(!world.gateways[&cluster(STANDBY)].core.has_taken_over());
    assert_eq!(freshness(&mut world, F, S), Freshness::Stale, "it beats, and publishes nothing");
    world.log.no_ends_of_data.clear();
    world.run(10_000);
    assert_eq!(freshness(&mut world, F, S), Freshness::Live);
}

// ---- what a watcher elsewhere sees of a takeover --------------------------------------------------------------

/// Watches a service of shanghai in frankfurt: what came, and for how long each change was under way.
#[derive(Default)]
struct Watcher {
    shown: BTreeMap<InstanceId, f64>,
    /// Changes that came, in their order: whose, and the weight.
    came: Vec<(InstanceId, f64)>,
}

impl Watcher {
    fn look(&mut self, world: &mut World) {
        let now = world.shown(F, S, &service("orders"));
        for (id, instance) in &now {
            let weight = instance.weight.get();
            if self.shown.get(id) != Some(&weight) {
                self.came.push((id.clone(), weight));
            }
        }
        assert!(self.shown.keys().all(|id| now.contains_key(id)), "something went: {:?}", self.shown);
        self.shown = now.into_iter().map(|(id, instance)| (id, instance.weight.get())).collect();
    }
}

/// A change at both nodes of shanghai's Nacos each 100 ms, for 60 s, while `meanwhile` happens (told the milliseconds since the start). Each
/// is a new weight of one instance, and a new instance. Fails unless a watcher elsewhere gets each exactly once, in order, within 6 s.
fn each_change_arrives_once(mut world: World, meanwhile: impl Fn(&mut World, u64)) {
    let changing = id(20);
    let mut watcher = Watcher::default();
    watcher.look(&mut world);
    watcher.came.clear();
    let (mut made, mut last_came, mut gap) = (0u32, world.now, 0);
    let newcomer = |number: u32| InstanceId::new(&format!("10.9.{}.{}", number / 250, number % 250), 80, "DEFAULT");
    let start = world.now;
    while world.now < start + 70_000 {
        let since = world.now - start;
        if since < 60_000 && since.is_multiple_of(100) {
            made += 1;
            for name in [S, STANDBY] {
                if world.gateways.contains_key(&cluster(name)) {
                    world.set(name, &service("orders"), &changing, Some(instance(f64::from(made), true)));
                    world.set(name, &service("orders"), &newcomer(made), Some(instance(1.0, true)));
                }
            }
        }
        meanwhile(&mut world, since);
        world.run(STEP);
        let before = watcher.came.len();
        watcher.look(&mut world);
        if watcher.came.len() > before {
            gap = gap.max(world.now - last_came);
            last_came = world.now;
        }
    }
    assert!(gap <= 6_000, "nothing came for {gap} ms");
    let weights: Vec<f64> = watcher.came.iter().filter(|(id, _)| *id == changing).map(|(_, weight)| *weight).collect();
    assert!(weights.is_sorted_by(|left, right| left < right), "one instance's changes came out of order: {weights:?}");
    assert_eq!(weights.last(), Some(&f64::from(made)));
    let came: Vec<&InstanceId> = watcher.came.iter().map(|(id, _)| id).filter(|id| **id != changing).collect();
    let once: BTreeSet<&InstanceId> = came.iter().copied().collect();
    assert_eq!((came.len(), once.len()), (made as usize, made as usize), "each new instance came exactly once");
}

#[test]
fn each_change_arrives_once_and_in_order_while_the_leader_is_paused_for_15_s() {
    let world = with_standby();
    each_change_arrives_once(world, |world, since| match since {
        10_000 => drop(world.log.paused.insert(cluster(S))),
        25_000 => drop(world.log.paused.remove(&cluster(S))),
        _ => {}
    });
}

#[test]
fn each_change_arrives_once_and_in_order_though_the_leader_is_killed() {
    let world = with_standby();
    each_change_arrives_once(world, |world, since| {
        if since == 10_000 {
            world.kill(S);
        }
    });
}

#[test]
fn a_change_that_only_the_killed_leader_saw_and_wrote_stays_until_it_is_proven_gone() {
    let mut world = with_standby();
    world.set(S, &service("orders"), &id(25), Some(instance(1.0, true)));
    world.run(500);
    world.kill(S);
    world.run(10_000);
    assert_eq!(world.shown(F, S, &service("orders")).len(), 4, "held");
    world.run(30_000);
    assert_eq!(world.shown(F, S, &service("orders")), truth(&mut world, STANDBY), "and gone, since nobody has it");
}
