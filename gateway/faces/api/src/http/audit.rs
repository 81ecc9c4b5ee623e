//! Records of orders, made by the layer around all routes; and `/v1/audit`, which shows the newest.

use std::sync::Arc;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{MatchedPath, RawQuery, Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bounded_listener::PeerConnection;
use bytes::Bytes;
use federation_access::audit::{AuditOutcome, AuditRecord};
use federation_access::authority::ListenerPlace;
use federation_access::identity::IdentityMeans;
use federation_access::right::DeclaredRight;
use federation_answers::audit::{AuditDocument, AuditEntry};
use federation_answers::problem::ProblemDocument;
use serde_json::Value;
use url::form_urlencoded;

use super::body::LARGEST_BODY;
use super::problem::Problem;
use super::reply;
use crate::ApiState;
use crate::asker::{Asker, CookieWorth};
use crate::cookie;

/// Longest order or answer that a record has whole; that of a drain has some hundred bytes.
const LONGEST_PART_BYTES: usize = 4 << 10;

/// What a login adds to its record, whose body is not kept: a handler leaves it in the extensions of its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct LoginNote {
    /// Who it was, where that is known.
    pub(super) who: Option<String>,
    /// What is kept of the body.
    pub(super) order: Value,
}

/// Paths whose bodies and answers hold secrets: nothing is kept of them but what the handler notes.
const SECRET: [&str; 1] = ["/v1/login"];

/// Lets an order in or refuses it, and records what came of it.
pub(super) async fn recorded(
    state: &ApiState,
    place: ListenerPlace,
    right: DeclaredRight,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let path =
        parts.extensions.get::<MatchedPath>().map_or_else(|| parts.uri.path().to_owned(), |it| it.as_str().to_owned());
    let act = format!("{} {path}", parts.method);
    let from = parts.extensions.get::<Arc<PeerConnection>>().map(|connection| connection.peer().to_string());
    let received = to_bytes(body, LARGEST_BODY).await;
    let is_secret = SECRET.contains(&&*path);
    let order = received.as_ref().ok().filter(|_| !is_secret).map_or(Value::Null, part);
    let mut request = Request::from_parts(parts, Body::from(received.as_ref().cloned().unwrap_or_default()));
    let asker = Asker::let_in(state, request.headers(), request.extensions(), place, right, CookieWorth::Acts).await;
    let known = asker.as_ref().map(|asker| (asker.identity().to_string(), asker.identity().means.as_str().to_owned()));
    let (who, means) = known.map_or_else(|refusal| (refusal.who().to_owned(), None), |(who, means)| (who, Some(means)));
    let mut response = match asker {
        Err(refusal) => Problem::from(refusal).into_response(),
        Ok(_) if is_refused_page(state, right, request.headers()) => Problem::read_only().into_response(),
        Ok(_) if received.is_err() => Problem::too_large(LARGEST_BODY).into_response(),
        Ok(asker) => {
            request.extensions_mut().insert(asker);
            next.run(request).await
        }
    };
    let ActChange { before, after } = response.extensions_mut().remove().unwrap_or_default();
    let LoginNote { who: known, order: kept } = response.extensions_mut().remove().unwrap_or_default();
    let means = if known.is_some() { Some(IdentityMeans::Nacos.as_str().to_owned()) } else { means };
    let (who, order) = (known.unwrap_or(who), if is_secret { kept } else { order });
    let (answer, response) = match is_secret && response.status().is_success() {
        true => (Value::Null, response),
        false => read(response).await,
    };
    let status = response.status().as_u16();
    let (at_ms, outcome) = (state.wall_now().0, AuditOutcome::of_status(status));
    let said = ["reason", "why"].into_iter().find_map(|field| order.get(field)?.as_str());
    let reason = said.map(str::to_owned);
    let record = AuditRecord {
        at_ms,
        who,
        from,
        means,
        taken_in: None,
        act,
        order,
        before,
        after,
        reason,
        outcome,
        status,
        answer,
    };
    state.audit().record(record);
    response
}

/// Whether a page acts, where pages may only look. One's own login and logout is no act.
fn is_refused_page(state: &ApiState, right: DeclaredRight, headers: &HeaderMap) -> bool {
    state.pages().read_only && right != DeclaredRight::Open && cookie::is_of_page(headers)
}

/// What an act changed, for its record: a handler leaves it in the extensions of its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct ActChange {
    /// What was in force before; null if nothing changed.
    pub(super) before: Value,
    /// What is in force after it.
    pub(super) after: Value,
}

impl ActChange {
    /// An answer that carries this.
    pub(super) fn on(mut response: Response, before: impl Into<Value>, after: impl Into<Value>) -> Response {
        response.extensions_mut().insert(Self { before: before.into(), after: after.into() });
        response
    }
}

/// The answer's document, if it is short, and the answer.
async fn read(response: Response) -> (Value, Response) {
    if response.body().size_hint().upper().is_none_or(|size| size > LONGEST_PART_BYTES as u64) {
        return (Value::Null, response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, LONGEST_PART_BYTES).await.unwrap_or_default();
    (part(&body), Response::from_parts(parts, Body::from(body)))
}

/// What a record has of an order or an answer.
fn part(body: &Bytes) -> Value {
    if body.len() > LONGEST_PART_BYTES {
        return Value::String(format!("{} bytes", body.len()));
    }
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

/// What was ordered at this gateway since its start, what was refused, and what it read in the log that was ordered elsewhere; the newest thousand.
#[utoipa::path(
    get,
    path = "/v1/audit",
    tag = "operations",
    params(
        ("sinceMs" = Option<u64>, Query, description = "only since then, milliseconds since 1970"),
        ("who" = Option<String>, Query, description = "only of this identity, like token:ops"),
    ),
    responses(
        (status = 200, body = AuditDocument, description = "the oldest first"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "a parameter cannot be used"),
    ),
)]
pub(super) async fn list(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let (mut since, mut who) = (0, None);
    for (name, value) in form_urlencoded::parse(query.as_deref().unwrap_or("").as_bytes()) {
        match &*name {
            "sinceMs" => {
                let wrong = |_| Problem::bad_parameter("sinceMs", Some(&value), &"milliseconds since 1970 are needed");
                since = value.parse::<u64>().map_err(wrong)?;
            }
            "who" => who = Some(value.into_owned()),
            _ => return Err(Problem::unknown_parameter(&name, &value, &["sinceMs", "who"])),
        }
    }
    let mut records = state.audit().recent();
    records.sort_by_key(|record| record.at_ms); // What was ordered elsewhere has the time at which it was.
    let wanted = records.iter().filter(|it| it.at_ms >= since && who.as_ref().is_none_or(|who| *who == it.who));
    Ok(reply::json(&AuditDocument { records: wanted.map(|record| entry(record)).collect() }))
}

fn entry(record: &AuditRecord) -> AuditEntry {
    AuditEntry {
        at_ms: record.at_ms,
        who: record.who.clone(),
        from: record.from.clone(),
        means: record.means.clone(),
        taken_in: record.taken_in.clone(),
        act: record.act.clone(),
        order: record.order.clone(),
        before: record.before.clone(),
        after: record.after.clone(),
        reason: record.reason.clone(),
        outcome: record.outcome.as_str().into(),
        status: record.status,
        answer: record.answer.clone(),
    }
}
