//! Remembers what instances have in common of their metadata, so that each keeps only the values that are its own.
//!
//! Instances with one list of keys are alike: most values (a version, a zone, a protocol) are one of few, some (a name, an address, a time of
//! start) are everybody's own. Which is which shows in what was read: a key of which more than [`FEW`] values were seen has values of their own
//! from then on, and so has, where too many combinations of the others are met, the one of them with most.
//!
//! Invariant: metadata are what they were written as, whatever is remembered. Bounds: [`MOST_REMEMBERED`] values and combinations in all; when
//! full it forgets all, which costs memory for a while and nothing else.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use federation_core::instance::{Metadata, MetadataKeys};
use foldhash::fast::RandomState;

use super::{LONGEST_TEXT, Texts};

/// Values of a key that are remembered at most.
const FEW: usize = 32;
/// Combinations of values of one list of keys that are remembered at most.
const MOST_COMBINATIONS: usize = 256;
/// Lists, values and combinations, which are a kilobyte each at most.
const MOST_REMEMBERED: usize = 20_000;
/// Longer lists of keys are seldom repeated.
const MOST_KEYS: usize = 32;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct CommonMemory {
    /// By the hash of all their keys: of two lists with one hash, the later one is remembered.
    lists: HashMap<u64, KeyList, RandomState>,
    remembered: usize,
}

/// What was seen of instances with these keys.
#[derive(Debug)]
struct KeyList {
    /// Each with the values that were seen of it.
    keys: Vec<(Arc<str>, SeenValues)>,
    /// By the hash of their values.
    combinations: HashMap<u64, MetadataKeys, RandomState>,
    /// The last one that fitted: the next instance's is often the same.
    last: MetadataKeys,
}

/// Values that were seen of one key.
#[derive(Debug)]
enum SeenValues {
    Few(Vec<Arc<str>>),
    Many,
}

impl SeenValues {
    /// The value, if it is one of few. Counts what is remembered anew.
    fn shared(&mut self, value: &str, remembered: &mut usize) -> Option<Arc<str>> {
        let Self::Few(seen) = self else { return None };
        if let Some(known) = seen.iter().find(|known| ***known == *value) {
            return Some(Arc::clone(known));
        }
        if seen.len() == FEW || value.len() > LONGEST_TEXT {
            *self = Self::Many;
            return None;
        }
        let new: Arc<str> = value.into();
        seen.push(Arc::clone(&new));
        *remembered += 1;
        Some(new)
    }

    fn number(&self) -> usize {
        if let Self::Few(seen) = self { seen.len() } else { 0 }
    }
}

impl CommonMemory {
    /// Metadata of these pairs, whose keys are sorted, each there once.
    ///
    /// # Panics
    /// If they are not.
    pub(super) fn metadata(&mut self, pairs: &[(&str, &str)], texts: &mut Texts) -> Metadata {
        let is_short = pairs.len() <= MOST_KEYS && pairs.iter().all(|(key, _)| key.len() <= LONGEST_TEXT);
        if !is_short {
            let keys = pairs.iter().map(|(key, _)| (texts.shared(key), None)).collect();
            return with_own(common(keys), pairs);
        }
        if self.remembered >= MOST_REMEMBERED {
            *self = Self::default();
        }
        let hash = hash_of(self.lists.hasher(), pairs.iter().map(|(key, _)| *key));
        let is_known = self.lists.get(&hash).is_some_and(|list| list.has_keys_of(pairs));
        if !is_known {
            self.remembered += 1;
            self.lists.insert(hash, KeyList::new(pairs, texts));
        }
        let list = self.lists.get_mut(&hash).expect("it is known by now");
        list.metadata(pairs, &mut self.remembered)
    }
}

impl KeyList {
    fn new(pairs: &[(&str, &str)], texts: &mut Texts) -> Self {
        let keys: Vec<Arc<str>> = pairs.iter().map(|(key, _)| texts.shared(key)).collect();
        let last = common(keys.iter().map(|key| (Arc::clone(key), None)).collect());
        let keys = keys.into_iter().map(|key| (key, SeenValues::Few(Vec::new()))).collect();
        Self { keys, combinations: HashMap::default(), last }
    }

    fn has_keys_of(&self, pairs: &[(&str, &str)]) -> bool {
        self.keys.iter().map(|(key, _)| &**key).eq(pairs.iter().map(|(key, _)| *key))
    }

    fn metadata(&mut self, pairs: &[(&str, &str)], remembered: &mut usize) -> Metadata {
        // Once some were seen: before that nothing is known to be common, and everything would fit.
        if self.combinations.is_empty() || !fits(&self.last, pairs) {
            self.last = self.combination(pairs, remembered);
        }
        with_own(self.last.clone(), pairs)
    }

