//! What a caller shows of itself, as far as answers depend on it.

use std::collections::HashMap;
use std::time::Duration;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};
use serde::Deserialize;

/// The header of a token that a login gave.
const TOKEN: &str = "accessToken";
/// Headers that say nothing of who calls: the name of the application, as SDKs send it with each call.
const NO_CREDENTIAL: [&str; 2] = ["app", "Client-AppName"];
/// Longest token that is looked into.
const TOKEN_BYTES: usize = 16 << 10;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// Good for many calls: a token, or nothing at all.
    Lasting {
        /// Of all that it shows: whoever shows the same is the same.
        digest: blake3::Hash,
        /// When it ends by its own word, as time since 1970; `None` if it says nothing.
        expires: Option<Duration>,
    },
    /// Signed for this call alone.
    OfOneCall,
}

impl Credential {
    /// Reads the headers of a call. Whatever a plugin may look at counts: headers that are not known are part of who the caller is.
    pub(super) fn of(headers: &HashMap<String, String>) -> Self {
        if headers.keys().any(|name| name.to_ascii_lowercase().contains("signature")) {
            return Self::OfOneCall;
        }
        let mut shown: Vec<(&String, &String)> =
            headers.iter().filter(|(name, _)| !NO_CREDENTIAL.contains(&name.as_str())).collect();
        shown.sort_unstable();
        let mut hasher = blake3::Hasher::new();
        for text in shown.into_iter().flat_map(|(name, value)| [name, value]) {
            hasher.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        Self::Lasting { digest: hasher.finalize(), expires: headers.get(TOKEN).and_then(|token| expiry_of(token)) }
    }
}

/// The end of a JSON web token by its own word. Whether the word is good is for the local Nacos to say; it is believed about an answer that
/// Nacos gave.
fn expiry_of(token: &str) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Claims {
        exp: u64,
    }
    let claims = token.split('.').nth(1).filter(|_| token.len() <= TOKEN_BYTES)?;
    let claims: Claims = serde_json::from_slice(&BASE64_URL.decode(claims).ok()?).ok()?;
    Some(Duration::from_secs(claims.exp))
}

/// Without padding, and with that of careless writers.
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(headers: &[(&str, &str)]) -> Credential {
        Credential::of(&headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_token_says_when_it_ends_and_what_is_no_token_says_nothing() {
        // {"sub":"nacos","exp":1700000000}
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJuYWNvcyIsImV4cCI6MTcwMDAwMDAwMH0.c2ln";
        assert_eq!(expiry_of(token), Some(Duration::from_secs(1_700_000_000)));
        for nothing in ["", "abc", "a.b.c", "a.!!.c", "a.e30.c", "a.bnVsbA.c", "..", "a.eyJleHAiOi0xfQ.c"] {
            assert_eq!(expiry_of(nothing), None, "{nothing}");
        }
        let long = format!("a.{}.c", "A".repeat(TOKEN_BYTES));
        assert_eq!(expiry_of(&long), None);
    }

    #[test]
    fn callers_are_the_same_that_show_the_same() {
        let token = shown(&[("accessToken", "t"), ("app", "orders")]);
        assert_eq!(token, shown(&[("app", "stock"), ("accessToken", "t")]));
        assert_ne!(token, shown(&[("accessToken", "u")]));
        assert_ne!(token, shown(&[]));
        assert_ne!(shown(&[("a", "bc")]), shown(&[("ab", "c")]), "where a text ends is part of it");
        assert_eq!(shown(&[("Spas-Signature", "x"), ("accessToken", "t")]), Credential::OfOneCall);
        assert_eq!(shown(&[("ak", "k"), ("data", "d"), ("signature", "s")]), Credential::OfOneCall);
    }
}
