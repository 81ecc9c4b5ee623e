//! How often a view is built anew: watchers are told each time.

use federation_core::cause::{ChangeCause, ChangeThrough};
use federation_core::input::{Input, OperatorOrder};
use federation_core::log::key::DataKey;
use federation_core::log::record::TopicKind;

use crate::random::NAMES;
use crate::settled_pair;
use crate::world::{PARTITIONS, World, cluster, id, instance, service};

/// In how many turns the service was to be built anew at each gateway.
fn rebuilt(world: &mut World) -> [usize; 2] {
    let mut times = [0; 2];
    for _ in 0..20 {
        world.run(20);
        for (at, times) in NAMES.iter().zip(&mut times) {
            let core = &mut world.gateways.get_mut(&cluster(at)).unwrap().core;
            *times += usize::from(core.take_changed().services.contains_key(&service("orders")));
        }
    }
    times
}

#[test]
fn a_change_is_told_once_here_and_once_elsewhere_and_own_records_that_are_read_back_tell_nothing() {
    let (mut world, shanghai) = (settled_pair(), cluster("shanghai"));
    rebuilt(&mut world);
    for weight in [1.0, 2.0] {
        world.log.deaf.insert(shanghai.clone()); // It writes, and reads later.
        world.set("shanghai", &service("orders"), &id(30), Some(instance(weight, true)));
        assert_eq!(rebuilt(&mut world), [1, 1], "weight {weight}, as Nacos lists it");
        world.log.deaf.remove(&shanghai);
        assert_eq!(rebuilt(&mut world), [0, 0], "weight {weight}, read back");
    }
}

/// What the last change of the service came of, at the gateway.
fn cause(world: &mut World, at: &str) -> Option<ChangeCause> {
    let core = &mut world.gateways.get_mut(&cluster(at)).unwrap().core;
    core.take_changed().services.get(&service("orders")).copied()
}

#[test]
fn a_change_says_through_what_it_was_learnt_and_of_a_record_where_it_stands() {
    let mut world = settled_pair();
    rebuilt(&mut world);
    world.set("shanghai", &service("orders"), &id(30), Some(instance(1.0, true)));
    world.run(400);
    let (here, elsewhere) = (cause(&mut world, "shanghai").unwrap(), cause(&mut world, "frankfurt").unwrap());
    assert_eq!(here, ChangeThrough::Push.into());
    let place = elsewhere.place.expect("it is a record");
    let partition = DataKey::Instance(service("orders"), id(30)).partition(PARTITIONS);
    assert_eq!(
        (elsewhere.through, place.topic, place.partition),
        (ChangeThrough::Log, TopicKind::Instances, partition)
    );
    world.tell(&cluster("frankfurt"), Input::Order(OperatorOrder::Exclude([cluster("shanghai")].into())));
    assert_eq!(cause(&mut world, "frankfurt"), Some(ChangeThrough::Operator.into()));
}
