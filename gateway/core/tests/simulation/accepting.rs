//! Whose orders count: what rules and signatures refuse changes nothing, is shown, and stands in the way of no other order.

use federation_core::federation::{Federation, FederationSettings};
use federation_core::id::ClusterId;
use federation_core::input::{Effect, Input, LogInput, OperatorOrder, OrderId};
use federation_core::intents::verdict::{NotAccepted, Signed};
use federation_core::intents::{DrainIntent, DrainOrder, DrainTarget, HIGHEST_COUNTER, OrderCounter, OrderGiver};
use federation_core::log::control::{ControlKey, ControlValue};
use federation_core::log::record::{ControlRecord, Epoch, PartitionId, RecordHeader, TopicKind};
use federation_core::orders::rules::{AcceptRule, IntentRules, OrderKind};
use federation_core::orders::{HeardOrder, HeardWhat};
use federation_core::pattern::ServicePattern;
use federation_core::routing::{DrainGuard, Percent};
use federation_core::seed::Seed;
use federation_core::time::{Millis, Mono, Now, WallMs};

use crate::world::{World, cluster, settings};

const A: &str = "frankfurt";
const B: &str = "shanghai";
const C: &str = "virginia";

fn target(text: &str) -> DrainTarget {
    text.parse().unwrap()
}

/// Three gateways: those `at` these clusters accept what `rules` say, the others everything.
fn settled(at: &[&str], rules: &IntentRules, signed: Signed) -> World {
    let mut world = World::new(5, &[A, B, C]);
    world.log.signed = signed;
    for (name, nonce) in at.iter().zip(7..) {
        let settings = settings(&cluster(name), nonce, Seed(1));
        let core = Federation::new(FederationSettings { intents: rules.clone(), ..settings });
        world.gateways.get_mut(&cluster(name)).unwrap().core = core;
    }
    world.run(20_000);
    for gateway in world.gateways.values_mut() {
        gateway.core.take_heard();
    }
    world
}

/// What orders of these clusters about anything are accepted by.
fn of(clusters: &[&str]) -> IntentRules {
    let globs = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let rule = AcceptRule {
        from: globs(clusters),
        orders: vec![OrderKind::Drain, OrderKind::Guard],
        clusters: globs(&["*"]),
        services: vec![ServicePattern::any()],
        itself: false,
    };
    IntentRules { accept: Some(vec![rule]), ..IntentRules::default() }
}

fn pinned(clusters: &[&str]) -> IntentRules {
    IntentRules { pinned: clusters.iter().map(|name| cluster(name)).collect(), ..IntentRules::default() }
}

fn drain(world: &mut World, at: &str, about: &str, percent: u8) {
    let order = DrainOrder {
        target: target(about),
        percent: Percent::new(percent).unwrap(),
        over: Millis(0),
        guard: DrainGuard::default(),
        who: "ann".into(),
        why: "maintenance".into(),
        giver: OrderGiver::new("token:ops", "10.0.0.1:5", "token"),
    };
    world.tell(&cluster(at), Input::Order(OperatorOrder::Drain { id: OrderId(1), order }));
    world.answer.take().expect("an order is answered at once").unwrap();
    world.run(1_000);
}

/// Percentage in force, and where it was taken.
fn shown(world: &World, at: &str, about: &str) -> Option<(u8, String)> {
    let table = world.gateways[&cluster(at)].core.intents();
    let drain = table.get(&target(about))?;
    Some((drain.intent.percent.get(), drain.taken_in.to_string()))
}

fn is(percent: u8, taken_in: &str) -> Option<(u8, String)> {
    Some((percent, taken_in.to_owned()))
}

/// What has no effect there: target, origin, why.
fn refused(world: &World, at: &str) -> Vec<(String, String, NotAccepted)> {
    let table = world.gateways[&cluster(at)].core.intents();
    table.refused().iter().map(|it| (it.target.to_string(), it.taken_in.to_string(), it.record.why)).collect()
}

fn not_accepted(world: &World, at: &str, of: &str) -> u64 {
    let core = &world.gateways[&cluster(at)].core;
    core.counts().find(|(id, _)| **id == cluster(of)).unwrap().1.not_accepted
}

/// Who was heard to have ordered what: origin, identity, target, percentages before and after, why it was refused.
fn heard(world: &mut World, at: &str) -> Vec<(String, String, String, u8, u8, Option<NotAccepted>)> {
    let told = |order: HeardOrder| {
        let HeardOrder { origin, what, refused, .. } = order;
        let (identity, about, before, after) = match what {
            HeardWhat::Drain { target, intent, before, after } => (intent.giver.identity, target, before, after),
            HeardWhat::Forgotten { target, before, after } => ("".into(), target, before, after),
            HeardWhat::Hold { .. } => panic!("nobody decided about a hold"),
        };
        (origin.to_string(), identity.to_string(), about.to_string(), before.get(), after.get(), refused)
    };
    world.gateways.get_mut(&cluster(at)).unwrap().core.take_heard().into_iter().map(told).collect()
}

