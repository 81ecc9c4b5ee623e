//! Long polls for config items: who waits over HTTP, for which items, knowing them by which MD5.
//!
//! Input: polls with what they know, and items as they change. Output: the polls to be answered, each with what changed. Clients ask again as soon as
//! they are answered, so that a poll is answered once and then forgotten. Invariants: a poll waits for items that were as it knows them when it
//! came; polls and the items that they name are bounded, because whoever connects can hold them open.

use std::collections::{BTreeMap, BTreeSet};

use federation_core::id::ConfigKey;

/// Polls that may wait at once. Each holds a connection of a few KiB; a client has one for each 3,000 items.
pub const MOST_POLLS: usize = 2_000;
/// Items that all waiting polls may name together: about 300 bytes each.
pub const MOST_ITEMS: usize = 200_000;
/// Items in one poll: what Nacos's own client puts into one.
pub const MOST_ITEMS_EACH: usize = 3_000;

/// An item as a client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownItem {
    /// The item.
    pub key: ConfigKey,
    /// The namespace as the client wrote it.
    pub tenant: String,
    /// Empty: it knows of no item.
    pub md5: String,
}

/// There is no room for another poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many long polls wait already, ask again later")]
pub struct TooMany;

/// All waiting polls; `W` is who waits.
#[derive(Debug)]
pub struct LongPolls<W> {
    waiting: BTreeMap<u64, (W, Vec<KnownItem>)>,
    by_item: BTreeMap<ConfigKey, BTreeSet<u64>>,
    items: usize,
    next: u64,
}

impl<W> Default for LongPolls<W> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), by_item: BTreeMap::new(), items: 0, next: 0 }
    }
}

impl<W> LongPolls<W> {
    /// Lets `who` wait until one of `known` changes.
    ///
    /// # Errors
    /// [`TooMany`], and nobody waits.
    pub fn wait(&mut self, who: W, known: Vec<KnownItem>) -> Result<(), TooMany> {
        if self.waiting.len() >= MOST_POLLS || self.items + known.len() > MOST_ITEMS {
            return Err(TooMany);
        }
        let number = self.next;
        self.next += 1;
        for item in &known {
            self.by_item.entry(item.key.clone()).or_default().insert(number);
        }
        self.items += known.len();
        self.waiting.insert(number, (who, known));
        Ok(())
    }

    /// The item has this MD5 now, empty if it is gone: ends the polls that know it otherwise, and tells what each of them has to be told.
    pub fn changed(&mut self, key: &ConfigKey, md5: &str) -> Vec<(W, Vec<KnownItem>)> {
        let numbers: Vec<u64> = self.by_item.get(key).into_iter().flatten().copied().collect();
        let differs = |item: &&KnownItem| item.key == *key && item.md5 != md5;
        let mut told = Vec::new();
        for number in numbers {
            let changed: Vec<KnownItem> = self.waiting[&number].1.iter().filter(differs).cloned().collect();
            if !changed.is_empty() {
                told.extend(self.take(number).map(|who| (who, changed)));
            }
        }
        told
    }

    /// Forgets the polls of those who have gone.
    pub fn retain(&mut self, is_there: impl Fn(&W) -> bool) {
        let gone = self.waiting.iter().filter(|(_, (who, _))| !is_there(who)).map(|(number, _)| *number);
        for number in gone.collect::<Vec<_>>() {
            self.take(number);
        }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn take(&mut self, number: u64) -> Option<W> {
        let (who, known) = self.waiting.remove(&number)?;
        self.items -= known.len();
        for KnownItem { key, .. } in known {
            if let Some(numbers) = self.by_item.get_mut(&key) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.by_item.remove(&key);
                }
            }
        }
        Some(who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(data_id: &str, md5: &str) -> KnownItem {
        KnownItem { key: ConfigKey::new("public", "g", data_id), tenant: String::new(), md5: md5.into() }
    }

    fn told(told: Vec<(&'static str, Vec<KnownItem>)>) -> Vec<(&'static str, String)> {
        told.into_iter().map(|(who, known)| (who, known[0].key.data_id().to_owned())).collect()
    }

    #[test]
    fn a_poll_ends_with_the_first_item_that_differs_and_is_forgotten_whole() {
        let mut polls = LongPolls::default();
        polls.wait("one", vec![known("a", "1"), known("b", "1")]).unwrap();
        polls.wait("two", vec![known("b", "2")]).unwrap();
        let key = |data_id| known(data_id, "").key;
        assert_eq!(told(polls.changed(&key("c"), "9")), []);
        assert_eq!(told(polls.changed(&key("a"), "1")), [], "it is as it is known");
        assert_eq!(told(polls.changed(&key("b"), "2")), [("one", "b".to_owned())]);
        assert_eq!(told(polls.changed(&key("a"), "9")), [], "answered once");
        assert_eq!(told(polls.changed(&key("b"), "")), [("two", "b".to_owned())], "gone, too, is another");
        assert!(polls.is_empty() && polls.by_item.is_empty() && polls.items == 0);
    }

    #[test]
    fn polls_and_their_items_are_bounded_and_make_room_when_they_go() {
        let mut polls = LongPolls::default();
        for number in 0..MOST_POLLS {
            polls.wait(number, vec![known("a", "")]).unwrap();
        }
        assert_eq!(polls.wait(0, vec![]), Err(TooMany));
        polls.retain(|number| *number >= 100);
        assert_eq!((polls.len(), polls.items), (MOST_POLLS - 100, MOST_POLLS - 100));
        let many = |count: usize| (0..count).map(|number| known(&number.to_string(), "")).collect::<Vec<_>>();
        assert_eq!(polls.wait(0, many(MOST_ITEMS)), Err(TooMany));
        polls.wait(0, many(MOST_ITEMS - polls.items)).unwrap();
        assert_eq!(polls.wait(0, many(1)), Err(TooMany));
    }
}
