//! The intents of one origin: the fold of its control topic's `intent/…` keys (rules R1, R3 and R24).
//!
//! What is served changes only at the end of the topic while it is read from its beginning: orders that were overruled long
//! ago are still in it, and must not come into force for the moment of reading them.
//!
//! A record that is not accepted here ([`IntentRules`](crate::orders::rules::IntentRules)) is kept beside: what was accepted before it counts on,
//! although it is the key's last record.

use std::collections::BTreeMap;

use crate::intents::verdict::{NotAccepted, Signed};
use crate::intents::{DrainIntent, DrainTarget};
use crate::time::WallMs;

/// Records of keys that have nothing accepted, at most: they are shown, and do nothing.
const MOST_REFUSED: usize = 100;

/// The last record of a drain's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedDrain {
    /// The last value that could be read, if any ever could.
    pub intent: Option<DrainIntent>,
    /// When that was written, by its writer's clock.
    pub observed: WallMs,
    /// Whether the last record itself could be read.
    pub readable: bool,
    /// Whether the value is signed, as it was found when it was read.
    pub signed: Signed,
}

/// The last record of a drain's key, where it has no effect here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedDrain {
    /// What it orders; `None` if it is a tombstone or cannot be read.
    pub intent: Option<DrainIntent>,
    /// Why it has no effect.
    pub why: NotAccepted,
}

/// A drain as a snapshot keeps it: one that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct KeptDrain {
    /// What is drained.
    pub target: DrainTarget,
    /// The last value that could be read.
    pub intent: DrainIntent,
    /// When that was written, by its writer's clock.
    pub observed: WallMs,
    /// Whether it is signed, as it was found when it was read.
    #[cfg_attr(feature = "serde", serde(default))]
    pub signed: Signed,
}

impl LoggedDrain {
    /// A value that was read.
    #[must_use]
    pub fn read(intent: DrainIntent, observed: WallMs, signed: Signed) -> Self {
        Self { intent: Some(intent), observed, readable: true, signed }
    }
}

