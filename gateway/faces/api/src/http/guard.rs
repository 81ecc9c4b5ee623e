//! `/v1/guard`: mass losses that are held, and decisions about them.

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use federation_access::judge::AccessSubject;
use federation_access::right::AccessRight;
use federation_answers::guard::{DecisionBody, HoldDocument, HoldsDocument};
use federation_answers::problem::ProblemDocument;
use federation_core::guard::{
    GuardInForce, GuardOrder, GuardRefused, GuardTable, GuardTarget, GuardWord, InvalidGuardTarget, Loss,
};
use federation_core::intents::{DrainRefused, OrderGiver};
use federation_core::pattern::{Glob, ServicePattern};
use federation_core::time::WallMs;

use super::audit::ActChange;
use super::body::Ordered;
use super::problem::Problem;
use super::{params, reply};
use crate::ApiState;
use crate::asker::Asker;
use federation_ports::commands::CommandError;
use federation_view::view::stuck_reason;

/// A decision that was not read back within this time is answered with 504. The log takes some ten milliseconds.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(3);

fn hold(target: &GuardTarget, found: &GuardInForce, now: WallMs) -> HoldDocument {
    let GuardInForce { entry, taken_in } = found;
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    HoldDocument {
        id: target.to_string(),
        cluster: target.cluster().to_string(),
        namespace_id: target.namespace().to_string(),
        state: entry.word.as_str().into(),
        since_ms: entry.since.0,
        age_ms: now.0.saturating_sub(entry.since.0),
        kept: entry.kept,
        lost: entry.lost,
        of: entry.of,
        percent: Loss { lost: count(entry.lost), of: count(entry.of) }.percent(),
        who: entry.who.to_string(),
        why: (!entry.why.is_empty()).then(|| entry.why.to_string()),
        when_ms: entry.when.0,
        taken_in: taken_in.to_string(),
        what_to_do: what_to_do(target, entry.word),
        what_to_do_code: what_to_do_code(entry.word).into(),
    }
}

fn what_to_do(target: &GuardTarget, word: GuardWord) -> String {
    let release = format!("if they are gone for good, release {target}");
    match word {
        GuardWord::Held => {
            format!("look whether nacos tells the truth; {release}; if not, repair it, or keep {target}")
        }
        GuardWord::Keep => format!("it is held until somebody says otherwise or all came back; {release}"),
        GuardWord::Release => "nothing: it goes".to_owned(),
        GuardWord::Over => "nothing: it is over".to_owned(),
    }
}

fn what_to_do_code(word: GuardWord) -> &'static str {
    match word {
        GuardWord::Held => "decide",
        GuardWord::Keep => "release_if_gone",
        GuardWord::Release => "goes",
        GuardWord::Over => "over",
    }
}

/// Mass losses that are held, of all clusters.
#[utoipa::path(
    get,
    path = "/v1/guard",
    tag = "operations",
    responses(
        (status = 200, body = HoldsDocument, description = "sorted by id; none is the usual answer"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "a parameter was given"),
    ),
)]
pub(super) async fn list(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    let (table, now) = (state.view().holds(), state.wall_now());
    let holds = table.standing().map(|(target, found)| hold(target, found, now)).collect();
    Ok(reply::json(&HoldsDocument { holds }))
}

