//! What one origin says of holds: the fold of its control topic's `guard/…` keys (rules R1 and R3).
//!
//! What is served changes only at the end of the topic while it is read from its beginning: a release of long ago is still in it, and must not
//! come into force for the moment of reading it.

use std::collections::BTreeMap;

use super::{GuardEntry, GuardTarget};

/// A value of a hold's key, as it was read.
#[derive(Clone, Copy, Debug)]
pub enum GuardRecord<'a> {
    /// Null: the key is absent.
    Tombstone,
    /// Still the key's last record; the last readable value counts on (rule R3).
    Unreadable,
    /// A word.
    Word(&'a GuardEntry),
}

type Words = BTreeMap<GuardTarget, GuardEntry>;

/// The words of one origin, as served and as its log says.
#[derive(Clone, Debug)]
pub struct GuardLog {
    served: Words,
    /// The fold from the topic's beginning, until its end is reached.
    shadow: Option<Words>,
}

impl Default for GuardLog {
    /// Nothing was read yet.
    fn default() -> Self {
        Self { served: Words::new(), shadow: Some(Words::new()) }
    }
}

impl GuardLog {
    /// What counts now.
    pub fn served(&self) -> impl Iterator<Item = (&GuardTarget, &GuardEntry)> {
        self.served.iter()
    }

    /// Folds one record; keeps at most `most` words, the first by their targets, which is the same for all who read them. Returns whether what
    /// is served changed.
    pub fn fold(&mut self, target: &GuardTarget, record: GuardRecord<'_>, most: usize) -> bool {
        let is_served = self.shadow.is_none();
        let words = self.shadow.as_mut().unwrap_or(&mut self.served);
        let changed = match record {
            GuardRecord::Tombstone => words.remove(target).is_some(),
            GuardRecord::Unreadable => false,
            GuardRecord::Word(entry) => words.insert(target.clone(), entry.clone()).as_ref() != Some(entry),
        };
        while words.len() > most && words.pop_last().is_some() {}
        is_served && changed
    }

    /// All records were folded. Returns whether what is served changed.
    pub fn at_end(&mut self) -> bool {
        let Some(words) = self.shadow.take() else { return false };
        let before = std::mem::replace(&mut self.served, words);
        before != self.served
    }

    /// The topic is read anew from its beginning: what was folded goes on being served.
    pub fn restart(&mut self) {
        self.shadow = Some(Words::new());
    }
}
