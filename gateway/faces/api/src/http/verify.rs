//! `/v1/verify`: whether all gateways have what each cluster says that it has, and what differs here.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use federation_core::federation::{Difference, Stated, VerifiedOrigin, VerifiedReader};
use federation_core::log::reading::{Reading, Verdict};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Problem, ProblemDocument};
use super::{params, reply};
use crate::ApiState;

/// A matrix of origins and those who read them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Verification)]
pub(super) struct VerificationDocument {
    /// Whether every reader has what every origin says that it has.
    equal: bool,
    /// Sorted by id.
    origins: Vec<OriginDocument>,
}

/// A cluster, and all who read it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = VerifiedOrigin)]
struct OriginDocument {
    origin: String,
    /// What its last leader says that it has; absent if none was heard that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    stated: Option<StatedDocument>,
    /// Sorted by cluster.
    readers: Vec<ReaderDocument>,
    /// Partitions that are not what the origin stated last, as the answering gateway reads them; only while it is not equal itself.
    differences: Vec<DifferenceDocument>,
}

/// The word of an origin's last leader.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StatedReading)]
struct StatedDocument {
    replica: String,
    /// Whether it still leads, as far as is known.
    alive: bool,
    age_ms: u64,
    #[serde(flatten)]
    reading: ReadingDocument,
}

/// A gateway that reads an origin.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = VerifiedReader)]
struct ReaderDocument {
    cluster: String,
    replica: String,
    /// The random number of its start, eight hexadecimal digits.
    nonce: String,
    /// Since it said so.
    age_ms: u64,
    /// `equal`; `behind` or `ahead` of what the origin said last, by `records`; `diverged`; `unread`: not read to the end yet; `unknown`:
    /// one of the two does not say.
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    reading: Option<ReadingDocument>,
}

/// What is had of an origin.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Reading)]
struct ReadingDocument {
    /// Instances and config items.
    count: u64,
    /// Of their keys and values, 32 hexadecimal digits.
    digest: String,
    /// Epoch (term-nonce) and number of the last record that it covers.
    place: String,
}

/// A partition that is not what its origin stated last.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Difference)]
struct DifferenceDocument {
    /// `instances` or `configs`.
    topic: &'static str,
    partition: u32,
    /// Records of facts read since that statement.
    since: u64,
    /// Keys, their parts separated by `·`, that no leader in office wrote last; not all that differ.
    keys: Vec<String>,
}

/// Whether all gateways have what each cluster says that it has, from what each gateway states of itself in the log.
#[utoipa::path(
    get,
    path = "/v1/verify",
    tag = "operations",
    responses(
        (status = 200, body = VerificationDocument, description = "also if something differs: see `equal`"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "an unknown parameter"),
    ),
)]
pub(super) async fn verify(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    let verification = state.view().verification();
    let origins = verification.origins.iter().map(OriginDocument::of).collect();
    Ok(reply::json(&VerificationDocument { equal: verification.is_equal(), origins }))
}

impl OriginDocument {
    fn of(verified: &VerifiedOrigin) -> Self {
        Self {
            origin: verified.origin.to_string(),
            stated: verified.stated.as_ref().map(StatedDocument::of),
            readers: verified.readers.iter().map(ReaderDocument::of).collect(),
            differences: verified.differences.iter().map(DifferenceDocument::of).collect(),
        }
    }
}

impl StatedDocument {
    fn of(stated: &Stated) -> Self {
        let Stated { name, alive, age, reading } = stated;
        Self { replica: name.to_string(), alive: *alive, age_ms: age.0, reading: ReadingDocument::of(reading) }
    }
}

impl ReaderDocument {
    fn of(reader: &VerifiedReader) -> Self {
        let (verdict, records) = match reader.verdict {
            Verdict::Equal => ("equal", None),
            Verdict::Behind(records) => ("behind", Some(records)),
            Verdict::Ahead(records) => ("ahead", Some(records)),
            Verdict::Diverged => ("diverged", None),
            Verdict::Unread => ("unread", None),
            Verdict::Unknown => ("unknown", None),
        };
        Self {
            cluster: reader.cluster.to_string(),
            replica: reader.name.to_string(),
            nonce: format!("{:08x}", reader.nonce),
            age_ms: reader.age.0,
            verdict,
            records,
            reading: reader.reading.as_ref().map(ReadingDocument::of),
        }
    }
}

impl ReadingDocument {
    fn of(reading: &Reading) -> Self {
        let (epoch, seq) = reading.place;
        Self {
            count: reading.count,
            digest: format!("{:032x}", reading.digest),
            place: format!("{}-{:08x}/{seq}", epoch.term, epoch.nonce),
        }
    }
}

impl DifferenceDocument {
    fn of(difference: &Difference) -> Self {
        Self {
            topic: difference.place.topic.as_str(),
            partition: difference.place.partition,
            since: difference.since,
            keys: difference.keys.iter().map(|key| key.encode().replace('\u{1f}', "·")).collect(),
        }
    }
}
