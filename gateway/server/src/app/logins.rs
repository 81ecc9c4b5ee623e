//! Passwords of users of the local Nacos, judged by that.

use std::sync::Arc;

use anyhow::Context;
use federation_access::logins::{JudgedPassword, PasswordJudge, PasswordRefused};
use federation_document::secret::Secret;
use nacos_protocol::cluster::{ClusterOptions, LoginCredentials, LoginError, NacosCluster};

/// The local Nacos, asked as its own clients ask it. It has no account of the gateway's: each question shows the user's own.
pub(super) struct NacosPasswords(Arc<NacosCluster>);

impl NacosPasswords {
    /// Asks this Nacos.
    ///
    /// # Errors
    /// A TLS file that cannot be used.
    pub(super) fn at(options: ClusterOptions) -> anyhow::Result<Self> {
        let options = ClusterOptions { credentials: None, renewed_credentials: None, ..options };
        Ok(Self(NacosCluster::new(options).context("logins cannot reach the nacos")?))
    }
}

impl PasswordJudge for NacosPasswords {
    fn judge(&self, user: &str, password: &Secret) -> JudgedPassword {
        let cluster = Arc::clone(&self.0);
        let shown = LoginCredentials { username: user.to_owned(), password: password.expose().to_owned() };
        Box::pin(async move { cluster.judge_password(&shown).await.map_err(|error| refused(&error)) })
    }
}

/// What a caller is told has no word of the server, whose address and words are for whoever runs the gateway.
fn refused(error: &LoginError) -> PasswordRefused {
    if error.is_refusal() {
        // Of 500, which may also be a Nacos that fails, its own words are all that there is to tell them apart.
        tracing::info!(error = error as &dyn std::error::Error, "nacos refuses a login");
        return PasswordRefused::Wrong;
    }
    tracing::warn!(error = error as &dyn std::error::Error, "nacos does not say whether a password is right");
    PasswordRefused::Unjudged(match error {
        LoginError::Failed { status: 200, .. } => "the local nacos gives out no tokens: its logins are off".to_owned(),
        LoginError::Failed { status, .. } | LoginError::Refused { status, .. } => {
            format!("the local nacos answered with HTTP status {status}")
        }
        LoginError::Unanswered(_) => "the local nacos does not answer".to_owned(),
    })
}
