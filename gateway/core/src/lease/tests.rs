use super::*;
use crate::log::control::Descriptor;

const FIT: Fitness = Fitness { warm: true, nacos_age: Some(Millis(0)) };
const COLD: Fitness = Fitness { warm: false, nacos_age: Some(Millis(0)) };

fn record(state: ReplicaState, term: u32, nonce: u32, beat: u64) -> ReplicaRecord {
    ReplicaRecord {
        state,
        epoch: Epoch { term, nonce },
        beat,
        warm: true,
        nacos_age: None,
        unpublished_age: Millis(0),
        descriptor: Descriptor::default(),
        name: "".into(),
        advertised: "".into(),
        complaints: Vec::new(),
        readings: Vec::new(),
    }
}

/// Drives a lease that is alone until it has written its claim; returns the wishes of the last tick.
fn claim(lease: &mut Lease, from: u64) -> u64 {
    let mut now = from;
    lease.at_end(Mono(now), 0);
    for _ in 0..200 {
        let mut wishes = Vec::new();
        lease.tick(Mono(now), FIT, &mut wishes);
        if wishes.contains(&Wish::AskEnd) {
            lease.end_offset(lease.next_offset, Mono(now));
        }
        if wishes.contains(&Wish::WriteOwn) {
            lease.sent(Mono(now), true);
        }
        if matches!(lease.role(), ReplicaRole::Claiming { .. }) {
            return now;
        }
        now += 50;
    }
    panic!("no claim after ten seconds: {lease:?}");
}

fn lead(lease: &mut Lease, nonce: u32) -> u64 {
    let at = claim(lease, 0);
    let (mut wishes, beat) = (Vec::new(), lease.beat());
    let term = lease.epoch().term;
    lease.read(Mono(at + 10), 0, nonce, Some(&record(ReplicaState::Leader, term, nonce, beat)), &mut wishes);
    assert_eq!(wishes, [Wish::Began]);
    at
}

#[test]
fn a_process_alone_leads_at_once_and_writes_until_its_permission_ends() {
    let mut lease = Lease::new(7, DEFAULT_BEAT);
    let at = lead(&mut lease, 7);
    assert!(at < 100, "{at}");
    assert!(lease.may_write(Mono(at + lease.permission().0 - 1)));
    assert!(!lease.may_write(Mono(at + lease.permission().0)));
}

#[test]
fn a_living_leader_is_not_claimed_over_and_a_silent_one_only_after_the_silence() {
    let mut lease = Lease::new(7, DEFAULT_BEAT);
    let mut wishes = Vec::new();
    lease.read(Mono(0), 0, 9, Some(&record(ReplicaState::Leader, 4, 9, 1)), &mut wishes);
    let at = claim(&mut lease, 100);
    assert!(at >= 100 + lease.silence().0, "{at}");
    assert_eq!(lease.epoch(), Epoch { term: 5, nonce: 7 });
}

#[test]
fn a_stopped_leader_is_followed_without_a_wait() {
    let mut lease = Lease::new(7, DEFAULT_BEAT);
    let mut wishes = Vec::new();
    lease.read(Mono(0), 0, 9, Some(&record(ReplicaState::Stopped, 4, 9, 1)), &mut wishes);
    assert!(claim(&mut lease, 100) < 300);
    assert_eq!(lease.epoch().term, 5);
}

#[test]
fn a_process_that_slept_asks_for_the_end_before_it_claims() {
    let mut lease = Lease::new(7, DEFAULT_BEAT);
    let mut wishes = Vec::new();
    lease.read(Mono(0), 0, 9, Some(&record(ReplicaState::Leader, 4, 9, 1)), &mut wishes);
    lease.at_end(Mono(0), 1);
    lease.tick(Mono(3_600_000), FIT, &mut wishes);
    assert!(wishes.contains(&Wish::AskEnd));
    lease.end_offset(40, Mono(3_600_000)); // Beats that it has not read: the leader is well.
    lease.tick(Mono(3_600_010), FIT, &mut wishes);
    lease.read(Mono(3_600_020), 39, 9, Some(&record(ReplicaState::Leader, 4, 9, 40)), &mut wishes);
    lease.tick(Mono(3_600_030), FIT, &mut wishes);
    assert_eq!(lease.role(), ReplicaRole::Standby);
}

