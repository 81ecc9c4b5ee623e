//! Who gave an order.

use std::sync::Arc;

/// Longest part of [`OrderGiver`], in bytes.
const LONGEST_PART: usize = 512;

/// Who gave an order, as the gateway that took it found out, not as the order says of itself. All of it is empty where that is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OrderGiver {
    /// Who it is, for example `token:ops`.
    pub identity: Arc<str>,
    /// The address from which the order came.
    pub from: Arc<str>,
    /// By what he is known, for example `token`.
    pub means: Arc<str>,
}

impl OrderGiver {
    /// Of texts that may be long: each is cut after 512 bytes.
    #[must_use]
    pub fn new(identity: &str, from: &str, means: &str) -> Self {
        let part = |text: &str| text[..text.floor_char_boundary(LONGEST_PART)].into();
        Self { identity: part(identity), from: part(from), means: part(means) }
    }

    /// Its parts.
    pub fn parts(&self) -> impl Iterator<Item = &Arc<str>> {
        [&self.identity, &self.from, &self.means].into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_part_is_cut_between_characters() {
        let giver = OrderGiver::new(&"é".repeat(400), "10.0.0.1:5", &"x".repeat(513));
        assert_eq!((giver.identity.len(), &*giver.from, giver.means.len()), (512, "10.0.0.1:5", 512));
        assert_eq!(OrderGiver::new(&"x€".repeat(200), "", "").identity.len(), 512);
        assert_eq!(OrderGiver::new(&"€".repeat(200), "", "").identity.len(), 510);
    }
}
