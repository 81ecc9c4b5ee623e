//! The intents of one origin: the fold of its control topic's `intent/…` keys (rules R1, R3 and R24).
//!
//! What is served changes only at the end of the topic while it is read from its beginning: orders that were overruled long
//! ago are still in it, and must not come into force for the moment of reading them.

use std::collections::BTreeMap;

use crate::intents::{DrainIntent, DrainTarget};
use crate::time::WallMs;

/// The last record of a drain's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedDrain {
    /// The last value that could be read, if any ever could.
    pub intent: Option<DrainIntent>,
    /// When that was written, by its writer's clock.
    pub observed: WallMs,
    /// Whether the last record itself could be read.
    pub readable: bool,
}

/// A value of a drain's key, as it was read.
#[derive(Clone, Copy, Debug)]
pub enum DrainRecord<'a> {
    /// Null: the key is absent.
    Tombstone,
    /// Still the key's last record (rule R3).
    Unreadable,
    /// An order, and when its record was written.
    Order(&'a DrainIntent, WallMs),
}

type Drains = BTreeMap<DrainTarget, LoggedDrain>;

/// The intents of one origin, as served and as its log says.
#[derive(Clone, Debug)]
pub struct IntentLog {
    served: Drains,
    /// The fold from the topic's beginning, until its end is reached.
    shadow: Option<Drains>,
}

impl Default for IntentLog {
    /// Nothing was read yet.
    fn default() -> Self {
        Self { served: Drains::new(), shadow: Some(Drains::new()) }
    }
}

impl IntentLog {
    /// Serves what an earlier process knew, until the topic was read.
    #[must_use]
    pub fn from_snapshot(drains: impl IntoIterator<Item = (DrainTarget, DrainIntent, WallMs)>) -> Self {
        let logged = |intent, observed| LoggedDrain { intent: Some(intent), observed, readable: true };
        let served = drains.into_iter().map(|(target, intent, observed)| (target, logged(intent, observed)));
        Self { served: served.collect(), ..Self::default() }
    }

    /// What counts now.
    pub fn served(&self) -> impl Iterator<Item = (&DrainTarget, &LoggedDrain)> {
        self.served.iter()
    }

    /// Whether the topic was read to its end since reading it began.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.shadow.is_none()
    }

    /// What the log says of a target as far as it was read.
    #[must_use]
    pub fn image(&self, target: &DrainTarget) -> Option<&LoggedDrain> {
        self.shadow.as_ref().unwrap_or(&self.served).get(target)
    }

    /// All that may count of a target: what is served, and what was read so far.
    pub fn of(&self, target: &DrainTarget) -> impl Iterator<Item = &LoggedDrain> {
        let read = self.shadow.as_ref().and_then(|shadow| shadow.get(target));
        self.served.get(target).into_iter().chain(read)
    }

    /// Folds one record. Returns whether what is served changed.
    pub fn fold(&mut self, target: &DrainTarget, record: DrainRecord<'_>) -> bool {
        let is_served = self.shadow.is_none();
        let drains = self.shadow.as_mut().unwrap_or(&mut self.served);
        let before = drains.get(target).cloned();
        match record {
            DrainRecord::Tombstone => drop(drains.remove(target)),
            DrainRecord::Unreadable => {
                let kept = before.clone().unwrap_or(LoggedDrain { intent: None, observed: WallMs(0), readable: false });
                drains.insert(target.clone(), LoggedDrain { readable: false, ..kept });
            }
            DrainRecord::Order(intent, observed) => {
                let logged = LoggedDrain { intent: Some(intent.clone()), observed, readable: true };
                drains.insert(target.clone(), logged);
            }
        }
        is_served && drains.get(target) != before.as_ref()
    }

    /// Drops those beyond `most`, the last ones by their targets' order, which is the same for all who read them. Returns how many.
    pub fn keep_at_most(&mut self, most: usize) -> usize {
        let drains = self.shadow.as_mut().unwrap_or(&mut self.served);
        let mut dropped = 0;
        while drains.len() > most && drains.pop_last().is_some() {
            dropped += 1;
        }
        dropped
    }

    /// All records were folded. Returns whether what is served changed.
    pub fn at_end(&mut self) -> bool {
        let Some(mut fold) = self.shadow.take() else { return false };
        for (target, logged) in fold.iter_mut().filter(|(_, logged)| logged.intent.is_none()) {
            if let Some(known) = self.served.get(target) {
                *logged = LoggedDrain { readable: false, ..known.clone() }; // The last readable value stays (rule R3).
            }
        }
        let before = std::mem::replace(&mut self.served, fold);
        before != self.served
    }

    /// The topic is read anew from its beginning: what was folded goes on being served.
    pub fn restart(&mut self) {
        self.shadow = Some(Drains::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intents::OrderCounter;
    use crate::routing::{DrainGuard, Percent};

    fn target() -> DrainTarget {
        "frankfurt".parse().unwrap()
    }

    fn order(percent: u8) -> DrainIntent {
        DrainIntent {
            counter: OrderCounter::FIRST,
            percent: Percent::new(percent).unwrap(),
            guard: DrainGuard::default(),
            who: "ann".into(),
            why: "".into(),
            when: WallMs(1),
            replica: 7,
            ramp: None,
        }
    }

    fn percents(log: &IntentLog) -> Vec<u8> {
        log.served().filter_map(|(_, logged)| Some(logged.intent.as_ref()?.percent.get())).collect()
    }

    #[test]
    fn an_old_order_is_not_in_force_for_the_moment_of_reading_it() {
        let mut log = IntentLog::default();
        for percent in [100, 0] {
            assert!(!log.fold(&target(), DrainRecord::Order(&order(percent), WallMs(1))));
            assert_eq!(percents(&log), []);
        }
        assert!(log.at_end() && !log.at_end());
        assert_eq!(percents(&log), [0]);
    }

    #[test]
    fn what_was_known_counts_until_the_topic_was_read_anew() {
        let mut log = IntentLog::from_snapshot([(target(), order(30), WallMs(1))]);
        log.fold(&target(), DrainRecord::Order(&order(40), WallMs(1)));
        assert_eq!((percents(&log), log.is_read()), (vec![30], false));
        assert!(log.at_end());
        log.restart();
        assert_eq!((percents(&log), log.is_read()), (vec![40], false));
        assert!(log.at_end(), "the topic lost it");
        assert_eq!(percents(&log), []);
    }

    #[test]
    fn an_unreadable_value_keeps_the_last_readable_one_and_a_tombstone_does_not() {
        let mut log = IntentLog::default();
        log.fold(&target(), DrainRecord::Order(&order(30), WallMs(1)));
        log.at_end();
        assert!(log.fold(&target(), DrainRecord::Unreadable));
        assert_eq!(percents(&log), [30]);
        log.restart();
        log.fold(&target(), DrainRecord::Unreadable);
        log.at_end();
        assert_eq!((percents(&log), log.image(&target()).unwrap().readable), (vec![30], false));
        assert!(log.fold(&target(), DrainRecord::Tombstone));
        assert_eq!(percents(&log), []);
    }
}
