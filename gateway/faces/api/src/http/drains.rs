//! `/v1/drains`: what is drained, and orders to drain and undo.

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use federation_access::judge::AccessSubject;
use federation_access::right::AccessRight;
use federation_answers::drain::{DrainDocument, DrainsDocument, OrderBody, PatternBody};
use federation_answers::problem::ProblemDocument;
use federation_core::drains::{DrainInForce, OrderSettled, RefusedOrder};
use federation_core::id::ServiceKey;
use federation_core::intents::{DrainOrder, DrainRefused, DrainTarget, OrderGiver};
use federation_core::pattern::{Glob, ServicePattern};
use federation_core::routing::{DrainGuard, Percent};
use federation_core::time::Millis;
use federation_core::what_if::{Hypothesis, SupposedDrain};
use url::form_urlencoded;

use super::audit::ActChange;
use super::body::Ordered;
use super::problem::Problem;
use super::what_if::{DEFAULT_LIMIT, known_cluster, parse_limit};
use super::{comparison, drain_document, reply};
use crate::ApiState;
use crate::asker::Asker;
use federation_ports::commands::CommandError;
use federation_view::view::{ClusterTable, stuck_reason};

/// An order that was not read back within this time is answered with 504. The log takes some ten milliseconds.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(3);
/// Longest ramp: one that outlasts whoever watches it was forgotten.
const LONGEST_RAMP_MS: u64 = 24 * 3_600_000;
/// Services that a refusal names.
const NAMED: usize = 100;

/// All drains of the federation, those of 0 % too, which undid others; sorted by target.
#[utoipa::path(
    get,
    path = "/v1/drains",
    tag = "routing",
    params(("effects" = Option<bool>, Query, description = "false: without what each drain does, which is the part that takes long; never 429 then")),
    responses(
        (status = 200, body = DrainsDocument, description = "all drains, whichever cluster's gateway took them"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "a parameter cannot be used"),
        (status = 429, body = ProblemDocument, content_type = "application/problem+json", description = "too many questions that take long wait already; Retry-After says when to ask again"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "it takes too long"),
    ),
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    asker: Asker,
) -> Result<Response, Problem> {
    let (table, effects) = if effects_wanted(query.as_deref())? {
        let (table, effects) = state.drain_effects().await?;
        (table, Some(effects))
    } else {
        (state.view().intents(), None)
    };
    let document = |drain: &DrainInForce| {
        let effect =
            effects.as_ref().map(|all| all.get(drain.target.to_string().as_str()).copied().unwrap_or_default());
        DrainDocument { effect: effect.map(drain_document::effect), ..drain_document::drain(drain, state.wall_now()) }
    };
    let sight = asker.sight::<ServiceKey>();
    let concerns = |drain: &&DrainInForce| drain.target.services().is_none_or(|services| sight.touches(services));
    let drains = table.iter().filter(concerns).map(document).collect();
    let concerns = |order: &&RefusedOrder| order.target.services().is_none_or(|services| sight.touches(services));
    let refused = table.refused().iter().filter(concerns).map(drain_document::refused).collect();
    Ok(reply::json(&DrainsDocument { drains, not_accepted: refused, filtered: sight.is_filtered() }))
}

