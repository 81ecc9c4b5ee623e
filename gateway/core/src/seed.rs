//! The seed of all hash maps. It is an argument: chance comes from outside, so that the same inputs have the same outcome each time; and it
//! is unknown to those whose names are the keys, so that nobody can choose names that collide.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

/// What maps hash with. A process draws one at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Seed(pub u64);

/// A map that is never iterated where order matters. Made by [`Seed::map`]; by default for values that live no longer than one call.
pub(crate) type Map<K, V> = HashMap<K, V, FixedState>;
/// A set that is never iterated where order matters.
pub(crate) type Set<K> = HashSet<K, FixedState>;

impl Seed {
    pub(crate) fn map<K, V>(self) -> Map<K, V> {
        HashMap::with_hasher(FixedState::with_seed(self.0))
    }

    pub(crate) fn set<K>(self) -> Set<K> {
        HashSet::with_hasher(FixedState::with_seed(self.0))
    }
}
