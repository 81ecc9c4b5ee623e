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

/// What a page has to know of whoever looks at it, and of the gateway that answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
#[schema(as = Me)]
pub struct MeDocument {
    /// By what it is known, and its name, as in `/v1/whoami`.
    pub identity: String,
    /// What it may do; in brackets for what, if not for everything.
    pub roles: Vec<String>,
    /// When what was shown expires; null for never.
    pub expires_ms: Option<u64>,
    /// Why what was shown does not count, for people; missing if it does, or if nothing was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Whether it is known by the session of a user who logged in.
    pub session: bool,
    /// Whether pages may only look: what acts is refused to them, whoever asks.
    pub read_only: bool,
    /// Whether the gateway has accounts at all.
    pub accounts: bool,
    /// Whether users of the local Nacos log in here.
    pub nacos_login: bool,
    /// What it may do for something at least.
    pub may: RightsDocument,
    /// The gateway's cluster.
    pub cluster: String,
    /// Name of the process.
    pub replica: String,
    /// The federation it belongs to.
    pub federation: String,
    /// Of the program.
    pub version: String,
}

/// Rights, each for something at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
#[schema(as = Rights)]
pub struct RightsDocument {
    /// Names, instances, freshness, plans, and what is ordered.
    pub view: bool,
    /// Contents of config items.
    pub read_contents: bool,
    /// Drains, holds, exclusions: what moves traffic.
    pub operate: bool,
    /// What a cluster is; whose accounts there are; what was done.
    pub administer: bool,
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
