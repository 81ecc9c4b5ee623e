//! Roles, and for what they are given.

use std::fmt;
use std::sync::Arc;

use federation_core::pattern::{ConfigPattern, Glob, ServicePattern};

use crate::right::AccessRight;

/// A named set of rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccessRole {
    /// Names, instances, freshness, plans.
    Viewer,
    /// Contents of config items, and the names of those items.
    ConfigReader,
    /// Drains, holds, exclusions; sees the services that it may move.
    Operator,
    /// Everything.
    Admin,
}

impl AccessRole {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::ConfigReader, Self::Operator, Self::Admin];
    /// The words by which people give them, in the order of [`AccessRole::ALL`].
    pub const WORDS: [&'static str; 4] = ["viewer", "config-reader", "operator", "admin"];

    /// As people write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// The role of this name.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// What it may do, at least for a part.
    #[must_use]
    pub const fn rights(self) -> &'static [AccessRight] {
        match self {
            Self::Viewer => &[AccessRight::View],
            Self::ConfigReader => &[AccessRight::View, AccessRight::ReadContents],
            Self::Operator => &[AccessRight::View, AccessRight::Operate],
            Self::Admin => &AccessRight::ALL,
        }
    }
}

impl fmt::Display for AccessRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// For which names something is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternScope<P> {
    /// All of them.
    All,
    /// Those that one of the patterns names; none without a pattern.
    Only(Arc<[P]>),
}

impl<P> PatternScope<P> {
    /// Whether everything is in it.
    #[must_use]
    pub fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// Whether something is in it.
    #[must_use]
    pub fn has_some(&self) -> bool {
        !matches!(self, Self::Only(patterns) if patterns.is_empty())
    }

    /// Whether one of its patterns is as wanted; everything always is.
    pub fn any(&self, wanted: impl FnMut(&P) -> bool) -> bool {
        match self {
            Self::All => true,
            Self::Only(patterns) => patterns.iter().any(wanted),
        }
    }
}

/// A role, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleGrant {
    /// The role.
    pub role: AccessRole,
    /// Clusters that an operator may order about.
    pub clusters: PatternScope<Glob>,
    /// Services that a viewer sees, and that an operator may move.
    pub services: PatternScope<ServicePattern>,
    /// Config items that a viewer sees by name, and that a config reader reads.
    pub configs: PatternScope<ConfigPattern>,
}

impl RoleGrant {
    /// The role for everything.
    #[must_use]
    pub fn whole(role: AccessRole) -> Self {
        Self { role, clusters: PatternScope::All, services: PatternScope::All, configs: PatternScope::All }
    }
}

impl fmt::Display for RoleGrant {
    /// For people: the role, and in brackets for what, if not for everything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let mut part = |word: &str, scope: Option<Vec<String>>| match scope.as_deref() {
            None => {}
            Some([]) => parts.push(format!("no {word}")),
            Some(patterns) => parts.push(format!("{word} {}", patterns.join(" "))),
        };
        part("clusters", shown(&self.clusters));
        part("services", shown(&self.services));
        part("configs", shown(&self.configs));
        write!(f, "{}", self.role)?;
        if parts.is_empty() { Ok(()) } else { write!(f, " ({})", parts.join("; ")) }
    }
}

fn shown<P: fmt::Display>(scope: &PatternScope<P>) -> Option<Vec<String>> {
    match scope {
        PatternScope::All => None,
        PatternScope::Only(patterns) => Some(patterns.iter().map(ToString::to_string).collect()),
    }
}
