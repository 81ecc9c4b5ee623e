//! What a partition keeps for a later process, and takes up from an earlier one (rule R19): its fold with the place up to which that is the log.
//!
//! ```text
//! restored ──the reader reads on from the place──▶ folding what follows
//!    └──the reader begins at the beginning──▶ what was kept serves, the log is folded in the shadow
//! ```

use super::{Fold, Partition};
use crate::log::cursor::{KeptPlace, LogSource, MetCheckpoint, Standing};
use crate::log::entries::FoldEntry;
use crate::log::record::{RecordHeader, TopicKind};

impl Fold {
    /// Headers of all last records that have one.
    fn headers(&self) -> impl Iterator<Item = RecordHeader> {
        let instances =
            self.services.values().flat_map(|entries| entries.iter().filter_map(|(_, entry)| entry.header()));
        instances.chain(self.configs.values().filter_map(FoldEntry::header))
    }
}

impl Partition {
    /// What is served was kept with this place, up to where it is the log. Not taken if it is not what was kept.
    pub fn remember(&mut self, kept: KeptPlace) {
        let is_whole = self.is_shadowed() && (self.served.count, self.served.digest) == (kept.count, kept.digest);
        self.standing.kept = Some(kept).filter(|_| is_whole);
    }

    /// Where the reader may read on, once that is found to be the same log.
    #[must_use]
    pub fn kept(&self) -> Option<&KeptPlace> {
        self.standing.kept.as_ref()
    }

    /// The reader begins at `from`, where an earlier process stood: what was kept is the log up to there. False if nothing was kept of that
    /// place: then the reader has to begin anew, and until it does nothing that it brings counts.
    pub fn read_on(&mut self, from: u64) -> bool {
        let Some(kept) = self.standing.kept.take().filter(|kept| kept.cursor.next_offset == from) else {
            self.begin_anew(None);
            self.shadow.iter_mut().for_each(|shadow| shadow.partial = true);
            return false;
        };
        (self.shadow, self.next_offset) = (None, from);
        for header in self.served.headers() {
            self.highest_term = self.highest_term.max(header.epoch.term);
            self.order.meet(Some(&header), false);
        }
        if let Some(MetCheckpoint { header, stated, facts_since }) = kept.checkpoint {
            self.highest_term = self.highest_term.max(header.epoch.term);
            self.order.meet(Some(&header), true);
            (self.stated, self.stated_by) = (Some((stated, facts_since)), Some(header));
            self.last_checkpoint = Some((header.epoch, stated.beat));
        }
        self.proof.resumes(kept.checkpoint.map(|met| (met.header.epoch, met.header.seq)));
        let (source, at_end) = (Some(kept.cursor.source), Some(kept.cursor.at_end));
        self.standing = Standing { source, at_end, kept: None, resumed: true };
        true
    }

    /// Which log it is read from.
    pub fn note_source(&mut self, source: LogSource) {
        self.standing.source = Some(source);
    }

    /// Where a later process may read on: nothing while an older state serves, and nothing that is doubted.
    #[must_use]
    pub fn place(&self, topic: TopicKind, partition: u32) -> Option<KeptPlace> {
        if self.standing.kept.is_some() || self.is_shadowed() || self.proof.is_incomplete() {
            return self.standing.kept.clone();
        }
        let checkpoint = self.stated.zip(self.stated_by);
        Some(KeptPlace {
            topic,
            partition,
            cursor: self.standing.cursor(self.next_offset)?,
            count: self.served.count,
            digest: self.served.digest,
            checkpoint: checkpoint.map(|((stated, facts_since), header)| MetCheckpoint { header, stated, facts_since }),
        })
    }
}
