//! `/v1/verify`: whether all gateways have what each cluster says that it has, and what differs here.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use federation_answers::problem::ProblemDocument;
use federation_answers::verification::{
    DifferenceDocument, ReadingDocument, StatedReadingDocument, VerificationDocument, VerifiedOriginDocument,
    VerifiedReaderDocument,
};
use federation_core::federation::{Difference, Stated, VerifiedOrigin, VerifiedReader};
use federation_core::log::reading::{Reading, ReadingVerdict};

use super::problem::Problem;
use super::{params, reply};
use crate::ApiState;

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
    let origins = verification.origins.iter().map(origin_document).collect();
    Ok(reply::json(&VerificationDocument { equal: verification.is_equal(), origins }))
}

fn origin_document(verified: &VerifiedOrigin) -> VerifiedOriginDocument {
    VerifiedOriginDocument {
        origin: verified.origin.to_string(),
        stated: verified.stated.as_ref().map(stated_reading_document),
        readers: verified.readers.iter().map(reader_document).collect(),
        differences: verified.differences.iter().map(difference_document).collect(),
    }
}

fn stated_reading_document(stated: &Stated) -> StatedReadingDocument {
    let Stated { name, alive, age, reading } = stated;
    StatedReadingDocument {
        replica: name.to_string(),
        alive: *alive,
        age_ms: age.0,
        reading: reading_document(reading),
    }
}

fn reader_document(reader: &VerifiedReader) -> VerifiedReaderDocument {
    let (verdict, records) = told_verdict(reader.verdict);
    VerifiedReaderDocument {
        cluster: reader.cluster.to_string(),
        replica: reader.name.to_string(),
        nonce: format!("{:08x}", reader.nonce),
        age_ms: reader.age.0,
        verdict: verdict.into(),
        records,
        reading: reader.reading.as_ref().map(reading_document),
    }
}

/// The word for it, and by how many records.
pub(super) fn told_verdict(verdict: ReadingVerdict) -> (&'static str, Option<u64>) {
    match verdict {
        ReadingVerdict::Equal => ("equal", None),
        ReadingVerdict::Behind(records) => ("behind", Some(records)),
        ReadingVerdict::Ahead(records) => ("ahead", Some(records)),
        ReadingVerdict::Diverged => ("diverged", None),
        ReadingVerdict::Unread => ("unread", None),
        ReadingVerdict::Unknown => ("unknown", None),
    }
}

fn reading_document(reading: &Reading) -> ReadingDocument {
    let (epoch, seq) = reading.place;
    ReadingDocument {
        count: reading.count,
        digest: format!("{:032x}", reading.digest),
        place: format!("{}-{:08x}/{seq}", epoch.term, epoch.nonce),
    }
}

fn difference_document(difference: &Difference) -> DifferenceDocument {
    DifferenceDocument {
        topic: difference.place.topic.as_str().into(),
        partition: difference.place.partition,
        since: difference.since,
        keys: difference.keys.iter().map(|key| key.encode().replace('\u{1f}', "·")).collect(),
    }
}
