//! What a replica has of one origin, small enough to be stated with each beat (rule R7), and how two such statements compare.
//!
//! The digest of all partitions is the sum of theirs (rule R15), so one number stands for all that a replica serves of an origin. The place is
//! the highest number that it met of the highest epoch: whoever met a lower one is behind, and different without being wrong.

use crate::freshness::Freshness;
use crate::id::ClusterId;
use crate::log::record::Epoch;
use crate::time::Millis;

/// What a replica has of one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Reading {
    /// Whose log was read.
    pub origin: ClusterId,
    /// What the replica takes it for.
    pub state: ReadingState,
    /// The highest epoch met in the origin's data topics, and the highest number of it.
    pub place: (Epoch, u64),
    /// Keys of instances and config items that are served.
    pub count: u64,
    /// Sum modulo 2¹²⁸ of their records' digests.
    pub digest: u128,
    /// How it takes the origin's facts; `None` if it does not say.
    pub link: Option<LinkWord>,
}

/// How a replica takes the facts of one origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LinkWord {
    /// How fresh it calls them.
    pub freshness: Freshness,
    /// How old they were when it said so; `None` if it does not know.
    pub age: Option<Millis>,
}

/// What a replica takes its own reading for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ReadingState {
    /// It is still being read, or something older serves.
    Unread,
    /// It was read to the end, and no comparison speaks against it.
    Sound,
    /// Two comparisons in a row spoke against it (rule R17).
    Incomplete,
    /// It was read anew, and comparisons still speak against it (rule R18).
    Diverged,
}

/// How a replica's reading compares with what the origin says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadingVerdict {
    /// The same keys with the same values.
    Equal,
    /// It has not met so many records that the origin's word covers; at least one.
    Behind(u64),
    /// It met so many records that the origin's last word does not cover; at least one.
    Ahead(u64),
    /// At the same place, and not the same; or the replica itself says so.
    Diverged,
    /// The replica has not read the origin's log to its end.
    Unread,
    /// The origin never said what it has, or the replica does not.
    Unknown,
}

impl Reading {
    /// Compares this with what the origin says of itself.
    #[must_use]
    pub fn against(&self, stated: &Self) -> ReadingVerdict {
        let beyond = |(epoch, seq): (Epoch, u64), other: (Epoch, u64)| match epoch == other.0 {
            true => seq.saturating_sub(other.1).max(1),
            false => seq.max(1), // Of the later leadership nothing was met.
        };
        match self.state {
            ReadingState::Unread => ReadingVerdict::Unread,
            ReadingState::Diverged => ReadingVerdict::Diverged,
            ReadingState::Sound | ReadingState::Incomplete
                if (self.count, self.digest) == (stated.count, stated.digest) =>
            {
                ReadingVerdict::Equal
            }
            _ if self.place < stated.place => ReadingVerdict::Behind(beyond(stated.place, self.place)),
            _ if self.place > stated.place => ReadingVerdict::Ahead(beyond(self.place, stated.place)),
            _ => ReadingVerdict::Diverged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(state: ReadingState, term: u32, seq: u64, digest: u128) -> Reading {
        let place = (Epoch { term, nonce: 1 }, seq);
        Reading { origin: "a".parse().unwrap(), state, place, count: 3, digest, link: None }
    }

    #[test]
    fn a_reading_is_equal_whatever_its_place_and_wrong_only_at_the_same_place() {
        let stated = reading(ReadingState::Sound, 2, 10, 7);
        for (name, state, term, seq, digest, want) in [
            ("the same", ReadingState::Sound, 2, 10, 7, ReadingVerdict::Equal),
            ("a tombstone that compaction took is not met", ReadingState::Sound, 2, 9, 7, ReadingVerdict::Equal),
            ("not yet compared again", ReadingState::Incomplete, 2, 10, 7, ReadingVerdict::Equal),
            ("three records to come", ReadingState::Sound, 2, 7, 8, ReadingVerdict::Behind(3)),
            ("nothing of the new leader", ReadingState::Sound, 1, 99, 8, ReadingVerdict::Behind(10)),
            ("two records after the last word", ReadingState::Sound, 2, 12, 8, ReadingVerdict::Ahead(2)),
            ("somebody else's record", ReadingState::Sound, 2, 10, 8, ReadingVerdict::Diverged),
            ("it says so itself", ReadingState::Diverged, 2, 7, 8, ReadingVerdict::Diverged),
            ("a snapshot serves", ReadingState::Unread, 2, 10, 7, ReadingVerdict::Unread),
        ] {
            assert_eq!(reading(state, term, seq, digest).against(&stated), want, "{name}");
        }
    }
}
