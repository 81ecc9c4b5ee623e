//! Bearer JWTs of an identity provider, checked against its keys.
//!
//! Input: a token, what is expected of it, and the provider's keys. Output: a name, groups, and until when; or why not. Invariants: the
//! algorithm is one of those that are pinned, all of which have public keys; a key checks only what it was made for; issuer, audience and
//! expiry are demanded; what a header calls critical is not understood and refused.
//!
//! The library reads and compares; signatures are checked by the same cryptography as TLS, without further features of it.

use std::sync::Once;
use std::time::Duration;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use federation_core::time::WallMs;
use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, Validation};
use serde_json::{Map, Value};

/// Algorithms that can be pinned; none of them has a secret that whoever checks would know.
pub const JWT_ALGORITHMS: [&str; 9] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];
/// Most keys of a provider, of which some are old and some new.
const MOST_KEYS: usize = 100;
/// Largest set of keys in bytes.
pub const LARGEST_KEY_SET_BYTES: u64 = 256 << 10;
/// Longest name of somebody or of a group in bytes; it is a part of what is kept of an order.
const LONGEST_NAME_BYTES: usize = 256;
/// Most groups of somebody that are looked at.
const MOST_GROUPS: usize = 1000;

/// What is expected of the tokens of one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtExpectation {
    /// What names of this provider begin with: `corp` in `jwt:corp/alice`.
    pub provider: Box<str>,
    /// The claim `iss`, exactly.
    pub issuer: String,
    /// One of the claim `aud`, exactly.
    pub audience: String,
    /// Those that are pinned.
    pub algorithms: Vec<Algorithm>,
    /// The claim that has the name.
    pub name_claim: String,
    /// The claim that has the groups.
    pub groups_claim: String,
    /// How far clocks may differ.
    pub leeway: Duration,
}

/// The public keys of a provider.
#[derive(Clone, Debug, Default)]
pub struct JwtKeySet(Vec<ProviderKey>);

#[derive(Clone, Debug)]
struct ProviderKey {
    id: Option<Box<str>>,
    /// What it was made for; one of the pinned algorithms that fit it otherwise.
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// Who a token is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedClaims {
    /// Its name, with the provider before it.
    pub name: Box<str>,
    /// Its groups, each with the provider before it.
    pub groups: Vec<Box<str>>,
    /// Until when, the leeway included.
    pub expires: WallMs,
}

/// Why a JWT does not count. Of the words of several providers with one issuer the last one in this order is told: it comes from the one that knows
/// most of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum JwtRefused {
    /// Another provider made it.
    #[error("the token is of another issuer")]
    Issuer,
    /// It is no JWT, or has claims that cannot be read.
    #[error("the token is no JWT that can be read here")]
    Unreadable,
    /// `none`, one with a shared secret, or one that is not pinned.
    #[error("the token is signed with an algorithm that is not accepted")]
    Algorithm,
    /// No key of the provider is the one that it names.
    #[error("the token names a key that its identity provider does not have, or not yet")]
    KeyUnknown,
    /// It was changed, or signed by somebody else.
    #[error("the token's signature is wrong")]
    Signature,
    /// It was made for something else.
    #[error("the token is for another audience")]
    Audience,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not begun.
    #[error("the token does not count yet: is a clock wrong?")]
    NotYet,
    /// It names nobody.
    #[error("the token has no usable name in the claim that names should be in")]
    Name,
}

impl JwtKeySet {
    /// Reads a JWKS. Keys that cannot check signatures of the algorithms here are left out; shared secrets always are.
    ///
    /// # Errors
    /// It is no JWKS, or has no key of use.
    pub fn of_json(text: &[u8]) -> Result<Self, String> {
        let document: Value = serde_json::from_slice(text).map_err(|error| format!("no JSON: {error}"))?;
        let keys = document.get("keys").and_then(Value::as_array).ok_or("no list `keys`: this is no JWKS")?;
        if keys.len() > MOST_KEYS {
            return Err(format!("{} keys, at most {MOST_KEYS} are possible", keys.len()));
        }
        let keys: Vec<ProviderKey> = keys.iter().filter_map(provider_key).collect();
        if keys.is_empty() { Err("no key with which a signature can be checked".to_owned()) } else { Ok(Self(keys)) }
    }
}

