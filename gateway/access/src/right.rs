//! What a path or call demands of whoever uses it.

use std::fmt;

/// What can be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccessRight {
    /// Names, instances, freshness, plans, and what is ordered.
    View,
    /// Contents of config items.
    ReadContents,
    /// Drains, holds, exclusions: what moves traffic.
    Operate,
    /// What a cluster is; whose accounts there are; what was done.
    Administer,
}

impl AccessRight {
    /// Every right.
    pub const ALL: [Self; 4] = [Self::View, Self::ReadContents, Self::Operate, Self::Administer];

    /// As answers name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::ReadContents => "read-contents",
            Self::Operate => "operate",
            Self::Administer => "administer",
        }
    }
}

impl fmt::Display for AccessRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a path or call says of itself. There is no default: whoever adds a path chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclaredRight {
    /// Nothing: it tells nothing of the federation.
    Open,
    /// The right without limits: the answer is not made of parts that could be left out.
    Whole(AccessRight),
    /// The right for something at least. Whoever answers has to narrow it to the subject, or to leave out what may not be seen.
    Part(AccessRight),
}

impl fmt::Display for DeclaredRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Whole(right) => write!(f, "{right}"),
            Self::Part(right) => write!(f, "{right} (of a part)"),
        }
    }
}
