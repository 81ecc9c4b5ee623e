//! The own log beside what the own Nacos answers when it is asked anew: what is the same, what differs, what was only on its way.

use federation_core::comparison::{ComparisonRefused, NacosComparison, NacosDifference, NacosDifferenceKind};
use federation_core::input::{Input, LocalInput, OperatorOrder, OrderId};
use federation_core::log::key::DataKey;
use federation_core::service::HoldReason;

use crate::world::{STEP, World, cluster, id, instance, service};
use crate::{settled_pair, truth};

const S: &str = "shanghai";

fn begin(world: &mut World) {
    world.tell(&cluster(S), Input::Order(OperatorOrder::Compare { id: OrderId(1) }));
}

fn found(world: &World) -> NacosComparison {
    world.gateways[&cluster(S)].core.nacos_comparison()
}

/// The outcome of a comparison that is begun now, and how long it took.
fn compared(world: &mut World) -> (NacosComparison, u64) {
    begin(world);
    for turn in 0..60_000 / STEP {
        world.run(STEP);
        if found(world).ended {
            return (found(world), turn * STEP);
        }
    }
    panic!("it did not end: {:?}", found(world));
}

fn different(name: &str, number: u64, kind: NacosDifferenceKind) -> NacosDifference {
    NacosDifference { key: DataKey::Instance(service(name), id(number)), kind }
}

#[test]
fn a_log_that_has_what_nacos_has_is_equal_after_one_look() {
    let mut world = settled_pair();
    assert_eq!(found(&world).round, 0);
    let (comparison, took) = compared(&mut world);
    assert!(comparison.is_equal(), "{comparison:?}");
    assert_eq!((comparison.of, comparison.answered, comparison.facts), (1, 1, 3));
    assert!(took < 3_000, "{took}");
    assert_eq!(world.compared, Some(Ok(1)));
    let core = &mut world.gateways.get_mut(&cluster(S)).unwrap().core;
    assert_eq!((core.take_comparison(), core.take_comparison()), (Some(comparison), None), "told once");
    assert_eq!(compared(&mut world).0.round, 2);
}

#[test]
fn each_difference_that_stays_is_named_with_what_it_is() {
    let mut world = settled_pair();
    world.log.up = false;
    world.set(S, &service("orders"), &id(20), Some(instance(0.5, true)));
    world.set(S, &service("orders"), &id(29), Some(instance(1.0, true)));
    // No push tells that it is gone: it is not even held before it is asked for.
    world.nacos(S).services.get_mut(&service("orders")).unwrap().remove(&id(21));
    let (comparison, _) = compared(&mut world);
    let want = [
        different("orders", 20, NacosDifferenceKind::Values(vec!["weight"])),
        different("orders", 29, NacosDifferenceKind::NotInLog),
        different("orders", 21, NacosDifferenceKind::NotInNacos),
    ];
    assert_eq!(comparison.differences, want);
    assert_eq!((comparison.different, comparison.is_equal()), (3, false));
}

#[test]
fn a_removal_that_is_held_differs_and_says_why() {
    let mut world = settled_pair();
    world.restart_nacos(S);
    world.run(2_000);
    let (comparison, _) = compared(&mut world);
    let held = |number| different("orders", number, NacosDifferenceKind::Held(HoldReason::AfterConnect));
    assert_eq!(comparison.differences, [held(20), held(21), held(22)]);
}

#[test]
fn a_change_that_is_on_its_way_differs_once_and_is_not_told_in_the_end() {
    let mut world = settled_pair();
    world.log.up = false;
    world.set(S, &service("orders"), &id(20), Some(instance(0.5, true)));
    begin(&mut world);
    world.run(1_000);
    assert_eq!((found(&world).different, found(&world).ended), (1, false));
    world.log.up = true;
    world.run(10_000);
    assert!(found(&world).is_equal(), "{:?}", found(&world));
    assert_eq!(truth(&mut world, S).len(), 3);
}

#[test]
fn what_does_not_answer_is_named_and_nothing_is_equal() {
    let mut world = settled_pair();
    world.nacos(S).up = false; // The connection stands, and nothing is answered.
    let (comparison, _) = compared(&mut world);
    assert_eq!((comparison.silent, comparison.answered, comparison.is_equal()), (1, 0, false));
    assert_eq!(comparison.unread.len(), 1);
}

#[test]
fn nothing_is_compared_while_nacos_is_away() {
    let mut world = settled_pair();
    world.tell(&cluster(S), Input::Local(LocalInput::Disconnected { reason: "away".into() }));
    begin(&mut world);
    assert_eq!(world.compared, Some(Err(ComparisonRefused::NotConnected)));
    assert_eq!(found(&world).round, 0);
}