/// A record that nobody here wrote, at the end of a cluster's control topic.
fn forge(world: &mut World, of: &str, about: &str, order: Option<(u64, u8)>) {
    let records = world.log.control.get_mut(&cluster(of)).unwrap();
    let offset = u64::try_from(records.len()).unwrap();
    records.push(record(offset, about, order, Signed::Absent));
}

fn record(offset: u64, about: &str, order: Option<(u64, u8)>, signed: Signed) -> ControlRecord {
    let header = RecordHeader { schema: 1, epoch: Epoch::default(), seq: 0, observed: WallMs(0) };
    let intent = |(counter, percent)| DrainIntent {
        counter: OrderCounter::new(counter).unwrap(),
        percent: Percent::new(percent).unwrap(),
        guard: DrainGuard::Force,
        who: "mallory".into(),
        why: "".into(),
        when: WallMs(0),
        replica: 1,
        ramp: None,
        giver: OrderGiver::default(),
    };
    let value = order.map(|order| ControlValue::Drain(intent(order)));
    ControlRecord { offset, key: ControlKey::Drain(target(about)), header: Some(header), value, signed }
}

#[test]
fn what_no_rule_accepts_has_no_effect_is_shown_and_stands_in_nobodys_way() {
    let mut world = settled(&[A], &of(&[C]), Signed::Absent);
    drain(&mut world, B, A, 30);
    assert_eq!((shown(&world, A, A), shown(&world, C, A)), (None, is(30, B)));
    assert_eq!(refused(&world, A), [(A.to_owned(), B.to_owned(), NotAccepted::NoRule)]);
    assert_eq!(not_accepted(&world, A, B), 1);
    drain(&mut world, C, A, 40);
    assert_eq!((shown(&world, A, A), shown(&world, B, A)), (is(40, C), is(40, C)));
    drain(&mut world, B, A, 50);
    assert_eq!((shown(&world, A, A), shown(&world, C, A)), (is(40, C), is(50, B)));
    // Who orders at the own gateway overrules all, here and where the other one counted.
    drain(&mut world, A, A, 0);
    assert_eq!([A, B, C].map(|at| shown(&world, at, A)), [is(0, A), is(0, A), is(0, A)]);
}

#[test]
fn an_absurd_number_that_is_not_accepted_neither_blocks_nor_is_counted_on() {
    let mut world = settled(&[A], &of(&[C]), Signed::Absent);
    forge(&mut world, B, A, Some((HIGHEST_COUNTER, 100)));
    world.run(1_000);
    assert_eq!(shown(&world, A, A), None);
    drain(&mut world, A, A, 10);
    assert_eq!(shown(&world, A, A), is(10, A));
    let counter = world.gateways[&cluster(A)].core.intents().get(&target(A)).unwrap().intent.counter;
    assert_eq!(counter, OrderCounter::FIRST, "the numbers are not used up");
}

#[test]
fn a_forged_record_of_a_cluster_that_signs_changes_nothing_and_is_written_over_by_the_true_one() {
    let mut world = settled(&[A, B], &pinned(&[B]), Signed::Valid);
    drain(&mut world, B, A, 30);
    for (order, name) in [(Some((9, 100)), "an order"), (None, "a removal")] {
        forge(&mut world, B, A, order);
        for _ in 0..40 {
            world.run(50);
            assert_eq!(shown(&world, A, A), is(30, B), "{name}");
        }
        assert_eq!(refused(&world, A), [], "{name} is written over");
        let why = heard(&mut world, A).pop().unwrap().5;
        assert_eq!(why, Some(NotAccepted::Unsigned), "{name}");
    }
    forge(&mut world, B, C, Some((1, 100)));
    world.run(1_000);
    assert_eq!((shown(&world, A, C), refused(&world, A).len()), (None, 1));
    assert_eq!(not_accepted(&world, A, B), 3);
    // Whoever starts now reads the true order.
    world.restart(C);
    world.run(20_000);
    assert_eq!(shown(&world, C, A), is(30, B));
}

#[test]
fn orders_of_others_are_heard_once_with_their_giver_and_what_they_changed() {
    let mut world = settled(&[A], &of(&[B]), Signed::Absent);
    drain(&mut world, B, A, 30);
    drain(&mut world, B, A, 0);
    drain(&mut world, C, A, 50);
    drain(&mut world, A, A, 20);
    let ops = |origin: &str, before, after, refused: Option<NotAccepted>| {
        (origin.to_owned(), "token:ops".to_owned(), A.to_owned(), before, after, refused)
    };
    let no_rule = Some(NotAccepted::NoRule);
    assert_eq!(heard(&mut world, A), [ops(B, 0, 30, None), ops(B, 30, 0, None), ops(C, 0, 0, no_rule)]);
    assert_eq!(heard(&mut world, B), [ops(C, 0, 50, None), ops(A, 50, 20, None)]);
    world.run(60_000);
    assert_eq!((heard(&mut world, A), heard(&mut world, B)), (vec![], vec![]), "each once");
}

