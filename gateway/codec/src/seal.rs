//! Contents of config items, sealed: AES-256-GCM, so that brokers, and whoever reads topics or snapshot files without a key, see that an item
//! is there and how long it is, and nothing of what it says.
//!
//! A key is 32 random bytes. What it is used for (encrypting, choosing nonces, its name) each has a key of its own, derived from it with
//! BLAKE3. The nonce is a keyed hash of all that is sealed and of where it belongs: so the same item under the same key is the same bytes,
//! which digests rely on (rule R15), and nobody can be made to use a nonce twice for different contents. It follows that a reader of the log
//! sees when an item returns to a content that it had before under the same key. Sealed with it, as associated data: the cluster, the record's
//! key and the key's name. What is moved to another item or cluster does not open.
//!
//! Form of a sealed value: the byte 0, with which no Protobuf message begins, so that a version of this program without seals takes it for a value that it
//! cannot read; the byte 1; the key's name, 8 bytes; the nonce, 12 bytes; the encrypted `ConfigRecord`, as long as that; the tag, 16 bytes.
//!
//! Invariant: whatever is done with an item that is to be sealed, nothing here puts it into bytes in the clear.

mod key_file;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use federation_core::config_item::{ConfigContent, ConfigItem, SealKeyId, SealPolicy, SealReason, SealedContent};
use federation_core::federation::KeptFact;
use federation_core::id::{ClusterId, ConfigKey};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{Record, RecordBody};

use crate::config;
use crate::interner::TextInterner;

pub use key_file::NoSealKeys;

/// Bytes of a key.
pub const SEAL_KEY_BYTES: usize = 32;
/// With which no Protobuf message begins, and the number of this form.
const BEGINNING: [u8; 2] = [0, 1];
/// Of a key's name.
const NAME_BYTES: usize = 8;
const TAG_BYTES: usize = 16;

/// One key.
struct SealKey {
    name: SealKeyId,
    cipher: LessSafeKey,
    /// For nonces.
    nonces: [u8; SEAL_KEY_BYTES],
}

impl SealKey {
    fn new(secret: &[u8; SEAL_KEY_BYTES]) -> Self {
        let name = blake3::derive_key("nacos-fed 2026-11 config items: name of a key", secret);
        let cipher = blake3::derive_key("nacos-fed 2026-11 config items: contents", secret);
        let nonces = blake3::derive_key("nacos-fed 2026-11 config items: nonces", secret);
        let unbound = UnboundKey::new(&AES_256_GCM, &cipher).expect("a key of 32 bytes is one of AES-256");
        let name = *name.first_chunk().expect("a hash has 32 bytes");
        Self { name: SealKeyId(name), cipher: LessSafeKey::new(unbound), nonces }
    }

    fn seal(&self, place: &[u8], mut text: Vec<u8>) -> Vec<u8> {
        let mut hasher = blake3::Hasher::new_keyed(&self.nonces);
        hasher.update(&(place.len() as u64).to_le_bytes()).update(place).update(&text);
        let nonce: [u8; NONCE_LEN] = *hasher.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes");
        let sealed =
            self.cipher.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut text);
        sealed.expect("AES-GCM seals 64 GiB");
        let mut bytes = nonce.to_vec();
        bytes.append(&mut text);
        bytes
    }

    fn open(&self, place: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.cipher.open_in_place(nonce, Aad::from(place), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

/// Tells which key it is, and nothing else.
impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({})", self.name)
    }
}

/// The keys of a gateway: with one it seals what its own cluster has, with all of them it opens what it reads.
#[derive(Debug, Default)]
pub struct SealKeys {
    policy: SealPolicy,
    keys: BTreeMap<SealKeyId, Arc<SealKey>>,
    /// Keys that this process had before. Nothing is opened with them; what was opened with them is kept sealed under them.
    retired: BTreeMap<SealKeyId, Arc<SealKey>>,
}

/// Whether a gateway that has keys seals what its own cluster writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealsOwn {
    /// Under the first key.
    Yes,
    /// It only opens what others sealed; what of its own stands sealed is written in the clear.
    No,
}

impl SealKeys {
    /// How own items are written.
    #[must_use]
    pub fn policy(&self) -> SealPolicy {
        self.policy
    }

    /// The names of the keys that open.
    pub fn names(&self) -> impl Iterator<Item = SealKeyId> {
        self.keys.keys().copied()
    }

    /// Whether what is sealed under this key can be opened.
    #[must_use]
    pub fn has(&self, name: SealKeyId) -> bool {
        self.keys.contains_key(&name)
    }

