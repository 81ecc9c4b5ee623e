//! One partition as its reader sees it: where it stands, whether its place can be true, and whether what it was read from still
//! exists. No I/O but its queue.

use std::time::{Duration, Instant, SystemTime};

use federation_core::log::cursor::{LogCursor, LogSource};
use federation_core::log::record::PartitionId;
use rdkafka::consumer::base_consumer::PartitionQueue;

use crate::client::Context;
use federation_ports::metrics::TroubleKind;

/// How long a partition may seem read to the end while its leader says that there is more.
const DOUBT: Duration = Duration::from_secs(1);
/// How long a place may stand still before the end that was told, once it has been at the end: what is missing is then new, and a
/// question for the end after [`DOUBT`] was not answered either.
const DEAF_AT_END: Duration = Duration::from_secs(4);
/// The same for a place that has a way to go yet: a large record takes its time on a slow line.
const DEAF_ON_THE_WAY: Duration = Duration::from_secs(8);
/// How long what was lost at a partition's beginning is told after all of it was read anew: the owner's writer states again what is
/// missing meanwhile.
const RESTATED_WITHIN: Duration = Duration::from_secs(15);

/// One partition that is read.
pub(super) struct Slot {
    pub(super) id: PartitionId,
    pub(super) topic: String,
    /// `None` until it can be attached.
    pub(super) queue: Option<PartitionQueue<Context>>,
    pub(super) place: Place,
    pub(super) beginning: Beginning,
    /// What keeps it from being read, as it stands on the board: silence is no wonder.
    pub(super) hindrance: Option<Hindrance>,
    /// A place to begin at, until its leader said where the partition begins and ends.
    pub(super) offer: Option<OfferedPlace>,
    /// Which log the engine was told that this is.
    pub(super) told_source: Option<LogSource>,
}

/// A place that an earlier process kept, and what its leader said of the partition so far.
#[derive(Debug)]
pub(super) struct OfferedPlace {
    pub(super) cursor: LogCursor,
    pub(super) begin: Option<u64>,
    pub(super) end: Option<u64>,
}

/// Why a partition is not read, although its client works.
#[derive(Debug)]
pub(super) struct Hindrance {
    pub(super) kind: TroubleKind,
    pub(super) about: String,
}

impl Slot {
    pub(super) fn new(id: PartitionId, topic: String, now: Instant) -> Self {
        let beginning = Beginning::default();
        let place = Place::start(now);
        Self { id, topic, queue: None, place, beginning, hindrance: None, offer: None, told_source: None }
    }

    /// Its name for people.
    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.topic, self.id.partition)
    }
}

/// Where a reader stands in its partition.
#[derive(Debug)]
pub(super) struct Place {
    /// Offset after the last record read; `None` before the first.
    next: Option<u64>,
    /// When it last moved.
    moved: Instant,
    /// Whether the partition held no more when it was last asked.
    at_end: bool,
    /// The end that its leader told lies beyond this place, and since when nothing came.
    behind: Option<(u64, Instant)>,
    /// Its leader said that it ends later than here, and since when.
    doubt: Option<(u64, Instant)>,
    /// When it was last at the end.
    last_end: Option<(Instant, SystemTime)>,
    /// Read to the end once more, to learn whether what is missing was compacted away: this end was told before.
    verifying: Option<u64>,
}

/// What an end offset told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The place can be true.
    Plausible,
    /// The partition ends before this place: it is not the one that was read.
    Lost,
}

impl Place {
    pub(super) fn start(now: Instant) -> Self {
        Self { next: None, moved: now, at_end: false, behind: None, doubt: None, last_end: None, verifying: None }
    }

    /// To read from this offset on.
    pub(super) fn at(next: u64, now: Instant) -> Self {
        Self { next: Some(next), ..Self::start(now) }
    }

    /// How long ago it was at the end, by the clock by which it is longer: one of them stands still while the machine sleeps, the other may
    /// be set. `None` if it never was.
    pub(super) fn away_for(&self, now: Instant, wall: SystemTime) -> Option<Duration> {
        let (last, last_wall) = self.last_end?;
        Some(now.saturating_duration_since(last).max(wall.duration_since(last_wall).unwrap_or_default()))
    }

    /// Offset after the last record read.
    pub(super) fn next(&self) -> Option<u64> {
        self.next
    }

    /// All below `next` has been read.
    pub(super) fn advance(&mut self, next: u64, now: Instant) {
        (self.next, self.moved, self.at_end, self.doubt) = (Some(next), now, false, None);
        self.behind = None;
    }