/// Drains a cluster or some services of it, changes the percentage, or undoes it. The answer comes once the order was read back
/// from the log: then it is in this gateway's plans, and in those of all others as soon as they have read it.
#[utoipa::path(
    post,
    path = "/v1/drains",
    tag = "routing",
    params(("limit" = Option<u32>, Query, description = "most services of a dry run's answer; 1000 if absent", minimum = 1, maximum = 10000)),
    request_body = OrderBody,
    responses(
        (status = 200, body = DrainDocument, description = "the drain in force; of a dry run, a Comparison: what would change"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "the order is wrong"),
        (status = 409, body = ProblemDocument, content_type = "application/problem+json", description = "services would be left without a healthy instance, which are named; or another order for the same target came between"),
        (status = 413, body = ProblemDocument, content_type = "application/problem+json", description = "the body is too large"),
        (status = 415, body = ProblemDocument, content_type = "application/problem+json", description = "the body is not said to be application/json"),
        (status = 429, body = ProblemDocument, content_type = "application/problem+json", description = "of a dry run: too many questions that take long wait already; Retry-After says when to ask again"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "the log cannot be reached; nothing was ordered"),
        (status = 504, body = ProblemDocument, content_type = "application/problem+json", description = "the order was not read back in time; it may still come into force"),
    ),
)]
pub(super) async fn order(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    asker: Asker,
    body: Ordered,
) -> Result<Response, Problem> {
    let limit = limit(query.as_deref())?;
    let mut body: OrderBody = body.read()?;
    body.who = asker.identity().signs(body.who.take());
    let Order { mut order, last_ones, dry_run } = understand(body, &state.view().clusters())?;
    order.giver = asker.giver();
    let (cluster, services) = (order.target.cluster(), order.target.services());
    let subject = services.map_or(AccessSubject::Cluster(cluster), |it| AccessSubject::Services(cluster, it));
    asker.may(&state, AccessRight::Operate, subject)?;
    if dry_run {
        let hypothesis = Hypothesis { drains: vec![supposed(&order)], ..Hypothesis::default() };
        let survey = state.survey(hypothesis, limit).await?;
        return Ok(reply::json(&comparison::comparison(&survey)));
    }
    if let Some(silence) = state.view().engine_stuck() {
        return Err(Problem::not_ordered(&stuck_reason(silence))); // Nobody wants an order to be taken when it turns again.
    }
    if last_ones == LastOnes::Refuse && takes_more(&state, &order) {
        let refused = state.left_without(supposed(&order)).await.map_err(|busy| Problem::not_ordered(&busy))?;
        if !refused.is_empty() {
            return Err(refusal(&order, &refused));
        }
    }
    let target = order.target.clone();
    let before = state.view().intents().get(&target).map_or(0, |drain| drain.intent.percent.get());
    let drain = tokio::time::timeout(IN_FORCE_WITHIN, give(&state, order)).await;
    let drain = drain.map_err(|_| Problem::not_in_force_yet(&target, IN_FORCE_WITHIN))??;
    let answer = reply::json(&drain_document::drain(&drain, state.wall_now()));
    Ok(ActChange::on(answer, before, drain.intent.goal().get()))
}

/// An order, and whether it is only tried.
struct Order {
    order: DrainOrder,
    last_ones: LastOnes,
    dry_run: bool,
}

/// What becomes of an order that would leave services without a healthy instance.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastOnes {
    /// It is refused.
    Refuse,
    /// It is taken. What becomes of these services is the guard's to say: they are drained, or left alone.
    Accept,
}

fn limit(query: Option<&str>) -> Result<usize, Problem> {
    let mut limit = None;
    for (name, value) in form_urlencoded::parse(query.unwrap_or("").as_bytes()) {
        match (&*name, limit) {
            ("limit", None) => limit = Some(parse_limit(&value)?),
            ("limit", Some(_)) => return Err(Problem::bad_parameter("limit", Some(&value), &"it is given twice")),
            _ => return Err(Problem::unknown_parameter(&name, &value, &["limit"])),
        }
    }
    Ok(limit.unwrap_or(DEFAULT_LIMIT))
}

fn understand(body: OrderBody, clusters: &ClusterTable) -> Result<Order, Problem> {
    let cluster = known_cluster("cluster", &body.cluster, clusters)?;
    let percent = u8::try_from(body.percent).ok().and_then(Percent::new).ok_or_else(|| {
        Problem::bad_parameter("percent", Some(&body.percent.to_string()), &"a whole number from 0 to 100 is needed")
    })?;
    let over_ms = body.over_ms.unwrap_or(0);
    if over_ms > LONGEST_RAMP_MS {
        let detail = "at most 86400000, 24 hours, is possible";
        return Err(Problem::bad_parameter("overMs", Some(&over_ms.to_string()), &detail));
    }
    let services = body.services.map(pattern).transpose()?;
    if body.force && body.leave_last {
        let detail = "one of force and leaveLast: the services are drained, or left alone";
        return Err(Problem::bad_parameter("leaveLast", Some("true"), &detail));
    }
    let last_ones = if body.force || body.leave_last { LastOnes::Accept } else { LastOnes::Refuse };
    let order = DrainOrder {
        target: DrainTarget::new(cluster, services),
        percent,
        over: Millis(over_ms),
        guard: if body.force { DrainGuard::Force } else { DrainGuard::VoidIfNothingIsLeft },
        who: body.who.unwrap_or_default().into(),
        why: body.reason.unwrap_or_default().into(),
        giver: OrderGiver::default(), // Known to whoever asked.
    };
    Ok(Order { order, last_ones, dry_run: body.dry_run })
}

