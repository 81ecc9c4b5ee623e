//! What samples of gateways say beside the truth: what was missing, how soon a gateway had caught up, what differs at the end. Pure:
//! samples and truth in, findings out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::history::{InstanceName, Lag, Value};
use crate::truth::Truth;

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

/// An untouched instance that was not in a sample that had to have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MissingInstance {
    #[serde(rename = "atMs")]
    pub(crate) at: u64,
    pub(crate) instance: InstanceName,
}

/// The samples of this time in which an untouched instance was missing that they had to have, with all of them.
pub(crate) fn missing(truth: &Truth, samples: &[Sample]) -> Vec<MissingInstance> {
    let untouched: Vec<&InstanceName> = truth.untouched().collect();
    let mut found = Vec::new();
    let mut whole: Option<&Arc<View>> = None;
    for sample in samples {
        let Answer::View(view) = &sample.answer else { continue };
        // A run has many samples and few states: what is shown again lacks nobody again.
        if whole.is_some_and(|whole| Arc::ptr_eq(whole, view)) {
            continue;
        }
        let absent: Vec<&&InstanceName> = untouched.iter().filter(|name| !view.contains_key(**name)).collect();
        whole = absent.is_empty().then_some(view);
        let owed = absent.into_iter().filter(|name| truth.owes(name, sample.asked, sample.answered));
        found.extend(owed.map(|name| MissingInstance { at: sample.answered, instance: (*name).clone() }));
    }
    found
}

/// What a sample shows that has been untrue for longer than is allowed, with how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Behind {
    /// Not shown, or with a former value, though registered.
    pub(crate) late: Vec<(InstanceName, Lag)>,
    /// Shown, though gone.
    pub(crate) lingering: Vec<(InstanceName, Lag)>,
}

/// Compares one view with the truth of its time.
pub(crate) fn behind(truth: &Truth, view: &View, asked: u64, answered: u64, allowed_ms: u64) -> Behind {
    let names = truth.names().into_iter().chain(view.keys()).collect::<BTreeSet<&InstanceName>>();
    let mut behind = Behind::default();
    for name in names {
        let shown = view.get(name).map(|shown| &*shown.value);
        let lag = truth.lag(name, shown, asked, answered);
        if lag.exceeds(allowed_ms) {
            let gone = shown.is_some() && truth.told_of(name).is_none();
            let list = if gone { &mut behind.lingering } else { &mut behind.late };
            list.push((name.clone(), lag));
        }
    }
    behind
}

/// How soon gateways had caught up after a fault was over. `None`: not while anybody looked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Convergence {
    /// Until everything that was registered when the fault was over is shown with that value or a newer one, ms.
    pub(crate) fresh_ms: Option<u64>,
    /// Until nothing is shown any more that was gone by then, ms.
    pub(crate) clean_ms: Option<u64>,
    /// The longest that any change, also a later one, was not shown by somebody who answered after the fault, ms.
    pub(crate) slowest_ms: u64,
    /// What somebody showed wrongly last, or did not answer: number of the gateway and instance.
    pub(crate) last: Option<(usize, String)>,
}

/// How soon after `healed` all gateways, whose samples these are, answered and had caught up for good, by samples until `until`.
pub(crate) fn convergence(truth: &Truth, gateways: &[&[Sample]], healed: u64, until: u64) -> Convergence {
    let each: Vec<CaughtUp> = gateways.iter().map(|samples| CaughtUp::of(truth, samples, healed, until)).collect();
    let last_of_all = |of: fn(&CaughtUp) -> Option<u64>| {
        each.iter().map(of).collect::<Option<Vec<u64>>>().and_then(|each| each.into_iter().max())
    };
    let last = each.iter().enumerate().filter_map(|(index, it)| it.last.clone().map(|(at, what)| (at, index, what)));
    Convergence {
        fresh_ms: last_of_all(|it| it.fresh),
        clean_ms: last_of_all(|it| it.clean),
        slowest_ms: each.iter().map(|it| it.slowest).max().unwrap_or_default(),
        last: last.max().map(|(_, index, what)| (index, what)),
    }
}

/// The same of one gateway.
#[derive(Debug, Default)]
struct CaughtUp {
    fresh: Option<u64>,
    clean: Option<u64>,
    slowest: u64,
    /// When, and what.
    last: Option<(u64, String)>,
}

impl CaughtUp {
    fn of(truth: &Truth, samples: &[Sample], healed: u64, until: u64) -> Self {
        let mut this = Self::default();
        for sample in samples.iter().filter(|sample| sample.asked >= healed && sample.answered <= until) {
            this.add(truth, sample, healed);
        }
        this
    }

