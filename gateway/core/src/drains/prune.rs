//! Which intents of the own cluster may leave the log: those that say nothing any more, a month old. Invariant: taking them
//! away brings no other order into force.

use std::collections::BTreeMap;

use super::IntentTable;
use crate::id::ClusterId;
use crate::intents::DrainTarget;
use crate::log::intents::{IntentLog, LoggedDrain};
use crate::routing::Percent;
use crate::time::{Millis, Mono, Now, WallMs};

/// An order is kept for this long, so that people see what was undone when, and by whom.
const KEPT: Millis = Millis::from_secs(30 * 86_400);
/// An order leaves once it has been superfluous for this long without a break: a reader may lag behind in the topic that
/// made it so.
const SUPERFLUOUS: Millis = Millis::from_secs(3_600);
/// How often is looked.
const LOOK_EVERY: Millis = Millis::from_secs(60);

/// Remembers since when intents are superfluous.
#[derive(Debug, Default)]
pub(crate) struct Pruner {
    superfluous: BTreeMap<DrainTarget, Mono>,
    look_at: Mono,
}

impl Pruner {
    /// Whether it is time to call [`Pruner::prune`].
    pub(crate) fn is_due(&self, now: Mono) -> bool {
        now >= self.look_at
    }

    /// The own intents to remove now. All logs are read to their ends.
    pub(crate) fn prune(
        &mut self,
        now: Now,
        own: &ClusterId,
        logs: &BTreeMap<&ClusterId, &IntentLog>,
        table: &IntentTable,
    ) -> Vec<DrainTarget> {
        self.look_at = now.mono + LOOK_EVERY;
        let served = logs.get(own).into_iter().flat_map(|log| log.served());
        let superfluous = served.filter(|(target, logged)| is_superfluous(now.wall, own, target, logged, logs, table));
        let known = std::mem::take(&mut self.superfluous);
        let since = |target: &DrainTarget| known.get(target).copied().unwrap_or(now.mono);
        self.superfluous = superfluous.map(|(target, _)| (target.clone(), since(target))).collect();
        let leave = self.superfluous.iter().filter(|(_, since)| now.mono.since(**since) >= SUPERFLUOUS);
        leave.map(|(target, _)| target.clone()).collect()
    }
}

fn is_superfluous(
    now: WallMs,
    own: &ClusterId,
    target: &DrainTarget,
    logged: &LoggedDrain,
    logs: &BTreeMap<&ClusterId, &IntentLog>,
    table: &IntentTable,
) -> bool {
    let is_old = |written: WallMs| now.0.saturating_sub(written.0) >= KEPT.0;
    let Some(in_force) = table.get(target).filter(|_| is_old(logged.observed)) else { return false };
    if in_force.taken_in != *own {
        return is_old(in_force.since);
    }
    let mut others = logs.iter().filter(|(id, _)| **id != own).flat_map(|(_, log)| log.of(target));
    says_nothing(logged) && others.all(says_nothing)
}

fn says_nothing(logged: &LoggedDrain) -> bool {
    let nothing = |intent: &crate::intents::DrainIntent| intent.percent == Percent::default() && !intent.is_ramping();
    logged.readable && logged.intent.as_ref().is_some_and(nothing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intents::verdict::Signed;
    use crate::intents::{DrainIntent, OrderCounter, OrderGiver};
    use crate::log::intents::DrainRecord;
    use crate::routing::DrainGuard;
    use crate::service::Revision;

    const MONTH: u64 = 30 * 86_400_000;
    const HOUR: u64 = 3_600_000;

    fn log(order: Option<(u64, u8)>) -> IntentLog {
        let mut log = IntentLog::default();
        if let Some((counter, percent)) = order {
            let intent = DrainIntent {
                counter: OrderCounter::new(counter).unwrap(),
                percent: Percent::new(percent).unwrap(),
                guard: DrainGuard::default(),
                who: "ann".into(),
                why: "".into(),
                when: WallMs(0),
                replica: 7,
                ramp: None,
                giver: OrderGiver::default(),
            };
            log.fold(&"x".parse().unwrap(), DrainRecord::Order(&intent, WallMs(0), Signed::Absent));
        }
        log.at_end();
        log
    }

    /// When the own cluster's order leaves, looked at each ten minutes from 29 to 32 days of age; in hours after 30 days.
    fn leaves(own: (u64, u8), other: Option<(u64, u8)>) -> Option<u64> {
        let (a, b): (ClusterId, ClusterId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let (log_a, log_b) = (log(Some(own)), log(other));
        let logs = BTreeMap::from([(&a, &log_a), (&b, &log_b)]);
        let logged = logs.iter().flat_map(|(id, log)| log.served().map(move |(target, logged)| (*id, target, logged)));
        let table = IntentTable::new(Revision(1), logged);
        let mut pruner = Pruner::default();
        let times = (MONTH - 24 * HOUR..MONTH + 48 * HOUR).step_by(600_000);
        let now = |time: u64| Now { mono: Mono(time), wall: WallMs(time) };
        let mut left = times.filter(|time| !pruner.prune(now(*time), &a, &logs, &table).is_empty());
        left.next().map(|time| (time - MONTH) / HOUR)
    }

    #[test]
    fn an_order_leaves_a_month_and_an_hour_later_if_nothing_comes_into_force_by_that() {
        assert_eq!(leaves((9, 0), None), Some(1), "undone");
        assert_eq!(leaves((9, 30), None), None, "in force");
        assert_eq!(leaves((9, 0), Some((8, 30))), None, "it would be in force again");
        assert_eq!(leaves((9, 0), Some((8, 0))), Some(1));
        assert_eq!(leaves((8, 30), Some((9, 0))), Some(1), "overruled");
        assert_eq!(leaves((8, 30), Some((9, 40))), Some(1), "overruled");
    }
}
