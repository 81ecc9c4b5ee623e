//! `/v1/verify`: whether all gateways have what each cluster says that it has, and what differs at the gateway that answers.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A matrix of origins and those who read them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Verification)]
pub struct VerificationDocument {
    /// Whether every reader has what every origin says that it has.
    pub equal: bool,
    /// Sorted by id.
    pub origins: Vec<VerifiedOriginDocument>,
}

/// A cluster, and all who read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = VerifiedOrigin)]
pub struct VerifiedOriginDocument {
    /// The cluster.
    pub origin: String,
    /// What its last leader says that it has; absent if none was heard that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stated: Option<StatedReadingDocument>,
    /// Sorted by cluster.
    pub readers: Vec<VerifiedReaderDocument>,
    /// Partitions that are not what the origin stated last, as the answering gateway reads them; only while it is not equal itself.
    pub differences: Vec<DifferenceDocument>,
}

/// The word of an origin's last leader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StatedReading)]
pub struct StatedReadingDocument {
    /// The name of its process.
    pub replica: String,
    /// Whether it still leads, as far as is known.
    pub alive: bool,
    /// Since it said so.
    pub age_ms: u64,
    /// What it says.
    #[serde(flatten)]
    pub reading: ReadingDocument,
}

/// A gateway that reads an origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = VerifiedReader)]
pub struct VerifiedReaderDocument {
    /// The cluster that it belongs to.
    pub cluster: String,
    /// The name of its process.
    pub replica: String,
    /// The random number of its start, eight hexadecimal digits.
    pub nonce: String,
    /// Since it said so.
    pub age_ms: u64,
    /// `equal`; `behind` or `ahead` of what the origin said last, by `records`; `diverged`; `unread`: not read to the end yet; `unknown`:
    /// one of the two does not say.
    pub verdict: Cow<'static, str>,
    /// How many records it is behind or ahead; absent with other verdicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// What it has; absent if it does not say.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub reading: Option<ReadingDocument>,
}

/// What is had of an origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Reading)]
pub struct ReadingDocument {
    /// Instances and config items.
    pub count: u64,
    /// Of their keys and values, 32 hexadecimal digits.
    pub digest: String,
    /// Epoch (term-nonce) and number of the last record that it covers.
    pub place: String,
}

/// A partition that is not what its origin stated last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Difference)]
pub struct DifferenceDocument {
    /// `instances` or `configs`.
    pub topic: Cow<'static, str>,
    /// Its number.
    pub partition: u32,
    /// Records of facts read since that statement.
    pub since: u64,
    /// Keys, their parts separated by `·`, that no leader in office wrote last; not all that differ.
    pub keys: Vec<String>,
}
