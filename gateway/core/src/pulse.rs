//! How an origin's facts are to be taken (rules R21 and R22): the age of the fact, not of the gateway that passes it on.
//!
//! Input: replica records and ends of the origin's control topic, and where its leader says that it ends. Output: a freshness, its reason,
//! an age. It defends against a backlog of beats that looks like life, a gateway that beats while its Nacos or its producer is dead, a
//! topic that is created anew with lower epochs, a reader that gets nothing while others do, and ages that nobody can have.
//!
//! ```text
//! live ──facts 10 s old, or something wrong with its data──▶ stale ──60 s──▶ lost
//!   ▲────────────────── a beat that is young, its Nacos heard ──────────────────┘
//! isolated: nothing came of the route for 5 s; it says nothing of the origin and hides the others
//! ```
//!
//! Invariant: a beat is worth the last end of the topic seen before it, and nothing is live without one: what was read late is never told
//! as young. Silence makes facts older and removes none.

use crate::freshness::Freshness;
use crate::log::control::{ReplicaRecord, ReplicaState};
use crate::log::origin::OriginLog;
use crate::log::record::Epoch;
use crate::reason::{FreshnessCode, FreshnessReason};
use crate::time::{Millis, Mono, WallMs};

/// Silence counts only while the log could have been heard: without an answer for this long, the route is suspect. More than two
/// rounds of the questions for end offsets (2 s).
pub const UNANSWERED_AFTER: Millis = Millis(5_000);

/// An origin states a checkpoint of each data partition within sixty beats; one that has not for this many has lost a data
/// topic (rule R21).
const CHECKPOINT_WITHIN_BEATS: u64 = 90;

/// From which age on an origin is demoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FreshnessSettings {
    /// Age from which facts are stale.
    pub stale_after: Millis,
    /// Age from which facts are lost.
    pub lost_after: Millis,
}

/// What was heard of an origin's leader on its control topic.
#[derive(Clone, Debug, Default)]
pub struct Pulse {
    leader: Option<Leader>,
    /// While the topic is read anew from its beginning: the leader that it has so far.
    anew: Option<Option<Leader>>,
    /// Whether the leader was heard in a topic that may have been another one: then any other takes its place, whatever its epoch.
    of_former_topic: bool,
    last_end: Option<Mono>,
    answered: Option<Mono>,
    /// Offset after the last record that was read.
    next_offset: u64,
}

#[derive(Clone, Debug)]
struct Leader {
    /// When this process first heard of this leadership.
    since: Mono,
    nonce: u32,
    epoch: Epoch,
    state: ReplicaState,
    beat: u64,
    /// When this process read the beat.
    read: Mono,
    /// When the facts were surely not older than this beat says; `None` for beats read before the first end of the topic.
    worth: Option<Mono>,
    observed: Option<WallMs>,
    nacos_age: Option<Millis>,
    unpublished_age: Millis,
}

/// A judgement with its reason and age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreshnessVerdict {
    /// The judgement.
    pub freshness: Freshness,
    /// Why.
    pub reason: FreshnessReason,
    /// Age of the facts; `None` while nothing was heard.
    pub age: Option<Millis>,
}

impl Pulse {
    /// A replica record of the origin was read.
    pub fn read(&mut self, now: Mono, nonce: u32, replica: &ReplicaRecord, observed: Option<WallMs>) {
        self.answered = Some(now);
        let leads = matches!(replica.state, ReplicaState::Leader | ReplicaState::Stopped);
        if !leads || replica.epoch.nonce != nonce {
            return;
        }
        let (place, is_former) = match &mut self.anew {
            Some(anew) => (anew, false),
            None => (&mut self.leader, self.of_former_topic),
        };
        let newer = |known: &Leader| replica.epoch > known.epoch || nonce == known.nonce;
        if !is_former && !place.as_ref().is_none_or(newer) {
            return;
        }
        let known = place.as_ref().filter(|known| known.epoch == replica.epoch);
        *place = Some(Leader {
            since: known.map_or(now, |known| known.since),
            nonce,
            epoch: replica.epoch,
            state: replica.state,
            beat: replica.beat,
            read: now,
            worth: self.last_end,
            observed,
            nacos_age: replica.nacos_age,
            unpublished_age: replica.unpublished_age,
        });
        self.of_former_topic = false;
    }

    /// A record of the control topic was read.
    pub fn read_up_to(&mut self, now: Mono, next_offset: u64) {
        (self.next_offset, self.answered) = (self.next_offset.max(next_offset), Some(now));
    }

