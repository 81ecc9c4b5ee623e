//! The last record of each key, and those of one service's instances, as small as they can be: there are as many as there are instances.
//!
//! Most services have few instances: those lie sorted by id in one piece of memory that is no larger than they are, which costs half of a tree's
//! leaves and is read at once. A service of many has a tree, so that a change of it costs no more than the logarithm of their number, whoever
//! writes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::InstanceId;
use crate::instance::Instance;
use crate::log::record::{Epoch, Record, RecordHeader};
use crate::time::WallMs;

/// The last record of a key.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldEntry<T> {
    /// The last value that could be read, if any ever could.
    pub value: Option<Arc<T>>,
    /// High and low half. As one number it would have to lie at a multiple of 16, with as much room lost on the way.
    digest: [u64; 2],
    // The header, field by field: as one value it would be larger by half.
    seq: u64,
    observed: WallMs,
    epoch: Epoch,
    schema: u16,
    header: Presence,
    last: Legibility,
}

/// Whether the last record has a header; its fields are zero if not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Present,
    Missing,
}

/// Whether the last record itself could be read (rule R3: it counts in digests even if not).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Legibility {
    /// The value that is kept is its.
    Readable,
    /// The value that is kept, if any, is of a record before it.
    Unreadable,
}

/// What a key adds to count, digest and bytes of a fold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FoldShare {
    pub(crate) count: u64,
    pub(crate) digest: u128,
    /// Of the value.
    pub(crate) bytes: u64,
}

impl<T> FoldEntry<T> {
    /// An entry of a record with this digest and header.
    #[must_use]
    pub fn new(value: Option<Arc<T>>, last: Legibility, digest: u128, header: Option<RecordHeader>) -> Self {
        let presence = if header.is_some() { Presence::Present } else { Presence::Missing };
        let epoch = Epoch { term: 0, nonce: 0 };
        let none = RecordHeader { schema: 0, epoch, seq: 0, observed: WallMs(0) };
        let RecordHeader { schema, epoch, seq, observed } = header.unwrap_or(none);
        let digest = [(digest >> 64) as u64, digest as u64];
        Self { value, digest, seq, observed, epoch, schema, header: presence, last }
    }

    /// Digest of the last record.
    #[must_use]
    pub fn digest(&self) -> u128 {
        let [high, low] = self.digest;
        u128::from(high) << 64 | u128::from(low)
    }

    /// Header of the last record, if it had one.
    #[must_use]
    pub fn header(&self) -> Option<RecordHeader> {
        let Self { seq, observed, epoch, schema, .. } = *self;
        (self.header == Presence::Present).then_some(RecordHeader { schema, epoch, seq, observed })
    }

    /// Whether the last record itself could be read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.last == Legibility::Readable
    }

    /// What the key adds, with its value weighed by `bytes_of`.
    pub(crate) fn share(&self, bytes_of: impl Fn(&T) -> u64) -> FoldShare {
        FoldShare { count: 1, digest: self.digest(), bytes: self.value.as_deref().map_or(0, bytes_of) }
    }
}

impl<T: PartialEq> FoldEntry<T> {
    /// The entry after a record whose value was `read`, and whether that shows another value than the entry before.
    pub(crate) fn next(before: Option<&Self>, read: Option<&Arc<T>>, record: &Record) -> (Self, bool) {
        let kept = || before.and_then(|entry| entry.value.clone());
        let value = read.cloned().or_else(kept);
        let changed = before.and_then(|entry| entry.value.as_ref()) != value.as_ref();
        let last = if read.is_some() { Legibility::Readable } else { Legibility::Unreadable };
        (Self::new(value, last, record.digest, record.header), changed)
    }
}

/// So many lie in one piece: moving them all costs about as much as the way down a tree.
const FEW: usize = 64;

/// Instances of one service of one origin, by id. A clone costs nothing and stays as it is: whoever changes one of two copies it then.
#[derive(Clone, Debug, Default)]
pub struct ServiceEntries(Arc<Entries>);

#[derive(Clone, Debug)]
enum Entries {
    /// Sorted by id, at most [`FEW`].
    Few(Vec<(InstanceId, FoldEntry<Instance>)>),
    /// Stays a tree until it is empty.
    Many(BTreeMap<InstanceId, FoldEntry<Instance>>),
}

impl Default for Entries {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

/// By what is in them, however it lies.
impl PartialEq for ServiceEntries {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl ServiceEntries {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &*self.0 {
            Entries::Few(few) => few.len(),
            Entries::Many(many) => many.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry of an instance.
    #[must_use]
    pub fn get(&self, id: &InstanceId) -> Option<&FoldEntry<Instance>> {
        match &*self.0 {
            Entries::Few(few) => few.binary_search_by(|(found, _)| found.cmp(id)).ok().map(|at| &few[at].1),
            Entries::Many(many) => many.get(id),
        }
    }

