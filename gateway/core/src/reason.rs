//! Why something is as it is: a code and parameters for programs, the same in words for people.
//!
//! Whoever shows answers in another language than English has to know what was meant, not which words were chosen. So a reason is a value
//! of one of these types, its words follow from it, and what is worth translating or computing with is a parameter. Codes are for ever.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use crate::id::ClusterId;
use crate::time::Millis;

/// A parameter of a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReasonParam {
    /// A number; milliseconds where the parameter's name ends in `Ms`.
    Number(u64),
    /// A name, or what another program said.
    Word(Arc<str>),
}

/// Parameters by name.
pub type ReasonParams = Vec<(&'static str, ReasonParam)>;

/// Why a cluster's facts are to be taken as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FreshnessCode {
    /// Its leader beats.
    Beating,
    /// Its leader does not.
    LeaderSilent(Millis),
    /// Its leader beats, and its Nacos says nothing.
    NacosSilent(Millis),
    /// A change waits for being written for this long.
    Unpublished(Millis),
    /// What is read now was written this long ago.
    ReadLate(Millis),
    /// It was stopped in order, this long ago.
    GatewayStopped(Millis),
    /// No beat was read yet.
    NoBeatRead,
    /// No beat was heard whose age is known.
    NoBeatHeard,
    /// The log has never answered this process.
    LogNeverAnswered,
    /// The log has answered, and does not for this long.
    LogSilent(Millis),
    /// Its Nacos has not answered its gateway yet.
    NacosUnanswered,
    /// Its topics are being read.
    LogUnread,
    /// It has stated no checkpoint for so many beats.
    NoCheckpoint(u64),
    /// Something that is in the log does not come.
    DataMissing,
    /// What its log has is not what it states to have written.
    Incomplete,
    /// What this gateway writes does not come back: the way is suspect.
    OwnWritesLost,
    /// It fell silent together with others: the way is suspect.
    SilentTogether,
    /// The own Nacos has not answered yet.
    OwnNacosUnanswered,
    /// The own Nacos is not connected, in the words of what failed.
    OwnNacosDisconnected(Arc<str>),
    /// The own Nacos is silent.
    OwnNacosSilent,
    /// The own Nacos is connected.
    OwnNacosConnected,
    /// Nobody has looked yet.
    NotJudged,
    /// Facts of it are known, and no word of it.
    Unheard,
    /// The engine of this gateway has not turned for this long.
    EngineStuck(Millis),
}

