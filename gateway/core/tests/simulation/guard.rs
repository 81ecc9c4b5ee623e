//! Mass losses: what the guard holds, what it lets pass, who decides, and what survives a change of leaders.

use std::collections::{BTreeMap, BTreeSet};

use federation_core::guard::{GuardOrder, GuardRefused, GuardTarget, GuardWord};
use federation_core::id::{InstanceId, ServiceKey};
use federation_core::input::{Input, OperatorOrder, OrderId};
use federation_core::instance::Health;
use federation_core::lease::ReplicaRole;
use federation_core::service::HoldReason;

use crate::random::NAMES;
use crate::world::{Nacos, STEP, World, cluster, id, instance, service};

const S: &str = "shanghai";
const F: &str = "frankfurt";

/// Two gateways, and ten services of ten instances each in Shanghai's Nacos.
fn hundred() -> World {
    let mut world = World::new(1, &NAMES);
    for (service, id) in all() {
        world.set(S, &service, &id, Some(instance(1.0, true)));
    }
    world.run(100_000); // Everything is settled, and a window has passed since it came.
    assert_eq!(shown(&mut world, F), 100);
    world
}

fn all() -> impl Iterator<Item = (ServiceKey, InstanceId)> {
    (0..10).flat_map(|name| (0..10).map(move |number| (service(&format!("s{name}")), id(name * 10 + number))))
}

/// Instances of Shanghai that a gateway shows.
fn shown(world: &mut World, at: &str) -> usize {
    (0..10).map(|name| world.shown(at, S, &service(&format!("s{name}"))).len()).sum()
}

fn lose(world: &mut World, at: &str, lost: impl Iterator<Item = (ServiceKey, InstanceId)>) {
    lost.for_each(|(service, id)| world.set(at, &service, &id, None));
}

fn bring_back(world: &mut World, at: &str) {
    all().for_each(|(service, id)| world.set(at, &service, &id, Some(instance(1.0, true))));
}

fn target() -> GuardTarget {
    "shanghai/public".parse().unwrap()
}

fn order(world: &mut World, at: &str, word: GuardWord) {
    let order =
        GuardOrder { target: target(), word, who: "ann".into(), why: "it is so".into(), giver: Default::default() };
    world.tell(&cluster(at), Input::Order(OperatorOrder::Guard { id: OrderId(1), order }));
}

/// The word in force about the hold, as a gateway knows it.
fn word(world: &World, at: &str) -> Option<GuardWord> {
    world.gateways[&cluster(at)].core.guard().get(&target()).map(|found| found.entry.word)
}

fn reasons(world: &World, at: &str) -> BTreeMap<HoldReason, usize> {
    world.gateways[&cluster(at)].core.removals_held().clone()
}

/// Runs and fails as soon as a gateway shows less than everything.
fn run_whole(world: &mut World, millis: u64) {
    let names: BTreeSet<String> = world.gateways.keys().map(ToString::to_string).collect();
    for turn in 0..millis / STEP {
        world.run(STEP);
        for name in &names {
            assert_eq!(shown(world, name), 100, "{} ms, at {name}", turn * STEP);
        }
    }
}

#[test]
fn a_nacos_that_answers_empty_for_everything_removes_nothing_anywhere_and_says_so() {
    let mut world = hundred();
    lose(&mut world, S, all());
    run_whole(&mut world, 200_000);
    assert_eq!(reasons(&world, S), BTreeMap::from([(HoldReason::MassLoss, 100)]));
    for at in NAMES {
        let guard = world.gateways[&cluster(at)].core.guard();
        let (known, found) = guard.standing().next().unwrap();
        assert_eq!((known, found.entry.word, found.taken_in.as_str()), (&target(), GuardWord::Held, S), "{at}");
        assert_eq!((found.entry.kept, found.entry.lost, found.entry.of), (100, 100, 100), "{at}");
    }
    assert_eq!(world.gateways[&cluster(S)].core.local().guard().trips(), 1);
}

#[test]
fn what_is_held_is_trusted_for_a_minute_and_then_its_health_is_unknown() {
    let mut world = hundred();
    lose(&mut world, S, all());
    let health = |world: &mut World, at: &str| world.health(at, S, &service("s3"), &id(33)).1;
    world.run(59_000);
    assert_eq!([S, F].map(|at| health(&mut world, at)), [Health::Healthy; 2]);
    world.run(3_000);
    assert_eq!([S, F].map(|at| health(&mut world, at)), [Health::Unknown; 2]);
    bring_back(&mut world, S);
    world.run(1_000);
    assert_eq!([S, F].map(|at| health(&mut world, at)), [Health::Healthy; 2]);
}

