//! What is counted of an origin's records, for metrics.

use crate::log::partition::AppliedRecord;

/// Counts for metrics; they only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records of facts that changed what is shown.
    pub changed: u64,
    /// Records of facts that changed nothing.
    pub unchanged: u64,
    /// Records that were folded while an older state is shown.
    pub held: u64,
    /// Records that were folded out of order while the former value is shown (rule R14).
    pub late: u64,
    /// Records whose value could not be read.
    pub undecodable: u64,
    /// Own keys that another writer had overwritten.
    pub overwritten: u64,
    /// Partitions that were folded anew.
    pub restarted: u64,
    /// Checkpoints that differ from what was folded at their place.
    pub mismatched: u64,
    /// Times that what was folded anew took the place of what was served.
    pub replaced: u64,
    /// Records of data topics that were read since this process started, whatever they did.
    pub read: u64,
    /// Partitions that were read on from where an earlier process stood.
    pub read_on: u64,
    /// Records of orders that are not accepted here.
    pub not_accepted: u64,
}

impl Counts {
    pub(super) fn note(&mut self, applied: &AppliedRecord) {
        match applied {
            AppliedRecord::Changed(_) => self.changed += 1,
            AppliedRecord::Replaced(_) => (self.changed, self.replaced) = (self.changed + 1, self.replaced + 1),
            AppliedRecord::Unchanged => self.unchanged += 1,
            AppliedRecord::Held => self.held += 1,
            AppliedRecord::Late(_) => self.late += 1,
            AppliedRecord::Undecodable(_) => self.undecodable += 1,
            AppliedRecord::NotAFact => {}
        }
    }
}
