//! Logins: a user and a password become a session, or are refused.
//!
//! Whether a password is right says a [`PasswordJudge`], which is asked by [`AT_ONCE`] logins at a time at most, and never for an address that
//! has to wait ([`crate::login_brake`]). Invariants: a password goes to the judge and nowhere else; what is refused says the same for a wrong
//! password and a user that does not exist; what nobody could judge counts as no failure.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use federation_core::time::Mono;
use federation_document::secret::Secret;
use tokio::sync::Semaphore;

use crate::authority::{AccessAuthority, OpenedSession};
use crate::login_brake::LoginBrake;
use crate::sessions::SessionsFull;

/// Logins that are judged at a time. A password takes Nacos some hundred milliseconds of a processor: more at a time would be a way to stop it.
pub const AT_ONCE: usize = 8;
/// Longest name of a user, in bytes.
pub const LONGEST_USER_BYTES: usize = 256;
/// Longest password, in bytes.
pub const LONGEST_PASSWORD_BYTES: usize = 1_024;

/// Knows whose passwords are right.
pub trait PasswordJudge: Send + Sync {
    /// Whether this is the user's password. An answer takes some seconds at most.
    fn judge(&self, user: &str, password: &Secret) -> JudgedPassword;
}

/// What comes of a judgement.
pub type JudgedPassword = Pin<Box<dyn Future<Output = Result<(), PasswordRefused>> + Send>>;

/// Why a password does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordRefused {
    /// It is wrong, or there is no such user.
    Wrong,
    /// Nobody could say; why, for people. It holds nothing of the password.
    Unjudged(String),
}

/// Why somebody is not logged in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefused {
    /// User or password are wrong.
    #[error("user or password are wrong")]
    Wrong,
    /// Too many were wrong that came from there.
    #[error("too many logins from this address have failed: the next one is looked at in {} s", wait.as_secs())]
    Braked {
        /// How long, in whole seconds, one at least.
        wait: Duration,
    },
    /// Whoever knows passwords does not answer.
    #[error("nobody can say now whether a password is right: {0}; sessions that are open go on")]
    Unjudged(String),
    /// Too many logins at the same time.
    #[error("{AT_ONCE} logins are being judged, which is all at a time")]
    Crowded,
    /// There is no room for another session.
    #[error(transparent)]
    Full(#[from] SessionsFull),
}

/// See the module.
pub struct LoginDesk {
    authority: AccessAuthority,
    judge: Arc<dyn PasswordJudge>,
    /// Locked for single operations.
    brake: Mutex<LoginBrake>,
    turns: Semaphore,
    started: Instant,
}

impl LoginDesk {
    /// Opens sessions of `authority` for those whose passwords `judge` finds right.
    #[must_use]
    pub fn new(authority: AccessAuthority, judge: Arc<dyn PasswordJudge>) -> Self {
        let (brake, turns) = (Mutex::default(), Semaphore::new(AT_ONCE));
        Self { authority, judge, brake, turns, started: Instant::now() }
    }

    /// Logs somebody in who comes from this address. Dropped before it ends it counts as a failure: nobody tries passwords by hanging up.
    ///
    /// # Errors
    /// He is not logged in.
    pub async fn log_in(&self, from: IpAddr, user: &str, password: &Secret) -> Result<OpenedSession, LoginRefused> {
        let _turn = self.turns.try_acquire().map_err(|_| LoginRefused::Crowded)?;
        let now = Mono(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX));
        let begun = self.brake().begin(from, now);
        begun.map_err(|wait| LoginRefused::Braked { wait: Duration::from_secs(wait.0.div_ceil(1_000).max(1)) })?;
        if !is_user_name(user) || password.expose().is_empty() || password.expose().len() > LONGEST_PASSWORD_BYTES {
            return Err(LoginRefused::Wrong);
        }
        match self.judge.judge(user, password).await {
            Err(PasswordRefused::Wrong) => return Err(LoginRefused::Wrong),
            Err(PasswordRefused::Unjudged(reason)) => {
                self.brake().take_back(from);
                return Err(LoginRefused::Unjudged(reason));
            }
            Ok(()) => self.brake().take_back(from),
        }
        Ok(self.authority.open_session(user)?)
    }

    fn brake(&self) -> MutexGuard<'_, LoginBrake> {
        self.brake.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a user may have this name: what is no text of one line would forge the lines of a log.
