//! Sealed contents: which key items are written under, that another key costs nobody a moment, and that what cannot be read is neither
//! published nor lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use federation_core::config_item::{ConfigItem, SealKeyId, SealPolicy, SealReason, SealedContent};
use federation_core::id::ConfigKey;
use federation_core::input::{ConfigReading, Input, LocalInput, OpenedItem, SealInput};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{Epoch, PartitionId, RecordBody, RecordHeader, TopicKind};
use federation_core::time::{Mono, WallMs};

use crate::settled_pair;
use crate::world::{PARTITIONS, STEP, World, cluster, push};

const S: &str = "shanghai";
const F: &str = "frankfurt";
/// A cluster that wrote once, and of which nothing runs.
const GONE: &str = "virginia";
const FIRST: SealKeyId = SealKeyId([1; 8]);
const SECOND: SealKeyId = SealKeyId([2; 8]);
/// More than are rewritten at a time.
const ITEMS: usize = 250;

fn key(number: usize) -> ConfigKey {
    ConfigKey::new("public", "g", &format!("{number}.yaml"))
}

fn plain(content: &str) -> Arc<ConfigItem> {
    Arc::new(ConfigItem { content: content.into(), ..ConfigItem::default() })
}

fn sealed(reason: SealReason) -> Arc<ConfigItem> {
    Arc::new(ConfigItem::sealed(SealedContent { key: FIRST, bytes: [7; 40].into(), reason }))
}

fn seal(world: &mut World, policy: SealPolicy) {
    world.tell(&cluster(S), Input::Seal(SealInput::Policy(policy)));
}

fn nacos_says(world: &mut World, number: usize, reading: ConfigReading) {
    world.tell(&cluster(S), Input::Local(LocalInput::Config { key: key(number), reading }));
}

/// What a gateway shows of an item of a cluster.
fn shown(world: &World, at: &str, of: &str, number: usize) -> Option<Arc<ConfigItem>> {
    let config = world.gateways[&cluster(at)].core.config(&key(number))?;
    config.items.into_iter().find(|item| item.origin == cluster(of)).map(|item| item.item)
}

fn text(item: Option<Arc<ConfigItem>>) -> Option<String> {
    item.and_then(|item| item.content.text().ok().map(str::to_owned))
}

fn place(of: &str, number: usize) -> PartitionId {
    let partition = DataKey::Config(key(number)).partition(PARTITIONS);
    PartitionId { origin: cluster(of), topic: TopicKind::Configs, partition }
}

/// The last records of a cluster's config items, and how many records there are of them.
fn logged(world: &World, of: &str) -> (BTreeMap<String, Arc<ConfigItem>>, usize) {
    let (mut last, mut records) = (BTreeMap::new(), 0);
    for partition in 0..PARTITIONS {
        let place = PartitionId { origin: cluster(of), topic: TopicKind::Configs, partition };
        for record in world.log.data.get(&place).into_iter().flatten() {
            let RecordKey::Data(key) = &record.key else { continue };
            records += 1;
            match &record.body {
                RecordBody::Config(item) => drop(last.insert(key.encode(), Arc::clone(item))),
                _ => drop(last.remove(&key.encode())),
            }
        }
    }
    (last, records)
}

/// Another writer puts an item into a cluster's log.
fn written_by_another(world: &mut World, of: &str, number: usize, item: Arc<ConfigItem>) {
    let header = RecordHeader { schema: 1, epoch: Epoch { term: 1, nonce: 1 }, seq: 1, observed: WallMs(0) };
    let key = RecordKey::Data(DataKey::Config(key(number)));
    push(&mut world.log, place(of, number), key, RecordBody::Config(item), header);
}

#[test]
fn another_key_is_put_in_the_place_of_the_former_without_a_gap_and_not_all_at_once() {
    let mut world = settled_pair();
    (0..ITEMS).for_each(|number| nacos_says(&mut world, number, ConfigReading::Item(plain(&number.to_string()))));
    world.run(5_000);
    for policy in [SealPolicy::Under(FIRST), SealPolicy::Under(SECOND), SealPolicy::Clear] {
        seal(&mut world, policy);
        assert_eq!(world.gateways[&cluster(S)].core.items_to_reseal(), ITEMS as u64);
        let mut before = logged(&world, S).1;
        for _ in 0..20_000 / STEP {
            world.run(STEP);
            let (last, records) = logged(&world, S);
            assert!(records - before <= 100, "{} records at once", records - before);
            before = records;
            assert_eq!(last.len(), ITEMS);
            for number in 0..ITEMS {
                assert_eq!(text(shown(&world, F, S, number)), Some(number.to_string()));
            }
            let core = &world.gateways[&cluster(S)].core;
            assert!(core.unpublished_age(Mono(world.now)).0 < 1_000, "what waits to be sealed makes nobody old");
        }
        let wrong = logged(&world, S).0.into_iter().find(|(_, item)| item.seal() != policy.key());
        assert_eq!(wrong, None, "{policy:?}");
        let core = &world.gateways[&cluster(F)].core;
        let seals = core.seals().find(|(id, _)| **id == cluster(S)).unwrap().1;
        assert_eq!((seals.under(policy.key()), seals.total()), (ITEMS as u64, ITEMS as u64));
        assert_eq!(world.gateways[&cluster(S)].core.items_to_reseal(), 0);
    }
}