#[test]
fn a_release_from_any_cluster_lets_it_go_everywhere_within_two_seconds() {
    for at in NAMES {
        let mut world = hundred();
        lose(&mut world, S, all());
        run_whole(&mut world, 90_000);
        order(&mut world, at, GuardWord::Release);
        world.run(2_000);
        assert_eq!(NAMES.map(|at| shown(&mut world, at)), [0, 0], "released at {at}");
        world.run(5_000);
        assert_eq!(NAMES.map(|at| word(&world, at)), [Some(GuardWord::Over); 2]);
        assert_eq!(reasons(&world, S), BTreeMap::new());
    }
}

#[test]
fn what_came_back_unheard_while_it_was_held_does_not_go_when_the_loss_is_over() {
    let mut world = hundred();
    lose(&mut world, S, all().take(40));
    run_whole(&mut world, 30_000);
    // Its push is lost on a living connection; those of three other services arrive, so that the loss is no mass any more.
    let back = world.nacos(S).services.get_mut(&service("s0")).unwrap().insert(id(0), instance(1.0, true));
    assert_eq!(back, None);
    all().take(40).skip(10).for_each(|(service, id)| world.set(S, &service, &id, Some(instance(1.0, true))));
    for turn in 0..120_000 / STEP {
        world.run(STEP);
        for at in NAMES {
            assert!(world.shown(at, S, &service("s0")).contains_key(&id(0)), "{} ms, at {at}", turn * STEP);
        }
    }
    assert_eq!(NAMES.map(|at| shown(&mut world, at)), [91; 2]);
}

#[test]
fn what_came_back_unheard_and_was_released_is_shown_again_at_once() {
    let mut world = hundred();
    lose(&mut world, S, all());
    run_whole(&mut world, 5_000);
    world.nacos(S).services.get_mut(&service("s0")).unwrap().insert(id(0), instance(1.0, true));
    order(&mut world, F, GuardWord::Release);
    world.run(3_000);
    assert_eq!(NAMES.map(|at| shown(&mut world, at)), [1; 2]);
}

#[test]
fn a_release_does_not_count_for_the_next_mass_loss() {
    let mut world = hundred();
    lose(&mut world, S, all());
    run_whole(&mut world, 5_000);
    order(&mut world, F, GuardWord::Release);
    world.run(100_000);
    bring_back(&mut world, S);
    world.run(400_000);
    lose(&mut world, S, all());
    run_whole(&mut world, 100_000);
    assert_eq!(word(&world, F), Some(GuardWord::Held));
}

#[test]
fn what_registers_anew_is_held_no_more_and_ends_the_hold() {
    let mut world = hundred();
    lose(&mut world, S, all());
    run_whole(&mut world, 30_000);
    bring_back(&mut world, S);
    run_whole(&mut world, 10_000);
    assert_eq!(reasons(&world, S), BTreeMap::new());
    assert_eq!(NAMES.map(|at| word(&world, at)), [Some(GuardWord::Over); 2]);
    lose(&mut world, S, all().take(1));
    world.run(1_000);
    assert_eq!(shown(&mut world, F), 99, "a deregistration goes as before");
}

#[test]
fn what_is_left_of_a_loss_that_is_no_mass_any_more_goes_after_a_window_unless_it_is_kept() {
    for (name, kept, want) in [("undecided", false, 95), ("kept", true, 100)] {
        let mut world = hundred();
        lose(&mut world, S, all());
        run_whole(&mut world, 10_000);
        if kept {
            order(&mut world, F, GuardWord::Keep);
            run_whole(&mut world, 2_000);
        }
        all().skip(5).for_each(|(service, id)| world.set(S, &service, &id, Some(instance(1.0, true))));
        run_whole(&mut world, 50_000);
        world.run(20_000);
        assert_eq!(NAMES.map(|at| shown(&mut world, at)), [want; 2], "{name}");
        if kept {
            order(&mut world, S, GuardWord::Release);
            world.run(2_000);
            assert_eq!(NAMES.map(|at| shown(&mut world, at)), [95; 2], "released after all");
        }
    }
}

