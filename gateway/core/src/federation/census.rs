//! Writing the census of the own partitions, and writing again what a census took from readers (rule R20).
//!
//! The leader states which keys each of its partitions has: daily; when it had to read a partition anew because its place was lost (rule
//! R19); and when a replica of any cluster says that what it reads of this one is *diverged* (rule R18). Then it reads its own partitions anew
//! first, one after the other: the fault may be its own, and what it had missed is written again by R6.
//!
//! ```text
//! at rest ──complaint──▶ read anew ──read to the end──▶ due ──taken over, nothing due or unsure──▶ 256 records, a checkpoint ──▶ at rest
//!    ├── the reader lost its place ──────▶┘               ▲
//!    └────────────────────── a day since the last one ────┘
//! ```
//!
//! It defends against what a census itself may break. One of a deposed leader that lands late lacks what its successor wrote since, and would
//! take it from every reader. So a process does not fold the censuses of its own cluster: its image is what plain records say. What a
//! census that it reads back does not list, of whatever epoch, is written again: its value, or its tombstone if it is gone by now. So nothing that a
//! census takes is ever taken by it alone, but in copies of the log that lack a tombstone; and whoever ignores censuses, as older versions do,
//! ends up with the same.
//!
//! Invariant: a census lists what a checkpoint at its place would count.

use std::collections::{BTreeMap, BTreeSet};

use crate::federation::Federation;
use crate::input::{Effect, OutgoingCensus};
use crate::log::census::Census;
use crate::log::key::DataKey;
use crate::log::reading::ReadingState;
use crate::log::record::{PartitionId, Record, RecordHeader, SCHEMA, TopicKind};
use crate::publish::OwnPartition;
use crate::time::{Millis, Mono, Now};

/// How often a census is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CensusPace {
    /// So long after a process first led, unless another one was met as it was written.
    pub first: Millis,
    /// So long after the last one.
    pub every: Millis,
    /// Because of a complaint, or of a place that was lost, so long after the last one. Complaints that go on are followed after twice as
    /// long each time, at most `every`: what two readings have not mended is not the origin's fault.
    pub complained: Millis,
}

impl Default for CensusPace {
    /// An hour, a day, and ten minutes.
    fn default() -> Self {
        Self { first: Millis::from_secs(3_600), every: Millis::from_secs(86_400), complained: Millis::from_secs(600) }
    }
}

/// How often complaints are looked for: as often as standbys state themselves.
const LISTEN_EVERY: Millis = Millis::from_secs(10);
/// A reader that was asked to begin anew and has not come to the end: the next partition does not wait for it any longer.
const READ_WITHIN: Millis = Millis::from_secs(60);
/// A census that cannot be stated is tried again after this long.
const AGAIN_AFTER: Millis = Millis::from_secs(1);

/// What is known of the censuses of the own log.
#[derive(Debug, Default)]
pub(super) struct OwnCensuses {
    partitions: BTreeMap<OwnPartition, OwnCensus>,
    listened: Option<Mono>,
    complaints: Complaints,
    /// The partition that is read anew because of a complaint, and since when.
    reading: Option<(OwnPartition, Mono)>,
}

/// What readers say of the own log: that it diverges.
#[derive(Debug, Default)]
struct Complaints {
    /// When they were last followed.
    followed: Option<Mono>,
    /// How often in a row, without an end of the complaints.
    rounds: u32,
}

impl Complaints {
    /// Somebody complains, or nobody. Returns whether that is to be followed now.
    fn hear(&mut self, now: Mono, complained: bool, pace: &CensusPace) -> bool {
        if !complained {
            self.rounds = 0;
            return false;
        }
        let doubled = pace.complained.0.saturating_mul(1 << self.rounds.saturating_sub(1).min(20));
        let wait = Millis(doubled.min(pace.every.0).max(pace.complained.0));
        let follows = self.followed.is_none_or(|last| now >= last + wait);
        if follows {
            (self.followed, self.rounds) = (Some(now), self.rounds.saturating_add(1));
        }
        follows
    }
}

#[derive(Debug, Default)]
struct OwnCensus {
    /// When one was last stated, or met as it was written.
    last: Option<Mono>,
    /// When this process first led without having met one.
    led: Option<Mono>,
    /// A complaint is to be followed.
    waits: bool,
    /// One is to be stated once the partition was read to its end.
    after_reading: bool,
    /// One is to be stated, not before then.
    due: Option<Mono>,
    /// Keys that readers do not have any more because of a census, until they are written again.
    unlisted: BTreeSet<DataKey>,
}

impl OwnCensuses {
    /// Whether readers have all that plain records say.
    pub(super) fn is_quiet(&self) -> bool {
        self.partitions.values().all(|census| census.unlisted.is_empty())
    }

    /// Whether readers lack the last record of the key.
    pub(super) fn is_unlisted(&self, place: OwnPartition, key: &DataKey) -> bool {
        self.partitions.get(&place).is_some_and(|it| it.unlisted.contains(key))
    }

