//! Admin calls over HTTP, for what gRPC does not show: all namespaces, all services of all groups, disabled instances and true health, all
//! config items and what is kept beside their content.
//!
//! Each call is made in the newest dialect that the server offers. A listing is whole or an error: whatever a server or a proxy in front of
//! it answers, never is a shorter listing given for a whole one.
//!
//! The default namespace is `public` here on every line. The naming namespace `""`, which exists over gRPC only, is not `public`.

use std::sync::Arc;

use reqwest::Method;

use crate::cluster::{HttpRequest, NacosCluster};

mod answer;
mod config;
mod dialect;
mod error;
mod naming;
mod state;

pub use config::{ConfigDetail, ConfigEntry};
pub use error::AdminError;
pub use naming::ServiceEntry;
pub use state::Namespace;

use crate::cluster::HttpAnswer;
use dialect::Choice;

/// Id of the default namespace.
const DEFAULT_NAMESPACE: &str = "public";

/// Makes admin calls to one cluster, any of its servers.
pub struct AdminClient {
    cluster: Arc<NacosCluster>,
    namespaces: Choice,
    services: Choice,
    instances: Choice,
    config_keys: Choice,
    config_detail: Choice,
    readiness: Choice,
    version: Choice,
}

impl AdminClient {
    /// Makes a caller; it connects to nothing yet.
    pub fn new(cluster: Arc<NacosCluster>) -> Self {
        Self {
            cluster,
            namespaces: Choice::default(),
            services: Choice::default(),
            instances: Choice::default(),
            config_keys: Choice::default(),
            config_detail: Choice::default(),
            readiness: Choice::default(),
            version: Choice::default(),
        }
    }

    /// Asks once. `None`: the server says that the thing asked for does not exist.
    async fn get(&self, path: &'static str, query: &[(&str, &str)]) -> Result<Option<HttpAnswer>, AdminError> {
        let (token, login_error) = match self.cluster.token().await {
            Ok(token) => (token, None),
            // Auth may be off: the answer shows whether a token is needed.
            Err(error) => (None, Some(error)),
        };
        let first = self.get_as(path, query, token.as_deref()).await;
        match (first, token) {
            // The token may have ended early, by a restart of the server with another secret.
            (Err(error @ AdminError::Refused { .. }), Some(refused)) => {
                self.cluster.token_was_refused(&refused);
                match self.cluster.token().await {
                    Ok(Some(fresh)) if fresh != refused => self.get_as(path, query, Some(&fresh)).await,
                    _ => Err(error),
                }
            }
            (Err(AdminError::Refused { status, message }), None) => {
                let message = login_error.map_or(message.clone(), |error| format!("{message} ({error})"));
                Err(AdminError::Refused { status, message })
            }
            (result, _) => result,
        }
    }

    async fn get_as(
        &self,
        path: &str,
        query: &[(&str, &str)],
        token: Option<&str>,
    ) -> Result<Option<HttpAnswer>, AdminError> {
        let request = HttpRequest { method: Method::GET, path, query, form: &[], token, within: None };
        answer::sort(self.cluster.http().send(request).await?)
    }
}

/// What config calls have to say for a namespace: over HTTP the default one has two names.
fn namespace_parameter(namespace: &str) -> &str {
    if namespace.is_empty() { DEFAULT_NAMESPACE } else { namespace }
}
