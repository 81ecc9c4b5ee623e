//! Drains across a federation: ordered anywhere, the same everywhere, whatever dies meanwhile (rule R24).

use federation_core::drains::{OrderSettled, TakenOrder};
use federation_core::input::{Input, OperatorOrder, OrderId};
use federation_core::intents::{DrainIntent, DrainOrder, DrainRefused, DrainTarget, HIGHEST_COUNTER, OrderCounter};
use federation_core::lease::ReplicaRole;
use federation_core::log::control::{ControlKey, ControlValue};
use federation_core::log::record::{ControlRecord, Epoch, RecordHeader};
use federation_core::routing::{
    Caller, DrainGuard, DrainRuling, Percent, PlaceRules, Policy, Reachability, gather, plan,
};
use federation_core::time::{Millis, WallMs};

use crate::world::{Nacos, World, cluster, id, instance, service};

const A: &str = "frankfurt";
const B: &str = "shanghai";
const C: &str = "virginia";
const DAY: u64 = 86_400_000;

fn target() -> DrainTarget {
    A.parse().unwrap()
}

fn settled() -> World {
    let mut world = World::new(5, &[A, B, C]);
    world.run(20_000);
    world
}

fn order(percent: u8, over: u64) -> DrainOrder {
    DrainOrder {
        target: target(),
        percent: Percent::new(percent).unwrap(),
        over: Millis(over),
        guard: DrainGuard::default(),
        who: "ann".into(),
        why: "maintenance".into(),
        giver: Default::default(),
    }
}

fn try_drain(world: &mut World, at: &str, order: DrainOrder) -> Result<TakenOrder, DrainRefused> {
    world.tell(&cluster(at), Input::Order(OperatorOrder::Drain { id: OrderId(1), order }));
    world.answer.take().expect("an order is answered at once")
}

fn drain(world: &mut World, at: &str, percent: u8, over: u64) -> TakenOrder {
    try_drain(world, at, order(percent, over)).unwrap()
}

/// Percentage in force, and where it was taken.
fn shown(world: &World, at: &str) -> Option<(u8, String)> {
    let table = world.gateways[&cluster(at)].core.intents();
    let drain = table.get(&target())?;
    Some((drain.intent.percent.get(), drain.taken_in.to_string()))
}

fn shown_everywhere(world: &World) -> Option<(u8, String)> {
    let mut all = world.gateways.keys().map(|name| shown(world, name.as_str()));
    let first = all.next().unwrap();
    assert!(all.all(|other| other == first), "the views differ");
    first
}

fn is(percent: u8, taken_in: &str) -> Option<(u8, String)> {
    Some((percent, taken_in.to_owned()))
}

fn role(world: &World, at: &str) -> ReplicaRole {
    world.gateways[&cluster(at)].core.role()
}

/// A record that nobody here wrote, at the end of a cluster's control topic.
fn insert(world: &mut World, of: &str, value: Option<ControlValue>) {
    let records = world.log.control.get_mut(&cluster(of)).unwrap();
    let offset = u64::try_from(records.len()).unwrap();
    let header = RecordHeader { schema: 1, epoch: Epoch::default(), seq: 0, observed: WallMs(0) };
    records.push(ControlRecord {
        offset,
        key: ControlKey::Drain(target()),
        header: Some(header),
        value,
        signed: Default::default(),
    });
}

fn foreign(counter: u64, percent: u8) -> DrainIntent {
    DrainIntent {
        counter: OrderCounter::new(counter).unwrap(),
        percent: Percent::new(percent).unwrap(),
        guard: DrainGuard::default(),
        who: "somebody".into(),
        why: "".into(),
        when: WallMs(0),
        replica: 1,
        ramp: None,
        giver: Default::default(),
    }
}

fn last_record(world: &World, of: &str) -> Option<DrainIntent> {
    let records = &world.log.control[&cluster(of)];
    let last = records.iter().rfind(|record| record.key == ControlKey::Drain(target()))?;
    match &last.value {
        Some(ControlValue::Drain(intent)) => Some(intent.clone()),
        _ => None,
    }
}

