//! `/v1/resolve` and `/v1/explain`.

use std::ops::Range;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use federation_access::judge::AccessSubject;
use federation_access::right::AccessRight;
use federation_answers::plan::{ExplainDocument, PlanDocument};
use federation_answers::problem::ProblemDocument;

use super::problem::Problem;
use super::spliced::Spliced;
use super::{params, plan_document, reply};
use crate::ApiState;
use crate::ask::{Origins, ResolveAsk};
use crate::asker::Asker;
use crate::select::Moment;
use federation_view::resolve::{
    EncodedPlan, FoundPlan, NothingUsable, PlanDepth, PlanEncoding, PlanExcerpt, PlanInputs, PlanPieces,
    PlannedService, origin_states,
};

/// Bytes of one origin in an answer, about.
const ORIGIN_BYTES: usize = 192;

/// Which instances of a service a caller should use, in which order and share.
#[utoipa::path(
    get,
    path = "/v1/resolve",
    tag = "routing",
    params(
        ("namespaceId" = Option<String>, Query, description = "namespace id; absent: public; empty: the namespace with the empty id"),
        ("groupName" = Option<String>, Query, description = "absent: DEFAULT_GROUP"),
        ("serviceName" = String, Query, description = "service name, or GROUP@@SERVICE"),
        ("region" = Option<String>, Query, description = "where the caller is; empty: a caller without a region; absent: where cluster is, else where the gateway is"),
        ("zone" = Option<String>, Query, description = "only together with region"),
        ("subZone" = Option<String>, Query, description = "only together with zone"),
        ("network" = Option<String>, Query, description = "the caller's network; empty: none; absent: the gateway's own if the caller's place is the gateway's, else that of cluster, else none"),
        ("cluster" = Option<String>, Query, description = "the cluster to which the caller belongs; empty: none; absent: the gateway's own if the caller's place is the gateway's"),
        ("label.<k>" = Option<String>, Query, description = "a label k of the caller, which failover_priority of a policy may compare; at most 64"),
        ("limit" = Option<u32>, Query, description = "at most so many endpoints, the first ones", minimum = 1),
        ("onlyTop" = Option<bool>, Query, description = "only endpoints of the best priority that has a share"),
    ),
    responses(
        (status = 200, body = PlanDocument, description = "at least one endpoint has a share"),
        (status = 304, description = "nothing but ages differs from the answer that If-None-Match names"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "a parameter cannot be used"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "no cluster has an instance; the clusters that were looked at"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "no instance can be used; what was left out, and why"),
    ),
)]
pub(super) async fn resolve(
    State(state): State<ApiState>,
    asker: Asker,
    request: Request,
) -> Result<Response, Problem> {
    let ask = params::resolve(request.uri().query())?;
    asker.may(&state, AccessRight::View, AccessSubject::Service(&ask.key))?;
    let inputs = state.resolver().inputs();
    let asking = state.resolver().understand(&ask.caller, &inputs);
    let found =
        state.resolver().kept(&ask.key, &asking, &inputs, PlanEncoding::Json, |planned| encode(&state, planned));
    let Some(found) = found else { return Err(not_found(&state, &ask)) };
    let pieces = match found.encoded() {
        EncodedPlan::Usable(pieces) => pieces,
        EncodedPlan::Unusable(unusable) => return Ok(unusable_response(unusable)),
    };
    let tag = tag(pieces, ask.excerpt);
    if reply::client_has(request.headers(), &tag) {
        return Ok(reply::not_modified(tag));
    }
    let mut response = Response::new(body(&state, &found, pieces, ask.excerpt, &inputs));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, reply::JSON);
    headers.insert(header::CACHE_CONTROL, reply::ASK_AGAIN);
    headers.insert(header::ETAG, tag);
    Ok(response)
}

fn not_found(state: &ApiState, ask: &ResolveAsk<'_>) -> Problem {
    let name = format!("an instance of {}", ask.key);
    Problem::service_not_found(&name, &Moment::of(state.view()), &Origins::All)
}

/// Names what does not change with time: the bytes, and the part of them that is shown.
fn tag(pieces: &PlanPieces, excerpt: PlanExcerpt) -> HeaderValue {
    let legal = "digits, letters and quotes are legal in a header";
    if excerpt == PlanExcerpt::default() {
        return HeaderValue::from_bytes(&pieces.tag).expect(legal);
    }
    let mut tag = pieces.tag[..pieces.tag.len() - 1].to_vec();
    if excerpt.depth == PlanDepth::Top {
        tag.extend_from_slice(b"-top");
    }
    if let Some(limit) = excerpt.limit {
        tag.extend_from_slice(format!("-{limit}").as_bytes());
    }
    tag.push(b'"');
    HeaderValue::from_maybe_shared(Bytes::from(tag)).expect(legal)
}

