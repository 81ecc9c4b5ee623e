//! The three regions: what they are called and where they stand.

use std::fmt;

/// One region: a registry and a gateway beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DemoRegion {
    /// In China.
    Shanghai,
    /// In Europe.
    Frankfurt,
    /// In America.
    Virginia,
}

impl DemoRegion {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Shanghai, Self::Frankfurt, Self::Virginia];

    /// The cluster's id in the federation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Shanghai => "shanghai",
            Self::Frankfurt => "frankfurt",
            Self::Virginia => "virginia",
        }
    }

    /// Region and zone of its locality.
    pub(super) fn locality(self) -> (&'static str, &'static str) {
        match self {
            Self::Shanghai => ("cn-east", "cn-east-1"),
            Self::Frankfurt => ("eu-central", "eu-central-1"),
            Self::Virginia => ("us-east", "us-east-1"),
        }
    }

    /// From 0, in the order of [`DemoRegion::ALL`].
    pub(super) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for DemoRegion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}