    /// The control topic is read anew from its beginning, perhaps because it is another one. What was heard counts until its end, and after
    /// it until something is heard that is newer: a beat that is read once more is no younger for it.
    pub fn restart(&mut self) {
        (self.anew, self.next_offset) = (Some(None), 0);
    }

    /// The last that an earlier process had heard: of unknown age by this process's clock, so by the origin's.
    pub fn restore(&mut self, last_beat: WallMs) {
        self.leader = Some(Leader {
            since: Mono(0),
            nonce: 0,
            epoch: Epoch::default(),
            state: ReplicaState::Leader,
            beat: 0,
            read: Mono(0),
            worth: None,
            observed: Some(last_beat),
            nacos_age: None,
            unpublished_age: Millis(0),
        });
    }

    /// The control topic was read to its end, which it still has.
    pub fn at_end(&mut self, now: Mono, next_offset: u64) {
        if let Some(anew) = self.anew.take() {
            match (anew, &self.leader) {
                (Some(found), Some(known)) if found.place() <= known.place() => {
                    self.of_former_topic = found.epoch != known.epoch;
                }
                (Some(found), _) => (self.leader, self.of_former_topic) = (Some(found), false),
                (None, _) => self.of_former_topic = true,
            }
        }
        self.next_offset = self.next_offset.max(next_offset);
        self.last_end = Some(now);
        self.answered = Some(now);
    }

    /// The leader of the control partition said where it ends. That is a word of the log only if this process has read up to there: a
    /// reader that gets nothing while there is something is deaf, whatever another client is told.
    pub fn end_told(&mut self, now: Mono, end: u64) {
        if end <= self.next_offset {
            self.answered = Some(now);
        }
    }

    /// Epoch and number of the newest beat.
    #[must_use]
    pub fn newest_beat(&self) -> Option<(Epoch, u64)> {
        self.leader.as_ref().map(Leader::place)
    }

    /// That the log did answer once and does not now.
    #[must_use]
    pub fn unanswered(&self, now: Mono) -> Option<FreshnessCode> {
        let silence = now.since(self.answered?);
        (silence >= UNANSWERED_AFTER).then_some(FreshnessCode::LogSilent(silence))
    }

    /// Whether the log has ever answered.
    #[must_use]
    pub fn was_answered(&self) -> bool {
        self.answered.is_some()
    }

    /// Wall time of the last beat, as the origin told it.
    #[must_use]
    pub fn last_beat(&self) -> Option<WallMs> {
        self.leader.as_ref().and_then(|leader| leader.observed)
    }

    /// What is wrong with the origin's data topics although its leader beats: not read yet, or without a checkpoint for
    /// too long. For [`Pulse::judge`].
    #[must_use]
    pub fn data_trouble(&self, now: Mono, log: &OriginLog) -> Option<FreshnessCode> {
        if !log.is_read() {
            return Some(FreshnessCode::LogUnread);
        }
        let leader = self.leader.as_ref()?;
        let heard_long_enough = now.since(leader.since) >= Millis::from_secs(CHECKPOINT_WITHIN_BEATS);
        let silent = leader.beat > log.oldest_checkpoint(leader.epoch).saturating_add(CHECKPOINT_WITHIN_BEATS);
        if heard_long_enough && silent {
            return Some(FreshnessCode::NoCheckpoint(CHECKPOINT_WITHIN_BEATS));
        }
        if log.is_behind(now) {
            return Some(FreshnessCode::DataMissing);
        }
        log.is_incomplete().then_some(FreshnessCode::Incomplete)
    }

    /// When its leader was heard last, if that is longer ago than `patience`. Who never was heard, or said that it stops, is not silent.
    #[must_use]
    pub fn silent_since(&self, now: Mono, patience: Millis) -> Option<Mono> {
        let leader =
            self.leader.as_ref().filter(|leader| leader.worth.is_some() && leader.state == ReplicaState::Leader)?;
        (now >= leader.read + patience).then_some(leader.read)
    }

