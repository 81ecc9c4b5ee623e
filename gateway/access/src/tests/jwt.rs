use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use federation_core::time::WallMs;
use federation_ports::trouble::TroubleBoard;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::*;
use crate::authority::ListenerPlace;
use crate::book::{AccessBook, BookParts, CredentialRefused};
use crate::certificate::{CertificateNames, CertificateRule, ShownCertificate};
use crate::document::{AccessSettings, JwtProvider, KeySource, bindings_from_text};
use crate::jwt::{JwtExpectation, JwtKeySet, JwtRefused, jwt_algorithm, verify};
use crate::keeper::{AccessKeeper, FetchedText, KeyFetcher};
use crate::key_sets::FetchedKeys;

/// An identity provider with a key of each kind.
struct Provider {
    ed: Ed25519KeyPair,
    ec: EcdsaKeyPair,
    rsa: RsaKeyPair,
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Provider {
    fn new() -> Self {
        Self {
            ed: Ed25519KeyPair::generate().unwrap(),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            rsa: RsaKeyPair::generate(rsa::KeySize::Rsa2048).unwrap(),
        }
    }

    /// Its public keys, named for what they are, with others that no signature can be checked with.
    fn key_set(&self) -> Value {
        let point = self.ec.public_key().as_ref();
        let (n, e) = modulus_and_exponent(self.rsa.public_key().as_ref());
        json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "use": "sig", "alg": "EdDSA", "x": base64(self.ed.public_key())},
            {"kty": "EC", "crv": "P-256", "kid": "ec", "x": base64(&point[1..33]), "y": base64(&point[33..])},
            {"kty": "RSA", "kid": "rsa", "alg": "RS256", "n": base64(n), "e": base64(e)},
            {"kty": "RSA", "kid": "enc", "use": "enc", "n": base64(n), "e": base64(e)},
            {"kty": "oct", "kid": "shared", "alg": "HS256", "k": base64("secret")},
            {"kty": "quantum", "kid": "new"},
        ]})
    }

    fn keys(&self) -> JwtKeySet {
        JwtKeySet::of_json(self.key_set().to_string().as_bytes()).unwrap()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
        let signature = match header["alg"].as_str().unwrap() {
            "EdDSA" => self.ed.sign(message.as_bytes()).as_ref().to_vec(),
            "ES256" => self.ec.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec(),
            "RS256" => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
                signature
            }
            _ => Vec::new(),
        };
        format!("{message}.{}", base64(signature))
    }

    fn good(&self) -> String {
        self.sign(&json!({"alg": "EdDSA", "kid": "ed"}), &claims())
    }
}

/// The two numbers of a key in PKCS#1: a sequence of two integers, each with a length of one to three bytes.
fn modulus_and_exponent(der: &[u8]) -> (&[u8], &[u8]) {
    fn value(der: &[u8]) -> (&[u8], &[u8]) {
        let (length, head) = match der[1] {
            0x81 => (usize::from(der[2]), 3),
            0x82 => ((usize::from(der[2]) << 8) | usize::from(der[3]), 4),
            short => (usize::from(short), 2),
        };
        der[head..].split_at(length)
    }
    let (numbers, _) = value(der);
    let (n, rest) = value(numbers);
    let (e, _) = value(rest);
    (n.strip_prefix(&[0]).unwrap_or(n), e)
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({"iss": "https://id.example", "aud": ["other", "nacos-fed"], "exp": now() + 600, "nbf": now() - 5, "sub": "alice", "groups": ["sre", "dev"]})
}

fn expectation() -> JwtExpectation {
    JwtExpectation {
        provider: "corp".into(),
        issuer: "https://id.example".to_owned(),
        audience: "nacos-fed".to_owned(),
        algorithms: ["EdDSA", "ES256", "RS256"].map(|word| jwt_algorithm(word).unwrap()).to_vec(),
        name_claim: "sub".to_owned(),
        groups_claim: "groups".to_owned(),
        leeway: Duration::from_secs(30),
    }
}