#[test]
fn a_takeover_keeps_the_hold_and_a_kept_one_stays_kept() {
    for keep in [false, true] {
        let mut world = hundred();
        let services = world.nacos(S).services.clone();
        let standby = Nacos { up: true, reads_allowed: true, services, ..Nacos::default() };
        world.start_replica(&cluster("standby"), &cluster(S), standby);
        world.run(90_000);
        for at in [S, "standby"] {
            lose(&mut world, at, all());
        }
        run_whole(&mut world, 30_000);
        let since = world.gateways[&cluster(F)].core.guard().get(&target()).unwrap().entry.since;
        if keep {
            order(&mut world, F, GuardWord::Keep);
            run_whole(&mut world, 2_000);
        }
        world.kill(S);
        run_whole(&mut world, 120_000);
        assert_eq!(world.gateways[&cluster("standby")].core.role(), ReplicaRole::Leading);
        let found = world.gateways[&cluster(F)].core.guard().get(&target()).unwrap().entry.clone();
        let want = if keep { GuardWord::Keep } else { GuardWord::Held };
        assert_eq!((found.word, found.since), (want, since), "it is the same hold");
        order(&mut world, F, GuardWord::Release);
        world.run(2_000);
        assert_eq!(shown(&mut world, F), 0);
    }
}

#[test]
fn a_gateway_that_starts_while_its_nacos_is_empty_holds_what_the_log_has() {
    for snapshot in [false, true] {
        let mut world = hundred();
        lose(&mut world, S, all());
        if snapshot {
            world.restart_with_snapshot(S);
        } else {
            world.restart(S);
        }
        run_whole_at(&mut world, F, 120_000);
        assert_eq!(word(&world, F), Some(GuardWord::Held));
        assert_eq!(reasons(&world, S), BTreeMap::from([(HoldReason::MassLoss, 100)]));
    }
}

fn run_whole_at(world: &mut World, at: &str, millis: u64) {
    for turn in 0..millis / STEP {
        world.run(STEP);
        assert_eq!(shown(world, at), 100, "{} ms", turn * STEP);
    }
}

#[test]
fn five_flaps_of_a_fifth_within_a_minute_lose_one_fifth() {
    let mut world = hundred();
    for flap in 0..5 {
        lose(&mut world, S, all().skip(flap * 20).take(20));
        world.run(10_000);
    }
    world.run(100_000);
    assert_eq!(NAMES.map(|at| shown(&mut world, at)), [80; 2]);
}

#[test]
fn a_rolling_deploy_of_two_hundred_trips_nothing() {
    let mut world = World::new(1, &NAMES);
    let instances: Vec<(ServiceKey, InstanceId)> =
        (0..200).map(|number| (service(&format!("s{}", number % 4)), id(number))).collect();
    for (service, id) in &instances {
        world.set(S, service, id, Some(instance(1.0, true)));
    }
    world.run(100_000);
    for tick in 0..220 {
        if let Some((service, id)) = instances.get(tick) {
            world.set(S, service, id, None);
        }
        if let Some((service, id)) = tick.checked_sub(18).and_then(|back| instances.get(back)) {
            world.set(S, service, id, Some(instance(2.0, true))); // 4.5 s after it went.
        }
        world.run(250);
        assert_eq!(reasons(&world, S).get(&HoldReason::MassLoss), None, "tick {tick}");
    }
    world.run(5_000);
    assert_eq!(world.gateways[&cluster(S)].core.local().guard().trips(), 0);
    let at_f: usize = (0..4).map(|name| world.shown(F, S, &service(&format!("s{name}"))).len()).sum();
    assert_eq!((at_f, word(&world, F)), (200, None));
}

#[test]
fn a_service_that_empties_goes_after_one_read_and_a_scale_in_below_the_thresholds_is_not_slowed() {
    let mut world = hundred();
    lose(&mut world, S, all().take(10));
    world.run(300);
    assert_eq!(NAMES.map(|at| shown(&mut world, at)), [90; 2], "a service of a tenth of the namespace");
    lose(&mut world, S, all().skip(10).take(20));
    world.run(300);
    assert_eq!(NAMES.map(|at| shown(&mut world, at)), [70; 2], "30 % in all: not more than that");
    lose(&mut world, S, all().skip(30).take(1));
    world.run(5_000);
    assert_eq!(NAMES.map(|at| shown(&mut world, at)), [70; 2], "one more is");
}

#[test]
fn a_release_that_nobody_obeyed_counts_for_half_an_hour_after_it_was_given() {
    for (name, minutes, want) in [("young", 25, 0), ("old", 31, 100)] {
        let mut world = hundred();
        lose(&mut world, S, all());
        run_whole(&mut world, 5_000);
        let services = world.nacos(S).services.clone();
        world.kill(S);
        order(&mut world, F, GuardWord::Release);
        world.run(minutes * 60_000);
        assert_eq!(word(&world, F), Some(GuardWord::Release));
        world.start(&cluster(S), Nacos { up: true, reads_allowed: true, services, ..Nacos::default() });
        world.run(120_000);
        assert_eq!(shown(&mut world, F), want, "{name}");
    }
}