#[test]
fn a_record_from_before_the_claim_does_not_end_the_claim() {
    let mut lease = Lease::new(7, DEFAULT_BEAT);
    let mut wishes = Vec::new();
    lease.at_end(Mono(0), 0);
    lease.tick(Mono(0), COLD, &mut wishes);
    assert_eq!(wishes, [Wish::WriteOwn], "it says standby first");
    lease.sent(Mono(0), true);
    let at = claim(&mut lease, 10);
    wishes.clear();
    lease.read(Mono(at + 5), 0, 7, Some(&record(ReplicaState::Standby, 0, 0, 1)), &mut wishes);
    assert!(matches!(lease.role(), ReplicaRole::Claiming { .. }), "{:?}", lease.role());
    let beat = lease.beat();
    lease.read(Mono(at + 9), 1, 7, Some(&record(ReplicaState::Leader, 1, 7, beat)), &mut wishes);
    assert_eq!((lease.role(), wishes), (ReplicaRole::Leading, vec![Wish::Began]));
}

#[test]
fn after_the_control_topic_was_lost_nobody_claims_before_its_new_end() {
    let mut lease = Lease::new(7, DEFAULT_BEAT);
    let mut wishes = Vec::new();
    lease.read(Mono(0), 90, 9, Some(&record(ReplicaState::Leader, 4, 9, 1)), &mut wishes);
    lease.at_end(Mono(0), 91);
    lease.restarted(Mono(0));
    lease.tick(Mono(60_000), FIT, &mut wishes);
    assert_eq!((lease.role(), wishes), (ReplicaRole::Standby, Vec::new()));
    assert!(claim(&mut lease, 60_000) >= 60_000 + lease.silence().0);
    assert_eq!(lease.epoch().term, 5);
}

#[test]
fn a_failed_question_restarts_the_wait() {
    let mut lease = Lease::new(0, DEFAULT_BEAT);
    let mut wishes = Vec::new();
    lease.read(Mono(0), 0, 9, Some(&record(ReplicaState::Leader, 4, 9, 1)), &mut wishes);
    lease.at_end(Mono(0), 1);
    let mut now = 0;
    while now < 60_000 {
        now += 50;
        lease.tick(Mono(now), FIT, &mut wishes); // Kafka is away: for everybody, nobody answers.
    }
    lease.end_offset(1, Mono(now)); // It is back. The leader's next beat is on its way.
    lease.tick(Mono(now + 1), FIT, &mut wishes);
    assert!(!matches!(lease.role(), ReplicaRole::Claiming { .. }), "claimed 1 ms after kafka came back");
}

#[test]
fn a_claimant_that_meets_a_higher_term_does_not_lead_below_it() {
    let mut lease = Lease::new(7, DEFAULT_BEAT);
    let at = claim(&mut lease, 0);
    let mut wishes = Vec::new();
    lease.met_term(Mono(at), 9, &mut wishes);
    let (beat, term) = (lease.beat(), lease.epoch().term);
    lease.read(Mono(at + 10), 0, 7, Some(&record(ReplicaState::Leader, term, 7, beat)), &mut wishes);
    assert!(lease.role() != ReplicaRole::Leading || lease.epoch().term > 9, "{lease:?}");
}

#[test]
fn who_is_not_warm_any_more_does_not_claim() {
    let mut lease = Lease::new(0, DEFAULT_BEAT);
    let mut wishes = Vec::new();
    lease.at_end(Mono(0), 1);
    lease.tick(Mono(50), FIT, &mut wishes);
    assert!(matches!(lease.role(), ReplicaRole::Asking(_)));
    lease.tick(Mono(60_000), COLD, &mut wishes); // Kafka was away for a minute, and Nacos is now.
    lease.end_offset(1, Mono(60_000));
    lease.tick(Mono(60_050), COLD, &mut wishes);
    assert!(!matches!(lease.role(), ReplicaRole::Claiming { .. }));
}

#[test]
fn the_highest_readable_term_does_not_end_all_elections() {
    let mut lease = Lease::new(7, DEFAULT_BEAT);
    let mut wishes = Vec::new();
    lease.met_term(Mono(0), (1 << 31) - 1, &mut wishes);
    claim(&mut lease, 0);
    assert!(lease.epoch().term < 1 << 31, "nobody can read a claim of term {}", lease.epoch().term);
}

#[test]
fn who_reads_a_higher_claim_stops_writing() {
    let mut lease = Lease::new(7, DEFAULT_BEAT);
    let at = lead(&mut lease, 7);
    let mut wishes = Vec::new();
    lease.read(Mono(at + 20), 1, 3, Some(&record(ReplicaState::Leader, 2, 3, 1)), &mut wishes);
    assert!(!lease.may_write(Mono(at + 21)) && wishes.contains(&Wish::Ended));
    assert_eq!(lease.role(), ReplicaRole::Standby);
}

