//! Sessions of people who logged in: what a random token stands for, for a while.
//!
//! Input: names of users whose passwords were right, and tokens that are shown. Output: whose they are. Invariants: nothing of a token is kept but
//! its digest; a session ends [`LONGEST`] after its login, or [`IDLE`] after its last use, whatever comes first; there are [`MOST_SESSIONS`] at
//! most, and [`MOST_OF_ONE_USER`] of one user, whose longest unused one makes room for a new one. Nothing is written anywhere: a gateway that
//! restarts knows none. The clock is an argument.

use std::collections::HashMap;

use federation_core::time::{Millis, WallMs};
use federation_document::secret::Secret;

use crate::tokens::TokenDigest;

/// How long a session lasts without use: longer than a meeting, shorter than a night at a screen that nobody locked.
pub const IDLE: Millis = Millis::from_secs(30 * 60);
/// How long it lasts at most: a working day.
pub const LONGEST: Millis = Millis::from_secs(8 * 3600);
/// Sessions at a time; each has some hundred bytes.
pub const MOST_SESSIONS: usize = 10_000;
/// Sessions of one user at a time: people have some browsers and terminals, and scripts that log in anew each time push out their own.
pub const MOST_OF_ONE_USER: usize = 50;

/// There are as many sessions as there may be, none of them this user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MOST_SESSIONS} sessions are open here, which is all that there may be")]
pub struct SessionsFull;

/// A session, as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSession {
    /// Whose it is.
    pub user: Box<str>,
    /// What pages show beside the cookie when they act.
    pub csrf: Secret,
    /// When it ends, whatever happens.
    pub expires: WallMs,
    /// When it ends if it is not used.
    pub idle_ends: WallMs,
}

/// All of them.
#[derive(Debug, Default)]
pub struct SessionBook {
    sessions: HashMap<[u8; 8], KeptSession>,
}

#[derive(Debug)]
struct KeptSession {
    digest: TokenDigest,
    user: Box<str>,
    csrf: Secret,
    began: WallMs,
    used: WallMs,
}

impl KeptSession {
    fn expires(&self) -> WallMs {
        later(self.began, LONGEST)
    }

    fn idle_ends(&self) -> WallMs {
        later(self.used, IDLE).min(self.expires())
    }

    fn shown(&self) -> UserSession {
        let (expires, idle_ends) = (self.expires(), self.idle_ends());
        UserSession { user: self.user.clone(), csrf: self.csrf.clone(), expires, idle_ends }
    }
}

impl SessionBook {
    /// Begins a session of `user` for whoever shows a token of this digest.
    ///
    /// # Errors
    /// There is no room.
    pub fn open(
        &mut self,
        user: &str,
        digest: TokenDigest,
        csrf: Secret,
        now: WallMs,
    ) -> Result<UserSession, SessionsFull> {
        self.sessions.retain(|_, session| now < session.idle_ends());
        let of_user = self.sessions.iter().filter(|(_, session)| *session.user == *user);
        if of_user.clone().count() >= MOST_OF_ONE_USER
            && let Some(unused) = of_user.min_by_key(|(_, session)| session.used).map(|(beginning, _)| *beginning)
        {
            self.sessions.remove(&unused);
        }
        if self.sessions.len() >= MOST_SESSIONS {
            return Err(SessionsFull);
        }
        let session = KeptSession { digest, user: user.into(), csrf, began: now, used: now };
        let shown = session.shown();
        self.sessions.insert(digest.beginning(), session);
        Ok(shown)
    }

    /// The session of whoever shows a token of this digest, which is used by that.
    pub fn used(&mut self, digest: &TokenDigest, now: WallMs) -> Option<UserSession> {
        let session = self.sessions.get_mut(&digest.beginning()).filter(|session| session.digest == *digest)?;
        if now >= session.idle_ends() {
            self.sessions.remove(&digest.beginning());
            return None;
        }
        session.used = session.used.max(now);
        Some(session.shown())
    }

    /// Ends it. Whether there was one.
    pub fn close(&mut self, digest: &TokenDigest) -> bool {
        let known = self.sessions.get(&digest.beginning()).is_some_and(|session| session.digest == *digest);
        if known {
            self.sessions.remove(&digest.beginning());
        }
        known
    }
}

fn later(at: WallMs, by: Millis) -> WallMs {
    WallMs(at.0.saturating_add(by.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(token: usize) -> TokenDigest {
        TokenDigest::of(&format!("token {token}"))
    }

    fn open(book: &mut SessionBook, user: &str, token: usize, now: u64) -> Result<UserSession, SessionsFull> {
        book.open(user, digest(token), Secret::new("c".to_owned()), WallMs(now))
    }

    #[test]
    fn a_session_lasts_while_it_is_used_and_a_working_day_at_most() {
        let mut book = SessionBook::default();
        let opened = open(&mut book, "alice", 1, 0).unwrap();
        assert_eq!((opened.expires, opened.idle_ends), (WallMs(LONGEST.0), WallMs(IDLE.0)));
        assert_eq!(book.used(&digest(2), WallMs(0)), None, "another token");
        let mut now = 0;
        while now + IDLE.0 < LONGEST.0 {
            now += IDLE.0 - 1;
            assert_eq!(&*book.used(&digest(1), WallMs(now)).unwrap().user, "alice", "{now}");
        }
        let last = book.used(&digest(1), WallMs(LONGEST.0 - 1)).unwrap();
        assert_eq!(last.idle_ends, WallMs(LONGEST.0));
        assert_eq!(book.used(&digest(1), WallMs(LONGEST.0)), None);
        open(&mut book, "alice", 3, 0).unwrap();
        assert_eq!(book.used(&digest(3), WallMs(IDLE.0)), None, "nobody used it");
        assert_eq!(book.used(&digest(3), WallMs(0)), None, "what is over does not come back");
    }

    #[test]
    fn a_session_that_was_closed_is_over() {
        let mut book = SessionBook::default();
        open(&mut book, "alice", 1, 0).unwrap();
        open(&mut book, "alice", 2, 0).unwrap();
        assert!(book.close(&digest(1)) && !book.close(&digest(1)) && !book.close(&digest(3)));
        assert_eq!(book.used(&digest(1), WallMs(1)), None);
        assert!(book.used(&digest(2), WallMs(1)).is_some());
    }

    #[test]
    fn one_user_pushes_out_its_own_sessions_only_and_all_together_are_bounded() {
        let mut book = SessionBook::default();
        open(&mut book, "bob", 0, 0).unwrap();
        for number in 1..=MOST_OF_ONE_USER {
            open(&mut book, "alice", number, 5).unwrap();
        }
        book.used(&digest(1), WallMs(6)).unwrap();
        open(&mut book, "alice", 1_000, 7).unwrap();
        assert!(book.used(&digest(0), WallMs(7)).is_some() && book.used(&digest(1), WallMs(7)).is_some());
        assert_eq!((2..=MOST_OF_ONE_USER).filter(|it| book.used(&digest(*it), WallMs(7)).is_none()).count(), 1);

        let mut book = SessionBook::default();
        for number in 0..MOST_SESSIONS {
            open(&mut book, &format!("user {number}"), number, 0).unwrap();
        }
        assert_eq!(open(&mut book, "one more", MOST_SESSIONS, 1), Err(SessionsFull));
        assert!(open(&mut book, "one more", MOST_SESSIONS, IDLE.0).is_ok(), "the others are over");
    }
}
