//! Signatures of orders in the log: Ed25519, in a header of their own (`s`) beside the header `f`, so that whoever knows nothing of them reads the
//! record as it always did.
//!
//! What is signed is one text without two meanings: what it is for, then the federation, the cluster of the topic, the key, whether there is a value,
//! the value, and the header `f`, each after its length (u32, big-endian). So a signature fits one record of one key in one topic of one federation,
//! and a tombstone needs one like a value. It does not fit a place in the log: the same record again is signed as well as the first time.
//!
//! Invariants: nothing here decides what a signature is needed for; a private key is never printed; bytes of strangers are refused, never believed
//! in part.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use federation_core::id::{ClusterId, FederationId};
use federation_core::intents::verdict::Signed;
use federation_core::log::control::ControlKey;

use crate::record::{EncodedRecord, RawRecord};

/// Name of the header.
pub const SIGNATURE: &str = "s";
/// Length of the header's bytes: its version, the key's id, the signature.
pub const SIGNATURE_LENGTH: usize = 1 + KEY_ID_BYTES + 64;

const VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const KEY_BYTES: usize = 32;
/// What signatures are for: the same key signs nothing else with this beginning.
const CONTEXT: &[u8] = b"nacos-fed signed order v1";
/// Before a public key as text.
const KIND: &str = "ed25519:";
/// Before the 32 bytes in what `openssl pkey -pubout` writes (RFC 8410).
const SUBJECT_PUBLIC_KEY_INFO: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// A private key's file has some 120 bytes.
const LONGEST_FILE: usize = 16 << 10;

/// The public half of a cluster's key. As text `ed25519:` and the base64 of its 32 bytes; the base64 that `openssl pkey -pubout` writes between its
/// two lines is read as well.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderPublicKey([u8; KEY_BYTES]);

/// A cluster's private key. Shared by its replicas.
#[derive(Clone)]
pub struct OrderSigningKey(Arc<Ed25519KeyPair>);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrderKey {
    /// Not a public key.
    #[error("it is no public key: `ed25519:` and the base64 of 32 bytes is needed, as nacos-fed signing-key prints it")]
    Public,
    /// Not a private key.
    #[error(
        "it is no private key: one of Ed25519 in PEM without a password is needed, as openssl genpkey -algorithm ed25519 writes it"
    )]
    Private,
}

/// Signs records of one cluster.
#[derive(Clone)]
pub struct RecordSigner {
    federation: FederationId,
    cluster: ClusterId,
    key: OrderSigningKey,
}

/// Looks whether records are signed by their cluster.
#[derive(Clone, Debug)]
pub struct SignatureVerifier {
    federation: FederationId,
    keys: BTreeMap<ClusterId, Vec<OrderPublicKey>>,
}

impl OrderPublicKey {
    /// Names it in headers; no secret, and no proof.
    fn id(&self) -> [u8; KEY_ID_BYTES] {
        let hash = blake3::hash(&self.0);
        *hash.as_bytes().first_chunk().expect("a hash has 32 bytes")
    }
}

impl fmt::Display for OrderPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KIND}{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for OrderPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for OrderPublicKey {
    type Err = InvalidOrderKey;

    fn from_str(text: &str) -> Result<Self, InvalidOrderKey> {
        let named = text.strip_prefix(KIND);
        let bytes = STANDARD.decode(named.unwrap_or(text)).map_err(|_| InvalidOrderKey::Public)?;
        let key = match named {
            Some(_) => &bytes[..],
            None => bytes.strip_prefix(&SUBJECT_PUBLIC_KEY_INFO).ok_or(InvalidOrderKey::Public)?,
        };
        key.try_into().map(Self).map_err(|_| InvalidOrderKey::Public)
    }
}

impl OrderSigningKey {
    /// Reads PEM with one PKCS#8 private key of Ed25519.
    ///
    /// # Errors
    /// It is none.
    pub fn from_pem(text: &str) -> Result<Self, InvalidOrderKey> {
        let (_, rest) = text.split_once("-----BEGIN PRIVATE KEY-----").ok_or(InvalidOrderKey::Private)?;
        let (base64, _) = rest.split_once("-----END PRIVATE KEY-----").ok_or(InvalidOrderKey::Private)?;
        let base64: String = base64.chars().take(LONGEST_FILE).filter(|char| !char.is_ascii_whitespace()).collect();
        let pkcs8 = STANDARD.decode(base64).map_err(|_| InvalidOrderKey::Private)?;
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| InvalidOrderKey::Private)?;
        Ok(Self(Arc::new(pair)))
    }

    /// A new one, as PEM. `None` if the system has no randomness.
    #[must_use]
    pub fn generate_pem() -> Option<String> {
        let pkcs8 = Ed25519KeyPair::generate().ok()?.to_pkcs8v1().ok()?;
        let base64 = STANDARD.encode(pkcs8.as_ref());
        Some(format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n"))
    }

    /// Its public half.
    ///
    /// # Panics
    /// Never: a public key of Ed25519 has 32 bytes.
    #[must_use]
    pub fn public(&self) -> OrderPublicKey {
        OrderPublicKey(self.0.public_key().as_ref().try_into().expect("a public key has 32 bytes"))
    }
}

impl fmt::Debug for OrderSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderSigningKey({})", self.public())
    }
}

