//! The one place that faces ask who somebody is. Cheap to clone; all clones know the same.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use federation_core::time::WallMs;
use federation_document::secret::Secret;
use tokio::sync::{Notify, watch};

use crate::book::{AccessBook, CredentialRefused};
use crate::certificate::ShownCertificate;
use crate::identity::{CallerIdentity, IdentityMeans};
use crate::jwt::JwtRefused;
use crate::sessions::{IDLE, SessionBook, SessionsFull, UserSession};
use crate::tokens::{SESSION_PREFIX, TokenDigest, random_text};

/// Where a request came in. What counts is the address that a gateway listens on, not the one that a request comes from: behind a proxy on
/// the same host everybody would be near.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerPlace {
    /// Only this machine reaches it.
    Loopback,
    /// Others reach it as well.
    Beyond,
}

impl ListenerPlace {
    /// Of an address that is listened on.
    #[must_use]
    pub fn of(address: std::net::SocketAddr) -> Self {
        if address.ip().to_canonical().is_loopback() { Self::Loopback } else { Self::Beyond }
    }
}

/// A session that has begun.
#[derive(Clone, Debug)]
pub struct OpenedSession {
    /// What is shown from now on; told once.
    pub token: Secret,
    /// What it stands for.
    pub session: UserSession,
}

/// For how long a token of an unknown key waits for keys. An identity provider answers within some hundred milliseconds, or is down.
pub const KEYS_WITHIN: Duration = Duration::from_secs(3);

/// See the module.
#[derive(Clone, Debug)]
pub struct AccessAuthority(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    /// Nothing where the configuration has no section `access`.
    book: ArcSwapOption<AccessBook>,
    local: Arc<CallerIdentity>,
    nobody: Arc<CallerIdentity>,
    /// Of those who logged in. Locked for single operations.
    sessions: Mutex<SessionBook>,
    /// Counts books, so that watches hear of a new one.
    changes: watch::Sender<u64>,
    /// Somebody shows a token of a key that is not there.
    pub(crate) keys_wanted: Notify,
    /// Counts what came of such wishes.
    pub(crate) keys_answered: watch::Sender<u64>,
}

impl Default for AccessAuthority {
    /// Of a gateway without accounts.
    fn default() -> Self {
        Self(Arc::new(Inner {
            book: ArcSwapOption::empty(),
            local: Arc::new(CallerIdentity::local()),
            nobody: Arc::new(CallerIdentity::anonymous([].into())),
            sessions: Mutex::default(),
            changes: watch::Sender::new(0),
            keys_wanted: Notify::new(),
            keys_answered: watch::Sender::new(0),
        }))
    }
}

impl AccessAuthority {
    /// From now on this book counts.
    pub fn publish(&self, book: AccessBook) {
        self.0.book.store(Some(Arc::new(book)));
        self.0.changes.send_modify(|count| *count += 1);
    }

    /// Who shows this at such an address: the value of the header `authorization`, before that a certificate. A token of a key that its
    /// provider may have since waits for that to be fetched, [`KEYS_WITHIN`] at most.
    ///
    /// # Errors
    /// It does not count.
    pub async fn admit(
        &self,
        authorization: Option<&[u8]>,
        certificate: Option<ShownCertificate<'_>>,
        place: ListenerPlace,
    ) -> Result<Arc<CallerIdentity>, CredentialRefused> {
        let admitted = self.admit_now(authorization, certificate, place);
        if admitted != Err(CredentialRefused::Jwt(JwtRefused::KeyUnknown)) {
            return admitted;
        }
        let mut answered = self.0.keys_answered.subscribe();
        answered.borrow_and_update();
        self.0.keys_wanted.notify_one();
        match tokio::time::timeout(KEYS_WITHIN, answered.changed()).await {
            Ok(Ok(())) => self.admit_now(authorization, certificate, place),
            _ => admitted,
        }
    }

    /// As [`AccessAuthority::admit`], with the keys that are there. What is shown and wrong is never taken for nothing, but
    /// where there are no accounts at all: on a loopback address nobody asks for any.
    ///
    /// # Errors
    /// It does not count.
    pub fn admit_now(
        &self,
        authorization: Option<&[u8]>,
        certificate: Option<ShownCertificate<'_>>,
        place: ListenerPlace,
    ) -> Result<Arc<CallerIdentity>, CredentialRefused> {
        let book = self.0.book.load();
        match (&*book, place, authorization) {
            (None, ListenerPlace::Loopback, _) => Ok(Arc::clone(&self.0.local)),
            (None, ListenerPlace::Beyond, None) => Ok(Arc::clone(&self.0.nobody)),
            (None, ListenerPlace::Beyond, Some(_)) => Err(CredentialRefused::Unknown),
            (Some(book), _, None) => {
                Ok(certificate.map_or_else(|| Arc::clone(book.anonymous()), |shown| book.certificate(shown)))
            }
            (Some(book), _, Some(shown)) => {
                let token = bearer(shown).ok_or(CredentialRefused::NotUnderstood)?;
                if token.starts_with(SESSION_PREFIX) {
                    return self.of_session(token).map(|(identity, _)| identity);
                }
                book.bearer(token, wall_now())
            }
        }
    }

