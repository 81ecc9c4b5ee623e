//! Metadata of an instance: pairs of texts, as many as there are instances times some. So what many instances have in common, the keys and those
//! values that repeat, lies in one place that they share, and the other values of an instance one after the other in one piece of memory.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Keys of metadata, sorted by their bytes, each once, and with them the values that instances have in common. Cheap to clone: instances share
/// them where somebody sees to that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataKeys(Arc<Box<[CommonPair]>>); // One word in each instance; two without the box.

/// A key, and its value where instances share that as well.
type CommonPair = (Arc<str>, Option<Arc<str>>);

/// Metadata pairs, sorted by key, each key once.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    keys: MetadataKeys,
    /// Length and text of the value of each key that has none there.
    values: Box<str>,
}

impl MetadataKeys {
    /// Of pairs whose keys are sorted by their bytes, each once; `None` if they are not.
    #[must_use]
    pub fn new(pairs: Vec<(Arc<str>, Option<Arc<str>>)>) -> Option<Self> {
        pairs.is_sorted_by(|left, right| left.0 < right.0).then(|| Self(Arc::new(pairs.into())))
    }

    /// The keys in their order, each with its value if that is shared.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(key, value)| (&**key, value.as_deref()))
    }
}

impl Metadata {
    /// Pairs of these keys, with a value of its `own` for each key that has none with it, in their order.
    ///
    /// # Panics
    /// If there are more or fewer values.
    #[must_use]
    pub fn new<'a>(keys: MetadataKeys, own: impl Iterator<Item = &'a str> + Clone) -> Self {
        let lacking = keys.iter().filter(|(_, value)| value.is_none()).count();
        assert_eq!(own.clone().count(), lacking, "each key has a value");
        let length = own.clone().map(|value| value.len() + length_of_length(value.len())).sum();
        let mut packed = String::with_capacity(length);
        for value in own {
            push_length(&mut packed, value.len());
            packed.push_str(value);
        }
        Self { keys, values: packed.into() }
    }

    /// The pairs in the order of their keys' bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &*self.values;
        self.keys.iter().map(move |(key, value)| {
            let value = value.unwrap_or_else(|| {
                let (value, behind) = split_value(rest);
                rest = behind;
                value
            });
            (key, value)
        })
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let pairs = &self.keys.0;
        let found = pairs.binary_search_by(|(candidate, _)| (**candidate).cmp(key)).ok()?;
        pairs[found].1.as_deref().or_else(|| self.iter().nth(found).map(|(_, value)| value))
    }

    /// What it shares with others.
    #[must_use]
    pub fn keys(&self) -> &MetadataKeys {
        &self.keys
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

/// By their pairs, whatever of them is shared.
impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.keys.0, &other.keys.0) {
            return self.values == other.values;
        }
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Metadata {}

impl<K: Into<Arc<str>>, V: AsRef<str>> FromIterator<(K, V)> for Metadata {
    /// Of pairs with one key the last one counts.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let sorted: BTreeMap<Arc<str>, V> = pairs.into_iter().map(|(key, value)| (key.into(), value)).collect();
        let keys = sorted.keys().map(|key| (Arc::clone(key), None)).collect();
        Self::new(MetadataKeys(Arc::new(keys)), sorted.values().map(AsRef::as_ref))
    }
}

/// Of each byte of a length, six bits are digits, and this one says that another byte follows. So all of them are ASCII.
const GOES_ON: usize = 0x40;

/// Bytes that a length takes: six bits in each.
fn length_of_length(length: usize) -> usize {
    let bits = usize::BITS - length.leading_zeros();
    bits.div_ceil(6).max(1) as usize
}

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
        let keys = |keys: &[&str]| MetadataKeys::new(keys.iter().map(|key| (Arc::from(*key), None)).collect());
        assert!(keys(&[]).is_some() && keys(&["a", "b"]).is_some());
        assert!(keys(&["b", "a"]).is_none() && keys(&["a", "a"]).is_none());
    }

    #[test]
    fn metadata_take_no_more_room_than_their_own_values() {
        let metadata = Metadata::new(common(&[("a", None), ("b", Some("shared"))]), ["own"].into_iter());
        assert_eq!(metadata.values.len(), 1 + "own".len());
        assert!(size_of::<Metadata>() <= 3 * size_of::<usize>());
    }

    fn common(pairs: &[(&str, Option<&str>)]) -> MetadataKeys {
        let pair = |(key, value): &(&str, Option<&str>)| (Arc::from(*key), value.map(Arc::from));
        MetadataKeys::new(pairs.iter().map(pair).collect()).unwrap()
    }

    proptest! {
        #[test]
        fn metadata_are_a_map_of_texts(pairs in prop::collection::btree_map("[a-dé]{0,3}", any::<String>(), 0..8)) {
            let metadata: Metadata = pairs.iter().map(|(key, value)| (key.as_str(), value)).collect();
            prop_assert!(metadata.iter().eq(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))));
            prop_assert!(pairs.iter().all(|(key, value)| metadata.get(key) == Some(value)));
            prop_assert_eq!((metadata.len(), metadata.is_empty()), (pairs.len(), pairs.is_empty()));
        }

        /// Whatever of them is shared.
        #[test]
        fn metadata_are_equal_by_their_pairs(
            pairs in prop::collection::btree_map("[a-dé]{0,3}", ".{0,4}", 0..8),
            shared: [[bool; 8]; 2],
            other: prop::sample::Index,
        ) {
            let made = |shared: [bool; 8]| {
                let pair = |((key, value), shared): ((&String, &String), bool)| {
                    (Arc::from(&**key), shared.then(|| Arc::from(&**value)))
                };
                let common = MetadataKeys::new(pairs.iter().zip(shared).map(pair).collect()).unwrap();
                let own = pairs.values().zip(shared).filter(|(_, shared)| !shared).map(|(value, _)| &**value);
                Metadata::new(common, own)
            };
            let [left, right] = shared.map(made);
            prop_assert_eq!(&left, &right);
            prop_assert_eq!(&left, &left.clone());
            prop_assert!(left.iter().eq(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))));
            prop_assert!(pairs.iter().all(|(key, value)| right.get(key) == Some(value)));
            let mut changed = pairs.clone();
            if let Some(value) = (!pairs.is_empty()).then(|| changed.values_mut().nth(other.index(pairs.len()))).flatten() {
                value.push('x');
                prop_assert_ne!(&left, &changed.into_iter().collect::<Metadata>());
            }
        }

        #[test]
        fn values_of_any_length_are_found_again(lengths in prop::collection::vec(0..100_000_usize, 0..4)) {
            let values: Vec<String> = lengths.iter().map(|length| "x".repeat(*length)).collect();
            let pairs = values.iter().zip('a'..).map(|(value, key)| (key.to_string(), value.clone()));
            let metadata: Metadata = pairs.collect();
            prop_assert_eq!(metadata.values.len(), lengths.iter().map(|it| it + length_of_length(*it)).sum::<usize>());
            prop_assert!(metadata.iter().map(|(_, value)| value.len()).eq(lengths));
        }
    }
}
