//! How often a view is built anew: watchers are told each time.

use crate::random::NAMES;
use crate::settled_pair;
use crate::world::{World, cluster, id, instance, service};

/// In how many turns the service was to be built anew at each gateway.
fn rebuilt(world: &mut World) -> [usize; 2] {
    let mut times = [0; 2];
    for _ in 0..20 {
        world.run(20);
        for (at, times) in NAMES.iter().zip(&mut times) {
            let core = &mut world.gateways.get_mut(&cluster(at)).unwrap().core;
            *times += usize::from(core.take_changed().services.contains(&service("orders")));
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
