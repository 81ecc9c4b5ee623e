//! What is to be done with partitions beside reading them, a few at a time: each keeps the client for up to some milliseconds, one cluster
//! may have two thousand, and meanwhile nobody's partition is read.

use std::collections::VecDeque;

/// Chores between two turns of reading.
const AT_ONCE: usize = 4;

/// What is to be done with a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chore {
    /// Begin to read it, unless that was done meanwhile.
    Attach(usize),
    /// Read it anew from its beginning.
    Restart(usize),
}

/// What is still to be done. Bounded by who adds: each slot is added once for each time that all are.
#[derive(Debug, Default)]
pub(super) struct Chores(VecDeque<Chore>);

impl Chores {
    /// Whether all is done.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// To be done after those that wait.
    pub(super) fn add(&mut self, chores: impl IntoIterator<Item = Chore>) {
        self.0.extend(chores);
    }

    /// The next few, which are done then.
    pub(super) fn take(&mut self) -> Vec<Chore> {
        self.0.drain(..AT_ONCE.min(self.0.len())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chores_come_a_few_at_a_time_and_in_order() {
        let mut chores = Chores::default();
        chores.add((0..5).map(Chore::Attach));
        chores.add([Chore::Restart(1)]);
        assert_eq!(chores.take(), (0..4).map(Chore::Attach).collect::<Vec<_>>());
        assert_eq!(chores.take(), [Chore::Attach(4), Chore::Restart(1)]);
        assert!(chores.take().is_empty() && chores.is_empty());
    }
}