/// Releases a hold of any cluster, or keeps it. The answer comes once the decision was read back from the log; the held cluster's gateways
/// obey as soon as they have read it.
#[utoipa::path(
    post,
    path = "/v1/guard",
    tag = "operations",
    request_body = DecisionBody,
    responses(
        (status = 200, body = HoldDocument, description = "the hold, as it is decided about; of a dry run, as it stands"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "the decision is wrong"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "nothing is held under this id"),
        (status = 413, body = ProblemDocument, content_type = "application/problem+json", description = "the body is too large"),
        (status = 415, body = ProblemDocument, content_type = "application/problem+json", description = "the body is not said to be application/json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "the log cannot be reached; nothing was decided"),
        (status = 504, body = ProblemDocument, content_type = "application/problem+json", description = "the decision was not read back in time; it may still come into force"),
    ),
)]
pub(super) async fn decide(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    asker: Asker,
    body: Ordered,
) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    let mut body: DecisionBody = body.read()?;
    body.who = asker.identity().signs(body.who.take());
    let dry_run = body.dry_run;
    let order = GuardOrder { giver: asker.giver(), ..understand(body)? };
    let (target, now) = (order.target.clone(), state.wall_now());
    let services = all_of(target.namespace());
    asker.may(&state, AccessRight::Operate, AccessSubject::Services(target.cluster(), &services))?;
    let table = state.view().holds();
    let standing = table.standing().find(|(known, _)| **known == target);
    let (_, found) = standing.ok_or_else(|| not_found(&target, &table))?;
    if dry_run {
        return Ok(reply::json(&hold(&target, found, now)));
    }
    if let Some(silence) = state.view().engine_stuck() {
        return Err(Problem::hold_not_decided(&stuck_reason(silence))); // Nobody wants it to be taken when it turns again.
    }
    let before = found.entry.word;
    let decided = tokio::time::timeout(IN_FORCE_WITHIN, give(&state, order)).await;
    let found = decided.map_err(|_| Problem::hold_not_in_force_yet(&target.to_string(), IN_FORCE_WITHIN))??;
    let answer = reply::json(&hold(&target, &found, state.wall_now()));
    Ok(ActChange::on(answer, before.as_str(), found.entry.word.as_str()))
}

fn understand(body: DecisionBody) -> Result<GuardOrder, Problem> {
    let wrong = |error: InvalidGuardTarget| Problem::bad_parameter("id", Some(&body.id), &error);
    let target = body.id.parse().map_err(wrong)?;
    let word = match body.action.as_str() {
        "release" => GuardWord::Release,
        "keep" => GuardWord::Keep,
        other => return Err(Problem::bad_parameter("action", Some(other), &"release or keep is needed")),
    };
    let (who, why) = (body.who.unwrap_or_default().into(), body.reason.unwrap_or_default().into());
    Ok(GuardOrder { target, word, who, why, giver: OrderGiver::default() }) // Known to whoever asked.
}

/// All services of a namespace. Of a name that is no pattern, or has a wildcard, more is asked for than it names, never less.
fn all_of(namespace: &str) -> ServicePattern {
    ServicePattern { namespace: namespace.parse().unwrap_or_else(|_| Glob::any()), ..ServicePattern::any() }
}

fn not_found(target: &GuardTarget, table: &GuardTable) -> Problem {
    let standing: Vec<String> = table.standing().map(|(target, _)| target.to_string()).collect();
    Problem::hold_not_found(&target.to_string(), &standing)
}

/// Gives the decision and waits until the view shows it, or what was said after it.
async fn give(state: &ApiState, order: GuardOrder) -> Result<GuardInForce, Problem> {
    let taken = state.commands().decide_hold(order).await.map_err(|error| not_decided(error, state))?;
    let mut holds = state.view().watch_holds();
    let heard = holds.wait_for(|table| table.has_heard(&taken)).await;
    let table = heard.map_err(|_| Problem::hold_not_decided(&CommandError::Gone))?;
    Ok(table.get(&taken.target).cloned().expect("what was heard is in the table"))
}

fn not_decided(error: CommandError, state: &ApiState) -> Problem {
    match error {
        CommandError::HoldRefused(GuardRefused::NotHeld { target }) => not_found(&target, &state.view().holds()),
        CommandError::HoldRefused(GuardRefused::NotTaken(DrainRefused::TooLong { field, bytes })) => {
            let field = if field == "why" { "reason" } else { field };
            Problem::bad_parameter(field, None, &DrainRefused::TooLong { field, bytes })
        }
        CommandError::HoldRefused(refused) => Problem::hold_not_decided(&refused),
        other => Problem::hold_not_decided(&other),
    }
}
