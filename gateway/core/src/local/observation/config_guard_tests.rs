//! Config items under the guard, with a Nacos that answers every question.

use super::*;
use crate::config_item::ConfigItem;
use crate::guard::OwnWord;

const PATIENCE: RemovalPatience =
    RemovalPatience { removal_hold: Millis::from_secs(15), sweep_interval: Millis::from_secs(300) };
const ITEMS: u32 = 20;

/// A Nacos of twenty config items, and what a gateway makes of its answers.
struct Stage {
    local: LocalObservation,
    gone: BTreeSet<u32>,
    now: u64,
}

fn key(number: u32) -> ConfigKey {
    ConfigKey::new("public", "G", &format!("{number}.yaml"))
}

impl Stage {
    fn settled() -> Self {
        let local = LocalObservation::new(PATIENCE, NameSelection::everything(), Seed(1));
        let mut stage = Self { local, gone: BTreeSet::new(), now: 0 };
        stage.step(LocalInput::Connected);
        (0..ITEMS).for_each(|number| stage.answer(number));
        stage.run(20);
        assert_eq!(stage.shown(), ITEMS as usize);
        stage
    }

    fn step(&mut self, input: LocalInput) {
        drop(self.local.step(Mono(self.now), input, &|_| false, &mut Vec::new()));
    }

    fn answer(&mut self, number: u32) {
        let item = ConfigItem { content: number.to_string().into(), ..ConfigItem::default() };
        let there = !self.gone.contains(&number);
        let reading = if there { ConfigReading::Item(Arc::new(item)) } else { ConfigReading::Absent };
        self.step(LocalInput::Config { key: key(number), reading });
    }

    /// These are not there any more, and Nacos says so by itself.
    fn lose(&mut self, numbers: std::ops::Range<u32>) {
        self.gone.extend(numbers.clone());
        numbers.for_each(|number| self.answer(number));
    }

    /// Every question is answered.
    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds * 10 {
            self.now += 100;
            drop(self.local.let_go(Mono(self.now)));
            let mut effects = Vec::new();
            self.local.tick(Mono(self.now), &mut effects);
            for effect in effects {
                let Effect::ReadConfig(asked) = effect else { continue };
                let number = (0..ITEMS).find(|number| key(*number) == asked).unwrap();
                self.answer(number);
            }
        }
    }

    fn shown(&self) -> usize {
        self.local.configs().filter(|(_, config)| config.wanted().is_some()).count()
    }

    fn kept(&self) -> usize {
        self.local.guard().holds().map(|(_, hold)| hold.kept).sum()
    }
}

#[test]
fn a_nacos_that_has_no_config_item_any_more_removes_none_before_somebody_says_so() {
    let mut stage = Stage::settled();
    stage.lose(0..ITEMS);
    stage.run(600);
    assert_eq!((stage.shown(), stage.kept()), (20, 20));
    assert_eq!(stage.local.held().of(crate::service::HoldReason::MassLoss), 20);
    stage.local.decide(BTreeMap::from([("public".into(), OwnWord::Release)]));
    stage.run(2);
    assert_eq!((stage.shown(), stage.kept()), (0, 0));
}

#[test]
fn a_few_config_items_go_after_their_second_answer() {
    let mut stage = Stage::settled();
    stage.lose(0..6);
    stage.run(3);
    assert_eq!((stage.shown(), stage.kept()), (14, 0));
}

#[test]
fn config_items_that_come_back_are_held_no_more_and_one_unheard_does_not_go_with_the_rest() {
    let mut stage = Stage::settled();
    stage.lose(0..ITEMS);
    stage.run(30);
    stage.gone = BTreeSet::from([1, 2]);
    (3..ITEMS).for_each(|number| stage.answer(number)); // That 0 is back is told by nobody.
    assert_eq!((stage.shown(), stage.kept()), (20, 3));
    stage.run(70);
    assert_eq!((stage.shown(), stage.kept()), (18, 0));
}

#[test]
fn a_connection_that_breaks_keeps_what_is_held_and_voids_its_proof() {
    let mut stage = Stage::settled();
    stage.lose(0..ITEMS);
    stage.run(30);
    stage.step(LocalInput::Disconnected { reason: "away".into() });
    stage.run(10);
    stage.step(LocalInput::Connected);
    stage.local.decide(BTreeMap::from([("public".into(), OwnWord::Release)]));
    stage.run(5);
    assert_eq!(stage.shown(), 20, "before the connection has settled nothing is proven on it");
    stage.run(20);
    assert_eq!(stage.shown(), 0);
}