fn provider_key(value: &Value) -> Option<ProviderKey> {
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|of| *of != PublicKeyUse::Signature) {
        return None;
    }
    let fitting: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => &[Algorithm::ES256],
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P384 => &[Algorithm::ES384],
        AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
        _ => return None,
    };
    let algorithms = match jwk.common.key_algorithm {
        None => fitting.to_vec(),
        Some(said) => {
            let said = Algorithm::try_from(said).ok()?;
            fitting.iter().copied().filter(|fits| *fits == said).collect()
        }
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (!algorithms.is_empty()).then(|| ProviderKey { id: jwk.common.key_id.map(Into::into), algorithms, key })
}

/// The pinned algorithm of this name.
#[must_use]
pub fn jwt_algorithm(word: &str) -> Option<Algorithm> {
    JWT_ALGORITHMS.contains(&word).then(|| word.parse().ok())?
}

/// Whether a token says that it is of this provider, before anything of it is checked: of several providers only that one's word about it is of
/// use to anybody. One that cannot be read may be anybody's.
#[must_use]
pub fn names_issuer(token: &str, expected: &JwtExpectation) -> bool {
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims = claims.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    claims.is_none_or(|claims| claims.get("iss").and_then(Value::as_str) == Some(&expected.issuer))
}

/// Checks a token.
///
/// # Errors
/// Why it does not count.
pub fn verify(token: &str, expected: &JwtExpectation, keys: &JwtKeySet) -> Result<VerifiedClaims, JwtRefused> {
    install();
    // An algorithm that the library does not know, `none` above all, is an error here.
    let header = jsonwebtoken::decode_header(token).map_err(|error| match error.kind() {
        ErrorKind::InvalidToken | ErrorKind::Base64(_) | ErrorKind::Utf8(_) => JwtRefused::Unreadable,
        _ => JwtRefused::Algorithm,
    })?;
    if header.crit.is_some() {
        return Err(JwtRefused::Unreadable);
    }
    if !expected.algorithms.contains(&header.alg) {
        return Err(JwtRefused::Algorithm);
    }
    let key = the_key(keys, header.kid.as_deref(), header.alg)?;
    let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation(expected, header.alg));
    let claims = decoded.map_err(|error| refused(&error))?.claims;
    let named = |name: &str| format!("{}/{name}", expected.provider).into_boxed_str();
    let name = claims.get(&expected.name_claim).and_then(Value::as_str).filter(|name| is_name(name));
    let name = named(name.ok_or(JwtRefused::Name)?);
    let groups = match claims.get(&expected.groups_claim) {
        Some(Value::String(group)) if is_name(group) => vec![named(group)],
        Some(Value::Array(groups)) => {
            let groups = groups.iter().filter_map(Value::as_str).filter(|group| is_name(group));
            groups.take(MOST_GROUPS).map(named).collect()
        }
        _ => Vec::new(),
    };
    let expires = claims.get("exp").and_then(seconds).ok_or(JwtRefused::Unreadable)?;
    let expires = expires.saturating_add(expected.leeway.as_secs()).saturating_mul(1000);
    Ok(VerifiedClaims { name, groups, expires: WallMs(expires) })
}

/// The key that the header names; without a name, the only one that fits.
fn the_key<'a>(keys: &'a JwtKeySet, id: Option<&str>, algorithm: Algorithm) -> Result<&'a DecodingKey, JwtRefused> {
    let mut fitting = keys.0.iter().filter(|key| key.algorithms.contains(&algorithm));
    match id {
        Some(id) => fitting.find(|key| key.id.as_deref() == Some(id)),
        None => fitting.next().filter(|_| fitting.next().is_none()),
    }
    .map(|key| &key.key)
    .ok_or(JwtRefused::KeyUnknown)
}