impl RecordSigner {
    /// Signs for this cluster of this federation.
    #[must_use]
    pub fn new(federation: FederationId, cluster: ClusterId, key: OrderSigningKey) -> Self {
        Self { federation, cluster, key }
    }

    /// Adds its signature to a record of the own control topic.
    pub fn sign(&self, record: &mut EncodedRecord) {
        let signed = SignedText {
            federation: &self.federation,
            cluster: &self.cluster,
            key: &record.key,
            value: record.value.as_deref(),
            header: &record.header,
        };
        let signature = self.key.0.sign(&signed.bytes());
        let mut bytes = Vec::with_capacity(SIGNATURE_LENGTH);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.key.public().id());
        bytes.extend_from_slice(signature.as_ref());
        record.signature = Some(bytes.into());
    }
}

impl SignatureVerifier {
    /// Knows these keys.
    #[must_use]
    pub fn new(federation: FederationId, keys: BTreeMap<ClusterId, Vec<OrderPublicKey>>) -> Self {
        Self { federation, keys }
    }

    /// What the header says of a record in the control topic of `cluster`.
    #[must_use]
    pub fn verify(&self, cluster: &ClusterId, raw: &RawRecord<'_>, signature: Option<&[u8]>) -> Signed {
        let Some(bytes) = signature else { return Signed::Absent };
        let Some(keys) = self.keys.get(cluster).filter(|keys| !keys.is_empty()) else { return Signed::Unpinned };
        let Some((id, signature)) = parts(bytes) else { return Signed::Wrong };
        let header = raw.header.unwrap_or_default();
        let text = SignedText { federation: &self.federation, cluster, key: raw.key, value: raw.value, header };
        let verified = keys
            .iter()
            .filter(|key| key.id() == id)
            .any(|key| UnparsedPublicKey::new(&ED25519, key.0).verify(&text.bytes(), signature).is_ok());
        if verified { Signed::Valid } else { Signed::Wrong }
    }
}

/// Whether records of this key are orders: those are signed.
#[must_use]
pub fn is_signed(key: &ControlKey) -> bool {
    matches!(key, ControlKey::Drain(_) | ControlKey::Guard(_))
}

/// The key's id and the signature.
fn parts(bytes: &[u8]) -> Option<([u8; KEY_ID_BYTES], &[u8])> {
    let (version, rest) = bytes.split_first()?;
    let (id, signature) = rest.split_first_chunk()?;
    (*version == VERSION && bytes.len() == SIGNATURE_LENGTH).then_some((*id, signature))
}

/// What is signed.
struct SignedText<'a> {
    federation: &'a FederationId,
    cluster: &'a ClusterId,
    key: &'a [u8],
    value: Option<&'a [u8]>,
    header: &'a [u8],
}