    /// What the instance with these pairs has in common with others.
    fn combination(&mut self, pairs: &[(&str, &str)], remembered: &mut usize) -> MetadataKeys {
        loop {
            let shared = |((key, seen), (_, value)): (&mut (Arc<str>, SeenValues), &(&str, &str))| {
                (Arc::clone(key), seen.shared(value, remembered))
            };
            let found: Vec<(Arc<str>, Option<Arc<str>>)> = self.keys.iter_mut().zip(pairs).map(shared).collect();
            // A text that is no value stands for none.
            let values = found.iter().map(|(_, value)| value.as_deref().unwrap_or("\u{1f}\u{1f}"));
            let hash = hash_of(self.combinations.hasher(), values);
            if let Some(known) = self.combinations.get(&hash).filter(|known| is_same(known, &found)) {
                return known.clone();
            }
            if self.combinations.len() < MOST_COMBINATIONS {
                *remembered += 1;
                let new = common(found);
                self.combinations.insert(hash, new.clone());
                return new;
            }
            self.combinations.clear();
            if let Some((_, seen)) = self.keys.iter_mut().max_by_key(|(_, seen)| seen.number()) {
                *seen = SeenValues::Many; // So that the loop ends: without a value in common there is one combination.
            }
        }
    }
}

fn common(pairs: Vec<(Arc<str>, Option<Arc<str>>)>) -> MetadataKeys {
    MetadataKeys::new(pairs).expect("keys are sorted, each is there once")
}

/// Whether the values in common are those of the pairs. The keys are.
fn fits(common: &MetadataKeys, pairs: &[(&str, &str)]) -> bool {
    common.iter().zip(pairs).all(|((_, shared), (_, value))| shared.is_none_or(|shared| shared == *value))
}

fn is_same(common: &MetadataKeys, pairs: &[(Arc<str>, Option<Arc<str>>)]) -> bool {
    common.iter().map(|(_, value)| value).eq(pairs.iter().map(|(_, value)| value.as_deref()))
}

fn with_own(common: MetadataKeys, pairs: &[(&str, &str)]) -> Metadata {
    let lacking: Vec<&str> =
        common.iter().zip(pairs).filter(|((_, shared), _)| shared.is_none()).map(|(_, (_, value))| *value).collect();
    Metadata::new(common, lacking.into_iter())
}

fn hash_of<'a>(state: &RandomState, texts: impl Iterator<Item = &'a str>) -> u64 {
    let mut hasher = state.build_hasher();
    for text in texts {
        hasher.write(text.as_bytes());
        hasher.write_u8(0xff); // In no text: parts them.
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs<'a>(values: &'a [String], keys: &[&'a str]) -> Vec<(&'a str, &'a str)> {
        keys.iter().copied().zip(values.iter().map(String::as_str)).collect()
    }

    fn own_keys(metadata: &Metadata) -> Vec<String> {
        metadata.keys().iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key.to_owned()).collect()
    }

    #[test]
    fn values_that_repeat_are_shared_and_others_are_not() {
        let (mut memory, mut texts) = (CommonMemory::default(), Texts::default());
        let mut last = None;
        for number in 0..1_000 {
            let values = ["grpc".to_owned(), format!("instance-{number}"), format!("zone-{}", number % 3)];
            let pairs = pairs(&values, &["a", "b", "c"]);
            let metadata = memory.metadata(&pairs, &mut texts);
            assert!(metadata.iter().eq(pairs.iter().copied()), "{number}");
            last = Some(metadata);
        }
        assert_eq!(own_keys(&last.unwrap()), ["b"]);
        let list = memory.lists.values().next().unwrap();
        assert!(list.combinations.len() <= FEW + 3, "{} combinations of three zones", list.combinations.len());
    }

    #[test]
    fn many_combinations_of_few_values_are_not_shared() {
        let (mut memory, mut texts) = (CommonMemory::default(), Texts::default());
        for number in 0..10_000_usize {
            let values: Vec<String> = (1..=6).map(|key| (number.wrapping_mul(7_919) / key % 31).to_string()).collect();
            let pairs = pairs(&values, &["a", "b", "c", "d", "e", "f"]);
            assert!(memory.metadata(&pairs, &mut texts).iter().eq(pairs.iter().copied()), "{number}");
            let list = memory.lists.values().next().unwrap();
            assert!(list.combinations.len() <= MOST_COMBINATIONS);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut memory, mut texts) = (CommonMemory::default(), Texts::default());
        for number in 0..3 * MOST_REMEMBERED {
            let (key, long) = (format!("key-{number}"), "x".repeat(LONGEST_TEXT + 1));
            for pairs in [[(&*key, "v")], [(&*long, "v")], [("key", &*long)]] {
                assert!(memory.metadata(&pairs, &mut texts).iter().eq(pairs));
            }
            assert!(memory.remembered <= MOST_REMEMBERED + 2 && memory.lists.len() <= MOST_REMEMBERED);
        }
    }
}