fn validation(expected: &JwtExpectation, algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.set_issuer(&[&expected.issuer]);
    validation.set_audience(&[&expected.audience]);
    validation.validate_nbf = true;
    validation.leeway = expected.leeway.as_secs();
    validation
}

fn refused(error: &Error) -> JwtRefused {
    match error.kind() {
        ErrorKind::InvalidSignature => JwtRefused::Signature,
        ErrorKind::ExpiredSignature => JwtRefused::Expired,
        ErrorKind::ImmatureSignature => JwtRefused::NotYet,
        ErrorKind::InvalidIssuer => JwtRefused::Issuer,
        ErrorKind::InvalidAudience => JwtRefused::Audience,
        ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => JwtRefused::Audience,
        ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => JwtRefused::Issuer,
        ErrorKind::InvalidAlgorithm => JwtRefused::Algorithm,
        _ => JwtRefused::Unreadable,
    }
}

/// Of what reaches logs and terminals there is nothing but visible characters.
fn is_name(name: &str) -> bool {
    let visible =
        |character: char| !character.is_control() && !matches!(character, '\u{200b}'..='\u{206f}' | '\u{feff}');
    (1..=LONGEST_NAME_BYTES).contains(&name.len()) && name.chars().all(visible)
}

/// A time in seconds; fractions, which the standard allows, are cut off.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|at| (0.0..1e15).contains(at)).map(|at| at as u64))
}

fn install() {
    static INSTALLED: Once = Once::new();
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        verifier_factory: |algorithm, key| Ok(Box::new(PublicKeyCheck::new(*algorithm, key)?)),
        key_utils: KeyUtils::new_unimplemented(),
    };
    INSTALLED.call_once(|| {
        let _ = PROVIDER.install_default(); // Fails only if it is there already.
    });
}

/// Checks signatures of one algorithm with one public key.
struct PublicKeyCheck {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl PublicKeyCheck {
    fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, Error> {
        let family = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => AlgorithmFamily::Ec,
            Algorithm::EdDSA => AlgorithmFamily::Ed,
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                return Err(ErrorKind::UnsupportedAlgorithm.into()); // Nobody's public key is a secret.
            }
            _ => AlgorithmFamily::Rsa,
        };
        if key.family() != family {
            return Err(ErrorKind::InvalidKeyFormat.into());
        }
        Ok(Self { algorithm, key: key.clone() })
    }

    fn rsa(&self) -> Option<&'static RsaParameters> {
        Some(match self.algorithm {
            Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::RS384 => &RSA_PKCS1_2048_8192_SHA384,
            Algorithm::RS512 => &RSA_PKCS1_2048_8192_SHA512,
            Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
            Algorithm::PS384 => &RSA_PSS_2048_8192_SHA384,
            Algorithm::PS512 => &RSA_PSS_2048_8192_SHA512,
            _ => return None,
        })
    }

    fn curve(&self) -> Option<&'static dyn VerificationAlgorithm> {
        Some(match self.algorithm {
            Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED,
            Algorithm::ES384 => &ECDSA_P384_SHA384_FIXED,
            Algorithm::EdDSA => &ED25519,
            _ => return None,
        })
    }
}

impl Verifier<Vec<u8>> for PublicKeyCheck {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let checked = match (self.key.kind(), self.rsa(), self.curve()) {
            (DecodingKeyKind::RsaModulusExponent { n, e }, Some(algorithm), _) => {
                RsaPublicKeyComponents { n, e }.verify(algorithm, message, signature)
            }
            (DecodingKeyKind::SecretOrDer(key), None, Some(algorithm)) => {
                UnparsedPublicKey::new(algorithm, key).verify(message, signature)
            }
            _ => return Err(signature::Error::new()),
        };
        checked.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for PublicKeyCheck {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