impl FreshnessCode {
    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Beating => "beating",
            Self::LeaderSilent(_) => "leader_silent",
            Self::NacosSilent(_) => "nacos_silent",
            Self::Unpublished(_) => "unpublished",
            Self::ReadLate(_) => "read_late",
            Self::GatewayStopped(_) => "gateway_stopped",
            Self::NoBeatRead => "no_beat_read",
            Self::NoBeatHeard => "no_beat_heard",
            Self::LogNeverAnswered => "log_never_answered",
            Self::LogSilent(_) => "log_silent",
            Self::NacosUnanswered => "nacos_unanswered",
            Self::LogUnread => "log_unread",
            Self::NoCheckpoint(_) => "no_checkpoint",
            Self::DataMissing => "data_missing",
            Self::Incomplete => "incomplete",
            Self::OwnWritesLost => "own_writes_lost",
            Self::SilentTogether => "silent_together",
            Self::OwnNacosUnanswered => "own_nacos_unanswered",
            Self::OwnNacosDisconnected(_) => "own_nacos_disconnected",
            Self::OwnNacosSilent => "own_nacos_silent",
            Self::OwnNacosConnected => "own_nacos_connected",
            Self::NotJudged => "not_judged",
            Self::Unheard => "unheard",
            Self::EngineStuck(_) => "engine_stuck",
        }
    }

    /// What the words are made of; mostly nothing.
    #[must_use]
    pub fn params(&self) -> ReasonParams {
        match self {
            Self::LeaderSilent(age)
            | Self::NacosSilent(age)
            | Self::Unpublished(age)
            | Self::ReadLate(age)
            | Self::GatewayStopped(age)
            | Self::LogSilent(age)
            | Self::EngineStuck(age) => vec![("ageMs", ReasonParam::Number(age.0))],
            Self::NoCheckpoint(beats) => vec![("beats", ReasonParam::Number(*beats))],
            Self::OwnNacosDisconnected(why) => vec![("why", ReasonParam::Word(Arc::clone(why)))],
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for FreshnessCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |age: &Millis| age.0 / 1000;
        f.write_str(match self {
            Self::LeaderSilent(age) => return write!(f, "no beat of its leader for {} s", seconds(age)),
            Self::NacosSilent(age) => return write!(f, "its nacos has been silent for {} s", seconds(age)),
            Self::Unpublished(age) => return write!(f, "its oldest unpublished change is {} s old", seconds(age)),
            Self::ReadLate(age) => return write!(f, "this gateway reads the log {} s late", seconds(age)),
            Self::GatewayStopped(age) => return write!(f, "its gateway was stopped {} s ago", seconds(age)),
            Self::LogSilent(age) => return write!(f, "nothing has come from the log for {} s", seconds(age)),
            Self::EngineStuck(age) => return write!(f, "this gateway's engine has not turned for {} s", seconds(age)),
            Self::NoCheckpoint(beats) => {
                return write!(f, "it beats, but has stated no checkpoint of its data for {beats} beats");
            }
            Self::OwnNacosDisconnected(why) => return write!(f, "nacos is not connected: {why}"),
            Self::Beating => "beating",
            Self::NoBeatRead => "no beat of its leader has been read yet",
            Self::NoBeatHeard => "no beat of its leader has been heard since this gateway started",
            Self::LogNeverAnswered => "the log has not answered since this gateway started",
            Self::NacosUnanswered => "its nacos has not answered its gateway yet",
            Self::LogUnread => "its part of the log is still being read",
            Self::DataMissing => "a part of its data is in the log and does not come to this gateway",
            Self::Incomplete => "incomplete: what its log has is not what it states to have written",
            Self::OwnWritesLost => "the log takes what this gateway writes and does not give it back",
            Self::SilentTogether => "it fell silent together with others: the way to them is suspect",
            Self::OwnNacosUnanswered => "nacos has not answered since this gateway started",
            Self::OwnNacosSilent => "nacos is silent",
            Self::OwnNacosConnected => "nacos is connected",
            Self::NotJudged => "nobody has looked yet",
            Self::Unheard => "nothing was heard of this cluster yet",
        })
    }
}

/// A [`FreshnessCode`] with its words, which are made once: answers borrow them for every instance. Reads as a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreshnessReason {
    code: FreshnessCode,
    text: Arc<str>,
}

static UNHEARD: LazyLock<FreshnessReason> = LazyLock::new(|| FreshnessCode::Unheard.into());

impl FreshnessReason {
    /// Of a cluster that has facts in the view but no status, which is so only for a moment.
    #[must_use]
    pub fn unheard() -> &'static Self {
        &UNHEARD
    }

    /// What is meant.
    #[must_use]
    pub fn code(&self) -> &FreshnessCode {
        &self.code
    }

    /// The words, shared.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }
}

impl From<FreshnessCode> for FreshnessReason {
    fn from(code: FreshnessCode) -> Self {
        Self { text: code.to_string().into(), code }
    }
}

