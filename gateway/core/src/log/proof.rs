//! What checkpoints prove of a partition as this process folded it (rules R17 and R18).
//!
//! Input: each checkpoint beside the fold at its place, ends, and when reading began anew. Output: whether what is served is proven not to
//! be what its origin states, whether to read the partition anew, and whether even that did not help.
//!
//! ```text
//! sound ──second mismatch in a row──▶ incomplete ──read anew──▶ shadow ──a checkpoint equals it──▶ sound
//!   ▲                                     ▲                        │ second mismatch in a row
//!   └──────────a later checkpoint is equal┴──────── diverged ◀─────┘
//! ```
//!
//! It defends against records that never came (a reader's or a mirror's fault), keys that only this process still has, and, on the other
//! side, against statements that are not comparable: in a part of the log that compaction has worked on, healthy folds differ from what
//! was stated there. Nothing here changes a fold: a mismatch removes nothing.

use crate::log::record::{Epoch, RecordHeader};
use crate::time::{Millis, Mono};

/// A reader that was at the end within this time has missed no record that compaction could have taken: half of the least
/// `min.compaction.lag.ms` (rule R17).
const EXACT_WITHIN: Millis = Millis::from_secs(30);
/// A checkpoint of a beat that is at most so much older than the newest stands in a part of the log that compaction spares.
const EXACT_BEATS: u64 = 30;
/// So many exact comparisons in a row that do not agree prove the fold incomplete: a single one may be a late write of a deposed leader.
const MISMATCHES_THAT_PROVE: u32 = 2;
/// A partition is read anew at most this often because it differs: an origin that states nonsense costs its readers no more than that.
const REPAIR_EVERY: Millis = Millis::from_secs(600);
/// A reader that was asked to begin anew and did not is asked again.
const ASK_AGAIN: Millis = Millis::from_secs(60);

/// Whether a checkpoint is equal to the fold at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Count and digest are the same.
    Equal,
    /// They are not.
    Different,
}

/// What became of an order to read a partition anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repair {
    /// Given then, and not begun yet.
    Asked(Mono),
    /// Begun; the order was given then.
    Begun(Mono),
}

/// What checkpoints said of one partition.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    /// Number of the last checkpoint met, which a repeat does not exceed.
    last_stated: Option<(Epoch, u64)>,
    /// When the partition was last read to its end.
    last_end: Option<Mono>,
    /// Exact comparisons in a row that did not agree.
    mismatches: u32,
    /// Of the last checkpoint met while the fold was on its way: its beat, and whether it agreed.
    on_the_way: Option<(Epoch, u64, Agreement)>,
    /// Two mismatches in a row, and no agreement since.
    incomplete: bool,
    /// What is compared was folded from the partition's beginning because of a doubt, and did not agree since.
    anew: bool,
    /// Incomplete although it was read anew.
    diverged: bool,
    /// What is compared was kept by an earlier process and read on from there, and did not agree with any checkpoint since.
    resumed: bool,
    repair: Option<Repair>,
}

impl Proof {
    /// Whether what was read is proven not to be all that its origin states to have written.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Whether it was read anew and is still not what its origin states.
    #[must_use]
    pub fn is_diverged(&self) -> bool {
        self.diverged
    }

    /// Whether the reading of now was from the beginning because of a doubt, and two comparisons in a row spoke against it: it is no better.
    #[must_use]
    pub fn is_refuted(&self) -> bool {
        self.anew && self.mismatches >= MISMATCHES_THAT_PROVE
    }

