//! `/v1/links`: how every gateway takes every cluster, as each said last.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use federation_answers::links::{LinkDocument, LinkObserverDocument, LinksDocument};
use federation_answers::problem::ProblemDocument;
use federation_core::federation::{LinkObserver, ObservedLink};

use super::problem::Problem;
use super::verify::told_verdict;
use super::{params, reply};
use crate::ApiState;

/// How every gateway takes every cluster: freshness and age in its own words, as it stated them in the log, and whether it has all.
#[utoipa::path(
    get,
    path = "/v1/links",
    tag = "operations",
    responses(
        (status = 200, body = LinksDocument, description = "the row of the answering gateway is of now, the others are as old as they say"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "an unknown parameter"),
    ),
)]
pub(super) async fn list(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    let observers = state.view().verification().observers.iter().map(observer_document).collect();
    Ok(reply::json(&LinksDocument { observers }))
}

fn observer_document(observer: &LinkObserver) -> LinkObserverDocument {
    LinkObserverDocument {
        cluster: observer.cluster.to_string(),
        replica: format!("{:08x}", observer.nonce),
        name: observer.name.to_string(),
        leads: observer.leads,
        own: observer.own,
        alive: observer.alive,
        said_age_ms: observer.said_age.0,
        links: observer.links.iter().map(link_document).collect(),
    }
}

fn link_document(link: &ObservedLink) -> LinkDocument {
    let (verdict, records) = told_verdict(link.verdict);
    LinkDocument {
        origin: link.origin.to_string(),
        freshness: link.word.map(|word| word.freshness.as_str().into()),
        age_ms: link.word.and_then(|word| word.age).map(|age| age.0),
        verdict: verdict.into(),
        records,
    }
}