impl Deref for FreshnessReason {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for FreshnessReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a gateway is not ready, or what is limited although it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayReason {
    /// The own Nacos has not been read since the start.
    NacosUnread,
    /// The own Nacos is not connected.
    NacosDisconnected,
    /// The brokers cannot be reached, or refuse this account.
    LogUnreachable(Arc<str>),
    /// The log has not been read to its end since the start.
    LogUnread,
    /// The topics of a cluster have another number of partitions than it writes to (rule R23).
    PartitionMismatch {
        /// Whose.
        cluster: ClusterId,
        /// How many the topics have.
        topics: u32,
        /// How many the cluster writes to.
        stated: u32,
    },
    /// So many changes are refused by the log.
    ChangesRefused(u64),
    /// The account may not read disabled instances.
    DisabledUnreadable,
    /// It may not list namespaces.
    NamespacesUnlisted,
    /// It may not list services.
    ServicesUnlisted,
    /// It may not read some services.
    ServicesUnread,
    /// It may not list config items.
    ConfigsUnlisted,
    /// It may not read some config items.
    ConfigsUnread,
    /// A policy is refused.
    PolicyRefused {
        /// Where it stands.
        source: Arc<str>,
        /// The one that stays in force.
        version: u64,
        /// All of it in words: where the one in force is from, and the mistakes.
        text: Arc<str>,
    },
    /// The gateway is stopping.
    Stopping,
    /// Something is wrong that has a text of its own.
    Trouble {
        /// Which kind.
        kind: &'static str,
        /// What it concerns.
        about: Arc<str>,
        /// What is wrong, in words.
        text: Arc<str>,
    },
}

impl GatewayReason {
    /// The code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NacosUnread => "nacos_unread",
            Self::NacosDisconnected => "nacos_disconnected",
            Self::LogUnreachable(_) => "log_unreachable",
            Self::LogUnread => "log_unread",
            Self::PartitionMismatch { .. } => "partition_mismatch",
            Self::ChangesRefused(_) => "changes_refused",
            Self::DisabledUnreadable => "nacos_disabled_unreadable",
            Self::NamespacesUnlisted => "nacos_namespaces_unlisted",
            Self::ServicesUnlisted => "nacos_services_unlisted",
            Self::ServicesUnread => "nacos_services_unread",
            Self::ConfigsUnlisted => "nacos_configs_unlisted",
            Self::ConfigsUnread => "nacos_configs_unread",
            Self::PolicyRefused { .. } => "policy_refused",
            Self::Stopping => "stopping",
            Self::Trouble { .. } => "trouble",
        }
    }

    /// What the words are made of, as far as it is worth showing otherwise.
    #[must_use]
    pub fn params(&self) -> ReasonParams {
        let word = |text: &str| ReasonParam::Word(text.into());
        match self {
            Self::LogUnreachable(why) => vec![("why", word(why))],
            Self::PartitionMismatch { cluster, topics, stated } => vec![
                ("cluster", word(cluster.as_str())),
                ("stated", ReasonParam::Number((*stated).into())),
                ("topics", ReasonParam::Number((*topics).into())),
            ],
            Self::ChangesRefused(count) => vec![("count", ReasonParam::Number(*count))],
            Self::PolicyRefused { source, version, .. } => {
                vec![("source", word(source)), ("version", ReasonParam::Number(*version))]
            }
            Self::Trouble { kind, about, .. } => vec![("about", word(about)), ("kind", word(kind))],
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for GatewayReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LogUnreachable(why) => return write!(f, "the log cannot be reached: {why}"),
            Self::PartitionMismatch { cluster, topics, stated } => {
                let consequence = match topics > stated {
                    true => "the further ones stay empty",
                    false => "what belongs into the others is missing",
                };
                return write!(
                    f,
                    "the topics of {cluster} have {topics} partitions, and {cluster} writes to {stated}: {consequence}"
                );
            }
            Self::ChangesRefused(count) => {
                return write!(f, "{count} changes are refused by the log again and again: see the gateway's own log");
            }
            Self::PolicyRefused { text, .. } | Self::Trouble { text, .. } => text,
            Self::NacosUnread => "the own nacos has not been read since the start: own services are those of the log",
            Self::NacosDisconnected => "the own nacos is not connected: own services are as last heard",
            Self::LogUnread => "the log has not been read to its end since the start: other clusters may be missing",
            Self::DisabledUnreadable => "the nacos account cannot tell disabled instances from instances that are gone",
            Self::NamespacesUnlisted => {
                "the nacos account may not list namespaces: only those that rules name are seen"
            }
            Self::ServicesUnlisted => "the nacos account may not list all services of a namespace",
            Self::ServicesUnread => "the nacos account may not read some services",
            Self::ConfigsUnlisted => "the nacos account may not list config items: only those that rules name are seen",
            Self::ConfigsUnread => "the nacos account may not read some config items",
            Self::Stopping => "the gateway is stopping",
        })
    }
}
