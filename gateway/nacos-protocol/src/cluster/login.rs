//! Logging in: a user and a password become a token, which is renewed before its end.
//!
//! Invariants: at most one login is under way at a time; a refused token leads to one login, not to one per refused call. A login that hangs
//! delays one caller while there is a token that holds, and each caller once while there is none: whoever waited for another's login takes its
//! result, good or bad.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde::Deserialize;
use tokio::sync::watch;

use super::http::{Http, HttpAnswer, HttpError, HttpRequest};

/// Where to log in: 3.x first, as the Java client does; an older server does not know it, a newer one may not know the second.
const PATHS: [&str; 2] = ["v3/auth/user/login", "v1/auth/users/login"];

/// A token that was got this short a time ago is not replaced because a call was refused: the account lacks the right then.
const TRUSTED: Duration = Duration::from_secs(10);

/// Time for one login at one server, however long other HTTP calls may take: everything that needs a token waits for it.
const LOGIN_WITHIN: Duration = Duration::from_secs(5);

/// Pause after a login that was answered without a token, doubled each time: a wrong password must not hammer the server, but servers that
/// just started refuse right ones too, for some seconds.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Lifetime of a token whose answer says none, in seconds: the default of Nacos.
const DEFAULT_TTL_SECONDS: i64 = 18_000;

/// Longest time a token is used, whatever the server says.
const MAX_TTL: Duration = Duration::from_secs(24 * 3600);

/// Who we are at the cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginCredentials {
    /// User name.
    pub username: String,
    /// Password; never shown.
    pub password: String,
}

impl fmt::Debug for LoginCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Why there is no token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoginError {
    /// No server gave a whole answer over HTTP. 2.3 answers a wrong password with what is no HTTP at all.
    #[error("the login was not answered")]
    Unanswered(#[source] Arc<HttpError>),
    /// The server says no. Either the password is wrong, or logins are off there: 3.1 answers 403 too when auth is off.
    #[error("login was refused with status {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The server's words, cut to 200 characters.
        message: String,
    },
    /// The server failed, or answered what is no token.
    #[error("login failed with status {status}: {message}")]
    Failed {
        /// HTTP status.
        status: u16,
        /// The server's words, cut to 200 characters.
        message: String,
    },
}

impl LoginError {
    /// Whether this is how servers say that user or password are wrong. 2.3.2 answers a wrong password with what is no HTTP, and a user that
    /// there is not with 500 (`caused: User x not found`); 3.1.0 a wrong password with 500 or 403. So a server that fails in itself says the same,
    /// and so may one whose logins are off.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused { .. } => true,
            Self::Failed { status, .. } => *status == StatusCode::INTERNAL_SERVER_ERROR.as_u16(),
            Self::Unanswered(error) => error.is_nonsense(),
        }
    }

    /// Whether a server answered, in whatever way. A server that is away, and whoever closes connections in its place, did not.
    pub(crate) fn is_answered(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Failed { .. } => true,
            Self::Unanswered(error) => error.is_nonsense(),
        }
    }
}

/// Logins in a row that were answered without a token.
struct Refusal {
    of: LoginCredentials,
    count: u32,
    until: Instant,
    error: LoginError,
}

/// How long to wait after so many refused logins in a row.
pub(crate) fn login_pause(refused: u32) -> Duration {
    LONGEST_PAUSE.min(FIRST_PAUSE * 2u32.saturating_pow(refused.saturating_sub(1)))
}

#[derive(Clone)]
struct Token {
    text: Arc<str>,
    since: Instant,
    renew_at: Instant,
    ends_at: Instant,
    refused: bool,
}

/// The login of one cluster.
pub(super) struct Login {
    credentials: Option<LoginCredentials>,
    /// What counts in their place, and may change.
    renewed: Option<watch::Receiver<LoginCredentials>>,
    /// Read and replaced as a whole, never across an await.
    token: Mutex<Option<Token>>,
    /// What the last logins were refused with; repeated as the answer until its pause has passed.
    refusal: Mutex<Option<Refusal>>,
    /// Held during a login; when the last one that failed ended, and how.
    turn: tokio::sync::Mutex<Option<(Instant, LoginError)>>,
}

impl Login {
    pub(super) fn new(
        credentials: Option<LoginCredentials>,
        renewed: Option<watch::Receiver<LoginCredentials>>,
    ) -> Self {
        let turn = tokio::sync::Mutex::new(None);
        Self { credentials, renewed, token: Mutex::new(None), refusal: Mutex::new(None), turn }
    }

    /// Who we are now. A token that was got by others before holds until it ends or is refused.
    fn credentials(&self) -> Option<LoginCredentials> {
        self.renewed.as_ref().map(|renewed| renewed.borrow().clone()).or_else(|| self.credentials.clone())
    }

