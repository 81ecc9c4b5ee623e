//! What this process has written of its own cluster's intents: until it is read back, and while it is the last word.
//!
//! Input: records of the own control topic as read back, orders, time. Output: records to write. An order is written again
//! until it is read back or ten seconds have passed. What a late writer overwrote with a lower counter, somebody with a record that is
//! not accepted, or a new topic lacks, is stated again. Invariant: nothing here decides what is in force: that is the fold's to say (rule R1).

use std::collections::BTreeMap;

use crate::intents::{DrainIntent, DrainTarget, OrderCounter};
use crate::log::intents::IntentLog;
use crate::routing::Percent;
use crate::time::{Millis, Mono, Now, WallMs};

/// A record that was not read back within this time is written again: longer than a broker takes while it is well.
const AGAIN_AFTER: Millis = Millis(1_500);
/// After this long an order counts as not taken: its caller was told long before, and must not be surprised later.
const GIVE_UP_AFTER: Millis = Millis(10_000);
/// Ramps and repairs are looked at this often.
const LOOK_EVERY: Millis = Millis(200);

/// The last word of a target in the own topic: of the highest counter that was read.
#[derive(Clone, Debug)]
struct Known {
    intent: DrainIntent,
    observed: WallMs,
    /// When its step was due, or else when it was read.
    at: Mono,
}

/// Written and not read back yet.
#[derive(Clone, Debug)]
struct UnderWay {
    intent: DrainIntent,
    observed: WallMs,
    first: Mono,
    last: Mono,
    /// When its step was due.
    due: Mono,
}

/// A record of the own control topic to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) target: DrainTarget,
    pub(crate) intent: DrainIntent,
    /// When the order or step was made.
    pub(crate) observed: WallMs,
}

/// Who may write what, at one moment.
pub(crate) struct Part<'a> {
    /// This process.
    pub(crate) nonce: u32,
    /// Whether it leads and may write.
    pub(crate) leads: bool,
    /// Whether another process will not write any more.
    pub(crate) is_gone: &'a dyn Fn(u32) -> bool,
    /// Whether the own cluster's order of this counter is in force.
    pub(crate) is_in_force: &'a dyn Fn(&DrainTarget, OrderCounter) -> bool,
}

/// Orders, ramps and repairs of the own cluster's intents.
#[derive(Debug, Default)]
pub(crate) struct IntentWriter {
    known: BTreeMap<DrainTarget, Known>,
    under_way: BTreeMap<DrainTarget, UnderWay>,
    look_at: Mono,
}

impl IntentWriter {
    /// The highest counter of a target that this process has written or read in the own topic.
    pub(crate) fn counter(&self, target: &DrainTarget) -> Option<OrderCounter> {
        let known = self.known.get(target).map(|known| known.intent.counter);
        known.max(self.under_way.get(target).map(|under_way| under_way.intent.counter))
    }

    /// The percentage that was written last and not read back yet.
    pub(crate) fn percent_under_way(&self, target: &DrainTarget) -> Option<Percent> {
        self.under_way.get(target).map(|under_way| under_way.intent.percent)
    }

    /// Something new is written, now.
    pub(crate) fn write(&mut self, now: Now, target: &DrainTarget, intent: DrainIntent) -> Write {
        self.write_due(now.mono, target, intent, now.wall, now.mono)
    }

    fn write_due(
        &mut self,
        now: Mono,
        target: &DrainTarget,
        intent: DrainIntent,
        observed: WallMs,
        due: Mono,
    ) -> Write {
        let under_way = UnderWay { intent: intent.clone(), observed, first: now, last: now, due };
        self.under_way.insert(target.clone(), under_way);
        Write { target: target.clone(), intent, observed }
    }

    /// A record of the own topic was read; `None` is a tombstone. Unreadable ones are not told: nobody fights over them.
    pub(crate) fn read(&mut self, now: Mono, target: &DrainTarget, record: Option<(&DrainIntent, WallMs)>) {
        let Some((intent, observed)) = record else {
            self.known.remove(target);
            return;
        };
        let mut at = now;
        if let Some(under_way) = self.under_way.get(target) {
            if under_way.intent == *intent {
                at = under_way.due;
            }
            if under_way.intent == *intent || intent.counter > under_way.intent.counter {
                self.under_way.remove(target);
            }
        }
        if self.known.get(target).is_none_or(|known| intent.counter >= known.intent.counter) {
            self.known.insert(target.clone(), Known { intent: intent.clone(), observed, at });
        }
    }