#[test]
fn a_change_while_another_key_waits_is_written_at_once_under_that_key() {
    let mut world = settled_pair();
    (0..ITEMS).for_each(|number| nacos_says(&mut world, number, ConfigReading::Item(plain("old"))));
    world.run(5_000);
    seal(&mut world, SealPolicy::Under(FIRST));
    nacos_says(&mut world, ITEMS - 1, ConfigReading::Item(plain("new")));
    world.run(2 * STEP);
    let last = logged(&world, S).0[&DataKey::Config(key(ITEMS - 1)).encode()].clone();
    assert_eq!((last.content.text().unwrap(), last.seal()), ("new", Some(FIRST)));
}

#[test]
fn who_was_given_no_keys_publishes_nothing_that_stands_sealed() {
    let mut world = settled_pair();
    seal(&mut world, SealPolicy::Under(FIRST));
    nacos_says(&mut world, 0, ConfigReading::Item(plain("secret")));
    world.run(5_000);
    world.restart(S); // Without keys: nobody has told it of any.
    world.run(STEP);
    nacos_says(&mut world, 0, ConfigReading::Item(plain("changed secret")));
    nacos_says(&mut world, 1, ConfigReading::Item(plain("never sealed")));
    world.run(60_000);
    let encoded = |number| DataKey::Config(key(number)).encode();
    let of = |world: &World, number| logged(world, S).0[&encoded(number)].clone();
    assert_eq!((of(&world, 0).content.text(), of(&world, 0).seal()), (Ok("secret"), Some(FIRST)));
    assert_eq!((of(&world, 1).content.text(), of(&world, 1).seal()), (Ok("never sealed"), None));
    seal(&mut world, SealPolicy::Under(FIRST));
    world.run(15_000);
    assert_eq!((of(&world, 0).content.text(), of(&world, 0).seal()), (Ok("changed secret"), Some(FIRST)));
    assert_eq!(of(&world, 1).seal(), Some(FIRST));
}

#[test]
fn a_leader_holds_what_it_cannot_read_until_it_is_proven_gone() {
    let mut world = settled_pair();
    seal(&mut world, SealPolicy::Under(SECOND));
    world.kill(S);
    written_by_another(&mut world, S, 0, sealed(SealReason::NoKey));
    world.run(3_000); // As long as a late record is kept back.
    world.start(&cluster(S), crate::world::Nacos { up: true, reads_allowed: true, ..Default::default() });
    seal(&mut world, SealPolicy::Under(SECOND));
    world.run(STEP);
    nacos_says(&mut world, 0, ConfigReading::Absent);
    for _ in 0..40_000 / STEP {
        world.run(STEP);
        assert!(shown(&world, F, S, 0).is_some_and(|item| item.content.text().is_err()));
    }
    let records = logged(&world, S).1;
    assert_eq!(records, 1, "what cannot be read is not written anew");
    nacos_says(&mut world, 0, ConfigReading::Item(plain("it is there")));
    world.run(5_000);
    assert_eq!(text(shown(&world, F, S, 0)).as_deref(), Some("it is there"));
    assert_eq!(shown(&world, F, S, 0).unwrap().seal(), Some(SECOND));
}

#[test]
fn what_is_opened_takes_the_place_of_what_was_sealed_and_of_nothing_else() {
    let mut world = settled_pair();
    world.log.control.entry(cluster(GONE)).or_default();
    written_by_another(&mut world, GONE, 0, sealed(SealReason::NoKey));
    written_by_another(&mut world, GONE, 1, sealed(SealReason::CannotBeOpened));
    world.run(2_000);
    assert_eq!(text(shown(&world, F, GONE, 0)), None);
    let core = &world.gateways[&cluster(F)].core;
    let unopened: Vec<_> = core.unopened().map(|(id, key, item)| (id.clone(), key.clone(), item.clone())).collect();
    assert_eq!(unopened, [(cluster(GONE), key(0), sealed(SealReason::NoKey))], "the other one was tried");
    let digests = |world: &World| world.gateways[&cluster(F)].core.digests().collect::<Vec<_>>();
    let before = digests(&world);
    let open = |world: &mut World, sealed: Arc<ConfigItem>, content: &str| {
        let (origin, key, opened) = (cluster(GONE), key(0), plain(content).under(Some(FIRST)));
        let opened = vec![OpenedItem { origin, key, sealed, opened }];
        world.tell(&cluster(F), Input::Seal(SealInput::Opened(opened)));
    };
    let other = ConfigItem::sealed(SealedContent { key: FIRST, bytes: [8; 40].into(), reason: SealReason::NoKey });
    open(&mut world, Arc::new(other), "of an overwritten record");
    assert_eq!(text(shown(&world, F, GONE, 0)), None);
    open(&mut world, sealed(SealReason::NoKey), "open");
    assert_eq!(text(shown(&world, F, GONE, 0)).as_deref(), Some("open"));
    let core = &mut world.gateways.get_mut(&cluster(F)).unwrap().core;
    assert!(core.take_changed().configs.contains_key(&key(0)), "who watches is told");
    let seals = core.seals().find(|(id, _)| **id == cluster(GONE)).unwrap().1;
    assert_eq!(seals.keys, [((FIRST, None), 1), ((FIRST, Some(SealReason::CannotBeOpened)), 1)].into());
    assert_eq!(digests(&world), before, "the record is the same");
}