    /// These keys, of a process that had those of `before` until now.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        self.retired = before.retired.iter().chain(&before.keys).map(|(name, key)| (*name, Arc::clone(key))).collect();
        self
    }

    /// Opens a record of a data topic, in place.
    pub fn open_record(&self, origin: &ClusterId, record: &mut Record, interner: &mut TextInterner) {
        if let (RecordKey::Data(DataKey::Config(key)), RecordBody::Config(item)) = (&record.key, &mut record.body)
            && let Some(opened) = self.open(origin, key, item, interner)
        {
            *item = opened;
        }
    }

    /// What is known of a sealed item with these keys: what it says, or that it cannot be opened. `None` if it is not sealed, or nothing
    /// more is known than that.
    #[must_use]
    pub fn open(
        &self,
        origin: &ClusterId,
        key: &ConfigKey,
        item: &ConfigItem,
        interner: &mut TextInterner,
    ) -> Option<Arc<ConfigItem>> {
        let sealed = item.content.text().err().filter(|sealed| sealed.reason == SealReason::NoKey)?;
        let found = self.keys.get(&sealed.key)?;
        let text = found.open(&place(origin, key, sealed.key), &sealed.bytes);
        let opened = text.and_then(|text| config::decode(&text, interner));
        Some(Arc::new(match opened {
            Some(opened) => ConfigItem { sealed_under: Some(sealed.key), ..opened },
            None => ConfigItem::sealed(SealedContent { reason: SealReason::CannotBeOpened, ..sealed.clone() }),
        }))
    }

    /// As [`SealKeys::open_record`], of a fact of a snapshot. `clear` is that the log has it for all to read. Gives whether it can be read, or
    /// stands sealed on the log as well.
    pub(crate) fn open_fact(
        &self,
        origin: &ClusterId,
        fact: &mut KeptFact,
        clear: bool,
        interner: &mut TextInterner,
    ) -> bool {
        let (DataKey::Config(key), RecordBody::Config(item)) = (&fact.key, &mut fact.body) else { return true };
        if let Some(opened) = self.open(origin, key, item, interner) {
            *item = if clear { opened.under(None) } else { opened };
        }
        !clear || item.content.text().is_ok()
    }

    /// The value of an item's record, sealed under the key that the item names. Without that key there is nothing in it, which cannot be read.
    pub(crate) fn value(&self, origin: &ClusterId, key: &ConfigKey, item: &ConfigItem) -> Vec<u8> {
        let (name, bytes) = match (&item.content, item.sealed_under) {
            (ConfigContent::Sealed(sealed), _) => (sealed.key, sealed.bytes.to_vec()),
            (ConfigContent::Plain(_), None) => return config::encode(item),
            (ConfigContent::Plain(_), Some(name)) => {
                let found = self.keys.get(&name).or_else(|| self.retired.get(&name));
                let text = || config::encode(&ConfigItem { sealed_under: None, ..item.clone() });
                (name, found.map_or_else(Vec::new, |found| found.seal(&place(origin, key, name), text())))
            }
        };
        [&BEGINNING[..], &name.0, &bytes].concat()
    }

    /// How an item is kept in a snapshot, which is no less sealed than the log is about to be; and whether it stands in the clear on the log.
    pub(crate) fn kept(&self, item: &Arc<ConfigItem>) -> (Arc<ConfigItem>, bool) {
        match (item.seal(), self.policy.key()) {
            (None, Some(key)) => (item.under(Some(key)), true),
            _ => (Arc::clone(item), false),
        }
    }
}

/// Whether a value says that it is sealed.
pub(crate) fn is_sealed(value: &[u8]) -> bool {
    value.first() == BEGINNING.first()
}

/// A sealed value; `None` if it is of another form.
pub(crate) fn decode(value: &[u8]) -> Option<SealedContent> {
    let (name, bytes) = value.strip_prefix(&BEGINNING)?.split_first_chunk::<NAME_BYTES>()?;
    let key = SealKeyId(*name);
    let whole = bytes.len() >= NONCE_LEN + TAG_BYTES;
    whole.then(|| SealedContent { key, bytes: bytes.into(), reason: SealReason::NoKey })
}

/// Where a sealed content belongs: nowhere else does it open.
fn place(origin: &ClusterId, key: &ConfigKey, name: SealKeyId) -> Vec<u8> {
    let (cluster, key) = (origin.as_str().as_bytes(), DataKey::Config(key.clone()).encode());
    let length = [u8::try_from(cluster.len()).unwrap_or(u8::MAX)]; // An id has 63 bytes at most.
    [&BEGINNING[..], &length, cluster, &name.0, key.as_bytes()].concat()
}

#[cfg(test)]
mod tests;