    /// As [`Pulse::judge`], while the way to the origin is suspect, for this reason: its silence is not held against it. What its last word
    /// said of itself is.
    #[must_use]
    pub fn judge_behind(
        &self,
        verdict: FreshnessVerdict,
        reason: FreshnessCode,
        settings: &FreshnessSettings,
    ) -> FreshnessVerdict {
        let demoted = matches!(verdict.freshness, Freshness::Stale | Freshness::Lost);
        let silent = self.leader.as_ref().and_then(|leader| Some((leader, leader.worth?))).filter(|_| demoted);
        // As old as this when it was heard: what came after that is silence.
        let when_heard = silent.map(|(leader, worth)| leader.told() + leader.read.since(worth));
        match when_heard.is_some_and(|age| age < settings.stale_after) {
            true => FreshnessVerdict { freshness: Freshness::Isolated, reason: reason.into(), age: verdict.age },
            false => verdict,
        }
    }

    /// Judges the origin's facts; `trouble` is what [`Pulse::data_trouble`] found.
    #[must_use]
    pub fn judge(
        &self,
        now: Mono,
        wall: WallMs,
        trouble: Option<FreshnessCode>,
        settings: &FreshnessSettings,
    ) -> FreshnessVerdict {
        let age = self.age(now, wall);
        if let Some(reason) = self.unanswered(now) {
            return FreshnessVerdict { freshness: Freshness::Isolated, reason: reason.into(), age };
        }
        let Some(leader) = &self.leader else {
            return FreshnessVerdict { freshness: Freshness::Stale, reason: FreshnessCode::NoBeatRead.into(), age };
        };
        if self.answered.is_none() {
            // What an earlier process had heard, and nothing since: it cannot be held against the origin that this gateway hears nobody.
            let reason = FreshnessCode::LogNeverAnswered.into();
            return FreshnessVerdict { freshness: Freshness::Isolated, reason, age };
        }
        let (freshness, reason) = leader.judge(now, age.filter(|_| leader.worth.is_some()), trouble, settings);
        FreshnessVerdict { freshness, reason: reason.into(), age }
    }

    /// Age of the origin's facts by this process's clock alone; `None` as long as that does not say it.
    #[must_use]
    pub fn measured_age(&self, now: Mono) -> Option<Millis> {
        let leader = self.leader.as_ref()?;
        leader.worth.map(|worth| now.since(worth) + leader.told())
    }

    /// Before the first end of the topic the age is not known by this process's clock; the origin's own clock stands in.
    fn age(&self, now: Mono, wall: WallMs) -> Option<Millis> {
        let by_wall = || {
            let leader = self.leader.as_ref()?;
            Some(Millis(wall.0.saturating_sub(leader.observed?.0)) + leader.told())
        };
        self.measured_age(now).or_else(by_wall)
    }
}

impl Leader {
    /// Which beat of which leadership it was.
    fn place(&self) -> (Epoch, u64) {
        (self.epoch, self.beat)
    }

    /// Age of its facts when it said so.
    fn told(&self) -> Millis {
        self.nacos_age.unwrap_or_default().max(self.unpublished_age)
    }

    fn judge(
        &self,
        now: Mono,
        age: Option<Millis>,
        trouble: Option<FreshnessCode>,
        settings: &FreshnessSettings,
    ) -> (Freshness, FreshnessCode) {
        let Some(age) = age else {
            return (Freshness::Stale, FreshnessCode::NoBeatHeard);
        };
        if age >= settings.lost_after {
            (Freshness::Lost, self.why_old(now))
        } else if age >= settings.stale_after {
            (Freshness::Stale, self.why_old(now))
        } else if self.nacos_age.is_none() {
            (Freshness::Stale, FreshnessCode::NacosUnanswered)
        } else if let Some(trouble) = trouble {
            (Freshness::Stale, trouble)
        } else {
            (Freshness::Live, FreshnessCode::Beating)
        }
    }