/// What was kept, and the ages of now.
fn body(state: &ApiState, found: &FoundPlan, pieces: &PlanPieces, excerpt: PlanExcerpt, inputs: &PlanInputs) -> Body {
    let mut rest = Vec::with_capacity(found.service.origins.len() * ORIGIN_BYTES);
    for (index, origin) in origin_states(&found.service, inputs, state.view().now()).enumerate() {
        if index > 0 {
            rest.push(b',');
        }
        reply::append(&mut rest, &plan_document::origin(origin));
    }
    rest.extend_from_slice(b"]}");
    let kept = if excerpt == PlanExcerpt::default() {
        pieces.bytes.clone()
    } else {
        cut(pieces, &excerpt.of(pieces.endpoints(), &pieces.top)).into()
    };
    Body::new(Spliced::new(kept, rest.into()))
}

const NOT_SHOWN: &[u8] = b"\"notShown\":";

/// The kept bytes with some of their endpoints only.
fn cut(pieces: &PlanPieces, shown: &Range<usize>) -> Vec<u8> {
    let mut body = pieces.head().to_vec();
    let some = pieces.some(shown);
    body.extend_from_slice(some.strip_prefix(b",").unwrap_or(some)); // The comma between it and what is not shown.
    let tail = pieces.tail();
    let at = tail.windows(NOT_SHOWN.len()).position(|window| window == NOT_SHOWN).expect("every tail has it");
    let (before, number) = tail.split_at(at + NOT_SHOWN.len());
    body.extend_from_slice(before);
    body.extend_from_slice((pieces.endpoints() - shown.len()).to_string().as_bytes());
    body.extend_from_slice(&number[1..]); // Instead of the 0 of an answer that shows all.
    body
}

/// The document up to its origins, whose ages every request adds.
fn encode(state: &ApiState, planned: &PlannedService) -> EncodedPlan {
    if !planned.is_usable() {
        let unused = planned.unused();
        let detail = planned.unusable_sentence(&unused);
        let bytes = Problem::nothing_usable(detail.clone(), unused).encode();
        return EncodedPlan::Unusable(NothingUsable { detail, bytes });
    }
    let (text, starts) =
        plan_document::encode(&plan_document::plan(planned, state.shown_version(planned.stamp.revision())));
    EncodedPlan::Usable(PlanPieces::new(text, starts, planned.top(), planned.fingerprint()))
}

fn unusable_response(unusable: &NothingUsable) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::SERVICE_UNAVAILABLE, headers, Bytes::clone(&unusable.bytes)).into_response()
}

/// How the plan of `/v1/resolve` came about; also when nothing can be used.
#[utoipa::path(
    get,
    path = "/v1/explain",
    tag = "routing",
    params(
        ("namespaceId" = Option<String>, Query, description = "namespace id; absent: public; empty: the namespace with the empty id"),
        ("groupName" = Option<String>, Query, description = "absent: DEFAULT_GROUP"),
        ("serviceName" = String, Query, description = "service name, or GROUP@@SERVICE"),
        ("region" = Option<String>, Query, description = "where the caller is; empty: a caller without a region; absent: where cluster is, else where the gateway is"),
        ("zone" = Option<String>, Query, description = "only together with region"),
        ("subZone" = Option<String>, Query, description = "only together with zone"),
        ("network" = Option<String>, Query, description = "the caller's network; empty: none; absent: the gateway's own if the caller's place is the gateway's, else that of cluster, else none"),
        ("cluster" = Option<String>, Query, description = "the cluster to which the caller belongs; empty: none; absent: the gateway's own if the caller's place is the gateway's"),
        ("label.<k>" = Option<String>, Query, description = "a label k of the caller, which failover_priority of a policy may compare; at most 64"),
        ("limit" = Option<u32>, Query, description = "at most so many endpoints, the first ones", minimum = 1),
        ("onlyTop" = Option<bool>, Query, description = "only endpoints of the best priority that has a share"),
    ),
    responses(
        (status = 200, body = ExplainDocument, description = "the service exists; whether anything can be used is said by usable"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "a parameter cannot be used"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "no cluster has an instance; the clusters that were looked at"),
    ),
)]
pub(super) async fn explain(
    State(state): State<ApiState>,
    asker: Asker,
    request: Request,
) -> Result<Response, Problem> {
    let ask = params::resolve(request.uri().query())?;
    asker.may(&state, AccessRight::View, AccessSubject::Service(&ask.key))?;
    let inputs = state.resolver().inputs();
    let asking = state.resolver().understand(&ask.caller, &inputs);
    let Some(planned) = state.resolver().planned(&ask.key, &asking, &inputs) else {
        return Err(not_found(&state, &ask));
    };
    let (plan, shown) = (&planned.plan, planned.shown(ask.excerpt));
    let endpoints = plan.endpoints[shown.clone()].iter();
    let origins = origin_states(&planned.service, &inputs, state.view().now());
    Ok(reply::json(&ExplainDocument {
        head: plan_document::head(&planned, state.shown_version(planned.stamp.revision())),
        usable: planned.is_usable(),
        notes: planned.notes(asking.place_from, &inputs),
        endpoints: endpoints.map(|endpoint| plan_document::explained(&planned, endpoint)).collect(),
        left_out: plan.left_out.iter().map(|it| plan_document::left_out(&planned, it)).collect(),
        not_shown: plan.endpoints.len() - shown.len(),
        drains: planned.drains().map(plan_document::drain).collect(),
        rounding: plan_document::rounding(&planned),
        trace: plan.trace(),
        origins: origins.map(plan_document::origin).collect(),
    }))
}
