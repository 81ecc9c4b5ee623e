//! Static tokens: 256 random bits that somebody carries, and the digest of them that a file keeps.
//!
//! A fast digest, SHA-256, is enough: a password needs a slow one because it can be guessed, 256 random bits cannot. A file that is read by
//! somebody else gives no token away.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use federation_document::secret::Secret;

/// What every token begins with, so that people and scanners of secrets know one where they see it.
pub const TOKEN_PREFIX: &str = "nfed_";
/// What the token of a session begins with.
pub const SESSION_PREFIX: &str = "nfeds_";
/// Random bytes of a token.
const RANDOM_BYTES: usize = 32;
/// Longest thing that is taken for a token or the like, in bytes: JWTs with many groups have some thousands.
pub const LONGEST_SHOWN_BYTES: usize = 16 << 10;

/// A new token.
///
/// # Panics
/// The system has no randomness to give, without which nothing here is safe.
#[must_use]
pub fn new_token() -> Secret {
    random_text(TOKEN_PREFIX)
}

/// 256 random bits as a text after `prefix`.
///
/// # Panics
/// As [`new_token`].
pub(crate) fn random_text(prefix: &str) -> Secret {
    let mut random = [0; RANDOM_BYTES];
    aws_lc_rs::rand::fill(&mut random).expect("the system's source of randomness works");
    Secret::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random)))
}

/// Whether two texts are the same; takes the same time whatever differs, but for their lengths.
#[must_use]
pub fn is_same_secret(shown: &[u8], known: &Secret) -> bool {
    verify_slices_are_equal(shown, known.expose().as_bytes()).is_ok()
}

/// The SHA-256 of a token.
#[derive(Clone, Copy)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Of what somebody shows.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits, as [`TokenDigest`] is shown.
    #[must_use]
    pub fn of_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Where it is looked for. That a search takes longer for some beginnings tells nobody a token: of a digest nobody finds one.
    pub(crate) fn beginning(&self) -> [u8; 8] {
        let mut beginning = [0; 8];
        beginning.copy_from_slice(&self.0[..8]);
        beginning
    }
}

impl PartialEq for TokenDigest {
    /// Takes the same time whatever differs.
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for TokenDigest {}

impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenDigest {
    /// Its beginning tells digests apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenDigest({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}
