//! The matrix of origins and readers: who has what the origin says that it has, from what each gateway states of itself.

use federation_core::federation::{Verification, VerifiedOrigin};
use federation_core::freshness::Freshness;
use federation_core::input::Input;
use federation_core::log::key::DataKey;
use federation_core::log::reading::ReadingVerdict;

use crate::world::{PARTITIONS, STEP, World, cluster, foreign, id, instance, service};
use crate::{settled_pair, truth};

const S: &str = "shanghai";
const F: &str = "frankfurt";

fn verification(world: &World, at: &str) -> Verification {
    world.gateways[&cluster(at)].core.verification(world.clocks().mono)
}

fn of_shanghai(verification: &Verification) -> &VerifiedOrigin {
    verification.origins.iter().find(|origin| origin.origin == cluster(S)).unwrap()
}

fn verdict(world: &World, at: &str, reader: &str) -> ReadingVerdict {
    let verification = verification(world, at);
    of_shanghai(&verification).readers.iter().find(|it| it.cluster == cluster(reader)).unwrap().verdict
}

/// Somebody writes into shanghai's log what no leader of it wrote.
fn tamper(world: &mut World) -> DataKey {
    let key = DataKey::Instance(service("orders"), id(20));
    foreign(world, S, key.clone(), instance(9.0, true), 0);
    key
}

/// Ends shanghai's only gateway in order.
fn stop_shanghai(world: &mut World) {
    world.tell(&cluster(S), Input::Stop);
    world.kill(S);
}

#[test]
fn one_gateway_shows_that_all_have_what_every_origin_says() {
    let mut world = settled_pair();
    world.run(15_000);
    for at in [F, S] {
        let all = verification(&world, at);
        assert!(all.is_equal(), "{all:#?}");
        assert_eq!(all.origins.iter().map(|origin| origin.readers.len()).collect::<Vec<_>>(), [2, 2]);
        assert!(all.origins.iter().all(|origin| origin.stated.as_ref().is_some_and(|stated| stated.alive)));
        assert_eq!(of_shanghai(&all).stated.as_ref().unwrap().reading.count, 3);
    }
}

#[test]
fn a_reader_that_has_not_got_everything_is_behind_by_so_many_records() {
    let mut world = settled_pair();
    world.run(15_000);
    world.log.no_fetch.insert(cluster(F));
    world.set(S, &service("orders"), &id(20), Some(instance(2.0, true)));
    world.run(500);
    world.set(S, &service("orders"), &id(21), Some(instance(2.0, true)));
    world.run(2_000);
    assert!(matches!(verdict(&world, S, F), ReadingVerdict::Behind(2..=4)), "{:?}", verdict(&world, S, F));
    world.log.no_fetch.clear();
    world.run(3_000);
    assert!(verification(&world, S).is_equal());
}

#[test]
fn a_record_tampered_with_while_its_origin_is_stopped_is_found_with_its_partition_and_key() {
    let mut world = settled_pair();
    world.set(S, &service("orders"), &id(21), Some(instance(2.0, true)));
    world.run(1_000);
    stop_shanghai(&mut world);
    world.run(2_000);
    assert!(verification(&world, F).is_equal(), "it stated everything before it ended");
    let key = tamper(&mut world);
    world.run(2_000);
    let all = verification(&world, F);
    assert!(!all.is_equal());
    let origin = of_shanghai(&all);
    assert!(!origin.stated.as_ref().unwrap().alive);
    assert!(origin.readers.iter().all(|reader| reader.verdict == ReadingVerdict::Diverged), "{:#?}", origin.readers);
    let difference = &origin.differences[..];
    assert_eq!(difference.len(), 1, "{difference:?}");
    assert_eq!((difference[0].place.partition, difference[0].since), (key.partition(PARTITIONS), 1));
    assert_eq!(difference[0].keys, [key]);
}

#[test]
fn a_record_tampered_with_while_its_origin_lives_heals_by_itself_within_seconds() {
    let mut world = settled_pair();
    world.run(15_000);
    tamper(&mut world);
    world.run(STEP);
    world.run(5_000);
    assert!(verification(&world, F).is_equal() && verification(&world, S).is_equal());
    assert_eq!(world.shown(F, S, &service("orders")), truth(&mut world, S));
}

#[test]
fn a_gateway_that_just_began_to_read_says_so() {
    let mut world = settled_pair();
    world.log.turn = Some(1);
    world.restart(F);
    world.run(STEP * 2);
    let all = verification(&world, F);
    let this = of_shanghai(&all).readers.iter().find(|it| it.cluster == cluster(F) && it.age.0 == 0).unwrap();
    assert_eq!(this.verdict, ReadingVerdict::Unread);
    world.log.turn = None;
    world.run(40_000);
    assert!(verification(&world, F).is_equal(), "what it was before its restart is silent by now");
}

/// How `observer` takes `origin`, as `at` tells it, and how old that word is.
fn link(world: &World, at: &str, observer: &str, origin: &str) -> (Option<Freshness>, bool, u64) {
    let all = verification(world, at);
    let row = all.observers.iter().find(|it| it.cluster == cluster(observer)).unwrap();
    let link = row.links.iter().find(|it| it.origin == cluster(origin)).unwrap();
    (link.word.map(|word| word.freshness), row.alive, row.said_age.0)
}

/// Lets time pass while every gateway looks at its clusters each second, as engines do.
fn run_and_look(world: &mut World, seconds: u64) {
    for _ in 0..seconds {
        world.run(1_000);
        for at in [F, S] {
            if world.gateways.contains_key(&cluster(at)) {
                world.clusters(at);
            }
        }
    }
}

#[test]
fn one_gateway_shows_how_every_other_takes_every_cluster() {
    let mut world = settled_pair();
    run_and_look(&mut world, 25);
    for (at, observer, origin) in [(S, S, F), (S, F, S), (F, S, F), (F, F, S)] {
        let (freshness, alive, said) = link(&world, at, observer, origin);
        assert_eq!((freshness, alive), (Some(Freshness::Live), true), "{observer} of {origin} at {at}");
        assert!(said <= 11_000, "{said}");
    }
    let own = verification(&world, S).observers.into_iter().filter(|it| it.own).map(|it| it.cluster);
    assert_eq!(own.collect::<Vec<_>>(), [cluster(S)]);
}

#[test]
fn the_row_of_a_gateway_that_cannot_read_says_so_and_that_of_one_that_is_gone_grows_old() {
    let mut world = settled_pair();
    run_and_look(&mut world, 25);
    world.log.no_fetch.insert(cluster(F));
    run_and_look(&mut world, 30);
    let (freshness, alive, _) = link(&world, S, F, S);
    assert_eq!((freshness, alive), (Some(Freshness::Isolated), true), "it writes still, and reads nothing");
    world.kill(F);
    run_and_look(&mut world, 40);
    let (freshness, alive, said) = link(&world, S, F, S);
    assert_eq!((freshness, alive), (Some(Freshness::Isolated), false), "its last word stands");
    assert!(said >= 40_000, "{said}");
    let (freshness, _, said) = link(&world, S, S, F);
    assert_eq!((freshness, said), (Some(Freshness::Lost), 0));
}