#[test]
fn permission_returns_when_a_later_beat_is_read_back() {
    let mut lease = Lease::new(7, DEFAULT_BEAT);
    let at = lead(&mut lease, 7);
    let late = at + 5_000;
    let mut wishes = Vec::new();
    lease.tick(Mono(late), FIT, &mut wishes);
    assert_eq!(wishes, [Wish::Ended, Wish::WriteOwn]);
    let beat = lease.sent(Mono(late), true);
    lease.read(Mono(late + 5), 1, 7, Some(&record(ReplicaState::Leader, 1, 7, beat)), &mut wishes);
    assert!(lease.may_write(Mono(late + 6)));
}

#[test]
fn a_leader_that_can_write_and_not_read_makes_way() {
    let mut lease = Lease::new(7, DEFAULT_BEAT);
    let at = lead(&mut lease, 7);
    let mut left = None;
    for now in (at..at + 60_000).step_by(50) {
        let mut wishes = Vec::new();
        lease.tick(Mono(now), COLD, &mut wishes);
        if wishes.contains(&Wish::WriteOwn) {
            lease.sent(Mono(now), true);
        }
        if lease.state() != ReplicaState::Leader {
            left.get_or_insert(now - at);
        }
    }
    assert!(left.is_some_and(|after| (5_500..=5_700).contains(&after)), "{left:?}");
    assert_eq!(lease.role(), ReplicaRole::Standby);
}

#[test]
fn a_claim_that_is_never_read_back_keeps_nobody_from_leading() {
    let mut lease = Lease::new(7, DEFAULT_BEAT);
    let at = claim(&mut lease, 0);
    lease.tick(Mono(at + lease.silence().0), FIT, &mut Vec::new());
    assert_eq!((lease.role(), lease.state()), (ReplicaRole::Standby, ReplicaState::Standby));
}

#[test]
fn an_answer_to_an_earlier_question_is_not_one_to_this() {
    let mut lease = Lease::new(0, DEFAULT_BEAT);
    let mut wishes = Vec::new();
    lease.read(Mono(0), 0, 9, Some(&record(ReplicaState::Leader, 4, 9, 1)), &mut wishes);
    lease.at_end(Mono(0), 1);
    lease.tick(Mono(3_000), FIT, &mut wishes);
    assert!(matches!(lease.role(), ReplicaRole::Asking(_)));
    lease.end_offset(1, Mono(2_999)); // Asked by the round of questions before; the leader has beaten since.
    lease.tick(Mono(3_100), FIT, &mut wishes);
    assert!(!matches!(lease.role(), ReplicaRole::Claiming { .. }), "{lease:?}");
}

#[test]
fn at_the_highest_term_who_lives_follows_who_is_dead() {
    let mut lease = Lease::new(7, DEFAULT_BEAT);
    let mut wishes = Vec::new();
    lease.read(Mono(0), 0, 9, Some(&record(ReplicaState::Leader, HIGHEST_TERM, 9, 1)), &mut wishes);
    let at = claim(&mut lease, 100);
    let (beat, epoch) = (lease.beat(), lease.epoch());
    assert_eq!(epoch, Epoch { term: HIGHEST_TERM, nonce: 7 });
    lease.read(Mono(at + 10), 1, 7, Some(&record(ReplicaState::Leader, HIGHEST_TERM, 7, beat)), &mut wishes);
    assert_eq!(lease.role(), ReplicaRole::Leading);
}

#[test]
fn a_thousand_strangers_in_the_own_topic_are_not_all_remembered() {
    let mut lease = Lease::new(7, DEFAULT_BEAT);
    for nonce in 0..5_000 {
        let standby = record(ReplicaState::Standby, 1, nonce, 1);
        lease.read(Mono(u64::from(nonce)), u64::from(nonce), nonce, Some(&standby), &mut Vec::new());
    }
    assert_eq!(lease.replicas.len(), MOST_REPLICAS);
}

#[test]
fn who_has_not_heard_its_nacos_for_ten_seconds_does_not_claim_though_its_connection_stands() {
    for (age, claims) in [(Some(0), true), (Some(9_999), true), (Some(10_000), false), (None, false)] {
        let mut lease = Lease::new(7, DEFAULT_BEAT);
        lease.at_end(Mono(0), 0);
        let fitness = Fitness { warm: true, nacos_age: age.map(Millis) };
        for now in (0..60_000).step_by(50) {
            let mut wishes = Vec::new();
            lease.tick(Mono(now), fitness, &mut wishes);
            if wishes.contains(&Wish::AskEnd) {
                lease.end_offset(0, Mono(now));
            }
            if matches!(lease.role(), ReplicaRole::Claiming { .. }) {
                break;
            }
        }
        assert_eq!(matches!(lease.role(), ReplicaRole::Claiming { .. }), claims, "{age:?}");
    }
}
