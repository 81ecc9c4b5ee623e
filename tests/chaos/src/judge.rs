//! What samples of gateways say beside the truth: what was missing, how soon a gateway had caught up, what differs at the end. Pure:
//! samples and truth in, findings out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::truth::{InstanceName, Truth, Value};

/// How long a change may be on its way when nothing is wrong, ms: half a second in Nacos, the read that tells gone from disabled, a batch
/// in the log, and two busy cores.
pub(crate) const ON_ITS_WAY_MS: u64 = 2_500;

/// An instance as a gateway shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) value: Value,
    pub(crate) health: Health,
}

/// What a gateway says of an instance beside what was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Healthy, and not held.
    Well,
    /// Its removal waits for a proof.
    Held,
    /// Not held, and not healthy either.
    Ill,
}

/// All that a gateway shows.
pub(crate) type View = BTreeMap<InstanceName, Shown>;

/// What came of asking.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// All services. Equal ones in a row share one.
    View(Arc<View>),
    /// The gateway says that it cannot answer yet.
    NotReady,
    /// No answer.
    None,
}

/// One look at one gateway, in ms since the run began.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    pub(crate) answer: Answer,
}

/// An untouched instance that was not in a sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MissingInstance {
    #[serde(rename = "atMs")]
    pub(crate) at: u64,
    pub(crate) instance: InstanceName,
}

/// The samples of this time in which an untouched instance was missing, with all of them.
pub(crate) fn missing(truth: &Truth, samples: &[Sample]) -> Vec<MissingInstance> {
    let untouched: Vec<&InstanceName> = truth.untouched().collect();
    let mut found = Vec::new();
    let mut last: Option<&Arc<View>> = None;
    for sample in samples {
        let Answer::View(view) = &sample.answer else { continue };
        // What is shown again was looked at: a run has many samples and few states.
        if last.is_some_and(|last| Arc::ptr_eq(last, view)) && found.is_empty() {
            continue;
        }
        last = Some(view);
        let absent = untouched.iter().filter(|name| !view.contains_key(**name));
        found.extend(absent.map(|name| MissingInstance { at: sample.answered, instance: (*name).clone() }));
    }
    found
}

/// What a sample shows that has been untrue for longer than changes are on their way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Behind {
    /// Not shown, or with a former value, though registered.
    pub(crate) late: Vec<InstanceName>,
    /// Shown, though gone.
    pub(crate) lingering: Vec<InstanceName>,
}

/// Compares one view with the truth of its time.
pub(crate) fn behind(truth: &Truth, view: &View, asked: u64, answered: u64) -> Behind {
    let names: BTreeSet<&InstanceName> = truth.now().map(|(name, _)| name).chain(view.keys()).collect();
    let mut behind = Behind::default();
    for name in names {
        let shown = view.get(name).map(|shown| &*shown.value);
        if truth.lag(name, shown, asked, answered).exceeds(ON_ITS_WAY_MS) {
            let gone = shown.is_some() && truth.of(name).is_none();
            let list = if gone { &mut behind.lingering } else { &mut behind.late };
            list.push(name.clone());
        }
    }
    behind
}

/// How soon gateways had caught up after a fault was over. `None`: not while anybody looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Convergence {
    /// Until everything that is registered is shown with its newest value, ms.
    pub(crate) fresh_ms: Option<u64>,
    /// Until nothing is shown any more that is gone, ms.
    pub(crate) clean_ms: Option<u64>,
}

/// How soon after `healed` all gateways, whose samples these are, answered and had caught up for good, by samples until `until`.
pub(crate) fn convergence(truth: &Truth, gateways: &[&[Sample]], healed: u64, until: u64) -> Convergence {
    let of_all = |caught_up: fn(&Behind) -> bool| {
        let each = gateways.iter().map(|samples| caught_up_after(truth, samples, healed, until, caught_up));
        each.collect::<Option<Vec<u64>>>().and_then(|each| each.into_iter().max())
    };
    Convergence {
        fresh_ms: of_all(|behind| behind.late.is_empty()),
        clean_ms: of_all(|behind| behind.lingering.is_empty()),
    }
}

fn caught_up_after(
    truth: &Truth,
    samples: &[Sample],
    healed: u64,
    until: u64,
    caught_up: fn(&Behind) -> bool,
) -> Option<u64> {
    let mut since = None;
    for sample in samples.iter().filter(|sample| sample.asked >= healed && sample.answered <= until) {
        let good = match &sample.answer {
            Answer::View(view) => caught_up(&behind(truth, view, sample.asked, sample.answered)),
            Answer::NotReady | Answer::None => false,
        };
        since = if good { since.or(Some(sample.answered - healed)) } else { None };
    }
    since
}

/// What is not as it was registered when all is over, for people; nothing if the view is the truth.
pub(crate) fn differences(truth: &Truth, view: &View) -> Vec<String> {
    let names: BTreeSet<&InstanceName> = truth.now().map(|(name, _)| name).chain(view.keys()).collect();
    let differs = |name: &InstanceName| match (truth.of(name), view.get(name)) {
        (None, None) => None,
        (Some(value), None) => Some(format!("{name} is not shown, registered is {value}")),
        (None, Some(shown)) => Some(format!("{name} is shown as {} ({:?}), and is gone", shown.value, shown.health)),
        (Some(value), Some(shown)) if *value != *shown.value => {
            Some(format!("{name} is shown as {}, registered is {value}", shown.value))
        }
        (Some(_), Some(shown)) if shown.health != Health::Well => Some(format!("{name} is {:?}", shown.health)),
        (Some(_), Some(_)) => None,
    };
    names.into_iter().filter_map(differs).collect()
}

