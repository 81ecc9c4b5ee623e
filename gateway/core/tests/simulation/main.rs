//! Gateways against each other in memory: what holds whatever Nacos, the log and time do.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod accepting;
mod belonging;
mod bounds;
mod census;
mod comparing;
mod damping;
mod doors;
mod found;
mod guard;
mod intents;
mod leadership;
mod more;
mod partitions;
mod random;
mod repair;
mod route;
mod sealing;
mod snapshots;
mod storm;
mod storms;
mod strangers;
mod traces;
mod verify;
mod view_changes;
mod world;

use std::collections::BTreeMap;

use federation_core::freshness::Freshness;
use federation_core::id::InstanceId;
use federation_core::instance::Instance;
use federation_core::log::key::DataKey;
use federation_core::seed::Seed;
use random::NAMES;
use world::{Nacos, World, cluster, foreign, id, instance, service};

fn truth(world: &mut World, name: &str) -> BTreeMap<InstanceId, Instance> {
    world.nacos(name).services.get(&service("orders")).cloned().unwrap_or_default()
}

fn settled_pair() -> World {
    let mut world = World::new(1, &NAMES);
    for (name, number) in [("frankfurt", 1), ("shanghai", 2)] {
        for offset in 0..3 {
            world.set(name, &service("orders"), &id(number * 10 + offset), Some(instance(1.0, true)));
        }
    }
    world.run(30_000);
    world
}

fn freshness(world: &mut World, at: &str, of: &str) -> Freshness {
    let clusters = world.clusters(at);
    clusters.into_iter().find(|status| status.id == cluster(of)).unwrap().freshness
}

#[test]
fn two_gateways_show_each_other_what_their_nacos_say() {
    let mut world = settled_pair();
    for origin in NAMES {
        let want = truth(&mut world, origin);
        for at in NAMES {
            assert_eq!(world.shown(at, origin, &service("orders")), want, "{origin} at {at}");
        }
        assert_eq!(freshness(&mut world, "frankfurt", origin), Freshness::Live);
    }
}

#[test]
fn a_change_is_one_record_and_the_instance_stays() {
    let mut world = settled_pair();
    let before = world.gateways[&cluster("shanghai")].data_sends;
    world.set("shanghai", &service("orders"), &id(20), Some(instance(0.5, true)));
    for _ in 0..10 {
        world.run(world::STEP);
        assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 3);
    }
    assert_eq!(world.gateways[&cluster("shanghai")].data_sends, before + 1);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")), truth(&mut world, "shanghai"));
}

#[test]
fn a_disabled_instance_crosses_as_disabled_not_as_gone() {
    let mut world = settled_pair();
    world.set("shanghai", &service("orders"), &id(20), Some(instance(1.0, false)));
    for _ in 0..40 {
        world.run(world::STEP);
        assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 3);
    }
    assert!(!world.shown("frankfurt", "shanghai", &service("orders"))[&id(20)].enabled);
}

#[test]
fn a_deregistration_leaves_within_a_second_where_the_account_may_read() {
    let mut world = settled_pair();
    world.set("shanghai", &service("orders"), &id(20), None);
    world.run(1_000);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 2);
}

#[test]
fn a_service_that_is_new_on_an_old_connection_may_leave_as_fast_as_it_came() {
    let mut world = settled_pair();
    world.set("shanghai", &service("flash"), &id(1), Some(instance(1.0, true)));
    world.set("shanghai", &service("flash"), &id(2), Some(instance(1.0, true)));
    world.run(1_000);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("flash")).len(), 2);
    world.set("shanghai", &service("flash"), &id(2), None);
    world.run(1_000);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("flash")).len(), 1);
}

#[test]
fn a_service_whose_list_never_rests_after_a_restart_still_settles() {
    let mut world = settled_pair();
    world.restart_nacos("shanghai");
    world.clients_register_anew("shanghai");
    for round in 0..15u32 {
        world.set("shanghai", &service("orders"), &id(22), Some(instance(f64::from(round), true)));
        world.run(5_000);
    }
    world.set("shanghai", &service("orders"), &id(20), None);
    world.run(1_000);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 2);
}

#[test]
fn disabling_is_seen_at_once_even_before_the_list_is_believed() {
    let mut world = settled_pair();
    world.restart_nacos("shanghai");
    world.clients_register_anew("shanghai");
    world.run(2_000);
    world.set("shanghai", &service("orders"), &id(20), Some(instance(1.0, false)));
    world.run(1_000);
    assert!(!world.shown("frankfurt", "shanghai", &service("orders"))[&id(20)].enabled);
}

#[test]
fn where_the_account_may_not_read_a_deregistration_waits_for_the_hold() {
    let mut world = settled_pair();
    world.nacos("shanghai").reads_allowed = false;
    world.set("shanghai", &service("orders"), &id(20), None);
    world.run(14_000);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 3);
    world.run(4_000);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 2);
}