fn pattern(services: PatternBody) -> Result<ServicePattern, Problem> {
    let glob = |field: &str, text: Option<String>| match text {
        None => Ok(Glob::any()),
        Some(text) => text.parse().map_err(|error| Problem::bad_parameter(field, Some(&text), &error)),
    };
    Ok(ServicePattern {
        namespace: glob("services.namespaceId", services.namespace_id)?,
        group: glob("services.groupName", services.group_name)?,
        service: glob("services.serviceName", services.service_name)?,
    })
}

fn supposed(order: &DrainOrder) -> SupposedDrain {
    SupposedDrain { target: order.target.clone(), percent: order.percent, guard: order.guard }
}

/// Whether the effects of drains are wanted in a list of them.
fn effects_wanted(query: Option<&str>) -> Result<bool, Problem> {
    let mut wanted = None;
    for (name, value) in form_urlencoded::parse(query.unwrap_or("").as_bytes()) {
        let bad = |detail: &str| Problem::bad_parameter("effects", Some(&value), &detail);
        match (&*name, &*value, wanted) {
            ("effects", _, Some(_)) => return Err(bad("it is given twice")),
            ("effects", "true", None) => wanted = Some(true),
            ("effects", "false", None) => wanted = Some(false),
            ("effects", _, None) => return Err(bad("true or false is needed")),
            _ => return Err(Problem::unknown_parameter(&name, &value, &["effects"])),
        }
    }
    Ok(wanted.unwrap_or(true))
}

/// An order that undoes, or lowers what is in force, leaves nobody with less.
fn takes_more(state: &ApiState, order: &DrainOrder) -> bool {
    let in_force = state.view().intents().get(&order.target).map(|drain| drain.intent.percent).unwrap_or_default();
    order.percent > Percent::default() && order.percent >= in_force
}

fn refusal(order: &DrainOrder, refused: &[ServiceKey]) -> Problem {
    let total = refused.len();
    let services = if total == 1 { "1 service".to_owned() } else { format!("{total} services") };
    let detail = format!(
        "{services} would be left without a healthy instance if {} were drained; leaveLast leaves them \
         alone and drains the others, force drains them all the same",
        order.target
    );
    let named = refused.iter().take(NAMED).map(comparison::service_name).collect();
    Problem::drain_refused(detail, named, total)
}

fn not_ordered(error: CommandError) -> Problem {
    match error {
        CommandError::Refused(DrainRefused::TooLong { field, bytes }) => {
            let (field, refused) =
                (if field == "why" { "reason" } else { field }, DrainRefused::TooLong { field, bytes });
            Problem::bad_parameter(field, None, &refused)
        }
        CommandError::Refused(refused) => Problem::not_ordered(&refused),
        CommandError::HoldRefused(_) | CommandError::Busy | CommandError::Gone => Problem::not_ordered(&error),
    }
}

/// Gives the order and waits until the view shows what became of it.
async fn give(state: &ApiState, order: DrainOrder) -> Result<DrainInForce, Problem> {
    let taken = state.commands().order_drain(order).await.map_err(not_ordered)?;
    let mut intents = state.view().watch_intents();
    let shown = intents.wait_for(|table| table.settled(&taken).is_some()).await;
    let table = shown.map_err(|_| not_ordered(CommandError::Gone))?;
    let drain = table.get(&taken.target).cloned().expect("what is settled is in the table");
    match table.settled(&taken) {
        Some(OrderSettled::Overruled { by }) => Err(Problem::overruled(&drain, &by)),
        Some(OrderSettled::InForce) | None => Ok(drain),
    }
}
