//! On whose behalf a client acts: where it is not the gateway itself, a server is told the caller's address and shown the caller's own
//! credentials, and judges by these.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The headers that a caller sent with its last call: its token, or what it signed. Shared by whoever hears the caller and the client that
/// acts for it. Cheap to clone.
#[derive(Clone, Default)]
pub struct CallerHeaders(Arc<Mutex<HashMap<String, String>>>); // Locked for one copy.

impl CallerHeaders {
    /// What the caller shows from now on.
    pub fn show(&self, headers: &HashMap<String, String>) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *shown != *headers {
            shown.clone_from(headers);
        }
    }

    /// What it showed last.
    #[must_use]
    pub fn shown(&self) -> HashMap<String, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for CallerHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallerHeaders(..)") // Credentials.
    }
}

/// For whom a client acts.
#[derive(Clone, Debug)]
pub struct ActsFor {
    /// The address that the caller says it has: servers choose variants of config items by it.
    pub client_ip: String,
    /// What it shows. Registrations are made anew with what was shown last.
    pub headers: CallerHeaders,
}