#[test]
fn a_restarted_nacos_whose_clients_come_back_slowly_removes_nothing() {
    let mut world = settled_pair();
    let before = world.gateways[&cluster("shanghai")].data_sends;
    world.restart_nacos("shanghai");
    for turn in 0..600 {
        world.run(world::STEP);
        if turn == 100 {
            world.clients_register_anew("shanghai");
        }
        for at in NAMES {
            assert_eq!(world.shown(at, "shanghai", &service("orders")).len(), 3, "turn {turn} at {at}");
        }
    }
    assert_eq!(world.gateways[&cluster("shanghai")].data_sends, before, "nothing changed, so nothing is published");
}

#[test]
fn after_a_long_outage_slow_clients_are_waited_for_longer() {
    let mut world = settled_pair();
    world.cut_nacos("shanghai");
    world.restart_nacos("shanghai");
    world.run(40_000);
    world.nacos("shanghai").up = true;
    for _ in 0..500 {
        world.run(world::STEP);
        assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 3);
    }
    world.clients_register_anew("shanghai");
    world.run(60_000);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 3);
}

#[test]
fn one_client_that_comes_back_a_minute_after_all_others_is_waited_for() {
    let mut world = settled_pair();
    world.cut_nacos("shanghai");
    world.restart_nacos("shanghai");
    world.run(20_000);
    world.nacos("shanghai").up = true;
    world.clients_register_anew("shanghai");
    let late = world.nacos("shanghai").services.get_mut(&service("orders")).unwrap().remove(&id(20));
    for turn in 0..1_150 {
        if turn == 40 {
            world.cut_nacos("shanghai"); // The line breaks once more, for a moment: nobody is waited for any shorter.
            world.nacos("shanghai").up = true;
        }
        world.run(world::STEP);
        assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 3, "turn {turn}");
    }
    world.set("shanghai", &service("orders"), &id(20), late);
    world.run(60_000);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 3);
    world.set("shanghai", &service("orders"), &id(20), None);
    world.run(3_000);
    assert_eq!(
        world.shown("frankfurt", "shanghai", &service("orders")).len(),
        2,
        "once it was back, it goes like any other"
    );
}

#[test]
fn a_nacos_that_stood_still_on_a_living_connection_is_not_believed_while_its_clients_come_back() {
    let mut world = settled_pair();
    world.nacos("shanghai").up = false; // Nothing is heard, and the connection stands.
    world.run(11_000);
    world.nacos("shanghai").up = true;
    world.run(500); // It lists everybody once more before it notices whose connections are gone.
    let late = world.nacos("shanghai").services.get_mut(&service("orders")).unwrap().remove(&id(20));
    world.set("shanghai", &service("orders"), &id(21), Some(instance(2.0, true)));
    for turn in 0..800 {
        world.run(world::STEP);
        assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 3, "turn {turn}");
    }
    world.set("shanghai", &service("orders"), &id(20), late);
    world.run(100_000);
    world.set("shanghai", &service("orders"), &id(20), None);
    world.run(3_000);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 2, "later, it goes like any other");
}

/// A client registers anew 50 s after all others: nobody is missed until then, or after.
fn one_client_comes_back_late(mut world: World) {
    let late = world.nacos("shanghai").services.get_mut(&service("orders")).unwrap().remove(&id(20));
    for turn in 0..1_000 {
        world.run(world::STEP);
        assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 3, "turn {turn}");
    }
    world.set("shanghai", &service("orders"), &id(20), late);
    world.run(60_000);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 3);
}

#[test]
fn an_outage_counts_from_the_last_word_and_not_from_the_end_of_the_connection() {
    let mut world = settled_pair();
    world.nacos("shanghai").up = false;
    world.run(11_000);
    world.restart_nacos("shanghai");
    world.nacos("shanghai").up = true;
    world.clients_register_anew("shanghai");
    one_client_comes_back_late(world);
}

#[test]
fn a_gateway_that_starts_while_its_nacos_is_away_waits_for_its_clients_as_if_it_had_seen_the_outage() {
    let mut world = settled_pair();
    world.restart_nacos("shanghai");
    world.nacos("shanghai").up = false;
    world.restart("shanghai");
    world.run(12_000);
    world.nacos("shanghai").up = true;
    world.clients_register_anew("shanghai");
    one_client_comes_back_late(world);
}

#[test]
fn an_instance_that_never_comes_back_after_a_restart_leaves_after_the_hold() {
    let mut world = settled_pair();
    world.restart_nacos("shanghai");
    world.run(5_000);
    world.clients_register_anew("shanghai");
    world.nacos("shanghai").services.get_mut(&service("orders")).unwrap().remove(&id(20));
    world.run(13_000);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 3);
    world.run(10_000);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 2);
}