    /// A checkpoint of this header and beat was met, and agrees or not with the fold at its place. `reached_end`: the fold has once been at
    /// the end since it began. `newest` is the origin's newest beat. Returns whether this was an exact comparison that did not agree.
    pub fn compare(
        &mut self,
        now: Mono,
        (header, beat): (&RecordHeader, u64),
        agreement: Agreement,
        reached_end: bool,
        newest: Option<(Epoch, u64)>,
    ) -> bool {
        let is_repeat = self.last_stated.is_some_and(|(epoch, seq)| epoch == header.epoch && header.seq <= seq);
        if is_repeat {
            return false;
        }
        self.last_stated = Some((header.epoch, header.seq));
        if self.resumed && agreement == Agreement::Equal {
            self.equal(); // What was kept, with what followed on it, is all that was written up to there, whenever that was.
        }
        if !reached_end {
            self.on_the_way = Some((header.epoch, beat, agreement));
            return false;
        }
        let at_end_lately = self.last_end.is_some_and(|last| now.since(last) < EXACT_WITHIN);
        if !at_end_lately || !is_young(header.epoch, beat, newest) {
            return false;
        }
        match agreement {
            Agreement::Equal => self.equal(),
            // What an earlier process kept is believed until the first that differs: nothing but reading anew can tell.
            Agreement::Different => self.differs(if self.resumed { MISMATCHES_THAT_PROVE } else { 1 }),
        }
        agreement == Agreement::Different
    }

    /// The partition was read to its end. A checkpoint that was met on the way and is about as young as the newest beat stands in a part
    /// of the log that nothing was taken from.
    pub fn at_end(&mut self, now: Mono, newest: Option<(Epoch, u64)>) {
        self.last_end = Some(now);
        let Some((epoch, beat, agreement)) = self.on_the_way.take() else { return };
        // Nothing says how old a checkpoint of another leadership is than the newest beat.
        if newest.is_none_or(|(of, _)| of != epoch) || !is_young(epoch, beat, newest) {
            return;
        }
        match agreement {
            Agreement::Equal => self.equal(),
            // Read anew, it is the first word against the shadow; else nothing but reading anew can tell.
            Agreement::Different => self.differs(if self.anew { 1 } else { MISMATCHES_THAT_PROVE }),
        }
    }

    /// A checkpoint is what was folded at its place.
    pub fn equal(&mut self) {
        (self.mismatches, self.incomplete, self.diverged, self.anew) = (0, false, false, false);
        self.resumed = false;
    }

    fn differs(&mut self, weight: u32) {
        self.mismatches = self.mismatches.saturating_add(weight);
        if self.mismatches >= MISMATCHES_THAT_PROVE {
            self.incomplete = true;
            self.diverged |= self.anew;
        }
    }

    /// The partition is read from its beginning.
    pub fn begins_anew(&mut self) {
        (self.last_stated, self.last_end, self.on_the_way) = (None, None, None);
        (self.mismatches, self.anew, self.resumed) = (0, true, false);
        self.repair = match self.repair {
            Some(Repair::Asked(at) | Repair::Begun(at)) => Some(Repair::Begun(at)),
            None => None,
        };
    }

    /// The partition is read on from where an earlier process stood, which had met this checkpoint last.
    pub fn resumes(&mut self, last_stated: Option<(Epoch, u64)>) {
        *self = Self { last_stated, resumed: true, ..Self::default() };
    }

    /// Whether it was read on from where an earlier process stood, and nothing has proven that since.
    #[must_use]
    pub fn is_unproven(&self) -> bool {
        self.resumed
    }

    /// Whether to read the partition anew. It counts as ordered: whoever asks has to give the order.
    pub fn takes_repair(&mut self, now: Mono) -> bool {
        let not_before = match self.repair {
            None => now,
            Some(Repair::Asked(at)) => at + ASK_AGAIN,
            Some(Repair::Begun(at)) => at + REPAIR_EVERY,
        };
        let takes = self.incomplete && (self.diverged || !self.anew) && now >= not_before;
        if takes {
            self.repair = Some(Repair::Asked(now));
        }
        takes
    }
}

/// A checkpoint of an epoch above that of the newest beat is younger than all that was heard.
fn is_young(epoch: Epoch, beat: u64, newest: Option<(Epoch, u64)>) -> bool {
    newest.is_none_or(|(of, newest)| match epoch == of {
        true => newest <= beat.saturating_add(EXACT_BEATS),
        false => epoch > of,
    })
}
