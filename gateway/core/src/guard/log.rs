//! What one origin says of holds: the fold of its control topic's `guard/…` keys (rules R1 and R3).
//!
//! What is served changes only at the end of the topic while it is read from its beginning: a release of long ago is still in it, and must not
//! come into force for the moment of reading it.

use std::collections::BTreeMap;

use super::{GuardEntry, GuardTarget};
use crate::intents::verdict::NotAccepted;

/// Words that are not accepted, at most: they are shown, and do nothing.
const MOST_REFUSED: usize = 100;

/// A value of a hold's key, as it was read.
#[derive(Clone, Copy, Debug)]
pub enum GuardRecord<'a> {
    /// Null: the key is absent.
    Tombstone,
    /// Still the key's last record; the last readable value counts on (rule R3).
    Unreadable,
    /// A word.
    Word(&'a GuardEntry),
    /// Anything of these that is not accepted here; the word, if it is one. What was accepted before it counts on.
    Refused(Option<&'a GuardEntry>, NotAccepted),
}

/// The last word of a hold's key, where it has no effect here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedWord {
    /// What it says; `None` if it is a tombstone or cannot be read.
    pub entry: Option<GuardEntry>,
    /// Why it has no effect.
    pub why: NotAccepted,
}

type Words = BTreeMap<GuardTarget, GuardEntry>;

/// The words of one origin, as served and as its log says.
#[derive(Clone, Debug)]
pub struct GuardLog {
    served: Words,
    /// The fold from the topic's beginning, until its end is reached.
    shadow: Option<Words>,
    /// Keys whose last record has no effect here.
    refused: BTreeMap<GuardTarget, RefusedWord>,
}

impl Default for GuardLog {
    /// Nothing was read yet.
    fn default() -> Self {
        Self { served: Words::new(), shadow: Some(Words::new()), refused: BTreeMap::new() }
    }
}

impl GuardLog {
    /// What counts now.
    pub fn served(&self) -> impl Iterator<Item = (&GuardTarget, &GuardEntry)> {
        self.served.iter()
    }

    /// Keys whose last record has no effect here, in the order of their targets.
    pub fn refused(&self) -> impl Iterator<Item = (&GuardTarget, &RefusedWord)> {
        self.refused.iter()
    }

    /// Whether the topic was read to its end since reading it began.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.shadow.is_none()
    }

    /// Folds one record; keeps at most `most` words, the first by their targets, which is the same for all who read them. Returns whether what
    /// is served changed.
    pub fn fold(&mut self, target: &GuardTarget, record: GuardRecord<'_>, most: usize) -> bool {
        let refused = match record {
            GuardRecord::Refused(entry, why) => {
                let has_room = self.refused.len() < MOST_REFUSED || self.refused.contains_key(target);
                let record = RefusedWord { entry: entry.cloned(), why };
                return has_room && self.refused.insert(target.clone(), record.clone()).as_ref() != Some(&record);
            }
            _ => self.refused.remove(target).is_some(),
        };
        let is_served = self.shadow.is_none();
        let words = self.shadow.as_mut().unwrap_or(&mut self.served);
        let changed = match record {
            GuardRecord::Tombstone => words.remove(target).is_some(),
            GuardRecord::Unreadable | GuardRecord::Refused(..) => false,
            GuardRecord::Word(entry) => words.insert(target.clone(), entry.clone()).as_ref() != Some(entry),
        };
        while words.len() > most && words.pop_last().is_some() {}
        refused || (is_served && changed)
    }

    /// All records were folded. Returns whether what is served changed.
    pub fn at_end(&mut self) -> bool {
        let Some(mut words) = self.shadow.take() else { return false };
        for target in self.refused.keys().filter(|target| !words.contains_key(*target)).cloned().collect::<Vec<_>>() {
            if let Some(known) = self.served.get(&target) {
                words.insert(target, known.clone()); // What was accepted once, and is covered by something that is not.
            }
        }
        let before = std::mem::replace(&mut self.served, words);
        before != self.served
    }

    /// The topic is read anew from its beginning: what was folded goes on being served.
    pub fn restart(&mut self) {
        self.shadow = Some(Words::new());
        self.refused.clear();
    }
}
