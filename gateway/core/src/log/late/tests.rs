use proptest::prelude::*;

use super::*;
use crate::instance::{Health, Metadata, Weight};
use crate::log::key::RecordKey;
use crate::log::record::{Checkpoint, Epoch, Record, RecordHeader};
use crate::seed::Seed;
use crate::time::WallMs;

const SERVICE: (&str, &str, &str) = ("public", "G", "orders");

fn service() -> ServiceKey {
    ServiceKey::new(SERVICE.0, SERVICE.1, SERVICE.2)
}

fn id(number: u64) -> InstanceId {
    InstanceId::new(&format!("10.0.0.{number}"), 80, "DEFAULT")
}

fn instance(weight: f64) -> RecordBody {
    let weight = Weight::try_from(weight).expect("a weight");
    let (health, metadata) = (Health::Healthy, Metadata::default());
    RecordBody::Instance(Arc::new(Instance { weight, health, enabled: true, ephemeral: true, metadata }))
}

/// A partition whose records are numbered, and what is shown of it.
struct Shown {
    partition: Partition,
    offset: u64,
}

impl Shown {
    /// At the end of a log in which the leader of term 2 wrote 20 and stated it.
    fn led_by_two() -> Self {
        let mut shown = Self { partition: Partition::new(Seed(1)), offset: 0 };
        shown.meet(0, (1, 1), 20, instance(1.0));
        shown.meet(0, (2, 1), 20, instance(2.0));
        shown.state((2, 2));
        let offset = shown.offset;
        shown.partition.at_end(offset);
        shown
    }

    fn header((term, seq): (u32, u64)) -> Option<RecordHeader> {
        Some(RecordHeader { schema: 1, epoch: Epoch { term, nonce: 1 }, seq, observed: WallMs(0) })
    }

    fn meet(&mut self, now: u64, header: (u32, u64), number: u64, body: RecordBody) -> AppliedRecord {
        let key = RecordKey::Data(DataKey::Instance(service(), id(number)));
        let record = Record {
            offset: self.offset,
            key,
            header: Self::header(header),
            body,
            digest: u128::from(self.offset) + 1,
        };
        self.offset += 1;
        self.partition.apply_at(Mono(now), &record)
    }

    fn state(&mut self, header: (u32, u64)) {
        let body = RecordBody::Checkpoint(Checkpoint { count: 0, digest: 0, beat: 1, partitions: 1 });
        let key = RecordKey::Checkpoint;
        let record = Record { offset: self.offset, key, header: Self::header(header), body, digest: 0 };
        self.offset += 1;
        self.partition.apply_at(Mono(0), &record);
    }

    /// Number and weight of each.
    fn shown(&self) -> Vec<(String, f64)> {
        let shown = self.partition.shown_instances(&service());
        let weight = |instance: &Instance| instance.weight.get();
        shown.into_iter().map(|(id, it)| (id.ip.replace("10.0.0.", ""), weight(it))).collect()
    }
}

fn only(number: &str, weight: f64) -> Vec<(String, f64)> {
    vec![(number.to_owned(), weight)]
}

#[test]
fn a_late_value_is_folded_and_not_shown_until_it_is_overruled() {
    let mut log = Shown::led_by_two();
    let key = DataKey::Instance(service(), id(20));
    assert_eq!(log.meet(10, (1, 2), 20, instance(9.0)), AppliedRecord::Late(key.clone()));
    assert_eq!(
        log.partition.served().digest_of(&key),
        Some(u128::from(log.offset)),
        "the fold is the last record (R1)"
    );
    assert_eq!(log.shown(), only("20", 2.0));
    assert_eq!(
        log.meet(20, (2, 3), 20, instance(2.0)),
        AppliedRecord::Unchanged,
        "what is restated was shown all along"
    );
    assert_eq!(log.shown(), only("20", 2.0));
    assert_eq!((log.partition.late().len(), log.partition.late().next_end()), (0, None));
}

