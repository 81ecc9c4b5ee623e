//! What is said of a hold in the log: by the leader of the held cluster that it stands or is over, by people what is to become of it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::escape;
use crate::id::{ClusterId, InvalidId};
use crate::intents::{DrainRefused, OrderCounter, OrderGiver};
use crate::time::WallMs;

/// A namespace of a cluster, of which removals are kept back. It is the hold's id, and there is one spelling for each.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GuardTarget {
    cluster: ClusterId,
    namespace: Arc<str>,
}

/// Why a text is no id of a hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGuardTarget {
    /// There is no `/`.
    #[error("a hold's id is cluster/namespace, for example shanghai/public")]
    Parts,
    /// What stands before the first `/`.
    #[error("a hold's id begins with a cluster's id")]
    Cluster(#[source] InvalidId),
    /// A namespace that is not encoded as it has to be.
    #[error("{text:?} is not how this id is written")]
    Spelling {
        /// The text as it was given.
        text: String,
    },
}

impl GuardTarget {
    /// The hold of a namespace; the empty name is legal.
    #[must_use]
    pub fn new(cluster: ClusterId, namespace: Arc<str>) -> Self {
        Self { cluster, namespace }
    }

    /// The cluster that holds.
    #[must_use]
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// The namespace, as in service keys.
    #[must_use]
    pub fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }
}

impl fmt::Display for GuardTarget {
    /// `cluster/namespace`; in the namespace `/`, `%` and control characters percent-encoded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{}/", self.cluster);
        escape::push(&mut text, &self.namespace, &['/']);
        f.write_str(&text)
    }
}

impl FromStr for GuardTarget {
    type Err = InvalidGuardTarget;
    /// Accepts what [`GuardTarget`] prints, and nothing else: it is a part of a key.
    fn from_str(text: &str) -> Result<Self, InvalidGuardTarget> {
        let (cluster, namespace) = text.split_once('/').ok_or(InvalidGuardTarget::Parts)?;
        let cluster = cluster.parse().map_err(InvalidGuardTarget::Cluster)?;
        let spelling = || InvalidGuardTarget::Spelling { text: text.to_owned() };
        let target = Self::new(cluster, escape::undo(namespace, &['/']).ok_or_else(spelling)?.into());
        if target.to_string() == text { Ok(target) } else { Err(spelling()) }
    }
}

/// What is said of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum GuardWord {
    /// It stands, and nobody has decided. Said by the leader of the held cluster.
    Held,
    /// It stands until somebody says otherwise or all came back. Said by people.
    Keep,
    /// What is kept back goes. Said by people, or by the leader after `guard.mass_confirm_after`.
    Release,
    /// Nothing is kept back any more. Said by the leader of the held cluster.
    Over,
}

impl GuardWord {
    /// For people and for labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Keep => "kept",
            Self::Release => "released",
            Self::Over => "over",
        }
    }
}

/// One word of a hold as it stands in the log. Whoever says one carries the facts of the hold on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GuardEntry {
    /// Which word of its target this is: 1 + the highest that was known anywhere.
    pub counter: OrderCounter,
    /// What is said.
    pub word: GuardWord,
    /// Since when the hold stands, by the clock of the leader that began it: it tells one hold of a namespace from the next.
    pub since: WallMs,
    /// Removals that were kept back when this was said.
    pub kept: u64,
    /// Instances that the namespace had lost then.
    pub lost: u64,
    /// Instances that it had had before.
    pub of: u64,
    /// Who says it, for people.
    pub who: Arc<str>,
    /// Why, for people; may be empty.
    pub why: Arc<str>,
    /// When, by the clock of the gateway that wrote it.
    pub when: WallMs,
    /// Who decided, as the gateway that took the decision found out.
    #[cfg_attr(feature = "serde", serde(default))]
    pub giver: OrderGiver,
}

/// What an operator decides about a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GuardOrder {
    /// Which hold.
    pub target: GuardTarget,
    /// [`GuardWord::Keep`] or [`GuardWord::Release`]; others are refused.
    pub word: GuardWord,
    /// Who decides, for people.
    pub who: Arc<str>,
    /// Why, for people; may be empty.
    pub why: Arc<str>,
    /// Who decides, as was found out.
    #[cfg_attr(feature = "serde", serde(default))]
    pub giver: OrderGiver,
}

/// Why a decision is not taken. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardRefused {
    /// Nothing is kept back there.
    #[error("nothing is held as {target}")]
    NotHeld {
        /// The id that was given.
        target: GuardTarget,
    },
    /// The word is said by gateways alone.
    #[error("a hold is released or kept, not {}", word.as_str())]
    NotAnOrder {
        /// The word that was given.
        word: GuardWord,
    },
    /// As for a drain: the log cannot be read, or takes nothing, or a text is too long.
    #[error(transparent)]
    NotTaken(#[from] DrainRefused),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling_and_is_read_back_from_it() {
        for (namespace, text) in [("public", "a/public"), ("", "a/"), ("n/1 50%", "a/n%2F1 50%25"), ("t\tb", "a/t%09b")]
        {
            let target = GuardTarget::new("a".parse().unwrap(), namespace.into());
            assert_eq!(target.to_string(), text);
            assert_eq!(text.parse(), Ok(target));
        }
        let parse = |text: &str| text.parse::<GuardTarget>().unwrap_err();
        assert!(matches!(parse("a"), InvalidGuardTarget::Parts));
        assert!(matches!(parse("A/b"), InvalidGuardTarget::Cluster(_)));
        for text in ["a/b/c", "a/b%2f", "a/%41"] {
            assert!(matches!(parse(text), InvalidGuardTarget::Spelling { .. }), "{text}");
        }
    }
}