#[test]
fn a_good_token_is_somebody_of_its_provider_whatever_its_kind_of_key() {
    let provider = Provider::new();
    for (algorithm, kid) in [("EdDSA", "ed"), ("ES256", "ec"), ("RS256", "rsa")] {
        for header in [json!({"alg": algorithm, "kid": kid}), json!({"alg": algorithm, "typ": "JWT"})] {
            let claims = claims();
            let verified = verify(&provider.sign(&header, &claims), &expectation(), &provider.keys()).unwrap();
            assert_eq!(
                (&*verified.name, verified.groups.len(), &*verified.groups[0]),
                ("corp/alice", 2, "corp/sre"),
                "{header}"
            );
            assert_eq!(verified.expires, WallMs((claims["exp"].as_u64().unwrap() + 30) * 1000));
        }
    }
}

#[test]
fn each_thing_that_is_wrong_with_a_token_has_its_word() {
    let (provider, stranger) = (Provider::new(), Provider::new());
    let header = || json!({"alg": "EdDSA", "kid": "ed"});
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        provider.sign(&header(), &claims)
    };
    let without = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        provider.sign(&header(), &claims)
    };
    let swapped = |token: &str| {
        let parts: Vec<&str> = token.split('.').collect();
        format!("{}.{}.{}", parts[0], base64(json!({"sub": "root"}).to_string()), parts[2])
    };
    for (what, token, want) in [
        ("signed by somebody else", stranger.good(), JwtRefused::Signature),
        ("claims of another", swapped(&provider.good()), JwtRefused::Signature),
        ("no signature", provider.good().rsplit_once('.').unwrap().0.to_owned() + ".", JwtRefused::Signature),
        ("expired", with("exp", json!(now() - 31)), JwtRefused::Expired),
        ("never expires", without("exp"), JwtRefused::Unreadable),
        ("not yet", with("nbf", json!(now() + 120)), JwtRefused::NotYet),
        ("another issuer", with("iss", json!("https://id.example/")), JwtRefused::Issuer),
        ("no issuer", without("iss"), JwtRefused::Issuer),
        ("another audience", with("aud", json!("nacos-fed-2")), JwtRefused::Audience),
        ("no audience", without("aud"), JwtRefused::Audience),
        ("no name", without("sub"), JwtRefused::Name),
        ("an empty name", with("sub", json!("")), JwtRefused::Name),
        ("a name that forges a line", with("sub", json!("alice\nwarn: root")), JwtRefused::Name),
        ("a name of another type", with("sub", json!(["alice"])), JwtRefused::Unreadable),
        (
            "no key of that name",
            provider.sign(&json!({"alg": "EdDSA", "kid": "newer"}), &claims()),
            JwtRefused::KeyUnknown,
        ),
        (
            "a key for encryption",
            provider.sign(&json!({"alg": "RS256", "kid": "enc"}), &claims()),
            JwtRefused::KeyUnknown,
        ),
        (
            "a key of another kind",
            provider.sign(&json!({"alg": "EdDSA", "kid": "rsa"}), &claims()),
            JwtRefused::KeyUnknown,
        ),
        ("none", provider.sign(&json!({"alg": "none"}), &claims()), JwtRefused::Algorithm),
        ("None", provider.sign(&json!({"alg": "None", "kid": "ed"}), &claims()), JwtRefused::Algorithm),
        ("a shared secret", provider.sign(&json!({"alg": "HS256", "kid": "shared"}), &claims()), JwtRefused::Algorithm),
        (
            "a public key as a secret",
            provider.sign(&json!({"alg": "HS256", "kid": "rsa"}), &claims()),
            JwtRefused::Algorithm,
        ),
        ("not pinned", provider.sign(&json!({"alg": "RS512", "kid": "rsa"}), &claims()), JwtRefused::Algorithm),
        (
            "something critical",
            provider.sign(&json!({"alg": "EdDSA", "kid": "ed", "crit": ["x"], "x": 1}), &claims()),
            JwtRefused::Unreadable,
        ),
        ("no token", "a.b.c".to_owned(), JwtRefused::Unreadable),
        ("one part too many", provider.good() + ".x", JwtRefused::Unreadable),
    ] {
        assert_eq!(verify(&token, &expectation(), &provider.keys()).unwrap_err(), want, "{what}");
    }
    assert!(
        verify(&with("exp", json!(now() - 10)), &expectation(), &provider.keys()).is_ok(),
        "clocks differ a little"
    );
    let two = JwtExpectation { algorithms: vec![jwt_algorithm("ES256").unwrap()], ..expectation() };
    assert_eq!(verify(&provider.good(), &two, &provider.keys()).unwrap_err(), JwtRefused::Algorithm);
    assert!(["none", "HS256", "HS512", ""].into_iter().all(|word| jwt_algorithm(word).is_none()));
}

