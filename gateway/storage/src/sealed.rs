//! The form of small documents: one JSON object with a version, a checksum and what is saved.
//!
//! The checksum is BLAKE3 over the bytes of `saved` as they stand in the file, so that it holds whatever a later version adds to it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The version that is written. Documents from before it have none and are their reader's business.
const FORMAT: u64 = 2;

/// Why a document is not taken.
#[derive(Debug, thiserror::Error)]
pub enum UnsealedReason {
    /// Nothing is in the file.
    #[error("it is empty")]
    Empty,
    /// It ends early, or something else wrote it.
    #[error("it is cut off, or no document of this program: {0}")]
    NotOurs(#[source] serde_json::Error),
    /// It has no version: from before there were any, or from somebody else.
    #[error("it has no version")]
    NoVersion,
    /// Another version of this program wrote it.
    #[error("it is of version {0}, this program reads version {FORMAT}")]
    Version(u64),
    /// It changed after it was written.
    #[error("its checksum does not fit")]
    Checksum,
    /// It is whole, and says something else than is looked for here.
    #[error("it is not what belongs here: {0}")]
    Content(#[source] serde_json::Error),
}

#[derive(Deserialize)]
struct Head {
    format: Option<u64>,
}

#[derive(Deserialize, Serialize)]
struct Sealed<'a> {
    format: u64,
    checksum: String,
    #[serde(borrow)]
    saved: &'a RawValue,
}

/// The document's bytes.
///
/// # Panics
/// If `saved` cannot be JSON: a map with keys that are no texts.
#[must_use]
pub fn seal(saved: &impl Serialize) -> Vec<u8> {
    let saved = serde_json::value::to_raw_value(saved).expect("what is saved has keys of text only");
    let sealed = Sealed { format: FORMAT, checksum: checksum(&saved), saved: &saved };
    serde_json::to_vec(&sealed).expect("a struct of a number, a text and JSON")
}

/// What is saved in a document.
///
/// # Errors
/// Why it is not taken. [`UnsealedReason::NoVersion`] leaves it to the caller to look for an older form.
pub fn unseal<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, UnsealedReason> {
    if bytes.is_empty() {
        return Err(UnsealedReason::Empty);
    }
    let head: Head = serde_json::from_slice(bytes).map_err(UnsealedReason::NotOurs)?;
    match head.format {
        Some(FORMAT) => {}
        Some(other) => return Err(UnsealedReason::Version(other)),
        None => return Err(UnsealedReason::NoVersion),
    }
    let sealed: Sealed<'_> = serde_json::from_slice(bytes).map_err(UnsealedReason::NotOurs)?;
    if checksum(sealed.saved) != sealed.checksum {
        return Err(UnsealedReason::Checksum);
    }
    serde_json::from_str(sealed.saved.get()).map_err(UnsealedReason::Content)
}

fn checksum(saved: &RawValue) -> String {
    blake3::hash(saved.get().as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_document_is_read_whole_or_refused_with_the_reason() {
        let saved: BTreeMap<&str, &str> = [("a", "ä\r\n"), ("b", "{}")].into();
        let whole = String::from_utf8(seal(&saved)).unwrap();
        let read = |text: &str| unseal::<BTreeMap<String, String>>(text.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(read(&whole).unwrap()["a"], "ä\r\n");
        for (name, text, want) in [
            ("empty", String::new(), "it is empty"),
            ("cut off", whole[..whole.len() - 1].to_owned(), "it is cut off"),
            ("foreign", "# a comment".to_owned(), "it is cut off, or no document"),
            ("changed", whole.replace("\\r", "\\t"), "its checksum does not fit"),
            ("newer", whole.replace("\"format\":2", "\"format\":3"), "it is of version 3"),
            ("from before versions", "{\"a\": \"b\"}".to_owned(), "it has no version"),
            ("something else", String::from_utf8(seal(&[1])).unwrap(), "it is not what belongs here"),
        ] {
            let refused = read(&text).unwrap_err();
            assert!(refused.starts_with(want), "{name}: {refused}");
        }
    }
}
