use proptest::prelude::*;

use super::*;
use crate::percent::Percent;

const WINDOW: Millis = Millis::from_secs(60);
const NAMESPACE: &str = "public";

fn service(number: usize) -> ServiceKey {
    ServiceKey::new(NAMESPACE, "G", &number.to_string())
}

fn id(number: usize) -> InstanceId {
    InstanceId::new(&format!("10.0.{}.{}", number / 250, number % 250), 80, "DEFAULT")
}

fn settings(percent: u8, instances: usize) -> GuardSettings {
    GuardSettings { percent: Percent::new(percent).unwrap(), instances, ..GuardSettings::default() }
}

/// A namespace of one service of so many instances, of which so many leave at that second.
fn after(size: usize, losses: &[(u64, usize)], now: u64) -> Loss {
    let mut counted = Losses::new(WINDOW, Seed(1));
    let mut present = size;
    counted.count(&service(0), present, 0);
    for (at, gone) in losses {
        for _ in 0..*gone {
            present -= 1;
            counted.left(Mono(at * 1000), &service(0), &id(present));
        }
        counted.count(&service(0), present, 0);
    }
    counted.of(Mono(now * 1000), NAMESPACE)
}

#[test]
fn a_mass_is_more_than_the_percentage_and_at_least_the_number() {
    let default = GuardSettings::default();
    for (name, settings, lost, of, want) in [
        ("nothing of nothing", default, 0, 0, false),
        ("exactly 30 %", default, 30, 100, false),
        ("one more than 30 %", default, 31, 100, true),
        ("all of 9", default, 9, 9, false),
        ("all of 10", default, 10, 10, true),
        ("10 of 33", default, 10, 33, true),
        ("10 of 34", default, 10, 34, false),
        ("all, where the guard is off", settings(100, 1), 5, 5, false),
        ("one, where every loss is a mass", settings(0, 1), 1, 1_000_000, true),
        ("none, where every loss is a mass", settings(0, 1), 0, 10, false),
        ("none, where the number is nothing", settings(0, 0), 0, 10, false),
        ("as many as there can be", default, usize::MAX, usize::MAX, true),
    ] {
        assert_eq!(Loss { lost, of }.is_mass(&settings), want, "{name}");
    }
    assert_eq!(Loss { lost: 2, of: 3 }.percent(), 66);
    assert_eq!(Loss::default().percent(), 0);
}

#[test]
fn five_flaps_of_a_fifth_count_together_and_are_counted_of_what_was_there_before_the_first() {
    let flaps = [(10, 20), (20, 20), (30, 20), (40, 20), (50, 20)];
    let seen: Vec<(usize, usize)> =
        (0..5).map(|count| after(100, &flaps[..=count], flaps[count].0)).map(|loss| (loss.lost, loss.of)).collect();
    assert_eq!(seen, [(20, 100), (40, 100), (60, 100), (80, 100), (100, 100)]);
}

#[test]
fn what_left_counts_for_a_window_and_not_longer() {
    assert_eq!(after(100, &[(10, 20)], 69), Loss { lost: 20, of: 100 });
    assert_eq!(after(100, &[(10, 20)], 70), Loss { lost: 0, of: 80 });
    assert_eq!(after(100, &[(10, 20), (60, 5)], 70), Loss { lost: 5, of: 80 });
}

#[test]
fn what_is_missing_is_lost_before_it_leaves_and_no_more_when_it_is_back() {
    let mut losses = Losses::new(WINDOW, Seed(1));
    losses.count(&service(0), 60, 40);
    losses.count(&service(1), 100, 0);
    assert_eq!(losses.of(Mono(0), NAMESPACE), Loss { lost: 40, of: 200 });
    assert_eq!(losses.missing(NAMESPACE), 40);
    losses.left(Mono(1), &service(0), &id(1));
    losses.count(&service(0), 60, 39);
    assert_eq!(losses.of(Mono(1), NAMESPACE), Loss { lost: 40, of: 200 });
    losses.came(Mono(2), &service(0), &id(1));
    losses.count(&service(0), 100, 0);
    assert_eq!(losses.of(Mono(2), NAMESPACE), Loss { lost: 0, of: 200 }, "none is new: all were there before");
    assert_eq!(losses.of(Mono(2), "another"), Loss::default());
}

