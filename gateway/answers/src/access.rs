//! Who asks.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whom a gateway takes its caller for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Whoami)]
pub struct WhoamiDocument {
    /// By what it is known, and its name: `token:ci`; `anonymous` if nothing was shown, `local` on a loopback address of a gateway without accounts.
    pub identity: String,
    /// What it may do; in brackets for what, if not for everything.
    pub roles: Vec<String>,
    /// When what was shown expires; null for never.
    pub expires_ms: Option<u64>,
}

/// A user of the local Nacos who wants to be known.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = Login)]
pub struct LoginBody {
    /// The user's name; at most 256 bytes.
    pub username: String,
    /// The password; at most 1,024 bytes.
    pub password: String,
    /// Whether the token is set as a cookie, for a page, and not told in the answer.
    #[serde(default, skip_serializing_if = "crate::is_not_said")]
    pub cookie: bool,
}

impl fmt::Debug for LoginBody {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginBody").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The session of a user who logged in.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
pub struct SessionDocument {
    /// `nacos:` and the user's name.
    pub identity: String,
    /// What it may do; in brackets for what, if not for everything.
    pub roles: Vec<String>,
    /// When it ends, whatever happens.
    pub expires_ms: u64,
    /// When it ends if it is not used.
    pub idle_ends_ms: u64,
    /// What is shown from now on as `authorization: Bearer TOKEN`; only in the answer to a login without a cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What a page shows in the header `x-nacos-fed-csrf` with each order that it gives by its cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csrf_token: Option<String>,
}

impl fmt::Debug for SessionDocument {
    /// Without what is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionDocument").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// A session that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SessionEnded)]
pub struct SessionEndedDocument {
    /// Whose it was.
    pub identity: String,
    /// Always true.
    pub ended: bool,
}
