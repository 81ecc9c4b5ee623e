//! How often a view is built anew: watchers are told each time.

use crate::random::NAMES;
use crate::settled_pair;
use crate::world::{World, cluster, id, instance, service};

/// In how many turns the service was to be built anew at each gateway, in four seconds.
fn rebuilt(world: &mut World) -> [usize; 2] {
    let mut times = [0; 2];
    for _ in 0..200 {
        world.run(20);
        for (at, times) in NAMES.iter().zip(&mut times) {
            let core = &mut world.gateways.get_mut(&cluster(at)).unwrap().core;
            *times += usize::from(core.take_changed().services.contains(&service("orders")));
        }
    }
    times
}

#[test]
fn a_registration_and_a_deregistration_are_shown_once_here_and_once_elsewhere() {
    let mut world = settled_pair();
    rebuilt(&mut world);
    world.set("shanghai", &service("orders"), &id(30), Some(instance(1.0, true)));
    assert_eq!(rebuilt(&mut world), [1, 1], "own records that are read back change nothing");
    world.set("shanghai", &service("orders"), &id(30), Some(instance(2.0, true)));
    assert_eq!(rebuilt(&mut world), [1, 1], "a change");
}
