//! Whose partition is read next, and whether now. Pure: times and numbers are passed in.
//!
//! The failure that this defends against is a cluster that writes more than anybody can read. Turns that go round by *partition* give most
//! of the time to whoever has most partitions with most in them; and whatever is read goes through one queue, the engine's, in which
//! everybody waits behind what was read before. So the account is kept by *origin*:
//!
//! - the work that was done for an origin fades with a half-life of a second. Of the origins that have something to be read, the one for
//!   which least was done goes first. Who writes now and then is next at once, whatever waits of others; who writes without end
//!   shares what is left with those who do the same.
//! - an origin for which much was done lately is read only while the engine has next to nothing to take in. So what waits there before
//!   a change of a quiet origin is a few turns' worth, and no more is fetched of the busy one than the engine keeps up with: its queues stay
//!   full, and a full queue is not fetched for.
//! - of another cluster no more is read in the long run than its *pace*: what was read of it runs off at so many bytes a second, and while more
//!   than a full log has gathered, it waits, whoever else is there. Turns alone would give all of a core to one who writes without end.
//!
//! ```text
//!                    least work first               engine's queue short, or origin quiet
//!   ready slots ───────────────────────▶ one origin ─────────────────────────────────────▶ one turn of one slot
//!   by origin,      (not: over its pace)            └─ else ─▶ wait a moment
//! ```
//!
//! Duties of a caller: say when a slot may have something, read what [`Turns::next`] names, say what that was worth, and say again that
//! the slot is ready if the turn ended before its queue was empty.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use federation_core::id::ClusterId;

use crate::options::ReadPace;

/// Time in which half of what was done for an origin is forgotten.
const HALF_LIFE: Duration = Duration::from_secs(1);
/// What a record costs beside its bytes, in bytes: a look-up, a digest, a place in the view.
pub(super) const RECORD_WORK: u64 = 512;
/// An origin for which no more was done is quiet: some five hundred records within the last second, or a full turn of them.
const QUIET: f64 = 512.0 * 1024.0;
/// News that may wait for the engine before a busy origin waits, too. One is a turn of at most [`super::consume`]'s limits, which the
/// engine takes some milliseconds for; a few keep it from running dry.
const NEWS_AHEAD: usize = 4;

/// How long it is told of an origin that it was over its pace.
const TOLD_FOR: Duration = Duration::from_secs(10);

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Read of this slot.
    Read(usize),
    /// Only busy origins have something, and the engine has enough to do.
    Wait,
    /// Only origins over their pace have something.
    Rest,
    /// Nothing is known to be there.
    Nothing,
}

/// Who is waiting for a turn, and who had how many.
#[derive(Debug, Default)]
pub(super) struct Turns {
    accounts: Vec<Account>,
    by_origin: HashMap<ClusterId, usize>,
    /// By number: the account of each, and whether it waits in there.
    slots: Vec<(usize, Waiting)>,
    /// Of whom no more than that is read in the long run: of all but this one.
    paced: Option<(ReadPace, ClusterId)>,
}

#[derive(Debug, Default)]
struct Account {
    ready: VecDeque<usize>,
    /// What was done for the origin, as of `faded`.
    work: f64,
    /// `None` for the own cluster, which is read as fast as it is written.
    pace: Option<ReadPace>,
    /// What was read of it and has not run off, as of `faded`.
    gathered: f64,
    faded: Option<Instant>,
    /// When it was last over its pace.
    rested: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    No,
    Yes,
}

impl Account {
    fn since(&self, now: Instant) -> Duration {
        self.faded.map_or(Duration::ZERO, |faded| now.saturating_duration_since(faded))
    }

    /// What was done for it and is not forgotten yet.
    fn work_at(&self, now: Instant) -> f64 {
        self.work * (-self.since(now).as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2()
    }

    /// What was read of it and has not run off yet.
    fn gathered_at(&self, now: Instant) -> f64 {
        let runs_off = self.pace.map_or(0.0, |pace| self.since(now).as_secs_f64() * to_f64(pace.per_second));
        (self.gathered - runs_off).max(0.0)
    }

    /// Whether it has to wait until more has run off.
    fn is_over(&self, now: Instant) -> bool {
        self.pace.is_some_and(|pace| self.gathered_at(now) > to_f64(pace.at_once))
    }
}

impl Turns {
    /// Nobody waits. Of all but the own cluster no more is read than `pace`.
    pub(super) fn new(pace: ReadPace, own: ClusterId) -> Self {
        Self { paced: Some((pace, own)), ..Self::default() }
    }