    /// All of them, sorted by id.
    pub fn iter(&self) -> impl Iterator<Item = (&InstanceId, &FoldEntry<Instance>)> {
        let (few, many) = match &*self.0 {
            Entries::Few(few) => (few.as_slice(), None),
            Entries::Many(many) => (&[][..], Some(many)),
        };
        few.iter().map(|(id, entry)| (id, entry)).chain(many.into_iter().flatten())
    }

    /// All ids, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &InstanceId> {
        self.iter().map(|(id, _)| id)
    }

    /// Puts the entry of an instance in the place of the one before. Gives that.
    pub(crate) fn insert(&mut self, id: &InstanceId, entry: FoldEntry<Instance>) -> Option<FoldEntry<Instance>> {
        let entries = Arc::make_mut(&mut self.0);
        let few = match entries {
            Entries::Many(many) => return many.insert(id.clone(), entry),
            Entries::Few(few) => few,
        };
        match few.binary_search_by(|(found, _)| found.cmp(id)) {
            Ok(at) => Some(std::mem::replace(&mut few[at].1, entry)),
            Err(at) if few.len() < FEW => {
                few.reserve_exact(1); // No more room than it needs: most services never grow again.
                few.insert(at, (id.clone(), entry));
                None
            }
            Err(_) => {
                let mut many: BTreeMap<_, _> = std::mem::take(few).into_iter().collect();
                many.insert(id.clone(), entry);
                *entries = Entries::Many(many);
                None
            }
        }
    }

    /// Takes the entry of an instance out.
    pub(crate) fn remove(&mut self, id: &InstanceId) -> Option<FoldEntry<Instance>> {
        match Arc::make_mut(&mut self.0) {
            Entries::Few(few) => {
                let at = few.binary_search_by(|(found, _)| found.cmp(id)).ok()?;
                Some(few.remove(at).1)
            }
            Entries::Many(many) => many.remove(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(digest: u128) -> FoldEntry<Instance> {
        FoldEntry::new(None, Legibility::Unreadable, digest, None)
    }

    proptest! {
        /// More ids than lie in one piece, so that both ways of lying are met.
        #[test]
        fn entries_are_those_of_a_tree_whatever_is_put_in_and_taken_out(
            changes in prop::collection::vec((0..200_u16, prop::option::of(any::<u128>())), 0..600),
        ) {
            let (mut entries, mut tree) = (ServiceEntries::default(), BTreeMap::new());
            for (port, digest) in changes {
                let id = InstanceId::new("10.0.0.1", port, "DEFAULT");
                let (before, expected) = match digest {
                    Some(digest) => (entries.insert(&id, entry(digest)), tree.insert(id, entry(digest))),
                    None => (entries.remove(&id), tree.remove(&id)),
                };
                prop_assert_eq!(before, expected);
                prop_assert_eq!(entries.len(), tree.len());
            }
            prop_assert!(entries.iter().eq(tree.iter()));
            prop_assert!(tree.iter().all(|(id, entry)| entries.get(id) == Some(entry)));
        }
    }

    #[test]
    fn an_entry_has_what_it_was_made_of_and_is_small() {
        let header = RecordHeader { schema: 2, epoch: Epoch { term: 3, nonce: 4 }, seq: 5, observed: WallMs(6) };
        for header in [Some(header), None] {
            for (last, readable) in [(Legibility::Readable, true), (Legibility::Unreadable, false)] {
                let digest = u128::MAX - 7;
                let entry = FoldEntry::<Instance>::new(None, last, digest, header);
                assert_eq!((entry.digest(), entry.header(), entry.is_readable()), (digest, header, readable));
            }
        }
        assert!(size_of::<FoldEntry<Instance>>() <= 56, "there are as many as there are instances");
    }

    #[test]
    fn a_clone_stays_as_it_is() {
        let id = InstanceId::new("10.0.0.1", 80, "DEFAULT");
        let mut entries = ServiceEntries::default();
        entries.insert(&id, entry(1));
        let kept = entries.clone();
        entries.insert(&id, entry(2));
        assert_eq!([&kept, &entries].map(|it| it.get(&id).map(FoldEntry::digest)), [Some(1), Some(2)]);
        entries.remove(&id);
        assert_eq!((kept.len(), entries.len()), (1, 0));
    }

    #[test]
    fn entries_are_equal_by_what_is_in_them() {
        let id = |port| InstanceId::new("10.0.0.1", port, "DEFAULT");
        let (mut shrunk, mut small) = (ServiceEntries::default(), ServiceEntries::default());
        (0..100).for_each(|port| drop(shrunk.insert(&id(port), entry(u128::from(port)))));
        (1..100).for_each(|port| drop(shrunk.remove(&id(port))));
        small.insert(&id(0), entry(0));
        assert_eq!(shrunk, small);
        small.insert(&id(0), entry(1));
        assert_ne!(shrunk, small);
    }
}
