//! `drain`, `undrain` and `drains`: orders, and what is in force.

use serde_json::{Map, Value, json};

use super::age::age;
use super::args::{ClearDrains, Drain, DrainTarget, DrainTerms, Drains, Global, Undrain};
use super::client::Client;
use super::clusters::{items, text};
use super::comparison;
use super::exit::{Exit, Failure};
use super::output::{Format, Output};
use super::printable::printable;
use super::table::{Table, left, right};

const PATH: &str = "/v1/drains";
const WITHOUT_EFFECTS: [(&str, Option<&str>); 1] = [("effects", Some("false"))];

/// Drains, or shows what that would change.
pub(super) async fn order(
    args: &Drain,
    global: &Global,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let mut body = body(&args.target, args.percent, &args.terms, global)?;
    body["force"] = args.force.into();
    if args.leave_last {
        body["leaveLast"] = true.into();
    }
    if !args.dry_run {
        return told(&client.post(PATH, &[], &body).await?, args, output);
    }
    body["dryRun"] = true.into();
    let limit = args.limit.to_string();
    let document = client.post(PATH, &[("limit", Some(&limit))], &body).await?;
    match output.format {
        Format::Json => output.document(&document)?,
        Format::Table => output.text(&comparison::show(&document))?,
    }
    let refused = args.percent > 0 && comparison::count(&document, "refused") > 0;
    Ok(if refused && !args.force && !args.leave_last { Exit::Refused } else { Exit::Ok })
}

fn told(drain: &Value, args: &Drain, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match output.format {
        Format::Json => output.document(drain)?,
        Format::Table if args.percent == 0 => output.text(&undone(drain))?,
        Format::Table => output.text(&format!(
            "{}\nIn the plans of all gateways within about 1 s. Undo: nacos-fed undrain {}",
            in_force(drain),
            arguments(drain)
        ))?,
    }
    Ok(Exit::Ok)
}

