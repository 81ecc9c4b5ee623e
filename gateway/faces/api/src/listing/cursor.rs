//! Where a page ended, as a text for whoever asks for the next one: the last row's value and name, so that what comes and goes before it moves
//! nothing.

use federation_core::id::ServiceKey;

use super::ListOrder;
use crate::ask::{BadField, Field};

/// Longest text of a cursor in bytes: three names of the longest that Nacos allows, escaped and in hexadecimal.
const LONGEST_CURSOR: usize = 16 << 10;

/// The last row of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListCursor {
    pub(crate) order: ListOrder,
    /// What the list is sorted by; 0 by name.
    pub(crate) value: u64,
    pub(crate) key: ServiceKey,
}

impl ListCursor {
    /// Letters and digits only: it stands in addresses as it is.
    pub(crate) fn text(&self) -> String {
        let parts = (self.order.as_str(), self.value, self.key.namespace(), self.key.group(), self.key.service());
        let bytes = serde_json::to_vec(&parts).expect("texts and a number are JSON");
        bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            for half in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(half), 16).expect("four bits are a digit"));
            }
            text
        })
    }

    /// Reads what `text` made, for a list of this order.
    pub(crate) fn parse(text: &str, order: ListOrder) -> Result<Self, BadField> {
        let wrong = || {
            let beginning: String = text.chars().take(32).collect();
            let detail =
                "it is not a `nextCursor` of an answer to the same question; ask without one for the first page";
            BadField::new(Field::Cursor, &beginning, detail)
        };
        let bytes = hexadecimal(text).ok_or_else(wrong)?;
        type Parts = (String, u64, String, String, String);
        let (word, value, namespace, group, name): Parts = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        let same_order = word == order.as_str();
        same_order.then(|| Self { order, value, key: ServiceKey::new(&namespace, &group, &name) }).ok_or_else(wrong)
    }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|it| u8::try_from(it).ok())).collect::<Option<_>>()?;
    let fits = digits.len().is_multiple_of(2) && text.len() <= LONGEST_CURSOR;
    fits.then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