/// A value of a drain's key, as it was read.
#[derive(Clone, Copy, Debug)]
pub enum DrainRecord<'a> {
    /// Null: the key is absent.
    Tombstone,
    /// Still the key's last record (rule R3).
    Unreadable,
    /// An order, when its record was written, and whether that is signed.
    Order(&'a DrainIntent, WallMs, Signed),
    /// Anything of these that is not accepted here; the order, if it is one.
    Refused(Option<&'a DrainIntent>, NotAccepted),
}

type Drains = BTreeMap<DrainTarget, LoggedDrain>;

/// The intents of one origin, as served and as its log says.
#[derive(Clone, Debug)]
pub struct IntentLog {
    served: Drains,
    /// The fold from the topic's beginning, until its end is reached.
    shadow: Option<Drains>,
    /// Keys whose last record has no effect here.
    refused: BTreeMap<DrainTarget, RefusedDrain>,
}

impl Default for IntentLog {
    /// Nothing was read yet.
    fn default() -> Self {
        Self { served: Drains::new(), shadow: Some(Drains::new()), refused: BTreeMap::new() }
    }
}

impl IntentLog {
    /// Serves what an earlier process knew, until the topic was read.
    #[must_use]
    pub fn from_snapshot(drains: impl IntoIterator<Item = KeptDrain>) -> Self {
        let served = drains.into_iter().map(|KeptDrain { target, intent, observed, signed }| {
            (target, LoggedDrain::read(intent, observed, signed))
        });
        Self { served: served.collect(), ..Self::default() }
    }

    /// What counts now.
    pub fn served(&self) -> impl Iterator<Item = (&DrainTarget, &LoggedDrain)> {
        self.served.iter()
    }

    /// What counts now of a target.
    #[must_use]
    pub fn served_of(&self, target: &DrainTarget) -> Option<&LoggedDrain> {
        self.served.get(target)
    }

    /// Keys whose last record has no effect here, in the order of their targets.
    pub fn refused(&self) -> impl Iterator<Item = (&DrainTarget, &RefusedDrain)> {
        self.refused.iter()
    }

    /// The last record of a target's key, where it has no effect here.
    #[must_use]
    pub fn refused_of(&self, target: &DrainTarget) -> Option<&RefusedDrain> {
        self.refused.get(target)
    }

    /// Whether the last record of a target's key, as far as it was read, has no effect here.
    #[must_use]
    pub fn is_refused(&self, target: &DrainTarget) -> bool {
        self.refused.contains_key(target)
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

    /// Folds one record. Returns whether what is served or refused changed.
    pub fn fold(&mut self, target: &DrainTarget, record: DrainRecord<'_>) -> bool {
        let refused = match record {
            DrainRecord::Refused(intent, why) => {
                return self.refuse(target, RefusedDrain { intent: intent.cloned(), why });
            }
            _ => self.refused.remove(target).is_some(),
        };
        let is_served = self.shadow.is_none();
        let drains = self.shadow.as_mut().unwrap_or(&mut self.served);
        let before = drains.get(target).cloned();
        match record {
            DrainRecord::Tombstone => drop(drains.remove(target)),
            DrainRecord::Unreadable => {
                let nothing =
                    LoggedDrain { intent: None, observed: WallMs(0), readable: false, signed: Signed::Absent };
                drains.insert(target.clone(), LoggedDrain { readable: false, ..before.clone().unwrap_or(nothing) });
            }
            DrainRecord::Order(intent, observed, signed) => {
                drains.insert(target.clone(), LoggedDrain::read(intent.clone(), observed, signed));
            }
            DrainRecord::Refused(..) => {}
        }
        refused || (is_served && drains.get(target) != before.as_ref())
    }

    /// What was accepted of the key stays: the record is noted beside it, one that says nothing only where it would take something away.
    fn refuse(&mut self, target: &DrainTarget, record: RefusedDrain) -> bool {
        let has_accepted = |target: &DrainTarget| {
            self.served.contains_key(target) || self.shadow.as_ref().is_some_and(|shadow| shadow.contains_key(target))
        };
        if record.intent.is_none() && !has_accepted(target) {
            return self.refused.remove(target).is_some();
        }
        let room = MOST_REFUSED + self.served.len() + self.shadow.as_ref().map_or(0, Drains::len);
        if self.refused.len() >= room && !has_accepted(target) && !self.refused.contains_key(target) {
            return false;
        }
        self.refused.insert(target.clone(), record.clone()).as_ref() != Some(&record)
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
        for target in self.refused.keys().filter(|target| !fold.contains_key(*target)).cloned().collect::<Vec<_>>() {
            if let Some(known) = self.served.get(&target) {
                fold.insert(target, known.clone()); // What was accepted once, and is covered by something that is not.
            }
        }
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
        self.refused.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intents::{OrderCounter, OrderGiver};
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
            giver: OrderGiver::default(),
        }
    }

    fn percents(log: &IntentLog) -> Vec<u8> {
        log.served().filter_map(|(_, logged)| Some(logged.intent.as_ref()?.percent.get())).collect()
    }

    #[test]
    fn an_old_order_is_not_in_force_for_the_moment_of_reading_it() {
        let mut log = IntentLog::default();
        for percent in [100, 0] {
            assert!(!log.fold(&target(), DrainRecord::Order(&order(percent), WallMs(1), Signed::Absent)));
            assert_eq!(percents(&log), []);
        }
        assert!(log.at_end() && !log.at_end());
        assert_eq!(percents(&log), [0]);
    }

    #[test]
    fn what_was_known_counts_until_the_topic_was_read_anew() {
        let mut log = IntentLog::from_snapshot([KeptDrain {
            target: target(),
            intent: order(30),
            observed: WallMs(1),
            signed: Signed::Absent,
        }]);
        log.fold(&target(), DrainRecord::Order(&order(40), WallMs(1), Signed::Absent));
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
        log.fold(&target(), DrainRecord::Order(&order(30), WallMs(1), Signed::Absent));
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

    #[test]
    fn what_is_not_accepted_changes_nothing_and_is_shown_until_something_accepted_is_read() {
        let mut log = IntentLog::default();
        log.at_end();
        log.fold(&target(), DrainRecord::Order(&order(30), WallMs(1), Signed::Valid));
        let refused = |log: &IntentLog| -> Vec<Option<u8>> {
            log.refused().map(|(_, it)| it.intent.as_ref().map(|intent| intent.percent.get())).collect()
        };
        assert!(log.fold(&target(), DrainRecord::Refused(Some(&order(100)), NotAccepted::Unsigned)));
        assert_eq!((percents(&log), refused(&log), log.is_refused(&target())), (vec![30], vec![Some(100)], true));
        assert!(log.fold(&target(), DrainRecord::Refused(None, NotAccepted::Unsigned)), "a tombstone");
        assert_eq!((percents(&log), refused(&log)), (vec![30], vec![None]));
        log.restart();
        log.fold(&target(), DrainRecord::Refused(None, NotAccepted::Unsigned));
        log.at_end();
        assert_eq!(
            (percents(&log), log.is_refused(&target())),
            (vec![30], true),
            "all that the topic has is a forgery"
        );
        assert!(log.fold(&target(), DrainRecord::Order(&order(40), WallMs(2), Signed::Valid)));
        assert_eq!((percents(&log), refused(&log)), (vec![40], vec![]));
    }

    #[test]
    fn many_that_are_not_accepted_push_out_none_that_is() {
        let mut log = IntentLog::default();
        log.at_end();
        log.fold(&target(), DrainRecord::Order(&order(30), WallMs(1), Signed::Valid));
        for number in 0..2 * MOST_REFUSED {
            let forged = format!("a{number}").parse().unwrap();
            log.fold(&forged, DrainRecord::Refused(Some(&order(100)), NotAccepted::Unsigned));
        }
        assert!(log.refused().count() <= MOST_REFUSED + 1);
        log.fold(&target(), DrainRecord::Refused(Some(&order(100)), NotAccepted::Unsigned));
        assert!(log.is_refused(&target()), "its writer has to know");
        assert_eq!(percents(&log), [30]);
    }
}
