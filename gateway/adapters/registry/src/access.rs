//! Who may use the registry: anybody, or whoever logged in with the configured user and password.

use std::fmt;

/// The one user of an embedded registry.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryCredentials {
    /// User.
    pub username: String,
    /// Password; never shown.
    pub password: String,
}

impl fmt::Debug for RegistryCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Decides about logins and tokens.
#[derive(Debug)]
pub(super) struct Access {
    required: Option<RegistryCredentials>,
    /// What a login gives; new with each start, so that clients log in again then, as with a Nacos that lost its secret.
    token: String,
}

impl Access {
    /// `random` must not be guessable.
    pub(super) fn new(required: Option<RegistryCredentials>, random: u128) -> Self {
        Self { required, token: format!("{random:032x}") }
    }

    /// The token for this user, or `None` when the password is wrong. Without configured credentials anybody gets it.
    pub(super) fn login(&self, username: &str, password: &str) -> Option<&str> {
        let right = self
            .required
            .as_ref()
            .is_none_or(|required| same(&required.username, username) & same(&required.password, password));
        right.then_some(&self.token)
    }

    /// Whether a call with this token may be carried out.
    pub(super) fn admits(&self, token: Option<&str>) -> bool {
        self.required.is_none() || token.is_some_and(|token| same(token, &self.token))
    }
}

/// Compares without telling by its duration where two texts differ.
fn same(a: &str, b: &str) -> bool {
    blake3::hash(a.as_bytes()) == blake3::hash(b.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_credentials_anybody_may_and_with_them_only_who_logged_in() {
        let open = Access::new(None, 7);
        assert!(open.admits(None) && open.login("anybody", "").is_some());
        let credentials = RegistryCredentials { username: "nacos".into(), password: "secret".into() };
        assert!(!format!("{credentials:?}").contains("secret"));
        let closed = Access::new(Some(credentials), 7);
        assert_eq!((closed.login("nacos", "wrong"), closed.login("other", "secret")), (None, None));
        let token = closed.login("nacos", "secret");
        assert!(closed.admits(token) && !closed.admits(None) && !closed.admits(Some("x")));
    }
}