    /// The token to use now.
    pub(super) async fn token(&self, http: &Http) -> Result<Option<Arc<str>>, LoginError> {
        if self.credentials.is_none() && self.renewed.is_none() {
            return Ok(None);
        }
        if let Some(token) = self.usable(Instant::now()) {
            return Ok(Some(token));
        }
        let asked = Instant::now();
        let mut failed = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(_) => match self.held(asked) {
                Some(token) => return Ok(Some(token)), // Somebody renews it; until its end it is as good.
                None => self.turn.lock().await,
            },
        };
        if let Some(token) = self.usable(Instant::now()) {
            return Ok(Some(token));
        }
        if let Some((_, error)) = failed.as_ref().filter(|(ended, _)| *ended >= asked) {
            return Err(error.clone());
        }
        let Some(credentials) = self.credentials() else { return Ok(None) };
        if let Some(error) = self.recent_refusal(&credentials) {
            return Err(error);
        }
        match log_in(http, &credentials).await {
            Ok(answer) => {
                *failed = None;
                Ok(Some(self.keep(answer, Instant::now())))
            }
            Err(error) => {
                *failed = Some((Instant::now(), error.clone()));
                self.fall_back(credentials, error, Instant::now()).map(Some)
            }
        }
    }

    /// A token that may be due for renewal, but holds.
    fn held(&self, now: Instant) -> Option<Arc<str>> {
        let held = self.lock();
        let token = held.as_ref().filter(|token| now < token.ends_at && !token.refused)?;
        Some(Arc::clone(&token.text))
    }

    fn keep(&self, answer: LoginAnswer, now: Instant) -> Arc<str> {
        let ttl = Duration::from_secs(answer.token_ttl.max(1).unsigned_abs()).min(MAX_TTL);
        let text: Arc<str> = answer.access_token.into();
        // A tenth before the end, as the Java client does.
        let (renew_at, ends_at) = (now + ttl - ttl / 10, now + ttl);
        *self.refusal() = None;
        *self.lock() = Some(Token { text: Arc::clone(&text), since: now, renew_at, ends_at, refused: false });
        text
    }

    /// The login failed. A token in hand that still holds is used on, and renewed some seconds later.
    fn fall_back(&self, of: LoginCredentials, error: LoginError, now: Instant) -> Result<Arc<str>, LoginError> {
        if let Some(token) = self.lock().as_mut().filter(|token| now < token.ends_at && !token.refused) {
            tracing::warn!(%error, "token renewal failed, the old token is still used");
            token.renew_at = now + TRUSTED;
            return Ok(Arc::clone(&token.text));
        }
        if error.is_answered() {
            let mut refusal = self.refusal();
            let count = refusal.as_ref().filter(|before| before.of == of).map_or(0, |before| before.count) + 1;
            *refusal = Some(Refusal { of, count, until: now + login_pause(count), error: error.clone() });
        }
        Err(error)
    }

    fn recent_refusal(&self, of: &LoginCredentials) -> Option<LoginError> {
        let refusal = self.refusal();
        let recent = refusal.as_ref().filter(|refusal| refusal.of == *of && Instant::now() < refusal.until);
        recent.map(|refusal| refusal.error.clone())
    }

    fn refusal(&self) -> std::sync::MutexGuard<'_, Option<Refusal>> {
        self.refusal.lock().expect("no panic happens while this is held")
    }

    pub(super) fn was_refused(&self, text: &str) {
        if let Some(token) = self.lock().as_mut() {
            token.refused |= &*token.text == text && token.since.elapsed() > TRUSTED;
        }
    }

    fn usable(&self, now: Instant) -> Option<Arc<str>> {
        let held = self.lock();
        let token = held.as_ref().filter(|token| now < token.renew_at && !token.refused)?;
        Some(Arc::clone(&token.text))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Token>> {
        self.token.lock().expect("no panic happens while this is held")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoginAnswer {
    access_token: String,
    #[serde(default = "default_ttl")]
    token_ttl: i64,
}

fn default_ttl() -> i64 {
    DEFAULT_TTL_SECONDS
}

/// What servers give out in place of a token where they ask for none: everybody's password is as good there as the one that they are shipped with.
const NO_TOKEN: &str = "AUTH_DISABLED";

/// One login, whose token is forgotten.
pub(super) async fn judge(http: &Http, credentials: &LoginCredentials) -> Result<(), LoginError> {
    let answer = log_in(http, credentials).await?;
    if answer.access_token == NO_TOKEN {
        let message = "nacos says that its logins are off".to_owned();
        return Err(LoginError::Failed { status: StatusCode::OK.as_u16(), message });
    }
    Ok(())
}

async fn log_in(http: &Http, credentials: &LoginCredentials) -> Result<LoginAnswer, LoginError> {
    let form = [("username", &*credentials.username), ("password", &*credentials.password)];
    let mut answer = None;
    for path in PATHS {
        let request = HttpRequest {
            method: Method::POST,
            path,
            query: &[],
            form: &form,
            token: None,
            within: Some(LOGIN_WITHIN),
        };
        let given = http.send(request).await.map_err(|error| LoginError::Unanswered(Arc::new(error)))?;
        let not_offered = [StatusCode::NOT_FOUND, StatusCode::GONE, StatusCode::NOT_IMPLEMENTED];
        let next = not_offered.contains(&given.status);
        answer = Some(given);
        if !next {
            break;
        }
    }
    read(&answer.expect("there is at least one path"))
}

fn read(answer: &HttpAnswer) -> Result<LoginAnswer, LoginError> {
    let status = answer.status.as_u16();
    let message = || String::from_utf8_lossy(&answer.body).chars().take(200).collect();
    match answer.status {
        StatusCode::OK => match serde_json::from_slice::<LoginAnswer>(&answer.body) {
            Ok(token) if !token.access_token.is_empty() => Ok(token),
            _ => Err(LoginError::Failed { status, message: "the answer holds no token".to_owned() }),
        },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(LoginError::Refused { status, message: message() }),
        _ => Err(LoginError::Failed { status, message: message() }),
    }
}

#[cfg(test)]
mod tests;