#[test]
fn a_standby_lets_go_of_what_its_leader_removes() {
    let mut world = hundred();
    let services = world.nacos(S).services.clone();
    let standby = Nacos { up: true, reads_allowed: true, services, ..Nacos::default() };
    world.start_replica(&cluster("standby"), &cluster(S), standby);
    world.run(90_000);
    lose(&mut world, S, all().take(20));
    lose(&mut world, "standby", all()); // Its node of Nacos has lost everything: a mass to it, and none to the leader.
    world.run(5_000);
    assert_eq!([S, F, "standby"].map(|at| shown(&mut world, at)), [80; 3]);
    world.kill(S);
    for _ in 0..2_000 {
        world.run(STEP);
        assert_eq!(shown(&mut world, F), 80, "it takes over and holds what is left");
    }
    assert_eq!(word(&world, F), Some(GuardWord::Held));
}

#[test]
fn a_standby_keeps_nothing_back_that_its_leader_removed_before_in_parts() {
    let mut world = hundred();
    let services = world.nacos(S).services.clone();
    let standby = Nacos { up: true, reads_allowed: true, services, ..Nacos::default() };
    world.start_replica(&cluster("standby"), &cluster(S), standby);
    world.run(90_000);
    for part in 0..2 {
        lose(&mut world, S, all().skip(part * 20).take(20));
        world.run(70_000); // Longer than a window: neither part is a mass.
    }
    assert_eq!([S, F, "standby"].map(|at| shown(&mut world, at)), [60, 60, 100], "its node of Nacos still has them");
    lose(&mut world, "standby", all().take(40));
    world.run(5_000);
    assert_eq!([S, F, "standby"].map(|at| shown(&mut world, at)), [60; 3]);
    lose(&mut world, "standby", all());
    world.run(5_000);
    assert_eq!(shown(&mut world, "standby"), 60, "what the log has is kept back");
}

#[test]
fn a_hold_outlives_a_connection_that_breaks_and_its_proof_does_not() {
    let mut world = hundred();
    lose(&mut world, S, all());
    run_whole(&mut world, 5_000);
    let since = world.gateways[&cluster(F)].core.guard().get(&target()).unwrap().entry.since;
    world.cut_nacos(S);
    world.nacos(S).up = true;
    run_whole(&mut world, 5_000);
    let found = world.gateways[&cluster(F)].core.guard().get(&target()).unwrap().entry.clone();
    assert_eq!((found.word, found.since), (GuardWord::Held, since));
    order(&mut world, F, GuardWord::Release);
    run_whole(&mut world, 8_000); // It goes once it is proven on this connection, too.
    world.run(60_000);
    assert_eq!(NAMES.map(|at| shown(&mut world, at)), [0, 0]);
}

#[test]
fn a_decision_about_what_is_not_held_is_refused() {
    let mut world = hundred();
    for (word, want) in [
        (GuardWord::Release, GuardRefused::NotHeld { target: target() }),
        (GuardWord::Over, GuardRefused::NotAnOrder { word: GuardWord::Over }),
    ] {
        order(&mut world, F, word);
        assert_eq!(world.guard_answer.take(), Some(Err(want)));
    }
}

#[test]
fn a_decision_that_is_lost_on_the_way_is_written_again() {
    let mut world = hundred();
    lose(&mut world, S, all());
    run_whole(&mut world, 5_000);
    world.log.swallows_control = true;
    order(&mut world, F, GuardWord::Release);
    world.log.swallows_control = false;
    world.run(4_000);
    assert_eq!(NAMES.map(|at| shown(&mut world, at)), [0, 0]);
}

#[test]
fn what_nobody_decides_about_is_released_after_the_configured_time() {
    let mut world = hundred();
    lose(&mut world, S, all());
    run_whole(&mut world, 5_000);
    assert_eq!(word(&world, F), Some(GuardWord::Held));
    let mut world = World::new(1, &NAMES);
    world.guard.confirm_after = Some(federation_core::time::Millis::from_secs(120));
    world.restart(S);
    bring_back(&mut world, S);
    world.run(100_000);
    lose(&mut world, S, all());
    run_whole(&mut world, 115_000);
    world.run(8_000);
    assert_eq!(NAMES.map(|at| shown(&mut world, at)), [0, 0]);
    let guard = world.gateways[&cluster(F)].core.guard();
    assert_eq!(guard.get(&target()).unwrap().entry.word, GuardWord::Over);
}
