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
    /// A JWT of an identity provider.
    Jwt,
    /// A client certificate.
    Certificate,
    /// A user of the local Nacos who logged in.
    Nacos,
}

impl IdentityMeans {
    /// Those that name somebody, who can be bound to roles.
    pub const NAMING: [Self; 4] = [Self::Token, Self::Jwt, Self::Certificate, Self::Nacos];

    /// As principals begin.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Anonymous => "anonymous",
            Self::Token => "token",
            Self::Jwt => "jwt",
            Self::Certificate => "certificate",
            Self::Nacos => "nacos",
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
    /// Groups of which its identity provider says that it is in them.
    pub groups: Arc<[Box<str>]>,
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
        Self::nameless(IdentityMeans::Local, grants)
    }

    /// Whoever shows nothing.
    #[must_use]
    pub fn anonymous(grants: Arc<[RoleGrant]>) -> Self {
        Self::nameless(IdentityMeans::Anonymous, grants)
    }

    fn nameless(means: IdentityMeans, grants: Arc<[RoleGrant]>) -> Self {
        Self { means, name: "".into(), groups: [].into(), grants, expires: None, shown: None }
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

/// Whom a rule means: `token:ci-*`, `jwt:corp/alice`, `jwt-group:corp/sre`, `certificate:spiffe://prod/*`, `nacos:alice`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalPattern {
    /// What is compared.
    pub of: PrincipalKind,
    /// With what.
    pub name: Glob,
}

/// What a rule compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// Names of those who are known by this.
    Named(IdentityMeans),
    /// Groups of those who show a JWT.
    JwtGroup,
}

/// Principals as people write them.
pub const PRINCIPALS: &str = "token:NAME, jwt:PROVIDER/NAME, jwt-group:PROVIDER/GROUP, certificate:NAME or nacos:USER";

impl PrincipalPattern {
    /// Reads `means:pattern`.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        let (of, name) = text.split_once(':')?;
        let named = || IdentityMeans::NAMING.into_iter().find(|known| known.as_str() == of).map(PrincipalKind::Named);
        let of = if of == "jwt-group" { PrincipalKind::JwtGroup } else { named()? };
        let name = if name.is_empty() { None } else { name.parse().ok() };
        Some(Self { of, name: name? })
    }

    /// Whether it means whoever is known by this name, and is in these groups.
    #[must_use]
    pub fn matches(&self, means: IdentityMeans, name: &str, groups: &[Box<str>]) -> bool {
        match self.of {
            PrincipalKind::Named(of) => of == means && self.name.matches(name),
            PrincipalKind::JwtGroup => groups.iter().any(|group| self.name.matches(group)),
        }
    }
}