impl SignedText<'_> {
    fn bytes(&self) -> Vec<u8> {
        let has_value = [u8::from(self.value.is_some())];
        let (federation, cluster) = (self.federation.as_str().as_bytes(), self.cluster.as_str().as_bytes());
        let parts = [CONTEXT, federation, cluster, self.key, &has_value, self.value.unwrap_or_default(), self.header];
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| 4 + part.len()).sum());
        for part in parts {
            // Kafka's own limits keep every part far below 4 GiB.
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use federation_core::log::control::ControlValue;
    use federation_core::log::record::{Epoch, RecordHeader, SCHEMA};
    use federation_core::time::WallMs;
    use proptest::prelude::*;

    use super::*;
    use crate::record::{encode_control, encode_header};

    /// What `openssl genpkey -algorithm ed25519` wrote, and `openssl pkey -pubout` of it.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";
    const PUBLIC: &str = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn key() -> OrderSigningKey {
        OrderSigningKey::from_pem(PEM).unwrap()
    }

    fn signer(federation: &str, cluster: &str) -> RecordSigner {
        RecordSigner::new(federation.parse().unwrap(), cluster.parse().unwrap(), key())
    }

    fn verifier(federation: &str, cluster: &str, keys: &[OrderPublicKey]) -> SignatureVerifier {
        SignatureVerifier::new(federation.parse().unwrap(), [(cluster.parse().unwrap(), keys.to_vec())].into())
    }

    fn record(value: Option<Vec<u8>>) -> EncodedRecord {
        let header = RecordHeader { schema: SCHEMA, epoch: Epoch { term: 3, nonce: 7 }, seq: 42, observed: WallMs(5) };
        let key = ControlKey::Drain("frankfurt".parse().unwrap());
        let mut record = encode_control(&key, None::<&ControlValue>, &header).unwrap();
        (record.value, record.header) = (value.map(Into::into), encode_header(&header));
        record
    }

    fn verify(verifier: &SignatureVerifier, cluster: &str, record: &EncodedRecord) -> Signed {
        let value = record.value.as_deref();
        let raw = RawRecord { offset: 0, key: &record.key, value, header: Some(&record.header) };
        verifier.verify(&cluster.parse().unwrap(), &raw, record.signature.as_deref())
    }

    #[test]
    fn keys_are_read_as_openssl_writes_them() {
        let public: OrderPublicKey = PUBLIC.parse().unwrap();
        assert_eq!(key().public(), public);
        assert_eq!(public.to_string().parse(), Ok(public));
        assert!(public.to_string().starts_with("ed25519:11qYAYKx"), "{public}");
        let made = OrderSigningKey::from_pem(&OrderSigningKey::generate_pem().unwrap()).unwrap();
        assert_ne!(made.public(), public);
        assert!(!format!("{:?}", key()).contains("nWGxne"));
        for wrong in ["", "ed25519:", "ed25519:AAAA", "AAAA", "ssh-ed25519 AAAA", &format!("x{PUBLIC}")] {
            assert_eq!(wrong.parse::<OrderPublicKey>(), Err(InvalidOrderKey::Public), "{wrong}");
        }
        let encrypted = PEM.replace("PRIVATE", "ENCRYPTED PRIVATE");
        for wrong in ["", PUBLIC, &encrypted, &PEM.replace("MC4C", "MC5C")] {
            assert_eq!(OrderSigningKey::from_pem(wrong).err(), Some(InvalidOrderKey::Private), "{wrong}");
        }
    }

    #[test]
    fn a_signature_fits_its_key_its_cluster_and_its_federation_alone() {
        let (other, public) =
            (OrderSigningKey::from_pem(&OrderSigningKey::generate_pem().unwrap()).unwrap(), key().public());
        let mut signed = record(Some(vec![1, 2, 3]));
        let known = verifier("prod", "a", &[other.public(), public]);
        assert_eq!(verify(&known, "a", &signed), Signed::Absent);
        signer("prod", "a").sign(&mut signed);
        assert_eq!(signed.signature.as_ref().map(|it| it.len()), Some(SIGNATURE_LENGTH));
        assert_eq!(verify(&known, "a", &signed), Signed::Valid);
        assert_eq!(verify(&known, "b", &signed), Signed::Unpinned);
        assert_eq!(
            verify(&verifier("prod", "b", &[public]), "b", &signed),
            Signed::Wrong,
            "in another cluster's topic"
        );
        assert_eq!(verify(&verifier("test", "a", &[public]), "a", &signed), Signed::Wrong);
        assert_eq!(
            verify(&verifier("prod", "a", &[other.public()]), "a", &signed),
            Signed::Wrong,
            "by a key that went"
        );
        let tombstone = EncodedRecord { value: None, ..signed.clone() };
        let empty = EncodedRecord { value: Some([].as_slice().into()), ..signed.clone() };
        assert_eq!([&tombstone, &empty].map(|it| verify(&known, "a", it)), [Signed::Wrong; 2]);
        let mut tombstone = record(None);
        signer("prod", "a").sign(&mut tombstone);
        assert_eq!(verify(&known, "a", &tombstone), Signed::Valid);
        let empty = EncodedRecord { value: Some([].as_slice().into()), ..tombstone };
        assert_eq!(verify(&known, "a", &empty), Signed::Wrong, "an empty value is no tombstone");
    }

    proptest! {
        #[test]
        fn every_signed_record_is_verified_and_with_any_bit_turned_it_is_not(
            value in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..64)),
            part in 0..4_usize,
            bit in any::<prop::sample::Index>(),
        ) {
            let known = verifier("prod", "a", &[key().public()]);
            let mut signed = record(value);
            signer("prod", "a").sign(&mut signed);
            prop_assert_eq!(verify(&known, "a", &signed), Signed::Valid);
            let turn = |bytes: &[u8]| {
                let (mut bytes, bit) = (bytes.to_vec(), bit.index(bytes.len() * 8));
                bytes[bit / 8] ^= 1 << (bit % 8);
                bytes
            };
            let signature = signed.signature.clone().unwrap();
            let forged = match (part, signed.value.clone()) {
                (0, Some(value)) => EncodedRecord { value: Some(turn(&value).into()), ..signed },
                (1, _) => EncodedRecord { key: turn(&signed.key).into(), ..signed },
                (2, _) => EncodedRecord { header: turn(&signed.header).try_into().unwrap(), ..signed },
                _ => EncodedRecord { signature: Some(turn(&signature).into()), ..signed },
            };
            prop_assert_eq!(verify(&known, "a", &forged), Signed::Wrong);
        }

        #[test]
        fn any_bytes_as_a_signature_are_no_signature(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let forged = EncodedRecord { signature: Some(bytes.into()), ..record(Some(vec![1])) };
            prop_assert_eq!(verify(&verifier("prod", "a", &[key().public()]), "a", &forged), Signed::Wrong);
        }
    }
}