#[test]
fn a_key_set_is_bounded_and_has_a_key_of_use() {
    let read = |text: &str| JwtKeySet::of_json(text.as_bytes()).map(|_| ());
    let shared = json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}).to_string();
    let many = json!({"keys": vec![json!({"kty": "oct", "k": "c2VjcmV0"}); 101]}).to_string();
    for (text, word) in [("", "no JSON"), ("{}", "no JWKS"), (&shared, "no key"), (&many, "101 keys")] {
        assert!(read(text).unwrap_err().contains(word), "{text:.40}");
    }
}

fn bound(text: &str) -> std::sync::Arc<[crate::document::RoleBinding]> {
    bindings_from_text("b", text).unwrap()
}

#[test]
fn of_several_providers_the_one_that_a_token_names_says_what_is_wrong_with_it() {
    let provider = Provider::new();
    // It takes none of the algorithms with which the other one signs, and would always have the last word.
    let lab = JwtExpectation {
        provider: "lab".into(),
        issuer: "lab".to_owned(),
        algorithms: vec![jwt_algorithm("ES384").unwrap()],
        ..expectation()
    };
    let (corp, keys) = (expectation(), provider.keys());
    let both = [(&corp, &keys), (&lab, &keys)];
    let book = AccessBook::new(BookParts { providers: &both, ..BookParts::default() });
    let signed = |claims: &Value| provider.sign(&json!({"alg": "EdDSA", "kid": "ed"}), claims);
    let mut endless = claims();
    endless.as_object_mut().unwrap().remove("exp");
    let mut foreign = claims();
    foreign["iss"] = json!("https://evil.example");
    let mut labs = claims();
    labs["iss"] = json!("lab");
    for (token, want) in [
        (signed(&endless), JwtRefused::Unreadable),
        (signed(&foreign), JwtRefused::Issuer),
        (signed(&labs), JwtRefused::Algorithm),
        ("a.b.c".to_owned(), JwtRefused::Unreadable),
    ] {
        assert_eq!(book.bearer(&token, WallMs(now() * 1000)).unwrap_err(), CredentialRefused::Jwt(want), "{token}");
    }
}