    fn add(&mut self, truth: &Truth, sample: &Sample, healed: u64) {
        let Answer::View(view) = &sample.answer else {
            (self.fresh, self.clean) = (None, None);
            self.last = Some((sample.answered, format!("{:?}", sample.answer)));
            return;
        };
        // What became untrue after the fault counts for the slowest change alone.
        let since_healed = sample.asked - healed;
        let Behind { late, lingering } = behind(truth, view, sample.asked, sample.answered, ON_ITS_WAY_MS);
        for (_, lag) in &late {
            if let Lag::Behind(ms) = lag {
                self.slowest = self.slowest.max(*ms);
            }
        }
        let still_late = late.iter().find(|(_, lag)| lag.exceeds(since_healed));
        if let Some((name, lag)) = still_late {
            let shown = view.get(name).map_or("nothing", |shown| &*shown.value);
            self.last = Some((sample.answered, format!("{name} shown as {shown}, {lag:?}")));
        }
        let took = sample.answered - healed;
        self.fresh = if still_late.is_some() { None } else { self.fresh.or(Some(took)) };
        let still_lingers = lingering.iter().any(|(_, lag)| lag.exceeds(since_healed));
        self.clean = if still_lingers { None } else { self.clean.or(Some(took)) };
    }
}

/// What is not as its Nacos lists it when all is over, for people; nothing if the view is the truth.
pub(crate) fn differences(truth: &Truth, view: &View) -> Vec<String> {
    let names = truth.names().into_iter().chain(view.keys()).collect::<BTreeSet<&InstanceName>>();
    let differs = |name: &InstanceName| match (truth.of(name), view.get(name)) {
        (None, None) => None,
        (Some(value), None) => Some(format!("{name} is not shown, listed is {value}")),
        (None, Some(shown)) => Some(format!("{name} is shown as {} ({:?}), and is gone", shown.value, shown.health)),
        (Some(value), Some(shown)) if *value != *shown.value => {
            Some(format!("{name} is shown as {}, listed is {value}", shown.value))
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
    use crate::history::Care;

    /// Where all are registered.
    const HERE: &str = "here";

    fn name(text: &str) -> InstanceName {
        crate::history::tests::name(&format!("{HERE} {text}"))
    }

    fn view(shown: &[(&str, &str)]) -> Answer {
        let of = |value: &str| Shown { value: value.into(), health: Health::Well };
        Answer::View(Arc::new(shown.iter().map(|(of_whom, value)| (name(of_whom), of(value))).collect()))
    }

    fn sample(at: u64, answer: Answer) -> Sample {
        Sample { asked: at, answered: at + 1, answer }
    }

    /// `rock` is untouched; `a` is registered at 100 and acknowledged at 150 as `1`, changed at 300 to `2` (350), gone at 500 (550). Both
    /// are listed until `a` is gone.
    fn truth() -> Truth {
        let mut truth = Truth::default();
        truth.given(&name("rock"), Care::Untouched, Some("r".into()), 10);
        truth.acknowledged(&name("rock"), 20);
        for (value, given, acknowledged) in [(Some("1"), 100, 150), (Some("2"), 300, 350), (None, 500, 550)] {
            truth.given(&name("a"), Care::Changed, value.map(Into::into), given);
            truth.acknowledged(&name("a"), acknowledged);
        }
        truth.look(HERE, 400, &[(&name("rock"), "r"), (&name("a"), "2")]);
        truth.look(HERE, 540, &[(&name("rock"), "r")]);
        truth
    }

    #[test]
    fn an_untouched_instance_that_one_sample_lacks_is_found_and_a_changed_one_is_not() {
        let whole = view(&[("rock", "r"), ("a", "1")]);
        let samples = [20_000, 20_200, 20_400, 20_600].into_iter().zip([whole.clone(), Answer::None, view(&[]), whole]);
        let samples: Vec<Sample> = samples.map(|(at, answer)| sample(at, answer)).collect();
        let found = missing(&truth(), &samples);
        assert_eq!(found, [MissingInstance { at: 20_401, instance: name("rock") }]);
        assert!(missing(&truth(), &samples[..2]).is_empty());
    }

    #[test]
    fn every_sample_that_lacks_it_counts_also_where_nothing_changed_between() {
        let empty = view(&[]);
        let samples = [20_000, 20_200, 20_400].map(|at| sample(at, empty.clone()));
        assert_eq!(missing(&truth(), &samples).len(), 3);
    }

    #[test]
    fn a_view_that_was_excused_is_looked_at_again_when_it_is_not() {
        let (mut truth, empty) = (truth(), view(&[]));
        truth.look(HERE, 20_000, &[]);
        truth.look(HERE, 22_000, &[(&name("rock"), "r")]);
        let samples = [sample(21_000, empty.clone()), sample(31_000, empty.clone()), sample(32_500, empty)];
        assert_eq!(missing(&truth, &samples), [MissingInstance { at: 32_501, instance: name("rock") }]);
    }

    #[test]
    fn at_the_end_a_gateway_shows_the_truth_or_says_what_differs() {
        let Answer::View(right) = view(&[("rock", "r")]) else { panic!() };
        assert!(differences(&truth(), &right).is_empty());
        for (shown, want) in [
            (view(&[("rock", "r"), ("a", "2")]), "here a is shown as 2 (Well), and is gone"),
            (view(&[]), "here rock is not shown, listed is r"),
            (view(&[("rock", "x")]), "here rock is shown as x, listed is r"),
            (view(&[("rock", "r"), ("b", "1")]), "here b is shown as 1 (Well), and is gone"),
        ] {
            let Answer::View(shown) = shown else { panic!() };
            assert_eq!(differences(&truth(), &shown), [want]);
        }
        let mut held = (*right).clone();
        held.get_mut(&name("rock")).unwrap().health = Health::Held;
        assert_eq!(differences(&truth(), &held), ["here rock is Held"]);
    }

    #[test]
    fn what_is_gone_and_shown_lingers_and_what_is_registered_and_old_is_late() {
        let mut truth = truth();
        let Answer::View(shown) = view(&[("rock", "r"), ("a", "2")]) else { panic!() };
        let seen = |truth: &Truth, at: u64| behind(truth, &shown, at, at + 1, ON_ITS_WAY_MS);
        assert_eq!(seen(&truth, 600), Behind::default(), "it is on its way");
        assert_eq!(seen(&truth, 9_050).lingering, [(name("a"), Lag::Behind(8_500))]);
        truth.given(&name("a"), Care::Changed, Some("3".into()), 10_000);
        truth.acknowledged(&name("a"), 10_100);
        truth.look(HERE, 10_090, &[(&name("rock"), "r"), (&name("a"), "3")]);
        assert_eq!(seen(&truth, 20_050).late, [(name("a"), Lag::Behind(19_500))]);
    }

    #[test]
    fn a_gateway_has_caught_up_with_the_first_good_sample_after_which_all_are_good() {
        let (good, bad) = (view(&[("rock", "r")]), view(&[("rock", "r"), ("a", "1")]));
        let silent = [sample(10_000, Answer::None), sample(11_000, Answer::NotReady), sample(12_000, good.clone())];
        let lingers = [sample(10_000, good.clone()), sample(11_000, bad.clone()), sample(12_500, good.clone())];
        let times = |gateways: &[&[Sample]]| {
            let it = convergence(&truth(), gateways, 9_900, 20_000);
            (it.fresh_ms, it.clean_ms)
        };
        assert_eq!(times(&[&silent, &lingers]), (Some(2_101), Some(2_601)));
        assert_eq!(times(&[&[sample(10_000, good), sample(11_000, bad)]]), (Some(101), None));
        assert_eq!(times(&[&silent[..1]]), (None, None));
        assert_eq!(times(&[&[]]), (None, None), "nobody looked");
    }

    #[test]
    fn what_changed_after_the_fault_is_no_matter_of_catching_up_but_of_the_slowest_change() {
        let mut truth = truth();
        truth.given(&name("rock"), Care::Changed, Some("s".into()), 9_000);
        truth.acknowledged(&name("rock"), 10_000);
        truth.look(HERE, 9_990, &[(&name("rock"), "s")]);
        let samples = [sample(10_500, view(&[("rock", "r")])), sample(14_000, view(&[("rock", "r")]))];
        let before = convergence(&truth, &[&samples], 9_900, 20_000);
        assert_eq!((before.fresh_ms, before.slowest_ms, before.last), (Some(601), 4_000, None));
        let after = convergence(&truth, &[&samples], 10_100, 20_000);
        assert_eq!((after.fresh_ms, after.slowest_ms), (None, 4_000));
        assert!(after.last.is_some_and(|(gateway, what)| gateway == 0 && what.contains("here rock shown as r")));
    }

    #[test]
    fn a_silence_counts_unless_it_was_caused() {
        let answers = |times: &[u64]| times.iter().map(|at| sample(*at, view(&[]))).collect::<Vec<_>>();
        let samples = answers(&[1000, 1200, 5000, 5200, 9000]);
        assert_eq!(longest_silence(&samples, &[]), 3800);
        assert_eq!(longest_silence(&samples, &[(1300, 4000), (6000, 8000)]), 200);
    }
}
