//! How an origin's facts are to be taken.

/// How fresh the facts of an origin are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Freshness {
    /// Heard of within the set time.
    Live,
    /// Silent for longer than `stale_after`, or not heard of yet.
    Stale,
    /// Silent for longer than `lost_after`.
    Lost,
    /// This gateway's route to the log is broken: nothing can be said of the origin.
    Isolated,
}

impl Freshness {
    /// The word that answers, metrics and people use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Stale => "stale",
            Self::Lost => "lost",
            Self::Isolated => "isolated",
        }
    }
}
