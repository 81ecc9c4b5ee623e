//! Shares texts and service keys that repeat from record to record, so that half a million instances of a few thousand
//! services hold each name once. Bounded in number and in length, so in bytes: when full it forgets all, which costs memory for a while and
//! nothing else. Each origin has one of its own: who writes new names all the time makes no other forget.

mod common;

use std::collections::HashSet;
use std::sync::Arc;

use federation_core::id::ServiceKey;
use federation_core::instance::Metadata;
use foldhash::fast::RandomState;

use self::common::CommonMemory;

/// Distinct texts, and distinct service keys, remembered at most.
const CAPACITY: usize = 100_000;
/// Longer texts are seldom repeated.
const LONGEST_TEXT: usize = 64;
/// Service keys with longer names, of all three parts together, are seldom true.
const LONGEST_KEY: usize = 512;

/// One decoder's memory of texts and keys.
#[derive(Debug, Default)]
pub struct TextInterner {
    texts: Texts,
    services: HashSet<ServiceKey, RandomState>,
    metadata: CommonMemory,
    /// The last service that was looked for, under its name as it stands in a record's key: the next one is often the same.
    last: Option<(String, ServiceKey)>,
}

/// Texts, each once.
#[derive(Debug, Default)]
struct Texts(HashSet<Arc<str>, RandomState>);

impl Texts {
    fn shared(&mut self, text: &str) -> Arc<str> {
        if text.len() > LONGEST_TEXT {
            return text.into();
        }
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        if self.0.len() == CAPACITY {
            self.0.clear();
        }
        let new: Arc<str> = text.into();
        self.0.insert(Arc::clone(&new));
        new
    }
}

impl TextInterner {
    /// An equal text, the same allocation as before where one is remembered.
    pub fn text(&mut self, text: &str) -> Arc<str> {
        self.texts.shared(text)
    }

    /// An equal key, the same allocation as before where one is remembered.
    pub fn service(&mut self, key: ServiceKey) -> ServiceKey {
        if key.namespace().len() + key.group().len() + key.service().len() > LONGEST_KEY {
            return key;
        }
        if let Some(known) = self.services.get(&key) {
            return known.clone();
        }
        if self.services.len() == CAPACITY {
            self.services.clear();
        }
        self.services.insert(key.clone());
        key
    }

    /// The service that [`TextInterner::named_service`] was last told of, if it was by this name.
    pub(crate) fn last_service(&self, name: &str) -> Option<ServiceKey> {
        self.last.as_ref().filter(|(last, _)| last == name).map(|(_, key)| key.clone())
    }

    /// As [`TextInterner::service`]; the next one is perhaps under the same name.
    pub(crate) fn named_service(&mut self, name: &str, key: ServiceKey) -> ServiceKey {
        let key = self.service(key);
        if name.len() <= LONGEST_KEY {
            let mut text = self.last.take().map(|(text, _)| text).unwrap_or_default();
            text.clear();
            text.push_str(name);
            self.last = Some((text, key.clone()));
        }
        key
    }

    /// Metadata of these pairs, which shares with others what it has in common with them. Keys are sorted, each is there once.
    ///
    /// # Panics
    /// If they are not.
    pub(crate) fn metadata(&mut self, pairs: &[(&str, &str)]) -> Metadata {
        self.metadata.metadata(pairs, &mut self.texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_text_is_one_allocation_until_the_memory_is_full() {
        let mut interner = TextInterner::default();
        let first = interner.text("version");
        assert!(Arc::ptr_eq(&first, &interner.text("version")));
        for number in 0..CAPACITY {
            interner.text(&number.to_string());
        }
        assert!(interner.texts.0.len() <= CAPACITY);
        let again = interner.text("version");
        assert_eq!(first, again);
        assert!(!Arc::ptr_eq(&first, &again));
    }

    #[test]
    fn a_service_is_found_by_its_last_name_only() {
        let mut interner = TextInterner::default();
        let key = interner.named_service("name", ServiceKey::new("n", "g", "s"));
        assert_eq!((interner.last_service("name"), interner.last_service("nam")), (Some(key), None));
    }

    #[test]
    fn long_texts_and_keys_are_not_remembered() {
        let mut interner = TextInterner::default();
        interner.text(&"x".repeat(LONGEST_TEXT + 1));
        interner.service(ServiceKey::new("", "g", &"x".repeat(LONGEST_KEY)));
        assert!(interner.texts.0.is_empty() && interner.services.is_empty());
        interner.service(ServiceKey::new("", "g", &"x".repeat(LONGEST_KEY - 1)));
        assert_eq!(interner.services.len(), 1);
    }
}
