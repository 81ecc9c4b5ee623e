//! A world in which anything may happen: what, and when, follows from one seed.

use federation_core::id::ServiceKey;
use federation_core::seed::Seed;

use crate::world::{World, cluster, id, instance};

pub(crate) const NAMES: [&str; 2] = ["frankfurt", "shanghai"];
const NAMESPACES: [&str; 3] = ["public", "prod", "test"];
const SERVICES: [&str; 4] = ["orders", "users", "stock", "mail"];

/// All services that ever have an instance.
pub(crate) fn services() -> impl Iterator<Item = ServiceKey> {
    let named = |namespace: &'static str| SERVICES.map(|name| ServiceKey::new(namespace, "DEFAULT_GROUP", name));
    NAMESPACES.into_iter().flat_map(named)
}

/// Registrations, losses, restarts and delays: so many, with pauses between. What is broken at the end is left so.
pub(crate) fn play(seed: u64, events: u64, hashed_with: Seed, told: bool) -> World {
    let mut world = World::hashed(seed, &NAMES, hashed_with);
    (world.faults, world.told) = (true, told);
    for _ in 0..events {
        let name = NAMES[usize::try_from(world.dice.roll(2)).unwrap()];
        happen(&mut world, name);
        let pause = world.dice.roll(4_000);
        world.run(pause);
    }
    world
}

fn happen(world: &mut World, name: &str) {
    match world.dice.roll(12) {
        0 => world.restart(name),
        1 => {
            world.restart_nacos(name);
            world.run(3_000);
            world.clients_register_anew(name);
        }
        2 => {
            world.log.up = false;
            let pause = world.dice.roll(20_000);
            world.run(pause);
            world.log.up = true;
        }
        3..=5 => {
            let (service, gone) = (any_service(world), id(world.dice.roll(6)));
            world.set(name, &service, &gone, None);
        }
        _ => {
            let (service, number, weight) = (any_service(world), world.dice.roll(6), world.dice.roll(5));
            let enabled = !world.dice.one_in(5);
            let value = instance(f64::from(u32::try_from(weight).unwrap()), enabled);
            world.set(name, &service, &id(number), Some(value));
        }
    }
}

fn any_service(world: &mut World) -> ServiceKey {
    let count = u64::try_from(NAMESPACES.len() * SERVICES.len()).unwrap();
    let number = usize::try_from(world.dice.roll(count)).unwrap();
    services().nth(number).unwrap()
}

/// Everything is well again, for longer than a sweep: nothing else tells of an instance that was registered as disabled, which nobody may
/// call anyway.
pub(crate) fn heal(world: &mut World) {
    world.faults = false;
    world.run(700_000);
}

/// Fails unless both gateways show what both Nacos have, count it right, and have folded the same.
pub(crate) fn check(world: &mut World, seed: u64) {
    for origin in NAMES {
        for service in services() {
            let want = world.nacos(origin).services.get(&service).cloned().unwrap_or_default();
            for at in NAMES {
                assert_eq!(world.shown(at, origin, &service), want, "seed {seed}: {service} of {origin} at {at}");
            }
        }
    }
    let digests = |at: &str| -> Vec<(u64, u128)> {
        world.gateways[&cluster(at)].core.digests().map(|(_, count, digest)| (count, digest)).collect()
    };
    assert_eq!(digests("frankfurt"), digests("shanghai"), "seed {seed}");
    for (at, of) in [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(at, of)| (cluster(NAMES[at]), cluster(NAMES[of]))) {
        let core = &world.gateways[&at].core;
        assert_eq!(core.size(&of), core.size_counted_anew(&of), "seed {seed}: {of} at {at}");
    }
}
