//! `resolve` and `explain`: which instances a caller should use, and why.

use federation_answers::plan::{
    DrainDocument, EndpointDocument, ExplainDocument, LeftOutDocument, OriginDocument, PlanDocument, PlanHead,
};
use serde::de::DeserializeOwned;

use super::args::{Ask, Caller, Global, Name};
use super::client::{Answer, Client};
use super::clusters::{age_of, place};
use super::exit::{Exit, Failure};
use super::output::Output;
use super::service::{address, weight};
use super::services::namespace;
use super::table::{Table, left, right};
use federation_answers::printable::printable;

/// Shows a plan; that nothing can be used is a failure.
pub(super) async fn resolve(
    ask: &Ask,
    global: &Global,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let answer = get("/v1/resolve", ask, global, client).await?;
    output.answer(&answer, plan)?;
    Ok(Exit::Ok)
}

/// Shows how a plan came about.
pub(super) async fn explain(
    ask: &Ask,
    global: &Global,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let answer = get("/v1/explain", ask, global, client).await?;
    output.answer(&answer, explanation)?;
    Ok(if answer.document.usable { Exit::Ok } else { Exit::Negative })
}

async fn get<T: DeserializeOwned>(
    path: &str,
    ask: &Ask,
    global: &Global,
    client: &Client,
) -> Result<Answer<T>, Failure> {
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

fn plan(document: &PlanDocument<'static>) -> String {
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
    for it in &document.endpoints {
        table.row([
            reached_at(it),
            it.origin.to_string(),
            it.priority.to_string(),
            it.locality.to_string(),
            share(it.share),
            it.flat_weight.map(weight).unwrap_or_default(),
            held(&it.health, it),
        ]);
    }
    let mut parts = vec![heading(&document.head), table.render()];
    if document.left_out > 0 {
        parts.push(format!("{} left out, `nacos-fed explain` says why\n", document.left_out));
    }
    parts.push(hidden(document.not_shown));
    parts.extend(drains(&document.drains));
    parts.push(origins(&document.origins));
    parts.concat()
}

/// First what happened, step by step; then each endpoint; then what is not in the plan.
fn explanation(document: &ExplainDocument<'static>) -> String {
    let line = |text: &String| printable(text) + "\n";
    let mut parts = vec![heading(&document.head)];
    parts.extend(document.notes.iter().map(line));
    if !document.usable {
        parts.push("NONE of the instances can be used\n".to_owned());
    }
    parts.push("\n".to_owned());
    parts.extend(document.trace.iter().map(line));
    parts.push(format!("\n{}", explained(document)));
    parts.push(hidden(document.not_shown));
    parts.extend(left_out(&document.left_out).map(|table| format!("\n{table}")));
    parts.extend(drains(&document.drains).map(|table| format!("\n{table}")));
    parts.push(format!("\n{}", origins(&document.origins)));
    parts.concat()
}

/// The service, who asks, and by which policy.
fn heading(head: &PlanHead<'_>) -> String {
    let caller = &head.caller;
    let labels: Vec<String> = caller.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let parts = [
        ("at", place([&caller.region, &caller.zone, &caller.sub_zone])),
        ("in network", caller.network.as_deref().unwrap_or_default().to_owned()),
        ("of cluster", caller.cluster.as_deref().unwrap_or_default().to_owned()),
        ("with labels", labels.join(" ")),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(_, part)| !part.is_empty()).map(|(word, part)| format!("{word} {part}")).collect();
    let caller = if said.is_empty() { "of whom nothing is known".to_owned() } else { said.join(" ") };
    let rule = match &head.policy.rule {
        None => "no rule names the service".to_owned(),
        Some(rule) => format!("rule {rule}"),
    };
    let PlanHead { group_name, service_name, version, .. } = head;
    let namespace = namespace(&head.namespace_id);
    let service =
        format!("{group_name}@@{service_name} in namespace {namespace}, version {version}, for a caller {caller}");
    let policy = format!("policy: {}, version {}, {rule}", head.policy.source, head.policy.version);
    format!("{}\n{}\n", printable(&service), printable(&policy))
}

fn explained(document: &ExplainDocument<'_>) -> String {
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
    for it in &document.endpoints {
        table.row([
            reached_at(&it.planned),
            it.planned.origin.to_string(),
            it.planned.priority.to_string(),
            it.rank.clone().unwrap_or_default(),
            it.planned.locality.to_string(),
            distributed(it.planned.weight, it.distributed_weight),
            share(it.planned.share),
            held(&effective(&it.planned.health, &it.raw_health), &it.planned),
            effective(&it.effective_freshness, &it.freshness),
        ]);
    }
    table.render()
}

fn left_out(left_out: &[LeftOutDocument<'_>]) -> Option<String> {
    let columns =
        [left("LEFT OUT"), left("REASON"), left("LOCALITY"), right("WEIGHT"), left("HEALTH"), left("FRESHNESS")];
    let mut table = Table::new(columns);
    for it in left_out {
        table.row([
            it.endpoint.to_string(),
            it.reason.clone(),
            it.locality.clone(),
            weight(it.weight),
            effective(&it.health, &it.raw_health),
            effective(&it.effective_freshness, &it.freshness),
        ]);
    }
    (!left_out.is_empty()).then(|| table.render())
}

/// How much the table of endpoints does not show; nothing if it shows all.
fn hidden(not_shown: usize) -> String {
    if not_shown == 0 { String::new() } else { format!("{not_shown} not shown\n") }
}

fn drains(drains: &[DrainDocument<'_>]) -> Option<String> {
    let columns = [left("DRAIN"), right("PERCENT"), left("RULING"), left("WHO"), left("WHY"), left("ORDERED IN")];
    let mut table = Table::new(columns);
    for it in drains {
        table.row([
            it.target.to_string(),
            it.percent.to_string(),
            it.ruling.replace('_', " "),
            it.who.to_string(),
            it.why.to_string(),
            it.taken_in.to_string(),
        ]);
    }
    (!drains.is_empty()).then(|| table.render())
}

fn origins(origins: &[OriginDocument<'_>]) -> String {
    let mut table = Table::new([left("ORIGIN"), left("FRESHNESS"), right("AGE"), left("REASON")]);
    for it in origins {
        table.row([
            it.origin.to_string(),
            effective(&it.effective_freshness, &it.freshness),
            age_of(it.age_ms),
            it.freshness_reason.to_string(),
        ]);
    }
    table.render()
}

/// The address to call and, where it is another one, the registered address.
fn reached_at(endpoint: &EndpointDocument<'_>) -> String {
    let address = address(&endpoint.ip, endpoint.port);
    match &endpoint.advertised {
        None => address,
        Some(advertised) => format!("{address} (for {})", advertised.instance),
    }
}

/// The word that counts and, where it is another one, the raw word.
fn effective(effective: &str, raw: &str) -> String {
    if raw == effective { effective.to_owned() } else { format!("{effective} (raw: {raw})") }
}

/// Health, and why its removal is kept back.
fn held(health: &str, endpoint: &EndpointDocument<'_>) -> String {
    match &endpoint.held {
        None => health.to_owned(),
        Some(reason) => format!("{health}, held ({reason})"),
    }
}

/// As registered and, where there is a distribution, its part of that.
fn distributed(registered: f64, distributed: Option<u64>) -> String {
    match distributed {
        None => weight(registered),
        Some(distributed) => format!("{} -> {distributed}", weight(registered)),
    }
}

/// Millionths as a percentage, exactly; nothing without a share.
fn share(share: u32) -> String {
    match share {
        0 => String::new(),
        share => format!("{}.{:04} %", share / 10_000, share % 10_000),
    }
}