#[test]
fn a_drain_is_the_same_everywhere_within_a_second() {
    let mut world = settled();
    let taken = drain(&mut world, B, 30, 0);
    assert_eq!(world.gateways[&cluster(B)].core.intents().settled(&taken), None);
    world.run(500);
    assert_eq!(shown_everywhere(&world), is(30, B));
    assert_eq!(world.gateways[&cluster(B)].core.intents().settled(&taken), Some(OrderSettled::InForce));
}

#[test]
fn a_drain_taken_in_a_cluster_is_undone_in_another_while_that_is_down_and_stays_undone() {
    let mut world = settled();
    drain(&mut world, A, 60, 600_000);
    world.run(60_500);
    assert_eq!(shown_everywhere(&world), is(6, A));
    world.kill(A);
    drain(&mut world, B, 0, 0);
    world.run(1_000);
    assert_eq!(shown_everywhere(&world), is(0, B));
    world.start(&cluster(A), Nacos { up: true, reads_allowed: true, ..Nacos::default() });
    world.run(120_000);
    assert_eq!(shown_everywhere(&world), is(0, B), "the ramp does not go on");
    assert_eq!(last_record(&world, A).unwrap().percent.get(), 6);
}

#[test]
fn of_two_percentages_ordered_at_once_all_show_the_same_one_and_both_callers_are_told() {
    let mut world = settled();
    let (low, high) = (drain(&mut world, A, 10, 0), drain(&mut world, C, 20, 0));
    assert_eq!(low.intent.counter, high.intent.counter);
    world.run(1_000);
    assert_eq!(shown_everywhere(&world), is(20, C));
    let told = |at: &str, taken: &TakenOrder| world.gateways[&cluster(at)].core.intents().settled(taken);
    assert_eq!(told(A, &low), Some(OrderSettled::Overruled { by: cluster(C) }));
    assert_eq!(told(C, &high), Some(OrderSettled::InForce));
    drain(&mut world, A, 40, 0);
    world.run(1_000);
    assert_eq!(shown_everywhere(&world), is(40, A), "the next order counts above both");
}

#[test]
fn orders_given_one_after_the_other_before_they_are_read_back_are_counted_on() {
    let mut world = settled();
    let counters: Vec<u64> = [10, 0, 30].map(|percent| drain(&mut world, B, percent, 0).intent.counter.get()).into();
    assert_eq!(counters, [1, 2, 3]);
    world.run(1_000);
    assert_eq!(shown_everywhere(&world), is(30, B));
}

fn with_standby() -> World {
    let mut world = settled();
    let nacos = Nacos { up: true, reads_allowed: true, ..Nacos::default() };
    world.start_replica(&cluster("standby"), &cluster(A), nacos);
    world.run(10_000);
    assert_eq!((role(&world, A), role(&world, "standby")), (ReplicaRole::Leading, ReplicaRole::Standby));
    world
}

#[test]
fn a_standby_takes_orders_and_goes_on_with_its_own_ramp() {
    let mut world = with_standby();
    drain(&mut world, "standby", 50, 50_000);
    world.run(20_500);
    assert_eq!(shown_everywhere(&world), is(20, A));
    let nonces: Vec<u32> = world.log.control[&cluster(A)]
        .iter()
        .filter_map(|record| match &record.value {
            Some(ControlValue::Drain(intent)) => Some(intent.replica),
            _ => None,
        })
        .collect();
    assert!(nonces.len() == 21 && nonces.windows(2).all(|pair| pair[0] == pair[1]), "one writer, 1 % a second");
    world.run(60_000);
    assert_eq!(shown_everywhere(&world), is(50, A));
}

#[test]
fn a_cluster_whose_nacos_is_dead_has_no_leader_and_takes_orders_all_the_same() {
    let mut world = World::new(5, &[B, C]);
    world.start(&cluster(A), Nacos::default());
    world.run(60_000);
    assert_eq!(role(&world, A), ReplicaRole::Standby);
    drain(&mut world, A, 5, 10_000);
    world.run(20_000);
    assert_eq!(shown_everywhere(&world), is(5, A));
}

