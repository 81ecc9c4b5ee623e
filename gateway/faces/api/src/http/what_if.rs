//! `/v1/what-if`.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use federation_answers::comparison::ComparisonDocument;
use federation_answers::problem::ProblemDocument;
use federation_core::id::ClusterId;
use federation_core::intents::DrainTarget;
use federation_core::routing::{DrainGuard, Percent};
use federation_core::what_if::{Hypothesis, SupposedDrain};
use url::form_urlencoded;

use super::problem::Problem;
use super::{comparison, reply};
use crate::ApiState;
use federation_view::view::ClusterTable;

const PARAMETERS: &[&str] = &["lost", "drain", "unhealthy", "limit"];
/// Services of an answer when no number is given.
pub(super) const DEFAULT_LIMIT: usize = 1000;
/// Most services of an answer.
const LARGEST_LIMIT: usize = 10_000;
/// Suppositions of each kind at most: a request must not make a plan of a service more than a few times as dear.
const MOST: usize = 100;

/// What callers in every region would get, if clusters were lost, drained, or a place were unhealthy.
#[utoipa::path(
    get,
    path = "/v1/what-if",
    tag = "routing",
    params(
        ("lost" = Option<String>, Query, description = "a cluster whose instances can no longer be used; repeatable"),
        ("drain" = Option<String>, Query, description = "TARGET:PERCENT, a drain that nobody has ordered; TARGET is a cluster, or cluster/namespace/group/service of patterns; 0 undoes the one in force; repeatable"),
        ("unhealthy" = Option<String>, Query, description = "a place, region/zone/subZone, in which all instances are unhealthy; a shorter one means all below it, * any part; repeatable"),
        ("limit" = Option<u32>, Query, description = "most services of the answer; 1000 if absent", minimum = 1, maximum = 10000),
    ),
    responses(
        (status = 200, body = ComparisonDocument, description = "services that anything changes for, those left without anything first"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "a parameter cannot be used"),
        (status = 429, body = ProblemDocument, content_type = "application/problem+json", description = "too many questions that take long wait already; Retry-After says when to ask again"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "it takes too long"),
    ),
)]
pub(super) async fn compare(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let (hypothesis, limit) = parse(query.as_deref(), &state.view().clusters())?;
    let survey = state.survey(hypothesis, limit).await?;
    Ok(reply::json(&comparison::comparison(&survey)))
}

fn parse(query: Option<&str>, clusters: &ClusterTable) -> Result<(Hypothesis, usize), Problem> {
    let (mut hypothesis, mut limit) = (Hypothesis::default(), None);
    for (name, value) in form_urlencoded::parse(query.unwrap_or("").as_bytes()) {
        let bad = |detail: &dyn std::fmt::Display| Problem::bad_parameter(&name, Some(&value), detail);
        match &*name {
            "lost" => hypothesis.lost.push(known_cluster("lost", &value, clusters)?),
            "drain" => hypothesis.drains.push(drain(&value, clusters)?),
            "unhealthy" => hypothesis.unhealthy.push(value.parse().map_err(|error| bad(&error))?),
            "limit" if limit.is_some() => return Err(bad(&"it is given twice")),
            "limit" => limit = Some(parse_limit(&value)?),
            _ => return Err(Problem::unknown_parameter(&name, &value, PARAMETERS)),
        }
    }
    let counts = [hypothesis.lost.len(), hypothesis.drains.len(), hypothesis.unhealthy.len()];
    if counts == [0; 3] {
        let detail = "nothing is supposed: at least one of lost, drain and unhealthy is needed";
        return Err(Problem::bad_parameter("lost", None, &detail));
    }
    if let Some(at) = counts.iter().position(|count| *count > MOST) {
        return Err(Problem::bad_parameter(PARAMETERS[at], None, &format_args!("at most {MOST} can be given")));
    }
    Ok((hypothesis, limit.unwrap_or(DEFAULT_LIMIT)))
}

fn drain(text: &str, clusters: &ClusterTable) -> Result<SupposedDrain, Problem> {
    let bad = |detail: &dyn std::fmt::Display| Problem::bad_parameter("drain", Some(text), detail);
    let (target, percent) = text.rsplit_once(':').ok_or_else(|| bad(&"TARGET:PERCENT is needed, like frankfurt:50"))?;
    let percent = percent.parse().ok().and_then(Percent::new);
    let percent = percent.ok_or_else(|| bad(&"a whole percentage from 0 to 100 is needed behind the colon"))?;
    let target: DrainTarget = target.parse().map_err(|error| bad(&error))?;
    known_cluster("drain", target.cluster().as_str(), clusters)?;
    Ok(SupposedDrain { target, percent, guard: DrainGuard::default() })
}

/// A limit of services in an answer.
pub(super) fn parse_limit(text: &str) -> Result<usize, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=LARGEST_LIMIT).contains(limit));
    let detail = format_args!("a number from 1 to {LARGEST_LIMIT} is needed");
    limit.ok_or_else(|| Problem::bad_parameter("limit", Some(text), &detail))
}

/// A cluster of the federation; a misspelt one would change nothing, and look harmless.
pub(super) fn known_cluster(field: &str, id: &str, clusters: &ClusterTable) -> Result<ClusterId, Problem> {
    let known = clusters.clusters.iter().find(|cluster| cluster.id.as_str() == id);
    known.map(|cluster| cluster.id.clone()).ok_or_else(|| {
        let all: Vec<&str> = clusters.clusters.iter().map(|cluster| cluster.id.as_str()).collect();
        let detail = format!("this gateway knows no such cluster, but {}", all.join(", "));
        Problem::bad_parameter(field, Some(id), &detail)
    })
}
