//! `/v1/policy`: the policy in force, and what is known of its sources.

mod shown;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::shown::{
    ShownDistribute, ShownDocument, ShownFailover, ShownPattern, ShownPolicy, ShownReach, ShownRule,
};

/// The policy in force: the whole document, or what one service is planned by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = PolicyAnswer)]
pub enum PolicyAnswer<'a> {
    /// Without parameters.
    Whole(WholePolicy<'a>),
    /// For a service, which need not exist.
    OfService(ServicePolicy<'a>),
}

/// The whole document in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WholePolicy<'a> {
    /// Where it is from.
    #[serde(flatten)]
    pub about: About,
    /// In the schema in which it is written, defaults filled in.
    pub document: ShownDocument<'a>,
}

/// What one service is planned by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServicePolicy<'a> {
    /// The service's namespace.
    pub namespace_id: Cow<'a, str>,
    /// Its group.
    pub group_name: Cow<'a, str>,
    /// Its name.
    pub service_name: Cow<'a, str>,
    /// The rule that names it; null for the policy of all others.
    pub rule: Option<ShownPattern<'a>>,
    /// In the schema in which it is written, defaults filled in.
    pub policy: ShownPolicy<'a>,
    /// Where it is from.
    #[serde(flatten)]
    pub about: About,
}

/// Where the document in force is from, and what is known of all sources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// Grows with every change in the life of the process; begins anew with it.
    pub version: u64,
    /// Where the document in force is from.
    pub source: SourceDocument,
    /// Of the document in force, as Nacos shows it; equal in all gateways that have the same. Null for the defaults.
    pub md5: Option<String>,
    /// When it came into force, unix milliseconds; null for the defaults of a process that never had others.
    pub since_ms: Option<u64>,
    /// Every source that is configured, the one that counts first first.
    pub sources: Vec<StandingDocument>,
}

/// A source of policies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicySource)]
pub struct SourceDocument {
    /// `defaults`, `file` or `config_item`.
    pub kind: Cow<'static, str>,
    /// Path of the file, or `namespace/group/data_id`; null for the defaults.
    pub name: Option<String>,
}

/// What is known of a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicySourceStanding)]
pub struct StandingDocument {
    /// Which one.
    #[serde(flatten)]
    pub source: SourceDocument,
    /// `present`, `absent` or `not_heard`: then what was kept from the last run counts.
    pub state: Cow<'static, str>,
    /// Set while its newest document is refused; the one before stays in force.
    pub refused: Option<RefusalDocument>,
}

/// A document that was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PolicyRefusal)]
pub struct RefusalDocument {
    /// When it was met first, unix milliseconds.
    pub at_ms: u64,
    /// In the order of its lines.
    pub mistakes: Vec<MistakeDocument>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyMistake)]
pub struct MistakeDocument {
    /// From 1; 0 where no line is at fault.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// Path of the field; empty for the document as a whole.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub expected: String,
}

impl PolicyAnswer<'_> {
    /// Where it is from.
    #[must_use]
    pub fn about(&self) -> &About {
        match self {
            Self::Whole(whole) => &whole.about,
            Self::OfService(service) => &service.about,
        }
    }
}

/// The policy of an answer as it came: whoever passes it on loses nothing that a newer gateway wrote into it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PolicyAsItCame {
    /// The whole document, or the policy of a service.
    #[serde(alias = "document")]
    pub policy: serde_json::Value,
}
