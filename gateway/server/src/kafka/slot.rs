//! One partition as its reader sees it: where it stands, and whether its place can be true. No I/O but its queue.

use std::time::{Duration, Instant};

use federation_core::federation::input::{Input, LogInput};
use federation_core::log::record::{ControlRecord, PartitionId, Record};
use rdkafka::consumer::base_consumer::PartitionQueue;

use crate::kafka::client::Context;
use crate::ports::News;

/// How long a partition may seem read to the end while its leader says that there is more.
const DOUBT: Duration = Duration::from_secs(1);

/// One partition that is read.
pub(super) struct Slot {
    pub(super) id: PartitionId,
    pub(super) topic: String,
    /// `None` until it can be attached.
    pub(super) queue: Option<PartitionQueue<Context>>,
    pub(super) place: Place,
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
    /// Its leader said that it ends later than here, and since when.
    doubt: Option<(u64, Instant)>,
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
        Self { next: None, moved: now, at_end: false, doubt: None, verifying: None }
    }

    /// Offset after the last record read.
    pub(super) fn next(&self) -> Option<u64> {
        self.next
    }

    /// All below `next` has been read.
    pub(super) fn advance(&mut self, next: u64, now: Instant) {
        (self.next, self.moved, self.at_end, self.doubt) = (Some(next), now, false, None);
    }

    /// The partition held no more; gives the offset after its last record.
    pub(super) fn reached_end(&mut self) -> u64 {
        let verified = self.verifying.take();
        self.at_end = true;
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
}

/// What one turn of reading found, in order, ready to be handed over.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) news: Vec<News>,
    pub(super) records: usize,
    pub(super) bytes: usize,
    /// Records that this version cannot read.
    pub(super) unreadable: usize,
    /// Records that do not stand where their key belongs: not among the news.
    pub(super) misplaced: usize,
}

impl Turn {
    /// Adds a record of a data topic. A batch has one trace or none, so that its news can name it.
    pub(super) fn data(&mut self, partition: &PartitionId, record: Record, traceparent: Option<String>) {
        if let Some(News { input: Input::Log(LogInput::Records { records, .. }), traceparent: last }) =
            self.news.last_mut()
            && *last == traceparent
        {
            return records.push(record);
        }
        let news = LogInput::Records { partition: partition.clone(), records: vec![record] };
        self.news.push(News { input: Input::Log(news), traceparent });
    }

    /// Adds a record of a control topic.
    pub(super) fn control(&mut self, partition: &PartitionId, record: ControlRecord) {
        if let Some(News { input: Input::Log(LogInput::Control { records, .. }), .. }) = self.news.last_mut() {
            return records.push(record);
        }
        let news = LogInput::Control { origin: partition.origin.clone(), records: vec![record] };
        self.news.push(Input::Log(news).into());
    }

    /// Adds the end of the partition.
    pub(super) fn at_end(&mut self, partition: &PartitionId, next_offset: u64) {
        self.news.push(Input::Log(LogInput::AtEnd { partition: partition.clone(), next_offset }).into());
    }
}

#[cfg(test)]
mod tests {
    use federation_core::log::key::RecordKey;
    use federation_core::log::record::{Body, TopicKind};

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
    fn a_batch_ends_where_the_trace_changes() {
        let partition = PartitionId { origin: "a".parse().unwrap(), topic: TopicKind::Instances, partition: 0 };
        let record = |offset| Record { offset, key: RecordKey::Other, header: None, body: Body::Tombstone, digest: 0 };
        let mut turn = Turn::default();
        for (offset, trace) in [(0, None), (1, None), (2, Some("t1")), (3, Some("t1")), (4, Some("t2")), (5, None)] {
            turn.data(&partition, record(offset), trace.map(str::to_owned));
        }
        let batches: Vec<_> = turn
            .news
            .iter()
            .map(|news| match &news.input {
                Input::Log(LogInput::Records { records, .. }) => (records.len(), news.traceparent.as_deref()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(batches, [(2, None), (2, Some("t1")), (1, Some("t2")), (1, None)]);
    }
}