    /// A record of the key was read back.
    pub(super) fn written(&mut self, place: OwnPartition, key: &DataKey) {
        if let Some(census) = self.partitions.get_mut(&place) {
            census.unlisted.remove(key);
        }
    }

    /// The own partition is read from its beginning.
    pub(super) fn restarted(&mut self, place: OwnPartition) {
        if let Some(census) = self.partitions.get_mut(&place) {
            census.unlisted.clear();
        }
    }

    /// The reader of the own partition lost its place (rule R19): copies of the log may have what it has no more, and no tombstone follows.
    pub(super) fn lost_place(&mut self, place: OwnPartition) {
        self.partitions.entry(place).or_default().after_reading = true;
    }

    /// The own partition was read to its end, for the first time since it began.
    pub(super) fn was_read(&mut self, now: Mono, place: OwnPartition, pace: &CensusPace) {
        self.reading = self.reading.filter(|(reading, _)| *reading != place);
        let Some(census) = self.partitions.get_mut(&place) else { return };
        if std::mem::take(&mut census.after_reading) {
            census.due = Some(census.last.map_or(now, |last| now.max(last + pace.complained)));
        }
    }

    /// Censuses were read back, `as_written` or from further back; these keys are not listed.
    fn meet(&mut self, now: Mono, place: OwnPartition, as_written: bool, unlisted: &[DataKey]) {
        let census = self.partitions.entry(place).or_default();
        if as_written {
            census.last = Some(now);
        }
        census.unlisted.extend(unlisted.iter().cloned());
    }
}

impl OwnCensus {
    /// Whether one is to be stated because none was for long.
    fn is_old(&mut self, now: Mono, pace: &CensusPace) -> bool {
        match self.last {
            Some(last) => now >= last + pace.every,
            None => now >= *self.led.get_or_insert(now) + pace.first,
        }
    }
}

impl Federation {
    /// Censuses of the own log were read back: what readers lack because of them is written again.
    pub(super) fn read_back_censuses(&mut self, now: Now, place: &PartitionId, run: &[Record]) {
        let own = (place.topic, place.partition);
        let id = self.cluster().clone();
        let Some(origin) = self.origins.get_mut(&id) else { return };
        let met = origin.change(place, |partition| (partition.reached_end(), partition.meet_censuses(run)));
        let Some((as_written, unlisted)) = met else { return };
        self.censuses.meet(now.mono, own, as_written, &unlisted);
        for key in unlisted {
            if self.publisher.pending(&key).is_none() && self.own_partition_is_read(&key) {
                self.consider_overwritten(now, key);
            }
        }
    }

    /// What is due of the censuses of the own log. Only while this process may write.
    pub(super) fn state_censuses(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.leadership.is_complete() {
            self.hear_complaints(now);
            self.follow_complaints(now, effects);
            self.state_due_censuses(now, effects);
        }
    }

    /// A replica of any cluster says that it reads this one's log and has something else.
    fn hear_complaints(&mut self, now: Now) {
        if self.censuses.listened.is_some_and(|last| now.mono < last + LISTEN_EVERY) {
            return;
        }
        self.censuses.listened = Some(now.mono);
        let pace = self.settings.census;
        let complained = self.is_called_diverged(now.mono);
        let follows = self.censuses.complaints.hear(now.mono, complained, &pace);
        for place in self.own_places() {
            let census = self.censuses.partitions.entry(place).or_default();
            if census.is_old(now.mono, &pace) {
                census.due.get_or_insert(now.mono);
            }
            census.waits |= follows;
        }
    }

    fn is_called_diverged(&self, now: Mono) -> bool {
        let own = self.cluster();
        let counted = self.origins.iter().filter(|(id, _)| !self.excluded.contains(id));
        let replicas = counted.flat_map(|(_, origin)| origin.replicas.all());
        let mut heard = replicas.filter(|(_, heard)| heard.is_reading(now)).map(|(_, heard)| heard);
        heard.any(|heard| {
            let mut readings = heard.readings.iter();
            readings.any(|reading| reading.origin == *own && reading.state == ReadingState::Diverged)
        })
    }

    fn own_places(&self) -> Vec<OwnPartition> {
        let own = self.origins.get(self.cluster());
        own.into_iter().flat_map(|own| own.log.all().map(|(topic, number, _)| (topic, number))).collect()
    }

    /// Reads the next partition anew of which somebody complains, when the one before was read.
    fn follow_complaints(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.censuses.reading.is_some_and(|(_, since)| now.mono < since + READ_WITHIN) {
            return;
        }
        self.censuses.reading = None;
        let waiting = self.censuses.partitions.iter_mut().find(|(_, census)| census.waits);
        let Some((place, census)) = waiting else { return };
        (census.waits, census.after_reading) = (false, true);
        let place = *place;
        self.censuses.reading = Some((place, now.mono));
        effects.push(Effect::ReadAnew(self.own_partition(place.0, place.1)));
    }