#[test]
fn the_ramp_of_a_process_that_died_is_gone_on_with_by_the_leader_without_a_jump() {
    let mut world = with_standby();
    drain(&mut world, "standby", 50, 50_000);
    world.run(10_500);
    assert_eq!(shown_everywhere(&world), is(10, A));
    world.kill("standby");
    let mut seen = Vec::new();
    for _ in 0..100 {
        world.run(1_000);
        seen.push(shown_everywhere(&world).unwrap().0);
    }
    assert_eq!(seen[15], 10, "a silent process may come back");
    assert!(seen.windows(2).all(|pair| pair[1] - pair[0] <= 1), "{seen:?}");
    assert_eq!(*seen.last().unwrap(), 50);
}

#[test]
fn the_ramp_of_a_leader_that_died_is_gone_on_with_by_the_next_one() {
    let mut world = with_standby();
    drain(&mut world, A, 50, 50_000);
    world.run(10_500);
    world.kill(A);
    world.run(60_000);
    assert_eq!(shown_everywhere(&world), is(50, A));
    assert_eq!(role(&world, "standby"), ReplicaRole::Leading);
}

#[test]
fn a_drain_survives_a_restart_without_the_log_by_the_snapshot_and_leaves_by_what_the_log_says() {
    let mut world = settled();
    drain(&mut world, B, 30, 0);
    world.run(1_000);
    world.log.up = false;
    world.restart_with_snapshot(C);
    world.run(60_000);
    assert_eq!(shown(&world, C), is(30, B));
    let refused = try_drain(&mut world, C, order(0, 0)).unwrap_err();
    assert!(matches!(refused, DrainRefused::NotRead { .. }), "{refused}");
    let refused = try_drain(&mut world, B, order(0, 0)).unwrap_err();
    assert!(matches!(refused, DrainRefused::Unreachable { .. }), "{refused}");
    world.log.up = true;
    world.run(15_000);
    drain(&mut world, C, 0, 0);
    world.run(1_000);
    assert_eq!(shown_everywhere(&world), is(0, C));
}

#[test]
fn a_gateway_started_anew_shows_no_order_that_was_overruled_long_ago() {
    let mut world = settled();
    for percent in [100, 50, 0] {
        drain(&mut world, B, percent, 0);
        world.run(1_000);
    }
    world.restart(C);
    for _ in 0..100 {
        world.run(crate::world::STEP);
        assert!(matches!(shown(&world, C), None | Some((0, _))));
    }
    assert_eq!(shown_everywhere(&world), is(0, B));
}

#[test]
fn a_control_topic_that_was_created_anew_gets_the_orders_again() {
    let mut world = settled();
    drain(&mut world, B, 30, 0);
    world.run(1_000);
    world.recreate_control(B);
    assert_eq!(shown_everywhere(&world), is(30, B), "until it has been read");
    world.run(5_000);
    assert_eq!(shown_everywhere(&world), is(30, B));
    assert_eq!(last_record(&world, B).unwrap().percent.get(), 30);
}

#[test]
fn a_late_write_of_a_lower_counter_is_overruled_and_a_tombstone_is_not() {
    let mut world = settled();
    for percent in [10, 20] {
        drain(&mut world, B, percent, 0);
        world.run(1_000);
    }
    insert(&mut world, B, Some(ControlValue::Drain(foreign(1, 99))));
    world.run(2_000);
    assert_eq!(shown_everywhere(&world), is(20, B));
    insert(&mut world, B, None);
    world.run(60_000);
    assert_eq!(shown_everywhere(&world), None);
    assert_eq!(drain(&mut world, C, 1, 0).intent.counter, OrderCounter::FIRST);
}

