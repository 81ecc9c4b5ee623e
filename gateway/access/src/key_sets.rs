//! The keys of identity providers that are fetched: when, and how long they count.
//!
//! A provider that does not answer changes nothing: the keys that are there count on, until nobody has confirmed them for `keep`. A token that
//! names a key that is not there has the set fetched anew, at most every [`NOT_AGAIN_WITHIN`]: whoever makes up names of keys must not make a
//! gateway ask all the time. Pure but for the clock that it is given.

use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use crate::jwt::JwtKeySet;

/// How soon a set is fetched again that could not be, or that lacks a key.
pub(crate) const NOT_AGAIN_WITHIN: Duration = Duration::from_secs(10);

/// The keys at one URL.
pub(crate) struct FetchedKeys {
    pub(crate) url: Url,
    refresh: Duration,
    keep: Duration,
    good: Option<(JwtKeySet, Instant)>,
    /// When the last attempt began.
    asked: Option<Instant>,
    due: Instant,
    pub(crate) under_way: bool,
}

impl FetchedKeys {
    pub(crate) fn new(url: Url, refresh: Duration, keep: Duration, now: Instant) -> Self {
        Self { url, refresh, keep, good: None, asked: None, due: now, under_way: false }
    }

    /// The keys that count.
    pub(crate) fn keys(&self) -> Option<&JwtKeySet> {
        self.good.as_ref().map(|(keys, _)| keys)
    }

    /// Whether to ask now; `wanted` is that somebody shows a token of a key that is not there.
    pub(crate) fn begins(&mut self, wanted: bool, now: Instant) -> bool {
        let rested = self.asked.is_none_or(|asked| now.duration_since(asked) >= NOT_AGAIN_WITHIN);
        let begins = !self.under_way && (now >= self.due || (wanted && rested));
        if begins {
            (self.under_way, self.asked) = (true, Some(now));
        }
        begins
    }

    /// What came of it; returns why the keys are not new, if they are not.
    pub(crate) fn ended(&mut self, answer: Result<Vec<u8>, String>, now: Instant) -> Result<(), String> {
        self.under_way = false;
        match answer.and_then(|text| JwtKeySet::of_json(&text)) {
            Ok(keys) => {
                (self.good, self.due) = (Some((keys, now)), now + self.refresh);
                Ok(())
            }
            Err(reason) => {
                self.due = now + NOT_AGAIN_WITHIN.min(self.refresh);
                Err(reason)
            }
        }
    }

    /// Forgets keys that nobody has confirmed for too long; whether there were some.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        self.good.take_if(|(_, confirmed)| now.duration_since(*confirmed) >= self.keep).is_some()
    }
}
