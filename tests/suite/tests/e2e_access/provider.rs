//! Identity providers: keys, the sets of them that are shown, and tokens, good ones and all kinds of bad ones.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// What tokens for the gateways are for.
pub(crate) const AUDIENCE: &str = "nacos-fed";

/// A key that signs tokens, by the name that its set gives it.
pub(crate) struct SigningKey {
    pub(crate) id: &'static str,
    key: KeyKind,
}

enum KeyKind {
    Edwards(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
}

impl SigningKey {
    pub(crate) fn edwards(id: &'static str) -> Result<Self> {
        Ok(Self { id, key: KeyKind::Edwards(Ed25519KeyPair::generate()?) })
    }

    pub(crate) fn ecdsa(id: &'static str) -> Result<Self> {
        Ok(Self { id, key: KeyKind::Ecdsa(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?) })
    }

    fn algorithm(&self) -> &'static str {
        match self.key {
            KeyKind::Edwards(_) => "EdDSA",
            KeyKind::Ecdsa(_) => "ES256",
        }
    }

    pub(crate) fn public(&self) -> &[u8] {
        match &self.key {
            KeyKind::Edwards(key) => key.public_key().as_ref(),
            KeyKind::Ecdsa(key) => key.public_key().as_ref(),
        }
    }

    fn jwk(&self) -> Value {
        let (public, text) = (self.public(), |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes));
        match &self.key {
            KeyKind::Edwards(_) => json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": text(public)}),
            // Of an uncompressed point: a 4, then both coordinates.
            KeyKind::Ecdsa(_) => {
                json!({"kty": "EC", "crv": "P-256", "kid": self.id, "x": text(&public[1..33]), "y": text(&public[33..])})
            }
        }
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>> {
        Ok(match &self.key {
            KeyKind::Edwards(key) => key.sign(message).as_ref().to_vec(),
            KeyKind::Ecdsa(key) => key.sign(&SystemRandom::new(), message)?.as_ref().to_vec(),
        })
    }

    /// A token of these claims.
    pub(crate) fn token(&self, claims: &Value) -> Result<String> {
        let message = unsigned(self.algorithm(), Some(self.id), claims);
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(self.signature(message.as_bytes())?)))
    }
}

/// A set of keys as providers show it.
pub(crate) fn key_set(keys: &[&SigningKey]) -> String {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()}).to_string()
}

/// Header and claims, ready to be signed.
fn unsigned(algorithm: &str, key: Option<&str>, claims: &Value) -> String {
    let header = json!({"alg": algorithm, "kid": key, "typ": "JWT"});
    [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".")
}

/// A token that says that it needs no signature.
pub(crate) fn token_without_signature(claims: &Value) -> String {
    format!("{}.", unsigned("none", None, claims))
}

/// A token that is signed with what everybody knows: the public key, as if it were a secret.
pub(crate) fn token_signed_with_public_key(key: &SigningKey, claims: &Value) -> String {
    let message = unsigned("HS256", Some(key.id), claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.public()), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Claims that count: of `name` in `group`, for ten minutes.
pub(crate) fn claims(issuer: &str, name: &str, group: &str) -> Value {
    json!({"iss": issuer, "aud": [AUDIENCE, "another"], "exp": seconds() + 600, "sub": name, "groups": [group]})
}

/// Seconds since 1970.
pub(crate) fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Shows a set of keys at a URL, until it is dropped.
pub(crate) struct KeyServer {
    pub(crate) address: SocketAddr,
    shown: Arc<Mutex<String>>, // Locked for taking or replacing a text.
    _tasks: JoinSet<()>,
}

impl KeyServer {
    pub(crate) async fn start(keys: &[&SigningKey]) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let (address, shown) = (listener.local_addr()?, Arc::new(Mutex::new(key_set(keys))));
        let answer = Arc::clone(&shown);
        // A connection that stays would serve on when the listener is gone.
        let answer = move || {
            let text = answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
            std::future::ready(([("connection", "close")], text))
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let _ = axum::serve(listener, Router::new().route("/keys", get(answer))).await; // It ends with this value.
        });
        Ok(Self { address, shown, _tasks: tasks })
    }

    /// From now on it shows these.
    pub(crate) fn show(&self, keys: &[&SigningKey]) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = key_set(keys);
    }
}
