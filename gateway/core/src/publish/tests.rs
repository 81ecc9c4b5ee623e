use super::*;
use crate::id::{InstanceId, ServiceKey};
use crate::log::partition::Fold;

const PARTITIONS: u32 = 1;
const HERE: OwnPartition = (TopicKind::Instances, 0);
const EPOCH: Epoch = Epoch { term: 1, nonce: 1 };

fn key(number: u16) -> DataKey {
    DataKey::Instance(ServiceKey::new("public", "G", "s"), InstanceId::new("10.0.0.1", number, "DEFAULT"))
}

fn mark(publisher: &mut Publisher, now: u64, number: u16) {
    publisher.mark(Mono(now), WallMs(now), key(number), PARTITIONS);
}

/// Sends what is due; returns the ids.
fn send_all(publisher: &mut Publisher, now: u64) -> Vec<SendId> {
    let mut sent = Vec::new();
    while let Some(due) = publisher.next(Mono(now)) {
        let outgoing = publisher.send(Mono(now), EPOCH, due, RecordBody::Tombstone, PARTITIONS);
        publisher.encoded(SendId(outgoing.header.seq), 7);
        sent.push(SendId(outgoing.header.seq));
    }
    sent
}

fn land(publisher: &mut Publisher, number: u16, id: SendId) -> ReadBack {
    let header = RecordHeader { schema: SCHEMA, epoch: EPOCH, seq: id.0, observed: WallMs(0) };
    publisher.read_back(HERE, &key(number), Some(header), EPOCH)
}

/// The send fails, the end is asked for and read up to, and it is not there: due again after a while.
fn fail(publisher: &mut Publisher, now: u64, id: SendId) {
    assert_eq!(publisher.failed(Mono(now), id, DeliveryFailure::Unsure), Some(HERE));
    publisher.end_offset(HERE, 0, Mono(now));
    let (again, _) = publisher.settle(Mono(now), HERE, 0);
    for (key, until) in again {
        publisher.retry(&key, until);
    }
}

#[test]
fn a_key_that_is_marked_many_times_waits_once_and_keeps_its_age() {
    let mut publisher = Publisher::new(Seed(1));
    (0..1_000).for_each(|now| mark(&mut publisher, now, 1));
    assert_eq!((publisher.waiting(), publisher.queued()), (1, 1));
    assert_eq!(publisher.unpublished_age(Mono(1_000)), Millis(1_000));
    publisher.clear(&key(1));
    assert_eq!((publisher.waiting(), publisher.queued(), publisher.unpublished_age(Mono(1_000))), (0, 0, Millis(0)));
}

#[test]
fn a_change_is_as_old_as_it_is_however_often_it_was_tried() {
    let mut publisher = Publisher::new(Seed(1));
    mark(&mut publisher, 0, 1);
    for now in (0..60_000).step_by(100) {
        for id in send_all(&mut publisher, now) {
            fail(&mut publisher, now, id);
        }
    }
    assert_eq!(
        publisher.unpublished_age(Mono(60_000)),
        Millis(60_000),
        "nothing else was taken: the log does not take"
    );
    assert_eq!(publisher.refused(), 1);
}

#[test]
fn a_key_that_is_refused_while_others_land_makes_nobody_old_and_holds_up_no_checkpoint() {
    let mut publisher = Publisher::new(Seed(1));
    mark(&mut publisher, 0, 1);
    for now in (0..60_000).step_by(100) {
        for id in send_all(&mut publisher, now) {
            fail(&mut publisher, now, id);
        }
        mark(&mut publisher, now + 50, 2);
        for id in send_all(&mut publisher, now + 50) {
            land(&mut publisher, 2, id);
        }
    }
    assert_eq!((publisher.refused(), publisher.unpublished_age(Mono(60_000))), (1, Millis(0)));
    assert!(!publisher.owes(HERE));
}

#[test]
fn that_another_partition_takes_records_says_nothing_of_a_key() {
    let mut publisher = Publisher::new(Seed(1));
    mark(&mut publisher, 0, 1);
    for now in (0..60_000).step_by(100) {
        for id in send_all(&mut publisher, now) {
            fail(&mut publisher, now, id);
        }
        publisher.took((TopicKind::Instances, 1), SendId(publisher.last_seq() + 1));
    }
    assert_eq!(publisher.unpublished_age(Mono(60_000)), Millis(60_000), "its partition may have lost its leader");
    assert!(publisher.owes(HERE));
}

#[test]
fn what_is_taken_back_was_not_refused() {
    let mut publisher = Publisher::new(Seed(1));
    mark(&mut publisher, 0, 1);
    for now in (0..60_000).step_by(1_000) {
        for id in send_all(&mut publisher, now) {
            publisher.purged();
            fail(&mut publisher, now, id);
        }
        publisher.took(HERE, SendId(publisher.last_seq() + 1));
    }
    assert_eq!((publisher.refused(), publisher.unpublished_age(Mono(60_000))), (0, Millis(60_000)));
    assert!(publisher.owes(HERE));
}