    /// The partition held no more; gives the offset after its last record.
    pub(super) fn reached_end(&mut self) -> u64 {
        let verified = self.verifying.take();
        (self.at_end, self.behind) = (true, None);
        self.last_end = Some((Instant::now(), SystemTime::now()));
        let next = self.next.max(verified).unwrap_or(0);
        self.next = Some(next);
        next
    }

    /// The leader was asked at `asked` and said that the partition ends at `end`.
    pub(super) fn end_told(&mut self, end: u64, asked: Instant, now: Instant) -> Verdict {
        let next = self.next.unwrap_or(0);
        if next > end {
            return if self.moved < asked { Verdict::Lost } else { Verdict::Plausible };
        }
        let since = self.behind.map_or(now, |(_, since)| since);
        self.behind = (next < end).then_some((end, since));
        self.doubt = match self.doubt {
            _ if next == end || !self.at_end => None,
            Some((_, since)) => Some((end, since)),
            None => Some((end, now)),
        };
        Verdict::Plausible
    }

    /// Whether to read on from here to learn if the records up to the end that was told exist at all.
    pub(super) fn start_verifying(&mut self, now: Instant) -> bool {
        match self.doubt {
            Some((end, since)) if now.duration_since(since) >= DOUBT => {
                (self.doubt, self.verifying) = (None, Some(end));
                true
            }
            _ => false,
        }
    }

    /// Whether the partition held no more when it was last asked.
    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// The end that its leader told, if that is beyond this place for at least `length` and nothing came since.
    pub(super) fn behind_for(&self, length: Duration, now: Instant) -> Option<u64> {
        self.behind.filter(|(_, since)| now.duration_since(*since) >= length).map(|(end, _)| end)
    }

    /// Whether its reader should have got something long ago; gives the end that it should have come to.
    pub(super) fn is_deaf(&self, now: Instant) -> Option<u64> {
        self.behind_for(if self.at_end { DEAF_AT_END } else { DEAF_ON_THE_WAY }, now)
    }

    /// The reader itself stood still until now, or reads on from here with another client: it has all its time again.
    pub(super) fn excuse(&mut self, now: Instant) {
        self.behind = self.behind.map(|(end, _)| (end, now));
        self.doubt = self.doubt.map(|(end, _)| (end, now));
    }
}

/// What is known of the beginning of a partition. Compaction leaves it where it is; only the deletion of records, by an order or a
/// retention time, moves it: then readers to come will not find what this one has folded.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    /// Where it was when it was last told, or the first record that was read.
    known: Option<u64>,
    /// Where it was when it was last told.
    told: Option<u64>,
    /// It moved, and is told of until what is missing is stated again.
    loss: Option<Loss>,
}

#[derive(Debug)]
struct Loss {
    /// When the partition had been read to its end again.
    read: Option<Instant>,
}

impl Beginning {
    /// A record was read; only the first one counts.
    pub(super) fn read(&mut self, offset: u64) {
        self.known.get_or_insert(offset);
    }

    /// The partition is another one under its name.
    pub(super) fn forget(&mut self) {
        (self.known, self.told) = (None, None);
    }

    /// Where it is, as its leader said.
    pub(super) fn begin(&self) -> Option<u64> {
        self.told
    }

    /// Its leader said that the partition begins at `begin`. Whether records that were read are gone.
    pub(super) fn told(&mut self, begin: u64) -> bool {
        self.told = Some(begin);
        self.known.replace(begin).is_some_and(|known| begin > known)
    }

    /// Records of an own partition are gone: it is read anew.
    pub(super) fn lost(&mut self) {
        self.loss = Some(Loss { read: None });
    }

    /// The partition was read to its end.
    pub(super) fn reached_end(&mut self, now: Instant) {
        if let Some(loss) = &mut self.loss {
            loss.read.get_or_insert(now);
        }
    }