#[test]
fn who_shows_a_jwt_has_the_roles_of_his_name_and_of_his_groups() {
    let (provider, other) = (Provider::new(), Provider::new());
    let bindings = bound(
        "bindings: [{to: ['jwt:corp/alice'], role: viewer}, {to: ['jwt-group:corp/sre'], role: operator}, {to: ['jwt:lab/*', 'token:*'], role: admin}]",
    );
    let (corp, lab) =
        (expectation(), JwtExpectation { provider: "lab".into(), issuer: "lab".to_owned(), ..expectation() });
    let (keys, lab_keys) = (provider.keys(), other.keys());
    let parts = |providers| BookParts { bindings: &[], providers, ..BookParts::default() };
    let lists = [&*bindings];
    let both = [(&corp, &keys), (&lab, &lab_keys)];
    let book = AccessBook::new(BookParts { bindings: &lists, ..parts(&both) });
    let roles =
        |identity: &crate::identity::CallerIdentity| identity.grants.iter().map(|it| it.role).collect::<Vec<_>>();
    let at = WallMs(now() * 1000);
    for _ in 0..2 {
        let alice = book.bearer(&provider.good(), at).unwrap();
        assert_eq!(
            (alice.to_string().as_str(), roles(&alice)),
            ("jwt:corp/alice", vec![AccessRole::Viewer, AccessRole::Operator])
        );
        assert!(book.still_knows(&alice, at));
        assert!(
            !AccessBook::new(BookParts { bindings: &lists, ..parts(&both[1..]) }).still_knows(&alice, at),
            "the provider is gone"
        );
        assert!(!AccessBook::new(parts(&both)).still_knows(&alice, at), "the roles are gone");
    }
    let token = provider.good();
    let kept = book.bearer(&token, at).unwrap();
    let expires = kept.expires.unwrap();
    assert_eq!(
        book.bearer(&token, expires).unwrap_err(),
        CredentialRefused::Jwt(JwtRefused::Expired),
        "also one that is kept"
    );
    let mut of_lab = claims();
    of_lab["iss"] = json!("lab");
    let header = json!({"alg": "EdDSA", "kid": "ed"});
    let forged = provider.sign(&header, &of_lab);
    assert_eq!(
        book.bearer(&forged, at).unwrap_err(),
        CredentialRefused::Jwt(JwtRefused::Signature),
        "one provider does not speak for another"
    );
    assert_eq!(roles(&book.bearer(&other.sign(&header, &of_lab), at).unwrap()), [AccessRole::Admin]);
}

#[test]
fn a_certificate_stands_for_the_first_name_that_a_rule_gives_it() {
    let rules = [
        CertificateRule { of: CertificateNames::Uri(glob("spiffe://prod/ns/*/sa/ops")), name: Some("ops".into()) },
        CertificateRule { of: CertificateNames::Uri(glob("spiffe://prod/*")), name: None },
        CertificateRule { of: CertificateNames::Subject(glob("CN=ann,*")), name: None },
    ];
    let bindings = bound("bindings: [{to: ['certificate:ops'], role: operator}]");
    let lists = [&*bindings];
    let book = AccessBook::new(BookParts { certificates: &rules, bindings: &lists, ..BookParts::default() });
    let identity = |subject: &str, uris: &[&str]| {
        let uris: Vec<String> = uris.iter().map(|uri| (*uri).to_owned()).collect();
        let identity = book.certificate(ShownCertificate { subject, uris: &uris });
        assert!(book.still_knows(&identity, WallMs(0)));
        (identity.to_string(), identity.grants.len())
    };
    assert_eq!(identity("CN=x", &["spiffe://prod/ns/a/sa/ops"]), ("certificate:ops".to_owned(), 1));
    assert_eq!(identity("CN=x", &["https://x", "spiffe://prod/db"]), ("certificate:spiffe://prod/db".to_owned(), 0));
    assert_eq!(identity("CN=ann,O=Example", &[]), ("certificate:CN=ann,O=Example".to_owned(), 0));
    assert_eq!(identity("CN=bob,O=CN=ann,", &["spiffe://dev/ns/a/sa/ops"]), ("anonymous".to_owned(), 0));
}

/// A provider that always answers the same.
struct Dealt {
    answer: Result<Vec<u8>, String>,
    asked: AtomicUsize,
}

impl KeyFetcher for Dealt {
    fn fetch(&self, _: &Url) -> FetchedText {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(self.answer.clone()))
    }
}