    /// What is due: records to write again, steps of ramps, repairs.
    pub(crate) fn tick(&mut self, now: Now, log: &IntentLog, part: &Part<'_>) -> Vec<Write> {
        if now.mono < self.look_at {
            return Vec::new();
        }
        self.look_at = now.mono + LOOK_EVERY;
        let mut writes = self.write_again(now.mono);
        if !log.is_read() {
            return writes;
        }
        let idle: Vec<DrainTarget> =
            self.known.keys().filter(|target| !self.under_way.contains_key(*target)).cloned().collect();
        for target in idle {
            let known = self.known[&target].clone();
            let last = log.image(&target);
            if last.is_some_and(|last| !last.readable) && !log.is_refused(&target) {
                continue;
            }
            let counter = last.and_then(|last| last.intent.as_ref()).map(|intent| intent.counter);
            let counter = counter.filter(|_| !log.is_refused(&target)); // Something else stands there, and nobody accepts it.
            if counter < Some(known.intent.counter) {
                if part.leads || known.intent.replica == part.nonce {
                    writes.push(self.write_due(now.mono, &target, known.intent, known.observed, known.at));
                }
            } else if let Some((step, due)) = next_step(now.mono, &target, &known, part) {
                writes.push(self.write_due(now.mono, &target, step, now.wall, due));
            }
        }
        writes
    }

    fn write_again(&mut self, now: Mono) -> Vec<Write> {
        self.under_way.retain(|_, under_way| now < under_way.first + GIVE_UP_AFTER);
        let late = self.under_way.iter_mut().filter(|(_, under_way)| now >= under_way.last + AGAIN_AFTER);
        let again = late.map(|(target, under_way)| {
            under_way.last = now;
            Write { target: target.clone(), intent: under_way.intent.clone(), observed: under_way.observed }
        });
        again.collect()
    }
}