fn is_user_name(user: &str) -> bool {
    (1..=LONGEST_USER_BYTES).contains(&user.len()) && user.trim() == user && !user.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::ListenerPlace;
    use crate::book::{AccessBook, BookParts, CredentialRefused};

    const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Knows alice, and is away for whoever is named so.
    struct Alice;

    impl PasswordJudge for Alice {
        fn judge(&self, user: &str, password: &Secret) -> JudgedPassword {
            let judged = match (user, password.expose()) {
                ("away", _) => Err(PasswordRefused::Unjudged("it is away".to_owned())),
                ("alice", "right") => Ok(()),
                _ => Err(PasswordRefused::Wrong),
            };
            Box::pin(std::future::ready(judged))
        }
    }

    fn desk() -> (LoginDesk, AccessAuthority) {
        let authority = AccessAuthority::default();
        let bindings =
            crate::document::bindings_from_text("b", "bindings: [{to: ['nacos:a*'], role: viewer}]").unwrap();
        authority.publish(AccessBook::new(BookParts { bindings: &[&bindings], ..BookParts::default() }));
        (LoginDesk::new(authority.clone(), Arc::new(Alice)), authority)
    }

    async fn log_in(desk: &LoginDesk, user: &str, password: &str) -> Result<OpenedSession, LoginRefused> {
        desk.log_in(FROM, user, &Secret::new(password.to_owned())).await
    }

    #[tokio::test]
    async fn a_right_password_gives_a_token_with_the_roles_that_bindings_give() {
        let (desk, authority) = desk();
        let opened = log_in(&desk, "alice", "right").await.unwrap();
        let shown = format!("Bearer {}", opened.token.expose());
        let who = authority.admit_now(Some(shown.as_bytes()), None, ListenerPlace::Beyond).unwrap();
        assert_eq!(
            (who.to_string(), who.grants.len(), who.expires),
            ("nacos:alice".to_owned(), 1, Some(opened.session.expires))
        );
        assert!(!format!("{opened:?} {authority:?}").contains(opened.token.expose()), "it is printed nowhere");
        authority.publish(AccessBook::new(BookParts::default()));
        let later = authority.admit_now(Some(shown.as_bytes()), None, ListenerPlace::Beyond).unwrap();
        assert!(later.grants.is_empty(), "roles are those of now");
        assert!(authority.close_session(&later) && !authority.close_session(&later));
        let over = authority.admit_now(Some(shown.as_bytes()), None, ListenerPlace::Beyond);
        assert_eq!(over, Err(CredentialRefused::SessionOver));
    }

    #[tokio::test]
    async fn a_watch_ends_with_its_session() {
        let (desk, authority) = desk();
        let opened = log_in(&desk, "alice", "right").await.unwrap();
        let (who, _) = authority.of_session(opened.token.expose()).unwrap();
        let mut ended = std::pin::pin!(authority.ended(&who));
        tokio::select! {
            biased;
            () = &mut ended => panic!("it is open"),
            () = std::future::ready(()) => {}
        }
        authority.close_session(&who);
        ended.await;
    }

    #[tokio::test]
    async fn what_is_wrong_is_refused_in_one_form_and_slowed_down() {
        let (desk, _) = desk();
        for (user, password) in [("alice", "wrong"), ("bob", "right"), ("a\nb", "x"), ("", "x")] {
            assert_eq!(log_in(&desk, user, password).await.unwrap_err(), LoginRefused::Wrong);
        }
        for _ in 0..20 {
            assert!(matches!(log_in(&desk, "away", "x").await, Err(LoginRefused::Unjudged(_))), "no failure");
            assert!(log_in(&desk, "alice", "right").await.is_ok());
        }
        assert_eq!(log_in(&desk, "alice", "").await.unwrap_err(), LoginRefused::Wrong);
        let braked = log_in(&desk, "alice", "right").await.unwrap_err();
        assert_eq!(braked, LoginRefused::Braked { wait: Duration::from_secs(1) });
        let right = Secret::new("right".to_owned());
        assert!(desk.log_in([10, 0, 0, 1].into(), "alice", &right).await.is_ok(), "others are not concerned");
    }
}
