//! The decision: do these roles suffice for this?
//!
//! Input: the roles of whoever asks, the right that is needed, and for what. Output: yes, or what is missing. Pure. Invariants: no role, no
//! right; a subject is allowed by one grant that covers all of it, never by several that cover parts; what cannot be shown to be covered is not.

use std::fmt;

use federation_core::id::{ClusterId, ConfigKey, ServiceKey};
use federation_core::pattern::{ConfigPattern, ServicePattern};

use crate::right::{AccessRight, DeclaredRight};
use crate::role::{AccessRole, PatternScope, RoleGrant};

/// What somebody wants to see or to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessSubject<'a> {
    /// All that there is.
    Whole,
    /// Something; what exactly, is asked later.
    Something,
    /// One service.
    Service(&'a ServiceKey),
    /// One config item.
    Config(&'a ConfigKey),
    /// A cluster with all its services.
    Cluster(&'a ClusterId),
    /// Some services of a cluster.
    Services(&'a ClusterId, &'a ServicePattern),
}

impl fmt::Display for AccessSubject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("everything"),
            Self::Something => f.write_str("anything"),
            Self::Service(key) => write!(f, "service {key}"),
            Self::Config(key) => write!(f, "config item {key}"),
            Self::Cluster(cluster) => write!(f, "all services of cluster {cluster}"),
            Self::Services(cluster, services) => write!(f, "services {services} of cluster {cluster}"),
        }
    }
}

/// A right that whoever asks does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the right `{right}` for {subject} is missing; a role that has it: {}", roles(*right))]
pub struct MissingRight {
    /// Which.
    pub right: AccessRight,
    /// For what, for people.
    pub subject: String,
}

fn roles(right: AccessRight) -> String {
    let having = AccessRole::ALL.into_iter().filter(|role| role.rights().contains(&right));
    having.map(AccessRole::as_str).collect::<Vec<_>>().join(", ")
}

/// Whether one of the roles allows it.
///
/// # Errors
/// What is missing.
pub fn judge(grants: &[RoleGrant], right: AccessRight, subject: AccessSubject<'_>) -> Result<(), MissingRight> {
    let allowed = grants.iter().any(|grant| allows(grant, right, subject));
    allowed.then_some(()).ok_or_else(|| MissingRight { right, subject: subject.to_string() })
}

/// What a path declares, before it is known what exactly is asked for.
///
/// # Errors
/// As [`judge`].
pub fn judge_declared(grants: &[RoleGrant], declared: DeclaredRight) -> Result<(), MissingRight> {
    match declared {
        DeclaredRight::Open => Ok(()),
        DeclaredRight::Whole(right) => judge(grants, right, AccessSubject::Whole),
        DeclaredRight::Part(right) => judge(grants, right, AccessSubject::Something),
    }
}

fn allows(grant: &RoleGrant, right: AccessRight, subject: AccessSubject<'_>) -> bool {
    if !grant.role.rights().contains(&right) {
        return false;
    }
    match (grant.role, right) {
        (AccessRole::Admin, _) => true,
        (AccessRole::Viewer, _) => sees(&grant.services, &grant.configs, subject),
        (AccessRole::ConfigReader, _) => sees(&PatternScope::Only([].into()), &grant.configs, subject),
        (AccessRole::Operator, AccessRight::Operate) => moves(grant, subject),
        // Whoever may move all services sees all that is said of them.
        (AccessRole::Operator, _) => match subject {
            AccessSubject::Whole => grant.services.is_all(),
            _ => sees(&grant.services, &PatternScope::Only([].into()), subject),
        },
    }
}

fn sees(
    services: &PatternScope<ServicePattern>,
    configs: &PatternScope<ConfigPattern>,
    subject: AccessSubject<'_>,
) -> bool {
    match subject {
        AccessSubject::Whole => services.is_all() && configs.is_all(),
        AccessSubject::Something => services.has_some() || configs.has_some(),
        AccessSubject::Service(key) => services.any(|pattern| pattern.matches(key)),
        AccessSubject::Config(key) => configs.any(|pattern| pattern.matches(key)),
        AccessSubject::Cluster(_) => services.is_all(),
        AccessSubject::Services(_, wanted) => services.any(|pattern| pattern.covers(wanted)),
    }
}