/// The step of a ramp that is due and this process's to take, and when it was due. A process that slept goes on from
/// when it woke.
fn next_step(now: Mono, target: &DrainTarget, known: &Known, part: &Part<'_>) -> Option<(DrainIntent, Mono)> {
    let intent = &known.intent;
    let ramp = intent.ramp.filter(|_| intent.is_ramping())?;
    let due = known.at + ramp.interval();
    let mine = intent.replica == part.nonce || (part.leads && (part.is_gone)(intent.replica));
    if now < due || !mine || !(part.is_in_force)(target, intent.counter) {
        return None;
    }
    let slept = now >= due + ramp.interval();
    let step = DrainIntent { percent: ramp.after(intent.percent), replica: part.nonce, ..intent.clone() };
    Some((step, if slept { now } else { due }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intents::verdict::{NotAccepted, Signed};
    use crate::intents::{DrainRamp, OrderGiver};
    use crate::log::intents::DrainRecord;
    use crate::routing::DrainGuard;

    const NONCE: u32 = 7;

    fn target() -> DrainTarget {
        "frankfurt".parse().unwrap()
    }

    fn percent(percent: u8) -> Percent {
        Percent::new(percent).unwrap()
    }

    fn order(counter: u64, now: u8, ramp: Option<(u8, u8, u64)>) -> DrainIntent {
        DrainIntent {
            counter: OrderCounter::new(counter).unwrap(),
            percent: percent(now),
            guard: DrainGuard::default(),
            who: "ann".into(),
            why: "".into(),
            when: WallMs(0),
            replica: NONCE,
            ramp: ramp.and_then(|(from, to, over)| DrainRamp::new(percent(from), percent(to), WallMs(0), Millis(over))),
            giver: OrderGiver::default(),
        }
    }

    fn at(millis: u64) -> Now {
        Now { mono: Mono(millis), wall: WallMs(millis) }
    }

    /// The own topic, and what its writer does when it reads it back.
    struct Topic {
        writer: IntentWriter,
        log: IntentLog,
    }

    impl Topic {
        fn new() -> Self {
            let mut log = IntentLog::default();
            log.at_end();
            Self { writer: IntentWriter::default(), log }
        }

        fn read(&mut self, now: u64, intent: &DrainIntent) {
            self.log.fold(&target(), DrainRecord::Order(intent, WallMs(now), Signed::Absent));
            self.writer.read(Mono(now), &target(), Some((intent, WallMs(now))));
        }

        fn tick(&mut self, now: u64, nonce: u32, leads: bool, gone: bool) -> Vec<DrainIntent> {
            let part = Part { nonce, leads, is_gone: &|_| gone, is_in_force: &|_, _| true };
            self.writer.tick(at(now), &self.log, &part).into_iter().map(|write| write.intent).collect()
        }
    }

    #[test]
    fn an_order_is_written_again_until_it_is_read_back_or_ten_seconds_have_passed() {
        let mut topic = Topic::new();
        topic.writer.write(at(0), &target(), order(1, 30, None));
        let written = |topic: &mut Topic, until: u64| {
            (0..until / 100).map(|n| topic.tick(n * 100, NONCE, false, false).len()).sum::<usize>()
        };
        assert_eq!(written(&mut topic, 20_000), 6);
        let mut topic = Topic::new();
        topic.writer.write(at(0), &target(), order(1, 30, None));
        topic.read(50, &order(1, 30, None));
        assert_eq!(written(&mut topic, 20_000), 0);
    }

    #[test]
    fn a_lower_counter_read_after_a_higher_one_is_overruled_by_its_writer_or_the_leader_only() {
        for (nonce, leads, want) in [(NONCE, false, 1), (3, true, 1), (3, false, 0)] {
            let mut topic = Topic::new();
            topic.read(0, &order(5, 30, None));
            topic.read(1, &order(4, 0, None));
            let written = topic.tick(1_000, nonce, leads, false);
            assert_eq!(written, vec![order(5, 30, None); want], "{nonce} {leads}");
        }
    }

    #[test]
    fn of_two_orders_of_one_counter_the_later_stays() {
        let mut topic = Topic::new();
        topic.read(0, &order(5, 30, None));
        topic.read(1, &order(5, 40, None));
        assert_eq!(topic.tick(1_000, NONCE, true, true), []);
    }

    #[test]
    fn a_topic_that_lost_its_records_gets_them_again_and_a_tombstone_is_believed() {
        let mut topic = Topic::new();
        topic.read(0, &order(5, 30, None));
        topic.log.restart();
        assert_eq!(topic.tick(1_000, NONCE, true, false), [], "not before it was read");
        topic.log.at_end();
        assert_eq!(topic.tick(2_000, NONCE, true, false), [order(5, 30, None)]);
        let mut topic = Topic::new();
        topic.read(0, &order(5, 30, None));
        topic.log.fold(&target(), DrainRecord::Tombstone);
        topic.writer.read(Mono(1), &target(), None);
        assert_eq!(topic.tick(1_000, NONCE, true, false), []);
    }

    #[test]
    fn a_ramp_takes_its_steps_in_its_time_and_a_slept_hour_is_no_jump() {
        let mut topic = Topic::new();
        topic.read(0, &order(1, 0, Some((0, 10, 100_000))));
        let mut steps = Vec::new();
        for now in (0..45_000).chain(3_645_000..3_740_000).step_by(100) {
            for step in topic.tick(now, NONCE, false, false) {
                steps.push((now / 1_000, step.percent.get()));
                topic.read(now + 30, &step);
            }
        }
        let want: Vec<(u64, u8)> =
            [10, 20, 30, 40, 3_645, 3_655, 3_665, 3_675, 3_685, 3_695].into_iter().zip(1..).collect();
        assert_eq!(steps, want);
    }

    #[test]
    fn only_the_leader_goes_on_with_the_ramp_of_a_process_that_is_gone() {
        for (leads, gone, want) in [(true, true, 1), (true, false, 0), (false, true, 0)] {
            let mut topic = Topic::new();
            topic.read(0, &order(1, 3, Some((0, 10, 100_000))));
            let written = topic.tick(60_000, 9, leads, gone);
            assert_eq!(written.len(), want);
            assert!(written.iter().all(|step| (step.percent.get(), step.replica) == (4, 9)));
        }
    }

    #[test]
    fn what_is_covered_by_something_that_is_not_accepted_is_stated_again_by_its_writer_or_the_leader() {
        for forged in [None, Some(order(9, 100, None))] {
            for (nonce, leads, want) in [(NONCE, false, 1), (3, true, 1), (3, false, 0)] {
                let mut topic = Topic::new();
                topic.read(0, &order(5, 30, None));
                topic.log.fold(&target(), DrainRecord::Refused(forged.as_ref(), NotAccepted::Unsigned));
                let written = topic.tick(1_000, nonce, leads, false);
                assert_eq!(written, vec![order(5, 30, None); want], "{forged:?} {nonce} {leads}");
                topic.read(1_100, &order(5, 30, None));
                assert_eq!(topic.tick(3_000, nonce, leads, false), []);
            }
        }
    }
}
