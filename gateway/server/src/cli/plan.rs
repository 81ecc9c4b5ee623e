//! `resolve` and `explain`: which instances a caller should use, and why.

use serde_json::Value;

use super::args::{Ask, Caller, Global, Name};
use super::client::Client;
use super::clusters::{age_of, items, locality, text};
use super::exit::{Exit, Failure};
use super::output::{Format, Output};
use super::printable::printable;
use super::service::address;
use super::services::namespace;
use super::table::{Table, left, right};

/// Shows a plan; that nothing can be used is a failure.
pub(super) async fn resolve(
    ask: &Ask,
    global: &Global,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let document = get("/v1/resolve", ask, global, client).await?;
    match output.format {
        Format::Json => output.document(&document)?,
        Format::Table => output.text(&plan(&document))?,
    }
    Ok(Exit::Ok)
}

/// Shows how a plan came about.
pub(super) async fn explain(
    ask: &Ask,
    global: &Global,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let document = get("/v1/explain", ask, global, client).await?;
    match output.format {
        Format::Json => output.document(&document)?,
        Format::Table => output.text(&explanation(&document))?,
    }
    Ok(if document["usable"] == true { Exit::Ok } else { Exit::Negative })
}

async fn get(path: &str, ask: &Ask, global: &Global, client: &Client) -> Result<Value, Failure> {
    let name = Name::parse(&ask.name, global.group.as_deref())?;
    let limit = ask.limit.map(|limit| limit.to_string());
    let who = parameters(&ask.caller);
    let service = [
        ("namespaceId", global.namespace.as_deref()),
        ("groupName", name.group.as_deref()),
        ("serviceName", Some(name.name.as_str())),
    ];
    let shown = [("limit", limit.as_deref()), ("onlyTop", ask.only_top.then_some("true"))];
    let who = who.iter().map(|(name, value)| (name.as_str(), Some(value.as_str())));
    client.get(path, &service.into_iter().chain(who).chain(shown).collect::<Vec<_>>()).await
}

/// The query parameters that say who asks.
fn parameters(caller: &Caller) -> Vec<(String, String)> {
    let Caller { region, zone, sub_zone, network, cluster, labels } = caller;
    let parts = [("region", region), ("zone", zone), ("subZone", sub_zone), ("network", network), ("cluster", cluster)];
    let parts = parts.into_iter().filter_map(|(name, part)| Some((name.to_owned(), part.clone()?)));
    parts.chain(labels.iter().map(|(name, value)| (format!("label.{name}"), value.clone()))).collect()
}

fn plan(document: &Value) -> String {
    let columns = [
        left("ENDPOINT"),
        left("ORIGIN"),
        right("PRIORITY"),
        left("LOCALITY"),
        right("SHARE"),
        right("FLAT WEIGHT"),
        left("HEALTH"),
    ];
    let mut table = Table::new(columns);
    for endpoint in items(document, "endpoints") {
        table.row([
            reached_at(endpoint),
            text(endpoint, "origin"),
            text(endpoint, "priority"),
            text(endpoint, "locality"),
            share(endpoint),
            text(endpoint, "flatWeight"),
            health(endpoint),
        ]);
    }
    let mut parts = vec![heading(document), table.render(), hidden(document)];
    parts.extend(drains(document));
    parts.push(origins(document));
    parts.concat()
}

/// First what happened, step by step; then each endpoint; then what is not in the plan.
fn explanation(document: &Value) -> String {
    let mut parts = vec![heading(document)];
    parts.extend(items(document, "notes").iter().map(line));
    if document["usable"] == false {
        parts.push("NONE of the instances can be used\n".to_owned());
    }
    parts.push("\n".to_owned());
    parts.extend(items(document, "trace").iter().map(line));
    parts.push(format!("\n{}", explained(document)));
    parts.push(hidden(document));
    parts.extend(left_out(document).map(|table| format!("\n{table}")));
    parts.extend(drains(document).map(|table| format!("\n{table}")));
    parts.push(format!("\n{}", origins(document)));
    parts.concat()
}

fn line(text: &Value) -> String {
    printable(text.as_str().unwrap_or_default()) + "\n"
}

/// The service, who asks, and by which policy.
fn heading(document: &Value) -> String {
    let caller = &document["caller"];
    let labels = caller["labels"].as_object().into_iter().flatten();
    let labels: Vec<String> =
        labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    let parts = [
        ("at", locality(caller)),
        ("in network", text(caller, "network")),
        ("of cluster", text(caller, "cluster")),
        ("with labels", labels.join(" ")),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(_, part)| !part.is_empty()).map(|(word, part)| format!("{word} {part}")).collect();
    let caller = if said.is_empty() { "of whom nothing is known".to_owned() } else { said.join(" ") };
    let (name, version) =
        (format!("{}@@{}", text(document, "groupName"), text(document, "serviceName")), text(document, "version"));
    let policy = &document["policy"];
    let rule = match text(policy, "rule") {
        none if none.is_empty() => "no rule names the service".to_owned(),
        rule => format!("rule {rule}"),
    };
    let (namespace, source) = (namespace(document), text(policy, "source"));
    let service = format!("{name} in namespace {namespace}, version {version}, for a caller {caller}");
    let policy = format!("policy: {source}, version {}, {rule}", text(policy, "version"));
    format!("{}\n{}\n", printable(&service), printable(&policy))
}