#[test]
fn a_late_removal_and_a_late_instance_are_kept_back_for_two_seconds() {
    let mut log = Shown::led_by_two();
    log.meet(10, (1, 2), 20, RecordBody::Tombstone);
    log.meet(500, (1, 3), 21, instance(7.0));
    assert_eq!(log.shown(), only("20", 2.0));
    assert_eq!(log.partition.counted_instances(&service()), 1);
    assert_eq!(log.partition.shown_instance(&service(), &id(21)), None);
    assert_eq!(log.partition.late().next_end(), Some(Mono(2_010)));
    assert_eq!(log.partition.end_late(Mono(2_009)), Vec::new());
    assert_eq!(log.partition.end_late(Mono(2_010)), [DataKey::Instance(service(), id(20))]);
    assert_eq!(log.shown(), []);
    assert_eq!(log.partition.end_late(Mono(9_000)), [DataKey::Instance(service(), id(21))]);
    assert_eq!(log.shown(), only("21", 7.0));
    assert_eq!(log.partition.counted_instances(&service()), 1);
}

#[test]
fn further_late_records_of_a_key_do_not_prolong_the_delay() {
    let mut log = Shown::led_by_two();
    for (now, seq) in [(10, 2), (1_000, 3), (1_900, 4)] {
        log.meet(now, (1, seq), 20, instance(9.0));
    }
    assert_eq!(log.shown(), only("20", 2.0));
    log.partition.end_late(Mono(2_010));
    assert_eq!(log.shown(), only("20", 9.0));
}

#[test]
fn a_record_in_order_that_says_what_the_late_one_said_is_shown_at_once() {
    let mut log = Shown::led_by_two();
    log.meet(10, (1, 2), 20, instance(9.0));
    let key = DataKey::Instance(service(), id(20));
    assert_eq!(log.meet(20, (2, 3), 20, instance(9.0)), AppliedRecord::Changed(key));
    assert_eq!(log.shown(), only("20", 9.0));
}

#[test]
fn what_is_read_on_the_way_to_the_first_end_is_shown_as_it_is() {
    let mut log = Shown { partition: Partition::new(Seed(1)), offset: 0 };
    log.meet(0, (2, 1), 20, instance(2.0));
    log.state((2, 2));
    log.meet(0, (1, 7), 20, instance(9.0));
    assert_eq!(log.shown(), only("20", 9.0));
}

#[test]
fn a_flood_of_late_records_is_shown_at_once_from_the_bound_on() {
    let mut log = Shown::led_by_two();
    let most = u64::try_from(MOST_KEYS).unwrap();
    for number in 0..most + 10 {
        log.meet(10, (1, number + 2), 1_000 + number, instance(1.0));
    }
    assert_eq!(log.partition.late().len(), MOST_KEYS);
    assert_eq!(log.shown().len(), 11, "the one of before, and ten without room");
    log.partition.end_late(Mono(2_010));
    assert_eq!(log.shown().len(), MOST_KEYS + 11);
    assert_eq!(log.partition.late().bytes, 0);
}

#[test]
fn what_a_shadow_shows_otherwise_is_not_kept_back_any_more() {
    let mut log = Shown::led_by_two();
    log.meet(10, (1, 2), 20, instance(9.0));
    log.partition.restart();
    log.offset = 0;
    log.meet(20, (3, 1), 20, instance(3.0));
    let end = log.offset;
    log.partition.at_end(end);
    assert_eq!(log.shown(), only("20", 2.0), "a shadow shows nothing");
    log.partition.replace();
    assert_eq!(log.shown(), only("20", 3.0));
    assert!(log.partition.late().is_empty());
}

proptest! {
    /// Whatever comes in whatever order: once two seconds are over a view shows the fold, and nothing is left behind.
    #[test]
    fn a_view_ends_up_with_the_fold(
        records in proptest::collection::vec((1_u32..4, 1_u64..40, 20_u64..24, 0_u8..5), 0..80),
    ) {
        let mut log = Shown::led_by_two();
        for (now, (term, seq, number, what)) in (0..).zip(records) {
            match what {
                0 => log.state((term, seq)),
                1 => drop(log.meet(now * 100, (term, seq), number, RecordBody::Tombstone)),
                2 => drop(log.meet(now * 100, (term, seq), number, RecordBody::Unreadable)),
                _ => drop(log.meet(now * 100, (term, seq), number, instance(f64::from(what)))),
            }
            drop(log.partition.end_late(Mono(now * 100)));
        }
        log.partition.end_late(Mono(1_000_000));
        let entries = log.partition.served().service(&service()).into_iter().flat_map(ServiceEntries::iter);
        let folded: Vec<_> = entries.filter_map(|(id, entry)| Some((id, entry.value.as_ref()?))).collect();
        prop_assert_eq!(log.partition.shown_instances(&service()), folded);
        prop_assert_eq!((log.partition.late().len(), log.partition.late().bytes), (0, 0));
    }
}
