//! `drain`, `undrain` and `drains`: orders, and what is in force.

use federation_answers::comparison::ComparisonDocument;
use federation_answers::drain::{
    DrainDocument, DrainsDocument, EffectDocument, OrderBody, PatternBody, PatternDocument, RefusedDrainDocument,
};
use serde_json::json;

use super::age::age;
use super::args::{ClearDrains, Drain, DrainTarget, DrainTerms, Drains, Global, Undrain};
use super::client::{Answer, Client};
use super::comparison;
use super::exit::{Exit, Failure, Problem};
use super::output::{Format, Output};
use super::table::{Table, left, right};
use federation_answers::printable::printable;

const PATH: &str = "/v1/drains";
const WITHOUT_EFFECTS: [(&str, Option<&str>); 1] = [("effects", Some("false"))];

/// Drains, or shows what that would change.
pub(super) async fn order(
    args: &Drain,
    global: &Global,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let order = OrderBody {
        force: args.force,
        leave_last: args.leave_last,
        dry_run: args.dry_run,
        ..body(&args.target, args.percent, &args.terms, global)?
    };
    if !args.dry_run {
        return told(&client.post(PATH, &[], &order).await?, args, output);
    }
    let limit = args.limit.to_string();
    let answer = client.post::<ComparisonDocument>(PATH, &[("limit", Some(&limit))], &order).await?;
    output.answer(&answer, comparison::show)?;
    let refused = args.percent > 0 && answer.document.counts.refused > 0;
    Ok(if refused && !args.force && !args.leave_last { Exit::Refused } else { Exit::Ok })
}

fn told(answer: &Answer<DrainDocument>, args: &Drain, output: &mut Output<'_>) -> Result<Exit, Failure> {
    output.answer(answer, |drain| match args.percent {
        0 => undone(drain),
        _ => format!(
            "{}\nIn the plans of all gateways within about 1 s. Undo: nacos-fed undrain {}",
            in_force(drain),
            arguments(drain)
        ),
    })?;
    Ok(Exit::Ok)
}

/// What names the same target to `undrain`.
fn arguments(drain: &DrainDocument) -> String {
    let quoted = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@:/".contains(&byte));
        let quoted = format!("'{}'", text.replace('\'', r"'\''"));
        printable(if plain && !text.is_empty() { text } else { &quoted })
    };
    let mut arguments = quoted(&drain.cluster);
    let Some(PatternDocument { namespace_id, group_name, service_name }) = &drain.services else { return arguments };
    for (option, pattern) in [("--service", service_name), ("-g", group_name), ("-n", namespace_id)] {
        if pattern != "*" {
            arguments.push_str(&format!(" {option} {}", quoted(pattern)));
        }
    }
    arguments
}

/// Undoes a drain; one that is not there is not found, because a pattern that is not the same undoes nothing.
pub(super) async fn undo(
    args: &Undrain,
    global: &Global,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let order = body(&args.target, 0, &args.terms, global)?;
    // Whoever undoes something does not wait for others' questions.
    let drains = client.get::<DrainsDocument>(PATH, &WITHOUT_EFFECTS).await?.document.drains;
    if !drains.iter().any(|drain| is_of(drain, &order) && is_drained(drain)) {
        let others: Vec<&str> = drains.iter().filter(|it| is_drained(it)).map(|it| &*it.target).collect();
        let others =
            if others.is_empty() { "nothing is drained".to_owned() } else { format!("drained: {}", others.join(", ")) };
        return Err(Problem::not_found("Nothing to undo", format!("there is no such drain at this gateway; {others}")));
    }
    let answer = client.post::<DrainDocument>(PATH, &[], &order).await?;
    output.answer(&answer, undone)?;
    Ok(Exit::Ok)
}

