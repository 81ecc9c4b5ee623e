//! A text that is looked for in names, whatever the case of its letters.
//!
//! Input: what somebody typed, and names. Output: whether a name has it as a part. Names of ASCII letters, which nearly all are, are compared
//! where they lie; only others are made small letters first.

use std::str::FromStr;

use crate::id::{ConfigKey, ServiceKey};

/// Longest text that is looked for, in bytes.
pub const LONGEST_SEARCH_BYTES: usize = 256;

/// A part of a name, at least one character.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameSearch {
    /// In small letters.
    wanted: Box<str>,
}

/// A text that cannot be looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("1 to {LONGEST_SEARCH_BYTES} bytes can be looked for, not {bytes}")]
pub struct InvalidSearch {
    /// The text's length.
    pub bytes: usize,
}

impl FromStr for NameSearch {
    type Err = InvalidSearch;
    /// Accepts any text of 1 to [`LONGEST_SEARCH_BYTES`].
    fn from_str(text: &str) -> Result<Self, InvalidSearch> {
        let valid = (1..=LONGEST_SEARCH_BYTES).contains(&text.len());
        valid.then(|| Self { wanted: text.to_lowercase().into() }).ok_or(InvalidSearch { bytes: text.len() })
    }
}

impl NameSearch {
    /// Whether the text is a part of the name.
    #[must_use]
    pub fn finds(&self, name: &str) -> bool {
        if name.is_ascii() { self.finds_ascii(name.as_bytes()) } else { name.to_lowercase().contains(&*self.wanted) }
    }

    /// Whether it is a part of the namespace, of the group or of the service's name.
    #[must_use]
    pub fn finds_service(&self, key: &ServiceKey) -> bool {
        self.finds(key.service()) || self.finds(key.group()) || self.finds(key.namespace())
    }

    /// Whether it is a part of the namespace, of the group or of the data id.
    #[must_use]
    pub fn finds_config(&self, key: &ConfigKey) -> bool {
        self.finds(key.data_id()) || self.finds(key.group()) || self.finds(key.namespace())
    }

    fn finds_ascii(&self, name: &[u8]) -> bool {
        let wanted = self.wanted.as_bytes();
        let Some(last) = name.len().checked_sub(wanted.len()) else { return false };
        let begins = |at: &usize| name[*at].eq_ignore_ascii_case(&wanted[0]);
        (0..=last).filter(begins).any(|at| name[at..at + wanted.len()].eq_ignore_ascii_case(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_name_is_found_whatever_its_case() {
        for (wanted, name, found) in [
            ("order", "orders", true),
            ("ORDER", "shop-Orders", true),
            ("orders", "order", false),
            ("s", "", false),
            ("rss", "orders", false),
            ("é", "CAFÉ", true),
            ("STRASSE", "strasse-ä", true),
            ("订单", "shop-订单-1", true),
            ("订单", "orders", false),
            ("a", "ÄA", true),
        ] {
            assert_eq!(wanted.parse::<NameSearch>().unwrap().finds(name), found, "{wanted} in {name}");
        }
    }

    #[test]
    fn each_part_of_a_key_is_looked_into_and_none_across_two() {
        let key = ServiceKey::new("prod", "SHOP", "orders");
        let finds = |text: &str| text.parse::<NameSearch>().unwrap().finds_service(&key);
        assert_eq!(["ro", "hop", "DERS", "dsho", "poer"].map(finds), [true, true, true, false, false]);
        let key = ConfigKey::new("prod", "SHOP", "app.yaml");
        let finds = |text: &str| text.parse::<NameSearch>().unwrap().finds_config(&key);
        assert_eq!(["PRO", "shop", ".y", "papp"].map(finds), [true, true, true, false]);
    }

    #[test]
    fn nothing_and_what_is_too_long_is_not_looked_for() {
        for length in [0, LONGEST_SEARCH_BYTES + 1] {
            assert_eq!("x".repeat(length).parse::<NameSearch>(), Err(InvalidSearch { bytes: length }));
        }
    }
}