#[test]
fn steps_of_a_ramp_are_not_heard_and_a_removed_drain_is() {
    let mut world = settled(&[], &IntentRules::default(), Signed::Absent);
    let order = DrainOrder {
        target: target(A),
        percent: Percent::new(30).unwrap(),
        over: Millis(30_000),
        guard: DrainGuard::default(),
        who: "ann".into(),
        why: "".into(),
        giver: OrderGiver::new("token:ops", "", ""),
    };
    world.tell(&cluster(B), Input::Order(OperatorOrder::Drain { id: OrderId(1), order }));
    world.run(40_000);
    assert_eq!(shown(&world, C, A), is(30, B));
    assert_eq!(heard(&mut world, C), [(B.to_owned(), "token:ops".to_owned(), A.to_owned(), 0, 30, None)]);
    forge(&mut world, B, A, None);
    world.run(1_000);
    assert_eq!(heard(&mut world, C), [(B.to_owned(), String::new(), A.to_owned(), 30, 0, None)]);
}

#[test]
fn a_start_tells_what_stands_in_the_log_with_its_time_and_with_a_snapshot_only_what_is_new() {
    let origin: ClusterId = cluster(B);
    let control = PartitionId { origin: origin.clone(), topic: TopicKind::Control, partition: 0 };
    let now = Now { mono: Mono(1_000), wall: WallMs(9_000) };
    let read = |core: &mut Federation, records: Vec<ControlRecord>| -> Vec<WallMs> {
        core.step(now, Input::Log(LogInput::Members(vec![(origin.clone(), 2)])));
        let next_offset = u64::try_from(records.len()).unwrap();
        core.step(now, Input::Log(LogInput::Control { origin: origin.clone(), records }));
        assert_eq!(core.take_heard(), [], "not before the end");
        let effects = core.step(now, Input::Log(LogInput::AtEnd { partition: control.clone(), next_offset }));
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Answer { .. })));
        core.take_heard().into_iter().map(|order| order.when).collect()
    };
    let mut first = Federation::new(settings(&cluster(A), 7, Seed(1)));
    let old = vec![record(0, A, Some((1, 99)), Signed::Absent), record(1, A, Some((2, 30)), Signed::Absent)];
    assert_eq!(read(&mut first, old.clone()), [WallMs(0)], "of each target the last");
    let mut snapshot = first.snapshot();
    for piece in &mut snapshot {
        piece.partitions = 2; // Nothing of its data was read here, which is no matter.
    }
    let kept: Vec<_> = first.intents().iter().map(|drain| drain.intent.clone()).collect();
    assert_eq!(kept.len(), 1);
    let mut second = Federation::new(settings(&cluster(A), 8, Seed(1)));
    second.restore(snapshot);
    let mut records = old;
    records.push(record(2, C, Some((1, 10)), Signed::Absent));
    assert_eq!(read(&mut second, records).len(), 1);
}

#[test]
fn a_drain_of_a_snapshot_counts_only_if_it_is_accepted_now() {
    let origin = cluster(B);
    let control = PartitionId { origin: origin.clone(), topic: TopicKind::Control, partition: 0 };
    let begin = |rules: &IntentRules| {
        Federation::new(FederationSettings { intents: rules.clone(), ..settings(&cluster(A), 7, Seed(1)) })
    };
    let now = Now { mono: Mono(1_000), wall: WallMs(9_000) };
    let mut first = begin(&pinned(&[B]));
    first.step(now, Input::Log(LogInput::Members(vec![(origin.clone(), 2)])));
    let records = vec![record(0, A, Some((1, 30)), Signed::Valid), record(1, C, Some((1, 40)), Signed::Absent)];
    first.step(now, Input::Log(LogInput::Control { origin: origin.clone(), records }));
    first.step(now, Input::Log(LogInput::AtEnd { partition: control, next_offset: 2 }));
    let mut snapshot = first.snapshot();
    snapshot.iter_mut().for_each(|piece| piece.partitions = 2);
    for (rules, want) in [(pinned(&[B]), 1), (IntentRules::default(), 1), (of(&[C]), 0)] {
        let mut second = begin(&rules);
        second.restore(snapshot.clone());
        assert_eq!(second.intents().iter().count(), want, "{rules:?}");
    }
    snapshot.iter_mut().flat_map(|piece| &mut piece.intents).for_each(|kept| kept.signed = Signed::Absent);
    let mut second = begin(&pinned(&[B]));
    second.restore(snapshot);
    assert_eq!(second.intents().iter().count(), 0, "from before signatures");
}