    /// Whoever shows this token of a session, which is used by that.
    ///
    /// # Errors
    /// It is over, or there never was one.
    pub fn of_session(&self, token: &str) -> Result<(Arc<CallerIdentity>, UserSession), CredentialRefused> {
        let digest = TokenDigest::of(token);
        let session = self.sessions().used(&digest, wall_now()).ok_or(CredentialRefused::SessionOver)?;
        let book = self.0.book.load();
        let book = book.as_ref().ok_or(CredentialRefused::SessionOver)?;
        Ok((Arc::new(book.user(&session.user, digest, session.expires)), session))
    }

    /// The session by which somebody is known, if it is one.
    #[must_use]
    pub fn session_of(&self, identity: &CallerIdentity) -> Option<UserSession> {
        let shown = identity.shown.as_ref().filter(|_| identity.means == IdentityMeans::Nacos)?;
        self.sessions().used(shown, wall_now())
    }

    /// Whether anybody has an account here; if not, nothing that is shown counts for anything.
    #[must_use]
    pub fn has_accounts(&self) -> bool {
        self.0.book.load().is_some()
    }

    /// Begins a session of a user whose password was right.
    ///
    /// # Errors
    /// There is no room for another one.
    pub fn open_session(&self, user: &str) -> Result<OpenedSession, SessionsFull> {
        let (token, csrf) = (random_text(SESSION_PREFIX), random_text(""));
        let session = self.sessions().open(user, TokenDigest::of(token.expose()), csrf, wall_now())?;
        Ok(OpenedSession { token, session })
    }

    /// Ends the session by which somebody is known, and his watches with it. Whether he was known by one.
    pub fn close_session(&self, identity: &CallerIdentity) -> bool {
        let shown = identity.shown.as_ref().filter(|_| identity.means == IdentityMeans::Nacos);
        let closed = shown.is_some_and(|digest| self.sessions().close(digest));
        if closed {
            self.0.changes.send_modify(|count| *count += 1);
        }
        closed
    }

    fn sessions(&self) -> MutexGuard<'_, SessionBook> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the session by which somebody is known is open; a watch that is looked at uses it.
    fn is_open(&self, identity: &CallerIdentity, now: WallMs) -> bool {
        identity.means != IdentityMeans::Nacos
            || identity.shown.as_ref().is_some_and(|digest| self.sessions().used(digest, now).is_some())
    }

    /// Changes with each book, and with each session that is ended.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Waits until somebody may not do any more what he might when he was let in: a token was revoked or has expired, a role changed, a session is
    /// over. For answers that do not end, which use their session as long as they last. Cancel-safe.
    pub async fn ended(&self, identity: &CallerIdentity) {
        let mut changes = self.0.changes.subscribe();
        loop {
            changes.borrow_and_update();
            let now = wall_now();
            let still = match &*self.0.book.load() {
                Some(book) => book.still_knows(identity, now) && self.is_open(identity, now),
                None => matches!(identity.means, IdentityMeans::Local | IdentityMeans::Anonymous),
            };
            if !still {
                return;
            }
            let left = identity.expires.map(|expires| Duration::from_millis(expires.0.saturating_sub(now.0)));
            let left = match identity.means {
                IdentityMeans::Nacos => left.map(|left| left.min(Duration::from_millis(IDLE.0 / 2))),
                _ => left,
            };
            tokio::select! { // Both are cancel-safe: they only wait.
                changed = changes.changed() => changed.expect("the sender is held here"),
                () = sleep(left) => {}
            }
        }
    }
}

async fn sleep(left: Option<Duration>) {
    match left {
        // A clock that is set meanwhile is seen at most an hour later.
        Some(left) => tokio::time::sleep(left.min(Duration::from_secs(3600))).await,
        None => std::future::pending().await,
    }
}

/// What follows the word `Bearer`, whatever its case.
fn bearer(shown: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(shown).ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn wall_now() -> WallMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
