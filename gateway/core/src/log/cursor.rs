//! Where a fold stands in its log, and whether a later process may read on from there (rule R19).
//!
//! Input: a place as it was kept, what is found of the partition now, the wall clock. Output: that the log may be read on from there, or
//! why not. It defends against a topic that was deleted and created again and has grown past the place, against another Kafka under the
//! same name, records at the beginning that somebody deleted, a truncated or restored log, a removal whose tombstone compaction has taken
//! meanwhile, and a wall clock that was set. What it cannot see, a log of the same name, id and length with other records, the origin's next
//! checkpoint does: what was kept and read on from is believed only until one differs ([`super::proof`]).
//!
//! Invariant: a place that is refused costs time, never content: the partition is read from its beginning, beside what was kept.

use std::sync::Arc;

use crate::log::record::{Checkpoint, PartitionId, RecordHeader, TopicKind};
use crate::time::{Millis, WallMs};

/// A wall clock that was set back by no more than this is taken to have stood still: clocks are corrected after a start.
const CLOCK_SET_BACK: Millis = Millis::from_secs(300);
/// The least `delete.retention.ms` that a gateway writes to (rule R23): counts where a topic's own is not known.
pub const LEAST_RETENTION: Millis = Millis::from_secs(24 * 3600);

/// Which log a partition was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LogSource {
    /// Id of the Kafka cluster.
    pub kafka: Arc<str>,
    /// Id of the topic, where the brokers tell one: another topic of the same name has another.
    pub topic: Option<Arc<str>>,
    /// The partition's first offset. Compaction leaves it where it is.
    pub begin: u64,
}

/// Where a fold stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LogCursor {
    /// In which log.
    pub source: LogSource,
    /// Offset after the last record that was folded.
    pub next_offset: u64,
    /// Wall time when the partition was last read to its end.
    pub at_end: WallMs,
}

/// What is found of a partition now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLog {
    /// Id of the Kafka cluster; `None` if it tells none.
    pub kafka: Option<Arc<str>>,
    /// Id of the topic, if it is known yet.
    pub topic: Option<Arc<str>>,
    /// Its first offset.
    pub begin: u64,
    /// The offset after its last record.
    pub end: u64,
    /// How long tombstones stay readable (`delete.retention.ms`); `None` if nobody tells.
    pub retention: Option<Millis>,
}

/// Why the log is not read on from a place that was kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorRefused {
    /// Nobody can tell whether it is the same one.
    #[error("this kafka tells no cluster id")]
    Unidentified,
    /// Its offsets mean something else.
    #[error("it is of the kafka {0}, this one is another")]
    AnotherKafka(Arc<str>),
    /// It was deleted and created again.
    #[error("the topic was created anew")]
    AnotherTopic,
    /// What was kept has records that later readers will not find.
    #[error("records at the beginning of the partition are gone: it begins at {found}, it began at {kept}")]
    BeginningMoved {
        /// Then.
        kept: u64,
        /// Now.
        found: u64,
    },
    /// It was truncated, restored, or created anew.
    #[error("the partition ends at {end}, before {next_offset}")]
    BeyondTheEnd {
        /// Where it was to be read on.
        next_offset: u64,
        /// Where it ends.
        end: u64,
    },
    /// Tombstones of what was removed since may be gone.
    #[error("it is {age_s} s old, believed are {most_s} s (half of delete.retention.ms)", age_s = .age.0 / 1000, most_s = .most.0 / 1000)]
    TooOld {
        /// By the wall clock.
        age: Millis,
        /// Half of the topic's retention of tombstones.
        most: Millis,
    },
    /// Nobody knows how old it is.
    #[error("it is from {ahead_s} s ahead of this machine's clock", ahead_s = .0.0 / 1000)]
    FromTheFuture(Millis),
}

/// How long a reader may have been away from the end of a partition and read on: half of the time that its tombstones stay.
#[must_use]
pub fn believed_for(retention: Option<Millis>) -> Millis {
    Millis(retention.unwrap_or(LEAST_RETENTION).0 / 2)
}

impl LogCursor {
    /// Whether the log may be read on from here.
    ///
    /// # Errors
    /// Why not: the partition is to be read from its beginning then.
    pub fn judge(&self, found: &FoundLog, now: WallMs) -> Result<(), CursorRefused> {
        let Some(kafka) = &found.kafka else { return Err(CursorRefused::Unidentified) };
        if *kafka != self.source.kafka {
            return Err(CursorRefused::AnotherKafka(Arc::clone(&self.source.kafka)));
        }
        if self.source.topic.as_ref().zip(found.topic.as_ref()).is_some_and(|(kept, found)| kept != found) {
            return Err(CursorRefused::AnotherTopic);
        }
        if found.begin != self.source.begin {
            return Err(CursorRefused::BeginningMoved { kept: self.source.begin, found: found.begin });
        }
        if self.next_offset > found.end {
            return Err(CursorRefused::BeyondTheEnd { next_offset: self.next_offset, end: found.end });
        }
        let (age, ahead) = (Millis(now.0.saturating_sub(self.at_end.0)), Millis(self.at_end.0.saturating_sub(now.0)));
        let most = believed_for(found.retention);
        match () {
            () if ahead > CLOCK_SET_BACK => Err(CursorRefused::FromTheFuture(ahead)),
            () if age >= most => Err(CursorRefused::TooOld { age, most }),
            () => Ok(()),
        }
    }
}