#[test]
fn a_value_that_cannot_be_read_keeps_the_last_one_and_nobody_fights_over_it() {
    let mut world = settled();
    drain(&mut world, B, 20, 0);
    world.run(1_000);
    insert(&mut world, B, Some(ControlValue::Unreadable)); // Also what a counter of 2^63 and more is.
    let before =
        world.log.control[&cluster(B)].iter().filter(|record| matches!(record.key, ControlKey::Drain(_))).count();
    world.run(60_000);
    assert_eq!(shown_everywhere(&world), is(20, B));
    let after =
        world.log.control[&cluster(B)].iter().filter(|record| matches!(record.key, ControlKey::Drain(_))).count();
    assert_eq!(before, after);
    drain(&mut world, B, 0, 0);
    world.run(1_000);
    assert_eq!(shown_everywhere(&world), is(0, B));
}

#[test]
fn a_counter_that_nobody_can_have_reached_is_set_aside_everywhere() {
    for absurd in [(1 << 63) - 1, HIGHEST_COUNTER + 1] {
        let mut world = settled();
        drain(&mut world, A, 30, 0);
        world.run(1_000);
        insert(&mut world, B, Some(ControlValue::Drain(foreign(absurd, 99))));
        world.run(1_000);
        assert_eq!(shown_everywhere(&world), is(30, A));
        drain(&mut world, A, 0, 0);
        world.run(1_000);
        assert_eq!(shown_everywhere(&world), is(0, A), "and every order counts as ever");
    }
}

#[test]
fn the_highest_possible_counter_is_overruled_where_it_stands() {
    let mut world = settled();
    insert(&mut world, B, Some(ControlValue::Drain(foreign(HIGHEST_COUNTER, 99))));
    world.run(1_000);
    assert_eq!(shown_everywhere(&world), is(99, B));
    let refused = try_drain(&mut world, A, order(0, 0)).unwrap_err();
    assert_eq!(refused, DrainRefused::CountedOut { holder: cluster(B) });
    drain(&mut world, B, 0, 0);
    world.run(1_000);
    assert_eq!(shown_everywhere(&world), is(0, B));
    drain(&mut world, C, 7, 0);
    world.run(1_000);
    assert_eq!(shown_everywhere(&world), is(7, C), "of a higher id");
}

#[test]
fn an_order_undone_stays_a_value_for_a_month_and_leaves_then() {
    let mut world = settled();
    for percent in [30, 0] {
        drain(&mut world, B, percent, 0);
        world.run(1_000);
    }
    world.now += 29 * DAY;
    world.run(30_000);
    assert_eq!(shown_everywhere(&world), is(0, B));
    world.now += DAY;
    world.run(120_000);
    assert_eq!(shown_everywhere(&world), is(0, B), "it has been superfluous for minutes only");
    world.now += 3_600_000;
    world.run(120_000);
    assert_eq!(shown_everywhere(&world), None);
}

#[test]
fn an_order_is_refused_before_the_log_was_read() {
    let mut world = World::new(5, &[A, B]);
    let refused = try_drain(&mut world, A, order(30, 0)).unwrap_err();
    assert_eq!(refused, DrainRefused::NotRead { whose: cluster(A) });
    let long = DrainOrder { why: "x".repeat(1025).into(), ..order(30, 0) };
    let refused = try_drain(&mut world, A, long).unwrap_err();
    assert_eq!(refused, DrainRefused::TooLong { field: "why", bytes: 1025 });
}

#[test]
fn an_order_that_the_log_swallows_is_given_up_and_the_next_one_refused_at_once() {
    let mut world = settled();
    world.log.swallows_control = true;
    drain(&mut world, B, 30, 0);
    world.run(11_000);
    let refused = try_drain(&mut world, B, order(30, 0)).unwrap_err();
    assert!(matches!(refused, DrainRefused::NotWritten { .. }), "{refused}");
    world.log.swallows_control = false;
    world.run(20_000);
    assert_eq!(shown_everywhere(&world), None, "nobody is surprised later");
    drain(&mut world, B, 30, 0);
    world.log.swallows_control = true;
    world.run(3_000);
    world.log.swallows_control = false;
    world.run(2_000);
    assert_eq!(shown_everywhere(&world), is(30, B), "written again");
}

