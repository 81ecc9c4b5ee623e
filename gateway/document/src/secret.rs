//! Values that must not be shown.

use std::fmt;

use serde::{Serialize, Serializer};

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// A password or token. However it is printed, `***` appears; only [`Secret::expose`] gives the value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `value`.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value, for sending it where it belongs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

/// Whether a property of this name holds a secret, for names that are not ours.
#[must_use]
pub fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // `.pem` holds keys in their text form; `oauthbearer.config` and `jaas` carry passwords inside.
    ["password", "secret", "token", "credential", "jaas", ".pem", "oauthbearer.config", "passphrase"]
        .iter()
        .any(|word| name.contains(word))
}
