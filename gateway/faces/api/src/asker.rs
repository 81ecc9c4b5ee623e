//! Who asks, as every request carries it once it was let in, and what is said to those who may not.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use bounded_listener::PeerConnection;
use federation_access::authority::{AccessAuthority, ListenerPlace};
use federation_access::book::CredentialRefused;
use federation_access::certificate::ShownCertificate;
use federation_access::identity::CallerIdentity;
use federation_access::judge::{AccessSubject, ListSight, MissingRight, NamedByPattern, judge_declared};
use federation_access::right::{AccessRight, DeclaredRight};
use federation_access::tokens::is_same_secret;
use federation_core::intents::OrderGiver;
use federation_ports::metrics::AccessRefusalKind;

use crate::ApiState;
use crate::cookie;

/// What the cookie of a session is worth in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieWorth {
    /// Nothing: no page asks here.
    Nothing,
    /// It says who asks.
    Asks,
    /// It says who acts, if the request shows that the session's own page sends it.
    Acts,
}

/// Somebody who was let in; a part of each request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    identity: Arc<CallerIdentity>,
    authority: AccessAuthority,
    /// The other side's address, where it is known.
    from: Option<String>,
    /// Set only where nothing is demanded: what was shown counts for nothing.
    pub(crate) refused: Option<CredentialRefused>,
}

/// Why somebody may not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessRefusal {
    /// What was shown does not count.
    #[error(transparent)]
    Credential(CredentialRefused),
    /// Nothing was shown, which is not enough.
    #[error("nothing was shown that says who asks, and {0}")]
    Nobody(MissingRight),
    /// It is known who asks, and he may not.
    #[error("{who}: {missing}")]
    Missing { who: String, missing: MissingRight },
}

impl AccessRefusal {
    pub(crate) fn kind(&self) -> AccessRefusalKind {
        match self {
            Self::Credential(CredentialRefused::Forged) | Self::Missing { .. } => AccessRefusalKind::Forbidden,
            Self::Credential(_) | Self::Nobody(_) => AccessRefusalKind::Unauthenticated,
        }
    }

    /// Who it was, as far as it is known.
    pub(crate) fn who(&self) -> &str {
        match self {
            Self::Credential(_) => "unknown",
            Self::Nobody(_) => "anonymous",
            Self::Missing { who, .. } => who,
        }
    }

    /// The right that is missing, where that is the reason.
    pub(crate) fn right(&self) -> Option<AccessRight> {
        match self {
            Self::Credential(_) => None,
            Self::Nobody(missing) | Self::Missing { missing, .. } => Some(missing.right),
        }
    }
}

impl Asker {
    /// Lets in who has the right that is declared: the one place where every face asks.
    ///
    /// # Errors
    /// He may not; counted.
    pub(crate) async fn let_in(
        state: &ApiState,
        headers: &HeaderMap,
        extensions: &Extensions,
        place: ListenerPlace,
        declared: DeclaredRight,
        worth: CookieWorth,
    ) -> Result<Self, AccessRefusal> {
        let authority = state.access().clone();
        let shown = headers.get(AUTHORIZATION).map(axum::http::HeaderValue::as_bytes);
        let connection = extensions.get::<Arc<PeerConnection>>();
        let certificate = connection.and_then(|connection| connection.certificate());
        let certificate = certificate.map(|it| ShownCertificate { subject: it.subject(), uris: it.uris() });
        let is_encrypted = connection.is_some_and(|connection| connection.is_encrypted());
        let from = connection.map(|connection| connection.peer().to_string());
        let counts = shown.is_none() && worth != CookieWorth::Nothing && authority.has_accounts();
        let admitted = match cookie::shown(headers, is_encrypted).filter(|_| counts) {
            Some(token) => by_cookie(&authority, token, headers, worth),
            None => authority.admit(shown, certificate, place).await,
        };
        let asker = match admitted {
            Ok(identity) => Self { identity, authority, from, refused: None },
            Err(refused) if declared == DeclaredRight::Open => {
                let identity = Arc::new(CallerIdentity::anonymous([].into()));
                Self { identity, authority, from, refused: Some(refused) }
            }
            Err(refused) => return Err(told(state, AccessRefusal::Credential(refused))),
        };
        match judge_declared(&asker.identity.grants, declared) {
            Ok(()) => Ok(asker),
            Err(missing) => Err(told(state, asker.refusal(missing))),
        }
    }

    pub(crate) fn identity(&self) -> &CallerIdentity {
        &self.identity
    }

    /// He as he stands in the records of his orders.
    pub(crate) fn giver(&self) -> OrderGiver {
        let (identity, from) = (self.identity.to_string(), self.from.as_deref().unwrap_or_default());
        OrderGiver::new(&identity, from, self.identity.means.as_str())
    }

    /// Whether he may do this, of which the path has declared only a part.
    ///
    /// # Errors
    /// He may not; counted.
    pub(crate) fn may(
        &self,
        state: &ApiState,
        right: AccessRight,
        subject: AccessSubject<'_>,
    ) -> Result<(), AccessRefusal> {
        self.identity.may(right, subject).map_err(|missing| told(state, self.refusal(missing)))
    }

    /// What of a list he sees.
    pub(crate) fn sight<K: NamedByPattern>(&self) -> ListSight<K::Pattern> {
        self.identity.sight::<K>()
    }

    /// Waits until he may not do any more what he might when he was let in.
    pub(crate) async fn ended(&self) {
        self.authority.ended(&self.identity).await;
    }

    fn refusal(&self, missing: MissingRight) -> AccessRefusal {
        if self.identity.is_nobody() {
            AccessRefusal::Nobody(missing)
        } else {
            AccessRefusal::Missing { who: self.identity.to_string(), missing }
        }
    }
}

/// Who sends this cookie. An order by it has to show what only pages of this gateway can read.
fn by_cookie(
    authority: &AccessAuthority,
    token: &str,
    headers: &HeaderMap,
    worth: CookieWorth,
) -> Result<Arc<CallerIdentity>, CredentialRefused> {
    let (identity, session) = authority.of_session(token)?;
    let proof = headers.get(cookie::CSRF).map_or(&b""[..], axum::http::HeaderValue::as_bytes);
    let is_proven = worth == CookieWorth::Asks || is_same_secret(proof, &session.csrf);
    is_proven.then_some(identity).ok_or(CredentialRefused::Forged)
}

fn told(state: &ApiState, refusal: AccessRefusal) -> AccessRefusal {
    state.api_metrics().access_refused(refusal.kind()).inc();
    tracing::debug!(%refusal, "somebody may not");
    refusal
}

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().expect("the layer around all routes lets in or refuses"))
    }
}