#[test]
fn nothing_is_stated_without_what_the_log_lost_although_it_refuses_that() {
    let mut publisher = Publisher::new(Seed(1));
    for number in 1..=2 {
        mark(&mut publisher, 0, number);
        let id = send_all(&mut publisher, 0)[0];
        publisher.failed(Mono(0), id, DeliveryFailure::Refused);
    }
    assert!(!publisher.owes(HERE), "it never had them");
    publisher.lost((1..=2).map(key));
    assert!(publisher.owes(HERE), "readers may have them");
    publisher.clear(&key(1)); // Nobody wants it any more.
    assert!(publisher.owes(HERE));
    let due = publisher.next(Mono(600)).unwrap();
    let id = SendId(publisher.send(Mono(600), EPOCH, due, RecordBody::Tombstone, PARTITIONS).header.seq);
    land(&mut publisher, 2, id);
    assert!(!publisher.owes(HERE));
    mark(&mut publisher, 700, 2);
    let id = send_all(&mut publisher, 700)[0];
    publisher.failed(Mono(700), id, DeliveryFailure::Refused);
    assert!(!publisher.owes(HERE), "the log has its former value");
}

#[test]
fn a_record_that_can_never_be_taken_makes_nobody_old_from_the_first_refusal_on() {
    let mut publisher = Publisher::new(Seed(1));
    mark(&mut publisher, 0, 1);
    let id = send_all(&mut publisher, 0)[0];
    assert_eq!(publisher.failed(Mono(10), id, DeliveryFailure::Refused), None, "it did not land: nobody need be asked");
    assert_eq!(publisher.unpublished_age(Mono(5_000)), Millis(0));
    assert_eq!(publisher.next(Mono(10)), None);
    assert_eq!(publisher.next(Mono(510)).map(|(key, ..)| key), Some(key(1)), "tried on");
}

#[test]
fn what_failed_is_tried_again_as_soon_as_the_log_takes_something() {
    let mut publisher = Publisher::new(Seed(1));
    (1..=5).for_each(|number| mark(&mut publisher, 0, number));
    for _ in 0..4 {
        let now = publisher.next_deadline().unwrap().0;
        send_all(&mut publisher, now).into_iter().for_each(|id| {
            publisher.failed(Mono(now), id, DeliveryFailure::Unsure);
        });
        publisher.end_offset(HERE, 0, Mono(now));
        let (again, ask) = publisher.settle(Mono(now), HERE, 0);
        assert!(!ask, "all failed at the moment of the question");
        again.iter().for_each(|(key, until)| publisher.retry(key, *until));
    }
    assert_eq!(publisher.next(Mono(4_000)), None, "each waits for some seconds");
    publisher.took(HERE, SendId(u64::MAX));
    assert_eq!(send_all(&mut publisher, 4_000).len(), 5);
}

#[test]
fn nothing_is_stated_of_a_partition_while_a_change_is_due_or_a_send_is_unsure() {
    let mut publisher = Publisher::new(Seed(1));
    let projected = |publisher: &Publisher| publisher.projected(HERE, &Fold::new(Seed(1))).is_some();
    assert!(projected(&publisher));
    mark(&mut publisher, 0, 1);
    assert!(!projected(&publisher), "due");
    let id = send_all(&mut publisher, 0)[0];
    assert!(projected(&publisher), "under way, and counted");
    publisher.failed(Mono(5), id, DeliveryFailure::Unsure);
    assert!(!projected(&publisher), "unsure");
    land(&mut publisher, 1, id);
    assert!(projected(&publisher), "it landed after all");
}

#[test]
fn a_send_of_which_nothing_is_heard_is_asked_for_once() {
    let mut publisher = Publisher::new(Seed(1));
    mark(&mut publisher, 0, 1);
    send_all(&mut publisher, 0);
    assert_eq!(publisher.overdue(Mono(9_999)), []);
    assert_eq!(publisher.overdue(Mono(10_000)), [HERE]);
    assert_eq!(publisher.overdue(Mono(10_001)), []);
    assert_eq!(publisher.overdue(Mono(12_000)), [HERE], "no answer for two seconds");
    publisher.end_offset(HERE, 9, Mono(10_000)); // Of the question before.
    assert_eq!(publisher.settle(Mono(12_100), HERE, 9), (Vec::new(), false));
    publisher.restarted(Mono(12_200), HERE);
    publisher.end_offset(HERE, 3, Mono(12_200));
    assert_eq!(publisher.settle(Mono(12_300), HERE, 3).0.len(), 1, "the partition ends earlier now");
}

#[test]
fn a_duel_over_one_key_is_one_record_a_second() {
    let mut publisher = Publisher::new(Seed(1));
    let mut sent = Vec::new();
    for now in (0..10_000).step_by(10) {
        publisher.mark_overwritten(Mono(now), WallMs(now), key(1), PARTITIONS);
        for id in send_all(&mut publisher, now) {
            land(&mut publisher, 1, id);
            sent.push(now);
        }
    }
    assert_eq!(sent, (0..10).map(|second| second * 1_000).collect::<Vec<u64>>());
    assert!(publisher.queued() <= 3);
}

#[test]
fn all_is_forgotten_when_leadership_ends_but_the_numbers() {
    let mut publisher = Publisher::new(Seed(1));
    mark(&mut publisher, 0, 1);
    let id = send_all(&mut publisher, 0)[0];
    publisher.failed(Mono(0), id, DeliveryFailure::Unsure);
    mark(&mut publisher, 0, 2);
    publisher.reset();
    assert_eq!(
        (publisher.in_flight(), publisher.waiting(), publisher.queued(), publisher.next_deadline()),
        (0, 0, 0, None)
    );
    assert_eq!(publisher.next_seq(), id.0 + 1);
}
