//! The two regions of tests on real parts.

use federation_harness::Line;

/// One of the two regions with a Nacos.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Beside a Nacos 3.x.
    Shanghai,
    /// Beside a Nacos 2.x.
    Frankfurt,
}

impl Side {
    /// The two.
    pub const BOTH: [Self; 2] = [Self::Shanghai, Self::Frankfurt];

    /// The cluster's id.
    pub fn cluster(self) -> &'static str {
        match self {
            Self::Shanghai => "shanghai",
            Self::Frankfurt => "frankfurt",
        }
    }

    /// The one that this is not.
    pub fn other(self) -> Self {
        match self {
            Self::Shanghai => Self::Frankfurt,
            Self::Frankfurt => Self::Shanghai,
        }
    }

    /// Of its Nacos.
    pub fn line(self) -> Line {
        match self {
            Self::Shanghai => Line::V3,
            Self::Frankfurt => Line::V2,
        }
    }
}
