//! `/v1/changes` and `/v1/history`: what changed lately and what it came of, and how clusters were in the last hour.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What changed, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Changes)]
pub struct ChangesDocument {
    /// Newest first.
    pub changes: Vec<ChangeDocument>,
    /// Where the next, older ones begin; null if there are none.
    pub next_cursor: Option<String>,
    /// When the oldest change came that is remembered of anything; null if none is.
    pub oldest_ms: Option<u64>,
    /// How many changes of anything are not remembered one by one any more.
    pub forgotten: u64,
    /// True if whoever asks does not see everything.
    pub filtered: bool,
}

/// One change, as the answering gateway saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Change)]
pub struct ChangeDocument {
    /// Grows with time, in the life of the process.
    pub id: u64,
    /// When this gateway showed it first, unix ms.
    pub at_ms: u64,
    /// `instance`, `config`, `freshness`, `drain`, `hold`, `policy`, `leader`, `gateway` or `excluded`.
    pub kind: Cow<'static, str>,
    /// `added`, `removed`, `changed`; of instances also `health`, `held`, `unheld`, `enabled`, `disabled`; of drains `ordered`, `undone`; of
    /// holds their word; of the gateway `ready`, `unready`.
    pub what: Cow<'static, str>,
    /// Of a service or config item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_id: Option<String>,
    /// Of a service or config item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_name: Option<String>,
    /// Of a service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// Of a config item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_id: Option<String>,
    /// `ip:port#cluster` of an instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The target of a drain, or the id of a hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The cluster whose fact it is, or that it concerns; null if it concerns none.
    pub origin: Option<String>,
    /// What it came of.
    pub cause: CauseDocument,
    /// What was before, in words; null where there is nothing to say.
    pub before: Option<String>,
    /// What is since, in words; null where there is nothing to say.
    pub after: Option<String>,
}

/// What a change came of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChangeCause)]
pub struct CauseDocument {
    /// `push`, `sweep` (a read), `reconcile`, `front_door`, `connection`, `guard`, `census`, `repair`, `operator`, `log`, `snapshot`, `seal`, `beat` or
    /// `time`.
    pub through: Cow<'static, str>,
    /// `instances` or `configs`: the topic of its origin where the record stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<Cow<'static, str>>,
    /// The partition of the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// The offset of the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Who ordered it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// Clusters every ten seconds of the last hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = History)]
pub struct HistoryDocument {
    /// Between two points, milliseconds.
    pub every_ms: u64,
    /// When the newest points were taken, unix ms, to ten seconds; null if there are none yet.
    pub to_ms: Option<u64>,
    /// Sorted by id.
    pub clusters: Vec<ClusterHistoryDocument>,
}

/// One cluster's points, oldest first, at most 360; all lists of the answer have one length. Null where nothing is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ClusterHistory)]
pub struct ClusterHistoryDocument {
    /// Which.
    pub cluster: String,
    /// Age of its facts, milliseconds.
    pub age_ms: Vec<Option<u64>>,
    /// Instances.
    pub instances: Vec<Option<usize>>,
    /// Services.
    pub services: Vec<Option<usize>>,
    /// Changes since the point before.
    pub changes: Vec<u32>,
}