    /// Origins that were over their pace lately.
    pub(super) fn rested(&self, now: Instant) -> impl Iterator<Item = &ClusterId> {
        let lately = move |account: &Account| account.rested.is_some_and(|at| now < at + TOLD_FOR);
        self.by_origin.iter().filter(move |(_, account)| lately(&self.accounts[**account])).map(|(origin, _)| origin)
    }

    /// The next slot, numbered from 0, is one of this origin.
    pub(super) fn add_slot(&mut self, origin: &ClusterId) {
        let account = match self.by_origin.get(origin) {
            Some(&account) => account,
            None => {
                let pace = self.paced.as_ref().filter(|(_, own)| own != origin).map(|(pace, _)| *pace);
                self.accounts.push(Account { pace, ..Account::default() });
                self.by_origin.insert(origin.clone(), self.accounts.len() - 1);
                self.accounts.len() - 1
            }
        };
        self.slots.push((account, Waiting::No));
    }

    /// There may be something to be read in this slot. One that nobody added is ignored.
    pub(super) fn ready(&mut self, slot: usize) {
        let Some((account, waiting)) = self.slots.get_mut(slot) else { return };
        if std::mem::replace(waiting, Waiting::Yes) == Waiting::No {
            self.accounts[*account].ready.push_back(slot);
        }
    }

    /// What to do now, while so many news wait for the engine. A slot that is named has had its turn.
    pub(super) fn next(&mut self, now: Instant, news_waiting: usize) -> Next {
        match self.outlook(now, news_waiting) {
            Next::Read(slot) => {
                let (account, waiting) = &mut self.slots[slot];
                *waiting = Waiting::No;
                self.accounts[*account].ready.pop_front();
                Next::Read(slot)
            }
            other => other,
        }
    }

    /// What [`Turns::next`] would say.
    pub(super) fn outlook(&self, now: Instant, news_waiting: usize) -> Next {
        let mut rests = false;
        let within = self.accounts.iter().filter_map(|account| {
            let slot = *account.ready.front()?;
            let is_over = account.is_over(now);
            rests |= is_over;
            (!is_over).then(|| (account.work_at(now), slot))
        });
        match within.min_by(|left, right| left.0.total_cmp(&right.0)) {
            None if rests => Next::Rest,
            None => Next::Nothing,
            Some((work, _)) if work > QUIET && news_waiting >= NEWS_AHEAD => Next::Wait,
            Some((_, slot)) => Next::Read(slot),
        }
    }

