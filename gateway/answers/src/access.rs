//! Who asks.

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
