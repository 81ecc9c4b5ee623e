use super::*;
use crate::history::tests::name;

/// `name` is looked for by its cluster, which is the first word.
fn rock() -> InstanceName {
    name("shanghai rock")
}

impl Truth {
    /// What a healthy Nacos lists at these times, asked for and answered in 10 ms.
    pub(crate) fn look(&mut self, origin: &str, at: u64, listed: &[(&InstanceName, &str)]) {
        let instances = listed.iter().map(|(name, value)| ((*name).clone(), (*value).into())).collect();
        self.listed(origin, &Listing { asked: at, answered: at + 10, instances });
    }
}

/// An untouched instance that is registered and listed, and looked at each second until 100 s; every later look is the test's.
fn registered() -> Truth {
    let mut truth = Truth::default();
    truth.given(&rock(), Care::Untouched, Some("r".into()), 100);
    truth.acknowledged(&rock(), 200);
    (0..=100).for_each(|second| truth.look("shanghai", second * 1_000, &[(&rock(), "r")]));
    truth
}

fn owes(truth: &Truth, at: u64) -> bool {
    truth.owes(&rock(), at, at + 5)
}

#[test]
fn what_its_nacos_listed_throughout_has_to_be_shown() {
    let truth = registered();
    assert!(owes(&truth, 50_000) && owes(&truth, 100_500) && truth.lost(100_500).is_empty());
    assert!(truth.disagreements().is_empty() && truth.looked_since(100_000) && !truth.looked_since(100_001));
}

#[test]
fn what_its_nacos_does_not_list_is_lost_by_its_client_and_no_gateway_owes_it_until_a_while_after_it_is_back() {
    let mut truth = registered();
    truth.look("shanghai", 101_000, &[]);
    // It may have gone right after the last look that had it, and a push may be earlier than the list.
    assert!(owes(&truth, 98_000) && !owes(&truth, 99_500) && !owes(&truth, 105_000));
    assert_eq!(truth.unlisted_for(&rock(), 105_000), Some(6_000));
    truth.look("shanghai", 110_000, &[(&rock(), "r")]);
    assert!(!owes(&truth, 120_000) && owes(&truth, 120_010), "10 s after it is listed");
    assert_eq!(truth.lost(130_000), [LostInstance { instance: rock(), from: 99_000, to: Some(110_010) }]);
    assert_eq!(truth.unlisted_for(&rock(), 111_000), None);
}

#[test]
fn a_fault_lets_gateways_know_later_what_is_back() {
    let mut truth = registered();
    truth.look("shanghai", 101_000, &[]);
    truth.look("shanghai", 110_000, &[(&rock(), "r")]);
    let episode = truth.fault_begun(None, 115_000);
    truth.fault_over(episode, 125_000);
    let later = truth.fault_begun(None, 140_000);
    truth.fault_over(later, 150_000);
    assert!(!owes(&truth, 134_999) && owes(&truth, 135_000) && owes(&truth, 145_000));
}

#[test]
fn a_nacos_at_fault_proves_no_absence_until_clients_had_time_to_come_back() {
    let mut truth = registered();
    let episode = truth.fault_begun(Some("shanghai"), 100_500);
    truth.look("shanghai", 104_000, &[]);
    truth.fault_over(episode, 110_000);
    truth.look("shanghai", 124_900, &[]);
    assert!(owes(&truth, 105_000) && owes(&truth, 124_000), "what it listed before stands");
    assert_eq!(truth.unlisted_for(&rock(), 124_900), None);
    assert!(truth.lost(124_900).is_empty() && truth.is_witness("frankfurt", 105_000, 105_000));
    truth.look("shanghai", 125_100, &[]);
    assert!(owes(&truth, 123_000) && !owes(&truth, 125_000), "its list is the truth again");
    assert_eq!(truth.lost(126_000).len(), 1);
}

#[test]
fn what_a_nacos_at_fault_lists_and_what_both_witnesses_say_counts_at_once() {
    let (mut truth, changed) = (registered(), name("shanghai changed"));
    truth.given(&changed, Care::Changed, Some("1".into()), 99_000);
    truth.acknowledged(&changed, 99_100);
    let _lasts = truth.fault_begun(Some("shanghai"), 100_000);
    truth.look("shanghai", 101_000, &[(&changed, "1"), (&rock(), "r")]);
    assert_eq!(truth.of(&changed), Some("1"));
    truth.given(&changed, Care::Changed, None, 102_000);
    truth.acknowledged(&changed, 102_100);
    truth.look("shanghai", 103_000, &[]);
    assert_eq!((truth.of(&changed), truth.of(&rock())), (None, Some("r")));
}

#[test]
fn a_fault_of_the_lines_does_not_keep_a_nacos_from_being_a_witness() {
    let mut truth = registered();
    let _lasts = truth.fault_begun(None, 100_500);
    truth.look("shanghai", 101_000, &[]);
    assert!(!owes(&truth, 102_000) && truth.unlisted_for(&rock(), 107_000) == Some(8_000));
}

#[test]
fn a_value_is_right_if_either_witness_has_it_and_wrong_for_as_long_as_the_better_one_says() {
    let (mut truth, changed) = (registered(), name("shanghai changed"));
    for (value, at) in [("1", 101_000), ("2", 102_000)] {
        truth.given(&changed, Care::Changed, Some(value.into()), at);
        truth.acknowledged(&changed, at + 100);
    }
    let lag = |truth: &Truth, shown: Option<&str>, at: u64| truth.lag(&changed, shown, at, at + 1);
    assert_eq!(lag(&truth, Some("2"), 102_500), Lag::None, "not listed yet");
    assert_eq!(lag(&truth, None, 102_500), Lag::None, "not listed yet");
    truth.look("shanghai", 103_000, &[(&changed, "2"), (&rock(), "r")]);
    // The list never had `1`: the client knows since when it is wrong.
    assert_eq!(lag(&truth, Some("1"), 112_100), Lag::Behind(10_000));
    assert_eq!(lag(&truth, None, 113_010), Lag::Behind(10_000));
    assert_eq!(lag(&truth, Some("3"), 113_010), Lag::Invented);
    assert!(truth.lost(113_000).is_empty());
}

#[test]
fn a_registration_that_is_acknowledged_and_never_listed_is_lost() {
    let (mut truth, never) = (registered(), name("shanghai never"));
    truth.given(&never, Care::Untouched, Some("1".into()), 99_000);
    truth.acknowledged(&never, 99_100);
    assert!(!truth.owes(&never, 110_000, 110_001));
    assert_eq!(truth.unlisted_for(&never, 105_100), Some(6_000));
    assert_eq!(truth.lost(105_100), [LostInstance { instance: never, from: 0, to: None }]);
    assert_eq!(truth.disagreements(), ["shanghai never: 1 told, nothing listed"]);
}