    /// Whether a loss is made good by now; says so once.
    pub(super) fn heals(&mut self, now: Instant) -> bool {
        let read = self.loss.as_ref().and_then(|loss| loss.read);
        let healed = read.is_some_and(|read| now.duration_since(read) >= RESTATED_WITHIN);
        if healed {
            self.loss = None;
        }
        healed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn a_place_beyond_the_end_is_lost_only_if_it_was_there_before_the_question() {
        let start = Instant::now();
        let mut place = Place::start(start);
        place.advance(10, later(start, 100));
        assert_eq!(place.end_told(9, later(start, 50), later(start, 200)), Verdict::Plausible);
        assert_eq!(place.end_told(9, later(start, 150), later(start, 200)), Verdict::Lost);
        assert_eq!(place.end_told(10, later(start, 150), later(start, 200)), Verdict::Plausible);
    }

    #[test]
    fn how_long_a_reader_was_away_from_the_end_counts_by_the_clock_by_which_it_is_longer() {
        let (start, wall) = (Instant::now(), SystemTime::now());
        let mut place = Place::at(7, start);
        assert_eq!(place.away_for(later(start, 60_000), wall), None, "it never was there");
        place.reached_end();
        let hour = Duration::from_secs(3600);
        assert!(place.away_for(start + hour, SystemTime::now()).unwrap() > hour / 2);
        assert!(place.away_for(Instant::now(), SystemTime::now() + hour).unwrap() > hour / 2, "the machine slept");
        assert!(place.away_for(Instant::now(), wall - hour).unwrap() < hour / 2, "the clock was set back");
    }

    #[test]
    fn records_that_compaction_took_from_the_end_are_not_waited_for() {
        let start = Instant::now();
        let mut place = Place::start(start);
        place.advance(10, start);
        assert_eq!(place.reached_end(), 10);
        assert_eq!(place.end_told(12, start, start), Verdict::Plausible);
        assert!(!place.start_verifying(later(start, 999)));
        assert!(place.start_verifying(later(start, 1000)));
        assert_eq!(place.reached_end(), 12);
        assert_eq!(place.end_told(12, later(start, 1500), later(start, 1500)), Verdict::Plausible);
        assert!(!place.start_verifying(later(start, 9000)));
    }

    #[test]
    fn an_end_that_is_still_being_read_up_to_raises_no_doubt() {
        let start = Instant::now();
        let mut place = Place::start(start);
        place.advance(10, start);
        place.end_told(12, start, start);
        assert!(!place.start_verifying(later(start, 5000)));
        place.reached_end();
        place.end_told(12, start, start);
        place.advance(12, later(start, 10));
        assert!(!place.start_verifying(later(start, 5000)));
    }

    #[test]
    fn an_empty_partition_ends_at_zero() {
        assert_eq!(Place::start(Instant::now()).reached_end(), 0);
    }

    #[test]
    fn a_place_that_stands_still_before_the_end_is_deaf_after_a_while() {
        let start = Instant::now();
        let mut place = Place::start(start);
        place.advance(10, start);
        place.end_told(10, start, start);
        assert_eq!(place.is_deaf(later(start, 60_000)), None, "there is nothing to be heard");
        place.reached_end();
        place.end_told(11, later(start, 1_000), later(start, 1_000));
        place.end_told(13, later(start, 3_000), later(start, 3_000));
        assert_eq!(place.is_deaf(later(start, 4_999)), None);
        assert_eq!(place.is_deaf(later(start, 5_000)), Some(13), "counted from when it was first known");
        place.excuse(later(start, 5_000));
        assert_eq!(place.is_deaf(later(start, 8_999)), None);
        place.advance(11, later(start, 9_000));
        assert_eq!(place.is_deaf(later(start, 60_000)), None, "it moves");
        place.end_told(13, later(start, 60_000), later(start, 60_000));
        assert_eq!(place.is_deaf(later(start, 67_999)), None, "it has a way to go");
        assert_eq!(place.is_deaf(later(start, 68_000)), Some(13));
    }

    #[test]
    fn an_end_that_is_told_again_is_a_sign() {
        let start = Instant::now();
        let mut place = Place::start(start);
        place.reached_end();
        place.end_told(2, start, start);
        place.reached_end();
        assert_eq!(place.is_deaf(later(start, 60_000)), None);
    }

    #[test]
    fn a_beginning_that_moved_is_a_loss_and_healed_a_while_after_all_was_read_anew() {
        let start = Instant::now();
        let mut beginning = Beginning::default();
        assert!(!beginning.told(0), "the first word of it");
        assert!(!beginning.told(0));
        assert!(beginning.told(5));
        beginning.lost();
        assert!(!beginning.told(5), "known by now");
        assert!(!beginning.heals(later(start, 60_000)), "not read anew yet");
        beginning.reached_end(later(start, 60_000));
        assert!(!beginning.heals(later(start, 74_999)));
        assert!(beginning.heals(later(start, 75_000)));
        assert!(!beginning.heals(later(start, 76_000)), "said once");
    }

    #[test]
    fn records_that_were_read_and_are_gone_before_the_beginning_was_ever_told_are_missed_too() {
        let mut beginning = Beginning::default();
        beginning.read(3);
        beginning.read(4);
        assert!(beginning.told(4));
        beginning.forget();
        assert!(!beginning.told(1), "another partition under the same name");
    }
}
