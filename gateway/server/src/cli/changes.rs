//! `changes`: what changed lately, and what it came of.

use std::time::{SystemTime, UNIX_EPOCH};

use federation_answers::changes::{CauseDocument, ChangeDocument, ChangesDocument};

use super::age::age;
use super::args::{Changes, Global, Name};
use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::services::namespace;
use super::table::{Table, left, right};

/// Lists what changed.
pub(super) async fn run(
    args: &Changes,
    global: &Global,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let name = args.name.as_deref().map(|name| Name::parse(name, global.group.as_deref())).transpose()?;
    let (kinds, limit) = (args.kind.join(","), args.limit.to_string());
    let group = name.as_ref().and_then(|name| name.group.as_deref()).or(global.group.as_deref());
    let named = name.as_ref().map(|name| name.name.as_str());
    let parameters = [
        ("namespaceId", global.namespace.as_deref()),
        ("groupName", group),
        (if args.config { "dataId" } else { "serviceName" }, named),
        ("cluster", args.cluster.as_deref()),
        ("kind", (!kinds.is_empty()).then_some(kinds.as_str())),
        ("since", args.since.as_deref()),
        ("limit", Some(limit.as_str())),
    ];
    let answer = client.get::<ChangesDocument>("/v1/changes", &parameters).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    output.answer(&answer, |document| table(document, now_ms))?;
    Ok(Exit::Ok)
}

fn table(document: &ChangesDocument, now_ms: u64) -> String {
    if document.changes.is_empty() {
        return format!("nothing is remembered that changed{}\n", reach(document, now_ms));
    }
    let columns =
        [right("AGE"), left("KIND"), left("WHAT"), left("OF"), left("ORIGIN"), left("CHANGE"), left("THROUGH")];
    let mut table = Table::new(columns);
    for change in &document.changes {
        table.row([
            age(now_ms.saturating_sub(change.at_ms)),
            change.kind.to_string(),
            change.what.to_string(),
            subject(change),
            change.origin.clone().unwrap_or_default(),
            difference(change),
            through(&change.cause),
        ]);
    }
    let more = if document.next_cursor.is_some() { "; there are older ones: see --limit" } else { "" };
    format!("{}{} changes{}{more}\n", table.render(), document.changes.len(), reach(document, now_ms))
}

/// How far back it goes.
fn reach(document: &ChangesDocument, now_ms: u64) -> String {
    let oldest = document.oldest_ms.map(|oldest| {
        format!(", the oldest that is remembered of anything {} ago", age(now_ms.saturating_sub(oldest)))
    });
    let filtered = if document.filtered { "; some are not shown to you" } else { "" };
    format!("{}{filtered}", oldest.unwrap_or_default())
}

fn subject(change: &ChangeDocument) -> String {
    let ChangeDocument { namespace_id, group_name, service_name, data_id, instance, target, .. } = change;
    let name = service_name.as_deref().or(data_id.as_deref());
    match (name, group_name, namespace_id) {
        (Some(name), Some(group), Some(space)) => {
            let instance = instance.as_ref().map(|instance| format!(" {instance}")).unwrap_or_default();
            format!("{}/{group}/{name}{instance}", namespace(space))
        }
        _ => target.clone().unwrap_or_default(),
    }
}

/// `healthy -> unhealthy`.
fn difference(change: &ChangeDocument) -> String {
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("{before} -> {after}"),
        (Some(only), None) | (None, Some(only)) => only.clone(),
        (None, None) => String::new(),
    }
}

/// `log instances-3@1204`.
fn through(cause: &CauseDocument) -> String {
    let CauseDocument { through, topic, partition, offset, who } = cause;
    let place = match (topic, partition, offset) {
        (Some(topic), Some(partition), Some(offset)) => format!(" {topic}-{partition}@{offset}"),
        _ => String::new(),
    };
    let who = who.as_ref().filter(|who| !who.is_empty()).map(|who| format!(" by {who}")).unwrap_or_default();
    format!("{through}{place}{who}")
}
