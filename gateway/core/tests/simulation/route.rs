//! Silence of origins, and of the way to them (rule R22).

use federation_core::freshness::Freshness;

use crate::freshness;
use crate::world::{World, cluster, id, instance, service};

const F: &str = "frankfurt";
const S: &str = "shanghai";
const V: &str = "virginia";

fn three() -> World {
    let mut world = World::new(1, &[F, S, V]);
    for (name, number) in [(F, 1), (S, 2), (V, 3)] {
        world.set(name, &service("orders"), &id(number * 10), Some(instance(1.0, true)));
    }
    world.run(30_000);
    assert_eq!([S, V].map(|of| freshness(&mut world, F, of)), [Freshness::Live; 2]);
    world
}

/// How a gateway in frankfurt takes both others, each second.
fn followed(world: &mut World, seconds: u64) -> Vec<[Freshness; 2]> {
    let look = |world: &mut World| {
        world.run(1_000);
        [S, V].map(|of| freshness(world, F, of))
    };
    (0..seconds).map(|_| look(world)).collect()
}

#[test]
fn two_that_fall_silent_together_are_isolated_and_not_demoted() {
    for apart in [0, 2_500] {
        let mut world = three();
        world.kill(S);
        world.run(apart);
        world.kill(V);
        for (second, seen) in followed(&mut world, 55).into_iter().enumerate() {
            assert!(
                seen.iter().all(|it| matches!(it, Freshness::Live | Freshness::Isolated)),
                "{apart} ms apart, {second} s later: {seen:?}"
            );
        }
        assert_eq!([S, V].map(|of| freshness(&mut world, F, of)), [Freshness::Isolated; 2], "{apart} ms apart");
    }
}

#[test]
fn two_that_fall_silent_one_after_the_other_are_judged_alone() {
    let mut world = three();
    world.kill(S);
    world.run(5_000);
    world.kill(V);
    world.run(20_000);
    assert_eq!([S, V].map(|of| freshness(&mut world, F, of)), [Freshness::Stale; 2]);
    world.run(60_000);
    assert_eq!([S, V].map(|of| freshness(&mut world, F, of)), [Freshness::Lost; 2]);
}

#[test]
fn one_remote_that_is_silent_goes_stale_then_lost_also_if_it_is_the_only_one() {
    let mut world = World::new(1, &[F, S]);
    world.run(30_000);
    world.kill(S);
    world.run(15_000);
    assert_eq!(freshness(&mut world, F, S), Freshness::Stale);
    world.run(50_000);
    assert_eq!(freshness(&mut world, F, S), Freshness::Lost);
}

#[test]
fn a_word_of_one_ends_the_suspicion_and_the_other_is_judged_alone() {
    let mut world = three();
    for name in [S, V] {
        world.log.paused.insert(cluster(name));
    }
    world.run(20_000);
    assert_eq!([S, V].map(|of| freshness(&mut world, F, of)), [Freshness::Isolated; 2]);
    world.log.paused.remove(&cluster(V));
    world.run(5_000);
    assert_eq!([S, V].map(|of| freshness(&mut world, F, of)), [Freshness::Stale, Freshness::Live]);
}

#[test]
fn two_that_really_died_together_are_lost_once_the_route_is_proven() {
    let mut world = three();
    world.kill(S);
    world.kill(V);
    world.run(62_000);
    assert_eq!([S, V].map(|of| freshness(&mut world, F, of)), [Freshness::Lost; 2]);
}

#[test]
fn a_route_that_does_not_answer_proves_nothing() {
    let mut world = three();
    world.kill(S);
    world.kill(V);
    world.run(20_000);
    world.log.swallows_control = true; // The own beat does not come back.
    let seen = followed(&mut world, 60);
    assert_eq!(seen.last(), Some(&[Freshness::Isolated; 2]));
    world.log.swallows_control = false;
    let seen = followed(&mut world, 70); // It leads again within ten seconds, and reads its own beats back.
    assert_eq!((seen[55], seen[69]), ([Freshness::Isolated; 2], [Freshness::Lost; 2]));
}

#[test]
fn while_the_own_beat_does_not_come_back_no_other_is_demoted() {
    let mut world = World::new(1, &[F, S]);
    world.run(30_000);
    world.log.swallows_control = true;
    world.run(30_000);
    assert_eq!(freshness(&mut world, F, S), Freshness::Isolated);
    world.log.swallows_control = false;
    world.run(10_000);
    assert_eq!(freshness(&mut world, F, S), Freshness::Live);
}

#[test]
fn who_says_that_it_stops_is_not_silent_and_suspects_nobody() {
    let mut world = three();
    for name in [S, V] {
        world.tell(&cluster(name), federation_core::input::Input::Stop);
        world.kill(name);
    }
    world.run(15_000);
    assert_eq!([S, V].map(|of| freshness(&mut world, F, of)), [Freshness::Stale; 2]);
}

#[test]
fn what_was_old_by_its_own_word_stays_so_behind_a_suspect_route() {
    let mut world = three();
    world.cut_nacos(S);
    world.run(20_000);
    assert_eq!(freshness(&mut world, F, S), Freshness::Stale);
    world.kill(S);
    world.kill(V);
    world.run(20_000);
    assert_eq!([S, V].map(|of| freshness(&mut world, F, of)), [Freshness::Stale, Freshness::Isolated]);
}
