//! Metadata of an instance: pairs of texts, as many as there are instances times some. So they lie close: keys, which most instances of a
//! federation have in common, in a list that instances share; values one after the other in one piece of memory.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Keys of metadata, sorted by their bytes, each once. Cheap to clone: instances with the same keys share them where somebody sees to that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MetadataKeys(Arc<[Arc<str>]>);

/// Metadata pairs, sorted by key, each key once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    keys: MetadataKeys,
    /// Length and text of each key's value.
    values: Arc<str>,
}

impl MetadataKeys {
    /// Of keys that are sorted by their bytes, each once; `None` if they are not.
    #[must_use]
    pub fn new(keys: Vec<Arc<str>>) -> Option<Self> {
        keys.is_sorted_by(|left, right| left < right).then(|| Self(keys.into()))
    }

    /// The keys in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|key| &**key)
    }
}

impl Metadata {
    /// Pairs of these keys with as many values, in the order of the keys.
    ///
    /// # Panics
    /// If there are more or fewer values than keys.
    #[must_use]
    pub fn new<'a>(keys: MetadataKeys, values: impl ExactSizeIterator<Item = &'a str> + Clone) -> Self {
        assert_eq!(values.len(), keys.0.len(), "each key has a value");
        let length = values.clone().map(|value| value.len() + LONGEST_LENGTH).sum();
        let mut packed = String::with_capacity(length);
        for value in values {
            push_length(&mut packed, value.len());
            packed.push_str(value);
        }
        Self { keys, values: packed.into() }
    }

    /// The pairs in the order of their keys' bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &*self.values;
        self.keys.iter().map(move |key| {
            let (value, behind) = split_value(rest);
            rest = behind;
            (key, value)
        })
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.keys.0.binary_search_by(|candidate| (**candidate).cmp(key)).ok()?;
        self.iter().nth(found).map(|(_, value)| value)
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.0.len()
    }

    /// Whether there is no pair.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.0.is_empty()
    }
}

impl<K: Into<Arc<str>>, V: AsRef<str>> FromIterator<(K, V)> for Metadata {
    /// Of pairs with one key the last one counts.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let sorted: BTreeMap<Arc<str>, V> = pairs.into_iter().map(|(key, value)| (key.into(), value)).collect();
        let keys = MetadataKeys(sorted.keys().cloned().collect());
        Self::new(keys, sorted.values().map(AsRef::as_ref))
    }
}

/// Bytes that a length takes at most: 64 bits, six in each.
const LONGEST_LENGTH: usize = 11;
/// Of each byte of a length, six bits are digits, and this one says that another byte follows. So all of them are ASCII.
const GOES_ON: usize = 0x40;

fn push_length(text: &mut String, mut length: usize) {
    while length >= GOES_ON {
        push_byte(text, GOES_ON | (length % GOES_ON));
        length /= GOES_ON;
    }
    push_byte(text, length);
}

fn push_byte(text: &mut String, byte: usize) {
    text.push(char::from(u8::try_from(byte).expect("seven bits")));
}

/// The value at the beginning, and what is behind it.
fn split_value(text: &str) -> (&str, &str) {
    let (mut length, mut at, mut shift) = (0, 0, 0);
    loop {
        let byte = usize::from(text.as_bytes()[at]);
        (length, at, shift) = (length + ((byte % GOES_ON) << shift), at + 1, shift + 6);
        if byte < GOES_ON {
            return text[at..].split_at(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn metadata_finds_its_values_whatever_order_they_came_in() {
        let metadata: Metadata = [("b", "2"), ("a", "1"), ("b", "3")].into_iter().collect();
        assert_eq!(metadata.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "3")]);
        assert_eq!((metadata.get("b"), metadata.get("c")), (Some("3"), None));
    }

    #[test]
    fn keys_are_sorted_and_each_is_there_once() {
        let keys = |keys: &[&str]| MetadataKeys::new(keys.iter().map(|key| Arc::from(*key)).collect());
        assert!(keys(&[]).is_some() && keys(&["a", "b"]).is_some());
        assert!(keys(&["b", "a"]).is_none() && keys(&["a", "a"]).is_none());
    }

    proptest! {
        #[test]
        fn metadata_are_a_map_of_texts(pairs in prop::collection::btree_map("[a-dé]{0,3}", any::<String>(), 0..8)) {
            let metadata: Metadata = pairs.iter().map(|(key, value)| (key.as_str(), value)).collect();
            prop_assert!(metadata.iter().eq(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))));
            prop_assert!(pairs.iter().all(|(key, value)| metadata.get(key) == Some(value)));
            prop_assert_eq!((metadata.len(), metadata.is_empty()), (pairs.len(), pairs.is_empty()));
        }

        #[test]
        fn values_of_any_length_are_found_again(lengths in prop::collection::vec(0..100_000_usize, 0..4)) {
            let values: Vec<String> = lengths.iter().map(|length| "x".repeat(*length)).collect();
            let pairs = values.iter().zip('a'..).map(|(value, key)| (key.to_string(), value.clone()));
            let metadata: Metadata = pairs.collect();
            prop_assert!(metadata.iter().map(|(_, value)| value.len()).eq(lengths));
        }
    }
}