#[test]
fn a_drain_is_taken_back_in_steps_from_what_is_in_force() {
    let mut world = settled();
    drain(&mut world, B, 40, 0);
    world.run(1_000);
    drain(&mut world, C, 0, 40_000);
    world.run(10_500);
    assert_eq!(shown_everywhere(&world), is(30, C));
    drain(&mut world, A, 50, 20_000);
    world.run(10_500);
    assert_eq!(shown_everywhere(&world), is(40, A));
    world.run(60_000);
    assert_eq!(shown_everywhere(&world), is(50, A));
}

/// What becomes of all drains of `orders` at a gateway, in byte order of their targets, and the clusters left with a share.
fn planned(world: &mut World, at: &str) -> (Vec<DrainRuling>, Vec<String>) {
    let clusters = world.clusters(at);
    let core = &world.gateways[&cluster(at)].core;
    let found = core.service(&service("orders")).unwrap();
    let offers = gather(&found, &clusters, None, &Reachability::default(), &PlaceRules::default());
    let intents = core.intents().for_service(&service("orders"));
    let plan = plan(&offers, &Caller::default(), &Policy::default(), &intents);
    let used = plan.endpoints.iter().filter(|endpoint| endpoint.share > 0);
    let origins = used.map(|endpoint| endpoint.origin.to_string()).collect();
    (plan.drains.iter().map(|verdict| verdict.ruling).collect(), origins)
}

#[test]
fn of_two_drains_that_together_would_empty_a_service_all_void_the_same_one() {
    let mut world = World::new(5, &[A, B, C]);
    for name in [A, B] {
        world.set(name, &service("orders"), &id(1), Some(instance(1.0, true)));
    }
    world.run(30_000);
    for (at, target) in [(A, B), (B, A)] {
        let order = DrainOrder { target: target.parse().unwrap(), ..order(100, 0) };
        try_drain(&mut world, at, order).unwrap();
    }
    world.run(1_000);
    for at in [A, B, C] {
        assert_eq!(
            planned(&mut world, at),
            (vec![DrainRuling::InForce, DrainRuling::Void], vec![B.to_owned()]),
            "{at}"
        );
    }
}

/// Random orders, deaths and outages; then everything heals, and all views are equal.
#[test]
fn whatever_is_ordered_all_views_are_equal_once_everything_is_well_again() {
    let seeds: Vec<u64> =
        std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).map_or((0..5).collect(), |seed| vec![seed]);
    for seed in seeds {
        let names = [A, B, C, "standby"];
        let mut world = World::new(seed, &[A, B, C]);
        world.start_replica(
            &cluster("standby"),
            &cluster(A),
            Nacos { up: true, reads_allowed: true, ..Nacos::default() },
        );
        world.faults = true;
        let mut highest = None;
        for _ in 0..60 {
            let name = names[usize::try_from(world.dice.roll(4)).unwrap()];
            match world.dice.roll(10) {
                0 => world.restart(name),
                1 => {
                    world.log.up = false;
                    let pause = world.dice.roll(20_000);
                    world.run(pause);
                    world.log.up = true;
                }
                2 => {
                    let of = if world.dice.one_in(2) { A } else { B };
                    world.recreate_control(of);
                }
                roll => {
                    let percent = u8::try_from(world.dice.roll(101)).unwrap();
                    let over = if roll % 2 == 0 { 0 } else { world.dice.roll(60_000) };
                    if let Ok(taken) = try_drain(&mut world, name, order(percent, over)) {
                        highest = highest.max(Some((taken.intent.counter, taken.cluster.clone())));
                    }
                }
            }
            let pause = world.dice.roll(6_000);
            world.run(pause);
        }
        world.faults = false;
        world.run(180_000);
        let table = world.gateways[&cluster(A)].core.intents();
        for name in names {
            assert!(table.says_the_same(&world.gateways[&cluster(name)].core.intents()), "seed {seed}: {name}");
        }
        let in_force = table.get(&target()).map(|drain| (drain.intent.counter, drain.taken_in.clone()));
        assert!(in_force.is_some() && in_force <= highest, "seed {seed}: {in_force:?} of {highest:?}");
        assert!(table.iter().all(|drain| !drain.intent.is_ramping()), "seed {seed}: a ramp never ended");
    }
}
