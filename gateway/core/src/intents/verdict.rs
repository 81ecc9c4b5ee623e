//! What is found of a record of an order: whether it is signed, and why it has no effect at a gateway.

/// Whether a record bears a signature of its cluster. Found by whoever decodes it: signatures are the business of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Signed {
    /// It bears none.
    #[default]
    Absent,
    /// It bears one, and no key of its cluster is known by which it could be verified.
    Unpinned,
    /// It bears one by a key that is pinned for its cluster.
    Valid,
    /// It bears one that is none of a pinned key.
    Wrong,
}

/// Why a record of an order has no effect here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum NotAccepted {
    /// No rule lets this cluster order that.
    #[error("no rule of intents.accept lets this cluster order it")]
    NoRule,
    /// It bears no signature, and needs one.
    #[error("it is not signed")]
    Unsigned,
    /// It is signed, and no key of the cluster is known here.
    #[error("it is signed, and intents.keys names no key of this cluster")]
    NoKey,
    /// Its signature is none of the cluster's.
    #[error("its signature is not that of a key which intents.keys names for this cluster")]
    WrongSignature,
}

impl NotAccepted {
    /// Whether it may still be a true order of its cluster: others, with other rules, may go by it.
    #[must_use]
    pub fn may_count_elsewhere(self) -> bool {
        self == Self::NoRule
    }
}
