//! Namespaces, and the servers' own state.

use serde::Deserialize;
use serde::de::Error as _;

use super::dialect::Dialect;
use super::{AdminClient, AdminError, DEFAULT_NAMESPACE, answer};

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Id; `public` for the default one on every line.
    pub id: String,
    /// Name for people.
    pub name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawNamespace {
    namespace: String,
    namespace_show_name: Option<String>,
}

#[derive(Deserialize)]
struct State {
    version: Option<String>,
}

impl AdminClient {
    /// All namespaces, sorted by id. On 3.x it takes a wider right than reading in one namespace; 2.x asks for none.
    ///
    /// # Errors
    ///
    /// Any [`AdminError`]. There is always a default namespace: a listing without any is malformed.
    pub async fn namespaces(&self) -> Result<Vec<Namespace>, AdminError> {
        self.namespaces.call(&[Dialect::V3, Dialect::V2, Dialect::V1], |dialect| self.namespaces_in(dialect)).await
    }

    async fn namespaces_in(&self, dialect: Dialect) -> Result<Vec<Namespace>, AdminError> {
        let path = match dialect {
            Dialect::V3 => "v3/admin/core/namespace/list",
            Dialect::V2 => "v2/console/namespace/list",
            Dialect::V1 => "v1/console/namespaces",
        };
        let answer = self.get(path, &[]).await?.ok_or(AdminError::NotOffered)?;
        let raw: Vec<RawNamespace> = answer::wrapped(path, &answer)?;
        if raw.is_empty() {
            return Err(AdminError::Malformed { path, source: serde_json::Error::custom("no namespace at all") });
        }
        let mut namespaces: Vec<_> = raw.into_iter().map(Namespace::from).collect();
        namespaces.sort_by(|one, other| one.id.cmp(&other.id));
        namespaces.dedup_by(|one, other| one.id == other.id);
        Ok(namespaces)
    }

    /// Whether a server is ready to work.
    ///
    /// # Errors
    ///
    /// Any [`AdminError`]; [`AdminError::Failed`] is how a server says that it is not ready.
    pub async fn readiness(&self) -> Result<(), AdminError> {
        self.readiness.call(&[Dialect::V3, Dialect::V2, Dialect::V1], |dialect| self.readiness_in(dialect)).await
    }

    async fn readiness_in(&self, dialect: Dialect) -> Result<(), AdminError> {
        let path = match dialect {
            Dialect::V3 => "v3/admin/core/state/readiness",
            Dialect::V2 => "v2/console/health/readiness",
            Dialect::V1 => "v1/console/health/readiness",
        };
        let answer = self.get(path, &[]).await?.ok_or(AdminError::NotOffered)?;
        match dialect {
            Dialect::V3 | Dialect::V2 => answer::wrapped::<String>(path, &answer).map(drop),
            Dialect::V1 if answer.body.trim_ascii() == b"OK" => Ok(()),
            Dialect::V1 => Err(AdminError::Failed { status: answer.status.as_u16(), message: answer::words(&answer) }),
        }
    }

    /// The version of the server that answers, as it writes it.
    ///
    /// # Errors
    ///
    /// Any [`AdminError`].
    pub async fn version(&self) -> Result<String, AdminError> {
        self.version.call(&[Dialect::V3, Dialect::V1], |dialect| self.version_in(dialect)).await
    }

    async fn version_in(&self, dialect: Dialect) -> Result<String, AdminError> {
        let path = match dialect {
            Dialect::V3 => "v3/admin/core/state",
            Dialect::V2 | Dialect::V1 => "v1/console/server/state",
        };
        let answer = self.get(path, &[]).await?.ok_or(AdminError::NotOffered)?;
        let state: State = match dialect {
            Dialect::V3 => answer::wrapped(path, &answer)?,
            Dialect::V2 | Dialect::V1 => answer::bare(path, &answer)?,
        };
        let missing = || AdminError::Malformed { path, source: serde_json::Error::missing_field("version") };
        state.version.ok_or_else(missing)
    }
}

impl From<RawNamespace> for Namespace {
    fn from(raw: RawNamespace) -> Self {
        let id = if raw.namespace.is_empty() { DEFAULT_NAMESPACE.to_owned() } else { raw.namespace };
        let name = raw.namespace_show_name.filter(|name| !name.is_empty()).unwrap_or_else(|| id.clone());
        Self { id, name }
    }
}