    /// A turn of this slot was worth so much, in bytes.
    pub(super) fn done(&mut self, slot: usize, work: u64, now: Instant) {
        let Some(&(account, _)) = self.slots.get(slot) else { return };
        let account = &mut self.accounts[account];
        let work = to_f64(work);
        (account.work, account.gathered) = (account.work_at(now) + work, account.gathered_at(now) + work);
        account.faded = Some(now);
        if account.is_over(now) {
            account.rested = Some(now);
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "to some bytes in petabytes")]
fn to_f64(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TURN: u64 = 1 << 20;

    fn turns(slots: &[&str]) -> Turns {
        let mut turns = Turns::default();
        slots.iter().for_each(|origin| turns.add_slot(&origin.parse().unwrap()));
        turns
    }

    fn later(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn a_slot_that_is_ready_has_one_turn_however_often_it_is_said() {
        let (mut turns, now) = (turns(&["a", "a"]), Instant::now());
        assert_eq!(turns.next(now, 0), Next::Nothing);
        [0, 1, 0, 7].into_iter().for_each(|slot| turns.ready(slot));
        assert_eq!(
            [turns.next(now, 0), turns.next(now, 0), turns.next(now, 0)],
            [Next::Read(0), Next::Read(1), Next::Nothing]
        );
        turns.ready(0);
        assert_eq!(turns.next(now, 0), Next::Read(0));
    }

    #[test]
    fn who_writes_now_and_then_is_next_whatever_waits_of_a_busy_origin() {
        let (mut turns, now) = (turns(&["busy"; 16]), Instant::now());
        turns.add_slot(&"quiet".parse().unwrap());
        (0..16).for_each(|slot| turns.ready(slot));
        for round in 0..100 {
            let Next::Read(slot) = turns.next(now, 0) else { panic!("there is something") };
            turns.done(slot, TURN, now);
            turns.ready(slot);
            if round % 10 == 9 {
                turns.ready(16);
                assert_eq!(turns.next(now, usize::MAX), Next::Read(16));
                turns.done(16, RECORD_WORK, now);
            }
        }
    }

    #[test]
    fn a_busy_origin_waits_while_the_engine_has_enough_and_a_quiet_one_does_not() {
        let (mut turns, start) = (turns(&["busy", "quiet"]), Instant::now());
        turns.done(0, 16 * TURN, start);
        turns.ready(0);
        assert_eq!(turns.next(start, NEWS_AHEAD), Next::Wait);
        turns.ready(1);
        assert_eq!(turns.next(start, NEWS_AHEAD), Next::Read(1));
        assert_eq!(turns.next(start, NEWS_AHEAD - 1), Next::Read(0));
        turns.ready(0);
        assert_eq!(turns.next(later(start, 4_000), NEWS_AHEAD), Next::Wait);
        assert_eq!(turns.next(later(start, 5_001), NEWS_AHEAD), Next::Read(0), "what it had is forgotten");
    }

    #[test]
    fn of_another_cluster_no_more_is_read_in_the_long_run_than_its_pace_and_of_the_own_everything() {
        let pace = ReadPace { at_once: 8 * TURN, per_second: 2 * TURN };
        let (mut turns, start) = (Turns::new(pace, "own".parse().unwrap()), Instant::now());
        ["flood", "own"].into_iter().for_each(|origin| turns.add_slot(&origin.parse().unwrap()));
        let mut read = [0_u64; 2];
        for millis in 0..20_000 {
            let now = later(start, millis);
            (0..2).for_each(|slot| turns.ready(slot));
            for _ in 0..2 {
                if let Next::Read(slot) = turns.next(now, 0) {
                    turns.done(slot, TURN, now);
                    read[slot] += 1;
                }
            }
        }
        assert!((48..=49).contains(&read[0]), "eight at once, and two a second: {read:?}");
        assert!(read[1] >= 20_000, "{read:?}");
        assert_eq!(turns.rested(later(start, 20_000)).map(ClusterId::as_str).collect::<Vec<_>>(), ["flood"]);
        assert_eq!(turns.rested(later(start, 40_000)).count(), 0);
    }

    #[test]
    fn while_only_clusters_over_their_pace_have_something_the_reader_rests() {
        let pace = ReadPace { at_once: TURN, per_second: TURN };
        let (mut turns, start) = (Turns::new(pace, "own".parse().unwrap()), Instant::now());
        turns.add_slot(&"flood".parse().unwrap());
        turns.done(0, 3 * TURN, start);
        turns.ready(0);
        assert_eq!(turns.next(start, 0), Next::Rest);
        assert_eq!(turns.next(later(start, 1_999), 0), Next::Rest);
        assert_eq!(turns.next(later(start, 2_000), 0), Next::Read(0));
    }

    proptest! {
        /// Whatever a turn is worth and however many partitions an origin has: those who write without end share evenly.
        #[test]
        fn busy_origins_share_evenly_and_none_starves(
            sizes in proptest::collection::vec(TURN / 4..4 * TURN, 3),
            crowd in 1_usize..20,
        ) {
            let (mut turns, start) = (turns(&["a", "b"]), Instant::now());
            (0..crowd).for_each(|_| turns.add_slot(&"c".parse().unwrap()));
            (0..crowd + 2).for_each(|slot| turns.ready(slot));
            let mut done = [0_u64; 3];
            for round in 0..2_000_u64 {
                let now = later(start, round);
                let Next::Read(slot) = turns.next(now, 0) else { panic!("all have something") };
                let work = sizes[slot.min(2)];
                turns.done(slot, work, now);
                turns.ready(slot);
                done[slot.min(2)] += work;
            }
            let (least, most) = (*done.iter().min().unwrap(), *done.iter().max().unwrap());
            prop_assert!(most - least <= most / 10 + 8 * TURN, "{done:?}");
        }

        /// In any order of events: a slot is named only if it was said to be ready since it was last named.
        #[test]
        fn no_turn_is_lost_and_none_is_given_twice(
            events in proptest::collection::vec((0_usize..8, 0_u64..2 * TURN, 0_usize..8), 1..300),
        ) {
            let (mut turns, start) = (turns(&["a", "b", "b", "c", "c", "c", "d", "d"]), Instant::now());
            let mut ready = std::collections::BTreeSet::new();
            for (millis, (slot, work, waiting)) in (0..).zip(events) {
                turns.ready(slot);
                ready.insert(slot);
                if let Next::Read(slot) = turns.next(later(start, millis), waiting) {
                    prop_assert!(ready.remove(&slot));
                    turns.done(slot, work, later(start, millis));
                }
            }
            while let Next::Read(slot) = turns.next(later(start, 1_000_000), 0) {
                prop_assert!(ready.remove(&slot));
            }
            prop_assert!(ready.is_empty());
        }
    }
}
