//! Everybody who is known, and what they may do, at one moment: made anew whenever something that it is made of changes, never changed.

use std::collections::HashMap;
use std::sync::Arc;

use federation_core::time::WallMs;

use crate::document::{RoleBinding, TokenEntry};
use crate::identity::{CallerIdentity, IdentityMeans};
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
}

/// See the module.
#[derive(Debug)]
pub struct AccessBook {
    anonymous: Arc<CallerIdentity>,
    tokens: HashMap<[u8; 8], Vec<Arc<CallerIdentity>>>,
}

impl AccessBook {
    /// Of what is written: for whoever shows nothing, of tokens, and of who has which roles.
    #[must_use]
    pub fn new(anonymous: &[RoleGrant], tokens: &[TokenEntry], bindings: &[&[RoleBinding]]) -> Self {
        let anonymous = Arc::new(CallerIdentity::anonymous(anonymous.into()));
        let mut book = Self { anonymous, tokens: HashMap::new() };
        for token in tokens {
            let bound = bound(bindings, IdentityMeans::Token, &token.name);
            let identity = CallerIdentity {
                means: IdentityMeans::Token,
                name: token.name.clone(),
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
    pub fn bearer(&self, token: &str, now: WallMs) -> Result<&Arc<CallerIdentity>, CredentialRefused> {
        if token.is_empty() || token.len() > LONGEST_SHOWN_BYTES {
            return Err(CredentialRefused::NotUnderstood);
        }
        let known = self.of_digest(&TokenDigest::of(token)).ok_or(CredentialRefused::Unknown)?;
        if known.is_over(now) { Err(CredentialRefused::Expired) } else { Ok(known) }
    }

    /// Whether somebody who was let in still may what he might then.
    #[must_use]
    pub fn still_knows(&self, identity: &CallerIdentity, now: WallMs) -> bool {
        let known = match (identity.means, &identity.shown) {
            (IdentityMeans::Local, _) => None, // There are accounts now.
            (IdentityMeans::Anonymous, _) => Some(&self.anonymous),
            (IdentityMeans::Token, shown) => shown.as_ref().and_then(|digest| self.of_digest(digest)),
        };
        known.is_some_and(|known| **known == *identity) && !identity.is_over(now)
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

fn bound(bindings: &[&[RoleBinding]], means: IdentityMeans, name: &str) -> impl Iterator<Item = RoleGrant> {
    let all = bindings.iter().flat_map(|some| some.iter());
    let of = all.filter(move |binding| binding.to.iter().any(|principal| principal.matches(means, name)));
    of.map(|binding| binding.grant.clone())
}