/// What names the same target to `undrain`.
fn arguments(drain: &Value) -> String {
    let quoted = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@:/".contains(&byte));
        let quoted = format!("'{}'", text.replace('\'', r"'\''"));
        printable(if plain && !text.is_empty() { text } else { &quoted })
    };
    let mut arguments = quoted(&text(drain, "cluster"));
    for (option, name) in [("--service", "serviceName"), ("-g", "groupName"), ("-n", "namespaceId")] {
        if let Some(pattern) = drain["services"][name].as_str().filter(|pattern| *pattern != "*") {
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
    let drains = client.get(PATH, &WITHOUT_EFFECTS).await?; // Whoever undoes something does not wait for others' questions.
    if !items(&drains, "drains").iter().any(|drain| is_of(drain, &order) && is_drained(drain)) {
        let others: Vec<String> =
            items(&drains, "drains").iter().filter(|it| is_drained(it)).map(|it| text(it, "target")).collect();
        let others =
            if others.is_empty() { "nothing is drained".to_owned() } else { format!("drained: {}", others.join(", ")) };
        let detail = format!("there is no such drain at this gateway; {others}");
        let members =
            Map::from_iter([("title".to_owned(), "Nothing to undo".into()), ("detail".to_owned(), detail.into())]);
        return Err(Failure::Problem(super::exit::Problem { status: 404, members }));
    }
    let drain = client.post(PATH, &[], &order).await?;
    match output.format {
        Format::Json => output.document(&drain)?,
        Format::Table => output.text(&undone(&drain))?,
    }
    Ok(Exit::Ok)
}

/// Whether a drain is of the target that `order` names.
fn is_of(drain: &Value, order: &Value) -> bool {
    let names = ["namespaceId", "groupName", "serviceName"];
    let patterns = |of: &Value| names.map(|name| of["services"][name].as_str().unwrap_or("*").to_owned());
    drain["cluster"] == order["cluster"] && patterns(drain) == patterns(order)
}

fn is_drained(drain: &Value) -> bool {
    drain["percent"] != 0 || drain["goalPercent"] != 0
}

/// Undoes every drain that was taken in one cluster, whoever can take orders there.
pub(super) async fn clear(args: &ClearDrains, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let origin = args.origin.as_str();
    let drains = client.get(PATH, &WITHOUT_EFFECTS).await?;
    let taken_there: Vec<&Value> =
        items(&drains, "drains").iter().filter(|it| is_drained(it) && it["takenIn"] == origin).collect();
    let (mut undone, mut refused) = (Vec::new(), Vec::new());
    for drain in &taken_there {
        let mut order = json!({"cluster": drain["cluster"], "percent": 0, "who": user_and_host()});
        order["reason"] = format!("all drains that were taken in {origin} are undone").into();
        if !drain["services"].is_null() {
            order["services"] = drain["services"].clone();
        }
        match client.post(PATH, &[], &order).await {
            Ok(_) => undone.push(text(drain, "target")),
            Err(failure @ Failure::Problem(_)) => refused.push((text(drain, "target"), failure)),
            Err(failure) => return Err(failure),
        }
    }
    match output.format {
        Format::Json => {
            let refused: Vec<&String> = refused.iter().map(|(target, _)| target).collect();
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

/// Lists drains.
pub(super) async fn list(args: &Drains, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    // What drains do is left out where too many ask: that they are in force is what matters then.
    let document = match client.get(PATH, &[]).await {
        Err(Failure::Problem(problem)) if problem.status == 429 => client.get(PATH, &WITHOUT_EFFECTS).await?,
        answered => answered?,
    };
    match output.format {
        Format::Json => output.document(&document)?,
        Format::Table => {
            let shown: Vec<&Value> =
                items(&document, "drains").iter().filter(|drain| args.all || is_drained(drain)).collect();
            output.text(&if shown.is_empty() { "nothing is drained".to_owned() } else { table(&shown) })?;
        }
    }
    Ok(Exit::Ok)
}

fn table(drains: &[&Value]) -> String {
    let columns =
        [left("TARGET"), right("DRAINED"), left("SERVICES"), left("WHO"), left("WHY"), right("AGE"), left("TAKEN IN")];
    let mut table = Table::new(columns);
    for drain in drains {
        let age = drain["ageMs"].as_u64().map(age).unwrap_or_default();
        let row =
            [text(drain, "target"), percentage(drain), effect(drain), text(drain, "who"), text(drain, "why"), age];
        table.row(row.into_iter().chain([text(drain, "takenIn")]));
    }
    table.render()
}

/// `30 %`, or of a ramp `12 % to 30 % in 6m 0s`; forced ones say so.
fn percentage(drain: &Value) -> String {
    let force = if drain["force"] == true { ", forced" } else { "" };
    let now = text(drain, "percent");
    match drain["endsInMs"].as_u64() {
        Some(rest) => format!("{now} % to {} % in {}{force}", text(drain, "goalPercent"), age(rest)),
        None => format!("{now} %{force}"),
    }
}

/// For how many services a drain counts, and for how many it does not.
fn effect(drain: &Value) -> String {
    if drain["percent"] == 0 {
        return String::new();
    }
    if drain["effect"].is_null() {
        return "not counted now".to_owned();
    }
    let count = |name: &str| drain["effect"][name].as_u64().unwrap_or(0);
    let mut text = (count("inForce") + count("forced")).to_string();
    for (count, what) in
        [(count("forced"), "forced for"), (count("void"), "void for"), (count("tooMany"), "one too many for")]
    {
        if count > 0 {
            text.push_str(&format!(", {what} {count}"));
        }
    }
    text
}

fn in_force(drain: &Value) -> String {
    let who = match text(drain, "who") {
        who if who.is_empty() => String::new(),
        who => format!(" by {}", printable(&who)),
    };
    let (target, taken_in) = (printable(&text(drain, "target")), printable(&text(drain, "takenIn")));
    format!("{target} is drained: {}; ordered{who}, taken in {taken_in}.", percentage(drain))
}

fn undone(drain: &Value) -> String {
    let target = printable(&text(drain, "target"));
    match drain["endsInMs"].as_u64() {
        Some(_) => format!("{}\nIn the plans of all gateways within about 1 s.", in_force(drain)),
        None => format!("{target} is not drained any more, in the plans of all gateways within about 1 s."),
    }
}

fn body(target: &DrainTarget, percent: u8, terms: &DrainTerms, global: &Global) -> Result<Value, Failure> {
    let mut body = json!({
        "cluster": target.cluster,
        "percent": percent,
        "who": terms.who.clone().unwrap_or_else(user_and_host),
    });
    if let Some(services) = services(target, global)? {
        body["services"] = services;
    }
    if let Some(over) = terms.over {
        body["overMs"] = u64::try_from(over.as_millis()).unwrap_or(u64::MAX).into();
    }
    if let Some(reason) = &terms.reason {
        body["reason"] = reason.as_str().into();
    }
    Ok(body)
}

/// Patterns of the services that are meant; nothing if all are.
fn services(target: &DrainTarget, global: &Global) -> Result<Option<Value>, Failure> {
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
    let parts = [
        ("namespaceId", global.namespace.as_deref()),
        ("groupName", group.or(global.group.as_deref())),
        ("serviceName", service),
    ];
    let given: Map<String, Value> =
        parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect();
    Ok((!given.is_empty()).then_some(Value::Object(given)))
}

pub(super) fn user_and_host() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "unknown".to_owned());
    format!("{user}@{}", crate::config::Surroundings::of_process().host)
}
