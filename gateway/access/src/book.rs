//! Everybody who is known, and what they may do, at one moment: made anew whenever something that it is made of changes, never changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use federation_core::time::WallMs;

use crate::certificate::{CertificateRule, ShownCertificate};
use crate::document::{RoleBinding, TokenEntry};
use crate::identity::{CallerIdentity, IdentityMeans};
use crate::jwt::{self, JwtExpectation, JwtKeySet, JwtRefused, VerifiedClaims};
use crate::role::RoleGrant;
use crate::tokens::{LONGEST_SHOWN_BYTES, TokenDigest};

/// Why what somebody shows does not count. For whoever shows it: it names no other account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialRefused {
    /// Another scheme, or no text.
    #[error("the header authorization has to be `Bearer TOKEN`")]
    NotUnderstood,
    /// There is no such token, or there is none any more.
    #[error("the token is not known here: it was never made for this gateway, or it was revoked")]
    Unknown,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It is that of a session.
    #[error("the session is over, or of another gateway or before a restart: log in again")]
    SessionOver,
    /// It is the cookie of a session, without what says that the page which sends it may.
    #[error(
        "the header x-nacos-fed-csrf is missing, or another session's: a page that orders something by its cookie has to show it"
    )]
    Forged,
    /// It is a JWT.
    #[error(transparent)]
    Jwt(#[from] JwtRefused),
}

/// See the module.
#[derive(Debug)]
pub struct AccessBook {
    anonymous: Arc<CallerIdentity>,
    tokens: HashMap<[u8; 8], Vec<Arc<CallerIdentity>>>,
    bindings: Vec<RoleBinding>,
    providers: Vec<(JwtExpectation, JwtKeySet)>,
    certificates: Vec<CertificateRule>,
    /// JWTs that were checked, by their digests: a signature takes a hundred times as long as all else. Locked for single operations.
    checked: Mutex<HashMap<[u8; 8], Arc<CallerIdentity>>>,
}

/// What a book is made of.
#[derive(Clone, Copy, Debug, Default)]
pub struct BookParts<'a> {
    /// What whoever shows nothing may do.
    pub anonymous: &'a [RoleGrant],
    /// Static tokens.
    pub tokens: &'a [TokenEntry],
    /// Who has which roles, in several lists.
    pub bindings: &'a [&'a [RoleBinding]],
    /// Identity providers, with the keys that they have.
    pub providers: &'a [(&'a JwtExpectation, &'a JwtKeySet)],
    /// For whom certificates stand.
    pub certificates: &'a [CertificateRule],
}

/// JWTs that are known to be good. A token is used for minutes to hours; with more than this at a time some are checked again.
const MOST_CHECKED: usize = 10_000;

impl AccessBook {
    /// Of what is written and fetched.
    #[must_use]
    pub fn new(parts: BookParts<'_>) -> Self {
        let providers = parts.providers.iter().map(|(expected, keys)| ((*expected).clone(), (*keys).clone()));
        let mut book = Self {
            anonymous: Arc::new(CallerIdentity::anonymous(parts.anonymous.into())),
            tokens: HashMap::new(),
            bindings: parts.bindings.iter().copied().flatten().cloned().collect(),
            providers: providers.collect(),
            certificates: parts.certificates.to_vec(),
            checked: Mutex::default(),
        };
        for token in parts.tokens {
            let bound = bound(&book.bindings, IdentityMeans::Token, &token.name, &[]);
            let identity = CallerIdentity {
                means: IdentityMeans::Token,
                name: token.name.clone(),
                groups: [].into(),
                grants: token.grants.iter().cloned().chain(bound).collect(),
                expires: token.expires,
                shown: Some(token.digest),
            };
            book.tokens.entry(token.digest.beginning()).or_default().push(Arc::new(identity));
        }
        book
    }

    /// Whoever shows nothing.
    #[must_use]
    pub fn anonymous(&self) -> &Arc<CallerIdentity> {
        &self.anonymous
    }

    /// Whoever shows this token.
    ///
    /// # Errors
    /// It does not count, or not any more.
    pub fn bearer(&self, token: &str, now: WallMs) -> Result<Arc<CallerIdentity>, CredentialRefused> {
        if token.is_empty() || token.len() > LONGEST_SHOWN_BYTES {
            return Err(CredentialRefused::NotUnderstood);
        }
        let digest = TokenDigest::of(token);
        match self.of_digest(&digest) {
            Some(known) if known.is_over(now) => Err(CredentialRefused::Expired),
            Some(known) => Ok(Arc::clone(known)),
            None if token.contains('.') && !self.providers.is_empty() => self.jwt(token, digest, now),
            None => Err(CredentialRefused::Unknown),
        }
    }