fn moves(grant: &RoleGrant, subject: AccessSubject<'_>) -> bool {
    let orders = |cluster: &ClusterId| grant.clusters.any(|pattern| pattern.matches(cluster.as_str()));
    match subject {
        AccessSubject::Whole => grant.clusters.is_all() && grant.services.is_all(),
        AccessSubject::Something => grant.clusters.has_some() && grant.services.has_some(),
        AccessSubject::Cluster(cluster) => grant.services.is_all() && orders(cluster),
        AccessSubject::Services(cluster, wanted) => {
            orders(cluster) && grant.services.any(|pattern| pattern.covers(wanted))
        }
        AccessSubject::Service(_) | AccessSubject::Config(_) => false, // Nothing is ordered for these.
    }
}

/// What of a list somebody sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListSight<P> {
    /// All of it.
    All,
    /// What one of the patterns names: the list is filtered, and has to say so.
    Only(Vec<P>),
}

impl<P> ListSight<P> {
    /// Whether something may be missing.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        matches!(self, Self::Only(_))
    }
}

/// A key that patterns name.
pub trait NamedByPattern {
    /// The patterns.
    type Pattern: Clone;

    /// Whether the pattern names it.
    fn is_named_by(&self, pattern: &Self::Pattern) -> bool;

    /// For which of them the grant lets see names.
    fn seen_by(grant: &RoleGrant) -> PatternScope<Self::Pattern>;
}

impl NamedByPattern for ServiceKey {
    type Pattern = ServicePattern;

    fn is_named_by(&self, pattern: &ServicePattern) -> bool {
        pattern.matches(self)
    }

    fn seen_by(grant: &RoleGrant) -> PatternScope<ServicePattern> {
        match grant.role {
            AccessRole::Admin => PatternScope::All,
            AccessRole::Viewer | AccessRole::Operator => grant.services.clone(),
            AccessRole::ConfigReader => PatternScope::Only([].into()),
        }
    }
}

impl NamedByPattern for ConfigKey {
    type Pattern = ConfigPattern;

    fn is_named_by(&self, pattern: &ConfigPattern) -> bool {
        pattern.matches(self)
    }

    fn seen_by(grant: &RoleGrant) -> PatternScope<ConfigPattern> {
        match grant.role {
            AccessRole::Admin => PatternScope::All,
            AccessRole::Viewer | AccessRole::ConfigReader => grant.configs.clone(),
            AccessRole::Operator => PatternScope::Only([].into()),
        }
    }
}

impl<P: Clone> ListSight<P> {
    /// What these roles let see.
    #[must_use]
    pub fn of<K: NamedByPattern<Pattern = P>>(grants: &[RoleGrant]) -> Self {
        let mut patterns = Vec::new();
        for grant in grants {
            match K::seen_by(grant) {
                PatternScope::All => return Self::All,
                PatternScope::Only(some) => patterns.extend(some.iter().cloned()),
            }
        }
        Self::Only(patterns)
    }

    /// Whether something that `pattern` names may be seen.
    #[must_use]
    pub fn touches(&self, pattern: &ServicePattern) -> bool
    where
        P: std::borrow::Borrow<ServicePattern>,
    {
        match self {
            Self::All => true,
            Self::Only(patterns) => patterns.iter().any(|seen| seen.borrow().overlaps(pattern)),
        }
    }

    /// Whether `key` is seen.
    pub fn shows<K: NamedByPattern<Pattern = P>>(&self, key: &K) -> bool {
        match self {
            Self::All => true,
            Self::Only(patterns) => patterns.iter().any(|pattern| key.is_named_by(pattern)),
        }
    }
}