#[tokio::test]
async fn a_token_waits_for_the_first_keys_and_whoever_makes_up_names_of_keys_has_nobody_asked() {
    let provider = Provider::new();
    let dealt = std::sync::Arc::new(Dealt {
        answer: Ok(provider.key_set().to_string().into_bytes()),
        asked: AtomicUsize::new(0),
    });
    let url: Url = "https://id.example/keys".parse().unwrap();
    let keys = KeySource::Url { url, refresh: Duration::from_secs(300), keep: Duration::from_secs(3600) };
    let settings = AccessSettings {
        anonymous: Vec::new(),
        tokens_file: None,
        jwt: vec![JwtProvider { expected: expectation(), keys }],
        certificates: Vec::new(),
        bindings: Vec::new(),
        bindings_file: None,
        audit_file: None,
        nacos_login: false,
    };
    let (keeper, authority) = AccessKeeper::open(settings, dealt.clone(), TroubleBoard::default());
    let (stop, mut tasks) = (CancellationToken::new(), tokio::task::JoinSet::new());
    tasks.spawn(keeper.run(stop.clone()));
    let admit = |token: String| {
        let authority = authority.clone();
        async move {
            let shown = format!("Bearer {token}");
            authority.admit(Some(shown.as_bytes()), None, ListenerPlace::Beyond).await.map(|it| it.to_string())
        }
    };
    assert_eq!(admit(provider.good()).await.unwrap(), "jwt:corp/alice");
    let made_up = provider.sign(&json!({"alg": "EdDSA", "kid": "made-up"}), &claims());
    for _ in 0..100 {
        assert_eq!(admit(made_up.clone()).await, Err(CredentialRefused::Jwt(JwtRefused::KeyUnknown)));
    }
    assert_eq!(dealt.asked.load(Ordering::SeqCst), 1);
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap().unwrap();
}

#[test]
fn keys_are_fetched_again_when_one_is_wanted_and_old_ones_count_while_nobody_answers() {
    let (old, new) = (Provider::new(), Provider::new());
    let text = |provider: &Provider| Ok(provider.key_set().to_string().into_bytes());
    let down = || Err("connection refused".to_owned());
    let begin = tokio::time::Instant::now();
    let at = |seconds: u64| begin + Duration::from_secs(seconds);
    let url: Url = "https://id.example/keys".parse().unwrap();
    let mut keys = FetchedKeys::new(url, Duration::from_secs(300), Duration::from_secs(3600), begin);
    let counts = |keys: &FetchedKeys, of: &Provider| {
        keys.keys().is_some_and(|keys| verify(&of.good(), &expectation(), keys).is_ok())
    };

    assert!(keys.begins(false, at(0)), "at the start");
    assert!(!keys.begins(true, at(60)), "one is under way");
    keys.ended(text(&old), at(1)).unwrap();
    assert!(counts(&keys, &old));
    assert!(!keys.begins(true, at(9)) && keys.begins(true, at(10)), "not again within ten seconds");
    keys.ended(down(), at(11)).unwrap_err();
    assert!(counts(&keys, &old), "those that are known count on");
    assert!(
        keys.ended(Ok(b"{}".to_vec()), at(12)).is_err() && counts(&keys, &old),
        "an answer that is no key set is none"
    );
    assert!(!keys.begins(false, at(21)) && keys.begins(false, at(22)), "after a failure soon again");
    keys.ended(text(&new), at(23)).unwrap();
    assert!(counts(&keys, &new) && !counts(&keys, &old), "what the provider has withdrawn counts no more");
    assert!(!keys.begins(false, at(322)) && keys.begins(false, at(323)), "else every five minutes");
    keys.ended(down(), at(324)).unwrap_err();
    assert!(!keys.expire(at(23 + 3599)) && counts(&keys, &new));
    assert!(keys.expire(at(23 + 3600)) && !counts(&keys, &new), "nobody has confirmed them for too long");
    assert!(!keys.expire(at(9999)), "once");
}