/// Whether a drain is of the target that `order` names.
fn is_of(drain: &DrainDocument, order: &OrderBody) -> bool {
    let any = || "*".to_owned();
    let of_drain = match &drain.services {
        Some(PatternDocument { namespace_id, group_name, service_name }) => {
            [namespace_id, group_name, service_name].map(Clone::clone)
        }
        None => [any(), any(), any()],
    };
    let PatternBody { namespace_id, group_name, service_name } = order.services.clone().unwrap_or_default();
    let of_order = [namespace_id, group_name, service_name].map(|pattern| pattern.unwrap_or_else(any));
    drain.cluster == order.cluster && of_drain == of_order
}

fn is_drained(drain: &DrainDocument) -> bool {
    drain.percent != 0 || drain.goal_percent != 0
}

/// Undoes every drain that was taken in one cluster, whoever can take orders there.
pub(super) async fn clear(args: &ClearDrains, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let origin = args.origin.as_str();
    let drains = client.get::<DrainsDocument>(PATH, &WITHOUT_EFFECTS).await?.document.drains;
    let taken_there = drains.iter().filter(|it| is_drained(it) && it.taken_in == origin);
    let (mut undone, mut refused) = (Vec::new(), Vec::new());
    for drain in taken_there {
        let order = OrderBody {
            cluster: drain.cluster.clone(),
            services: drain.services.as_ref().map(same_patterns),
            reason: Some(format!("all drains that were taken in {origin} are undone")),
            who: Some(user_and_host()),
            ..OrderBody::default()
        };
        match client.post::<DrainDocument>(PATH, &[], &order).await {
            Ok(_) => undone.push(&drain.target),
            Err(failure @ Failure::Problem(_)) => refused.push((&drain.target, failure)),
            Err(failure) => return Err(failure),
        }
    }
    match output.format {
        Format::Json => {
            let refused: Vec<&String> = refused.iter().map(|(target, _)| *target).collect();
            output.document(&json!({"undone": undone, "refused": refused}))?;
        }
        Format::Table => {
            let mut lines: Vec<String> = undone.iter().map(|it| format!("{} undone", printable(it))).collect();
            lines.extend(refused.iter().map(|(target, why)| format!("{} NOT undone: {why}", printable(target))));
            if lines.is_empty() {
                lines.push(format!("no drain that was taken in {} is in force", printable(origin)));
            }
            output.text(&lines.join("\n"))?;
        }
    }
    Ok(match (refused.is_empty(), undone.is_empty()) {
        (false, _) => Exit::Refused,
        (true, true) => Exit::NotFound,
        (true, false) => Exit::Ok,
    })
}

fn same_patterns(services: &PatternDocument) -> PatternBody {
    let PatternDocument { namespace_id, group_name, service_name } = services.clone();
    PatternBody { namespace_id: Some(namespace_id), group_name: Some(group_name), service_name: Some(service_name) }
}

/// Lists drains.
pub(super) async fn list(args: &Drains, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    // What drains do is left out where too many ask: that they are in force is what matters then.
    let answer = match client.get::<DrainsDocument>(PATH, &[]).await {
        Err(Failure::Problem(problem)) if problem.status == 429 => client.get(PATH, &WITHOUT_EFFECTS).await?,
        answered => answered?,
    };
    output.answer(&answer, |document| {
        let shown: Vec<&DrainDocument> = document.drains.iter().filter(|it| args.all || is_drained(it)).collect();
        let drained = if shown.is_empty() { "nothing is drained".to_owned() } else { table(&shown) };
        document.not_accepted.iter().fold(drained, |told, it| format!("{told}\n{}", not_accepted(it)))
    })?;
    Ok(Exit::Ok)
}

/// A line for what stands in a log and does nothing here.
fn not_accepted(record: &RefusedDrainDocument) -> String {
    let what = match record.percent {
        Some(percent) => format!("{} to {percent} %", printable(&record.target)),
        None => format!("the removal of {}", printable(&record.target)),
    };
    let who = record.who.as_ref().map(|who| format!(", by {}", printable(who))).unwrap_or_default();
    let (taken_in, because) = (printable(&record.taken_in), printable(&record.because));
    format!("NOT ACCEPTED, without effect here: {what}, in the log of {taken_in}{who}, because {because}")
}