/// The last checkpoint that a fold met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MetCheckpoint {
    /// Its header.
    pub header: RecordHeader,
    /// What it states.
    pub stated: Checkpoint,
    /// Records of facts met since.
    pub facts_since: u64,
}

/// A partition's place beside its facts, as it is kept for a later process.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct KeptPlace {
    /// Which topic.
    pub topic: TopicKind,
    /// Which partition.
    pub partition: u32,
    /// Where the log is to be read on.
    pub cursor: LogCursor,
    /// Keys that the fold has.
    pub count: u64,
    /// Sum of the digests of their records.
    pub digest: u128,
    /// The last checkpoint that was met.
    pub checkpoint: Option<MetCheckpoint>,
}

impl KeptPlace {
    /// Which partition of this origin's it is.
    #[must_use]
    pub fn of(&self, origin: &crate::id::ClusterId) -> PartitionId {
        PartitionId { origin: origin.clone(), topic: self.topic, partition: self.partition }
    }
}

/// Where the fold of a living process stands, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// Which log it is of.
    pub(super) source: Option<LogSource>,
    /// When its end was last reached.
    pub(super) at_end: Option<WallMs>,
    /// What an earlier process kept of it, until the reader begins.
    pub(super) kept: Option<KeptPlace>,
    /// What is served was kept by an earlier process, read on from there, and not read to the end since.
    pub(super) resumed: bool,
}

impl Standing {
    pub(super) fn cursor(&self, next_offset: u64) -> Option<LogCursor> {
        Some(LogCursor { source: self.source.clone()?, next_offset, at_end: self.at_end? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3_600_000;

    fn cursor() -> LogCursor {
        let source = LogSource { kafka: "k1".into(), topic: Some("t1".into()), begin: 0 };
        LogCursor { source, next_offset: 100, at_end: WallMs(100 * DAY) }
    }

    fn found() -> FoundLog {
        let retention = Some(Millis(7 * DAY));
        FoundLog { kafka: Some("k1".into()), topic: Some("t1".into()), begin: 0, end: 100, retention }
    }

    #[test]
    fn a_place_is_read_on_from_only_in_the_same_log_within_its_edges_and_while_tombstones_stay() {
        let at = |days: u64| WallMs(days * DAY);
        for (name, found, now, want) in [
            ("nothing happened", found(), at(101), Ok(())),
            ("it has grown", FoundLog { end: 900, ..found() }, at(101), Ok(())),
            ("brokers tell no topic id", FoundLog { topic: None, ..found() }, at(101), Ok(())),
            ("no cluster id", FoundLog { kafka: None, ..found() }, at(101), Err(CursorRefused::Unidentified)),
            (
                "another kafka with the same offsets",
                FoundLog { kafka: Some("k2".into()), ..found() },
                at(101),
                Err(CursorRefused::AnotherKafka("k1".into())),
            ),
            (
                "created anew, and grown past the place",
                FoundLog { topic: Some("t2".into()), end: 900, ..found() },
                at(101),
                Err(CursorRefused::AnotherTopic),
            ),
            (
                "records were deleted",
                FoundLog { begin: 5, ..found() },
                at(101),
                Err(CursorRefused::BeginningMoved { kept: 0, found: 5 }),
            ),
            (
                "truncated",
                FoundLog { end: 99, ..found() },
                at(101),
                Err(CursorRefused::BeyondTheEnd { next_offset: 100, end: 99 }),
            ),
            ("just young enough", found(), WallMs(at(103).0 + DAY / 2 - 1), Ok(())),
            (
                "tombstones may be gone",
                found(),
                WallMs(at(103).0 + DAY / 2),
                Err(CursorRefused::TooOld { age: Millis(7 * DAY / 2), most: Millis(7 * DAY / 2) }),
            ),
            (
                "a retention that nobody tells",
                FoundLog { retention: None, ..found() },
                WallMs(at(100).0 + DAY / 2),
                Err(CursorRefused::TooOld { age: Millis(DAY / 2), most: Millis(DAY / 2) }),
            ),
            ("a clock that was corrected", found(), WallMs(at(100).0 - 300_000), Ok(())),
            ("a clock that was set back", found(), at(99), Err(CursorRefused::FromTheFuture(Millis(DAY)))),
        ] {
            assert_eq!(cursor().judge(&found, now), want, "{name}");
        }
    }
}