fn explained(document: &Value) -> String {
    let columns = [
        left("ENDPOINT"),
        left("ORIGIN"),
        right("PRIORITY"),
        right("RANK"),
        left("LOCALITY"),
        right("WEIGHT"),
        right("SHARE"),
        left("HEALTH"),
        left("FRESHNESS"),
    ];
    let mut table = Table::new(columns);
    for endpoint in items(document, "endpoints") {
        table.row([
            reached_at(endpoint),
            text(endpoint, "origin"),
            text(endpoint, "priority"),
            text(endpoint, "rank"),
            text(endpoint, "locality"),
            weight(endpoint),
            share(endpoint),
            health(endpoint),
            effective(endpoint, "effectiveFreshness", "freshness"),
        ]);
    }
    table.render()
}

fn left_out(document: &Value) -> Option<String> {
    let columns =
        [left("LEFT OUT"), left("REASON"), left("LOCALITY"), right("WEIGHT"), left("HEALTH"), left("FRESHNESS")];
    let mut table = Table::new(columns);
    let left_out = items(document, "leftOut");
    for endpoint in left_out {
        table.row([
            text(endpoint, "endpoint"),
            text(endpoint, "reason"),
            text(endpoint, "locality"),
            text(endpoint, "weight"),
            effective(endpoint, "health", "rawHealth"),
            effective(endpoint, "effectiveFreshness", "freshness"),
        ]);
    }
    (!left_out.is_empty()).then(|| table.render())
}

/// What the table of endpoints does not show; nothing if it shows all.
fn hidden(document: &Value) -> String {
    let count = |name: &str| document[name].as_u64().unwrap_or(0);
    let left_out = match count("leftOut") {
        0 => String::new(),
        count => format!("{count} left out, `nacos-fed explain` says why\n"),
    };
    match count("notShown") {
        0 => left_out,
        count => format!("{left_out}{count} not shown\n"),
    }
}

fn drains(document: &Value) -> Option<String> {
    let columns = [left("DRAIN"), right("PERCENT"), left("RULING"), left("WHO"), left("WHY"), left("ORDERED IN")];
    let mut table = Table::new(columns);
    let drains = items(document, "drains");
    for drain in drains {
        table.row([
            text(drain, "target"),
            text(drain, "percent"),
            text(drain, "ruling").replace('_', " "),
            text(drain, "who"),
            text(drain, "why"),
            text(drain, "takenIn"),
        ]);
    }
    (!drains.is_empty()).then(|| table.render())
}

fn origins(document: &Value) -> String {
    let mut table = Table::new([left("ORIGIN"), left("FRESHNESS"), right("AGE"), left("REASON")]);
    for origin in items(document, "origins") {
        table.row([
            text(origin, "origin"),
            effective(origin, "effectiveFreshness", "freshness"),
            age_of(origin),
            text(origin, "freshnessReason"),
        ]);
    }
    table.render()
}

/// The address to call and, where it is another one, the registered address.
fn reached_at(endpoint: &Value) -> String {
    let address = address(endpoint);
    match &endpoint["advertised"] {
        Value::Null => address,
        advertised => format!("{address} (for {})", text(advertised, "instance")),
    }
}

/// The word that counts and, where it is another one, the raw word.
fn effective(of: &Value, effective: &str, raw: &str) -> String {
    let (effective, raw) = (text(of, effective), text(of, raw));
    if raw.is_empty() || raw == effective { effective } else { format!("{effective} (raw: {raw})") }
}

fn health(endpoint: &Value) -> String {
    let health = effective(endpoint, "health", "rawHealth");
    match text(endpoint, "held") {
        none if none.is_empty() => health,
        reason => format!("{health}, held ({reason})"),
    }
}

/// As registered and, where there is a distribution, its part of that.
fn weight(endpoint: &Value) -> String {
    match text(endpoint, "distributedWeight") {
        none if none.is_empty() => text(endpoint, "weight"),
        distributed => format!("{} -> {distributed}", text(endpoint, "weight")),
    }
}

/// Millionths as a percentage, exactly; nothing without a share.
fn share(endpoint: &Value) -> String {
    match endpoint["share"].as_u64().unwrap_or(0) {
        0 => String::new(),
        share => format!("{}.{:04} %", share / 10_000, share % 10_000),
    }
}