fn table(drains: &[&DrainDocument]) -> String {
    let columns =
        [left("TARGET"), right("DRAINED"), left("SERVICES"), left("WHO"), left("WHY"), right("AGE"), left("TAKEN IN")];
    let mut table = Table::new(columns);
    for drain in drains {
        table.row([
            drain.target.clone(),
            percentage(drain),
            effect(drain),
            drain.who.clone().unwrap_or_default(),
            drain.why.clone().unwrap_or_default(),
            age(drain.age_ms),
            drain.taken_in.clone(),
        ]);
    }
    table.render()
}

/// `30 %`, or of a ramp `12 % to 30 % in 6m 0s`; forced ones say so.
fn percentage(drain: &DrainDocument) -> String {
    let DrainDocument { percent, goal_percent, ends_in_ms, force, .. } = drain;
    let force = if *force { ", forced" } else { "" };
    match ends_in_ms {
        Some(rest) => format!("{percent} % to {goal_percent} % in {}{force}", age(*rest)),
        None => format!("{percent} %{force}"),
    }
}

/// For how many services a drain counts, and for how many it does not.
fn effect(drain: &DrainDocument) -> String {
    if drain.percent == 0 {
        return String::new();
    }
    let Some(EffectDocument { in_force, forced, void, too_many }) = &drain.effect else {
        return "not counted now".to_owned();
    };
    let mut text = (in_force + forced).to_string();
    for (count, what) in [(forced, "forced for"), (void, "void for"), (too_many, "one too many for")] {
        if *count > 0 {
            text.push_str(&format!(", {what} {count}"));
        }
    }
    text
}

fn in_force(drain: &DrainDocument) -> String {
    let who = drain.who.as_ref().map(|who| format!(" by {}", printable(who))).unwrap_or_default();
    let (target, taken_in) = (printable(&drain.target), printable(&drain.taken_in));
    format!("{target} is drained: {}; ordered{who}, taken in {taken_in}.", percentage(drain))
}

fn undone(drain: &DrainDocument) -> String {
    match drain.ends_in_ms {
        Some(_) => format!("{}\nIn the plans of all gateways within about 1 s.", in_force(drain)),
        None => format!(
            "{} is not drained any more, in the plans of all gateways within about 1 s.",
            printable(&drain.target)
        ),
    }
}

fn body(target: &DrainTarget, percent: u8, terms: &DrainTerms, global: &Global) -> Result<OrderBody, Failure> {
    Ok(OrderBody {
        cluster: target.cluster.clone(),
        services: services(target, global)?,
        percent: percent.into(),
        over_ms: terms.over.map(|over| u64::try_from(over.as_millis()).unwrap_or(u64::MAX)),
        reason: terms.reason.clone(),
        who: Some(terms.who.clone().unwrap_or_else(user_and_host)),
        ..OrderBody::default()
    })
}

/// Patterns of the services that are meant; nothing if all are.
fn services(target: &DrainTarget, global: &Global) -> Result<Option<PatternBody>, Failure> {
    let (group, service) = match target.service.as_deref().map(|text| (text, text.split_once("@@"))) {
        None => (None, None),
        Some((_, Some((group, service)))) => (Some(group), Some(service)),
        Some((service, None)) => (None, Some(service)),
    };
    if let (Some(within), Some(group)) = (group, global.group.as_deref())
        && within != group
    {
        return Err(Failure::Arguments(format!("--service names the group `{within}`, --group names `{group}`")));
    }
    let patterns = PatternBody {
        namespace_id: global.namespace.clone(),
        group_name: group.or(global.group.as_deref()).map(str::to_owned),
        service_name: service.map(str::to_owned),
    };
    Ok((patterns != PatternBody::default()).then_some(patterns))
}

pub(super) fn user_and_host() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "unknown".to_owned());
    format!("{user}@{}", crate::config::ConfigSurroundings::of_process().host)
}