#[test]
fn a_nacos_that_is_away_for_an_hour_makes_its_facts_an_hour_old_and_removes_none() {
    let mut world = settled_pair();
    world.cut_nacos("shanghai");
    world.run(3_600_000);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 3);
    assert_eq!(freshness(&mut world, "frankfurt", "shanghai"), Freshness::Lost);
    assert_eq!(freshness(&mut world, "frankfurt", "frankfurt"), Freshness::Live);
}

#[test]
fn a_log_that_is_away_isolates_and_removes_nothing_and_delivers_the_difference_afterwards() {
    let mut world = settled_pair();
    world.log.up = false;
    world.set("shanghai", &service("orders"), &id(25), Some(instance(2.0, true)));
    world.set("shanghai", &service("orders"), &id(20), None);
    for _ in 0..1_200 {
        world.run(world::STEP);
        assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")).len(), 3);
    }
    assert_eq!(freshness(&mut world, "frankfurt", "shanghai"), Freshness::Isolated);
    assert_eq!(world.shown("shanghai", "shanghai", &service("orders")), truth(&mut world, "shanghai"), "local goes on");
    world.log.up = true;
    world.run(10_000);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")), truth(&mut world, "shanghai"));
    assert_eq!(freshness(&mut world, "frankfurt", "shanghai"), Freshness::Live);
}

#[test]
fn a_gateway_restarted_with_nothing_changed_adds_no_record_of_a_fact() {
    let mut world = settled_pair();
    world.restart("shanghai");
    world.run(40_000);
    assert_eq!(world.gateways[&cluster("shanghai")].data_sends, 0);
    assert_eq!(freshness(&mut world, "frankfurt", "shanghai"), Freshness::Live);
}

#[test]
fn a_gateway_restarted_while_its_nacos_is_away_serves_what_the_log_says() {
    let mut world = settled_pair();
    let want = truth(&mut world, "shanghai");
    world.nacos("shanghai").up = false;
    world.restart("shanghai");
    world.run(5_000);
    assert_eq!(world.shown("shanghai", "shanghai", &service("orders")), want);
    assert_eq!(freshness(&mut world, "shanghai", "shanghai"), Freshness::Stale);
}

#[test]
fn what_was_deregistered_while_the_gateway_was_away_leaves_after_the_hold() {
    let mut world = settled_pair();
    world.set("shanghai", &service("orders"), &id(20), None);
    world.restart("shanghai");
    world.run(12_000);
    assert_eq!(world.shown("shanghai", "shanghai", &service("orders")).len(), 3, "held, and shown as held");
    world.run(8_000);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")), truth(&mut world, "shanghai"));
}

#[test]
fn a_write_of_somebody_else_into_the_own_log_is_overruled() {
    let mut world = settled_pair();
    let known = DataKey::Instance(service("orders"), id(20));
    foreign(&mut world, "shanghai", known, instance(9.0, true), 0);
    world.run(5_000);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("orders")), truth(&mut world, "shanghai"));
    let overruled = |world: &World, at: &str| {
        world.gateways[&cluster(at)].core.counts().map(|(_, counts)| counts.overwritten).sum::<u64>()
    };
    assert_eq!(
        ["shanghai", "frankfurt"].map(|at| overruled(&world, at)),
        [1, 0],
        "it is counted where it is overruled"
    );
    let unknown = DataKey::Instance(service("ghosts"), id(66));
    foreign(&mut world, "shanghai", unknown, instance(9.0, true), 0);
    world.run(60_000);
    assert_eq!(world.shown("frankfurt", "shanghai", &service("ghosts")), BTreeMap::new());
}

/// The seeds to try: that of the environment (`SEED`), or the first dozen.
fn seeds() -> Vec<u64> {
    std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).map_or((0..12).collect(), |seed| vec![seed])
}

#[test]
fn whatever_happens_all_views_are_the_truth_once_everything_is_well_again() {
    for seed in seeds() {
        let mut world = random::play(seed, 60, Seed(1), false);
        random::heal(&mut world);
        random::check(&mut world, seed);
    }
}

#[test]
fn the_same_seed_has_the_same_effects_and_none_depends_on_the_order_in_hash_maps() {
    for seed in seeds() {
        let effects = |hashed_with| random::play(seed, 40, Seed(hashed_with), false).effects;
        let once = effects(1);
        assert_eq!(once, effects(1), "seed {seed}");
        assert_eq!(once, effects(2), "seed {seed}: the effects depend on how maps are hashed");
    }
}

#[test]
fn a_nacos_without_a_service_says_nothing_of_it() {
    let mut world = World::new(3, &["shanghai"]);
    world.run(20_000);
    assert_eq!(world.shown("shanghai", "shanghai", &service("orders")), BTreeMap::new());
    let fresh = Nacos { up: true, reads_allowed: true, ..Nacos::default() };
    world.start(&cluster("shanghai"), fresh);
    world.run(20_000);
    assert_eq!(world.gateways[&cluster("shanghai")].data_sends, 0);
}
