//! The text of a file of keys: a key on each line.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use federation_core::config_item::SealPolicy;

use super::{SEAL_KEY_BYTES, SealKey, SealKeys, SealsOwn};

/// Keys of a file. A rotation needs two.
const MOST_KEYS: usize = 16;

/// Why a text is no file of keys. Says nothing of what is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSealKeys {
    /// Nothing but remarks and empty lines.
    #[error(
        "no key is in it: 32 random bytes in base64 or hexadecimal are one, as `openssl rand -base64 32` prints them"
    )]
    None,
    /// A line that is no key.
    #[error("line {0} is no key: wanted are 32 bytes, in base64 (44 characters) or hexadecimal (64 digits)")]
    NoKey(usize),
    /// All its bytes are equal.
    #[error("line {0} is no random key: all its bytes are equal")]
    NotRandom(usize),
    /// A key twice: one of the lines was meant to be another.
    #[error("line {0} is the key of a line before")]
    Repeated(usize),
    /// More than anybody needs.
    #[error("it has more than {MOST_KEYS} keys")]
    TooMany,
}

impl SealKeys {
    /// The keys of a file, one a line: with the first of them own items are sealed, with all of them items are opened. Empty lines, and those that
    /// begin with `#`, are passed over.
    ///
    /// # Errors
    /// The first line that is wrong: then none of them counts.
    pub fn of_file(text: &str, seals: SealsOwn) -> Result<Self, NoSealKeys> {
        let (mut keys, mut first) = (BTreeMap::new(), None);
        let lines = text.lines().zip(1..).map(|(line, number)| (line.trim(), number));
        for (line, number) in lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')) {
            let secret = secret(line).ok_or(NoSealKeys::NoKey(number))?;
            if secret.iter().all(|byte| *byte == secret[0]) {
                return Err(NoSealKeys::NotRandom(number));
            }
            let key = SealKey::new(&secret);
            first.get_or_insert(key.name);
            if keys.insert(key.name, Arc::new(key)).is_some() {
                return Err(NoSealKeys::Repeated(number));
            }
            if keys.len() > MOST_KEYS {
                return Err(NoSealKeys::TooMany);
            }
        }
        let first = first.ok_or(NoSealKeys::None)?;
        let policy = if seals == SealsOwn::Yes { SealPolicy::Under(first) } else { SealPolicy::Clear };
        Ok(Self { policy, keys, retired: BTreeMap::new() })
    }
}

fn secret(line: &str) -> Option<[u8; SEAL_KEY_BYTES]> {
    if line.len() != 2 * SEAL_KEY_BYTES {
        return STANDARD.decode(line).ok()?.try_into().ok();
    }
    let digits = line.bytes().map(|byte| char::from(byte).to_digit(16)).collect::<Option<Vec<_>>>()?;
    let bytes = digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1])).collect::<Result<Vec<_>, _>>();
    bytes.ok()?.try_into().ok()
}