    fn jwt(&self, token: &str, digest: TokenDigest, now: WallMs) -> Result<Arc<CallerIdentity>, CredentialRefused> {
        let known = self.checked().get(&digest.beginning()).cloned();
        if let Some(known) = known.filter(|known| known.shown == Some(digest)) {
            return if known.is_over(now) { Err(JwtRefused::Expired.into()) } else { Ok(known) };
        }
        let mut told = JwtRefused::Issuer;
        for (expected, keys) in self.providers.iter().filter(|(expected, _)| jwt::names_issuer(token, expected)) {
            match jwt::verify(token, expected, keys) {
                Ok(claims) => {
                    let identity = Arc::new(self.of_claims(claims, digest));
                    let mut checked = self.checked();
                    if checked.len() >= MOST_CHECKED {
                        checked.clear();
                    }
                    checked.insert(digest.beginning(), Arc::clone(&identity));
                    return Ok(identity);
                }
                Err(refused) => told = told.max(refused),
            }
        }
        Err(told.into())
    }

    fn of_claims(&self, claims: VerifiedClaims, digest: TokenDigest) -> CallerIdentity {
        let VerifiedClaims { name, groups, expires } = claims;
        let grants = bound(&self.bindings, IdentityMeans::Jwt, &name, &groups).collect();
        let (groups, expires, shown) = (groups.into(), Some(expires), Some(digest));
        CallerIdentity { means: IdentityMeans::Jwt, name, groups, grants, expires, shown }
    }

    fn checked(&self) -> MutexGuard<'_, HashMap<[u8; 8], Arc<CallerIdentity>>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For whom a certificate stands; for nobody in particular, if no rule names it.
    #[must_use]
    pub fn certificate(&self, certificate: ShownCertificate<'_>) -> Arc<CallerIdentity> {
        let Some(name) = self.certificates.iter().find_map(|rule| rule.name_of(certificate)) else {
            return Arc::clone(&self.anonymous);
        };
        let grants = bound(&self.bindings, IdentityMeans::Certificate, &name, &[]).collect();
        let (groups, expires, shown) = ([].into(), None, None);
        Arc::new(CallerIdentity { means: IdentityMeans::Certificate, name, groups, grants, expires, shown })
    }

    /// Whoever has a session of this user.
    pub(crate) fn user(&self, user: &str, shown: TokenDigest, expires: WallMs) -> CallerIdentity {
        let grants = bound(&self.bindings, IdentityMeans::Nacos, user, &[]).collect();
        let (groups, name) = ([].into(), user.into());
        CallerIdentity { means: IdentityMeans::Nacos, name, groups, grants, expires: Some(expires), shown: Some(shown) }
    }

    /// Whether somebody who was let in still may what he might then. Whether a session is still open is not known here.
    #[must_use]
    pub fn still_knows(&self, identity: &CallerIdentity, now: WallMs) -> bool {
        let known = match (identity.means, &identity.shown) {
            (IdentityMeans::Local, _) => false, // There are accounts now.
            (IdentityMeans::Anonymous, _) => *self.anonymous == *identity,
            (IdentityMeans::Token, shown) => {
                let known = shown.as_ref().and_then(|digest| self.of_digest(digest));
                known.is_some_and(|known| **known == *identity)
            }
            (IdentityMeans::Jwt, _) => {
                let of =
                    |provider: &str| identity.name.strip_prefix(provider).is_some_and(|rest| rest.starts_with('/'));
                self.providers.iter().any(|(expected, _)| of(&expected.provider)) && self.has_the_same_roles(identity)
            }
            (IdentityMeans::Certificate | IdentityMeans::Nacos, _) => self.has_the_same_roles(identity),
        };
        known && !identity.is_over(now)
    }

    fn has_the_same_roles(&self, identity: &CallerIdentity) -> bool {
        bound(&self.bindings, identity.means, &identity.name, &identity.groups).eq(identity.grants.iter().cloned())
    }

    fn of_digest(&self, digest: &TokenDigest) -> Option<&Arc<CallerIdentity>> {
        let candidates = self.tokens.get(&digest.beginning())?;
        candidates.iter().find(|identity| identity.shown.as_ref() == Some(digest))
    }
}

impl CallerIdentity {
    fn is_over(&self, now: WallMs) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }
}

fn bound(
    bindings: &[RoleBinding],
    means: IdentityMeans,
    name: &str,
    groups: &[Box<str>],
) -> impl Iterator<Item = RoleGrant> {
    let of = bindings.iter().filter(move |binding| binding.to.iter().any(|it| it.matches(means, name, groups)));
    of.map(|binding| binding.grant.clone())
}
