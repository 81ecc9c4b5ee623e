//! Who asks.

use std::fmt;
use std::sync::Arc;

use federation_core::pattern::Glob;
use federation_core::time::WallMs;

use crate::judge::{AccessSubject, ListSight, MissingRight, NamedByPattern, judge};
use crate::right::AccessRight;
use crate::role::{AccessRole, RoleGrant};

/// By what somebody is known. Names of different means are never the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IdentityMeans {
    /// Whoever reaches a loopback address of a gateway without accounts.
    Local,
    /// Nothing was shown.
    Anonymous,
    /// A static token.
    Token,
}

impl IdentityMeans {
    /// Those that name somebody, who can be bound to roles.
    pub const NAMING: [Self; 1] = [Self::Token];

    /// As principals begin.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Anonymous => "anonymous",
            Self::Token => "token",
        }
    }
}

/// Somebody, for as long as one request or watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerIdentity {
    /// By what it is known.
    pub means: IdentityMeans,
    /// Its name among those; empty where there is none.
    pub name: Box<str>,
    /// What it may do.
    pub grants: Arc<[RoleGrant]>,
    /// When what it showed ends.
    pub expires: Option<WallMs>,
    /// The digest of what it showed, so that it can be looked at again.
    pub(crate) shown: Option<crate::tokens::TokenDigest>,
}

impl CallerIdentity {
    /// Whoever reaches a loopback address of a gateway without accounts: may do everything, as the user of the machine.
    #[must_use]
    pub fn local() -> Self {
        let grants = [RoleGrant::whole(AccessRole::Admin)].into();
        Self { means: IdentityMeans::Local, name: "".into(), grants, expires: None, shown: None }
    }

    /// Whoever shows nothing.
    #[must_use]
    pub fn anonymous(grants: Arc<[RoleGrant]>) -> Self {
        Self { means: IdentityMeans::Anonymous, name: "".into(), grants, expires: None, shown: None }
    }

    /// Whether it may do this.
    ///
    /// # Errors
    /// What is missing.
    pub fn may(&self, right: AccessRight, subject: AccessSubject<'_>) -> Result<(), MissingRight> {
        judge(&self.grants, right, subject)
    }

    /// What of a list it sees.
    #[must_use]
    pub fn sight<K: NamedByPattern>(&self) -> ListSight<K::Pattern> {
        ListSight::of::<K>(&self.grants)
    }

    /// Whether it is nobody in particular.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.means == IdentityMeans::Anonymous
    }

    /// Who gives an order, as it is kept: the identity, and what the order says of itself beside it, never instead. Only where nobody is known,
    /// on a loopback address without accounts, the order's own word counts.
    #[must_use]
    pub fn signs(&self, claimed: Option<String>) -> Option<String> {
        match (self.means, claimed.filter(|claimed| !claimed.is_empty())) {
            (IdentityMeans::Local, claimed) => claimed,
            (_, None) => Some(self.to_string()),
            (_, Some(claimed)) => Some(format!("{self} (says {claimed})")),
        }
    }
}

impl fmt::Display for CallerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.name {
            "" => f.write_str(self.means.as_str()),
            name => write!(f, "{}:{name}", self.means.as_str()),
        }
    }
}

/// Whom a rule means: `token:ci-*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalPattern {
    /// By what they are known.
    pub means: IdentityMeans,
    /// Their names.
    pub name: Glob,
}

impl PrincipalPattern {
    /// Reads `means:pattern`.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        let (means, name) = text.split_once(':')?;
        let means = IdentityMeans::NAMING.into_iter().find(|known| known.as_str() == means)?;
        let name = if name.is_empty() { None } else { name.parse().ok() };
        Some(Self { means, name: name? })
    }

    /// Whether it means this name.
    #[must_use]
    pub fn matches(&self, means: IdentityMeans, name: &str) -> bool {
        self.means == means && self.name.matches(name)
    }
}
