//! Shares texts and service keys that repeat from record to record, so that half a million instances of a few thousand
//! services hold each name once. Bounded in number and in length, so in bytes: when full it forgets all, which costs memory for a while and
//! nothing else. Each origin has one of its own: who writes new names all the time makes no other forget.

use std::collections::HashSet;
use std::sync::Arc;

use federation_core::id::ServiceKey;
use foldhash::fast::RandomState;

/// Distinct texts, and distinct service keys, remembered at most.
const CAPACITY: usize = 100_000;
/// Longer texts are seldom repeated.
const LONGEST_TEXT: usize = 64;
/// Service keys with longer names, of all three parts together, are seldom true.
const LONGEST_KEY: usize = 512;

/// One decoder's memory of texts and keys.
#[derive(Debug, Default)]
pub struct TextInterner {
    texts: HashSet<Arc<str>, RandomState>,
    services: HashSet<ServiceKey, RandomState>,
}

impl TextInterner {
    /// An equal text, the same allocation as before where one is remembered.
    pub fn text(&mut self, text: &str) -> Arc<str> {
        if text.len() > LONGEST_TEXT {
            return text.into();
        }
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        if self.texts.len() == CAPACITY {
            self.texts.clear();
        }
        let new: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&new));
        new
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
        assert!(interner.texts.len() <= CAPACITY);
        let again = interner.text("version");
        assert_eq!(first, again);
        assert!(!Arc::ptr_eq(&first, &again));
    }

    #[test]
    fn long_texts_and_keys_are_not_remembered() {
        let mut interner = TextInterner::default();
        interner.text(&"x".repeat(LONGEST_TEXT + 1));
        interner.service(ServiceKey::new("", "g", &"x".repeat(LONGEST_KEY)));
        assert!(interner.texts.is_empty() && interner.services.is_empty());
        interner.service(ServiceKey::new("", "g", &"x".repeat(LONGEST_KEY - 1)));
        assert_eq!(interner.services.len(), 1);
    }
}