#[test]
fn what_came_lately_replaces_what_goes_from_its_service_while_it_is_there() {
    let mut losses = Losses::new(WINDOW, Seed(1));
    losses.count(&service(0), 20, 0);
    losses.count(&service(1), 20, 0);
    for number in 100..110 {
        losses.came(Mono(0), &service(0), &id(number));
    }
    losses.count(&service(0), 20, 10);
    losses.count(&service(1), 10, 10);
    assert_eq!(losses.of(Mono(1), NAMESPACE), Loss { lost: 10, of: 40 }, "nothing came to the other service");
    losses.missed(&service(0), &id(100));
    losses.count(&service(0), 19, 11);
    assert_eq!(losses.of(Mono(1), NAMESPACE), Loss { lost: 12, of: 41 }, "the one that came is lost itself");
    let later = Mono(WINDOW.0 * REPLACES_FOR_WINDOWS);
    assert_eq!(losses.of(later, NAMESPACE), Loss { lost: 21, of: 50 }, "it came too long ago");
}

#[test]
fn a_rollout_of_two_hundred_under_their_old_or_under_new_addresses_is_no_loss() {
    for (name, renamed) in [("old", false), ("new", true)] {
        let mut losses = Losses::new(WINDOW, Seed(1));
        losses.count(&service(0), 200, 0);
        let mut most = 0;
        for number in 0..200_usize {
            let now = Mono(number as u64 * 250);
            losses.missed(&service(0), &id(number));
            losses.left(now, &service(0), &id(number));
            losses.count(&service(0), 199, 0);
            most = most.max(losses.of(now, NAMESPACE).lost);
            let back = if renamed { id(number + 1000) } else { id(number) };
            losses.came(now + Millis(200), &service(0), &back);
            losses.count(&service(0), 200, 0);
        }
        assert_eq!(most, 1, "{name}");
    }
}

#[derive(Clone, Debug)]
enum Event {
    Count(usize, usize, usize),
    Came(usize, usize),
    Missed(usize, usize),
    Left(usize, usize),
    Pause(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..3_usize, 0..20_usize, 0..20_usize)
            .prop_map(|(service, present, missing)| Event::Count(service, present, missing)),
        (0..3_usize, 0..6_usize).prop_map(|(service, id)| Event::Came(service, id)),
        (0..3_usize, 0..6_usize).prop_map(|(service, id)| Event::Missed(service, id)),
        (0..3_usize, 0..6_usize).prop_map(|(service, id)| Event::Left(service, id)),
        (0..90_000_u64).prop_map(Event::Pause),
    ]
}

/// The same by remembering everything and counting it anew each time.
#[derive(Default)]
struct Dumb {
    counts: BTreeMap<usize, (usize, usize)>,
    left: BTreeMap<(usize, usize), u64>,
    came: BTreeMap<(usize, usize), u64>,
}

impl Dumb {
    fn take_in(&mut self, now: u64, event: &Event) {
        match *event {
            Event::Count(service, present, missing) => drop(self.counts.insert(service, (present, missing))),
            Event::Came(service, id) => {
                let is_back = self.left.get(&(service, id)).is_some_and(|at| now < at + 60_000);
                self.left.remove(&(service, id));
                if !is_back {
                    self.came.insert((service, id), now);
                }
            }
            Event::Missed(service, id) => drop(self.came.remove(&(service, id))),
            Event::Left(service, id) => {
                self.came.remove(&(service, id));
                self.left.insert((service, id), now);
            }
            Event::Pause(_) => {}
        }
    }

    fn loss(&self, now: u64) -> Loss {
        let mut loss = Loss::default();
        for service in 0..3 {
            let (present, missing) = self.counts.get(&service).copied().unwrap_or_default();
            let within = |moves: &BTreeMap<(usize, usize), u64>, time: u64| {
                moves.iter().filter(|((of, _), at)| *of == service && now < **at + time).count()
            };
            let (left, came) = (within(&self.left, 60_000), within(&self.came, 300_000));
            loss.lost += (missing + left).saturating_sub(came);
            loss.of += (present + missing + left).saturating_sub(came);
        }
        loss
    }
}

proptest! {
    #[test]
    fn the_sums_are_those_of_counting_everything_anew(events in prop::collection::vec(event(), 0..80)) {
        let (mut losses, mut dumb, mut now) = (Losses::new(WINDOW, Seed(1)), Dumb::default(), 0);
        for event in events {
            losses.of(Mono(now), NAMESPACE); // What is over is over before what happens now, as where proofs are judged.
            dumb.take_in(now, &event);
            match event {
                Event::Count(of, present, missing) => losses.count(&service(of), present, missing),
                Event::Came(of, one) => losses.came(Mono(now), &service(of), &id(one)),
                Event::Missed(of, one) => losses.missed(&service(of), &id(one)),
                Event::Left(of, one) => losses.left(Mono(now), &service(of), &id(one)),
                Event::Pause(pause) => now += pause,
            }
            let loss = losses.of(Mono(now), NAMESPACE);
            prop_assert_eq!(loss, dumb.loss(now));
            prop_assert!(loss.lost <= loss.of);
        }
    }
}