    /// The largest part of the age: of what the beat says, what came after it, and what lay before it in the log.
    fn why_old(&self, now: Mono) -> FreshnessCode {
        let nacos = self.nacos_age.unwrap_or_default();
        let silence = now.since(self.read);
        let late = self.worth.map_or(Millis(0), |worth| self.read.since(worth));
        let largest = nacos.max(self.unpublished_age).max(silence).max(late);
        if self.state == ReplicaState::Stopped {
            FreshnessCode::GatewayStopped(silence)
        } else if largest == silence {
            FreshnessCode::LeaderSilent(largest)
        } else if largest == nacos {
            FreshnessCode::NacosSilent(largest)
        } else if largest == self.unpublished_age {
            FreshnessCode::Unpublished(largest)
        } else {
            FreshnessCode::ReadLate(largest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::control::Descriptor;

    const SETTINGS: FreshnessSettings =
        FreshnessSettings { stale_after: Millis::from_secs(10), lost_after: Millis::from_secs(60) };

    fn beat(number: u64, nacos_age: u64, unpublished_age: u64) -> ReplicaRecord {
        ReplicaRecord {
            state: ReplicaState::Leader,
            epoch: Epoch { term: 1, nonce: 7 },
            beat: number,
            warm: true,
            nacos_age: Some(Millis(nacos_age)),
            unpublished_age: Millis(unpublished_age),
            descriptor: Descriptor::default(),
            name: "".into(),
            advertised: "".into(),
            complaints: Vec::new(),
            readings: Vec::new(),
        }
    }

    fn judged(pulse: &Pulse, now: u64) -> (Freshness, Option<u64>) {
        let verdict = pulse.judge(Mono(now), WallMs(0), None, &SETTINGS);
        (verdict.freshness, verdict.age.map(|age| age.0))
    }

    /// A reader at the end at 0 that hears a beat at 1,000, and goes on hearing answers.
    fn listening(replica: &ReplicaRecord) -> Pulse {
        let mut pulse = Pulse::default();
        pulse.at_end(Mono(0), 0);
        pulse.read(Mono(1_000), 7, replica, None);
        pulse
    }

    #[test]
    fn a_beat_is_worth_the_last_end_before_it() {
        let pulse = listening(&beat(1, 0, 0));
        assert_eq!(judged(&pulse, 1_000), (Freshness::Live, Some(1_000)));
    }

    #[test]
    fn a_backlog_of_beats_is_as_old_as_the_gap() {
        let mut pulse = Pulse::default();
        pulse.at_end(Mono(0), 0);
        for number in 0..3_600 {
            pulse.read(Mono(2_400_000), 7, &beat(number, 0, 0), None);
        }
        assert_eq!(judged(&pulse, 2_400_000), (Freshness::Lost, Some(2_400_000)));
    }

    #[test]
    fn the_first_beats_after_a_start_are_of_unknown_age() {
        let mut pulse = Pulse::default();
        pulse.read(Mono(100), 7, &beat(1, 0, 0), Some(WallMs(0)));
        pulse.at_end(Mono(110), 0);
        assert_eq!(judged(&pulse, 120).0, Freshness::Stale);
        assert_eq!(pulse.measured_age(Mono(120)), None, "only wall clocks say it");
        assert_eq!(listening(&beat(1, 30, 0)).measured_age(Mono(1_000)), Some(Millis(1_030)));
    }

    #[test]
    fn age_is_that_of_the_word_of_nacos_or_of_the_oldest_unpublished_change() {
        assert_eq!(judged(&listening(&beat(1, 3_600_000, 0)), 1_000), (Freshness::Lost, Some(3_601_000)));
        assert_eq!(judged(&listening(&beat(1, 0, 20_000)), 1_000), (Freshness::Stale, Some(21_000)));
    }

    #[test]
    fn the_reason_names_what_makes_the_facts_old() {
        let stopped = ReplicaRecord { state: ReplicaState::Stopped, ..beat(1, 0, 0) };
        for (what, end_before, replica, now, want) in [
            ("silence", 0, beat(1, 2_000, 3_000), 20_000, "no beat of its leader for 19 s"),
            ("its nacos, though it beats", 0, beat(1, 9_500, 0), 1_500, "its nacos has been silent for 9 s"),
            (
                "its nacos, and later its leader too",
                0,
                beat(1, 30_000, 0),
                25_000,
                "its nacos has been silent for 30 s",
            ),
            ("a change that waits", 0, beat(1, 700, 12_000), 1_200, "its oldest unpublished change is 12 s old"),
            ("a reader that lags", -40_000, beat(1, 700, 0), 1_200, "this gateway reads the log 41 s late"),
            ("an orderly stop", 0, stopped, 16_000, "its gateway was stopped 15 s ago"),
        ] {
            // All are read at 1,000 of a clock that began 100,000 before.
            let at = |millis: i64| Mono(u64::try_from(100_000 + millis).unwrap());
            let mut pulse = Pulse::default();
            pulse.at_end(at(end_before), 0);
            pulse.read(at(1_000), 7, &replica, None);
            pulse.end_told(at(now), 0);
            let verdict = pulse.judge(at(now), WallMs(0), None, &SETTINGS);
            assert_eq!((verdict.freshness, &*verdict.reason), (Freshness::Stale, want), "{what}");
        }
    }

    #[test]
    fn silence_demotes_only_while_the_log_answers() {
        let mut pulse = listening(&beat(1, 0, 0));
        assert_eq!(judged(&pulse, 30_000).0, Freshness::Isolated);
        pulse.end_told(Mono(29_000), 0);
        assert_eq!(judged(&pulse, 30_000).0, Freshness::Stale);
        pulse.end_told(Mono(70_000), 0);
        assert_eq!(judged(&pulse, 70_000).0, Freshness::Lost);
    }

    #[test]
    fn an_end_that_was_not_read_up_to_is_no_word_of_the_log() {
        let mut pulse = listening(&beat(1, 0, 0));
        pulse.read_up_to(Mono(1_000), 5);
        for now in (2_000..60_000).step_by(1_000) {
            pulse.end_told(Mono(now), 5 + now / 1_000); // Another client hears of more and more; this reader gets nothing.
        }
        assert_eq!(judged(&pulse, 60_000).0, Freshness::Isolated);
    }

    #[test]
    fn a_topic_that_was_created_anew_may_begin_with_a_lower_epoch() {
        let old = ReplicaRecord { epoch: Epoch { term: 9, nonce: 7 }, ..beat(1, 0, 0) };
        let new = ReplicaRecord { epoch: Epoch { term: 1, nonce: 8 }, ..beat(1, 0, 0) };
        for heard_before_its_end in [true, false] {
            let mut pulse = listening(&old);
            pulse.restart();
            if heard_before_its_end {
                pulse.read(Mono(90_000), 8, &new, None);
            }
            pulse.at_end(Mono(90_000), 1);
            pulse.read(Mono(91_000), 8, &new, None);
            assert_eq!(judged(&pulse, 91_000), (Freshness::Live, Some(1_000)), "{heard_before_its_end}");
        }
    }

    #[test]
    fn what_an_earlier_process_had_heard_is_isolated_until_the_log_answers() {
        let mut pulse = Pulse::default();
        pulse.restore(WallMs(0));
        assert_eq!(judged(&pulse, 30_000), (Freshness::Isolated, Some(0)));
        pulse.end_told(Mono(29_000), 0);
        assert_eq!(judged(&pulse, 30_000), (Freshness::Stale, Some(0)), "it answers, and its leader says nothing");
    }

    #[test]
    fn a_beat_that_is_read_once_more_is_no_younger_for_it() {
        let former = ReplicaRecord { epoch: Epoch { term: 0, nonce: 6 }, ..beat(900, 0, 0) };
        for (what, read_anew) in [
            ("the last one", vec![(7, beat(1, 0, 0)), (7, beat(2, 0, 0))]),
            ("one before: the last got lost", vec![(7, beat(1, 0, 0))]),
            ("one of a leader before: all of the last one's got lost", vec![(6, former)]),
        ] {
            let mut pulse = listening(&beat(2, 0, 0));
            pulse.at_end(Mono(29_000), 2); // The topic still ends there.
            pulse.restart();
            read_anew.iter().for_each(|(nonce, replica)| pulse.read(Mono(30_000), *nonce, replica, None));
            pulse.at_end(Mono(30_000), 2);
            assert_eq!(judged(&pulse, 30_000), (Freshness::Stale, Some(30_000)), "{what}");
            pulse.read(Mono(31_000), 7, &beat(3, 0, 0), None);
            assert_eq!(judged(&pulse, 31_000), (Freshness::Live, Some(1_000)), "{what}");
        }
    }

    #[test]
    fn a_beat_that_came_while_the_topic_is_read_anew_is_worth_the_end_before() {
        let mut pulse = listening(&beat(1, 0, 0));
        pulse.at_end(Mono(1_500), 1);
        pulse.restart();
        (1..=2).for_each(|number| pulse.read(Mono(2_000), 7, &beat(number, 0, 0), None));
        pulse.at_end(Mono(2_000), 2);
        assert_eq!(judged(&pulse, 2_000), (Freshness::Live, Some(500)));
    }

    #[test]
    fn no_age_that_somebody_states_wraps_around() {
        let pulse = listening(&beat(1, u64::MAX - 5, 0));
        assert_eq!(judged(&pulse, 60_000_000).0, Freshness::Isolated);
        assert_eq!(judged(&pulse, 2_000), (Freshness::Lost, Some(u64::MAX)));
    }
}
