//! Which words about holds are in force: of every target that with the highest (counter, cluster), among all clusters' logs.

use std::collections::BTreeMap;

use super::{GuardEntry, GuardTarget, GuardWord, RefusedWord};
use crate::id::ClusterId;

/// All words in force, one for each target; an immutable value of the view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuardTable {
    words: BTreeMap<GuardTarget, GuardInForce>,
    refused: Vec<RefusedDecision>,
}

/// A record of a word that has no effect at this gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedDecision {
    /// Which hold it is about.
    pub target: GuardTarget,
    /// The cluster in whose log it stands.
    pub taken_in: ClusterId,
    /// What it says, and why it has no effect.
    pub record: RefusedWord,
}

/// The word that counts for its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardInForce {
    /// What it says.
    pub entry: GuardEntry,
    /// The cluster in whose log it stands.
    pub taken_in: ClusterId,
}

/// A decision as it was written, to be recognised in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardTaken {
    /// Which hold.
    pub target: GuardTarget,
    /// The decision.
    pub entry: GuardEntry,
    /// The cluster whose gateway took it.
    pub cluster: ClusterId,
}

impl GuardInForce {
    fn rank(&self) -> (crate::intents::OrderCounter, &ClusterId) {
        (self.entry.counter, &self.taken_in)
    }
}

impl GuardTable {
    /// Chooses among what the logs say, in any order.
    #[must_use]
    pub fn new<'a>(logged: impl IntoIterator<Item = (&'a ClusterId, &'a GuardTarget, &'a GuardEntry)>) -> Self {
        let mut words: BTreeMap<GuardTarget, GuardInForce> = BTreeMap::new();
        for (cluster, target, entry) in logged {
            let word = GuardInForce { entry: entry.clone(), taken_in: cluster.clone() };
            if words.get(target).is_none_or(|known| word.rank() > known.rank()) {
                words.insert(target.clone(), word);
            }
        }
        Self { words, refused: Vec::new() }
    }

    /// The same with records that have no effect here.
    #[must_use]
    pub fn refusing(self, refused: Vec<RefusedDecision>) -> Self {
        Self { refused, ..self }
    }

    /// Records that have no effect here.
    #[must_use]
    pub fn refused(&self) -> &[RefusedDecision] {
        &self.refused
    }

    /// The word in force for a target, [`GuardWord::Over`] too.
    #[must_use]
    pub fn get(&self, target: &GuardTarget) -> Option<&GuardInForce> {
        self.words.get(target)
    }

    /// All words in force in the order of their targets, those of holds that are over too.
    pub fn iter(&self) -> impl Iterator<Item = (&GuardTarget, &GuardInForce)> {
        self.words.iter()
    }

    /// Holds that stand, in the order of their targets.
    pub fn standing(&self) -> impl Iterator<Item = (&GuardTarget, &GuardInForce)> {
        self.words.iter().filter(|(_, word)| word.entry.word != GuardWord::Over)
    }

    /// Whether a decision was read in the log: it, or what was said after it, is in force.
    #[must_use]
    pub fn has_heard(&self, taken: &GuardTaken) -> bool {
        self.get(&taken.target).is_some_and(|word| word.rank() >= (taken.entry.counter, &taken.cluster))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intents::OrderCounter;
    use crate::time::WallMs;

    #[test]
    fn the_highest_counter_counts_and_of_equal_ones_the_last_cluster() {
        let entry = |counter, word| GuardEntry {
            counter: OrderCounter::new(counter).unwrap(),
            word,
            since: WallMs(5),
            kept: 1,
            lost: 1,
            of: 1,
            who: "ann".into(),
            why: "".into(),
            when: WallMs(6),
            giver: crate::intents::OrderGiver::default(),
        };
        let (a, b): (ClusterId, ClusterId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let target: GuardTarget = "a/public".parse().unwrap();
        for (name, of_a, of_b, want) in [
            ("higher in a", entry(2, GuardWord::Keep), entry(1, GuardWord::Release), GuardWord::Keep),
            ("higher in b", entry(1, GuardWord::Keep), entry(2, GuardWord::Release), GuardWord::Release),
            ("equal", entry(2, GuardWord::Keep), entry(2, GuardWord::Release), GuardWord::Release),
        ] {
            let table = GuardTable::new([(&b, &target, &of_b), (&a, &target, &of_a)]);
            assert_eq!(table.get(&target).unwrap().entry.word, want, "{name}");
        }
        let over = GuardTable::new([(&a, &target, &entry(3, GuardWord::Over))]);
        assert_eq!((over.standing().count(), over.iter().count()), (0, 1));
        let taken =
            |counter| GuardTaken { target: target.clone(), entry: entry(counter, GuardWord::Keep), cluster: a.clone() };
        assert_eq!([2, 3, 4].map(|counter| over.has_heard(&taken(counter))), [true, true, false]);
    }
}
