//! Which faults met which states of the cluster that they struck.

use super::plan::{KINDS, Kind};

/// What the struck cluster was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No process of it lives.
    Dead,
    /// Nobody leads or claims.
    Leaderless,
    Claiming,
    TakingOver,
    /// Its leader writes, and nothing is under way.
    Quiet,
    /// Its leader has sends under way.
    Writing,
    /// Its leader may not write.
    Unpermitted,
}

const STATES: [&str; 7] = ["dead", "leaderless", "claiming", "taking over", "quiet", "writing", "unpermitted"];

/// Counts of faults by kind and state.
#[derive(Clone)]
pub(crate) struct Coverage([[u64; 7]; KINDS]);

impl Default for Coverage {
    fn default() -> Self {
        Self([[0; 7]; KINDS])
    }
}

impl Coverage {
    pub(crate) fn note(&mut self, kind: Kind, state: State) {
        self.0[kind.number()][state as usize] += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().flatten().zip(other.0.iter().flatten()) {
            *mine += theirs;
        }
    }

    /// Pairs that were never met.
    pub(crate) fn missing(&self) -> usize {
        self.0.iter().flatten().filter(|count| **count == 0).count()
    }

    pub(crate) fn table(&self) -> String {
        let mut text = format!("{:<18}", "fault");
        for state in STATES {
            text += &format!("{state:>13}");
        }
        for (kind, counts) in Kind::ALL.iter().zip(&self.0) {
            text += &format!("\n{:<18}", format!("{kind:?}"));
            for count in counts {
                text += &format!("{count:>13}");
            }
        }
        format!("{text}\n{} of {} pairs were met", KINDS * 7 - self.missing(), KINDS * 7)
    }
}