/// The longest time between two answers within these times, ms, where `excused` has the times in which none could be expected.
pub(crate) fn longest_silence(samples: &[Sample], excused: &[(u64, u64)]) -> u64 {
    let is_excused = |from: u64, to: u64| excused.iter().any(|(begin, end)| from <= *end && to >= *begin);
    let answers: Vec<u64> =
        samples.iter().filter(|sample| sample.answer != Answer::None).map(|sample| sample.answered).collect();
    let gaps = answers.windows(2).filter(|pair| !is_excused(pair[0], pair[1])).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::tests::{life, name};
    use crate::truth::{Care, Lag};

    fn view(shown: &[(&str, &str)]) -> Answer {
        let of = |value: &str| Shown { value: value.into(), health: Health::Well };
        Answer::View(Arc::new(shown.iter().map(|(of_whom, value)| (name(of_whom), of(value))).collect()))
    }

    fn sample(at: u64, answer: Answer) -> Sample {
        Sample { asked: at, answered: at + 1, answer }
    }

    /// `rock` is untouched, `a` lives as [`life`] says.
    fn truth() -> Truth {
        let mut truth = Truth::default();
        truth.given(&name("rock"), Care::Untouched, Some("r".into()), 10);
        truth.acknowledged(&name("rock"), 20);
        life(&mut truth, &name("a"));
        truth
    }

    #[test]
    fn an_untouched_instance_that_one_sample_lacks_is_found_and_a_changed_one_is_not() {
        let whole = view(&[("rock", "r"), ("a", "1")]);
        let samples =
            [sample(1000, whole.clone()), sample(1200, Answer::None), sample(1400, view(&[])), sample(1600, whole)];
        let found = missing(&truth(), &samples);
        assert_eq!(found, [MissingInstance { at: 1401, instance: name("rock") }]);
        assert!(missing(&truth(), &samples[..2]).is_empty());
    }

    #[test]
    fn every_sample_that_lacks_it_counts_also_where_nothing_changed_between() {
        let empty = view(&[]);
        let samples = [sample(1000, empty.clone()), sample(1200, empty.clone()), sample(1400, empty)];
        assert_eq!(missing(&truth(), &samples).len(), 3);
    }

    #[test]
    fn at_the_end_a_gateway_shows_the_truth_or_says_what_differs() {
        let Answer::View(right) = view(&[("rock", "r")]) else { panic!() };
        assert!(differences(&truth(), &right).is_empty());
        for (shown, want) in [
            (view(&[("rock", "r"), ("a", "2")]), "a is shown as 2 (Well), and is gone"),
            (view(&[]), "rock is not shown, registered is r"),
            (view(&[("rock", "x")]), "rock is shown as x, registered is r"),
            (view(&[("rock", "r"), ("b", "1")]), "b is shown as 1 (Well), and is gone"),
        ] {
            let Answer::View(shown) = shown else { panic!() };
            assert_eq!(differences(&truth(), &shown), [want]);
        }
        let mut held = (*right).clone();
        held.get_mut(&name("rock")).unwrap().health = Health::Held;
        assert_eq!(differences(&truth(), &held), ["rock is Held"]);
    }

    #[test]
    fn what_is_gone_and_shown_lingers_and_what_is_registered_and_old_is_late() {
        let mut truth = truth();
        let Answer::View(shown) = view(&[("rock", "r"), ("a", "2")]) else { panic!() };
        assert_eq!(behind(&truth, &shown, 600, 601), Behind::default(), "it is on its way");
        assert_eq!(behind(&truth, &shown, 9000, 9001).lingering, [name("a")]);
        truth.given(&name("a"), Care::Changed, Some("3".into()), 10_000);
        truth.acknowledged(&name("a"), 10_100);
        assert_eq!(behind(&truth, &shown, 20_000, 20_001).late, [name("a")]);
        assert_eq!(truth.lag(&name("a"), Some("2"), 20_000, 20_001), Lag::Behind(19_450));
    }

    #[test]
    fn a_gateway_has_caught_up_with_the_first_good_sample_after_which_all_are_good() {
        let (good, bad) = (view(&[("rock", "r")]), view(&[("rock", "r"), ("a", "1")]));
        let silent = [sample(10_000, Answer::None), sample(11_000, Answer::NotReady), sample(12_000, good.clone())];
        let lingers = [sample(10_000, good.clone()), sample(11_000, bad.clone()), sample(12_500, good.clone())];
        let both = convergence(&truth(), &[&silent, &lingers], 9_900, 20_000);
        assert_eq!(both, Convergence { fresh_ms: Some(2_101), clean_ms: Some(2_601) });
        let never = [sample(10_000, good.clone()), sample(11_000, bad)];
        let never = convergence(&truth(), &[&never], 9_900, 20_000);
        assert_eq!(never, Convergence { fresh_ms: Some(101), clean_ms: None });
        assert_eq!(convergence(&truth(), &[&silent[..1]], 9_900, 20_000), Convergence::default());
        assert_eq!(convergence(&truth(), &[&[]], 9_900, 20_000), Convergence::default(), "nobody looked");
    }

    #[test]
    fn a_silence_counts_unless_it_was_caused() {
        let answers = |times: &[u64]| times.iter().map(|at| sample(*at, view(&[]))).collect::<Vec<_>>();
        let samples = answers(&[1000, 1200, 5000, 5200, 9000]);
        assert_eq!(longest_silence(&samples, &[]), 3800);
        assert_eq!(longest_silence(&samples, &[(1300, 4000), (6000, 8000)]), 200);
    }
}