    /// States one partition at most.
    fn state_due_censuses(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let is_due = |census: &OwnCensus| census.due.is_some_and(|due| now.mono >= due);
        let due = self.censuses.partitions.iter().find(|(_, census)| is_due(census)).map(|(place, _)| *place);
        let Some(place) = due else { return };
        let Some(hashes) = self.listed_hashes(place) else {
            self.censuses.partitions.entry(place).or_default().due = Some(now.mono + AGAIN_AFTER);
            return;
        };
        let census = self.censuses.partitions.entry(place).or_default();
        (census.due, census.last) = (None, Some(now.mono));
        let (topic, partition): (TopicKind, u32) = place;
        for (bucket, census) in Census::of_partition(hashes) {
            let seq = self.publisher.next_seq();
            let header = RecordHeader { schema: SCHEMA, epoch: self.lease.epoch(), seq, observed: now.wall };
            effects.push(Effect::Census { topic, partition, stated: OutgoingCensus { bucket, census, header } });
        }
        self.leadership.want_checkpoint(place, now.mono);
    }

    /// Hashes of what the partition has with what is under way; `None` while nothing can be stated of it (rule R16).
    fn listed_hashes(&self, place: OwnPartition) -> Option<Vec<u64>> {
        let read = self.own_log(place).filter(|read| read.reached_end())?;
        let is_driven = self.leadership.drives(place) && self.reconciling.is_done(place);
        if is_driven { self.publisher.projected_hashes(place, read.image()) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When complaints that are heard each ten seconds are followed, s.
    fn followed(complaints: &mut Complaints, seconds: std::ops::Range<u64>) -> Vec<u64> {
        let pace = CensusPace::default();
        let mut all = seconds.step_by(10);
        let mut times = Vec::new();
        all.by_ref().for_each(|at| {
            if complaints.hear(Mono(at * 1_000), true, &pace) {
                times.push(at);
            }
        });
        times
    }

    #[test]
    fn complaints_that_go_on_are_followed_ever_more_seldom_and_at_least_daily() {
        let mut complaints = Complaints::default();
        assert_eq!(followed(&mut complaints, 0..10_000), [0, 600, 1_800, 4_200, 9_000]);
        let later = followed(&mut complaints, 10_000..1_000_000);
        assert!(later.windows(2).all(|pair| pair[1] - pair[0] <= 86_400), "{later:?}");
        assert_eq!(later.windows(2).map(|pair| pair[1] - pair[0]).max(), Some(86_400));
    }

    #[test]
    fn a_complaint_after_an_end_is_followed_at_once_but_not_within_ten_minutes() {
        let (mut complaints, pace) = (Complaints::default(), CensusPace::default());
        assert_eq!(followed(&mut complaints, 0..1_000), [0, 600]);
        assert!(!complaints.hear(Mono(1_000_000), false, &pace));
        assert_eq!(followed(&mut complaints, 1_010..2_000), [1_200, 1_800]);
        assert!(!complaints.hear(Mono(2_000_000), false, &pace));
        assert_eq!(followed(&mut complaints, 9_000..9_100), [9_000]);
    }

    fn place(partition: u32) -> OwnPartition {
        (TopicKind::Instances, partition)
    }

    #[test]
    fn a_place_that_was_lost_is_followed_by_a_census_each_ten_minutes_at_most() {
        let (mut censuses, pace) = (OwnCensuses::default(), CensusPace::default());
        censuses.was_read(Mono(0), place(0), &pace);
        assert_eq!(censuses.partitions.len(), 0, "a first reading is none");
        censuses.lost_place(place(0));
        censuses.was_read(Mono(1_000), place(0), &pace);
        assert_eq!(censuses.partitions[&place(0)].due, Some(Mono(1_000)));
        censuses.meet(Mono(2_000), place(0), true, &[]);
        censuses.lost_place(place(0));
        censuses.was_read(Mono(3_000), place(0), &pace);
        assert_eq!(censuses.partitions[&place(0)].due, Some(Mono(602_000)));
    }

    #[test]
    fn who_met_no_census_as_it_was_written_states_one_an_hour_after_it_first_led() {
        let (mut censuses, pace) = (OwnCensuses::default(), CensusPace::default());
        censuses.meet(Mono(0), place(0), false, &[]);
        let census = censuses.partitions.get_mut(&place(0)).expect("it was met");
        assert!(!census.is_old(Mono(5_000), &pace) && !census.is_old(Mono(3_604_000), &pace));
        assert!(census.is_old(Mono(3_605_000), &pace));
        censuses.meet(Mono(3_605_000), place(0), true, &[]);
        let census = censuses.partitions.get_mut(&place(0)).expect("it was met");
        assert!(!census.is_old(Mono(90_000_000), &pace) && census.is_old(Mono(90_005_000), &pace));
    }
}
