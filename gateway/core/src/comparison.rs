//! What came of comparing the own log with what the own Nacos answers when it is asked anew.

use crate::log::key::DataKey;
use crate::service::HoldReason;

/// How far the last comparison is, and what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NacosComparison {
    /// Number of the comparison in this process; 0 if there was none yet.
    pub round: u64,
    /// Whether it has ended: before, `differences` may still go.
    pub ended: bool,
    /// Services and config items that are watched.
    pub of: u64,
    /// Those of them that have answered.
    pub answered: u64,
    /// Instances and config items that were compared.
    pub facts: u64,
    /// What is not the same in both, by key, the first of them; only what differed twice once it has ended.
    pub differences: Vec<NacosDifference>,
    /// How many differences there are.
    pub different: u64,
    /// Names of services and config items that have not answered, the first of them; while it goes on, nothing.
    pub unread: Vec<String>,
    /// How much has not answered.
    pub silent: u64,
    /// Services of which this account may not read the disabled instances: those in the log were not compared.
    pub partly: u64,
}

/// A fact that the own log and the own Nacos do not agree about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NacosDifference {
    /// The fact.
    pub key: DataKey,
    /// In what they differ.
    pub kind: NacosDifferenceKind,
}

/// In what the own log and the own Nacos differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NacosDifferenceKind {
    /// Nacos has it.
    NotInLog,
    /// The log has it, and no removal of it is held back.
    NotInNacos,
    /// The log has it, because its removal is held back.
    Held(HoldReason),
    /// Both have it, with other values of these fields.
    Values(Vec<&'static str>),
    /// The log has a value that cannot be read.
    Unreadable,
}

/// Why a comparison is not begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComparisonRefused {
    /// There is nobody to ask.
    #[error("the local nacos is not connected")]
    NotConnected,
    /// What the own log says is not known to its end.
    #[error("the own log is not read to its end")]
    NotRead,
}

impl NacosComparison {
    /// Whether it has ended, everything has answered, and nothing differs.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.ended && self.different == 0 && self.silent == 0
    }
}
